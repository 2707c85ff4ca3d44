"""
Navigate to the address of a capture, follow where it leads, and hold the page at its document.

A page may redirect, never finish loading, or be a file that the browser can only save. A page that
was reached is held at its document, so that the pictures and the text show the same one.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Request, Response

from snapshotter.capture.browser.call_guard import CallTimeout
from snapshotter.capture.browser.event_handlers import with_known_signature
from snapshotter.capture.browser.recovery import PageRecovery
from snapshotter.capture.page import file_target
from snapshotter.capture.page.popup_blocker import PopupBlocker
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.record.failure_causes import (
    cdp_error_reason,
    explain_failed_navigation,
    host_and_port,
)
from snapshotter.capture.record.recorder import RESPONSE_TOO_LARGE
from snapshotter.capture.redaction.redactor import clean_url
from snapshotter.capture.steps import StepEnd, first_error_line
from snapshotter.model.capture import StepState

_LOOK_S = 0.05  # between two looks at a condition
_LOAD_LOOK_S = 0.01  # at whether the page has loaded, on which everything waits
# A script or style sheet in the way of the page is ended when no byte came for a third of the
# time that is left since the last was ended: several in turn do not use up all of it.
_STALLED_SHARE = 1 / 3
_STALLED_S = 3.0  # at least
_STALL_LOOK_S = 0.25  # between two looks at that
_READ_ON_S = 3.0  # for a document to be read to its end when its time is used up
_STILL_S = 1.0  # without a byte, of a connection beside a document that still comes
_URL_CHARACTERS = 500
_REFRESH_S = 5.0  # a redirect that the page announces for later than this is not waited for
_NAVIGATE_SHARE = 0.6  # most of the capture's time that one may take to load
_CRASH_NEWS_S = 1.0  # how far the news of a crash may be behind what it broke
_MOVES = 100  # changes of the address within a document; each costs everybody some time
_SAVES = "Download is starting"  # Playwright's words for an address that is a file
_FAILURES = 10  # navigations that fail; the page is held at its document then
_LOST_MEDIA = 5_000  # addresses
_ELEMENT = 1  # Node.ELEMENT_NODE
_NO_DOCUMENT = (204, 205)  # HTTP statuses that leave the document as it is
_ELSEWHERE = ("http:", "https:", "about:", "blob:", "javascript:")  # where a page can go
_DOCUMENTS = {"resourceType": "Document"}
_HOLD = [_DOCUMENTS]  # requests for documents are paused before they are sent
_WATCH = [_DOCUMENTS | {"requestStage": "Response"}]  # paused when they are answered, or fail


class Navigation:
    """
    Brings one page to its address, and tracks which document it shows.

    Make it before the page's events are enabled.

    Args:
        saved: Where the browser saves the address if it is a file, until it is recorded.
    """

    def __init__(
        self,
        page_context: PageContext,
        *,
        saved: Path,
        popup_blocker: PopupBlocker,
        recovery: PageRecovery,
    ) -> None:
        self._page_context = page_context
        self._page = page_context.page
        self._session = page_context.session
        self._guard = page_context.guard
        self._decision = page_context.decision
        self._limits = page_context.limits
        self._url = page_context.request.url
        self._clock = page_context.clock
        self._document = page_context.document
        self._recorder = page_context.recorder
        self._builder = page_context.builder
        self._egress = page_context.browser.network.guard
        self._saved = saved
        self._popup_blocker = popup_blocker
        self._recovery = recovery
        self.wanted_url = ""  # where the document wanted to go last, while it was held
        self.lost_media: set[str] = set()  # addresses of images and the like that did not come
        self._has_returned = False  # to the document, from what stood in its place
        self._answered: set[str] = set()  # navigations that have an answer, by id of their pause
        self._first_request: str | None = None  # the browser's id of the first navigation
        self._holds = False  # the page was held at its document: see `anchor`
        self._is_going = False  # a navigation of ours is under way whose answer is paused
        self._failures = 0  # navigations away from a document that failed
        self._failure: tuple[str, str] | None = None  # code and detail of the newest of them
        self._page.on("response", with_known_signature(self._on_response))
        self._page.on("request", with_known_signature(self._on_request))
        self._page.on("requestfailed", self._on_request_failed)
        self._session.on("Page.frameNavigated", self._on_navigated)
        self._session.on("Page.navigatedWithinDocument", self._on_navigated_within_document)
        self._session.on("Page.loadEventFired", self._on_loaded)
        self._session.on("Page.frameScheduledNavigation", self._on_scheduled)
        self._session.on("Page.frameClearedScheduledNavigation", self._on_unscheduled)
        self._session.on("Page.frameRequestedNavigation", self._on_requested)
        self._session.on("Fetch.requestPaused", self._on_paused)

    async def go(self) -> StepEnd | str | None:
        """Navigate to the address, and wait for the page that it leads to; the body of a step."""
        self._builder.navigation_started_at = self._clock.now()
        await self._watch_from_the_start()
        self._egress.report_given_up(partial(self._report_given_up, asyncio.get_running_loop()))
        self._egress.allow_connections()
        return await self._go(is_first=True)

    async def again(self) -> StepEnd | str | None:
        """Request the page once more; the body of a step. Earlier traffic stays in the record."""
        await self.release()
        # Else the browser asks whether the page has changed, and "304 Not Modified" without a
        # body would stand in the record as the page.
        try:
            await self._page_context.send("emptying the cache", "Network.clearBrowserCache")
        except PlaywrightError as error:
            self._builder.log(
                "reload", f"the cache could not be emptied: {first_error_line(error)}"
            )
        self._recorder.observer.requested_again()
        self._document.expected_at = None
        return await self._go(is_first=False)

    async def _go(self, *, is_first: bool) -> StepEnd | str | None:
        page, limits = self._page, self._limits
        documents = self._document.count
        # A policy with little time in all still gets a picture of what came.
        limit = min(limits.navigate_s, self._guard.remaining_s * _NAVIGATE_SHARE)
        end = self._clock.monotonic() + limit
        failure, self._failure, self._is_going = "", None, not is_first
        try:
            await self._guard.call(
                "navigation",
                page.goto(self._url, wait_until="commit", timeout=0),
                limit,
            )
        except CallTimeout:
            failure = "timeout"
        except PlaywrightError as error:
            failure = error.message
        finally:
            self._is_going = False
        if not failure:
            await self._wait_for_commit(documents, end)
        if self._document.count == documents:
            if self._popup_blocker.target is not None or _SAVES in failure:
                return await self._save_target(end)
            if failure == "timeout":
                await self.stop_loading("time")
                code = "timeout"
                detail = f"no answer came within {limit:.3g} s"
            elif self._failure is not None:  # a reload: the document before is still there
                code, detail = self._failure
            else:
                asked = self._document.asked or self._url
                code, detail = explain_failed_navigation(
                    self._egress, failure, asked=asked, status=self._document.status
                )
                if code in ("aborted", "network-error"):
                    # Perhaps the page's process crashed, and the news is still on its way.
                    await self._guard.pause(_CRASH_NEWS_S)
            self._builder.add_reason(code, detail)
            self._builder.navigation_ended_at = self._clock.now()
            if code in ("no-content", "empty-error-response"):  # an answer, and all of it
                self._builder.is_answered = self._builder.has_no_content = True
                return StepEnd(StepState.PARTIAL, detail)
            return StepEnd(StepState.FAILED, detail)
        if is_first:
            await self.release()
        state = await self.wait_for_load(end)
        self._builder.navigation_ended_at = self._clock.now()
        return state

    async def wait_for_load(self, end: float) -> StepEnd | None:
        """Wait for the load event of the document, and of those that it redirects to."""
        document, limits = self._document, self._limits
        guard, popup_blocker = self._guard, self._popup_blocker
        waits_since = looked_at = self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            if document.away and not self._has_returned:
                await self._return(min(end - now, limits.settle_s))
                continue
            if document.count > limits.redirects:
                self._builder.add_reason(
                    "redirect-loop", f"the page redirected the browser {document.count - 1} times"
                )
                await self.anchor()
                # Held, it goes nowhere. Stopped right behind a commit, a document that has
                # hardly begun would never be drawn, and everything after it would hang.
                if not await self._has_loaded(limits.settle_s):
                    await self.stop_loading("unspecified")
                return StepEnd(StepState.PARTIAL, "the capture stopped following redirects")
            goes = popup_blocker.downloads or document.kept
            if goes and not document.loaded and self._is_quiet():
                # A navigation that a page begins by itself, and that ends without a document,
                # keeps `load` from coming.
                await self.stop_loading("unspecified")
                return StepEnd(
                    StepState.OK,
                    "the browser reported no load event, because the page began a further "
                    "navigation that led to no document",
                )
            if document.loaded and (document.expected_at is None or now > document.expected_at + 1):
                return None
            if document.broken and not document.loaded and self._is_quiet():
                if not await self._has_body():
                    code, detail = explain_failed_navigation(
                        self._egress, document.error, asked=self._builder.final_url, status=0
                    )
                    detail = f"the answer ended before the browser could show any content: {detail}"
                    self._builder.add_reason(code, detail)
                    return StepEnd(StepState.FAILED, detail)
                return StepEnd(StepState.PARTIAL, "the document was cut off")
            if document.cut_at == document.count:
                await self._recovery.revive(all_scripts=False)
                return StepEnd(
                    StepState.PARTIAL, "loading was stopped at a limit, before the load event"
                )
            if now >= end:
                break
            if now >= looked_at + _STALL_LOOK_S:
                looked_at = now
                still_s = max(_STALLED_S, (end - waits_since) * _STALLED_SHARE)
                if await self._end_stalled(still_s):
                    waits_since = now
            await guard.pause(_LOAD_LOOK_S)
        if document.loaded:
            return None  # a redirect was announced, and never came
        self._builder.add_reason(
            "load-timeout", "the page did not finish loading within the time limit"
        )
        await self._finish_parsing()
        if not document.loaded:
            await self.stop_loading("time")
        await self._recovery.revive(all_scripts=False)
        return StepEnd(StepState.PARTIAL, "loading was stopped before the load event")

    async def _end_stalled(self, still_s: float) -> bool:
        """End scripts and style sheets without a byte for so long; return whether there was one."""
        ended = await self._recorder.end_stalled(still_s)
        for url in ended:
            self._builder.note("end-request", f"no data came for {still_s:.3g} s: {url}"[:500])
        return bool(ended)

    async def _finish_parsing(self) -> None:
        """
        Let the browser parse the document to its end, without the scripts that it still waits for.

        A pending script keeps everything below it from being there. If loading were stopped while
        the browser waits for one, it would never parse that.
        """
        end = self._clock.monotonic() + min(_READ_ON_S, self._limits.settle_s)
        waits = True
        while waits and not self._document.loaded and self._clock.monotonic() < end:
            # What still comes has a connection that is not still.
            still_s = _STILL_S if self._recorder.observer.document_in_flight else 0.0
            await self._end_stalled(still_s)
            await self._guard.pause(_LOOK_S)
            waits = self._recorder.is_waiting_for_scripts

    async def _return(self, limit_s: float) -> None:
        """
        Load the last document once more, with its scripts stopped, after something replaced it.

        A page that replaces itself by `about:blank` hides what it showed. It makes no request for
        that, so the replacement cannot be refused. An error page of the browser is there if its
        requests could not be paused, or if it gave up a navigation without a request.
        """
        self._has_returned = True
        away, url, documents = self._document.away, self._builder.final_url, self._document.count
        if self._document.failed:
            code, detail = explain_failed_navigation(
                self._egress, self._document.error, asked=away, status=0
            )
            why = f"the browser replaced the page by an error page for {away}"
            self._builder.log("destination-missing", f"{away}: {code}: {detail}")
            self._builder.add_reason(
                "destination-missing",
                f"the page navigated to {away}, but no page was received from this address "
                f"({code}: {detail}); the previous document was loaded again without scripts",
            )
        else:
            why = f"the page replaced itself with {away}"
            self._builder.add_reason(
                "page-navigated",
                f"{why}, which came from no server; the previous document was loaded again "
                "without scripts",
            )
        await self._recovery.stop_scripts(why)
        self._recorder.observer.requested_again()
        await self.release()  # the document may announce the same navigation again, without scripts
        self._is_going = True
        try:
            await self._guard.call(
                "loading the previous document",
                self._page.goto(url, wait_until="commit", timeout=0),
                limit_s,
            )
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log("return", f"the action had no effect: {first_error_line(error)}")
            return
        finally:
            self._is_going = False
        await self._wait_for_commit(documents, self._clock.monotonic() + limit_s)

    async def stop_loading(self, cause: str) -> None:
        """
        Stop loading: while a navigation is pending, every other call would wait for it.

        Args:
            cause: A word of WARC-Truncated; see `Recorder.note_cut_off`.
        """
        await self._recorder.note_cut_off(cause)
        self._builder.note("stop-loading", "")
        try:
            await self._page_context.send("stopping", "Page.stopLoading")
        except (CallTimeout, PlaywrightError) as error:
            self._builder.note(
                "stop-loading", f"the action had no effect: {first_error_line(error)}"
            )
        end = self._clock.monotonic() + 2 * self._decision.quiet_s
        while self._recorder.observer.in_flight and self._clock.monotonic() < end:
            await self._guard.pause(_LOOK_S)
        self._document.stuck_requests = self._recorder.observer.in_flight

    async def _watch_from_the_start(self) -> None:
        """
        Pause requests for documents, so that no navigation of the page is faster than `release`.

        The answer to the first request passes, which is our own: if an answer was paused, Chromium
        does not report that it is empty.
        """
        try:
            await self._page_context.send("watching the page", "Fetch.enable", {"patterns": _HOLD})
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log(
                "hold-page", f"requests could not be paused: {first_error_line(error)}"
            )

    async def anchor(self) -> None:
        """
        Hold the page at its document, so that pictures and text show the same one.

        A navigation that is aborted leaves its page as it is.
        """
        self._holds = True
        try:
            await self._page_context.send("holding the page", "Fetch.enable", {"patterns": _HOLD})
        except (CallTimeout, PlaywrightError) as error:
            self._builder.note("hold-page", f"the action had no effect: {first_error_line(error)}")

    async def release(self) -> None:
        """
        Let the page navigate (again; see `anchor`), and keep its document if that fails.

        Chromium replaces a document by an error page of its own when a navigation fails. A
        navigation that is aborted leaves the document as it is.
        """
        try:
            await self._page_context.send(
                "releasing the page", "Fetch.enable", {"patterns": _WATCH}
            )
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log(
                "hold-page", f"the page could not be released: {first_error_line(error)}"
            )

    async def _save_target(self, end: float) -> StepEnd:
        """Have the browser save an address that is a file."""
        while (download := self._popup_blocker.target) is None:  # the event may be behind the error
            await self._guard.pause(_LOOK_S)
        saved = await file_target.save_download(
            download, self._saved, self._guard,
            folder=self._page_context.browser.workspace.artifacts,
            most=self._limits.response_bytes, end=end, clock=self._clock,
        )  # fmt: skip
        self._builder.navigation_ended_at = self._clock.now()
        self._builder.final_url = download.url
        self._builder.is_answered = True
        self._builder.note("save-file", f"bytes: {saved.length}")
        if saved.truncated in ("length", "time"):
            await self._recorder.note_cut_off(saved.truncated)
        detail = (
            f"the address leads to a file, not to a page; length of the file: {saved.length} bytes"
        )
        if not saved.truncated:
            return StepEnd(StepState.OK, detail)
        if saved.truncated == "length":
            self._builder.add_reason(
                RESPONSE_TOO_LARGE, "the file is larger than the limit for one answer of a server"
            )
        elif saved.truncated == "time":
            self._builder.add_reason(
                "load-timeout", "the file was not complete within the time limit"
            )
        return StepEnd(StepState.PARTIAL, f"{detail}, cut off ({saved.truncated})")

    async def _wait_for_commit(self, documents: int, end: float) -> None:
        """Wait for the event of a document whose navigation has succeeded: it may come later."""
        while self._document.count == documents and self._clock.monotonic() < end:
            await self._guard.pause(_LOOK_S / 10)

    async def _has_loaded(self, limit_s: float) -> bool:
        """Wait for the load event of the current document; return whether it came."""
        end = self._clock.monotonic() + limit_s
        while not self._document.loaded and self._clock.monotonic() < end:
            await self._guard.pause(_LOOK_S)
        return self._document.loaded

    async def _has_body(self) -> bool:
        """
        Return whether the document came as far as its body.

        Before that Chromium draws nothing, and every screenshot would wait until its time is used
        up.
        """
        try:
            answer = await self._page_context.send(
                "reading the document", "DOM.getDocument", {"depth": 2}
            )
            await self._page_context.send("reading the document", "DOM.disable")
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log("navigate", f"the action had no effect: {first_error_line(error)}")
            return True
        elements = [
            node for node in answer["root"].get("children", ()) if node["nodeType"] == _ELEMENT
        ]
        return any(
            root["nodeName"] != "HTML"
            or any(node["nodeName"] in ("BODY", "FRAMESET") for node in root.get("children", ()))
            for root in elements
        )

    def _is_quiet(self) -> bool:
        quiet_s = self._clock.monotonic() - self._recorder.observer.quiet_since
        return self._recorder.observer.in_flight == 0 and quiet_s >= self._decision.quiet_s

    # Events of the page

    def _on_navigated(self, event: dict[str, Any]) -> None:
        frame = event.get("frame", {})
        url = str(frame.get("url", ""))
        if frame.get("parentId"):
            return
        if frame.get("unreachableUrl") or not url.startswith("http"):
            missing = str(frame.get("unreachableUrl", ""))
            self._on_shown(clean_url(missing or url), is_error_page=bool(missing))
            return
        self._egress.document_arrived()
        self._document.count += 1
        self._document.away = ""
        # A navigation away from the first document may fail before this event of it is here.
        self._document.kept = self._document.kept and self._document.count == 1
        self._popup_blocker.awaits_target = False
        self._document.frame = str(frame.get("id", ""))
        self._document.loaded = self._document.broken = False
        self._document.expected_at = None
        self.wanted_url = ""
        self._builder.final_url = url + str(frame.get("urlFragment", ""))
        self._builder.log("document", url)

    def _on_shown(self, url: str, *, is_error_page: bool) -> None:
        """Note a document that replaced the page and came from no server."""
        if not self._document.count:
            return  # the browser's own, from before the page
        self._document.expected_at = None
        self._builder.log("document", url[:_URL_CHARACTERS])
        if url.startswith("blob:"):
            self._document.loaded = False
            self._builder.warn(
                "document-made-by-page",
                f"the page navigated to {url[:_URL_CHARACTERS]}, a document that a script of the "
                "page made; the pictures and the text show the new document, and final_url is "
                "the address of the document whose script made the new document",
            )
        else:
            self._document.away = url[:_URL_CHARACTERS]
            self._document.failed = is_error_page

    def _on_loaded(self, _: dict[str, Any]) -> None:
        if self._document.count:
            self._document.loaded = True

    def _on_navigated_within_document(self, event: dict[str, Any]) -> None:
        if event.get("frameId") == self._document.frame:
            self._document.moves += 1
            if self._document.moves == _MOVES:
                self._recovery.stop_scripts_soon(f"the page changed its address {_MOVES} times")

    def _on_scheduled(self, event: dict[str, Any]) -> None:
        delay = float(event.get("delay", 0))
        if event.get("frameId") == self._document.frame and delay <= _REFRESH_S:
            self._document.expected_at = self._clock.monotonic() + delay

    def _on_requested(self, event: dict[str, Any]) -> None:
        same_window = event.get("disposition", "currentTab") == "currentTab"
        if event.get("frameId") != self._document.frame or not same_window:
            return
        url = str(event.get("url", ""))
        if not url.lower().startswith(_ELSEWHERE):
            self._builder.warn(
                "navigation-refused",
                f"the page tried to navigate to {url[:_URL_CHARACTERS]}, but the browser does not "
                "allow navigation to this kind of address",
            )
        else:
            self._document.expected_at = self._clock.monotonic()

    async def _on_paused(self, event: dict[str, Any]) -> None:
        await self._run_for_event(self._answer_pause(event))

    async def _run_for_event(self, work: Awaitable[None]) -> None:
        """
        Do what an event of the browser requires, and log its failure.

        Nothing awaits a listener: Playwright would print its error as a traceback. The steps meet
        and report a lost page, a used-up time and a dead driver.
        """
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a driver that dies raises plain ones
            self._builder.log("hold-page", f"the action had no effect: {first_error_line(error)}")

    async def _answer_pause(self, event: dict[str, Any]) -> None:
        method = "Fetch.continueRequest"
        details: dict[str, Any] = {"requestId": event.get("requestId")}
        url = clean_url(event.get("request", {}).get("url", ""))[:_URL_CHARACTERS]
        status, error = event.get("responseStatusCode"), event.get("responseErrorReason", "")
        is_answered = event.get("requestId") in self._answered
        if self._first_request is None and not self._document.count:
            self._first_request = str(event.get("networkId"))  # also of where it is redirected to
            self._document.frame = str(event.get("frameId"))
        is_ours = event.get("frameId") == self._document.frame
        if status is None and not error and not self._holds:
            details["interceptResponse"] = str(event.get("networkId")) != self._first_request
        elif status is not None:
            self._answered.add(str(event.get("requestId")))
            self._document.kept = self._document.kept or (is_ours and status in _NO_DOCUMENT)
        elif not is_ours or is_answered:  # a response that breaks off is reported twice
            pass
        elif not error:
            method, details["errorReason"] = "Fetch.failRequest", "Aborted"
            self.wanted_url = url
            self._builder.note("hold-page", f"snapshotter stopped the navigation to {url}"[:500])
        else:
            method, details["errorReason"] = "Fetch.failRequest", "Aborted"
            self._keep_document(url, cdp_error_reason(error), str(event.get("networkId", "")))
            if self._failures == _FAILURES:
                await self.anchor()
        await self._session.send(method, details)

    def _keep_document(self, url: str, error: str, request_id: str) -> None:
        """Note that a navigation away from the document failed, and that the document stays."""
        self._failure = code, detail = explain_failed_navigation(
            self._egress, error, asked=url, status=0
        )
        self._failures += 1
        self._document.kept = True
        self._document.expected_at = None
        self._recorder.observer.failed(request_id, error)
        self._builder.log("destination-missing", f"{url}: {code}: {detail}")
        if self._is_going:
            return  # our own navigation, whose step records it
        self._builder.add_reason(
            "destination-missing",
            f"the page navigated to {url}, but no page was received from this address ({code}: "
            f"{detail}); the capture shows the previous document",
        )

    def _on_unscheduled(self, event: dict[str, Any]) -> None:
        if event.get("frameId") == self._document.frame:
            self._document.expected_at = None

    def _on_request(self, request: Request) -> None:
        """Let the document of the page have its own time limits, wherever it comes from."""
        if request.is_navigation_request() and request.frame is self._page.main_frame:
            server = host_and_port(request.url)
            if server is not None:
                self._egress.expect_document(*server)

    def _report_given_up(
        self, loop: asyncio.AbstractEventLoop, servers: tuple[tuple[str, int], ...]
    ) -> None:
        """Note hosts that did not answer in time; called in the thread of the guard."""
        with suppress(RuntimeError):  # the loop was closed: the capture is over
            loop.call_soon_threadsafe(self._note_given_up, servers)

    def _note_given_up(self, servers: tuple[tuple[str, int], ...]) -> None:
        named = " ".join(f"{host}:{port}" for host, port in servers)
        self._builder.note(
            "give-up-hosts",
            "hosts that did not answer, after all such hosts together had delayed the page by "
            f"{self._limits.unanswered_s:g} s: {named}",
        )

    def _on_response(self, response: Response) -> None:
        request = response.request
        if response.status >= 400:
            self._note_lost_media(request)
        elif (
            response.status < 300
        ):  # requested again, it came; if it breaks off, that event follows
            self.lost_media.discard(request.url)
        leaves_it = response.status in _NO_DOCUMENT or 300 <= response.status < 400
        if self._document.count and leaves_it:
            return  # the document that is there keeps its own
        if request.is_navigation_request() and request.frame is self._page.main_frame:
            self._document.status = response.status
            self._document.headers = response.headers

    def _note_lost_media(self, request: Request) -> None:
        if request.resource_type in ("image", "media") and len(self.lost_media) < _LOST_MEDIA:
            self.lost_media.add(request.url)

    def _on_request_failed(self, request: Request) -> None:
        self._note_lost_media(request)
        if request.is_navigation_request() and request.frame is self._page.main_frame:
            self._document.asked = request.url
            self._document.broken = request.url == self._page.url.partition("#")[0]
            self._document.error = request.failure or ""
