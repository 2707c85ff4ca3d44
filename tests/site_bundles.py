"""
Sealed bundles of pages of the fixture site, judged by the shipped rules, without a browser.

What a capture keeps is made by hand of what the site answers: document, text, blocks, and a picture
of the blocks one below the other. Assessment, sealer, keys and store are real.
"""

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from PIL import Image, ImageDraw, ImageFont

from snapshotter.app.archive import assessment
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.formats.page import layout
from snapshotter.formats.page.layout import PageLayout
from snapshotter.model.bundle import Bundle
from snapshotter.model.capture import (
    Picture,
    PictureFile,
    PictureKind,
)
from snapshotter.model.capturer_identity import ExposedBox
from snapshotter.model.page import Block, Box, Page
from snapshotter.model.request import Decision
from snapshotter.policy.capture_decision import PolicyOverrides, decide
from snapshotter.policy.load import load
from snapshotter.ports import Signer, TimestampAuthority
from tests import bundles, observed
from tests.fakes.world import FixedClock

_WIDTH, _LINE = 400, 30  # CSS pixels


def decision(policy: str = "default", *, light: bool = False) -> Decision:
    """Return the decision of a shipped policy that asks for no timestamp."""
    return replace(decide(load(policy), PolicyOverrides(light=light)), require_timestamps=0)


def seal(
    folder: Path,
    page: Page,
    when: datetime,
    *,
    signer: Signer,
    by: Decision | None = None,
    authorities: Sequence[TimestampAuthority] = (),
    took: timedelta = timedelta(seconds=2),
    log_checkpoint: str = "",
    title: str | None = None,
    shown_in_pictures: tuple[ExposedBox, ...] = (),
) -> Bundle:
    """
    Return the sealed bundle of a capture that ended then and shows that page.

    Args:
        title: Of the window; by default the same for all pages.
    """
    by = by or decision()
    folder.mkdir(parents=True, exist_ok=True)
    spool = Path(mkdtemp(dir=folder))
    clock = FixedClock(when)
    document = read_document(page.html)
    blocks = _laid_out(blocks_of(document) if document is not None else ())
    contents = {
        **bundles.CONTENTS,
        "capture/dom.html": page.html.encode(),
        "capture/page.txt": page.text.encode(),
        "capture/screenshot.png": _picture(blocks),
        layout.PATH: layout.encode(PageLayout(blocks=blocks, whole=True)),
    }
    made = bundles.capture(spool, at=when, contents=contents, took=took)
    if made.response is None:
        raise RuntimeError("a capture without an answer")
    made = replace(
        made,
        requested_url=page.requested_url,
        final_url=page.final_url,
        title=made.title if title is None else title,
        redirects=page.redirects,
        response=replace(
            made.response,
            url=page.final_url,
            status=page.status or 200,
            headers=tuple(page.headers.items()),
        ),
        images=page.images,
        pictures=(
            whole_picture(
                PictureKind.PAGE, "capture/screenshot.png", _WIDTH, _LINE * max(1, len(blocks))
            ),
        ),
        shown_in_pictures=shown_in_pictures,
    )
    made, _ = assessment.with_assessment(made, by, wiring.assessor, spool=spool, clock=clock)
    return observed.sealed(made, by, spool, signer, tuple(authorities), clock, log_checkpoint)


def _laid_out(blocks: Sequence[Block]) -> tuple[Block, ...]:
    return tuple(
        replace(block, box=Box(left=0, top=_LINE * number, width=_WIDTH, height=_LINE))
        for number, block in enumerate(blocks)
    )


def _picture(blocks: Sequence[Block]) -> bytes:
    image = Image.new("RGB", (_WIDTH, _LINE * max(1, len(blocks))), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for number, block in enumerate(blocks):
        draw.text((4, _LINE * number + 6), block.text[:200], fill="black", font=font)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def whole_picture(kind: PictureKind, path: str, width: int, height: int) -> Picture:
    """Return a picture of the page that is one file. Lengths in pixels."""
    return Picture(
        kind=kind,
        subject="",
        viewport="default",
        viewport_px=(width, 300),
        scale=1,
        mobile=False,
        left_px=0,
        top_px=0,
        width_px=width,
        height_px=height,
        captured_width_px=width,
        captured_height_px=height,
        heights_px=(height,),
        overlap_px=0,
        truncated_at=None,
        reason=None,
        files=(
            PictureFile(
                path=path, top_px=0, bottom_px=height, width=width, height=height, tiles=()
            ),
        ),
    )
