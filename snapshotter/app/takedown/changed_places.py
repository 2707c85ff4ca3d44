"""
Cut the changed places out of the pictures of both captures, for the picture of a proof pack.

The first view of a page may end above the change. So each half of the picture shows the part of
the whole page in which the change is, and the frames of the changed places.
"""

from collections.abc import Sequence
from dataclasses import replace

from snapshotter.app.takedown.change_derivation import ComparedEnds
from snapshotter.compare import picture_rows
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.errors import SnapshotterError
from snapshotter.model.change import DerivedChange
from snapshotter.model.comparison import ComparisonState
from snapshotter.model.page import Box
from snapshotter.report.side_by_side import Panel
from snapshotter.translation import tr

_AROUND = 120  # CSS pixels above and below the changed places
_BESIDE = 40
_NARROWEST = 760  # CSS pixels: less would show a column without what is beside it
_WIDEST = 1_500  # of whole blocks: wider ones would make their letters too small to read
_LOWEST = 360
_TALLEST = 1_100  # of a part; changes further down are left to the list of words
_MOST = 40  # places


def panels(pair: tuple[Panel, Panel], ends: ComparedEnds) -> tuple[Panel, Panel]:
    """
    Return both halves with the changed places; unchanged where no place is known.

    Args:
        pair: The halves with the first views, the earlier capture on the left.
        ends: The comparison of both captures.
    """
    sides = _places(ends)
    if len(ends.shots) < 2 or not (sides[0] or sides[1]):
        return pair
    try:
        cut = [
            _part(shot, side or other, framed=bool(side), beside=_beside(ends, sides))
            for shot, side, other in zip(ends.shots, sides, reversed(sides), strict=True)
        ]
    except (SnapshotterError, OSError):
        return pair  # a capture may hold anything under that name; the first views are shown
    one, other = (
        replace(panel, png=png, boxes=boxes) for panel, (png, boxes) in zip(pair, cut, strict=True)
    )
    return one, other


def _beside(ends: ComparedEnds, sides: tuple[list[Box], list[Box]]) -> list[Box]:
    """Return the boxes that give the columns: whole blocks of text, if they are not too wide."""
    exact = [*sides[0], *sides[1]]
    found = ends.derived
    if not isinstance(found, DerivedChange):
        return exact
    blocks = [box for place in found.places for box in (place.before, place.after)]
    whole = [box for box in blocks if box is not None and any(_meet(box, one) for one in exact)]
    every = [*exact, *whole]
    width = max(box.left + box.width for box in every) - min(box.left for box in every)
    return every if width <= _WIDEST else exact


def _places(ends: ComparedEnds) -> tuple[list[Box], list[Box]]:
    """Return the changed places of both pages, from the top, as exactly as they are known."""
    before: list[Box] = []
    after: list[Box] = []
    found = ends.derived
    if not isinstance(found, DerivedChange) or ends.comparison is None:
        return before, after
    seen = [one for one in ends.comparison.pictures if one.state is ComparisonState.CHANGED]
    blocks = [[place.before for place in found.places], [place.after for place in found.places]]
    regions = [region for region in (seen[-1].regions if seen else ()) if region.in_main]
    for side, boxes, exact in (
        (before, blocks[0], [region.before for region in regions]),
        (after, blocks[1], [region.after for region in regions]),
    ):
        for block in filter(None, boxes):
            # The words that differ are a part of their block, which may be a long paragraph.
            side += [box for box in exact if box is not None and _meet(box, block)] or [block]
    return _first(before), _first(after)


def _first(boxes: Sequence[Box]) -> list[Box]:
    """Return the places of the first part, from the top, each once."""
    ordered = sorted(dict.fromkeys(boxes), key=lambda box: (box.top, box.left))[:_MOST]
    return [
        box
        for box in ordered
        if box.top + box.height - ordered[0].top <= _TALLEST - 2 * _AROUND or box == ordered[0]
    ]


def _meet(one: Box, other: Box) -> bool:
    return (
        one.left < other.left + other.width
        and other.left < one.left + one.width
        and one.top < other.top + other.height
        and other.top < one.top + one.height
    )


def _part(
    shot: PictureSource, boxes: Sequence[Box], *, framed: bool, beside: Sequence[Box]
) -> tuple[bytes, tuple[Box, ...]]:
    """
    Return the part of a picture in which places are, and the places in it.

    Args:
        boxes: CSS pixels of the page.
        framed: Whether the places are of this page; else it only shows the same part.
        beside: The places of both pages, which together give the columns of both parts.
    """
    scale = shot.scale
    width, height = (length // scale for length in picture_rows.size(shot))
    left = min(box.left for box in beside) - _BESIDE
    right = max(box.left + box.width for box in beside) + _BESIDE
    spare = max(0, _NARROWEST - (right - left)) // 2
    left, right = max(0, min(left - spare, width - 1)), min(width, right + spare)
    top = max(0, min(min(box.top for box in boxes) - _AROUND, height - 1))
    end = max(box.top + box.height for box in boxes) + _AROUND
    bottom = min(height, max(min(end, top + _TALLEST), top + _LOWEST))
    if left >= right or top >= bottom:
        raise SnapshotterError(tr("the changed place is outside the picture"))
    png = picture_rows.cut_out(shot, left * scale, top * scale, right * scale, bottom * scale)
    inside = tuple(
        Box(
            left=(box.left - left) * scale,
            top=(box.top - top) * scale,
            width=box.width * scale,
            height=box.height * scale,
        )
        for box in (boxes if framed else ())
    )
    return png, inside
