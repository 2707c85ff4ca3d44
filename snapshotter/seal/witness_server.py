"""
Serve a witness over HTTP/1.1: a small server that answers two kinds of request.

    POST /add-checkpoint                 at most 72 KiB, with its length
    GET /<origin hash>/checkpoint

The server speaks plain HTTP and listens on loopback by default: a TLS proxy goes in front of
it. Every wait has a time limit, and connections above the limit are refused.
"""

import asyncio
import re
from collections.abc import Callable

from snapshotter.errors import SnapshotterError, one_line
from snapshotter.seal.witness import MAX_REQUEST, WitnessResponse, WitnessService

_MAX_HEAD = 8 << 10  # bytes
_MAX_CONNECTIONS = 64
_IDLE_S = 30.0  # between two requests of one connection
_REQUEST_S = 10.0  # for one to arrive
_REQUEST_LINE = re.compile(r"(GET|POST|HEAD) (/[!-~]*) HTTP/1\.[01]")
_LENGTH = re.compile(r"[0-9]{1,6}")
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")
_WORDS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

LogRequest = Callable[[str], None]


class _Refused(Exception):
    """A request that gets an error status, after which the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WitnessServer:
    """
    Serve one witness. Call `start`, then `wait` until the task is cancelled.

    Args:
        log_request: Called with a line for each request that was answered.
    """

    def __init__(self, witness: WitnessService, log_request: LogRequest) -> None:
        self._witness = witness
        self._log_request = log_request
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port. Raises OSError: the address cannot be had."""
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=_MAX_HEAD, backlog=_MAX_CONNECTIONS
        )
        taken: int = self._server.sockets[0].getsockname()[1]
        return taken

    async def wait(self) -> None:
        """Serve until cancelled; what is being answered is answered."""
        if self._server is None:
            raise RuntimeError("it was not started")
        async with self._server:
            await self._server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open > _MAX_CONNECTIONS:
                _write(writer, WitnessResponse(status=503), keep=False)
                return
            while await self._one(reader, writer):
                await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            return  # it went away, or said nothing for long
        finally:
            self._open -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether there may be another."""
        try:
            async with asyncio.timeout(_IDLE_S):
                first = await reader.readline()
            if not first:
                return False
            async with asyncio.timeout(_REQUEST_S):
                method, path, headers = await _head(first, reader)
                body = await _body(reader, headers)
        except _Refused as refusal:
            _write(writer, WitnessResponse(status=refusal.status), keep=False)
            return False
        except ValueError:  # a line longer than the limit
            _write(writer, WitnessResponse(status=400), keep=False)
            return False
        answer = await asyncio.to_thread(self._answer, method, path, body)
        keep = headers.get("connection", "").lower() != "close"
        _write(writer, answer, keep=keep, head_only=method == "HEAD")
        return keep

    def _answer(self, method: str, path: str, body: bytes) -> WitnessResponse:
        try:
            if path == "/add-checkpoint":
                if method != "POST":
                    return WitnessResponse(status=405)
                answer = self._witness.add_checkpoint(body)
                self._log_request(f"add-checkpoint: {answer.status} {_WORDS[answer.status]}")
                return answer
            match = _CHECKPOINT.fullmatch(path)
            if match is None:
                return WitnessResponse(status=404)
            return (
                self._witness.checkpoint(match[1])
                if method != "POST"
                else WitnessResponse(status=405)
            )
        except SnapshotterError as error:
            self._log_request(f"{error.message}; {one_line(error.hint)}")
            return WitnessResponse(status=500)


async def _head(first: bytes, reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
    match = _REQUEST_LINE.fullmatch(first.decode("latin-1").rstrip("\r\n"))
    if match is None:
        raise _Refused(400)
    headers: dict[str, str] = {}
    total = len(first)
    while (line := await reader.readline()) not in (b"\r\n", b"\n"):
        total += len(line)
        name, colon, value = line.decode("latin-1").rstrip("\r\n").partition(":")
        if not line or not colon or total > _MAX_HEAD or name != name.strip():
            raise _Refused(400)
        if name.lower() in headers and name.lower() in ("content-length", "transfer-encoding"):
            raise _Refused(400)
        headers[name.lower()] = value.strip()
    return match[1], match[2], headers


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise _Refused(411)
    length = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(length):
        raise _Refused(400)
    if int(length) > MAX_REQUEST:
        raise _Refused(413)
    return await reader.readexactly(int(length))


def _write(
    writer: asyncio.StreamWriter, answer: WitnessResponse, *, keep: bool, head_only: bool = False
) -> None:
    head = (
        f"HTTP/1.1 {answer.status} {_WORDS[answer.status]}\r\n"
        f"Content-Type: {answer.media_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        "Cache-Control: no-store\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + (b"" if head_only else answer.body))
