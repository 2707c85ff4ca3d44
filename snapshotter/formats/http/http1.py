"""
Split a recorded HTTP/1 connection into requests and responses (RFC 9112).

The module keeps what was sent, however odd. Where servers deviate from the specification, the
response is read as Chromium reads it (`net/http/http_stream_parser.cc`,
`http_chunked_decoder.cc`), because the page was made from that reading. Such deviations are
bare LF, up to four bytes before the status line, no reason phrase, no status, fields without a
colon (they stay in `MessageHead.raw`), and no head at all.

A reader of the events can rely on these rules:

- `MessageHead.raw` and the `Data` of one direction, joined, are the bytes that were sent, with
  chunk framing and trailers. Trailers appear a second time, as a `MessageHead` with `trailers`;
  its `raw` is therefore empty.
- Each direction of a stream ends once, with `DirectionEnd`; its `detail` says what was odd. After
  `ProtocolSwitch` both directions are open again until the connection ends. A request without a
  response has a SERVER `DirectionEnd` and no SERVER `MessageHead`.
- A response before any request has a stream without a request.
- A response without a status counts as 200, as in the browser. So does a response without a head
  (HTTP/0.9), whose `raw` is empty; a browser refuses these on ports other than 80 and 443.
- After framing that cannot be followed, all further bytes of that direction are `Data` of that
  stream. `ReadTrouble` is only for bytes that belong to no stream; a second one at the end says
  how many bytes there were.

No part of a body is kept in memory, and at most 256 KiB of a head or trailer section.
"""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import field
from typing import Protocol

from typing_extensions import override

from snapshotter.formats.http.events import (
    Data,
    Direction,
    DirectionEnd,
    EndReason,
    Event,
    MessageHead,
    ProtocolSwitch,
    ReadTrouble,
)
from snapshotter.value_class import dataclass

MAX_HEAD = 1 << 18  # bytes of one head or trailer section; Chromium stops here, too
MAX_FIELDS = 10_000  # of one head; more stay in `raw`
MAX_WAITING = 10_000  # requests sent and not yet answered
_MAX_CHUNK_LINE = 1 << 14  # bytes of a chunk's size and extensions, and of one trailer line
_SLOP = 4  # bytes before the status line that Chromium overlooks
_LONGEST_NAME = 4  # of "HTTP": with the slop, what it takes to know that there is no status line

_END_OF_HEAD = re.compile(rb"\n\r?\n")
_LINES = re.compile(rb"[\r\n]+")  # a lone CR ends a line, too
_VERSION = re.compile(rb"(?i)HTTP/(\d)[^.]*\.(\d)")
_STATUS = re.compile(rb"[^ ]* +(\d{1,9})")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_STEP = 2_048  # bytes that are taken at a time of what may be a head
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]+) *")
_MAX_LENGTH = (1 << 63) - 1

_Fields = tuple[tuple[bytes, bytes], ...]


class Http1Connection:
    """Both directions of one connection; feed the pieces in the order in which they were sent."""

    def __init__(self) -> None:
        self._client = _Side(Direction.CLIENT, _start_of_request)
        self._server = _Side(Direction.SERVER, _start_of_answer)
        self._waiting: deque[_Request] = deque()
        self._next_stream = 0
        self._holding: int | None = None  # a request; until its answer, what follows may be no HTTP
        self._switched: int | None = None

    def feed(self, direction: Direction, data: bytes) -> list[Event]:
        """Return what these bytes complete. Any bytes are fine."""
        events: list[Event] = []
        self._read(self._client if direction is Direction.CLIENT else self._server, data, events)
        return events

    def close(self, direction: Direction) -> list[Event]:
        """Return what the end of this direction means. A second call returns nothing."""
        events: list[Event] = []
        side = self._client if direction is Direction.CLIENT else self._server
        if side.closed:
            return events
        self._release(events)
        side.closed = True
        if side.body is not None:
            self._trailers(side, side.body, events)
            self._end(side, side.body.how_cut, side.body.cut(), events)
        elif side.head.held and not side.lost:
            self._end_inside_head(side, events)
        if side.lost and side.unread:
            events.append(
                ReadTrouble(direction=direction, detail=f"{side.unread:,} bytes were not read")
            )
        if self._server.closed:  # a request may have come since
            why = "the connection ended without an answer"
            for request in self._waiting:
                events.append(
                    DirectionEnd(
                        stream=request.stream,
                        direction=Direction.SERVER,
                        how=EndReason.CUT,
                        detail=why,
                    )
                )
            self._waiting.clear()
        return events

    # One direction

    def _read(self, side: "_Side", data: bytes, events: list[Event]) -> None:
        position, length = 0, len(data)
        while position < length:
            if side.closed or side.lost:
                if side.closed and not side.lost:
                    self._lose(side, "bytes came after the end of the connection", events)
                side.unread += length - position
                return
            if side.body is None:
                position = self._read_head(side, data, position, events)
                continue
            end = side.body.take(data, position)
            if end > position:
                piece = data if end - position == length else data[position:end]
                events.append(Data(stream=side.stream, direction=side.direction, data=piece))
            position = end
            if side.body.done:
                self._end_body(side, side.body, events)

    def _read_head(self, side: "_Side", data: bytes, position: int, events: list[Event]) -> int:
        head = side.head
        position = head.take(data, position)
        if side is self._client and self._holding is not None:
            if len(head.held) >= MAX_HEAD:
                self._lose(
                    side,
                    "the client sent too many bytes before the server answered the upgrade request",
                    events,
                )
            return position
        if (raw := head.complete()) is not None:
            position -= head.give_back()
            if side is self._client:
                self._request(raw, events)
            else:
                self._answer(raw, events)
        elif head.start is None and len(head.held) >= _SLOP + _LONGEST_NAME:
            self._answer_without_head(events)
        elif len(head.held) >= MAX_HEAD:
            self._lose(side, f"a head is longer than {MAX_HEAD:,} bytes", events)
        return position

    def _end_body(self, side: "_Side", body: "_Body", events: list[Event]) -> None:
        self._trailers(side, body, events)
        self._end(side, EndReason.COMPLETE, body.note, events)
        if side is self._client and self._switched is not None:
            self._tunnel(side, self._switched)

    def _trailers(self, side: "_Side", body: "_Body", events: list[Event]) -> None:
        """Tell of the fields after the last chunk: as many as came, for they may be secret."""
        if isinstance(body, _Chunked) and (trailers := body.trailers()):
            events.append(
                MessageHead(
                    stream=side.stream, direction=side.direction, headers=trailers, trailers=True
                )
            )

    def _end(self, side: "_Side", how: EndReason, note: str, events: list[Event]) -> None:
        notes = [*side.notes, note] if note else side.notes
        events.append(
            DirectionEnd(
                stream=side.stream, direction=side.direction, how=how, detail="; ".join(notes)
            )
        )
        side.body = None
        side.notes = []

    def _begin(
        self,
        side: "_Side",
        stream: int,
        body: "_Body | None",
        notes: list[str],
        events: list[Event],
    ) -> None:
        side.stream, side.body, side.notes = stream, body, notes
        if body is None:
            self._end(side, EndReason.COMPLETE, "", events)

    def _lose(self, side: "_Side", why: str, events: list[Event]) -> None:
        side.lost = True
        side.unread += len(side.head.empty())
        events.append(ReadTrouble(direction=side.direction, detail=why))
        if side is self._server:
            self._release(events)

    def _end_inside_head(self, side: "_Side", events: list[Event]) -> None:
        why = "the connection ended in the middle of the head of a message"
        if side is self._client or not self._waiting:
            self._lose(side, why, events)
        elif (start := side.head.start) is None:
            self._answer_without_head(events)
            self._end(side, EndReason.CLOSED, "", events)
        else:
            # As much of it as there is; Chromium does so, too, where there is no TLS.
            raw = side.head.empty()
            side.stream = self._waiting.popleft().stream
            events.append(
                MessageHead(
                    stream=side.stream,
                    direction=Direction.SERVER,
                    status=_status_line(raw[start:])[0],
                    headers=_fields(raw, start)[0],
                    raw=raw,
                )
            )
            self._end(side, EndReason.CUT, why, events)

    # Requests

    def _request(self, raw: bytes, events: list[Event]) -> None:
        start = _start_of_request(raw) or 0
        method, _, rest = _LINES.split(raw[start:], 1)[0].partition(b" ")
        target, _, version = rest.rstrip(b" \t").rpartition(b" ")
        if not (_TOKEN.fullmatch(method) and target and _VERSION.fullmatch(version)):
            self._client.unread += len(raw)
            self._lose(self._client, "the client sent data that are not an HTTP/1 request", events)
            return
        if len(self._waiting) >= MAX_WAITING:
            self._client.unread += len(raw)
            self._lose(
                self._client,
                f"the connection has more than {MAX_WAITING:,} unanswered requests",
                events,
            )
            return
        fields, notes = _fields(raw, start)
        if start:
            notes.insert(0, f"bytes before the request line: {start}")
        request = _Request(
            stream=self._next_stream, method=method, upgrade=_first(fields, b"upgrade")
        )
        self._next_stream += 1
        self._waiting.append(request)
        events.append(
            MessageHead(
                stream=request.stream,
                direction=Direction.CLIENT,
                method=method,
                target=target,
                authority=_first(fields, b"host"),
                headers=fields,
                raw=raw,
            )
        )
        if request.upgrade or method == b"CONNECT":
            self._holding = request.stream
        body = None if method == b"CONNECT" else _body_of_request(fields, notes)
        self._begin(self._client, request.stream, body, notes, events)

    # Answers

    def _answer(self, raw: bytes, events: list[Event]) -> None:
        start = _start_of_answer(raw) or 0
        status, version, odd = _status_line(raw[start:])
        fields, notes = _fields(raw, start)
        if start:
            notes.insert(0, f"bytes before the status line: {start}")
        if odd:
            notes.append(odd)
        # A 101 that nobody asked for is passed over, as Chromium does.
        switches = status == 101 and bool(self._waiting) and bool(self._waiting[0].upgrade)
        final = status // 100 != 1 or switches
        request = self._request_of_answer(final, notes)
        events.append(
            MessageHead(
                stream=request.stream,
                direction=Direction.SERVER,
                status=status,
                headers=fields,
                raw=raw,
            )
        )
        if switches or (request.method == b"CONNECT" and status // 100 == 2):
            self._server.notes = notes
            self._switch(request, _first(fields, b"upgrade"), events)
        elif final:
            body = _body_of_answer(request.method, status, version, fields, notes)
            self._begin(self._server, request.stream, body, notes, events)
            if self._holding == request.stream:
                self._release(events)

    def _request_of_answer(self, final: bool, notes: list[str]) -> "_Request":
        if self._waiting:
            return self._waiting.popleft() if final else self._waiting[0]
        request = _Request(stream=self._next_stream)
        if final:
            # An informational answer leaves the number to whatever comes after it.
            self._next_stream += 1
            notes.append("no request came before this answer")
        return request

    def _answer_without_head(self, events: list[Event]) -> None:
        side = self._server
        if not self._waiting:
            self._lose(side, "the server sent bytes that belong to no answer", events)
            return
        data = side.head.empty()
        request = self._waiting.popleft()
        events.append(MessageHead(stream=request.stream, direction=Direction.SERVER, status=200))
        events.append(Data(stream=request.stream, direction=Direction.SERVER, data=data))
        note = "the answer has no status line, so it is HTTP/0.9 or not HTTP"
        self._begin(side, request.stream, _ToTheEnd(), [note], events)

    # Another protocol

    def _switch(self, request: "_Request", protocol: bytes, events: list[Event]) -> None:
        if request.method != b"CONNECT":
            protocol = (protocol or request.upgrade).lower()
        events.append(ProtocolSwitch(stream=request.stream, protocol=protocol))
        self._switched = request.stream
        self._server.stream, self._server.body = request.stream, _ToTheEnd()
        client = self._client
        self._holding = None
        if client.body is None and not client.lost and not client.closed:
            early = client.head.empty()
            self._tunnel(client, request.stream)
            if early:
                events.append(Data(stream=request.stream, direction=Direction.CLIENT, data=early))

    def _tunnel(self, side: "_Side", stream: int) -> None:
        side.stream, side.body, side.notes = stream, _ToTheEnd(), []

    def _release(self, events: list[Event]) -> None:
        """Nobody will switch to another protocol: what waited are requests."""
        if self._holding is not None:
            self._holding = None
            if not self._client.closed:
                self._read(self._client, self._client.head.empty(), events)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What has to be known of a request to read its answer."""

    stream: int
    method: bytes = b""
    upgrade: bytes = b""


class _HeadReader:
    """Collects one head. `start` is where its first line begins, once that is known."""

    def __init__(self, find_start: Callable[[bytes | bytearray], int | None]) -> None:
        self.held = bytearray()
        self.start: int | None = None
        self._find_start = find_start
        self._searched = 0
        self._surplus = 0

    def take(self, data: bytes, position: int) -> int:
        """Hold more bytes, as far as the bound allows; return the position after them."""
        end = min(len(data), position + min(_STEP, MAX_HEAD - len(self.held)))
        self.held += data[position:end]
        return end

    def complete(self) -> bytes | None:
        """Return the head, if it is all there; the bytes after it are what `give_back` counts."""
        if self.start is None:
            self.start = self._find_start(self.held)
            if self.start is None:
                return None
        match = _END_OF_HEAD.search(self.held, max(self.start, self._searched - 2))
        if match is None:
            self._searched = len(self.held)
            return None
        raw = bytes(self.held[: match.end()])
        self._surplus = len(self.held) - match.end()
        self.empty()
        return raw

    def give_back(self) -> int:
        """Return how many of the bytes taken last were not part of the head."""
        return self._surplus

    def empty(self) -> bytes:
        """Return what is held, and begin anew."""
        held = bytes(self.held)
        self.held.clear()
        self.start = None
        self._searched = 0
        return held


@dataclass(slots=True)
class _Side:
    """One direction: in a head while `body` is None, else in that body."""

    direction: Direction
    find_start: Callable[[bytes | bytearray], int | None]
    stream: int = 0
    body: "_Body | None" = None
    notes: list[str] = field(default_factory=list)  # for the End of the current message
    lost: bool = False
    closed: bool = False
    unread: int = 0  # bytes since it was lost
    head: _HeadReader = field(init=False)

    def __post_init__(self) -> None:
        self.head = _HeadReader(self.find_start)


class _Body(Protocol):
    """Finds the end of a body, whatever the pieces."""

    done: bool
    note: str
    how_cut: EndReason  # if the connection ends first

    def take(self, data: bytes, position: int) -> int:
        """Return the position after the last byte that belongs to the body."""

    def cut(self) -> str:
        """Say where in the body the connection ended."""


class _Length(_Body):
    """A body of a length that was announced."""

    how_cut = EndReason.CUT

    def __init__(self, length: int) -> None:
        self.done = False
        self.note = ""
        self._announced = self._left = length

    @override
    def take(self, data: bytes, position: int) -> int:
        end = min(len(data), position + self._left)
        self._left -= end - position
        self.done = not self._left
        return end

    @override
    def cut(self) -> str:
        return f"{self._announced - self._left:,} of {self._announced:,} bytes"


class _ToTheEnd(_Body):
    """A body that the end of the connection ends."""

    how_cut = EndReason.CLOSED

    def __init__(self) -> None:
        self.done = False
        self.note = ""

    @override
    def take(self, data: bytes, position: int) -> int:
        return len(data)

    @override
    def cut(self) -> str:
        return ""


class _Chunked(_Body):
    """A chunked body (RFC 9112, 7.1), as strict and as lenient as Chromium."""

    how_cut = EndReason.CUT

    def __init__(self) -> None:
        self.done = False
        self.note = ""
        self._left = 0  # bytes of the current chunk
        self._line = bytearray()  # the beginning of a line whose end has not come yet
        self._expect = self._size
        self._broken = ""
        self._trailers = bytearray()

    @override
    def take(self, data: bytes, position: int) -> int:
        length = len(data)
        while position < length and not self.done:
            if self._broken:
                return length
            if self._left:
                step = min(self._left, length - position)
                self._left -= step
                position += step
                continue
            newline = data.find(b"\n", position, position + _MAX_CHUNK_LINE)
            end = newline + 1 if newline >= 0 else min(length, position + _MAX_CHUNK_LINE)
            self._line += data[position:end]
            position = end
            if len(self._line) > _MAX_CHUNK_LINE or (
                newline < 0 and len(self._line) == _MAX_CHUNK_LINE
            ):
                self._break(f"a line of the chunk framing is longer than {_MAX_CHUNK_LINE:,} bytes")
            elif newline >= 0:
                line = bytes(self._line[:-1]).removesuffix(b"\r")
                self._line = bytearray()
                self._expect(line)
        return position

    @override
    def cut(self) -> str:
        if self._broken:
            return f"the chunk framing is broken: {self._broken}"
        return "the connection ended before the last chunk"

    def trailers(self) -> _Fields:
        """Fields after the last chunk, the one included that the connection ended in."""
        has_begun = self._expect == self._trailer and not self._broken
        there = self._trailers + (self._line if has_begun else b"")
        return _fields(b"\n" + there, 0)[0] if there else ()

    def _size(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line.partition(b";")[0])
        if match is None or (size := int(match[1], 16)) > _MAX_LENGTH:
            self._break(f"the line {line[:40]!r} is not the length of a chunk")
            return
        self._left = size
        self._expect = self._end_of_chunk if size else self._trailer

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            self._break("a chunk has more bytes than its stated length")
        self._expect = self._size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
        elif len(self._trailers) + len(line) < MAX_HEAD:
            self._trailers += line + b"\n"
        else:
            self.note = f"trailers beyond {MAX_HEAD:,} bytes are recorded only in the body"

    def _break(self, why: str) -> None:
        self._broken = why
        self._line = bytearray()
        self._trailers = bytearray()


# Heads


def _start_of_request(data: bytes | bytearray) -> int | None:
    """Empty lines may come first (RFC 9112, 2.2)."""
    start = len(data) - len(data.lstrip(b"\r\n"))
    return start if start < len(data) else None


def _start_of_answer(data: bytes | bytearray) -> int | None:
    found = bytes(data[: _SLOP + _LONGEST_NAME]).upper().find(b"HTTP")
    return found if found >= 0 else None


def _status_line(head: bytes) -> tuple[int, tuple[int, int], str]:
    """Return status, version and what is odd; never fails, as in `HttpResponseHeaders`."""
    line = _LINES.split(head, 1)[0]
    match = _VERSION.match(line)
    version = (int(match[1]), int(match[2])) if match else (1, 0)
    if (status := _STATUS.match(line)) is None:
        return (
            200,
            version,
            ("the answer has no status; snapshotter reads the status as 200, as the browser does"),
        )
    return int(status[1]), version, "" if match else "the answer states no version of HTTP"


def _fields(head: bytes, start: int) -> tuple[_Fields, list[str]]:
    """Return the fields after the first line, folded lines joined, and what is odd about them."""
    found: list[tuple[bytes, list[bytes]]] = []
    odd = 0
    notes: list[str] = []
    may_continue = False
    for line in _LINES.split(head[start:])[1:]:
        if not line:
            continue
        if line[0] in b" \t" and may_continue:
            found[-1][1].append(line.strip(b" \t"))  # obs-fold (RFC 9112, 5.2)
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        may_continue = False
        if not colon or not _TOKEN.fullmatch(name):
            odd += 1
        elif len(found) >= MAX_FIELDS:
            notes = [
                f"the head has more than {MAX_FIELDS:,} fields; the other fields are recorded "
                "only in the raw head"
            ]
            break
        else:
            found.append((name, [value.strip(b" \t")]))
            may_continue = True
    if odd:
        notes.append(f"lines of the head that are not fields: {odd}")
    if b"\0" in head:
        notes.append("the head contains a NUL byte")
    return tuple((name, b" ".join(parts).strip(b" \t")) for name, parts in found), notes


def _first(fields: _Fields, name: bytes) -> bytes:
    return next((value for key, value in fields if key.lower() == name), b"")


def _values(fields: _Fields, name: bytes) -> list[bytes]:
    """Every member of a list-valued field, lowercase."""
    joined = [value for key, value in fields if key.lower() == name]
    return [member.strip(b" \t").lower() for value in joined for member in value.split(b",")]


# The length of a body (RFC 9112, 6.3)


def _body_of_request(fields: _Fields, notes: list[str]) -> _Body | None:
    codings = _values(fields, b"transfer-encoding")
    if codings:
        if codings[-1] == b"chunked":
            return _chunked(fields, notes)
        notes.append("the length of the request's body is not known (Transfer-Encoding)")
        return _ToTheEnd()
    lengths = _values(fields, b"content-length")
    return _of_length(lengths, notes) if lengths else None


def _body_of_answer(
    method: bytes, status: int, version: tuple[int, int], fields: _Fields, notes: list[str]
) -> _Body | None:
    if method == b"HEAD" or status in (204, 304):
        return None
    codings = _values(fields, b"transfer-encoding")
    if b"chunked" in codings and version >= (1, 1):
        return _chunked(fields, notes)
    if codings:
        notes.append("a Transfer-Encoding other than chunked was ignored")
    if lengths := _values(fields, b"content-length"):
        return _of_length(lengths, notes)
    return None if status == 205 else _ToTheEnd()


def _chunked(fields: _Fields, notes: list[str]) -> _Body:
    if _values(fields, b"content-length"):
        notes.append(
            "the head has both Transfer-Encoding and Content-Length; the body was read as chunked"
        )
    return _Chunked()


def _of_length(lengths: list[bytes], notes: list[str]) -> _Body | None:
    announced = lengths[0]
    if any(other != announced for other in lengths):
        notes.append(
            "the values of Content-Length differ; all bytes up to the end of the "
            "connection were kept as the body"
        )
        return _ToTheEnd()
    # 19 digits hold every length up to 2^63: longer ones are not even converted.
    digits = announced.lstrip(b"0")
    if not announced.isdigit() or len(digits) > 19 or (length := int(digits or b"0")) > _MAX_LENGTH:
        notes.append(
            "the Content-Length is invalid; all bytes up to the end of the connection were kept "
            "as the body"
        )
        return _ToTheEnd()
    return _Length(length) if length else None
