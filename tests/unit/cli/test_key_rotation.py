"""`snapshotter keys rotate|revoke`: a key ends here and for auditors, and nothing else changes."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from snapshotter.app.settings import Settings, load
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.cli.keys import keys
from snapshotter.cli.trust import trust
from snapshotter.errors import SnapshotterError
from snapshotter.ports import Signer
from snapshotter.seal.signer import KeyDirectory, RetiredKey
from snapshotter.verify.trust import COMPROMISED, SUPERSEDED, Trust, load_trust
from tests import softhsm

HOUR = timedelta(hours=1)


class _House:
    """A machine that captures, with a key, a root key and a trust file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "trust.json"
        self.settings = load(
            overrides={"data_dir": str(folder / "data"), "store": str(folder / "captures")},
            directory=folder,
            environment={},
        )
        self.keys = KeyDirectory(self.settings.keys_dir)
        self.old = self.keys.create("default").key_id
        self.run(trust, "init", str(self.file))
        pem = self.keys.export_public("default")
        self.run(trust, "add-key", str(self.file), "-", "--owner", "Agency", typed=pem)

    def try_(self, group: object, *arguments: str, typed: str | bytes | None = None) -> Result:
        obj = SimpleNamespace(
            keys_dir=self.keys.path, data_dir=self.settings.data_dir, key=self.settings.key
        )
        return CliRunner().invoke(group, arguments, obj=obj, input=typed)  # type: ignore[arg-type]

    def run(self, group: object, *arguments: str, typed: str | bytes | None = None) -> Result:
        done = self.try_(group, *arguments, typed=typed)
        assert done.exit_code == 0, done.output + repr(done.exception)
        return done

    def trust(self) -> Trust:
        return load_trust(
            self.file.read_bytes(),
            self.file.with_name("trust.json.sig").read_bytes(),
            pinned_root=self.keys.find("root").key_id,
            now=datetime.now(UTC),
        )

    def signer(self, said: list[str] | None = None, settings: Settings | None = None) -> Signer:
        show_message = (said if said is not None else []).append
        return wiring_keys.signer(settings or self.settings, ask=None, show_message=show_message)


@pytest.fixture
def house(tmp_path: Path) -> _House:
    return _House(tmp_path)


def test_the_first_signing_key_is_made_beside_a_rotated_key_for_annotations(tmp_path: Path) -> None:
    settings = load(overrides={"data_dir": str(tmp_path)}, directory=tmp_path, environment={})
    directory = KeyDirectory(settings.keys_dir)
    directory.create(settings.annotation_key)
    obj = SimpleNamespace(keys_dir=directory.path, data_dir=tmp_path, key=settings.key)
    done = CliRunner().invoke(keys, ["rotate", settings.annotation_key], obj=obj)
    assert done.exit_code == 0, done.output
    successor = directory.find(f"{settings.annotation_key}-2")

    made = wiring_keys.signer(settings, ask=None, show_message=lambda _: None)

    assert made.key_id == directory.find("default").key_id != successor.key_id


def test_a_rotated_key_is_followed_at_once_here_and_in_the_trust_file(house: _House) -> None:
    done = house.run(keys, "rotate", "--trust", str(house.file))

    new = house.keys.find("default-2").key_id
    assert done.stdout == f"{new}\nnew version of the trust file: 3\n"
    said: list[str] = []
    assert house.signer(said).key_id == new
    assert "the key 'default' is retired, so the key 'default-2' signs instead" in said[0]
    loaded = house.trust()
    old, after = loaded.key(house.old), loaded.key(new)
    assert old is not None
    assert after is not None
    assert (old.revoked_reason, after.revoked_at, after.owner) == (SUPERSEDED, None, "Agency")
    # Both are still known here, and the old one as what it is.
    own = wiring_trust.trust(house.settings)
    mine = own.key(house.old)
    assert mine is not None
    assert (mine.revoked_at, mine.revoked_reason) == (old.revoked_at, SUPERSEDED)
    assert own.key(new) is not None


def test_a_chain_of_rotations_is_followed_to_its_end(house: _House) -> None:
    house.run(keys, "rotate")
    house.run(keys, "rotate", "default-2")

    assert house.signer().key_id == house.keys.find("default-3").key_id
    listed = house.run(keys, "list").stdout
    assert "superseded from" in listed
    assert "replaced by default-2" in listed


def test_without_the_root_key_the_line_is_printed_that_does_it_where_that_is(
    house: _House,
) -> None:
    root = (house.keys.path / "root.pem").read_bytes()
    (house.keys.path / "root.pem").unlink()
    before = house.file.read_bytes()

    done = house.run(keys, "rotate", "--owner", "The Agency", "--trust", str(house.file))

    line = done.stdout.splitlines()[1]
    assert house.file.read_bytes() == before
    assert house.signer().key_id != house.old
    program, group, *arguments = shlex.split(line)
    assert (program, group) == ("snapshotter", "trust")
    # There, with the public key that was brought along.
    (house.keys.path / "root.pem").write_bytes(root)
    (house.keys.path / "root.pem").chmod(0o600)
    brought = arguments.index("default-2.pub.pem")
    arguments[brought] = str(house.keys.find("default-2").public_file)
    house.run(trust, *arguments)
    new = house.trust().key(house.signer().key_id)
    old = house.trust().key(house.old)
    assert new is not None
    assert new.owner == "The Agency"
    assert old is not None
    retired = house.keys.find("default").retired
    assert retired is not None
    assert old.revoked_at == retired.at


def test_a_draft_is_written_for_the_machine_with_the_root_key(house: _House) -> None:
    draft = house.folder / "draft.json"

    house.run(keys, "rotate", "--trust", str(house.file), "--draft", str(draft))

    assert house.trust().version == 2
    house.run(trust, "sign", str(draft), str(house.file), "--yes")
    assert house.trust().key(house.signer().key_id) is not None


def test_a_rotation_goes_on_with_a_key_that_is_there(house: _House) -> None:
    court = house.keys.create("court").key_id

    house.run(keys, "rotate", "default", "--to", "court", "--trust", str(house.file))

    assert house.signer().key_id == court
    assert house.trust().key(court) is not None


def test_a_rotation_in_the_future_leaves_the_old_key_until_then(house: _House) -> None:
    at = (datetime.now(UTC) + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")

    house.run(keys, "rotate", "--at", at)

    assert house.signer().key_id == house.old


def test_a_trust_file_that_can_not_be_edited_retires_nothing(house: _House) -> None:
    house.file.with_name("trust.json.sig").write_bytes(b"x")

    done = house.try_(keys, "rotate", "--trust", str(house.file))

    assert isinstance(done.exception, SnapshotterError)
    assert house.keys.find("default").retired is None
    assert house.signer().key_id == house.old


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("rotate", "root"), 1),
        (("rotate", "nothing"), 1),
        (("rotate", "default", "--to", "default"), 2),
        (("rotate", "--draft", "x.json"), 2),
        (("revoke", "root", "--reason", "superseded", "--yes"), 1),
        (("revoke", "default", "--reason", "lost", "--yes"), 2),
        (
            ("revoke", "default", "--reason", "compromised", "--at", "2999-01-01", "--yes"),
            2,
        ),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    house: _House, arguments: tuple[str, ...], code: int
) -> None:
    before = sorted(path.name for path in house.keys.path.iterdir())

    done = house.try_(keys, *arguments)

    assert done.exit_code == code
    assert sorted(path.name for path in house.keys.path.iterdir()) == before


def test_tokens_that_are_owed_are_told_of_before_a_key_ends(house: _House) -> None:
    pending = house.settings.data_dir / "pending"
    pending.mkdir(parents=True)
    (pending / "a.json").write_text("{}")

    stopped = house.try_(keys, "rotate", typed="n\n")

    assert stopped.exit_code == 1
    assert "timestamp tokens that are still owed: 1." in stopped.stderr
    assert house.keys.find("default").retired is None
    assert "timestamp tokens that are still owed" in house.run(keys, "rotate", "--yes").stderr


# --- revoke --------------------------------------------------------------------------------------


def test_a_revoked_key_signs_no_more_and_counts_no_more(house: _House) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)

    asked = house.try_(
        keys, "revoke", "default", "--reason", "compromised", "--at", "2026-05-01", typed="n\n"
    )
    assert asked.exit_code == 1
    assert f"Revoke the key default ({house.old}) as compromised" in asked.stderr
    assert house.signer().key_id == house.old
    done = house.run(
        *(keys, "revoke", house.old, "--reason", "compromised", "--at", "2026-05-01"),
        *("--trust", str(house.file), "--yes", "--json"),
    )

    value = json.loads(done.stdout)
    assert (value["trust_version"], value["where_the_root_key_is"]) == (3, None)
    assert value["old"]["retired"]["reason"] == "compromised"
    for found in (house.trust(), wiring_trust.trust(house.settings)):
        key = found.key(house.old)
        assert key is not None
        assert (key.revoked_at, key.revoked_reason) == (at, COMPROMISED)
    with pytest.raises(SnapshotterError, match="can no longer sign") as caught:
        house.signer()
    assert "keys init" in caught.value.hint


def test_a_revoked_key_may_not_cosign_either(house: _House) -> None:
    house.keys.create("court")
    house.run(keys, "revoke", "court", "--reason", "superseded", "--yes")
    settings = load(
        overrides={"data_dir": str(house.settings.data_dir), "cosigners": "court"},
        directory=house.folder,
        environment={},
    )

    with pytest.raises(SnapshotterError, match="can no longer sign"):
        wiring_keys.cosigners(settings, ask=None, show_message=lambda _: None)


def test_a_retirement_can_be_made_worse_and_never_better(house: _House) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    house.keys.retire("default", RetiredKey(at=at, reason=SUPERSEDED, successor="root"))

    for worse in (
        RetiredKey(at=at - HOUR, reason=SUPERSEDED),
        RetiredKey(at=at - HOUR, reason=COMPROMISED),
    ):
        assert house.keys.retire("default", worse).retired == worse
    for better in (
        RetiredKey(at=at, reason=COMPROMISED),
        RetiredKey(at=at - HOUR, reason=SUPERSEDED),
    ):
        with pytest.raises(SnapshotterError, match="already"):
            house.keys.retire("default", better)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b'{"at":"x","reason":"superseded","successor":null}', b"[]", b"\xff"],
)
def test_a_note_of_a_retirement_that_can_not_be_read_is_no_permission(
    house: _House, content: bytes
) -> None:
    (house.keys.path / "default.retired.json").write_bytes(content)

    with pytest.raises(SnapshotterError, match="cannot be read"):
        house.signer()


def test_keys_that_follow_each_other_in_a_circle_do_not_sign(house: _House) -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    house.keys.create("other")
    house.keys.retire("default", RetiredKey(at=at, reason=SUPERSEDED, successor="other"))
    house.keys.retire("other", RetiredKey(at=at, reason=SUPERSEDED, successor="default"))

    with pytest.raises(SnapshotterError, match="can no longer sign"):
        house.signer()


def test_a_key_on_a_token_is_followed_too(house: _House, tokens: tuple[softhsm.Token, ...]) -> None:
    """A configuration that names the token goes on with the key that follows."""
    reference = tokens[0].reference(object="sealing")
    settings = load(
        overrides={"data_dir": str(house.settings.data_dir), "key": reference},
        directory=house.folder,
        environment={},
    )
    held = house.signer(settings=settings)
    assert not held.in_software

    house.run(keys, "rotate", reference, "--to", "default")

    assert house.signer(settings=settings).key_id == house.old
