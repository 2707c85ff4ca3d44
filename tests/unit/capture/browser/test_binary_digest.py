"""The digest of the browser in a record is that of the file as it is, also if it was kept."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.capture.browser import binary_digest
from snapshotter.capture.browser.binary_digest import binary_sha256
from tests.unit.capture.browser.programs import executable

_LATER_NS = 10_000_000_000
_OTHER = "0" * 64  # a kept digest that shows that it was used


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return executable(tmp_path / "browser")


@pytest.fixture
def kept(tmp_path: Path, program: Path) -> Path:
    """Return a directory with the kept digest of the program, which says `_OTHER`."""
    folder = tmp_path / "kept"
    binary_sha256(program, folder)
    file = _file(folder)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"sha256": _OTHER}))
    _set_time(file, program.stat().st_ctime_ns + _LATER_NS)
    binary_digest._sha256.cache_clear()  # as in a new process
    return folder


def _file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def _set_time(file: Path, at_ns: int) -> None:
    os.utime(file, ns=(at_ns, at_ns))


def _true(program: Path) -> str:
    return hashlib.sha256(program.read_bytes()).hexdigest()


def test_the_digest_of_a_program_follows_the_file(program: Path) -> None:
    before = binary_sha256(program)
    program.write_bytes(b"another one, longer")

    assert before != binary_sha256(program) == _true(program)


def test_a_kept_digest_is_private_and_true(tmp_path: Path, program: Path) -> None:
    folder = tmp_path / "kept"

    assert binary_sha256(program, folder) == _true(program)
    assert json.loads(_file(folder).read_text())["sha256"] == _true(program)
    assert (folder.stat().st_mode & 0o777, _file(folder).stat().st_mode & 0o777) == (0o700, 0o600)


def test_an_unchanged_program_is_not_read_again(program: Path, kept: Path) -> None:
    assert binary_sha256(program, kept) == _OTHER


def test_a_program_is_read_again_if_its_time_of_change_was_set_back(
    program: Path, kept: Path
) -> None:
    before = program.stat()
    program.write_bytes(bytes(reversed(program.read_bytes())))
    os.utime(program, ns=(before.st_atime_ns, before.st_mtime_ns))
    _set_time(_file(kept), program.stat().st_ctime_ns + _LATER_NS)
    after = program.stat()
    assert (after.st_ino, after.st_size, after.st_mtime_ns) == (
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
    )

    assert binary_sha256(program, kept) == _true(program)


def _write_soon(kept: Path, program: Path) -> None:
    _set_time(_file(kept), program.stat().st_ctime_ns + 1_000_000)


def _open_folder(kept: Path, program: Path) -> None:
    kept.chmod(0o770)


def _open_file(kept: Path, program: Path) -> None:
    _file(kept).chmod(0o666)


def _damage(kept: Path, program: Path) -> None:
    _rewrite(kept, b"\0" * 200)


def _keep_text(kept: Path, program: Path) -> None:
    _rewrite(kept, b'"text"')


def _keep_no_digest(kept: Path, program: Path) -> None:
    _rewrite(kept, _file(kept).read_bytes().replace(_OTHER.encode(), b""))


def _rewrite(kept: Path, data: bytes) -> None:
    at = _file(kept).stat().st_mtime_ns
    _file(kept).write_bytes(data)
    _set_time(_file(kept), at)


@pytest.mark.parametrize(
    "change", [_write_soon, _open_folder, _open_file, _damage, _keep_text, _keep_no_digest]
)
def test_a_kept_digest_that_cannot_be_relied_on_is_not_used(
    program: Path, kept: Path, change: Callable[[Path, Path], None]
) -> None:
    change(kept, program)

    assert binary_sha256(program, kept) == _true(program)


def test_a_program_is_hashed_where_nothing_can_be_kept(tmp_path: Path, program: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")

    assert binary_sha256(program, in_the_way / "kept") == _true(program)
