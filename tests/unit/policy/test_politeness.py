"""Politeness: when the next visit to a host may start, whatever the host does."""

import random
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.policy import politeness, politeness_file
from snapshotter.policy.host_responses import (
    HostResponse,
    HostSignal,
    Sign,
    interpret_response,
    parse_retry_after,
)
from snapshotter.policy.host_rules import DAY, HostRules, Politeness
from snapshotter.policy.politeness import (
    HostState,
    Load,
    VisitWait,
    WaitCause,
    budget_at,
    judge,
    revisit_at,
    state_after_end,
    state_after_start,
    visit_outcome,
)
from snapshotter.policy.politeness_estimate import estimate, per_day
from snapshotter.policy.quiet_hours import QuietHours

RULES = politeness_file.load()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MOMENTS = st.datetimes(
    datetime(2025, 1, 1),  # noqa: DTZ001  as Hypothesis wants it
    datetime(2027, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
CHANCES = st.floats(0, 1, exclude_max=True)


def written(folder: Path, text: str) -> Politeness:
    file = folder / "polite.toml"
    file.write_text(text)
    return politeness_file.load(file)


def rules_of(folder: Path, text: str) -> HostRules:
    return written(folder, f"[default]\n{text}").default


# What a host is


@pytest.mark.parametrize(
    ("url", "key", "table"),
    [
        ("https://Example.org:8443/a?b", "example.org", "default"),
        ("http://www.example.org./", "example.org", "default"),
        ("http://www.museum/", "www.museum", "default"),
        ("http://news.example.org/", "news.example.org", "default"),
        ("http://www/", "www", "default"),
        ("http://bücher.example/", "xn--bcher-kva.example", "default"),
        (f"http://{'ü' * 70}.example/", f"{'ü' * 70}.example", "default"),
        ("https://mp.weixin.qq.com/s/x", "mp.weixin.qq.com", "wechat"),
        ("https://m.weibo.cn/1", "group:weibo", "weibo"),
        ("https://www.weibo.com/1", "group:weibo", "weibo"),
        ("https://notweibo.com/1", "notweibo.com", "default"),
        ("http://127.0.0.3:8001/", "127.0.0.3", "this-machine"),
        ("http://[::1]/", "::1", "this-machine"),
        ("http://shop.localhost/", "shop.localhost", "this-machine"),
        ("http://127.0.0.3.example.org/", "127.0.0.3.example.org", "default"),
    ],
)
def test_visits_are_counted_by_host_or_by_the_group_that_the_rules_name(
    url: str, key: str, table: str
) -> None:
    assert RULES.key(url) == key
    assert RULES.rules(key).name == table


@pytest.mark.parametrize("url", ["http:///x", "mailto:a@example.org", "http://./", "x"])
def test_an_address_without_a_host_has_no_key(url: str) -> None:
    with pytest.raises(ValueError, match="the address has no host"):
        RULES.key(url)


def test_a_group_that_is_in_no_file_any_more_has_the_rules_of_everybody() -> None:
    assert RULES.rules("group:gone") is RULES.default


# When a visit may start


def test_a_host_that_was_never_visited_may_be_at_once() -> None:
    assert judge(RULES, RULES.default, HostState(), Load(), NOW) is None


@given(chance=CHANCES)
def test_the_next_visit_starts_within_the_jitter_of_the_interval(chance: float) -> None:
    rules = RULES.rules("group:weibo")

    state = state_after_start(rules, HostState(), NOW, chance)
    wait = judge(RULES, rules, state, Load(), NOW)

    assert wait is not None
    assert wait.cause is WaitCause.INTERVAL
    assert wait.until is not None
    assert NOW + 6 * SECOND <= wait.until <= NOW + 14 * SECOND
    assert judge(RULES, rules, state, Load(), wait.until) is None


@pytest.mark.parametrize(
    ("load", "cause"),
    [
        (Load(host=1), WaitCause.IN_FLIGHT),
        (Load(all=16), WaitCause.ALL),
        (Load(worker=2), WaitCause.WORKER),
    ],
)
def test_what_is_under_way_is_waited_for(load: Load, cause: WaitCause) -> None:
    assert judge(RULES, RULES.default, HostState(), load, NOW) == VisitWait(None, cause)


def test_the_latest_of_several_reasons_is_the_one_that_is_named() -> None:
    state = HostState(
        next_at=NOW + SECOND, resting_until=NOW + MINUTE, sign=Sign.THROTTLED, strikes=1
    )

    assert judge(RULES, RULES.default, state, Load(), NOW) == VisitWait(
        NOW + MINUTE, WaitCause.THROTTLED
    )
    spent = Load(host=1, budget_at=NOW + HOUR)
    assert judge(RULES, RULES.default, state, spent, NOW) == VisitWait(NOW + HOUR, WaitCause.BUDGET)


def test_a_clock_that_was_set_back_holds_nobody_up_for_long() -> None:
    state = HostState(
        next_at=NOW + 300 * DAY, resting_until=NOW + 300 * DAY, sign=Sign.UNREACHABLE, strikes=1
    )

    wait = judge(RULES, RULES.default, state, Load(budget_at=NOW + 300 * DAY), NOW)

    assert wait == VisitWait(NOW + DAY, WaitCause.BUDGET)
    wait = judge(RULES, RULES.default, state, Load(), NOW)
    assert wait == VisitWait(NOW + RULES.default.retry_after_at_most, WaitCause.UNREACHABLE)


# Any history


SIGNS = st.sampled_from(Sign)
ASKED = st.none() | st.integers(0, 200_000).map(lambda seconds: seconds * SECOND)


@given(
    seed=st.integers(0, 2**32),
    at_once=st.integers(1, 3),
    budget=st.integers(2, 6),
    quiet=st.sampled_from([(), (QuietHours(time(22), time(6, 30)),)]),
    signs=st.lists(st.tuples(SIGNS, ASKED, st.booleans()), min_size=1, max_size=25),
    began=MOMENTS,
)
def test_no_history_of_answers_makes_a_visit_start_earlier_than_the_rules_allow(
    seed: int,
    at_once: int,
    budget: int,
    quiet: tuple[QuietHours, ...],
    signs: list[tuple[Sign, timedelta | None, bool]],
    began: datetime,
) -> None:
    chance = random.Random(seed).random  # noqa: S311  the same each time
    rules = HostRules(
        name="x", at_once=at_once, every=10 * SECOND, jitter=0.4, per_day=budget, urgent=1,
        quiet=quiet, zone=BERLIN, throttled_statuses=frozenset({429}),
        throttled=RULES.default.throttled, unwell=RULES.default.unwell,
        unreachable=RULES.default.unreachable, retry_after_at_most=6 * HOUR, revisits=3,
        revisit_after=MINUTE,
    )  # fmt: skip
    state, now = HostState(), began
    starts: list[datetime] = []
    under_way: list[datetime] = []
    asked_until: datetime | None = None  # what a Retry-After forbade, worked out here anew
    for sign, asked, urgent in signs:
        room = budget_at(starts, rules.budget(urgent=urgent), now)
        wait = judge(RULES, rules, state, Load(host=len(under_way), budget_at=room), now)
        if wait is not None and wait.until is not None:
            assert wait.until > now
            now = wait.until  # what makes it wait for the end of a visit is still there
        elif wait is None:
            assert len(under_way) < at_once
            assert not starts or now - starts[-1] >= 6 * SECOND
            assert len([start for start in starts if now - start < DAY]) < (
                budget if urgent else budget - 1
            )
            assert all(hours.around(now, BERLIN) is None for hours in quiet)
            assert asked_until is None or now >= asked_until
            state = state_after_start(rules, state, now, chance())
            starts.append(now)
            under_way.append(now)
        if under_way and (wait is not None or chance() < 0.7):
            now += 3 * SECOND
            begin = under_way.pop(0)
            state = state_after_end(
                rules, state, HostSignal(sign=sign, retry_after=asked), started=begin, now=now,
                chance=chance(),
            )  # fmt: skip
            if sign is Sign.THROTTLED and asked is not None:
                until = now + min(asked, 6 * HOUR)
                asked_until = max(asked_until or until, until)
            elif sign is Sign.WELL and (asked_until is None or begin >= asked_until):
                asked_until = None


# Backing off


@given(strikes=st.integers(1, 100), chance=CHANCES)
def test_a_back_off_is_drawn_over_the_whole_range_of_its_strike(
    strikes: int, chance: float
) -> None:
    back_off = RULES.default.throttled

    rest = back_off.draw(strikes, chance)

    widest = min(180, 20 * 2**strikes)
    assert 20 * SECOND <= rest <= widest * SECOND
    assert back_off.draw(strikes, 0) == 20 * SECOND
    assert back_off.draw(strikes, 0.5) == (20 + widest) / 2 * SECOND


def test_throttling_again_lengthens_the_rest_and_a_good_answer_ends_it() -> None:
    rules, state, now = RULES.default, HostState(), NOW
    rests = []
    for _ in range(5):
        started, now = now, now + SECOND
        state = state_after_end(
            rules, state, HostSignal(sign=Sign.THROTTLED), started=started, now=now, chance=1.0
        )
        assert state.resting_until is not None
        rests.append((state.resting_until - now) / SECOND)
        now = state.resting_until
    assert rests == [40, 80, 160, 180, 180]

    state = state_after_end(
        rules, state, HostSignal(sign=Sign.WELL), started=now, now=now + SECOND, chance=1.0
    )
    assert state == HostState(next_at=state.next_at)


def test_visits_that_were_under_way_complain_of_the_same_thing() -> None:
    rules = RULES.default
    first = state_after_end(
        rules,
        HostState(),
        HostSignal(sign=Sign.THROTTLED),
        started=NOW,
        now=NOW + SECOND,
        chance=0.0,
    )

    second = state_after_end(
        rules, first, HostSignal(sign=Sign.THROTTLED), started=NOW, now=NOW + 2 * SECOND, chance=0.0
    )
    late = state_after_end(
        rules, second, HostSignal(sign=Sign.WELL), started=NOW, now=NOW + 3 * SECOND, chance=0.0
    )

    assert (first.strikes, second.strikes) == (1, 1)
    assert second.resting_until == NOW + 22 * SECOND
    assert late == second


def test_a_host_in_trouble_does_not_shorten_what_it_asked_for_before() -> None:
    rules = RULES.default
    asked = state_after_end(
        rules, HostState(), HostSignal(sign=Sign.THROTTLED, retry_after=HOUR), started=NOW,
        now=NOW + SECOND, chance=0.0,
    )  # fmt: skip

    then = state_after_end(
        rules, asked, HostSignal(sign=Sign.UNREACHABLE), started=NOW + 2 * SECOND,
        now=NOW + 3 * SECOND, chance=0.0,
    )  # fmt: skip

    assert then.resting_until == asked.resting_until == NOW + SECOND + HOUR
    assert then.sign is Sign.THROTTLED


@given(seconds=st.integers(0, 10**12), chance=CHANCES, strikes=st.integers(0, 9))
def test_retry_after_is_never_shortened_but_by_its_bound(
    seconds: int, chance: float, strikes: int
) -> None:
    what = interpret_response(
        HostResponse(status=429, retry_after=str(seconds), at=NOW), RULES.default
    )

    state = state_after_end(
        RULES.default, HostState(strikes=strikes), what, started=NOW, now=NOW, chance=chance
    )

    assert state.resting_until is not None
    assert (
        state.resting_until - NOW >= min(seconds * SECOND, 6 * HOUR)
        if seconds < 10**9
        else 6 * HOUR
    )
    assert state.resting_until - NOW <= 6 * HOUR


@given(moment=MOMENTS, asked=st.integers(-100, 10_000), skew=st.integers(-10_000, 10_000))
def test_a_retry_after_that_is_a_date_is_read_by_the_servers_own_clock(
    moment: datetime, asked: int, skew: int
) -> None:
    theirs = moment.replace(microsecond=0) + skew * SECOND
    said = format_datetime(theirs, usegmt=True)

    date = format_datetime(theirs + asked * SECOND, usegmt=True)

    assert parse_retry_after(date, said_at=said, ours=moment) == max(asked, 0) * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (" 120 ", 120),
        ("0", 0),
        ("Sun, 01 Mar 2026 12:02:00 GMT", 120),
        ("Sunday, 01-Mar-26 12:02:00 GMT", 120),  # RFC 850, obsolete and to be understood
        ("Sun Mar  1 12:02:00 2026", 120),  # asctime, likewise
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("9" * 40, 9_999_999_999),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Sun, 32 Mar 2026 12:02:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None),
    ],
)
def test_retry_after_comes_in_two_forms(text: str, seconds: int | None) -> None:
    expected = None if seconds is None else min(seconds, 10**9) * SECOND
    assert parse_retry_after(text, said_at="", ours=NOW) == expected


@given(text=st.text(max_size=60), said=st.text(max_size=60))
def test_no_header_of_a_server_is_an_error_of_ours(text: str, said: str) -> None:
    found = parse_retry_after(text, said_at=said, ours=NOW)
    assert found is None or found >= timedelta(0)


@pytest.mark.parametrize(
    ("status", "retry_after", "sign"),
    [
        (200, "", Sign.WELL),
        (200, "60", Sign.WELL),  # a notice that comes as 200 is a page, whatever it says
        (301, "", Sign.WELL),
        (403, "", Sign.WELL),  # a refusal is evidence, and no complaint
        (403, "60", Sign.THROTTLED),
        (404, "60", Sign.WELL),
        (414, "", Sign.WELL),
        (429, "", Sign.THROTTLED),
        (451, "", Sign.WELL),
        (500, "60", Sign.UNWELL),
        (503, "", Sign.UNWELL),
        (503, "60", Sign.THROTTLED),
        (503, "soon", Sign.UNWELL),
    ],
)
def test_what_a_status_says_about_a_host(status: int, retry_after: str, sign: Sign) -> None:
    what = interpret_response(
        HostResponse(status=status, retry_after=retry_after, at=NOW), RULES.default
    )
    assert what.sign is sign


def test_a_site_can_have_a_status_of_its_own_for_throttling() -> None:
    rules = RULES.rules("group:weibo")
    assert (
        interpret_response(HostResponse(status=414, retry_after="", at=NOW), rules).sign
        is Sign.THROTTLED
    )


# Redirects to another host


def left_behind(url: str, status: int | None, retry_after: str = "") -> politeness.VisitOutcome:
    answer = HostResponse(
        status=status, at=NOW, retry_after=retry_after,
        final_url=url,
    )  # fmt: skip
    return visit_outcome(
        RULES, "t.cn", lambda _: HostState(strikes=1, sign=Sign.UNWELL), answer,
        started=NOW - SECOND, now=NOW, chance=lambda: 0.5,
    )  # fmt: skip


def test_a_host_that_sends_visits_on_is_well_and_the_other_one_is_visited() -> None:
    left = left_behind("https://m.weibo.cn/1", 414)

    assert left.ended_at == "group:weibo"
    assert left.states["t.cn"] == HostState()
    weibo = left.states["group:weibo"]
    assert (weibo.sign, weibo.strikes, weibo.next_at) == (Sign.THROTTLED, 2, NOW + 10 * SECOND)
    assert left.revisit_at(RULES, revisits=0, now=NOW) == NOW + 10 * MINUTE


@pytest.mark.parametrize("url", ["", "https://t.cn/x", "http://www.t.cn:80/", "about:blank"])
def test_a_visit_that_stays_where_it_was_sent_is_heard_by_that_host(url: str) -> None:
    left = left_behind(url, 429, retry_after="7200")

    assert left.ended_at == "t.cn"
    assert list(left.states) == ["t.cn"]
    assert left.states["t.cn"].resting_until == NOW + 2 * HOUR
    assert left.revisit_at(RULES, revisits=0, now=NOW) == NOW + 2 * HOUR


def test_a_host_without_an_answer_is_the_one_that_was_asked() -> None:
    left = left_behind("https://elsewhere.example/", None)

    assert left.ended_at == "t.cn"
    assert left.states["t.cn"].sign is Sign.UNREACHABLE
    assert left.revisit_at(RULES, revisits=0, now=NOW) is None


# Revisits


def test_a_throttled_page_is_looked_at_again_a_few_times_ever_later() -> None:
    rules, what = RULES.default, HostSignal(sign=Sign.THROTTLED)

    due = [revisit_at(rules, HostState(), what, revisits=number, now=NOW) for number in range(4)]

    assert due == [NOW + 10 * MINUTE, NOW + 20 * MINUTE, NOW + 40 * MINUTE, None]


def test_a_revisit_is_not_due_before_the_host_may_be_asked() -> None:
    state = HostState(resting_until=NOW + 5 * HOUR, sign=Sign.THROTTLED, strikes=1)
    what = HostSignal(sign=Sign.THROTTLED)
    assert revisit_at(RULES.default, state, what, revisits=0, now=NOW) == NOW + 5 * HOUR


@pytest.mark.parametrize("sign", [Sign.WELL, Sign.UNWELL, Sign.UNREACHABLE])
def test_whatever_else_a_host_says_stays_as_it_is(sign: Sign) -> None:
    what = HostSignal(sign=sign)
    assert revisit_at(RULES.default, HostState(), what, revisits=0, now=NOW) is None


# Quiet hours


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        # an ordinary day, Berlin is one hour ahead of UTC in winter
        ("02:00-07:00", "2026-01-10T00:59:59", None),
        ("02:00-07:00", "2026-01-10T01:00:00", "2026-01-10T06:00:00"),
        ("02:00-07:00", "2026-01-10T05:59:59", "2026-01-10T06:00:00"),
        ("02:00-07:00", "2026-01-10T06:00:00", None),
        ("22:00-06:00", "2026-01-10T21:30:00", "2026-01-11T05:00:00"),
        ("22:00-06:00", "2026-01-10T03:00:00", "2026-01-10T05:00:00"),
        # 29 March 2026: 02:00 to 03:00 is left out
        ("22:00-06:00", "2026-03-28T21:30:00", "2026-03-29T04:00:00"),
        ("02:00-03:00", "2026-03-29T00:00:00", "2026-03-29T01:00:00"),
        ("02:00-03:00", "2026-03-29T01:00:00", None),
        ("01:00-02:30", "2026-03-29T01:15:00", "2026-03-29T01:30:00"),
        # 25 October 2026: 02:00 to 03:00 comes twice
        ("02:00-03:00", "2026-10-25T00:00:00", "2026-10-25T02:00:00"),
        ("01:00-02:30", "2026-10-25T00:45:00", "2026-10-25T01:30:00"),
        ("02:30-05:00", "2026-10-25T00:29:59", None),
        ("02:30-05:00", "2026-10-25T00:30:00", "2026-10-25T04:00:00"),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    hours: str, moment: str, until: str | None, tmp_path: Path
) -> None:
    rules = rules_of(tmp_path, f'quiet = ["{hours}"]\nzone = "Europe/Berlin"')
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(until).replace(tzinfo=UTC) if until else at

    assert rules.free_at(at) == expected
    wait = judge(RULES, rules, HostState(), Load(), at)
    assert wait == (VisitWait(expected, WaitCause.QUIET) if until else None)


def test_a_wait_that_ends_in_quiet_hours_goes_on_to_their_end(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'quiet = ["12:01-13:00", "13:00-14:00", "13:30-13:45"]')
    state = HostState(resting_until=NOW + 2 * MINUTE, sign=Sign.UNWELL, strikes=1)
    assert judge(RULES, rules, state, Load(), NOW) == VisitWait(NOW + 2 * HOUR, WaitCause.QUIET)


@given(
    minute=st.integers(0, 1439),
    length=st.integers(1, 1439),
    moment=MOMENTS,
    zone=st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "UTC"]),
)
def test_quiet_hours_hold_whenever_the_clock_on_the_wall_shows_them(
    minute: int, length: int, moment: datetime, zone: str
) -> None:
    ends = (minute + length) % 1440
    quiet = QuietHours(time(*divmod(minute, 60)), time(*divmod(ends, 60)))
    wall = moment.astimezone(ZoneInfo(zone))
    shown = wall.hour * 60 + wall.minute
    if (shown - minute) % 1440 < length:
        until = quiet.around(moment, ZoneInfo(zone))
        assert until is not None
        assert moment < until <= moment + (length + 60) * MINUTE


# Files


def test_a_file_says_only_what_it_changes(tmp_path: Path) -> None:
    mine = written(
        tmp_path,
        """
        [worker]
        at_once = 1
        [default]
        every = "8s"
        [[host]]
        name = "archive"
        hosts = ["*.example.org"]
        per_day = 3
        [[host]]
        name = "wechat"
        hosts = ["mp.weixin.qq.com"]
        every = "30s"
        """,
    )

    assert (mine.all_at_once, mine.worker_at_once) == (16, 1)
    assert (mine.default.every, mine.default.per_day) == (8 * SECOND, 500)
    assert mine.rules("a.example.org").per_day == 3
    assert mine.rules("a.example.org").every == 8 * SECOND
    assert mine.rules("example.org").name == "default"
    assert mine.rules("mp.weixin.qq.com").every == 30 * SECOND
    assert mine.rules("group:weibo").every == 10 * SECOND
    assert mine.rules("a.example.org").urgent == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[default]\nat_once = 0", "default.at_once"),
        ("[default]\nevery = 5", "default.every"),
        ('[default]\nevery = "5"', "not a duration"),
        ("[default]\njitter = 1.0", "default.jitter"),
        ("[default]\nspeed = 3", "default.speed"),
        ('[default]\nquiet = ["2-7"]', "not a range of quiet hours"),
        ('[default]\nquiet = ["02:00-02:00"]', "not a range of quiet hours"),
        ('[default]\nquiet = ["02:00:30-02:10"]', "not a range of quiet hours"),
        ('[default]\nquiet = ["02:00-14:00", "13:00-02:00"]', "must not cover the whole day"),
        ('[default]\nzone = "Mars/Olympus"', "not a time zone"),
        ('[default]\nthrottled = ["3m", "20s"]', r"must be \[shortest, longest\]"),
        ('[default]\nthrottled = ["3m"]', "default.throttled"),
        ("[default]\nthrottled_statuses = [200]", "throttled_statuses"),
        ("[[host]]\nname = 'a'\nhosts = ['*']", "not a host"),
        ("[[host]]\nname = 'a'\nhosts = ['a:80']", "not a host"),
        ("[[host]]\nname = 'a'\nhosts = ['10.0.0.1/8']", "host bits"),
        ("[[host]]\nname = 'a'\nhosts = []", "host.0.hosts"),
        ("[[host]]\nname = 'a'\nhosts = ['b']\n" * 2, "the same name"),
        ("default = 3", "default"),
    ],
)
def test_what_has_no_meaning_in_a_file_is_an_error_that_names_it(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SnapshotterError, match=message):
        written(tmp_path, text)


# How long it takes


def test_a_visit_every_six_seconds_is_14_400_a_day(tmp_path: Path) -> None:
    free = rules_of(tmp_path, 'every = "6s"\nper_day = 0')
    assert per_day(free, 2 * SECOND) == 14_400
    assert per_day(free, 12 * SECOND) == 7_200
    assert per_day(rules_of(tmp_path, 'every = "6s"'), 2 * SECOND) == 500
    night = rules_of(tmp_path, 'every = "6s"\nper_day = 0\nquiet = ["20:00-08:00"]')
    assert per_day(night, 2 * SECOND) == 7_200


def told(
    visits: dict[str, int], *, rules: Politeness = RULES, at_once: int = 2
) -> dict[str, object]:
    found = estimate(rules, visits, now=NOW, visit=2 * SECOND, at_once=at_once)
    assert found.visits == sum(visits.values())
    return {
        "takes": found.takes / SECOND,
        "hosts": [(host.key, host.takes / SECOND, host.bound_by) for host in found.hosts],
    }


def test_an_estimate_is_that_of_the_slowest_host() -> None:
    assert told({"a.example": 3, "group:weibo": 2, "b.example": 1}) == {
        "takes": 12,
        "hosts": [
            ("a.example", 12, WaitCause.INTERVAL),
            ("group:weibo", 12, WaitCause.INTERVAL),
            ("b.example", 2, None),
        ],
    }


def test_many_hosts_take_as_long_as_the_browsers_need() -> None:
    assert told({f"{number}.example": 1 for number in range(100)})["takes"] == 100
    assert told({f"{number}.example": 1 for number in range(100)}, at_once=1000)["takes"] == 14


def test_nothing_takes_no_time() -> None:
    assert told({}) == {"takes": 0, "hosts": []}


def test_an_estimate_runs_into_the_budget_and_the_night(tmp_path: Path) -> None:
    day = DAY / SECOND
    assert told({"a.example": 451}) == {
        "takes": day + 2,
        "hosts": [("a.example", day + 2, WaitCause.BUDGET)],
    }
    mine = written(tmp_path, '[default]\nquiet = ["12:01-13:00"]')
    assert told({"a.example": 14}, rules=mine)["hosts"] == [("a.example", 3607, WaitCause.QUIET)]


def test_an_estimate_agrees_with_what_judge_allows(tmp_path: Path) -> None:
    mine = written(
        tmp_path,
        '[default]\nevery = "90s"\njitter = 0.0\nper_day = 30\nurgent = 3\nquiet = ["13:00-01:00"]',
    )
    state, now, starts = HostState(), NOW, list[datetime]()
    while len(starts) < 100:
        room = budget_at(starts, mine.default.budget(urgent=False), now)
        wait = judge(mine, mine.default, state, Load(budget_at=room), now)
        if wait is None:
            starts.append(now)
            state = state_after_start(mine.default, state, now, 0.5)
        else:
            assert wait.until is not None
            now = wait.until
    assert told({"a.example": 100}, rules=mine)["takes"] == (starts[-1] - NOW) / SECOND + 2
