"""The spool names whole files and nothing else."""

import hashlib
import shutil
from pathlib import Path

import pytest

from snapshotter.capture.spool import Spool, encode_utf8
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


def test_a_directory_that_was_removed_is_not_made_again(tmp_path: Path, clock: FixedClock) -> None:
    root = tmp_path / "given-up" / "files"
    root.mkdir(parents=True)
    spool = Spool(root, clock)
    spool.write("capture/network.json", "application/json", b"{}", step="record")
    shutil.rmtree(root.parent)

    with pytest.raises(FileNotFoundError):
        spool.write("pages/of/pages.jsonl", "text/plain", b"{}", step="record")
    assert list(tmp_path.iterdir()) == []


def test_what_is_taken_again_replaces_what_was_set_aside_and_what_is_not_is_put_back(
    tmp_path: Path, clock: FixedClock
) -> None:
    spool = Spool(tmp_path, clock)
    for step, name, number in (
        ("viewport", "viewport.png", 1), ("text", "page.txt", 2), ("text", "page-hidden.txt", 3),
        ("mhtml", "page.mhtml", 4), ("pdf", "page.pdf", 5),
    ):  # fmt: skip
        spool.write(f"capture/{name}", "text/plain", b"%d" % number, step=step, note="first")

    spool.set_aside(("viewport", "text", "mhtml"))
    assert [artifact.path for artifact in spool.artifacts] == ["capture/page.pdf"]
    spool.write("capture/page.txt", "text/plain", b"again", step="text")
    assert spool.keep_aside("capture/viewport.png", "capture/before.png", "before it changed")
    spool.put_back()

    kept = {
        artifact.path: (artifact.file.read_bytes(), artifact.note) for artifact in spool.artifacts
    }
    assert kept == {
        "capture/before.png": (b"1", "first, before it changed"),
        "capture/page.txt": (b"again", ""),
        "capture/page.mhtml": (b"4", "first"),
        "capture/page.pdf": (b"5", "first"),
    }
    assert {artifact.digests.length for artifact in spool.artifacts if artifact.step == "text"} == {
        5
    }
    spool.set_aside(("viewport", "text"), but="capture/before.png")
    spool.put_back()
    assert {artifact.path for artifact in spool.artifacts} == set(kept)
    files = {f"capture/{path.name}" for path in tmp_path.rglob("*") if path.is_file()}
    assert files == set(kept)
    assert not spool.keep_aside("capture/viewport.png", "capture/again.png", "")


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert encode_utf8("a\ud83db 🦊") == "a\ufffdb 🦊".encode()
    assert encode_utf8("\ud83e\udd8a") == "🦊".encode()
