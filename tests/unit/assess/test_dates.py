"""Dates as pages write them, each as an interval with the rule by which it was read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from snapshotter.assess.dates import DateContext, find_date, parse_date
from snapshotter.model.reading_rules import Rounding

ROUNDED, TRUNCATED, EITHER = Rounding.ROUNDED, Rounding.TRUNCATED, Rounding.EITHER
SHANGHAI = ZoneInfo("Asia/Shanghai")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def when(now: str, zone: str = "UTC", age: Rounding = EITHER) -> DateContext:
    return DateContext(now=at(now), zone=ZoneInfo(zone), age=age)


def test_three_weeks_ago_on_a_site_that_rounds() -> None:
    found = parse_date("3 weeks ago", when("2025-01-05T00:00", age=ROUNDED))

    assert found is not None
    assert (found.first, found.end) == (at("2024-12-11T12:00"), at("2024-12-18T12:00"))
    assert found.rule == "relative-rounded"


def test_yesterday_at_a_time_in_shanghai_is_one_minute() -> None:
    found = parse_date("昨天 21:03", when("2026-01-08T01:51:38", "Asia/Shanghai"))

    assert found is not None
    assert (found.first, found.end) == (at("2026-01-07T13:03"), at("2026-01-07T13:04"))
    assert found.rule == "day-word"


NOW = "2026-01-08T01:51:00"  # 09:51 on the 8th in Shanghai
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@pytest.mark.parametrize(
    ("raw", "age", "most", "least"),
    [
        ("刚刚", TRUNCATED, MINUTE, 0 * MINUTE),
        ("just now", TRUNCATED, MINUTE, 0 * MINUTE),
        ("30秒前", TRUNCATED, 31 * SECOND, 30 * SECOND),
        ("5分钟前", TRUNCATED, 6 * MINUTE, 5 * MINUTE),
        ("５分钟前", TRUNCATED, 6 * MINUTE, 5 * MINUTE),
        ("5分钟前", EITHER, 6 * MINUTE, 4.5 * MINUTE),
        ("3小时前", TRUNCATED, 4 * HOUR, 3 * HOUR),
        ("三小時前", TRUNCATED, 4 * HOUR, 3 * HOUR),
        ("2天前", TRUNCATED, 3 * DAY, 2 * DAY),
        ("1周前", TRUNCATED, 2 * WEEK, 1 * WEEK),
        ("3日前", TRUNCATED, 4 * DAY, 3 * DAY),
        ("2시간 전", TRUNCATED, 3 * HOUR, 2 * HOUR),
        ("3 weeks ago", TRUNCATED, 4 * WEEK, 3 * WEEK),
        ("1 week ago", ROUNDED, 1.5 * WEEK, 1 * WEEK),  # human_time_diff: 1 at least
        ("a week ago", EITHER, 2 * WEEK, 0.5 * WEEK),
        ("2 days ago", ROUNDED, 2.5 * DAY, 1.5 * DAY),
        ("5 months ago", ROUNDED, 165 * DAY, 135 * DAY),
        ("5 months ago", TRUNCATED, 186 * DAY, 148 * DAY),  # by the calendar: 28 to 31 days each
        ("2 years ago", TRUNCATED, 1098 * DAY, 730 * DAY),
        ("23 mins ago", TRUNCATED, 24 * MINUTE, 23 * MINUTE),
        ("4h ago", TRUNCATED, 5 * HOUR, 4 * HOUR),
        ("about an hour ago", TRUNCATED, 2 * HOUR, 0.5 * HOUR),
        ("over 2 hours ago", ROUNDED, 3 * HOUR, 2 * HOUR),
        ("almost 2 hours ago", ROUNDED, 2 * HOUR, 1 * HOUR),
        ("less than a minute ago", ROUNDED, MINUTE, 0 * MINUTE),
    ],
)
def test_an_age_is_an_interval_before_the_capture(
    raw: str, age: Rounding, most: timedelta, least: timedelta
) -> None:
    found = parse_date(raw, when(NOW, "Asia/Shanghai", age))

    assert found is not None
    assert (at(NOW) - found.first, at(NOW) - found.end) == (most, least)
    assert found.rule.startswith("relative-")
    assert not found.by_zone


@pytest.mark.parametrize(
    ("raw", "first", "end"),
    [
        ("今天 08:03", "2026-01-08T00:03", "2026-01-08T00:04"),
        ("今天08:03", "2026-01-08T00:03", "2026-01-08T00:04"),
        ("昨天", "2026-01-06T16:00", "2026-01-07T16:00"),
        ("前天 00:00", "2026-01-05T16:00", "2026-01-05T16:01"),
        ("yesterday at 9:03 PM", "2026-01-07T13:03", "2026-01-07T13:04"),
        ("Today, 12:05 am", "2026-01-07T16:05", "2026-01-07T16:06"),
        ("yesterday", "2026-01-06T16:00", "2026-01-07T16:00"),
        ("1月2日", "2026-01-01T16:00", "2026-01-02T16:00"),
        ("12月31日", "2025-12-30T16:00", "2025-12-31T16:00"),  # the last one
        ("1月2日 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("01-02 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("12-31", "2025-12-30T16:00", "2025-12-31T16:00"),
        ("2026年1月2日 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("2026年1月2日", "2026-01-01T16:00", "2026-01-02T16:00"),
        ("2026年1月2日 下午5:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("２０２６年１月２日", "2026-01-01T16:00", "2026-01-02T16:00"),
        ("2026-01-02 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("2026-01-02 17:39:33", "2026-01-02T09:39:33", "2026-01-02T09:39:34"),
        ("2026/1/2 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("2026.01.02", "2026-01-01T16:00", "2026-01-02T16:00"),
        ("23-5-6 14:02", "2023-05-06T06:02", "2023-05-06T06:03"),
        ("January 2, 2026", "2026-01-01T16:00", "2026-01-02T16:00"),
        ("Jan. 2, 2026 at 5:39 p.m.", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("2 January 2026, 17:39", "2026-01-02T09:39", "2026-01-02T09:40"),
        ("Tuesday, May 27, 2014", "2014-05-26T16:00", "2014-05-27T16:00"),
        ("27/05/2014", "2014-05-26T16:00", "2014-05-27T16:00"),
        ("Dec 31", "2025-12-30T16:00", "2025-12-31T16:00"),
    ],
)
def test_a_day_is_that_of_the_browsers_zone(raw: str, first: str, end: str) -> None:
    found = parse_date(raw, when(NOW, "Asia/Shanghai"))

    assert found is not None
    assert (found.first, found.end) == (at(first), at(end))
    assert found.by_zone


@pytest.mark.parametrize(
    ("raw", "first", "end"),
    [
        ("2014-05-28T04:10:00+00:00", "2014-05-28T04:10:00", "2014-05-28T04:10:01"),
        ("2014-05-28T04:10:00.123Z", "2014-05-28T04:10:00", "2014-05-28T04:10:01"),
        ("2014-05-28T12:10+0800", "2014-05-28T04:10", "2014-05-28T04:11"),
        ("Wed, 28 May 2014 04:10:00 GMT", "2014-05-28T04:10:00", "2014-05-28T04:10:01"),
        ("Thu Jan 08 08:03:11 +0800 2026", "2026-01-08T00:03:11", "2026-01-08T00:03:12"),
        ("May 28, 2014 at 12:10 AM EDT", "2014-05-28T04:10", "2014-05-28T04:11"),
        # Central, China, Cuba: whatever it is, the moment is in here.
        ("May 28, 2014 at 12:10 AM CST", "2014-05-27T10:10", "2014-05-28T14:11"),
        ("2014-05-28 12:10 UTC+8", "2014-05-28T04:10", "2014-05-28T04:11"),
        ("2014-05-28 12:10 (GMT+8)", "2014-05-28T04:10", "2014-05-28T04:11"),
        ("2014-05-28 12:10 GMT\u22125", "2014-05-28T17:10", "2014-05-28T17:11"),
        # An offset, or hours from ten to twelve.
        ("2014-05-28 10:00-12", "2014-05-27T20:00", "2014-05-29T00:01"),
    ],
)
def test_a_date_with_a_zone_of_its_own_needs_none(raw: str, first: str, end: str) -> None:
    found = parse_date(raw, when(NOW, "Asia/Shanghai"))

    assert found is not None
    assert (found.first, found.end, found.by_zone) == (at(first), at(end), False)


@pytest.mark.parametrize(
    ("raw", "zone", "now", "first", "end"),
    [
        # 02:30 comes twice in Berlin on 26 October 2025, and 02:30 never on 30 March.
        ("昨天 02:30", "Europe/Berlin", "2025-10-27T12", "2025-10-26T00:30", "2025-10-26T01:31"),
        ("昨天 02:30", "Europe/Berlin", "2025-03-31T12", "2025-03-30T00:30", "2025-03-30T01:31"),
        ("yesterday", "Europe/Berlin", "2025-10-27T12", "2025-10-25T22", "2025-10-26T23"),
        ("1 day ago", "Europe/Berlin", "2025-10-27T12", "2025-10-25T12", "2025-10-27T00"),
        # At one in the morning clocks in Havana went back to midnight: the day has 25 hours.
        ("2025-11-02", "America/Havana", "2025-12-01T00", "2025-11-02T04", "2025-11-03T05"),
    ],
)
def test_a_change_of_clocks_widens_and_never_shifts(
    raw: str, zone: str, now: str, first: str, end: str
) -> None:
    found = parse_date(raw, when(now, zone))

    assert found is not None
    assert (found.first, found.end) == (at(first), at(end))


@pytest.mark.parametrize(
    "raw",
    [
        "", "ago", "weeks ago", "03/04/2014", "2014-13-01", "2014-02-30", "31月1日", "25:00",
        "昨天 25:00", "1.2.3", "127.0.0.1", "10-20-30", "99999 weeks ago", "3 weeks", "May",
        "2014", "12:30", "0000-01-01", "13-45", "version 2014.05", "几小时前",
        "2014年5月28日 晚上12:10", "2014年5月28日 上午12:10",
    ],
)  # fmt: skip
def test_what_is_no_date_or_several_is_not_read(raw: str) -> None:
    assert parse_date(raw, when(NOW, "Asia/Shanghai")) is None


@pytest.mark.parametrize(
    "text",
    ["a few days ago", "many days ago", "999999 days ago", "3 Sundays ago", "Posted days ago"],
)
def test_letters_at_the_end_of_a_word_are_no_age(text: str) -> None:
    assert find_date(text, when(NOW)) is None


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("Maria in Vancouver2 weeks ago", "2 weeks ago"),
        ("Published on May 27, 2014 by Somebody", "May 27, 2014"),
        ("发布于 2026-01-02 17:39", "2026-01-02 17:39"),
        ("发布于2026-01-02", "2026-01-02"),
        ("编辑于 昨天 21:03 · 浙江", "昨天 21:03"),
        ("Updated 2 hours ago", "2 hours ago"),
        ("５分钟前 来自手机", "５分钟前"),
    ],
)
def test_a_date_is_found_verbatim_in_a_short_text(text: str, raw: str) -> None:
    found = find_date(text, when(NOW, "Asia/Shanghai"))

    assert found is not None
    assert found[0] == raw


def test_the_29th_of_february_without_a_year_is_the_last_one() -> None:
    found = parse_date("2月29日", when(NOW, "Asia/Shanghai"))

    assert found is not None
    assert (found.first, found.rule) == (at("2024-02-28T16:00"), "no-year")
