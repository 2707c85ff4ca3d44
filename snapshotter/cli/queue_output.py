"""Print jobs, the results of actions on jobs, and the state of the whole queue, as text or JSON."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from snapshotter.cli.output import format_time, print_json, print_result, verdict_lines
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobState, JobStatus
from snapshotter.translation import tr

if TYPE_CHECKING:
    from datetime import datetime

    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.jobs.queue.job_table import JobActionResult
    from snapshotter.jobs.workers.registry import WorkerRegistry


_TOP_S = 1.0  # between two looks


_TOP_JOBS = 20  # that are shown at most


_RUNNING = frozenset({JobState.RUNNING})


def top_lines(found: "DatabaseQueue", registry: "WorkerRegistry") -> list[str]:
    counts, now = found.counts(), found.now()
    lines = [
        "  ".join(f"{state.value} {counts[state]}" for state in JobState if state in counts)
        or tr("the queue contains no job"),
        "",
    ]
    for worker in registry.live_workers():
        silent = max((now - worker.beat_at).total_seconds(), 0)
        lines.append(
            tr(
                "{id:<40} {value:<9} captures at the same time: {slots}, finished: {done}, last "
                "signal {silent:.0f} s ago{value2}",
                id=worker.id,
                value=worker.state.value,
                slots=worker.slots,
                done=worker.done,
                silent=silent,
                value2=f": {worker.detail}" if worker.detail else "",
            )
        )
    lines.append("")
    lines += [
        _running_line(status, now) for status in found.jobs(states=_RUNNING, newest=_TOP_JOBS)
    ]
    return lines


def show_live(lines: Callable[[], list[str]]) -> None:
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


def _running_line(status: JobStatus, now: "datetime") -> str:
    since = (now - status.started_at).total_seconds() if status.started_at else 0.0
    note = f"  {status.notes[-1]}" if status.notes else ""
    return f"{since:5.0f} s  {status.worker:<30} {status.job.url}{note}"


def print_action_results(results: "dict[str, JobActionResult]", done: str, as_json: bool) -> int:
    """Print the result of an action on each job; return the exit code."""
    from snapshotter.jobs.queue.job_table import REFUSED_ACTIONS, JobActionResult

    words = {**REFUSED_ACTIONS, JobActionResult.DONE: done}
    for job_id, result in results.items():
        if as_json:
            print_json({"job_id": job_id, "result": result.value})
        else:
            print_result(f"{job_id}: {words[result]}")
    good = all(result is JobActionResult.DONE for result in results.values())
    return 0 if good else SnapshotterError.exit_code


def job_line(status: JobStatus) -> str:
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
        ("handed over", _time_or_nothing(job.enqueued_at)),
        ("not before", _time_or_nothing(job.not_before)),
        ("not after", _time_or_nothing(job.not_after)),
        ("due", _time_or_nothing(status.due_at)),
        ("attempts", status.attempts),
        ("worker", status.worker),
        ("began", _time_or_nothing(status.started_at)),
        ("ended", _time_or_nothing(status.ended_at)),
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
            first, *commands = str(value).split("\n") if name == "try" else [str(value)]
            print_result(f"  {name:<12} {first}")
            for command in commands:
                print_result(f"  {'':<12} {command}")


def _time_or_nothing(at: "datetime | None") -> str:
    return format_time(at) if at else ""
