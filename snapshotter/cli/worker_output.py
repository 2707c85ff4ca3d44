"""Print the log events of a worker, and the list of workers, as text or JSON."""

from typing import TYPE_CHECKING, Any

from snapshotter.cli.output import format_time, print_json, print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.jobs.workers.registry import RegisteredWorker


_WORDS = {
    "bundle.unstored": "{text}",
    "health.failed": tr("the check {check} failed: {error}"),
    "chores.failed": tr("a periodic task of the worker failed: {error}"),
    "job.began": "{job}: {url}",
    "job.done": tr("{job}: {verdict}, {outcome}, bundle {bundle}"),
    "job.failed": "{job}: {error}",
    "job.found": tr("{job}: bundle {bundle} was found in the store"),
    "job.lost": "{job}: {error}",
    "job.returned": tr("{job} goes back to the queue"),
    "job.search-failed": tr("{job}: the search for the bundle of this job failed: {error}"),
    "job.superseded": tr("{job} was given to another worker, or was cancelled"),
    "notification.failed": tr("a notification was not sent yet: {error}"),
    "queue.moved": tr("the queue is bound to the store {store} from now on"),
    "queue.unavailable": tr("{error}; the worker waits until the queue answers"),
    "run.stray": tr(
        "jobs that run again, because they were lost in an outage of the database: {jobs}"
    ),
    "slot.ended": tr("{error}; the capture process is started again"),
    "slot.recycled": tr("the capture process was replaced after {captures} captures"),
    "slot.said": "{text}",
    "store.unavailable": tr("{job} waits for the store: {error}"),
    "task.done": tr("{task}: the task is done ({kind})"),
    "task.failed": tr("{task}: the task failed ({kind}): {error}"),
    "task.fenced": tr("{task}: the task was given to another worker"),
    "task.handed-back": tr("{task}: the task waits for another worker, because this worker ends"),
    "task.interrupted": tr("{task}: the task was interrupted too often: {error}"),
    "task.lost": tr("{task}: the task is done again: {error}"),
    "task.message": "{task}: {text}",
    "task.started": tr("{task}: the task begins ({kind})"),
    "worker.bug": tr("{error}; this is a bug in snapshotter: report it"),
    "worker.cleared": tr("the worker {worker} no longer runs; jobs given to other workers: {jobs}"),
    "worker.dead": tr("the worker {worker} no longer responds"),
    "worker.draining": tr(
        "captures to complete before the worker stops: {captures}; a second "
        "signal stops the worker immediately"
    ),
    "worker.ended": tr("worker {worker} ends; completed jobs: {done}"),
    "worker.fenced": tr(
        "this worker gave no signal for too long, so its jobs were given to other workers"
    ),
    "worker.listening": tr("metrics: {url}/metrics, health: {url}/healthz and {url}/readyz"),
    "worker.misfit": tr("{error}; this worker completes its captures and ends"),
    "worker.started": tr("worker {worker} started; captures at the same time: {slots}"),
    "worker.trouble": "{error}",
}


class WorkerLog:
    """
    Print log events, one a line: for a person on stderr, or as JSON on stdout.

    Args:
        as_json: Print JSON only.
        quiet: Print nothing for a person: the log is written elsewhere.
        level: Lowest level that is printed.
    """

    def __init__(self, as_json: bool, *, quiet: bool = False, level: str = "info") -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._level = level

    def __call__(self, event: str, **fields: Any) -> None:
        """Print one event."""
        from snapshotter.telemetry.logs import LogLevel, level_of, redact_fields

        if self._as_json:
            print_json({"event": event, **fields})
        elif self._quiet:
            return
        elif words := _WORDS.get(event):
            # Events of jobs count as INFO at least.
            matters = max(level_of(event), LogLevel.INFO)
            if matters >= LogLevel[self._level.upper()]:
                print_message(words.format(**redact_fields(fields)))


def print_worker(worker: "RegisteredWorker") -> None:
    more = f"  {worker.detail}" if worker.detail else ""
    print_result(
        tr(
            "{id:<40} {value:<9} captures at the same time: {slots:>3}  finished: {done:>7}  "
            "last signal: {time}{more}",
            id=worker.id,
            value=worker.state.value,
            slots=worker.slots,
            done=worker.done,
            time=format_time(worker.beat_at),
            more=more,
        )
    )
