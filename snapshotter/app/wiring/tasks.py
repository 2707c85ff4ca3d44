"""
Build the service that submits tasks, and the lanes and the runner that do them in a worker.

As in `capture.py`, each builder imports what it needs when it is called: the process that serves
pages loads nothing that opens keys.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapshotter.app import machine
from snapshotter.app.private_files import write_private
from snapshotter.app.settings import Settings
from snapshotter.ports import ShowMessage

if TYPE_CHECKING:
    from snapshotter.app.tasks.requests import TaskService
    from snapshotter.app.tasks.runner import KindRunner
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.periodic_task import PeriodicTask

_PLACE: Final = "place"  # the file with the id of a data directory
_LONG_EVERY_S: Final = 0.45  # between two looks for long tasks
# Without a report of a task, by its lane: the conclusion from all captures of a store is one step.
_STUCK_S: Final = {"quick": 3_600.0, "long": 86_400.0}
_TRIM_EVERY_S: Final = 3600.0


def tasks_folder(settings: Settings) -> Path:
    """Return the folder of the files that tasks make."""
    return settings.data_dir / "tasks"


def task_service(settings: Settings, opened: "Database") -> "TaskService":
    """Return the service that submits and follows tasks in an open database of the queue."""
    from snapshotter.app.tasks.requests import TaskService
    from snapshotter.jobs.tasks.database_tasks import DatabaseTasks

    clock, ids = machine.SystemClock(), machine.RandomIds()
    return TaskService(
        tasks=DatabaseTasks(opened),
        new_id=lambda: f"task-{ids.bundle_id(clock.now())}",
        place=partial(place, settings),
        folder=tasks_folder(settings),
    )


@contextlib.contextmanager
def command_tasks(settings: Settings) -> "Iterator[TaskService]":
    """Yield the service, for one command. Raises ServiceUnavailable, SnapshotterError."""
    from snapshotter.app.wiring import queue as wiring_queue

    with wiring_queue.queue_database(settings) as opened:
        yield task_service(settings, opened)


def place(settings: Settings) -> str:
    """
    Return the id of the data directory, which all processes that use the directory share.

    Raises:
        SnapshotterError: The id cannot be read or written.
    """
    file = tasks_folder(settings) / _PLACE
    if not file.is_file():
        with contextlib.suppress(FileExistsError):  # another process was faster
            write_private(file, machine.RandomIds().random_bytes(16).hex().encode(), is_new=True)
    return file.read_text().strip()


def task_lanes(
    settings: Settings, opened: "Database", *, log_event: Callable[..., Any]
) -> "tuple[PeriodicTask, ...]":
    """Return what a worker repeats to do tasks and to remove their files."""
    from snapshotter.jobs.periodic_task import PeriodicTask
    from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
    from snapshotter.jobs.tasks.task_lane import EVERY_S, Lane, LaneRules, remove_old_files
    from snapshotter.model.task import TaskLane

    tasks = DatabaseTasks(opened)
    here = place(settings)

    def lane_task(lane: TaskLane, every_s: float) -> PeriodicTask:
        work = Lane(
            lane,
            tasks,
            partial(open_task_runner, settings),
            place=here,
            log=log_event,
            now=machine.SystemClock().now,
            rules=LaneRules(stuck_s=_STUCK_S[lane.value]),
        )
        name = f"tasks-{lane.value}"
        return PeriodicTask(
            name=name, every_s=every_s, work=work.turn, exclusive=False, long_work=work
        )

    def trim() -> None:
        remove_old_files(tasks_folder(settings), tasks)
        tasks.trim()

    return (
        lane_task(TaskLane.QUICK, EVERY_S),
        lane_task(TaskLane.LONG, _LONG_EVERY_S),
        PeriodicTask(name="tasks-trim", every_s=_TRIM_EVERY_S, work=trim, exclusive=False),
    )


def open_task_runner(settings: Settings, show_message: ShowMessage) -> "KindRunner":
    """Return the object that does tasks; called in a task process."""
    from snapshotter.app.tasks.runner import KindRunner
    from snapshotter.app.wiring.task_kinds import TaskKinds

    kinds = TaskKinds(settings, show_message)
    return KindRunner(kinds.by_arguments(), tasks_folder(settings))
