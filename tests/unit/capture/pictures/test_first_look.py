"""Which first look stands in for a picture that did not come, and what it says of itself."""

import asyncio
from collections.abc import Callable
from typing import cast

from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.pictures.first_look import FirstLook
from snapshotter.capture.pictures.screenshot import Camera
from snapshotter.model.capture import Picture
from tests.fakes.world import FixedClock


class Window:
    """Stands for the camera, which needs a browser: what the window shows, and what is kept."""

    def __init__(self) -> None:
        self.shows = b""
        self.kept: list[tuple[bytes, str]] = []

    async def look(self, _limit_s: float) -> bytes:
        return self.shows

    async def keep_first_look(self, data: bytes, _step: str, when: str) -> Picture:
        self.kept.append((data, when))
        raise OSError("the picture itself is of no interest here")


def glanced(clock: FixedClock, *happens: Callable[[Window, MainDocument], None]) -> Window:
    """Look after each of these, and once the page is lost keep what was seen."""
    window, document = Window(), MainDocument(count=1)
    builder = CaptureBuilder(requested_url="https://a.com/", clock=clock, progress=lambda *_: None)
    first_look = FirstLook(
        cast("Camera", window),
        document,
        clock=clock,
        builder=builder,
        memory_is_low=lambda: False,
    )

    async def main() -> None:
        *looked_at, last = happens
        for number, visit in enumerate(looked_at):
            visit(window, document)
            await first_look.take(f"at {number}")
        last(window, document)
        await first_look.keep()

    asyncio.run(main())
    return window


def shows(data: bytes) -> Callable[[Window, MainDocument], None]:
    def happen(window: Window, _document: MainDocument) -> None:
        window.shows = data

    return happen


def goes_on(data: bytes) -> Callable[[Window, MainDocument], None]:
    def happen(window: Window, document: MainDocument) -> None:
        window.shows, document.count = data, document.count + 1

    return happen


def test_a_page_that_goes_blank_takes_back_nothing(clock: FixedClock) -> None:
    assert glanced(clock, shows(b"text"), shows(b""), shows(b"")).kept == [(b"text", "at 0")]


def test_what_an_earlier_document_showed_is_no_picture_of_a_blank_one(clock: FixedClock) -> None:
    assert glanced(clock, shows(b"text"), goes_on(b""), shows(b"")).kept == []


def test_a_look_at_a_document_that_the_page_went_on_from_says_so(clock: FixedClock) -> None:
    ((data, when),) = glanced(clock, shows(b"text"), goes_on(b"notice")).kept

    assert (data, when) == (b"text", "at 0, of a document that the page left later")
