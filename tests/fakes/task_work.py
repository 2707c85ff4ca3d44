"""
Tasks that do what their arguments say, and a process that does tasks as a worker does.

    python -m tests.fakes.task_work QUEUE FOLDER

The arguments have `what`:

    done    it is done, with its resume note as its result
    fail    it fails with a sentence, a hint and an exit code
    bug     it fails with an error that nobody expects
    die     it notes "noted" and kills its process (SIGKILL), in each attempt
    once    the same, in its first attempt only
    hold    it notes its process id in FOLDER/held, and ends when FOLDER/go exists

Each attempt adds a line to FOLDER/attempts.
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from snapshotter.app.machine import SystemClock
from snapshotter.errors import PolicyRefused
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.tasks.task_lane import Lane, LaneRules
from snapshotter.jobs.tasks.task_runner import TaskReports
from snapshotter.model.person import Person
from snapshotter.model.task import ClaimedTask, TaskLane, TaskRequest, TaskResult

PERSON = Person(name="A. Example", role="editor")


def request(
    task_id: str, what: str = "done", lane: TaskLane = TaskLane.QUICK, place: str = ""
) -> TaskRequest:
    return TaskRequest(
        id=task_id, kind="fake", arguments={"what": what}, person=PERSON, lane=lane, place=place
    )


class FakeRunner:
    """A `TaskRunner` without keys."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, task: ClaimedTask, reports: TaskReports) -> TaskResult:
        with (self._folder / "attempts").open("a") as attempts:
            attempts.write(f"{task.request.id} {task.attempt} {task.resume}\n")
        reports.step("one")
        reports.step("two", 1, 2)
        reports.step("two", 2, 2)
        what = task.request.arguments["what"]
        if what == "fail":
            raise PolicyRefused("it is forbidden", hint="do something else")
        if what == "bug":
            raise ZeroDivisionError
        if what == "die" or (what == "once" and task.attempt == 1):
            reports.note("noted")
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "hold":
            (self._folder / "held").write_text(str(os.getpid()))
            while not (self._folder / "go").exists():
                time.sleep(0.01)
        return TaskResult(value={"resume": task.resume, "person": task.request.person.name})


def open_runner(folder: Path, _tell: object) -> FakeRunner:
    return FakeRunner(folder)


def lane_of(
    tasks: DatabaseTasks,
    folder: Path,
    lane: TaskLane = TaskLane.QUICK,
    *,
    log: list[str] | None = None,
    rules: LaneRules | None = None,
) -> Lane:
    """Return a lane that does fake tasks; the names of its log events are appended to `log`."""
    return Lane(
        lane,
        tasks,
        partial(open_runner, folder),
        place="here",
        log=lambda event, **_: log.append(event) if log is not None else None,
        now=SystemClock().now,
        rules=rules or LaneRules(beat_s=0.05),
    )


if __name__ == "__main__":
    lane = lane_of(DatabaseTasks(open_database(sys.argv[1])), Path(sys.argv[2]))
    while True:
        lane.turn()
        time.sleep(0.02)
