"""
Take each kind of picture of one capture: the first view, the whole page, elements, the PDF, a box
that scrolls in the page's place, and the page in other window sizes.

`page_steps.py` asks for them in this order, so that no picture spoils a later one: those that
change the page most come last. Printing and each change of the window are recorded as actions, and
the window is changed back.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from snapshotter.capture.behaviours import freezing, scrolling, settling
from snapshotter.capture.page.geometry import InnerBox
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.screenshot import Camera
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import PageSize, Picture, PictureKind
from snapshotter.model.request import Viewport
from snapshotter.value_class import dataclass

_INNER_BOX_SHARE = 1.2  # of the window's height: a page that is taller scrolls by itself
_HEIGHTS = 10  # listed in a description


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureResult:
    """What a step of pictures has done, and whether it is whole."""

    detail: str
    whole: bool


class PictureSet:
    """
    The pictures of one page.

    Args:
        lost: Addresses of images that did not load; see `freezing.freeze_page`.
    """

    def __init__(
        self,
        page_context: PageContext,
        camera: Camera,
        lost: Collection[str],
    ) -> None:
        self._page_context = page_context
        self._builder = page_context.builder
        self._camera = camera
        self._lost = lost
        self.inner_box: InnerBox | None = None  # what scrolls in the page's place

    async def viewport(self) -> None:
        """Photograph what a person sees first."""
        self._builder.keep(await self._camera.viewport())

    async def page(self) -> PictureResult:
        """Photograph the whole page, and find out whether a box scrolls in its place."""

        def keep(picture: Picture) -> None:
            self._builder.keep(picture)
            self._builder.page_size = _page_size(picture)

        self.inner_box = None
        await self._camera.page(keep)
        picture = self._made(PictureKind.PAGE)
        size = _page_size(picture)
        if size.height < self._camera.window.height * _INNER_BOX_SHARE:
            self.inner_box = await self._camera.layout.inner_box(anew=True)
        detail = _describe_picture(picture)
        if size.truncated:
            self._builder.add_reason("page-truncated", detail)
        elif box := self.inner_box:
            # Until the box is shown as well, the page is not photographed whole.
            self._builder.page_size = replace(size, truncated=True)
            if not self._page_context.decision.pictures.inner_box:
                self._builder.add_reason(
                    "page-scrolls-inside",
                    f"{box.name}: {box.hidden} of {box.whole} px are not visible",
                )
        return PictureResult(detail=detail, whole=picture.whole)

    async def elements(self) -> PictureResult:
        """Photograph each element that the policy names."""
        details, missing = [], 0
        for number, selector in enumerate(self._page_context.decision.pictures.elements, 1):
            try:
                details.append(await self._camera.element(selector, number, self._builder.keep))
            except SnapshotterError as error:
                missing += 1
                details.append(str(error))
        made = (
            picture for picture in self._builder.pictures if picture.kind is PictureKind.ELEMENT
        )
        whole = not missing and all(picture.whole for picture in made)
        detail = "; ".join(details)
        if not whole:
            self._builder.add_reason("element-missing", detail)
        return PictureResult(detail=detail, whole=whole)

    async def pdf(self) -> None:
        """Print the page to PDF."""
        self._builder.note(
            "print", "the page is printed to a PDF, and scripts of the page may notice this"
        )
        with self._builder.taking_picture("capture/page.pdf", "pdf"):
            self._builder.keep(await self._camera.pdf())

    async def expanded(self, box: InnerBox) -> PictureResult:
        """Photograph all of a box that scrolls in the place of the page."""
        try:
            await self._camera.inner_box(
                box, self._builder.keep, show=self._show, settle=self._settle_again
            )
        finally:
            await self._show_default()
        picture = self._made(PictureKind.INNER_BOX)
        detail = f"{box.name}: {_describe_picture(picture)}"
        size = self._builder.page_size
        if not picture.whole:
            self._builder.add_reason("inner-box-cut", detail)
        elif size is not None and self._made(PictureKind.PAGE).whole:
            self._builder.page_size = replace(size, truncated=False)
        return PictureResult(detail=detail, whole=picture.whole)

    async def in_window(self, window: Viewport) -> PictureResult:
        """Photograph the page in another window, with the content that loads only there."""
        step, page_context = f"viewport-{window.name}", self._page_context
        try:
            await self._show(window)
            await self._camera.layout.drawn()
            await self._resume_animations()
            scrolled = await scrolling.scroll(page_context)
            open_ends = (await settling.settle(page_context)).open_ends
            await scrolling.scroll_to_top(page_context)
            open_ends = await self._settle_again() or open_ends
            self._builder.keep(await self._camera.viewport(step))
            await self._camera.page(self._builder.keep, step)
        finally:
            await self._show_default()
        picture = self._made(PictureKind.PAGE, window.name)
        detail = _describe_picture(picture)
        whole = picture.whole and not open_ends and scrolled.stopped == "bottom"
        if not whole:
            detail += (
                f"; scrolling stopped at: {scrolled.stopped}; pending: {open_ends or 'nothing'}"
            )
            self._builder.add_reason("viewport-incomplete", f"{window.name}: {detail}")
        return PictureResult(detail=detail, whole=whole)

    def _made(self, kind: PictureKind, window: str = "default") -> Picture:
        states = ("before-consent", "before-expand")
        (found,) = (
            picture
            for picture in self._builder.pictures
            if picture.kind is kind and picture.viewport == window and picture.subject not in states
        )
        return found

    async def _settle_again(self) -> str:
        """Settle and freeze the page again, after it was shown in another way."""
        await self._resume_animations()
        settled = await settling.settle(self._page_context)
        await freezing.freeze_page(self._page_context, self._lost)
        return settled.open_ends

    async def _resume_animations(self) -> None:
        """Let animations run again: content that comes into view may fade in."""
        await self._send("Animation.setPlaybackRate", playbackRate=1)

    async def _show(self, window: Viewport) -> None:
        """Show the page in another window."""
        before, self._camera.window = self._camera.window, window
        how = ", as on a phone" if window.mobile else ""
        size = f"{window.width} x {window.height} CSS pixels at {window.scale}{how}"
        self._builder.note("set-viewport", size)
        await set_window(self._page_context, window)
        if window.mobile != before.mobile:
            await self._send("Emulation.setTouchEmulationEnabled", enabled=window.mobile)

    async def _show_default(self) -> None:
        """Show the page in its own window again, unless the page is lost."""
        guard = self._page_context.guard
        if guard.lost is None and guard.remaining_s > 0:
            await self._show(self._camera.default)

    async def _send(self, method: str, **parameters: object) -> None:
        await self._page_context.send(method, method, parameters)


async def set_window(page_context: PageContext, window: Viewport) -> None:
    """
    Set the window that a page is in.

    In the session that photographs, and before the first request: each screenshot sets the window
    anew from what its own session knows, and would undo the setting of another session.
    """
    # A window that was made tall is on a screen that was not.
    screen = window.height if window.mobile else page_context.decision.viewport_px[1]
    parameters: dict[str, Any] = {
        "width": window.width,
        "height": window.height,
        "deviceScaleFactor": window.scale,
        "mobile": window.mobile,
        "screenWidth": window.width,
        "screenHeight": min(window.height, screen),
    }
    await page_context.send("setting the window", "Emulation.setDeviceMetricsOverride", parameters)


def _page_size(picture: Picture) -> PageSize:
    return PageSize(
        width=picture.width_px,
        height=picture.height_px,
        captured_height=picture.captured_height_px,
        tiles=sum(len(file.tiles) for file in picture.files),
        truncated=not picture.whole,
        truncated_at=picture.truncated_at,
    )


def _describe_picture(picture: Picture) -> str:
    tiles = sum(len(file.tiles) for file in picture.files)
    description = (
        f"photographed height: {picture.captured_height_px} of {picture.height_px} px; "
        f"tiles: {tiles}"
    )
    if len(picture.heights_px) > 1:
        heights = ", ".join(f"{height}" for height in picture.heights_px[:_HEIGHTS])
        description += f"; heights that were measured one after another: {heights} px"
    if picture.reason is not None:
        description += f", cut by {picture.reason.value}"
    return description
