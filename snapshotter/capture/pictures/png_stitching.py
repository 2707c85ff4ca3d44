"""
Join PNG images of the same width, one below the other, without decoding their pixels, except those
of a first row that the Average filter predicted.

A PNG (W3C PNG, third edition) is one zlib stream of rows, each with a filter byte that says from
which neighbours its bytes were predicted. Moved rows keep their filters, except the first row of an
image: it was predicted from a row of zeros and now has a real row above it. So its filter is
rewritten to one that does not refer to the row above. That row, and the few rows that a compressed
block could refer to, are compressed again; all blocks behind them are moved into the joined stream
unchanged (`deflate_blocks.py`). A page of 20 megapixels costs a fifth of a second and a few
megabytes of memory. Compressing its rows again costs three times that, and decoding them ten times.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from snapshotter.capture.pictures import deflate_blocks
from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import CHUNK, DigestingWriter
from snapshotter.formats.page.png import HEAD_BYTES, SIGNATURE, PngHeader, read_header
from snapshotter.ports import PictureRows
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_KEPT = frozenset({b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"sBIT"})  # say what colours mean
_LEVEL = 3  # of zlib, for what is compressed anew: 10 % larger than level 6 in half the time
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)  # filter types (§9.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PngPart:
    """Header and colour of an image that was joined to others."""

    header: PngHeader
    colour: bytes | None  # the samples of its one colour, when all its pixels have the same


def one_colour(png: bytes) -> bytes | None:
    """
    Return the samples of an image's one colour, or None when its pixels differ.

    Raises:
        SnapshotterError: It is broken.
    """
    same = _OneColour(read_header(png))
    try:
        for piece in deflate_blocks.inflate(_idat(png), blocks=False):
            same.look(piece.data)
            if same.differs:
                return None
    except zlib.error as error:
        raise SnapshotterError(tr("a screenshot is damaged")) from error
    return same.colour


class PngStitcher:
    """
    Joins images from top to bottom into one.

    Args:
        work: An empty binary file, readable and writable, for the compressed rows: the height comes
            first in a PNG and is known last.
        blocks: Move compressed blocks unchanged, if this system can; see `deflate_blocks.py`.
        rows: Receives the rows of the joined image.
    """

    def __init__(
        self, work: BinaryIO, *, blocks: bool = True, rows: PictureRows | None = None
    ) -> None:
        self._work = work
        self._rows = rows
        self._blocks = blocks
        self._adler = zlib.adler32(b"")
        self._header: PngHeader | None = None
        self._kept: list[tuple[bytes, bytes]] = []
        self._height = 0
        # Before the last image: bytes of work, checksum, rows, and whether there was any.
        self._before: tuple[int, int, int, PngHeader | None] = (work.tell(), self._adler, 0, None)

    def add(self, png: bytes) -> PngPart:
        """
        Append one image below the others. A refused one leaves nothing behind.

        Raises:
            SnapshotterError: It is broken, or of another width or pixel format.
        """
        header = read_header(png)
        if self._header is not None and (
            (header.width, header.bit_depth, header.colour_type)
            != (self._header.width, self._header.bit_depth, self._header.colour_type)
        ):
            raise SnapshotterError(tr("the parts of a screenshot differ in width or pixel format"))
        self._before = self._work.tell(), self._adler, self._height, self._header
        try:
            colour = self._join(_idat(png), header, png[:HEAD_BYTES])
        except (zlib.error, SnapshotterError) as error:
            self.take_back()
            if isinstance(error, SnapshotterError):
                raise
            raise SnapshotterError(tr("a part of a screenshot is damaged")) from error
        if self._header is None:
            self._header = header
            self._kept = [chunk for chunk in _chunks(png) if chunk[0] in _KEPT]
        self._height += header.height
        return PngPart(header=header, colour=colour)

    def take_back(self) -> None:
        """Remove the last image. Works once; then nothing happens."""
        if self._rows is not None:
            self._rows.give_up()
        at, self._adler, self._height, self._header = self._before
        self._work.seek(at)
        self._work.truncate()

    def finish(self, out: DigestingWriter) -> tuple[int, int]:
        """
        Write the joined image and return its width and height in pixels.

        Raises:
            ValueError: No image was added.
        """
        if self._header is None:
            raise ValueError("there is no image to write")
        head = self._header
        self._work.write(deflate_blocks.END + struct.pack(">I", self._adler))
        out.write(SIGNATURE)
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

    def _join(self, stream: bytes, header: PngHeader, head: bytes) -> bytes | None:
        """Write one image's rows behind the others; return its one colour, if it has one."""
        first = self._header is None
        row = header.row_bytes + 1
        top, same = _FirstRow(row, header.pixel_bytes, kept=first), _OneColour(header)
        # What is before `start` is compressed again, because it holds the first row or
        # may be referred to as if it still did; the blocks behind it are moved.
        anew = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
        start = last_header = end = -1
        taken = 0
        if first:
            self._work.write(deflate_blocks.HEADER)
        for piece in deflate_blocks.inflate(stream, blocks=self._blocks):
            taken += len(piece.data)
            same.look(piece.data)
            data = top.pass_on(piece.data)
            self._adler = zlib.adler32(data, self._adler)
            if self._rows is not None:
                self._rows.add(head, data)
            if start < 0:
                self._work.write(anew.compress(data))
            if piece.boundary < 0:
                continue
            if piece.last:
                end = piece.boundary
            else:
                last_header = piece.boundary
                if start < 0 and top.is_past(taken - deflate_blocks.WINDOW):
                    start = piece.boundary
        if taken != row * header.height:
            raise SnapshotterError(
                tr("a part of a screenshot has fewer or more rows of pixels than its header states")
            )
        self._work.write(anew.flush(zlib.Z_SYNC_FLUSH))
        if start >= 0:
            for moved in deflate_blocks.rebase_blocks(stream, start, last_header, end):
                self._work.write(moved)
        return same.colour


class _FirstRow:
    """
    Rewrites the first row of an image so that it does not refer to the row above; passes on the
    rest.

    The first row was filtered as if zeros were above it, and now a real row is there. Up of zeros
    is None, and Paeth of zeros is Sub (§9.2, §9.4); Average is neither, so that row is decoded.

    Args:
        kept: It stays the first row, unchanged.
    """

    def __init__(self, row: int, pixel_bytes: int, *, kept: bool) -> None:
        self._row = row
        self._pixel_bytes = pixel_bytes
        self._changed = 0  # bytes from the start that may be other ones
        self._held = b""
        self._done = kept

    def is_past(self, position: int) -> bool:
        """Return whether all bytes from `position` on are unchanged."""
        return self._done and (not self._changed or position >= self._changed)

    def pass_on(self, data: bytes) -> bytes:
        """Return the bytes as they are to be written."""
        if self._done or not data:
            return data
        kind = self._held[0] if self._held else data[0]
        if kind == _AVERAGE:
            data = self._held + data
            if len(data) < self._row:
                self._held = data
                return b""
            self._changed = self._row
            data = _without_average(data[: self._row], self._pixel_bytes) + data[self._row :]
        elif kind in (_UP, _PAETH):
            self._changed = 1
            data = bytes([_NONE if kind == _UP else _SUB]) + data[1:]
        elif kind not in (_NONE, _SUB):
            raise SnapshotterError(tr("a part of a screenshot has an unknown PNG filter"))
        self._done = True
        return data


class _OneColour:
    """
    Finds out from filtered rows whether all pixels have one colour.

    It costs next to nothing: most images differ in their first rows. Rows that an encoder filtered
    in changing ways count as different.
    """

    def __init__(self, header: PngHeader) -> None:
        self._row = header.row_bytes + 1
        self._pixel_bytes = header.pixel_bytes
        self._first = b""
        self._pattern = b""  # rows like the second
        self._at = 0  # bytes seen behind the first row
        self.differs = header.bit_depth < 8

    @property
    def colour(self) -> bytes | None:
        if self.differs or len(self._first) < self._row:
            return None
        return self._first[1 : 1 + self._pixel_bytes]

    def look(self, data: bytes) -> None:
        """Read the next bytes, still filtered."""
        if self.differs:
            return
        if (missing := self._row - len(self._first)) > 0:
            self._first += data[:missing]
            data = data[missing:]
            if len(self._first) < self._row:
                return
            self.differs = not self._is_even(self._first)
        if not data or self.differs:
            return
        if not self._pattern:
            self._pattern = self._like_the_first(data[0]) * (2 + CHUNK // self._row)
        start = self._at % self._row
        self.differs = data != self._pattern[start : start + len(data)]
        self._at += len(data)

    def _is_even(self, row: bytes) -> bool:
        pixel = row[1 : 1 + self._pixel_bytes]
        if row[0] in (_NONE, _UP):
            return row[1:] == pixel * ((self._row - 1) // self._pixel_bytes)
        return row[0] in (_SUB, _PAETH) and not any(row[1 + self._pixel_bytes :])

    def _like_the_first(self, kind: int) -> bytes:
        """Return a row that repeats the first one's colour in the manner of `kind`."""
        pixel = self._first[1 : 1 + self._pixel_bytes]
        if kind == _NONE:
            return bytes([kind]) + pixel * ((self._row - 1) // self._pixel_bytes)
        if kind == _SUB:
            return bytes([kind]) + pixel + bytes(self._row - 1 - self._pixel_bytes)
        if kind in (_UP, _PAETH):
            return bytes([kind]) + bytes(self._row - 1)
        return b"\xff" + bytes(self._row - 1)  # like no row


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        yield name, png[at + 8 : at + 8 + length]
        at += 12 + length


def _idat(png: bytes) -> bytes:
    return b"".join(data for name, data in _chunks(png) if name == b"IDAT")


def _without_average(row: bytes, pixel_bytes: int) -> bytes:
    """Return a row that was filtered by Average below zeros as one without a filter."""
    plain = bytearray(row[1:])
    for index in range(pixel_bytes, len(plain)):
        plain[index] = (plain[index] + plain[index - pixel_bytes] // 2) & 0xFF
    return bytes([_NONE]) + bytes(plain)


def _write_chunk(out: DigestingWriter, name: bytes, data: bytes) -> None:
    out.write(struct.pack(">I", len(data)) + name)
    out.write(data)
    out.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
