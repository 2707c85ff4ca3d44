"""The browser's sandbox: on where it can be had, and said plainly where it cannot."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="user namespaces are Linux'"),
]

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = """
import dataclasses, json, sys
from pathlib import Path
from snapshotter.app.wiring import RandomIds, SystemClock
from snapshotter.capture.engine import ChromiumCapturer
from snapshotter.model.request import CaptureRequest, Decision
from tests.servers.site import Site

with Site() as site:
    capture = ChromiumCapturer(
        clock=SystemClock(), ids=RandomIds(), version="0", allow_no_sandbox=sys.argv[2] == "allowed"
    ).capture(
        CaptureRequest(url=site.url("/plain")),
        Decision(policy_name="test", policy_text="", allow_networks=("127.0.0.0/8",)),
        Path(sys.argv[1]), lambda *_: None,
    )
print(json.dumps([capture.outcome.value, dataclasses.asdict(capture.environment.sandbox)]))
"""


def attempt(spool: Path, *before: str, allowed: bool) -> "subprocess.CompletedProcess[str]":
    """Try to capture in a process of its own, started by the command `before`."""
    spool.mkdir()
    return subprocess.run(
        [*before, sys.executable, "-c", CAPTURE, str(spool), "allowed" if allowed else ""],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def capture(spool: Path, *before: str, allowed: bool = False) -> tuple[str, dict[str, Any]]:
    """Capture in a process of its own, started by the command `before`."""
    done = attempt(spool, *before, allowed=allowed)
    assert done.returncode == 0, done.stderr
    outcome, facts = json.loads(done.stdout)
    return outcome, facts


def test_a_renderer_is_confined_where_user_namespaces_are_allowed(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    del no_namespaces  # where it can be forbidden, it is allowed
    outcome, facts = capture(tmp_path / "spool")

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"]) == (True, True)
    assert "seccomp mode 2" in facts["detail"]


def test_without_user_namespaces_root_captures_nothing_unless_it_is_allowed(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    done = attempt(tmp_path / "spool", *no_namespaces, allowed=False)

    assert done.returncode == 1
    assert (
        "PolicyRefused: the browser would run without its sandbox: running as root" in done.stderr
    )
    assert [it.name for it in tmp_path.iterdir()] == ["spool"]  # the browser's place is gone


def test_where_it_is_allowed_the_page_is_captured_and_the_missing_sandbox_is_told(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    outcome, facts = capture(tmp_path / "spool", *no_namespaces, allowed=True)

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"]) == (False, False)
    assert facts["detail"].startswith("started with --no-sandbox: ")
    assert "no user namespace: unshare: " in facts["detail"]
