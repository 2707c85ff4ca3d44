"""
Write CBOR (RFC 8949), as far as COSE needs CBOR: integers, bytes, texts, arrays, maps and null.

The encoding is deterministic (RFC 8949, 4.2.1): each length is in its shortest form, and the keys
of a map are sorted by their encoded bytes. This module reads no CBOR.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

# Items of a sequence and values of a map are `Encodable` again.
Encodable: TypeAlias = int | bytes | str | Sequence[Any] | Mapping[int, Any] | None

_INT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(6)  # major types (RFC 8949, 3.1)
_NULL = b"\xf6"


def encode(value: Encodable) -> bytes:
    """
    Return the encoding of a value.

    Raises:
        TypeError: The value is of another type.
        ValueError: An integer does not fit into 64 bits.
    """
    if value is None:
        return _NULL
    if isinstance(value, int) and not isinstance(value, bool):
        return _head(_INT, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        data = value.encode()
        return _head(_TEXT, len(data)) + data
    if isinstance(value, Mapping):
        pairs = sorted((encode(key), encode(item)) for key, item in value.items())
        return _head(_MAP, len(pairs)) + b"".join(key + item for key, item in pairs)
    if isinstance(value, Sequence):
        return _head(_ARRAY, len(value)) + b"".join(encode(item) for item in value)
    raise TypeError(f"{type(value).__name__} cannot be written as CBOR")


def _head(major: int, argument: int) -> bytes:
    """Return the first bytes of an item: its major type, and a number or a length."""
    if argument < 24:
        return bytes([major << 5 | argument])
    for information, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << (8 * size):
            return bytes([major << 5 | information]) + argument.to_bytes(size, "big")
    raise ValueError("the integer does not fit into 64 bits")
