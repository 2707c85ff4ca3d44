"""`snapshotter queue`: what waits to be captured, and what came of it."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.output import (
    format_time,
    instant_json,
    print_json,
    print_message,
    print_result,
    verdict_lines,
    verdict_object,
)
from snapshotter.cli.queue_hosts import hosts
from snapshotter.cli.queue_tables import migrate, tables
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobState, JobStatus

if TYPE_CHECKING:
    from datetime import datetime

    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.jobs.queue.job_table import JobActionResult
    from snapshotter.jobs.workers.registry import WorkerRegistry

_TOP_S = 1.0  # between two looks
_TOP_JOBS = 20  # that are shown at most
_RUNNING = frozenset({JobState.RUNNING})

states_option = click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in JobState]),
    help="Only jobs in this state; may be repeated.",
)


@click.group()
def queue() -> None:
    """Show, cancel and retry what waits to be captured."""


queue.add_command(hosts)
queue.add_command(tables)
queue.add_command(migrate)


@queue.command(
    "list",
    epilog="""\b
Examples:
  snapshotter queue list
  snapshotter queue list --state dead --state failed
  snapshotter queue list --origin schedule:front-pages --newest 20 --json
""",
)
@states_option
@click.option("--origin", default="", metavar="NAME", help="Only jobs that this one asked for.")
@click.option("--newest", type=click.IntRange(1), metavar="N", help="The newest N alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a job.")
@click.pass_context
def list_(
    ctx: click.Context, states: tuple[str, ...], origin: str, newest: int | None, as_json: bool
) -> None:
    """List jobs in the order in which they were handed over."""
    from snapshotter.app.wiring import queue as wiring_jobs

    found, wanted = 0, frozenset(map(JobState, states))
    with wiring_jobs.command_queue(ctx.obj) as there:
        for status in there.jobs(states=wanted, origin=origin, newest=newest or 0):
            found += 1
            if as_json:
                print_json(job_object(status))
            else:
                print_result(_line(status))
    if not found and not as_json:
        print_message("no job is there; snapshotter capture --enqueue URL hands one over")


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue show 20260115t123045z-abcdefghijklmnop
  snapshotter queue show --json 20260115t123045z-abcdefghijklmnop
"""
)
@click.argument("job_id", metavar="JOB")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, job_id: str, as_json: bool) -> None:
    """Show one job and what came of it."""
    from snapshotter.app.wiring import queue as wiring_jobs

    with wiring_jobs.command_queue(ctx.obj) as there:
        status = there.get(job_id)
    if status is None:
        raise _unknown(job_id)
    if as_json:
        print_json(job_object(status))
    else:
        print_job(status)


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue cancel 20260115t123045z-abcdefghijklmnop
"""
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB…")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a job.")
@click.pass_context
def cancel(ctx: click.Context, job_ids: tuple[str, ...], as_json: bool) -> int:
    """Cancel jobs; a page that is being captured is given up, a bundle stays."""
    from snapshotter.app.wiring import queue as wiring_jobs

    with wiring_jobs.command_queue(ctx.obj) as there:
        return _ruled(there.cancel(job_ids), "cancelled", as_json)


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue retry 20260115t123045z-abcdefghijklmnop
  snapshotter queue retry --state dead
"""
)
@click.argument("job_ids", nargs=-1, metavar="[JOB…]")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["failed", "dead", "cancelled"]),
    help="All jobs in this state; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a job.")
@click.pass_context
def retry(
    ctx: click.Context, job_ids: tuple[str, ...], states: tuple[str, ...], as_json: bool
) -> int:
    """Have jobs that failed, died or were cancelled done again."""
    from snapshotter.app.wiring import queue as wiring_jobs

    if bool(job_ids) == bool(states):
        raise click.UsageError("name jobs, or a --state")
    with wiring_jobs.command_queue(ctx.obj) as there:
        wanted: Sequence[str] = job_ids
        if states:
            wanted = [
                status.job.id for status in there.jobs(states=frozenset(map(JobState, states)))
            ]
            if not wanted and not as_json:
                print_message("no job is in that state")
        return _ruled(there.retry(wanted), "waits again", as_json)


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue purge --days 30
  snapshotter queue purge --days 0 --state cancelled --state done
"""
)
@click.option(
    "--days", type=click.IntRange(0), required=True, help="Those that were over so long ago."
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in JobState if state.over]),
    help="Only jobs in this state; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def purge(ctx: click.Context, days: int, states: tuple[str, ...], as_json: bool) -> None:
    """Forget jobs that are over. No bundle is touched, and nothing in the log."""
    from snapshotter.app.wiring import queue as wiring_jobs

    chosen = tuple(map(JobState, states)) or tuple(state for state in JobState if state.over)
    with wiring_jobs.command_queue(ctx.obj) as there:
        count = there.purge(before=there.now() - timedelta(days=days), states=chosen)
    if as_json:
        print_json({"purged": count})
    else:
        print_result(f"{count} jobs were forgotten")


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue top
  snapshotter queue top --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, once.")
@click.pass_context
def top(ctx: click.Context, as_json: bool) -> None:
    """Watch the queue: jobs by state, workers, and what is being captured. Ctrl-C ends it."""
    from snapshotter.app.wiring import queue as wiring_jobs
    from snapshotter.jobs.workers.registry import WorkerRegistry

    with wiring_jobs.queue_database(ctx.obj) as database:
        found, roster = wiring_jobs.queue(ctx.obj, database), WorkerRegistry(database)
        if as_json:
            print_json(_top_object(found, roster))
        else:
            _show_live(lambda: _top_lines(found, roster))


def _top_object(found: "DatabaseQueue", roster: "WorkerRegistry") -> dict[str, Any]:
    return {
        "jobs": {state.value: count for state, count in found.counts().items()},
        "running": [job_object(status) for status in found.jobs(states=_RUNNING)],
        "workers": [
            {
                "detail": worker.detail,
                "slots": worker.slots,
                "state": worker.state.value,
                "worker": worker.id,
            }
            for worker in roster.live_workers()
        ],
    }


def _top_lines(found: "DatabaseQueue", roster: "WorkerRegistry") -> list[str]:
    counts, now = found.counts(), found.now()
    told = [
        "  ".join(f"{state.value} {counts[state]}" for state in JobState if state in counts)
        or "no jobs",
        "",
    ]
    for worker in roster.live_workers():
        silent = max((now - worker.beat_at).total_seconds(), 0)
        told.append(
            f"{worker.id:<40} {worker.state.value:<9} {worker.slots} at a time, "
            f"{worker.done} done, "
            f"seen {silent:.0f} s ago{f': {worker.detail}' if worker.detail else ''}"
        )
    told.append("")
    told += [_running(status, now) for status in found.jobs(states=_RUNNING, newest=_TOP_JOBS)]
    return told


def _show_live(lines: Callable[[], list[str]]) -> None:
    """Show lines again and again on a terminal; anywhere else, once."""
    from snapshotter.formats.printable import printable

    if not sys.stdout.isatty():
        for line in lines():
            print_result(line)
        return
    from rich.live import Live
    from rich.text import Text

    def text() -> Text:
        return Text("\n".join(map(printable, lines())))

    # Ctrl-C is how one leaves.
    with (
        contextlib.suppress(KeyboardInterrupt),
        Live(text(), auto_refresh=False, screen=True) as live,
    ):
        while True:
            live.update(text(), refresh=True)
            time.sleep(_TOP_S)


def _running(status: JobStatus, now: "datetime") -> str:
    since = (now - status.started_at).total_seconds() if status.started_at else 0.0
    note = f"  {status.notes[-1]}" if status.notes else ""
    return f"{since:5.0f} s  {status.worker:<30} {status.job.url}{note}"


def _ruled(ruled: "dict[str, JobActionResult]", done: str, as_json: bool) -> int:
    """Tell what became of each job; return the exit code."""
    from snapshotter.jobs.queue.job_table import JobActionResult

    words = {
        JobActionResult.DONE: done,
        JobActionResult.UNKNOWN: "there is no such job",
        JobActionResult.OVER: "it is over already",
        JobActionResult.STORING: "too late: its bundle is being stored",
        JobActionResult.HAS_BUNDLE: "it has its bundle; capture the page anew",
        JobActionResult.UNDER_WAY: "it has not come to its end yet",
    }
    for job_id, ruling in ruled.items():
        if as_json:
            print_json({"job_id": job_id, "result": ruling.value})
        else:
            print_result(f"{job_id}: {words[ruling]}")
    good = all(ruling is JobActionResult.DONE for ruling in ruled.values())
    return 0 if good else SnapshotterError.exit_code


def _unknown(job_id: str) -> SnapshotterError:
    return SnapshotterError(
        f"there is no job {job_id}", hint="snapshotter queue list; jobs that are over are forgotten"
    )


def job_object(status: JobStatus) -> dict[str, Any]:
    """Return the object that `--json` prints, as docs/reference/json.md promises it."""
    job = status.job
    return {
        "attempts": status.attempts,
        "bundle": {"path": status.location, "sha256": status.sha256} if status.bundle_id else None,
        "bundle_id": status.bundle_id or None,
        "court_minimum": status.court_minimum,
        "due_at": instant_json(status.due_at),
        "ended_at": instant_json(status.ended_at),
        "enqueued_at": instant_json(job.enqueued_at),
        "error": status.error,
        "exit_code": status.exit_code,
        "final_url": status.final_url,
        "hint": status.hint,
        "http_status": status.http_status,
        "job_id": job.id,
        "light": job.light,
        "not_after": instant_json(job.not_after),
        "not_before": instant_json(job.not_before),
        "notes": list(status.notes),
        "origin": job.origin,
        "outcome": status.outcome or None,
        "policy": job.policy,
        "priority": job.priority,
        "requested_url": job.url,
        "started_at": instant_json(status.started_at),
        "state": status.state.value,
        "tags": list(job.tags),
        "title": status.title,
        "vantage": job.vantage,
        "verdict": verdict_object(status.shown),
        "worker": status.worker,
    }


def _line(status: JobStatus) -> str:
    more = status.error or status.bundle_id
    if status.due_at and not status.state.over:
        more = f"due {format_time(status.due_at)}{f', {more}' if more else ''}"
    return (
        f"{status.job.id}  {status.state.value:<10} {status.job.url}{f'  {more}' if more else ''}"
    )


def print_job(status: JobStatus) -> None:
    """Print one job for a person."""
    job = status.job
    print_result(f"{status.state.value}: {job.url}")
    facts: Iterable[tuple[str, object]] = (
        ("job", job.id),
        ("origin", job.origin),
        ("policy", job.policy),
        ("tags", ", ".join(job.tags)),
        ("priority", job.priority),
        ("handed over", _when(job.enqueued_at)),
        ("not before", _when(job.not_before)),
        ("not after", _when(job.not_after)),
        ("due", _when(status.due_at)),
        ("attempts", status.attempts),
        ("worker", status.worker),
        ("began", _when(status.started_at)),
        ("ended", _when(status.ended_at)),
        ("outcome", status.outcome),
        *verdict_lines(status.shown),
        ("HTTP status", status.http_status),
        ("final URL", status.final_url),
        ("title", status.title),
        ("bundle", status.location),
        ("sha256", status.sha256),
        ("why", status.error),
        ("try", status.hint),
        *(("note", note) for note in status.notes),
    )
    for name, value in facts:
        if value not in ("", None):
            print_result(f"  {name:<12} {value}")


def _when(at: "datetime | None") -> str:
    return format_time(at) if at else ""
