"""The reason of a verdict is the first check that has it."""

from collections.abc import Mapping
from typing import Any

import pytest

from snapshotter.app.json_objects.task_reasons import task_reason
from snapshotter.app.json_objects.tasks import task_json
from snapshotter.model.person import Person
from snapshotter.model.task import Task, TaskFailure, TaskLane, TaskResult, TaskState
from tests.observed import at

_PASSED = {"check": "container", "code": "OK", "detail": "no problem", "verdict": "passed"}
_OPEN = {"check": "time", "code": "TIME", "detail": "no token", "verdict": "indeterminate"}
_BAD = {"check": "signature", "code": "SIGNATURE", "detail": "not of this key", "verdict": "failed"}


def _task(value: Mapping[str, Any] | None, failure: TaskFailure | None = None) -> Task:
    return Task(
        id="task-1", kind="verify", arguments={}, person=Person(name="", role=""),
        lane=TaskLane.QUICK, state=TaskState.DONE, asked_at=at(0), failure=failure,
        result=TaskResult(value=value) if value is not None else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"verdict": "passed", "findings": [_PASSED]}, ""),
        ({"root_key": "ab"}, ""),
        (None, ""),
        (
            {"verdict": "failed", "verification": {"findings": [_PASSED, _OPEN, _BAD]}},
            "FAILED: signature: not of this key",
        ),
        (
            {"verdict": "indeterminate", "verification": {"findings": [_PASSED, _OPEN]}},
            "INDETERMINATE: time: no token",
        ),
        (
            {
                "verdict": "failed",
                "verification": {
                    "findings": [_PASSED],
                    "parts": [{"bundle": None}, {"bundle": {"findings": [_BAD]}}],
                },
            },
            "FAILED: signature: not of this key",
        ),
        (
            {
                "verdict": "failed",
                "findings": [{"code": "gone", "severity": "failed"}],
                "lines": ["a", "FAILED: one bundle is gone"],
            },
            "FAILED: one bundle is gone",
        ),
        (
            {"verdict": "failed", "alarms": ["Exhibit 2 was altered."]},
            "FAILED: Exhibit 2 was altered.",
        ),
        (
            {
                "verdict": "failed",
                "reports": [
                    {"headline": "Fine.", "verdict": "passed"},
                    {"headline": "Altered.", "verdict": "failed"},
                ],
            },
            "FAILED: Altered.",
        ),
        ({"verdict": "failed"}, "FAILED"),
    ],
)
def test_the_worst_check_gives_the_reason(value: Mapping[str, Any] | None, reason: str) -> None:
    assert task_reason(_task(value)) == reason
    assert task_json(_task(value))["reason"] == reason


def test_a_task_that_failed_has_its_error_as_the_reason() -> None:
    assert task_reason(_task(None, TaskFailure(error="the store does not answer"))) == (
        "the store does not answer"
    )
