"""List the visits and the gaps of schedules, the newest first."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, select

from snapshotter.jobs.schedules.tables import GAP, MISSED, QUEUED, SCHEDULE, TARGET, VISIT
from snapshotter.model.gap import GapEvent
from snapshotter.model.job import JobStatus
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One entry of a schedule's history: a visit, or a record of visits that were not made."""

    at: datetime
    url: str  # "" if the entry is about the whole schedule
    kind: str  # "visit", or the value of a `GapEvent`
    state: str = ""  # state of a visit
    job_id: str = ""
    slot: datetime | None = None
    bundle_id: str = ""
    outcome: str = ""
    reason: str = ""
    detail: str = ""
    by: str = ""
    slots: tuple[datetime, ...] = ()
    until: datetime | None = None
    gap_id: str = ""  # id of the signed record; "" until it is stored


def history_entries(
    connection: Connection, schedule_ids: Sequence[int], *, newest: int, gaps_only: bool
) -> list[HistoryEntry]:
    """Return the visits and gaps of schedules from the tables, the newest first."""
    gaps = connection.execute(
        select(GAP, TARGET.c.url)
        .join(TARGET, TARGET.c.id == GAP.c.target_id, isouter=True)
        .where(GAP.c.schedule_id.in_(schedule_ids))
        .order_by(GAP.c.since.desc(), GAP.c.id.desc())
        .limit(newest)
    )
    found = [_entry_of_gap(row) for row in gaps.mappings().all()]
    if not gaps_only:
        visits = connection.execute(
            select(VISIT, TARGET.c.url)
            .join(TARGET, TARGET.c.id == VISIT.c.target_id)
            .where(VISIT.c.schedule_id.in_(schedule_ids), VISIT.c.state != MISSED)
            .order_by(VISIT.c.at.desc())
            .limit(newest)
        )
        found += [_entry_of_visit(row) for row in visits.mappings().all()]
    found.sort(key=lambda entry: entry.at, reverse=True)
    return found[:newest]


def last_visits(connection: Connection) -> dict[str, HistoryEntry]:
    """Return the last visit of each schedule that is not removed, by the name of the schedule."""
    newest = func.row_number().over(
        partition_by=VISIT.c.schedule_id, order_by=(VISIT.c.at.desc(), VISIT.c.job_id)
    )
    ranked = select(VISIT.c.job_id, newest.label("rank")).where(VISIT.c.state != MISSED).subquery()
    rows = connection.execute(
        select(VISIT, TARGET.c.url, SCHEDULE.c.live_name)
        .join(ranked, ranked.c.job_id == VISIT.c.job_id)
        .join(TARGET, TARGET.c.id == VISIT.c.target_id)
        .join(SCHEDULE, SCHEDULE.c.id == VISIT.c.schedule_id)
        .where(ranked.c.rank == 1, SCHEDULE.c.live_name.is_not(None))
    )
    return {row["live_name"]: _entry_of_visit(row) for row in rows.mappings().all()}


def missed_visits(
    connection: Connection, *, since: datetime, newest: int
) -> list[tuple[str, HistoryEntry]]:
    """Return the missed visits of schedules that are not removed, the newest first."""
    rows = connection.execute(
        select(GAP, TARGET.c.url, SCHEDULE.c.live_name)
        .join(TARGET, TARGET.c.id == GAP.c.target_id, isouter=True)
        .join(SCHEDULE, SCHEDULE.c.id == GAP.c.schedule_id)
        .where(GAP.c.event == GapEvent.MISSED, SCHEDULE.c.live_name.is_not(None))
        .where(func.coalesce(GAP.c.until, GAP.c.since) >= since)
        .order_by(GAP.c.since.desc(), GAP.c.id.desc())
        .limit(newest)
    )
    return [(row["live_name"], _entry_of_gap(row)) for row in rows.mappings().all()]


def with_job_state(entry: HistoryEntry, look: Callable[[str], JobStatus | None]) -> HistoryEntry:
    """Return the entry with the current state of its job, if the visit has not ended yet."""
    status = look(entry.job_id) if entry.state == QUEUED else None
    if status is None:
        return entry
    return replace(
        entry,
        state=status.state.value,
        bundle_id=status.bundle_id,
        outcome=status.outcome,
        detail=status.error,
    )


def _entry_of_visit(row: RowMapping) -> HistoryEntry:
    return HistoryEntry(
        at=row["at"],
        url=row["url"],
        kind="visit",
        state=row["state"],
        job_id=row["job_id"],
        slot=row["slot"],
        bundle_id=row["bundle_id"],
        outcome=row["outcome"],
        detail=row["error"],
    )


def _entry_of_gap(row: RowMapping) -> HistoryEntry:
    return HistoryEntry(
        at=row["since"],
        url=row["url"] or "",
        kind=row["event"],
        reason=row["reason"],
        detail=row["detail"],
        by=row["by"],
        slots=tuple(datetime.fromisoformat(slot) for slot in json.loads(row["slots"])),
        until=row["until"],
        gap_id=row["gap_id"] if row["stored"] else "",
    )
