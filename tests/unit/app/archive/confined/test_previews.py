"""Previews are made in a process without rights, once, and kept in a folder of a fixed size."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import BinaryIO

import pytest
from PIL import Image

from snapshotter.app.archive.bundles import BundleMembers
from snapshotter.app.archive.confined import preview_main
from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.archive.confined.preview_process import PreviewProcesses
from snapshotter.app.archive.confined.previews import BLURRED, CLEAR, PICTURE, PreviewService
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import manifest, names, store_keys
from tests.archived import Archive
from tests.cases import in_one_test

_LONG_S = 60.0
ID = "20260527t080000z-k3v4q2m7xw4c5b6d"


def png(width: int = 400, height: int = 5_000, colour: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.service.stop()


@pytest.fixture
def previews(archive: Archive) -> Iterator[PreviewService]:
    made = PreviewService(
        archive.store, PreviewFolder(archive.folder / "previews"), PreviewProcesses()
    )
    yield made
    made.stop()


def test_a_thumbnail_is_made_once_and_kept(archive: Archive, previews: PreviewService) -> None:
    bundle_id = archive.put(0, png=png())
    assert previews.kept_thumbnail(bundle_id, "", is_blurred=False) is None

    assert previews.begin(bundle_id, CLEAR).result(_LONG_S) == ""

    for is_blurred in (False, True):
        data = previews.kept_thumbnail(bundle_id, "", is_blurred=is_blurred)
        assert data is not None
        assert Image.open(io.BytesIO(data)).size == (320, 240)
    for file in (archive.folder / "previews").rglob("*.*"):
        assert file.stat().st_mode & 0o777 == 0o600
    made = next((archive.folder / "previews").rglob(f"*.{CLEAR}")).stat()
    assert previews.begin(bundle_id, BLURRED).result(_LONG_S) == ""
    assert next((archive.folder / "previews").rglob(f"*.{CLEAR}")).stat() == made


def test_a_picture_is_made_in_pieces_and_kept(archive: Archive, previews: PreviewService) -> None:
    bundle_id = archive.put(0, png=png())
    digests = digests_of(archive, bundle_id)

    found = previews.picture(bundle_id, digests, timeout_s=_LONG_S).picture
    again = previews.picture(bundle_id, digests, timeout_s=0).picture

    assert found is not None
    assert (found.width, found.height) == (400, 5_000)
    assert [(piece.top, piece.height) for piece in found.pieces] == [
        (0, 2048),
        (2048, 2048),
        (4096, 904),
    ]
    for piece in found.pieces:
        assert Image.open(io.BytesIO(piece.data), formats=["JPEG"]).size == (400, piece.height)
    assert again == found


def digests_of(archive: Archive, bundle_id: str) -> dict[str, str]:
    """Return what the manifest of a bundle lists."""
    with archive.store.open(store_keys.bundle_key(bundle_id)) as stream:
        return manifest.parse(BundleMembers(stream).read(names.MANIFEST_SHA256, limit=1 << 20))


def alter(archive: Archive, bundle_id: str, old: bytes, new: bytes) -> None:
    """Write other bytes of the same length into a bundle, as who can write to the store can do."""
    file = archive.folder / "store" / store_keys.bundle_key(bundle_id)
    data = file.read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new)
    stat = file.stat()
    file.chmod(0o600)
    file.write_bytes(data.replace(old, new))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_preview_is_made_of_files_that_the_manifest_lists(
    archive: Archive, previews: PreviewService
) -> None:
    shown = png(64, 64)
    other = shown[:-5] + bytes(5)
    bundle_id = archive.put(0, png=shown)
    alter(archive, bundle_id, shown, other)

    for name in (CLEAR, PICTURE):
        problem = previews.begin(bundle_id, name).result(_LONG_S)
        assert "its manifest lists another capture/screenshot.png" in problem
    assert previews.kept_thumbnail(bundle_id, "", is_blurred=False) is None
    alter(archive, bundle_id, other, shown)  # the bytes are back, and so are the previews
    for name in (CLEAR, PICTURE):
        assert previews.begin(bundle_id, name).result(_LONG_S) == ""


def test_a_preview_is_made_and_shown_of_the_manifest_that_the_index_names(
    archive: Archive, previews: PreviewService
) -> None:
    bundle_id = archive.put(0, png=png())
    with archive.view() as view:
        known = view.source.index.manifest_digests([bundle_id])[bundle_id]
    digests = digests_of(archive, bundle_id)
    foreign = "0" * 64

    assert "another manifest" in previews.begin(bundle_id, CLEAR, foreign).result(_LONG_S)
    assert previews.begin(bundle_id, CLEAR, known).result(_LONG_S) == ""
    for manifest_of, is_shown in ((known, True), ("", True), (foreign, False)):
        thumbnail = previews.kept_thumbnail(bundle_id, manifest_of, is_blurred=True)
        assert (thumbnail is not None) is is_shown

    assert previews.picture(bundle_id, digests, timeout_s=_LONG_S).picture is not None
    # Whoever verified other files does not get the picture.
    changed = {**digests, "capture/screenshot.png": foreign}
    assert previews.kept_picture(bundle_id, changed).picture is None
    assert "verified picture" in previews.picture(bundle_id, changed, timeout_s=_LONG_S).problem


def test_a_preview_that_does_not_name_what_it_was_made_of_is_made_again(
    archive: Archive, previews: PreviewService
) -> None:
    bundle_id = archive.put(0, png=png())
    folder = PreviewFolder(archive.folder / "previews")
    for head in (
        b"RIFFxxxxWEBP",
        b"[]\n",
        b'{"manifest": 1, "files": {}}\n',
        b'{"manifest": "a"}\n',
    ):
        folder.put(bundle_id, CLEAR, head)
        assert previews.kept_thumbnail(bundle_id, "", is_blurred=False) is None

    assert previews.begin(bundle_id, CLEAR).result(_LONG_S) == ""

    assert previews.kept_thumbnail(bundle_id, "", is_blurred=False)


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG file that states a large picture."""
    data = bytearray(png(8, 8))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@in_one_test(
    "data",
    [
        b"no picture",
        png()[:200],
        bomb(2**31 - 1, 2**31 - 1),
        bomb(40_000, 40_000),
        bomb(1, 2**31 - 1),
    ],
)
def test_a_picture_that_cannot_be_read_has_a_reason_and_is_not_tried_again(data: bytes) -> None:
    processes = PreviewProcesses()
    with open_file(data) as file, pytest.raises(SnapshotterError):
        processes.make_thumbnails([file])
    with open_file(data) as file, pytest.raises(SnapshotterError):
        processes.make_picture([file], 1)


@contextlib.contextmanager
def open_file(data: bytes) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file


def test_a_capture_without_a_picture_has_a_reason(
    archive: Archive, previews: PreviewService
) -> None:
    without, strange = archive.put(0), archive.put(1, png=png()[:60])
    archive.write(f"bundles/2026/05/27/{ID}.wacz", b"no zip file")

    for bundle_id in (without, strange, ID):
        assert previews.begin(bundle_id, CLEAR).result(_LONG_S)
        assert previews.picture(bundle_id, {}, timeout_s=_LONG_S).picture is None
        assert previews.begin(bundle_id, PICTURE).done()  # it is known, and no process starts
    with pytest.raises(ValueError, match="id"):
        previews.kept_thumbnail("../../etc/passwd", "", is_blurred=False)


# What a decoder could do that was taken over by a picture.
_ATTEMPTS = """
import os, socket, sys
from snapshotter.app.archive.confined.preview_main import confine
confine(processor_s=5)
found = [dict(os.environ).get("SECRET", "")]
for attempt in (
    lambda: open("/etc/hostname").read(),
    lambda: open(os.__file__).read(),
    lambda: socket.socket(),
    lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR),
    lambda: os.pipe(),
):
    try:
        found.append(repr(attempt()))
    except OSError as error:
        found.append("")
found.append("root" if os.geteuid() == 0 else "")
print(found)
"""


def test_the_process_can_open_no_file_and_no_socket() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _ATTEMPTS],
        capture_output=True,
        check=True,
        text=True,
        timeout=_LONG_S,
    )

    assert done.stdout.strip() == str([""] * 7), done.stdout


def test_the_process_gets_no_environment() -> None:
    program = "import os, sys; sys.stdout.write(str(sorted(os.environ)))"
    processes = PreviewProcesses((sys.executable, "-I", "-c", program))
    with pytest.raises(SnapshotterError, match="as expected"):
        processes.make_thumbnails([])
    shown = subprocess.run(
        [sys.executable, "-I", "-c", program], env={}, capture_output=True, check=True, text=True
    )
    assert "HOME" not in shown.stdout


@in_one_test(
    ("program", "words"),
    [
        ("import time; time.sleep(600)", "took too long"),
        ("raise SystemExit(1)", "took too long"),
        ("raise SystemExit(3)", "cannot be read"),
        ("print('no json')", "as expected"),
        ("print('[1]')", "as expected"),
        ("print('{}')", "as expected"),
        ('print(\'{"clear": true, "blurred": 0}\')', "as expected"),
        ('print(\'{"clear": 99999999, "blurred": 0}\')', "as expected"),
        ("print('{\"clear\": 4, \"blurred\": 4}\\nRIFFWEBP', end='')", "as expected"),
        ("import sys; sys.stdout.write('{}' + 'x' * 9_999_999)", "as expected|too long"),
    ],
)
def test_an_answer_of_another_form_is_refused(program: str, words: str) -> None:
    processes = PreviewProcesses(
        (sys.executable, "-I", "-c", program),
        timeout_s={preview_main.THUMBNAIL: 1.0, preview_main.PICTURE: 1.0},
    )

    with pytest.raises(SnapshotterError, match=words):
        processes.make_thumbnails([])


def test_the_end_of_the_server_ends_the_processes(archive: Archive) -> None:
    processes = PreviewProcesses((sys.executable, "-I", "-c", "import time; time.sleep(600)"))
    previews = PreviewService(archive.store, PreviewFolder(archive.folder / "p"), processes)
    bundle_id = archive.put(0, png=png())
    begun = previews.begin(bundle_id, CLEAR)

    previews.stop()

    assert wait([begun], _LONG_S).done


def test_thumbnails_of_new_captures_are_made_once_pages_use_thumbnails(
    archive: Archive, previews: PreviewService
) -> None:
    first = archive.put(0, png=png())
    with archive.view() as view:
        previews.prepare(view)
    folder = PreviewFolder(archive.folder / "previews")
    assert folder.ids() == frozenset()

    previews.kept_thumbnail(first, "", is_blurred=False)
    second = archive.put(1, png=png())
    hidden = archive.put(2, png=png())
    archive.add_notice(hidden)
    with archive.view() as view:
        previews.prepare(view)
    for bundle_id in (first, second):
        assert previews.begin(bundle_id, CLEAR).result(_LONG_S) == ""

    assert folder.ids() == {first, second}


def test_previews_of_captures_that_are_gone_are_removed(
    archive: Archive, previews: PreviewService
) -> None:
    folder = PreviewFolder(archive.folder / "previews")
    there = archive.put(0)
    folder.put(there, CLEAR, b"one")
    folder.put(ID, CLEAR, b"another")

    with archive.view() as view:
        previews.prepare(view)

    assert folder.ids() == {there}


def test_a_full_folder_loses_its_oldest_previews(tmp_path: Path) -> None:
    folder = PreviewFolder(tmp_path / "p", max_bytes=100)
    ids = [f"2026052{day}t080000z-k3v4q2m7xw4c5b6d" for day in range(5)]
    for number, bundle_id in enumerate(ids):
        folder.put(bundle_id, CLEAR, b"x" * 30)
        os.utime(folder.files(bundle_id)[0], (number, number))

    assert folder.ids() == set(ids[2:])
    assert folder.read(ids[4], CLEAR) == b"x" * 30
    assert folder.read(ids[0], CLEAR) is None
    folder.remove(ids[4])
    assert folder.files(ids[4]) == []
