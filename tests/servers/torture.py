"""
A server for `torture_site`, over http, https with HTTP/1.1, or https with HTTP/2.

    with Torture("h2") as torture:
        browser(torture.url)  # trusting `torture.ca_pem`, or `torture.spki`
        torture.wait_done()
        torture.requests  # every request as it arrived, and the body that was sent for it

Its truth is independent of what it is to test: HTTP/1 is read by a few lines of
its own, HTTP/2 by hyperframe. `torture.connections` holds what was on each
connection inside TLS, both directions, in order. Two addresses of loopback are two sites.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from typing_extensions import override

from snapshotter.formats.http.events import Direction
from tests.servers.torture_site import KINDS, PENDING, Answer, Fields, How, Kind, answers

Mode = Literal["http", "https", "h2"]  # https: HTTP/1.1 alone

_LONGEST_S = 60.0  # nothing is held for longer, whatever a test forgets
_FRAME = 16_384  # bytes of a DATA frame
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_NAMES = ("localhost", "torture.test", "other.test")
_CORS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "*"),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Max-Age", "0"),
    ("Timing-Allow-Origin", "*"),
)


@dataclass(slots=True)
class Seen:
    """One request as it arrived, and what was sent for it."""

    method: str  # of a WebSocket over HTTP/2: CONNECT
    url: str
    path: str  # with the query
    protocol: str  # "HTTP/1.1" or "HTTP/2"
    headers: Fields
    connection: int  # index into `Torture.connections`
    stream: int  # over HTTP/2 its identifier; over HTTP/1 a count from 0
    body: bytes = b""  # as on the wire; of a WebSocket all that the client sent
    status: int = 0
    sent: bytearray = field(default_factory=bytearray)  # the answer's body as on the wire
    sent_headers: Fields = ()
    finished: bool = False  # the answer was sent to its end, or to its intended cut

    @property
    def body_sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def sent_sha256(self) -> str:
        return hashlib.sha256(self.sent).hexdigest()


@dataclass(slots=True)
class Wire:
    """One connection: what was inside TLS."""

    protocol: str
    pieces: list[tuple[Direction, bytes]] = field(default_factory=list)


class Torture:
    """Use as a context manager."""

    def __init__(
        self,
        mode: Mode = "http",
        *,
        pending: bool = True,
        host: str = "127.0.0.1",
        other_host: str = "127.0.0.2",
        newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        """
        Prepare a server.

        Args:
            mode: See `Mode`.
            pending: Whether the page leaves a request unanswered for ever.
            host: In the page's URL: an address, or a name of the certificate
                (localhost, torture.test, other.test) that leads to 127.0.0.1.
            other_host: The same of the other site, which listens on 127.0.0.2.
            newest_tls: The newest version that is spoken.
        """
        self.mode = mode
        self.pending = pending
        self.requests: list[Seen] = []
        self.connections: list[Wire] = []
        self.results: dict[str, str] = {}  # what the page says of each step
        self.ca_pem = b""
        self.chain_der: tuple[bytes, ...] = ()
        self.spki = ""  # base64 of SHA-256, for --ignore-certificate-errors-spki-list
        self.answers: dict[str, Answer] = {}
        self._newest_tls = newest_tls
        self._hosts = (host, other_host)
        self._origins: list[str] = []
        self._counter = 0
        self._done = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_LONGEST_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_LONGEST_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_LONGEST_S)
        self._loop.close()

    @property
    def url(self) -> str:
        """The page."""
        return self._origins[0] + "/"

    @property
    def origins(self) -> tuple[str, ...]:
        """Of the page, and of the other site."""
        return tuple(self._origins)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Every way of asking that this page uses."""
        return (*KINDS, PENDING) if self.pending else KINDS

    def wait_done(self, seconds: float = _LONGEST_S) -> dict[str, str]:
        """Wait until the page has reported; return what it says of each step."""
        if not self._done.wait(seconds):
            raise TimeoutError(f"the page did not report in {seconds} s; missing: {self.missing()}")
        return self.results

    def wait_all(self, seconds: float = _LONGEST_S) -> None:
        """Wait until each kind's requests have arrived: some come a little after the report."""
        self.wait_done(seconds)
        until = time.monotonic() + seconds
        while self.missing():
            if time.monotonic() > until:
                raise TimeoutError(f"never asked for: {self.missing()}")
            time.sleep(0.01)

    def missing(self) -> list[str]:
        """Kinds of which a request has not arrived."""
        came = {(seen.method, seen.path) for seen in list(self.requests)}
        # Over HTTP/2 a WebSocket is an extended CONNECT.
        came |= {("GET", path) for method, path in came if method == "CONNECT"}
        return [kind.name for kind in self.kinds if not came.issuperset(kind.requests)]

    # Server

    async def _start(self) -> None:
        context = self._tls() if self.mode != "http" else None
        scheme = "http" if context is None else "https"
        for host, address in zip(self._hosts, ("127.0.0.1", "127.0.0.2"), strict=True):
            server = await asyncio.start_server(self._accept, address, 0, ssl=context)
            self._servers.append(server)
            self._origins.append(f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}")
        self.answers = answers(self._origins[0], self._origins[1], pending=self.pending)

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*self._tasks, return_exceptions=True), 10)

    def _tls(self) -> ssl.SSLContext:
        ca, ca_key = _certificate("Torture CA", None, None, ())
        leaf, key = _certificate("Torture", ca, ca_key, (*_NAMES, "127.0.0.1", "127.0.0.2"))
        self.ca_pem = ca.public_bytes(serialization.Encoding.PEM)
        self.chain_der = tuple(c.public_bytes(serialization.Encoding.DER) for c in (leaf, ca))
        public = leaf.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.spki = base64.b64encode(hashlib.sha256(public).digest()).decode()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self._newest_tls
        context.set_alpn_protocols(["h2", "http/1.1"] if self.mode == "h2" else ["http/1.1"])
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "chain.pem")
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
                + leaf.public_bytes(serialization.Encoding.PEM)
                + self.ca_pem
            )
            context.load_cert_chain(path)
        return context

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            tls = writer.get_extra_info("ssl_object")
            http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
            wire = Wire("HTTP/2" if http2 else "HTTP/1.1")
            self.connections.append(wire)
            tap = _Tap(reader, writer, wire)
            place = (len(self.connections) - 1, "http" if tls is None else "https")
            await (_Http2(self, tap, *place) if http2 else _Http1(self, tap, *place)).run()
        except (OSError, EOFError, ssl.SSLError):
            pass  # a browser that goes away in the middle is what this server is for
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    def _answer(self, seen: Seen) -> Answer:
        path = seen.path.partition("?")[0]
        if seen.method == "OPTIONS":
            return Answer(status=204)
        if path == "/counter":
            self._counter += 1
            return Answer(body=f"counter {self._counter}".encode())
        if path == "/echo":
            text = f"{seen.method} {len(seen.body)} bytes {seen.body_sha256}"
            return Answer(body=text.encode())
        if path == "/done":
            self.results = json.loads(seen.body)
            self._done.set()
            return Answer(body=b"well done")
        if path == "/etag" and ("if-none-match", '"1"') in _lower(seen.headers):
            return Answer(status=304, headers=(("ETag", '"1"'),))
        answer = self.answers.get(path, Answer(status=404, body=b"nothing here"))
        if answer.kind == "audio/wav" and (wanted := dict(_lower(seen.headers)).get("range")):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            size = len(answer.body)
            start, end = int(first), min(int(last or size - 1), size - 1)
            return Answer(
                status=206,
                kind=answer.kind,
                body=answer.body[start : end + 1],
                headers=(("Content-Range", f"bytes {start}-{end}/{size}"),),
            )
        return answer

    async def _is_done(self) -> None:
        for _ in range(int(_LONGEST_S / 0.02)):
            if self._done.is_set():
                return
            await asyncio.sleep(0.02)

    async def serve(self, seen: Seen, reply: "_Reply") -> None:
        """Answer one request, over either version."""
        answer = self._answer(seen)
        headers: Fields = (("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Server", "torture"))
        headers += (("Content-Type", answer.kind),) if answer.body else ()
        headers += _CORS if answer.cors else ()
        headers += answer.headers
        if not any(name == "Cache-Control" for name, _ in headers):
            headers += (("Cache-Control", "no-store"),)
        if answer.how is How.SILENT:
            await reply.hold()
            return
        if answer.how is How.AFTER_DONE:
            await self._is_done()
        if answer.early:
            reply.informational(103, answer.early)
        bodiless = answer.status in (204, 304)
        if answer.how in (How.LENGTH, How.AFTER_DONE) and not bodiless:
            headers += (("Content-Length", str(len(answer.body))),)
        if answer.how is How.TRUNCATED:
            headers += (("Content-Length", str(len(answer.body) + 76)),)
        body = b"" if seen.method == "HEAD" or bodiless else answer.body
        seen.status = answer.status
        await reply.head(answer.status, headers, answer.how)
        await reply.body(body, answer.how)
        if answer.how is How.HELD:
            await reply.hold()
        else:
            await reply.end(answer.how)
            seen.finished = True


class _Reply(Protocol):
    """How one version of HTTP sends an answer."""

    def informational(self, status: int, headers: Fields) -> None: ...
    async def head(self, status: int, headers: Fields, how: How) -> None: ...
    async def body(self, data: bytes, how: How) -> None: ...
    async def end(self, how: How) -> None: ...
    async def hold(self) -> None:
        """Wait until the client goes away."""


class _Tap:
    """A connection whose bytes are kept."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire
    ) -> None:
        self._reader, self._writer, self._wire = reader, writer, wire

    async def read(self, count: int) -> bytes:
        return self._keep(await self._reader.readexactly(count))

    async def line(self) -> bytes:
        return self._keep(await self._reader.readuntil(b"\n"))

    async def some(self) -> bytes:
        return self._keep(await self._reader.read(65_536))

    async def write(self, data: bytes) -> None:
        self.put(data)
        await self._writer.drain()

    def put(self, data: bytes) -> None:
        self._wire.pieces.append((Direction.SERVER, data))
        self._writer.write(data)

    def _keep(self, data: bytes) -> bytes:
        self._wire.pieces.append((Direction.CLIENT, data))
        return data


class _Http1:
    """One connection of HTTP/1.1, request after request (RFC 9112)."""

    def __init__(self, torture: Torture, tap: _Tap, number: int, scheme: str) -> None:
        self._torture, self._tap, self._number, self._scheme = torture, tap, number, scheme
        self._seen = Seen("", "", "", "", (), 0, 0)
        self._open = True

    async def run(self) -> None:
        stream = 0
        while self._open:
            try:
                line = await self._tap.line()
            except asyncio.IncompleteReadError:
                return
            method, path, _ = line.decode("latin-1").split()
            headers: Fields = ()
            while (line := await self._tap.line()) != b"\r\n":
                name, _, value = line.decode("latin-1").partition(":")
                headers += ((name, value.strip()),)
            fields = dict(_lower(headers))
            url = f"{self._scheme}://{fields['host']}{path}"
            seen = Seen(method, url, path, "HTTP/1.1", headers, self._number, stream)
            if length := fields.get("content-length"):
                seen.body = await self._tap.read(int(length))
            self._seen = seen
            self._torture.requests.append(seen)
            stream += 1
            if "upgrade" in fields:
                await self._websocket(seen, fields)
                return
            await self._torture.serve(seen, self)

    def informational(self, status: int, headers: Fields) -> None:
        self._tap.put(_head(status, headers))

    async def head(self, status: int, headers: Fields, how: How) -> None:
        if how in (How.CHUNKED, How.HELD):
            headers += (("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum"))
        if how is How.PLAIN_CHUNKED:
            headers += (("Transfer-Encoding", "chunked"),)
        if how in (How.UNTIL_CLOSE, How.TRUNCATED):
            headers += (("Connection", "close"),)
        self._seen.sent_headers = headers
        await self._tap.write(_head(status, headers))

    async def body(self, data: bytes, how: How) -> None:
        if how not in (How.CHUNKED, How.HELD, How.PLAIN_CHUNKED):
            await self._send(data)
            return
        for at in range(0, len(data), 1000):
            piece = data[at : at + 1000]
            extension = b"" if how is How.PLAIN_CHUNKED else b";at=%d" % at
            await self._send(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece))

    async def end(self, how: How) -> None:
        if how is How.CHUNKED:
            await self._send(b"0\r\nX-Sum: 5000\r\n\r\n")
        if how is How.PLAIN_CHUNKED:
            await self._send(b"0\r\n\r\n")
        self._open = how not in (How.UNTIL_CLOSE, How.TRUNCATED)

    async def hold(self) -> None:
        self._open = False
        await asyncio.wait_for(self._tap.some(), _LONGEST_S)

    async def _send(self, data: bytes) -> None:
        self._seen.sent += data
        await self._tap.write(data)

    async def _websocket(self, seen: Seen, fields: dict[str, str]) -> None:
        key = fields["sec-websocket-key"].encode() + _GUID
        accept = base64.b64encode(hashlib.sha1(key).digest()).decode()  # noqa: S324  RFC 6455, 4.2.2
        deflate = _deflates(seen)
        headers: Fields = (("Upgrade", "websocket"), ("Connection", "Upgrade"))
        headers += (("Sec-WebSocket-Accept", accept), *deflate)
        seen.status, seen.sent_headers = 101, headers
        await self._tap.write(_head(101, headers))

        async def read(count: int) -> bytes:
            data = await self._tap.read(count)
            seen.body += data
            return data

        await _echo(read, self._send, deflate=bool(deflate))
        seen.finished = True


@dataclass(slots=True)
class _Stream:
    """A request over HTTP/2 while it is open."""

    seen: Seen
    window: int  # bytes that may still be sent
    came: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # the client reset it


class _Http2:
    """One connection of HTTP/2 (RFC 9113), frames by hyperframe."""

    def __init__(self, torture: Torture, tap: _Tap, number: int, scheme: str) -> None:
        self._torture, self._tap, self._number, self._scheme = torture, tap, number, scheme
        self._encoder, self._decoder = Encoder(), Decoder()
        self._streams: dict[int, _Stream] = {}
        self._block = b""
        self._window = self._first_window = 65_535
        self._more_window = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        if await self._tap.read(len(_PREFACE)) != _PREFACE:
            raise EOFError("no preface")
        settings = {
            SettingsFrame.MAX_CONCURRENT_STREAMS: 100,
            SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1,
            SettingsFrame.MAX_FRAME_SIZE: _FRAME,
        }
        self._tap.put(SettingsFrame(0, settings).serialize())
        self._tap.put(WindowUpdateFrame(0, 1 << 24).serialize())
        try:
            while True:
                frame, length = Frame.parse_frame_header(memoryview(await self._tap.read(9)))
                frame.parse_body(memoryview(await self._tap.read(length) if length else b""))
                await self._frame(frame)
        finally:
            for stream in self._streams.values():
                stream.gone.set()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _frame(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream_id)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                block, self._block = self._block, b""
                self._request(frame.stream_id, block, ended="END_STREAM" in frame.flags)
        elif isinstance(frame, DataFrame):
            if stream is not None:
                stream.seen.body += frame.data
                stream.came.put_nowait(frame.data)
                if "END_STREAM" in frame.flags:
                    self._begin(frame.stream_id, stream)
            if frame.flow_controlled_length:
                for number in (0, frame.stream_id):
                    update = WindowUpdateFrame(number, frame.flow_controlled_length)
                    self._tap.put(update.serialize())
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            await self._settings(frame)
        elif isinstance(frame, WindowUpdateFrame):
            async with self._more_window:
                if stream is not None:
                    stream.window += frame.window_increment
                elif not frame.stream_id:
                    self._window += frame.window_increment
                self._more_window.notify_all()
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self._tap.put(PingFrame(0, frame.opaque_data, flags=["ACK"]).serialize())
        elif isinstance(frame, RstStreamFrame) and stream is not None:
            async with self._more_window:
                stream.gone.set()
                self._more_window.notify_all()

    async def _settings(self, frame: SettingsFrame) -> None:
        settings = frame.settings
        async with self._more_window:
            if (window := settings.get(SettingsFrame.INITIAL_WINDOW_SIZE)) is not None:
                for stream in self._streams.values():
                    stream.window += window - self._first_window
                self._first_window = window
            self._more_window.notify_all()
        if (size := settings.get(SettingsFrame.HEADER_TABLE_SIZE)) is not None:
            self._encoder.header_table_size = min(size, 65_536)
        self._tap.put(SettingsFrame(0, flags=["ACK"]).serialize())

    def _request(self, number: int, block: bytes, *, ended: bool) -> None:
        pairs = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in self._decoder.decode(block, raw=True)
        ]
        pseudo = {name: value for name, value in pairs if name.startswith(":")}
        seen = Seen(
            pseudo[":method"],
            f"{pseudo[':scheme']}://{pseudo[':authority']}{pseudo[':path']}",
            pseudo[":path"],
            "HTTP/2",
            tuple(pair for pair in pairs if pair[0] not in pseudo),
            self._number,
            number,
        )
        self._torture.requests.append(seen)
        stream = self._streams[number] = _Stream(seen, self._first_window)
        if ended or ":protocol" in pseudo:
            self._begin(number, stream)

    def _begin(self, number: int, stream: _Stream) -> None:
        if stream.seen.status or any(task.get_name() == str(number) for task in self._tasks):
            return  # the end of a WebSocket
        reply = _Http2Reply(self, number, stream)
        work = (
            reply.websocket()
            if stream.seen.method == "CONNECT"
            else self._torture.serve(stream.seen, reply)
        )
        task = asyncio.get_running_loop().create_task(self._answered(work), name=str(number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, work: Awaitable[None]) -> None:
        with contextlib.suppress(OSError, EOFError):  # the client went away
            await work

    def headers(self, number: int, fields: Fields, *flags: str) -> None:
        """Send a header block; encoded and written in one go, so that the tables agree."""
        lower = [(name.lower(), value) for name, value in fields]
        frame = HeadersFrame(number, self._encoder.encode(lower), flags=["END_HEADERS", *flags])
        self._tap.put(frame.serialize())

    async def data(self, number: int, stream: _Stream, data: bytes, *, pad: int = 0) -> None:
        """Send DATA frames, as the windows allow."""
        position = 0
        while position < len(data):
            async with self._more_window:
                await self._more_window.wait_for(
                    lambda: stream.gone.is_set() or min(self._window, stream.window) > 300
                )
                if stream.gone.is_set():
                    raise EOFError("the client reset the stream")
                room = min(_FRAME, self._window, stream.window) - (pad + 1 if pad else 0)
                piece = data[position : position + room]
                frame = DataFrame(number, piece, pad_length=pad, flags=["PADDED"] if pad else [])
                self._window -= frame.flow_controlled_length
                stream.window -= frame.flow_controlled_length
            stream.seen.sent += piece
            position += len(piece)
            await self._tap.write(frame.serialize())

    def finish(self, number: int) -> None:
        """Send an empty last frame."""
        self._tap.put(DataFrame(number, b"", flags=["END_STREAM"]).serialize())

    def reset(self, number: int) -> None:
        """Break a stream off."""
        self._tap.put(RstStreamFrame(number, 2).serialize())


class _Http2Reply(_Reply):
    """The answer on one stream."""

    def __init__(self, connection: _Http2, number: int, stream: _Stream) -> None:
        self._connection, self._number, self._stream = connection, number, stream

    @override
    def informational(self, status: int, headers: Fields) -> None:
        self._connection.headers(self._number, ((":status", str(status)), *headers))

    @override
    async def head(self, status: int, headers: Fields, how: How) -> None:
        self._stream.seen.sent_headers = headers
        if not self._stream.gone.is_set():
            self._connection.headers(self._number, ((":status", str(status)), *headers))

    @override
    async def body(self, data: bytes, how: How) -> None:
        if how is How.CHUNKED:
            for at in range(0, len(data), 1000):
                piece = data[at : at + 1000]
                await self._connection.data(self._number, self._stream, piece, pad=at // 50)
        else:
            await self._connection.data(self._number, self._stream, data)

    @override
    async def end(self, how: How) -> None:
        if how is How.CHUNKED:
            self._connection.headers(self._number, (("X-Sum", "5000"),), "END_STREAM")
        elif how is How.TRUNCATED:
            self._connection.reset(self._number)
        else:
            self._connection.finish(self._number)

    @override
    async def hold(self) -> None:
        await asyncio.wait_for(self._stream.gone.wait(), _LONGEST_S)

    async def websocket(self) -> None:
        """Speak WebSocket on this stream (RFC 8441)."""
        seen = self._stream.seen
        deflate = _deflates(seen)
        seen.status, seen.sent_headers = 200, deflate
        self._connection.headers(self._number, ((":status", "200"), *deflate))
        held = b""

        async def read(count: int) -> bytes:
            nonlocal held
            while len(held) < count:
                held += await asyncio.wait_for(self._stream.came.get(), _LONGEST_S)
            data, held = held[:count], held[count:]
            return data

        async def write(data: bytes) -> None:
            await self._connection.data(self._number, self._stream, data)

        await _echo(read, write, deflate=bool(deflate))
        self._connection.finish(self._number)
        seen.finished = True


# WebSocket


def _deflates(seen: Seen) -> Fields:
    if seen.path != "/ws-deflate":
        return ()
    agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
    return (("Sec-WebSocket-Extensions", agreed),)


async def _echo(
    read: Callable[[int], Awaitable[bytes]],
    write: Callable[[bytes], Awaitable[None]],
    *,
    deflate: bool,
) -> None:
    """Send each message back, after a ping, in two fragments; close when the client does."""
    message, compressed, kind = b"", False, 0
    while True:
        first, second = await read(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await read(2 if length == 126 else 8), "big")
        mask = await read(4)
        masked = await read(length) if length else b""
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))
        opcode = first & 0x0F
        if opcode == 8:
            await write(_frame(0x88, payload))
            return
        if opcode > 8:
            continue
        kind = opcode or kind
        compressed = bool(first & 0x40) if opcode else compressed
        message += payload
        if not first & 0x80:
            continue
        if compressed:
            message = zlib.decompressobj(-15).decompress(message + b"\x00\x00\xff\xff")
        answer = message
        if deflate:
            deflater = zlib.compressobj(wbits=-15)
            answer = (deflater.compress(message) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
        half = len(answer) // 2
        await write(_frame((0x40 if deflate else 0) | kind, answer[:half]))
        await write(_frame(0x89, b"are you there?"))
        await write(_frame(0x80, answer[half:]))
        message = b""


def _frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        return bytes([first, length]) + payload
    if length < 1 << 16:
        return bytes([first, 126]) + length.to_bytes(2, "big") + payload
    return bytes([first, 127]) + length.to_bytes(8, "big") + payload


# Bytes


def _head(status: int, headers: Fields) -> bytes:
    lines = [f"HTTP/1.1 {status} Torture", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _lower(headers: Fields) -> Fields:
    return tuple((name.lower(), value) for name, value in headers)


def _certificate(
    name: str,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    hosts: tuple[str, ...],
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=issuer is None,
                crl_sign=issuer is None,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer_key or key).public_key()),
            critical=False,
        )
    )
    if hosts:
        names = [
            x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
            for host in hosts
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key
