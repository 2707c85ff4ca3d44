"""
Read sitemaps and sitemap indexes (sitemaps.org protocol 0.9), plain or compressed with gzip.

The file is parsed as a stream of elements. Only a limited number of characters of each address,
title and time is kept. A document type is refused: no sitemap needs one, and it can declare
entities.
"""

import zlib
from xml.parsers import expat

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.listing import (
    MAX_STAMP,
    MAX_TITLE,
    MAX_URL,
    Collector,
    Listing,
    ListUnreadable,
)
from snapshotter.translation import tr

MAX_BYTES = 50 << 20  # opened; the protocol's own limit
_GZIP = 31  # wbits of zlib for gzip with its header
_MAX_DEPTH = 16  # a sitemap has 3, with extensions 5
_KEPT = {"loc": MAX_URL, "lastmod": MAX_STAMP, "title": MAX_TITLE, "publication_date": MAX_STAMP}
_ROOTS = {"urlset": "sitemap", "sitemapindex": "sitemap-index"}
_ENTRIES = {"sitemap": "url", "sitemap-index": "sitemap"}


class _SitemapRefused(Exception):
    """Carries why out of a handler."""


def read_sitemap(data: bytes, base_url: str, content_type: str = "") -> Listing:
    """
    Return what a sitemap lists, or which sitemaps an index does.

    Args:
        data: As it came; gzip is recognised by its first bytes, whatever its name.
        base_url: Where it came from.

    Raises:
        ListUnreadable: Neither, not well-formed, with a document type, or longer than the limit.
    """
    reader = _Reader(base_url)
    try:
        reader.read(decode(decompress_gzip(data, MAX_BYTES), content_type))
    except _SitemapRefused as error:
        raise ListUnreadable(str(error)) from None
    except expat.ExpatError as error:
        raise ListUnreadable(tr("the sitemap is not well-formed: {error}", error=error)) from None
    return reader.taken.listing(reader.kind)


def decompress_gzip(data: bytes, limit: int) -> bytes:
    """
    Return what is in a gzip file; anything else as it is.

    Raises:
        ListUnreadable: Broken, or longer than `limit` bytes.
    """
    if not data.startswith(b"\x1f\x8b"):
        if len(data) > limit:
            raise ListUnreadable(tr("the list has more than {limit} bytes", limit=limit))
        return data
    parts, left, length = [], data, 0
    while left.startswith(b"\x1f\x8b"):  # RFC 1952, 2.2: members follow one another
        inflater = zlib.decompressobj(_GZIP)
        try:
            part = inflater.decompress(left, limit - length + 1)
        except zlib.error as error:
            raise ListUnreadable(tr("the gzip file is damaged: {error}", error=error)) from None
        length += len(part)
        if length > limit:
            raise ListUnreadable(
                tr("the list has more than {limit} bytes after decompression", limit=limit)
            )
        if not inflater.eof:
            raise ListUnreadable(tr("the gzip file ends too early"))
        parts.append(part)
        left = inflater.unused_data
        if len(parts) > 1_000:
            raise ListUnreadable(tr("the gzip file has more than 1000 parts"))
    return b"".join(parts)


class _Reader:
    def __init__(self, base_url: str) -> None:
        self.taken = Collector(base_url)
        self.kind = ""
        self._path: list[str] = []
        self._field = ""
        self._text: list[str] = []
        self._length = 0
        self._values: dict[str, str] = {}

    def read(self, text: str) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._doctype
        if text.lstrip().startswith("<?xml"):  # it names the encoding that was undone
            text = text.partition("?>")[2]
        parser.Parse(text, True)

    def _doctype(self, *_: object) -> None:
        # HTML has one as well: what came in the place of a sitemap is mostly that.
        raise _SitemapRefused(
            tr("the document is not a sitemap: the document has a DOCTYPE declaration")
        )

    def _start(self, name: str, _: object) -> None:
        name = name.rpartition(":")[2].lower()
        if not self._path:
            if name not in _ROOTS:
                raise _SitemapRefused(
                    f"the document is not a sitemap: its root element is <{name[:40]}>"
                )
            self.kind = _ROOTS[name]
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise _SitemapRefused(
                tr(
                    "the elements of the sitemap are nested more than {max_depth} levels deep",
                    max_depth=_MAX_DEPTH,
                )
            )
        if len(self._path) == 2:
            self._values = {}
        # An image's or a video's own address stands deeper, and is no page.
        deep = name in ("title", "publication_date")
        self._field = name if name in _KEPT and (deep or len(self._path) == 3) else ""
        self._text, self._length = [], 0

    def _characters(self, text: str) -> None:
        if self._field and self._length <= _KEPT[self._field] * 2:
            self._text.append(text)
            self._length += len(text)

    def _end(self, _: str) -> None:
        name = self._path.pop()
        if self._field:
            self._values.setdefault(self._field, "".join(self._text))
            self._field = ""
        if len(self._path) == 1 and name == _ENTRIES[self.kind] and not self.taken.full:
            stamp = self._values.get("publication_date") or self._values.get("lastmod", "")
            self.taken.add(self._values.get("loc", ""), self._values.get("title", ""), stamp)
