"""
Define the task that a worker repeats beside captures, for example to run schedules or poll lists.
"""

from collections.abc import Callable
from typing import Protocol

from snapshotter.value_class import dataclass


class LongWork(Protocol):
    """Work that can take long, and that a worker waits for or ends when the worker ends."""

    def stop(self) -> None:
        """Begin nothing new. Safe in a signal handler."""

    def wait(self) -> None:
        """Wait until what runs has ended."""

    def kill(self) -> None:
        """End what runs at once. Safe in any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicTask:
    """
    A task that a worker repeats, in a thread of its own.

    An error of the task is logged and does not end the worker; the task runs again later.
    """

    name: str  # `[a-z-]+`; workers that share the task use the same name
    every_s: float  # seconds between the end of one execution and the next
    work: Callable[[], None]
    # Whether at most one worker executes the task within `every_s`. The execution of a worker
    # that was suspended can overlap with the next one: the task must tolerate that.
    exclusive: bool = True
    long_work: LongWork | None = None  # what `work` does, if it can take long
