"""
Read what the kernel reports about processes: group, memory, processor time, command line, sandbox.

Linux reports it in files (proc(5)). They are read ten times a second while a browser runs, so
processes of other groups are read again only from time to time. On other systems the memory is read
with `ps`.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PROBE_S = 5.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_ANEW = 50  # looks until every process is read again


class ProcessGroup:
    """
    One process group, as it is now.

    Args:
        leader: Its number, which is that of its first process.
    """

    def __init__(self, leader: int) -> None:
        self.leader = leader
        self._others: set[int] = set()  # seen, and of another group
        self._looks = 0

    def members(self) -> list[int]:
        """Return the process ids of the living members. Linux only."""
        there = _numbers()
        self._others &= there  # a number that has ended may be given anew
        self._looks += 1
        if self._looks % _ANEW == 0:  # or was, between two looks: no process hides for long
            self._others.clear()
        members = []
        for pid in there - self._others:
            if (stat := _stat(pid)) is None:
                continue
            state, _, group = stat
            if group != self.leader:
                if pid != self.leader:  # which may be about to become one
                    self._others.add(pid)
            elif state != b"Z":
                members.append(pid)
        return members

    def resident(self) -> dict[int, int]:
        """Return the resident bytes of each member; empty if the system does not report them."""
        if sys.platform.startswith("linux"):
            return {pid: resident(pid) for pid in self.members()}
        return _resident_by_ps(self.leader)


def descendant_pids(root: int) -> list[int]:
    """Return the descendants of a process, whatever their groups. Linux only."""
    children: dict[int, list[int]] = {}
    for pid in _numbers():
        if (stat := _stat(pid)) is not None and stat[0] != b"Z":
            children.setdefault(stat[1], []).append(pid)
    found, open_ends = [], [root]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        found += below
        open_ends += below
    return found


def parent(pid: int) -> int | None:
    """Return the parent of a process; None if the process is gone."""
    stat = _stat(pid)
    return stat[1] if stat is not None else None


def is_group_leader(pid: int) -> bool:
    """Return whether a process exists and is the first of its process group."""
    stat = _stat(pid)
    return stat is not None and stat[2] == pid


def resident(pid: int, *, shared: bool = False) -> int:
    """
    Return the resident bytes of a process (/proc/<pid>/statm); 0 if it is gone.

    Args:
        shared: Include memory that it may share with others.
    """
    fields = _read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - (0 if shared else int(fields[2]))) * _PAGE if fields else 0


def cpu_seconds(pid: int) -> float:
    """Return the processor seconds that a process has used; 0 if it is gone."""
    stat = _read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(b")") + 2 :].split(None, 14)
    return (int(fields[11]) + int(fields[12])) / _TICKS if len(fields) > 13 else 0.0


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, reaped or not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = _stat(pid) if sys.platform.startswith("linux") else None
    return stat is not None and stat[0] == b"Z"


def command(pid: int) -> str:
    """Return the command line of a process as one text; "" if the system does not report it."""
    try:
        if sys.platform.startswith("linux"):
            return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode("utf-8", "replace")
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["/bin/ps", "-o", "command=", "-p", str(pid)],
            capture_output=True, text=True, timeout=_PROBE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def command_line(pid: int) -> tuple[str, ...]:
    """
    Return the arguments of a process as the kernel has them; empty if it does not report them.
    """
    try:
        return tuple(
            Path(f"/proc/{pid}/cmdline")
            .read_bytes()
            .rstrip(b"\0")
            .decode("utf-8", "replace")
            .split("\0")
        )
    except OSError:
        return ()


def status(pid: int) -> dict[str, str]:
    """Return the fields of /proc/<pid>/status; none if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}


def has_own_seccomp_filter(status: Mapping[str, str], other: Mapping[str, str]) -> bool | None:
    """
    Return whether a process has a filter of system calls that another one does not have.

    In a container every process is under a filter. Kernels before 5.9 do not count filters.
    """
    if "Seccomp" not in status:
        return None
    if "Seccomp_filters" not in status or "Seccomp_filters" not in other:
        return status["Seccomp"] == "2"
    return int(status["Seccomp_filters"]) > int(other["Seccomp_filters"])


def process_type(pid: int) -> str:
    """
    Return Chromium's name for a process: "renderer", "gpu-process", "browser" for the first.

    A utility process has its kind as well: "utility:network.mojom.NetworkService".
    """
    words = command(pid).split()
    kinds = [word.removeprefix("--type=") for word in words if word.startswith("--type=")]
    subs = [
        word.removeprefix("--utility-sub-type=") for word in words if "utility-sub-type=" in word
    ]
    return ":".join((*kinds[:1], *subs[:1])) or "browser"


def _numbers() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def _stat(pid: int) -> tuple[bytes, int, int] | None:
    """Return state, parent and group of a process; None if it ended meanwhile."""
    stat = _read(f"/proc/{pid}/stat")
    # The name in parentheses may hold anything; what follows the last one is: state ppid pgrp
    fields = stat[stat.rfind(b")") + 2 :].split(None, 3)
    return (fields[0], int(fields[1]), int(fields[2])) if len(fields) > 2 else None


def _read(path: str) -> bytes:
    """Return a small file of the kernel; empty if it is gone or cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, 1 << 16)
    except OSError:
        return b""
    finally:
        os.close(file)


def _resident_by_ps(group: int) -> dict[int, int]:
    try:
        done = subprocess.run(
            ["/bin/ps", "-axo", "pid=,pgid=,rss="],
            capture_output=True, text=True, timeout=_PROBE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return {}
    rows = (line.split() for line in done.stdout.splitlines())
    return {
        int(row[0]): int(row[2]) * 1024 for row in rows if len(row) == 3 and int(row[1]) == group
    }
