"""Who works, who is silent, and who has a duty."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from snapshotter.jobs.database import database_now, writing
from snapshotter.jobs.processes import _machine, is_gone, process_name
from snapshotter.jobs.workers.registry import _TASK, _WORKER, WorkerRegistry, WorkerState


@pytest.fixture
def roster(database: Engine) -> WorkerRegistry:
    roster = WorkerRegistry(database)
    roster.register("one", slots=2, version="1")
    roster.register("two", slots=1, version="1")
    return roster


def silence(database: Engine, worker: str, seconds: float) -> None:
    """Let a worker have said nothing for so long."""
    with writing(database) as connection:
        at = database_now(connection) - timedelta(seconds=seconds)
        connection.execute(update(_WORKER).where(_WORKER.c.id == worker).values(beat_at=at))


def beat(roster: WorkerRegistry, worker: str) -> bool:
    return roster.beat(worker, WorkerState.WORKING, "", 0).was_marked_dead


def test_a_worker_that_is_silent_for_long_is_buried_once(
    roster: WorkerRegistry, database: Engine
) -> None:
    silence(database, "two", 60)

    (silent,) = roster.silent(but="one", for_s=30)

    assert silent.id == "two"
    assert roster.mark_dead(silent)
    assert not roster.mark_dead(silent)
    assert roster.silent(but="one", for_s=30) == []


def test_a_worker_that_speaks_in_the_last_moment_is_not_buried(
    roster: WorkerRegistry, database: Engine
) -> None:
    silence(database, "two", 60)
    (silent,) = roster.silent(but="one", for_s=30)

    assert not beat(roster, "two")

    assert not roster.mark_dead(silent)


def test_a_worker_learns_that_it_was_buried_and_lives_again(
    roster: WorkerRegistry, database: Engine
) -> None:
    silence(database, "two", 60)
    (silent,) = roster.silent(but="one", for_s=30)
    roster.mark_dead(silent)

    back = roster.beat("two", WorkerState.WORKING, "", 5)

    assert back.was_marked_dead
    assert back.gap_s > 59
    assert not beat(roster, "two")
    assert {worker.id: (worker.state, worker.done) for worker in roster.workers()}["two"] == (
        WorkerState.WORKING, 0,
    )  # fmt: skip


def test_a_worker_that_spoke_by_a_clock_that_was_set_back_is_not_waited_for(
    roster: WorkerRegistry, database: Engine
) -> None:
    silence(database, "two", -3 * 3600)

    assert [worker.id for worker in roster.silent(but="one", for_s=30)] == ["two"]
    assert roster.beat("two", WorkerState.WORKING, "", 0).gap_s < -3000  # and it learns of it


def test_a_duty_that_was_taken_by_a_clock_that_was_set_back_is_free(
    roster: WorkerRegistry, database: Engine
) -> None:
    assert roster.take_task("hand-out", "two", for_s=10)
    assert roster.take_periodic_task("trim", "two", every_s=10)
    with writing(database) as connection:
        later = database_now(connection) + timedelta(hours=3)
        connection.execute(update(_TASK).values(until=later))

    assert roster.take_task("hand-out", "one", for_s=10)
    assert not roster.take_task("hand-out", "two", for_s=10)
    assert roster.take_periodic_task("trim", "one", every_s=10)
    assert not roster.take_periodic_task("trim", "one", every_s=10)


def test_of_another_users_process_nothing_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    name = process_name(2**22)  # there is none
    assert is_gone(f"{name}1")

    monkeypatch.setattr(os, "getuid", lambda: 12345)
    _machine.cache_clear()
    try:
        assert not is_gone(f"{name}1")
    finally:
        _machine.cache_clear()


def test_a_worker_does_not_bury_itself(roster: WorkerRegistry, database: Engine) -> None:
    silence(database, "one", 600)

    assert roster.silent(but="one", for_s=30) == []


def test_a_process_that_has_ended_is_known_to_be_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        name = process_name(process.pid)
        assert not is_gone(name)
        process.kill()
        process.wait()
        assert is_gone(name)


@pytest.mark.parametrize("process", ["another-boot 1 1", "", "x"])
def test_of_what_is_not_known_nothing_is_certain(process: str) -> None:
    assert not is_gone(process)


def test_a_number_that_another_process_has_by_now_is_no_life() -> None:
    # As in the name of this process: its start is the last part.
    machine, pid, started = process_name().rsplit(" ", 2)

    assert not is_gone(f"{machine} {pid} {started}")
    assert is_gone(f"{machine} {pid} {int(started) - 1}")


def test_a_duty_is_one_workers_at_a_time(roster: WorkerRegistry) -> None:
    assert roster.take_task("hand-out", "one", for_s=60)
    assert not roster.take_task("hand-out", "two", for_s=60)
    assert roster.take_task("hand-out", "one", for_s=60)
    assert roster.take_task("other", "two", for_s=0)
    assert roster.take_task("other", "one", for_s=60)  # its time had passed


@pytest.mark.parametrize("state", [WorkerState.DRAINING, WorkerState.ENDED])
def test_a_worker_that_ends_leaves_its_duty_to_others(
    roster: WorkerRegistry, state: WorkerState
) -> None:
    for task in ("hand-out", "other"):
        assert roster.take_task(task, task.replace("hand-out", "one"), for_s=60)
    assert roster.take_periodic_task("trim", "one", every_s=60)
    roster.beat("one", WorkerState.PAUSED, "", 0)
    assert not roster.take_task("hand-out", "two", for_s=60)

    roster.beat("one", state, "", 0)

    assert roster.take_task("hand-out", "two", for_s=60)
    assert not roster.take_task("other", "two", for_s=60)  # another's
    assert not roster.take_periodic_task("trim", "two", every_s=60)


def test_the_duty_of_a_worker_that_is_buried_is_free(
    roster: WorkerRegistry, database: Engine
) -> None:
    assert roster.take_task("hand-out", "two", for_s=600)
    silence(database, "two", 60)
    (silent,) = roster.silent(but="one", for_s=30)
    assert not roster.take_task("hand-out", "one", for_s=600)

    roster.mark_dead(silent)

    assert roster.take_task("hand-out", "one", for_s=600)


def test_what_is_done_once_in_a_while_is_done_once_by_all(roster: WorkerRegistry) -> None:
    assert roster.take_periodic_task("trim", "one", every_s=60)
    assert not roster.take_periodic_task("trim", "one", every_s=60)
    assert not roster.take_periodic_task("trim", "two", every_s=60)


def test_who_ended_long_ago_is_struck_out(roster: WorkerRegistry, database: Engine) -> None:
    roster.beat("two", WorkerState.ENDED, "", 0)
    silence(database, "two", 2 * 24 * 3600)
    silence(database, "one", 2 * 24 * 3600)

    roster.forget_old()

    assert [worker.id for worker in roster.workers()] == ["one"]


def test_a_worker_that_was_killed_or_is_silent_does_not_count_as_running(
    roster: WorkerRegistry, database: Engine
) -> None:
    """A console that is started after a kill must start a worker of its own."""
    assert [worker.id for worker in roster.live_workers()] == ["one", "two"]
    silence(database, "one", 61)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with writing(database) as connection:
            named = update(_WORKER).where(_WORKER.c.id == "two")
            connection.execute(named.values(process=process_name(process.pid)))
        assert [worker.id for worker in roster.live_workers()] == ["two"]
        process.kill()

    assert roster.live_workers() == []
