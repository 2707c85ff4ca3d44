"""One GET of a helper: vetted, bounded in time and bytes, and nothing sent that was not asked."""

import gzip
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from snapshotter.egress.fetch import FetchedResponse, FetchFailed, fetch
from snapshotter.egress.rules import EgressRules
from tests.bundles import RealClock
from tests.servers.lists import ListServer
from tests.servers.tcp import Server
from tests.unit.egress.parts import LOOPBACK


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as found:
        yield found


def get(url: str, *, allowed: tuple[str, ...] = LOOPBACK, **values: Any) -> FetchedResponse:
    given: dict[str, Any] = {
        "rules": EgressRules(allowed=allowed, total_bytes=1),
        "clock": RealClock(),
        "purpose": "list",
        "user_agent": "tests",
        "limit": 1000,
        "timeout_s": 20,
    }
    return fetch(url, **{**given, **values})


def test_an_answer_comes_with_what_is_of_use_of_its_head(server: ListServer) -> None:
    server.put("/a", b"hello", Content_Type="text/plain", Set_Cookie="a=b", Server="x")

    found = get(server.url("/a"))

    assert (found.status, found.body, found.url) == (200, b"hello", server.url("/a"))
    assert set(found.headers) == {"content-type", "etag", "date"}
    _, asked, _ = server.requests[0]
    assert set(asked) == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_what_is_no_success_has_no_body(server: ListServer) -> None:
    server.put("/a", b"x" * 5000, status=404)

    assert get(server.url("/a")).body == b""


def test_no_cookie_of_one_fetch_is_sent_with_the_next(server: ListServer) -> None:
    server.put("/a", b"", Set_Cookie="a=b")

    get(server.url("/a"))
    get(server.url("/a"))

    assert "cookie" not in server.requests[1][1]


def test_a_coding_is_undone_and_a_bomb_in_it_is_not(server: ListServer) -> None:
    server.put("/a", gzip.compress(b"x" * 1000), Content_Encoding="gzip")
    server.put("/b", gzip.compress(b"x" * 1001), Content_Encoding="gzip")
    server.put("/c", b"x", Content_Encoding="br")

    assert get(server.url("/a")).body == b"x" * 1000
    for path, word in (("/b", "too-large"), ("/c", "broken")):
        with pytest.raises(FetchFailed) as caught:
            get(server.url(path))
        assert caught.value.word == word


def test_an_address_inside_is_refused_also_behind_a_redirect(server: ListServer) -> None:
    server.put("/a", status=302, Location=server.url("/b", host="127.0.0.2"))

    with pytest.raises(FetchFailed) as caught:
        get(server.url("/a"), allowed=("127.0.0.1/32",))
    with pytest.raises(FetchFailed) as first:
        get(server.url("/b"), allowed=())

    assert (caught.value.word, first.value.word) == ("refused", "refused")


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(FetchFailed) as caught:
        get(f"http://127.0.0.1:{port}/")

    assert caught.value.word == "unreachable"
    assert caught.value.message == (
        "the connection could not be made: the server accepts no connection at this port"
    )


def test_a_host_name_that_does_not_exist_is_named_in_words() -> None:
    with pytest.raises(FetchFailed) as caught:
        get("http://nowhere.invalid/")

    assert "no server has this host name" in caught.value.message


def test_past_a_proxy_that_is_gone_nothing_is_asked(server: ListServer) -> None:
    server.put("/a", b"hello")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    rules = EgressRules(allowed=LOOPBACK, upstream=f"http://127.0.0.1:{port}", total_bytes=1)

    with pytest.raises(FetchFailed) as caught:
        get(server.url("/a"), rules=rules)

    assert caught.value.word in ("unreachable", "refused", "broken")
    assert server.requests == []


def test_a_head_that_never_ends_is_given_up() -> None:
    def drip(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.sendall(b"X")
            threading.Event().wait(0.05)

    def drone(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.sendall(b"x" * (1 << 16))

    with Server(drip) as slow, Server(drone) as loud:
        with pytest.raises(FetchFailed) as late:
            get(f"http://127.0.0.1:{slow.port}/", timeout_s=0.3)
        with pytest.raises(FetchFailed) as large:
            get(f"http://127.0.0.1:{loud.port}/")

    assert (late.value.word, large.value.word) == ("timeout", "too-large")
