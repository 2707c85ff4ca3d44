"""Cron expressions in a time zone: what they take, and what they do when its clock is set."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.schedules.cron import Cron

BERL, YORK, HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
CHINA = "Asia/Shanghai"  # no clock is set there


def at(local: str, zone: str) -> datetime:
    """Return when the clock in that zone shows a local time."""
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def runs(text: str, zone: str, since: str, count: int) -> list[str]:
    """Return the next runs, as the clock in that zone shows them with its offset."""
    cron, moment, found = Cron(text, zone), at(since, zone), []
    for _ in range(count):
        moment = cron.after(moment)
        found.append(f"{moment.astimezone(ZoneInfo(zone)):%d %H:%M %z}")
    return found


# In spring the clock goes from 2:00 to 3:00 (Lord Howe: 2:30); in autumn from 3:00 back to 2:00
# (Lord Howe: from 2:00 to 1:30).
@pytest.mark.parametrize(
    ("zone", "since", "text", "expected"),
    [
        # A time that does not exist: once, as if the clock had not been set yet.
        (BERL, "2026-03-28", "30 2 * * *", ["28 02:30 +0100", "29 03:30 +0200", "30 02:30 +0200"]),
        (YORK, "2026-03-07", "30 2 * * *", ["07 02:30 -0500", "08 03:30 -0400", "09 02:30 -0400"]),
        (HOWE, "2026-10-03", "15 2 * * *", ["03 02:15 +1030", "04 02:45 +1100", "05 02:15 +1100"]),
        (CHINA, "2026-03-28", "30 2 * * *", ["28 02:30 +0800", "29 02:30 +0800", "30 02:30 +0800"]),
        # A time that exists twice: once, the first of the two.
        (BERL, "2026-10-24", "30 2 * * *", ["24 02:30 +0200", "25 02:30 +0200", "26 02:30 +0100"]),
        (YORK, "2026-10-31", "30 1 * * *", ["31 01:30 -0400", "01 01:30 -0400", "02 01:30 -0500"]),
        (HOWE, "2026-04-04", "45 1 * * *", ["04 01:45 +1100", "05 01:45 +1100", "06 01:45 +1030"]),
        (CHINA, "2026-10-24", "30 2 * * *", ["24 02:30 +0800", "25 02:30 +0800", "26 02:30 +0800"]),
        # What exists once is left alone on such a day.
        (BERL, "2026-03-28T12", "0 9 * * *", ["29 09:00 +0200", "30 09:00 +0200"]),
        (BERL, "2026-10-24T12", "0 9 * * *", ["25 09:00 +0100", "26 09:00 +0100"]),
        # Two times of one day that fall on each other are one visit.
        (BERL, "2026-03-28T12", "30 2,3 * * *", ["29 03:30 +0200", "30 02:30 +0200"]),
    ],
)  # fmt: skip
def test_a_time_of_day_comes_once_on_each_local_date(
    zone: str, since: str, text: str, expected: list[str]
) -> None:
    assert runs(text, zone, since, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        (BERL, "2026-03-28T22"), (BERL, "2026-10-24T22"),
        (YORK, "2026-03-08"), (YORK, "2026-11-01"),
        (CHINA, "2026-03-28T22"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("text", "minutes"), [("*/15 * * * *", 15), ("30 * * * *", 60)])
def test_a_pace_goes_on_through_the_change(zone: str, begins: str, text: str, minutes: int) -> None:
    cron, moment = Cron(text, zone), at(begins, zone)
    found = [moment := cron.after(moment) for _ in range(40)]

    steps = {later - earlier for earlier, later in pairwise(found)}
    assert steps == {timedelta(minutes=minutes)}


def test_half_an_hour_of_lord_howe_is_not_lost_either() -> None:
    quarter = timedelta(minutes=15)
    for begins in ("2026-10-03T12", "2026-04-04T12"):
        moment = at(begins, HOWE)
        cron = Cron("*/15 * * * *", HOWE)
        found = [moment := cron.after(moment) for _ in range(80)]
        steps = {later - earlier for earlier, later in pairwise(found)}
        assert steps == {quarter}


@given(
    st.sampled_from(["30 2 * * *", "15 1 * * *", "0 */2 * * *", "*/20 1-3 * * 0", "0 9 1 * *"]),
    st.sampled_from([BERL, YORK, HOWE, CHINA, "UTC"]),
    st.integers(0, 2 * 365 * 24 * 60),
)
def test_before_and_after_are_of_one_mind(text: str, zone: str, minute: int) -> None:
    cron, now = Cron(text, zone), at("2026-01-01", "UTC") + timedelta(minutes=minute)

    later = cron.after(now)

    assert later > now
    assert cron.before(later + timedelta(seconds=1)) == later
    assert cron.before(later) <= now
    assert cron.after(cron.before(later)) == later


@pytest.mark.parametrize(
    ("text", "zone", "said", "hint"),
    [
        ("0 9 * * mon-fr", "UTC", "'mon-fr' is not a valid day of the week", "mon-fri"),
        ("0 9 * *", "UTC", "4 fields", "five fields"),
        ("0 0 9 * * *", "UTC", "6 fields", "five fields"),
        ("61 * * * *", "UTC", "out of range", "five fields"),
        ("r 9 * * *", "UTC", "'r' is not a valid minute", "five fields"),  # croniter: drawn by lot
        ("0 0 30 2 *", "UTC", "no date matches the expression", "five fields"),
        ("", "UTC", "0 fields", "five fields"),
        (
            "0 9 * * *",
            "Europe/Berln",
            ("the time zone 'Europe/Berln' does not exist"),
            "Europe/Berlin",
        ),
        ("0 9 * * *", "../../etc/passwd", "the time zone '../../etc/passwd' does not exist", "UTC"),
    ],
)
def test_what_is_mistyped_is_refused_with_a_way_out(
    text: str, zone: str, said: str, hint: str
) -> None:
    with pytest.raises(SnapshotterError) as caught:
        Cron(text, zone)

    assert said in caught.value.message
    assert hint in caught.value.hint


def test_names_aliases_and_either_of_two_days_are_as_in_crontab() -> None:
    assert runs("@daily", "UTC", "2026-01-01T12", 1) == ["02 00:00 +0000"]
    assert runs("0 9 * * Mon-Fri", "UTC", "2026-01-02T12", 1) == ["05 09:00 +0000"]
    assert runs("0 9 13 * fri", "UTC", "2026-01-02T12", 2) == [
        "09 09:00 +0000",
        "13 09:00 +0000",
    ]
