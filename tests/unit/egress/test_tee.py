"""The file of a connection: what was written is read, also when the writer was killed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.egress.tee import Chunk, TeeWriter, read
from snapshotter.formats.http.events import Direction
from tests.fakes.world import START

AT = 1_768_480_245_678_901  # START, in microseconds


def test_chunks_come_back_in_order_with_their_times(tmp_path: Path) -> None:
    writer = TeeWriter(tmp_path / "1.tee")
    writer.write(Direction.CLIENT, AT, b"question")
    writer.write(Direction.SERVER, AT + 1, b"answer")
    writer.close()
    writer.close()

    chunks = list(read(writer.path))

    assert chunks == [
        Chunk(direction=Direction.CLIENT, at_us=AT, data=b"question"),
        Chunk(direction=Direction.SERVER, at_us=AT + 1, data=b"answer"),
    ]
    assert chunks[0].at == START
    assert writer.path.stat().st_mode & 0o777 == 0o600


def test_a_long_piece_is_several_chunks(tmp_path: Path) -> None:
    writer = TeeWriter(tmp_path / "1.tee")
    writer.write(Direction.SERVER, AT, b"x" * (3 << 20))
    writer.close()

    assert [len(chunk.data) for chunk in read(writer.path)] == [1 << 20] * 3


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    TeeWriter(tmp_path / "1.tee").close()
    with pytest.raises(FileExistsError):
        TeeWriter(tmp_path / "1.tee")


@given(st.integers(0, 46))
def test_a_cut_file_is_read_as_far_as_it_goes(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.mktemp("tee") / "1.tee"
    writer = TeeWriter(path)
    writer.write(Direction.CLIENT, AT, b"0123456789")
    writer.write(Direction.SERVER, AT, b"abcdefghij")
    writer.close()
    path.write_bytes(path.read_bytes()[:length])

    got = b"".join(chunk.data for chunk in read(path))

    assert got == b"0123456789"[: max(0, length - 13)] + b"abcdefghij"[: max(0, length - 36)]


@pytest.mark.parametrize("bad", [b"X" * 13, b"C" + b"\xff" * 8 + bytes(4)])
def test_what_is_no_chunk_is_an_error_after_what_was_one(tmp_path: Path, bad: bytes) -> None:
    writer = TeeWriter(tmp_path / "1.tee")
    writer.write(Direction.CLIENT, AT, b"good")
    writer.close()
    writer.path.write_bytes(writer.path.read_bytes() + bad)

    chunks = read(writer.path)

    assert next(chunks).data == b"good"
    with pytest.raises(ValueError, match="not a chunk"):
        next(chunks)
