"""Through a proxy of somebody else: nothing goes past it, and nobody learns its password."""

import base64
import contextlib
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.egress import tee
from snapshotter.egress.fetch import fetch
from snapshotter.egress.rules import EgressRules, parse_upstream
from tests.bundles import RealClock
from tests.servers.tcp import Server, read_all, read_until
from tests.unit.egress.parts import Names, client, connect, ended, guarding, rules, tunnel

SECRET = "pass%3Aword"  # "pass:word"
ENCODED = base64.b64encode(b"user:pass:word")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


def tells_nothing(shown: str) -> bool:
    return not any(text in shown for text in ("pass:word", SECRET, "user:", ENCODED.decode()))


def splice(left: socket.socket, right: socket.socket) -> None:
    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    other = threading.Thread(target=pump, args=(right, left), daemon=True)
    other.start()
    pump(left, right)
    other.join(20)


class HttpProxy:
    """An HTTP proxy that sends everybody to one server, and keeps the heads it got."""

    def __init__(self, target: int, answer: bytes = b"HTTP/1.1 200 Fine\r\nVia: x\r\n\r\n") -> None:
        self.target = target
        self.answer = answer
        self.heads: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        head = read_until(peer)
        self.heads.append(head)
        peer.sendall(self.answer)
        if head.startswith(b"CONNECT") and self.answer.startswith(b"HTTP/1.1 200"):
            with socket.create_connection(("127.0.0.1", self.target), timeout=20) as server:
                splice(peer, server)


class SocksProxy:
    """A SOCKS5 proxy that sends everybody to one server, and keeps what it was asked."""

    def __init__(
        self,
        target: int,
        *,
        method: int = 0,
        good: bool = True,
        reply: int = 0,
        leaves_from: str = "127.0.0.1",
    ) -> None:
        self.target, self.method, self.good, self.reply = target, method, good, reply
        self.leaves_from = leaves_from
        self.asked: list[tuple[int, bytes, int]] = []
        self.credentials: list[tuple[bytes, bytes]] = []
        self.methods = b""

    def __call__(self, peer: socket.socket) -> None:
        assert take(peer, 1) == b"\5"
        self.methods = take(peer, take(peer, 1)[0])
        peer.sendall(bytes([5, self.method]))
        if self.method == 2:
            assert take(peer, 1) == b"\1"
            user = take(peer, take(peer, 1)[0])
            self.credentials.append((user, take(peer, take(peer, 1)[0])))
            peer.sendall(bytes([1, 0 if self.good else 1]))
            if not self.good:
                return
        version, command, _, kind = take(peer, 4)
        assert (version, command) == (5, 1)
        length = {1: 4, 4: 16}.get(kind) or take(peer, 1)[0]
        host = take(peer, length)
        self.asked.append((kind, host, int.from_bytes(take(peer, 2), "big")))
        # the address that it used, in pieces and of the longest kind
        for byte in bytes([5, self.reply, 0, 3, 9]) + b"somewhere" + b"\0\7":
            peer.sendall(bytes([byte]))
        if self.reply == 0:
            to, source = ("127.0.0.1", self.target), (self.leaves_from, 0)
            with socket.create_connection(to, timeout=20, source_address=source) as server:
                splice(peer, server)


def take(peer: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        data = peer.recv(count - len(got))
        if not data:
            raise ConnectionError("the guard went away")
        got += data
    return got


@pytest.mark.skipif(sys.platform != "linux", reason="loopback has one address there")
def test_two_ways_to_a_host_are_seen_from_two_places() -> None:
    """What a second vantage rests on: a host that shows a page to one of them alone."""
    seen: list[str] = []

    def site(peer: socket.socket) -> None:
        read_until(peer)
        seen.append(peer.getpeername()[0])
        word = b"451 Gone" if seen[-1] == "127.0.0.2" else b"200 OK"
        peer.sendall(b"HTTP/1.1 " + word + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    with (
        Server(site) as server,
        Server(SocksProxy(server.port, leaves_from="127.0.0.2")) as here,
        Server(SocksProxy(server.port, leaves_from="127.0.0.3")) as abroad,
    ):
        found = [
            fetch(
                f"http://127.0.0.1:{server.port}/page",
                rules=rules(upstream=f"socks5://127.0.0.1:{way.port}"),
                clock=RealClock(),
                purpose="list",
                user_agent="tests",
                limit=1000,
                timeout_s=20,
            ).status
            for way in (here, abroad)
        ]

    assert (found, seen) == ([451, 200], ["127.0.0.2", "127.0.0.3"])


def test_a_tunnel_through_an_http_proxy_names_the_host_and_resolves_nothing() -> None:
    with Server(echo) as server, Server(proxy := HttpProxy(server.port)) as upstream:
        names = Names()
        given = rules(upstream=f"http://user:{SECRET}@127.0.0.1:{upstream.port}", allowed=())
        with guarding(given, names=names) as (guard, port):
            with tunnel(port, "Site.Example.:443") as sock:
                sock.sendall(b"ping")
                assert sock.recv(4) == b"ping"
            connection = ended(guard, 1)
    assert proxy.heads == [
        b"CONNECT site.example:443 HTTP/1.1\r\nHost: site.example:443\r\n"
        b"Proxy-Authorization: Basic " + ENCODED + b"\r\n\r\n"
    ]
    assert names.asked == []
    assert (connection.via, connection.address, connection.answers) == ("http-proxy", "", ())
    assert (connection.bytes_sent, connection.bytes_received) == (4, 4)


def test_what_the_server_says_first_comes_behind_the_proxys_answer() -> None:
    def welcome(peer: socket.socket) -> None:
        read_until(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nwelcome")

    with Server(welcome) as upstream:
        given = rules(upstream=f"http://127.0.0.1:{upstream.port}")
        with guarding(given) as (_, port), tunnel(port, "site.example:25") as sock:
            assert read_all(sock) == b"welcome"


def test_a_plain_request_goes_to_an_http_proxy_in_absolute_form(tmp_path: Path) -> None:
    proxy = HttpProxy(0, answer=OK)
    with Server(proxy) as upstream:
        given = rules(upstream=f"http://user:{SECRET}@127.0.0.1:{upstream.port}", allowed=())
        with guarding(given, tee=tmp_path) as (guard, port), client(port) as sock:
            sock.sendall(
                b"GET http://site.example/a HTTP/1.1\r\nHost: site.example\r\nX: y\r\n"
                b"Proxy-Authorization: from-the-browser\r\n\r\n"
            )
            assert read_until(sock, b"hello") == OK
            sock.close()
            ended(guard, 1)
            path = guard.tee_file(1)
            assert path is not None
            kept = b"".join(chunk.data for chunk in tee.read(path))
    assert proxy.heads == [
        b"GET http://site.example/a HTTP/1.1\r\nHost: site.example\r\nX: y\r\n"
        b"Proxy-Authorization: Basic " + ENCODED + b"\r\n\r\n"
    ]
    assert kept == b"GET /a HTTP/1.1\r\nHost: site.example\r\nX: y\r\n\r\n" + OK


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_the_proxys_wish_for_a_password_never_passes_for_the_sites(piece: int) -> None:
    answer = b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nfake!"

    def wish(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        read_until(peer)
        for start in range(0, len(answer), piece):
            peer.sendall(answer[start : start + piece])

    with Server(wish) as upstream:
        given = rules(upstream=f"http://127.0.0.1:{upstream.port}")
        with guarding(given) as (guard, port), client(port) as sock:
            sock.sendall(b"GET http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert read_all(sock) == b""
            connection = ended(guard, 1)
    assert connection.error == "proxy-authentication"
    assert connection.bytes_received == 0


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (b"HTTP/1.1 407 Who\r\nContent-Length: 4\r\n\r\nfake", "proxy-authentication"),
        (b"HTTP/1.1 403 No\r\n\r\n<html>fake", "proxy-refused"),
        (b"HTTP/1.1 503 No\r\n\r\n", "proxy-refused"),
        (b"HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n", "proxy-refused"),
        (b"nonsense\r\n\r\n", "proxy-failed"),
        (b"HTTP/1.1 200 OK\r\n", "proxy-failed"),
        (b"", "proxy-failed"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000, "proxy-failed"),
    ],
)
def test_an_http_proxy_that_says_no_is_an_error_without_its_page(answer: bytes, word: str) -> None:
    with Server(HttpProxy(0, answer)) as upstream:
        given = rules(upstream=f"http://user:{SECRET}@127.0.0.1:{upstream.port}")
        with guarding(given) as (guard, port), client(port) as sock:
            assert connect(sock, "site.example:443").startswith(b"HTTP/1.1 502 ")
            assert read_all(sock) == b""
            connection = ended(guard, 1)
    assert connection.error == word
    assert tells_nothing(repr(connection))


@pytest.mark.parametrize(
    ("host", "kind", "packed"),
    [
        ("site.example", 3, b"site.example"),
        ("1.1.1.1", 1, b"\1\1\1\1"),
        ("0x1010101", 1, b"\1\1\1\1"),
        ("[2606:4700::1]", 4, bytes.fromhex("26064700000000000000000000000001")),
        ("hidden.onion", 3, b"hidden.onion"),
    ],
)
def test_a_socks_proxy_gets_names_and_addresses_as_they_are(
    host: str, kind: int, packed: bytes
) -> None:
    with Server(echo) as server, Server(proxy := SocksProxy(server.port)) as upstream:
        names = Names()
        given = rules(upstream=f"socks5://127.0.0.1:{upstream.port}", allowed=())
        with guarding(given, names=names) as (guard, port):
            with tunnel(port, f"{host}:443") as sock:
                sock.sendall(b"ping")
                assert sock.recv(4) == b"ping"
            assert ended(guard, 1).via == "socks5-proxy"
    assert proxy.asked == [(kind, packed, 443)]
    assert proxy.methods == b"\0"
    assert names.asked == []


def test_a_plain_request_through_socks_is_in_origin_form() -> None:
    heads: list[bytes] = []

    def site(peer: socket.socket) -> None:
        heads.append(read_until(peer))
        peer.sendall(OK)

    with Server(site) as server, Server(SocksProxy(server.port)) as upstream:
        given = rules(upstream=f"socks5h://127.0.0.1:{upstream.port}")
        with guarding(given) as (_, port), client(port) as sock:
            sock.sendall(b"GET http://site.example/ HTTP/1.1\r\nHost: site.example\r\n\r\n")
            assert read_until(sock, b"hello") == OK
    assert heads == [b"GET / HTTP/1.1\r\nHost: site.example\r\n\r\n"]


def test_a_socks_proxy_gets_user_and_password_when_it_wants_them() -> None:
    with Server(echo) as server, Server(proxy := SocksProxy(server.port, method=2)) as upstream:
        given = rules(upstream=f"socks5://us%20er:{SECRET}@127.0.0.1:{upstream.port}")
        with guarding(given) as (_, port):
            tunnel(port, "site.example:443").close()
    assert proxy.credentials == [(b"us er", b"pass:word")]
    assert proxy.methods == b"\0\2"


@pytest.mark.parametrize(
    ("proxy", "word"),
    [
        (SocksProxy(0, method=2, good=False), "proxy-authentication"),
        (SocksProxy(0, method=255), "proxy-authentication"),
        (SocksProxy(0, reply=1), "proxy-failed"),
        (SocksProxy(0, reply=2), "proxy-refused"),
        (SocksProxy(0, reply=4), "unreachable"),
        (SocksProxy(0, reply=5), "refused"),
        (SocksProxy(0, reply=6), "timeout"),
        (SocksProxy(0, reply=99), "proxy-failed"),
        (lambda peer: peer.sendall(b"HTTP/1.1 400 Bad\r\n\r\n"), "proxy-failed"),
        (lambda peer: None, "proxy-failed"),
    ],
)
def test_a_socks_proxy_that_says_no_is_an_error(
    proxy: Callable[[socket.socket], None], word: str
) -> None:
    with Server(proxy) as upstream:
        given = rules(upstream=f"socks5://user:{SECRET}@127.0.0.1:{upstream.port}")
        with guarding(given) as (guard, port), client(port) as sock:
            assert connect(sock, "site.example:443").startswith(b"HTTP/1.1 502 ")
            connection = ended(guard, 1)
    assert connection.error == word
    assert tells_nothing(repr(connection))
    assert str(upstream.port) not in connection.detail


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_is_gone_is_never_gone_around(scheme: str) -> None:
    """Fail closed: the name has an address that could be reached, and is not."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    names = Names().put("site.example", ("127.0.0.1",))
    with Server(echo) as server:
        given = rules(upstream=f"{scheme}://127.0.0.1:{free}")
        with guarding(given, names=names) as (guard, port):
            with client(port) as sock:
                assert connect(sock, f"site.example:{server.port}").startswith(b"HTTP/1.1 502 ")
            with client(port) as sock:
                target = f"site.example:{server.port}"
                sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
                assert read_all(sock) == b""
            gone = [ended(guard, number) for number in (1, 2)]
        assert [connection.error for connection in gone] == ["proxy-unreachable"] * 2
        # The record of the capture is sealed, and the address of a proxy may name a person.
        assert str(free) not in repr(gone)
        assert "the proxy cannot be reached (refused)" in repr(gone)
        assert server.accepted == 0
        assert names.asked == []


def silent(peer: socket.socket) -> None:
    while peer.recv(1000):
        pass


def test_a_proxy_that_never_answers_costs_its_limit() -> None:
    with Server(silent) as upstream:
        given = rules(upstream=f"http://127.0.0.1:{upstream.port}", connect_s=0.1)
        with guarding(given) as (guard, port), client(port) as sock:
            assert connect(sock, "site.example:443").startswith(b"HTTP/1.1 502 ")
            assert ended(guard, 1).error == "timeout"


@pytest.mark.parametrize(
    ("authority", "word"),
    [
        ("127.0.0.1:80", "loopback"),
        ("2130706433:80", "loopback"),
        ("localhost:80", "loopback"),
        ("169.254.169.254:80", "metadata"),
        ("[::ffff:10.0.0.1]:80", "private"),
        ("router:80", "inside-name"),
        ("printer.local:80", "inside-name"),
        ("metadata.google.internal:80", "inside-name"),
        ("hidden.onion:80", "onion"),
    ],
)
def test_a_proxy_is_not_asked_for_what_is_forbidden(authority: str, word: str) -> None:
    with Server(HttpProxy(0)) as upstream:
        given = rules(upstream=f"http://127.0.0.1:{upstream.port}", allowed=())
        with guarding(given) as (guard, port), client(port) as sock:
            assert connect(sock, authority).startswith(b"HTTP/1.1 403 ")
            assert ended(guard, 1).refusal == word
        assert upstream.accepted == 0


def test_an_upstream_is_shown_without_its_password() -> None:
    given = EgressRules(total_bytes=1, upstream="http://user:SECRET@proxy.example:3128")
    proxy = given.proxy()

    assert proxy is not None
    assert (proxy.user, proxy.password) == ("user", "SECRET")
    for shown in (repr(given), repr(proxy), str(proxy)):
        assert "SECRET" not in shown
    assert str(proxy) == "http-proxy proxy.example:3128"
    assert parse_upstream("tor").via == "tor"
    assert parse_upstream("tor").port == 9050


@pytest.mark.parametrize(
    "url",
    [
        "ftp://SECRET@a:1", "https://SECRET@a:1", "SECRET", "http://SECRET@a", "socks5://:1",
        "http://SECRET@a:1/path", "http://SECRET@a:1?q", "http://SECRET@a:99999",
        "http://SECRET@a:x", "socks4://SECRET@a:1", "http://SECRET@a:1#f", "tor://a:1",
        "http://us%3Aer:SECRET@a:1", "http://SECRET x@a:1", "http://SECRET@[::1:1",
        f"socks5://{'u' * 256}:SECRET@a:1",
    ],
)  # fmt: skip
def test_an_upstream_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"upstream|user name") as caught:
        parse_upstream(url)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"allowed": ("10.0.0.1/8",)}, {"allowed": ("nowhere",)}, {"total_bytes": 0},
        {"connections": 0}, {"per_host": 0}, {"connect_s": 0}, {"idle_s": -1},
        {"upstream": "ftp://a:1"},
    ],
)  # fmt: skip
def test_rules_that_mean_nothing_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        rules(**change)
