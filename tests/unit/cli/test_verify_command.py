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

from snapshotter.cli.main import main

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


@dataclass(frozen=True, slots=True)
class Said:
    """What a command left in this process: no stream is broken, so it needs none of its own."""

    code: int
    out: str
    err: str


class Here:
    """The command line, called in a folder of the test's own."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, value in Home(folder).environ().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(folder)
        self.folder = folder
        self._capsys = capsys

    def run(self, *arguments: str | Path) -> Said:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *self._capsys.readouterr())

    def verify(self, *files: str | Path) -> Said:
        return self.run("verify", "--json", "--trust", TRUST, "--root-key", PIN, *files)


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


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
    here: Here, files: tuple[str | Path, ...], code: int
) -> None:
    done = here.verify(*files)

    assert done.code == code
    judged = [json.loads(line)["bundle"] for line in done.out.splitlines()]
    assert judged == [str(file) for file in files if file != "missing.wacz"]
    assert ("missing.wacz" in done.err) is ("missing.wacz" in files)


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
    assert done.stderr.startswith("snapshotter: the output cannot be written: No space left")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [("show", GOOD), ("trust", "show", TRUST), ("show", "--json", GOOD)]
)
def test_a_full_disk_is_a_sentence_everywhere(
    home: Home, full: int, arguments: tuple[str | Path, ...]
) -> None:
    done = home.run(*arguments, stdout=full)

    assert done.returncode == 1
    assert done.stderr.startswith("snapshotter: the output cannot be written: No space left")


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "pipe", "folder", "loop", "file/below"])
@pytest.mark.parametrize("command", ["verify", "show", "trust show"])
def test_a_name_behind_which_is_no_file_is_a_sentence(here: Here, command: str, name: str) -> None:
    os.mkfifo(here.folder / "pipe")
    (here.folder / "folder").mkdir()
    (here.folder / "loop").symlink_to("loop")
    (here.folder / "file").write_bytes(b"")

    done = here.run(*command.split(), name)

    assert done.code in (1, 2)
    assert name[:40] in done.err


def test_a_bundle_with_a_very_long_name_is_verified(here: Here) -> None:
    shutil.copy(GOOD, here.folder / ("x" * 250))

    assert here.verify("x" * 250).code == 0


def test_a_folder_with_an_id_for_its_name_does_not_hide_the_bundle_in_the_store(
    here: Here,
) -> None:
    name = "20261124t214301z-abcdefghijklmnop"
    (here.folder / name).mkdir()
    stored = here.folder / "captures/bundles/2026/11/24" / f"{name}.wacz"
    stored.parent.mkdir(parents=True)
    shutil.copy(GOOD, stored)

    assert here.verify(name).code == 0
    assert here.run("show", name).code == 0


@pytest.mark.parametrize("gap", ["late-01", "late-03"])
def test_late_tokens_count_behind_a_gap_in_a_folder_and_in_a_store_alike(
    here: Here, gap: str
) -> None:
    name = "20261124t214302z-abcdefghijklmnop"
    stored = here.folder / "captures/bundles/2026/11/24" / f"{name}.wacz"
    stored.parent.mkdir(parents=True)
    late = VECTORS / "token-late" / "bundle.wacz"
    shutil.copy(late, stored)
    shutil.copy(f"{late}.late-01.tsr", f"{stored}.{gap}.tsr")

    assert here.verify(stored).code == 0
    assert here.verify(name).code == 0


def test_an_argument_with_a_nul_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", "show", "a\0b"]) == 2
    assert "NUL" in capsys.readouterr().err
