"""What is started before a command has read its policy leaves nothing when the command ends."""

from pathlib import Path

import pytest

from snapshotter.app import settings
from snapshotter.app.wiring.early_start import early_start


def values(folder: Path, browser: str) -> settings.Settings:
    return settings.settings_from_values(
        {
            "data_dir": str(folder / "data"),
            "spool_dir": str(folder / "spool"),
            "browser_path": browser,
        }
    )


def test_a_command_that_captures_nothing_leaves_no_driver_and_no_directory(
    tmp_path: Path,
) -> None:
    processes = []

    def interrupted() -> None:
        with early_start(values(tmp_path, "/bin/true"), "") as early:
            assert early.driver is not None
            processes.append(early.driver.process)
            assert processes[0].poll() is None
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert processes[0].returncode is not None
    assert list((tmp_path / "spool").iterdir()) == []


def test_who_takes_the_directory_releases_it(tmp_path: Path) -> None:
    with early_start(values(tmp_path, "/bin/true"), "") as early:
        held = early.take()
        assert early.take() is None
    assert held is not None
    spool, release = held
    assert early.driver is not None
    assert (spool.is_dir(), early.driver.process.poll()) == (True, None)

    release.close()

    assert early.driver.process.returncode is not None
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "make_unusable",
    [
        lambda folder: values(folder, str(folder / "no-browser")),
        lambda folder: (folder / "spool").touch() or values(folder, "/bin/true"),
    ],
    ids=["no browser", "no spool"],
)
def test_what_can_not_be_started_is_left_to_the_capture(
    tmp_path: Path, make_unusable: object
) -> None:
    with early_start(make_unusable(tmp_path), "") as early:  # type: ignore[operator]
        assert (early.spool, early.driver, early.take()) == (None, None, None)
