"""Open content that is to be stored, measure its length, and check the form of its digest."""

import io
import re

from snapshotter.ports import Content


def open_content(content: Content) -> io.BytesIO | io.BufferedReader:
    """Return a binary stream over the content, at its beginning. Raises OSError."""
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def length(content: Content) -> int:
    """Return the length of the content in bytes. Raises OSError."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def check_sha256(sha256: str) -> str:
    """Return `sha256`. Raises ValueError for anything but 64 lower-case hex digits."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("a SHA-256 must have 64 lower-case hexadecimal digits")
    return sha256
