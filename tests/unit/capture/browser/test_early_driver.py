"""A driver that is started before its capture: it is taken over, or leaves nothing."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from snapshotter.capture.browser import confinement, driver_script
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.early_driver import EarlyDriver, start_early_driver
from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.request import CaptureRequest, Decision
from tests.bundles import RealClock
from tests.fakes.world import SeededIds

SHELL = BrowserBinary(kind="shell", path=Path("/bin/true"))
DECISION = Decision(policy_name="default", policy_text="")


def started(folder: Path) -> EarlyDriver:
    spool = folder / "spool"
    spool.mkdir()
    return start_early_driver(spool, SHELL)


def test_a_driver_that_nobody_takes_ends_and_leaves_no_file(tmp_path: Path) -> None:
    early = started(tmp_path)
    assert early.process.poll() is None

    early.end()
    early.end()  # twice does no harm

    assert early.process.returncode is not None
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_driver_is_taken_over_and_ends_with_playwright(tmp_path: Path) -> None:
    early = started(tmp_path)

    async def take() -> list[str]:
        playwright = await confinement.take_over_driver(early.process)
        names = [playwright.chromium.name, playwright.firefox.name]
        await playwright.stop()
        return names

    assert asyncio.run(take()) == ["chromium", "firefox"]
    assert early.process.returncode == 0
    early.is_taken = True
    early.end()


def test_a_driver_of_another_browser_is_ended_when_the_policy_names_its_own(
    tmp_path: Path,
) -> None:
    early = started(tmp_path)
    capturer = ChromiumCapturer(
        clock=RealClock(),
        ids=SeededIds(),
        version="1",
        options=CapturerOptions(executable=Path("/bin/false")),
        early=early,
    )

    capturer.prepare(DECISION, early.spool)
    assert early.process.returncode is not None
    capturer.discard(early.spool)

    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_driver_that_died_before_its_capture_is_replaced(tmp_path: Path) -> None:
    early = started(tmp_path)
    early.process.kill()
    capturer = ChromiumCapturer(
        clock=RealClock(),
        ids=SeededIds(),
        version="1",
        options=CapturerOptions(executable=SHELL.path),
        early=early,
    )
    capturer.prepare(DECISION, early.spool)

    with pytest.raises(ServiceUnavailable) as raised:  # /bin/true is no browser
        capturer.capture(
            CaptureRequest(url="http://example.org/"), DECISION, early.spool, lambda *_: None
        )

    assert "the browser did not start" in raised.value.message
    assert "driver" not in raised.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_a_playwright_with_another_transport_gets_a_driver_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from playwright._impl import out_of_process

    monkeypatch.delattr(out_of_process, "PipeTransport")
    scripts: list[Path] = []

    async def start(script: Path) -> Any:
        scripts.append(script)
        return "a driver of its own"

    monkeypatch.setattr(confinement, "start_confined_driver", start)
    early = started(tmp_path)
    monkeypatch.setattr(driver_script, "prepare_driver", lambda workspace, _: workspace.root)
    setup: Any = type("Setup", (), {"workspace": early.workspace, "binary": SHELL})

    found: Any = asyncio.run(PrewarmedBrowser(setup, "", early)._start_driver())

    assert (found, scripts) == ("a driver of its own", [early.workspace.root])
    assert early.process.returncode is not None
    early.end()
