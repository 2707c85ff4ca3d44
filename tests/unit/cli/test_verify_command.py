"""`snapshotter verify`: the exit code is the verdict's, whatever else goes wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT / "tests" / "vectors"
GOOD = VECTORS / "v1-good" / "bundle.wacz"
BAD = VECTORS / "changed-data" / "bundle.wacz"
UNCLEAR = VECTORS / "key-unknown" / "bundle.wacz"
TRUST = VECTORS / "trust" / "trust.json"
PIN = (VECTORS / "trust" / "root-key-id.txt").read_text().strip()


@dataclass(frozen=True)
class Home:
    folder: Path

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "snapshotter", *map(str, arguments)]

    def environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SNAPSHOTTER_DATA_DIR": str(self.folder / "data"),
        }

    def run(
        self, *arguments: str | Path, stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environ(),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )

    def verify(
        self, *files: str | Path, stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        return self.run(
            "verify", "--json", "--trust", TRUST, "--root-key", PIN, *files, stdout=stdout
        )


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def nobody() -> Iterator[int]:
    """A pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.fixture
def full() -> Iterator[int]:
    """A disk on which there is no space."""
    device = os.open("/dev/full", os.O_WRONLY)
    yield device
    os.close(device)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ((GOOD, GOOD), 0),
        ((GOOD, UNCLEAR), 11),
        (("missing.wacz", GOOD), 1),
        ((UNCLEAR, "missing.wacz"), 1),
        ((BAD, "missing.wacz"), 10),
        (("missing.wacz", BAD), 10),
        (("missing.wacz", UNCLEAR, BAD, GOOD), 10),
    ],
)
def test_a_file_that_is_missing_hides_no_verdict(
    home: Home, files: tuple[str | Path, ...], code: int
) -> None:
    done = home.verify(*files)

    assert done.returncode == code
    judged = [json.loads(line)["bundle"] for line in done.stdout.splitlines()]
    assert judged == [str(it) for it in files if it != "missing.wacz"]
    assert ("missing.wacz" in done.stderr) is ("missing.wacz" in files)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("file", "code"), [(GOOD, 0), (BAD, 10), (UNCLEAR, 11)])
def test_a_reader_that_went_away_changes_no_exit_code(
    home: Home, nobody: int, file: Path, code: int
) -> None:
    done = home.verify(file, stdout=nobody)

    assert (done.returncode, done.stderr) == (code, "")


def test_a_bundle_after_the_reader_went_away_is_judged_all_the_same(
    home: Home, nobody: int
) -> None:
    assert home.verify(GOOD, BAD, stdout=nobody).returncode == 10


def test_nobody_who_listens_at_all_changes_no_exit_code(home: Home, nobody: int) -> None:
    done = subprocess.run(
        home.command("verify", "--trust", TRUST, "--root-key", PIN, "missing.wacz", BAD),
        cwd=home.folder,
        env=home.environ(),
        stdout=nobody,
        stderr=nobody,
        timeout=60,
    )

    assert done.returncode == 10


@pytest.mark.parametrize(("file", "code"), [(GOOD, 1), (BAD, 10), (UNCLEAR, 1)])
def test_a_full_disk_is_a_sentence_and_hides_no_failure(
    home: Home, full: int, file: Path, code: int
) -> None:
    done = home.verify(file, stdout=full)

    assert done.returncode == code
    assert done.stderr.startswith("snapshotter: the output can not be written: No space left")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("show", GOOD), ("trust", "show", TRUST), ("show", "--json", GOOD)]
)
def test_a_full_disk_is_a_sentence_everywhere(
    home: Home, full: int, arguments: tuple[str | Path, ...]
) -> None:
    done = home.run(*arguments, stdout=full)

    assert done.returncode == 1
    assert done.stderr.startswith("snapshotter: the output can not be written: No space left")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "pipe", "folder", "loop", "file/below"])
@pytest.mark.parametrize("command", ["verify", "show", "trust show"])
def test_a_name_behind_which_is_no_file_is_a_sentence(home: Home, command: str, name: str) -> None:
    os.mkfifo(home.folder / "pipe")
    (home.folder / "folder").mkdir()
    (home.folder / "loop").symlink_to("loop")
    (home.folder / "file").write_bytes(b"")

    done = home.run(*command.split(), name)

    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert name[:40] in done.stderr


def test_a_bundle_with_a_very_long_name_is_verified(home: Home) -> None:
    shutil.copy(GOOD, home.folder / ("x" * 250))

    assert home.verify("x" * 250).returncode == 0


def test_a_folder_with_an_id_for_its_name_does_not_hide_the_bundle_in_the_store(
    home: Home,
) -> None:
    name = "20200101t000000z-abcdefghijklmnop"
    (home.folder / name).mkdir()
    stored = home.folder / "captures/bundles/2020/01/01" / f"{name}.wacz"
    stored.parent.mkdir(parents=True)
    shutil.copy(GOOD, stored)

    assert home.verify(name).returncode == 0
    assert home.run("show", name).returncode == 0


@pytest.mark.parametrize("gap", ["late-01", "late-03"])
def test_late_tokens_count_behind_a_gap_in_a_folder_and_in_a_store_alike(
    home: Home, gap: str
) -> None:
    name = "20200101t000000z-abcdefghijklmnop"
    stored = home.folder / "captures/bundles/2020/01/01" / f"{name}.wacz"
    stored.parent.mkdir(parents=True)
    late = VECTORS / "token-late" / "bundle.wacz"
    shutil.copy(late, stored)
    shutil.copy(f"{late}.late-01.tsr", f"{stored}.{gap}.tsr")

    assert home.verify(stored).returncode == 0
    assert home.verify(name).returncode == 0


def test_an_argument_with_a_nul_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    from snapshotter.cli.main import main

    assert main(["trust", "show", "a\0b"]) == 2
    assert "NUL" in capsys.readouterr().err
