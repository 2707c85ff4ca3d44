"""`snapshotter export --scitt`: what it signs, and what it refuses to sign."""

import hashlib
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs import note, tlog_proof
from snapshotter.formats.proofs.leaf import BUNDLE, Leaf
from snapshotter.formats.proofs.note import ED25519, VerifierKey
from snapshotter.model.bundle import Bundle
from snapshotter.seal.log_key import FileLogSigner, LogKeyDirectory
from snapshotter.seal.signer import KeyDirectory
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.file_kind import NotEvidence, kind_of
from tests import bundles
from tests.cases import in_one_test
from tests.fakes.world import FixedClock
from tests.unit.cli.shell import Shell

_OTHER = Ed25519PrivateKey.generate()


class Exporter(Shell):
    """A user whose store has one bundle."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(capsys)
        self.out_folder = folder / "out"
        self.keys = folder / "keys"
        self.store = DirectoryStore(folder / "store")
        self.at = datetime.now(UTC) - timedelta(minutes=5)
        self.id = self.add()

    def seal(self, title: str = "A page") -> Bundle:
        """Seal a bundle of the same instant, which has the same id."""
        return bundles.seal(
            self.keys.parent / title,
            signer=KeyDirectory(self.keys).ensure()[0],
            clock=FixedClock(self.at),
            title=title,
        )

    def add(self) -> str:
        """Store a bundle that is not logged."""
        made = self.seal()
        self.store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
        return made.id

    def add_another(self) -> None:
        """Store a second bundle, which is exported from now on."""
        self.at += timedelta(minutes=1)
        self.id = self.add()

    def replace(self, ending: str, data: bytes) -> None:
        """Replace what the store has of the bundle."""
        path = self.store.path(f"{store_keys.bundle_key(self.id)}{ending}")
        path.chmod(0o644)
        path.write_bytes(data)

    def read(self, ending: str) -> bytes:
        return self.store.path(f"{store_keys.bundle_key(self.id)}{ending}").read_bytes()

    def log(self) -> None:
        """Add all to the log, whose first entry is then not its only entry."""
        assert self.run("log", "sync") == 0, self.err
        assert self.run("hold", "place", self.id, "--name", "x", "--reason", "a test") == 0
        assert self.run("log", "sync") == 0, self.err

    def export(self, *more: str) -> int:
        return self.run("export", "--scitt", *more, self.id, "-o", self.out_folder)

    @property
    def log_key(self) -> VerifierKey:
        (key,) = LogKeyDirectory(path=self.keys).list()
        return key

    def exported(self, suffix: str) -> Path:
        return self.out_folder / f"{self.id}{suffix}"

    @property
    def written(self) -> list[str]:
        return sorted(file.name for file in self.out_folder.glob("*") if file.is_file())


@pytest.fixture
def user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Exporter:
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("SNAPSHOTTER_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return Exporter(tmp_path, capsys)


def _pem(key: VerifierKey) -> bytes:
    return Ed25519PublicKey.from_public_bytes(key.public_key).public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )


def test_a_stranger_verifies_statement_and_receipt_with_a_library_of_others(
    user: Exporter,
) -> None:
    user.log()

    assert user.export("--json") == 0, user.err

    assert user.object["scitt"] == [str(user.exported(".scitt")), str(user.exported(".receipt"))]
    for path in (user.exported(".scitt"), user.exported(".receipt")):
        with path.open("rb") as stream, pytest.raises(NotEvidence, match=r"a SCITT .* no evidence"):
            kind_of(stream, path)
    signer = KeyDirectory(user.keys).find("default")
    statement = scitt_cose.parse_signed_statement(
        user.exported(".scitt").read_bytes(), public_key_pem=signer.public_file.read_bytes()
    )
    digest = hashlib.sha256(user.exported(".wacz").read_bytes()).hexdigest()
    assert statement["signature_verified"] is True
    assert statement["payload"] == Leaf(kind=BUNDLE, name=user.id, sha256=digest).encode()
    assert (statement["issuer"], statement["subject"]) == (signer.key_id, user.id)
    receipt = scitt_cose.verify_receipt(
        user.exported(".receipt").read_bytes(),
        leaf_entry_hex=statement["payload"].hex(),
        log_public_key_pem=_pem(user.log_key),
    )
    assert receipt.ok is True, receipt.errors
    assert (receipt.issuer, receipt.subject) == (user.log_key.name, user.id)
    assert user.run("verify", user.exported(".wacz")) in (0, 11)  # the two files are no sidecars
    assert ".scitt" not in user.out


def test_the_receipt_has_the_root_of_the_proof_beside_the_bundle(user: Exporter) -> None:
    assert user.run("log", "init") == 0
    user.add_another()
    assert user.run("log", "sync") == 0
    assert user.export() == 0, user.err

    beside = user.exported(".wacz.tlog-proof").read_bytes()
    root = note.open_checkpoint(tlog_proof.parse(beside).checkpoint, user.log_key).root
    leaf = Leaf(
        kind=BUNDLE,
        name=user.id,
        sha256=hashlib.sha256(user.exported(".wacz").read_bytes()).hexdigest(),
    )
    receipt = scitt_cose.verify_receipt(
        user.exported(".receipt").read_bytes(),
        leaf_entry_hex=leaf.encode().hex(),
        log_public_key_pem=_pem(user.log_key),
    )
    assert receipt.root == root.hex()
    assert user.out.splitlines()[-2:] == [
        str(user.exported(".scitt")),
        str(user.exported(".receipt")),
    ]


def test_a_log_with_one_entry_makes_no_receipt_until_it_has_more(user: Exporter) -> None:
    assert user.run("log", "sync") == 0

    assert user.export() == 1
    assert "the log has only one entry" in user.err
    assert "snapshotter log sync" in user.err
    assert user.run("log", "sync") == 0  # the export was a custody event
    assert user.export() == 0, user.err


def test_without_the_two_keys_nothing_is_written(user: Exporter) -> None:
    user.log()
    away, log_key = user.keys.parent / "away", user.log_key
    private = LogKeyDirectory(path=user.keys).file(log_key)
    private.rename(away)
    assert user.export() == 1
    assert f"there is no key of a log named {log_key.name}" in user.err
    away.rename(private)

    (user.keys / "default.pem").rename(away)
    assert user.export() == 1
    assert "the private key 'default' is not in" in user.err
    (user.keys / "default.pub.pem").rename(user.keys.parent / "default.pub.pem")
    assert user.export() == 1
    assert "contains no key 'default'" in user.err
    assert not (user.keys / "default.pem").exists()  # none was made
    away.rename(user.keys / "default.pem")

    assert user.run("keys", "revoke", "default", "--reason", "superseded", "--yes") == 0, user.err
    assert user.export() == 1
    assert "was revoked as superseded" in user.err
    assert user.written == []


def test_a_store_without_a_log_and_a_bundle_without_a_proof_are_refused(user: Exporter) -> None:
    assert user.export() == 1
    assert "has no log" in user.err
    user.log()
    user.add_another()

    assert user.export() == 1

    assert f"{user.id} has no log proof" in user.err
    assert not user.exported(".receipt").exists()


def test_nothing_is_signed_for_a_forged_proof_or_an_altered_bundle(user: Exporter) -> None:
    user.log()
    proof, bundle = user.read(".tlog-proof"), user.read("")
    # The key of the log signs only roots that it signed in a checkpoint.
    forged = FileLogSigner(_OTHER, _key(user.log_key.name))
    user.replace(".tlog-proof", _signed_again(proof, forged))
    assert user.export() == 10
    assert "its log proof is not valid: the checkpoint is not signed with the key" in user.err
    user.replace(".tlog-proof", proof)
    shutil.rmtree(user.out_folder)

    # Another valid bundle with the same id and the same key is not in the log.
    other = user.seal("Another page")
    assert other.id == user.id
    user.replace("", other.file.read_bytes())
    assert user.export() == 10
    assert "its log proof is not valid: the inclusion proof" in user.err
    assert user.exported(".wacz").read_bytes() == other.file.read_bytes()
    shutil.rmtree(user.out_folder)

    # A bundle with an altered file, in a container without a fault.
    members = bundles.unpack(bundle)
    altered = {**members, "capture/dom.html": b"something else"}
    assert altered.keys() == members.keys()
    user.replace("", bundles.pack(altered))
    assert user.export() == 10
    said = (
        f"no statement about {user.id} was signed, because the verdict about the bundle is FAILED"
    )
    assert said in user.err
    assert not user.exported(".scitt").exists()
    assert not user.exported(".receipt").exists()


@in_one_test("option", [["--masked"], ["--evidence"], ["--redact", "title"]])
def test_it_does_not_go_with_options_that_write_other_things(
    user: Exporter, option: list[str]
) -> None:
    assert user.export(*option) == 2
    assert "--scitt does not work with --masked, --redact or --evidence" in user.err


def _key(name: str) -> VerifierKey:
    public = _OTHER.public_key().public_bytes_raw()
    return VerifierKey(name=name, kind=ED25519, public_key=public)


def _signed_again(proof: bytes, signer: FileLogSigner) -> bytes:
    """Return a proof whose checkpoint only this key has signed."""
    head, _, checkpoint = proof.partition(b"\n\n")
    text = note.parse(checkpoint).text
    line = note.signature(signer.key, signer.sign(text.encode()))
    return head + b"\n\n" + note.Note(text=text, signatures=(line,)).encode()
