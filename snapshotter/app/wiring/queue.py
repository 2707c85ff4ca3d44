"""
Build the queue, its schedules and its limits of visits to hosts, and the recorder of gaps.

`worker.py` builds the workers. As in `capture.py`, each builder imports what it needs when it is
called.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import salts_dir
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.gap import Gap
from snapshotter.ports import Clock, JobObserver, ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.monitoring.gap_records import GapService
    from snapshotter.app.pipeline.host_pacing import RateLimiter, VisitTracker
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.queue.admission import Admission
    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.jobs.queue.engine import ConcurrencyLimits
    from snapshotter.jobs.schedules.scheduler import Scheduler
    from snapshotter.jobs.schedules.schedules import Schedules
    from snapshotter.policy.host_rules import Politeness

_LOOK_S = 2.0  # between two attempts to open a database that does not answer


def database(settings: Settings) -> "Database":
    """Open and return the queue's database. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.open_database import open_database

    declare_tables()
    return open_database(settings.queue)


def open_within(settings: Settings, limit_s: float, *, show_message: ShowMessage) -> "Database":
    """
    Open the queue's database, and wait for a server that does not answer.

    Raises:
        ServiceUnavailable: It did not answer within `limit_s` seconds, or it is a file.
        SnapshotterError: Its address is invalid, or its tables have another version number.
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
                show_message(
                    tr(
                        "{value}; this worker repeats the attempt for {limit_s:g} s",
                        value=error.message,
                        limit_s=limit_s,
                    )
                )
                is_told = True
            time.sleep(min(_LOOK_S, limit_s))


def declare_tables() -> None:
    """Import every module that declares tables, so that the first process creates all of them."""
    from snapshotter.jobs import follow_ups  # noqa: F401
    from snapshotter.jobs.queue import (
        attempts,  # noqa: F401
        politeness,  # noqa: F401
    )
    from snapshotter.jobs.schedules import scheduler as sweep  # noqa: F401
    from snapshotter.jobs.tasks import task_table  # noqa: F401
    from snapshotter.jobs.watches import watches  # noqa: F401
    from snapshotter.jobs.workers import (
        capture_stages,  # noqa: F401
        registry,  # noqa: F401
        store_binding,  # noqa: F401
    )


def queue(settings: Settings, opened: "Database | None" = None) -> "DatabaseQueue":
    """Return the configured queue. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.queue.database_queue import DatabaseQueue

    return DatabaseQueue(
        database(settings) if opened is None else opened, host=host_admission(settings).host
    )


def new_job_id() -> str:
    """Return a unique id for a job; ids sort by time."""
    return f"job-{machine.RandomIds().bundle_id(machine.SystemClock().now())}"


def politeness(settings: Settings) -> "Politeness":
    """Return the limits of visits to hosts. Raises SnapshotterError."""
    from snapshotter.policy import politeness_file

    return politeness_file.load(settings.politeness_file)


def host_admission(settings: Settings, observer: JobObserver | None = None) -> "Admission":
    """
    Return the admission that decides whether a host may be visited now.

    Args:
        observer: Gets hosts that answered that there were too many requests.

    Raises:
        SnapshotterError: The limits are invalid.
    """
    from snapshotter.jobs.queue.politeness import PolitenessAdmission

    return PolitenessAdmission(politeness(settings), random.SystemRandom().random, observer)


def rate_limiter(settings: Settings, clock: Clock) -> "RateLimiter":
    """
    Return the limits for one command that captures a few pages, one after the other.

    Raises:
        SnapshotterError: The limits are invalid.
    """
    from snapshotter.app.pipeline.host_pacing import InMemoryVisitTracker, RateLimiter

    chance = random.SystemRandom().random
    return RateLimiter(InMemoryVisitTracker(politeness(settings), clock, chance), clock)


@contextlib.contextmanager
def visit_tracker(
    settings: Settings, clock: Clock, *, longest: timedelta
) -> "Iterator[VisitTracker]":
    """
    Yield the state of hosts, for a process that captures without a worker.

    The state is that of the queue, so that budgets outlive the process and the visits of workers
    count. Without the extra `jobs` it is lost when the process ends.

    Args:
        longest: The longest time of a visit; for so long a visit of a killed process occupies its
            host.

    Raises:
        ServiceUnavailable: The queue's database does not answer.
        SnapshotterError: The limits are invalid.
    """
    rules, chance = politeness(settings), random.SystemRandom().random
    try:
        from snapshotter.jobs.queue.host_visits import DatabaseVisits
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "snapshotter":
            raise
        from snapshotter.app.pipeline.host_pacing import InMemoryVisitTracker

        yield InMemoryVisitTracker(rules, clock, chance)
        return
    with queue_database(settings) as found:
        yield DatabaseVisits(found, rules, chance, longest=longest)


def limits(settings: Settings) -> "ConcurrencyLimits":
    """Return the most captures that all workers together make at a time."""
    from snapshotter.jobs.queue.engine import ConcurrencyLimits

    rules = politeness(settings)
    return ConcurrencyLimits(per_host=rules.most_at_once, in_all=rules.all_at_once)


@contextlib.contextmanager
def schedules(settings: Settings) -> "Iterator[Schedules]":
    """
    Yield the table of schedules, for one command. Raises ServiceUnavailable, SnapshotterError.
    """
    from snapshotter.jobs.schedules.schedules import Schedules

    with queue_database(settings) as found:
        yield Schedules(found)


def has_worker(settings: Settings) -> bool:
    """Return whether a worker of the queue is running. Raises as `queue` does."""
    from snapshotter.jobs.workers.registry import WorkerRegistry

    with queue_database(settings) as found:
        return bool(WorkerRegistry(found).live_workers())


def forgotten_tasks(opened: "Database") -> int:
    """Return how many tasks of the console wait while no worker is running."""
    from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
    from snapshotter.jobs.workers.registry import WorkerRegistry

    waiting = DatabaseTasks(opened).waiting()
    return waiting if waiting and not WorkerRegistry(opened).live_workers() else 0


@contextlib.contextmanager
def command_queue(settings: Settings) -> "Iterator[DatabaseQueue]":
    """Yield the queue, for one command. Raises as `queue` does."""
    with queue_database(settings) as found:
        yield queue(settings, found)


@contextlib.contextmanager
def command_scheduler(
    settings: Settings,
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    records: bool = True,
) -> "Iterator[Scheduler]":
    """Yield the scheduler, for one command. Raises as `scheduler` does."""
    with queue_database(settings) as found:
        yield scheduler(settings, found, ask=ask, show_message=show_message, records=records)


@contextlib.contextmanager
def queue_database(settings: Settings) -> "Iterator[Database]":
    """Yield the queue's database, for one command. Raises as `database` does."""
    found = database(settings)
    try:
        yield found
    finally:
        found.dispose()


def scheduler(
    settings: Settings,
    opened: "Database",
    *,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
    records: bool = True,
    observer: JobObserver | None = None,
) -> "Scheduler":
    """
    Return the scheduler, which finds visits that are due and enqueues them.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.
        records: Sign and store gaps; if False, another process does so later.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    from snapshotter.jobs.schedules.scheduler import Scheduler

    return Scheduler(
        opened,
        queue(settings, opened),
        record=gap_recorder(settings, ask=ask, show_message=show_message) if records else None,
        new_id=machine.RandomIds().bundle_id,
        show_message=show_message,
        observer=observer,
    )


def gap_recorder(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Callable[[Sequence[Gap]], None]:
    """
    Return a function that signs, stores and logs gaps; its key and store are opened on first use.
    """
    from snapshotter.app.monitoring import gap_records

    service: gap_records.GapService | None = None

    def record(found: Sequence[Gap]) -> None:
        # Only now: a key that cannot be opened holds up records, and no visit.
        nonlocal service
        service = service or gap_service(settings, ask=ask, show_message=show_message)
        gap_records.record(service, found)

    return record


def gap_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> "GapService":
    """
    Return the service that records gaps in the configured store. Raises as `capture_dependencies`.
    """
    from snapshotter.app.monitoring.gap_records import GapService

    store = wiring_store.store_for_evidence(settings, locked=False, show_message=show_message)
    book = (
        wiring_log.logbook(settings, proofs=store, ask=ask, show_message=show_message)
        if settings.log
        else None
    )
    return GapService(
        store=store,
        signer=wiring_keys.signer(settings, ask=ask, show_message=show_message),
        ids=machine.RandomIds(),
        salts_dir=salts_dir(settings),
        log=None
        if book is None
        else lambda leaves, was_there: book.append(leaves, seen=0 if was_there else None),
    )
