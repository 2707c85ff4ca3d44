"""What a worker does beside captures: sweeps, trimming, polling of lists."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """
    Something that is done again and again, in a thread of its own in the worker's process.

    What it raises is told and does not end the worker; it is tried again at its next turn.
    """

    name: str  # `[a-z-]+`; one that several workers share has one name
    every_s: float  # from the end of one turn to the next
    work: Callable[[], None]
    # One worker at a time: at most one turn in `every_s` among all workers. A worker that is
    # paused in the middle of its turn can overlap with the next: what it does must bear that.
    alone: bool = True
