"""What tests of watch lists share: a database, a server, a clock that stands still."""

import itertools
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from snapshotter.egress.fetch import FetchedResponse, fetch
from snapshotter.egress.rules import EgressRules
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.watches.list_reader import MAX_BYTES
from snapshotter.jobs.watches.poller import Hooks, Poller
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.job import CaptureJob
from snapshotter.model.watch import Watch, WatchItem, WatchStatus
from snapshotter.policy.files import shipped_directory
from snapshotter.policy.page_identity import parse_rules
from tests.bundles import RealClock
from tests.fakes.job_queue import TableQueue
from tests.fakes.world import SeededIds
from tests.servers.lists import ListServer
from tests.unit.egress.parts import LOOPBACK
from tests.unit.jobs.heard import Heard

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
RULES = parse_rules(
    (shipped_directory() / "schedules" / "identity.toml").read_text(encoding="utf-8"), "shipped"
)


class Desk:
    """Watches in a database of their own, polled over real connections to loopback."""

    def __init__(
        self,
        folder: Path,
        server: ListServer,
        *,
        hooks: Mapping[str, Any] | None = None,
        url: str = "",
    ) -> None:
        self.server = server
        if not url:
            shutil.copyfile(_empty(folder.parent), folder / "queue.db")
        self.engine = open_database(url or f"{folder}/queue.db")
        if not url:
            event.listen(self.engine, "connect", _in_a_hurry)  # no machine dies in these tests
            self.engine.dispose()
        self.queue = TableQueue(self.engine)
        self.queue.works = False
        self.time = START
        self.step = timedelta(0)  # by which each look at the clock moves it
        self.heard = Heard()
        self._seeds = itertools.count()
        self.book = Watches(self.engine, now=self.now)
        self.poller = self.another(**(hooks or {}))

    def another(self, **hooks: Any) -> Poller:
        """Return a poller as a further worker has it."""
        return Poller(
            Watches(self.engine, now=self.now),
            self.queue,
            fetch=self.fetch,
            rules=RULES,
            ids=SeededIds(str(next(self._seeds))),
            hooks=Hooks(observer=self.heard, **hooks),
        )

    def now(self, _: Connection) -> datetime:
        self.time += self.step
        return self.time

    def fetch(
        self, watch: Watch, url: str, known: Mapping[str, Mapping[str, str]]
    ) -> FetchedResponse:
        return fetch(
            url,
            rules=EgressRules(allowed=LOOPBACK, total_bytes=1),
            clock=RealClock(),
            purpose="list",
            user_agent="tests",
            limit=MAX_BYTES,
            timeout_s=20,
            known=known,
        )

    def add(self, path: str = "/feed", **values: Any) -> Watch:
        """Watch a list of the server, without jitter."""
        source = path if path.startswith(("http", "file")) else self.server.url(path)
        given = {"name": "news", "jitter": 0.0, "created_at": self.time, **values}
        watch = Watch(source=given.pop("source", source), **given)
        self.book.add(watch)
        return watch

    def turn(self, after: timedelta = timedelta(0)) -> WatchStatus:
        """Let time pass and a worker take its turn; return how the watch stands."""
        self.time += after
        self.poller.turn()
        return self.book.status("news")

    def jobs(self) -> list[CaptureJob]:
        return [status.job for status in self.queue.jobs()]

    def urls(self) -> set[str]:
        return {job.url for job in self.jobs()}

    def items(self) -> list[WatchItem]:
        return list(self.book.items("news"))


def _empty(folder: Path) -> Path:
    """Return a database with all tables, made once: making them takes longer than most tests."""
    file = folder / "empty-queue.db"
    if not file.exists():
        engine = open_database(str(file))
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
    return file


def _in_a_hurry(connection: object, _: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined] # of the DB-API
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
