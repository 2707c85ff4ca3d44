"""
Store the notifications that are to be sent, and the messages made of them, in the database.

    put       store events, each once for a channel
    gather    make a message of waiting events, in one transaction: its bytes are final
    claim     reserve a message for two minutes
    settle    record that it was delivered, is due again later, or is given up

After a crash between two of these steps, the event still waits, the message is due, or its claim
expires. So it is delivered later, at least once. Any number of workers may use the outbox at once.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from snapshotter.formats.hosts import host_of
from snapshotter.formats.shown_address import remove_addresses, remove_page_from_name
from snapshotter.jobs.database import (
    TABLES,
    Instant,
    SafeText,
    database_now,
    insert_new,
    reading,
    writing,
)
from snapshotter.model.notification import (
    WITHOUT_PAGE,
    DeliveryResult,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
    QueuedNotification,
    UndeliveredMessage,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_CLAIM_S: Final = 120  # seconds; the time limit of a delivery is much shorter
_MANY: Final = 5_000  # events read in one round
GIVE_UP_AFTER: Final = timedelta(days=3)  # since a message was made or retried by hand
KEPT_DAYS: Final = 30  # for which sent messages are kept, against duplicates and for listing

_EVENTS = Table(
    "notify_event",
    TABLES,
    Column("event_id", String(200), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(64), nullable=False),  # SHA-256, only compared for equality
    Column("arrived_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),  # later if its subject was just reported
    Column("group_s", Integer, nullable=False),
    Column("repeat_s", Integer, nullable=False),
    Column("event", SafeText, nullable=False),  # JSON, reduced to what the channel may receive
    Column("message_id", String(64)),  # the message with this event; NULL while it waits
)
Index("notify_event_message", _EVENTS.c.message_id)
Index("notify_event_subject", _EVENTS.c.channel, _EVENTS.c.kind, _EVENTS.c.subject)

_MESSAGES = Table(
    "notify_message",
    TABLES,
    Column("id", String(64), primary_key=True),
    Column("channel", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("events", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("refusals", Integer, nullable=False),  # attempts that were refused for this message
    Column("next_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("settled_at", Instant),  # when it was delivered or given up; NULL before
    Column("state", String(16), nullable=False),
    Column("detail", SafeText, nullable=False),  # the result of the last attempt
)
Index("notify_message_due", _MESSAGES.c.state, _MESSAGES.c.next_at)


class MessageState(StrEnum):
    """The state of a message."""

    OWED = "owed"
    SENT = "sent"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """A message and its state."""

    id: str
    channel: str
    kind: NotificationKind
    events: int
    created_at: datetime  # UTC
    state: MessageState
    attempts: int
    next_at: datetime | None  # UTC; None unless it is owed
    settled_at: datetime | None  # UTC
    detail: str


class Outbox:
    """
    The notifications of this installation that are waiting or sent.

    Every method raises ServiceUnavailable if the database does not answer.

    Args:
        engine: The queue's database; `close` disposes of it.
        now: Returns the time; the database's clock unless a test gives another one.
    """

    def __init__(
        self, engine: Engine, *, now: Callable[[Connection], datetime] = database_now
    ) -> None:
        self._engine = engine
        self._now = now

    def close(self) -> None:
        """Close the connections to the database."""
        self._engine.dispose()

    def put(self, waiting: Sequence[QueuedNotification]) -> int:
        """Store all events or none; return how many are new."""
        new = 0
        with writing(self._engine) as connection:
            now = self._now(connection)
            for owed_event in waiting:
                subject = _subject(owed_event.event)
                told_at = _told_at(connection, owed_event, subject)
                again_at = told_at + timedelta(seconds=owed_event.repeat_s) if told_at else now
                row = {
                    "event_id": owed_event.event.id,
                    "channel": owed_event.channel,
                    "kind": owed_event.event.kind.value,
                    "subject": subject,
                    "arrived_at": now,
                    "not_before": max(now, again_at),
                    "group_s": owed_event.group_s,
                    "repeat_s": owed_event.repeat_s,
                    "event": _encode(owed_event.event),
                }
                done = connection.execute(insert_new(connection, _EVENTS).values(row))
                new += done.rowcount
        return new

    def has(self, event_id: str) -> bool:
        """Return whether an event is stored for any channel."""
        with reading(self._engine) as connection:
            found = select(_EVENTS.c.event_id).where(_EVENTS.c.event_id == event_id).limit(1)
            return connection.execute(found).first() is not None

    def waiting(self) -> tuple[tuple[QueuedNotification, ...], datetime]:
        """
        Return the events that may be sent now, the oldest first, and the time.

        An event that repeats a recent message is left out until the channel's interval is over.
        """
        with reading(self._engine) as connection:
            now = self._now(connection)
            rows = connection.execute(
                select(_EVENTS)
                .where(_EVENTS.c.message_id.is_(None), _EVENTS.c.not_before <= now)
                .order_by(_EVENTS.c.arrived_at, _EVENTS.c.event_id)
                .limit(_MANY)
            ).all()
        found = tuple(
            QueuedNotification(
                event=_decode(row.event),
                channel=row.channel,
                group_s=row.group_s,
                repeat_s=row.repeat_s,
                arrived_at=row.arrived_at,
            )
            for row in rows
        )
        return found, now

    def gather(
        self,
        message_id: str,
        channel: str,
        kind: NotificationKind,
        event_ids: Sequence[str],
        compose: Callable[[datetime, Sequence[NotificationEvent]], bytes],
    ) -> bool:
        """
        Make one message of those events that are not in a message yet.

        Args:
            event_ids: The ids, in the order of the message.
            compose: Returns the message's bytes from its time and its events.

        Returns:
            Whether a message was made.
        """
        mine = _EVENTS.c.message_id == message_id
        with writing(self._engine) as connection:
            connection.execute(
                update(_EVENTS)
                .where(
                    _EVENTS.c.channel == channel,
                    _EVENTS.c.message_id.is_(None),
                    _EVENTS.c.event_id.in_(event_ids),
                )
                .values(message_id=message_id)
            )
            rows = connection.execute(select(_EVENTS).where(mine)).all()
            if not rows:
                return False
            now = self._now(connection)
            for subject, repeat_s in {(row.subject, row.repeat_s) for row in rows}:
                connection.execute(
                    update(_EVENTS)
                    .where(
                        _EVENTS.c.channel == channel,
                        _EVENTS.c.kind == kind.value,
                        _EVENTS.c.subject == subject,
                        _EVENTS.c.message_id.is_(None),
                    )
                    .values(not_before=now + timedelta(seconds=repeat_s))
                )
            events = {event.id: event for event in (_decode(row.event) for row in rows)}
            connection.execute(
                _MESSAGES.insert().values(
                    id=message_id,
                    channel=channel,
                    kind=kind.value,
                    events=len(events),
                    created_at=now,
                    body=compose(
                        now, [events[event_id] for event_id in event_ids if event_id in events]
                    ),
                    attempts=0,
                    refusals=0,
                    next_at=max(now, _back_at(connection, channel) or now),
                    state=MessageState.OWED.value,
                    detail="",
                )
            )
        return True

    def claim(self, channels: Sequence[str]) -> UndeliveredMessage | None:
        """Reserve and return a message that is due on one of these channels, if there is one."""
        owed = _MESSAGES.c.state == MessageState.OWED.value
        with reading(self._engine) as connection:
            now = self._now(connection)
            is_due = and_(owed, _MESSAGES.c.next_at <= now, _is_free(now))
            # The oldest first, so that its attempts show how long its channel has been
            # unreachable; but a message that is always refused must not delay the others.
            due = connection.execute(
                select(_MESSAGES.c.id)
                .where(is_due, _MESSAGES.c.channel.in_(channels))
                .order_by(_MESSAGES.c.refusals, _MESSAGES.c.created_at, _MESSAGES.c.id)
                .limit(20)
            ).scalars()
            candidates = due.all()
        for candidate in candidates:
            with writing(self._engine) as connection:
                taken = connection.execute(
                    update(_MESSAGES)
                    .where(_MESSAGES.c.id == candidate, is_due)
                    .values(
                        claimed_until=now + timedelta(seconds=_CLAIM_S),
                        attempts=_MESSAGES.c.attempts + 1,
                    )
                )
                if not taken.rowcount:
                    continue
                row = connection.execute(select(_MESSAGES).where(_MESSAGES.c.id == candidate)).one()
                return UndeliveredMessage(
                    id=row.id,
                    channel=row.channel,
                    kind=NotificationKind(row.kind),
                    created_at=row.created_at,
                    body=row.body,
                    attempts=row.attempts - 1,
                )
        return None

    def settle(
        self,
        message: UndeliveredMessage,
        delivery: DeliveryResult,
        *,
        again_s: float,
        give_up: bool,
    ) -> None:
        """
        Record the result of an attempt to deliver a message.

        Args:
            again_s: Seconds until the next attempt, if it was not delivered. All messages of the
                channel wait as long, unless the receiver refused only this message.
            give_up: Make no further attempt.
        """
        is_owed = _MESSAGES.c.state == MessageState.OWED.value
        with writing(self._engine) as connection:
            now = self._now(connection)
            next_at = now + timedelta(seconds=again_s)
            if delivery.delivered or give_up:
                state = MessageState.SENT if delivery.delivered else MessageState.GIVEN_UP
                values: dict[str, Any] = {"state": state.value, "settled_at": now}
            else:
                values = {"next_at": next_at, "refusals": _MESSAGES.c.refusals + delivery.refused}
            connection.execute(
                update(_MESSAGES)
                .where(_MESSAGES.c.id == message.id, is_owed)
                .values(detail=delivery.detail, claimed_until=None, **values)
            )
            if not (delivery.delivered or delivery.refused):
                of_channel = _MESSAGES.c.channel == message.channel
                connection.execute(
                    update(_MESSAGES)
                    .where(of_channel, is_owed, _MESSAGES.c.next_at < next_at)
                    .values(next_at=next_at)
                )

    def retry(self, message_ids: Sequence[str] = ()) -> int:
        """Make messages due now, also those that were given up; all if none is named."""
        again = _MESSAGES.c.state != MessageState.SENT.value
        with writing(self._engine) as connection:
            now = self._now(connection)
            asked = update(_MESSAGES).where(again)
            if message_ids:
                asked = asked.where(_MESSAGES.c.id.in_(message_ids))
            return connection.execute(
                asked.values(
                    state=MessageState.OWED.value, next_at=now, settled_at=None, created_at=now
                )
            ).rowcount

    def messages(
        self, *, states: frozenset[MessageState] = frozenset(), newest: int = 0
    ) -> Iterator[MessageStatus]:
        """Yield messages, the newest first; at most `newest` unless that is 0."""
        asked = select(_MESSAGES).order_by(_MESSAGES.c.created_at.desc(), _MESSAGES.c.id)
        if states:
            asked = asked.where(_MESSAGES.c.state.in_([state.value for state in states]))
        if newest:
            asked = asked.limit(newest)
        with reading(self._engine) as connection:
            rows = connection.execute(asked).all()
        for row in rows:
            state = MessageState(row.state)
            yield MessageStatus(
                id=row.id,
                channel=row.channel,
                kind=NotificationKind(row.kind),
                events=row.events,
                created_at=row.created_at,
                state=state,
                attempts=row.attempts,
                next_at=row.next_at if state is MessageState.OWED else None,
                settled_at=row.settled_at,
                detail=row.detail,
            )

    def waiting_count(self) -> int:
        """Return how many events are not in a message yet."""
        asked = select(func.count()).select_from(_EVENTS).where(_EVENTS.c.message_id.is_(None))
        with reading(self._engine) as connection:
            return int(connection.execute(asked).scalar_one())

    def tidy(self, channels: Sequence[str]) -> int:
        """
        Give up messages to channels that do not exist any more, and delete old messages.

        Returns:
            How many messages were deleted.
        """
        with writing(self._engine) as connection:
            now = self._now(connection)
            connection.execute(
                update(_MESSAGES)
                .where(
                    _MESSAGES.c.state == MessageState.OWED.value,
                    _MESSAGES.c.channel.not_in(channels),
                    _MESSAGES.c.created_at < now - GIVE_UP_AFTER,
                )
                .values(
                    state=MessageState.GIVEN_UP.value,
                    settled_at=now,
                    detail=tr("the channel no longer exists"),
                )
            )
            before = now - timedelta(days=KEPT_DAYS)
            old = select(_MESSAGES.c.id).where(_MESSAGES.c.settled_at < before)
            connection.execute(delete(_EVENTS).where(_EVENTS.c.message_id.in_(old)))
            return connection.execute(
                delete(_MESSAGES).where(_MESSAGES.c.settled_at < before)
            ).rowcount


def _told_at(connection: Connection, waiting: QueuedNotification, subject: str) -> datetime | None:
    """Return when a channel was last notified of this subject."""
    told_at: datetime | None = connection.execute(
        select(func.max(_MESSAGES.c.created_at, type_=Instant()))
        .join(_EVENTS, _EVENTS.c.message_id == _MESSAGES.c.id)
        .where(
            _EVENTS.c.channel == waiting.channel,
            _EVENTS.c.kind == waiting.event.kind.value,
            _EVENTS.c.subject == subject,
        )
    ).scalar_one()
    return told_at


def _back_at(connection: Connection, channel: str) -> datetime | None:
    """Return when a channel that could not be reached is tried again."""
    next_at: datetime | None = connection.execute(
        select(func.min(_MESSAGES.c.next_at, type_=Instant())).where(
            _MESSAGES.c.channel == channel,
            _MESSAGES.c.state == MessageState.OWED.value,
            _MESSAGES.c.refusals == 0,
        )
    ).scalar_one()
    return next_at


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(_MESSAGES.c.claimed_until.is_(None), _MESSAGES.c.claimed_until <= now)


def _subject(event: NotificationEvent) -> str:
    return hashlib.sha256(event.subject.encode()).hexdigest()


def _encode(event: NotificationEvent) -> str:
    values = asdict(event)
    return json.dumps(values | {"at": event.at.isoformat(), "kind": event.kind.value})


def _decode(text: str) -> NotificationEvent:
    values = json.loads(text)
    kind = NotificationKind(values["kind"])
    about = values["about"] if "about" in values else _of_before(values, kind)
    return NotificationEvent(
        **values
        | {
            "at": datetime.fromisoformat(values["at"]),
            "kind": kind,
            "reasons": tuple(values["reasons"]),
            "about": tuple(
                NotificationScope(
                    policy=entry["policy"],
                    origin=entry["origin"],
                    tags=None if entry["tags"] is None else tuple(entry["tags"]),
                )
                for entry in about
            ),
        }
    )


def _of_before(values: dict[str, Any], kind: NotificationKind) -> list[dict[str, Any]]:
    """
    Remove what names a page from a row of an earlier version, and return its `about`.

    Such a row does not say whether its policy is that of the page, so the policy is unknown.
    """
    host = str(values.get("host", "")).replace("[.]", ".") or host_of(str(values.get("url", "")))
    origin, tags = str(values.pop("origin", "")), values.pop("tags", ())
    values.pop("policy", None)
    values |= {
        "summary": remove_addresses(str(values["summary"]), host=host),
        "url": "",
        "host": "",
        "detail": "",
        "job_id": remove_page_from_name(str(values.get("job_id", ""))),
    }
    if kind in WITHOUT_PAGE:
        return []
    shown = [remove_addresses(str(tag), host=host) for tag in tags]
    origin = remove_page_from_name(remove_addresses(origin, host=host))
    return [{"policy": None, "origin": origin, "tags": shown}]
