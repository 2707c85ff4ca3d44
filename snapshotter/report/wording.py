"""
Write times, durations and the names of languages as English text.

The sentences on verdicts, causes and outcomes are in `model/sentences.py`.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from snapshotter.model.takedown import widen


def format_utc(at: datetime) -> str:
    """Return an instant in UTC: `27 November 2026, 14:05:12 UTC`."""
    at = at.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M:%S} UTC"


def format_local(at: datetime, timezone: str) -> str:
    """
    Return an instant by the clocks of a zone: `22:05:12 in Asia/Shanghai`; "" for UTC.

    The day stands there where it is another. A zone that is not known here is UTC.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a record may name anything
        return ""
    there, here = at.astimezone(zone), at.astimezone(UTC)
    if not there.utcoffset():
        return ""
    day = "" if there.date() == here.date() else f"{there.day} {_MONTHS[there.month - 1]}, "
    return f"{day}{there:%H:%M:%S} in {timezone}"


def format_utc_and_local(at: datetime, timezone: str) -> str:
    """Return an instant in UTC and, where that is another, by the clocks of a zone."""
    there = format_local(at, timezone)
    return f"{format_utc(at)} ({there})" if there else format_utc(at)


def format_period(began: datetime, ended: datetime) -> str:
    """
    Return when something happened, in UTC: `27 November 2026, 14:05:12 to 14:05:15 UTC`.

    The period in whole seconds contains the exact one (`widen`).
    """
    begin, end = widen((began.astimezone(UTC), ended.astimezone(UTC)))
    if format_utc(begin) == format_utc(end):
        return format_utc(begin)
    if begin.date() != end.date():
        return f"{format_utc(begin)} to {format_utc(end)}"
    return f"{format_utc(begin).removesuffix(' UTC')} to {end:%H:%M:%S} UTC"


def format_local_period(began: datetime, ended: datetime, timezone: str) -> str:
    """Return the same by the clocks of a zone; "" for UTC, and for one that is not known here."""
    begin, end = (format_local(at, timezone) for at in widen((began, ended)))
    return end if begin == end else f"{begin.removesuffix(f' in {timezone}')} to {end}"


def format_second(at: datetime) -> str:
    """Return an instant in digits, to the second: `2026-11-27 14:05:12 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def format_minute(at: datetime) -> str:
    """Return an instant in digits, to the minute it is in: `2026-11-27 14:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_long_duration(length: timedelta) -> str:
    """
    Return a length of time by its two largest units: `26 minutes and 31 seconds`.

    Rounded up: an interval is never told shorter than it is.
    """
    seconds = -(-length // timedelta(seconds=1))
    for size, unit, smaller_size, smaller in _UNITS:
        if seconds >= size:
            count, rest = divmod(-(-seconds // smaller_size), size // smaller_size)
            return " and ".join(filter(None, (_count(count, unit), _count(rest, smaller))))
    return _count(seconds, "second") or "0 seconds"


_UNITS = (
    (86_400, "day", 3_600, "hour"),
    (3_600, "hour", 60, "minute"),
    (60, "minute", 1, "second"),
)


def _count(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}" if count else ""


def language_name(tag: str) -> str:
    """Return the English name of a language, or its tag."""
    return _LANGUAGES.get(tag.partition("-")[0].lower(), tag)


_LANGUAGES = {"en": "English", "zh": "Chinese", "de": "German", "fr": "French", "ja": "Japanese"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
