"""Which processes are watched and killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.capture.browser import os_processes
from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import namespace

# A driver that starts a browser in a group of its own, which starts a process that leaves it.
_DRIVER = """
import os, subprocess, sys
browser = subprocess.Popen(
    ["/bin/sh", "-c", sys.argv[3], *sys.argv[1:3]],
    start_new_session=True,
)
browser.wait()
sys.stdin.read()
"""
_BROWSER = "setsid sleep 60 & echo $! > $1; echo $$ $PPID > $0; exec sleep 60"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[BrowserWorkspace, subprocess.Popen[bytes], Path]]:
    """A stand-in for driver and browser, and where the number of what left the browser stands."""
    workspace = BrowserWorkspace.create(tmp_path / "spool")
    stray = tmp_path / "stray"
    before = namespace.namespace_command(namespace.NONE)
    driver = subprocess.Popen(
        [*before, sys.executable, "-I", "-c", _DRIVER, str(workspace.note), str(stray), _BROWSER],
        stdin=subprocess.PIPE,
    )
    while not workspace.note.read_text().endswith("\n"):
        time.sleep(0.01)
    browser = int(workspace.note.read_text().split()[0])
    yield workspace, driver, stray
    for pid in (browser, int(stray.read_text())):  # a test may have ended them
        if not os_processes.has_ended(pid):
            os.kill(pid, signal.SIGKILL)
    driver.kill()
    driver.communicate()
    workspace.remove()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_left_the_browsers_process_group_ends_with_it(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    workspace, driver, stray = running
    processes = BrowserProcesses(workspace)
    left = int(stray.read_text())
    assert not os_processes.has_ended(left)

    processes.kill()

    assert driver.wait(10) == -signal.SIGKILL
    while not os_processes.has_ended(left):
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_note_that_names_a_process_of_somebody_else_kills_nobody(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    """A browser that has no view writes to the note: "-1" is every process of the machine."""
    workspace, driver, _ = running
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, start_new_session=True) as other:
        for note in (f"{other.pid} {driver.pid}", f"{os.getpid()} {os.getppid()}", "1 1", "0 0"):
            workspace.note.write_text(f"{note}\n")
            processes = BrowserProcesses(workspace)
            assert processes.browser is None
            processes.kill()
        assert other.poll() is None
        other.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_how_files_were_taken_away_is_read_before_there_is_a_page(
    running: tuple[BrowserWorkspace, subprocess.Popen[bytes], Path],
) -> None:
    workspace, _, _ = running
    processes = BrowserProcesses(workspace)
    workspace.browser_view.write_text("landlock")  # of a way to start it that has failed

    processes.begin()
    processes.read_launch_notes()
    workspace.browser_view.write_text("landlock")  # a browser that has no view rewrites it

    (found,) = (process for process in processes.facts() if process.type == "browser")
    assert found.files == "none"
