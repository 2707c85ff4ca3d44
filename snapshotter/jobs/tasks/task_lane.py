"""
Take the tasks of one lane, one after the other, and have each done in the task process of the lane.

A worker runs `turn` every fraction of a second in a thread of its own. The task process starts with
the first task and ends when no task came for some
minutes, so that a worker without tasks needs no memory for it.
"""

import shutil
import threading
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.processes import process_name
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.tasks.task_process import TaskProcess, TaskProcessDied
from snapshotter.jobs.tasks.task_runner import TaskRunnerFactory, TaskSuperseded
from snapshotter.model.task import (
    ClaimedTask,
    TaskFailure,
    TaskLane,
    TaskResult,
    TaskState,
    TaskStep,
)
from snapshotter.value_class import dataclass

_T = TypeVar("_T")
EVERY_S: Final = 0.2  # between two looks for waiting tasks
_MOST_STEPS: Final = 200  # of one task
_RETRY_S: Final = 2.0  # between two attempts to record the end of a task


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRules:
    """Times of a lane."""

    beat_s: float = 5.0  # between two heartbeats of a task
    silent_s: float = 30.0  # without a heartbeat, after which a worker is gone
    # Without a report of a task, after which its process is killed. One step can take hours, as a
    # verification of a large bundle in a slow store; but nothing may stop a lane for ever.
    stuck_s: float = 3_600.0
    idle_s: float = 300.0  # without a task, after which the task process ends
    drain_s: float = 600.0  # for a running task to end when the worker is told to stop


class Lane:
    """
    One lane of tasks in this worker.

    Args:
        opener: Makes the object that does tasks, in the task process; it is pickled.
        place: The id of the data directory that this worker uses.
        log: Writes an event to the log of the worker.
        now: Returns the time, UTC, for the steps.
    """

    def __init__(
        self,
        lane: TaskLane,
        tasks: DatabaseTasks,
        opener: TaskRunnerFactory,
        *,
        place: str,
        log: Callable[..., None],
        now: Callable[[], datetime],
        rules: LaneRules | None = None,
    ) -> None:
        self._lane, self._tasks, self._place = lane, tasks, place
        self._log, self._now = log, now
        self._rules = rules or LaneRules()
        self._process = TaskProcess(opener, beat_s=self._rules.beat_s, stuck_s=self._rules.stuck_s)
        self._name = process_name()
        self._stopping = threading.Event()
        self._killed = threading.Event()
        self._is_idle = threading.Event()
        self._is_idle.set()
        self._last_task = time.monotonic()

    @property
    def process_id(self) -> int:
        """The id of the task process; 0 if none runs."""
        return self._process.pid

    def turn(self) -> None:
        """Do the waiting tasks of the lane, one after the other. Raises ServiceUnavailable."""
        while self._do_next():
            self._last_task = time.monotonic()
        if self._process.pid and time.monotonic() - self._last_task > self._rules.idle_s:
            self._process.end()

    def stop(self) -> None:
        """Take no more tasks. Safe in a signal handler."""
        self._stopping.set()

    def wait(self) -> None:
        """Wait until the running task has ended, at most for `drain_s`."""
        self._is_idle.wait(self._rules.drain_s)

    def kill(self) -> None:
        """End the task process; the running task waits for another worker. Safe in any thread."""
        self._killed.set()
        self._stopping.set()
        self._process.kill()

    def _do_next(self) -> bool:
        """Do the next task; return whether there was one."""
        # Before the claim: `wait` must not overlook a task that is just being taken.
        self._is_idle.clear()
        try:
            if self._stopping.is_set():
                return False
            claimed = self._tasks.claim(
                self._lane,
                process=self._name,
                place=self._place,
                silent_s=self._rules.silent_s,
            )
            if claimed is not None:
                self._do(claimed)
            return claimed is not None
        finally:
            self._is_idle.set()

    def _do(self, claimed: ClaimedTask) -> None:
        request = claimed.request
        self._log("task.started", task=request.id, kind=request.kind, attempt=claimed.attempt)
        record = _Record(self, claimed)
        try:
            outcome = self._process.run(claimed, record)
        except TaskSuperseded:
            self._log("task.fenced", task=request.id, kind=request.kind)
        except TaskProcessDied as error:
            self._lose(claimed, str(error))
        else:
            if self._patiently(partial(
                self._tasks.finish, claimed, self._name, outcome, record.steps
            )):  # fmt: skip
                self._report(claimed, outcome)

    def _lose(self, claimed: ClaimedTask, why: str) -> None:
        """Have a task done again whose process ended in the middle."""
        request = claimed.request
        if self._killed.is_set():  # the worker ends: this is not the fault of the task
            self._tasks.hand_back(claimed, self._name)
            self._log("task.handed-back", task=request.id, kind=request.kind)
            return
        state = self._patiently(partial(self._tasks.lose, claimed, self._name, why))
        event = "task.interrupted" if state is TaskState.INTERRUPTED else "task.lost"
        self._log(event, task=request.id, kind=request.kind, error=why)

    def _report(self, claimed: ClaimedTask, outcome: TaskResult | TaskFailure) -> None:
        request = claimed.request
        if isinstance(outcome, TaskFailure):
            self._log(
                "task.failed", task=request.id, kind=request.kind,
                error=outcome.error, hint=outcome.hint,
            )  # fmt: skip
        else:
            self._log("task.done", task=request.id, kind=request.kind)

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """
        Write to the database, and wait for a database that does not answer.

        Raises:
            ServiceUnavailable: This worker ends. The task is done again by another one.
        """
        while True:
            try:
                return work()
            except ServiceUnavailable:
                if self._killed.wait(_RETRY_S):
                    raise


class _Record:
    """`TaskCalls`: what a task process reports, recorded in the database."""

    def __init__(self, lane: Lane, claimed: ClaimedTask) -> None:
        self._lane, self._claimed = lane, claimed
        self.steps: list[TaskStep] = []

    def alive(self) -> bool:
        """See `TaskCalls.alive`."""
        return self._beat()

    def step(self, text: str, position: int, total: int) -> bool:
        """See `TaskCalls.step`."""
        at = self._lane._now()
        if self.steps and self.steps[-1].text == text:
            at = self.steps.pop().at
        if len(self.steps) < _MOST_STEPS:
            self.steps.append(TaskStep(text=text, at=at, position=position, total=total))
        return self._beat()

    def note(self, resume: str) -> bool:
        """See `TaskCalls.note`. Waits for the database: the task must not go on without."""
        lane = self._lane
        return lane._patiently(partial(lane._tasks.note, self._claimed, lane._name, resume))

    def log(self, text: str) -> None:
        """See `TaskCalls.log`."""
        request = self._claimed.request
        self._lane._log("task.message", task=request.id, kind=request.kind, text=text)

    def _beat(self) -> bool:
        lane = self._lane
        try:
            return lane._tasks.beat(self._claimed, lane._name, self.steps)
        except ServiceUnavailable:
            # The next heartbeat shows whether another worker took the task meanwhile.
            return True


def remove_old_files(folder: Path, tasks: DatabaseTasks) -> None:
    """
    Remove the files of tasks that ended more than 7 days ago, or that no longer exist.

    Args:
        folder: Has one folder for each task.
    """
    # In this order: the folder of a task that is being made now belongs to a row that is seen.
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    for name in set(names) - tasks.kept_files():
        shutil.rmtree(folder / name)
