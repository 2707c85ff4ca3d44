"""
Provide `snapshotter worker`: run a worker that captures the pages of queued jobs, and list the
workers.
"""

import signal
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.jobs import worker_json
from snapshotter.cli.options import complete_policy
from snapshotter.cli.output import (
    print_json,
    print_message,
)
from snapshotter.cli.worker_output import WorkerLog, print_worker
from snapshotter.translation import tr

if TYPE_CHECKING:
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
    metavar="N",
    default=1,
    show_default=True,
    help="Number of captures at the same time. Each capture has its own process and browser.",
)
@click.option("--store", metavar="DIR|s3://…", help="Store for the bundles.  [default: captures]")
@click.option(
    "--adopt-store",
    is_flag=True,
    help="Use this store, even if the queue is bound to another store.",
)
@click.option(
    "--policy",
    shell_complete=complete_policy,
    metavar="NAME|FILE|auto",
    help="Policy for jobs without a policy.  [default: auto]",
)
@click.option(
    "--key", metavar="NAME|kms:…|pkcs11:…", help="Key that signs the bundles.  [default: default]"
)
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, path_type=Path, dir_okay=False),
    help="File whose first line is the passphrase of the key.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    metavar="N",
    default=3,
    show_default=True,
    help="Number of attempts to capture a page. After the last attempt, the failure is recorded.",
)
@click.option(
    "--recycle-after",
    type=click.IntRange(1, 100_000),
    metavar="N",
    default=200,
    show_default=True,
    help="Replace a capture process after this many captures.",
)
@click.option(
    "--recycle-mb",
    type=click.IntRange(100, 100_000),
    metavar="MB",
    default=500,
    show_default=True,
    help="Replace a capture process that uses this many megabytes of memory.",
)
@click.option(
    "--keep-days",
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    default=90,
    show_default=True,
    help="Remove ended jobs from the queue after this many days.",
)
@click.option(
    "--listen",
    metavar="ADDRESS:PORT",
    default="",
    help="Serve /metrics, /healthz and /readyz at this address.  [default: off]",
)
@click.option(
    "--listen-anywhere",
    is_flag=True,
    help="Allow a --listen address that other machines can reach.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the log on standard error: sentences, or one JSON object on each line.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="Lowest level of the messages in the log.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print events on standard output, one JSON object on each line.",
)
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
    Run a worker, which captures the pages of the queue.

    Any number of workers can share a queue. The worker runs until SIGTERM or Ctrl-C. The worker
    then completes its running captures and takes no new job. After a second signal, the worker
    stops immediately, and the unfinished jobs go back to the queue.
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
        print_event=WorkerLog(as_json, quiet=log_format == "json", level=log_level),
        print_text=print_message,
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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each worker.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the workers of the queue. Workers that ended within the last day are included."""
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.jobs.workers.registry import WorkerRegistry

    with wiring_queue.queue_database(ctx.obj) as database:
        found = WorkerRegistry(database).workers()
    if not found and not as_json:
        print_message(
            tr("no worker ran within the last day. Start a worker:\n  snapshotter worker")
        )
    for worker in found:
        if as_json:
            print_json(worker_json(worker))
        else:
            print_worker(worker)


def _heed_signals(made: "Worker") -> None:
    def take(_number: int, _frame: object) -> None:
        if made.is_stopping:
            made.give_up()
        else:
            made.drain()

    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, take)
