"""List the politeness state of hosts, end the back-off of a host by hand, and delete old state."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, select, update

from snapshotter.jobs.database import database_now, reading, writing
from snapshotter.jobs.periodic_task import PeriodicTask
from snapshotter.jobs.queue.host_tables import (
    ALL_HOSTS,
    HOST,
    LONGEST_VISIT,
    VISIT,
    budget_at,
    host_state,
    open_visits,
)
from snapshotter.jobs.queue.job_table import DUE, DUE_LATER, JOB, NOT_DUE, WAITING, under_way
from snapshotter.model.job import JobState
from snapshotter.policy.host_responses import Sign
from snapshotter.policy.host_rules import DAY, HostRules, Politeness
from snapshotter.policy.politeness import HostState, Load, VisitWait, judge
from snapshotter.value_class import dataclass

_TRIM_S = 3600.0


_SELDOM = timedelta(days=7)  # the state of a host that was not visited for so long is deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What is known of one host at one moment, for `queue hosts`."""

    key: str
    rules: HostRules
    under_way: int  # visits
    visits: int  # visits begun in the last 24 hours
    waiting: int  # jobs
    state: HostState
    wait: VisitWait | None  # None: it may be visited now


def host_statuses(engine: Engine, politeness: Politeness) -> tuple[HostStatus, ...]:
    """
    Return every host that was visited lately, is backed off or has jobs, by key.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with reading(engine) as connection:
        now = database_now(connection)
        states = {
            row["key"]: host_state(row)
            for row in connection.execute(
                select(HOST).where(HOST.c.key != ALL_HOSTS).order_by(HOST.c.key)
            ).mappings()
        }
        recent = select(VISIT.c.key, func.count()).where(VISIT.c.started_at > now - DAY)
        counted = _counted(connection, recent.group_by(VISIT.c.key))
        outside = open_visits(connection, now, outside=True)
        jobs = select(JOB.c.host, func.count()).group_by(JOB.c.host)
        waiting = _counted(connection, jobs.where(JOB.c.state.in_(WAITING), JOB.c.ready != NOT_DUE))
        visits = outside + under_way(connection)
        found = []
        for key in sorted({*states, *waiting} - {""}):
            state = states.get(key, HostState())
            rules = politeness.rules(key)
            load = Load(
                host=visits[key],
                all=visits.total(),
                budget_at=budget_at(connection, key, rules.budget(urgent=False), now),
            )
            found.append(
                HostStatus(
                    key=key,
                    rules=rules,
                    under_way=load.host,
                    visits=counted.get(key, 0),
                    waiting=waiting.get(key, 0),
                    state=state,
                    wait=judge(politeness, rules, state, load, now),
                )
            )
        return tuple(found)


def _counted(connection: Connection, wanted: Select[Any]) -> dict[str, int]:
    return {key: count for key, count in connection.execute(wanted)}  # noqa: C416  no pairs to mypy


def clear_back_off(engine: Engine, key: str) -> bool:
    """
    End the back-off of a host and make its jobs due; return False if the host is unknown.

    Its used budget and its quiet hours still count.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with writing(engine) as connection:
        done = connection.execute(
            update(HOST)
            .where(HOST.c.key == key, HOST.c.key != ALL_HOSTS)
            .values(
                next_at=None, resting_until=None, sign=Sign.WELL, strikes=0, struck_at=None,
            )
        )  # fmt: skip
        due = connection.execute(
            update(JOB)
            .where(JOB.c.host == key, JOB.c.state == JobState.DEFERRED, JOB.c.ready == DUE_LATER)
            .values(state=JobState.WAITING, ready=DUE, due_at=None, error="", hint="")
        )
        return done.rowcount + due.rowcount > 0


def trim_task(engine: Engine) -> PeriodicTask:
    """Return the task that deletes what no rule needs any more."""
    return PeriodicTask(name="trim-politeness", every_s=_TRIM_S, work=lambda: trim(engine))


def trim(engine: Engine) -> None:
    """
    Delete visits that are older than a day, and the state of hosts that are not visited any more.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with writing(engine) as connection:
        now = database_now(connection)
        connection.execute(delete(VISIT).where(VISIT.c.started_at < now - DAY - LONGEST_VISIT))
        connection.execute(
            delete(HOST).where(
                HOST.c.key != ALL_HOSTS,
                HOST.c.touched_at < now - _SELDOM,
                HOST.c.resting_until.is_(None) | (HOST.c.resting_until < now),
            )
        )
