"""
Derive the state of a host from its response to a visit: well, throttled, unwell or unreachable.

`unwell` means a status of 5xx. The pause that a host requests by Retry-After is read too. Only the
response to the page counts, not those to its parts (docs/adr/0030-what-a-host-is.md).
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum

from snapshotter.model.capture import Capture
from snapshotter.policy.host_rules import HostRules
from snapshotter.value_class import dataclass

_WITH_RETRY_AFTER = {403, 503}  # throttling when they come with Retry-After
_MOST_SECONDS = 10**9  # of a Retry-After: a larger number is not meant


class Sign(StrEnum):
    """The state of a host, as the end of a visit shows it."""

    WELL = "well"  # an answer: also 403, 404, 451, and a notice that comes as 200
    THROTTLED = "throttled"  # too much, says the host: by status, or by status and Retry-After
    UNWELL = "unwell"  # 5xx
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSignal:
    """The signal that the end of a visit gives about its host."""

    sign: Sign
    retry_after: timedelta | None = None  # as the host asked, unbounded


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResponse:
    """The response to the page that a visit ended at."""

    status: int | None  # None: no answer came
    at: datetime  # by our clock, UTC
    retry_after: str = ""  # that field as it was received, or ""
    date: str = ""  # that field as it was received, or ""
    final_url: str = ""  # where that page is; "" for where it was asked for


def response_of(captured: Capture) -> HostResponse:
    """Return the response of a captured page."""
    found = captured.response
    return HostResponse(
        status=found.status if found else None,
        at=captured.ended_at,
        retry_after=header(captured, "retry-after"),
        date=found.date_header if found else "",
        final_url=captured.final_url,
    )


def header(captured: Capture, name: str) -> str:
    """
    Return the first header of a name, given in lower case, of the page's response; "" if none.
    """
    fields = captured.response.headers if captured.response else ()
    return next((value for field, value in fields if field.lower() == name), "")


def interpret_response(answer: HostResponse, rules: HostRules) -> HostSignal:
    """Return the signal that a response gives about its host."""
    if answer.status is None:
        return HostSignal(sign=Sign.UNREACHABLE)
    asked = parse_retry_after(answer.retry_after, said_at=answer.date, ours=answer.at)
    return HostSignal(sign=sign_of(answer.status, asked, rules), retry_after=asked)


def sign_of(status: int, retry_after: timedelta | None, rules: HostRules) -> Sign:
    """Return the state of a host that a status means."""
    if status in rules.throttled_statuses:
        return Sign.THROTTLED
    if status in _WITH_RETRY_AFTER and retry_after is not None:
        return Sign.THROTTLED
    return Sign.UNWELL if 500 <= status <= 599 else Sign.WELL


def parse_retry_after(text: str, *, said_at: str, ours: datetime) -> timedelta | None:
    """
    Return the pause that a host requests (RFC 9110, section 10.2.3); None if it requests none.

    A date is compared with the Date field of the same response, which is from the same clock.

    Args:
        said_at: The response's Date field, or "".
        ours: The time of the response by our clock, for a response without a Date field.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:10]), _MOST_SECONDS))
    at = _http_date(text)
    if at is None:
        return None
    return max(at - (_http_date(said_at) or ours), timedelta(0))


def _http_date(text: str) -> datetime | None:
    if not text:
        return None
    try:
        at: datetime = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    try:
        # asctime names no zone, and "-0000" none that is known: HTTP has no other than UTC.
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, a few hours beyond
        return None
