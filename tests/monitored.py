"""
A watched page on a clock that a test moves: schedule, queue, monitor and store are real.

Who captures is given by the test: without a browser (`shot`), or with one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, event, update

from snapshotter.app.archive import bundles as stored
from snapshotter.app.archive.observations import ObservationSource, observations
from snapshotter.app.monitoring.capture_follow_up import Monitor, MonitorDependencies
from snapshotter.app.takedown import proof_case
from snapshotter.app.takedown.events import TakedownService
from snapshotter.app.takedown.proof_pack import PrintPdf, ProofService
from snapshotter.formats.bundle.store_keys import bundle_key
from snapshotter.formats.statements import takedown
from snapshotter.index.store_index import Index
from snapshotter.jobs.follow_ups import JobsToFollowUp
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import JOB, encode_shown
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.jobs.schedules.scheduler import Scheduler
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.model.job import CaptureJob, JobState
from snapshotter.model.notification import NotificationEvent
from snapshotter.model.request import Monitoring
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.seal.signer import FileSigner
from snapshotter.site.state import SiteState
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.trust import own_trust
from tests import bundles, observed
from tests.fakes.world import FixedClock
from tests.unit.policy.test_page_identity import RULES

MINUTE = timedelta(minutes=1)
SIGNER, EVENTS = bundles.new_signer(), bundles.new_signer()
RULES_OF_MONITORS = Monitoring(light=True, after_gone=(timedelta(days=1), timedelta(days=2)))

# Captures for a job, light or not, at a moment; returns the id of the bundle in the store.
Capture = Callable[["Watched", CaptureJob, bool], str]


@dataclass
class Watched:
    """One schedule of one page, from `begin` on."""

    folder: Path
    index: Index
    begin: datetime
    capture: Capture
    url: str
    site: SiteState = field(default_factory=SiteState)
    rules: Monitoring = RULES_OF_MONITORS
    signer: FileSigner = SIGNER
    printer: PrintPdf | None = None
    told: list[NotificationEvent] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.time = self.begin
        self.engine = open_database(f"{self.folder}/queue.db")
        event.listen(self.engine, "connect", _in_a_hurry)  # no machine dies in these tests
        self.engine.dispose()  # what was opened before is not
        self.queue = DatabaseQueue(self.engine)
        self.schedules = Schedules(self.engine, now=self._now)
        self.store = DirectoryStore(self.folder / "store")
        self.source = ObservationSource(store=self.store, index=self.index, rules=RULES)
        self.ended = JobsToFollowUp(self.engine, now=self._now)
        self.sweep = Scheduler(
            self.engine,
            self.queue,
            record=None,
            new_id=str,
            show_message=self.said.append,
            now=self._now,
        )
        self.monitor = Monitor(
            MonitorDependencies(
                ended=self.ended,
                queue=self.queue,
                rules=lambda policy, url: self.rules,
                service=self.service,
                proofs=self.folder / "proofs",
                prove=self.prove,
                show_message=self.said.append,
                now=lambda: self.time,
            )
        )

    def _now(self, _: Connection) -> datetime:
        return self.time

    @contextmanager
    def service(self) -> Iterator[TakedownService]:
        keys = [self.signer.public_key, EVENTS.public_key]
        yield TakedownService(
            source=self.source,
            trust=lambda: own_trust(keys, ()),
            signer=lambda: EVENTS,
            own_keys=frozenset(),
            confirm=lambda url: self.rules.confirm,
            now=lambda: self.time,
            lock_dir=self.folder / "lock",
            notify=self.told.extend,
        )

    def prove(self, service: TakedownService, event_id: str, target: Path, pdf: bool) -> None:
        packs = ProofService(
            store=self.store, signer=EVENTS, trust=service.trust(), rules=RULES,
            clock=FixedClock(self.time), software="snapshotter 0.0.0-test", printer=self.printer,
            spool_dir=self.folder / "spool",
        )  # fmt: skip
        written = proof_case.write(service, packs, event_id, target, lambda _: b"")
        if pdf and self.printer is not None and (why := proof_case.with_pdf(packs, written)):
            self.said.append(f"no PDF: {why}")

    @property
    def proofs(self) -> list[str]:
        """Whose packs are there, and whatever else lies beside them."""
        return sorted(path.name for path in self.folder.glob("proofs/*"))

    def watch(self, every: timedelta = 30 * MINUTE) -> None:
        self.schedules.add("watch", Plan(every=every), [self.url], policy="monitor-takedown")

    def until(self, minutes: float) -> None:
        """Let time pass, a minute at a time: what is due is captured, and followed up."""
        while self.time < self.begin + minutes * MINUTE:
            self.time += MINUTE
            self.work()

    def work(self) -> None:
        """Do all that is due now."""
        self.sweep.run()
        while due := [job for job in self.waiting if (job.not_before or self.time) <= self.time]:
            for job in due:
                self.do(job)
            self.monitor.turn()

    def do(self, job: CaptureJob) -> str:
        """Capture for a job, as a worker would; return the id of its bundle."""
        seen = observations(self.source, url=job.url, sync=False)
        by_schedule = job.origin.startswith("schedule:")
        light = job.light or (by_schedule and any(not observation.light for observation in seen))
        self.time += timedelta(seconds=2)
        bundle_id = self.capture(self, job, light)
        with self.store.open(bundle_key(bundle_id)) as stream:
            shown = stored.read_shown(stream)
        with self.engine.begin() as connection:
            connection.execute(
                update(JOB)
                .where(JOB.c.id == job.id)
                .values(
                    state=JobState.DONE, ready=0, ended_at=self.time, bundle_id=bundle_id,
                    shown=encode_shown(shown), exit_code=0,
                )
            )  # fmt: skip
        return bundle_id

    @property
    def waiting(self) -> list[CaptureJob]:
        states = frozenset({JobState.WAITING, JobState.DEFERRED})
        return [status.job for status in self.queue.jobs(states=states)]

    @property
    def jobs(self) -> list[CaptureJob]:
        return [status.job for status in self.queue.jobs()]

    @property
    def seen(self) -> tuple[Observation, ...]:
        return observations(self.source, url=self.url)

    @property
    def events(self) -> list[Takedown]:
        found = []
        for stored_object in self.store.list("takedowns/"):
            with self.store.open(stored_object.key) as stream:
                found.append(takedown.parse(stream.read())[0])
        return found

    def minute(self, at: datetime) -> float:
        """Return a moment as minutes since the beginning."""
        return (at - self.begin) / MINUTE

    def close(self) -> None:
        self.engine.dispose()


def shot(here: Watched, job: CaptureJob, light: bool) -> str:
    """Capture a page of the fixture site as it stands, without a browser."""
    made = observed.shoot(
        here.folder / "spool", here.time, here.site, job.url, signer=here.signer, light=light
    )
    observed.put(here.store, made)
    return made.id


def _in_a_hurry(connection: object, _record: object) -> None:
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined] # of the DB-API
