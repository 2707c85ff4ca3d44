"""
Complete the bundle of a visited page in a thread, while the main thread visits the next page.

The thread seals, verifies, stores and logs, as `run.complete` does in the main thread. Only the
main thread gets signals, so `BundleCompletion.result` keeps a sealed bundle if a second signal ends
the waiting.
"""

import contextlib
import threading

from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import run as pipeline
from snapshotter.app.pipeline import safekeeping
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult, VisitedPage
from snapshotter.app.pipeline.store_bundle import location
from snapshotter.translation import tr


class BundleCompletion:
    """
    The completion of one bundle in a thread of its own, which begins at once.

    Args:
        stop: Is held by the caller.
    """

    def __init__(
        self, visited: VisitedPage, dependencies: CaptureDependencies, stop: Interruption
    ) -> None:
        self._visited = visited
        self._dependencies = dependencies
        self._stop = stop
        self._protection = stop.background()
        self._result: CaptureResult | None = None
        self._error: BaseException | None = None
        # A daemon: where a second signal ended the waiting, the process need not wait either.
        self._thread = threading.Thread(target=self._work, name="completion", daemon=True)
        self._thread.start()

    def result(self) -> CaptureResult:
        """
        Wait for the bundle; return its result, or raise as `run.complete` does.

        Raises:
            KeyboardInterrupt: A second signal ended the waiting. Its note states where the sealed
                bundle is.
        """
        try:
            self._thread.join()
        except KeyboardInterrupt as error:
            error.add_note(self._give_up())
            raise
        finally:
            self._stop.end_background()
        if self._error is not None:
            raise self._error
        if self._result is None:
            raise RuntimeError("the thread that completes a bundle ended without a result")
        return self._result

    def _work(self) -> None:
        try:
            self._result = pipeline.complete(self._visited, self._dependencies, self._protection)
        except BaseException as error:  # noqa: BLE001 - raised by `result`, in the main thread
            self._error = error

    def _give_up(self) -> str:
        """Keep the bundle, whose thread hangs; return a sentence that names its place."""
        visited, dependencies = self._visited, self._dependencies
        stored, sealed = visited.stored, visited.sealed
        if stored is not None:
            if sealed is not None:
                with contextlib.suppress(OSError):  # left there, it is found to be stored
                    sealed.file.unlink()
            note = tr(
                "the bundle is stored, but it may not be in the log: {place}",
                place=location(dependencies.store, stored.key),
            )
        elif sealed is not None:
            note = safekeeping.keep(sealed, dependencies)
        else:
            note = tr("the page was captured, and its bundle is not sealed")
        visited.drop()
        return note
