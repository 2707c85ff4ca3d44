"""Do the tasks that a console in the same process has submitted, as a worker does."""

from collections.abc import Sequence

from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.errors import SnapshotterError
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.model.task import Task, TaskFailure, TaskLane
from tests.webclient import Console


class _Silent:
    """`TaskReports` that nobody reads."""

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        return

    def note(self, resume: str) -> None:
        return


def do_tasks(web: Console) -> Sequence[Task]:
    """Do all waiting tasks and bring the index up to date; return the newest tasks."""
    settings, services = web.context.settings, web.context.services
    tasks = services.tasks.tasks
    assert isinstance(tasks, DatabaseTasks)
    runner = wiring_tasks.open_task_runner(settings, lambda _: None)
    place = services.tasks.place()
    for lane in TaskLane:
        while (claimed := tasks.claim(lane, process="p", place=place, silent_s=30)) is not None:
            try:
                tasks.finish(claimed, "p", runner.run(claimed, _Silent()), ())
            except SnapshotterError as error:
                failure = TaskFailure(
                    error=error.message, hint=error.hint, exit_code=error.exit_code
                )
                tasks.finish(claimed, "p", failure, ())
    assert services.index.wait_for_update(30)
    return tasks.newest(20)
