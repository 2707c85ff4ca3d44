"""What the page's process tells of its blocks is taken as far as it is what it has to be."""

import asyncio
from typing import Any, cast

import pytest

from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, ScriptError
from snapshotter.capture.page.blocks import read_page, sample_page
from snapshotter.formats.page.layout import MAX_BLOCKS
from snapshotter.model.page import Box

TOLD = ["html > body", "body", "words \ud800", [1, -2, 3, 4], False, 2, 16]


class Told:
    """Stands for the frames of a page, which need a browser: answers as a test says."""

    def __init__(self, **answer: Any) -> None:
        self._answer = answer

    async def ask_main(self, name: str, *args: object, limit_s: float) -> Any:
        return {"html": "<p>", "text": "", "isWhole": True, "failure": "", **self._answer}


def worlds(**answer: Any) -> IsolatedWorlds:
    return cast("IsolatedWorlds", Told(**answer))


def test_blocks_come_with_what_utf_8_has_a_form_for() -> None:
    read = asyncio.run(read_page(worlds(blocks=[TOLD]), limit_s=1))

    (block,) = read.layout.blocks
    assert (block.text, block.box) == ("words \ufffd", Box(left=1, top=-2, width=3, height=4))
    assert (block.link_characters, block.font_px, read.layout.whole) == (2, 16, True)


@pytest.mark.parametrize(
    "blocks",
    [
        [[]],
        [TOLD[:-1]],
        [[*TOLD, 1]],
        [[*TOLD[:5], "2", 16]],
        [[*TOLD[:3], [1, 2, 3], False, 2, 16]],
        [None],
        7,
    ],
)
def test_what_is_no_list_of_blocks_leaves_the_document_and_says_why(blocks: Any) -> None:
    read = asyncio.run(read_page(worlds(blocks=blocks), limit_s=1))

    assert (read.html, read.layout.blocks, read.layout.whole) == ("<p>", (), False)
    assert read.failure.startswith("the page's process returned invalid data")
    with pytest.raises(ScriptError):
        asyncio.run(sample_page(worlds(blocks=blocks), limit_s=1))


def test_no_more_blocks_are_taken_than_a_layout_has() -> None:
    seen = asyncio.run(sample_page(worlds(blocks=[TOLD] * (MAX_BLOCKS + 5)), limit_s=1))

    assert len(seen.blocks) == MAX_BLOCKS
