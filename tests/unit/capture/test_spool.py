"""The spool names whole files and nothing else."""

import hashlib
from pathlib import Path

import pytest

from snapshotter.capture.spool import Spool, utf8
from snapshotter.errors import SnapshotterError
from tests.fakes.world import FixedClock


def test_an_artifact_is_digested_as_it_is_written(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path, clock)

    with spool.create("capture/page.txt", "text/plain", step="text", note="all frames") as out:
        out.write("新聞".encode())
        out.write(b"\n")

    (artifact,) = spool.artifacts
    assert artifact.file.read_bytes() == "新聞\n".encode()
    assert artifact.digests.sha256 == hashlib.sha256("新聞\n".encode()).hexdigest()
    assert (artifact.path, artifact.step, artifact.note) == (
        "capture/page.txt",
        "text",
        "all frames",
    )


def test_a_file_that_breaks_off_leaves_no_artifact_and_no_file(
    tmp_path: Path, clock: FixedClock
) -> None:
    spool = Spool(tmp_path, clock, limit=10)

    def write() -> None:
        with spool.create("capture/page.mhtml", "multipart/related", step="mhtml") as out:
            out.write(b"12345")
            out.write(b"678901")

    with pytest.raises(SnapshotterError):
        write()

    assert spool.artifacts == ()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert utf8("a\ud83db 🦊") == "a\ufffdb 🦊".encode()
    assert utf8("\ud83e\udd8a") == "🦊".encode()
