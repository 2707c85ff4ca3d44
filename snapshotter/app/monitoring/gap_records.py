"""
Record gaps (visits that were planned and not made) in the store and its log.

    (1) write the salts that open the commitments to addresses, on this machine
    (2) sign and store the record
    (3) append its leaf to the log

A gap has its id before it is recorded. So the same call after a crash finds the record that
is stored and completes what is missing. A record never changes.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from snapshotter.app import commitment_salts, store_records
from snapshotter.app.archive.stored_gaps import read_gap
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.leaf import GAP, Leaf
from snapshotter.formats.statements import gap as gaps
from snapshotter.formats.statements.gap import SALT_BYTES
from snapshotter.model.gap import Gap
from snapshotter.ports import IdSource, ObjectStore, Signer
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GapService:
    """What is needed to record gaps."""

    store: ObjectStore
    signer: Signer
    ids: IdSource
    salts_dir: Path
    # Adds leaves to the log; True if they may be in it already. None: nothing is logged.
    log: Callable[[Sequence[Leaf], bool], object] | None


def record(service: GapService, given: Sequence[Gap]) -> None:
    """
    Sign, store and log gaps; a gap that is stored already is only logged.

    Raises:
        ServiceUnavailable: Store, log or key did not answer. The same call may be repeated.
        SnapshotterError: They refuse, or another object has the key of a record.
    """
    leaves: list[Leaf] = []
    was_there = False
    for gap in given:
        key = store_keys.gap_key(gap.gap_id)
        data = read_gap(service.store, key)
        if data is None:
            data = _put(service, key, gap)
        else:
            was_there = True
        try:
            gaps.parse(data, gap.gap_id)
        except EvidenceInvalid as error:
            raise SnapshotterError(
                tr(
                    "{key} in {url} is not the record of this gap: {error}",
                    key=key,
                    url=service.store.url,
                    error=error,
                ),
                hint=tr(
                    "check which users have write access to this store, then remove the object"
                ),
            ) from error
        leaves.append(Leaf(kind=GAP, name=gap.gap_id, sha256=digest_bytes(data).sha256))
    if service.log is not None and leaves:
        service.log(leaves, was_there)


def _put(service: GapService, key: str, gap: Gap) -> bytes:
    urls = {url for missed in gap.missed for url in missed.urls}
    opened = gaps.disclosures(gap, [service.ids.random_bytes(SALT_BYTES) for _ in urls])
    # Another process may be recording the same gap, or have died doing so: its salts count.
    there = commitment_salts.write_salts_once(
        service.salts_dir, gap.gap_id, list(opened.values())
    )  # (1)
    opened = gaps.disclosures(gap, [bytes.fromhex(disclosure.salt) for disclosure in there])
    data = gaps.encode(gap, opened, service.signer)
    if store_records.put(service.store, key, data):  # (2)
        return data
    return read_gap(service.store, key) or b""  # another process stored it first: its record counts
