"""Do tasks, in a task process of a worker: find the use case of each kind, and call it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.tasks.kinds import parse_arguments
from snapshotter.jobs.tasks.task_runner import TaskReports
from snapshotter.model.task import ClaimedTask, TaskResult

DoTask = Callable[[Any, TaskContext], TaskResult]  # (arguments, task)


class KindRunner:
    """
    `TaskRunner`: does tasks by their kind.

    Args:
        by_arguments: What does the tasks with arguments of a class. Each opens keys and stores when
            it needs them.
        folder: Of the files of all tasks.
    """

    def __init__(self, by_arguments: Mapping[type[Any], DoTask], folder: Path) -> None:
        self._by_arguments = by_arguments
        self._folder = folder

    def run(self, task: ClaimedTask, reports: TaskReports) -> TaskResult:
        """See `TaskRunner.run`."""
        arguments = parse_arguments(task.request.kind, task.request.arguments)
        do_task = self._by_arguments[type(arguments)]
        return do_task(arguments, TaskContext(task, reports, self._folder))
