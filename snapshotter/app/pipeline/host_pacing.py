"""
Limit the visits to hosts for commands that capture without a worker.

The limits are those of the queue. A `VisitTracker` keeps the state of hosts: `InMemoryVisitTracker`
in this process, or `jobs.queue.host_visits.DatabaseVisits` in the queue's database. In the database
a batch and the workers of a queue share budgets, which outlive the process.

    limiter = RateLimiter(tracker, clock)
    line = limiter.line(urls)
    while (turn := line.next()) is not None:
        if isinstance(turn, AllHostsWaiting):
            ...                       # no host may be visited now: wait
            continue
        captured = ...urls[turn.number]...
        again = line.done(turn, response_of(captured))
"""

import heapq
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from snapshotter.errors import ServiceUnavailable
from snapshotter.policy.host_responses import HostResponse
from snapshotter.policy.host_rules import DAY, Politeness, counted_host
from snapshotter.policy.politeness import (
    AllowedVisit,
    HostState,
    Load,
    VisitOutcome,
    VisitWait,
    WaitCause,
    budget_at,
    describe_wait,
    judge,
    state_after_start,
    visit_outcome,
)
from snapshotter.ports import Clock
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_ELSEWHERE = timedelta(seconds=1)  # other processes do not tell us when a visit has ended
_LONGEST_NAP_S = 60.0  # between two looks: the machine may have been asleep meanwhile


class HostBusy(ServiceUnavailable):
    """A host may not be visited for longer than the caller waits."""


class VisitTracker(Protocol):
    """
    The state of hosts, which decides when each may be visited.

    Any number of threads may call it. The limits hold for all that share the state.
    """

    @property
    def politeness(self) -> Politeness:
        """The limits."""

    def begin(self, key: str, *, urgent: bool = False) -> AllowedVisit | VisitWait:
        """
        Start a visit to a host if it is allowed now, or return when to try again.

        Raises:
            ServiceUnavailable: The state cannot be reached.
        """

    def end(self, visit: AllowedVisit, answer: HostResponse | None) -> VisitOutcome | None:
        """
        Record the response of a visit; None if there was no visit, which frees its slot.

        Raises:
            ServiceUnavailable: The state cannot be reached.
        """


class InMemoryVisitTracker:
    """
    The state of hosts in this process; it is lost when the process ends.

    Args:
        chance: Returns numbers from 0 up to 1, for jitter.
    """

    def __init__(self, politeness: Politeness, clock: Clock, chance: Callable[[], float]) -> None:
        self._politeness = politeness
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._states: dict[str, HostState] = {}
        self._starts: dict[str, deque[datetime]] = {}
        self._under_way: dict[int, str] = {}
        self._count = 0

    @property
    def politeness(self) -> Politeness:
        """The limits."""
        return self._politeness

    def begin(self, key: str, *, urgent: bool = False) -> AllowedVisit | VisitWait:
        """See `VisitTracker`."""
        rules = self._politeness.rules(key)
        with self._lock:
            now = self._clock.now()
            starts = self._starts.setdefault(key, deque())
            while starts and starts[0] <= now - DAY:
                starts.popleft()
            load = Load(
                host=sum(host_key == key for host_key in self._under_way.values()),
                all=len(self._under_way),
                worker=len(self._under_way),
                budget_at=budget_at(starts, rules.budget(urgent=urgent), now),
            )
            wait = judge(self._politeness, rules, self._state(key), load, now)
            if wait is not None:
                return wait
            self._states[key] = state_after_start(rules, self._state(key), now, self._chance())
            starts.append(now)
            self._count += 1
            self._under_way[self._count] = key
            return AllowedVisit(number=self._count, key=key, started_at=now)

    def end(self, visit: AllowedVisit, answer: HostResponse | None) -> VisitOutcome | None:
        """See `VisitTracker`."""
        with self._lock:
            del self._under_way[visit.number]
            starts = self._starts[visit.key]
            if answer is None:
                if visit.started_at in starts:
                    starts.remove(visit.started_at)
                return None
            now = self._clock.now()
            left = visit_outcome(
                self._politeness, visit.key, self._state, answer,
                started=visit.started_at, now=now, chance=self._chance,
            )  # fmt: skip
            self._states.update(left.states)
            if left.ended_at != visit.key:
                self._starts.setdefault(left.ended_at, deque()).append(now)
            return left

    def _state(self, key: str) -> HostState:
        return self._states.get(key, HostState())


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitTurn:
    """An address whose visit has started."""

    number: int  # its place among the addresses
    visit: AllowedVisit


@dataclass(frozen=True, slots=True, kw_only=True)
class AllHostsWaiting:
    """Addresses are left, and no host of them may be visited now."""

    until: datetime | None  # UTC; None: when a turn is done
    key: str  # of the host that is the first to be free again
    why: str  # for a person


class VisitQueue:
    """
    Addresses that wait for their hosts; the first one whose host is free is next.

    Any number of threads may take turns.
    """

    def __init__(
        self, visits: VisitTracker, clock: Clock, urls: Sequence[str], *, urgent: bool = False
    ) -> None:
        self._visits = visits
        self._clock = clock
        self._urgent = urgent
        self._lock = threading.Lock()
        self._waiting: dict[str, list[int]] = {}  # by host, heaps
        self._again: list[tuple[datetime, int, str]] = []  # a heap: to be visited once more
        # Each host with addresses left is in one of the three.
        self._ready: list[tuple[int, str]] = []  # a heap, by the first address
        self._later: list[tuple[datetime, str, str]] = []  # a heap, with why
        self._busy: dict[str, str] = {}  # until a turn is done, with why
        self._placed: set[str] = set()  # hosts that stand in one of them
        self._out: Counter[str] = Counter()  # turns that are not done, by host
        for number, url in enumerate(urls):
            self._waiting.setdefault(visits.politeness.key(url), []).append(number)
        for key in self._waiting:
            self._make_ready(key)

    def next(self) -> VisitTurn | AllHostsWaiting | None:
        """
        Start the next visit that is allowed; return None if no address is left.

        Raises:
            ServiceUnavailable: The state of hosts cannot be reached.
        """
        with self._lock:
            now = self._clock.now()
            while self._again and self._again[0][0] <= now:
                _, number, key = heapq.heappop(self._again)
                self._add(number, key)
            while self._later and self._later[0][0] <= now:
                key = heapq.heappop(self._later)[1]
                self._placed.discard(key)
                self._make_ready(key)
            while self._ready:
                _, key = self._ready[0]
                found = self._visits.begin(key, urgent=self._urgent)
                if isinstance(found, AllowedVisit):
                    self._leave_ready(key)
                    number = heapq.heappop(self._waiting[key])
                    self._make_ready(key)
                    self._out[key] += 1
                    return VisitTurn(number=number, visit=found)
                why = describe_wait(found, self._visits.politeness.rules(key))
                if found.cause in {WaitCause.ALL, WaitCause.WORKER}:  # no host may be asked
                    return AllHostsWaiting(until=self._soon(now), key=key, why=why)
                self._leave_ready(key)
                self._placed.add(key)
                if found.until is None and self._out[key]:
                    self._busy[key] = why
                else:
                    until = found.until or now + _ELSEWHERE
                    heapq.heappush(self._later, (until, key, why))
            return self._held()

    def done(
        self, turn: VisitTurn, answer: HostResponse | None, *, revisits: int = 0
    ) -> datetime | None:
        """
        Record the response of a visit; None if there was no visit.

        Args:
            revisits: How often this address was visited again before.

        Returns:
            When to visit the address again, since the host throttled us; `again` enqueues that
                visit.
        """
        key = turn.visit.key
        with self._lock:
            self._out[key] -= 1
            left = self._visits.end(turn.visit, answer)
            if self._busy.pop(key, None) is not None:
                self._placed.discard(key)
                self._make_ready(key)
            if left is None:
                return None
            return left.revisit_at(
                self._visits.politeness, revisits=revisits, now=self._clock.now()
            )

    def again(self, number: int, url: str, at: datetime) -> None:
        """Visit an address again, at that time or later."""
        with self._lock:
            heapq.heappush(self._again, (at, number, self._visits.politeness.key(url)))

    def _add(self, number: int, key: str) -> None:
        heapq.heappush(self._waiting.setdefault(key, []), number)
        self._make_ready(key)

    def _make_ready(self, key: str) -> None:
        numbers = self._waiting.get(key)
        if numbers and key not in self._placed:
            self._placed.add(key)
            heapq.heappush(self._ready, (numbers[0], key))

    def _leave_ready(self, key: str) -> None:
        heapq.heappop(self._ready)
        self._placed.discard(key)

    def _soon(self, now: datetime) -> datetime | None:
        return None if self._out.total() else now + _ELSEWHERE

    def _held(self) -> AllHostsWaiting | None:
        times = list(self._later[:1])
        if self._again:
            at, _, key = self._again[0]
            times.append(
                (
                    at,
                    key,
                    tr("the host reported too many requests, so the page is visited again later"),
                )
            )
        if times:
            until, key, why = min(times)
            return AllHostsWaiting(until=until, key=key, why=why)
        for key, why in self._busy.items():
            return AllHostsWaiting(until=None, key=key, why=why)
        return None


class RateLimiter:
    """
    Waits for hosts, for commands that visit addresses in a fixed order.

    Args:
        pause: Sleeps for so many seconds.
        patience: The longest wait for a host.
    """

    def __init__(
        self,
        visits: VisitTracker,
        clock: Clock,
        *,
        pause: Callable[[float], None] = time.sleep,
        patience: timedelta = timedelta(minutes=10),
    ) -> None:
        self._visits = visits
        self._clock = clock
        self._pause = pause
        self._patience = patience

    def line(self, urls: Sequence[str], *, urgent: bool = False) -> VisitQueue:
        """Return a queue of addresses, to be visited in the order that their hosts allow."""
        return VisitQueue(self._visits, self._clock, urls, urgent=urgent)

    def wait(
        self, url: str, show_message: Callable[[str], None], *, urgent: bool = False
    ) -> AllowedVisit:
        """
        Start a visit, when it is allowed.

        Args:
            show_message: Shows once what is waited for, if it takes longer than a moment.

        Raises:
            HostBusy: It is not allowed within our patience.
            ServiceUnavailable: The state of hosts cannot be reached.
        """
        key = self._visits.politeness.key(url)
        rules = self._visits.politeness.rules(key)
        is_shown = False
        began = self._clock.now()
        while True:
            found = self._visits.begin(key, urgent=urgent)
            if isinstance(found, AllowedVisit):
                return found
            now = self._clock.now()
            left_s = (found.until - now).total_seconds() if found.until is not None else 1.0
            why, host = describe_wait(found, rules), counted_host(url)
            if now + timedelta(seconds=left_s) - began > self._patience:
                raise HostBusy(
                    tr(
                        "{host} is not visited before {until:%Y-%m-%d %H:%M} UTC: {why}",
                        host=host,
                        until=found.until,
                        why=why,
                    )
                    if found.until is not None
                    else tr("{host} is not visited now: {why}", host=host, why=why),
                    hint=tr(
                        "capture the page later, use the queue, or change the rules for the "
                        "host: docs/reference/politeness.md"
                    ),
                )
            if left_s >= 1 and not is_shown:
                show_message(
                    tr(
                        "waiting {left_s:.0f} s for {host}: {why}",
                        left_s=left_s,
                        host=host,
                        why=why,
                    )
                )
                is_shown = True
            self._pause(min(max(left_s, 0.01), _LONGEST_NAP_S))

    def done(self, visit: AllowedVisit, answer: HostResponse | None) -> None:
        """Record the response of a visit; None if there was no visit."""
        self._visits.end(visit, answer)
