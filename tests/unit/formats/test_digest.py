"""Digests: one pass, any chunks, and the numbers of the specifications."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.formats import digest as module
from snapshotter.formats.digest import (
    CHUNK,
    Digester,
    DigestingWriter,
    Lane,
    digest,
    digest_bytes,
)
from snapshotter.model.digests import Digests


def test_the_specifications_own_examples_come_out() -> None:
    """FIPS 180-4 ("abc"), BLAKE3's empty input, the check value of ISO 3309's CRC-32."""
    assert digest_bytes(b"abc").sha256 == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
    assert digest_bytes(b"").blake3 == (
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    )
    assert digest_bytes(b"123456789").crc32 == 0xCBF43926


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_digests_in_chunks_are_those_of_the_whole(chunks: list[bytes]) -> None:
    digester = Digester()
    out = io.BytesIO()
    writer = DigestingWriter(out, limit=10_000)
    for chunk in chunks:
        digester.update(chunk)
        writer.write(chunk)
    whole = b"".join(chunks)

    assert digester.digests() == digest_bytes(whole) == writer.digests()
    assert digest(io.BytesIO(whole), limit=len(whole)) == digest_bytes(whole)
    assert out.getvalue() == whole
    assert writer.tell() == digester.length == len(whole)


def test_a_file_longer_than_a_chunk_is_digested_whole() -> None:
    data = bytes(CHUNK) + b"x"

    assert digest(io.BytesIO(data), limit=len(data)) == digest_bytes(data)


def test_a_file_beyond_the_limit_is_refused() -> None:
    with pytest.raises(SnapshotterError):
        digest(io.BytesIO(b"12345"), limit=4)


def test_a_writer_writes_nothing_beyond_its_limit() -> None:
    out = io.BytesIO()
    writer = DigestingWriter(out, limit=4)
    writer.write(b"1234")

    with pytest.raises(SnapshotterError):
        writer.write(b"5")

    assert out.getvalue() == b"1234"
    assert writer.digests() == digest_bytes(b"1234")


@pytest.mark.parametrize(
    "fields",
    [{"length": -1}, {"crc32": 1 << 32}, {"crc32": -1}, {"sha256": "A" * 64}, {"blake3": ""}],
)
def test_digests_that_can_not_be_are_not_built(fields: dict[str, object]) -> None:
    good = {"length": 0, "crc32": 0, "sha256": "a" * 64, "blake3": "b" * 64}

    with pytest.raises(ValueError, match=r"digest|length"):
        Digests(**{**good, **fields})  # type: ignore[arg-type]


_LENGTHS = pytest.mark.parametrize("length", [0, module._WORTH_A_THREAD])  # without a thread, with


@_LENGTHS
def test_a_lane_does_all_of_its_work_in_order(length: int) -> None:
    done: list[bytes] = []

    with Lane(length) as lane:
        for number in range(100):
            lane.put(done.append, bytes([number]))
        lane.settle()

    assert done == [bytes([number]) for number in range(100)]


def test_no_more_waits_in_a_lane_than_it_may() -> None:
    put, done, most = 0, 0, 0

    def work(data: bytes) -> None:
        nonlocal done, most
        most = max(most, put - done)
        hashlib.sha256(data)
        done += 1

    with Lane(module._WORTH_A_THREAD) as lane:
        for _ in range(32):
            lane.put(work, bytes(CHUNK))
            put += 1
        lane.settle()

    assert done == put == 32
    assert most <= module._AHEAD + 1


@_LENGTHS
def test_what_breaks_in_a_lane_is_raised_and_not_lost(length: int) -> None:
    def work(data: bytes) -> None:
        raise ZeroDivisionError(data)

    def run() -> None:
        with Lane(length) as lane:
            lane.put(work, b"")
            lane.settle()

    with pytest.raises(ZeroDivisionError):
        run()
