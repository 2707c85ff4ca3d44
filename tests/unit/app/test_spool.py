"""Spool directories: what is in use stays, what was left over goes."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from snapshotter.app.spool import spool_directory, sweep
from snapshotter.errors import SnapshotterError

ROOT = Path(__file__).resolve().parents[3]


def test_a_spool_is_empty_private_and_gone_afterwards(tmp_path: Path) -> None:
    root = tmp_path / "a" / "spool"

    with spool_directory(root, "one") as files:
        assert list(files.iterdir()) == []
        assert (root / "one").stat().st_mode & 0o077 == 0
        (files / "x").write_bytes(b"x")

    assert list(root.iterdir()) == []


def test_a_spool_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), spool_directory(tmp_path, "one"):
        raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_a_spool_in_use_is_not_swept(tmp_path: Path) -> None:
    with spool_directory(tmp_path, "one") as files:
        assert sweep(tmp_path) == 0
        assert files.is_dir()


def test_a_name_is_given_once(tmp_path: Path) -> None:
    with (
        spool_directory(tmp_path, "one"),
        pytest.raises(SnapshotterError),
        spool_directory(tmp_path, "one"),
    ):
        pass


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; "
        "from snapshotter.app.spool import spool_directory\n"
        "with spool_directory(Path(sys.argv[1]), 'dead') as files:\n"
        "    (files / 'x').write_bytes(b'x'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, timeout=30, check=False
    )
    assert run.returncode == -signal.SIGKILL
    assert (tmp_path / "dead" / "files" / "x").exists()

    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_removal_that_was_cut_short_is_finished_by_the_next_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock goes last: a directory with files and without a lock would stay for ever."""
    left: list[list[str]] = []
    real = shutil.rmtree

    def noting(path: Path, ignore_errors: bool = False) -> None:
        real(path, ignore_errors)
        left.append([path.name for path in tmp_path.glob("one/*")])

    monkeypatch.setattr(shutil, "rmtree", noting)
    with spool_directory(tmp_path, "one") as files:
        (files.parent / ".files-browser").mkdir()

    assert left[-2:] == [["in-use.lock"], []]
    assert all("in-use.lock" in words for words in left[:-1])


def test_a_link_out_of_the_spool_is_followed_to_what_a_browser_made_there_and_nowhere_else(
    tmp_path: Path,
) -> None:
    names = ("snapshotter-0123456789abcdef", "snapshotter-data", "home")
    with spool_directory(tmp_path / "spool", "one") as files:
        for number, name in enumerate(names):
            (tmp_path / name).mkdir()
            for root in (files.parent / f".browser-{number}", files / f".sheet-{number}"):
                root.mkdir()
                (root / "elsewhere").symlink_to(tmp_path / name)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "snapshotter-data", "spool"]


def test_a_directory_whose_maker_died_at_once_is_swept_and_foreign_files_stay(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "x").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")

    sweep(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "foreign"]


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == 0


@pytest.mark.parametrize("moment", ["before the lock is made", "before the lock is held"])
def test_a_sweep_that_takes_a_new_directory_for_left_over_does_not_end_a_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    target = os if moment == "before the lock is made" else fcntl
    name = "open" if target is os else "flock"
    real = getattr(target, name)
    swept: list[int] = []

    def swept_first(*arguments: object, **more: object) -> object:
        if not swept:
            swept.append(0)  # before sweeping, which calls this as well
            sweep(tmp_path)
        return real(*arguments, **more)

    monkeypatch.setattr(target, name, swept_first)

    with spool_directory(tmp_path, "one") as files:
        (files / "x").write_bytes(b"x")
        assert sweep(tmp_path) == 0

    assert swept
    assert list(tmp_path.iterdir()) == []


def test_many_captures_and_sweeps_at_once_lose_nothing(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for number in range(20):
                sweep(tmp_path)
                with spool_directory(tmp_path, f"{worker}-{number}") as files:
                    (files / "x").write_bytes(b"x")
                    sweep(tmp_path)
                    assert (files / "x").read_bytes() == b"x"
        except BaseException as error:  # noqa: BLE001  a thread's failure is the test's
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_can_not_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SnapshotterError, match="spool"), spool_directory(tmp_path / "file", "one"):
        pass


def test_a_spool_with_a_sealed_bundle_is_never_removed(tmp_path: Path) -> None:
    with spool_directory(tmp_path, "one") as files:
        (files / "one.wacz").write_bytes(b"sealed")

    assert sweep(tmp_path) == 0
    assert (tmp_path / "one" / "files" / "one.wacz").read_bytes() == b"sealed"


def test_a_sealed_bundle_is_given_away_and_its_spool_swept(tmp_path: Path) -> None:
    with spool_directory(tmp_path / "spool", "one") as files:
        (files / "one.wacz").write_bytes(b"sealed")

    def take(bundle: Path) -> None:
        bundle.rename(tmp_path / bundle.name)

    assert sweep(tmp_path / "spool", take) == 1
    assert (tmp_path / "one.wacz").read_bytes() == b"sealed"
    assert list((tmp_path / "spool").iterdir()) == []


def test_half_a_bundle_is_litter(tmp_path: Path) -> None:
    with spool_directory(tmp_path, "one") as files:
        (files / "one.wacz.part").write_bytes(b"sea")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("times", [2, 1000], ids=["once more", "for ever"])
def test_a_thread_that_still_writes_leaves_no_litter_that_no_sweep_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    real = shutil.rmtree
    left = times

    def removed_and_written_again(path: Path, ignore_errors: bool = False) -> None:
        nonlocal left
        real(path, ignore_errors)
        if left:
            left -= 1
            late = tmp_path / "one" / "files" / "late"
            late.parent.mkdir(parents=True, exist_ok=True)
            late.write_bytes(b"x")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", removed_and_written_again)
        with spool_directory(tmp_path, "one"):
            pass

    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
