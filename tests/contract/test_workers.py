"""
Real workers, killed, stopped and cut off: one bundle for each job, in the store and in the log.

What they capture and where it goes is `tests.fakes.workshop`; everything else is the
product. The moments are not times: what a worker says, or what stands in the queue or in
the store, is what a signal waits for.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from snapshotter.app.settings import load
from snapshotter.app.wiring.queue import open_within
from snapshotter.errors import ServiceUnavailable
from snapshotter.jobs import migration
from snapshotter.jobs.database import TABLES_VERSION, writing
from snapshotter.jobs.migration import store_number
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.attempts import ATTEMPT
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import JOB, JobActionResult
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.jobs.tasks.task_table import TASK
from snapshotter.jobs.workers.capture_answers import AWAITS_STORE
from snapshotter.jobs.workers.capture_stages import capture_stages
from snapshotter.jobs.workers.registry import _WORKER, WorkerRegistry, WorkerState
from snapshotter.jobs.workers.store_binding import _STORE
from snapshotter.model.job import JobState, JobStatus
from snapshotter.model.task import TaskLane, TaskResult
from tests.fakes import task_work
from tests.servers.postgresql import PostgreSQL
from tests.tools import ROOT
from tests.unit.jobs.making import job

pytestmark = pytest.mark.long

HOWTO = ROOT / "docs" / "howto" / "restore.md"
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
    def worker(
        self, slots: int = 1, *, attempts: int = 2, starts: bool = True
    ) -> Iterator["Worker"]:
        """Start a worker; whatever becomes of it, it is gone when the block ends."""
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.workshop", self.url, str(self.folder),
             "--slots", str(slots), "--attempts", str(attempts)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        try:
            started = Worker(process)
            if starts:
                started.hear("worker.started")
            yield started
        finally:
            process.kill()
            process.communicate(timeout=_S)

    def put(self, **pages: str) -> None:
        """Hand over jobs: id → host and page."""
        self.queue.put([job(name, url=f"http://{page}") for name, page in pages.items()])

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
        self.until(lambda: all(self.status(job_id).state.over for job_id in job_ids), "the end")

    @property
    def stored(self) -> Counter[str]:
        """How many bundles of each job are in the store."""
        folder = self.folder / "store"
        return (
            Counter(path.read_text() for path in folder.iterdir()) if folder.exists() else Counter()
        )

    @property
    def visits(self) -> Counter[str]:
        """How often the page of each job was visited."""
        folder = self.folder / "visits"
        return (
            Counter(path.read_text() for path in folder.iterdir()) if folder.exists() else Counter()
        )

    def each_is_there_once(self) -> None:
        """Every job that is over has its bundle once, in the store and in the log."""
        named = {
            job_status.job.id: job_status.bundle_id
            for job_status in self.queue.jobs()
            if job_status.bundle_id
        }
        assert self.stored == Counter(list(named))
        in_store = {path.name for path in (self.folder / "store").iterdir()}
        assert {path.name for path in (self.folder / "log").iterdir()} == in_store
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

    def stop_outside_of_writes(self) -> None:
        """
        Stop it elsewhere if it was stopped in the middle of a write to SQLite.

        SQLite has one writer at a time: no other worker could write until this one goes on.
        """
        while self.is_writing:
            os.kill(self.process.pid, signal.SIGCONT)
            time.sleep(0.01)
            os.kill(self.process.pid, signal.SIGSTOP)
            while not self.is_stopped:
                time.sleep(0.001)

    @property
    def is_writing(self) -> bool:
        """Whether it holds the lock of a writer: byte 120 of the file with the suffix -shm."""
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, _, mode, pid, _, start, _ = line.replace("-> ", "").split()
            if (kind, mode, start) == ("POSIX", "WRITE", "120") and int(pid) == self.process.pid:
                return True
        return False

    def wake(self) -> None:
        """Let it and its slots go on."""
        for pid in (*children(self.process.pid), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(part) for part in found.read_text().split()]


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
        for table in (_STORE, _WORKER, ATTEMPT, JOB):
            connection.execute(table.delete())
    yield made
    engine.dispose()


def test_a_worker_is_killed_in_the_middle_and_its_jobs_are_done_once(
    works_on_postgresql: Works,
) -> None:
    works = works_on_postgresql
    pages = {f"job-{number}": f"host-{number % 4}.test/slow" for number in range(8)}
    works.put(**pages)

    with works.worker(slots=2) as first, works.worker():
        works.until(lambda: len(works.stored) >= 3, "a beginning")
        first.process.kill()
        works.put(poison="a.test/kill", broken="b.test/broken")  # nobody else's end is theirs
        works.until_over(*pages, "poison", "broken")

    assert {works.status(page).state for page in pages} == {JobState.DONE}
    for name, why in (("poison", "SIGKILL"), ("broken", "the page is broken")):
        given_up = works.status(name)
        assert (given_up.state, given_up.attempts) == (JobState.DEAD, 2)
        assert why in given_up.error
        assert given_up.outcome == "failed"  # and a bundle says so
    works.each_is_there_once()


def test_no_page_is_given_up_for_workers_that_are_killed_at_any_step(works: Works) -> None:
    """To the queue, a step before these is as the first, and one after them as the last."""
    steps = ("capturing", "storing", "stored")
    works.put(**{step: f"{step}.test/end-{step}" for step in steps})

    # One attempt is all that a page has; each step ends one worker.
    for _ in steps:
        with works.worker(attempts=1) as worker:
            assert worker.process.wait(_S) == -signal.SIGKILL
    with works.worker(attempts=1) as worker:
        works.until_over(*steps)

        # A release with other tables comes: who works ends what it has, and then itself.
        works.put(last="last.test/slow")
        works.until(lambda: works.status("last").state is JobState.RUNNING, "the last one")
        with writing(works.engine) as connection:
            store_number(connection, TABLES_VERSION + 1)
        failed = worker.hear("worker.failed")
        assert worker.process.wait(_S) == 1
    assert "made by a later release" in str(failed["error"])
    found = {status.job.id: (status.state, status.outcome) for status in works.queue.jobs()}
    assert set(found.values()) == {(JobState.DONE, "complete")}, found
    works.each_is_there_once()
    # What was stored is found and not made again.
    assert works.visits == {"capturing": 1, "storing": 2, "stored": 1, "last": 1}


def test_a_page_is_captured_beside_the_bundle_of_the_page_before_it(works: Works) -> None:
    works.put(behind="a.test/behind")
    with works.worker() as first:
        works.until(lambda: works.status("behind").state is JobState.RUNNING, "an attempt")
        works.put(second="b.test/ok")
        works.until_over("second")
        assert works.status("behind").state is JobState.RUNNING
        first.process.kill()
        assert first.process.wait(_S) == -signal.SIGKILL

    with works.worker() as second:
        # The killed worker's attempt counts as running until its lease ends.
        works.until(lambda: works.visits["behind"] == 2, "another attempt")
        works.put(poison="b.test/kill")  # it ends its own process only
        works.until_over("poison")
        second.process.send_signal(signal.SIGTERM)
        second.hear("worker.draining")
        assert works.status("behind").state is JobState.RUNNING
        (works.folder / "let-go").touch()
        second.hear("worker.ended")
        assert second.process.wait(_S) == 0

    assert (works.status("behind").state, works.status("behind").attempts) == (JobState.DONE, 1)
    assert (works.status("poison").state, works.status("poison").attempts) == (JobState.DEAD, 2)
    works.each_is_there_once()
    assert (works.visits["behind"], works.visits["second"]) == (2, 1)


def test_a_worker_that_is_to_stop_at_once_gives_back_the_bundle_behind(works: Works) -> None:
    with works.worker() as worker:
        works.put(behind="a.test/behind")
        works.until(lambda: works.status("behind").state is JobState.RUNNING, "an attempt")
        works.put(hangs="b.test/hang")
        works.until(lambda: works.status("hangs").state is JobState.RUNNING, "another attempt")
        for event in ("worker.draining", "worker.ended"):
            worker.process.send_signal(signal.SIGTERM)
            worker.hear(event)
        assert worker.process.wait(_S) == 0

    for name in ("behind", "hangs"):
        assert (works.status(name).state, works.status(name).attempts) == (JobState.WAITING, 0)
    assert works.stored == Counter()


def test_a_worker_that_was_stopped_and_goes_on_stores_nothing_twice(works: Works) -> None:
    with works.worker() as first, works.worker() as second:
        # Each page stops whoever has it, with its slot: the other one takes over, and then
        # who was stopped wakes, and is there for the next.
        for page in ("early", "stop", "stored"):
            works.put(**{page: f"{page}.test/{page}"})
            works.until(lambda: first.is_stopped or second.is_stopped, "a worker that stops")
            sleeper = first if first.is_stopped else second
            sleeper.stop_outside_of_writes()

            works.until_over(page)
            sleeper.wake()
            sleeper.hear("worker.fenced")

        # Whoever wakes lives again, and takes jobs as before.
        works.put(after="after.test/ok")
        works.until_over("after")

    states = {status.job.id: status.state for status in works.queue.jobs()}
    assert set(states.values()) == {JobState.DONE}, states
    works.each_is_there_once()
    # What was stored is found and not made again; what was not is.
    assert works.visits == {"early": 2, "stop": 2, "stored": 1, "after": 1}


def test_what_a_worker_has_can_be_cancelled_waited_for_and_given_back(works: Works) -> None:
    works.put(hangs="a.test/hang", waits="a.test/no-store")
    (works.folder / "store-down").touch()
    roster = WorkerRegistry(works.engine)

    with works.worker() as worker:
        works.until(lambda: works.status("hangs").state is JobState.RUNNING, "a page that hangs")
        assert works.queue.cancel(["hangs"]) == {"hangs": JobActionResult.DONE}

        worker.hear("store.unavailable")
        works.until(lambda: roster.workers()[0].state is WorkerState.PAUSED, "a worker that waits")
        waiting = works.status("waits")
        assert waiting.state is JobState.RUNNING
        assert "waits for the store" in waiting.notes[0]
        works.until(
            lambda: (
                ("waits", AWAITS_STORE)
                in [(row.job_id, row.stage) for row in capture_stages(works.engine)]
            ),
            "a stage that people see",
        )
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

    assert {works.status(page).state for page in pages} == {JobState.DONE}
    ours = {status.bundle_id for status in works.queue.jobs() if status.job.id in pages}

    # One whose database goes while it starts does not wait for it without an end.
    (works.folder / "hold").touch()
    with works.worker(starts=False) as worker:
        works.until((works.folder / "held").exists, "a slot that gets ready")
        postgresql.stop()
        try:
            (works.folder / "hold").unlink()
            failed = worker.hear("worker.failed")
            assert worker.process.wait(_S) == ServiceUnavailable.exit_code

            # One that starts meanwhile waits for a while, and says so.
            settings = load(directory=works.folder, environment={"SNAPSHOTTER_QUEUE": works.url})
            said: list[str] = []
            with pytest.raises(ServiceUnavailable):
                open_within(settings, 0, show_message=said.append)
            assert said == []
            with ThreadPoolExecutor(1) as pool:
                opening = pool.submit(open_within, settings, _S, show_message=said.append)
                works.until(lambda: bool(said), "what it waits for")
                postgresql.start()
                opening.result().dispose()
        except BaseException:
            postgresql.start()  # for the tests after this one
            raise
    assert "this worker repeats the attempt for" in said[0]
    assert "the queue" in str(failed["error"])
    assert "check that the database is running" in str(failed["hint"])
    assert {path.name for path in (works.folder / "store").iterdir()} == ours


def test_tables_in_postgresql_are_brought_back_and_forward_and_restored_elsewhere(
    works_on_postgresql: Works, postgresql: PostgreSQL
) -> None:
    """The commands are those of docs/howto/restore.md."""
    works = works_on_postgresql
    works.put(one="one.test/ok")
    works.engine.dispose()

    migration.downgrade(postgresql.url, 2)
    assert migration.tables_status(postgresql.url).number == 2

    open_database(postgresql.url).dispose()
    assert migration.tables_status(postgresql.url).number == TABLES_VERSION
    assert works.status("one").state is JobState.WAITING

    page, elsewhere = HOWTO.read_text(encoding="utf-8"), postgresql.another("restored")
    for name, queue in (("pg_dump", postgresql.url), ("pg_restore", elsewhere)):
        (command,) = re.findall(rf"{name} [^`\n]*", page)
        postgresql.type(command, works.folder, BACKUP=str(works.folder), QUEUE=queue)
    engine = open_database(elsewhere)
    restored = Works(elsewhere, works.folder, engine)
    with restored.worker():
        restored.until_over("one")
    restored.each_is_there_once()
    engine.dispose()


def test_each_task_in_postgresql_is_given_to_one_worker_and_each_request_key_is_one_task(
    works_on_postgresql: Works,
) -> None:
    tasks = DatabaseTasks(works_on_postgresql.engine)
    with writing(works_on_postgresql.engine) as connection:
        connection.execute(TASK.delete())

    def submit(number: int) -> str:
        request = task_work.request(f"task-{number:02}")
        return tasks.submit(request, request_key=f"key-{number // 2}")

    def claim_all(worker: int) -> list[str]:
        claimed = []
        while (
            found := tasks.claim(
                TaskLane.QUICK, process=f"elsewhere {worker} 1", place="here", silent_s=60
            )
        ) is not None:
            claimed.append(found.request.id)
            tasks.finish(found, f"elsewhere {worker} 1", TaskResult(value={"n": "谣言"}), ())
        return claimed

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(submit, range(24)))
        claimed = [task_id for found in pool.map(claim_all, range(4)) for task_id in found]

    assert all(first == second for first, second in zip(ids[::2], ids[1::2], strict=True))
    assert sorted(claimed) == sorted(set(ids))
    assert len(set(ids)) == 12
    done = tasks.get(ids[0])
    assert done is not None
    assert done.result == TaskResult(value={"n": "谣言"})
