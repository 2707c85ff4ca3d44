"""
A document as it was kept, as a tree, and the way between its elements and the blocks of its layout.

`capture/dom.html` is what the browser had after scripts ran, written down. It is read with
lxml, whose elements are found again among the blocks by their selectors (`model/page.py`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from lxml import etree

from snapshotter.model.page import Block

_ATTRIBUTES: Final = r"""(?:"[^"]*"|[^>"])*"""
# A browser that runs scripts reads a `noscript` as text, and keeps a `template` apart: what is
# in them is not among the elements of its document, and a parser that takes it for elements
# closes the head for it. What looks like one in a comment or in a script is none.
_NO_ELEMENTS: Final = re.compile(
    r"(?is)<!--.*?-->|<(script|style|textarea|title|xmp|iframe|noembed|noframes)\b"
    rf"{_ATTRIBUTES}>.*?</\1\s*>|(<(noscript|template)\b{_ATTRIBUTES}>).*?(</\3\s*>)"
)
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_DEPTH: Final = 2_000  # elements one in another, of a way that is told


class DocumentTree:
    """
    One document.

    Args:
        html: As `capture/dom.html` has it.
    """

    def __init__(self, html: str, blocks: Iterable[Block] = ()) -> None:
        self.root: Any = _parsed(html)  # an element of lxml; of an empty document, `<html/>`
        self._blocks: dict[str, Block] = {}
        for block in blocks:
            self._blocks.setdefault(block.selector, block)
        self._places: dict[Any, int] = {}
        self._selectors: dict[Any, str] = {}

    def selector_of(self, element: Any) -> str:
        """Return the selector of an element, in the form that blocks have."""
        way = []
        at = element
        while at is not None and at not in self._selectors:
            way.append(at)
            at = at.getparent()
        for it in reversed(way):
            parent = it.getparent()
            own = self._step(it, parent)
            self._selectors[it] = own if parent is None else f"{self._selectors[parent]} > {own}"
        return self._selectors[element]

    def block_of(self, element: Any) -> Block | None:
        """Return the block that an element is; None where it is none, or only part of one."""
        block = self._blocks.get(self.selector_of(element))
        return block if block is not None and block.tag == str(element.tag).lower() else None

    def block_around(self, element: Any) -> Block | None:
        """Return the block that an element is, or the innermost one that it stands in."""
        at = element
        while at is not None:
            if (block := self.block_of(at)) is not None:
                return block
            at = at.getparent()
        return None

    def blocks_in(self, element: Any) -> Iterator[Block]:
        """Yield the blocks that an element is and has in it, in the document's order."""
        for it in element.iter():
            if isinstance(it.tag, str) and (block := self.block_of(it)) is not None:
                yield block

    def element_of(self, block: Block) -> Any | None:
        """Return the element that a block is; None where the tree has it not."""
        at = self.root
        for step in block.selector.split(" > ")[1:_DEPTH]:
            at = _child(at, step)
            if at is None:
                return None
        return at

    def _step(self, element: Any, parent: Any) -> str:
        name = str(element.tag).lower()
        if parent is None:
            return name
        word = name if _NAME.fullmatch(name) else "*"
        if parent is self.root and word != "*" and parent.find(name) is element:
            return word
        if element not in self._places:
            children = (it for it in parent if isinstance(it.tag, str))
            self._places.update((it, place) for place, it in enumerate(children, start=1))
        return f"{word}:nth-child({self._places[element]})"


def _child(parent: Any, step: str) -> Any | None:
    name, nth, place = step.partition(":nth-child(")
    if not nth:
        return parent.find(name)
    if not place[:-1].isascii() or not place[:-1].isdigit():
        return None
    wanted = int(place[:-1])
    children = (it for it in parent if isinstance(it.tag, str))
    found = next((it for n, it in enumerate(children, start=1) if n == wanted), None)
    return found if found is not None and name in ("*", str(found.tag).lower()) else None


def _parsed(html: str) -> Any:
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, remove_pis=True)
    bare = _NO_ELEMENTS.sub(lambda it: f"{it[2]}{it[4]}" if it[2] else it[0], html)
    data = bare.encode("utf-8", "replace").replace(b"\0", b"")
    root = etree.fromstring(data, parser) if data.strip() else None
    return root if root is not None else etree.Element("html")
