"""
Write recorded exchanges as the network part of a bundle: WARC, CDXJ and the page list.

docs/spec/network-record.md says what each record holds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from snapshotter.capture.exchange import End, Exchange, request_head, response_head
from snapshotter.capture.redact import Redactor
from snapshotter.capture.spool import Spool, whole
from snapshotter.formats import cdxj, pages, warc
from snapshotter.model.capture import Artifact
from snapshotter.ports import Clock, IdSource

WARC_PATH = "archive/data.warc.gz"
CDXJ_PATH = "indexes/index.cdx"
PAGES_PATH = "pages/pages.jsonl"

_STEP = "record"
_WARC_PROTOCOLS = {
    "http/1.0": "http/1.0",
    "http/1.1": "http/1.1",
    "h2": "h2",
    "h3": "h3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """The page as the list of pages names it."""

    url: str
    title: str
    text: str
    at: datetime | None  # of the main exchange; None: there was none


def write(
    exchanges: Iterable[Exchange],
    *,
    spool: Path,
    clock: Clock,
    ids: IdSource,
    redactor: Redactor,
    software: str,
    page: PageLine,
) -> tuple[Artifact, ...]:
    """Write the three files below `spool` and return them, digested."""
    files = Spool(spool, clock)
    entries: list[cdxj.Entry] = []
    with files.create(WARC_PATH, "application/warc", step=_STEP) as sink:
        out = _Archive(warc.Writer(sink), ids, redactor)
        out.begin(clock.now(), software)
        for exchange in exchanges:
            entry = out.add(exchange)
            if entry is not None:
                entries.append(entry)
    files.write(CDXJ_PATH, "application/cdxj", cdxj.encode(entries), step=_STEP)
    listing = pages.encode(
        page_id=ids.random_bytes(16).hex(),
        url=page.url,
        title=whole(page.title),
        text=whole(page.text),
        at=page.at or clock.now(),
    )
    files.write(PAGES_PATH, "application/jsonl", listing, step=_STEP)
    return files.artifacts


class _Archive:
    """Turns exchanges into WARC records."""

    def __init__(self, writer: warc.Writer, ids: IdSource, redactor: Redactor) -> None:
        self._writer = writer
        self._ids = ids
        self._redactor = redactor

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
        """Write one exchange; return its index entry if it was answered."""
        if exchange.internal:
            self._add_metadata(exchange, self._new_id(), "answered by the browser itself")
            return None
        request_id = self._new_id()
        if not exchange.has_answer:
            self._add_request(exchange, request_id, concurrent_to="")
            self._add_metadata(exchange, request_id, "")
            return None
        response_id = self._new_id()
        entry = self._add_response(exchange, response_id)
        self._add_request(exchange, request_id, concurrent_to=response_id)
        if exchange.end is not End.ANSWERED:
            self._add_metadata(exchange, request_id, "")
        return entry

    def _add_response(self, exchange: Exchange, record_id: str) -> cdxj.Entry:
        fields = list(_shared_fields(exchange))
        fields.append(("Snapshotter-Body", exchange.body.value))
        if exchange.truncated:
            fields.append(("WARC-Truncated", exchange.truncated))
        media_type = exchange.answer.media_type if exchange.answer is not None else ""
        record = warc.Record(
            kind="response",
            id=record_id,
            at=exchange.at,
            url=exchange.url,
            fields=tuple(fields),
            head=response_head(exchange, self._redactor),
            media_type=media_type,
        )
        if exchange.body_file is None:
            written = self._writer.write_block(record, b"")
        else:
            with exchange.body_file.open("rb") as body:
                written = self._writer.write(record, body)
        return cdxj.Entry(
            url=exchange.url,
            at=exchange.at,
            media_type=media_type or "unk",
            status=exchange.status,
            digest=written.payload_digest,
            offset=written.offset,
            length=written.length,
            method=exchange.method,
            request_type=_request_header(exchange, "content-type"),
            request_body=exchange.post,
        )

    def _add_request(self, exchange: Exchange, record_id: str, *, concurrent_to: str) -> None:
        fields = list(_shared_fields(exchange))
        if concurrent_to:
            fields.append(("WARC-Concurrent-To", f"<{concurrent_to}>"))
        if exchange.post_missing:
            fields.append(("WARC-Truncated", "unspecified"))
        record = warc.Record(
            kind="request",
            id=record_id,
            at=exchange.at,
            url=exchange.url,
            fields=tuple(fields),
            head=request_head(exchange, self._redactor),
        )
        self._writer.write_block(record, exchange.post)

    def _add_metadata(self, exchange: Exchange, concerns: str, note: str) -> None:
        """Say how a request ended that has no whole answer."""
        pairs = (
            ("outcome", exchange.end.value),
            ("error", exchange.error),
            ("blockedReason", exchange.block_reason),
            ("method", exchange.method),
            ("resourceType", exchange.resource_type),
            ("note", note),
        )
        concurrent = () if exchange.internal else (("WARC-Concurrent-To", f"<{concerns}>"),)
        record = warc.Record(
            kind="metadata", id=self._new_id(), at=exchange.at, url=exchange.url, fields=concurrent
        )
        self._writer.write_block(record, warc.fields(tuple(p for p in pairs if p[1])))

    def _new_id(self) -> str:
        return warc.record_id(self._ids.random_bytes(16))


def _shared_fields(exchange: Exchange) -> Iterable[tuple[str, str]]:
    """What a request and its response say alike."""
    if exchange.answer is not None and exchange.answer.remote_ip:
        yield ("WARC-IP-Address", exchange.answer.remote_ip)
    if exchange.answer is not None and exchange.answer.protocol in _WARC_PROTOCOLS:
        yield ("WARC-Protocol", _WARC_PROTOCOLS[exchange.answer.protocol])
    yield ("WARC-Resource-Type", exchange.resource_type.lower())


def _request_header(exchange: Exchange, name: str) -> str:
    headers = exchange.raw_headers or exchange.headers
    return next((h.value for h in headers if h.name.lower() == name), "")
