"""
Read rule files: TOML, strict, in which every key has an effect.

The format is `docs/reference/takedown-rules.md`. A file may come from a stranger, in a
bundle: it is data, and nothing in it can make a page slow (`policy/patterns.py`) or reach
anything but the page.
"""

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.model.assessment import Cause, RuleFile, WallKind
from snapshotter.model.rules import (
    About,
    AccountId,
    AccountRule,
    ContentRule,
    ErrorRule,
    Extract,
    JsonTest,
    LabelRule,
    Match,
    MessageRule,
    Normaliser,
    NoticeRule,
    PartialRule,
    Quoted,
    RuleSet,
    Scalar,
    WallRule,
)
from snapshotter.policy.files import shipped_directory
from snapshotter.policy.patterns import compile_pattern, literal_beginning
from snapshotter.policy.selectors import OurSelector

SCHEMA = "snapshotter/takedown-rules@1"
MAX_BYTES = 1 << 20  # of a file
_MAX_RULES = 500  # of one kind in a file
_LEAST_LITERAL = 4  # characters that a pattern for scripts begins with

T = TypeVar("T")


def _pattern(text: str) -> str:
    compile_pattern(text)
    return text


def _script_pattern(text: str) -> str:
    _pattern(text)
    if len(literal_beginning(text)) < _LEAST_LITERAL:
        raise ValueError(f"has to begin with {_LEAST_LITERAL} plain letters, as in 'var name = …'")
    return text


def _one_group(text: str) -> str:
    if compile_pattern(text).groups != 1:
        raise ValueError("has to have one group (…): what is taken from the page")
    return text


_Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
_FileId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]  # a file's name in bundles
_LabelWord = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
_Word = Annotated[str, Field(min_length=1, max_length=500)]
_Host = Annotated[str, Field(pattern=r"^(\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*)$", max_length=253)]
_Selector = Annotated[OurSelector, Field(min_length=1, max_length=500)]
_Pattern = Annotated[str, AfterValidator(_pattern)]
_ScriptPattern = Annotated[str, AfterValidator(_script_pattern)]
_Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$", max_length=200)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z_$][\w$.-]*$", max_length=100)]
_Page = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9/_-]{0,99}$")]
_Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
_Status = Annotated[int, Field(ge=100, le=599)]
_State = Literal[
    "frozen", "closed", "blocked", "migrated", "migrating", "restricted", "abnormal", "reclaimed"
]


_Few = Field(max_length=50, strict=False)  # of one rule; TOML has lists, values have tuples
_All = Field(max_length=_MAX_RULES, strict=False)  # of one file, or texts of one rule
_Words = Annotated[tuple[_Word, ...], _All]
_Selectors = Annotated[tuple[_Selector, ...], _Few]
_Patterns = Annotated[tuple[_Pattern, ...], _Few]
_ScriptPatterns = Annotated[tuple[_ScriptPattern, ...], _Few]
_Pages = Annotated[tuple[_Page, ...], _All]
_Names = Annotated[tuple[_Name, ...], _Few]
_Paths = Annotated[tuple[_Path, ...], _Few]
_Ids = Annotated[tuple[_Id, ...], _Few]
_Statuses = Annotated[tuple[_Status, ...], _Few]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Seen(_Table):
    first: date | None = None
    last: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first and self.last and self.first > self.last:
            raise ValueError("first is after last")
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
    seen: _Seen = _Seen()
    fixtures: _Fixtures = _Fixtures()

    def about(self) -> About:
        return About(
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
        return JsonTest(path=self.path, values=tuple[Scalar, ...](self.equals))


_JsonTests = Annotated[tuple[_JsonTest, ...], _Few]


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
    status: _Statuses = ()
    redirected: bool = False

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Self:
        words = self.equals or self.starts or self.matches or self.contains
        if words and not self.select:
            raise ValueError("words need a select: the element in which they stand")
        if not (self.url or self.select or self.script or self.data or self.status):
            raise ValueError("matches nothing: give url, select, script, data or status")
        return self

    def match(self) -> Match:
        return Match(
            url=self.url,
            select=self.select or "",
            equals=self.equals,
            starts=self.starts,
            matches=self.matches,
            contains=self.contains,
            most_text=self.most_text,
            script=self.script,
            json=tuple(it.value() for it in self.data),
            status=self.status,
            redirected=self.redirected,
        )


class _Content(_Rule):
    any: _Selectors = ()
    data: _JsonTests = ()
    all: _Selectors = ()
    url: _Patterns = ()
    min_text: int = Field(default=1, ge=0, le=100_000)
    min_images: int = Field(default=0, ge=0, le=1000)
    count_links: bool = True
    count_frame: bool = True
    last: bool = False

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if bool(self.any) == bool(self.data):
            raise ValueError("give any: elements that content is in, or data")
        if self.any and not self.min_text and not self.min_images:
            raise ValueError("an element that may be empty shows nothing: give min_text")
        return self

    def value(self) -> ContentRule:
        return ContentRule(
            about=self.about(),
            any=self.any,
            json=tuple(it.value() for it in self.data),
            all=self.all,
            url=self.url,
            min_text=self.min_text,
            min_images=self.min_images,
            count_links=self.count_links,
            count_frame=self.count_frame,
            last=self.last,
        )


class _Wall(_Matching):
    kind: Literal["login", "verification", "app_only", "rate_limited", "session_expired"]

    def value(self) -> WallRule:
        return WallRule(about=self.about(), match=self.match(), kind=WallKind(self.kind))


class _Extract(_Table):
    select: _Selector | None = None
    attr: _Name | None = None
    source: Annotated[_Name | None, Field(alias="from")] = None
    script: Annotated[str, AfterValidator(_script_pattern), AfterValidator(_one_group)] | None = (
        None
    )
    query: _Name | None = None
    link_rel: _Name | None = None
    regex: Annotated[str, AfterValidator(_one_group)] | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = [
            it for it in (self.select, self.source, self.script, self.query, self.link_rel) if it
        ]
        if len(given) != 1:
            raise ValueError("give one of select, from, script, query and link_rel")
        if self.attr and not self.select:
            raise ValueError("attr needs a select")
        if self.script and self.regex:
            raise ValueError("script is itself a pattern, and takes no regex")
        return self

    def value(self, name: str) -> Extract:
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


class _Notice(_Matching):
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

    @model_validator(mode="after")
    def _says_what_is_true(self) -> Self:
        if self.cause == "owner_setting" and self.takedown:
            raise ValueError("what its owner has set is no take-down: say takedown = false")
        for name, found in self.extract.items():
            if found.source and found.source != "notice" and found.source not in self.extract:
                raise ValueError(f"extract.{name}.from: there is no extract of that name")
            if found.source == name:
                raise ValueError(f"extract.{name}.from: is itself")
        return self

    def value(self) -> NoticeRule:
        return NoticeRule(
            about=self.about(),
            match=self.match(),
            cause=Cause(self.cause),
            takedown=self.takedown,
            convention=self.convention,
            ambiguous=self.ambiguous,
            needs_control=self.needs_control,
            detail_of=self.detail_of,
            account=self.account or "",
            label=self.label or "",
            extracts=tuple(it.value(name) for name, it in self.extract.items()),
        )


class _Json(_Notice):
    @model_validator(mode="after")
    def _reads_data(self) -> Self:
        if not self.data or self.select or self.script or self.url:
            raise ValueError("a [[json]] rule reads the page's data alone: give data")
        return self


class _StatusRule(_Notice):
    @model_validator(mode="after")
    def _has_a_status(self) -> Self:
        if not self.status:
            raise ValueError("a [[status]] rule needs a status")
        return self


class _Error(_Matching):
    def value(self) -> ErrorRule:
        return ErrorRule(about=self.about(), match=self.match())


class _Label(_Matching):
    label: _LabelWord

    def value(self) -> LabelRule:
        return LabelRule(about=self.about(), match=self.match(), label=self.label)


class _Account(_Matching):
    state: _State

    def value(self) -> AccountRule:
        return AccountRule(about=self.about(), match=self.match(), state=self.state)


class _Partial(_Matching):
    def value(self) -> PartialRule:
        return PartialRule(about=self.about(), match=self.match())


class _Message(_Rule):
    url: _Patterns = ()
    data: _JsonTests = ()
    path: _Path | None = None
    query: _Name | None = None

    @model_validator(mode="after")
    def _names_a_place(self) -> Self:
        if bool(self.url) == bool(self.path):
            raise ValueError("give url, for the final address, or path, for the page's data")
        if self.url and not self.query:
            raise ValueError("url needs query: the parameter that has the words")
        if self.url and self.data:
            raise ValueError("data goes with path")
        return self

    def value(self) -> MessageRule:
        return MessageRule(
            about=self.about(),
            url=self.url,
            json=tuple(it.value() for it in self.data),
            path=self.path or "",
            query=self.query or "",
        )


class _Quoted(_Table):
    select: _Selectors = ()
    data: _Paths = ()


class _AccountId(_Table):
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]+:$")]
    query: _Name | None = None
    script: Annotated[str, AfterValidator(_script_pattern), AfterValidator(_one_group)] | None = (
        None
    )
    data: _Path | None = None
    url: Annotated[str, AfterValidator(_one_group)] | None = None

    @model_validator(mode="after")
    def _names_a_place(self) -> Self:
        if not (self.query or self.script or self.data or self.url):
            raise ValueError("give query, script, data or url")
        return self


class _File(_Table):
    schema_: Annotated[Literal["snapshotter/takedown-rules@1"], Field(alias="schema")]
    id: _FileId
    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,3}$", max_length=40)]
    hosts: Annotated[tuple[_Host, ...], Field(min_length=1, max_length=200, strict=False)]
    normalise: Literal["zh-notice", "notice"] = "notice"
    reason: str = ""
    notice_shape: _Selectors = ()
    authored: _Selectors = ()
    json_scripts: _Names = ()
    content: Annotated[tuple[_Content, ...], _All] = ()
    wall: Annotated[tuple[_Wall, ...], _All] = ()
    notice: Annotated[tuple[_Notice, ...], _All] = ()
    json_: Annotated[tuple[_Json, ...], _All, Field(alias="json")] = ()
    status: Annotated[tuple[_StatusRule, ...], _All] = ()
    error: Annotated[tuple[_Error, ...], _All] = ()
    label: Annotated[tuple[_Label, ...], _All] = ()
    account: Annotated[tuple[_Account, ...], _All] = ()
    partial: Annotated[tuple[_Partial, ...], _All] = ()
    message: Annotated[tuple[_Message, ...], _All] = ()
    quoted: _Quoted = _Quoted()
    account_id: _AccountId | None = None

    def rules(self) -> tuple[_Rule, ...]:
        return (
            *self.content, *self.wall, *self.notice, *self.json_, *self.status, *self.error,
            *self.label, *self.account, *self.partial, *self.message,
        )  # fmt: skip

    @model_validator(mode="after")
    def _ids_are_one_rule_each(self) -> Self:
        seen: set[str] = set()
        for rule in self.rules():
            if rule.id in seen:
                raise ValueError(f"two rules are called {rule.id}")
            seen.add(rule.id)
        known = {it.id for it in (*self.notice, *self.json_, *self.status)}
        for notice in (*self.notice, *self.json_, *self.status):
            for of in notice.detail_of:
                if of not in known or of == notice.id:
                    raise ValueError(f"{notice.id}: detail_of: there is no other notice {of}")
        return self


def load_rules(ids: Sequence[str]) -> tuple[RuleSet, ...]:
    """
    Read rule files, in the order in which they are named; one that is named twice once.

    Args:
        ids: Of shipped files ("wechat"), or paths that end with ".toml".

    Raises:
        SnapshotterError: One is not there, or is no rule file; it says which rule and key.
    """
    sets: dict[str, RuleSet] = {}
    for each in dict.fromkeys(ids):
        path = find_rules(each)
        found = parse_rules(_read(path), str(path))
        if found.file.id in sets and sets[found.file.id].text != found.text:
            raise SnapshotterError(f"{path}: another file of rules is called {found.file.id} too")
        sets[found.file.id] = found
    return tuple(sets.values())


def shipped_rules() -> tuple[str, ...]:
    """Return the ids of the rule files that are shipped; those for all hosts come last."""
    ids = sorted(it.stem for it in (shipped_directory() / "takedown").glob("*.toml"))
    return tuple(sorted(ids, key=lambda it: it == "generic"))


def find_rules(id_or_path: str) -> Path:
    """
    Return the rule file that was named, or pointed at.

    Raises:
        SnapshotterError: None of that name is shipped.
    """
    if id_or_path.endswith(".toml") or os.sep in id_or_path:
        return Path(id_or_path)  # reading it says whether it is there
    if id_or_path in shipped_rules():
        return shipped_directory() / "takedown" / f"{id_or_path}.toml"
    raise SnapshotterError(
        f"there are no take-down rules called {id_or_path}",
        hint=f"one of {', '.join(shipped_rules())}, or the path of a file",
    )


@lru_cache(maxsize=64)  # a worker reads the same files for each job
def parse_rules(text: str, source: str) -> RuleSet:
    """
    Return the rules of a file.

    Args:
        text: Of the whole file.
        source: Where it is from, for messages.

    Raises:
        SnapshotterError: No TOML, or a key or value that has no meaning; it says the file,
            the id of the rule, and the key.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise SnapshotterError(f"{source} is longer than {MAX_BYTES} bytes")
    try:
        table = toml.loads(text)
    except RecursionError as error:
        raise SnapshotterError(f"{source} is nested too deeply") from error
    except ValueError as error:  # no TOML, endless numbers
        raise SnapshotterError(f"{source} is not TOML: {error}") from error
    try:
        read = _File.model_validate(table)
        return _rule_set(read, text, hashlib.sha256(data).hexdigest())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = first["msg"].removeprefix("Value error, ")
        where = _where(table, first["loc"])
        raise SnapshotterError(
            f"{source}: {where}: {message}" if where else f"{source}: {message}",
            hint="the format is in docs/reference/takedown-rules.md",
        ) from error


def rules_for(sets: Sequence[RuleSet], hosts: Sequence[str]) -> tuple[RuleSet, ...]:
    """
    Return the rules for a page on one of these hosts, in their order, those for all hosts last.

    Args:
        hosts: Lowercase, without ports: where the page was asked for, and where it ended.
    """
    chosen = [
        it for it in sets if any(_is_of(host, pattern) for host in hosts for pattern in it.hosts)
    ]
    return tuple(sorted(chosen, key=lambda it: it.everywhere))


def _is_of(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return pattern in ("*", host)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SnapshotterError(f"{path} can not be read: {error}") from error


def _where(table: Mapping[str, Any], loc: tuple[int | str, ...]) -> str:
    """Return which rule and which key: `wx-02: select`."""
    parts = list(loc)
    rule = ""
    if len(parts) >= 2 and isinstance(parts[1], int):
        kind, number = str(parts[0]), parts[1]
        found = table.get(kind)
        table_of_rule = found[number] if isinstance(found, list) else None
        if isinstance(table_of_rule, dict):
            given = table_of_rule.get("id")
            rule = given if isinstance(given, str) and given else f"[[{kind}]] number {number + 1}"
            parts = parts[2:]
    key = ".".join(str(it) for it in parts)
    return ": ".join(it for it in (rule, key) if it)


def _rule_set(read: _File, text: str, sha256: str) -> RuleSet:
    account = read.account_id
    return RuleSet(
        file=RuleFile(id=read.id, version=read.version, sha256=sha256),
        text=text,
        hosts=read.hosts,
        normalise=Normaliser(read.normalise),
        reason=read.reason,
        notice_shape=read.notice_shape,
        authored=read.authored,
        json_scripts=read.json_scripts,
        contents=_values(read.content, _Content.value),
        walls=_values(read.wall, _Wall.value),
        notices=_values(read.notice, _Notice.value),
        jsons=_values(read.json_, _Json.value),
        statuses=_values(read.status, _StatusRule.value),
        errors=_values(read.error, _Error.value),
        labels=_values(read.label, _Label.value),
        accounts=_values(read.account, _Account.value),
        partials=_values(read.partial, _Partial.value),
        messages=_values(read.message, _Message.value),
        quoted=Quoted(select=read.quoted.select, json=read.quoted.data),
        account_id=None
        if account is None
        else AccountId(
            prefix=account.prefix,
            query=account.query or "",
            script=account.script or "",
            json=account.data or "",
            url=account.url or "",
        ),
    )


def _values(read: Sequence[Any], value: Callable[[Any], T]) -> tuple[T, ...]:
    return tuple(value(it) for it in read)
