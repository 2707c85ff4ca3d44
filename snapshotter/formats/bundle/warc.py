"""
Write WARC 1.1 (ISO 28500:2017) records, each as its own gzip member.

warcio formats the record. This module gives it HTTP heads as bytes, so that no value is encoded
again; SHA-256 digests; and a record id and a date that the caller chose. Bodies are streamed,
so they may be larger than memory.
"""

import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Protocol

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from snapshotter.value_class import dataclass

VERSION = "WARC/1.1"

_CHUNK = 1 << 20  # bytes per read of a payload
_SAMPLE = 1 << 14  # bytes of a payload that show whether it can be compressed
_GAIN = 0.95  # of its length: what does not come below this was compressed before
_LONG = 4 << 20  # bytes from which on time counts more than space
_STORED, _FAST, _GOOD = 0, 1, 6  # levels of zlib
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_LINE_BREAKS = re.compile(r"[\r\n]+")
_CONTENT_TYPES = {
    "warcinfo": "application/warc-fields",
    "metadata": "application/warc-fields",
    "request": "application/http; msgtype=request",
    "response": "application/http; msgtype=response",
}


class PositionedStream(Protocol):
    """Where the file goes: a stream that knows how far it is."""

    def write(self, data: bytes) -> object: ...
    def tell(self) -> int: ...
    def flush(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to write. `head` is the HTTP head with its blank line, or empty."""

    kind: str  # warcinfo, request, response, metadata
    id: str  # "urn:uuid:…"
    at: datetime
    url: str = ""
    fields: tuple[tuple[str, str], ...] = ()  # further named fields, in order
    head: bytes = b""
    content_type: str = ""  # of the block, where the kind of record does not say it


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRecord:
    """Where a record stands in the file, and the digest of its payload."""

    offset: int  # bytes
    length: int  # bytes, compressed
    payload_digest: str  # "sha256:<hex>"


class Writer:
    """Appends records to a stream; closes nothing."""

    def __init__(self, sink: PositionedStream) -> None:
        self._sink = sink
        self._member = _GzipMember(sink)
        self._warcio: Any = WARCWriter(self._member, gzip=False, warc_version=VERSION)

    def write_block(self, record: Record, payload: bytes) -> WrittenRecord:
        """Append one record whose payload is in memory."""
        return self.write(record, io.BytesIO(payload))

    def write(self, record: Record, payload: BinaryIO) -> WrittenRecord:
        """
        Append one record.

        Args:
            payload: Seekable; read twice from where it stands, once for the digests. One
                that is compressed already is stored, as its middle shows: it may begin with text.
        """
        start = payload.tell()
        block, content, length = hashlib.sha256(record.head), hashlib.sha256(), 0
        for chunk in _chunks(payload):
            block.update(chunk)
            content.update(chunk)
            length += len(chunk)
        payload.seek(start + max(0, length - _SAMPLE) // 2)
        level = _level(payload.read(_SAMPLE), length)
        payload.seek(start)
        payload_digest = f"sha256:{content.hexdigest()}"

        fields = [("WARC-Type", record.kind), ("WARC-Record-ID", f"<{record.id}>")]
        fields.append(("WARC-Date", date(record.at)))
        if record.url:
            fields.append(("WARC-Target-URI", record.url))
        fields += record.fields
        fields.append(("WARC-Block-Digest", f"sha256:{block.hexdigest()}"))
        if record.kind != "warcinfo":
            fields.append(("WARC-Payload-Digest", payload_digest))
        for name, value in fields:
            if _CONTROLS.search(name + value):
                raise ValueError(f"the WARC field {name} contains a control character")

        offset = self._sink.tell()
        self._member.level = level
        layout = self._warcio.create_warc_record(
            record.url,
            record.kind,
            payload=payload,
            length=length,
            warc_content_type=record.content_type or _CONTENT_TYPES[record.kind],
            warc_headers=StatusAndHeaders("", fields, protocol=VERSION),
            http_headers=_RawHead(record.head) if record.head else _NO_HEAD,
        )
        self._warcio.write_record(layout)
        return WrittenRecord(
            offset=offset,
            length=self._sink.tell() - offset,
            payload_digest=payload_digest,
        )


def date(at: datetime) -> str:
    """Return an instant as WARC 1.1 writes it, with microseconds."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def record_id(random: bytes) -> str:
    """Return 16 random bytes as `urn:uuid:…`, a version 4 UUID (RFC 9562)."""
    if len(random) != 16:
        raise ValueError("a UUID is made of 16 bytes")
    data = bytearray(random)
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    text = data.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def fields(pairs: tuple[tuple[str, str], ...]) -> bytes:
    """Return a block of `application/warc-fields`; line breaks in a value become spaces."""
    lines = (f"{name}: {_LINE_BREAKS.sub(' ', value)}\r\n" for name, value in pairs)
    return "".join(lines).encode()


def _level(sample: bytes, length: int) -> int:
    """Return how hard to compress a payload with this in its middle."""
    if len(zlib.compress(sample, _FAST)) > _GAIN * len(sample):
        return _STORED if len(sample) == _SAMPLE else _FAST  # with a short one goes a head
    return _FAST if length > _LONG else _GOOD


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


class _GzipMember:
    """What warcio writes to: one gzip member from each record's first byte to its flush."""

    def __init__(self, sink: PositionedStream) -> None:
        self._sink = sink
        self.level = _GOOD
        self._compressor: Any = None

    def write(self, data: bytes) -> int:
        if self._compressor is None:
            self._compressor = zlib.compressobj(self.level, zlib.DEFLATED, zlib.MAX_WBITS + 16)
        self._sink.write(self._compressor.compress(data))
        return len(data)

    def flush(self) -> None:
        if self._compressor is not None:
            self._sink.write(self._compressor.flush())
            self._compressor = None
        self._sink.flush()


class _RawHead:
    """An HTTP head as warcio's writer wants it, and as it came: bytes."""

    def __init__(self, head: bytes) -> None:
        self.headers_buff = head

    def compute_headers_buffer(self, header_filter: object = None) -> None:
        """Leave the bytes as they are."""

    def __bool__(self) -> bool:
        return bool(self.headers_buff)


_NO_HEAD = _RawHead(b"")
