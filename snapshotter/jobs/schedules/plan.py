"""
Compute when a schedule visits a page (`Plan`), and decide what to do about late visits.

A visit is identified by its slot: the planned time in whole seconds, without jitter. The same
plan, first sight and name give the same slots and the same jitter on every machine, so two
schedulers mean the same visit by the same slot. This module uses no database and no clock.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from snapshotter.errors import SnapshotterError
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.jobs.schedules.cron import Cron, zone
from snapshotter.policy.curve import (
    MAX_JITTER,
    Curve,
    Pace,
    Season,
    jitter_share,
    season_parts,
    visits,
)
from snapshotter.policy.quiet_hours import QuietHours, parse_quiet, quiet_minutes
from snapshotter.policy.times import format_short_duration
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

SHORTEST = timedelta(seconds=60)  # least value of `--every`
DEFAULT_LATE = timedelta(hours=1)
MOST_DUE = 1_000  # slots of one address that one decision covers
MOST_MADE_UP = 100  # late visits of one address that `all` makes in one decision
_MOMENT = timedelta(microseconds=1)
_MINUTES = 24 * 60


class CatchUp(StrEnum):
    """What to do about visits that were due while no worker ran. The values are options."""

    SKIP = "skip"  # make the newest if it is not too late; the others are gaps
    LATEST = "latest"  # make the newest, however late; the others are gaps
    ALL = "all"  # make each


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The time of one visit."""

    nominal: datetime  # planned time, UTC, whole seconds; identifies the visit
    at: datetime  # planned time with jitter, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    A rule for visits: a cron expression, a fixed interval, or a curve.

    Raises:
        ValueError: Not exactly one of the three is given, or values contradict each other.
        SnapshotterError: The zone or the expression is invalid.
    """

    cron: str = ""
    every: timedelta | None = None  # from first sight, or from `start`
    curve: Curve | None = None  # from the same time; stored whole, since a named curve may change
    zone: str = "UTC"  # zone of the cron expression and of the days of seasons
    start: datetime | None = None  # UTC
    end: datetime | None = None  # UTC; from then on nothing is due
    jitter: float = 0.0  # share of the time to the nearest other visit
    seasons: tuple[Season, ...] = ()
    quiet: tuple[QuietHours, ...] = ()  # hours of each day in `zone` in which nothing is due
    catch_up: CatchUp = CatchUp.SKIP
    max_late: timedelta | None = DEFAULT_LATE  # None: without limit, if `catch_up` allows that

    def __post_init__(self) -> None:
        if (bool(self.cron), self.every is not None, self.curve is not None).count(True) != 1:
            raise ValueError("give exactly one of --cron, --every and --curve")
        zone(self.zone)
        if self.cron:
            Cron(self.cron, self.zone)
            if self.seasons:
                raise ValueError("seasons apply to --every and --curve, not to a cron expression")
        if self.every is not None and self.every < SHORTEST:
            raise ValueError("--every must be at least 60 s")
        if not 0 <= self.jitter <= MAX_JITTER:
            raise ValueError(f"the jitter must be from 0 to {MAX_JITTER:.0%}")
        if len(quiet_minutes(self.quiet)) >= _MINUTES:
            raise ValueError("the quiet hours cover the whole day")
        if self.start and self.end and self.end <= self.start:
            raise ValueError("the end of a schedule must be after its start")
        if self.max_late is not None and self.max_late < SHORTEST:
            raise ValueError("--max-late must be at least 60 s, because workers are never exact")
        if self.max_late is None and self.catch_up is CatchUp.SKIP:
            raise ValueError(
                "skip needs a --max-late. To make missed visits after any delay, use latest"
            )

    def first(self, since: datetime, name: str) -> Slot | None:
        """Return the first visit of a page that was first seen at `since`."""
        return self.after(self._begins(since) - _MOMENT, since, name)

    def after(self, moment: datetime, since: datetime, name: str) -> Slot | None:
        """
        Return the first slot after a moment; None if there is none.

        A visit in quiet hours has no slot and is no gap. The first visit is an exception: it
        does not come again.

        Args:
            since: When the page was first seen: whole seconds, UTC.
            name: The name of the watch, from which the jitter is computed.
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
        return any(hours.around(moment, here) is not None for hours in self.quiet)

    def _next(self, moment: datetime, begins: datetime, name: str) -> Slot | None:
        """Return the first slot after a moment, also in quiet hours."""
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
            # A season divides the interval after a visit into several parts.
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
        at = nominal + jitter_share(name, instant(nominal)) * self.jitter * room
        return Slot(nominal=nominal, at=nominal if nominal == begins else max(at, begins))

    # As JSON

    def as_json(self) -> str:
        """Return the whole plan as JSON."""
        value: dict[str, Any] = {
            "catch_up": self.catch_up.value,
            "cron": self.cron,
            "curve": None if self.curve is None else _curve_json(self.curve),
            "end": instant(self.end) if self.end else None,
            "every_s": _seconds(self.every),
            "jitter_permille": round(self.jitter * 1000),
            "max_late_s": _seconds(self.max_late),
            "seasons": [
                {
                    "begins": list(season.begins),
                    "ends": list(season.ends),
                    "percent": _percent(season),
                }
                for season in self.seasons
            ],
            "start": instant(self.start) if self.start else None,
            "zone": self.zone,
        }
        if self.quiet:  # names of schedules are made from this text: it must not change
            value["quiet"] = [str(hours) for hours in self.quiet]
        return json.dumps(value, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """
        Return the plan from the result of `as_json`.

        Raises:
            SnapshotterError: The text is not a plan.
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
                        begins=(season["begins"][0], season["begins"][1]),
                        ends=(season["ends"][0], season["ends"][1]),
                        factor=season["percent"] / 100,
                    )
                    for season in value["seasons"]
                ),
                quiet=tuple(map(parse_quiet, value.get("quiet", ()))),
                catch_up=CatchUp(value["catch_up"]),
                max_late=_duration(value["max_late_s"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SnapshotterError(
                tr("the plan of the schedule cannot be read: {error}", error=error)
            ) from error

    @property
    def summary(self) -> str:
        """The rule in short, as in the options of the command."""
        if self.cron:
            return f"cron {self.cron} {self.zone}"
        if self.every is not None:
            return f"every {format_short_duration(self.every)}"
        return self.curve.name if self.curve else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A time in which the schedule was paused."""

    since: datetime
    until: datetime
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueVisits:
    """The decision about the due visits of one address."""

    run: tuple[Slot, ...] = ()  # visits to make
    missed: tuple[datetime, ...] = ()  # slots that are not visited any more
    paused: tuple[tuple[Pause, tuple[datetime, ...]], ...] = ()  # slots within a pause
    following: Slot | None = None  # the next slot, which is not due or not decided yet


def decide_due_visits(
    plan: Plan, first: Slot, since: datetime, name: str, now: datetime, pauses: Sequence[Pause] = ()
) -> DueVisits:
    """
    Decide about a due slot and those after it.

    Args:
        first: The earliest slot that is not handled yet.
        since, name: As for `Plan.after`.
    """
    due: list[Slot] = []
    following: Slot | None = first
    while following is not None and following.at <= now and len(due) < MOST_DUE:
        due.append(following)
        following = plan.after(following.nominal, since, name)
    within: dict[Pause, list[datetime]] = {}
    active: list[Slot] = []
    for slot in due:
        pause = next((pause for pause in pauses if pause.since <= slot.at < pause.until), None)
        if pause is None:
            active.append(slot)
        else:
            within.setdefault(pause, []).append(slot.nominal)
    is_all = following is None or following.at > now
    wanted = 0 if not is_all else MOST_MADE_UP if plan.catch_up is CatchUp.ALL else 1
    run = tuple(
        slot
        for slot in active[len(active) - wanted if wanted < len(active) else 0 :]
        if wanted and (plan.max_late is None or now - slot.at <= plan.max_late)
    )
    chosen = {slot.nominal for slot in run}
    return DueVisits(
        run=run,
        missed=tuple(slot.nominal for slot in active if slot.nominal not in chosen),
        paused=tuple((pause, tuple(slots)) for pause, slots in within.items()),
        following=following,
    )


def latest_start(plan: Plan, slot: Slot, following: Slot | None) -> datetime | None:
    """Return until when a visit must begin, else it is missed; None: without limit."""
    if plan.max_late is not None:
        return slot.at + plan.max_late
    if plan.catch_up is CatchUp.LATEST and following is not None:
        return following.at  # that one is newer
    return None


def with_defaults(plan: Plan, *, jitter: float | None, max_late: timedelta | None) -> Plan:
    """Return a plan with the documented defaults for values that were not given."""
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
        "at_s": [_seconds(duration) for duration in curve.at],
        "name": curve.name,
        "then_s": [[_seconds(pace.every), _seconds(pace.until)] for pace in curve.then],
    }


def _curve_of(value: dict[str, Any] | None) -> Curve | None:
    if value is None:
        return None
    return Curve(
        name=value["name"],
        at=tuple(timedelta(seconds=seconds) for seconds in value["at_s"]),
        then=tuple(
            Pace(every=timedelta(seconds=every), until=timedelta(seconds=until))
            for every, until in value["then_s"]
        ),
    )
