"""
One request and its answer, as the browser told of them, event by event.

Secrets are replaced the moment a header arrives: an exchange holds none, so
neither does a log, a traceback or a file made from it.
"""

import enum
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from snapshotter.capture.partial import PartialBody
from snapshotter.capture.redact import REQUEST_HEADER, RESPONSE_HEADER, Redactor
from snapshotter.capture.spool import utf8

# Names that describe the bytes on the wire, which are not the bytes that the
# browser hands out. A replay that believed them would decode a second time.
_WIRE_NAMES = frozenset({"content-encoding", "transfer-encoding", "content-length"})
_WIRE_PREFIX = "X-Orig-"


class Body(enum.StrEnum):
    """How the recorded body relates to what the server sent; see docs/spec/network-record.md."""

    AS_RECEIVED = "as-received"
    TRANSFER_DECODED = "transfer-decoded"  # chunk framing taken off
    CONTENT_DECODED = "content-decoded"  # gzip, br … taken off
    TEXT_AS_UTF8 = "text-as-utf-8"  # the browser gave characters; the served bytes are lost
    EMPTY = "empty"  # there was none: HEAD, 204, 304 …
    UNAVAILABLE = "unavailable"  # there may have been one; the browser does not hand it out
    TOO_LONG = "too-long"  # over a limit, not kept


class End(enum.StrEnum):
    """How a request ended."""

    PENDING = "pending"
    ANSWERED = "answered"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderLine:
    """One header, with its secret replaced. `value` has no line break."""

    name: str
    value: str
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The response's facts from the browser; its raw head comes apart from it."""

    status: int
    status_text: str
    protocol: str  # "http/1.1", "h2", "h3" …
    headers: tuple[HeaderLine, ...]
    media_type: str
    charset: str
    remote_ip: str
    remote_port: int
    security: dict[str, Any] | None  # CDP SecurityDetails
    has_raw: bool  # a raw head was announced


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHead:
    """A response's head from the network stack: status line if it was text, and the headers."""

    status: int
    status_line: str  # "" over HTTP/2, which has none
    headers: tuple[HeaderLine, ...]


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request that may still go on. Changed by the recorder alone."""

    number: int
    request_id: str
    url: str  # no user information, no fragment
    method: str
    resource_type: str  # as CDP names it
    at: datetime
    frame_id: str
    loader_id: str
    initiator: str  # CDP initiator type: parser, script, preflight, other …
    headers: tuple[HeaderLine, ...]  # as the page asked; the sent ones are in `raw_headers`
    raw_headers: tuple[HeaderLine, ...] = ()
    post: bytes = b""
    post_missing: bool = False
    answer: Answer | None = None
    raw_head: RawHead | None = None
    end: End = End.PENDING
    error: str = ""
    block_reason: str = ""
    from_cache: bool = False
    redirected: bool = False
    internal: bool = False  # the browser answered itself (HSTS); nothing was sent
    body: Body = Body.UNAVAILABLE
    body_file: Path | None = None
    part: PartialBody | None = field(default=None, repr=False)  # of the page's document alone
    truncated: str = ""  # WARC-Truncated: length, time, disconnect
    body_length: int = 0  # bytes, as the browser counted them while they came
    wire_length: int = 0  # bytes
    sessions: list[Any] = field(default_factory=list, repr=False)

    @property
    def is_main_request(self) -> bool:
        return self.resource_type == "Document" and self.request_id == self.loader_id

    @property
    def status(self) -> int:
        if self.raw_head is not None:
            return self.raw_head.status
        return self.answer.status if self.answer is not None else 0

    @property
    def response_headers(self) -> tuple[HeaderLine, ...]:
        if self.raw_head is not None:
            return self.raw_head.headers
        return self.answer.headers if self.answer is not None else ()

    @property
    def has_answer(self) -> bool:
        return not self.internal and (self.answer is not None or self.raw_head is not None)

    def header(self, name: str) -> str:
        """Return the first response header of this lowercase name, or an empty text."""
        return next((h.value for h in self.response_headers if h.name.lower() == name), "")

    @property
    def has_no_body(self) -> bool:
        """Whether HTTP forbids a body here (RFC 9110, section 6.4.1)."""
        return self.method == "HEAD" or self.status in (204, 304) or 100 <= self.status < 200


def lines(headers: dict[str, Any], redactor: Redactor) -> tuple[HeaderLine, ...]:
    """Return CDP's header object as lines; it joins repeated headers by a line feed."""
    return tuple(
        line(str(name), part, redactor)
        for name, value in headers.items()
        for part in str(value).split("\n")
    )


def line(name: str, value: str, redactor: Redactor) -> HeaderLine:
    """Return one header with its secret replaced."""
    if redactor.is_secret(name):
        return HeaderLine(name=name, value=redactor.conceal(name, value), secret=True)
    return HeaderLine(name=name, value=redactor.clean_header(name, value))


def parse_head(text: str, status: int, redactor: Redactor) -> RawHead:
    """Return the head that came as text, a status line and headers. Folded lines are unfolded."""
    status_line, *rest = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    pairs: list[list[str]] = []
    for text_line in rest:
        if text_line[:1] in (" ", "\t") and pairs:
            pairs[-1][1] += " " + text_line.strip()
        elif text_line:
            name, _, value = text_line.partition(":")
            pairs.append([name, value.strip(" \t")])
    return RawHead(
        status=status,
        status_line=redactor.clean_text(status_line),
        headers=tuple(line(name, value, redactor) for name, value in pairs),
    )


def same_headers(some: tuple[HeaderLine, ...], others: tuple[HeaderLine, ...]) -> bool:
    """Whether both hold the same names and values, in any order and any case of the names."""
    return Counter((h.name.lower(), h.value) for h in some) == Counter(
        (h.name.lower(), h.value) for h in others
    )


def request_head(exchange: Exchange, redactor: Redactor) -> bytes:
    """
    Return the request's head as HTTP/1.1.

    HTTP/2 pseudo-headers (RFC 9113, section 8.3.1) become the request line and Host.
    """
    headers = exchange.raw_headers or exchange.headers
    authority = next((h.value for h in headers if h.name == ":authority"), "")
    target = exchange.url.split("://", 1)[-1]
    slash = min((target.find(c) for c in "/?" if c in target), default=-1)
    path = target[slash:] if slash >= 0 else "/"
    shown = [h for h in headers if not h.name.startswith(":")]
    if not any(h.name.lower() == "host" for h in shown):
        host = authority or (target[:slash] if slash >= 0 else target)
        shown.insert(0, HeaderLine(name="Host", value=host))
    first = f"{exchange.method} {path if path[0] == '/' else '/' + path} HTTP/1.1"
    return _head(first, shown, REQUEST_HEADER, redactor)


def response_head(exchange: Exchange, redactor: Redactor) -> bytes:
    """
    Return the response's head as HTTP/1.1, fit for the body that is recorded.

    Content-Encoding, Transfer-Encoding and Content-Length are renamed
    `X-Orig-…` when the recorded body is not what they describe.
    """
    status_line = exchange.raw_head.status_line if exchange.raw_head is not None else ""
    if not status_line:
        text = exchange.answer.status_text if exchange.answer is not None else ""
        status_line = f"HTTP/1.1 {exchange.status} {text}".rstrip()
    headers = exchange.response_headers
    if renames_wire_headers(exchange):
        headers = tuple(
            HeaderLine(name=_WIRE_PREFIX + h.name, value=h.value, secret=h.secret)
            if h.name.lower() in _WIRE_NAMES
            else h
            for h in headers
        )
    shown = [h for h in headers if not h.name.startswith(":")]
    return _head(status_line, shown, RESPONSE_HEADER, redactor)


def renames_wire_headers(exchange: Exchange) -> bool:
    """Whether Content-Encoding, Transfer-Encoding or Content-Length would mislead a reader."""
    return bool(exchange.truncated) or exchange.body not in (Body.EMPTY, Body.AS_RECEIVED)


def _head(first: str, headers: list[HeaderLine], place: str, redactor: Redactor) -> bytes:
    for header in headers:
        if header.secret:
            redactor.written(place, header.name, header.value)
    text = "".join(f"{h.name}: {h.value}\r\n" for h in headers)
    return _octets(f"{first}\r\n{text}\r\n")


def _octets(text: str) -> bytes:
    """Return header text as bytes. The browser gives each octet as a character if it can."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return utf8(text)
