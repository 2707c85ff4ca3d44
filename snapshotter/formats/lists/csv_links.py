"""
Read the addresses in one column of a table (CSV, RFC 4180).

The column is found by its name, or it is the first one whose cells look like addresses. A plain
list with one address on each line is a table with one column. In a table that comes from a file,
https:// is added to an address without a scheme.
"""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import islice

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.listing import Collector, Listing, ListUnreadable
from snapshotter.model.capture_url import complete_url
from snapshotter.translation import tr

MAX_BYTES = 16 << 20
_MAX_CELL = 1 << 16  # characters; csv's own limit is twice that
_MAX_ROWS = 200_000
_LOOKED_AT = 20  # rows, to find a column
_SCHEMES = ("http://", "https://")
_NAMES = ("url", "link", "address", "href", "uri", "loc")
_TITLES = ("title", "name", "headline")


def read_table(data: bytes, base_url: str, content_type: str = "", column: str = "") -> Listing:
    """
    Return the addresses of a table's column, in its order.

    Args:
        base_url: Where the table came from; "" or `file:` for a file.
        column: Its name in the first row; "" finds one.

    Raises:
        ListUnreadable: No such column, none that looks like addresses, or too long.
    """
    if len(data) > MAX_BYTES:
        raise ListUnreadable(tr("the table has more than {max_bytes} bytes", max_bytes=MAX_BYTES))
    text = decode(data, content_type)
    # On a site, `news.html` is an address relative to the table.
    completed = _unchanged if base_url.startswith(_SCHEMES) else complete_url
    rows = csv.reader(io.StringIO(text, newline=""), _dialect(text))
    try:
        head = [row for row in islice(rows, _LOOKED_AT) if not _is_empty(row)]
        place, title_place, has_names = _column(head, column, completed)
        taken = Collector(base_url)
        for number, row in enumerate((*head[has_names:], *rows)):
            if _is_empty(row):
                continue
            title = row[title_place] if 0 <= title_place < len(row) else ""
            taken.add(completed(row[place].strip()) if place < len(row) else "", title)
            if taken.full or number > _MAX_ROWS:
                break
    except csv.Error as error:
        raise ListUnreadable(tr("the table cannot be read: {error}", error=error)) from None
    return taken.listing("csv")


def _is_empty(row: Sequence[str]) -> bool:
    """Return whether a row is empty, or a comment of a plain list."""
    return not any(map(str.strip, row)) or (len(row) == 1 and row[0].lstrip().startswith("#"))


def _dialect(text: str) -> type[csv.Dialect]:
    """Return a table's dialect: the most frequent delimiter of its first line, commas first."""
    lines = [line for line in text[: _LOOKED_AT * _MAX_CELL].splitlines() if line.strip()][
        :_LOOKED_AT
    ]
    plain = [line for line in lines if not line.lstrip().startswith("#")]
    first = plain[0][:_MAX_CELL] if plain else ""
    delimiter = max(",;\t", key=lambda candidate: (first.count(candidate), candidate == ","))
    # A plain list, unless all its lines have as many cells: addresses may hold commas.
    if (
        all(line.startswith(_SCHEMES) and '"' not in line for line in plain)
        and len({line.count(delimiter) for line in plain}) > 1
    ):
        delimiter = "\t"

    class Dialect(csv.excel):
        pass

    Dialect.delimiter = delimiter
    return Dialect


def _unchanged(text: str) -> str:
    return text


def _column(
    head: Sequence[Sequence[str]], wanted: str, completed: Callable[[str], str]
) -> tuple[int, int, bool]:
    """
    Return the places of addresses and titles, and whether the first row has names.

    Args:
        completed: Returns an address with `https://` added if it has no scheme.
    """
    if not head:
        raise ListUnreadable(
            tr("the table is empty"),
            hint=tr(
                "write a first row with the names of the columns, then one row for each address"
            ),
        )
    names = [name.strip().lower() for name in head[0]]
    title = next((names.index(title) for title in _TITLES if title in names), -1)
    if wanted:
        if wanted.strip().lower() not in names:
            raise ListUnreadable(
                tr("the table has no column {wanted!r}", wanted=wanted),
                hint=tr(
                    "give the name of a column of this table: {head}", head=", ".join(head[0])[:300]
                ),
            )
        return names.index(wanted.strip().lower()), title, True
    for name in _NAMES:
        if name in names:
            return names.index(name), title, True
    # First as they are: the name of a column may look like a host, for example `page.url`.
    for completing in (_unchanged, completed):
        for place in range(len(names)):
            given = [row[place].strip() for row in head if place < len(row)]
            looks = [completing(cell).lower().startswith(_SCHEMES) for cell in given]
            if looks[0] and all(looks):
                return place, -1, False
            is_address = "/" in given[0] and completed(given[0]) != given[0]
            if len(looks) > 1 and all(looks[1:]) and not (looks[0] or is_address):
                return place, title, True
    raise ListUnreadable(
        tr("no column of the table has addresses"), hint=tr("name the column with --column NAME")
    )
