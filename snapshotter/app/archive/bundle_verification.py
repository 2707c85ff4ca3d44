"""Verify a bundle in a store with everything that was added beside it."""

from datetime import datetime
from typing import BinaryIO

from snapshotter.app.archive import bundles
from snapshotter.formats.bundle import store_keys
from snapshotter.model.finding import Report, Verdict
from snapshotter.ports import ReadableStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust


def verify_in_store(
    stream: BinaryIO, store: ReadableStore, key: str, trust: Trust, *, now: datetime
) -> Report:
    """
    Return what the verification of a bundle found, with its sidecars in a store.

    Args:
        stream: The bundle, or a copy of it; left open.
        key: Of the bundle in `store`.
        now: UTC; what is later than this is not believed.
    """
    return verify_bundle(stream, trust, now=now, sidecars=bundles.read_sidecars(store, key))


def verify_stored_bundle(
    store: ReadableStore, bundle_id: str, trust: Trust, *, now: datetime
) -> Report | None:
    """Return what the verification of a bundle of a store found; None if it is not there."""
    key = store_keys.bundle_key(bundle_id)
    try:
        with store.open(key) as stream:
            return verify_in_store(stream, store, key, trust, now=now)
    except FileNotFoundError:
        return None


def unusable_reason(report: Report, sha256: str) -> str:
    """
    Return why nothing can be concluded from a bundle; "" if its bytes do not forbid it.

    Args:
        report: What its verification found.
        sha256: Of the bundle that was catalogued, in hexadecimal.
    """
    if report.sha256 != sha256:
        return "its bundle is another than was catalogued"
    if report.verdict is Verdict.FAILED:
        return f"its bundle FAILED: {' '.join(report.codes(Verdict.FAILED))}"
    return ""
