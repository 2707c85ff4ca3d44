"""Blocks are moved from one deflate stream to another, whatever kinds an encoder chose."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.capture.pictures import deflate_blocks

CONTENT = st.lists(
    st.one_of(
        st.binary(max_size=600),
        st.tuples(st.binary(min_size=1, max_size=9), st.integers(1, 5_000)).map(
            lambda pair: pair[0] * pair[1]
        ),
    ),
    max_size=6,
).map(b"".join)


def boundaries(stream: bytes) -> list[int]:
    return [piece.boundary for piece in deflate_blocks.inflate(stream) if piece.boundary >= 0]


def test_this_system_tells_blocks() -> None:
    assert boundaries(zlib.compress(bytes(range(256)) * 64))


@given(
    content=CONTENT,
    level=st.integers(0, 9),
    strategy=st.sampled_from([0, 1, 2, 3, 4]),
    memory=st.integers(1, 9),
    pick=st.integers(0, 1000),
)
def test_blocks_follow_what_stands_in_for_those_before_them(
    content: bytes, level: int, strategy: int, memory: int, pick: int
) -> None:
    deflater = zlib.compressobj(level, zlib.DEFLATED, 15, memory, strategy)
    stream = deflater.compress(content) + deflater.flush()
    bits = boundaries(stream)
    chosen = bits[pick % (len(bits) - 1)]
    length = 0
    for piece in deflate_blocks.inflate(stream):
        length += len(piece.data)
        if piece.boundary == chosen:
            break

    anew = zlib.compressobj(6, zlib.DEFLATED, -15)
    head = anew.compress(content[:length]) + anew.flush(zlib.Z_SYNC_FLUSH)
    moved = b"".join(deflate_blocks.rebase_blocks(stream, chosen, bits[-2], bits[-1]))

    # Twice, because another stream's blocks follow the first one's.
    inflater = zlib.decompressobj(-15)
    assert inflater.decompress((head + moved) * 2 + deflate_blocks.END) == content * 2
    assert inflater.eof
    assert inflater.unused_data == b""


@pytest.mark.parametrize("blocks", [True, False])
@given(content=CONTENT, cut=st.integers(1, 40), flip=st.integers(0, 10_000))
def test_a_stream_is_inflated_whole_or_not_at_all(
    blocks: bool, content: bytes, cut: int, flip: int
) -> None:
    stream = zlib.compress(content, 1)
    flipped = bytearray(stream)
    flipped[flip % len(stream)] ^= 0x10

    assert (
        b"".join(piece.data for piece in deflate_blocks.inflate(stream, blocks=blocks)) == content
    )
    with pytest.raises(zlib.error):
        list(deflate_blocks.inflate(stream[:-cut], blocks=blocks))
    try:
        got = b"".join(
            piece.data for piece in deflate_blocks.inflate(bytes(flipped), blocks=blocks)
        )
    except zlib.error:
        return
    assert got == content  # a bit that only fills a byte
