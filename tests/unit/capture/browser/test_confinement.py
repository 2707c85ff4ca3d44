"""The script that becomes the driver."""

import subprocess
import sys
from pathlib import Path

import pytest

from snapshotter.capture.browser import driver_script
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
from tests.unit.capture.browser.programs import executable


def test_a_driver_is_not_started_by_the_script_of_another_capture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one starts, Playwright's setting names its script, for all of the process."""
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", "/spool/other/driver")
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    binary = BrowserBinary(kind="shell", path=executable(tmp_path / "x" / "shell"))

    script = driver_script.prepare_driver(workspace, binary).read_text()

    workspace.remove()
    assert "/spool/other/driver" not in script


_PREPARE = """
import sys
from pathlib import Path
from snapshotter.capture.browser import driver_script
from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.workspace import BrowserWorkspace
workspace = BrowserWorkspace.create(Path(sys.argv[1], "spool"))
try:
    driver_script.prepare_driver(workspace, BrowserBinary(kind="shell", path=Path("/bin/true")))
finally:
    workspace.remove()
"""


def test_a_spool_from_which_no_program_may_be_started_is_named(
    tmp_path: Path, no_namespaces: tuple[str, ...]
) -> None:
    forbid = 'mount -t tmpfs -o noexec none "$0" && exec "$@"'
    command = (no_namespaces[0], "--user", "--map-root-user", "--mount", "sh", "-c", forbid)

    done = subprocess.run(
        [*command, str(tmp_path), sys.executable, "-c", _PREPARE, str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    last = done.stderr.splitlines()[-1]
    assert last.endswith(
        f"programs cannot be started in {tmp_path}, because its file system is mounted with noexec"
    )
