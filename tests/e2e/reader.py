"""A person who opens a proof pack in a browser, without a network."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from snapshotter.capture.browser.binary import choose_browser

SETTLED = "html[data-state=good], html[data-state=bad]"
SHEET = re.compile(rb"/Type\s*/Page\b(?!s)")  # one sheet of a PDF
LIMIT_MS = 120_000  # on a machine that has much else to do


@contextmanager
def readers_browser() -> Iterator[Browser]:
    """A reader's browser, none of ours; a file from a disk, and no network."""
    binary, _ = choose_browser("shell", None)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=binary.path)
        yield started
        started.close()


class Reader:
    """Somebody who opens a file by a double click."""

    def __init__(self, browser: Browser, file: Path, *, script: str = "") -> None:
        self._context = browser.new_context(offline=True)
        self._context.set_default_timeout(LIMIT_MS)
        self.page: Page = self._context.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.errors: list[str] = []
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        if script:
            self.page.add_init_script(script)
        self.open(file)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    @property
    def verdict(self) -> str:
        return self.page.locator("#verdict").inner_text()

    def open(self, file: Path, *, settles: bool = True) -> None:
        self.page.goto(file.as_uri(), timeout=LIMIT_MS)
        if settles:
            self.page.locator(SETTLED).wait_for(timeout=LIMIT_MS)

    @property
    def state(self) -> str:
        """`good`, `bad`, or `none`: the page's script did not run."""
        return self.page.locator("html").get_attribute("data-state") or "none"

    @property
    def compared(self) -> str:
        return self.page.locator("#compared").inner_text()

    @property
    def states(self) -> list[str]:
        return self.page.locator("#files td:first-child").all_inner_texts()
