"""An archive that is interrupted, continued, split, damaged meanwhile, or named already."""

import zipfile
from pathlib import Path

import pytest

from snapshotter.app.archive.exports.growing_archive import GrowingArchive
from snapshotter.errors import SnapshotterError

PLAN = {"case": "harbour"}
UNITS = [
    (number, [(f"a/{number}", bytes([number]) * 3000), (f"b/{number}", b"")]) for number in range(6)
]


class Cut(Exception):
    """The export ends here."""


def export(target: Path, *, cut: int | None = None, most: int | None = None) -> GrowingArchive:
    """Write all units, or end while the unit of this number is written."""
    with GrowingArchive(target, plan=PLAN, most_bytes=most) as archive:
        for number, files in UNITS[len(archive.units) :]:
            if number == cut:
                archive._write(f"a/{number}", b"half")  # and nothing of it is in the journal
                raise Cut
            archive.add(number, files)
        archive.finish(lambda: [("parts", "\n".join(part.name for part in archive.parts).encode())])
    return archive


def contents(*files: Path) -> dict[str, bytes]:
    found = dict[str, bytes]()
    for file in files:
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            found |= {name: archive.read(name) for name in archive.namelist()}
    return found


EXPECTED = {name: data for _, files in UNITS for name, data in files}


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "unfinished" in path.name)


def interrupted(folder: Path, cut: int, most: int | None = None) -> Path:
    target = folder / "harbour.zip"
    with pytest.raises(Cut):
        export(target, cut=cut, most=most)
    assert not target.exists()
    return target


@pytest.mark.parametrize("cut", [0, 3])
def test_an_interrupted_archive_is_continued(cut: int, tmp_path: Path) -> None:
    target = interrupted(tmp_path, cut)

    archive = export(target)

    whole = tmp_path / "whole.zip"
    export(whole)
    assert target.read_bytes() == whole.read_bytes()
    assert contents(target) == {**EXPECTED, "parts": b""}
    assert archive.repeated == 0
    assert left(tmp_path) == []


def test_what_was_damaged_meanwhile_is_written_again(tmp_path: Path) -> None:
    target = interrupted(tmp_path, 4)
    data = tmp_path / "harbour.zip.unfinished"
    changed = bytearray(data.read_bytes())
    changed[changed.index(bytes([2]) * 3000) + 7] ^= 1
    data.write_bytes(changed)

    archive = export(target)

    assert archive.repeated == 2
    assert contents(target) == {**EXPECTED, "parts": b""}


def test_a_line_of_the_journal_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    target = interrupted(tmp_path, 4)
    journal = tmp_path / "harbour.zip.unfinished.jsonl"
    journal.write_bytes(journal.read_bytes()[:-9])

    export(target)

    assert contents(target) == {**EXPECTED, "parts": b""}


@pytest.mark.parametrize("cut", [None, 1, 2, 3, 5])
def test_each_part_is_an_archive_of_at_most_the_size(cut: int | None, tmp_path: Path) -> None:
    target = tmp_path / "harbour.zip"
    if cut is not None:
        interrupted(tmp_path, cut, most=8_000)

    archive = export(target, most=8_000)

    parts = [tmp_path / part.name for part in archive.parts]
    assert [part.name for part in parts] == ["harbour-part-01.zip", "harbour-part-02.zip"]
    assert contents(*parts, target) == {
        **EXPECTED, "parts": b"harbour-part-01.zip\nharbour-part-02.zip",
    }  # fmt: skip
    assert all(path.stat().st_size <= 8_000 for path in (*parts, target))
    assert left(tmp_path) == []


def test_a_part_that_has_not_got_its_name_yet_gets_it(tmp_path: Path) -> None:
    target = interrupted(tmp_path, 3, most=8_000)
    journal = tmp_path / "harbour.zip.unfinished.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:4]))  # the plan, two units, the part
    (tmp_path / "harbour-part-01.zip").replace(tmp_path / "harbour.zip.unfinished")

    export(target, most=8_000)

    parts = [tmp_path / f"harbour-part-0{number}.zip" for number in (1, 2)]
    assert set(contents(*parts, target)) == {*EXPECTED, "parts"}


def test_a_finished_part_that_was_changed_is_named(tmp_path: Path) -> None:
    target = interrupted(tmp_path, 5, most=8_000)
    part = tmp_path / "harbour-part-01.zip"
    part.write_bytes(part.read_bytes() + b"x")

    with pytest.raises(SnapshotterError, match=r"harbour-part-01\.zip .* was removed or changed"):
        export(target, most=8_000)
    assert not target.exists()


def test_an_unfinished_archive_of_another_plan_is_left_alone(tmp_path: Path) -> None:
    target = interrupted(tmp_path, 3)
    before = (tmp_path / "harbour.zip.unfinished").read_bytes()

    with (
        pytest.raises(SnapshotterError, match="with other options"),
        GrowingArchive(target, plan={"case": "other"}),
    ):
        pass
    assert (tmp_path / "harbour.zip.unfinished").read_bytes() == before


def test_nothing_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "harbour.zip"
    target.write_bytes(b"mine")

    with pytest.raises(SnapshotterError, match="exists already"):
        export(target)
    assert target.read_bytes() == b"mine"
    assert left(tmp_path) == []


def test_a_part_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "harbour-part-01.zip").write_bytes(b"mine")

    with pytest.raises(SnapshotterError, match="exists already"):
        export(tmp_path / "harbour.zip", most=8_000)
    assert (tmp_path / "harbour-part-01.zip").read_bytes() == b"mine"


def test_two_commands_do_not_write_one_archive(tmp_path: Path) -> None:
    target = tmp_path / "harbour.zip"
    with (
        GrowingArchive(target, plan=PLAN),
        pytest.raises(SnapshotterError, match="another command writes"),
    ):
        export(target)


def test_a_unit_that_is_larger_than_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="more than the size of a part"):
        export(tmp_path / "harbour.zip", most=3_000)
