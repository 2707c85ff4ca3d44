"""
Make spool directories, which hold a capture until its bundle is stored, and remove abandoned ones.

`scratch_directory` makes one for other temporary files. Each directory holds a lock file that its
owner keeps locked. The kernel releases the lock when the owner ends, however it ends. So the next
run tells abandoned directories from those in use, and removes the abandoned ones (`sweep`). A page
cannot be captured again as it was, so a directory that holds a sealed bundle is never removed.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import SnapshotterError, is_disk_full
from snapshotter.translation import tr

_LOCK = "in-use.lock"
_FILES = "files"
_ELSEWHERE = re.compile(r"snapshotter-[0-9a-f]{16}")  # a browser's directory outside of the spool
_ATTEMPTS = 10  # to make a directory that a sweep takes for left over; to remove one in use
_AGAIN_S = 0.05


@contextlib.contextmanager
def spool_directory(root: Path, name: str) -> Iterator[Path]:
    """
    Yield an empty directory below `root`; remove it when the block ends.

    It stays if it then holds a sealed bundle (`*.wacz`), which is removed after it was stored.

    Raises:
        SnapshotterError: The directory cannot be made.
    """
    directory = root / name
    files = directory / _FILES
    try:
        durable.make_private_folder(root)
        descriptor = _claim(directory)
    except OSError as error:
        raise _unmade(root, error) from error
    try:
        try:
            files.mkdir()
        except OSError as error:
            raise _unmade(root, error) from error
        yield files
    finally:
        _remove(directory)
        os.close(descriptor)


@contextlib.contextmanager
def scratch_directory(root: Path, what: str) -> Iterator[Path]:
    """
    Sweep, and yield an empty directory for temporary files, as `spool_directory` does.

    Args:
        what: The beginning of its name: the command that uses it.

    Raises:
        SnapshotterError: The directory cannot be made.
    """
    sweep(root)
    with spool_directory(root, f"{what}-{secrets.token_hex(8)}") as directory:
        yield directory


def sweep(root: Path, sealed: Callable[[Path], None] | None = None) -> int:
    """
    Remove the spool directories of captures that died; return how many.

    Args:
        sealed: Gets each sealed bundle that is found, and moves it away. A directory that still
            holds one stays.
    """
    swept = 0
    if not root.is_dir():
        return swept
    for directory in sorted(root.iterdir()):
        if not directory.is_dir():
            continue
        try:
            descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            # Its owner is between making the directory and the lock, or died there:
            # an empty directory can go, and rmdir takes no other.
            with contextlib.suppress(OSError):
                directory.rmdir()
            continue
        except OSError:
            continue  # somebody else's: theirs to sweep
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            if not os.fstat(descriptor).st_nlink:
                continue  # its owner was quicker, and the name may be another's by now
            if sealed:
                for bundle in _sealed(directory):
                    sealed(bundle)
            swept += _remove(directory)
        finally:
            os.close(descriptor)
    return swept


def _unmade(root: Path, error: OSError) -> SnapshotterError:
    full = is_disk_full(error)
    return SnapshotterError(
        tr(
            "the spool directory cannot be made in {root}: {strerror}",
            root=root,
            strerror=error.strerror,
        ),
        hint=tr(
            "free space on the disk of the spool directory, or set spool_dir to a directory "
            "on another disk"
        )
        if full
        else tr("set spool_dir to a directory that you may write to"),
    )


def _claim(directory: Path) -> int:
    """
    Make a directory with its lock; return the descriptor of the held lock.

    Until the lock is held, a sweep of another process may remove the directory. Then it is made
    again.
    """
    for _ in range(_ATTEMPTS):
        directory.mkdir(mode=0o700)
        try:
            descriptor = os.open(directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue
        except OSError:
            directory.rmdir()
            raise
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # a sweep holds it while it removes an empty folder
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
    raise FileExistsError(
        errno.EEXIST, tr("another process repeatedly removes the spool directory")
    )


def _sealed(directory: Path) -> list[Path]:
    return sorted((directory / _FILES).glob("*.wacz"))


def _remove(directory: Path) -> bool:
    """
    Remove a spool directory, its lock last, so that a crash leaves it to the next sweep.

    A browser's temporary directory may be elsewhere, to have a short path; a link in the spool
    leads to it. No other links are followed. Returns False if the directory holds a sealed bundle,
    or if another thread writes to it.
    """
    # Of the browser that captures, beside the files; of one that prints or replays, among them.
    for link in (*directory.glob("*/elsewhere"), *directory.glob("*/*/elsewhere")):
        if link.is_symlink() and _ELSEWHERE.fullmatch((target := link.readlink()).name):
            shutil.rmtree(target, ignore_errors=True)
    if _sealed(directory):
        return False
    for _ in range(_ATTEMPTS):
        for inside in _inside(directory):
            _remove_whatever(inside)
        if not _inside(directory):
            shutil.rmtree(directory, ignore_errors=True)
            return True
        time.sleep(_AGAIN_S)  # a thread that was given up writes its last file
    return False  # with its lock, so that the next sweep finds it


def _inside(directory: Path) -> list[Path]:
    try:
        return [path for path in directory.iterdir() if path.name != _LOCK]
    except FileNotFoundError:
        return []  # its owner was quicker


def _remove_whatever(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
