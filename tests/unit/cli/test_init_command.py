"""`snapshotter init` writes a file that is read, and knows every setting."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.cli.main import main
from tests.tools import ROOT

KEYS = {info.name for info in settings._File.key_infos()}


@pytest.fixture
def own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert main(["init", "--user"]) == 0
    return Path(capsys.readouterr().out.strip())


def test_the_users_own_file_has_every_setting_and_no_other(own_file: Path) -> None:
    told = re.sub(r"^# (?=\[\[|[a-z0-9_]+ = )", "", own_file.read_text(), flags=re.MULTILINE)

    assert len(KEYS) > 20
    assert set(tomllib.loads(told)) == KEYS


def test_what_is_written_is_read_and_left_alone(own_file: Path) -> None:
    before = own_file.read_bytes()

    assert settings.load(directory=own_file.parent).store.endswith("captures")
    assert main(["init", "--user"]) == 1
    assert own_file.read_bytes() == before


def test_files_of_this_user_are_for_nobody_else_whatever_the_umask_is(tmp_path: Path) -> None:
    commands = "umask 000; snapshotter init; snapshotter init --user; snapshotter queue list"
    done = subprocess.run(
        ["/bin/sh", "-c", commands.replace("snapshotter", f"{sys.executable} -m snapshotter")],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "no job in the queue matches" in done.stdout + done.stderr, done
    own = (tmp_path / ".config/snapshotter/snapshotter.toml", *tmp_path.rglob("queue.db*"))
    assert len(own) > 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in own} == {0o600}
    assert all(not path.stat().st_mode & stat.S_IWOTH for path in tmp_path.rglob("*"))
    assert stat.S_IMODE((tmp_path / ".local/share/snapshotter").stat().st_mode) == 0o700


def test_the_reference_tells_of_every_setting() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()

    assert [
        key for key in sorted(KEYS) if f"`{key}`" not in page and f"`[[{key}]]`" not in page
    ] == []


def test_a_directory_gets_one_of_its_own(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "case-7")]) == 0

    told = (tmp_path / "case-7" / "snapshotter.toml").read_text()
    assert tomllib.loads(told) == {"store": "captures"}
