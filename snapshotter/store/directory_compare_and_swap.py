"""
Lock a directory store while it replaces a small file that nobody else may change meanwhile.

    <root>/.swap          locked (flock) during compare and replace; empty, never removed
    <root>/.incoming/…    the new content, until it is renamed over the old file

Compare and replace are one step under the lock of `.swap`, which the system releases when
its holder ends. The new file is complete and synced before it gets its name, so a reader
sees the old file or the new one. A file that does not exist yet is created by link(2), like
every object of the store, and needs no lock.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr

_WAIT_S = 30.0  # for somebody else's compare and replace, which takes milliseconds
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def hold_swap_lock(root: int, url: str) -> Iterator[None]:
    """
    Lock the store for one process that compares and replaces.

    Args:
        root: The store's directory, opened.

    Raises:
        SnapshotterError: This file system has no locks.
        ServiceUnavailable: Another process has held it for 30 seconds.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(".swap", flags, 0o600, dir_fd=root)
    try:
        _lock(descriptor, url)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, url: str) -> None:
    end, pause = time.monotonic() + _WAIT_S, _FIRST_PAUSE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise ServiceUnavailable(
                    tr(
                        "another process has locked the log of {url} for more than {wait_s:.0f} s",
                        url=url,
                        wait_s=_WAIT_S,
                    ),
                    hint=tr(
                        "check whether another process still uses the log; a process releases "
                        "the lock of the log when the process ends"
                    ),
                ) from error
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                raise SnapshotterError(
                    tr(
                        "the file system of {url} does not support the locks that a log needs",
                        url=url,
                    ),
                    hint=tr("keep the store on a local file system or in a bucket"),
                ) from error
            raise
        else:
            return
