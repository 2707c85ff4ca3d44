"""What connections carried, from chunks as the egress guard keeps them."""

import itertools
import json
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.capture.record.read_budget import ReadBudget
from snapshotter.capture.record.scratch import BodyStore, StoredBody
from snapshotter.capture.record.wire_reader import ReadConnection, read
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.egress.tee import Chunk
from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls.key_log import KeyLog
from snapshotter.model.network import Connection
from tests.fakes.world import START, SeededIds
from tests.fuzzing import tries

C, S = Direction.CLIENT, Direction.SERVER
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def connection(**more: Any) -> Connection:
    values: dict[str, Any] = {
        "number": 1,
        "purpose": "page",
        "kind": "http",
        "host": "a.com",
        "port": 80,
        "answers": ("192.0.2.1",),
        "address": "192.0.2.1",
        "via": "direct",
        "server_name": "",
        "asked_at": START,
        "connected_at": START,
        "ended_at": START,
        "bytes_sent": 1,
        "bytes_received": 1,
        "refusal": "",
        "error": "",
        "ended_by": "server",
    } | more
    return Connection(**values)


def chunks(*pieces: tuple[Direction, bytes]) -> Iterable[Chunk]:
    """Yield the pieces, a second apart from each other."""
    for number, (direction, data) in enumerate(pieces):
        at = START + timedelta(seconds=number)
        yield Chunk(direction=direction, at_us=(at - EPOCH) // timedelta(microseconds=1), data=data)


def carried(
    tmp_path: Path,
    *pieces: tuple[Direction, bytes],
    of: Connection | None = None,
    budget: ReadBudget | None = None,
) -> ReadConnection:
    return read(
        of or connection(),
        chunks(*pieces),
        keys=KeyLog.parse(b""),
        scratch=BodyStore(tmp_path / "scratch"),
        redactor=Redactor(names=frozenset({"cookie", "set-cookie"}), ids=SeededIds()),
        budget=budget,
    )


def content(body: StoredBody | None) -> bytes:
    assert body is not None
    with body.open() as stream:
        return stream.read()


def test_requests_and_answers_are_kept_as_they_were_sent(tmp_path: Path) -> None:
    ask = b"POST /x?y HTTP/1.1\r\nHost: a.com\r\nContent-Length: 4\r\n\r\n"
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"3;ext=1\r\none\r\n0\r\n\r\n"
    again = b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"

    found = carried(
        tmp_path,
        (C, ask + b"bo"),
        (C, b"dy"),
        (S, reply + body[:5]),
        (S, body[5:]),
        (C, again),
        (S, b"HTTP/1.1 204 None\r\n\r\n"),
    )

    first, second = found.exchanges
    assert (first.method, first.url, first.protocol) == ("POST", "http://a.com/x?y", "http/1.1")
    assert first.response is not None
    assert (first.request.data, first.response.data) == (ask, reply)
    assert (content(first.sent), content(first.received)) == (b"body", body)
    assert first.at == START
    assert first.response_at == START + timedelta(seconds=2)
    assert first.ended_at == START + timedelta(seconds=3)
    assert (second.at, second.url) == (START + timedelta(seconds=4), "http://a.com/")
    assert first.is_whole
    assert second.is_whole
    assert (found.unreadable, found.is_tls) == ((), False)


@pytest.mark.parametrize(
    ("head", "ended_by", "whole"),
    [
        (b"Content-Length: 4", "server", True),
        (b"Content-Length: 9", "server", False),
        (b"Connection: close", "server", True),
        (b"Connection: close", "cut", False),
        (b"Connection: close", "client", False),
        (b"Transfer-Encoding: chunked", "server", False),
    ],
)
def test_a_body_is_whole_if_the_server_ended_it(
    tmp_path: Path, head: bytes, ended_by: str, whole: bool
) -> None:
    (found,) = carried(
        tmp_path,
        (C, b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\nhalf"),
        of=connection(ended_by=ended_by),
    ).exchanges

    assert found.is_whole is whole
    assert content(found.received) == b"half"


def test_informational_answers_stand_beside_the_answer(tmp_path: Path) -> None:
    (found,) = carried(
        tmp_path,
        (C, b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"),
        (S, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ).exchanges

    assert [head.status for head in found.interim] == [103]
    assert found.response is not None
    assert found.response.status == 200


def test_secrets_of_trailers_are_in_no_part(tmp_path: Path) -> None:
    (found,) = carried(
        tmp_path,
        (C, b"GET / HTTP/1.1\r\nHost: a.com\r\nCookie: s=c4n4ry\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: c4n4ry\r\n\r\n"),
        (S, b"1\r\nx\r\n0\r\nSet-Cookie: c4n4ry\r\n\r\n"),
    ).exchanges

    ((direction, trailers),) = found.trailers
    assert direction is S
    assert content(found.received) == (
        b"1\r\nx\r\n0\r\nSet-Cookie: " + trailers.secrets[0][1].encode() + b"\r\n\r\n"
    )
    assert b"c4n4ry" not in content(found.received)
    assert "c4n4ry" not in repr(found)


def test_frames_of_a_websocket_are_kept_with_direction_and_time(tmp_path: Path) -> None:
    (found,) = carried(
        tmp_path,
        (
            C,
            b"GET /ws HTTP/1.1\r\nHost: a.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        ),
        (S, b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        (C, b"\x81\x85\x00\x00\x00\x01helmo"),
        (S, b"\x82\x02\x00\xff\x88\x00"),
        of=connection(ended_by="client"),
    ).exchanges

    assert (found.url, found.is_websocket) == ("http://a.com/ws", True)
    assert (found.is_whole, found.request_is_whole) == (True, True)
    lines = [json.loads(line) for line in content(found.frames).splitlines()]
    assert [
        (line["from"], line["opcode"], line.get("text"), line.get("base64")) for line in lines
    ] == [
        ("client", 1, "hello", None),
        ("server", 2, None, "AP8="),
        ("server", 8, None, ""),
    ]
    assert lines[0]["at_us"] == (START + timedelta(seconds=2) - EPOCH) // timedelta(microseconds=1)


def test_an_address_that_no_browser_sends_is_one_that_a_record_can_hold(tmp_path: Path) -> None:
    (found,) = carried(
        tmp_path, (C, b"GET /\x01a\x7f HTTP/1.1\r\nHost: a\x00.com\r\n\r\n")
    ).exchanges

    assert found.url == "http://a.com/%01a%7F"


PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n",
            b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nCookie: a\r\n\r\nhello",
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"HTTP/1.1 101 \r\nUpgrade: websocket\r\n\r\n\x81\x02hi",
            b"HTTP/1.1 103 \r\nLink: </a>\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
            b"0\r\nSet-Cookie: b\r\n\r\n",
            b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
            b"\x17\x03\x03\x00\x02ab",
        ]
    ),
)


@given(st.lists(st.tuples(st.sampled_from([C, S]), PIECES), max_size=12), st.booleans())
@settings(max_examples=tries(200), deadline=None)
def test_whatever_passes_a_connection_it_is_read_or_named(
    pieces: list[tuple[Direction, bytes]], closed: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = carried(
            Path(folder), *pieces, of=connection(ended_by="server" if closed else "cut")
        )

    asked = b"".join(data for direction, data in pieces if direction is C)
    assert found.exchanges or found.unreadable or len(asked.strip()) < 10 or found.is_tls
    for exchange in found.exchanges:
        assert exchange.url.startswith("http://")
        assert exchange.is_whole in (True, False)


def test_what_is_no_http_is_named(tmp_path: Path) -> None:
    found = carried(tmp_path, (S, b"SSH-2.0-OpenSSH\r\n"), (C, b"\x00\x01\x02 something\r\n\r\n"))

    assert found.exchanges == ()
    assert found.unreadable


def test_tls_without_keys_is_named_and_not_guessed(tmp_path: Path) -> None:
    found = carried(tmp_path, (C, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"), (S, b"\x17" * 40))

    assert found.is_tls
    assert found.exchanges == ()
    assert found.unreadable


def test_a_damaged_file_is_named_and_what_came_before_it_counts(tmp_path: Path) -> None:
    def damaged() -> Iterable[Chunk]:
        yield from chunks((C, b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"))
        raise ValueError("00001.tee contains data that is not a chunk")

    found = read(
        connection(),
        damaged(),
        keys=KeyLog.parse(b""),
        scratch=BodyStore(tmp_path),
        redactor=Redactor(names=frozenset(), ids=SeededIds()),
    )

    assert len(found.exchanges) == 1
    assert found.unreadable == ("00001.tee contains data that is not a chunk",)


def test_an_address_without_a_host_header_is_the_connections(tmp_path: Path) -> None:
    (found,) = carried(
        tmp_path, (C, b"GET /x HTTP/1.0\r\n\r\n"), of=connection(host="2001:db8::1", port=8080)
    ).exchanges

    assert found.url == "http://[2001:db8::1]:8080/x"


ASK = b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    "cut", [b"set-cookie: id=hush", b"x: y\r\nSet-Cookie: id=hush\r", b"Set-Cookie: id=hush\r\n"]
)
def test_a_secret_in_trailers_is_replaced_where_the_connection_ends_in_them(
    tmp_path: Path, cut: bytes
) -> None:
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n" + cut
    (exchange,) = carried(tmp_path, (C, ASK), (S, reply)).exchanges

    assert b"hush" not in content(exchange.received)
    assert b"redacted:sha256:" in content(exchange.received)
    assert "hush" not in repr(exchange.trailers)
    assert not exchange.is_whole


def test_informational_answers_without_end_are_counted_and_not_kept(tmp_path: Path) -> None:
    storm = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" * 1_000
    (exchange,) = carried(tmp_path, (C, ASK), (S, storm + ANSWER)).exchanges

    assert len(exchange.interim) == 50
    assert exchange.notes == ["informational answers that were not recorded: 950"]
    assert exchange.is_whole
    assert content(exchange.received) == b"ok"


def test_a_connection_whose_heads_cost_too_much_is_read_no_further_and_says_so(
    tmp_path: Path,
) -> None:
    budget = ReadBudget(heads_bytes=1 << 20)
    long = b"HTTP/1.1 103 Early\r\n" + b"a:\n" * 20_000 + b"\r\n"
    pieces = [(C, ASK), (S, ANSWER), (C, ASK), (S, long), (S, ANSWER)]

    connection = carried(tmp_path, *pieces, budget=budget)
    other = carried(tmp_path, (C, ASK), (S, ANSWER), budget=budget)

    first, second = connection.exchanges
    assert first.is_whole
    assert not second.is_whole
    (why,) = connection.unreadable
    assert why.startswith("the limit for the size of HTTP headers was reached: at least ")
    assert second.troubles == [why]
    assert other.exchanges[0].is_whole  # it has half of what was left
    assert other.unreadable == ()


def test_a_connection_that_takes_too_long_is_read_no_further_and_says_so(tmp_path: Path) -> None:
    used = iter([float(number) for number in range(1_000)])
    budget = ReadBudget(cpu_s=16, used_s=lambda: next(used))

    connection = carried(
        tmp_path, (C, ASK), (S, ANSWER), *([(C, ASK), (S, ANSWER)] * 20), budget=budget
    )

    assert connection.exchanges[0].is_whole
    (why,) = connection.unreadable
    assert why.startswith("the time limit for reading was reached: at least ")


def test_what_could_not_be_read_is_told_without_user_information(tmp_path: Path) -> None:
    wire = carried(tmp_path, (C, ASK), (S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 b"http://me:hush@a.com/\r\n"))  # fmt: skip

    assert "hush" not in repr(wire.exchanges[0].notes)


def test_two_thousand_requests_on_one_connection_are_read_whole(tmp_path: Path) -> None:
    fields = b"".join(b"Field-%d: %s\r\n" % (number, b"v" * 40) for number in range(25))
    ask = b"GET / HTTP/1.1\r\nHost: a.com\r\n" + fields + b"\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + fields + b"\r\nok"

    connection = carried(tmp_path, *([(C, ask), (S, response)] * 2_000))

    assert connection.unreadable == ()
    assert sum(exchange.is_whole for exchange in connection.exchanges) == 2_000


@pytest.mark.parametrize("cpu_s", range(2, 80, 2))
def test_reading_may_stop_anywhere_and_makes_up_no_answer(tmp_path: Path, cpu_s: int) -> None:
    used = itertools.count(0.0)
    budget = ReadBudget(cpu_s=cpu_s, used_s=lambda: next(used))
    response = b"HTTP/1.1 200 OK\r\n\r\nto the end"

    connection = carried(
        tmp_path, (C, ASK), *((S, bytes([octet])) for octet in response), budget=budget
    )

    for exchange in connection.exchanges:
        assert exchange.response is None or exchange.response.data == b"HTTP/1.1 200 OK\r\n\r\n"
        assert b"to the end".startswith(content(exchange.received))
        assert exchange.is_whole == (
            content(exchange.received) == b"to the end" and not connection.unreadable
        )
