"""
Enqueue the rows of a batch for workers, and read the results of their jobs back.

The id of a job is made of the batch's id and the row's key, and is in the journal before the queue
has the job. So after any interruption the same jobs are enqueued again, and the queue accepts each
once. Results are read by the same ids.
"""

from collections.abc import Callable

from snapshotter.app.batch.journal import Journal, RowResult
from snapshotter.app.batch.plan import BatchPlan, BatchRow
from snapshotter.app.batch.run import BatchObserver, RunResult
from snapshotter.app.batch.state import FAILED, BatchState
from snapshotter.app.policies.configured_policy import absolute_policy_path
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle.store_keys import bundle_time
from snapshotter.formats.canonical_json import instant
from snapshotter.model.job import CaptureJob, JobStatus
from snapshotter.ports import JobQueue
from snapshotter.translation import tr

_POLL_S = 2.0
_KEY = 24  # hex digits of a row's key in the id of its job
_TITLE = 1_000  # characters


def refuse_if_local(state: BatchState) -> None:
    """
    Refuse to enqueue rows that a run in this process may have captured.

    Raises:
        SnapshotterError: A row was being captured when its run ended.
    """
    for entry in state.plan.rows_to_capture:
        if state.known(entry).is_running_here:
            raise SnapshotterError(
                tr(
                    "an earlier run of this command ended while it captured row {number}. The "
                    "bundle of this row may be in the store",
                    number=entry.row.number,
                ),
                hint=tr(
                    "give the same command with --limit 1 and without --enqueue. The command then "
                    "looks for the bundle first"
                ),
            )


def refuse_if_queued(plan: BatchPlan, journal: Journal | None) -> None:
    """
    Refuse to capture rows here that are in the queue.

    Raises:
        SnapshotterError: There are such rows.
    """
    there = (
        sum(journal.known(entry.key).queued for entry in plan.rows_to_capture)
        if journal is not None
        else 0
    )
    if there:
        raise SnapshotterError(
            tr(
                "rows of this table that are already in the queue: {there}. This command would "
                "capture the pages of these rows a second time",
                there=there,
            ),
            hint=tr(
                "give --enqueue to see the states of these rows, or --wait to wait for their "
                "captures. To capture these rows here, cancel their jobs:\n  snapshotter queue "
                "cancel JOB-ID"
            ),
        )


def enqueue_rows(
    state: BatchState,
    entries: tuple[BatchRow, ...],
    queue: JobQueue,
    *,
    policy: str,
    labels: tuple[str, ...] = (),
) -> int:
    """
    Enqueue the rows that are not in the queue; return how many jobs were new to it.

    Args:
        policy: For rows that name none; "" leaves it to the worker.
        labels: Of all rows, besides the tags of each row.

    Raises:
        ServiceUnavailable: The queue cannot be reached; the next call enqueues the same jobs.
    """
    at = state.now()
    new = [entry for entry in entries if not state.known(entry).queued]
    state.record_jobs(tuple((entry, _job_id(state, entry)) for entry in new))
    wanted = [
        entry
        for entry in state.plan.rows_to_capture
        if state.known(entry).queued and not state.known(entry).handed
    ]
    jobs = [
        CaptureJob(
            id=state.known(entry).jobs[-1],
            url=entry.url,
            enqueued_at=at,
            policy=absolute_policy_path(entry.policy or policy),
            origin=_origin(state),
            tags=tuple(dict.fromkeys((*entry.tags, *labels))),
        )
        for entry in wanted
    ]
    taken = sum(queue.put(jobs)) if jobs else 0
    state.journal.record_enqueued(at=at)
    return taken


def update_results(state: BatchState, queue: JobQueue, observer: BatchObserver) -> int:
    """
    Record the results of jobs that ended; return how many have not ended.

    Raises:
        ServiceUnavailable: The queue cannot be reached.
    """
    waiting = {
        known.jobs[-1]: entry
        for entry in state.plan.rows_to_capture
        if (known := state.known(entry)).queued
    }
    if not waiting:
        return 0
    found = {
        status.job.id: status
        for status in queue.jobs(origin=_origin(state))
        if status.job.id in waiting
    }
    left = 0
    for job_id, entry in waiting.items():
        status = found.get(job_id)
        result = _came(status) if status is not None else _FORGOTTEN
        if status is not None and not status.state.over:
            left += 1
            state.show(entry, result)
            continue
        state.note(entry, result)
        observer.ended(entry, result, None)
    return left


def wait_for_jobs(
    state: BatchState, queue: JobQueue, observer: BatchObserver, *, pause: Callable[[float], None]
) -> RunResult:
    """
    Record the results of jobs until all have ended; return the result of the run.

    Raises:
        ServiceUnavailable: The queue cannot be reached.
    """
    try:
        while update_results(state, queue, observer):
            if state.output.due:
                state.write()
            pause(_POLL_S)
    except KeyboardInterrupt:
        return RunResult(interrupted=True)
    return RunResult()


_FORGOTTEN = RowResult(
    status=FAILED,
    error=tr("the queue no longer has this job"),
    hint=tr(
        "the job was purged, and its bundle may be in the store. Give --retry-failed to "
        "capture the page again"
    ),
    exit_code=SnapshotterError.exit_code,
)


def _origin(state: BatchState) -> str:
    return f"batch:{state.journal.batch}"


def _job_id(state: BatchState, entry: BatchRow) -> str:
    tries = len(state.known(entry).jobs) + 1
    return f"batch-{state.journal.batch}-{entry.key[:_KEY]}{f'-{tries}' if tries > 1 else ''}"


def _came(status: JobStatus) -> RowResult:
    over = status.state.over
    return RowResult(
        status=status.state.value,
        outcome=status.outcome,
        verdict=status.shown.words if status.shown is not None else "",
        bundle_id=status.bundle_id,
        sha256=status.sha256,
        time=instant(bundle_time(status.bundle_id)) if status.bundle_id else "",
        location=status.location,
        title=status.title[:_TITLE],
        error=status.error,
        hint=status.hint,
        exit_code=(status.exit_code or 0) if over else 0,
        http_status=status.http_status,
        final_url=status.final_url,
    )
