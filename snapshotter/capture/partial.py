"""
A body on disk as far as it came, for a document whose end is never seen.

The browser hands a body out once it is whole. One that is cut off, by us or by
a server, is gone from its memory; so the page's document is written down while
it comes, and what came is evidence even when the browser has been killed.
"""

from pathlib import Path


class PartialBody:
    """
    Bytes of one body in the order the page received them, content codings undone.

    Args:
        file: Where they go; not there yet.
        limit: Most bytes to keep; what comes after them is dropped.
    """

    def __init__(self, file: Path, *, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._waiting: list[bytes] | None = []  # what comes before the beginning does
        self._taken = False
        self.length = 0  # bytes that are kept
        self.is_cut = False  # there was more than the limit

    def is_as_long_as(self, length: int) -> bool:
        """Whether all of a body of that many bytes is kept."""
        return self._waiting is None and not self.is_cut and 0 < length == self.length

    def begin(self, data: bytes) -> None:
        """Put in front what had come before the browser began to tell."""
        waiting, self._waiting = self._waiting or [], None
        for part in (data, *waiting):
            self.add(part)

    def add(self, data: bytes) -> None:
        """Append what came."""
        if self._waiting is not None:
            self._waiting.append(data)
            return
        kept = data[: self._limit - self.length]
        self.is_cut |= len(kept) < len(data)
        if kept and not self._taken:
            with self._file.open("ab") as out:
                out.write(kept)
            self.length += len(kept)

    def take(self) -> Path | None:
        """Return the file, which does not change any more; None when nothing came."""
        self._taken = True
        if not self.length:
            return None
        whole = self._file.with_suffix(".body")
        self._file.rename(whole)
        return whole
