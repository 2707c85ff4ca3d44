"""
Group waiting events into messages: many events of one kind become one message.

For example, twenty-three removals in five minutes become one message that lists all of them. No
event is dropped: an event that is not yet in a message keeps waiting. The caller passes the events
and the time.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from snapshotter.model.notification import NotificationKind, QueuedNotification
from snapshotter.value_class import dataclass

MAX_EVENTS: Final = 500  # of one message; more make a further one


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageGroup:
    """Events that become one message."""

    channel: str
    kind: NotificationKind
    event_ids: tuple[str, ...]  # in the order in which they happened


def ready_groups(
    waiting: Sequence[QueuedNotification], now: datetime, *, hurry: bool = False
) -> tuple[MessageGroup, ...]:
    """
    Return what is to be told now.

    A group is told when its first event has waited as long as its rule says; all that came
    since go with it.

    Args:
        hurry: Nobody will look again soon: tell all.
    """
    groups: dict[tuple[str, NotificationKind], list[QueuedNotification]] = defaultdict(list)
    for owed_event in waiting:
        groups[owed_event.channel, owed_event.event.kind].append(owed_event)
    return tuple(
        batch
        for (channel, kind), group in groups.items()
        if hurry or any(_has_waited(waiting, now) for waiting in group)
        for batch in _batches(channel, kind, group)
    )


def _has_waited(waiting: QueuedNotification, now: datetime) -> bool:
    return waiting.arrived_at is None or now - waiting.arrived_at >= timedelta(
        seconds=waiting.group_s
    )


def _batches(
    channel: str, kind: NotificationKind, group: Sequence[QueuedNotification]
) -> list[MessageGroup]:
    ids = [
        waiting.event.id
        for waiting in sorted(group, key=lambda waiting: (waiting.event.at, waiting.event.id))
    ]
    return [
        MessageGroup(channel=channel, kind=kind, event_ids=tuple(ids[begin : begin + MAX_EVENTS]))
        for begin in range(0, len(ids), MAX_EVENTS)
    ]
