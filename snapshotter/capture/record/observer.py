"""
Follow the browser's network events: which requests there are, and how each of them ends.

The bytes of the record come from the wire (`wire_reader.py`). The browser's Network domain adds
what the wire does not show: the initiator and frame of a request, what was blocked, what failed
before anything was sent, what came from the cache. It also reports, while the page is open, which
requests have no end yet; the wire shows that only afterwards.
"""

import asyncio
import contextlib
import itertools
import re
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Request
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.cdp_sessions import (
    CdpSession,
    CdpTargets,
    Params,
    ProtocolError,
    TunnelledCdpSession,
)
from snapshotter.capture.browser.event_handlers import with_known_signature
from snapshotter.capture.record.exchange_pairing import (
    WEBSOCKET,
    ObservedRequest,
    ObservedResponse,
    RequestEnd,
)
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.model.capture import Redirect
from snapshotter.model.request import Limits
from snapshotter.ports import Clock
from snapshotter.value_class import dataclass

RELOAD = "reload"  # the kind of a `Redirect` that is none: we requested the page again
_CALL_S = 5.0  # for a frame or worker to be followed, which waits for that
_SPARE_REQUESTS = 500  # beyond the limit, requests are only counted
_GRACE_S = 0.25  # how far our own news of an ending may be behind Playwright's
_ADDRESS = 2_000  # characters of an initiator's address
_POLLS = 3  # equal requests of scripts from which on they are taken for a poll,
_POLL_S = 3.0  # if they have gone on for so long,
_POLLS_FAST = 30  # or so many of them, or an interval sends them and so many answers were equal
_POSTED = 16_384  # bytes of what a request sends that tell it from others to its address
_MESSAGES = 3  # of one socket or event stream that count as something new
_WORKER_S = 0.3  # for a worker that is not busy to answer

_LONG_NUMBER = re.compile(r"\d{6,}")  # what keeps an answer from coming from a cache
_NO_ADDRESS = re.compile(r"[\x00-\x20\x7f]")  # a script may name itself as it likes
# Playwright's words for resource types, and CDP's.
_RESOURCE_TYPES = {"xhr": "XHR", "eventsource": "EventSource", "texttrack": "TextTrack"}

_EVENTS = (
    "Network.requestWillBeSent",
    "Network.requestWillBeSentExtraInfo",
    "Network.requestServedFromCache",
    "Network.responseReceived",
    "Network.responseReceivedExtraInfo",
    "Network.dataReceived",
    "Network.loadingFinished",
    "Network.loadingFailed",
    "Network.webSocketCreated",
    "Network.webSocketHandshakeResponseReceived",
    "Network.webSocketFrameSent",
    "Network.webSocketFrameReceived",
    "Network.webSocketClosed",
    "Network.eventSourceMessageReceived",
    "Page.frameNavigated",
)


@dataclass(slots=True)
class _MessageChannel:
    """A socket or an event stream, over which messages may come."""

    kind: str  # "socket" or "event-stream"
    number: int  # of its request
    since: float  # `clock.monotonic()`
    messages: int = 0
    asked: int = 0  # messages that the page sent
    asked_at: float = 0.0  # when it sent the last one; 0.0: an answer came
    is_open: bool = True
    ended_at: float = 0.0  # when its server ended it without a message: the browser asks again


@dataclass(slots=True)
class _Question:
    """What requests of scripts ask, perhaps again and again."""

    first_at: float  # `clock.monotonic()`
    count: int = 0  # requests
    ticks: int = 0  # requests that an interval sent, as far as that was noticed
    answer: tuple[object, ...] = ()  # of the request that ended last
    same: int = 0  # equal answers in a row
    touched_at: float = 0.0  # last event of a request after the first `_POLLS`

    @property
    def is_poll(self) -> bool:
        """Whether an interval repeats it, and its answers bring nothing new."""
        return self.ticks >= _POLLS and self.same >= _POLLS

    @property
    def may_be_poll(self) -> bool:
        """Whether it is still to be found out if an interval repeats it."""
        seen = self.ticks > 0 or self.count <= 2 * _POLLS
        return self.same >= _POLLS and seen and not self.is_poll


class RequestObserver:
    """Follows the requests of one page, of its frames, workers and windows."""

    def __init__(self, *, clock: Clock, limits: Limits, redactor: Redactor) -> None:
        self._clock = clock
        self._limits = limits
        self._redactor = redactor
        self._targets = CdpTargets(
            listener=self._on_event, begin=self._begin, spawn=self._spawn, gone=self._on_gone
        )
        self._gone: set[CdpSession] = set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._stopped = False

        self._observed: list[ObservedRequest] = []
        self._hops: dict[str, list[ObservedRequest]] = {}  # request id → requests, redirects first
        self._open: set[int] = set()
        self._unclaimed: dict[tuple[str, str], deque[ObservedRequest]] = {}
        self._claimed: dict[Request, ObservedRequest] = {}  # by Playwright's word for the same
        self._adopted: dict[
            tuple[str, str], deque[ObservedRequest]
        ] = {}  # reported by Playwright only
        self._sent: Counter[str] = Counter()  # heads that were sent, by request id
        self._heard: set[str] = set()  # ids of requests whose answer's head came
        self._shared_workers: set[str] = set()  # target ids
        self._ended_workers: set[str] = set()  # of those
        self._quiet_since = clock.monotonic()
        self._changed_at = clock.monotonic()  # likewise, without polls
        self._questions: dict[tuple[str, str, int], _Question] = {}
        self._unanswered: dict[int, _Question] = {}  # by number of a request
        self._repeated: dict[int, _Question] = {}  # by number, after the first `_POLLS`
        self._question_ids: dict[str, _Question] = {}  # by request id, until an interval sent it
        self._polls: set[int] = set()  # numbers of requests
        self._channels: dict[str, _MessageChannel] = {}  # sockets and event streams, by request id
        self._workers: set[TunnelledCdpSession] = set()
        self._busy_since = 0.0  # since when a worker does not answer; 0: all do
        self._ignored = 0
        self._unfollowed_targets = 0
        self._received = 0  # bytes, decoded or on the wire, whichever is more
        self._too_large = False

        self._main_frame = ""
        self._committed: list[str] = []  # loader ids of documents that were shown
        self._failed: dict[str, str] = {}  # errors of requests that we aborted, by id
        self._asked_again: list[int] = []  # how many requests there were

    async def attach(self, context: BrowserContext, cdp: CDPSession) -> None:
        """Begin, before the page's first navigation. Raises PlaywrightError; limit its time."""
        root = self._targets.listen(cdp, _EVENTS)
        try:
            await root.send("Page.enable")
            tree = await root.send("Page.getFrameTree")
            self._main_frame = tree["frameTree"]["frame"]["id"]
            await self._listen(root)
        except ProtocolError as error:
            raise PlaywrightError(str(error)) from error
        # Playwright listens to workers before they start, and we may come too late there.
        begin = with_known_signature(
            lambda request: self._spawn(self._begin_from_playwright(request))
        )
        end = with_known_signature(lambda request: self._spawn(self._end_from_playwright(request)))
        for event, handler in (
            ("request", begin),
            ("requestfinished", end),
            ("requestfailed", end),
        ):
            context.on(event, handler)  # type: ignore[call-overload] # one of these names
        context.on("page", lambda other: self._spawn(self._follow_popup(context, other)))
        if context.browser is not None:
            await self._watch_shared_workers(context.browser)

    async def halt_workers(self) -> None:
        """Pause all workers at their next statement, for good: no order disables their scripts."""
        orders = ("Runtime.terminateExecution", "Debugger.enable", "Debugger.pause")
        await asyncio.gather(
            *[
                session.send(order)
                for session in self._targets.of_kinds("worker", "shared_worker", "service_worker")
                for order in orders
            ],
            return_exceptions=True,
        )

    def stop(self) -> None:
        """Ignore all further events, which our own actions cause. From any thread."""
        self._stopped = True

    # What was observed

    @property
    def observed(self) -> tuple[ObservedRequest, ...]:
        """Every request, in the order of the reports."""
        return tuple(self._observed)

    @property
    def ignored(self) -> int:
        """How many requests beyond the limit were counted only."""
        return self._ignored

    @property
    def unfollowed_targets(self) -> int:
        """How many frames, windows and workers could not be followed."""
        return self._unfollowed_targets

    @property
    def in_flight(self) -> int:
        """How many requests have no end yet."""
        return len(self._open)

    @property
    def quiet_since(self) -> float:
        """`clock.monotonic()` of the last beginning or end of a request."""
        return self._quiet_since

    @property
    def awaited(self) -> int:
        """How many requests have no end, without polls and open event streams."""
        streams = {channel.number for channel in self._channels.values() if channel.is_open}
        return sum(not self._is_poll(number) for number in self._open - streams)

    @property
    def changed_at(self) -> float:
        """`clock.monotonic()` of the last network event that is no poll."""
        touched = (
            question.touched_at for question in self._repeated.values() if not question.is_poll
        )
        return max(self._changed_at, max(touched, default=0.0))

    @property
    def may_be_polling(self) -> bool:
        """Whether requests have equal answers, and an interval may repeat them."""
        return any(question.may_be_poll for question in self._repeated.values())

    def note_intervals(self, request_ids: Collection[str]) -> None:
        """
        Note that intervals sent these requests. Each counts once, however often it is noted.

        Args:
            request_ids: The browser's.
        """
        for request_id in request_ids:
            if (question := self._question_ids.pop(request_id, None)) is not None:
                question.ticks += 1

    @property
    def workers(self) -> int:
        """How many workers run, shared ones included."""
        return len(self._workers) + len(self._shared_workers - self._ended_workers)

    @property
    def silent_channels(self) -> tuple[tuple[str, float], ...]:
        """Sockets and event streams without a first message, or an answer: kind, and since when."""
        return tuple(
            (channel.kind, channel.asked_at or channel.ended_at or channel.since)
            for channel in self._channels.values()
            if channel.ended_at or (channel.is_open and (channel.asked_at or not channel.messages))
        )

    @property
    def polls(self) -> int:
        """How many requests without an end are repeated by scripts."""
        return sum(self._is_poll(number) for number in self._open)

    @property
    def channels(self) -> int:
        """How many sockets and event streams are open and have had a message."""
        return sum(channel.is_open and channel.messages > 0 for channel in self._channels.values())

    async def busy_since(self) -> float:
        """Return since when a worker has not answered; 0.0 if all do."""
        workers = tuple(self._workers)
        if not workers:
            return 0.0
        asked = self._clock.monotonic()
        answers = await asyncio.gather(
            *[
                asyncio.wait_for(session.send("Runtime.evaluate", {"expression": "1"}), _WORKER_S)
                for session in workers
            ],
            return_exceptions=True,
        )
        busy = any(isinstance(response, TimeoutError) for response in answers)
        self._busy_since = (self._busy_since or asked) if busy else 0.0
        return self._busy_since

    @property
    def bytes_received(self) -> int:
        """Bytes of all bodies, decoded or on the wire, whichever is more."""
        return self._received

    @property
    def response_too_large(self) -> bool:
        """Whether a response has passed the limit of one response."""
        return self._too_large

    def open_requests(self, kinds: Collection[str]) -> tuple[ObservedRequest, ...]:
        """Return the requests of these resource types that have no end yet."""
        still = (self._observed[number] for number in sorted(self._open))
        return tuple(request for request in still if request.resource_type in kinds)

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return len(self._observed) + self._ignored

    @property
    def document_in_flight(self) -> int:
        """Bytes of the page's document so far, while more may come; otherwise 0."""
        still = (self._observed[number] for number in self._open)
        return max((request.body_length for request in still if self._is_main(request)), default=0)

    def redirects_and_documents(self) -> tuple[tuple[Redirect, ...], tuple[ObservedRequest, ...]]:
        """Return the redirects, and the requests of the documents that were shown, in turn."""
        loads: dict[str, list[ObservedRequest]] = {}
        for request in self._observed:
            if self._is_main(request):
                loads.setdefault(request.request_id, []).append(request)
        if not loads:
            return (), ()
        committed = [loader for loader in self._committed if loader in loads]
        answered = [loader for loader, hops in loads.items() if hops[-1].response is not None]
        last = (committed or answered or list(loads))[-1]
        # A load that was given up for the next one led nowhere; the final one always counts.
        path = [loader for loader in loads if loader in committed and loader != last] + [last]
        redirects: list[Redirect] = []
        before: ObservedRequest | None = None
        for loader in path:
            hops = loads[loader]
            if before is not None:
                is_ours = any(
                    before.number < number <= hops[0].number for number in self._asked_again
                )
                kind = RELOAD if is_ours else "client"
                redirects.append(_redirect(before, hops[0], kind=kind))
            redirects += [_redirect(a, b, kind="http") for a, b in itertools.pairwise(hops)]
            before = hops[-1]
        return tuple(redirects), tuple(loads[loader][-1] for loader in path)

    def requested_again(self) -> None:
        """Note that the next document comes because we request the page once more."""
        self._asked_again.append(len(self._observed))

    def failed(self, request_id: str, error: str) -> None:
        """
        Note the error of a request that we abort because of it.

        Args:
            request_id: The browser's.
            error: "net::ERR_…"
        """
        self._failed[request_id] = error

    # Sessions

    async def _begin(self, session: CdpSession) -> None:
        """Set up a target, which waits with its page for us: no longer than `_CALL_S`."""
        await asyncio.wait_for(self._listen(session), _CALL_S)

    async def _listen(self, session: CdpSession) -> None:
        """Enable a target's events. No body is requested, so the browser need not keep any."""
        nothing = {"maxTotalBufferSize": 0, "maxResourceBufferSize": 0, "maxPostDataSize": _POSTED}
        if isinstance(session, TunnelledCdpSession) and "worker" in session.kind:
            self._workers.add(session)
        await session.send("Network.enable", nothing)
        await self._targets.follow(session)

    async def _follow_popup(self, context: BrowserContext, page: Page) -> None:
        """Follow a window that the page opened; it may be gone already."""
        try:
            session = self._targets.listen(await context.new_cdp_session(page), _EVENTS)
        except (PlaywrightError, ProtocolError):
            # No event names the end of what it requested, which may still be on its way to us.
            await asyncio.sleep(_GRACE_S)
            await self._end_orphaned_requests()
            return
        with contextlib.suppress(PlaywrightError, ProtocolError):
            page.on("close", lambda _: self._targets.forget(session))
            if page.is_closed():
                self._targets.forget(session)
            await self._begin(session)

    def _on_gone(self, session: CdpSession) -> None:
        """Forget a closed window, a removed frame or an ended worker."""
        self._gone.add(session)
        if isinstance(session, TunnelledCdpSession):
            self._workers.discard(session)
        self._spawn(self._end_orphaned_requests())

    async def _end_orphaned_requests(self) -> None:
        """End requests of targets that are gone, unless another process continues them."""
        await asyncio.sleep(_GRACE_S)
        if self._stopped:
            return
        for number in tuple(self._open):
            request = self._observed[number]
            # One without a session is a worker's; which one's is not known.
            if self._gone.issuperset(request.sessions):
                self._close(request, RequestEnd.CANCELLED)

    async def _watch_shared_workers(self, browser: Browser) -> None:
        """
        Follow shared workers, whose requests are not reported to us.

        Chromium attaches them through the browser's session only, and wraps no messages there.
        """
        session = await browser.new_browser_cdp_session()
        session.on("Target.targetCreated", self._on_shared_worker)
        session.on("Target.targetInfoChanged", self._on_shared_worker)
        session.on("Target.targetDestroyed", lambda gone: self._ended_workers.add(gone["targetId"]))
        kinds = [{"type": "shared_worker", "exclude": False}]
        await session.send("Target.setDiscoverTargets", {"discover": True, "filter": kinds})

    def _on_shared_worker(self, params: Params) -> None:
        target = params["targetInfo"]["targetId"]
        self._shared_workers.add(target)
        self._end_shared_worker_script(target)

    def _end_shared_worker_script(self, target: str) -> None:
        """End the request for a shared worker's script, which only the worker is told of."""
        hops = self._hops.get(target, [])
        waits = bool(hops) and hops[-1].end is RequestEnd.PENDING
        if waits and target in self._shared_workers and target in self._heard:
            self._close(hops[-1], RequestEnd.ANSWERED)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Future[None]:
        async def run() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - a driver that dies raises plain ones; it is named
                self._unfollowed_targets += not self._stopped

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # Events

    def _on_event(self, session: CdpSession, method: str, params: Params) -> None:
        if self._stopped:
            return
        handler: Callable[[CdpSession, Params], None] | None = getattr(
            self, "_on_" + method.rpartition(".")[2], None
        )
        if method in _EVENTS and handler is not None:
            handler(session, params)

    def _on_requestWillBeSent(self, session: CdpSession, params: Params) -> None:
        request_id, request = params["requestId"], params["request"]
        hops = self._hops.get(request_id, [])
        previous = hops[-1] if hops else None
        if "redirectResponse" in params and previous is not None:
            self._take_redirect(previous, params)
        elif previous is not None and previous.end is RequestEnd.PENDING:
            if self._redactor.clean_url(request["url"]) == previous.url:
                previous.sessions.append(
                    session
                )  # a worker's script, which its page reported already
                return
            # A redirect that the browser does not follow is reported without its response.
            self._close(previous, RequestEnd.ANSWERED)
        if not request["url"].startswith(("http:", "https:")):
            return  # data:, blob:, about:: nothing goes over a network
        kind = params.get("type", "Other")
        initiator = params.get("initiator", {})
        observed = self._new(
            request_id,
            url=request["url"],
            method=request["method"],
            resource_type="Preflight" if initiator.get("type") == "preflight" else kind,
            at=datetime.fromtimestamp(params["wallTime"], UTC),
            frame_id=params.get("frameId", ""),
            loader_id=params.get("loaderId", ""),
            initiator=initiator,
        )
        if observed is not None:
            observed.sessions.append(session)
            if adopted := self._adopted.get((observed.method, observed.url)):
                self._replace(adopted.popleft(), observed)
            else:
                self._unclaimed.setdefault((observed.method, observed.url), deque()).append(
                    observed
                )
            self._open.add(observed.number)
            self._note_poll(observed, str(request.get("postData", "")))
            self._touch(observed)

    def _on_requestWillBeSentExtraInfo(self, session: CdpSession, params: Params) -> None:
        # One for each hop that goes to the network; it may come before its request.
        request_id = params["requestId"]
        self._sent[request_id] += 1
        self._mark_sent(request_id)

    def _on_requestServedFromCache(self, session: CdpSession, params: Params) -> None:
        if hops := self._hops.get(params["requestId"]):
            hops[-1].from_cache = True

    def _on_responseReceived(self, session: CdpSession, params: Params) -> None:
        if not (hops := self._hops.get(params["requestId"])):
            return
        request, response = hops[-1], params["response"]
        if request.initiator != "preflight":
            request.resource_type = params.get("type", request.resource_type)
        request.from_cache |= any(
            response.get(name)
            for name in ("fromDiskCache", "fromPrefetchCache", "fromServiceWorker")
        )
        self._take_answer(request, response)
        if request.resource_type == "EventSource" and request.end is RequestEnd.PENDING:
            for channel in self._channels.values():
                if channel.ended_at and self._observed[channel.number].url == request.url:
                    channel.ended_at = 0.0  # this one goes on in its place
            self._channels.setdefault(
                params["requestId"],
                _MessageChannel(
                    kind="event-stream", number=request.number, since=self._clock.monotonic()
                ),
            )
        if session not in request.sessions:
            request.sessions.append(session)

    def _on_responseReceivedExtraInfo(self, session: CdpSession, params: Params) -> None:
        self._heard.add(params["requestId"])
        self._end_shared_worker_script(params["requestId"])

    def _on_dataReceived(self, session: CdpSession, params: Params) -> None:
        decoded, wire = params["dataLength"], params.get("encodedDataLength", 0)
        self._received += max(decoded, wire)
        if hops := self._hops.get(params["requestId"]):
            request = hops[-1]
            request.body_length += decoded
            request.wire_length += wire
            self._too_large |= (
                max(request.body_length, request.wire_length) > self._limits.response_bytes
            )
            if request.number in self._open and _has_come(request):
                # The end of a body that a page does not read is reported to nobody.
                self._open.discard(request.number)
                self._compare_answer(request)
                self._touch(request)

    def _on_loadingFinished(self, session: CdpSession, params: Params) -> None:
        if (
            not (hops := self._hops.get(params["requestId"]))
            or hops[-1].end is not RequestEnd.PENDING
        ):
            return
        if session not in hops[-1].sessions:
            hops[-1].sessions.append(session)
        self._close(hops[-1], RequestEnd.ANSWERED)

    def _on_loadingFailed(self, session: CdpSession, params: Params) -> None:
        if (
            not (hops := self._hops.get(params["requestId"]))
            or hops[-1].end is not RequestEnd.PENDING
        ):
            return
        request = hops[-1]
        known = self._failed.get(request.request_id, "")
        request.error = known or params.get("errorText", "")
        cors = params.get("corsErrorStatus", {}).get("corsError", "")
        request.block_reason = params.get("blockedReason", "") or cors
        if request.response is not None and _has_no_body(request):
            request.error = ""  # how Chromium ends a HEAD or a 204 whose empty body was not read
            self._close(request, RequestEnd.ANSWERED)
        else:
            self._close(
                request,
                _end_of_failure(request, cancelled=bool(params.get("canceled")) and not known),
            )

    def _on_webSocketCreated(self, session: CdpSession, params: Params) -> None:
        # It may stay open for as long as the page lives: never in flight.
        request = self._new(
            params["requestId"],
            url=params["url"].replace("ws", "http", 1),  # which its handshake speaks
            method="GET",
            resource_type=WEBSOCKET,
            at=self._clock.now(),
            initiator=params.get("initiator", {}),
        )
        if request is not None:
            request.sessions.append(session)
        number = request.number if request is not None else -1
        now = self._clock.monotonic()
        self._channels[params["requestId"]] = _MessageChannel(
            kind="socket", number=number, since=now
        )

    def _on_webSocketFrameSent(self, session: CdpSession, params: Params) -> None:
        if (channel := self._channels.get(params["requestId"])) is not None:
            channel.asked += 1
            if channel.asked <= _MESSAGES:
                channel.asked_at = self._clock.monotonic()

    def _on_webSocketFrameReceived(self, session: CdpSession, params: Params) -> None:
        self._take_message(params["requestId"])

    def _on_eventSourceMessageReceived(self, session: CdpSession, params: Params) -> None:
        self._take_message(params["requestId"])

    def _take_message(self, request_id: str) -> None:
        if (channel := self._channels.get(request_id)) is not None:
            channel.messages += 1
            channel.asked_at = 0.0
            if channel.messages <= _MESSAGES:
                self._changed_at = self._clock.monotonic()

    def _on_webSocketHandshakeResponseReceived(self, session: CdpSession, params: Params) -> None:
        if hops := self._hops.get(params["requestId"]):
            self._take_answer(hops[-1], params["response"])
            hops[-1].end = RequestEnd.ANSWERED

    def _on_webSocketClosed(self, session: CdpSession, params: Params) -> None:
        if (channel := self._channels.get(params["requestId"])) is not None:
            channel.is_open = False
        if (hops := self._hops.get(params["requestId"])) and hops[-1].end is RequestEnd.PENDING:
            hops[-1].end = RequestEnd.FAILED

    def _on_frameNavigated(self, session: CdpSession, params: Params) -> None:
        frame = params["frame"]
        if frame["id"] == self._main_frame:
            self._committed.append(frame["loaderId"])

    # What the events say

    def _new(
        self,
        request_id: str,
        *,
        url: str,
        method: str,
        resource_type: str,
        at: datetime,
        frame_id: str = "",
        loader_id: str = "",
        initiator: Params | None = None,
    ) -> ObservedRequest | None:
        """Add a request; return None beyond the limit, where it is only counted."""
        if len(self._observed) >= self._limits.requests + _SPARE_REQUESTS:
            self._ignored += 1
            return None
        request = ObservedRequest(
            number=len(self._observed),
            request_id=request_id,
            url=self._redactor.clean_url(url.partition("#")[0]),
            method=method,
            resource_type=resource_type,
            at=at,
            frame_id=frame_id,
            loader_id=loader_id,
            initiator=(initiator or {}).get("type", ""),
            initiator_url=self._redactor.clean_url(_initiator_url(initiator or {}))[:_ADDRESS],
        )
        self._observed.append(request)
        if request_id:
            self._hops.setdefault(request_id, []).append(request)
            self._mark_sent(request_id)
        return request

    def _mark_sent(self, request_id: str) -> None:
        for request in self._hops.get(request_id, [])[: self._sent[request_id]]:
            request.sent = True

    def _take_redirect(self, request: ObservedRequest, params: Params) -> None:
        response, has_raw = params["redirectResponse"], params.get("redirectHasExtraInfo", False)
        self._take_answer(request, response)
        # HSTS and the like: the browser redirects itself, and sends nothing.
        request.internal = not has_raw and any(
            name.lower() == "non-authoritative-reason" for name in response.get("headers", {})
        )
        self._close(request, RequestEnd.ANSWERED)

    def _take_answer(self, request: ObservedRequest, response: Params) -> None:
        security = response.get("securityDetails") or {}
        request.response = ObservedResponse(
            status=response["status"],
            status_text=self._redactor.clean_text(response.get("statusText", "")),
            protocol=response.get("protocol", ""),
            headers=tuple(
                (str(name), self._header(str(name), part))
                for name, value in response.get("headers", {}).items()
                for part in str(value).split("\n")  # which joins what is repeated
            ),
            transparency=security.get("certificateTransparencyCompliance", ""),
            is_insecure=bool(security) and response.get("securityState") == "insecure",
        )

    def _header(self, name: str, value: str) -> str:
        if self._redactor.is_secret(name):
            return self._redactor.conceal(name, value)
        return self._redactor.clean_header(name, value)

    def _is_main(self, request: ObservedRequest) -> bool:
        return request.is_main_request and request.frame_id == self._main_frame

    def _close(self, request: ObservedRequest, end: RequestEnd) -> None:
        request.end = end
        self._open.discard(request.number)
        if (channel := self._channels.get(request.request_id)) is not None:
            channel.is_open = False
            status = request.response.status if request.response is not None else 0
            if status == 200 and not channel.messages and end is not RequestEnd.CANCELLED:
                channel.ended_at = self._clock.monotonic()
        self._compare_answer(request)
        self._touch(request)

    def _note_poll(self, request: ObservedRequest, posted: str = "") -> None:
        """
        Note a request that scripts repeat.

        Args:
            posted: What it sends: one address may answer all questions of an application.
        """
        if request.resource_type not in ("XHR", "Fetch", "Ping"):
            return
        question = (
            request.method, _LONG_NUMBER.sub("", request.url), hash(_LONG_NUMBER.sub("", posted)),
        )  # fmt: skip
        now = self._clock.monotonic()
        asked = self._questions.setdefault(question, _Question(first_at=now))
        before, asked.count = asked.count, asked.count + 1
        self._unanswered[request.number] = asked
        if request.request_id:
            self._question_ids[request.request_id] = asked
        if before >= _POLLS:
            self._repeated[request.number] = asked
        if before >= _POLLS_FAST or (before >= _POLLS and now - asked.first_at > _POLL_S):
            self._polls.add(request.number)

    def _is_poll(self, number: int) -> bool:
        question = self._repeated.get(number)
        return number in self._polls or (question is not None and question.is_poll)

    def _compare_answer(self, request: ObservedRequest) -> None:
        """Compare the answer with the one before it to the same question."""
        if (question := self._unanswered.pop(request.number, None)) is None:
            return
        response = request.response
        headers = {name.lower(): value for name, value in response.headers} if response else {}
        answer = (
            response.status if response is not None else 0,
            request.error,
            request.body_length,
            *(headers.get(name, "") for name in ("content-type", "etag", "last-modified")),
        )
        if answer == question.answer:
            question.same += 1
            return
        if question.is_poll and request.number not in self._polls:
            self._changed_at = self._clock.monotonic()
        question.answer, question.same = answer, 1

    def _touch(self, request: ObservedRequest) -> None:
        self._quiet_since = self._clock.monotonic()
        if request.number in self._polls:
            return
        if (question := self._repeated.get(request.number)) is not None:
            question.touched_at = self._quiet_since
        else:
            self._changed_at = self._quiet_since

    async def _begin_from_playwright(self, request: Request) -> None:
        """Add a request that Playwright reports and our sessions do not."""
        if not request.url.startswith(("http:", "https:")):
            return
        await asyncio.sleep(_GRACE_S)  # the same news may still be on its way to us
        url = self._redactor.clean_url(request.url.partition("#")[0])
        waiting = self._unclaimed.get((request.method, url))
        if waiting:
            self._claimed[request] = waiting.popleft()
            return
        if self._stopped:
            return
        started, kind = request.timing["startTime"], request.resource_type
        observed = self._new(
            "",
            url=url,
            method=request.method,
            resource_type=_RESOURCE_TYPES.get(kind, kind.title()),
            at=datetime.fromtimestamp(started / 1000, UTC) if started > 0 else self._clock.now(),
        )
        if observed is not None:
            self._claimed[request] = observed
            self._adopted.setdefault((observed.method, observed.url), deque()).append(observed)
            self._open.add(observed.number)
            self._note_poll(observed)
            self._touch(observed)

    def _replace(self, adopted: ObservedRequest, own: ObservedRequest) -> None:
        """Replace a request that Playwright reported by the report of our own session."""
        self._observed.pop()
        self._open.discard(adopted.number)
        own.number, own.at = adopted.number, adopted.at
        self._observed[own.number] = own
        for request, observed in self._claimed.items():
            if observed is adopted:
                self._claimed[request] = own

    async def _end_from_playwright(self, request: Request) -> None:
        """End a request whose end Playwright reports and our sessions do not."""
        await asyncio.sleep(2 * _GRACE_S)
        observed = self._claimed.pop(request, None)
        if observed is None or observed.end is not RequestEnd.PENDING or self._stopped:
            return
        observed.error = request.failure or ""
        if not observed.error.startswith("net::"):  # Playwright's place for blockedReason
            observed.error, observed.block_reason = "", observed.error
        failed = bool(request.failure)
        self._close(
            observed, _end_of_failure(observed, cancelled=False) if failed else RequestEnd.ANSWERED
        )


def _end_of_failure(request: ObservedRequest, *, cancelled: bool) -> RequestEnd:
    if request.block_reason or "ERR_BLOCKED_BY" in request.error:
        return RequestEnd.BLOCKED
    if cancelled or request.error == "net::ERR_ABORTED":
        return RequestEnd.CANCELLED
    return RequestEnd.FAILED


def _has_no_body(request: ObservedRequest) -> bool:
    """Return whether HTTP forbids a body here (RFC 9110, section 6.4.1)."""
    status = request.response.status if request.response is not None else 0
    return request.method == "HEAD" or status in (204, 304) or 100 <= status < 200


def _has_come(request: ObservedRequest) -> bool:
    """Return whether all bytes of a body have come, if its head announced how many."""
    headers = (
        {name.lower(): value for name, value in request.response.headers}
        if request.response
        else {}
    )
    announced = headers.get("content-length", "")
    come = request.wire_length if headers.get("content-encoding") else request.body_length
    return announced.isascii() and announced.isdigit() and come >= int(announced[:18]) > 0


def _initiator_url(initiator: Params) -> str:
    """Return the address of the document or script that made a request; "" without one."""
    frames = initiator.get("stack", {}).get("callFrames", [])
    url = str((frames[0] if frames else initiator).get("url", "")).partition("#")[0]
    is_address = url.startswith(("http:", "https:")) and _NO_ADDRESS.search(url) is None
    return url if is_address else ""


def _redirect(before: ObservedRequest, after: ObservedRequest, *, kind: str) -> Redirect:
    status = before.response.status if before.response is not None else 0
    return Redirect(
        kind=kind,
        from_url=before.url,
        to_url=after.url,
        status=status if kind == "http" else None,
        at=after.at,
    )
