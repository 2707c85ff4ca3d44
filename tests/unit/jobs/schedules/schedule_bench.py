"""What tests of schedules share: a database, a clock that stands still, and a sweep."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, event

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.jobs.schedules.scheduler import Scheduler, SchedulerResult
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.model.gap import Gap
from tests.fakes.job_queue import TableQueue
from tests.unit.jobs.heard import Heard

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
URL = "https://example.org/post/1"


class Desk:
    """A database with schedules in it, swept when a test says so."""

    def __init__(self, folder: Path, *, url: str = "", prefix: str = "") -> None:
        self.url = url or f"{folder}/queue.db"
        self.engine = open_database(self.url)
        if self.engine.dialect.name == "sqlite":  # no machine dies in these tests
            event.listen(self.engine, "connect", _in_a_hurry)
            self.engine.dispose()  # what was opened before is not
        self.queue = TableQueue(self.engine)
        self.time = START
        self.schedules = Schedules(self.engine, now=self.now)
        self.gaps: list[Gap] = []
        self.store_is_gone = False
        self.told: list[str] = []
        self.heard = Heard()
        self._numbers = itertools.count()
        self.sweep = Scheduler(
            self.engine,
            self.queue,
            record=self._record,
            new_id=lambda at: f"{prefix}gap-{next(self._numbers)}",
            show_message=self.told.append,
            observer=self.heard,
            now=self.now,
        )

    def now(self, connection: Connection) -> datetime:
        return self.time

    def _record(self, gaps: Sequence[Gap]) -> None:
        if self.store_is_gone:
            raise ServiceUnavailable("the store is gone")
        self.gaps += gaps

    def add(self, plan: Plan, *urls: str, name: str = "watch") -> None:
        self.schedules.add(name, plan, urls or (URL,))

    def run(self, at: datetime | None = None, *, at_once: bool = True) -> SchedulerResult:
        """Sweep at a moment."""
        self.time = at or self.time
        return self.sweep.run(at_once=at_once)

    @property
    def slots(self) -> list[datetime]:
        """When the jobs that were handed over were to run, in order, as their ids say."""
        found = [status.job.id for status in self.queue.jobs()]
        return sorted(slot_of(job_id) for job_id in found if not job_id.endswith("-now"))

    @property
    def missed(self) -> list[datetime]:
        """The slots that gaps name, in order."""
        return sorted(slot for gap in self.gaps for visits in gap.missed for slot in visits.slots)


def slot_of(job_id: str) -> datetime:
    """Return the slot that a job's id names."""
    return datetime.strptime(job_id.split("@")[1], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)


def _in_a_hurry(connection: object, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined] # of the DB-API
