"""
Write and read the bytes of one connection: both directions, in order, with times, in one file.

    direction  1 byte   "C" client to server, "S" server to client
    time       8 bytes  microseconds since 1970-01-01 UTC
    length     4 bytes
    data       as many

Numbers are big-endian. A file that ends in the middle of a chunk was cut there, because its writer
was killed. These files hold a page in clear, or encrypted so that a key log opens it. They are
destroyed once the record is made from them.
"""

import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter.formats.http.events import Direction
from snapshotter.value_class import dataclass

_HEAD: Final = struct.Struct(">cQI")
_MAX_CHUNK: Final = 1 << 20  # bytes; a longer one was not written here
_LATEST_US: Final = 253_402_300_799_999_999  # the end of the year 9999; no date is later
_BUFFER: Final = 1 << 17  # bytes that a file holds back until it is flushed
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LETTERS: Final = {Direction.CLIENT: b"C", Direction.SERVER: b"S"}
_DIRECTIONS: Final = {letter: direction for direction, letter in _LETTERS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Bytes that one side sent at one time."""

    direction: Direction
    at_us: int  # microseconds since 1970-01-01 UTC
    data: bytes

    @property
    def at(self) -> datetime:
        """The time as an aware value in UTC."""
        return _EPOCH + timedelta(microseconds=self.at_us)


class TeeWriter:
    """Writes one connection's file, readable by its owner alone. Raises OSError if it cannot."""

    def __init__(self, path: Path) -> None:
        self.path = path
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file: BinaryIO = os.fdopen(file, "wb", buffering=_BUFFER)

    def write(self, direction: Direction, at_us: int, data: bytes) -> None:
        """Add a chunk."""
        for start in range(0, len(data), _MAX_CHUNK):
            piece = data if len(data) <= _MAX_CHUNK else data[start : start + _MAX_CHUNK]
            self._file.write(_HEAD.pack(_LETTERS[direction], at_us, len(piece)))
            self._file.write(piece)

    def flush(self) -> None:
        """Flush, so that a reader sees what was written so far."""
        self._file.flush()

    def close(self) -> None:
        """Flush and close the file. Idempotent."""
        self._file.close()


def read(path: Path) -> Iterator[Chunk]:
    """
    Yield a connection's chunks, to the end of the file.

    Of a last chunk that was cut, the data that exists is yielded.

    Raises:
        ValueError: The file is damaged from here on. What came before was yielded.
    """
    with path.open("rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            letter, at_us, length = _HEAD.unpack(head)
            direction = _DIRECTIONS.get(letter)
            if direction is None or length > _MAX_CHUNK or at_us > _LATEST_US:
                raise ValueError(f"{path.name} contains data that is not a chunk")
            data = file.read(length)
            if data:
                yield Chunk(direction=direction, at_us=at_us, data=data)
