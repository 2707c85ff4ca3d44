"""Keep a value that takes long to compute, and compute it again in a thread when it is outdated."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from snapshotter.errors import SnapshotterError

_T = TypeVar("_T")


class LatestValue(Generic[_T]):
    """
    The latest value. Used from several threads; one thread at a time computes.

    Args:
        make: Computes the value; gets the value before, or None.
    """

    def __init__(self, make: Callable[[_T | None], _T], name: str) -> None:
        self._make, self._name = make, name
        self._changed = threading.Condition()
        self._value: _T | None = None
        self._version: object = None  # what the value was computed for
        self._is_running = False
        self._error: SnapshotterError | None = None

    def latest(self, version: object, *, wait_s: float) -> _T | None:
        """
        Return the value for a version of its source, or else the one before; None if there is none.

        Args:
            version: Compared for equality. A value of another version is computed again.
            wait_s: Seconds to wait for a value that is being computed.

        Raises:
            SnapshotterError: The value could not be computed, and there is none yet.
        """
        with self._changed:
            if version != self._version and not self._is_running:
                self._is_running = True
                threading.Thread(
                    target=self._run, args=(version,), name=self._name, daemon=True
                ).start()
            self._changed.wait_for(lambda: not self._is_running, wait_s)
            if self._value is None and self._error is not None and not self._is_running:
                raise self._error
            return self._value

    def is_of(self, version: object) -> bool:
        """Whether the value is of this version."""
        with self._changed:
            return self._version == version

    def _run(self, version: object) -> None:
        value, error = self._value, None
        try:
            value = self._make(self._value)
        except SnapshotterError as failure:
            error = failure  # raised for the page if no value is known; the next page tries again
        finally:
            with self._changed:
                if error is None:
                    self._value, self._version = value, version
                self._error, self._is_running = error, False
                self._changed.notify_all()
