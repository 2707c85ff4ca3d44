"""
The steps of one capture, from launching the browser to closing it.

Each step has a limit, ends as a `Step`, and turns what goes wrong into a
`Reason`; the next step is tried unless the page itself is gone. Codes of
reasons are documented in docs/reference/outcomes.md.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from playwright.async_api import (
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Page,
    Playwright,
    Request,
    Response,
    WebError,
)
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture import clocks, comparison, environment, target, text
from snapshotter.capture.album import Album, Shown, set_window
from snapshotter.capture.behaviours import controls, media, scrolling, segments, settling
from snapshotter.capture.behaviours.stage import Stage
from snapshotter.capture.browser import (
    BrowserBinary,
    BrowserProcesses,
    Launched,
    Wire,
    Workplace,
    command_line,
)
from snapshotter.capture.causes import cause
from snapshotter.capture.doorkeeper import Doorkeeper
from snapshotter.capture.gate import RasterGate
from snapshotter.capture.guard import CaptureTimeout, Guard, PageLost, TimeLimit
from snapshotter.capture.layout import Layout
from snapshotter.capture.ledger import Ledger
from snapshotter.capture.recorder import (
    RESPONSE_TOO_LARGE,
    Recorder,
    Recording,
)
from snapshotter.capture.redact import clean_mhtml, clean_text, clean_url
from snapshotter.capture.screenshot import DEFAULT, Camera, paints_below
from snapshotter.capture.spool import Spool, utf8
from snapshotter.capture.standby import Running
from snapshotter.capture.targets import ProtocolError
from snapshotter.capture.world import WorldError, WorldGone, Worlds
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.model.capture import Capture, Environment, SandboxFacts, Scrolling, StepState
from snapshotter.model.request import CaptureRequest, Decision, Viewport
from snapshotter.ports import Clock, Progress

T = TypeVar("T")

_LOOK_S = 0.05  # between two looks at a condition
_REFRESH_S = 5.0  # a redirect that the page announces for later than this is not waited for
_ATTEMPTS = 3  # at scrolling and settling, when the page navigates away meanwhile
_NAVIGATE_SHARE = 0.6  # most of the capture's time that one may take to load
_ENDING_S = 10.0  # kept for recording and closing
_ENDING_SHARE = 0.3  # of a short limit
_RESCUE_S = 4.0  # of that, for a picture and a text of a page that used its time up
_RESCUE_SHARE = 0.5
_CRASH_NEWS_S = 1.0  # how far the news of a crash may be behind what it broke
_ANSWER_S = 2.0  # for a page to say that it is there
_ORDER_S = 2.0  # for an order to it, that a blocked process may never take
_MOVES = 100  # changes of the address within a document; each costs everybody some time
_NO_PICTURE = "Unable to capture screenshot"  # the browser's words
_NEW_PROCESS_S = 0.3  # for it to start a process in place of one that went
_LARGE_DOCUMENT = 8 << 20  # bytes from which on a document that still comes may be the trouble
_SAVES = "Download is starting"  # Playwright's words for an address that is a file
_MOVED = ("context was destroyed", "Not attached to an active page", "frame was detached")
_GROWTH = 2  # times that we scroll on because the page grew while it settled
_LOST_MEDIA = 5_000  # addresses
_TIMES_IN = 4 << 20  # characters of a document that are looked through for its server's time

# Browsers of this machine that were tried, and whether they show what lies below a window.
_PAINTS_BELOW: dict[Path, bool] = {}

# Error of the main document (net_error_list.h), by its beginning, to the code of a reason.
_ERRORS = (
    ("NAME_", "dns"),
    ("DNS_", "dns"),
    ("ICANN_NAME", "dns"),
    ("CONNECTION_REFUSED", "refused"),
    ("CERT_", "tls"),
    ("SSL_", "tls"),
    ("BAD_SSL", "tls"),
    ("CONNECTION_TIMED_OUT", "timeout"),
    ("TIMED_OUT", "timeout"),
    ("CONNECTION_", "connection-lost"),
    ("EMPTY_RESPONSE", "connection-lost"),
    ("SOCKET_", "connection-lost"),
    ("NETWORK_CHANGED", "connection-lost"),
    ("ADDRESS_", "unreachable"),
    ("INTERNET_DISCONNECTED", "unreachable"),
    ("NETWORK_ACCESS_DENIED", "unreachable"),
    ("PROXY_", "unreachable"),
    ("TUNNEL_", "unreachable"),
    ("TOO_MANY_REDIRECTS", "redirect-loop"),
    ("UNSAFE_PORT", "unsafe-port"),
    ("UNSAFE_", "forbidden-address"),
    ("DISALLOWED_URL_SCHEME", "forbidden-address"),
    ("UNKNOWN_URL_SCHEME", "forbidden-address"),
    ("INVALID_URL", "forbidden-address"),
    ("BLOCKED_", "blocked"),
    ("INVALID_", "bad-response"),
    ("RESPONSE_", "bad-response"),
    ("CONTENT_", "bad-response"),
    ("HTTP2_", "bad-response"),
    ("HTTP_RESPONSE_CODE_FAILURE", "empty-error-response"),
)


@dataclass(frozen=True, slots=True)
class _End:
    """How a step ended, when it did not simply work."""

    state: StepState
    detail: str


_Body = Callable[[], Awaitable[_End | str | None]]


@dataclass(slots=True)
class _Document:
    """The main frame's documents, as the browser announces them."""

    count: int = 0  # documents that were committed; error pages do not count
    frame: str = ""  # the browser's id of the main frame
    loaded: bool = False  # the last one's load event came
    broken: bool = False  # the last one's body broke off: no load event will come
    status: int = 0  # HTTP status of the last answer to a main-frame navigation
    asked: str = ""  # address of the last navigation that failed
    expected_at: float | None = None  # when a redirect that the page announced is due


class Session:
    """
    One capture, done once by `go` in a thread of its own.

    Args:
        kill_at: When the supervisor will kill everything, on the clock's monotonic scale.
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
        binary: BrowserBinary,
        binary_remark: str,
        place: Workplace,
        processes: BrowserProcesses,
        wire: Wire,
        recorder: Recorder,
        gate: RasterGate,
        kill_at: float,
    ) -> None:
        self._request = request
        self._decision = decision
        self._limits = decision.limits
        self._spool = Spool(spool_root, clock)
        self._saved = spool_root / ".target"  # what the browser saves, until it is recorded
        self._clock = clock
        self._version = version
        self._binary = binary
        self._binary_remark = binary_remark
        self._place = place
        self._processes = processes
        self._wire = wire
        self._recorder = recorder
        self._gate = gate
        self._kill_at = kill_at
        self._ending_s = min(_ENDING_S, decision.limits.total_s * _ENDING_SHARE)
        self._guard_deadline = kill_at - self._ending_s

        # What the supervisor may read at any time.
        self._ledger = Ledger(requested_url=request.url, clock=clock, progress=progress)
        self._note = self._ledger.note
        self._complain = self._ledger.complain
        self._recording: Recording | None = None
        self._version_facts: dict[str, str] = {}
        self._launched: Launched | None = None
        self._sandbox: SandboxFacts | None = None
        self._environment: Environment | None = None
        self._unavailable: ServiceUnavailable | PolicyRefused | None = None
        self._bug: Exception | None = None
        self._killed = False
        self._closing = False

        # Of the thread that runs.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._guard: Guard | None = None
        self._page: Page | None = None
        self._cdp: CDPSession | None = None
        self._doorkeeper: Doorkeeper | None = None
        self._stage: Stage | None = None
        self._scrolled: scrolling.Scrolled | None = None
        self._camera: Camera | None = None
        self._lost_media: set[str] = set()  # addresses of images and the like that did not come
        self._document = _Document()
        self._description: asyncio.Task[Environment] | None = None
        self._moved = False  # a step failed because the page went to another document
        self._memory_is_low = False
        self._crash = ("renderer-crashed", "the page's process crashed")
        self._scripts_stopped = False  # by us: none of the page runs any more
        self._moves = 0  # within the document: fragments and history entries
        self._tasks: set[asyncio.Task[None]] = set()
        self._cut_at = 0  # how many documents there were when one was cut off at a limit
        self._stuck = 0  # requests that have no end although loading was stopped

    # Called by the supervisor

    async def go(self, start: Awaitable[Running]) -> None:
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

    def driver_is_gone(self) -> None:
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

    def memory_is_short(self, detail: str) -> None:
        """Stop the page's scripts before the browser has to be killed. From any thread."""
        if self._scripts_stopped:
            return
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stop_scripts_soon, detail)

    def memory_is_used_up(self, detail: str) -> None:
        """Take note that a renderer is being killed from outside. From any thread."""
        self._complain("memory-limit", detail)
        self._crash = ("memory-limit", detail)

    def killed(self, code: str, detail: str) -> None:
        """Take note that the browser is being killed from outside."""
        self._killed = True
        self.give_up(code, detail)

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
        self._ledger.end_all_steps(StepState.FAILED, "the browser was killed")
        if self._recording is None:
            self._recording = self._recorder.finish_now(
                final_url=self._ledger.final_url, title=self._ledger.title
            )
        self._ledger.check_clocks(self._recording.response, self._decision.clock_skew_s)
        self._compare_texts(self._recording)
        self._keep_target(self._recording)
        facts = self._environment or self._environment_now()
        return self._ledger.compose(self._recording, facts, self._spool)

    def _compare_texts(self, recording: Recording) -> None:
        """Warn where the page that was shown says something else than its document did."""
        body, response = recording.main_body, recording.response
        if body is None or response is None or body.coding or not self._ledger.text:
            return
        if not target.is_page(body.media_type):
            return
        kind = next((it for name, it in response.headers if name.lower() == "content-type"), "")
        charset = kind.lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
        try:
            with body.file.open("rb") as stream:
                document = stream.read(comparison.BYTES)
        except OSError as error:
            self._ledger.log("comparison", f"without effect: {_first_line(error)}")
            return
        found = comparison.difference(document, self._ledger.text, charset=charset)
        bound = self._decision.divergence_percent
        if found is not None and max(found.not_shown, found.not_received) > bound:
            self._ledger.warn(
                "raw-rendered-divergence",
                f"{found.not_shown} % of the words of the document as received were not shown, "
                f"{found.not_received} % of those shown were not in it",
            )

    def _keep_target(self, recording: Recording) -> None:
        """Keep the body of a target that is no page as a file of its own."""
        was_saved, body = self._saved.exists() or self._ledger.is_answered, recording.main_body
        try:
            if body is not None and (was_saved or not target.is_page(body.media_type)):
                target.keep(body, self._spool, most=self._limits.response_bytes)
                self._ledger.is_answered = True
        except (OSError, SnapshotterError) as error:
            self._complain("target-failed", _first_line(error))
        finally:
            self._saved.unlink(missing_ok=True)
            if body is not None:
                body.file.unlink(missing_ok=True)

    # Steps

    async def _main(self, start: Awaitable[Running]) -> None:
        self._loop = asyncio.get_running_loop()
        self._guard = guard = Guard(self._clock, self._guard_deadline)
        playwright: Playwright | None = None
        context: BrowserContext | None = None
        closing: asyncio.Task[None] | None = None
        self._ledger.begin_step("launch")
        try:
            running = await self._started(guard, start)
            playwright, launched = running.playwright, running.launched
            context = launched.context
            self._launched = launched
            self._ledger.network = launched.network
            self._ledger.end_step(StepState.OK, self._binary_remark)
            watch = asyncio.create_task(self._watch_limits(context))
            try:
                await self._visit(context)
            except (PageLost, CaptureTimeout) as error:
                # What happened outside a step has not been said yet.
                self._complain(*_reason("capture", error))
                await self._rescue()
            finally:
                watch.cancel()
            if self._description is not None:
                self._environment = await self._description
            # Nothing is asked of the browser any more: it closes while the record is written.
            closing = asyncio.create_task(self._close(context, playwright))
            await self._record()
        finally:
            await (self._close(context, playwright) if closing is None else closing)

    async def _started(self, guard: Guard, start: Awaitable[Running]) -> Running:
        limit = self._limits.launch_s + self._limits.close_s  # it has limits of its own
        try:
            return await guard.call("launching the browser", start, limit)
        except (TimeLimit, CaptureTimeout, PageLost) as error:
            raise ServiceUnavailable(
                f"the browser did not start: {_first_line(error)}", hint="snapshotter doctor"
            ) from error

    async def _visit(self, context: BrowserContext) -> None:
        page, cdp = await self._prepare(context)
        arrived = await self._step("navigate", self._navigate)
        # Beside the other steps: it hashes the browser.
        self._description = asyncio.create_task(self._describe())
        if not arrived or not self._document.count:
            return
        await self._show_everything()
        await self._anchor()
        documents = self._document.count
        self._ledger.final_url = page.url
        album = self._album(cdp)
        await self._step("viewport", album.viewport)
        steps: list[tuple[str, _Body]] = [
            ("screenshot", lambda: _as_far_as(album.page())),
            ("mhtml", lambda: self._mhtml(cdp)),
            ("dom", self._dom),
            ("text", self._page_text),
        ]
        if self._memory_is_low:
            # A photograph beyond the viewport paints the whole page: on one of very much
            # text it may be the last thing that the browser does.
            steps.append(steps.pop(0))
            for name, body in steps:
                await self._step(name, body)
        else:
            await self._beside(steps)
        for name, body in self._further_pictures(album):
            await self._step(name, body)
        if self._document.count != documents:
            self._complain("page-navigated", "the page went elsewhere while it was photographed")

    async def _beside(self, steps: list[tuple[str, _Body]]) -> None:
        """
        Do steps that change nothing beside each other: they wait for different processes.

        Raises:
            PageLost, CaptureTimeout: The first that one of them met, when all have ended.
        """
        ended = await asyncio.gather(
            *(self._step(name, body) for name, body in steps), return_exceptions=True
        )
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _rescue(self) -> None:
        """A page that used its time up has at least a picture and a text."""
        guard, cdp = self._need_guard(), self._cdp
        if guard.lost or cdp is None or not self._document.count:
            return
        guard.extend(self._clock.monotonic() + min(_RESCUE_S, self._ending_s * _RESCUE_SHARE))
        made = {artifact.path for artifact in self._spool.artifacts}
        steps: tuple[tuple[str, str, _Body], ...] = (
            ("viewport", "capture/viewport.png", self._album(cdp).viewport),
            ("dom", "capture/dom.html", self._dom),
            ("text", "capture/page.txt", self._page_text),
        )
        try:
            await self._stop_scripts("the time for the capture was used up")
            for name, path, body in steps:
                if path not in made:
                    await self._step(name, body)
        except (PageLost, CaptureTimeout) as error:
            self._ledger.log("rescue", f"ended: {_reason('capture', error)[1]}")

    async def _prepare(self, context: BrowserContext) -> tuple[Page, CDPSession]:
        """Put everything in place that has to be there before the first request."""
        limit = self._limits.step_s
        guard = self._need_guard()
        page = (
            context.pages[0]
            if context.pages
            else await self._call("a page", context.new_page(), limit)
        )
        cdp = await self._call("a session", context.new_cdp_session(page), limit)
        self._page, self._cdp = page, cdp
        self._version_facts = {
            name: str(value)
            for name, value in (await self._send("Browser.getVersion", limit)).items()
        }
        page.on("crash", lambda _: guard.lose(*self._crash))
        page.on("close", lambda _: self._gone("page-closed", "the page closed itself"))
        context.on("close", lambda _: self._gone("browser-lost", "the browser went away"))
        context.on("console", self._on_console)
        context.on("weberror", self._on_web_error)
        page.on("response", self._on_response)
        page.on("requestfailed", self._on_request_failed)
        cdp.on("Page.frameNavigated", self._on_navigated)
        cdp.on("Page.navigatedWithinDocument", self._on_moved_within)
        cdp.on("Page.loadEventFired", self._on_loaded)
        cdp.on("Page.frameScheduledNavigation", self._on_scheduled)
        cdp.on("Page.frameClearedScheduledNavigation", self._on_unscheduled)
        cdp.on("Page.frameRequestedNavigation", self._on_requested)
        cdp.on("Fetch.requestPaused", self._on_paused)
        await self._send("Page.enable", limit)
        self._doorkeeper = Doorkeeper(
            context, page, guard, self._decision, self._note, self._complain, self._stop_scripts
        )
        await self._call("the recorder", self._recorder.attach(context, page, cdp), limit)
        worlds = Worlds(guard)
        await worlds.attach(context, page, limit)
        self._stage = Stage(
            worlds=worlds,
            recorder=self._recorder,
            guard=guard,
            decision=self._decision,
            clock=self._clock,
            note=self._note,
        )
        width, height = self._decision.viewport_px
        window = Viewport(name=DEFAULT, width=width, height=height, scale=self._decision.scale)
        await set_window(self._stage, cdp, window)
        if self._binary.path not in _PAINTS_BELOW:
            _PAINTS_BELOW[self._binary.path] = await paints_below(cdp, guard, limit)
        self._camera = Camera(
            cdp,
            self._spool,
            guard,
            self._decision,
            layout=Layout(cdp, worlds, guard, limit),
            gate=self._gate,
            beyond=not _PAINTS_BELOW[self._binary.path],
            work=self._place.root,
            say=self._ledger.say,
            warn=lambda words: self._complain("picture-blank", words),
        )
        return page, cdp

    async def _navigate(self) -> _End | str | None:
        page, limits = self._need_page(), self._limits
        self._ledger.navigation_started_at = self._clock.now()
        # A policy with little time in all still gets a picture of what came.
        limit = min(limits.navigate_s, self._need_guard().remaining_s * _NAVIGATE_SHARE)
        end = self._clock.monotonic() + limit
        failure = ""
        try:
            await self._call(
                "navigation",
                page.goto(self._request.url, wait_until="commit", timeout=0),
                limit,
            )
        except TimeLimit:
            failure = "timeout"
        except PlaywrightError as error:
            failure = error.message
        if not failure:
            await self._until_announced(end)
        if not self._document.count:
            if self._need_doorkeeper().target is not None or _SAVES in failure:
                return await self._save_target(end)
            if failure == "timeout":
                await self._stop_loading("time")
                code = "timeout"
                detail = f"no answer within {limit:.3g} s"
            else:
                code, detail = self._why_nothing_came(failure)
                if code in ("aborted", "network-error"):
                    # Perhaps the page's process crashed, and the news is still on its way.
                    await self._need_guard().pause(_CRASH_NEWS_S)
            self._complain(code, detail)
            self._ledger.navigation_ended_at = self._clock.now()
            if code in ("no-content", "empty-error-response"):  # an answer, and all of it
                self._ledger.is_answered = self._ledger.has_no_content = True
                return _End(StepState.PARTIAL, detail)
            return _End(StepState.FAILED, detail)
        state = await self._wait_for_load(end)
        self._ledger.navigation_ended_at = self._clock.now()
        return state

    async def _save_target(self, end: float) -> _End:
        """The address is a file: have the browser save it, which is the only thing it can do."""
        doorkeeper = self._need_doorkeeper()
        while (download := doorkeeper.target) is None:  # the event may be behind the error
            await self._need_guard().pause(_LOOK_S)
        saved = await target.save(
            download, self._saved, self._need_guard(), folder=self._place.artifacts,
            most=self._limits.response_bytes, end=end, clock=self._clock,
        )  # fmt: skip
        self._ledger.navigation_ended_at = self._clock.now()
        self._ledger.final_url = download.url
        self._ledger.is_answered = True
        self._note("save-file", f"{saved.length} bytes")
        if saved.truncated in ("length", "time"):
            await self._recorder.cut_off(saved.truncated)
        detail = f"a file and no page: {saved.length} bytes"
        if not saved.truncated:
            return _End(StepState.OK, detail)
        if saved.truncated == "length":
            self._complain(RESPONSE_TOO_LARGE, "the file is larger than an answer may be")
        elif saved.truncated == "time":
            self._complain("load-timeout", "the file went on coming until its time was used up")
        return _End(StepState.PARTIAL, f"{detail}, cut off ({saved.truncated})")

    async def _until_announced(self, end: float) -> None:
        """Wait for the event of a document whose navigation has succeeded: it may come later."""
        while not self._document.count and self._clock.monotonic() < end:
            await self._need_guard().pause(_LOOK_S / 10)

    async def _wait_for_load(self, end: float) -> _End | None:
        """Wait for the load event of the document, and of those that it sends us on to."""
        document, limits = self._document, self._limits
        guard, doorkeeper = self._need_guard(), self._need_doorkeeper()
        while True:
            now = self._clock.monotonic()
            if document.count > limits.redirects:
                self._complain("redirect-loop", f"the page sent us on {document.count - 1} times")
                await self._anchor()
                # Held, it goes nowhere. Stopped right behind a commit, a document that has
                # hardly begun would never be drawn, and everything after it would hang.
                if not await self._has_loaded(limits.settle_s):
                    await self._stop_loading("unspecified")
                return _End(StepState.PARTIAL, "stopped following redirects")
            if doorkeeper.downloads and not document.loaded and self._is_quiet():
                # A download that a page begins by itself keeps `load` from coming.
                await self._stop_loading("unspecified")
                return _End(StepState.OK, "no load event, because the page began a download")
            if document.loaded and (document.expected_at is None or now > document.expected_at + 1):
                return None
            if document.broken and not document.loaded and self._is_quiet():
                return _End(StepState.PARTIAL, "the document broke off before its end")
            if self._cut_at == document.count:
                await self._revive(all_scripts=False)
                return _End(StepState.PARTIAL, "stopped at a limit before the load event")
            if now >= end:
                break
            await guard.pause(_LOOK_S)
        if document.loaded:
            return None  # a redirect was announced, and never came
        await self._stop_loading("time")
        self._complain("load-timeout", "the page went on loading until its time was used up")
        await self._revive(all_scripts=False)
        return _End(StepState.PARTIAL, "stopped before the load event")

    async def _has_loaded(self, limit_s: float) -> bool:
        """Wait for the load event of the document that is there; say whether it came."""
        end = self._clock.monotonic() + limit_s
        while not self._document.loaded and self._clock.monotonic() < end:
            await self._need_guard().pause(_LOOK_S)
        return self._document.loaded

    async def _show_everything(self) -> None:
        """Scroll and settle, again when the page goes to another document meanwhile."""
        for attempt in range(1, _ATTEMPTS + 1):
            if attempt == _ATTEMPTS:
                self._complain("page-navigated", "the page went elsewhere while it was read; held")
                await self._anchor()
                await self._need_guard().pause(self._decision.quiet_s)
                await self._wait_for_load(self._clock.monotonic() + self._limits.settle_s)
            documents, self._moved = self._document.count, False
            stopped = self._scripts_stopped
            if self._decision.consent.enabled:
                await self._step("consent", self._refuse_consent, documents)
            if not self._moved:
                await self._step("scroll", self._scroll, documents)
            if self._decision.expand.enabled and not self._moved:
                await self._step("expand", self._expand, documents)
            if not self._moved and stopped == self._scripts_stopped:
                await self._step("settle", self._settle, documents)
            if self._document.count == documents and not self._moved:
                if stopped == self._scripts_stopped or attempt == _ATTEMPTS:
                    return
                continue  # what a script kept from being done can be done now
            await self._wait_for_load(self._clock.monotonic() + self._limits.settle_s)

    async def _refuse_consent(self) -> _End | str | None:
        """Dismiss a banner, if there is one; the page with it is kept as a picture."""
        stage = self._need_stage()
        await settling.settle(stage, self._stuck)  # a banner comes by script
        await self._anchor()

        async def before() -> None:
            camera = self._need_camera()
            self._ledger.keep(await camera.viewport("consent", "before-consent"))

        rules = self._decision.consent
        clicks = await controls.refuse_consent(stage, self._need_cdp(), rules, before)
        return "dismissed" if clicks.count else "no banner that we know how to dismiss"

    async def _expand(self) -> _End | str | None:
        """Click what hides text; the page before is kept as a picture and as text."""
        stage, rules = self._need_stage(), self._decision.expand
        await settling.settle(stage, self._stuck)
        await scrolling.to_top(stage)
        await self._anchor()

        async def before() -> None:
            await self._need_camera().page(self._ledger.keep, "expand", "before-expand")
            read = await text.read_text(stage.worlds, limit_s=self._limits.step_s)
            await asyncio.to_thread(
                self._spool.write, "capture/before-expand.txt", "text/plain", utf8(read.text),
                step="expand", note="text before anything was clicked",
            )  # fmt: skip

        clicks = await controls.expand(stage, self._need_cdp(), rules, before)
        if not clicks.count:
            return "nothing to click"
        await scrolling.to_top(stage)
        await self._scroll()  # what was hidden has a length, and images
        if clicks.left:
            detail = f"{clicks.count} clicks, and {clicks.left} controls beyond the limit"
            self._complain("expand-limited", detail)
            return _End(StepState.PARTIAL, detail)
        return f"{clicks.count} clicks"

    async def _scroll(self) -> _End | str | None:
        self._scrolled = scrolled = await scrolling.scroll(self._need_stage())
        self._ledger.scrolling = Scrolling(
            steps=scrolled.steps,
            height=scrolled.height,
            stopped=scrolled.stopped,
            container=scrolled.container,
            virtualised=scrolled.virtualised,
            segments=0,
        )
        detail = f"{scrolled.steps} steps, {scrolled.height} px, stopped at: {scrolled.stopped}"
        if scrolled.stopped == "bottom":
            return detail
        self._complain("scroll-limited", f"the page was not scrolled to its end: {detail}")
        return _End(StepState.PARTIAL, detail)

    async def _settle(self) -> _End | str | None:
        stage = self._need_stage()
        settled = await settling.settle(stage, self._stuck)
        for _ in range(_GROWTH):
            scrolling_ = self._ledger.scrolling
            if scrolling_ is None or scrolling_.stopped != "bottom" or scrolling_.container:
                break
            if settled.height <= scrolling_.height + self._decision.viewport_px[1] // 2:
                break
            await self._scroll()  # what came meanwhile made the page longer
            settled = await settling.settle(stage, self._stuck)
        await self._read_segments(stage)
        moved = await scrolling.to_top(stage)
        if moved and not settled.open_ends:  # the way back may have made the page ask for more
            settled = await settling.settle(stage, self._stuck)
        standing = await media.hold_still(stage, self._need_cdp(), self._lost_media)
        self._ledger.images = standing.images
        self._ledger.image_lines = standing.lines
        self._ledger.fonts = standing.fonts
        self._ledger.frames = standing.frames
        self._ledger.title = standing.title
        self._ledger.language = standing.language
        if settled.open_ends:
            limit = self._limits.settle_s
            self._complain("not-settled", f"after {limit:g} s still under way: {settled.open_ends}")
            return _End(StepState.PARTIAL, settled.open_ends)
        return None

    async def _read_segments(self, stage: Stage) -> None:
        """Read a page that shows itself only a stretch at a time, stretch by stretch."""
        facts, scrolled = self._ledger.scrolling, self._scrolled
        if facts is None or scrolled is None:
            return
        # A box that keeps what it holds is shown whole in one picture: `Album.expanded`.
        in_box = bool(facts.container) and not self._decision.pictures.inner_box
        if not facts.virtualised and not in_box:
            return
        read = await segments.read_segments(stage, self._need_cdp(), self._spool, scrolled)
        self._ledger.scrolling = replace(facts, segments=read.count)
        stretches = f"{read.count} stretches were read one by one, stopped at: {read.stopped}"
        if facts.virtualised:
            self._complain(
                "page-virtualised", f"the page takes away what is out of view; {stretches}"
            )
        else:
            self._complain(
                "page-scrolls-inside", f"the page scrolls inside {facts.container}; {stretches}"
            )

    def _album(self, cdp: CDPSession) -> Album:
        return Album(
            self._need_camera(),
            self._need_stage(),
            cdp,
            self._ledger,
            stuck=self._stuck,
            lost=self._lost_media,
        )

    def _further_pictures(self, album: Album) -> list[tuple[str, _Body]]:
        """Return the steps that were asked for, those last that change the page most."""
        wanted, box = self._decision.pictures, album.inner_box
        steps: list[tuple[str, _Body]] = []
        if wanted.elements:
            steps.append(("elements", lambda: _as_far_as(album.elements())))
        if wanted.pdf:
            steps.append(("pdf", album.pdf))
        if box is not None and wanted.inner_box:
            steps.append(("inner-box", lambda: _as_far_as(album.expanded(box))))
        # Phones last: once touch was there, this browser has no mouse that hovers any more.
        for window in sorted(wanted.viewports, key=lambda it: it.mobile):
            body = partial(self._in_window, album, window)
            steps.append((f"viewport-{window.name}", body))
        return steps

    async def _in_window(self, album: Album, window: Viewport) -> _End | str:
        return await _as_far_as(album.in_window(window))

    async def _mhtml(self, cdp: CDPSession) -> None:
        limit = self._limits.mhtml_s
        answer = await self._call(
            "MHTML", cdp.send("Page.captureSnapshot", {"format": "mhtml"}), limit
        )
        data = await asyncio.to_thread(lambda: utf8(clean_mhtml(answer["data"])))
        await asyncio.to_thread(
            self._spool.write, "capture/page.mhtml", "multipart/related", data, step="mhtml"
        )

    async def _dom(self) -> None:
        html = await text.read_document(self._need_stage().worlds, limit_s=self._limits.step_s)
        self._ledger.page_times = await asyncio.to_thread(clocks.of_page, html[:_TIMES_IN])
        await asyncio.to_thread(
            self._spool.write, "capture/dom.html", "text/html", utf8(html), step="dom",
            note="the main frame's document after scripts ran, as UTF-8",
        )  # fmt: skip

    async def _page_text(self) -> _End | str | None:
        read = await text.read_text(self._need_stage().worlds, limit_s=self._limits.step_s)
        self._ledger.text = read.text
        self._ledger.missing = read.missing
        self._ledger.missing_glyphs = read.glyphs
        await asyncio.to_thread(self._write_text, read)
        if read.glyphs:
            found = ", ".join(f"{it.script} ({it.count}: {it.characters})" for it in read.glyphs)
            self._complain("missing-glyphs", f"no font here has: {found}")
        if read.missing:
            self._complain("text-incomplete", "; ".join(read.missing[:5]))
            return _End(StepState.PARTIAL, f"{len(read.missing)} parts missing")
        return f"{len(read.text)} characters"

    def _write_text(self, read: text.PageText) -> None:
        for name, words, note in (
            ("page.txt", read.text, "text as laid out, of all frames and shadow trees"),
            (
                "page-normalised.txt",
                text.normalised(read.text),
                "for searching and comparing, not verbatim: page.txt in NFKC, white space joined",
            ),
            ("page-hidden.txt", read.hidden, "text of the documents that a reader does not see"),
        ):
            if words or name == "page.txt":
                self._spool.write(
                    f"capture/{name}", "text/plain", utf8(words), step="text", note=note
                )

    async def _record(self) -> None:
        """
        End the page's connections and write down what they carried.

        It may take as long as that takes: a killed browser is no reason to lose the record.
        """
        self._ledger.begin_step("record")
        self._recording = await self._recorder.finish(
            final_url=self._ledger.final_url, title=self._ledger.title, text=self._ledger.text
        )
        words = f"{self._recording.counts.total} requests"
        self._ledger.end_step(StepState.OK, words, name="record")

    async def _close(self, context: BrowserContext | None, playwright: Playwright | None) -> None:
        self._closing = True
        if self._launched is None:
            return
        self._ledger.begin_step("close")
        closed = context is not None and await self._bounded(context.close())
        if not closed:
            self._processes.kill()
        if playwright is not None:
            await self._bounded(playwright.stop())
        words = "" if closed else "the browser was killed"
        self._ledger.end_step(StepState.OK, words, name="close")

    # Parts of steps

    async def _stop_loading(self, cause: str) -> None:
        """
        Stop: while a navigation is pending, every other call would wait for it.

        Args:
            cause: In the words of WARC-Truncated; see `Recorder.cut_off`.
        """
        await self._recorder.cut_off(cause)
        self._note("stop-loading", "")
        try:
            await self._send("Page.stopLoading", self._limits.step_s)
        except (TimeLimit, PlaywrightError) as error:
            self._note("stop-loading", f"without effect: {_first_line(error)}")
        end = self._clock.monotonic() + 2 * self._decision.quiet_s
        while self._recorder.in_flight and self._clock.monotonic() < end:
            await self._need_guard().pause(_LOOK_S)
        self._stuck = self._recorder.in_flight

    async def _anchor(self) -> None:
        """
        Keep the page at its document: what is photographed and what is read are to be the same.

        A navigation that is broken off leaves its page as it is.
        """
        try:
            await self._call(
                "holding the page",
                self._need_cdp().send("Fetch.enable", {"patterns": [{"resourceType": "Document"}]}),
                self._limits.step_s,
            )
        except (TimeLimit, PlaywrightError) as error:
            self._note("hold-page", f"without effect: {_first_line(error)}")

    def _is_quiet(self) -> bool:
        quiet_s = self._clock.monotonic() - self._recorder.quiet_since
        return self._recorder.in_flight == 0 and quiet_s >= self._decision.quiet_s

    async def _revive(self, *, all_scripts: bool = True) -> None:
        """
        See that the page answers; stop a script that keeps it from answering.

        Args:
            all_scripts: Stop all of them at once: one that ran without end because of
                something that we did would do so again.
        """
        remedies: list[Callable[[], Awaitable[None]]] = [self._stop_all_scripts]
        if not all_scripts:
            remedies.insert(0, self._end_script)
        # Requests beside the document's that do not end although loading was stopped: a
        # script may be waiting for one.
        waits = self._stuck > (1 if self._recorder.document_in_flight else 0)
        remedies.insert(0 if waits else len(remedies), self._cut)
        limit = min(_ANSWER_S, self._limits.step_s)
        for remedy in (*remedies, None):
            try:
                work = self._need_cdp().send("Runtime.evaluate", {"expression": "1"})
                await self._call("the page", work, limit)
            except TimeLimit:
                if remedy is None:
                    break
            except PlaywrightError:
                return  # it answers, in its way
            else:
                return
            self._complain(
                "page-unresponsive", "a script of the page ran without end and was stopped"
            )
            await remedy()
        self._need_guard().lose("page-unresponsive", "the page did not answer any more")

    async def _end_script(self) -> None:
        """End the script that runs; others of the page may."""
        self._note("stop-script", "the page did not answer")
        try:
            await self._send("Runtime.terminateExecution", _ORDER_S)
        except (TimeLimit, PlaywrightError) as error:
            self._ledger.log("stop-script", f"without effect: {_first_line(error)}")

    async def _stop_all_scripts(self) -> None:
        await self._stop_scripts("the page did not answer")

    async def _cut(self) -> None:
        """End every connection: a script that waits for an answer ends by nothing else."""
        self._note("go-offline", "the page did not answer")
        await asyncio.to_thread(self._wire.guard.cut, "the page did not answer")

    async def _stop_scripts(self, why: str) -> None:
        """
        Let no script of the page run any more, and keep what it shows.

        Ours run in worlds of their own, which this leaves alone.
        """
        if self._scripts_stopped:
            return
        self._scripts_stopped = True
        self._note("stop-scripts", why)
        try:
            failures = await self._need_stage().worlds.stop_page_scripts(_ORDER_S)
        except PageLost:
            return  # and with it its scripts
        for words in failures:
            self._ledger.log("stop-scripts", f"without effect: {words}")

    def _stop_scripts_soon(self, detail: str) -> None:
        if self._scripts_stopped or self._stage is None or self._closing:
            return
        self._complain("scripts-stopped", detail)
        task = asyncio.ensure_future(self._stop_scripts(detail))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _describe(self) -> Environment:
        launched, cdp = self._launched, self._need_cdp()
        if launched is None:
            raise RuntimeError("there is no browser to describe")
        self._sandbox = await asyncio.to_thread(
            self._processes.sandbox, asked=launched.sandbox_asked, how=launched.sandbox_how
        )
        if self._version_facts == {}:
            self._version_facts = dict(await cdp.send("Browser.getVersion"))
        return await asyncio.to_thread(self._environment_now)

    def _environment_now(self) -> Environment:
        launched = self._launched
        asked = launched is not None and launched.sandbox_asked
        how = launched.sandbox_how if launched is not None else ""
        browser = self._processes.browser
        return environment.describe(
            binary=self._binary,
            place=self._place,
            version=self._version,
            browser_version=self._version_facts,
            arguments=command_line(browser) if browser is not None else (),
            user_agent=self._decision.user_agent or self._version_facts.get("userAgent", ""),
            sandbox=self._sandbox
            or SandboxFacts(asked=asked, enforced=False, detail=f"{how}; not looked at"),
        )

    def _why_nothing_came(self, message: str) -> tuple[str, str]:
        """Return code and detail for a navigation that ended without a document."""
        error = message.partition("net::ERR_")[2].split()[0] if "net::ERR_" in message else ""
        if self._document.status in (204, 205):
            return "no-content", f"the server answered {self._document.status}: no content"
        if "has been closed" in message:  # and no event told of it: Playwright's driver has ended
            return "browser-lost", "the browser went away"
        asked = self._document.asked or self._request.url
        if found := cause(self._wire.guard, asked, f"net::ERR_{error}"):
            return found.code, found.detail
        for beginning, code in _ERRORS:
            if error.startswith(beginning):
                return code, f"net::ERR_{error}"
        if error == "ABORTED":
            return "aborted", "the navigation was broken off"
        return "network-error", f"net::ERR_{error}" if error else message[:200].partition("\n")[0]

    async def _watch_limits(self, context: BrowserContext) -> None:
        """Cut the page off when the recorder has seen more than a capture may hold."""
        done = ""
        while done in ("", RESPONSE_TOO_LARGE):
            code, detail = self._over_limit()
            if code == done:
                await asyncio.sleep(_LOOK_S)
                continue
            done = code
            if code == RESPONSE_TOO_LARGE:  # whatever else the page wants may come
                self._complain(code, f"{detail}; loading was stopped")
            else:
                self._complain(code, "the page wanted more than a capture may hold; it was cut off")
                self._note("go-offline", code)
                await self._bounded(context.set_offline(True))
            await self._stop_loading("length")
            self._cut_at = self._document.count

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

    def _on_navigated(self, event: dict[str, Any]) -> None:
        frame = event.get("frame", {})
        url = str(frame.get("url", ""))
        if frame.get("parentId") or frame.get("unreachableUrl") or not url.startswith("http"):
            return
        self._document.count += 1
        self._need_doorkeeper().awaits_target = False
        self._document.frame = str(frame.get("id", ""))
        self._document.loaded = self._document.broken = False
        self._document.expected_at = None
        self._ledger.final_url = url + str(frame.get("urlFragment", ""))
        self._ledger.log("document", url)

    def _on_loaded(self, _: dict[str, Any]) -> None:
        if self._document.count:
            self._document.loaded = True

    def _on_moved_within(self, event: dict[str, Any]) -> None:
        if event.get("frameId") == self._document.frame:
            self._moves += 1
            if self._moves == _MOVES:
                self._stop_scripts_soon(f"the page changed its address {_MOVES} times")

    def _on_scheduled(self, event: dict[str, Any]) -> None:
        delay = float(event.get("delay", 0))
        if event.get("frameId") == self._document.frame and delay <= _REFRESH_S:
            self._document.expected_at = self._clock.monotonic() + delay

    def _on_requested(self, event: dict[str, Any]) -> None:
        same_window = event.get("disposition", "currentTab") == "currentTab"
        if event.get("frameId") == self._document.frame and same_window:
            self._document.expected_at = self._clock.monotonic()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        method, details = "Fetch.continueRequest", {"requestId": event.get("requestId")}
        if event.get("frameId") == self._document.frame:
            method, details["errorReason"] = "Fetch.failRequest", "Aborted"
            self._note(
                "hold-page", f"not to {clean_url(event.get('request', {}).get('url', ''))}"[:500]
            )
        try:
            await self._need_cdp().send(method, details)
        except PlaywrightError as error:
            self._ledger.log("hold-page", f"without effect: {_first_line(error)}")

    def _on_unscheduled(self, event: dict[str, Any]) -> None:
        if event.get("frameId") == self._document.frame:
            self._document.expected_at = None

    def _on_response(self, response: Response) -> None:
        request = response.request
        if response.status >= 400:
            self._lose_media(request)
        if request.is_navigation_request() and request.frame is self._need_page().main_frame:
            self._document.status = response.status

    def _lose_media(self, request: Request) -> None:
        if request.resource_type in ("image", "media") and len(self._lost_media) < _LOST_MEDIA:
            self._lost_media.add(request.url)

    def _on_request_failed(self, request: Request) -> None:
        self._lose_media(request)
        if request.is_navigation_request() and request.frame is self._need_page().main_frame:
            self._document.asked = request.url
            self._document.broken = request.url == self._need_page().url.partition("#")[0]

    def _on_console(self, message: ConsoleMessage) -> None:
        self._ledger.console(message.type, message.text, str(message.location.get("url", "")))

    def _on_web_error(self, error: WebError) -> None:
        self._ledger.console("exception", str(error.error), "")

    # Calls

    async def _step(self, name: str, body: _Body, documents: int | None = None) -> bool:
        """
        Do one step and record how it ended.

        Args:
            documents: For a step that is tried again when the page navigates: how many
                documents there were before it.

        Returns:
            Whether it did what it is for, wholly or in part.

        Raises:
            PageLost, CaptureTimeout: No other step makes sense.
        """
        ledger = self._ledger
        ledger.begin_step(name)
        try:
            end = await self._done(body)
        except (PageLost, CaptureTimeout) as error:
            code, detail = _reason(name, error)
            self._complain(code, detail)
            ledger.end_step(StepState.FAILED, detail, name=name)
            raise
        except Exception as error:  # noqa: BLE001 - a step that fails is a fact about the capture
            detail = _first_line(error)
            if documents is not None and (
                self._document.count != documents
                or isinstance(error, WorldGone)
                or any(words in str(error) for words in _MOVED)
            ):
                self._moved = True
                ledger.end_step(StepState.PARTIAL, "the page went to another document", name=name)
                return False
            ledger.end_step(StepState.FAILED, detail, name=name)
            self._complain(*_reason(name, error))
            if isinstance(error, TimeLimit):
                await self._revive()
            return False
        if isinstance(end, _End):
            ledger.end_step(end.state, end.detail, name=name)
            return end.state is not StepState.FAILED
        ledger.end_step(StepState.OK, end or "", name=name)
        return True

    async def _done(self, body: _Body) -> _End | str | None:
        """Do the work of a step; once more when the browser has just lost its GPU process."""
        try:
            return await body()
        except PlaywrightError as error:
            if _NO_PICTURE not in error.message:
                raise
            self._ledger.log("again", _first_line(error))
            await self._need_guard().pause(_NEW_PROCESS_S)
            return await body()

    async def _call(self, what: str, work: Awaitable[T], limit_s: float) -> T:
        return await self._need_guard().call(what, work, limit_s)

    async def _send(self, method: str, limit_s: float) -> dict[str, Any]:
        return await self._call(method, self._need_cdp().send(method), limit_s)

    async def _bounded(self, work: Awaitable[None]) -> bool:
        """Do something at the end that may fail; say whether it did not."""
        try:
            await asyncio.wait_for(work, timeout=self._limits.close_s)
        except (TimeoutError, PlaywrightError) as error:
            self._ledger.log("close", f"without effect: {_first_line(error)}")
            return False
        return True

    def _need_guard(self) -> Guard:
        return _there(self._guard)

    def _need_page(self) -> Page:
        return _there(self._page)

    def _need_cdp(self) -> CDPSession:
        return _there(self._cdp)

    def _need_stage(self) -> Stage:
        return _there(self._stage)

    def _need_camera(self) -> Camera:
        return _there(self._camera)

    def _need_doorkeeper(self) -> Doorkeeper:
        return _there(self._doorkeeper)


async def _as_far_as(work: Awaitable[Shown]) -> _End | str:
    shown = await work
    return shown.detail if shown.whole else _End(StepState.PARTIAL, shown.detail)


def _there(value: T | None) -> T:
    if value is None:
        raise RuntimeError("a step was taken before what it needs was there")
    return value


def _reason(step: str, error: Exception) -> tuple[str, str]:
    """Return code and detail of what ended a step."""
    if isinstance(error, PageLost):
        return error.code, error.detail
    if isinstance(error, CaptureTimeout):
        return "capture-timeout", "the time for the whole capture was used up"
    if isinstance(error, TimeLimit):
        return f"{step}-timeout", str(error)
    return f"{step}-failed", _first_line(error)


def _first_line(error: BaseException) -> str:
    words = clean_text(str(error))[:200].partition("\n")[0]
    if isinstance(
        error, PlaywrightError | ProtocolError | SnapshotterError | TimeLimit | WorldError
    ):
        return words
    return f"{type(error).__name__}: {words}"
