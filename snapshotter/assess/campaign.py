"""
What became of the pages of a campaign. Pure: the same captures give the same numbers.

Nothing is guessed between two captures. How long a page lived is an interval; the curve of
survival has two edges, between which the truth lies whatever happened while nobody looked; a
median has two bounds, and no upper one where half of the pages may still be there.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from snapshotter.assess.events import (
    Conclusion,
    Standing,
    certainly_shown,
    conclude,
    conclude_account,
    order,
    parts,
)
from snapshotter.assess.thresholds import crossings as crossings_of
from snapshotter.assess.thresholds import series
from snapshotter.model.assessment import Availability, Cause, Content
from snapshotter.model.campaign import (
    AccountRow,
    Campaign,
    Fate,
    Findings,
    Number,
    PageRow,
    Removal,
    Span,
    Survival,
    WatchedPage,
)
from snapshotter.model.reading import Crossing
from snapshotter.model.takedown import Observation, Takedown, TakedownKind

NOT_STATED = "not-stated"  # the cause of a removal of which no capture names one
UNKNOWN_ACCOUNT = ""

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Life:
    """How long a page lived since it was first seen, in ms: more than one, at most the other."""

    at_least: int
    at_most: int | None  # None: its end was not seen


# Of an event: the interval in which it happened.
_Bracket = Callable[[Takedown], tuple[datetime, datetime]]


def findings(campaign: Campaign, *, bracket: _Bracket = lambda it: it.bracket) -> Findings:
    """Return what follows from a campaign's captures."""
    campaign = replace(campaign, pages=tuple(map(_of_one_page, campaign.pages)))
    told = [_page(it, campaign, bracket) for it in campaign.pages]
    rows = [row for row, _ in told]
    accounts = _accounts(campaign, rows)
    crossings = tuple(_crossings(campaign))
    lives = [life for _, life in told if life is not None]
    survival, median = _survival(lives)
    removed_after = [it.removals[0].after for it in rows if it.removals]
    return Findings(
        rows=tuple(rows),
        accounts=accounts,
        numbers=tuple(_numbers(campaign, rows, accounts, crossings)),
        survivors=len(lives),
        survival=survival,
        median_life=median,
        median_removed_after=_median([it for it in removed_after if it is not None]),
        crossings=crossings,
    )


def concluded(campaign: Campaign) -> tuple[Takedown, ...]:
    """Return the events of the period: of the pages in their order, then of their accounts."""
    campaign = replace(campaign, pages=tuple(map(_of_one_page, campaign.pages)))
    found: list[Takedown] = []
    accounts: defaultdict[str, list[int]] = defaultdict(list)
    for number, page in enumerate(campaign.pages):
        mine = [it for it in page.captures if it.at < campaign.until]
        found += _conclude(page, mine, campaign).events
        if account := _account(mine):
            accounts[account].append(number)
    for account, numbers in accounts.items():
        found += _events_of_account(account, numbers, campaign)
    return tuple(it for it in found if campaign.since <= it.at < campaign.until)


def not_borne_out(campaign: Campaign) -> tuple[str, ...]:
    """
    Return the ids of the events of which the times that are proven do not bear out the order.

    By the proven times that the report names. What contradicts an order says who verifies it.
    """
    return tuple(it.event_id for it in concluded(campaign) if not _is_borne_out(it))


def _is_borne_out(event: Takedown) -> bool:
    earlier, *later = sorted((event.last_seen, event.first_gone), key=order)
    first = earlier.proven_at
    others = [it.proven_at for it in (*later, *event.confirmations)]
    return first is not None and all(it is not None and first <= it for it in others)


def _conclude(page: WatchedPage, mine: Sequence[Observation], campaign: Campaign) -> Conclusion:
    return conclude(
        page.identity, (*mine, *page.controls), page.confirm, few_words=not campaign.certain
    )


def _of_one_page(page: WatchedPage) -> WatchedPage:
    """Return a page whose captures are all of it, and of the account that one of them names."""
    account = _account(page.captures)
    return replace(
        page,
        captures=tuple(
            replace(it, identity=page.identity, account=account) for it in page.captures
        ),
    )


def _page(page: WatchedPage, campaign: Campaign, bracket: _Bracket) -> tuple[PageRow, _Life | None]:
    mine = sorted((it for it in page.captures if it.at < campaign.until), key=order)
    found = _conclude(page, mine, campaign)
    inside = [it for it in mine if it.at >= campaign.since]
    events = [it for it in found.events if campaign.since <= it.at < campaign.until]
    seen = _seen(mine, campaign)
    first_seen = seen[0] if seen else None
    removals = tuple(
        _removal(it, first_seen, bracket(it)) for it in events if it.kind is TakedownKind.REMOVED
    )
    before = [it for it in found.events if it.at < campaign.since]
    fate, decided = _fate(mine, found.standing, found.events, seen, removed_inside=bool(removals))
    row = PageRow(
        identity=page.identity,
        url=page.url,
        account=_account(mine),
        fate=fate,
        removals=removals,
        reinstated=tuple(it.event_id for it in events if it.kind is TakedownKind.REINSTATED),
        first_seen=first_seen.began_at if first_seen else None,
        last_seen=seen[-1].at if seen else None,
        captures=len(inside),
        walls=sum(it.content is Content.WALL for it in inside),
        errors=sum(it.content is Content.ERROR for it in inside),
        longest_gap_ms=_longest_gap(inside, campaign),
        decided_by=tuple(it.bundle_id for it in decided),
    )
    was_gone = bool(before) and before[-1].kind is TakedownKind.REMOVED
    return row, None if was_gone else _life(first_seen, seen, inside, removals, events)


def _seen(mine: Sequence[Observation], campaign: Campaign) -> list[Observation]:
    """Return the captures that show the page."""
    if campaign.certain:
        return list(certainly_shown(mine))
    return [it for it in mine if it.availability is Availability.AVAILABLE]


def by_beginning(event: Takedown) -> tuple[datetime, datetime]:
    """
    Return the interval as older reports have it: from the capture that began first.

    Of two captures of which one lies within the other that is another interval than the one in
    which it happened.
    """
    earlier, later = sorted((event.last_seen, event.first_gone), key=lambda it: it.began_at)
    return earlier.began_at, later.at


def _removal(
    event: Takedown, first_seen: Observation | None, bracket: tuple[datetime, datetime]
) -> Removal:
    began, ended = bracket
    after = None
    if first_seen is not None and first_seen.began_at <= began:
        after = Span(
            # It was seen at some moment of the first capture, and was there at least until
            # some moment of the last.
            at_least_ms=max(0, _ms(event.last_seen.began_at - first_seen.at)),
            at_most_ms=_ms(ended - first_seen.began_at),
        )
    return Removal(
        event_id=event.event_id,
        cause=event.causes[0] if event.causes else None,
        causes=event.causes,
        began=began,
        ended=ended,
        after=after,
        bundles=tuple(it.bundle_id for it in parts(event)),
    )


def _fate(
    mine: Sequence[Observation],
    standing: Standing,
    events: Sequence[Takedown],
    seen: Sequence[Observation],
    *,
    removed_inside: bool,
) -> tuple[Fate, tuple[Observation, ...]]:
    """Return what became of a page, and the captures that say so."""
    if not mine:
        return Fate.UNCAPTURED, ()
    if standing is Standing.GONE:
        removal = [it for it in events if it.kind is TakedownKind.REMOVED][-1]
        return (Fate.GONE if removed_inside else Fate.GONE_BEFORE), parts(removal)
    gone = [it for it in mine if it.availability is Availability.UNAVAILABLE]
    doubts = [it for it in gone if it.takedown and (not seen or order(it) > order(seen[-1]))]
    hidden = [it for it in gone if not it.takedown and (not seen or order(it) > order(seen[-1]))]
    if hidden and (not doubts or order(hidden[-1]) > order(doubts[-1])):
        return Fate.OWNER_SETTING, (*seen[-1:], hidden[-1])
    if doubts:
        return (Fate.UNCONFIRMED, (seen[-1], *doubts)) if seen else (Fate.NEVER_SEEN, tuple(doubts))
    if seen:
        return Fate.AVAILABLE, (seen[-1],)
    return Fate.INCONCLUSIVE, tuple(mine)


def _account(mine: Sequence[Observation]) -> str:
    accounts = {it.account for it in mine if it.account}
    return accounts.pop() if len(accounts) == 1 else UNKNOWN_ACCOUNT


def _longest_gap(inside: Sequence[Observation], campaign: Campaign) -> int:
    moments = [campaign.since, *(it.at for it in inside), min(campaign.until, campaign.made_at)]
    return max(
        (_ms(later - earlier) for earlier, later in pairwise(moments)),
        default=0,
    )


def _life(
    first_seen: Observation | None,
    seen: Sequence[Observation],
    inside: Sequence[Observation],
    removals: Sequence[Removal],
    events: Sequence[Takedown],
) -> _Life | None:
    """Return how long a page lived; None of one that nobody saw, or that was not watched."""
    if first_seen is None or not inside:
        return None
    removed = next((it for it in events if it.kind is TakedownKind.REMOVED), None)
    if removed is None:
        return _Life(max(0, _ms(seen[-1].began_at - first_seen.at)), None)
    return _Life(
        max(0, _ms(removed.last_seen.began_at - first_seen.at)),
        _ms(removals[0].ended - first_seen.began_at),
    )


def _survival(lives: Sequence[_Life]) -> tuple[tuple[Survival, ...], Span | None]:
    """
    Return the curve, and the bounds of the median.

    At any moment at least those are there that were seen later, and at most those that were not
    yet seen to be gone: each step holds until the next.
    """
    if not lives:
        return (), None
    moments = sorted({0, *(it.at_least for it in lives), *(it.at_most or 0 for it in lives)})
    alive = sorted(it.at_least for it in lives)
    ended = sorted(it.at_most for it in lives if it.at_most is not None)
    steps: list[Survival] = []
    dead = certain = 0
    for moment in moments:
        while certain < len(alive) and alive[certain] <= moment:
            certain += 1
        while dead < len(ended) and ended[dead] <= moment:
            dead += 1
        step = Survival(after_ms=moment, at_least=len(alive) - certain, at_most=len(lives) - dead)
        if not steps or (steps[-1].at_least, steps[-1].at_most) != (step.at_least, step.at_most):
            steps.append(step)
    return tuple(steps), _median(
        [Span(at_least_ms=it.at_least, at_most_ms=it.at_most) for it in lives]
    )


def _median(spans: Sequence[Span]) -> Span | None:
    """
    Return the bounds of the median of lengths that are known as intervals.

    The least that each can be gives the least that the median can be, and so above: it is
    monotone in each. Of an even number the lower of the two in the middle is taken.
    """
    if not spans:
        return None
    middle = (len(spans) - 1) // 2
    least = sorted(it.at_least_ms for it in spans)[middle]
    known = sorted(it.at_most_ms for it in spans if it.at_most_ms is not None)
    return Span(at_least_ms=least, at_most_ms=known[middle] if middle < len(known) else None)


def _accounts(campaign: Campaign, rows: Sequence[PageRow]) -> tuple[AccountRow, ...]:
    found = []
    by_account: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row.account:
            by_account[row.account].append(number)
    for account, numbers in by_account.items():
        every = _events_of_account(account, numbers, campaign)
        events = [it for it in every if campaign.since <= it.at < campaign.until]
        found.append(
            AccountRow(
                account=account,
                pages=len(numbers),
                gone=sum(rows[it].fate in (Fate.GONE, Fate.GONE_BEFORE) for it in numbers),
                states=tuple(dict.fromkeys(it.state for it in events if it.state)),
                events=tuple(it.event_id for it in events),
            )
        )
    return tuple(found)


def _events_of_account(
    account: str, numbers: Sequence[int], campaign: Campaign
) -> tuple[Takedown, ...]:
    pages = [campaign.pages[it] for it in numbers]
    every = [
        one for page in pages for one in (*page.captures, *page.controls) if one.at < campaign.until
    ]
    return conclude_account(
        account,
        {it.bundle_id: it for it in every}.values(),
        pages[0].confirm,
        few_words=not campaign.certain,
    ).events


def _crossings(campaign: Campaign) -> Iterable[Crossing]:
    """Yield each time in the period that a count of a page went over a threshold."""
    for page in campaign.pages:
        mine = (it for it in page.captures if it.at < campaign.until)
        for it in crossings_of(series(mine), page.thresholds):
            if it.reached_at >= campaign.since:
                yield it


def _numbers(
    campaign: Campaign,
    rows: Sequence[PageRow],
    accounts: Sequence[AccountRow],
    crossings: Sequence[Crossing],
) -> Iterable[Number]:
    yield Number(name="watched", value=len(rows), pages=tuple(range(len(rows))))
    for fate in Fate:
        yield _of_pages(f"fate.{fate.value}", rows, [row.fate is fate for row in rows])
    removed = [bool(row.removals) for row in rows]
    yield _of_removals("removed", rows, removed)
    for cause in (*Cause, None):
        name = cause.value if cause is not None else NOT_STATED
        its = [bool(row.removals) and row.removals[-1].cause is cause for row in rows]
        if any(its):
            yield _of_removals(f"removed.cause.{name}", rows, its)
    back = [bool(row.reinstated) for row in rows]
    yield Number(
        name="reinstated",
        value=sum(back),
        pages=_where(back),
        events=tuple(event for row in rows for event in row.reinstated),
    )
    yield from _of_captures(campaign)
    named = [bool(row.account) for row in rows]
    yield Number(name="accounts", value=len(accounts), pages=_where(named))
    whole = {it.account for it in accounts if it.gone == it.pages}
    yield Number(
        name="accounts.all-gone",
        value=len(whole),
        pages=_where([row.account in whole and bool(row.account) for row in rows]),
    )
    states = Counter(state for it in accounts for state in it.states)
    for state in sorted(states):
        its_accounts = [it for it in accounts if state in it.states]
        yield Number(
            name=f"accounts.state.{state}",
            value=states[state],
            events=tuple(event for it in its_accounts for event in it.events),
        )
    yield Number(
        name="crossings",
        value=len(crossings),
        bundles=tuple(
            dict.fromkeys(one for it in crossings for one in (it.below, it.reached) if one)
        ),
    )
    yield Number(name="gaps", value=sum(it.event == "missed" for it in campaign.gaps))
    yield Number(name="gaps.visits", value=sum(it.visits for it in campaign.gaps))


def _of_captures(campaign: Campaign) -> Iterable[Number]:
    inside = [
        (number, it)
        for number, page in enumerate(campaign.pages)
        for it in page.captures
        if campaign.since <= it.at < campaign.until
    ]
    yield Number(
        name="captures", value=len(inside), pages=tuple(dict.fromkeys(it for it, _ in inside))
    )
    kinds = Counter(it.content for _, it in inside)
    walls = Counter(it.wall for _, it in inside if it.wall is not None)
    for kind in Content:
        if kinds[kind]:
            its = [(n, it) for n, it in inside if it.content is kind]
            yield _captured(f"captures.{kind.value}", its, listed=kind is not Content.CONTENT)
    if campaign.certain:
        few = [
            (number, it)
            for number, page in enumerate(campaign.pages)
            for it in _few_words(page, campaign)
            if campaign.since <= it.at < campaign.until
        ]
        if few:
            yield _captured("captures.few-words", few)
    for wall in sorted(walls):
        its = [(n, it) for n, it in inside if it.wall is wall]
        yield _captured(f"captures.wall.{wall.value}", its)


def _few_words(page: WatchedPage, campaign: Campaign) -> list[Observation]:
    """Return the captures of a page that show few words where it was, and not the page."""
    mine = sorted((it for it in page.captures if it.at < campaign.until), key=order)
    shown = {it.bundle_id for it in certainly_shown(mine)}
    return [
        it for it in mine if it.availability is Availability.AVAILABLE and it.bundle_id not in shown
    ]


def _captured(name: str, its: Sequence[tuple[int, Observation]], *, listed: bool = True) -> Number:
    """Return a number of captures; of those that show content their pages name them."""
    return Number(
        name=name,
        value=len(its),
        pages=tuple(dict.fromkeys(it for it, _ in its)),
        bundles=tuple(it.bundle_id for _, it in its) if listed else (),
    )


def _of_pages(name: str, rows: Sequence[PageRow], chosen: Sequence[bool]) -> Number:
    its = [row for row, is_in in zip(rows, chosen, strict=True) if is_in]
    return Number(
        name=name,
        value=len(its),
        pages=_where(chosen),
        bundles=tuple(dict.fromkeys(it for row in its for it in row.decided_by)),
    )


def _of_removals(name: str, rows: Sequence[PageRow], chosen: Sequence[bool]) -> Number:
    removals = [it for row, is_in in zip(rows, chosen, strict=True) if is_in for it in row.removals]
    return Number(
        name=name,
        value=sum(chosen),
        pages=_where(chosen),
        bundles=tuple(dict.fromkeys(one for it in removals for one in it.bundles)),
        events=tuple(it.event_id for it in removals),
    )


def _where(chosen: Sequence[bool]) -> tuple[int, ...]:
    return tuple(number for number, is_in in enumerate(chosen) if is_in)


def _ms(length: timedelta) -> int:
    return length // _MS
