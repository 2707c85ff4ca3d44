"""
Write instants for pages: by the clock of the reader first, and in UTC beside it.
"""

from datetime import UTC, datetime, tzinfo

from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTime:
    """An instant as a page shows it."""

    iso: str  # for the attribute `datetime`: UTC
    local: str  # with the date
    utc: str  # "" if local time is UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """
    Write instants for a reader in one place.

    Args:
        zone: Of the reader; None for the zone of this machine.
    """

    zone: tzinfo | None = None

    def show(self, at: datetime, seconds: bool = True) -> ShownTime:
        """Return an instant as a page shows it; `seconds` says whether they are shown."""
        there, utc = self._there(at), at.astimezone(UTC)
        clock = "%H:%M:%S" if seconds else "%H:%M"
        local = f"{_day(there)} {there.year}, {there:{clock}}"
        if not there.utcoffset():
            return ShownTime(iso=_iso(utc), local=f"{local} UTC", utc="")
        day = "" if there.date() == utc.date() else f"{_day(utc)}, "
        return ShownTime(iso=_iso(utc), local=local, utc=f"{day}{utc:{clock}} UTC")

    def day(self, at: datetime) -> str:
        """Return the local date of an instant: `30 Nov 2026`."""
        there = self._there(at)
        return f"{_day(there)} {there.year}"

    def name(self, at: datetime) -> str:
        """Return the difference of local time from UTC at an instant: `UTC+08:00`."""
        offset = f"{self._there(at):%z}"
        return "UTC" if offset.strip("+-0") == "" else f"UTC{offset[:3]}:{offset[3:5]}"

    def sentence(self, at: datetime) -> str:
        """Return which local time a page shows."""
        return (
            tr("Times are in {zone}, with UTC beside.", zone=self.name(at))
            if (self.name(at) != "UTC")
            else tr("Times are in UTC.")
        )

    def _there(self, at: datetime) -> datetime:
        """Return an instant in local time, or in UTC if local time would leave years 1 to 9999."""
        try:
            return at.astimezone(self.zone)
        except (OverflowError, ValueError):  # 9999-12-31T23:59:59Z ends many certificates
            return at.astimezone(UTC)


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"


def _iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
