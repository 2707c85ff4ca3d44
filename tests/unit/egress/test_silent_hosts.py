"""The guard and hosts that do not answer, over real sockets: whose wait ends, and what is kept."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from typing_extensions import override

from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.rules import EgressRules
from snapshotter.model.network import Connection
from tests.servers.silent import SilentNames, silent_port
from tests.servers.tcp import Server, read_all, read_until
from tests.unit.egress.parts import client, connect, ended, guarding, rules, tunnel
from tests.unit.egress.test_server_name import HELLO

DEAD = 22  # hosts


def short(**changes: object) -> EgressRules:
    """Return rules whose only short limit is that for all hosts that do not answer."""
    return rules(unanswered_s=0.3, connect_s=60.0, resolve_s=60.0, **changes)


def say_nothing(peer: socket.socket) -> None:
    """Read until the other end ends."""
    read_all(peer)


@contextlib.contextmanager
def arrived(names: SilentNames) -> Iterator[tuple[EgressGuard, int]]:
    """Yield the guard of a page whose document has arrived."""
    with guarding(short(), names=names) as (guard, port):  # type: ignore[arg-type]
        guard.document_arrived()
        yield guard, port


def ask(port: int, authority: str) -> bytes:
    """Ask for a tunnel, and return the status of the answer."""
    with client(port) as sock:
        return connect(sock, authority).split(b" ")[1]


def assert_given_up(connection: Connection, error: str) -> None:
    """Check that the record names the limit as the cause."""
    assert (connection.error, connection.ended_by) == (error, "error")
    assert connection.detail.endswith("by 0.3 s together (limits.unanswered_s)")


def test_names_without_an_answer_are_given_up_together_and_not_asked_again() -> None:
    names = SilentNames("127.0.0.1")
    with arrived(names) as (guard, port), contextlib.ExitStack() as clients:
        socks = [clients.enter_context(client(port)) for _ in range(DEAD)]
        for number, sock in enumerate(socks):
            sock.sendall(f"CONNECT {number}.silent.example:443 HTTP/1.1\r\n\r\n".encode())
        assert {read_until(sock).split(b" ")[1] for sock in socks} == {b"502"}
        for number in range(1, DEAD + 1):
            assert_given_up(ended(guard, number), "dns-timeout")
        asked = list(names.asked)

        assert ask(port, "3.silent.example:443") == b"502"
        again = ended(guard, DEAD + 1)

    assert_given_up(again, "dns-timeout")
    assert again.detail.startswith("the host was not contacted again")
    assert len(asked) == DEAD
    assert names.asked == asked
    assert sorted(names.dropped) == sorted(asked)


def test_an_address_that_drops_what_knocks_is_given_up_and_not_connected_to_again() -> None:
    names = SilentNames("127.0.0.2")
    with silent_port("127.0.0.2") as dead, arrived(names) as (guard, port):
        given_up: list[tuple[str, int]] = []
        guard.report_given_up(given_up.extend)
        assert ask(port, f"dead.example:{dead}") == b"502"
        with client(port) as sock:
            place = f"dead.example:{dead}"
            sock.sendall(f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
            assert sock.recv(1) == b""
        first, second = ended(guard, 1), ended(guard, 2)

    assert_given_up(first, "timeout")
    assert_given_up(second, "timeout")
    assert (first.answers, second.answers) == (("127.0.0.2",), ())
    assert names.asked == ["dead.example"]
    assert given_up == [("dead.example", dead)]


def test_a_server_that_does_not_answer_a_tls_handshake_is_given_up() -> None:
    with (
        Server(say_nothing) as server,
        arrived(SilentNames("127.0.0.1")) as (guard, port),
    ):
        place = f"dead.example:{server.port}"
        with tunnel(port, place) as sock, contextlib.suppress(ConnectionResetError):
            sock.sendall(HELLO)
            assert sock.recv(1) == b""
        first = ended(guard, 1)
        assert ask(port, place) == b"502"
        second = ended(guard, 2)
        accepted = server.accepted

    assert_given_up(first, "timeout")
    assert first.detail.startswith("the server did not answer the TLS handshake")
    assert first.connected_at is not None
    assert (first.bytes_sent, first.bytes_received) == (len(HELLO), 0)
    assert_given_up(second, "timeout")
    assert accepted == 1


def test_slow_servers_that_live_keep_their_connections_when_others_are_given_up() -> None:
    """One accepted the connection, one began its handshake; both go on after the limit."""
    go_on = threading.Event()

    def answer_late(peer: socket.socket) -> None:
        read_until(peer)
        go_on.wait(20)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def shake_hands_slowly(peer: socket.socket) -> None:
        peer.recv(1 << 16)
        peer.sendall(b"\x16")
        go_on.wait(20)
        peer.sendall(b"more")

    with (
        Server(answer_late) as plain,
        Server(shake_hands_slowly) as secure,
        arrived(SilentNames("127.0.0.1")) as (guard, port),
        client(port) as slow,
        tunnel(port, f"secure.example:{secure.port}") as shaking,
    ):
        place = f"plain.example:{plain.port}"
        slow.sendall(f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        shaking.sendall(HELLO)
        assert shaking.recv(1) == b"\x16"
        assert ask(port, "dead.silent.example:443") == b"502"
        go_on.set()

        assert slow.recv(100).endswith(b"ok")
        assert shaking.recv(4) == b"more"
        with tunnel(port, f"secure.example:{secure.port}"):  # and it may be contacted again
            errors = [connection.error for connection in guard.connections()]
    assert sorted(errors) == ["", "", "", "dns-timeout"]


def test_a_host_that_accepted_a_plain_request_has_answered() -> None:
    names = SilentNames("127.0.0.1")
    with (
        Server(say_nothing) as server,
        arrived(names) as (guard, port),
        client(port) as first,
        client(port) as second,
    ):
        place = f"once.example:{server.port}"
        head = f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()
        first.sendall(head)
        while server.accepted < 1:
            pass
        second.sendall(head)
        for number in range(2):  # the second one is new when the limit is spent
            assert ask(port, f"{number}.silent.example:443") == b"502"

        assert names.dropped == ["0.silent.example", "1.silent.example"]
        assert [connection.ended_at is None for connection in guard.connections()] == [
            True, True, False, False,
        ]  # fmt: skip


def test_a_host_is_not_given_up_because_the_guard_was_held_up() -> None:
    class Busy(SilentNames):
        """Keeps the loop of the guard from reading anything while it answers."""

        @override
        async def resolve(self, host: str) -> tuple[str, ...]:
            if host == "new.example":
                time.sleep(1.5)
            return await super().resolve(host)

    with (
        Server(lambda peer: peer.sendall(b"hello")) as server,
        arrived(Busy("127.0.0.1")) as (_, port),
    ):
        assert ask(port, "dead.silent.example:443") == b"502"
        with tunnel(port, f"new.example:{server.port}") as sock:
            assert sock.recv(5) == b"hello"


def test_a_living_host_is_reached_after_the_limit_is_spent() -> None:
    with (
        Server(lambda peer: peer.sendall(b"hello")) as server,
        arrived(SilentNames("127.0.0.1")) as (guard, port),
    ):
        assert ask(port, "dead.silent.example:443") == b"502"
        with tunnel(port, f"new.example:{server.port}") as sock:
            assert sock.recv(5) == b"hello"
        assert ended(guard, 2).error == ""


def test_the_document_of_the_page_is_waited_for_by_its_own_limits() -> None:
    names = SilentNames("127.0.0.1")
    given = rules(unanswered_s=0.1, resolve_s=0.5)
    with guarding(given, names=names) as (guard, port):  # type: ignore[arg-type]
        assert ask(port, "first.silent.example:443") == b"502"
        guard.document_arrived()
        guard.expect_document("NEXT.silent.example", 443)
        with client(port) as sock:
            sock.sendall(b"CONNECT next.silent.example:443 HTTP/1.1\r\n\r\n")
            assert ask(port, "part.silent.example:443") == b"502"
            read_until(sock)
        first, following, part = (ended(guard, number) for number in (1, 2, 3))

    for connection in (first, following):
        assert connection.error == "dns-timeout"
        assert connection.detail.endswith("was not resolved within 0.5 s")
    assert part.detail.endswith("by 0.1 s together (limits.unanswered_s)")
