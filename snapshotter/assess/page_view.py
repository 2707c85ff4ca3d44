"""
Provide the page view: a page that is parsed once, and in which all rules are matched.

`PageView` gives the elements, texts, scripts, data, links and address of a page. Each is read up
to a limit, and nothing beyond it exists for a rule. So no page can make its assessment slow.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from lxml import etree

from snapshotter.assess.dom import MAX_ELEMENTS, read_document
from snapshotter.formats.http.charset import decode
from snapshotter.formats.page.selectors import Selectors
from snapshotter.model.page import Block, Box, Page
from snapshotter.policy.patterns import compile_pattern, literal_beginning
from snapshotter.value_class import dataclass

MAX_TEXT = 2_000  # characters of one text that is looked at
MAX_URL = 4_000  # characters of an address
_MAX_MATCHES = 100  # elements of one selector
_MAX_BLOCKS = 20_000
_MAX_JSON = 8 << 20  # characters
_MAX_PARTS = 10_000  # texts of one element
_MAX_PLACES = 500  # in scripts, at which a pattern is tried
_MAX_PARAMETERS = 200
_MAX_LINKS = 50  # in one header
_LINK = re.compile(r'<([^<>"]{1,2000})>([^<]{0,500})')
_REL = re.compile(r'(?:^|;)\s*rel\s*=\s*"?([^";]{1,200})', re.IGNORECASE)
# What frames a page, and is not what it says.
_FRAME = frozenset({"nav", "footer", "aside", "button", "dialog", "noscript"})
_FRAME_ROLES = frozenset({"navigation", "contentinfo", "complementary", "search", "dialog"})
_SILENT = frozenset({"script", "style", "template", "noscript"})
_PICTURES = frozenset({"img", "video", "audio", "canvas", "embed", "object"})
_TINY_PX = 3  # a picture of this side or less counts visitors


@dataclass(frozen=True, slots=True)
class Datum:
    """A value in the page's data, and its place."""

    path: str
    value: object


class PageView:
    """
    One page.

    Args:
        selectors: All selectors that `select` is called with.
        json_scripts: Variables of scripts that hold data of the page.
    """

    def __init__(
        self,
        page: Page,
        selectors: Selectors | None = None,
        json_scripts: Sequence[str] = (),
    ) -> None:
        self.page = page
        self.selectors = selectors
        self.url = page.final_url or page.requested_url
        self.document = read_document(page.html)
        self._json_scripts = tuple(json_scripts)
        self._found: Mapping[str, list[Any]] = {}
        if self.document is not None and selectors is not None:
            self._found = selectors.find(
                self.document.root, most=_MAX_MATCHES, elements=MAX_ELEMENTS
            )

    # Addresses

    @cached_property
    def address(self) -> str:
        """The final address in the form that patterns match: "host/path?query", without a port."""
        return address_for_patterns(self.url)

    @cached_property
    def is_redirected(self) -> bool:
        """Whether the final address is another than the requested one."""
        return self.address != address_for_patterns(self.page.requested_url)

    @cached_property
    def redirected_to_front_page(self) -> bool:
        """Whether a page was requested, and the front page of its own host was received instead."""
        asked, came = address_for_patterns(self.page.requested_url), self.address
        (asked_host, _, asked_path), (host, _, path) = asked.partition("/"), came.partition("/")
        has_mark = bool(urlsplit(self.url[:MAX_URL]).fragment) if came else False
        # "/?q=x" and "/#/x" are pages; what leads to a front page elsewhere is a short link.
        is_own = bool(host) and _bare(asked_host) == _bare(host)
        asked_page = asked_path.partition("?")[0]
        return is_own and not path and not has_mark and asked_page not in ("", "index.html")

    # Elements

    def select(self, selector: str) -> list[Any]:
        """Return the elements that one of the selectors matches, in the document's order."""
        return self._found.get(selector, [])

    def selector(self, element: Any) -> str:
        """Return the selector of an element, as blocks and evidence name it."""
        return self.document.selector(element) if self.document is not None else ""

    def is_inside(self, element: Any, others: Sequence[Any]) -> bool:
        """Return whether an element is one of others, or inside one."""
        at = self._span(element)[0]
        return any(begin <= at < end for begin, end in map(self._span, others))

    @cached_property
    def is_laid_out(self) -> bool:
        """Whether a browser laid the page out; else the markup alone shows what is visible."""
        return bool(self.page.blocks)

    @property
    def _numbers(self) -> dict[Any, int]:
        return {} if self.document is None else self.document.numbers

    @property
    def _ends(self) -> list[int]:
        return [] if self.document is None else self.document.ends

    def _span(self, element: Any) -> tuple[int, int]:
        number = self._numbers.get(element)
        return (-1, -1) if number is None else (number, self._ends[number])

    # Texts

    @cached_property
    def _blocks(self) -> tuple[list[int], list[Block]]:
        """Blocks in the document's order, with the numbers of their elements."""
        if self.document is None:
            return [], []
        found = self.page.blocks or self.document.blocks
        placed = [
            (self._numbers[element], block)
            for block in found[:_MAX_BLOCKS]
            if (element := self.document.at(block.selector)) is not None
        ]
        placed.sort(key=lambda pair: pair[0])
        return [number for number, _ in placed], [block for _, block in placed]

    def _within(self, element: Any) -> Iterator[tuple[int, Block]]:
        """Yield the blocks in an element, each with its element's number."""
        numbers, blocks = self._blocks
        begin, end = self._span(element)
        for at in range(bisect_left(numbers, begin), bisect_left(numbers, end)):
            yield numbers[at], blocks[at]

    def shown_blocks(self, element: Any, most: int) -> Iterator[tuple[Any, str]]:
        """
        Yield the visible blocks in an element, outside navigation, footers, asides and dialogs.
        """
        if self.document is None:
            return
        for number, block in self._within(element):
            if most <= 0:
                return
            if not block.hidden and block.text.strip() and not self._is_frame(number):
                most -= 1
                yield self.document.elements[number], block.text.strip()

    def text(self, element: Any) -> str:
        """Return the visible text of an element, at most `MAX_TEXT` + 1 characters."""
        begin, _ = self._span(element)
        parts: list[str] = []
        length, is_block = 0, False
        for number, block in self._within(element):
            is_block = is_block or number == begin
            if not block.hidden:
                parts.append(block.text)
                length += len(block.text)
            if length > MAX_TEXT:
                break
        if parts or is_block:
            return "\n".join(parts)[: MAX_TEXT + 1]
        return self._text_in_line(element)

    def _text_in_line(self, element: Any) -> str:
        """
        Return the text of an element that is no block; it is visible if the block around it is.
        """
        if _is_silent(element):
            return ""  # a template is a part of no page until a script takes it out
        around = self._block_around(element.getparent())
        if around is None and _is_hidden_by_markup(element):
            return ""  # of the head, or of a document that is not quite the one that was laid out
        if around is not None and around.hidden:
            return ""
        hidden = {number for number, block in self._within(element) if block.hidden}
        parts: list[str] = []
        length = 0
        walk = etree.iterwalk(element, events=("start", "end"))
        for event, node in walk:
            text = node.tail if event == "end" and node is not element else None
            if event == "start":
                if node.tag in _SILENT or self._numbers.get(node) in hidden:
                    walk.skip_subtree()
                else:
                    text = node.text
            parts.append(text or "")
            length += len(parts[-1])
            if length > 4 * MAX_TEXT or len(parts) > _MAX_PARTS:
                break
        return " ".join("".join(parts).split())[: MAX_TEXT + 1]

    def is_seen(self, element: Any) -> bool:
        """Return whether neither the markup nor the layout hides an element."""
        if _is_silent(element) or _is_hidden_by_markup(element):
            return False
        within = [block for _, block in self._within(element)]
        if within:
            return any(not block.hidden for block in within)
        around = self._block_around(element)
        return around is None or not around.hidden

    def count(
        self, element: Any, *, links: bool = True, without: Sequence[Any] = (), framed: bool = True
    ) -> int:
        """
        Return the number of visible characters in an element, without white space.

        Args:
            links: Text in links counts.
            without: Elements whose text does not count.
            framed: Text in navigation, forms, footers and the like counts.
        """
        spans = [self._span(element) for element in without]
        total = 0
        for number, block in self._within(element):
            if block.hidden and self.is_laid_out:
                continue
            if any(begin <= number < end for begin, end in spans):
                continue
            if not framed and self._is_frame(number):
                continue
            length = sum(1 for character in block.text if not character.isspace())
            total += length if links else max(0, length - block.link_characters)
        return total

    def page_text(self, *, links: bool) -> int:
        """
        Return the number of visible characters outside forms, navigation and the like.

        White space is not counted.

        Args:
            links: Text in links counts.
        """
        return self._page_texts[links]

    @cached_property
    def _page_texts(self) -> tuple[int, int]:
        """The characters outside forms, navigation and the like: without links, and with them."""
        running = every = 0
        in_form = self._inside(element for element in self._elements if element.tag == "form")
        for number, block in zip(*self._blocks, strict=True):
            if (block.hidden and self.is_laid_out) or in_form[number] or self._is_frame(number):
                continue
            length = sum(1 for character in block.text if not character.isspace())
            every += length
            running += max(0, length - block.link_characters)
        return running, every

    @property
    def _elements(self) -> Sequence[Any]:
        return () if self.document is None else self.document.elements

    @cached_property
    def _framed(self) -> list[bool]:
        """
        For each element, by its number: whether it is in navigation, a footer, aside or dialog.
        """
        return self._inside(
            element
            for element in self._elements
            if element.tag in _FRAME or element.get("role") in _FRAME_ROLES
        )

    def _inside(self, others: Iterable[Any]) -> list[bool]:
        """Return for each element, by its number, whether it is one of others or inside one."""
        marks = [False] * len(self._ends)
        for begin, end in map(self._span, islice(others, _MAX_BLOCKS)):
            if begin >= 0 and not marks[begin]:
                marks[begin:end] = [True] * (end - begin)
        return marks

    def _is_frame(self, number: int) -> bool:
        return self._framed[number]

    def pictures(self, element: Any, most: int) -> int:
        """Return the number of pictures in an element, counted up to `most`."""
        if self.document is None:
            return 0
        begin, end = self._span(element)
        total = 0
        for number in range(begin, end):
            if total >= most:
                break
            is_framed = self._is_frame(number)
            total += not is_framed and _is_picture(self.document.elements[number])
        return total

    def box(self, element: Any) -> Box | None:
        """Return the box of an element's text on the page."""
        boxes = [
            block.box for _, block in self._within(element) if block.box and not block.hidden
        ][:_MAX_MATCHES]  # fmt: skip
        if not boxes:
            around = self._block_around(element)
            return around.box if around is not None and not around.hidden else None
        left, top = (
            min(rectangle.left for rectangle in boxes),
            min(rectangle.top for rectangle in boxes),
        )
        right = max(rectangle.left + rectangle.width for rectangle in boxes)
        bottom = max(rectangle.top + rectangle.height for rectangle in boxes)
        return Box(left=left, top=top, width=right - left, height=bottom - top)

    @cached_property
    def _block_of(self) -> dict[int, Block]:
        return dict(zip(*self._blocks, strict=True))

    def _block_around(self, element: Any) -> Block | None:
        at = element
        while at is not None:
            block = self._block_of.get(self._numbers.get(at, -1))
            if block is not None:
                return block
            at = at.getparent()
        return None

    # Scripts and data

    @cached_property
    def scripts(self) -> tuple[tuple[str, str], ...]:
        """The selector and text of the scripts: of the page as shown, and as it was received."""
        shown = self.document.scripts if self.document is not None else ()
        received = read_document(self.markup(self.page.raw)) if self.page.raw else None
        return shown if received is None else (*shown, *received.scripts)

    def markup(self, raw: bytes) -> str:
        """Return the text of a response as it was received."""
        return decode(raw, self.page.headers.get("content-type", ""))

    def find_in_scripts(self, pattern: str) -> tuple[str, "re.Match[str]"] | None:
        """Return the first match of a pattern in the page's scripts, and its place."""
        compiled, beginning = compile_pattern(pattern), literal_beginning(pattern)
        left = _MAX_PLACES
        for where, script in self.scripts:
            at = script.find(beginning)
            while at >= 0 and left:
                left -= 1
                if found := compiled.match(script, at, at + MAX_TEXT):
                    return where, found
                at = script.find(beginning, at + 1)
        return None

    @cached_property
    def data(self) -> tuple[object, ...]:
        """The page's data: the response itself if it is JSON, and variables of scripts."""
        answer = self._answer()
        return (*([] if answer is None else [answer]), *self._variables())

    def _answer(self) -> Any:
        if "json" not in self.page.media_type and not self._looks_like_json():
            return None
        text = decode(self.page.raw[:_MAX_JSON], self.page.headers.get("content-type", ""))
        if text.strip():
            return _json(text)
        return _json(self.page.text[:_MAX_JSON], whole=False)  # the browser's viewer adds to it

    def _looks_like_json(self) -> bool:
        """Whether a response without a type of its own is data: APIs send it as text too."""
        if self.page.media_type not in ("text/plain", "text/html", "text/javascript", ""):
            return False
        beginning = self.page.raw[:64].lstrip()
        if beginning:
            return beginning.startswith((b"{", b"["))
        return self.page.text[:64].lstrip().startswith("{")

    def _variables(self) -> Iterator[object]:
        for name in self._json_scripts:
            pattern = re.compile(rf"(?<![\w$]){re.escape(name)}\s{{0,9}}=\s{{0,9}}")
            for _, script in self.scripts:
                found = pattern.search(script)
                if found is None:
                    continue
                value = _json(script[found.end() : found.end() + _MAX_JSON], whole=False)
                if value is not None:
                    # `[{…}][0] || {}`: one thing in a list is that thing.
                    is_one = isinstance(value, list) and len(value) == 1
                    yield value[0] if is_one and isinstance(value, list) else value
                    break

    def datum(self, path: str) -> Datum | None:
        """Return the value at a path of the page's data: "data.user.id", "items.0.text"."""
        for value in self.data:
            found = _at(value, path)
            if found is not _NOTHING:
                return Datum(path, found)
        return None

    # Headers

    def links(self, relation: str) -> tuple[str, ...]:
        """Return the targets of the header `Link` with a relation (RFC 8288)."""
        header = self.page.headers.get("link", "")[: 20 * MAX_TEXT]
        found = []
        for number, link in enumerate(_LINK.finditer(header)):
            if number == _MAX_LINKS:
                break
            relations = _REL.search(link[2])
            if relations and relation in relations[1].lower().split():
                found.append(link[1].strip())
        return tuple(found)


def address_for_patterns(url: str) -> str:
    """Return an address in the form that patterns match: "host/path?query"; "" without a host."""
    try:
        parts = urlsplit(url[:MAX_URL])
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
    if not host:
        return ""
    return f"{host}{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"


def _bare(host: str) -> str:
    return host.removeprefix("www.").removeprefix("m.")


def url_parameter(url: str, name: str) -> str:
    """Return the decoded value of the first parameter of an address with a name; "" for none."""
    try:
        query = urlsplit(url[:MAX_URL]).query
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return ""
    return next((value for key, value in pairs if key == name), "")


_NOTHING = object()


def _at(value: object, path: str) -> object:
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and len(step) < 7:
            number = int(step)
            if number >= len(value):
                return _NOTHING
            value = value[number]
        else:
            return _NOTHING
    return value


def _json(text: str, *, whole: bool = True) -> Any:
    """
    Return a JSON value; None if the text is not JSON, is nested too deeply, or has a huge number.
    """
    try:
        return json.loads(text) if whole else json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):  # ValueError: numbers without an end, too
        return None


def _is_silent(element: Any) -> bool:
    """Return whether an element is inside one that is never shown: a template, a `noscript`."""
    return next(element.iterancestors(*_SILENT), None) is not None


def _is_hidden_by_markup(element: Any) -> bool:
    at = element
    while at is not None:
        style = (at.get("style") or "").replace(" ", "").lower()
        if at.get("hidden") is not None or "display:none" in style:
            return True
        at = at.getparent()
    return False


def _is_picture(element: Any) -> bool:
    if element.tag not in _PICTURES:
        return False
    if element.tag == "img":
        if not any(element.get(name) for name in ("src", "data-src", "srcset", "data-original")):
            return False
        sides = [element.get(name) or "" for name in ("width", "height")]
        return not any(side.isdecimal() and int(side[:9]) < _TINY_PX for side in sides)
    return True
