"""The browser's sandbox: on where it can be had, and said plainly where it cannot."""

import json
import os
import subprocess
import sys
import tempfile
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
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.capture.engine import CapturerOptions, ChromiumCapturer
from snapshotter.errors import SnapshotterError
from snapshotter.model.request import CaptureRequest, Decision
from tests.servers.site import Site

with Site() as site:
    try:
        capture = ChromiumCapturer(
            clock=SystemClock(), ids=RandomIds(), version="0",
            options=CapturerOptions(allow_no_sandbox=sys.argv[2] == "allowed"),
        ).capture(
            CaptureRequest(url=site.url("/graphics")),
            Decision(
                policy_name="test", policy_text="", allow_networks=("127.0.0.0/8",),
                require_file_protection=len(sys.argv) > 3, webgl=len(sys.argv) == 3,
            ),
            Path(sys.argv[1]), lambda *_: None,
        )
    except SnapshotterError as error:
        sys.exit(f"{type(error).__name__}: {error.message}\\nhint: {error.hint}")
facts = dataclasses.asdict(capture.environment.sandbox)
facts["network"] = capture.network.enforced
facts["title"] = capture.title
print(json.dumps([capture.outcome.value, facts]))
"""


def attempt(
    spool: Path, *before: str, allowed: bool, strict: bool = False
) -> "subprocess.CompletedProcess[str]":
    """
    Try to capture in a process of its own, started by the command `before`.

    Args:
        allowed: It may go without the browser's sandbox.
        strict: As `high-risk-source` has it: without WebGL, and not where the files of the
            machine are open to the browser.
    """
    spool.mkdir()
    word = ["strict"] if strict else []
    return subprocess.run(
        [*before, sys.executable, "-c", CAPTURE, str(spool), "allowed" if allowed else "", *word],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def capture(
    spool: Path, *before: str, allowed: bool = False, strict: bool = False
) -> tuple[str, dict[str, Any]]:
    """Capture in a process of its own, started by the command `before`; see `attempt`."""
    done = attempt(spool, *before, allowed=allowed, strict=strict)
    assert done.returncode == 0, done.stderr
    outcome, facts = json.loads(done.stdout)
    return outcome, facts


def test_a_renderer_is_confined_where_user_namespaces_are_allowed(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    del no_namespaces  # where it can be forbidden, it is allowed
    outcome, facts = capture(tmp_path / "spool")

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"], facts["network"]) == (True, True, True)
    assert "seccomp mode 2" in facts["detail"]
    assert facts["title"] == "WebGL"


def test_an_ordinary_user_has_the_sandbox_and_a_network_of_the_browsers_own(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    """Without one right of root's: mapped to a user who has none."""
    command = (no_namespaces[0], "--user", "--map-user=1000", "--map-group=1000")
    outcome, facts = capture(tmp_path / "spool", *command, strict=True)

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"], facts["network"]) == (True, True, True)
    assert facts["detail"].startswith("the browser was started as an ordinary user; ")
    assert facts["title"] == "no WebGL"


def test_without_user_namespaces_root_captures_nothing_unless_it_is_allowed(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    done = attempt(tmp_path / "spool", *no_namespaces, allowed=False)

    assert done.returncode == 1
    assert (
        "PolicyRefused: the browser would run without its sandbox: the browser runs as root"
        in done.stderr
    )
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]  # the browser's place is gone


def test_where_it_is_allowed_the_page_is_captured_and_the_missing_sandbox_is_told(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    outcome, facts = capture(tmp_path / "spool", *no_namespaces, allowed=True)

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"]) == (False, False)
    assert facts["detail"].startswith("the browser was started with --no-sandbox: ")
    assert "a user namespace cannot be created: unshare failed: " in facts["detail"]
    # This root may mount. Without its sandbox a renderer is held by that as well.
    assert {process["files"] for process in facts["processes"]} == {"mount"}


CONFINED = (sys.executable, "-m", "tests.confined")


@pytest.mark.parametrize(
    ("forbidden", "why"),
    [
        (
            "namespaces",
            "the browser runs as root, and a user namespace cannot be created: unshare failed: "
            "Operation not permitted",
        ),
        ("net", "this system does not allow a sandbox: unshare failed: Operation not permitted"),
        ("chroot", "this system does not allow a sandbox: chroot failed: Operation not permitted"),
        ("seccomp", "this system does not allow a filter of system calls (seccomp)"),
    ],
)
def test_whatever_of_the_sandbox_is_forbidden_nothing_is_captured_and_the_hint_comes(
    tmp_path: Path, forbidden: str, why: str
) -> None:
    done = attempt(tmp_path / "spool", *CONFINED, forbidden, allowed=False)

    last = done.stderr.splitlines()[-3:]
    if os.geteuid() != 0 and forbidden == "namespaces":
        why = "this system does not allow a sandbox: "
    assert last[0].startswith(f"PolicyRefused: the browser would run without its sandbox: {why}"), (
        done.stderr
    )
    assert last[1].startswith(
        "hint: run snapshotter as an ordinary user on a system that allows user namespaces, or set "
        "SNAPSHOTTER_ALLOW_NO_SANDBOX=1"
    )
    assert last[2] == "  snapshotter doctor"
    assert done.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


def test_where_files_are_open_to_the_browser_a_policy_that_forbids_it_captures_nothing() -> None:
    """Root's browser becomes another user here, to whom the bundles of a store are open."""
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        Path(folder).chmod(0o755)
        forbidden = (*CONFINED, "mount,landlock")
        done = attempt(Path(folder, "spool"), *forbidden, allowed=False, strict=True)
        left = os.listdir(folder)

    refused, hint, command = done.stderr.splitlines()[-3:]
    assert refused.startswith(
        "PolicyRefused: policy test requires a browser that cannot open the files of this machine; "
    )
    assert (
        "processes of the browser that can open these files: browser, driver, gpu-process"
        in refused
    )
    assert hint.startswith("hint: use a policy that extends this policy with ")
    assert command == "  snapshotter doctor"
    assert left == ["spool"]


@pytest.mark.parametrize("forbidden", ["net", "chroot"])
def test_what_is_left_of_the_sandbox_is_not_trusted_where_one_part_is_forbidden(
    tmp_path: Path, forbidden: str
) -> None:
    outcome, facts = capture(tmp_path / "spool", *CONFINED, forbidden, allowed=True)

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"]) == (False, False)
    assert (
        "the browser was started with --no-sandbox: this system does not allow a sandbox: "
        in facts["detail"]
    )
    # The filter that the renderer is under is the test's own.
    assert "seccomp mode 2 of the whole browser" in facts["detail"]


def test_a_filter_that_the_browser_inherits_is_not_taken_for_its_sandbox(tmp_path: Path) -> None:
    _, facts = capture(tmp_path / "spool", *CONFINED, "seccomp", allowed=True)

    assert (facts["asked"], facts["enforced"]) == (True, False)


def test_rights_that_a_security_module_takes_from_a_namespace_cost_the_network_alone(
    tmp_path: Path,
) -> None:
    """As where AppArmor lets a namespace be made and leaves nothing of its rights."""
    outcome, facts = capture(tmp_path / "spool", *CONFINED, "loopback")

    assert outcome == "complete"
    assert (facts["asked"], facts["enforced"], facts["network"]) == (True, True, False)
