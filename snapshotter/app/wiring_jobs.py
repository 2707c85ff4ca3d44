"""
Build the queue, its schedules and its politeness; `wiring_worker.py` builds who works through it.

As in `wiring.py`, each builder imports what it needs when it is called.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from snapshotter.app import machine, wiring_keys, wiring_log, wiring_store
from snapshotter.app.settings import Settings
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.gap import Gap
from snapshotter.ports import Clock, JobObserver, Tell

if TYPE_CHECKING:
    from snapshotter.app.gaps import GapDesk
    from snapshotter.app.pace import Pace, Visits
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.engine import Limits
    from snapshotter.jobs.gate import Gate
    from snapshotter.jobs.queue import DatabaseQueue
    from snapshotter.jobs.schedule import Schedules
    from snapshotter.jobs.sweep import Sweep
    from snapshotter.policy.host_rules import Politeness

_LOOK_S = 2.0  # between two attempts to open a database that does not answer


def database(settings: Settings) -> "Database":
    """Return the queue's database, opened. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.database import open_database

    declare_tables()
    return open_database(settings.queue)


def opened_within(settings: Settings, limit_s: float, *, tell: Tell) -> "Database":
    """
    Open the queue's database, and wait for a server that does not answer.

    Raises:
        ServiceUnavailable: It did not answer within `limit_s` seconds, or it is a file.
        SnapshotterError: Its address is invalid, or its tables have another number.
    """
    end, is_told = time.monotonic() + limit_s, False
    while True:
        try:
            return database(settings)
        except ServiceUnavailable as error:
            # A file that cannot be opened now cannot be opened later either.
            if not settings.queue.startswith("postgres") or time.monotonic() >= end:
                raise
            if not is_told:
                tell(f"{error.message}; this worker tries again for {limit_s:g} s")
                is_told = True
            time.sleep(min(_LOOK_S, limit_s))


def declare_tables() -> None:
    """Import every module that declares tables, so that the first process creates all of them."""
    from snapshotter.jobs import (  # noqa: F401
        attempts,
        belonging,
        monitor,
        politeness,
        roster,
        sweep,
        watch,
    )


def queue(settings: Settings, opened: "Database | None" = None) -> "DatabaseQueue":
    """Return the queue that is configured. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.queue import DatabaseQueue

    return DatabaseQueue(database(settings) if opened is None else opened, host=gate(settings).host)


def new_job_id() -> str:
    """Return an id for a job that nobody makes a second time; they sort by time."""
    return f"job-{machine.RandomIds().bundle_id(machine.SystemClock().now())}"


def politeness(settings: Settings) -> "Politeness":
    """Return how hard hosts may be worked. Raises SnapshotterError."""
    from snapshotter.policy import politeness_file

    return politeness_file.load(settings.politeness_file)


def gate(settings: Settings, observer: JobObserver | None = None) -> "Gate":
    """
    Return what decides whether a host may be asked now.

    Args:
        observer: Hears of hosts that say that it is too much.

    Raises:
        SnapshotterError: The rules make no sense.
    """
    from snapshotter.jobs.politeness import DatabaseGate

    return DatabaseGate(politeness(settings), random.SystemRandom().random, observer)


def pace(settings: Settings, clock: Clock) -> "Pace":
    """
    Return the rules for one command that captures a few pages, one after the other.

    Raises:
        SnapshotterError: The rules make no sense.
    """
    from snapshotter.app.pace import MemoryVisits, Pace

    chance = random.SystemRandom().random
    return Pace(MemoryVisits(politeness(settings), clock, chance), clock)


@contextlib.contextmanager
def visits(settings: Settings, clock: Clock, *, longest: timedelta) -> "Iterator[Visits]":
    """
    Give the state of hosts, for a process that captures by itself.

    It is that of the queue, so that budgets outlive the process and workers are heeded;
    without the extra `jobs` it is forgotten when the process ends.

    Args:
        longest: That a visit takes: so long one of a process that was killed holds its host.

    Raises:
        ServiceUnavailable: The queue's database does not answer.
        SnapshotterError: The rules make no sense.
    """
    rules, chance = politeness(settings), random.SystemRandom().random
    try:
        from snapshotter.jobs.politeness import DatabaseVisits
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "snapshotter":
            raise
        from snapshotter.app.pace import MemoryVisits

        yield MemoryVisits(rules, clock, chance)
        return
    with opened(settings) as found:
        yield DatabaseVisits(found, rules, chance, longest=longest)


def limits(settings: Settings) -> "Limits":
    """Return the most that all workers together do at a time."""
    from snapshotter.jobs.engine import Limits

    rules = politeness(settings)
    return Limits(per_host=rules.most_at_once, in_all=rules.all_at_once)


@contextlib.contextmanager
def schedules(settings: Settings) -> "Iterator[Schedules]":
    """Give the table of schedules, for one command. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.schedule import Schedules

    with opened(settings) as found:
        yield Schedules(found)


@contextlib.contextmanager
def one_queue(settings: Settings) -> "Iterator[DatabaseQueue]":
    """Give the queue, for one command. Raises as `queue` does."""
    with opened(settings) as found:
        yield queue(settings, found)


@contextlib.contextmanager
def one_sweep(
    settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell, records: bool = True
) -> "Iterator[Sweep]":
    """Give what looks which visits are due, for one command. Raises as `sweep` does."""
    with opened(settings) as found:
        yield sweep(settings, found, ask=ask, tell=tell, records=records)


@contextlib.contextmanager
def opened(settings: Settings) -> "Iterator[Database]":
    """Give the queue's database, for one command. Raises as `database` does."""
    found = database(settings)
    try:
        yield found
    finally:
        found.dispose()


def sweep(
    settings: Settings,
    opened: "Database",
    *,
    ask: Callable[[], bytes] | None,
    tell: Tell,
    records: bool = True,
    observer: JobObserver | None = None,
) -> "Sweep":
    """
    Return what looks which visits are due.

    Args:
        ask: Asks the person for a passphrase; None where nobody can be asked.
        records: Whether gaps are signed and stored here; else they wait for who does.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    from snapshotter.jobs.sweep import Sweep

    return Sweep(
        opened,
        queue(settings, opened),
        record=gap_recorder(settings, ask=ask, tell=tell) if records else None,
        new_id=machine.RandomIds().bundle_id,
        tell=tell,
        observer=observer,
    )


def gap_recorder(
    settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell
) -> Callable[[Sequence[Gap]], None]:
    """Return what signs, stores and logs gaps. What it needs is opened with the first one."""
    from snapshotter.app import gaps

    desk: gaps.GapDesk | None = None

    def record(found: Sequence[Gap]) -> None:
        # Only now: a key that can not be opened holds up records, and no visit.
        nonlocal desk
        desk = desk or gap_desk(settings, ask=ask, tell=tell)
        gaps.record(desk, found)

    return record


def gap_desk(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> "GapDesk":
    """Return what records gaps in the configured store. Raises as `wiring.world` does."""
    from snapshotter.app.gaps import GapDesk

    store = wiring_store.store_for_evidence(settings, locked=False, tell=tell)
    book = wiring_log.logbook(settings, proofs=store, ask=ask, tell=tell) if settings.log else None
    return GapDesk(
        store=store,
        signer=wiring_keys.signer(settings, ask=ask, tell=tell),
        ids=machine.RandomIds(),
        salts_dir=wiring_store.salts_dir(settings),
        log=None
        if book is None
        else lambda leaves, again: book.append(leaves, seen=0 if again else None),
    )
