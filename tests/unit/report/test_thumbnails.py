"""A thumbnail is small, has one form, and is made of the top of a screenshot."""

import io
from collections.abc import Callable
from typing import BinaryIO

import pytest
from PIL import Image, ImageDraw

from snapshotter.errors import SnapshotterError
from snapshotter.report.thumbnails import MAX_BYTES, make_thumbnails


def png(image: Image.Image) -> Callable[[], BinaryIO]:
    out = io.BytesIO()
    image.save(out, "PNG")
    return lambda: io.BytesIO(out.getvalue())


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["WEBP"]).convert("RGB")


def test_a_thumbnail_of_noise_is_as_small_as_any_other() -> None:
    made = make_thumbnails([png(Image.effect_noise((1280, 1000), 120).convert("RGB"))])

    for data in (made.clear, made.blurred):
        assert len(data) <= MAX_BYTES
        assert opened(data).size == (320, 240)


def test_a_thumbnail_shows_the_top_of_a_picture_in_several_files() -> None:
    red, blue, green = (
        png(Image.new("RGB", (800, 300), colour)) for colour in ("red", "blue", "green")
    )
    shown = opened(make_thumbnails([red, blue, green]).clear)

    assert _nearly(shown.getpixel((160, 60)), (255, 0, 0))
    assert _nearly(shown.getpixel((160, 230)), (0, 0, 255))


def test_what_is_below_the_thumbnail_is_not_read() -> None:
    top = png(Image.new("RGB", (400, 300), "red"))

    def broken() -> BinaryIO:
        raise AssertionError("read")

    assert make_thumbnails([top, broken]).clear


def test_a_short_picture_ends_in_white() -> None:
    shown = opened(make_thumbnails([png(Image.new("RGB", (640, 40), "black"))]).clear)

    assert _nearly(shown.getpixel((10, 5)), (0, 0, 0))
    assert _nearly(shown.getpixel((10, 200)), (255, 255, 255))


def test_a_blurred_thumbnail_keeps_no_letter() -> None:
    page = Image.new("RGB", (1280, 960), "white")
    ImageDraw.Draw(page).text((100, 100), "a graphic word", "black", font_size=60)
    made = make_thumbnails([png(page)])

    clear, blurred = (opened(data).convert("L").getextrema() for data in (made.clear, made.blurred))

    assert clear[0] < 60  # type: ignore[operator]  # of one channel
    assert blurred[0] > 150  # type: ignore[operator]


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(100)])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(SnapshotterError):
        make_thumbnails([lambda: io.BytesIO(data)])
    with pytest.raises(SnapshotterError):
        make_thumbnails([])


def _nearly(found: object, expected: tuple[int, int, int]) -> bool:
    assert isinstance(found, tuple)
    return all(abs(one - other) < 12 for one, other in zip(found, expected, strict=True))
