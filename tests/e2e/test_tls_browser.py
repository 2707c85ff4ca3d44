"""What a real Chromium says over TLS is read from its bytes and its key log."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.capture.browser.binary import choose_browser
from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls.connection import TlsConnection
from snapshotter.formats.tls.handshake import Finished
from snapshotter.formats.tls.server_signature import TlsRecording, check, gather
from tests import tls
from tests.tls import Authority, Relay

pytestmark = pytest.mark.e2e
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PAGE = b"<!doctype html><p>hello</p><script>fetch('/more').then(() => fetch('/last'))</script>"


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGE if self.path == "/" else b"y" * 200_000
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    """HTTP/1.0 over TLS: a connection for each request, so that sessions are resumed."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    @override
    def handle_error(self, *_: object) -> None:
        """A browser leaves connections as it likes."""


Visit = Callable[..., list[TlsConnection]]


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[Visit]:
    """Open the page in a browser; return the connections that spoke, when they were read."""
    authority = Authority(tmp_path / "authority")
    servers: list[_Server] = []

    def visited(version: ssl.TLSVersion, kind: str, *, curve: str = "") -> list[TlsConnection]:
        context = tls.server_context(authority.server(kind), version=version)
        context.set_alpn_protocols(["http/1.1"])
        if curve:
            context.set_ecdh_curve(curve)
        server = _Server(context)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        binary, _ = choose_browser("shell", None)
        keys = tmp_path / "keys.log"
        with Relay(server.server_port) as relay:
            run = subprocess.run(
                [
                    *(str(binary.path), "--no-sandbox", "--ignore-certificate-errors"),
                    *(f"--ssl-key-log-file={keys}", f"--user-data-dir={tmp_path / 'profile'}"),
                    f"--host-resolver-rules=MAP {tls.HOST} 127.0.0.1:{relay.port}, MAP * ~NOTFOUND",
                    *("--virtual-time-budget=5000", "--dump-dom", f"https://{tls.HOST}/"),
                ],
                capture_output=True,
                timeout=90,
            )
        assert b"<p>hello</p>" in run.stdout, run.stderr.decode(errors="replace")[-2000:]
        read = [tls.read(chunks, keys.read_bytes()) for chunks in relay.connections]
        answers = [said[Direction.SERVER] for _, said in read if said[Direction.SERVER]]
        bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
        assert PAGE in bodies
        assert bodies.count(b"y" * 200_000) == 2
        for connection, said in read:
            if said[Direction.CLIENT]:
                assert connection.problem == ""
        spoke = [connection for connection, said in read if said[Direction.SERVER]]
        for handshake in (connection.handshake for connection in spoke):
            assert handshake is not None
            assert handshake.client_finished is handshake.server_finished is Finished.HOLDS
        return spoke

    yield visited
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_a_browsers_traffic_is_read_and_its_servers_signature_holds(
    visit: Visit, version: ssl.TLSVersion, kind: str
) -> None:
    connections = visit(version, kind)

    gathered = gather(
        TlsRecording(
            connection=number,
            host=tls.HOST,
            port=443,
            address="127.0.0.1",
            handshake=connection.handshake,
        )
        for number, connection in enumerate(connections, start=1)
    )

    assert gathered.unsigned == ()
    assert gathered.sessions
    assert [check(session) for session in gathered.sessions] == [""] * len(gathered.sessions)
    assert all(session.names_host and session.alpn == "http/1.1" for session in gathered.sessions)
    if version is V13:
        assert {session.group for session in gathered.sessions} == {"X25519MLKEM768"}
    # Each later connection resumes a session, and shows a ticket that an earlier one was given.
    resumed = [link for session in gathered.sessions for link in session.resumed]
    assert resumed
    assert {link.by for link in resumed} == {"ticket"}
    assert len(resumed) + len(gathered.sessions) == len(connections)


def test_a_browser_that_has_to_say_hello_again_is_read_as_well(visit: Visit) -> None:
    connections = visit(V13, "p256", curve="secp384r1")

    first = connections[0].handshake
    assert first is not None
    assert first.hello_retry
    assert first.group == "secp384r1"
    gathered = gather(
        [TlsRecording(connection=1, host=tls.HOST, port=443, address="", handshake=first)]
    )
    assert [check(session) for session in gathered.sessions] == [""]
