"""List the take-down events of a store, with the removals of one account that belong together."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.policies import configured_policy
from snapshotter.app.settings import Settings
from snapshotter.assess.takedown_events import group_bursts
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown
from snapshotter.policy import capture_decision
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event in a list. Whether the key that signed it is trusted is not checked."""

    event: Takedown
    stored: StoredEvent
    burst: str | None  # the id of the first event of its group; None: a group of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class EventList:
    """Events in the order in which they were concluded, those of one group together."""

    events: tuple[ListedEvent, ...]
    invalid: tuple[StoredEvent, ...]  # objects that are no valid events


def listed_events(
    source: ObservationSource, *, page: str = "", since: datetime | None = None, within: timedelta
) -> EventList:
    """
    Return the events of a store, from the index as it is.

    Args:
        page: Only events of the page with this address or identity.
        since: Only events that were concluded at this time or later.
        within: Removals of one account within this time belong together.

    Raises:
        SnapshotterError: The index cannot be used.
    """
    kept = source.index.events(identity=source.named_identity(page) if page else "")
    known = {
        stored.event.event_id: stored
        for stored in kept
        if stored.event is not None and (since is None or stored.event.at >= since)
    }
    events = [stored.event for stored in known.values() if stored.event is not None]
    return EventList(
        events=tuple(
            ListedEvent(
                event=event,
                stored=known[event.event_id],
                burst=group[0].event_id if len(group) > 1 else None,
            )
            for group in group_bursts(events, within=within)
            for event in group
        ),
        invalid=tuple(stored for stored in kept if stored.problem),
    )


def without_words(event: Takedown, hidden: Collection[str]) -> Takedown:
    """
    Return an event without the words of captures in quarantine.

    Times, addresses, verdicts and digests stay. A change has the words of both its captures.

    Args:
        hidden: Ids of the captures in quarantine.
    """

    def of_captures(captures: tuple[Observation, ...]) -> tuple[Observation, ...]:
        return tuple(
            replace(capture, accounts=(), account_name="", cited_rule="", counts=(), notice="")
            if capture.bundle_id in hidden
            else capture
            for capture in captures
        )

    change = event.change
    if change is not None and any(capture.bundle_id in hidden for capture in event.ends):
        items = tuple(replace(item, pieces=()) for item in change.items)
        change = replace(change, dates=(), items=items)
    last_seen, first_gone = of_captures((event.last_seen, event.first_gone))
    return replace(
        event,
        last_seen=last_seen,
        first_gone=first_gone,
        confirmations=of_captures(event.confirmations),
        controls=of_captures(event.controls),
        vantages=of_captures(event.vantages),
        identified_by=of_captures(event.identified_by),
        change=change,
    )


def removal_burst(settings: Settings) -> timedelta:
    """
    Return the time within which removals of one account belong together, by the default policy.
    """
    return capture_decision.monitoring(configured_policy.judging_policy(settings)).burst


def confirm_rules(settings: Settings, url: str) -> ConfirmRules:
    """Return how a removal of this page is confirmed. Raises SnapshotterError: no policy."""
    return capture_decision.monitoring(configured_policy.judging_policy(settings, url)).confirm
