"""Read the gap records of a store: the signed records of visits that were planned and not made."""

from collections.abc import Iterator

from snapshotter.app import store_records
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import gap as gaps
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.ports import ReadableStore
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGap:
    """One object under the store's prefix for gap records."""

    key: str
    record: GapRecord | None  # None: the object is not a gap record
    sha256: str = ""  # of the object
    problem: str = ""  # why there is no record


def stored_gaps(store: ReadableStore) -> Iterator[StoredGap]:
    """Yield the gap records of a store, the newest first. Trust in their keys is not checked."""
    for found in store.list(f"{store_keys.GAPS}/", reverse=True):
        yield read_stored_gap(store, found.key)


def read_stored_gap(store: ReadableStore, key: str) -> StoredGap:
    """Return the object under one key. Trust in its key is not checked."""
    data = read_gap(store, key) or b""
    sha256 = digest_bytes(data).sha256
    try:
        gap_id = store_keys.parse_gap_key(key)
        return StoredGap(key=key, record=gaps.parse(data, gap_id), sha256=sha256)
    except (ValueError, EvidenceInvalid) as error:
        return StoredGap(key=key, record=None, sha256=sha256, problem=str(error))


def read_gap(store: ReadableStore, key: str) -> bytes | None:
    """Return the bytes of a gap record; None if the store has none under this key."""
    return store_records.read(store, key, limit=signed_statement.MAX_BYTES)
