"""
The capture after this one, got ready while this one is sealed.

Its spool directory is made, and its browser starts. Whatever goes wrong with that is
not told here: the capture itself meets it again, and can say what it means.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from snapshotter.app.spool import spool_directory
from snapshotter.model.request import Decision
from snapshotter.ports import Capturer, IdSource


class Prewarmer:
    """At most one capture that is made ready. Use as a context manager."""

    def __init__(self, capturer: Capturer, spool_dir: Path, ids: IdSource) -> None:
        self._capturer = capturer
        self._spool_dir = spool_dir
        self._ids = ids
        self._held: tuple[Path, contextlib.ExitStack] | None = None

    def __enter__(self) -> "Prewarmer":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def begin(self, decision: Decision) -> None:
        """Make the next capture ready, if none is."""
        if self._held is not None:
            return
        name = f"ahead-{self._ids.random_bytes(10).hex()}"
        try:
            with contextlib.ExitStack() as stack:
                spool = stack.enter_context(spool_directory(self._spool_dir, name))
                self._capturer.prepare(decision, spool)
                self._held = spool, stack.pop_all()
        except Exception:  # noqa: BLE001 - the capture meets it again, and can say what it means
            return

    def discard(self) -> None:
        """Let go of what was made ready and is not needed."""
        held, self._held = self._held, None
        if held is not None:
            spool, stack = held
            with stack:
                self._capturer.discard(spool)

    @contextlib.contextmanager
    def spool_directory(self, name: str) -> Iterator[Path]:
        """Give the directory that was made ready, or else a new one of this name."""
        held, self._held = self._held, None
        if held is None:
            with spool_directory(self._spool_dir, name) as spool:
                yield spool
            return
        spool, stack = held
        with stack:
            try:
                yield spool
            finally:
                self._capturer.discard(spool)  # of nothing, once it was captured into
