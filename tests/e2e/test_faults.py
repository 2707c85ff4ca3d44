"""A browser that refuses: a real one, with one call to it made to fail (`tests/faults.py`)."""

import json
from pathlib import Path

import pytest

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.model.capture import Capture, Outcome, StepState
from snapshotter.model.request import CaptureRequest, Decision, Limits
from tests.e2e.test_pictures import ROOMY
from tests.faults import Fault, faults
from tests.servers.site import Site

pytestmark = pytest.mark.e2e


def captured(site: Site, folder: Path, limits: Limits = ROOMY) -> Capture:
    spool = folder / "spool"
    spool.mkdir()
    decision = Decision(
        policy_name="test", policy_text="", limits=limits, allow_networks=("127.0.0.0/8",)
    )
    capturer = ChromiumCapturer(clock=SystemClock(), ids=RandomIds(), version="0")
    return capturer.capture(CaptureRequest(url=site.url("/")), decision, spool, lambda *_: None)


def left(folder: Path) -> list[str]:
    """Return what stands beside the spool, and what of it is no file of a bundle."""
    hidden = [path.name for path in (folder / "spool").iterdir() if path.name.startswith(".")]
    return [path.name for path in folder.iterdir() if path.name != "spool"] + hidden


def test_a_browser_that_refuses_before_the_page_was_asked_for_is_replaced_by_another(
    fixture_site: Site, tmp_path: Path
) -> None:
    """The other one has no frame yet when the first picture is asked for: that is no refusal."""
    words = f"spawn {Path.home()}/browser EAGAIN"  # a home says whose it is, and is not sealed
    no_frame = "Protocol error (Page.captureScreenshot): Unable to capture screenshot"
    with faults(
        Fault(call="BrowserContext.new_cdp_session", words=words),
        Fault(call="Page.captureScreenshot", words=no_frame),
    ) as calls:
        capture = captured(fixture_site, tmp_path)

    assert calls.met == 2
    assert calls.made["BrowserType.launch_persistent_context"] == 2
    assert calls.made["Page.goto"] == 1
    assert (capture.outcome, capture.reasons) == (Outcome.COMPLETE, ())
    assert "trial-failed" not in {reason.code for reason in capture.warnings}
    log = (tmp_path / "spool/capture/log.jsonl").read_text()
    assert [json.loads(line)["detail"] for line in log.splitlines() if '"again"' in line] == [
        no_frame
    ]
    (fresh,) = (action for action in capture.actions if action.kind == "fresh-browser")
    assert fresh.detail == "the first browser failed: spawn <home>/browser EAGAIN"
    assert left(tmp_path) == []


def test_where_another_browser_is_of_no_use_either_the_capture_is_sealed_and_says_so(
    fixture_site: Site, tmp_path: Path
) -> None:
    with faults(Fault(call="BrowserContext.new_cdp_session", lasts=True)) as calls:
        capture = captured(fixture_site, tmp_path)

    assert calls.made["BrowserType.launch_persistent_context"] == 2
    assert calls.made["Page.goto"] == 0
    assert capture.outcome is Outcome.FAILED
    assert [(reason.code, reason.detail) for reason in capture.reasons] == [
        ("launch-failed", "Protocol error: made to fail")
    ]
    assert [step.name for step in capture.steps if step.state is StepState.FAILED] == ["launch"]
    assert "archive/data.warc.gz" in {artifact.path for artifact in capture.artifacts}
    assert left(tmp_path) == []
