"""
Spool directories: where a capture lives until it is a bundle in the store.

Each holds a lock file that its owner keeps locked. The kernel lets go of the lock
when the owner dies, however it dies, so that the next run can tell what is left
over from what is in use, and sweeps the former away: a crash leaves no litter. A
bundle that was sealed and not yet stored can not be made again: no directory that
holds one is ever removed.
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

from snapshotter.errors import SnapshotterError, is_disk_full

_LOCK = "in-use.lock"
_FILES = "files"
_ELSEWHERE = re.compile(r"snapshotter-[0-9a-f]{16}")  # a browser's directory outside of the spool
_ATTEMPTS = 10  # to make a directory that a sweep takes for left over; to remove one in use
_AGAIN_S = 0.05


@contextlib.contextmanager
def spool_directory(root: Path, name: str) -> Iterator[Path]:
    """
    Give an empty directory of our own below `root`; it is gone when the block ends.

    Unless a sealed bundle (`*.wacz`) is still in it then: who stored it removes it.

    Raises:
        SnapshotterError: It can not be made.
    """
    directory = root / name
    files = directory / _FILES
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
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
    Sweep, and give an empty directory of our own, as `spool_directory` does, for what is made on
    the way.

    Args:
        what: The beginning of its name: which command left it, where one did.

    Raises:
        SnapshotterError: It can not be made.
    """
    sweep(root)
    with spool_directory(root, f"{what}-{secrets.token_hex(8)}") as directory:
        yield directory


def sweep(root: Path, sealed: Callable[[Path], None] | None = None) -> int:
    """
    Remove the spool directories of captures that died; return how many.

    Args:
        sealed: Given each sealed bundle that is found, to move it away. While one is
            left, so is its directory.
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
        f"no spool directory can be made in {root}: {error.strerror}",
        hint="make room on its disk, or set spool_dir to a directory on another"
        if full
        else "set spool_dir to a directory that you may write to",
    )


def _claim(directory: Path) -> int:
    """
    Make a directory and its lock, and return the lock's descriptor, held.

    Until the lock is held, another process's sweep may take the directory for
    left over: then it is gone, and is made again.
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
    raise FileExistsError(errno.EEXIST, "another process removes it again and again")


def _sealed(directory: Path) -> list[Path]:
    return sorted((directory / _FILES).glob("*.wacz"))


def _remove(directory: Path) -> bool:
    """
    Remove a spool directory, its lock last: what a crash leaves can be swept again.

    A browser's temporary directory may have to stand elsewhere, for a short path; a link
    in the browser's own leads to it. Links to anything but such a directory are not followed.
    Returns False while a sealed bundle is in it, or somebody writes to it.
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
