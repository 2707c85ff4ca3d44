"""
Write signed statements (RFC 9943) and COSE receipts (RFC 9942) about bundles in a log.

Both are COSE_Sign1 messages (RFC 9052, 4.2). The payload of a statement is the entry of the log,
the three lines of `formats/proofs/leaf.py`. A receipt proves that a log contains an entry: it has
the inclusion proof, and its detached payload is the root of the tree. docs/spec/scitt.md states
what follows from each of them.

What is signed is a Sig_structure (RFC 9052, 4.4). Its first byte is 0x84, which begins no text in
UTF-8. So no signature over it is a signature over a checkpoint, or over another text of a key.
"""

from collections.abc import Mapping
from typing import Any

from snapshotter.formats import cbor
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import VerifierKey
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.value_class import dataclass

STATEMENT_SUFFIX = ".scitt"  # RFC 9943, 10: file extensions of the media types
RECEIPT_SUFFIX = ".receipt"

_ALGORITHM, _CONTENT_TYPE, _KEY_ID = 1, 3, 4  # header parameters (RFC 9052, 3.1)
_CLAIMS = 15  # CWT claims (RFC 9597, 2)
_STRUCTURE, _PROOFS = 395, 396  # vds and vdp (RFC 9942, 2)

_ES384, _EDDSA = -35, -8  # RFC 9053, 2.1 and 2.2
_ISSUER, _SUBJECT = 1, 2  # RFC 8392, 3.1
_RFC9162_SHA256 = 1  # RFC 9942, 5.1
_INCLUSION = -1  # RFC 9942, 5.2
_SIGN1_TAG = b"\xd2"  # 18

_PLAIN_TEXT = "text/plain"  # the entry is ASCII


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A COSE_Sign1 message without its signature."""

    protected: bytes  # the encoded map
    unprotected: Mapping[int, Any]
    payload: bytes
    detached: bool

    @property
    def message(self) -> bytes:
        """The bytes that are signed (RFC 9052, 4.4); no external data."""
        return cbor.encode(["Signature1", self.protected, b"", self.payload])

    def sign(self, signature: bytes) -> bytes:
        """Return the whole message, with tag 18."""
        payload = None if self.detached else self.payload
        return _SIGN1_TAG + cbor.encode([self.protected, self.unprotected, payload, signature])


def statement(leaf: Leaf, key_id: str) -> Unsigned:
    """
    Return a statement about the object of an entry, to be signed with ECDSA on P-384 (ES384).

    The signature in COSE is r and s, 96 bytes.

    Args:
        key_id: Of the key that signs: SHA-256 hex of the DER SubjectPublicKeyInfo.
    """
    protected = {
        _ALGORITHM: _ES384,
        _CONTENT_TYPE: _PLAIN_TEXT,
        _KEY_ID: bytes.fromhex(key_id),
        _CLAIMS: {_ISSUER: key_id, _SUBJECT: leaf.name},
    }
    return Unsigned(
        protected=cbor.encode(protected), unprotected={}, payload=leaf.encode(), detached=False
    )


def receipt(leaf: Leaf, key: VerifierKey, proof: TlogProof, size: int, root: bytes) -> Unsigned:
    """
    Return a receipt of inclusion, to be signed with the Ed25519 key of the log (EdDSA).

    The caller has checked that the proof leads from the entry to the root, and that the log
    signed a checkpoint with this size and root.

    Raises:
        ValueError: The proof has no hashes; RFC 9942, 5.2 requires one or more.
    """
    if not proof.hashes:
        raise ValueError("a COSE receipt needs a proof with at least one hash")
    protected = {
        _ALGORITHM: _EDDSA,
        _KEY_ID: key.id,
        _CLAIMS: {_ISSUER: key.name, _SUBJECT: leaf.name},
        _STRUCTURE: _RFC9162_SHA256,
    }
    inclusion = cbor.encode([size, proof.index, proof.hashes])
    return Unsigned(
        protected=cbor.encode(protected),
        unprotected={_PROOFS: {_INCLUSION: [inclusion]}},
        payload=root,
        detached=True,
    )
