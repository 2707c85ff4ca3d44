"""
Print one of our own HTML documents to PDF, with a browser that has no network.

The browser is started as for a capture, in its sandbox and with a new profile. Its egress guard
resolves no name and lets nothing through. The document's own policy forbids requests as well
(`default-src 'none'`).
"""

import re
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import BrowserContext
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.binary import choose_browser
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.call_guard import close_within
from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.browser.launch import BrowserSetup
from snapshotter.capture.browser.prewarm import PrewarmedBrowser, RunningBrowser
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.capture.redaction.redactor import clean_text
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.egress.rules import EgressRules
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.request import Decision, Limits
from snapshotter.ports import Clock
from snapshotter.translation import tr

_LIMIT_S = 120.0  # for all of it, on a machine that has much else to do
_CLOSE_S = 5.0  # for browser and driver to end by themselves; they are killed afterwards
_SCALES = (1.0, 0.92, 0.85, 0.78)  # of the print; a smaller one cannot be read
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_DATE = re.compile(rb"(/(?:Creation|Mod)Date \(D:)[0-9]{14}[+-][0-9]{2}'[0-9]{2}'\)")


def print_pdf(
    html: str,
    beside: Path,
    *,
    at: datetime,
    clock: Clock,
    executable: Path | None = None,
    allow_no_sandbox: bool = False,
    paper: str = "",
) -> bytes:
    """
    Return a document as PDF with tags, its fonts, and its headings as bookmarks.

    The same document, date, browser and fonts give the same bytes: the browser writes nothing else
    that changes from one print to the next but its two dates, which become `at`.

    Args:
        html: Requests nothing: its pictures are `data:` URLs.
        beside: A path next to which the browser may write files; nothing is left there.
        at: The date that the file gets, so that the same document gives the same bytes.
        executable: A browser to use; otherwise the one that is found.
        allow_no_sandbox: Start it without its sandbox where the system allows none.
        paper: "A4" or "Letter"; "": that of the document's style, scaled down if that saves
            sheets, and without tags and bookmarks.

    Raises:
        ServiceUnavailable: No browser could be started, or it did not print in time.
        PolicyRefused: It would have no sandbox.
    """
    decision = Decision(
        policy_name="print", policy_text="", limits=Limits(total_s=_LIMIT_S, launch_s=45.0)
    )
    binary, remark = choose_browser(decision.browser, executable)
    workspace = BrowserWorkspace.create(beside)
    tee_dir = workspace.root / "passed"
    tee_dir.mkdir()
    rules = EgressRules(total_bytes=1)
    guard = EgressGuard(rules, clock=clock, tee=tee_dir, resolver=_EmptyResolver(), purpose="print")
    setup = BrowserSetup(
        decision=decision,
        binary=binary,
        workspace=workspace,
        processes=BrowserProcesses(workspace),
        network=CaptureNetwork(
            guard=guard, path="none", key_log=workspace.key_log, tee_dir=tee_dir
        ),
        allow_no_sandbox=allow_no_sandbox,
    )
    prewarmed = PrewarmedBrowser(setup, remark)
    job = _Print(html, paper)
    try:
        prewarmed.start()
        prewarmed.give(job)
        prewarmed.thread.join(_LIMIT_S)
    finally:
        prewarmed.end()
    if job.error is not None:
        raise job.error
    if job.pdf is None:
        raise ServiceUnavailable(
            tr("the browser did not print the document within {limit_s:g} s", limit_s=_LIMIT_S)
        )
    return _set_pdf_dates(job.pdf, at)


class _Print:
    """The job of the browser thread, and its result."""

    def __init__(self, html: str, paper: str) -> None:
        self._html = html
        self._paper = paper
        self.pdf: bytes | None = None
        self.error: Exception | None = None

    async def __call__(self, coming: Awaitable[RunningBrowser]) -> None:
        try:
            running = await coming
            try:
                await self._print(running.launched.context)
            finally:
                await close_within(running.launched.context.close(), _CLOSE_S)
                await close_within(running.playwright.stop(), _CLOSE_S)
        except PlaywrightError as error:
            self.error = ServiceUnavailable(
                tr(
                    "the browser could not print the document: {clean_text}",
                    clean_text=clean_text(error.message)[:200],
                )
            )
        except Exception as error:  # noqa: BLE001 (it is raised where it can be handled)
            self.error = error

    async def _print(self, context: BrowserContext) -> None:
        await context.set_offline(True)
        page = context.pages[0] if context.pages else await context.new_page()
        await page.set_content(self._html, wait_until="load", timeout=_LIMIT_S * 1000)
        if self._paper:
            self.pdf = await page.pdf(
                format=self._paper,
                prefer_css_page_size=True,
                print_background=True,
                tagged=True,
                outline=True,
            )
            return

        async def printed(scale: float) -> bytes:
            return await page.pdf(prefer_css_page_size=True, print_background=True, scale=scale)

        smallest = await printed(_SCALES[-1])
        for scale in _SCALES[:-1]:
            self.pdf = await printed(scale)
            if len(_PAGE.findall(self.pdf)) <= len(_PAGE.findall(smallest)):
                return
        self.pdf = smallest


class _EmptyResolver:
    """A resolver that knows no name."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        raise ResolutionFailed("dns", f"{host}: names are not resolved while a document is printed")


def _set_pdf_dates(pdf: bytes, at: datetime) -> bytes:
    """Return the file with our date in the place of the browser's; its length stays."""
    stamp = f"{at.astimezone(UTC):%Y%m%d%H%M%S}+00'00')".encode("ascii")
    return _DATE.sub(lambda found: found[1] + stamp, pdf)
