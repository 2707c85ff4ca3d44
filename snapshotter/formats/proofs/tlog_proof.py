"""
Read, write and check the proof that an entry is in a log, as one file (C2SP tlog-proof).

    c2sp.org/tlog-proof@v1
    index 73894
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    …

    example.com/log
    109482
    …

The file holds the index of the entry, the hashes from its leaf to the root, and the log's
checkpoint with its cosignatures. Checking it needs neither network nor log. The leaf itself is not
in the file: the caller computes it from the object whose entry is to be proven.
"""

import base64
import binascii
import re
from collections.abc import Collection

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle, note
from snapshotter.formats.proofs.note import SignedCheckpoint, VerifierKey
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "c2sp.org/tlog-proof@v1"
MAX_BYTES = note.MAX_BYTES + 8192

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,15})")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    """A proof as it was read; nothing about it is verified."""

    index: int  # of the entry, from 0
    hashes: tuple[bytes, ...]  # from the leaf's sibling up to the root's child
    checkpoint: bytes  # the whole signed note
    extra: bytes | None = None  # whatever the writer put there; nobody vouches for it

    def encode(self) -> bytes:
        """Return the file."""
        lines = [FORMAT]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += (base64.b64encode(digest).decode() for digest in self.hashes)
        return "".join(f"{line}\n" for line in (*lines, "")).encode() + self.checkpoint


def parse(data: bytes) -> TlogProof:
    """
    Return a proof; nothing about it is verified.

    Raises:
        EvidenceInvalid: Anything but what `TlogProof.encode` writes.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("a log proof is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
        if not separator or lines.pop(0) != FORMAT or not lines:
            raise EvidenceInvalid(tr("the file is not a log proof"))
        extra = None
        if lines[0].startswith("extra "):
            extra = base64.b64decode(lines.pop(0)[6:], validate=True)
        match = _INDEX.fullmatch(lines[0]) if lines else None
        if match is None or len(lines) - 1 > merkle.MAX_PROOF:
            raise EvidenceInvalid(tr("a log proof has no index, or too many hashes"))
        hashes = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
    except (ValueError, binascii.Error) as error:
        raise EvidenceInvalid(tr("the file is not a log proof: {error}", error=error)) from error
    proof = TlogProof(index=int(match[1]), hashes=hashes, checkpoint=checkpoint, extra=extra)
    if proof.encode() != data:
        raise EvidenceInvalid(tr("the log proof is not in the required form"))
    return proof


def checkpoint_in(data: bytes) -> bytes:
    """Return the checkpoint in a proof, of which nothing is verified; empty if there is none."""
    return data.partition(b"\n\n")[2]


def check(
    data: bytes, leaf: bytes, key: VerifierKey, witnesses: Collection[VerifierKey] = ()
) -> tuple[TlogProof, SignedCheckpoint]:
    """
    Return the proof and its checkpoint, after checking that the leaf is in the log.

    Whether the cosignatures are enough is for the caller to say.

    Args:
        leaf: The entry itself, computed from what is being proven.
        key: The log's, chosen by the reader.
        witnesses: Whose cosignatures count.

    Raises:
        EvidenceInvalid: Not a proof, not of this log, or not of this leaf.
    """
    proof = parse(data)
    signed = note.open_checkpoint(proof.checkpoint, key, witnesses)
    merkle.check_inclusion(
        merkle.leaf_hash(leaf), proof.index, signed.size, proof.hashes, signed.root
    )
    return proof, signed
