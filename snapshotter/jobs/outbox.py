"""
What has to be told and was not yet, in the database of the queue.

    put       events wait, each once a channel, however often they are told
    gather    waiting events become a message, in one transaction: its bytes are final
    claim     a message is somebody's for two minutes, and nobody else tries it
    settle    it was taken over, or is owed again at a later time, or is given up

A crash between two of these leaves something that is waiting, owed, or claimed by nobody
alive: it is told later, and at least once. Any number of workers may call at once.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
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
from snapshotter.formats.shown_address import without_addresses, without_page
from snapshotter.jobs.database import (
    TABLES,
    Instant,
    Words,
    database_now,
    insert_new,
    reading,
    writing,
)
from snapshotter.model.event import (
    WITHOUT_PAGE,
    About,
    Delivery,
    Event,
    EventKind,
    OwedMessage,
    Waiting,
)

_CLAIM_S: Final = 120  # seconds; a delivery has a limit well below
_MANY: Final = 5_000  # events looked at in one round
GIVE_UP_AFTER: Final = timedelta(days=3)  # since a message was made, or asked for again
KEPT_DAYS: Final = 30  # what was told, so that it is not told again, and for `notify outbox`

_EVENTS = Table(
    "notify_event",
    TABLES,
    Column("event_id", String(200), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(64), nullable=False),  # SHA-256: equal or not is all we ask
    Column("arrived_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),  # later where its subject was just told of
    Column("group_s", Integer, nullable=False),
    Column("repeat_s", Integer, nullable=False),
    Column("event", Words, nullable=False),  # JSON, reduced to what the channel may be told
    Column("message_id", String(64)),  # that tells it; NULL while it waits
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
    Column("refusals", Integer, nullable=False),  # attempts at which this very message was refused
    Column("next_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("settled_at", Instant),  # taken over or given up; NULL while it is owed
    Column("state", String(16), nullable=False),
    Column("detail", Words, nullable=False),  # what came of the last attempt
)
Index("notify_message_due", _MESSAGES.c.state, _MESSAGES.c.next_at)


class MessageState(StrEnum):
    """How far a message has come."""

    OWED = "owed"
    SENT = "sent"
    GIVEN_UP = "given-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStatus:
    """A message, and what came of it up to now."""

    id: str
    channel: str
    kind: EventKind
    events: int
    created_at: datetime  # UTC
    state: MessageState
    attempts: int
    next_at: datetime | None  # UTC; of one that is owed
    settled_at: datetime | None  # UTC
    detail: str


class Outbox:
    """
    The messages that this installation owes. Every method raises ServiceUnavailable when the
    database does not answer.

    Args:
        engine: The queue's database; ours from here on.
        now: The database's clock, which all workers share; another in tests.
    """

    def __init__(
        self, engine: Engine, *, now: Callable[[Connection], datetime] = database_now
    ) -> None:
        self._engine = engine
        self._now = now

    def close(self) -> None:
        """Let go of the database's connections."""
        self._engine.dispose()

    def put(self, waiting: Sequence[Waiting]) -> int:
        """Take events over, all or none; return how many were not known before."""
        new = 0
        with writing(self._engine) as connection:
            now = self._now(connection)
            for it in waiting:
                subject = _subject(it.event)
                told_at = _told_at(connection, it, subject)
                again_at = told_at + timedelta(seconds=it.repeat_s) if told_at else now
                row = {
                    "event_id": it.event.id,
                    "channel": it.channel,
                    "kind": it.event.kind.value,
                    "subject": subject,
                    "arrived_at": now,
                    "not_before": max(now, again_at),
                    "group_s": it.group_s,
                    "repeat_s": it.repeat_s,
                    "event": _encode(it.event),
                }
                done = connection.execute(insert_new(connection, _EVENTS).values(row))
                new += done.rowcount
        return new

    def waiting(self) -> tuple[tuple[Waiting, ...], datetime]:
        """
        Return the events that may be told now, the oldest first, and what time it is.

        What repeats something that was just told is not among them before its interval is over.
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
            Waiting(
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
        kind: EventKind,
        event_ids: Sequence[str],
        compose: Callable[[datetime, Sequence[Event]], bytes],
    ) -> bool:
        """
        Make one message of these events, as far as nobody else did.

        Args:
            event_ids: In the order in which the message has them.
            compose: Returns the message's bytes from its time and its events.

        Returns:
            Whether there was anything left to tell.
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
            events = {it.id: it for it in (_decode(row.event) for row in rows)}
            connection.execute(
                _MESSAGES.insert().values(
                    id=message_id,
                    channel=channel,
                    kind=kind.value,
                    events=len(events),
                    created_at=now,
                    body=compose(now, [events[it] for it in event_ids if it in events]),
                    attempts=0,
                    refusals=0,
                    next_at=max(now, _back_at(connection, channel) or now),
                    state=MessageState.OWED.value,
                    detail="",
                )
            )
        return True

    def claim(self, channels: Sequence[str]) -> OwedMessage | None:
        """Return a message that is due on one of these channels and nobody else's, if any."""
        owed = _MESSAGES.c.state == MessageState.OWED.value
        with reading(self._engine) as connection:
            now = self._now(connection)
            is_due = and_(owed, _MESSAGES.c.next_at <= now, _is_free(now))
            # The oldest first, so that its attempts say how long its channel has been away; but one
            # that is never taken holds up no other.
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
                return OwedMessage(
                    id=row.id,
                    channel=row.channel,
                    kind=EventKind(row.kind),
                    created_at=row.created_at,
                    body=row.body,
                    attempts=row.attempts - 1,
                )
        return None

    def settle(
        self, message: OwedMessage, delivery: Delivery, *, again_s: float, give_up: bool
    ) -> None:
        """
        Write down what came of an attempt.

        Args:
            again_s: Seconds until the next one, of a message that was not taken over. Unless
                the receiver refuses this very message, all of its channel wait as long.
            give_up: There is no next one.
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
        """Owe given-up messages again, and try owed ones at once; all of them if none is named."""
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
        """Yield messages, the newest first; at most so many, 0 for all."""
        asked = select(_MESSAGES).order_by(_MESSAGES.c.created_at.desc(), _MESSAGES.c.id)
        if states:
            asked = asked.where(_MESSAGES.c.state.in_([it.value for it in states]))
        if newest:
            asked = asked.limit(newest)
        with reading(self._engine) as connection:
            rows = connection.execute(asked).all()
        for row in rows:
            state = MessageState(row.state)
            yield MessageStatus(
                id=row.id,
                channel=row.channel,
                kind=EventKind(row.kind),
                events=row.events,
                created_at=row.created_at,
                state=state,
                attempts=row.attempts,
                next_at=row.next_at if state is MessageState.OWED else None,
                settled_at=row.settled_at,
                detail=row.detail,
            )

    def waiting_count(self) -> int:
        """Return how many events are in no message yet."""
        asked = select(func.count()).select_from(_EVENTS).where(_EVENTS.c.message_id.is_(None))
        with reading(self._engine) as connection:
            return int(connection.execute(asked).scalar_one())

    def tidy(self, channels: Sequence[str]) -> int:
        """
        Give up what is owed to channels that are not there any more; forget what is long over.

        Returns:
            How many messages were forgotten.
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
                    detail="there is no such channel any more",
                )
            )
            before = now - timedelta(days=KEPT_DAYS)
            old = select(_MESSAGES.c.id).where(_MESSAGES.c.settled_at < before)
            connection.execute(delete(_EVENTS).where(_EVENTS.c.message_id.in_(old)))
            return connection.execute(
                delete(_MESSAGES).where(_MESSAGES.c.settled_at < before)
            ).rowcount


def _told_at(connection: Connection, it: Waiting, subject: str) -> datetime | None:
    """Return when a channel was last told of this subject."""
    told_at: datetime | None = connection.execute(
        select(func.max(_MESSAGES.c.created_at, type_=Instant()))
        .join(_EVENTS, _EVENTS.c.message_id == _MESSAGES.c.id)
        .where(
            _EVENTS.c.channel == it.channel,
            _EVENTS.c.kind == it.event.kind.value,
            _EVENTS.c.subject == subject,
        )
    ).scalar_one()
    return told_at


def _back_at(connection: Connection, channel: str) -> datetime | None:
    """Return when a channel is tried again that was away for the messages before."""
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


def _subject(event: Event) -> str:
    return hashlib.sha256(event.subject.encode()).hexdigest()


def _encode(event: Event) -> str:
    values = asdict(event)
    return json.dumps(values | {"at": event.at.isoformat(), "kind": event.kind.value})


def _decode(text: str) -> Event:
    values = json.loads(text)
    kind = EventKind(values["kind"])
    about = values["about"] if "about" in values else _of_before(values, kind)
    return Event(
        **values
        | {
            "at": datetime.fromisoformat(values["at"]),
            "kind": kind,
            "reasons": tuple(values["reasons"]),
            "about": tuple(
                About(
                    policy=it["policy"],
                    origin=it["origin"],
                    tags=None if it["tags"] is None else tuple(it["tags"]),
                )
                for it in about
            ),
        }
    )


def _of_before(values: dict[str, Any], kind: EventKind) -> list[dict[str, Any]]:
    """
    Take out of a row of an earlier version what names a page, and return what it is about.

    Such a row does not say whether the policy in it was that of the page, so it is told as an
    event whose policy is unknown.
    """
    host = str(values.get("host", "")).replace("[.]", ".") or host_of(str(values.get("url", "")))
    origin, tags = str(values.pop("origin", "")), values.pop("tags", ())
    values.pop("policy", None)
    values |= {
        "summary": without_addresses(str(values["summary"]), host=host),
        "url": "",
        "host": "",
        "detail": "",
        "job_id": without_page(str(values.get("job_id", ""))),
    }
    if kind in WITHOUT_PAGE:
        return []
    shown = [without_addresses(str(it), host=host) for it in tags]
    origin = without_page(without_addresses(origin, host=host))
    return [{"policy": None, "origin": origin, "tags": shown}]
