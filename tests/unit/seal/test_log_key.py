"""The key of a log: one file that its owner alone can read, never overwritten."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from snapshotter.errors import SnapshotterError
from snapshotter.formats.proofs import note
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, VerifierKey
from snapshotter.seal.log_key import LOG, WITNESS, FileLogSigner, LogKeyDirectory
from snapshotter.seal.signer import KeyDirectory


@pytest.fixture
def keys(tmp_path: Path) -> LogKeyDirectory:
    return LogKeyDirectory(path=tmp_path / "keys")


@pytest.mark.parametrize(("role", "kind"), [(LOG, ED25519), (WITNESS, COSIGNATURE_V1)])
@pytest.mark.parametrize("passphrase", [None, b"a secret"])
def test_a_key_is_made_once_and_loaded(
    keys: LogKeyDirectory, role: str, kind: int, passphrase: bytes | None
) -> None:
    made = keys.create(role, name="example.org/log", passphrase=passphrase)
    loaded = keys.load(role, passphrase=lambda: passphrase or b"")

    assert (made.name, made.kind) == ("example.org/log", kind)
    assert loaded.key == made
    assert keys.list(role) == (made,)
    signature = note.signature(
        VerifierKey(name="x", kind=ED25519, public_key=loaded.public_key), loaded.sign(b"text\n")
    )
    text = note.Note(text="text\n", signatures=(signature,))
    assert note.signed_by(text, VerifierKey(name="x", kind=ED25519, public_key=made.public_key))
    private = keys.file(made)
    public = private.with_suffix(".vkey")
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.read_text() == f"{made.text}\n"
    with pytest.raises(SnapshotterError, match="are not replaced"):
        keys.create(role, name="example.org/log")


def test_every_log_has_a_key_and_a_name_of_its_own(keys: LogKeyDirectory) -> None:
    one, other = keys.create(), keys.create()

    assert one.name.startswith("snapshotter.invalid/")
    assert (one.name, one.public_key) != (other.name, other.public_key)
    assert keys.load(name=one.name).key == one
    assert keys.load(name=other.name).key == other
    with pytest.raises(SnapshotterError, match="several keys"):
        keys.load()


def test_it_is_not_among_the_signing_keys(keys: LogKeyDirectory) -> None:
    keys.create()
    keys.create(WITNESS)

    assert KeyDirectory(keys.path).list() == ()


def test_the_public_file_is_written_again(keys: LogKeyDirectory) -> None:
    key = keys.create()
    public = keys.file(key).with_suffix(".vkey")
    public.unlink()
    keys.load()

    assert public.read_text() == f"{key.text}\n"


def test_a_passphrase_is_wanted_and_has_to_be_right(keys: LogKeyDirectory) -> None:
    keys.create(passphrase=b"right")

    with pytest.raises(SnapshotterError, match="has a passphrase"):
        keys.load()
    with pytest.raises(SnapshotterError, match="is wrong for"):
        keys.load(passphrase=lambda: b"wrong")
    with pytest.raises(SnapshotterError, match="1 to"):
        LogKeyDirectory(path=keys.path / "x").create(passphrase=b"")


def test_a_key_that_others_may_read_is_refused(keys: LogKeyDirectory) -> None:
    os.chmod(keys.file(keys.create()), 0o640)

    with pytest.raises(SnapshotterError, match="other users can open"):
        keys.load()


def test_a_key_that_is_not_there_is_asked_for(keys: LogKeyDirectory) -> None:
    assert keys.list() == ()
    with pytest.raises(SnapshotterError, match="no key of a log"):
        keys.load()
    keys.create()
    with pytest.raises(SnapshotterError, match="no key of a log named other"):
        keys.load(name="other")


@pytest.mark.parametrize("name", ["with space", "with+plus", "x" * 201, "tab\t"])
def test_a_name_that_no_note_can_have_is_refused(keys: LogKeyDirectory, name: str) -> None:
    with pytest.raises(SnapshotterError, match="not a valid name"):
        keys.create(name=name)
    assert keys.list() == ()


def test_a_damaged_file_is_told(keys: LogKeyDirectory) -> None:
    log, witness = keys.file(keys.create()), keys.file(keys.create(WITNESS))
    content = log.read_bytes()
    for damaged, word in (
        (b"", "verifier key"),
        (content[:-3] + b"\n", "verifier key"),
        (content.replace(b"PRIVATE KEY-----\nM", b"PRIVATE KEY-----\nN"), "no private key"),
        (witness.read_bytes(), "differs from the kind that the file name states"),
        (
            witness.read_bytes().rpartition(b"-----\n")[0] + b"-----\n"
            + content.rpartition(b"-----\n")[2],
            "does not belong to the private key",
        ),
    ):  # fmt: skip
        log.write_bytes(damaged)
        with pytest.raises(SnapshotterError, match=word):
            keys.load()


def test_a_signer_is_of_its_own_key() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    with pytest.raises(ValueError, match="does not belong"):
        FileLogSigner(
            Ed25519PrivateKey.generate(), VerifierKey(name="x", kind=ED25519, public_key=other)
        )
