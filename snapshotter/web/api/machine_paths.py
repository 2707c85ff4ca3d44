"""
Give the API links and names in place of paths of a machine (docs/adr/0104).

The commands print where a file is: the person who runs a command can open it. A client of the API
cannot, and learns from a path the names of accounts and folders.
"""

from pathlib import Path, PurePath
from typing import Any

from snapshotter.app.json_objects.jobs import job_json
from snapshotter.app.json_objects.schedules import schedule_json
from snapshotter.app.json_objects.watches import watch_json
from snapshotter.jobs.schedules.schedules import Schedule
from snapshotter.model.job import JobStatus
from snapshotter.model.watch import WatchStatus
from snapshotter.web.context import WebContext


def capture_address(bundle_id: str) -> str:
    """Return the address of a capture at this server."""
    return f"/api/v1/captures/{bundle_id}"


def shown_job(context: WebContext, status: JobStatus) -> dict[str, Any]:
    """Return a job as `queue show --json` prints it, with the address of its bundle."""
    bundle = {"address": f"{capture_address(status.bundle_id)}/bundle", "sha256": status.sha256}
    return {
        **job_json(status),
        "bundle": bundle if status.bundle_id else None,
        "policy": shown_policy(context, status.job.policy),
    }


def shown_schedule(context: WebContext, entry: Schedule) -> dict[str, Any]:
    """Return a schedule as `schedule show --json` prints it, with the name of its policy."""
    return {**schedule_json(entry), "policy": shown_policy(context, entry.policy)}


def shown_watch(context: WebContext, status: WatchStatus) -> dict[str, Any]:
    """Return a watch list as `watch show --json` prints it, with names in place of paths."""
    watched = status.watch
    shown = {**watch_json(status), "policy": shown_policy(context, watched.policy)}
    if "://" not in watched.source:
        shown["source"] = PurePath(watched.source).name
    return shown


def shown_policy(context: WebContext, policy: str) -> str:
    """
    Return the name of a policy; of a file outside the folder of policies the name of the file.

    Args:
        policy: A name, or the path of a file (`policy_name_for_jobs`).
    """
    if "/" not in policy:
        return policy
    folder, path = context.settings.policies_dir, Path(policy)
    return path.stem if folder is not None and path.parent == folder.absolute() else path.name
