"""
Take the pictures of a page: its first view, the whole page, single elements and a box that scrolls
in its place, in any window size; and print it as PDF.

A page is photographed in tiles from scroll position 0, so that fixed and sticky elements appear
once. Each tile is checked, since one large screenshot is silently blank above some hundred
megapixels. Tiles are joined edge to edge into a PNG file. The number of pixels in a file is
limited, so a tall page takes several files. A `Picture` records what every file and tile shows, and
what is missing.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import field, replace
from typing import Any, BinaryIO

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.browser.isolated_worlds import ScriptError
from snapshotter.capture.browser.result_files import decode_base64
from snapshotter.capture.page.geometry import Area, InnerBox, PageGeometry
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.png_stitching import PngPart, PngStitcher, one_colour
from snapshotter.capture.pictures.raster_gate import RasterGate
from snapshotter.capture.pictures.screenshot_command import ScreenshotCommand
from snapshotter.capture.spool import Spool
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import read_header
from snapshotter.model.capture import (
    CutReason,
    Picture,
    PictureFile,
    PictureKind,
    PictureTile,
)
from snapshotter.model.request import Viewport
from snapshotter.ports import PictureReader, PictureRows
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

DEFAULT = "default"  # name of the window that every capture has

_TILE_PIXELS = 6_000_000  # device pixels of one shot: what of a picture is in memory at once
_TALL_PIXELS = 40_000_000  # device pixels of a window that is made tall; all of it is painted
_WIDTH_PX = 10_000  # CSS pixels of page width that are photographed
_FILES = 100  # most files of one picture
_GROWTH = 3  # how often what grew while it was photographed is measured and gone after
_ROUNDING = 2  # CSS pixels by which a page's height may differ from itself
_OVERLAP = 100  # CSS pixels that two positions of an inner box share
_PNG = "image/png"
_PDF = "application/pdf"
_PDF_READ = 1 << 20  # characters of one piece of a PDF

_STOPS = (CallTimeout, PageLost, CaptureTimeout, SnapshotterError, PlaywrightError, ScriptError)

KeepPicture = Callable[[Picture], None]


@dataclass(slots=True)
class _Progress:
    """How far a picture has come."""

    picture: Picture
    files: list[PictureFile] = field(default_factory=list)
    done: int = 0  # height up to which it is photographed, CSS pixels
    tiles: int = 0


async def check_paints_below_window(
    session: CDPSession, shutter: ScreenshotCommand, guard: CallGuard, limit_s: float
) -> bool:
    """
    Return whether this browser draws the part of a page below the window, tried on the blank page.

    One that does not returns white, without an error, so this has to be known beforehand.

    Raises:
        CallTimeout, PageLost, CaptureTimeout, PlaywrightError, SnapshotterError: It could not be
            tried.
    """

    async def fill(html: str) -> None:
        expression = f'document.documentElement.innerHTML = "{html}"'
        await guard.call(
            "preparing the blank page",
            session.send("Runtime.evaluate", {"expression": expression}),
            limit_s,
        )

    await fill("<body style='margin:0;height:9000px;background:#0f0'>")
    clip = {"x": 0, "y": 8_900, "width": 8, "height": 8, "scale": 1}
    data = await shutter.take("a trial picture", limit_s, clip=clip)
    await fill("")
    colour = one_colour(data)
    return colour is not None and colour[:3] == b"\x00\xff\x00"


class Camera:
    """
    Photographs one page.

    Args:
        gate: Limits how many captures draw at once.
        beyond: Request parts below the window with `captureBeyondViewport`; see
            `browser/arguments.py`.
        picture_reader: Returns what reads the picture of the whole page while it is made.
    """

    def __init__(
        self,
        page_context: PageContext,
        shutter: ScreenshotCommand,
        *,
        gate: RasterGate,
        beyond: bool,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> None:
        decision = page_context.decision
        self._session = page_context.session
        self._guard = page_context.guard
        self._spool = page_context.spool
        self._builder = page_context.builder
        self._limits = decision.limits
        self._pictures = decision.pictures
        self._work = page_context.browser.workspace.root  # for temporary files
        self._gate = gate
        self._picture_reader = picture_reader
        self._beyond = self.resizes = beyond  # the page may notice a picture
        self.shutter = shutter
        self.limit_s = decision.limits.tile_s  # of one shot
        self.layout = PageGeometry(page_context)
        width, height = decision.viewport_px
        self.default = Viewport(name=DEFAULT, width=width, height=height, scale=decision.scale)
        self.window = self.default  # that the page is in now

    async def viewport(self, step: str = "viewport", word: str = "viewport") -> Picture:
        """
        Write `capture/viewport.png`: the first view, without scrolling.

        Args:
            word: Names the file instead, for the page in another state.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, SnapshotterError: There is no such picture.
        """
        viewport = self.window
        area = Area(left=0, top=0, width=viewport.width, height=viewport.height)
        with self._builder.taking_picture(self._path(word), step):
            # No part is named: a phone shows a wide page made smaller.
            data = await self._shoot(area, None)
            blank = False
            if (colour := await asyncio.to_thread(one_colour, data)) is not None:
                blank = await self._is_blank(area, colour)
                if blank:
                    data = await self._shoot(area, None)
                    blank = await asyncio.to_thread(one_colour, data) is not None
            return await self._keep_viewport(data, step, word, blank=blank)

    async def look(self, limit_s: float) -> bytes:
        """
        Return a PNG of the window, without waiting for the gate; b"" where nothing is drawn.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, PlaywrightError, SnapshotterError: There is none.
        """
        viewport = self.window
        area = Area(left=0, top=0, width=viewport.width, height=viewport.height)
        data = await self._shot(area, None, min(limit_s, self.limit_s))
        blank = await asyncio.to_thread(one_colour, data) is not None
        return b"" if blank else data

    async def keep_first_look(self, data: bytes, step: str, when: str) -> Picture:
        """Write `capture/viewport.png` from an early picture, with the moment in its note."""
        return await self._keep_viewport(data, step, "viewport", when=when)

    async def _keep_viewport(
        self, data: bytes, step: str, word: str, *, blank: bool = False, when: str = ""
    ) -> Picture:
        viewport = self.window
        area = Area(left=0, top=0, width=viewport.width, height=viewport.height)
        rows = viewport.height * viewport.scale
        path = self._path(word)
        note = f"CSS pixels 0 to {viewport.height} from the top" + (when and f", {when}")
        await asyncio.to_thread(self._spool.write, path, _PNG, data, step=step, note=note)
        tile = PictureTile(top_px=0, bottom_px=viewport.height, row=0, rows=rows, blank=blank)
        file = PictureFile(
            path=path,
            top_px=0,
            bottom_px=viewport.height,
            width=viewport.width * viewport.scale,
            height=rows,
            tiles=(tile,),
        )
        if blank:
            self._log_blank_picture(path, tile)
        return replace(
            self._picture(PictureKind.VIEWPORT, area, "" if word == "viewport" else word),
            captured_height_px=area.height,
            files=(file,),
        )

    async def page(
        self, keep: KeepPicture, step: str = "screenshot", word: str = "screenshot"
    ) -> None:
        """
        Write `capture/screenshot.png`, and `-02.png` and on for a page that one file cannot hold.

        Args:
            keep: Called with the picture each time a file is finished, so that it counts if the
                next one fails.
            word: Names the files instead, for the page in another state.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, SnapshotterError: It could not be finished. What
                was photographed before is written all the same.
        """
        width, height = await self.layout.size()
        area = Area(left=0, top=0, width=width, height=height)
        await self._photograph(
            _Progress(self._picture(PictureKind.PAGE, area, "" if word == "screenshot" else word)),
            lambda number: self._path(word, number),
            step,
            keep,
            self._page_height,
        )

    async def element(self, selector: str, number: int, keep: KeepPicture) -> str:
        """
        Write `capture/element-NN.png`, the first element that a selector names.

        Returns:
            A description of what was found.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, SnapshotterError: As `page`, or no such element.
        """
        found = await self.layout.find(selector)
        name = f"capture/element-{number:02}"
        await self._photograph(
            _Progress(self._picture(PictureKind.ELEMENT, found.area, selector)),
            lambda file: f"{name}.png" if file == 1 else f"{name}-{file:02}.png",
            "elements",
            keep,
            None,
        )
        box = found.area
        return (
            f"{selector}: {box.width} x {box.height} CSS pixels at {box.left}, {box.top}"
            + f", the first of {found.matches}" * (found.matches > 1)
        )

    async def inner_box(
        self,
        box: InnerBox,
        keep: KeepPicture,
        *,
        show: Callable[[Viewport], Awaitable[None]],
        settle: Callable[[], Awaitable[object]],
    ) -> None:
        """
        Write `capture/screenshot-expanded.png`: all of a box that scrolls in the place of the page.

        The window is made as tall as the box needs. That does not touch the page's own style, and
        shows what a reader with a tall screen sees. A taller box than a window may be is
        photographed at several positions.

        Args:
            show: Puts the page into a window of that size.
            settle: Waits until what comes into view has loaded.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, SnapshotterError: As `page`.
        """
        first = self.window
        most = max(first.height, _TALL_PIXELS // (first.width * first.scale**2))
        most = min(most, max(first.height, self._limits.height_px))
        heights, now = [box.whole], box
        for _ in range(_GROWTH):
            height = self.window.height
            tall = min(most, height + now.hidden)
            if tall <= height + _ROUNDING:
                break
            await show(replace(first, height=tall))
            await self.layout.drawn()
            await settle()
            after = await self._box()
            if after.whole != heights[-1]:
                heights.append(after.whole)
            if after.shown <= now.shown + _ROUNDING:  # its height is its own
                await show(first)
                now = await self._box()
                break
            now = after
        window = self.window
        area = Area(left=0, top=0, width=window.width, height=window.height)
        base = replace(
            self._picture(PictureKind.INNER_BOX, area, box.name),
            height_px=now.whole,
            heights_px=tuple(heights),
            overlap_px=_OVERLAP if now.hidden > _ROUNDING else 0,
        )
        await self._positions(_Progress(base), now, keep, settle)

    async def pdf(self) -> Picture:
        """
        Write `capture/page.pdf`: the page as it is printed.

        Raises:
            CallTimeout, PageLost, CaptureTimeout, SnapshotterError: There is no such file.
        """
        limit_s = self._pictures.pdf_s
        async with self._slot():
            answer = await self._guard.call(
                "printing",
                self._session.send(
                    "Page.printToPDF",
                    {
                        "printBackground": True,
                        "preferCSSPageSize": True,
                        "transferMode": "ReturnAsStream",
                    },
                ),
                limit_s,
            )
        stream, length = str(answer["stream"]), 0
        try:
            with self._spool.create("capture/page.pdf", _PDF, step="pdf") as out:
                while True:
                    piece = await self._guard.call(
                        "reading the PDF",
                        self._session.send("IO.read", {"handle": stream, "size": _PDF_READ}),
                        limit_s,
                    )
                    data = decode_base64(piece["data"]) if piece.get("base64Encoded") else b""
                    if not length and not data.startswith(b"%PDF-"):
                        raise SnapshotterError(tr("the browser returned data that are not a PDF"))
                    length += len(data)
                    if length > self._pictures.pdf_bytes:
                        raise SnapshotterError(
                            tr(
                                "the PDF is longer than {pdf_bytes} bytes",
                                pdf_bytes=self._pictures.pdf_bytes,
                            )
                        )
                    await asyncio.to_thread(out.write, data)
                    if piece.get("eof"):
                        break
        finally:
            if self._guard.lost is None and self._guard.remaining_s > 0:
                await self._guard.call(
                    "closing the PDF", self._session.send("IO.close", {"handle": stream}), limit_s
                )
        width, height = await self.layout.size()
        area = Area(left=0, top=0, width=width, height=height)
        file = PictureFile(
            path="capture/page.pdf", top_px=0, bottom_px=height, width=0, height=0, tiles=()
        )
        return replace(
            self._picture(PictureKind.PDF, area),
            captured_width_px=width,
            captured_height_px=height,
            files=(file,),
        )

    def _picture(self, kind: PictureKind, area: Area, subject: str = "") -> Picture:
        """Return the record of a picture of which nothing is photographed yet."""
        viewport = self.window
        return Picture(
            kind=kind,
            subject=subject,
            viewport=viewport.name,
            viewport_px=(viewport.width, viewport.height),
            scale=viewport.scale,
            mobile=viewport.mobile,
            left_px=area.left,
            top_px=area.top,
            width_px=area.width,
            height_px=area.height,
            captured_width_px=min(area.width, _WIDTH_PX),
            captured_height_px=0,
            heights_px=(area.height,),
            overlap_px=0,
            truncated_at=None,
            reason=CutReason.WIDTH if area.width > _WIDTH_PX else None,
            files=(),
        )

    async def _photograph(
        self,
        progress: _Progress,
        name: Callable[[int], str],
        step: str,
        keep: KeepPicture,
        height: Callable[[], Awaitable[int]] | None,
    ) -> None:
        """
        Photograph an area from its top to its bottom, into as many files as it takes.

        Args:
            height: Measures the current height of an area that may grow.
        """
        start, most = progress.picture.top_px, self._limits.height_px
        progress.done = start
        heights = [progress.picture.height_px]
        unit = progress.picture.captured_width_px * self.window.scale**2
        per_file = max(1, self._pictures.file_pixels // unit)
        tile = max(1, min(self._limits.tile_px, _TILE_PIXELS // unit, per_file))
        per_file -= per_file % tile
        while True:
            end = start + min(heights[-1], most)
            if progress.done < end:
                number = len(progress.files) + 1
                if number > _FILES:
                    progress.picture = _cut(progress, CutReason.FILES)
                    break
                file_end = min(progress.done + per_file, end)
                await self._file(progress, name(number), file_end, tile, step, keep)
                if file_end < end:
                    continue
            if height is None:
                break
            # It may have grown behind our back: what is new is part of it.
            now = await height()
            if abs(now - heights[-1]) <= _ROUNDING:
                break
            heights.append(now)
            progress.picture = replace(
                progress.picture, heights_px=tuple(heights), height_px=max(heights)
            )
            if now <= heights[-2] or len(heights) > _GROWTH:
                break
        picture = progress.picture
        left = picture.height_px - picture.captured_height_px
        if left > _ROUNDING and picture.reason in (None, CutReason.WIDTH):
            limited = picture.captured_height_px >= most
            progress.picture = _cut(progress, CutReason.HEIGHT if limited else CutReason.GREW)
        keep(replace(progress.picture, files=tuple(progress.files)))

    async def _file(
        self, progress: _Progress, path: str, end: int, tile: int, step: str, keep: KeepPicture
    ) -> None:
        """Photograph up to `end` into one file. What was photographed is written in any case."""
        picture, start = progress.picture, progress.done
        failure: Exception | None = None
        with (
            self._builder.taking_picture(path, step),
            tempfile.TemporaryFile(dir=self._work) as scratch,
        ):
            strip = _Strip(scratch, self._is_blank, self._reader_of(picture))
            try:
                while progress.done < end:
                    at = min(progress.done + tile, end)
                    self._builder.say(
                        step, f"tile {progress.tiles + 1}, {progress.done} of {end} px"
                    )
                    area = Area(
                        left=picture.left_px,
                        top=progress.done,
                        width=picture.captured_width_px,
                        height=at - progress.done,
                    )
                    await strip.add(area, await self._shoot(area, self._part(area)), self._again)
                    progress.done, progress.tiles = at, progress.tiles + 1
                await strip.settle(self._again)
            except _STOPS as error:
                failure = error
                await strip.give_up()
            progress.done = max((tile.bottom_px for tile in strip.tiles), default=start)
            if strip.tiles:
                note = f"CSS pixels {start} to {progress.done} from the top"
                bottom = picture.top_px + picture.height_px
                if start > picture.top_px or progress.done < bottom:
                    note += f" of {bottom}"
                elif picture.kind is PictureKind.PAGE:
                    note += ", the whole page"
                width, height = await strip.write(self._spool, path, step, note)
                file = PictureFile(
                    path=path,
                    top_px=start,
                    bottom_px=progress.done,
                    width=width,
                    height=height,
                    tiles=tuple(strip.tiles),
                )
                progress.files.append(file)
                for made in file.tiles:
                    if made.blank:
                        self._log_blank_picture(path, made)
        progress.picture = replace(
            progress.picture, captured_height_px=progress.done - picture.top_px
        )
        if failure is not None or progress.done < picture.top_px + picture.height_px:
            # As long as nothing more comes, this is where it ends.
            so_far = _cut(progress, CutReason.BROKEN_OFF)
            keep(replace(so_far, files=tuple(progress.files)))
        if failure is not None:
            raise failure

    def _reader_of(self, picture: Picture) -> PictureRows | None:
        """Return what reads the rows of a picture of the page as it is assessed."""
        is_default = picture.viewport == DEFAULT and not picture.subject
        if self._picture_reader is None or not is_default or picture.kind is not PictureKind.PAGE:
            return None
        return self._picture_reader().file()

    async def _positions(
        self,
        progress: _Progress,
        now: InnerBox,
        keep: KeepPicture,
        settle: Callable[[], Awaitable[object]],
    ) -> None:
        """Photograph the window at each position of an inner box, from its top on."""
        window = self.window
        area = Area(left=0, top=0, width=window.width, height=window.height)
        unit = window.width * window.scale**2
        tile = max(1, min(self._limits.tile_px, _TILE_PIXELS // unit))
        heights = list(progress.picture.heights_px)
        while True:
            number = len(progress.files) + 1
            bottom = min(now.top + now.shown, now.whole)
            part = _Progress(replace(progress.picture, top_px=0, height_px=area.height, left_px=0))
            path = self._path("screenshot-expanded", number)
            try:
                await self._file(part, path, area.height, tile, "inner-box", lambda _: None)
            finally:
                progress.files += [
                    replace(file, top_px=now.top, bottom_px=bottom) for file in part.files
                ]
            progress.done = bottom
            if now.whole != heights[-1]:
                heights.append(now.whole)
            progress.picture = replace(
                progress.picture,
                captured_height_px=bottom,
                height_px=now.whole,
                heights_px=tuple(heights),
            )
            left = now.whole - bottom > _ROUNDING
            limited = bottom >= self._limits.height_px
            if not left or limited or number >= _FILES or len(heights) > _GROWTH + _FILES:
                break
            keep(replace(_cut(progress, CutReason.BROKEN_OFF), files=tuple(progress.files)))
            before = now.top
            now = await self._box(now.top + max(1, now.shown - _OVERLAP))
            if now.top <= before:
                break
            await settle()
            now = await self._box()
        if progress.picture.height_px - progress.done > _ROUNDING:
            limited = progress.done >= self._limits.height_px
            progress.picture = _cut(progress, CutReason.HEIGHT if limited else CutReason.FILES)
        keep(replace(progress.picture, files=tuple(progress.files)))

    async def _box(self, top: int | None = None) -> InnerBox:
        box = await self.layout.inner_box(top)
        if box is None:
            raise SnapshotterError(tr("the scrolling box of the page no longer exists"))
        return box

    async def _page_height(self) -> int:
        return (await self.layout.size())[1]

    async def _is_blank(self, area: Area, colour: bytes) -> bool:
        """Return whether a part of one colour should show text or images."""
        try:
            return await self.layout.shows_something(area.top, area.bottom, colour)
        except (CallTimeout, ScriptError, PlaywrightError):
            return False  # not known; the next shot will meet what is wrong

    async def _again(self, area: Area) -> list[tuple[Area, bytes]]:
        """Photograph an area once more, in two halves."""
        middle = area.height // 2
        halves = (
            replace(area, height=middle),
            replace(area, top=area.top + middle, height=area.height - middle),
        )
        return [(half, await self._shoot(half, self._part(half))) for half in halves if half.height]

    def _log_blank_picture(self, path: str, tile: PictureTile) -> None:
        self._builder.add_reason(
            "picture-blank",
            f"{path}: CSS pixels {tile.top_px} to {tile.bottom_px} have only one colour, although "
            "the page has text or images at this place",
        )

    def _path(self, word: str, number: int = 1) -> str:
        """Return the name of a picture's file: `capture/screenshot-phone-02.png`."""
        window = "" if self.window.name == DEFAULT else f"-{self.window.name}"
        return f"capture/{word}{window}{'' if number == 1 else f'-{number:02}'}.png"

    def _part(self, area: Area) -> dict[str, Any]:
        return {
            "x": area.left,
            "y": area.top,
            "width": area.width,
            "height": area.height,
            # On top of the window's own scale, for it was set in this session.
            "scale": 1,
        }

    async def _shoot(self, area: Area, part: dict[str, Any] | None) -> bytes:
        """
        Return a PNG of an area, checked for its size.

        It is lossless, and encoded as fast as possible (`optimizeForSpeed`: 16 % larger).

        Args:
            area: What it has to show.
            part: The clip for the browser; the window as it is, if not given.
        """
        async with self._slot():
            return await self._shot(area, part, self._limits.tile_s)

    async def _shot(self, area: Area, part: dict[str, Any] | None, limit_s: float) -> bytes:
        asked: dict[str, Any] = {"optimizeForSpeed": True}
        if part is not None:
            asked |= {"clip": part, "captureBeyondViewport": self._beyond}
        data = await self.shutter.take("a screenshot", limit_s, **asked)
        header = read_header(data)
        scale = self.window.scale
        expected = (area.width * scale, area.height * scale)
        if (header.width, header.height) != expected:
            raise SnapshotterError(
                tr(
                    "a screenshot has {width}x{height} pixels instead of {expected}x{expected2} "
                    "pixels",
                    width=header.width,
                    height=header.height,
                    expected=expected[0],
                    expected2=expected[1],
                )
            )
        return data

    def _slot(self) -> "_Slot":
        return _Slot(self._gate, self._guard)


class _Slot:
    """A slot of the gate, waited for no longer than the capture may last."""

    def __init__(self, gate: RasterGate, guard: CallGuard) -> None:
        self._slot = gate.slot()
        self._guard = guard

    async def __aenter__(self) -> None:
        await self._guard.call(
            "waiting for a free processor core", self._slot.__aenter__(), self._guard.remaining_s
        )

    async def __aexit__(self, *error: object) -> None:
        await self._slot.__aexit__(None, None, None)


class _Strip:
    """
    Joins shots in a thread while the next one is taken, so that at most two are in memory.

    Args:
        is_blank: Returns whether an area of one colour should not be one.
        rows: Receives the rows of the joined image.
    """

    def __init__(
        self,
        scratch: BinaryIO,
        is_blank: Callable[[Area, bytes], Awaitable[bool]],
        rows: PictureRows | None,
    ) -> None:
        self._stitcher = PngStitcher(scratch, rows=rows)
        self._rows = rows
        self._is_blank = is_blank
        self._running: tuple[Area, asyncio.Task[PngPart]] | None = None
        self.tiles: list[PictureTile] = []

    async def add(
        self, area: Area, png: bytes, again: Callable[[Area], Awaitable[list[tuple[Area, bytes]]]]
    ) -> None:
        """Add one more shot; the previous one is joined and checked."""
        await self.settle(again)
        self._running = area, asyncio.create_task(asyncio.to_thread(self._stitcher.add, png))

    async def settle(self, again: Callable[[Area], Awaitable[list[tuple[Area, bytes]]]]) -> None:
        """Wait until the last shot is joined, and check it; take it again if it is blank."""
        running, self._running = self._running, None
        if running is None:
            return
        area, joining = running
        part = await joining
        tile = self._tile(area, part)
        self.tiles.append(tile)
        if part.colour is None or not await self._is_blank(area, part.colour):
            return
        self.tiles[-1] = replace(tile, blank=True)
        anew = await again(area)
        self._stitcher.take_back()
        self.tiles.pop()
        for half, png in anew:
            part = await asyncio.to_thread(self._stitcher.add, png)
            blank = part.colour is not None and await self._is_blank(half, part.colour)
            self.tiles.append(replace(self._tile(half, part), blank=blank))

    async def give_up(self) -> None:
        """Wait for the running join, after another failure."""
        running, self._running = self._running, None
        if running is None:
            return
        area, joining = running
        try:
            self.tiles.append(self._tile(area, await joining))
        except SnapshotterError:
            return  # the earlier failure comes first

    async def write(self, spool: Spool, path: str, step: str, note: str) -> tuple[int, int]:
        """Write the joined image; return its width and height in device pixels."""
        return await asyncio.to_thread(self._finish, spool, path, step, note)

    def _tile(self, area: Area, part: PngPart) -> PictureTile:
        rows = part.header.height
        row = self.tiles[-1].row + self.tiles[-1].rows if self.tiles else 0
        return PictureTile(top_px=area.top, bottom_px=area.bottom, row=row, rows=rows, blank=False)

    def _finish(self, spool: Spool, path: str, step: str, note: str) -> tuple[int, int]:
        with spool.create(path, _PNG, step=step, note=note) as out:
            size = self._stitcher.finish(out)
        if self._rows is not None:
            self._rows.end(out.digests().sha256)
        return size


def _cut(progress: _Progress, reason: CutReason) -> Picture:
    return replace(progress.picture, reason=reason, truncated_at=progress.done)
