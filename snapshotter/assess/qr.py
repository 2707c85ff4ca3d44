"""
Decode the QR codes in the pictures of a page. The addresses in them are never visited.

A picture is searched in strips, so that a page of any length needs the memory of few strips. Its
rows are decoded only once if they come while it is made (`RowSearch`). The limit is a number of
pixels, not a time: the same picture gives the same codes on any machine.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from typing import Any, BinaryIO

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import BAND, PngBands, PngHeader, PngRows, read_header
from snapshotter.model.page import Box
from snapshotter.model.reading import QrCode
from snapshotter.value_class import dataclass

# Of all pictures of a page: more than 100,000 px at the usual width. What is beyond is named.
MAX_PIXELS = 160_000_000
_MAX_WIDTH = 20_000  # device pixels
_AT_ONCE = 24_000_000  # pixels of a picture that is decoded whole: in two thirds of the time
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
    searched: "SearchedPicture | None" = None  # what was found while the picture was made


@dataclass(frozen=True, slots=True, kw_only=True)
class QrReadings:
    """The codes of a page's pictures, and what was not searched."""

    codes: tuple[QrCode, ...] = ()  # from top to bottom
    left_out: str = ""  # which parts of the pictures were not searched, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPicture:
    """The codes of one file of a picture, and what another file may continue."""

    width: int  # pixels
    height: int  # pixels
    codes: tuple[tuple[str, Box], ...]  # texts, and places in pixels of the file
    failures: tuple[str, ...]  # names of errors, one for each strip that could not be searched
    first: Any  # its first rows, at most `_OVERLAP`: grey, of Pillow
    last: Any  # its last rows, likewise


@dataclass(slots=True)
class _StripSearch:
    """Searches a picture strip by strip, from its top."""

    height: int = 0  # rows that were added
    _bands: list[Any] = field(default_factory=list)  # grey: what is not searched, or seen again
    _held: int = 0  # rows of these
    _codes: list[tuple[str, Box]] = field(default_factory=list)
    _failures: list[str] = field(default_factory=list)
    _first: Any = None
    _last: Any = None

    def add(self, band: Any) -> None:
        """Add the next rows (of Pillow), at most `BAND` of them."""
        self._bands.append(band.convert("L"))
        self.height += band.height
        self._held += band.height
        if self._held < _STRIP:
            return
        self._bands = [_rows(self._search(), -_OVERLAP)]
        self._held = _OVERLAP

    def end(self) -> SearchedPicture:
        """Search what is left."""
        if self._held > _OVERLAP or self._first is None:
            self._search()
        return SearchedPicture(
            width=self._first.width,
            height=self.height,
            codes=tuple(self._codes),
            failures=tuple(self._failures),
            first=self._first,
            last=_rows(self._last, -_OVERLAP),
        )

    def _search(self) -> Any:
        self._last = strip = _joined(self._bands)
        if self._first is None:
            self._first = _rows(strip, _OVERLAP)
        codes, failure = _searched(strip)
        top = self.height - strip.height
        self._codes += [(text, replace(box, top=box.top + top)) for text, box in codes]
        if failure:
            self._failures.append(failure)
        return strip


class RowSearch:
    """Searches a picture whose rows come while it is made."""

    def __init__(self) -> None:
        self._search = _StripSearch()
        self._header: PngHeader | None = None
        self._bands: PngBands | None = None  # None: it is not searched, or not yet
        self._rows = bytearray()

    def add(self, head: bytes, rows: bytes) -> None:
        """
        Add the next bytes of its rows, inflated, with their filter bytes.

        Args:
            head: Beginning of a PNG image with rows of this kind, `HEAD_BYTES` long.

        Raises:
            SnapshotterError: They are broken.
        """
        if self._header is None:
            self._header = header = read_header(head)
            if header.bit_depth == 8 and header.width <= _MAX_WIDTH:
                self._bands = PngBands(header)
        if self._bands is None:
            return
        self._rows += rows
        size = (self._header.row_bytes + 1) * BAND
        while len(self._rows) >= size:
            self._decode(self._bands, size)
        if self._search.height * self._header.width > MAX_PIXELS:
            self._bands = None

    def end(self) -> SearchedPicture | None:
        """Return what was found; None if the picture is not one to search in this way."""
        if self._bands is None:
            return None
        if self._rows:
            self._decode(self._bands, len(self._rows))
        return self._search.end()

    def _decode(self, bands: PngBands, size: int) -> None:
        with memoryview(self._rows) as held, held[:size] as rows:
            band = bands.decode(rows)
        del self._rows[:size]
        self._search.add(band)


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
            searched = shot.searched
            if searched is None or (searched.width, searched.height) != (header.width, most):
                searched = _search_file(rows, most)
            if above is not None and above.continues_in(shot, searched.first):
                across, border = above.joined(searched.first), above.strip.height
                codes, failure = _searched(across)
                found_here += [
                    (above.shot, text, replace(box, top=box.top + above.top))
                    for text, box in codes
                    if box.top < border < box.top + box.height
                ]
                left_out += _failures(above.shot, [failure])
            found_here += [(shot, text, box) for text, box in searched.codes]
            left_out += _failures(shot, searched.failures)
            above = _OpenEdge.of(shot, searched) if most == header.height else None
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
    def of(cls, shot: Shot, searched: SearchedPicture) -> "_OpenEdge":
        strip = searched.last
        return cls(shot=shot, strip=strip, top=searched.height - strip.height)

    def continues_in(self, shot: Shot, strip: Any) -> bool:
        """Whether a picture begins where this one ends, at most a CSS pixel off."""
        ends = self.shot.top_px * shot.scale + self.top + self.strip.height
        return (
            (shot.left_px, shot.scale, strip.width)
            == (self.shot.left_px, self.shot.scale, self.strip.width)
        ) and abs(shot.top_px * shot.scale - ends) <= shot.scale

    def joined(self, strip: Any) -> Any:
        """Return this with the first rows of the next picture below it."""
        return _joined([self.strip, strip])


def _rows(strip: Any, count: int) -> Any:
    """Return so many rows from the top of a strip, or, for a negative number, from its bottom."""
    if count < 0:
        return strip.crop((0, max(0, strip.height + count), strip.width, strip.height))
    return strip.crop((0, 0, strip.width, min(count, strip.height)))


def _joined(bands: list[Any]) -> Any:
    """Return images of the same width below each other."""
    if len(bands) == 1:
        return bands[0]
    from PIL import Image

    joined = Image.new("L", (bands[0].width, sum(band.height for band in bands)))
    top = 0
    for band in bands:
        joined.paste(band, (0, top))
        top += band.height
    return joined


def _search_file(rows: PngRows, most: int) -> SearchedPicture:
    """Search the first rows of a picture. Raises SnapshotterError when it is broken."""
    search = _StripSearch()
    for band in _bands(rows):
        left = most - search.height
        search.add(band if band.height <= left else band.crop((0, 0, band.width, left)))
        if search.height == most:
            break
    return search.end()


def _bands(rows: PngRows) -> Iterator[Any]:
    """Yield the rows of a picture, at most `BAND` of them at a time."""
    if rows.header.width * rows.header.height > _AT_ONCE:
        yield from rows.bands()
        return
    grey = rows.whole().convert("L")
    for top in range(0, grey.height, BAND):
        yield grey.crop((0, top, grey.width, min(top + BAND, grey.height)))


def _failures(shot: Shot, failures: Iterable[str]) -> list[str]:
    """Name the strips that could not be searched, each of which costs no other."""
    return [
        f"{shot.path}: a part of the picture could not be searched: {failure}"
        for failure in failures
        if failure
    ]


def _searched(strip: Any) -> tuple[list[tuple[str, Box]], str]:
    """Return the codes in a strip; name the error if it cannot be searched."""
    try:
        return list(_in_strip(strip)), ""
    except Exception as error:  # noqa: BLE001 - recorded: no picture may cost the others
        return [], type(error).__name__


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
