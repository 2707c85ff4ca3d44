"""
Read the document of the main frame and its blocks of text, for the bundle or for an assessment.

One script reads both at one moment (`scripts/blocks.js`), so the selector of a block names its
element in the document that is kept.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, ScriptError
from snapshotter.capture.spool import replace_lone_surrogates
from snapshotter.model.page import Block, Box
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.formats.page.layout import PageLayout

_LOOKED_AT = 2_000_000  # characters of a document that is looked at while the page waits


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRead:
    """What was read of the main frame at one moment."""

    html: str
    layout: "PageLayout"
    failure: str = ""  # why there are no blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSample:
    """What the live assessment reads of a page."""

    html: str  # "" where it is longer than is looked at
    text: str
    blocks: tuple[Block, ...]


async def read_page(worlds: IsolatedWorlds, *, limit_s: float) -> DocumentRead:
    """
    Return the document as it is, doctype included, and its blocks of text.

    Raises:
        CallTimeout, ScriptError: The main frame did not answer.
    """
    from snapshotter.formats.page.layout import PageLayout

    answer = await worlds.ask_main("page", limit_s=limit_s)
    try:
        blocks, failure = _blocks(answer["blocks"]), str(answer["failure"])
    except (TypeError, ValueError) as error:
        blocks, failure = (), f"the page's process returned invalid data: {error}"
    return DocumentRead(
        html=str(answer["html"]),
        layout=PageLayout(blocks=blocks, whole=bool(answer["isWhole"]) and not failure),
        failure=failure,
    )


async def sample_page(worlds: IsolatedWorlds, *, limit_s: float) -> PageSample:
    """
    Read document, text and blocks of the main frame for an assessment.

    Raises:
        CallTimeout, ScriptError: It did not answer, or with something else.
    """
    answer = await worlds.ask_main("look", _LOOKED_AT, limit_s=limit_s)
    try:
        blocks = _blocks(answer["blocks"])
    except (TypeError, ValueError) as error:
        raise ScriptError(f"the page's process returned invalid data: {error}") from error
    return PageSample(
        html=replace_lone_surrogates(str(answer["html"])),
        text=replace_lone_surrogates(str(answer["text"])),
        blocks=blocks,
    )


def _blocks(reported: Sequence[Sequence[object]]) -> tuple[Block, ...]:
    from snapshotter.formats.page.layout import MAX_BLOCKS

    return tuple(_block(block) for block in reported[:MAX_BLOCKS])


def _block(reported: Sequence[object]) -> Block:
    selector, tag, text, box, hidden, links, px = reported
    if not isinstance(links, int) or not isinstance(px, int):
        raise ValueError("a block has no numbers")
    return Block(
        selector=replace_lone_surrogates(str(selector)),
        tag=replace_lone_surrogates(str(tag)),
        text=replace_lone_surrogates(str(text)),
        box=_box(box) if isinstance(box, list) else None,
        hidden=bool(hidden),
        link_characters=links,
        font_px=px,
    )


def _box(reported: Sequence[object]) -> Box:
    left, top, width, height = (number if isinstance(number, int) else 0 for number in reported)
    return Box(left=left, top=top, width=width, height=height)
