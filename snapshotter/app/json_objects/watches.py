"""Return watch lists, their polls and their pages as JSON objects."""

from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import instant_json, milliseconds
from snapshotter.model.watch import WatchStatus

if TYPE_CHECKING:
    from snapshotter.app.monitoring.watch_summary import ItemWithJob, WatchSummary
    from snapshotter.model.watch import Poll


def watch_json(status: WatchStatus) -> dict[str, Any]:
    """Return a watch list for `--json`."""
    watched = status.watch
    return {
        "column": watched.column,
        "created_at": instant_json(watched.created_at),
        "detail": status.detail,
        "end": instant_json(watched.ends_at),
        "ended": status.ended,
        "every_ms": milliseconds(watched.every),
        "exclude": list(watched.exclude),
        "existing": watched.existing.value,
        "existing_limit": watched.existing_limit,
        "failures": status.failures,
        "final_url": status.final_url,
        "http_status": status.http_status,
        "items": status.items,
        "jitter_percent": round(watched.jitter * 100),
        "kind": status.kind,
        "last_poll_at": instant_json(status.last_poll_at),
        "last_read_at": instant_json(status.last_read_at),
        "listed": status.listed,
        "match": list(watched.match),
        "missed": status.missed,
        "name": watched.name,
        "next_at": instant_json(status.next_at),
        "paused": status.paused,
        "paused_reason": status.paused_reason,
        "policy": watched.policy,
        "poll_limit": watched.poll_limit,
        "polls": status.polls,
        "render": watched.render,
        "select": watched.select,
        "since": instant_json(status.since),
        "source": watched.source,
        "start": instant_json(watched.starts_at),
        "state": status.state.value,
        "tags": list(watched.tags),
        "then": watched.then,
        "title": status.title,
        "waiting": status.waiting,
        "within_ms": milliseconds(watched.within),
    }


def watch_summary_json(found: "WatchSummary") -> dict[str, Any]:
    """Return a watch list with its last polls and the states of its captures."""
    return {
        **watch_json(found.status),
        "jobs": dict(found.jobs),
        "late": found.late,
        "last_polls": [poll_json(poll) for poll in found.polls],
        "unlearnt": found.unlearnt,
    }


def poll_json(poll: "Poll") -> dict[str, Any]:
    """Return a poll, or a gap between polls, for `--json`."""
    return {
        "at": instant_json(poll.at),
        "detail": poll.detail,
        "ended_at": instant_json(poll.ended_at),
        "gap_id": poll.gap_id,
        "http_status": poll.http_status,
        "listed": poll.listed,
        "missed": poll.missed,
        "new": poll.new,
        "queued": poll.queued,
        "state": None if poll.state is None else poll.state.value,
    }


def item_json(found: "ItemWithJob") -> dict[str, Any]:
    """Return a page of a list for `--json`, with the state of its job."""
    item, job = found.item, found.job
    return {
        "aliases": list(item.aliases),
        "backlog": item.backlog,
        "bundle_id": job.bundle_id if job else "",
        "final": item.final,
        "first_seen": instant_json(item.first_seen),
        "identity": item.key,
        "job_id": item.job_id,
        "job_state": job.state.value if job else None,
        "listed_at": item.stamp,
        "same_as": item.same_as,
        "state": item.state.value,
        "title": item.title,
        "took_ms": milliseconds(found.took) if found.took is not None else None,
        "url": item.url,
    }
