"""Two sequences are aligned, truly, and never for longer than the budget."""

import random

from hypothesis import given
from hypothesis import strategies as st

from snapshotter.compare.sequences import CommonRun, StepBudget, align, gaps_between_runs

_SHORT = st.lists(st.integers(0, 4), max_size=14)


@given(_SHORT, _SHORT)
def test_what_is_aligned_is_the_same_and_in_the_order_of_both(
    first: list[int], second: list[int]
) -> None:
    found = align(first, second, StepBudget(100_000))

    a = b = 0
    for run in found.runs:
        assert run.first >= a
        assert run.second >= b
        assert run.length > 0
        a, b = run.first + run.length, run.second + run.length
        assert first[run.first : a] == second[run.second : b]
    assert found.coarse == ()


@given(st.lists(st.integers(0, 1), max_size=12), st.lists(st.integers(0, 1), max_size=12))
def test_without_anchors_nothing_longer_is_in_both(first: list[int], second: list[int]) -> None:
    # Twice the same: no element stands once, and it is Myers' search that answers.
    first, second = first * 2, second * 2

    found = align(first, second, StepBudget(1_000_000))

    assert sum(run.length for run in found.runs) == _longest(first, second)


def test_what_was_put_in_does_not_hide_what_stands_behind_it() -> None:
    found = align([1, 2, 3], [9, 1, 2, 8, 3], StepBudget(1000))

    assert found.runs == (CommonRun(0, 1, 2), CommonRun(2, 4, 1))
    assert gaps_between_runs(found.runs, 3, 5) == [(0, 0, 0, 1), (2, 2, 3, 4)]


def test_two_long_sequences_without_likeness_cost_no_more_than_the_budget() -> None:
    noise = random.Random(5)  # noqa: S311  the same each time
    first = [noise.randrange(40) for _ in range(100_000)]
    second = [noise.randrange(40) for _ in range(100_000)]
    budget = StepBudget(2_000_000)

    found = align(first, second, budget)

    assert found.coarse  # and it is said
    assert budget.steps > -2_000_000  # one step further than there was, and no more


def test_looking_for_anchors_is_paid_for_as_well() -> None:
    found = align(list(range(1000)), list(range(999, -1, -1)), StepBudget(100))

    assert found.runs == ()
    assert found.coarse == ((0, 1000, 0, 1000),)


def test_a_sequence_that_was_turned_round_is_aligned_in_its_longer_part() -> None:
    first = list(range(3000))

    found = align(first, [*range(2000, 3000), *range(2000)], StepBudget(1_000_000))

    assert found.runs == (CommonRun(0, 1000, 2000),)


def _longest(first: list[int], second: list[int]) -> int:
    row = [0] * (len(second) + 1)
    for element in first:
        row = [
            0,
            *(
                row[j] + 1 if element == other else max(row[j + 1], new)
                for j, other, new in _running(row, element, second)
            ),
        ]
    return row[-1]


def _running(row: list[int], element: int, second: list[int]) -> list[tuple[int, int, int]]:
    """Return for each place what was found so far in this row."""
    found, new = [], 0
    for j, other in enumerate(second):
        found.append((j, other, new))
        new = row[j] + 1 if element == other else max(row[j + 1], new)
    return found


def test_the_price_of_an_alignment_stays_because_signed_changes_are_derived_again() -> None:
    chance = random.Random(11)  # noqa: S311  the same each time
    first, second = ([chance.randrange(4) for _ in range(length)] for length in (140, 160))
    small, large = StepBudget(10_000), StepBudget(200_000)

    assert align(first, second, small).coarse == ((0, 140, 0, 160),)
    assert sum(run.length for run in align(first, second, large).runs) == 96
    assert (10_000 - small.steps, 200_000 - large.steps) == (10_137, 30_794)
