"""Reminders of owed tokens, and the salts."""

from pathlib import Path

import pytest

from snapshotter.app import pending
from snapshotter.app.pending import PendingToken
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
        pending.remember(tmp_path / "new", entry)

    assert list(pending.remembered(tmp_path / "new")) == [_entry("1", "a", "b"), _entry("2", "b")]

    pending.forget(tmp_path / "new", "1")
    pending.forget(tmp_path / "new", "1")
    assert [it.bundle_id for it in pending.remembered(tmp_path / "new")] == ["2"]


def test_no_reminders_are_none(tmp_path: Path) -> None:
    assert list(pending.remembered(tmp_path / "none")) == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"bundle_id": 1', "\xff"])
def test_a_reminder_that_can_not_be_read_says_which(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")

    with pytest.raises(SnapshotterError, match=r"x\.json"):
        list(pending.remembered(tmp_path))


def test_salts_are_for_their_owner_alone(tmp_path: Path) -> None:
    salt = Disclosure(commitment="sha256:0", place="request-header", name="cookie", salt="0" * 32)

    path = pending.keep_salts(tmp_path / "salts", "1", [salt])

    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes().count(b"\n") == 1
    assert [it.name for it in path.parent.iterdir()] == ["1.salts.jsonl"]


def test_without_salts_there_is_no_file(tmp_path: Path) -> None:
    assert pending.keep_salts(tmp_path / "salts", "1", []) is None
    assert not (tmp_path / "salts").exists()


def test_what_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SnapshotterError, match="can not be written"):
        pending.remember(tmp_path / "file", _entry("1", "a"))
