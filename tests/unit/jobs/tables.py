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

from snapshotter.jobs import (  # noqa: F401 - their tables
    attempts,
    belonging,
    monitor,
    outbox,
    politeness,
    roster,
    sweep,
    watch,
)
from snapshotter.jobs.database import TABLES
from snapshotter.jobs.failure import Fault
from snapshotter.jobs.outbox import MessageState
from snapshotter.jobs.plan import Plan
from snapshotter.jobs.roster import WorkerState
from snapshotter.model.assessment import Shown
from snapshotter.model.event import Event
from snapshotter.model.job import JobState, Sealed
from snapshotter.model.watch import Watch

_ROWS = (Sealed, Shown, Event, Plan, Watch)  # that stand in columns as JSON
_WORDS = (Fault, JobState, MessageState, WorkerState)


def layout() -> dict[str, Any]:
    """Return the columns of each table, and the fields and words of what stands in them."""
    found: dict[str, Any] = {
        f"table {table.name}": sorted(f"{it.name} {it.type!r}" for it in table.columns)
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
        found[f"value {kind.__name__}"] = sorted(str(it.value) for it in kind)
    elif is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        found[f"value {kind.__name__}"] = sorted(it.name for it in fields(kind))
        for field in fields(kind):
            _add(hints[field.name], found)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(layout(), indent=1, sort_keys=True) + "\n")
