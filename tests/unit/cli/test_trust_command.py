"""`snapshotter trust`: two files, one fingerprint, and no mix of versions that passes."""

import fcntl
import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.cli.trust import trust
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.formats.signatures.keys import key_id, public_pem
from snapshotter.seal.signer import KeyDirectory
from snapshotter.verify.trust import Trust, load_trust

NOW = datetime(2026, 6, 1, tzinfo=UTC)
P256 = ec.derive_private_key(3, ec.SECP256R1()).public_key()


class _Desk:
    """A person with a directory of keys and a trust file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = KeyDirectory(folder / "keys")
        self.file = folder / "trust.json"
        self.signature = folder / "trust.json.sig"

    def run(self, command: str, *arguments: str, typed: str | bytes | None = None) -> Result:
        return self.run_at(str(self.file), command, *arguments, typed=typed)

    def run_at(
        self, file: str, command: str, *arguments: str, typed: str | bytes | None = None
    ) -> Result:
        """Run a command whose first argument is another file."""
        return CliRunner().invoke(
            trust,
            [command, file, *arguments],
            obj=SimpleNamespace(keys_dir=self.keys.path, data_dir=self.folder / "data"),
            input=typed,
        )

    def ok(self, command: str, *arguments: str, typed: str | bytes | None = None) -> Result:
        done = self.run(command, *arguments, typed=typed)
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done

    def load(self) -> Trust:
        pin = self.keys.find("root").key_id
        return load_trust(
            self.file.read_bytes(), self.signature.read_bytes(), pinned_root=pin, now=NOW
        )


@pytest.fixture
def desk(tmp_path: Path) -> _Desk:
    return _Desk(tmp_path)


@pytest.fixture
def made(desk: _Desk) -> _Desk:
    desk.ok("init", "--expires", "never")
    return desk


def _certificate(folder: Path, *, ca: bool = True, issuer: str = "Root") -> Path:
    key = ec.derive_private_key(99, ec.SECP384R1())
    names = [
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in ("Root", issuer)
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=999))
    )
    if ca:
        certificate = certificate.add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
    file = folder / "root-certificate.pem"
    file.write_bytes(
        certificate.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_init_makes_the_root_key_and_prints_the_one_fingerprint_to_pin(desk: _Desk) -> None:
    done = desk.ok("init")

    root = desk.keys.find("root")
    assert done.stdout == f"{root.key_id}\n"
    assert "offline" in done.stderr
    assert str(root.private_file) in done.stderr
    assert desk.load().version == 1
    assert sorted(os.listdir(desk.folder)) == ["data", "keys", "trust.json", "trust.json.sig"]


def test_a_new_trust_file_expires_in_two_years_when_nothing_else_is_said(desk: _Desk) -> None:
    desk.ok("init")

    expires = desk.load().expires
    assert expires is not None
    assert abs(expires - datetime.now(UTC) - timedelta(days=730)) < timedelta(minutes=5)


def test_init_takes_a_root_key_that_is_there_and_says_nothing_of_moving_it(desk: _Desk) -> None:
    stored = desk.keys.create("root", b"words")

    done = desk.ok("init", typed="words\n")

    assert done.stdout == f"{stored.key_id}\n"
    assert "was made" not in done.stderr


def test_a_new_root_key_can_have_a_passphrase(desk: _Desk) -> None:
    words = desk.folder / "words"
    words.write_text("correct horse\n")
    words.chmod(0o600)

    desk.ok("init", "--passphrase-file", str(words))

    assert desk.keys.find("root").encrypted
    desk.ok("renew", "--passphrase-file", str(words))


def test_init_does_not_replace_a_trust_file(made: _Desk) -> None:
    before = made.file.read_bytes()

    done = made.run("init")

    assert isinstance(done.exception, SnapshotterError)
    assert made.file.read_bytes() == before


def test_what_init_requires_of_bundles_is_in_the_file(desk: _Desk) -> None:
    desk.ok("init", "--require-signatures", "2", "--require-timestamps", "0", "--expires", "never")

    require = desk.load().require
    assert (require.signatures, require.timestamps, require.log) == (2, 0, False)


def test_a_key_that_is_added_is_trusted_for_its_period(made: _Desk) -> None:
    made.keys.create("default")
    pem = made.keys.export_public("default")

    done = made.ok(
        "add-key", "-", "--owner", "Example Agency", "--not-before", "2026-01-01",
        "--not-after", "2027-01-01T12:00:00Z", typed=pem,
    )  # fmt: skip

    key = made.load().key(made.keys.find("default").key_id)
    assert key is not None
    assert key.owner == "Example Agency"
    assert key.not_before == datetime(2026, 1, 1, tzinfo=UTC)
    assert key.not_after == datetime(2027, 1, 1, 12, tzinfo=UTC)
    assert done.stdout == f"{made.file} is now version 2\n"


def test_a_key_on_p256_is_added_only_when_allowed(made: _Desk) -> None:
    arguments = ("-", "--owner", "Partner")

    refused = made.run("add-key", *arguments, typed=public_pem(P256))
    made.ok("add-key", *arguments, "--allow-p256", typed=public_pem(P256))

    assert isinstance(refused.exception, SnapshotterError)
    assert refused.exception.exit_code == 1
    assert made.load().key(key_id(P256)) is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--owner", ""),
        ("--owner", "x", "--not-before", "yesterday"),
        ("--owner", "x", "--not-before", "2026-01-02", "--not-after", "2026-01-01"),
    ],
)
def test_an_owner_or_a_period_that_makes_no_sense_is_a_usage_error(
    made: _Desk, arguments: tuple[str, ...]
) -> None:
    before = made.file.read_bytes()

    done = made.run("add-key", "-", "--allow-p256", *arguments, typed=public_pem(P256))

    assert done.exit_code == 2
    assert made.file.read_bytes() == before


def test_the_root_key_is_not_added_as_a_key_for_bundles(made: _Desk) -> None:
    pem = made.keys.export_public("root")

    done = made.run("add-key", "-", "--owner", "x", typed=pem)

    assert isinstance(done.exception, SnapshotterError)
    assert "cannot sign bundles" in str(done.exception)


def test_a_key_is_revoked_after_a_question_that_names_it(made: _Desk) -> None:
    made.ok("add-key", "-", "--owner", "x", "--allow-p256", typed=public_pem(P256))
    arguments = (key_id(P256), "--reason", "compromised", "--at", "2026-05-01")

    asked = made.run("revoke-key", *arguments, typed="n\n")
    made.ok("revoke-key", *arguments, typed="y\n")

    assert asked.exit_code == 1
    assert f"Revoke the key {key_id(P256)} as compromised from 2026-05-01T00:00:00Z" in asked.stderr
    key = made.load().key(key_id(P256))
    assert key is not None
    assert (key.revoked_at, key.revoked_reason) == (
        datetime(2026, 5, 1, tzinfo=UTC),
        "compromised",
    )


def test_an_authority_is_added_and_replaced(made: _Desk) -> None:
    root = str(_certificate(made.folder))

    added = made.ok("add-tsa", "--name", "example", "--root", root, "--policy-oid", "1.2.3")
    again = made.run("add-tsa", "--name", "example", "--root", root)
    made.ok(
        "add-tsa", "--name", "example", "--root", root, "--revoked-serial", "0x0A1B", "--replace"
    )

    openssl = subprocess.run(
        ["openssl", "x509", "-in", root, "-noout", "-fingerprint", "-sha256"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    assert openssl.split("=")[1].strip().replace(":", "").lower() in added.stderr
    assert isinstance(again.exception, SnapshotterError)
    (anchor,) = made.load().authorities
    assert (anchor.name, anchor.policy_oids) == ("example", frozenset())
    assert anchor.revoked_serials == frozenset({0x0A1B})


def test_only_the_certificate_of_a_root_is_an_authoritys_anchor(made: _Desk) -> None:
    whole = _certificate(made.folder).read_bytes()
    file = made.folder / "try.pem"
    trials = {
        "has no certificate": b"nothing",
        "has 2 certificates": whole * 2,
        "issued by CN=Root": _certificate(made.folder, ca=False).read_bytes(),
        "issued by CN=Another": _certificate(made.folder, issuer="Another").read_bytes(),
    }
    for message, content in trials.items():
        file.write_bytes(content)

        done = made.run("add-tsa", "--name", "x", "--root", str(file))

        assert isinstance(done.exception, SnapshotterError)
        assert message in str(done.exception)
    assert made.load().version == 1


@pytest.mark.parametrize(
    "arguments", [("--policy-oid", "one"), ("--revoked-serial", "xyz"), ("--revoked-serial", "-1")]
)
def test_a_policy_or_serial_that_is_none_changes_nothing(
    made: _Desk, arguments: tuple[str, ...]
) -> None:
    root = str(_certificate(made.folder))

    done = made.run("add-tsa", "--name", "example", "--root", root, *arguments)

    assert done.exit_code in (1, 2)
    assert made.load().version == 1


def test_an_edit_needs_the_root_key_that_signed_the_file(made: _Desk) -> None:
    made.keys.create("other")

    done = made.run("renew", "--root-key-name", "other")

    assert isinstance(done.exception, EvidenceInvalid)
    assert made.load().version == 1


def test_an_edit_does_not_sign_what_somebody_else_changed(made: _Desk) -> None:
    made.file.write_bytes(made.file.read_bytes().replace(b'"signatures":1', b'"signatures":2'))

    done = made.run("renew")

    assert isinstance(done.exception, EvidenceInvalid)
    with pytest.raises(EvidenceInvalid):
        made.load()


@pytest.mark.parametrize("crash_at", [1, 2, 3])
def test_a_crash_in_an_edit_leaves_a_pair_that_verifies_or_is_refused_and_the_next_edit_mends_it(
    made: _Desk, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    replace, calls = os.replace, 0

    def crash(source: str, target: str) -> None:
        nonlocal calls
        calls += 1
        if calls == crash_at:
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", crash)
        made.run("renew", "--expires", "2030-01-01")

    if crash_at < 3:
        assert made.load().version == 1
    else:
        with pytest.raises(EvidenceInvalid):
            made.load()
    made.ok("renew", "--expires", "2031-01-01")
    assert made.load().version == (2 if crash_at < 3 else 3)
    assert made.load().expires == datetime(2031, 1, 1, tzinfo=UTC)
    assert not (made.folder / "trust.json.sig.new").exists()


def test_two_edits_at_once_do_not_lose_one(made: _Desk) -> None:
    directory = os.open(made.folder, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    try:
        done = made.run("renew")
    finally:
        os.close(directory)

    assert isinstance(done.exception, SnapshotterError)
    assert "another command" in str(done.exception)
    assert made.load().version == 1


def test_a_trust_file_that_can_not_be_written_is_a_sentence(desk: _Desk) -> None:
    desk.file = desk.folder / "none" / "trust.json"

    done = desk.run("init")

    assert isinstance(done.exception, SnapshotterError)
    assert "cannot be written" in str(done.exception)


def test_show_says_whether_the_root_key_was_pinned(made: _Desk) -> None:
    made.ok("add-key", "-", "--owner", "Partner", "--allow-p256", typed=public_pem(P256))
    made.ok("revoke-key", key_id(P256), "--reason", "superseded", "--yes")
    made.ok(
        "add-tsa", "--name", "example", "--root", str(_certificate(made.folder)),
        "--revoked-serial", "171",
    )  # fmt: skip
    pin = made.keys.find("root").key_id

    pinned = made.ok("show", "--root-key", pin)
    not_pinned = made.ok("show")
    wrong = made.run("show", "--root-key", key_id(P256))

    assert "pinned, and the signature of the trust file is valid" in pinned.stdout
    assert "anybody could have made this file" in not_pinned.stdout
    assert "does not prove who made the file" in not_pinned.stderr
    assert isinstance(wrong.exception, EvidenceInvalid)
    for words in ("version   4", "Partner", "REVOKED", "superseded", "CN=Root", "never", "171"):
        assert words in pinned.stdout


def test_show_as_json_is_the_file_and_what_was_checked(made: _Desk) -> None:
    pin = made.keys.find("root").key_id

    shown = json.loads(made.ok("show", "--json", "--root-key", pin).stdout)

    assert shown == {
        **json.loads(made.file.read_bytes()),
        "root_key_id": pin,
        "pinned": True,
        "expired": False,
    }


@pytest.mark.parametrize("command", ["init", "renew"])
def test_the_json_of_an_edit_is_the_new_version(desk: _Desk, command: str) -> None:
    if command != "init":
        desk.ok("init")

    shown = json.loads(desk.ok(command, "--json").stdout)

    assert shown["version"] == (1 if command == "init" else 2)
    assert shown["root_key_id"] == desk.keys.find("root").key_id


def test_an_expired_file_is_shown_and_ends_as_unverifiable(desk: _Desk) -> None:
    desk.ok("init", "--expires", "2020-01-01")

    done = desk.run("show")

    assert "2020-01-01T00:00:00Z" in done.stdout
    assert isinstance(done.exception, EvidenceUnverifiable)


def test_a_file_without_its_signature_is_refused(made: _Desk) -> None:
    made.signature.unlink()

    assert isinstance(made.run("show").exception, EvidenceInvalid)


def test_a_file_that_is_not_there_is_a_sentence_with_a_hint(desk: _Desk) -> None:
    done = desk.run("show")

    assert isinstance(done.exception, SnapshotterError)
    assert "trust init" in done.exception.hint


@pytest.mark.parametrize("name", sorted(trust.commands))
def test_every_help_has_examples(name: str) -> None:
    done = CliRunner().invoke(trust, [name, "--help"])

    assert "Examples:" in done.output
    assert f"snapshotter trust {name} trust.json" in done.output
