"""The pages about captures that this machine keeps for its browser."""

import os
from pathlib import Path

import pytest

from snapshotter.app.archive.screens import page_folder
from snapshotter.app.archive.screens.page_folder import PageFolder
from snapshotter.errors import SnapshotterError

IDS = [f"20261129t2316{number:02}z-abcdefghijklmnop" for number in range(10)]


def _kept(folder: Path) -> list[str]:
    return sorted(file.name.partition("z-")[0] for file in (folder / "pages").iterdir())


def test_only_its_owner_reads_the_folder_and_its_pages(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir(mode=0o755)

    file = PageFolder(tmp_path).put(IDS[0], "ab" * 32, b"page")

    assert file.read_bytes() == b"page"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_oldest_pages_go_by_number_and_by_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = PageFolder(tmp_path)
    monkeypatch.setattr(page_folder, "MAX_PAGES", 3)
    for number, bundle_id in enumerate(IDS[:5]):
        os.utime(pages.put(bundle_id, "ab" * 32, b"x" * 10), (number, number))
    assert _kept(tmp_path) == ["20261129t231602", "20261129t231603", "20261129t231604"]

    monkeypatch.setattr(page_folder, "MAX_BYTES", 25)
    pages.put(IDS[9], "ab" * 32, b"x" * 10)

    assert _kept(tmp_path) == ["20261129t231604", "20261129t231609"]


def test_the_pages_of_one_bundle_are_found_and_of_no_other(tmp_path: Path) -> None:
    pages = PageFolder(tmp_path)
    mine = {pages.put(IDS[0], digest * 32, b"x") for digest in ("ab", "cd")}
    pages.put(IDS[1], "ab" * 32, b"x")
    pages.put("", "ab" * 32, b"x")

    assert set(pages.files(IDS[0])) == mine
    with pytest.raises(ValueError, match="id of its bundle"):
        pages.files("*")


def test_a_folder_that_cannot_be_written_names_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("a file")

    with pytest.raises(SnapshotterError) as caught:
        PageFolder(tmp_path).put(IDS[0], "ab" * 32, b"x")

    assert "-o FILE" in (caught.value.hint or "")
