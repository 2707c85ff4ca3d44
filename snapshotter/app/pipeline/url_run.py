"""
Capture the URLs of one command in this process, one after the other.

A URL that fails does not stop the others, unless the caller wants its error raised.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from snapshotter.app.pipeline.run import CaptureResult
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError, bug
from snapshotter.model.conclusion import combined_exit_code, exit_code
from snapshotter.model.request import Decision
from snapshotter.ports import Progress

if TYPE_CHECKING:
    from snapshotter.app.pipeline.host_pacing import RateLimiter


class UrlObserver(Protocol):
    """Shows the progress of a run to a person. URLs are named by their number, from 0."""

    def started(self, number: int) -> None:
        """Show that a URL is next."""

    def waiting(self, sentence: str) -> None:
        """Show what the next visit waits for."""

    def steps(self) -> AbstractContextManager[Progress]:
        """Return the display of the steps of a capture."""

    def captured(self, number: int, result: CaptureResult, warnings: Sequence[str]) -> None:
        """Show the result of a capture."""

    def failed(self, number: int, error: SnapshotterError) -> None:
        """Show why there is no bundle of a URL."""

    def interrupted(self, left: int) -> None:
        """Show that the run ends early, and how many URLs were not begun."""


def capture_each(
    urls: Sequence[str],
    decisions: Mapping[int, Decision],
    refused: Mapping[int, SnapshotterError],
    series: CaptureSeries,
    pace: "RateLimiter | None",
    observer: UrlObserver,
    *,
    raise_errors: bool,
) -> int:
    """
    Capture URLs; one that fails does not hold up the others. Return the exit code.

    Args:
        decisions: How to capture, by the number of each URL that is not in `refused`.
        refused: URLs that cannot be captured, by number.
        pace: Limits the visits to hosts; None for a single URL, which is captured at once.
        raise_errors: Raise the error of a URL, unless the run was interrupted.
    """
    codes: list[int] = []
    for number, url in enumerate(urls):
        error = refused.get(number)
        if error is None:
            decision = decisions[number]
            observer.started(number)
            try:
                # A browser is started for the next URL if it is captured in the same way.
                following = decisions.get(number + 1) == decision
                visit = (
                    _visit(url, pace, observer.waiting)
                    if pace is not None and len(urls) > 1
                    else _no_visit()
                )
                with visit as results, observer.steps() as steps:
                    result = series.run(url, decision, steps, following=following)
                    results.append(result)
                observer.captured(number, result, series.warnings(result))
                met = result.capture.court_minimum.met
                codes.append(exit_code(met, required=decision.require_court_minimum))
            except SnapshotterError as failure:
                if raise_errors and not series.stop.wanted:
                    raise
                error = failure
            except (BrokenPipeError, ModuleNotFoundError):
                raise  # not about this URL
            except Exception as failure:  # a bug that one URL meets is reported like a failure
                if raise_errors:
                    raise
                error = bug(failure)
        if error is not None:
            observer.failed(number, error)
            codes.append(error.exit_code)
        series.stop.release()
        if series.stop.wanted:
            observer.interrupted(len(urls) - number - 1)
            return INTERRUPTED_EXIT_CODE
    return combined_exit_code(codes)


@contextlib.contextmanager
def _visit(
    url: str, pace: "RateLimiter", show_message: Callable[[str], None]
) -> Iterator[list[CaptureResult]]:
    """Wait until the host may be visited; at the end, report the result to the rate limiter."""
    from snapshotter.policy.host_responses import response_of

    results: list[CaptureResult] = []
    visit = pace.wait(url, show_message)
    try:
        yield results
    finally:
        pace.done(visit, response_of(results[0].capture) if results else None)


def _no_visit() -> AbstractContextManager[list[CaptureResult]]:
    """Return a visit that waits for nothing: a single URL is captured at once."""
    return contextlib.nullcontext([])
