"""
Store the bodies of one capture from the moment they are read from a connection until they are in
the archive.

Small bodies stay in memory, up to a total; one that grows continues in a file. So a page of a
hundred pictures opens no hundred files, and neither a large download nor a thousand pictures take
much memory.
"""

import io
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_IN_MEMORY = 16 << 10  # bytes of one body; times the requests of a capture, a few dozen MiB
_AT_ONCE = 256 << 10  # bytes that are gathered before a file is opened to append them
_MORE_IN_MEMORY = 24 << 20  # bytes of all bodies together, beyond the first of each


class BodyStore:
    """A directory for the bodies of one capture. Made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()
        self._more = _MORE_IN_MEMORY

    def body(self) -> "StoredBody":
        """Return a new empty body."""
        return StoredBody(self._directory / f"{next(self._numbers):06}", self.grant)

    def grant(self, more: int) -> bool:
        """Return whether a body may hold so many more bytes in memory."""
        granted = more <= self._more
        self._more -= more if granted else 0
        return granted

    def remove(self) -> None:
        """Remove the directory with all bodies in it."""
        shutil.rmtree(self._directory, ignore_errors=True)


class StoredBody:
    """
    Bytes in the order in which they came.

    Args:
        file: Where they go when they are too many for memory.
        grant: Asked for more memory, in bytes.
    """

    def __init__(self, file: Path, grant: Callable[[int], bool]) -> None:
        self._file = file
        self._grant = grant
        self._allowed = _IN_MEMORY  # bytes, before there is a file
        self._parts: list[bytes] = []
        self._waiting = 0  # bytes in `_parts`
        self._stored = 0  # bytes in the file
        self.length = 0  # bytes

    def add(self, data: bytes) -> None:
        """Append bytes."""
        self._parts.append(data)
        self._waiting += len(data)
        self.length += len(data)
        if self._waiting > (_AT_ONCE if self._stored else self._in_memory()):
            self._store()

    def close(self) -> None:
        """Note that nothing more comes for now; little stays in memory."""
        if self._stored and self._parts:
            self._store()

    def open(self) -> BinaryIO:
        """Return all of it as a seekable stream, at its start; the caller closes it."""
        self.close()
        if self._stored:
            return self._file.open("rb")
        return io.BytesIO(b"".join(self._parts))

    def beginning(self, most: int) -> bytes:
        """Return the first bytes, at most so many."""
        with self.open() as stream:
            return stream.read(most)

    def change_end(self, most: int, change: Callable[[bytes], bytes]) -> None:
        """Replace the last bytes, at most so many, by the result of `change`."""
        with self.open() as stream:
            stream.seek(max(0, self.length - most))
            before = stream.read()
        after = change(before)
        if self._stored:
            with self._file.open("r+b") as out:
                out.seek(self.length - len(before))
                out.write(after)
                out.truncate()
            self._stored += len(after) - len(before)
        else:
            whole = b"".join(self._parts)
            self._parts = [whole[: len(whole) - len(before)], after]
            self._waiting += len(after) - len(before)
        self.length += len(after) - len(before)

    def _in_memory(self) -> int:
        """Return how many bytes may be in memory: more than before if these fit then."""
        if self._waiting <= _AT_ONCE:
            while self._allowed < self._waiting and self._grant(self._allowed):
                self._allowed *= 2
        return self._allowed

    def _store(self) -> None:
        if not self._stored:
            self._file.parent.mkdir(exist_ok=True)  # not its parents: see `Spool._make_folder`
        with self._file.open("ab") as out:
            out.writelines(self._parts)
        self._stored, self._waiting, self._parts = self.length, 0, []
