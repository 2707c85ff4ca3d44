"""Find the pictures in the main region of a page, by the addresses from which they may come."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urljoin

from snapshotter.assess.dom import DomDocument
from snapshotter.assess.regions import Regions
from snapshotter.model.reading import Region

_MAX_IMAGES = 200
_MAX_ADDRESSES = 20  # of one picture
_MAX_ADDRESS = 8_000  # characters
_APART = frozenset(
    {
        Region.NAV, Region.COMMENT, Region.COMMENT_FORM, Region.TEASER, Region.AD, Region.FOOTER,
    }
)  # fmt: skip
_KEPT = "!#$%&'()*+,/:;=?@[]~"
_BETWEEN = re.compile(r"(?<=[0-9][wx]),\s*|,\s+")  # candidates of a `srcset`


def main_images(
    document: DomDocument | None, regions: Regions, page_url: str
) -> tuple[tuple[str, ...], ...]:
    """
    Return the addresses of each picture of the main region, in the document's order.

    If the regions were widened to an article, these are the pictures of the article.

    A picture may have several addresses, of which the browser loaded one. Pictures in
    advertisements, teasers, comments and navigation are left out.

    Args:
        page_url: The final address of the page, for relative addresses.
    """
    if document is None or regions.main is None:
        return ()
    base = _base(document, page_url)
    found: list[tuple[str, ...]] = []
    around = regions.article if regions.article is not None else regions.main
    for element in around.iter("img"):
        if regions.element_labels.get(element) in _APART or len(found) == _MAX_IMAGES:
            continue
        addresses = dict.fromkeys(
            _as_requested(urljoin(base, address)) for address in _addresses(element) if address
        )
        if addresses:
            found.append(tuple(addresses)[:_MAX_ADDRESSES])
    return tuple(found)


def _as_requested(address: str) -> str:
    """Return an address as a browser requests it: what is not ASCII, and spaces, as %XX."""
    return quote(address, safe=_KEPT, errors="replace")


def _base(document: DomDocument, page_url: str) -> str:
    for element in document.elements:
        if element.tag == "base" and (href := (element.get("href") or "").strip()):
            return str(urljoin(page_url, href))
    return page_url


def _addresses(image: Any) -> Iterator[str]:
    parent = image.getparent()
    while parent is not None and parent.tag == "source":  # the parser gives it no end
        parent = parent.getparent()
    sources = [image]
    if parent is not None and parent.tag == "picture":
        sources += parent.iter("source")
    for element in sources:
        for name in ("src", "srcset"):
            value = (element.get(name) or "").strip()
            if not value or value.startswith("data:") or len(value) > _MAX_ADDRESS:
                continue
            if name == "src":
                yield str(value)
            else:
                for candidate in _BETWEEN.split(value):
                    yield from map(str, candidate.split()[:1])
