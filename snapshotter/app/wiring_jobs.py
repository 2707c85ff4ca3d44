"""
Build what works through the queue: the second page of `wiring.py`, for whatever uses `jobs`.

As there, each builder imports what it needs when it is called.
"""

import random
from typing import TYPE_CHECKING

from snapshotter.app.settings import Settings
from snapshotter.app.wiring import Tell
from snapshotter.ports import Clock, JobObserver

if TYPE_CHECKING:
    from snapshotter.app.pace import Pace, Visits
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.gate import Gate
    from snapshotter.policy.politeness import Politeness


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


def duties(settings: Settings, *, tell: Tell) -> "tuple[Duty, ...]":
    """Return what a worker does beside captures; each is added here by who makes it."""
    return ()
