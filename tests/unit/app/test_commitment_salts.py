"""The private files with salts."""

from pathlib import Path

from snapshotter.app import commitment_salts
from snapshotter.model.capture import Disclosure


def test_salts_are_for_their_owner_alone(tmp_path: Path) -> None:
    salt = Disclosure(commitment="sha256:0", place="request-header", name="cookie", salt="0" * 32)

    path = commitment_salts.write_salts(tmp_path / "salts", "1", [salt])

    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.read_bytes().count(b"\n") == 1
    assert [file.name for file in path.parent.iterdir()] == ["1.salts.jsonl"]


def test_without_salts_there_is_no_file(tmp_path: Path) -> None:
    assert commitment_salts.write_salts(tmp_path / "salts", "1", []) is None
    assert not (tmp_path / "salts").exists()
