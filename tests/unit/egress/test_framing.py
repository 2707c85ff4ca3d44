"""Where requests and answers end, in any pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.egress.framing import (
    BodyFraming,
    MalformedHttp,
    ReadState,
    ResponseReader,
    parse_request,
    request_body,
    split_absolute,
    split_authority,
)

CHUNKED = b"4;name=value\r\nWiki\r\nA \r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n"

# An answer to GET, and where it stands once all of it is there.
ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ReadState.DONE),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ReadState.DONE),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", ReadState.BODY),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", ReadState.DONE),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nhell",
        ReadState.UNTIL_CLOSE,
    ),
    (b"HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", ReadState.DONE),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, ReadState.DONE),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + CHUNKED[:-1], ReadState.BODY),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", ReadState.UNTIL_CLOSE),
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        ReadState.UNTIL_CLOSE,
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.1 200\r\n\r\nuntil the end", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.0 200 OK\n\nuntil the end", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.0 200 OK\nContent-Length: 2\n\nab", ReadState.DONE),
    (b"HTTP/1.1 204 None\r\n\r\n", ReadState.DONE),
    (b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", ReadState.DONE),
    (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n", ReadState.DONE),
    (b"HTTP/1.1 100 Continue\r\n\r\n", ReadState.HEAD),
    (b"HTTP/1.1 101 Switch\r\n\r\n", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.1 200 OK\r\nContent-Length", ReadState.HEAD),
    (b"ICY 200 OK\r\n\r\n", ReadState.UNTIL_CLOSE),
    (b"HTTP/1.1 99 Odd\r\n\r\n", ReadState.UNTIL_CLOSE),
    (b"", ReadState.HEAD),
]


@pytest.mark.parametrize(("answer", "part"), ANSWERS)
def test_an_answer_ends_where_it_says(answer: bytes, part: ReadState) -> None:
    whole, bytewise = ResponseReader(b"GET", upgrade=False), ResponseReader(b"GET", upgrade=False)

    whole.feed(answer)
    for byte in answer:
        bytewise.feed(bytes([byte]))

    assert whole.part is part
    assert bytewise.part is part
    assert whole.status == bytewise.status


def test_an_answer_to_head_has_no_body() -> None:
    reader = ResponseReader(b"HEAD", upgrade=False)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert reader.part is ReadState.DONE


def test_only_who_asked_for_another_protocol_gets_one() -> None:
    for asked in (True, False):
        reader = ResponseReader(b"GET", upgrade=asked)
        reader.feed(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n\x81\x00")
        assert reader.switched is asked


def test_a_head_that_does_not_end_leaves_the_end_open() -> None:
    reader = ResponseReader(b"GET", upgrade=False)
    for _ in range(40):
        reader.feed(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000)
    assert reader.part is ReadState.UNTIL_CLOSE


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_any_answer_in_any_pieces_stands_where_the_whole_does(tail: bytes, cuts: list[int]) -> None:
    for start in (b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 200"):
        data = start + tail
        whole, pieces = ResponseReader(b"GET", upgrade=False), ResponseReader(b"GET", upgrade=False)
        whole.feed(data)
        for left, right in pairwise([0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]):
            pieces.feed(data[left:right])
        assert pieces.part is whole.part


@given(st.lists(st.integers(0, len(CHUNKED)), max_size=6), st.binary(max_size=20))
def test_a_chunked_body_ends_at_its_last_byte_in_any_pieces(cuts: list[int], rest: bytes) -> None:
    body = BodyFraming(None)
    data = CHUNKED + rest
    taken = 0
    for left, right in pairwise([0, *sorted(cuts), len(data)]):
        piece = data[left:right]
        end = body.feed(piece, 0)
        taken += end
        if body.done:
            break
        assert end == len(piece)
    assert body.done
    assert taken == len(CHUNKED)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n", b"g\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1\n", b"1\r\nab\r\n", b" 1\r\n",
        b"1" * 16 + b"\r\n", b"1;" + b"x" * 5000, b"1;\x00\r\n", b"1\r\na\n",
        b"0\r\n" + b"T: xxxxxxxxx\r\n" * 4000,
    ],
)  # fmt: skip
def test_chunks_that_are_none_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedHttp):
        BodyFraming(None).feed(data, 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_head_or_malformed(data: bytes) -> None:
    for start in (b"", b"GET http://a/ HTTP/1.1\r\n"):
        try:
            head = parse_request(start + data + b"\r\n\r\n")
            request_body(head)
            split_absolute(head.target)
        except MalformedHttp:
            continue
        assert b"\n" not in head.target


@given(st.binary(max_size=60))
def test_any_bytes_are_an_authority_or_malformed(data: bytes) -> None:
    try:
        host, port = split_authority(data, default_port=80)
    except MalformedHttp:
        return
    assert host
    assert 0 < port < 65536


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://a.example/b?c", ("a.example", 80, b"/b?c")),
        (b"HTTP://a.example:8080", ("a.example", 8080, b"/")),
        (b"http://a.example?c", ("a.example", 80, b"/?c")),
        (b"http://[::1]:81/", ("::1", 81, b"/")),
    ],
)
def test_an_absolute_target_has_host_port_and_origin_form(
    target: bytes, expected: tuple[str, int, bytes]
) -> None:
    assert split_absolute(target) == expected
