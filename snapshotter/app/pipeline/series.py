"""
Capture several pages one after the other in one process, for one command.

`visit` captures a page. Its bundle is completed in the caller's thread (`complete`), or in another
thread beside the next visit. `capture_next` does both in the right order: at most one bundle is
behind, and results are passed on in the order of the visits. While a page settles, the browser of
the next capture starts, if there is a second processor. Warnings about confinement are returned
once for all captures. `retry_in_background` requests owed timestamp tokens meanwhile.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from snapshotter.app.interruption import Interruption, keeping_notes
from snapshotter.app.pipeline import run as pipeline
from snapshotter.app.pipeline.background_completion import BundleCompletion
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult, VisitedPage
from snapshotter.app.upkeep import late_tokens
from snapshotter.capture.pictures.raster_gate import usable_core_count
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Lease, Progress, ShowMessage
from snapshotter.translation import tr

# Most of this time is waiting: the page is observed, and pictures are taken.
_SETTLE_STEP: Final = "settle"

# Obtains the result of a capture from its argument, which may raise, and shows or records it.
Settle = Callable[[Callable[[], CaptureResult]], None]


class CaptureSeries:
    """
    The captures of one command. Use as a context manager.

    Args:
        process_began: When this process began, on the clock's monotonic scale: the timings of the
            first capture begin with it. None: they begin with the capture.
        prewarmer: Holds the browser of the first capture, which is starting; None if none is.
    """

    def __init__(
        self,
        dependencies: CaptureDependencies,
        stop: Interruption,
        process_began: float | None = None,
        prewarmer: Prewarmer | None = None,
    ) -> None:
        self.dependencies = dependencies
        self.stop = stop
        self._prewarmer = prewarmer or Prewarmer(
            dependencies.capturer, dependencies.spool_dir, dependencies.ids
        )
        self._told: set[str] = set()
        self._behind: BundleCompletion | None = None
        self._settle_behind: Settle | None = None  # of that bundle
        self._process_began = process_began

    def __enter__(self) -> Self:
        self._prewarmer.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        try:
            if self._behind is not None:  # an error ended the command: the bundle is stored first
                with self.stop.holding():
                    self._completed()
        finally:
            self._prewarmer.__exit__(*reason)

    @property
    def may_complete_beside(self) -> bool:
        """
        Whether a bundle may be completed beside the next visit.

        A replay starts a browser of its own, which would take the processor from the next page.
        """
        return self.dependencies.replayer is None and not self.stop.wanted

    def visit(
        self,
        url: str,
        decision: Decision,
        progress: Progress,
        *,
        following: bool = False,
        lease: Lease | None = None,
    ) -> VisitedPage:
        """
        Capture the page of an address, as `pipeline.visit` does and raises.

        Args:
            following: Another capture follows at once, under the same decision.
            lease: Gets the bundle's id, and says whether the bundle may be stored.
        """
        process_began, self._process_began = self._process_began, None
        if following:
            from snapshotter.app import malloc  # a single capture does not need it

            malloc.share_one_arena()
        return pipeline.visit(
            CaptureRequest(url=url), decision, self.dependencies, progress, self.stop,
            prewarmer=self._prewarmer, more=following, lease=lease, process_began=process_began,
            prewarm_from=_SETTLE_STEP if usable_core_count() > 1 else pipeline.RECORD_STEP,
        )  # fmt: skip

    def complete(self, visited: VisitedPage, progress: Progress) -> CaptureResult:
        """Make and store the bundle of a visited page, as `pipeline.complete` does and raises."""
        visited.timer.show_in(progress)
        return pipeline.complete(visited, self.dependencies, self.stop)

    def capture_next(
        self,
        visit: Callable[[], VisitedPage],
        complete: Callable[[VisitedPage], CaptureResult],
        settle: Settle,
        beside: Callable[[], Progress | None],
    ) -> None:
        """
        Visit a page beside the bundle of the page before, and make its own bundle after that.

        Args:
            visit: Visits the page; what it raises is passed to `settle`, after the page before.
            complete: Makes the bundle of the page in this thread, as `complete` does and raises.
            settle: Gets the result; called once, perhaps only by a later `settle_behind`.
            beside: Returns the display of a bundle that is made beside the next visit; None if no
                visit follows.
        """
        try:
            visited = visit()
        except Exception as error:  # noqa: BLE001 - told after the result of the page before
            self.settle_behind()
            settle(partial(_raise, error))
            return
        try:
            self.settle_behind()
        except KeyboardInterrupt as ending:  # the store hangs; this page is captured: it is sealed
            with keeping_notes(ending):
                settle(partial(complete, visited))
            raise
        except BaseException:  # whatever ends the run, no browser and no directory stays
            visited.drop()
            raise
        progress = beside() if self.may_complete_beside else None
        if progress is None:
            settle(partial(complete, visited))
            return
        visited.timer.show_in(progress)
        self._behind = BundleCompletion(visited, self.dependencies, self.stop)
        self._settle_behind = settle

    @property
    def is_behind(self) -> bool:
        """Whether another thread completes a bundle whose result is not settled."""
        return self._settle_behind is not None

    def settle_behind(self) -> bool:
        """
        Wait for the bundle that another thread completes, and settle its result.

        Returns:
            Whether there was one.
        """
        if (settle := self._settle_behind) is None:
            return False
        with self.stop.holding():
            self._settle_behind = None
            settle(self._completed)
        return True

    def _completed(self) -> CaptureResult:
        """Wait for the bundle that another thread completes, as `BundleCompletion.result` does."""
        behind, self._behind = self._behind, None
        if behind is None:
            raise RuntimeError("no bundle is being completed")
        return behind.result()

    def rest(self) -> None:
        """End the prewarmed browser: the next capture does not follow at once."""
        self._prewarmer.discard()

    def warnings(self, done: CaptureResult) -> tuple[str, ...]:
        """
        Return the warnings about a capture; those about confinement only once for all captures.
        """
        from snapshotter.app.pipeline import capture_warnings

        unsafe = [
            safety_warning
            for safety_warning in capture_warnings.safety_warnings(done)
            if safety_warning not in self._told
        ]
        self._told.update(unsafe)
        return (
            *capture_warnings.clock_warnings(done),
            *capture_warnings.identity_warnings(done),
            *capture_warnings.policy_warnings(done, self.dependencies.picks),
            *unsafe,
            *capture_warnings.log_warnings(done),
            *capture_warnings.replay_warnings(done),
        )


def _raise(error: Exception) -> CaptureResult:
    raise error


def retry_in_background(
    dependencies: CaptureDependencies, show_message: ShowMessage
) -> threading.Thread:
    """
    Request owed tokens in a thread while the page is captured, so that no capture waits for them.
    """

    def work() -> None:
        try:
            asked = late_tokens.request_owed_tokens(dependencies.service)
        except SnapshotterError as error:
            show_message(
                tr("missing timestamp tokens could not be requested: {error}", error=error)
            )
        else:
            if asked.granted:
                count = asked.granted
                show_message(
                    tr(
                        "missing timestamp tokens that arrived and were stored beside their "
                        "bundles: {count}",
                        count=count,
                    )
                )
            for problem in asked.problems:
                show_message(
                    tr(
                        "a missing timestamp token could not be requested: {problem}",
                        problem=problem,
                    )
                )

    thread = threading.Thread(target=work, name="owed-tokens", daemon=True)
    thread.start()
    return thread
