"""What an audit remembers between two runs, where the disk does not take it."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.verify.audit.workspace import AuditDatabase


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    _, hard = (before := resource.getrlimit(resource.RLIMIT_FSIZE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_an_auditor_nothing_of_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "work.sqlite"
    AuditDatabase(file).close()
    before = file.read_bytes()

    with no_room(), pytest.raises(SnapshotterError, match=r"cannot be written") as failed:
        AuditDatabase(file)

    assert "free space" in failed.value.hint
    assert file.read_bytes() == before
    with AuditDatabase(file) as again:
        assert not again.replaced


def test_what_is_no_workspace_is_thrown_away_and_told(tmp_path: Path) -> None:
    file = tmp_path / "work.sqlite"
    file.write_bytes(b"not a database" * 500)

    with AuditDatabase(file) as made:
        assert made.replaced
