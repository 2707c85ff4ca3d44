"""Word how often a schedule visits its pages: "Every hour, not from 22:00 to 06:00"."""

import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from typing import Final

from snapshotter.jobs.schedules.cron import zone
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.model.sentences import capitalized
from snapshotter.policy.curve import Curve
from snapshotter.translation import tr

_UNITS: Final = (
    (timedelta(weeks=1), tr("week"), tr("weeks")),
    (timedelta(days=1), tr("day"), tr("days")),
    (timedelta(hours=1), tr("hour"), tr("hours")),
    (timedelta(minutes=1), tr("minute"), tr("minutes")),
    (timedelta(seconds=1), tr("second"), tr("seconds")),
)
_NAMED: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
}
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY_NAMES: Final = (
    tr("Sunday"), tr("Monday"), tr("Tuesday"), tr("Wednesday"), tr("Thursday"), tr("Friday"),
    tr("Saturday"),
)  # fmt: skip
_EVERY_MINUTES: Final = re.compile(r"\*/([0-9]{1,2})")


def cadence_words(plan: Plan) -> str:
    """Return how often a plan visits a page, as one sentence without a full stop."""
    return ", ".join([_rule(plan), *_limits(plan)])


def interval_words(every: timedelta) -> str:
    """Return an interval as a part of a sentence: "every 6 hours", "every day"."""
    for unit, one, many in _UNITS:
        if every >= unit and not every % unit:
            count = every // unit
            return tr("every {one}", one=one) if count == 1 else f"every {count} {many}"
    return f"every {every.total_seconds():g} {_UNITS[-1][2]}"


def _rule(plan: Plan) -> str:
    if plan.cron:
        words = _cron(plan.cron)
        return f"{words} ({plan.zone})" if plan.zone != "UTC" else words
    if plan.every is not None:
        return capitalized(interval_words(plan.every))
    if plan.curve is None:
        raise AssertionError("a plan has a rule")
    return _curve(plan.curve)


def _limits(plan: Plan) -> Iterator[str]:
    here = zone(plan.zone)
    for hours in plan.quiet:
        where = f" ({plan.zone})" if plan.zone != "UTC" and not plan.cron else ""
        yield f"not from {hours.begins:%H:%M} to {hours.ends:%H:%M}{where}"
    if plan.seasons:
        yield tr("more often on some days of the year")
    if plan.start is not None:
        first = plan.start.astimezone(here)
        yield f"from {first.day} {first:%b %Y}"
    if plan.end is not None:
        last = (plan.end - timedelta(seconds=1)).astimezone(here if plan.zone else UTC)
        yield f"until {last.day} {last:%b %Y}"


def _cron(expression: str) -> str:
    fields = _NAMED.get(expression.lower(), expression).lower().split()
    other = tr("At the times of the expression {expression}", expression=expression)
    if len(fields) != 5 or fields[2:4] != ["*", "*"]:
        return other
    minute, hour, days = fields[0], fields[1], _days(fields[4])
    if days is None:
        return other
    on = tr(", {days}", days=days) if days else ""
    if hour == "*" and (every := _EVERY_MINUTES.fullmatch(minute)) and not 60 % int(every[1]):
        return f"{capitalized(interval_words(timedelta(minutes=int(every[1]))))}{on}"
    if not minute.isdigit():
        return other
    if hour == "*":
        return f"Every hour at minute {int(minute)}{on}"
    hours = hour.split(",")
    if not all(part.isdigit() for part in hours):
        return other
    times = " and ".join(f"{int(part):02}:{int(minute):02}" for part in hours)
    return f"At {times}{on}" if on else tr("Every day at {times}", times=times)


def _days(field: str) -> str | None:
    """Return the days of the week in words; "" for all, None if they have no short name."""
    if field == "*":
        return ""
    first, is_range, last = field.partition("-")
    numbers = [_day(part) for part in (first, last if is_range else first)]
    if None in numbers:
        return None
    names = [_DAY_NAMES[number] for number in numbers if number is not None]
    return tr("{first} to {last}", first=names[0], last=names[1]) if is_range else names[0]


def _day(text: str) -> int | None:
    if text in _DAYS:
        return _DAYS.index(text)
    return int(text) % 7 if text.isdigit() and int(text) <= 7 else None


def _curve(curve: Curve) -> str:
    """Return the visits of a curve in words: how many at first, and the paces after them."""
    length = _length(curve.at[-1])
    words = [
        tr("{count} visits in the first {length}", count=len(curve.at), length=length)
        if len(curve.at) > 1
        else tr("A visit at once")
    ]
    for pace in curve.then:
        words.append(
            tr("then {pace} until day {day}", pace=interval_words(pace.every), day=pace.until.days)
        )
    return f"{', '.join(words)} ({curve.name})"


def _length(duration: timedelta) -> str:
    for unit, one, many in _UNITS[1:]:
        if duration >= unit:
            count = duration / unit
            return one if count == 1 else f"{count:g} {many}"
    return f"0 {_UNITS[-1][2]}"
