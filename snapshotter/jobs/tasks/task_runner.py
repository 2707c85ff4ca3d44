"""
Define the interface of the task runner: the object that does a task, in a task process.

`app` implements it. It holds the keys, and no connection to the database of the queue.
"""

from collections.abc import Callable
from typing import Protocol

from snapshotter.errors import SnapshotterError
from snapshotter.model.task import ClaimedTask, TaskResult


class TaskSuperseded(SnapshotterError):
    """The task was given to another worker: nothing more may be done for it."""


class TaskReports(Protocol):
    """What a task reports while it is done."""

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        """
        Report the step that begins, or how much of it is done.

        Args:
            text: What is done, as a part of a list. The same text again updates the step.
            position: How many of `total` parts are done.
            total: 0: the step has no parts.
        """

    def note(self, resume: str) -> None:
        """
        Record what another attempt needs to know; it is recorded when this returns.

        Raises:
            TaskSuperseded: The task was given to another worker.
        """


class TaskRunner(Protocol):
    """Does tasks. It is made and used in a task process, by one thread."""

    def run(self, task: ClaimedTask, reports: TaskReports) -> TaskResult:
        """
        Do a task. After an interruption, the next attempt must not do anything twice.

        Raises:
            SnapshotterError: The task failed. It is not repeated.
        """


TaskRunnerFactory = Callable[[Callable[[str], None]], TaskRunner]  # its argument logs a message
