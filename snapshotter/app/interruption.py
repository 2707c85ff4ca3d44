"""Signals, taken so that they cost no page that is captured already."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any


class Interruption:
    """
    A handler for SIGINT and SIGTERM that does not throw a page away.

    Until the page is captured a signal ends the work with KeyboardInterrupt. From then
    on the first one is a wish: nobody waits for tokens any more, the bundle is stored,
    and `wanted` says that the rest is not to be begun. A second one breaks off a store
    that hangs; the sealed bundle is kept then.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._held = False
        self._breakable = False

    def __call__(self, number: int, frame: object) -> None:
        """Take a signal."""
        if not self._held or (self.wanted and self._breakable):
            raise KeyboardInterrupt
        self.wanted = True

    @contextlib.contextmanager
    def handle_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM in this block, unless whoever started us had one ignored."""
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
        """From here there is something to lose."""
        self._held = True

    def release(self) -> None:
        """It is stored or kept, and was told of."""
        self._held = False

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a second signal end this block."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False
