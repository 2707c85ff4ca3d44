"""Whole or not at all: files that are replaced, and what a writer that dies leaves."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from snapshotter import durable

OLD, NEW = b"what was there\n", b"what takes its place\n" * 1000


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def left_by_the_dead(folder: Path, name: str = "table.csv", *, is_folder: bool = False) -> Path:
    made = folder / f".{name}.0123456789abcdef.growing"
    if is_folder:
        (made / "inside").mkdir(parents=True)
        made.joinpath("inside", "secret").write_bytes(OLD)
    else:
        made.write_bytes(OLD)
    return made


@pytest.mark.parametrize("name", ["table.csv", ".hidden", "a\nb", "é" * 120])
def test_a_file_is_written_and_replaced_and_nothing_is_beside_it(tmp_path: Path, name: str) -> None:
    target = tmp_path / name

    durable.write(target, OLD)
    durable.write(target, NEW)

    assert target.read_bytes() == NEW
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "key.pem"
    durable.write(target, OLD, over=False)

    with pytest.raises(FileExistsError):
        durable.write(target, NEW, over=False)

    assert target.read_bytes() == OLD
    assert not hidden(tmp_path)


def test_nor_where_names_can_not_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT says

    monkeypatch.setattr(os, "link", link)
    target = tmp_path / "key.pem"
    durable.write(target, OLD, over=False)

    with pytest.raises(FileExistsError):
        durable.write(target, NEW, over=False)

    assert target.read_bytes() == OLD
    assert not hidden(tmp_path)


def test_modes_are_as_asked_for_and_growing_is_for_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "key.pem"

    with durable.growing(target, mode=0o644) as out:
        (growing,) = tmp_path.iterdir()
        assert growing.stat().st_mode & 0o777 == 0o600
        out.write(NEW)

    assert target.stat().st_mode & 0o777 == 0o644
    before = os.umask(0o027)
    try:
        durable.write(tmp_path / "table", NEW)
    finally:
        os.umask(before)
    assert (tmp_path / "table").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, OSError])
def test_a_write_that_fails_changes_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "table.csv"
    target.write_bytes(OLD)

    def fail() -> None:
        with durable.growing(target) as out:
            out.write(NEW)
            raise error

    with pytest.raises(error):
        fail()

    assert target.read_bytes() == OLD
    assert not hidden(tmp_path)


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with durable.growing_folder(tmp_path / "evidence") as folder:
        folder.joinpath("bundle").write_bytes(NEW)
        assert not (tmp_path / "evidence").exists()

    assert [path.name for path in tmp_path.rglob("*")] == ["evidence", "bundle"]


def test_a_folder_that_fails_or_is_taken_leaves_nothing(tmp_path: Path) -> None:
    taken = tmp_path / "evidence"
    taken.mkdir()

    def make(error: Exception | None) -> None:
        with durable.growing_folder(taken) as folder:
            folder.joinpath("bundle").write_bytes(NEW)
            if error is not None:
                raise error

    with pytest.raises(ZeroDivisionError):
        make(ZeroDivisionError())
    assert list(taken.iterdir()) == []
    taken.joinpath("yours").touch()
    with pytest.raises(OSError, match="not empty"):
        make(None)

    assert [path.name for path in tmp_path.rglob("*")] == ["evidence", "yours"]


@pytest.mark.parametrize("is_folder", [False, True])
def test_the_next_write_in_a_folder_sweeps_away_what_the_dead_left(
    tmp_path: Path, is_folder: bool
) -> None:
    left_by_the_dead(tmp_path, "another name", is_folder=is_folder)
    yours = tmp_path / ".table.csv.part"
    yours.write_bytes(b"somebody else's")

    durable.write(tmp_path / "table.csv", NEW)

    assert hidden(tmp_path) == [yours.name]


def test_what_a_living_writer_has_is_left_alone(tmp_path: Path) -> None:
    with durable.growing_folder(tmp_path / "all") as folder:
        folder.joinpath("bundle").write_bytes(NEW)
        with durable.growing(tmp_path / "one") as out:
            out.write(NEW)
            before = hidden(tmp_path)
            assert len(before) == 2
            left_by_the_dead(tmp_path)

            assert durable.sweep(tmp_path) == 1

            assert hidden(tmp_path) == before

    assert (tmp_path / "one").read_bytes() == (tmp_path / "all" / "bundle").read_bytes() == NEW


def test_many_writers_and_sweepers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(number: int) -> None:
        durable.write(tmp_path / f"{number % 5}", bytes([number]) * 5000)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))

    assert not hidden(tmp_path)
    for number in range(5):
        content = (tmp_path / f"{number}").read_bytes()
        assert len(content) == 5000
        assert len(set(content)) == 1


def test_a_link_in_place_of_what_the_dead_left_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    precious.joinpath("file").write_bytes(OLD)
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.joinpath(".a.0123456789abcdef.growing").symlink_to(precious)

    durable.write(folder / "table.csv", NEW)

    assert precious.joinpath("file").read_bytes() == OLD
