"""
Compute the times of a cron expression in a time zone, also when the zone's clock changes.

An expression has five fields (minute, hour, day of month, month, day of week) as in crontab(5):
if both days are restricted, a match of either is enough. When the clock changes:

- A local time that does not exist is read with the old offset (RFC 5545, section 3.3.5):
  02:30 runs at 03:30, once, on that local date.
- A local time that exists twice means the first of the two (the same section), so it runs
  once. If the hour is `*` or a step of it, the expression means a pace, and runs both times.

So a daily visit is made once a day, and an hourly one every hour, whatever the clock does.
"""

import difflib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_MONTHS = frozenset(
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
)
_DAYS = frozenset(["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
_NAMES = (frozenset[str](), frozenset[str](), frozenset("l"), _MONTHS, _DAYS | {"l"})
_CHARACTERS = re.compile(r"[0-9a-z*,/#-]+")
_YEARS = 30  # an expression without a match in so many years never matches, as 30 February
_A_DAY = timedelta(days=1)
_HINT = 'write five fields, from minute to day of the week, as in "0 9 * * mon-fri", or @daily'


def zone(name: str) -> ZoneInfo:
    """
    Return a time zone.

    Raises:
        SnapshotterError: It is not in the IANA list; the hint has the most similar names.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        known = available_timezones()
        near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
        raise SnapshotterError(
            tr("the time zone {name!r} does not exist", name=name),
            hint=" or ".join(near or ["Europe/Berlin", "UTC"]),
        ) from error


@dataclass(frozen=True, slots=True)
class Cron:
    """
    A cron expression in a time zone.

    Raises:
        SnapshotterError: The expression or the zone is invalid, or it never matches.
    """

    text: str
    zone_name: str = "UTC"

    def __post_init__(self) -> None:
        zone(self.zone_name)
        fields = self._fields
        if len(fields) != len(_FIELDS):
            raise _bad(
                self.text,
                tr("the expression has {count} fields instead of five", count=len(fields)),
            )
        for name, field, names in zip(_FIELDS, fields, _NAMES, strict=True):
            # croniter accepts more: a random field would give other times on each machine.
            if not _CHARACTERS.fullmatch(field) or set(re.findall(r"[a-z]+", field)) - names:
                raise _bad(self.text, tr("{field!r} is not a valid {name}", field=field, name=name))
        try:
            next(self._local(datetime(2026, 1, 1), forth=True))  # noqa: DTZ001  a local time
        except CroniterBadCronError as error:
            raise _bad(self.text, str(error)) from error
        except (CroniterBadDateError, StopIteration) as error:
            raise _bad(self.text, "no date matches the expression") from error

    def after(self, moment: datetime) -> datetime:
        """Return the first run after a moment, UTC."""
        return self._nearest(moment, forth=True)

    def before(self, moment: datetime) -> datetime:
        """Return the last run before a moment, UTC."""
        return self._nearest(moment, forth=False)

    @property
    def _fields(self) -> list[str]:
        text = self.text.strip().lower()
        return _ALIASES.get(text, text).split()

    @property
    def _is_a_pace(self) -> bool:
        return self._fields[1].startswith("*")

    def _local(self, start: datetime, *, forth: bool) -> Iterator[datetime]:
        steps = croniter(" ".join(self._fields), start, max_years_between_matches=_YEARS)
        while True:
            at: datetime = steps.get_next(datetime) if forth else steps.get_prev(datetime)
            yield at

    def _nearest(self, moment: datetime, *, forth: bool) -> datetime:
        """
        Return the run that is nearest to a moment, after it or before it.

        Local times are in order. Their instants need not be when a clock changes, so all
        runs within the change of the clock are compared.
        """
        sign = 1 if forth else -1
        here = moment.astimezone(zone(self.zone_name))
        start = here.replace(tzinfo=None) - sign * (self._change(moment) + timedelta(minutes=1))
        best: datetime | None = None
        for local in self._local(start, forth=forth):
            found = [
                instant
                for instant in self._instants(local)
                if sign * (instant - moment) > timedelta(0)
            ]
            for instant in found:
                best = instant if best is None or sign * (instant - best) < timedelta(0) else best
            if best is not None:
                change = self._change(best)
                reached = best.astimezone(zone(self.zone_name)).replace(tzinfo=None)
                if not change or sign * (local - reached) > change:
                    return best
        raise AssertionError("unreachable: an expression that was accepted goes on")

    def _instants(self, local: datetime) -> tuple[datetime, ...]:
        """Return the instants of a local time: one, or two for a pace."""
        here = local.replace(tzinfo=zone(self.zone_name))
        first, second = (here.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        # If the local time does not exist, the second instant is before the first.
        return (first, second) if second > first and self._is_a_pace else (first,)

    def _change(self, moment: datetime) -> timedelta:
        """Return by how much the clock changes within a day before or after a moment."""
        here = zone(self.zone_name)
        offsets = [
            (moment + days * _A_DAY).astimezone(here).utcoffset() or timedelta(0)
            for days in (-1, 0, 1)
        ]
        return max(offsets) - min(offsets)


def _bad(text: str, why: str) -> SnapshotterError:
    return SnapshotterError(
        tr("{text!r} is not a valid cron expression: {why}", text=text, why=why), hint=_HINT
    )
