"""
Widen the main region of a page to the article that a reader sees.

The structure of many pages marks only the paragraphs as the main region. The standfirst, the names
of the authors and a second headline are above that element, and a note of correction is below it.
Other pages mark a list of other articles at the end as a part of the main region.

These labels are for comparisons. The readings of a capture do not have them, because the digest of
the main text is in signed records.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final

from snapshotter.assess.dom import DomDocument
from snapshotter.assess.regions import CJK, Regions
from snapshotter.model.page import Block
from snapshotter.model.reading import Region

_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_TEXT: Final = frozenset({"p", "blockquote", "pre", "h1", "h2", "h3", "h4"})
_CONTROLS: Final = frozenset({"button", "label", "option", "summary", "legend"})
_SENTENCE: Final = 40  # characters; Chinese counts double
_LINKED: Final = 0.6  # the share of its characters in links that makes a block a link
_LEAST_LINKS: Final = 3  # of a list of other articles
_FARTHEST: Final = 20  # blocks between a headline and its main region
_LONGEST_DATE: Final = 120  # characters of a line about the author and the day
_YEAR: Final = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_ENDS_NOTES: Final = frozenset({Region.TEASER, Region.COMMENT, Region.COMMENT_FORM})
_ITEM_TYPES: Final = ("article", "blogposting", "report")

_Placed = tuple[Block, Any]  # a visible block and its element


def widen_to_article(
    regions: Regions,
    document: DomDocument | None,
    blocks: Sequence[Block],
    passing: Callable[[Block], bool],
) -> Regions:
    """
    Return the regions with text of the article outside the main region, as STANDFIRST and NOTE.

    A list of links to other articles at the end of the main region becomes TEASER.

    Args:
        passing: Returns whether a block is a count or an age, which changes by itself.
    """
    main = regions.main
    if document is None or main is None:
        return regions
    shown = [
        (block, element)
        for block in blocks
        if not block.hidden and (element := document.at(block.selector)) is not None
    ]
    inside = [number for number, (_, element) in enumerate(shown) if _is_in(element, main)]
    if not inside:
        return regions
    around = next(filter(_is_article, main.iterancestors()), None)
    labels = dict(regions.labels)

    def is_text(block: Block) -> bool:
        return (
            labels.get(block.selector) is Region.OTHER
            and block.tag not in _CONTROLS
            and (block.tag in _TEXT or _is_sentence(block))
            and not _is_link(block)
            and not passing(block)
        )

    def is_date(block: Block) -> bool:
        is_line = labels.get(block.selector) in (Region.OTHER, Region.DATE)
        return is_line and _is_dated(block) and not passing(block)

    for block in _above(shown[: inside[0]], around, regions):
        if is_text(block) or is_date(block):
            labels[block.selector] = Region.STANDFIRST
    for block in takewhile(
        lambda block: labels.get(block.selector) is not Region.MAIN or not _is_sentence(block),
        [shown[number][0] for number in inside],
    ):
        if is_date(block):
            labels[block.selector] = Region.STANDFIRST
    for block in _below(shown[inside[-1] + 1 :], around, regions):
        if is_text(block):
            labels[block.selector] = Region.NOTE
    for block in _other_articles([shown[number][0] for number in inside], regions):
        labels[block.selector] = Region.TEASER
    return replace(regions, labels=labels, article=around)


def _above(shown: Sequence[_Placed], around: Any, regions: Regions) -> Iterator[Block]:
    """Yield what is above a main region: in the article, or below its headline."""
    begin = _headline(shown, regions)
    for number, (block, element) in enumerate(shown):
        if number > begin or (around is not None and _is_in(element, around)):
            yield block


def _headline(shown: Sequence[_Placed], regions: Regions) -> int:
    """Return where the words of the headline are first; the length of `shown` if not near."""
    labels = regions.labels
    headline = [
        block.text.split() for block, _ in shown if labels.get(block.selector) is Region.HEADLINE
    ][:1]
    numbers = (
        number
        for number, (block, _) in enumerate(shown)
        if labels.get(block.selector) is Region.HEADLINE
        or (block.tag in _HEADINGS and [block.text.split()] == headline)
    )
    first = next(numbers, len(shown))
    return first if len(shown) - first <= _FARTHEST else len(shown)


def _below(shown: Sequence[_Placed], around: Any, regions: Regions) -> Iterator[Block]:
    """Yield what is in the article below its main region, up to the next heading or teaser."""
    if around is not None:
        yield from takewhile(
            lambda block: (
                block.tag not in _HEADINGS and regions.labels.get(block.selector) not in _ENDS_NOTES
            ),
            (block for block, element in shown if _is_in(element, around)),
        )


def _other_articles(inside: Sequence[Block], regions: Regions) -> list[Block]:
    """Return the end of a main region, if there are links in the place of sentences."""
    end = [
        *takewhile(
            lambda block: block.tag in _HEADINGS or _is_link(block) or not _is_sentence(block),
            (
                block
                for block in reversed(inside)
                if regions.labels.get(block.selector) is Region.MAIN
            ),
        )
    ]
    return end if sum(map(_is_link, end)) >= _LEAST_LINKS else []


def _is_article(element: Any) -> bool:
    kind = (element.get("itemtype") or "").rstrip("/").lower()
    return element.tag == "article" or kind.endswith(_ITEM_TYPES)


def _is_in(element: Any, other: Any) -> bool:
    return element is other or any(above is other for above in element.iterancestors())


def _is_link(block: Block) -> bool:
    return block.link_characters > _LINKED * len(block.text)


def _is_dated(block: Block) -> bool:
    return len(block.text) <= _LONGEST_DATE and _YEAR.search(block.text) is not None


def _is_sentence(block: Block) -> bool:
    return len(block.text) + len(CJK.findall(block.text)) >= _SENTENCE
