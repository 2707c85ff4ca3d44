"""
Watch a running capture from another thread, and kill its browser when a limit is passed.

The supervisor watches the memory and disk space that the browser uses, and the time. When memory
or disk space runs short, it first has the page's scripts stopped. It knows the browser's processes
by their ids, so it can kill them even if the capturing thread, the browser or its driver does not
answer any more.
"""

from snapshotter.capture.browser.prewarm import PrewarmedBrowser
from snapshotter.capture.session import CaptureSession
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


class Supervisor:
    """
    Watches one session in the thread of its browser, from another thread.

    Args:
        kill_at: When everything is killed, on the clock's monotonic scale.
    """

    def __init__(
        self, session: CaptureSession, prewarmed: PrewarmedBrowser, clock: Clock, kill_at: float
    ) -> None:
        self._session = session
        self._thread = prewarmed.thread
        self._processes = prewarmed.setup.processes
        self._workspace = prewarmed.setup.workspace
        self._limits = prewarmed.setup.decision.limits
        self._clock = clock
        self._kill_at = kill_at

    def run(self) -> None:
        """Watch the session until its browser has ended, or end it."""
        disk_looked_at = 0.0
        ended = self._session.ended
        try:
            while self._thread.is_alive() and not ended.is_set():
                left_s = self._kill_at - self._clock.monotonic()
                if left_s <= 0:
                    detail = f"the capture did not end within {self._limits.total_s:g} s"
                    self._session.note_killed("capture-timeout", detail)
                    break
                if ended.wait(min(_WATCH_S, left_s)):
                    return
                if self._processes.is_driver_gone:
                    self._session.note_driver_gone()
                self._watch_memory()
                if self._clock.monotonic() - disk_looked_at >= _DISK_S:
                    disk_looked_at = self._clock.monotonic()
                    self._watch_disk()
        except BaseException:  # Ctrl-C: nothing of ours may go on
            self._session.note_killed("interrupted", "interrupted")
            self._processes.kill()
            self._thread.join(_JOIN_S)
            raise
        if self._thread.is_alive() and not ended.is_set():
            self._processes.kill()
            self._thread.join(min(_JOIN_S, self._limits.total_s * _JOIN_SHARE))

    def _watch_memory(self) -> None:
        resident, most = self._processes.resident_bytes(), self._limits.memory_bytes
        if resident > most * _LOW_SHARE:
            self._session.note_memory_low()
        if resident > most * _SHORT_SHARE:
            self._session.request_script_stop(f"the browser used {resident >> 20} MiB of memory")
        if resident > most:
            self._free_memory()

    def _free_memory(self) -> None:
        """
        Kill the largest renderer; if that does not help, the browser.

        The renderer may be that of a frame of another site; then the page lives on.
        """
        most = self._limits.memory_bytes
        detail = f"the browser used more than {most >> 20} MiB of memory"
        self._session.note_memory_exhausted(detail)
        self._processes.kill_largest_renderer()
        end = self._clock.monotonic() + _KILLED_S
        while self._thread.is_alive() and self._clock.monotonic() < end:
            if self._processes.resident_bytes() <= most:
                return
            self._thread.join(_WATCH_S / 2)
        if self._processes.resident_bytes() > most:
            self._session.note_killed("memory-limit", detail)
            self._processes.kill()

    def _watch_disk(self) -> None:
        most = _DISK_SHARE * self._limits.capture_bytes + _PROFILE_BYTES
        written = self._workspace.written_bytes(2 * most)
        detail = f"the page wrote {written >> 20} MiB to disk"
        if written > most:
            self._session.request_script_stop(detail)
        if written > 2 * most:  # workers go on
            self._session.note_killed("disk-limit", detail)
            self._processes.kill()
