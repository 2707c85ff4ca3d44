"""
The rows of a batch, handed over to the queue, and what its workers made of them.

Ids of jobs are made of the batch's own id and the row's key, and are in the journal before
the queue has them: whatever ends this in between, the same jobs are handed over again, and
the queue takes each once. What a job came to is read back by the same ids.
"""

from collections.abc import Callable
from pathlib import Path

from snapshotter.app.batch.book import FAILED, Book
from snapshotter.app.batch.journal import Came, Journal
from snapshotter.app.batch.plan import Entry, Plan
from snapshotter.app.batch.run import Ended, Watcher
from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.layout import bundle_time
from snapshotter.model.job import CaptureJob, JobStatus
from snapshotter.ports import JobQueue

_POLL_S = 2.0
_KEY = 24  # hex digits of a row's key in the id of its job
_TITLE = 1_000  # characters


def check_not_local(book: Book) -> None:
    """
    Refuse to hand over rows that a run in this process may have captured.

    Raises:
        SnapshotterError: One was being captured when its run ended.
    """
    for entry in book.plan.asked:
        if book.known(entry).at_hand:
            raise SnapshotterError(
                f"row {entry.row.number} was being captured here when that run ended: its bundle "
                "may be in the store",
                hint="the same command with --limit 1 and without --enqueue finds out",
            )


def check_not_queued(plan: Plan, journal: Journal | None) -> None:
    """
    Refuse to capture rows here that the queue has.

    Raises:
        SnapshotterError: There are such rows.
    """
    there = sum(journal.known(it.key).queued for it in plan.asked) if journal is not None else 0
    if there:
        raise SnapshotterError(
            f"in the queue are {there} of the rows, which would be captured twice",
            hint="--enqueue says how far they are, --wait follows; snapshotter queue cancel",
        )


def hand_over(book: Book, entries: tuple[Entry, ...], queue: JobQueue, *, policy: str) -> int:
    """
    Hand rows over that the queue does not have; return how many it did not know.

    Args:
        policy: For rows that name none; "" is the worker's own.

    Raises:
        ServiceUnavailable: The queue can not be reached; the next call hands the same jobs over.
    """
    at = book.now()
    new = [it for it in entries if not book.known(it).queued]
    book.note_jobs(tuple((it, _job_id(book, it)) for it in new))
    wanted = [it for it in book.plan.asked if book.known(it).queued and not book.known(it).handed]
    jobs = [
        CaptureJob(
            id=book.known(it).jobs[-1],
            url=it.url,
            enqueued_at=at,
            policy=_elsewhere(it.policy or policy),
            origin=_origin(book),
            tags=it.tags,
        )
        for it in wanted
    ]
    taken = sum(queue.put(jobs)) if jobs else 0
    book.journal.note_handed(at=at)
    return taken


def refresh(book: Book, queue: JobQueue, watcher: Watcher) -> int:
    """
    Write down what came of jobs that are over; return how many are not.

    Raises:
        ServiceUnavailable: The queue can not be reached.
    """
    waiting = {
        known.jobs[-1]: entry for entry in book.plan.asked if (known := book.known(entry)).queued
    }
    if not waiting:
        return 0
    found = {it.job.id: it for it in queue.jobs(origin=_origin(book)) if it.job.id in waiting}
    left = 0
    for job_id, entry in waiting.items():
        status = found.get(job_id)
        came = _came(status) if status is not None else _FORGOTTEN
        if status is not None and not status.state.over:
            left += 1
            book.show(entry, came)
            continue
        book.note(entry, came)
        watcher.ended(entry, came, None)
    return left


def follow(
    book: Book, queue: JobQueue, watcher: Watcher, *, pause: Callable[[float], None]
) -> Ended:
    """
    Write down what comes of jobs until all are over; return how that ended.

    Raises:
        ServiceUnavailable: The queue can not be reached.
    """
    try:
        while refresh(book, queue, watcher):
            if book.output.due:
                book.write()
            pause(_POLL_S)
    except KeyboardInterrupt:
        return Ended(interrupted=True)
    return Ended()


_FORGOTTEN = Came(
    status=FAILED,
    error="the queue has no such job any more",
    hint="it was purged: its bundle may be in the store; --retry-failed captures the page anew",
    exit_code=SnapshotterError.exit_code,
)


def _origin(book: Book) -> str:
    return f"batch:{book.journal.batch}"


def _job_id(book: Book, entry: Entry) -> str:
    tries = len(book.known(entry).jobs) + 1
    return f"batch-{book.journal.batch}-{entry.key[:_KEY]}{f'-{tries}' if tries > 1 else ''}"


def _elsewhere(policy: str) -> str:
    """Return a policy as a worker on this machine finds it, wherever it was started."""
    return str(Path(policy).absolute()) if policy.endswith(".toml") or "/" in policy else policy


def _came(status: JobStatus) -> Came:
    over = status.state.over
    return Came(
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
