"""Verify a bundle in a store with everything that was added beside it."""

from datetime import datetime
from typing import BinaryIO

from snapshotter.app import bundles
from snapshotter.formats import layout
from snapshotter.model.finding import Report, Verdict
from snapshotter.ports import ObjectStore
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


def why_unusable(report: Report, sha256: str) -> str:
    """
    Return why nothing can be concluded from a bundle; "" if its bytes do not forbid it.

    Args:
        report: What its verification found.
        sha256: Of the bundle that was catalogued, in hexadecimal.
    """
    if report.sha256 != sha256:
        return "its bundle is another than was catalogued"
    if report.verdict is Verdict.FAILED:
        codes = {it.code.value for it in report.findings if it.verdict is Verdict.FAILED}
        return f"its bundle FAILED: {' '.join(sorted(codes))}"
    return ""
