"""What is to be stored: a file, or a few kB that need none and that a crash leaves nowhere."""

import io

from snapshotter.ports import Content


def open_content(content: Content) -> io.BytesIO | io.BufferedReader:
    """Return a binary stream over it, at its beginning. Raises OSError."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def length(content: Content) -> int:
    """Return how long it is, in bytes. Raises OSError."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size
