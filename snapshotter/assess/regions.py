"""
Label each block of a page with its region, and find the main region with its text and links.

Nothing is removed: every block keeps its text and gets a label. The main region is the one that
the policy or the site's file names; else the one that the page's structure marks (`article`,
`main`, `itemprop=articleBody`); else a guess of trafilatura, mapped back to the blocks.
`Readings.main_by` names the method, because a guess may differ between versions.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import field
from functools import lru_cache
from typing import Any, Final

from snapshotter.assess.dom import DomDocument, match_selectors, text_of
from snapshotter.formats.page.plain_text import normalise_text
from snapshotter.model.page import Block
from snapshotter.model.reading import LabelledBlock, Region
from snapshotter.value_class import dataclass

_MAX_LINKS = 2000
_LEAST = 140  # characters that the structure's main part has; Chinese counts double
_SHARE = 0.4  # of the page's text that is not links, that it has
_GUESS_ELEMENTS = 8_000  # of pages that are guessed about
_GUESS_BLOCKS = 4_000
_LEAST_SHARED = 8  # characters of a block that is found again in a guess

CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")

# What the names of classes and ids say. The first that fits counts.
_TOKENS: tuple[tuple[Region, frozenset[str]], ...] = (
    (Region.COMMENT_FORM, frozenset({"respond", "commentform", "reply-title", "comment-respond"})),
    (
        Region.COMMENT,
        frozenset({"comment", "comments", "commentlist", "comment-list", "disqus", "replies"}),
    ),
    (
        Region.AD,
        frozenset(
            {"ad", "ads", "advert", "adverts", "advertisement", "adsbygoogle", "sponsor",
             "sponsored", "promoted", "adslot", "dfp"}
        ),
    ),
    (
        Region.NAV,
        frozenset(
            {"nav", "navbar", "navigation", "menu", "breadcrumb", "breadcrumbs", "topbar",
             "masthead", "pagination", "pager", "toolbar", "skip-link", "sitenav"}
        ),
    ),
    (Region.FOOTER, frozenset({"footer", "colophon", "copyright", "site-info"})),
    (
        Region.TEASER,
        frozenset(
            {"related", "sidebar", "teaser", "teasers", "recommended", "recommendations",
             "widget", "trending", "popular", "promo", "promos", "readnext", "read-next", "latest",
             "more-stories", "morestories", "mostread", "most-read", "suggested", "outbrain",
             "taboola", "headlines", "also-read", "more-news", "newsletter"}
        ),
    ),
    (Region.CAPTION, frozenset({"caption", "figcaption", "wp-caption-text", "img-caption"})),
    (Region.BYLINE, frozenset({"byline", "author", "authors", "writer", "contributor"})),
    (
        Region.DATE,
        frozenset(
            {"date", "published", "timestamp", "pubdate", "datetime", "posted-on", "publish-time",
             "publishtime", "dateline", "updated"}
        ),
    ),
)  # fmt: skip
_TAGS = {
    "nav": Region.NAV,
    "footer": Region.FOOTER,
    "aside": Region.TEASER,
    "figcaption": Region.CAPTION,
    "time": Region.DATE,
    "address": Region.BYLINE,
}
_ROLES = {
    "navigation": Region.NAV,
    "contentinfo": Region.FOOTER,
    "complementary": Region.TEASER,
    "menu": Region.NAV,
    "menubar": Region.NAV,
    "search": Region.NAV,
}
_PROPERTIES = {
    "headline": Region.HEADLINE,
    "author": Region.BYLINE,
    "datepublished": Region.DATE,
    "datemodified": Region.DATE,
    "caption": Region.CAPTION,
}
# What holds other pages' or other people's text: never main, wherever it stands.
_APART = frozenset(
    {
        Region.NAV, Region.COMMENT, Region.COMMENT_FORM, Region.TEASER, Region.AD, Region.FOOTER,
    }
)  # fmt: skip
_HEADLINES = frozenset({"h1"})
_HEADLINE_TOKENS = frozenset(
    {"headline", "entry-title", "post-title", "article-title", "articletitle", "story-title"}
)
# What says of itself that it is the main part, the surest first.
_STRUCTURE: tuple[Callable[[Any], bool], ...] = (
    lambda element: "articlebody" in (element.get("itemprop") or "").lower().split(),
    lambda element: element.tag == "article",
    lambda element: element.tag == "main" or element.get("role") == "main",
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHORT = 200  # characters of a headline, a byline or a date; more is text
_LONGEST_NAME = 60  # characters of a class that is a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """The region of each block."""

    labels: Mapping[str, Region]  # of every block, by selector
    main: Any = None  # its element, of the document; None where nothing was found
    main_selector: str = ""
    main_by: str = ""  # "policy", "structure", "guess"; "" where nothing was found
    guessed_by: str = ""  # name and version of the software that guessed; "" if none did
    main_text: str = ""  # verbatim, a line a block
    hidden_text: str = ""  # what stands in the main region and no reader sees
    links: tuple[str, ...] = ()  # of the main region, as they are written
    # Of elements of the document, as far as their names or those around them say.
    element_labels: Mapping[Any, Region | None] = field(default_factory=dict)
    article: Any = None  # the element of the article around the main region, if one was looked for

    @property
    def labelled(self) -> tuple[LabelledBlock, ...]:
        """Every block's label, in the document's order."""
        return tuple(
            LabelledBlock(selector=selector, region=label)
            for selector, label in self.labels.items()
        )


def main_digest(main_text: str) -> str:
    """Return the SHA-256 by which two main texts are compared; "" for an empty text."""
    text = normalise_text(main_text)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() if text else ""


def read_regions(
    document: DomDocument | None,
    blocks: Sequence[Block],
    *,
    main: Sequence[str] = (),
    named: Sequence[tuple[Region, str]] = (),
    passing: Callable[[Block], Region | None] = lambda block: None,
) -> Regions:
    """
    Return the label of every block, and the main region.

    Args:
        main: Selectors of the main region, in the order of preference.
        named: Selectors whose elements get this label, whatever the structure says.
        passing: Returns whether a block in the main region is no text of it: a count, an age.
    """
    if document is None:
        return Regions(labels={block.selector: Region.OTHER for block in blocks})
    return _Reader(document, blocks, named).read(main, passing)


class _Reader:
    def __init__(
        self, document: DomDocument, blocks: Sequence[Block], named: Sequence[tuple[Region, str]]
    ) -> None:
        self._document = document
        self._blocks = blocks
        self._of = {block.selector: document.at(block.selector) for block in blocks}
        self._named = {
            element: region for region, css in named for element in match_selectors(document, [css])
        }
        self._name_blocks()
        self._marks = dict(self._marked())
        self._apart = self._all_apart()
        self._weight: dict[Any, int] = {}
        self._guessed_by = ""

    def read(self, main: Sequence[str], passing: Callable[[Block], Region | None]) -> Regions:
        element, by = self._main(main)
        of_elements = self._labels_of_elements(element)
        labels = {
            block.selector: self._label(block, of_elements, element) for block in self._blocks
        }
        for block in self._blocks:
            if labels[block.selector] is Region.MAIN and (region := passing(block)) is not None:
                labels[block.selector] = region
        self._give_headline(labels, element)
        texts = [block for block in self._blocks if labels[block.selector] is Region.MAIN]
        return Regions(
            labels=labels,
            main=element,
            main_selector=self._document.selector(element) if element is not None else "",
            main_by=by,
            guessed_by=self._guessed_by,
            main_text="\n".join(block.text for block in texts if not block.hidden),
            hidden_text="\n".join(block.text for block in texts if block.hidden),
            links=self._links(element, of_elements),
            element_labels=of_elements,
        )

    def _name_blocks(self) -> None:
        """Label a line of a name and a date, which is one block, by the first of its parts."""
        of_blocks = {self._of[block.selector]: block for block in self._blocks}
        for element, region in tuple(self._named.items()):
            at = element
            while at is not None and at not in of_blocks:
                at = at.getparent()
            if at is not None and len(of_blocks[at].text) <= _SHORT:
                self._named.setdefault(at, region)

    # Where it stands

    def _all_apart(self) -> set[Any]:
        """Return the elements in parts of the page that are never main."""
        apart: set[Any] = set()
        for element in self._document.elements:
            if self._marks.get(element) in _APART or element.getparent() in apart:
                apart.add(element)
        return apart

    def _main(self, preferred: Sequence[str]) -> tuple[Any, str]:
        self._weigh()
        matches = [next(match_selectors(self._document, [css]), None) for css in preferred]
        found = [match for match in matches if match is not None]
        if found:
            return next(
                (element for element in found if text_of(element).strip()), found[0]
            ), "policy"
        whole = self._weight.get(self._document.root, 0)
        if not whole:
            return None, ""
        for says_so in _STRUCTURE:
            heaviest = max(
                filter(says_so, self._document.elements),
                key=lambda element: self._weight.get(element, 0),
                default=None,
            )
            weight = self._weight.get(heaviest, 0)
            if weight >= _LEAST and weight >= _SHARE * whole:
                return heaviest, "structure"
        return self._guess(), "guess"

    def _weigh(self) -> None:
        """Add up, for each element, the characters below it outside links and never-main parts."""
        weight: dict[Any, int] = {}
        for block in self._blocks:
            element = self._of[block.selector]
            if element is None or block.hidden or element in self._apart:
                continue
            length = max(0, len(block.text) - block.link_characters)
            if length and not block.text.isascii():
                length += len(CJK.findall(block.text))
            weight[element] = weight.get(element, 0) + length
        for element in reversed(self._document.elements):
            own = weight.get(element, 0)
            if own and (parent := element.getparent()) is not None:
                weight[parent] = weight.get(parent, 0) + own
        self._weight = weight

    def _guess(self) -> Any:
        """Return the smallest element around the main text that trafilatura finds."""
        lines, self._guessed_by = _guessed_lines(self._document)
        if lines:
            share: dict[Any, int] = {}
            for block in self._blocks[:_GUESS_BLOCKS]:
                element = self._of[block.selector]
                if element is None or block.hidden or element in self._apart:
                    continue
                text = _squeezed(block.text)
                if len(text) >= _LEAST_SHARED and text in lines:
                    share[element] = share.get(element, 0) + len(text)
            if share:
                return self._smallest(share)
        return self._smallest(dict(self._weight), of_elements=True)

    def _smallest(self, share: dict[Any, int], *, of_elements: bool = False) -> Any:
        """Return the smallest element that has nearly all of the weight."""
        if not of_elements:
            for element in reversed(self._document.elements):
                own = share.get(element, 0)
                if own and (parent := element.getparent()) is not None:
                    share[parent] = share.get(parent, 0) + own
        at = self._document.root
        whole = share.get(at, 0)
        while True:
            heaviest = max(
                at.iterchildren("*"), key=lambda element: share.get(element, 0), default=None
            )
            if heaviest is None or share.get(heaviest, 0) < 0.85 * whole:
                return at
            at = heaviest

    # What it is

    def _marked(self) -> Iterator[tuple[Any, Region]]:
        """Yield the elements whose names say what they and all below them are."""
        tops = (element for element in self._document.elements if element.tag in ("h1", "main"))
        around: set[Any] = set()
        for top in tops:
            for element in _up(top):
                if element in around:
                    break
                around.add(element)
        for element in self._document.elements:
            region = self._named.get(element)
            if region is None:
                # Names of what is around the page are of the page: "has-sidebar".
                is_plain = element in around or self._document.depth[element] < 2
                names = (
                    "" if is_plain else f"{element.get('class') or ''} {element.get('id') or ''}"
                )
                region = _named_by(
                    element.tag,
                    element.get("role") or "",
                    element.get("itemprop") or "",
                    names[:1000],
                )
            if region is not None:
                yield element, region

    def _labels_of_elements(self, main: Any) -> dict[Any, Region | None]:
        """Return the label of each element, by its own name and those of its ancestors."""
        around = set(_up(main)) if main is not None else set()
        found: dict[Any, Region | None] = {}
        for element in self._document.elements:
            own = self._marks.get(element)
            if element in around:
                # What the page calls its main part, or what is around that, says nothing of a
                # paragraph in it.
                found[element] = Region.MAIN if element is main else None
                continue
            above = found.get(element.getparent())
            # The outermost counts of what is apart: a date in a teaser is part of the teaser.
            is_part = above in _APART and (above, own) != (Region.COMMENT, Region.COMMENT_FORM)
            found[element] = above if own is None or is_part else own
        return found

    def _label(self, block: Block, labels: Mapping[Any, Region | None], main: Any) -> Region:
        element = self._of[block.selector]
        if element is None:
            return Region.OTHER
        label = labels.get(element)
        if label in (Region.HEADLINE, Region.BYLINE, Region.DATE) and len(block.text) > _SHORT:
            inside = main is not None and any(node is main for node in _up(element))
            label = Region.MAIN if inside else None
        if label is not None:
            return label
        if block.link_characters > 0.6 * len(block.text) and _is_list(element):
            return Region.NAV
        return Region.OTHER

    def _give_headline(self, labels: dict[str, Region], main: Any) -> None:
        """Label the headline: the first `h1` that is not part of something else."""
        first = ""
        for block in self._blocks:
            element = self._of[block.selector]
            if element is None or block.hidden or labels[block.selector] in _APART:
                continue
            if labels[block.selector] is Region.HEADLINE:
                return
            is_one = element.tag in _HEADLINES or any(
                word in _HEADLINE_TOKENS for word in _words(element.get("class") or "")
            )
            if is_one and len(block.text) <= 2 * _SHORT:
                if main is not None and any(node is main for node in _up(element)):
                    labels[block.selector] = Region.HEADLINE
                    return
                first = first or block.selector
        if first:
            labels[first] = Region.HEADLINE

    def _links(self, main: Any, labels: Mapping[Any, Region | None]) -> tuple[str, ...]:
        if main is None:
            return ()
        found: dict[str, None] = {}
        for link in main.iter("a"):
            address = (link.get("href") or "").strip()
            is_one = address and not address.startswith(("#", "javascript:"))
            if is_one and labels.get(link) not in _APART:
                found[address[:2000]] = None
            if len(found) == _MAX_LINKS:
                break
        return tuple(found)


def _is_list(element: Any) -> bool:
    return any(node.tag in ("ul", "ol", "menu", "header") for node in _up(element))


def _up(element: Any) -> Iterator[Any]:
    """Yield an element and its ancestors."""
    while element is not None:
        yield element
        element = element.getparent()


@lru_cache(maxsize=4096)
def _named_by(tag: str, role: str, properties: str, names: str) -> Region | None:
    """Return the label that a tag, a role or names give."""
    if tag in _TAGS:
        return _TAGS[tag]
    if role.strip().lower() in _ROLES:
        return _ROLES[role.strip().lower()]
    for word in properties.lower().split():
        if word in _PROPERTIES:
            return _PROPERTIES[word]
    words = frozenset(_words(names))
    if not words:
        return None
    if tag == "form" and words & {"comment", "comments", "reply"}:
        return Region.COMMENT_FORM
    return next((region for region, known in _TOKENS if words & known), None)


def _words(names: str) -> Iterator[str]:
    """Yield the names of an element, and the words in them."""
    for name in names.split()[:30]:
        if len(name) > _LONGEST_NAME:
            continue
        yield name.lower().replace("_", "-")
        for word in re.split(r"[-_]+", _CAMEL.sub("-", name)):
            yield word.lower()


def _squeezed(text: str) -> str:
    return "".join(normalise_text(text).split())


def _guessed_lines(document: DomDocument) -> tuple[str, str]:
    """
    Return the main text that trafilatura finds, without white space, and its name and version.

    The text is "" if it finds none; both are "" if the page is too long for it.
    """
    if len(document.elements) > _GUESS_ELEMENTS:
        return "", ""
    # Slow to load, and needed for few pages.
    from trafilatura import __version__, extract

    found = extract(
        deepcopy(document.root),
        include_comments=False,
        include_tables=True,
        favor_recall=True,
        deduplicate=False,
    )
    return _squeezed(found or ""), f"trafilatura {__version__}"
