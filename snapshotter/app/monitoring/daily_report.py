"""
Send the report about the day before, once a day at a time of local time.

Any number of workers may call `DailyReport.turn`. The outbox accepts one event for each day and
store, so a report is sent once. If no worker ran at the time of day, the next turn sends the last
report that was due, and no earlier ones.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, tzinfo

from snapshotter.app.archive.screens.day_report import Period, local_instant
from snapshotter.app.monitoring.notification_delivery import NotificationService
from snapshotter.app.monitoring.notification_events import day_event
from snapshotter.ports import Clock
from snapshotter.report.day import DayReport, mail_summary
from snapshotter.report.local_time import LocalTime


class DailyReport:
    """
    Puts the report about the day before into the outbox.

    Args:
        at: Time of day from which the report is due.
        store: Name of the store, without an address.
        make: Returns the report about a period. Called at most once for a day, unless it fails.
        zone: Of `at` and of the day; None for the zone of this machine.
    """

    def __init__(
        self,
        service: NotificationService,
        *,
        at: time,
        store: str,
        make: Callable[[Period], DayReport],
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        self._service = service
        self._at = at
        self._store = store
        self._make = make
        self._clock = clock
        self._zone = zone
        self._done: date | None = None  # also if no rule sends the report

    def turn(self) -> None:
        """
        Send the report that is due, unless it was sent.

        Raises:
            ServiceUnavailable: The outbox or the store does not answer; the next turn tries again.
        """
        now = self._clock.now()
        day = day_to_report(now, self._at, self._zone)
        if day == self._done:
            return
        name = f"{day:%Y%m%d}"
        if not self._service.knows(day_event(self._store, name, "", now).id):
            made = self._make(Period.of_day(day, self._zone))
            summary = mail_summary(made, LocalTime(zone=self._zone))
            self._service.notify(day_event(self._store, name, summary, now))
        self._done = day


def day_to_report(now: datetime, at: time, zone: tzinfo | None) -> date:
    """Return the day of the last report that was due: the day before its time of day."""
    today = now.astimezone(zone).date()
    is_due = now >= local_instant(today, at, zone)
    return today - timedelta(days=1 if is_due else 2)
