"""
Make fingerprints of texts, by which captures of nearly the same text are found.

A fingerprint has the smallest hashes of the sequences of three search pieces of a text (bottom-k
sketch); a quarter of all sequences, chosen by their first piece, is hashed. Two texts that share
most of their sequences share most of their fingerprints, in every script. A short text has no
fingerprint: notices of one platform would all be copies of each other.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

SIZE: Final = 32  # hashes of a fingerprint
SHARED: Final = 16  # hashes that fingerprints of nearly the same text share at least
# The smallest hashes are looked for first: copies share some of them.
PROBED: Final = 8
SHARED_OF_PROBED: Final = 2
_LEAST: Final = 24  # different hashes of a text that has a fingerprint
_MOST: Final = 20_000  # pieces that are read of a text
_SAMPLED: Final = 3  # bits of a piece's last character; a sequence is hashed if they are zero
_ODD: Final = 2_654_435_761  # spreads the hashes of similar sequences


def fingerprint(pieces: Sequence[str]) -> tuple[int, ...]:
    """
    Return the fingerprint of a text: at most 32 numbers of 32 bits, or none for a short text.

    Args:
        pieces: Of the text, in order.
    """
    read = pieces[:_MOST]
    hashes = {
        crc32(f"{first} {second} {third}".encode()) * _ODD & 0xFFFFFFFF
        for first, second, third in zip(read, read[1:], read[2:], strict=False)
        if not ord(first[-1]) & _SAMPLED
    }
    return tuple(sorted(hashes)[:SIZE]) if len(hashes) >= _LEAST else ()
