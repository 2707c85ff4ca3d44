"""
Read which bundles, tombstones, custody heads and records the log of a store names.

All entries are read in one pass and checked against the root of the signed checkpoint.
"""

from collections.abc import Iterator
from dataclasses import field

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import leaf, merkle
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.log import LogReader


@dataclass(frozen=True, slots=True, kw_only=True)
class LogContents:
    """What a log names; empty if there is no log, or no key to check it by."""

    size: int = 0
    bundles: dict[str, str] = field(default_factory=dict)  # id: SHA-256 of its first entry
    erased: frozenset[str] = frozenset()  # ids with a tombstone
    custody: frozenset[Leaf] = frozenset()  # heads of custody chains
    # Records of their own, by kind of leaf and name: SHA-256 of the first entry.
    records: dict[tuple[str, str], str] = field(default_factory=dict)


def read_log(store: ReadableStore, policy: LogPolicy | None) -> LogContents:
    """
    Return what the log of a store names, after checking its entries.

    Args:
        policy: The log's key; without one the result is empty.

    Raises:
        EvidenceInvalid: The log has another key, or its entries do not match its checkpoint.
    """
    if policy is None:
        return LogContents()
    reader = LogReader(store, policy)
    try:
        signed = reader.checkpoint()
    except FileNotFoundError:
        return LogContents()
    bundles: dict[str, str] = {}
    erased: set[str] = set()
    heads: set[Leaf] = set()
    records: dict[tuple[str, str], str] = {}

    def hashes() -> Iterator[bytes]:
        for entry in reader.entries(0, signed.size):
            found = entry.leaf
            if found is not None and found.kind == leaf.BUNDLE:
                bundles.setdefault(found.name, found.sha256)
            elif found is not None and found.kind == leaf.TOMBSTONE:
                erased.add(found.name)
            elif found is not None and found.kind == leaf.CUSTODY:
                heads.add(found)
            elif found is not None and found.kind in (leaf.GAP, leaf.TAKEDOWN, leaf.REPORT):
                records.setdefault((found.kind, found.name), found.sha256)
            yield merkle.leaf_hash(entry.data)

    if merkle.root(hashes()) != signed.root:
        raise EvidenceInvalid(
            tr(
                "the entries of the log of {url} do not match the checkpoint of this log",
                url=store.url,
            ),
            hint=tr("check the log and the store:\n  snapshotter log check\n  snapshotter audit"),
        )
    return LogContents(
        size=signed.size,
        bundles=bundles,
        erased=frozenset(erased),
        custody=frozenset(heads),
        records=records,
    )
