"""
Read RSS and Atom feeds (RFC 4287) with feedparser, from untrusted bytes.

The feed is first decoded with a codec that this module chooses. A feed that declares entities is
refused: a few bytes of entities can expand to gigabytes, or name a file of this machine or an
internal address. A feed that is not well-formed is read too, as most programs do, but only if it
is short, because the tolerant parser is slow.
"""

import contextlib
import io
import re
from xml.parsers import expat

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.listing import MAX_ITEMS, Collector, Listing, ListUnreadable
from snapshotter.translation import tr

MAX_BYTES = 8 << 20  # decoded from their transfer, before any parser sees them
_MAX_CROOKED = 1 << 20  # characters of a feed that is not well-formed; about 5 s at the worst
_MAX_DEPTH = 64  # elements in one another
_MAX_ATTRIBUTES = 100  # of one element; feedparser's time grows with their square
_MAX_TAGS = 600_000  # feedparser keeps what each says: some hundred bytes of memory for four
_DECLARATION = re.compile(r"^\s*<\?xml[^>]{0,300}\?>")
_ROOTS = ("rss", "feed", "rdf", "channel")
_ENTRY = re.compile(r"<(?:[\w-]{1,20}:)?(?:item|entry)\b", re.I)
_CROOKED_ROOT = re.compile(r"<(?:[\w-]{1,20}:)?(rss|feed|rdf)[\s>]", re.I)


class _StopParsing(Exception):
    """Ends a parser from within one of its handlers."""


def read_feed(data: bytes, base_url: str, content_type: str = "") -> Listing:
    """
    Return what a feed lists, in its order.

    An entry's address is its link, and where it has none its id, if that is an address
    (RSS: a `guid` that is a permalink).

    Args:
        base_url: Where it came from; relative addresses begin there.
        content_type: As the server gave it; it may name an encoding.

    Raises:
        ListUnreadable: No feed, or one that declares entities, or too long.
    """
    if len(data) > MAX_BYTES:
        raise ListUnreadable(tr("the feed has more than {max_bytes} bytes", max_bytes=MAX_BYTES))
    text = _DECLARATION.sub("", decode(data, content_type), count=1)
    if re.search(r"<!ENTITY", text, re.I):
        raise ListUnreadable(tr("the feed declares entities, which are not allowed"))
    if text.count("<") > _MAX_TAGS or sum(1 for _ in _ENTRY.finditer(text)) > MAX_ITEMS:
        raise ListUnreadable(
            tr(
                "the feed has more than {max_items} entries or more than {max_tags} tags",
                max_items=MAX_ITEMS,
                max_tags=_MAX_TAGS,
            )
        )
    _check(text)
    import feedparser  # here: it costs 60 ms, and most commands read no feed

    read = feedparser.parse(
        io.BytesIO(text.encode("utf-8", "replace")),
        response_headers={
            "content-type": "application/xml; charset=utf-8",
            "content-location": base_url,
        },
        resolve_relative_uris=False,  # those in the text of entries: nobody reads them here
        sanitize_html=False,
    )
    taken = Collector(base_url)
    for entry in read.entries:
        link = entry.get("link") or entry.get("id") or ""
        stamp = entry.get("published") or entry.get("updated") or ""
        taken.add(str(link), _words(str(entry.get("title") or "")), str(stamp))
        if taken.full:
            break
    return taken.listing("feed", _words(str(read.feed.get("title") or "")))


def root_of(text: str) -> str:
    """
    Return the name of the first element of an XML text, in small letters, without prefix.

    "" for what is none, as far as that can be seen.
    """
    parser = expat.ParserCreate()
    found: list[str] = []

    def start(name: str, _: object) -> None:
        found.append(name)
        raise _StopParsing

    parser.StartElementHandler = start
    with contextlib.suppress(_StopParsing, expat.ExpatError):
        # No document that we read begins after so long a preface.
        parser.Parse(_DECLARATION.sub("", text[: 1 << 16], count=1), False)
    return found[0].rpartition(":")[2].lower() if found else ""


def _check(text: str) -> None:
    """Raise ListUnreadable unless it looks like a feed, and feedparser may read it."""
    depth = 0
    root = ""

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, root
        root = root or name.rpartition(":")[2].lower()
        depth += 1
        if depth > _MAX_DEPTH or root not in _ROOTS:
            raise _StopParsing
        if len(attributes) > _MAX_ATTRIBUTES:
            raise ListUnreadable(
                tr(
                    "an element of the feed has more than {max_attributes} attributes",
                    max_attributes=_MAX_ATTRIBUTES,
                )
            )

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(text, True)
    except _StopParsing:
        if root not in _ROOTS:
            raise ListUnreadable(
                f"the document is not a feed: its root element is <{root[:40]}>"
            ) from None
        raise ListUnreadable(
            tr(
                "the elements of the feed are nested more than {max_depth} levels deep",
                max_depth=_MAX_DEPTH,
            )
        ) from None
    except expat.ExpatError as error:
        if root not in _ROOTS and not _CROOKED_ROOT.search(text[:4096]):
            raise ListUnreadable(tr("the document is not a feed")) from None
        if len(text) > _MAX_CROOKED:
            raise ListUnreadable(
                tr(
                    "the feed is not well-formed ({error}), and it is too long to be repaired",
                    error=error,
                )
            ) from None


_TAG = re.compile(r"<[^<>]{0,1000}>")


def _words(title: str) -> str:
    """Return a title without the mark-up that some have in it."""
    return _TAG.sub("", title[:4096])
