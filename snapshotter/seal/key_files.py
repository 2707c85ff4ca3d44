"""
Read and write the files of signing keys, passphrases and other secrets.

`KeyFiles` writes a new key file completely or not at all, and never over an existing key. A secret
file that others can read is refused, and so is a key directory in which others may write.
"""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from snapshotter import durable
from snapshotter.errors import SnapshotterError, is_disk_full
from snapshotter.translation import tr

MAX_PASSPHRASE = 1024  # bytes

# Asked only when a key is encrypted, and at most once a key. Reads a file or a
# person; never an option's value or an environment variable, which others see.
PassphraseSource = Callable[[], bytes]

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class KeyFiles:
    """The files of one directory of keys; it need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Create the directory if it does not exist. Raises SnapshotterError, as `check` does."""
        try:
            durable.make_private_folder(self._path)
        except OSError as error:
            raise file_error(self._path, error) from error
        self.check()

    def check(self) -> None:
        """Refuse a directory in which others could replace a key."""
        if self._path.stat().st_mode & _OTHERS_WRITE:
            raise SnapshotterError(
                tr("other users can write to the key directory {path}", path=self._path),
                hint=tr(
                    "restrict the directory to its owner:\n  chmod 700 {path}", path=self._path
                ),
            )

    def replace(self, target: Path, content: bytes) -> None:
        """Replace a file durably and atomically, for its owner alone."""
        try:
            durable.write(target, content, mode=0o600)
        except OSError as error:
            raise file_error(self._path, error) from error

    def put_new(self, target: Path, content: bytes, *, mode: int) -> bool:
        """Write a file durably if there is none; return whether it was written."""
        try:
            durable.write(target, content, mode=mode, over=False)
        except FileExistsError:
            return False
        except OSError as error:
            raise file_error(self._path, error) from error
        return True


def passphrase_from_file(path: Path) -> bytes:
    """
    Return the first line of a file that its owner alone can read, without its line ending.

    Raises:
        SnapshotterError: The file is open to others, empty, too long or missing.
    """
    content = read_secret(path, MAX_PASSPHRASE + 2, what="a passphrase")
    line = content.split(b"\n", 1)[0].removesuffix(b"\r")
    if not 0 < len(line) <= MAX_PASSPHRASE:
        raise SnapshotterError(
            tr(
                "the first line of {path} is not a passphrase of 1 to {max_passphrase} bytes",
                path=path,
                max_passphrase=MAX_PASSPHRASE,
            )
        )
    return line


def read_secret(path: Path, limit: int, *, what: str) -> bytes:
    """Read a file that only its owner may use; the rights of the open file are checked."""
    try:
        with open(path, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            if mode & _OTHERS:
                raise SnapshotterError(
                    tr(
                        "{path} contains {what}, but other users can open the file (mode "
                        "{s_imode:04o})",
                        path=path,
                        what=what,
                        s_imode=stat.S_IMODE(mode),
                    ),
                    hint=tr("restrict the file to its owner:\n  chmod 600 {path}", path=path),
                )
            return _read_all(stream, path, limit)
    except OSError as error:
        raise file_error(path, error) from error


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file that its owner alone can read; an existing one stays unchanged."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(path, flags, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError as error:
        raise SnapshotterError(
            tr(
                "the file {path} already exists, and the command does not replace existing files",
                path=path,
            )
        ) from error
    except OSError as error:
        raise file_error(path, error) from error


def read_limited(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes. Raises SnapshotterError."""
    try:
        with open(path, "rb") as stream:
            return _read_all(stream, path, limit)
    except OSError as error:
        raise file_error(path, error) from error


def _read_all(stream: BinaryIO, path: Path, limit: int) -> bytes:
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise SnapshotterError(tr("{path} is longer than {limit} bytes", path=path, limit=limit))
    return content


def file_error(path: Path, error: OSError) -> SnapshotterError:
    """Return an error of the file system as one of ours."""
    hint = tr("free space on the disk of this directory") if is_disk_full(error) else ""
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        hint = tr("check the owner of the directory, or set keys_dir to a directory that you own")
    return SnapshotterError(f"{path}: {(error.strerror or str(error)).lower()}", hint=hint)
