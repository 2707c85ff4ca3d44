"""
Write files that only their owner may read, and lock the folders that hold them.

Such files are on this machine, outside of every store: reminders of owed tokens, salts, seen
versions of trust files, and the states of audits and of logs.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr

_LOCK = ".lock"
_RETRY_S = 0.1  # between two attempts at a lock that another process holds


def write_private(path: Path, data: bytes, *, is_new: bool = False) -> None:
    """
    Write a private file so that it exists whole or not at all, also after a crash.

    Args:
        is_new: Never replace an existing file.

    Raises:
        FileExistsError: The file exists, and `is_new` was given.
        SnapshotterError: The file cannot be written.
    """
    try:
        durable.make_private_folder(path.parent)
        durable.write(path, data, mode=0o600, over=not is_new)
    except OSError as error:
        if is_new and isinstance(error, FileExistsError) and path.is_file():
            raise
        raise SnapshotterError(
            tr("{path} cannot be written: {strerror}", path=path, strerror=error.strerror)
        ) from error


def require_writable(directory: Path) -> None:
    """
    Check that files can be written to a directory, and leave nothing there.

    For a directory that does not exist, its nearest existing parent is checked.

    Raises:
        SnapshotterError: Files cannot be written there.
    """
    existing = directory
    try:
        while not existing.exists() and not existing.is_symlink():
            existing = existing.parent
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise SnapshotterError(
            tr(
                "the directory {directory} cannot be written to: {strerror}",
                directory=directory,
                strerror=error.strerror,
            ),
            hint=tr(
                "nothing was captured, because snapshotter keeps data of captures"
                " in this directory. Give this user the right to write to the "
                "directory"
            ),
        ) from error


@contextlib.contextmanager
def lock_directory(directory: Path, *, wait_s: float) -> Iterator[bool]:
    """
    Hold the lock of a directory; yield False if another process holds it longer than `wait_s`.

    The directory is made if it does not exist. The kernel releases the lock when its holder
    ends, however it ends.

    Raises:
        ServiceUnavailable: The directory cannot be locked.
    """
    try:
        durable.make_private_folder(directory)
        descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceUnavailable(
            tr(
                "the directory {directory} cannot be locked: {strerror}",
                directory=directory,
                strerror=error.strerror,
            )
        ) from error
    try:
        yield _lock(directory, descriptor, wait_s)
    finally:
        os.close(descriptor)


def _lock(directory: Path, descriptor: int, wait_s: float) -> bool:
    end = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(_RETRY_S)
        except OSError as error:
            raise ServiceUnavailable(
                tr(
                    "the directory {directory} cannot be locked: {strerror}",
                    directory=directory,
                    strerror=error.strerror,
                )
            ) from error
        else:
            return True
