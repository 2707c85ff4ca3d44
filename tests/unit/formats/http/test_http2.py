"""HTTP/2: frames of both directions are split into requests and answers."""

import tracemalloc
from collections.abc import Sequence

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.http.events import Direction, EndReason
from snapshotter.formats.http.http2 import MAX_HEAD, MAX_OPEN, PREFACE, Http2Connection
from tests.unit.formats.wire_events import C, Pieces, S, Told, coalesced, cut, told

Fields = Sequence[tuple[str, str]]
OK: Fields = [(":status", "200"), ("content-type", "text/plain")]


def request(path: str = "/a", method: str = "GET", *more: tuple[str, str]) -> Fields:
    return [
        (":method", method),
        (":scheme", "https"),
        (":authority", "x.test"),
        (":path", path),
        *more,
    ]


class Peer:
    """One side of a conversation: frames by hyperframe, header blocks by hpack."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.encoder = Encoder()

    def frames(self, *frames: Frame | bytes) -> tuple[Direction, bytes]:
        return self.direction, b"".join(
            frame if isinstance(frame, bytes) else frame.serialize() for frame in frames
        )

    def headers(self, stream: int, fields: Fields, *flags: str) -> bytes:
        frame = HeadersFrame(stream, self.encoder.encode(list(fields)))
        frame.flags = {"END_HEADERS", *flags}  # type: ignore[assignment]  # any set of names will do
        return bytes(frame.serialize())


def data(stream: int, content: bytes, *flags: str, pad: int = 0) -> bytes:
    frame = DataFrame(stream, content, pad_length=pad)
    for flag in (*flags, *(["PADDED"] if pad else [])):
        frame.flags.add(flag)
    return bytes(frame.serialize())


def split(*pieces: tuple[Direction, bytes], close: bool = True) -> Told:
    return told(Http2Connection(), pieces, close=close)


def opened(*fields: Fields, end: bool = True) -> tuple[Peer, Peer, tuple[Direction, bytes]]:
    """Both peers, and what the client sends first: preface, SETTINGS, requests on 1, 3, 5 …"""
    client, server = Peer(C), Peer(S)
    flags = ["END_STREAM"] if end else []
    heads = [
        client.headers(2 * n + 1, sent, *flags) for n, sent in enumerate(fields or [request()])
    ]
    return client, server, client.frames(PREFACE, SettingsFrame(0), *heads)


# Requests with their answers


def test_interleaved_answers_are_told_apart() -> None:
    _, server, start = opened(request("/a"), request("/b"))
    got = split(
        start,
        server.frames(
            SettingsFrame(0),
            server.headers(3, OK),
            data(3, b"B1"),
            server.headers(1, [(":status", "404")]),
            data(1, b"A", "END_STREAM"),
            data(3, b"B2", "END_STREAM"),
        ),
    )

    assert [got.head(n, C).target for n in (1, 3)] == [b"/a", b"/b"]
    first = got.head(1, C)
    assert (first.method, first.scheme, first.authority) == (b"GET", b"https", b"x.test")
    assert got.head(1, S).status == 404
    assert got.head(3, S).headers == ((b"content-type", b"text/plain"),)
    assert (got.body(1, S), got.body(3, S)) == (b"A", b"B1B2")
    assert {got.end(n, d).how for n in (1, 3) for d in (C, S)} == {EndReason.COMPLETE}
    assert not got.troubles


def test_a_request_body_and_trailers_of_both_sides() -> None:
    client, server, start = opened(request("/p", "POST"), end=False)
    got = split(
        start,
        client.frames(data(1, b"up"), client.headers(1, [("sum", "1")], "END_STREAM")),
        server.frames(
            server.headers(1, [(":status", "103"), ("link", "</s>")]),
            server.headers(1, OK),
            data(1, b"down"),
            server.headers(1, [("sum", "2")], "END_STREAM"),
        ),
    )

    assert got.body(1, C) == b"up"
    assert [head.status for head in got.heads(1, S)] == [103, 200]
    assert [got.heads(1, d, trailers=True)[0].headers for d in (C, S)] == [
        ((b"sum", b"1"),),
        ((b"sum", b"2"),),
    ]
    assert {got.end(1, d).how for d in (C, S)} == {EndReason.COMPLETE}


def test_padding_is_no_content() -> None:
    _, server, start = opened()
    got = split(
        start,
        server.frames(
            server.headers(1, OK), data(1, b"abc", pad=200), data(1, b"", "END_STREAM", pad=9)
        ),
    )

    assert got.body(1, S) == b"abc"
    assert got.end(1, S).how is EndReason.COMPLETE


def test_padding_longer_than_its_frame_is_named() -> None:
    _, server, start = opened()
    frame = b"\x00\x00\x03\x00\x08\x00\x00\x00\x01\x09ab"  # 9 bytes of padding, 2 left
    got = split(start, server.frames(server.headers(1, OK), frame, data(1, b"x", "END_STREAM")))

    assert got.body(1, S) == b"x"
    assert got.end(1, S).detail == "the padding of a frame is longer than the frame"


def test_a_head_in_many_frames_with_priority_and_padding() -> None:
    client, server = Peer(C), Peer(S)
    block = client.encoder.encode(list(request("/long", "GET", ("x", "y" * 40_000))))
    first = HeadersFrame(1, block[:10], pad_length=3)
    first.flags = {"PADDED", "PRIORITY", "END_STREAM"}  # type: ignore[assignment]
    first.stream_weight = 3
    second, third = ContinuationFrame(1, block[10:16000]), ContinuationFrame(1, block[16000:])
    third.flags.add("END_HEADERS")
    got = split(
        client.frames(PREFACE, SettingsFrame(0), first, second, third),
        server.frames(server.headers(1, OK, "END_STREAM")),
    )

    assert got.head(1, C).target == b"/long"
    assert got.head(1, C).headers == ((b"x", b"y" * 40_000),)
    assert got.end(1, C).how is EndReason.COMPLETE


def test_frames_that_carry_nothing_are_passed_over() -> None:
    client, server, start = opened()
    unknown = _frame(0x10, 0xFF, 0, b"u=1" * 9000)
    got = split(
        start,
        client.frames(PriorityFrame(1), WindowUpdateFrame(0, 9), PingFrame(0, b"12345678")),
        server.frames(unknown, server.headers(1, OK), unknown, data(1, b"x", "END_STREAM")),
    )

    assert not got.troubles
    assert got.body(1, S) == b"x"


def test_dynamic_tables_follow_the_settings_of_the_other_side() -> None:
    client, server = Peer(C), Peer(S)
    server.encoder.header_table_size = 60_000
    long = [(f"x-{n}", "v" * 900) for n in range(40)]
    pieces = [
        client.frames(PREFACE, SettingsFrame(0, {SettingsFrame.HEADER_TABLE_SIZE: 65_536})),
        *(client.frames(client.headers(n, request(), "END_STREAM")) for n in (1, 3)),
        *(server.frames(server.headers(n, [*OK, *long], "END_STREAM")) for n in (1, 3)),
    ]
    got = split(*pieces)

    assert not got.troubles
    assert got.head(3, S).headers == got.head(1, S).headers
    assert len(pieces[-1][1]) < 200  # so it did come from the table


def test_an_extended_connect_switches_its_stream() -> None:
    client, server, start = opened(
        request("/chat", "CONNECT", (":protocol", "WebSocket")), request("/b"), end=False
    )
    got = split(
        start,
        server.frames(server.headers(1, [(":status", "200")])),
        client.frames(data(1, b"\x81\x80mask")),
        server.frames(data(1, b"\x81\x02hi", "END_STREAM"), server.headers(3, OK, "END_STREAM")),
    )

    assert [(s.stream, s.protocol) for s in got.switched] == [(1, b"websocket")]
    assert got.head(1, C).target == b"/chat"
    assert (got.body(1, C), got.body(1, S)) == (b"\x81\x80mask", b"\x81\x02hi")
    assert got.head(3, S).status == 200


def test_a_refused_connect_switches_nothing() -> None:
    _, server, start = opened(request("/chat", "CONNECT", (":protocol", "websocket")), end=False)
    got = split(start, server.frames(server.headers(1, [(":status", "403")], "END_STREAM")))

    assert not got.switched


# How streams end


def test_what_was_on_its_way_when_the_client_reset_a_stream_is_kept() -> None:
    client, server, start = opened()
    got = split(
        start,
        server.frames(server.headers(1, OK), data(1, b"some")),
        client.frames(RstStreamFrame(1, 8)),
        server.frames(data(1, b" more")),
    )

    assert got.body(1, S) == b"some more"
    assert got.end(1, S).how is EndReason.RESET
    assert got.end(1, S).detail == "the client reset the stream (CANCEL)"
    assert not got.troubles


def test_a_reset_by_the_server_ends_both_directions() -> None:
    _, server, start = opened(end=False)
    got = split(start, server.frames(server.headers(1, OK), RstStreamFrame(1, 2)))

    assert [got.end(1, d).how for d in (C, S)] == [EndReason.RESET] * 2
    assert got.end(1, S).detail == "the server reset the stream (INTERNAL_ERROR)"


def test_goaway_ends_what_was_not_processed() -> None:
    _, server, start = opened(request("/a"), request("/b"))
    got = split(
        start,
        server.frames(GoAwayFrame(0, 1, 11, b"slow down"), server.headers(1, OK, "END_STREAM")),
    )

    assert got.end(1, S).how is EndReason.COMPLETE
    assert got.end(3, S).how is EndReason.RESET
    assert "ENHANCE_YOUR_CALM, b'slow down'" in got.end(3, S).detail


def test_the_end_of_the_connection_cuts_what_is_open() -> None:
    _, server, start = opened(request("/a"), request("/b"))
    got = split(start, server.frames(server.headers(1, OK), data(1, b"half")))

    assert (got.end(1, S).how, got.end(1, S).detail) == (
        EndReason.CUT,
        "the connection ended before the end of the message",
    )
    assert got.end(3, S).detail == "the connection ended without an answer"


def test_content_after_the_end_of_a_stream_is_named() -> None:
    client, server, start = opened()
    got = split(
        start,
        server.frames(server.headers(1, OK, "END_STREAM"), data(1, b"more"), server.headers(1, OK)),
        client.frames(data(1, b"even here"), data(7, b"never opened")),
    )

    assert [(t.stream, t.detail) for t in got.troubles] == [
        (1, "4 bytes of content came for a stream that had ended"),
        (1, "a header block came for a stream that had ended"),
        (1, "9 bytes of content came for a stream that had ended"),
        (7, "12 bytes of content came for a stream that does not exist"),
    ]


def test_an_answer_without_a_request_is_named_and_kept() -> None:
    _, server, start = opened()
    got = split(start, server.frames(server.headers(9, OK), data(9, b"?", "END_STREAM")))

    assert got.body(9, S) == b"?"
    assert got.end(9, S).detail == "no request came before this answer"


def test_a_request_after_its_answer_is_kept_and_not_answered_twice() -> None:
    client, server, start = opened()
    got = split(
        start,
        server.frames(server.headers(9, OK, "END_STREAM"), server.headers(11, OK)),
        client.frames(
            client.headers(9, request("/late"), "END_STREAM"),
            client.headers(11, request("/later"), "END_STREAM"),
        ),
        server.frames(data(11, b"x", "END_STREAM")),
    )

    assert [got.head(n, C).target for n in (9, 11)] == [b"/late", b"/later"]
    assert [got.end(n, S).detail for n in (9, 11)] == ["no request came before this answer"] * 2
    assert got.body(11, S) == b"x"


def test_a_pushed_stream_is_named_and_its_answer_kept() -> None:
    _, server, start = opened()
    block = server.encoder.encode(list(request("/style.css")))
    promise = PushPromiseFrame(1, 2, block)
    promise.flags.add("END_HEADERS")
    got = split(
        start,
        server.frames(
            server.headers(1, OK),
            promise,
            server.headers(2, OK),
            data(2, b"css", "END_STREAM"),
            data(1, b"html", "END_STREAM"),
        ),
    )

    (trouble,) = got.troubles
    assert trouble.stream == 2
    assert "b'GET' b'https://x.test/style.css'" in trouble.detail
    assert (got.body(1, S), got.body(2, S)) == (b"html", b"css")


# What goes wrong


def test_a_block_that_can_not_be_decoded_ends_the_direction_and_nothing_before_it() -> None:
    client, server, start = opened(request("/a"), request("/b"))
    broken = HeadersFrame(3, b"\xff\xff\xff\xff\xff\xff\xff")
    broken.flags.add("END_HEADERS")
    got = split(
        start,
        server.frames(server.headers(1, OK), data(1, b"kept"), broken, data(1, b"lost")),
        client.frames(client.headers(5, request("/c"), "END_STREAM")),
    )

    assert got.body(1, S) == b"kept"
    assert got.head(5, C).target == b"/c"
    assert [(t.direction, t.stream) for t in got.troubles] == [(S, None)] * 2
    assert "could not be decoded" in got.troubles[0].detail
    assert got.troubles[1].detail == "13 bytes were not read"
    assert [got.end(n, S).detail for n in (1, 3, 5)] == [
        "the data that followed could not be read"
    ] * 3


@pytest.mark.parametrize(
    ("frames", "detail"),
    [
        (b"\x00\x00\x00\x01\x00\x00\x00\x00\x01" + data(1, b"x"), "interrupted"),
        (
            b"\x00\x00\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00\x09\x04\x00\x00\x00\x03",
            "interrupted",
        ),
        (
            b"\x00\x00\x00\x09\x04\x00\x00\x00\x01",
            "a CONTINUATION frame came without a header block that it could continue",
        ),
        (b"\xff\xff\xff\x01\x04\x00\x00\x00\x01", "longer than"),
        (
            b"\x00\x00\x01\x01\x0c\x00\x00\x00\x01\x05",
            "the padding of a header block is longer than the header block",
        ),
        (
            b"\x00\x00\x00\x01\x0c\x00\x00\x00\x01",
            "the padding of a header block is longer than the header block",
        ),
    ],
)
def test_header_blocks_that_break_the_rules_end_the_direction(frames: bytes, detail: str) -> None:
    _, server, start = opened()
    got = split(start, server.frames(frames))

    assert detail in got.troubles[0].detail


def test_endless_continuations_are_given_up() -> None:
    _, server, start = opened()
    head = b"\x00\x00\x00\x01\x00\x00\x00\x00\x01"
    empty = b"\x00\x00\x00\x09\x00\x00\x00\x00\x01"
    full = b"\x00\x40\x00\x09\x00\x00\x00\x00\x01" + bytes(0x4000)

    for flood in (empty * 2000, full * 20):
        got = split(start, server.frames(head + flood))
        assert "longer than" in got.troubles[0].detail


def test_a_small_block_that_decodes_to_a_large_list_is_given_up() -> None:
    _, server, start = opened()
    server.encoder.encode([("x", "y" * 4000)])
    bomb = b"\x40\x01x\x7f\xa1\x1e" + b"y" * 4000 + b"\xbe" * (MAX_HEAD // 4000)
    frame = HeadersFrame(1, bomb)
    frame.flags.add("END_HEADERS")
    got = split(start, server.frames(frame))

    assert f"A header list larger than {MAX_HEAD}" in got.troubles[0].detail


def test_a_client_without_the_preface_is_named() -> None:
    got = split((C, b"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\nrest"))

    assert "preface" in got.troubles[0].detail
    assert got.troubles[1].detail == "28 bytes were not read"


def test_the_end_inside_a_header_block_is_named() -> None:
    client, _, start = opened()
    got = split(start, client.frames(client.headers(3, request())[:-1]))

    assert got.troubles[0].detail == "the connection ended inside a header block"


def test_streams_at_once_are_bounded() -> None:
    client, _, start = opened()
    heads = [client.headers(2 * n + 3, request(), "END_STREAM") for n in range(MAX_OPEN)]
    got = split(start, client.frames(*heads))

    assert "streams were open" in got.troubles[0].detail
    assert len(got.troubles) == 1


def test_an_answer_without_a_status_is_named() -> None:
    _, server, start = opened()
    got = split(start, server.frames(server.headers(1, [("a", "b")], "END_STREAM")))

    assert got.head(1, S).status == 0
    assert got.end(1, S).detail == "the answer has no :status"


def test_bytes_after_the_end_are_named_and_a_second_end_says_nothing() -> None:
    connection = Http2Connection()
    connection.close(S)

    assert connection.close(S) == []
    (trouble,) = connection.feed(S, b"late")
    assert "after the end" in str(trouble)


# Any bytes, in any pieces


def _conversation() -> Pieces:
    client, server, start = opened(request("/a"), request("/p", "POST"), end=False)
    promise = PushPromiseFrame(1, 2, server.encoder.encode(list(request("/pushed"))))
    promise.flags.add("END_HEADERS")
    return [
        start,
        server.frames(SettingsFrame(0), server.headers(1, OK), data(1, b"0123", pad=5), promise),
        client.frames(data(3, b"body", "END_STREAM", pad=1), RstStreamFrame(1, 8)),
        server.frames(
            data(1, b"late"),
            server.headers(3, [(":status", "103")]),
            server.headers(3, OK),
            data(3, b"x" * 300),
            server.headers(3, [("t", "u")], "END_STREAM"),
            data(3, b"after"),
            GoAwayFrame(0, 3, 0),
            HeadersFrame(5, b"\xff\xff\xff\xff\xff\xff\xff"),
            data(1, b"unread"),
        ),
    ]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_how_the_bytes_are_cut_makes_no_difference(sizes: list[int]) -> None:
    pieces = _conversation()
    whole = told(Http2Connection(), pieces)
    small = told(Http2Connection(), cut(pieces, sizes))

    assert coalesced(small.events) == coalesced(whole.events)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )


_FRAMES = st.builds(
    _frame, st.integers(0, 11), st.integers(0, 255), st.integers(0, 6), st.binary(max_size=40)
)
_BLOCKS = st.builds(
    _frame,
    st.sampled_from([1, 5, 9]),
    st.sampled_from([4, 5, 0x24]),
    st.integers(0, 6),
    st.lists(
        st.sampled_from([b"\x82", b"\x84", b"\x88", b"\x48\x03103", b"\x40\x01a\x01b", b"\x3f\x00"])
        | st.binary(max_size=6)
    ).map(b"".join),
)


@given(
    st.lists(
        st.tuples(st.sampled_from([C, S]), _FRAMES | _BLOCKS | st.binary(max_size=30)), max_size=40
    )
)
def test_no_bytes_raise_and_every_request_has_two_ends(
    pieces: list[tuple[Direction, bytes]],
) -> None:
    got = split((C, PREFACE), *pieces)

    for stream in range(1, 7):
        for direction in (C, S):
            if got.heads(stream, direction):
                assert len(got.ends(stream, direction)) == 1
                assert len(got.ends(stream, C if direction is S else S)) <= 1
        if got.heads(stream, C) and not any(t.stream == stream for t in got.troubles):
            assert len(got.ends(stream, S)) == 1


def test_nothing_of_a_body_is_held() -> None:
    _, server, start = opened()
    connection = Http2Connection()
    connection.feed(*start)
    connection.feed(*server.frames(server.headers(1, OK)))
    piece = b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + bytes(0xFFFFFF)
    pieces = [piece[at : at + 0x4000] for at in range(0, len(piece), 0x4000)]
    tracemalloc.start()
    try:
        for chunk in pieces:
            connection.feed(S, chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 200_000
