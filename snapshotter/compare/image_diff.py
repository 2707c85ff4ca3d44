"""
Find the regions in which two pictures of a page differ, and the blocks of text that lie there.

Rows that are equal in both pictures are aligned first, so that an inserted paragraph does not make
everything below it differ. The rows between them are compared pixel by pixel. The columns left and
right of the main text are compared apart from it, so that a line that was inserted there does not
make the main text differ. A small difference is ignored if the neighbouring pixels show that a
browser may have only smoothed the same letter differently. Differing pixels that are near each
other form one region. Masked areas are not compared.

A whole page can have hundreds of megapixels, so the memory holds only two bands of rows and a
digest of each row.
"""

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import Any, Final

from PIL import Image, ImageChops

from snapshotter.compare.picture_regions import (
    RegionCollector,
    UnderlyingPage,
    css_box,
    joined,
    main_columns,
    placed,
)
from snapshotter.compare.picture_rows import PictureRows, PictureSource, row_digests, size
from snapshotter.compare.sequences import StepBudget, align, gaps_between_runs
from snapshotter.errors import SnapshotterError
from snapshotter.model.comparison import (
    MAIN_REGIONS,
    ComparisonState,
    PictureComparison,
    PictureRegion,
)
from snapshotter.value_class import dataclass

TOLERANCE: Final = 24  # of 255, in any channel
MOST_REGIONS: Final = 300  # that are listed: the largest

_SMOOTHED = 80  # of 255 parts of the range around a pixel: more is no smoothing
_MANY = 50_000  # pixels of a band that differ: it costs too much to look at the neighbours of each
_STEPS = 20_000_000  # of aligning rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Differences:
    """What differs between two pictures, or in one column of them."""

    regions: tuple[PictureRegion, ...]
    specks: int
    masked: frozenset[tuple[int, int]]  # which page, which of its masked boxes
    is_coarse: bool


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
    (width, rows), (other_width, other_rows) = size(before), size(after)
    common, scale = min(width, other_width), before.scale
    found = _differences(before, after, underlying_pages, 0, common)
    # A row of pixels holds all columns of a page, so a story that was put in beside the main text
    # moves the rows of the main text too.
    if found.regions and (edges := main_columns(underlying_pages, common, scale)):
        found = _of_columns(
            [
                _differences(before, after, underlying_pages, left, right)
                for left, right in pairwise(edges)
            ],
            {edge // scale for edge in edges},
        )
    regions = [*found.regions]
    if width != other_width:
        box = css_box(
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
    named = [placed(region, underlying_pages) for region in listed]
    knows = any(
        block.region in MAIN_REGIONS
        for underlying_page in underlying_pages
        for block in underlying_page.blocks
    )
    main = ComparisonState.UNKNOWN
    if knows:
        main = (
            ComparisonState.CHANGED
            if any(region.in_main for region in named)
            else ComparisonState.UNCHANGED
        )
        if more and main is ComparisonState.UNCHANGED:
            main = ComparisonState.UNKNOWN
    details = [f"smaller regions that are not listed: {more}"] if more else []
    if found.is_coarse:
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
        regions=tuple(sorted(named, key=_top)),
        specks=found.specks,
        masked=len(found.masked),
    )


def _differences(
    before: PictureSource,
    after: PictureSource,
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage],
    left: int,
    right: int,
) -> _Differences:
    """Return what differs between two columns of pixels; device pixels."""
    first, second = (row_digests(shot, left, right) for shot in (before, after))
    found = RegionCollector(before.scale, underlying_pages, left)
    alignment = align(first, second, StepBudget(_STEPS), anchors_only=True)
    gaps = gaps_between_runs(alignment.runs, len(first), len(second))
    with PictureRows(before, left, right) as one, PictureRows(after, left, right) as other:
        for a, b, c, d in gaps:
            one.skip_to(a)
            other.skip_to(c)
            _gap(one, other, b, d, found)
    return _Differences(
        regions=tuple(found.regions),
        specks=found.specks,
        masked=frozenset(found.masked),
        is_coarse=bool(alignment.coarse),
    )


def _of_columns(parts: Sequence[_Differences], edges: set[int]) -> _Differences:
    """Return what differs in any of the columns. Edges in CSS pixels."""
    return _Differences(
        regions=tuple(joined((region for part in parts for region in part.regions), edges)),
        specks=sum(part.specks for part in parts),
        masked=frozenset().union(*(part.masked for part in parts)),
        is_coarse=any(part.is_coarse for part in parts),
    )


def _top(region: PictureRegion) -> tuple[int, int]:
    box = region.after or region.before
    return (box.top, box.left) if box else (0, 0)


def _gap(
    one: PictureRows, other: PictureRows, end: int, other_end: int, found: RegionCollector
) -> None:
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


def _highest_around(image: Any) -> Any:
    """
    Return the highest value of each pixel and its eight neighbours, in each channel.

    Twenty times as fast as `ImageFilter.MaxFilter(3)`, which sorts around each pixel.
    """
    width, height = image.size
    for right, down in ((1, 0), (0, 1)):
        # What `crop` takes from outside of the picture is 0, and never the highest.
        after = image.crop((right, down, width + right, height + down))
        before = image.crop((-right, -down, width - right, height - down))
        image = ImageChops.lighter(ImageChops.lighter(image, after), before)
    return image


def _lowest_around(image: Any) -> Any:
    """Return the lowest value of each pixel and its eight neighbours, in each channel."""
    return ImageChops.invert(_highest_around(ImageChops.invert(image)))


def _no_smoothing(one: Any, other: Any) -> Any:
    """
    Return 0 where smoothing can be the reason for a difference, 255 elsewhere.

    It can where each pixel is within what the other picture ranges over around it (twice that: a
    thin stroke that lies between two pixels is dark in neither), and differs by less than a third
    of the range: an edge that is a quarter of a pixel away. More would take an 8 in small print
    for a 9.
    """
    lows = [_lowest_around(image) for image in (one, other)]
    highs = [_highest_around(image) for image in (one, other)]
    beyond = []
    for image, low, high in ((one, lows[1], highs[1]), (other, lows[0], highs[0])):
        span = ImageChops.subtract(high, low)
        below = ImageChops.subtract(ImageChops.subtract(low, span), image)
        beyond += [below, ImageChops.subtract(image, ImageChops.add(high, span))]
    ranges = ImageChops.lighter(*map(ImageChops.subtract, highs, lows))
    # The stroke whose edge it is may lie two pixels away.
    ranges = _highest_around(_highest_around(ranges))
    allowed = ranges.point([number * _SMOOTHED // 255 for number in range(256)] * 3)
    strong = ImageChops.subtract(ImageChops.difference(one, other), allowed)
    outside = reduce(ImageChops.lighter, beyond)
    return ImageChops.lighter(_over(outside), _over(strong, 0))
