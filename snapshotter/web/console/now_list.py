"""
Show captures that are requested or running, as rows of a page and as rows for its script.

A row has the same words in both. The script replaces the words, and speaks one sentence when a
capture reaches its next step.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from snapshotter.app.monitoring.activity import STEPS, RunningCapture
from snapshotter.formats.printable import cut_middle
from snapshotter.model.capture import Outcome
from snapshotter.model.job import JobState, JobStatus
from snapshotter.report.html import escape_misleading
from snapshotter.report.states import (
    StateLabel,
    capture_label,
    job_label,
    job_result_label,
    page_label,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

BUSY_MS: Final = 1_000  # between two polls while captures run
IDLE_MS: Final = 5_000
_ADDRESS: Final = 90  # characters
_REASON: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class NowRow:
    """One capture as the list shows it."""

    key: str  # id of the job
    address: str  # a stranger's
    label: StateLabel
    step: int  # steps that are done
    words: str  # what is done now, or what came of it
    url: str  # of the capture, or ""
    is_running: bool = False

    @property
    def steps(self) -> int:
        """The number of steps of a capture."""
        return len(STEPS)


def now_rows(
    running: Sequence[RunningCapture], recent: Sequence[JobStatus], now: datetime
) -> list[NowRow]:
    """
    Return the rows: what runs, then what was requested.

    Args:
        recent: Newest first; those that run are left out.
        now: By the clock of the queue.
    """
    found = [_running_row(capture, now) for capture in running]
    known = {row.key for row in found}
    return found + [_row(status) for status in recent if status.job.id not in known]


def rows_json(rows: Sequence[NowRow]) -> list[dict[str, Any]]:
    """Return the rows as console.js takes them."""
    return [
        {
            "key": row.key,
            "words": {
                "address": _shown(row.address, _ADDRESS),
                "shape": row.label.shape,
                "state": row.label.words,
                "words": row.words,
                "link": tr("Show the capture") if row.url else "",
            },
            "links": {"link": row.url} if row.url else {},
            "bars": {"step": [row.step, row.steps]},
            "classes": {"state": f"state {row.label.tone}", "bar": _bar_class(row)},
        }
        for row in rows
    ]


def spoken(rows: Sequence[NowRow]) -> str:
    """Return one sentence that changes when a capture reaches a step or ends."""
    return " ".join(
        tr("{address}: {state}, {step}.", address=_host(row), state=row.label.words, step=step)
        for row in rows[:3]
        if (step := _step_words(row))
    )


def _step_words(row: NowRow) -> str:
    if row.is_running:
        return STEPS[row.step].lower()
    return tr("ended") if row.url else tr("in the queue")


def _host(row: NowRow) -> str:
    return _shown(row.address.partition("://")[2].partition("/")[0], 60)


def _running_row(capture: RunningCapture, now: datetime) -> NowRow:
    seconds = max(0, round((now - capture.since).total_seconds())) if capture.since else 0
    words = tr(
        "{done} of {steps} steps done. Now: {words}", done=capture.step, steps=len(STEPS),
        words=capture.words,
    )  # fmt: skip
    return NowRow(
        key=capture.status.job.id,
        address=capture.status.job.url,
        label=job_label(JobState.RUNNING),
        step=capture.step,
        words=f"{words}, {seconds} s" if seconds else words,
        url="",
        is_running=True,
    )


def _row(status: JobStatus) -> NowRow:
    is_stored = bool(status.bundle_id) and status.state.over
    words = _result_words(status) if is_stored else status.error
    if not words and status.state is JobState.WAITING:
        words = tr("The capture begins when a worker is free.")
    return NowRow(
        key=status.job.id,
        address=status.job.url,
        label=job_result_label(status),
        step=len(STEPS) if is_stored else 0,
        words=_shown(words, _REASON),
        url=f"/captures/{status.bundle_id}" if is_stored else "",
    )


def _result_words(status: JobStatus) -> str:
    """Return whether the page is there, and whether the capture is whole."""
    outcome = Outcome(status.outcome) if status.outcome in set(Outcome) else None
    return tr(
        "Page: {page}. Capture: {capture}.",
        page=page_label(status.shown, outcome).words,
        capture=capture_label(outcome).words,
    )


def _bar_class(row: NowRow) -> str:
    return "" if row.is_running else "vh"


def _shown(text: str, most: int) -> str:
    """Return a text of a stranger's, shortened, with what misleads as escapes."""
    return escape_misleading(cut_middle(text, most))
