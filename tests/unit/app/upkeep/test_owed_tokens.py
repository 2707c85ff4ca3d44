"""Reminders of owed tokens."""

from pathlib import Path

import pytest

from snapshotter.app.upkeep import owed_tokens
from snapshotter.app.upkeep.owed_tokens import PendingToken
from snapshotter.errors import SnapshotterError


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


def test_what_can_not_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(SnapshotterError, match="cannot be written"):
        owed_tokens.save_reminder(tmp_path / "file", _entry("1", "a"))
