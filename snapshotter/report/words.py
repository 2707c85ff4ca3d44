"""
Times, lengths of time and causes in plain words.

A cause is told as the notice states it, and never as a motive: who took something away,
and why, is the platform's own claim.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from snapshotter.model.assessment import Availability, Cause, Content, Undecided
from snapshotter.model.takedown import Observation, TakedownKind

TITLES: Mapping[TakedownKind, str] = {
    TakedownKind.REMOVED: "It was there. It is gone.",
    TakedownKind.REINSTATED: "It was gone. It is there again.",
    TakedownKind.ACCOUNT_CHANGED: "The account was there. It has changed.",
    TakedownKind.ACCOUNT_RESTORED: "The account had changed. It is there again.",
}

OF_ACCOUNTS = frozenset({TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED})

CAUSES: Mapping[Cause, str] = {
    Cause.AUTHOR: "The notice says that the author took it down.",
    Cause.PLATFORM_RULE: "The notice says that it broke rules or the law.",
    Cause.COMPLAINT_MANY: "The notice says that many users complained of it.",
    Cause.COMPLAINT_IP: "The notice says that somebody complained that it infringed their rights.",
    Cause.ACCOUNT_BLOCKED: "The notice says that the account behind it is blocked.",
    Cause.ACCOUNT_CLOSED: "The notice says that the account behind it was closed.",
    Cause.ACCOUNT_FROZEN: "The notice says that the account behind it is frozen.",
    Cause.ACCOUNT_ABNORMAL: "The notice says that the account behind it is in an abnormal state.",
    Cause.MOVED: "The notice says that it moved.",
    Cause.REVIEW_FAILED: "The notice says that it did not pass a review.",
    Cause.OWNER_SETTING: "The notice says that its owner does not show it to everybody.",
    Cause.TEMPORARY: "The notice says that it is not to be seen for the time being.",
    Cause.EXPIRED: "The notice says that the link has expired.",
    Cause.REFUTED: "The notice says that it was refuted.",
    Cause.LEGAL: "The server says that it is withheld for legal reasons (HTTP 451), and no more.",
    Cause.NOT_STATED: "No reason is stated.",
}

# Of a cause that is a convention of researchers (`TakedownVerdict.convention`).
_CONVENTION = (
    "Researchers take the code that the platform answers with for %s. The platform itself does "
    "not say so."
)
_AS_READ: Mapping[Cause, str] = {
    Cause.AUTHOR: "a deletion by the author",
    Cause.PLATFORM_RULE: "a removal by the platform",
}


def cause(cause: Cause, *, convention: bool = False) -> str:
    """Return what is said of a cause, as a sentence."""
    if convention:
        return _CONVENTION % _AS_READ.get(cause, f"this: {cause.value.replace('_', ' ')}")
    return CAUSES[cause]


UNDECIDED: Mapping[Undecided, str] = {
    Undecided.WALL: "a login, a verification or another wall stood in front of it",
    Undecided.UNKNOWN_NOTICE: "it showed a notice that no rule knows",
    Undecided.ERROR: "the server gave no answer, or an error",
    Undecided.UNKNOWN: "nothing could be said about it",
}

_CONTENT: Mapping[Content, str] = {
    Content.CONTENT: "content",
    Content.NOTICE: "a notice in the place of the content",
    Content.WALL: "a wall",
    Content.SHELL: "the frame of the page without its main text",
    Content.BLANK: "a page with nothing on it",
    Content.ERROR: "an error",
    Content.PARTIAL: "content, and some of it is missing",
}


def utc(at: datetime) -> str:
    """Return an instant in UTC: `27 November 2026, 14:05:12 UTC`."""
    at = at.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M:%S} UTC"


def local(at: datetime, timezone: str) -> str:
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


def both(at: datetime, timezone: str) -> str:
    """Return an instant in UTC and, where that is another, by the clocks of a zone."""
    there = local(at, timezone)
    return f"{utc(at)} ({there})" if there else utc(at)


def moment(at: datetime) -> str:
    """Return an instant in digits, to the second: `2026-11-27 14:05:12 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def minute(at: datetime) -> str:
    """Return an instant in digits, to the minute it is in: `2026-11-27 14:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def span(length: timedelta) -> str:
    """
    Return a length of time by its two largest units: `26 minutes and 31 seconds`.

    Rounded up: an interval is never told shorter than it is.
    """
    seconds = -(-length // timedelta(seconds=1))
    for size, unit, smaller_size, smaller in _UNITS:
        if seconds >= size:
            count, rest = divmod(-(-seconds // smaller_size), size // smaller_size)
            return " and ".join(filter(None, (_count(count, unit), _count(rest, smaller))))
    return _count(seconds, "second") or "no time at all"


_UNITS = (
    (86_400, "day", 3_600, "hour"),
    (3_600, "hour", 60, "minute"),
    (60, "minute", 1, "second"),
)


def _count(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}" if count else ""


def shown(one: Observation) -> str:
    """Return what a capture shows, in words."""
    if one.availability is Availability.INCONCLUSIVE:
        return f"it says nothing: {UNDECIDED[one.undecided or Undecided.UNKNOWN]}"
    if one.availability is Availability.UNAVAILABLE:
        return f"it was gone, and there was {_CONTENT[one.content]}"
    of_account = states(one)
    account = f", and it said that the account behind it is {of_account}" if of_account else ""
    return f"it was there: {_CONTENT[one.content]}{account}"


def states(one: Observation) -> str:
    """Return what a capture says of the account behind the page; "" for nothing."""
    return ", ".join(sorted({it.state for it in one.accounts}))


def language(tag: str) -> str:
    """Return the English name of a language, or its tag."""
    return _LANGUAGES.get(tag.partition("-")[0].lower(), tag)


_LANGUAGES = {"en": "English", "zh": "Chinese", "de": "German", "fr": "French", "ja": "Japanese"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
