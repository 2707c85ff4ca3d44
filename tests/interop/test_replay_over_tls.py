"""
A static page over https, once by HTTP/1.1 and once by HTTP/2: its replay has the same pixels in
pywb's proxy mode, and the same text in pywb and in wabac.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame

from tests.e2e.product import Installation, member
from tests.interop.test_check_replay import POLICY, checked_capture
from tests.interop.test_replay import (
    LIMIT_MS,
    moment,
    pywb_serving,
    shown_by_pywb,
    shown_by_wabac,
    wabac_serving,
)
from tests.servers.torture import Mode, Torture
from tests.servers.torture_site import Answer, How, _png
from tests.tools import python_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("interop"),
]

MODES: tuple[Mode, ...] = ("https", "h2")
STYLE = "h1 { color: #06c } #box { background: url(/shade-2.png); height: 90px; width: 300px }"
TEXT = "\n".join(
    (
        "Static 固定頁 🦊",
        "An answer that a script asked for",
        "Compressed, and chunked; the end. النهاية",
    )
)
PAGE = """<!doctype html><meta charset=utf-8><title>static</title><link rel=stylesheet href=/static.css>
<h1>Static 固定頁 🦊</h1><img src=/shade-1.png width=200 height=100><div id=box></div>
<p id=p></p><iframe src="%s/static-frame.html" width=300 height=80></iframe>
<div style="height:4300px"></div><img loading=lazy src=/shade-3.png width=300 height=90>
<p>Compressed, and chunked; the end. النهاية</p>
<script>fetch('/static.json').then(a => a.json()).then(a => p.textContent = a.answer)</script>
"""  # noqa: E501
FRAME = "<!doctype html><meta charset=utf-8><p>In a frame of another site</p>"


def _static(torture: Torture) -> None:
    """Let the server serve the page, its parts coded and framed in different ways."""
    html = "text/html; charset=utf-8"
    coded = (("Content-Encoding", "gzip"),)
    torture.answers |= {
        "/static": Answer(
            body=gzip.compress((PAGE % torture.origins[1]).encode(), mtime=0),
            headers=coded,
            kind=html,
            how=How.PLAIN_CHUNKED,
        ),
        "/static.css": Answer(
            body=gzip.compress(STYLE.encode(), mtime=0), headers=coded, kind="text/css"
        ),
        "/static.json": Answer(
            body=b'{"answer": "An answer that a script asked for"}', kind="application/json"
        ),
        "/static-frame.html": Answer(body=FRAME.encode(), kind=html),
    }
    for number in (1, 2, 3):
        torture.answers[f"/shade-{number}.png"] = Answer(body=_png(number), kind="image/png")


@dataclass(frozen=True, slots=True)
class Shown:
    """A bundle of the page, whose server is gone, and what its replay was found to be."""

    mode: Mode
    url: str
    facts: dict[str, Any]
    bundle: Path

    @property
    def replay(self) -> dict[str, Any]:
        found: dict[str, Any] = self.facts["replay"]
        return found


@pytest.fixture(scope="module", params=MODES)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    installation = Installation(tmp_path_factory.mktemp(request.param) / "home")
    installation.configure(pywb_dir=str(Path(python_tool("wayback")).parent))
    (installation.home / "policy.toml").write_text(POLICY)
    with Torture(request.param, pending=False) as torture:
        _static(torture)
        url = f"{torture.origins[0]}/static"
        done = checked_capture(installation, url)
        asked = {request.path for request in torture.requests}
        protocols = {request.protocol for request in torture.requests}
    assert {"/static", "/static.css", "/static.json", "/static-frame.html"} <= asked
    assert {f"/shade-{number}.png" for number in (1, 2, 3)} <= asked
    assert protocols == {"HTTP/2" if request.param == "h2" else "HTTP/1.1"}
    return Shown(request.param, url, done, Path(done["bundle"]["path"]))


def test_not_one_pixel_differs(shown: Shown) -> None:
    replay = shown.replay
    assert replay["verdict"] == "replays", replay
    assert [picture["path"] for picture in replay["pictures"]] == [
        "capture/viewport.png",
        "capture/screenshot.png",
    ]
    for picture in replay["pictures"]:
        assert picture["differing_pixels"] == picture["differing_percent"] == 0
        assert picture["captured_px"] == picture["replayed_px"]
    assert replay["pictures"][1]["captured_px"][1] > 4300
    assert replay["missed"] == []


def _same_text(frame: Frame, shown: Shown) -> None:
    """Check the replayed text against what was seen live, line by line."""
    frame.wait_for_selector("#p:not(:empty)", timeout=LIMIT_MS)
    lines = [line for line in frame.inner_text("body").splitlines() if line]
    assert "\n".join(lines) == TEXT
    captured = member(shown.bundle, "capture/page.txt").decode()
    assert all(line in captured for line in (*lines, "In a frame of another site"))
    (inner,) = frame.child_frames
    inner.wait_for_selector("p", timeout=LIMIT_MS)
    assert inner.inner_text("body") == "In a frame of another site"


def test_pywb_shows_the_same_text(
    shown: Shown, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = browser.new_page()
    with pywb_serving(shown.bundle, tmp_path_factory.mktemp("pywb")) as pywb:
        _same_text(shown_by_pywb(page, pywb, f"{moment(shown.facts)}/{shown.url}"), shown)
        page.close()


def test_wabac_shows_the_same_text(
    shown: Shown, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    page = browser.new_page()
    with wabac_serving(shown.bundle, tmp_path_factory.mktemp("wabac")) as wabac:
        _same_text(shown_by_wabac(page, wabac, f"{moment(shown.facts)}mp_/{shown.url}"), shown)
        page.close()
