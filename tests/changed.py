"""
Sealed captures of a page of our own that changes: words, title, price, picture, dates, side column.

No browser: the layout and the picture of the page are made from its markup, in a fixed way. The
sealer, the keys, the policy and the assessment are real.
"""

import gzip
import hashlib
import io
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from snapshotter.app.archive import assessment, comparison
from snapshotter.app.wiring import capture as wiring
from snapshotter.assess.dom import blocks_of, read_document
from snapshotter.formats.bundle import cdxj
from snapshotter.formats.page import layout
from snapshotter.model.bundle import Bundle
from snapshotter.model.capture import Action, Outcome, PictureKind, Reason
from snapshotter.model.network import NetworkPath
from snapshotter.model.page import Block, Box
from snapshotter.policy.capture_decision import decide
from snapshotter.policy.load import load
from snapshotter.ports import Signer, TimestampAuthority
from tests import bundles
from tests.fakes.world import FixedClock
from tests.observed import at, sealed
from tests.site_bundles import whole_picture

__all__ = ["HOST", "LONG", "URL", "ShownPage", "at", "count_comparisons", "shoot"]

HOST = "http://news.example.test"
URL = f"{HOST}/harbour"
_LINE, _WIDTH = 40, 600  # CSS pixels
LONG = (
    "The harbour master confirmed the plan on Monday and said that the ferries would keep their "
    "timetable. Several traders had asked for a longer notice, because their deliveries arrive by "
    "ship in the early morning."
)


@dataclass(frozen=True)
class ShownPage:
    """What the page shows at one time."""

    words: str = "The market hall will be closed for repairs until spring."
    title: str = "Harbour news"
    side: str = "Most read today: the tide table."
    advert: str = "Buy a boat now."
    reads: str = "1,204 views"
    price: str = ""  # in JSON-LD
    shown_price: str = ""  # in the main text
    modified: str = ""
    picture: bytes = b""  # the bytes of a file; its colour on the screen follows from them
    second: str = ""  # a further paragraph of the main text
    markup: str = ""  # the whole document, in the place of ours
    notice: str = ""  # in the place of everything
    extra: Mapping[str, str] = field(default_factory=dict)  # further meta
    unseen: tuple[str, ...] = ()  # paragraphs in the colour of the page
    hidden: tuple[str, ...] = ()  # paragraphs that the layout knows as hidden
    stray: str = ""  # a text whose block is as large as the page
    drawing: str = ""  # a colour that a style sheet gives to a part of the first paragraph

    @property
    def html(self) -> str:
        """The rendered document."""
        if self.markup:
            return self.markup
        if self.notice:
            return (
                f"<!doctype html><html><head><title>{self.title}</title></head><body>"
                f"<div><p>{self.notice}</p></div></body></html>"
            )
        meta = "".join(
            f'<meta property="{name}" content="{value}">' for name, value in self.extra.items()
        )
        if self.modified:
            meta += f'<meta property="article:modified_time" content="{self.modified}">'
        if self.price:
            meta += (
                '<script type="application/ld+json">{"@type":"Product","name":"Ticket","offers":'
                f'{{"@type":"Offer","price":"{self.price}","priceCurrency":"EUR"}}}}</script>'
            )
        figure = '<figure><img src="/hall.png"></figure>' if self.picture else ""
        shown_price = (
            f"<p>A ticket costs {self.shown_price} for adults.</p>" if self.shown_price else ""
        )
        second = f"<p>{self.second}</p>" if self.second else ""
        return (
            f"<!doctype html><html><head><title>{self.title}</title>{meta}</head><body>"
            f"{f'<div>{self.stray}</div>' if self.stray else ''}"
            f"<article><h1>Market hall</h1><p id='words'>{self.words}</p>{figure}"
            f"{shown_price}{second}"
            f"<p>{LONG}</p><p>{LONG[::-1]}</p>"
            f"<p class='views'>{self.reads}</p></article>"
            f"<aside class='sidebar'><p>{self.side}</p></aside>"
            f"<div class='ads'><p>{self.advert}</p></div></body></html>"
        )


def count_comparisons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets one entry for each comparison of two captures from now on."""
    compare, made = comparison.compare, list[str]()

    def counted(*args: Any, **more: Any) -> Any:
        made.append("compared")
        return compare(*args, **more)

    monkeypatch.setattr(comparison, "compare", counted)
    return made


def shoot(
    folder: Path,
    when: datetime,
    page: ShownPage,
    *,
    signer: Signer,
    authorities: tuple[TimestampAuthority, ...] = (),
    url: str = URL,
    network: NetworkPath | None = None,
    missing: str = "",
    light: bool = False,
    timezone: str = "",
    masks: tuple[str, ...] = (),
    has_network_record: bool = True,
    clicked: str = "",
    main: str = "",
) -> Bundle:
    """
    Return a sealed capture of the page that ended then.

    Args:
        masks: Selectors that the policy masks.
        missing: The code of what the capture lacks; "" if it is complete.
        has_network_record: Whether the picture file is in the network record.
        clicked: A control that a policy names, and that was clicked.
        main: A selector that a policy names as the main text.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spool = Path(tempfile.mkdtemp(dir=folder))
    document = read_document(page.html)
    assert document is not None
    blocks = tuple(
        replace(
            block,
            box=Box(left=10, top=_top(number, page), width=_WIDTH - 20, height=_LINE)
            if block.text != page.stray
            else Box(left=0, top=0, width=_WIDTH, height=100 * _LINE),
            hidden=block.text in page.hidden,
        )
        for number, block in enumerate(blocks_of(document))
    )
    warc, index = _record(url, page if has_network_record else replace(page, picture=b""))
    screen = _screen(page, blocks)
    contents = {
        **bundles.CONTENTS,
        "archive/data.warc.gz": warc,
        "capture/dom.html": page.html.encode(),
        "capture/page.txt": "\n".join(block.text for block in blocks).encode(),
        "capture/screenshot.png": screen,
        "capture/viewport.png": screen,
        "indexes/index.cdx": index,
        layout.PATH: layout.encode(layout.PageLayout(blocks=blocks, whole=True)),
    }
    made = bundles.capture(spool, at=when, contents=contents, title=page.title)
    assert made.response is not None
    made = replace(
        made,
        requested_url=url,
        final_url=url,
        response=replace(made.response, url=url),
        outcome=Outcome.PARTIAL if missing else Outcome.COMPLETE,
        reasons=(Reason(code=missing, detail="a test"),) if missing else (),
        network=network,
        pictures=tuple(
            whole_picture(kind, path, *Image.open(io.BytesIO(screen)).size)
            for kind, path in (
                (PictureKind.VIEWPORT, "capture/viewport.png"),
                (PictureKind.PAGE, "capture/screenshot.png"),
            )
        ),
    )
    if clicked:
        action = Action(at=when, kind="expand", detail=clicked, change=None)
        made = replace(made, actions=(action,))
    decision = decide(load("news-article"))
    if main:
        verdict = replace(decision.verdict, main_regions=(main,), main_characters=0)
        decision = replace(decision, verdict=verdict)
    decision = replace(decision, expand=replace(decision.expand, enabled=bool(clicked)))
    listed = f"selectors = {json.dumps(masks)}\npatterns = []"
    policy_text = decision.policy_text.replace("selectors = []\npatterns = []", listed)
    decision = replace(decision, policy_text=policy_text)
    if timezone:
        decision = replace(decision, timezone=timezone)
    decision = replace(
        decision, require_timestamps=len(authorities), require_log=False, light=light
    )
    clock = FixedClock(when)
    made, found = assessment.with_assessment(
        made, decision, wiring.assessor, spool=spool, clock=clock
    )
    assert found is not None, made.warnings
    return sealed(made, decision, spool, signer, authorities, clock)


def _top(number: int, page: ShownPage) -> int:
    """Return the row of a block: the picture takes two, below the second block."""
    return _LINE * (number + (2 if page.picture and number > 1 else 0))


def _screen(page: ShownPage, blocks: tuple[Block, ...]) -> bytes:
    image = Image.new("RGB", (_WIDTH, _LINE * (len(blocks) + 3)), "white")
    draw = ImageDraw.Draw(image)
    for block in blocks:
        assert block.box is not None
        # The font draws ASCII alone, and every other character as the same box.
        shown = block.text[:90].encode("ascii", "backslashreplace").decode()
        if block.text not in (*page.unseen, *page.hidden):
            draw.text((block.box.left, block.box.top + 10), shown, fill="black")
    if page.picture:
        colour = hashlib.sha256(page.picture).digest()
        draw.rectangle((40, 2 * _LINE + 4, 300, 4 * _LINE - 4), fill=(colour[0], colour[1], 90))
    if page.drawing:
        draw.rectangle((400, _LINE + 4, 560, 2 * _LINE - 4), fill=page.drawing)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _record(url: str, page: ShownPage) -> tuple[bytes, bytes]:
    """Return a network record with the picture of the page, and its index."""
    if not page.picture:
        return bundles.CONTENTS["archive/data.warc.gz"], b""
    address = f"{url.rpartition('/')[0]}/hall.png"
    block = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + page.picture
    head = (
        "WARC/1.1\r\nWARC-Type: response\r\n"
        f"WARC-Target-URI: {address}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    member = gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0)
    entry = cdxj.Entry(
        url=address,
        at=at(0) - timedelta(days=1),
        media_type="image/png",
        status=200,
        digest=f"sha256:{hashlib.sha256(page.picture).hexdigest()}",
        offset=0,
        length=len(member),
    )
    return member, cdxj.encode([entry])
