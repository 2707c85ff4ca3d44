"""Secrets that are looked for in every byte that a capture leaves behind."""

import base64
import gzip
import re
from collections.abc import Iterator
from urllib.parse import quote


def spellings(secret: str) -> Iterator[bytes]:
    """Yield what a secret may look like: plain, percent-encoded, base64 at any offset."""
    yield secret.encode()
    yield quote(secret, safe="").encode()
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + secret.encode())
        # Characters that hold bits of what stands before or behind are not the secret's alone.
        inner = coded[-(-offset * 8 // 6) if offset else 0 : len(secret.encode()) * 8 // 6]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
    yield secret.encode().hex().encode()


def unfolded(data: bytes) -> Iterator[bytes]:
    """Yield data, what is inside when it is a zip or gzip, and it without its line breaks."""
    yield data
    yield re.sub(rb"=?\r?\n", b"", data)  # quoted-printable and base64 are folded
    if data.startswith(b"\x1f\x8b"):
        yield from unfolded(gzip.decompress(data))
