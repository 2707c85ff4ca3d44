"""Follow a task of the console, show its result, repeat it, and download the files that it made."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.json_objects.task_reasons import task_reason
from snapshotter.app.tasks import requests
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.finding import Verdict
from snapshotter.model.sentences import capitalized
from snapshotter.model.task import Task, TaskState, TaskStep
from snapshotter.report.states import StateLabel, verdict_label
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.task_requests import own_path, return_to, task_path
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound
from snapshotter.web.withheld_content import require_shown_files, shown_tasks

TASK_NAMES: Final[Mapping[str, str]] = {
    "annotate": tr("Annotation of captures"),
    "audit": tr("Audit of the store"),
    "case-export": tr("Archive of a case"),
    "case-report": tr("Report about a case"),
    "conclude": tr("Conclusion of take-downs"),
    "export": tr("Export of captures"),
    "proof": tr("Proof pack"),
    "report": tr("Report about captures"),
    "trust-file": tr("Trust file"),
    "verify": tr("Verification"),
}
_STATES: Final[Mapping[TaskState, StateLabel]] = {
    TaskState.WAITING: StateLabel(words=tr("Waiting"), shape="○", tone="open"),
    TaskState.RUNNING: StateLabel(words=tr("Running"), shape="▸", tone="open"),
    TaskState.DONE: StateLabel(words=tr("Done"), shape="●", tone="good"),
    TaskState.FAILED: StateLabel(words=tr("Failed"), shape="✕", tone="bad"),
    TaskState.INTERRUPTED: StateLabel(words=tr("Interrupted"), shape="✕", tone="bad"),
}
_HANDED_OVER: Final = ("case-export", "trust-file")  # their readers need the fingerprint
_POLL_MS: Final = 500
# A sealed file is never shown by the console's origin, whatever it is.
_DOWNLOAD_POLICY: Final = "sandbox; default-src 'none'"


def _task(request: Request) -> Response:
    found = _found(request)
    (task,) = shown_tasks(context_of(request), [found])
    services = context_of(request).services
    back = own_path(request.query_params.get("back", ""))
    if task.state is TaskState.DONE and back and "return" in request.query_params:
        return return_to(request, back)
    value = task.result.value if task.result is not None else {}
    return respond(
        request,
        "task.html.j2",
        again=_can_repeat(task),
        back=back,
        files=() if task.are_files_removed else _files(task),
        is_withheld=found.result is not None and task.result is None,
        has_worker=task.state.over or services.has_worker(),
        label=task_label(task.state),
        lines=[str(line) for line in value.get("lines", ())],
        links=task_links(task, value),
        name=task_name(task),
        reason=task_reason(task) if task.failure is None else "",
        root_key=value.get("root_key", "") if task.kind in _HANDED_OVER else "",
        steps=_steps(task),
        summary=_summary(task, value),
        task=task,
        verdict=task_verdict(value),
        worker_problem=context_of(request).worker.problem,
    )


def _live(request: Request) -> Response:
    """Return what the script of the page shows anew."""
    task = _found(request)
    steps = _steps(task)
    label = task_label(task.state)
    spoken = steps[-1]["name"] if steps else label.words
    return JSONResponse(
        {
            "every_ms": _POLL_MS,
            "lists": {
                "steps": [
                    {
                        "key": str(number),
                        "classes": {"step": step["state"]},
                        "words": {
                            "detail": step["detail"],
                            "mark": step["mark"],
                            "name": step["name"],
                            "state": f": {step['state']}",
                        },
                    }
                    for number, step in enumerate(steps)
                ]
            },
            "parts": {"task": label.words, "task-shape": label.shape},
            "reload": task.state.over,
            "spoken": spoken,
        }
    )


def _again(request: Request, form: Form) -> Response:
    task = _found(request)
    services = context_of(request).services
    new = requests.submit_again(services.tasks, task.id, person=request.state.person)
    return RedirectResponse(task_path(new, own_path(form.text("back"))), 303)


def _file(request: Request) -> Response:
    task, name = _found(request), request.path_params["name"]
    require_shown_files(context_of(request), task)
    try:
        path, file = requests.result_file(context_of(request).services.tasks, task.id, name)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise NotFound(error.message) from error
    return FileResponse(
        path,
        media_type="application/octet-stream",
        filename=file.name,
        content_disposition_type="attachment",
        headers={"content-security-policy": _DOWNLOAD_POLICY},
    )


def _found(request: Request) -> Task:
    """Return the task that the address names. Raises NotFound: there is none."""
    try:
        return requests.find(
            context_of(request).services.tasks, request.path_params["task_id"][:64]
        )
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise NotFound(error.message) from error


def task_name(task: Task) -> str:
    """Return what a task is, for a heading."""
    return TASK_NAMES.get(task.kind, task.kind)


def task_label(state: TaskState) -> StateLabel:
    """Return the state of a task."""
    return _STATES[state]


def _can_repeat(task: Task) -> bool:
    return task.state in (TaskState.FAILED, TaskState.INTERRUPTED) and bool(task.arguments)


def _steps(task: Task) -> list[dict[str, str]]:
    """Return the steps as the component `steps` shows them."""
    last = len(task.steps) - 1
    state = {TaskState.DONE: "done", TaskState.RUNNING: "running", TaskState.WAITING: "waiting"}
    shown = []
    for number, step in enumerate(task.steps):
        name = "done" if number < last else state.get(task.state, "failed")
        mark = {"done": "✓", "running": "▸", "waiting": "·", "failed": "✕"}[name]
        shown.append(
            {
                "detail": _detail(step, name),
                "mark": mark,
                "name": capitalized(step.text),
                "state": name,
            }
        )
    return shown


def _detail(step: TaskStep, state: str) -> str:
    # A step that counts what it begins ends below its total, and "done, 0 of 1" is no sense.
    if not step.total or (state == "done" and step.position < step.total):
        return ""
    return tr("{position} of {total}", position=step.position, total=step.total)


def _files(task: Task) -> list[dict[str, Any]]:
    files = task.result.files if task.result is not None else ()
    return [{"file": file, "url": f"/tasks/{task.id}/files/{file.name}"} for file in files]


def task_verdict(value: Mapping[str, Any]) -> StateLabel | None:
    """Return the verdict of a result; None if it has none."""
    name = value.get("verdict")
    return verdict_label(Verdict(name)) if name else None


def _summary(task: Task, value: Mapping[str, Any]) -> str:
    """Return the result of a conclusion in words: it has no file, and possibly no event."""
    if task.kind != "conclude" or "derivations" not in value:
        return ""
    number = sum(
        recorded["is_new"] for derived in value["derivations"] for recorded in derived["recorded"]
    )
    if not number:
        return tr("No new take-down was concluded.")
    return tr("New take-downs that were concluded: {number}", number=number)


def task_links(task: Task, value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where the result of a task can be looked at: pairs of path and words."""
    links: list[tuple[str, str]] = []
    if value.get("case"):
        links.append((f"/cases/{value['case']}", tr("Show the case {case}", case=value["case"])))
    for derived in value.get("derivations", ()):
        links += [
            (f"/takedowns/{recorded['event_id']}", tr("Show the event"))
            for recorded in derived["recorded"]
            if recorded["is_new"]
        ]
    if task.kind == "conclude":
        links.append(("/takedowns", tr("Show the take-downs")))
    elif task.kind == "proof" and value.get("event_id"):
        links.append((f"/takedowns/{value['event_id']}", tr("Show the event")))
    elif task.kind == "verify":
        object_id, is_bundle = value.get("object_id"), "bundle" in value.get("verification", {})
        links.append(
            (f"/captures/{object_id}", tr("Show the capture"))
            if is_bundle
            else (f"/takedowns/{object_id}", tr("Show the event"))
        )
    elif not value.get("case"):
        ids = value.get("bundle_ids") or [each["bundle_id"] for each in value.get("captures", ())]
        links += [(f"/captures/{bundle_id}", tr("Show the capture")) for bundle_id in ids[:1]]
    return links


routes = (
    Route("/tasks/{task_id}", _task),
    Route("/tasks/{task_id}/live", _live),
    Route("/tasks/{task_id}/again", form_endpoint(_again), methods=["POST"]),
    Route("/tasks/{task_id}/files/{name}", _file),
)
