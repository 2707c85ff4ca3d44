"""
All pictures of one capture, in the order in which each harms the next ones least.

First the window as it opens, then the whole page; what changes the page comes last: elements and
the PDF, then the page in taller and in other windows. Each such change is ours, is
noted as one, and is undone.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from playwright.async_api import CDPSession

from snapshotter.capture.behaviours import media, scrolling, settling
from snapshotter.capture.behaviours.stage import Stage
from snapshotter.capture.layout import InnerBox
from snapshotter.capture.ledger import Ledger
from snapshotter.capture.screenshot import Camera
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import PageSize, Picture, PictureKind
from snapshotter.model.request import Viewport

_INNER_BOX_SHARE = 1.2  # of the window's height: a page that is taller scrolls by itself
_HEIGHTS = 10  # told in words


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came of one step."""

    detail: str
    whole: bool


class Album:
    """
    The pictures of one page.

    Args:
        stuck: Requests that will not end because loading was stopped.
        lost: Addresses of images that did not come; see `media.hold_still`.
    """

    def __init__(
        self,
        camera: Camera,
        stage: Stage,
        session: CDPSession,
        ledger: Ledger,
        *,
        stuck: int,
        lost: Collection[str],
    ) -> None:
        self._camera = camera
        self._stage = stage
        self._session = session
        self._ledger = ledger
        self._stuck = stuck
        self._lost = lost
        self.inner_box: InnerBox | None = None  # what scrolls in the page's place

    async def viewport(self) -> None:
        """Photograph what a person sees first."""
        self._ledger.keep(await self._camera.viewport())

    async def page(self) -> Shown:
        """Photograph the whole page, and look whether something else scrolls in its place."""

        def keep(picture: Picture) -> None:
            self._ledger.keep(picture)
            self._ledger.page_size = _page_size(picture)

        await self._camera.page(keep)
        picture = self._made(PictureKind.PAGE)
        size = _page_size(picture)
        if size.height < self._camera.window.height * _INNER_BOX_SHARE:
            self.inner_box = await self._camera.layout.inner_box(anew=True)
        detail = _in_words(picture)
        if size.truncated:
            self._ledger.complain("page-truncated", detail)
        elif box := self.inner_box:
            # Until the box is shown as well, the page is not photographed whole.
            self._ledger.page_size = replace(size, truncated=True)
            if not self._stage.decision.pictures.inner_box:
                self._ledger.complain(
                    "page-scrolls-inside",
                    f"{box.name}: {box.hidden} of {box.whole} px are out of sight",
                )
        return Shown(detail=detail, whole=picture.whole)

    async def elements(self) -> Shown:
        """Photograph each element that was asked for."""
        details, missing = [], 0
        for number, selector in enumerate(self._stage.decision.pictures.elements, 1):
            try:
                details.append(await self._camera.element(selector, number, self._ledger.keep))
            except SnapshotterError as error:
                missing += 1
                details.append(str(error))
        made = (it for it in self._ledger.pictures if it.kind is PictureKind.ELEMENT)
        whole = not missing and all(it.whole for it in made)
        detail = "; ".join(details)
        if not whole:
            self._ledger.complain("element-missing", detail)
        return Shown(detail=detail, whole=whole)

    async def pdf(self) -> None:
        """Print the page."""
        self._stage.note("print", "to a PDF; a page may notice that it is printed")
        self._ledger.keep(await self._camera.pdf())

    async def expanded(self, box: InnerBox) -> Shown:
        """Photograph all of a box that scrolls in the page's place."""
        try:
            await self._camera.inner_box(
                box, self._ledger.keep, show=self._show, settle=self._settle_again
            )
        finally:
            await self._show_default()
        picture = self._made(PictureKind.INNER_BOX)
        detail = f"{box.name}: {_in_words(picture)}"
        size = self._ledger.page_size
        if not picture.whole:
            self._ledger.complain("inner-box-cut", detail)
        elif size is not None and self._made(PictureKind.PAGE).whole:
            self._ledger.page_size = replace(size, truncated=False)
        return Shown(detail=detail, whole=picture.whole)

    async def in_window(self, window: Viewport) -> Shown:
        """Photograph the page in another window, with what it loads only there."""
        step, stage = f"viewport-{window.name}", self._stage
        try:
            await self._show(window)
            await self._camera.layout.drawn()
            await self._play()
            scrolled = await scrolling.scroll(stage)
            open_ends = (await settling.settle(stage, self._stuck)).open_ends
            await scrolling.to_top(stage)
            open_ends = await self._settle_again() or open_ends
            self._ledger.keep(await self._camera.viewport(step))
            await self._camera.page(self._ledger.keep, step)
        finally:
            await self._show_default()
        picture = self._made(PictureKind.PAGE, window.name)
        detail = _in_words(picture)
        whole = picture.whole and not open_ends and scrolled.stopped == "bottom"
        if not whole:
            detail += f"; scrolled to: {scrolled.stopped}; under way: {open_ends or 'nothing'}"
            self._ledger.complain("viewport-incomplete", f"{window.name}: {detail}")
        return Shown(detail=detail, whole=whole)

    def _made(self, kind: PictureKind, window: str = "default") -> Picture:
        states = ("before-consent", "before-expand")
        (found,) = (
            it
            for it in self._ledger.pictures
            if it.kind is kind and it.viewport == window and it.subject not in states
        )
        return found

    async def _settle_again(self) -> str:
        """Settle once more, after the page was shown in another way, and hold it still again."""
        await self._play()
        settled = await settling.settle(self._stage, self._stuck)
        await media.hold_still(self._stage, self._session, self._lost)
        return settled.open_ends

    async def _play(self) -> None:
        """Let animations run again: what comes into view may be faded in."""
        await self._send("Animation.setPlaybackRate", playbackRate=1)

    async def _show(self, window: Viewport) -> None:
        """Put the page into another window."""
        before, self._camera.window = self._camera.window, window
        how = ", as on a phone" if window.mobile else ""
        size = f"{window.width} x {window.height} CSS pixels at {window.scale}{how}"
        self._stage.note("set-viewport", size)
        await set_window(self._stage, self._session, window)
        if window.mobile != before.mobile:
            await self._send("Emulation.setTouchEmulationEnabled", enabled=window.mobile)

    async def _show_default(self) -> None:
        """Put the page back into its own window. A page that is lost needs none."""
        guard = self._stage.guard
        if guard.lost is None and guard.remaining_s > 0:
            await self._show(self._camera.default)

    async def _send(self, method: str, **parameters: object) -> None:
        limit_s = self._stage.decision.limits.step_s
        await self._stage.guard.call(method, self._session.send(method, parameters), limit_s)


async def set_window(stage: Stage, session: CDPSession, window: Viewport) -> None:
    """
    Tell the browser the window that a page is in.

    In the session that photographs, from before the first request on: each shot sets the
    window anew from what its own session knows, and would undo what another one has set.
    """
    # A window that was made tall stands on a screen that was not.
    screen = window.height if window.mobile else stage.decision.viewport_px[1]
    parameters: dict[str, Any] = {
        "width": window.width,
        "height": window.height,
        "deviceScaleFactor": window.scale,
        "mobile": window.mobile,
        "screenWidth": window.width,
        "screenHeight": min(window.height, screen),
    }
    await stage.guard.call(
        "the window",
        session.send("Emulation.setDeviceMetricsOverride", parameters),
        stage.decision.limits.step_s,
    )


def _page_size(picture: Picture) -> PageSize:
    return PageSize(
        width=picture.width_px,
        height=picture.height_px,
        captured_height=picture.captured_height_px,
        tiles=sum(len(file.tiles) for file in picture.files),
        truncated=not picture.whole,
        truncated_at=picture.truncated_at,
    )


def _in_words(picture: Picture) -> str:
    tiles = sum(len(file.tiles) for file in picture.files)
    words = f"{picture.captured_height_px} of {picture.height_px} px in {tiles} tiles"
    if len(picture.heights_px) > 1:
        heights = ", ".join(f"{height}" for height in picture.heights_px[:_HEIGHTS])
        words += f", while its height changed: {heights} px"
    if picture.reason is not None:
        words += f", cut by {picture.reason.value}"
    return words
