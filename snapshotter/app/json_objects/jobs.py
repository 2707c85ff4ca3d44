"""Return the jobs and workers of the queue as JSON objects."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import instant_json, verdict_json
from snapshotter.model.job import JobState, JobStatus

if TYPE_CHECKING:
    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.jobs.workers.registry import RegisteredWorker, WorkerRegistry

_RUNNING = frozenset({JobState.RUNNING})


def job_json(status: JobStatus) -> dict[str, Any]:
    """Return the object that `--json` prints (docs/reference/json.md)."""
    job = status.job
    return {
        "attempts": status.attempts,
        "bundle": {"path": status.location, "sha256": status.sha256} if status.bundle_id else None,
        "bundle_id": status.bundle_id or None,
        "court_minimum": status.court_minimum,
        "due_at": instant_json(status.due_at),
        "ended_at": instant_json(status.ended_at),
        "enqueued_at": instant_json(job.enqueued_at),
        "error": status.error,
        "exit_code": status.exit_code,
        "final_url": status.final_url,
        "hint": status.hint,
        "http_status": status.http_status,
        "job_id": job.id,
        "light": job.light,
        "not_after": instant_json(job.not_after),
        "not_before": instant_json(job.not_before),
        "notes": list(status.notes),
        "origin": job.origin,
        "outcome": status.outcome or None,
        "policy": job.policy,
        "priority": job.priority,
        "requested_url": job.url,
        "started_at": instant_json(status.started_at),
        "state": status.state.value,
        "tags": list(job.tags),
        "title": status.title,
        "vantage": job.vantage,
        "verdict": verdict_json(status.shown),
        "worker": status.worker,
    }


def top_json(
    found: "DatabaseQueue",
    registry: "WorkerRegistry",
    show_job: Callable[[JobStatus], dict[str, Any]] = job_json,
) -> dict[str, Any]:
    """
    Return the state of the queue and of its workers.

    Args:
        show_job: Returns a job that runs as JSON.
    """
    return {
        "jobs": {state.value: count for state, count in found.counts().items()},
        "running": [show_job(status) for status in found.jobs(states=_RUNNING)],
        "workers": [
            {
                "detail": worker.detail,
                "slots": worker.slots,
                "state": worker.state.value,
                "worker": worker.id,
            }
            for worker in registry.live_workers()
        ],
    }


def worker_json(worker: "RegisteredWorker") -> dict[str, Any]:
    """Return the object that `--json` prints (docs/reference/json.md)."""
    return {
        "detail": worker.detail,
        "done": worker.done,
        "host": worker.host,
        "seen_at": instant_json(worker.beat_at),
        "slots": worker.slots,
        "started_at": instant_json(worker.started_at),
        "state": worker.state.value,
        "tables": worker.tables,
        "version": worker.version,
        "worker": worker.id,
    }
