"""
Show tasks, jobs and pages of watch lists without the content of captures in quarantine.

The result of a task and its files stay for days. A task that waits or failed has the note that it
was to record. A job and a page of a list have the title of the page.
"""

from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Final

from snapshotter.app.monitoring.watch_summary import ItemWithJob
from snapshotter.app.tasks.requests import shown_captures
from snapshotter.errors import PolicyRefused
from snapshotter.model.job import JobStatus
from snapshotter.model.task import Task
from snapshotter.translation import tr
from snapshotter.web.context import WebContext

# Arguments of tasks that people write about a capture: a tag, and a note or a reason.
_WRITTEN: Final = frozenset({"name", "text"})


def shown_tasks(context: WebContext, tasks: Sequence[Task]) -> list[Task]:
    """
    Return tasks, without results that show a capture in quarantine, and notes about one.

    Raises:
        ServiceUnavailable: What is in quarantine is not known, because the index is not complete.
    """
    named = {task.id: task.arguments.get("bundle_ids", ()) for task in tasks}
    wanted = {bundle_id for task in tasks for bundle_id in (*shown_captures(task), *named[task.id])}
    hidden = _hidden(context, wanted, must_know=any(shown_captures(task) for task in tasks))
    return [
        replace(
            task,
            arguments=task.arguments
            if hidden.isdisjoint(named[task.id])
            else {name: given for name, given in task.arguments.items() if name not in _WRITTEN},
            result=task.result if hidden.isdisjoint(shown_captures(task)) else None,
        )
        for task in tasks
    ]


def require_shown_files(context: WebContext, task: Task) -> None:
    """Return if the files of a task may be sent. Raises PolicyRefused, ServiceUnavailable."""
    (shown,) = shown_tasks(context, [task])
    if task.result is not None and shown.result is None:
        raise PolicyRefused(
            tr(
                "the files of the task {task_id} show a capture that is in quarantine",
                task_id=task.id,
            ),
            hint=tr(
                "if you may end the quarantine, release the capture first:\n"
                "  snapshotter release --reason REASON ID"
            ),
        )


def shown_jobs(context: WebContext, jobs: Sequence[JobStatus]) -> list[JobStatus]:
    """
    Return jobs, without the title and the verdict of a capture in quarantine.

    The queue is shown before the index is complete. Nobody knows then what is in quarantine, so
    that no job has a title.
    """
    hidden = _hidden(context, {status.bundle_id for status in jobs if status.bundle_id})
    return [
        replace(status, title="", shown=None) if status.bundle_id in hidden else status
        for status in jobs
    ]


def shown_items(context: WebContext, items: Sequence[ItemWithJob]) -> list[ItemWithJob]:
    """
    Return pages of a watch list, without the title of a page whose capture is in quarantine.

    The list that the page was found in has the title, and the page has it too.
    """
    hidden = _hidden(
        context, {found.job.bundle_id for found in items if found.job and found.job.bundle_id}
    )
    return [
        replace(found, item=replace(found.item, title=""))
        if found.job is not None and found.job.bundle_id in hidden
        else found
        for found in items
    ]


def _hidden(context: WebContext, bundle_ids: set[str], *, must_know: bool = False) -> Set[str]:
    """
    Return which captures are in quarantine; all, while nobody knows.

    Raises:
        ServiceUnavailable: `must_know`, and nobody knows.
    """
    index = context.services.index
    if not bundle_ids or (index.state is None and not must_know):
        return bundle_ids
    with index.reading() as view:
        return view.hidden_reasons(bundle_ids).keys()
