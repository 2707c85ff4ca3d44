"""
Compute the findings of a campaign from its captures.

The findings state what became of each page and account, the removals, a survival curve, the
thresholds that counts crossed, and the numbers of a report.

The same captures give the same numbers. Nothing is guessed between two captures. How long a
page lived is an interval. The survival curve has two edges, and the truth lies between them
whatever happened between captures. A median has two bounds, and no upper one if half of the
pages may still be available.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from snapshotter.assess.takedown_events import (
    Conclusion,
    PagePresence,
    capture_order_key,
    captures_of_event,
    captures_that_show,
    conclude,
    conclude_account,
)
from snapshotter.assess.thresholds import crossings as crossings_of
from snapshotter.assess.thresholds import series
from snapshotter.model.assessment import Availability, Cause, Content
from snapshotter.model.campaign import (
    AccountRow,
    Campaign,
    CampaignFindings,
    Fate,
    Number,
    PageRow,
    Removal,
    Span,
    Survival,
    WatchedPage,
)
from snapshotter.model.reading import Crossing
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.value_class import dataclass

NOT_STATED = "not-stated"  # the cause of a removal of which no capture names one
UNKNOWN_ACCOUNT = ""

_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Life:
    """How long a page lived since it was first seen, in ms, as bounds."""

    at_least: int
    at_most: int | None  # None: its end was not seen


# Of an event: the interval in which it happened.
_Bracket = Callable[[Takedown], tuple[datetime, datetime]]


def compute_findings(
    campaign: Campaign, *, bracket: _Bracket = lambda event: event.bracket
) -> CampaignFindings:
    """Return the findings of a campaign."""
    campaign = replace(campaign, pages=tuple(map(_of_one_page, campaign.pages)))
    pages = [_page(page, campaign, bracket) for page in campaign.pages]
    rows = [row for row, _ in pages]
    accounts = _accounts(campaign, rows)
    crossings = tuple(_crossings(campaign))
    lives = [life for _, life in pages if life is not None]
    survival, median = _survival(lives)
    removed_after = [page.removals[0].after for page in rows if page.removals]
    return CampaignFindings(
        rows=tuple(rows),
        accounts=accounts,
        numbers=tuple(_numbers(campaign, rows, accounts, crossings)),
        survivors=len(lives),
        survival=survival,
        median_life=median,
        median_removed_after=_median([span for span in removed_after if span is not None]),
        crossings=crossings,
    )


def concluded_events(campaign: Campaign) -> tuple[Takedown, ...]:
    """Return the events of the period: of the pages in their order, then of their accounts."""
    campaign = replace(campaign, pages=tuple(map(_of_one_page, campaign.pages)))
    found: list[Takedown] = []
    accounts: defaultdict[str, list[int]] = defaultdict(list)
    for number, page in enumerate(campaign.pages):
        page_captures = _captures_until_end(page, campaign)
        found += _conclude(page, page_captures, campaign).events
        if account := _account(page_captures):
            accounts[account].append(number)
    for account, numbers in accounts.items():
        found += _events_of_account(account, numbers, campaign)
    return tuple(event for event in found if _is_inside(event, campaign))


def events_with_unproven_order(campaign: Campaign) -> tuple[str, ...]:
    """
    Return the ids of the events whose order of captures the proven times do not confirm.

    Proven times are those that the report names. The verification tells what contradicts an order.
    """
    return tuple(
        event.event_id for event in concluded_events(campaign) if not _is_order_proven(event)
    )


def _is_inside(dated: Observation | Takedown, campaign: Campaign) -> bool:
    return campaign.since <= dated.at < campaign.until


def _captures_until_end(page: WatchedPage, campaign: Campaign) -> list[Observation]:
    """Return the captures of a page until the end of the period, in their order."""
    return sorted(
        (observation for observation in page.captures if observation.at < campaign.until),
        key=capture_order_key,
    )


def _is_order_proven(event: Takedown) -> bool:
    earlier, *later = sorted((event.last_seen, event.first_gone), key=capture_order_key)
    first = earlier.proven_at
    others = [observation.proven_at for observation in (*later, *event.confirmations)]
    return first is not None and all(other is not None and first <= other for other in others)


def _conclude(
    page: WatchedPage, page_captures: Sequence[Observation], campaign: Campaign
) -> Conclusion:
    return conclude(
        page.identity,
        (*page_captures, *page.controls),
        page.confirm,
        few_words=not campaign.certain,
    )


def _of_one_page(page: WatchedPage) -> WatchedPage:
    """Return a page with its identity and account set in all captures."""
    account = _account(page.captures)
    return replace(
        page,
        captures=tuple(
            replace(observation, identity=page.identity, account=account)
            for observation in page.captures
        ),
    )


def _page(page: WatchedPage, campaign: Campaign, bracket: _Bracket) -> tuple[PageRow, _Life | None]:
    page_captures = _captures_until_end(page, campaign)
    found = _conclude(page, page_captures, campaign)
    inside = [observation for observation in page_captures if observation.at >= campaign.since]
    events = [event for event in found.events if _is_inside(event, campaign)]
    seen = _seen(page_captures, campaign)
    first_seen = seen[0] if seen else None
    removals = tuple(
        _removal(event, first_seen, bracket(event))
        for event in events
        if event.kind is TakedownKind.REMOVED
    )
    before = [event for event in found.events if event.at < campaign.since]
    fate, decided = _fate(
        page_captures, found.standing, found.events, seen, removed_inside=bool(removals)
    )
    row = PageRow(
        identity=page.identity,
        url=page.url,
        account=_account(page_captures),
        fate=fate,
        removals=removals,
        reinstated=tuple(
            event.event_id for event in events if event.kind is TakedownKind.REINSTATED
        ),
        first_seen=first_seen.began_at if first_seen else None,
        last_seen=seen[-1].at if seen else None,
        captures=len(inside),
        walls=sum(observation.content is Content.WALL for observation in inside),
        errors=sum(observation.content is Content.ERROR for observation in inside),
        longest_gap_ms=_longest_gap(inside, campaign),
        decided_by=tuple(observation.bundle_id for observation in decided),
    )
    was_gone = bool(before) and before[-1].kind is TakedownKind.REMOVED
    return row, None if was_gone else _life(first_seen, seen, inside, removals, events)


def _seen(page_captures: Sequence[Observation], campaign: Campaign) -> list[Observation]:
    """Return the captures that show the page."""
    if campaign.certain:
        return list(captures_that_show(page_captures))
    return [
        observation
        for observation in page_captures
        if observation.availability is Availability.AVAILABLE
    ]


def bracket_by_start(event: Takedown) -> tuple[datetime, datetime]:
    """
    Return the interval of an event as older reports have it: from the capture that began first.

    It differs from `Takedown.bracket` if one capture was made during the other.
    """
    earlier, later = sorted(
        (event.last_seen, event.first_gone), key=lambda observation: observation.began_at
    )
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
        bundles=tuple(observation.bundle_id for observation in captures_of_event(event)),
    )


def _fate(
    page_captures: Sequence[Observation],
    standing: PagePresence,
    events: Sequence[Takedown],
    seen: Sequence[Observation],
    *,
    removed_inside: bool,
) -> tuple[Fate, tuple[Observation, ...]]:
    """Return the fate of a page, and the captures that decided it."""
    if not page_captures:
        return Fate.UNCAPTURED, ()
    if standing is PagePresence.GONE:
        removal = [event for event in events if event.kind is TakedownKind.REMOVED][-1]
        return (Fate.GONE if removed_inside else Fate.GONE_BEFORE), captures_of_event(removal)
    unavailable = [
        observation
        for observation in page_captures
        if observation.availability is Availability.UNAVAILABLE
        and (not seen or capture_order_key(observation) > capture_order_key(seen[-1]))
    ]
    doubts = [observation for observation in unavailable if observation.takedown]
    hidden = [observation for observation in unavailable if not observation.takedown]
    if hidden and (not doubts or capture_order_key(hidden[-1]) > capture_order_key(doubts[-1])):
        return Fate.OWNER_SETTING, (*seen[-1:], hidden[-1])
    if doubts:
        return (Fate.UNCONFIRMED, (seen[-1], *doubts)) if seen else (Fate.NEVER_SEEN, tuple(doubts))
    if seen:
        return Fate.AVAILABLE, (seen[-1],)
    return Fate.INCONCLUSIVE, tuple(page_captures)


def _account(page_captures: Sequence[Observation]) -> str:
    accounts = {observation.account for observation in page_captures if observation.account}
    return accounts.pop() if len(accounts) == 1 else UNKNOWN_ACCOUNT


def _longest_gap(inside: Sequence[Observation], campaign: Campaign) -> int:
    moments = [
        campaign.since,
        *(observation.at for observation in inside),
        min(campaign.until, campaign.made_at),
    ]
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
    """Return how long a page lived; None if no capture shows it, or none is in the period."""
    if first_seen is None or not inside:
        return None
    removed = next((event for event in events if event.kind is TakedownKind.REMOVED), None)
    if removed is None:
        return _Life(max(0, _ms(seen[-1].began_at - first_seen.at)), None)
    return _Life(
        max(0, _ms(removed.last_seen.began_at - first_seen.at)),
        _ms(removals[0].ended - first_seen.began_at),
    )


def _survival(lives: Sequence[_Life]) -> tuple[tuple[Survival, ...], Span | None]:
    """
    Return the survival curve, and the bounds of the median.

    At any moment at least those pages are available that were seen later, and at most those that
    were not yet seen to be gone. Each step holds until the next.
    """
    if not lives:
        return (), None
    moments = sorted(
        {0, *(life.at_least for life in lives), *(life.at_most or 0 for life in lives)}
    )
    alive = sorted(life.at_least for life in lives)
    ended = sorted(life.at_most for life in lives if life.at_most is not None)
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
        [Span(at_least_ms=life.at_least, at_most_ms=life.at_most) for life in lives]
    )


def _median(spans: Sequence[Span]) -> Span | None:
    """
    Return the bounds of the median of lengths that are known as intervals.

    The median is monotone in each length, so the lower bounds give its lower bound and the upper
    bounds its upper one. Of an even number the lower of the two in the middle is taken.
    """
    if not spans:
        return None
    middle = (len(spans) - 1) // 2
    least = sorted(span.at_least_ms for span in spans)[middle]
    known = sorted(span.at_most_ms for span in spans if span.at_most_ms is not None)
    return Span(at_least_ms=least, at_most_ms=known[middle] if middle < len(known) else None)


def _accounts(campaign: Campaign, rows: Sequence[PageRow]) -> tuple[AccountRow, ...]:
    found = []
    by_account: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if row.account:
            by_account[row.account].append(number)
    for account, numbers in by_account.items():
        every = _events_of_account(account, numbers, campaign)
        events = [event for event in every if _is_inside(event, campaign)]
        found.append(
            AccountRow(
                account=account,
                pages=len(numbers),
                gone=sum(rows[number].fate in (Fate.GONE, Fate.GONE_BEFORE) for number in numbers),
                states=tuple(dict.fromkeys(event.state for event in events if event.state)),
                events=tuple(event.event_id for event in events),
            )
        )
    return tuple(found)


def _events_of_account(
    account: str, numbers: Sequence[int], campaign: Campaign
) -> tuple[Takedown, ...]:
    pages = [campaign.pages[number] for number in numbers]
    every = [
        observation
        for page in pages
        for observation in (*page.captures, *page.controls)
        if observation.at < campaign.until
    ]
    return conclude_account(
        account,
        {observation.bundle_id: observation for observation in every}.values(),
        pages[0].confirm,
        few_words=not campaign.certain,
    ).events


def _crossings(campaign: Campaign) -> Iterable[Crossing]:
    """Yield each time in the period at which a count of a page crossed a threshold."""
    for page in campaign.pages:
        page_captures = _captures_until_end(page, campaign)
        for crossing in crossings_of(series(page_captures), page.thresholds):
            if crossing.reached_at >= campaign.since:
                yield crossing


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
    whole = {row.account for row in accounts if row.gone == row.pages}
    yield Number(
        name="accounts.all-gone",
        value=len(whole),
        pages=_where([row.account in whole and bool(row.account) for row in rows]),
    )
    states = Counter(state for row in accounts for state in row.states)
    for state in sorted(states):
        its_accounts = [row for row in accounts if state in row.states]
        yield Number(
            name=f"accounts.state.{state}",
            value=states[state],
            events=tuple(event for row in its_accounts for event in row.events),
        )
    yield Number(
        name="crossings",
        value=len(crossings),
        bundles=tuple(
            dict.fromkeys(
                threshold
                for crossing in crossings
                for threshold in (crossing.below, crossing.reached)
                if threshold
            )
        ),
    )
    yield Number(name="gaps", value=sum(gap.event == "missed" for gap in campaign.gaps))
    yield Number(name="gaps.visits", value=sum(gap.visits for gap in campaign.gaps))


def _of_captures(campaign: Campaign) -> Iterable[Number]:
    inside = [
        (number, observation)
        for number, page in enumerate(campaign.pages)
        for observation in page.captures
        if _is_inside(observation, campaign)
    ]
    yield Number(
        name="captures",
        value=len(inside),
        pages=tuple(dict.fromkeys(number for number, _ in inside)),
    )
    kinds = Counter(observation.content for _, observation in inside)
    walls = Counter(observation.wall for _, observation in inside if observation.wall is not None)
    for kind in Content:
        if kinds[kind]:
            its = [(n, observation) for n, observation in inside if observation.content is kind]
            yield _captured(f"captures.{kind.value}", its, listed=kind is not Content.CONTENT)
    if campaign.certain:
        few = [
            (number, observation)
            for number, page in enumerate(campaign.pages)
            for observation in _few_words(page, campaign)
            if _is_inside(observation, campaign)
        ]
        if few:
            yield _captured("captures.few-words", few)
    for wall in sorted(walls):
        its = [(n, observation) for n, observation in inside if observation.wall is wall]
        yield _captured(f"captures.wall.{wall.value}", its)


def _few_words(page: WatchedPage, campaign: Campaign) -> list[Observation]:
    """Return the captures that show few words in place of the page."""
    page_captures = _captures_until_end(page, campaign)
    shown = {observation.bundle_id for observation in captures_that_show(page_captures)}
    return [
        observation
        for observation in page_captures
        if observation.availability is Availability.AVAILABLE and observation.bundle_id not in shown
    ]


def _captured(name: str, its: Sequence[tuple[int, Observation]], *, listed: bool = True) -> Number:
    """
    Return a number of captures. Those that show content are named by their pages, not by bundles.
    """
    return Number(
        name=name,
        value=len(its),
        pages=tuple(dict.fromkeys(number for number, _ in its)),
        bundles=tuple(observation.bundle_id for _, observation in its) if listed else (),
    )


def _of_pages(name: str, rows: Sequence[PageRow], chosen: Sequence[bool]) -> Number:
    its = [row for row, is_in in zip(rows, chosen, strict=True) if is_in]
    return Number(
        name=name,
        value=len(its),
        pages=_where(chosen),
        bundles=tuple(dict.fromkeys(bundle_id for row in its for bundle_id in row.decided_by)),
    )


def _of_removals(name: str, rows: Sequence[PageRow], chosen: Sequence[bool]) -> Number:
    removals = [
        removal
        for row, is_in in zip(rows, chosen, strict=True)
        if is_in
        for removal in row.removals
    ]
    return Number(
        name=name,
        value=sum(chosen),
        pages=_where(chosen),
        bundles=tuple(dict.fromkeys(bundle for removal in removals for bundle in removal.bundles)),
        events=tuple(removal.event_id for removal in removals),
    )


def _where(chosen: Sequence[bool]) -> tuple[int, ...]:
    return tuple(number for number, is_in in enumerate(chosen) if is_in)


def _ms(length: timedelta) -> int:
    return length // _MS
