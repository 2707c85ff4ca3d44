"""Brotli streams come out as they went in, and what is none is refused in bounded time."""

import base64
import contextlib
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.formats.tls import brotli
from snapshotter.formats.tls.brotli import BrotliInvalid, TooMuchWork, Work, decompress
from tests.bundles import flipped
from tests.fuzzing import tries

LIMIT = 1 << 15
STEPS = 1 << 20
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


@settings(max_examples=tries(300), deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_stream_raise_our_error_and_no_other(data: bytes) -> None:
    with contextlib.suppress(BrotliInvalid):
        assert len(decompress(data, limit=LIMIT)) <= LIMIT


@settings(max_examples=tries(300), deadline=None)
@given(st.sampled_from(STREAMS), st.integers(0, 10_000), st.integers(1, 255))
def test_a_stream_that_somebody_changed_raises_our_error_and_no_other(
    stream: tuple[str, str], at: int, value: int
) -> None:
    data = base64.b64decode(stream[1])
    with contextlib.suppress(BrotliInvalid):
        assert len(decompress(flipped(data, at % len(data), value), limit=LIMIT)) <= LIMIT


def _tables(blocks: int) -> bytes:
    """
    A stream of meta-blocks of one byte each, with the longest tables that few bits can ask for:
    256 types of literals, and a map of their 16,384 contexts of which each is the same.
    """
    bits: list[int] = [0]  # the window

    def put(value: int, count: int) -> None:
        bits.extend(value >> at & 1 for at in range(count))

    def one_symbol(symbol: int, alphabet: int) -> None:
        put(1, 2)  # a simple code
        put(0, 2)  # of one symbol
        put(symbol, (alphabet - 1).bit_length())

    for _ in range(blocks):
        put(0, 1)  # not the last
        put(0, 2)  # the length has 4 nibbles
        put(0, 16)  # and is 1
        put(0, 1)  # compressed
        put(1 | 7 << 1 | 127 << 4, 11)  # 256 types of literals
        one_symbol(0, 258)
        one_symbol(25, 26)
        put(0, 24)  # of the first block
        put(0, 2)  # one type of commands, and one of distances
        put(0, 6)  # postfix and direct distances
        put(0, 512)  # modes
        put(1 | 0 << 1, 4)  # two trees of literals
        put(0, 1)  # no runs
        one_symbol(1, 2)
        put(1, 1)  # moved to the front
        put(0, 1)  # one tree of distances
        one_symbol(65, 256)
        one_symbol(65, 256)
        one_symbol(8, 704)  # one literal, and a copy that is not made
        one_symbol(0, 64)
    put(3, 2)
    bits.extend([0] * (-len(bits) % 8))
    return bytes(
        sum(bit << at for at, bit in enumerate(bits[i : i + 8])) for i in range(0, len(bits), 8)
    )


def test_a_stream_of_few_bits_can_not_ask_for_work_without_end() -> None:
    """Each of its blocks takes milliseconds: a certificate of 128 KiB would take a minute."""
    assert decompress(_tables(2), limit=LIMIT, work=Work(STEPS)) == b"AA"

    with pytest.raises(TooMuchWork):
        decompress(_tables(100), limit=LIMIT)


def test_what_servers_send_takes_far_less_than_is_granted() -> None:
    for _, stream in STREAMS:
        work = Work(STEPS)
        decompress(base64.b64decode(stream), limit=LIMIT, work=work)
        assert STEPS - work.left < 60_000
