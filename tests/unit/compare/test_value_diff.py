"""Counts as intervals, lists and values of two captures."""

import pytest

from snapshotter.compare import value_diff
from snapshotter.model.comparison import ComparisonState, Trend, ValueChange
from snapshotter.model.reading import Count, Metadatum, Source


def count(
    raw: str, lower: int, upper: int | None = None, *, where: str = "", exact: bool = False
) -> Count:
    return Count(
        unit="reads", raw=raw, lower=lower, upper=lower if exact else upper, exact=exact,
        source=Source.DOM, where=where,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (count("480", 480, exact=True), count("512", 512, exact=True), Trend.ROSE),
        (count("512", 512, exact=True), count("480", 480, exact=True), Trend.FELL),
        (count("480", 480, exact=True), count("480", 480, exact=True), Trend.SAME),
        (count("6.1万", 61_000, 61_999), count("6.2万", 62_000, 62_999), Trend.ROSE),
        (count("6.1万", 61_000, 61_999), count("6.1万", 61_000, 61_999), Trend.UNKNOWN),
        (count("10万+", 100_001), count("10万+", 100_001), Trend.UNKNOWN),
        (count("9.9万", 99_000, 99_999), count("10万+", 100_001), Trend.ROSE),
        (count("10万+", 100_001), count("9.9万", 99_000, 99_999), Trend.FELL),
        (None, count("1", 1, exact=True), Trend.APPEARED),
        (count("1", 1, exact=True), None, Trend.DISAPPEARED),
    ],
)
def test_two_readings_say_no_more_than_their_intervals(
    before: Count | None, after: Count | None, expected: Trend
) -> None:
    (found,) = value_diff.counts([before] if before else [], [after] if after else [])

    assert found.trend is expected


def test_counts_of_one_unit_are_paired_by_their_place() -> None:
    before = [count("1", 1, exact=True, where="a"), count("2", 2, exact=True, where="b")]
    after = [count("3", 3, exact=True, where="b"), count("1", 1, exact=True, where="a")]

    found = value_diff.counts(before, after)

    assert [
        (change.before and change.before.raw, change.after and change.after.raw) for change in found
    ] == [
        ("1", "1"),
        ("2", "3"),
    ]


def test_a_count_whose_place_changed_is_still_one_count() -> None:
    (found,) = value_diff.counts(
        [count("1", 1, exact=True, where="a")], [count("2", 2, exact=True, where="b")]
    )

    assert found.trend is Trend.ROSE


def test_only_values_that_are_not_the_same_are_listed() -> None:
    def value(name: str, text: str) -> Metadatum:
        return Metadatum(name=name, value=text, source=Source.META)

    before = [value("title", "One"), value("byline", "Maria"), value("title", "Two")]
    after = [value("title", "One"), value("byline", "Maria"), value("modified", "2014-03-13")]

    assert value_diff.metadata(before, after) == (
        ValueChange(name="title", before=("One", "Two"), after=("One",)),
        ValueChange(name="modified", before=(), after=("2014-03-13",)),
    )


def test_a_servers_clock_and_what_was_replaced_are_no_change() -> None:
    def told(clock: str, token: str) -> list[Metadatum]:
        address = f"https://h/s?uin=redacted:sha256:{token * 64}&a=1"
        return [
            Metadatum(name="server", value=clock, source=Source.SCRIPT),
            Metadatum(name="canonical", value=address, source=Source.META),
        ]

    before, after = told("2026-01-08T01:51:38Z", "a"), told("2026-01-09T01:51:38Z", "b")

    assert value_diff.metadata(before, after) == ()
    links = [
        [metadatum.value for metadatum in some if metadatum.name == "canonical"]
        for some in (before, after)
    ]
    assert value_diff.compare_lists(*links).state is ComparisonState.UNCHANGED


def test_a_list_that_was_not_read_is_not_unchanged() -> None:
    assert value_diff.compare_lists(None, ["a"]).state is ComparisonState.UNKNOWN
    assert value_diff.compare_lists(["a", "a"], ["a"]).state is ComparisonState.UNCHANGED
    found = value_diff.compare_lists(["a", "b"], ["c", "a"])
    assert (found.removed, found.added, found.kept) == (("b",), ("c",), 1)
