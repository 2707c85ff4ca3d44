"""
Read decay curves and seasons, and compute the times of the visits to a page from its curve.

The times of a curve count from first sight, the first visit to the page. A curve lists times, and
may then continue at one interval or at several in turn, until it ends. The same curve, seasons,
first sight and name give the same moments on every machine, so that two schedulers that do not know
of each other give the same visit the same number.

Jitter moves a visit to either side by a share of the time to its nearer neighbour. The share
comes from a hash of the name and the visit's number, so that the visits of many schedules are
spread and a site cannot learn the times from them. Jitter never changes the order of visits. A
season adds visits: it divides the time between two visits of the curve, which stay.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, pairwise
from typing import Annotated, Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats import toml
from snapshotter.formats.table import Field, Table, TableError
from snapshotter.policy.times import LONGEST, parse_duration
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_JITTER = 0.45  # below one half, neighbours cannot change places
MAX_VISITS = 10_000  # of one curve, seasons included
_SHORTEST = timedelta(seconds=60)  # between two visits that a season adds
_DAY = re.compile(r"(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One visit per interval, until `until` after first sight."""

    every: timedelta
    until: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """
    Listed times after first sight, ascending from zero, then paces.

    Raises:
        ValueError: Times that do not ascend, an interval of zero, or too many visits.
    """

    name: str
    at: tuple[timedelta, ...]
    then: tuple[Pace, ...] = ()

    def __post_init__(self) -> None:
        if not self.at or self.at[0] != timedelta(0):
            raise ValueError("a curve must begin at 0s, the time when the page is first seen")
        if any(later <= earlier for earlier, later in zip(self.at, self.at[1:], strict=False)):
            raise ValueError("the times of a curve must be in ascending order")
        end = self.at[-1]
        for pace in self.then:
            if pace.every < _SHORTEST:
                raise ValueError("an interval between visits must be 60 s or longer")
            if pace.until <= end:
                raise ValueError("each interval must end later than the entries before it")
            end = pace.until
        if end > LONGEST:
            raise ValueError("a curve must end within ten years")
        count = len(self.at)
        previous = self.at[-1]
        for pace in self.then:
            count += (pace.until - previous) // pace.every
            previous = pace.until
        if count > MAX_VISITS:
            raise ValueError(
                f"a curve may have at most {MAX_VISITS} visits, but this curve has {count}"
            )

    def offsets(self) -> Iterator[timedelta]:
        """Yield the nominal times after first sight, without jitter and seasons."""
        yield from self.at
        last = self.at[-1]
        for pace in self.then:
            while last + pace.every <= pace.until:
                last += pace.every
                yield last


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """
    Days of each year, both included, on which visits come closer together.

    If `begins` is after `ends`, the season contains the turn of the year.
    """

    begins: tuple[int, int]  # month, day
    ends: tuple[int, int]
    factor: float  # of the time between two visits, 0.05 to 1

    def __post_init__(self) -> None:
        for month, day in (self.begins, self.ends):
            date(2000, month, day)  # a leap year: the 29th of February is a day
        if not 0.05 <= self.factor <= 1:
            raise ValueError("the factor of a season must be from 0.05 to 1")

    def holds(self, moment: datetime) -> bool:
        """Return whether a moment is in the season, by the date of its own time zone."""
        today = (moment.month, moment.day)
        if self.begins <= self.ends:
            return self.begins <= today <= self.ends
        return today >= self.begins or today <= self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One time at which a page is to be visited."""

    number: int  # from 0, the first sight; the same on every machine
    nominal: datetime  # as the curve has it
    at: datetime  # with jitter


def visits(
    curve: Curve,
    first_seen: datetime,
    *,
    name: str,
    jitter: float = 0.0,
    seasons: Sequence[Season] = (),
) -> Iterator[Visit]:
    """
    Yield every visit of a watch, in order.

    Args:
        first_seen: Aware; seasons are dates of its time zone. What lies between two visits is
            real time, also where a clock is set forward or back, and visits are in UTC.
        name: The watch's; jitter is a function of it.
        jitter: Share of the time to the nearer visit beside it, to either side; 0 to 0.45.

    Raises:
        ValueError: A naive time, or a jitter out of range.
    """
    if first_seen.tzinfo is None:
        raise ValueError("first_seen must be a time with a time zone")
    if not 0 <= jitter <= MAX_JITTER:
        raise ValueError(f"jitter must be from 0 to {MAX_JITTER}")
    previous = first_seen.astimezone(UTC)
    moments = chain(_nominal(curve, first_seen, seasons), (None,))
    for number, (nominal, following) in enumerate(pairwise(moments)):
        assert nominal is not None  # noqa: S101  only the last of all is None
        room = nominal - previous
        if following is not None:
            room = min(room, following - nominal)
        share = jitter_share(name, number) * jitter
        yield Visit(number=number, nominal=nominal, at=nominal + share * room)
        previous = nominal


def _nominal(curve: Curve, first_seen: datetime, seasons: Sequence[Season]) -> Iterator[datetime]:
    # In UTC: sums of a zone's own times are off by an hour when its clock is set.
    first, zone = first_seen.astimezone(UTC), first_seen.tzinfo
    previous, count = first, 0
    for offset in curve.offsets():
        moment = first + offset
        gap = moment - previous
        parts = season_parts(seasons, previous.astimezone(zone), gap)
        for part in range(1, parts + 1):
            if count >= MAX_VISITS:
                return
            count += 1
            yield moment if part == parts else previous + gap * part / parts
        previous = moment


def season_parts(seasons: Sequence[Season], begins: datetime, gap: timedelta) -> int:
    """Return into how many parts the time between two visits that begins then is divided."""
    factor = min((season.factor for season in seasons if season.holds(begins)), default=1.0)
    return max(1, min(round(1 / factor), gap // _SHORTEST))


def jitter_share(name: str, number: int | str) -> float:
    """Return the jitter of one visit, from -1 to 1."""
    digest = hashlib.sha256(f"{name}\n{number}".encode()).digest()
    return int.from_bytes(digest[:8]) / (1 << 63) - 1


def parse_season(begins: str, ends: str, factor: float) -> Season:
    """
    Return a season from two days of the year, `MM-DD`.

    Raises:
        ValueError: Invalid days, or a factor out of range.
    """
    days = []
    for text in (begins, ends):
        match = _DAY.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a day of the year in the form MM-DD")
        days.append((int(match[1]), int(match[2])))
    return Season(begins=days[0], ends=days[1], factor=factor)


class _Pace(Table):
    every: str
    until: str


class _Curve(Table):
    reason: str = ""
    at: Annotated[list[str], Field(min_length=1, max_length=1000)]
    then: Annotated[list[_Pace], Field(max_length=50)] = Field(default_factory=list)


def parse_curves(text: str, source: str) -> Mapping[str, Curve]:
    """
    Return the curves of a TOML file, by name.

    Args:
        source: The file's name, for messages.

    Raises:
        SnapshotterError: Not TOML, an unknown key, or an invalid curve; the message names it.
    """
    try:
        tables: dict[str, Any] = toml.loads(text)
    except (ValueError, RecursionError) as error:
        raise SnapshotterError(
            tr("{source} is not valid TOML: {error}", source=source, error=error)
        ) from error
    curves: dict[str, Curve] = {}
    for name, table in tables.items():
        try:
            found = _Curve.read(table)
            curves[name] = Curve(
                name=name,
                at=tuple(parse_duration(duration) for duration in found.at),
                then=tuple(
                    Pace(every=parse_duration(pace.every), until=parse_duration(pace.until))
                    for pace in found.then
                ),
            )
        except TableError as error:
            first = error.mistakes[0]
            where = ".".join(str(part) for part in (name, *first.where))
            raise SnapshotterError(f"{source}: {where}: {first.message}") from error
        except ValueError as error:
            raise SnapshotterError(f"{source}: {name}: {error}") from error
    return curves
