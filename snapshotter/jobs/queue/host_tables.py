"""
Store the politeness state of hosts and the visits to them in tables that all processes share.

A row of `polite_host` is what `policy.politeness` remembers of a host between visits. A row of
`polite_visit` is one visit of the last 24 hours. A visit starts in a transaction that first locks
the row for all hosts, `""`, and then the row of its host. So only one of several processes gets
the last free place. Times are by the database's clock.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, Connection, Index, Integer, RowMapping, String, Table, select, update
from sqlalchemy import insert as plain_insert

from snapshotter.jobs.database import TABLES, Instant, database_now, insert_new, read_rows
from snapshotter.policy.host_responses import HostResponse, Sign
from snapshotter.policy.host_rules import DAY, Politeness
from snapshotter.policy.politeness import HostState, VisitOutcome, visit_outcome

_KEY = 300  # characters; a host name has at most 253


ALL_HOSTS = ""  # key of the row for all hosts, which every visit locks first


LONGEST_VISIT = timedelta(minutes=10)  # after which a visit outside the queue counts as ended


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


def settle_visit(
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
    held = lock_hosts(connection, concerned_hosts(politeness, key, answer.final_url), now)
    at = now or database_now(connection)
    left = visit_outcome(
        politeness, key, held.__getitem__, answer, started=started, now=at, chance=chance
    )
    for changed, state in left.states.items():
        store_state(connection, changed, state, at)
    if left.ended_at != key:
        start_visit(connection, left.ended_at, at, None, "")
    return left, held[left.ended_at]


def concerned_hosts(politeness: Politeness, key: str, final_url: str) -> tuple[str, ...]:
    """Return the hosts that a visit may have reached."""
    keys = [key]
    if final_url:
        with contextlib.suppress(ValueError):  # an address without a host, as about:blank
            keys.append(politeness.key(final_url))
    return tuple(keys)


def lock_hosts(
    connection: Connection, keys: Sequence[str], now: datetime | None
) -> dict[str, HostState]:
    """Lock the state of hosts until this transaction ends, and return it."""
    # Whoever locks more than one row locks the row for all hosts first, against deadlocks.
    ordered = sorted({ALL_HOSTS, *keys} if len(keys) > 1 else keys)
    touched = now or database_now(connection)
    connection.execute(
        insert_new(connection, HOST),
        [{"key": key, "touched_at": touched} for key in ordered],
    )
    wanted = select(HOST).where(HOST.c.key.in_(ordered)).order_by(HOST.c.key).with_for_update()
    return {row["key"]: host_state(row) for row in read_rows(connection, wanted)}


def host_state(row: RowMapping) -> HostState:
    """Return the state of a host from its row."""
    return HostState(
        next_at=row["next_at"],
        resting_until=row["resting_until"],
        sign=Sign(row["sign"]),
        strikes=row["strikes"],
        struck_at=row["struck_at"],
    )


def store_state(connection: Connection, key: str, state: HostState, now: datetime) -> None:
    """Store the state of a host, whose row must be locked."""
    connection.execute(
        update(HOST)
        .where(HOST.c.key == key)
        .values(
            next_at=state.next_at, resting_until=state.resting_until, sign=state.sign,
            strikes=state.strikes, struck_at=state.struck_at, touched_at=now,
        )
    )  # fmt: skip


def start_visit(
    connection: Connection, key: str, now: datetime, longest: timedelta | None, job_id: str
) -> int:
    """Add a visit that ends after `longest`, or has ended if that is None; return its number."""
    done = connection.execute(
        plain_insert(VISIT).values(
            key=key, started_at=now, job_id=job_id, open_until=now + longest if longest else None
        )
    )
    number = done.inserted_primary_key
    assert number is not None  # noqa: S101  a row of one table was inserted
    return int(number[0])


def close_visits(connection: Connection, job_id: str) -> None:
    """End the visits of a job that are under way."""
    connection.execute(
        update(VISIT)
        .where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
        .values(open_until=None)
    )


def open_visits(connection: Connection, now: datetime, *, outside: bool = False) -> Counter[str]:
    """Return how many visits of each host are under way: all, or only those without a job."""
    wanted = select(VISIT.c.key).where(VISIT.c.open_until > now)
    if outside:
        wanted = wanted.where(VISIT.c.job_id == "")
    return Counter(connection.execute(wanted).scalars())


def budget_at(
    connection: Connection, key: str, budget: int | None, now: datetime
) -> datetime | None:
    """Return when a used-up budget of a host has room again; None if it has room now."""
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
