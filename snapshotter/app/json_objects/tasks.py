"""Return tasks as JSON objects."""

from typing import Any

from snapshotter.app.json_objects.values import instant_json
from snapshotter.model.task import Task


def task_json(task: Task) -> dict[str, Any]:
    """Return a task, its steps, and its result or failure."""
    from snapshotter.app.json_objects.task_reasons import task_reason
    from snapshotter.formats.canonical_json import plain

    result, failure = task.result, task.failure
    return {
        "arguments": plain(task.arguments),
        "attempts": task.attempts,
        "ended_at": instant_json(task.ended_at),
        "error": failure.error if failure is not None else "",
        "exit_code": failure.exit_code if failure is not None else None,
        "files": [
            {
                "bytes": file.length,
                "media_type": file.media_type,
                "name": file.name,
                "sha256": file.sha256,
            }
            for file in (result.files if result is not None else ())
        ],
        "files_removed": task.are_files_removed,
        "hint": failure.hint if failure is not None else "",
        "kind": task.kind,
        "reason": task_reason(task),
        "requested_at": instant_json(task.asked_at),
        "requested_by": task.person.name or None,
        "result": plain(result.value) if result is not None else None,
        "started_at": instant_json(task.started_at),
        "state": task.state.value,
        "steps": [
            {
                "at": instant_json(step.at),
                "position": step.position,
                "text": step.text,
                "total": step.total,
            }
            for step in task.steps
        ],
        "task_id": task.id,
    }
