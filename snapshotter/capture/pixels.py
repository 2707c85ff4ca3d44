"""
Compare two PNG files pixel by pixel, a band of rows at a time.

A full page has up to hundreds of megapixels, so neither picture is ever decoded whole:
its one zlib stream is inflated as far as a band goes, and the band is decoded as a small
PNG image of its own. Rows are predicted from the row above (PNG, third edition, §9.2), so
the last row of the band before stands on top of each.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, ImageChops

from snapshotter.capture.png import PngHeader, read_header
from snapshotter.errors import SnapshotterError

_BAND = 256  # rows
_READ = 64 << 10  # bytes
_HEAD = 33  # bytes: signature and IHDR (§5.2, §11.2.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two pictures differ. Width and height in pixels."""

    first: tuple[int, int]
    second: tuple[int, int]
    pixels: int  # of the smallest rectangle that holds both
    differing: int  # of these; what only one of them has differs


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height. Raises SnapshotterError: it is no PNG that we can read."""
    with path.open("rb") as stream:
        header = read_header(stream.read(_HEAD))
    return header.width, header.height


def compare(first: Path, second: Path) -> Difference:
    """
    Count the pixels in which two PNG files differ, from their upper left corners.

    Raises:
        SnapshotterError: One of them is broken, or no PNG with 8 bits a sample.
    """
    with first.open("rb") as one, second.open("rb") as other:
        ours, theirs = _Picture(one), _Picture(other)
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
            raise SnapshotterError("a picture ends before its last row")
    pixels = max(a.width, b.width) * max(a.height, b.height)
    return Difference(
        first=(a.width, a.height),
        second=(b.width, b.height),
        pixels=pixels,
        differing=pixels - equal,
    )


def _equal(one: Any, other: Any) -> int:
    """Return in how many pixels two images of one size are the same in every channel."""
    if one.mode != other.mode:
        one, other = one.convert("RGBA"), other.convert("RGBA")
    channels = ImageChops.difference(one, other).split()
    furthest = reduce(ImageChops.lighter, channels)
    return int(furthest.histogram()[0])


class _Picture:
    """A PNG file as bands of decoded rows."""

    def __init__(self, stream: BinaryIO) -> None:
        head = stream.read(_HEAD)
        self.header: PngHeader = read_header(head)
        if self.header.bit_depth != 8:
            raise SnapshotterError("a picture does not have 8 bits a sample")
        self._stream = stream

    def bands(self) -> Iterator[Any]:
        """
        Yield the rows from the top, `_BAND` of them in each image but the last.

        Raises:
            SnapshotterError: It is broken.
        """
        row = self.header.row_bytes + 1
        above = bytes(row - 1)  # what the first row is predicted from (§9.2)
        left = self.header.height
        inflated = _Inflated(self._stream)
        while left:
            rows = min(_BAND, left)
            data = inflated.take(rows * row)
            try:
                image = self._decoded(b"\0" + above + data, rows + 1)
            except (OSError, ValueError, SyntaxError) as error:  # as Pillow tells of a bad image
                raise SnapshotterError("a picture is broken") from error
            above = image.crop((0, rows, self.header.width, rows + 1)).tobytes()
            yield image.crop((0, 1, self.header.width, rows + 1))
            left -= rows

    def _decoded(self, rows: bytes, height: int) -> Any:
        head = struct.pack(
            ">IIBBBBB", self.header.width, height, 8, self.header.colour_type, 0, 0, 0
        )
        png = b"".join(
            (
                b"\x89PNG\r\n\x1a\n",
                _chunk(b"IHDR", head),
                _chunk(b"IDAT", zlib.compress(rows, 0)),  # not compressed: it is read at once
                _chunk(b"IEND", b""),
            )
        )
        image = Image.open(io.BytesIO(png), formats=("PNG",))
        image.load()
        return image


class _Inflated:
    """The rows of a PNG file, filtered as they are, a piece at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream  # stands behind a chunk
        self._left = 0  # bytes of the IDAT chunk that is being read
        self._inflater = zlib.decompressobj()

    def take(self, count: int) -> bytes:
        """Return the next bytes, exactly. Raises SnapshotterError when there are fewer."""
        taken = bytearray()
        while len(taken) < count:
            data = self._inflater.unconsumed_tail or self._read()
            try:
                taken += self._inflater.decompress(data, count - len(taken))
            except zlib.error as error:
                raise SnapshotterError("a picture is broken") from error
            if self._inflater.eof and len(taken) < count:
                raise SnapshotterError("a picture ends before its last row")
        return bytes(taken)

    def _read(self) -> bytes:
        while not self._left:
            head = self._stream.read(8)
            if len(head) < 8:
                raise SnapshotterError("a picture ends before its last row")
            length, name = struct.unpack(">I4s", head)
            if name == b"IDAT":
                self._left = length
                if not length:
                    self._stream.seek(4, io.SEEK_CUR)
            else:
                self._stream.seek(length + 4, io.SEEK_CUR)
        data = self._stream.read(min(_READ, self._left))
        if not data:
            raise SnapshotterError("a picture ends before its last row")
        self._left -= len(data)
        if not self._left:
            self._stream.seek(4, io.SEEK_CUR)  # the checksum; zlib has one of its own
        return data


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join(
        (
            struct.pack(">I", len(data)),
            name,
            data,
            struct.pack(">I", zlib.crc32(data, zlib.crc32(name))),
        )
    )
