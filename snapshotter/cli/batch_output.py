"""
Print what `snapshotter batch` does: its progress, its results, and the forecast of `--dry-run`.
"""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from snapshotter.app.json_objects.values import milliseconds
from snapshotter.cli.output import (
    on_terminal,
    print_hint,
    print_json,
    print_message,
    print_result,
    step_text,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.batch.journal import RowResult
    from snapshotter.app.batch.plan import BatchPlan, BatchRow
    from snapshotter.app.batch.state import BatchState, Counts
    from snapshotter.app.batch.whole_batch import BatchResult
    from snapshotter.app.pipeline.run import CaptureResult
    from snapshotter.policy.host_rules import Politeness
    from snapshotter.policy.policy_selection import Candidate
    from snapshotter.ports import Progress

_VISIT = timedelta(seconds=3)  # that a page takes, before any was captured (docs/performance.md)
_LONG = timedelta(seconds=10)  # a longer wait is shown at once
_NAMED = 5  # rows that are named; the table has them all


def format_counts(counts: "Counts") -> str:
    """Return the counts of rows by their result: `5 rows: 3 done, 2 to do`."""
    parts = [f"{count:,} {status}" for status, count in counts.by_status.items()]
    if counts.handled:
        parts.append(f"{counts.handled:,} unchanged")
    rest = counts.rows - counts.handled - sum(counts.by_status.values())
    if rest:
        parts.append(f"{rest:,} to do")
    return f"{format_number_of(counts.rows, 'row')}: {', '.join(parts) or tr('nothing to do')}"


def print_summary(
    done: "BatchResult", picked: "Mapping[str, Candidate]", *, as_json: bool, queued: bool
) -> None:
    """
    Print the results of a run.

    Args:
        picked: The policies that addresses decided for.
        queued: The rows were handed to the queue.
    """
    from snapshotter.policy.policy_selection import describe_picks

    state, ended = done.state, done.ended
    counts = state.counts()
    if picked:
        print_message(
            tr(
                "policies that the addresses of the pages select: {picks}",
                picks=describe_picks(picked.values()),
            )
        )
    if as_json:
        print_json(
            {
                "batch": state.journal.batch,
                "exit_code": done.exit_code,
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
        print_result(tr("table with the results: {path}", path=state.output.path))
        print_failures(state)
    if ended.stopped is not None:
        print_message(
            tr(
                "the batch was stopped, because several consecutive captures failed: {stopped}",
                stopped=ended.stopped,
            )
        )
        print_hint(ended.stopped.hint)
    if ended.interrupted and not queued:
        print_message(
            tr(
                "the batch was interrupted: the finished captures are stored, and the table "
                "contains their results"
            )
        )
    if counts.left and queued:
        print_message(
            tr(
                "rows that the workers have not finished: {left:,}. To show the progress, "
                "give the same command again",
                left=counts.left,
            )
        )
    elif counts.left:
        print_message(
            tr(
                "rows that are not captured yet: {left:,}. To continue, give the same "
                "command again",
                left=counts.left,
            )
        )


def print_failures(state: "BatchState") -> None:
    """Print the first rows that failed, why they failed, and what to do next."""
    from snapshotter.model.capture_url import printable_url

    failed = [
        (entry, result)
        for entry in state.plan.entries
        if (result := state.result(entry)) is not None and result.status in {"failed", "dead"}
    ]
    for entry, result in failed[:_NAMED]:
        print_message(
            tr(
                "row {number} (line {line}): {url}: {error}",
                number=entry.row.number,
                line=entry.row.line,
                url=printable_url(entry.url),
                error=result.error,
            )
        )
        print_hint(result.hint)
    if len(failed) > _NAMED:
        print_message(
            tr(
                "further failed rows: {count:,}. The table contains all failed rows",
                count=len(failed) - _NAMED,
            )
        )
    if any(not entry.problem for entry, _ in failed):
        print_message(tr("try: capture the failed rows again, with the option --retry-failed"))


class BatchProgress:
    """Show the progress of a batch on a terminal or as JSON: a `BatchDisplay`."""

    def __init__(self, state: "BatchState", *, quiet: bool, as_json: bool) -> None:
        self._state = state
        self._quiet = quiet
        self._as_json = as_json
        self._entries: tuple[BatchRow, ...] = ()
        self._same: dict[int, list[BatchRow]] = {}  # duplicates, by the row with their page
        for entry in state.plan.entries if as_json else ():
            if entry.same_as:
                self._same.setdefault(entry.same_as, []).append(entry)
        self._rules: Politeness | None = None
        self._left: dict[str, int] = {}
        self._done = 0
        self._failed = 0
        self._since = time.monotonic()
        self._estimate_at = self._ends_at = 0.0  # monotonic
        self._wait = ("", 0.0)  # for what, and since when (monotonic)
        self._told_wait = ""
        self._open: dict[int, None] = {}  # rows that were announced and are not over, in order
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

    def begin(self, entries: "tuple[BatchRow, ...]", rules: "Politeness") -> None:
        """Show which rows are about to be captured."""
        self._entries, self._rules = entries, rules
        for entry in entries:
            key = rules.key(entry.url)
            self._left[key] = self._left.get(key, 0) + 1
        self._since = time.monotonic()
        if self._as_json:
            for row in self._state.plan.entries:
                if row.problem is not None:
                    self._object(row)
        if self._bar is not None:
            self._bar.update(self._task, total=len(entries))
        elif not self._quiet and entries:
            print_message(
                tr(
                    "pages: {count:,}; the captures take at least {span}",
                    count=len(entries),
                    span=format_span(self._time_left()),
                )
            )

    # Calls of the run.

    def row_started(self, entry: "BatchRow") -> "Progress":
        """Show that the capture of a row begins; return the display of its steps."""
        from snapshotter.model.capture_url import printable_url

        url = printable_url(entry.url)
        if self._bar is not None:
            self._bar.update(self._task, description=url)
        elif not self._quiet:
            print_message(
                tr(
                    "{done:,} of {count:,}: {url}",
                    done=self._done + len(self._open) + 1,
                    count=len(self._entries),
                    url=url,
                )
            )
        self._told_wait = ""
        self._open[entry.row.number] = None
        bar, task = self._bar, self._task

        def step(stage: str, detail: str) -> None:
            if bar is not None:
                bar.update(task, description=f"{url}: {step_text(stage)}")

        return step

    def ended(self, entry: "BatchRow", result: "RowResult", done: "CaptureResult | None") -> None:
        """Show the result of a row, or that it was deferred."""
        from snapshotter.model.capture_url import printable_url

        if self._rules is not None:
            self._done += result.status != "deferred"
            self._failed += result.status == "failed"
            key = self._rules.key(entry.url)
            self._left[key] = max(0, self._left.get(key, 0) - (result.status != "deferred"))
        if self._as_json:
            self._object(entry)
            if result.status != "deferred":
                for same in self._same.get(entry.row.number, ()):
                    self._object(same)
        is_last = next(reversed(self._open), None) == entry.row.number
        self._open.pop(entry.row.number, None)
        rate = "" if self._quiet else self._rate()
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=rate)
        if result.error and not self._quiet:
            self.message(
                f"row {entry.row.number}: {printable_url(entry.url)}: {result.status}: "
                f"{result.error}"
            )
        elif self._bar is None and not self._quiet and rate:
            row = "" if is_last else f"row {entry.row.number}: {printable_url(entry.url)}:"
            print_message(f"{row or ' '} {result.status}; {rate}")

    def waiting(self, until: datetime, why: str) -> None:
        """Show until when no host may be visited."""
        if self._quiet:
            return
        if why != self._wait[0]:
            self._wait = why, time.monotonic()
        text = tr("waiting until {until:%H:%M:%S} UTC: {why}", until=until, why=why)
        if self._bar is not None:
            self._bar.update(self._task, description=text)
            return
        long = until - self._state.now() > _LONG or time.monotonic() - self._wait[1] > 5
        if long and why != self._told_wait:
            self._told_wait = why
            print_message(text)

    def message(self, sentence: str) -> None:
        """Show a sentence."""
        if self._bar is not None:
            self._bar.stop()
            print_message(sentence)
            self._bar.start()
        else:
            print_message(sentence)

    def _object(self, entry: "BatchRow") -> None:
        result = self._state.result(entry)
        if result is not None:
            print_json(row_json(entry, result))

    def _rate(self) -> str:
        """Return the rate and the time that is left, for a person."""
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
        return f"{failed}{self._done * 60 / took:.1f} a minute, {format_span(left_s)} left"

    def _time_left(self, visit: timedelta = _VISIT) -> timedelta:
        from snapshotter.policy import politeness_estimate

        if self._rules is None:
            return timedelta(0)
        return politeness_estimate.estimate(
            self._rules, self._left, now=self._state.now(), visit=visit, at_once=1
        ).takes


def row_json(entry: "BatchRow", result: "RowResult") -> dict[str, Any]:
    """Return the object of a row that `--json` prints (docs/reference/json.md)."""
    from snapshotter.model.capture_url import printable_url

    return {
        "bundle_id": result.bundle_id or None,
        "error": result.error,
        "exit_code": result.exit_code,
        "final_url": result.final_url,
        "hint": result.hint,
        "http_status": result.http_status,
        "line": entry.row.line,
        "location": result.location,
        "outcome": result.outcome,
        "policy": entry.policy,
        "requested_url": printable_url(entry.url),
        "row": entry.row.number,
        "same_as_row": entry.same_as or None,
        "sha256": result.sha256,
        "status": result.status,
        "tags": list(entry.tags),
        "time": result.time or None,
        "title": result.title,
        "verdict": result.verdict,
    }


class Forecast:
    """
    The pages that a run would visit, and how long that would take.

    Args:
        over: How many rows earlier runs have finished.
        visited: The rows that would be captured.
        name: Of the table.
    """

    def __init__(
        self,
        plan: "BatchPlan",
        visited: "tuple[BatchRow, ...]",
        *,
        over: int,
        name: str,
        now: datetime,
    ) -> None:
        self._plan = plan
        self._visited = visited
        self._over = over
        self._name = name
        self._now = now

    def print(self, rules: "Politeness", *, as_json: bool) -> None:
        """Print the forecast."""
        from snapshotter.policy import politeness_estimate

        per_host: dict[str, int] = {}
        for entry in self._visited:
            key = rules.key(entry.url)
            per_host[key] = per_host.get(key, 0) + 1
        found = politeness_estimate.estimate(
            rules, per_host, now=self._now, visit=_VISIT, at_once=1
        )
        plan = self._plan
        bad = [entry for entry in plan.entries if entry.problem is not None]
        same = sum(1 for entry in plan.entries if entry.same_as)
        handled = sum(entry.handled for entry in plan.entries)
        if as_json:
            for host in found.hosts:
                print_json(
                    {
                        "bound_by": host.bound_by.value if host.bound_by else None,
                        "host": host.key,
                        "per_day": host.per_day,
                        "takes_ms": milliseconds(host.takes),
                        "visits": host.visits,
                    }
                )
            print_json(
                {
                    "over_before": self._over,
                    "duplicates": same,
                    "handled_before": handled,
                    "refused": [
                        {
                            "error": entry.problem.message,
                            "hint": entry.problem.hint,
                            "line": entry.row.line,
                            "row": entry.row.number,
                        }
                        for entry in bad
                        if entry.problem is not None
                    ],
                    "rows": len(plan.entries),
                    "summary": True,
                    "takes_ms": milliseconds(found.takes),
                    "visits": found.visits,
                }
            )
            return
        print_result(tr("Rows in {name}: {count:,}", name=self._name, count=len(plan.entries)))
        for count, words in (
            (self._over, tr("finished by earlier runs")),
            (same, tr("with the page of an earlier row")),
            (handled, tr("left unchanged, because the row is empty or has a status already")),
            (len(bad), tr("that cannot be captured")),
        ):
            if count:
                print_result(f"{count:9,} {words}")
        print_result(
            tr(
                "{visits:9,} to be visited; the visits take at least {span}",
                visits=found.visits,
                span=format_span(found.takes),
            )
        )
        if found.hosts:
            print_result()
            print_result(tr("{value:>9}  {value2:>10}  host", value="visits", value2="takes"))
        for host in found.hosts:
            why = f" ({_WHY[host.bound_by.value]})" if host.bound_by else ""
            print_result(f"{host.visits:9,}  {format_span(host.takes):>10}  {host.key}{why}")
        for entry in bad[:_NAMED]:
            print_message(
                tr(
                    "row {number} (line {line}): {problem}",
                    number=entry.row.number,
                    line=entry.row.line,
                    problem=entry.problem,
                )
            )
        if len(bad) > _NAMED:
            print_message(
                tr("further rows that cannot be captured: {count:,}", count=len(bad) - _NAMED)
            )
        print_message(
            tr(
                "no page was visited; the estimate assumes {visit:.0f} s for each page",
                visit=_VISIT.total_seconds(),
            )
        )


_WHY = {
    "interval": tr("limited by the least time between two visits to the host"),
    "budget": tr("limited by the daily budget of the host"),
    "quiet": tr("limited by the quiet hours of the host"),
}


def format_number_of(count: int, what: str) -> str:
    """Return a number with its noun: `1 row`, `1,200 rows`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def format_span(span: timedelta | float) -> str:
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
