"""`capture/layout.json`: what is written is read again, and nothing else is."""

from dataclasses import replace

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.page import layout
from snapshotter.formats.page.layout import PageLayout
from snapshotter.model.page import Block, Box

BLOCK = Block(
    selector="html > body > p:nth-child(2)",
    tag="p",
    text="此内容因违规无法查看\nand more",
    box=Box(left=-3, top=12, width=640, height=24),
    link_characters=4,
    font_px=17,
)
LAYOUT = PageLayout(blocks=(BLOCK, replace(BLOCK, box=None, hidden=True)), whole=False)


def test_a_layout_is_read_as_it_was_written() -> None:
    data = layout.encode(LAYOUT)

    assert layout.parse(data) == LAYOUT
    assert data.startswith(b'{"blocks":[{"box":{"height":24,"left":-3,"top":12,"width":640},')
    assert data.endswith(b'"format":"snapshotter-layout/1","whole":false}')


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "snapshotter-layout/2"}, "not a layout"),
        ({"whole": 1}, "fields"),
        ({"more": ""}, "fields"),
        ({"blocks": {}}, "no list"),
        ({"blocks": [{"selector": "html"}]}, "does not have the field tag"),
        ({"blocks": [{**canonical_json.plain(BLOCK), "font_px": "17"}]}, "font_px"),
    ],
)
def test_what_is_no_layout_is_refused(change: dict[str, object], words: str) -> None:
    value = {"blocks": [], "format": layout.FORMAT, "whole": True, **change}

    with pytest.raises(EvidenceInvalid, match=words):
        layout.parse(canonical_json.dumps(value))


def test_more_blocks_than_a_layout_has_are_neither_written_nor_read() -> None:
    many = PageLayout(blocks=(BLOCK,) * (layout.MAX_BLOCKS + 1), whole=True)

    with pytest.raises(ValueError, match="more than 10000 blocks"):
        layout.encode(many)
    with pytest.raises(EvidenceInvalid):
        layout.parse(
            canonical_json.dumps(
                {"blocks": [[]] * (layout.MAX_BLOCKS + 1), "format": layout.FORMAT,
                 "whole": True}
            )
        )  # fmt: skip
