"""
Keep the politeness state of hosts in the queue's database, for everybody who shares the queue.

A row of `polite_host` is what `policy.politeness` remembers of a host between visits. A row of
`polite_visit` is one visit of the last 24 hours. A visit starts in a transaction that locks
first the row for all hosts, `""`, and then the row of its host. So only one of several
processes gets the last free place. Times are by the database's clock.

One class is for the dispatcher; visits under way are then the jobs, which outlive a killed
worker. The other is for processes outside the queue; their visits end after a time limit.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    RowMapping,
    Select,
    String,
    Table,
    delete,
    func,
    select,
    update,
)
from sqlalchemy import insert as plain_insert

from snapshotter.jobs.database import TABLES, Instant, database_now, insert_new, reading, writing
from snapshotter.jobs.periodic_task import PeriodicTask
from snapshotter.jobs.queue import admission
from snapshotter.jobs.queue.job_table import DUE, DUE_LATER, JOB, NOT_DUE, WAITING, under_way
from snapshotter.model.job import CaptureJob, JobState
from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.policy.host_answers import HostResponse, Sign
from snapshotter.policy.host_rules import DAY, HostRules, Politeness
from snapshotter.policy.politeness import (
    AllowedVisit,
    HostState,
    Load,
    VisitOutcome,
    VisitWait,
    WaitCause,
    describe_wait,
    is_urgent,
    judge,
    state_after_start,
    visit_outcome,
)
from snapshotter.ports import JobObserver

_KEY = 300  # characters; a host name has at most 253
_ALL = ""  # key of the row for all hosts, which every visit locks first
_LONGEST = timedelta(minutes=10)  # after which a visit outside the queue counts as ended
_TRIM_S = 3600.0
_SELDOM = timedelta(days=7)  # the state of a host that was not visited for so long is deleted

HOST = Table(
    "polite_host",
    TABLES,
    Column("key", String(_KEY), primary_key=True),  # Politeness.key, or ""
    Column("next_at", Instant),
    Column("resting_until", Instant),
    Column("sign", String(16), nullable=False, default=Sign.WELL),
    Column("strikes", Integer, nullable=False, default=0),
    Column("struck_at", Instant),
    Column("touched_at", Instant, nullable=False),
)

VISIT = Table(
    "polite_visit",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("key", String(_KEY), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("job_id", String(120), nullable=False, default=""),  # "": a visit outside the queue
    Column("open_until", Instant),  # latest end; None: it has ended
    Index("polite_visit_budget", "key", "started_at"),
    Index("polite_visit_age", "started_at"),
)
# Covers the visits under way only: they are few and counted for each job.
Index(
    "polite_visit_open",
    VISIT.c.open_until,
    sqlite_where=VISIT.c.open_until.is_not(None),
    postgresql_where=VISIT.c.open_until.is_not(None),
)


class PolitenessAdmission:
    """
    Admission by the politeness rules. Every call runs in the given transaction.

    Args:
        chance: Returns random numbers from 0 up to 1, for jitter.
    """

    def __init__(
        self,
        politeness: Politeness,
        chance: Callable[[], float],
        observer: JobObserver | None = None,
    ) -> None:
        self._politeness = politeness
        self._chance = chance
        self._observer = observer or JobObserver()

    def host(self, url: str) -> str:
        """Return the name under which visits to a URL are counted; "" if it has no host."""
        try:
            return self._politeness.key(url)
        except ValueError:
            return ""

    def admit(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> admission.Deferral | None:
        """See `gate.Gate`."""
        rules = self._politeness.rules(host)
        urgent = is_urgent(job.priority)
        state = _held(connection, (_ALL, host), now)[host]
        outside = _open(connection, now, outside=True)
        load = Load(
            host=under_way + outside[host],
            all=all_under_way + outside.total(),
            budget_at=_budget_at(connection, host, rules.budget(urgent=urgent), now),
        )
        wait = judge(self._politeness, rules, state, load, now)
        if wait is not None:
            return admission.Deferral(
                until=wait.until, why=describe_wait(wait, rules), of_all=wait.cause is WaitCause.ALL
            )
        _close(connection, job.id)  # an interrupted visit of the job has ended
        _start(connection, host, now, _LONGEST, job.id)
        _keep(connection, host, state_after_start(rules, state, now, self._chance()), now)
        return None

    def not_started(self, connection: Connection, job_id: str) -> None:
        """See `gate.Gate`. The day's budget of the host is not used."""
        connection.execute(
            delete(VISIT).where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
        )

    def attempt_ended(
        self, connection: Connection, job: CaptureJob, host: str, met: admission.AttemptResult
    ) -> admission.Deferral | None:
        """See `gate.Gate`."""
        _held(connection, _concerned(self._politeness, host, met.final_url), met.at)
        self._began(connection, job.id, host, met)
        _close(connection, job.id)
        if not met.outcome:  # without a capture nothing is known about the host
            return None
        answer = HostResponse(
            status=met.http_status, at=met.at, retry_after=met.retry_after, date=met.date,
            final_url=met.final_url,
        )  # fmt: skip
        left, before = _settle(
            connection, self._politeness, host, answer, started=met.started_at, now=met.at,
            chance=self._chance,
        )  # fmt: skip
        self._tell(job, left, before, met.at)
        at = left.revisit_at(self._politeness, revisits=met.revisits, now=met.at)
        return admission.Deferral(until=at, why="the host said that it is too much") if at else None

    def _began(
        self, connection: Connection, job_id: str, host: str, met: admission.AttemptResult
    ) -> None:
        """Correct the start of a visit: its worker may have begun it later."""
        row = connection.execute(
            select(VISIT.c.seq, VISIT.c.started_at)
            .where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
            .order_by(VISIT.c.seq.desc())
            .limit(1)
        ).first()
        if row is None or met.began_at is None or met.began_at <= row.started_at:
            return
        connection.execute(
            update(VISIT).where(VISIT.c.seq == row.seq).values(started_at=met.began_at)
        )
        state = _held(connection, (host,), met.at)[host]
        if state.next_at is not None:
            late = met.began_at - row.started_at
            _keep(connection, host, replace(state, next_at=state.next_at + late), met.at)

    def _tell(self, job: CaptureJob, left: VisitOutcome, before: HostState, now: datetime) -> None:
        if left.what.sign is not Sign.THROTTLED or before.sign is Sign.THROTTLED:
            return
        until = left.states[left.ended_at].resting_until
        self._observer.tell(throttled_event(job, left.ended_at, until, now))


def throttled_event(
    job: CaptureJob, host: str, until: datetime | None, now: datetime
) -> NotificationEvent:
    """
    Return the notification event for a host that throttles us.

    Args:
        job: The job whose visit was throttled.
        until: When the host is visited again.
    """
    return NotificationEvent(
        # From the visit and not from the host: the digest of a host could be guessed.
        id=f"throttled/{job.id}/{now:%Y%m%dT%H%M%S.%f}",
        kind=NotificationKind.HOST_THROTTLED,
        at=now,
        subject=host,
        summary="a host said that it is asked too much, and is left alone for a while",
        about=(NotificationScope.of(job),),
        host=host,
        detail=f"not asked before {until:%Y-%m-%d %H:%M:%S} UTC" if until else "",
    )


class DatabaseVisits:
    """
    `app.pace.Visits` over the queue's database, for a process that is not a worker.

    The visit of a killed process counts as under way for `longest`, and uses the budget.

    Args:
        engine: From `open_database`; the caller disposes of it.
        chance: Returns random numbers from 0 up to 1, for jitter.
        longest: The longest duration of a visit.
    """

    def __init__(
        self,
        engine: Engine,
        politeness: Politeness,
        chance: Callable[[], float],
        *,
        longest: timedelta = _LONGEST,
    ) -> None:
        self._engine = engine
        self._politeness = politeness
        self._chance = chance
        self._longest = longest

    @property
    def politeness(self) -> Politeness:
        """The politeness rules."""
        return self._politeness

    def begin(self, key: str, *, urgent: bool = False) -> AllowedVisit | VisitWait:
        """See `app.pace.Visits`."""
        rules = self._politeness.rules(key)
        with writing(self._engine) as connection:
            held = _held(connection, (_ALL, key), None)
            now = database_now(connection)
            under_way = _open(connection, now)
            load = Load(
                host=under_way[key],
                all=under_way.total(),
                budget_at=_budget_at(connection, key, rules.budget(urgent=urgent), now),
            )
            wait = judge(self._politeness, rules, held[key], load, now)
            if wait is not None:
                return wait
            number = _start(connection, key, now, self._longest, "")
            _keep(connection, key, state_after_start(rules, held[key], now, self._chance()), now)
            return AllowedVisit(number=number, key=key, started_at=now)

    def end(self, visit: AllowedVisit, answer: HostResponse | None) -> VisitOutcome | None:
        """See `app.pace.Visits`."""
        with writing(self._engine) as connection:
            this = VISIT.c.seq == visit.number
            if answer is None:
                connection.execute(delete(VISIT).where(this))
                return None
            connection.execute(update(VISIT).where(this).values(open_until=None))
            left, _ = _settle(
                connection, self._politeness, visit.key, answer,
                started=visit.started_at, now=None, chance=self._chance,
            )  # fmt: skip
            return left


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What is known of one host at one moment, for `queue hosts`."""

    key: str
    rules: HostRules
    under_way: int  # visits
    visits: int  # visits begun in the last 24 hours
    waiting: int  # jobs
    state: HostState
    wait: VisitWait | None  # None: it may be visited now


def host_statuses(engine: Engine, politeness: Politeness) -> tuple[HostStatus, ...]:
    """
    Return every host that was visited lately, is backed off or has jobs, by key.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with reading(engine) as connection:
        now = database_now(connection)
        states = {
            row["key"]: _state(row)
            for row in connection.execute(
                select(HOST).where(HOST.c.key != _ALL).order_by(HOST.c.key)
            ).mappings()
        }
        recent = select(VISIT.c.key, func.count()).where(VISIT.c.started_at > now - DAY)
        counted = _counted(connection, recent.group_by(VISIT.c.key))
        outside = _open(connection, now, outside=True)
        jobs = select(JOB.c.host, func.count()).group_by(JOB.c.host)
        waiting = _counted(connection, jobs.where(JOB.c.state.in_(WAITING), JOB.c.ready != NOT_DUE))
        visits = outside + under_way(connection)
        found = []
        for key in sorted({*states, *waiting} - {""}):
            state = states.get(key, HostState())
            rules = politeness.rules(key)
            load = Load(
                host=visits[key],
                all=visits.total(),
                budget_at=_budget_at(connection, key, rules.budget(urgent=False), now),
            )
            found.append(
                HostStatus(
                    key=key,
                    rules=rules,
                    under_way=load.host,
                    visits=counted.get(key, 0),
                    waiting=waiting.get(key, 0),
                    state=state,
                    wait=judge(politeness, rules, state, load, now),
                )
            )
        return tuple(found)


def _counted(connection: Connection, wanted: Select[Any]) -> dict[str, int]:
    return {key: count for key, count in connection.execute(wanted)}  # noqa: C416  no pairs to mypy


def clear_back_off(engine: Engine, key: str) -> bool:
    """
    End the back-off of a host and make its jobs due; return False if the host is unknown.

    Its used budget and its quiet hours still count.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with writing(engine) as connection:
        done = connection.execute(
            update(HOST)
            .where(HOST.c.key == key, HOST.c.key != _ALL)
            .values(
                next_at=None, resting_until=None, sign=Sign.WELL, strikes=0, struck_at=None,
            )
        )  # fmt: skip
        due = connection.execute(
            update(JOB)
            .where(JOB.c.host == key, JOB.c.state == JobState.DEFERRED, JOB.c.ready == DUE_LATER)
            .values(state=JobState.WAITING, ready=DUE, due_at=None, error="", hint="")
        )
        return done.rowcount + due.rowcount > 0


def trim_task(engine: Engine) -> PeriodicTask:
    """Return the task that deletes what no rule needs any more."""
    return PeriodicTask(name="trim-politeness", every_s=_TRIM_S, work=lambda: trim(engine))


def trim(engine: Engine) -> None:
    """
    Delete visits that are older than a day, and the state of hosts that are not visited any more.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with writing(engine) as connection:
        now = database_now(connection)
        connection.execute(delete(VISIT).where(VISIT.c.started_at < now - DAY - _LONGEST))
        connection.execute(
            delete(HOST).where(
                HOST.c.key != _ALL,
                HOST.c.touched_at < now - _SELDOM,
                HOST.c.resting_until.is_(None) | (HOST.c.resting_until < now),
            )
        )


def _settle(
    connection: Connection,
    politeness: Politeness,
    key: str,
    answer: HostResponse,
    *,
    started: datetime,
    now: datetime | None,
    chance: Callable[[], float],
) -> tuple[VisitOutcome, HostState]:
    """Record what a visit found; return it, and the earlier state of the host that answered."""
    held = _held(connection, _concerned(politeness, key, answer.final_url), now)
    at = now or database_now(connection)
    left = visit_outcome(
        politeness, key, held.__getitem__, answer, started=started, now=at, chance=chance
    )
    for changed, state in left.states.items():
        _keep(connection, changed, state, at)
    if left.ended_at != key:
        _start(connection, left.ended_at, at, None, "")
    return left, held[left.ended_at]


def _concerned(politeness: Politeness, key: str, final_url: str) -> tuple[str, ...]:
    """Return the hosts that a visit may have reached."""
    keys = [key]
    if final_url:
        with contextlib.suppress(ValueError):  # an address without a host, as about:blank
            keys.append(politeness.key(final_url))
    return tuple(keys)


def _held(
    connection: Connection, keys: Sequence[str], now: datetime | None
) -> dict[str, HostState]:
    """Lock the state of hosts until this transaction ends, and return it."""
    # Whoever locks more than one row locks the row for all hosts first, against deadlocks.
    ordered = sorted({_ALL, *keys} if len(keys) > 1 else keys)
    touched = now or database_now(connection)
    connection.execute(
        insert_new(connection, HOST),
        [{"key": key, "touched_at": touched} for key in ordered],
    )
    wanted = select(HOST).where(HOST.c.key.in_(ordered)).order_by(HOST.c.key).with_for_update()
    return {row["key"]: _state(row) for row in connection.execute(wanted).mappings()}


def _state(row: RowMapping) -> HostState:
    return HostState(
        next_at=row["next_at"],
        resting_until=row["resting_until"],
        sign=Sign(row["sign"]),
        strikes=row["strikes"],
        struck_at=row["struck_at"],
    )


def _keep(connection: Connection, key: str, state: HostState, now: datetime) -> None:
    connection.execute(
        update(HOST)
        .where(HOST.c.key == key)
        .values(
            next_at=state.next_at, resting_until=state.resting_until, sign=state.sign,
            strikes=state.strikes, struck_at=state.struck_at, touched_at=now,
        )
    )  # fmt: skip


def _start(
    connection: Connection, key: str, now: datetime, longest: timedelta | None, job_id: str
) -> int:
    done = connection.execute(
        plain_insert(VISIT).values(
            key=key, started_at=now, job_id=job_id, open_until=now + longest if longest else None
        )
    )
    number = done.inserted_primary_key
    assert number is not None  # noqa: S101  a row of one table was inserted
    return int(number[0])


def _close(connection: Connection, job_id: str) -> None:
    connection.execute(
        update(VISIT)
        .where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
        .values(open_until=None)
    )


def _open(connection: Connection, now: datetime, *, outside: bool = False) -> Counter[str]:
    """Return how many visits of each host are under way: all, or only those without a job."""
    wanted = select(VISIT.c.key).where(VISIT.c.open_until > now)
    if outside:
        wanted = wanted.where(VISIT.c.job_id == "")
    return Counter(connection.execute(wanted).scalars())


def _budget_at(
    connection: Connection, key: str, budget: int | None, now: datetime
) -> datetime | None:
    if budget is None:
        return None
    oldest: datetime | None = connection.execute(
        select(VISIT.c.started_at)
        .where(VISIT.c.key == key, VISIT.c.started_at > now - DAY)
        .order_by(VISIT.c.started_at.desc())
        .offset(budget - 1)
        .limit(1)
    ).scalar()
    return oldest + DAY if oldest is not None else None
