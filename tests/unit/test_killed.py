"""Work that is killed at any change to a file system: nothing is lost, and nothing lies about."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("names", "least"),
    [
        (("killed_works:FILE", "killed_works:NEW_FILE", "killed_works:FOLDER"), 4),
        (("killed_works:SPOOL", "killed_works:TRUST", "killed_pack:PACK"), 5),
        (("killed_works:STORE", "killed_works:PLACE"), 20),
        (("killed_works:LIFT", "killed_works:ERASE"), 20),
        (("killed_works:REPLICATE", "killed_works:REPAIR"), 20),
    ],
    ids=["files", "spool", "holds", "erasure", "copies"],
)
def test_after_a_kill_anywhere_the_next_run_finds_all_and_leaves_nothing(
    tmp_path: Path, names: tuple[str, ...], least: int
) -> None:
    works = [f"tests.{name}" for name in names]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killing", str(tmp_path), *works],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    killed = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(killed) == len(names)
    assert min(killed) >= least, "too few changes were seen: is the hook heard?"
