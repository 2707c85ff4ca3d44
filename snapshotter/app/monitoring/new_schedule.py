"""
Help to add a schedule: give it a name, warn of too many visits to a host, list its first visits.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from snapshotter.app import private_files
from snapshotter.jobs.schedules.plan import Plan, Slot
from snapshotter.jobs.schedules.schedules import (
    default_name,
    merge_schedules,
    target_key,
    watch_name,
)
from snapshotter.policy.files import read_limited
from snapshotter.policy.host_rules import Politeness
from snapshotter.ports import IdSource
from snapshotter.translation import tr

_SECRET = "schedule-names.secret"  # noqa: S105  the name of a file in the data directory


def default_schedule_name(urls: Sequence[str], plan: Plan, data_dir: Path, ids: IdSource) -> str:
    """
    Return a name for a schedule without a name; the name reveals nothing about its pages.

    Raises:
        SnapshotterError: The secret that names are derived from cannot be written or read.
    """
    path = data_dir / _SECRET
    with contextlib.suppress(FileExistsError):
        private_files.write_private(path, ids.random_bytes(32), is_new=True)
    return default_name(urls, plan, read_limited(path))


def budget_warnings(
    plan: Plan, urls: Sequence[str], since: datetime, rules: Politeness
) -> Iterator[str]:
    """
    Yield a sentence for each host whose budget is below the visits of the first day.

    The first day is the fullest day of a curve.
    """
    first = plan.first(since, "")
    if first is None:
        return
    a_day, slot = 0, first
    while slot.nominal < first.nominal + timedelta(days=1):
        a_day += 1
        following = plan.after(slot.nominal, since, "")
        if following is None:
            break
        slot = following
    for key, count in Counter(map(rules.key, urls)).items():
        budget = rules.rules(key).budget(urgent=False)
        if budget is not None and count * a_day > budget:
            yield tr(
                "{key}: the schedule plans {count} visits of this host on the first day, "
                "but the politeness rules for the host allow {budget} in 24 hours. The "
                "other visits become gaps (over-budget). Use fewer addresses, a schedule "
                "with fewer visits, or a politeness_file that allows more visits",
                key=key,
                count=count * a_day,
                budget=budget,
            )


def first_visits(
    plan: Plan, name: str, urls: Sequence[str], since: datetime, limit: int
) -> list[tuple[Slot, str]]:
    """
    Return the first visits of a schedule that is not added yet.

    Args:
        name: Of the schedule; jitter depends on it.
        since: When the URLs are first seen.
        limit: Most visits to return.
    """
    firsts = [
        (slot, url, since)
        for url in urls
        if (slot := plan.first(since, watch_name(name, target_key(url)))) is not None
    ]
    return merge_schedules(plan, name, firsts, limit)
