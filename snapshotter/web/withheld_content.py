"""
Show tasks and jobs without the content of captures that were put into quarantine later.

The result of a task and its files stay for days, and a job has the title of the page and what the
page shows.
"""

from collections.abc import Sequence
from dataclasses import replace

from snapshotter.app.tasks.requests import shown_captures
from snapshotter.errors import PolicyRefused
from snapshotter.model.job import JobStatus
from snapshotter.model.task import Task
from snapshotter.translation import tr
from snapshotter.web.context import WebContext


def shown_tasks(context: WebContext, tasks: Sequence[Task]) -> list[Task]:
    """
    Return tasks, without a result that shows a capture in quarantine.

    Raises:
        ServiceUnavailable: What is in quarantine is not known, because the index is not complete.
    """
    wanted = {bundle_id for task in tasks for bundle_id in shown_captures(task)}
    if not wanted:
        return list(tasks)
    with context.services.index.reading() as view:
        hidden = view.hidden_reasons(wanted)
    return [
        task if hidden.keys().isdisjoint(shown_captures(task)) else replace(task, result=None)
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
    made = {status.bundle_id for status in jobs if status.bundle_id}
    if not made:
        return list(jobs)
    index = context.services.index
    hidden = made
    if index.state is not None:
        with index.reading() as view:
            hidden = set(view.hidden_reasons(made))
    return [
        replace(status, title="", shown=None) if status.bundle_id in hidden else status
        for status in jobs
    ]
