"""`snapshotter batch`: a table of addresses in, the same table with what came of them out."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.batch_words import Display, Forecast, counts_in_words, many, name_failures
from snapshotter.cli.how import How, how_options
from snapshotter.cli.output import result, result_json, say
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.batch.book import Book
    from snapshotter.app.batch.opening import Wanted
    from snapshotter.app.batch.plan import Entry
    from snapshotter.app.batch.run import Ended
    from snapshotter.app.settings import Settings
    from snapshotter.model.request import Decision
    from snapshotter.policy.load import Effective
    from snapshotter.policy.picking import Candidate

_INTERRUPTED = 130
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
@how_options
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
    how: How,
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
    from snapshotter.app.batch import opening

    if wait and not enqueue:
        raise click.UsageError("--wait is for --enqueue")
    if enqueue and (local := _local(how)):
        raise click.UsageError(
            f"{', '.join(local)}: with --enqueue that is for the worker's settings and for policies"
        )
    settings = how.settings(ctx)
    wanted = opening.Wanted(
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
        how=how,
        wanted=wanted,
        limit=limit or 0,
        hosts=tuple(it.lower().strip(".") for it in hosts),
        as_json=as_json,
        quiet=quiet,
    )
    if dry_run:
        return command.dry_run()
    return command.enqueue(wait=wait) if enqueue else command.run()


def _local(how: How) -> list[str]:
    """Return the options that say how this process captures, and which no job can carry."""
    names = {
        "allow_networks": "allow-network",
        "authority_files": "ca",
        "cosigners": "cosigner",
        "elements": "element",
        "viewports": "viewport",
    }
    return [
        f"--{names.get(it.name, it.name.replace('_', '-'))}"
        for it in fields(how)
        if it.name != "policy" and getattr(how, it.name)
    ]


def _read(table: Path) -> bytes:
    from snapshotter.formats.tables import MAX_BYTES

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


class _Decisions:
    """How each policy captures, made once for each."""

    def __init__(self, settings: "Settings", how: How) -> None:
        self._settings = settings
        self._how = how
        # By the name, and whether whoever runs this chose it.
        self._made: dict[tuple[str, bool], Decision | SnapshotterError] = {}
        self._known: tuple[Effective, ...] = ()  # where addresses decide
        self.picked: dict[str, Candidate] = {}  # by address

    def __call__(self, name: str, url: str = "") -> "Decision":
        """
        Return what the policy of a row makes; "" is the command's own. Raises as it does.

        Where the address decides, and there is none, every policy is made that it could be.
        """
        from snapshotter.policy.picking import AUTO, known, pick, pickable

        own = name in ("", self._settings.policy)
        wanted = name or self._settings.policy
        if wanted != AUTO:
            return self._once(wanted, own=own)
        self._known = self._known or known(self._settings.policies_dir)
        if url:
            self.picked[url] = picked = pick(url, self._known).winner
            return replace(self._once(picked.name, own=own), policy_why=picked.why)
        for one in pickable(self._known):
            self._once(one.policy.name, own=own)
        return self._once("default", own=own)

    def check(self, name: str) -> None:
        """Raise SnapshotterError for a policy that does not hold."""
        self(name)

    @property
    def locked(self) -> bool:
        """Whether any of them locks what is stored."""
        return any(
            it.retain_days > 0 for it in self._made.values() if not isinstance(it, SnapshotterError)
        )

    @property
    def longest(self) -> timedelta:
        """How long a page may take under any of them."""
        made = [it for it in self._made.values() if not isinstance(it, SnapshotterError)]
        return timedelta(seconds=max(it.limits.total_s for it in made))

    def _once(self, name: str, *, own: bool) -> "Decision":
        if (name, own) not in self._made:
            try:
                self._made[name, own] = self._decided(name, own=own)
            except SnapshotterError as error:
                self._made[name, own] = error
        made = self._made[name, own]
        if isinstance(made, SnapshotterError):
            raise made
        return made

    def _decided(self, name: str, *, own: bool) -> "Decision":
        from snapshotter.app import policy_choice

        # A table is data, and may have come from anybody: it chooses among policies, and gives
        # pages no more than the command does (docs/adr/0058).
        by = self._settings.found.get("policy")
        settings = self._settings.with_policy(
            name, found_in=by.file if by else "" if own else "a table"
        )
        found = policy_choice.configured(settings)
        if not own:
            found = policy_choice.as_closed_as(policy_choice.configured(self._settings), found)
        return self._how.decide(found, settings)


class _Batch:
    """One command, as it was asked for."""

    def __init__(
        self,
        *,
        settings: "Settings",
        how: How,
        wanted: "Wanted",
        limit: int,
        hosts: tuple[str, ...],
        as_json: bool,
        quiet: bool,
    ) -> None:
        from snapshotter.app import machine
        from snapshotter.policy import identity

        self._settings = settings
        self._how = how
        self._wanted = wanted
        self._limit = limit
        self._hosts = hosts
        self._as_json = as_json
        self._quiet = quiet
        self._clock = machine.SystemClock()
        self._rules = identity.shipped_rules()
        self._decisions = _Decisions(settings, how)
        self._decisions("")  # the command's own: without it there is nothing to do

    def dry_run(self) -> int:
        """Say what would be visited, and how long that takes."""
        from snapshotter.app import wiring_jobs
        from snapshotter.app.batch import opening
        from snapshotter.app.batch.book import to_do

        plan, journal = opening.look(self._wanted, self._decisions.check, self._rules, dry_run=True)
        for note in plan.notes:
            say(note)
        left = to_do(plan, journal, retry_failed=self._wanted.retry_failed)
        forecast = Forecast(
            plan,
            self.chosen(left),
            over=len(plan.asked) - len(left),
            name=self._wanted.name or "standard input",
            now=self._clock.now(),
        )
        forecast.tell(wiring_jobs.politeness(self._settings), as_json=self._as_json)
        return 0

    def chosen(self, entries: "tuple[Entry, ...]") -> "tuple[Entry, ...]":
        """Return the rows that this run is about."""
        found = tuple(it for it in entries if not self._hosts or self._is_of_hosts(it.host))
        return found[: self._limit] if self._limit else found

    def _is_of_hosts(self, host: str) -> bool:
        return any(host == it or host.endswith(f".{it}") for it in self._hosts)

    def run(self) -> int:
        """Capture in this process; return the exit code."""
        from snapshotter.app import keeping, wiring, wiring_jobs
        from snapshotter.app.batch import opening, queued, run
        from snapshotter.app.interruption import Interruption
        from snapshotter.app.pace import Line
        from snapshotter.app.series import Series, retry_in_background
        from snapshotter.cli.capture import ask_passphrase

        # Before a key is made and a browser looked for: a table that can not be read.
        queued.check_not_queued(*opening.look(self._wanted, self._decisions.check, self._rules))
        stop = Interruption()
        with stop.heeded():
            world = wiring.world(
                self._settings,
                ask=ask_passphrase,
                tell=say,
                locked=self._decisions.locked,
                check_replay=self._how.check_replay,
            )
            with (
                wiring_jobs.visits(
                    self._settings, self._clock, longest=self._decisions.longest + _SEALING
                ) as visits,
                opening.opened(
                    self._wanted, self._decisions.check, self._rules,
                    store=world.store.url, clock=self._clock, ids=world.ids, tell=say,
                ) as book,
            ):  # fmt: skip
                queued.check_not_queued(book.plan, book.journal)
                kept = keeping.rescue(world)
                with Display(book, quiet=self._quiet, as_json=self._as_json) as display:
                    run.recover(book, world, self._decisions, display)
                    for file in kept:
                        if file.exists():
                            say(f"an earlier capture was sealed and not stored: {file}")
                            say(f"try: snapshotter store add {file}")
                    entries = self.chosen(book.to_do(retry_failed=self._wanted.retry_failed))
                    display.begin(entries, visits.politeness)
                    owed = retry_in_background(world, say)
                    with Series(world, stop) as series:
                        ended = run.capture_all(
                            book, entries, series,
                            Line(visits, self._clock, [it.url for it in entries]),
                            self._decisions, display, pause=time.sleep,
                        )  # fmt: skip
                book.write()
                code = self._summary(book, ended)
            if code != _INTERRUPTED:
                owed.join(self._settings.timestamp_timeout_s)
        return code

    def enqueue(self, *, wait: bool) -> int:
        """Hand rows to the queue, and write down what came of them up to now."""
        from snapshotter.app import machine, wiring_jobs, wiring_store
        from snapshotter.app.batch import opening, queued, run
        from snapshotter.jobs.roster import LIVE, Roster

        opening.look(self._wanted, self._decisions.check, self._rules)
        store = wiring_store.store(self._settings).url
        database = wiring_jobs.database(self._settings)
        try:
            queue = wiring_jobs.queue(self._settings, database)
            with (
                opening.opened(
                    self._wanted, self._decisions.check, self._rules,
                    store=store, clock=self._clock, ids=machine.RandomIds(), tell=say,
                ) as book,
                Display(book, quiet=self._quiet, as_json=self._as_json) as display,
            ):  # fmt: skip
                queued.check_not_local(book)
                to_do = book.to_do(retry_failed=self._wanted.retry_failed)
                entries = self.chosen(tuple(it for it in to_do if not book.known(it).queued))
                taken = queued.hand_over(book, entries, queue, policy=self._how.policy or "")
                if taken:
                    display.says(f"handed over: {many(taken, 'page')}")
                display.begin(
                    tuple(it for it in book.plan.asked if book.known(it).queued),
                    wiring_jobs.politeness(self._settings),
                )
                left = queued.refresh(book, queue, display)
                if left and not any(it.state in LIVE for it in Roster(database).workers()):
                    display.says("no worker is there yet: snapshotter worker")
                ended = run.Ended()
                if left and wait:
                    ended = queued.follow(book, queue, display, pause=time.sleep)
                book.write()
            return self._summary(book, ended, queued=True)
        finally:
            database.dispose()

    def _summary(self, book: "Book", ended: "Ended", *, queued: bool = False) -> int:
        from snapshotter.policy import picking

        counts = book.counts()
        code = counts.exit_code
        if picked := self._decisions.picked:
            say(f"policies by address: {picking.in_words(picked.values())}")
        if ended.stopped is not None:
            code = ended.stopped.exit_code
        if ended.interrupted:
            code = _INTERRUPTED
        if self._as_json:
            result_json(
                {
                    "batch": book.journal.batch,
                    "exit_code": code,
                    "handled_before": counts.handled,
                    "interrupted": ended.interrupted,
                    "journal": str(book.journal.path),
                    "left": counts.left,
                    "rows": counts.rows,
                    "statuses": dict(counts.by_status),
                    "summary": True,
                    "table": str(book.output.path),
                }
            )
        else:
            result(counts_in_words(counts))
            result(f"table: {book.output.path}")
            name_failures(book)
        if ended.stopped is not None:
            say(f"one after the other failed, so nothing more was begun: {ended.stopped}")
            if ended.stopped.hint:
                say(f"try: {ended.stopped.hint}")
        if ended.interrupted and not queued:
            say("interrupted; what was captured is stored, and stands in the table")
        if counts.left and queued:
            say(f"with the workers: {many(counts.left, 'row')}; the same command says how far")
        elif counts.left:
            say(f"left: {many(counts.left, 'row')}; the same command goes on")
        return code
