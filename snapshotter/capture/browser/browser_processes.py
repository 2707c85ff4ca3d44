"""
Find, watch, pause and kill the processes of one browser by their process ids.

Playwright starts a small script of ours (`launch.start_script`), which notes its own process id and
that of its parent, Playwright's driver, before it becomes the browser. The browser keeps this
process id, which is also that of its process group. So the processes can be killed even when the
browser and its driver do not answer any more.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path

from snapshotter.capture.browser import confinement, os_processes
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.model.capture import ProcessFacts, SandboxFacts

_ROUNDS = 20  # of killing what the browser started, as long as there is more of it
_NOTED = 64  # characters, of a process's note to us


class BrowserProcesses:
    """The browser's process group, and Playwright's driver above it."""

    def __init__(self, workspace: BrowserWorkspace) -> None:
        self._workspace = workspace
        self._note = workspace.note
        self._ours = os.getpid()
        self._known: tuple[int | None, int | None] = (None, None)
        self._read_at = 0  # when the note was written that is known, nanoseconds
        self._group: os_processes.ProcessGroup | None = None
        self._ways: tuple[str, str] | None = None

    def begin(self) -> None:
        """Clear the notes that an earlier start of the browser left in this workspace."""
        self._workspace.browser_view.write_text("")
        self._ways = None

    def read_launch_notes(self) -> None:
        """
        Read how files are kept from browser and driver, before a page could rewrite the notes.
        """
        self._ways = (
            _read_note(self._workspace.browser_view),
            _read_note(self._workspace.driver_view),
        )

    @property
    def note(self) -> Path:
        """The file into which the start script writes "<browser> <driver>"."""
        return self._note

    @property
    def browser(self) -> int | None:
        """Process id of the browser; None before it was started."""
        return self._ids()[0]

    @property
    def is_driver_gone(self) -> bool:
        """Whether the driver was running and has ended, reaped or not."""
        driver = self._ids()[1]
        return driver is not None and os_processes.has_ended(driver)

    def resident_bytes(self) -> int:
        """
        Return the memory of the whole group; pages that processes share count once where possible.

        0 when nothing runs or the system does not report it.
        """
        return sum(self._each_resident().values())

    def kill_largest_renderer(self) -> bool:
        """Kill the renderer that takes most memory; the browser itself goes on."""
        sizes = self._each_resident()
        renderers = [pid for pid in sizes if "--type=renderer" in os_processes.command(pid)]
        if not renderers:
            return False
        return _kill(max(renderers, key=lambda pid: sizes[pid]))

    def hold_renderers(self) -> None:
        """Pause all renderers until `release_renderers`. They can still be killed."""
        self._signal_renderers(signal.SIGSTOP)

    def release_renderers(self) -> None:
        """Let the renderers run again."""
        self._signal_renderers(signal.SIGCONT)

    def _signal_renderers(self, number: signal.Signals) -> None:
        for pid in self._each_resident():
            if "--type=renderer" in os_processes.command(pid):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)

    def kill_gpu(self) -> bool:
        """Kill the GPU process; the browser starts another, once or twice."""
        for pid in self._each_resident():
            if "--type=gpu-process" in os_processes.command(pid):
                return _kill(pid)
        return False

    def kill(self) -> None:
        """Kill the browser and all that it started, then the driver. Safe to call at any time."""
        self.kill_browser()
        driver = self._ids()[1]
        if driver is not None and self._is_driver(driver):
            _kill(driver)

    def kill_browser(self) -> None:
        """
        Kill the browser's process group and the processes that have left it. Call before the driver
        ends.

        A compromised process can leave its group and its parent. It is then a child of the driver
        (`egress/enter.py`), until that one ends.
        """
        browser, driver = self._ids()
        if browser is not None:
            try:
                os.killpg(browser, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                _kill(browser)
        if driver is None or not sys.platform.startswith("linux"):
            return
        killed: set[int] = set()
        for _ in range(_ROUNDS):
            strays = os_processes.descendant_pids(driver) if self._is_driver(driver) else []
            if killed.issuperset(strays):  # they take a moment to end
                return
            for pid in set(strays) - killed:
                _kill(pid)
            killed.update(strays)

    def sandbox(self, *, asked: bool, how: str) -> SandboxFacts:
        """Report from the kernel whether a renderer runs inside the sandbox."""
        browser = self._ids()[0]
        if not sys.platform.startswith("linux") or browser is None:
            return SandboxFacts(
                asked=asked,
                enforced=False,
                detail=f"{how}; this system does not report the sandbox of a process",
            )
        for pid in self._members(browser):
            if "--type=renderer" not in os_processes.command(pid):
                continue
            status = os_processes.status(pid)
            seccomp = status.get("Seccomp", "")
            filtered = os_processes.has_own_seccomp_filter(status, os_processes.status(browser))
            namespaced = len(status.get("NSpid", "").split()) > 1 or _has_other_namespace(
                pid, browser
            )
            observed = (
                "the renderer has seccomp mode "
                f"{seccomp or '?'}{' of the whole browser' if filtered is False else ''}, "
                f"NoNewPrivs {status.get('NoNewPrivs', '?')}, {'own' if namespaced else 'no own'} "
                "namespaces"
            )
            enforced = seccomp == "2" and filtered is not False and namespaced
            return SandboxFacts(
                asked=asked,
                enforced=enforced,
                detail=f"{how}; {observed}",
                processes=self.facts(),
            )
        return SandboxFacts(
            asked=asked,
            enforced=False,
            detail=f"{how}; no renderer process was found",
            processes=self.facts(),
        )

    def facts(self) -> tuple[ProcessFacts, ...]:
        """Return what each process can reach, as read from the kernel."""
        browser, driver = self._ids()
        if browser is None:
            return ()
        if self._ways is None:
            self.read_launch_notes()
        return confinement.collect_process_facts(
            self._members(browser), driver, self._workspace, self._ways or ("", "")
        )

    def is_filtered(self) -> bool | None:
        """
        Whether the system calls of a renderer are filtered; None if the system does not report it.

        One filtered renderer is enough: a renderer that was just started has no filter yet.
        """
        browser = self._ids()[0]
        if not sys.platform.startswith("linux") or browser is None:
            return None
        found = [
            os_processes.has_own_seccomp_filter(
                os_processes.status(pid), os_processes.status(browser)
            )
            for pid in self._members(browser)
            if "--type=renderer" in os_processes.command(pid)
        ]
        return None if not found or None in found else any(found)

    def _ids(self) -> tuple[int | None, int | None]:
        """
        Return the process ids of browser and driver. Each launch mode writes the note anew.

        The driver writes the note, and so may a browser without another user and without a file
        view. So only a child of ours, and what that child started, is ever killed because of it.
        """
        try:
            written = self._note.stat().st_mtime_ns
            if written != self._read_at:
                browser, driver = map(int, _read_note(self._note).split())
                if self._is_driver(driver) and self._is_browser(browser, driver):
                    self._known, self._read_at = (browser, driver), written
                elif self._known == (None, None) and driver > 1 and os_processes.has_ended(driver):
                    return None, driver
        except (FileNotFoundError, ValueError):
            pass
        return self._known

    def _is_driver(self, pid: int) -> bool:
        return pid > 1 and (
            not sys.platform.startswith("linux") or os_processes.parent(pid) == self._ours
        )

    def _is_browser(self, pid: int, driver: int) -> bool:
        if not sys.platform.startswith("linux"):
            return pid > 1
        return os_processes.parent(pid) == driver and os_processes.is_group_leader(pid)

    def _members(self, browser: int) -> list[int]:
        return self._of(browser).members()

    def _each_resident(self) -> dict[int, int]:
        browser = self._ids()[0]
        return {} if browser is None else self._of(browser).resident()

    def _of(self, browser: int) -> os_processes.ProcessGroup:
        if self._group is None or self._group.leader != browser:
            self._group = os_processes.ProcessGroup(browser)
        return self._group


def _read_note(note: Path) -> str:
    """Return the text of a note, cut to the length of a valid one."""
    with note.open() as file:
        return file.read(_NOTED)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _has_other_namespace(pid: int, other: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/user") != os.readlink(f"/proc/{other}/ns/user")
    except OSError:  # not ours to read: then NSpid in its status has to do
        return False
