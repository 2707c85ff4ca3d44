"""
Real workers, killed, stopped and cut off: one bundle for each job, in the store and in the log.

What they capture and where it goes is `tests.fakes.workshop`; everything else is the
product. The moments are not times: what a worker says, or what stands in the queue or in
the store, is what a signal waits for.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs.belonging import _STORE
from snapshotter.jobs.database import open_database, writing
from snapshotter.jobs.queue import DatabaseQueue
from snapshotter.jobs.roster import Roster, WorkerState
from snapshotter.jobs.table import Ruling
from snapshotter.model.job import JobState, JobStatus
from tests.servers.postgresql import PostgreSQL
from tests.tools import ROOT
from tests.unit.jobs.making import job

_S = 90.0  # for anything that is waited for, on a busy machine


@dataclass(slots=True)
class Works:
    """A queue, a folder that is the store, and workers."""

    url: str
    folder: Path
    engine: Engine

    @property
    def queue(self) -> DatabaseQueue:
        return DatabaseQueue(self.engine)

    @contextlib.contextmanager
    def worker(self, slots: int = 1) -> Iterator["Worker"]:
        """Start a worker; whatever becomes of it, it is gone when the block ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.workshop", self.url, str(self.folder),
             "--slots", str(slots)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            started = Worker(process)
            started.hear("worker.started")
            yield started
        finally:
            process.kill()
            process.communicate(timeout=_S)

    def put(self, **pages: str) -> None:
        """Hand over jobs: id → host and page."""
        self.queue.put([job(it, url=f"http://{page}") for it, page in pages.items()])

    def status(self, job_id: str) -> JobStatus:
        status = self.queue.get(job_id)
        assert status is not None
        return status

    def until(self, done: Callable[[], bool], words: str) -> None:
        """Wait until something is so."""
        end = time.monotonic() + _S
        while not done():
            assert time.monotonic() < end, f"{words} did not come: {list(self.queue.jobs())}"
            time.sleep(0.02)

    def until_over(self, *job_ids: str) -> None:
        self.until(lambda: all(self.status(it).state.over for it in job_ids), "the end")

    @property
    def stored(self) -> Counter[str]:
        """How many bundles of each job are in the store."""
        folder = self.folder / "store"
        return Counter(it.read_text() for it in folder.iterdir()) if folder.exists() else Counter()

    def each_is_there_once(self) -> None:
        """Every job that is over has its bundle once, in the store and in the log."""
        named = {it.job.id: it.bundle_id for it in self.queue.jobs() if it.bundle_id}
        assert self.stored == Counter(list(named))
        in_store = {it.name for it in (self.folder / "store").iterdir()}
        assert {it.name for it in (self.folder / "log").iterdir()} == in_store
        assert in_store == set(named.values())


class Worker:
    """A worker's process, and what it says."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def hear(self, event: str) -> dict[str, object]:
        """Read what it says until it says this."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            said: dict[str, object] = json.loads(line)
            if said["event"] == event:
                return said
        raise AssertionError(f"it ended without saying {event}")

    @property
    def is_stopped(self) -> bool:
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def wake(self) -> None:
        """Let it and its slots go on."""
        for pid in (*children(self.process.pid), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(it) for it in found.read_text().split()]


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    url = f"sqlite:///{tmp_path}/queue.db"
    engine = open_database(url)
    yield Works(url, tmp_path, engine)
    engine.dispose()


@pytest.fixture
def works_on_postgresql(tmp_path: Path, postgresql: PostgreSQL) -> Iterator[Works]:
    engine = open_database(postgresql.url)
    made = Works(postgresql.url, tmp_path, engine)
    # The server is one for all tests, and the folder is not.
    with writing(engine) as connection:
        connection.execute(_STORE.delete())
    made.queue.purge(before=made.queue.now() + timedelta(days=1))
    yield made
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_works(request: pytest.FixtureRequest) -> Works:
    name = "works" if request.param == "sqlite" else "works_on_postgresql"
    works: Works = request.getfixturevalue(name)
    return works


def test_a_worker_is_killed_in_the_middle_and_its_jobs_are_done_once(any_works: Works) -> None:
    works = any_works
    pages = {f"job-{number}": f"host-{number % 4}.test/slow" for number in range(8)}
    works.put(**pages)

    with works.worker(slots=2) as first, works.worker():
        works.until(lambda: len(works.stored) >= 3, "a beginning")
        first.process.kill()
        works.put(poison="a.test/kill", broken="b.test/broken")  # nobody else's end is theirs
        works.until_over(*pages, "poison", "broken")

    assert {works.status(it).state for it in pages} == {JobState.DONE}
    for name, why in (("poison", "SIGKILL"), ("broken", "the page is broken")):
        given_up = works.status(name)
        assert (given_up.state, given_up.attempts) == (JobState.DEAD, 2)
        assert why in given_up.error
        assert given_up.outcome == "failed"  # and a bundle says so
    works.each_is_there_once()


def test_a_worker_that_was_stopped_and_goes_on_stores_nothing_twice(works: Works) -> None:
    with works.worker() as first, works.worker() as second:
        # Each page stops whoever has it, with its slot: the other one takes over, and then
        # who was stopped wakes, and is there for the next.
        for page in ("early", "stop", "stored"):
            works.put(**{page: f"{page}.test/{page}"})
            works.until(lambda: first.is_stopped or second.is_stopped, "a worker that stops")
            sleeper = first if first.is_stopped else second

            works.until_over(page)
            sleeper.wake()
            sleeper.hear("worker.fenced")

        # Whoever wakes lives again, and takes jobs as before.
        works.put(after="after.test/ok")
        works.until_over("after")

    states = {it.job.id: it.state for it in works.queue.jobs()}
    assert set(states.values()) == {JobState.DONE}, states
    works.each_is_there_once()
    visits = Counter(it.read_text() for it in (works.folder / "visits").iterdir())
    # What was stored is found and not made again; what was not is.
    assert visits == {"early": 2, "stop": 2, "stored": 1, "after": 1}


def test_what_a_worker_has_can_be_cancelled_waited_for_and_given_back(works: Works) -> None:
    works.put(hangs="a.test/hang", waits="a.test/no-store")
    (works.folder / "store-down").touch()
    roster = Roster(works.engine)

    with works.worker() as worker:
        works.until(lambda: works.status("hangs").state is JobState.RUNNING, "a page that hangs")
        assert works.queue.cancel(["hangs"]) == {"hangs": Ruling.DONE}

        worker.hear("store.unavailable")
        works.until(lambda: roster.workers()[0].state is WorkerState.PAUSED, "a worker that waits")
        waiting = works.status("waits")
        assert waiting.state is JobState.RUNNING
        assert "waits for the store" in waiting.notes[0]
        (works.folder / "store-down").unlink()
        works.until_over("waits")
        assert (works.status("waits").state, works.status("waits").attempts) == (JobState.DONE, 1)

        works.put(last="a.test/hang")
        works.until(lambda: works.status("last").state is JobState.RUNNING, "another one")
        worker.process.send_signal(signal.SIGTERM)
        worker.hear("worker.draining")
        assert works.status("last").state is JobState.RUNNING
        worker.process.send_signal(signal.SIGTERM)
        worker.hear("worker.ended")
        assert worker.process.wait(_S) == 0

    last = works.status("last")
    assert (last.state, last.attempts) == (JobState.WAITING, 0)
    assert roster.workers()[0].state is WorkerState.ENDED
    works.each_is_there_once()


def test_a_worker_that_is_to_stop_does_not_wait_for_a_store_for_ever(works: Works) -> None:
    works.put(waits="a.test/no-store")
    (works.folder / "store-down").touch()

    with works.worker() as worker:
        worker.hear("store.unavailable")
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(_S) == 0
    assert works.stored == Counter()

    (works.folder / "store-down").unlink()
    with works.worker():
        works.until_over("waits")  # it is looked for in the store first, and captured again
    assert (works.status("waits").state, works.status("waits").attempts) == (JobState.DONE, 1)
    works.each_is_there_once()


def test_a_database_that_is_gone_for_a_while_costs_time_and_nothing_else(
    works_on_postgresql: Works, postgresql: PostgreSQL
) -> None:
    works = works_on_postgresql
    pages = {f"page-{number}": f"host-{number % 3}.test/slow" for number in range(6)}
    works.put(**pages)

    with works.worker(slots=2) as worker:
        works.until(lambda: len(works.stored) >= 1, "a beginning")
        postgresql.stop()
        try:
            with pytest.raises(ServiceUnavailable):
                works.queue.counts()
            worker.hear("queue.unavailable")
        finally:
            postgresql.start()
        works.until_over(*pages)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(_S) == 0

    assert {works.status(it).state for it in pages} == {JobState.DONE}
    ours = {it.bundle_id for it in works.queue.jobs() if it.job.id in pages}
    assert {it.name for it in (works.folder / "store").iterdir()} == ours
