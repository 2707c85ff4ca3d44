"""Statements and COSE receipts, as a library that is not ours reads and verifies them."""

import hashlib
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from snapshotter.formats.proofs import merkle, scitt
from snapshotter.formats.proofs.leaf import BUNDLE, Leaf
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.formats.signatures.keys import to_p1363
from tests import bundles, logs
from tests.cases import in_one_test

SIGNER = bundles.new_signer()
LEAF = Leaf(
    kind=BUNDLE,
    name="20261124t160642z-k3v4q2m7xw4c5b6d",
    sha256=hashlib.sha256(b"the bundle").hexdigest(),
)
HASHES = [merkle.leaf_hash(logs.some_leaf(number).encode()) for number in range(7)]
INDEX = 5
HASHES[INDEX] = LEAF.hash()
ROOT = merkle.root(HASHES)


def _node(level: int, index: int) -> bytes:
    return merkle.root(HASHES[index << level : (index + 1) << level])


PROOF = TlogProof(
    index=INDEX, hashes=merkle.inclusion_proof(INDEX, len(HASHES), _node), checkpoint=b""
)


def log_pem(public_key: bytes = logs.LOG_KEY.public_key) -> bytes:
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed_statement() -> bytes:
    made = scitt.statement(LEAF, SIGNER.key_id)
    return made.sign(to_p1363(SIGNER.sign(made.message), SIGNER.public_key))


def signed_receipt() -> bytes:
    made = scitt.receipt(LEAF, logs.LOG_KEY, PROOF, len(HASHES), ROOT)
    return made.sign(logs.LOG_SIGNER.sign(made.message))


def changed(message: bytes, part: int, change: Callable[[Any], Any]) -> bytes:
    """Return a COSE_Sign1 message in which one of its four parts is another."""
    parts = list(cbor2.loads(message).value)
    parts[part] = change(parts[part])
    return cbor2.dumps(cbor2.CBORTag(18, parts))


def protected(label: int, value: Any) -> Callable[[bytes], bytes]:
    return lambda data: cbor2.dumps({**cbor2.loads(data), label: value}, canonical=True)


def inclusion(at: int, value: Any) -> Callable[[Any], Any]:
    """Return a change of the inclusion proof: size, index or path."""

    def change(_: Any) -> Any:
        parts: list[Any] = [len(HASHES), INDEX, list(PROOF.hashes)]
        parts[at] = value
        return {396: {-1: [cbor2.dumps(parts)]}}

    return change


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def holds(receipt: bytes, entry: bytes | None = None, key: bytes | None = None) -> bool:
    result = scitt_cose.verify_receipt(
        receipt,
        leaf_entry_hex=(entry or LEAF.encode()).hex(),
        log_public_key_pem=key or log_pem(),
    )
    return result.ok is True


def test_a_statement_is_the_entry_of_the_log_signed_by_a_named_key() -> None:
    read = scitt_cose.parse_signed_statement(
        signed_statement(), public_key_pem=SIGNER.public_key_pem
    )

    assert read["signature_verified"] is True
    assert (read["payload"], read["content_type"]) == (LEAF.encode(), "text/plain")
    assert (read["issuer"], read["subject"]) == (SIGNER.key_id, LEAF.name)
    assert read["alg"] == "ES384"


@in_one_test(
    ("part", "change"),
    [
        (0, protected(15, {1: "somebody else", 2: LEAF.name})),
        (0, protected(3, "text/html")),
        (0, protected(1, -7)),
        (2, flipped),
        (3, flipped),
    ],
)
def test_a_changed_statement_is_refused(part: int, change: Callable[[Any], Any]) -> None:
    forged = changed(signed_statement(), part, change)

    read = scitt_cose.parse_signed_statement(forged, public_key_pem=SIGNER.public_key_pem)

    assert read["signature_verified"] is False


def test_a_statement_of_another_key_is_refused() -> None:
    read = scitt_cose.parse_signed_statement(
        signed_statement(), public_key_pem=bundles.new_signer().public_key_pem
    )

    assert read["signature_verified"] is False


def test_a_receipt_proves_that_the_log_contains_the_entry() -> None:
    result = scitt_cose.verify_receipt(
        signed_receipt(), leaf_entry_hex=LEAF.encode().hex(), log_public_key_pem=log_pem()
    )

    assert result.ok is True, result.errors
    assert (result.tree_size, result.leaf_index) == (len(HASHES), INDEX)
    assert result.root == ROOT.hex()
    assert (result.issuer, result.subject) == (logs.LOG_KEY.name, LEAF.name)
    assert result.protected_header_ext == {4: logs.LOG_KEY.id}


@in_one_test(
    ("part", "change"),
    [
        (0, protected(15, {1: "other.example/log", 2: LEAF.name})),
        (0, protected(395, 2)),
        (1, inclusion(0, INDEX + 1)),
        (1, inclusion(1, INDEX - 1)),
        (1, inclusion(2, [flipped(PROOF.hashes[0]), *PROOF.hashes[1:]])),
        (1, inclusion(2, PROOF.hashes[1:])),
        (2, lambda _: ROOT),
        (3, flipped),
    ],
)
def test_a_changed_receipt_is_refused(part: int, change: Callable[[Any], Any]) -> None:
    assert holds(changed(signed_receipt(), part, lambda same: same))
    assert not holds(changed(signed_receipt(), part, change))


def test_a_receipt_is_of_one_entry_and_one_log() -> None:
    other = Leaf(kind=BUNDLE, name=LEAF.name, sha256=hashlib.sha256(b"another").hexdigest())

    assert not holds(signed_receipt(), entry=other.encode())
    assert not holds(signed_receipt(), key=log_pem(logs.WITNESS_KEY.public_key))


def test_a_receipt_does_not_prove_that_the_log_contains_the_statement() -> None:
    """The log contains the entry; docs/spec/scitt.md states this limit."""
    assert not holds(signed_receipt(), entry=signed_statement())


def test_a_receipt_does_not_sign_the_number_of_entries() -> None:
    """RFC 9942, 5.2.1 signs the root alone; docs/spec/scitt.md states this limit."""
    assert holds(changed(signed_receipt(), 1, inclusion(0, len(HASHES) + 1)))


def test_the_encoding_is_deterministic_and_the_registered_one() -> None:
    """RFC 8949, 4.2.1; RFC 9052, 4.2; RFC 9942, 5.2.1; RFC 9943, 6."""
    statement, receipt = cbor2.loads(signed_statement()), cbor2.loads(signed_receipt())

    assert signed_receipt() == signed_receipt() == cbor2.dumps(receipt, canonical=True)
    assert signed_statement()[0] == signed_receipt()[0] == 0xD2
    assert list(cbor2.loads(statement.value[0])) == [1, 3, 4, 15]
    assert (statement.value[1], len(statement.value[3])) == ({}, 96)
    assert cbor2.loads(receipt.value[0])[1] == -8
    assert cbor2.loads(receipt.value[0])[395] == 1
    assert receipt.value[2] is None


def test_no_signature_over_cose_is_one_over_a_text() -> None:
    """A checkpoint, a manifest and a record are UTF-8; 0x84 begins no character."""
    for made in (
        scitt.statement(LEAF, SIGNER.key_id),
        scitt.receipt(LEAF, logs.LOG_KEY, PROOF, len(HASHES), ROOT),
    ):
        assert made.message[0] == 0x84
        with pytest.raises(UnicodeDecodeError):
            made.message.decode()


def test_a_proof_without_hashes_makes_no_receipt() -> None:
    """RFC 9942, 5.2: inclusion-path is [ + bstr ]."""
    alone = TlogProof(index=0, hashes=(), checkpoint=b"")

    with pytest.raises(ValueError, match="at least one hash"):
        scitt.receipt(LEAF, logs.LOG_KEY, alone, 1, LEAF.hash())
