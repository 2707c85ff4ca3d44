"""
Validate the tables of a take-down rule file, and convert them into the rules of `model/rules.py`.

The format is described in `docs/reference/takedown-rules.md`. Every key has an effect; unknown
keys and wrong types are errors. A file in a bundle may come from a stranger: it is data, and
nothing in it can make matching slow (`policy/patterns.py`) or read anything but the page.
"""

from dataclasses import fields
from datetime import date
from typing import Annotated, Any, Literal, Self

from snapshotter.formats.table import Check, Field, Table, check_table
from snapshotter.model.assessment import Cause, WallKind
from snapshotter.model.rules import (
    AccountRule,
    ContentRule,
    ElementTest,
    ErrorRule,
    Extract,
    HeaderTest,
    JsonTest,
    LabelRule,
    Match,
    MessageRule,
    NoticeRule,
    PartialRule,
    PhraseRule,
    RuleDescription,
    Scalar,
    WallRule,
)
from snapshotter.policy.patterns import compile_pattern, literal_beginning
from snapshotter.policy.selectors import CssSelector

SCHEMA = "snapshotter/takedown-rules@1"
_MAX_RULES = 500  # of one kind in a file
_LEAST_LITERAL = 4  # characters that a pattern for scripts begins with


def _pattern(text: str) -> str:
    compile_pattern(text)
    return text


def _script_pattern(text: str) -> str:
    _pattern(text)
    if len(literal_beginning(text)) < _LEAST_LITERAL:
        raise ValueError(f"must begin with {_LEAST_LITERAL} plain letters, as in 'var name = …'")
    return text


def _one_group(text: str) -> str:
    if compile_pattern(text).groups != 1:
        raise ValueError(
            "must have exactly one group (…), which gives the value that is read from the page"
        )
    return text


_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_FileId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]  # a file's name in bundles
_LabelWord = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Word = Annotated[str, Field(min_length=1, max_length=500)]
_Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*)$", max_length=253)]
_Selector = Annotated[CssSelector, Field(min_length=1, max_length=500)]
_Pattern = Annotated[str, Check(_pattern)]
_ScriptPattern = Annotated[str, Check(_script_pattern)]
_Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_$][\w$.-]*$", max_length=100)]
_Page = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/_-]{0,99}$")]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
_Status = Annotated[int, Field(ge=100, le=599)]
_State = Literal[
    "frozen", "closed", "blocked", "migrated", "migrating", "restricted", "abnormal", "reclaimed"
]
_Few = Field(max_length=50)  # of one rule; TOML has lists, values have tuples
_All = Field(max_length=_MAX_RULES)  # of one file, or texts of one rule
_Words = Annotated[tuple[_Word, ...], _All]
_Selectors = Annotated[tuple[_Selector, ...], _Few]
_Patterns = Annotated[tuple[_Pattern, ...], _Few]
_ScriptPatterns = Annotated[tuple[_ScriptPattern, ...], _Few]
_Pages = Annotated[tuple[_Page, ...], _All]
_Names = Annotated[tuple[_Name, ...], _Few]
_Paths = Annotated[tuple[_Path, ...], _Few]
_Ids = Annotated[tuple[_Id, ...], _Few]
_Statuses = Annotated[tuple[_Status, ...], _Few]


class _Table(Table):
    def fields_of(self, model: type[Any]) -> dict[str, Any]:
        """Return the values of the keys that are fields of the same name in `model`."""
        names = {field.name for field in fields(model)}
        return {
            info.name: getattr(self, info.name) for info in self.key_infos() if info.name in names
        }


class _Seen(_Table):
    first: date | None = None
    last: date | None = None

    @check_table
    def _in_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise ValueError("`first` is later than `last`")
        return self


class _Fixtures(_Table):
    match: _Pages = ()
    no_match: _Pages = ()


class _Rule(_Table):
    id: _Id
    grade: Literal["", "A", "B", "C", "D"] = ""
    reason: str = ""
    sources: _Words = ()
    gloss: dict[_Language, _Word] = Field(default_factory=dict)
    seen: _Seen = Field(default_factory=_Seen)
    fixtures: _Fixtures = Field(default_factory=_Fixtures)

    def about(self) -> RuleDescription:
        return RuleDescription(
            id=self.id,
            grade=self.grade,
            reason=self.reason,
            sources=self.sources,
            gloss=tuple(sorted(self.gloss.items())),
            seen_first=self.seen.first,
            seen_last=self.seen.last,
            match_pages=self.fixtures.match,
            no_match_pages=self.fixtures.no_match,
        )


class _JsonTest(_Table):
    path: _Path
    equals: Annotated[tuple[str | int | bool, ...], _Few] = ()

    def value(self) -> JsonTest:
        """Return the table as a value of `model/rules.py`."""
        return JsonTest(path=self.path, values=tuple[Scalar, ...](self.equals))


_JsonTests = Annotated[tuple[_JsonTest, ...], _Few]


class _HeaderTest(_Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")]
    equals: _Words = ()

    def value(self) -> HeaderTest:
        """Return the table as a value of `model/rules.py`."""
        return HeaderTest(name=self.name, values=tuple(value.lower() for value in self.equals))


class _ElementTest(_Table):
    select: _Selector
    equals: _Words = ()
    starts: _Words = ()
    matches: _Patterns = ()

    def value(self) -> ElementTest:
        """Return the table as a value of `model/rules.py`."""
        return ElementTest(**self.fields_of(ElementTest))


class _Matching(_Rule):
    url: _Patterns = ()
    select: _Selector | None = None
    equals: _Words = ()
    starts: _Words = ()
    matches: _Patterns = ()
    contains: _Words = ()
    most_text: int = Field(default=400, ge=1, le=2000)
    script: _ScriptPatterns = ()
    data: _JsonTests = ()
    header: Annotated[tuple[_HeaderTest, ...], _Few] = ()
    status: _Statuses = ()
    redirected: bool = False
    also: Annotated[tuple[_ElementTest, ...], _Few] = ()
    without: _Selectors = ()
    most_page_text: int | None = Field(default=None, ge=0, le=100_000)
    most_running_text: int | None = Field(default=None, ge=0, le=100_000)

    @check_table
    def _looks_somewhere(self) -> Self:
        words = self.equals or self.starts or self.matches or self.contains
        if words and not self.select:
            raise ValueError(
                "conditions on text need `select`, which selects the element with the text"
            )
        ways = (self.url, self.select, self.script, self.data, self.header, self.status)
        if not any(ways):
            raise ValueError(
                "the rule has no condition: give url, select, script, data, header or status"
            )
        return self

    def match(self) -> Match:
        tests = {
            "select": self.select or "",
            "json": tuple(test.value() for test in self.data),
            "header": tuple(test.value() for test in self.header),
            "also": tuple(test.value() for test in self.also),
        }
        return Match(**(self.fields_of(Match) | tests))


class ContentTable(_Rule):
    """A `[[content]]` table."""

    any: _Selectors = ()
    data: _JsonTests = ()
    all: _Selectors = ()
    url: _Patterns = ()
    min_text: int = Field(default=1, ge=0, le=100_000)
    min_images: int = Field(default=0, ge=0, le=1000)
    count_links: bool = True
    count_frame: bool = True
    last: bool = False

    @check_table
    def _asks_for_something(self) -> Self:
        if bool(self.any) == bool(self.data):
            raise ValueError("give either `any` (the elements with the content) or `data`")
        if self.any and not self.min_text and not self.min_images:
            raise ValueError(
                "give min_text or min_images, because an empty element does not show the content"
            )
        return self

    def value(self) -> ContentRule:
        """Return the table as a value of `model/rules.py`."""
        return ContentRule(
            about=self.about(),
            json=tuple(test.value() for test in self.data),
            **self.fields_of(ContentRule),
        )


class WallTable(_Matching):
    """A `[[wall]]` table."""

    kind: Literal[
        "login", "verification", "app_only", "rate_limited", "session_expired", "challenge",
        "consent", "paywall", "age"
    ]  # fmt: skip

    def value(self) -> WallRule:
        """Return the table as a value of `model/rules.py`."""
        return WallRule(about=self.about(), match=self.match(), kind=WallKind(self.kind))


class _Extract(_Table):
    select: _Selector | None = None
    attr: _Name | None = None
    source: Annotated[_Name | None, Field(alias="from")] = None
    script: Annotated[str, Check(_script_pattern), Check(_one_group)] | None = None
    query: _Name | None = None
    link_rel: _Name | None = None
    regex: Annotated[str, Check(_one_group)] | None = None

    @check_table
    def _has_one_source(self) -> Self:
        given = [
            text
            for text in (self.select, self.source, self.script, self.query, self.link_rel)
            if text
        ]
        if len(given) != 1:
            raise ValueError("give exactly one of select, from, script, query and link_rel")
        if self.attr and not self.select:
            raise ValueError("`attr` needs `select`")
        if self.script and self.regex:
            raise ValueError("`script` is a pattern, so `regex` is not allowed with it")
        return self

    def value(self, name: str) -> Extract:
        """Return the table as a value of `model/rules.py`."""
        return Extract(
            name=name,
            select=self.select or "",
            attr=self.attr or "",
            source=self.source or "",
            script=self.script is not None,
            query=self.query or "",
            link_rel=self.link_rel or "",
            regex=self.script or self.regex or "",
        )


_Extracted = Literal["detail", "cited_rule", "rule_id", "moved_to"]


class NoticeTable(_Matching):
    """A `[[notice]]` table."""

    cause: Literal[
        "author", "platform_rule", "complaint_many", "complaint_ip", "account_blocked",
        "account_closed", "account_frozen", "account_abnormal", "moved", "review_failed",
        "owner_setting", "temporary", "expired", "refuted", "legal", "not_stated",
    ]  # fmt: skip
    takedown: bool = True
    convention: bool = False
    ambiguous: bool = False
    needs_control: bool = False
    detail_of: _Ids = ()
    account: _State | None = None
    label: _LabelWord | None = None
    extract: dict[_Extracted, _Extract] = Field(default_factory=dict)

    @check_table
    def _says_what_is_true(self) -> Self:
        if self.cause == "owner_setting" and self.takedown:
            raise ValueError("a setting of the owner is not a take-down: write takedown = false")
        for name, found in self.extract.items():
            if found.source and found.source != "notice" and found.source not in self.extract:
                raise ValueError(f"extract.{name}.from: an extract with this name does not exist")
            if found.source == name:
                raise ValueError(f"extract.{name}.from: an extract cannot be made from itself")
        return self

    def value(self) -> NoticeRule:
        """Return the table as a value of `model/rules.py`."""
        values = {
            "about": self.about(),
            "match": self.match(),
            "cause": Cause(self.cause),
            "account": self.account or "",
            "label": self.label or "",
            "extracts": tuple(extract.value(name) for name, extract in self.extract.items()),
        }
        return NoticeRule(**(self.fields_of(NoticeRule) | values))


class JsonTable(NoticeTable):
    """A `[[json]]` table."""

    @check_table
    def _reads_data(self) -> Self:
        if not self.data or self.select or self.script or self.url:
            raise ValueError(
                "a [[json]] rule reads only the page's data: give `data`, and no select, script or "
                "url"
            )
        return self


class StatusTable(NoticeTable):
    """A `[[status]]` table."""

    @check_table
    def _has_a_status(self) -> Self:
        if not self.status:
            raise ValueError("a [[status]] rule needs `status`")
        return self


class ErrorTable(_Matching):
    """A `[[error]]` table."""

    def value(self) -> ErrorRule:
        """Return the table as a value of `model/rules.py`."""
        return ErrorRule(about=self.about(), match=self.match())


class LabelTable(_Matching):
    """A `[[label]]` table."""

    label: _LabelWord

    def value(self) -> LabelRule:
        """Return the table as a value of `model/rules.py`."""
        return LabelRule(about=self.about(), match=self.match(), label=self.label)


class AccountTable(_Matching):
    """A `[[account]]` table."""

    state: _State

    def value(self) -> AccountRule:
        """Return the table as a value of `model/rules.py`."""
        return AccountRule(about=self.about(), match=self.match(), state=self.state)


class PartialTable(_Matching):
    """A `[[partial]]` table."""

    def value(self) -> PartialRule:
        """Return the table as a value of `model/rules.py`."""
        return PartialRule(about=self.about(), match=self.match())


class MessageTable(_Rule):
    """A `[[message]]` table."""

    url: _Patterns = ()
    data: _JsonTests = ()
    path: _Path | None = None
    query: _Name | None = None

    @check_table
    def _names_a_place(self) -> Self:
        if bool(self.url) == bool(self.path):
            raise ValueError(
                "give either `url` (for the final address) or `path` (for the page's data)"
            )
        if self.url and not self.query:
            raise ValueError(
                "`url` needs `query`, the name of the parameter that contains the text"
            )
        if self.url and self.data:
            raise ValueError("`data` is allowed only with `path`")
        return self

    def value(self) -> MessageRule:
        """Return the table as a value of `model/rules.py`."""
        return MessageRule(
            about=self.about(),
            url=self.url,
            json=tuple(test.value() for test in self.data),
            path=self.path or "",
            query=self.query or "",
        )


class PhraseTable(_Rule):
    """A `[[phrase]]` table."""

    language: _Language
    spaced: bool = True
    before: _Words = ()
    subject: _Words = ()
    state: _Words = ()
    between: _Words = ()
    after: _Words = ()
    whole: _Words = ()

    @check_table
    def _says_something(self) -> Self:
        if bool(self.subject) != bool(self.state) or not (self.subject or self.whole):
            raise ValueError(
                "give `subject` and `state`, or give `whole`; without them the rule matches no page"
            )
        return self

    def value(self) -> PhraseRule:
        """Return the table as a value of `model/rules.py`."""
        return PhraseRule(about=self.about(), **self.fields_of(PhraseRule))


class _Quoted(_Table):
    select: _Selectors = ()
    data: _Paths = ()


class _AccountId(_Table):
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]+:$")]
    query: _Name | None = None
    script: Annotated[str, Check(_script_pattern), Check(_one_group)] | None = None
    data: _Path | None = None
    url: Annotated[str, Check(_one_group)] | None = None

    @check_table
    def _names_a_place(self) -> Self:
        if not (self.query or self.script or self.data or self.url):
            raise ValueError("give query, script, data or url")
        return self


class FileTable(_Table):
    """A whole rule file."""

    schema_: Annotated[Literal["snapshotter/takedown-rules@1"], Field(alias="schema")]
    id: _FileId
    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,3}$", max_length=40)]
    hosts: Annotated[tuple[_Host, ...], Field(min_length=1, max_length=200)]
    normalise: Literal["zh-notice", "notice"] = "notice"
    reason: str = ""
    notice_shape: _Selectors = ()
    authored: _Selectors = ()
    json_scripts: _Names = ()
    content: Annotated[tuple[ContentTable, ...], _All] = ()
    wall: Annotated[tuple[WallTable, ...], _All] = ()
    notice: Annotated[tuple[NoticeTable, ...], _All] = ()
    json_: Annotated[tuple[JsonTable, ...], _All, Field(alias="json")] = ()
    status: Annotated[tuple[StatusTable, ...], _All] = ()
    error: Annotated[tuple[ErrorTable, ...], _All] = ()
    label: Annotated[tuple[LabelTable, ...], _All] = ()
    account: Annotated[tuple[AccountTable, ...], _All] = ()
    partial: Annotated[tuple[PartialTable, ...], _All] = ()
    message: Annotated[tuple[MessageTable, ...], _All] = ()
    phrase: Annotated[tuple[PhraseTable, ...], _All] = ()
    quoted: _Quoted = Field(default_factory=_Quoted)
    account_id: _AccountId | None = None

    def rules(self) -> tuple[_Rule, ...]:
        """Return the rules of every kind, which share one space of ids."""
        return (
            *self.content, *self.wall, *self.notice, *self.json_, *self.status, *self.error,
            *self.label, *self.account, *self.partial, *self.message, *self.phrase,
        )  # fmt: skip

    @check_table
    def _ids_are_one_rule_each(self) -> Self:
        seen: set[str] = set()
        for rule in self.rules():
            if rule.id in seen:
                raise ValueError(f"two rules have the id {rule.id}")
            seen.add(rule.id)
        known = {notice.id for notice in (*self.notice, *self.json_, *self.status)}
        for notice in (*self.notice, *self.json_, *self.status):
            for of in notice.detail_of:
                if of not in known or of == notice.id:
                    raise ValueError(
                        f"{notice.id}: detail_of: another notice with the id {of} does not exist"
                    )
        return self
