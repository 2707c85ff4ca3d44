"""Hand-made pages: blocks with their parts of the page, and pictures of them."""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from PIL import Image, ImageDraw

from snapshotter.compare.picture_rows import PictureSource
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Content,
    ContentVerdict,
    TakedownVerdict,
)
from snapshotter.model.page import Block, Box, Page
from snapshotter.model.reading import LabelledBlock, Readings, Region

AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
URL = "http://news.test/2014"

# A text, and what part of the page it is; in front of the text "~" is hidden.
Line = tuple[Region, str]


def page(lines: Sequence[Line], *, html: str = "") -> Page:
    """Return a page of these blocks, one below the other."""
    return Page(
        requested_url=URL,
        final_url=URL,
        captured_at=AT,
        timezone="UTC",
        locale="en-US",
        html=html,
        text="\n".join(text for _, text in lines),
        blocks=tuple(
            Block(
                selector=f"html > body > p:nth-child({number})",
                tag="p",
                text=text.removeprefix("~"),
                box=Box(left=0, top=40 * (number - 1), width=200, height=40),
                hidden=text.startswith("~"),
            )
            for number, (_, text) in enumerate(lines, 1)
        ),
    )


def assessment(lines: Sequence[Line]) -> Assessment:
    """Return what says which block is which part of the page."""
    return Assessment(
        content=ContentVerdict(kind=Content.CONTENT, detail="it is there"),
        takedown=TakedownVerdict(availability=Availability.AVAILABLE, detail="it is there"),
        readings=Readings(
            regions=tuple(
                LabelledBlock(selector=f"html > body > p:nth-child({number})", region=region)
                for number, (region, _) in enumerate(lines, 1)
            )
        ),
    )


def without_layout(of: Page) -> Page:
    """Return the page as a bundle from before layouts were kept has it."""
    return replace(of, blocks=())


def picture(
    lines: Sequence[Line], *, size: tuple[int, int] = (200, 0), left: int = 4, scale: int = 1
) -> PictureSource:
    """Return a picture of blocks that stand as `page` places them."""
    image = Image.new("RGB", (size[0] * scale, (size[1] or 40 * len(lines)) * scale), "white")
    draw = ImageDraw.Draw(image)
    for number, (_, text) in enumerate(lines):
        draw.text((left, 40 * number * scale + 10), text.removeprefix("~"), fill="black")
    return shot(image, scale=scale)


def shot(*images: Image.Image, scale: int = 1) -> PictureSource:
    """Return pictures as files, edge to edge."""

    files = []
    for image in images:
        out = io.BytesIO()
        image.save(out, "PNG")
        files.append(partial(io.BytesIO, out.getvalue()))
    return PictureSource(files=tuple(files), scale=scale)
