"""What is handed over stays, in order, until somebody forgets it."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.database import TABLES
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.job_table import JobActionResult
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.jobs.schedules.scheduler import Scheduler
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.model.gap import Gap, GapReason
from snapshotter.model.job import JobState
from tests.unit.jobs.making import AT, BUNDLE, job, made

FINAL = Failure(fault=Fault.FINAL, error="the policy refuses it", exit_code=20)


@pytest.fixture
def queue(database: Engine) -> DatabaseQueue:
    return DatabaseQueue(database)


def attempts_of(database: Engine) -> Attempts:
    return Attempts(database, Admission(), RetryRules(), lambda: 0.0)


def end(database: Engine, job_id: str, *, with_bundle: bool) -> None:
    """Bring a job to its end, as a worker does."""
    (handed,) = Dispatcher(database, Admission(), per_host=9).choose(1)
    attempts = attempts_of(database)
    attempt = attempts.begin(handed.job_id, handed.run, worker="w", process="p")
    assert attempt is not None
    assert attempt.job.id == job_id
    if with_bundle:
        assert attempts.finish(attempt, made()) is not None
    else:
        assert attempts.fail(attempt, FINAL) is not None


def test_jobs_come_back_as_they_were_handed_over_and_in_that_order(queue: DatabaseQueue) -> None:
    first = job(
        "z", policy="expanded", origin="batch:x", priority=7, tags=("a", "b"),
        not_before=AT, not_after=AT + timedelta(days=9),
    )  # fmt: skip
    second = job("a")

    assert queue.put([first, second]) == [True, True]

    assert [status.job for status in queue.jobs()] == [first, second]
    assert {status.state for status in queue.jobs()} == {JobState.WAITING}


def test_the_same_id_again_is_the_same_job(queue: DatabaseQueue) -> None:
    assert queue.put([job("a"), job("b"), job("a", url="http://other.test/")]) == [
        True, True, False,
    ]  # fmt: skip
    assert queue.put([job("b"), job("c")]) == [False, True]

    found = queue.get("a")
    assert found is not None
    assert found.job.url == "http://example.test/"


def test_a_job_without_a_host_is_refused_and_nothing_of_its_batch_is_taken(
    queue: DatabaseQueue,
) -> None:
    with pytest.raises(SnapshotterError, match="the address has no host"):
        queue.put([job("a"), job("b", url="http:///nowhere")])

    assert list(queue.jobs()) == []


def test_the_newest_are_the_last_ones_in_the_same_order(queue: DatabaseQueue) -> None:
    queue.put([job(f"j{number}") for number in range(5)])

    assert [status.job.id for status in queue.jobs(newest=2)] == ["j3", "j4"]
    assert len(list(queue.jobs(newest=99))) == 5


def test_more_jobs_than_a_page_come_each_once(queue: DatabaseQueue) -> None:
    queue.put([job(f"j{number}") for number in range(1203)])

    assert [status.job.id for status in queue.jobs()] == [f"j{number}" for number in range(1203)]


def test_jobs_are_found_by_state_and_origin(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([job("a", origin="cli"), job("b", origin="watch:x")])
    queue.cancel(["a"])

    assert [status.job.id for status in queue.jobs(states=frozenset({JobState.CANCELLED}))] == ["a"]
    assert [status.job.id for status in queue.jobs(origin="watch:x")] == ["b"]
    assert queue.counts() == {JobState.CANCELLED: 1, JobState.WAITING: 1}


def test_what_was_cancelled_is_not_handed_out_and_can_be_asked_for_again(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([job()])
    assert queue.cancel(["one", "none"]) == {
        "one": JobActionResult.DONE,
        "none": JobActionResult.UNKNOWN,
    }
    assert Dispatcher(database, Admission(), per_host=1).choose(9) == []
    assert queue.cancel(["one"]) == {"one": JobActionResult.OVER}

    assert queue.retry(["one"]) == {"one": JobActionResult.DONE}

    assert [
        handed.job_id for handed in Dispatcher(database, Admission(), per_host=1).choose(9)
    ] == ["one"]


def test_a_job_that_failed_begins_anew_and_one_with_its_bundle_does_not(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([job("failed")])
    end(database, "failed", with_bundle=False)
    queue.put([job("done")])
    end(database, "done", with_bundle=True)

    assert queue.retry(["failed", "done", "x"]) == {
        "failed": JobActionResult.DONE,
        "done": JobActionResult.HAS_BUNDLE,
        "x": JobActionResult.UNKNOWN,
    }

    again = queue.get("failed")
    assert again is not None
    assert (again.state, again.attempts, again.error) == (JobState.WAITING, 0, "")


def test_only_what_is_over_for_long_is_forgotten(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([job("over")])
    end(database, "over", with_bundle=True)
    queue.put([job("waits")])

    assert queue.purge(before=queue.now() - timedelta(hours=1)) == 0
    assert queue.purge(before=queue.now() + timedelta(hours=1), states=[JobState.DEAD]) == 0
    assert queue.purge(before=queue.now() + timedelta(hours=1)) == 1

    assert [status.job.id for status in queue.jobs()] == ["waits"]
    assert attempts_of(database).owner_of(BUNDLE) == ""


def test_a_visit_that_was_cancelled_is_not_purged_before_its_schedule_knows(
    queue: DatabaseQueue, database: Engine
) -> None:
    told: list[Gap] = []
    TABLES.create_all(database)
    Schedules(database).add("case-7", Plan(every=timedelta(hours=6)), ["https://example.org/"])
    sweep = Scheduler(
        database, queue, record=told.extend, new_id=lambda _: "gap", show_message=print
    )
    while not sweep.run().handed_over:  # at the next whole second
        pass
    (job_id,) = [status.job.id for status in queue.jobs()]
    queue.cancel([job_id])
    later = queue.now() + timedelta(hours=2)

    assert queue.purge(before=later) == 0
    Scheduler(
        database,
        queue,
        record=told.extend,
        new_id=lambda _: "gap",
        show_message=print,
        now=lambda _: later,
    ).run(at_once=True)

    assert [gap.reason for gap in told] == [GapReason.CANCELLED]
    assert queue.purge(before=later) == 1


def test_what_a_person_reads_of_a_job_that_is_done(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([job()])
    end(database, "one", with_bundle=True)

    found = queue.get("one")

    assert found is not None
    assert found.state is JobState.DONE
    assert (found.bundle_id, found.http_status, found.exit_code) == (BUNDLE, 200, 0)
    assert (found.attempts, found.worker, found.court_minimum) == (1, "w", True)
    assert found.ended_at is not None
