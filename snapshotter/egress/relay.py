"""
Relay the bytes of one accepted connection: parse requests as far as a proxy must, and count and
record what passes.

A `Conversation` is a client with at most one server at a time. In a tunnel bytes pass
both ways untouched. A plain request is read up to its end and sent on in origin
form. The next one waits until the response has ended, so nothing is ever pipelined to
a server, and a client may request another host on the same connection.

Memory is limited: at most `_HIGH` bytes and those of one more read are held for a side that does
not accept them. Then nothing is read from the other side until most of them have been sent.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

from typing_extensions import override

from snapshotter.egress.connection_log import ConnectionEntry
from snapshotter.egress.dialer import OpenedConnection
from snapshotter.egress.errors import EgressError, EgressFailed, EgressRefused
from snapshotter.egress.framing import (
    MAX_HEAD,
    BodyFraming,
    MalformedHttp,
    ReadState,
    RequestHead,
    ResponseReader,
    parse_request,
    request_body,
    split_absolute,
    split_authority,
)
from snapshotter.egress.server_name import ServerName
from snapshotter.formats.http.events import Direction

READ: Final = 1 << 17  # bytes taken from a socket at a time
_HIGH: Final = 1 << 15  # bytes held back for a side that does not take them
_LOW: Final = 1 << 13
_TLS_HANDSHAKE: Final = b"\x16"  # content type of the first record, RFC 8446 section 5.1
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER

# Header fields for the proxy alone (RFC 9110 sections 7.6.1 and 11.7).
_FOR_THE_PROXY: Final = frozenset({b"proxy-connection", b"proxy-authorization"})
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_NO: Final = b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class ConversationOwner(Protocol):
    """The owner of a conversation: it opens, counts and records. Within one event loop."""

    @property
    def buffer(self) -> bytearray:
        """A buffer of `READ` bytes to read into, used within one call."""

    @property
    def credentials(self) -> bytes:
        """The header line that an HTTP proxy needs with a plain request."""

    def ask(self, kind: str, host: str, port: int) -> ConnectionEntry:
        """Begin the record of a connection."""

    async def open(self, entry: ConnectionEntry) -> OpenedConnection:
        """Make the connection. Raises EgressError."""

    def connected(self, entry: ConnectionEntry) -> None:
        """Log that it was made, and begin to record its bytes. Raises EgressFailed."""

    def allow(self, count: int) -> int:
        """Return how many of `count` bytes may still pass, and count them."""

    def record(self, entry: ConnectionEntry, direction: Direction, data: bytes) -> None:
        """Record bytes that are about to pass. Ends everything if it cannot."""

    def await_tls_answer(self, entry: ConnectionEntry, end: Callable[[EgressError], None]) -> None:
        """Wait for the answer to the first message of a TLS handshake; call `end` if it is late."""

    def answered(self, entry: ConnectionEntry) -> None:
        """Note the first byte of a server."""

    def ended(self, entry: ConnectionEntry) -> None:
        """Finish the record of a connection."""

    def exceeded(self) -> None:
        """End everything, because no more bytes may pass."""

    def joined(self, conversation: "Conversation") -> bool:
        """Add a conversation; False if there are too many."""

    def left(self, conversation: "Conversation") -> None:
        """Remove a conversation whose two ends are closed."""


class Side(asyncio.BufferedProtocol):
    """One end of a conversation. It reports the events of its socket to its owner."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = memoryview(buffer)
        self.transport: asyncio.Transport | None = None
        self.full = False  # more is held back than should be
        self.eof = False
        self.on_made: Callable[[], None] = _do_nothing
        self.on_data: Callable[[bytes], None] = _ignore
        self.on_eof: Callable[[], None] = _do_nothing
        self.on_lost: Callable[[Exception | None], None] = _ignore_error
        self.on_flow: Callable[[], None] = _do_nothing

    def let_go(self) -> None:
        """Stop reporting events."""
        self.on_data, self.on_eof, self.on_flow = _ignore, _do_nothing, _do_nothing
        self.on_lost = _ignore_error

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  of a stream socket
        self.transport = transport
        transport.set_write_buffer_limits(high=_HIGH, low=_LOW)
        self.on_made()

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.on_data(bytes(self._buffer[:nbytes]))

    @override
    def eof_received(self) -> bool:
        if not self.eof:
            self.eof = True
            self.on_eof()
        return True  # the other direction may go on

    @override
    def pause_writing(self) -> None:
        self.full = True
        self.on_flow()

    @override
    def resume_writing(self) -> None:
        self.full = False
        self.on_flow()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.transport, self.full = None, False
        self.on_lost(exc)

    def write(self, data: bytes) -> None:
        """Send, or hold until the socket accepts more."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> None:
        """Send what is held, and then the end of the stream."""
        if self.transport is not None and not self.transport.is_closing():
            with suppress(OSError):  # the other end has gone meanwhile
                self.transport.write_eof()

    def read(self, wanted: bool) -> None:
        """Continue reading, or stop."""
        if self.transport is None or self.eof:
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def close(self, *, reset: bool = False) -> None:
        """
        Send what is held, then end; with `reset` so that it cannot be taken for a regular end.
        """
        if self.transport is None or self.transport.is_closing():
            return
        if reset:
            self._reset_on_close()
        self.transport.close()

    def abort(self) -> None:
        """End now, without what is held."""
        if self.transport is not None:
            self._reset_on_close()
            self.transport.abort()

    def _reset_on_close(self) -> None:
        """Make the close a reset, so that the other end sees that the data is incomplete."""
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


class Conversation:
    """
    A client and the server that it is connected to.

    Args:
        owner: The guard.
    """

    def __init__(self, owner: ConversationOwner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self.client = Side(owner.buffer)
        self.client.on_made = self._client_made
        self.client.on_data = self._client_data
        self.client.on_eof = self._client_eof
        self.client.on_lost = self._client_lost
        self.client.on_flow = self._regulate
        self.server: Side | None = None
        self.last_moved = self._loop.time()
        self.over = False
        self._mode = "head"  # "opening", "exchange", "tunnel"
        self._entry: ConnectionEntry | None = None
        self._waiting = bytearray()  # from the client, not yet understood or sent
        self._opening: asyncio.Task[None] | None = None
        self._sniffer: ServerName | None = None
        self._absolute = False
        self._request: BodyFraming | None = None
        self._answer: ResponseReader | None = None
        self._first = bytearray()  # from a server that spoke before its client had an answer
        self._held = b""  # of an answer's head from a proxy, until its status is known

    # From the outside

    async def dial(self, host: str, port: int, sock: socket.socket, limit_s: float) -> None:
        """
        Tunnel for a helper, which has the other end of `sock`'s pair of sockets.

        Raises:
            EgressError: The connection was not made.
        """
        self._mode = "opening"
        self._entry = entry = self._owner.ask("dial", host, port)
        await self._loop.create_connection(lambda: self.client, sock=sock)
        self._opening = asyncio.ensure_future(self._open_tunnel(entry))
        done, _ = await asyncio.wait({self._opening}, timeout=limit_s)
        if not done:
            late = EgressFailed("timeout", f"no connection was made within {limit_s:g} s")
            self._fail(entry, late)
            raise late
        if self._opening.cancelled():
            raise EgressRefused("cut", entry.detail)
        self._opening.result()

    def end(
        self,
        by: str,
        *,
        error: str = "",
        detail: str = "",
        refusal: str = "",
        now: bool = False,
        answer: bytes = b"",
    ) -> None:
        """
        End the conversation. What was received is still sent, unless it has to end `now`.

        Args:
            by: Who ended it, as in the record.
            answer: The proxy's answer to its client, once the record is complete.
        """
        if self.over:
            return
        self.over = True
        if self._opening is not None and self._opening is not _current_task():
            self._opening.cancel()
        self._end_entry(by, error=error, detail=detail, refusal=refusal)
        if answer:
            self.client.write(answer)
        reset = by not in {"client", "server"}
        for side in (self.client, self.server):
            if side is None:
                continue
            if now:
                side.abort()
            else:
                side.close(reset=reset)
        self.last_moved = self._loop.time()
        self._leave_when_closed()

    @property
    def place(self) -> tuple[str, int]:
        """The host, lowercase, and the port of its server; ("", 0) if there is none."""
        return self._entry.place if self._entry is not None else ("", 0)

    def abort(self) -> None:
        """Release sockets that do not accept what is held for them."""
        self.client.abort()
        if self.server is not None:
            self.server.abort()

    # What happens to the sockets

    def _client_made(self) -> None:
        if not self._owner.joined(self):
            self._entry = self._owner.ask("http", "", 0)
            self.end(
                "error", refusal="too-many-connections", detail="too many connections are open"
            )

    def _client_data(self, data: bytes) -> None:
        if self.over:
            return
        if self._mode == "tunnel":
            self._send(data)
            return
        self.last_moved = self._loop.time()
        self._waiting += data
        self._advance()
        self._regulate()

    def _client_eof(self) -> None:
        if self.over:
            return
        if self._mode == "head" or self._server_is_gone():
            self.end("server" if self._server_is_gone() else "client")
        elif self._mode == "opening":
            # A browser that gives up closes; nobody sends half of a tunnel's bytes ahead.
            if self._entry is not None and self._entry.kind != "http":
                self.end(
                    "client",
                    detail="the client closed the connection before the connection to the server "
                    "was made",
                )
        elif self.server is not None:
            self.server.write_eof()

    def _client_lost(self, exc: Exception | None) -> None:
        if self.over:
            self._leave_when_closed()
        else:
            self.end("client", detail="" if exc is None else "the client reset the connection")

    def _first_server_data(self, data: bytes) -> None:
        if self.server is not None and self._entry is not None:
            self.server.on_data = self._server_data
            self._owner.answered(self._entry)
        self._server_data(data)

    def _server_data(self, data: bytes) -> None:
        if not self.over:
            self._receive(data)

    def _server_eof(self) -> None:
        if self.over:
            return
        if self._mode == "tunnel" and not self.client.eof:
            self.client.write_eof()
            return
        if self._held:
            self._pass_on(b"", held=False)
        by = "client" if self._mode == "tunnel" else "server"
        self.end(by)

    def _server_lost(self, exc: Exception | None) -> None:
        if self.over:
            self._leave_when_closed()
        elif exc is None:
            self.end("server")
        else:
            self.end("error", error="reset", detail=f"the connection was lost: {exc}")

    def _regulate(self) -> None:
        """Read from each side as long as the other one accepts it."""
        if self.over:
            return
        server_full = self.server is not None and self.server.full
        self.client.read(not server_full and len(self._waiting) <= MAX_HEAD)
        if self.server is not None:
            self.server.read(not self.client.full)

    def _server_is_gone(self) -> bool:
        return self.server is not None and self.server.eof

    # Requests

    def _advance(self) -> None:
        """Process what the client sent, as far as possible."""
        while not self.over:
            if self._mode == "head":
                if not self._take_head():
                    return
            elif self._mode == "exchange":
                if not self._take_body():
                    return
            else:
                return

    def _take_head(self) -> bool:
        """Begin with the next request; False if its head is incomplete."""
        end = self._waiting.find(b"\r\n\r\n")
        if end < 0:
            if len(self._waiting) > MAX_HEAD:
                self._refuse_head("the head of the request is too long")
            return False
        raw = bytes(self._waiting[: end + 4])
        del self._waiting[: end + 4]
        try:
            head = parse_request(raw)
            if head.method == b"CONNECT":
                self._begin_tunnel(head)
            else:
                self._begin_exchange(head)
        except MalformedHttp as error:
            self._refuse_head(str(error))
        return not self.over

    def _begin_tunnel(self, head: RequestHead) -> None:
        host, port = split_authority(head.target)
        self._drop_server()
        self._mode = "opening"
        self._entry = entry = self._owner.ask("tunnel", host, port)
        self._opening = asyncio.ensure_future(self._open_for_client(entry))

    def _begin_exchange(self, head: RequestHead) -> None:
        host, port, path = split_absolute(head.target)
        hosts = head.values(b"host")
        authority = _authority(host, port)
        if head.version != b"HTTP/1.0" or hosts:
            named = split_authority(hosts[0], default_port=80) if len(hosts) == 1 else None
            if named is None or (named[0].lower(), named[1]) != (host.lower(), port):
                raise MalformedHttp("the Host header differs from the host of the target")
        body = request_body(head)
        entry = self._entry
        same = entry is not None and (entry.host, entry.port) == (host, port)
        if same and self.server is not None:
            self._send_head(head, authority, path, body)
            return
        self._drop_server()
        self._mode = "opening"
        self._entry = entry = self._owner.ask("http", host, port)
        self._opening = asyncio.ensure_future(
            self._open_for_client(entry, lambda: self._send_head(head, authority, path, body))
        )

    def _send_head(self, head: RequestHead, authority: str, path: bytes, body: BodyFraming) -> None:
        self._mode = "exchange"
        self._request = body
        self._answer = ResponseReader(head.method, upgrade=bool(head.values(b"upgrade")))
        origin = head.encoded(path, without=_FOR_THE_PROXY)
        wire = None
        if self._absolute:
            target = b"http://" + authority.encode("utf-8") + path
            wire = head.encoded(target, without=_FOR_THE_PROXY, extra=self._owner.credentials)
        self._send(origin, wire)

    def _take_body(self) -> bool:
        """Send more of the request; False if more has to be received first."""
        request, answer = self._request, self._answer
        if request is None or answer is None:
            return False
        if answer.switched:
            self._mode = "tunnel"
            rest, self._waiting = bytes(self._waiting), bytearray()
            if rest:
                self._send(rest)
            return False
        if not request.done and self._waiting:
            data = bytes(self._waiting)
            try:
                end = request.feed(data, 0)
            except MalformedHttp as error:
                self.end("error", error="malformed-request", detail=str(error))
                return False
            del self._waiting[:end]
            self._send(data[:end])
        if self.over or not request.done:
            return False
        if answer.part is not ReadState.DONE:
            if answer.part is not ReadState.UNTIL_CLOSE or not self._waiting or not self._is_next():
                return False
            # Where this answer ends is not known here, but its client knows: browsers send
            # nothing ahead. What is asked next goes over a connection of its own.
            self._drop_server()
        self._mode = "head"
        if self.client.eof and not self._waiting:
            self.end("client")
            return False
        return bool(self._waiting)

    def _is_next(self) -> bool:
        """Return whether the client sent another whole request head after its request."""
        try:
            end = self._waiting.index(b"\r\n\r\n")
            parse_request(bytes(self._waiting[: end + 4]))
        except ValueError:  # Malformed is one
            return False
        return True

    def _refuse_head(self, why: str) -> None:
        """Refuse a request that can be read in two ways, or in none."""
        self._drop_server()
        self._entry = self._owner.ask("http", "", 0)
        self.end("error", refusal="malformed-request", detail=why)

    # Connections

    async def _open_for_client(
        self, entry: ConnectionEntry, then: Callable[[], None] | None = None
    ) -> None:
        """Open what a client requested; an error is recorded and answered to the client."""
        try:
            if then is None:
                await self._open_tunnel(entry, answer=_ESTABLISHED)
            else:
                await self._attach(entry)
                if self.over:
                    return
                then()
                self._listen_to_server()
                self._advance()
                self._regulate()  # the client was not read from while its request waited
                self._repeat_eof()
        except EgressError:
            return

    def _repeat_eof(self) -> None:
        """
        Repeat to the server the end of stream that the client sent before the server was connected.
        """
        if self.client.eof and not self.over and self.server is not None:
            self.server.write_eof()

    async def _open_tunnel(self, entry: ConnectionEntry, answer: bytes = b"") -> None:
        await self._attach(entry)
        if self.over:
            return
        self._mode = "tunnel"
        self._sniffer = ServerName()
        if answer:
            self.client.write(answer)
        early, self._waiting = bytes(self._waiting), bytearray()
        if early:
            self._send(early)
        self._listen_to_server()

    async def _attach(self, entry: ConnectionEntry) -> None:
        """Make the connection and become its other end. Raises EgressError, after the end."""
        try:
            opened = await self._owner.open(entry)
        except EgressError as error:
            self._fail(entry, error)
            raise
        except Exception as error:  # a bug becomes a reason, and nobody waits
            broken = EgressFailed("failed", f"{type(error).__name__}: {error}")
            self._fail(entry, broken)
            raise broken from error
        server = Side(self._owner.buffer)
        self._first = bytearray(opened.first)
        server.on_data = self._first.extend  # until the client has its answer
        server.on_eof = self._server_eof
        server.on_lost = self._server_lost
        server.on_flow = self._regulate
        self._absolute = opened.absolute
        try:
            self._owner.connected(entry)
            self.server = server
            await self._loop.create_connection(lambda: server, sock=opened.sock)
        except OSError as error:
            opened.sock.close()
            failed = error if isinstance(error, EgressError) else EgressFailed("failed", str(error))
            self._fail(entry, failed)
            raise failed from None
        except BaseException:  # also a cancelled task: nobody else knows the socket yet
            opened.sock.close()
            raise
        self.last_moved = self._loop.time()

    def _listen_to_server(self) -> None:
        """Start reading from the server, after the client's answer or request was sent."""
        if self.over or self.server is None:
            return
        self.server.on_data = self._first_server_data
        if self._first:
            first, self._first = bytes(self._first), bytearray()
            self._first_server_data(first)
        self._regulate()

    def _fail(self, entry: ConnectionEntry, error: EgressError) -> None:
        """
        End with an answer that cannot be rendered as a page: a status for a tunnel, else nothing.
        """
        refused = isinstance(error, EgressRefused)
        answer = _NO % (b"403 Forbidden" if refused else b"502 Bad Gateway")
        self.end(
            "client",
            refusal=error.word if refused else "",
            error="" if refused else error.word,
            detail=error.detail,
            answer=answer if entry.kind == "tunnel" else b"",
        )

    def _end_unanswered(self, error: EgressError) -> None:
        """End a tunnel whose server did not answer in time."""
        self.end("error", error=error.word, detail=error.detail, now=True)

    def _drop_server(self) -> None:
        """Disconnect a server whose responses are complete."""
        server, self.server = self.server, None
        if server is not None:
            server.let_go()
            server.close()
            self._end_entry("client")
        self._entry = None

    def _end_entry(self, by: str, *, error: str = "", detail: str = "", refusal: str = "") -> None:
        entry, self._entry = self._entry, None
        if entry is None:
            return
        entry.error, entry.refusal, entry.detail = error, refusal, detail
        entry.ended_by = "error" if error or refusal else by
        self._owner.ended(entry)

    def _leave_when_closed(self) -> None:
        if self.client.transport is None and (self.server is None or self.server.transport is None):
            self._owner.left(self)

    # Bytes

    def _send(self, data: bytes, wire: bytes | None = None) -> None:
        """
        Pass on what the client sent.

        Args:
            data: As the server gets it; recorded.
            wire: As a proxy on the way gets it, if that differs.
        """
        entry, server = self._entry, self.server
        if entry is None or server is None:
            return
        allowed = self._owner.allow(len(data))
        piece = data if allowed == len(data) else data[:allowed]
        entry.bytes_sent += allowed
        self.last_moved = self._loop.time()
        if self._sniffer is not None:
            if entry.bytes_sent == len(piece) and piece.startswith(_TLS_HANDSHAKE):
                self._owner.await_tls_answer(entry, self._end_unanswered)
            self._sniffer.feed(piece)
            if self._sniffer.done:
                entry.server_name, self._sniffer = self._sniffer.name, None
        if piece:
            self._owner.record(entry, Direction.CLIENT, piece)
        if allowed < len(data):
            if wire is None:
                server.write(piece)
            self._owner.exceeded()
        elif not self.over:
            server.write(data if wire is None else wire)

    def _receive(self, data: bytes) -> None:
        """Pass on what the server sent."""
        self.last_moved = self._loop.time()
        if self._mode == "tunnel" or self._answer is None:
            self._pass_on(data, held=False)
            return
        self._answer.feed(data)
        if self._absolute and self._answer.status == 407:
            # The proxy's own answer: it must not pass for the site's.
            self.end("error", error="proxy-authentication", detail="the proxy requires a password")
            return
        self._pass_on(data, held=self._absolute and self._answer.part is ReadState.HEAD)
        self._advance()
        self._regulate()

    def _pass_on(self, data: bytes, *, held: bool) -> None:
        if self._held or held:
            data, self._held = self._held + data, b""
            if held:
                self._held = data
                return
        entry = self._entry
        if entry is None:
            return
        allowed = self._owner.allow(len(data))
        piece = data if allowed == len(data) else data[:allowed]
        entry.bytes_received += allowed
        if piece:
            self._owner.record(entry, Direction.SERVER, piece)
        if not self.over:
            self.client.write(piece)
        if allowed < len(data):
            self._owner.exceeded()


def _authority(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port == 80 else f"{shown}:{port}"


def _current_task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _do_nothing() -> None:
    """Ignore a call."""


def _ignore(data: bytes) -> None:
    """Ignore bytes."""


def _ignore_error(error: Exception | None) -> None:
    """Ignore an end."""
