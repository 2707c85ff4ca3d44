"""Of all who try a job, at most one stores a bundle of it, and none is lost on the way."""

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, update
from typing_extensions import override

from snapshotter.jobs.database import writing
from snapshotter.jobs.queue.admission import Admission, AttemptResult, Deferral
from snapshotter.jobs.queue.attempts import Attempt, Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.job_table import JOB, JobActionResult
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.ports import JobSuperseded
from tests.unit.jobs.making import BUNDLE, SEALED, job, made

LIMIT = timedelta(minutes=1)
BROKEN = Failure(fault=Fault.PAGE, error="it broke")
GONE = Failure(fault=Fault.SERVICE, error="no browser")


class Desk:
    """A queue with workers, of whom a test plays all."""

    def __init__(self, database: Engine, gate: Admission | None = None) -> None:
        self.gate = gate or Admission()
        self.queue = DatabaseQueue(database)
        self.dispatcher = Dispatcher(database, self.gate, per_host=1)
        self.attempts = Attempts(database, self.gate, RetryRules(attempts=2), lambda: 0.0)

    def begin(self, worker: str = "first") -> Attempt:
        """Hand out the one job that is due, and begin it."""
        (handed,) = self.dispatcher.choose(9)
        attempt = self.attempts.begin(handed.job_id, handed.run, worker=worker, process="p")
        assert attempt is not None
        return attempt

    @property
    def status(self) -> JobStatus:
        status = self.queue.get("one")
        assert status is not None
        return status


@pytest.fixture
def desk(database: Engine) -> Desk:
    desk = Desk(database)
    desk.queue.put([job()])
    return desk


def test_a_run_is_begun_once(desk: Desk) -> None:
    (handed,) = desk.dispatcher.choose(9)

    first = desk.attempts.begin("one", handed.run, worker="w", process="p")
    second = desk.attempts.begin("one", handed.run, worker="v", process="p")

    assert first is not None
    assert second is None
    assert desk.status.worker == "w"


def test_of_many_who_begin_a_run_at_once_one_has_it(desk: Desk) -> None:
    (handed,) = desk.dispatcher.choose(9)
    ready, won = threading.Barrier(6), []

    def begin(name: str) -> None:
        ready.wait()
        if desk.attempts.begin("one", handed.run, worker=name, process="p") is not None:
            won.append(name)

    threads = [threading.Thread(target=begin, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1


def test_whoever_was_taken_for_dead_may_not_store(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.lose_all("first", "it was silent")
    second = desk.begin("second")

    with pytest.raises(JobSuperseded):
        desk.attempts.may_store(first, SEALED, LIMIT)
    assert desk.attempts.finish(first, made()) is None
    assert desk.attempts.fail(first, BROKEN) is None

    desk.attempts.may_store(second, SEALED, LIMIT)
    assert desk.attempts.finish(second, made()) is not None
    assert (desk.status.state, desk.status.worker) == (JobState.DONE, "second")


def test_an_attempt_that_may_store_is_not_given_to_others_but_looked_for(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.may_store(first, SEALED, LIMIT)

    desk.attempts.lose_all("first", "it was silent")

    assert desk.status.state is JobState.RUNNING
    assert desk.dispatcher.choose(9) == []
    (orphan,) = desk.attempts.orphans()
    assert orphan.sealed == SEALED
    with pytest.raises(JobSuperseded):  # its right has ended, also to another try
        desk.attempts.may_store(first, SEALED, LIMIT)


def test_an_orphan_that_is_in_the_store_is_the_one_bundle_of_its_job(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.may_store(first, SEALED, LIMIT)
    desk.attempts.lose_all("first", "it was silent")
    (orphan,) = desk.attempts.orphans()

    assert desk.attempts.finish(orphan.attempt, made()) is not None

    assert (desk.status.state, desk.status.bundle_id) == (JobState.DONE, BUNDLE)
    assert desk.attempts.finish(first, made()) is None  # who comes back has nothing to say
    assert desk.attempts.orphans() == []


def test_whoever_stored_and_comes_back_in_time_ends_its_own_attempt(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.may_store(first, SEALED, LIMIT)
    desk.attempts.lose_all("first", "it was silent")
    (orphan,) = desk.attempts.orphans()

    assert desk.attempts.finish(first, made()) is not None

    desk.attempts.abandon(orphan)
    assert desk.status.state is JobState.DONE


def test_an_orphan_that_never_came_is_captured_again(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.may_store(first, SEALED, LIMIT)
    desk.attempts.lose_all("first", "it was silent")
    (orphan,) = desk.attempts.orphans()

    desk.attempts.abandon(orphan)

    second = desk.begin("second")
    assert second.number == 2
    assert desk.status.attempts == 1  # an end of the worker counts against no page


def test_a_store_that_did_not_answer_may_have_the_bundle_all_the_same(desk: Desk) -> None:
    first = desk.begin()
    desk.attempts.may_store(first, SEALED, LIMIT)

    desk.attempts.fail(
        first, Failure(fault=Fault.SERVICE, error="no answer"), unstored="kept in /x"
    )

    (orphan,) = desk.attempts.orphans()
    assert desk.status.notes == ("kept in /x",)
    desk.attempts.abandon(orphan)
    assert desk.status.state is JobState.WAITING
    assert desk.status.attempts == 0  # the page had no part in it


def test_a_page_that_fails_is_given_up_after_its_last_attempt_with_a_record(desk: Desk) -> None:
    desk.attempts.fail(desk.begin(), BROKEN)
    desk.attempts.lose(desk.begin(), "the process ended: SIGSEGV")

    last = desk.begin()

    assert "SIGSEGV" in last.giving_up
    desk.attempts.may_store(last, SEALED, LIMIT)
    desk.attempts.finish(last, made(outcome="failed", exit_code=3))
    assert desk.status.state is JobState.DEAD
    assert desk.status.bundle_id == BUNDLE
    assert "given up after 2 attempts" in desk.status.error
    assert desk.dispatcher.choose(9) == []


def test_a_page_is_dead_also_where_no_record_of_it_can_be_sealed(desk: Desk) -> None:
    desk.attempts.fail(desk.begin(), BROKEN)
    desk.attempts.fail(desk.begin(), BROKEN)

    desk.attempts.fail(desk.begin(), Failure(fault=Fault.PAGE, error="the key is gone"))

    assert desk.status.state is JobState.DEAD
    assert desk.status.bundle_id == ""
    assert "the key is gone" in desk.status.hint


def test_a_service_that_is_gone_costs_a_page_no_attempt_however_often(desk: Desk) -> None:
    for _ in range(9):
        desk.attempts.fail(desk.begin(), GONE)

    assert (desk.status.state, desk.status.attempts) == (JobState.WAITING, 0)
    assert desk.status.error == "no browser"
    assert desk.begin().giving_up == ""


def test_what_the_policy_refuses_is_not_tried_again(desk: Desk) -> None:
    refused = Failure(fault=Fault.FINAL, error="the policy refuses it", exit_code=20)

    desk.attempts.fail(desk.begin(), refused)

    assert (desk.status.state, desk.status.exit_code) == (JobState.FAILED, 20)
    assert desk.dispatcher.choose(9) == []


def test_what_a_worker_gives_back_is_due_at_once_and_no_attempt(desk: Desk) -> None:
    desk.attempts.fail(desk.begin(), Failure(fault=Fault.RETURNED, error="told to stop"))

    assert desk.status.attempts == 0
    assert desk.begin("second").number == 2


def test_pauses_grow_and_have_an_end() -> None:
    patience = RetryRules(first=timedelta(seconds=20), longest=timedelta(minutes=5))

    tops = [patience.pause(failures, 1.0).total_seconds() for failures in (1, 2, 3, 9, 10_000)]

    assert tops == [20, 40, 80, 300, 300]
    assert patience.pause(3, 0.25).total_seconds() == 20  # full jitter
    assert patience.pause(0, 1.0).total_seconds() == 0


def test_a_suspected_page_waits_at_most_as_long_as_its_hint_states() -> None:
    patience = RetryRules()

    assert patience.pause_after_lost_workers(4, 1.0) == timedelta(minutes=18, seconds=45)
    assert patience.pause_after_lost_workers(30, 1.0) == timedelta(days=1)


def test_a_page_is_not_given_up_for_lost_workers_and_waits_longer_after_each(
    desk: Desk, database: Engine
) -> None:
    pauses, said = [], []
    for _ in range(8):
        attempt = desk.begin()
        assert attempt.giving_up == ""
        before = desk.queue.now()
        desk.attempts.lose_all("first", "the worker was gone")
        due_at = desk.status.due_at
        assert due_at is not None
        pauses.append(round((due_at - before).total_seconds() / 900))  # in quarters of an hour
        said.append(desk.status.error)
        assert (desk.status.state, desk.status.attempts) == (JobState.WAITING, 0)
        _be_due(database)

    assert pauses == [0, 0, 0, 1, 2, 4, 8, 16]
    assert said[2] == "the worker was gone"
    # A person can see that the page may be why.
    assert "8 workers, one after another, ended while they captured this page" in said[7]
    assert "at most a day" in desk.status.hint
    assert said[7] in desk.status.notes

    # One attempt whose worker lives, and it is a page as any other.
    desk.attempts.fail(desk.begin(), BROKEN)
    desk.attempts.lose_all("first", "")
    _be_due(database)
    desk.begin()
    desk.attempts.lose_all("first", "the worker was gone")
    assert desk.status.error == "the worker was gone"


def test_the_record_of_a_page_that_was_given_up_is_made_though_its_worker_ends(
    desk: Desk, database: Engine
) -> None:
    desk.attempts.fail(desk.begin(), BROKEN)
    desk.attempts.fail(desk.begin(), BROKEN)
    assert "given up" in desk.begin().giving_up

    desk.attempts.lose_all("first", "the worker was gone")

    _be_due(database)
    assert "given up" in desk.begin().giving_up


def test_a_page_that_ends_its_slots_is_given_up_and_waits_in_between(database: Engine) -> None:
    desk = Desk(database)
    desk.attempts = Attempts(database, desk.gate, RetryRules(attempts=2), lambda: 1.0)
    desk.queue.put([job()])

    desk.attempts.lose(desk.begin(), "the process ended: SIGSEGV")
    assert desk.dispatcher.choose(9) == []
    _be_due(database)
    desk.attempts.lose(desk.begin(), "the process ended: SIGSEGV")

    assert "given up after 2 attempts" in desk.begin().giving_up


def test_a_page_that_was_not_captured_in_time_for_lost_workers_is_missed_with_the_reason(
    database: Engine,
) -> None:
    desk = Desk(database)
    desk.queue.put([replace(job(), not_after=desk.queue.now() + timedelta(hours=1))])
    desk.begin()
    desk.attempts.lose_all("first", "the worker was gone")
    with writing(database) as connection:
        connection.execute(update(JOB).values(not_after=desk.queue.now() - timedelta(seconds=1)))

    assert desk.dispatcher.choose(9) == []

    assert (desk.status.state, desk.status.bundle_id) == (JobState.FAILED, "")
    assert "the page was not captured before" in desk.status.error
    assert "the worker was gone" in desk.status.error


def _be_due(database: Engine) -> None:
    """Let the job's pause be over."""
    with writing(database) as connection:
        connection.execute(update(JOB).values(due_at=datetime(2020, 1, 1, tzinfo=UTC)))


def test_a_running_capture_that_is_cancelled_may_not_store(desk: Desk) -> None:
    attempt = desk.begin()
    assert desk.queue.cancel(["one"]) == {"one": JobActionResult.DONE}

    with pytest.raises(JobSuperseded):
        desk.attempts.may_store(attempt, SEALED, LIMIT)
    assert desk.attempts.held_by("first") == frozenset()
    assert desk.status.state is JobState.CANCELLED


def test_what_is_being_stored_is_too_late_to_cancel(desk: Desk) -> None:
    attempt = desk.begin()
    desk.attempts.may_store(attempt, SEALED, LIMIT)

    assert desk.queue.cancel(["one"]) == {"one": JobActionResult.STORING}

    assert desk.attempts.finish(attempt, made()) is not None
    assert desk.status.state is JobState.DONE


def test_a_bundle_is_known_by_the_attempt_that_made_it(desk: Desk) -> None:
    attempt = desk.begin()
    desk.attempts.began(attempt, BUNDLE, "machine 1 2")

    assert desk.attempts.owner_of(BUNDLE) == "one"
    assert desk.attempts.owner_of("20260115t123045z-qqqqqqqqqqqqqqqq") == ""


class Asking(Admission):
    """Learns what was met, and asks for the page once more."""

    def __init__(self) -> None:
        self.met: list[AttemptResult] = []
        self.again: Deferral | None = None

    @override
    def attempt_ended(
        self, connection: Connection, job: CaptureJob, host: str, met: AttemptResult
    ) -> Deferral | None:
        self.met.append(met)
        again, self.again = self.again, None
        return again


def test_the_gate_learns_what_was_met_and_can_have_the_page_asked_for_once_more(
    database: Engine,
) -> None:
    gate = Asking()
    desk = Desk(database, gate)
    desk.queue.put([job()])
    until = datetime.fromisoformat("2000-01-01T00:00:00Z")
    gate.again = Deferral(until=until, why="it asks us to come later")
    throttled = made(http_status=429, retry_after="120", date="now", outcome="partial")

    first = desk.attempts.finish(desk.begin(), throttled)

    assert first is not None
    assert (first.state, first.due_at, first.bundle_id) == (JobState.DEFERRED, until, BUNDLE)
    assert any(BUNDLE in note for note in first.notes)
    last = desk.attempts.finish(desk.begin(), made())
    assert last is not None
    assert last.state is JobState.DONE
    assert [(answer.http_status, answer.retry_after, answer.revisits) for answer in gate.met] == [
        (429, "120", 0), (200, "", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("title", ["a\0b", "half \ud800 of a pair"])
def test_what_no_database_can_write_keeps_no_job_under_way(desk: Desk, title: str) -> None:
    attempt = desk.begin()
    desk.attempts.may_store(attempt, replace(SEALED, title=title), LIMIT)

    desk.attempts.finish(attempt, made(title=title))

    assert desk.status.state is JobState.DONE
    assert desk.status.title == title.replace("\0", "\ufffd").replace("\ud800", "\ufffd")


def test_a_worker_that_did_not_hear_that_it_has_begun_has_begun(desk: Desk) -> None:
    """The answer to a commit can be lost; the job would be under way for ever."""
    (handed,) = desk.dispatcher.choose(9)
    first = desk.attempts.begin("one", handed.run, worker="w", process="p")

    again = desk.attempts.begin("one", handed.run, worker="w", process="p")

    assert again == first
    assert first is not None
    desk.attempts.began(first, BUNDLE, "p")
    assert desk.attempts.begin("one", handed.run, worker="w", process="p") is None  # it is at it


def test_an_attempt_at_a_job_of_before_has_no_part_in_one_with_its_id(desk: Desk) -> None:
    stopped = desk.begin()
    desk.queue.cancel(["one"])
    desk.queue.purge(before=desk.queue.now() + timedelta(days=1))
    desk.queue.put([job()])
    other = desk.begin("second")
    assert other.number == stopped.number

    with pytest.raises(JobSuperseded):
        desk.attempts.may_store(stopped, SEALED, LIMIT)
    assert desk.attempts.fail(stopped, BROKEN) is None

    desk.attempts.may_store(other, SEALED, LIMIT)
    assert desk.attempts.finish(other, made()) is not None


@pytest.mark.parametrize("failures", [1, 2])
def test_a_page_that_failed_and_whose_time_has_passed_has_its_record(
    database: Engine, failures: int
) -> None:
    """One that was tried was not missed; 2: its record waited already when the time passed."""
    desk = Desk(database)
    until = desk.queue.now() + timedelta(hours=1)
    desk.queue.put([job(not_after=until)])
    for _ in range(failures):
        desk.attempts.fail(desk.begin(), BROKEN)
    with writing(database) as connection:
        connection.execute(update(JOB).values(not_after=desk.queue.now() - timedelta(seconds=1)))

    desk.dispatcher.choose(0)  # sees that it is late
    last = desk.begin()

    assert last.giving_up.endswith("The last error: it broke")
    desk.attempts.may_store(last, SEALED, LIMIT)
    desk.attempts.finish(last, made(outcome="failed"))
    assert (desk.status.state, desk.status.bundle_id) == (JobState.DEAD, BUNDLE)
