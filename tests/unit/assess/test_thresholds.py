"""Between which two readings a count went over a threshold."""

from datetime import UTC, datetime, timedelta

import pytest

from snapshotter.assess.counts import parse_count
from snapshotter.assess.thresholds import crossings, series
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.reading import Count, Crossing, Source
from snapshotter.model.reading_rules import Rounding
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation

T0 = datetime(2026, 5, 27, 14, 5, tzinfo=UTC)
LAW = "SPC/SPP interpretation 2013-09 (online defamation)"
FIVE_HUNDRED = Threshold(unit="reposts", at=500, source=LAW)


def observed(number: int, *counts: tuple[str, str]) -> Observation:
    """Return a capture 15 minutes after the one before, with counts as a page writes them."""
    at = T0 + timedelta(minutes=15 * number)
    return Observation(
        bundle_id=f"bundle-{number}",
        sha256="0" * 64,
        identity="weibo:5000000012345678",
        url="https://weibo.com/1900000001/O00019Qdw",
        at=at,
        began_at=at - timedelta(seconds=5),
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        counts=tuple(count(unit, raw) for unit, raw in counts),
    )


def count(unit: str, raw: str) -> Count:
    bounds = parse_count(raw, Rounding.TRUNCATED)
    assert bounds is not None
    return Count(
        unit=unit,
        raw=raw,
        lower=bounds.lower,
        upper=bounds.upper,
        exact=bounds.exact,
        source=Source.JSON,
    )


def crossed(*raws: str, at: int = 500) -> list[tuple[str, str, bool]]:
    made = [observed(number, ("reposts", raw)) for number, raw in enumerate(raws, 1)]
    limit = Threshold(unit="reposts", at=at, source=LAW)
    return [
        (crossing.below, crossing.reached, crossing.certain)
        for crossing in crossings(series(made), [limit])
    ]


def test_a_count_goes_over_between_the_last_reading_below_and_the_first_at_or_above() -> None:
    made = [observed(n, ("reposts", raw)) for n, raw in enumerate(("120", "480", "512"), 1)]

    assert crossings(series(made), [FIVE_HUNDRED]) == (
        Crossing(
            unit="reposts",
            threshold=500,
            source=LAW,
            certain=True,
            below="bundle-2",
            below_at=T0 + timedelta(minutes=30),
            below_raw="480",
            reached="bundle-3",
            reached_at=T0 + timedelta(minutes=45),
            reached_raw="512",
        ),
    )


@pytest.mark.parametrize(
    ("raws", "at", "expected"),
    [
        (("120", "480"), 500, []),
        (("499", "500"), 500, [("bundle-1", "bundle-2", True)]),
        (("600", "700"), 500, [("", "bundle-1", True)]),  # it never was seen below
        (
            ("480", "512", "490", "530"),
            500,
            [("bundle-1", "bundle-2", True), ("bundle-3", "bundle-4", True)],
        ),
        (("480", "512", "513", "600"), 500, [("bundle-1", "bundle-2", True)]),
        # 6.1万 is 61,000 to 61,999: whether 61,500 was reached it does not say.
        (("5.9万", "6.1万"), 61_500, [("bundle-1", "bundle-2", False)]),
        (("5.9万", "6.1万", "6.1万"), 61_500, [("bundle-1", "bundle-2", False)]),
        (("5.9万", "6.1万", "6.2万"), 61_500, [("bundle-1", "bundle-3", True)]),
        (("6.1万",), 61_500, [("", "bundle-1", False)]),
        (("5.9万", "6.1万", "5.9万"), 61_500, [("bundle-1", "bundle-2", False)]),
        # 10万+ is over 100,000, and says nothing of a million.
        (("6.1万", "10万+"), 100_000, [("bundle-1", "bundle-2", True)]),
        (("6.1万", "10万+"), 1_000_000, [("bundle-1", "bundle-2", False)]),
        (("700", "6.1万", "600"), 650, [("", "bundle-1", True)]),
    ],
)  # fmt: skip
def test_an_interval_is_over_only_if_all_of_it_is(
    raws: tuple[str, ...], at: int, expected: list[tuple[str, str, bool]]
) -> None:
    assert crossed(*raws, at=at) == expected


def test_what_a_law_calls_viewed_a_platform_may_call_read() -> None:
    made = [observed(1, ("reads", "4999")), observed(2, ("reads", "5001"))]
    limit = Threshold(unit="views", at=5000, source=LAW)

    (found,) = crossings(series(made), [limit])

    assert (found.unit, found.below, found.reached) == ("reads", "bundle-1", "bundle-2")


def test_captures_are_put_in_the_order_of_time_and_those_without_the_count_left_out() -> None:
    made = [observed(3, ("reposts", "512")), observed(2), observed(1, ("reposts", "480"))]

    readings = series(made)

    assert [reading.bundle_id for reading in readings["reposts"]] == ["bundle-1", "bundle-3"]
    assert len(crossings(readings, [FIVE_HUNDRED])) == 1


def test_of_two_counts_of_one_unit_the_first_is_taken() -> None:
    made = [observed(1, ("reposts", "480"), ("reposts", "512"))]

    assert [reading.count.raw for reading in series(made)["reposts"]] == ["480"]
    assert crossings(series(made), [FIVE_HUNDRED]) == ()


def test_each_count_has_its_own_thresholds() -> None:
    made = [
        observed(1, ("reposts", "480"), ("likes", "10")),
        observed(2, ("reposts", "600"), ("likes", "600")),
    ]

    assert [crossing.unit for crossing in crossings(series(made), [FIVE_HUNDRED])] == ["reposts"]
