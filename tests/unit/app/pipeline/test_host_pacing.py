"""Pace: many addresses in one process, none of them before its host may be asked."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from snapshotter.app.pipeline.host_pacing import (
    AllHostsWaiting,
    HostBusy,
    InMemoryVisitTracker,
    RateLimiter,
    VisitQueue,
    VisitTurn,
)
from snapshotter.policy import politeness_file
from snapshotter.policy.host_responses import HostResponse
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.politeness import AllowedVisit
from tests.fakes.world import FixedClock

SECOND = timedelta(seconds=1)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def rules(folder: Path, text: str) -> Politeness:
    file = folder / "polite.toml"
    file.write_text(text)
    return politeness_file.load(file)


def visits(rules: Politeness, clock: FixedClock) -> InMemoryVisitTracker:
    return InMemoryVisitTracker(rules, clock, lambda: 0.5)


def answer(clock: FixedClock, status: int | None = 200, retry_after: str = "") -> HostResponse:
    return HostResponse(status=status, at=clock.now(), retry_after=retry_after)


def walk(
    line: VisitQueue, clock: FixedClock, *, takes: timedelta = 2 * SECOND
) -> list[tuple[int, float]]:
    """Take every turn of a line, one after the other; return which began when."""
    found: list[tuple[int, float]] = []
    while (turn := line.next()) is not None:
        if isinstance(turn, AllHostsWaiting):
            assert turn.until is not None
            assert turn.until > clock.now()
            clock.advance(turn.until - clock.now())
            continue
        found.append((turn.number, (clock.now() - NOW) / SECOND))
        clock.advance(takes)
        line.done(turn, answer(clock))
    return found


def test_a_host_that_has_to_wait_does_not_hold_up_the_others() -> None:
    clock = FixedClock(NOW)
    urls = [f"https://{host}.example/{n}" for host, n in ("a1", "a2", "b1", "a3", "b2")]
    line = RateLimiter(visits(politeness_file.load(), clock), clock).line(urls)

    assert walk(line, clock) == [(0, 0), (2, 2), (1, 5), (4, 7), (3, 10)]
    assert line.next() is None


def test_every_address_has_one_turn_and_no_host_more_than_it_bears(tmp_path: Path) -> None:
    numbers = random.Random(5)  # noqa: S311  the same each time
    mine = rules(
        tmp_path, '[all]\nat_once=5\n[default]\nat_once=2\nevery="1s"\nper_day=40\nurgent=0'
    )
    clock = FixedClock(NOW)
    urls = [f"https://h{numbers.randrange(7)}.example/{number}" for number in range(300)]
    line = RateLimiter(InMemoryVisitTracker(mine, clock, numbers.random), clock).line(urls)
    out: list[VisitTurn] = []
    turns: list[int] = []
    starts: dict[str, list[datetime]] = {}

    while True:
        turn = line.next()
        if isinstance(turn, VisitTurn):
            turns.append(turn.number)
            out.append(turn)
            starts.setdefault(turn.visit.key, []).append(clock.now())
            assert max(Counter(turn.visit.key for turn in out).values()) <= 2
            assert len(out) <= 5
            continue
        if out and (turn is None or turn.until is None or numbers.random() < 0.1):
            clock.sleep(0.1)
            line.done(out.pop(numbers.randrange(len(out))), answer(clock))
        elif turn is None:
            break
        else:
            assert turn.until is not None
            clock.advance(max(turn.until - clock.now(), timedelta(0)))

    assert sorted(turns) == list(range(300))
    for began in starts.values():
        assert all(b - a >= 0.6 * SECOND for a, b in pairwise(began))
        assert all(b - a >= timedelta(days=1) for a, b in zip(began, began[40:], strict=False))


def test_a_throttled_page_can_be_put_back_and_rests_with_its_host() -> None:
    clock = FixedClock(NOW)
    urls = ["https://a.example/1", "https://a.example/2", "https://b.example/1"]
    line = RateLimiter(visits(politeness_file.load(), clock), clock).line(urls)
    first = line.next()
    assert isinstance(first, VisitTurn)

    again = line.done(first, answer(clock, 429, "3600"))

    assert again == NOW + timedelta(hours=1)
    line.again(first.number, urls[0], again)
    assert walk(line, clock) == [(2, 0), (0, 3600), (1, 3605)]


def test_a_visit_that_did_not_come_about_costs_no_budget(tmp_path: Path) -> None:
    mine = rules(tmp_path, '[default]\nevery="0s"\nper_day=1\nurgent=0')
    clock = FixedClock(NOW)
    line = RateLimiter(visits(mine, clock), clock).line(["https://a.example/"])
    turn = line.next()
    assert isinstance(turn, VisitTurn)
    assert line.next() is None

    assert line.done(turn, None) is None
    line.again(turn.number, "https://a.example/", NOW)

    assert isinstance(line.next(), VisitTurn)


def test_the_limit_of_all_hosts_ends_with_a_turn(tmp_path: Path) -> None:
    mine = rules(tmp_path, "[all]\nat_once = 1")
    clock = FixedClock(NOW)
    line = RateLimiter(visits(mine, clock), clock).line(
        ["https://a.example/", "https://b.example/"]
    )
    turn = line.next()
    assert isinstance(turn, VisitTurn)

    held = line.next()

    assert isinstance(held, AllHostsWaiting)
    assert (held.until, held.key) == (None, "b.example")
    line.done(turn, answer(clock))
    assert isinstance(line.next(), VisitTurn)


def test_a_redirect_is_a_visit_to_where_it_leads(tmp_path: Path) -> None:
    mine = rules(tmp_path, '[default]\nevery="0s"\nper_day=2\nurgent=0')
    clock = FixedClock(NOW)
    pace = RateLimiter(visits(mine, clock), clock)
    for _ in range(2):
        visit = pace.wait("https://t.example/", pytest.fail)
        there = HostResponse(status=200, at=clock.now(), final_url="https://far.example/x")
        pace.done(visit, there)

    with pytest.raises(HostBusy, match=r"far.example is not visited before 2026-03-02 12:00 UTC"):
        pace.wait("https://far.example/", pytest.fail)


def test_waiting_is_told_once_and_ends_when_the_host_is_free() -> None:
    clock, told = FixedClock(NOW), list[str]()
    pace = RateLimiter(visits(politeness_file.load(), clock), clock, pause=clock.sleep)
    pace.done(pace.wait("https://weibo.com/1", told.append), answer(clock))
    assert told == []

    visit = pace.wait("https://m.weibo.cn/2", told.append)

    assert isinstance(visit, AllowedVisit)
    assert visit.started_at == NOW + 10 * SECOND
    assert told == [
        "waiting 10 s for m.weibo.cn: the last visit to the host began less than about 10 s ago"
    ]


def test_a_long_wait_is_told_once_too() -> None:
    clock, told = FixedClock(NOW), list[str]()
    pace = RateLimiter(visits(politeness_file.load(), clock), clock, pause=clock.sleep)
    pace.done(pace.wait("https://a.example/", told.append), answer(clock, 503, "300"))

    pace.wait("https://a.example/", told.append)

    assert clock.now() == NOW + 300 * SECOND
    assert told == [
        "waiting 300 s for a.example: the host answered that there were too many requests"
    ]


def test_a_host_that_asks_for_more_than_our_patience_is_not_waited_for() -> None:
    clock = FixedClock(NOW)
    pace = RateLimiter(visits(politeness_file.load(), clock), clock, pause=clock.sleep)
    pace.done(pace.wait("https://a.example/", pytest.fail), answer(clock, 503, "3600"))

    with pytest.raises(HostBusy, match="too many requests") as caught:
        pace.wait("https://a.example/", pytest.fail)

    assert caught.value.exit_code == 30
    assert clock.now() == NOW
