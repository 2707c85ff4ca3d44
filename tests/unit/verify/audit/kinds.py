"""One small store with each kind of object in it, and how each can be made unreadable."""

import errno
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.proofs import log_state
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.statements import tombstone
from snapshotter.model.custody import INGESTION
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests import audited, bundles
from tests.audited import Collection
from tests.bundles import ChainAuthority
from tests.servers.bucket import NAME, Bucket, Fault, cut, reset, silent, status
from tests.unit.verify.audit import test_gaps, test_takedowns


@dataclass(frozen=True)
class Kinds:
    """A good store, and a key of each kind of object in it."""

    collection: Collection
    keys: Mapping[str, str]

    def copy(self, root: Path) -> Collection:
        return self.collection.copy(root)


# What an audit finds where the object is gone: what the log names is missed.
GONE: Mapping[str, frozenset[str]] = {
    "checkpoint": frozenset({"log-broken", "rolled-back"}),
    "entries": frozenset({"log-broken", "unlogged?"}),
    "tile": frozenset({"log-broken"}),
    "lock": frozenset(),  # nobody but a writer needs it
    "bundle": frozenset({"deleted"}),
    "proof": frozenset(),  # anybody can make it again
    "custody": frozenset({"custody-broken"}),
    "tombstone": frozenset({"deleted"}),
    "custody-of-what-was-erased": frozenset({"custody-broken"}),
    "report": frozenset({"deleted"}),
    "signature-of-a-report": frozenset({"deleted"}),
    "gap": frozenset({"deleted"}),
    "event": frozenset({"deleted"}),
}


def made(folder: Path, authority: ChainAuthority) -> Kinds:
    """Return a new store with each kind of object."""
    collection = audited.collection(folder, authority, count=2)
    for number in (0, 1):
        collection.record(number, INGESTION)
        collection.record(number, INGESTION)
    collection.erase(1)
    gap, _ = test_gaps.put(collection, test_gaps.given())
    event, _ = test_takedowns.put(collection, test_takedowns.given())
    report_id = bundles.bundle_id(datetime.now(UTC))
    document = canonical_json.dumps({"signer": collection.signer.key_id})
    report = store_keys.report_key(report_id)
    collection.put(report, document)
    collection.put(f"{report}.sig", collection.signer.sign(document))
    collection.append(
        Leaf(kind="report", name=report_id, sha256=hashlib.sha256(document).hexdigest())
    )
    collection.lock(collection.leaves)
    for old in collection.root.glob("log/tile/**/*.p/*"):  # of the smaller trees on the way here
        if int(old.name) < len(collection.leaves):
            old.unlink()
    size = len(collection.leaves)
    last = custody_sidecars.kind(2)
    return Kinds(
        collection,
        {
            "checkpoint": log_state.CHECKPOINT,
            "entries": f"log/tile/entries/000.p/{size}",
            "tile": f"log/tile/0/000.p/{size}",
            "lock": log_state.LOCK,
            "bundle": collection.key(0),
            "proof": f"{collection.key(0)}.tlog-proof",
            "custody": f"{collection.key(0)}.{last}",
            "tombstone": f"{collection.key(1)}.{tombstone.KIND}",
            "custody-of-what-was-erased": f"{collection.key(1)}.{last}",
            "report": report,
            "signature-of-a-report": f"{report}.sig",
            "gap": gap,
            "event": event,
        },
    )


# Ways in which a server does not give an object, and what an audit then ends in.
SERVER: Mapping[str, tuple[Fault, int]] = {
    "503": (status(503), 30),
    "500": (status(500), 30),
    "502": (status(502, body=b"<html>bad gateway</html>"), 30),
    "429": (status(429), 30),
    "408": (status(408), 30),
    "reset": (reset, 30),
    "silent": (silent, 30),
    "cut": (cut, 30),
    "403": (status(403), 11),
    "401": (status(401), 11),
    "400": (status(400), 11),
}


def bucket_store(bucket: Bucket, *, patience_s: float = 60) -> Callable[[Path], S3Store]:
    """Return what opens the one store in a bucket, which asks for everything once."""
    store = S3Store(
        S3Bucket(
            NAME,
            endpoint_url=bucket.endpoint_url,
            region="us-east-1",
            credentials=S3Credentials(access_key_id="nobody", secret_access_key="nothing"),
            read_timeout_s=patience_s,
            attempts=1,
        )
    )
    return lambda root: store


# Errors of a file system, and what an audit then ends in.
DISK: Mapping[str, tuple[int, int]] = {
    "no-right": (errno.EACCES, 11),
    "bad-sector": (errno.EIO, 11),
    "stale-mount": (errno.ESTALE, 30),
    "no-answer": (errno.ETIMEDOUT, 30),
}


class Refusing(DirectoryStore):
    """
    A directory whose disk, or whose rights, are in the way of some objects.

    Args:
        is_opened: They can be opened, and not be read.
    """

    def __init__(
        self, root: Path, keys: Sequence[str], code: int, *, is_opened: bool = False
    ) -> None:
        super().__init__(root)
        self._keys, self._code, self._is_opened = keys, code, is_opened

    @override
    def open(self, key: str) -> BinaryIO:
        if key not in self._keys:
            return super().open(key)
        if self._is_opened:
            stream = super().open(key)
            elsewhere = os.open(self.path(key), os.O_WRONLY)
            os.dup2(elsewhere, stream.fileno())  # it has its length, and reading it fails
            os.close(elsewhere)
            return stream
        with self._translated(key):
            raise OSError(self._code, os.strerror(self._code), key)


def refusing(key: str, code: int, *, is_opened: bool = False) -> Callable[[Path], DirectoryStore]:
    return partial(Refusing, keys=(key,), code=code, is_opened=is_opened)
