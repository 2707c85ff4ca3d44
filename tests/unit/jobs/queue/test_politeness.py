"""The state of hosts in the queue's database, as the dispatcher and people ask for it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from snapshotter.jobs.database import reading, writing
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue import host_tables as table
from snapshotter.jobs.queue import host_visits, hosts
from snapshotter.jobs.queue.admission import AttemptResult, Deferral
from snapshotter.jobs.queue.host_visits import DatabaseVisits
from snapshotter.jobs.queue.hosts import clear_back_off, host_statuses, trim
from snapshotter.jobs.queue.politeness import PolitenessAdmission
from snapshotter.model.job import CaptureJob
from snapshotter.model.notification import NotificationKind, NotificationScope
from snapshotter.policy import politeness_file
from snapshotter.policy.host_responses import Sign
from snapshotter.policy.politeness import AllowedVisit, WaitCause
from snapshotter.policy.politeness import VisitWait as HostWait
from tests.unit.jobs.heard import Heard

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(monkeypatch: pytest.MonkeyPatch, now: Callable[[object], datetime]) -> None:
    """Let the database's clock show another time."""
    for module in (table, hosts, host_visits):
        monkeypatch.setattr(module, "database_now", now)


class Desk:
    """A dispatcher's hand: asks the gate, each time in a transaction of its own."""

    def __init__(self, engine: Engine, folder: Path, text: str = "") -> None:
        file = folder / "polite.toml"
        file.write_text(text)
        self.engine = engine
        self.heard = Heard()
        self.rules = politeness_file.load(file)
        self.gate = PolitenessAdmission(self.rules, lambda: 0.5, self.heard)

    def start(
        self, job: CaptureJob, at: datetime, *, under_way: int = 0, all_under_way: int = 0
    ) -> Deferral | None:
        with writing(self.engine) as connection:
            host = self.gate.host(job.url)
            return self.gate.admit(connection, job, host, at, under_way, all_under_way)

    def finish(
        self, job: CaptureJob, began: datetime, at: datetime, status: int | None = 200, **more: str
    ) -> Deferral | None:
        met = AttemptResult(
            at=at, started_at=began, began_at=began, revisits=int(more.pop("revisits", "0")),
            http_status=status, outcome=more.pop("outcome", "complete"), **more,
        )  # fmt: skip
        with writing(self.engine) as connection:
            return self.gate.attempt_ended(connection, job, self.gate.host(job.url), met)

    def visits(self, key: str) -> int:
        with reading(self.engine) as connection:
            wanted = select(func.count()).where(table.VISIT.c.key == key)
            return connection.execute(wanted).scalar_one()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(str(tmp_path / "queue.db"))
    yield engine
    engine.dispose()


def job(name: str, url: str = "https://a.example/", priority: int = 100) -> CaptureJob:
    return CaptureJob(id=name, url=url, enqueued_at=NOW, priority=priority)


def test_a_job_is_handed_out_when_its_host_is_free(engine: Engine, tmp_path: Path) -> None:
    desk = Desk(engine, tmp_path)
    assert desk.start(job("1"), NOW) is None
    assert desk.start(job("other", "https://b.example/"), NOW, all_under_way=1) is None

    wait = desk.start(job("2"), NOW + SECOND, under_way=1, all_under_way=2)
    assert wait == Deferral(
        until=NOW + 5 * SECOND, why="the last visit to the host began less than about 5 s ago"
    )
    later = NOW + 5 * SECOND
    assert desk.start(job("2"), later, under_way=1) == Deferral(
        until=None, why="the limit of simultaneous visits to the host is reached (limit: 1)"
    )
    assert desk.finish(job("1"), NOW, later) is None
    assert desk.start(job("2"), later) is None


def test_all_hosts_of_one_party_have_one_limit(engine: Engine, tmp_path: Path) -> None:
    desk = Desk(engine, tmp_path)
    assert desk.gate.host("https://m.weibo.cn/1") == desk.gate.host("https://weibo.com/2")
    assert desk.gate.host("mailto:a@example.org") == ""
    assert desk.start(job("1", "https://m.weibo.cn/1"), NOW) is None

    wait = desk.start(job("2", "https://weibo.com/2"), NOW)

    assert wait is not None
    assert wait.until == NOW + 10 * SECOND


def test_what_waits_in_all_workers_hands_counts(engine: Engine, tmp_path: Path) -> None:
    desk = Desk(engine, tmp_path, "[all]\nat_once = 3")
    assert desk.start(job("1"), NOW, all_under_way=3) == Deferral(
        until=None,
        why="the limit of simultaneous visits of all workers together is reached",
        of_all=True,
    )


def test_visits_of_a_process_outside_the_queue_are_in_the_way_too(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(engine, tmp_path, '[default]\nevery = "1s"')
    at(monkeypatch, lambda _: NOW)
    outside = DatabaseVisits(engine, desk.rules, lambda: 0.5, longest=60 * SECOND)
    assert isinstance(outside.begin("a.example"), AllowedVisit)

    assert desk.start(job("1"), NOW + 59 * SECOND) == Deferral(
        until=None, why="the limit of simultaneous visits to the host is reached (limit: 1)"
    )

    # Its process was killed: it is taken to be over when it must be.
    assert desk.start(job("1"), NOW + 60 * SECOND) is None
    at(monkeypatch, lambda _: NOW + 70 * SECOND)
    assert outside.begin("a.example") == HostWait(None, WaitCause.IN_FLIGHT)


def test_a_job_of_a_killed_worker_is_no_longer_in_its_own_way(
    engine: Engine, tmp_path: Path
) -> None:
    desk = Desk(engine, tmp_path)
    assert desk.start(job("1"), NOW) is None

    assert desk.start(job("1"), NOW + 30 * SECOND) is None

    assert desk.visits("a.example") == 2
    with reading(engine) as connection:
        still_open = select(func.count()).where(table.VISIT.c.open_until.is_not(None))
        assert connection.execute(still_open).scalar_one() == 1


def test_a_part_of_the_budget_is_kept_for_what_is_urgent(engine: Engine, tmp_path: Path) -> None:
    desk = Desk(engine, tmp_path, '[default]\nevery = "0s"\nper_day = 3\nurgent = 1')
    for name in ("1", "2"):
        assert desk.start(job(name), NOW) is None
        desk.finish(job(name), NOW, NOW)

    wait = desk.start(job("3"), NOW + HOUR)
    assert wait == Deferral(
        until=NOW + 24 * HOUR, why=("the limit of 3 visits to the host in 24 hours is reached")
    )
    assert desk.start(job("now", priority=0), NOW + HOUR) is None
    assert desk.start(job("now2", priority=0), NOW + HOUR) == wait


def test_a_visit_counts_from_when_its_worker_began(engine: Engine, tmp_path: Path) -> None:
    desk = Desk(engine, tmp_path, "[default]\nper_day = 2\nurgent = 0")
    assert desk.start(job("1"), NOW) is None
    desk.finish(job("1"), NOW + 30 * SECOND, NOW + 32 * SECOND)

    wait = desk.start(job("2"), NOW + 33 * SECOND)
    assert wait is not None
    assert wait.until == NOW + 35 * SECOND
    assert desk.start(job("2"), NOW + 35 * SECOND) is None
    desk.finish(job("2"), NOW + 35 * SECOND, NOW + 36 * SECOND)
    wait = desk.start(job("3"), NOW + 60 * SECOND)
    assert wait is not None
    assert wait.until == NOW + 30 * SECOND + 24 * HOUR


def test_a_throttled_page_is_looked_at_again_and_its_host_left_alone(
    engine: Engine, tmp_path: Path
) -> None:
    desk = Desk(engine, tmp_path)
    assert desk.start(job("1"), NOW) is None

    again = desk.finish(job("1"), NOW, NOW + SECOND, 429)

    assert again == Deferral(
        until=NOW + SECOND + timedelta(minutes=10),
        why="the host reported too many requests",
    )
    wait = desk.start(job("2"), NOW + 6 * SECOND)
    assert wait is not None
    assert wait.until == NOW + 31 * SECOND  # 20 to 40 s, in the middle
    assert desk.start(job("2"), NOW + 31 * SECOND) is None
    assert desk.finish(job("2"), NOW + 31 * SECOND, NOW + 32 * SECOND, 429, revisits="3") is None
    told = [(event.kind, event.host, event.detail) for event in desk.heard.events]
    assert told == [
        (NotificationKind.HOST_THROTTLED, "a.example", "not visited before 2026-03-01 12:00:31 UTC")
    ]
    assert [event.about for event in desk.heard.events] == [(NotificationScope.of(job("1")),)]


@pytest.mark.parametrize("status", [200, 403, 404, 451, 500])
def test_what_else_a_page_says_is_kept_as_it_is(
    status: int, engine: Engine, tmp_path: Path
) -> None:
    desk = Desk(engine, tmp_path)
    desk.start(job("1"), NOW)
    assert desk.finish(job("1"), NOW, NOW + SECOND, status) is None
    assert desk.heard.events == []


def test_an_attempt_without_a_capture_says_nothing_about_the_host(
    engine: Engine, tmp_path: Path
) -> None:
    desk = Desk(engine, tmp_path)
    desk.start(job("1"), NOW)

    assert desk.finish(job("1"), NOW, NOW + SECOND, None, outcome="", error="no browser") is None

    assert desk.start(job("2"), NOW + 5 * SECOND) is None


def test_the_host_that_a_page_came_from_is_the_one_that_is_heard(
    engine: Engine, tmp_path: Path
) -> None:
    desk = Desk(engine, tmp_path)
    short = job("1", "https://t.example/abc")
    desk.start(short, NOW)
    desk.finish(
        short, NOW, NOW + SECOND, 503, retry_after="3600", final_url="https://far.example/x"
    )

    assert desk.start(job("2", "https://t.example/d"), NOW + 5 * SECOND) is None
    wait = desk.start(job("3", "https://far.example/"), NOW + 5 * SECOND)
    assert wait is not None
    assert wait.until == NOW + SECOND + HOUR
    assert desk.visits("far.example") == 1


def test_people_see_what_is_known_of_hosts_and_can_forgive_them(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(engine, tmp_path)
    assert host_statuses(engine, desk.rules) == ()
    desk.start(job("1"), NOW)
    desk.finish(job("1"), NOW, NOW + SECOND, 429)
    at(monkeypatch, lambda _: NOW)
    DatabaseVisits(engine, desk.rules, lambda: 0.5).begin("b.example")
    at(monkeypatch, lambda _: NOW + 6 * SECOND)

    a, b = host_statuses(engine, desk.rules)

    assert (a.key, a.under_way, a.visits, a.state.strikes) == ("a.example", 0, 1, 1)
    assert a.wait == HostWait(NOW + 21 * SECOND + 10 * SECOND, WaitCause.THROTTLED)
    assert (b.key, b.under_way, b.visits) == ("b.example", 1, 1)
    assert b.wait == HostWait(None, WaitCause.IN_FLIGHT)
    assert clear_back_off(engine, "a.example")
    assert not clear_back_off(engine, "c.example")
    assert not clear_back_off(engine, "")
    a, _ = host_statuses(engine, desk.rules)
    assert (a.wait, a.state.sign, a.visits) == (None, Sign.WELL, 1)


def test_what_is_old_is_forgotten_and_what_still_holds_is_not(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(engine, tmp_path, '[default]\nretry_after_at_most = "30d"')
    for name in ("a", "b"):
        desk.start(job(name, f"https://{name}.example/"), NOW)
        desk.finish(
            job(name, f"https://{name}.example/"), NOW, NOW, 429,
            retry_after=str(14 * 86_400) if name == "b" else "",
        )  # fmt: skip
    at(monkeypatch, lambda _: NOW + 23 * HOUR)
    trim(engine)
    assert desk.visits("a.example") == 1
    at(monkeypatch, lambda _: NOW + 8 * 24 * HOUR)

    trim(engine)

    assert desk.visits("a.example") == 0
    assert [host.key for host in host_statuses(engine, desk.rules)] == ["b.example"]
