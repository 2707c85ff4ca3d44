"""
Report what happened in a store in a period: captured, vanished, changed, failed, missed, to review.

The facts come from the index (unverified), the signed gap records and the annotations of the store,
and from the jobs of this machine's queue that made no bundle. Captures in quarantine are counted
and not shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Self

import snapshotter
from snapshotter.app.archive.observations import ObservationSource, observations, read_annotations
from snapshotter.app.archive.organising.review_list import REASON_WORDS, ReviewReason, review_list
from snapshotter.app.archive.stored_gaps import stored_gaps
from snapshotter.assess.possible_removals import possible_removals
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.index.values import CaptureRow
from snapshotter.model import sentences
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.assessment import Availability
from snapshotter.model.capture import Outcome
from snapshotter.model.job import JobStatus
from snapshotter.model.takedown import Observation
from snapshotter.report.capture_page import observation_label
from snapshotter.report.day import DayEntry, DayReport, MissedEntry
from snapshotter.report.states import OPEN, POSSIBLE_REMOVAL, StateLabel, capture_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_CHANGED: Final = StateLabel(words=tr("Changed"), shape="≠", tone="open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A time in which something happened; `until` is excluded."""

    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError("a period ends after its beginning")

    @classmethod
    def of_day(cls, day: date, zone: tzinfo | None = None) -> Self:
        """Return a day from midnight to midnight; `zone` None is the zone of this machine."""
        return cls(
            since=local_instant(day, time(), zone),
            until=local_instant(day + timedelta(days=1), time(), zone),
        )

    def has(self, at: datetime) -> bool:
        """Return whether an instant is in the period."""
        return self.since <= at < self.until


def local_instant(day: date, at: time, zone: tzinfo | None = None) -> datetime:
    """Return an instant in UTC; `zone` None is the zone of this machine."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def make_day_report(
    source: ObservationSource, period: Period, *, jobs: Iterable[JobStatus], now: datetime
) -> DayReport:
    """
    Return the report about a period.

    Args:
        jobs: Of the queue that ended without a bundle, of any time.

    Raises:
        ServiceUnavailable: The store did not answer.
    """
    seen = observations(source)
    return day_report(
        source.index.captures(since=period.since, until=period.until),
        seen,
        read_annotations(source),
        gaps=(gap for stored in stored_gaps(source.store) if (gap := stored.record) is not None),
        jobs=jobs,
        store=source.store.url,
        period=period,
        now=now,
    )


def day_report(
    rows: Iterable[CaptureRow],
    seen: Sequence[Observation],
    state: AnnotationState,
    *,
    gaps: Iterable[GapRecord],
    jobs: Iterable[JobStatus],
    store: str,
    period: Period,
    now: datetime,
) -> DayReport:
    """
    Return the report from the facts of a store.

    Args:
        rows: The captures of the period.
        seen: All captures of the store, in the order of time.
    """
    all_rows = tuple(rows)
    rows = [row for row in all_rows if state.capture(row.bundle_id).quarantine is None]
    shown = {
        observation.bundle_id: observation
        for observation in seen
        if state.capture(observation.bundle_id).quarantine is None
    }
    entries = {row.bundle_id: _entry(row, shown.get(row.bundle_id)) for row in rows}
    turns = _Turns(list(shown.values()), entries)
    suspected = possible_removals(shown.values())
    review = review_list(seen, state)
    return DayReport(
        store=store,
        since=period.since,
        until=period.until,
        made_at=now,
        software=f"snapshotter {snapshotter.__version__}",
        captured=tuple(entries.values()),
        complete=sum(row.outcome == Outcome.COMPLETE for row in rows),
        vanished=tuple(turns.vanished),
        possible_removals=tuple(
            _after(entries[bundle_id], removal.last_seen, POSSIBLE_REMOVAL)
            for bundle_id, removal in suspected.items()
            if removal.is_first and bundle_id in entries
        ),
        reappeared=tuple(turns.reappeared),
        changed=tuple(turns.changed),
        partial=tuple(
            _incomplete(entries[row.bundle_id], row)
            for row in rows
            if row.outcome == Outcome.PARTIAL
        ),
        failed=(
            *(
                _incomplete(entries[row.bundle_id], row)
                for row in rows
                if row.problem or row.outcome == Outcome.FAILED
            ),
            *_jobs_without_bundle(jobs, period),
        ),
        missed=tuple(_missed(gaps, period)),
        review=tuple(
            replace(entries[item.observation.bundle_id], detail=_words(item.reasons))
            for item in review
            if item.observation.bundle_id in entries
        ),
        review_in_all=len(review),
        quarantined=len(all_rows) - len(rows),
    )


class _Turns:
    """
    Find the captures of the period in which a page vanished, came back or changed.

    A capture that does not show the state of its page, as a wall or an error, changes nothing.
    """

    def __init__(self, seen: Sequence[Observation], entries: dict[str, DayEntry]) -> None:
        self.vanished: list[DayEntry] = []
        self.reappeared: list[DayEntry] = []
        self.changed: list[DayEntry] = []
        state: dict[str, Observation] = {}
        # A full capture scrolls and expands text, so its text differs from that of a light check.
        text: dict[tuple[str, str, bool], Observation] = {}
        for this in seen:
            entry = entries.get(this.bundle_id)
            known = this.availability is not Availability.INCONCLUSIVE and not this.ambiguous
            before = state.get(this.identity)
            turned = known and before is not None and before.availability != this.availability
            if entry is not None and before is not None and turned:
                is_gone = this.availability is Availability.UNAVAILABLE
                (self.vanished if is_gone else self.reappeared).append(_after(entry, before))
            if known:
                state[this.identity] = this
            if this.availability is Availability.AVAILABLE and this.main_sha256:
                page = (this.identity, this.vantage, this.light)
                last = text.get(page)
                if entry is not None and last is not None and last.main_sha256 != this.main_sha256:
                    self.changed.append(_after(entry, last, _CHANGED))
                text[page] = this


def _entry(row: CaptureRow, seen: Observation | None) -> DayEntry:
    outcome = Outcome(row.outcome) if row.outcome in [value.value for value in Outcome] else None
    if seen is not None and outcome is not Outcome.FAILED:
        label = observation_label(seen)
    else:
        label = OPEN if outcome is None else capture_label(outcome)
    return DayEntry(
        at=seen.at if seen is not None else row.at,
        bundle_id=row.bundle_id,
        url=row.url,
        title=row.title,
        label=label,
    )


def _after(entry: DayEntry, before: Observation, label: StateLabel | None = None) -> DayEntry:
    return replace(entry, label=label or entry.label, before=before.bundle_id, before_at=before.at)


def _incomplete(entry: DayEntry, row: CaptureRow) -> DayEntry:
    if row.problem:
        words = tr("the bundle cannot be read: {problem}", problem=row.problem)
        return replace(entry, detail=words)
    reasons = "; ".join(map(sentences.reason_clause, row.reasons))
    return replace(entry, detail=reasons, label=capture_label(Outcome(row.outcome)))


def _words(reasons: Sequence[ReviewReason]) -> str:
    """Return why a capture needs a review, without what its state says already."""
    return ", ".join(REASON_WORDS[reason] for reason in reasons if reason in REASON_WORDS)


def _jobs_without_bundle(jobs: Iterable[JobStatus], period: Period) -> Iterable[DayEntry]:
    for status in jobs:
        if status.ended_at is not None and period.has(status.ended_at) and not status.bundle_id:
            yield DayEntry(
                at=status.ended_at,
                url=status.job.url,
                label=StateLabel(words=tr("No bundle was made"), shape="✕", tone="bad"),
                detail=tr("job {job}: {error}", job=status.job.id, error=status.error),
            )


def _missed(gaps: Iterable[GapRecord], period: Period) -> Iterable[MissedEntry]:
    for gap in gaps:
        begins_before_end = gap.since < period.until
        if gap.is_gap and begins_before_end and (gap.until or gap.since) >= period.since:
            yield MissedEntry(
                since=gap.since,
                until=gap.until,
                schedule=gap.schedule,
                reason=gap.reason,
                visits=gap.visits,
                gap_id=gap.gap_id,
            )
