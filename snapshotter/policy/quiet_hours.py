"""
Parse quiet hours, and compute when they end.

Quiet hours are the part of each day in which a host is not visited, or a schedule makes no visits.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class QuietHours:
    """
    Hours of each day without visits, by local time; over midnight if they end "before".

    On a day on which the clocks change they are never shorter than by local time: a time that comes
    twice begins with the first and ends with the second. A time that never comes is taken for the
    earlier moment as a beginning and for the later one as an end.
    """

    begins: time
    ends: time

    def __post_init__(self) -> None:
        if self.begins == self.ends:
            raise ValueError("quiet hours must begin and end at different times")

    @override
    def __str__(self) -> str:
        return f"{self.begins:%H:%M}-{self.ends:%H:%M}"

    def around(self, moment: datetime, zone: "ZoneInfo") -> datetime | None:
        """Return when the quiet hours that include a moment end, UTC; None if none do."""
        today = moment.astimezone(zone).date()
        over_midnight = self.ends < self.begins
        for days in (-1, 0, 1):
            day = today + timedelta(days=days)
            last = day + timedelta(days=1) if over_midnight else day
            if _moments(day, self.begins, zone)[0] <= moment < _moments(last, self.ends, zone)[1]:
                return _moments(last, self.ends, zone)[1]
        return None


def _moments(day: Any, clock: time, zone: "ZoneInfo") -> tuple[datetime, datetime]:
    """Return the earliest and the latest moment, UTC, at which local time is this time of a day."""
    wall = datetime.combine(day, clock, zone)
    both = [wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min(both), max(both)


def quiet_minutes(quiet: Iterable[QuietHours]) -> set[int]:
    """Return the minutes of a day that are quiet."""
    minutes: set[int] = set()
    for hours in quiet:
        first = hours.begins.hour * 60 + hours.begins.minute
        last = hours.ends.hour * 60 + hours.ends.minute
        length = (last - first) % MINUTES_OF_DAY
        minutes.update((first + number) % MINUTES_OF_DAY for number in range(length))
    return minutes


def parse_quiet(text: str) -> QuietHours:
    """
    Return quiet hours from "22:00-06:30".

    Raises:
        ValueError: Not quiet hours.
    """
    begins, dash, ends = text.partition("-")
    try:
        if not dash or len(begins) != 5 or len(ends) != 5:
            raise ValueError
        return QuietHours(time.fromisoformat(begins), time.fromisoformat(ends))
    except ValueError:
        raise ValueError(
            f"{text!r} is not a range of quiet hours; write a range like 22:00-06:30"
        ) from None
