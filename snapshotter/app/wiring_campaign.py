"""Build what makes campaign reports."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from snapshotter.app import (
    event_verification,
    policy_choice,
    wiring_keys,
    wiring_takedown,
    wiring_trust,
)
from snapshotter.app.campaigns import CampaignDesk
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.policy import decide as policies
from snapshotter.ports import Tell


@contextmanager
def desk(settings: Settings, *, tell: Tell) -> Iterator[CampaignDesk]:
    """
    Lend what makes reports of the configured store.

    Raises:
        SnapshotterError: The settings make no sense, or the catalog can not be written.
    """
    policy_choice.tell_if_left_out(settings, tell)
    trust = wiring_trust.trust(settings)
    own = frozenset(it.key_id for it in wiring_keys.key_directory(settings).list() if it.key_id)
    with wiring_takedown.observatory(settings) as place:
        yield CampaignDesk(
            place=place,
            trust=trust,
            monitoring=lambda url: policies.monitoring(policy_choice.judging(settings, url)),
            own_keys=own,
            now=SystemClock().now,
            new_id=RandomIds().bundle_id,
            told=tell,
            unlike=partial(event_verification.unlike, wiring_takedown.rederiver(settings)),
        )
