"""Lanes with real task processes: killed, kept busy, and beside each other."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.jobs.processes import is_gone, process_name
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.tasks.task_lane import Lane, LaneRules
from snapshotter.model.task import Task, TaskLane, TaskState
from tests.fakes.task_work import lane_of, request
from tests.tools import ROOT

_S = 60.0  # for anything that is waited for, on a busy machine


@pytest.fixture
def tasks(database: Engine) -> DatabaseTasks:
    return DatabaseTasks(database)


def until(done: Callable[[], object]) -> None:
    end = time.monotonic() + _S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def found(tasks: DatabaseTasks, task_id: str) -> Task:
    task = tasks.get(task_id)
    assert task is not None
    return task


@contextmanager
def working(lane: Lane) -> Iterator[None]:
    """Let a lane do its tasks in a thread during the block."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            lane.turn()
            over.wait(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        lane.kill()
        thread.join(_S)


def test_a_lane_does_its_tasks_in_one_process_and_records_how_each_ended(
    tasks: DatabaseTasks, tmp_path: Path
) -> None:
    for number, what in enumerate(("done", "fail", "bug", "once", "die"), 1):
        tasks.submit(request(f"task-{number}", what))
    log: list[str] = []
    lane = lane_of(tasks, tmp_path, log=log)
    assert lane.process_id == 0

    lane.turn()

    done, failed, bug, once, dies = (found(tasks, f"task-{number}") for number in range(1, 6))
    assert done.result is not None
    assert done.result.value == {"resume": "", "person": "A. Example"}
    assert [(step.text, step.position, step.total) for step in done.steps] == [
        ("one", 0, 0),
        ("two", 2, 2),
    ]
    assert failed.failure is not None
    assert (failed.failure.error, failed.failure.hint, failed.failure.exit_code) == (
        "it is forbidden",
        "do something else",
        20,
    )
    assert bug.failure is not None
    assert "ZeroDivisionError" in bug.failure.error
    assert (once.state, once.attempts) == (TaskState.DONE, 2)
    assert once.result is not None
    assert once.result.value["resume"] == "noted"
    assert (dies.state, dies.attempts) == (TaskState.INTERRUPTED, 3)
    assert dies.failure is not None
    assert "SIGKILL" in dies.failure.error
    assert log.count("task.lost") == 3
    assert log.count("task.interrupted") == 1
    lane.kill()


def test_a_quick_task_is_done_while_a_long_one_runs_and_the_process_ends_when_idle(
    tasks: DatabaseTasks, tmp_path: Path
) -> None:
    tasks.submit(request("task-1", "hold", TaskLane.LONG))
    quick = lane_of(tasks, tmp_path, rules=LaneRules(idle_s=0.0))
    long = lane_of(tasks, tmp_path, TaskLane.LONG)
    with working(long):
        until((tmp_path / "held").exists)
        tasks.submit(request("task-2"))

        quick.turn()

        assert found(tasks, "task-2").state is TaskState.DONE
        assert found(tasks, "task-1").state is TaskState.RUNNING
        quick.turn()
        assert quick.process_id == 0
        (tmp_path / "go").touch()
        until(lambda: found(tasks, "task-1").state is TaskState.DONE)


def test_a_lane_that_stops_finishes_its_task_and_one_that_is_killed_hands_it_back(
    tasks: DatabaseTasks, tmp_path: Path
) -> None:
    tasks.submit(request("task-1", "hold"))
    tasks.submit(request("task-2"))
    lane = lane_of(tasks, tmp_path)
    with working(lane):
        until((tmp_path / "held").exists)
        lane.stop()
        waited = threading.Thread(target=lane.wait)
        waited.start()
        (tmp_path / "go").touch()
        waited.join(_S)
        assert found(tasks, "task-1").state is TaskState.DONE
    assert found(tasks, "task-2").state is TaskState.WAITING

    (tmp_path / "go").unlink()
    (tmp_path / "held").unlink()
    tasks.submit(request("task-3", "hold", TaskLane.LONG))
    with working(lane_of(tasks, tmp_path, TaskLane.LONG)):
        until((tmp_path / "held").exists)
    handed_back = found(tasks, "task-3")
    assert (handed_back.state, handed_back.attempts) == (TaskState.WAITING, 0)


def test_a_task_that_hangs_is_ended_and_done_again(tasks: DatabaseTasks, tmp_path: Path) -> None:
    tasks.submit(request("task-1", "hold"))
    log: list[str] = []

    with working(lane_of(tasks, tmp_path, log=log, rules=LaneRules(beat_s=0.1, stuck_s=3.0))):
        until((tmp_path / "held").exists)
        until(lambda: "task.lost" in log)
        (tmp_path / "go").touch()
        until(lambda: found(tasks, "task-1").state.over)

    done = found(tasks, "task-1")
    assert done.state is TaskState.DONE
    assert done.attempts > 1


def test_the_process_of_a_task_that_was_given_to_another_worker_is_killed(
    tasks: DatabaseTasks, database: Engine, tmp_path: Path
) -> None:
    tasks.submit(request("task-1", "hold"))
    log: list[str] = []
    lane = lane_of(tasks, tmp_path, log=log)
    with working(lane):
        until((tmp_path / "held").exists)
        process = lane.process_id
        name = process_name(process)
        # As another worker does after a silence.
        with database.begin() as connection:
            connection.exec_driver_sql("UPDATE task SET process = 'other 1 1'")
        until(lambda: is_gone(name))
        until(lambda: "task.fenced" in log)
    assert found(tasks, "task-1").state is TaskState.RUNNING


def test_a_worker_that_is_killed_takes_its_task_process_along_and_another_does_the_task(
    tasks: DatabaseTasks, database: Engine, tmp_path: Path
) -> None:
    tasks.submit(request("task-1", "hold", place="here"))
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.task_work", database.url.database or "", str(tmp_path)],
        cwd=ROOT,
    )
    try:
        until((tmp_path / "held").exists)
        until(lambda: (tmp_path / "held").read_text())
        child = process_name(int((tmp_path / "held").read_text()))
        os.kill(worker.pid, signal.SIGKILL)
    finally:
        worker.kill()
        worker.wait(_S)
    until(lambda: is_gone(child))
    (tmp_path / "go").touch()
    lane = lane_of(tasks, tmp_path)
    lane.turn()

    done = found(tasks, "task-1")
    assert (done.state, done.attempts) == (TaskState.DONE, 2)
    assert (tmp_path / "attempts").read_text().split("\n")[:-1] == ["task-1 1 ", "task-1 2 "]
    lane.kill()
