"""
Prepare a page for its first request: make the objects that act on the page, and attach those that
observe it.

`page_steps` then takes the steps of the capture with these objects.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.behaviours.reveal import PageReveal
from snapshotter.capture.browser.call_guard import CallTimeout
from snapshotter.capture.browser.recovery import PageRecovery
from snapshotter.capture.page.console import Console
from snapshotter.capture.page.live_assessment import LiveAssessment
from snapshotter.capture.page.navigation import Navigation
from snapshotter.capture.page.page_writer import PageWriter
from snapshotter.capture.page.popup_blocker import PopupBlocker
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.first_look import FirstLook
from snapshotter.capture.pictures.picture_set import set_window
from snapshotter.capture.pictures.raster_gate import RasterGate
from snapshotter.capture.pictures.screenshot import DEFAULT, Camera, check_paints_below_window
from snapshotter.capture.pictures.screenshot_command import ScreenshotCommand
from snapshotter.capture.steps import Steps, first_error_line
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import Viewport
from snapshotter.ports import Assessor, PictureReader
from snapshotter.value_class import dataclass

# Browsers of this machine that were tried, and whether they show what lies below a window.
_PAINTS_BELOW: dict[Path, bool] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedPage:
    """One page before its first request, and everything that works on it."""

    context: PageContext
    steps: Steps
    recovery: PageRecovery
    navigation: Navigation
    reveal: PageReveal
    page_writer: PageWriter
    camera: Camera
    first_look: FirstLook
    console: Console
    live_assessment: LiveAssessment | None  # None: the page is not assessed


async def open_page(
    page_context: PageContext,
    *,
    gate: RasterGate,
    saved: Path,
    picture_reader: Callable[[], PictureReader] | None,
    assessor: asyncio.Future[Assessor] | None,
    may_retry: Callable[[], bool],
) -> OpenedPage:
    """
    Prepare a page for its first request.

    Args:
        gate: Limits how many captures draw at once.
        saved: Where the browser saves an address that is a file.
        picture_reader: Returns what reads the picture of the whole page while it is made.
        assessor: Assesses the page while it is open; None: nothing does.
        may_retry: Whether another browser may be tried if this one fails.

    Raises:
        PageLost, CallTimeout, CaptureTimeout, PlaywrightError: The browser did not answer.
    """
    session, guard, builder = page_context.session, page_context.guard, page_context.builder
    browser_context = page_context.page.context
    limit = page_context.limits.launch_s  # a browser that starts late does this late, too
    recovery = PageRecovery(page_context)
    console = Console(page_context, recovery)
    popup_blocker = PopupBlocker(page_context, recovery)
    navigation = Navigation(
        page_context, saved=saved, popup_blocker=popup_blocker, recovery=recovery
    )
    shutter = ScreenshotCommand(
        session,
        guard,
        lambda words: builder.log("again", words),
        results=page_context.browser.workspace.results,
    )
    # Enables the events of the page first.
    recording = page_context.recorder.attach(browser_context, session)
    # No request is sent before all of these are done, and none of them needs another one.
    *_, paints_below = await asyncio.gather(
        guard.call("starting the recorder", recording, limit),
        page_context.trace.begin(browser_context),
        page_context.worlds.attach(browser_context, page_context.page, limit),
        _prepare_pictures(page_context, shutter, may_retry),
    )
    camera = Camera(
        page_context, shutter, gate=gate, beyond=not paints_below, picture_reader=picture_reader
    )
    steps = Steps(builder, page_context.document, recovery.revive)
    reveal = PageReveal(page_context, steps=steps, navigation=navigation, camera=camera)
    live_assessment = None
    if assessor is not None:
        live_assessment = LiveAssessment(
            assessor,
            page_context,
            steps=steps,
            navigation=navigation,
            reveal=reveal,
            camera=camera,
        )
    first_look = FirstLook(
        camera,
        page_context.document,
        clock=page_context.clock,
        builder=builder,
        memory_is_low=page_context.memory_is_low,
    )
    return OpenedPage(
        context=page_context,
        steps=steps,
        recovery=recovery,
        navigation=navigation,
        reveal=reveal,
        page_writer=PageWriter(page_context),
        camera=camera,
        first_look=first_look,
        console=console,
        live_assessment=live_assessment,
    )


async def _prepare_pictures(
    page_context: PageContext, shutter: ScreenshotCommand, may_retry: Callable[[], bool]
) -> bool:
    """Set the window of the page, and return what `_paints_below` finds."""
    width, height = page_context.decision.viewport_px
    scale = page_context.decision.scale
    await set_window(page_context, Viewport(name=DEFAULT, width=width, height=height, scale=scale))
    return await _paints_below(page_context, shutter, may_retry)


async def _paints_below(
    page_context: PageContext, shutter: ScreenshotCommand, may_retry: Callable[[], bool]
) -> bool:
    """
    Return whether parts below the window can be photographed without resizing the page.

    A browser that cannot be tried is photographed in the way that works in every one.
    """
    path = page_context.browser.binary.path
    if path not in _PAINTS_BELOW:
        try:
            _PAINTS_BELOW[path] = await check_paints_below_window(
                page_context.session, shutter, page_context.guard, page_context.limits.launch_s
            )
        except (CallTimeout, PlaywrightError, SnapshotterError) as error:
            if may_retry():
                raise
            page_context.builder.warn(
                "trial-failed",
                "snapshotter could not test whether this browser draws the content below the "
                f"window ({first_error_line(error)}); each part of the page was photographed in a "
                "window of its own, and scripts of the page may notice this",
            )
            return False
    return _PAINTS_BELOW[path]
