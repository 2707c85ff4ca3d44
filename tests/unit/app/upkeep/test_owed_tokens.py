"""Reminders of owed tokens, and the salts."""

from pathlib import Path

import pytest

from snapshotter.app.upkeep import owed_tokens
from snapshotter.app.upkeep.owed_tokens import PendingToken
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import Disclosure


def _entry(bundle_id: str, *authorities: str) -> PendingToken:
    return PendingToken(
        bundle_id=bundle_id,
        store="/store",
        key=f"bundles/{bundle_id}.wacz",
        signature=b"\x30\x00",
        authorities=authorities,
    )


def test_reminders_come_back_oldest_first_and_are_replaced_and_forgotten(tmp_path: Path) -> None:
    for entry in (_entry("2", "a"), _entry("1", "a", "b"), _entry("2", "b")):
        owed_tokens.save_reminder(tmp_path / "new", entry)

    assert list(owed_tokens.list_reminders(tmp_path / "new")) == [
        _entry("1", "a", "b"),
        _entry("2", "b"),
    ]

    owed_tokens.forget(tmp_path / "new", "1")
    owed_tokens.forget(tmp_path / "new", "1")
    assert [token.bundle_id for token in owed_tokens.list_reminders(tmp_path / "new")] == ["2"]


def test_no_reminders_are_none(tmp_path: Path) -> None:
    assert list(owed_tokens.list_reminders(tmp_path / "none")) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"bundle_id": 1', "\xff"])
def test_a_reminder_that_can_not_be_read_says_which(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")

    with pytest.raises(SnapshotterError, match=r"x\.json"):
        list(owed_tokens.list_reminders(tmp_path))


def test_salts_are_for_their_owner_alone(tmp_path: Path) -> None:
    salt = Disclosure(commitment="sha256:0", place="request-header", name="cookie", salt="0" * 32)

    path = owed_tokens.keep_salts(tmp_path / "salts", "1", [salt])

    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes().count(b"\n") == 1
    assert [file.name for file in path.parent.iterdir()] == ["1.salts.jsonl"]


def test_without_salts_there_is_no_file(tmp_path: Path) -> None:
    assert owed_tokens.keep_salts(tmp_path / "salts", "1", []) is None
    assert not (tmp_path / "salts").exists()


def test_what_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SnapshotterError, match="can not be written"):
        owed_tokens.save_reminder(tmp_path / "file", _entry("1", "a"))
