"""WebSocket frames as lines."""

import json
import zlib
from pathlib import Path
from typing import Any

from snapshotter.capture.frames import Frames
from snapshotter.capture.scratch import Scratch
from snapshotter.formats.http import Direction
from tests.fakes.world import START


def lines(tmp_path: Path, *pieces: bytes, extensions: bytes = b"") -> list[dict[str, Any]]:
    body = Scratch(tmp_path).body()
    frames = Frames(body, extensions)
    for piece in pieces:
        frames.feed(Direction.SERVER, START, piece)
    frames.close(START)
    with body.open() as stream:
        return [json.loads(line) for line in stream]


def deflated(*messages: bytes) -> list[bytes]:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return [
        (packer.compress(it) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")
        for it in messages
    ]


def frame(first: int, payload: bytes) -> bytes:
    return bytes([first, len(payload)]) + payload


def test_a_compressed_message_is_shown_as_sent_and_as_it_reads(tmp_path: Path) -> None:
    one, two = deflated(b"hello hello", b"hello again")

    found = lines(
        tmp_path, frame(0xC1, one), frame(0x41, two[:2]), frame(0x89, b""), frame(0x80, two[2:])
    )

    assert [it.get("message") for it in found] == [
        {"text": "hello hello"},
        None,
        None,
        {"text": "hello again"},
    ]
    assert [it["compressed"] for it in found] == [True, True, False, False]
    assert all("base64" in it for it in found)


def test_a_message_that_does_not_inflate_is_shown_as_sent_and_so_are_those_after_it(
    tmp_path: Path,
) -> None:
    good = deflated(b"x")[0]

    found = lines(tmp_path, frame(0xC1, b"\xff\xff\xff"), frame(0xC1, good))

    assert all("message" not in it for it in found)


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

    body = Scratch(tmp_path).body()
    frames = Frames(body, b"", afford=afford)
    for message in (first, second, third):
        frames.feed(Direction.SERVER, START, frame(0xC1, message))
    frames.close(START)

    with body.open() as stream:
        found = [json.loads(line) for line in stream]
    assert [len(it.get("message", {}).get("text", "")) for it in found] == [1000, 0, 1]
    assert all(it["base64"] for it in found)  # as sent they are all there
    assert frames.left_out == 1
