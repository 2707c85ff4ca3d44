"""Which browser is chosen."""

from pathlib import Path

import pytest

from snapshotter.capture.browser import binary
from snapshotter.capture.browser.binary import choose_browser, find_browser
from snapshotter.errors import ServiceUnavailable
from tests.unit.capture.browser.programs import executable


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any browser."""
    nothing: dict[str, tuple[str, ...]] = {"shell": (), "chromium": ()}
    monkeypatch.setattr(binary, "_LINUX", nothing)
    monkeypatch.setattr(binary, "_MACOS", nothing)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("no_browser")
def test_a_machine_without_a_browser_is_told_what_to_do() -> None:
    with pytest.raises(ServiceUnavailable, match="no Chromium was found") as error:
        choose_browser("shell", None)
    assert "playwright install chromium" in error.value.hint


@pytest.mark.usefixtures("no_browser")
def test_a_browser_that_was_named_and_is_not_there_is_not_replaced_by_another() -> None:
    with pytest.raises(ServiceUnavailable, match="the browser /opt/mine/chrome does not exist"):
        choose_browser("shell", Path("/opt/mine/chrome"))


@pytest.mark.usefixtures("no_browser")
def test_the_newest_of_playwrights_browsers_is_found(tmp_path: Path) -> None:
    cache = tmp_path / "home" / ".cache" / "ms-playwright"
    for revision in ("999", "1255"):
        executable(
            cache / f"chromium_headless_shell-{revision}" / "chrome-linux" / "headless_shell"
        )

    found = find_browser("shell", playwright_browsers=cache)

    assert found is not None
    assert "chromium_headless_shell-1255" in str(found.path)


@pytest.mark.usefixtures("no_browser")
def test_full_chromium_stands_in_for_the_shell_and_it_is_said(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "google-chrome")

    found, remark = choose_browser("shell", None)

    assert found.kind == "chromium"
    assert "full Chromium is used instead" in remark


@pytest.mark.usefixtures("no_browser")
def test_debians_start_script_is_left_aside_for_the_real_binary(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "chromium")
    real = executable(tmp_path / "lib" / "chromium" / "chromium")

    found = find_browser("chromium")

    assert found is not None
    assert found.path == real


def test_a_kind_of_browser_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='not "firefox"'):
        find_browser("firefox")
