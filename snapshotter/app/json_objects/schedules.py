"""Return schedules, their visits and their history as JSON objects."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import instant_json, milliseconds, verdict_json

if TYPE_CHECKING:
    from snapshotter.assess.possible_removals import PossibleRemoval
    from snapshotter.jobs.schedules.history import HistoryEntry
    from snapshotter.jobs.schedules.plan import Plan, Slot
    from snapshotter.jobs.schedules.schedules import Schedule
    from snapshotter.model.assessment import AssessmentSummary


def schedule_json(entry: "Schedule") -> dict[str, Any]:
    """Return a schedule for `--json`."""
    state = "ended" if entry.has_ended else entry.state
    return {
        "created_at": instant_json(entry.created_at),
        "name": entry.name,
        "next_at": instant_json(entry.next_at),
        "paused_at": instant_json(entry.paused_at),
        "paused_by": entry.paused_by,
        "paused_reason": entry.paused_reason,
        "policy": entry.policy,
        "priority": entry.priority,
        "state": state,
        "tags": list(entry.tags),
        "urls": entry.urls,
        **plan_json(entry.plan),
    }


def plan_json(plan: "Plan") -> dict[str, Any]:
    """Return a plan for `--json`."""
    return {
        "catch_up": plan.catch_up.value,
        "cron": plan.cron or None,
        "curve": plan.curve.name if plan.curve else None,
        "end": instant_json(plan.end),
        "every_ms": _ms(plan.every),
        "jitter_percent": round(plan.jitter * 100),
        "max_late_ms": _ms(plan.max_late),
        "quiet_hours": [str(hours) for hours in plan.quiet],
        "rule": plan.summary,
        "seasons": [
            {
                "begins": f"{season.begins[0]:02}-{season.begins[1]:02}",
                "ends": f"{season.ends[0]:02}-{season.ends[1]:02}",
                "factor_percent": round(season.factor * 100),
            }
            for season in plan.seasons
        ],
        "start": instant_json(plan.start),
        "zone": plan.zone,
    }


def visits_json(found: "list[tuple[Slot, str]]") -> list[dict[str, Any]]:
    """Return coming visits for `--json`."""
    return [
        {"at": instant_json(slot.at), "slot": instant_json(slot.nominal), "url": url}
        for slot, url in found
    ]


def entry_json(
    entry: "HistoryEntry",
    removal: "PossibleRemoval | None" = None,
    shown: "AssessmentSummary | None" = None,
) -> dict[str, Any]:
    """
    Return an entry of a history for `--json`.

    Args:
        shown: What the capture of the visit shows; None without a capture, or if it is unknown.
    """
    seen = removal.shown_last if removal is not None else None
    return {
        "at": instant_json(entry.at),
        "bundle_id": entry.bundle_id or None,
        "by": entry.by,
        "detail": entry.detail,
        "gap_id": entry.gap_id or None,
        "job_id": entry.job_id or None,
        "kind": entry.kind,
        "outcome": entry.outcome or None,
        "reason": entry.reason or None,
        "slot": instant_json(entry.slot),
        "slots": [instant_json(slot) for slot in entry.slots],
        "state": entry.state or None,
        "suspicion": None
        if removal is None
        else {
            "kind": removal.suspicion.value,
            "last_seen": seen.bundle_id if seen is not None else None,
        },
        "until": instant_json(entry.until),
        "url": entry.url or None,
        "verdict": verdict_json(shown),
    }


def _ms(duration: timedelta | None) -> int | None:
    return None if duration is None else milliseconds(duration)
