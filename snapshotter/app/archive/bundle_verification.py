"""
Verify a bundle of a store with its sidecars, and tell whether conclusions may be drawn from it.
"""

from datetime import datetime
from typing import BinaryIO

from snapshotter.app.archive import bundles
from snapshotter.formats.bundle import store_keys
from snapshotter.model.finding import Report, Verdict
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust


def verify_in_store(
    stream: BinaryIO,
    store: ReadableStore,
    key: str,
    trust: Trust,
    *,
    now: datetime,
    read_assessment: bool = False,
) -> Report:
    """
    Verify a bundle with its sidecars in a store.

    Args:
        stream: The bundle, or a copy of it; left open.
        key: The key of the bundle in `store`.
        now: The verifier's clock; a later token is not believed.
        read_assessment: Whether the report has what the bundle states about its page.
    """
    return verify_bundle(
        stream,
        trust,
        now=now,
        sidecars=bundles.read_sidecars(store, key),
        read_assessment=read_assessment,
    )


def verify_stored_bundle(
    store: ReadableStore, bundle_id: str, trust: Trust, *, now: datetime
) -> Report | None:
    """Verify a bundle of a store; None if the store does not have it."""
    key = store_keys.bundle_key(bundle_id)
    try:
        with store.open(key) as stream:
            return verify_in_store(stream, store, key, trust, now=now)
    except FileNotFoundError:
        return None


def unusable_reason(report: Report, sha256: str) -> str:
    """
    Return why nothing may be concluded from a bundle; "" if its verification does not forbid it.

    Args:
        report: The result of its verification.
        sha256: The digest of the bundle that was catalogued, in hexadecimal.
    """
    if report.sha256 != sha256:
        return tr("the digest of the bundle differs from the digest in the index")
    if report.verdict is Verdict.FAILED:
        return tr(
            "the verdict about the bundle is FAILED: {codes}",
            codes=" ".join(report.codes(Verdict.FAILED)),
        )
    return ""
