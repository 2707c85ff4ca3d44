"""Work that is stopped at any change to a file system: nothing is lost, nothing lies about."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


WORKS = {  # and at how many changes they have to be stopped at the least
    "killed_works:FILE": 4,
    "killed_works:NEW_FILE": 4,
    "killed_works:FOLDER": 4,
    "killed_works:SPOOL": 3,
    "killed_works:TRUST": 12,
    "killed_works:STORE": 15,
    "killed_works:PLACE": 15,
    "killed_works:LIFT": 15,
    "killed_works:ERASE": 15,
    "killed_works:REPLICATE": 15,
    "killed_works:REPAIR": 15,
    "killed_pack:PACK": 4,
}


HALVES = (list(WORKS)[:7], list(WORKS)[7:])


@pytest.mark.parametrize("names", HALVES, ids=["files and holds", "copies and packs"])
def test_after_a_kill_anywhere_the_next_run_finds_all_and_leaves_nothing(
    tmp_path: Path, names: list[str]
) -> None:
    stop("kill", tmp_path, names)


@pytest.mark.parametrize("names", HALVES, ids=["files and holds", "copies and packs"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing_that_is_half(
    tmp_path: Path, names: list[str]
) -> None:
    stop("full", tmp_path, names)


def stop(fault: str, folder: Path, names: list[str]) -> None:
    works = [f"tests.{name}" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killing", fault, str(folder), *works],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    stopped = {name: int(count) for name, count in map(str.split, done.stdout.splitlines())}
    assert list(stopped) == works
    few = {
        name: count for name, count in stopped.items() if count < WORKS[name.removeprefix("tests.")]
    }
    assert not few, "too few changes were seen: is the hook heard?"
