"""
Read and write `capture/layout.json`: the text of a page, block by block, with positions.

The file is canonical JSON (docs/spec/layout.md). The browser laid out the page once, and verdicts
are made from this file. So anybody who has the bundle can make them again without a browser.
"""

from dataclasses import fields
from typing import Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.model.page import Block
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT: Final = "snapshotter-layout/1"
PATH: Final = "capture/layout.json"
MAX_BYTES: Final = 16 << 20
MAX_BLOCKS: Final = 10_000

_NAMES: Final = tuple(field.name for field in fields(Block))
_VALUES: Final = MAX_BLOCKS * (len(_NAMES) + 5) + 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLayout:
    """The blocks of one document, in its order."""

    blocks: tuple[Block, ...]
    whole: bool  # False: there are more, or more text, than is kept


def encode(layout: PageLayout) -> bytes:
    """Return the file. Raises ValueError for more blocks than it may have."""
    if len(layout.blocks) > MAX_BLOCKS:
        raise ValueError(f"the layout has more than {MAX_BLOCKS} blocks")
    return canonical_json.dumps(
        {
            "blocks": [canonical_json.plain(block) for block in layout.blocks],
            "format": FORMAT,
            "whole": layout.whole,
        }
    )


def parse(data: bytes) -> PageLayout:
    """
    Read the file.

    Raises:
        EvidenceInvalid: It is none, or larger than one may be.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the layout is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    value = canonical_json.loads(data, max_values=_VALUES)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise EvidenceInvalid(tr("the file is not a layout of the format {format}", format=FORMAT))
    blocks, whole = value.get("blocks"), value.get("whole")
    if set(value) != {"blocks", "format", "whole"} or not isinstance(whole, bool):
        raise EvidenceInvalid(tr("the layout does not have the required fields"))
    if not isinstance(blocks, list) or len(blocks) > MAX_BLOCKS:
        raise EvidenceInvalid(
            tr(
                "the layout has no list of blocks, or the list has more than {max_blocks} blocks",
                max_blocks=MAX_BLOCKS,
            )
        )
    from snapshotter.formats import typed

    return PageLayout(blocks=tuple(typed.read(Block, block) for block in blocks), whole=whole)
