"""
Capture the URLs of one command in this process, one after the other.

A URL that fails does not stop the others, unless the caller wants its error raised. The bundle of a
page is completed beside the visit of the next page. Results are shown in the order of the URLs.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from snapshotter.app.interruption import keeping_notes
from snapshotter.app.pipeline.run import CaptureResult, VisitedPage
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.errors import INTERRUPTED_EXIT_CODE, SnapshotterError, bug
from snapshotter.model.conclusion import combined_exit_code, exit_code
from snapshotter.model.request import Decision
from snapshotter.ports import Progress
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.pipeline.host_pacing import RateLimiter
    from snapshotter.policy.politeness import AllowedVisit


class _StopWanted(KeyboardInterrupt):
    """A signal arrived while a bundle was waited for, and the bundle is complete now."""


class UrlObserver(Protocol):
    """Shows the progress of a run to a person. URLs are named by their number, from 0."""

    def started(self, number: int) -> None:
        """Show that a URL is next."""

    def waiting(self, sentence: str) -> None:
        """Show what the next visit waits for."""

    def steps(self) -> AbstractContextManager[Progress]:
        """Return the display of the steps of a capture."""

    def completing(self, number: int) -> Progress:
        """
        Return the display of the steps that complete a bundle beside the next capture.

        It is called in another thread.
        """

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
    run = _UrlRun(
        urls=urls,
        decisions=decisions,
        refused=refused,
        series=series,
        pace=pace if len(urls) > 1 else None,
        observer=observer,
        raise_errors=raise_errors,
    )
    stop, interrupted = series.stop, False
    try:
        for number in range(len(urls)):
            run.one(number)
            stop.release()
            if stop.wanted:
                break
        run.settle_behind()
    except _StopWanted:
        pass
    except KeyboardInterrupt:
        if run.behind is None:
            raise
        interrupted = True  # the page under way was ended
        run.settle_behind()
    stop.release()
    if stop.wanted or interrupted:
        observer.interrupted(len(urls) - len(run.codes))
        return INTERRUPTED_EXIT_CODE
    return combined_exit_code(run.codes)


@dataclass(slots=True, kw_only=True)
class _UrlRun:
    urls: Sequence[str]
    decisions: Mapping[int, Decision]
    refused: Mapping[int, SnapshotterError]
    series: CaptureSeries
    pace: "RateLimiter | None"
    observer: UrlObserver
    raise_errors: bool
    codes: list[int] = field(default_factory=list)  # of the URLs that are over, in their order
    behind: int | None = None  # the URL whose bundle another thread completes

    def one(self, number: int) -> None:
        """Capture one URL; its bundle may be completed later, beside the next visit."""
        error = self.refused.get(number)
        if error is not None:
            self.settle_behind()
            self._failed(number, error)
            return
        self.observer.started(number)
        if self.behind is None and not self._may_complete_beside(number):
            self._settle(number, partial(self._capture, number))
            return
        try:
            page = self._visit(number)
        except Exception as failure:  # noqa: BLE001 - told after the result of the URL before
            self.settle_behind()
            self._settle(number, partial(_raise, failure))
            return
        try:
            self.settle_behind()
        except KeyboardInterrupt as ending:  # the store hangs; this page is captured: it is sealed
            with keeping_notes(ending):
                self._settle(number, partial(self._complete, page))
            raise
        except BaseException:  # whatever ends the run, no browser and no directory stays
            page.visited.drop()
            raise
        if page.trouble is None and self._may_complete_beside(number):
            self.series.complete_beside(page.visited, self.observer.completing(number))
            self.behind = number
        else:
            self._settle(number, partial(self._complete, page))

    def settle_behind(self) -> None:
        """Wait for the bundle that another thread completes, and show its result."""
        if self.behind is None:
            return
        with self.series.stop.holding():
            number, self.behind = self.behind, None
            self._settle(number, self.series.completed)

    def _settle(self, number: int, obtain: Callable[[], CaptureResult]) -> None:
        """Obtain the result of a URL and show it, or show its error."""
        try:
            result = obtain()
            self.observer.captured(number, result, self.series.warnings(result))
            met = result.capture.court_minimum.met
            required = self.decisions[number].require_court_minimum
            self.codes.append(exit_code(met, required=required))
            return
        except SnapshotterError as failure:
            if self.raise_errors and not self.series.stop.wanted:
                raise
            error = failure
        except (BrokenPipeError, ModuleNotFoundError):
            raise  # not about this URL
        except Exception as failure:  # a bug that one URL meets is reported like a failure
            if self.raise_errors:
                raise
            error = bug(failure)
        self._failed(number, error)

    def _failed(self, number: int, error: SnapshotterError) -> None:
        self.observer.failed(number, error)
        self.codes.append(error.exit_code)

    def _may_complete_beside(self, number: int) -> bool:
        """Whether another page is visited after this one, beside which a bundle is completed."""
        following = range(number + 1, len(self.urls))
        return (
            not self.raise_errors
            and self.series.may_complete_beside
            and any(other not in self.refused for other in following)
        )

    def _capture(self, number: int) -> CaptureResult:
        """Capture a URL, and complete its bundle in this thread."""
        visit = self._wait(number)
        with self.observer.steps() as steps:
            page = self._visit_allowed(number, visit, steps)
            result = self.series.complete(page.visited, steps)
        if page.trouble is not None:
            raise page.trouble
        return result

    def _visit(self, number: int) -> "_Page":
        visit = self._wait(number)
        with self.observer.steps() as steps:
            return self._visit_allowed(number, visit, steps)

    def _wait(self, number: int) -> "AllowedVisit | None":
        """Wait until the host may be visited; None: the visits are not limited."""
        if self.pace is None:
            return None
        return self.pace.wait(self.urls[number], self._show_wait)

    def _show_wait(self, sentence: str) -> None:
        """Show what the next visit waits for, and before it the result of the last one."""
        if self.behind is not None:
            self.settle_behind()
            if self.series.stop.wanted:
                raise _StopWanted
        self.observer.waiting(sentence)

    def _visit_allowed(self, number: int, visit: "AllowedVisit | None", steps: Progress) -> "_Page":
        """Visit a page, and report the response to the rate limiter."""
        decision = self.decisions[number]
        # A browser is started for the next URL if it is captured in the same way.
        following = self.decisions.get(number + 1) == decision
        try:
            visited = self.series.visit(self.urls[number], decision, steps, following=following)
        except BaseException:  # also Ctrl-C: the visit is over for the rate limiter
            if self.pace is not None and visit is not None:
                self.pace.done(visit, None)
            raise
        trouble: SnapshotterError | None = None
        if self.pace is not None and visit is not None:
            from snapshotter.policy.host_responses import response_of

            try:
                self.pace.done(visit, response_of(visited.capture))
            except SnapshotterError as error:
                trouble = error
        return _Page(visited, trouble)

    def _complete(self, page: "_Page") -> CaptureResult:
        """Complete the bundle of a visited page in this thread."""
        with self.observer.steps() as steps:
            result = self.series.complete(page.visited, steps)
        if page.trouble is not None:
            raise page.trouble
        return result


@dataclass(frozen=True, slots=True)
class _Page:
    """A page that was captured, and whose bundle is not sealed yet."""

    visited: VisitedPage
    trouble: SnapshotterError | None  # the visit could not be recorded; raised after the bundle


def _raise(error: Exception) -> CaptureResult:
    raise error
