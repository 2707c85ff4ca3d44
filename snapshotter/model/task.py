"""
Define tasks: what a person requests in the console, and a process that may hold keys does.

A task is a row in the database of the queue. The process that serves pages writes it and reads its
state (docs/adr/0100).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from snapshotter.model.person import Person
from snapshotter.value_class import dataclass


class TaskState(StrEnum):
    """The state of a task."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # its processes ended too often in the middle of the task

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (TaskState.WAITING, TaskState.RUNNING)


class TaskLane(StrEnum):
    """Tasks of one lane run one after the other in one worker; the lanes run beside each other."""

    QUICK = "quick"  # seconds
    LONG = "long"  # minutes or hours


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """One step of a task."""

    text: str
    at: datetime  # UTC, when it began
    position: int = 0  # how many of `total` are done
    total: int = 0  # 0: the step has no parts


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFile:
    """A file that a task made."""

    name: str  # one segment of a path
    media_type: str
    length: int  # bytes
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailure:
    """Why a task failed."""

    error: str  # a sentence, lower case, no full stop
    hint: str = ""
    exit_code: int = 1  # as the command that does the same ends with


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """The result of a task that is done."""

    value: Mapping[str, Any]  # JSON
    files: tuple[TaskFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """A task that is to be done."""

    id: str
    kind: str
    arguments: Mapping[str, Any]  # JSON of the arguments of the kind
    person: Person
    lane: TaskLane
    # The id of the data directory that gets its files; "" if it makes none. Only workers that use
    # this directory do the task.
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(TaskRequest):
    """A task and its state."""

    state: TaskState
    asked_at: datetime  # UTC
    started_at: datetime | None = None  # UTC, of the newest attempt
    ended_at: datetime | None = None  # UTC
    attempts: int = 0
    steps: tuple[TaskStep, ...] = ()  # of the newest attempt
    result: TaskResult | None = None
    failure: TaskFailure | None = None
    are_files_removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTask:
    """A task that a process took."""

    request: TaskRequest
    attempt: int  # from 1
    resume: str  # what an earlier attempt noted for the next one; "" if it noted nothing
