"""
Implement a store in an S3 bucket, with conditional writes, checksums and Object Lock.

    PUT <key>  If-None-Match: *  x-amz-checksum-sha256: …   one request up to 4 GiB
     ├─ 200 → HEAD that version: are length, checksum and lock as requested?
     └─ 412 → HEAD: the same bytes (written by an earlier call or by others) succeed

An object is written by one PUT and not as a multipart upload, because only then the
server's checksum is the SHA-256 of the whole object. The answers of the server are checked
as far as possible. Whether it honours the headers at all is tested by `probe.py`: some
servers accept and ignore them.

`s3_bucket.py` makes the calls and is the only module of this package that imports boto3.
Object Lock is in `s3_locks.py`.
"""

# `typing.override` begins with Python 3.12, and the stream below is made of overrides.
# mypy: disable-error-code="explicit-override"

import base64
import contextlib
import errno
import hashlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, BinaryIO

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle.store_keys import MAX_KEY, check_key, check_prefix
from snapshotter.model.bundle import (
    LockState,
    ObjectVersion,
    Retention,
    StoredObject,
)
from snapshotter.ports import Content, ObjectChanged, TaggedContent
from snapshotter.store.lock_rules import merged_lock
from snapshotter.store.s3_bucket import CallResult, S3Bucket, code_of, status_of, version_argument
from snapshotter.store.s3_locks import BucketLocks
from snapshotter.store.upload_content import check_sha256, open_content
from snapshotter.translation import tr

MAX_IN_FOLDER = 1_000_000  # objects; a server that has no end of them would take all memory
MAX_PAGES = 10_000  # of one listing; a server gives a thousand objects on each
MAX_OBJECT = 4 << 30  # bytes; S3 takes 5 GB in one PUT, and a bundle has no more than this

_CHUNK = 1 << 20  # bytes per read of a file
_BUFFER = 256 << 10  # bytes that a reader asks for at once
_WINDOWS = (_BUFFER, 4 << 20, 32 << 20)  # bytes per GET: more as reading goes on in order
_CONFLICTS = 6  # tries when the server says that another write of the key is under way (409)
_READS = 3  # tries of one read whose connection broke


class S3Store:
    """An `ObjectStore` in a bucket, on AWS or a service with the same protocol."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._client = self._bucket.client
        self._locks = BucketLocks(self._bucket)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`; the endpoint is configuration, not a name."""
        return self._bucket.url

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._bucket.name

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()

    def full_key(self, key: str) -> str:
        """Return a key with the prefix of the bucket. Raises ValueError if it is too long."""
        return self._bucket.full_key(key)

    def attempt(self, operation: str, key: str = "", **arguments: Any) -> CallResult:
        """Make one raw call. See `S3Bucket.attempt`."""
        return self._bucket.attempt(operation, key, **arguments)

    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        """
        See `ObjectStore.put_new`.

        When the same bytes are there already with less retention than asked for,
        it is extended. An endpoint that takes the object and drops the lock makes
        this raise SnapshotterError: the object is there then, unlocked.
        """
        name = self._bucket.full_key(key)
        check_sha256(sha256)
        # (1) The spool may be damaged, and not every server looks at the checksum.
        length = _check(source, sha256)
        # (2) If the key is free. Without an answer we do not know: the call may be repeated.
        version, existed = self._put(name, key, source, sha256, length, retention)
        # (3) What did arrive?
        answer = self._bucket.head(name, key, version)
        there = self._described(key, answer)
        if there.length != length or not self._same(name, key, answer, sha256):
            if existed:
                raise FileExistsError(
                    errno.EEXIST,
                    tr("an object with this key and different content already exists"),
                    key,
                )
            raise SnapshotterError(
                tr(
                    "the content that {url} stored for {key} differs from the content that was "
                    "sent",
                    url=self.url,
                    key=key,
                ),
                hint=tr(
                    "do not use this endpoint until it is tested:\n  snapshotter store check "
                    "--store {url}",
                    url=self.url,
                ),
            )
        # (4) Is it locked?
        if retention is not None:
            there = self._ensure_lock(name, key, there, retention, extend=existed)
        return replace(there, length=length, sha256=sha256)

    def head(self, key: str) -> StoredObject:
        """
        Describe one object. Raises FileNotFoundError.

        The digest is the server's checksum; if it keeps none, the writer's metadata.
        """
        return self._described(key, self._bucket.head(self._bucket.full_key(key), key, ""))

    def open(self, key: str) -> BinaryIO:
        """
        See `ObjectStore.open`.

        The stream stays with the object that is there now: when another takes its
        place, reading raises SnapshotterError and never mixes the two.
        """
        name = self._bucket.full_key(key)
        raw = _ObjectStream(self, key, name, self._bucket.head(name, key, ""))
        return io.BufferedReader(raw, _BUFFER)

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """See `ObjectStore.versions`. A server that lists none has one, the current."""
        check_key(key)
        with self._bucket.translated(key):
            return self._locks.versions(key)

    def remains(self, prefix: str) -> frozenset[str]:
        """See `ObjectStore.remains`."""
        with self._bucket.translated(prefix):
            # A server that knows no versions lists what is there, and has nothing else.
            return self._locks.remains(prefix) or frozenset(
                stored.key for stored in self.list(prefix)
            )

    def lock_state(self, key: str, version: str = "") -> LockState:
        """See `ObjectStore.lock_state`. Asks for the lock itself, as a HEAD may leave it out."""
        check_key(key)
        with self._bucket.translated(key):
            return self._locks.state(key, version)

    def retain(self, key: str, retention: Retention) -> LockState:
        """See `ObjectStore.retain`. Read back from the server, in every version."""
        return self._locks.retain(key, retention)

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """See `ObjectStore.set_legal_hold`. Read back from the server, in every version."""
        return self._locks.set_legal_hold(key, on)

    def set_aside(self, key: str) -> None:
        """See `ObjectStore.set_aside`. A lock does not refuse a marker, and outlives it."""
        self._locks.set_aside(key)

    def delete(self, key: str, *, now: datetime) -> int:
        """See `ObjectStore.delete`. The bypass of GOVERNANCE is never asked for."""
        return self._locks.delete(key, now)

    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        """
        See `ObjectStore.list`. Gives keys and lengths; ask `head` for more.

        Walks down the folders and holds one folder's names (a day's) at a time. S3
        has no way back, and not every server sorts a flat listing as S3 does
        (SeaweedFS gives `a/c` before `a-b`).
        """
        check_prefix(prefix)
        start = f"{self._bucket.prefix}/{prefix}" if self._bucket.prefix else prefix
        return self._walk(start, reverse)

    def folder_stamps(self, prefix: str, depth: int) -> dict[str, str]:
        """
        Return a text for each folder of objects that changes whenever an object in it is added,
        removed, or replaced by one of another length.

        All objects are listed without the folders between them, which takes fewer requests than
        `list`: one for a thousand objects, and not one for each day.

        Args:
            prefix: The folder to begin at, with a "/" at its end.
            depth: How many levels below it the folders are; 0 for the folder itself.
        """
        check_prefix(prefix)
        start = f"{self._bucket.prefix}/{prefix}" if self._bucket.prefix else prefix
        found = dict[str, int]()
        with self._bucket.translated(""):
            for page in self._pages(start):
                for entry in page.get("Contents", ()):
                    key = self._bucket.key_of(entry["Key"])
                    if not key.startswith(prefix):
                        continue  # not ours
                    folders = key.removeprefix(prefix).split("/")[:-1]
                    if len(folders) < depth:
                        continue
                    folder = prefix + "".join(f"{name}/" for name in folders[:depth])
                    # A sum: servers differ in the order in which they list.
                    value = hashlib.sha256(f"{key} {entry['Size']}".encode()).digest()[:16]
                    found[folder] = found.get(folder, 0) + int.from_bytes(value, "big")
        return {folder: f"{value:x}" for folder, value in found.items()}

    def read(self, key: str, limit: int) -> TaggedContent:
        """See `CompareAndSwapStore.read`. The tag is the ETag; one request."""
        name = self._bucket.full_key(key)
        tried = 0
        while True:
            try:
                return self._read_whole(name, key, limit)
            except ServiceUnavailable:
                tried += 1  # a connection may have broken in the middle
                if tried == _READS:
                    raise

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        """See `CompareAndSwapStore.swap`: one PUT with `If-Match`, or with `If-None-Match: *`."""
        name = self._bucket.full_key(key)
        condition: dict[str, Any] = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"}
        for tried in range(_CONFLICTS):
            with self._bucket.translated(key):
                try:
                    self._client.put_object(
                        Bucket=self._bucket.name,
                        Key=name,
                        Body=data,
                        ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                        ContentType="application/octet-stream",
                        **condition,
                    )
                    return True
                except self._bucket.errors.ClientError as error:
                    status = status_of(error.response)
                    if status in (404, 412) and code_of(error.response) != "NoSuchBucket":
                        # Somebody else's, or our own whose answer was lost.
                        return self._holds(key, data)
                    if status != 409:
                        raise
            time.sleep(0.05 * 2**tried)  # another conditional write is under way
        raise ServiceUnavailable(
            tr("other writes of {key} to {url} are in progress", url=self.url, key=key),
            hint=tr("try again in a moment"),
        )

    def discard(self, key: str) -> None:
        """See `CompareAndSwapStore.discard`. A bucket with versions keeps the old ones."""
        name = self._bucket.full_key(
            key
        )  # what is no key is the caller's fault, and not the server's
        with self._bucket.translated(key):
            self._client.delete_object(Bucket=self._bucket.name, Key=name)

    def _read_whole(self, name: str, key: str, limit: int) -> TaggedContent:
        with self._bucket.translated(key):
            try:
                answer = self._client.get_object(Bucket=self._bucket.name, Key=name)
            except self._bucket.errors.ClientError as error:
                if code_of(error.response) in ("NoSuchKey", "404"):
                    raise FileNotFoundError(
                        errno.ENOENT, tr("the object does not exist"), key
                    ) from error
                raise
            with contextlib.closing(answer["Body"]) as body:
                if answer["ContentLength"] > limit:
                    raise SnapshotterError(
                        tr(
                            "{key} in {url} is longer than {limit} bytes",
                            key=key,
                            url=self.url,
                            limit=limit,
                        )
                    )
                return TaggedContent(data=body.read(), tag=answer["ETag"])

    def _holds(self, key: str, data: bytes) -> bool:
        try:
            return self.read(key, len(data) + 1).data == data
        except FileNotFoundError:
            return False
        except ServiceUnavailable:
            raise
        except SnapshotterError:
            return False  # longer than ours

    def _put(
        self,
        name: str,
        key: str,
        source: Content,
        sha256: str,
        length: int,
        retention: Retention | None,
    ) -> tuple[str, bool]:
        """Return the version that was written ("" if unknown), and whether the key was taken."""
        arguments: dict[str, Any] = {
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256)).decode(),
            "ContentLength": length,
            "ContentType": "application/octet-stream",
            "IfNoneMatch": "*",
            "Metadata": {"sha256": sha256},
        }
        if retention is not None:
            arguments["ObjectLockMode"] = retention.mode
            arguments["ObjectLockRetainUntilDate"] = retention.second
        for tried in range(_CONFLICTS):
            with self._bucket.translated(key), open_content(source) as body:
                try:
                    answer = self._client.put_object(
                        Bucket=self._bucket.name, Key=name, Body=body, **arguments
                    )
                    return answer.get("VersionId", ""), False
                except self._bucket.errors.ClientError as error:
                    status = status_of(error.response)
                    if status == 412:
                        return "", True
                    if status != 409:
                        raise
            # 409: another conditional write of this key is under way; it may yet fail.
            time.sleep(0.05 * 2**tried)
        raise ServiceUnavailable(
            tr("other writes of {key} to {url} are in progress", url=self.url, key=key),
            hint=tr("try again in a moment"),
        )

    def _ensure_lock(
        self, name: str, key: str, there: StoredObject, wanted: Retention, *, extend: bool
    ) -> StoredObject:
        if extend and not _is_locked(there, wanted):
            more = merged_lock(LockState(retention=there.retention), wanted).retention or wanted
            self._locks.put_retention(key, there.version, more)
            there = self._described(key, self._bucket.head(name, key, there.version))
        if not _is_locked(there, wanted):
            raise SnapshotterError(
                tr(
                    "{url} stored {key}, but without the requested lock that ends at "
                    "{second:%Y-%m-%dT%H:%M:%SZ}",
                    url=self.url,
                    key=key,
                    second=wanted.second,
                ),
                hint=tr(
                    "this endpoint does not set Object Lock as requested; test the endpoint:\n  "
                    "snapshotter store check --store {url}",
                    url=self.url,
                ),
            )
        return there

    def _described(self, key: str, answer: Mapping[str, Any]) -> StoredObject:
        until = answer.get("ObjectLockRetainUntilDate")
        return StoredObject(
            key=key,
            length=answer["ContentLength"],
            sha256=_kept_sha256(answer) or answer.get("Metadata", {}).get("sha256", ""),
            version=_real_version(answer),
            retain_until=until.astimezone(UTC) if until else None,
            lock_mode=answer.get("ObjectLockMode", ""),
            legal_hold=answer.get("ObjectLockLegalHoldStatus") == "ON",
        )

    def _same(self, name: str, key: str, answer: Mapping[str, Any], sha256: str) -> bool:
        kept = _kept_sha256(answer)
        if kept:
            return kept == sha256
        # No checksum of the whole is kept. What a writer noted in the metadata is a
        # claim, so read the object.
        digest = hashlib.sha256()
        with _ObjectStream(self, key, name, answer) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        return digest.hexdigest() == sha256

    def _walk(self, start: str, reverse: bool) -> Iterator[StoredObject]:
        level: list[tuple[str, int]] = []
        with self._bucket.translated(""):
            for page in self._pages(start, Delimiter="/"):
                if len(level) > MAX_IN_FOLDER:
                    raise self._too_long(start)
                level += [(folder["Prefix"], -1) for folder in page.get("CommonPrefixes", ())]
                level += [(entry["Key"], entry["Size"]) for entry in page.get("Contents", ())]
        for name, length in level:
            # A folder that is not below this one would be walked in circles, or without an end.
            is_below = len(start) < len(name) <= MAX_KEY and name.endswith("/")
            if not name.startswith(start) or (length < 0 and not is_below):
                raise self._bucket.not_s3("")
        for name, length in sorted(level, reverse=reverse):
            if length < 0:
                yield from self._walk(name, reverse)
            else:
                yield from self._listed(name, length)

    def _pages(self, start: str, **arguments: Any) -> Iterator[Any]:
        """Yield the pages of one listing; the caller translates the errors of boto3."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket.name, Prefix=start, **arguments
        )
        for number, page in enumerate(pages):
            if number == MAX_PAGES:
                raise self._too_long(start)
            # A gateway's page of its own is read as a listing without entries.
            if "IsTruncated" not in page:
                raise SnapshotterError(
                    tr("the answer of {url} is not a list of objects", url=self.url),
                    hint=tr("check the endpoint: a gateway or a proxy may have answered"),
                )
            yield page

    def _too_long(self, start: str) -> SnapshotterError:
        return SnapshotterError(
            tr(
                "the list of the objects below {start!r} in {url} is too long or does not end",
                start=start,
                url=self.url,
            )
        )

    def _listed(self, name: str, length: int) -> Iterator[StoredObject]:
        if key := self._bucket.key_of(name):  # anything else was not put by us
            yield StoredObject(key=key, length=length, sha256="")


class _ObjectStream(io.RawIOBase):
    """
    One object, seekable, read in ranges that grow while reading goes on in order.

    A reader of the end of a zip costs one small GET, a reader of all of it a few
    large ones. Every GET names the ETag, and the version if there is one.
    """

    def __init__(self, store: S3Store, key: str, name: str, answer: Mapping[str, Any]) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._length: int = answer["ContentLength"]
        self._which: dict[str, Any] = {
            "Bucket": store._bucket.name,
            "Key": name,
            "IfMatch": answer["ETag"],
            **version_argument(_real_version(answer)),
        }
        self._at = 0  # where the reader stands
        self._body: Any = None  # botocore's StreamingBody, or none
        self._body_at = 0  # where the body stands
        self._body_end = 0
        self._window = 0  # index into _WINDOWS of the next GET

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence not in (io.SEEK_SET, io.SEEK_CUR, io.SEEK_END):
            raise ValueError(f"{whence} is not a valid whence")
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        if start + offset < 0:
            raise ValueError("the position is before the start of the object")
        if start + offset != self._at:
            self._at = start + offset
            self._window = 0
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._length - self._at)
        if wanted <= 0:
            return 0
        data = self._read_again(wanted)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def readall(self) -> bytes:
        self._window = len(_WINDOWS) - 1
        parts = []
        while part := self.read(_CHUNK):
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        self._drop()
        super().close()

    def _read_again(self, wanted: int) -> bytes:
        tried = 0
        while True:
            try:
                with self._store._bucket.translated(self._key):
                    return self._read(wanted)
            except ServiceUnavailable:
                self._drop()  # a broken connection: the same range again
                tried += 1
                if tried == _READS:
                    raise

    def _read(self, wanted: int) -> bytes:
        if self._body is None or self._body_at != self._at:
            self._get()
        with self._store._bucket.reading_body():
            data: bytes = self._body.read(min(wanted, self._body_end - self._body_at))
        if not data:
            raise ServiceUnavailable(
                tr(
                    "the answer of {url} ended before all bytes of {key} arrived",
                    url=self._store.url,
                    key=self._key,
                ),
                hint=tr("try again"),
            )
        self._body_at += len(data)
        if self._body_at == self._body_end:
            self._drop()  # read to its end: the connection goes back to the pool
        return data

    def _get(self) -> None:
        if self._body is None and self._body_at == self._at and self._at > 0:
            self._window = min(self._window + 1, len(_WINDOWS) - 1)
        self._drop()
        end = min(self._at + _WINDOWS[self._window], self._length)
        try:
            answer = self._store._client.get_object(
                Range=f"bytes={self._at}-{end - 1}", **self._which
            )
        except self._store._bucket.errors.ClientError as error:
            if status_of(error.response) in (404, 412):
                raise ObjectChanged(
                    tr(
                        "{key} changed in {url} while it was read",
                        key=self._key,
                        url=self._store.url,
                    ),
                    hint=tr(
                        "try again: each capture changes the newest files of the log; no other "
                        "files of a store change"
                    ),
                ) from error
            raise
        if answer.get("ContentRange") != f"bytes {self._at}-{end - 1}/{self._length}":
            answer["Body"].close()
            raise SnapshotterError(
                tr("{url} did not return the requested range", url=self._store.url),
                hint=tr(
                    "test what this endpoint supports:\n  snapshotter store check --store {url}",
                    url=self._store.url,
                ),
            )
        self._body, self._body_at, self._body_end = answer["Body"], self._at, end

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def _is_locked(there: StoredObject, wanted: Retention) -> bool:
    """
    Whether the lock that was read back is at least the one that was asked for.

    A lock applies to one version. Some servers store our headers as text and return them
    (rclone does): an object without a version is not locked, whatever its headers state.
    """
    kept = there.retention
    return bool(there.version) and kept is not None and kept.covers(wanted)


def _check(source: Content, sha256: str) -> int:
    """Return the length in bytes. Raises SnapshotterError if the digest differs."""
    with open_content(source) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        length = stream.seek(0, io.SEEK_END)  # of bytes in memory nothing was read
    if digest != sha256:
        raise SnapshotterError(
            tr("the data to be stored changed after their digest was computed"),
            hint=tr(
                "nothing was stored; check the memory of this machine and the disk of "
                "spool_dir for damage"
            ),
        )
    if length > MAX_OBJECT:
        raise SnapshotterError(
            tr(
                "the object has {length} bytes, but one write may have at most {max_object} bytes",
                length=length,
                max_object=MAX_OBJECT,
            ),
            hint=tr("lower the byte limits in the policy"),
        )
    return length


def _kept_sha256(answer: Mapping[str, Any]) -> str:
    """Return the server's SHA-256 of the whole object, hex; "" if it keeps none."""
    text = answer.get("ChecksumSHA256", "")
    if answer.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT" or "-" in text:
        return ""  # a checksum of checksums, of a multipart upload
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == hashlib.sha256().digest_size else ""


def _real_version(answer: Mapping[str, Any]) -> str:
    version: str = answer.get("VersionId", "")
    return "" if version == "null" else version
