"""
Build what works through the queue: the second page of `wiring.py`, for whatever uses `jobs`.

As there, each builder imports what it needs when it is called.
"""

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import snapshotter
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import Tell
from snapshotter.ports import Clock, JobObserver

if TYPE_CHECKING:
    from snapshotter.app.pace import Pace, Visits
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.engine import Limits
    from snapshotter.jobs.gate import Gate
    from snapshotter.jobs.queue import DatabaseQueue
    from snapshotter.jobs.roster import Roster
    from snapshotter.jobs.slot import Workshop
    from snapshotter.jobs.worker import Rules, Worker
    from snapshotter.policy.politeness import Politeness


def database(settings: Settings) -> "Database":
    """Return the queue's database, opened. Raises ServiceUnavailable, SnapshotterError."""
    # Every module that declares tables, so that they are made whoever opens it first.
    from snapshotter.jobs import attempts, politeness, roster  # noqa: F401
    from snapshotter.jobs.database import open_database

    return open_database(settings.queue)


def queue(settings: Settings, opened: "Database | None" = None) -> "DatabaseQueue":
    """Return the queue that is configured. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.queue import DatabaseQueue

    return DatabaseQueue(database(settings) if opened is None else opened, host=gate(settings).host)


def roster(settings: Settings) -> "Roster":
    """Return the list of workers. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.jobs.roster import Roster

    return Roster(database(settings))


def politeness(settings: Settings) -> "Politeness":
    """Return how hard hosts may be worked. Raises SnapshotterError."""
    from snapshotter.policy import politeness

    return politeness.load(settings.politeness_file)


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


def visits(settings: Settings, clock: Clock) -> "Visits":
    """
    Return the state of hosts, for a process that captures by itself.

    It is that of the queue, so that budgets outlive the process and workers are heeded;
    without the extra `jobs` it is forgotten when the process ends.

    Raises:
        ServiceUnavailable: The queue's database does not answer.
        SnapshotterError: The rules make no sense.
    """
    rules, chance = politeness(settings), random.SystemRandom().random
    try:
        from snapshotter.jobs.database import open_database
        from snapshotter.jobs.politeness import DatabaseVisits
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "snapshotter":
            raise
        from snapshotter.app.pace import MemoryVisits

        return MemoryVisits(rules, clock, chance)
    return DatabaseVisits(open_database(settings.queue), rules, chance)


def limits(settings: Settings) -> "Limits":
    """Return the most that all workers together do at a time."""
    from snapshotter.jobs.engine import Limits

    rules = politeness(settings)
    return Limits(per_host=rules.most_at_once, in_all=rules.all_at_once)


def duties(settings: Settings, *, tell: Tell) -> "tuple[Duty, ...]":
    """Return what a worker does beside captures; each is added here by who makes it."""
    return ()


def worker(
    settings: Settings,
    rules: "Rules",
    *,
    tell: Tell,
    told: Callable[..., Any],
    observer: JobObserver | None = None,
) -> "Worker":
    """
    Return a worker of the configured queue.

    Args:
        tell: Says a sentence to whoever runs it.
        told: Hears what happens: an event's name, and its fields.

    Raises:
        ServiceUnavailable: The database does not answer.
        SnapshotterError: What is configured makes no sense.
    """
    from snapshotter.jobs.worker import Worker

    heard = observer or JobObserver()
    return Worker(
        url=settings.queue,
        database=database(settings),
        opener=partial(open_workshop, settings),
        gate=gate(settings, heard),
        duties=duties(settings, tell=tell),
        rules=rules,
        limits=limits(settings),
        version=snapshotter.__version__,
        told=told,
        observer=heard,
        chance=random.SystemRandom().random,
    )


def open_workshop(settings: Settings, tell: Tell) -> "Workshop":
    """Return what does the work in a slot; called in the slot's own process."""
    from snapshotter.app.workshop import CaptureWorkshop

    return CaptureWorkshop(settings, tell)
