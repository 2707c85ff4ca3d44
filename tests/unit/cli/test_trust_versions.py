"""`snapshotter trust sign|bump|diff|set-log`: versions go up, and the root key is elsewhere."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from snapshotter.app.settings import load
from snapshotter.cli.trust import trust
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, VerifierKey
from snapshotter.formats.signatures.keys import key_id, public_pem
from tests.unit.cli.test_trust_command import P256, _Desk

LOG = VerifierKey(name="log.example.org", kind=ED25519, public_key=bytes(range(32)))
W1, W2 = (
    VerifierKey(name=name, kind=COSIGNATURE_V1, public_key=hashlib.sha256(name.encode()).digest())
    for name in ("w1.example.net", "w2.example.net")
)


@pytest.fixture
def desk(tmp_path: Path) -> _Desk:
    made = _Desk(tmp_path)
    made.ok("init")
    return made


def _away(desk: _Desk) -> bytes:
    """Move the root key offline; return it."""
    file = desk.keys.path / "root.pem"
    content = file.read_bytes()
    file.unlink()
    return content


def _back(desk: _Desk, key: bytes) -> None:
    file = desk.keys.path / "root.pem"
    file.write_bytes(key)
    file.chmod(0o600)


def _draft(desk: _Desk) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((desk.folder / "draft.json").read_text())
    return value


# --- a root key that is elsewhere ----------------------------------------------------------------


def test_edits_are_drafted_without_the_root_key_and_signed_with_it(desk: _Desk) -> None:
    key = _away(desk)
    draft = str(desk.folder / "draft.json")
    before = desk.file.read_bytes()

    done = desk.ok(
        "add-key", "-", "--owner", "A", "--allow-p256", "--draft", draft, typed=public_pem(P256)
    )
    desk.ok("bump", "--require-timestamps", "2", "--draft", draft)

    assert f"snapshotter trust sign {draft} {desk.file}" in done.stderr
    assert desk.file.read_bytes() == before
    assert (_draft(desk)["version"], _draft(desk)["require"]["timestamps"]) == (2, 2)
    _back(desk, key)
    signed = desk.run_at(draft, "sign", str(desk.file), typed="y\n")
    assert signed.exit_code == 0, signed.output
    assert "the number of required valid tokens is 2; it was 1" in signed.stderr
    assert desk.load().version == 2
    assert desk.load().key(key_id(P256)) is not None


def test_without_the_root_key_an_edit_says_how_to_go_on(desk: _Desk) -> None:
    _away(desk)

    done = desk.run("bump")

    assert isinstance(done.exception, SnapshotterError)
    assert "--draft" in done.exception.hint


def test_what_an_editor_wrote_is_signed_whatever_its_spaces(desk: _Desk) -> None:
    value = json.loads(desk.file.read_bytes())
    value["version"] = 2
    value["max_lag_s"] = 3600
    desk.file.write_text(json.dumps(value, indent=4, sort_keys=False))
    with pytest.raises(EvidenceInvalid):
        desk.load()

    desk.ok("sign", "--yes")

    assert (desk.load().version, desk.load().max_lag.total_seconds()) == (2, 3600)
    assert desk.file.read_bytes().startswith(b'{"expires":')


def test_a_signature_is_asked_for_after_what_it_is_over(desk: _Desk) -> None:
    desk.ok("bump", "--require-signatures", "2", "--draft", str(desk.folder / "draft.json"))

    refused = desk.run_at(str(desk.folder / "draft.json"), "sign", str(desk.file), typed="n\n")

    assert refused.exit_code == 1
    assert "a bundle with a lower number has the verdict INDETERMINATE" in refused.stderr
    assert "sign the trust file as version 2?" in refused.stderr
    assert desk.load().version == 1


@pytest.mark.parametrize("version", [1, 0, -1, "2", 1 << 53])
def test_a_draft_that_is_not_a_later_version_is_not_signed(desk: _Desk, version: object) -> None:
    draft = desk.folder / "draft.json"
    desk.ok("bump", "--draft", str(draft))
    draft.write_text(json.dumps({**_draft(desk), "version": version}))

    done = desk.run_at(str(draft), "sign", str(desk.file), "--yes")

    # Version 1, as it stands, is what is signed already; with anything else it is none.
    assert desk.load().version == 1
    if version == 1:
        assert "signed already" in done.stderr
        draft.write_text(json.dumps({**_draft(desk), "max_lag_s": 5}))
        done = desk.run_at(str(draft), "sign", str(desk.file), "--yes")
        assert isinstance(done.exception, SnapshotterError)
        assert '"version" to 2' in done.exception.hint
    else:
        assert isinstance(done.exception, EvidenceInvalid)
    assert desk.load().version == 1


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1.5]", '{"version":1,"version":2}', "[" * 5000, '{"a":NaN}'],
)
def test_what_is_no_trust_file_is_not_signed(desk: _Desk, text: str) -> None:
    draft = desk.folder / "draft.json"
    draft.write_text(text)

    done = desk.run_at(str(draft), "sign", str(desk.file), "--yes")

    assert isinstance(done.exception, EvidenceInvalid)
    assert "draft of a trust file" in done.exception.message


def test_a_draft_of_another_root_is_not_signed(desk: _Desk) -> None:
    draft = desk.folder / "draft.json"
    desk.ok("bump", "--draft", str(draft))
    desk.keys.create("root2")

    done = desk.run_at(str(draft), "sign", str(desk.file), "--yes", "--root-key-name", "root2")

    assert isinstance(done.exception, SnapshotterError)
    assert "is for the root key" in done.exception.message


def test_a_root_key_signs_no_version_twice_and_none_that_goes_back(desk: _Desk) -> None:
    """Not from an old copy, not edited in its place, and not as a new file."""
    old, signature = desk.file.read_bytes(), desk.signature.read_bytes()
    desk.ok("bump")
    desk.ok("bump")
    newest = json.loads(desk.file.read_bytes())

    desk.file.write_bytes(old)
    desk.signature.write_bytes(signature)
    from_a_copy = desk.run("bump")
    desk.file.write_text(json.dumps({**newest, "max_lag_s": 7}))
    in_place = desk.run("sign", "--yes")
    anew = desk.run_at(str(desk.folder / "other.json"), "init")

    for done in (from_a_copy, in_place, anew):
        assert isinstance(done.exception, SnapshotterError)
        assert (
            "a trust file of this root key with version 3 was signed or read on this machine "
            "before, but this file has version "
        ) in done.exception.message
    assert not (desk.folder / "other.json").exists()
    desk.file.write_text(json.dumps({**newest, "max_lag_s": 7, "version": 4}))
    desk.ok("sign", "--yes")
    assert desk.load().version == 4


# --- bump ----------------------------------------------------------------------------------------


def test_bump_makes_a_later_version_and_changes_what_was_asked(desk: _Desk) -> None:
    desk.ok("set-log", LOG.text)
    before = desk.load()

    desk.ok("bump", "--expires", "2040-01-01", "--require-log")
    after = desk.load()
    desk.ok("bump", "--version", "40", "--expires", "never")
    last = desk.load()

    assert (after.version, after.expires) == (3, datetime(2040, 1, 1, tzinfo=UTC))
    assert after.require == replace(before.require, log=True)
    assert (last.version, last.expires, last.require) == (40, None, after.require)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--version", "1"), "must be higher"),
        (("--version", str(1 << 31)), "the version of a trust file cannot be higher than"),
        (("--require-log",), "names no log"),
    ],
)
def test_bump_refuses_what_no_reader_would_take(
    desk: _Desk, arguments: tuple[str, ...], message: str
) -> None:
    done = desk.run("bump", *arguments)

    assert isinstance(done.exception, SnapshotterError)
    assert message in done.exception.message
    assert desk.load().version == 1


# --- the log -------------------------------------------------------------------------------------


def test_a_log_and_witnesses_are_named(desk: _Desk) -> None:
    desk.ok("set-log", LOG.text, "--witness", W1.text)
    desk.ok("add-witness", W2.text, "--quorum", "2")

    log = desk.load().log
    assert log is not None
    assert (log.key, set(log.witnesses), log.quorum) == (LOG, {W1, W2}, 2)
    shown = desk.ok("show").stdout
    assert LOG.text in shown
    assert "number of witnesses that must cosign a checkpoint: 2\n" in shown
    desk.ok("set-log", "--none")
    assert desk.load().log is None


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        ("set-log", (), 2),
        ("set-log", (LOG.text, "--none"), 2),
        ("set-log", (W1.text,), 2),
        ("set-log", (LOG.text, "--witness", LOG.text), 2),
        ("set-log", (LOG.text, "--quorum", "1"), 2),
        ("set-log", ("log.example.org",), 1),
        ("add-witness", (W1.text,), 1),
        ("add-witness", ("nothing",), 1),
    ],
)
def test_what_is_no_log_is_refused(
    desk: _Desk, command: str, arguments: tuple[str, ...], code: int
) -> None:
    done = desk.run(command, *arguments)

    assert done.exit_code == code
    assert code == 2 or isinstance(done.exception, SnapshotterError)
    assert desk.load().version == 1


# --- diff ----------------------------------------------------------------------------------------


def test_diff_says_in_words_what_changed_and_what_follows(desk: _Desk) -> None:
    desk.ok("add-key", "-", "--owner", "A", "--allow-p256", typed=public_pem(P256))
    old = desk.folder / "old.json"
    old.write_bytes(desk.file.read_bytes())
    old.with_name("old.json.sig").write_bytes(desk.signature.read_bytes())
    desk.ok("revoke-key", key_id(P256), "--reason", "compromised", "--at", "2026-05-01", "--yes")
    pin = desk.keys.find("root").key_id

    words = desk.run_at(str(old), "diff", str(desk.file), "--root-key", pin)
    data = json.loads(desk.run_at(str(old), "diff", str(desk.file), "--json").stdout)

    assert words.stdout.splitlines()[0] == "version 2 -> version 3"
    assert f"stricter  key {key_id(P256)} is revoked as compromised" in words.stdout
    assert "are FAILED (KEY_REVOKED)" in words.stdout
    assert (data["old_version"], data["new_version"], data["pinned"]) == (2, 3, False)
    (change,) = data["changes"]
    assert (change["subject"], change["effect"], change["name"]) == (
        "key",
        "stricter",
        key_id(P256),
    )


def test_diff_checks_what_it_reads(desk: _Desk) -> None:
    draft = desk.folder / "draft.json"
    desk.ok("bump", "--draft", str(draft))
    same = desk.run_at(str(desk.file), "diff", str(draft))
    assert "is a draft without a signature" in same.stderr
    assert "apart from the version number, nothing differs" in same.stdout

    pinned = desk.run_at(str(desk.file), "diff", str(desk.file), "--root-key", "0" * 64)
    assert isinstance(pinned.exception, EvidenceInvalid)
    draft.with_name("draft.json.sig").write_bytes(desk.signature.read_bytes())
    forged = desk.run_at(str(desk.file), "diff", str(draft))
    assert isinstance(forged.exception, EvidenceInvalid)


# --- publish -------------------------------------------------------------------------------------


def _publish(desk: _Desk, *arguments: str) -> Result:
    settings = load(
        overrides={"data_dir": str(desk.folder / "data"), "keys_dir": str(desk.keys.path)},
        directory=desk.folder,
        environment={},
    )
    obj = SimpleNamespace(
        keys_dir=desk.keys.path,
        load=lambda **options: replace(settings, store=options["store"] or settings.store),
    )
    store = str(desk.folder / "store")
    return CliRunner().invoke(
        trust, ["publish", str(desk.file), "--store", store, *arguments], obj=obj
    )


def test_each_version_is_put_into_the_log_once(desk: _Desk) -> None:
    first = json.loads(_publish(desk, "--json").stdout)
    again = json.loads(_publish(desk, "--json").stdout)
    desk.ok("bump")
    second = json.loads(_publish(desk, "--json").stdout)

    assert (first["added"], first["index"], first["version"]) == (True, 0, 1)
    assert (again["added"], again["index"], again["size"]) == (False, 0, 1)
    assert (second["added"], second["index"], second["version"]) == (True, 1, 2)
    assert second["sha256"] == hashlib.sha256(desk.file.read_bytes()).hexdigest()


def test_another_owner_s_trust_file_is_not_published_as_ours(desk: _Desk) -> None:
    done = _publish(desk, "--root-key", "0" * 64)

    assert isinstance(done.exception, EvidenceInvalid)
    assert not (desk.folder / "store" / "log").exists()
