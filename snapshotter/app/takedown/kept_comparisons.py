"""Keep the last comparisons of captures, for a proof that needs each of them several times."""

from typing import Final, Generic, TypeVar

_T = TypeVar("_T")
PairKey = tuple[str, str, int]  # SHA-256 of the earlier and the later bundle, and the method
_MOST: Final = 16  # of both ends, and of all captures that may confirm a change


class KeptComparisons(Generic[_T]):
    """
    The last comparisons of this process.

    A comparison depends on the two bundles and the method alone. Of a large page it takes seconds.
    """

    def __init__(self) -> None:
        self._found: dict[PairKey, _T] = {}

    def get(self, key: PairKey) -> _T | None:
        """Return a comparison; None if it is not kept."""
        return self._found.get(key)

    def keep(self, key: PairKey, found: _T) -> None:
        """Keep a comparison, in the place of the oldest one."""
        self._found[key] = found
        while len(self._found) > _MOST:
            self._found.pop(next(iter(self._found)), None)
