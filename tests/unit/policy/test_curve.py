"""Decay curves: the listed times, jitter to either side, and more of them in a season."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.policy.curve import (
    MAX_JITTER,
    Curve,
    Pace,
    Season,
    parse_curves,
    parse_season,
    visits,
)

FILE = Path(__file__).resolve().parents[3] / "policies" / "schedules" / "curves.toml"
CURVES = parse_curves(FILE.read_text(), "curves.toml")
SEEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hours_of(name: str) -> list[float]:
    return [offset / HOUR for offset in CURVES[name].offsets()]


@pytest.mark.parametrize(
    ("name", "first", "daily", "weekly_until"),
    [
        (
            "curve-fast",
            [0, 1 / 12, 1 / 6, 0.25, 0.5, 1, 2, 4, 8, 12, 24, 36, 48, 72],
            range(4, 15),
            90,
        ),
        (
            "curve-wechat",
            [0, 0.25, 0.5, 1, 2, 4, 8, 12, 18, 24, 30, 36, 48, 60, 72],
            range(4, 15),
            180,
        ),
        ("curve-news", [0, 1, 6, 24, 72], range(0), 90),
    ],
)
def test_a_shipped_curve_has_exactly_its_listed_times(
    name: str, first: list[float], daily: range, weekly_until: int
) -> None:
    last_day = daily[-1] if daily else 3
    weekly = range(last_day + 7, weekly_until + 1, 7)

    expected = first + [24 * day for day in daily] + [24 * week for week in weekly]
    assert hours_of(name) == pytest.approx(expected)


def test_an_article_that_never_goes_is_visited_49_times() -> None:
    assert len(hours_of("curve-wechat")) == 15 + 11 + 23


def test_without_jitter_every_visit_is_at_its_time_over_180_days() -> None:
    found = list(visits(CURVES["curve-wechat"], SEEN, name="w"))

    assert [visit.at for visit in found] == [
        SEEN + offset for offset in CURVES["curve-wechat"].offsets()
    ]
    assert [visit.number for visit in found] == list(range(49))
    assert found[-1].at - SEEN == 175 * DAY  # the next would be on day 182


@given(name=st.text(max_size=20), jitter=st.floats(0, MAX_JITTER))
def test_jitter_keeps_the_order_and_stays_within_its_share(name: str, jitter: float) -> None:
    found = list(visits(CURVES["curve-fast"], SEEN, name=name, jitter=jitter))

    assert found[0].at == SEEN
    previous = found[0]
    for visit in found[1:]:
        gap = visit.nominal - previous.nominal
        assert abs(visit.at - visit.nominal) <= gap * jitter + timedelta(microseconds=1)
        assert visit.at > previous.at
        previous = visit


@given(
    gaps=st.lists(st.integers(60, 10**6), min_size=1, max_size=20),
    jitter=st.floats(0, MAX_JITTER),
    factor=st.floats(0.05, 1),
)
def test_visits_keep_their_order_however_uneven_a_curve_is(
    gaps: list[int], jitter: float, factor: float
) -> None:
    at = [timedelta(seconds=sum(gaps[:i])) for i in range(len(gaps) + 1)]
    season = Season(begins=(3, 2), ends=(6, 1), factor=factor)

    found = list(
        visits(Curve(name="c", at=tuple(at)), SEEN, name="w", jitter=jitter, seasons=[season])
    )

    moments = [visit.at for visit in found]
    assert moments == sorted(set(moments))


def test_two_schedulers_mean_the_same_moment_and_two_watches_do_not() -> None:
    def times(name: str) -> list[datetime]:
        return [visit.at for visit in visits(CURVES["curve-news"], SEEN, name=name, jitter=0.15)]

    assert times("a") == times("a")
    assert times("a")[1:] != times("b")[1:]


def test_jitter_goes_to_both_sides_about_equally() -> None:
    moved = [
        list(visits(CURVES["curve-news"], SEEN, name=str(i), jitter=0.15))[1] for i in range(400)
    ]
    later = sum(visit.at > visit.nominal for visit in moved)

    assert 150 < later < 250
    spread = [abs(visit.at - visit.nominal) / HOUR for visit in moved]
    assert max(spread) <= 0.15
    assert max(spread) > 0.14


def test_a_season_adds_visits_and_moves_none() -> None:
    curve = Curve(name="c", at=(timedelta(0),), then=(Pace(every=DAY, until=10 * DAY),))
    season = parse_season("03-04", "03-06", 0.5)

    plain = {visit.at for visit in visits(curve, SEEN, name="w")}
    found = [visit.at for visit in visits(curve, SEEN, name="w", seasons=[season])]

    assert plain < set(found)
    added = sorted(set(found) - plain)
    assert added == [SEEN + n * DAY + DAY / 2 for n in (3, 4, 5)]
    assert found == sorted(found)


def test_a_season_may_go_over_the_turn_of_the_year() -> None:
    season = parse_season("12-30", "01-02", 0.5)

    inside = [datetime(2026, 12, 30, tzinfo=UTC), datetime(2027, 1, 2, 23, tzinfo=UTC)]
    outside = [datetime(2026, 12, 29, 23, tzinfo=UTC), datetime(2027, 1, 3, tzinfo=UTC)]
    assert all(season.holds(time) for time in inside)
    assert not any(season.holds(time) for time in outside)


def test_a_season_divides_nothing_into_less_than_a_minute() -> None:
    curve = Curve(name="c", at=(timedelta(0), timedelta(seconds=150)))
    season = Season(begins=(1, 1), ends=(12, 31), factor=0.05)

    gaps = [visit.at - SEEN for visit in visits(curve, SEEN, name="w", seasons=[season])]

    assert gaps == [timedelta(0), timedelta(seconds=75), timedelta(seconds=150)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[c]\nat = ['5m']", "begin at 0s"),
        ("[c]\nat = ['0s', '5m', '5m']", "ascending"),
        ("[c]\nat = ['0s']\nthen = [{every='1s', until='1d'}]", "60 s or longer"),
        ("[c]\nat = ['0s','2d']\nthen = [{every='1h', until='1d'}]", "end later"),
        ("[c]\nat = ['0s']\nthen = [{every='1m', until='3000d'}]", "at most 10000 visits"),
        ("[c]\nat = ['0s', '1.5h']", "not a duration"),
        ("[c]\nat = ['0s', '99999w']", "ten years"),
        ("[c]\nat = ['0s']\nevery = '1d'", "c.every"),
        ("[c]\nat = 7", "c.at"),
        ("c = 1", "c"),
        ("[c", "not valid TOML"),
        ("a." * 100 + "a = 1", "not valid TOML: a key has more than 64 parts"),
    ],
)
def test_what_is_no_curve_is_refused_and_says_why(text: str, word: str) -> None:
    with pytest.raises(SnapshotterError) as refused:
        parse_curves(text, "mine.toml")
    assert "mine.toml" in refused.value.message
    assert word in refused.value.message


@pytest.mark.parametrize("day", ["13-01", "02-30", "1-1", "", "06-31"])
def test_a_season_is_of_days_that_exist(day: str) -> None:
    with pytest.raises(ValueError, match="day"):
        parse_season(day, "12-31", 0.5)


def test_a_naive_time_and_a_jitter_that_changes_the_order_are_refused() -> None:
    with pytest.raises(ValueError, match="a time with a time zone"):
        next(visits(CURVES["curve-news"], datetime(2026, 1, 1), name="w"))  # noqa: DTZ001  what it refuses
    with pytest.raises(ValueError, match="jitter"):
        next(visits(CURVES["curve-news"], SEEN, name="w", jitter=0.5))
