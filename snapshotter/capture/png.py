"""
Join PNG images of one width, one below the other, without decoding a pixel.

A PNG (W3C PNG, third edition) is one zlib stream of rows, each with a filter
byte that says from which neighbours its bytes were predicted. Rows keep their
filters when they are moved, but for the first row of an image: it was
predicted from a row of zeros and now has a real row above it. So each image is
inflated, the filter of its first row is rewritten to one that does not look
up, and all rows go into a single stream. A page of 60 megapixels costs a
second and a few megabytes of memory; decoding and encoding it again costs four
times that, and all its pixels at once.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import CHUNK, DigestingWriter

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type: samples a pixel (§11.2.1); no palettes
_KEPT = frozenset({b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"sBIT"})  # say what colours mean
_LEVEL = 3  # of zlib: 10 % larger than level 6 in half the time
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)  # filter types (§9.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PngHeader:
    """What IHDR says (§11.2.1)."""

    width: int  # pixels
    height: int  # pixels
    bit_depth: int
    colour_type: int

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel, which filters count by (§9.2)."""
        return max(1, _SAMPLES[self.colour_type] * self.bit_depth // 8)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, its filter byte not counted."""
        return (_SAMPLES[self.colour_type] * self.bit_depth * self.width + 7) // 8


def read_header(png: bytes) -> PngHeader:
    """
    Return the header of a PNG image that can be joined.

    Raises:
        SnapshotterError: Not PNG, empty, interlaced or with a palette.
    """
    if len(png) < 33 or not png.startswith(_SIGNATURE) or png[12:16] != b"IHDR":
        raise SnapshotterError("the browser returned something that is no PNG image")
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", png[16:29])
    if not width or not height or colour not in _SAMPLES or interlace:
        raise SnapshotterError("the browser returned a PNG image of a kind that cannot be joined")
    return PngHeader(width=width, height=height, bit_depth=depth, colour_type=colour)


class PngStitcher:
    """
    Takes images from top to bottom and writes them out as one.

    Args:
        work: An empty binary file, readable and writable, for the compressed rows: the
            height stands first in a PNG and is known last.
    """

    def __init__(self, work: BinaryIO) -> None:
        self._work = work
        self._deflate = zlib.compressobj(_LEVEL)
        self._header: PngHeader | None = None
        self._kept: list[tuple[bytes, bytes]] = []
        self._height = 0

    def add(self, png: bytes) -> PngHeader:
        """
        Append one image below the others.

        Raises:
            SnapshotterError: It is broken, or of another width or pixel format.
        """
        header = read_header(png)
        if self._header is None:
            self._header = header
            self._kept = [chunk for chunk in _chunks(png) if chunk[0] in _KEPT]
        elif (header.width, header.bit_depth, header.colour_type) != (
            self._header.width,
            self._header.bit_depth,
            self._header.colour_type,
        ):
            raise SnapshotterError("the parts of a screenshot differ in width or pixel format")
        first, taken = b"", 0
        row = header.row_bytes + 1
        for data in _inflate(png):
            taken += len(data)
            if len(first) < row:
                first += data
                if len(first) < row:
                    continue
                data = _without_row_above(first[:row], header.pixel_bytes) + first[row:]
            self._work.write(self._deflate.compress(data))
        if taken != row * header.height:
            raise SnapshotterError("a part of a screenshot does not hold all its rows")
        self._height += header.height
        return header

    def finish(self, out: DigestingWriter) -> tuple[int, int]:
        """
        Write the joined image and return its width and height in pixels.

        Raises:
            ValueError: No image was added.
        """
        if self._header is None:
            raise ValueError("there is no image to write")
        head = self._header
        self._work.write(self._deflate.flush())
        out.write(_SIGNATURE)
        ihdr = struct.pack(
            ">IIBBBBB", head.width, self._height, head.bit_depth, head.colour_type, 0, 0, 0
        )
        _write_chunk(out, b"IHDR", ihdr)
        for name, data in self._kept:
            _write_chunk(out, name, data)
        self._work.seek(0)
        while data := self._work.read(CHUNK):
            _write_chunk(out, b"IDAT", data)
        _write_chunk(out, b"IEND", b"")
        return head.width, self._height


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 12 <= len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length


def _inflate(png: bytes) -> Iterator[bytes]:
    """Yield the rows' bytes in pieces of at most `CHUNK` bytes."""
    inflate = zlib.decompressobj()
    try:
        for name, data in _chunks(png):
            if name != b"IDAT":
                continue
            yield inflate.decompress(data, CHUNK)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, CHUNK)
        # Checks the Adler-32 as well: a stream that ends early is not at its end.
        yield inflate.flush()
    except zlib.error as error:
        raise SnapshotterError("a part of a screenshot is broken") from error
    if not inflate.eof:
        raise SnapshotterError("a part of a screenshot is cut off")


def _without_row_above(row: bytes, pixel_bytes: int) -> bytes:
    """
    Return a filtered first row so that it decodes to the same bytes below any other row.

    §9.2 with a row of zeros above: Up predicts nothing, Paeth predicts the left
    neighbour, which is Sub; Average predicts half of it, which no other filter
    does, so that row is decoded.
    """
    kind, data = row[0], row[1:]
    if kind in (_NONE, _SUB):
        return row
    if kind == _UP:
        return bytes([_NONE]) + data
    if kind == _PAETH:
        return bytes([_SUB]) + data
    if kind != _AVERAGE:
        raise SnapshotterError("a part of a screenshot has an unknown filter")
    plain = bytearray(data)
    for index in range(pixel_bytes, len(plain)):
        plain[index] = (plain[index] + plain[index - pixel_bytes] // 2) & 0xFF
    return bytes([_NONE]) + bytes(plain)


def _write_chunk(out: DigestingWriter, name: bytes, data: bytes) -> None:
    out.write(struct.pack(">I", len(data)) + name)
    out.write(data)
    out.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
