"""The guard, over real sockets: what it connects, refuses, passes on, counts and writes down."""

import asyncio
import contextlib
import gc
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.egress import tee
from snapshotter.egress.errors import EgressFailed, EgressRefused
from snapshotter.egress.guard import EgressGuard
from snapshotter.formats.http.events import Direction
from tests.bundles import RealClock
from tests.servers.tcp import Server, read_all, read_until
from tests.unit.egress.parts import (
    Names,
    client,
    connect,
    ended,
    guard_threads,
    guarding,
    rules,
    tunnel,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def echo(peer: socket.socket) -> None:
    while data := peer.recv(65536):
        peer.sendall(data)


class Site:
    """Talks HTTP: keeps the heads it got, and answers each with the next answer."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.heads: list[bytes] = []

    def __call__(self, peer: socket.socket) -> None:
        while head := read_until(peer):
            self.heads.append(head)
            peer.sendall(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def sides(path: Path | None) -> tuple[bytes, bytes]:
    """Return what a tee file says that the client and the server sent."""
    assert path is not None
    chunks = list(tee.read(path))
    return (
        b"".join(chunk.data for chunk in chunks if chunk.direction is Direction.CLIENT),
        b"".join(chunk.data for chunk in chunks if chunk.direction is Direction.SERVER),
    )


def test_a_tunnel_passes_bytes_both_ways_and_keeps_them(tmp_path: Path) -> None:
    names = Names().put("site.example", ("127.0.0.1",))
    with Server(echo) as server, guarding(names=names, tee=tmp_path) as (guard, port):
        with tunnel(port, f"site.example:{server.port}") as sock:
            sock.sendall(b"ping")
            assert sock.recv(100) == b"ping"
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b""
        connection = ended(guard, 1)

    assert (connection.kind, connection.host, connection.port) == (
        "tunnel", "site.example", server.port,
    )  # fmt: skip
    assert (connection.answers, connection.address) == (("127.0.0.1",), "127.0.0.1")
    assert (connection.via, connection.purpose) == ("direct", "page")
    assert (connection.bytes_sent, connection.bytes_received) == (4, 4)
    assert (connection.refusal, connection.error, connection.ended_by) == ("", "", "client")
    assert connection.connected_at is not None
    assert connection.ended_at is not None
    assert connection.asked_at <= connection.connected_at <= connection.ended_at
    assert sides(guard.tee_file(1)) == (b"ping", b"ping")
    assert guard.total_bytes == 8
    assert guard.open_connections == 0


def test_a_server_that_speaks_first_is_heard_after_the_answer_to_connect() -> None:
    with (
        Server(lambda peer: peer.sendall(b"220 welcome\r\n")) as server,
        guarding() as (_, port),
        client(port) as sock,
    ):
        assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 200 ")
        assert read_all(sock) == b"220 welcome\r\n"


def test_what_follows_a_connect_at_once_reaches_the_server() -> None:
    with Server(echo) as server, guarding() as (_, port), client(port) as sock:
        head = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        sock.sendall(head + b"early")
        read_until(sock)
        assert sock.recv(100) == b"early"


def test_one_direction_may_end_before_the_other() -> None:
    def answer_at_the_end(peer: socket.socket) -> None:
        peer.sendall(b"got " + read_all(peer))

    with Server(answer_at_the_end) as server, guarding() as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            sock.sendall(b"all of it")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"got all of it"
        assert ended(guard, 1).ended_by == "client"


def test_a_client_may_go_on_when_the_server_has_said_all() -> None:
    got: list[bytes] = []

    def say_and_listen(peer: socket.socket) -> None:
        peer.sendall(b"done")
        peer.shutdown(socket.SHUT_WR)
        got.append(read_all(peer))

    with Server(say_and_listen) as server, guarding() as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            assert read_all(sock) == b"done"
            sock.sendall(b"still here")
        assert ended(guard, 1).ended_by == "server"
    assert got == [b"still here"]


@pytest.mark.parametrize(
    ("authority", "word"),
    [
        ("127.0.0.1", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("%31%32%37.0.0.1", "loopback"),
        ("１２７.0.0.1", "loopback"),
        ("[::1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("localhost", "loopback"),
        ("LOCALHOST.", "loopback"),
        ("a.localhost", "loopback"),
        ("169.254.169.254", "metadata"),
        ("10.0.0.1", "private"),
        ("[fe80::1%25lo]", "zone"),
        ("inside.example", "loopback"),
        ("half.example", "loopback"),
        ("mapped.example", "loopback"),
        ("a..b", "malformed"),
        ("hidden.onion", "onion"),
    ],
)
def test_a_forbidden_destination_sees_no_connection(authority: str, word: str) -> None:
    names = (
        Names()
        .put("inside.example", ("127.0.0.1",))
        .put("half.example", ("93.184.215.14", "127.0.0.1"))
        .put("mapped.example", ("::ffff:127.0.0.1",))
    )
    with Server(echo) as server, guarding(rules(allowed=()), names=names) as (guard, port):
        with client(port) as sock:
            answer = connect(sock, f"{authority}:{server.port}")
            assert answer.startswith(b"HTTP/1.1 403 ")
            assert read_all(sock) == b""
        with client(port) as sock:
            target = f"{authority}:{server.port}"
            sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert read_all(sock) == b""
        refused = [ended(guard, 1), ended(guard, 2)]
        assert server.accepted == 0

    assert [connection.refusal for connection in refused] == [word, word]
    assert [connection.kind for connection in refused] == ["tunnel", "http"]
    assert [connection.address for connection in refused] == ["", ""]
    assert refused[0].detail


@pytest.mark.parametrize("host", ["ads.example", "a.b.ads.net", "127.0.0.1", "ADS.example."])
def test_a_host_that_the_policy_blocks_is_not_even_resolved(host: str) -> None:
    names = Names().put("ads.example", ("127.0.0.1",)).put("a.b.ads.net", ("127.0.0.1",))
    given = rules(blocked=("ads.example", "*.ads.net", "127.0.0.1"))
    with Server(echo) as server, guarding(given, names=names) as (guard, port):
        with client(port) as sock:
            assert connect(sock, f"{host}:{server.port}").startswith(b"HTTP/1.1 403 ")
        refused = ended(guard, 1)
        assert server.accepted == 0

    assert (refused.refusal, names.asked) == ("policy", [])
    assert "the policy blocks the host " in refused.detail


def test_a_host_that_only_looks_like_a_blocked_one_is_asked() -> None:
    names = Names().put("ads.example.org", ("127.0.0.1",)).put("ads.net", ("127.0.0.1",))
    given = rules(blocked=("ads.example", "*.ads.net"))
    with Server(echo) as server, guarding(given, names=names) as (_, port):
        for host in ("ads.example.org", "ads.net"):
            with client(port) as sock:
                assert connect(sock, f"{host}:{server.port}").startswith(b"HTTP/1.1 200 ")


def test_a_name_that_changes_its_address_is_asked_once_and_that_answer_is_used() -> None:
    """DNS rebinding: the second answer would be the forbidden one."""
    names = Names().put("rebind.example", ("127.0.0.2",), ("127.0.0.1",))
    with (
        Server(echo, host="127.0.0.1") as forbidden,
        guarding(rules(allowed=("127.0.0.2/32",), connect_s=1), names=names) as (guard, port),
        client(port) as sock,
    ):
        connect(sock, f"rebind.example:{forbidden.port}")
        assert ended(guard, 1).answers == ("127.0.0.2",)
        assert names.asked == ["rebind.example"]
        with client(port) as again:
            assert connect(again, f"rebind.example:{forbidden.port}").startswith(b"HTTP/1.1 403")
        assert forbidden.accepted == 0


def test_what_a_browser_asks_for_by_itself_before_the_page_goes_nowhere_and_is_named() -> None:
    names = Names()
    with Server(Site(OK)) as server, guarding(names=names, awaits_page=True) as opened:
        guard, port = opened
        with client(port) as tunnel:
            assert connect(tunnel, "update.example:443").startswith(b"HTTP/1.1 403")
        with client(port) as plain:
            plain.sendall(b"GET http://update.example/ HTTP/1.1\r\nHost: update.example\r\n\r\n")
            assert plain.recv(100) == b""
        guard.allow_connections()
        with client(port) as page:
            assert connect(page, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 200")

        found = [(connection.purpose, connection.refusal) for connection in guard.connections()]
        assert found == [("browser", "before-page")] * 2 + [("page", "")]
        assert names.asked == []


def test_why_tells_what_became_of_a_host() -> None:
    with guarding(rules(allowed=())) as (guard, port), client(port) as sock:
        connect(sock, "10.0.0.1:443")

        found = guard.why("10.0.0.1", 443)
        assert found is not None
        assert found.refusal == "private"
        assert guard.why("10.0.0.1", 80) is None
        assert guard.why("10.0.0.2", 443) is None


def test_a_name_nobody_knows_is_an_error_and_not_a_refusal() -> None:
    with guarding() as (guard, port), client(port) as sock:
        assert connect(sock, "nowhere.example:443").startswith(b"HTTP/1.1 502 ")
        assert ended(guard, 1).error == "dns"
        assert ended(guard, 1).refusal == ""


def test_a_resolver_that_never_answers_costs_its_limit() -> None:
    names = Names()
    names.silent = True
    with guarding(rules(resolve_s=0.05), names=names) as (guard, port), client(port) as sock:
        assert connect(sock, "slow.example:443").startswith(b"HTTP/1.1 502 ")
        assert ended(guard, 1).error == "dns-timeout"


def test_a_resolver_with_a_bug_is_an_error_and_nobody_waits() -> None:
    names = Names().put("odd.example", ("not an address",))
    names.table["bug.example"] = [7]  # type: ignore[list-item]
    with guarding(names=names) as (guard, port):
        for number, name in enumerate(("odd.example", "bug.example"), start=1):
            with client(port) as sock:
                connect(sock, f"{name}:443")
                assert ended(guard, number).refusal + ended(guard, number).error
                assert ended(guard, number).address == ""


def test_a_port_where_nobody_listens_is_refused_by_the_system() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = taken.getsockname()[1]
    with guarding() as (guard, port), client(port) as sock:
        assert connect(sock, f"127.0.0.1:{free}").startswith(b"HTTP/1.1 502 ")
        assert ended(guard, 1).error == "refused"


def test_addresses_are_tried_one_after_another() -> None:
    names = Names().put("two.example", ("127.0.0.3", "127.0.0.1"))
    with Server(echo) as server, guarding(names=names) as (guard, port):
        tunnel(port, f"two.example:{server.port}").close()
        connection = ended(guard, 1)
    assert connection.address == "127.0.0.1"
    assert connection.answers == ("127.0.0.3", "127.0.0.1")


def test_localhost_is_opened_by_opening_one_of_its_addresses() -> None:
    with Server(echo) as server, guarding() as (guard, port):
        tunnel(port, f"localhost:{server.port}").close()
        assert ended(guard, 1).address == "127.0.0.1"


def test_a_plain_request_goes_on_in_origin_form_and_otherwise_as_it_was(tmp_path: Path) -> None:
    site = Site(OK)
    with Server(site) as server, guarding(tee=tmp_path) as (guard, port), client(port) as sock:
        authority = f"127.0.0.1:{server.port}"
        sock.sendall(
            f"GET http://{authority}/a?b=%20c HTTP/1.1\r\nHost: {authority}\r\n"
            "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic secret\r\n"
            "X-Odd:   two  blanks \r\naccept: */*\r\n\r\n".encode()
        )
        assert read_until(sock, b"hello") == OK
        sock.close()
        connection = ended(guard, 1)

    expected = (
        f"GET /a?b=%20c HTTP/1.1\r\nHost: {authority}\r\n"
        "X-Odd:   two  blanks \r\naccept: */*\r\n\r\n"
    ).encode()
    assert site.heads == [expected]
    assert sides(guard.tee_file(1)) == (expected, OK)
    assert connection.kind == "http"
    assert (connection.bytes_sent, connection.bytes_received) == (len(expected), len(OK))


def test_a_connection_is_kept_for_the_next_request_to_the_same_host() -> None:
    site = Site(
        OK,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n0\r\nT: v\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        OK,
    )
    with Server(site) as server, guarding() as (guard, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        request = f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
        for mark in (b"hello", b"T: v\r\n\r\n", b"5\r\n\r\n", b"hello"):
            sock.sendall(request)
            assert read_until(sock, mark).endswith(mark)
        assert server.accepted == 1
        assert len(guard.connections()) == 1


def test_requests_sent_ahead_wait_for_the_answer_before_them() -> None:
    seen: list[bytes] = []

    def one_at_a_time(peer: socket.socket) -> None:
        for _ in range(3):
            seen.append(read_until(peer))
            peer.settimeout(0.2)
            with pytest.raises(TimeoutError):
                peer.recv(1)
            peer.settimeout(20)
            peer.sendall(OK)

    with Server(one_at_a_time) as server, guarding() as (_, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode() * 3)
        for _ in range(3):
            assert read_until(sock, b"hello") == OK
    assert len(seen) == 3


def test_another_host_on_the_same_connection_is_another_connection_to_it() -> None:
    first, second = Site(OK), Site(OK.replace(b"hello", b"other"))
    with (
        Server(first) as one, Server(second) as two, guarding() as (guard, port),
        client(port) as sock,
    ):  # fmt: skip
        for server, mark in ((one, b"hello"), (two, b"other"), (one, b"hello")):
            target = f"127.0.0.1:{server.port}"
            sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert read_until(sock, mark).endswith(mark)
        assert [connection.port for connection in guard.connections()] == [
            one.port,
            two.port,
            one.port,
        ]


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    def until_close(peer: socket.socket) -> None:
        read_until(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nas long as it takes")

    with Server(until_close) as server, guarding() as (guard, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert read_all(sock).endswith(b"as long as it takes")
        assert ended(guard, 1).ended_by == "server"


@pytest.mark.parametrize(
    "head",
    [
        b"Transfer-Encoding: chunked\r\nContent-Length: 15",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_request_behind_an_answer_that_only_the_browser_saw_end_is_not_held_up(
    head: bytes,
) -> None:
    answer = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    with Server(Site(answer)) as server, guarding() as (guard, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        for _ in range(2):
            sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
            assert read_until(sock, b"0\r\n\r\n") == answer
        assert server.accepted == 2
        assert [connection.error for connection in guard.connections()] == ["", ""]


def test_a_request_body_goes_on_as_it_is_framed() -> None:
    bodies: list[bytes] = []

    def take(peer: socket.socket) -> None:
        for mark in (b"abcde", b"0\r\n\r\n"):
            read_until(peer)
            bodies.append(read_until(peer, mark))
            peer.sendall(OK)

    with Server(take) as server, guarding() as (_, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        start = f"POST http://{target}/ HTTP/1.1\r\nHost: {target}\r\n".encode()
        sock.sendall(start + b"Content-Length: 5\r\n\r\nab")
        sock.sendall(b"cde")
        assert read_until(sock, b"hello") == OK
        sock.sendall(start + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert read_until(sock, b"hello") == OK
    assert bodies == [b"abcde", b"3\r\nabc\r\n0\r\n\r\n"]


def test_a_plain_connection_may_be_upgraded() -> None:
    def switch(peer: socket.socket) -> None:
        read_until(peer)
        peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\nfirst")
        echo(peer)

    with Server(switch) as server, guarding() as (_, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        sock.sendall(
            f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\n\r\n".encode()
        )
        assert read_until(sock, b"first").endswith(b"first")
        sock.sendall(b"frame")
        assert sock.recv(100) == b"frame"


SMUGGLED = [
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: 5, 5\r\n\r\nxxxxx",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: +5\r\n\r\nxxxxx",
    b"POST http://H/ HTTP/1.1\r\nHost: H\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"POST http://H/ HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"POST http://H/ HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"POST http://H/ HTTP/1.1\r\nHost: H\r\nTransfer-Encoding : chunked\r\n\r\n",
    b"POST http://H/ HTTP/1.0\r\nHost: H\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\n folded: yes\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nX: a\nContent-Length: 5\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nX: a\rY: b\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nX: a\x00b\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: other.example\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\nHost: H\r\nHost: H\r\n\r\n",
    b"GET http://H/ HTTP/1.1\r\n\r\n",
    b"GET  http://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
    b"GET http://H/ HTTP/2.0\r\nHost: H\r\n\r\n",
    b"GET http://H/\r\nHost: H\r\n\r\n",
    b"GET /origin HTTP/1.1\r\nHost: H\r\n\r\n",
    b"GET https://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
    b"GET ftp://H/ HTTP/1.1\r\nHost: H\r\n\r\n",
    b"GET http://user@H/ HTTP/1.1\r\nHost: H\r\n\r\n",
    b"GET http://H/#x HTTP/1.1\r\nHost: H\r\n\r\n",
    b"CONNECT H:0 HTTP/1.1\r\n\r\n",
    b"CONNECT 127.0.0.1 HTTP/1.1\r\n\r\n",
    b"CONNECT 127.0.0.1:99999 HTTP/1.1\r\n\r\n",
    b"CONNECT user@127.0.0.1:80 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
]


@pytest.mark.parametrize("request_bytes", SMUGGLED)
def test_a_request_that_can_be_read_in_two_ways_goes_nowhere(request_bytes: bytes) -> None:
    with Server(Site(OK)) as server, guarding() as (guard, port), client(port) as sock:
        sock.sendall(request_bytes.replace(b"H/", b"127.0.0.1:%d/" % server.port).replace(
            b"Host: H\r\n", b"Host: 127.0.0.1:%d\r\n" % server.port
        ))  # fmt: skip
        with contextlib.suppress(ConnectionResetError):
            assert read_all(sock) == b""
        assert ended(guard, 1).refusal == "malformed-request"
        assert server.accepted == 0


def test_a_head_without_an_end_is_bounded() -> None:
    with guarding() as (guard, port), client(port) as sock:
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            sock.sendall(b"GET http://x/ HTTP/1.1\r\n" + b"a" * (8 << 20))
        assert ended(guard, 1).refusal == "malformed-request"


def test_a_reset_by_the_server_does_not_pass_for_the_end_of_an_answer() -> None:
    def reset(peer: socket.socket) -> None:
        read_until(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        time.sleep(0.05)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with Server(reset) as server, guarding() as (guard, port), client(port) as sock:
        target = f"127.0.0.1:{server.port}"
        sock.sendall(f"GET http://{target}/ HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        with pytest.raises(ConnectionResetError):
            read_all(sock)
        connection = ended(guard, 1)
    assert (connection.ended_by, connection.error) == ("error", "reset")
    assert connection.bytes_received > 0


@pytest.mark.parametrize("limit", [1, 999, 1000, 1001, 100_000, 1_000_000])
def test_the_limit_on_bytes_is_exact(tmp_path: Path, limit: int) -> None:
    def pour(peer: socket.socket) -> None:
        read_until(peer, b"go")
        peer.sendall(b"x" * 2_000_000)

    with (
        Server(pour) as server,
        guarding(rules(total_bytes=limit), tee=tmp_path) as (guard, port),
    ):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            sock.sendall(b"go")
            got = 0
            with contextlib.suppress(ConnectionResetError):
                while data := sock.recv(65536):
                    got += len(data)
        connection = ended(guard, 1)
        assert guard.over_limit
        assert guard.total_bytes == limit
        assert connection.ended_by == "limit"
        assert connection.bytes_sent + connection.bytes_received == limit
        assert sum(map(len, sides(guard.tee_file(1)))) == limit
        assert got <= max(0, limit - 2)
        with client(port) as sock:
            assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 403 ")
        assert ended(guard, 2).refusal == "limit"


def test_exactly_as_many_bytes_as_allowed_are_not_over_the_limit() -> None:
    with Server(echo) as server, guarding(rules(total_bytes=8)) as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            sock.sendall(b"ping")
            assert sock.recv(100) == b"ping"
        assert ended(guard, 1).ended_by == "client"
        assert not guard.over_limit


def test_a_connection_without_a_byte_is_ended_after_its_time() -> None:
    with Server(echo) as server, guarding(rules(idle_s=0.2)) as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock, pytest.raises(ConnectionError):
            sock.recv(1)
        connection = ended(guard, 1)
    assert connection.ended_by == "limit"
    assert "no data came for " in connection.detail


def test_a_connection_is_ended_on_demand_if_it_is_still_and_goes_to_that_place() -> None:
    with Server(echo) as server, guarding(rules()) as (guard, port):
        here = ("127.0.0.1", server.port)
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            sock.sendall(b"ping")
            assert sock.recv(100) == b"ping"
            assert guard.end_stalled_connections({here}, 60.0) == frozenset()  # it moved
            assert guard.end_stalled_connections({("127.0.0.1", 1)}, 0.0) == frozenset()
            assert guard.end_stalled_connections({here}, 0.0) == {here}
            with pytest.raises(ConnectionError):
                sock.recv(1)
        connection = ended(guard, 1)
        assert guard.end_stalled_connections({here}, 0.0) == frozenset()  # it is over
    assert connection.ended_by == "limit"
    assert "no data came for " in connection.detail


def test_one_more_connection_to_a_host_waits_for_its_turn() -> None:
    with Server(echo) as server, guarding(rules(per_host=1)) as (guard, port):
        first = tunnel(port, f"127.0.0.1:{server.port}")
        with client(port) as second:
            second.sendall(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode())
            second.settimeout(0.2)
            with pytest.raises(TimeoutError):
                second.recv(1)
            assert server.accepted == 1
            first.close()
            second.settimeout(20)
            assert read_until(second).startswith(b"HTTP/1.1 200 ")
        assert ended(guard, 2).error == ""


def test_a_turn_that_does_not_come_is_an_error() -> None:
    with (
        Server(echo) as server,
        guarding(rules(connections=1, connect_s=0.1)) as (guard, port),
        tunnel(port, f"127.0.0.1:{server.port}"),
        client(port) as second,
    ):
        assert connect(second, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 502 ")
        assert ended(guard, 2).error == "busy"


def test_a_client_that_goes_away_while_it_waits_leaves_no_place_taken() -> None:
    with Server(echo) as server, guarding(rules(per_host=1)) as (guard, port):
        first = tunnel(port, f"127.0.0.1:{server.port}")
        with client(port) as second:
            second.sendall(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\n".encode())
            time.sleep(0.05)
        assert ended(guard, 2).ended_by == "client"
        first.close()
        tunnel(port, f"127.0.0.1:{server.port}").close()
        assert ended(guard, 3).error == ""


def test_connections_beyond_the_number_are_refused_and_counted_in_one_line() -> None:
    with Server(echo) as server, guarding(rules(connections_in_all=2)) as (guard, port):
        for _ in range(2):
            tunnel(port, f"127.0.0.1:{server.port}").close()
        for _ in range(5):
            with client(port) as sock:
                assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 403 ")
        ended(guard, 3)
        found = guard.connections()
        assert server.accepted == 2
    assert [connection.refusal for connection in found] == ["", "", "too-many-connections"]
    assert (
        found[2].detail
        == "the limit of 2 connections was reached; connections that were refused: 5"
    )


def test_cut_ends_what_is_open_and_refuses_what_comes(tmp_path: Path) -> None:
    with Server(echo) as server, guarding(tee=tmp_path) as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            sock.sendall(b"ping")
            assert sock.recv(4) == b"ping"
            guard.cut("the capture is over")
            assert sides(guard.tee_file(1)) == (b"ping", b"ping")
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        with client(port) as sock:
            assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 403 ")
        assert server.accepted == 1
        first, second = ended(guard, 1), ended(guard, 2)
    assert (first.ended_by, first.detail) == ("cut", "the capture is over")
    assert (second.refusal, second.detail) == ("cut", "the capture is over")


def test_stop_may_come_from_several_threads_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has ended when the later one comes: its work would be lost, and waited for."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda found: lost.append(found.object))
    for _ in range(100):
        guard = EgressGuard(rules(), clock=RealClock())
        guard.start()
        threads = [threading.Thread(target=guard.stop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    gc.collect()
    assert lost == []


def test_stop_may_come_at_any_time_and_again() -> None:
    before = guard_threads()
    never_started = EgressGuard(rules(), clock=RealClock())
    never_started.stop()
    with Server(echo) as server, guarding() as (guard, port):
        sockets = [tunnel(port, f"127.0.0.1:{server.port}") for _ in range(5)]
        guard.stop()
        guard.stop()
        for sock in sockets:
            with sock, pytest.raises(ConnectionResetError):
                sock.recv(1)
        with pytest.raises(ConnectionRefusedError):
            client(port)
        assert [connection.ended_by for connection in guard.connections()] == ["cut"] * 5
        with pytest.raises(EgressRefused) as refused:
            guard.dial("127.0.0.1", server.port, 5)
        assert refused.value.word == "cut"
    assert guard_threads() == before


def test_bytes_that_can_not_be_kept_do_not_pass(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with Server(echo) as server, guarding(tee=gone) as (guard, port), client(port) as sock:
        assert connect(sock, f"127.0.0.1:{server.port}").startswith(b"HTTP/1.1 502 ")
        assert ended(guard, 1).error == "record"
        assert guard.tee_file(1) is None


def test_a_side_that_does_not_read_holds_the_other_back() -> None:
    sent = 0
    full = threading.Event()

    def pour(peer: socket.socket) -> None:
        nonlocal sent
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        peer.settimeout(0.5)
        try:
            while True:
                sent += peer.send(b"x" * 65536)
        except TimeoutError:
            full.set()
            peer.settimeout(20)
            peer.sendall(b"END")

    with (
        Server(pour) as server,
        guarding() as (guard, port),
        tunnel(port, f"127.0.0.1:{server.port}") as sock,
    ):
        assert full.wait(20)
        held = guard.total_bytes
        got, tail = 0, b""
        while not tail.endswith(b"END"):
            data = sock.recv(65536)
            assert data
            got += len(data)
            tail = (tail + data)[-3:]
    assert held < 16 << 20  # what the system's own buffers take, and a little
    assert got == sent + 3


def test_a_helper_of_ours_dials_by_the_same_rules(tmp_path: Path) -> None:
    names = Names().put("site.example", ("127.0.0.1",)).put("bad.example", ("10.0.0.1",))
    with Server(echo) as server, guarding(names=names, tee=tmp_path) as (guard, _):
        with guard.dial("site.example", server.port, 5) as sock:
            sock.sendall(b"ping")
            assert sock.recv(4) == b"ping"
        connection = ended(guard, 1)
        with pytest.raises(EgressRefused) as refused:
            guard.dial("bad.example", server.port, 5)
        with pytest.raises(EgressFailed) as failed:
            guard.dial("nowhere.example", server.port, 5)
        assert sides(guard.tee_file(1)) == (b"ping", b"ping")
    assert (connection.kind, connection.ended_by, connection.bytes_sent) == ("dial", "client", 4)
    assert refused.value.word == "private"
    assert failed.value.word == "dns"
    assert isinstance(refused.value, OSError)


def test_a_dial_takes_no_longer_than_it_was_given() -> None:
    names = Names()
    names.silent = True
    with guarding(names=names) as (guard, _):
        with pytest.raises(EgressFailed) as failed:
            guard.dial("slow.example", 80, 0.1)
        assert failed.value.word == "timeout"
        assert ended(guard, 1).error == "timeout"


def test_an_address_that_is_silent_does_not_hold_up_the_next() -> None:
    """A queue that is full makes the system drop what knocks: the way of a broken network."""
    names = Names().put("two.example", ("127.0.0.2", "127.0.0.1"))
    with Server(echo) as server, socket.socket() as silent:
        silent.bind(("127.0.0.2", server.port))
        silent.listen(0)
        with contextlib.ExitStack() as waiting:
            for _ in range(3):
                knocks = waiting.enter_context(socket.socket())
                knocks.setblocking(False)
                knocks.connect_ex(("127.0.0.2", server.port))
            with guarding(rules(connect_s=20), names=names) as (guard, port):
                tunnel(port, f"two.example:{server.port}").close()
                connection = ended(guard, 1)
    assert connection.address == "127.0.0.1"
    assert connection.error == ""


def test_many_connections_at_once_each_get_their_own_bytes(tmp_path: Path) -> None:
    with Server(echo) as server, guarding(tee=tmp_path) as (guard, port):

        def talk(number: int) -> None:
            said = b"%d;" % number * 20_000
            with tunnel(port, f"127.0.0.1:{server.port}") as sock:
                writer = threading.Thread(target=sock.sendall, args=(said,))
                writer.start()
                got = b""
                while len(got) < len(said):
                    got += sock.recv(65536)
                writer.join()
                if got == said:
                    good.append(number)

        good: list[int] = []
        threads = [threading.Thread(target=talk, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for number in range(1, 25):
            connection = ended(guard, number)
            sent, received = sides(guard.tee_file(number))
            assert sent == received
            assert len(sent) == connection.bytes_sent == connection.bytes_received
    assert sorted(good) == list(range(24))
    assert guard.open_connections == 0


def test_a_listener_may_come_from_elsewhere() -> None:
    """As the one that was made inside a network namespace does."""
    with Server(echo) as server, guarding() as (guard, _):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        guard.listen(listener)
        tunnel(port, f"127.0.0.1:{server.port}").close()
        assert ended(guard, 1).error == ""


def test_the_name_in_a_tls_hello_is_in_the_record() -> None:
    from tests.unit.egress.test_server_name import HELLO

    with Server(echo) as server, guarding() as (guard, port):
        with tunnel(port, f"127.0.0.1:{server.port}") as sock:
            for byte in (HELLO[:100], HELLO[100:]):
                sock.sendall(byte)
                sock.recv(len(byte))
        assert ended(guard, 1).server_name == "www.site.example"


def test_a_body_larger_than_what_waits_for_a_connection_arrives_whole() -> None:
    """What came while the connection was made is sent, and the client is read from again."""
    body = bytes(2 << 20)
    took: list[int] = []

    def take(peer: socket.socket) -> None:
        read_until(peer)
        length = 0
        while length < len(body):
            length += len(peer.recv(65536))
        took.append(length)
        peer.sendall(OK)

    class Slow(Names):
        """Answers late, when all that may wait does."""

        @override
        async def resolve(self, host: str) -> tuple[str, ...]:
            await asyncio.sleep(0.3)
            return ("127.0.0.1",)

    with Server(take) as server, guarding(names=Slow()) as (_, port), client(port) as sock:
        place = f"site.example:{server.port}"
        start = f"POST http://{place}/ HTTP/1.1\r\nHost: {place}\r\n"
        sock.sendall(f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")

    assert took == [len(body)]
