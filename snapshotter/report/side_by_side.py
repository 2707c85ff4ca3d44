"""
Draw the two captures of a take-down event side by side in one picture: first views, times, and the
notice outlined.

The picture is a copy for people. It is made from the screenshots in the captures, which are the
evidence. The same screenshots, texts and fonts give the same bytes.
"""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from snapshotter.formats.printable import cut
from snapshotter.model.page import Box
from snapshotter.report.frames import draw_frames
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

WIDTH = 640  # pixels of one picture
MAX_HEIGHT = 800
_TALLEST = 2.5  # height of a window by its width
MAX_PIXELS = 40_000_000  # of a picture that is taken in: a page's first view has a few millions
_MARGIN, _GAP, _LINE = 16, 16, 22
_INK, _QUIET, _PAPER, _EDGE, _MARK = "#16181d", "#4a4f5a", "#ffffff", "#5f6672", "#b3261e"
_SIZE = 15
# Fonts that draw Chinese first; whichever is there. What none draws is not shown as boxes.
_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    tr("/System/Library/Fonts/Hiragino Sans GB.ttc"),
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One half of the picture."""

    heading: str
    lines: Sequence[str] = ()  # below it; a line that no font here draws is left out, and said
    png: bytes = b""  # of the first view; nothing, or what is no picture, is told as such
    boxes: Sequence[Box] = ()  # in pixels of that picture, each outlined


def render(left: Panel, right: Panel, *, fonts: Sequence[str] = _FONTS) -> bytes:
    """Return the picture as PNG."""
    font = _font(tuple(fonts))
    views = [_view(panel) for panel in (left, right)]
    rows = max(len(left.lines), len(right.lines)) + 1
    top = _MARGIN + rows * _LINE + 8
    height = top + max(view.height for view in views) + _MARGIN
    canvas = Image.new("RGB", (2 * WIDTH + 2 * _MARGIN + _GAP, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, (panel, view) in enumerate(zip((left, right), views, strict=True)):
        x = _MARGIN + number * (WIDTH + _GAP)
        draw.text((x, _MARGIN), _fitting(panel.heading, font), _INK, font)
        for row, line in enumerate(panel.lines, start=1):
            shown = _fitting(line if _draws(font, line) else _UNDRAWN, font)
            draw.text((x, _MARGIN + row * _LINE), shown, _QUIET, font)
        canvas.paste(view, (x, top))
        draw.rectangle((x - 1, top - 1, x + view.width, top + view.height), outline=_EDGE)
    out = io.BytesIO()
    canvas.save(out, "PNG", compress_level=9)
    return out.getvalue()


def shows_same_box(view: bytes, page: bytes, box: Box) -> bool:
    """
    Return whether a first view shows what the picture of the whole page shows in a box.

    Args:
        view: PNG, whose top left corner is that of `page`.
        box: In pixels of both.
    """
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    try:
        first, whole = _opened(view), _opened(page)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False  # a capture may hold anything under that name
    if first is None or whole is None:
        return False
    inside = (*edges[:2], min(edges[2], first.width), min(edges[3], first.height))
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        return False  # it is further down
    return first.crop(inside).tobytes() == whole.crop(inside).tobytes()


_CUT = tr("The picture is cut here. The capture contains the rest.")
_UNDRAWN = tr("(This text is in the statement. No font on this machine can draw it.)")
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _view(panel: Panel) -> Image.Image:
    """Return the first view at its place's width, with what is to be seen in it outlined."""
    try:
        view = _opened(panel.png)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        view = None  # a capture may hold anything under that name
    if view is None:
        blank = Image.new("RGB", (WIDTH, WIDTH * 5 // 8), "#eef0f4")
        draw = ImageDraw.Draw(blank)
        draw.text((20, 20), "This capture has no picture.", _QUIET, _font(_FONTS))
        return blank
    # All of a first view, a phone's as well; of what is taller than any window, the top.
    is_cut = view.height > round(view.width * _TALLEST)
    view = view.crop((0, 0, view.width, min(view.height, round(view.width * _TALLEST))))
    factor = min(WIDTH / view.width, MAX_HEIGHT / view.height)
    size = (max(1, round(view.width * factor)), max(1, round(view.height * factor)))
    small = view.resize(size, Image.Resampling.LANCZOS)
    draw_frames(small, [_scaled(box, factor) for box in panel.boxes])
    if is_cut:
        edge = small.height - _LINE - 4
        draw = ImageDraw.Draw(small)
        draw.rectangle((0, edge, small.width, small.height), fill=_PAPER)
        draw.line((0, edge, small.width, edge), fill=_MARK, width=3)
        draw.text((4, edge + 4), _CUT, _MARK, _font(_FONTS))
    return small


def _scaled(box: Box, factor: float) -> Box:
    left, top = round(box.left * factor), round(box.top * factor)
    right, bottom = (round(edge * factor) for edge in (box.left + box.width, box.top + box.height))
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _opened(png: bytes) -> Image.Image | None:
    if not png:
        return None
    with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            return None
        return opened.convert("RGB")


@cache
def _font(paths: tuple[str, ...]) -> _Font:
    for path in paths:
        if Path(path).is_file():
            return ImageFont.truetype(path, _SIZE)
    return ImageFont.load_default(_SIZE)


def _draws(font: _Font, text: str) -> bool:
    """Whether a font has a form of its own for every character."""
    missing = _form(font, "\U0010fffe")  # no character: what is drawn where there is none
    return not any(
        _form(font, character) == missing for character in set(text) if not character.isspace()
    )


def _form(font: _Font, character: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


def _fitting(text: str, font: _Font) -> str:
    """Return as much of a line as has room."""
    if font.getlength(text) <= WIDTH:
        return text
    most = len(text)
    while most > 1 and font.getlength(cut(text, most)) > WIDTH:
        most -= 1
    return cut(text, most)
