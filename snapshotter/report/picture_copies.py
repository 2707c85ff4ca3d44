"""
Make reduced copies of screenshots for HTML pages. The screenshots themselves are the evidence.

A picture is read in bands and written in pieces, so at most one piece is in memory without
compression. A copy contains only the left `MAX_WIDTH` pixels of a picture, and ends with the piece
in which `MAX_HEIGHT` is reached. The pieces for paper fit a sheet, and each repeats the end of the
piece before, so that a line of text that is cut in one piece is whole in the other.
"""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import PngRows
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_HEIGHT: Final = 60_000  # CSS pixels that are shown
MAX_WIDTH: Final = 4_000
_PIECE = 2_048  # CSS pixels
_WIDEST = 40_000  # device pixels
_MAX_PIXELS = 50_000_000  # device pixels of a piece, 3 bytes each; a record may state any scale
_QUALITY = 80  # of WebP
_FAST_QUALITY = 85  # of JPEG
_MAX_BYTES = 24 << 20  # of all pieces of a copy, encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPiece:
    """A part of a copy, from the left edge. CSS pixels."""

    url: str  # data:
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureCopy:
    """A picture as it can be shown. CSS pixels."""

    pieces: tuple[CopyPiece, ...]
    width: int
    height: int
    cut: bool  # it goes on below
    overlap: int = 0  # of each piece with the piece before
    narrowed: bool = False  # it goes on at the right


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceShape:
    """The shape of pieces, each of which fits a sheet of paper."""

    per_mille: int  # height of a piece, in thousandths of its width
    overlap: int  # with the piece before, in CSS pixels
    only_first: bool = False  # only the top of the picture is read


def make_picture_copy(
    files: Sequence[Callable[[], BinaryIO]],
    scale: int,
    *,
    fast: bool = False,
    shape: PieceShape | None = None,
) -> PictureCopy | None:
    """
    Return a copy of a picture, one pixel to a CSS pixel; None of one that cannot be read.

    Args:
        files: Its PNG files, from the top and edge to edge.
        scale: Device pixels a CSS pixel.
        fast: JPEG, which is made in a fortieth of the time of WebP and is twice as long.
        shape: Of the pieces; None: edge to edge, for the screen.
    """
    try:
        return _copy(files, scale, fast, shape)
    except (SnapshotterError, OSError, ValueError):
        return None  # a capture may hold anything under that name; the comparison says so


def make_thumbnail(copy: PictureCopy, width: int) -> CopyPiece:
    """
    Return the top of a copy as a small picture, at most 4 to 3.

    Args:
        width: Of the small picture in pixels; a narrower copy keeps its width.
    """
    from PIL import Image

    data = base64.b64decode(copy.pieces[0].url.partition(",")[2])
    with Image.open(io.BytesIO(data)) as whole:
        top = whole.convert("RGB").crop(
            (0, 0, whole.width, min(whole.height, whole.width * 3 // 4))
        )
    if top.width > width:
        top = top.resize((width, max(1, top.height * width // top.width)))
    return _piece(top, top.height, 1, 0, fast=False)


def _copy(
    files: Sequence[Callable[[], BinaryIO]], scale: int, fast: bool, shape: PieceShape | None
) -> PictureCopy:
    from PIL import Image

    overlap = shape.overlap if shape is not None else 0

    pieces: list[CopyPiece] = []
    top, width, cut, encoded = 0, 0, False, 0
    canvas: Any = None
    repeated: Any = None  # the end of the piece before
    filled = 0  # device pixels of the canvas
    narrowed = False
    for band in read_bands(files):
        width = min(band.width, MAX_WIDTH * scale)
        narrowed = narrowed or width < band.width
        at = 0
        tall = _PIECE
        if shape is not None:  # two pieces never begin at one place, however narrow the picture is
            tall = max(width // scale * shape.per_mille // 1000, 2 * overlap)
        tall = max(min(tall, _MAX_PIXELS // (width * scale)), 2 * overlap)
        if not 0 < tall * scale * width <= _MAX_PIXELS:
            raise SnapshotterError(tr("a picture is too wide to be shown"))
        while at < band.height and not cut:
            if canvas is None:
                canvas, filled = Image.new("RGB", (width, tall * scale)), 0
                if repeated is not None:
                    canvas.paste(repeated, (0, 0))
                    filled = repeated.height
            rows = min(band.height - at, canvas.height - filled)
            canvas.paste(band.crop((0, at, width, at + rows)).convert("RGB"), (0, filled))
            at, filled = at + rows, filled + rows
            if filled == canvas.height:
                pieces.append(_piece(canvas, filled, scale, top, fast))
                if overlap:
                    repeated = canvas.crop((0, filled - overlap * scale, width, filled))
                top, canvas = top + pieces[-1].height - overlap, None
                encoded += len(pieces[-1].url)
                cut = top >= MAX_HEIGHT or encoded >= _MAX_BYTES
                cut = cut or (shape is not None and shape.only_first)
        if cut:
            break
    if canvas is not None and filled:
        pieces.append(_piece(canvas, filled, scale, top, fast))
    if not pieces:
        raise SnapshotterError(tr("a picture has no rows"))
    return PictureCopy(
        pieces=tuple(pieces),
        width=pieces[0].width,
        height=pieces[-1].top + pieces[-1].height,
        cut=cut,
        overlap=overlap,
        narrowed=narrowed,
    )


def read_bands(files: Sequence[Callable[[], BinaryIO]]) -> Iterator[Any]:
    """
    Yield the rows of a picture from the top, as images (of Pillow).

    Args:
        files: Its PNG files, from the top and edge to edge.

    Raises:
        SnapshotterError: A file is no PNG picture of the expected kind, is damaged or too wide.
    """
    for opener in files:
        with opener() as stream:
            rows = PngRows(stream)
            if rows.header.width > _WIDEST:  # a band of it would not fit into memory
                raise SnapshotterError(tr("a picture is too wide to be shown"))
            yield from rows.bands()


def _piece(canvas: Any, filled: int, scale: int, top: int, fast: bool) -> CopyPiece:
    shown = canvas.crop((0, 0, canvas.width, filled))
    size = max(1, shown.width // scale), max(1, filled // scale)
    if scale > 1:
        shown = shown.resize(size)
    out = io.BytesIO()
    if fast:  # without fewer samples of colour: letters stay sharp
        shown.save(out, "JPEG", quality=_FAST_QUALITY, subsampling=0)
    else:
        shown.save(out, "WEBP", quality=_QUALITY, method=2)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    kind = "jpeg" if fast else "webp"
    return CopyPiece(url=f"data:image/{kind};base64,{data}", top=top, width=size[0], height=size[1])


def picture_bytes(piece: CopyPiece) -> bytes:
    """Return the encoded picture of a piece."""
    return base64.b64decode(piece.url.partition(",")[2])
