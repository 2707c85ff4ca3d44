"""
Compare two PNG files pixel by pixel, a band of rows at a time, and read their sizes.

A full page has up to hundreds of megapixels, so neither picture is ever decoded whole.
"""

from functools import reduce
from pathlib import Path
from typing import Any

from PIL import ImageChops

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import HEAD_BYTES, PngRows, read_header
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelDifference:
    """How two pictures differ. Width and height in pixels."""

    first: tuple[int, int]
    second: tuple[int, int]
    pixels: int  # of the smallest rectangle that holds both
    differing: int  # of these; what only one of them has differs


def read_png_size(path: Path) -> tuple[int, int]:
    """Return width and height. Raises SnapshotterError for a PNG that is not supported."""
    with path.open("rb") as stream:
        header = read_header(stream.read(HEAD_BYTES))
    return header.width, header.height


def compare(first: Path, second: Path) -> PixelDifference:
    """
    Count the pixels in which two PNG files differ, from their upper left corners.

    Raises:
        SnapshotterError: One of them is broken, or no PNG with 8 bits a sample.
    """
    with first.open("rb") as one, second.open("rb") as other:
        ours, theirs = PngRows(one), PngRows(other)
        a, b = ours.header, theirs.header
        width, height = min(a.width, b.width), min(a.height, b.height)
        equal = 0
        done = 0
        for mine, its in zip(ours.bands(), theirs.bands(), strict=False):
            rows = min(mine.height, its.height)
            box = (0, 0, width, rows)
            equal += _equal(mine.crop(box), its.crop(box))
            done += rows
        if done != height:
            raise SnapshotterError(tr("rows of pixels are missing at the end of a picture"))
    pixels = max(a.width, b.width) * max(a.height, b.height)
    return PixelDifference(
        first=(a.width, a.height),
        second=(b.width, b.height),
        pixels=pixels,
        differing=pixels - equal,
    )


def _equal(one: Any, other: Any) -> int:
    """Return in how many pixels two images of one size are equal in every channel."""
    if one.mode != other.mode:
        one, other = one.convert("RGBA"), other.convert("RGBA")
    channels = ImageChops.difference(one, other).split()
    furthest = reduce(ImageChops.lighter, channels)
    return int(furthest.histogram()[0])
