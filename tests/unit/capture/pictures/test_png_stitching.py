"""Joined PNG images have the pixels of their parts, whatever filters an encoder chose."""

import io
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from snapshotter.capture.pictures.png_stitching import PngStitcher, _idat
from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import DigestingWriter
from snapshotter.formats.page.png import read_header


def png(rows: list[bytes], filters: list[int], pixel_bytes: int, level: int = 6) -> bytes:
    """Encode rows with the given filter for each (PNG, §9.2), written from the specification."""
    data, above = b"", bytes(len(rows[0]))
    for row, kind in zip(rows, filters, strict=True):
        out = bytearray([kind])
        for i, value in enumerate(row):
            left = row[i - pixel_bytes] if i >= pixel_bytes else 0
            corner = above[i - pixel_bytes] if i >= pixel_bytes else 0
            guess = left + above[i] - corner
            paeth = min((left, above[i], corner), key=lambda near: abs(guess - near))
            predicted = (0, left, above[i], (left + above[i]) // 2, paeth)[kind]
            out.append((value - predicted) & 255)
        data += bytes(out)
        above = row
    colour = {3: 2, 4: 6}[pixel_bytes]

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(body, zlib.crc32(name))
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", len(rows[0]) // pixel_bytes, len(rows), 8, colour, 0, 0, 0)
    packed = zlib.compress(data, level)
    middle = len(packed) // 2  # two IDAT chunks: an encoder may cut anywhere
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", packed[:middle])
        + chunk(b"IDAT", packed[middle:])
        + chunk(b"IEND", b"")
    )


def stitch(parts: list[bytes], *, blocks: bool = True) -> bytes:
    stitcher = PngStitcher(io.BytesIO(), blocks=blocks)
    for part in parts:
        stitcher.add(part)
    out = io.BytesIO()
    stitcher.finish(DigestingWriter(out, limit=1 << 30))
    return out.getvalue()


@given(
    pixel_bytes=st.sampled_from([3, 4]),
    width=st.integers(1, 9),
    filters=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=4),
    seed=st.integers(0, 1 << 32),
)
def test_joined_images_decode_to_the_pixels_of_their_parts(
    pixel_bytes: int, width: int, filters: list[list[int]], seed: int
) -> None:
    source = random.Random(seed)  # noqa: S311 - pixels, no secrets
    rows = [[source.randbytes(width * pixel_bytes) for _ in part] for part in filters]

    joined = stitch([png(r, f, pixel_bytes) for r, f in zip(rows, filters, strict=True)])

    image = Image.open(io.BytesIO(joined))
    assert image.size == (width, sum(len(part) for part in filters))
    assert image.tobytes() == b"".join(b"".join(part) for part in rows)


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("kind", [0, 2, 3, 4])
def test_images_of_many_compressed_blocks_are_joined_with_and_without_moving_them(
    blocks: bool, level: int, kind: int
) -> None:
    """Level 0 stores, and a stored block has to keep its place within a byte."""
    source = random.Random(kind)  # noqa: S311 - pixels, no secrets
    parts = []
    for _ in range(3):
        noise = [source.randbytes(450) for _ in range(110)]
        calm = [bytes(450)] * 40 + [bytes([i]) * 450 for i in range(30)]
        parts.append(noise[:80] + calm + noise[80:])

    joined = stitch([png(rows, [kind] * len(rows), 3, level) for rows in parts], blocks=blocks)

    assert Image.open(io.BytesIO(joined)).tobytes() == b"".join(b"".join(rows) for rows in parts)


class Rows:
    """Keeps the rows that it receives."""

    def __init__(self) -> None:
        self.data, self.is_given_up = b"", False

    def add(self, head: bytes, rows: bytes) -> None:
        assert read_header(head).width
        self.data += rows

    def give_up(self) -> None:
        self.is_given_up = True

    def end(self, sha256: str) -> None:
        raise AssertionError


@given(filters=st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=2))
def test_a_reader_receives_the_rows_as_they_are_in_the_joined_image(
    filters: list[list[int]],
) -> None:
    source = random.Random(len(filters))  # noqa: S311 - pixels, no secrets
    received = Rows()
    stitcher = PngStitcher(io.BytesIO(), rows=received)
    for part in filters:
        stitcher.add(png([source.randbytes(30) for _ in part], part, 3))
    out = io.BytesIO()
    stitcher.finish(DigestingWriter(out, limit=1 << 30))

    assert received.data == zlib.decompress(_idat(out.getvalue()))
    assert not received.is_given_up


def test_a_reader_gives_up_an_image_of_which_a_part_is_refused() -> None:
    good = png([bytes(300)] * 20, [2] * 20, 3)
    received = Rows()
    stitcher = PngStitcher(io.BytesIO(), rows=received)
    stitcher.add(good)
    assert not received.is_given_up

    with pytest.raises(SnapshotterError):
        stitcher.add(good[:-30] + bytes(30))

    assert received.is_given_up


@pytest.mark.parametrize("kind", [0, 1, 2, 4])
def test_an_image_of_one_colour_is_noticed(kind: int) -> None:
    def colour(rows: list[bytes]) -> bytes | None:
        stitcher = PngStitcher(io.BytesIO())
        return stitcher.add(png(rows, [kind] * len(rows), 3)).colour

    blue = bytes([1, 2, 250]) * 50
    assert colour([blue] * 90) == bytes([1, 2, 250])
    assert colour([blue] * 89 + [blue[:-1] + b"\0"]) is None
    assert colour([bytes([1, 2, 251]) + blue[3:]] + [blue] * 9) is None


def test_an_image_that_is_refused_leaves_nothing_behind() -> None:
    rows = [bytes([i]) * 300 for i in range(20)]
    good = png(rows, [2] * 20, 3)
    stitcher = PngStitcher(io.BytesIO())
    stitcher.add(good)

    with pytest.raises(SnapshotterError):
        stitcher.add(good[:-30] + bytes(30))
    stitcher.add(good)

    out = io.BytesIO()
    stitcher.finish(DigestingWriter(out, limit=1 << 30))
    assert Image.open(out).tobytes() == b"".join(rows) * 2


@pytest.mark.parametrize("spoil", ["cut", "flip", "rows", "width", "empty", "jpeg"])
def test_a_part_that_is_not_what_it_says_is_refused(spoil: str) -> None:
    good = png([bytes(range(30))] * 3, [0, 1, 2], 3)
    bad = {
        "cut": good[:70],
        "flip": good[:60] + bytes([good[60] ^ 255]) + good[61:],
        "rows": good[:20] + struct.pack(">I", 4) + good[24:],
        "width": png([bytes(27)], [0], 3),
        "empty": b"",
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
    }[spoil]

    with pytest.raises(SnapshotterError):
        stitch([good, bad])


def test_an_interlaced_image_is_refused() -> None:
    good = png([bytes(30)], [0], 3)
    interlaced = good[:28] + b"\x01" + good[29:]

    with pytest.raises(SnapshotterError, match="its rows cannot be read one by one"):
        read_header(interlaced)


def test_memory_does_not_grow_with_what_the_rows_unpack_to() -> None:
    """A part of 40 MB of white packs into 40 kB; it passes in pieces of a megabyte."""
    import tracemalloc

    rows = 4000
    header = struct.pack(">IIBBBBB", 3333, rows, 8, 2, 0, 0, 0)
    deflate = zlib.compressobj(1)
    packed = b"".join(deflate.compress(b"\0" + b"\xff" * 9999) for _ in range(rows))
    packed += deflate.flush()
    image = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b"")):
        crc = zlib.crc32(body, zlib.crc32(name))
        image += struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    tracemalloc.start()
    stitch([image, image])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 12 << 20
