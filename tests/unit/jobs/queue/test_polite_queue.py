"""The queue with its gate, by a clock of ours: what hosts do to themselves and not to others."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Engine

from snapshotter.jobs.queue import attempts, database_queue, dispatcher, host_tables, hosts
from snapshotter.jobs.queue.attempts import Attempt, Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.politeness import PolitenessAdmission
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.model.job import JobState
from snapshotter.policy import politeness_file
from tests.unit.jobs.making import BUNDLE, job, made

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SLOTS = 4
GOOD, SLOW, HOSTILE = ("a.example", "b.example", "c.example"), "slow.example", "hostile.example"


@dataclass(frozen=True, slots=True)
class Visit:
    """What a server would have seen."""

    host: str
    began: datetime
    ended: datetime


class Town:
    """Hosts, a queue with its workers' slots, and a clock that goes on when it is told to."""

    def __init__(self, database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.exit_code = 0  # of each capture
        for module in (attempts, dispatcher, database_queue, host_tables, hosts):
            monkeypatch.setattr(module, "database_now", lambda _: self.now)
        chance = random.Random(3).random  # noqa: S311  the same each time
        gate = PolitenessAdmission(politeness_file.load(), chance)
        self.queue = DatabaseQueue(database, host=gate.host)
        self.dispatcher = Dispatcher(database, gate, per_host=16)
        self.attempts = Attempts(database, gate, RetryRules(), chance)
        self.under_way: list[tuple[Attempt, Visit]] = []
        self.visits: list[Visit] = []

    def round(self) -> None:
        """End what is over, and begin what is next."""
        for attempt, visit in [pair for pair in self.under_way if pair[1].ended <= self.now]:
            status = 429 if visit.host == HOSTILE else 200
            url = f"https://{visit.host}/"
            stored = made(http_status=status, final_url=url, exit_code=self.exit_code)
            self.attempts.began(attempt, stored.sealed.bundle_id, "p")
            self.attempts.may_store(attempt, stored.sealed, 600 * SECOND)
            assert self.attempts.finish(attempt, stored)
            self.under_way.remove((attempt, visit))
        for handed in self.dispatcher.choose(SLOTS):
            begun = self.attempts.begin(handed.job_id, handed.run, worker="w", process="p")
            assert begun is not None
            takes = 1000 if handed.host == SLOW else 2
            visit = Visit(handed.host, self.now, self.now + takes * SECOND)
            self.under_way.append((begun, visit))
            self.visits.append(visit)

    def of(self, host: str) -> list[Visit]:
        return [visit for visit in self.visits if visit.host == host]


@pytest.fixture
def town(database: Engine, monkeypatch: pytest.MonkeyPatch) -> Town:
    return Town(database, monkeypatch)


def test_a_slow_host_and_a_hostile_one_hold_up_no_other(town: Town) -> None:
    hosts = [SLOW] * 5 + [HOSTILE] * 5 + [host for host in GOOD for _ in range(6)]
    town.queue.put([job(f"{n}", f"https://{host}/{n}") for n, host in enumerate(hosts)])

    while town.now < NOW + 60 * SECOND:
        town.round()
        town.now += SECOND

    for host in GOOD:
        assert len(town.of(host)) == 6
        assert all(b.began - a.began >= 3 * SECOND for a, b in pairwise(town.of(host)))
    assert town.queue.counts()[JobState.DONE] == 18
    assert len(town.of(SLOW)) == 1


def test_a_job_that_is_handed_back_spends_no_budget(town: Town, database: Engine) -> None:
    """A worker whose slots are not free for a while must not use up the day of a host."""
    town.queue.put([job("one", "https://a.example/")])
    (handed,) = town.dispatcher.choose(SLOTS)

    town.attempts.hand_back(handed.job_id, handed.run)

    (host,) = hosts.host_statuses(database, politeness_file.load())
    assert host.visits == 0


def test_a_page_that_is_always_throttled_ends_with_what_it_has_and_its_host_has_rests(
    town: Town,
) -> None:
    town.queue.put([job("1", f"https://{HOSTILE}/1"), job("2", f"https://{HOSTILE}/2")])
    town.round()
    town.now += 2 * SECOND
    town.round()
    first = town.queue.get("1")
    assert first is not None
    assert (first.state, first.due_at) == (JobState.DEFERRED, town.now + 600 * SECOND)
    assert first.bundle_id

    while town.queue.counts().get(JobState.DONE, 0) < 2:
        town.round()
        town.now += 60 * SECOND
        assert town.now < NOW + timedelta(hours=3)

    visits = town.of(HOSTILE)
    assert len(visits) == 2 * (1 + 3)
    assert all(b.began - a.ended >= 20 * SECOND for a, b in pairwise(visits))
    last = town.queue.get("1")
    assert last is not None
    assert (last.http_status, last.state) == (429, JobState.DONE)


@pytest.mark.parametrize(("exit_code", "state"), [(0, JobState.DONE), (3, JobState.INCOMPLETE)])
def test_a_throttled_page_whose_latest_time_passes_ends_with_its_stored_bundle(
    town: Town, exit_code: int, state: JobState
) -> None:
    town.exit_code = exit_code
    town.queue.put([job("1", f"https://{HOSTILE}/1", not_after=NOW + 300 * SECOND)])
    town.round()
    town.now += 2 * SECOND
    town.round()
    deferred = town.queue.get("1")
    assert deferred is not None
    assert (deferred.state, deferred.exit_code) == (JobState.DEFERRED, None)

    town.now += 600 * SECOND
    town.round()

    ended = town.queue.get("1")
    assert ended is not None
    assert (ended.state, ended.exit_code, ended.bundle_id) == (state, exit_code, BUNDLE)
    assert (ended.http_status, ended.error) == (429, "")
    assert "not captured again before the latest time" in ended.notes[-1]
    assert len(town.visits) == 1
