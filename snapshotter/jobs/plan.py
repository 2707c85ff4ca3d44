"""
When a schedule wants a page visited, and what is done about visits that were not made in time.

Pure. A visit is known by its slot: the whole second for which the plan has it, without
jitter. The same plan, first sight and name give the same slots and the same jitter on
every machine, so that two schedulers mean the same visit by the same slot.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.jobs.cron import Cron, zone
from snapshotter.policy.curve import (
    MAX_JITTER,
    Curve,
    Pace,
    Season,
    season_parts,
    share_of,
    visits,
)
from snapshotter.policy.quiet import Quiet, covered, parse_quiet
from snapshotter.policy.times import duration_words

SHORTEST = timedelta(seconds=60)  # of `--every`
DEFAULT_LATE = timedelta(hours=1)
MOST_DUE = 1_000  # slots of one address that are looked at in one go
MOST_MADE_UP = 100  # visits of one address that `all` makes up for in one go
_MOMENT = timedelta(microseconds=1)
_MINUTES = 24 * 60


class CatchUp(StrEnum):
    """What becomes of visits that were due while nobody looked. The words are options."""

    SKIP = "skip"  # the newest is made if it is not too late; the others are gaps
    LATEST = "latest"  # the newest is made, however late; the others are gaps
    ALL = "all"  # each is made


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One time to look."""

    nominal: datetime  # as the plan has it: UTC, whole seconds; what the visit is known by
    at: datetime  # with jitter, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A rule for visits: a cron expression, a pace, or a curve.

    Raises:
        ValueError: Not exactly one of the three, or something that does not go together.
        SnapshotterError: No such zone or expression.
    """

    cron: str = ""
    every: timedelta | None = None  # from first sight, or from `start`
    curve: Curve | None = None  # the same; kept whole: what a name means may change
    zone: str = "UTC"  # of the cron expression, and of the days of seasons
    start: datetime | None = None  # UTC
    end: datetime | None = None  # UTC; nothing is due then or later
    jitter: float = 0.0  # share of the time to the nearer visit beside it
    seasons: tuple[Season, ...] = ()
    quiet: tuple[Quiet, ...] = ()  # hours of each day, by `zone`, in which nothing is due
    catch_up: CatchUp = CatchUp.SKIP
    max_late: timedelta | None = DEFAULT_LATE  # None: however late, if `catch_up` allows

    def __post_init__(self) -> None:
        if (bool(self.cron), self.every is not None, self.curve is not None).count(True) != 1:
            raise ValueError("a schedule has exactly one of --cron, --every and --curve")
        zone(self.zone)
        if self.cron:
            Cron(self.cron, self.zone)
            if self.seasons:
                raise ValueError("a season divides a pace or a curve, not a cron expression")
        if self.every is not None and self.every < SHORTEST:
            raise ValueError("--every is of 60 s or more")
        if not 0 <= self.jitter <= MAX_JITTER:
            raise ValueError(f"jitter is from 0 to {MAX_JITTER:.0%}")
        if len(covered(self.quiet)) >= _MINUTES:
            raise ValueError("the quiet hours leave no minute of a day")
        if self.start and self.end and self.end <= self.start:
            raise ValueError("a schedule ends after it begins")
        if self.max_late is not None and self.max_late < SHORTEST:
            raise ValueError("--max-late is of 60 s or more: a worker is never exact")
        if self.max_late is None and self.catch_up is CatchUp.SKIP:
            raise ValueError("skip has a --max-late; to make up for any delay: latest")

    def first(self, since: datetime, name: str) -> Slot | None:
        """Return the first visit of a page that was first seen at `since`."""
        return self.after(self._begins(since) - _MOMENT, since, name)

    def after(self, moment: datetime, since: datetime, name: str) -> Slot | None:
        """
        Return the first slot after a moment; None when there is none.

        What would be visited in quiet hours has no slot, and is no gap; but for the first sight,
        which does not come again.

        Args:
            since: When the page was first seen: whole seconds, UTC.
            name: Of the watch; jitter is a function of it.
        """
        begins = self._begins(since)
        moment = max(moment, begins - _MOMENT)
        found = self._next(moment, begins, name)
        while found is not None and found.nominal != begins and self._is_quiet(found.at):
            if self.end and found.nominal >= self.end:
                return None
            found = self._next(found.nominal, begins, name)
        return None if found is None or (self.end and found.nominal >= self.end) else found

    def _is_quiet(self, moment: datetime) -> bool:
        here = zone(self.zone)
        return any(it.around(moment, here) is not None for it in self.quiet)

    def _next(self, moment: datetime, begins: datetime, name: str) -> Slot | None:
        """Return the first slot after a moment, quiet hours or not."""
        if self.cron:
            return self._cron_after(moment, begins, name)
        if self.every is not None:
            return self._pace_after(self.every, moment, begins, name)
        return self._curve_after(moment, begins, name)

    def _begins(self, since: datetime) -> datetime:
        return max(since, self.start) if self.start else since

    def _cron_after(self, moment: datetime, begins: datetime, name: str) -> Slot:
        cron = Cron(self.cron, self.zone)
        nominal = cron.after(moment)
        if not self.jitter:
            return Slot(nominal=nominal, at=nominal)
        return self._moved(nominal, cron.before(nominal), cron.after(nominal), begins, name)

    def _pace_after(self, every: timedelta, moment: datetime, begins: datetime, name: str) -> Slot:
        number = max(0, (moment - begins) // every)
        while True:
            # What lies behind a visit of the pace: one part, or several in a season.
            last = begins + number * every
            parts = season_parts(self.seasons, last.astimezone(zone(self.zone)), every)
            inner = [_second(last + every * part / parts) for part in range(parts + 1)]
            for before, here, behind in zip(
                [inner[0] - every, *inner], inner[:-1], inner[1:], strict=False
            ):
                if here > moment:
                    return self._moved(here, before, behind, begins, name)
            number += 1

    def _curve_after(self, moment: datetime, begins: datetime, name: str) -> Slot | None:
        assert self.curve is not None  # noqa: S101  one of the three
        for visit in visits(
            self.curve,
            begins.astimezone(zone(self.zone)),
            name=name,
            jitter=self.jitter,
            seasons=self.seasons,
        ):
            nominal = _second(visit.nominal)
            if nominal > moment:
                return Slot(nominal=nominal, at=visit.at)
        return None

    def _moved(
        self, nominal: datetime, before: datetime, behind: datetime, begins: datetime, name: str
    ) -> Slot:
        room = min(nominal - before, behind - nominal)
        at = nominal + share_of(name, instant(nominal)) * self.jitter * room
        return Slot(nominal=nominal, at=nominal if nominal == begins else max(at, begins))

    # As it is kept.

    def as_json(self) -> str:
        """Return the plan as text, whole."""
        value: dict[str, Any] = {
            "catch_up": self.catch_up.value,
            "cron": self.cron,
            "curve": None if self.curve is None else _curve_json(self.curve),
            "end": instant(self.end) if self.end else None,
            "every_s": _seconds(self.every),
            "jitter_permille": round(self.jitter * 1000),
            "max_late_s": _seconds(self.max_late),
            "seasons": [
                {"begins": list(it.begins), "ends": list(it.ends), "percent": _percent(it)}
                for it in self.seasons
            ],
            "start": instant(self.start) if self.start else None,
            "zone": self.zone,
        }
        if self.quiet:  # names of schedules are made of this text: without any it is as it was
            value["quiet"] = [str(it) for it in self.quiet]
        return json.dumps(value, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """
        Return the plan of a text that `as_json` made.

        Raises:
            SnapshotterError: It is none.
        """
        try:
            value = json.loads(text)
            return cls(
                cron=value["cron"],
                every=_duration(value["every_s"]),
                curve=_curve_of(value["curve"]),
                zone=value["zone"],
                start=parse_instant(value["start"]) if value["start"] else None,
                end=parse_instant(value["end"]) if value["end"] else None,
                jitter=value["jitter_permille"] / 1000,
                seasons=tuple(
                    Season(
                        begins=(it["begins"][0], it["begins"][1]),
                        ends=(it["ends"][0], it["ends"][1]),
                        factor=it["percent"] / 100,
                    )
                    for it in value["seasons"]
                ),
                quiet=tuple(map(parse_quiet, value.get("quiet", ()))),
                catch_up=CatchUp(value["catch_up"]),
                max_late=_duration(value["max_late_s"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotterError(f"a plan that can not be read: {error}") from error

    @property
    def words(self) -> str:
        """The rule in a few words, as options have it."""
        if self.cron:
            return f"cron {self.cron} {self.zone}"
        if self.every is not None:
            return f"every {duration_words(self.every)}"
        return self.curve.name if self.curve else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which nothing was to be visited."""

    since: datetime
    until: datetime
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done about the visits of one address that are due."""

    run: tuple[Slot, ...] = ()
    missed: tuple[datetime, ...] = ()  # slots
    paused: tuple[tuple[Pause, tuple[datetime, ...]], ...] = ()  # slots that fell into a pause
    following: Slot | None = None  # the next that is not due yet, or was not looked at yet


def decide(
    plan: Plan, first: Slot, since: datetime, name: str, now: datetime, pauses: Sequence[Pause] = ()
) -> Due:
    """
    Return what is to be done about a slot that is due, and about those behind it.

    Args:
        first: The earliest slot that nothing was done about.
        since, name: As `Plan.after` has them.
    """
    due: list[Slot] = []
    following: Slot | None = first
    while following is not None and following.at <= now and len(due) < MOST_DUE:
        due.append(following)
        following = plan.after(following.nominal, since, name)
    within: dict[Pause, list[datetime]] = {}
    active: list[Slot] = []
    for slot in due:
        pause = next((it for it in pauses if it.since <= slot.at < it.until), None)
        if pause is None:
            active.append(slot)
        else:
            within.setdefault(pause, []).append(slot.nominal)
    is_all = following is None or following.at > now
    wanted = 0 if not is_all else MOST_MADE_UP if plan.catch_up is CatchUp.ALL else 1
    run = tuple(
        it
        for it in active[len(active) - wanted if wanted < len(active) else 0 :]
        if wanted and (plan.max_late is None or now - it.at <= plan.max_late)
    )
    chosen = {it.nominal for it in run}
    return Due(
        run=run,
        missed=tuple(it.nominal for it in active if it.nominal not in chosen),
        paused=tuple((pause, tuple(slots)) for pause, slots in within.items()),
        following=following,
    )


def begun_by(plan: Plan, slot: Slot, following: Slot | None) -> datetime | None:
    """Return until when a visit that was handed over has to begin, else it is missed."""
    if plan.max_late is not None:
        return slot.at + plan.max_late
    if plan.catch_up is CatchUp.LATEST and following is not None:
        return following.at  # that one is newer
    return None


def with_defaults(plan: Plan, *, jitter: float | None, max_late: timedelta | None) -> Plan:
    """Return a plan with what was not asked for as the reference has it."""
    if jitter is None:
        jitter = 0.0 if plan.cron else 0.15
    if max_late is None and plan.catch_up is CatchUp.SKIP:
        max_late = DEFAULT_LATE
    return replace(plan, jitter=jitter, max_late=max_late)


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())


def _duration(seconds: int | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _percent(season: Season) -> int:
    return round(season.factor * 100)


def _curve_json(curve: Curve) -> dict[str, Any]:
    return {
        "at_s": [_seconds(it) for it in curve.at],
        "name": curve.name,
        "then_s": [[_seconds(it.every), _seconds(it.until)] for it in curve.then],
    }


def _curve_of(value: dict[str, Any] | None) -> Curve | None:
    if value is None:
        return None
    return Curve(
        name=value["name"],
        at=tuple(timedelta(seconds=it) for it in value["at_s"]),
        then=tuple(
            Pace(every=timedelta(seconds=every), until=timedelta(seconds=until))
            for every, until in value["then_s"]
        ),
    )
