"""
How hard a host may be worked: the rules, and when the next visit may start.

A visit is one page in one browser; what the page asks for besides is not counted. A host
is a name without its port and without "www.", or a group of names that the rules declare
to be one party. Pure: whoever keeps the state of hosts (a table that workers share, or a
process alone) asks `judge` before a visit, `begun` when it starts and `heard` when it
ended, and stores what they return. Chance comes in as a number, time as a moment.

What a host says is heard from the answer to the page alone (docs/adr, "What a host is").
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import Capture
from snapshotter.model.job import NORMAL
from snapshotter.policy.files import read_toml, shipped_directory
from snapshotter.policy.times import parse_duration

DAY = timedelta(hours=24)  # of a budget: any 24 hours, not those of a calendar
GROUP = "group:"  # how the key of several hosts begins; no host's name has a colon there
MOST_AT_ONCE = 1_000
_MOST_PER_DAY = 1_000_000
_LONGEST_HOST = 253  # characters of a name that can be asked (RFC 1035 section 2.3.4)
_MINUTES = 24 * 60
_WITH_RETRY_AFTER = {403, 503}  # throttling when they come with Retry-After
_MOST_SECONDS = 10**9  # of a Retry-After: more digits are nobody's wish


class Cause(StrEnum):
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


class Sign(StrEnum):
    """What the end of a visit says about its host."""

    WELL = "well"  # an answer: also 403, 404, 451, and a notice that comes as 200
    THROTTLED = "throttled"  # too much, says the host: by status, or by status and Retry-After
    UNWELL = "unwell"  # 5xx
    UNREACHABLE = "unreachable"


_CAUSES = {
    Sign.THROTTLED: Cause.THROTTLED,
    Sign.UNWELL: Cause.UNWELL,
    Sign.UNREACHABLE: Cause.UNREACHABLE,
}


@dataclass(frozen=True, slots=True)
class Quiet:
    """
    Hours of each day without visits, by a clock on the wall; over midnight if they end "before".

    On a day on which the clocks change they are never shorter than by that clock: a time
    that comes twice begins with the first and ends with the second, and one that never
    comes is taken for the earlier moment as a beginning and the later one as an end.
    """

    begins: time
    ends: time

    def __post_init__(self) -> None:
        if self.begins == self.ends:
            raise ValueError("quiet hours begin and end at different times")

    @override
    def __str__(self) -> str:
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}"

    def around(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """Return when the hours that hold at a moment end, UTC; None if none do."""
        today = moment.astimezone(zone).date()
        over_midnight = self.ends < self.begins
        for days in (-1, 0, 1):
            day = today + timedelta(days=days)
            last = day + timedelta(days=1) if over_midnight else day
            if _moments(day, self.begins, zone)[0] <= moment < _moments(last, self.ends, zone)[1]:
                return _moments(last, self.ends, zone)[1]
        return None


def _moments(day: Any, clock: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the earliest and the latest moment, UTC, at which a clock shows a time of a day."""
    wall = datetime.combine(day, clock, zone)
    both = [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min(both), max(both)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A range to draw from: from `floor` to twice, four times … of it, and never over `cap`."""

    floor: timedelta
    cap: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.floor <= self.cap:
            raise ValueError("a back-off is [at least, at most]")

    def draw(self, strikes: int, chance: float) -> timedelta:
        """Return a time with full jitter over the range of the n-th strike in a row, from 1."""
        widest = min(self.cap, self.floor * 2 ** min(strikes, 40)) if self.floor else self.cap
        return self.floor + (widest - self.floor) * chance


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What holds for one host, or for a group of them."""

    name: str  # of the table that they come from
    at_once: int
    every: timedelta  # from start to start
    jitter: float  # share of `every` to either side, 0 to 0.9
    per_day: int  # starts in any 24 hours; 0: no limit
    urgent: int  # of `per_day`, kept for what is urgent
    quiet: tuple[Quiet, ...]
    zone: ZoneInfo
    throttled_statuses: frozenset[int]
    throttled: Backoff
    unwell: Backoff
    unreachable: Backoff
    retry_after_at_most: timedelta
    revisits: int
    revisit_after: timedelta
    together: bool = False  # all hosts of this table are one

    def __post_init__(self) -> None:
        if self.per_day and self.urgent >= self.per_day:
            raise ValueError("urgent is less than per_day: it is a part of it")
        if len(covered(self.quiet)) >= _MINUTES:
            raise ValueError("the quiet hours leave no minute of a day")

    def free_at(self, moment: datetime) -> datetime:
        """Return the first moment from this one on that is not in quiet hours, UTC."""
        at = moment
        for _ in range(4 * len(self.quiet) + 4):
            ends = [end for it in self.quiet if (end := it.around(at, self.zone)) is not None]
            if not ends:
                return at
            at = max(ends)
        raise AssertionError("quiet hours that leave a minute of a day have an end")

    def budget(self, *, urgent: bool) -> int | None:
        """Return how many visits may start in 24 hours for this one to be among them."""
        if not self.per_day:
            return None
        return self.per_day if urgent else self.per_day - self.urgent


def covered(quiet: Iterable[Quiet]) -> set[int]:
    """Return the minutes of a day that quiet hours take."""
    minutes: set[int] = set()
    for hours in quiet:
        first = hours.begins.hour * 60 + hours.begins.minute
        last = hours.ends.hour * 60 + hours.ends.minute
        length = (last - first) % _MINUTES
        minutes.update((first + it) % _MINUTES for it in range(length))
    return minutes


@dataclass(frozen=True, slots=True)
class _Override:
    rules: HostRules
    names: frozenset[str]
    below: tuple[str, ...]  # ".weibo.com"
    networks: tuple[Any, ...]

    def holds(self, host: str) -> bool:
        if host in self.names or host.endswith(self.below):
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in it for it in self.networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """All rules, as a file says them."""

    source: str  # the file, for people
    all_at_once: int
    worker_at_once: int
    default: HostRules
    overrides: tuple[_Override, ...]  # the first that holds for a host counts

    def key(self, url: str) -> str:
        """
        Return under what name visits to an address are counted: a host, or `group:NAME`.

        Raises:
            ValueError: It has no host.
        """
        host = counted_host(url)
        rules = self._of_host(host)
        return f"{GROUP}{rules.name}" if rules.together else host

    def rules(self, key: str) -> HostRules:
        """Return what holds for a key; the default for a group that the file has no more."""
        if key.startswith(GROUP):
            name = key.removeprefix(GROUP)
            return next((it.rules for it in self.overrides if it.rules.name == name), self.default)
        return self._of_host(key)

    @property
    def most_at_once(self) -> int:
        """Visits at a time that any host may have at most."""
        return max(self.default.at_once, *(it.rules.at_once for it in self.overrides), 1)

    def _of_host(self, host: str) -> HostRules:
        return next((it.rules for it in self.overrides if it.holds(host)), self.default)


def counted_host(url: str) -> str:
    """
    Return the host of an address as it is counted: lower case, in ASCII, without port and "www.".

    Raises:
        ValueError: It has none.
    """
    host = (urlsplit(url.replace("\\", "/")).hostname or "").rstrip(".")
    if not host.isascii():
        with contextlib.suppress(UnicodeError):  # no name that is; it is a host all the same
            host = host.encode("idna").decode("ascii")
    host = host[:_LONGEST_HOST]  # a longer one can not be asked: it is counted, and that is all
    shorter = host.removeprefix("www.")
    if not host:
        raise ValueError("an address without a host")
    return shorter if "." in shorter else host


@dataclass(frozen=True, slots=True, kw_only=True)
class HostState:
    """What is remembered of one host between visits. All moments are UTC."""

    next_at: datetime | None = None  # by the interval; None: it was never visited
    resting_until: datetime | None = None  # backing off
    sign: Sign = Sign.WELL  # that made it so
    strikes: int = 0  # signs in a row that were not WELL
    struck_at: datetime | None = None  # when the last of them was counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is under way, and when the budget of 24 hours has room again."""

    host: int = 0
    all: int = 0
    worker: int = 0
    budget_at: datetime | None = None  # None: it has room


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now."""

    until: datetime | None  # ask again then; None: when a visit has ended
    cause: Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A visit that was allowed and has started."""

    number: int
    key: str
    started_at: datetime  # UTC


def in_words(wait: Wait, rules: HostRules) -> str:
    """Return why a visit has to wait, for a person."""
    return {
        Cause.IN_FLIGHT: f"{rules.at_once} at a time, and so many are under way",
        Cause.INTERVAL: f"the last visit began less than about {_short(rules.every)} ago",
        Cause.THROTTLED: "the host said that it is too much",
        Cause.UNWELL: "the host answered that it has trouble",
        Cause.UNREACHABLE: "the host did not answer",
        Cause.BUDGET: f"the day's budget of {rules.per_day} visits is spent",
        Cause.QUIET: "quiet hours",
        Cause.ALL: "as many visits as are allowed are under way, of all workers together",
        Cause.WORKER: "as many visits as are allowed are under way here",
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
) -> Wait | None:
    """
    Say whether a visit may start now: None is yes.

    A clock that was set back holds nobody up for longer than the rules could have.
    """
    times: list[tuple[datetime, Cause]] = []
    if state.next_at is not None:
        longest = now + rules.every * (1 + rules.jitter)
        times.append((min(state.next_at, longest), Cause.INTERVAL))
    if state.resting_until is not None and (cause := _CAUSES.get(state.sign)) is not None:
        longest = now + max(
            rules.retry_after_at_most, rules.throttled.cap, _backoff(rules, state).cap
        )
        times.append((min(state.resting_until, longest), cause))
    if load.budget_at is not None:
        times.append((min(load.budget_at, now + DAY), Cause.BUDGET))
    at, cause = max(times, default=(now, Cause.INTERVAL))
    at = max(at, now)
    free = rules.free_at(at)
    if free > now:
        return Wait(free, Cause.QUIET if free > at else cause)
    if load.host >= rules.at_once:
        return Wait(None, Cause.IN_FLIGHT)
    if load.all >= politeness.all_at_once:
        return Wait(None, Cause.ALL)
    if load.worker >= politeness.worker_at_once:
        return Wait(None, Cause.WORKER)
    return None


def begun(rules: HostRules, state: HostState, now: datetime, chance: float) -> HostState:
    """
    Return the state of a host once a visit to it has started.

    Args:
        chance: From 0 up to 1: where in the jitter the next start lies.
    """
    return replace(state, next_at=now + rules.every * (1 + rules.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a visit ended with, as far as its host is concerned."""

    sign: Sign
    retry_after: timedelta | None = None  # as the host asked, unbounded


def heard(
    rules: HostRules,
    state: HostState,
    what: Heard,
    *,
    started: datetime,
    now: datetime,
    chance: float,
) -> HostState:
    """
    Return the state of a host once a visit to it has ended.

    Visits that were under way when the host first complained complain of the same thing: they
    prolong a rest, and neither lengthen the next nor end it by an answer from before.

    Args:
        started: When this visit did.
        chance: From 0 up to 1: the jitter of the back-off.
    """
    earlier = state.struck_at is not None and started <= state.struck_at
    if what.sign is Sign.WELL:
        if earlier:
            return state
        return replace(state, strikes=0, sign=Sign.WELL, resting_until=None, struck_at=None)
    strikes = max(state.strikes, 1) if earlier else state.strikes + 1
    changed = replace(state, sign=what.sign, strikes=strikes)
    rest = _backoff(rules, changed).draw(strikes, chance)
    if what.sign is Sign.THROTTLED and what.retry_after is not None:
        rest = max(rest, min(what.retry_after, rules.retry_after_at_most))
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
    rules: HostRules, state: HostState, what: Heard, *, revisits: int, now: datetime
) -> datetime | None:
    """
    Return when a page has to be looked at once more, UTC; None: it stays as it is.

    Only a page that was throttled is: a refusal, a notice and an error are what the
    host has to say, and are evidence as they are.

    Args:
        state: Of the host, after `heard`.
        revisits: How many this capture has had.
    """
    if what.sign is not Sign.THROTTLED or revisits >= rules.revisits:
        return None
    at = now + rules.revisit_after * (1 << revisits)
    return max(at, state.resting_until) if state.resting_until is not None else at


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back from the page that a visit shows in the end."""

    status: int | None  # None: no answer came
    at: datetime  # by our clock, UTC
    retry_after: str = ""  # that field as it was received, or ""
    date: str = ""  # that field as it was received, or ""
    final_url: str = ""  # where that page is; "" for where it was asked for


def answer_of(captured: Capture) -> Answer:
    """Return what a capture met."""
    found = captured.response
    return Answer(
        status=found.status if found else None,
        at=captured.ended_at,
        retry_after=header(captured, "retry-after"),
        date=found.date_header if found else "",
        final_url=captured.final_url,
    )


def header(captured: Capture, name: str) -> str:
    """Return the first field of a name, lower case, of the answer to the page; "" if none."""
    fields = captured.response.headers if captured.response else ()
    return next((value for field, value in fields if field.lower() == name), "")


def hear(answer: Answer, rules: HostRules) -> Heard:
    """Return what an answer says about its host."""
    if answer.status is None:
        return Heard(sign=Sign.UNREACHABLE)
    asked = parse_retry_after(answer.retry_after, said_at=answer.date, ours=answer.at)
    return Heard(sign=sign_of(answer.status, asked, rules), retry_after=asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What a visit that has ended leaves behind."""

    states: Mapping[str, HostState]  # of every host that it concerns, by key
    ended_at: str  # key of the host whose page it shows; it counts as a visit there, too
    what: Heard  # from that host

    def revisit_at(
        self, politeness: Politeness, *, revisits: int, now: datetime
    ) -> datetime | None:
        """Return when to look at the page once more; see `revisit_at`."""
        rules, state = politeness.rules(self.ended_at), self.states[self.ended_at]
        return revisit_at(rules, state, self.what, revisits=revisits, now=now)


def after(
    politeness: Politeness,
    key: str,
    state_of: Callable[[str], HostState],
    answer: Answer,
    *,
    started: datetime,
    now: datetime,
    chance: Callable[[], float],
) -> After:
    """
    Return what a visit to a host leaves behind.

    One that was sent on to another host is a visit to both: the second is told of it when
    it has ended, and what its page says is said by the second alone.

    Args:
        key: Of the host that was asked.
    """
    ended_at = key
    if answer.final_url and answer.status is not None:
        with contextlib.suppress(ValueError):  # "about:blank" is no host's page
            ended_at = politeness.key(answer.final_url)
    states: dict[str, HostState] = {}
    if ended_at != key:
        well = Heard(sign=Sign.WELL)
        states[key] = heard(
            politeness.rules(key), state_of(key), well, started=started, now=now, chance=0.0
        )
    rules, state = politeness.rules(ended_at), state_of(ended_at)
    if ended_at != key:
        state = begun(rules, state, now, chance())
    what = hear(answer, rules)
    states[ended_at] = heard(rules, state, what, started=started, now=now, chance=chance())
    return After(states=states, ended_at=ended_at, what=what)


def sign_of(status: int, retry_after: timedelta | None, rules: HostRules) -> Sign:
    """Return what a status says about a host."""
    if status in rules.throttled_statuses:
        return Sign.THROTTLED
    if status in _WITH_RETRY_AFTER and retry_after is not None:
        return Sign.THROTTLED
    return Sign.UNWELL if 500 <= status <= 599 else Sign.WELL


def parse_retry_after(text: str, *, said_at: str, ours: datetime) -> timedelta | None:
    """
    Return how long a host asks to be left alone (RFC 9110, section 10.2.3); None if it does not.

    A date is read by the clock of whoever wrote it.

    Args:
        said_at: The answer's Date field, or "".
        ours: When the answer came by our clock, for an answer without one.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), _MOST_SECONDS))
    at = _http_date(text)
    if at is None:
        return None
    return max(at - (_http_date(said_at) or ours), timedelta(0))


def _http_date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at: datetime = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    try:
        # asctime names no zone, and "-0000" none that is known: HTTP has no other than UTC.
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, a few hours beyond
        return None


# Files ----------------------------------------------------------------------------------


class _Limit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    reason: str = ""
    at_once: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None


_Pair = Annotated[tuple[str, str], Field(strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    reason: str = ""
    at_once: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None
    every: str | None = None
    jitter: Annotated[float, Field(ge=0, le=0.9, strict=False)] | None = None
    per_day: Annotated[int, Field(ge=0, le=_MOST_PER_DAY)] | None = None
    urgent: Annotated[int, Field(ge=0, le=_MOST_PER_DAY)] | None = None
    quiet: Annotated[tuple[str, ...], Field(max_length=20, strict=False)] | None = None
    zone: str | None = None
    throttled_statuses: (
        Annotated[
            tuple[Annotated[int, Field(ge=400, le=599)], ...], Field(max_length=50, strict=False)
        ]
        | None
    ) = None
    throttled: _Pair | None = None
    unwell: _Pair | None = None
    unreachable: _Pair | None = None
    retry_after_at_most: str | None = None
    revisits: Annotated[int, Field(ge=0, le=20)] | None = None
    revisit_after: str | None = None


class _Host(_Table):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    hosts: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=255)], ...],
        Field(min_length=1, max_length=10_000, strict=False),
    ]
    together: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    all: _Limit = _Limit()
    worker: _Limit = _Limit()
    default: _Table = _Table()
    host: Annotated[tuple[_Host, ...], Field(max_length=1_000, strict=False)] = ()

    @field_validator("host")
    @classmethod
    def _have_names_of_their_own(cls, hosts: tuple[_Host, ...]) -> tuple[_Host, ...]:
        names = [it.name for it in hosts]
        if len(set(names)) < len(names):
            raise ValueError("two tables have one name")
        return hosts


def shipped_file() -> Path:
    """Return the rules that hold when none are named."""
    return shipped_directory() / "politeness" / "default.toml"


def load(path: Path | None = None) -> Politeness:
    """
    Read the rules: those of a file, over those that are shipped.

    What the file leaves out is as shipped; its `[[host]]` tables come before the shipped
    ones, and take the place of one of the same name.

    Raises:
        SnapshotterError: Not there, not TOML, or a key or value that has no meaning.
    """
    shipped = _read(shipped_file())
    if path is None:
        return _resolved(str(shipped_file()), shipped, shipped)
    return _resolved(str(path), _read(path), shipped)


def _read(path: Path) -> _File:
    try:
        return _File.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SnapshotterError(f"politeness in {path}: {where}: {first['msg']}") from error


def _resolved(source: str, file: _File, shipped: _File) -> Politeness:
    base = _values(shipped.default)
    default = base | _values(file.default)
    own = {it.name for it in file.host}
    tables = [*file.host, *(it for it in shipped.host if it.name not in own)]
    try:
        return Politeness(
            source=source,
            all_at_once=file.all.at_once or shipped.all.at_once or 1,
            worker_at_once=file.worker.at_once or shipped.worker.at_once or 1,
            default=_rules("default", default),
            overrides=tuple(_override(it, default | _values(it)) for it in tables),
        )
    except ValueError as error:
        raise SnapshotterError(f"politeness in {source}: {error}") from error


def _values(table: _Table) -> dict[str, Any]:
    return table.model_dump(exclude={"reason", "name", "hosts", "together"}, exclude_none=True)


def _override(table: _Host, values: Mapping[str, Any]) -> _Override:
    names: set[str] = set()
    below: list[str] = []
    networks: list[Any] = []
    for pattern in table.hosts:
        text = pattern.lower().rstrip(".")
        if "/" in text:
            networks.append(ip_network(text))  # ValueError says what is wrong with it
        elif text.startswith("*.") and "*" not in text[2:]:
            below.append(text[1:])
        elif "*" in text or ":" in text:
            raise ValueError(
                f"{table.name}: {pattern!r} is no host; write weibo.com, *.weibo.com or 127.0.0.0/8"
            )
        else:
            names.add(counted_host(f"http://{text}/"))
    rules = _rules(table.name, values, together=table.together)
    return _Override(rules, frozenset(names), tuple(below), tuple(networks))


def _rules(name: str, values: Mapping[str, Any], *, together: bool = False) -> HostRules:
    try:
        return HostRules(
            name=name,
            at_once=values["at_once"],
            every=parse_duration(values["every"]),
            jitter=values["jitter"],
            per_day=values["per_day"],
            urgent=min(values["urgent"], max(values["per_day"] - 1, 0)),
            quiet=tuple(parse_quiet(it) for it in values["quiet"]),
            zone=_zone(values["zone"]),
            throttled_statuses=frozenset(values["throttled_statuses"]),
            throttled=_range(values["throttled"]),
            unwell=_range(values["unwell"]),
            unreachable=_range(values["unreachable"]),
            retry_after_at_most=parse_duration(values["retry_after_at_most"]),
            revisits=values["revisits"],
            revisit_after=parse_duration(values["revisit_after"]),
            together=together,
        )
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _range(pair: tuple[str, str]) -> Backoff:
    return Backoff(floor=parse_duration(pair[0]), cap=parse_duration(pair[1]))


def parse_quiet(text: str) -> Quiet:
    """
    Return quiet hours from "22:00-06:30".

    Raises:
        ValueError: They are none.
    """
    begins, dash, ends = text.partition("-")
    try:
        if not dash or len(begins) != 5 or len(ends) != 5:
            raise ValueError
        return Quiet(time.fromisoformat(begins), time.fromisoformat(ends))
    except ValueError:
        raise ValueError(f"{text!r} are no quiet hours; write 22:00-06:30") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{name!r} is no time zone of the IANA list; write Asia/Shanghai"
        ) from None


# How long it takes ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEstimate:
    """How long the visits of one host take when nothing else is in their way."""

    key: str
    visits: int
    takes: timedelta  # to the end of the last
    bound_by: Cause | None  # what costs most of it; None: the visits themselves
    per_day: int  # visits that 24 hours carry at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long many visits take at these limits, at least."""

    visits: int
    takes: timedelta
    hosts: tuple[HostEstimate, ...]  # the slowest first


def estimate(
    politeness: Politeness,
    visits: Mapping[str, int],
    *,
    now: datetime,
    visit: timedelta,
    at_once: int,
) -> Estimate:
    """
    Return how long visits take: without throttling, at the middle of the jitter.

    Args:
        visits: How many of each key (`Politeness.key`).
        now: When they begin; quiet hours depend on it.
        visit: How long one takes.
        at_once: Over all hosts; the limit of `[all]` holds besides.
    """
    hosts = [
        _host_estimate(key, politeness.rules(key), count, now, visit)
        for key, count in visits.items()
        if count > 0
    ]
    hosts.sort(key=lambda it: (-it.takes, it.key))
    total = sum(it.visits for it in hosts)
    hands = max(1, min(at_once, politeness.all_at_once))
    work = visit * math.ceil(total / hands)
    slowest = hosts[0].takes if hosts else timedelta(0)
    return Estimate(visits=total, takes=max(slowest, work), hosts=tuple(hosts))


def per_day(rules: HostRules, visit: timedelta) -> int:
    """Return how many visits of a host 24 hours carry at most: 14,400 at one every 6 s."""
    spacing = _spacing(rules, visit)
    free = DAY * (1 - len(covered(rules.quiet)) / _MINUTES)
    fitting = int(free / spacing) if spacing else _MOST_PER_DAY
    return min(fitting, rules.per_day) if rules.per_day else fitting


def _spacing(rules: HostRules, visit: timedelta) -> timedelta:
    return max(rules.every, visit / rules.at_once)


def _host_estimate(
    key: str, rules: HostRules, count: int, now: datetime, visit: timedelta
) -> HostEstimate:
    spacing = _spacing(rules, visit)
    budget = rules.budget(urgent=False)
    starts: deque[datetime] = deque(maxlen=budget or 1)
    lost = dict.fromkeys((Cause.BUDGET, Cause.QUIET, Cause.INTERVAL), timedelta(0))
    at = now
    for number in range(count):
        paced = at + spacing if number else at
        lost[Cause.INTERVAL] += paced - at if rules.every > visit / rules.at_once else timedelta(0)
        full = budget is not None and len(starts) == budget
        within = max(paced, starts[0] + DAY) if full else paced
        lost[Cause.BUDGET] += within - paced
        at = rules.free_at(within) if rules.quiet else within
        lost[Cause.QUIET] += at - within
        starts.append(at)
    cause = max(lost, key=lambda it: lost[it])
    return HostEstimate(
        key=key,
        visits=count,
        takes=at + visit - now,
        bound_by=cause if lost[cause] > timedelta(0) else None,
        per_day=per_day(rules, visit),
    )


def is_urgent(priority: int) -> bool:
    """Return whether a job of this priority may spend what is kept for urgent ones."""
    return priority < NORMAL
