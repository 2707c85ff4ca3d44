"""
Start a browser before its page is known, and keep it waiting in a thread of its own.

Starting a browser takes longer than capturing most pages. Half of that time is the start of the
driver, for which the page need not be known. So the next browser may be started while the current
bundle is sealed. It waits with an empty page, in its own sandbox, network and profile, which no
other capture uses.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Playwright

from snapshotter.capture.browser import confinement, driver_script
from snapshotter.capture.browser.call_guard import close_within
from snapshotter.capture.browser.early_driver import EarlyDriver
from snapshotter.capture.browser.launch import (
    BrowserSetup,
    LaunchedBrowser,
    last_browser_message,
    launch,
)
from snapshotter.capture.redaction.redactor import clean_text
from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_JOIN_S = 1.0  # for a thread whose browser is dead to notice
_DRIVER_GONE = "Connection closed while reading from the driver"
_SPARE_S = 1.0  # beyond the launch's limit, which Playwright holds itself


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningBrowser:
    """A running browser and its driver."""

    playwright: Playwright
    launched: LaunchedBrowser


BrowserJob = Callable[[Awaitable[RunningBrowser]], Awaitable[None]]


class PrewarmedBrowser:
    """
    A thread with a browser that waits for its job.

    Args:
        remark: What a capture has to record about the choice of the browser; "" for nothing.
        early: A driver that was started before; its workspace is the browser's. None: start one.
    """

    def __init__(self, setup: BrowserSetup, remark: str, early: EarlyDriver | None = None) -> None:
        self.setup = setup
        self.remark = remark
        self.early = early
        self._job: Future[BrowserJob | None] = Future()
        self._start: asyncio.Task[RunningBrowser] | None = None
        self.thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the egress guard, and the browser in the thread. Call it once."""
        self.setup.network.guard.start()
        self.thread.start()

    def give(self, job: BrowserJob) -> None:
        """Have the thread do a capture with the browser, which may still be starting."""
        self._job.set_result(job)

    @property
    def is_usable(self) -> bool:
        """Whether the browser runs or is still starting."""
        start = self._start
        if not self.thread.is_alive():
            return False
        if start is None or not start.done():
            return True
        return (
            not start.cancelled()
            and start.exception() is None
            and self.setup.processes.resident_bytes() > 0
        )

    def end(self) -> None:
        """
        Release everything in any state: browser, driver, network, files.

        A browser that nobody used is closed first. One that is starting is waited for, because its
        processes are not known yet.
        """
        was_given = self._job.done()
        try:
            if not was_given:
                self._job.set_result(None)
                if self.thread.is_alive():
                    self.thread.join(
                        self.setup.decision.limits.launch_s + self.setup.decision.limits.close_s
                    )
        finally:  # Ctrl-C while it is waited for
            self.setup.processes.kill()
            self.setup.network.guard.stop()
            # Whoever gave it a capture has waited for it already, within that one's limit.
            if not was_given and self.thread.is_alive():
                self.thread.join(_JOIN_S)
            if self.early is not None:
                self.early.end_process()
            self.setup.network.destroy()
            self.setup.workspace.remove()

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        asyncio.get_running_loop().set_exception_handler(_told)
        self._start = start = asyncio.create_task(self._launch())
        job = await asyncio.wrap_future(self._job)
        if job is not None:
            await job(start)
            if not start.done():
                start.cancel()
                await asyncio.wait({start})  # or the end of the loop would leave its driver behind
            return
        await asyncio.wait({start})  # it has a limit of its own
        if not start.cancelled() and start.exception() is None:
            running = start.result()
            limit = self.setup.decision.limits.close_s / 2
            await close_within(running.launched.context.close(), limit)
            await asyncio.to_thread(self.setup.processes.kill_browser)
            await close_within(running.playwright.stop(), limit)

    async def _launch(self) -> RunningBrowser:
        """Start driver and browser. Raises ServiceUnavailable and PolicyRefused."""
        limit = self.setup.decision.limits.launch_s
        playwright: Playwright | None = None
        driver = asyncio.ensure_future(self._start_driver())
        try:
            playwright = await asyncio.wait_for(asyncio.shield(driver), limit)
            launched = await asyncio.wait_for(
                launch(playwright.chromium, self.setup),
                limit + _SPARE_S,
            )
        except BaseException as error:  # also a cancelled task: its driver must not stay
            if playwright is None:  # a start that is cut off half-way leaves a process behind
                await asyncio.wait({driver}, timeout=self.setup.decision.limits.close_s)
                if driver.done() and not driver.cancelled() and driver.exception() is None:
                    playwright = driver.result()
            if playwright is not None:
                await close_within(playwright.stop(), self.setup.decision.limits.close_s)
            # A driver that cannot be started is an error of the system's (no process is to be
            # had, no memory); one that dies meanwhile raises a plain one.
            is_ours = isinstance(error, PlaywrightError | TimeoutError | OSError)
            if not is_ours and type(error) is not Exception:
                raise
            why = (
                clean_text(str(error))[:200].partition("\n")[0]
                or f"the time limit of {limit:g} s was reached"
            )
            if message := clean_text(last_browser_message(str(error))):
                why += f"; the browser reported: {message}"
            raise ServiceUnavailable(
                tr("the browser did not start: {why}", why=why),
                hint=tr(
                    "check whether this system has everything that the browser needs:\n  "
                    "snapshotter doctor"
                ),
            ) from error
        return RunningBrowser(playwright=playwright, launched=launched)

    async def _start_driver(self) -> Playwright:
        """Take over the driver that was started early, or start one."""
        if self.early is not None:
            try:
                self.early.is_taken = True
                return await confinement.take_over_driver(self.early.process)
            except (ImportError, AttributeError):  # another Playwright than we know
                self.early.is_taken = False
                await asyncio.to_thread(self.early.end_process)
        script = await asyncio.to_thread(
            driver_script.prepare_driver, self.setup.workspace, self.setup.binary
        )
        return await confinement.start_confined_driver(script)


def _told(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """
    Report an error of the event loop on stderr, except for one that is harmless.

    When its driver is killed, Playwright sets an error on a future that nobody reads. Every call
    shows that the driver is gone, and the capture records it.
    """
    error = context.get("exception")
    if "never retrieved" in context.get("message", "") and str(error) == _DRIVER_GONE:
        return
    loop.default_exception_handler(context)
