"""
Request one screenshot from the browser, and repeat the request when the browser has no frame yet.

Chromium refuses a screenshot ("Unable to capture screenshot") when the process that draws has no
frame to copy: just after a start, on a busy machine, and when that process has ended and another
one takes its place. The message says nothing more, and a moment later the same request succeeds. So
only that refusal is repeated; see docs/adr/0052-a-browser-that-refuses.md.
"""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.result_files import receive_bytes

_NO_FRAME = "Unable to capture screenshot"  # the browser's words
# Between two askings: a frame comes within 20 ms where a core is free, a new process for
# drawing within 300 ms; a machine that is ten times slower has them within all of these.
_WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_UNCOLLECTED = 24 << 20  # bytes of pictures that may be held as garbage


class ScreenshotCommand:
    """
    Takes screenshots of one page, as PNG.

    Args:
        again: Called with the browser's message before each repetition.
        results: Where the driver writes large results; see `result_files.py`.
    """

    def __init__(
        self,
        session: CDPSession,
        guard: CallGuard,
        again: Callable[[str], None],
        *,
        results: Path,
    ) -> None:
        self._session = session
        self._results = results
        self._guard = guard
        self._again = again
        self._uncollected = 0  # bytes of pictures since the last collection

    async def take(self, what: str, limit_s: float, **asked: object) -> bytes:
        """
        Return a screenshot; repeat the request within the limit while the browser has no frame.

        Args:
            what: Names the call in the error when it takes too long.
            asked: Parameters of `Page.captureScreenshot`.

        Raises:
            CallTimeout, PageLost, CaptureTimeout: As `CallGuard.call`.
            PlaywrightError: The browser refused the last request.
            SnapshotterError: The answer is not base64.
        """
        data = await self._guard.call(what, self._until_given(asked), limit_s)
        # Playwright keeps each answer in a cycle of objects, and text of megabytes does not
        # make a collection come sooner.
        self._uncollected += len(data)
        if self._uncollected > _UNCOLLECTED:
            self._uncollected = 0
            await asyncio.to_thread(gc.collect)
        return data

    async def _until_given(self, asked: dict[str, Any]) -> bytes:
        parameters = {"format": "png", **asked}
        for wait_s in (*_WAITS_S, None):
            try:
                return await receive_bytes(
                    self._session, self._results, "Page.captureScreenshot", parameters
                )
            except PlaywrightError as error:
                if wait_s is None or _NO_FRAME not in error.message:
                    raise
                self._again(error.message)
                await self._guard.pause(wait_s)
        raise AssertionError("asked for the last time, it returns or raises")
