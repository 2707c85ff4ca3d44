"""Request captures, and see, cancel and repeat the jobs of the queue."""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from snapshotter.app.json_objects.jobs import top_json, worker_json
from snapshotter.app.monitoring.remote_requests import (
    RequestedCapture,
    enqueue_capture,
    request_id,
)
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import REFUSED_ACTIONS, JobActionResult
from snapshotter.jobs.workers.registry import WorkerRegistry
from snapshotter.model.job import JobState, JobStatus
from snapshotter.translation import tr
from snapshotter.web.api.conditional import IdempotencyKey
from snapshotter.web.api.dependencies import Actor, Context, Limit, read_annotations
from snapshotter.web.api.machine_paths import shown_job
from snapshotter.web.api.models.jobs import (
    CaptureRequest,
    Job,
    JobChange,
    JobId,
    JobList,
    Queue,
    WorkerList,
)
from snapshotter.web.api.problem import Problem, not_found
from snapshotter.web.withheld_content import shown_jobs

router = APIRouter()
_ORIGIN: Final = "api"


@router.post("/captures", status_code=202, tags=["captures"])
def request_capture(
    context: Context,
    person: Actor,
    response: Response,
    wanted: CaptureRequest,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """
    Capture a page.

    The answer is a job of the queue. A worker makes the capture. The job then has the id of the
    bundle.
    """
    services = context.services
    job_id = (
        wiring_queue.new_job_id()
        if idempotency_key is None
        else request_id(idempotency_key, person.name)
    )
    job = enqueue_capture(
        _queue(context),
        RequestedCapture(
            url=wanted.url,
            policy=wanted.policy,
            priority=wanted.priority,
            tags=tuple(wanted.tags),
            cases=tuple(wanted.cases),
        ),
        job_id=job_id,
        origin=_ORIGIN,
        now=services.clock.now(),
        policies_dir=context.settings.policies_dir,
        annotations=lambda: read_annotations(context),
    )
    response.headers["location"] = f"/api/v1/jobs/{job.job.id}"
    return _answer(context, job)


@router.get("/jobs", tags=["queue"])
def list_jobs(
    context: Context,
    state: Annotated[list[JobState], Query(description="Only jobs in these states.")] = [],  # noqa: B006  FastAPI copies it
    origin: Annotated[str, Query(max_length=200, description="Only jobs of this origin.")] = "",
    cursor: Annotated[int, Query(ge=1, lt=1 << 62, description="`next` of the page before.")]
    | None = None,
    limit: Limit = 50,
) -> JobList:
    """List the jobs of the queue, the newest first."""
    page = _queue(context).page(states=frozenset(state), origin=origin, before=cursor, limit=limit)
    return JobList(
        jobs=[
            Job.model_validate(shown_job(context, status))
            for status in shown_jobs(context, page.jobs)
        ],
        next=str(page.next) if page.next is not None else None,
    )


@router.get("/jobs/{job_id}", tags=["queue"])
def show_job(context: Context, job_id: JobId) -> Job:
    """Show a job, and its result if it has one."""
    status = _queue(context).get(job_id)
    if status is None:
        raise _unknown(job_id)
    return _answer(context, status)


@router.post("/jobs/{job_id}/cancel", tags=["queue"])
def cancel_job(context: Context, person: Actor, job_id: JobId) -> JobChange:
    """Cancel a job. A capture that is under way is stopped, unless its bundle is being stored."""
    return _changed(job_id, _queue(context).cancel([job_id])[job_id])


@router.post("/jobs/{job_id}/retry", tags=["queue"])
def retry_job(context: Context, person: Actor, job_id: JobId) -> JobChange:
    """Make a job due again that failed, died or was cancelled."""
    return _changed(job_id, _queue(context).retry([job_id])[job_id])


@router.get("/queue", tags=["queue"])
def show_queue(context: Context) -> Queue:
    """Show how many jobs are in each state, what is captured now, and the workers."""
    registry = WorkerRegistry(context.services.database)
    return Queue.model_validate(top_json(_queue(context), registry, partial(_shown, context)))


@router.get("/workers", tags=["queue"])
def list_workers(context: Context) -> WorkerList:
    """List the workers of the last day."""
    workers = WorkerRegistry(context.services.database).workers()
    return WorkerList.model_validate({"workers": [worker_json(worker) for worker in workers]})


def _answer(context: Context, status: JobStatus) -> Job:
    return Job.model_validate(_shown(context, status))


def _shown(context: Context, status: JobStatus) -> dict[str, Any]:
    (shown,) = shown_jobs(context, [status])
    return shown_job(context, shown)


def _queue(context: Context) -> DatabaseQueue:
    return wiring_queue.queue(context.settings, context.services.database)


def _changed(job_id: str, result: JobActionResult) -> JobChange:
    if result is JobActionResult.UNKNOWN:
        raise _unknown(job_id)
    if result is not JobActionResult.DONE:
        raise Problem("conflict", f"{job_id}: {REFUSED_ACTIONS[result]}")
    return JobChange(job_id=job_id, result="done")


def _unknown(job_id: str) -> Problem:
    return not_found(tr("the job {job_id} does not exist", job_id=job_id))
