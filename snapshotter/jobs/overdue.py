"""What is written down of visits that were due and not made: rows of the table of gaps."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from snapshotter.formats.canonical_json import instant
from snapshotter.jobs.plan import Due
from snapshotter.model.gap import GapEvent, GapReason


def gaps_of(
    due: Due, *, schedule_id: int, target_id: int, now: datetime, detail: str = ""
) -> list[dict[str, Any]]:
    """
    Return the rows for what `decide` found of one address: what was missed, and each pause.

    Args:
        detail: A sentence about why what was missed was missed.
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
                "slots": slots_json(due.missed),
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
                "slots": slots_json(slots),
                "since": pause.since,
                "until": pause.until,
            }
        )
    return found


def slots_json(slots: Sequence[datetime]) -> str:
    """Return slots as the table keeps them."""
    return json.dumps([instant(it) for it in slots])
