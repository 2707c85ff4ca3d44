"""The key of a log: one file that its owner alone can read, never overwritten."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from snapshotter.errors import SnapshotterError
from snapshotter.formats import note
from snapshotter.formats.note import COSIGNATURE_V1, ED25519, VerifierKey
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
    loaded = keys.load(role, lambda: passphrase or b"")

    assert (made.name, made.kind) == ("example.org/log", kind)
    assert loaded.key == made == keys.verifier_key(role)
    signature = note.signature(
        VerifierKey(name="x", kind=ED25519, public_key=loaded.public_key), loaded.sign(b"text\n")
    )
    text = note.Note(text="text\n", signatures=(signature,))
    assert note.signed_by(text, VerifierKey(name="x", kind=ED25519, public_key=made.public_key))
    private, public = keys.path / f"{role}.key", keys.path / f"{role}.vkey"
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.read_text() == f"{made.text}\n"
    with pytest.raises(SnapshotterError, match="never overwritten"):
        keys.create(role)


def test_a_log_that_nobody_named_has_a_name_of_its_own(
    keys: LogKeyDirectory, tmp_path: Path
) -> None:
    one, made = keys.ensure()
    again, made_again = keys.ensure()
    other, _ = LogKeyDirectory(path=tmp_path / "other").ensure()

    assert (made, made_again) == (True, False)
    assert one.key == again.key
    assert one.name.startswith("snapshotter.invalid/")
    assert one.name != other.name


def test_it_is_not_among_the_signing_keys(keys: LogKeyDirectory) -> None:
    keys.ensure()
    keys.ensure(WITNESS)

    assert KeyDirectory(keys.path).list() == ()


def test_the_public_file_is_written_again(keys: LogKeyDirectory) -> None:
    key = keys.create()
    (keys.path / "log.vkey").unlink()
    keys.load()

    assert (keys.path / "log.vkey").read_text() == f"{key.text}\n"


def test_a_passphrase_is_wanted_and_has_to_be_right(keys: LogKeyDirectory) -> None:
    keys.create(passphrase=b"right")

    with pytest.raises(SnapshotterError, match="has a passphrase"):
        keys.load()
    with pytest.raises(SnapshotterError, match="does not open"):
        keys.load(passphrase=lambda: b"wrong")
    with pytest.raises(SnapshotterError, match="1 to"):
        LogKeyDirectory(path=keys.path / "x").create(passphrase=b"")


def test_a_key_that_others_may_read_is_refused(keys: LogKeyDirectory) -> None:
    keys.create()
    os.chmod(keys.path / "log.key", 0o640)

    with pytest.raises(SnapshotterError, match="open to others"):
        keys.load()


def test_a_key_that_is_not_there_is_asked_for(keys: LogKeyDirectory) -> None:
    assert keys.verifier_key() is None
    with pytest.raises(SnapshotterError, match="no key of a log"):
        keys.load()


@pytest.mark.parametrize("name", ["with space", "with+plus", "x" * 201, "tab\t"])
def test_a_name_that_no_note_can_have_is_refused(keys: LogKeyDirectory, name: str) -> None:
    with pytest.raises(SnapshotterError, match="no name"):
        keys.create(name=name)
    assert keys.verifier_key() is None


def test_a_damaged_file_is_told(keys: LogKeyDirectory) -> None:
    keys.create()
    keys.create(WITNESS)
    log, witness = keys.path / "log.key", keys.path / "witness.key"
    content = log.read_bytes()
    for damaged, word in (
        (b"", "verifier key"),
        (content[:-3] + b"\n", "verifier key"),
        (content.replace(b"PRIVATE KEY-----\nM", b"PRIVATE KEY-----\nN"), "no private key"),
        (witness.read_bytes(), "not the key of a log"),
        (
            witness.read_bytes().rpartition(b"-----\n")[0] + b"-----\n"
            + content.rpartition(b"-----\n")[2],
            "not that of the private key",
        ),
    ):  # fmt: skip
        log.write_bytes(damaged)
        with pytest.raises(SnapshotterError, match=word):
            keys.load()


def test_a_signer_is_of_its_own_key() -> None:
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    with pytest.raises(ValueError, match="not that"):
        FileLogSigner(
            Ed25519PrivateKey.generate(), VerifierKey(name="x", kind=ED25519, public_key=other)
        )
