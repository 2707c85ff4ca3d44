"""
Read the pictures of a page row by row, with a digest of each row.

A whole page can have hundreds of megapixels, so a picture is read in bands and never as a whole.
"""

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import PngRows
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_WIDTH: Final = 20_000  # device pixels
_HEIGHT: Final = 1_000_000

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """One picture of a page, in one file or in several, from the top and edge to edge."""

    files: tuple[Opener, ...]
    scale: int = 1  # device pixels a CSS pixel


def size(shot: PictureSource) -> tuple[int, int]:
    """Return width and height of all files of a picture, device pixels."""
    width = height = 0
    for opener in shot.files:
        with opener() as stream:
            header = PngRows(stream).header
        if width and header.width != width:
            raise SnapshotterError(tr("the files of a picture have different widths"))
        width, height = header.width, height + header.height
    if not 0 < width <= _WIDTH or height > _HEIGHT:
        raise SnapshotterError(
            tr(
                "the size of the picture, {width} x {height} pixels, is outside the limits for a "
                "comparison",
                width=width,
                height=height,
            )
        )
    return width, height


def row_digests(shot: PictureSource, left: int, right: int) -> list[bytes]:
    """Return a digest of each row between two columns of pixels."""
    found: list[bytes] = []
    for band in _bands(shot, left, right):
        data, row = band.tobytes(), (right - left) * 3
        found += [
            hashlib.blake2b(data[at : at + row], digest_size=16).digest()
            for at in range(0, len(data), row)
        ]
    return found


def cut_out(shot: PictureSource, left: int, top: int, right: int, bottom: int) -> bytes:
    """
    Return a part of a picture as PNG.

    Args:
        left, top, right, bottom: Device pixels, within the picture; right and bottom excluded.

    Raises:
        SnapshotterError: The picture cannot be read, or ends before `bottom`.
    """
    from PIL import Image

    whole = Image.new("RGB", (right - left, bottom - top))
    with PictureRows(shot, left, right) as rows:
        rows.skip_to(top)
        while rows.row < bottom:
            at = rows.row - top
            whole.paste(rows.take(bottom - rows.row), (0, at))
    out = io.BytesIO()
    whole.save(out, "PNG")
    return out.getvalue()


def _bands(shot: PictureSource, left: int, right: int) -> Iterator[Any]:
    for opener in shot.files:
        with opener() as stream:
            for band in PngRows(stream).bands():
                yield band.crop((left, 0, right, band.height)).convert("RGB")


class PictureRows:
    """The rows of a picture between two columns of pixels, read once from the top."""

    def __init__(self, shot: PictureSource, left: int, right: int) -> None:
        self._bands = _bands(shot, left, right)
        self._band: Any = None
        self._at = 0  # rows of the band that are taken
        self.row = 0

    def __enter__(self) -> "PictureRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._bands.close()  # type: ignore[attr-defined]  # a generator: it closes its file

    def skip_to(self, row: int) -> None:
        """Go on to a row."""
        while self.row < row:
            self.take(row - self.row, only_skip=True)

    def take(self, most: int, *, only_skip: bool = False) -> Any:
        """Return at least one row and at most so many, as an image."""
        if self._band is None or self._at == self._band.height:
            self._band, self._at = next(self._bands, None), 0
            if self._band is None:
                raise SnapshotterError(tr("a picture ends before its last row"))
        count = min(most, self._band.height - self._at)
        taken = (
            None
            if only_skip
            else self._band.crop((0, self._at, self._band.width, self._at + count))
        )
        self._at += count
        self.row += count
        return taken

    def back(self, rows: int) -> None:
        """Give back the last rows that were taken."""
        self._at -= rows
        self.row -= rows
