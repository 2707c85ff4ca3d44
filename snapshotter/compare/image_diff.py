"""
Find the regions in which two pictures of a page differ, and the blocks of text that lie there.

Rows that are equal in both pictures are aligned first, so that an inserted paragraph does not make
everything below it differ. The rows between them are compared pixel by pixel. A small
difference is ignored if the neighbouring pixels show that a browser may have only smoothed the same
letter differently. Differing pixels that are near each other form one region. Masked areas are not
compared.

A whole page can have hundreds of megapixels, so the memory holds only two bands of rows and a
digest of each row.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import field, replace
from functools import reduce
from typing import Any, BinaryIO, Final

from PIL import Image, ImageChops, ImageFilter

from snapshotter.compare.sequences import StepBudget, align, gaps_between_runs
from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.png import PngRows
from snapshotter.model.comparison import (
    MAIN_REGIONS,
    ComparisonState,
    PictureComparison,
    PictureRegion,
)
from snapshotter.model.page import Box
from snapshotter.model.reading import Region
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

TOLERANCE: Final = 24  # of 255, in any channel
MOST_REGIONS: Final = 300  # that are listed: the largest

_CELL = 8  # device pixels: the grid on which differing pixels are gathered
_NEAR = 2  # cells between what is still one region
_SPECK = 4  # fewer differing pixels are counted, and not listed
_SMOOTHED = 80  # of 255 parts of the range around a pixel: more is no smoothing
_MANY = 50_000  # pixels of a band that differ: it costs too much to look at the neighbours of each
_STEPS = 20_000_000  # of aligning rows
_WIDTH = 20_000  # device pixels
_HEIGHT = 1_000_000
_SELECTORS = 5  # named of what lies under a region
_EXCERPT = 80  # characters

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """One picture of a page, in one file or in several, from the top and edge to edge."""

    files: tuple[Opener, ...]
    scale: int = 1  # device pixels a CSS pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingBlock:
    """A block of text that lies on the page. The box in CSS pixels of the page."""

    box: Box
    selector: str
    text: str
    region: Region | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderlyingPage:
    """What is known to lie under a picture."""

    blocks: tuple[UnderlyingBlock, ...] = ()
    masked: tuple[Box, ...] = ()  # CSS pixels: not compared


def compare(
    picture: str,
    before: PictureSource,
    after: PictureSource,
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage] = (UnderlyingPage(), UnderlyingPage()),
) -> PictureComparison:
    """
    Return where two pictures differ.

    Args:
        picture: What the pictures show, in words.
        underlying_pages: What lies under the earlier picture, and under the later one.

    If a picture cannot be read, the result has `ComparisonState.UNKNOWN` and the reason.
    """
    if before.scale != after.scale:
        return PictureComparison(
            picture=picture,
            state=ComparisonState.UNKNOWN,
            detail=f"the pictures have different scales: {before.scale} and {after.scale} "
            "pixels to a CSS pixel",
        )
    try:
        return _compare(picture, before, after, underlying_pages)
    except (SnapshotterError, OSError) as error:
        return PictureComparison(picture=picture, state=ComparisonState.UNKNOWN, detail=str(error))


def _compare(
    picture: str,
    before: PictureSource,
    after: PictureSource,
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage],
) -> PictureComparison:
    (width, rows), (other_width, other_rows) = _size(before), _size(after)
    common = min(width, other_width)
    first, second = _digests(before, common), _digests(after, common)
    scale = before.scale
    found = _RegionCollector(scale, underlying_pages)
    budget = StepBudget(_STEPS)
    alignment = align(first, second, budget, anchors_only=True)
    with _Rows(before, common) as one, _Rows(after, common) as other:
        for a, b, c, d in gaps_between_runs(alignment.runs, len(first), len(second)):
            one.skip_to(a)
            other.skip_to(c)
            _gap(one, other, b, d, found)
    regions = [*found.regions]
    if width != other_width:
        box = _box(
            common, 0, max(width, other_width), rows if width > other_width else other_rows, scale
        )
        regions.append(
            PictureRegion(
                before=box if width > other_width else None,
                after=box if other_width > width else None,
                pixels=0,
            )
        )
    listed = sorted(regions, key=lambda region: -region.pixels)[:MOST_REGIONS]
    more = len(regions) - len(listed)
    placed = [_placed(region, underlying_pages) for region in listed]
    knows = any(
        block.region in MAIN_REGIONS
        for underlying_page in underlying_pages
        for block in underlying_page.blocks
    )
    main = ComparisonState.UNKNOWN
    if knows:
        main = (
            ComparisonState.CHANGED
            if any(region.in_main for region in placed)
            else ComparisonState.UNCHANGED
        )
        if more and main is ComparisonState.UNCHANGED:
            main = ComparisonState.UNKNOWN
    details = [f"smaller regions that are not listed: {more}"] if more else []
    if alignment.coarse:
        details.append("too many rows differ, so content that only moved may be shown as changed")
    sizes = (width // scale, rows // scale), (other_width // scale, other_rows // scale)
    same = not regions and sizes[0] == sizes[1]
    return PictureComparison(
        picture=picture,
        state=ComparisonState.UNCHANGED if same else ComparisonState.CHANGED,
        detail="; ".join(details),
        before=sizes[0],
        after=sizes[1],
        main=main,
        regions=tuple(sorted(placed, key=_top)),
        specks=found.specks,
        masked=len(found.masked),
    )


def _top(region: PictureRegion) -> tuple[int, int]:
    box = region.after or region.before
    return (box.top, box.left) if box else (0, 0)


def _gap(one: "_Rows", other: "_Rows", end: int, other_end: int, found: "_RegionCollector") -> None:
    """Compare rows up to these, side by side; what is left over only one of them has."""
    while one.row < end and other.row < other_end:
        count = min(end - one.row, other_end - other.row)
        above, above_other = one.row, other.row
        mine, its = one.take(count), other.take(count)
        if mine.height != its.height:  # the bands of the two do not end on one row
            rows = min(mine.height, its.height)
            one.back(mine.height - rows)
            other.back(its.height - rows)
            mine, its = (image.crop((0, 0, image.width, rows)) for image in (mine, its))
        found.differing(_differing(mine, its), above, above_other)
    found.close()
    for which, rows, last in ((0, one, end), (1, other, other_end)):
        box: tuple[int, int, int, int] | None = None
        pixels = 0
        while rows.row < last:
            at = rows.row
            drawn = _drawn(rows.take(last - at))
            found.mask(drawn, which, at)
            new = drawn.getbbox()
            if new is not None:
                pixels += drawn.histogram()[255]
                left, top, right, bottom = new
                new = (left, at + top, right, at + bottom)
                box = new if box is None else _hull(box, new)
        if box is not None:
            found.only(box, pixels, which)


def _hull(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    return (
        min(one[0], other[0]),
        min(one[1], other[1]),
        max(one[2], other[2]),
        max(one[3], other[3]),
    )


def _drawn(band: Any) -> Any:
    """Return 255 for all that is not of the colour of the corner."""
    plain = Image.new("RGB", band.size, band.getpixel((0, 0)))
    return _over(ImageChops.difference(band, plain))


def _over(difference: Any, tolerance: int = TOLERANCE) -> Any:
    """Return 255 where any channel of a difference is over the tolerance, 0 elsewhere."""
    red, green, blue = difference.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([0] * (tolerance + 1) + [255] * (255 - tolerance))


def _differing(one: Any, other: Any) -> Any:
    """Return 255 for each pixel that differs, 0 for others."""
    whole = _over(ImageChops.difference(one, other))
    box = whole.getbbox()
    if box is None:
        return whole
    left, top, right, bottom = box
    if (right - left) * (bottom - top) < 2 * whole.histogram()[255] > _MANY:
        return whole  # another picture, and no smoothing: the rest would cost the most here
    box = max(0, left - 1), max(0, top - 1), min(one.width, right + 1), min(one.height, bottom + 1)
    found = _no_smoothing(one.crop(box), other.crop(box))
    result = Image.new("L", whole.size)
    # Of those alone that differ at all: a pixel that is the same is no change.
    result.paste(ImageChops.darker(found, whole.crop(box)), box[:2])
    return result


def _no_smoothing(one: Any, other: Any) -> Any:
    """
    Return 0 where smoothing can be the reason for a difference, 255 elsewhere.

    It can where each pixel is within what the other picture ranges over around it (twice that: a
    thin stroke that lies between two pixels is dark in neither), and differs by less than a third
    of the range: an edge that is a quarter of a pixel away. More would take an 8 in small print
    for a 9.
    """
    lows = [image.filter(ImageFilter.MinFilter(3)) for image in (one, other)]
    highs = [image.filter(ImageFilter.MaxFilter(3)) for image in (one, other)]
    beyond = []
    for image, low, high in ((one, lows[1], highs[1]), (other, lows[0], highs[0])):
        span = ImageChops.subtract(high, low)
        below = ImageChops.subtract(ImageChops.subtract(low, span), image)
        beyond += [below, ImageChops.subtract(image, ImageChops.add(high, span))]
    ranges = ImageChops.lighter(*map(ImageChops.subtract, highs, lows)).filter(
        ImageFilter.MaxFilter(5)  # the stroke whose edge it is may lie two pixels away
    )
    allowed = ranges.point([number * _SMOOTHED // 255 for number in range(256)] * 3)
    strong = ImageChops.subtract(ImageChops.difference(one, other), allowed)
    outside = reduce(ImageChops.lighter, beyond)
    return ImageChops.lighter(_over(outside), _over(strong, 0))


@dataclass(slots=True)
class _OpenRegion:
    """A region that may still grow. Device pixels of the earlier picture; how far the later is."""

    left: int
    top: int
    right: int
    bottom: int
    pixels: int
    shift: int  # rows from the earlier picture to the later


@dataclass(slots=True)
class _RegionCollector:
    """Gathers regions from the top."""

    scale: int
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage]
    regions: list[PictureRegion] = field(default_factory=list)
    specks: int = 0
    masked: set[tuple[int, int]] = field(default_factory=set)  # which ground, which box
    open: list[_OpenRegion] = field(default_factory=list)

    def differing(self, mask: Any, row: int, other_row: int) -> None:
        """Take a band of pixels, 255 where they differ, and where it begins in either picture."""
        if mask.getbbox() is None:
            return
        for which, top in enumerate((row, other_row)):
            self.mask(mask, which, top)
        if mask.getbbox() is None:
            return
        cells = mask.reduce(_CELL)
        values, across = cells.tobytes(), cells.width
        for line in range(cells.height):
            row_of = values[line * across : (line + 1) * across]
            for start, end in _spans(row_of):
                self._add(mask, line, start, end, row_of, row, other_row - row)

    def only(self, box: tuple[int, int, int, int], pixels: int, which: int) -> None:
        """Take what only one of the pictures has."""
        its = _box(*box, self.scale)
        self.regions.append(
            PictureRegion(
                before=None if which else its, after=its if which else None, pixels=pixels
            )
        )

    def close(self) -> None:
        """End all regions: what follows is not beside them."""
        for open_region in self.open:
            self._finish(open_region)
        self.open.clear()

    def mask(self, mask: Any, which: int, top: int) -> None:
        """Blacken what masks of one of the captures cover of a band that begins at this row."""
        scale = self.scale
        for number, masked_box in enumerate(self.underlying_pages[which].masked):
            box = (
                max(0, masked_box.left * scale),
                max(0, masked_box.top * scale - top),
                min(mask.width, (masked_box.left + masked_box.width) * scale),
                min(mask.height, (masked_box.top + masked_box.height) * scale - top),
            )
            if box[0] < box[2] and box[1] < box[3] and mask.crop(box).getbbox() is not None:
                mask.paste(0, box)
                self.masked.add((which, number))

    def _add(
        self, mask: Any, line: int, start: int, end: int, values: bytes, row: int, shift: int
    ) -> None:
        upper = line * _CELL
        lower = min(mask.height, upper + _CELL)
        corner = start * _CELL, upper
        box = mask.crop((*corner, min(mask.width, end * _CELL), lower)).getbbox()
        if box is None:
            return
        pixels = sum(_count(values[n], n, lower - upper, mask.width) for n in range(start, end))
        new = _OpenRegion(
            left=corner[0] + box[0],
            top=row + corner[1] + box[1],
            right=corner[0] + box[2],
            bottom=row + corner[1] + box[3],
            pixels=pixels,
            shift=shift,
        )
        near = _NEAR * _CELL
        still: list[_OpenRegion] = []
        for open_region in self.open:
            if open_region.bottom + near < new.top:
                self._finish(open_region)
            elif open_region.left <= new.right + near and new.left <= open_region.right + near:
                new = _OpenRegion(
                    left=min(open_region.left, new.left),
                    top=min(open_region.top, new.top),
                    right=max(open_region.right, new.right),
                    bottom=max(open_region.bottom, new.bottom),
                    pixels=open_region.pixels + new.pixels,
                    shift=shift,
                )
            else:
                still.append(open_region)
        self.open = [*still, new]

    def _finish(self, open_region: _OpenRegion) -> None:
        if open_region.pixels < _SPECK:
            self.specks += 1
            return
        box = (open_region.left, open_region.top, open_region.right, open_region.bottom)
        later = (
            open_region.left,
            open_region.top + open_region.shift,
            open_region.right,
            open_region.bottom + open_region.shift,
        )
        self.regions.append(
            PictureRegion(
                before=_box(*box, self.scale),
                after=_box(*later, self.scale),
                pixels=open_region.pixels,
            )
        )


def _spans(values: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of cells that are not zero, those near each other together."""
    start = end = -1
    for number, value in enumerate(values):
        if not value:
            continue
        if start >= 0 and number - end <= _NEAR:
            end = number + 1
            continue
        if start >= 0:
            yield start, end
        start, end = number, number + 1
    if start >= 0:
        yield start, end


def _count(value: int, cell: int, rows: int, width: int) -> int:
    """Return how many pixels of a cell are 255, from their mean."""
    columns = min(_CELL, width - cell * _CELL)
    return round(value * rows * columns / 255)


def _box(left: int, top: int, right: int, bottom: int, scale: int) -> Box:
    """Return a box in CSS pixels that holds one in device pixels."""
    x, y = left // scale, top // scale
    return Box(left=x, top=y, width=-(-right // scale) - x, height=-(-bottom // scale) - y)


def _covers(outer: Box, inner: Box) -> bool:
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.left + inner.width <= outer.left + outer.width
        and inner.top + inner.height <= outer.top + outer.height
    )


def _touches(one: Box, other: Box) -> bool:
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


def _placed(
    region: PictureRegion, underlying_pages: tuple[UnderlyingPage, UnderlyingPage]
) -> PictureRegion:
    """Return a region with what lies under it, of the later capture first."""
    under: list[UnderlyingBlock] = []
    regions: list[Region] = []
    for underlying_page, box in (
        (underlying_pages[1], region.after),
        (underlying_pages[0], region.before),
    ):
        if box is None:
            continue
        here = [block for block in underlying_page.blocks if _touches(block.box, box)]
        under += here
        regions += [block.region for block in here if block.region is not None]
        if not here and any(_covers(main_box, box) for main_box in _main_hull(underlying_page)):
            regions.append(Region.MAIN)  # a picture in the article
    return replace(
        region,
        regions=tuple(dict.fromkeys(regions)),
        selectors=tuple(dict.fromkeys(block.selector for block in under))[:_SELECTORS],
        excerpt=under[0].text[:_EXCERPT] if under else "",
    )


def _main_hull(underlying_page: UnderlyingPage) -> list[Box]:
    boxes = [block.box for block in underlying_page.blocks if block.region in MAIN_REGIONS]
    if not boxes:
        return []
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right = max(box.left + box.width for box in boxes)
    bottom = max(box.top + box.height for box in boxes)
    return [Box(left=left, top=top, width=right - left, height=bottom - top)]


def _size(shot: PictureSource) -> tuple[int, int]:
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


def _digests(shot: PictureSource, width: int) -> list[bytes]:
    """Return a digest of each row, as far as it goes."""
    found: list[bytes] = []
    for band in _bands(shot, width):
        data, row = band.tobytes(), width * 3
        found += [
            hashlib.blake2b(data[at : at + row], digest_size=16).digest()
            for at in range(0, len(data), row)
        ]
    return found


def _bands(shot: PictureSource, width: int) -> Iterator[Any]:
    for opener in shot.files:
        with opener() as stream:
            for band in PngRows(stream).bands():
                yield band.crop((0, 0, width, band.height)).convert("RGB")


class _Rows:
    """The rows of a picture, read once from the top."""

    def __init__(self, shot: PictureSource, width: int) -> None:
        self._bands = _bands(shot, width)
        self._band: Any = None
        self._at = 0  # rows of the band that are taken
        self.row = 0

    def __enter__(self) -> "_Rows":
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
