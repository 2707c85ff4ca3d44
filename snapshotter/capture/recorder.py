"""
Record a page's network traffic: the bytes from the wire, their circumstances from the browser.

The egress guard keeps every connection as it was, encrypted. `Recorder` reads them when
the page is done, with the keys that the browser wrote down: nothing stands between the two
while the page lives, and what is recorded is what was sent. The keys and the streams are
destroyed as soon as the archive is written. What can not be read is named
(`Recording.missing_parts`, docs/spec/network-record.md).
"""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from playwright.async_api import BrowserContext, CDPSession

from snapshotter.capture import archive, streams, tls, viewer
from snapshotter.capture.browser import Wire
from snapshotter.capture.budget import SIGNATURES_CPU_S, Budget, deadline
from snapshotter.capture.causes import cause, place_of
from snapshotter.capture.exchange import End, Exchange, Observed, cross_check, pair
from snapshotter.capture.observation import RELOAD, Observer
from snapshotter.capture.redact import REQUESTED_URL, Redactor
from snapshotter.capture.scratch import Scratch
from snapshotter.capture.spool import Spool
from snapshotter.capture.viewer import Concealer
from snapshotter.capture.wire import CarriedConnection, read
from snapshotter.egress import tee
from snapshotter.errors import SnapshotterError
from snapshotter.formats import certificate_authority, network, server_signature
from snapshotter.formats.cms import Recipient
from snapshotter.formats.http1_chunks import parts, unchunked
from snapshotter.formats.tls_keylog import KeyLog
from snapshotter.model.capture import (
    Artifact,
    Disclosure,
    FailedRequest,
    MainResponse,
    Redaction,
    Redirect,
    RequestCounts,
)
from snapshotter.model.own_names import OwnName
from snapshotter.model.request import Limits, RedactRules
from snapshotter.ports import Clock, IdSource

TOO_MANY_REQUESTS = "too-many-requests"
CAPTURE_TOO_LARGE = "capture-too-large"
RESPONSE_TOO_LARGE = "response-too-large"

# What a document may wait for in the middle of its reading, by resource type.
_BLOCKING = frozenset({"Script", "Stylesheet"})
_STALLED = "stalled"  # why a request failed that we ended; see `Recorder.end_stalled`
_FAILED_KEPT = 500  # failed requests that are listed by name
_NAMED = 50  # kinds of trouble with connections that are listed; the rest are counted
_TLS_PATH = "capture/tls.json"
_MAIN_BODY = ".main-body"  # in the spool: until it is an artifact, or not wanted
_EARLIER = 2 << 20  # bytes of the body of a document that the page went on from
_KEY_LOG_BYTES = 32 << 20  # that are read; a connection has some 1,500
_SCRATCH = ".recorder"  # in the spool: bodies until they are in the archive


@dataclass(frozen=True, slots=True, kw_only=True)
class MainBody:
    """The body of the answer that the way led to, as a file of its own, without its framing."""

    file: Path  # beside the spool's artifacts; whoever gets it removes it
    media_type: str  # as the server named it, lowercase, no parameters; "" when it named none
    coding: str = ""  # content codings that are still on it, as the header says
    truncated: str = ""  # as WARC-Truncated says it; "" when it is whole
    length: int | None = None  # bytes in `file`; None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDocument:
    """A document that the page's window showed, on the way to the final one or that one itself."""

    url: str
    status: int
    at: datetime
    connection: str  # as Snapshotter-Connection has it
    content_type: str  # the header, whole
    is_final: bool
    asked_again: bool = False  # we asked for the next one ourselves; else the page went on to it
    body: MainBody | None  # of the final one `Recording.main_body`; of others its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recorder has to say, all files written."""

    redirects: tuple[Redirect, ...]
    response: MainResponse | None
    counts: RequestCounts
    failed: tuple[FailedRequest, ...]
    main_body_recorded: bool  # wholly, or as far as it came
    main_body_cut: bool
    redactions: tuple[Redaction, ...]
    disclosures: tuple[Disclosure, ...] = field(repr=False)
    missing_parts: tuple[str, ...]
    # archive/data.warc.gz, indexes/index.cdx, pages/pages.jsonl, capture/network.json, …
    artifacts: tuple[Artifact, ...]
    certificate_errors: tuple[str, ...] = ()  # let pass: "host:port: expired (3 answers)"
    private_hosts: tuple[str, ...] = ()  # "host:port", believed by an authority of ours
    # What is wrong with the certificates that were shown, whether they were let pass or not.
    certificate_problems: frozenset[str] = frozenset()
    documents: tuple[ReceivedDocument, ...] = ()  # in turn, as far as they are on the wire
    main_body: MainBody | None = None  # the body of `response`, even an empty one
    picture_digests: frozenset[tuple[str, str]] = frozenset()  # (address, SHA-256) of each picture
    concealer: Concealer | None = None  # what it concealed is to be concealed elsewhere, too


class Recorder:
    """
    Records the network traffic of one page, from what the egress guard keeps.

    It may not see everything: what it knows it missed is in `Recording.missing_parts`.

    Args:
        spool: The capture's directory; files appear below it under their bundle paths.
        redact_headers: Lowercase names of headers whose values are secret.
        software: Name and version, for the warcinfo record.
        way: The network of this capture. What it keeps, it keeps in clear or with its
            keys: both are destroyed when the files are written, and when that fails.
        keep_for: Who can open the streams and keys in the bundle; nobody: they are not kept.
        original: The address that was asked for, where another one is visited; "" otherwise.
        discloses: Whether the salts of what is replaced are handed out.
        redact: What says who made the capture; see `viewer.Concealer`.
        own: The user's own names, which `redact` says what to do with.
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
        way: Wire,
        keep_for: Sequence[Recipient] = (),
        original: str = "",
        discloses: bool = True,
        redact: RedactRules | None = None,
        own: Sequence[OwnName] = (),
        authorities: Sequence[str] = (),
    ) -> None:
        self._authorities = tuple(authorities)
        self._clock = clock
        self._ids = ids
        self._limits = limits
        self._spool = spool
        self._software = software
        self._way = way
        self._guard = way.guard
        self._keep_for = tuple(keep_for)
        self._redactor = Redactor(names=redact_headers, ids=ids, discloses=discloses)
        if original:
            self._redactor.replace(REQUESTED_URL, "original", original)
        self._concealer = Concealer.of(self._redactor, redact or RedactRules(), own)
        self._observer = Observer(clock=clock, limits=limits, redactor=self._redactor)
        self._scratch = Scratch(spool / _SCRATCH)
        self._stalled: set[int] = set()  # numbers of requests that we ended; see `end_stalled`
        self._stopped_for = ""  # why we stopped loading, as WARC-Truncated says it
        self._writing = threading.Lock()
        self._recording: Recording | None = None

    async def attach(self, context: BrowserContext, cdp: CDPSession) -> None:
        """Begin, before the page's first navigation. Raises PlaywrightError; bound it."""
        await self._observer.attach(context, cdp)

    @property
    def in_flight(self) -> int:
        """Requests without an end."""
        return self._observer.in_flight

    @property
    def quiet_since(self) -> float:
        """`clock.monotonic()` of the last beginning or end of a request."""
        return self._observer.quiet_since

    @property
    def awaited(self) -> int:
        """Requests without an end, but for polls and for event streams that are open."""
        return self._observer.awaited

    @property
    def changed_at(self) -> float:
        """`clock.monotonic()` of the last news from the network that is no poll."""
        return self._observer.changed_at

    @property
    def workers(self) -> int:
        """Workers that run, shared ones too."""
        return self._observer.workers

    @property
    def polls(self) -> int:
        """Requests without an end that scripts make again and again."""
        return self._observer.polls

    @property
    def silent_channels(self) -> tuple[tuple[str, float], ...]:
        """Sockets and event streams without a first message: kind, and since when."""
        return self._observer.silent_channels

    @property
    def channels(self) -> int:
        """Sockets and event streams that are open and have had a message."""
        return self._observer.channels

    async def busy_since(self) -> float:
        """Return since when a worker has not answered; 0.0: all do."""
        return await self._observer.busy_since()

    @property
    def over_limit(self) -> str:
        """The reason code of a limit that was passed, the gravest, or an empty text."""
        if self._observer.requests > self._limits.requests:
            return TOO_MANY_REQUESTS
        if self._guard.over_limit or self._observer.bytes_received > self._limits.capture_bytes:
            return CAPTURE_TOO_LARGE
        return RESPONSE_TOO_LARGE if self._observer.response_too_large else ""

    @property
    def document_in_flight(self) -> int:
        """Bytes that have come of the page's document, while more may come; else 0."""
        return self._observer.document_in_flight

    def asked_again(self) -> None:
        """Take note that the next document comes because we ask for the page once more."""
        self._observer.asked_again()

    def failed(self, request_id: str, error: str) -> None:
        """
        Take note how a request failed that we are about to abort because of that.

        Args:
            request_id: The browser's.
            error: "net::ERR_…"
        """
        self._observer.failed(request_id, error)

    async def cut_off(self, cause: str) -> None:
        """
        Take note that loading is stopped from here on.

        Args:
            cause: In the words of WARC-Truncated: "time", "length" or "unspecified".
        """
        self._stopped_for = self._stopped_for or cause

    async def halt_workers(self) -> None:
        """Let no worker of the page run on; what it asks for from here on is not known."""
        await self._observer.halt_workers()

    @property
    def waits_for_scripts(self) -> bool:
        """Whether a script or a style sheet was asked for and has no end yet."""
        return bool(self._observer.open_of(_BLOCKING))

    async def end_stalled(self, still_s: float) -> tuple[str, ...]:
        """
        End requests that keep a document from being read on: scripts and style sheets.

        Args:
            still_s: Seconds for which their connections have had no byte.

        Returns:
            Their addresses. The browser may ask for one of them once more.
        """
        before = self._clock.now() - timedelta(seconds=still_s)
        waiting: dict[tuple[str, int], list[Observed]] = {}
        for it in self._observer.open_of(_BLOCKING):
            if it.at <= before and (place := place_of(it.url)) is not None:
                waiting.setdefault(place, []).append(it)
        if not waiting:
            return ()
        ended = await asyncio.to_thread(self._guard.end_still, frozenset(waiting), still_s)
        stalled = [it for place in ended for it in waiting[place]]
        self._stalled.update(it.number for it in stalled)
        return tuple(it.url for it in stalled)

    async def finish(self, *, final_url: str, title: str, text: str) -> Recording:
        """
        End every connection of the page and write the files. Never raises for what a page does.

        It takes what its bytes take: some seconds for hundreds of MiB. Whoever can not wait
        so long lets go and calls `finish_now`, which waits for what is being written.
        """
        self._observer.stop()  # what the browser tells from here on is our doing
        return await asyncio.to_thread(self._write, final_url=final_url, title=title, text=text)

    def finish_now(self, *, final_url: str, title: str) -> Recording:
        """Write what was collected, without a browser or an event loop."""
        self._observer.stop()
        return self._write(final_url=final_url, title=title, text="")

    # Writing

    def _write(self, *, final_url: str, title: str, text: str) -> Recording:
        with self._writing:
            if self._recording is None:
                try:
                    self._guard.stop()
                    self._recording = self._made(final_url=final_url, title=title, text=text)
                finally:
                    self._scratch.remove()
                    self._way.destroy()
            return self._recording

    def _made(self, *, final_url: str, title: str, text: str) -> Recording:
        key_log = _read_key_log(self._way.key_log)
        carried = self._read(KeyLog.parse(key_log))
        signatures = server_signature.gather(
            (_recorded(it) for it in carried if it.is_tls), is_late=deadline(SIGNATURES_CPU_S)
        )
        paired = pair(
            itertools.chain.from_iterable(one.exchanges for one in carried),
            self._observer.observed,
            cause=self._stopped_for,
        )
        believed = self._believed(paired, signatures)
        found = tuple(
            replace(
                it,
                cause=self._cause_of(it),
                certificate=_certificate(it, signatures) or _private(it, believed),
            )
            for it in paired
        )
        redirects, way = self._observer.way_to_the_document()
        by_told = {it.observed.number: it for it in found if it.observed is not None}
        reloaded = [it.kind == RELOAD for it in redirects if it.kind != "http"]
        shown = [
            (by_told[it.number], was_reloaded)
            for it, was_reloaded in zip(way, [*reloaded, False], strict=False)
            if it.number in by_told
        ]
        told = way[-1] if way else None
        main = by_told.get(told.number) if told is not None else None
        files = Spool(self._spool, self._clock)
        self._learn(found)
        entries = archive.write(
            found,
            files=files,
            clock=self._clock,
            ids=self._ids,
            redactor=self._redactor,
            concealer=self._concealer,
            software=self._software,
            page=archive.PageLine(
                url=self._redactor.clean_url(final_url),
                title=title,
                text=text,
                at=main.at if main is not None else None,
            ),
        )
        self._write_connections(files, carried, signatures, found)
        main_body = self._body(main, _MAIN_BODY) if main is not None else None
        not_kept = self._keep_streams(files, key_log)
        return Recording(
            redirects=redirects,
            response=self._main_response(main, told, signatures),
            counts=self._counts(found, carried),
            failed=tuple(_failed(found)),
            main_body_recorded=main is not None and main.is_recorded,
            main_body_cut=main is not None and bool(main.cut),
            main_body=main_body,
            picture_digests=frozenset(
                (it.url, it.digest.removeprefix("sha256:"))
                for it in entries
                if it.media_type.startswith("image/")
            ),
            documents=tuple(self._documents(shown, main_body)),
            certificate_errors=_certificate_errors(found),
            private_hosts=_private_hosts(found),
            certificate_problems=frozenset(
                it for one in signatures.sessions for it in tls.problems(one, self._clock.now())
            ),
            redactions=self._redactor.redactions(),
            disclosures=self._redactor.disclosures(),
            missing_parts=self._missing_parts(found, carried) + not_kept + self._unchecked(),
            artifacts=files.artifacts,
            concealer=self._concealer,
        )

    def _believed(
        self, found: Sequence[Exchange], signatures: server_signature.ServerSignatures
    ) -> dict[int, str]:
        """
        Return the SHA-256 of the authority of ours behind each connection that has one.

        A server may leave out what signs its certificate. The browser then takes it from another
        server of this capture, or fetches it (RFC 5280, 4.2.2.1), and nobody else sees that.
        """
        if not self._authorities:
            return {}
        others = [der for session in signatures.sessions for der in session.chain[1:]]
        others = [*itertools.chain.from_iterable(map(_issuers_in, found)), *others]
        believed: dict[int, str] = {}
        for session in signatures.sessions:
            for pem in self._authorities:
                if certificate_authority.leads_to(session.chain, others, pem):
                    digest = certificate_authority.facts(pem)["sha256"]
                    numbers = (session.connection, *(it.connection for it in session.resumed))
                    believed.update(dict.fromkeys(numbers, digest))
                    break
        return believed

    def _learn(self, found: Iterable[Exchange]) -> None:
        """Look through what is recorded for values that say who made the capture."""
        if not self._concealer.is_needed:
            return
        for it in found:
            self._concealer.learn(it.url.encode("utf-8", "surrogatepass"))
            if it.wire is not None and it.wire.answer is not None:
                with it.wire.received.open() as body:
                    self._concealer.look(it.wire.answer, body, it.wire.received.length)
        for file in sorted((self._spool / "capture").glob("*.html")):
            self._concealer.look_through(file.read_bytes())

    def _documents(
        self, way: Iterable[tuple[Exchange, bool]], main_body: MainBody | None
    ) -> Iterator[ReceivedDocument]:
        """
        Yield what the page's window showed in turn, as far as it is on the wire.

        Args:
            way: Each, and whether we asked for the next one ourselves.
        """
        shown = list(way)
        for number, (it, was_reloaded) in enumerate(shown, start=1):
            if it.wire is None or it.wire.answer is None:
                continue
            is_last = number == len(shown)
            body = main_body if is_last else self._body(it, f"{_MAIN_BODY}-{number}", _EARLIER)
            yield ReceivedDocument(
                url=it.url,
                status=it.status,
                at=it.at,
                connection=f"{it.wire.connection.number}/{it.wire.stream}",
                content_type=it.wire.answer.header("content-type"),
                is_final=is_last,
                asked_again=was_reloaded,
                body=body,
            )

    def _body(self, of: Exchange, name: str, most: int | None = None) -> MainBody | None:
        """
        Write a document's body down once more, as it is without its framing.

        Args:
            most: Bytes of it, about; None: all.
        """
        if of.wire is None or of.wire.answer is None:
            return None
        head, file, length = of.wire.answer, self._spool / name, 0
        is_chunked = "chunked" in head.header("transfer-encoding").lower()
        with of.wire.received.open() as source, file.open("wb") as out:
            for part in unchunked(source) if is_chunked else parts(source):
                length += out.write(part)
                if most is not None and length >= most:
                    break
        return MainBody(
            file=file,
            media_type=head.media_type,
            coding=head.header("content-encoding"),
            truncated=of.cut,
            length=length,
        )

    def _keep_streams(self, files: Spool, key_log: bytes) -> tuple[str, ...]:
        """Keep streams and keys for those who may open them; return what was not, in words."""
        if not self._keep_for:
            return ()
        listed = [(it, self._guard.tee_file(it.number)) for it in self._guard.connections()]
        try:
            streams.keep(files, self._keep_for, key_log=key_log, connections=listed)
        except (OSError, SnapshotterError) as error:  # what is recorded is no worse for it
            why = (isinstance(error, OSError) and error.strerror) or error
            return (f"streams and keys that were to be kept, encrypted ({why}): 1",)
        return ()

    def _read(self, keys: KeyLog) -> tuple[CarriedConnection, ...]:
        """Read every connection with the keys that the browser wrote down."""
        carried, budget = [], Budget()
        for connection in self._guard.connections():
            file = self._guard.tee_file(connection.number)
            chunks = tee.read(file) if file is not None and file.is_file() else ()
            carried.append(
                read(
                    connection,
                    chunks,
                    keys=keys,
                    scratch=self._scratch,
                    redactor=self._redactor,
                    budget=budget,
                )
            )
        return tuple(carried)

    def _unchecked(self) -> tuple[str, ...]:
        if not self._concealer.unchecked:
            return ()
        words = "bodies in which what says who made the capture could not be looked for"
        return (f"{words}: {self._concealer.unchecked}",)

    def _write_connections(
        self,
        files: Spool,
        carried: Sequence[CarriedConnection],
        signatures: server_signature.ServerSignatures,
        found: Sequence[Exchange],
    ) -> None:
        listed = (
            network.Listed(
                connection=replace(
                    it.connection, detail=self._redactor.clean_text(it.connection.detail)
                ),
                tls=tls.in_brief(it.handshake),
                exchanges=len(it.exchanges),
                unreadable=it.unreadable,
                notes=it.notes,
            )
            for it in carried
        )
        data = network.encode(listed, cross_check(found, self._observer.observed))
        files.write(network.PATH, "application/json", data, step="record")
        if signatures.sessions or signatures.unsigned:
            data = server_signature.encode(signatures)
            files.write(_TLS_PATH, "application/json", data, step="record")

    def _main_response(
        self,
        main: Exchange | None,
        told: Observed | None,
        signatures: server_signature.ServerSignatures,
    ) -> MainResponse | None:
        answer = told.answer if told is not None else None
        transparency = answer.transparency if answer is not None else ""
        if main is not None and main.wire is not None and main.wire.answer is not None:
            there, head = main.wire, main.wire.answer
            chain = _chain_of(there.connection.number, signatures)
            return MainResponse(
                url=there.url,
                status=head.status,
                status_text=head.first_line.partition(" ")[2].partition(" ")[2],
                protocol=there.protocol,
                headers=head.headers,
                remote_ip=there.connection.address,
                remote_port=there.connection.port if there.connection.address else 0,
                date_header=head.header("date"),
                tls=tls.facts(there.handshake, chain, transparency),
            )
        if told is None or answer is None or told.internal:
            return None
        # Only the browser's word is left; that the bytes are missing is named.
        return MainResponse(
            url=told.url,
            status=answer.status,
            status_text=answer.status_text,
            protocol=answer.protocol,
            headers=answer.headers,
            remote_ip="",
            remote_port=0,
            date_header=next((v for n, v in answer.headers if n.lower() == "date"), ""),
            tls=None,
        )

    def _counts(
        self, found: Sequence[Exchange], carried: Sequence[CarriedConnection]
    ) -> RequestCounts:
        ends = Counter(it.end for it in found)
        unseen = max(0, self._observer.ignored - sum(it.observed is None for it in found))
        return RequestCounts(
            total=len(found) + unseen,
            answered=ends[End.ANSWERED],
            http_errors=sum(it.end is End.ANSWERED and it.status >= 400 for it in found),
            failed=ends[End.FAILED],
            blocked=ends[End.BLOCKED],
            cancelled=ends[End.CANCELLED],
            pending=ends[End.PENDING] + unseen,
            bodies_missing=sum(
                it.end is End.ANSWERED and (it.is_missing or bool(it.cut)) for it in found
            ),
            bytes_received=sum(it.connection.bytes_received for it in carried),
        )

    def _cause_of(self, exchange: Exchange) -> str:
        """Return why no answer came, where the guard knows more than the browser."""
        if exchange.end is not End.FAILED or exchange.observed is None:
            return ""
        if exchange.observed.number in self._stalled:
            return _STALLED
        known = cause(self._guard, exchange.url, exchange.observed.error)
        return known.code if known else ""

    def _missing_parts(
        self, found: Sequence[Exchange], carried: Sequence[CarriedConnection]
    ) -> tuple[str, ...]:
        """Say in words what a reader would look for and not find, with numbers."""
        absent: Counter[str] = Counter()
        for it in found:
            absent["answers that the browser had and the wire does not show"] += it.is_missing
            absent["bodies that are cut off"] += bool(it.cut)
            absent["requests that are cut off"] += it.wire is not None and (
                not it.wire.request_is_whole
            )
        absent["frames, windows or workers whose requests have no circumstances"] = (
            self._observer.not_followed
        )
        absent["requests over the limit, which have no circumstances"] = self._observer.ignored
        troubles: Counter[str] = Counter()
        for one in carried:
            place = f"{one.connection.host}:{one.connection.port}"
            for why in one.unreadable:
                troubles[f"parts of connections to {place} ({why})"] += 1
            for side in tls.finished_differs(one.handshake):
                name = f"handshakes with {place} that the {side.value} did not finish as recorded"
                troubles[name] += 1
        for name, count in troubles.most_common(_NAMED):
            absent[name] = count
        absent["parts of connections to other servers"] = sum(troubles.values()) - sum(
            count for _, count in troubles.most_common(_NAMED)
        )
        return tuple(f"{name}: {count}" for name, count in sorted(absent.items()) if count)


def _read_key_log(log: Path) -> bytes:
    """Return the browser's TLS secrets. It may have made the file as long as it likes."""
    if not log.is_file():
        return b""
    with log.open("rb") as file:
        return file.read(_KEY_LOG_BYTES)


def _recorded(carried: CarriedConnection) -> server_signature.RecordedConnection:
    connection = carried.connection
    return server_signature.RecordedConnection(
        connection=connection.number,
        host=connection.host,
        port=connection.port,
        address=connection.address,
        handshake=carried.handshake,
        problem="; ".join(carried.unreadable),
    )


def _session_of(
    number: int, signatures: server_signature.ServerSignatures
) -> server_signature.SignedSession | None:
    """Return what a connection's server signed, in it or in the one it goes on from."""
    for session in signatures.sessions:
        if session.connection == number or any(it.connection == number for it in session.resumed):
            return session
    return None


def _chain_of(number: int, signatures: server_signature.ServerSignatures) -> tuple[bytes, ...]:
    session = _session_of(number, signatures)
    return session.chain if session is not None else ()


def _certificate(exchange: Exchange, signatures: server_signature.ServerSignatures) -> str:
    """Return what was wrong with the certificate behind an answer, if the browser says so."""
    told, wire = exchange.observed, exchange.wire
    if told is None or told.answer is None or not told.answer.is_insecure or wire is None:
        return ""
    session = _session_of(wire.connection.number, signatures)
    return ", ".join(tls.problems(session, wire.at))


_PRIVATE = "private-authority"
_ISSUER_BYTES = 64 << 10  # of an answer that may be a certificate


def _issuers_in(exchange: Exchange) -> tuple[bytes, ...]:
    """Return the certificates that the browser fetched for itself in an exchange."""
    wire = exchange.wire
    if exchange.observed is not None or wire is None or wire.answer is None:
        return ()
    if not 0 < wire.received.length <= _ISSUER_BYTES:
        return ()
    with wire.received.open() as body:
        data = viewer.decoded(wire.answer, body, wire.received.length)
    return certificate_authority.in_body(data) if data else ()


def _private(exchange: Exchange, believed: Mapping[int, str]) -> str:
    """Return the authority of ours that stands behind an answer: "private-authority <SHA-256>"."""
    wire = exchange.wire
    found = believed.get(wire.connection.number, "") if wire is not None else ""
    return f"{_PRIVATE} {found}" if found else ""


def _private_hosts(found: Sequence[Exchange]) -> tuple[str, ...]:
    """Name each server that was believed by an authority of ours."""
    return tuple(
        sorted(
            {
                f"{it.wire.connection.host}:{it.wire.connection.port}"
                for it in found
                if it.wire is not None and it.certificate.startswith(_PRIVATE)
            }
        )
    )


def _certificate_errors(found: Sequence[Exchange]) -> tuple[str, ...]:
    """Name each server whose bad certificate was let pass, with what was wrong."""
    counts = Counter(
        f"{it.wire.connection.host}:{it.wire.connection.port}: {it.certificate}"
        for it in found
        if it.wire is not None and it.certificate and not it.certificate.startswith(_PRIVATE)
    )
    return tuple(f"{name} (answers: {count})" for name, count in sorted(counts.items()))


def _failed(found: Sequence[Exchange]) -> Iterator[FailedRequest]:
    failed = [it for it in found if it.end in (End.FAILED, End.BLOCKED)]
    for it in failed[:_FAILED_KEPT]:
        told = it.observed
        error = told.error if told is not None else "the connection ended without an answer"
        if it.cause:
            error += f": {it.cause}"
        elif told is not None and told.block_reason:
            error = f"{error} ({told.block_reason})".strip()
        yield FailedRequest(url=it.url, resource_type=it.resource_type, error=error)
