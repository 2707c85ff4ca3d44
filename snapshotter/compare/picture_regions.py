"""
Gather the pixels in which two pictures differ as regions, and name what lies under each region.

Differing pixels that are near each other form one region. Masked areas have no region.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import field, replace
from typing import Any, Final

from snapshotter.model.comparison import MAIN_REGIONS, PictureRegion
from snapshotter.model.page import Box
from snapshotter.model.reading import Region
from snapshotter.value_class import dataclass

CELL: Final = 8  # device pixels: the grid on which differing pixels are gathered
NEAR: Final = 2  # cells between what is still one region
_SPECK = 4  # fewer differing pixels are counted, and not listed
_SELECTORS = 5  # named of what lies under a region
_EXCERPT = 80  # characters


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
class RegionCollector:
    """Gathers regions from the top."""

    scale: int
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage]
    left: int = 0  # device pixels of the page to the left of the column that is compared
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
        cells = mask.reduce(CELL)
        values, across = cells.tobytes(), cells.width
        for line in range(cells.height):
            row_of = values[line * across : (line + 1) * across]
            for start, end in _spans(row_of):
                self._add(mask, line, start, end, row_of, row, other_row - row)

    def only(self, box: tuple[int, int, int, int], pixels: int, which: int) -> None:
        """Take what only one of the pictures has."""
        its = self._css_box(*box)
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
                max(0, masked_box.left * scale - self.left),
                max(0, masked_box.top * scale - top),
                min(mask.width, (masked_box.left + masked_box.width) * scale - self.left),
                min(mask.height, (masked_box.top + masked_box.height) * scale - top),
            )
            if box[0] < box[2] and box[1] < box[3] and mask.crop(box).getbbox() is not None:
                mask.paste(0, box)
                self.masked.add((which, number))

    def _add(
        self, mask: Any, line: int, start: int, end: int, values: bytes, row: int, shift: int
    ) -> None:
        upper = line * CELL
        lower = min(mask.height, upper + CELL)
        corner = start * CELL, upper
        box = mask.crop((*corner, min(mask.width, end * CELL), lower)).getbbox()
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
        near = NEAR * CELL
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
                before=self._css_box(*box),
                after=self._css_box(*later),
                pixels=open_region.pixels,
            )
        )

    def _css_box(self, left: int, top: int, right: int, bottom: int) -> Box:
        return css_box(self.left + left, top, self.left + right, bottom, self.scale)


def _spans(values: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of cells that are not zero, those near each other together."""
    start = end = -1
    for number, value in enumerate(values):
        if not value:
            continue
        if start >= 0 and number - end <= NEAR:
            end = number + 1
            continue
        if start >= 0:
            yield start, end
        start, end = number, number + 1
    if start >= 0:
        yield start, end


def _count(value: int, cell: int, rows: int, width: int) -> int:
    """Return how many pixels of a cell are 255, from their mean."""
    columns = min(CELL, width - cell * CELL)
    return round(value * rows * columns / 255)


def css_box(left: int, top: int, right: int, bottom: int, scale: int) -> Box:
    """Return a box in CSS pixels that holds one in device pixels."""
    x, y = left // scale, top // scale
    return Box(left=x, top=y, width=-(-right // scale) - x, height=-(-bottom // scale) - y)


def covers(outer: Box, inner: Box) -> bool:
    """Return whether a box lies in another one."""
    return (
        outer.left <= inner.left
        and outer.top <= inner.top
        and inner.left + inner.width <= outer.left + outer.width
        and inner.top + inner.height <= outer.top + outer.height
    )


def touches(one: Box, other: Box) -> bool:
    """Return whether two boxes have a pixel in common."""
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


def main_columns(
    underlying_pages: tuple[UnderlyingPage, UnderlyingPage], width: int, scale: int
) -> tuple[int, ...]:
    """
    Return the edges of the columns of a page: left of the main text, the main text, right of it.

    Args:
        width: Of the pictures, device pixels. The edges are device pixels too.

    Returns:
        () if the two pages have no main text, or have it in columns with different edges, or have
        no text beside it.
    """
    edges = {_text_edges(page.blocks) for page in underlying_pages}
    if len(edges) != 1 or (found := edges.pop()) is None:
        return ()
    left, right = found
    has_other = any(
        block.box.left >= right or block.box.left + block.box.width <= left
        for page in underlying_pages
        for block in page.blocks
    )
    inside = sorted({0, *(min(edge * scale, width) for edge in found), width})
    return tuple(inside) if has_other and len(inside) > 2 else ()


def _text_edges(blocks: Iterable[UnderlyingBlock]) -> tuple[int, int] | None:
    """Return where the main text begins and ends horizontally, CSS pixels."""
    boxes = [block.box for block in blocks if block.region is Region.MAIN]
    if not boxes:
        return None
    left, right = min(box.left for box in boxes), max(box.left + box.width for box in boxes)
    return max(0, left), max(0, right)


def joined(regions: Iterable[PictureRegion], edges: Container[int]) -> list[PictureRegion]:
    """Return regions of neighbouring columns that meet at the edge of a column as one region."""
    found: list[PictureRegion] = []
    for region in regions:
        new = region
        for other in [known for known in found if _meet(known, region, edges)]:
            found.remove(other)
            new = PictureRegion(
                before=_hull_of(other.before, new.before),
                after=_hull_of(other.after, new.after),
                pixels=other.pixels + new.pixels,
            )
        found.append(new)
    return found


def _meet(one: PictureRegion, other: PictureRegion, edges: Container[int]) -> bool:
    """Return whether two regions touch at the edge of a column, in the same pictures."""
    return all(
        (first is None and second is None)
        or (
            first is not None
            and second is not None
            and first.left + first.width == second.left
            and second.left in edges
            and first.top < second.top + second.height
            and second.top < first.top + first.height
        )
        for first, second in ((one.before, other.before), (one.after, other.after))
    )


def _hull_of(one: Box | None, other: Box | None) -> Box | None:
    if one is None or other is None:
        return None
    left, top = min(one.left, other.left), min(one.top, other.top)
    right = max(one.left + one.width, other.left + other.width)
    bottom = max(one.top + one.height, other.top + other.height)
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def placed(
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
        here = [block for block in underlying_page.blocks if touches(block.box, box)]
        under += here
        regions += [block.region for block in here if block.region is not None]
        if not here and any(covers(main_box, box) for main_box in _main_hull(underlying_page)):
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
