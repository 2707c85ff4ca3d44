"""
Estimate how long many visits take at least under the rules of their hosts, and how many visits of
a host fit into a day.
"""

import math
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta

from snapshotter.policy.host_rules import DAY, MOST_PER_DAY, HostRules, Politeness
from snapshotter.policy.politeness import WaitCause
from snapshotter.policy.quiet_hours import MINUTES_OF_DAY, quiet_minutes
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEstimate:
    """How long the visits of one host take if nothing else delays them."""

    key: str
    visits: int
    takes: timedelta  # to the end of the last
    bound_by: WaitCause | None  # what costs most of it; None: the visits themselves
    per_day: int  # visits that 24 hours carry at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long many visits take at least."""

    visits: int
    takes: timedelta
    hosts: tuple[HostEstimate, ...]  # the slowest first


def estimate(
    politeness: Politeness,
    visits: Mapping[str, int],
    *,
    now: datetime,
    visit: timedelta,
    at_once: int,
) -> Estimate:
    """
    Return how long visits take: without throttling, at the middle of the jitter.

    Args:
        visits: How many of each key (`Politeness.key`).
        now: When they begin; quiet hours depend on it.
        visit: How long one takes.
        at_once: Over all hosts; the limit of `[all]` applies too.
    """
    hosts = [
        _host_estimate(key, politeness.rules(key), count, now, visit)
        for key, count in visits.items()
        if count > 0
    ]
    hosts.sort(key=lambda estimate: (-estimate.takes, estimate.key))
    total = sum(estimate.visits for estimate in hosts)
    hands = max(1, min(at_once, politeness.all_at_once))
    work = visit * math.ceil(total / hands)
    slowest = hosts[0].takes if hosts else timedelta(0)
    return Estimate(visits=total, takes=max(slowest, work), hosts=tuple(hosts))


def per_day(rules: HostRules, visit: timedelta) -> int:
    """Return how many visits of a host fit into 24 hours at most: 14,400 at one every 6 s."""
    spacing = _spacing(rules, visit)
    free = DAY * (1 - len(quiet_minutes(rules.quiet)) / MINUTES_OF_DAY)
    fitting = int(free / spacing) if spacing else MOST_PER_DAY
    return min(fitting, rules.per_day) if rules.per_day else fitting


def _spacing(rules: HostRules, visit: timedelta) -> timedelta:
    return max(rules.every, visit / rules.at_once)


def _host_estimate(
    key: str, rules: HostRules, count: int, now: datetime, visit: timedelta
) -> HostEstimate:
    spacing = _spacing(rules, visit)
    budget = rules.budget(urgent=False)
    starts: deque[datetime] = deque(maxlen=budget or 1)
    lost = dict.fromkeys((WaitCause.BUDGET, WaitCause.QUIET, WaitCause.INTERVAL), timedelta(0))
    at = now
    for number in range(count):
        paced = at + spacing if number else at
        lost[WaitCause.INTERVAL] += (
            paced - at if rules.every > visit / rules.at_once else timedelta(0)
        )
        full = budget is not None and len(starts) == budget
        within = max(paced, starts[0] + DAY) if full else paced
        lost[WaitCause.BUDGET] += within - paced
        at = rules.free_at(within) if rules.quiet else within
        lost[WaitCause.QUIET] += at - within
        starts.append(at)
    cause = max(lost, key=lambda cause: lost[cause])
    return HostEstimate(
        key=key,
        visits=count,
        takes=at + visit - now,
        bound_by=cause if lost[cause] > timedelta(0) else None,
        per_day=per_day(rules, visit),
    )
