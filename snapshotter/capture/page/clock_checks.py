"""
Compare our clock with the server's `Date` header and with times that the page states.

These times prove nothing. A difference that is larger than the policy allows becomes a warning,
because one of the clocks is wrong.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from snapshotter.model.capture import ClockCheck, MainResponse

_CHECKS = 5  # times of the page that are compared
_NAMES = (
    r"server_?time(?:stamp)?|svr_?time|serverts|server_?now|sys_?time|system_?time|"
    r"server-time|server_?date"
)
_IN_PAGE = re.compile(
    rf"""\b({_NAMES})\b["']?\s{{0,5}}[:=]\s{{0,5}}["']?(\d{{13}}|\d{{10}})\b""", re.IGNORECASE
)
_IN_META = re.compile(
    rf"""<meta\s[^>]{{0,100}}?(?:name|http-equiv)=["']?({_NAMES}|date)["']?\s[^>]{{0,50}}?"""
    r"""content=["']([^"'>]{6,64})["']""",
    re.IGNORECASE,
)
_SECOND = timedelta(seconds=1)


def find_page_times(document: str) -> tuple[tuple[str, str, datetime], ...]:
    """Return name, text and instant of the times of its server that a page states."""
    found: list[tuple[str, str, datetime]] = []
    for name, text, at in _times(document):
        if len(found) == _CHECKS:
            break
        if (name, text, at) not in found:
            found.append((name, text, at))
    return tuple(found)


def check_clock(
    response: MainResponse | None,
    page: tuple[tuple[str, str, datetime], ...],
    *,
    began: datetime | None,
    ended: datetime | None,
    bound_s: float,
) -> tuple[ClockCheck, ...]:
    """
    Compare the times that server and page stated with our clock.

    Args:
        began, ended: Of the navigation, by our clock: the response was made between them.
    """
    if began is None:
        return ()
    until = ended or began
    said: list[tuple[str, str, str, datetime]] = []
    if response is not None and (at := _http_date(response.date_header)) is not None:
        # From a cache: its Date is when the origin answered, its Age how long ago that was.
        age = next((value for name, value in response.headers if name.lower() == "age"), "")
        value = response.date_header
        if age.isascii() and age.isdigit() and len(age) <= 9:
            at += timedelta(seconds=int(age))
            value += f" (Age: {age})"
        said.append(("http-date", "Date", value, at))
    said += [("page", *row) for row in page]
    return tuple(_check(*fields, began, until, bound_s) for fields in said)


def _check(
    source: str,
    name: str,
    value: str,
    at: datetime,
    began: datetime,
    until: datetime,
    bound_s: float,
) -> ClockCheck:
    # They say whole seconds; ours is any moment of the navigation.
    if at < began - _SECOND:
        skew, ours = at - began, began
    elif at > until + _SECOND:
        skew, ours = at - until, until
    else:
        skew, ours = timedelta(0), until
    return ClockCheck(
        source=source,
        name=name[:100],
        value=value[:200],
        ours=ours,
        skew_ms=round(skew.total_seconds() * 1000),
        within_bound=abs(skew.total_seconds()) <= bound_s,
    )


def _times(document: str) -> Iterator[tuple[str, str, datetime]]:
    for match in _IN_PAGE.finditer(document):
        number = int(match[2])
        yield (
            match[1],
            match[2],
            datetime.fromtimestamp(number / 1000 if len(match[2]) == 13 else number, UTC),
        )
    for match in _IN_META.finditer(document):
        if (at := _http_date(match[2]) or _iso(match[2])) is not None:
            yield match[1], match[2], at


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _iso(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return None if at.tzinfo is None else at.astimezone(UTC)
