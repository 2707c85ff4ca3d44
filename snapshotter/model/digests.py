"""Define the digests of a whole file and of a run of bytes, each with its length."""

import re

from snapshotter.value_class import dataclass

_HEX64 = re.compile(r"[0-9a-f]{64}")


def is_digest(text: str) -> bool:
    """Return whether a text is a SHA-256 or BLAKE3 digest: 64 lowercase hexadecimal digits."""
    return _HEX64.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDigest:
    """Length and SHA-256 of a whole file, by which a bundle is stored, logged and named."""

    length: int  # bytes
    sha256: str  # 64 lowercase hex digits

    def __post_init__(self) -> None:
        if self.length < 0 or not is_digest(self.sha256):
            raise ValueError("a length is not negative, and a digest is 64 lowercase hex digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Length, checksum and digests of one run of bytes, all from one reading."""

    length: int  # bytes
    crc32: int  # as in a zip member (ISO 3309), 0 to 2^32-1
    sha256: str  # 64 lowercase hex digits
    blake3: str  # 64 lowercase hex digits

    def __post_init__(self) -> None:
        if self.length < 0 or not 0 <= self.crc32 < 1 << 32:
            raise ValueError("a length or a checksum is out of range")
        if not (is_digest(self.sha256) and is_digest(self.blake3)):
            raise ValueError("a digest is 64 lowercase hex digits")
