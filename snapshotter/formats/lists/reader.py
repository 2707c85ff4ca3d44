"""
Read a list of any kind: feed, sitemap, table or page.

The content decides which kind it is, and the server's content type only where the content does
not. A caller can name the kind that the list must have. The file name is not used.
"""

import re

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.csv_links import read_table
from snapshotter.formats.lists.feeds import read_feed, root_of
from snapshotter.formats.lists.html_links import read_links
from snapshotter.formats.lists.listing import Listing, ListUnreadable
from snapshotter.formats.lists.sitemap import decompress_gzip, read_sitemap
from snapshotter.model.capture_url import complete_url
from snapshotter.translation import tr

_LONGEST = 50 << 20  # bytes of any kind, opened
_HTML = re.compile(r"<(!doctype html|html|head|body)\b", re.I)
_CELL_END = re.compile(r"[,;\t]")
_OF_ROOT = {
    "rss": "feed",
    "feed": "feed",
    "rdf": "feed",
    "urlset": "sitemap",
    "sitemapindex": "sitemap",
    "html": "html",
}


def kind_of(data: bytes, content_type: str = "") -> str:
    """Return the kind of a list: "feed", "sitemap", "csv" or "html"; "" if it is none of them."""
    text = decode(data[: 1 << 16], content_type)
    if _HTML.match(_after_comments(text[:8192])):
        return "html"
    if kind := _OF_ROOT.get(root_of(text), ""):
        return kind
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in ("text/csv", "text/tab-separated-values", "text/plain"):
        return "csv"
    if "html" in media_type:
        return "html"
    if "xml" in media_type or text.lstrip().startswith("<"):
        return "feed"  # whose reader forgives, and says what is wrong
    return "csv" if "http" in text or _has_host(text) else ""


def _has_host(text: str) -> bool:
    """Return whether a cell of the first lines is an address without a scheme."""
    cells = (cell.strip() for line in text.splitlines()[:20] for cell in _CELL_END.split(line))
    return any(complete_url(cell) != cell for cell in cells)


def _after_comments(text: str) -> str:
    """Return a text from its first mark-up on that is no comment."""
    # No expression: one for "any number of comments" takes a time that doubles with each of them.
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        end = text.find("-->", at) if text.startswith("<!--", at) else -1
        if end < 0:
            return text[at:]
        at = end + len("-->")


def read_list(
    data: bytes,
    base_url: str,
    content_type: str = "",
    *,
    kind: str = "",
    select: str = "",
    column: str = "",
) -> Listing:
    """
    Return what a list says.

    Args:
        data: As it came; a gzip file is opened.
        kind: The kind that it must have, as `kind_of` returns it; "" for any kind.
        select: For a page: which links, as a CSS selector.
        column: For a table: the name of the column with addresses.

    Raises:
        ListUnreadable: It is of another kind, of none, broken, or too long.
    """
    data = decompress_gzip(data, _LONGEST)
    found = kind_of(data, content_type)
    if not kind and not found:
        raise ListUnreadable(tr("the document is not a feed, a sitemap, a table or a page"))
    kind = kind or found
    if kind in ("feed", "sitemap") and found not in (kind, ""):
        raise ListUnreadable(
            tr("the address returned a {words} instead of a {kind}", words=_WORDS[found], kind=kind)
        )
    if kind == "csv" and found == "html":
        raise ListUnreadable(tr("the address returned a page instead of a table"))
    if kind == "feed":
        return read_feed(data, base_url, content_type)
    if kind == "sitemap":
        return read_sitemap(data, base_url, content_type)
    if kind == "csv":
        return read_table(data, base_url, content_type, column)
    return read_links(data, base_url, content_type, select=select)


_WORDS = {"feed": "feed", "sitemap": "sitemap", "csv": "table", "html": "page"}
