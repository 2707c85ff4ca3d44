"""
Read the header of a PNG screenshot, and its pixels band by band (W3C PNG, third edition).

A full page can have hundreds of megapixels, so a picture is never decoded as a whole. Its zlib
stream is inflated as far as one band, and the band is decoded as a small PNG image. Rows are
predicted from the row above (§9.2), so each band is decoded together with the last row of the band
before it.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = 33  # signature and IHDR (§5.2, §11.2.1)
BAND = 256  # rows
_READ = 64 << 10  # bytes
_SAMPLES = {0: 1, 2: 3, 4: 2, 6: 4}  # colour type: samples a pixel (§11.2.1); no palettes
_MODES = {0: "L", 2: "RGB", 4: "LA", 6: "RGBA"}  # colour type: Pillow's name for 8 bits a sample


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
    Return the header of a PNG image whose rows can be joined and read one by one.

    Args:
        png: Its first `HEAD_BYTES`, or more.

    Raises:
        SnapshotterError: Not PNG, empty, interlaced or with a palette.
    """
    if len(png) < HEAD_BYTES or not png.startswith(SIGNATURE) or png[12:16] != b"IHDR":
        raise SnapshotterError(tr("the data are not a PNG image"))
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", png[16:29])
    if not width or not height or colour not in _SAMPLES or interlace:
        raise SnapshotterError(
            tr(
                "the kind of the PNG image is not supported, because its rows cannot be read "
                "one by one"
            )
        )
    return PngHeader(width=width, height=height, bit_depth=depth, colour_type=colour)


class PngBands:
    """
    Decodes the rows of an image from its top, when they are inflated already.

    Args:
        header: Of an image with 8 bits a sample. Its height does not matter.
    """

    def __init__(self, header: PngHeader) -> None:
        self._width = header.width
        self._row = header.row_bytes + 1
        self._mode = _MODES[header.colour_type]
        self._above = bytes(header.row_bytes)  # what the first row is predicted from (§9.2)

    def decode(self, rows: bytes | memoryview) -> Any:
        """
        Return the next rows as an image (of Pillow).

        Args:
            rows: Whole rows with their filter bytes.

        Raises:
            SnapshotterError: They are broken.
        """
        from PIL import Image

        count = len(rows) // self._row
        # Not compressed: Pillow undoes filters only while it inflates.
        data = zlib.compress(b"".join((b"\0", self._above, rows)), 0)
        try:
            image = Image.frombytes(
                self._mode, (self._width, count + 1), data, "zip", self._mode, 0
            )
        except (OSError, ValueError) as error:  # as Pillow tells of a bad image
            raise SnapshotterError(tr("the picture is damaged")) from error
        self._above = image.crop((0, count, self._width, count + 1)).tobytes()
        return image.crop((0, 1, self._width, count + 1))


class PngRows:
    """
    A PNG file as bands of decoded rows, read from the top, once.

    Raises:
        SnapshotterError: It is no PNG with 8 bits a sample.
    """

    def __init__(self, stream: BinaryIO) -> None:
        head = stream.read(HEAD_BYTES)
        self.header: PngHeader = read_header(head)
        if self.header.bit_depth != 8:
            raise SnapshotterError(tr("the picture does not have 8 bits per sample"))
        self._stream = stream

    def bands(self) -> Iterator[Any]:
        """
        Yield the rows from the top, `BAND` of them in each image but the last (of Pillow).

        Raises:
            SnapshotterError: It is broken.
        """
        bands, row = PngBands(self.header), self.header.row_bytes + 1
        left = self.header.height
        inflated = _Inflated(self._stream)
        while left:
            rows = min(BAND, left)
            yield bands.decode(inflated.take(rows * row))
            left -= rows

    def whole(self) -> Any:
        """
        Return the whole picture, decoded at once (of Pillow): quicker than by bands.

        Raises:
            SnapshotterError: It is broken.
        """
        from PIL.PngImagePlugin import PngImageFile  # `Image.open` loads four more formats

        self._stream.seek(0)
        try:
            image = PngImageFile(self._stream)
            image.load()
        except (OSError, ValueError, SyntaxError) as error:
            raise SnapshotterError(tr("the picture is damaged")) from error
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
                raise SnapshotterError(tr("the picture is damaged")) from error
            if self._inflater.eof and len(taken) < count:
                raise SnapshotterError(tr("the picture lacks rows at its end"))
        return bytes(taken)

    def _read(self) -> bytes:
        while not self._left:
            head = self._stream.read(8)
            if len(head) < 8:
                raise SnapshotterError(tr("the picture lacks rows at its end"))
            length, name = struct.unpack(">I4s", head)
            if name == b"IDAT":
                self._left = length
                if not length:
                    self._stream.seek(4, io.SEEK_CUR)
            else:
                self._stream.seek(length + 4, io.SEEK_CUR)
        data = self._stream.read(min(_READ, self._left))
        if not data:
            raise SnapshotterError(tr("the picture lacks rows at its end"))
        self._left -= len(data)
        if not self._left:
            self._stream.seek(4, io.SEEK_CUR)  # the checksum; zlib has one of its own
        return data
