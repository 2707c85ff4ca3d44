"""
Read the clock, the free memory and the start of this process, make random ids, and pause.

`SystemClock` and `RandomIds` implement the ports `Clock` and `IdSource`. Only this module and the
separate verifier (`verify/__main__.py`) read the system time; all other modules take a `Clock`.
"""

import base64
import os
import secrets
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snapshotter.model.capture import ClockFacts


class SystemClock:
    """The system clock, with what the kernel reports about it (adjtimex(2))."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def facts(self) -> "ClockFacts":
        """See `Clock.facts`; on Linux what the kernel measured."""
        from snapshotter.model.capture import ClockFacts  # for who only tells the time

        return _adjtimex() or ClockFacts(
            source="system", synchronised=None, max_error_ms=None, offset_ms=None
        )


class RandomIds:
    """Identifiers that begin with the time in seconds and end with 80 random bits."""

    def bundle_id(self, at: datetime) -> str:
        """See `IdSource.bundle_id`."""
        suffix = base64.b32encode(secrets.token_bytes(10)).decode("ascii").lower()
        return f"{at.astimezone(UTC):%Y%m%dt%H%M%Sz}-{suffix}"

    def random_bytes(self, count: int) -> bytes:
        """See `IdSource.random_bytes`."""
        return secrets.token_bytes(count)


def pause(seconds: float) -> None:
    """Sleep for so many seconds."""
    time.sleep(seconds)


def process_began() -> float | None:
    """
    Return when this process began, in seconds on the scale of `SystemClock.monotonic`.

    The kernel counts in ticks, so the time is exact to 10 ms. Return None on a system without a
    process file system (macOS).
    """
    try:
        # The name in parentheses may contain spaces and parentheses. Field 22 is `starttime`.
        fields = Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        # Ticks since the boot include the time in which the machine slept; `monotonic` does not.
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return time.monotonic() - age if age >= 0 else None


def free_bytes() -> int | None:
    """Return the memory that another program can use; None if it is not known (Linux)."""
    found = [_available(), _left_of_the_container()]
    known = [number for number in found if number is not None]
    return min(known) if known else None


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(
            int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")
        )
    except (OSError, StopIteration, ValueError, IndexError):
        return None


def _left_of_the_container() -> int | None:
    """
    Return the memory that the limit of this control group leaves (cgroup v2); None without a limit.
    """
    group = Path("/sys/fs/cgroup")
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        used = (group / "memory.current").read_text(encoding="ascii").strip()
        return None if most == "max" else max(0, int(most) - int(used))
    except (OSError, ValueError):
        return None


_STA_UNSYNC, _STA_NANO, _TIME_ERROR = 0x0040, 0x2000, 5


def _adjtimex() -> "ClockFacts | None":
    """Return what the kernel reports about its clock; None if it cannot be read."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # in the middle of a capture, when there is time for it

    from snapshotter.model.capture import ClockFacts

    class Timex(ctypes.Structure):
        """The struct timex of Linux, as far as it is read; the rest is padding."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_char * 512),
        )

    library = ctypes.CDLL(None, use_errno=True)  # the C library is a part of every process
    timex = Timex()
    state = library.adjtimex(ctypes.byref(timex))
    if state < 0:
        return None
    unit = 1_000_000 if timex.status & _STA_NANO else 1_000  # nanoseconds or microseconds
    return ClockFacts(
        source="adjtimex",
        synchronised=not timex.status & _STA_UNSYNC and state != _TIME_ERROR,
        max_error_ms=round(timex.maxerror / 1_000),
        offset_ms=round(timex.offset / unit),
    )
