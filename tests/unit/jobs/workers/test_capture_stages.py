"""The stages of running captures are written for people who watch, and for nothing else."""

from typing import Any

from sqlalchemy import Engine

from snapshotter.jobs.database import database_now, reading
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempt, Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.capture_answers import Answers
from snapshotter.jobs.workers.capture_process_main import _stage_reporter
from snapshotter.jobs.workers.capture_stages import CaptureStages, capture_stages
from snapshotter.jobs.workers.messages import OrderResult, Reached
from tests.unit.jobs.idle_workers import idle_worker
from tests.unit.jobs.making import job, made


def _begun(database: Engine, worker: str = "me") -> tuple[Attempts, Attempt]:
    DatabaseQueue(database).put([job()])
    attempts = Attempts(database, Admission(), RetryRules(), lambda: 0.0)
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(9)
    attempt = attempts.begin(handed.job_id, handed.run, worker=worker, process="p")
    assert attempt is not None
    return attempts, attempt


def test_a_stage_is_shown_from_its_begin(database: Engine) -> None:
    _begun(database)
    times = iter([100.0, 103.0])
    stages = CaptureStages(database, "me", monotonic=lambda: next(times))

    stages.begin("one", "settle")
    stages.write()

    (found,) = capture_stages(database)
    assert (found.job_id, found.stage) == ("one", "settle")
    with reading(database) as connection:
        age_s = (database_now(connection) - found.since).total_seconds()
    assert age_s >= 3


def test_a_later_stage_replaces_the_earlier_one(database: Engine) -> None:
    _begun(database)
    stages = CaptureStages(database, "me")
    stages.begin("one", "navigate")
    stages.write()
    stages.begin("one", "seal")

    stages.write()

    assert [found.stage for found in capture_stages(database)] == ["seal"]


def test_a_capture_that_ended_has_no_stage(database: Engine) -> None:
    attempts, attempt = _begun(database)
    stages = CaptureStages(database, "me")
    stages.begin("one", "navigate")
    stages.write()

    attempts.finish(attempt, made(), worker="me")

    assert list(capture_stages(database)) == []
    stages.end("one")
    stages.write()
    with reading(database) as connection:
        assert connection.exec_driver_sql("SELECT * FROM capture_stage").all() == []


def test_the_stage_of_another_worker_is_not_shown(database: Engine) -> None:
    """A worker that was marked as dead may still write; its job belongs to another one."""
    _begun(database, worker="other")
    stages = CaptureStages(database, "me")
    stages.begin("one", "navigate")

    stages.write()

    assert list(capture_stages(database)) == []


def test_nothing_is_written_without_a_change(database: Engine) -> None:
    _begun(database)
    stages = CaptureStages(database, "me")
    stages.begin("one", "navigate")
    stages.write()

    stages.begin("one", "navigate")  # as a stage reports that it goes on

    assert stages._current == stages._written


def test_a_capture_process_reports_each_stage_once() -> None:
    sent: list[Any] = []

    class Pipe:
        def send(self, message: object) -> None:
            sent.append(message)

    report = _stage_reporter(Pipe())  # type: ignore[arg-type] # as far as this needs one
    report("screenshot", "")
    report("screenshot", "tile 2 of 5")
    report("seal", "")

    assert sent == [Reached("screenshot"), Reached("seal")]


class _Reporting:
    """A capture process that reports a stage, and looks at what is written then."""

    captures = resident = 0

    def __init__(self, database: Engine) -> None:
        self._database = database
        self.seen: list[str] = []
        self.worker = idle_worker(database)

    def do(self, order: object, calls: Answers) -> OrderResult:
        calls.reached("navigate")
        self.worker._context.stages.write()
        self.seen = [found.stage for found in capture_stages(self._database)]
        calls.visited()
        return OrderResult(product=made())

    def start(self) -> None:
        return


def test_a_worker_shows_the_stages_of_its_captures(database: Engine) -> None:
    DatabaseQueue(database).put([job()])
    process = _Reporting(database)
    process.worker._pool._free.put(process)  # type: ignore[arg-type] # as far as this needs one
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(9)

    process.worker._pool.execute(handed.job_id, handed.run)
    process.worker._pool.wait()

    assert process.seen == ["navigate"]
    assert process.worker._context.stages._current == {}
