"""
QR codes in the pictures of a page: read, and never followed.

A picture is read strip by strip, so that a page of any length costs the memory of one strip,
and to a bound in pixels, not in time: the same picture gives the same codes on any machine.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.formats.png import PngRows
from snapshotter.model.page import Box
from snapshotter.model.reading import QrCode

MAX_PIXELS = 64_000_000  # of all pictures of a page; what stands further down is not looked at
_MAX_WIDTH = 20_000  # device pixels
_AT_ONCE = 24_000_000  # pixels of a picture that is decoded whole: in half of the time
_STRIP = 2048  # rows that are looked at together
_OVERLAP = 1024  # rows that the next strip sees again: a code of that height is found whole
_MAX_CODES = 100
_MAX_TEXT = 4_300  # characters: more than a code can hold
_READ = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One file of a picture, and where on the page it stands."""

    path: str  # in the bundle
    stream: BinaryIO  # PNG, seekable, at its beginning
    left_px: int  # CSS pixels from the page's left edge
    top_px: int
    scale: int  # device pixels a CSS pixel


def read_codes(shots: Iterable[Shot]) -> tuple[QrCode, ...]:
    """Return the codes of a page's pictures, from top to bottom. A file that is none has none."""
    found: dict[tuple[str, int, int], QrCode] = {}
    left = MAX_PIXELS
    for shot in shots:
        if left <= 0 or len(found) >= _MAX_CODES:
            break
        try:
            rows = PngRows(shot.stream)
            header = rows.header
            if header.width > _MAX_WIDTH or shot.scale < 1:
                continue
            most = min(header.height, left // header.width)
            left -= header.width * most
            codes = list(_codes(rows, most))
        except SnapshotterError:
            continue
        if not codes:
            continue
        shot.stream.seek(0)
        digest = _sha256(shot.stream)
        for text, box in codes:
            code = QrCode(
                text=text,
                box=Box(
                    left=shot.left_px + round(box.left / shot.scale),
                    top=shot.top_px + round(box.top / shot.scale),
                    width=round(box.width / shot.scale),
                    height=round(box.height / shot.scale),
                ),
                picture=shot.path,
                image_sha256=digest,
            )
            # The same code in two strips or two pictures is at the same place, or a pixel off.
            key = (text, (code.box.left + 8) // 16, (code.box.top + 8) // 16)
            if not any((key[0], key[1] + x, key[2] + y) in found for x in _BY for y in _BY):
                found[key] = code
    ordered = sorted(found.values(), key=lambda it: (it.box.top, it.box.left, it.text))
    return tuple(ordered[:_MAX_CODES])


_BY = (-1, 0, 1)


def _codes(rows: PngRows, most: int) -> Iterator[tuple[str, Box]]:
    """Yield the codes in the first rows of a picture: text, and place in device pixels."""
    from PIL import Image

    if rows.header.width * rows.header.height <= _AT_ONCE:
        yield from _in_whole(rows.whole(), most)
        return
    strip: Any = None  # grey, what was not looked at yet with what is seen again
    top = seen = 0
    for band in rows.bands():
        if seen >= most:
            break
        grey = band.convert("L")
        joined = Image.new("L", (grey.width, (strip.height if strip else 0) + grey.height))
        if strip:
            joined.paste(strip, (0, 0))
        joined.paste(grey, (0, joined.height - grey.height))
        strip, seen = joined, seen + grey.height
        if strip.height >= _STRIP:
            yield from _in_strip(strip, top)
            cut = strip.height - _OVERLAP
            strip, top = strip.crop((0, cut, strip.width, strip.height)), top + cut
    if strip is not None and (strip.height > _OVERLAP or not top):
        yield from _in_strip(strip, top)


def _in_whole(picture: Any, most: int) -> Iterator[tuple[str, Box]]:
    """Yield the codes in the first rows of a picture that is decoded, strip by strip."""
    grey = picture.convert("L")
    for top in range(0, max(most - _OVERLAP, 1), _STRIP - _OVERLAP):
        below = min(top + _STRIP, most)
        yield from _in_strip(grey.crop((0, top, grey.width, below)), top)


def _in_strip(strip: Any, top: int) -> Iterator[tuple[str, Box]]:
    import zxingcpp

    for code in zxingcpp.read_barcodes(
        strip, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    ):
        at = code.position
        corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        across, down = [it.x for it in corners], [it.y for it in corners]
        text = code.text[:_MAX_TEXT].encode("utf-8", "replace").decode()
        if code.valid and text:
            yield (
                text,
                Box(
                    left=min(across),
                    top=top + min(down),
                    width=max(across) - min(across),
                    height=max(down) - min(down),
                ),
            )


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_READ):
        digest.update(chunk)
    return digest.hexdigest()
