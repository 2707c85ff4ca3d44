"""
Draw frames around the marked places of a picture, without covering words.

The lines of a frame lie where they meet the fewest letters. Where a line meets letters all the
same, only the pixels of the background take its colour, so that every letter stays as it was.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from PIL import Image, ImageChops

from snapshotter.model.page import Box
from snapshotter.value_class import dataclass

MARK: Final = (0xB3, 0x26, 0x1E)
_MARK_ON_RED = (0xFF, 0xFF, 0xFF)
_PADDING = 5  # pixels from a place to the outer edge of its frame, if nothing is in the way
_REACH = 6  # pixels from a place in which a line may lie
_THICKNESS = (3, 2, 1)  # pixels
_LIKE = 48  # of 255 in each channel: a pixel that differs by less belongs to the background
_TEXTURED = 0.5  # the share of the background below which there is none, as in a photograph
_OPACITY = 140  # of 255: of a line over a photograph, through which words can be read


_Edges = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are excluded


@dataclass(frozen=True, slots=True)
class _Side:
    """Where one side of a frame lies: pixels from its place, and its colour."""

    inner: int
    outer: int
    ground: tuple[int, int, int] | None  # colour of the background; None: over a photograph


def draw_frames(picture: Image.Image, boxes: Iterable[Box]) -> None:
    """
    Draw a frame around each box.

    Args:
        picture: RGB; it is changed.
        boxes: In pixels of the picture. What is not in the picture is left out. Places near each
            other have one frame.
    """
    for box in joined(boxes):
        left, top = max(2, box.left), max(2, box.top)
        right = min(picture.width - 3, box.left + box.width)
        bottom = min(picture.height - 3, box.top + box.height)
        if left < right and top < bottom:  # else it is not in the picture
            _frame(picture, left, top, right, bottom)


def joined(boxes: Iterable[Box]) -> list[Box]:
    """Return boxes of which no two are so near each other that their frames would meet."""
    found: list[Box] = []
    for box in boxes:
        new = box
        while near := [other for other in found if _are_near(other, new)]:
            for other in near:
                found.remove(other)
                new = _hull(other, new)
        found.append(new)
    return found


def _are_near(one: Box, other: Box) -> bool:
    gap = 2 * _REACH
    return (
        one.left <= other.left + other.width + gap
        and other.left <= one.left + one.width + gap
        and one.top <= other.top + other.height + gap
        and other.top <= one.top + one.height + gap
    )


def _hull(one: Box, other: Box) -> Box:
    left, top = min(one.left, other.left), min(one.top, other.top)
    right = max(one.left + one.width, other.left + other.width)
    bottom = max(one.top + one.height, other.top + other.height)
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _frame(picture: Image.Image, left: int, top: int, right: int, bottom: int) -> None:
    """Draw one frame around a place: first find where each side lies, then draw the sides."""
    width, height = picture.size
    x, y = max(0, left - _PADDING), max(0, top - _PADDING)
    far_x, far_y = min(width, right + _PADDING), min(height, bottom + _PADDING)
    upper = _side(picture, [(x, top - n, far_x, top - n + 1) for n in range(1, top + 1)])
    lower = _side(
        picture, [(x, bottom + n, far_x, bottom + n + 1) for n in range(1, height - bottom)]
    )
    before = _side(picture, [(left - n, y, left - n + 1, far_y) for n in range(1, left + 1)])
    behind = _side(picture, [(right + n, y, right + n + 1, far_y) for n in range(1, width - right)])
    x, y = left - before.outer, top - upper.outer
    far_x, far_y = right + behind.outer + 1, bottom + lower.outer + 1
    # Without the corners, which belong to the sides above and below.
    y_inside, far_y_inside = top - upper.inner + 1, bottom + lower.inner
    for side, edges in (
        (upper, (x, y, far_x, y_inside)),
        (lower, (x, far_y_inside, far_x, far_y)),
        (before, (x, y_inside, left - before.inner + 1, far_y_inside)),
        (behind, (right + behind.inner, y_inside, far_x, far_y_inside)),
    ):
        _draw(picture, side, edges)


def _side(picture: Image.Image, lines: Sequence[_Edges]) -> _Side:
    """
    Return where a side lies.

    Args:
        lines: Each is one pixel thick: the one next to the place first. At least one.
    """
    near = lines[:_REACH]
    area = picture.crop(
        (
            min(line[0] for line in near),
            min(line[1] for line in near),
            max(line[2] for line in near),
            max(line[3] for line in near),
        )
    )
    ground, share = _background(area)
    if share < _TEXTURED:
        outer = min(_PADDING, len(near))
        return _Side(max(1, outer - _THICKNESS[0] + 1), outer, None)
    covered = [_letters(picture.crop(line), ground).histogram()[255] for line in near]
    # Between the place and the next letter, if there is any room: never around another word.
    room = next((number for number, letters in enumerate(covered) if letters), len(near))
    outer, thickness = min(
        (
            (outer, thickness)
            for thickness in _THICKNESS
            for outer in range(thickness, (room or len(near)) + 1)
        ),
        key=lambda way: (
            sum(covered[way[0] - way[1] : way[0]]),
            -way[1],
            abs(way[0] - _PADDING),
        ),
    )
    return _Side(outer - thickness + 1, outer, ground)


def _draw(picture: Image.Image, side: _Side, edges: _Edges) -> None:
    size = edges[2] - edges[0], edges[3] - edges[1]
    if side.ground is None:
        picture.paste(MARK, edges, Image.new("L", size, _OPACITY))
        return
    colour = MARK if _differs(side.ground, MARK) else _MARK_ON_RED
    picture.paste(colour, edges, ImageChops.invert(_letters(picture.crop(edges), side.ground)))


def _background(area: Image.Image) -> tuple[tuple[int, int, int], float]:
    """Return the most frequent colour of an area, and the share of it that has about this one."""
    colours = area.getcolors(area.width * area.height) or []
    _, ground = max(colours)
    if not isinstance(ground, tuple):
        raise TypeError("the picture is not RGB")
    found = (ground[0], ground[1], ground[2])
    free = _letters(area, found).histogram()[0]
    return found, free / (area.width * area.height)


def _letters(area: Image.Image, ground: tuple[int, int, int]) -> Image.Image:
    """Return 255 for each pixel that is not of the background, 0 for the others."""
    red, green, blue = ImageChops.difference(area, Image.new("RGB", area.size, ground)).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([0] * _LIKE + [255] * (256 - _LIKE))


def _differs(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return any(abs(a - b) > 2 * _LIKE for a, b in zip(one, other, strict=True))
