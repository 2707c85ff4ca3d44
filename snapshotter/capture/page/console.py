"""
Keep the first lines that a page writes to its console, and stop a flood of lines.

The browser sends each line, and each uncaught error, to its driver, with or without a listener. A
page can write faster than the driver reads. Then the browser keeps unread lines in its memory, and
answers our requests only after them. So after a number of lines, the browser is regularly sent a
trivial request. A late answer means that unread lines delay it: then the page's processes are
halted until the lines are read. If that happens again, the page's scripts are stopped for good. All
other calls may take longer meanwhile.
"""

import asyncio
from typing import Any

from playwright.async_api import ConsoleMessage, WebError
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.recovery import PageRecovery
from snapshotter.capture.capture_builder import CONSOLE_LINES
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.steps import first_error_line

_NO_WORKER = "Service Worker registration blocked"  # what Playwright writes to the console
_MANY = 20  # lines, from which on the trivial requests are sent
_LOOK_S = 0.1  # between an answer and the next question
_QUICK = 250  # lines since the question, more than most pages write
_LATE_S = 0.5  # for an answer that takes a few milliseconds, when so many came
_VERY_LATE_S = 1.0  # when fewer came
_THROUGH_S = 30.0  # at most, for lines that are on their way when a page is held
_HALT_S = 2.0  # for workers to take the order
_AFTER_S = 5.0  # for calls that wait longer than the lines, once these are through


class Console:
    """Keeps the console lines of the pages of one browser."""

    def __init__(self, page_context: PageContext, recovery: PageRecovery) -> None:
        self._context = page_context.page.context
        self._session = page_context.session  # answers in turn with what the browser tells of it
        self._guard = page_context.guard
        self._clock = page_context.clock
        self._builder = page_context.builder
        self._processes = page_context.browser.processes
        self._recorder = page_context.recorder
        self._recovery = recovery
        self._lines = 0
        self._hears = True
        self._floods = 0  # times that much was in the way of an answer
        self._context.on("console", self._on_console)
        self._context.on("weberror", self._on_web_error)

    async def watch(self) -> None:
        """Keep console lines from delaying all other answers. Ends with the page."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._lines < _MANY:
                continue
            answer = self._ask()
            try:
                if await self._is_late(answer):
                    await self._hold(answer)
                await answer
            except PlaywrightError as error:
                self._builder.log(
                    "console", f"the console is no longer watched: {first_error_line(error)}"
                )
                return
            finally:
                answer.cancel()

    def _ask(self) -> "asyncio.Future[Any]":
        """Send a trivial request to the browser, and return its pending answer."""
        answer = asyncio.ensure_future(self._session.send("Browser.getVersion"))
        answer.add_done_callback(lambda task: task.cancelled() or task.exception())
        return answer

    async def _is_late(self, answer: "asyncio.Future[Any]") -> bool:
        """Return whether an answer is late, because many lines are ahead of it."""
        asked, before = self._clock.monotonic(), self._lines
        while not answer.done():
            await asyncio.wait({answer}, timeout=_LOOK_S)
            late_s = self._clock.monotonic() - asked
            is_known = self._floods > 0 or self._lines - before > _QUICK
            if not answer.done() and late_s > (_LATE_S if is_known else _VERY_LATE_S):
                return True
        return False

    async def _hold(self, answer: "asyncio.Future[Any]") -> None:
        """
        Halt the page until its lines are read; the second time, stop its scripts as well.

        An order to stop waits behind the same lines. So the page's processes are halted from
        outside until these are read, and meet the order first when they run again. A page that only
        wrote much at once, or a machine that is busy, goes on.
        """
        began = self._clock.monotonic()
        self._guard.allow_until(began + _THROUGH_S)
        halting: asyncio.Future[None] | None = None
        await asyncio.to_thread(self._processes.hold_renderers)
        try:
            if self._floods:
                self._stop_listening()
                self._recovery.stop_scripts_soon(
                    "the page wrote to its console faster than the browser's driver can read"
                )
                halting = asyncio.ensure_future(self._recorder.observer.halt_workers())
            while (asked := self._clock.monotonic()) - began < _THROUGH_S:
                await asyncio.wait({answer}, timeout=_THROUGH_S)
                if self._clock.monotonic() - asked < _LATE_S / 2:
                    break
                answer = self._ask()
        finally:
            await asyncio.to_thread(self._processes.release_renderers)
        took_s = self._clock.monotonic() - began
        self._floods += took_s > _LATE_S
        self._builder.log(
            "console", f"the page was stopped for {took_s:.1f} s until its lines were read"
        )
        if halting is not None:
            await asyncio.wait({halting}, timeout=_HALT_S)
            halting.cancel()
        self._guard.allow_until(self._clock.monotonic() + _AFTER_S)

    def _stop_listening(self) -> None:
        """Listen no more: further lines are not kept."""
        if self._hears:
            self._hears = False
            self._context.remove_listener("console", self._on_console)
            self._context.remove_listener("weberror", self._on_web_error)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.text.startswith(_NO_WORKER):
            self._builder.warn(
                "service-worker-blocked",
                "the page requested a service worker, and snapshotter blocks service workers; "
                "data that this service worker would have stored, changed or sent are not in the "
                "bundle",
            )
        self._record_line(message.type, message.text, str(message.location.get("url", "")))

    def _on_web_error(self, error: WebError) -> None:
        self._record_line("exception", str(error.error), "")

    def _record_line(self, kind: str, text: str, url: str) -> None:
        self._lines += 1
        self._builder.console(kind, text, url)
        if self._lines > CONSOLE_LINES:
            self._stop_listening()
