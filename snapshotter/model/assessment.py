"""
Define the values of an assessment: the verdicts on one capture, and the evidence for each of them.

`AssessmentSummary` is an assessment in short. The values of the enumerations are in signed
records: new ones are added, none is renamed.
"""

import enum
from dataclasses import field

from snapshotter.model.page import Box
from snapshotter.model.reading import Readings
from snapshotter.value_class import dataclass

MAX_EXCERPT = 300  # characters


class Content(enum.StrEnum):
    """What kind of page was captured."""

    CONTENT = "content"
    NOTICE = "notice"  # the platform says that something is not there
    WALL = "wall"  # login, verification, app only, throttling: says nothing about the page
    SHELL = "shell"  # the page's frame without its main text
    BLANK = "blank"
    ERROR = "error"  # no answer, or an error of the server
    PARTIAL = "partial"  # content, and some of it is missing


class Availability(enum.StrEnum):
    """Whether the page or post at the address is available."""

    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"
    INCONCLUSIVE = "inconclusive"


class Cause(enum.StrEnum):
    """Why it is unavailable, as the notice, the data or the status states it. Never a motive."""

    AUTHOR = "author"
    PLATFORM_RULE = "platform_rule"
    COMPLAINT_MANY = "complaint_many"
    COMPLAINT_IP = "complaint_ip"
    ACCOUNT_BLOCKED = "account_blocked"
    ACCOUNT_CLOSED = "account_closed"
    ACCOUNT_FROZEN = "account_frozen"
    ACCOUNT_ABNORMAL = "account_abnormal"
    MOVED = "moved"
    REVIEW_FAILED = "review_failed"
    OWNER_SETTING = "owner_setting"
    TEMPORARY = "temporary"
    EXPIRED = "expired"
    REFUTED = "refuted"
    LEGAL = "legal"  # HTTP 451, which names no more than that
    NOT_STATED = "not_stated"


class Undecided(enum.StrEnum):
    """Why availability is undecided."""

    WALL = "wall"
    UNKNOWN_NOTICE = "unknown_notice"  # it has the shape of a notice, and no rule knows its words
    ERROR = "error"  # no answer, or an error of the server
    UNKNOWN = "unknown"


class WallKind(enum.StrEnum):
    """The kind of wall that hides the page."""

    LOGIN = "login"
    VERIFICATION = "verification"
    APP_ONLY = "app_only"
    RATE_LIMITED = "rate_limited"
    SESSION_EXPIRED = "session_expired"
    CHALLENGE = "challenge"  # a bot-protection service tests the browser or its user
    CONSENT = "consent"  # a request for consent takes the place of the page
    PAYWALL = "paywall"
    AGE = "age"  # the site asks for the reader's age


class Step(enum.StrEnum):
    """The step of the matching order in which evidence was found."""

    WALL_URL = "wall-url"
    WALL_STRUCTURE = "wall-structure"
    CONTENT = "content"
    NOTICE = "notice"
    JSON = "json"
    STATUS = "status"
    SHAPE = "shape"  # of a notice that no rule knows
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """The identity of a rule file that was used. Its text is in the bundle."""

    id: str  # "wechat"
    version: str  # "2026.11.1"
    sha256: str  # of the file


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One place on the page that a verdict rests on."""

    rule: str  # "wx-01"; "content.blank" and the like for what is the same everywhere
    rules: str = ""  # id of its file; "" for what is the same everywhere
    step: Step
    region: str = ""  # selector of the element, path in the JSON, or the address
    excerpt: str = ""  # verbatim, at most MAX_EXCERPT characters
    box: Box | None = None
    picture: str = ""  # path in the bundle of the picture in which the box is


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentVerdict:
    """What kind of page was captured."""

    kind: Content
    detail: str  # a sentence
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A label that a platform puts on content that it still shows: "refuted", "restricted"."""

    label: str
    text: str  # verbatim
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """
    The state of the account behind the page, as the page states it. It is no state of the page.
    """

    state: str  # "frozen", "closed", "blocked", "migrated", "migrating", "restricted", …
    text: str  # verbatim
    evidence: Evidence
    account: str = ""  # its id, where the page says it: "wechat:MzA…"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownVerdict:
    """
    Whether the page or post is available, by the rules alone.

    `takedown` is False if it is unavailable through a setting of its owner.
    """

    availability: Availability
    detail: str  # a sentence
    cause: Cause | None = None  # of UNAVAILABLE
    undecided: Undecided | None = None  # of INCONCLUSIVE
    wall: WallKind | None = None
    rule: str = ""  # id: "wx-01"
    rules: str = ""  # id of its file
    grade: str = ""  # A to D: how well the rule itself is founded
    notice: str = ""  # the platform's words, verbatim
    notice_detail: str = ""  # what it says beside that, verbatim
    gloss: tuple[tuple[str, str], ...] = ()  # (language, fixed translation from the rule file)
    cited_rule: str = ""  # the text in 《》 that the notice names
    rule_id: str = ""  # the platform's own number of the rule that was broken
    moved_to: str = ""  # address, as the page says it
    convention: bool = False  # the cause is how researchers read it, and not the platform's word
    ambiguous: bool = False  # the words do not distinguish a removal from something else
    needs_control: bool = False  # says nothing without a control page of the same host
    takedown: bool = True
    evidence: tuple[Evidence, ...] = ()
    labels: tuple[Label, ...] = ()
    accounts: tuple[AccountState, ...] = ()
    quoted: tuple[Evidence, ...] = ()  # of things in the page: the original of a repost is gone
    stub: str = ""  # TOML of a rule for a notice that none knows


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedReading:
    """A reading that failed, wholly or in part. All other readings were made."""

    reading: str  # a field of `Readings`; "kind", "main_region", "regions" of a verdict's stages
    why: str  # a sentence or the name of an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """All verdicts and readings of one capture."""

    content: ContentVerdict
    takedown: TakedownVerdict
    rule_files: tuple[RuleFile, ...] = ()
    identity: str = ""  # which page it is (`policy/page_identity.py`), as far as the page says it
    main_sha256: str = ""  # of the main text, normalised: whether two captures show the same
    readings: Readings = field(default_factory=Readings)
    unread: tuple[FailedReading, ...] = ()  # in the file only where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentSummary:
    """An assessment in short: for lists, tables and the queue."""

    content: Content
    availability: Availability
    cause: Cause | None = None
    undecided: Undecided | None = None
    wall: WallKind | None = None
    rule: str = ""
    notice: str = ""  # verbatim
    cited_rule: str = ""
    detail: str = ""  # a sentence
    takedown: bool = True  # as TakedownVerdict has it
    main_sha256: str = ""
    accounts: tuple[str, ...] = ()  # states of the account behind it, which are not the page's
    labels: tuple[str, ...] = ()  # what the platform says of what it still shows
    quoted: tuple[str, ...] = ()  # rules of things in the page: the original of a repost is gone
    stub: str = ""  # as TakedownVerdict has it
    ambiguous: bool = False  # as TakedownVerdict has it

    @classmethod
    def of(cls, assessment: Assessment) -> "AssessmentSummary":
        """Return the summary of an assessment."""
        verdict = assessment.takedown
        return cls(
            content=assessment.content.kind,
            availability=verdict.availability,
            cause=verdict.cause,
            undecided=verdict.undecided,
            wall=verdict.wall,
            rule=verdict.rule,
            notice=verdict.notice,
            cited_rule=verdict.cited_rule,
            detail=verdict.detail or assessment.content.detail,
            takedown=verdict.takedown,
            main_sha256=assessment.main_sha256,
            accounts=tuple(dict.fromkeys(account.state for account in verdict.accounts)),
            labels=tuple(dict.fromkeys(label.label for label in verdict.labels)),
            quoted=tuple(dict.fromkeys(evidence.rule for evidence in verdict.quoted)),
            stub=verdict.stub,
            ambiguous=verdict.ambiguous,
        )

    @property
    def words(self) -> str:
        """The summary in a few words: `content, available`, `notice, unavailable (author)`."""
        why = self.cause or self.wall or self.undecided
        kind, state = self.content.value, self.availability.value
        return f"{kind}, {state} ({why.value})" if why else f"{kind}, {state}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedAssessment:
    """What a bundle states about its page, read from the bundle and not derived again."""

    shown: AssessmentSummary | None  # None: the bundle has no assessment that can be read
    convention: bool = False  # as TakedownVerdict has it
