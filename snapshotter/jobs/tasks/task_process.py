"""
Do tasks in a child process of a worker: the handle of the worker, and what runs in the child.

The worker has the database and no keys; the task process has the keys and no database. The task
process reports steps and notes over a pipe, and ends at once if the worker is gone.
"""

import multiprocessing.connection
import time
from typing import Final, Protocol

from snapshotter.errors import SnapshotterError, bug
from snapshotter.jobs.child_process import ChildProcess, attach_to_worker
from snapshotter.jobs.tasks.task_runner import TaskRunner, TaskRunnerFactory, TaskSuperseded
from snapshotter.model.task import ClaimedTask, TaskFailure, TaskResult
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_PROGRESS_S: Final = 0.5  # between two reports of the progress of one step


class TaskProcessDied(Exception):
    """The task process ended in the middle of a task, or was killed."""


class TaskCalls(Protocol):
    """What the worker does about the reports of a task process."""

    def alive(self) -> bool:
        """Record a heartbeat; return whether the worker still has the task."""

    def step(self, text: str, position: int, total: int) -> bool:
        """Record a step; return as `alive` does."""

    def note(self, resume: str) -> bool:
        """Record a note for another attempt; return as `alive` does."""

    def log(self, text: str) -> None:
        """Log a message."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A step, which gets no answer."""

    text: str
    position: int
    total: int


@dataclass(frozen=True, slots=True)
class _Note:
    """A note for another attempt, which is answered with whether the worker has the task."""

    resume: str


@dataclass(frozen=True, slots=True)
class _LogMessage:
    """A message for the log, which gets no answer."""

    text: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """The task has ended. None: it was given to another worker."""

    outcome: TaskResult | TaskFailure | None


class TaskProcess:
    """
    The worker's handle of a task process. For one thread at a time, except `kill`.

    Args:
        opener: Makes the object that does tasks, in the child process; it is pickled.
        beat_s: Seconds between two heartbeats while the task process reports nothing.
        stuck_s: Seconds without a report, after which the task process is killed.
    """

    def __init__(self, opener: TaskRunnerFactory, *, beat_s: float, stuck_s: float) -> None:
        self._child = ChildProcess(_serve, (opener,), "snapshotter-task")
        self._beat_s = beat_s
        self._stuck_s = stuck_s

    @property
    def pid(self) -> int:
        """The id of the process; 0 if none runs."""
        return self._child.pid if self._child.is_alive else 0

    def run(self, task: ClaimedTask, calls: TaskCalls) -> TaskResult | TaskFailure:
        """
        Do a task, and return its result or why it failed.

        Raises:
            TaskProcessDied: The process ended in the middle, or reported nothing for too long.
            TaskSuperseded: The task was given to another worker.
        """
        try:
            self._child.start()
        except OSError as error:  # the system has no more processes or memory
            raise TaskProcessDied(
                tr("the task process cannot be started: {strerror}", strerror=error.strerror)
            ) from error
        pipe = self._child.pipe
        try:
            pipe.send(task)
            reported = time.monotonic()
            while True:
                has_task = True
                if not pipe.poll(self._beat_s):
                    has_task = calls.alive()
                    if time.monotonic() - reported > self._stuck_s:
                        raise TaskProcessDied(
                            tr(
                                "the task process reported nothing for {seconds:g} s",
                                seconds=self._stuck_s,
                            )
                        )
                else:
                    reported = time.monotonic()
                    message = pipe.recv()
                    if isinstance(message, _Ended):
                        if message.outcome is None:
                            raise TaskSuperseded(task.request.id)
                        return message.outcome
                    has_task = _heed(message, calls, pipe)
                if not has_task:
                    raise TaskSuperseded(task.request.id)
        except (EOFError, OSError) as error:
            self._child.wait()
            raise TaskProcessDied(
                tr("the task process ended: {end_of}", end_of=self._child.describe_end())
            ) from error
        except BaseException:  # raised again: the process would send its answer to the next task
            self._child.kill_and_wait()
            raise

    def kill(self) -> None:
        """End the process at once. From any thread."""
        self._child.kill()

    def end(self) -> None:
        """End the idle process."""
        self._child.end()


def _heed(message: object, calls: TaskCalls, pipe: multiprocessing.connection.Connection) -> bool:
    """Do what a message requests; return whether the worker still has the task."""
    match message:
        case _Step():
            return calls.step(message.text, message.position, message.total)
        case _Note():
            has_task = calls.note(message.resume)
            pipe.send(has_task)
            return has_task
        case _LogMessage():
            calls.log(message.text)
            return True
    raise TypeError(f"unknown message of a task process: {message!r}")


# What runs in the child


def _serve(pipe: multiprocessing.connection.Connection, opener: TaskRunnerFactory) -> None:
    """Do tasks until the worker is gone or closes the pipe."""
    attach_to_worker()
    runner: TaskRunner | None = None
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        outcome: TaskResult | TaskFailure | None
        try:
            if runner is None:
                runner = opener(lambda text: pipe.send(_LogMessage(text)))
            outcome = runner.run(task, _PipeReports(pipe))
        except TaskSuperseded:
            outcome = None
        except SnapshotterError as error:
            outcome = _failure(error)
        except Exception as error:  # noqa: BLE001 - a bug in one task, which its page shows
            outcome = _failure(bug(error))
        pipe.send(_Ended(outcome))


def _failure(error: SnapshotterError) -> TaskFailure:
    return TaskFailure(error=error.message, hint=error.hint, exit_code=error.exit_code)


class _PipeReports:
    """`TaskReports` over the pipe to the worker."""

    def __init__(self, pipe: multiprocessing.connection.Connection) -> None:
        self._pipe = pipe
        self._last = ("", 0.0)  # the step that was reported last, and when

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        """See `TaskReports.step`."""
        now = time.monotonic()
        is_new, is_last = text != self._last[0], position == total
        if is_new or is_last or now - self._last[1] >= _PROGRESS_S:
            self._last = (text, now)
            self._pipe.send(_Step(text, position, total))

    def note(self, resume: str) -> None:
        """See `TaskReports.note`."""
        self._pipe.send(_Note(resume))
        if not self._pipe.recv():
            raise TaskSuperseded(tr("the task was given to another worker"))
