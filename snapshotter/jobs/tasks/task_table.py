"""Declare the table of tasks, and convert its rows to model values."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Column, Index, Integer, RowMapping, String, Table

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


def request_of(row: RowMapping) -> TaskRequest:
    """Return what is requested with a task."""
    return TaskRequest(
        id=row["id"],
        kind=row["kind"],
        arguments=json.loads(row["arguments"]),
        person=typed.read(Person, json.loads(row["person"])),
        lane=TaskLane(row["lane"]),
        place=row["place"],
    )


def task_of(row: RowMapping, now: datetime) -> Task:
    """Return a task and its state."""
    request, state = request_of(row), TaskState(row["state"])
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


def _result(text: str) -> TaskResult | None:
    if not text:
        return None
    value: Mapping[str, Any] = json.loads(text)
    # The value is JSON of any form; only the list of files has a fixed one.
    files = typed.read(TaskResult, {"value": {}, "files": value["files"]}).files
    return TaskResult(value=value["value"], files=files)


def _failure(row: RowMapping) -> TaskFailure:
    return TaskFailure(error=row["error"], hint=row["hint"], exit_code=row["exit_code"])
