"""
Build what works through the queue: the second page of `wiring.py`, for whatever uses `jobs`.

As there, each builder imports what it needs when it is called.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import snapshotter
from snapshotter.app import machine, wiring_keys, wiring_log, wiring_store
from snapshotter.app.settings import Settings
from snapshotter.model.gap import Gap
from snapshotter.ports import Clock, JobObserver, Tell

if TYPE_CHECKING:
    from snapshotter.app.gaps import GapDesk
    from snapshotter.app.pace import Pace, Visits
    from snapshotter.app.takedowns import TakedownDesk
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.engine import Limits
    from snapshotter.jobs.gate import Gate
    from snapshotter.jobs.queue import DatabaseQueue
    from snapshotter.jobs.schedule import Schedules
    from snapshotter.jobs.slot import Workshop
    from snapshotter.jobs.sweep import Sweep
    from snapshotter.jobs.worker import Rules, Worker
    from snapshotter.policy.host_rules import Politeness


def database(settings: Settings) -> "Database":
    """Return the queue's database, opened. Raises ServiceUnavailable, SnapshotterError."""
    # Every module that declares tables, so that they are made whoever opens it first.
    from snapshotter.jobs import (  # noqa: F401
        attempts,
        belonging,
        monitor,
        politeness,
        roster,
        sweep,
        watch,
    )
    from snapshotter.jobs.database import open_database

    return open_database(settings.queue)


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


def duties(
    settings: Settings, opened: "Database", *, tell: Tell, observer: JobObserver | None = None
) -> "tuple[Duty, ...]":
    """Return what a worker does beside captures; each is added here by who makes it."""
    from snapshotter.app import wiring_watch
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.politeness import trimming
    from snapshotter.jobs.sweep import EVERY_S

    due = sweep(settings, opened, ask=None, tell=tell, observer=observer)
    return (
        Duty(name="schedules", every_s=EVERY_S, work=due.turn),
        trimming(opened),
        wiring_watch.duty(settings, opened, tell=tell, observer=observer),
        monitoring(settings, opened, tell=tell),
    )


def monitoring(settings: Settings, opened: "Database", *, tell: Tell) -> "Duty":
    """
    Return what follows captures of watched pages up: events, and what is captured next.

    One worker at a time does it. Two that overlap do the same, and nothing comes of it twice.
    """
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.monitor import EVERY_S, EndedJobs

    ended, jobs = EndedJobs(opened), queue(settings, opened)

    def turn() -> None:
        if not ended.untold():
            return
        # Only now: what judges captures takes memory, and most workers watch nothing.
        from snapshotter.app import policy_choice, wiring_takedown
        from snapshotter.app.monitoring import Monitor, World

        def prove(desk: "TakedownDesk", event_id: str, target: Path, pdf: bool) -> None:
            from snapshotter.app import wiring_proof  # what draws and prints, for the few events

            wiring_proof.prove(settings, desk, event_id, target, pdf=pdf, tell=tell)

        from snapshotter.policy.decide import monitoring as rules_of

        Monitor(
            World(
                ended=ended,
                queue=jobs,
                rules=cache(
                    lambda named, url: rules_of(policy_choice.policy_for(settings, named, url))
                ),
                desk=partial(wiring_takedown.desk, settings, ask=None, tell=tell, quick=True),
                proofs=wiring_takedown.proofs_dir(settings),
                prove=prove,
                tell=tell,
                now=machine.SystemClock().now,
            )
        ).turn()

    return Duty(name="monitor", every_s=EVERY_S, work=turn)


def worker(
    settings: Settings,
    rules: "Rules",
    *,
    tell: Tell,
    told: Callable[..., Any],
    observer: JobObserver | None = None,
    more: "Sequence[Duty]" = (),
    adopt: bool = False,
) -> "Worker":
    """
    Return a worker of the configured queue.

    Args:
        tell: Says a sentence to whoever runs it.
        told: Hears what happens: an event's name, and its fields.
        observer: Hears what is counted, and what people may want to be told.
        more: Duties beside those of every worker.
        adopt: Move a queue that belongs to another store to the configured one.

    Raises:
        ServiceUnavailable: The database does not answer.
        SnapshotterError: What is configured makes no sense.
    """
    from snapshotter.jobs.belonging import Belonging
    from snapshotter.jobs.worker import Worker

    polite = politeness(settings)
    if rules.slots > polite.worker_at_once:
        tell(
            f"{polite.worker_at_once} captures at a time, not {rules.slots}: so many may a worker "
            f"have at most, as {polite.source} says"
        )
        rules = replace(rules, slots=polite.worker_at_once)
    heard, opened = observer or JobObserver(), database(settings)
    return Worker(
        url=settings.queue,
        database=opened,
        opener=partial(open_workshop, settings),
        gate=gate(settings, heard),
        duties=(*duties(settings, opened, tell=tell, observer=heard), *more),
        rules=rules,
        limits=limits(settings),
        store=Belonging(
            store=wiring_store.receipts_place(settings), place=wiring_store.store(settings).url
        ),
        adopt=adopt,
        version=snapshotter.__version__,
        told=told,
        observer=heard,
        chance=random.SystemRandom().random,
    )


def open_workshop(settings: Settings, tell: Tell) -> "Workshop":
    """Return what does the work in a slot; called in the slot's own process."""
    from snapshotter.app.workshop import CaptureWorkshop

    return CaptureWorkshop(settings, tell)
