"""
State in one sentence why the verdict of a task is not PASSED, or why the task failed.

The sentence is made of the stored result, so that tasks of earlier versions have one too.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from snapshotter.model.finding import Verdict
from snapshotter.model.task import Task
from snapshotter.translation import tr

# The worst first.
_REASONED: Final = (Verdict.FAILED, Verdict.INDETERMINATE)


def task_reason(task: Task) -> str:
    """Return the reason, such as `FAILED: signature: the signature is invalid`; "" for none."""
    if task.failure is not None:
        return task.failure.error
    value = task.result.value if task.result is not None else {}
    verdict = next((found for found in _REASONED if found.value == value.get("verdict")), None)
    if verdict is None:
        return ""
    why = _first_finding(value, verdict) or _stated(value, verdict)
    return f"{verdict.name}: {why}" if why else verdict.name


def _first_finding(value: Mapping[str, Any], verdict: Verdict) -> str:
    """Return the first check with a verdict, and its sentence; "" if the result has no checks."""
    for finding in _findings(value):
        if finding.get("verdict") == verdict.value:
            return tr("{check}: {detail}", check=finding["check"], detail=finding["detail"])
    return ""


def _findings(value: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the checks of a result: its own, then those of its parts, in their order."""
    yield from (found for found in value.get("findings", ()) if "check" in found)
    for name in ("verification", "bundle", "event"):
        if isinstance(part := value.get(name), Mapping):
            yield from _findings(part)
    for name in ("captures", "parts"):
        for part in value.get(name, ()):
            yield from _findings(part)


def _stated(value: Mapping[str, Any], verdict: Verdict) -> str:
    """Return what a document states: an alarm of a case, a headline, the last line of an audit."""
    alarms = [str(alarm) for alarm in value.get("alarms", ())]
    headlines = [
        str(report["headline"])
        for report in value.get("reports", ())
        if report["verdict"] == verdict.value
    ]
    lines = [str(line).removeprefix(f"{verdict.name}: ") for line in value.get("lines", ())[-1:]]
    return next(iter((*alarms, *headlines, *lines)), "")
