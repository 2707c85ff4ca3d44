"""
Define the politeness rules for hosts: intervals, parallel visits, budgets, quiet hours, back-offs.

`Politeness` finds the rules for an address. A host is a name without its port and without "www.",
or a group of names that the rules declare to be one party.
"""

import contextlib
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from snapshotter.policy.quiet_hours import MINUTES_OF_DAY, QuietHours, quiet_minutes
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAY = timedelta(hours=24)  # of a budget: any 24 hours, not those of a calendar
GROUP = "group:"  # how the key of several hosts begins; no host's name has a colon there
MOST_AT_ONCE = 1_000
MOST_PER_DAY = 1_000_000
_LONGEST_HOST = 253  # characters of a name that can be asked (RFC 1035 section 2.3.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """A back-off: drawn from `floor` up to twice, four times … of it, and never over `cap`."""

    floor: timedelta
    cap: timedelta

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.floor <= self.cap:
            raise ValueError(
                "a back-off must be [shortest, longest], and shortest must not exceed longest"
            )

    def draw(self, strikes: int, chance: float) -> timedelta:
        """Return a time with full jitter, for the n-th failure in a row, counted from 1."""
        widest = min(self.cap, self.floor * 2 ** min(strikes, 40)) if self.floor else self.cap
        return self.floor + (widest - self.floor) * chance


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """The rules for one host, or for a group of hosts."""

    name: str  # of the table that they come from
    at_once: int
    every: timedelta  # from start to start
    jitter: float  # share of `every` to either side, 0 to 0.9
    per_day: int  # starts in any 24 hours; 0: no limit
    urgent: int  # of `per_day`, kept for what is urgent
    quiet: tuple[QuietHours, ...]
    zone: "ZoneInfo"
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
            raise ValueError(
                "urgent must be less than per_day, because urgent visits are part of per_day"
            )
        if len(quiet_minutes(self.quiet)) >= MINUTES_OF_DAY:
            raise ValueError("the quiet hours must not cover the whole day")

    def free_at(self, moment: datetime) -> datetime:
        """Return the first moment, from this one on, outside the quiet hours, UTC."""
        at = moment
        for _ in range(4 * len(self.quiet) + 4):
            ends = [end for hours in self.quiet if (end := hours.around(at, self.zone)) is not None]
            if not ends:
                return at
            at = max(ends)
        raise AssertionError("quiet hours that leave a minute of a day have an end")

    def budget(self, *, urgent: bool) -> int | None:
        """Return how many visits may start in 24 hours for this one to be among them."""
        if not self.per_day:
            return None
        return self.per_day if urgent else self.per_day - self.urgent


@dataclass(frozen=True, slots=True)
class Override:
    """The rules of a `[[host]]` table, and the hosts that they apply to."""

    rules: HostRules
    names: frozenset[str]
    below: tuple[str, ...]  # ".weibo.com"
    networks: tuple[Any, ...]

    def holds(self, host: str) -> bool:
        """Return whether they apply to a host: a name, or an address in one of the networks."""
        if host in self.names or host.endswith(self.below):
            return True
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """All politeness rules of a file."""

    source: str  # the file, for people
    all_at_once: int
    worker_at_once: int
    default: HostRules
    overrides: tuple[Override, ...]  # the first that holds for a host counts

    def key(self, url: str) -> str:
        """
        Return the key under which visits to an address are counted: a host, or `group:NAME`.

        Raises:
            ValueError: The address has no host.
        """
        host = counted_host(url)
        rules = self._of_host(host)
        return f"{GROUP}{rules.name}" if rules.together else host

    def rules(self, key: str) -> HostRules:
        """Return the rules for a key; the default for a group that the file no longer has."""
        if key.startswith(GROUP):
            name = key.removeprefix(GROUP)
            return next(
                (override.rules for override in self.overrides if override.rules.name == name),
                self.default,
            )
        return self._of_host(key)

    @property
    def most_at_once(self) -> int:
        """The largest number of parallel visits that any host may have."""
        return max(
            self.default.at_once, *(override.rules.at_once for override in self.overrides), 1
        )

    def _of_host(self, host: str) -> HostRules:
        return next(
            (override.rules for override in self.overrides if override.holds(host)), self.default
        )


def counted_host(url: str) -> str:
    """
    Return the host of an address as it is counted: lower case, in ASCII, without port and "www.".

    Raises:
        ValueError: The address has no host.
    """
    host = (urlsplit(url.replace("\\", "/")).hostname or "").rstrip(".")
    if not host.isascii():
        with contextlib.suppress(UnicodeError):  # no name that is; it is a host all the same
            host = host.encode("idna").decode("ascii")
    host = host[:_LONGEST_HOST]  # a longer one cannot be asked: it is counted, and that is all
    shorter = host.removeprefix("www.")
    if not host:
        raise ValueError("the address has no host")
    return shorter if "." in shorter else host
