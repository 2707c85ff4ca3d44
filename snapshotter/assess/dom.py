"""
Parse the markup of a page into a tree of elements, and derive the blocks of text in it.

The tree is made by `formats/page/plain_markup.py`, so that the work grows only with the length of
the markup. Scripts are not in the tree: their text is kept separately. The markup shows that
something is hidden only if an attribute says so. The browser's own blocks (`Page.blocks`) always
show it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from lxml import etree, html

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.element_path import ElementPaths
from snapshotter.formats.page.plain_markup import plain_markup
from snapshotter.formats.page.selectors import parse_selector
from snapshotter.model.page import Block
from snapshotter.value_class import dataclass

MAX_ELEMENTS = 60_000  # that are looked at; what stands behind them is not read
_MAX_HTML = 8 << 20  # characters
_MAX_TAGS = 2 * MAX_ELEMENTS  # of a parsed element each takes some 200 bytes
_MAX_SCRIPTS = 6 << 20  # characters, of all scripts together
_MAX_ROW = 20  # elements side by side that are told apart by their names

# What ends a line of text by the standard's own style sheet, and controls.
_BLOCK_TAGS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "button", "caption", "center", "dd",
        "details", "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
        "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "label", "legend",
        "li", "main", "menu", "nav", "ol", "option", "p", "pre", "search", "section", "summary",
        "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
# With scripts on, a browser shows nothing of these.
_NO_TEXT = frozenset(
    {
        "head", "title", "script", "style", "noscript", "template", "iframe", "noembed",
        "noframes", "object", "svg", "math", "audio", "video", "canvas", "datalist", "textarea",
    }
)  # fmt: skip
# In a box that has no text of its own, elements beside one called so are a row nearly always.
_OWN_LINE = re.compile(r"(?i)(?:^|[\W_])(?:date|time|category|byline|author|meta|cat)(?:$|[\W_])")
_HIDING = re.compile(
    r"(?i)(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|opacity\s*:\s*(?:0(?:\.0*)?|\.0+)(?![.\d]))"
)
_ONE_ID = re.compile(r"#[A-Za-z_][\w-]*")  # most rules' selectors: they need no walk


@dataclass(slots=True)
class _BlockDraft:
    """A block under construction."""

    element: Any
    hidden: bool
    parts: list[str]
    link_characters: int = 0


class DomDocument:
    """The document of a page. Its elements are lxml's, in the document's order."""

    def __init__(self, root: Any, scripts: Sequence[str]) -> None:
        self.root = root
        self.elements: list[Any] = []
        self._number: dict[Any, int] = {}  # which child of its parent
        self.depth: dict[Any, int] = {}
        counts: dict[Any, int] = {}
        for element in root.iter():
            if not isinstance(element.tag, str):
                continue  # a processing instruction
            if len(self.elements) == MAX_ELEMENTS:
                break
            parent = element.getparent()
            counts[parent] = counts.get(parent, 0) + 1
            self.elements.append(element)
            self._number[element] = counts[parent]
            self.depth[element] = self.depth.get(parent, -1) + 1
        self._scripts = tuple(scripts)
        self._paths = ElementPaths(root)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its blocks by its markup alone; see `blocks_of`."""
        return blocks_of(self)

    @cached_property
    def scripts(self) -> tuple[tuple[str, str], ...]:
        """The selector and text of each script, in their order."""
        found = [element for element in self.elements if element.tag == "script"]
        if len(found) != len(self._scripts):  # the parser made something else of it
            return tuple((f"script {n}", text) for n, text in enumerate(self._scripts, 1) if text)
        return tuple(
            (self.selector(element), text)
            for element, text in zip(found, self._scripts, strict=True)
            if text
        )

    @cached_property
    def json_ld(self) -> tuple[tuple[str, str], ...]:
        """Each script of the type `application/ld+json`: its selector and text."""
        kinds = {
            self.selector(element)
            for element in self.elements
            if element.tag == "script"
            and (element.get("type") or "").partition(";")[0].strip().lower()
            == "application/ld+json"
        }
        return tuple(script for script in self.scripts if script[0] in kinds)

    def selector(self, element: Any) -> str:
        """Return the selector of an element, one step an element from the root."""
        steps: list[str] = []
        at = element
        while at is not None and at in self._number:
            plain = at.tag in ("html", "body") and self.depth[at] < 2
            steps.append(at.tag if plain else f"{at.tag}:nth-child({self._number[at]})")
            at = at.getparent()
        return " > ".join(reversed(steps))

    def at(self, selector: str) -> Any | None:
        """Return the element of a block's selector; None if the document does not have it."""
        return self._paths.at(selector)

    def select(self, selector: str) -> list[Any]:
        """
        Return the outermost elements that a CSS selector matches, in the document's order.

        Raises:
            SnapshotterError: The selector is invalid, or not supported here.
        """
        if _ONE_ID.fullmatch(selector):
            return self._ids.get(selector[1:], [])
        chosen = parse_selector(selector)
        if (keys := chosen.keys) is not None:
            return self._outermost(
                element for element in self._called(keys) if chosen.fits(element)
            )
        found: list[Any] = []
        inside: set[Any] = set()  # `walk` tells what lies below a match as well
        for element, is_in in chosen.walk(self.root):
            if is_in and element in self._number:
                if element.getparent() not in inside:
                    found.append(element)
                inside.add(element)
        return found

    def _called(self, keys: Iterable[str]) -> Iterator[Any]:
        """Yield the elements that have one of these names, in the document's order."""
        numbers = {number for key in keys for number in self._by_name.get(key, ())}
        return (self.elements[number] for number in sorted(numbers))

    def _outermost(self, elements: Iterable[Any]) -> list[Any]:
        """Return those elements that are not inside another one of them."""
        found: list[Any] = []
        end = 0
        for element in elements:
            number = self.numbers[element]
            if number >= end:
                found.append(element)
                end = self.ends[number]
        return found

    @cached_property
    def numbers(self) -> dict[Any, int]:
        """The place of each element among `elements`."""
        return {element: number for number, element in enumerate(self.elements)}

    @cached_property
    def ends(self) -> list[int]:
        """For each element, by its number: the number after its last descendant."""
        ends = [len(self.elements)] * len(self.elements)
        under_way: list[int] = []
        for number, element in enumerate(self.elements):
            depth = self.depth[element]
            while under_way and self.depth[self.elements[under_way[-1]]] >= depth:
                ends[under_way.pop()] = number
            under_way.append(number)
        return ends

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        """The numbers of elements by "#id", ".class" or tag."""
        found: dict[str, list[int]] = {}
        for number, element in enumerate(self.elements):
            keys = [element.tag]
            if (name := element.get("id")) is not None:
                keys.append(f"#{name}")
            if classes := element.get("class"):
                keys += [f".{class_name}" for class_name in dict.fromkeys(classes.split())]
            for key in keys:
                found.setdefault(key, []).append(number)
        return found

    @cached_property
    def _ids(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for element in self.elements:
            if (name := element.get("id")) is not None:
                found.setdefault(name, []).append(element)
        return found


def read_document(markup: str) -> DomDocument | None:
    """Return the document of a page; None if the markup is empty or cannot be parsed."""
    if not markup.strip():
        return None
    scripts: list[str] = []
    plain = plain_markup(markup[:_MAX_HTML], scripts, most=_MAX_TAGS)
    parser = html.HTMLParser(encoding="utf-8", no_network=True, huge_tree=False)
    try:
        root = html.document_fromstring(plain.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return None
    left = _MAX_SCRIPTS
    for number, text in enumerate(scripts):
        scripts[number] = text[:left]
        left -= len(scripts[number])
    return DomDocument(root, scripts)


def text_of(element: Any, most: int = 2000) -> str:
    """Return an element's text, at most `most` characters."""
    parts: list[str] = []
    length = 0
    for part in element.itertext():
        parts.append(part)
        length += len(part)
        if length >= most:
            break
    return "".join(parts)[:most]


def blocks_of(document: DomDocument) -> tuple[Block, ...]:
    """
    Return the blocks of a document by its markup alone, without boxes.

    It is for bundles made before the browser's own blocks were stored.
    """
    found: dict[Any, _BlockDraft] = {}
    state: dict[Any, tuple[Any, bool, bool, bool]] = {}  # block, whether hidden, link, no text
    for text, where in _texts(document):
        block, hidden, in_link, none = _state(where, state)
        if none or block is None:
            continue
        entry = found.get(block)
        if entry is None:
            if not text.strip():
                continue
            entry = found[block] = _BlockDraft(block, hidden, [])
        entry.hidden = entry.hidden and hidden
        entry.parts.append(text)
        if in_link:
            entry.link_characters += len(text.strip())
    return tuple(
        Block(
            selector=document.selector(placed.element),
            tag=placed.element.tag,
            text=text,
            box=None,
            hidden=placed.hidden,
            link_characters=min(placed.link_characters, len(text)),
        )
        for placed in found.values()
        if (text := _shown(placed))
    )


def _shown(block: _BlockDraft) -> str:
    """Return the text of a block with white space as a browser shows it."""
    text = "".join(block.parts)
    if block.element.tag == "pre":
        return text.strip("\n")
    return "\n".join(line for part in text.split("\0") if (line := " ".join(part.split())))


def _texts(document: DomDocument) -> Iterator[tuple[str, Any]]:
    """Yield texts in their order, each with the element that contains it; NUL for `br`."""
    last = document.elements[-1] if document.elements else None
    depth = 0
    for event, element in etree.iterwalk(document.root, events=("start", "end")):
        if not isinstance(element.tag, str):
            continue
        if event == "start":
            depth += 1
            if element.tag == "br":
                yield "\0", element.getparent()
            if element.text:
                yield element.text, element
        else:
            depth -= 1
            if element.tail and depth:
                yield element.tail, element.getparent()
            if element is last:
                return


def _state(
    element: Any, state: dict[Any, tuple[Any, bool, bool, bool]]
) -> tuple[Any, bool, bool, bool]:
    """Return the state of the texts directly in an element; `state` caches it."""
    missing: list[Any] = []
    at = element
    while at is not None and at not in state:
        missing.append(at)
        at = at.getparent()
    known = state[at] if at is not None else (None, False, False, False)
    for node in reversed(missing):
        block, hidden, in_link, none = known
        if node.tag in _BLOCK_TAGS or _has_own_line(node):
            block = node
        known = (
            block,
            hidden or _hides(node),
            in_link or node.tag == "a",
            none or node.tag in _NO_TEXT,
        )
        state[node] = known
    return known


def _has_own_line(element: Any) -> bool:
    """Return whether an element is in a line of dates, categories and the like."""
    parent = element.getparent()
    if parent is None or parent.tag not in _BLOCK_TAGS or parent.tag in ("p", "td", "th", "pre"):
        return False
    row = list(islice(parent, _MAX_ROW + 1))  # its length alone costs as much as it is long
    if not 2 <= len(row) <= _MAX_ROW or (parent.text or "").strip():
        return False
    if any((child.tail or "").strip() for child in row):
        return False
    return any(child.tag == "time" or _OWN_LINE.search(child.get("class") or "") for child in row)


def _hides(element: Any) -> bool:
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    if _HIDING.search(element.get("style") or ""):
        return True
    parent = element.getparent()
    return (
        parent is not None
        and parent.tag == "details"
        and parent.get("open") is None
        and element.tag != "summary"
    )


def match_selectors(document: DomDocument, selectors: Sequence[str]) -> Iterator[Any]:
    """Yield the elements that the selectors match; an invalid selector matches nothing."""
    for selector in selectors:
        try:
            yield from document.select(selector)
        except SnapshotterError:  # rules are checked when they are read: a policy's word is not
            continue
