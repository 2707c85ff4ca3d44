"""
Free what a browser leaves when its capture is done: its driver, its thread, its files.

That takes as long as sealing a small capture. So it may run in a thread of its own, while the
caller already works with the capture.
"""

import threading

from snapshotter.capture.browser.prewarm import PrewarmedBrowser

_JOIN_S = 1.0  # for a thread whose driver is dead to notice


class BrowserEnding:
    """
    The end of one browser whose capture is done, or was given up.

    Args:
        limit_s: Seconds that the driver may take to stop before it is killed; 0 if it was killed.
    """

    def __init__(self, prewarmed: PrewarmedBrowser, *, limit_s: float) -> None:
        self._prewarmed = prewarmed
        self._limit_s = limit_s
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="browser-ending", daemon=True)

    def run(self) -> None:
        """Free everything now."""
        try:
            self._prewarmed.thread.join(self._limit_s)
        finally:  # also Ctrl-C
            self._prewarmed.end()

    def start(self) -> None:
        """Free everything in a thread of its own; call `wait` later."""
        self._thread.start()

    def wait(self) -> None:
        """
        Wait until everything is free. Raises what failed.

        Ctrl-C kills the driver, so that no process stays.
        """
        try:
            self._thread.join()
        except BaseException:  # Ctrl-C, which must leave no process
            self._prewarmed.setup.processes.kill()
            self._thread.join(_JOIN_S)
            raise
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - raised by `wait`, in the caller's thread
            self._error = error
