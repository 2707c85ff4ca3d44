"""
Decide by the politeness rules whether a job may visit its host, and record what its visit found.

A job counts as a visit under way while it is handed over or running, also if its worker was
killed.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, delete, select, update
from typing_extensions import override

from snapshotter.jobs.queue import admission
from snapshotter.jobs.queue.host_tables import (
    ALL_HOSTS,
    LONGEST_VISIT,
    VISIT,
    budget_at,
    close_visits,
    concerned_hosts,
    lock_hosts,
    open_visits,
    settle_visit,
    start_visit,
    store_state,
)
from snapshotter.model.job import CaptureJob
from snapshotter.model.notification import NotificationEvent, NotificationKind, NotificationScope
from snapshotter.policy.host_responses import HostResponse, Sign
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.politeness import (
    HostState,
    Load,
    VisitOutcome,
    WaitCause,
    describe_wait,
    is_urgent,
    judge,
    state_after_start,
)
from snapshotter.ports import JobObserver
from snapshotter.translation import tr


class PolitenessAdmission(admission.Admission):
    """
    Admission by the politeness rules. Every call runs in the given transaction.

    Args:
        chance: Returns random numbers from 0 up to 1, for jitter.
    """

    def __init__(
        self,
        politeness: Politeness,
        chance: Callable[[], float],
        observer: JobObserver | None = None,
    ) -> None:
        self._politeness = politeness
        self._chance = chance
        self._observer = observer or JobObserver()

    @override
    def host(self, url: str) -> str:
        """Return the name under which visits to a URL are counted; "" if it has no host."""
        try:
            return self._politeness.key(url)
        except ValueError:
            return ""

    @override
    def admit(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> admission.Deferral | None:
        """See `Admission`."""
        rules = self._politeness.rules(host)
        urgent = is_urgent(job.priority)
        state = lock_hosts(connection, (ALL_HOSTS, host), now)[host]
        outside = open_visits(connection, now, outside=True)
        load = Load(
            host=under_way + outside[host],
            all=all_under_way + outside.total(),
            budget_at=budget_at(connection, host, rules.budget(urgent=urgent), now),
        )
        wait = judge(self._politeness, rules, state, load, now)
        if wait is not None:
            return admission.Deferral(
                until=wait.until, why=describe_wait(wait, rules), of_all=wait.cause is WaitCause.ALL
            )
        close_visits(connection, job.id)  # an interrupted visit of the job has ended
        start_visit(connection, host, now, LONGEST_VISIT, job.id)
        store_state(connection, host, state_after_start(rules, state, now, self._chance()), now)
        return None

    @override
    def not_started(self, connection: Connection, job_id: str) -> None:
        """See `Admission`. The day's budget of the host is not used."""
        connection.execute(
            delete(VISIT).where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
        )

    @override
    def attempt_ended(
        self, connection: Connection, job: CaptureJob, host: str, met: admission.AttemptResult
    ) -> admission.Deferral | None:
        """See `Admission`."""
        lock_hosts(connection, concerned_hosts(self._politeness, host, met.final_url), met.at)
        self._began(connection, job.id, host, met)
        close_visits(connection, job.id)
        if not met.outcome:  # without a capture nothing is known about the host
            return None
        answer = HostResponse(
            status=met.http_status, at=met.at, retry_after=met.retry_after, date=met.date,
            final_url=met.final_url,
        )  # fmt: skip
        left, before = settle_visit(
            connection, self._politeness, host, answer, started=met.started_at, now=met.at,
            chance=self._chance,
        )  # fmt: skip
        self._tell(job, left, before, met.at)
        at = left.revisit_at(self._politeness, revisits=met.revisits, now=met.at)
        return (
            admission.Deferral(until=at, why=tr("the host reported too many requests"))
            if at
            else None
        )

    def _began(
        self, connection: Connection, job_id: str, host: str, met: admission.AttemptResult
    ) -> None:
        """Correct the start of a visit: its worker may have begun it later."""
        row = connection.execute(
            select(VISIT.c.seq, VISIT.c.started_at)
            .where(VISIT.c.job_id == job_id, VISIT.c.open_until.is_not(None))
            .order_by(VISIT.c.seq.desc())
            .limit(1)
        ).first()
        if row is None or met.began_at is None or met.began_at <= row.started_at:
            return
        connection.execute(
            update(VISIT).where(VISIT.c.seq == row.seq).values(started_at=met.began_at)
        )
        state = lock_hosts(connection, (host,), met.at)[host]
        if state.next_at is not None:
            late = met.began_at - row.started_at
            store_state(connection, host, replace(state, next_at=state.next_at + late), met.at)

    def _tell(self, job: CaptureJob, left: VisitOutcome, before: HostState, now: datetime) -> None:
        if left.signal.sign is not Sign.THROTTLED or before.sign is Sign.THROTTLED:
            return
        until = left.states[left.ended_at].resting_until
        self._observer.tell(throttled_event(job, left.ended_at, until, now))


def throttled_event(
    job: CaptureJob, host: str, until: datetime | None, now: datetime
) -> NotificationEvent:
    """
    Return the notification event for a host that throttles us.

    Args:
        job: The job whose visit was throttled.
        until: When the host is visited again.
    """
    return NotificationEvent(
        # From the visit and not from the host: the digest of a host could be guessed.
        id=f"throttled/{job.id}/{now:%Y%m%dT%H%M%S.%f}",
        kind=NotificationKind.HOST_THROTTLED,
        at=now,
        subject=host,
        summary=tr("a host reported too many requests. The host is not visited for some time"),
        about=(NotificationScope.of(job),),
        host=host,
        detail=f"not visited before {until:%Y-%m-%d %H:%M:%S} UTC" if until else "",
    )
