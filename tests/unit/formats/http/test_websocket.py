"""WebSocket: frames as they were sent, and messages that can be read."""

import contextlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.http.websocket import (
    Frame,
    FrameReader,
    Inflater,
    Opcode,
    context_takeover,
    inflate,
)

# The examples of RFC 6455, 5.7
HELLO = bytes.fromhex("810548656c6c6f")
MASKED_HELLO = bytes.fromhex("818537fa213d7f9f4d5158")
FRAGMENTED_HELLO = bytes.fromhex("010348656c" + "80026c6f")
MASKED_PONG = bytes.fromhex("8a8537fa213d7f9f4d5158")


def framed(
    payload: bytes, opcode: int = Opcode.BINARY, *, first: int = 0x80, mask: bytes = b""
) -> bytes:
    length = len(payload)
    bit = 0x80 if mask else 0
    if length < 126:
        header = bytes([first | opcode, bit | length])
    elif length < 1 << 16:
        header = bytes([first | opcode, bit | 126]) + length.to_bytes(2, "big")
    else:
        header = bytes([first | opcode, bit | 127]) + length.to_bytes(8, "big")
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return header + mask + payload


def test_the_examples_of_the_specification() -> None:
    frames = FrameReader().feed(HELLO + MASKED_HELLO + FRAGMENTED_HELLO + MASKED_PONG)

    assert [(f.opcode, f.fin, f.masked, f.payload) for f in frames] == [
        (Opcode.TEXT, True, False, b"Hello"),
        (Opcode.TEXT, True, True, b"Hello"),
        (Opcode.TEXT, False, False, b"Hel"),
        (Opcode.CONTINUATION, True, False, b"lo"),
        (Opcode.PONG, True, True, b"Hello"),
    ]
    assert not any(frame.problem for frame in frames)


def test_control_frames_may_come_between_fragments() -> None:
    sent = framed(b"a", Opcode.TEXT, first=0) + framed(b"p", Opcode.PING)
    frames = FrameReader().feed(sent + framed(b"b", Opcode.CONTINUATION))

    assert [(f.opcode, f.fin) for f in frames] == [(1, False), (9, True), (0, True)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536]),
            st.sampled_from([b"", b"\x00\x00\x00\x00", b"\xff\x01\x80\x7f"]),
        ),
        max_size=4,
    ),
    st.lists(st.integers(1, 5000), min_size=1, max_size=5),
)
def test_frames_of_any_length_in_any_pieces(
    frames: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    payloads = [bytes(at % 251 for at in range(length)) for length, _ in frames]
    sent = b"".join(
        framed(payload, mask=mask) for payload, (_, mask) in zip(payloads, frames, strict=True)
    )
    reader = FrameReader()
    got: list[Frame] = []
    position = turn = 0
    while position < len(sent):
        size = sizes[turn % len(sizes)]
        turn += 1
        got += reader.feed(sent[position : position + size])
        position += size

    assert [frame.payload for frame in got] == payloads
    assert reader.close() == []


def test_of_a_frame_over_the_bound_the_rest_is_named() -> None:
    frames = FrameReader(limit=10).feed(framed(b"x" * 300, mask=b"abcd") + HELLO)

    assert [(f.length, f.payload, f.problem) for f in frames] == [
        (300, b"x" * 10, "290 of 300 bytes were not kept"),
        (5, b"Hello", ""),
    ]


def test_a_frame_that_is_announced_as_endless_costs_no_memory() -> None:
    reader = FrameReader(limit=100)
    assert reader.feed(b"\x82\x7f" + b"\xff" * 8 + b"x" * 1000) == []

    (frame,) = reader.close()
    assert frame.payload == b"x" * 100
    assert "ended after 1,000 of" in frame.problem


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (b"\xa1\x00", "RSV2 or RSV3 is set"),
        (b"\x83\x00", "opcode 3 is reserved"),
        (b"\x09\x00", "a control frame is fragmented, or longer than 125 bytes"),
        (
            framed(b"x" * 126, Opcode.PING),
            "a control frame is fragmented, or longer than 125 bytes",
        ),
    ],
)
def test_frames_against_the_rules_are_named(sent: bytes, problem: str) -> None:
    (frame,) = FrameReader().feed(sent)

    assert frame.problem == problem


@pytest.mark.parametrize("came", [1, 2, 4, 8, 10])
def test_a_frame_in_which_the_connection_ended_is_named(came: int) -> None:
    reader = FrameReader()
    assert reader.feed(MASKED_HELLO[:came]) == []

    (frame,) = reader.close()
    assert frame.problem.startswith("the connection ended")
    assert frame.payload == b"Hello"[: max(0, came - 6)]


@given(st.binary(max_size=500))
def test_no_bytes_raise(sent: bytes) -> None:
    reader = FrameReader()
    reader.feed(sent)
    reader.close()


# Compressed messages (RFC 7692, 7.2.3)


def test_the_compressed_examples_of_the_specification() -> None:
    first, second = bytes.fromhex("f248cdc9c90700"), bytes.fromhex("f200110000")
    (frame,) = FrameReader().feed(framed(first, Opcode.TEXT, first=0xC0))
    assert frame.rsv1
    assert frame.payload == first

    messages = Inflater()
    assert messages.inflate(first) == messages.inflate(second) == b"Hello"
    assert inflate(bytes.fromhex("000500faff48656c6c6f00")) == b"Hello"
    assert inflate(bytes.fromhex("f348cdc9c9070000")) == b"Hello"  # with a last block
    with pytest.raises(ValueError, match="not deflated"):
        inflate(second)


def test_a_message_that_inflates_beyond_the_bound_is_refused() -> None:
    deflater = zlib.compressobj(wbits=-15)
    bomb = deflater.compress(bytes(10_000_000)) + deflater.flush(zlib.Z_SYNC_FLUSH)

    assert len(inflate(bomb[:-4], 10_000_000)) == 10_000_000
    with pytest.raises(ValueError, match="longer than 1,000 bytes"):
        inflate(bomb[:-4], 1000)


@given(st.binary(max_size=100))
def test_no_message_raises_anything_else(payload: bytes) -> None:
    with contextlib.suppress(ValueError):
        inflate(payload, 1000)


@pytest.mark.parametrize(
    ("extensions", "kept"),
    [
        (b"permessage-deflate", (True, True)),
        (b"permessage-deflate; client_no_context_takeover", (False, True)),
        (
            b"x, permessage-deflate;Server_No_Context_Takeover ; server_max_window_bits=9",
            (True, False),
        ),
    ],
)
def test_what_the_sides_agreed_on(extensions: bytes, kept: tuple[bool, bool]) -> None:
    assert context_takeover(extensions) == kept
