"""
`app.pace.Visits`: who may ask which host, wherever that is kept.

One suite for the state in a process and for the state in a database.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.pipeline.host_pacing import InMemoryVisitTracker, VisitTracker
from snapshotter.jobs.database import writing
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue import host_tables as table
from snapshotter.jobs.queue import host_visits
from snapshotter.jobs.queue.host_visits import DatabaseVisits
from snapshotter.policy import politeness_file
from snapshotter.policy.host_responses import HostResponse, Sign
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.politeness import AllowedVisit, VisitWait, WaitCause
from tests.fakes.world import FixedClock
from tests.tools import ROOT

pytestmark = pytest.mark.xdist_group("postgresql")

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Make = Callable[[str], VisitTracker]


@pytest.fixture
def time() -> FixedClock:
    return FixedClock(NOW)


def address(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Return where a database is kept, and nothing of other tests in it."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/queue.db"
    url: str = request.getfixturevalue("postgresql").url
    engine = open_database(url)
    with writing(engine) as connection:
        connection.execute(table.HOST.delete())
        connection.execute(table.VISIT.delete())
    engine.dispose()
    return url


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def visits(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    time: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Make]:
    engines = []

    def make(text: str) -> VisitTracker:
        file = tmp_path / "polite.toml"
        file.write_text(text)
        rules: Politeness = politeness_file.load(file)
        if request.param == "memory":
            return InMemoryVisitTracker(rules, time, lambda: 0.5)
        engines.append(open_database(address(request.param, tmp_path, request)))
        for module in (table, host_visits):
            monkeypatch.setattr(module, "database_now", lambda _: time.now())
        return DatabaseVisits(engines[-1], rules, lambda: 0.5)

    yield make
    for engine in engines:
        engine.dispose()


def started(found: AllowedVisit | VisitWait) -> AllowedVisit:
    assert isinstance(found, AllowedVisit)
    return found


def well(time: FixedClock, url: str = "") -> HostResponse:
    return HostResponse(status=200, at=time.now(), final_url=url)


def test_the_next_visit_of_a_host_waits_and_that_of_another_does_not(
    visits: Make, time: FixedClock
) -> None:
    polite = visits("")
    first = started(polite.begin("a.example"))
    assert (first.key, first.started_at) == ("a.example", NOW)

    assert polite.begin("a.example") == VisitWait(NOW + 5 * SECOND, WaitCause.INTERVAL)
    started(polite.begin("b.example"))

    time.advance(5 * SECOND)
    assert polite.begin("a.example") == VisitWait(None, WaitCause.IN_FLIGHT)
    polite.end(first, well(time))
    started(polite.begin("a.example"))


def test_a_budget_is_of_any_24_hours(visits: Make, time: FixedClock) -> None:
    polite = visits('[default]\nevery = "1h"\njitter = 0.0\nper_day = 3\nurgent = 1')
    for _ in range(2):
        polite.end(started(polite.begin("a.example")), well(time))
        time.advance(HOUR)

    assert polite.begin("a.example") == VisitWait(NOW + 24 * HOUR, WaitCause.BUDGET)
    polite.end(started(polite.begin("a.example", urgent=True)), well(time))

    time.set_wall_clock(NOW + 24 * HOUR)
    assert polite.begin("a.example") == VisitWait(NOW + 25 * HOUR, WaitCause.BUDGET)
    polite.end(started(polite.begin("a.example", urgent=True)), well(time))
    time.advance(HOUR)
    assert polite.begin("a.example") == VisitWait(NOW + 26 * HOUR, WaitCause.BUDGET)
    started(polite.begin("a.example", urgent=True))


def test_what_the_host_says_is_heard_by_all(visits: Make, time: FixedClock) -> None:
    polite = visits("")
    visit = started(polite.begin("a.example"))
    time.advance(SECOND)

    left = polite.end(visit, HostResponse(status=429, at=time.now(), retry_after="7200"))

    assert left is not None
    assert left.signal.sign is Sign.THROTTLED
    assert polite.begin("a.example") == VisitWait(NOW + SECOND + 2 * HOUR, WaitCause.THROTTLED)
    time.advance(2 * HOUR)
    polite.end(started(polite.begin("a.example")), well(time))
    time.advance(5 * SECOND)
    started(polite.begin("a.example"))


def test_a_visit_that_did_not_come_about_is_not_counted(visits: Make, time: FixedClock) -> None:
    polite = visits('[default]\nevery = "0s"\nper_day = 1\nurgent = 0')

    assert polite.end(started(polite.begin("a.example")), None) is None

    polite.end(started(polite.begin("a.example")), well(time))
    assert polite.begin("a.example") == VisitWait(NOW + 24 * HOUR, WaitCause.BUDGET)


def test_a_visit_that_was_sent_on_is_one_to_both_hosts(visits: Make, time: FixedClock) -> None:
    polite = visits('[default]\nevery = "0s"\nper_day = 1\nurgent = 0')

    left = polite.end(started(polite.begin("t.cn")), well(time, "https://www.far.example/x"))

    assert left is not None
    assert left.ended_at == "far.example"
    for key in ("t.cn", "far.example"):
        assert polite.begin(key) == VisitWait(NOW + 24 * HOUR, WaitCause.BUDGET)


def test_no_more_than_all_are_under_way(visits: Make, time: FixedClock) -> None:
    polite = visits("[all]\nat_once = 2\n[worker]\nat_once = 2")
    first = started(polite.begin("a.example"))
    started(polite.begin("b.example"))

    assert polite.begin("c.example") == VisitWait(None, WaitCause.ALL)

    polite.end(first, well(time))
    started(polite.begin("c.example"))


# Several processes

_RACER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.host_visits import DatabaseVisits
from snapshotter.policy import politeness_file
from snapshotter.policy.host_responses import HostResponse
from snapshotter.policy.politeness import AllowedVisit

database = open_database(sys.argv[1])
visits = DatabaseVisits(database, politeness_file.load(Path(sys.argv[2])), lambda: 0.5)
print("ready", flush=True)
sys.stdin.readline()
won = 0
for number in range(20):
    visit = visits.begin(f"last{number}.example")
    if isinstance(visit, AllowedVisit):  # sent on, so that two hosts are held at once
        won += 1
        url = f"https://common{number % 2}.example/"
        visits.end(visit, HostResponse(status=200, at=datetime.now(UTC), final_url=url))
print(won)
database.dispose()
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_several_processes_that_want_the_last_place_of_a_budget_one_has_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rules = tmp_path / "polite.toml"
    rules.write_text(
        '[all]\nat_once=1000\n[default]\nat_once=1000\nevery="0s"\nper_day=1\nurgent=0'
    )
    url = address(kind, tmp_path, request)
    engine = open_database(url)
    known = DatabaseVisits(engine, politeness_file.load(rules), lambda: 0.5)
    for number in range(20):  # there is nothing to be made any more, which they would wait for
        known.end(started(known.begin(f"last{number}.example")), None)
    engine.dispose()
    command = [sys.executable, "-c", _RACER, url, str(rules)]
    racers = [
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"

    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()

    won = [int(racer.communicate(timeout=120)[0]) for racer in racers]
    assert sum(won) == 20
