"""A proof in one file: it shows one entry in one log, and nothing that is nearly that."""

import base64
import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle, note, tlog_proof
from snapshotter.formats.proofs.note import ED25519, Checkpoint, VerifierKey
from snapshotter.formats.proofs.tlog_proof import TlogProof

LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey(name="log.example", kind=ED25519, public_key=LOG.public_key().public_bytes_raw())
ENTRIES = [b"entry %d" % number for number in range(11)]


def node(level: int, index: int) -> bytes:
    begin, end = index << level, (index + 1) << level
    return merkle.root(map(merkle.leaf_hash, ENTRIES[begin:end]))


def checkpoint(size: int = len(ENTRIES)) -> bytes:
    root = merkle.root(map(merkle.leaf_hash, ENTRIES[:size]))
    text = Checkpoint(origin=KEY.name, size=size, root=root).text
    return note.Note(text=text, signatures=(note.signature(KEY, LOG.sign(text.encode())),)).encode()


def proof(index: int = 4) -> TlogProof:
    return TlogProof(
        index=index,
        hashes=merkle.inclusion_proof(index, len(ENTRIES), node),
        checkpoint=checkpoint(),
    )


def test_a_proof_has_the_form_of_the_specification() -> None:
    lines = proof(4).encode().decode().split("\n")

    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 4"]
    assert [base64.b64decode(line) for line in lines[2:6]] == list(proof(4).hashes)
    assert lines[6:9] == ["", "log.example", "11"]


@pytest.mark.parametrize("index", range(len(ENTRIES)))
def test_every_entry_is_proven(index: int) -> None:
    made = proof(index)

    read, signed = tlog_proof.check(made.encode(), ENTRIES[index], KEY)
    assert read == made
    assert signed.size == len(ENTRIES)


def test_extra_data_is_carried_and_not_believed() -> None:
    made = dataclasses.replace(proof(), extra=b"whatever")

    read, _ = tlog_proof.check(made.encode(), ENTRIES[4], KEY)
    assert read.extra == b"whatever"


def test_a_proof_is_of_its_entry_in_its_log() -> None:
    with pytest.raises(EvidenceInvalid, match="another root"):
        tlog_proof.check(proof(4).encode(), ENTRIES[5], KEY)
    stranger = dataclasses.replace(KEY, name="other.example")
    with pytest.raises(EvidenceInvalid, match="not signed"):
        tlog_proof.check(proof(4).encode(), ENTRIES[4], stranger)
    with pytest.raises(EvidenceInvalid):
        tlog_proof.check(
            dataclasses.replace(proof(4), checkpoint=checkpoint(10)).encode(), ENTRIES[4], KEY
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("proof@v1", "proof@v2"),
        ("index 4", "index 04"),
        ("index 4", "index  4"),
        ("index 4", "index -4"),
        ("index 4", "Index 4"),
        ("index 4\n", ""),
        ("index 4\n", "index 4\r\n"),
        ("index 4", "extra AB==\nindex 4"),  # base64 in a second spelling
        ("index 4", "extra A\nindex 4"),
        ("index 4", "extra AA==\nextra AA==\nindex 4"),
        ("\n\n", "\n"),
        ("\n\n", "\n\n\n"),
        ("\n\n", "\n====\n\n"),
        ("\n\n", "\n" + "A" * 43 + "=\n" + "\n"),
        ("\n\n", "\n" + ("A" * 43 + "=\n") * 64 + "\n"),
    ],
)
def test_any_other_spelling_is_refused(old: str, new: str) -> None:
    good = proof(4).encode().decode()
    assert old in good

    with pytest.raises(EvidenceInvalid):
        tlog_proof.check(good.replace(old, new, 1).encode(), ENTRIES[4], KEY)


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="longer"):
        tlog_proof.parse(proof().encode() + b"\n" * tlog_proof.MAX_BYTES)


@given(st.data())
def test_no_byte_of_a_proof_can_change(data: st.DataObject) -> None:
    good = proof(4).encode()
    at = data.draw(st.integers(0, len(good) - 1))
    spoiled = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]

    with pytest.raises(EvidenceInvalid):
        tlog_proof.check(spoiled, ENTRIES[4], KEY)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_proof_or_our_error(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        tlog_proof.parse(b"c2sp.org/tlog-proof@v1\n" + data.replace(b"\n\n", b""))
