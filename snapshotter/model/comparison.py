"""
Define the values of a comparison of two captures of one page.

"Unchanged" is a result of a comparison. What could not be established is `UNKNOWN`, with the
reason, and never counts as unchanged. No value tells which of the captures is right. The values
of the enumerations are in JSON output: new ones are added, none is renamed.
"""

import enum
from dataclasses import field
from datetime import datetime

from snapshotter.model.assessment import Availability, Cause, Content, Undecided, WallKind
from snapshotter.model.page import Box
from snapshotter.model.reading import Count, Region
from snapshotter.value_class import dataclass

# What a reader came for. A date is not among them: "3 weeks ago" is another text every week.
MAIN_REGIONS = frozenset(
    {
        Region.MAIN, Region.HEADLINE, Region.CAPTION, Region.BYLINE, Region.STANDFIRST, Region.NOTE,
    }
)  # fmt: skip


class ComparisonState(enum.StrEnum):
    """Whether something is the same in both captures."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNKNOWN = "unknown"  # it could not be established; a detail says why


class Op(enum.StrEnum):
    """The change of a piece of text."""

    SAME = "same"
    REMOVED = "removed"
    ADDED = "added"
    MASKED = "masked"  # left out of the comparison by the policy; the text of the earlier one


class BlockKind(enum.StrEnum):
    """The change of a block of text."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"  # its pieces say how
    MOVED = "moved"  # the same words, somewhere else


class Trend(enum.StrEnum):
    """What two readings of a count, each of which may be an interval, show together."""

    SAME = "same"  # both exact, and equal
    ROSE = "rose"  # the later one's lower bound is above the earlier one's upper bound
    FELL = "fell"
    UNKNOWN = "unknown"  # the intervals overlap, as with 10万+ twice
    APPEARED = "appeared"
    DISAPPEARED = "disappeared"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPiece:
    """A run of words, or of characters where words have no spaces between them. Verbatim."""

    op: Op
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPosition:
    """The position of a block in one of the captures."""

    selector: str  # "" where only lines of text are known
    region: Region | None  # None: the region is unknown
    box: Box | None = None
    hidden: bool = False  # a reader does not see it


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockChange:
    """One block that differs between the captures."""

    kind: BlockKind
    before: BlockPosition | None  # None of ADDED
    after: BlockPosition | None  # None of REMOVED
    pieces: tuple[TextPiece, ...]  # in reading order; all but those ADDED are the text before

    @property
    def in_main(self) -> bool:
        """Whether the block is in the main region of either capture."""
        return any(
            place is not None and place.region in MAIN_REGIONS and not place.hidden
            for place in (self.before, self.after)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskUse:
    """What one mask of the policy covered: it was left out of the comparison, and counted."""

    kind: str  # "selector", "pattern"
    mask: str  # as the policy has it
    before: int  # places in the earlier capture
    after: int
    differs: bool  # whether what it covered is not the same in both


@dataclass(frozen=True, slots=True, kw_only=True)
class TextComparison:
    """The text of both captures, block by block."""

    main: ComparisonState
    elsewhere: ComparisonState  # all that a reader sees outside the main region
    hidden: ComparisonState  # text in the page that no reader sees
    detail: str = ""  # why something is UNKNOWN
    changes: tuple[BlockChange, ...] = ()  # the main region first, each in reading order
    respelled: int = 0  # blocks whose characters differ in width, composition or spaces alone
    coarse: tuple[str, ...] = ()  # comparisons that were coarser, to stay within bounds, and why
    unmasked: str = ""  # why masks by selector were not applied; "" if they were


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRegion:
    """One part of a picture that differs."""

    before: Box | None  # CSS pixels, of the page; None: only the later one has it
    after: Box | None
    pixels: int  # device pixels in it that differ
    regions: tuple[Region, ...] = ()  # what parts of the page lie under it, of either capture
    selectors: tuple[str, ...] = ()  # of blocks under it; at most a few
    excerpt: str = ""  # how the first of them begins

    @property
    def in_main(self) -> bool:
        """Whether the part overlaps the main region."""
        return any(region in MAIN_REGIONS for region in self.regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureComparison:
    """The same picture of both captures. Boxes and sizes are in CSS pixels."""

    picture: str  # "first view", "whole page"
    state: ComparisonState
    detail: str = ""  # why UNKNOWN, or what was compared less closely
    before: tuple[int, int] | None = None  # width, height
    after: tuple[int, int] | None = None
    main: ComparisonState = (
        ComparisonState.UNKNOWN
    )  # of what looks different, whether any lies in the main region
    regions: tuple[PictureRegion, ...] = ()  # from the top
    specks: int = 0  # differences too small to be listed
    masked: int = 0  # places under masks that do not look the same: left out, and counted


@dataclass(frozen=True, slots=True, kw_only=True)
class CountChange:
    """One count in both captures."""

    unit: str
    trend: Trend
    before: Count | None
    after: Count | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """A value that differs between the captures; () for a capture that does not have it."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """A set of texts: the members that only one capture has."""

    state: ComparisonState
    removed: tuple[str, ...] = ()  # in the order of the earlier capture
    added: tuple[str, ...] = ()  # in that of the later one
    kept: int = 0  # that both have


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictSummary:
    """The verdicts on one capture, in short."""

    content: Content
    availability: Availability
    cause: Cause | None = None
    undecided: Undecided | None = None
    wall: WallKind | None = None
    rule: str = ""
    notice: str = ""
    labels: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()  # states of the account behind it


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMarks:
    """Edits that a platform states itself, to be set against our own comparison."""

    before: tuple[str, ...] = ()  # its marks, verbatim: 标题已修改
    after: tuple[str, ...] = ()
    modified_before: tuple[str, ...] = ()  # what the metadata give as the time of the last edit
    modified_after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCapture:
    """One of the two captures."""

    bundle_id: str
    sha256: str  # of the whole bundle
    verification: str  # "passed", "failed", "indeterminate": of the bundle, as it was read
    codes: tuple[str, ...]  # of what did not pass
    requested_url: str
    final_url: str
    captured_at: datetime
    proven_at: datetime | None
    identity: str
    http_status: int | None
    title: str
    standing: VerdictSummary | None  # None: no verdict could be made
    outcome: str = ""  # of the capture: complete, partial, failed; "" if the record has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two captures, and all differences between them."""

    before: ComparedCapture
    after: ComparedCapture
    same_page: ComparisonState  # UNCHANGED: both are of one identity
    text: TextComparison
    standing: ComparisonState  # whether the verdicts are the same
    pictures: tuple[PictureComparison, ...] = ()
    counts: tuple[CountChange, ...] = ()  # all that were read, also those that are the same
    metadata: tuple[ValueChange, ...] = ()
    metadata_state: ComparisonState = (
        ComparisonState.UNKNOWN
    )  # UNKNOWN: neither says anything of itself
    links: ListChange = field(default_factory=lambda: ListChange(state=ComparisonState.UNKNOWN))
    qr_codes: ListChange = field(default_factory=lambda: ListChange(state=ComparisonState.UNKNOWN))
    edits: EditMarks = field(default_factory=EditMarks)
    answer: tuple[ValueChange, ...] = ()  # title, status, final address
    # How they were made: window, language, time zone, policy. What differs here can be the
    # reason of anything above.
    conditions: tuple[ValueChange, ...] = ()
    masks: tuple[MaskUse, ...] = ()
