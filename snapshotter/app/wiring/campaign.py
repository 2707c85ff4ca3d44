"""Build the service that makes campaign reports from the configured store."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.app.takedown.campaign_report import CampaignService
from snapshotter.app.takedown.rederivation import mismatch
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.policy import capture_decision
from snapshotter.ports import ShowMessage


@contextmanager
def campaign_service(settings: Settings, *, show_message: ShowMessage) -> Iterator[CampaignService]:
    """
    Yield the service that makes campaign reports from the configured store.

    Raises:
        SnapshotterError: The settings are invalid, or the index cannot be used.
    """
    configured_policy.warn_if_ignored(settings, show_message)
    trust = wiring_trust.trust(settings)
    own = frozenset(key.key_id for key in wiring_keys.signing_keys(settings) if key.key_id)
    with wiring_index.observation_source(settings, show_message=show_message) as source:
        yield CampaignService(
            source=source,
            trust=trust,
            monitoring=lambda url: capture_decision.monitoring(
                configured_policy.judging_policy(settings, url)
            ),
            own_keys=own,
            now=SystemClock().now,
            new_id=RandomIds().bundle_id,
            progress=show_message,
            hidden=wiring_index.hidden_finder(settings, source),
            mismatch=partial(mismatch, wiring_takedown.rederivation(settings)),
        )
