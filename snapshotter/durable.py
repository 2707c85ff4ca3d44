"""
Write files and folders atomically, so that each is whole under its name or does not exist.

A file or folder is written under a hidden name in the same folder, `.<name>.<16 hex
digits>.growing`, synced, and only then renamed. It is locked (flock) while its writer lives; the
system releases the lock when the writer dies. So the next writer into the same folder can tell what
a dead writer left from what is in use, and removes it: a crash leaves no evidence and no secret
behind.

On a file system without locks the two cannot be told apart. There nothing is removed: what a crash
left stays, under a name that shows what it is.

All functions here raise OSError; the caller translates it.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_ENDING = ".growing"
_GROWING = re.compile(r"\..+\.[0-9a-f]{16}\.growing", re.DOTALL)
_LONGEST = 200  # bytes of a name that its growing file repeats; most file systems take 255
_ATTEMPTS = 100  # to make one that no sweep takes for left over
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_SHARED = 0o666  # less the umask


def write(target: Path, data: bytes, *, mode: int | None = None, over: bool = True) -> None:
    """Write a whole file; arguments and errors as for `growing`."""
    with growing(target, mode=mode, over=over) as out:
        out.write(data)


@contextlib.contextmanager
def growing(target: Path, *, mode: int | None = None, over: bool = True) -> Iterator[BinaryIO]:
    """
    Open a stream for writing and reading; at the end of the block it becomes the file `target`.

    The file is durable then. If the block raises, a file that existed before is unchanged.

    Args:
        mode: Permission bits; its owner alone can read it until it is whole. None: as the
            umask says.
        over: Whether it may replace another file.

    Raises:
        FileExistsError: Something has the name, and `over` is False.
        OSError: It cannot be written.
    """
    sweep(target.parent)
    with _claimed(target, _SHARED if mode is None else 0o600) as (part, descriptor):
        with os.fdopen(os.dup(descriptor), "w+b") as stream:
            yield stream
            stream.flush()
            if mode is not None:
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        if over:
            os.replace(part, target)
        else:
            name_new(part, target)
    sync(target.parent)


@contextlib.contextmanager
def growing_folder(target: Path) -> Iterator[Path]:
    """
    Make an empty folder; at the end of the block it becomes `target`, whole.

    Raises:
        OSError: It cannot be made, or `target` exists and is not empty.
    """
    sweep(target.parent)
    with _claimed(target, None) as (part, _):
        yield part
        os.replace(part, target)
    sync(target.parent)


def make_private_folder(folder: Path) -> None:
    """
    Make a folder if it does not exist, and its missing parents; only their owner may open them.

    `Path.mkdir` gives its mode to the folder alone, and not to the parents.

    Raises:
        OSError: It cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_private_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def sweep(folder: Path) -> int:
    """Remove what dead writers left in a folder; return how many there were."""
    swept = 0
    try:
        with os.scandir(folder) as entries:
            left = [entry for entry in entries if _GROWING.fullmatch(entry.name)]
    except PermissionError:
        return swept  # a folder that may be written to, and not looked into
    for entry in left:
        try:
            is_folder = entry.is_dir(follow_symlinks=False)
            # For writing: a lock over NFS asks for it, and a folder cannot be had so.
            access = os.O_RDONLY | os.O_DIRECTORY if is_folder else os.O_RDWR | os.O_NONBLOCK
            descriptor = os.open(entry.path, access | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # its writer was quicker, or it is not ours
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(Path(entry.path))
            swept += 1
        except OSError:
            continue  # a living writer's, or there are no locks here
        finally:
            os.close(descriptor)
    return swept


def sync(folder: Path) -> None:
    """Sync the names in a folder to the disk, if it can be opened for that."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def name_new(part: Path, target: Path) -> None:
    """Rename a complete file. Raises FileExistsError: something has the name."""
    try:
        os.link(part, target)  # unlike a rename, never replaces
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT, as on a stick that is handed over: of two writers at once the later one wins.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.replace(part, target)


@contextlib.contextmanager
def _claimed(target: Path, mode: int | None) -> Iterator[tuple[Path, int]]:
    """Make a growing file, or a folder without a mode, locked; its name is removed at the end."""
    part, descriptor = _claim(target, mode)
    try:
        yield part, descriptor
    finally:  # also on Ctrl-C; and a name that became `target` is not there any more
        try:
            _remove(part)
        finally:
            os.close(descriptor)


def _claim(target: Path, mode: int | None) -> tuple[Path, int]:
    name = os.fsencode(target.name)
    beginning = target.name if len(name) <= _LONGEST else hashlib.sha256(name).hexdigest()
    for _ in range(_ATTEMPTS):
        part = target.with_name(f".{beginning}.{secrets.token_hex(8)}{_ENDING}")
        if mode is None:
            part.mkdir()
            access = os.O_RDONLY | os.O_DIRECTORY
        else:
            access = os.O_RDWR | os.O_CREAT | os.O_EXCL
        try:
            descriptor = os.open(part, access | os.O_NOFOLLOW | os.O_CLOEXEC, mode or 0)
        except FileNotFoundError:
            if mode is None:
                continue  # swept between the two
            raise
        if _is_held(descriptor, part):
            return part, descriptor
        os.close(descriptor)
    raise OSError(errno.EAGAIN, "another process removes the file again and again", str(target))


def _is_held(descriptor: int, part: Path) -> bool:
    """Lock what was just made; False if a sweep found and removed it before that."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here: then nobody can sweep, either
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(part))
    except FileNotFoundError:
        return False


def _remove(part: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        try:
            part.unlink()
        except (IsADirectoryError, PermissionError):  # what unlink(2) says of a folder
            shutil.rmtree(part)
