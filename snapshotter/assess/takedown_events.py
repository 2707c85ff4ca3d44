"""
Derive take-down events (removals and reinstatements) from the captures of one page or account.

A `Conclusion` also has the present state, and the evidence that is missing for an event.

The same observations give the same events, in whatever order they arrived. Captures are
considered in the order in which they ended. Each may change the state:

    there ──unavailable──► doubted ──times, after, control──► REMOVED: gone
      ▲                       │ available                               │ available
      └───────────────────────┴───────────────REINSTATED◄───────────────┘

- A page is *available* only if a capture shows its content, and *unavailable* only by a rule. A
  wall, an error, a notice that no rule has and an owner's setting do not change the state.
- Captures by one way through the network (`vantage`) confirm each other. A page that is gone
  by one way and then seen by another is a difference between the two, and no removal:
  the doubt begins anew, and needs the other way to agree.
- If the rules name another way, a removal waits until the page was requested by it as well,
  whatever the result; for an hour at most, because that way may be closed.
- A page of few words on a host without a rule file (`ambiguous`) may be an unknown notice. Once
  a capture has certainly shown the page, only the same main text shows it. Such a page is no
  control: a host in trouble shows a few words in the place of every page.
- An event is concluded at one capture, and is based on it and on those before it. Later
  captures never change an event; they can lead to further ones.

Accounts are treated in the same way, page by page: what a page states about the account behind
it is a state of the account, not of the page (docs/explanation/it-was-there-it-is-gone.md).
"""

import base64
import bisect
import enum
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta

from snapshotter.model.assessment import Availability, Cause
from snapshotter.model.takedown import (
    ACCOUNT_KINDS,
    ConfirmRules,
    Observation,
    Takedown,
    TakedownKind,
)
from snapshotter.policy.page_identity import host_and_port
from snapshotter.value_class import dataclass

BURST = timedelta(minutes=15)  # events of one account that are no further apart are one burst

_WAIT_FOR_WAY = timedelta(hours=1)  # since a doubt began, for a look by another way
_GONE = "gone"  # the one state of a page that is not there, whatever the cause
_RESTORED = frozenset({TakedownKind.REINSTATED, TakedownKind.ACCOUNT_RESTORED})
# What a notice on a page says of the account behind it.
_STATES: Mapping[Cause, str] = {
    Cause.ACCOUNT_BLOCKED: "blocked",
    Cause.ACCOUNT_CLOSED: "closed",
    Cause.ACCOUNT_FROZEN: "frozen",
    Cause.ACCOUNT_ABNORMAL: "abnormal",
}


class PagePresence(enum.StrEnum):
    """The present state of a page. The values are part of `--json`."""

    UNSEEN = "unseen"  # no capture shows it
    THERE = "there"
    DOUBTED = "doubted"  # unavailable, and that is not confirmed
    GONE = "gone"


class MissingKind(enum.StrEnum):
    """What keeps a doubt from being an event. The values are part of `--json`."""

    SEEN = "seen"  # it was never seen by this way before
    AGREEING = "agreeing"  # further captures that say the same
    TIME = "time"  # the captures that agree are too close together
    CONTROL = "control"  # no page of the same host was seen to be there in between
    VANTAGE = "vantage"  # by another way it is there


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingEvidence:
    """One thing that is missing for an event."""

    lack: MissingKind
    count: int = 0  # of AGREEING: how many captures more
    after: datetime | None = None  # the earliest moment at which a capture would do
    host: str = ""  # of CONTROL: of which a page is wanted
    seen: Observation | None = None  # of VANTAGE: what was seen there


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """
    The events and the present state that follow from the captures of one page, or one account.
    """

    events: tuple[Takedown, ...]  # in their order; `previous` is not filled in
    standing: PagePresence
    missing: tuple[MissingEvidence, ...] = ()  # what a doubt needs to be an event
    last_seen: Observation | None = None  # in the state before the doubt
    first_gone: Observation | None = None  # with which the doubt began
    said: tuple[str, ...] = ()  # causes, or states, that captures of the doubt name, each once
    passed_over: tuple[Observation, ...] = ()  # that came in behind an event, and do not change it


def capture_order_key(observation: Observation) -> tuple[datetime, datetime, str]:
    """Return the key by which captures are ordered."""
    return observation.at, observation.began_at, observation.bundle_id


def last_capture_of_event(event: Takedown) -> Observation:
    """Return the capture by which an event was concluded."""
    if event.kind in _RESTORED:
        return event.last_seen
    return event.confirmations[-1] if event.confirmations else event.first_gone


def captures_of_event(event: Takedown) -> tuple[Observation, ...]:
    """Return all captures that an event rests on, each once, in their order."""
    every = (
        event.last_seen, event.first_gone, *event.confirmations, *event.controls,
        *event.vantages, *event.identified_by,
    )  # fmt: skip
    return tuple(
        sorted(
            {observation.bundle_id: observation for observation in every}.values(),
            key=capture_order_key,
        )
    )


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
    Return the events and the state that follow from the captures of one page.

    Args:
        identity: Of the page; captures of other pages are controls.
        before: The newest event that was concluded: captures up to it are not used again.
        few_words: Pages of few words are controls, as when older events were concluded.
        of_the_page: Ids of captures in few words that are known to show the page.
    """
    every = sorted(observations, key=capture_order_key)
    machine = _Machine(
        subject=identity,
        page=identity,
        confirm=confirm,
        controls=_controls(every, few_words=few_words),
        state=_state_of_page,
        word=_cause_of,
        changed=TakedownKind.REMOVED,
        restored=TakedownKind.REINSTATED,
        of_the_page=of_the_page,
    )
    return machine.run(
        [observation for observation in every if observation.identity == identity], before
    )


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
    Return the events and the state of an account that follow from what its pages state of it.

    Each page is compared with itself: a page that states nothing does not contradict another one
    that does. The first page to show a new state makes an event; the others make no further one.
    """
    every = sorted(observations, key=capture_order_key)
    confirm = replace(confirm, vantage="")  # pages are asked for by another way, and not accounts
    controls = _controls(every, few_words=few_words)
    pages: dict[str, list[Observation]] = {}
    for observation in every:
        if observation.account == account:
            pages.setdefault(observation.identity, []).append(observation)

    def by_page() -> list[Conclusion]:
        return [
            _Machine(
                subject=account,
                page=page,
                confirm=confirm,
                controls=controls,
                state=account_state_in,
                word=lambda observation: account_state_in(observation) or "",
                changed=TakedownKind.ACCOUNT_CHANGED,
                restored=TakedownKind.ACCOUNT_RESTORED,
                of_the_page=of_the_page,
            ).run(mine, before)
            for page, mine in pages.items()
        ]

    events: list[Takedown] = []
    found = by_page()
    while any(conclusion.events for conclusion in found):
        before = min(
            (conclusion.events[0] for conclusion in found if conclusion.events),
            key=lambda event: capture_order_key(last_capture_of_event(event)),
        )
        events.append(before)
        found = by_page()
    doubts = [
        (conclusion, conclusion.first_gone)
        for conclusion in found
        if conclusion.standing is PagePresence.DOUBTED and conclusion.first_gone is not None
    ]
    changed = before is not None and before.kind is TakedownKind.ACCOUNT_CHANGED
    standing = (
        PagePresence.GONE if changed else PagePresence.THERE if pages else PagePresence.UNSEEN
    )
    if not doubts:
        return Conclusion(events=tuple(events), standing=standing)
    # The doubt that is the oldest is the nearest to an event.
    rest, _ = min(doubts, key=lambda pair: capture_order_key(pair[1]))
    return replace(rest, events=tuple(events), standing=PagePresence.DOUBTED)


def conclude_again(event: Takedown, observations: Iterable[Observation]) -> Takedown | None:
    """
    Conclude an event again from its own captures; return None if it does not follow from them.

    `previous`, `articles` and `identified_by` are not concluded: they are copied, and so are the
    times that tokens prove.

    Args:
        observations: Made from the event's own captures.
    """
    made = {observation.bundle_id: observation for observation in observations}
    about = {observation.bundle_id for observation in event.identified_by}
    about -= {
        observation.bundle_id for observation in captures_of_event(replace(event, identified_by=()))
    }
    ours = [observation for observation in made.values() if observation.bundle_id not in about]
    # That few words were those of the page can be what a capture said that the event does not name.
    its = (event.last_seen, event.first_gone, *event.confirmations)
    few, elsewhere = (
        tuple(observation.bundle_id for observation in them if observation.ambiguous)
        for them in (its, event.vantages)
    )
    for of_the_page in dict.fromkeys(((), few, (*few, *elsewhere))):
        for found in _concluded(event, ours, of_the_page):
            concluded = replace(
                found,
                previous=event.previous,
                articles=event.articles,
                identified_by=tuple(
                    made.get(observation.bundle_id, observation)
                    for observation in event.identified_by
                ),
            )
            if found.event_id == event.event_id and _same(concluded, event):
                return concluded
    return None


def _concluded(
    event: Takedown, ours: Sequence[Observation], of_the_page: Collection[str]
) -> tuple[Takedown, ...]:
    of_account = event.kind in ACCOUNT_KINDS
    return (conclude_account if of_account else conclude)(
        event.identity,
        ours,
        event.confirm,
        before=_state_before(event, of_account=of_account),
        few_words=any(
            observation.ambiguous for observation in event.controls
        ),  # as whoever signed it had it
        of_the_page=of_the_page,
    ).events


def _state_before(event: Takedown, *, of_account: bool) -> Takedown | None:
    """Return an event that stands for the state before `event`, which its earlier end shows."""
    earlier = event.first_gone if event.kind in _RESTORED else event.last_seen
    if event.kind is TakedownKind.REMOVED or (
        event.kind is TakedownKind.ACCOUNT_CHANGED and not account_state_in(earlier)
    ):
        return None
    kind = TakedownKind.ACCOUNT_CHANGED if of_account else TakedownKind.REMOVED
    return replace(event, kind=kind, first_gone=earlier, confirmations=(), controls=(), vantages=())


def _same(one: Takedown, other: Takedown) -> bool:
    """
    Return whether two events rest on the same captures, in the same roles, with the same result.
    """
    said = [
        (
            event.kind, event.at, event.identity, event.url, event.state, event.confirm,
            event.last_seen.sha256, event.first_gone.sha256,
            *(tuple(observation.sha256 for observation in role) for role in (
                event.confirmations, event.controls, event.vantages)),
        )
        for event in (one, other)
    ]  # fmt: skip
    return said[0] == said[1]


def account_state_in(observation: Observation) -> str | None:
    """
    Return the state that a capture shows of the account behind the page.

    Returns:
        "frozen", or several in alphabetical order; "" if the page is shown and states nothing
        against its account; None if nothing can be concluded.
    """
    said = sorted({account.state for account in observation.accounts})
    if said:
        return ", ".join(said)
    if observation.availability is Availability.AVAILABLE:
        return ""
    if observation.availability is Availability.UNAVAILABLE and observation.cause is not None:
        return _STATES.get(observation.cause)
    return None


def account_of(event: Takedown) -> str:
    """Return the account of an event, or of its page; "" if unknown."""
    return event.last_seen.account or event.first_gone.account


def group_bursts(
    events: Iterable[Takedown], *, within: timedelta = BURST
) -> tuple[tuple[Takedown, ...], ...]:
    """
    Group events of one account that are each within that time of the one before.

    An event of a change, or without a known account, is a group of its own.
    """
    groups: list[list[Takedown]] = []
    newest: dict[str, list[Takedown]] = {}
    for event in sorted(events, key=lambda takedown: (takedown.at, takedown.event_id)):
        account = account_of(event) if event.kind is not TakedownKind.CHANGED else ""
        group = newest.get(account) if account else None
        if group is None or event.at - group[-1].at > within:
            group = newest[account] = []
            groups.append(group)
        group.append(event)
    return tuple(map(tuple, groups))


def event_id(event: Takedown) -> str:
    """
    Return the id of an event, which follows from its captures: whoever concludes it gets the same.
    """
    said = [event.kind.value, event.identity]
    for role in (
        (event.last_seen,), (event.first_gone,), event.confirmations, event.controls, event.vantages
    ):  # fmt: skip
        said.append(" ".join(observation.sha256 for observation in role))
    digest = hashlib.sha256("\n".join(said).encode()).digest()
    letters = base64.b32encode(digest[:10]).decode("ascii").lower()
    return f"{event.at:%Y%m%dt%H%M%Sz}-{letters}"


# By host and vantage, the captures that show a page, in their order.
_Controls = Mapping[tuple[str, str], Sequence[Observation]]


@dataclass(slots=True)
class _Path:
    """The state since the last event by one way through the network."""

    seen: Observation | None = None  # the newest one in the state that holds
    doubt: list[Observation] = field(default_factory=list)  # in another one since
    # By other ways: that it was in the state that holds when this way said otherwise already.
    contested: dict[str, Observation] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Machine:
    """The state of a page, or of an account as one page shows it."""

    subject: str  # of the events: the page, or the account
    page: str  # whose captures are given
    confirm: ConfirmRules
    controls: _Controls
    # Returns "" for a capture in the good state, a word for another one, None if it shows no state.
    state: Callable[[Observation], str | None]
    word: Callable[[Observation], str]  # in what the captures of a state have to agree
    changed: TakedownKind  # of the event that leaves the good state
    restored: TakedownKind  # of the event that returns to it
    of_the_page: Collection[str]  # ids of captures in few words that are known to show the page
    _current: str = ""  # the state that was concluded last; "" is the good one
    _changed_by: str = ""  # the way by which another state was found
    _elsewhere: Observation | None = None  # in the good state by another way after that
    _paths: dict[str, _Path] = field(default_factory=dict)
    # By the way that the rules name, whatever they show.
    _looks: list[Observation] = field(default_factory=list)
    _events: list[Takedown] = field(default_factory=list)
    _text: str = ""  # digest of the main text that the page was last certain to show, or ""

    def run(self, observations: Sequence[Observation], before: Takedown | None) -> Conclusion:
        """Go through the captures of the page, in their order."""
        passed_over: tuple[Observation, ...] = ()
        if before is not None:
            done = capture_order_key(last_capture_of_event(before))
            passed_over = tuple(
                observation for observation in observations if self._came_late(before, observation)
            )
            observations = [
                observation for observation in observations if capture_order_key(observation) > done
            ]
            self._begin(before)
        for observation in observations:
            if observation.vantage == self.confirm.vantage:
                self._looks.append(observation)
            state = self.state(observation)
            if state is None or self._may_be_a_notice(observation):
                continue
            if state == self._current:
                self._take_same_state(observation)
            elif state:
                self._take_other_state(observation)
            else:
                self._take_good_state(observation)
        return self._conclusion(passed_over)

    def _may_be_a_notice(self, observation: Observation) -> bool:
        """
        Return whether a capture may show a notice in place of the page; remember certain texts.
        """
        if observation.availability is not Availability.AVAILABLE:
            return False
        if not observation.ambiguous:
            self._text = observation.main_sha256
        return observation.bundle_id not in self.of_the_page and _is_other(observation, self._text)

    def _begin(self, event: Takedown) -> None:
        """Begin anew after an event: captures before it are not used any more."""
        self._paths.clear()
        self._looks.clear()
        self._elsewhere = None
        seen = event.last_seen
        certain = seen.availability is Availability.AVAILABLE and not seen.ambiguous
        self._text = seen.main_sha256 if certain else ""
        last = last_capture_of_event(event)
        if last.identity == self.page:
            self._path(last).seen = last
        self._current = self.state(last) or ""
        self._changed_by = last.vantage if self._current else ""

    def _came_late(self, event: Takedown, observation: Observation) -> bool:
        """Return whether a capture lies in the time of an event, and would have changed it."""
        state = self.state(observation)
        early, late = sorted((event.last_seen, event.first_gone), key=capture_order_key)
        if state is None or (observation.vantage, observation.identity) != (
            early.vantage,
            early.identity,
        ):
            return False
        if observation.bundle_id in {
            observation.bundle_id for observation in captures_of_event(event)
        }:
            return False
        if capture_order_key(early) < capture_order_key(observation) < capture_order_key(late):
            return True  # the interval would be shorter
        return capture_order_key(late) < capture_order_key(observation) < capture_order_key(
            last_capture_of_event(event)
        ) and state == self.state(early)

    def _path(self, observation: Observation) -> _Path:
        return self._paths.setdefault(observation.vantage, _Path())

    def _take_same_state(self, observation: Observation) -> None:
        path = self._path(observation)
        path.seen = observation
        path.doubt.clear()
        path.contested.clear()
        for other in self._paths.values():
            if other is not path and (other.doubt or other.contested):
                other.doubt.clear()
                other.contested[observation.vantage] = observation

    def _take_good_state(self, observation: Observation) -> None:
        """
        Take a capture in the good state, by the way that showed the other state or by another.
        """
        before = self._path(observation).seen
        if observation.vantage != self._changed_by:
            self._elsewhere = observation
        elif before is not None:
            self._conclude(self.restored, last_seen=observation, first_gone=before)

    def _take_other_state(self, observation: Observation) -> None:
        path = self._path(observation)
        path.doubt.append(observation)
        for other in self._paths.values():
            other.contested.pop(observation.vantage, None)
        if path.seen is None or self._missing(path):
            return
        agreeing = self._agreeing(path)
        # As few as show it: the first, those that are wanted beside, and this one.
        chosen = [*agreeing[: max(self.confirm.times - 1, 1)], agreeing[-1]]
        first = path.doubt[0]
        control = self._control(agreeing[0])
        self._conclude(
            self.changed,
            last_seen=path.seen,
            first_gone=first,
            confirmations=tuple(
                observation for observation in dict.fromkeys(chosen) if observation is not first
            ),
            controls=(control,)
            if control is not None and capture_order_key(control) < capture_order_key(observation)
            else (),
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
            identity=self.subject,
            url=first_gone.url,
            last_seen=last_seen,
            first_gone=first_gone,
            confirmations=confirmations,
            controls=controls,
            vantages=vantages,
            confirm=self.confirm,
        )
        last = last_capture_of_event(made)
        state = (self.state(last) or "") if kind in ACCOUNT_KINDS else ""
        made = replace(made, at=last.at, state=state)
        self._events.append(replace(made, event_id=event_id(made)))
        self._begin(made)

    def _agreeing(self, path: _Path) -> list[Observation]:
        """Return the captures of a doubt that agree with its newest."""
        return [
            observation
            for observation in path.doubt
            if self.word(observation) == self.word(path.doubt[-1])
        ]

    def _missing(self, path: _Path) -> tuple[MissingEvidence, ...]:
        """Return what keeps a doubt from being an event."""
        found: list[MissingEvidence] = []
        if path.doubt:
            agreeing = self._agreeing(path)
            begin, end = agreeing[0], agreeing[-1]
            ripe = _later(begin.at, self.confirm.after)
            want = self.confirm.times - len(agreeing)
            needs = self.confirm.control or any(
                observation.ambiguous or observation.needs_control for observation in agreeing
            )
            control = self._control(begin) if needs else None
            if needs and control is None:
                host = host_and_port(end.url)
                found.append(MissingEvidence(lack=MissingKind.CONTROL, host=host, after=begin.at))
            elif control is not None and capture_order_key(control) > capture_order_key(end):
                want = max(want, 1)  # the control has to lie before the last that agrees
            first = path.doubt[0]
            if self.confirm.vantage not in ("", first.vantage):
                look = self._look(first)
                if look is not None and capture_order_key(look) > capture_order_key(end):
                    want = max(want, 1)  # and so has what another way says
                elif look is None and end.at - first.at < _WAIT_FOR_WAY:
                    found.append(MissingEvidence(lack=MissingKind.VANTAGE, after=first.at))
            if want > 0:
                found.append(MissingEvidence(lack=MissingKind.AGREEING, count=want, after=ripe))
            elif end.at < ripe:
                found.append(MissingEvidence(lack=MissingKind.TIME, after=ripe))
        found += [
            MissingEvidence(lack=MissingKind.VANTAGE, seen=observation)
            for observation in path.contested.values()
        ]
        return tuple(found)

    def _control(self, begin: Observation) -> Observation | None:
        """Return the first capture since `begin` that shows another page of the same host."""
        known = self.controls.get((host_and_port(begin.url), begin.vantage), ())
        start = bisect.bisect_left(known, begin.began_at, key=lambda observation: observation.at)
        for observation in known[start:]:
            if observation.identity != self.page and observation.began_at >= begin.began_at:
                return observation
        return None

    def _look(self, first: Observation) -> Observation | None:
        """Return the first capture by the way that the rules name, since a doubt began."""
        return next(
            (observation for observation in self._looks if observation.began_at >= first.began_at),
            None,
        )

    def _by_other_ways(self, seen: Observation, first: Observation) -> tuple[Observation, ...]:
        """Return the newest captures by other ways since this way last saw the page."""
        found: list[Observation] = []
        if self.confirm.vantage != first.vantage and (look := self._look(first)) is not None:
            found.append(look)  # what the removal waited for, whatever it shows
        for vantage, other in self._paths.items():
            if vantage != first.vantage:
                newest = ([other.seen] if other.seen else []) + other.doubt[-1:]
                found += [
                    observation
                    for observation in newest
                    if capture_order_key(observation) > capture_order_key(seen)
                ]
        return tuple(
            sorted(
                {observation.bundle_id: observation for observation in found}.values(),
                key=capture_order_key,
            )
        )

    def _conclusion(self, passed_over: tuple[Observation, ...]) -> Conclusion:
        events = tuple(self._events)
        doubted = [path for path in self._paths.values() if path.doubt or path.contested]
        known = [path for path in doubted if path.seen is not None]
        if known:
            path = max(known, key=lambda way: capture_order_key(way.doubt[-1]) if way.doubt else ())
            return Conclusion(
                events=events,
                standing=PagePresence.DOUBTED,
                missing=self._missing(path),
                last_seen=path.seen,
                first_gone=path.doubt[0] if path.doubt else None,
                said=tuple(dict.fromkeys(map(self.word, path.doubt))),
                passed_over=passed_over,
            )
        seen = [path.seen for path in self._paths.values() if path.seen is not None]
        missing: tuple[MissingEvidence, ...] = ()
        if self._current:
            standing = PagePresence.GONE
            if self._elsewhere is not None:
                missing = (MissingEvidence(lack=MissingKind.VANTAGE, seen=self._elsewhere),)
        else:
            standing = PagePresence.THERE if seen else PagePresence.UNSEEN
            if doubted:
                missing = (MissingEvidence(lack=MissingKind.SEEN),)
        return Conclusion(
            events=events,
            standing=standing,
            missing=missing,
            last_seen=max(seen, key=capture_order_key, default=None),
            passed_over=passed_over,
        )


def _later(at: datetime, after: timedelta) -> datetime:
    """Return a moment plus a duration; the latest possible moment if it is beyond that."""
    try:
        return at + after
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def _state_of_page(observation: Observation) -> str | None:
    if observation.availability is Availability.AVAILABLE:
        return ""
    # What its owner has set is no take-down, and nothing that a page comes back from.
    return (
        _GONE
        if observation.availability is Availability.UNAVAILABLE and observation.takedown
        else None
    )


def _cause_of(observation: Observation) -> str:
    return observation.cause.value if observation.cause else ""


def _controls(observations: Iterable[Observation], *, few_words: bool) -> _Controls:
    found: dict[tuple[str, str], list[Observation]] = {}
    for observation in observations:
        if observation.availability is Availability.AVAILABLE and (
            few_words or not observation.ambiguous
        ):
            found.setdefault((host_and_port(observation.url), observation.vantage), []).append(
                observation
            )
    return found


def captures_that_show(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """
    Return the captures of one page that show it, in the order given.

    Few words show the page if nothing else was ever seen, or if they are the same as in a capture
    that certainly showed it.
    """
    found: list[Observation] = []
    text = ""
    for observation in observations:
        if observation.availability is not Availability.AVAILABLE or _is_other(observation, text):
            continue
        text = text if observation.ambiguous else observation.main_sha256
        found.append(observation)
    return tuple(found)


def _is_other(observation: Observation, text: str) -> bool:
    """Return whether few words replace a certain text; `text` is its digest, or ""."""
    return observation.ambiguous and bool(text) and observation.main_sha256 != text
