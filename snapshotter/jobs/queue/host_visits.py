"""
Begin and end visits outside the queue, under the same politeness rules as the queue's jobs.

A visit whose process was killed counts as ended after a time limit.
"""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, delete, update

from snapshotter.jobs.database import database_now, writing
from snapshotter.jobs.queue.host_tables import (
    ALL_HOSTS,
    LONGEST_VISIT,
    VISIT,
    budget_at,
    lock_hosts,
    open_visits,
    settle_visit,
    start_visit,
    store_state,
)
from snapshotter.policy.host_responses import HostResponse
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.politeness import (
    AllowedVisit,
    Load,
    VisitOutcome,
    VisitWait,
    judge,
    state_after_start,
)


class DatabaseVisits:
    """
    `VisitTracker` over the queue's database, for a process that is not a worker.

    The visit of a killed process counts as under way for `longest`, and uses the budget.

    Args:
        engine: From `open_database`; the caller disposes of it.
        chance: Returns random numbers from 0 up to 1, for jitter.
        longest: The longest duration of a visit.
    """

    def __init__(
        self,
        engine: Engine,
        politeness: Politeness,
        chance: Callable[[], float],
        *,
        longest: timedelta = LONGEST_VISIT,
    ) -> None:
        self._engine = engine
        self._politeness = politeness
        self._chance = chance
        self._longest = longest

    @property
    def politeness(self) -> Politeness:
        """The politeness rules."""
        return self._politeness

    def begin(self, key: str, *, urgent: bool = False) -> AllowedVisit | VisitWait:
        """See `VisitTracker`."""
        rules = self._politeness.rules(key)
        with writing(self._engine) as connection:
            held = lock_hosts(connection, (ALL_HOSTS, key), None)
            now = database_now(connection)
            under_way = open_visits(connection, now)
            load = Load(
                host=under_way[key],
                all=under_way.total(),
                budget_at=budget_at(connection, key, rules.budget(urgent=urgent), now),
            )
            wait = judge(self._politeness, rules, held[key], load, now)
            if wait is not None:
                return wait
            number = start_visit(connection, key, now, self._longest, "")
            store_state(
                connection, key, state_after_start(rules, held[key], now, self._chance()), now
            )
            return AllowedVisit(number=number, key=key, started_at=now)

    def end(self, visit: AllowedVisit, answer: HostResponse | None) -> VisitOutcome | None:
        """See `VisitTracker`."""
        with writing(self._engine) as connection:
            this = VISIT.c.seq == visit.number
            if answer is None:
                connection.execute(delete(VISIT).where(this))
                return None
            connection.execute(update(VISIT).where(this).values(open_until=None))
            left, _ = settle_visit(
                connection, self._politeness, visit.key, answer,
                started=visit.started_at, now=None, chance=self._chance,
            )  # fmt: skip
            return left
