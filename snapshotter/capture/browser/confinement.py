"""
Restrict which files the browser's processes and its driver can open, and record for each process
what it can reach.

Chromium's sandbox restricts only its renderers. Its main process, and the processes that draw and
connect, have no filter of system calls, and a page can reach the one that draws. So all of them,
and Playwright's driver, can open only the files that a capture needs (`egress/file_view.py`). Of
the worker's environment variables they get only three that Playwright sets for its driver.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from playwright.async_api import Playwright, async_playwright

from snapshotter.capture.browser import os_processes
from snapshotter.capture.browser.driver_script import NODE, NODE_GIVEN
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.egress import file_view
from snapshotter.model.capture import ProcessFacts
from snapshotter.value_class import dataclass

_LOOK_S = 0.01
_BUFFER = 1 << 18  # bytes that are read from a driver at once
_NAMESPACES = ("user", "mnt", "net", "pid")

_one_at_a_time = threading.Lock()  # `NODE` is shared by the whole process


async def start_confined_driver(script: Path) -> Playwright:
    """
    Start Playwright's driver by a script, with few files and without our environment.

    Raises:
        playwright.async_api.Error: It did not start.
    """
    while not _one_at_a_time.acquire(blocking=False):
        await asyncio.sleep(_LOOK_S)
    try:
        os.environ[NODE] = str(script)  # noqa: TID251
        return await async_playwright().start()
    finally:
        if NODE_GIVEN is None:
            os.environ.pop(NODE, None)  # noqa: TID251
        else:
            os.environ[NODE] = NODE_GIVEN  # noqa: TID251
        _one_at_a_time.release()


async def take_over_driver(process: "subprocess.Popen[bytes]") -> Playwright:
    """
    Connect Playwright to a driver that runs already or is starting (`early_driver.py`).

    Playwright has no setting for this: while it connects, its transport is one of ours, which
    differs only in where its process comes from.

    Raises:
        ImportError, AttributeError: This version of Playwright has another transport.
        playwright.async_api.Error: The driver ended.
    """
    from playwright._impl import out_of_process

    module: Any = out_of_process
    usual = module.PipeTransport

    class Transport(usual):  # type: ignore[misc, valid-type]
        async def connect(self) -> None:
            self._stopped_future = asyncio.get_running_loop().create_future()
            self._proc = await _RunningDriver.of(process)
            self._output = self._proc.stdin

    while not _one_at_a_time.acquire(blocking=False):
        await asyncio.sleep(_LOOK_S)
    try:
        module.PipeTransport = Transport
        return await async_playwright().start()
    finally:
        module.PipeTransport = usual
        _one_at_a_time.release()


@dataclass(frozen=True, slots=True)
class _RunningDriver:
    """A process with the part of `asyncio.subprocess.Process` that Playwright uses."""

    process: "subprocess.Popen[bytes]"
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader

    @classmethod
    async def of(cls, process: "subprocess.Popen[bytes]") -> "_RunningDriver":
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_BUFFER)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), process.stdout)
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), process.stdin
        )
        return cls(process, asyncio.StreamWriter(transport, protocol, None, loop), reader)

    async def communicate(self) -> None:
        """Close the input, read the rest of the output, and wait for the end of the process."""
        self.stdin.close()
        while await self.stdout.read(_BUFFER):
            pass
        await asyncio.to_thread(self.process.wait)


def collect_process_facts(
    pids: Iterable[int], driver: int | None, workspace: BrowserWorkspace, reports: tuple[str, str]
) -> tuple[ProcessFacts, ...]:
    """
    Return what the kernel reports about each process; equal processes are counted together.

    Args:
        pids: The browser's process group.
        reports: How files are kept from the browser and from its driver, as they have noted it.
    """
    if not sys.platform.startswith("linux"):
        user = "root" if os.geteuid() == 0 else "ours"
        return (
            ProcessFacts(
                type="browser", count=1, seccomp=None, no_new_privs=False,
                namespaces=(), user=user, files=file_view.NONE,
            ),
        )  # fmt: skip
    found: Counter[ProcessFacts] = Counter()
    for pid in pids:
        if facts := _facts(pid, os_processes.process_type(pid), workspace, reports[0]):
            found[facts] += 1
    if driver is not None and (facts := _facts(driver, "driver", workspace, reports[1])):
        found[facts] += 1
    kinds = sorted(found.items(), key=lambda pair: (pair[0].type, pair[0].files))
    return tuple(replace(facts, count=count) for facts, count in kinds)


def _facts(pid: int, kind: str, workspace: BrowserWorkspace, report: str) -> ProcessFacts | None:
    """Return the facts about one process; None if it is gone."""
    status, ours = os_processes.status(pid), os_processes.status(os.getpid())
    own = tuple(namespace for namespace in _NAMESPACES if _has_own(namespace, pid))
    if not status:
        return None
    return ProcessFacts(
        type=kind,
        count=1,
        seccomp=os_processes.has_own_seccomp_filter(status, ours),
        no_new_privs=status.get("NoNewPrivs") == "1",
        namespaces=own,
        user=_user(status, ours),
        files=_files(pid, workspace, report, _user(status, ours)),
    )


def _has_own(name: str, pid: int) -> bool:
    try:
        return os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
    except OSError:  # not ours to read, or gone
        return False


def _user(status: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Return a word for the user of a process, because a number could identify a person."""
    theirs = status.get("Uid", "").split()[:1]
    if theirs == ours.get("Uid", "").split()[:1]:
        return "root" if theirs == ["0"] else "ours"
    return "own"


def _files(pid: int, workspace: BrowserWorkspace, report: str, user: str) -> str:
    """Return how files are kept from a process, one of the words of `ProcessFacts.files`."""
    root = f"/proc/{pid}/root"
    try:
        if not os.listdir(root):
            return "empty"
    except (FileNotFoundError, ProcessLookupError):
        # Chromium's sandbox makes the directory of a process its root that then ends.
        return "empty" if os_processes.status(pid) else "unknown"
    except OSError:
        return "unknown"
    try:
        os.lstat(f"{root}{workspace.hidden}")
    except FileNotFoundError:
        return file_view.MOUNT
    except OSError:
        return "unknown"
    # The kernel does not show this: the process itself noted it, after it had tried.
    if file_view.LANDLOCK in report.split("+"):
        return file_view.LANDLOCK
    return file_view.UID if user == "own" else file_view.NONE
