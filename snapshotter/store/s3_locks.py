"""
Read and set Object Lock in a bucket, and delete objects with all their versions, for `S3Store`.

    lock     GetObjectRetention + GetObjectLegalHold of one version
    retain   PutObjectRetention, never with the bypass, then read back
    hold     PutObjectLegalHold of every version, then read back
    delete   every version and every delete marker by its id, then list again

A lock belongs to one version. Whoever may write can put a new version over an object, and
whoever may delete can hide it under a delete marker. So a lock is set on all versions, and
a deletion removes all of them, also those from before versioning ("null").

A server's statement about a lock counts only if the bucket has Object Lock: some servers
accept a lock on any object, return it when asked, and delete the object nevertheless.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.model.bundle import LOCK_MODES, LockState, ObjectVersion, Retention
from snapshotter.store.lock_rules import extended_lock, refuse_if_locked
from snapshotter.store.s3_bucket import S3Bucket
from snapshotter.translation import tr

NULL = "null"  # the id of the one version that a bucket without versioning keeps

# The bucket, or the server, has no Object Lock at all: no error for who only asks.
_NO_LOCK_HERE = frozenset(
    {
        "InvalidRequest", "ObjectLockConfigurationNotFoundError", "NotImplemented",
        "MethodNotAllowed", "InvalidBucketState",
    }
)  # fmt: skip
# AWS has one word for an object without a lock, SeaweedFS another for either kind.
_NO_LOCK_ON_IT = frozenset(
    {"NoSuchObjectLockConfiguration", "NoSuchObjectLegalHold", "NoSuchObjectRetention"}
)
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_REFUSED = frozenset({"AccessDenied", "403", "InvalidRequest", "ObjectLocked"})


class BucketLocks:
    """The locks, versions and deletions of one bucket. See `ports.RetentionStore`."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._enforces: bool | None = None  # not asked yet; a bucket's lock is not taken away

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """Return every version and delete marker of a key."""
        name = self._bucket.full_key(key)
        found = list(self._listed(key, name))
        if found:
            return tuple(found)
        # A server that knows no versions lists none of what is there.
        there = self._bucket.attempt("head_object", key)
        if there.code:
            if there.code not in _GONE:
                self._bucket.refuse(there, key)
            return ()
        length = there.answer["ContentLength"]
        return (ObjectVersion(key=key, version=NULL, current=True, length=length),)

    def remains(self, prefix: str) -> frozenset[str]:
        """Return every key below a prefix of which the server lists a version or a marker."""
        name = self._bucket.full_key(prefix)
        found = {entry["Key"] for _, entry in self._entries(prefix, name)}
        return frozenset(map(self._bucket.key_of, found)) - {""}

    def state(self, key: str, version: str = "") -> LockState:
        """Return the lock of a version, the current one if none is named."""
        which: dict[str, Any] = {"VersionId": version} if version else {}
        if not self.enforces():
            # Not asked for: what the server wrote down of our headers, and means nothing.
            there = self._headed(key, which)
            until, mode = there.get("ObjectLockRetainUntilDate"), there.get("ObjectLockMode", "")
            return LockState(
                retention=_retention(mode, until),
                legal_hold=there.get("ObjectLockLegalHoldStatus") == "ON",
            )
        retention = self._asked("get_object_retention", key, which).get("Retention", {})
        hold = self._asked("get_object_legal_hold", key, which).get("LegalHold", {})
        found = LockState(
            retention=_retention(retention.get("Mode", ""), retention.get("RetainUntilDate")),
            legal_hold=hold.get("Status") == "ON",
            enforced=True,
        )
        if found.retention is None and not found.legal_hold:
            self._headed(key, which)  # both may have been "no lock on it": is anything there?
        return found

    def retain(self, key: str, retention: Retention) -> LockState:
        """Extend the retention of every version; return that of the current one."""
        self._require(key)
        for version in self._objects(key):
            state = extended_lock(self.state(key, version), retention, key)
            if state.retention is not None:
                self.put_retention(key, version, state.retention)
            now = self.state(key, version)
            kept = now.retention
            if not now.enforced or kept is None or not kept.covers(retention):
                raise SnapshotterError(
                    tr(
                        "{url} did not set the lock on {key} that ends at "
                        "{second:%Y-%m-%dT%H:%M:%SZ}",
                        url=self._bucket.url,
                        key=key,
                        second=retention.second,
                    ),
                    hint=tr(
                        "this endpoint does not set Object Lock as requested; test the endpoint:"
                        "\n  snapshotter store check --store {url}",
                        url=self._bucket.url,
                    ),
                )
        return self.state(key)

    def put_retention(self, key: str, version: str, retention: Retention) -> None:
        """
        Request a retention, without the bypass.

        Raises:
            SnapshotterError: The bucket has no Object Lock, or refuses.
        """
        if not self.enforces():
            raise SnapshotterError(
                tr(
                    "{url} has no Object Lock, so {key} cannot be put under retention",
                    url=self._bucket.url,
                    key=key,
                ),
                hint=tr(
                    "this endpoint or bucket does not support Object Lock; test the endpoint:\n  "
                    "snapshotter store check --store {url}",
                    url=self._bucket.url,
                ),
            )
        lock: Any = {"Mode": retention.mode, "RetainUntilDate": retention.second}
        which: dict[str, Any] = {"VersionId": version} if version else {}
        answer = self._bucket.attempt("put_object_retention", key, Retention=lock, **which)
        if answer.code:
            self._bucket.refuse(answer, key)

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """Set the legal hold of every version; return the lock of the current one."""
        self._require(key)
        for version in self._objects(key) if self.enforces() else ():
            answer = self._bucket.attempt(
                "put_object_legal_hold",
                key,
                VersionId=version,
                LegalHold={"Status": "ON" if on else "OFF"},
            )
            if answer.code:
                self._bucket.refuse(answer, key)
        state = self.state(key)
        if state.enforced and state.legal_hold != on:
            raise SnapshotterError(
                tr(
                    "{url} accepted the change of the legal hold on {key}, but did not make the "
                    "change",
                    url=self._bucket.url,
                    key=key,
                ),
                hint=tr(
                    "do not use this endpoint until it is tested:\n  snapshotter store check "
                    "--store {url}",
                    url=self._bucket.url,
                ),
            )
        return state

    def set_aside(self, key: str) -> None:
        """Delete without naming a version; a bucket with versions adds a marker."""
        self._require(key)
        answer = self._bucket.attempt("delete_object", key)
        if answer.code:
            self._bucket.refuse(answer, key)

    def delete(self, key: str, now: datetime) -> int:
        """Remove every version and marker, if none of them is locked."""
        found = self.versions(key)
        for version in found:
            if not version.marker:
                refuse_if_locked(self.state(key, version.version), key, self._bucket.url, now)
        # Markers last: a crash in between must not bring an older version to light.
        for version in sorted(found, key=lambda version: version.marker):
            self._delete_version(version)
        left = self.versions(key)
        if left:
            raise SnapshotterError(
                tr(
                    "{url} still has versions of {key} (versions: {count})",
                    url=self._bucket.url,
                    key=key,
                    count=len(left),
                ),
                hint=tr(
                    "another process writes this object now, or the server does not delete "
                    "versions; run the same command again to continue the deletion"
                ),
            )
        return len(found)

    def _delete_version(self, version: ObjectVersion) -> None:
        answer = self._bucket.attempt("delete_object", version.key, VersionId=version.version)
        if answer.code in _REFUSED:
            # The server judges by its own clock, and by locks that we may not read.
            raise PolicyRefused(
                tr(
                    "{url} refuses to delete {key}: {code}",
                    url=self._bucket.url,
                    key=version.key,
                    code=answer.code,
                ),
                hint=tr(
                    "the version is locked, or these credentials do not have the permission "
                    "s3:DeleteObjectVersion"
                ),
            )
        if answer.code and answer.code not in _GONE:
            self._bucket.refuse(answer, version.key)

    def _headed(self, key: str, which: dict[str, Any]) -> Mapping[str, Any]:
        there = self._bucket.attempt("head_object", key, **which)
        if there.code in _GONE or there.code == "405":  # a delete marker answers 405
            raise FileNotFoundError(2, tr("the object does not exist"), key)
        if there.code:
            self._bucket.refuse(there, key)
        return there.answer

    def _asked(self, operation: str, key: str, which: dict[str, Any]) -> Mapping[str, Any]:
        answer = self._bucket.attempt(operation, key, **which)
        if answer.code in _GONE:
            raise FileNotFoundError(2, tr("the object does not exist"), key)
        if answer.code in _NO_LOCK_HERE | _NO_LOCK_ON_IT:
            return {}
        if answer.code:
            self._bucket.refuse(answer, key)
        return answer.answer

    def enforces(self) -> bool:
        """
        Whether the bucket has Object Lock; otherwise a server may accept locks and ignore them.

        Without Object Lock no lock is requested: a server that does not know the request
        (rclone) takes `PUT key?legal-hold` for a write of the object, over the evidence.

        `probe.py` tests whether deletions are really refused.
        """
        if self._enforces is None:
            answer = self._bucket.attempt("get_object_lock_configuration")
            if answer.code in ("AccessDenied", "403"):
                return True  # nobody lets us ask: then what the lock says is what we know
            config = answer.answer.get("ObjectLockConfiguration", {})
            self._enforces = not answer.code and config.get("ObjectLockEnabled") == "Enabled"
        return self._enforces

    def _require(self, key: str) -> None:
        """Raise FileNotFoundError unless the key holds an object now."""
        self._bucket.head(self._bucket.full_key(key), key, "")

    def _objects(self, key: str) -> list[str]:
        return [version.version for version in self.versions(key) if not version.marker]

    def _listed(self, key: str, name: str) -> Iterator[ObjectVersion]:
        for kind, entry in self._entries(key, name):
            if entry["Key"] == name:
                yield ObjectVersion(
                    key=key,
                    version=entry.get("VersionId", NULL),
                    current=entry.get("IsLatest", False),
                    marker=kind == "DeleteMarkers",
                    length=entry.get("Size", 0),
                )

    def _entries(self, key: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield every version and marker whose key begins with `name`."""
        after: dict[str, Any] = {}
        while True:
            page = self._bucket.attempt("list_object_versions", Prefix=name, **after)
            if page.code:
                if page.code in ("NotImplemented", "MethodNotAllowed"):
                    return
                self._bucket.refuse(page, key)
            for kind in ("Versions", "DeleteMarkers"):
                for entry in page.answer.get(kind, ()):
                    yield kind, entry
            if not page.answer.get("IsTruncated"):
                return
            if "NextKeyMarker" not in page.answer:
                raise ServiceUnavailable(
                    tr(
                        "{url} returned an incomplete list of the versions of {key}",
                        url=self._bucket.url,
                        key=key,
                    ),
                    hint=tr(
                        "try again, or test what this endpoint supports:\n  snapshotter "
                        "store check --store {url}",
                        url=self._bucket.url,
                    ),
                )
            after = {
                "KeyMarker": page.answer["NextKeyMarker"],
                "VersionIdMarker": page.answer.get("NextVersionIdMarker", ""),
            }


def _retention(mode: str, until: datetime | None) -> Retention | None:
    if until is None or mode not in LOCK_MODES:
        return None
    return Retention(until=until.astimezone(UTC), mode=mode)
