"""
Submit a task for a form of a page, and lead to the page that shows its result.

A quick task is usually done before the form is answered. Then the person comes back to the page
with the index up to date. Otherwise, the page of the task follows it.
"""

import re
import time
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import TaskArguments, kind_of
from snapshotter.model.task import TaskLane, TaskState
from snapshotter.web.console.forms import Form
from snapshotter.web.console.links import path_with
from snapshotter.web.context import context_of

_WAIT_S: Final = 2.5  # for a quick task to end
_LOOK_S: Final = 0.05
_INDEX_S: Final = 2.0  # for the index to show what a task recorded
# One slash, then no second one: "//host" would be another server.
_OWN_PATH: Final = re.compile(r"/(?!/)[A-Za-z0-9._~%/-]*(?:\?[A-Za-z0-9._~%=&+/-]*)?(?:#[a-z-]*)?")


def request_task(
    request: Request,
    arguments: TaskArguments,
    form: Form,
    *,
    back: str,
    shows_result: bool = False,
) -> Response:
    """
    Submit a task, and redirect to where its result is shown.

    Args:
        form: Its field `key` is new for each page that is loaded: a form that is sent twice is one
            task.
        back: The path of our own to which the person returns.
        shows_result: The result is shown on the page of the task, and not where the person returns.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    services = context_of(request).services
    task_id = requests.submit(
        services.tasks, arguments, person=request.state.person, request_key=_request_key(form)
    )
    is_quick = kind_of(arguments).lane is TaskLane.QUICK and not shows_result
    if is_quick and _is_done_soon(request, task_id):
        return return_to(request, back)
    return RedirectResponse(task_path(task_id, back, returns=is_quick), 303)


def return_to(request: Request, back: str) -> Response:
    """Return to a page when the index shows what a task recorded."""
    context_of(request).services.index.wait_for_update(_INDEX_S)
    return RedirectResponse(back, 303)


def answer_again(request: Request, form: Form, *, back: str) -> Response | None:
    """
    Return the answer to a form that was sent before; None if it was not.

    For forms whose second check would fail because of what the first one did.
    """
    key = _request_key(form)
    task_id = context_of(request).services.tasks.tasks.with_key(key) if key else None
    return None if task_id is None else RedirectResponse(task_path(task_id, back), 303)


def _request_key(form: Form) -> str:
    key = form.text("key")[:64]
    return f"form/{key}" if key else ""


def task_path(task_id: str, back: str = "", *, returns: bool = False) -> str:
    """
    Return the path of the page of a task.

    Args:
        returns: When the task is done, its page leads back by itself.
    """
    values = {"back": back, "return": "yes" if back and returns else ""}
    return path_with(f"/tasks/{quote(task_id, safe='')}", values)


def new_key(request: Request) -> str:
    """Return the field `key` for the forms of a page that is loaded."""
    return context_of(request).services.ids.random_bytes(16).hex()


def own_path(text: str) -> str:
    """Return a text if it is a path of this console; else ""."""
    return text if len(text) <= 500 and _OWN_PATH.fullmatch(text) else ""


def _is_done_soon(request: Request, task_id: str) -> bool:
    """Wait a little for a task; return whether it is done."""
    services = context_of(request).services
    end = time.monotonic() + _WAIT_S
    while time.monotonic() < end:
        state = requests.find(services.tasks, task_id).state
        if state.over:
            return state is TaskState.DONE
        if not services.has_worker():
            return False
        time.sleep(_LOOK_S)
    return False
