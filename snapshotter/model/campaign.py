"""
Define the values of a campaign report: which pages were watched, and what became of each.

The input (captures, gaps, the period) is separate from the findings, so that anybody can compute
the findings again. A removal is an interval between two captures, and every number that is made
of removals is an interval too. The values of the enumerations are in signed records: new ones are
added, none is renamed.
"""

import enum
from dataclasses import field
from datetime import datetime
from typing import Final

from snapshotter.model.assessment import Cause
from snapshotter.model.reading import Crossing
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import ConfirmRules, Observation
from snapshotter.value_class import dataclass

# Fields of a report that no step derives or compares: they are its signer's own word, and every
# output says so (docs/spec/campaign-report.md, "Whose word each field is").
OWN_WORD: Final = (
    "report_id", "made_at", "title", "scope", "since", "until", "left_out", "verified", "certain",
    "confirm", "thresholds",
)  # fmt: skip


class Fate(enum.StrEnum):
    """What became of a page by the end of the period. Each page has exactly one."""

    AVAILABLE = "available"  # the last conclusive capture shows it
    GONE = "gone"  # its removal was confirmed in the period
    GONE_BEFORE = "gone-before"  # before the period, and it did not come back
    UNCONFIRMED = "unconfirmed"  # a capture says that it is gone, and that is no event yet
    NEVER_SEEN = "never-seen"  # captured, and no capture ever showed it
    INCONCLUSIVE = "inconclusive"  # walls, errors, notices that no rule knows
    OWNER_SETTING = "owner-setting"  # its owner does not show it: no take-down
    UNCAPTURED = "uncaptured"  # no capture at all


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPage:
    """One page of a campaign, with all captures of it until the end of the period."""

    identity: str
    url: str
    captures: tuple[Observation, ...] = ()  # in their order; also from before the period
    controls: tuple[Observation, ...] = ()  # of other pages, seen to be there in between
    confirm: ConfirmRules = field(default_factory=ConfirmRules)
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRef:
    """A signed gap of a schedule that falls into the period."""

    gap_id: str
    sha256: str  # of its record
    schedule: str
    event: str
    reason: str
    since: datetime
    until: datetime | None
    visits: int  # that were due and not made


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownRef:
    """A signed event in the store."""

    event_id: str
    sha256: str  # of its record


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedCapture:
    """A capture that is left out, and why."""

    bundle_id: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """The input of a report."""

    report_id: str  # like a bundle's
    made_at: datetime  # UTC
    title: str  # of the case, as somebody named it
    scope: str  # where the addresses come from: "a list of 45", "schedule may", "watch feed"
    since: datetime
    until: datetime  # left out
    pages: tuple[WatchedPage, ...]  # in the order in which they were named
    gaps: tuple[GapRef, ...] = ()
    recorded: tuple[TakedownRef, ...] = ()
    left_out: tuple[ExcludedCapture, ...] = ()
    verified: bool = True  # each bundle was verified when this was made
    # Few words where a page was are not the page, and no control; in older reports they were both.
    certain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A length of time that is not known exactly. Whole milliseconds."""

    at_least_ms: int
    at_most_ms: int | None  # None: no upper bound can be given


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One removal of one page."""

    event_id: str  # the same as that of its signed event
    cause: Cause | None
    causes: tuple[Cause, ...]  # all that its captures name
    began: datetime  # the interval in which it happened
    ended: datetime
    after: Span | None  # since the page was first seen
    bundles: tuple[str, ...]  # ids: what it rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRow:
    """The findings about one page."""

    identity: str
    url: str
    account: str
    fate: Fate
    removals: tuple[Removal, ...] = ()  # in the period
    reinstated: tuple[str, ...] = ()  # ids of events, in the period
    first_seen: datetime | None = None  # ever
    last_seen: datetime | None = None
    captures: int = 0  # in the period
    walls: int = 0  # of these
    errors: int = 0
    longest_gap_ms: int = 0  # the longest time of the period without a capture
    decided_by: tuple[str, ...] = ()  # ids of the bundles that its fate rests on


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """The findings about the pages of one account."""

    account: str
    pages: int
    gone: int
    states: tuple[str, ...] = ()  # what its pages say of it: "frozen"
    events: tuple[str, ...] = ()  # of the account, in the period


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number of a report, with the captures and events that it rests on."""

    name: str  # "removed", "removed.cause.author", "fate.available", …
    value: int
    pages: tuple[int, ...] = ()  # which of the report's pages, from 0
    bundles: tuple[str, ...] = ()  # ids
    events: tuple[str, ...] = ()  # ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """
    How many pages were still available, so long after they were first seen.

    At least `at_least` and at most `at_most` of the pages: the captures do not show more.
    """

    after_ms: int
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignFindings:
    """All findings that follow from the captures of a campaign."""

    rows: tuple[PageRow, ...]  # as the campaign's pages
    accounts: tuple[AccountRow, ...]
    numbers: tuple[Number, ...]
    survivors: int = 0  # pages that were seen in the period: what the curve is of
    survival: tuple[Survival, ...] = ()  # steps; each holds until the next
    median_life: Span | None = None  # of all pages that were seen; None: none was
    median_removed_after: Span | None = None  # of those that were removed
    crossings: tuple[Crossing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReport:
    """A report: its input and its findings."""

    campaign: Campaign
    findings: CampaignFindings
