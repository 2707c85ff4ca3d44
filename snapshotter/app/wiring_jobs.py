"""
Build what works through the queue: the second page of `wiring.py`, for whatever uses `jobs`.

As there, each builder imports what it needs when it is called.
"""

from typing import TYPE_CHECKING

from snapshotter.app.settings import Settings
from snapshotter.app.wiring import Tell

if TYPE_CHECKING:
    from snapshotter.jobs.duty import Duty
    from snapshotter.jobs.gate import Gate


def gate(settings: Settings) -> "Gate":
    """Return what decides whether a host may be asked now."""
    from snapshotter.jobs.gate import OpenGate

    return OpenGate()


def duties(settings: Settings, *, tell: Tell) -> "tuple[Duty, ...]":
    """Return what a worker does beside captures; each is added here by who makes it."""
    return ()
