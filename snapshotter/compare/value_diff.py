"""
Compare the single values of two captures: counts, metadata, links, QR codes and verdicts; and
collect what the platform states about edits of the page.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from snapshotter.model.assessment import Assessment
from snapshotter.model.comparison import (
    ComparisonState,
    CountChange,
    EditMarks,
    ListChange,
    Trend,
    ValueChange,
    VerdictSummary,
)
from snapshotter.model.reading import Count, Metadatum

_CLOCK = "server"  # the name of one: what a server's clock said, which no two captures share
# What stands in place of a value that a policy had replaced: fresh for each capture.
_REPLACED = re.compile(r"redacted:sha256:[0-9a-f]{64}")
_MODIFIED = "modified"  # the name of a metadatum: when a page says that it was last edited


def counts(before: Sequence[Count], after: Sequence[Count]) -> tuple[CountChange, ...]:
    """
    Return every count of either capture, with what the two readings say together.

    Of several of one unit those at one place are paired, then those that are left, in order.
    """
    first, second = _by_unit(before), _by_unit(after)
    changes = []
    for unit in dict.fromkeys((*first, *second)):
        for one, other in _pairs(first[unit], second[unit]):
            changes.append(
                CountChange(unit=unit, trend=_trend(one, other), before=one, after=other)
            )
    return tuple(changes)


def metadata(before: Iterable[Metadatum], after: Iterable[Metadatum]) -> tuple[ValueChange, ...]:
    """Return what the pages say of themselves and not the same; each value once."""
    return changed(_named(before), _named(after))


def changed(
    before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]
) -> tuple[ValueChange, ...]:
    """Return the names whose values are not the same."""
    names = dict.fromkeys((*before, *after))
    return tuple(
        ValueChange(name=name, before=before.get(name, ()), after=after.get(name, ()))
        for name in names
        if before.get(name, ()) != after.get(name, ())
    )


def state(changes: Sequence[ValueChange]) -> ComparisonState:
    """Return whether anything changed."""
    return ComparisonState.CHANGED if changes else ComparisonState.UNCHANGED


def compare_lists(before: Iterable[str] | None, after: Iterable[str] | None) -> ListChange:
    """Return which texts only one of two lists has; None: it was not read."""
    if before is None or after is None:
        return ListChange(state=ComparisonState.UNKNOWN)
    first, second = ({_comparable(value): value for value in some} for some in (before, after))
    removed = tuple(value for key, value in first.items() if key not in second)
    added = tuple(value for key, value in second.items() if key not in first)
    return ListChange(
        state=ComparisonState.CHANGED if removed or added else ComparisonState.UNCHANGED,
        removed=removed,
        added=added,
        kept=len(first) - len(removed),
    )


def summarise_verdict(assessed: Assessment | None) -> VerdictSummary | None:
    """Return a capture's verdict in short."""
    if assessed is None:
        return None
    verdict = assessed.takedown
    return VerdictSummary(
        content=assessed.content.kind,
        availability=verdict.availability,
        cause=verdict.cause,
        undecided=verdict.undecided,
        wall=verdict.wall,
        rule=verdict.rule,
        notice=verdict.notice,
        labels=tuple(label.label for label in verdict.labels),
        accounts=tuple(account.state for account in verdict.accounts),
    )


def have_same_verdict(
    before: VerdictSummary | None, after: VerdictSummary | None
) -> ComparisonState:
    """Return whether two verdicts are the same."""
    if before is None or after is None:
        return ComparisonState.UNKNOWN
    return ComparisonState.UNCHANGED if before == after else ComparisonState.CHANGED


def compare_edit_marks(
    marks: tuple[tuple[str, ...], tuple[str, ...]],
    before: Iterable[Metadatum],
    after: Iterable[Metadatum],
) -> EditMarks:
    """Return what the platform says of edits, by its marks and by its metadata."""
    return EditMarks(
        before=marks[0],
        after=marks[1],
        modified_before=_named(before).get(_MODIFIED, ()),
        modified_after=_named(after).get(_MODIFIED, ()),
    )


def _named(values: Iterable[Metadatum]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for metadatum in values:
        if metadatum.name != _CLOCK:
            found[metadatum.name][_comparable(metadatum.value)] = None
    return {name: tuple(them) for name, them in found.items()}


def _comparable(text: str) -> str:
    """Return a text without what is another one in each capture of the same thing."""
    return _REPLACED.sub("redacted", text)


def _by_unit(counts: Iterable[Count]) -> defaultdict[str, list[Count]]:
    found = defaultdict(list)
    for count in counts:
        found[count.unit].append(count)
    return found


def _pairs(
    first: Sequence[Count], second: Sequence[Count]
) -> list[tuple[Count | None, Count | None]]:
    waiting = {count.where: count for count in reversed(second)}
    pairs: list[tuple[Count | None, Count | None]] = []
    for count in first:
        pairs.append((count, waiting.pop(count.where, None)))
    left = [count for count in second if waiting.get(count.where) is count]
    for number, (one, other) in enumerate(pairs):
        if other is None and left:
            pairs[number] = one, left.pop(0)
    return [*pairs, *((None, count) for count in left)]


def _trend(before: Count | None, after: Count | None) -> Trend:
    if before is None or after is None:
        return Trend.APPEARED if before is None else Trend.DISAPPEARED
    if before.upper is not None and after.lower > before.upper:
        return Trend.ROSE
    if after.upper is not None and after.upper < before.lower:
        return Trend.FELL
    if before.exact and after.exact:
        return Trend.SAME  # one value each, and neither is above the other
    return Trend.UNKNOWN
