"""Bodies in Brotli are decoded by libbrotli, within the limits and as strictly as by our reader."""

import random
import tracemalloc
from pathlib import Path

import brotlicffi
import pytest

from snapshotter.formats.http import content_coding
from snapshotter.formats.http.content_coding import brotli_decoded
from snapshotter.formats.tls import brotli
from tests.servers.hostile import brotli_bomb

ROOT = Path(__file__).resolve().parents[4]
TEXT = b"".join(
    (ROOT / name).read_bytes()[:40_000]
    for name in ("README.md", "pyproject.toml", "snapshotter/formats/tls/brotli.py")
)
LIMIT = 1 << 17


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable, not secret


def _streams() -> list[bytes]:
    """Return what the encoder makes of pieces of real text, at its qualities and windows."""
    texts = [b"", b"a", TEXT[:300], TEXT[:9_000], bytes(range(256)) * 9, b"ab" * 2_000]
    return [
        brotlicffi.compress(text, quality=quality, lgwin=window)
        for quality in (0, 2, 5, 9, 11)
        for window in (10, 16, 22)
        for text in texts
    ]


def _damaged(streams: list[bytes], chance: random.Random) -> bytes:
    stream = bytearray(chance.choice(streams))
    kind = chance.randrange(4)
    if kind == 0:  # truncated
        return bytes(stream[: chance.randrange(len(stream))])
    if kind == 1:  # something follows
        return bytes(stream) + chance.choice((b"\0", b"more", chance.choice(streams)))
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(stream) if kind == 2 else min(len(stream), 40))
        stream[at] ^= 1 << chance.randrange(8)
    return bytes(stream)


def _by_our_reader(data: bytes, limit: int) -> bytes | None:
    try:
        return brotli.decompress(data, limit=limit)
    except brotli.BrotliInvalid:
        return None


def test_both_decoders_return_the_same_of_whole_streams() -> None:
    for stream in _streams():
        found = brotli_decoded(stream, limit=LIMIT)

        assert found is not None
        assert found == _by_our_reader(stream, LIMIT)
        assert brotli_decoded(stream, limit=len(found)) == found
        if found:
            assert brotli_decoded(stream, limit=len(found) - 1) is None


def test_both_decoders_return_the_same_of_damaged_streams() -> None:
    streams, chance = _streams(), _dice(20261129)
    valid = 0
    for number in range(500):
        data = _damaged(streams, chance)
        limit = chance.choice((LIMIT, 5_000, 200))

        found = brotli_decoded(data, limit=limit)

        assert found == _by_our_reader(data, limit), (number, limit, data[:100].hex())
        valid += found is not None
    assert 20 < valid < 200  # a changed letter is a valid stream again


def test_a_last_block_of_metadata_is_read_as_a_browser_reads_it() -> None:
    """This is the only difference that 150,000 damaged streams showed."""
    assert brotli_decoded(b"\x1a", limit=LIMIT) == b""
    assert _by_our_reader(b"\x1a", LIMIT) is None


@pytest.mark.parametrize("length", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_a_stream_of_any_length_is_decoded_in_pieces(length: int) -> None:
    plain = _dice(1).randbytes(length)

    assert brotli_decoded(brotlicffi.compress(plain, quality=0), limit=4 << 20) == plain


def test_a_second_stream_behind_the_first_is_refused_at_the_border_of_a_piece() -> None:
    # Incompressible bytes: the stream is as long as what it holds, and a few bytes more.
    plain = _dice(2).randbytes(content_coding._PIECE)
    ends = {
        len(brotlicffi.compress(plain[:cut], quality=0)): plain[:cut]
        for cut in range(len(plain) - 40, len(plain))
    }
    whole = brotlicffi.compress(ends[content_coding._PIECE], quality=0)

    assert brotli_decoded(whole, limit=LIMIT) == ends[content_coding._PIECE]
    assert brotli_decoded(whole + b"\x06", limit=LIMIT) is None


def test_of_a_bomb_little_more_than_the_limit_is_decoded() -> None:
    bomb = brotli_bomb(1024)
    tracemalloc.start()
    try:
        assert brotli_decoded(bomb, limit=1 << 20) is None
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_body_is_opened_up_to_the_limits_that_an_assessment_depends_on() -> None:
    noise = _dice(3).randbytes(256 << 10)
    fits = brotlicffi.compress(noise[: (256 << 10) - 100], quality=0)
    long = brotlicffi.compress(noise, quality=0)
    assert len(fits) <= 256 << 10 < len(long)

    assert content_coding.decode_content(fits, "br", 10) == noise[:10]
    assert content_coding.decode_content(long, "br", 10) is None
    assert content_coding.decode_content(brotlicffi.compress(b" " * (1 << 20)), "br", 3) == b"   "
    assert (
        content_coding.decode_content(brotlicffi.compress(b" " * ((1 << 20) + 1)), "br", 3) is None
    )
