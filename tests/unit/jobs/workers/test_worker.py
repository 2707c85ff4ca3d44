"""A worker by itself: what it says of itself while things are away."""

import contextlib
import io
import json
import os
import signal
import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Database
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import TABLES
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.capture_answers import Answers
from snapshotter.jobs.workers.capture_process import CaptureProcessDied
from snapshotter.jobs.workers.context import WorkerSettings
from snapshotter.jobs.workers.messages import OrderResult
from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, JobStatus
from snapshotter.ports import JobObserver
from snapshotter.telemetry.logs import LogLevel, WorkerLog
from tests.unit.jobs.idle_workers import idle_worker
from tests.unit.jobs.making import SEALED, job, made


class _Turns(JobObserver):
    def __init__(self, enough: int) -> None:
        self.beats = self.turns = 0
        self._enough = enough
        self.done = threading.Event()

    @override
    def heartbeat(self, worker: str) -> None:
        self.beats += 1

    @override
    def turned(self, worker: str) -> None:
        self.turns += 1
        if self.turns >= self._enough:
            self.done.set()


def test_a_worker_without_a_database_still_says_that_it_turns(
    database: Database, tmp_path: Path
) -> None:
    """Whoever restarts what hangs would take its captures, and not bring the database back."""
    heard = _Turns(enough=1)
    told: list[str] = []
    worker = idle_worker(database, settings=WorkerSettings(beat_s=0.01), told=told, observer=heard)
    TABLES.drop_all(database)

    (beats, *_) = worker._threads()
    beats.start()
    try:
        assert heard.done.wait(60)
    finally:
        worker._signals.over.set()
        beats.join(60)

    assert heard.beats == 0
    assert told == ["queue.unavailable"]


class _Visiting:
    """A slot whose page is captured at once, and whose bundle is made when a test says so."""

    captures = resident = 0

    def __init__(self) -> None:
        self.may_end = threading.Event()

    def do(self, order: object, host: Answers) -> OrderResult:
        host.visited()
        assert self.may_end.wait(60)
        return OrderResult(product=made())

    def start(self) -> None:
        return


def test_a_run_is_over_for_the_engine_when_its_page_is_captured(database: Database) -> None:
    told: list[str] = []
    worker = idle_worker(database, told=told)
    queue = DatabaseQueue(database)
    queue.put([job("one", url="http://one.test/"), job("two", url="http://two.test/")])
    dispatcher = Dispatcher(database, Admission(), per_host=1)
    assert dispatcher.choose(0, behind=0) == []
    handed = dispatcher.choose(0, behind=2)
    slots = _Visiting(), _Visiting()
    for slot in slots:
        worker._pool._free.put(slot)  # type: ignore[arg-type] # a slot, as far as this needs one

    for run in handed:
        worker._pool.execute(run.job_id, run.run)

    assert worker._pool.captures == {("one", 1), ("two", 1)}
    assert worker._pool.runs == frozenset()
    assert {status.state for status in queue.jobs()} == {JobState.RUNNING}
    slots[1].may_end.set()
    worker._pool.wait(within_s=0.5)
    assert worker._pool._free.qsize() == 1
    slots[0].may_end.set()
    worker._pool.wait()
    assert {status.state for status in queue.jobs()} == {JobState.DONE}
    assert worker._pool.captures == frozenset()
    assert told.count("job.done") == 2


class _Killed:
    """A workshop whose process is killed while it gets ready, once for each byte of a file."""

    def __init__(self, file: Path, _tell: object) -> None:
        self._file = file

    def open(self) -> None:
        if left := self._file.read_bytes():
            self._file.write_bytes(left[1:])
            os.kill(os.getpid(), signal.SIGKILL)

    def rest(self) -> None:
        return


def test_a_slot_that_is_killed_while_its_worker_starts_is_started_again_and_not_for_ever(
    database: Database, tmp_path: Path
) -> None:
    kills = tmp_path / "kills"
    told: list[str] = []
    worker = idle_worker(database, opener=partial(_Killed, kills), told=told)  # type: ignore[arg-type] # a part of one
    try:
        kills.write_bytes(b"xx")
        worker._pool.open()
        assert told == ["slot.ended"] * 2

        worker._pool._processes[0].end()
        kills.write_bytes(b"xxx")
        with pytest.raises(SnapshotterError, match=r"in 3 attempts: .* SIGKILL") as caught:
            worker._pool.open()
    finally:
        worker._pool._processes[0].end()
    assert "more memory" in caught.value.hint


class _Broken(JobObserver):
    @override
    def job_ended(self, end: AttemptEnd) -> None:
        raise ValueError("a bug in what counts")

    @override
    def job_began(self, job: CaptureJob, *, attempt: int, worker: str) -> None:
        return


class _Stub:
    """A slot whose order ends as a test says."""

    captures = resident = 0

    def __init__(
        self, ends: OrderResult | Exception, *, then: Callable[[], None] | None = None
    ) -> None:
        self._ends, self._then = ends, then

    def do(self, order: object, host: object) -> OrderResult:
        if self._then is not None:
            threading.Timer(0.2, self._then).start()
        if isinstance(self._ends, Exception):
            raise self._ends
        return self._ends

    def start(self) -> None:
        raise OSError("no more processes")


@pytest.mark.parametrize("ends", [ValueError("a bug in the slot"), OrderResult(product=made())])
def test_a_bug_leaves_no_job_under_way_and_no_slot_taken(
    database: Database, tmp_path: Path, ends: OrderResult | Exception
) -> None:
    told: list[str] = []
    worker = idle_worker(
        database,
        settings=WorkerSettings(retry_rules=RetryRules(attempts=1)),
        told=told,
        observer=_Broken(),
    )
    queue = DatabaseQueue(database)
    queue.put([job()])
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    worker._signals.over.set()  # nobody is waited for
    worker._pool._free.put(_Stub(ends))  # type: ignore[arg-type] # a slot, as far as this needs one

    with contextlib.suppress(ValueError):
        worker._pool.execute(handed.job_id, handed.run)

    status = queue.get("one")
    assert status is not None
    assert status.state is not JobState.RUNNING
    assert "worker.bug" in told
    assert worker._pool._free.qsize() == 1


def test_the_end_of_a_slot_counts_against_its_page_only_if_its_worker_outlives_it(
    database: Database, tmp_path: Path
) -> None:
    """Whatever ends all processes of a machine may end the slot first."""
    queue = DatabaseQueue(database)
    for lived_s, attempts in ((60.0, 0), (0.0, 1)):
        worker = idle_worker(
            database, settings=WorkerSettings(lived_s=lived_s), observer=_Ended(), chance=0.0
        )
        queue.put([job()])
        (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
        stub = _Stub(
            CaptureProcessDied("SIGKILL"), then=worker._signals.giving_up.set if lived_s else None
        )
        worker._pool._free.put(stub)  # type: ignore[arg-type] # a slot, as far as this needs one

        worker._pool.execute(handed.job_id, handed.run)

        status = queue.get("one")
        assert status is not None
        assert (status.state, status.attempts) == (JobState.WAITING, attempts)


@pytest.mark.parametrize(
    ("fault", "state"), [(Fault.TAKEN, JobState.DEAD), (Fault.PAGE, JobState.RUNNING)]
)
def test_a_job_whose_bundles_place_another_file_has_ends_with_the_reason(
    database: Database, tmp_path: Path, fault: Fault, state: JobState
) -> None:
    """What a worker that is badly set up says of the store ends no job: another one can look."""
    found = OrderResult(
        failure=Failure(fault=fault, error="another file is there", hint="verify it")
    )
    heard = _Ended()
    worker = idle_worker(database, observer=heard)
    queue, attempts = DatabaseQueue(database), worker._context.attempts
    queue.put([job()])
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    attempt = attempts.begin("one", handed.run, worker="gone", process="p")
    assert attempt is not None
    attempts.may_store(attempt, SEALED, timedelta(minutes=1))
    attempts.lose_all("gone", "it was silent")
    worker._pool._free.put(_Stub(found))  # type: ignore[arg-type] # a slot, as far as this needs one

    worker._clean_up.orphans()

    status = queue.get("one")
    assert status is not None
    assert status.state is state
    is_over = state is JobState.DEAD
    assert [job_status.error for job_status in heard.ended] == ["another file is there"] * is_over
    assert bool(attempts.orphans()) is not is_over
    assert (status.hint == "verify it") is is_over


class _AnswerLost(Attempts):
    """The database does what it is told, and its first answer does not come."""

    lost = 0

    @override
    def finish(self, *args: Any, **more: Any) -> JobStatus | None:
        status = super().finish(*args, **more)
        if not self.lost:
            self.lost += 1
            raise ServiceUnavailable("the connection was cut")
        return status


@pytest.mark.parametrize("others", [False, True])
def test_a_bundle_is_told_of_once_though_the_answer_to_its_end_was_lost(
    database: Database, tmp_path: Path, others: bool
) -> None:
    heard = _Ended()
    told: list[str] = []
    worker = idle_worker(database, told=told, observer=heard)
    attempts = _AnswerLost(database, Admission(), RetryRules(), lambda: 0.5)
    worker._context.attempts = attempts
    DatabaseQueue(database).put([job()])
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    attempt = attempts.begin("one", handed.run, worker=worker.id, process="p")
    assert attempt is not None
    if others:  # who found it in the store has told of it
        Attempts.finish(attempts, attempt, made(), worker="another")

    worker._pool._record(attempt, OrderResult(product=made()))

    assert attempts.lost == 1
    assert told == ["queue.unavailable", "job.superseded" if others else "job.done"]
    assert [status.state for status in heard.ended] == ([] if others else [JobState.DONE])


class _Ended(JobObserver):
    def __init__(self) -> None:
        self.ended: list[JobStatus] = []

    @override
    def job_ended(self, end: AttemptEnd) -> None:
        self.ended.append(end.status)


@pytest.mark.parametrize(
    ("ends", "event"),
    [
        (OrderResult(product=made()), "job.done"),
        (OrderResult(failure=Failure(fault=Fault.PAGE, error="no answer")), "job.failed"),
        (CaptureProcessDied("killed by SIGKILL"), "job.lost"),
        (OrderResult(), "job.superseded"),
    ],
)
def test_each_line_about_an_attempt_has_its_attempt_host_and_worker(
    database: Database, ends: OrderResult | Exception, event: str
) -> None:
    paper = io.StringIO()
    log = WorkerLog(paper, LogLevel.DEBUG)
    worker = idle_worker(database, settings=WorkerSettings(lived_s=0.0), observer=log)
    worker._pool._log = log
    DatabaseQueue(database).put([job()])
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    worker._pool._free.put(_Stub(ends))  # type: ignore[arg-type] # a slot, as far as this needs one
    worker._signals.over.set()

    with contextlib.suppress(OSError):
        worker._pool.execute(handed.job_id, handed.run)

    lines = [json.loads(line) for line in paper.getvalue().splitlines()]
    (line,) = (line for line in lines if line["event"] == event)
    assert [line[name] for name in ("attempt", "host", "worker")] == [1, "example.test", worker.id]
    assert log._known == {}


class _Taken:
    """An engine that counts these runs as a worker's."""

    def __init__(self, worker_id: str, *runs: tuple[str, int]) -> None:
        self.worker_id = worker_id
        self.runs = set(runs)

    def running(self) -> dict[str, frozenset[tuple[str, int]]]:
        return {self.worker_id: frozenset(self.runs)}

    def cancel(self, runs: Collection[tuple[str, int]]) -> None:
        self.runs -= set(runs)


def test_a_run_that_no_thread_is_at_holds_its_host_for_a_while_only(
    database: Database, tmp_path: Path
) -> None:
    """The database ended before it could say that the run was taken, or that it was over."""
    worker = idle_worker(database)
    engine = _Taken(worker.id, ("stray", 1), ("at-work", 1))
    worker._clean_up._engine = engine  # type: ignore[assignment] # as far as this needs one
    worker._pool._runs = {("at-work", 1)}

    worker._clean_up._stray_runs()
    assert engine.runs == {("stray", 1), ("at-work", 1)}  # its thread may be about to begin
    worker._clean_up._stray_runs()

    assert engine.runs == {("at-work", 1)}
