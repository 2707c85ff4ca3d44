"""
Read and write the leaves of our log: three lines of text, each ending in LF.

    snapshotter-leaf/1
    bundle 20261124t160642z-k3v4q2m7xw4c5b6d
    sha256 <64 hex digits>

A leaf has a kind, a name and a digest. It has no address and no title, so the log can be public.
New kinds can be added. A reader treats a kind that it does not know as an entry about which it can
say nothing (docs/spec/log.md, "Leaves").
"""

import re

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-leaf/1"

BUNDLE = "bundle"  # a bundle's id; SHA-256 of the whole .wacz
RENEWAL = "renewal"  # a bundle's id; SHA-256 of the text of a renewal of it
TRUST = "trust"  # a trust file's version; SHA-256 of trust.json
CUSTODY = "custody"  # a bundle's id; the head of its custody chain
TOMBSTONE = "tombstone"  # a bundle's id; SHA-256 of the record of its erasure
GAP = "gap"  # a gap's id, like a bundle's; SHA-256 of its record
TAKEDOWN = "takedown"  # an event's id, like a bundle's; SHA-256 of its record
QUARANTINE = "quarantine"  # a bundle's id; SHA-256 of a notice of quarantine
REPORT = "report"  # a report's id; SHA-256 of a signed audit report

MAX_BYTES = 400  # of one leaf

_KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_BUNDLE_ID = re.compile(r"[0-9]{8}t[0-9]{6}z-[a-z2-7]{16}")
_VERSION = re.compile(r"[1-9][0-9]{0,15}")
_NAMES = {
    BUNDLE: _BUNDLE_ID,
    RENEWAL: _BUNDLE_ID,
    TRUST: _VERSION,
    CUSTODY: _BUNDLE_ID,
    TOMBSTONE: _BUNDLE_ID,
    GAP: _BUNDLE_ID,
    TAKEDOWN: _BUNDLE_ID,
}
_LEAF = re.compile(re.escape(FORMAT) + r"\n([^ \n]+) ([^ \n]+)\nsha256 ([^ \n]+)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One entry of our log. Raises ValueError for a kind, name or digest that no leaf has."""

    kind: str
    name: str
    sha256: str  # 64 lowercase hex digits

    def __post_init__(self) -> None:
        grammar = _NAMES.get(self.kind, _NAME)
        if not (_KIND.fullmatch(self.kind) and grammar.fullmatch(self.name)):
            raise ValueError(f"no leaf is named {self.kind[:40]!r} {self.name[:80]!r}")
        if not is_digest(self.sha256):
            raise ValueError("a leaf's digest is 64 lowercase hex digits")

    def encode(self) -> bytes:
        """Return the leaf as the log holds it."""
        return f"{FORMAT}\n{self.kind} {self.name}\nsha256 {self.sha256}\n".encode("ascii")

    def hash(self) -> bytes:
        """Return the leaf's hash in the tree."""
        return merkle.leaf_hash(self.encode())


def parse(data: bytes) -> Leaf:
    """
    Return the leaf of these bytes; its kind may be one that we do not know.

    Raises:
        EvidenceInvalid: Anything but what `Leaf.encode` writes.
    """
    try:
        match = _LEAF.fullmatch(data.decode("ascii")) if len(data) <= MAX_BYTES else None
        if match is not None:
            return Leaf(kind=match[1], name=match[2], sha256=match[3])
    except ValueError as error:
        raise EvidenceInvalid(
            tr("the log entry does not have the required form: {error}", error=error)
        ) from error
    raise EvidenceInvalid(tr("the log entry does not have the required form"))
