"""
Which waiting events make a message now: many of one kind become one.

Twenty-three removals in five minutes are one message that lists twenty-three. Nothing is
dropped: what waits is told later. Pure; time comes in.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from snapshotter.model.event import EventKind, Waiting

MAX_EVENTS: Final = 500  # of one message; more make a further one


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Events that become one message."""

    channel: str
    kind: EventKind
    event_ids: tuple[str, ...]  # in the order in which they happened


def ready(waiting: Sequence[Waiting], now: datetime, *, hurry: bool = False) -> tuple[Batch, ...]:
    """
    Return what is to be told now.

    A group is told when its first event has waited as long as its rule says; all that came
    since go with it.

    Args:
        hurry: Nobody will look again soon: tell all.
    """
    groups: dict[tuple[str, EventKind], list[Waiting]] = defaultdict(list)
    for it in waiting:
        groups[it.channel, it.event.kind].append(it)
    return tuple(
        batch
        for (channel, kind), group in groups.items()
        if hurry or any(_has_waited(it, now) for it in group)
        for batch in _batches(channel, kind, group)
    )


def _has_waited(it: Waiting, now: datetime) -> bool:
    return it.arrived_at is None or now - it.arrived_at >= timedelta(seconds=it.group_s)


def _batches(channel: str, kind: EventKind, group: Sequence[Waiting]) -> list[Batch]:
    ids = [it.event.id for it in sorted(group, key=lambda it: (it.event.at, it.event.id))]
    return [
        Batch(channel=channel, kind=kind, event_ids=tuple(ids[begin : begin + MAX_EVENTS]))
        for begin in range(0, len(ids), MAX_EVENTS)
    ]
