"""
List, find, read, export and unpack bundles without verifying them, and store late tokens.

Bundles are in a store, or are given as open files. The returned values are what a bundle states
about itself; only a verification checks it. `put_late_token` stores a late token beside a bundle.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Collection, Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

from typing_extensions import override

from snapshotter import durable
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import container, manifest, names, store_keys
from snapshotter.formats.digest import CHUNK, Digester, digest
from snapshotter.formats.page import assessment
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import tombstone
from snapshotter.formats.statements.tombstone import Tombstone
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.ports import Content, ReadableStore, WritableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_record
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.sidecars import Sidecars, load_sidecars

# The fields of a record that a list shows, and their types.
_MAX_SIDECAR = 1 << 20  # bytes; no kind of ours is longer
_LISTED: dict[str, tuple[type, ...]] = {
    "outcome.state": (str,),
    "what.final_url": (str,),
    "what.http_status": (int, NoneType),
    "what.requested_url": (str,),
    "what.title": (str,),
    "when.started_at": (str,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedBundle:
    """A bundle of a store, and what it states about itself."""

    bundle_id: str
    object: StoredObject
    record: dict[str, Any]  # the capture record; empty when it cannot be read
    shown: AssessmentSummary | None = None  # the summary of the bundle's assessment
    problem: str = ""  # why it cannot be read
    kinds: tuple[str, ...] = ()  # of the listed objects: "" for the bundle, then its sidecars
    erased: Tombstone | None = None  # None: it was not erased


def list_bundles(
    store: ReadableStore, *, since: date | None = None, until: date | None = None
) -> Iterator[ListedBundle]:
    """
    Yield the bundles of a store, newest first, reading each record as it comes.

    An erased bundle is yielded with its tombstone. The signature of a tombstone is not judged.

    Args:
        since, until: Only bundles that were captured on these days or between them, UTC.
    """
    parsed = filter(None, map(_parsed, store.list(f"{store_keys.BUNDLES}/", reverse=True)))
    for bundle_id, group in groupby(parsed, key=lambda pair: pair[0].bundle_id):
        if since is not None and store_keys.bundle_time(bundle_id).date() < since:
            return
        if until is not None and store_keys.bundle_time(bundle_id).date() > until:
            continue
        found = {key.kind: there for key, there in group}
        if "" in found:
            yield _entry(store, bundle_id, found[""], tuple(found))
        elif tombstone.KIND in found:
            stone = read_tombstone(store, bundle_id)
            if stone is not None:
                yield ListedBundle(
                    bundle_id=bundle_id,
                    object=found[tombstone.KIND],
                    record={},
                    kinds=tuple(found),
                    erased=stone,
                )


def listed_bundle(store: ReadableStore, bundle_id: str) -> ListedBundle | None:
    """Return one bundle as `list_bundles` does; None if the store does not list it."""
    parsed = filter(None, map(_parsed, store.list(store_keys.bundle_key(bundle_id))))
    found = {key.kind: there for key, there in parsed if key.bundle_id == bundle_id}
    return _entry(store, bundle_id, found[""], tuple(found)) if "" in found else None


def _parsed(found: StoredObject) -> tuple[store_keys.BundleKey, StoredObject] | None:
    try:
        return store_keys.parse_bundle_key(found.key), found
    except ValueError:
        return None  # not ours


def _entry(
    store: ReadableStore, bundle_id: str, found: StoredObject, kinds: tuple[str, ...]
) -> ListedBundle:
    try:
        with store.open(found.key) as stream:
            record, shown = read_record(stream), read_shown(stream)
        _check_listed(record)
    except (EvidenceInvalid, OSError) as error:
        record, shown, problem = {}, None, str(error)
    else:
        problem = ""
    return ListedBundle(
        bundle_id=bundle_id,
        object=found,
        record=record,
        shown=shown,
        problem=problem,
        kinds=kinds,
    )


def read_tombstone(store: ReadableStore, bundle_id: str) -> Tombstone | None:
    """Return the tombstone of an erased bundle, by whatever key it is signed, or None."""
    key = store_keys.sidecar_key(store_keys.bundle_key(bundle_id), tombstone.KIND)
    try:
        with store.open(key) as stream:
            return tombstone.parse(stream.read(signed_statement.MAX_BYTES + 1), bundle_id)
    except (FileNotFoundError, EvidenceInvalid):
        return None


def bundle_ids(store: ReadableStore) -> Iterator[str]:
    """Yield the ids of all bundles of a store, oldest first."""
    for found in store.list(f"{store_keys.BUNDLES}/"):
        try:
            key = store_keys.parse_bundle_key(found.key)
        except ValueError:
            continue  # not ours
        if not key.kind:
            yield key.bundle_id


def _check_listed(record: dict[str, Any]) -> None:
    """Raise EvidenceInvalid unless the record has the fields that a list shows, of their types."""
    for path, kinds in _LISTED.items():
        value: Any = record
        for name in path.split("."):
            value = value.get(name, ...) if isinstance(value, dict) else ...
        if type(value) not in kinds:  # and not a subclass: True is no number here
            raise EvidenceInvalid(tr("the capture record has no valid value for {path}", path=path))
    canonical_json.parse_instant(record["when"]["started_at"])


def read_record(stream: BinaryIO) -> dict[str, Any]:
    """
    Return the capture record of the bundle in `stream`, unverified.

    Raises:
        EvidenceInvalid: Not a bundle, or one without a readable record.
    """
    return BundleMembers(stream).record()


class BundleMembers:
    """
    The members of one bundle, unverified; its directory is read once.

    Args:
        stream: The bundle; must stay open while this object is used.

    Raises:
        EvidenceInvalid: It is not a bundle.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._members = {member.name: member for member in container.read_directory(stream)}

    @property
    def names(self) -> Collection[str]:
        """The names of all members."""
        return self._members.keys()

    def read(self, name: str, *, limit: int) -> bytes:
        """
        Return the bytes of a member.

        Raises:
            EvidenceInvalid: There is no such member, or it is longer than `limit` bytes.
        """
        member = self._members.get(name)
        if member is None:
            raise EvidenceInvalid(tr("the bundle has no {name}", name=name))
        if member.length > limit:
            raise EvidenceInvalid(tr("{name} is longer than {limit} bytes", name=name, limit=limit))
        self._stream.seek(member.data_offset)
        return container.exactly(self._stream, member.length)

    def manifest_sha256(self) -> str:
        """Return the SHA-256 of the SHA-256 manifest, as bytes; "" if it cannot be read."""
        try:
            data = self.read(names.MANIFEST_SHA256, limit=manifest.MAX_BYTES)
        except (EvidenceInvalid, OSError):
            return ""  # no manifest, or the bundle is cut: nothing can be bound to it
        return hashlib.sha256(data).hexdigest()

    def record(self) -> dict[str, Any]:
        """Return the capture record. Raises EvidenceInvalid if there is no readable one."""
        data = self.read(names.CAPTURE_RECORD, limit=capture_record.MAX_BYTES)
        record = capture_record.loads(data)
        if not isinstance(record, dict):
            raise EvidenceInvalid(tr("the capture record is not a JSON object"))
        return record


def read_member(stream: BinaryIO, name: str, *, limit: int) -> bytes:
    """
    Return the bytes of one member, unverified.

    Raises:
        EvidenceInvalid: Not a bundle, no such member, or one longer than `limit` bytes.
    """
    return BundleMembers(stream).read(name, limit=limit)


def read_shown(stream: BinaryIO) -> AssessmentSummary | None:
    """
    Return the summary of the bundle's assessment, unverified; None if it has no assessment.

    Raises:
        EvidenceInvalid: Not a bundle, or its assessment cannot be read.
    """
    members = {member.name: member for member in container.read_directory(stream)}
    if (member := members.get(assessment.PATH)) is None:
        return None
    if member.length > assessment.MAX_BYTES:
        raise EvidenceInvalid(
            tr(
                "{path} is longer than {max_bytes} bytes",
                path=assessment.PATH,
                max_bytes=assessment.MAX_BYTES,
            )
        )
    stream.seek(member.data_offset)
    return AssessmentSummary.of(assessment.parse(container.exactly(stream, member.length)))


def open_member(stream: BinaryIO, member: container.Member) -> BinaryIO:
    """
    Return a member as a stream of its own, unverified.

    Other parts of the container may be read in between.
    """
    return io.BufferedReader(_Part(stream, member))


class _Part(io.RawIOBase):
    """A member of a container as a stream."""

    def __init__(self, stream: BinaryIO, member: container.Member) -> None:
        self._stream = stream
        self._member = member
        self._at = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._member.length}
        self._at = max(0, base[whence] + offset)
        return self._at

    @override
    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), max(0, self._member.length - self._at))
        self._stream.seek(self._member.data_offset + self._at)
        data = self._stream.read(count)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def read_member_names(stream: BinaryIO) -> tuple[str, ...]:
    """
    Return the names of a bundle's members, unverified.

    Raises:
        EvidenceInvalid: Not a bundle.
    """
    return tuple(member.name for member in container.read_directory(stream))


def read_signatures(stream: BinaryIO) -> tuple[bytes, ...]:
    """
    Return the signatures of the bundle in `stream`, in the order of their slots, unverified.

    Raises:
        EvidenceInvalid: Not a bundle, or one without a first signature.
    """
    found = [read_member(stream, names.signature(1), limit=MAX_SIDECAR_BYTES)]
    for slot in range(2, names.MAX_SIGNATURES + 1):
        try:
            found.append(read_member(stream, names.signature(slot), limit=MAX_SIDECAR_BYTES))
        except EvidenceInvalid:
            break  # slots are numbered without gaps
    return tuple(found)


def copy_bundle(store: ReadableStore, key: str, target: BinaryIO) -> str:
    """
    Copy a bundle out of a store, which may return other bytes later; return the SHA-256.

    Raises:
        EvidenceInvalid: It is larger than the largest permitted bundle.
        OSError, SnapshotterError: The store cannot be read.
    """
    sha256, left = hashlib.sha256(), container.MAX_BYTES
    with store.open(key) as source:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                name = store_keys.parse_bundle_key(key).bundle_id
                raise EvidenceInvalid(
                    tr("{name} is larger than the largest permitted bundle", name=name)
                )
            sha256.update(chunk)
            target.write(chunk)
    return sha256.hexdigest()


def read_sidecars(store: ReadableStore, key: str, beginning: str = "") -> Sidecars:
    """
    Read the sidecars that a store has of a bundle, as `sidecars_on_disk` does in a folder.

    Args:
        key: Of the bundle.
        beginning: Only sidecars whose kind begins so are read: "late-" for the late tokens.
    """
    prefix = f"{key}."

    def kinds() -> Iterator[str]:
        # A store may list late, and a bundle may be verified soon after it was logged.
        if names.LOG_PROOF.startswith(beginning):
            yield names.LOG_PROOF
        for found in store.list(prefix + beginning):
            yield found.key.removeprefix(prefix)

    def read(kind: str, count: int) -> bytes:
        with store.open(store_keys.sidecar_key(key, kind)) as stream:
            return stream.read(count)

    return load_sidecars(kinds(), read)


def put_late_token(
    store: WritableStore,
    key: str,
    token: Content,
    sha256: str,
    *,
    number: int = 1,
    retention: Retention | None = None,
) -> bool:
    """
    Store a late token beside its bundle, under its number or the next that is free.

    Returns:
        False when all numbers are taken by other tokens.

    Raises:
        SnapshotterError: The store does not take it.
    """
    keys = _late_token_keys(key)
    for sidecar in (keys[number - 1], *keys[: number - 1], *keys[number:]):
        with contextlib.suppress(FileExistsError):
            store.put_new(sidecar, token, sha256, retention=retention)
            return True
    return False


def _late_token_keys(key: str) -> list[str]:
    """Return the keys that late tokens of a bundle may have, in order."""
    numbers = range(1, names.MAX_LATE_TOKENS + 1)
    return [store_keys.sidecar_key(key, names.late_token(number)) for number in numbers]


def find_bundle_key(store: ReadableStore, bundle_id: str) -> str:
    """
    Return the key of a bundle in a store.

    Raises:
        SnapshotterError: Not a bundle's id, or the store has none of that id.
    """
    try:
        key = store_keys.bundle_key(bundle_id)
        store.head(key)
    except ValueError as error:
        raise SnapshotterError(
            tr("{bundle_id} is neither a file nor the id of a bundle", bundle_id=bundle_id),
            hint=tr("list the ids of the bundles:\n  snapshotter list"),
        ) from error
    except FileNotFoundError as error:
        erased = read_tombstone(store, bundle_id)
        if erased is not None:
            raise SnapshotterError(
                tr(
                    "{bundle_id} was erased on {at:%Y-%m-%d} by {by}: {order}",
                    bundle_id=bundle_id,
                    at=erased.at,
                    by=erased.by,
                    order=erased.order,
                ),
                hint=tr(
                    "show the records that remain:\n  snapshotter custody show {bundle_id}",
                    bundle_id=bundle_id,
                ),
            ) from error
        raise SnapshotterError(
            tr("the store {url} has no bundle {bundle_id}", url=store.url, bundle_id=bundle_id),
            hint=tr("list the bundles of the store:\n  snapshotter list"),
        ) from error
    return key


def export(
    store: ReadableStore, bundle_id: str, directory: Path, *, is_scratch: bool = False
) -> tuple[Path, ...]:
    """
    Copy a bundle and its sidecars into a directory; return the files, the bundle first.

    Args:
        is_scratch: Whether the copies are temporary: then nothing waits until they are on the disk.

    Raises:
        SnapshotterError: No such bundle, no space, or a file of that name that differs.
    """
    key = find_bundle_key(store, bundle_id)
    written: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for found in store.list(key):
            if found.key == key or found.key.startswith(f"{key}."):
                if found.length > (container.MAX_BYTES if found.key == key else _MAX_SIDECAR):
                    raise SnapshotterError(  # before a stranger's object fills the disk
                        tr(
                            "{key} has {length} bytes, which is more than snapshotter ever "
                            "stores in an object of this kind",
                            key=found.key,
                            length=found.length,
                        ),
                        hint=tr(
                            "first audit the store. Then remove this object from the store, or "
                            "export the bundle from a copy of the store. To audit the store:\n  "
                            "snapshotter audit"
                        ),
                    )
                target = directory / found.key.rsplit("/", 1)[-1]
                written.append(_copy(store, found, target, is_scratch=is_scratch))
    except OSError as error:
        raise SnapshotterError(f"{directory}: {error.strerror or error}") from error
    return tuple(written)


def unpack(bundle: Path, directory: Path) -> Path:
    """
    Write a bundle's members as files below `directory`; return the folder they are in.

    The names of members have been checked, so none leads out of the folder.

    Raises:
        EvidenceInvalid: Not a bundle.
        SnapshotterError: The folder exists already, or cannot be written.
    """
    target = directory / bundle.stem
    if os.path.lexists(target):
        raise SnapshotterError(
            tr("{target} exists already", target=target),
            hint=tr("remove this file or folder, or export the bundle to another folder"),
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with bundle.open("rb") as stream, durable.growing_folder(target) as growing:
            for member in container.read_directory(stream):
                path = growing / member.name
                path.parent.mkdir(exist_ok=True)
                stream.seek(member.data_offset)
                with path.open("xb") as out:
                    for chunk in container.chunks(stream, member.length):
                        out.write(chunk)
    except OSError as error:
        raise SnapshotterError(f"{target}: {error.strerror or error}") from error
    return target


def _copy(store: ReadableStore, found: StoredObject, target: Path, *, is_scratch: bool) -> Path:
    """Copy an object; the target is complete or absent, and equals the object."""
    digester, sha256 = Digester(), ""
    try:
        growing = target.open("xb") if is_scratch else durable.growing(target, over=False)
        with store.open(found.key) as source, growing as out:
            while chunk := source.read(CHUNK):
                digester.update(chunk)
                out.write(chunk)
            sha256 = digester.digests().sha256
            if found.sha256 and found.sha256 != sha256:
                raise EvidenceInvalid(
                    tr(
                        "the digest of {key} differs from the digest that the store "
                        "states for this object",
                        key=found.key,
                    )
                )
    except FileExistsError:
        with target.open("rb") as there:
            same = digest(there, limit=target.stat().st_size).sha256 == sha256
        if not same:
            raise SnapshotterError(
                tr("{target} exists already, and its content is different", target=target),
                hint=tr("export the bundle to another folder"),
            ) from None
    return target
