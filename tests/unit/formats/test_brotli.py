"""Brotli streams come out as they went in, and what is none is refused in bounded time."""

import base64
import contextlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.formats import brotli
from snapshotter.formats.brotli import BrotliInvalid, decompress
from tests.bundles import flipped

LIMIT = 1 << 15
TEXTS = {
    "empty": b"",
    "one": b"a",
    "run": b"a" * 5000,
    "words": b"Content-Type: text/html; charset=UTF-8, The Quick Brown Fox, "
    b"http://www.example.com/index.html, of the, Other Information ",
    "utf8": "Привет, Как дела? 世界 Статьи и новости России".encode(),
    "capitals": b"THE INFORMATION OF THE GOVERNMENT, University Of Washington; December. "
    b"September, international Development ",
}
# By the reference implementation (1.1.0), at its highest, middle and lowest quality and with
# windows of 22, 10 and 18 bits.
STREAMS = [
    ("empty", "Bg=="),
    ("one", "CwCAYQM="),
    ("one", "IQAABGED"),
    ("run", "G4cT+CXC4rFAIGgBAA=="),
    ("run", "oTicACARFo8FErQAAA=="),
    ("run", "g8MJACDC2AAOXMNJbTaAC3BY/lkAMA=="),
    (
        "words",
        "G3kAIBwJdizkNx6oNg2oWVp0qDaIURmeQnvTyQH7/0tbglEiHTjQjZX0ouItwrgLVP1+Q1SGw+Iik/k+GQ/k"
        "wuLsjXNG5Csz6qFZLcYG",
    ),
    (
        "words",
        "ocgDACBQbkv16L9QFg12wdBEUAQHgiiocsC+rLLkePOBn/luY+d4FLOuBENM8OWgLnH4ijo65c62SCfeJscX"
        "p1yTIxy1R/x+tqLzZJS1NisA",
    ),
    ("utf8", "G1AAeBwJNk7x4Um7NXQ0yE/YGDtrSuNFEJiCgIywAYcaCEWrjDrwTccPJmMuiuZ5PKl5XZDo0hz9CwA="),
    (
        "utf8",
        "oYACAGCkRmqa29E/7kjfPPAE9D54W3qykLNnlUxoAts3Axxy4NKSwNqBAqNgYyywdXwlPXqdH5zkeKeNVbdH"
        "/6bJQWVTrJy/16kMJJggAg==",
    ),
    (
        "capitals",
        "G2sA8BwHdoxm9OGhLTE1iMsO1XxCKiojM8c4cF/GTW/A6WEDjnHJfB5k+fu9iBT2eGYPI0mTE1i9IjBOAQ==",
    ),
    (
        "capitals",
        "oVgDACDwn7dU37oJRRIOgvub3XRF4hgHDtv5q44rjzh4DJ/HIeW1LDGM6U171Zhy1JAvXce2L/NILM1LD28X"
        "aIXIUCRKvJSh0b6fkAQ=",
    ),
]


@pytest.mark.parametrize(("name", "stream"), STREAMS)
def test_what_the_reference_compressed_comes_out_as_it_was(name: str, stream: str) -> None:
    assert decompress(base64.b64decode(stream), limit=LIMIT) == TEXTS[name]


@pytest.mark.parametrize(("name", "stream"), STREAMS)
def test_a_stream_that_is_not_whole_or_has_more_behind_it_is_refused(
    name: str, stream: str
) -> None:
    data = base64.b64decode(stream)

    for end in range(len(data)):
        with pytest.raises(BrotliInvalid):
            decompress(data[:end], limit=LIMIT)
    with pytest.raises(BrotliInvalid):
        decompress(data + b"\0", limit=LIMIT)


def test_nothing_longer_than_the_limit_is_made() -> None:
    run = base64.b64decode(dict(STREAMS)["run"])

    assert len(decompress(run, limit=5000)) == 5000
    with pytest.raises(BrotliInvalid, match="longer than 4999 bytes"):
        decompress(run, limit=4999)


def test_the_dictionary_is_that_of_the_reference() -> None:
    data = brotli._dictionary()

    assert len(data) == 122_784
    assert zlib.crc32(data) == 0x5136CB04
    assert data.startswith(b"timedownlifeleft")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_stream_raise_our_error_and_no_other(data: bytes) -> None:
    with contextlib.suppress(BrotliInvalid):
        assert len(decompress(data, limit=LIMIT)) <= LIMIT


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(STREAMS), st.integers(0, 10_000), st.integers(1, 255))
def test_a_stream_that_somebody_changed_raises_our_error_and_no_other(
    stream: tuple[str, str], at: int, value: int
) -> None:
    data = base64.b64decode(stream[1])
    with contextlib.suppress(BrotliInvalid):
        assert len(decompress(flipped(data, at % len(data), value), limit=LIMIT)) <= LIMIT
