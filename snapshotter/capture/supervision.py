"""
Watch a running capture from outside, and kill its browser when a limit is passed.

The supervisor knows the browser's processes by number. It watches their memory, their disk and the
time, and it kills them whether or not anything inside of the capture still answers.
"""

import threading

from snapshotter.capture.browser.browser_processes import BrowserProcesses
from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.session import CaptureSession
from snapshotter.model.request import Limits
from snapshotter.ports import Clock

_WATCH_S = 0.1  # between two looks at the processes' memory, each of which costs 2 ms
_LOW_SHARE = 0.4  # of the memory: a document that still comes is stopped then
_SHORT_SHARE = 0.7  # of the memory: scripts are stopped, to photograph what they have made
_DISK_S = 1.0  # between two looks at what the browser has written
# Of the bytes of a capture: the browser's cache holds them, and pages have stores of their own.
_DISK_SHARE = 2
_PROFILE_BYTES = 64 << 20  # of a browser that has nothing to keep, several times over
_KILLED_S = 0.8  # at most, for a renderer's memory to be given back
_JOIN_S = 1.0  # for a thread whose browser is dead to notice
_JOIN_SHARE = 0.05  # of a short limit


def supervise(
    session: CaptureSession, prewarmed: PrewarmedBrowser, *, clock: Clock, kill_at: float
) -> None:
    """
    Watch a session until it has ended, or end it.

    Args:
        kill_at: When everything is killed, on the clock's monotonic scale.
    """
    thread, processes = prewarmed.thread, prewarmed.setup.processes
    limits = prewarmed.setup.decision.limits
    disk_looked_at = 0.0
    try:
        while thread.is_alive():
            left_s = kill_at - clock.monotonic()
            if left_s <= 0:
                detail = f"the capture did not end within {limits.total_s:g} s"
                session.note_killed("capture-timeout", detail)
                break
            thread.join(min(_WATCH_S, left_s))
            if processes.is_driver_gone:
                session.note_driver_gone()
            _watch_memory(session, processes, limits, thread, clock)
            if clock.monotonic() - disk_looked_at >= _DISK_S:
                disk_looked_at = clock.monotonic()
                _watch_disk(session, prewarmed)
    except BaseException:  # Ctrl-C: nothing of ours may go on
        session.note_killed("interrupted", "interrupted")
        processes.kill()
        thread.join(_JOIN_S)
        raise
    if thread.is_alive():
        processes.kill()
        thread.join(min(_JOIN_S, limits.total_s * _JOIN_SHARE))


def _watch_memory(
    session: CaptureSession,
    processes: BrowserProcesses,
    limits: Limits,
    thread: threading.Thread,
    clock: Clock,
) -> None:
    resident = processes.resident_bytes()
    if resident > limits.memory_bytes * _LOW_SHARE:
        session.note_memory_low()
    if resident > limits.memory_bytes * _SHORT_SHARE:
        session.request_script_stop(f"the browser took {resident >> 20} MiB")
    if resident > limits.memory_bytes:
        _free_memory(session, processes, limits, thread, clock)


def _free_memory(
    session: CaptureSession,
    processes: BrowserProcesses,
    limits: Limits,
    thread: threading.Thread,
    clock: Clock,
) -> None:
    """
    Kill the largest renderer; if that does not help, the browser.

    The renderer may be that of a frame of another site; then the page lives on.
    """
    detail = f"the browser took more than {limits.memory_bytes >> 20} MiB"
    session.note_memory_exhausted(detail)
    processes.kill_largest_renderer()
    end = clock.monotonic() + _KILLED_S
    while thread.is_alive() and clock.monotonic() < end:
        if processes.resident_bytes() <= limits.memory_bytes:
            return
        thread.join(_WATCH_S / 2)
    if processes.resident_bytes() > limits.memory_bytes:
        session.note_killed("memory-limit", detail)
        processes.kill()


def _watch_disk(session: CaptureSession, prewarmed: PrewarmedBrowser) -> None:
    limits = prewarmed.setup.decision.limits
    disk_bytes = _DISK_SHARE * limits.capture_bytes + _PROFILE_BYTES
    written = prewarmed.setup.workspace.written_bytes(2 * disk_bytes)
    detail = f"the page wrote {written >> 20} MiB to disk"
    if written > disk_bytes:
        session.request_script_stop(detail)
    if written > 2 * disk_bytes:  # workers go on
        session.note_killed("disk-limit", detail)
        prewarmed.setup.processes.kill()
