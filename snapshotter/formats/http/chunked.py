"""Remove the chunk framing of HTTP/1.1 (RFC 9112, section 7.1) from a recorded body."""

from collections.abc import Iterator
from typing import BinaryIO

_PART = 1 << 16  # bytes that are read at once
_LONGEST_LINE = 1 << 14  # bytes of a chunk's size and its extensions


def identity_parts(source: BinaryIO) -> Iterator[bytes]:
    """Yield a body that has no framing."""
    while part := source.read(_PART):
        yield part


def remove_chunking(source: BinaryIO) -> Iterator[bytes]:
    """Yield what is in the chunks, as far as they come; what follows no rule ends it."""
    while line := source.readline(_LONGEST_LINE):
        size = _size(line)
        if not size:
            return
        while size and (part := source.read(min(size, _PART))):
            size -= len(part)
            yield part
        source.readline(_LONGEST_LINE)  # the end of the chunk


def _size(line: bytes) -> int:
    """Return the length of a chunk; 0 for the last one, and for what is no length."""
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16) if digits.isalnum() else 0
    except ValueError:
        return 0
