"""Many events of one kind are one message."""

from datetime import timedelta

from snapshotter.model.notification import NotificationKind, QueuedNotification
from snapshotter.notify.grouping import MAX_EVENTS, ready_groups
from tests.fakes.world import START
from tests.unit.notify.parts import event


def waiting(
    number: int, kind: NotificationKind = NotificationKind.CAPTURE_FAILED, channel: str = "desk"
) -> QueuedNotification:
    return QueuedNotification(
        event=event(number, kind),
        channel=channel,
        group_s=300,
        repeat_s=0,
        arrived_at=START + timedelta(seconds=number),
    )


def test_a_group_is_told_when_its_first_event_has_waited_and_not_before() -> None:
    all_23 = [waiting(number * 13) for number in range(23)]

    assert ready_groups(all_23, START + timedelta(seconds=299)) == ()
    (batch,) = ready_groups(all_23, START + timedelta(seconds=300))
    assert batch.event_ids == tuple(waiting.event.id for waiting in all_23)


def test_kinds_and_channels_are_groups_of_their_own() -> None:
    given = [
        waiting(1),
        waiting(2, NotificationKind.CAPTURE_DEAD),
        waiting(3, channel="mail"),
        waiting(250),
    ]

    batches = ready_groups(given, START + timedelta(seconds=302))

    assert {(batch.channel, batch.kind) for batch in batches} == {
        ("desk", NotificationKind.CAPTURE_FAILED),
        ("desk", NotificationKind.CAPTURE_DEAD),
    }
    assert len(ready_groups(given, START, hurry=True)) == 3


def test_events_stand_in_the_order_in_which_they_happened() -> None:
    (batch,) = ready_groups([waiting(3), waiting(1), waiting(2)], START, hurry=True)

    assert batch.event_ids == tuple(f"capture.failed/job-{number}" for number in (1, 2, 3))


def test_a_flood_becomes_several_messages_that_hold_all_of_it() -> None:
    flood = [waiting(number) for number in range(MAX_EVENTS * 2 + 1)]

    batches = ready_groups(flood, START, hurry=True)

    assert [len(batch.event_ids) for batch in batches] == [MAX_EVENTS, MAX_EVENTS, 1]
    assert len({id for batch in batches for id in batch.event_ids}) == len(flood)
