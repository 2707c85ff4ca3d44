"""WebSocket frames as lines."""

import json
import zlib
from pathlib import Path
from typing import Any

from snapshotter.capture.record.scratch import BodyStore
from snapshotter.capture.record.websocket_frames import WebSocketFrameWriter
from snapshotter.formats.http.events import Direction
from tests.fakes.world import START


def lines(tmp_path: Path, *pieces: bytes, extensions: bytes = b"") -> list[dict[str, Any]]:
    body = BodyStore(tmp_path).body()
    frames = WebSocketFrameWriter(body, extensions)
    for piece in pieces:
        frames.feed(Direction.SERVER, START, piece)
    frames.close(START)
    with body.open() as stream:
        return [json.loads(line) for line in stream]


def deflated(*messages: bytes) -> list[bytes]:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return [
        (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
        for message in messages
    ]


def frame(first: int, payload: bytes) -> bytes:
    return bytes([first, len(payload)]) + payload


def test_a_compressed_message_is_shown_as_sent_and_as_it_reads(tmp_path: Path) -> None:
    one, two = deflated(b"hello hello", b"hello again")

    found = lines(
        tmp_path, frame(0xC1, one), frame(0x41, two[:2]), frame(0x89, b""), frame(0x80, two[2:])
    )

    assert [message.get("message") for message in found] == [
        {"text": "hello hello"},
        None,
        None,
        {"text": "hello again"},
    ]
    assert [message["compressed"] for message in found] == [True, True, False, False]
    assert all("base64" in message for message in found)


def test_a_message_that_does_not_inflate_is_shown_as_sent_and_so_are_those_after_it(
    tmp_path: Path,
) -> None:
    good = deflated(b"x")[0]

    found = lines(tmp_path, frame(0xC1, b"\xff\xff\xff"), frame(0xC1, good))

    assert all("message" not in message for message in found)


def test_text_that_is_no_utf_8_is_shown_as_octets(tmp_path: Path) -> None:
    (found,) = lines(tmp_path, frame(0x81, b"\xff"))

    assert found["base64"] == "/w=="


def test_a_frame_that_was_cut_off_says_so(tmp_path: Path) -> None:
    (found,) = lines(tmp_path, frame(0x81, b"half")[:4])

    assert found["text"] == "ha"
    assert found["problem"]


def test_messages_that_inflate_to_more_than_may_be_shown_are_counted(tmp_path: Path) -> None:
    first, second, third = deflated(b"a" * 1000, b"b" * 1000, b"c")
    left = [1500]

    def afford(count: int) -> bool:
        if count <= left[0]:
            left[0] -= count
            return True
        return False

    body = BodyStore(tmp_path).body()
    frames = WebSocketFrameWriter(body, b"", afford=afford)
    for message in (first, second, third):
        frames.feed(Direction.SERVER, START, frame(0xC1, message))
    frames.close(START)

    with body.open() as stream:
        found = [json.loads(line) for line in stream]
    assert [len(message.get("message", {}).get("text", "")) for message in found] == [1000, 0, 1]
    assert all(message["base64"] for message in found)  # as sent they are all there
    assert frames.left_out == 1
