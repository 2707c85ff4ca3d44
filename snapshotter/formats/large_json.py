"""
Read canonical JSON that is too long to be parsed in one piece.

A report on ten thousand pages has tens of megabytes, and as Python objects it needs many times as
much memory. This module reads it from the first byte to the last, and parses at most about a
megabyte at a time:

    [{…},{…},{…},…]      runs of items that fit into a piece; a longer item is split in turn
    {"a":…,"b":…}        member by member

Each piece is canonical JSON by itself. The bytes between the pieces are compared with their only
allowed form. `formats/typed.py` makes values of the pieces (docs/reference/limits.md).
"""

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.translation import tr

PIECE: Final = 1 << 20  # bytes that are parsed at once
_MAX_KEY: Final = 300  # bytes
# A text with one character beyond U+FFFF takes four bytes for each of its characters. So much
# more than their bytes in the document all such texts may take.
_MAX_WIDE: Final = 32 << 20
_WIDE: Final = re.compile(rb"[\xf0-\xf4]")
_MARK: Final = re.compile(rb'["\[\]{}]')
_BARE: Final = re.compile(rb"[^,\]}]*")


class Cursor:
    """
    A place in a document, at the beginning of a value. Whoever gets one reads that value whole.

    Args:
        data: Begins with the document.
        max_values: The most numbers, texts, lists and objects in it, one in another.
    """

    __slots__ = ("_at", "_data", "_left", "_wide")

    def __init__(self, data: bytes, *, max_values: int) -> None:
        self._data, self._at, self._left = data, 0, max_values
        self._wide = _MAX_WIDE

    @property
    def at(self) -> int:
        """How many bytes were read."""
        return self._at

    def items(self) -> Iterator[Any]:
        """
        Yield the items of the list that begins here; one that is longer than a piece, as a cursor.

        Raises:
            EvidenceInvalid: No list, not canonical JSON, or more values than it may hold.
        """
        self._take(b"[")
        if self._data[self._at : self._at + 1] == b"]":
            self._at += 1
            return
        while True:
            end = self._run()
            if end > self._at:
                piece = self._data[self._at : end]
                self._at = end
                yield from self._parsed(b"[%b]" % piece)
            else:
                yield self
            if self._take(b",", b"]") == b"]":
                return

    def members(self) -> Iterator[tuple[str, Any]]:
        """
        Yield the names and values of the object that begins here; a long value as a cursor.

        Raises:
            EvidenceInvalid: No object, not canonical JSON, or more values than it may hold.
        """
        self._take(b"{")
        previous: str | None = None
        if self._data[self._at : self._at + 1] == b"}":
            self._at += 1
            return
        while True:
            end = _end_of_text(self._data, self._at, self._at + _MAX_KEY)
            if end < 0:
                raise EvidenceInvalid(
                    tr(
                        "the data are not canonical JSON: the name of a member of an object is "
                        "invalid or too long"
                    )
                )
            name = self._parsed(self._data[self._at : end])
            if previous is not None and not previous < name:  # both are ASCII, or no field of ours
                raise EvidenceInvalid(
                    tr(
                        "the data are not canonical JSON: the members of an object are not sorted "
                        "by name"
                    )
                )
            previous, self._at = name, end
            self._take(b":")
            end = _end(self._data, self._at, self._at + PIECE)
            if end < 0:
                yield name, self
            else:
                piece = self._data[self._at : end]
                self._at = end
                yield name, self._parsed(piece)
            if self._take(b",", b"}") == b"}":
                return

    def _take(self, *marks: bytes) -> bytes:
        mark = self._data[self._at : self._at + 1]
        if mark not in marks:
            raise EvidenceInvalid(
                tr(
                    "the data are not canonical JSON: the character {marks} is missing at byte "
                    "{at}",
                    marks=marks[0].decode(),
                    at=self._at,
                )
            )
        self._at += 1
        return mark

    def _run(self) -> int:
        """Return the end of the last item from here on that ends within a piece."""
        last, at, limit = self._at, self._at, self._at + PIECE
        while (end := _end(self._data, at, limit)) >= 0:
            last, at = end, end + 1
            if self._data[end : end + 1] != b",":
                break
        return last

    def _parsed(self, piece: bytes) -> Any:
        self._left -= canonical_json.count_values(piece)
        if self._left < 0:
            raise EvidenceInvalid(tr("the JSON contains more values than snapshotter allows"))
        value = canonical_json.loads(piece, max_values=PIECE)
        if _WIDE.search(piece) is not None:
            self._wide -= _width(value) - len(piece)
            if self._wide < 0:
                raise EvidenceInvalid(
                    tr("the texts in the JSON need more memory than snapshotter allows")
                )
        return value


def _width(value: Any) -> int:
    """Return how many bytes the texts of a value take in memory."""
    if isinstance(value, str):
        return sys.getsizeof(value) if not value.isascii() else len(value)
    if isinstance(value, dict):
        return sum(map(_width, value.values()))
    return sum(map(_width, value)) if isinstance(value, list) else 0


def _end(data: bytes, at: int, limit: int) -> int:
    """Return the end of the value that begins at `at`; -1 if it does not end below `limit`."""
    first = data[at : at + 1]
    if first == b'"':
        return _end_of_text(data, at, limit)
    if first not in (b"[", b"{"):
        found = _BARE.match(data, at, min(limit, len(data)))
        end = found.end() if found is not None else at
        return end if at < end < limit else -1
    depth = 0
    while (mark := _MARK.search(data, at, limit)) is not None:
        at = mark.end()
        if mark[0] == b'"':
            at = _end_of_text(data, at - 1, limit)
            if at < 0:
                return -1
        else:
            depth += 1 if mark[0] in b"[{" else -1
            if depth == 0:
                return at
    return -1


def _end_of_text(data: bytes, at: int, limit: int) -> int:
    if data[at : at + 1] != b'"':
        return -1
    end = at
    while (end := data.find(b'"', end + 1, limit)) >= 0:
        before = end
        while data[before - 1 : before] == b"\\":
            before -= 1
        if (end - before) % 2 == 0:
            return end + 1
    return -1
