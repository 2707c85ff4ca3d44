"""
What is done for a page that does not answer, or whose scripts take too much: they are stopped.

A script that spins keeps the page's process from everything else, also from being
photographed. Ended, one by one or all of them, what the page shows is there to be kept.
"""

import asyncio
from collections.abc import Awaitable, Callable

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, PageLost
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.record.recorder import Recorder
from snapshotter.capture.steps import first_error_line
from snapshotter.egress.guard import EgressGuard
from snapshotter.model.request import Limits

_ANSWER_S = 2.0  # for a page to say that it is there
_ORDER_S = 2.0  # for an order to it, that a blocked process may never take


class PageRecovery:
    """
    Makes one page answer again.

    Args:
        way: The page's way to the network, that can be cut.
        processes: The browser's, of which the one that draws can be replaced.
    """

    def __init__(
        self,
        session: CDPSession,
        worlds: IsolatedWorlds,
        guard: CallGuard,
        *,
        document: MainDocument,
        recorder: Recorder,
        builder: CaptureBuilder,
        limits: Limits,
        way: EgressGuard,
        processes: BrowserProcesses,
    ) -> None:
        self._session = session
        self._worlds = worlds
        self._guard = guard
        self._document = document
        self._recorder = recorder
        self._builder = builder
        self._limits = limits
        self._way = way
        self._processes = processes
        self._tasks: set[asyncio.Task[None]] = set()
        self.scripts_stopped = False  # by us: none of the page runs any more
        self.over = False  # the page is done with; its scripts do not matter any more

    async def revive(self, *, all_scripts: bool = True) -> None:
        """
        See that the page answers; stop a script that keeps it from answering.

        Args:
            all_scripts: Stop all of them at once: one that ran without end because of
                something that we did would do so again.
        """
        recovery: list[Callable[[], Awaitable[None]]] = [self._stop_all_scripts]
        if not all_scripts:
            recovery.insert(0, self._end_script)
        # Requests beside the document's that do not end although loading was stopped: a
        # script may be waiting for one.
        waits = self._document.stuck_requests > (1 if self._recorder.document_in_flight else 0)
        recovery.insert(0 if waits else len(recovery), self._cut)
        # The page may wait for what it draws: a shader can loop as a script does.
        recovery.append(self._replace_gpu)
        limit = min(_ANSWER_S, self._limits.step_s)
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
                "page-unresponsive", "a script of the page ran without end and was stopped"
            )
            await remedy()
        self._guard.lose("page-unresponsive", "the page did not answer any more")

    async def stop_scripts(self, why: str) -> None:
        """
        Let no script of the page run any more, and keep what it shows.

        Ours run in worlds of their own, which this leaves alone.
        """
        if self.scripts_stopped:
            return
        self.scripts_stopped = True
        self._builder.note("stop-scripts", why)
        try:
            failures = await self._worlds.stop_page_scripts(_ORDER_S)
        except PageLost:
            return  # and with it its scripts
        for words in failures:
            self._builder.log("stop-scripts", f"without effect: {words}")

    def stop_scripts_soon(self, detail: str) -> None:
        """Stop them from outside a step, once; for the thread of the loop."""
        if self.scripts_stopped or self.over:
            return
        self._builder.add_reason("scripts-stopped", detail)
        task = asyncio.ensure_future(self.stop_scripts(detail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end_script(self) -> None:
        """End the script that runs; others of the page may."""
        self._builder.note("stop-script", "the page did not answer")
        try:
            order = "Runtime.terminateExecution"
            await self._guard.call(order, self._session.send(order), _ORDER_S)
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log("stop-script", f"without effect: {first_error_line(error)}")

    async def _stop_all_scripts(self) -> None:
        # A page that loops when it is left: while the navigation away is pending, no order
        # reaches its process.
        try:
            await self._guard.call("stopping", self._session.send("Page.stopLoading"), _ORDER_S)
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log("stop-loading", f"without effect: {first_error_line(error)}")
        await self.stop_scripts("the page did not answer")

    async def _replace_gpu(self) -> None:
        self._builder.note("replace-gpu-process", "the page did not answer")
        if not await asyncio.to_thread(self._processes.kill_gpu):
            self._builder.log("replace-gpu-process", "without effect: there is none")

    async def _cut(self) -> None:
        """End every connection: a script that waits for an answer ends by nothing else."""
        self._builder.note("go-offline", "the page did not answer")
        await asyncio.to_thread(self._way.cut, "the page did not answer")
