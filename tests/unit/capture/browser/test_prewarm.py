"""What a browser that waits for its page leaves behind, when it never gets one."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer
from snapshotter.errors import PolicyRefused, ServiceUnavailable
from snapshotter.model.request import CaptureRequest, Decision, Limits
from tests.bundles import RealClock
from tests.fakes.world import SeededIds
from tests.faults import Fault, faults
from tests.unit.egress.parts import guard_threads

DECISION = Decision(policy_name="default", policy_text="", limits=Limits(total_s=600))


@pytest.fixture
def capturer() -> ChromiumCapturer:
    return ChromiumCapturer(
        clock=RealClock(),
        ids=SeededIds(),
        version="1",
        options=CapturerOptions(executable=Path("/bin/true")),
    )


def test_a_thread_that_can_not_be_started_leaves_no_guard_and_no_file(
    tmp_path: Path, capturer: ChromiumCapturer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: PrewarmedBrowser) -> None:
        self.setup.network.guard.start()
        raise RuntimeError("can't start new thread")

    before = guard_threads()
    monkeypatch.setattr(PrewarmedBrowser, "start", start)
    with pytest.raises(RuntimeError):
        capturer.prepare(DECISION, tmp_path)

    assert guard_threads() == before
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_waiting_browser_is_ended_leaves_no_guard_and_no_file(
    tmp_path: Path, capturer: ChromiumCapturer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = guard_threads()
    capturer.prepare(DECISION, tmp_path)
    join, calls = threading.Thread.join, []

    def interrupted(self: threading.Thread, timeout: float | None = None) -> None:
        calls.append(timeout)
        if len(calls) == 1:
            raise KeyboardInterrupt
        join(self, timeout)

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        capturer.discard(tmp_path)

    assert guard_threads() == before
    assert list(tmp_path.iterdir()) == []


def test_where_a_proxy_is_required_and_none_is_set_no_browser_is_started(
    tmp_path: Path, capturer: ChromiumCapturer
) -> None:
    before = guard_threads()

    with pytest.raises(
        PolicyRefused, match="policy default requires a proxy, but no proxy is set"
    ) as caught:
        capturer.prepare(replace(DECISION, require_proxy=True), tmp_path)

    assert "--proxy tor" in caught.value.hint
    assert guard_threads() == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError, Exception, PlaywrightError])
def test_a_driver_that_does_not_start_is_tried_twice_and_is_no_fault_of_ours(
    tmp_path: Path, capturer: ChromiumCapturer, error: type[Exception]
) -> None:
    """No process is to be had, or the driver dies (a plain exception of Playwright's)."""
    before = guard_threads()
    (spool := tmp_path / "spool").mkdir()
    request = CaptureRequest(url="http://127.0.0.1/")
    fault = Fault(call="Playwright.start", lasts=True, words="no more of them", error=error)

    with faults(fault) as calls, pytest.raises(ServiceUnavailable, match="no more of them"):
        capturer.capture(request, DECISION, spool, lambda *_: None)

    assert calls.met == 2
    assert guard_threads() == before
    assert list(tmp_path.rglob("*")) == [spool]
