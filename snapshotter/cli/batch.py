"""
Provide `snapshotter batch`: capture the addresses of a table, or hand them to the queue, and write
a table with the results.
"""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.batch_output import BatchProgress, Forecast, print_summary
from snapshotter.cli.capture_options import capture_options, load_settings
from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.labels import checked_labels, label_recorder
from snapshotter.cli.options import label_options
from snapshotter.cli.output import keep_working, print_message
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.batch.whole_batch import Batch
    from snapshotter.app.policies.capture_options import CaptureOptions
    from snapshotter.app.settings import Settings

_FORMATS = ("csv", "tsv", "jsonl", "yaml", "list")

_EXAMPLES = """\b
Examples:
  snapshotter batch urls.csv
  snapshotter batch --dry-run urls.csv
  snapshotter batch --out results.csv --column url=Address urls.csv
  snapshotter batch --limit 100 --only-host example.org urls.txt
  snapshotter batch --retry-failed urls.csv
  psql -c 'copy (select url from pages) to stdout csv header' | snapshotter batch --out pages.csv -
"""


@click.command(epilog=_EXAMPLES)
@click.argument("table", metavar="FILE|-", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the table with the results to this file.  [default: the name of FILE with .done "
    "before the ending]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(_FORMATS),
    help="Format of FILE.  [default: the format that belongs to the ending of the file name]",
)
@click.option(
    "--encoding",
    metavar="NAME",
    help="Character encoding of FILE.  [default: the encoding of the byte order mark, else utf-8]",
)
@click.option(
    "--divider",
    metavar="CHARACTER",
    help="Character between the cells of a CSV file.  [default: detected from the content]",
)
@click.option(
    "--columns",
    "preset",
    type=click.Choice(["snapshotter", "auto-archiver"]),
    help="Names of the columns.  [default: the names in the header]",
)
@click.option(
    "--column",
    "named",
    multiple=True,
    metavar="WHAT=NAME",
    help="Name of one column: url=Link, status=State. To leave out a column, give an empty name: "
    "hint=. May be repeated.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["once", "capture"]),
    default="once",
    show_default=True,
    help="What to do with a page that is in several rows: capture it once, or once for each row.",
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Capture at most this many rows now."
)
@click.option(
    "--only-host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="Capture only the rows of this host and its subdomains; may be repeated.",
)
@click.option("--retry-failed", is_flag=True, help="Capture the failed rows again.")
@click.option(
    "--restart",
    is_flag=True,
    help="Begin a new batch with all rows, and write its results to a "
    "new table. The earlier table is not changed.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print which pages the batch would visit, and how long the visits would take. Capture "
    "nothing.",
)
@click.option(
    "--enqueue", is_flag=True, help="Put the rows into the queue. Workers capture the pages."
)
@click.option(
    "--wait", is_flag=True, help="With --enqueue: wait until workers have finished the rows."
)
@label_options
@capture_options
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each row, and a summary."
)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@click.pass_context
def batch(
    ctx: click.Context,
    table: Path,
    out: Path | None,
    kind: str | None,
    encoding: str | None,
    divider: str | None,
    preset: str | None,
    named: tuple[str, ...],
    duplicates: str,
    limit: int | None,
    hosts: tuple[str, ...],
    retry_failed: bool,
    restart: bool,
    dry_run: bool,
    enqueue: bool,
    wait: bool,
    tags: tuple[str, ...],
    cases: tuple[str, ...],
    options: "CaptureOptions",
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Capture a table of addresses, and write a table with the results.

    FILE is a CSV, TSV, JSON Lines or YAML file, or a plain list of addresses. `-` reads the table
    from standard input. FILE itself is not changed. The new table has the columns of FILE and these
    further columns: status, outcome, verdict, bundle_id, sha256, time, location, title, error,
    hint. A row can have its own policy and its own tags. Tags and cases are recorded when the run
    ends. If the run is killed, the next run records them.

    When the command is interrupted, give the same command again: the batch continues with the rows
    that are not finished.

    Exit codes: 0 every finished row has a bundle. 3 at least one capture does not meet the court
    minimum, which the policy requires. 130 the command was interrupted. If rows failed, the exit
    code is that of the last failed row of the table.
    """
    from snapshotter.app import machine
    from snapshotter.app.batch.open_batch import BatchRequest
    from snapshotter.app.batch.whole_batch import Batch
    from snapshotter.app.policies.decisions import PolicyDecisions
    from snapshotter.policy.page_identity import shipped_identity_rules

    if wait and not enqueue:
        raise click.UsageError(tr("--wait works only together with --enqueue"))
    if enqueue and (local := _local(options)):
        raise click.UsageError(
            tr(
                "options that do not work with --enqueue: {local}. Set the values of these options "
                "in the settings of the worker, or in a policy",
                local=", ".join(local),
            )
        )
    settings = load_settings(ctx, options)
    wanted = BatchRequest(
        data=_read(table),
        name="" if str(table) == "-" else str(table),
        out=out,
        kind=kind or "",
        encoding=encoding or "",
        divider="\t" if divider == "\\t" else divider or "",
        preset=preset or "",
        named=_named(named),
        capture_duplicates=duplicates == "capture",
        retry_failed=retry_failed,
        restart=restart,
    )
    decisions = PolicyDecisions(settings, options)
    decisions.check("")  # without the policy of the command there is nothing to do
    plan = Batch(
        request=wanted,
        decisions=decisions,
        rules=shipped_identity_rules(),
        clock=machine.SystemClock(),
        hosts=tuple(host.lower().strip(".") for host in hosts),
        limit=limit or 0,
        labels=checked_labels(settings, tags, cases),
    )
    if dry_run:
        return _dry_run(plan, settings, as_json=as_json)
    if enqueue:
        return _enqueue(plan, settings, options, wait=wait, as_json=as_json, quiet=quiet)
    return _capture(plan, settings, options, as_json=as_json, quiet=quiet)


def _local(options: "CaptureOptions") -> list[str]:
    """Return the given options that a job cannot carry, because they are of this process."""
    names = {
        "allow_networks": "allow-network",
        "authority_files": "ca",
        "cosigners": "cosigner",
        "elements": "element",
        "viewports": "viewport",
    }
    return [
        f"--{names.get(field.name, field.name.replace('_', '-'))}"
        for field in fields(options)
        if field.name != "policy" and getattr(options, field.name)
    ]


def _read(table: Path) -> bytes:
    from snapshotter.formats.lists.tables import MAX_BYTES

    if str(table) == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with table.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SnapshotterError(
            tr("{table} cannot be read: {strerror}", table=table, strerror=error.strerror)
        ) from error


def _named(given: tuple[str, ...]) -> Mapping[str, str]:
    from snapshotter.app.batch.columns import FIELDS, READ

    found: dict[str, str] = {}
    for text in given:
        name, is_there, column = text.partition("=")
        if not is_there or name not in (*READ, *FIELDS) or (name in READ and not column):
            raise click.UsageError(
                tr(
                    "--column {text} is not of the form WHAT=NAME, where WHAT is one of "
                    "{read}, {fields}",
                    text=shlex.quote(text),
                    read=", ".join(READ),
                    fields=", ".join(FIELDS),
                )
            )
        found[name] = column
    return found


def _dry_run(batch: "Batch", settings: "Settings", *, as_json: bool) -> int:
    """Print which pages would be visited, and how long that takes."""
    from snapshotter.app.wiring import queue as wiring_queue

    plan, journal = batch.preview(dry_run=True)
    for note in plan.notes:
        print_message(note)
    entries, over = batch.pending_rows(plan, journal)
    forecast = Forecast(
        plan,
        entries,
        over=over,
        name=batch.request.name or "standard input",
        now=batch.clock.now(),
    )
    forecast.print(wiring_queue.politeness(settings), as_json=as_json)
    return 0


def _capture(
    batch: "Batch", settings: "Settings", options: "CaptureOptions", *, as_json: bool, quiet: bool
) -> int:
    """Capture in this process; return the exit code."""
    from snapshotter.app.batch import enqueue
    from snapshotter.app.batch.whole_batch import SEALING, capture_batch
    from snapshotter.app.interruption import Interruption
    from snapshotter.app.wiring import capture as wiring
    from snapshotter.app.wiring import queue as wiring_queue

    # A table that cannot be read is reported before a key is made and a browser is searched.
    enqueue.refuse_if_queued(*batch.preview())
    keep_working()
    stop = Interruption()
    with stop.handle_signals():
        dependencies = wiring.capture_dependencies(
            settings,
            ask=ask_passphrase,
            show_message=print_message,
            locked=batch.decisions.locked,
            check_replay=options.check_replay,
        )
        longest = batch.decisions.longest + SEALING
        with wiring_queue.visit_tracker(settings, batch.clock, longest=longest) as visits:
            done = capture_batch(
                batch, dependencies, visits, stop,
                partial(BatchProgress, quiet=quiet, as_json=as_json), print_message,
                label_recorder(settings),
            )  # fmt: skip
        print_summary(done, batch.decisions.picked, as_json=as_json, queued=False)
        if done.owed is not None and done.exit_code != INTERRUPTED_EXIT_CODE:
            done.owed.join(settings.timestamp_timeout_s)
    return done.exit_code


def _enqueue(
    batch: "Batch",
    settings: "Settings",
    options: "CaptureOptions",
    *,
    wait: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Hand rows to the queue; return the exit code."""
    from snapshotter.app import machine
    from snapshotter.app.batch.whole_batch import BatchQueue, enqueue_batch
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.jobs.workers.registry import WorkerRegistry

    keep_working()
    batch.preview()  # a table that cannot be read is reported before a database is made
    store = wiring_store.store(settings).url
    with wiring_queue.queue_database(settings) as database:
        queue = BatchQueue(
            jobs=wiring_queue.queue(settings, database),
            store=store,
            has_worker=lambda: bool(WorkerRegistry(database).live_workers()),
            politeness=wiring_queue.politeness(settings),
        )
        done = enqueue_batch(
            batch, queue, machine.RandomIds(),
            partial(BatchProgress, quiet=quiet, as_json=as_json), print_message,
            policy=options.policy or "", wait=wait,
        )  # fmt: skip
        print_summary(done, batch.decisions.picked, as_json=as_json, queued=True)
        return done.exit_code
