"""
Make fingerprints of texts, by which captures of nearly the same text are found.

A fingerprint has the smallest hashes of all sequences of three search pieces of a text (bottom-k
sketch). Two texts that share most of their sequences share most of their fingerprints, in every
script. A short text has no fingerprint: notices of one platform would all be copies of each other.
"""

from typing import Final
from zlib import crc32

from snapshotter.index.tokens import normalise, pieces

SIZE: Final = 32  # hashes of a fingerprint
SHARED: Final = 16  # hashes that fingerprints of nearly the same text share at least
_LEAST: Final = 64  # different sequences of a text that has a fingerprint
_MOST: Final = 100_000  # characters that are read of a text
_ODD: Final = 2_654_435_761  # spreads the hashes of similar sequences


def fingerprint(text: str) -> tuple[int, ...]:
    """Return the fingerprint of a text: 32 numbers of 32 bits, or none for a short text."""
    found = pieces(normalise(text[:_MOST]))
    hashes = {
        crc32("\0".join(three).encode()) * _ODD & 0xFFFFFFFF
        for three in zip(found, found[1:], found[2:], strict=False)
    }
    return tuple(sorted(hashes)[:SIZE]) if len(hashes) >= _LEAST else ()
