"""
A console as people use it: a process that serves, and a browser that is logged in.

    with running_console(installation) as console, signed_in(browser, console) as page:
        page.goto(console.url("/queue"))
        assert problems(page) == []
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.product import LIMIT_S, Installation
from tests.tools import any_chromium, npm_file

Scheme = Literal["light", "dark"]
# Each page is looked at in these: colours, and CSS pixels of the width. Colours do not depend on
# the width, so that two looks find what four would find. 320 is a small phone, and a desk at 400 %.
LOOKS: Sequence[tuple[Scheme, int]] = (("light", 1280), ("dark", 320))
_HEIGHT = 900
_END_S = 30
_AXE = """() => axe.run(document, {resultTypes: ["violations"]}).then((found) =>
  found.violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`))"""
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((it) => it.getBoundingClientRect().right > width + 1)
    .map((it) => `too wide: ${it.outerHTML.slice(0, 120)}`);
}"""


@dataclass(frozen=True, slots=True)
class RunningConsole:
    """A process of `snapshotter serve`."""

    process: "subprocess.Popen[str]"
    origin: str
    first_link: str

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"{self.origin}{path}"

    def new_link(self) -> str:
        """Return a further log-in link."""
        os.kill(self.process.pid, signal.SIGUSR1)
        return _link(self.process)


@contextlib.contextmanager
def running_console(
    installation: Installation, *arguments: str, halt_at: str = ""
) -> Iterator[RunningConsole]:
    """Serve the console of an installation at a free port, until the end of the block."""
    process = installation.start("serve", "--port", "0", "--no-open", *arguments, halt_at=halt_at)
    try:
        link = _link(process)
        yield RunningConsole(process, link.partition("/login")[0], link)
    finally:
        _end(process)


@contextlib.contextmanager
def running_worker(installation: Installation, *arguments: str) -> Iterator[None]:
    """Run a worker of the queue of an installation, until the end of the block."""
    process = installation.start("worker", *arguments)
    try:
        yield
    finally:
        _end(process)


def _link(process: "subprocess.Popen[str]") -> str:
    """Return the next log-in link that a console prints."""
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    if not line.startswith("http://"):
        process.kill()
        _, err = process.communicate(timeout=_END_S)
        raise AssertionError(f"the console did not start: {line} {err}")
    return line


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=_END_S)


@contextlib.contextmanager
def quiet_browser() -> Iterator[Browser]:
    """Start a browser that asks for nothing by itself, until the end of the block."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=any_chromium(), args=["--disable-background-networking"]
        )
        yield started
        started.close()


@contextlib.contextmanager
def signed_in(
    browser: Browser,
    console: RunningConsole,
    *,
    scheme: Scheme = "light",
    width: int = 1280,
    height: int = _HEIGHT,
    allowed: Sequence[str] = (),
    **options: Any,
) -> Iterator[Page]:
    """
    Yield a page of a browser that is logged in; it shows the home page.

    The page fails on errors of its scripts and on violations of its policy.

    Args:
        allowed: Beginnings of errors that the browser may print.
        options: Of `Browser.new_context`, such as `java_script_enabled`.
    """
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": height}, **options
    )
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" else None,
        )
        page.goto(console.new_link())
        page.wait_for_url(console.url("/"))
        yield page
        expected = (
            "Failed to load resource",
            *allowed,
        )  # an answer that a test asks for, such as 404
        unexpected = [text for text in complaints if not text.startswith(expected)]
        assert unexpected == [], unexpected
    finally:
        context.close()


def load_axe(page: Page) -> None:
    """Load axe-core into a page, until it is loaded again."""
    page.evaluate(npm_file("axe-core/axe.min.js").read_text())  # no policy binds the debugger


def problems(page: Page) -> list[str]:
    """Return what axe-core finds on a page, and what is wider than its window."""
    load_axe(page)
    return _problems(page)


def _problems(page: Page) -> list[str]:
    found: list[str] = page.evaluate(_AXE)
    wide: list[str] = page.evaluate(_TOO_WIDE)
    return found + wide


def problems_of(browser: Browser, console: RunningConsole, paths: Sequence[str]) -> list[str]:
    """
    Return what is wrong with pages in both colours, on a desk and on a phone.

    Each page is loaded once, in the first look, and changes to the others as it does for a person
    who turns a phone or who works into the night.
    """
    found = []
    with signed_in(browser, console) as page:
        for path in paths:
            page.emulate_media(color_scheme=LOOKS[0][0])
            page.set_viewport_size({"width": LOOKS[0][1], "height": _HEIGHT})
            page.goto(console.url(path))
            load_axe(page)
            for scheme, width in LOOKS:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": _HEIGHT})
                found += [f"{path}, {scheme}, {width}: {problem}" for problem in _problems(page)]
    return found
