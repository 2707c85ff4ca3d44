"""
Tables with a column of addresses (CSV, RFC 4180), and the links of HTML pages.

Of a table, a column is taken by its name, or the first that looks like addresses: a plain
list with one address a line is a table of one column. Of a page, links are taken that a CSS
selector finds, or whose address fits a pattern, or both.
"""

import csv
import fnmatch
import io
import re
from collections.abc import Sequence
from itertools import islice

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.listing import Collector, Listing, ListUnreadable, absolute
from snapshotter.formats.page.plain_markup import plain_markup

MAX_BYTES = 16 << 20
_MAX_HTML = 4 << 20  # characters
_MAX_CELL = 1 << 16  # characters; csv's own limit is twice that
_MAX_ROWS = 200_000
_LOOKED_AT = 20  # rows, to find a column
_NAMES = ("url", "link", "address", "href", "uri", "loc")
_TITLES = ("title", "name", "headline")


def read_table(data: bytes, base_url: str, content_type: str = "", column: str = "") -> Listing:
    """
    Return the addresses of a table's column, in its order.

    Args:
        column: Its name in the first row; "" finds one.

    Raises:
        NotAList: No such column, none that looks like addresses, or too long.
    """
    if len(data) > MAX_BYTES:
        raise ListUnreadable(f"the table has more than {MAX_BYTES} bytes")
    text = decode(data, content_type)
    rows = csv.reader(io.StringIO(text, newline=""), _dialect(text))
    try:
        head = [row for row in islice(rows, _LOOKED_AT) if not _says_nothing(row)]
        place, title_place, has_names = _column(head, base_url, column)
        taken = Collector(base_url)
        for number, row in enumerate((*head[has_names:], *rows)):
            if _says_nothing(row):
                continue
            title = row[title_place] if 0 <= title_place < len(row) else ""
            taken.add(row[place] if place < len(row) else "", title)
            if taken.full or number > _MAX_ROWS:
                break
    except csv.Error as error:
        raise ListUnreadable(f"the table can not be read: {error}") from None
    return taken.listing("csv")


def read_links(data: bytes, base_url: str, content_type: str = "", *, select: str = "") -> Listing:
    """
    Return the links of a page in the order in which they stand, each with its text.

    Args:
        select: A CSS selector: of links, or of what they stand in. "" for all links.

    Raises:
        NotAList: No HTML, or too long.
        SnapshotterError: `select` is no selector (see `selectors`).
    """
    text = decode(data, content_type)
    if len(text) > _MAX_HTML:
        raise ListUnreadable(f"the page has more than {_MAX_HTML} characters")
    from lxml import etree, html

    from snapshotter.formats.page.selectors import parse_selector

    selector = parse_selector(select or "*")
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        markup = plain_markup(text).encode("utf-8", "replace")
        tree = html.document_fromstring(markup, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise ListUnreadable(f"no HTML page: {error}") from None
    base = next((element.get("href") for element in islice(tree.iter("base"), 1)), "") or ""
    base_url = absolute(base_url, base) or base_url
    taken = Collector(base_url)
    for element, is_chosen in selector.walk(tree):
        if taken.full:
            break
        if not is_chosen or element.tag not in ("a", "area"):
            continue
        address = element.get("href", "")
        # What is no address of a page (mailto:, javascript:, a place in this page) is no item.
        if not address.startswith("#") and absolute(base_url, address):
            taken.add(address, "".join(islice(element.itertext(), 100)))
    return taken.listing("html", tree.findtext(".//title") or "")


def matching(patterns: Sequence[str]) -> "re.Pattern[str]":
    """
    Return one expression for addresses that fit one of some patterns; all fit no pattern.

    `*` is any number of characters, `?` one, `[ab]` one of these. A pattern has to fit
    the whole address. No stranger's address makes it slow: stars are not tried anew.
    """
    return re.compile("|".join(map(fnmatch.translate, patterns)))


def _says_nothing(row: Sequence[str]) -> bool:
    """Return whether a row is empty, or a remark of a plain list."""
    return not any(map(str.strip, row)) or (len(row) == 1 and row[0].lstrip().startswith("#"))


def _dialect(text: str) -> type[csv.Dialect]:
    """Return how cells are parted: by what the first line has most of, commas first."""
    lines = [line for line in text[: _LOOKED_AT * _MAX_CELL].splitlines() if line.strip()][
        :_LOOKED_AT
    ]
    plain = [line for line in lines if not line.lstrip().startswith("#")]
    first = plain[0][:_MAX_CELL] if plain else ""
    delimiter = max(",;\t", key=lambda candidate: (first.count(candidate), candidate == ","))
    # A plain list, unless all its lines have as many cells: addresses may hold commas.
    if (
        all(line.startswith(("http://", "https://")) and '"' not in line for line in plain)
        and len({line.count(delimiter) for line in plain}) > 1
    ):
        delimiter = "\t"

    class Found(csv.excel):
        pass

    Found.delimiter = delimiter
    return Found


def _column(head: Sequence[Sequence[str]], base_url: str, wanted: str) -> tuple[int, int, bool]:
    """Return the places of addresses and titles, and whether the first row has names."""
    if not head:
        raise ListUnreadable("the table is empty", hint="a row of names, then a row an address")
    names = [name.strip().lower() for name in head[0]]
    title = next((names.index(title) for title in _TITLES if title in names), -1)
    if wanted:
        if wanted.strip().lower() not in names:
            raise ListUnreadable(
                f"the table has no column {wanted!r}", hint=f"it has: {', '.join(head[0])[:300]}"
            )
        return names.index(wanted.strip().lower()), title, True
    for name in _NAMES:
        if name in names:
            return names.index(name), title, True
    for place in range(len(names)):
        cells = [row[place] for row in head if place < len(row)]
        looks = [cell.strip().lower().startswith(("http://", "https://")) for cell in cells]
        if looks[0] and all(looks):
            return place, -1, False
        if len(looks) > 1 and all(looks[1:]) and not looks[0]:
            return place, title, True
    raise ListUnreadable(
        "no column of the table looks like addresses", hint="name it: --column NAME"
    )
