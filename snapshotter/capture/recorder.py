"""
Record a page's network traffic from the browser's own events.

`Recorder` is the port. `BrowserRecorder` listens to the Network domain of the
Chrome DevTools Protocol on the page and on all that belongs to it, fetches each
body as soon as its request ends, and spools it. A later recorder may take the
bytes from the wire instead; what this one can not have, it names
(`Recording.missing_parts`, docs/spec/network-record.md).
"""

import asyncio
import base64
import binascii
import contextlib
import itertools
import shutil
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Request
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture import archive, tls
from snapshotter.capture.causes import cause, server_of
from snapshotter.capture.exchange import (
    Answer,
    Body,
    End,
    Exchange,
    HeaderLine,
    RawHead,
    line,
    lines,
    parse_head,
    same_headers,
)
from snapshotter.capture.partial import PartialBody
from snapshotter.capture.redact import Redactor
from snapshotter.capture.spool import utf8
from snapshotter.capture.targets import Params, ProtocolError, Session, Targets
from snapshotter.egress.guard import EgressGuard
from snapshotter.model.capture import (
    Artifact,
    Certificate,
    Disclosure,
    FailedRequest,
    MainResponse,
    Redaction,
    Redirect,
    RequestCounts,
)
from snapshotter.model.request import Limits
from snapshotter.ports import Clock, IdSource

TOO_MANY_REQUESTS = "too-many-requests"
CAPTURE_TOO_LARGE = "capture-too-large"
RESPONSE_TOO_LARGE = "response-too-large"

_CALL_S = 5.0  # limit of a call to the browser that only sets something up
_BODY_S = 20.0  # limit of fetching one body
_FOLLOW_S = 1.0  # that stopping waits for a document to be followed
# The network process hands a body out as bytes once it holds it whole. That may be a moment
# after the page's process has told of its end, and until then we are given characters.
_AGAIN_S = (0.02, 0.08, 0.3, 0.6)
_BODIES_AT_ONCE = 2  # each is in memory for a moment, as base64 and as bytes
_BUFFER_MORE = 8 << 20  # bytes; the browser reads a megabyte at once
_FAILED_KEPT = 500  # failed requests that are listed by name
_SPARE_REQUESTS = 500  # beyond the limit, requests are counted and no longer kept
_GRACE_S = 0.25  # how far our own news of an ending may be behind Playwright's
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
_NO_REQUEST = "none"
_SCRATCH = ".recorder"  # in the spool: bodies until they are in the archive
_MAIN_BODY = ".main-body"  # in the spool: until it is an artifact, or not wanted

# Playwright's words for resource types and protocols, and CDP's.
_RESOURCE_TYPES = {"xhr": "XHR", "eventsource": "EventSource", "texttrack": "TextTrack"}
_PROTOCOLS = {"http/2.0": "h2", "http/3.0": "h3"}
# Playwright loads a resource of another type anew when its body is gone, and does not
# say so. What was not received is not evidence of what was shown: we never ask it then.
_PLAYWRIGHT_ASKS_ONCE = frozenset({"document", "fetch", "xhr", "eventsource", "ping", "other"})

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
    "Page.frameNavigated",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MainBody:
    """The body of the answer that the way led to, as a file of its own."""

    file: Path  # beside the spool's artifacts; whoever gets it removes it
    media_type: str  # as the server named it, lowercase, no parameters; "" when it named none
    coding: str = ""  # content codings that are still on it, as the header says
    truncated: str = ""  # as WARC-Truncated says it; "" when it is whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recorder has to say, all files written."""

    redirects: tuple[Redirect, ...]
    response: MainResponse | None
    counts: RequestCounts
    failed: tuple[FailedRequest, ...]
    main_body_recorded: bool  # wholly, or as far as it came
    main_body_cut: bool
    document_error: str  # "net::ERR_…" of the main document, or ""
    redactions: tuple[Redaction, ...]
    disclosures: tuple[Disclosure, ...] = field(repr=False)
    missing_parts: tuple[str, ...]
    artifacts: tuple[Artifact, ...]  # archive/data.warc.gz, indexes/index.cdx, pages/pages.jsonl
    main_body: MainBody | None = None  # the body of `response`, even an empty one


class Recorder(Protocol):
    """
    Records the network traffic of one page.

    Not trusted to see everything: what it knows it missed is in `missing_parts`.
    """

    async def attach(self, context: BrowserContext, page: Page, cdp: CDPSession) -> None:
        """Begin, before the page's first navigation. Raises PlaywrightError or TimeoutError."""

    @property
    def in_flight(self) -> int:
        """Requests without an end."""

    @property
    def quiet_since(self) -> float:
        """`clock.monotonic()` of the last beginning or end of a request."""

    @property
    def over_limit(self) -> str:
        """The reason code of a limit that was passed, the gravest, or an empty text."""

    @property
    def document_in_flight(self) -> int:
        """Bytes that have come of the page's document, while more may come; else 0."""

    async def cut_off(self, cause: str) -> None:
        """
        Get ready for loading to be stopped from here; takes a second at most.

        Args:
            cause: In the words of WARC-Truncated: "time", "length" or "unspecified".
        """

    def take_download(self, file: Path, *, truncated: str) -> None:
        """
        Take the body of a document that the browser saved instead of showing it.

        A recorder that has the bytes from the wire needs none of this.

        Args:
            file: The recorder's from now on; content codings undone.
            truncated: In the words of WARC-Truncated; "" when it is whole.
        """

    async def finish(self, *, limit_s: float, final_url: str, title: str, text: str) -> Recording:
        """Collect what is outstanding, write the files. Never raises for what a page does."""

    def finish_now(self, *, final_url: str, title: str) -> Recording:
        """Write what was collected, without a browser or an event loop."""


class BrowserRecorder:
    """
    A `Recorder` that sees what the browser tells.

    Args:
        spool: The capture's directory; files appear below it under their bundle paths.
        redact_headers: Lowercase names of headers whose values are secret.
        software: Name and version, for the warcinfo record.
        guard: What the browser's connections go through, if anything: the browser does not
            see who is behind it.
    """

    def __init__(
        self,
        *,
        spool: Path,
        clock: Clock,
        ids: IdSource,
        limits: Limits,
        redact_headers: frozenset[str],
        software: str,
        guard: EgressGuard | None = None,
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._spool = spool
        self._scratch = spool / _SCRATCH
        self._software = software
        self._redactor = Redactor(names=redact_headers, ids=ids)
        self._targets = Targets(
            listener=self._on_event, begin=self._begin, spawn=self._spawn, gone=self._on_gone
        )
        self._ended: set[Session] = set()
        self._tasks: set[asyncio.Future[Any]] = set()
        self._following: set[asyncio.Future[Any]] = set()  # documents to be told of as they come
        self._body_slots = asyncio.Semaphore(_BODIES_AT_ONCE)

        self._exchanges: list[Exchange] = []
        self._hops: dict[str, list[Exchange]] = {}  # request id → exchanges, redirects first
        self._raw_requests: dict[str, list[tuple[HeaderLine, ...]]] = {}
        self._raw_responses: dict[str, list[RawHead]] = {}
        self._open: set[int] = set()
        self._quiet_since = clock.monotonic()
        self._received = 0  # bytes, decoded or on the wire, whichever the browser says is more
        self._too_large = False  # a response has passed the limit of one
        self._cause = ""  # why we stopped loading, as WARC-Truncated says it
        self._kept = 0  # bytes of bodies in the scratch directory
        self._ignored = 0  # requests beyond the limit
        self._seen_by_playwright: Counter[str] = Counter()
        self._unclaimed: dict[tuple[str, str], deque[Exchange]] = {}
        self._shared_workers: set[str] = set()  # target ids
        self._websockets = 0
        self._problems: Counter[str] = Counter()

        self._root: Session | None = None
        self._main_frame = ""
        self._committed: list[tuple[str, str]] = []  # loader id, error page's real URL or ""
        self._chains: dict[str, tuple[Certificate, ...]] = {}  # by origin
        self._recording: Recording | None = None

    async def attach(self, context: BrowserContext, page: Page, cdp: CDPSession) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        root = self._targets.listen(cdp, _EVENTS)
        self._root = root
        try:
            await asyncio.wait_for(root.send("Page.enable"), _CALL_S)
            tree = await asyncio.wait_for(root.send("Page.getFrameTree"), _CALL_S)
            self._main_frame = tree["frameTree"]["frame"]["id"]
            await self._begin(root)
        except ProtocolError as error:
            raise PlaywrightError(str(error)) from error
        # Playwright listens to workers before they start, and we may come too late there.
        context.on("request", lambda request: self._seen(request.url))
        for event in ("requestfinished", "requestfailed"):
            context.on(event, lambda request: self._spawn(self._reconcile(request)))
        context.on("page", lambda other: self._spawn(self._follow_popup(context, other)))
        if context.browser is not None:
            await asyncio.wait_for(self._watch_shared_workers(context.browser), _CALL_S)

    @property
    def in_flight(self) -> int:
        return len(self._open)

    @property
    def quiet_since(self) -> float:
        return self._quiet_since

    @property
    def over_limit(self) -> str:
        if len(self._exchanges) + self._ignored > self._limits.requests:
            return TOO_MANY_REQUESTS
        if self._received > self._limits.capture_bytes:
            return CAPTURE_TOO_LARGE
        return RESPONSE_TOO_LARGE if self._too_large else ""

    @property
    def document_in_flight(self) -> int:
        return max(
            (
                self._exchanges[n].body_length
                for n in self._open
                if self._is_main(self._exchanges[n])
            ),
            default=0,
        )

    async def cut_off(self, cause: str) -> None:
        self._cause = self._cause or cause
        if self._following:  # what is stopped before the browser tells of it is lost
            await asyncio.wait(set(self._following), timeout=_FOLLOW_S)

    def take_download(self, file: Path, *, truncated: str) -> None:
        for exchange in reversed(self._exchanges):
            if self._is_main(exchange) and exchange.answer is not None:
                break
        else:
            return
        size = file.stat().st_size
        exchange.body = _state_of_bytes(exchange) if size else Body.EMPTY
        exchange.body_file, exchange.body_length = file, size
        exchange.wire_length = exchange.wire_length or size
        exchange.truncated = truncated
        if not truncated:  # the browser tells of an end as soon as it begins to save
            exchange.end, exchange.error = End.ANSWERED, ""

    async def finish(self, *, limit_s: float, final_url: str, title: str, text: str) -> Recording:
        for exchange in self._exchanges:
            waits = exchange.number in self._open and exchange.answer is not None
            if waits and exchange.part is None:
                self._spawn(self._fetch_part(exchange))
        # A task may spawn another one: a body, then nothing. Two rounds are enough.
        end = asyncio.get_running_loop().time() + limit_s
        for _ in range(2):
            left = end - asyncio.get_running_loop().time()
            if self._tasks and left > 0:
                await asyncio.wait(set(self._tasks), timeout=left)
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=1.0)
        return self._write(final_url=final_url, title=title, text=text)

    def finish_now(self, *, final_url: str, title: str) -> Recording:
        return self._write(final_url=final_url, title=title, text="")

    # Sessions

    async def _begin(self, session: Session) -> None:
        """Set one target up. The extras are asked for one by one: older browsers lack some."""
        settings = {
            "maxTotalBufferSize": self._limits.capture_bytes,
            # More than we keep: a document that has just passed the limit is still to be had.
            "maxResourceBufferSize": self._limits.response_bytes + _BUFFER_MORE,
            "maxPostDataSize": self._limits.response_bytes,
        }
        try:
            # Durable messages are kept by the network process: as bytes, where the
            # renderer would hand out characters, and across navigations.
            await asyncio.wait_for(
                session.send("Network.enable", {**settings, "enableDurableMessages": True}), _CALL_S
            )
            # That is answered before the network process has heard of it, and a request may
            # overtake it. This one is answered there, behind it; there is no such body.
            with contextlib.suppress(ProtocolError, TimeoutError):
                await asyncio.wait_for(
                    session.send("Network.getResponseBody", {"requestId": _NO_REQUEST}), _CALL_S
                )
        except ProtocolError:
            await asyncio.wait_for(session.send("Network.enable", settings), _CALL_S)
        await asyncio.wait_for(self._targets.follow(session), _CALL_S)

    async def _follow_popup(self, context: BrowserContext, page: Page) -> None:
        """Listen to a window that the page opened; it may be gone before we do."""
        with contextlib.suppress(PlaywrightError, ProtocolError):
            session = self._targets.listen(await context.new_cdp_session(page), _EVENTS)
            page.on("close", lambda _: self._targets.forget(session))
            if page.is_closed():
                self._targets.forget(session)
            await self._begin(session)

    def _on_gone(self, session: Session) -> None:
        """A window was closed, a frame removed, a worker ended."""
        self._ended.add(session)
        self._spawn(self._end_requests_of_the_gone())

    async def _end_requests_of_the_gone(self) -> None:
        """End what nobody is left to tell of, unless it goes on in another process."""
        await asyncio.sleep(_GRACE_S)
        for exchange in self._exchanges:
            if exchange.number in self._open and self._ended.issuperset(
                exchange.sessions or (None,)
            ):
                self._close(exchange, End.CANCELLED)

    async def _watch_shared_workers(self, browser: Browser) -> None:
        """
        Learn of shared workers, whose requests nobody tells us.

        Chromium attaches them through the browser's session alone, and wraps no messages there.
        """
        session = await browser.new_browser_cdp_session()
        session.on("Target.targetCreated", self._on_shared_worker)
        session.on("Target.targetInfoChanged", self._on_shared_worker)
        kinds = [{"type": "shared_worker", "exclude": False}]
        await session.send("Target.setDiscoverTargets", {"discover": True, "filter": kinds})

    def _on_shared_worker(self, params: Params) -> None:
        target = params["targetInfo"]["targetId"]
        self._shared_workers.add(target)
        self._end_shared_worker_script(target)

    def _end_shared_worker_script(self, target: str) -> None:
        """End the request for a shared worker's script: its end is told to the worker alone."""
        hops = self._hops.get(target, [])
        waits = bool(hops) and hops[-1].end is End.PENDING
        if waits and target in self._shared_workers and self._raw_responses.get(target):
            self._close(hops[-1], End.ANSWERED)

    def _spawn(self, work: Awaitable[None]) -> asyncio.Future[None]:
        async def run() -> None:
            try:
                await work
            except Exception:  # noqa: BLE001 - a driver that dies raises plain ones; it is named
                self._problems["requests of a frame or worker that could not be followed"] += 1

        task = asyncio.ensure_future(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _seen(self, url: str) -> None:
        if url.startswith(("http:", "https:")):
            self._seen_by_playwright[_without_fragment(self._redactor.clean_url(url))] += 1

    # Events

    def _on_event(self, session: Session, method: str, params: Params) -> None:
        if self._recording is not None:
            return
        handler: Callable[[Session, Params], None] | None = getattr(
            self, "_on_" + method.rpartition(".")[2], None
        )
        if method in _EVENTS and handler is not None:
            handler(session, params)

    def _on_requestWillBeSent(self, session: Session, params: Params) -> None:
        request_id, request = params["requestId"], params["request"]
        hops = self._hops.get(request_id, [])
        previous = hops[-1] if hops else None
        if "redirectResponse" in params and previous is not None:
            self._take_redirect(previous, params)
        elif previous is not None and previous.end is End.PENDING:
            if self._redactor.clean_url(request["url"]) == previous.url:
                previous.sessions.append(session)  # a worker's script: its page told of it already
                return
            # A redirect that the browser will not follow is told without its answer.
            previous.redirected = True
            self._close(previous, End.ANSWERED)
        if not request["url"].startswith(("http:", "https:")):
            return  # data:, blob:, about:: nothing goes over a network
        if len(self._exchanges) >= self._limits.requests + _SPARE_REQUESTS:
            self._ignored += 1
            return
        exchange = Exchange(
            number=len(self._exchanges),
            request_id=request_id,
            url=self._redactor.clean_url(request["url"]),
            method=request["method"],
            resource_type=params.get("type", "Other"),
            at=datetime.fromtimestamp(params["wallTime"], UTC),
            frame_id=params.get("frameId", ""),
            loader_id=params.get("loaderId", ""),
            initiator=params.get("initiator", {}).get("type", ""),
            headers=lines(request.get("headers", {}), self._redactor),
            sessions=[session],
        )
        if exchange.initiator == "preflight":
            exchange.resource_type = "Preflight"
        self._take_post(exchange, session, request)
        self._exchanges.append(exchange)
        self._hops.setdefault(request_id, []).append(exchange)
        self._unclaimed.setdefault((exchange.method, exchange.url), deque()).append(exchange)
        self._open.add(exchange.number)
        self._touch()
        index = len(self._hops[request_id]) - 1
        raw = self._raw_requests.get(request_id, [])
        if index < len(raw):
            exchange.raw_headers = raw[index]

    def _on_requestWillBeSentExtraInfo(self, session: Session, params: Params) -> None:
        # One for each hop that goes to the network; it may come before its request.
        raw = self._raw_requests.setdefault(params["requestId"], [])
        raw.append(lines(params["headers"], self._redactor))
        hops = self._hops.get(params["requestId"], [])
        if len(raw) <= len(hops):
            hops[len(raw) - 1].raw_headers = raw[-1]

    def _on_requestServedFromCache(self, session: Session, params: Params) -> None:
        if hops := self._hops.get(params["requestId"]):
            hops[-1].from_cache = True

    def _on_responseReceived(self, session: Session, params: Params) -> None:
        if not (hops := self._hops.get(params["requestId"])):
            return
        exchange, response = hops[-1], params["response"]
        exchange.resource_type = params.get("type", exchange.resource_type)
        if exchange.initiator == "preflight":
            exchange.resource_type = "Preflight"
        exchange.from_cache |= any(
            response.get(name)
            for name in ("fromDiskCache", "fromPrefetchCache", "fromServiceWorker")
        )
        self._take_answer(exchange, response, has_raw=params.get("hasExtraInfo", False))
        if session not in exchange.sessions:
            exchange.sessions.append(session)
        if self._is_main(exchange):
            self._want_certificate(exchange.url)
            if exchange.part is None and not exchange.from_cache:
                task = self._spawn(self._follow_body(exchange, session))
                self._following.add(task)
                task.add_done_callback(self._following.discard)

    def _on_responseReceivedExtraInfo(self, session: Session, params: Params) -> None:
        text = params.get("headersText", "")
        status, headers = params["statusCode"], lines(params["headers"], self._redactor)
        head = RawHead(status=status, status_line="", headers=headers)
        if text:  # HTTP/1: the head as it came, unless it holds octets that CDP's text loses
            raw = parse_head(text, status, self._redactor)
            if same_headers(raw.headers, headers):
                head = raw
        self._raw_responses.setdefault(params["requestId"], []).append(head)
        self._end_shared_worker_script(params["requestId"])

    def _on_dataReceived(self, session: Session, params: Params) -> None:
        decoded, wire = params["dataLength"], params.get("encodedDataLength", 0)
        self._received += max(decoded, wire)
        if hops := self._hops.get(params["requestId"]):
            exchange = hops[-1]
            exchange.body_length += decoded
            exchange.wire_length += wire
            most = max(exchange.body_length, exchange.wire_length)
            self._too_large |= most > self._limits.response_bytes
            if exchange.part is not None and "data" in params:
                exchange.part.add(base64.b64decode(params["data"]))

    def _on_loadingFinished(self, session: Session, params: Params) -> None:
        if not (hops := self._hops.get(params["requestId"])) or hops[-1].end is not End.PENDING:
            return
        exchange = hops[-1]
        exchange.wire_length = int(params.get("encodedDataLength", exchange.wire_length))
        if session not in exchange.sessions:
            exchange.sessions.append(session)
        self._close(exchange, End.ANSWERED)
        if exchange.from_cache or exchange.initiator == "preflight":
            return
        if exchange.has_no_body:
            exchange.body = Body.EMPTY
        else:
            self._spawn(self._fetch_body(exchange, truncated=""))

    def _on_loadingFailed(self, session: Session, params: Params) -> None:
        if not (hops := self._hops.get(params["requestId"])) or hops[-1].end is not End.PENDING:
            return
        exchange = hops[-1]
        exchange.error = params.get("errorText", "")
        cors = params.get("corsErrorStatus", {}).get("corsError", "")
        exchange.block_reason = params.get("blockedReason", "") or cors
        if exchange.answer is not None and exchange.has_no_body:
            # How Chromium ends a HEAD or a 204 whose empty body nobody read.
            exchange.body, exchange.error = Body.EMPTY, ""
            self._close(exchange, End.ANSWERED)
        else:
            cancelled = bool(params.get("canceled"))
            self._close(exchange, _end_of_failure(exchange, cancelled=cancelled))
        if exchange.answer is not None and exchange.end is not End.ANSWERED:
            ours = exchange.end is End.CANCELLED and self._cause
            self._spawn(self._fetch_body(exchange, truncated=ours or "disconnect"))

    def _on_webSocketCreated(self, session: Session, params: Params) -> None:
        self._websockets += 1

    def _on_frameNavigated(self, session: Session, params: Params) -> None:
        frame = params["frame"]
        if frame["id"] == self._main_frame:
            self._committed.append((frame["loaderId"], frame.get("unreachableUrl", "")))

    # What the events say

    def _take_redirect(self, exchange: Exchange, params: Params) -> None:
        response, has_raw = params["redirectResponse"], params.get("redirectHasExtraInfo", False)
        self._take_answer(exchange, response, has_raw=has_raw)
        exchange.redirected = True
        exchange.wire_length = int(response.get("encodedDataLength", 0))
        # HSTS and the like: the browser redirects itself, and sends nothing.
        exchange.internal = not has_raw and any(
            header.name.lower() == "non-authoritative-reason"
            for header in exchange.response_headers
        )
        self._close(exchange, End.ANSWERED)
        if self._is_main(exchange):
            self._want_certificate(exchange.url)

    def _take_answer(self, exchange: Exchange, response: Params, *, has_raw: bool) -> None:
        address = (response.get("remoteIPAddress", "").strip("[]"), response.get("remotePort", 0))
        remote_ip, remote_port = self._server(exchange, address)
        exchange.answer = Answer(
            status=response["status"],
            status_text=self._redactor.clean_text(response.get("statusText", "")),
            protocol=response.get("protocol", ""),
            headers=lines(response.get("headers", {}), self._redactor),
            media_type=response.get("mimeType", "").lower(),
            charset=response.get("charset", ""),
            remote_ip=remote_ip,
            remote_port=remote_port,
            security=response.get("securityDetails"),
            has_raw=has_raw,
        )

    def _server(self, exchange: Exchange, seen: tuple[str, int]) -> tuple[str, int]:
        """Return the server's address: the browser names the guard's, if it names any."""
        if self._guard is None or not seen[0]:
            return seen
        return server_of(self._guard, exchange.url)

    def _take_post(self, exchange: Exchange, session: Session, request: Params) -> None:
        entries = [entry.get("bytes") for entry in request.get("postDataEntries", [])]
        if entries and all(entries):
            exchange.post = b"".join(base64.b64decode(str(entry)) for entry in entries)
        elif "postData" in request:
            exchange.post = utf8(request["postData"])
        elif request.get("hasPostData"):
            exchange.post_missing = True
            self._spawn(self._fetch_post(exchange, session))

    def _is_main(self, exchange: Exchange) -> bool:
        return exchange.is_main_request and exchange.frame_id == self._main_frame

    def _close(self, exchange: Exchange, end: End) -> None:
        exchange.end = end
        self._open.discard(exchange.number)
        self._touch()

    def _touch(self) -> None:
        self._quiet_since = self._clock.monotonic()

    # What has to be asked for

    async def _fetch_post(self, exchange: Exchange, session: Session) -> None:
        try:
            result = await asyncio.wait_for(
                session.send("Network.getRequestPostData", {"requestId": exchange.request_id}),
                _BODY_S,
            )
        except (ProtocolError, TimeoutError):
            return  # `post_missing` stays, and is counted
        if result.get("base64Encoded"):
            exchange.post = base64.b64decode(result["postData"])
        else:
            exchange.post = utf8(result["postData"])
        exchange.post_missing = False

    async def _fetch_body(self, exchange: Exchange, *, truncated: str) -> None:
        """Spool one body, or say in the exchange why there is none."""
        exchange.truncated = truncated
        if exchange.body_length > self._limits.response_bytes or self._is_full(exchange):
            exchange.body, exchange.truncated = Body.TOO_LONG, "length"
            return
        async with self._body_slots:
            data, text = await self._ask_for_body(exchange)
            for pause_s in _AGAIN_S:
                if data is None or not text or _is_as_served(exchange, data):
                    break
                await asyncio.sleep(pause_s)
                data, text = await self._ask_for_body(exchange)
            if data is None:
                return
            whole = exchange.part is not None and exchange.part.is_as_long_as(exchange.body_length)
            if text and whole and not _is_as_served(exchange, data):
                return  # its bytes were written down as they came: see `_keep_part`
            self._keep(exchange, data, text=text)

    async def _follow_body(self, exchange: Exchange, session: Session) -> None:
        """Have the browser tell a document's bytes as they come, and keep them."""
        file = self._scratch / f"{exchange.number:06}.part"
        part = exchange.part = PartialBody(file, limit=self._limits.response_bytes)
        try:
            result = await asyncio.wait_for(
                session.send("Network.streamResourceContent", {"requestId": exchange.request_id}),
                _BODY_S,
            )
            part.begin(base64.b64decode(result["bufferedData"]))
        except (ProtocolError, TimeoutError, binascii.Error):
            exchange.part = None  # it was whole before we asked, which is the usual case

    def _keep_part(self, exchange: Exchange) -> None:
        """Take what came of a document whose whole body could not be had."""
        part = exchange.part
        file = part.take() if part is not None else None
        if part is None or file is None:
            return
        exchange.body, exchange.body_file = _state_of_bytes(exchange), file
        if part.is_cut:
            exchange.truncated = "length"
        elif exchange.end is not End.ANSWERED or part.length < exchange.body_length:
            exchange.truncated = exchange.truncated or self._cause or "time"

    async def _fetch_part(self, exchange: Exchange) -> None:
        """Spool what came so far of a body that has no end."""
        exchange.truncated = self._cause or "time"
        for session in reversed(exchange.sessions):
            with contextlib.suppress(ProtocolError, TimeoutError, binascii.Error):
                result = await asyncio.wait_for(
                    session.send(
                        "Network.streamResourceContent", {"requestId": exchange.request_id}
                    ),
                    _BODY_S,
                )
                data = base64.b64decode(result["bufferedData"])
                exchange.body_length = len(data)
                self._keep(exchange, data, text=False)
                return

    def _keep(self, exchange: Exchange, data: bytes, *, text: bool) -> None:
        if not data and exchange.body_length:
            return  # it came and is no longer there: UNAVAILABLE
        if len(data) > self._limits.response_bytes or self._is_full(exchange):
            exchange.body, exchange.truncated = Body.TOO_LONG, "length"
            return
        exchange.body = _body_state(exchange, data, text=text)
        self._kept += len(data)
        file = self._scratch / f"{exchange.number:06}"
        file.write_bytes(data)
        exchange.body_file = file

    async def _reconcile(self, request: Request) -> None:
        """Compare a request that ended, as Playwright saw it, with what we were told ourselves."""
        url = _without_fragment(self._redactor.clean_url(request.url))
        if not url.startswith(("http:", "https:")):
            return
        exchange = self._claim(request.method, url)
        if exchange is None or exchange.end is End.PENDING:
            # The same news may still be on its way to us. Of a request that failed at once,
            # Playwright may even tell before we hear that it began: adopted now, it would
            # stand in the record twice.
            await asyncio.sleep(_GRACE_S)
        exchange = exchange or self._claim(request.method, url) or self._adopt(request, url)
        if exchange is None or exchange.end is not End.PENDING or self._recording is not None:
            return
        try:
            await asyncio.wait_for(self._complete(exchange, request), _BODY_S)
        finally:  # its window may have gone meanwhile; it has ended all the same
            if exchange.end is End.PENDING:
                self._close(exchange, End.CANCELLED)

    def _claim(self, method: str, url: str) -> Exchange | None:
        """Take the oldest request of ours that Playwright has not told the end of yet."""
        waiting = self._unclaimed.get((method, url))
        return waiting.popleft() if waiting else None

    def _adopt(self, request: Request, url: str) -> Exchange | None:
        """Take in a request that our own sessions did not tell of: a worker's first ones."""
        if len(self._exchanges) >= self._limits.requests + _SPARE_REQUESTS:
            self._ignored += 1
            return None
        started = request.timing["startTime"]
        exchange = Exchange(
            number=len(self._exchanges),
            request_id="",
            url=url,
            method=request.method,
            resource_type=_RESOURCE_TYPES.get(request.resource_type, request.resource_type.title()),
            at=datetime.fromtimestamp(started / 1000, UTC) if started > 0 else self._clock.now(),
            frame_id="",
            loader_id="",
            initiator="",
            headers=lines(request.headers, self._redactor),
            post=request.post_data_buffer or b"",
        )
        self._exchanges.append(exchange)
        self._open.add(exchange.number)
        return exchange

    async def _complete(self, exchange: Exchange, request: Request) -> None:
        """End an exchange with what Playwright knows of it."""
        sent = await request.headers_array()
        exchange.raw_headers = exchange.raw_headers or tuple(
            line(header["name"], header["value"], self._redactor) for header in sent
        )
        response = await request.response()
        if response is None:
            exchange.error = request.failure or ""
            if not exchange.error.startswith("net::"):  # Playwright's place for blockedReason
                exchange.error, exchange.block_reason = "", exchange.error
            self._close(exchange, _end_of_failure(exchange, cancelled=False))
            return
        headers = await response.headers_array()
        there = await response.server_addr()
        address = (there["ipAddress"].strip("[]"), there["port"]) if there else ("", 0)
        remote_ip, remote_port = self._server(exchange, address)
        protocol = (await response.http_version()).lower()
        exchange.answer = Answer(
            status=response.status,
            status_text=self._redactor.clean_text(response.status_text),
            protocol=_PROTOCOLS.get(protocol, protocol),
            headers=tuple(line(h["name"], h["value"], self._redactor) for h in headers),
            media_type=_media_type(headers),
            charset="",
            remote_ip=remote_ip,
            remote_port=remote_port,
            security=None,
            has_raw=True,
        )
        exchange.redirected = request.redirected_to is not None
        self._close(exchange, End.ANSWERED)
        if exchange.has_no_body:
            exchange.body = Body.EMPTY
        elif exchange.request_id:
            worker = self._targets.of_target(exchange.request_id)
            exchange.sessions += [worker] if worker is not None else []
            await self._fetch_body(exchange, truncated="")
        elif request.resource_type in _PLAYWRIGHT_ASKS_ONCE and not exchange.redirected:
            self._keep(exchange, await response.body(), text=True)

    def _is_full(self, exchange: Exchange) -> bool:
        return self._kept + exchange.body_length > self._limits.capture_bytes

    async def _ask_for_body(self, exchange: Exchange) -> tuple[bytes | None, bool]:
        """Return the body, and whether the browser gave characters. None: no session has it."""
        for session in reversed(exchange.sessions):
            try:
                result = await asyncio.wait_for(
                    session.send("Network.getResponseBody", {"requestId": exchange.request_id}),
                    _BODY_S,
                )
                if result.get("base64Encoded"):
                    return base64.b64decode(result["body"]), False
                return utf8(result["body"]), True
            except (ProtocolError, TimeoutError, binascii.Error):
                continue
        return None, False

    def _want_certificate(self, url: str) -> None:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme == "https" and origin not in self._chains:
            self._chains[origin] = ()
            self._spawn(self._fetch_certificate(origin))

    async def _fetch_certificate(self, origin: str) -> None:
        """Ask for the chain of the connection that served `origin`; without it, it stays empty."""
        if self._root is None:
            return
        try:
            result = await asyncio.wait_for(
                self._root.send("Network.getCertificate", {"origin": origin}), _CALL_S
            )
            ders = tuple(base64.b64decode(name) for name in result["tableNames"])
            self._chains[origin] = tuple(tls.certificate(der) for der in ders)
        except (ProtocolError, TimeoutError, ValueError):
            self._problems["the certificate chain of the main connection"] = 1

    # Writing

    def _write(self, *, final_url: str, title: str, text: str) -> Recording:
        if self._recording is not None:
            return self._recording
        self._give_raw_heads()
        recorded = [e for e in self._exchanges if not e.from_cache]
        for exchange in recorded:
            if exchange.part is not None and exchange.body_file is None and exchange.has_answer:
                self._keep_part(exchange)
        redirects, main, error = self._main_document()
        artifacts = archive.write(
            recorded,
            spool=self._spool,
            clock=self._clock,
            ids=self._ids,
            redactor=self._redactor,
            software=self._software,
            page=archive.PageLine(
                url=self._redactor.clean_url(final_url),
                title=title,
                text=text,
                at=main.at if main is not None else None,
            ),
        )
        failed = [e for e in recorded if e.end in (End.FAILED, End.BLOCKED)]
        self._recording = Recording(
            redirects=redirects,
            response=self._main_response(main),
            counts=self._counts(recorded),
            failed=tuple(
                FailedRequest(
                    url=e.url,
                    resource_type=e.resource_type,
                    error=self._error(e),
                )
                for e in failed[:_FAILED_KEPT]
            ),
            main_body_recorded=main is not None and _is_recorded(main),
            main_body_cut=main is not None and bool(main.truncated),
            main_body=self._main_body(main),
            document_error=error,
            redactions=self._redactor.redactions(),
            disclosures=self._redactor.disclosures(),
            missing_parts=self._missing_parts(recorded),
            artifacts=artifacts,
        )
        shutil.rmtree(self._scratch, ignore_errors=True)
        return self._recording

    def _main_body(self, main: Exchange | None) -> MainBody | None:
        if main is None or main.body_file is None:
            return None
        file = self._spool / _MAIN_BODY
        shutil.move(main.body_file, file)
        return MainBody(
            file=file,
            media_type=main.header("content-type").partition(";")[0].strip().lower(),
            truncated=main.truncated,
        )

    def _give_raw_heads(self) -> None:
        """
        Give each exchange its raw head. They come apart, in order, one for each that has any.

        A head whose status is not the answer's belongs to something else (a
        revalidated cache entry shows 200 for a 304): the browser's list is used then.
        """
        for request_id, hops in self._hops.items():
            heads = list(self._raw_responses.get(request_id, []))
            for exchange in hops:
                expected = exchange.answer is None or exchange.answer.has_raw
                if not heads or not expected:
                    continue
                head = heads.pop(0)
                if exchange.answer is None or head.status == exchange.answer.status:
                    exchange.raw_head = head

    def _main_document(self) -> tuple[tuple[Redirect, ...], Exchange | None, str]:
        """Return the way to the final document, the exchange that answered, and its error."""
        loads: dict[str, list[Exchange]] = {}
        for exchange in self._exchanges:
            if self._is_main(exchange):
                loads.setdefault(exchange.request_id, []).append(exchange)
        if not loads:
            return (), None, ""
        committed = [loader for loader, _ in self._committed if loader in loads]
        answered = [loader for loader, hops in loads.items() if hops[-1].has_answer]
        last = (committed or answered or list(loads))[-1]
        # A load that was given up for the next one led nowhere; the final one always counts.
        path = [loader for loader in loads if loader in committed and loader != last] + [last]
        redirects: list[Redirect] = []
        before: Exchange | None = None
        for loader in path:
            hops = loads[loader]
            if before is not None:
                redirects.append(_redirect(before, hops[0], kind="client"))
            redirects += [_redirect(a, b, kind="http") for a, b in itertools.pairwise(hops)]
            before = hops[-1]
        main = loads[last][-1]
        unreachable = any(loader == last and url for loader, url in self._committed)
        error = main.error
        if unreachable and not error:
            error = "net::ERR_FAILED"
        return tuple(redirects), main if main.has_answer else None, error

    def _main_response(self, main: Exchange | None) -> MainResponse | None:
        if main is None or main.answer is None:
            return None
        parts = urlsplit(main.url)
        return MainResponse(
            url=main.url,
            status=main.answer.status,
            status_text=main.answer.status_text,
            protocol=main.answer.protocol,
            headers=tuple((h.name, h.value) for h in main.response_headers),
            remote_ip=main.answer.remote_ip,
            remote_port=main.answer.remote_port,
            date_header=main.header("date"),
            tls=tls.facts(
                main.answer.security, self._chains.get(f"{parts.scheme}://{parts.netloc}", ())
            ),
        )

    def _error(self, exchange: Exchange) -> str:
        """Return what the browser said of a failure, and why, where the guard knows."""
        if exchange.block_reason:
            return f"{exchange.error} ({exchange.block_reason})".strip()
        known = self._guard and cause(self._guard, exchange.url, exchange.error)
        return f"{exchange.error}: {known.code}" if known else exchange.error

    def _counts(self, recorded: list[Exchange]) -> RequestCounts:
        ends = Counter(e.end for e in recorded)
        return RequestCounts(
            total=len(recorded) + self._ignored,
            answered=ends[End.ANSWERED],
            http_errors=sum(e.end is End.ANSWERED and e.status >= 400 for e in recorded),
            failed=ends[End.FAILED],
            blocked=ends[End.BLOCKED],
            cancelled=ends[End.CANCELLED],
            pending=ends[End.PENDING] + self._ignored,
            bodies_missing=sum(
                e.end is End.ANSWERED and e.body in (Body.UNAVAILABLE, Body.TOO_LONG)
                for e in recorded
            ),
            bytes_received=sum(e.wire_length for e in recorded),
        )

    def _missing_parts(self, recorded: list[Exchange]) -> tuple[str, ...]:
        """Say in words what a reader would look for and not find, with numbers."""
        absent: Counter[str] = Counter()
        for e in recorded:
            if e.post_missing:
                absent["request bodies that the browser did not hand out"] += 1
            if not e.has_answer:
                if e.end is End.ANSWERED and not e.internal:
                    absent["answers that the browser did not tell of"] += 1
                continue
            if e.body is Body.TOO_LONG:
                absent["bodies over a size limit"] += 1
            elif e.truncated and e.body_file is not None:
                absent["bodies that are cut off"] += 1
            elif e.body is Body.TEXT_AS_UTF8:
                absent["bodies as served (kept as text in UTF-8)"] += 1
            elif e.body is not Body.UNAVAILABLE:
                continue
            elif e.redirected:
                absent["bodies of redirects"] += 1
            elif e.resource_type == "Preflight":
                absent["bodies of CORS preflights"] += 1
            else:
                absent["bodies that the browser did not hand out"] += 1
        if self._ignored:
            absent["requests over the limit"] = self._ignored
        if self._shared_workers:
            absent["requests of shared workers (workers)"] = len(self._shared_workers)
        if self._websockets:
            absent["WebSocket frames (connections)"] = self._websockets
        if unseen := self._unseen():
            absent["requests that only the browser's second event source named"] = unseen
        absent += self._problems
        return tuple(f"{name}: {count}" for name, count in sorted(absent.items()))

    def _unseen(self) -> int:
        ours = Counter(_without_fragment(e.url) for e in self._exchanges)
        return 0 if self._ignored else (self._seen_by_playwright - ours).total()


def _is_recorded(exchange: Exchange) -> bool:
    """Whether the body is here: wholly, as far as it came, or as the nothing that it is."""
    if exchange.body is Body.EMPTY and exchange.end is End.ANSWERED:
        return True
    return exchange.body_file is not None and exchange.body_file.stat().st_size > 0


def _end_of_failure(exchange: Exchange, *, cancelled: bool) -> End:
    if exchange.block_reason or "ERR_BLOCKED_BY" in exchange.error:
        return End.BLOCKED
    if cancelled or exchange.error == "net::ERR_ABORTED":
        return End.CANCELLED
    return End.FAILED


def _redirect(before: Exchange, after: Exchange, *, kind: str) -> Redirect:
    return Redirect(
        kind=kind,
        from_url=before.url,
        to_url=after.url,
        status=before.status if kind == "http" else None,
        at=after.at,
    )


def _body_state(exchange: Exchange, data: bytes, *, text: bool) -> Body:
    """Tell how the bytes we got relate to the bytes on the wire."""
    encoded = bool(exchange.header("content-encoding"))
    if text and not _is_as_served(exchange, data):
        return Body.TEXT_AS_UTF8
    return _state_of_bytes(exchange) if data or encoded else Body.EMPTY


def _is_as_served(exchange: Exchange, data: bytes) -> bool:
    """
    Whether characters, in UTF-8, are surely the bytes that were served.

    They are only if those were UTF-8, all of it valid. Then there are as many as the
    browser counted, or as Content-Length says when nothing else does.
    """
    if not data:
        return True
    charset = exchange.answer.charset.lower() if exchange.answer is not None else ""
    if charset not in ("", "utf-8", "utf8") and (
        not data.isascii() or charset.startswith(("utf-16", "iso-2022"))
    ):
        return False
    if _REPLACEMENT in data:  # the mark of what was no UTF-8, which may be as long as that was
        return False
    announced = exchange.header("content-length")
    expected = exchange.body_length
    if not expected and not exchange.header("content-encoding") and announced.isdecimal():
        expected = int(announced)
    return len(data) == expected if expected else data.isascii()


def _state_of_bytes(exchange: Exchange) -> Body:
    if exchange.header("content-encoding"):
        return Body.CONTENT_DECODED
    if exchange.header("transfer-encoding"):
        return Body.TRANSFER_DECODED
    return Body.AS_RECEIVED


def _media_type(headers: Sequence[Any]) -> str:
    values = [h["value"] for h in headers if h["name"].lower() == "content-type"]
    return str(values[0]).partition(";")[0].strip().lower() if values else ""


def _without_fragment(url: str) -> str:
    return url.partition("#")[0]
