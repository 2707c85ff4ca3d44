"""
Write load files for e-discovery software: Concordance (`.dat`) and Opticon (`.opt`).

No specification of these formats is published; the software that reads them agrees on this. A
`.dat` file has a first line with the names of the fields, and one line for each document. Each
value is between two U+00FE (þ), and U+0014 is between values. An importer takes U+00AE (®) for a
line end inside a value. A `.opt` file has one line for each picture of a page:
key, volume, path, `Y` for the first page of a document, two empty values, number of pages.

Lines end with CRLF. Paths have backslashes. The text is UTF-8; a `.dat` file begins with a byte
order mark, by which importers recognise UTF-8.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from snapshotter.formats.printable import printable
from snapshotter.value_class import dataclass

_QUOTE: Final = "\u00fe"
_SEPARATOR: Final = "\u0014"
_LINE_END: Final = "\u00ae"
_IN_OPT: Final = ",\"'"  # no name of ours has these


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPages:
    """The pictures of the pages of a document."""

    keys: tuple[str, ...]
    paths: tuple[str, ...]  # with slashes; as many as keys


def encode_dat(fields: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """
    Return a `.dat` file.

    A delimiter or control character in a value becomes `\\u` and four hexadecimal digits, so no
    value can end a field or a line.
    """
    lines = [_line(fields), *map(_line, rows)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8-sig", "backslashreplace")


def encode_opt(volume: str, documents: Iterable[LoadPages]) -> bytes:
    """
    Return an `.opt` file. Raises ValueError: a name has a comma, a quote or a control character.
    """
    lines = []
    for pages in documents:
        for number, (key, path) in enumerate(zip(pages.keys, pages.paths, strict=True)):
            names = key, volume, path.replace("/", "\\")
            if any(set(name) & set(_IN_OPT) or printable(name) != name for name in names):
                raise ValueError(f"a load file cannot have the name {names!r}")
            first = ("Y", "", "", str(len(pages.keys))) if number == 0 else ("", "", "", "")
            lines.append(",".join((*names, *first)))
    return "".join(f"{line}\r\n" for line in lines).encode()


def _line(values: Sequence[str]) -> str:
    return _SEPARATOR.join(f"{_QUOTE}{_value(value)}{_QUOTE}" for value in values)


def _value(text: str) -> str:
    for delimiter in (_QUOTE, _LINE_END):
        text = text.replace(delimiter, f"\\u{ord(delimiter):04x}")
    return printable(text)
