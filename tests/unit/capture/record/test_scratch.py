"""Bodies that begin in memory and go on in a file."""

from pathlib import Path

import pytest

from snapshotter.capture.record.scratch import BodyStore


@pytest.mark.parametrize(
    "pieces", [[], [10], [20_000], [10, 300_000, 10, 300_000, 7], [17_000] * 3]
)
def test_a_body_reads_back_as_it_was_written(tmp_path: Path, pieces: list[int]) -> None:
    scratch = BodyStore(tmp_path / "scratch")
    body, other = scratch.body(), scratch.body()
    for number, length in enumerate(pieces):
        body.add(bytes([number]) * length)
        other.add(b"other")
    expected = b"".join(bytes([n]) * length for n, length in enumerate(pieces))

    for _ in range(2):
        with body.open() as stream:
            assert stream.read() == expected
    assert body.length == len(expected)
    assert body.beginning(15) == expected[:15]
    scratch.remove()
    assert not (tmp_path / "scratch").exists()


def test_small_bodies_make_no_files(tmp_path: Path) -> None:
    scratch = BodyStore(tmp_path / "scratch")
    for _ in range(100):
        scratch.body().add(b"x" * 1_000)

    assert not (tmp_path / "scratch").exists()


def test_pictures_stay_in_memory_until_they_are_much_in_all(tmp_path: Path) -> None:
    scratch = BodyStore(tmp_path / "scratch")
    bodies = [scratch.body() for _ in range(1_000)]
    for number, body in enumerate(bodies):
        body.add(number.to_bytes(2) * 20_000)
        if number == 400:
            assert not (tmp_path / "scratch").exists()

    in_files = sum(file.stat().st_size for file in (tmp_path / "scratch").iterdir())
    assert sum(body.length for body in bodies) - in_files < 25 << 20
    for number, body in enumerate(bodies):
        with body.open() as stream:
            assert stream.read() == number.to_bytes(2) * 20_000


def test_a_large_body_goes_to_a_file_and_takes_no_memory_from_others(tmp_path: Path) -> None:
    scratch = BodyStore(tmp_path / "scratch")
    large = scratch.body()
    for _ in range(40):
        large.add(bytes(1 << 20))

    (file,) = (tmp_path / "scratch").iterdir()
    assert file.stat().st_size == 40 << 20
    scratch.body().add(bytes(200_000))
    assert len(list((tmp_path / "scratch").iterdir())) == 1


@pytest.mark.parametrize("length", [100, 20_000, 300_000])
@pytest.mark.parametrize("most", [50, 1_000_000])
def test_the_end_of_a_body_can_be_changed(tmp_path: Path, length: int, most: int) -> None:
    body = BodyStore(tmp_path).body()
    body.add(b"a" * length + b"END")

    body.change_end(most, lambda tail: tail.replace(b"END", b"a longer end"))
    body.add(b" and more")

    expected = b"a" * length + b"a longer end and more"
    with body.open() as stream:
        assert stream.read() == expected
    assert body.length == len(expected)


def test_a_directory_that_was_removed_with_its_parent_is_not_made_again(tmp_path: Path) -> None:
    body = BodyStore(tmp_path / "given-up" / "scratch").body()

    with pytest.raises(FileNotFoundError):
        body.add(bytes(1_000_000))
    assert list(tmp_path.iterdir()) == []
