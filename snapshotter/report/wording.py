"""
Write times, durations, causes and what a capture shows as English text.

A cause is given as the notice states it, and never as a motive: who removed something, and why, is
the platform's own claim.
"""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from snapshotter.model.assessment import Availability, Cause, Content, Undecided
from snapshotter.model.takedown import Observation, TakedownKind


class RemovalSign(enum.Enum):
    """By what a capture shows that something is gone."""

    NOTICE = enum.auto()  # words on the page
    DATA = enum.auto()  # a value in the data that the page received
    ADDRESS = enum.auto()  # where the browser was led
    MARK = enum.auto()  # something in the page's code
    STATUS = enum.auto()  # the status of HTTP alone
    UNKNOWN = enum.auto()  # the capture does not tell


_GONE: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "a notice stood in the place of the content",
    RemovalSign.DATA: "the data that the server sent state it",
    RemovalSign.ADDRESS: (
        "the browser was led to an address that the rules know as one for removed pages, and they "
        "found no text of a notice"
    ),
    RemovalSign.MARK: (
        "a mark in the page's code states it, and the rules found no text of a notice"
    ),
    RemovalSign.STATUS: "the server's status states it, and the rules found no text of a notice",
    RemovalSign.UNKNOWN: "the rules found no text of a notice",
}
_SAYS: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "The notice says",
    RemovalSign.DATA: "The data that the server sent say",
    RemovalSign.ADDRESS: "The address, as the rules read it, says",
    RemovalSign.MARK: "The mark in the page's code, as the rules read it, says",
    RemovalSign.STATUS: "The server's status, as the rules read it, says",
    RemovalSign.UNKNOWN: "The verdict in the capture says",
}
_OF_PAGE = "of the account behind the page, and not of the page"
_OF_ACCOUNT: Mapping[RemovalSign, str] = {
    RemovalSign.NOTICE: "The page says this of the account behind it, and not of itself.",
    RemovalSign.DATA: f"The data that the server sent say this {_OF_PAGE}.",
    RemovalSign.ADDRESS: f"The address, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.MARK: f"The mark in the page's code, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.STATUS: f"The server's status, as the rules read it, says this {_OF_PAGE}.",
    RemovalSign.UNKNOWN: f"The verdict in the capture says this {_OF_PAGE}.",
}

TITLES: Mapping[TakedownKind, str] = {
    TakedownKind.REMOVED: "It was there. It is gone.",
    TakedownKind.REINSTATED: "It was gone. It is there again.",
    TakedownKind.ACCOUNT_CHANGED: "The account was there. It has changed.",
    TakedownKind.ACCOUNT_RESTORED: "The account had changed. It is there again.",
}

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


def cause(cause: Cause, *, convention: bool = False, by: RemovalSign = RemovalSign.NOTICE) -> str:
    """
    Return what is said of a cause, as a sentence.

    Args:
        convention: The cause is how researchers read a code (`TakedownVerdict.convention`).
        by: What says it: only a notice that was read is called one.
    """
    if convention:
        return _CONVENTION % _AS_READ.get(cause, f"this: {cause.value.replace('_', ' ')}")
    if cause is Cause.LEGAL and by is not RemovalSign.STATUS:
        return f"{_SAYS[by]} that it is withheld for legal reasons."
    return CAUSES[cause].replace(_SAYS[RemovalSign.NOTICE], _SAYS[by], 1)


def describe_removal(by: RemovalSign, status: int | None) -> str:
    """
    Return by what a capture shows that a page is gone, to stand behind "it was gone: ".

    Args:
        status: Of HTTP, of the page's own answer; None where no answer came.
    """
    if by is RemovalSign.STATUS and status is not None:
        return (
            f"the server answered {format_http_status(status)}, and the rules found no text "
            "of a notice"
        )
    return _GONE[by]


def describe_account_state(by: RemovalSign) -> str:
    """Return what says something of the account behind a page, as a sentence."""
    return _OF_ACCOUNT[by]


def describe_error(status: int | None) -> str:
    """Return why a capture with `Undecided.ERROR` is undecided, by its HTTP status or None."""
    if status is None:
        return "no answer of the server was received"
    if status >= 400:
        return (
            f"the server answered {format_http_status(status)}, which says nothing about the page"
        )
    return "the page showed an error, or could not be read"


def format_http_status(status: int) -> str:
    """Return a status of HTTP with its name (RFC 9110): `HTTP 404 (Not Found)`."""
    try:
        return f"HTTP {status} ({HTTPStatus(status).phrase})"
    except ValueError:  # a server may answer with any number
        return f"HTTP {status}"


UNDECIDED: Mapping[Undecided, str] = {
    Undecided.WALL: "a login, a verification or another wall stood in front of it",
    Undecided.UNKNOWN_NOTICE: "it showed a notice that no rule knows",
    Undecided.ERROR: "the server gave no answer, or an error",
    Undecided.UNKNOWN: "nothing could be said about it",
}

_CONTENT: Mapping[Content, str] = {
    Content.CONTENT: "the page showed its content",
    Content.NOTICE: "a notice",
    Content.WALL: "a wall",
    Content.SHELL: "the frame of the page without its main text",
    Content.BLANK: "a page with nothing on it",
    Content.ERROR: "an error",
    Content.PARTIAL: "the page showed its content, and some of it was missing",
}


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
    """Return how long something took, in UTC: `27 November 2026, 14:05:12 to 14:05:15 UTC`."""
    begin, end = began.astimezone(UTC), ended.astimezone(UTC)
    if format_utc(begin) == format_utc(end):
        return format_utc(begin)
    if begin.date() != end.date():
        return f"{format_utc(begin)} to {format_utc(end)}"
    return f"{format_utc(begin).removesuffix(' UTC')} to {end:%H:%M:%S} UTC"


def format_local_period(began: datetime, ended: datetime, timezone: str) -> str:
    """Return the same by the clocks of a zone; "" for UTC, and for one that is not known here."""
    begin, end = format_local(began, timezone), format_local(ended, timezone)
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
    return _count(seconds, "second") or "no time at all"


_UNITS = (
    (86_400, "day", 3_600, "hour"),
    (3_600, "hour", 60, "minute"),
    (60, "minute", 1, "second"),
)


def _count(count: int, unit: str) -> str:
    return f"{count} {unit}{'' if count == 1 else 's'}" if count else ""


def describe_observation(observation: Observation) -> str:
    """Return what a capture shows, in words, by what is in short known of it."""
    if observation.availability is Availability.INCONCLUSIVE:
        return (
            "nothing can be said of the page: "
            f"{UNDECIDED[observation.undecided or Undecided.UNKNOWN]}"
        )
    if observation.availability is Availability.UNAVAILABLE:
        return (
            "it was gone: "
            f"{_GONE[RemovalSign.NOTICE if observation.notice else RemovalSign.UNKNOWN]}"
        )
    account_state = describe_account_states(observation)
    account = (
        f", and it said that the account behind it is {account_state}" if account_state else ""
    )
    return f"it was there: {_CONTENT[observation.content]}{account}"


def describe_account_states(observation: Observation) -> str:
    """Return what a capture says of the account behind the page; "" for nothing."""
    return ", ".join(sorted({account.state for account in observation.accounts}))


def language_name(tag: str) -> str:
    """Return the English name of a language, or its tag."""
    return _LANGUAGES.get(tag.partition("-")[0].lower(), tag)


_LANGUAGES = {"en": "English", "zh": "Chinese", "de": "German", "fr": "French", "ja": "Japanese"}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
