"""HTTP/1: what was on the wire is split into requests and answers, whatever the servers do."""

import http.client
import http.server
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from snapshotter.formats.http.events import Data, Direction, EndReason
from snapshotter.formats.http.http1 import MAX_FIELDS, MAX_HEAD, MAX_WAITING, Http1Connection
from tests.unit.formats.wire_events import C, Pieces, S, Told, coalesced, cut, told

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def split(*pieces: tuple[Direction, bytes], close: bool = True) -> Told:
    return told(Http1Connection(), pieces, close=close)


def answer_to(answer: bytes, request: bytes = GET) -> Told:
    return split((C, request), (S, answer))


# Requests with their answers


def test_a_request_and_its_answer_are_one_stream() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")

    request, answer = got.head(0, C), got.head(0, S)
    assert (request.method, request.target, request.authority) == (b"GET", b"/a", b"x")
    assert request.raw == GET
    assert answer.status == 200
    assert answer.headers == ((b"Content-Type", b"text/plain"), (b"Content-Length", b"2"))
    assert got.body(0, S) == b"hi"
    assert [got.end(0, d).how for d in (C, S)] == [EndReason.COMPLETE] * 2
    assert not got.troubles


def test_answers_come_in_the_order_of_the_requests() -> None:
    got = split(
        (C, GET + b"HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /c HTTP/1.1\r\nHost: x\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA"),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nHTTP/1.1 404 No\r\n"),
        (S, b"Content-Length: 1\r\n\r\nC"),
    )

    assert [got.head(n, C).target for n in range(3)] == [b"/a", b"/b", b"/c"]
    assert [got.head(n, S).status for n in range(3)] == [200, 200, 404]
    assert [got.body(n, S) for n in range(3)] == [b"A", b"", b"C"]


def test_a_request_body_is_kept_as_sent() -> None:
    post = b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"5;name=value\r\nhello\r\n0\r\n\r\n"
    got = split((C, post + body + GET))

    assert got.body(0, C) == body
    assert got.head(1, C).target == b"/a"


def test_informational_answers_have_heads_of_their_own() -> None:
    got = answer_to(
        b"HTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    )

    assert [head.status for head in got.heads(0, S)] == [100, 103, 200]
    assert len(got.ends(0, S)) == 1


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_have_no_body_have_none_whatever_they_announce(status: int) -> None:
    got = split(
        (C, GET + GET),
        (S, b"HTTP/1.1 %d X\r\nContent-Length: 5\r\n\r\n" % status),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nB"),
    )

    assert got.body(0, S) == b""
    assert got.body(1, S) == b"B"


def test_without_a_length_the_end_of_the_connection_is_the_end_of_the_body() -> None:
    got = answer_to(b"HTTP/1.0 200 OK\r\n\r\nall\r\n\r\nof it")

    assert got.body(0, S) == b"all\r\n\r\nof it"
    assert got.end(0, S).how is EndReason.CLOSED


def test_an_answer_may_come_before_the_request_is_complete() -> None:
    got = split(
        (C, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123"),
        (S, b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    )

    assert got.head(0, S).status == 413
    assert got.end(0, S).how is EndReason.COMPLETE
    assert got.end(0, C).how is EndReason.CUT
    assert got.end(0, C).detail == "3 of 10 bytes"


# Framing (RFC 9112, 6)


def test_chunked_bodies_keep_their_framing_and_trailers_are_told_besides() -> None:
    body = b"3;x=y;z\r\nabc\r\n0003   \r\ndef\r\n0\r\nDigest: q\r\nX: 1\r\n\r\n"
    got = answer_to(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    assert got.body(0, S) == body
    (trailers,) = got.heads(0, S, trailers=True)
    assert trailers.headers == ((b"Digest", b"q"), (b"X", b"1"))
    assert trailers.raw == b""
    assert got.end(0, S).how is EndReason.COMPLETE


def test_chunked_counts_more_than_a_length() -> None:
    got = split(
        (C, GET + GET),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (S, b"2\r\nab\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nB"),
    )

    assert got.body(0, S) == b"2\r\nab\r\n0\r\n\r\n"
    assert "the body was read as chunked" in got.end(0, S).detail
    assert got.body(1, S) == b"B"


@pytest.mark.parametrize(
    "fields", [b"Content-Length: 2\r\nContent-Length: 2", b"Content-Length: 2, 2"]
)
def test_equal_lengths_are_one(fields: bytes) -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nhi")

    assert got.end(0, S).how is EndReason.COMPLETE


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 2\r\nContent-Length: 3",
        b"Content-Length: 2, 3",
        b"Content-Length: +2",
        b"Content-Length: two",
        b"Content-Length: 99999999999999999999999",
        b"Content-Length:",
    ],
)
def test_with_a_length_that_is_none_everything_is_kept(fields: bytes) -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\nhi, and more")

    assert got.body(0, S) == b"hi, and more"
    assert got.end(0, S).how is EndReason.CLOSED
    assert "all bytes up to the end of the connection were kept as the body" in got.end(0, S).detail


@pytest.mark.parametrize(
    "framing",
    [
        b"xyz\r\nabc",
        b"\r\nabc",
        b"-1\r\nabc",
        b"0x3\r\nabc",
        b"3\r\nabcd\r\n",
        b"8" * 20_000,
        b"1 ;" + b"e" * 20_000,
    ],
)
def test_after_a_broken_chunk_everything_is_kept_and_the_break_is_named(framing: bytes) -> None:
    body = b"1\r\nA\r\n" + framing + b"\r\n0\r\n\r\n"
    got = answer_to(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    assert got.body(0, S) == body
    assert got.end(0, S).how is EndReason.CUT
    assert "chunk framing is broken" in got.end(0, S).detail


def test_chunked_over_http_1_0_is_not_followed_as_the_browser_does_not() -> None:
    got = answer_to(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore")

    assert got.body(0, S) == b"0\r\n\r\nmore"
    assert got.end(0, S).how is EndReason.CLOSED


def test_endless_trailers_are_kept_in_the_body_alone() -> None:
    body = b"0\r\n" + b"X: y\r\n" * (MAX_HEAD // 4) + b"\r\n"
    got = answer_to(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    assert got.body(0, S) == body
    assert (
        f"trailers beyond {MAX_HEAD:,} bytes are recorded only in the body" in got.end(0, S).detail
    )


@pytest.mark.parametrize(
    ("head", "body", "detail"),
    [
        (b"Content-Length: 10", b"abc", "3 of 10 bytes"),
        (b"Transfer-Encoding: chunked", b"5\r\nab", "before the last chunk"),
    ],
)
def test_a_body_that_was_cut_off_is_named(head: bytes, body: bytes, detail: str) -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + body)

    assert got.body(0, S) == body
    assert got.end(0, S).how is EndReason.CUT
    assert detail in got.end(0, S).detail


# What Chromium puts up with


def test_bare_line_feeds_end_lines_and_heads() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\nA: 1\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n")

    assert got.head(0, S).headers[0] == (b"A", b"1")
    assert got.end(0, S).how is EndReason.COMPLETE


def test_folded_fields_are_one_field() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\nX: a\r\n  b\r\n\tc\r\nContent-Length: 0\r\n\r\n")

    assert got.head(0, S).headers == ((b"X", b"a b c"), (b"Content-Length", b"0"))


def test_lines_that_are_no_fields_stay_in_the_head_and_are_counted() -> None:
    head = b"HTTP/1.1 200 OK\r\nno colon\r\n : x\r\nb@d: 1\r\nGood : 2\r\nContent-Length: 0\r\n\r\n"
    got = answer_to(head)

    assert got.head(0, S).headers == ((b"Good", b"2"), (b"Content-Length", b"0"))
    assert got.head(0, S).raw == head
    assert got.end(0, S).detail == "lines of the head that are not fields: 3"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"HTTP/1.1 404", 404),
        (b"HTTP/1.1 404 ", 404),
        (b"HTTP/1.1   404  Not  Found", 404),
        (b"http/1.1 404 x", 404),
        (b"HTTP/1.1", 200),
        (b"HTTP/1.1 OK", 200),
        (b"HTTP", 200),
        (b"HTTP/9.9 500 x", 500),
    ],
)
def test_status_lines_are_read_as_the_browser_reads_them(line: bytes, status: int) -> None:
    got = answer_to(line + b"\r\nContent-Length: 2\r\n\r\nhi")

    assert got.head(0, S).status == status
    assert got.body(0, S) == b"hi"


def test_a_few_bytes_before_the_status_line_are_part_of_the_head_and_named() -> None:
    got = answer_to(b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    assert got.head(0, S).raw.startswith(b"\r\n\r\nHTTP/1.1")
    assert got.body(0, S) == b"hi"
    assert got.end(0, S).detail == "bytes before the status line: 4"


def test_an_answer_without_a_head_is_all_body() -> None:
    got = answer_to(b"<html>as in 1991</html>")

    assert got.head(0, S).raw == b""
    assert got.body(0, S) == b"<html>as in 1991</html>"
    assert got.end(0, S).how is EndReason.CLOSED
    assert "HTTP/0.9" in got.end(0, S).detail


def test_a_very_short_answer_without_a_head_is_kept_too() -> None:
    assert answer_to(b"hi").body(0, S) == b"hi"


# What goes wrong


def test_a_request_that_was_never_answered_is_named() -> None:
    got = split((C, GET))

    assert got.end(0, C).how is EndReason.COMPLETE
    assert got.end(0, S).how is EndReason.CUT
    assert got.end(0, S).detail == "the connection ended without an answer"


def test_a_request_after_the_server_has_gone_is_named_too() -> None:
    connection = Http1Connection()
    events = connection.close(S) + connection.feed(C, GET) + connection.close(C)

    assert Told(events).end(0, S).how is EndReason.CUT


def test_an_answer_without_a_request_is_named_and_kept() -> None:
    got = split(
        (S, b"HTTP/1.1 408 Timeout\r\nContent-Length: 3\r\n\r\nbye"),
        (C, GET),
    )

    assert got.head(0, S).status == 408
    assert got.body(0, S) == b"bye"
    assert "no request" in got.end(0, S).detail
    assert got.head(1, C).target == b"/a"
    assert got.end(1, S).how is EndReason.CUT


def test_bytes_after_the_last_answer_are_counted() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and twenty bytes more")

    assert got.body(0, S) == b"hi"
    assert [t.detail for t in got.troubles] == [
        "the server sent bytes that belong to no answer",
        "22 bytes were not read",
    ]


def test_a_head_in_which_the_connection_ended_is_kept() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\nContent-Type: te")

    assert got.head(0, S).raw == b"HTTP/1.1 200 OK\r\nContent-Type: te"
    assert got.end(0, S).how is EndReason.CUT


def test_a_request_head_in_which_the_connection_ended_is_counted() -> None:
    got = split((C, GET[:-2]))

    assert [t.detail for t in got.troubles] == [
        "the connection ended in the middle of the head of a message",
        f"{len(GET) - 2} bytes were not read",
    ]


def test_a_client_that_does_not_speak_http_is_named() -> None:
    got = split((C, b"\x16\x03\x01 hello\r\n\r\n"), (C, b"x" * 100))

    assert [t.detail for t in got.troubles] == [
        "the client sent data that are not an HTTP/1 request",
        "113 bytes were not read",
    ]


@pytest.mark.parametrize("direction", [C, S])
def test_a_head_without_end_is_given_up(direction: Direction) -> None:
    start = b"HTTP/1.1 200 OK\r\n" if direction is S else b"GET / HTTP/1.1\r\n"
    got = split((C, GET if direction is S else b""), (direction, start + b"X: y\r\n" * MAX_HEAD))

    assert got.troubles[0].detail == f"a head is longer than {MAX_HEAD:,} bytes"
    assert got.troubles[1].detail == f"{len(start) + 6 * MAX_HEAD:,} bytes were not read"


def test_more_fields_than_anybody_needs_stay_in_the_head_alone() -> None:
    got = answer_to(b"HTTP/1.1 200 OK\r\n" + b"a:\n" * (MAX_FIELDS + 1) + b"\r\n")

    assert len(got.head(0, S).headers) == MAX_FIELDS
    assert "more than 10,000 fields" in got.end(0, S).detail


def test_requests_that_nobody_answers_are_bounded() -> None:
    got = split((C, GET * (MAX_WAITING + 2)))

    assert "unanswered requests" in got.troubles[0].detail
    assert got.troubles[1].detail == f"{2 * len(GET)} bytes were not read"


def test_bytes_after_the_end_are_named_and_a_second_end_says_nothing() -> None:
    connection = Http1Connection()
    connection.close(S)

    assert connection.close(S) == []
    (trouble,) = connection.feed(S, b"late")
    assert "after the end" in str(trouble)


# Other protocols

UPGRADE = b"GET /s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\n"


def test_after_101_all_bytes_are_data_of_the_stream() -> None:
    got = split((C, UPGRADE), (S, SWITCH + b"\x81\x02hi"), (C, GET), (S, b"HTTP/1.1 200"))

    assert [(s.stream, s.protocol) for s in got.switched] == [(0, b"websocket")]
    assert got.body(0, C) == GET
    assert got.body(0, S) == b"\x81\x02hiHTTP/1.1 200"
    assert [e.how for e in got.ends(0, C)] == [EndReason.COMPLETE, EndReason.CLOSED]
    assert got.end(0, S).how is EndReason.CLOSED


def test_what_a_client_sends_before_the_answer_to_an_upgrade_is_of_the_new_protocol() -> None:
    got = split((C, UPGRADE + b"\x81\x80"), (C, b"mask"), (S, SWITCH))

    assert got.body(0, C) == b"\x81\x80mask"


def test_when_an_upgrade_is_refused_what_waited_are_requests() -> None:
    got = split((C, UPGRADE + GET), (S, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))

    assert got.head(1, C).target == b"/a"
    assert not got.switched


@pytest.mark.parametrize("closing", [C, S])
def test_when_an_upgrade_is_never_answered_what_waited_are_requests(closing: Direction) -> None:
    connection = Http1Connection()
    events = connection.feed(C, UPGRADE + GET)
    events += connection.close(closing) + connection.close(S) + connection.close(C)

    assert Told(events).head(1, C).target == b"/a"
    assert Told(events).end(1, S).how is EndReason.CUT


def test_when_the_answer_to_an_upgrade_can_not_be_read_what_waited_are_requests() -> None:
    got = split(
        (C, UPGRADE + GET), (S, b"HTTP/1.1 101 S\r\n" + b"X: y\r\n" * MAX_HEAD), close=False
    )

    assert got.head(1, C).target == b"/a"


def test_connect_opens_a_tunnel() -> None:
    got = split(
        (C, b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n"),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
        (C, b"\x16\x03"),
    )

    assert got.head(0, C).target == b"h:443"
    assert got.body(0, S) == b"abc"
    assert got.body(0, C) == b"\x16\x03"
    assert got.switched[0].protocol == b""


def test_requests_before_an_upgrade_are_answered_first() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    got = split((C, GET + UPGRADE + GET), (S, ok), (C, GET), (S, SWITCH), (C, b"!"))

    assert got.head(0, S).status == 200
    assert got.switched[0].stream == 1
    assert got.body(1, C) == GET + GET + b"!"


def test_a_switch_while_the_request_is_still_being_sent_waits_for_its_end() -> None:
    post = UPGRADE.replace(b"GET", b"POST")[:-2] + b"Content-Length: 4\r\n\r\nab"
    got = split((C, post), (S, SWITCH), (C, b"cd!"))

    assert got.body(0, C) == b"abcd!"
    assert [e.how for e in got.ends(0, C)] == [EndReason.COMPLETE, EndReason.CLOSED]


def test_a_switch_that_nobody_asked_for_is_passed_over_as_the_browser_does() -> None:
    got = answer_to(b"HTTP/1.1 101 S\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    assert not got.switched
    assert got.body(0, S) == b"hi"


# Any bytes, in any pieces

CONVERSATIONS: list[Pieces] = [
    [
        (C, GET + GET),
        (S, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 N\r\n\r\n"),
    ],
    [
        (C, b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
        (S, b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"),
        (S, b"3;a=b\r\nabc\r\n10\n0123456789abcdef\n0\r\nT: u\r\n\r\n"),
        (C, GET),
        (S, b"\r\nHTTP/1.1 200 OK\r\n\r\nto the end"),
    ],
    [(C, UPGRADE + b"\x81"), (S, SWITCH + b"\x81\x01a"), (C, b"\x81\x00")],
    [(C, UPGRADE + GET), (S, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n")],
    [(C, GET), (S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n")],
    [(C, GET), (S, b"no http at all"), (C, b"\x00\r\n\r\nneither")],
    [(C, GET), (S, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nAsurplus bytes")],
    [(C, GET), (S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40_000)],
]


@given(st.sampled_from(CONVERSATIONS), st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_how_the_bytes_are_cut_makes_no_difference(pieces: Pieces, sizes: list[int]) -> None:
    whole = told(Http1Connection(), pieces)
    small = told(Http1Connection(), cut(pieces, sizes))

    assert coalesced(small.events) == coalesced(whole.events)


_FRAGMENTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"GET / HTTP/1.1\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n",
        b"HTTP/1.1 101 S\r\n",
        b"Upgrade: websocket\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\n",
        b"\r\n",
        b"\n",
        b"0\r\n",
        b"3\r\nabc\r\n",
        b" fold\r\n",
        b"\x00",
    ]
)


@given(
    st.lists(st.tuples(st.sampled_from([C, S]), _FRAGMENTS | st.binary(max_size=30)), max_size=40)
)
def test_no_bytes_raise_and_none_are_lost_without_a_word(
    pieces: list[tuple[Direction, bytes]],
) -> None:
    got = split(*pieces)

    for direction in (C, S):
        sent = b"".join(data for d, data in pieces if d is direction)
        kept = got.sent(direction)
        unread = [
            t.detail for t in got.troubles if t.direction is direction and "were not" in t.detail
        ]
        lost = int(unread[0].split()[0].replace(",", "")) if unread else 0
        assert sent.startswith(kept)
        assert len(kept) + lost == len(sent)
    for stream in range(20):
        if got.heads(stream, C):
            assert len(got.ends(stream, S)) == 1


def test_nothing_of_a_body_is_held() -> None:
    connection = Http1Connection()
    connection.feed(C, GET)
    connection.feed(S, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    tracemalloc.start()
    try:
        for _ in range(1000):
            connection.feed(S, piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 200_000


# Real peers


def test_what_h11_writes_is_read_as_h11_meant_it() -> None:
    client, server = h11.Connection(h11.CLIENT), h11.Connection(h11.SERVER)
    pieces: list[tuple[Direction, bytes]] = []

    def sends(side: h11.Connection, direction: Direction, *events: h11.Event) -> None:
        data = b"".join(side.send(event) or b"" for event in events)
        pieces.append((direction, data))
        (server if side is client else client).receive_data(data)

    def drains(side: h11.Connection) -> None:
        while side.next_event() not in (h11.NEED_DATA, h11.PAUSED):
            pass

    for turn in range(3):
        sends(
            client,
            C,
            h11.Request(
                method="PUT",
                target=f"/{turn}",
                headers=[("Host", "x"), ("Transfer-Encoding", "chunked")],
            ),
            h11.Data(data=b"up" * turn),
            h11.EndOfMessage(headers=[("Sum", "1")]),
        )
        drains(server)
        sends(
            server,
            S,
            h11.InformationalResponse(status_code=103, headers=[]),
            h11.Response(status_code=200 + turn, headers=[("Transfer-Encoding", "chunked")]),
            h11.Data(data=b"down"),
            h11.EndOfMessage(),
        )
        drains(client)
        client.start_next_cycle()
        server.start_next_cycle()

    got = split(*pieces)

    assert [got.head(n, S).status for n in range(3)] == [200, 201, 202]
    assert all(got.heads(n, C, trailers=True)[0].headers == ((b"Sum", b"1"),) for n in range(3))
    assert got.sent(C) == b"".join(data for d, data in pieces if d is C)
    assert got.sent(S) == b"".join(data for d, data in pieces if d is S)
    assert not got.troubles


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"until the end")
        self.close_connection = True


@contextmanager
def _recorded(pieces: list[tuple[Direction, bytes]]) -> Iterator[int]:
    """A server behind a relay that keeps what passes; gives the relay's port."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(10)

            def relay() -> None:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", server.server_port), 10)

                def copy(source: socket.socket, sink: socket.socket, direction: Direction) -> None:
                    while data := source.recv(7):
                        pieces.append((direction, data))
                        sink.sendall(data)
                    sink.shutdown(socket.SHUT_WR)

                with near, far:
                    near.settimeout(10)
                    back = threading.Thread(target=copy, args=(far, near, S))
                    back.start()
                    copy(near, far, C)
                    back.join(10)

            thread = threading.Thread(target=relay)
            thread.start()
            yield int(listener.getsockname()[1])
            thread.join(10)
        server.shutdown()


def test_a_conversation_of_pythons_client_and_server_is_read_from_the_wire() -> None:
    pieces: list[tuple[Direction, bytes]] = []
    with _recorded(pieces) as port:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("POST", "/echo", body=b"x" * 5000)
        assert client.getresponse().read() == b"x" * 5000
        client.request("HEAD", "/")
        client.getresponse().read()
        client.request("GET", "/")
        assert client.getresponse().read() == b"until the end"
        client.close()

    got = split(*pieces)

    assert [got.head(n, C).method for n in range(3)] == [b"POST", b"HEAD", b"GET"]
    assert got.body(0, C) == got.body(0, S) == b"x" * 5000
    assert got.body(1, S) == b""
    assert got.body(2, S) == b"until the end"
    assert [got.end(n, S).how for n in range(3)] == [
        EndReason.COMPLETE,
        EndReason.COMPLETE,
        EndReason.CLOSED,
    ]
    assert not got.troubles


def test_a_piece_that_is_all_body_is_passed_on_without_a_copy() -> None:
    connection = Http1Connection()
    connection.feed(C, GET)
    connection.feed(S, b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
    piece = bytes(1 << 20)
    (event,) = connection.feed(S, piece)

    assert isinstance(event, Data)
    assert event.data is piece
