"""Print the log events of a worker, and the list of workers, as text or JSON."""

from typing import TYPE_CHECKING, Any

from snapshotter.cli.output import (
    format_time,
    instant_json,
    print_json,
    print_message,
    print_result,
)

if TYPE_CHECKING:
    from snapshotter.jobs.workers.registry import RegisteredWorker


_WORDS = {
    "bundle.unstored": "{text}",
    "health.failed": "{check} is not as it should be: {error}",
    "chores.failed": "what is owed could not be done: {error}",
    "job.began": "{job}: {url}",
    "job.done": "{job}: {verdict}, {outcome}, bundle {bundle}",
    "job.failed": "{job}: {error}",
    "job.found": "{job}: bundle {bundle} was found in the store",
    "job.lost": "{job}: {error}",
    "job.returned": "{job} goes back to the queue",
    "job.search-failed": "{job}: its bundle could not be looked for: {error}",
    "job.superseded": "{job} was given to another worker, or cancelled",
    "notification.failed": "not told yet: {error}",
    "queue.moved": "the queue belongs to the store {store} from now on",
    "queue.unavailable": "{error}; waiting for it",
    "run.stray": "of {jobs} the engine had lost count, after the database was away",
    "slot.ended": "{error}; the slot is started again",
    "slot.recycled": "a slot was replaced after {captures} captures",
    "slot.said": "{text}",
    "store.unavailable": "{job} waits for the store: {error}",
    "worker.bug": "{error}; this is a bug, please report it",
    "worker.cleared": "{jobs} jobs of {worker}, which is gone, are given to others",
    "worker.dead": "worker {worker} is gone",
    "worker.draining": "finishing {captures} captures; a second signal stops at once",
    "worker.ended": "worker {worker} ends, {done} jobs done",
    "worker.fenced": "this worker was taken for dead; what it had was given to others",
    "worker.listening": "metrics and health: {url}/metrics /healthz /readyz",
    "worker.misfit": "{error}; this worker finishes its captures and ends",
    "worker.started": "worker {worker} takes jobs, {slots} at a time",
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


def print_worker(worker: "RegisteredWorker") -> None:
    more = f"  {worker.detail}" if worker.detail else ""
    print_result(
        f"{worker.id:<40} {worker.state.value:<9} {worker.slots:>3} at a time {worker.done:>7} "
        "done  "
        f"seen {format_time(worker.beat_at)}{more}"
    )
