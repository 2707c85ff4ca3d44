"""The body of a target that is no page, as a file of its own."""

import gzip
import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from snapshotter.app.machine import SystemClock
from snapshotter.capture.page import file_target
from snapshotter.capture.record.recorder import MainBody
from snapshotter.capture.spool import Spool
from snapshotter.model.capture import Artifact
from tests.servers.hostile import brotli_bomb

PLAIN = b'{"answer": 42}\n' * 100
MOST = 1 << 20


def keep(tmp_path: Path, data: bytes, **facts: str) -> Artifact:
    file = tmp_path / "body"
    file.write_bytes(data)
    (tmp_path / "spool").mkdir(exist_ok=True)
    spool = Spool(tmp_path / "spool", SystemClock())
    body = replace(MainBody(file=file, media_type="application/json"), **facts)  # type: ignore[arg-type]
    file_target.save_body(body, spool, most=MOST)
    (kept,) = spool.artifacts
    assert not file.with_name("body-decoded").exists()
    return kept


@pytest.mark.parametrize(
    ("media_type", "coding", "path"),
    [
        ("application/pdf", "", "capture/target.pdf"),
        ("text/plain", "", "capture/target.txt"),
        ("application/x-unheard-of", "", "capture/target.bin"),
        ("../../etc/passwd", "", "capture/target.bin"),
        ("", "", "capture/target.bin"),
        ("application/json", "br", "capture/target.json.br"),
        ("application/json", "gzip, weird", "capture/target.json.gz.coded"),
    ],
)
def test_a_name_comes_from_the_media_type_and_from_nothing_of_the_servers_choosing(
    media_type: str, coding: str, path: str
) -> None:
    body = MainBody(file=Path("x"), media_type=media_type, coding=coding)

    assert file_target.artifact_path(body) == path


@pytest.mark.parametrize(
    ("media_type", "is_page"),
    [("text/html", True), ("application/xhtml+xml", True), ("", True), ("text/plain", False)],
)
def test_what_a_browser_renders_as_a_document_is_a_page(media_type: str, is_page: bool) -> None:
    assert file_target.is_page_media_type(media_type) is is_page


def test_a_body_without_a_coding_is_kept_byte_for_byte(tmp_path: Path) -> None:
    kept = keep(tmp_path, PLAIN)

    assert kept.file.read_bytes() == PLAIN
    assert (kept.path, kept.note) == ("capture/target.json", "the body of the answer")


@pytest.mark.parametrize("coding", ["gzip", "GZIP ", "x-gzip"])
def test_gzip_is_undone_in_all_its_members(tmp_path: Path, coding: str) -> None:
    kept = keep(tmp_path, gzip.compress(PLAIN) + gzip.compress(b"more"), coding=coding)

    assert kept.file.read_bytes() == PLAIN + b"more"
    assert kept.path == "capture/target.json"


def test_brotli_is_undone(tmp_path: Path) -> None:
    assert keep(tmp_path, _stored(b"hello"), coding="br").file.read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("data", "coding", "path"),
    [
        (gzip.compress(b" " * (MOST + 1), mtime=0), "gzip", "capture/target.json.gz"),
        (brotli_bomb(1024), "br", "capture/target.json.br"),
        (b"no gzip at all", "gzip", "capture/target.json.gz"),
        (gzip.compress(PLAIN, mtime=0)[:-9], "gzip", "capture/target.json.gz"),
        (b"\xff\xff\xff", "br", "capture/target.json.br"),
        (zlib.compress(PLAIN), "deflate", "capture/target.json.zz"),
    ],
    ids=["gzip bomb", "brotli bomb", "no gzip", "gzip cut", "no brotli", "deflate"],
)
def test_a_coding_that_is_broken_unknown_or_a_bomb_stays_on_and_is_named(
    tmp_path: Path, data: bytes, coding: str, path: str
) -> None:
    kept = keep(tmp_path, data, coding=coding)

    assert kept.file.read_bytes() == data
    assert kept.path == path
    assert (
        f"still in the content coding in which the server sent the body ({coding})"
    ) in kept.note


def test_of_a_body_that_was_cut_off_what_came_is_opened(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(range(256)) * 400, mtime=0)

    kept = keep(tmp_path, packed[: len(packed) // 2], coding="gzip", truncated="length")

    assert kept.path == "capture/target.json"
    assert kept.note.endswith("cut off (length)")
    assert (bytes(range(256)) * 400).startswith(kept.file.read_bytes())


def test_a_link_that_a_browser_laid_in_its_folder_leads_to_no_file_of_ours(tmp_path: Path) -> None:
    folder, key, file = tmp_path / "artifacts", tmp_path / "default.pem", tmp_path / ".target"
    folder.mkdir()
    key.write_text("a key")
    (folder / "download").symlink_to(key)

    file_target._link(folder, file)
    assert not os.path.lexists(file)

    (folder / "saved").write_text("what was saved")
    for _ in range(2):  # whichever of the two comes first
        file_target._link(folder, file)
    assert file.read_text() == "what was saved"
    assert not file.is_symlink()


def _stored(data: bytes) -> bytes:
    """Return a brotli stream that holds the bytes as they are (section 9.2)."""
    # WBITS 0; then ISLAST 0, MNIBBLES 4, MLEN - 1, ISUNCOMPRESSED 1: 21 bits, from the lowest.
    head = (len(data) - 1) << 4 | 1 << 20
    return head.to_bytes(3, "little") + data + b"\x03"
