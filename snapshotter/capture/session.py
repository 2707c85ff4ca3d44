"""
One capture from its browser's start to its end: what is done in which order.

The steps themselves are in modules of their own: `navigation`, `reveal`, `picture_set`,
`page_writer` and the recorder. Here they are put together, supervised from outside
and made into a `Capture`, whatever became of them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from playwright.async_api import (
    BrowserContext,
    CDPSession,
    Page,
    Playwright,
)
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.behaviours.page_context import PageContext, SettlingTime
from snapshotter.capture.behaviours.reveal import PageReveal
from snapshotter.capture.browser import environment, os_processes
from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, ScriptError
from snapshotter.capture.browser.launch import BrowserSetup, LaunchedBrowser
from snapshotter.capture.browser.prewarm import RunningBrowser
from snapshotter.capture.browser.recovery import PageRecovery
from snapshotter.capture.capture_builder import CaptureBuilder
from snapshotter.capture.page import file_target, text_difference
from snapshotter.capture.page import received_documents as documents
from snapshotter.capture.page.console import Console
from snapshotter.capture.page.geometry import PageGeometry
from snapshotter.capture.page.live_assessment import LiveAssessment
from snapshotter.capture.page.main_document import MainDocument
from snapshotter.capture.page.navigation import Navigation
from snapshotter.capture.page.page_writer import PageWriter
from snapshotter.capture.page.pending_callbacks import TraceWatch
from snapshotter.capture.page.popup_blocker import PopupBlocker
from snapshotter.capture.pictures.first_look import FirstLook
from snapshotter.capture.pictures.picture_set import PictureResult, PictureSet, set_window
from snapshotter.capture.pictures.raster_gate import RasterGate
from snapshotter.capture.pictures.screenshot import DEFAULT, Camera, check_paints_below_window
from snapshotter.capture.pictures.screenshot_command import ScreenshotCommand
from snapshotter.capture.record.recorder import RESPONSE_TOO_LARGE, Recorder, Recording
from snapshotter.capture.redaction import concealer as viewer
from snapshotter.capture.retakes import Retakes
from snapshotter.capture.spool import Spool
from snapshotter.capture.steps import StepBody, StepEnd, Steps, first_error_line, reason_for_error
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Capture, Environment, SandboxFacts, StepState
from snapshotter.model.request import CaptureRequest, Decision, Viewport
from snapshotter.ports import Assessor, Clock, Progress

_LOOK_S = 0.05  # between two looks at a condition
_ENDING_S = 10.0  # kept for recording and closing
_ENDING_SHARE = 0.3  # of a short limit
_RESCUE_S = 4.0  # of that, for a picture and a text of a page that used its time up
_RESCUE_SHARE = 0.5
_ENTER_S = 2.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # of which a browser shows no body
_LARGE_DOCUMENT = 8 << 20  # bytes from which on a document that still comes may be the trouble

# Browsers of this machine that were tried, and whether they show what lies below a window.
_PAINTS_BELOW: dict[Path, bool] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenPage:
    """One page before its first request, and everything that works on it."""

    page: Page
    session: CDPSession
    page_context: PageContext
    steps: Steps
    recovery: PageRecovery
    navigation: Navigation
    reveal: PageReveal
    page_writer: PageWriter
    camera: Camera
    first_look: FirstLook
    console: Console
    live_assessment: LiveAssessment | None  # None: nobody judges


class CaptureSession:
    """
    One capture, done once by `go` in a thread of its own.

    Args:
        kill_at: When the supervisor will kill everything, on the clock's monotonic scale.
        before: Why another browser was given up before its page was asked for; "" if none was.
        again_until: Until when another browser may be tried, on the clock's monotonic scale.
    """

    def __init__(
        self,
        *,
        request: CaptureRequest,
        decision: Decision,
        spool_root: Path,
        progress: Progress,
        clock: Clock,
        version: str,
        browser: BrowserSetup,
        browser_remark: str,
        recorder: Recorder,
        gate: RasterGate,
        assessor: Callable[[], Assessor] | None,
        kill_at: float,
        before: str,
        again_until: float,
    ) -> None:
        self._again_until = again_until
        self._request = request
        self._decision = decision
        self._limits = decision.limits
        self._spool = Spool(spool_root, clock)
        self._saved = spool_root / ".target"  # what the browser saves, until it is recorded
        self._clock = clock
        self._version = version
        self._browser = browser
        self._browser_remark = browser_remark
        self._recorder = recorder
        self._gate = gate
        self._make_assessor = assessor
        self._assessor: asyncio.Task[Assessor] | None = None
        self._ending_s = min(_ENDING_S, decision.limits.total_s * _ENDING_SHARE)
        self._guard_deadline = kill_at - self._ending_s

        # What the supervisor may read at any time.
        self._builder = CaptureBuilder(requested_url=request.url, clock=clock, progress=progress)
        self._builder.is_light = decision.light
        self._note = self._builder.note
        if request.stripped:
            self._note("strip-params", ", ".join(request.stripped)[:1000])
        if before:
            why = self._without_paths(before)
            self._note("fresh-browser", f"the one before was of no use: {why}"[:1000])
        self._complain = self._builder.add_reason
        self._recording: Recording | None = None
        self._version_facts: dict[str, str] = {}
        self._launched: LaunchedBrowser | None = None
        self._sandbox: SandboxFacts | None = None
        self._environment: Environment | None = None
        self._unavailable: ServiceUnavailable | PolicyRefused | None = None
        self._unready = ""  # why the browser is of no use; nothing was asked for with it
        self._bug: Exception | None = None
        self._killed = False
        self._closing = False

        # Of the thread that runs.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard: CallGuard | None = None
        self._opened: _OpenPage | None = None
        self._document = MainDocument()
        self._description: asyncio.Task[Environment] | None = None
        self._memory_is_low = False
        self._crash = ("renderer-crashed", "the page's process crashed")

    def _reason(self, step: str, error: Exception) -> tuple[str, str]:
        code, detail = reason_for_error(step, error)
        return code, self._without_paths(detail)

    def _without_paths(self, text: str) -> str:
        """What a system says of a browser that does not start names files of this machine."""
        return environment.replace_paths_in_text(
            text, binary=self._browser.binary, workspace=self._browser.workspace
        )

    # Called by the supervisor

    async def go(self, start: Awaitable[RunningBrowser]) -> None:
        """
        Do all steps. Whatever comes of it is kept for `result`.

        Args:
            start: Gives the browser; it may have begun before this capture.
        """
        try:
            await self._main(start)
        except (PolicyRefused, ServiceUnavailable) as error:
            self._unavailable = error
        except Exception as error:  # noqa: BLE001 - kept, and raised by `result` in the caller's thread
            self._bug = error

    def give_up(self, code: str, detail: str) -> None:
        """Give the page up; what can still be recorded is. Callable from any thread."""
        self._complain(code, detail)
        loop, guard = self._loop, self._guard
        if loop is not None and guard is not None and not loop.is_closed():
            loop.call_soon_threadsafe(guard.lose, code, detail)

    def note_driver_gone(self) -> None:
        """
        Take note that nobody answers for the browser any more. Callable from any thread.

        Between two calls Playwright does not say so: a page would be waited for until its
        time is used up.
        """
        loop = self._loop
        # Of a browser that did not start, the start itself says why.
        if loop is not None and self._launched is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._gone, "browser-lost", "the browser's driver went away")

    def memory_is_low(self) -> None:
        """Take note that little is left of the memory that the browser may take."""
        self._memory_is_low = True

    def request_script_stop(self, detail: str) -> None:
        """Stop the page's scripts before the browser has to be killed. From any thread."""
        loop, opened = self._loop, self._opened
        if opened is None or opened.recovery.scripts_stopped:
            return
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(opened.recovery.stop_scripts_soon, detail)

    def note_memory_exhausted(self, detail: str) -> None:
        """Take note that a renderer is being killed from outside. From any thread."""
        self._complain("memory-limit", detail)
        self._crash = ("memory-limit", detail)

    def killed(self, code: str, detail: str) -> None:
        """Take note that the browser is being killed from outside."""
        self._killed = True
        self.give_up(code, detail)

    @property
    def unready(self) -> str:
        """
        Why this browser is of no use, when nothing was asked for with it; "" otherwise.

        Then another one may do what this one did not, and `result` is of no interest.
        """
        if self._killed:
            return ""
        if isinstance(self._unavailable, ServiceUnavailable) and not self._is_last:
            return self._unavailable.message
        return self._unready

    @property
    def _is_last(self) -> bool:
        """Whether what this browser does not do is not done."""
        return self._clock.monotonic() >= self._again_until

    def result(self) -> Capture:
        """
        Put together what there is. Called after `go` has ended, or was given up.

        Raises:
            ServiceUnavailable: There never was a browser.
            PolicyRefused: It would have had no sandbox.
        """
        if self._launched is None and self._unavailable is None and self._killed:
            self._unavailable = ServiceUnavailable(
                "the browser did not start in time", hint="snapshotter doctor"
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
        self._builder.check_clocks(self._recording.response, self._decision.clock_skew_s)
        if hashes := frozenset(self._decision.media.placeholder_hashes):
            digests = self._recording.picture_digests
            found = {url for url, digest in digests if digest in hashes}
            concealer = self._recording.concealer
            self._builder.mark_placeholders(found, concealer.conceal_text if concealer else str)
        self._compare_texts(self._recording)
        announced = self._document.expected_at is not None
        self._builder.check_reloads(self._recording.redirects, announced=announced)
        self._keep_target(self._recording)
        facts = self._environment or self._environment_now()
        made = self._builder.compose(
            self._recording, facts, self._spool, self._decision.certificate_authorities
        )
        return viewer.conceal(made, self._recording.concealer)

    def _compare_texts(self, recording: Recording) -> None:
        """Warn where the page that was shown says something else than its documents did."""
        try:
            found = tuple(documents.compare_documents(recording.documents, self._builder.text))
        except OSError as error:
            self._builder.log("comparison", f"without effect: {first_error_line(error)}")
            return
        finally:
            for received_document in recording.documents:
                if received_document.body is not None and not received_document.is_final:
                    received_document.body.file.unlink(missing_ok=True)
        self._builder.documents = tuple(document.document for document in found)
        bound = self._decision.divergence_percent
        for document in found:
            apart = document.difference
            if apart is None:
                continue
            if document.is_final and max(apart.not_shown, apart.not_received) > bound:
                self._builder.warn(
                    "raw-rendered-divergence",
                    f"{apart.not_shown} % of the words of the document as received were not "
                    f"shown, {apart.not_received} % of those shown were not in it",
                )
            # One of few words is a step on the way, and not what somebody came for.
            elif (
                not document.is_final
                and apart.received_words >= text_difference.WORDS
                and apart.not_shown > bound
            ):
                self._builder.warn(
                    "raw-rendered-divergence",
                    f"{document.departure}: {apart.not_shown} % of the words "
                    "of that document were not shown in the end",
                )

    def _keep_target(self, recording: Recording) -> None:
        """Keep the body of a target that is no page as a file of its own."""
        was_saved, body = self._saved.exists() or self._builder.is_answered, recording.main_body
        try:
            answer = recording.response
            is_redirect = answer is not None and answer.status in _REDIRECTS
            if (
                body is not None
                and not is_redirect
                and (was_saved or not file_target.is_page_media_type(body.media_type))
            ):
                file_target.save_body(body, self._spool, most=self._limits.response_bytes)
                self._builder.is_answered = True
        except (OSError, SnapshotterError) as error:
            self._complain("target-failed", first_error_line(error))
        finally:
            self._saved.unlink(missing_ok=True)
            if body is not None:
                body.file.unlink(missing_ok=True)

    # Steps

    async def _main(self, start: Awaitable[RunningBrowser]) -> None:
        self._loop = asyncio.get_running_loop()
        self._guard = guard = CallGuard(self._clock, self._guard_deadline)
        playwright: Playwright | None = None
        context: BrowserContext | None = None
        closing: asyncio.Task[None] | None = None
        if self._make_assessor is not None:  # it reads its rules while the browser starts
            self._assessor = asyncio.create_task(asyncio.to_thread(self._make_assessor))
            self._assessor.add_done_callback(_seen)  # why it failed is for who asks for it
        self._builder.begin_step("launch")
        try:
            running = await self._started(guard, start)
            playwright, launched = running.playwright, running.launched
            context = launched.context
            self._launched = launched
            self._builder.network = launched.network
            watch = asyncio.create_task(self._watch_limits(context))
            listening: asyncio.Task[None] | None = None
            try:
                self._opened = opened = await self._ready(context)
                if opened is not None:
                    listening = asyncio.create_task(opened.console.watch())
                    await self._capture_page(opened)
            except Exception as error:  # noqa: BLE001 - as in a step: what there is already is evidence
                # What happened outside a step has not been said yet.
                self._complain(*self._reason("capture", error))
                await self._keep_minimum()
            finally:
                watch.cancel()
                if listening is not None:
                    listening.cancel()
            if self._unready:
                return
            await self._keep_first_look()
            if self._description is not None:
                self._environment = await self._description
            # Nothing is asked of the browser any more: it closes while the record is written.
            closing = asyncio.create_task(self._close(context, playwright))
            await self._record()
        finally:
            await (self._close(context, playwright) if closing is None else closing)

    async def _started(self, guard: CallGuard, start: Awaitable[RunningBrowser]) -> RunningBrowser:
        limit = self._limits.launch_s + self._limits.close_s  # it has limits of its own
        try:
            return await guard.call("launching the browser", start, limit)
        except (CallTimeout, CaptureTimeout, PageLost) as error:
            raise ServiceUnavailable(
                f"the browser did not start: {first_error_line(error)}", hint="snapshotter doctor"
            ) from error

    async def _ready(self, context: BrowserContext) -> _OpenPage | None:
        """Make everything ready for the first request; return nothing if that can not be."""
        try:
            opened = await self._prepare(context)
        except Exception as error:  # noqa: BLE001 - whatever it is: no page has been asked for
            code, detail = self._reason("launch", error)
            if self._is_last or isinstance(error, CaptureTimeout):
                self._complain(code, detail)
                self._builder.end_step(StepState.FAILED, detail)
            else:
                self._unready = detail
            return None
        self._builder.end_step(StepState.OK, self._browser_remark)
        return opened

    async def _capture_page(self, opened: _OpenPage) -> None:
        steps, navigation = opened.steps, opened.navigation
        watch = asyncio.create_task(opened.first_look.watch())
        try:
            arrived = await steps.take("navigate", navigation.go)
        finally:
            watch.cancel()
        # Beside the other steps: it hashes the browser.
        self._description = asyncio.create_task(self._describe())
        if not arrived or not self._document.count:
            return
        # Our world is made in the page meanwhile: that needs its process, a picture mostly others.
        await asyncio.gather(
            opened.first_look.take("before it was scrolled"), _enter(opened.page_context)
        )
        await opened.reveal.everything()
        if opened.live_assessment is not None and not await opened.live_assessment.settled():
            return
        if self._document.away:  # nothing of the page is there to be photographed
            return
        await opened.reveal.hold()
        documents = self._document.count
        self._builder.final_url = opened.page.url
        picture_set = self._picture_set(opened)
        retakes = Retakes(
            opened.page_context,
            opened.reveal,
            document=self._document,
            builder=self._builder,
            spool=self._spool,
            is_heavy=lambda: self._memory_is_low,
        )
        await retakes.take_consistent(lambda: self._take(opened, picture_set))
        if not self._decision.light:
            for name, body in self._further_pictures(picture_set):
                await steps.take(name, body)
        if self._document.count != documents or self._document.away:
            self._complain("page-navigated", "the page went elsewhere while it was photographed")
        elif navigation.wanted_url:
            self._builder.warn(
                "page-held",
                f"the page tried to navigate to {navigation.wanted_url} while it was photographed, "
                "and was held; pictures and text show the document before",
            )

    async def _take(self, opened: _OpenPage, picture_set: PictureSet) -> None:
        """Photograph and read the page as it stands; see `takes.STEPS`."""
        steps, page_writer = opened.steps, opened.page_writer
        await steps.take("viewport", picture_set.viewport)
        whole: list[tuple[str, StepBody]] = []
        if not self._decision.light:
            whole += [
                ("screenshot", lambda: _step_end_of_picture(picture_set.page())),
                ("mhtml", page_writer.mhtml),
            ]
        whole += [("dom", page_writer.document), ("text", page_writer.text)]
        if self._memory_is_low:
            # A photograph beyond the viewport paints the whole page: on one of very much
            # text it may be the last thing that the browser does.
            whole.sort(key=lambda step: step[0] == "screenshot")
            for name, body in whole:
                await steps.take(name, body)
        else:
            await steps.beside(whole)

    async def _keep_minimum(self) -> None:
        """A page that used its time up has at least a picture and a text."""
        guard, opened = self._need_guard(), self._opened
        if guard.lost or opened is None or not self._document.count:
            return
        guard.extend(self._clock.monotonic() + min(_RESCUE_S, self._ending_s * _RESCUE_SHARE))
        made = {artifact.path for artifact in self._spool.artifacts}
        steps: tuple[tuple[str, str, StepBody], ...] = (
            ("viewport", "capture/viewport.png", self._picture_set(opened).viewport),
            ("dom", "capture/dom.html", opened.page_writer.document),
            ("text", "capture/page.txt", opened.page_writer.text),
        )
        try:
            await opened.recovery.stop_scripts("the time for the capture was used up")
            for name, path, body in steps:
                if path not in made:
                    await opened.steps.take(name, body)
        except (PageLost, CaptureTimeout) as error:
            self._builder.log("rescue", f"ended: {reason_for_error('capture', error)[1]}")

    async def _keep_first_look(self) -> None:
        """A page that was given up before its turn has the picture of a first look."""
        made = {artifact.path for artifact in self._spool.artifacts}
        if self._opened is not None and "capture/viewport.png" not in made:
            await self._opened.first_look.keep()

    async def _prepare(self, context: BrowserContext) -> _OpenPage:
        """Put everything in place that has to be there before the first request."""
        limit = self._limits.launch_s  # a browser that starts late does this late, too
        guard, builder = self._need_guard(), self._builder
        page = (
            context.pages[0]
            if context.pages
            else await guard.call("a page", context.new_page(), limit)
        )
        cdp = await guard.call("a session", context.new_cdp_session(page), limit)
        version = await guard.call("the version", cdp.send("Browser.getVersion"), limit)
        self._version_facts = {name: str(value) for name, value in version.items()}
        page.on("crash", lambda _: guard.lose(*self._crash))
        page.on("close", lambda _: self._gone("page-closed", "the page closed itself"))
        context.on("close", lambda _: self._gone("browser-lost", "the browser went away"))
        worlds = IsolatedWorlds(guard)
        recovery = PageRecovery(
            cdp,
            worlds,
            guard,
            document=self._document,
            recorder=self._recorder,
            builder=builder,
            limits=self._limits,
            way=self._browser.network.guard,
            processes=self._browser.processes,
        )
        console = Console(
            context,
            cdp,
            guard,
            clock=self._clock,
            builder=builder,
            processes=self._browser.processes,
            recorder=self._recorder,
            recovery=recovery,
        )
        popup_blocker = PopupBlocker(
            context, page, guard, self._decision, self._note, self._complain, recovery.stop_scripts
        )
        navigation = Navigation(
            page,
            cdp,
            guard,
            self._decision,
            url=self._request.url,
            saved=self._saved,
            folder=self._browser.workspace.artifacts,
            clock=self._clock,
            document=self._document,
            popup_blocker=popup_blocker,
            recorder=self._recorder,
            recovery=recovery,
            builder=builder,
            way=self._browser.network.guard,
        )
        await guard.call("the page's events", cdp.send("Page.enable"), limit)
        watch = TraceWatch(guard, self._clock, worlds, self._recorder, builder.log)
        await asyncio.gather(
            guard.call("the recorder", self._recorder.attach(context, cdp), limit),
            watch.begin(context),
        )
        await worlds.attach(context, page, limit)
        page_context = PageContext(
            worlds=worlds,
            recorder=self._recorder,
            guard=guard,
            decision=self._decision,
            clock=self._clock,
            note=self._note,
            document=self._document,
            watch=watch,
            patience=SettlingTime(),
            settled=builder.settled,
            scripts_stopped=lambda: recovery.scripts_stopped,
        )
        width, height = self._decision.viewport_px
        window = Viewport(name=DEFAULT, width=width, height=height, scale=self._decision.scale)
        await set_window(page_context, cdp, window)
        shutter = ScreenshotCommand(cdp, guard, lambda words: builder.log("again", words))
        camera = Camera(
            cdp,
            shutter,
            self._spool,
            guard,
            self._decision,
            layout=PageGeometry(cdp, worlds, guard, self._limits.step_s),
            gate=self._gate,
            beyond=not await self._paints_below(cdp, shutter),
            work=self._browser.workspace.root,
            say=builder.say,
            warn=lambda words: self._complain("picture-blank", words),
        )
        steps = Steps(builder, self._document, recovery.revive)
        reveal = PageReveal(
            page_context,
            cdp,
            steps=steps,
            navigation=navigation,
            recovery=recovery,
            camera=camera,
            document=self._document,
            builder=builder,
            spool=self._spool,
        )
        live_assessment = None
        if self._assessor is not None:
            live_assessment = LiveAssessment(
                self._assessor,
                requested_url=self._request.url,
                page_context=page_context,
                steps=steps,
                navigation=navigation,
                reveal=reveal,
                camera=camera,
                document=self._document,
                builder=builder,
                spool=self._spool,
            )
        return _OpenPage(
            page=page,
            session=cdp,
            page_context=page_context,
            steps=steps,
            recovery=recovery,
            navigation=navigation,
            reveal=reveal,
            page_writer=PageWriter(
                cdp, worlds, guard, builder=builder, spool=self._spool, limits=self._limits
            ),
            camera=camera,
            first_look=FirstLook(
                camera,
                self._document,
                clock=self._clock,
                builder=builder,
                memory_is_low=lambda: self._memory_is_low,
            ),
            live_assessment=live_assessment,
            console=console,
        )

    async def _paints_below(self, cdp: CDPSession, shutter: ScreenshotCommand) -> bool:
        """
        Say whether pictures may be taken in the way that leaves the page alone.

        A browser that can not be tried is photographed in the way that works in every one.
        """
        path = self._browser.binary.path
        if path not in _PAINTS_BELOW:
            guard, limit = self._need_guard(), self._limits.launch_s
            try:
                _PAINTS_BELOW[path] = await check_paints_below_window(cdp, shutter, guard, limit)
            except (CallTimeout, PlaywrightError, SnapshotterError) as error:
                if not self._is_last:
                    raise
                self._builder.warn(
                    "trial-failed",
                    "whether this browser shows what lies below a window could not be tried "
                    f"({first_error_line(error)}): parts of the page were photographed in a window "
                    "made for each, as the page may notice",
                )
                return False
        return _PAINTS_BELOW[path]

    def _picture_set(self, opened: _OpenPage) -> PictureSet:
        return PictureSet(
            opened.camera,
            opened.page_context,
            opened.session,
            self._builder,
            stuck_requests=self._document.stuck_requests,
            lost=opened.navigation.lost_media,
        )

    def _further_pictures(self, picture_set: PictureSet) -> list[tuple[str, StepBody]]:
        """Return the steps that were asked for, those last that change the page most."""
        wanted, box = self._decision.pictures, picture_set.inner_box
        steps: list[tuple[str, StepBody]] = []
        if wanted.elements:
            steps.append(("elements", lambda: _step_end_of_picture(picture_set.elements())))
        if wanted.pdf:
            steps.append(("pdf", picture_set.pdf))
        if box is not None and wanted.inner_box:
            steps.append(("inner-box", lambda: _step_end_of_picture(picture_set.expanded(box))))
        # Phones last: once touch was there, this browser has no mouse that hovers any more.
        for window in sorted(wanted.viewports, key=lambda viewport: viewport.mobile):
            body = partial(self._in_window, picture_set, window)
            steps.append((f"viewport-{window.name}", body))
        return steps

    async def _in_window(self, picture_set: PictureSet, window: Viewport) -> StepEnd | str:
        return await _step_end_of_picture(picture_set.in_window(window))

    async def _record(self) -> None:
        """
        End the page's connections and write down what they carried.

        It may take as long as that takes: a killed browser is no reason to lose the record.
        """
        self._builder.begin_step("record")
        self._recording = await self._recorder.finish(
            final_url=self._builder.final_url, title=self._builder.title, text=self._builder.text
        )
        words = f"{self._recording.counts.total} requests"
        self._builder.end_step(StepState.OK, words, name="record")

    async def _close(self, context: BrowserContext | None, playwright: Playwright | None) -> None:
        self._closing = True
        if self._opened is not None:
            self._opened.recovery.over = True
        if self._launched is None:
            return
        self._builder.begin_step("close")
        closed = context is not None and await self._bounded(context.close())
        if closed:
            await asyncio.to_thread(self._browser.processes.kill_browser)  # what has left it
        else:
            self._browser.processes.kill()
        if playwright is not None:
            await self._bounded(playwright.stop())
        words = "" if closed else "the browser was killed"
        self._builder.end_step(StepState.OK, words, name="close")

    # Parts of steps

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
            or SandboxFacts(asked=asked, enforced=False, detail=f"{how}; not looked at"),
        )

    async def _watch_limits(self, context: BrowserContext) -> None:
        """Cut the page off when the recorder has seen more than a capture may hold."""
        done = ""
        while done in ("", RESPONSE_TOO_LARGE):
            code, detail = self._over_limit()
            if not code or code == done:  # what was passed can look as if it were not, again
                await asyncio.sleep(_LOOK_S)
                continue
            done = code
            if code == RESPONSE_TOO_LARGE:  # whatever else the page wants may come
                self._complain(code, f"{detail}; loading was stopped")
            else:
                self._complain(code, "the page wanted more than a capture may hold; it was cut off")
                self._note("go-offline", code)
                await self._bounded(context.set_offline(True))
            if self._opened is not None:  # else nothing has been asked for yet
                await self._opened.navigation.stop_loading("length")
            self._document.cut_at = self._document.count

    def _over_limit(self) -> tuple[str, str]:
        code = self._recorder.over_limit
        if not code and self._memory_is_low:
            # Text takes 20 to 30 times its length once it is laid out. Stopped now, it
            # can still be photographed.
            length = self._recorder.document_in_flight
            if length > _LARGE_DOCUMENT:
                detail = f"the page's document took much of the memory after {length} bytes"
                return RESPONSE_TOO_LARGE, detail
        return code, "an answer was larger than one may be"

    # Events of the page

    def _gone(self, code: str, detail: str) -> None:
        if not self._closing:
            self._need_guard().lose(code, detail)

    # Calls

    async def _bounded(self, work: Awaitable[None]) -> bool:
        """Do something at the end that may fail; say whether it did not."""
        try:
            await asyncio.wait_for(work, timeout=self._limits.close_s)
        except Exception as error:  # noqa: BLE001 - a driver that dies raises plain ones
            self._builder.log("close", f"without effect: {first_error_line(error)}")
            return False
        return True

    def _need_guard(self) -> CallGuard:
        if self._guard is None:
            raise RuntimeError("a step was taken before what it needs was there")
        return self._guard


def _seen(task: asyncio.Task[Assessor]) -> None:
    if not task.cancelled():
        task.exception()


async def _enter(page_context: PageContext) -> None:
    """Make our world in the main frame, before the first step that needs it."""
    with contextlib.suppress(
        CallTimeout, ScriptError
    ):  # the first step meets it again, and says so
        await page_context.ask("measure", limit_s=_ENTER_S)


async def _step_end_of_picture(work: Awaitable[PictureResult]) -> StepEnd | str:
    shown = await work
    return shown.detail if shown.whole else StepEnd(StepState.PARTIAL, shown.detail)
