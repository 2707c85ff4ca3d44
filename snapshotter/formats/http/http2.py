"""
Split a recorded HTTP/2 connection into requests and responses (RFC 9113 and 7541).

This module reads frames itself instead of using hyperframe, which needs a whole frame at once and
copies it. A DATA frame is never kept in memory, whatever its length. Padding is removed. Frames
that carry no part of an exchange (PING, WINDOW_UPDATE, PRIORITY, PRIORITY_UPDATE, ALTSVC, unknown
types) are ignored, as the specification requires.

A reader of the events can rely on these rules, in addition to those of `formats/http/http1.py`:

- Each direction of a stream ends once. RST_STREAM ends the direction of its sender. What the other
  side had already sent is still `Data`, and that direction ends with END_STREAM, with its own
  RST_STREAM, or as RESET when the connection ends.
- After `ProtocolSwitch` (extended CONNECT, RFC 8441) both directions continue until END_STREAM.
- A pushed stream is reported by `ReadTrouble` with the promised request. Its response is recorded
  as that of a stream without a request.
- Data for a stream that has ended is reported by `ReadTrouble` with its length.
- If a header block cannot be decoded, the compression state is lost, and nothing that follows in
  that direction can be read. This is reported by `ReadTrouble` with stream None; a second one at
  the end says how many bytes were not read.
"""

import enum
from collections import Counter
from dataclasses import field

from hpack import Decoder, HPACKError

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

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_HEAD = 1 << 18  # bytes of one header block, and of the list that it decodes to
MAX_FRAGMENTS = 1_000  # HEADERS and CONTINUATION frames of one header block
MAX_OPEN = 10_000  # streams at once
MAX_TABLE = 1 << 24  # bytes of HPACK's table; who announces more gets this much
_HEADER = 9  # bytes
_KEPT = 1 << 14  # bytes of a SETTINGS, GOAWAY or RST_STREAM frame that are looked at
_SHOWN = 100  # bytes of GOAWAY's debug data, or of a name
_NOTES = 3  # of one direction of a stream
_REQUEST_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})
_ANSWER_PSEUDO = frozenset({b":status"})

_SETTINGS_HEADER_TABLE_SIZE = 1
_END_STREAM = 0x1
_ACK = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_PRIORITY = 0x20

_ERRORS = (
    *("NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT"),
    *("STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR"),
    *("CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"),
)  # RFC 9113, 7: by number


class _Type(enum.IntEnum):
    """The frames that are looked into (RFC 9113, 6)."""

    DATA = 0
    HEADERS = 1
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    GOAWAY = 7
    CONTINUATION = 9


_OF_A_BLOCK = (_Type.HEADERS, _Type.PUSH_PROMISE, _Type.CONTINUATION)
_HELD = (*_OF_A_BLOCK, _Type.RST_STREAM, _Type.SETTINGS, _Type.GOAWAY)


class Http2Connection:
    """Both directions of one connection; feed the pieces in the order in which they were sent."""

    def __init__(self) -> None:
        self._client = _Side(Direction.CLIENT, preface_left=len(PREFACE))
        self._server = _Side(Direction.SERVER)
        self._streams: dict[int, _Stream] = {}
        self._last_request = 0  # the highest stream that the client opened
        self._unasked: set[int] = set()  # streams that an answer showed before any request

    def feed(self, direction: Direction, data: bytes) -> list[Event]:
        """Return what these bytes complete. Any bytes are fine."""
        events: list[Event] = []
        side = self._client if direction is Direction.CLIENT else self._server
        position, length = 0, len(data)
        while position < length:
            if side.closed or side.lost:
                if not side.lost:
                    self._lose(side, "bytes came after the end of the connection", events)
                side.unread += length - position
                break
            if side.preface_left:
                position = self._read_preface(side, data, position, events)
            elif side.left:
                position = self._read_payload(side, data, position, events)
            else:
                position = self._read_header(side, data, position, events)
        return events

    def close(self, direction: Direction) -> list[Event]:
        """Return what the end of this direction means. A second call returns nothing."""
        events: list[Event] = []
        side = self._client if direction is Direction.CLIENT else self._server
        if side.closed:
            return events
        side.closed = True
        if side.lost:
            if side.unread:
                why = f"{side.unread:,} bytes were not read"
                events.append(ReadTrouble(direction=direction, detail=why))
        elif side.block is not None or (side.left and side.type in _OF_A_BLOCK):
            why = "the connection ended inside a header block"
            events.append(ReadTrouble(direction=direction, detail=why))
        elif side.preface_left and side.preface_left < len(PREFACE):
            why = "the connection ended inside the preface"
            events.append(ReadTrouble(direction=direction, detail=why))
        for closed in (self._client, self._server):  # a stream may have opened since one was
            if closed.closed:
                self._end_all(closed, events)
        return events

    # Frames (RFC 9113, 4)

    def _read_preface(self, side: "_Side", data: bytes, position: int, events: list[Event]) -> int:
        start = len(PREFACE) - side.preface_left
        piece = data[position : position + side.preface_left]
        if PREFACE[start : start + len(piece)] != piece:
            side.unread += start
            self._lose(side, "the client's preface is not the preface of HTTP/2", events)
            return position
        side.preface_left -= len(piece)
        return position + len(piece)

    def _read_header(self, side: "_Side", data: bytes, position: int, events: list[Event]) -> int:
        end = min(len(data), position + _HEADER - len(side.header))
        side.header += data[position:end]
        if len(side.header) < _HEADER:
            return end
        header, side.header = side.header, b""
        side.left = side.length = int.from_bytes(header[:3], "big")
        side.type, side.flags = header[3], header[4]
        side.number = int.from_bytes(header[5:], "big") & 0x7FFF_FFFF
        side.payload.clear()
        side.padding = None if side.type == _Type.DATA and side.flags & _PADDED else 0
        self._begin_frame(side, events)
        if not side.left and not side.lost:
            self._end_frame(side, events)
        return end

    def _begin_frame(self, side: "_Side", events: list[Event]) -> None:
        """Look at a frame before its payload: may it come here?"""
        side.stream = None
        if side.block is not None and (
            side.type != _Type.CONTINUATION or side.number != side.block.number
        ):
            self._lose(side, "a header block is interrupted by another frame", events)
        elif side.type == _Type.CONTINUATION and side.block is None:
            self._lose(
                side,
                "a CONTINUATION frame came without a header block that it could continue",
                events,
            )
        elif side.type in _OF_A_BLOCK and side.length > MAX_HEAD:
            self._lose(side, f"a header block is longer than {MAX_HEAD:,} bytes", events)
        elif side.type == _Type.DATA:
            stream = self._streams.get(side.number)
            if stream is None or stream.halves[side.direction].ended:
                if side.length:
                    what = (
                        "a stream that had ended"
                        if self._is_past(side)
                        else "a stream that does not exist"
                    )
                    why = f"{side.length:,} bytes of content came for {what}"
                    events.append(
                        ReadTrouble(direction=side.direction, stream=side.number, detail=why)
                    )
                return
            side.stream = stream
            half = stream.halves[side.direction]
            if side.length and not half.head and not half.notes:
                half.notes.append("content came before the head")

    def _read_payload(self, side: "_Side", data: bytes, position: int, events: list[Event]) -> int:
        end = min(len(data), position + side.left)
        side.left -= end - position
        if side.type == _Type.DATA:
            self._content(side, data, position, end, events)
        elif side.type in _HELD:
            # Of a header block every byte counts (its length was checked); of the others the first.
            room = MAX_HEAD if side.type in _OF_A_BLOCK else _KEPT
            side.payload += data[position : min(end, position + room - len(side.payload))]
        if not side.left:
            self._end_frame(side, events)
        return end

    def _content(
        self, side: "_Side", data: bytes, position: int, end: int, events: list[Event]
    ) -> None:
        """Pass on what of `data[position:end]` is not padding."""
        if side.padding is None:
            side.padding = data[position]
            position += 1
            if side.padding > side.left + end - position:
                if side.stream is not None:
                    side.stream.halves[side.direction].notes.append(
                        "the padding of a frame is longer than the frame"
                    )
                side.padding = side.left + end - position
        end = min(end, end + side.left - side.padding)
        if side.stream is not None and end > position:
            piece = data[position:end]
            events.append(Data(stream=side.number, direction=side.direction, data=piece))

    def _end_frame(self, side: "_Side", events: list[Event]) -> None:
        if side.type == _Type.DATA:
            if side.flags & _END_STREAM and side.stream is not None:
                self._end_of_stream(side.number, side.stream, side.direction, events)
        elif side.type in _OF_A_BLOCK:
            self._fragment(side, events)
        elif side.type == _Type.SETTINGS:
            self._settings(side)
        elif side.type == _Type.RST_STREAM:
            self._rst_stream(side, events)
        elif side.type == _Type.GOAWAY:
            self._goaway(side, events)

    # Header blocks (RFC 9113, 4.3)

    def _fragment(self, side: "_Side", events: list[Event]) -> None:
        payload = memoryview(bytes(side.payload))
        side.payload.clear()
        if side.type != _Type.CONTINUATION:
            promised = 0
            if side.flags & _PADDED:
                padding = payload[0] if payload else 0
                if padding >= len(payload):
                    self._lose(
                        side,
                        "the padding of a header block is longer than the header block",
                        events,
                    )
                    return
                payload = payload[1 : len(payload) - padding]
            if side.type == _Type.HEADERS and side.flags & _PRIORITY:
                payload = payload[5:]
            if side.type == _Type.PUSH_PROMISE:
                promised = int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF
                payload = payload[4:]
            ends = side.type == _Type.HEADERS and bool(side.flags & _END_STREAM)
            side.block = _Block(number=side.number, ends_stream=ends, promised=promised)
        block = side.block
        if block is None:  # a CONTINUATION of nothing was refused at its header
            return
        block.data += payload
        block.fragments += 1
        if len(block.data) > MAX_HEAD or block.fragments > MAX_FRAGMENTS:
            self._lose(side, f"a header block is longer than {MAX_HEAD:,} bytes", events)
        elif side.flags & _END_HEADERS:
            side.block = None
            self._header_block(side, block, events)

    def _header_block(self, side: "_Side", block: "_Block", events: list[Event]) -> None:
        try:
            decoded = side.decoder.decode(bytes(block.data), raw=True)
            fields = tuple((bytes(name), bytes(value)) for name, value in decoded)
        except HPACKError as error:
            self._lose(side, f"a header block could not be decoded: {error!s:.200}", events)
            return
        if block.promised:
            self._push(side, block, fields, events)
        elif side.direction is Direction.CLIENT:
            self._client_head(block, fields, events)
        else:
            self._server_head(block, fields, events)

    def _client_head(self, block: "_Block", fields: "_Fields", events: list[Event]) -> None:
        number = block.number
        if number <= self._last_request or not number % 2:
            stream = self._streams.get(number)
            if stream is None or stream.halves[Direction.CLIENT].ended:
                why = (
                    "a header block came for a stream that had ended, or that a client cannot open"
                )
                events.append(ReadTrouble(direction=Direction.CLIENT, stream=number, detail=why))
                return
            self._trailers(number, stream, Direction.CLIENT, block, fields, events)
            return
        self._last_request = number
        if (opened := self._streams.get(number)) is None:
            if (opened := self._open(number, Direction.CLIENT, events)) is None:
                return
            # An answer may have come and gone before: it has had its End.
            opened.halves[Direction.SERVER].ended = number in self._unasked
        opened.halves[Direction.CLIENT].ended = False
        opened.method = _pseudo(fields, b":method")
        opened.protocol = _pseudo(fields, b":protocol").lower()
        half = opened.halves[Direction.CLIENT]
        half.head = True
        if not opened.method:
            half.notes.append("the request has no :method")
        half.notes += _left_out(fields, _REQUEST_PSEUDO)
        events.append(_request(number, Direction.CLIENT, fields))
        if block.ends_stream:
            self._end_of_stream(number, opened, Direction.CLIENT, events)

    def _server_head(self, block: "_Block", fields: "_Fields", events: list[Event]) -> None:
        number = block.number
        stream = self._streams.get(number)
        if stream is None or stream.halves[Direction.SERVER].ended:
            if stream is not None or not number or self._is_past(self._server):
                why = "a header block came for a stream that had ended"
                events.append(ReadTrouble(direction=Direction.SERVER, stream=number, detail=why))
                return
            stream = self._without_request(number, events)
            if stream is None:
                return
        half = stream.halves[Direction.SERVER]
        if half.head:
            self._trailers(number, stream, Direction.SERVER, block, fields, events)
            return
        digits = _pseudo(fields, b":status")
        status = int(digits) if digits.isdigit() and len(digits) == 3 else 0
        if not status:
            half.notes.append("the answer has no :status")
        if len(half.notes) < _NOTES:  # of informational answers there may be many
            half.notes += _left_out(fields, _ANSWER_PSEUDO)
        events.append(
            MessageHead(
                stream=number,
                direction=Direction.SERVER,
                status=status,
                headers=_regular(fields),
            )
        )
        half.head = status // 100 != 1
        if half.head and stream.method == b"CONNECT" and status // 100 == 2:
            events.append(ProtocolSwitch(stream=number, protocol=stream.protocol))
        if block.ends_stream:
            self._end_of_stream(number, stream, Direction.SERVER, events)

    def _trailers(
        self,
        number: int,
        stream: "_Stream",
        direction: Direction,
        block: "_Block",
        fields: "_Fields",
        events: list[Event],
    ) -> None:
        events.append(
            MessageHead(stream=number, direction=direction, headers=_regular(fields), trailers=True)
        )
        if len(stream.halves[direction].notes) < _NOTES:
            stream.halves[direction].notes += _left_out(fields, frozenset())
        if block.ends_stream:
            self._end_of_stream(number, stream, direction, events)
        elif len(stream.halves[direction].notes) < 3:
            stream.halves[direction].notes.append("trailers came before the end of the stream")

    def _push(self, side: "_Side", block: "_Block", fields: "_Fields", events: list[Event]) -> None:
        request = _request(block.promised, side.direction, fields)
        url = (request.scheme + b"://" + request.authority + request.target)[:2000]
        why = (
            f"the server pushed {request.method[:20]!r} {url!r}, promised on stream {block.number}"
        )
        events.append(ReadTrouble(direction=side.direction, stream=block.promised, detail=why))

    # Streams (RFC 9113, 5.1)

    def _open(self, number: int, direction: Direction, events: list[Event]) -> "_Stream | None":
        if len(self._streams) >= MAX_OPEN:
            why = f"more than {MAX_OPEN:,} streams were open; this stream was not read"
            events.append(ReadTrouble(direction=direction, stream=number, detail=why))
            return None
        stream = self._streams[number] = _Stream()
        return stream

    def _without_request(self, number: int, events: list[Event]) -> "_Stream | None":
        if len(self._unasked) >= MAX_OPEN:
            self._lose(
                self._server, f"more than {MAX_OPEN:,} answers came without a request", events
            )
            return None
        self._unasked.add(number)
        stream = self._open(number, Direction.SERVER, events)
        if stream is not None:
            stream.halves[Direction.CLIENT].ended = True
            stream.halves[Direction.SERVER].notes.append("no request came before this answer")
        return stream

    def _is_past(self, side: "_Side") -> bool:
        """Whether the stream of the current frame was open once."""
        if side.number in self._unasked:
            return True
        return side.number % 2 == 1 and side.number <= self._last_request

    def _end_of_stream(
        self, number: int, stream: "_Stream", direction: Direction, events: list[Event]
    ) -> None:
        nothing = direction is Direction.SERVER and not stream.halves[direction].head
        why = "the stream ended without an answer (END_STREAM)" if nothing else stream.reset
        self._end(number, stream, direction, EndReason.COMPLETE, why, events)

    def _end(
        self,
        number: int,
        stream: "_Stream",
        direction: Direction,
        how: EndReason,
        note: str,
        events: list[Event],
    ) -> None:
        half = stream.halves[direction]
        half.ended = True
        detail = "; ".join([*half.notes, note] if note else half.notes)
        events.append(DirectionEnd(stream=number, direction=direction, how=how, detail=detail))
        if all(other.ended for other in stream.halves.values()):
            del self._streams[number]

    def _end_all(self, side: "_Side", events: list[Event]) -> None:
        """End every stream, as its direction of the connection has ended."""
        for number, stream in list(self._streams.items()):
            half = stream.halves[side.direction]
            if half.ended:
                continue
            if stream.reset:
                self._end(number, stream, side.direction, EndReason.RESET, stream.reset, events)
                continue
            if side.lost:
                why = "the data that followed could not be read"
            elif side is self._server and not half.head:
                why = "the connection ended without an answer"
            else:
                why = "the connection ended before the end of the message"
            why += f" ({side.goaway})" if side.goaway else ""
            self._end(number, stream, side.direction, EndReason.CUT, why, events)

    def _lose(self, side: "_Side", why: str, events: list[Event]) -> None:
        side.lost = True
        side.unread += len(side.payload) + (len(side.block.data) if side.block else 0)
        side.left = 0
        side.block = None
        side.payload.clear()
        events.append(ReadTrouble(direction=side.direction, detail=why))

    # Frames about the connection

    def _rst_stream(self, side: "_Side", events: list[Event]) -> None:
        stream = self._streams.get(side.number)
        if stream is None:
            return
        who = "client" if side is self._client else "server"
        why = f"the {who} reset the stream ({_error(side.payload[:4])})"
        stream.reset = stream.reset or why
        if not stream.halves[side.direction].ended:
            self._end(side.number, stream, side.direction, EndReason.RESET, why, events)

    def _settings(self, side: "_Side") -> None:
        if side.flags & _ACK or side.number:
            return
        other = self._server if side is self._client else self._client
        for at in range(0, len(side.payload) - 5, 6):
            if int.from_bytes(side.payload[at : at + 2], "big") == _SETTINGS_HEADER_TABLE_SIZE:
                size = int.from_bytes(side.payload[at + 2 : at + 6], "big")
                # When the other side took it over is not seen here: any size that was ever
                # allowed is. Its encoder says itself, in a block, which one it uses.
                allowed = max(other.decoder.max_allowed_table_size, min(size, MAX_TABLE))
                other.decoder.max_allowed_table_size = allowed

    def _goaway(self, side: "_Side", events: list[Event]) -> None:
        last = int.from_bytes(side.payload[:4], "big") & 0x7FFF_FFFF
        shown = bytes(side.payload[8 : 8 + _SHOWN])
        side.goaway = f"GOAWAY: {_error(side.payload[4:8])}" + (f", {shown!r}" if shown else "")
        if side is not self._server:
            return
        for number, stream in list(self._streams.items()):
            half = stream.halves[Direction.SERVER]
            if number % 2 and number > last and not half.ended and not half.head:
                why = f"the server did not process the request ({side.goaway})"
                stream.reset = stream.reset or why
                self._end(number, stream, Direction.SERVER, EndReason.RESET, why, events)


_Fields = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class _Half:
    """One direction of a stream."""

    head: bool = False  # the final one has come
    ended: bool = False
    notes: list[str] = field(default_factory=list)  # for its End


@dataclass(slots=True)
class _Stream:
    method: bytes = b""
    protocol: bytes = b""  # of an extended CONNECT
    reset: str = ""  # by whom, and why
    halves: dict[Direction, _Half] = field(
        default_factory=lambda: {direction: _Half() for direction in Direction}
    )


@dataclass(slots=True)
class _Block:
    """A header block whose last fragment has not come yet."""

    number: int
    ends_stream: bool
    promised: int  # the stream of a PUSH_PROMISE, or 0
    data: bytearray = field(default_factory=bytearray)
    fragments: int = 0


@dataclass(slots=True)
class _Side:
    """One direction of the connection, and the frame it is in while `left` is not 0."""

    direction: Direction
    preface_left: int = 0  # bytes
    header: bytes = b""  # the beginning of a frame's header
    type: int = 0
    flags: int = 0
    number: int = 0  # of the stream
    length: int = 0  # of the payload
    left: int = 0  # bytes of the payload that are still to come
    padding: int | None = 0  # bytes at the end of a DATA frame; None: its length comes first
    stream: "_Stream | None" = None  # whose content the current DATA frame is
    payload: bytearray = field(default_factory=bytearray)  # of a frame that is held
    block: _Block | None = None
    decoder: Decoder = field(default_factory=lambda: Decoder(max_header_list_size=MAX_HEAD))
    goaway: str = ""
    lost: bool = False
    closed: bool = False
    unread: int = 0  # bytes since it was lost


def _error(code: bytes | bytearray) -> str:
    number = int.from_bytes(code, "big")
    return _ERRORS[number] if number < len(_ERRORS) else f"error {number}"


def _pseudo(fields: _Fields, name: bytes) -> bytes:
    return next((value for key, value in fields if key == name), b"")


def _left_out(fields: _Fields, known: frozenset[bytes]) -> list[str]:
    """
    Say which pseudo-header fields a head in text has no place for (RFC 9113, 8.3).

    A browser resets the stream for one that is unknown, stands twice or is a trailer.
    """
    pseudo = [name for name, _ in fields if name.startswith(b":")]
    if len(set(pseudo)) == len(pseudo) and known.issuperset(pseudo):
        return []
    left = list((Counter(pseudo) - Counter(known)).elements())
    names = b", ".join(name[:_SHOWN] for name in left[:3])
    return [f"pseudo-header fields that the recorded head cannot contain: {len(left)} ({names!r})"]


def _regular(fields: _Fields) -> _Fields:
    return tuple(pair for pair in fields if not pair[0].startswith(b":"))


def _request(number: int, direction: Direction, fields: _Fields) -> MessageHead:
    host = next((value for name, value in fields if name == b"host"), b"")
    return MessageHead(
        stream=number,
        direction=direction,
        method=_pseudo(fields, b":method"),
        target=_pseudo(fields, b":path"),
        authority=_pseudo(fields, b":authority") or host,
        scheme=_pseudo(fields, b":scheme"),
        headers=_regular(fields),
    )
