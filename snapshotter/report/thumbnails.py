"""
Make the small picture of a capture for lists, clear and blurred.

Both show the top of a screenshot. The blurred one is shown of a capture that is marked as graphic:
it has 16 × 12 colours, so that nothing in it can be recognised.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.report.picture_copies import read_bands
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

WIDTH: Final = 320  # pixels
HEIGHT: Final = 240  # pixels
MAX_BYTES: Final = 15_000  # of one thumbnail
_WIDEST: Final = 8_000  # device pixels that are shown
_COLOURS: Final = (16, 12)  # of the blurred one
_QUALITIES: Final = (80, 65, 50, 35, 20, 8, 1)  # of WebP


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """A thumbnail as WebP, `WIDTH` × `HEIGHT`."""

    clear: bytes
    blurred: bytes


def make_thumbnails(files: Sequence[Callable[[], BinaryIO]]) -> Thumbnails:
    """
    Return the thumbnails of a screenshot.

    Args:
        files: Its PNG files, from the top and edge to edge. What is below the part that is shown
            is not read.

    Raises:
        SnapshotterError: The picture cannot be read.
    """
    from PIL import Image

    top = _top(files)
    clear = top.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS, reducing_gap=2.0)
    blurred = clear.resize(_COLOURS, Image.Resampling.BOX)
    return Thumbnails(
        clear=_encode(clear),
        blurred=_encode(blurred.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)),
    )


def _top(files: Sequence[Callable[[], BinaryIO]]) -> Any:
    """Return the top of a picture at 4 to 3; below a picture that ends before, it is white."""
    from PIL import Image

    canvas: Any = None
    filled = 0
    for band in read_bands(files):
        if canvas is None:
            width = min(band.width, _WIDEST)
            canvas = Image.new("RGB", (width, max(1, width * HEIGHT // WIDTH)), "white")
        canvas.paste(band.convert("RGB"), (0, filled))
        filled += band.height
        if filled >= canvas.height:
            break
    if canvas is None:
        raise SnapshotterError(tr("a picture has no rows"))
    return canvas


def _encode(image: Any) -> bytes:
    for quality in _QUALITIES:
        out = io.BytesIO()
        image.save(out, "WEBP", quality=quality, method=4)
        if out.tell() <= MAX_BYTES:
            return out.getvalue()
    raise SnapshotterError(tr("a thumbnail does not fit into {most} bytes", most=MAX_BYTES))
