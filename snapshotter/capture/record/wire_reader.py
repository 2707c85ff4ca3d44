"""
Read the requests and responses that one connection carried, from the bytes that the guard kept.

The egress guard keeps each connection as it was, encrypted; Chromium writes the keys of its TLS
sessions to a file. The bytes are decrypted chunk by chunk with these keys, and split into exchanges
by the splitter for the HTTP version. Only the framing is interpreted: bodies stay as they were
sent.

`ReadConnection.unreadable` names what cannot be read; nothing is guessed. The same holds for what a
server sends without end (`read_budget.py`).
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import field
from datetime import UTC, datetime

from snapshotter.capture.record import http_heads
from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.record.read_budget import ReadBudget
from snapshotter.capture.record.scratch import BodyStore, StoredBody
from snapshotter.capture.record.websocket_frames import WebSocketFrameWriter
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.egress import tee
from snapshotter.formats.http import events as http
from snapshotter.formats.http.events import Direction, EndReason
from snapshotter.formats.http.http1 import Http1Connection
from snapshotter.formats.http.http2 import Http2Connection
from snapshotter.formats.tls import connection as tls
from snapshotter.formats.tls.handshake import Handshake
from snapshotter.formats.tls.key_log import KeyLog
from snapshotter.model.network import Connection
from snapshotter.value_class import dataclass

_FIRST_BYTES = 6  # of the client, which tell TLS from HTTP
_MAX_WAITING = 1 << 16  # bytes after which the first bytes of the client do not matter
TRAILERS = 1 << 19  # bytes at the end of a chunked body that hold its trailers
_UNSHOWN = re.compile(r"[\x00-\x20\x7f]")  # what no browser sends in an address
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TROUBLES = 20  # different ones that are kept of one connection, or of one exchange
_INTERIM = 50  # informational answers that are kept of one exchange; and of trailers as many
_PIECE = 1 << 14  # bytes that are split between two looks at what it costs


@dataclass(slots=True, kw_only=True)
class WireExchange:
    """One request and its response, as the connection carried them."""

    connection: Connection
    stream: int
    url: str  # no user information, no fragment; http: or https:, of a WebSocket too
    method: str
    at: datetime  # its head had passed the guard
    request: RecordedHead
    sent: StoredBody
    received: StoredBody
    protocol: str  # "http/1.0", "http/1.1" or "h2"
    handshake: Handshake | None  # None: there was no TLS
    interim: list[RecordedHead] = field(default_factory=list)  # informational answers (1xx)
    response: RecordedHead | None = None
    response_at: datetime | None = None
    ended_at: datetime | None = None
    request_end: EndReason | None = None
    response_end: EndReason | None = None
    server_closed: bool = False  # it was the server who ended the connection
    trailers: list[tuple[Direction, RecordedHead]] = field(default_factory=list)
    is_websocket: bool = False  # it requested one, or got it
    frames: StoredBody | None = None  # JSON lines, one a WebSocket frame
    troubles: list[str] = field(default_factory=list)  # why a part of it could not be read
    notes: list[str] = field(default_factory=list)  # what was odd about it

    @property
    def request_is_whole(self) -> bool:
        """Whether the request was sent to its end; a WebSocket's is followed by frames."""
        return self.request_end is EndReason.COMPLETE or self.frames is not None

    @property
    def is_whole(self) -> bool:
        """Whether the response came to its end, as the server sent it."""
        if self.response is None or self.troubles:
            return False
        if self.frames is not None:
            return True  # the answer is a head alone; what follows it are frames
        # Without a length the answer ends where the server closes; whoever else closes cuts it.
        return self.response_end is EndReason.COMPLETE or (
            self.response_end is EndReason.CLOSED and self.server_closed
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConnection:
    """A connection that was read."""

    connection: Connection
    exchanges: tuple[WireExchange, ...]
    is_tls: bool  # the client began TLS
    handshake: Handshake | None
    unreadable: tuple[str, ...]  # why parts of it could not be read
    notes: tuple[str, ...]  # what was odd, and costs the record nothing


def read(
    connection: Connection,
    chunks: Iterable[tee.Chunk],
    *,
    keys: KeyLog,
    scratch: BodyStore,
    redactor: Redactor,
    budget: ReadBudget | None = None,
) -> ReadConnection:
    """
    Read one connection to its end, from the file that the guard kept of it.

    Args:
        budget: For all connections of the capture.
    """
    reader = _ConnectionReader(connection, keys, scratch, redactor, budget or ReadBudget())
    try:
        for chunk in chunks:
            reader.take(chunk)
    except ValueError as error:  # a damaged file; what came before counts
        reader.note_unreadable(str(error))
    return reader.finish()


class _ConnectionReader:
    """The state of one connection while it is read."""

    def __init__(
        self,
        connection: Connection,
        keys: KeyLog,
        scratch: BodyStore,
        redactor: Redactor,
        budget: ReadBudget,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._scratch = scratch
        self._redactor = redactor
        self._budget = budget
        self._stopped = ""  # why nothing more is read
        self._unread = 0  # bytes since then
        self._is_over = False  # the ends of what was begun are still taken note of
        self._left_out: Counter[tuple[int, str]] = Counter()  # by stream and kind
        budget.next_connection()
        self._waiting: list[tee.Chunk] = []  # until it is known what is spoken
        self._waiting_bytes = 0
        self._is_known = False
        self._tls: tls.TlsConnection | None = None
        self._http: Http1Connection | Http2Connection | None = None
        self._protocol = ""
        self._exchanges: dict[int, WireExchange] = {}
        self._frames: dict[int, WebSocketFrameWriter] = {}  # by stream
        self._notes: list[str] = []
        self._unreadable: dict[str, None] = {}  # a set that keeps its order
        self._at = _EPOCH

    def take(self, chunk: tee.Chunk) -> None:
        if self._is_known:
            self._read(chunk)
            return
        self._waiting.append(chunk)
        self._waiting_bytes += len(chunk.data)
        first = b"".join(c.data for c in self._waiting if c.direction is Direction.CLIENT)
        if len(first) >= _FIRST_BYTES or self._waiting_bytes > _MAX_WAITING:
            self._know(first)

    def finish(self) -> ReadConnection:
        if not self._is_known and self._waiting:
            self._know(b"".join(c.data for c in self._waiting if c.direction is Direction.CLIENT))
        self._is_over = True
        if self._http is not None:
            for direction in (Direction.CLIENT, Direction.SERVER):
                self._note(self._http.close(direction))
        if self._tls is not None:
            self._close_tls(self._tls)
        if self._stopped:
            self.note_unreadable(f"{self._stopped}: at least {self._unread:,} bytes were not read")
        for (stream, what), count in self._left_out.items():
            self._exchanges[stream].notes.append(f"{what} that were not recorded: {count:,}")
        for exchange in self._exchanges.values():
            exchange.server_closed = self._server_closed
            if self._may_be_cut(exchange):
                exchange.notes.append(
                    "server: only the end of the connection marks the end of this body, and the "
                    "server ended the connection without close_notify; it is not established "
                    "whether the body is complete"
                )
            if self._unreadable and exchange.response_end is not EndReason.COMPLETE:
                exchange.troubles += self._unreadable
        for stream, frames in self._frames.items():
            frames.close(self._at)
            if frames.left_out:
                self._exchanges[stream].notes.append(
                    "messages whose decompressed content was not recorded, because the limit was "
                    f"reached: {frames.left_out:,}"
                )
        return ReadConnection(
            connection=self._connection,
            exchanges=tuple(self._exchanges.values()),
            is_tls=self._tls is not None,
            handshake=self._tls.handshake if self._tls is not None else None,
            unreadable=tuple(self._unreadable),
            notes=tuple(self._notes),
        )

    @property
    def _server_closed(self) -> bool:
        """Return whether the server ended the connection; TLS announces it (close_notify)."""
        said_so = self._tls is not None and self._tls.closed_cleanly(Direction.SERVER)
        return said_so or self._connection.ended_by == "server"

    def _may_be_cut(self, exchange: WireExchange) -> bool:
        """Return whether somebody on the way could have cut a response (RFC 8446, 6.1)."""
        return (
            self._tls is not None
            and exchange.response_end is EndReason.CLOSED
            and exchange.frames is None
            and self._connection.ended_by == "server"
            and not self._tls.closed_cleanly(Direction.SERVER)
        )

    def _close_tls(self, connection: tls.TlsConnection) -> None:
        """
        Note what could not be decrypted.

        A record that is cut off at the end is no problem, because its exchange states it. Neither
        is what a server still sends to a client that has requested nothing, such as one that does
        not accept the certificate.
        """
        self._notes += [f"{who.value}: alert {what}" for who, what in connection.alerts]
        self._notes += connection.notes
        if not connection.problem:
            return
        if self._exchanges or connection.problem_of(Direction.CLIENT):
            self.note_unreadable(connection.problem)
        else:
            self._notes.append(connection.problem)

    def _know(self, first: bytes) -> None:
        self._is_known = True
        if tls.looks_like_tls(first):
            self._tls = tls.TlsConnection(self._keys)
        waiting, self._waiting = self._waiting, []
        for chunk in waiting:
            self._read(chunk)

    def _read(self, chunk: tee.Chunk) -> None:
        self._at = chunk.at
        for start in range(0, len(chunk.data), _PIECE):
            piece = chunk.data[start : start + _PIECE]
            self._stopped = self._stopped or self._budget.exceeded
            if self._stopped:
                self._unread += len(piece)
            elif self._tls is None:
                self._split(chunk.direction, piece)
            else:
                for direction, data in self._tls.feed(chunk.direction, piece):
                    self._split(direction, data)

    def _split(self, direction: Direction, data: bytes) -> None:
        if self._http is None:
            is_h2 = self._tls is not None and self._tls.alpn == "h2"
            self._http = Http2Connection() if is_h2 else Http1Connection()
            self._protocol = "h2" if is_h2 else "http/1.1"
        self._note(self._http.feed(direction, data))

    def _note(self, events: Iterable[http.Event]) -> None:
        for event in events:
            if self._stopped and not self._is_over:
                return
            if self._stopped and not _ends(event):
                continue  # made of the beginning of something that was not read
            if isinstance(event, http.ReadTrouble):
                self._trouble(event)
            elif isinstance(event, http.MessageHead) and event.direction is Direction.CLIENT:
                self._request(event)
            elif (exchange := self._exchanges.get(event.stream)) is None:
                self.note_unreadable("an answer came without a request")
            elif isinstance(event, http.MessageHead):
                self._answer(exchange, event)
            elif isinstance(event, http.Data):
                self._data(exchange, event)
            elif isinstance(event, http.DirectionEnd):
                self._end(exchange, event)
            elif event.protocol == b"websocket":
                self._switch(exchange)

    def _request(self, event: http.MessageHead) -> None:
        known = self._exchanges.get(event.stream)
        if known is not None:
            self._trailers(known.sent, known, event)
            return
        if (head := self._head(event)) is None:
            return
        self._exchanges[event.stream] = WireExchange(
            connection=self._connection,
            stream=event.stream,
            url=self._url(event),
            method=http_heads.decode_octets(event.method),
            at=self._at,
            request=head,
            sent=self._scratch.body(),
            received=self._scratch.body(),
            protocol=self._protocol,
            handshake=self._tls.handshake if self._tls is not None else None,
            is_websocket=head.header("upgrade").lower() == "websocket",
        )

    def _head(self, event: http.MessageHead) -> RecordedHead | None:
        """Return a head as it is kept; None if it costs too much, and reading stops."""
        if self._budget.spend(event) or self._is_over:
            self._stopped = self._stopped or self._budget.exceeded
            return http_heads.record_head(event, self._redactor)
        self._stopped = self._budget.exceeded
        return None

    def _url(self, event: http.MessageHead) -> str:
        target = _UNSHOWN.sub(
            lambda match: f"%{ord(match[0]):02X}", http_heads.decode_octets(event.target)
        )
        if target.startswith(("http://", "https://")):
            return self._redactor.clean_url(target)
        scheme = http_heads.decode_octets(event.scheme) or (
            "https" if self._tls is not None else "http"
        )
        host = self._connection.host
        spelt = f"[{host}]" if ":" in host else host
        authority = _UNSHOWN.sub("", http_heads.decode_octets(event.authority))
        authority = authority or f"{spelt}:{self._connection.port}"
        slash = "" if target.startswith("/") else "/"
        return self._redactor.clean_url(f"{scheme}://{authority}{slash}{target}")

    def _answer(self, exchange: WireExchange, event: http.MessageHead) -> None:
        if event.trailers:
            self._trailers(exchange.received, exchange, event)
        elif 100 <= event.status < 200 and event.status != 101:
            if len(exchange.interim) >= _INTERIM:
                self._left_out[exchange.stream, "informational answers"] += 1
            elif (head := self._head(event)) is not None:
                exchange.interim.append(head)
        elif (head := self._head(event)) is not None:
            exchange.response = head
            exchange.response_at = self._at
            if head.first_line.startswith("HTTP/1.0"):
                exchange.protocol = "http/1.0"

    def _switch(self, exchange: WireExchange) -> None:
        """Read the exchange as a WebSocket from here on."""
        response = exchange.response
        extensions = response.header("sec-websocket-extensions") if response is not None else ""
        exchange.frames = self._scratch.body()
        self._frames[exchange.stream] = WebSocketFrameWriter(
            exchange.frames, extensions.encode(), afford=self._budget.inflate
        )
        exchange.is_websocket = True  # over HTTP/2 it is known now

    def _trailers(self, body: StoredBody, exchange: WireExchange, event: http.MessageHead) -> None:
        if len(exchange.trailers) >= _INTERIM:  # over HTTP/2: over HTTP/1 there can be one a side
            self._left_out[exchange.stream, "trailers"] += 1
            return
        if (head := self._head(event)) is None:
            head = http_heads.record_head(
                event, self._redactor
            )  # its secrets stand in the body as well
        exchange.trailers.append((event.direction, head))
        if head.secrets and self._protocol != "h2":  # over HTTP/1 they stand in the body as well
            body.change_end(TRAILERS, lambda tail: http_heads.conceal_trailers(head, tail))

    def _data(self, exchange: WireExchange, event: http.Data) -> None:
        if (frames := self._frames.get(event.stream)) is not None:
            frames.feed(event.direction, self._at, event.data)
        elif event.direction is Direction.CLIENT:
            exchange.sent.add(event.data)
        else:
            exchange.received.add(event.data)

    def _end(self, exchange: WireExchange, event: http.DirectionEnd) -> None:
        if event.detail:
            detail = self._redactor.clean_text(event.detail)
            exchange.notes.append(f"{event.direction.value}: {detail}")
        if event.direction is Direction.CLIENT:
            exchange.request_end = event.how
            exchange.sent.close()
        else:
            exchange.response_end = event.how
            exchange.ended_at = self._at
            exchange.received.close()

    def _trouble(self, event: http.ReadTrouble) -> None:
        exchange = None if event.stream is None else self._exchanges.get(event.stream)
        if exchange is None:
            self.note_unreadable(event.detail)
        elif len(exchange.troubles) < _TROUBLES:
            exchange.troubles.append(self._redactor.clean_text(event.detail))
        else:
            self._left_out[exchange.stream, "more problems"] += 1

    def note_unreadable(self, detail: str) -> None:
        """Note something that could not be read."""
        if len(self._unreadable) < _TROUBLES:
            self._unreadable[self._redactor.clean_text(detail)] = None


def _ends(event: http.Event) -> bool:
    """Return whether an event ends what had begun, or holds trailers, which may be secret."""
    return isinstance(event, http.DirectionEnd) or (
        isinstance(event, http.MessageHead) and event.trailers
    )
