"""
Handle SIGINT and SIGTERM, so that a captured page is still sealed and stored.

Only the main thread gets signals. A bundle that another thread completes beside the next capture
has a `BackgroundProtection`, which the handler in the main thread takes into account.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any, Protocol


@contextlib.contextmanager
def keeping_notes(first: KeyboardInterrupt) -> Iterator[None]:
    """Add the notes of an interruption, which name kept bundles, to another that ends the block."""
    try:
        yield
    except KeyboardInterrupt as error:
        for note in getattr(first, "__notes__", ()):
            error.add_note(note)
        raise


class Protection(Protocol):
    """The protection of a captured page from signals, until its bundle is stored."""

    wanted: bool  # the command is to end soon

    def hold(self) -> None:
        """Protect the capture from now on."""

    def release(self) -> None:
        """End the protection."""

    def interruptible(self) -> contextlib.AbstractContextManager[None]:
        """Let a second signal interrupt this block."""


class Interruption:
    """
    A handler for SIGINT and SIGTERM: the `Protection` of what the main thread captures.

    Until the page is captured, a signal raises KeyboardInterrupt. After that the first signal only
    sets `wanted`: the capture stops waiting for tokens, the bundle is stored, and callers begin no
    further capture. A second signal interrupts a store that hangs; the sealed bundle is kept then.

    While another thread completes a bundle (`background`), a signal still ends the page that the
    main thread captures. It also sets `wanted` and protects the main thread, which then waits for
    that bundle.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._held = False
        self._breakable = False
        self._background: BackgroundProtection | None = None

    def __call__(self, number: int, frame: object) -> None:
        """Handle a signal."""
        behind = self._background
        breakable = self._breakable or (behind is not None and behind.breakable)
        if self._held and not (self.wanted and breakable):
            self.wanted = True
            return
        if behind is not None:
            self.wanted = self._held = True
        raise KeyboardInterrupt

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
    def holding(self) -> Iterator[None]:
        """Protect this block, and leave the protection as it was before."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let a second signal interrupt this block."""
        self._breakable = True
        try:
            yield
        finally:
            self._breakable = False

    def background(self) -> "BackgroundProtection":
        """Return the protection of a bundle that another thread completes, until it `end`s."""
        self._background = BackgroundProtection(self)
        return self._background

    def end_background(self) -> None:
        """Note that the bundle was completed, or that the main thread no longer waits for it."""
        self._background = None


class BackgroundProtection:
    """
    The `Protection` of a bundle that a thread completes beside the next capture.

    No signal reaches that thread. So a second signal ends only the waiting of the main thread, and
    only where it would have interrupted the thread.
    """

    def __init__(self, main: Interruption) -> None:
        self._main = main
        self.breakable = False

    @property
    def wanted(self) -> bool:
        """Whether the command is to end soon."""
        return self._main.wanted

    @wanted.setter
    def wanted(self, value: bool) -> None:
        self._main.wanted = value

    def hold(self) -> None:
        """See `Protection.hold`."""
        self.breakable = False

    def release(self) -> None:
        """See `Protection.release`."""
        self.breakable = True

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """See `Protection.interruptible`."""
        self.breakable = True
        try:
            yield
        finally:
            self.breakable = False
