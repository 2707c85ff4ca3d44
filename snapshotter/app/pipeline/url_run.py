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
        series.settle_behind()
    except _StopWanted:
        pass
    except KeyboardInterrupt:
        if not series.is_behind:
            raise
        interrupted = True  # the page under way was ended
        series.settle_behind()
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
    # The visit could not be recorded, by number of the URL: raised after the bundle.
    troubles: dict[int, SnapshotterError] = field(default_factory=dict)

    def one(self, number: int) -> None:
        """Capture one URL; its bundle may be completed later, beside the next visit."""
        error = self.refused.get(number)
        if error is not None:
            self.series.settle_behind()
            self._failed(number, error)
            return
        self.observer.started(number)
        if not self.series.is_behind and not self._may_complete_beside(number):
            self._settle(number, partial(self._capture, number))
            return
        self.series.capture_next(
            visit=partial(self._visit, number),
            complete=partial(self._complete, number),
            settle=partial(self._settle, number),
            beside=partial(self._beside, number),
        )

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
            visited = self._visit_allowed(number, visit, steps)
            result = self.series.complete(visited, steps)
        return self._without_trouble(number, result)

    def _visit(self, number: int) -> VisitedPage:
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
        if self.series.settle_behind() and self.series.stop.wanted:
            raise _StopWanted
        self.observer.waiting(sentence)

    def _visit_allowed(
        self, number: int, visit: "AllowedVisit | None", steps: Progress
    ) -> VisitedPage:
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
        if self.pace is not None and visit is not None:
            from snapshotter.policy.host_responses import response_of

            try:
                self.pace.done(visit, response_of(visited.capture))
            except SnapshotterError as error:
                self.troubles[number] = error
            except BaseException:  # also Ctrl-C: no directory of the visit stays
                visited.drop()
                raise
        return visited

    def _complete(self, number: int, visited: VisitedPage) -> CaptureResult:
        """Complete the bundle of a visited page in this thread."""
        with self.observer.steps() as steps:
            result = self.series.complete(visited, steps)
        return self._without_trouble(number, result)

    def _without_trouble(self, number: int, result: CaptureResult) -> CaptureResult:
        if number in self.troubles:
            raise self.troubles[number]
        return result

    def _beside(self, number: int) -> Progress | None:
        """Return the display of a bundle that is completed beside the next visit, if one may be."""
        if number in self.troubles or not self._may_complete_beside(number):
            return None
        return self.observer.completing(number)
