"""
Read the links of an HTML page, and compile patterns for addresses.

A caller can give a CSS selector: then only the links in the selected parts of the page are read.
"""

import fnmatch
import re
from collections.abc import Sequence
from itertools import islice

from snapshotter.formats.http.charset import decode
from snapshotter.formats.lists.listing import Collector, Listing, ListUnreadable, absolute
from snapshotter.formats.page.plain_markup import plain_markup
from snapshotter.translation import tr

_MAX_HTML = 4 << 20  # characters


def read_links(data: bytes, base_url: str, content_type: str = "", *, select: str = "") -> Listing:
    """
    Return the links of a page in document order, each with its text.

    Args:
        select: A CSS selector of links, or of elements that contain links. "" for all links.

    Raises:
        ListUnreadable: No HTML, or too long.
        SnapshotterError: `select` is no selector (see `selectors`).
    """
    text = decode(data, content_type)
    if len(text) > _MAX_HTML:
        raise ListUnreadable(tr("the page has more than {max_html} characters", max_html=_MAX_HTML))
    from lxml import etree, html

    from snapshotter.formats.page.selectors import parse_selector

    selector = parse_selector(select or "*")
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        markup = plain_markup(text).encode("utf-8", "replace")
        tree = html.document_fromstring(markup, parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise ListUnreadable(tr("the document is not an HTML page: {error}", error=error)) from None
    base = next((element.get("href") for element in islice(tree.iter("base"), 1)), "") or ""
    base_url = absolute(base_url, base) or base_url
    taken = Collector(base_url)
    for element, is_chosen in selector.walk(tree):
        if taken.full:
            break
        if not is_chosen or element.tag not in ("a", "area"):
            continue
        address = element.get("href", "")
        # Not an item: mailto:, javascript:, or a place in this page.
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
