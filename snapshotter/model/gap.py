"""
Define the values of a gap: visits that a schedule planned and that were not made, and why.

A gap record can also state that a person paused, resumed or removed the schedule.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from snapshotter.translation import tr
from snapshotter.value_class import dataclass


class GapEvent(StrEnum):
    """
    The kind of a gap record. The values are in signed records: new ones are added, none is renamed.
    """

    MISSED = "missed"  # visits were due and were not made
    PAUSED = "paused"  # somebody stopped it; with slots: those that fell into the pause
    RESUMED = "resumed"
    REMOVED = "removed"  # nothing more will be due


class GapReason(StrEnum):
    """
    Why visits were not made. The values are in signed records: new ones are added, none is renamed.
    """

    NO_WORKER = "no-worker"  # no worker ran when visits were due
    QUEUE_LATE = "queue-late"  # it was handed over, and no worker came to it in time
    OVER_BUDGET = "over-budget"  # its host could not be asked in time: budget, quiet hours, 429
    FAILED = "failed"  # it was tried, and no bundle came of it
    CANCELLED = "cancelled"  # somebody cancelled it in the queue
    BY_HAND = "by-hand"  # of a pause, a resumption, a removal


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Addresses that were not visited at the same times."""

    slots: tuple[datetime, ...]  # whole seconds, UTC, ascending
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One gap of one schedule, to be signed."""

    gap_id: str  # like a bundle's
    at: datetime  # when it was noticed, UTC
    schedule: str
    event: GapEvent
    reason: GapReason
    since: datetime  # from when nothing was visited, or when somebody did it; UTC
    until: datetime | None = None
    detail: str = ""  # a sentence of ours, without an address
    by: str = ""  # who did it, as configured; "" if nobody is named
    missed: tuple[Missed, ...] = ()


# Why visits were not made, as a clause.
REASON_WORDS: Final[Mapping[str, str]] = {
    GapReason.NO_WORKER: tr("no worker was running"),
    GapReason.QUEUE_LATE: tr("no worker started the visit in time"),
    GapReason.OVER_BUDGET: tr("the host could not be visited in time"),
    GapReason.FAILED: tr("the visit failed, and no bundle was made"),
    GapReason.CANCELLED: tr("the visit was cancelled in the queue"),
    GapReason.BY_HAND: tr("a person did it"),
}
EVENT_WORDS: Final[Mapping[str, str]] = {
    GapEvent.PAUSED: tr("The schedule {schedule} was paused"),
    GapEvent.RESUMED: tr("The schedule {schedule} was resumed"),
    GapEvent.REMOVED: tr("The schedule {schedule} was removed"),
}


def describe_gap(event: str, reason: str, schedule: str, visits: int, by: str) -> str:
    """
    Return what a gap record states, as a sentence without its times.

    Args:
        event, reason: Of `GapEvent` and `GapReason`, or words of a later version.
        visits: How many visits were not made.
        by: Who did it; "" if nobody is named.
    """
    if event in EVENT_WORDS:
        who = tr(" by {by}", by=by) if by else ""
        return f"{EVENT_WORDS[event].format(schedule=schedule)}{who}."
    return tr(
        "Visits of the schedule {schedule} that were not made: {visits}. Reason: {reason}.",
        schedule=schedule,
        visits=visits,
        reason=REASON_WORDS.get(reason, reason),
    )
