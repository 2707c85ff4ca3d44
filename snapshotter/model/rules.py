"""
Define the rules by which a page is judged (docs/reference/takedown-rules.md).

A `RuleSet` is one rule file. `policy/takedown_rules.py` reads it and checks its patterns and
selectors, and `assess/` matches the rules. The values of states and labels are in signed records.
"""

import enum
from dataclasses import field
from datetime import date

from snapshotter.model.assessment import Cause, RuleFile, WallKind
from snapshotter.value_class import dataclass

Scalar = str | int | bool  # of JSON


class Normaliser(enum.StrEnum):
    """The form into which texts are brought before they are compared, and only for that."""

    ZH_NOTICE = "zh-notice"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonTest:
    """A test for one value in the page's data."""

    path: str  # "error_code", "data.user.id", "items.0.text"
    values: tuple[Scalar, ...] = ()  # (): anything that is not empty


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderTest:
    """A test for one header of the response."""

    name: str  # lowercase
    values: tuple[str, ...] = ()  # lowercase; (): any


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementTest:
    """
    A test for an element that a reader sees and, if words are given, that has one of them as text.
    """

    select: str  # CSS
    equals: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """
    Where a rule looks, and what has to be there.

    `url`, `select`, `script`, `json` and `header` are ways to match, and one of them is enough.
    All other conditions have to hold in addition. `status` alone is enough.
    """

    url: tuple[str, ...] = ()  # patterns, from the beginning of "host/path?query"
    select: str = ""  # CSS; without any words below that such an element is there is enough
    equals: tuple[str, ...] = ()  # the whole text of such an element
    starts: tuple[str, ...] = ()  # its beginning
    matches: tuple[str, ...] = ()  # patterns of the whole text, normalised
    contains: tuple[str, ...] = ()  # all of these stand in it
    most_text: int = 400  # characters of an element's text; a longer one is no notice
    script: tuple[str, ...] = ()  # patterns, in the page's own scripts
    json: tuple[JsonTest, ...] = ()  # all of these
    header: tuple[HeaderTest, ...] = ()  # one of these
    status: tuple[int, ...] = ()  # HTTP
    redirected: bool = False  # the page ended at another address than was asked for
    also: tuple[ElementTest, ...] = ()  # all of these are on the page as well
    without: tuple[str, ...] = ()  # CSS: a reader sees none of these
    # Characters that the page shows outside forms and its frame; None: as many as it likes.
    most_page_text: int | None = None
    most_running_text: int | None = None  # the same, without links

    @property
    def has_words(self) -> bool:
        """Whether the text of an element matters, and not only its presence."""
        return bool(self.equals or self.starts or self.matches or self.contains)

    @property
    def is_of_whole_page(self) -> bool:
        """Whether the rest of the page matters too. Elements then have to be visible as well."""
        texts = (self.most_page_text, self.most_running_text)
        return bool(self.also or self.without or texts != (None, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """
    One value to read off a page on which a rule has matched.

    It comes from the text of an element (or one attribute), a script, a parameter of the final
    address, a link of the headers, or another extract. `regex` takes its first group.
    """

    name: str  # "detail", "cited_rule", "rule_id", "moved_to"
    select: str = ""
    attr: str = ""  # of the element, instead of its text
    source: str = ""  # name of another extract, or "notice": the words that matched
    script: bool = False  # `regex` is looked for in the page's own scripts
    query: str = ""  # parameter of the final address
    link_rel: str = ""  # relation of a link in the header `Link` (RFC 8288)
    regex: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDescription:
    """What a rule file states of a rule in addition to what it matches."""

    id: str  # "wx-01"
    grade: str = ""  # A to D: how well it is founded
    reason: str = ""
    sources: tuple[str, ...] = ()
    gloss: tuple[tuple[str, str], ...] = ()  # (BCP 47 language, fixed translation of the notice)
    seen_first: date | None = None
    seen_last: date | None = None
    match_pages: tuple[str, ...] = ()  # of the fixture site: the rule has to match
    no_match_pages: tuple[str, ...] = ()  # and here it must not


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentRule:
    """A rule that shows that a page's content is there."""

    about: RuleDescription
    any: tuple[str, ...] = ()  # CSS: the first that is there, outside any notice, and rich enough
    json: tuple[JsonTest, ...] = ()  # or: all of these hold in the page's data
    all: tuple[str, ...] = ()  # CSS: each of these has to be there too
    url: tuple[str, ...] = ()  # patterns; () for every address
    min_text: int = 0  # characters without spaces; or
    min_images: int = 0  # so many pictures; 0: these do not count
    count_links: bool = True  # text in links counts
    count_frame: bool = True  # text in navigation, footers and the like counts
    last: bool = False  # looked at after all notices and statuses, not before


@dataclass(frozen=True, slots=True, kw_only=True)
class WallRule:
    """A rule for a wall, which hides the page and tells nothing about it."""

    about: RuleDescription
    match: Match
    kind: WallKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRule:
    """A rule for a notice of a platform: its words, a value in its data, or an HTTP status."""

    about: RuleDescription
    match: Match
    cause: Cause
    takedown: bool = True  # False: an owner's setting, a link that ended
    convention: bool = False  # the cause is how researchers read it, and not the platform's word
    ambiguous: bool = False
    needs_control: bool = False
    detail_of: tuple[str, ...] = ()  # ids of notices of which this is the small print
    account: str = ""  # state of the account of which the notice speaks
    label: str = ""
    extracts: tuple[Extract, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    """A rule for the platform's own error page: the address may be wrong, and nothing is shown."""

    about: RuleDescription
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """A rule for a label that a platform puts on content that it still shows."""

    about: RuleDescription
    match: Match
    label: str  # "refuted", "restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRule:
    """A rule for what a page states about the account behind it."""

    about: RuleDescription
    match: Match
    state: str  # "frozen", "closed", "blocked", "migrated", "restricted", "abnormal", …


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRule:
    """A rule that shows that some of the content is held back."""

    about: RuleDescription
    match: Match


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRule:
    """
    A place where a platform puts the words of any of its notices: a parameter of an address.

    The words found there are compared with those of all notices of the file.
    """

    about: RuleDescription
    url: tuple[str, ...] = ()  # patterns of the final address
    json: tuple[JsonTest, ...] = ()  # or: what has to hold in the data,
    path: str = ""  # and where the words are in it, or the address that has them
    query: str = ""  # parameter of the address; "": the value itself is the words


@dataclass(frozen=True, slots=True, kw_only=True)
class PhraseRule:
    """
    How one language says in general that something is gone.

    A sentence is a phrase if it has words of `before`, then one of `subject` and one of `state`
    in either order, with only words of `between` in the middle, and then its end or one of
    `after`; or if it is one of `whole`.
    """

    about: RuleDescription
    language: str  # BCP 47
    spaced: bool = True  # words have spaces between them
    before: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """Where a page shows another page. A notice there is about the other page."""

    select: tuple[str, ...] = ()  # CSS
    json: tuple[str, ...] = ()  # paths to texts


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountId:
    """Where a page states its account."""

    prefix: str  # "wechat:"
    query: str = ""  # parameter of the final address
    script: str = ""  # pattern, its first group, in the page's own scripts
    json: str = ""  # path
    url: str = ""  # pattern, its first group, of "host/path?query"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """One rule file."""

    file: RuleFile
    text: str  # of the file, as it was read
    hosts: tuple[str, ...]  # "mp.weixin.qq.com", "*.bbs.example" for those below, "*" for all
    normalise: Normaliser = Normaliser.NOTICE
    reason: str = ""
    notice_shape: tuple[str, ...] = ()  # CSS: what is in such an element is a notice
    authored: tuple[str, ...] = ()  # CSS: authors fill it; nothing in it is a notice or a wall
    json_scripts: tuple[str, ...] = ()  # variables of scripts that hold the page's data
    contents: tuple[ContentRule, ...] = ()
    walls: tuple[WallRule, ...] = ()
    notices: tuple[NoticeRule, ...] = ()
    jsons: tuple[NoticeRule, ...] = ()
    statuses: tuple[NoticeRule, ...] = ()
    errors: tuple[ErrorRule, ...] = ()
    labels: tuple[LabelRule, ...] = ()
    accounts: tuple[AccountRule, ...] = ()
    partials: tuple[PartialRule, ...] = ()
    messages: tuple[MessageRule, ...] = ()
    phrases: tuple[PhraseRule, ...] = ()
    quoted: Quoted = field(default_factory=Quoted)
    account_id: AccountId | None = None

    @property
    def everywhere(self) -> bool:
        """Whether these rules are for hosts that no other file names."""
        return "*" in self.hosts

    @property
    def abouts(self) -> tuple[RuleDescription, ...]:
        """The descriptions of all rules, in the order of their kinds."""
        return (
            *(rule.about for rule in self.contents), *(rule.about for rule in self.walls),
            *(rule.about for rule in self.notices), *(rule.about for rule in self.jsons),
            *(rule.about for rule in self.statuses), *(rule.about for rule in self.errors),
            *(rule.about for rule in self.labels), *(rule.about for rule in self.accounts),
            *(rule.about for rule in self.partials), *(rule.about for rule in self.messages),
            *(rule.about for rule in self.phrases),
        )  # fmt: skip
