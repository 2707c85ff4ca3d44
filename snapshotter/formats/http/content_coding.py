"""
Decode the content codings of a response's body (RFC 9110, section 8.4.1).

An incomplete gzip or deflate body is decoded as far as it goes. A Brotli body must be whole.
"""

import zlib
from typing import Final

import brotlicffi

# An assessment is derived again from the same body: a change of these limits changes it
# (docs/spec/assessment.md).
_BROTLI_BYTES: Final = 256 << 10
_BROTLI_OPENED_BYTES: Final = 1 << 20
_PIECE: Final = 64 << 10  # bytes that are given to the Brotli decoder at once
_OUTPUT: Final = 1 << 20  # bytes that it returns at once, at most
_GZIP: Final = 16 + zlib.MAX_WBITS


def decode_content(data: bytes, coding: str, most: int) -> bytes | None:
    """
    Return the first bytes of a body without its coding; None where that cannot be.

    A gzip or deflate body that was cut off gives what came before.

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
            opened = brotli_decoded(data, limit=_BROTLI_OPENED_BYTES)
            return opened[:most] if opened is not None else None
    except zlib.error:
        return None
    return None


def brotli_decoded(data: bytes, *, limit: int) -> bytes | None:
    """
    Return what one whole Brotli stream (RFC 7932) holds; None if `data` is anything else.

    A verifier reads the short streams of certificates with `formats/tls/brotli.py` instead.

    Args:
        limit: Bytes that the stream may hold. None is returned for a longer one, of which little
            more than that is decoded.
    """
    decoder = brotlicffi.Decompressor()
    parts: list[bytes] = []
    length = 0
    try:
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            while piece or not decoder.can_accept_more_data():
                part = decoder.process(piece, min(_OUTPUT, limit + 1 - length))
                piece = b""
                parts.append(part)
                length += len(part)
                if length > limit:
                    return None
    except brotlicffi.error:
        return None
    return b"".join(parts) if decoder.is_finished() else None
