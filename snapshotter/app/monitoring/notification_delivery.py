"""
Deliver notifications: match events to rules, and send messages about them through channels.

    notify(event) ─rules─► outbox ─grouping─► message ─channel─► delivered, or tried again

Events and messages wait in the outbox. Workers call `round` every few seconds, and
`snapshotter notify send` calls it once.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from snapshotter.app.monitoring import notification_events
from snapshotter.jobs.outbox import GIVE_UP_AFTER, Outbox
from snapshotter.model.notification import (
    DeliveryResult,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
    UndeliveredMessage,
)
from snapshotter.notify import grouping
from snapshotter.notify.message import compose
from snapshotter.notify.rules import NotifyRules, reduce_event
from snapshotter.ports import Channel, Clock, IdSource
from snapshotter.value_class import dataclass

_FIRST_S: Final = 5.0  # until the second attempt; then three times as long, and so on
_LONGEST_S: Final = 15 * 60.0  # so that a receiver gets messages soon after an outage of an hour
_PER_ROUND: Final = 100  # messages sent before other tasks run


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRound:
    """The result of one round."""

    gathered: int  # messages made
    sent: int
    failed: int  # attempts that are tried again
    given_up: int
    problems: tuple[str, ...] = ()  # a sentence for each of the last two


class NotificationService:
    """
    Accepts events and sends messages (the port `Notifier`).

    Args:
        policies: Returns the names of a job's policy, by the name that the job has and an address
            ("" for none): the name of the file and the policy's own, if they differ. Empty: they
            are not known.
    """

    def __init__(
        self,
        rules: NotifyRules,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        *,
        clock: Clock,
        ids: IdSource,
        policies: Callable[[str, str], tuple[str, ...]],
    ) -> None:
        self._rules = rules
        self._outbox = outbox
        self._channels = channels
        self._clock = clock
        self._ids = ids
        self._policies = policies

    def close(self) -> None:
        """Close the outbox."""
        self._outbox.close()

    def notify(self, event: NotificationEvent) -> None:
        """See `Notifier.notify`."""
        about = tuple(
            subject for given in event.about for subject in self._resolved(given, event.url)
        )
        waiting = self._rules.waiting(replace(event, about=about))
        if waiting:
            self._outbox.put(waiting)

    def knows(self, event_id: str) -> bool:
        """Return whether the outbox has an event, waiting or sent. Raises ServiceUnavailable."""
        return self._outbox.has(event_id)

    def _resolved(self, about: NotificationScope, url: str) -> tuple[NotificationScope, ...]:
        """Return the scope of an event once for each name that rules may know its policy by."""
        if about.policy is None:
            return (about,)
        names = self._policies(about.policy, url) or (None,)
        return tuple(replace(about, policy=name) for name in names)

    def round(self, *, hurry: bool = False) -> DeliveryRound:
        """
        Make messages of events that have waited long enough, and send the messages that are due.

        Args:
            hurry: Wait for no group, since no other round follows soon.

        Raises:
            ServiceUnavailable: The outbox does not answer; nothing is lost.
        """
        waiting, now = self._outbox.waiting()
        gathered = 0
        for batch in grouping.ready_groups(waiting, now, hurry=hurry):
            message_id = self._message_id()
            made = partial(self._compose, message_id, batch.kind)
            if self._outbox.gather(message_id, batch.channel, batch.kind, batch.event_ids, made):
                gathered += 1
        return self._hand_over(gathered)

    def tidy(self) -> None:
        """Remove old entries of the outbox. Raises ServiceUnavailable."""
        self._outbox.tidy(tuple(self._channels))

    def test(self, name: str) -> DeliveryResult:
        """
        Send a test message through a channel now, without rules and outbox.

        Raises:
            SnapshotterError: The channel does not exist.
        """
        urls = self._rules.channel(name).urls
        now = self._clock.now()
        message_id = self._message_id()
        event = notification_events.test_event(message_id, now)
        body = self._compose(message_id, NotificationKind.TEST, now, [reduce_event(event, urls)])
        return self._channels[name].deliver(
            UndeliveredMessage(
                id=message_id, channel=name, kind=NotificationKind.TEST, created_at=now, body=body
            )
        )

    def _hand_over(self, gathered: int) -> DeliveryRound:
        sent = failed = given_up = 0
        problems: list[str] = []
        for _ in range(_PER_ROUND):
            message = self._outbox.claim(tuple(self._channels))
            if message is None:
                break
            delivery = self._channels[message.channel].deliver(message)
            too_old = self._clock.now() - message.created_at >= GIVE_UP_AFTER
            give_up = too_old and not delivery.delivered
            self._outbox.settle(message, delivery, again_s=_retry_wait_s(message, delivery),
                                give_up=give_up)  # fmt: skip
            if delivery.delivered:
                sent += 1
                if delivery.detail:
                    problems.append(f"{message.channel}: {delivery.detail}")
            else:
                given_up, failed = given_up + give_up, failed + (not give_up)
                problems.append(f"{message.channel}: {delivery.detail}")
        return DeliveryRound(
            gathered=gathered, sent=sent, failed=failed, given_up=given_up,
            problems=tuple(dict.fromkeys(problems)),
        )  # fmt: skip

    def _compose(
        self,
        message_id: str,
        kind: NotificationKind,
        at: datetime,
        events: Sequence[NotificationEvent],
    ) -> bytes:
        return compose(message_id, kind, at, events, self._rules.installation)

    def _message_id(self) -> str:
        return f"msg_{base64.b32encode(self._ids.random_bytes(15)).decode('ascii').lower()}"


def _retry_wait_s(message: UndeliveredMessage, delivery: DeliveryResult) -> float:
    """
    Return the seconds until the next attempt: 5, 15, 45… up to 15 minutes, and up to a fifth more.

    The added part depends on the message, so that not all are sent at once. If a receiver names a
    time, it is waited for at least.
    """
    wait_s = min(_FIRST_S * 3.0 ** min(message.attempts, 9), _LONGEST_S)
    share = hashlib.sha256(f"{message.id}/{message.attempts}".encode()).digest()[0] / 255
    return max(wait_s * (1 + share / 5), delivery.retry_after_s or 0.0)
