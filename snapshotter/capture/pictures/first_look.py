"""
Take an early picture of a page, in case it crashes before it is photographed.

The picture of the first view is taken when everything has loaded and the page was scrolled. A page
that ends its own process, runs without end or fills memory as soon as it is touched would leave no
picture. So a picture is taken before the page is touched, and already while it loads if that takes
long or much memory. It is kept where no better one came.
"""

import asyncio
from collections.abc import Callable

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.pictures.screenshot import Camera
from snapshotter.capture.steps import first_error_line
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import StepState
from snapshotter.ports import Clock

_LONG_S = 0.5  # for a document to load
_ANSWER_S = 2.0  # for a look that others wait for
_LOOK_S = 0.05  # between two looks at a condition
_FAILURES = (PageLost, CaptureTimeout, CallTimeout, PlaywrightError, SnapshotterError)
_NAME = "viewport"  # of the step that it replaces


class FirstLook:
    """
    The early picture of one page.

    Args:
        memory_is_low: Whether the browser has taken much of its memory.
    """

    def __init__(
        self,
        camera: Camera,
        document: MainDocument,
        *,
        clock: Clock,
        builder: CaptureBuilder,
        memory_is_low: Callable[[], bool],
    ) -> None:
        self._camera = camera
        self._document = document
        self._clock = clock
        self._builder = builder
        self._memory_is_low = memory_is_low
        self._data = b""
        self._when = ""
        self._of = 0  # how many documents there had been

    async def watch(self) -> None:
        """Take one picture of each document that takes long to load, or much memory. Never ends."""
        current = looked = 0
        came_at = 0.0
        while True:
            if (count := self._document.count) != current:
                current, came_at = count, self._clock.monotonic()
            is_late = self._clock.monotonic() - came_at > _LONG_S and not self._document.loaded
            if looked < current and (is_late or self._memory_is_low()):
                looked = current
                limit_s = self._camera.limit_s  # nothing waits for this one
                await self.take("before the page had loaded", limit_s=limit_s)
            await asyncio.sleep(_LOOK_S)

    async def take(self, when: str, *, limit_s: float = _ANSWER_S) -> None:
        """
        Take a picture now. A failure is logged: the steps that follow meet it, too.

        Args:
            when: At which moment, for the note.
        """
        document = self._document.count
        try:
            with self._builder.taking_picture("first-look", ""):
                data = await self._camera.look(limit_s)
        except _FAILURES as error:
            self._builder.log("first-look", f"the action had no effect: {first_error_line(error)}")
            return
        # That a document shows nothing any more takes nothing from what it has shown.
        if data or document != self._of:
            self._data, self._when, self._of = data, when, document

    async def keep(self) -> None:
        """Write the early picture in the place of the missing one; for the page's end."""
        if not self._data:
            return
        when = self._when
        if self._document.count != self._of:  # it must not pass for the page that is named
            when += ", of a document that the page left later"
        self._builder.begin_step(_NAME)
        try:
            self._builder.keep(await self._camera.keep_first_look(self._data, _NAME, when))
        except (OSError, SnapshotterError) as error:
            self._builder.end_step(StepState.FAILED, first_error_line(error), _NAME)
        else:
            self._builder.end_step(StepState.PARTIAL, f"taken {when}", _NAME)
