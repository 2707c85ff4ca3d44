"""Which jobs are next: the most urgent, each host only what it bears, and not too many at once."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, update
from typing_extensions import override

from snapshotter.jobs.database import writing
from snapshotter.jobs.queue.admission import Admission, Deferral
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.model.job import CaptureJob, JobState
from tests.unit.jobs.making import job

MANY = 100  # slots


class Ruled(Admission):
    """Lets a host wait as a test says."""

    def __init__(self, rule: Callable[[str, datetime], Deferral | None]) -> None:
        self._rule = rule
        self.asked: list[tuple[str, str, int, int]] = []

    @override
    def admit(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> Deferral | None:
        self.asked.append((job.id, host, under_way, all_under_way))
        return self._rule(host, now)


@pytest.fixture
def queue(database: Engine) -> DatabaseQueue:
    return DatabaseQueue(database)


def chosen(database: Engine, slots: int = MANY, *, per_host: int = 99) -> list[str]:
    return [
        handed.job_id
        for handed in Dispatcher(database, Admission(), per_host=per_host).choose(slots)
    ]


def at(host: str, job_id: str, **more: object) -> CaptureJob:
    return job(job_id, url=f"http://{host}.test/", **more)


def test_the_most_urgent_is_first_and_of_equals_the_first(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([job("late", priority=100), job("later", priority=100), job("urgent", priority=1)])

    assert chosen(database) == ["urgent", "late", "later"]
    assert chosen(database) == []  # each once


def test_a_slow_host_keeps_no_place_that_others_need(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([at("slow", f"slow-{number}") for number in range(50)])
    queue.put([at("other", "other")])

    assert chosen(database, per_host=2) == ["slow-0", "slow-1", "other"]


def test_no_more_is_handed_over_than_can_begin_soon(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([at(f"host-{number}", f"j{number}") for number in range(20)])

    assert len(chosen(database, slots=4)) == 6
    assert chosen(database, slots=4) == []  # they are under way
    assert chosen(database, slots=0) == []


def test_what_is_not_due_waits_and_what_came_too_late_is_missed(
    queue: DatabaseQueue, database: Engine
) -> None:
    now = queue.now()
    queue.put(
        [
            job("soon", not_before=now + timedelta(hours=1)),
            job("now", not_before=now - timedelta(hours=1)),
            job("missed", not_after=now - timedelta(seconds=1)),
            # One that waits for something else is missed, too, as soon as that is so.
            job("never", not_before=now + timedelta(hours=1), not_after=now - timedelta(hours=1)),
        ]
    )

    assert chosen(database) == ["now"]

    for name in ("missed", "never"):
        missed = queue.get(name)
        assert missed is not None
        assert missed.state is JobState.FAILED
        assert missed.error.startswith("missed: ")
    soon = queue.get("soon")
    assert soon is not None
    assert soon.due_at == now + timedelta(hours=1)


def test_a_run_that_comes_too_late_to_its_worker_is_not_begun(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([job(not_after=queue.now() + timedelta(hours=1))])
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    with writing(database) as connection:
        connection.execute(update(JOB).values(not_after=queue.now() - timedelta(seconds=1)))

    attempts = Attempts(database, Admission(), RetryRules(), lambda: 0.0)

    assert attempts.begin(handed.job_id, handed.run, worker="w", process="p") is None
    missed = queue.get("one")
    assert missed is not None
    assert missed.error.startswith("missed: ")


def test_a_host_that_must_wait_defers_its_jobs_and_no_other(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([at("spent", "a"), at("free", "b"), at("spent", "c"), at("spent", "d", priority=9)])
    until = queue.now() + timedelta(hours=2)
    gate = Ruled(
        lambda host, _: (
            Deferral(until=until, why="its budget is spent") if host == "spent.test" else None
        )
    )

    handed = Dispatcher(database, gate, per_host=9).choose(MANY)

    assert [entry.job_id for entry in handed] == ["b"]
    assert [call[0] for call in gate.asked] == [
        "d",
        "b",
    ]  # asked once for the host: d is most urgent
    for name in ("a", "c", "d"):
        deferred = queue.get(name)
        assert deferred is not None
        assert (deferred.state, deferred.due_at, deferred.error) == (
            JobState.DEFERRED, until, "its budget is spent",
        )  # fmt: skip


def test_a_place_that_is_kept_for_urgent_jobs_is_not_closed_to_them(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([at("host", "common")])
    until = queue.now() + timedelta(hours=2)
    dispatcher = Dispatcher(
        database,
        Ruled(lambda *_: Deferral(until=until, why="the rest is for urgent ones")),
        per_host=9,
    )
    assert dispatcher.choose(MANY) == []

    queue.put([at("host", "urgent", priority=1)])

    assert chosen(database) == ["urgent"]


def test_a_wait_of_a_moment_is_no_word_in_every_job(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([at("host", "one")])
    gate = Ruled(lambda _, now: Deferral(until=now + timedelta(seconds=3), why="a moment"))
    dispatcher = Dispatcher(database, gate, per_host=9)

    assert dispatcher.choose(MANY) == []
    assert dispatcher.choose(MANY) == []

    assert len(gate.asked) == 1  # not again before its time
    waits = queue.get("one")
    assert waits is not None
    assert waits.state is JobState.WAITING


def test_the_gate_is_told_what_is_under_way(queue: DatabaseQueue, database: Engine) -> None:
    queue.put([at("a", "a1"), at("a", "a2"), at("b", "b1")])
    gate = Ruled(lambda *_: None)

    Dispatcher(database, gate, per_host=9).choose(MANY)

    assert gate.asked == [
        ("a1", "a.test", 0, 0), ("a2", "a.test", 1, 1), ("b1", "b.test", 0, 2),
    ]  # fmt: skip


def test_hosts_with_visits_under_way_keep_nobody_from_the_hosts_behind_them(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([at(f"h{number}", f"j{number}") for number in range(60)])
    gate = Ruled(lambda host, _: None if host == "h59.test" else Deferral(until=None, why="busy"))

    (handed,) = Dispatcher(database, gate, per_host=99).choose(MANY)

    assert handed.host == "h59.test"


def test_where_no_host_is_to_be_asked_one_answer_is_enough(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([at("a", "one"), at("b", "two"), at("c", "given-up")])
    with writing(database) as connection:
        connection.execute(update(JOB).where(JOB.c.id == "given-up").values(giving_up="it broke"))
    gate = Ruled(lambda *_: Deferral(until=None, why="all are busy", of_all=True))

    (handed,) = Dispatcher(database, gate, per_host=99).choose(MANY)

    assert handed.job_id == "given-up"  # nobody is asked for anything for it
    assert len(gate.asked) == 1


def test_a_run_that_never_arrived_is_found_and_handed_back(
    queue: DatabaseQueue, database: Engine
) -> None:
    queue.put([job()])
    dispatcher = Dispatcher(database, Admission(), per_host=1)
    (handed,) = dispatcher.choose(1)

    assert dispatcher.unstarted(for_s=60) == []
    assert dispatcher.unstarted(for_s=-1) == [("one", handed.run)]

    Attempts(database, Admission(), RetryRules(), lambda: 0.0).hand_back("one", handed.run)
    (again,) = dispatcher.choose(1)
    assert again.run == handed.run + 1
