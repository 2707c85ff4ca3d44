"""`snapshotter batch`: a table of addresses in, the same table with what came of them out."""

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from snapshotter.cli.how import How, how_options
from snapshotter.cli.output import on_terminal, result, result_json, say, words_of_step
from snapshotter.errors import SnapshotterError

if TYPE_CHECKING:
    from snapshotter.app.batch.book import Book, Counts
    from snapshotter.app.batch.journal import Came, Journal
    from snapshotter.app.batch.opening import Wanted
    from snapshotter.app.batch.plan import Entry, Plan
    from snapshotter.app.batch.run import Ended
    from snapshotter.app.pipeline import Result
    from snapshotter.app.settings import Settings
    from snapshotter.model.request import Decision
    from snapshotter.policy.politeness import Politeness
    from snapshotter.ports import Progress

_INTERRUPTED = 130
_VISIT = timedelta(seconds=3)  # that a page takes, before any was captured (docs/performance.md)
_SEALING = timedelta(minutes=1)  # and storing, after the page
_LONG = timedelta(seconds=10)  # a wait that is told of at once
_NAMED = 5  # rows that are named; the table has them all
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
        self._made: dict[str, Decision | SnapshotterError] = {}

    def __call__(self, name: str) -> "Decision":
        """Return what the policy of a row makes; "" is the command's own. Raises as it does."""
        if name not in self._made:
            try:
                self._made[name] = self._decided(name)
            except SnapshotterError as error:
                self._made[name] = error
        made = self._made[name]
        if isinstance(made, SnapshotterError):
            raise made
        return made

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

    def _decided(self, name: str) -> "Decision":
        from snapshotter.app import wiring

        # A table is data, and may have come from anybody: it chooses among policies, and gives
        # pages no more than the command does (docs/adr, "A file that is found").
        settings = self._settings
        if name and name != settings.policy:
            settings = replace(settings, policy=name, policy_was_found=True)
        return self._how.decide(wiring.policy(settings), settings)


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
        from snapshotter.app import wiring, wiring_jobs

        self._settings = settings
        self._how = how
        self._wanted = wanted
        self._limit = limit
        self._hosts = hosts
        self._as_json = as_json
        self._quiet = quiet
        self._clock = wiring.SystemClock()
        self._rules = wiring_jobs.identity_rules()
        self._decisions = _Decisions(settings, how)
        self._decisions("")  # the command's own: without it there is nothing to do

    def dry_run(self) -> int:
        """Say what would be visited, and how long that takes."""
        from snapshotter.app import wiring_jobs
        from snapshotter.app.batch import opening

        plan, journal = opening.look(self._wanted, self._decisions.check, self._rules, dry_run=True)
        for note in plan.notes:
            say(note)
        _Forecast(plan, journal, self).tell(wiring_jobs.politeness(self._settings))
        return 0

    def chosen(self, entries: "tuple[Entry, ...]") -> "tuple[Entry, ...]":
        """Return the rows that this run is about."""
        found = tuple(it for it in entries if not self._hosts or self._is_of_hosts(it.host))
        return found[: self._limit] if self._limit else found

    def _is_of_hosts(self, host: str) -> bool:
        return any(host == it or host.endswith(f".{it}") for it in self._hosts)

    @property
    def wanted(self) -> "Wanted":
        """The table, as it was given."""
        return self._wanted

    @property
    def now(self) -> datetime:
        """The time."""
        return self._clock.now()

    @property
    def as_json(self) -> bool:
        """Whether a program reads the result."""
        return self._as_json

    def run(self) -> int:
        """Capture in this process; return the exit code."""
        from snapshotter.app import pipeline, wiring, wiring_jobs
        from snapshotter.app.batch import opening, queued, run
        from snapshotter.app.interruption import Interruption
        from snapshotter.app.pace import Line
        from snapshotter.app.series import Series, retry_in_background
        from snapshotter.cli.capture import ask_passphrase

        # Before a key is made and a browser looked for: a table that can not be read.
        opening.look(self._wanted, self._decisions.check, self._rules)
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
                queued.check_not_queued(book)
                kept = pipeline.rescue(world)
                with _Display(book, quiet=self._quiet, as_json=self._as_json) as display:
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
        from snapshotter.app import wiring, wiring_jobs
        from snapshotter.app.batch import opening, queued, run
        from snapshotter.jobs.roster import LIVE, Roster

        opening.look(self._wanted, self._decisions.check, self._rules)
        store = wiring.store(self._settings).url
        database = wiring_jobs.database(self._settings)
        try:
            queue = wiring_jobs.queue(self._settings, database)
            with (
                opening.opened(
                    self._wanted, self._decisions.check, self._rules,
                    store=store, clock=self._clock, ids=wiring.RandomIds(), tell=say,
                ) as book,
                _Display(book, quiet=self._quiet, as_json=self._as_json) as display,
            ):  # fmt: skip
                queued.check_not_local(book)
                to_do = book.to_do(retry_failed=self._wanted.retry_failed)
                entries = self.chosen(tuple(it for it in to_do if not book.known(it).queued))
                taken = queued.hand_over(book, entries, queue, policy=self._how.policy or "")
                display.says(f"{taken:,} pages were handed over")
                display.begin(
                    tuple(it for it in book.plan.asked if book.known(it).queued),
                    wiring_jobs.politeness(self._settings),
                )
                if not any(it.state in LIVE for it in Roster(database).workers()):
                    display.says("no worker is there yet: snapshotter worker")
                if wait:
                    ended = queued.follow(book, queue, display, pause=time.sleep)
                else:
                    queued.refresh(book, queue, display)
                    ended = run.Ended()
                book.write()
            return self._summary(book, ended, queued=True)
        finally:
            database.dispose()

    def _summary(self, book: "Book", ended: "Ended", *, queued: bool = False) -> int:
        counts = book.counts()
        code = counts.exit_code
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
            result(_counts_in_words(counts))
            result(f"table: {book.output.path}")
            _name_failures(book)
        if ended.stopped is not None:
            say(f"one after the other failed, so nothing more was begun: {ended.stopped}")
            if ended.stopped.hint:
                say(f"try: {ended.stopped.hint}")
        if ended.interrupted and not queued:
            say("interrupted; what was captured is stored, and stands in the table")
        if counts.left and queued:
            say(
                f"{counts.left:,} rows are with the workers; the same command says how far they are"
            )
        elif counts.left:
            say(f"{counts.left:,} rows are left; the same command goes on with them")
        return code


def _counts_in_words(counts: "Counts") -> str:
    parts = [f"{count:,} {status}" for status, count in counts.by_status.items()]
    if counts.handled:
        parts.append(f"{counts.handled:,} left as they were")
    if counts.left:
        parts.append(f"{counts.left:,} to do")
    return f"{counts.rows:,} rows: {', '.join(parts) or 'nothing to do'}"


def _name_failures(book: "Book") -> None:
    from snapshotter.app.addresses import shown

    failed = [
        (it, came)
        for it in book.plan.entries
        if (came := book.came(it)) is not None and came.status in {"failed", "dead"}
    ]
    for entry, came in failed[:_NAMED]:
        say(f"row {entry.row.number} (line {entry.row.line}): {shown(entry.url)}: {came.error}")
        if came.hint:
            say(f"try: {came.hint}")
    if len(failed) > _NAMED:
        say(f"and {len(failed) - _NAMED:,} more rows that failed: the table has them")
    if any(not it.problem for it, _ in failed):
        say("try: --retry-failed")


class _Display:
    """What a person sees of a run, or a program: a `run.Watcher`."""

    def __init__(self, book: "Book", *, quiet: bool, as_json: bool) -> None:
        self._book = book
        self._quiet = quiet
        self._as_json = as_json
        self._entries: tuple[Entry, ...] = ()
        self._rules: Politeness | None = None
        self._left: dict[str, int] = {}
        self._done = 0
        self._failed = 0
        self._since = time.monotonic()
        self._estimate_at = self._ends_at = 0.0  # monotonic
        self._wait = ("", 0.0)  # for what, and since when (monotonic)
        self._told_wait = ""
        self._begun = False  # the row whose capture was announced last is not over
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if on_terminal() and not self._quiet:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.table import Column

            # What is visited gives way on a narrow terminal, and nothing else.
            rest = Column(no_wrap=True, overflow="ellipsis", ratio=1)
            self._bar = Progress(
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[rate]}", table_column=Column(no_wrap=True)),
                TextColumn("{task.description}", markup=False, table_column=rest),
                console=Console(stderr=True, highlight=False),
                transient=True,
                expand=True,
            )
            self._task = self._bar.add_task("", total=None, rate="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def begin(self, entries: "tuple[Entry, ...]", rules: "Politeness") -> None:
        """Rows are about to be captured."""
        self._entries, self._rules = entries, rules
        for entry in entries:
            key = rules.key(entry.url)
            self._left[key] = self._left.get(key, 0) + 1
        self._since = time.monotonic()
        if self._as_json:
            for row in self._book.plan.entries:
                if row.problem is not None:
                    self._object(row)
        if self._bar is not None:
            self._bar.update(self._task, total=len(entries))
        elif not self._quiet and entries:
            say(f"{len(entries):,} pages, {_in_words(self._time_left())} at least")

    # What a run says.

    def begins(self, entry: "Entry") -> "Progress":
        """A row's capture begins."""
        from snapshotter.app.addresses import shown

        url = shown(entry.url)
        if self._bar is not None:
            self._bar.update(self._task, description=url)
        elif not self._quiet:
            say(f"{self._done + 1:,} of {len(self._entries):,}: {url}")
        self._told_wait = ""
        self._begun = True
        bar, task = self._bar, self._task

        def step(stage: str, detail: str) -> None:
            if bar is not None:
                bar.update(task, description=f"{url}: {words_of_step(stage)}")

        return step

    def ended(self, entry: "Entry", came: "Came", done: "Result | None") -> None:
        """A row is over, or put off."""
        from snapshotter.app.addresses import shown

        if self._rules is not None:
            self._done += came.status != "deferred"
            self._failed += came.status == "failed"
            key = self._rules.key(entry.url)
            self._left[key] = max(0, self._left.get(key, 0) - (came.status != "deferred"))
        if self._as_json:
            self._object(entry)
        rate = "" if self._quiet else self._rate()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=rate)
        if came.error and not self._quiet:
            self.says(f"row {entry.row.number}: {shown(entry.url)}: {came.status}: {came.error}")
        elif self._bar is None and not self._quiet and rate:
            row = "" if self._begun else f"row {entry.row.number}: {shown(entry.url)}:"
            say(f"{row or ' '} {came.status}; {rate}")
        self._begun = False

    def waits(self, until: datetime, why: str) -> None:
        """Nothing may be visited until then."""
        if self._quiet:
            return
        if why != self._wait[0]:
            self._wait = why, time.monotonic()
        text = f"waiting until {until:%H:%M:%S} UTC: {why}"
        if self._bar is not None:
            self._bar.update(self._task, description=text)
            return
        long = until - self._book.now() > _LONG or time.monotonic() - self._wait[1] > 5
        if long and why != self._told_wait:
            self._told_wait = why
            say(text)

    def says(self, sentence: str) -> None:
        """Something has to be known."""
        if self._bar is not None:
            self._bar.stop()
            say(sentence)
            self._bar.start()
        else:
            say(sentence)

    def _object(self, entry: "Entry") -> None:
        came = self._book.came(entry)
        if came is not None:
            result_json(object_of(entry, came))

    def _rate(self) -> str:
        """Return how fast it goes and how long it takes still, in words."""
        began = time.monotonic()
        took = began - self._since
        if not self._done or took <= 0:
            return ""
        if began >= self._estimate_at:  # of many rows it takes a while, and is not needed each time
            left = self._time_left(timedelta(seconds=took / self._done))
            self._ends_at = began + left.total_seconds()
            self._estimate_at = began + 20 * (time.monotonic() - began)
        failed = f"{self._failed:,} failed, " if self._failed else ""
        left_s = max(0.0, self._ends_at - began)
        return f"{failed}{self._done * 60 / took:.1f} a minute, {_in_words(left_s)} left"

    def _time_left(self, visit: timedelta = _VISIT) -> timedelta:
        from snapshotter.policy import politeness

        if self._rules is None:
            return timedelta(0)
        return politeness.estimate(
            self._rules, self._left, now=self._book.now(), visit=visit, at_once=1
        ).takes


def object_of(entry: "Entry", came: "Came") -> dict[str, Any]:
    """Return the object of a row that `--json` prints, as docs/reference/json.md promises it."""
    from snapshotter.app.addresses import shown

    return {
        "bundle_id": came.bundle_id or None,
        "error": came.error,
        "exit_code": came.exit_code,
        "final_url": came.final_url,
        "hint": came.hint,
        "http_status": came.http_status,
        "line": entry.row.line,
        "location": came.location,
        "outcome": came.outcome,
        "policy": entry.policy,
        "requested_url": shown(entry.url),
        "row": entry.row.number,
        "same_as_row": entry.same_as or None,
        "sha256": came.sha256,
        "status": came.status,
        "tags": list(entry.tags),
        "time": came.time or None,
        "title": came.title,
    }


class _Forecast:
    """What a run would visit, and how long that would take."""

    def __init__(self, plan: "Plan", journal: "Journal | None", command: _Batch) -> None:
        from snapshotter.app.batch.book import to_do

        self._plan = plan
        self._command = command
        left = to_do(plan, journal, retry_failed=command.wanted.retry_failed)
        self._over = len(plan.asked) - len(left)
        self._visited = command.chosen(left)

    def tell(self, rules: "Politeness") -> None:
        """Print it."""
        from snapshotter.policy import politeness

        per_host: dict[str, int] = {}
        for entry in self._visited:
            key = rules.key(entry.url)
            per_host[key] = per_host.get(key, 0) + 1
        found = politeness.estimate(rules, per_host, now=self._command.now, visit=_VISIT, at_once=1)
        plan = self._plan
        bad = [it for it in plan.entries if it.problem is not None]
        same = sum(1 for it in plan.entries if it.same_as)
        handled = sum(it.handled for it in plan.entries)
        if self._command.as_json:
            for host in found.hosts:
                result_json(
                    {
                        "bound_by": host.bound_by.value if host.bound_by else None,
                        "host": host.key,
                        "per_day": host.per_day,
                        "takes_s": round(host.takes.total_seconds()),
                        "visits": host.visits,
                    }
                )
            result_json(
                {
                    "over_before": self._over,
                    "duplicates": same,
                    "handled_before": handled,
                    "refused": [
                        {
                            "error": it.problem.message,
                            "hint": it.problem.hint,
                            "line": it.row.line,
                            "row": it.row.number,
                        }
                        for it in bad
                        if it.problem is not None
                    ],
                    "rows": len(plan.entries),
                    "summary": True,
                    "takes_s": round(found.takes.total_seconds()),
                    "visits": found.visits,
                }
            )
            return
        result(f"{len(plan.entries):,} rows in {self._command.wanted.name or 'standard input'}")
        for count, words in (
            (self._over, "are over, by runs before this one"),
            (same, "mean the same page as another row"),
            (handled, "left as they are: empty, or with a status"),
            (len(bad), "can not be captured"),
        ):
            if count:
                result(f"{count:9,} {words}")
        result(f"{found.visits:9,} would be visited, in {_in_words(found.takes)} at least")
        if found.hosts:
            result()
            result(f"{'visits':>9}  {'takes':>10}  host")
        for host in found.hosts:
            why = f" ({_WHY[host.bound_by.value]})" if host.bound_by else ""
            result(f"{host.visits:9,}  {_in_words(host.takes):>10}  {host.key}{why}")
        for entry in bad[:_NAMED]:
            say(f"row {entry.row.number} (line {entry.row.line}): {entry.problem}")
        if len(bad) > _NAMED:
            say(f"and {len(bad) - _NAMED:,} more rows that can not be captured")
        say(f"nothing was visited; a page is taken to need {_VISIT.total_seconds():.0f} s")


_WHY = {
    "interval": "time between two visits",
    "budget": "its day's budget",
    "quiet": "its quiet hours",
}


def _in_words(span: timedelta | float) -> str:
    """Return a span, or seconds, for a person: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    seconds = round(span.total_seconds() if isinstance(span, timedelta) else span)
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
