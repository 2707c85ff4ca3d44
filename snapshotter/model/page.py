"""
Define a captured page as it is read back from its files: the input of verdicts and readings.

Lengths are whole CSS pixels from the page's upper left corner. A selector is a path of CSS from
the root with one element for each step, so that it names exactly one element of the stored
document: `html > body > div:nth-child(2) > h2:nth-child(1)`.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime

from snapshotter.model.capture import ImageCounts, Redirect
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle on the page."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    One block of text as the browser laid it out: a paragraph, a heading, a cell, a button.

    A text belongs to the innermost block around it, and to no other.
    """

    selector: str
    tag: str  # lowercase
    text: str  # as shown, verbatim; of a hidden block as in the document
    box: Box | None  # None: it takes no space
    hidden: bool = False  # a reader does not see it: display, visibility, opacity, size
    link_characters: int = 0  # of its text that stand in links
    font_px: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one capture shows. Nothing in it is trusted."""

    requested_url: str
    final_url: str
    captured_at: datetime  # UTC: when navigation ended, else when the capture began
    timezone: str  # of the browser, IANA
    locale: str  # of the browser, BCP 47
    status: int | None = None  # HTTP, of the final document; None: no answer came
    media_type: str = ""  # of the final document, lowercase, without parameters
    headers: Mapping[str, str] = field(default_factory=dict)  # lowercase names; joined by ", "
    redirects: tuple[Redirect, ...] = ()
    html: str = ""  # the document as it was rendered; "" when there is none
    raw: bytes = b""  # the final document as received, decoded from transfer and content codings
    raw_before: tuple[bytes, ...] = ()  # of documents that the page's own script went on from
    text: str = ""  # as shown
    blocks: tuple[Block, ...] = ()  # in the document's order; () in bundles before they were kept
    images: ImageCounts = field(default_factory=ImageCounts)
    failure: str = ""  # why there is no page, a code of docs/reference/outcomes.md; "" otherwise
    pictures: tuple[str, ...] = ()  # paths in the bundle; the first view and the whole page
