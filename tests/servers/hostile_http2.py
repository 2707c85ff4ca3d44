"""
HTTP/2 (RFC 9113) as a server that means harm speaks it, over connections that are there already.

Answers by path: `/bomb` (gzip, a gigabyte in a megabyte), `/endless` (as much as the windows
let through, for ever), `/pings` (a page, and a flood of PING frames that want an answer),
`/continuations` (a head that goes on without an end).
"""

import asyncio

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = 16_384  # bytes, the most that every client takes
_PIECE = b"<!-- " + b"more " * ((_FRAME - 8) // 5) + b"-->"
_PINGS = 200_000


class HostileHttp2:
    """
    One connection.

    Args:
        bomb: The body of `/bomb`.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, bomb: bytes
    ) -> None:
        self._reader, self._writer, self._bomb = reader, writer, bomb
        self._encoder, self._decoder = Encoder(), Decoder()
        self._block = b""
        self._windows: dict[int, int] = {0: 65_535}  # by stream; 0 is the connection's
        self._first_window = 65_535
        self._more_window = asyncio.Event()
        self._answers: set[asyncio.Task[None]] = set()
        self.asked: list[str] = []

    async def talk(self) -> None:
        """Answer until the client goes away."""
        await self._reader.readexactly(len(_PREFACE))
        self._put(SettingsFrame(0))
        try:
            while True:
                head = memoryview(await self._reader.readexactly(9))
                frame, length = Frame.parse_frame_header(head)
                frame.parse_body(memoryview(await self._reader.readexactly(length)))
                self._take(frame)
        finally:
            for answer in self._answers:
                answer.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                fields = dict(self._decoder.decode(self._block, raw=True))
                self._block = b""
                self.asked.append(fields[b":path"].decode("ascii"))
                self._windows[frame.stream_id] = self._first_window
                answer = asyncio.ensure_future(self._answer(frame.stream_id, self.asked[-1]))
                self._answers.add(answer)
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self._first_window = frame.settings.get(SettingsFrame.INITIAL_WINDOW_SIZE, 65_535)
            self._put(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, WindowUpdateFrame):
            number = frame.stream_id
            self._windows[number] = self._windows.get(number, 0) + frame.window_increment
            self._more_window.set()

    async def _answer(self, number: int, path: str) -> None:
        if path == "/continuations":
            self._put(HeadersFrame(number, self._encoder.encode([(":status", "200")])))
            block = self._encoder.encode([(f"x-{n}", "y" * 200) for n in range(60)])
            while True:
                self._put(ContinuationFrame(number, block))
                await self._writer.drain()
        coding = [("content-encoding", "gzip")] if path == "/bomb" else []
        fields = [(":status", "200"), ("content-type", "text/html"), *coding]
        flags = ["END_HEADERS"]
        self._put(HeadersFrame(number, self._encoder.encode(fields), flags=flags))
        if path == "/bomb":
            await self._data(number, self._bomb)
        elif path == "/endless":
            await self._data(number, b"<!doctype html><h1>endless</h1>")
            while True:
                await self._data(number, _PIECE)
        elif path == "/pings":
            await self._data(number, b"<!doctype html><h1>pings</h1>")
            for n in range(_PINGS):
                self._put(PingFrame(0, n.to_bytes(8, "big")))
                await self._writer.drain()
        self._put(DataFrame(number, b"", flags=["END_STREAM"]))

    async def _data(self, number: int, data: bytes) -> None:
        """Send DATA frames, as the windows allow."""
        at = 0
        while at < len(data):
            room = min(_FRAME, self._windows[0], self._windows[number], len(data) - at)
            if room <= 0:
                self._more_window.clear()
                await self._more_window.wait()
                continue
            for window in (0, number):
                self._windows[window] -= room
            self._put(DataFrame(number, data[at : at + room]))
            at += room
            await self._writer.drain()

    def _put(self, frame: Frame) -> None:
        self._writer.write(frame.serialize())
