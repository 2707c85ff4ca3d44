"""
Decode the QR codes in the pictures of a page. The addresses in them are never visited.

A picture is read in strips, so that a page of any length needs the memory of one strip only. The
limit is a number of pixels, not a time: the same picture gives the same codes on any machine.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import PngRows
from snapshotter.model.page import Box
from snapshotter.model.reading import QrCode
from snapshotter.value_class import dataclass

# Of all pictures of a page: more than 100,000 px at the usual width. What is beyond is named.
MAX_PIXELS = 160_000_000
_MAX_WIDTH = 20_000  # device pixels
_AT_ONCE = 24_000_000  # pixels of a picture that is decoded whole: in half of the time
_STRIP = 2048  # rows that are looked at together
_OVERLAP = 1024  # rows that the next strip sees again: a code of that height is found whole
_MAX_CODES = 100
_MAX_TEXT = 4_300  # characters: more than a code can hold
_READ = 1 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One file of a picture, and its position on the page."""

    path: str  # in the bundle
    stream: BinaryIO  # PNG, seekable, at its beginning
    left_px: int  # CSS pixels from the page's left edge
    top_px: int
    scale: int  # device pixels a CSS pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class QrReadings:
    """The codes of a page's pictures, and what was not searched."""

    codes: tuple[QrCode, ...] = ()  # from top to bottom
    left_out: str = ""  # which parts of the pictures were not searched, and why


def read_codes(shots: Iterable[Shot]) -> QrReadings:
    """
    Return the codes of a page's pictures. A file that is not a picture has none.

    Pictures that continue each other are searched across their border, too. A part that
    cannot be searched is named, and all others are searched.

    Args:
        shots: From top to bottom.
    """
    found: dict[tuple[str, int, int], QrCode] = {}
    left_out: list[str] = []
    left = MAX_PIXELS
    above: _OpenEdge | None = None
    for shot in shots:
        if len(found) >= _MAX_CODES:
            break
        try:
            rows = PngRows(shot.stream)
            header = rows.header
            if header.width > _MAX_WIDTH or shot.scale < 1:
                left_out.append(f"{shot.path}: the picture is wider than {_MAX_WIDTH} px")
                continue
            most = min(header.height, left // header.width)
            if most < header.height:
                left_out.append(f"{shot.path}: rows below row {most} were not searched")
            if most < 1:
                break
            left -= header.width * most
            found_here: list[tuple[Shot, str, Box]] = []
            strip, top = None, 0
            for strip, top in _strips(rows, most):
                if top == 0 and above is not None and above.continues_in(shot, strip):
                    across = above.joined(strip)
                    border = above.strip.height
                    found_here += [
                        (above.shot, text, replace(box, top=box.top + above.top))
                        for text, box in _searched(across, above.shot, left_out)
                        if box.top < border < box.top + box.height
                    ]
                found_here += [
                    (shot, text, replace(box, top=box.top + top))
                    for text, box in _searched(strip, shot, left_out)
                ]
            above = _OpenEdge.of(shot, strip, top) if most == header.height else None
        except SnapshotterError as error:
            left_out.append(f"{shot.path}: {error.message}")
            continue
        digests: dict[str, str] = {}
        for of, text, box in found_here:
            if of.path not in digests:
                of.stream.seek(0)
                digests[of.path] = _sha256(of.stream)
            code = QrCode(
                text=text,
                box=Box(
                    left=of.left_px + round(box.left / of.scale),
                    top=of.top_px + round(box.top / of.scale),
                    width=round(box.width / of.scale),
                    height=round(box.height / of.scale),
                ),
                picture=of.path,
                image_sha256=digests[of.path],
            )
            # The same code in two strips or two pictures is at the same place, or a pixel off.
            key = (text, (code.box.left + 8) // 16, (code.box.top + 8) // 16)
            if not any((key[0], key[1] + x, key[2] + y) in found for x in _BY for y in _BY):
                found[key] = code
    ordered = sorted(
        found.values(), key=lambda qr_code: (qr_code.box.top, qr_code.box.left, qr_code.text)
    )
    return QrReadings(codes=tuple(ordered[:_MAX_CODES]), left_out="; ".join(left_out[:_NAMED]))


_BY = (-1, 0, 1)
_NAMED = 20  # parts that were not searched


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenEdge:
    """The last rows of one picture, which the next one may continue."""

    shot: Shot
    strip: Any  # grey, of Pillow
    top: int  # row of the picture at which the strip begins

    @classmethod
    def of(cls, shot: Shot, strip: Any, top: int) -> "_OpenEdge":
        cut = max(0, strip.height - _OVERLAP)
        return cls(shot=shot, strip=strip.crop((0, cut, strip.width, strip.height)), top=top + cut)

    def continues_in(self, shot: Shot, strip: Any) -> bool:
        """Whether a picture begins where this one ends, at most a CSS pixel off."""
        ends = self.shot.top_px * shot.scale + self.top + self.strip.height
        return (
            (shot.left_px, shot.scale, strip.width)
            == (self.shot.left_px, self.shot.scale, self.strip.width)
        ) and abs(shot.top_px * shot.scale - ends) <= shot.scale

    def joined(self, strip: Any) -> Any:
        """Return this with the first rows of the next picture below it."""
        below = strip.crop((0, 0, strip.width, min(_OVERLAP, strip.height)))
        return _below(self.strip, below)


def _below(above: Any, strip: Any) -> Any:
    from PIL import Image

    joined = Image.new("L", (strip.width, (above.height if above else 0) + strip.height))
    if above:
        joined.paste(above, (0, 0))
    joined.paste(strip, (0, joined.height - strip.height))
    return joined


def _strips(rows: PngRows, most: int) -> Iterator[tuple[Any, int]]:
    """Yield the first rows of a picture, in grey, each strip with the row that it begins at."""
    if rows.header.width * rows.header.height <= _AT_ONCE:
        grey = rows.whole().convert("L")
        for top in range(0, max(most - _OVERLAP, 1), _STRIP - _OVERLAP):
            yield grey.crop((0, top, grey.width, min(top + _STRIP, most))), top
        return
    strip: Any = None  # what was not looked at yet with what is seen again
    top = seen = 0
    for band in rows.bands():
        if seen >= most:
            break
        strip, seen = _below(strip, band.convert("L")), seen + band.height
        if strip.height >= _STRIP:
            yield strip, top
            cut = strip.height - _OVERLAP
            strip, top = strip.crop((0, cut, strip.width, strip.height)), top + cut
    if strip is not None and (strip.height > _OVERLAP or not top):
        yield strip, top


def _searched(strip: Any, shot: Shot, left_out: list[str]) -> list[tuple[str, Box]]:
    """Return the codes in a strip; name one that cannot be searched, which costs no other."""
    try:
        return list(_in_strip(strip))
    except Exception as error:  # noqa: BLE001 - recorded: no picture may cost the others
        left_out.append(
            f"{shot.path}: a part of the picture could not be searched: {type(error).__name__}"
        )
        return []


def _in_strip(strip: Any) -> Iterator[tuple[str, Box]]:
    import zxingcpp

    for code in zxingcpp.read_barcodes(
        strip, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    ):
        at = code.position
        corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        across, down = [point.x for point in corners], [point.y for point in corners]
        text = code.text[:_MAX_TEXT].encode("utf-8", "replace").decode()
        if code.valid and text:
            yield (
                text,
                Box(
                    left=min(across),
                    top=min(down),
                    width=max(across) - min(across),
                    height=max(down) - min(down),
                ),
            )


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_READ):
        digest.update(chunk)
    return digest.hexdigest()
