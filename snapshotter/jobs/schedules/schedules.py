"""
Add, extend, pause, resume, remove and list schedules, and show their next visits and history.

A schedule is a plan and its addresses; each address has its own next visit. `scheduler.py` hands
over the visits that are due. A removed schedule is only marked, so that its history can still be
read.
"""

import difflib
import hashlib
import heapq
import hmac
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from snapshotter.errors import SnapshotterError, UsageMistake
from snapshotter.jobs.database import (
    Now,
    database_now,
    insert_new,
    read_row,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.schedules.gap_records import gap_rows
from snapshotter.jobs.schedules.history import (
    HistoryEntry,
    history_entries,
    last_visits,
    missed_visits,
    with_job_state,
)
from snapshotter.jobs.schedules.plan import Pause, Plan, Slot, decide_due_visits
from snapshotter.jobs.schedules.tables import (
    ACTIVE,
    GAP,
    PAUSE,
    PAUSED,
    PLANNED,
    REMOVED,
    SCHEDULE,
    TARGET,
    VISIT,
)
from snapshotter.model.gap import GapEvent, GapReason
from snapshotter.model.job import NORMAL, JobStatus
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_SECOND = timedelta(seconds=1)
_JUST_DUE = timedelta(seconds=60)
_MAX_DETAIL = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The current state of one schedule."""

    id: int
    name: str
    plan: Plan
    policy: str
    priority: int
    tags: tuple[str, ...]
    state: str
    created_at: datetime
    urls: int  # number of addresses
    next_at: datetime | None  # the next visit of any address; None: ended or not active
    paused_by: str = ""
    paused_at: datetime | None = None
    paused_reason: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether the plan has no visit left."""
        return self.state == ACTIVE and self.next_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTarget:
    """One address of a schedule."""

    id: int
    key: str  # digest of the address, 12 hex digits
    url: str
    since: datetime
    following: Slot | None


def check_name(name: str) -> str:
    """Return a schedule's name. Raises UsageMistake if it is invalid."""
    if not _NAME.fullmatch(name):
        raise UsageMistake(
            tr("{name!r} is not a valid name for a schedule", name=name),
            hint=tr(
                "use a to z, 0 to 9 and dashes, at most 48 characters. The name is written into "
                "signed records, so the name must not reveal a source"
            ),
        )
    return name


def target_key(url: str) -> str:
    """Return the key of an address in a schedule: a digest, which does not show the address."""
    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def watch_name(schedule: str, key: str) -> str:
    """Return the name of one address of one schedule, for jitter and ids of jobs."""
    return f"{schedule}.{key}"


def job_id(schedule: str, key: str, slot: datetime) -> str:
    """Return the id of a visit's job, which is the same on every machine."""
    return f"{watch_name(schedule, key)}@{slot:%Y%m%dt%H%M%Sz}"


def default_name(urls: Sequence[str], plan: Plan, secret: bytes) -> str:
    """
    Return a name for a schedule without one; the same input gives the same name.

    Names are part of signed records and messages. Without the secret, nobody can find out or
    guess from a name which pages the schedule is about.
    """
    said = "\n".join((plan.as_json(), *urls)).encode("utf-8", "surrogateescape")
    return f"schedule-{hmac.new(secret, said, hashlib.sha256).hexdigest()[:6]}"


class Schedules:
    """
    The schedules of a database. Safe in several processes.

    Args:
        engine: From `open_database`.
        now: Returns the time; the database's clock unless a test gives another one.
    """

    def __init__(self, engine: Engine, *, now: Now = database_now) -> None:
        self._engine = engine
        self._now = now

    def add(
        self,
        name: str,
        plan: Plan,
        urls: Sequence[str],
        *,
        policy: str = "",
        priority: int = NORMAL,
        tags: Sequence[str] = (),
    ) -> Schedule:
        """
        Add a schedule; its addresses are first seen now.

        Raises:
            SnapshotterError: A schedule of that name exists, or it has no visit.
        """
        check_name(name)
        try:
            with writing(self._engine) as connection:
                if connection.execute(select(SCHEDULE).where(SCHEDULE.c.live_name == name)).first():
                    raise _name_taken(name)
                now = self._now(connection)
                made = connection.execute(
                    insert(SCHEDULE).values(
                        name=name, live_name=name, plan=plan.as_json(), policy=policy,
                        priority=priority, tags=json.dumps(list(tags)), state=ACTIVE,
                        created_at=now, changed_at=now,
                    )
                )  # fmt: skip
                key = made.inserted_primary_key
                if not self._add_urls(connection, int(key[0]) if key else 0, name, plan, urls, now):
                    raise SnapshotterError(
                        tr("the schedule has no visits"),
                        hint=tr("check --start, --end and the curve"),
                    )
        except IntegrityError as error:  # another process added it at the same time
            raise _name_taken(name) from error
        return self.get(name)

    def extend(self, name: str, urls: Sequence[str]) -> int:
        """Add addresses to a schedule, first seen now; return how many are new."""
        with writing(self._engine) as connection:
            row = self._row(connection, name, lock=True)
            plan = Plan.from_json(row["plan"])
            return self._add_urls(connection, row["id"], name, plan, urls, self._now(connection))

    def get(self, name: str) -> Schedule:
        """Return a schedule. Raises SnapshotterError if it does not exist."""
        with reading(self._engine) as connection:
            return self._schedule(connection, self._row(connection, name))

    def find(self, name: str) -> Schedule | None:
        """Return a schedule; None if it does not exist."""
        with reading(self._engine) as connection:
            row = read_row(connection, select(SCHEDULE).where(SCHEDULE.c.live_name == name))
            return self._schedule(connection, row) if row is not None else None

    def has_existed(self, name: str) -> bool:
        """Whether a schedule of that name exists or was removed."""
        with reading(self._engine) as connection:
            named = select(SCHEDULE.c.id).where(SCHEDULE.c.name == name).limit(1)
            return connection.execute(named).first() is not None

    def is_readable(self, name: str) -> bool:
        """Whether this release can read a plan. Raises SnapshotterError without a schedule."""
        with reading(self._engine) as connection:
            row = self._row(connection, name)
        try:
            _plan_of(row)
        except SnapshotterError:
            return False
        return True

    def all(self) -> list[Schedule]:
        """Return all schedules that are not removed, by name."""
        with reading(self._engine) as connection:
            rows = read_rows(
                connection,
                select(SCHEDULE)
                .where(SCHEDULE.c.live_name.is_not(None))
                .order_by(SCHEDULE.c.live_name),
            )
            return [self._schedule(connection, row) for row in rows]

    def targets(self, name: str) -> Iterator[ScheduleTarget]:
        """Yield the addresses of a schedule, in the order in which they were added."""
        last = 0
        with reading(self._engine) as connection:
            wanted = select(TARGET).where(TARGET.c.schedule_id == self._row(connection, name)["id"])
        while True:
            with reading(self._engine) as connection:
                page = wanted.where(TARGET.c.id > last).order_by(TARGET.c.id).limit(500)
                rows = read_rows(connection, page)
            yield from map(target_of, rows)
            if not rows:
                return
            last = rows[-1]["id"]

    def first_jobs(self, name: str, urls: Sequence[str]) -> list[str]:
        """
        Return the job ids of the first visits of addresses, in the same order.

        Raises:
            SnapshotterError: The schedule does not exist, or an address is not in it.
        """
        with reading(self._engine) as connection:
            row = self._row(connection, name)
            wanted = select(TARGET.c.key, TARGET.c.since).where(TARGET.c.schedule_id == row["id"])
            since: dict[str, datetime] = {}
            keys = sorted(set(map(target_key, urls)))
            for begin in range(0, len(keys), 500):  # a statement has a limit of parameters
                some = wanted.where(TARGET.c.key.in_(keys[begin : begin + 500]))
                since |= {row.key: row.since for row in connection.execute(some)}
        plan = Plan.from_json(row["plan"])
        jobs = []
        for key in map(target_key, urls):
            if key not in since:
                raise SnapshotterError(tr("an address is not in the schedule {name}", name=name))
            slot = plan.first(since[key], watch_name(name, key))
            jobs.append(job_id(name, key, slot.nominal if slot is not None else since[key]))
        return jobs

    def upcoming(self, name: str, count: int) -> list[tuple[Slot, str]]:
        """Return the next visits of a schedule and their addresses, the earliest first."""
        with reading(self._engine) as connection:
            row = self._row(connection, name)
            rows = read_rows(
                connection,
                select(TARGET)
                .where(TARGET.c.schedule_id == row["id"], TARGET.c.next_at.is_not(None))
                .order_by(TARGET.c.next_at)
                .limit(count),
            )
            found = [target_of(row) for row in rows]
        plan = Plan.from_json(row["plan"])
        return merge_schedules(
            plan,
            name,
            [(target.following, target.url, target.since) for target in found if target.following],
            count,
        )

    def pause(self, name: str, *, by: str, reason: str = "") -> bool:
        """
        Pause a schedule until it is resumed; return False if it was paused already.

        Args:
            reason: For the signed record; at most 500 characters.
        """
        with writing(self._engine) as connection:
            row = self._row(connection, name, lock=True)
            if row["state"] == PAUSED:
                return False
            now = self._change(connection, row, PAUSED)
            connection.execute(insert(PAUSE).values(schedule_id=row["id"], since=now, by=by))
            _note(connection, row["id"], GapEvent.PAUSED, now, by, reason[:_MAX_DETAIL])
            return True

    def resume(self, name: str, *, by: str) -> bool:
        """Resume a schedule without the visits of the pause; return False if it was not paused."""
        with writing(self._engine) as connection:
            row = self._row(connection, name, lock=True)
            if row["state"] != PAUSED:
                return False
            now = self._change(connection, row, ACTIVE)
            connection.execute(
                update(PAUSE)
                .where(PAUSE.c.schedule_id == row["id"], PAUSE.c.until.is_(None))
                .values(until=now)
            )
            _note(connection, row["id"], GapEvent.RESUMED, now, by)
            return True

    def remove(self, name: str, *, by: str) -> None:
        """
        Remove a schedule; its name is free again, and its history stays for a while.

        Visits that were due before and not handed over are recorded as missed.
        """
        with writing(self._engine) as connection:
            row = self._row(connection, name, lock=True)
            now = self._change(connection, row, REMOVED)
            detail = self._note_overdue(connection, row, now)
            connection.execute(
                update(SCHEDULE).where(SCHEDULE.c.id == row["id"]).values(live_name=None)
            )
            connection.execute(
                update(TARGET)
                .where(TARGET.c.schedule_id == row["id"])
                .values(next_slot=None, next_at=None)
            )
            _note(connection, row["id"], GapEvent.REMOVED, now, by, detail)

    def run_now(self, name: str, urls: Sequence[str] = ()) -> list[str]:
        """
        Add an extra visit now to all or some addresses of a schedule; return their job ids.

        The plan does not change. It works also while the schedule is paused. The scheduler of a
        worker hands the visits over.

        Raises:
            SnapshotterError: The schedule does not exist, or an address is not in it.
        """
        with writing(self._engine) as connection:
            row = self._row(connection, name, lock=True)
            now = self._now(connection)
            wanted = select(TARGET).where(TARGET.c.schedule_id == row["id"])
            found = read_rows(connection, wanted.order_by(TARGET.c.id))
            if urls:
                missing = set(urls) - {target["url"] for target in found}
                if missing:
                    raise SnapshotterError(
                        tr(
                            "{min} is not an address of the schedule {name}",
                            min=min(missing),
                            name=name,
                        ),
                        hint=tr(
                            "list the addresses of the schedule:\n  snapshotter schedule "
                            "show {name}",
                            name=name,
                        ),
                    )
                found = [target for target in found if target["url"] in set(urls)]
            second = now.replace(microsecond=0)
            rows = [
                {
                    "job_id": f"{job_id(name, target['key'], second)}-now",
                    "schedule_id": row["id"],
                    "target_id": target["id"],
                    "slot": second,
                    "at": now,
                    "state": PLANNED,
                    "check_at": None,
                }
                for target in found
            ]
            if rows:  # a second call within one second means the same visits
                connection.execute(insert_new(connection, VISIT), rows)
            return [str(row["job_id"]) for row in rows]

    def history(
        self,
        name: str,
        *,
        newest: int = 50,
        gaps_only: bool = False,
        look: Callable[[str], JobStatus | None] | None = None,
    ) -> list[HistoryEntry]:
        """
        Return visits and gaps of a schedule, the newest first, also of a removed one.

        Args:
            look: Returns the status of a job, for visits that have not ended in these tables.

        Raises:
            SnapshotterError: A schedule of that name never existed.
        """
        with reading(self._engine) as connection:
            ids = connection.execute(
                select(SCHEDULE.c.id).where(SCHEDULE.c.name == name).order_by(SCHEDULE.c.id)
            ).scalars()
            mine = list(ids)
            if not mine:
                raise _unknown(connection, name)
            found = history_entries(connection, mine, newest=newest, gaps_only=gaps_only)
        return found if look is None else [with_job_state(entry, look) for entry in found]

    def last_visits(self, *, look: Callable[[str], JobStatus | None]) -> dict[str, HistoryEntry]:
        """
        Return the last visit of each schedule that has had one, by the name of the schedule.

        Args:
            look: Returns the status of a job, as for `history`.
        """
        with reading(self._engine) as connection:
            found = last_visits(connection)
        return {name: with_job_state(entry, look) for name, entry in found.items()}

    def missed(self, *, since: datetime, newest: int) -> list[tuple[str, HistoryEntry]]:
        """
        Return the missed visits of all schedules that are not removed, the newest first.

        Args:
            since: Only visits that were missed at this time or later.

        Returns:
            The name of the schedule and the gap.
        """
        with reading(self._engine) as connection:
            return missed_visits(connection, since=since, newest=newest)

    def _note_overdue(self, connection: Connection, row: RowMapping, now: datetime) -> str:
        """Record the missed visits of a removed schedule; return why they are unknown, or ""."""
        try:
            plan = Plan.from_json(row["plan"])
        except SnapshotterError as error:
            return (
                "the visits that were due before the removal of the schedule are not known: "
                f"{error.message}"
            )[:_MAX_DETAIL]
        pauses = pauses_of(connection, row["id"], now)
        # A visit that has just become due is not missed: a worker may be about to hand it over.
        looked = now - _JUST_DUE
        wanted = select(TARGET).where(TARGET.c.schedule_id == row["id"], TARGET.c.next_at <= looked)
        for found in read_rows(connection, wanted.order_by(TARGET.c.id)):
            following = target_of(found).following
            while following is not None and following.at <= looked:
                name = watch_name(row["name"], found["key"])
                due = decide_due_visits(plan, following, found["since"], name, looked, pauses)
                missed = tuple(sorted((*due.missed, *(slot.nominal for slot in due.run))))
                rows = gap_rows(
                    replace(due, missed=missed),
                    schedule_id=row["id"],
                    target_id=found["id"],
                    now=now,
                    detail="no worker had checked these visits when the schedule was removed",
                )
                for schedule_row in rows:
                    connection.execute(insert(GAP).values(**schedule_row))
                following = due.following
        return ""

    def _add_urls(
        self,
        connection: Connection,
        schedule_id: int,
        name: str,
        plan: Plan,
        urls: Sequence[str],
        now: datetime,
    ) -> int:
        # In whole seconds, like a slot. Not before now, so that no visit is late already.
        since = now.replace(microsecond=0)
        since = since if since == now else since + _SECOND
        known = set(
            connection.execute(
                select(TARGET.c.key).where(TARGET.c.schedule_id == schedule_id)
            ).scalars()
        )
        rows = []
        for url in dict.fromkeys(urls):
            key = target_key(url)
            first = plan.first(since, watch_name(name, key))
            if key not in known and first is not None:
                rows.append(
                    {
                        "schedule_id": schedule_id, "key": key, "url": url, "since": since,
                        "next_slot": first.nominal, "next_at": first.at,
                    }
                )  # fmt: skip
        if rows:
            connection.execute(insert(TARGET), rows)
        return len(rows)

    def _row(self, connection: Connection, name: str, *, lock: bool = False) -> RowMapping:
        wanted = select(SCHEDULE).where(SCHEDULE.c.live_name == name)
        wanted = wanted.with_for_update() if lock else wanted
        row = read_row(connection, wanted)
        if row is None:
            raise _unknown(connection, name)
        return row

    def _schedule(self, connection: Connection, row: RowMapping) -> Schedule:
        count, next_at = connection.execute(
            select(func.count(), func.min(TARGET.c.next_at)).where(
                TARGET.c.schedule_id == row["id"]
            )
        ).one()
        pause = reason = None
        if row["state"] == PAUSED:
            wanted = select(PAUSE).where(PAUSE.c.schedule_id == row["id"], PAUSE.c.until.is_(None))
            pause = read_row(connection, wanted)
            # Rows with an address are the visits of a pause.
            events = select(GAP.c.detail).where(
                GAP.c.schedule_id == row["id"],
                GAP.c.event == GapEvent.PAUSED,
                GAP.c.target_id.is_(None),
            )
            reason = connection.execute(events.order_by(GAP.c.id.desc()).limit(1)).scalar()
        return Schedule(
            id=row["id"],
            name=row["name"],
            plan=_plan_of(row),
            policy=row["policy"],
            priority=row["priority"],
            tags=tuple(json.loads(row["tags"])),
            state=row["state"],
            created_at=row["created_at"],
            urls=count,
            next_at=next_at if row["state"] == ACTIVE else None,
            paused_by=pause["by"] if pause else "",
            paused_at=pause["since"] if pause else None,
            paused_reason=reason or "",
        )

    def _change(self, connection: Connection, row: RowMapping, state: str) -> datetime:
        now = self._now(connection)
        connection.execute(
            update(SCHEDULE).where(SCHEDULE.c.id == row["id"]).values(state=state, changed_at=now)
        )
        return now


def merge_schedules(
    plan: Plan, name: str, firsts: Sequence[tuple[Slot, str, datetime]], count: int
) -> list[tuple[Slot, str]]:
    """
    Return the next visits of several addresses, the earliest first.

    Args:
        firsts: For each address its next slot, the address, and when it was first seen.
    """
    waiting = [(slot.at, number) for number, (slot, _, _) in enumerate(firsts)]
    slots = [slot for slot, _, _ in firsts]
    heapq.heapify(waiting)
    found: list[tuple[Slot, str]] = []
    while waiting and len(found) < count:
        _, number = heapq.heappop(waiting)
        slot, (_, url, since) = slots[number], firsts[number]
        found.append((slot, url))
        following = plan.after(slot.nominal, since, watch_name(name, target_key(url)))
        if following is not None:
            slots[number] = following
            heapq.heappush(waiting, (following.at, number))
    return found


def target_of(row: RowMapping) -> ScheduleTarget:
    """Return the address of a row."""
    slot, at = row["next_slot"], row["next_at"]
    return ScheduleTarget(
        id=row["id"],
        key=row["key"],
        url=row["url"],
        since=row["since"],
        following=Slot(nominal=slot, at=at) if slot is not None and at is not None else None,
    )


def pauses_of(
    connection: Connection, schedule_id: int, until: datetime | None = None
) -> list[Pause]:
    """
    Return the pauses of a schedule, the newest first.

    Args:
        until: The end of a pause that has not ended; None leaves it out.
    """
    rows = read_rows(
        connection,
        select(PAUSE).where(PAUSE.c.schedule_id == schedule_id).order_by(PAUSE.c.id.desc()),
    )
    return [
        Pause(since=row["since"], until=end, by=row["by"])
        for row in rows
        if (end := row["until"] or until) is not None
    ]


def _plan_of(row: RowMapping) -> Plan:
    try:
        return Plan.from_json(row["plan"])
    except SnapshotterError as error:
        raise SnapshotterError(
            tr(
                "this version or machine cannot read the schedule {row}: {value}",
                row=row["name"],
                value=error.message,
            ),
            hint=tr(
                "use the version that wrote the schedule, or install the missing time zone. "
                "To end the schedule:\n  snapshotter schedule remove {row}",
                row=row["name"],
            ),
        ) from error


def _name_taken(name: str) -> SnapshotterError:
    return SnapshotterError(
        tr("the schedule {name} exists already", name=name),
        hint=tr(
            "show the schedule, or add addresses to it:\n  snapshotter schedule show "
            "{name}\n  snapshotter schedule add --to {name} URL",
            name=name,
        ),
    )


def _unknown(connection: Connection, name: str) -> SnapshotterError:
    known = connection.execute(
        select(SCHEDULE.c.live_name).where(SCHEDULE.c.live_name.is_not(None))
    ).scalars()
    near = difflib.get_close_matches(name, [str(known_name) for known_name in known], n=3)
    hint = (
        tr("did you mean {near}?", near=" or ".join(near))
        if near
        else tr("list the schedules:\n  snapshotter schedule list")
    )
    return SnapshotterError(tr("the schedule {name} does not exist", name=name), hint=hint)


def _note(
    connection: Connection,
    schedule_id: int,
    event: GapEvent,
    now: datetime,
    by: str,
    detail: str = "",
) -> None:
    connection.execute(
        insert(GAP).values(
            schedule_id=schedule_id, event=event, reason=GapReason.BY_HAND, detail=detail, by=by,
            since=now, noted_at=now,
        )
    )  # fmt: skip
