"""
What a file is that somebody wants verified: its content says it, never its name.

Each kind has a verifier of its own, which is imported only when it is needed: a bundle is
verified without what judges pages.
"""

from enum import StrEnum
from typing import BinaryIO, Final

from snapshotter.formats.statements.campaign import is_campaign
from snapshotter.formats.statements.pack import looks_like_pack
from snapshotter.formats.statements.takedown import is_takedown

_ZIP: Final = b"PK\x03\x04"
_LOOK: Final = 4096  # first bytes of a file that say what it is


class FileKind(StrEnum):
    """What a file is."""

    BUNDLE = "bundle"
    TAKEDOWN = "takedown"  # a record of `formats/statements/takedown.py`
    PACK = "pack"  # a proof pack
    CAMPAIGN = "campaign"  # a report, a record of `formats/statements/campaign.py`


def kind_of(stream: BinaryIO) -> FileKind:
    """
    Return what a file is; what is nothing of ours is called a bundle, and judged as one.

    Args:
        stream: Seekable; stands at its beginning again.
    """
    stream.seek(0)
    head = stream.read(_LOOK)
    stream.seek(0)
    if head.startswith(_ZIP):  # what lies in a bundle may look like anything
        return FileKind.BUNDLE
    if is_campaign(head):
        return FileKind.CAMPAIGN
    if is_takedown(head):
        return FileKind.TAKEDOWN
    return FileKind.PACK if looks_like_pack(head[:256]) else FileKind.BUNDLE
