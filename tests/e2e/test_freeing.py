"""What is freed while a capture is sealed: the driver and the files of a browser that has ended."""

import os
import threading
from pathlib import Path

import pytest

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.browser import os_processes
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.model.capture import Outcome, StepState
from snapshotter.model.request import CaptureRequest, Decision
from tests.e2e.test_pictures import ROOMY
from tests.servers.site import Site

pytestmark = pytest.mark.e2e


def _browsers() -> list[int]:
    return [
        pid
        for pid in os_processes.descendant_pids(os.getpid())
        if "--type=" in os_processes.command(pid)
    ]


def test_a_capture_is_complete_while_the_rest_of_its_browser_is_freed_and_discard_waits_for_that(
    fixture_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spool := tmp_path / "spool").mkdir()
    decision = Decision(
        policy_name="test", policy_text="", limits=ROOMY, allow_networks=("127.0.0.0/8",)
    )
    capturer = ChromiumCapturer(clock=SystemClock(), ids=RandomIds(), version="0")
    may_remove, remove = threading.Event(), BrowserWorkspace.remove

    def hold(workspace: BrowserWorkspace) -> None:
        may_remove.wait(60)
        remove(workspace)
        raise OSError("a file that nobody may remove")

    monkeypatch.setattr(BrowserWorkspace, "remove", hold)

    captured = capturer.capture(
        CaptureRequest(url=fixture_site.url("/plain")),
        decision,
        spool,
        lambda *_: None,
        free_later=True,
    )

    held = list(tmp_path.glob(".spool-browser-*"))
    browsers = _browsers()
    may_remove.set()
    with pytest.raises(OSError, match="nobody may remove"):
        capturer.discard(spool)
    assert (captured.outcome, captured.reasons) == (Outcome.COMPLETE, ())
    assert (captured.steps[-1].name, captured.steps[-1].state) == ("close", StepState.OK)
    assert len(held) == 1
    assert browsers == []
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]
    capturer.discard(spool)  # of nothing
