"""
Store in the database what the gap records of watch lists are made of: which polls were missed,
and who paused, resumed or removed a list, and when.

A signed record is made of each gap. A gap stays in the table when its watch list is removed. The
functions run within the caller's transaction.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    Row,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.jobs.database import TABLES, Instant, SafeText
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.watch import Watch
from snapshotter.translation import tr

_AT_ONCE: Final = 20
_KEPT: Final = timedelta(days=90)
_MAX_WHY: Final = 500  # characters of a reason
_SLOTS: Final = 1_500  # times in one record; a statement has at most 64 KiB
REASON_TEXT = {
    GapReason.NO_WORKER: "no worker polled this list in that time",
    GapReason.OVER_BUDGET: "the host of the list could not be visited, because of its "
    "budget, its quiet hours, or too many requests",
    GapReason.QUEUE_LATE: "the capture of the page with the list did not end in time",
}
GAPS = Table(
    "watch_gap",
    TABLES,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("schedule", String(48), nullable=False),  # the name of the watch list in the record
    Column("source", SafeText, nullable=False),
    Column("event", String(16), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("detail", SafeText, nullable=False),
    Column("by", String(200), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant),
    Column("slots", SafeText, nullable=False),  # JSON: when the missed polls were due
    Column("noted_at", Instant, nullable=False),
    Column("gap_id", String(64), nullable=False),  # id of its record; "" until it is begun
    Column("owed", Boolean, nullable=False, index=True),  # the record is not stored yet
)


def note_by_hand(
    connection: Connection, watch: Watch, event: GapEvent, by: str, at: datetime, why: str = ""
) -> None:
    """Add a gap for a person who paused, resumed or removed a watch list."""
    connection.execute(
        insert(GAPS).values(
            _owed(watch, at)
            | {
                "event": event,
                "reason": GapReason.BY_HAND,
                "detail": why[:_MAX_WHY],
                "by": by[:200],
                "since": at,
            }
        )
    )


def pause_reason(connection: Connection, watch: Watch) -> str:
    """Return why a person paused a watch list the last time; "" if the person gave no reason."""
    paused = select(GAPS.c.detail).where(
        GAPS.c.schedule == watch.schedule,
        GAPS.c.source == watch.source,
        GAPS.c.event == GapEvent.PAUSED,
    )
    return connection.execute(paused.order_by(GAPS.c.id.desc()).limit(1)).scalar() or ""


def note_missed(
    connection: Connection,
    watch: Watch,
    due: datetime,
    missed: int,
    at: datetime,
    reason: GapReason,
) -> int | None:
    """
    Add a gap for polls that were not made; return its number.

    Args:
        due: When the first one was due.
        missed: How many polls were missed.
        at: The time, by the database's clock.
    """
    since = due.replace(microsecond=0)
    slots = [since + number * watch.every for number in range(min(missed, _SLOTS))]
    more = (
        tr(". The record lists the times of only the first {slots} polls", slots=_SLOTS)
        if missed > _SLOTS
        else ""
    )
    gap = connection.execute(
        insert(GAPS).values(
            _owed(watch, at)
            | {
                "event": GapEvent.MISSED,
                "reason": reason,
                "detail": tr(
                    "polls of the list that were not made: {missed}{more}", missed=missed, more=more
                ),
                "slots": json.dumps([instant(slot) for slot in slots]),
                "since": slots[0],
                "until": slots[-1],
            }
        )
    ).inserted_primary_key
    return int(gap[0]) if gap else None


def any_owed(connection: Connection) -> bool:
    """Whether there is a gap without a signed record."""
    owed = select(GAPS.c.id).where(GAPS.c.owed.is_(True)).limit(1)
    return connection.execute(owed).first() is not None


def owed(
    connection: Connection, new_id: Callable[[datetime], str], at: datetime
) -> tuple[Gap, ...]:
    """Return gaps without a signed record; each keeps its id from the first call on."""
    fresh = connection.execute(select(GAPS.c.id).where(GAPS.c.owed.is_(True), GAPS.c.gap_id == ""))
    for number in fresh.scalars().all():
        connection.execute(
            update(GAPS).where(GAPS.c.id == number, GAPS.c.gap_id == "").values(gap_id=new_id(at))
        )
    rows = connection.execute(
        select(GAPS).where(GAPS.c.owed.is_(True)).order_by(GAPS.c.id).limit(_AT_ONCE)
    ).all()
    return tuple(map(_gap, rows))


def recorded(connection: Connection, gaps: Sequence[Gap], at: datetime) -> None:
    """Mark the records of gaps as stored, and delete old gaps."""
    connection.execute(
        update(GAPS).where(GAPS.c.gap_id.in_([gap.gap_id for gap in gaps])).values(owed=False)
    )
    # The store and the log have the records. The rows only link a gap to its record.
    connection.execute(delete(GAPS).where(GAPS.c.owed.is_(False), GAPS.c.noted_at < at - _KEPT))


def _owed(watch: Watch, at: datetime) -> dict[str, Any]:
    """Return the values that all rows of gaps have in common."""
    return {
        "schedule": watch.schedule,
        "source": watch.source,
        "detail": "",
        "by": "",
        "slots": "[]",
        "noted_at": at,
        "gap_id": "",
        "owed": True,
    }


def _gap(row: Row[Any]) -> Gap:
    slots = tuple(map(parse_instant, json.loads(row.slots)))
    return Gap(
        gap_id=row.gap_id,
        at=row.noted_at,
        schedule=row.schedule,
        event=GapEvent(row.event),
        reason=GapReason(row.reason),
        since=row.since,
        until=row.until,
        detail=row.detail,
        by=row.by,
        missed=(Missed(slots=slots, urls=(row.source,)),) if slots else (),
    )
