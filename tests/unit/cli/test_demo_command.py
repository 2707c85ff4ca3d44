"""`snapshotter demo`: when a proof is opened, and where it is then."""

import sys
import webbrowser
from pathlib import Path

import pytest

from snapshotter.app import demo as demos
from snapshotter.app.settings import Settings
from snapshotter.cli import demo, desktop
from snapshotter.cli.main import main
from snapshotter.errors import ServiceUnavailable


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []

    def open_(url: str) -> bool:
        seen.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_)
    return seen


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = tmp_path / "demo" / "proof.html"
    file.parent.mkdir()
    file.write_text("<!DOCTYPE html>")
    return file


def test_a_proof_that_is_opened_outlives_the_demo(proof: Path, opened: list[str]) -> None:
    shown = demo.open_proof(proof, stays=False)

    assert shown is not None
    assert shown.read_text() == "<!DOCTYPE html>"
    assert not shown.is_relative_to(proof.parent)
    assert opened == [shown.as_uri()]


def test_one_that_is_kept_is_opened_where_it_is(proof: Path, opened: list[str]) -> None:
    assert demo.open_proof(proof, stays=True) == proof
    assert opened == [proof.as_uri()]


def test_without_a_browser_nothing_is_left_behind(
    proof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda url: False)

    assert demo.open_proof(proof, stays=False) is None
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


@pytest.mark.parametrize(
    ("terminal", "display", "platform", "is_there"),
    [
        (True, ":0", "linux", True),
        (True, "", "linux", False),
        (True, "", "darwin", True),
        (False, ":0", "linux", False),
    ],
)
def test_only_somebody_at_a_desktop_is_shown_a_proof(
    terminal: bool, display: str, platform: str, is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(desktop, "on_terminal", lambda: terminal)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    assert desktop.has_desktop() is is_there


def test_settings_that_can_not_be_read_are_not_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "snapshotter.toml").write_text("keys_dir = 7\n")
    monkeypatch.setenv("SNAPSHOTTER_CONFIG", str(tmp_path / "snapshotter.toml"))
    given: list[Settings] = []

    def run(environment: demos.DemoEnvironment, *arguments: object) -> None:
        given.append(environment.settings)
        raise ServiceUnavailable("far enough")

    monkeypatch.setattr(demos, "run", run)

    assert main(["demo", "--json"]) == ServiceUnavailable.exit_code

    assert [settings.browser_path for settings in given] == [None]
    assert "the demo continues without your settings" in capsys.readouterr().err
