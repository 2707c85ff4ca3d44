"""CI's promise that nothing outlives the tests, tried on real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "without_leftovers.py"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")


def run(shell: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "bash", "-c", shell],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_the_commands_own_exit_code_comes_through() -> None:
    assert run("exit 0").returncode == 0
    assert run("exit 3").returncode == 3


def test_a_process_that_ends_soon_after_the_command_is_no_leftover() -> None:
    assert run("setsid sleep 0.5 >/dev/null 2>&1 &").returncode == 0


def test_a_daemon_in_a_session_of_its_own_is_named_ended_and_fails_the_run(
    tmp_path: Path,
) -> None:
    """A browser whose driver died looks like this: no parent, other session, other group."""
    pid_file = tmp_path / "pid"

    ran = run(
        f"(setsid bash -c 'echo $$ > {pid_file}; exec sleep 47' >/dev/null 2>&1 &) ; sleep 0.3"
    )

    assert ran.returncode == 70
    assert "sleep 47" in ran.stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
