"""`snapshotter init` writes a file that is read, and knows every setting."""

import re
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


def test_the_reference_tells_of_every_setting() -> None:
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()

    assert [
        key for key in sorted(KEYS) if f"`{key}`" not in page and f"`[[{key}]]`" not in page
    ] == []


def test_a_directory_gets_one_of_its_own(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "case-7")]) == 0

    told = (tmp_path / "case-7" / "snapshotter.toml").read_text()
    assert tomllib.loads(told) == {"store": "captures"}
