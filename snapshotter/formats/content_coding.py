"""Undo the content codings of an answer (RFC 9110, section 8.4.1), as far as it came."""

import zlib
from functools import lru_cache
from typing import Final

from snapshotter.formats import brotli

# What is opened of Brotli, which takes half a second a megabyte here.
_BROTLI_BYTES: Final = 256 << 10
_BROTLI_OPENED_BYTES: Final = 1 << 20
_GZIP: Final = 16 + zlib.MAX_WBITS


def undone(data: bytes, coding: str, most: int) -> bytes | None:
    """
    Return the first bytes of a body without its coding; None where that can not be.

    A body that was cut off, or is broken further on, gives what came before.

    Args:
        coding: The value of Content-Encoding.
        most: Bytes that are returned, at most.
    """
    coding = coding.strip().lower()
    try:
        if coding in ("", "identity"):
            return data[:most]
        if coding in ("gzip", "x-gzip"):
            return zlib.decompressobj(_GZIP).decompress(data, most)
        if coding == "deflate":  # with the wrapper that RFC 9110 asks for, or without
            wrapped = data[:1] and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            return zlib.decompressobj(15 if wrapped else -15).decompress(data, most)
        if coding == "br" and len(data) <= _BROTLI_BYTES:
            opened = _unbrotlied(data)
            return opened[:most] if opened is not None else None
    except zlib.error:
        return None
    return None


@lru_cache(maxsize=2)  # one capture asks twice: what was received, and what its record holds
def _unbrotlied(data: bytes) -> bytes | None:
    try:
        return brotli.decompress(data, limit=_BROTLI_OPENED_BYTES)
    except brotli.BrotliInvalid:
        return None
