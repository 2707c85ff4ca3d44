"""List the tasks of the last 30 days, the newest first."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.json_objects.task_reasons import task_reason
from snapshotter.app.tasks import requests
from snapshotter.model.task import Task
from snapshotter.translation import tr
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.tasks import (
    TASK_NAMES,
    task_label,
    task_links,
    task_name,
    task_verdict,
)
from snapshotter.web.console.task_requests import task_path
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of
from snapshotter.web.withheld_content import shown_tasks

PATH: Final = "/tasks"
_PAGE: Final = 50  # tasks


def _list(request: Request) -> Response:
    context = context_of(request)
    given, query = request.query_params.get("kind", ""), request.query_params
    kind = given if given in TASK_NAMES else ""
    cursor = query.get("cursor", "")
    if not requests.is_file_name(cursor):  # no id of a task
        cursor = ""
    found = requests.list_tasks(context.services.tasks, limit=_PAGE, kind=kind, cursor=cursor)
    filters = {"kind": kind}
    return respond(
        request,
        "tasks.html.j2",
        first=path_with(PATH, filters) if cursor else "",
        has_worker=context.services.has_worker(),
        kind=kind,
        kinds=[("", tr("All tasks")), *sorted(TASK_NAMES.items(), key=lambda kind: kind[1])],
        next=path_with(PATH, filters, cursor=found.next) if found.next else "",
        rows=[_row(task) for task in shown_tasks(context, found.tasks)],
        worker_problem=context.worker.problem,
    )


def _row(task: Task) -> dict[str, Any]:
    value = task.result.value if task.result is not None else {}
    return {
        "files": task.result.files if task.result is not None else (),
        "label": task_label(task.state),
        "links": task_links(task, value) if task.state.over and task.failure is None else (),
        "name": task_name(task),
        "reason": task_reason(task),
        "task": task,
        "url": task_path(task.id),
        "verdict": task_verdict(value),
    }


routes = (Route(PATH, _list),)
