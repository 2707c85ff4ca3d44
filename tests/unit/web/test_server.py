"""The server on a real socket: strange targets, slow clients, long headers, and its end."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from snapshotter import durable
from snapshotter.app.wiring.web import web_services
from snapshotter.cli import serve
from snapshotter.errors import SnapshotterError
from snapshotter.web import server
from snapshotter.web.console.static_files import static_path
from tests.webclient import console, console_settings

GOOD = "GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n"


class Running:
    """A server in this process."""

    def __init__(self, port: int, link_token: Callable[[], str]) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.link_token = link_token

    @contextlib.asynccontextmanager
    async def connection(
        self, **options: int
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self, request: str) -> str:
        """Send bytes, and return what comes until the server closes or waits for more."""
        async with self.connection() as (reader, writer):
            writer.write(request.format(host=self.host).encode("latin-1"))
            head = await reader.readuntil(b"\r\n\r\n")
            return head.decode("latin-1")


def run(tmp_path: Path, scenario: Callable[[Running], Awaitable[None]]) -> None:
    """Run a scenario against a server; both end with it."""
    settings = console_settings(tmp_path)

    async def both() -> None:
        begun = asyncio.Event()
        made = server.make_server(context, started=begun.set, link_wanted=lambda: None)
        task = asyncio.create_task(made.serve(sockets=[bound]))
        try:
            await asyncio.wait_for(begun.wait(), 30)
            running = Running(bound.getsockname()[1], context.sessions.make_link_token)
            await asyncio.wait_for(scenario(running), 60)
        finally:
            made.should_exit = True
            await task

    with (
        server.listen("127.0.0.1", 0) as bound,
        web_services(settings, show_message=lambda _: None) as services,
    ):
        context = server.make_context(settings, services, server.serve_rules(settings, bound))
        asyncio.run(both())


def test_a_target_that_is_not_a_path_is_refused(tmp_path: Path) -> None:
    async def scenario(site: Running) -> None:
        assert (await site.ask(GOOD)).startswith("HTTP/1.1 200")
        for request in (
            "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "GET http://{host}/health HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "GET https:/health HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
            "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            "GET /health HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        ):
            assert (await site.ask(request)).startswith("HTTP/1.1 400"), request

    run(tmp_path, scenario)


def test_a_request_with_two_lengths_is_refused(tmp_path: Path) -> None:
    async def scenario(site: Running) -> None:
        two = (
            "POST /login HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: none\r\n"
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        async with site.connection() as (reader, writer):
            writer.write((two + GOOD).format(host=site.host).encode())
            answer = await _rest(reader)
        assert answer.startswith(b"HTTP/1.1 400")
        assert answer.count(b"HTTP/1.1") == 1

    run(tmp_path, scenario)


def test_an_upgrade_to_a_websocket_is_answered_as_a_page(tmp_path: Path) -> None:
    request = (
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )

    async def scenario(site: Running) -> None:
        assert (await site.ask(request)).startswith("HTTP/1.1 401")

    run(tmp_path, scenario)


def test_headers_have_a_length_and_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEADERS_S", 0.2)

    async def scenario(site: Running) -> None:
        long = "GET /health HTTP/1.1\r\nHost: {host}\r\nX: " + "x" * 40_000 + "\r\n\r\n"
        assert (await site.ask(long)).startswith("HTTP/1.1 431")
        many = "GET /health HTTP/1.1\r\nHost: {host}\r\n" + "X: y\r\n" * 101 + "\r\n"
        assert (await site.ask(many)).startswith("HTTP/1.1 431")
        for begin in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: a\r\nX"):
            async with site.connection() as (reader, writer):
                writer.write(begin)
                assert await _rest(reader) == b"", begin
        async with site.connection() as (reader, writer):  # the second request is the slow one
            writer.write(GOOD.format(host=site.host).encode())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"GET /hea")
            assert b"HTTP/1.1" not in await _rest(reader)

    run(tmp_path, scenario)


def test_a_client_that_does_not_read_loses_its_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_READ_S", 0.2)

    path = static_path("console.css")

    async def scenario(site: Running) -> None:
        async with site.connection(limit=1024) as (_, writer):
            request = GOOD.format(host=site.host).replace("/health", path).encode()
            with pytest.raises(ConnectionError):
                await _ask_for_ever(writer, request)
        assert (await site.ask(GOOD)).startswith("HTTP/1.1 200")

    run(tmp_path, scenario)


def test_a_body_that_nobody_reads_ends_soon_after_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_UNREAD_S", 0.2)

    async def scenario(site: Running) -> None:
        head = f"POST /logout HTTP/1.1\r\nHost: {site.host}\r\n"
        for begin, piece in (
            ("Content-Length: 900000\r\n\r\n", b"x"),
            ("Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        ):
            async with site.connection() as (reader, writer):
                writer.write((head + begin).encode())
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 403")
                await asyncio.wait_for(_send_slowly(reader, writer, piece), 20)
        async with site.connection() as (reader, writer):  # a body that ends keeps its connection
            writer.write(f"{head}Content-Length: 2\r\n\r\nx".encode())
            await reader.readuntil(b"</html>")
            writer.write(b"x")
            await asyncio.sleep(0.4)
            writer.write(GOOD.format(host=site.host).encode())
            assert b"HTTP/1.1 200" in await reader.readuntil(b"\r\n\r\n")

    run(tmp_path, scenario)


def test_an_answer_does_not_wait_until_its_headers_are_acknowledged() -> None:
    with server.listen("127.0.0.1", 0) as bound:
        # asyncio sets TCP_NODELAY on connections of this protocol only.
        assert bound.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::", "10.0.0.1", "a.org", ""])  # noqa: S104
def test_only_loopback_is_listened_at(address: str) -> None:
    with pytest.raises(SnapshotterError, match=r"machine|IP address"):
        server.listen(address, 0)


def test_the_public_origin_comes_from_the_settings(tmp_path: Path) -> None:
    settings = console_settings(
        tmp_path, serve_origin="https://Console.example:443", serve_hosts=["127.0.0.1:9000"]
    )
    with server.listen("127.0.0.1", 0) as bound:
        port = bound.getsockname()[1]
        rules = server.serve_rules(settings, bound)

    assert rules.origin == "https://console.example"
    assert rules.hosts == {
        f"127.0.0.1:{port}", f"localhost:{port}", "127.0.0.1:9000", "console.example",
    }  # fmt: skip


@pytest.mark.parametrize(
    "origin",
    ["console.example", "ftp://a", "https://a/b", "https://u@a", "https://a:x", "https://"],
)
def test_an_origin_that_is_none_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(SnapshotterError, match="serve_origin"):
        console_settings(tmp_path, serve_origin=origin)


async def _ask_for_ever(writer: asyncio.StreamWriter, request: bytes) -> None:
    while True:
        writer.write(request * 50)
        await writer.drain()


async def _send_slowly(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: bytes
) -> None:
    """Send a piece again and again until the connection ends."""
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""


def test_a_link_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill_disk(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with console(console_settings(tmp_path)) as site:
        monkeypatch.setattr(durable, "write", fill_disk)
        serve._print_link(site.context)

    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be written: No space left on device" in err
