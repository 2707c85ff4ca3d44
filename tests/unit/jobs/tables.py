"""
The layout of the queue's tables and of what is written into them, for its number.

    python -m tests.unit.jobs.tables > tests/unit/jobs/tables-NUMBER.json
"""

import enum
import json
import sys
import typing
from dataclasses import fields, is_dataclass
from typing import Any

from snapshotter.jobs import follow_ups, migration, outbox  # noqa: F401 - their tables
from snapshotter.jobs.database import TABLES
from snapshotter.jobs.outbox import MessageState
from snapshotter.jobs.queue import attempts, politeness  # noqa: F401 - their tables
from snapshotter.jobs.queue.failure import Fault
from snapshotter.jobs.schedules import scheduler  # noqa: F401 - their tables
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.jobs.tasks import task_table  # noqa: F401 - their tables
from snapshotter.jobs.watches import watches  # noqa: F401 - their tables
from snapshotter.jobs.workers import capture_stages, registry, store_binding  # noqa: F401
from snapshotter.jobs.workers.registry import WorkerState
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.job import JobState, SealedResult
from snapshotter.model.notification import NotificationEvent
from snapshotter.model.person import Person
from snapshotter.model.task import TaskLane, TaskResult, TaskState, TaskStep
from snapshotter.model.watch import Watch

_ROWS = (
    SealedResult,
    AssessmentSummary,
    NotificationEvent,
    Person,
    Plan,
    TaskResult,
    TaskStep,
    Watch,
)  # that stand in columns as JSON
_WORDS = (Fault, JobState, MessageState, TaskLane, TaskState, WorkerState)


def layout() -> dict[str, Any]:
    """Return the columns of each table, and the fields and words of what stands in them."""
    found: dict[str, Any] = {
        f"table {table.name}": sorted(f"{column.name} {column.type!r}" for column in table.columns)
        for table in TABLES.tables.values()
    }
    for kind in (*_ROWS, *_WORDS):
        _add(kind, found)
    return found


def _add(kind: Any, found: dict[str, Any]) -> None:
    for part in typing.get_args(kind):
        _add(part, found)
    if not isinstance(kind, type) or f"value {kind.__name__}" in found:
        return
    if issubclass(kind, enum.Enum):
        found[f"value {kind.__name__}"] = sorted(str(member.value) for member in kind)
    elif is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        found[f"value {kind.__name__}"] = sorted(field.name for field in fields(kind))
        for field in fields(kind):
            _add(hints[field.name], found)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(layout(), indent=1, sort_keys=True) + "\n")
