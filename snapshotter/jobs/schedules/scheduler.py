"""
Run the schedules: hand due visits to the queue, and record missed visits as gaps.

    (1) move due addresses to their next visit, and add visits and gaps to the tables, in one
        transaction for each batch: of several workers only one does it
    (2) put planned visits into the queue, each under an id made from its slot, then mark them
    (3) look up the visits in the queue: one that did not begin in time is missed
    (4) make signed records of the gaps, store and log them, then mark the gaps as stored

After a crash between two steps, the next run goes on from the tables. A job is put once and a
record is stored once, because each has its id before it is made (docs/adr/0031).
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    RowMapping,
    String,
    Table,
    bindparam,
    case,
    delete,
    exists,
    insert,
    or_,
    select,
    update,
)

from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant
from snapshotter.jobs.database import (
    TABLES,
    Instant,
    Now,
    database_now,
    insert_new,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.schedules.gap_records import (
    encode_slots,
    gap_event,
    gap_record,
    gap_rows,
    group_rows,
)
from snapshotter.jobs.schedules.plan import DueVisits, Plan, Slot, decide_due_visits, latest_start
from snapshotter.jobs.schedules.schedules import job_id, pauses_of, watch_name
from snapshotter.jobs.schedules.tables import (
    ACTIVE,
    DONE,
    GAP,
    INCOMPLETE,
    MISSED,
    PLANNED,
    QUEUED,
    REMOVED,
    SCHEDULE,
    TARGET,
    UNKNOWN,
    VISIT,
)
from snapshotter.model.gap import Gap, GapEvent, GapReason
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.model.notification import MAX_TEXT, NotificationScope
from snapshotter.ports import JobObserver, JobQueue, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

EVERY_S = 5.0  # between two runs of a worker's scheduler

_BATCH = 500  # rows of one batch
_SLACK = timedelta(seconds=60)  # a visit is looked up so long after its latest start
_BEFORE = timedelta(seconds=30)  # and so long before it, to learn whether its host is the cause
_FIRST_CHECK = timedelta(minutes=10)
_LAST_CHECK = timedelta(hours=6)
_GATHER = timedelta(seconds=60)  # for which missed visits are collected into one record
_CLAIM = timedelta(minutes=2)  # after which another worker makes a record that is not stored
_KEPT = timedelta(days=400)  # for which the history is kept
_MARK = timedelta(seconds=30)  # precision of the time of the last run

LAST_RUN = Table(
    "schedule_turn",
    TABLES,
    Column("name", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
)

Record = Callable[[Sequence[Gap]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerResult:
    """What one run did."""

    handed_over: int = 0  # visits
    missed: int = 0  # visits that are missed now
    settled: int = 0  # visits whose end is known now
    recorded: int = 0  # gaps that were signed and stored


class Scheduler:
    """
    Runs the schedules. A worker runs it repeatedly, `schedule run --once` once.

    Args:
        engine: From `open_database`.
        record: Signs, stores and logs all given gaps, or raises; a repeated call does nothing.
            None without a key: the gaps wait for a worker that has one.
        new_id: Makes ids of records, as `IdSource.bundle_id`.
        show_message: Logs a sentence about an error that is tried again.
    """

    def __init__(
        self,
        engine: Engine,
        queue: JobQueue,
        *,
        record: Record | None,
        new_id: Callable[[datetime], str],
        show_message: ShowMessage,
        observer: JobObserver | None = None,
        now: Now = database_now,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._record = record
        self._new_id = new_id
        self._tell = show_message
        self._observer = observer or JobObserver()
        self._now = now
        self._unreadable: set[int] = set()  # schedules that were reported as unreadable

    def run(self, *, at_once: bool = False) -> SchedulerResult:
        """
        Run all schedules once.

        Args:
            at_once: Record missed visits now, without collecting them for a minute.

        Raises:
            ServiceUnavailable: The database does not answer. The next run goes on.
        """
        with reading(self._engine) as connection:
            now, last = self._now(connection), _last_run(connection, "sweep")
            gathered = now if at_once else now - _GATHER
            times = {"now": now, "gathered": gathered, "given_up": now - _CLAIM}
            is_idle = connection.execute(_ANYTHING, times).scalar() == 0
        if last is not None and last - now > _SLACK:
            self._set_back(last, now)
            last, is_idle = None, False
        swept = SchedulerResult() if is_idle else self._run(last, at_once=at_once)
        if last is None or now - last >= _MARK:
            self._mark("sweep", now)
            self._trim(now)
        return swept

    def _run(self, last: datetime | None, *, at_once: bool) -> SchedulerResult:
        missed = self._advance(last)
        handed_over = self._hand_over()
        settled, more_missed = self._settle()
        recorded = self._record_gaps(at_once=at_once)
        return SchedulerResult(
            handed_over=handed_over, missed=missed + more_missed, settled=settled, recorded=recorded
        )

    def turn(self) -> None:
        """Run as a worker's task. Raises as `run` does."""
        self.run()

    def _set_back(self, last: datetime, now: datetime) -> None:
        """
        Plan the visits again after the clock was set back.

        A visit that was handed over meanwhile is not made again, because its job has the same
        id. A visit that was recorded as missed is made, and the history shows both.
        """
        self._tell(
            tr(
                "the clock of the queue was set back, from {instant} to {instant2}. All "
                "visits after the earlier time are planned again",
                instant=instant(last),
                instant2=instant(now),
            )
        )
        number = 0
        while True:
            with reading(self._engine) as connection:
                wanted = (
                    select(TARGET, SCHEDULE.c.name.label("schedule_name"), SCHEDULE.c.plan)
                    .join(SCHEDULE, SCHEDULE.c.id == TARGET.c.schedule_id)
                    .where(TARGET.c.id > number, SCHEDULE.c.state != REMOVED)
                    .order_by(TARGET.c.id)
                    .limit(_BATCH)
                )
                rows = read_rows(connection, wanted)
            if not rows:
                break
            number = rows[-1]["id"]
            planned = [(row, self._next_of(row, now)) for row in rows if self._is_readable(row)]
            with writing(self._engine) as connection:
                for row, slot in planned:
                    if slot is None or (row["next_at"] is not None and row["next_at"] <= slot.at):
                        continue
                    connection.execute(
                        update(TARGET)
                        .where(
                            TARGET.c.id == row["id"],
                            TARGET.c.next_slot.is_not_distinct_from(row["next_slot"]),
                            exists().where(
                                SCHEDULE.c.id == TARGET.c.schedule_id, SCHEDULE.c.state != REMOVED
                            ),
                        )
                        .values(next_slot=slot.nominal, next_at=slot.at)
                    )
        with writing(self._engine) as connection:
            connection.execute(
                update(GAP).where(GAP.c.gap_id == "", GAP.c.noted_at > now).values(noted_at=now)
            )
            connection.execute(
                update(GAP)
                .where(GAP.c.stored.is_(False), GAP.c.claimed_at > now)
                .values(claimed_at=now)
            )
            connection.execute(
                update(VISIT).where(VISIT.c.check_at > now + _LAST_CHECK).values(check_at=now)
            )
        for name in ("sweep", "trim"):
            self._mark(name, now)

    def _next_of(self, row: RowMapping, now: datetime) -> Slot | None:
        name = watch_name(row["schedule_name"], row["key"])
        return plan_of(row["plan"]).after(now, row["since"], name)

    # (1) Due addresses

    def _advance(self, last: datetime | None) -> int:
        missed = 0
        unreadable: set[int] = set()
        while True:
            with reading(self._engine) as connection:
                now = self._now(connection)
                rows = read_rows(
                    connection,
                    select(
                        TARGET,
                        SCHEDULE.c.name.label("schedule_name"),
                        SCHEDULE.c.plan.label("plan"),
                    )
                    .join(SCHEDULE, SCHEDULE.c.id == TARGET.c.schedule_id)
                    .where(
                        TARGET.c.next_at <= now,
                        SCHEDULE.c.state == ACTIVE,
                        SCHEDULE.c.id.not_in(unreadable),
                    )
                    .order_by(TARGET.c.next_at)
                    .limit(_BATCH),
                )
                pauses = {
                    schedule_id: pauses_of(connection, schedule_id)
                    for schedule_id in {r["schedule_id"] for r in rows}
                }
            if not rows:
                return missed
            if bad := {row["schedule_id"] for row in rows if not self._is_readable(row)}:
                unreadable |= bad
                continue  # their visits stay due, and the others must not wait for them
            decided = [(row, self._decide(row, now, pauses)) for row in rows]
            # All workers lock the rows in the same order, against deadlocks.
            decided.sort(key=lambda pair: pair[0]["id"])
            with writing(self._engine) as connection:
                visits: list[dict[str, Any]] = []
                gaps: list[dict[str, Any]] = []
                for row, due in decided:
                    if _move(connection, row, due.following):
                        visits += _visits_of(row, due)
                        gaps += _gaps_of(row, due, now, last)
                        missed += len(due.missed)
                if visits:
                    # A schedule that was removed and added again has the same job ids: a visit
                    # that was handed over before is not added again.
                    connection.execute(insert_new(connection, VISIT), visits)
                if gaps:
                    connection.execute(insert(GAP), gaps)

    def _is_readable(self, row: RowMapping) -> bool:
        """Whether this release can read the plan, and this machine has its time zone."""
        try:
            plan_of(row["plan"])
        except SnapshotterError as error:
            if row["schedule_id"] not in self._unreadable:  # report it once
                self._unreadable.add(row["schedule_id"])
                self._tell(
                    tr(
                        "this worker skips the schedule {row}: {error}",
                        row=row["schedule_name"],
                        error=error,
                    )
                )
            return False
        self._unreadable.discard(row["schedule_id"])
        return True

    def _decide(self, row: RowMapping, now: datetime, pauses: dict[int, Any]) -> DueVisits:
        return decide_due_visits(
            plan_of(row["plan"]),
            Slot(nominal=row["next_slot"], at=row["next_at"]),
            row["since"],
            watch_name(row["schedule_name"], row["key"]),
            now,
            pauses[row["schedule_id"]],
        )

    # (2) Planned visits

    def _hand_over(self) -> int:
        count = 0
        while True:
            with reading(self._engine) as connection:
                now = self._now(connection)
                rows = read_rows(
                    connection,
                    select(
                        VISIT,
                        TARGET.c.url,
                        SCHEDULE.c.name,
                        SCHEDULE.c.policy,
                        SCHEDULE.c.priority,
                        SCHEDULE.c.tags,
                    )
                    .join(TARGET, TARGET.c.id == VISIT.c.target_id)
                    .join(SCHEDULE, SCHEDULE.c.id == VISIT.c.schedule_id)
                    .where(VISIT.c.state == PLANNED)
                    .order_by(VISIT.c.at)
                    .limit(_BATCH),
                )
            if not rows:
                return count
            new = self._queue.put([_job(row, now) for row in rows])
            with writing(self._engine) as connection:
                connection.execute(
                    update(VISIT)
                    .where(VISIT.c.job_id == bindparam("of"), VISIT.c.state == PLANNED)
                    .values(state=QUEUED, check_at=bindparam("ask")),
                    [
                        {"of": row["job_id"], "ask": _next_check(row["not_after"], now, 0)}
                        for row in sorted(rows, key=lambda row: str(row["job_id"]))
                    ],
                )
            for row, was_new in zip(rows, new, strict=True):
                if was_new:  # else another worker put it, perhaps before a crash
                    count += 1
                    late = max(0.0, (now - row["at"]).total_seconds())
                    self._observer.fired(row["name"], late_s=late)

    # (3) Visits in the queue

    def _settle(self) -> tuple[int, int]:
        settled = missed = 0
        while True:
            with reading(self._engine) as connection:
                now = self._now(connection)
                rows = read_rows(
                    connection,
                    select(VISIT)
                    .where(VISIT.c.check_at <= now)
                    .order_by(VISIT.c.check_at)
                    .limit(_BATCH),
                )
            if not rows:
                return settled, missed
            looked = [(row, self._queue.get(row["job_id"])) for row in rows]
            looked.sort(key=lambda pair: str(pair[0]["job_id"]))
            with writing(self._engine) as connection:
                for row, status in looked:
                    values, reason = _end_of(row, status, now)
                    done = connection.execute(
                        update(VISIT)
                        .where(VISIT.c.job_id == row["job_id"], VISIT.c.check_at == row["check_at"])
                        .values(**values)
                    )
                    if not done.rowcount:
                        continue  # another worker did it
                    settled += values["check_at"] is None
                    if reason is not None:
                        missed += 1
                        connection.execute(insert(GAP).values(**_gap_of(row, status, reason, now)))

    # (4) Records of gaps

    def _record_gaps(self, *, at_once: bool) -> int:
        if self._record is None:
            return 0
        count = 0
        while True:
            with reading(self._engine) as connection:
                now = self._now(connection)
                wanted = _owed(now, now if at_once else now - _GATHER)
                if connection.execute(wanted.limit(1)).first() is None:
                    return count  # the usual case, without a lock
            with writing(self._engine) as connection:
                claimed = self._claim(connection, wanted, now)
            if not claimed:
                return count
            try:
                self._record([gap for gap, _ in claimed])
            except SnapshotterError as error:
                self._tell(
                    tr(
                        "gaps could not be recorded now. The worker tries again later: {error}",
                        error=error,
                    )
                )
                return count
            with writing(self._engine) as connection:
                for gap, _ in claimed:
                    connection.execute(
                        update(GAP).where(GAP.c.gap_id == gap.gap_id).values(stored=True)
                    )
            for gap, about in claimed:
                if gap.event is GapEvent.MISSED:
                    self._observer.tell(gap_event(gap, (about,)))
            count += len(claimed)

    def _claim(
        self, connection: Connection, wanted: Any, now: datetime
    ) -> list[tuple[Gap, NotificationScope]]:
        """Claim gaps to be recorded; return each with what notification rules match."""
        rows = read_rows(
            connection,
            wanted.order_by(GAP.c.id).limit(_BATCH).with_for_update(of=GAP, skip_locked=True),
        )
        made: list[tuple[Gap, NotificationScope]] = []
        again = {row["gap_id"] for row in rows if row["gap_id"]}
        for gap_id in sorted(again):
            whole = read_rows(connection, _with_names().where(GAP.c.gap_id == gap_id))
            _claimed(connection, gap_id, [row["id"] for row in whole], now)
            made.append((gap_record(gap_id, whole), _about(whole[0])))
        for group in group_rows([row for row in rows if not row["gap_id"]]):
            gap_id = self._new_id(now)
            _claimed(connection, gap_id, [row["id"] for row in group], now)
            made.append((gap_record(gap_id, group), _about(group[0])))
        return made

    # Clean-up

    def _mark(self, name: str, now: datetime) -> None:
        with writing(self._engine) as connection:
            marked = update(LAST_RUN).where(LAST_RUN.c.name == name).values(at=now)
            done = connection.execute(marked)
            if not done.rowcount:
                connection.execute(insert_new(connection, LAST_RUN).values(name=name, at=now))

    def _trim(self, now: datetime) -> None:
        """Delete old history once a day. The store keeps all records and bundles."""
        with reading(self._engine) as connection:
            last = _last_run(connection, "trim")
        if last is not None and now - last < timedelta(days=1):
            return
        with writing(self._engine) as connection:
            connection.execute(
                delete(VISIT).where(
                    VISIT.c.at < now - _KEPT, VISIT.c.state.not_in((PLANNED, QUEUED))
                )
            )
            connection.execute(
                delete(GAP).where(GAP.c.noted_at < now - _KEPT, GAP.c.stored.is_(True))
            )
        self._mark("trim", now)


@lru_cache(maxsize=1024)
def plan_of(text: str) -> Plan:
    """Return the plan from JSON, cached because many addresses share it."""
    return Plan.from_json(text)


def _last_run(connection: Connection, name: str) -> datetime | None:
    return connection.execute(select(LAST_RUN.c.at).where(LAST_RUN.c.name == name)).scalar()


def _move(connection: Connection, row: RowMapping, following: Slot | None) -> bool:
    """Move an address to its next visit; return False if another worker did."""
    done = connection.execute(
        update(TARGET)
        .where(
            TARGET.c.id == row["id"],
            TARGET.c.next_slot == row["next_slot"],
            TARGET.c.next_at.is_not(None),
            exists().where(SCHEDULE.c.id == TARGET.c.schedule_id, SCHEDULE.c.state == ACTIVE),
        )
        .values(
            next_slot=following.nominal if following else None,
            next_at=following.at if following else None,
        )
    )
    return done.rowcount == 1


def _visits_of(row: RowMapping, due: DueVisits) -> list[dict[str, Any]]:
    plan = plan_of(row["plan"])
    ends = [*due.run, due.following][1 : len(due.run) + 1]
    return [
        {
            "job_id": job_id(row["schedule_name"], row["key"], slot.nominal),
            "schedule_id": row["schedule_id"],
            "target_id": row["id"],
            "slot": slot.nominal,
            "at": slot.at,
            "not_after": latest_start(plan, slot, following),
            "state": PLANNED,
        }
        for slot, following in zip(due.run, ends, strict=True)
    ]


def _gaps_of(
    row: RowMapping, due: DueVisits, now: datetime, last: datetime | None
) -> list[dict[str, Any]]:
    absent = last is not None and now - last > _SLACK
    detail = (
        f"no worker was running from {instant(last)} to {instant(now)}" if absent and last else ""
    )
    return gap_rows(
        due, schedule_id=row["schedule_id"], target_id=row["id"], now=now, detail=detail
    )


def _about(row: RowMapping) -> NotificationScope:
    return NotificationScope(
        policy=row["policy"][:MAX_TEXT],
        origin=f"schedule:{row['name']}",
        tags=tuple(tag[:MAX_TEXT] for tag in json.loads(row["tags"])),
    )


def _job(row: RowMapping, now: datetime) -> CaptureJob:
    return CaptureJob(
        id=row["job_id"],
        url=row["url"],
        enqueued_at=now,
        policy=row["policy"],
        origin=f"schedule:{row['name']}",
        priority=row["priority"],
        tags=tuple(json.loads(row["tags"])),
        not_after=row["not_after"],
    )


def _next_check(not_after: datetime | None, now: datetime, checks: int) -> datetime:
    """Return when to look up a visit next: rarely, and around its latest start."""
    later = now + min(_FIRST_CHECK * (1 << min(checks, 10)), _LAST_CHECK)
    if not_after is not None:
        for moment in (not_after - _BEFORE, not_after + _SLACK):
            if now < moment:
                return min(later, moment)
    return later


def _end_of(
    row: RowMapping, status: JobStatus | None, now: datetime
) -> tuple[dict[str, Any], GapReason | None]:
    """Return the new values of a visit's row, and why it was missed if it was."""
    over: dict[str, Any] = {"check_at": None, "checks": row["checks"] + 1}
    if status is None:
        return {**over, "state": UNKNOWN}, None  # purged before anybody asked
    over |= {"ended_at": status.ended_at, "bundle_id": status.bundle_id, "outcome": status.outcome}
    over["error"] = status.error
    if status.state in (JobState.DONE, JobState.INCOMPLETE):
        return {**over, "state": DONE if status.state is JobState.DONE else INCOMPLETE}, None
    late = row["not_after"] is not None and (status.ended_at or now) >= row["not_after"]
    held = row["was_held"] or status.state is JobState.DEFERRED
    # With a bundle, it waits for one more visit of a throttled page, and ends with what it has.
    never_began = status.state is not JobState.RUNNING and not status.bundle_id
    if status.state.over or (late and never_began):
        if status.state is JobState.CANCELLED:
            reason = GapReason.CANCELLED
        elif status.started_at is not None:
            reason = GapReason.FAILED
        elif late:
            reason = GapReason.OVER_BUDGET if held else GapReason.QUEUE_LATE
        else:
            reason = GapReason.FAILED
        return {**over, "state": MISSED}, reason
    again = _next_check(row["not_after"], now, row["checks"] + 1)
    return {"check_at": again, "checks": row["checks"] + 1, "was_held": held}, None


def _gap_of(
    row: RowMapping, status: JobStatus | None, reason: GapReason, now: datetime
) -> dict[str, Any]:
    bundle = status.bundle_id if status else ""
    return {
        "schedule_id": row["schedule_id"],
        "target_id": row["target_id"],
        "event": GapEvent.MISSED,
        "reason": reason,
        "detail": tr("the bundle {bundle} records the failure", bundle=bundle) if bundle else "",
        "slots": encode_slots((row["slot"],)),
        "since": row["slot"],
        "until": row["slot"],
        "noted_at": now,
    }


def _with_names() -> Any:
    return (
        select(GAP, SCHEDULE.c.name, SCHEDULE.c.policy, SCHEDULE.c.tags, TARGET.c.url)
        .join(SCHEDULE, SCHEDULE.c.id == GAP.c.schedule_id)
        .join(TARGET, TARGET.c.id == GAP.c.target_id, isouter=True)
    )


def _anything() -> Any:
    """Return a SELECT whose result is 0 if nothing is to be done, which is the usual case."""
    # It ignores whether a schedule is paused: SQLite would read all of its addresses for that.
    due = exists().where(TARGET.c.next_at <= bindparam("now"))
    noted = exists().where(VISIT.c.state == PLANNED)
    unclear = exists().where(VISIT.c.check_at <= bindparam("now"))
    fresh = (GAP.c.gap_id == "") & (GAP.c.noted_at <= bindparam("gathered"))
    left = (GAP.c.gap_id != "") & (GAP.c.claimed_at <= bindparam("given_up"))
    owed = exists().where(GAP.c.stored.is_(False), fresh | left)
    return select(case((or_(due, noted, unclear, owed), 1), else_=0))


_ANYTHING = _anything()  # built once: building it costs more than executing it


def _owed(now: datetime, before: datetime) -> Any:
    fresh = (GAP.c.gap_id == "") & (GAP.c.noted_at <= before)
    left = (GAP.c.gap_id != "") & (GAP.c.claimed_at <= now - _CLAIM)
    return _with_names().where(GAP.c.stored.is_(False), fresh | left)


def _claimed(connection: Connection, gap_id: str, ids: Sequence[int], now: datetime) -> None:
    connection.execute(update(GAP).where(GAP.c.id.in_(ids)).values(gap_id=gap_id, claimed_at=now))
