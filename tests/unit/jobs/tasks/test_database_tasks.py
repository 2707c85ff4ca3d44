"""The table of tasks: each task is given to one worker at a time, and to no more than three."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, update

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.processes import process_name
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.tasks.task_lane import remove_old_files
from snapshotter.jobs.tasks.task_table import TASK
from snapshotter.model.task import (
    ClaimedTask,
    TaskFailure,
    TaskFile,
    TaskLane,
    TaskResult,
    TaskState,
    TaskStep,
)
from tests.fakes.task_work import PERSON, request
from tests.unit.jobs.making import AT


class _Clock:
    def __init__(self) -> None:
        self.at = AT

    def __call__(self, connection: Connection) -> datetime:
        return self.at


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def tasks(database: Engine, clock: _Clock) -> DatabaseTasks:
    return DatabaseTasks(database, now=clock)


def claim(
    tasks: DatabaseTasks, process: str = "other-machine 1 1", lane: TaskLane = TaskLane.QUICK
) -> ClaimedTask | None:
    return tasks.claim(lane, process=process, place="here", silent_s=30)


def claimed(tasks: DatabaseTasks, process: str = "other-machine 1 1") -> ClaimedTask:
    found = claim(tasks, process)
    assert found is not None
    return found


def state(tasks: DatabaseTasks, task_id: str) -> TaskState:
    found = tasks.get(task_id)
    assert found is not None
    return found.state


def test_a_task_goes_from_waiting_to_done(tasks: DatabaseTasks, clock: _Clock) -> None:
    assert tasks.submit(request("task-1")) == "task-1"
    assert tasks.waiting() == 1
    taken = claimed(tasks, "p")
    clock.at += timedelta(seconds=3)
    steps = (TaskStep(text="one", at=clock.at, position=1, total=2),)
    assert tasks.beat(taken, "p", steps)
    file = TaskFile(name="a.pdf", media_type="application/pdf", length=3, sha256="ab" * 32)
    result = TaskResult(value={"n": [1, {"x": None}]}, files=(file,))

    assert tasks.finish(taken, "p", result, steps)

    found = tasks.get("task-1")
    assert found is not None
    assert (found.state, found.result, found.failure) == (TaskState.DONE, result, None)
    assert (found.person, found.steps, found.attempts) == (PERSON, steps, 1)
    assert (found.asked_at, found.ended_at) == (AT, clock.at)
    assert found.arguments == {}  # a note may contain personal data
    assert tasks.waiting() == 0
    assert tasks.newest(5) == [found]
    assert tasks.get("task-2") is None


def test_a_failure_is_kept_with_what_to_do(tasks: DatabaseTasks) -> None:
    tasks.submit(request("task-1", "fail"))
    failure = TaskFailure(error="no", hint="do this", exit_code=20)

    assert tasks.finish(claimed(tasks, "p"), "p", failure, ())

    found = tasks.get("task-1")
    assert found is not None
    assert (found.state, found.failure, found.result) == (TaskState.FAILED, failure, None)
    assert found.arguments == {"what": "fail"}  # to request it again


def test_the_same_request_key_is_the_same_task(tasks: DatabaseTasks) -> None:
    assert tasks.submit(request("task-1"), request_key="k") == "task-1"
    assert tasks.submit(request("task-2"), request_key="k") == "task-1"
    assert tasks.submit(request("task-3")) == "task-3"
    with pytest.raises(SnapshotterError, match="was used for another task"):
        tasks.submit(request("task-4", "fail"), request_key="k")
    assert [task.id for task in tasks.newest(9)] == ["task-3", "task-1"]


def test_the_newest_task_is_the_last_that_was_requested(
    tasks: DatabaseTasks, clock: _Clock
) -> None:
    for name in ("task-b", "task-c", "task-a"):  # ids of one second are in no order
        clock.at += timedelta(milliseconds=1)
        tasks.submit(request(name))

    assert [task.id for task in tasks.newest(9)] == ["task-a", "task-c", "task-b"]
    assert [task.id for task in tasks.newest(9, before="task-a")] == ["task-c", "task-b"]
    assert [task.id for task in tasks.newest(1, before="task-c")] == ["task-b"]
    assert tasks.newest(9, before="task-gone") == []


def test_tasks_are_taken_in_order_and_by_lane_and_place(tasks: DatabaseTasks) -> None:
    tasks.submit(request("task-1", place="elsewhere"))
    tasks.submit(request("task-2", lane=TaskLane.LONG, place="here"))
    tasks.submit(request("task-3"))
    tasks.submit(request("task-4", place="here"))

    order = [claimed(tasks).request.id, claimed(tasks).request.id]

    assert order == ["task-3", "task-4"]
    assert claim(tasks) is None
    found = claim(tasks, lane=TaskLane.LONG)
    assert found is not None
    assert found.request.id == "task-2"


def test_a_task_of_a_worker_without_a_heartbeat_is_given_to_another(
    tasks: DatabaseTasks, clock: _Clock
) -> None:
    tasks.submit(request("task-1"))
    first = claimed(tasks)
    clock.at += timedelta(seconds=29)
    assert claim(tasks, "b") is None
    clock.at += timedelta(seconds=2)

    second = claimed(tasks, "b")

    assert second.attempt == 2
    assert not tasks.beat(first, "other-machine 1 1")
    assert not tasks.note(first, "other-machine 1 1", "x")
    assert not tasks.finish(first, "other-machine 1 1", TaskResult(value={}), ())
    assert state(tasks, "task-1") is TaskState.RUNNING


def test_a_task_of_a_process_of_this_machine_that_is_gone_waits_again_at_once(
    tasks: DatabaseTasks,
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = process_name(process.pid)
        tasks.submit(request("task-1"))
        claimed(tasks, name)
        assert claim(tasks, "b") is None
        process.kill()

    assert claimed(tasks, "b").attempt == 2


@pytest.mark.parametrize("ends", ["process", "worker"])
def test_a_task_that_ends_its_process_three_times_is_interrupted(
    tasks: DatabaseTasks, clock: _Clock, ends: str
) -> None:
    tasks.submit(request("task-1"))
    for _ in range(3):
        taken = claimed(tasks)
        if ends == "process":
            tasks.lose(taken, "other-machine 1 1", "it was killed")
        else:
            clock.at += timedelta(minutes=1)

    assert claim(tasks) is None
    found = tasks.get("task-1")
    assert found is not None
    assert found.state is TaskState.INTERRUPTED
    assert found.failure is not None
    assert "was interrupted 3 times" in found.failure.error
    assert found.ended_at is not None


def test_a_note_reaches_the_next_attempt(tasks: DatabaseTasks) -> None:
    tasks.submit(request("task-1"))
    taken = claimed(tasks, "p")
    assert taken.resume == ""
    tasks.note(taken, "p", "before 7")

    assert tasks.lose(taken, "p", "it was killed") is TaskState.WAITING

    assert claimed(tasks, "p").resume == "before 7"


def test_a_worker_that_ends_hands_its_task_back_without_counting(tasks: DatabaseTasks) -> None:
    tasks.submit(request("task-1"))
    for _ in range(9):
        assert tasks.hand_back(claimed(tasks, "p"), "p")

    assert claimed(tasks, "p").attempt == 1


def test_old_tasks_their_arguments_and_their_files_are_removed(
    tasks: DatabaseTasks, clock: _Clock, tmp_path: Path
) -> None:
    folder = tmp_path / "tasks"
    for number, what in enumerate(("done", "fail", "done"), 1):
        tasks.submit(request(f"task-{number}", what))
        (folder / f"task-{number}" / "1").mkdir(parents=True)
    (folder / "task-0").mkdir()
    (folder / "place").touch()
    tasks.finish(claimed(tasks, "p"), "p", TaskResult(value={}), ())
    tasks.finish(claimed(tasks, "p"), "p", TaskFailure(error="no"), ())

    def left_after(days: int) -> list[str]:
        clock.at = AT + timedelta(days=days)
        remove_old_files(folder, tasks)
        tasks.trim()
        return sorted(os.listdir(folder))

    assert left_after(6) == ["place", "task-1", "task-2", "task-3"]
    assert left_after(8) == ["place", "task-3"]  # it still waits
    failed = tasks.get("task-2")
    assert failed is not None
    assert failed.are_files_removed
    assert failed.arguments == {}
    left_after(31)
    assert [task.id for task in tasks.newest(9)] == ["task-3"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("person", "nobody"),
        ("person", '{"unknown": 1}'),
        ("arguments", "[" * 100_000),
        ("arguments", "[]"),
    ],
)
def test_a_row_that_cannot_be_read_fails_and_stops_no_other_task(
    tasks: DatabaseTasks, database: Engine, column: str, value: str
) -> None:
    tasks.submit(request("task-1"))
    tasks.submit(request("task-2"))
    with database.begin() as connection:
        connection.execute(update(TASK).where(TASK.c.id == "task-1").values({column: value}))

    assert claimed(tasks).request.id == "task-2"

    found = tasks.get("task-1")
    assert found is not None
    assert found.state is TaskState.FAILED
    assert found.failure is not None
    assert "cannot be read" in found.failure.error
    assert [task.id for task in tasks.newest(5)] == ["task-2", "task-1"]


@pytest.mark.parametrize(
    ("column", "value"),
    [("result", "{}"), ("result", '{"files": [], "value": []}'), ("steps", "[1]"), ("state", "?")],
)
def test_a_result_that_cannot_be_read_hides_no_other_task(
    tasks: DatabaseTasks, database: Engine, column: str, value: str
) -> None:
    tasks.submit(request("task-1"))
    tasks.submit(request("task-2"))
    with database.begin() as connection:
        connection.execute(update(TASK).where(TASK.c.id == "task-1").values({column: value}))

    found = tasks.newest(5)

    assert [task.id for task in found] == ["task-2", "task-1"]
    assert [task.state for task in found] == [TaskState.WAITING, TaskState.FAILED]
