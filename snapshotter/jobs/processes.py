"""
Give a process a name that is unique among all machines, and tell whether a process is gone.

A process of this machine is known to be gone as soon as it has ended. For a process of another
machine this can only be concluded from its last heartbeat.
"""

import os
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path


def process_name(pid: int = 0) -> str:
    """Return a name that identifies a process among all machines; of this process if 0."""
    pid = pid or os.getpid()
    return f"{_machine()} {pid} {_started(pid)}"


def is_gone(process: str) -> bool:
    """Return whether a process is certainly gone: it ran on this machine and does not now."""
    machine, _, rest = process.partition(" ")
    pid, _, started = rest.partition(" ")
    if machine != _machine() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


def is_silent(process: str, beat_at: datetime, now: datetime, *, for_s: float) -> bool:
    """
    Return whether a process is gone or its last heartbeat is older than `for_s` seconds.

    A heartbeat that is as far in the future counts too: the clock was set back since.
    """
    return abs(now - beat_at) > timedelta(seconds=for_s) or is_gone(process)


@cache
def _machine() -> str:
    """
    Return a name for this boot of this machine and the processes that we can see.

    It contains the user, because a system may hide the processes of others (hidepid).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}/{os.getuid()}"
    except OSError:
        return ""  # processes cannot be identified here, so none is certainly gone


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; "" if it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name is in brackets and can contain anything. After it, field 3 is the state.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
