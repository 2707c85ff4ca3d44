"""
Align two sequences by patience diff and then by Myers' algorithm, within a budget of steps.

Patience diff uses elements that occur exactly once in each sequence as anchors, and continues
between them. Where there is no anchor, Myers' greedy algorithm finds the shortest edit script.
Both can need a number of steps that grows with the square of the length, on a page that was built
for it. So every step is taken from a budget. When the budget is used up, the rest stays unaligned
and the result states that.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from snapshotter.value_class import dataclass

_EDITS = 600  # of one stretch that Myers' search goes to: it takes the square of it


@dataclass(slots=True)
class StepBudget:
    """Steps that may still be taken. About five million are a second."""

    steps: int

    def pay(self, steps: int) -> bool:
        """Take steps away; False when there were not as many."""
        self.steps -= steps
        return self.steps >= 0


@dataclass(frozen=True, slots=True)
class CommonRun:
    """`length` elements from `first` of one sequence are those from `second` of the other."""

    first: int
    second: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """What two sequences have in common, in the order of both."""

    runs: tuple[CommonRun, ...]  # each as long as it can be
    # Stretches that were not looked into: start and end in the first, and in the second.
    coarse: tuple[tuple[int, int, int, int], ...] = ()


def align(
    first: Sequence[object],
    second: Sequence[object],
    budget: StepBudget,
    *,
    anchors_only: bool = False,
) -> Alignment:
    """
    Return what two sequences of hashable elements have in common.

    Args:
        anchors_only: No more than what patience finds: a stretch without an anchor differs.
    """
    pairs: list[CommonRun] = []
    coarse: list[tuple[int, int, int, int]] = []
    stack = [(0, len(first), 0, len(second))]
    while stack:
        lo, hi, low, high = stack.pop()
        start = lo
        while lo < hi and low < high and first[lo] == second[low]:
            lo, low = lo + 1, low + 1
        if lo > start:
            pairs.append(CommonRun(start, low - (lo - start), lo - start))
        end = hi
        while lo < hi and low < high and first[hi - 1] == second[high - 1]:
            hi, high = hi - 1, high - 1
        if end > hi:
            pairs.append(CommonRun(hi, high, end - hi))
        if lo == hi or low == high:
            continue
        if not budget.pay((lo - start) + (end - hi) + (hi - lo) + (high - low)):
            coarse.append((lo, hi, low, high))
            continue
        anchors = _anchors(first, second, lo, hi, low, high)
        if anchors:
            edges = [*anchors, (hi, high)]
            previous = (lo, low)
            for a, b in edges:
                stack.append((previous[0], a, previous[1], b))
                previous = a + 1, b + 1
            pairs += [CommonRun(a, b, 1) for a, b in anchors]
        elif not anchors_only:
            found = _shortest(first[lo:hi], second[low:high], budget)
            if found is None:
                coarse.append((lo, hi, low, high))
            else:
                pairs += [CommonRun(lo + a, low + b, 1) for a, b in found]
    return Alignment(runs=_joined(pairs), coarse=tuple(sorted(coarse)))


def gaps_between_runs(
    runs: Sequence[CommonRun], first: int, second: int
) -> list[tuple[int, int, int, int]]:
    """Return what stands between runs: start and end in the first, and in the second."""
    found = []
    a = b = 0
    for run in (*runs, CommonRun(first, second, 0)):
        if run.first > a or run.second > b:
            found.append((a, run.first, b, run.second))
        a, b = run.first + run.length, run.second + run.length
    return found


def _anchors(
    first: Sequence[object], second: Sequence[object], lo: int, hi: int, low: int, high: int
) -> list[tuple[int, int]]:
    """Return elements that both stretches have once, as many as are in order in both."""
    often, here = Counter(first[lo:hi]), Counter(second[low:high])
    there = {element: b for b, element in enumerate(second[low:high], low) if here[element] == 1}
    pairs = [
        (a, there[element])
        for a, element in enumerate(first[lo:hi], lo)
        if often[element] == 1 and element in there
    ]
    # The longest ascending row of the second numbers, by patience sorting.
    ends: list[int] = []  # smallest last number of a row of that length
    last: list[int] = []  # index in `pairs` of it
    before: list[int] = []
    for index, (_, b) in enumerate(pairs):
        place = bisect_left(ends, b)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1] = [b]
        last[place : place + 1] = [index]
    row: list[tuple[int, int]] = []
    index = last[-1] if last else -1
    while index >= 0:
        row.append(pairs[index])
        index = before[index]
    return row[::-1]


def _shortest(
    first: Sequence[object], second: Sequence[object], budget: StepBudget
) -> list[tuple[int, int]] | None:
    """Return equal pairs along a shortest way from one to the other; None when it is too long."""
    n, m = len(first), len(second)
    most = min(n + m, _EDITS)
    # By diagonal, how far along the first. Negative diagonals count from the end of the list.
    reach = [0] * (2 * most + 3)
    # Diagonals of which `reach` says something. The price in steps depends on it, and what is
    # within the budget has to stay so: signed changes are derived again.
    known = 1
    history: list[list[int]] = []
    for edits in range(most + 1):
        history.append(reach[: edits + 1] + reach[-edits:] if edits else reach[:2])
        if not budget.pay(2 * known + edits):
            return None
        known = 2 * edits + 1 if edits else 2
        for diagonal in range(-edits, edits + 1, 2):
            below, above = reach[diagonal - 1], reach[diagonal + 1]
            down = diagonal == -edits or (diagonal != edits and below < above)
            x = start = above if down else below + 1
            y = x - diagonal
            while x < n and y < m and first[x] == second[y]:
                x, y = x + 1, y + 1
            if x > start:
                budget.pay(x - start)
            reach[diagonal] = x
            if x >= n and y >= m:
                return _way_back(history, n, m)
    return None


def _way_back(history: Sequence[list[int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for edits in range(len(history) - 1, -1, -1):
        reach, diagonal = history[edits], x - y
        down = diagonal == -edits or (
            diagonal != edits and reach[diagonal - 1] < reach[diagonal + 1]
        )
        came = diagonal + 1 if down else diagonal - 1
        from_x = reach[came]
        from_y = from_x - came
        while x > from_x and y > from_y and x > 0 and y > 0:
            x, y = x - 1, y - 1
            pairs.append((x, y))
        if edits:
            x, y = from_x, from_y
    return pairs[::-1]


def _joined(pairs: list[CommonRun]) -> tuple[CommonRun, ...]:
    """Return runs in order, neighbours as one."""
    runs: list[CommonRun] = []
    for pair in sorted(pairs, key=lambda run: run.first):
        if runs and (runs[-1].first + runs[-1].length, runs[-1].second + runs[-1].length) == (
            pair.first,
            pair.second,
        ):
            runs[-1] = CommonRun(runs[-1].first, runs[-1].second, runs[-1].length + pair.length)
        else:
            runs.append(pair)
    return tuple(runs)
