"""
Parse the durations, percentages, days and instants in options and policies, and format durations.

No function reads the clock.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

LONGEST = timedelta(days=3653)  # ten years: longer is mistyped
_DURATION = re.compile(r"(0|[1-9][0-9]{0,6})(s|m|h|d|w)")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERCENT = re.compile(r"([0-9]{1,2})%?")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse_duration(text: str) -> timedelta:
    """
    Return a duration: a whole number and one of s, m, h, d, w.

    Raises:
        ValueError: Anything else, or more than ten years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a duration; write a duration like 90s, 15m, 4h, 1d or 2w"
        )
    duration = int(match[1]) * _UNITS[match[2]]
    if duration > LONGEST:
        raise ValueError(f"the duration {text!r} is longer than ten years")
    return duration


def format_short_duration(duration: timedelta) -> str:
    """Return a duration in whole seconds as `parse_duration` reads it: 6h."""
    whole = timedelta(seconds=int(duration.total_seconds()))
    for unit in ("w", "d", "h", "m"):
        if whole and not whole % _UNITS[unit]:
            return f"{whole // _UNITS[unit]}{unit}"
    return f"{whole // _UNITS['s']}s"


def parse_percent(text: str) -> float:
    """
    Return a share from a whole percentage below 100: 0.15 for 15%, or for 15.

    Raises:
        ValueError: Anything else.
    """
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a percentage; write a percentage like 15%, or 0")
    return int(match[1]) / 100


def parse_moment(text: str, zone: tzinfo, *, is_end: bool) -> datetime:
    """
    Return a day or a time as an instant in whole seconds; in `zone` if the text names no zone.

    Args:
        is_end: A day means its end, and not its first second.

    Raises:
        ValueError: Neither a day nor a time.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if is_end else 0)
            local = datetime.combine(day, time(), tzinfo=zone)
        else:
            local = datetime.fromisoformat(text)
            local = local if local.tzinfo else local.replace(tzinfo=zone)
        return local.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{text!r} is not a date or time; write 2027-05-27, or 2027-05-27T09:00"
        ) from error
