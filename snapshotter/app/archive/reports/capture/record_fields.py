"""
Read fields of a capture record for a report, each with its place in the record.

A stranger may have written the record. A value of another type than expected counts as absent. A
redacted record has commitments in place of some values: these values are withheld. Nothing is
judged here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from snapshotter.formats.bundle import names
from snapshotter.formats.bundle.redactable import COMMITTED
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Presence,
    Row,
    Source,
    Table,
    Value,
    Withheld,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_ROWS: Final = 300  # of a table; the source has the rest
_MAX_CHARACTERS: Final = 1_000_000  # of the texts of a table: a browser prints no 30 MB
_MAX_LINES: Final = 200  # of a list of texts
_WITHHELD: Final = tr("withheld")
_NUMBERS: Final = frozenset({Kind.NUMBER, Kind.CODE, Kind.BYTES, Kind.MILLISECONDS})
_MAX_NUMBER: Final = (1 << 53) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFields:
    """Makes fields and tables of one JSON file of a bundle."""

    root: Any  # what the file contains
    basis: Basis  # of all its values
    file: str = names.CAPTURE_RECORD

    def at(self, pointer: str) -> Any:
        """Return what is at a pointer (RFC 6901, without escapes); None if nothing is."""
        found = self.root
        for name in pointer.split("/")[1:]:
            if isinstance(found, Mapping):
                found = found.get(name)
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        return found

    def text(self, pointer: str) -> str:
        """Return a text; "" if there is none."""
        found = self.at(pointer)
        return found if isinstance(found, str) else ""

    def number(self, pointer: str) -> int | None:
        """Return a whole number; None if there is none."""
        found = self.at(pointer)
        return found if type(found) is int else None

    def objects(self, pointer: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the objects of a list, with their positions."""
        found = self.at(pointer)
        for number, item in enumerate(found if isinstance(found, list) else ()):
            if isinstance(item, Mapping):
                yield number, item

    def field(
        self,
        key: str,
        term: str,
        pointer: str,
        kind: Kind = Kind.TEXT,
        *,
        note: str = "",
        basis: Basis | None = None,
    ) -> Field:
        """Return the field at a pointer."""
        value = as_kind(self.at(pointer), kind)
        return Field(
            key=key,
            term=term,
            value=value,
            kind=kind,
            basis=basis or self.basis,
            source=Source(file=self.file, pointer=pointer),
            presence=presence(value),
            note=note,
        )

    def table(
        self,
        key: str,
        term: str,
        pointer: str,
        columns: Sequence[tuple[Column, str | Callable[[Mapping[str, Any]], Value]]],
        *,
        empty: str,
        note: str = "",
        basis: Callable[[Mapping[str, Any]], Basis] | None = None,
        wanted: Callable[[Mapping[str, Any]], bool] = lambda item: True,
    ) -> Table:
        """
        Return a list of objects as a table.

        Args:
            columns: Each with the name of its value in an object, or a function that returns it.
            basis: Of a row; None: that of the file.
            wanted: Selects objects.
        """
        found = [(number, item) for number, item in self.objects(pointer) if wanted(item)]
        rows = that_fit(
            Row(
                values=tuple(
                    read(item) if callable(read) else as_kind(item.get(read), column.kind)
                    for column, read in columns
                ),
                basis=basis(item) if basis is not None else self.basis,
                source=Source(file=self.file, pointer=f"{pointer}/{number}"),
            )
            for number, item in islice(found, MAX_ROWS)
        )
        return Table(
            key=key,
            term=term,
            columns=tuple(column for column, _ in columns),
            rows=rows,
            total=len(found),
            source=Source(file=self.file, pointer=pointer),
            empty=empty,
            note=note,
        )


def that_fit(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return the first rows of a table, as many as people can print, and at least one."""
    fitting = list[Row]()
    characters = 0
    for row in rows:
        characters += sum(len(value) for value in row.values if isinstance(value, str))
        if fitting and characters > _MAX_CHARACTERS:
            break
        fitting.append(row)
    return tuple(fitting)


def as_kind(found: Any, kind: Kind) -> Value:
    """Return a value of a kind, or what stands in its place; None if it has another type."""
    if (withheld := _withheld(found)) is not None:
        return withheld
    if kind in _NUMBERS:
        return found if type(found) is int and abs(found) <= _MAX_NUMBER else None
    if kind is Kind.FLAG:
        return found if isinstance(found, bool) else None
    if kind is Kind.LINES:
        return tuple(map(_line, found[:_MAX_LINES])) if isinstance(found, list) else None
    return found if isinstance(found, str) and found else None


def _line(found: Any) -> str:
    if isinstance(found, str):
        return found
    return _WITHHELD if _withheld(found) is not None else str(found)


def _withheld(found: Any) -> Withheld | None:
    if isinstance(found, Mapping) and list(found) == [COMMITTED]:
        committed = found[COMMITTED]
        return Withheld(committed=committed) if isinstance(committed, str) else None
    return None


def presence(value: Value) -> Presence:
    """Return whether a value is there."""
    if value is None:
        return Presence.ABSENT
    return Presence.WITHHELD if isinstance(value, Withheld) else Presence.PRESENT
