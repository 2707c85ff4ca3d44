"""
Photograph a page: what a person sees first, and all of it.

A page is photographed in tiles from scroll position 0, so that fixed and
sticky elements appear once, and each tile is checked for what it should be:
one large shot is silently blank below some hundred megapixels. Tiles are joined
into one PNG of at most `_PIXELS` pixels; a taller page takes several files.
"""

import asyncio
import base64
import binascii
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from playwright.async_api import CDPSession

from snapshotter.capture.guard import CaptureTimeout, Guard, PageLost, TimeLimit
from snapshotter.capture.png import PngPart, PngStitcher, read_header
from snapshotter.capture.spool import Spool
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import PageSize
from snapshotter.model.request import Decision

# Device pixels of one file: what the most used image library opens without a
# warning about decompression bombs (Pillow's MAX_IMAGE_PIXELS, 2^30 / 4 / 3).
_PIXELS = 89_478_485
_WIDTH_PX = 10_000  # CSS pixels of page width that are photographed
_GROWTH = 2  # how often a page that grew while it was photographed is measured again
_ROUNDING = 2  # CSS pixels by which a page's height may differ from itself
_PNG = "image/png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """What came of photographing the whole page."""

    size: PageSize
    grown_from: int | None  # height before, when the page grew meanwhile, CSS pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """A run of CSS pixels from the top, `end` not included."""

    start: int
    end: int


async def photograph_viewport(
    session: CDPSession, spool: Spool, guard: Guard, decision: Decision
) -> None:
    """
    Write `capture/viewport.png`: what a person sees first, without scrolling.

    Raises:
        TimeLimit, PageLost, SnapshotterError: There is no such picture.
    """
    width, height = decision.viewport_px
    asked = _part(width, _Band(start=0, end=height), decision.scale, beyond_viewport=False)
    data = await _shoot(session, guard, decision, (width, height), asked)
    await asyncio.to_thread(
        spool.write,
        "capture/viewport.png",
        _PNG,
        data,
        step="viewport",
        note=f"CSS pixels 0 to {height} from the top",
    )


async def photograph_page(
    session: CDPSession,
    spool: Spool,
    guard: Guard,
    decision: Decision,
    *,
    work: Path,
    say: Callable[[str], None],
    keep: Callable[[Photograph], None],
) -> None:
    """
    Write `capture/screenshot.png`, and `-02.png` and on for a page that one file cannot hold.

    Args:
        work: A directory for temporary files.
        say: Takes progress in words.
        keep: Takes what is finished, each time a file is: so that it counts when
            the next one fails.

    Raises:
        TimeLimit, PageLost, CaptureTimeout, SnapshotterError: It could not be finished.
            What was photographed before is written all the same.
    """
    limits = decision.limits
    width, height = await _measure(session, guard, limits.step_s)
    shot_width = min(width, _WIDTH_PX)
    first_height, grown = height, 0
    rows_per_file = _PIXELS // (shot_width * decision.scale**2)
    tile = min(limits.tile_px, rows_per_file)
    rows_per_file -= rows_per_file % tile
    done = tiles = number = 0
    while done < (wanted := min(height, limits.height_px)):
        number += 1
        file_end = min(done + rows_per_file, wanted)
        start = done
        failure: Exception | None = None
        with tempfile.TemporaryFile(dir=work) as scratch:
            strip = _Strip(scratch)
            while done < file_end:
                band = _Band(start=done, end=min(done + tile, file_end))
                say(f"tile {tiles + 1} of {-(-wanted // tile)}")
                try:
                    asked = _part(shot_width, band, decision.scale, beyond_viewport=True)
                    size = (shot_width, band.end - band.start)
                    data = await _shoot(session, guard, decision, size, asked)
                    await strip.add(data)
                except (TimeLimit, PageLost, CaptureTimeout, SnapshotterError) as error:
                    failure = error
                    break
                done, tiles = band.end, tiles + 1
                if done == height and grown < _GROWTH:
                    # (a) The page may have grown behind our back: what is new is part of it.
                    _, measured = await _measure(session, guard, limits.step_s)
                    height = measured if measured > height + _ROUNDING else height
                    grown += 1
                    wanted = min(height, limits.height_px)
                    file_end = max(done, min(start + rows_per_file, wanted))
            if done > start:
                name = "screenshot" if number == 1 else f"screenshot-{number:02}"
                whole = start == 0 and done >= wanted
                note = f"CSS pixels {start} to {done} from the top" + (
                    ", the whole page" if whole and height <= done else f" of {height}"
                )
                await strip.write(spool, f"capture/{name}.png", note)
                keep(
                    Photograph(
                        size=PageSize(
                            width=width,
                            height=height,
                            captured_height=done,
                            tiles=tiles,
                            truncated=done < height or shot_width < width,
                        ),
                        grown_from=first_height if height > first_height else None,
                    )
                )
            else:
                await strip.settle()
        if failure is not None:
            raise failure


class _Strip:
    """Joins tiles in a thread, one behind the camera, so that at most two are in memory."""

    def __init__(self, scratch: BinaryIO) -> None:
        self._stitcher = PngStitcher(scratch)
        self._running: asyncio.Task[PngPart] | None = None

    async def add(self, png: bytes) -> None:
        await self.settle()
        self._running = asyncio.create_task(asyncio.to_thread(self._stitcher.add, png))

    async def settle(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            await running

    async def write(self, spool: Spool, path: str, note: str) -> None:
        await self.settle()
        await asyncio.to_thread(self._finish, spool, path, note)

    def _finish(self, spool: Spool, path: str, note: str) -> None:
        with spool.create(path, _PNG, step="screenshot", note=note) as out:
            self._stitcher.finish(out)


async def _measure(session: CDPSession, guard: Guard, limit_s: float) -> tuple[int, int]:
    """Return width and height of the page in CSS pixels."""
    metrics = await guard.call("the page's size", session.send("Page.getLayoutMetrics"), limit_s)
    size = metrics["cssContentSize"]
    return max(1, round(size["width"])), max(1, round(size["height"]))


def _part(width: int, band: _Band, scale: int, *, beyond_viewport: bool) -> dict[str, Any]:
    """Ask for a part of the page, as lossless as it is quick (`optimizeForSpeed`: 16 % larger)."""
    return {
        "format": "png",
        "optimizeForSpeed": True,
        "captureBeyondViewport": beyond_viewport,
        "clip": {
            "x": 0,
            "y": band.start,
            "width": width,
            "height": band.end - band.start,
            # Relative to CSS pixels: 1 would shrink what a dense screen shows.
            "scale": scale,
        },
    }


async def _shoot(
    session: CDPSession,
    guard: Guard,
    decision: Decision,
    size: tuple[int, int],
    asked: dict[str, Any],
) -> bytes:
    """
    Return a PNG image, checked to be what was asked for.

    Args:
        size: Width and height that it has to have, CSS pixels.
    """
    answer = await guard.call(
        "a screenshot",
        session.send("Page.captureScreenshot", asked),
        decision.limits.tile_s,
    )
    try:
        data = base64.b64decode(answer["data"], validate=True)
    except binascii.Error as error:
        raise SnapshotterError("the browser returned a screenshot that is no base64") from error
    header = read_header(data)
    expected = (size[0] * decision.scale, size[1] * decision.scale)
    if (header.width, header.height) != expected:
        raise SnapshotterError(
            f"a screenshot has {header.width}x{header.height} pixels, "
            f"not {expected[0]}x{expected[1]}"
        )
    return data
