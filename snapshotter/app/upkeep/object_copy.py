"""
Copy one object from one store to another, read it back to check it, and list objects by bundle.

Replication and repair use it. Nothing is overwritten. The callers check that an object belongs to
its bundle before they copy it.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from snapshotter.app import store_records
from snapshotter.app.upkeep.tombstones import Tombstones
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import CHUNK
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.ports import Clock, Content, ReadableStore
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Trust

_Found = TypeVar("_Found")

_MAX_OBJECT = 4 << 30  # bytes; no bundle is larger
_MAX_SIDECAR = 1 << 18  # bytes; no kind that goes along is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePair:
    """A source and a target of copies, with what both replication and repair need."""

    source: ReadableStore
    source_name: str  # the name of the source in custody events of the target
    target: CustodialStore
    trust: Trust
    tombstones: Tombstones
    clock: Clock
    spool_dir: Path  # holds an object on its way between the two stores


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleObjects:
    """The objects of one bundle that a store lists: the bundle, its sidecars, or both."""

    bundle_id: str
    objects: dict[str, StoredObject] = field(default_factory=dict)  # by kind; "" is the bundle

    def name(self) -> str:
        """Return the id, by which listings are in order."""
        return self.bundle_id

    @property
    def key(self) -> str:
        """The key of the bundle, whether or not it exists."""
        return store_keys.bundle_key(self.bundle_id)

    def key_of(self, kind: str) -> str:
        """Return the key of a sidecar by its kind; that of the bundle for ""."""
        return store_keys.sidecar_key(self.key, kind) if kind else self.key


def list_bundle_objects(
    store: ReadableStore, prefix: str = f"{store_keys.BUNDLES}/"
) -> Iterator[BundleObjects]:
    """Yield the objects of each bundle, in the order of ids, from one listing."""
    parsed = filter(None, map(_parsed, store.list(prefix)))
    for bundle_id, found in groupby(parsed, key=lambda pair: pair[0].bundle_id):
        yield BundleObjects(bundle_id=bundle_id, objects={key.kind: there for key, there in found})


def pair_listings(
    one: Iterator[_Found], other: Iterator[_Found], name: Callable[[_Found], str]
) -> Iterator[tuple[_Found | None, _Found | None]]:
    """Merge two listings in the order of `name`; None where one lacks an item."""
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and name(left) < name(right)):
            yield left, None
            left = next(one, None)
        elif left is None or name(right) < name(left):
            yield None, right
            right = next(other, None)
        else:
            yield left, right
            left, right = next(one, None), next(other, None)


def fetch_object(store: ReadableStore, key: str, target: Path) -> str:
    """
    Copy an object to a file; return its SHA-256.

    Raises:
        FileNotFoundError: There is no such object.
        EvidenceInvalid: Its bytes do not have the digest that the store states, or it is
            longer than any object of ours.
    """
    there = store.head(key)
    if there.length > _MAX_OBJECT:  # before a stranger's object fills the disk
        raise EvidenceInvalid(
            tr(
                "{key} has {length} bytes, which is more than snapshotter ever stores in an "
                "object of this kind",
                key=key,
                length=there.length,
            )
        )
    digest = hashlib.sha256()
    with store.open(key) as source, target.open("wb") as out:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
    if there.sha256 and there.sha256 != digest.hexdigest():
        raise EvidenceInvalid(
            tr(
                "the digest of {key} differs from the digest that {url} states for this object",
                key=key,
                url=store.url,
            )
        )
    return digest.hexdigest()


def sidecar_reader(store: ReadableStore, key: str) -> Callable[[str], bytes | None]:
    """Return a function that reads a sidecar of the bundle at `key` by its kind, or None."""
    return lambda kind: store_records.read(
        store, store_keys.sidecar_key(key, kind), limit=_MAX_SIDECAR
    )


def object_sha256(store: ReadableStore, key: str) -> str:
    """Return the SHA-256 of an object's bytes, whatever digest the store states."""
    digest = hashlib.sha256()
    with store.open(key) as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def put(
    target: CustodialStore,
    event: str,
    detail: str,
    key: str,
    content: Content,
    sha256: str,
    retention: Retention | None,
) -> str:
    """
    Put an object and read it back; return a sentence if it is not locked as requested, else "".

    Raises:
        FileExistsError: The key holds other bytes.
        SnapshotterError: The store refuses the object, or returns other bytes.
    """
    unlocked = ""
    try:
        target.put_for_event(event, detail, key, content, sha256, retention=retention)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        if retention is None:
            raise
        # A copy without a lock is better than none; the missing lock is reported.
        target.put_for_event(event, detail, key, content, sha256)
        unlocked = tr("the copy is not locked: {error}", error=error)
    if object_sha256(target, key) != sha256:
        raise SnapshotterError(
            tr(
                "the store {url} returns other bytes for {key} than were written",
                url=target.url,
                key=key,
            ),
            hint=tr("check this store before you use it again:\n  snapshotter store check"),
        )
    return unlocked


def unexpired(retention: Retention | None, now: datetime) -> Retention | None:
    """Return a retention that has not ended; else None."""
    return retention if retention is not None and retention.until > now else None


def _parsed(found: StoredObject) -> tuple[store_keys.BundleKey, StoredObject] | None:
    try:
        return store_keys.parse_bundle_key(found.key), found
    except ValueError:
        return None  # not ours
