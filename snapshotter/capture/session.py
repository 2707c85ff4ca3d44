"""
Run one capture with one browser, from its start to its end.

`CaptureSession.go` lists the steps: wait for the browser, open the page (`opened_page`), take the
steps on it (`page_steps`), write the record, end the browser. A supervisor in another thread may
end all of that at any moment; `CaptureSession.result` makes a `Capture` of what there is by then.
The driver stops after the last step, while the caller already works with the capture.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext

from snapshotter.capture import page_steps
from snapshotter.capture.browser import environment, os_processes
from snapshotter.capture.browser.call_guard import (
    CallGuard,
    CallTimeout,
    CaptureTimeout,
    PageLost,
    close_within,
)
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.capture.browser.launch import BrowserSetup, LaunchedBrowser
from snapshotter.capture.browser.prewarm import RunningBrowser
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.opened_page import OpenedPage, open_page
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.page.pending_callbacks import TraceWatch
from snapshotter.capture.page.size_limits import watch_size_limits
from snapshotter.capture.page_context import PageContext, SettlingTime
from snapshotter.capture.pictures.raster_gate import RasterGate
from snapshotter.capture.record.recorder import Recorder, Recording
from snapshotter.capture.redaction import concealer
from snapshotter.capture.spool import Spool
from snapshotter.capture.steps import first_error_line, reason_for_error
from snapshotter.errors import PolicyRefused, ServiceUnavailable
from snapshotter.model.capture import Capture, Environment, SandboxFacts, StepState
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.ports import Assessor, Clock, PictureReader, Progress
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_ENDING_S = 10.0  # kept for recording and closing
_ENDING_SHARE = 0.3  # of a short limit
_RESCUE_S = 4.0  # of that, for a picture and a text of a page that used its time up
_RESCUE_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureAttempt:
    """What one browser has to capture, and until when."""

    request: CaptureRequest
    decision: Decision
    spool: Path
    progress: Progress
    kill_at: float  # when the supervisor kills everything, on the clock's monotonic scale
    retry_until: float  # until when another browser may be tried, likewise
    failed_before: str = ""  # why a browser was given up before it requested the page; "" if none
    picture_reader: Callable[[], PictureReader] | None = None  # see `Capturer.capture`


class CaptureSession:
    """
    One capture with one browser, done once by `go` in a thread of its own.

    Args:
        browser_remark: What to record about the choice of the browser; "" for nothing.
        version: Ours, for the record.
        gate: Limits how many captures draw at once.
        assessor: Makes what assesses the page while it is open; None: nothing does.
        digests: Where the digest of the browser stays between processes; None: nowhere.
    """

    def __init__(
        self,
        attempt: CaptureAttempt,
        *,
        browser: BrowserSetup,
        browser_remark: str,
        recorder: Recorder,
        clock: Clock,
        version: str,
        gate: RasterGate,
        assessor: Callable[[], Assessor] | None,
        digests: Path | None,
    ) -> None:
        limits = attempt.decision.limits
        self._attempt = attempt
        self._decision = attempt.decision
        self._limits = limits
        self._spool = Spool(attempt.spool, clock)
        self._saved = attempt.spool / ".target"  # what the browser saves, until it is recorded
        self._clock = clock
        self._version = version
        self._browser = browser
        self._browser_remark = browser_remark
        self._recorder = recorder
        self._gate = gate
        self._make_assessor = assessor
        self._digests = digests
        self._reading: asyncio.Task[Assessor] | None = None  # of its rules
        self._ending_s = min(_ENDING_S, limits.total_s * _ENDING_SHARE)
        self._guard = CallGuard(clock, attempt.kill_at - self._ending_s)

        # What the supervisor may read at any time.
        self._builder = CaptureBuilder(
            requested_url=attempt.request.url, clock=clock, progress=attempt.progress
        )
        self._builder.is_light = attempt.decision.light
        if attempt.request.stripped:
            self._builder.note("strip-params", ", ".join(attempt.request.stripped)[:1000])
        if attempt.failed_before:
            why = self._without_paths(attempt.failed_before)
            self._builder.note("fresh-browser", f"the first browser failed: {why}"[:1000])
        self._recording: Recording | None = None
        self._version_facts: dict[str, str] = {}
        self._launched: LaunchedBrowser | None = None
        self._sandbox: SandboxFacts | None = None
        self._environment: Environment | None = None
        self._unavailable: ServiceUnavailable | PolicyRefused | None = None
        self._unready = ""  # why the browser failed before it requested anything
        self._bug: Exception | None = None
        self._killed = False
        self._closing = False
        self.ended = threading.Event()  # all steps are done, and the browser has ended

        # Of the thread that runs.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: RunningBrowser | None = None
        self._opened: OpenedPage | None = None
        self._document = MainDocument()
        self._description: asyncio.Task[Environment] | None = None
        self._memory_is_low = False
        self._crash = ("renderer-crashed", "the page's process crashed")

    # The list of steps

    async def go(self, start: Awaitable[RunningBrowser]) -> None:
        """
        Do all steps, set `ended`, and stop the driver. The result, or the failure, is kept for
        `result`.

        Args:
            start: Returns the browser, which may have been started before this capture.
        """
        try:
            await self._do_steps(start)
        except (PolicyRefused, ServiceUnavailable) as error:
            self._unavailable = error
        except Exception as error:  # noqa: BLE001 - kept, and raised by `result` in the caller's thread
            self._bug = error
        finally:
            self.ended.set()
            if self._running is not None:  # a driver that does not stop is killed by the caller
                await close_within(self._running.playwright.stop(), self._limits.close_s)

    async def _do_steps(self, start: Awaitable[RunningBrowser]) -> None:
        self._loop = asyncio.get_running_loop()
        closing: asyncio.Task[None] | None = None
        try:
            # (1) Wait for the browser.
            self._builder.begin_step("launch")
            self._running = await self._wait_for_browser(start)
            # (2) Open the page and take all steps on it.
            await self._capture(self._running.launched.context)
            if self._unready:
                return
            # (3) Keep what there is of a page that was given up early.
            if self._opened is not None:
                await page_steps.keep_first_look(self._opened)
            if self._description is not None:
                self._environment = await self._description
            # (4) End the browser, which is not needed any more, and write the record.
            closing = asyncio.create_task(self._close())
            self._pass_pictures()
            await self._record()
        finally:
            await (self._close() if closing is None else closing)

    def _pass_pictures(self) -> None:
        if self._attempt.picture_reader is not None and self._builder.pictures:
            self._attempt.picture_reader().taken(self._builder.pictures, self._spool.artifacts)

    def _start_assessor(self, assessor: "asyncio.Future[Assessor]") -> None:
        """Have the rules of the assessor read in the background, after the page was asked for."""
        if self._make_assessor is None:
            return
        self._reading = task = asyncio.create_task(asyncio.to_thread(self._make_assessor))

        def hand_over(task: asyncio.Task[Assessor]) -> None:
            if assessor.done() or task.cancelled():
                return
            if (error := task.exception()) is not None:
                assessor.set_exception(error)
                assessor.exception()  # why it failed is for whoever asks for it
            else:
                assessor.set_result(task.result())

        task.add_done_callback(hand_over)

    async def _wait_for_browser(self, start: Awaitable[RunningBrowser]) -> RunningBrowser:
        limit = self._limits.launch_s + self._limits.close_s  # it has limits of its own
        try:
            running = await self._guard.call("launching the browser", start, limit)
        except (CallTimeout, CaptureTimeout, PageLost) as error:
            raise ServiceUnavailable(
                tr(
                    "the browser did not start: {first_error_line}",
                    first_error_line=first_error_line(error),
                ),
                hint=tr(
                    "check whether this system has everything that the browser needs:\n  "
                    "snapshotter doctor"
                ),
            ) from error
        self._launched = running.launched
        self._builder.network = running.launched.network
        return running

    async def _capture(self, context: BrowserContext) -> None:
        """Open the page and take all steps on it; keep a minimum of a page that fails."""
        watching: list[asyncio.Task[None]] = []
        assessor: asyncio.Future[Assessor] = asyncio.get_running_loop().create_future()

        def navigated() -> None:
            self._start_description()
            self._start_assessor(assessor)

        try:
            self._opened = opened = await self._open(context, assessor)
            if opened is not None:
                watching = [
                    asyncio.create_task(opened.console.watch()),
                    asyncio.create_task(watch_size_limits(opened.context, opened.navigation)),
                ]
                await page_steps.capture_page(
                    opened, navigated=navigated, pictures_taken=self._pass_pictures
                )
        except Exception as error:  # noqa: BLE001 - as in a step: what there is already is evidence
            # An error outside of a step is not recorded yet.
            self._builder.add_reason(*self._reason("capture", error))
            if self._opened is not None:
                rescue_s = min(_RESCUE_S, self._ending_s * _RESCUE_SHARE)
                await page_steps.keep_minimum(self._opened, self._clock.monotonic() + rescue_s)
        finally:
            for task in watching:
                task.cancel()

    async def _open(
        self, context: BrowserContext, assessor: "asyncio.Future[Assessor]"
    ) -> OpenedPage | None:
        """Prepare everything for the first request; return None if that fails."""
        try:
            page_context = await self._page_context(context)
            opened: OpenedPage
            version: dict[str, Any]
            opened, version = await asyncio.gather(
                open_page(
                    page_context,
                    gate=self._gate,
                    saved=self._saved,
                    picture_reader=self._attempt.picture_reader,
                    assessor=assessor if self._make_assessor is not None else None,
                    may_retry=lambda: not self._is_last,
                ),
                self._guard.call(
                    "reading the version of the browser",
                    page_context.session.send("Browser.getVersion"),
                    self._limits.launch_s,
                ),
            )
            self._version_facts = {name: str(value) for name, value in version.items()}
        except Exception as error:  # noqa: BLE001 - after any error: no page was requested
            code, detail = self._reason("launch", error)
            if self._is_last or isinstance(error, CaptureTimeout):
                self._builder.add_reason(code, detail)
                self._builder.end_step(StepState.FAILED, detail)
            else:
                self._unready = detail
            return None
        self._builder.end_step(StepState.OK, self._browser_remark)
        return opened

    async def _page_context(self, context: BrowserContext) -> PageContext:
        limit, guard = self._limits.launch_s, self._guard
        page = (
            context.pages[0]
            if context.pages
            else await guard.call("opening a page", context.new_page(), limit)
        )
        session = await guard.call(
            "opening a session of the browser", context.new_cdp_session(page), limit
        )
        page.on("crash", lambda _: guard.lose(*self._crash))
        page.on("close", lambda _: self._note_gone("page-closed", "the page closed itself"))
        context.on("close", lambda _: self._note_gone("browser-lost", "the browser ended"))
        worlds = IsolatedWorlds(guard)
        return PageContext(
            request=self._attempt.request,
            decision=self._decision,
            clock=self._clock,
            browser=self._browser,
            page=page,
            session=session,
            guard=guard,
            worlds=worlds,
            trace=TraceWatch(guard, self._clock, worlds, self._recorder, self._builder.log),
            document=self._document,
            settling_time=SettlingTime(),
            recorder=self._recorder,
            builder=self._builder,
            spool=self._spool,
            memory_is_low=lambda: self._memory_is_low,
        )

    async def _record(self) -> None:
        """
        End the page's connections and write the record of what they carried.

        It may take as long as that takes: a killed browser is no reason to lose the record.
        """
        self._builder.begin_step("record")
        self._recording = await self._recorder.finish(
            final_url=self._builder.final_url, title=self._builder.title, text=self._builder.text
        )
        detail = f"requests: {self._recording.counts.total}"
        self._builder.end_step(StepState.OK, detail, name="record")

    async def _close(self) -> None:
        """
        End the page's connections and the browser.

        The browser is killed: a browser that is asked to close takes a tenth of a second for that,
        and keeps nothing that a capture needs. Its keys are on the disk by the time that its
        connections have ended.
        """
        self._closing = True
        if self._opened is not None:
            self._opened.recovery.over = True
        if self._running is None:
            return
        self._builder.begin_step("close")
        await asyncio.to_thread(self._browser.network.guard.stop)
        await asyncio.to_thread(self._browser.processes.kill_browser)
        self._builder.end_step(StepState.OK, name="close")

    # Facts about browser and machine

    def _start_description(self) -> None:
        """Describe the browser in the background: its file has to be hashed."""
        self._description = asyncio.create_task(self._describe())

    async def _describe(self) -> Environment:
        launched = self._launched
        if launched is None:
            raise RuntimeError("there is no browser to describe")
        self._sandbox = await asyncio.to_thread(
            self._browser.processes.sandbox, asked=launched.sandbox_asked, how=launched.sandbox_how
        )
        return await asyncio.to_thread(self._environment_now)

    def _environment_now(self) -> Environment:
        launched = self._launched
        asked = launched is not None and launched.sandbox_asked
        how = launched.sandbox_how if launched is not None else ""
        browser = self._browser.processes.browser
        return environment.describe(
            binary=self._browser.binary,
            workspace=self._browser.workspace,
            version=self._version,
            browser_version=self._version_facts,
            arguments=os_processes.command_line(browser) if browser is not None else (),
            user_agent=self._decision.user_agent or self._version_facts.get("userAgent", ""),
            sandbox=self._sandbox
            or SandboxFacts(
                asked=asked, enforced=False, detail=f"{how}; the processes were not checked"
            ),
            digests=self._digests,
        )

    # Called by the supervisor, from any thread

    def give_up(self, code: str, detail: str) -> None:
        """Give the page up; what can still be recorded is recorded."""
        self._builder.add_reason(code, detail)
        self._call_in_loop(self._guard.lose, code, detail)

    def note_driver_gone(self) -> None:
        """
        Note that the browser's driver has ended.

        Playwright does not report that between two calls: a page would be waited for until its time
        is used up.
        """
        if self._launched is not None:  # the start of a browser reports why it failed itself
            detail = "the driver of the browser ended"
            self._call_in_loop(self._note_gone, "browser-lost", detail)

    def note_memory_low(self) -> None:
        """Note that the browser has taken much of its memory."""
        self._memory_is_low = True

    def request_script_stop(self, detail: str) -> None:
        """Stop the page's scripts before the browser has to be killed."""
        opened = self._opened
        if opened is not None and not self._document.scripts_stopped:
            self._call_in_loop(opened.recovery.stop_scripts_soon, detail)

    def note_memory_exhausted(self, detail: str) -> None:
        """Note that a renderer is being killed because of its memory."""
        self._builder.add_reason("memory-limit", detail)
        self._crash = ("memory-limit", detail)

    def note_killed(self, code: str, detail: str) -> None:
        """Note that the browser is being killed."""
        self._killed = True
        self.give_up(code, detail)

    @property
    def unready(self) -> str:
        """
        Why this browser failed before it requested anything; "" if it did not.

        Another browser may then be tried, and `result` does not count.
        """
        if self._killed:
            return ""
        if isinstance(self._unavailable, ServiceUnavailable) and not self._is_last:
            return self._unavailable.message
        return self._unready

    @property
    def _is_last(self) -> bool:
        """Whether no other browser will be tried if this one fails."""
        return self._clock.monotonic() >= self._attempt.retry_until

    def result(self) -> Capture:
        """
        Compose the capture of what there is. Called after `go` has ended, or was given up.

        Raises:
            ServiceUnavailable: There never was a browser.
            PolicyRefused: It would have had no sandbox.
        """
        if self._launched is None and self._unavailable is None and self._killed:
            self._unavailable = ServiceUnavailable(
                tr("the browser did not start in time"),
                hint=tr(
                    "check whether this system has everything that the browser needs:\n  "
                    "snapshotter doctor"
                ),
            )
        if self._unavailable is not None:
            raise self._unavailable
        if self._bug is not None and not self._killed:
            raise self._bug
        self._builder.end_all_steps(StepState.FAILED, "the browser was killed")
        self._spool.put_back()
        if self._recording is None:
            self._recording = self._recorder.finish_now(
                final_url=self._builder.final_url, title=self._builder.title
            )
        expects_reload = self._document.expected_at is not None
        from snapshotter.capture.recording_checks import check_recording

        check_recording(
            self._builder, self._recording, self._decision, expects_reload=expects_reload
        )
        from snapshotter.capture.recording_checks import keep_target

        keep_target(
            self._builder,
            self._recording,
            self._spool,
            saved=self._saved,
            most=self._limits.response_bytes,
        )
        facts = self._environment or self._environment_now()
        made = self._builder.compose(
            self._recording,
            facts,
            self._spool,
            self._decision.certificate_authorities,
            salt=self._recorder.new_salt(),
        )
        return concealer.conceal(made, self._recording.concealer)

    # Shared

    def _call_in_loop(self, callback: Callable[..., None], *args: str) -> None:
        if (loop := self._loop) is not None and not loop.is_closed():
            loop.call_soon_threadsafe(callback, *args)

    def _note_gone(self, code: str, detail: str) -> None:
        if not self._closing:
            self._guard.lose(code, detail)

    def _reason(self, step: str, error: Exception) -> tuple[str, str]:
        code, detail = reason_for_error(step, error)
        return code, self._without_paths(detail)

    def _without_paths(self, text: str) -> str:
        """Remove paths of this machine from the message of a browser that did not start."""
        return environment.replace_paths_in_text(
            text, binary=self._browser.binary, workspace=self._browser.workspace
        )
