"""
Implement a store in a directory, on one machine or on a shared mount.

    root/
      bundles/2026/11/24/<id>.wacz     mode 0444, one hard link
      .incoming/<random>               being written; locked (flock) by its living writer
      .aside/<name>.<random>           damaged objects that were replaced from another store
      .locks/<key>                     records of holds and retention (directory_locks.py)

A file is written completely under `.incoming`, synced, made read-only and only then given
its name by link(2), which fails if the name exists. So a named file is a whole object, and
of two writers exactly one succeeds. A file system without hard links (FAT, some network
mounts) is refused: no other call has this property on every supported system.

A directory is tamper-evident and not WORM: its owner can delete. Stored bundles are
protected by their signatures and timestamps; only a bucket adds Object Lock. Holds and
retention are records here, which `delete` and our commands honour. Paths are opened by
descriptor and no symbolic link below the root is followed, so that nothing is read or
written elsewhere.
"""

# `typing.override` begins with Python 3.12, and the stream below is made of overrides.
# mypy: disable-error-code="explicit-override"

import contextlib
import errno
import fcntl
import hashlib
import io
import itertools
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from snapshotter.errors import ServiceUnavailable, SnapshotterError, StoreFull, is_disk_full
from snapshotter.formats.bundle.store_keys import MAX_KEY, check_key, check_prefix, is_key
from snapshotter.model.bundle import LockState, ObjectVersion, Retention, StoredObject
from snapshotter.ports import Content, NotAnObject, TaggedContent
from snapshotter.regular_file import NotRegularFile, open_regular
from snapshotter.store import directory_compare_and_swap, directory_locks
from snapshotter.store.lock_rules import extended_lock, merged_lock, refuse_if_locked
from snapshotter.store.upload_content import check_sha256, open_content
from snapshotter.translation import tr

_INCOMING = ".incoming"
_ASIDE = ".aside"
_CHUNK = 1 << 20  # bytes per read
_BUFFER = 64 << 10  # bytes that a reader asks for at once
# Two changes of a folder within one tick of the file system's clock have the same time.
_SETTLED_S = 2
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
_GONE = {errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOTCONN}


class DirectoryStore:
    """
    An `ObjectStore` in a directory; one that does not exist yet is an empty store.

    A name cannot be both an object and a folder of objects, as it can in S3. Anything below
    the root that is not a regular file with a key's name is no object: it is neither listed
    nor changed.

    Args:
        root: The directory, created by the first write; may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._named: set[tuple[int, int]] = set()  # folders whose own names are on disk

    @property
    def url(self) -> str:
        """The directory's absolute path."""
        return str(self._root)

    @property
    def root(self) -> Path:
        """The directory's absolute path, links resolved."""
        return self._root

    def path(self, key: str) -> Path:
        """Return the path of a key's object, whether or not it exists."""
        return self._root / check_key(key)

    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        """See `ObjectStore.put_new`. A retention is noted before this returns."""
        check_key(key)
        check_sha256(sha256)
        with (
            open_content(source) as original,
            self._translated(key),
            contextlib.ExitStack() as stack,
        ):
            self._make_root()
            root = stack.enter_context(_opened(self._root))
            incoming = stack.enter_context(_folder(root, _INCOMING, mode=0o700))
            _sweep(incoming)
            # (1) The whole file under a name that nobody looks at. A crash from
            # here to (3) leaves a stray file that the next write sweeps away.
            name, descriptor = stack.enter_context(_incoming_file(incoming))
            length = _copy(original, descriptor, sha256)
            # (2) Bytes and mode reach the disk before any name does.
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
            # (3) The name, if it is free. A crash after this leaves a whole object.
            folders = stack.enter_context(self._folders(root, key, make=True))
            self._link(incoming, name, folders[-1], key, sha256)
            # (4) The names reach the disk: also those that another writer, who may
            # have died, made before us.
            for folder in reversed(folders):
                os.fsync(folder)
            # (5) The note of its lock: a crash before leaves the object without it, and the
            # same call again adds it.
            state = self._locked(root, key, retention)
        return _described(key, length, sha256, state)

    def head(self, key: str) -> StoredObject:
        """See `ObjectStore.head`. A directory keeps no digest."""
        with self.open(key) as stream:
            length = os.fstat(stream.fileno()).st_size
        with self._translated(key), _opened(self._root) as root:
            return _described(key, length, "", _noted(root, key))

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """See `ObjectStore.versions`. A directory has one of each object."""
        try:
            with self.open(key) as stream:
                length = os.fstat(stream.fileno()).st_size
        except FileNotFoundError:
            return ()
        return (ObjectVersion(key=key, version="", current=True, length=length),)

    def remains(self, prefix: str) -> frozenset[str]:
        """See `ObjectStore.remains`."""
        check_prefix(prefix)
        folder = prefix.rpartition("/")[0]
        aside = (f"{folder}/{name}" for name, _ in self._aside())
        return frozenset(
            (
                *(stored.key for stored in self.list(prefix)),
                *(key for key in aside if key.startswith(prefix)),
            )
        )

    def _aside(self) -> Sequence[tuple[str, str]]:
        """Return the objects set aside: the last segment of the key, and the name there."""
        try:
            names = sorted(os.listdir(self._root / _ASIDE))
        except FileNotFoundError:
            return ()
        return tuple((name.rpartition(".")[0], name) for name in names)

    def lock_state(self, key: str, version: str = "") -> LockState:
        """See `ObjectStore.lock_state`. Never enforced: notes are all that a directory has."""
        self.open(key).close()
        if version:
            raise FileNotFoundError(
                errno.ENOENT, tr("a store in a directory keeps no versions of objects"), key
            )
        with self._translated(key), _opened(self._root) as root:
            return directory_locks.read(root, key)

    def retain(self, key: str, retention: Retention) -> LockState:
        """See `ObjectStore.retain`."""
        self.open(key).close()
        return self._change(key, lambda state: extended_lock(state, retention, key))

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """See `ObjectStore.set_legal_hold`."""
        self.open(key).close()
        return self._change(key, lambda state: replace(state, legal_hold=on))

    def set_aside(self, key: str) -> None:
        """See `ObjectStore.set_aside`. The note of its lock stays where it is."""
        check_key(key)
        with self._translated(key), contextlib.ExitStack() as stack:
            root = stack.enter_context(_opened(self._root))
            stack.enter_context(directory_locks.hold_changes_lock(root))
            folders = stack.enter_context(self._folders(root, key, make=False))
            os.close(_open_object(folders[-1], key))
            aside = stack.enter_context(_folder(root, _ASIDE))
            name = f"{key.rpartition('/')[2]}.{secrets.token_hex(8)}"
            os.rename(key.rpartition("/")[2], name, src_dir_fd=folders[-1], dst_dir_fd=aside)
            os.fsync(aside)
            os.fsync(folders[-1])

    def delete(self, key: str, *, now: datetime) -> int:
        """See `ObjectStore.delete`. What was set aside of the key goes too."""
        check_key(key)
        with self._translated(key), contextlib.ExitStack() as stack:
            try:
                root = stack.enter_context(_opened(self._root))
            except FileNotFoundError:
                return 0
            # Nobody places a hold between our look and our deletion.
            stack.enter_context(directory_locks.hold_changes_lock(root))
            refuse_if_locked(directory_locks.read(root, key), key, self.url, now)
            count = self._unlink(root, key)
            for of, name in self._aside():
                if of == key.rpartition("/")[2]:
                    (self._root / _ASIDE / name).unlink(missing_ok=True)
                    count += 1
            directory_locks.forget(root, key)
        return count

    def _unlink(self, root: int, key: str) -> int:
        """Remove one object; return 1, or 0 if it did not exist."""
        try:
            with self._folders(root, key, make=False) as folders:
                os.close(_open_object(folders[-1], key))
                os.unlink(key.rpartition("/")[2], dir_fd=folders[-1])
                os.fsync(folders[-1])
        except FileNotFoundError:
            return 0
        return 1

    def _locked(self, root: int, key: str, retention: Retention | None) -> LockState:
        """Record a requested retention; return the recorded lock."""
        if retention is None:
            return _noted(root, key)
        with directory_locks.hold_changes_lock(root):
            return directory_locks.change(root, key, lambda state: merged_lock(state, retention))

    def _change(self, key: str, how: Callable[[LockState], LockState]) -> LockState:
        with (
            self._translated(key),
            _opened(self._root) as root,
            directory_locks.hold_changes_lock(root),
        ):
            return directory_locks.change(root, key, how)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        check_key(key)
        with self._translated(key), contextlib.ExitStack() as stack:
            root = stack.enter_context(_opened(self._root))
            folders = stack.enter_context(self._folders(root, key, make=False))
            raw = _ObjectFile(_open_object(folders[-1], key), partial(self._translated, key))
            return io.BufferedReader(raw, _BUFFER)

    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        """See `ObjectStore.list`. Holds the names of one folder at a time, and no digests."""
        check_prefix(prefix)
        return self._walk("", prefix, reverse)

    def folder_stamps(self, prefix: str, depth: int, *, now: datetime) -> dict[str, str]:
        """
        Return a text for each folder of objects that changes whenever an object in it is added,
        replaced or removed; "" for a folder that changed so recently that this is not certain.

        Args:
            prefix: The folder to begin at, with a "/" at its end.
            depth: How many levels below it the folders are; 0 for the folder itself.
            now: The present time.
        """
        check_prefix(prefix)
        folders = [prefix]
        for _ in range(depth):
            folders = [
                folder + name
                for folder in folders
                for name, _ in self._entries(folder, "", reverse=False)
                if name.endswith("/")
            ]
        stamps = {}
        for folder in folders:
            with contextlib.suppress(FileNotFoundError), self._translated(folder):
                found = (self._root / folder).lstat()
                is_settled = now.timestamp() - found.st_ctime > _SETTLED_S
                stamps[folder] = f"{found.st_ino} {found.st_ctime_ns}" if is_settled else ""
        return stamps

    def read(self, key: str, limit: int) -> TaggedContent:
        """See `CompareAndSwapStore.read`. The tag is the content's SHA-256."""
        with self.open(key) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise SnapshotterError(
                tr(
                    "{key} in {root} is longer than {limit} bytes",
                    key=key,
                    root=self._root,
                    limit=limit,
                )
            )
        return TaggedContent(data=data, tag=hashlib.sha256(data).hexdigest())

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        """See `CompareAndSwapStore.swap`. A created object is new, like any other."""
        check_key(key)
        sha256 = hashlib.sha256(data).hexdigest()
        with self._translated(key), contextlib.ExitStack() as stack:
            self._make_root()
            root = stack.enter_context(_opened(self._root))
            incoming = stack.enter_context(_folder(root, _INCOMING, mode=0o700))
            folders = stack.enter_context(self._folders(root, key, make=True))
            there = ""
            if tag:
                stack.enter_context(directory_compare_and_swap.hold_swap_lock(root, self.url))
                there = _digest_of(folders[-1], key)
                if there not in (tag, sha256):
                    return False
            _sweep(incoming)
            name, descriptor = stack.enter_context(_incoming_file(incoming))
            _write(descriptor, data)
            os.fchmod(descriptor, 0o444)
            os.fsync(descriptor)
            if not tag:
                try:
                    self._link(incoming, name, folders[-1], key, sha256)
                except FileExistsError:
                    return False
            elif there != sha256:
                last = key.rpartition("/")[2]
                os.rename(name, last, src_dir_fd=incoming, dst_dir_fd=folders[-1])
            # Also of what another wrote who may have died before it was on disk.
            self._sync(folders)
        return True

    def _sync(self, folders: Sequence[int]) -> None:
        """Sync the last folder, and the folders above it that are not synced yet."""
        os.fsync(folders[-1])
        for parent, folder in reversed(list(itertools.pairwise(folders))):
            found = os.fstat(folder)
            if (found.st_dev, found.st_ino) not in self._named:
                os.fsync(parent)
                self._named.add((found.st_dev, found.st_ino))

    def discard(self, key: str) -> None:
        """See `CompareAndSwapStore.discard`."""
        check_key(key)
        with self._translated(key), contextlib.ExitStack() as stack:
            try:
                root = stack.enter_context(_opened(self._root))
                folders = stack.enter_context(self._folders(root, key, make=False))
                os.unlink(key.rpartition("/")[2], dir_fd=folders[-1])
            except FileNotFoundError:
                return

    def _walk(self, folder: str, prefix: str, reverse: bool) -> Iterator[StoredObject]:
        # What a name here has to begin with; the rest of a prefix is for the folders below.
        beginning = prefix.removeprefix(folder).partition("/")[0] if prefix else ""
        if not prefix.startswith(folder):
            beginning = ""  # below the prefix: all of it
        for name, length in self._entries(folder, beginning, reverse):
            key = folder + name
            if len(key) > MAX_KEY:
                continue  # no key, so that nothing can open it, and deeper folders have none
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix, reverse)
            elif key.startswith(prefix):
                yield StoredObject(key=key, length=length, sha256="")

    def _entries(self, folder: str, beginning: str, reverse: bool) -> Sequence[tuple[str, int]]:
        """
        Return one folder's names in key order, folders with their "/", with lengths.

        No file is opened for a name with another prefix, so that the sidecars of one bundle are
        found quickly among those of a day.
        """
        with self._translated(folder), contextlib.ExitStack() as stack:
            try:
                descriptor = stack.enter_context(_opened(self._root))
                for segment in folder.split("/")[:-1]:
                    descriptor = stack.enter_context(_opened(segment, inside=descriptor))
            except FileNotFoundError:
                return []  # not made yet, or removed since its name was read
            entries = []
            for entry in stack.enter_context(os.scandir(descriptor)):
                if not (entry.name.startswith(beginning) and is_key(entry.name)):
                    continue
                # "a-b" sorts before "a/c", as it does in a bucket: hence the slash.
                if entry.is_dir(follow_symlinks=False):
                    entries.append((entry.name + "/", 0))
                elif entry.is_file(follow_symlinks=False):
                    # Of a log's staged batches some go while they are listed.
                    with contextlib.suppress(FileNotFoundError):
                        entries.append((entry.name, entry.stat(follow_symlinks=False).st_size))
        return sorted(entries, reverse=reverse)

    def _make_root(self) -> None:
        missing = []
        folder = self._root
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            with _opened(folder.parent) as parent:
                os.fsync(parent)

    @contextlib.contextmanager
    def _folders(self, root: int, key: str, *, make: bool) -> Iterator[Sequence[int]]:
        """Open every folder on the way to a key, the root first."""
        with contextlib.ExitStack() as stack:
            folders = [root]
            for segment in key.split("/")[:-1]:
                try:
                    step = _folder(folders[-1], segment) if make else _opened(segment, folders[-1])
                    folders.append(stack.enter_context(step))
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR):
                        raise NotRegularFile(
                            error.errno,
                            tr("{segment} is not a folder of the store", segment=segment),
                            key,
                        ) from error
                    raise
            yield folders

    def _link(self, incoming: int, name: str, folder: int, key: str, sha256: str) -> None:
        last = key.rpartition("/")[2]
        try:
            os.link(name, last, src_dir_fd=incoming, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            there = _digest_of(folder, key)
            if not there:  # and gone since then: the key is free
                self._link(incoming, name, folder, key, sha256)
            elif there != sha256:
                raise FileExistsError(
                    errno.EEXIST,
                    tr("an object with this key and different content already exists"),
                    key,
                ) from None
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise SnapshotterError(
                    tr("the file system of {root} does not support hard links", root=self._root),
                    hint=tr(
                        "put the store in a directory on ext4, XFS, Btrfs, ZFS, APFS or NFS, and "
                        "copy the files from that store to this file system: a store needs hard "
                        "links so that objects are never overwritten"
                    ),
                ) from error
            raise

    @contextlib.contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Translate errors of the file system into those of the contract."""
        try:
            yield
        except FileNotFoundError as error:
            raise FileNotFoundError(errno.ENOENT, tr("the object does not exist"), key) from error
        except FileExistsError:
            raise
        except OSError as error:
            raise self._translate(error, key) from error

    def _translate(self, error: OSError, key: str) -> SnapshotterError:
        root, code = self._root, error.errno
        if isinstance(error, NotRegularFile):
            return NotAnObject(
                tr(
                    "{key} in {root} is not an object: {strerror}",
                    key=key,
                    root=root,
                    strerror=error.strerror,
                ),
                hint=tr(
                    "replace {key} with a regular file: every object of a store is a regular "
                    "file, and a store does not follow symbolic links"
                ),
            )
        if is_disk_full(error):
            return StoreFull(
                tr("no space is left in {root}", root=root),
                hint=tr("free disk space and try again; nothing was stored"),
            )
        if code in (errno.EACCES, errno.EPERM):
            return SnapshotterError(
                tr(
                    "permission to use {filename} in {root} is missing",
                    filename=error.filename or key,
                    root=root,
                ),
                hint=tr("check the owner and mode of the directory"),
            )
        if code == errno.EROFS:
            return SnapshotterError(
                tr("{root} is on a read-only file system", root=root),
                hint=tr("use a directory that is writable"),
            )
        if code in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
            return SnapshotterError(
                tr(
                    "{key} in {root} cannot be used, because the path contains a symbolic link, "
                    "a file where a folder is expected, or a folder where a file is expected",
                    key=key or "the listing",
                    root=root,
                ),
                hint=tr("correct the path; a store does not follow symbolic links"),
            )
        if code in _GONE:
            return ServiceUnavailable(
                tr("the file system of {root} does not answer", root=root),
                hint=tr("check the mounted file system, then try again"),
            )
        return SnapshotterError(
            f"{root}: {error.strerror or error}",
            hint=tr("check the disk and the file system of the store"),
        )


def _noted(root: int, key: str) -> LockState:
    """Return the recorded lock if it can be read; `lock_state` raises the error otherwise."""
    try:
        return directory_locks.read(root, key)
    except SnapshotterError:
        return LockState()


def _described(key: str, length: int, sha256: str, state: LockState) -> StoredObject:
    retention = state.retention
    return StoredObject(
        key=key,
        length=length,
        sha256=sha256,
        retain_until=retention.second if retention else None,
        lock_mode=retention.mode if retention else "",
        legal_hold=state.legal_hold,
    )


@contextlib.contextmanager
def _opened(path: Path | str, inside: int | None = None) -> Iterator[int]:
    descriptor = os.open(path, _DIRECTORY, dir_fd=inside)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _folder(inside: int, name: str, *, mode: int = 0o777) -> Iterator[int]:
    """Make a folder if it is missing, and open it."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=inside)
    with _opened(name, inside) as descriptor:
        yield descriptor


def _open_object(folder: int, key: str) -> int:
    return open_regular(key.rpartition("/")[2], inside=folder, follow=False)


class _ObjectFile(io.FileIO):
    """One open object; read errors become the errors of the store's contract."""

    def __init__(
        self, descriptor: int, translated: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(descriptor, "rb")
        self._translated = translated

    def readinto(self, buffer: Any) -> int | None:
        with self._translated():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._translated():
            return super().readall()


@contextlib.contextmanager
def _incoming_file(incoming: int) -> Iterator[tuple[str, int]]:
    """Create an incoming file, locked while this process lives, and remove its name at the end."""
    name, descriptor = _make_incoming(incoming)
    try:
        yield name, descriptor
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=incoming)
        os.close(descriptor)


def _make_incoming(incoming: int) -> tuple[str, int]:
    for _ in range(100):
        name = secrets.token_hex(16)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=incoming)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return name, descriptor  # then nobody can sweep here, either
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                os.close(descriptor)
                raise
        else:
            if os.fstat(descriptor).st_nlink:
                return name, descriptor
        # A sweeper saw the file between our open and our lock, and took it for a stray.
        os.close(descriptor)
    raise OSError(errno.EAGAIN, tr("a temporary file could not be created"), _INCOMING)


def _sweep(incoming: int) -> None:
    """
    Remove the incoming files of dead writers: those that nobody has locked.

    A file that was linked already loses its second name, and stays an object.
    """
    for name in os.listdir(incoming):
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=incoming
            )
        except OSError:
            continue  # its writer was quicker, or it is not ours to look at
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(name, dir_fd=incoming)
        except OSError:
            continue  # a living writer's, or this file system has no locks
        finally:
            os.close(descriptor)


def _digest_of(folder: int, key: str) -> str:
    """Return the SHA-256 of an object; "" if it does not exist."""
    try:
        with os.fdopen(_open_object(folder, key), "rb") as there:
            return hashlib.file_digest(there, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _copy(original: BinaryIO, descriptor: int, sha256: str) -> int:
    """Copy; return the number of bytes. Raises SnapshotterError if the digest differs."""
    digest, length = hashlib.sha256(), 0
    while chunk := original.read(_CHUNK):
        digest.update(chunk)
        length += len(chunk)
        _write(descriptor, chunk)
    if digest.hexdigest() != sha256:
        raise SnapshotterError(
            tr("the data to be stored changed after their digest was computed"),
            hint=tr(
                "nothing was stored; check the memory of this machine and the disk of "
                "spool_dir for damage"
            ),
        )
    return length
