"""
Record a page's network traffic: take the bytes from the wire, and their circumstances from the
browser's events.

The egress guard keeps every connection as it was, encrypted. `Recorder` reads the connections when
the page is done, with the keys that the browser wrote. Nothing is decrypted while the page is open,
so what is recorded is what was sent. The keys and the streams are destroyed as soon as the archive
is written. `Recording.missing_parts` names what cannot be read (docs/spec/network-record.md).
"""

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import BrowserContext, CDPSession

from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.capture.record.exchange_pairing import (
    Exchange,
    ObservedRequest,
    RequestEnd,
    cross_check,
    pair_exchanges,
)
from snapshotter.capture.record.failure_causes import cause, host_and_port
from snapshotter.capture.record.observer import RELOAD, RequestObserver
from snapshotter.capture.record.read_budget import SIGNATURES_CPU_S, ReadBudget, cpu_deadline
from snapshotter.capture.record.scratch import BodyStore
from snapshotter.capture.redaction.concealer import Concealer, decode_body
from snapshotter.capture.redaction.redactor import REQUESTED_URL, Redactor
from snapshotter.capture.spool import Spool
from snapshotter.egress import tee
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import network
from snapshotter.formats.http.chunked import identity_parts, remove_chunking
from snapshotter.formats.tls.key_log import KeyLog
from snapshotter.lazy_module import LazyModule
from snapshotter.model.capture import (
    Artifact,
    Disclosure,
    FailedRequest,
    MainResponse,
    Redaction,
    Redirect,
    RequestCounts,
)
from snapshotter.model.capturer_identity import CapturerIdentifier
from snapshotter.model.request import Limits, RedactRules
from snapshotter.ports import Clock, IdSource
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.capture.record import archive_writer, encrypted_streams, tls_facts, wire_reader
    from snapshotter.capture.record.wire_reader import ReadConnection
    from snapshotter.formats.signatures.cms import Recipient
    from snapshotter.formats.tls import certificate_authority, server_signature
else:  # used when the page is done
    archive_writer = LazyModule("snapshotter.capture.record.archive_writer")
    encrypted_streams = LazyModule("snapshotter.capture.record.encrypted_streams")
    certificate_authority = LazyModule("snapshotter.formats.tls.certificate_authority")
    server_signature = LazyModule("snapshotter.formats.tls.server_signature")
    tls_facts = LazyModule("snapshotter.capture.record.tls_facts")
    wire_reader = LazyModule("snapshotter.capture.record.wire_reader")

TOO_MANY_REQUESTS = "too-many-requests"
CAPTURE_TOO_LARGE = "capture-too-large"
RESPONSE_TOO_LARGE = "response-too-large"

# What can interrupt the parsing of a document, by resource type.
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
    """The body of the page's final response, as a file of its own, without its framing."""

    file: Path  # beside the spool's artifacts; whoever gets it removes it
    media_type: str  # as the server named it, lowercase, no parameters; "" when it named none
    coding: str = ""  # content codings that are still on it, as in the header
    truncated: str = ""  # a word of WARC-Truncated; "" when it is whole
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
    requested_again: bool = False  # we requested the next one; otherwise the page went to it
    body: MainBody | None  # of the final one `Recording.main_body`; of others its beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The result of a recorder, all files written."""

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
    private_hosts: tuple[str, ...] = ()  # "host:port", trusted because of a private authority
    # What is wrong with the certificates that were shown, whether they were let pass or not.
    certificate_problems: frozenset[str] = frozenset()
    documents: tuple[ReceivedDocument, ...] = ()  # in turn, as far as they are on the wire
    main_body: MainBody | None = None  # the body of `response`, even an empty one
    picture_digests: frozenset[tuple[str, str]] = frozenset()  # (address, SHA-256) of each picture
    concealer: Concealer | None = None  # what it concealed is to be concealed elsewhere, too


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRules:
    """What a recorder limits, keeps, replaces and believes."""

    limits: Limits
    software: str  # name and version, for the warcinfo record
    redact_headers: frozenset[str]  # lowercase names of headers whose values are secret
    redact: RedactRules = field(default_factory=RedactRules)  # see `concealer.Concealer`
    own: tuple[CapturerIdentifier, ...] = ()  # of the capturing person, replaced as `redact` says
    original: str = ""  # the given address, where another one is visited
    keep_for: "tuple[Recipient, ...]" = ()  # who can open the streams and keys in the bundle
    authorities: tuple[str, ...] = ()  # certificates that this capture trusts, in PEM


class Recorder:
    """
    Records the network traffic of one page, from what the egress guard keeps.

    It may not see everything: `Recording.missing_parts` names what is known to be missing. While
    the page lives, `observer` has its requests.

    Args:
        spool: The capture's directory; files appear below it under their bundle paths.
        network: The network of this capture. Its traffic and its keys are destroyed when the files
            are written, and when that fails.
    """

    def __init__(
        self,
        *,
        spool: Path,
        clock: Clock,
        ids: IdSource,
        network: CaptureNetwork,
        rules: RecordingRules,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._ids = ids
        self._network = network
        self._guard = network.guard
        self._rules = rules
        self._limits = rules.limits
        self._redactor = Redactor(
            names=rules.redact_headers, ids=ids, discloses=rules.redact.mode != "drop"
        )
        if rules.original:
            self._redactor.replace(REQUESTED_URL, "original", rules.original)
        self._concealer = Concealer.of(self._redactor, rules.redact, rules.own)
        self.observer = RequestObserver(clock=clock, limits=rules.limits, redactor=self._redactor)
        self._scratch = BodyStore(spool / _SCRATCH)
        self._stalled: set[int] = set()  # numbers of requests that we ended; see `end_stalled`
        self._stopped_for = ""  # why loading was stopped, a word of WARC-Truncated
        self._writing = threading.Lock()
        self._recording: Recording | None = None

    async def attach(self, context: BrowserContext, cdp: CDPSession) -> None:
        """Begin, before the page's first navigation. Raises PlaywrightError; limit its time."""
        await self.observer.attach(context, cdp)

    @property
    def over_limit(self) -> str:
        """The reason code of the gravest limit that was passed; "" if none was."""
        if self.observer.requests > self._limits.requests:
            return TOO_MANY_REQUESTS
        if self._guard.over_limit or self.observer.bytes_received > self._limits.capture_bytes:
            return CAPTURE_TOO_LARGE
        return RESPONSE_TOO_LARGE if self.observer.response_too_large else ""

    async def note_cut_off(self, cause: str) -> None:
        """
        Note that loading is stopped from here on.

        Args:
            cause: A word of WARC-Truncated: "time", "length" or "unspecified".
        """
        self._stopped_for = self._stopped_for or cause

    @property
    def is_waiting_for_scripts(self) -> bool:
        """Whether a request for a script or a style sheet has no end yet."""
        return bool(self.observer.open_requests(_BLOCKING))

    async def end_stalled(self, still_s: float) -> tuple[str, ...]:
        """
        End requests that keep a document from being parsed: scripts and style sheets.

        Args:
            still_s: Seconds for which their connections have had no byte.

        Returns:
            Their addresses. The browser may request one of them once more.
        """
        before = self._clock.now() - timedelta(seconds=still_s)
        waiting: dict[tuple[str, int], list[ObservedRequest]] = {}
        for request in self.observer.open_requests(_BLOCKING):
            if request.at <= before and (server := host_and_port(request.url)) is not None:
                waiting.setdefault(server, []).append(request)
        if not waiting:
            return ()
        ended = await asyncio.to_thread(
            self._guard.end_stalled_connections, frozenset(waiting), still_s
        )
        stalled = [request for server in ended for request in waiting[server]]
        self._stalled.update(request.number for request in stalled)
        return tuple(request.url for request in stalled)

    async def finish(self, *, final_url: str, title: str, text: str) -> Recording:
        """
        End every connection of the page and write the files. No page can make it raise.

        It takes some seconds for hundreds of MiB. A caller that cannot wait so long cancels it and
        calls `finish_now`, which waits for what is being written.
        """
        self.observer.stop()  # what the browser tells from here on is our doing
        return await asyncio.to_thread(self._write, final_url=final_url, title=title, text=text)

    def new_salt(self) -> bytes:
        """Return random bytes for a file of which nobody may guess the digest."""
        return self._ids.random_bytes(16)

    def finish_now(self, *, final_url: str, title: str) -> Recording:
        """Write what was collected, without a browser or an event loop."""
        self.observer.stop()
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
                    self._network.destroy()
            return self._recording

    def _made(self, *, final_url: str, title: str, text: str) -> Recording:
        key_log = _read_key_log(self._network.key_log)
        connections = self._read(KeyLog.parse(key_log))
        signatures = server_signature.gather(
            (_recorded(connection) for connection in connections if connection.is_tls),
            is_late=cpu_deadline(SIGNATURES_CPU_S),
        )
        paired = pair_exchanges(
            itertools.chain.from_iterable(connection.exchanges for connection in connections),
            self.observer.observed,
            cause=self._stopped_for,
        )
        believed = self._believed(paired, signatures)
        exchanges = tuple(
            replace(
                exchange,
                cause=self._cause_of(exchange),
                certificate=_certificate(exchange, signatures) or _private(exchange, believed),
            )
            for exchange in paired
        )
        redirects, shown_requests = self.observer.redirects_and_documents()
        by_request = {
            exchange.observed.number: exchange
            for exchange in exchanges
            if exchange.observed is not None
        }
        reloaded = [redirect.kind == RELOAD for redirect in redirects if redirect.kind != "http"]
        shown_exchanges = [
            (by_request[request.number], was_reloaded)
            for request, was_reloaded in zip(shown_requests, [*reloaded, False], strict=False)
            if request.number in by_request
        ]
        main_request = shown_requests[-1] if shown_requests else None
        main = by_request.get(main_request.number) if main_request is not None else None
        files = Spool(self._spool, self._clock)
        self._learn(exchanges)
        entries = archive_writer.write(
            exchanges,
            files=files,
            clock=self._clock,
            ids=self._ids,
            redactor=self._redactor,
            concealer=self._concealer,
            software=self._rules.software,
            page=archive_writer.PageLine(
                url=self._redactor.clean_url(final_url),
                title=title,
                text=text,
                at=main.at if main is not None else None,
            ),
        )
        self._write_connections(files, connections, signatures, exchanges)
        main_body = self._body(main, _MAIN_BODY) if main is not None else None
        not_kept = self._keep_streams(files, key_log)
        return Recording(
            redirects=redirects,
            response=self._main_response(main, main_request, signatures),
            counts=self._counts(exchanges, connections),
            failed=tuple(_failed(exchanges)),
            main_body_recorded=main is not None and main.is_recorded,
            main_body_cut=main is not None and bool(main.cut),
            main_body=main_body,
            picture_digests=frozenset(
                (entry.url, entry.digest.removeprefix("sha256:"))
                for entry in entries
                if entry.media_type.startswith("image/")
            ),
            documents=tuple(self._documents(shown_exchanges, main_body)),
            certificate_errors=_certificate_errors(exchanges),
            private_hosts=_private_hosts(exchanges),
            certificate_problems=frozenset(
                problem
                for session in signatures.sessions
                for problem in tls_facts.certificate_problems(session, self._clock.now())
            ),
            redactions=self._redactor.redactions(),
            disclosures=self._redactor.disclosures(),
            missing_parts=self._missing_parts(exchanges, connections)
            + not_kept
            + self._unchecked(),
            artifacts=files.artifacts,
            concealer=self._concealer,
        )

    def _believed(
        self, exchanges: Sequence[Exchange], signatures: "server_signature.ServerSignatures"
    ) -> dict[int, str]:
        """
        Return the SHA-256 of our private authority behind each connection that has one.

        A server may leave out the certificate that signs its own. The browser then takes it from
        another server of this capture, or fetches it (RFC 5280, 4.2.2.1), which only the wire
        shows.
        """
        if not self._rules.authorities:
            return {}
        others = [der for session in signatures.sessions for der in session.chain[1:]]
        others = [*itertools.chain.from_iterable(map(_issuers_in, exchanges)), *others]
        believed: dict[int, str] = {}
        for session in signatures.sessions:
            for pem in self._rules.authorities:
                if certificate_authority.chain_leads_to(session.chain, others, pem):
                    digest = certificate_authority.facts(pem)["sha256"]
                    numbers = (
                        session.connection,
                        *(resumed.connection for resumed in session.resumed),
                    )
                    believed.update(dict.fromkeys(numbers, digest))
                    break
        return believed

    def _learn(self, exchanges: Iterable[Exchange]) -> None:
        """Search the record for values that identify the capturing person."""
        if not self._concealer.is_needed:
            return
        for exchange in exchanges:
            self._concealer.learn(exchange.url.encode("utf-8", "surrogatepass"))
            if exchange.wire is not None and exchange.wire.response is not None:
                with exchange.wire.received.open() as body:
                    self._concealer.look(
                        exchange.wire.response, body, exchange.wire.received.length
                    )
        for file in sorted((self._spool / "capture").glob("*.html")):
            self._concealer.learn_from_file(file.read_bytes())

    def _documents(
        self, documents: Iterable[tuple[Exchange, bool]], main_body: MainBody | None
    ) -> Iterator[ReceivedDocument]:
        """
        Yield the documents that the page's window showed, as far as they are on the wire.

        Args:
            documents: Each, and whether we requested the next one ourselves.
        """
        shown = list(documents)
        for number, (exchange, was_reloaded) in enumerate(shown, start=1):
            if exchange.wire is None or exchange.wire.response is None:
                continue
            is_last = number == len(shown)
            body = (
                main_body if is_last else self._body(exchange, f"{_MAIN_BODY}-{number}", _EARLIER)
            )
            yield ReceivedDocument(
                url=exchange.url,
                status=exchange.status,
                at=exchange.at,
                connection=f"{exchange.wire.connection.number}/{exchange.wire.stream}",
                content_type=exchange.wire.response.header("content-type"),
                is_final=is_last,
                requested_again=was_reloaded,
                body=body,
            )

    def _body(self, exchange: Exchange, name: str, most: int | None = None) -> MainBody | None:
        """
        Write a document's body to a file of its own, without its framing.

        Args:
            most: About how many bytes of it; None: all.
        """
        if exchange.wire is None or exchange.wire.response is None:
            return None
        head, file, length = exchange.wire.response, self._spool / name, 0
        is_chunked = "chunked" in head.header("transfer-encoding").lower()
        with exchange.wire.received.open() as source, file.open("wb") as out:
            for part in remove_chunking(source) if is_chunked else identity_parts(source):
                length += out.write(part)
                if most is not None and length >= most:
                    break
        return MainBody(
            file=file,
            media_type=head.media_type,
            coding=head.header("content-encoding"),
            truncated=exchange.cut,
            length=length,
        )

    def _keep_streams(self, files: Spool, key_log: bytes) -> tuple[str, ...]:
        """Keep streams and keys, encrypted for their recipients; return what could not be kept."""
        if not self._rules.keep_for:
            return ()
        listed = [
            (connection, self._guard.tee_file(connection.number))
            for connection in self._guard.connections()
        ]
        try:
            encrypted_streams.write_encrypted_streams(
                files, self._rules.keep_for, key_log=key_log, connections=listed
            )
        except (OSError, SnapshotterError) as error:  # what is recorded is no worse for it
            why = (isinstance(error, OSError) and error.strerror) or error
            return (f"encrypted streams and keys that could not be kept ({why}): 1",)
        return ()

    def _read(self, keys: KeyLog) -> "tuple[ReadConnection, ...]":
        """Read every connection with the keys that the browser wrote."""
        carried, budget = [], ReadBudget()
        for connection in self._guard.connections():
            file = self._guard.tee_file(connection.number)
            chunks = tee.read(file) if file is not None and file.is_file() else ()
            carried.append(
                wire_reader.read(
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
        words = "bodies that could not be searched for the identity of the capturing person"
        return (f"{words}: {self._concealer.unchecked}",)

    def _write_connections(
        self,
        files: Spool,
        connections: "Sequence[ReadConnection]",
        signatures: "server_signature.ServerSignatures",
        exchanges: Sequence[Exchange],
    ) -> None:
        listed = (
            network.ListedConnection(
                connection=replace(
                    connection.connection,
                    detail=self._redactor.clean_text(connection.connection.detail),
                ),
                tls=tls_facts.connection_tls(connection.handshake),
                exchanges=len(connection.exchanges),
                unreadable=connection.unreadable,
                notes=connection.notes,
            )
            for connection in connections
        )
        data = network.encode(
            listed, cross_check(exchanges, self.observer.observed), salt=self.new_salt()
        )
        files.write(network.PATH, "application/json", data, step="record")
        if signatures.sessions or signatures.unsigned:
            data = server_signature.encode(signatures)
            files.write(_TLS_PATH, "application/json", data, step="record")

    def _main_response(
        self,
        main: Exchange | None,
        main_request: ObservedRequest | None,
        signatures: "server_signature.ServerSignatures",
    ) -> MainResponse | None:
        response = main_request.response if main_request is not None else None
        transparency = response.transparency if response is not None else ""
        if main is not None and main.wire is not None and main.wire.response is not None:
            wire, head = main.wire, main.wire.response
            chain = _chain_of(wire.connection.number, signatures)
            return MainResponse(
                url=wire.url,
                status=head.status,
                status_text=head.first_line.partition(" ")[2].partition(" ")[2],
                protocol=wire.protocol,
                headers=head.headers,
                remote_ip=wire.connection.address,
                remote_port=wire.connection.port if wire.connection.address else 0,
                date_header=head.header("date"),
                tls=tls_facts.facts(wire.handshake, chain, transparency),
            )
        if main_request is None or response is None or main_request.internal:
            return None
        # Only the browser's word is left; that the bytes are missing is named.
        return MainResponse(
            url=main_request.url,
            status=response.status,
            status_text=response.status_text,
            protocol=response.protocol,
            headers=response.headers,
            remote_ip="",
            remote_port=0,
            date_header=next((v for n, v in response.headers if n.lower() == "date"), ""),
            tls=None,
        )

    def _counts(
        self, exchanges: Sequence[Exchange], connections: "Sequence[ReadConnection]"
    ) -> RequestCounts:
        ends = Counter(exchange.end for exchange in exchanges)
        unseen = max(
            0, self.observer.ignored - sum(exchange.observed is None for exchange in exchanges)
        )
        return RequestCounts(
            total=len(exchanges) + unseen,
            answered=ends[RequestEnd.ANSWERED],
            http_errors=sum(
                exchange.end is RequestEnd.ANSWERED and exchange.status >= 400
                for exchange in exchanges
            ),
            failed=ends[RequestEnd.FAILED],
            blocked=ends[RequestEnd.BLOCKED],
            cancelled=ends[RequestEnd.CANCELLED],
            pending=ends[RequestEnd.PENDING] + unseen,
            bodies_missing=sum(
                exchange.end is RequestEnd.ANSWERED and (exchange.is_missing or bool(exchange.cut))
                for exchange in exchanges
            ),
            bytes_received=sum(connection.connection.bytes_received for connection in connections),
        )

    def _cause_of(self, exchange: Exchange) -> str:
        """Return why no response came, if the guard knows more than the browser."""
        if exchange.end is not RequestEnd.FAILED or exchange.observed is None:
            return ""
        if exchange.observed.number in self._stalled:
            return _STALLED
        known = cause(self._guard, exchange.url, exchange.observed.error)
        return known.code if known else ""

    def _missing_parts(
        self, exchanges: Sequence[Exchange], connections: "Sequence[ReadConnection]"
    ) -> tuple[str, ...]:
        """Describe, with numbers, what a reader would expect in the record and not find."""
        absent: Counter[str] = Counter()
        for exchange in exchanges:
            absent["answers that the browser received but the network data do not contain"] += (
                exchange.is_missing
            )
            absent["bodies that are cut off"] += bool(exchange.cut)
            absent["requests that are cut off"] += exchange.wire is not None and (
                not exchange.wire.request_is_whole
            )
        absent["frames, windows or workers whose requests have no data from the browser"] = (
            self.observer.unfollowed_targets
        )
        absent[
            "requests without data from the browser, because the limit for requests was reached"
        ] = self.observer.ignored
        troubles: Counter[str] = Counter()
        for connection in connections:
            server = f"{connection.connection.host}:{connection.connection.port}"
            for why in connection.unreadable:
                troubles[f"unreadable parts of connections to {server} ({why})"] += 1
            for side in tls_facts.mismatched_finished_sides(connection.handshake):
                name = (
                    f"handshakes with {server} in which the Finished message of the {side.value} "
                    "does not match the recorded messages"
                )
                troubles[name] += 1
        for name, count in troubles.most_common(_NAMED):
            absent[name] = count
        absent["unreadable parts of connections to other servers"] = sum(troubles.values()) - sum(
            count for _, count in troubles.most_common(_NAMED)
        )
        return tuple(f"{name}: {count}" for name, count in sorted(absent.items()) if count)


def _read_key_log(log: Path) -> bytes:
    """Return the browser's TLS secrets, cut to a length: the browser may write without end."""
    if not log.is_file():
        return b""
    with log.open("rb") as file:
        return file.read(_KEY_LOG_BYTES)


def _recorded(carried: "ReadConnection") -> "server_signature.TlsRecording":
    connection = carried.connection
    return server_signature.TlsRecording(
        connection=connection.number,
        host=connection.host,
        port=connection.port,
        address=connection.address,
        handshake=carried.handshake,
        problem="; ".join(carried.unreadable),
    )


def _session_of(
    number: int, signatures: "server_signature.ServerSignatures"
) -> "server_signature.SignedSession | None":
    """Return what a connection's server signed, in it or in the one that it resumes."""
    for session in signatures.sessions:
        if session.connection == number or any(
            resumed.connection == number for resumed in session.resumed
        ):
            return session
    return None


def _chain_of(number: int, signatures: "server_signature.ServerSignatures") -> tuple[bytes, ...]:
    session = _session_of(number, signatures)
    return session.chain if session is not None else ()


def _certificate(exchange: Exchange, signatures: "server_signature.ServerSignatures") -> str:
    """
    Return what was wrong with the certificate of a response, if the browser reports it insecure.
    """
    observed, wire = exchange.observed, exchange.wire
    if (
        observed is None
        or observed.response is None
        or not observed.response.is_insecure
        or wire is None
    ):
        return ""
    session = _session_of(wire.connection.number, signatures)
    return ", ".join(tls_facts.certificate_problems(session, wire.at))


_PRIVATE = "private-authority"
_ISSUER_BYTES = 64 << 10  # of an answer that may be a certificate


def _issuers_in(exchange: Exchange) -> tuple[bytes, ...]:
    """Return the certificates that the browser fetched for itself in an exchange."""
    wire = exchange.wire
    if exchange.observed is not None or wire is None or wire.response is None:
        return ()
    if not 0 < wire.received.length <= _ISSUER_BYTES:
        return ()
    with wire.received.open() as body:
        data = decode_body(wire.response, body, wire.received.length)
    return certificate_authority.certificates_in_body(data) if data else ()


def _private(exchange: Exchange, believed: Mapping[int, str]) -> str:
    """Return our private authority behind a response: "private-authority <SHA-256>"."""
    wire = exchange.wire
    found = believed.get(wire.connection.number, "") if wire is not None else ""
    return f"{_PRIVATE} {found}" if found else ""


def _private_hosts(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    """Name each server that was trusted because of our private authorities."""
    return tuple(
        sorted(
            {
                f"{exchange.wire.connection.host}:{exchange.wire.connection.port}"
                for exchange in exchanges
                if exchange.wire is not None and exchange.certificate.startswith(_PRIVATE)
            }
        )
    )


def _certificate_errors(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    """Name each server whose bad certificate was accepted, with what was wrong."""
    counts = Counter(
        f"{exchange.wire.connection.host}:{exchange.wire.connection.port}: {exchange.certificate}"
        for exchange in exchanges
        if exchange.wire is not None
        and exchange.certificate
        and not exchange.certificate.startswith(_PRIVATE)
    )
    return tuple(f"{name} (answers: {count})" for name, count in sorted(counts.items()))


def _failed(exchanges: Sequence[Exchange]) -> Iterator[FailedRequest]:
    failed = [
        exchange
        for exchange in exchanges
        if exchange.end in (RequestEnd.FAILED, RequestEnd.BLOCKED)
    ]
    for exchange in failed[:_FAILED_KEPT]:
        observed = exchange.observed
        error = observed.error if observed is not None else "the connection ended without an answer"
        if exchange.cause:
            error += f": {exchange.cause}"
        elif observed is not None and observed.block_reason:
            error = f"{error} ({observed.block_reason})".strip()
        yield FailedRequest(url=exchange.url, resource_type=exchange.resource_type, error=error)
