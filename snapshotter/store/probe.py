"""
Test which promises a store keeps, before evidence is stored in it.

Of eight S3 servers that we tried, four accepted `If-None-Match: *` and overwrote the object
nevertheless, and four accepted Object Lock headers and dropped them. So each promise is
tested with tiny objects under `_probe/`, which are removed afterwards. A locked object has
to stay until its lock ends, within a minute; a later probe removes it.

The caller may reuse a result for a while. Besides, `S3Store.put_new` reads back the lock of every
object that it stores with a retention.
"""

import base64
import contextlib
import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.bundle import StoredObject
from snapshotter.ports import Clock, IdSource
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.s3 import S3Store
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FOLDER = "_probe"
LOCK_SECONDS = 45  # long enough to be refused, short enough to be gone soon
_RACERS = 4
_STALE = timedelta(minutes=10)  # what an earlier probe left; a younger one may still be at work
_RIGHT = b"snapshotter probe: right\n"
_WRONG = b"snapshotter probe: wrong\n"
_DENIED = ("AccessDenied", "403")
_GONE = ("NoSuchKey", "NoSuchVersion", "404")
_UNREADABLE = "unreadable"  # instead of a lock mode: these credentials may not read it

# In the order of a report. Without the first two a store must not hold evidence.
ESSENTIAL = ("create_if_absent", "list_after_write", "range_reads")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise, whether the store keeps it, and how that was tested."""

    name: str
    kept: bool | None  # None: could not be tested, or does not apply
    how: str  # one plain sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProbe:
    """The tested promises of one store."""

    url: str
    at: datetime
    promises: tuple[Promise, ...]
    left_behind: tuple[str, ...] = ()  # keys that could not be removed yet

    def kept(self, name: str) -> bool:
        """Whether a promise is kept; False if it could not be tested. Raises KeyError."""
        return {promise.name: promise.kept for promise in self.promises}[name] is True

    @property
    def usable(self) -> bool:
        """Whether evidence may be stored here."""
        return all(self.kept(name) for name in ESSENTIAL)

    @property
    def keeps_logs(self) -> bool:
        """Whether a log may be written here by more than one writer."""
        return self.usable and self.kept("compare_and_swap")

    @property
    def locks(self) -> bool:
        """Whether a retention period is enforced here; False if that is not established."""
        return self.kept("lock_enforced")

    @property
    def lock_test(self) -> Promise:
        """The promise `lock_enforced`; its `kept` is None if that is not established."""
        return next(promise for promise in self.promises if promise.name == "lock_enforced")


def probe(store: DirectoryStore | S3Store, clock: Clock, ids: IdSource) -> StoreProbe:
    """
    Test every promise of a store, in about a second.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: Not even a first object could be written.
    """
    folder = f"{FOLDER}/{ids.random_bytes(16).hex()}"
    now = clock.now()
    left: tuple[str, ...] = ()
    if isinstance(store, DirectoryStore):
        promises = _probe_directory(store, folder)
    else:
        promises, left = _S3Probe(store, folder, now).run()
    return StoreProbe(url=store.url, at=now, promises=promises, left_behind=left)


def refuse_if_unfit_for_log(result: StoreProbe) -> None:
    """
    Check that a store can hold a log: its compare-and-swap was tested.

    Raises:
        SnapshotterError: The test failed.
    """
    if not result.keeps_logs:
        how = next(p.how for p in result.promises if p.name == "compare_and_swap")
        raise SnapshotterError(
            tr("{url} cannot keep a log: {how}", url=result.url, how=how),
            hint=tr(
                "use another endpoint or a directory, or switch the log off with the setting "
                "log = false"
            ),
        )


def lock_test_hint() -> str:
    """Return what to do if it is not established whether a store enforces retention."""
    return tr(
        "test the store with credentials that have the permissions s3:DeleteObject and "
        "s3:DeleteObjectVersion on _probe/*, and s3:PutObjectRetention:\n  snapshotter store "
        "check --require-lock"
    )


def refuse_if_not_locking(result: StoreProbe) -> None:
    """
    Check that a store enforces retention.

    Raises:
        SnapshotterError: The test failed, or these credentials could not make it.
    """
    test = result.lock_test
    if test.kept is None:
        raise SnapshotterError(
            tr(
                "it is not established whether {url} enforces retention: {how}",
                url=result.url,
                how=test.how,
            ),
            hint=lock_test_hint(),
        )
    if not test.kept:
        raise SnapshotterError(
            tr("{url} does not enforce retention: {how}", url=result.url, how=test.how),
            hint=tr(
                "use a bucket that was created with Object Lock, or a policy without retention"
            ),
        )


def _probe_directory(store: DirectoryStore, folder: str) -> tuple[Promise, ...]:
    with contextlib.ExitStack() as stack:
        key = f"{folder}/object"
        stack.callback(_remove_folder, store.root / FOLDER, store.root / folder)
        # This one raises when nothing can be written here: then there is nothing to report.
        store.put_new(key, _RIGHT, _sha256(_RIGHT))
        return (
            _race(store, f"{folder}/race"),
            _swaps(store, f"{folder}/swapped"),
            _refused(
                "checksum_verified",
                SnapshotterError,
                lambda: store.put_new(f"{folder}/damaged", _RIGHT, _sha256(_WRONG)),
                tr("a write whose content did not match the stated SHA-256 was refused"),
                tr("a write whose content did not match the stated SHA-256 was accepted"),
            ),
            Promise(
                name="checksum_kept",
                kept=False,
                how=tr(
                    "a store in a directory keeps no digests of objects; each bundle "
                    "contains the digests of its files"
                ),
            ),
            _judge(
                "read_only",
                os.stat(store.path(key)).st_mode & 0o222 == 0,
                tr("a stored file has no write permission"),
                tr("this file system does not remove the write permission of a stored file"),
            ),
            Promise(
                name="synced",
                kept=True,
                how=tr("fsync of the file and of the folders returned without an error"),
            ),
            Promise(
                name="versioning",
                kept=False,
                how=tr("a store in a directory keeps no versions of objects"),
            ),
            Promise(
                name="lock_config", kept=False, how=tr("a store in a directory has no Object Lock")
            ),
            Promise(
                name="lock_enforced",
                kept=False,
                how=tr(
                    "a store in a directory is tamper-evident, but not WORM: the owner of "
                    "the directory can delete files"
                ),
            ),
            _listed(store, folder, key),
            _ranges(store, key),
        )


def _race(store: DirectoryStore | S3Store, key: str) -> Promise:
    """Let several writers put two contents under one key at once."""

    def write(number: int) -> StoredObject | None:
        try:
            content = (_RIGHT, _WRONG)[number % 2]
            return store.put_new(key, content, _sha256(content))
        except FileExistsError:
            return None

    try:
        with ThreadPoolExecutor(_RACERS) as pool:
            winners = {done.sha256 for done in pool.map(write, range(_RACERS)) if done}
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:  # overwritten before it could be read back
        return Promise(name="create_if_absent", kept=False, how=error.message)
    with store.open(key) as stream:
        there = hashlib.sha256(stream.read()).hexdigest()
    return _judge(
        "create_if_absent",
        winners == {there},
        tr(
            "{racers} concurrent writers wrote two contents, and exactly one content was stored",
            racers=_RACERS,
        ),
        tr(
            "{racers} concurrent writers wrote two contents, and both were reported as stored",
            racers=_RACERS,
        ),
    )


def _swaps(store: DirectoryStore | S3Store, key: str) -> Promise:
    """Let several writers replace an object that all have read, and one that nobody has read."""
    name = "compare_and_swap"
    try:
        store.swap(key, b"seen", "")
        seen = store.read(key, len(_RIGHT)).tag
        with ThreadPoolExecutor(_RACERS) as pool:
            contents = [f"writer {number}".encode() for number in range(_RACERS)]
            won = list(pool.map(lambda content: store.swap(key, content, seen), contents))
        late = store.swap(key, _WRONG, seen)
        there = store.read(key, len(_WRONG)).data
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        return Promise(name=name, kept=False, how=error.message)
    return _judge(
        name,
        won.count(True) == 1 and not late and there == contents[won.index(True)],
        tr(
            "{racers} concurrent writers replaced one object: exactly one write succeeded, "
            "and a later write that was based on an old state was refused",
            racers=_RACERS,
        ),
        tr(
            "a writer replaced an object that had changed after the writer read the object: "
            "this store does not compare the state of an object before a write"
        ),
    )


class _S3Probe:
    """The tests of a bucket, with raw calls, because the adapter would hide faults."""

    def __init__(self, store: S3Store, folder: str, now: datetime) -> None:
        self._store = store
        self._folder = folder
        self._now = now
        self._left: list[str] = []

    def run(self) -> tuple[tuple[Promise, ...], tuple[str, ...]]:
        store, key = self._store, f"{self._folder}/object"
        # Through the adapter, whose errors say what is wrong with rights and names.
        store.put_new(key, _RIGHT, _sha256(_RIGHT))
        try:
            promises = (
                self._create_if_absent(key),
                _swaps(store, f"{self._folder}/swapped"),
                (verified := self._checksum_verified()),
                self._checksum_kept(verified=verified.kept is True),
                self._versioning(),
                (locks := self._lock_config()),
                self._lock_enforced(locks),
                _listed(store, self._folder, key),
                _ranges(store, f"{self._folder}/summed"),
            )
        finally:
            self._clean()
        return promises, tuple(self._left)

    def _create_if_absent(self, key: str) -> Promise:
        answer = self._put(key, _WRONG, IfNoneMatch="*")
        there = self._store.attempt("get_object", key)
        body = there.answer["Body"].read() if not there.code else b""
        if not answer.code or body != _RIGHT:
            return Promise(
                name="create_if_absent",
                kept=False,
                how=tr(
                    "a second write with If-None-Match was accepted: this endpoint "
                    "overwrites objects"
                ),
            )
        return _race(self._store, f"{self._folder}/race")

    def _checksum_verified(self) -> Promise:
        answer = self._put(f"{self._folder}/damaged", _RIGHT, ChecksumSHA256=_base64(_WRONG))
        return _judge(
            "checksum_verified",
            bool(answer.code),
            tr(
                "a write whose content did not match the stated SHA-256 was refused ({code})",
                code=answer.code,
            ),
            tr(
                "a write whose content did not match the stated SHA-256 was accepted: damage "
                "in transit is not detected"
            ),
        )

    def _checksum_kept(self, *, verified: bool) -> Promise:
        key = f"{self._folder}/summed"
        self._put(key, _RIGHT, ChecksumSHA256=_base64(_RIGHT))
        answer = self._store.attempt("head_object", key, ChecksumMode="ENABLED").answer
        returned = answer.get("ChecksumSHA256") == _base64(_RIGHT)
        if returned and not verified:
            return Promise(
                name="checksum_kept",
                kept=False,
                how=tr(
                    "a HEAD request returns the SHA-256 that the client sent, but the server "
                    "did not check this SHA-256"
                ),
            )
        return _judge(
            "checksum_kept",
            returned,
            tr(
                "a HEAD request returns the SHA-256 that the server checked when the object arrived"
            ),
            tr(
                "a HEAD request returns no SHA-256: snapshotter reads each object again "
                "after the write"
            ),
        )

    def _versioning(self) -> Promise:
        answer = self._store.attempt("get_bucket_versioning")
        if answer.code:
            return _unknown("versioning", answer.code)
        return _judge(
            "versioning",
            answer.answer.get("Status") == "Enabled",
            tr("the bucket keeps old versions"),
            tr("the bucket keeps no old versions: a deleted object is lost"),
        )

    def _lock_config(self) -> Promise:
        answer = self._store.attempt("get_object_lock_configuration")
        if answer.code in _DENIED:
            return _unknown("lock_config", answer.code)
        config = answer.answer.get("ObjectLockConfiguration", {})
        return _judge(
            "lock_config",
            not answer.code and config.get("ObjectLockEnabled") == "Enabled",
            tr("the bucket was created with Object Lock"),
            tr("the bucket has no Object Lock; most servers enable it only for a new bucket"),
        )

    def _lock_enforced(self, locks: Promise) -> Promise:
        """
        Lock a version for less than a minute, then try to delete it without the bypass.

        Args:
            locks: Whether the bucket has Object Lock.
        """
        key, name = f"{self._folder}/locked", "lock_enforced"
        until = self._now + timedelta(seconds=LOCK_SECONDS)
        put = self._put(
            key,
            _RIGHT,
            ChecksumSHA256=_base64(_RIGHT),  # S3 wants a checksum with a lock
            ObjectLockMode="GOVERNANCE",
            ObjectLockRetainUntilDate=until,
        )
        if put.code:
            return Promise(
                name=name,
                kept=False,
                how=tr("a write with a lock was refused ({code})", code=put.code),
            )
        version = put.answer.get("VersionId", "")
        if version in ("", "null"):
            return Promise(
                name=name,
                kept=False,
                how=tr("an object that was written with a lock has no version"),
            )
        mode = self._lock_mode(key, version)
        if mode not in ("GOVERNANCE", _UNREADABLE):
            return Promise(
                name=name,
                kept=False,
                how=tr(
                    "the server accepted a write with a lock, but the object is not locked "
                    "in the requested mode"
                ),
            )
        sooner: Any = {"Mode": "GOVERNANCE", "RetainUntilDate": until - timedelta(seconds=15)}
        shortened = self._store.attempt(
            "put_object_retention", key, VersionId=version, Retention=sooner
        )
        deleted = self._store.attempt("delete_object", key, VersionId=version)
        there = self._store.attempt("head_object", key, VersionId=version)
        if not deleted.code or there.code in _GONE:
            return Promise(name=name, kept=False, how=tr("a locked version could be deleted"))
        if not shortened.code:
            return Promise(name=name, kept=False, how=tr("a lock could be shortened"))
        # S3 has one error code for a lock and for a missing right. So the same requests are made
        # where no lock forbids them.
        may_not_delete = self._refusal_without_lock()
        if may_not_delete and locks.kept is False:
            # Such servers return the lock of an object, and delete the object nevertheless.
            return Promise(name=name, kept=False, how=locks.how)
        if may_not_delete:
            return Promise(
                name=name,
                kept=None,
                how=tr(
                    "not established: these credentials do not allow the deletion of any version "
                    "({code}), locked or not; the server only states that the object is locked",
                    code=may_not_delete,
                )
                if mode != _UNREADABLE
                else tr(
                    "not established: these credentials do not allow the deletion of any version "
                    "({code}), locked or not, and do not allow to read the lock",
                    code=may_not_delete,
                ),
            )
        later: Any = {"Mode": "GOVERNANCE", "RetainUntilDate": until + timedelta(seconds=1)}
        extended = self._store.attempt(
            "put_object_retention", key, VersionId=version, Retention=later
        )
        if extended.code:
            return Promise(
                name=name,
                kept=None,
                how=tr(
                    "not established: the server refused to delete a locked version, but also "
                    "refused to extend a lock ({code}), so it is unknown whether a lock can be "
                    "shortened",
                    code=extended.code,
                ),
            )
        return Promise(
            name=name,
            kept=True,
            how=tr(
                "a version was locked for {lock_seconds} s in GOVERNANCE mode; the "
                "server refused to delete the version ({code}) and to shorten the lock; "
                "the requests did not use the bypass of GOVERNANCE mode; the server deleted a "
                "version without a lock",
                lock_seconds=LOCK_SECONDS,
                code=deleted.code,
            ),
        )

    def _lock_mode(self, key: str, version: str) -> str:
        """Return the lock mode that the server states; "" for no lock, or `_UNREADABLE`."""
        mode = self._store.attempt("head_object", key).answer.get("ObjectLockMode", "")
        if mode:
            return str(mode)
        # AWS leaves the lock out of a HEAD answer for whoever may not read the retention.
        answer = self._store.attempt("get_object_retention", key, VersionId=version)
        if answer.code in _DENIED:
            return _UNREADABLE
        return str(answer.answer.get("Retention", {}).get("Mode", ""))

    def _refusal_without_lock(self) -> str:
        """
        Delete a version that no lock protects; return the code of a refusal, or "".

        A delete marker is never locked, also in a bucket that locks each new object.
        """
        key = f"{self._folder}/unlocked"
        put = self._put(key, _RIGHT, ChecksumSHA256=_base64(_RIGHT))
        if put.code:
            return str(put.code)
        marker = self._store.attempt("delete_object", key)
        version = (put if marker.code else marker).answer.get("VersionId", "")
        return self._store.attempt("delete_object", key, VersionId=version).code

    def _put(self, key: str, body: bytes, **arguments: Any) -> Any:
        return self._store.attempt("put_object", key, Body=body, **arguments)

    def _clean(self) -> None:
        """Remove our own objects, and the locked ones of earlier probes."""
        store = self._store
        full = store.full_key(FOLDER)
        found = store.attempt("list_object_versions", Prefix=f"{full}/")
        entries = [
            *found.answer.get("Versions", ()),
            *found.answer.get("DeleteMarkers", ()),
        ]
        if found.code or not entries:  # a server without versions
            entries = list(
                store.attempt("list_objects_v2", Prefix=f"{full}/").answer.get("Contents", ())
            )
        for entry in entries:
            key = FOLDER + entry["Key"].removeprefix(full)
            ours = key.startswith(f"{self._folder}/")
            if not ours and self._now - entry["LastModified"] < _STALE:
                continue
            version = {"VersionId": entry["VersionId"]} if "VersionId" in entry else {}
            if store.attempt("delete_object", key, **version).code and ours:
                self._left.append(key)


def _listed(store: DirectoryStore | S3Store, folder: str, key: str) -> Promise:
    return _judge(
        "list_after_write",
        any(there.key == key for there in store.list(f"{folder}/")),
        tr("an object was listed right after it was written"),
        tr("an object was not listed right after it was written"),
    )


def _ranges(store: DirectoryStore | S3Store, key: str) -> Promise:
    try:
        with store.open(key) as stream:
            stream.seek(-6, os.SEEK_END)
            kept = stream.read() == _RIGHT[-6:] and stream.seek(12) == 12
            kept = kept and stream.read(5) == _RIGHT[12:17]
    except SnapshotterError as error:
        return Promise(name="range_reads", kept=False, how=error.message)
    return _judge(
        "range_reads",
        kept,
        tr("byte ranges of an object were returned correctly"),
        tr("byte ranges of an object were returned incorrectly"),
    )


def _refused(
    name: str, kind: type[Exception], call: Callable[[], object], yes: str, no: str
) -> Promise:
    try:
        call()
    except kind:
        return Promise(name=name, kept=True, how=yes)
    return Promise(name=name, kept=False, how=no)


def _judge(name: str, kept: bool, yes: str, no: str) -> Promise:
    return Promise(name=name, kept=kept, how=yes if kept else no)


def _unknown(name: str, code: str) -> Promise:
    return Promise(
        name=name,
        kept=None,
        how=tr("these credentials do not allow the request ({code})", code=code),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _base64(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _remove_folder(parent: Path, folder: Path) -> None:
    """Remove our own folder, and the one above if no other probe is using it."""
    if folder.is_dir() and not folder.is_symlink():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    with contextlib.suppress(OSError):
        parent.rmdir()
