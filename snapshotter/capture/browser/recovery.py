"""
Recover a page that does not answer: stop its scripts, cut its connections, or replace the
browser's GPU process.

A script that runs without end blocks everything else in the page's process, screenshots too. Once
it is stopped, what the page shows can still be kept.
"""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallTimeout, PageLost
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.steps import first_error_line

_ANSWER_S = 2.0  # for a page to say that it is there
_ORDER_S = 2.0  # for an order to it, that a blocked process may never take


class PageRecovery:
    """Makes one page answer again."""

    def __init__(self, page_context: PageContext) -> None:
        self._page_context = page_context
        self._session = page_context.session
        self._guard = page_context.guard
        self._document = page_context.document
        self._builder = page_context.builder
        self._tasks: set[asyncio.Task[None]] = set()
        self.over = False  # the page is done with; its scripts do not matter any more

    async def revive(self, *, all_scripts: bool = True) -> None:
        """
        Make sure that the page answers; stop a script that keeps it from answering.

        Args:
            all_scripts: Stop all scripts at once: one that ran without end because of our action
                would do so again.
        """
        recovery: list[Callable[[], Awaitable[None]]] = [self._stop_all_scripts]
        if not all_scripts:
            recovery.insert(0, self._end_script)
        # Requests beside the document's that do not end although loading was stopped: a
        # script may be waiting for one.
        waits = self._document.stuck_requests > (
            1 if self._page_context.recorder.observer.document_in_flight else 0
        )
        recovery.insert(0 if waits else len(recovery), self._cut)
        # The page may wait for what it draws: a shader can loop as a script does.
        recovery.append(self._replace_gpu)
        limit = min(_ANSWER_S, self._page_context.limits.step_s)
        for remedy in (*recovery, None):
            try:
                work = self._session.send("Runtime.evaluate", {"expression": "1"})
                await self._guard.call("the page", work, limit)
            except CallTimeout:
                if remedy is None:
                    break
            except PlaywrightError:
                return  # it answers, in its way
            else:
                return
            self._builder.add_reason(
                "page-unresponsive",
                "a script of the page did not end, and snapshotter stopped the script",
            )
            await remedy()
        self._guard.lose("page-unresponsive", "the page no longer answered")

    async def stop_scripts(self, why: str) -> None:
        """
        Let no script of the page run any more, and keep what the page shows.

        Our scripts run in worlds of their own, which this does not touch.
        """
        if self._document.scripts_stopped:
            return
        self._document.scripts_stopped = True
        self._builder.note("stop-scripts", why)
        try:
            failures = await self._page_context.worlds.stop_page_scripts(_ORDER_S)
        except PageLost:
            return  # and with it its scripts
        for failure in failures:
            self._builder.log("stop-scripts", f"the action had no effect: {failure}")

    def stop_scripts_soon(self, detail: str) -> None:
        """Stop the scripts from outside of a step, once; for the thread of the loop."""
        if self._document.scripts_stopped or self.over:
            return
        self._builder.add_reason("scripts-stopped", detail)
        task = asyncio.ensure_future(self.stop_scripts(detail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_script(self) -> None:
        """End the script that runs; other scripts of the page may run."""
        self._builder.note("stop-script", "the page did not answer")
        try:
            order = "Runtime.terminateExecution"
            await self._guard.call(order, self._session.send(order), _ORDER_S)
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log("stop-script", f"the action had no effect: {first_error_line(error)}")

    async def _stop_all_scripts(self) -> None:
        # A page that loops when it is left: while the navigation away is pending, no order
        # reaches its process.
        try:
            await self._guard.call("stopping", self._session.send("Page.stopLoading"), _ORDER_S)
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log(
                "stop-loading", f"the action had no effect: {first_error_line(error)}"
            )
        await self.stop_scripts("the page did not answer")

    async def _replace_gpu(self) -> None:
        self._builder.note("replace-gpu-process", "the page did not answer")
        if not await asyncio.to_thread(self._page_context.browser.processes.kill_gpu):
            self._builder.log(
                "replace-gpu-process", "the action had no effect: there is no GPU process"
            )

    async def _cut(self) -> None:
        """End every connection: a script that waits for a response does not end otherwise."""
        self._builder.note("go-offline", "the page did not answer")
        await asyncio.to_thread(
            self._page_context.browser.network.guard.cut, "the page did not answer"
        )
