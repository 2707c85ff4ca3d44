"""
Write recorded exchanges as the network part of a bundle: WARC, CDXJ and the page list.

docs/spec/network-record.md says what each record holds.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from snapshotter.capture.record.exchange_pairing import Exchange, RequestEnd
from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.record.scratch import StoredBody
from snapshotter.capture.record.wire_reader import WireExchange
from snapshotter.capture.redaction.concealer import REDACTED, Concealer
from snapshotter.capture.redaction.redactor import REQUEST_HEADER, RESPONSE_HEADER, Redactor
from snapshotter.capture.spool import Spool, replace_lone_surrogates
from snapshotter.formats.bundle import cdxj, pages, warc
from snapshotter.formats.http.events import Direction
from snapshotter.ports import Clock, IdSource
from snapshotter.value_class import dataclass

WARC_PATH = "archive/data.warc.gz"
CDXJ_PATH = "indexes/index.cdx"
PAGES_PATH = "pages/pages.jsonl"

_STEP = "record"
_KEY_BODY = 8 << 20  # bytes of a request's body that its key in the index may depend on
FRAMES_TYPE = "application/x-ndjson; profile=websocket-frames"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """The page, as the list of pages names it."""

    url: str
    title: str
    text: str
    at: datetime | None  # of the main exchange; None: there was none


def write(
    exchanges: Iterable[Exchange],
    *,
    files: Spool,
    clock: Clock,
    ids: IdSource,
    redactor: Redactor,
    concealer: Concealer,
    software: str,
    page: PageLine,
) -> tuple[cdxj.Entry, ...]:
    """Write the WARC, its index and the list of pages; return the entries of the index."""
    entries: list[cdxj.Entry] = []
    concealer.where = WARC_PATH
    with files.create(WARC_PATH, "application/warc", step=_STEP) as sink:
        out = _ArchiveWriter(warc.Writer(sink), ids, redactor, concealer)
        out.begin(clock.now(), software)
        for exchange in exchanges:
            entry = out.add(exchange)
            if entry is not None:
                entries.append(entry)
    files.write(CDXJ_PATH, "application/cdxj", cdxj.encode(entries), step=_STEP)
    concealer.where = PAGES_PATH
    listing = pages.encode(
        page_id=ids.random_bytes(16).hex(),
        url=concealer.conceal_text(page.url),
        title=concealer.conceal_text(replace_lone_surrogates(page.title)),
        text=concealer.conceal_text(replace_lone_surrogates(page.text)),
        at=page.at or clock.now(),
    )
    files.write(PAGES_PATH, "application/jsonl", listing, step=_STEP)
    return tuple(entries)


class _ArchiveWriter:
    """Writes exchanges as WARC records."""

    def __init__(
        self, writer: warc.Writer, ids: IdSource, redactor: Redactor, concealer: Concealer
    ) -> None:
        self._writer = writer
        self._ids = ids
        self._redactor = redactor
        self._concealer = concealer

    def begin(self, at: datetime, software: str) -> None:
        block = warc.fields(
            (
                ("software", software),
                ("format", "WARC File Format 1.1"),
                (
                    "conformsTo",
                    "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
                ),
                ("robots", "ignore (one page, opened as a person opens it)"),
            )
        )
        self._writer.write_block(warc.Record(kind="warcinfo", id=self._new_id(), at=at), block)

    def add(self, exchange: Exchange) -> cdxj.Entry | None:
        """Write one exchange; return its index entry if it has a response to be shown."""
        wire = exchange.wire
        if wire is None:
            self._add_metadata(
                exchange, "", "the recorded network data do not contain this request"
            )
            return None
        request_id, entry, response_id = self._new_id(), None, ""
        if wire.response is not None:
            response_id = self._new_id()
            entry = self._add_response(exchange, wire, wire.response, response_id)
        self._add_request(exchange, wire, request_id, concurrent_to=response_id)
        for head in wire.interim:
            self._add_interim(exchange, wire, head, response_id or request_id)
        if wire.frames is not None:
            self._add_frames(exchange, wire, wire.frames, response_id or request_id)
        if exchange.end is not RequestEnd.ANSWERED or wire.trailers or wire.notes or wire.troubles:
            self._add_metadata(exchange, request_id, "")
        return entry

    def _add_response(
        self, exchange: Exchange, wire: WireExchange, response: RecordedHead, record_id: str
    ) -> cdxj.Entry | None:
        url = self._concealer.conceal_text(exchange.url)
        with wire.received.open() as body:
            head = response.written(RESPONSE_HEADER, self._redactor)
            shown = self._concealer.conceal_body(response, head, body, wire.received.length)
            kept = REDACTED if shown.is_changed else exchange.body.value
            fields = [*self._shared_fields(exchange, wire), ("Snapshotter-Body", kept)]
            if exchange.cut:
                fields.append(("WARC-Truncated", exchange.cut))
            record = warc.Record(
                kind="response",
                id=record_id,
                at=exchange.at,
                url=url,
                fields=tuple(fields),
                head=shown.head,
            )
            written = self._writer.write(record, shown.body)
        if wire.frames is not None:
            return None  # nothing that an index could lead to
        return cdxj.Entry(
            url=url,
            at=exchange.at,
            media_type=response.media_type or "unk",
            status=response.status,
            digest=written.payload_digest,
            offset=written.offset,
            length=written.length,
            record_id=record_id,
            method=exchange.method,
            request_type=wire.request.header("content-type"),
            request_body=self._concealer.conceal_bytes(wire.sent.beginning(_KEY_BODY)),
        )

    def _add_request(
        self, exchange: Exchange, wire: WireExchange, record_id: str, *, concurrent_to: str
    ) -> None:
        fields = list(self._shared_fields(exchange, wire))
        if concurrent_to:
            fields.append(("WARC-Concurrent-To", f"<{concurrent_to}>"))
        if not wire.request_is_whole:
            fields.append(("WARC-Truncated", "disconnect"))
        with wire.sent.open() as body:
            head = wire.request.written(REQUEST_HEADER, self._redactor)
            shown = self._concealer.conceal_body(wire.request, head, body, wire.sent.length)
            if shown.is_changed:
                fields.append(("Snapshotter-Body", REDACTED))
            record = warc.Record(
                kind="request",
                id=record_id,
                at=exchange.at,
                url=self._concealer.conceal_text(exchange.url),
                fields=tuple(fields),
                head=shown.head,
            )
            self._writer.write(record, shown.body)

    def _add_interim(
        self, exchange: Exchange, wire: WireExchange, head: RecordedHead, concerns: str
    ) -> None:
        """Write an informational response where no reader takes it for the response."""
        self._writer.write_block(
            warc.Record(
                kind="metadata",
                id=self._new_id(),
                at=exchange.at,
                url=self._concealer.conceal_text(exchange.url),
                fields=(*self._shared_fields(exchange, wire), *_concurrent_to(concerns)),
                content_type="application/http; msgtype=response",
            ),
            self._concealer.conceal_bytes(head.written(RESPONSE_HEADER, self._redactor)),
        )

    def _add_frames(
        self, exchange: Exchange, wire: WireExchange, frames: StoredBody, concerns: str
    ) -> None:
        """Write the frames of a WebSocket beside the handshake that opened it."""
        cut = (("WARC-Truncated", "time"),) if wire.connection.ended_by in ("", "cut") else ()
        record = warc.Record(
            kind="metadata",
            id=self._new_id(),
            at=exchange.at,
            url=self._concealer.conceal_text(exchange.url),
            fields=(*self._shared_fields(exchange, wire), *_concurrent_to(concerns), *cut),
            content_type=FRAMES_TYPE,
        )
        with frames.open() as lines:
            self._writer.write(record, self._concealer.conceal_frames(lines, frames.length))

    def _add_metadata(self, exchange: Exchange, concerns: str, note: str) -> None:
        """Write what no head and no body shows: how it ended, trailers, oddities."""
        observed, wire = exchange.observed, exchange.wire
        internal = observed is not None and observed.internal
        pairs = [
            ("outcome", exchange.end.value),
            ("status", str(exchange.status) if exchange.is_missing else ""),
            ("error", observed.error if observed is not None else ""),
            ("cause", exchange.cause),
            ("blockedReason", observed.block_reason if observed is not None else ""),
            ("method", exchange.method),
            ("resourceType", exchange.resource_type),
            ("initiator", _initiator(exchange)),
            ("note", "answered by the browser itself" if internal else note),
        ]
        if wire is not None:
            for direction, head in wire.trailers:
                place = REQUEST_HEADER if direction is Direction.CLIENT else RESPONSE_HEADER
                head.written(place, self._redactor)
                pairs += [("trailer", f"{name}: {value}") for name, value in head.headers]
            pairs += [("odd", words) for words in wire.notes]
            pairs += [("unreadable", words) for words in wire.troubles]
        record = warc.Record(
            kind="metadata",
            id=self._new_id(),
            at=exchange.at,
            url=self._concealer.conceal_text(exchange.url),
            fields=_concurrent_to(concerns) if concerns else (),
        )
        block = warc.fields(tuple(pair for pair in pairs if pair[1]))
        self._writer.write_block(record, self._concealer.conceal_bytes(block))

    def _shared_fields(self, exchange: Exchange, wire: WireExchange) -> Iterator[tuple[str, str]]:
        for name, value in _shared_fields(exchange, wire):
            yield name, self._concealer.conceal_text(value)

    def _new_id(self) -> str:
        return warc.record_id(self._ids.random_bytes(16))


def _shared_fields(exchange: Exchange, wire: WireExchange) -> Iterator[tuple[str, str]]:
    """Return the fields that all records of one exchange have."""
    if wire.connection.address:
        yield ("WARC-IP-Address", wire.connection.address)
    yield ("WARC-Protocol", wire.protocol)
    if wire.handshake is not None:
        yield ("WARC-Protocol", wire.handshake.version.lower().replace(" ", "/"))  # "tls/1.3"
        yield ("WARC-Cipher-Suite", wire.handshake.cipher)
    yield ("WARC-Resource-Type", exchange.resource_type.lower())
    yield ("Snapshotter-Connection", f"{wire.connection.number}/{wire.stream}")
    if exchange.certificate:
        yield ("Snapshotter-Certificate", exchange.certificate)
    if words := _initiator(exchange):
        yield ("Snapshotter-Initiator", words)
    times = [exchange.at, wire.response_at, wire.ended_at]
    yield ("Snapshotter-Times", " ".join(warc.date(at) if at is not None else "-" for at in times))


def _concurrent_to(record_id: str) -> tuple[tuple[str, str], ...]:
    return (("WARC-Concurrent-To", f"<{record_id}>"),)


def _initiator(exchange: Exchange) -> str:
    """
    Return the initiator of a request, as the browser reports it: "script https://a.com/app.js".
    """
    observed = exchange.observed
    return f"{observed.initiator} {observed.initiator_url}".strip() if observed is not None else ""
