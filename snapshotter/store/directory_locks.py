"""
Record the legal holds and the retention of a directory store in files beside its objects.

    root/
      .locks/<key>     canonical JSON: mode, end of retention, legal hold
      .locks/.lock     locked (flock) while a record is changed, or an object deleted

The records are not enforced: our own commands honour them, and whoever can write to the
directory can remove record and object alike. They prevent a deletion by mistake, and they
tell a copy into a bucket with Object Lock which locks to request.

A record that cannot be read counts as a lock, because its content is unknown.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Any

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.model.bundle import LockState, Retention
from snapshotter.regular_file import open_regular
from snapshotter.translation import tr

FOLDER = ".locks"
FORMAT = "snapshotter-directory-lock/1"

_MAX_BYTES = 4096
_KEYS = {"format", "legal_hold", "mode", "retain_until"}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def encode(state: LockState) -> bytes:
    """Return the record of a lock as bytes."""
    retention = state.retention
    return canonical_json.dumps(
        {
            "format": FORMAT,
            "legal_hold": state.legal_hold,
            "mode": retention.mode if retention else "",
            "retain_until": canonical_json.instant(retention.until) if retention else None,
        }
    )


def parse(data: bytes) -> LockState:
    """
    Return the lock that a record states.

    Raises:
        EvidenceInvalid: Not the record of a lock.
    """
    value = canonical_json.loads(data)
    if not isinstance(value, dict) or set(value) != _KEYS or value["format"] != FORMAT:
        raise EvidenceInvalid(tr("the content of the file does not have the form of a lock record"))
    if type(value["legal_hold"]) is not bool:
        raise EvidenceInvalid(tr("the record of a lock does not state whether a legal hold exists"))
    return LockState(retention=_retention(value), legal_hold=value["legal_hold"])


def _retention(value: dict[str, Any]) -> Retention | None:
    if value["retain_until"] is None and value["mode"] == "":
        return None
    try:
        return Retention(
            until=canonical_json.parse_instant(value["retain_until"]), mode=value["mode"]
        )
    except ValueError as error:
        raise EvidenceInvalid(
            tr("the retention in the record of a lock is invalid: {error}", error=error)
        ) from error


def read(root: int, key: str) -> LockState:
    """
    Return the lock of a key, in the store whose root is open as `root`.

    Raises:
        SnapshotterError: There is a record, and it cannot be read.
    """
    try:
        with _folders(root, key, make=False) as folder:
            name = key.rpartition("/")[2]
            with os.fdopen(open_regular(name, inside=folder, follow=False), "rb") as stream:
                return parse(stream.read(_MAX_BYTES))
    except FileNotFoundError:
        return LockState()
    except (OSError, EvidenceInvalid) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise SnapshotterError(
            tr("the record of the lock on {key} cannot be read: {words}", key=key, words=words),
            hint=tr(
                "snapshotter treats the object as locked; compare the file {folder}/{key} with "
                "the same file in a replica",
                folder=FOLDER,
                key=key,
            ),
        ) from error


def change(root: int, key: str, how: Callable[[LockState], LockState]) -> LockState:
    """
    Replace the lock of a key by what `how` returns for it, durably; return the new one.

    The caller holds `hold_changes_lock`. Raises what `read` and `how` raise, and OSError.
    """
    before = read(root, key)
    after = how(before)
    if after == before:
        return before
    with _folders(root, key, make=True) as folder:
        # One name, for the caller is the only writer: what a crash leaves is written over.
        name, new = key.rpartition("/")[2], _growing(key)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o644, dir_fd=folder), "wb") as stream:
            stream.write(encode(after))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    return after


def forget(root: int, key: str) -> None:
    """Remove the record of a deleted key. The caller holds `hold_changes_lock`."""
    with contextlib.suppress(FileNotFoundError), _folders(root, key, make=False) as folder:
        for name in (_growing(key), key.rpartition("/")[2]):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        os.fsync(folder)


def _growing(key: str) -> str:
    return f".{key.rpartition('/')[2]}.new"


@contextlib.contextmanager
def hold_changes_lock(root: int) -> Iterator[None]:
    """Hold the lock under which records are changed and objects deleted."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(FOLDER, 0o755, dir_fd=root)
    folder = os.open(FOLDER, _DIRECTORY, dir_fd=root)
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(".lock", flags, 0o644, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:  # a file system without: then nobody can wait
                raise
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _folders(root: int, key: str, *, make: bool) -> Iterator[int]:
    """Open the folder with the record of a key."""
    with contextlib.ExitStack() as stack:
        inside = root
        for segment in (FOLDER, *key.split("/")[:-1]):
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(segment, 0o755, dir_fd=inside)
                    os.fsync(inside)
            descriptor = os.open(segment, _DIRECTORY, dir_fd=inside)
            stack.callback(os.close, descriptor)
            inside = descriptor
        yield inside
