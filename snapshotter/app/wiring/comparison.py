"""Compare two bundles of the configured store."""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from snapshotter.app.settings import Settings
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import EvidenceInvalid
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.comparison import ComparedPair


def compare_stored(settings: Settings, first: str, second: str) -> "ComparedPair":
    """
    Verify two bundles of the store, and compare the captures in them.

    Args:
        first, second: The ids, in any order.

    Raises:
        PolicyRefused: A capture is in quarantine.
        EvidenceInvalid: A bundle was altered, or cannot be read.
        SnapshotterError: The store does not have a bundle.
    """
    from snapshotter.app.archive import comparison, quarantined
    from snapshotter.app.machine import SystemClock
    from snapshotter.app.policies import configured_policy
    from snapshotter.app.wiring.capturer import assessor
    from snapshotter.model.finding import Verdict
    from snapshotter.policy import page_identity
    from snapshotter.policy.capture_decision import decide

    store, now = wiring_store.store(settings), SystemClock().now()
    trust = wiring_trust.trust(settings, by_bundle=True)
    is_trusted = wiring_trust.trusted_keys(settings)
    with ExitStack() as stack:
        opened = []
        for bundle_id in (first, second):
            quarantined.require_visible(store, bundle_id, is_trusted)
            bundle = stack.enter_context(
                comparison.open_stored_bundle(bundle_id, store, trust, now)
            )
            if bundle.report.codes(Verdict.FAILED):
                raise EvidenceInvalid(
                    tr("{bundle_id} was altered, and is not compared", bundle_id=bundle_id),
                    hint=tr(
                        "show what is wrong:\n  snapshotter verify {bundle_id}",
                        bundle_id=bundle_id,
                    ),
                )
            opened.append(bundle)
        return comparison.compare_bundles(
            (opened[0], opened[1]),
            None,
            assessor,
            page_identity.shipped_identity_rules(),
            decide(configured_policy.judging_policy(settings)),
        )
