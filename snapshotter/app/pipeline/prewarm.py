"""
Start the browser of the next capture while the current page settles or is recorded.

The spool directory of the next capture is made as well. Errors are not reported here: the capture
itself meets them again and reports them.
"""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from snapshotter.app.spool import spool_directory
from snapshotter.model.request import Decision
from snapshotter.ports import Capturer, IdSource

HeldSpool = tuple[Path, contextlib.ExitStack]  # a directory, and what releases it


class Prewarmer:
    """At most one prewarmed browser with its spool directory. Use as a context manager."""

    def __init__(self, capturer: Capturer, spool_dir: Path, ids: IdSource) -> None:
        self._capturer = capturer
        self._spool_dir = spool_dir
        self._ids = ids
        self._held: HeldSpool | None = None
        self._beginning: threading.Thread | None = None

    def __enter__(self) -> "Prewarmer":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def begin_beside(self, decision: Decision) -> None:
        """Do `begin` in another thread, because the caller's thread captures a page."""
        if self._beginning is None:
            self._beginning = threading.Thread(
                target=self._begin, args=(decision, None), name="prewarm", daemon=True
            )
            self._beginning.start()

    def begin(self, decision: Decision, held: HeldSpool | None = None) -> None:
        """
        Prewarm the next capture, unless one is prewarmed already.

        Args:
            held: A spool directory with what releases it; None to make one.
        """
        self._wait()
        self._begin(decision, held)

    def _wait(self) -> None:
        """Wait for `begin_beside`, which takes some milliseconds."""
        beginning, self._beginning = self._beginning, None
        if beginning is not None:
            beginning.join()

    def _begin(self, decision: Decision, held: HeldSpool | None) -> None:
        if self._held is not None:
            return
        try:
            with contextlib.ExitStack() as stack:
                spool = self._spool(stack, held)
                self._capturer.prepare(decision, spool)
                self._held = spool, stack.pop_all()
        except Exception:  # noqa: BLE001 - the capture meets it again, and can say what it means
            return

    def _spool(self, stack: contextlib.ExitStack, held: HeldSpool | None) -> Path:
        if held is not None:
            spool, release = held
            stack.push(release)
            return spool
        name = f"ahead-{self._ids.random_bytes(10).hex()}"
        return stack.enter_context(spool_directory(self._spool_dir, name))

    def discard(self) -> None:
        """End a prewarmed browser that is not needed, and remove its directory."""
        self._wait()
        held, self._held = self._held, None
        if held is not None:
            spool, stack = held
            with stack:
                self._capturer.discard(spool)

    @contextlib.contextmanager
    def spool_directory(self, name: str) -> Iterator[Path]:
        """
        Yield the prewarmed directory, or else a new one of this name.

        Its browser is freed before the directory is removed.
        """
        self._wait()
        held, self._held = self._held, None
        with contextlib.ExitStack() as stack:
            if held is None:
                spool = stack.enter_context(spool_directory(self._spool_dir, name))
            else:
                spool, prepared = held
                stack.enter_context(prepared)
            try:
                yield spool
            finally:
                self._capturer.discard(spool)
