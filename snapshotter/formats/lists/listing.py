"""
Define the result of reading a list of pages: addresses, each with a title and a time.

The readers in this package (`feeds`, `sitemap`, `csv_links`, `html_links`) make it from untrusted
bytes with a `Collector`. It limits the number of items and the length of an address, and keeps
printable text only.
"""

import unicodedata
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from snapshotter.errors import SnapshotterError
from snapshotter.formats.printable import cut
from snapshotter.value_class import dataclass

MAX_ITEMS = 50_000  # of one list: what a sitemap may have (sitemaps.org, "Sitemap file")
MAX_URL = 2_048  # characters; the same source says so
MAX_TITLE = 300  # characters
MAX_STAMP = 64  # characters


class ListUnreadable(SnapshotterError):
    """What came is not a list of the kind that was expected, or no list at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItem:
    """One page that a list names."""

    url: str  # absolute, http or https, no user and password; otherwise as it stood there
    title: str = ""  # on one line
    stamp: str = ""  # its time as the list words it: published, or last modified


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """
    A list, read.

    `items` are in its order, each address once.
    """

    kind: str  # "feed", "sitemap", "sitemap-index", "csv", "html"
    items: tuple[ListItem, ...]
    title: str = ""
    dropped: int = 0  # entries without an address that could be captured
    truncated: bool = False  # there was more than is taken


class Collector:
    """Takes what a reader finds, item by item, and keeps it within bounds."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url
        self._items: dict[str, ListItem] = {}
        self._dropped = 0
        self._truncated = False

    @property
    def full(self) -> bool:
        """Whether nothing more is taken."""
        return self._truncated

    def add(self, address: str, title: str = "", stamp: str = "") -> None:
        """Take an entry, if its address is one that can be captured."""
        url = absolute(self._base, address)
        if not url:
            self._dropped += 1
        elif url in self._items:
            return
        elif len(self._items) >= MAX_ITEMS:
            self._truncated = True
        else:
            self._items[url] = ListItem(
                url=url, title=one_line(title, MAX_TITLE), stamp=one_line(stamp, MAX_STAMP)
            )

    def listing(self, kind: str, title: str = "") -> Listing:
        """Return what was taken."""
        return Listing(
            kind=kind,
            items=tuple(self._items.values()),
            title=one_line(title, MAX_TITLE),
            dropped=self._dropped,
            truncated=self._truncated,
        )


def absolute(base_url: str, address: str) -> str:
    """
    Return an address as it would be visited; "" where that cannot be.

    Not http or https, no host, a user or password, too long, or characters that no
    address has.
    """
    address = address.strip(" \t\r\n\f")
    if not address or len(address) > MAX_URL or _has_controls(address):
        return ""
    try:
        given, url = urlsplit(address), urljoin(base_url, address)
        # A browser takes a backslash for a slash, and so finds a host where we would not.
        parts, as_browsers_read = urlsplit(url), urlsplit(url.replace("\\", "/"))
        _ = parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        return ""
    if given.scheme and not given.netloc:  # "https:" alone would be the list itself
        return ""
    if "@" in parts.netloc or "@" in as_browsers_read.netloc or len(url) > MAX_URL:
        return ""
    return url


def one_line(text: str, most: int) -> str:
    """Return a stranger's words on one line, without control characters, cut to a length."""
    words: Iterable[str] = text[: 8 * most].split()
    clean = " ".join(
        "".join(character for character in word if not _is_control(character)) for word in words
    )
    return cut(clean, most)


def _has_controls(text: str) -> bool:
    if text.isascii():
        return not text.isprintable()
    return any(_is_control(character) for character in text)


def _is_control(character: str) -> bool:
    # Cf: what turns the direction of a line, or cannot be seen in it.
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")
