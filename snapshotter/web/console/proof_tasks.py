"""Find the proofs that were requested of an event or of two captures, with state and files."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from snapshotter.app.tasks import requests
from snapshotter.model.task import Task
from snapshotter.web.console.pages.tasks import task_label
from snapshotter.web.console.task_requests import task_path
from snapshotter.web.context import WebContext
from snapshotter.web.withheld_content import shown_tasks

_NEWEST: Final = 50  # tasks that are looked through


def proofs_of_event(context: WebContext, event_id: str) -> list[dict[str, Any]]:
    """Return the newest requests for a proof pack of an event, the newest first."""
    return _proofs(
        context,
        lambda arguments, result: event_id in (result.get("event_id"), arguments.get("event_id")),
    )


def proofs_of_captures(context: WebContext, pair: tuple[str, str]) -> list[dict[str, Any]]:
    """
    Return the newest requests for a proof of what changed between two captures.

    Args:
        pair: Ids, the earlier capture first. A task that is done has no arguments.
    """
    return _proofs(
        context,
        lambda arguments, result: (
            list(arguments.get("bundle_ids", ()))[:2] == list(pair)
            or set(pair) <= set(result.get("bundle_ids", ()))
        ),
    )


_IsWanted = Callable[[Mapping[str, Any], Mapping[str, Any]], bool]  # by arguments and result


def _proofs(context: WebContext, is_wanted: _IsWanted) -> list[dict[str, Any]]:
    newest = requests.newest(context.services.tasks, limit=_NEWEST, kind="proof")
    return [
        _proof(task)
        for task in shown_tasks(context, newest)
        if is_wanted(task.arguments, task.result.value if task.result is not None else {})
    ]


def _proof(task: Task) -> dict[str, Any]:
    files = task.result.files if task.result is not None and not task.are_files_removed else ()
    return {
        "files": [(f"/tasks/{task.id}/files/{file.name}", file) for file in files],
        "label": task_label(task.state),
        "problem": task.failure.error if task.failure is not None else "",
        "task": task,
        "url": task_path(task.id),
    }
