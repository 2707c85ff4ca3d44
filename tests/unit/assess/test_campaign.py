"""What became of many pages: fates, removals, and intervals where nobody looked."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.assess.campaign import compute_findings
from snapshotter.model.assessment import Availability, Cause, Content, Undecided, WallKind
from snapshotter.model.campaign import Campaign, CampaignFindings, Fate, Span, WatchedPage
from snapshotter.model.reading import Count, Source
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import ConfirmRules, Observation

T0 = datetime(2026, 5, 27, 8, 0, tzinfo=UTC)
HOUR = 3_600_000  # ms
CONFIRM = ConfirmRules(times=2, after=timedelta(minutes=10), control=False)
THERE, GONE, WALL = Availability.AVAILABLE, Availability.UNAVAILABLE, Availability.INCONCLUSIVE
_KINDS = {THERE: Content.CONTENT, GONE: Content.NOTICE, WALL: Content.WALL}


def seen(page: str, hour: float, what: Availability = THERE, **more: object) -> Observation:
    at = T0 + timedelta(hours=hour)
    name = hashlib.sha256(f"{page} {hour}".encode()).hexdigest()
    made = Observation(
        bundle_id=f"{at:%Y%m%dt%H%M%Sz}-{name[:16].translate(str.maketrans('0189', 'ghij'))}",
        sha256=name, identity=page, url=f"http://a.test/{page}", at=at, began_at=at,
        content=_KINDS[what], availability=what,
        cause=Cause.AUTHOR if what is GONE else None,
        undecided=Undecided.WALL if what is WALL else None,
        wall=WallKind.LOGIN if what is WALL else None,
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]  # what a test wants otherwise


def page(name: str, *captures: tuple[float, Availability], account: str = "") -> WatchedPage:
    return WatchedPage(
        identity=name,
        url=f"http://a.test/{name}",
        captures=tuple(seen(name, hour, what, account=account) for hour, what in captures),
        confirm=CONFIRM,
    )


def found(
    *pages: WatchedPage, since: float = 0, until: float = 100, certain: bool = True
) -> CampaignFindings:
    return compute_findings(
        Campaign(
            report_id="20260701t000000z-abcdefghijklmnop",
            made_at=T0 + timedelta(hours=until),
            title="",
            scope="a list",
            since=T0 + timedelta(hours=since),
            until=T0 + timedelta(hours=until),
            pages=pages,
            certain=certain,
        )
    )


def number(of: CampaignFindings, name: str) -> int:
    return next((number.value for number in of.numbers if number.name == name), 0)


@pytest.mark.parametrize(
    ("captures", "expected"),
    [
        ([(0, THERE), (5, THERE)], Fate.AVAILABLE),
        ([(0, THERE), (5, GONE), (6, GONE)], Fate.GONE),
        ([(0, THERE), (5, GONE)], Fate.UNCONFIRMED),
        ([(0, THERE), (5, GONE), (6, GONE), (9, THERE)], Fate.AVAILABLE),
        ([(0, THERE), (5, WALL)], Fate.AVAILABLE),
        ([(0, WALL), (5, WALL)], Fate.INCONCLUSIVE),
        ([(0, GONE), (5, GONE)], Fate.NEVER_SEEN),
        ([(-9, THERE), (-8, GONE), (-7, GONE), (5, GONE)], Fate.GONE_BEFORE),
        ([], Fate.UNCAPTURED),
    ],
)
def test_each_page_has_one_fate(captures: list[tuple[float, Availability]], expected: Fate) -> None:
    (row,) = found(page("p", *captures)).rows

    assert row.fate is expected


def test_an_owners_setting_is_no_removal() -> None:
    hidden = replace(seen("p", 5, GONE), takedown=False, cause=Cause.OWNER_SETTING)
    its = page("p", (0, THERE))

    made = found(replace(its, captures=(*its.captures, hidden)))

    assert made.rows[0].fate is Fate.OWNER_SETTING
    assert number(made, "removed") == 0


def test_a_wall_is_never_a_removal() -> None:
    made = found(page("p", (0, THERE), (5, WALL), (6, WALL), (7, WALL)))

    assert number(made, "removed") == 0
    assert number(made, "captures.wall") == 3
    assert number(made, "captures.wall.login") == 3


def test_few_words_where_a_page_was_are_not_the_page_and_are_counted() -> None:
    text, other = "a" * 64, "b" * 64
    few: dict[str, Any] = {"ambiguous": True, "rule": "gen-short", "main_sha256": other}
    its = WatchedPage(
        identity="p",
        url="http://a.test/p",
        captures=(
            seen("p", 1, main_sha256=text),
            seen("p", 2, **{**few, "main_sha256": text}),  # the same words
            seen("p", 3, **few),
            seen("p", 4, GONE),
        ),
        confirm=CONFIRM,
    )

    made, as_it_was = found(its), found(its, certain=False)

    (row,) = made.rows
    assert row.last_seen == its.captures[1].at
    assert row.fate is Fate.UNCONFIRMED
    assert row.decided_by == (its.captures[1].bundle_id, its.captures[3].bundle_id)
    (counted,) = (number for number in made.numbers if number.name == "captures.few-words")
    assert (counted.value, counted.bundles) == (1, (its.captures[2].bundle_id,))
    # A report of before has the numbers that it had.
    assert as_it_was.rows[0].last_seen == its.captures[2].at
    assert number(as_it_was, "captures.few-words") == 0


def test_a_page_that_always_had_few_words_is_that_page() -> None:
    few: dict[str, Any] = {"ambiguous": True, "rule": "gen-short"}
    its = replace(page("p"), captures=(seen("p", 1, **few), seen("p", 2, **few)))

    made = found(its)

    assert made.rows[0].fate is Fate.AVAILABLE
    assert number(made, "captures.few-words") == 0


@pytest.mark.parametrize(("certain", "removed"), [(True, 0), (False, 1)])
def test_a_control_of_few_words_confirms_nothing(certain: bool, removed: int) -> None:
    its = page("p", (0, THERE), (5, GONE), (6, GONE))
    few = seen("q", 5.5, ambiguous=True, rule="gen-short")
    its = replace(its, controls=(few,), confirm=replace(CONFIRM, control=True))

    assert number(found(its, certain=certain), "removed") == removed


def test_a_removal_has_its_interval_its_cause_and_the_bundles_that_it_rests_on() -> None:
    its = page("p", (0, THERE), (4, THERE), (5, GONE), (6, GONE))

    made = found(its)

    (removal,) = made.rows[0].removals
    assert (removal.began, removal.ended) == (its.captures[1].at, its.captures[2].at)
    assert removal.after == Span(at_least_ms=4 * HOUR, at_most_ms=5 * HOUR)
    assert removal.bundles == tuple(observation.bundle_id for observation in its.captures[1:])
    removed = next(number for number in made.numbers if number.name == "removed.cause.author")
    assert (removed.value, removed.bundles, removed.events) == (
        1, removal.bundles, (removal.event_id,),
    )  # fmt: skip


def test_a_page_that_came_back_is_counted_as_removed_and_as_reinstated() -> None:
    made = found(page("p", (0, THERE), (5, GONE), (6, GONE), (9, THERE)), page("q", (0, THERE)))

    names = ("watched", "removed", "reinstated", "fate.available")
    assert [number(made, name) for name in names] == [
        2, 1, 1, 2,
    ]  # fmt: skip


def test_the_fates_add_up_to_what_was_watched() -> None:
    made = found(
        page("a", (0, THERE)), page("b", (0, WALL)), page("c"), page("d", (0, GONE)),
        page("e", (0, THERE), (5, GONE), (6, GONE)),
    )  # fmt: skip

    fates = [number.value for number in made.numbers if number.name.startswith("fate.")]
    assert sum(fates) == number(made, "watched") == 5


def test_pages_of_one_account_are_grouped() -> None:
    made = found(
        page("a", (0, THERE), (5, GONE), (6, GONE), account="wechat:A"),
        page("b", (0, THERE), (5, GONE), (6, GONE), account="wechat:A"),
        page("c", (0, THERE), account="wechat:B"),
    )

    assert [(row.account, row.pages, row.gone) for row in made.accounts] == [
        ("wechat:A", 2, 2),
        ("wechat:B", 1, 0),
    ]
    assert (number(made, "accounts"), number(made, "accounts.all-gone")) == (2, 1)


def test_the_median_has_no_upper_bound_where_half_of_the_pages_may_still_be_there() -> None:
    gone = page("a", (0, THERE), (4, THERE), (5, GONE), (6, GONE))

    of_three = found(gone, page("b", (0, THERE), (9, THERE)), page("c", (0, THERE), (8, THERE)))
    of_one = found(gone, page("b", (0, THERE), (2, THERE)))

    assert of_three.median_life == Span(at_least_ms=8 * HOUR, at_most_ms=None)
    # Of two the lower one: it ended between 4 and 5 hours, if the other did not end before.
    assert of_one.median_life == Span(at_least_ms=2 * HOUR, at_most_ms=5 * HOUR)


_LIFE = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9), st.booleans(), st.integers(0, 9)),
    min_size=1, max_size=8,
)  # fmt: skip


@given(_LIFE)
def test_the_truth_lies_between_the_two_edges_of_the_curve_whenever_a_page_went(
    lives: list[tuple[int, int, bool, int]],
) -> None:
    pages, truths = [], []
    for n, (last, width, removed, late) in enumerate(lives):
        captures = [(0.0, THERE), (float(last), THERE)] if last else [(0.0, THERE)]
        if removed:
            captures += [(float(last + width), GONE), (last + width + 1.0, GONE)]
            truths.append((last + min(late / 10, 0.999) * width) * HOUR)  # somewhere in between
        else:
            truths.append((last + late * 100) * HOUR)  # nobody looked any more
        pages.append(page(f"p{n}", *captures))

    made = found(*pages, until=200)

    assert made.survivors == len(lives)
    steps = made.survival
    for step, behind in zip(steps, [*steps[1:], None], strict=True):
        for moment in {step.after_ms, (behind.after_ms - 1) if behind else step.after_ms + 1}:
            alive = sum(truth >= moment for truth in truths)
            assert step.at_least <= alive <= step.at_most
    assert made.median_life is not None
    median = sorted(truths)[(len(truths) - 1) // 2]
    assert made.median_life.at_least_ms <= median
    assert made.median_life.at_most_ms is None or median <= made.median_life.at_most_ms


def test_captures_behind_the_period_change_nothing() -> None:
    short = found(page("p", (0, THERE)), until=4)
    long = found(page("p", (0, THERE), (5, GONE), (6, GONE)), until=4)

    assert short == long


def test_a_count_that_went_over_a_threshold_is_named_with_both_readings() -> None:
    def count(value: int) -> Count:
        return Count(
            unit="reposts", raw=str(value), lower=value, upper=value, exact=True, source=Source.DOM
        )

    readings = [
        seen("p", hour, counts=(count(number),)) for hour, number in enumerate((120, 480, 512))
    ]
    its = WatchedPage(
        identity="p",
        url="http://a.test/p",
        captures=tuple(readings),
        confirm=CONFIRM,
        thresholds=(Threshold(unit="reposts", at=500, source="an interpretation"),),
    )

    (crossing,) = found(its).crossings

    assert (crossing.below, crossing.reached) == (readings[1].bundle_id, readings[2].bundle_id)
    assert number(found(its), "crossings") == 1
    assert number(found(its, since=2.5), "crossings") == 0
