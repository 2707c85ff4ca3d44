"""Show the queue and its workers, and let people cancel and repeat jobs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.monitoring.activity import activity
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.queue.database_queue import RETRYABLE, DatabaseQueue
from snapshotter.jobs.queue.hosts import HostStatus, clear_back_off, host_statuses
from snapshotter.jobs.queue.job_table import REFUSED_ACTIONS, JobActionResult
from snapshotter.jobs.workers.capture_stages import capture_stages
from snapshotter.jobs.workers.registry import (
    RegisteredWorker,
    WorkerRegistry,
    WorkerState,
)
from snapshotter.model.job import JobState, JobStatus
from snapshotter.policy.politeness import describe_wait
from snapshotter.report.states import StateLabel, job_label, job_result_label
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.links import path_with
from snapshotter.web.console.now_list import BUSY_MS, IDLE_MS, now_rows, rows_json, spoken
from snapshotter.web.console.templating import respond
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound
from snapshotter.web.withheld_content import shown_jobs

PATH: Final = "/queue"
_PAGE: Final = 50  # jobs
_WORKERS: Final[Mapping[WorkerState, StateLabel]] = {
    WorkerState.WORKING: StateLabel(words=tr("Working"), shape="●", tone="good"),
    WorkerState.PAUSED: StateLabel(words=tr("Paused"), shape="◐", tone="warn"),
    WorkerState.DRAINING: StateLabel(words=tr("Finishing"), shape="◐", tone="open"),
    WorkerState.ENDED: StateLabel(words=tr("Ended"), shape="–", tone="open"),
    WorkerState.DEAD: StateLabel(words=tr("Not answering"), shape="✕", tone="bad"),
}
_ORIGINS: Final[Mapping[str, str]] = {
    "api": tr("API"),
    "cli": tr("command line"),
    "console": tr("console"),
}


def _queue(request: Request) -> Response:
    return _page(request)


def _page(
    request: Request,
    refused: Sequence[tuple[str, str]] = (),
    *,
    status_code: int = 200,
    done: str = "",
) -> Response:
    context = context_of(request)
    queue, database = _jobs(context), context.services.database
    state = request.query_params.get("state", "")
    chosen = JobState(state) if state in set(JobState) else None
    cursor = _cursor(request.query_params.get("cursor", ""))
    found = queue.page(states=frozenset({chosen} if chosen else ()), before=cursor, limit=_PAGE)
    now = activity(queue, capture_stages(database))
    filters = {"state": chosen.value if chosen else ""}
    registry = WorkerRegistry(database)
    workers = registry.workers()
    return respond(
        request,
        "queue.html.j2",
        status_code=status_code,
        actions=_actions(found.jobs),
        counts=_counts(now.counts),
        done=done or _done_words(request.query_params.get("done", "")),
        first=path_with(PATH, filters) if cursor else "",
        hosts=[_host_row(host) for host in _held(context)],
        jobs=[_job_row(status) for status in shown_jobs(context, found.jobs)],
        live_workers=len(registry.live_workers()),
        next=path_with(PATH, filters, cursor=str(found.next)) if found.next else "",
        refused=refused,
        rows=now_rows(now.running, (), now.now),
        state=filters["state"],
        states=[("", tr("All jobs")), *((one.value, job_label(one).words) for one in JobState)],
        waiting=now.waiting,
        worker_problem=context.worker.problem,
        workers=[_worker_row(worker) for worker in reversed(workers)],
    )


def _change(request: Request, form: Form) -> Response:
    """Cancel or repeat the selected jobs; name each that was refused."""
    queue, chosen = _jobs(context_of(request)), form.texts("id")[:_PAGE]
    action = form.text("action")
    if action not in ("cancel", "retry"):
        raise NotFound(tr("the form names no action"))
    results = queue.cancel(chosen) if action == "cancel" else queue.retry(chosen)
    refused = [
        (job_id, REFUSED_ACTIONS[result])
        for job_id, result in results.items()
        if result is not JobActionResult.DONE
    ]
    if refused or not chosen:
        missing = [] if chosen else [("", tr("no job was selected"))]
        return _page(request, [*missing, *refused], status_code=409)
    words = "cancelled" if action == "cancel" else "waiting"
    back = form.text("back")
    path = f"{PATH}/{chosen[0]}" if back == "job" and len(chosen) == 1 else PATH
    return RedirectResponse(f"{path}?done={words}-{len(chosen)}", 303)


def _end_wait(request: Request, form: Form) -> Response:
    """End the wait of a host that follows throttling, errors or missing answers."""
    if not clear_back_off(context_of(request).services.database, form.text("host")):
        raise NotFound(tr("the queue has no entry for this host"))
    return RedirectResponse(f"{PATH}?done=host-1", 303)


def _job(request: Request) -> Response:
    context = context_of(request)
    status = _jobs(context).get(request.path_params["job_id"])
    if status is None:
        raise NotFound(
            tr("the job does not exist. Jobs that ended are removed from the queue after some time")
        )
    (status,) = shown_jobs(context, [status])
    now = activity(_jobs(context), capture_stages(context.services.database))
    running = [capture for capture in now.running if capture.status.job.id == status.job.id]
    return respond(
        request,
        "job.html.j2",
        actions=_actions([status]),
        done=_done_words(request.query_params.get("done", "")),
        job=_job_row(status),
        rows=now_rows(running, (), now.now),
        status=status,
    )


def _live(request: Request) -> Response:
    """Return what the script of the pages shows anew; of one job if `job` names it."""
    context = context_of(request)
    now = activity(_jobs(context), capture_stages(context.services.database))
    wanted = request.query_params.get("job", "")
    running = [capture for capture in now.running if not wanted or capture.status.job.id == wanted]
    rows = now_rows(running, (), now.now)
    counts = {f"count-{state.value}": now.counts.get(state, 0) for state in JobState}
    return JSONResponse(
        {
            "classes": {slot: "count" if count else "count zero" for slot, count in counts.items()},
            "every_ms": BUSY_MS if now.running or now.waiting else IDLE_MS,
            "lists": {"now": rows_json(rows)},
            "parts": {slot: str(count) for slot, count in counts.items()},
            "spoken": spoken(rows),
        }
    )


def _jobs(context: WebContext) -> DatabaseQueue:
    return wiring_queue.queue(context.settings, context.services.database)


def _held(context: WebContext) -> list[HostStatus]:
    """Return the hosts that are not visited now although they have jobs, or that are backed off."""
    rules = wiring_queue.politeness(context.settings)
    return [
        host
        for host in host_statuses(context.services.database, rules)
        if host.wait is not None and (host.waiting or host.state.strikes)
    ]


def _counts(counts: Mapping[JobState, int]) -> list[tuple[StateLabel, int, str, str]]:
    """Return label, count, address and slot of each state."""
    return [
        (
            job_label(state),
            counts.get(state, 0),
            f"{PATH}?state={state.value}#jobs",
            f"count-{state.value}",
        )
        for state in JobState
    ]


def _actions(jobs: Sequence[JobStatus]) -> dict[str, bool]:
    """Return which actions are possible for at least one of the jobs."""
    return {
        "cancel": any(not status.state.over for status in jobs),
        "retry": any(status.state in RETRYABLE for status in jobs),
    }


def _job_row(status: JobStatus) -> dict[str, Any]:
    origin = status.job.origin
    kind, _, name = origin.partition(":")
    return {
        "at": status.job.enqueued_at,
        "capture": f"/captures/{status.bundle_id}" if status.bundle_id else "",
        "due_at": status.due_at if not status.state.over else None,
        "error": status.error,
        "id": status.job.id,
        "label": job_result_label(status),
        "origin": _ORIGINS.get(origin) or (f"{kind} {name}" if name else origin),
        "title": status.title,
        "url": status.job.url,
    }


def _worker_row(worker: RegisteredWorker) -> dict[str, Any]:
    return {
        "at_once": worker.slots,
        "detail": worker.detail,
        "done": worker.done,
        "host": worker.host,
        "id": worker.id,
        "label": _WORKERS[worker.state],
        "seen_at": worker.beat_at,
        "started_at": worker.started_at,
        "version": worker.version,
    }


def _host_row(host: HostStatus) -> dict[str, Any]:
    assert host.wait is not None  # noqa: S101  for the type checker
    return {
        "is_backed_off": bool(host.state.strikes),
        "key": host.key,
        "until": host.wait.until,
        "waiting": host.waiting,
        "why": describe_wait(host.wait, host.rules),
    }


def _done_words(text: str) -> str:
    """Return the sentence for what a form has done; "" if the address names nothing of ours."""
    what, _, number = text.partition("-")
    count = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    if not count:
        return ""
    one = count == 1
    return {
        "cancelled": tr("1 job was cancelled.")
        if one
        else tr("{count} jobs were cancelled.", count=count),
        "waiting": tr("1 job waits for a worker again.")
        if one
        else tr("{count} jobs wait for a worker again.", count=count),
        "host": tr("The wait of the host has ended. Its budget and its quiet hours still apply."),
    }.get(what, "")


def _cursor(text: str) -> int | None:
    is_number = text.isascii() and text.isdigit() and 0 < len(text) < 19
    return int(text) or None if is_number else None


routes = (
    Route(PATH, _queue),
    Route(PATH, form_endpoint(_change), methods=["POST"]),
    Route(f"{PATH}/hosts", form_endpoint(_end_wait), methods=["POST"]),
    Route(f"{PATH}/{{job_id}}", _job),
    Route("/live/queue", _live),
)
