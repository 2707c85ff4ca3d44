"""`snapshotter batch`: a table of addresses in, the same table with what came of them out."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.batch_output import (
    BatchDisplay,
    Forecast,
    format_counts,
    format_number_of,
    print_failures,
)
from snapshotter.cli.capture_options import capture_options, load_settings
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.batch.open_batch import BatchRequest
    from snapshotter.app.batch.plan import BatchRow
    from snapshotter.app.batch.rows import BatchState
    from snapshotter.app.batch.run import RunResult
    from snapshotter.app.policies.capture_options import CaptureOptions
    from snapshotter.app.settings import Settings

_SEALING = timedelta(minutes=1)  # and storing, after the page
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
    help="Where the table goes.  [default: FILE with .done before its ending]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(_FORMATS),
    help="What FILE is.  [default: as its name ends]",
)
@click.option("--encoding", metavar="NAME", help="Of FILE.  [default: its mark, or utf-8]")
@click.option("--divider", metavar="CHARACTER", help="Between the cells of a CSV.")
@click.option(
    "--columns",
    "preset",
    type=click.Choice(["snapshotter", "auto-archiver"]),
    help="How columns are called.  [default: as the header looks]",
)
@click.option(
    "--column",
    "named",
    multiple=True,
    metavar="WHAT=NAME",
    help="Call a column so: url=Link, status=State, hint= for none; may be repeated.",
)
@click.option(
    "--duplicates",
    type=click.Choice(["once", "capture"]),
    default="once",
    show_default=True,
    help="Rows that mean one page: captured once, or each.",
)
@click.option("--limit", type=click.IntRange(1), help="Capture so many rows now, at most.")
@click.option(
    "--only-host",
    "hosts",
    multiple=True,
    metavar="HOST",
    help="Only rows of this host and those below it; may be repeated.",
)
@click.option("--retry-failed", is_flag=True, help="Try rows again that failed.")
@click.option("--restart", is_flag=True, help="Begin anew, into a table beside the last one.")
@click.option("--dry-run", is_flag=True, help="Only say what would be visited, and how long.")
@click.option("--enqueue", is_flag=True, help="Hand rows to the queue, for workers to capture.")
@click.option("--wait", is_flag=True, help="With --enqueue: wait until workers are done.")
@capture_options
@click.option("--json", "as_json", is_flag=True, help="Print an object a row, and a summary.")
@click.option("--quiet", is_flag=True, help="No progress.")
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
    options: "CaptureOptions",
    as_json: bool,
    quiet: bool,
) -> int:
    """
    Capture a table of addresses, and write what came of each row.

    FILE is CSV, TSV, JSON Lines, YAML or a list; `-` reads one from standard input. Columns are
    added to it and written elsewhere: status, outcome, bundle_id, sha256, time, location, title,
    error, hint. A row may name its own policy and tags. Interrupted, the same command goes on
    where it was.
    """
    from snapshotter.app.batch import open_batch

    if wait and not enqueue:
        raise click.UsageError("--wait is for --enqueue")
    if enqueue and (local := _local(options)):
        raise click.UsageError(
            f"{', '.join(local)}: with --enqueue that is for the worker's settings and for policies"
        )
    settings = load_settings(ctx, options)
    wanted = open_batch.BatchRequest(
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
    command = _Batch(
        settings=settings,
        options=options,
        wanted=wanted,
        limit=limit or 0,
        hosts=tuple(host.lower().strip(".") for host in hosts),
        as_json=as_json,
        quiet=quiet,
    )
    if dry_run:
        return command.dry_run()
    return command.enqueue(wait=wait) if enqueue else command.run()


def _local(options: "CaptureOptions") -> list[str]:
    """Return the options that say how this process captures, and which no job can carry."""
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
        raise SnapshotterError(f"{table} can not be read: {error.strerror}") from error


def _named(given: tuple[str, ...]) -> Mapping[str, str]:
    from snapshotter.app.batch.plan import FIELDS, READ

    found: dict[str, str] = {}
    for text in given:
        name, is_there, column = text.partition("=")
        if not is_there or name not in (*READ, *FIELDS) or (name in READ and not column):
            raise click.UsageError(
                f"--column {shlex.quote(text)}: WHAT=NAME, with one of {', '.join(READ)}, "
                f"{', '.join(FIELDS)}"
            )
        found[name] = column
    return found


class _Batch:
    """One command, as it was asked for."""

    def __init__(
        self,
        *,
        settings: "Settings",
        options: "CaptureOptions",
        wanted: "BatchRequest",
        limit: int,
        hosts: tuple[str, ...],
        as_json: bool,
        quiet: bool,
    ) -> None:
        from snapshotter.app import machine
        from snapshotter.app.policies.decisions import PolicyDecisions
        from snapshotter.policy import page_identity

        self._settings = settings
        self._options = options
        self._wanted = wanted
        self._limit = limit
        self._hosts = hosts
        self._as_json = as_json
        self._quiet = quiet
        self._clock = machine.SystemClock()
        self._rules = page_identity.shipped_identity_rules()
        self._decisions = PolicyDecisions(settings, options)
        self._decisions("")  # the command's own: without it there is nothing to do

    def dry_run(self) -> int:
        """Say what would be visited, and how long that takes."""
        from snapshotter.app.batch import open_batch
        from snapshotter.app.batch.rows import pending_rows
        from snapshotter.app.wiring import queue as wiring_jobs

        plan, journal = open_batch.preview_batch(
            self._wanted, self._decisions.check, self._rules, dry_run=True
        )
        for note in plan.notes:
            print_message(note)
        left = pending_rows(plan, journal, retry_failed=self._wanted.retry_failed)
        forecast = Forecast(
            plan,
            self.chosen(left),
            over=len(plan.rows_to_capture) - len(left),
            name=self._wanted.name or "standard input",
            now=self._clock.now(),
        )
        forecast.show_message(wiring_jobs.politeness(self._settings), as_json=self._as_json)
        return 0

    def chosen(self, entries: "tuple[BatchRow, ...]") -> "tuple[BatchRow, ...]":
        """Return the rows that this run is about."""
        found = tuple(
            entry for entry in entries if not self._hosts or self._is_of_hosts(entry.host)
        )
        return found[: self._limit] if self._limit else found

    def _is_of_hosts(self, host: str) -> bool:
        return any(
            host == known_host or host.endswith(f".{known_host}") for known_host in self._hosts
        )

    def run(self) -> int:
        """Capture in this process; return the exit code."""
        from snapshotter.app.batch import enqueue as queued
        from snapshotter.app.batch import open_batch, run
        from snapshotter.app.interruption import Interruption
        from snapshotter.app.pipeline import safekeeping
        from snapshotter.app.pipeline.host_pacing import VisitQueue
        from snapshotter.app.pipeline.series import CaptureSeries, retry_in_background
        from snapshotter.app.wiring import capture as wiring
        from snapshotter.app.wiring import queue as wiring_jobs
        from snapshotter.cli.capture import ask_passphrase

        # Before a key is made and a browser looked for: a table that can not be read.
        queued.refuse_if_queued(
            *open_batch.preview_batch(self._wanted, self._decisions.check, self._rules)
        )
        stop = Interruption()
        with stop.handle_signals():
            dependencies = wiring.capture_dependencies(
                self._settings,
                ask=ask_passphrase,
                show_message=print_message,
                locked=self._decisions.locked,
                check_replay=self._options.check_replay,
            )
            with (
                wiring_jobs.visit_tracker(
                    self._settings, self._clock, longest=self._decisions.longest + _SEALING
                ) as visits,
                open_batch.open_batch(
                    self._wanted, self._decisions.check, self._rules,
                    store=dependencies.store.url, clock=self._clock, ids=dependencies.ids,
                    show_message=print_message,
                ) as state,
            ):  # fmt: skip
                queued.refuse_if_queued(state.plan, state.journal)
                kept = safekeeping.rescue_spooled(dependencies)
                with BatchDisplay(state, quiet=self._quiet, as_json=self._as_json) as display:
                    run.recover(state, dependencies, self._decisions, display)
                    for file in kept:
                        if file.exists():
                            print_message(f"an earlier capture was sealed and not stored: {file}")
                            print_message(f"try: snapshotter store add {file}")
                    entries = self.chosen(
                        state.pending_rows(retry_failed=self._wanted.retry_failed)
                    )
                    display.begin(entries, visits.politeness)
                    owed = retry_in_background(dependencies, print_message)
                    with CaptureSeries(dependencies, stop) as series:
                        ended = run.capture_all(
                            state, entries, series,
                            VisitQueue(visits, self._clock, [entry.url for entry in entries]),
                            self._decisions, display, pause=time.sleep,
                        )  # fmt: skip
                state.write()
                code = self._summary(state, ended)
            if code != INTERRUPTED_EXIT_CODE:
                owed.join(self._settings.timestamp_timeout_s)
        return code

    def enqueue(self, *, wait: bool) -> int:
        """Hand rows to the queue, and write down what came of them up to now."""
        from snapshotter.app import machine
        from snapshotter.app.batch import enqueue as queued
        from snapshotter.app.batch import open_batch, run
        from snapshotter.app.wiring import queue as wiring_jobs
        from snapshotter.app.wiring import store as wiring_store
        from snapshotter.jobs.workers.registry import LIVE_STATES, WorkerRegistry

        open_batch.preview_batch(self._wanted, self._decisions.check, self._rules)
        store = wiring_store.store(self._settings).url
        database = wiring_jobs.database(self._settings)
        try:
            queue = wiring_jobs.queue(self._settings, database)
            with (
                open_batch.open_batch(
                    self._wanted, self._decisions.check, self._rules,
                    store=store, clock=self._clock, ids=machine.RandomIds(),
                    show_message=print_message,
                ) as state,
                BatchDisplay(state, quiet=self._quiet, as_json=self._as_json) as display,
            ):  # fmt: skip
                queued.refuse_if_local(state)
                pending_rows = state.pending_rows(retry_failed=self._wanted.retry_failed)
                entries = self.chosen(
                    tuple(entry for entry in pending_rows if not state.known(entry).queued)
                )
                taken = queued.enqueue_rows(
                    state, entries, queue, policy=self._options.policy or ""
                )
                if taken:
                    display.message(f"handed over: {format_number_of(taken, 'page')}")
                display.begin(
                    tuple(
                        entry for entry in state.plan.rows_to_capture if state.known(entry).queued
                    ),
                    wiring_jobs.politeness(self._settings),
                )
                left = queued.update_results(state, queue, display)
                if left and not any(
                    worker.state in LIVE_STATES for worker in WorkerRegistry(database).workers()
                ):
                    display.message("no worker is there yet: snapshotter worker")
                ended = run.RunResult()
                if left and wait:
                    ended = queued.wait_for_jobs(state, queue, display, pause=time.sleep)
                state.write()
            return self._summary(state, ended, queued=True)
        finally:
            database.dispose()

    def _summary(self, state: "BatchState", ended: "RunResult", *, queued: bool = False) -> int:
        from snapshotter.policy import picking

        counts = state.counts()
        code = counts.exit_code
        if picked := self._decisions.picked:
            print_message(f"policies by address: {picking.describe_picks(picked.values())}")
        if ended.stopped is not None:
            code = ended.stopped.exit_code
        if ended.interrupted:
            code = INTERRUPTED_EXIT_CODE
        if self._as_json:
            print_json(
                {
                    "batch": state.journal.batch,
                    "exit_code": code,
                    "handled_before": counts.handled,
                    "interrupted": ended.interrupted,
                    "journal": str(state.journal.path),
                    "left": counts.left,
                    "rows": counts.rows,
                    "statuses": dict(counts.by_status),
                    "summary": True,
                    "table": str(state.output.path),
                }
            )
        else:
            print_result(format_counts(counts))
            print_result(f"table: {state.output.path}")
            print_failures(state)
        if ended.stopped is not None:
            print_message(f"one after the other failed, so nothing more was begun: {ended.stopped}")
            if ended.stopped.hint:
                print_message(f"try: {ended.stopped.hint}")
        if ended.interrupted and not queued:
            print_message("interrupted; what was captured is stored, and stands in the table")
        if counts.left and queued:
            print_message(
                f"with the workers: {format_number_of(counts.left, 'row')}; the same command "
                "says how far"
            )
        elif counts.left:
            print_message(f"left: {format_number_of(counts.left, 'row')}; the same command goes on")
        return code
