"""
Open a path for reading only if it is a regular file.

The verifier and the file store use it for paths that strangers may have prepared.

Whoever can write to a folder can put anything under a name: a folder, a named pipe, a socket, a
device, a link. Opening a pipe waits for a writer, and opening a device may change its state. So the
kind of a path is checked first, the path is opened without waiting, and the kind of the opened file
is checked again, because the name may have been replaced in between.
"""

import errno
import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularFile(OSError):
    """The path is not a regular file; `strerror` names what it is."""


def open_regular(path: Path | str, *, inside: int | None = None, follow: bool = True) -> int:
    """
    Return a descriptor of a regular file, for reading. Never waits.

    Args:
        inside: A descriptor of the folder that `path` is relative to.
        follow: Whether the last part of the path may be a symbolic link.

    Raises:
        FileNotFoundError: Nothing has that name; with `follow`, also a link without a target.
        NotRegularFile: Something else has it.
        OSError: It cannot be opened.
        ValueError: A name with a zero byte.
    """
    _require_regular(os.stat(path, dir_fd=inside, follow_symlinks=follow), path)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags | (0 if follow else os.O_NOFOLLOW), dir_fd=inside)
    try:
        _require_regular(os.fstat(descriptor), path)
    except NotRegularFile:
        os.close(descriptor)
        raise
    return descriptor


def _require_regular(found: os.stat_result, path: Path | str) -> None:
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "an object of unknown kind")
        raise NotRegularFile(errno.EISDIR, f"the path is {kind}, not a regular file", str(path))
