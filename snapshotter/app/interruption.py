"""Handle SIGINT and SIGTERM, so that a captured page is still sealed and stored."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interruption:
    """
    A handler for SIGINT and SIGTERM.

    Until the page is captured, a signal raises KeyboardInterrupt. After that the first signal only
    sets `wanted`: the capture stops waiting for tokens, the bundle is stored, and callers begin no
    further capture. A second signal interrupts a store that hangs; the sealed bundle is kept then.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._held = False
        self._breakable = False

    def __call__(self, number: int, frame: object) -> None:
        """Handle a signal."""
        if not self._held or (self.wanted and self._breakable):
            raise KeyboardInterrupt
        self.wanted = True

    @contextlib.contextmanager
    def handle_signals(self) -> Iterator[None]:
        """
        Handle SIGINT and SIGTERM in this block, except signals that the parent process ignores.
        """
        before: dict[signal.Signals, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:
                    before[number] = signal.signal(number, self)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def hold(self) -> None:
        """Protect the capture from now on: a page is captured, and not stored."""
        self._held = True

    def release(self) -> None:
        """End the protection: the bundle is stored or kept, and its place was shown."""
        self._held = False

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a second signal interrupt this block."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False
