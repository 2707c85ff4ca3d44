"""
Lay out a table for a terminal: columns that fit its width, in cells and not in characters.

Chinese, Japanese and Korean characters and most emoji take two cells; accents take none. Texts are
made printable first, so that a hostile title cannot move the cursor.
"""

import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import Final

from snapshotter.value_class import dataclass

_GAP: Final = "  "
_MORE: Final = "…"
_WIDE: Final = frozenset("WF")  # East Asian width (UAX #11)
_NO_CELL: Final = frozenset({"Mn", "Me"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table."""

    heading: str
    least: int = 0  # cells to which it may shrink; 0: it does not shrink
    keeps_end: bool = False  # a text that is too long loses its beginning


def terminal_width() -> int:
    """Return the columns of the terminal that shows stdout; 0 if stdout is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int
) -> list[str]:
    """
    Return the lines of a table, with its headings first, none longer than `width` cells.

    Columns that may shrink give way, the widest first. If that is not enough, the last columns are
    left out.
    """
    from snapshotter.formats.printable import printable

    texts = [[printable(text[: 4 * width]) for text in row] for row in rows]
    titles = [column.heading for column in columns]
    needed = [max(map(cells, column)) for column in zip(titles, *texts, strict=True)]
    columns = columns[: _fitting(columns, needed, width)]
    widths = _shrunk(columns, needed, width - len(_GAP) * (len(columns) - 1))
    lines = []
    for row in (titles, *texts):
        shown = [
            _padded(fitted(text, room, keeps_end=column.keeps_end), room)
            for column, text, room in zip(columns, row, widths, strict=False)
        ]
        lines.append(fitted(_GAP.join(shown).rstrip(), width))
    return lines


def cells(text: str) -> int:
    """Return the number of cells that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def fitted(text: str, room: int, *, keeps_end: bool = False) -> str:
    """Return a text of at most `room` cells; one that is too long is cut and has an "…"."""
    if cells(text) <= room:
        return text
    kept, left = list[str](), room - 1
    for character in reversed(text) if keeps_end else text:
        left -= _cells(character)
        if left < 0:
            break
        kept.append(character)
    if not room:
        return ""
    return _MORE + "".join(reversed(kept)) if keeps_end else "".join(kept) + _MORE


def _cells(character: str) -> int:
    if unicodedata.category(character) in _NO_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def _padded(text: str, room: int) -> str:
    return text + " " * (room - cells(text))


def _fitting(columns: Sequence[Column], needed: Sequence[int], width: int) -> int:
    """Return how many of the first columns fit with their least widths; at least one."""
    taken = -len(_GAP)
    for number, (column, room) in enumerate(zip(columns, needed, strict=True)):
        taken += len(_GAP) + (min(column.least, room) if column.least else room)
        if taken > width and number:
            return number
    return len(columns)


def _shrunk(columns: Sequence[Column], needed: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns: the widest column that may shrink gives way first."""
    widths = list(needed[: len(columns)])
    for _ in range(sum(widths) - room):
        able = [
            number for number, column in enumerate(columns) if 0 < column.least < widths[number]
        ]
        if not able:
            break
        widths[max(able, key=widths.__getitem__)] -= 1
    return widths
