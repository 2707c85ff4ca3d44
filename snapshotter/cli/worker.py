"""`snapshotter worker`: capture what others hand over."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import result, result_json, say

if TYPE_CHECKING:
    from snapshotter.jobs.roster import Worker as Enrolled
    from snapshotter.jobs.worker import Worker

_EXAMPLES = """\b
Examples:
  snapshotter worker
  snapshotter worker --concurrency 4
  snapshotter worker --json 2> worker.log
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
@click.option("--policy", metavar="NAME|FILE", help="For jobs that name none.  [default: default]")
@click.option("--key", metavar="NAME|kms:…|pkcs11:…", help="Signing key.  [default: default]")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
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
@click.option("--json", "as_json", is_flag=True, help="Print what happens, one JSON object a line.")
@click.pass_context
def worker(
    ctx: click.Context,
    concurrency: int,
    store: str | None,
    policy: str | None,
    key: str | None,
    passphrase_file: Path | None,
    attempts: int,
    recycle_after: int,
    recycle_mb: int,
    keep_days: int,
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
    from snapshotter.app import wiring_jobs
    from snapshotter.jobs.attempts import Patience
    from snapshotter.jobs.worker import Rules

    settings = ctx.obj.load(
        store=store or "",
        policy=policy or "",
        key=key or "",
        passphrase_file=str(passphrase_file or ""),
    )
    rules = Rules(
        slots=concurrency,
        recycle_captures=recycle_after,
        recycle_bytes=recycle_mb << 20,
        keep=timedelta(days=keep_days),
        patience=Patience(attempts=attempts),
    )
    made = wiring_jobs.worker(settings, rules, tell=say, told=_Log(as_json))
    _heed_signals(made)
    made.run()


@worker.command("list", epilog=_LIST_EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a worker.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the workers of the queue, those that ended within the last day included."""
    from snapshotter.app import wiring_jobs

    found = wiring_jobs.roster(ctx.obj).workers()
    if not found and not as_json:
        say("no worker has worked here within the last day; snapshotter worker starts one")
    for it in found:
        if as_json:
            result_json(_object(it))
        else:
            _print(it)


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
    "chores.failed": "what is owed could not be done: {error}",
    "job.began": "{job}: {url}",
    "job.done": "{job}: {outcome}, bundle {bundle}",
    "job.failed": "{job}: {error}",
    "job.found": "{job}: bundle {bundle} was found in the store",
    "job.lost": "{job}: {error}",
    "job.returned": "{job} goes back to the queue",
    "job.search-failed": "{job}: its bundle could not be looked for: {error}",
    "job.superseded": "{job} was given to another worker, or cancelled",
    "queue.unavailable": "{error}; waiting for it",
    "slot.recycled": "a slot was replaced after {captures} captures",
    "slot.said": "{text}",
    "store.unavailable": "{job} waits for the store: {error}",
    "worker.bug": "{error}; this is a bug, please report it",
    "worker.cleared": "{jobs} jobs of {worker}, which is gone, are given to others",
    "worker.dead": "worker {worker} is gone",
    "worker.draining": "finishing {captures} captures; a second signal stops at once",
    "worker.ended": "worker {worker} ends, {done} jobs done",
    "worker.fenced": "this worker was taken for dead; what it had was given to others",
    "worker.started": "worker {worker} takes jobs, {slots} at a time",
    "worker.trouble": "{error}",
}


class _Log:
    """What happens, a line each: for people on stderr, as JSON on stdout."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def __call__(self, event: str, **fields: Any) -> None:
        """Tell of one event."""
        if self._as_json:
            result_json({"event": event, **fields})
        elif words := _WORDS.get(event):
            say(words.format(**fields))


def _object(it: "Enrolled") -> dict[str, Any]:
    """Return the object that `--json` prints, as docs/reference/json.md promises it."""
    from snapshotter.formats.canonical_json import instant

    return {
        "detail": it.detail,
        "done": it.done,
        "host": it.host,
        "seen_at": instant(it.beat_at),
        "slots": it.slots,
        "started_at": instant(it.started_at),
        "state": it.state.value,
        "version": it.version,
        "worker": it.id,
    }


def _print(it: "Enrolled") -> None:
    more = f"  {it.detail}" if it.detail else ""
    result(
        f"{it.id:<40} {it.state.value:<9} {it.slots:>3} at a time {it.done:>7} done  "
        f"seen {it.beat_at:%Y-%m-%d %H:%M:%S} UTC{more}"
    )
