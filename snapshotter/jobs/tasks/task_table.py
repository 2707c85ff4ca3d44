"""Declare the table of tasks, and convert its rows to model values."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Index, Integer, RowMapping, String, Table

from snapshotter.errors import SnapshotterError
from snapshotter.formats import typed
from snapshotter.formats.canonical_json import plain
from snapshotter.jobs.database import TABLES, Instant, SafeText
from snapshotter.model.person import Person
from snapshotter.model.task import (
    Task,
    TaskFailure,
    TaskLane,
    TaskRequest,
    TaskResult,
    TaskState,
    TaskStep,
)
from snapshotter.translation import tr

FILES_KEPT: Final = timedelta(days=7)  # since the end of the task
ROWS_KEPT: Final = timedelta(days=30)  # since the end of the task

TASK = Table(
    "task",
    TABLES,
    Column("id", String(64), primary_key=True),  # begins with the second of the request
    Column("kind", String(40), nullable=False),
    Column("lane", String(16), nullable=False),
    Column("place", String(64), nullable=False),
    Column("person", SafeText, nullable=False),  # JSON of a Person
    # JSON of the arguments. Notes can contain personal data, so that the arguments are replaced by
    # "{}" when the task is done; of a task that failed, they are needed to request it again.
    Column("arguments", SafeText, nullable=False),
    Column("request_key", String(200), unique=True),  # of the caller, against double requests
    Column("request_sha256", String(64), nullable=False),  # of kind, arguments and person
    Column("state", String(16), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("attempts", Integer, nullable=False),
    Column("process", String(200), nullable=False),  # of the worker that has the task; or ""
    Column("beat_at", Instant),  # the last heartbeat of this worker
    Column("steps", SafeText, nullable=False),  # JSON list of TaskStep
    Column("resume", SafeText, nullable=False),  # what an attempt notes for the next one
    Column("result", SafeText, nullable=False),  # JSON of a TaskResult, or ""
    Column("error", SafeText, nullable=False),
    Column("hint", SafeText, nullable=False),
    Column("exit_code", Integer, nullable=False),
)
Index("task_state", TASK.c.state, TASK.c.asked_at)


def dumped(value: object) -> str:
    """Return a model value as JSON text."""
    return json.dumps(plain(value), ensure_ascii=False, sort_keys=True)


class UnreadableTask(SnapshotterError):
    """A row that no program of ours wrote, or a newer version of this one."""


def request_of(row: RowMapping) -> TaskRequest:
    """Return what is requested with a task. Raises UnreadableTask."""
    try:
        arguments = json.loads(row["arguments"])
        if not isinstance(arguments, dict):
            raise TypeError(tr("the arguments are no object"))
        return TaskRequest(
            id=row["id"],
            kind=row["kind"],
            arguments=arguments,
            person=typed.read(Person, json.loads(row["person"])),
            lane=TaskLane(row["lane"]),
            place=row["place"],
        )
    except (SnapshotterError, ValueError, TypeError, RecursionError) as error:
        raise _unreadable(error) from error


def task_of(row: RowMapping, now: datetime) -> Task:
    """Return a task and its state; one that cannot be read as a task that failed."""
    try:
        return _task_of(row, now)
    except UnreadableTask as error:
        return Task(
            id=row["id"],
            kind=row["kind"],
            arguments={},
            person=Person(),
            lane=TaskLane.QUICK,
            state=TaskState.FAILED,
            asked_at=row["asked_at"],
            ended_at=row["ended_at"],
            failure=TaskFailure(error=error.message, exit_code=error.exit_code),
        )


def _task_of(row: RowMapping, now: datetime) -> Task:
    request = request_of(row)
    try:
        state = TaskState(row["state"])
        return Task(
            id=request.id,
            kind=request.kind,
            arguments=request.arguments,
            person=request.person,
            lane=request.lane,
            place=request.place,
            state=state,
            asked_at=row["asked_at"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            attempts=row["attempts"],
            steps=tuple(typed.read(TaskStep, step) for step in json.loads(row["steps"])),
            result=_result(row["result"]),
            failure=_failure(row) if state in (TaskState.FAILED, TaskState.INTERRUPTED) else None,
            are_files_removed=row["ended_at"] is not None and row["ended_at"] + FILES_KEPT <= now,
        )
    except (SnapshotterError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> UnreadableTask:
    return UnreadableTask(
        tr("the row of this task in the database cannot be read: {error}", error=str(error)[:200])
    )


def _result(text: str) -> TaskResult | None:
    if not text:
        return None
    value: Mapping[str, Any] = json.loads(text)
    # The value is JSON of any form; only the list of files has a fixed one.
    files = typed.read(TaskResult, {"value": {}, "files": value["files"]}).files
    if not isinstance(value["value"], dict):
        raise TypeError(tr("the result is no object"))
    return TaskResult(value=value["value"], files=files)


def _failure(row: RowMapping) -> TaskFailure:
    return TaskFailure(error=row["error"], hint=row["hint"], exit_code=row["exit_code"])
