"""
Turn scheduled visits that were not made into rows of the gap table, and the rows into gap records.

Rows of one schedule with the same reason become one record. The records are signed elsewhere.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.jobs.schedules.plan import DueVisits
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.translation import tr

_RECORD_BYTES = 48 << 10  # slots and addresses in one record; a statement has at most 64 KiB
_SLOT_BYTES, _URL_BYTES = 23, 75


def gap_rows(
    due: DueVisits, *, schedule_id: int, target_id: int, now: datetime, detail: str = ""
) -> list[dict[str, Any]]:
    """
    Return the rows for the missed visits and the pauses of one address.

    Args:
        due: The decision about the address.
        detail: A sentence that says why visits were missed.
    """
    about = {"schedule_id": schedule_id, "target_id": target_id, "noted_at": now}
    found: list[dict[str, Any]] = []
    if due.missed:
        found.append(
            {
                **about,
                "event": GapEvent.MISSED,
                "reason": GapReason.NO_WORKER,
                "detail": detail,
                "by": "",
                "slots": encode_slots(due.missed),
                "since": due.missed[0],
                "until": due.missed[-1],
            }
        )
    for pause, slots in due.paused:
        found.append(
            {
                **about,
                "event": GapEvent.PAUSED,
                "reason": GapReason.BY_HAND,
                "detail": "",
                "by": pause.by,
                "slots": encode_slots(slots),
                "since": pause.since,
                "until": pause.until,
            }
        )
    return found


def encode_slots(slots: Sequence[datetime]) -> str:
    """Return slots as JSON for the table."""
    return json.dumps([instant(slot) for slot in slots])


def group_rows(rows: Sequence[RowMapping]) -> list[list[RowMapping]]:
    """Group rows into records: one schedule and one reason each, within the limit of size."""
    found: list[list[RowMapping]] = []
    filled: dict[tuple[Any, ...], tuple[list[RowMapping], set[str], list[int]]] = {}
    for row in rows:
        about: tuple[Any, ...] = (
            row["schedule_id"],
            row["event"],
            row["reason"],
            row["detail"],
            row["by"],
        )
        if row["event"] != GapEvent.MISSED:
            about = (*about, row["since"], row["until"])
        group, slots, size = filled.get(about, ([], set(), [0]))
        cost = _URL_BYTES + (0 if row["slots"] in slots else _SLOT_BYTES + len(row["slots"]))
        if not group or size[0] + cost > _RECORD_BYTES:
            group, slots, size = [], set(), [0]
            found.append(group)
            filled[about] = (group, slots, size)
        group.append(row)
        slots.add(row["slots"])
        size[0] += cost
    return found


def gap_record(gap_id: str, rows: Sequence[RowMapping]) -> Gap:
    """Return the record of one group of rows."""
    first = rows[0]
    together: dict[str, list[str]] = {}
    for row in rows:
        if row["url"] is not None:
            together.setdefault(row["slots"], []).append(row["url"])
    ends = [row["until"] for row in rows if row["until"] is not None]
    return Gap(
        gap_id=gap_id,
        at=max(row["noted_at"] for row in rows),
        schedule=first["name"],
        event=GapEvent(first["event"]),
        reason=GapReason(first["reason"]),
        since=min(row["since"] for row in rows),
        until=max(ends) if ends else None,
        detail=first["detail"],
        by=first["by"],
        missed=tuple(
            Missed(
                slots=tuple(parse_instant(slot) for slot in json.loads(slots)),
                urls=tuple(sorted(urls)),
            )
            for slots, urls in sorted(together.items())
        ),
    )


def gap_event(gap: Gap, about: Sequence[NotificationScope]) -> NotificationEvent:
    """
    Return the notification event of a gap. It contains no address.

    Args:
        about: Policy, origin and tags that notification rules match; UNKNOWN if they are lost.
    """
    visits = sum(len(missed.slots) * len(missed.urls) for missed in gap.missed)
    addresses = len({url for missed in gap.missed for url in missed.urls})
    return NotificationEvent(
        id=f"gap:{gap.gap_id}",
        kind=NotificationKind.SCHEDULE_GAP,
        at=gap.at,
        subject=f"schedule:{gap.schedule}",
        summary=tr(
            "visits that were not made: {visits}. Addresses: {addresses}. Reason: {reason_text}",
            visits=visits,
            addresses=addresses,
            reason_text=REASON_TEXT[gap.reason],
        ),
        about=tuple(about),
        reasons=(gap.reason.value,),
    )


REASON_TEXT = {
    GapReason.NO_WORKER: "no worker was running",
    GapReason.QUEUE_LATE: "no worker was free in time",
    GapReason.OVER_BUDGET: "the host could not be visited in time",
    GapReason.FAILED: "the capture failed",
    GapReason.CANCELLED: "the job was cancelled",
    GapReason.BY_HAND: "a person paused, resumed or removed the schedule",
}
