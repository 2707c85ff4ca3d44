"""Times as people write them are read as they are meant, and written as they are read."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from snapshotter.policy.times import (
    format_short_duration,
    parse_duration,
    parse_moment,
    parse_percent,
)

BERLIN = ZoneInfo("Europe/Berlin")


def test_durations_are_whole_numbers_with_one_unit() -> None:
    assert parse_duration("90s") == timedelta(seconds=90)
    assert parse_duration("2w") == timedelta(weeks=2)
    for text in ("", "5", "m", "-1h", "01h", "1h30m", "1 h", "٣h"):
        with pytest.raises(ValueError, match="not a duration"):
            parse_duration(text)


@pytest.mark.parametrize("text", ["0s", "1s", "90s", "1m", "15m", "36h", "1d", "2w", "3650d"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert format_short_duration(parse_duration(text)) == text


def test_a_duration_is_written_in_its_largest_unit_and_whole_seconds() -> None:
    assert format_short_duration(timedelta(hours=48)) == "2d"
    assert format_short_duration(timedelta(seconds=61, milliseconds=900)) == "61s"


def test_what_is_longer_than_ten_years_is_mistyped() -> None:
    with pytest.raises(ValueError, match="ten years"):
        parse_duration("522w")


def test_a_share_is_in_whole_percent_below_a_hundred() -> None:
    assert [parse_percent(text) for text in ("0", "5%", "15", "99%")] == [0, 0.05, 0.15, 0.99]
    for text in ("", "%", "-5%", "100%", "1.5%", "15 %", "0.15"):
        with pytest.raises(ValueError, match="is not a percentage"):
            parse_percent(text)


def test_a_day_is_one_of_its_zone_and_an_end_is_the_end_of_it() -> None:
    begins = parse_moment("2027-03-28", BERLIN, is_end=False)
    ends = parse_moment("2027-03-28", BERLIN, is_end=True)

    assert begins == datetime(2027, 3, 27, 23, tzinfo=UTC)
    assert ends - begins == timedelta(hours=23)  # the clocks are set forward on it


def test_a_time_is_one_of_its_zone_unless_it_names_another() -> None:
    assert parse_moment("2027-05-27T09:00", BERLIN, is_end=True) == datetime(
        2027, 5, 27, 7, tzinfo=UTC
    )
    assert parse_moment("2027-05-27T09:00:00.5-02:00", BERLIN, is_end=True) == datetime(
        2027, 5, 27, 11, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["", "tomorrow", "2027-02-30", "9999-12-31", "2027-05-27T25:00"])
def test_what_is_no_day_and_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date or time"):
        parse_moment(text, UTC, is_end=True)
