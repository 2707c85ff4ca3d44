"""Verify a bundle with everything that was added beside it: late tokens, custody, log proof."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.app import bundles
from snapshotter.formats import layout
from snapshotter.model.finding import Report
from snapshotter.ports import ObjectStore
from snapshotter.verify import files
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust


def verified_in_store(
    stream: BinaryIO, store: ObjectStore, key: str, trust: Trust, *, now: datetime
) -> Report:
    """
    Return what the verification of a bundle found, with its sidecars in a store.

    Args:
        stream: The bundle, or a copy of it; left open.
        key: Of the bundle in `store`.
        now: UTC; what is later than this is not believed.
    """
    return verify_bundle(
        stream,
        trust,
        now=now,
        late_tokens=bundles.late_tokens(store, key),
        custody_sidecars=bundles.custody_sidecars(store, key),
        log_proof=bundles.log_proof(store, key),
        renewals=bundles.renewals(store, key),
    )


def verified(store: ObjectStore, bundle_id: str, trust: Trust, *, now: datetime) -> Report | None:
    """Return what the verification of a bundle of a store found; None if it is not there."""
    key = layout.bundle_key(bundle_id)
    try:
        with store.open(key) as stream:
            return verified_in_store(stream, store, key, trust, now=now)
    except FileNotFoundError:
        return None


def verified_on_disk(stream: BinaryIO, path: Path, trust: Trust, *, now: datetime) -> Report:
    """Return what the verification of a bundle found, with the sidecars beside its file."""
    return verify_bundle(
        stream,
        trust,
        now=now,
        late_tokens=files.late_tokens_beside(path),
        custody_sidecars=files.custody_beside(path),
        log_proof=files.log_proof_beside(path),
        renewals=files.renewals_beside(path),
    )
