"""
Conclude from captures of one page that it was there, and is gone: events, and what is missing.

Pure: the same observations give the same events, in whatever order they arrived. Captures
are taken in the order in which they ended. One at a time changes the state:

    there ──unavailable──► doubted ──times, after, control──► REMOVED: gone
      ▲                       │ available                               │ available
      └───────────────────────┴───────────────REINSTATED◄───────────────┘

- Only what shows content is *available*, only the word of a rule is *unavailable*. A wall, an
  error, a notice that no rule knows and an owner's setting change nothing either way.
- Captures by one way through the network (`vantage`) confirm each other. A page that is gone
  by one way and then seen by another is a difference between the two, and no removal:
  the doubt begins anew, and needs that other way to say the same.
- Where the rules name another way, a removal waits until the page was asked for by it as well,
  whatever came of that; for an hour at most, for that way may be closed.
- A page of few words on a host that no rule file knows (`ambiguous`) may be a notice that nobody
  has described. Once a capture has certainly shown the page, only the same main text shows it;
  and it is no control: a host in trouble says a few words in the place of every page.
- An event is concluded by a capture, and rests on what came before it. Captures that come
  later never change an event: they make further ones.

Accounts go the same way, page by page: what a page says of the account behind it is a state
of the account and none of the page (docs/explanation/it-was-there-it-is-gone.md).
"""

import base64
import bisect
import enum
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from snapshotter.model.assessment import Availability, Cause
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.policy.identity import host_and_port

BURST = timedelta(minutes=15)  # events of one account that are no further apart are one burst

_WAIT_FOR_WAY = timedelta(hours=1)  # since a doubt began, for a look by another way
_GONE = "gone"  # the one state of a page that is not there, whatever the cause
_RESTORED = frozenset({TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED})
_OF_ACCOUNTS = frozenset({TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED})
# What a notice on a page says of the account behind it.
_STATES: Mapping[Cause, str] = {
    Cause.ACCOUNT_BLOCKED: "blocked",
    Cause.ACCOUNT_CLOSED: "closed",
    Cause.ACCOUNT_FROZEN: "frozen",
    Cause.ACCOUNT_ABNORMAL: "abnormal",
}


class Standing(enum.StrEnum):
    """What is known of a page now. The words are part of `--json`."""

    UNSEEN = "unseen"  # no capture shows it
    THERE = "there"
    DOUBTED = "doubted"  # unavailable, and that is not confirmed
    GONE = "gone"


class Lack(enum.StrEnum):
    """What keeps a doubt from being an event. The words are part of `--json`."""

    SEEN = "seen"  # it was never seen by this way before
    AGREEING = "agreeing"  # further captures that say the same
    TIME = "time"  # the captures that agree are too close together
    CONTROL = "control"  # no page of the same host was seen to be there in between
    VANTAGE = "vantage"  # by another way it is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One thing that is missing for an event."""

    lack: Lack
    count: int = 0  # of AGREEING: how many captures more
    after: datetime | None = None  # the earliest moment at which a capture would do
    host: str = ""  # of CONTROL: of which a page is wanted
    seen: Observation | None = None  # of VANTAGE: what was seen there


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What follows from the captures of one page, or of one account."""

    events: tuple[Takedown, ...]  # in their order; `previous` is not filled in
    standing: Standing
    missing: tuple[Missing, ...] = ()  # what a doubt needs to be an event
    last_seen: Observation | None = None  # in the state before the doubt
    first_gone: Observation | None = None  # with which the doubt began
    said: tuple[str, ...] = ()  # causes, or states, that captures of the doubt name, each once
    passed_over: tuple[Observation, ...] = ()  # that came in behind an event, and do not change it


def order(it: Observation) -> tuple[datetime, datetime, str]:
    """Return by what captures are put in their order."""
    return it.at, it.began_at, it.bundle_id


def ends_with(event: Takedown) -> Observation:
    """Return the capture by which an event was concluded."""
    if event.kind in _RESTORED:
        return event.last_seen
    return event.confirmations[-1] if event.confirmations else event.first_gone


def parts(event: Takedown) -> tuple[Observation, ...]:
    """Return all captures that an event rests on, each once, in their order."""
    every = (
        event.last_seen, event.first_gone, *event.confirmations, *event.controls,
        *event.vantages, *event.identified_by,
    )  # fmt: skip
    return tuple(sorted({it.bundle_id: it for it in every}.values(), key=order))


def conclude(
    identity: str,
    observations: Iterable[Observation],
    confirm: ConfirmRules,
    *,
    before: Takedown | None = None,
    few_words: bool = False,
    of_the_page: Collection[str] = (),
) -> Conclusion:
    """
    Return what follows from the captures of one page.

    Args:
        few_words: Pages of few words are controls, as they were when older events were concluded.
        of_the_page: Ids of captures in few words that are known to show the page.
        identity: Of the page; captures of other pages are controls.
        before: The newest event that was concluded: what came until then is done with.
    """
    every = sorted(observations, key=order)
    machine = _Machine(
        subject=identity,
        page=identity,
        confirm=confirm,
        controls=_controls(every, few_words=few_words),
        state=_state_of_page,
        word=_cause_of,
        kinds=(TakedownKind.REMOVED, TakedownKind.REINSTATED),
        of_the_page=of_the_page,
    )
    return machine.run([it for it in every if it.identity == identity], before)


def conclude_account(
    account: str,
    observations: Iterable[Observation],
    confirm: ConfirmRules,
    *,
    before: Takedown | None = None,
    few_words: bool = False,
    of_the_page: Collection[str] = (),
) -> Conclusion:
    """
    Return what follows for an account from what pages of it say of it.

    Each page is compared with itself: one that shows no state says nothing against another
    one that does. What the first page to show a new state makes an event of, the
    others only say again.
    """
    every = sorted(observations, key=order)
    confirm = replace(confirm, vantage="")  # pages are asked for by another way, and not accounts
    controls = _controls(every, few_words=few_words)
    pages: dict[str, list[Observation]] = {}
    for it in every:
        if it.account == account:
            pages.setdefault(it.identity, []).append(it)

    def by_page() -> list[Conclusion]:
        return [
            _Machine(
                subject=account,
                page=page,
                confirm=confirm,
                controls=controls,
                state=state_of,
                word=lambda it: state_of(it) or "",
                kinds=(TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED),
                of_the_page=of_the_page,
            ).run(mine, before)
            for page, mine in pages.items()
        ]

    events: list[Takedown] = []
    found = by_page()
    while any(it.events for it in found):
        before = min(
            (it.events[0] for it in found if it.events), key=lambda it: order(ends_with(it))
        )
        events.append(before)
        found = by_page()
    doubts = [
        (it, it.first_gone)
        for it in found
        if it.standing is Standing.DOUBTED and it.first_gone is not None
    ]
    changed = before is not None and before.kind is TakedownKind.ACCOUNT_CHANGED
    standing = Standing.GONE if changed else Standing.THERE if pages else Standing.UNSEEN
    if not doubts:
        return Conclusion(events=tuple(events), standing=standing)
    # The doubt that is the oldest is the nearest to an event.
    rest, _ = min(doubts, key=lambda it: order(it[1]))
    return replace(rest, events=tuple(events), standing=Standing.DOUBTED)


def again(event: Takedown, observations: Iterable[Observation]) -> Takedown | None:
    """
    Return the event as it follows from these captures alone; None if it does not.

    What is told beside it (`previous`, `articles`, `identified_by`) is left as it is, and
    so is the time that tokens prove.

    Args:
        observations: What was made of the event's own captures.
    """
    made = {it.bundle_id: it for it in observations}
    about = {it.bundle_id for it in event.identified_by}
    about -= {it.bundle_id for it in parts(replace(event, identified_by=()))}
    ours = [it for it in made.values() if it.bundle_id not in about]
    # That few words were those of the page can be what a capture said that the event does not name.
    its = (event.last_seen, event.first_gone, *event.confirmations)
    few, elsewhere = (
        tuple(it.bundle_id for it in them if it.ambiguous) for them in (its, event.vantages)
    )
    for of_the_page in dict.fromkeys(((), few, (*few, *elsewhere))):
        for found in _concluded(event, ours, of_the_page):
            told = replace(
                found,
                previous=event.previous,
                articles=event.articles,
                identified_by=tuple(made.get(it.bundle_id, it) for it in event.identified_by),
            )
            if found.event_id == event.event_id and _same(told, event):
                return told
    return None


def _concluded(
    event: Takedown, ours: Sequence[Observation], of_the_page: Collection[str]
) -> tuple[Takedown, ...]:
    of_account = event.kind in _OF_ACCOUNTS
    return (conclude_account if of_account else conclude)(
        event.identity,
        ours,
        event.confirm,
        before=_state_before(event, of_account=of_account),
        few_words=any(it.ambiguous for it in event.controls),  # as whoever signed it had it
        of_the_page=of_the_page,
    ).events


def _state_before(event: Takedown, *, of_account: bool) -> Takedown | None:
    """Return what stands for the event before: that what its earlier end shows was the state."""
    earlier = event.first_gone if event.kind in _RESTORED else event.last_seen
    if event.kind is TakedownKind.REMOVED or (
        event.kind is TakedownKind.ACCOUNT_CHANGED and not state_of(earlier)
    ):
        return None
    kind = TakedownKind.ACCOUNT_CHANGED if of_account else TakedownKind.REMOVED
    return replace(event, kind=kind, first_gone=earlier, confirmations=(), controls=(), vantages=())


def _same(one: Takedown, other: Takedown) -> bool:
    """Whether two events rest on the same captures, in the same roles, to the same end."""
    said = [
        (
            it.kind, it.at, it.identity, it.url, it.state, it.confirm,
            it.last_seen.sha256, it.first_gone.sha256,
            *(tuple(one.sha256 for one in role) for role in (
                it.confirmations, it.controls, it.vantages)),
        )
        for it in (one, other)
    ]  # fmt: skip
    return said[0] == said[1]


def state_of(it: Observation) -> str | None:
    """
    Return what a capture says of the account behind the page.

    Returns:
        "frozen", or several in the order of letters; "" where a page is shown and says nothing
        against its account; None where nothing can be said.
    """
    said = sorted({one.state for one in it.accounts})
    if said:
        return ", ".join(said)
    if it.availability is Availability.AVAILABLE:
        return ""
    if it.availability is Availability.UNAVAILABLE and it.cause is not None:
        return _STATES.get(it.cause)
    return None


def account_of(event: Takedown) -> str:
    """Return the account that an event is about, or whose page it is about; "" if unknown."""
    return event.last_seen.account or event.first_gone.account


def bursts(
    events: Iterable[Takedown], *, within: timedelta = BURST
) -> tuple[tuple[Takedown, ...], ...]:
    """
    Return events in groups: those of one account, each within that time of the one before.

    What belongs to no account that is known stands alone.
    """
    groups: list[list[Takedown]] = []
    newest: dict[str, list[Takedown]] = {}
    for event in sorted(events, key=lambda it: (it.at, it.event_id)):
        account = account_of(event)
        group = newest.get(account) if account else None
        if group is None or event.at - group[-1].at > within:
            group = newest[account] = []
            groups.append(group)
        group.append(event)
    return tuple(map(tuple, groups))


def event_id(event: Takedown) -> str:
    """Return the id of an event: the same for all who conclude it from the same captures."""
    said = [event.kind.value, event.identity]
    for role in (
        (event.last_seen,), (event.first_gone,), event.confirmations, event.controls, event.vantages
    ):  # fmt: skip
        said.append(" ".join(it.sha256 for it in role))
    digest = hashlib.sha256("\n".join(said).encode()).digest()
    letters = base64.b32encode(digest[:10]).decode("ascii").lower()
    return f"{event.at:%Y%m%dt%H%M%Sz}-{letters}"


# By host and vantage, the captures that show a page, in their order.
_Controls = Mapping[tuple[str, str], Sequence[Observation]]


@dataclass(slots=True)
class _Path:
    """What is known by one way through the network since the last event."""

    seen: Observation | None = None  # the newest one in the state that holds
    doubt: list[Observation] = field(default_factory=list)  # in another one since
    # By other ways: that it was in the state that holds when this way said otherwise already.
    contested: dict[str, Observation] = field(default_factory=dict)


class _Machine:
    """
    The state of a page, or that of an account as one page shows it.

    Args:
        subject: What events are about: the page, or the account.
        page: Whose captures it is given.
        state: Of a capture: "" where all is well, a word where not, None: it says nothing.
        word: In what captures of such a state have to agree.
        kinds: Of the event that a state is another one, and of the one that it is well again.
        of_the_page: Ids of captures in few words that are known to show the page.
    """

    def __init__(
        self,
        *,
        subject: str,
        page: str,
        confirm: ConfirmRules,
        controls: _Controls,
        state: Callable[[Observation], str | None],
        word: Callable[[Observation], str],
        kinds: tuple[TakedownKind, TakedownKind],
        of_the_page: Collection[str],
    ) -> None:
        self._subject = subject
        self._page = page
        self._confirm = confirm
        self._controls = controls
        self._state = state
        self._word = word
        self._changed, self._restored = kinds
        self._of_the_page = of_the_page
        self._holds = ""  # the state
        self._by = ""  # the way by which it was found, unless all is well
        self._elsewhere: Observation | None = None  # by another way it was well after that
        self._paths: dict[str, _Path] = {}
        self._looks: list[Observation] = []  # by the way that the rules name, whatever they show
        self._events: list[Takedown] = []
        self._text = ""  # digest of the main text that the page was last certain to show, or ""

    def run(self, observations: Sequence[Observation], before: Takedown | None) -> Conclusion:
        """Go through the captures of the page, in their order."""
        passed_over: tuple[Observation, ...] = ()
        if before is not None:
            done = order(ends_with(before))
            passed_over = tuple(it for it in observations if self._came_late(before, it))
            observations = [it for it in observations if order(it) > done]
            self._begin(before)
        for it in observations:
            if it.vantage == self._confirm.vantage:
                self._looks.append(it)
            state = self._state(it)
            if state is None or self._may_be_a_notice(it):
                continue
            if state == self._holds:
                self._holds_still(it)
            elif state:
                self._is_otherwise(it)
            else:
                self._is_well(it)
        return self._conclusion(passed_over)

    def _may_be_a_notice(self, it: Observation) -> bool:
        """Whether what a capture shows may be a notice in the page's place; takes note of texts."""
        if it.availability is not Availability.AVAILABLE:
            return False
        if not it.ambiguous:
            self._text = it.main_sha256
        return it.bundle_id not in self._of_the_page and _is_other(it, self._text)

    def _begin(self, event: Takedown) -> None:
        """Stand as after an event: nothing that came before it plays a part any more."""
        self._paths.clear()
        self._looks.clear()
        self._elsewhere = None
        seen = event.last_seen
        certain = seen.availability is Availability.AVAILABLE and not seen.ambiguous
        self._text = seen.main_sha256 if certain else ""
        last = ends_with(event)
        if last.identity == self._page:
            self._path(last).seen = last
        self._holds = self._state(last) or ""
        self._by = last.vantage if self._holds else ""

    def _came_late(self, event: Takedown, it: Observation) -> bool:
        """Whether a capture lies in the time of an event, and would have changed it."""
        state = self._state(it)
        early, late = sorted((event.last_seen, event.first_gone), key=order)
        if state is None or (it.vantage, it.identity) != (early.vantage, early.identity):
            return False
        if it.bundle_id in {one.bundle_id for one in parts(event)}:
            return False
        if order(early) < order(it) < order(late):
            return True  # the interval would be shorter
        return order(late) < order(it) < order(ends_with(event)) and state == self._state(early)

    def _path(self, it: Observation) -> _Path:
        return self._paths.setdefault(it.vantage, _Path())

    def _holds_still(self, it: Observation) -> None:
        path = self._path(it)
        path.seen = it
        path.doubt.clear()
        path.contested.clear()
        for other in self._paths.values():
            if other is not path and (other.doubt or other.contested):
                other.doubt.clear()
                other.contested[it.vantage] = it

    def _is_well(self, it: Observation) -> None:
        """All is well again, by the way by which it was found not to be."""
        before = self._path(it).seen
        if it.vantage != self._by:
            self._elsewhere = it
        elif before is not None:
            self._conclude(self._restored, last_seen=it, first_gone=before)

    def _is_otherwise(self, it: Observation) -> None:
        path = self._path(it)
        path.doubt.append(it)
        for other in self._paths.values():
            other.contested.pop(it.vantage, None)
        if path.seen is None or self._missing(path):
            return
        agreeing = self._agreeing(path)
        # As few as show it: the first, those that are wanted beside, and this one.
        chosen = [*agreeing[: max(self._confirm.times - 1, 1)], agreeing[-1]]
        first = path.doubt[0]
        control = self._control(agreeing[0])
        self._conclude(
            self._changed,
            last_seen=path.seen,
            first_gone=first,
            confirmations=tuple(one for one in dict.fromkeys(chosen) if one is not first),
            controls=(control,) if control is not None and order(control) < order(it) else (),
            vantages=self._by_other_ways(path.seen, first),
        )

    def _conclude(
        self,
        kind: TakedownKind,
        *,
        last_seen: Observation,
        first_gone: Observation,
        confirmations: tuple[Observation, ...] = (),
        controls: tuple[Observation, ...] = (),
        vantages: tuple[Observation, ...] = (),
    ) -> None:
        made = Takedown(
            event_id="",
            kind=kind,
            at=first_gone.at,
            identity=self._subject,
            url=first_gone.url,
            last_seen=last_seen,
            first_gone=first_gone,
            confirmations=confirmations,
            controls=controls,
            vantages=vantages,
            confirm=self._confirm,
        )
        last = ends_with(made)
        state = (self._state(last) or "") if kind in _OF_ACCOUNTS else ""
        made = replace(made, at=last.at, state=state)
        self._events.append(replace(made, event_id=event_id(made)))
        self._begin(made)

    def _agreeing(self, path: _Path) -> list[Observation]:
        """Return the captures of a doubt that say the same as its newest."""
        return [it for it in path.doubt if self._word(it) == self._word(path.doubt[-1])]

    def _missing(self, path: _Path) -> tuple[Missing, ...]:
        """Return what keeps a doubt from being an event."""
        found: list[Missing] = []
        if path.doubt:
            agreeing = self._agreeing(path)
            begin, end = agreeing[0], agreeing[-1]
            ripe = _later(begin.at, self._confirm.after)
            want = self._confirm.times - len(agreeing)
            needs = self._confirm.control or any(
                it.ambiguous or it.needs_control for it in agreeing
            )
            control = self._control(begin) if needs else None
            if needs and control is None:
                host = host_and_port(end.url)
                found.append(Missing(lack=Lack.CONTROL, host=host, after=begin.at))
            elif control is not None and order(control) > order(end):
                want = max(want, 1)  # the control has to lie before the last that agrees
            first = path.doubt[0]
            if self._confirm.vantage not in ("", first.vantage):
                look = self._look(first)
                if look is not None and order(look) > order(end):
                    want = max(want, 1)  # and so has what another way says
                elif look is None and end.at - first.at < _WAIT_FOR_WAY:
                    found.append(Missing(lack=Lack.VANTAGE, after=first.at))
            if want > 0:
                found.append(Missing(lack=Lack.AGREEING, count=want, after=ripe))
            elif end.at < ripe:
                found.append(Missing(lack=Lack.TIME, after=ripe))
        found += [Missing(lack=Lack.VANTAGE, seen=it) for it in path.contested.values()]
        return tuple(found)

    def _control(self, begin: Observation) -> Observation | None:
        """Return the first page of the same host that was seen to be there since `begin`."""
        known = self._controls.get((host_and_port(begin.url), begin.vantage), ())
        start = bisect.bisect_left(known, begin.began_at, key=lambda it: it.at)
        for it in known[start:]:
            if it.identity != self._page and it.began_at >= begin.began_at:
                return it
        return None

    def _look(self, first: Observation) -> Observation | None:
        """Return the first look by the way that the rules name, since a doubt began."""
        return next((it for it in self._looks if it.began_at >= first.began_at), None)

    def _by_other_ways(self, seen: Observation, first: Observation) -> tuple[Observation, ...]:
        """Return the newest that other ways said since it was last seen by this one."""
        found: list[Observation] = []
        if self._confirm.vantage != first.vantage and (look := self._look(first)) is not None:
            found.append(look)  # what the removal waited for, whatever it shows
        for vantage, other in self._paths.items():
            if vantage != first.vantage:
                newest = ([other.seen] if other.seen else []) + other.doubt[-1:]
                found += [it for it in newest if order(it) > order(seen)]
        return tuple(sorted({it.bundle_id: it for it in found}.values(), key=order))

    def _conclusion(self, passed_over: tuple[Observation, ...]) -> Conclusion:
        events = tuple(self._events)
        doubted = [it for it in self._paths.values() if it.doubt or it.contested]
        known = [it for it in doubted if it.seen is not None]
        if known:
            path = max(known, key=lambda it: order(it.doubt[-1]) if it.doubt else ())
            return Conclusion(
                events=events,
                standing=Standing.DOUBTED,
                missing=self._missing(path),
                last_seen=path.seen,
                first_gone=path.doubt[0] if path.doubt else None,
                said=tuple(dict.fromkeys(map(self._word, path.doubt))),
                passed_over=passed_over,
            )
        seen = [it.seen for it in self._paths.values() if it.seen is not None]
        missing: tuple[Missing, ...] = ()
        if self._holds:
            standing = Standing.GONE
            if self._elsewhere is not None:
                missing = (Missing(lack=Lack.VANTAGE, seen=self._elsewhere),)
        else:
            standing = Standing.THERE if seen else Standing.UNSEEN
            if doubted:
                missing = (Missing(lack=Lack.SEEN),)
        return Conclusion(
            events=events,
            standing=standing,
            missing=missing,
            last_seen=max(seen, key=order, default=None),
            passed_over=passed_over,
        )


def _later(at: datetime, after: timedelta) -> datetime:
    """Return when so long has passed; the end of all time where that is beyond it."""
    try:
        return at + after
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _state_of_page(it: Observation) -> str | None:
    if it.availability is Availability.AVAILABLE:
        return ""
    # What its owner has set is no take-down, and nothing that a page comes back from.
    return _GONE if it.availability is Availability.UNAVAILABLE and it.takedown else None


def _cause_of(it: Observation) -> str:
    return it.cause.value if it.cause else ""


def _controls(observations: Iterable[Observation], *, few_words: bool) -> _Controls:
    found: dict[tuple[str, str], list[Observation]] = {}
    for it in observations:
        if it.availability is Availability.AVAILABLE and (few_words or not it.ambiguous):
            found.setdefault((host_and_port(it.url), it.vantage), []).append(it)
    return found


def certainly_shown(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """
    Return the captures of one page that show it, in the order given.

    Few words are the page where nothing else was ever seen, and where they are the same words as
    those of a capture that certainly showed it.
    """
    found: list[Observation] = []
    text = ""
    for it in observations:
        if it.availability is not Availability.AVAILABLE or _is_other(it, text):
            continue
        text = text if it.ambiguous else it.main_sha256
        found.append(it)
    return tuple(found)


def _is_other(it: Observation, text: str) -> bool:
    """Whether few words stand where a text was certain before; `text` is its digest, or ""."""
    return it.ambiguous and bool(text) and it.main_sha256 != text
