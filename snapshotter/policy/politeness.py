"""
Decide when the next visit to a host may start, from its rules and its state.

A visit is one page in one browser; requests for the page's parts are not counted. The caller
keeps the state of hosts (in a table that workers share, or in one process alone). It calls `judge`
before a visit, `state_after_start` when the visit starts, and `state_after_end` or `visit_outcome`
when it has ended, and stores the states that they return. `revisit_at` states when a throttled
page is visited once more. Random numbers and times are arguments.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from snapshotter.model.job import NORMAL
from snapshotter.policy.host_responses import HostResponse, HostSignal, Sign, interpret_response
from snapshotter.policy.host_rules import DAY, Backoff, HostRules, Politeness
from snapshotter.value_class import dataclass


class WaitCause(StrEnum):
    """Why a visit may not start now."""

    IN_FLIGHT = "in-flight"  # as many visits of this host as are allowed are under way
    INTERVAL = "interval"  # the last one started too short a time ago
    THROTTLED = "throttled"  # the host said that it is too much
    UNWELL = "unwell"  # the host answered that it has trouble
    UNREACHABLE = "unreachable"  # the host did not answer
    BUDGET = "budget"  # of 24 hours, spent
    QUIET = "quiet"  # hours
    ALL = "all"  # visits under way, of all workers
    WORKER = "worker"  # visits under way, of this one


_CAUSES = {
    Sign.THROTTLED: WaitCause.THROTTLED,
    Sign.UNWELL: WaitCause.UNWELL,
    Sign.UNREACHABLE: WaitCause.UNREACHABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What is stored of one host between visits. All moments are UTC."""

    next_at: datetime | None = None  # by the interval; None: it was never visited
    resting_until: datetime | None = None  # backing off
    sign: Sign = Sign.WELL  # that made it so
    strikes: int = 0  # signs in a row that were not WELL
    struck_at: datetime | None = None  # when the last of them was counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The visits under way, and when the budget of 24 hours has room again."""

    host: int = 0
    all: int = 0
    worker: int = 0
    budget_at: datetime | None = None  # None: it has room


@dataclass(frozen=True, slots=True)
class VisitWait:
    """A visit that may not start now, and why."""

    until: datetime | None  # ask again then; None: when a visit has ended
    cause: WaitCause


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedVisit:
    """A visit that was allowed and has started."""

    number: int
    key: str
    started_at: datetime  # UTC


def describe_wait(wait: VisitWait, rules: HostRules) -> str:
    """Return why a visit has to wait, for a person."""
    return {
        WaitCause.IN_FLIGHT: (
            f"the limit of simultaneous visits to the host is reached (limit: {rules.at_once})"
        ),
        WaitCause.INTERVAL: (
            f"the last visit to the host began less than about {_short(rules.every)} ago"
        ),
        WaitCause.THROTTLED: "the host answered that there were too many requests",
        WaitCause.UNWELL: "the host answered with a server error",
        WaitCause.UNREACHABLE: "the host did not answer",
        WaitCause.BUDGET: f"the limit of {rules.per_day} visits to the host in 24 hours is reached",
        WaitCause.QUIET: "the quiet hours of the host have not ended",
        WaitCause.ALL: "the limit of simultaneous visits of all workers together is reached",
        WaitCause.WORKER: "the limit of simultaneous visits of this worker is reached",
    }[wait.cause]


def _short(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def budget_at(starts: Sequence[datetime], budget: int | None, now: datetime) -> datetime | None:
    """
    Return when one more visit may start within a budget; None if now.

    Args:
        starts: Of at least the last `budget` visits, ascending.
    """
    if budget is None or len(starts) < budget:
        return None
    frees = starts[-budget] + DAY
    return frees if frees > now else None


def judge(
    politeness: Politeness, rules: HostRules, state: HostState, load: Load, now: datetime
) -> VisitWait | None:
    """
    Return why and until when a visit has to wait; None if it may start now.

    After the clock was set back, no visit waits for longer than the rules allow.
    """
    times: list[tuple[datetime, WaitCause]] = []
    if state.next_at is not None:
        longest = now + rules.every * (1 + rules.jitter)
        times.append((min(state.next_at, longest), WaitCause.INTERVAL))
    if state.resting_until is not None and (cause := _CAUSES.get(state.sign)) is not None:
        longest = now + max(
            rules.retry_after_at_most, rules.throttled.cap, _backoff(rules, state).cap
        )
        times.append((min(state.resting_until, longest), cause))
    if load.budget_at is not None:
        times.append((min(load.budget_at, now + DAY), WaitCause.BUDGET))
    at, cause = max(times, default=(now, WaitCause.INTERVAL))
    at = max(at, now)
    free = rules.free_at(at)
    if free > now:
        return VisitWait(free, WaitCause.QUIET if free > at else cause)
    if load.host >= rules.at_once:
        return VisitWait(None, WaitCause.IN_FLIGHT)
    if load.all >= politeness.all_at_once:
        return VisitWait(None, WaitCause.ALL)
    if load.worker >= politeness.worker_at_once:
        return VisitWait(None, WaitCause.WORKER)
    return None


def state_after_start(
    rules: HostRules, state: HostState, now: datetime, chance: float
) -> HostState:
    """
    Return the state of a host once a visit to it has started.

    Args:
        chance: From 0 up to 1: where in the jitter the next start lies.
    """
    return replace(state, next_at=now + rules.every * (1 + rules.jitter * (2 * chance - 1)))


def state_after_end(
    rules: HostRules,
    state: HostState,
    signal: HostSignal,
    *,
    started: datetime,
    now: datetime,
    chance: float,
) -> HostState:
    """
    Return the state of a host once a visit to it has ended.

    Visits that were under way at the first failure fail for the same reason: they prolong the
    pause, but do not increase the next one, and a success among them does not end it.

    Args:
        started: When this visit started.
        chance: From 0 up to 1: the jitter of the back-off.
    """
    earlier = state.struck_at is not None and started <= state.struck_at
    if signal.sign is Sign.WELL:
        if earlier:
            return state
        return replace(state, strikes=0, sign=Sign.WELL, resting_until=None, struck_at=None)
    strikes = max(state.strikes, 1) if earlier else state.strikes + 1
    changed = replace(state, sign=signal.sign, strikes=strikes)
    rest = _backoff(rules, changed).draw(strikes, chance)
    if signal.sign is Sign.THROTTLED and signal.retry_after is not None:
        rest = max(rest, min(signal.retry_after, rules.retry_after_at_most))
    until = now + rest
    if state.resting_until is not None and state.resting_until > until:
        # What was asked for before still holds, and for what it was asked.
        return replace(state, strikes=strikes, struck_at=now)
    return replace(changed, resting_until=until, struck_at=now)


def _backoff(rules: HostRules, state: HostState) -> Backoff:
    return {Sign.UNWELL: rules.unwell, Sign.UNREACHABLE: rules.unreachable}.get(
        state.sign, rules.throttled
    )


def revisit_at(
    rules: HostRules, state: HostState, signal: HostSignal, *, revisits: int, now: datetime
) -> datetime | None:
    """
    Return when a page has to be visited once more, UTC; None if its capture is final.

    Only a throttled page is visited again. A refusal, a notice and an error are the host's answer,
    and so are evidence.

    Args:
        state: Of the host, after `state_after_end`.
        revisits: How many this capture has had.
    """
    if signal.sign is not Sign.THROTTLED or revisits >= rules.revisits:
        return None
    at = now + rules.revisit_after * (1 << revisits)
    return max(at, state.resting_until) if state.resting_until is not None else at


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOutcome:
    """The states of the hosts after a visit, and the signal from the last one."""

    states: Mapping[str, HostState]  # of every host that it concerns, by key
    ended_at: str  # key of the host whose page it shows; it counts as a visit there, too
    signal: HostSignal  # from that host

    def revisit_at(
        self, politeness: Politeness, *, revisits: int, now: datetime
    ) -> datetime | None:
        """Return when to visit the page once more; see `revisit_at`."""
        rules, state = politeness.rules(self.ended_at), self.states[self.ended_at]
        return revisit_at(rules, state, self.signal, revisits=revisits, now=now)


def visit_outcome(
    politeness: Politeness,
    key: str,
    state_of: Callable[[str], HostState],
    answer: HostResponse,
    *,
    started: datetime,
    now: datetime,
    chance: Callable[[], float],
) -> VisitOutcome:
    """
    Return what follows from a visit for its host.

    A visit that was redirected to another host counts for both. The response is then a signal of
    the second host alone.

    Args:
        key: Of the host that was requested.
    """
    ended_at = key
    if answer.final_url and answer.status is not None:
        with contextlib.suppress(ValueError):  # "about:blank" is no host's page
            ended_at = politeness.key(answer.final_url)
    states: dict[str, HostState] = {}
    if ended_at != key:
        well = HostSignal(sign=Sign.WELL)
        states[key] = state_after_end(
            politeness.rules(key), state_of(key), well, started=started, now=now, chance=0.0
        )
    rules, state = politeness.rules(ended_at), state_of(ended_at)
    if ended_at != key:
        state = state_after_start(rules, state, now, chance())
    signal = interpret_response(answer, rules)
    states[ended_at] = state_after_end(
        rules, state, signal, started=started, now=now, chance=chance()
    )
    return VisitOutcome(states=states, ended_at=ended_at, signal=signal)


def is_urgent(priority: int) -> bool:
    """
    Return whether a job of this priority may use the visits that are reserved for urgent jobs.
    """
    return priority < NORMAL
