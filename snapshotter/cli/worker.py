"""`snapshotter worker`: capture what others hand over."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import (
    format_time,
    instant_json,
    print_json,
    print_message,
    print_result,
)

if TYPE_CHECKING:
    from snapshotter.jobs.workers.registry import RegisteredWorker as Enrolled
    from snapshotter.jobs.workers.worker import Worker

_EXAMPLES = """\b
Examples:
  snapshotter worker
  snapshotter worker --concurrency 4
  snapshotter worker --listen 127.0.0.1:9464 --log-format json 2>> worker.log
  snapshotter worker list
"""
_LIST_EXAMPLES = """\b
Examples:
  snapshotter worker list
  snapshotter worker list --json
"""


@click.group(invoke_without_command=True, epilog=_EXAMPLES)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Captures at a time, each in a process and a browser of its own.",
)
@click.option("--store", metavar="DIR|s3://…", help="Where bundles go.  [default: captures]")
@click.option(
    "--adopt-store",
    is_flag=True,
    help="Go on with this store where the queue belongs to another one.",
)
@click.option(
    "--policy", metavar="NAME|FILE|auto", help="For jobs without a policy.  [default: auto]"
)
@click.option("--key", metavar="NAME|kms:…|pkcs11:…", help="Signing key.  [default: default]")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    help="File whose first line opens the key.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Tries at a page before it is given up, with a record that says so.",
)
@click.option(
    "--recycle-after",
    type=click.IntRange(1, 100_000),
    default=200,
    show_default=True,
    help="Captures after which the process that makes them is replaced.",
)
@click.option(
    "--recycle-mb",
    type=click.IntRange(100, 100_000),
    default=500,
    show_default=True,
    help="Megabytes of memory with which it is replaced.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(1, 36_500),
    default=90,
    show_default=True,
    help="Days for which the queue remembers jobs that are over.",
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    default="",
    help="Serve /metrics, /healthz and /readyz, on an address of this machine.",
)
@click.option("--listen-anywhere", is_flag=True, help="Others can reach that address, and may.")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="What happens, on stderr: sentences, or JSON lines.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="From what on it is written.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what happens, one JSON object a line.")
@click.pass_context
def worker(
    ctx: click.Context,
    concurrency: int,
    store: str | None,
    adopt_store: bool,
    policy: str | None,
    key: str | None,
    passphrase_file: Path | None,
    attempts: int,
    recycle_after: int,
    recycle_mb: int,
    keep_days: int,
    listen: str,
    listen_anywhere: bool,
    log_format: str,
    log_level: str,
    as_json: bool,
) -> None:
    """
    Capture what is handed over to the queue, until told to stop.

    Any number of workers may share a queue. SIGTERM or Ctrl-C lets a worker finish what it
    is capturing and take nothing more; a second one stops it at once, and what it was
    capturing goes back to the queue.
    """
    if ctx.invoked_subcommand is not None:
        return
    from snapshotter.app.wiring import telemetry as wiring_telemetry
    from snapshotter.app.wiring import worker as wiring_worker
    from snapshotter.jobs.queue.retry_rules import RetryRules
    from snapshotter.jobs.workers.context import WorkerSettings

    settings = ctx.obj.load(
        store=store or "",
        policy=policy or "",
        key=key or "",
        passphrase_file=str(passphrase_file or ""),
    )
    rules = WorkerSettings(
        slots=concurrency,
        recycle_captures=recycle_after,
        recycle_bytes=recycle_mb << 20,
        keep=timedelta(days=keep_days),
        retry_rules=RetryRules(attempts=attempts),
    )
    with wiring_telemetry.worker_telemetry(
        settings,
        log_format=log_format,
        log_level=log_level,
        listen=listen,
        listen_anywhere=listen_anywhere,
        words=_Log(as_json, quiet=log_format == "json", level=log_level),
        say=print_message,
        start_s=rules.start_s,
    ) as watched:
        made = wiring_worker.worker(
            settings, rules, show_message=watched.show_message, log_event=watched.log_event,
            observer=watched.observer, more=watched.periodic_tasks, adopt=adopt_store,
        )  # fmt: skip
        if watched.url:
            watched.log_event("worker.listening", url=watched.url)
        _heed_signals(made)
        made.run()


@worker.command("list", epilog=_LIST_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a worker.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the workers of the queue, those that ended within the last day included."""
    from snapshotter.app.wiring import queue as wiring_jobs
    from snapshotter.jobs.workers.registry import WorkerRegistry

    with wiring_jobs.queue_database(ctx.obj) as database:
        found = WorkerRegistry(database).workers()
    if not found and not as_json:
        print_message(
            "no worker has worked here within the last day; snapshotter worker starts one"
        )
    for worker in found:
        if as_json:
            print_json(_object(worker))
        else:
            _print(worker)


def _heed_signals(made: "Worker") -> None:
    def take(_number: int, _frame: object) -> None:
        if made.is_stopping:
            made.give_up()
        else:
            made.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, take)


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


class _Log:
    """
    What happens, a line each: for people on stderr, or as JSON on stdout.

    Args:
        as_json: Print JSON, and say nothing.
        quiet: Say nothing: somebody else writes the log.
        level: From what on something is said.
    """

    def __init__(self, as_json: bool, *, quiet: bool = False, level: str = "info") -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._level = level

    def __call__(self, event: str, **fields: Any) -> None:
        """Tell of one event."""
        from snapshotter.telemetry.logs import LogLevel, level_of, redact_fields

        if self._as_json:
            print_json({"event": event, **fields})
        elif self._quiet:
            return
        elif words := _WORDS.get(event):
            # What is said of a job is said at every level that says anything of jobs at all.
            matters = max(level_of(event), LogLevel.INFO)
            if matters >= LogLevel[self._level.upper()]:
                print_message(words.format(**redact_fields(fields)))


def _object(worker: "Enrolled") -> dict[str, Any]:
    """Return the object that `--json` prints, as docs/reference/json.md promises it."""
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


def _print(worker: "Enrolled") -> None:
    more = f"  {worker.detail}" if worker.detail else ""
    print_result(
        f"{worker.id:<40} {worker.state.value:<9} {worker.slots:>3} at a time {worker.done:>7} "
        "done  "
        f"seen {format_time(worker.beat_at)}{more}"
    )
