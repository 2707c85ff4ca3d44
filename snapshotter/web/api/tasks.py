"""Follow tasks, repeat those that failed, and download the files that they made."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from starlette.responses import FileResponse

from snapshotter.app.json_objects.tasks import task_json
from snapshotter.app.monitoring.remote_requests import request_id
from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import TaskArguments
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.task import Task as FoundTask
from snapshotter.web.api.dependencies import Actor, Context, Limit
from snapshotter.web.api.models.tasks import Task, TaskId, TaskList
from snapshotter.web.api.problem import not_found
from snapshotter.web.files import DOWNLOAD_HEADERS, disposition
from snapshotter.web.withheld_content import require_shown_files, shown_tasks

router = APIRouter(tags=["tasks"])

Cursor = Annotated[
    str,
    Query(pattern=r"^(task-[a-z0-9-]{1,58})?$", description="`next` of the page before."),
]


@router.get("/tasks")
def list_tasks(
    context: Context,
    kind: Annotated[
        str, Query(max_length=40, description="Only tasks of this kind, such as audit.")
    ] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> TaskList:
    """List the tasks of the last 30 days, the newest first."""
    return task_list(context, kind=kind, cursor=cursor, limit=limit)


def task_list(context: Context, *, kind: str, cursor: str, limit: int) -> TaskList:
    """Return a page of tasks."""
    found = requests.list_tasks(context.services.tasks, limit=limit, kind=kind, cursor=cursor)
    shown = shown_tasks(context, found.tasks)
    return TaskList.model_validate(
        {"next": found.next, "tasks": [task_json(task) for task in shown]}
    )


@router.get("/tasks/{task_id}")
def show_task(context: Context, task_id: TaskId) -> Task:
    """Show how far a task is, and its result."""
    return _task(context, task_id)


@router.post("/tasks/{task_id}/retry", status_code=202)
def retry_task(context: Context, person: Actor, response: Response, task_id: TaskId) -> Task:
    """Request a task again that failed or was interrupted. The answer is a new task."""
    _task(context, task_id)
    again = requests.submit_again(context.services.tasks, task_id, person=person)
    return _answer(context, response, again)


@router.get(
    "/tasks/{task_id}/files/{name}",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def download_task_file(
    context: Context, task_id: TaskId, name: Annotated[str, Path(max_length=200)]
) -> Response:
    """Download a file that a task made. Files are kept for 7 days."""
    require_shown_files(context, _find(context, task_id))
    try:
        path, _ = requests.result_file(context.services.tasks, task_id, name)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise not_found(error.message, error.hint) from error
    return FileResponse(path, headers=DOWNLOAD_HEADERS | {"content-disposition": disposition(name)})


def submit(
    context: Context, person: Actor, response: Response, arguments: TaskArguments, key: str | None
) -> Task:
    """
    Submit a task, and return it with its address.

    Args:
        key: The idempotency key of the request; None for no key.
    """
    request_key = request_id(key, person.name) if key is not None else ""
    task_id = requests.submit(
        context.services.tasks, arguments, person=person, request_key=request_key
    )
    return _answer(context, response, task_id)


def _answer(context: Context, response: Response, task_id: str) -> Task:
    response.headers["location"] = f"/api/v1/tasks/{task_id}"
    return _task(context, task_id)


def _task(context: Context, task_id: str) -> Task:
    (task,) = shown_tasks(context, [_find(context, task_id)])
    return Task.model_validate(task_json(task))


def _find(context: Context, task_id: str) -> FoundTask:
    try:
        return requests.find(context.services.tasks, task_id)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise not_found(error.message, error.hint) from error
