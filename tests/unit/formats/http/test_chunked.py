"""Chunk framing, taken off."""

import io

import pytest

from snapshotter.formats.http.chunked import identity_parts, remove_chunking


@pytest.mark.parametrize(
    ("framed", "content"),
    [
        (b"3\r\none\r\nA;ext=1\r\n two three\r\n0\r\nX: 1\r\n\r\n", b"one two three"),
        (b"3\none\n0\n\n", b"one"),
        (b"0\r\n\r\n", b""),
        (b"", b""),
        (b"ff\r\nhalf", b"half"),
        (b"2\r\nab\r\n-3\r\nabc\r\n", b"ab"),
        (b"2\r\nab\r\nno size\r\nabc\r\n", b"ab"),
        (b"30000\r\n" + b"x" * 0x30000 + b"\r\n0\r\n\r\n", b"x" * 0x30000),
    ],
)
def test_what_is_in_the_chunks_comes_out_as_far_as_they_go(framed: bytes, content: bytes) -> None:
    assert b"".join(remove_chunking(io.BytesIO(framed))) == content


def test_a_body_without_framing_comes_out_as_it_is() -> None:
    data = b"x" * 200_000

    assert b"".join(identity_parts(io.BytesIO(data))) == data
