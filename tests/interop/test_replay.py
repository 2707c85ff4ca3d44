"""
Two replay engines show the archived page, its live site being gone.

Each is driven by a browser that may reach nothing but the engine: what it shows comes
from the bundle.
"""

import contextlib
import functools
import http.server
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page
from typing_extensions import override

from tests.interop.conftest import Exhibit
from tests.tools import npm_modules, python_tool

pytestmark = [
    pytest.mark.interop,
    pytest.mark.e2e,
    pytest.mark.long,
    pytest.mark.xdist_group("interop"),
]

TEXTS = ("香港新聞 News from everywhere", "第一段：這是一個測試。", "頁尾 the end", "العربية", "🦊")
LIMIT_MS = 30_000


@pytest.fixture
def page(browser: Browser, exhibit: Exhibit) -> Iterator[Page]:
    assert not _answers(exhibit.url)  # what is shown comes from the bundle
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def shows_the_page(frame: Frame) -> None:
    """Check text, style, pictures and frames of the replayed fixture page."""
    frame.wait_for_selector("footer", timeout=LIMIT_MS)
    text = frame.inner_text("body")
    for words in TEXTS:
        assert words in text
    assert frame.evaluate("getComputedStyle(document.querySelector('footer')).backgroundColor") == (
        "rgb(0, 68, 0)"  # from the style sheet
    )
    # Lazy pictures come when they are scrolled to, as on the live page.
    for image in frame.query_selector_all("img.lazy"):
        image.scroll_into_view_if_needed(timeout=LIMIT_MS)
    frame.evaluate("scrollTo(0, document.body.scrollHeight)")
    frame.wait_for_function(
        "[...document.querySelectorAll('#eager, img.lazy')]"
        ".every(it => it.complete && it.naturalWidth === 40)",
        timeout=LIMIT_MS,
    )
    assert frame.evaluate("document.querySelectorAll('#eager, img.lazy').length") == 4
    inner = frame.child_frames
    assert len(inner) == 3  # same origin, another port, another host
    for inner_frame in inner:
        inner_frame.wait_for_function(
            "document.body.innerText.includes('text of the inner frame 內框')"
            " && document.querySelector('img').naturalWidth === 40",
            timeout=LIMIT_MS,
        )


def replay_in(page: Page) -> Frame:
    """Return the frame that holds the archived page: engines show none outside of one."""
    element = page.wait_for_selector("iframe", timeout=LIMIT_MS)
    frame = element.content_frame() if element else None
    assert frame is not None
    return frame


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="module")
def pywb(exhibit: Exhibit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where pywb serves the bundle, as a collection `exhibit`."""
    with pywb_serving(exhibit.bundle, tmp_path_factory.mktemp("pywb")) as base:
        yield base


@contextlib.contextmanager
def pywb_serving(bundle: Path, folder: Path) -> Iterator[str]:
    """Serve a bundle as pywb's collection `exhibit`; give its address."""
    manager = python_tool("wb-manager")
    for command in (("init", "exhibit"), ("add", "--unpack-wacz", "exhibit", str(bundle))):
        done = subprocess.run(
            [manager, *command],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    with (folder / "pywb.log").open("wb") as log:
        server = subprocess.Popen(
            [python_tool("wayback"), "--bind", "127.0.0.1", "-p", str(port)],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(f"{base}/exhibit/"):
            assert server.poll() is None, (folder / "pywb.log").read_text()
            assert time.monotonic() < deadline, (folder / "pywb.log").read_text()
            time.sleep(0.1)
        yield f"{base}/exhibit"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  an address of ours
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def moment(facts: dict[str, Any]) -> str:
    """The capture's instant as replay addresses spell it: 20261124160642."""
    return re.sub(r"\D", "", facts["captured_at"])


def test_pywb_shows_the_page_with_its_text_and_images(
    page: Page, pywb: str, exhibit: Exhibit
) -> None:
    shows_the_page(shown_by_pywb(page, pywb, f"{moment(exhibit.facts)}/{exhibit.url}"))


def shown_by_pywb(page: Page, pywb: str, what: str) -> Frame:
    """Open an archived page, `<instant>/<address>`, in pywb; return the frame that holds it."""
    page.goto(f"{pywb}/{what}", timeout=LIMIT_MS)
    return replay_in(page)


@pytest.fixture(scope="module")
def wabac(exhibit: Exhibit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with wabac_serving(exhibit.bundle, tmp_path_factory.mktemp("wabac")) as base:
        yield base


@contextlib.contextmanager
def wabac_serving(bundle: Path, folder: Path) -> Iterator[str]:
    """Serve wabac's service worker, a bundle, and a page without content; give the origin."""
    shutil.copy(Path(npm_modules(), "@webrecorder/wabac/dist/sw.js"), folder)
    shutil.copy(bundle, folder / "exhibit.wacz")
    (folder / "index.html").write_text("<!doctype html><title>replay</title>")
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Files, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Files(http.server.SimpleHTTPRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


# Register the worker, give it the bundle, and wait until it says that it has it.
_LOAD = """async (source) => {
  await navigator.serviceWorker.register('/sw.js');
  const ready = await navigator.serviceWorker.ready;
  return await new Promise((resolve) => {
    navigator.serviceWorker.addEventListener('message', (event) => {
      if (event.data.msg_type === 'collAdded') resolve('loaded');
      if (event.data.error) resolve(event.data.error);
    });
    navigator.serviceWorker.startMessages();
    ready.active.postMessage({
      msg_type: 'addColl', name: 'exhibit', file: {sourceUrl: source, loadUrl: source},
    });
  });
}"""


def test_wabac_shows_the_page_with_its_text_and_images(
    page: Page, wabac: str, exhibit: Exhibit
) -> None:
    shows_the_page(shown_by_wabac(page, wabac, f"{moment(exhibit.facts)}mp_/{exhibit.url}"))


def shown_by_wabac(page: Page, wabac: str, what: str) -> Frame:
    """Open an archived page, `<instant>mp_/<address>`, in wabac; return the frame that holds it."""
    page.set_default_timeout(LIMIT_MS)
    page.goto(f"{wabac}/index.html")
    assert page.evaluate(_LOAD, f"{wabac}/exhibit.wacz") == "loaded"
    page.evaluate(
        "(url) => document.body.append(Object.assign(document.createElement('iframe'),"
        " {src: url, width: 1400, height: 800}))",
        f"{wabac}/w/exhibit/{what}",
    )
    return replay_in(page)
