"""What a slot makes of whatever goes wrong, and what it asks before it stores."""

import errno
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest

from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError, StoreFull
from snapshotter.jobs.queue.failure import Fault
from snapshotter.jobs.workers.capture_process_main import _failed, _PipeLease
from snapshotter.jobs.workers.job_runner import PermanentFailure
from snapshotter.ports import JobSuperseded
from tests.unit.jobs.making import SEALED

LONG_S = 3600.0


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    ours, theirs = multiprocessing.Pipe()
    yield ours, theirs
    signal.setitimer(signal.ITIMER_REAL, 0)
    ours.close()
    theirs.close()


@pytest.fixture
def lease(ends: tuple[Connection, Connection]) -> _PipeLease:
    return _PipeLease(ends[0], LONG_S)


def caused(error: SnapshotterError, cause: BaseException) -> SnapshotterError:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (SnapshotterError("broken"), Fault.PAGE),
        (RuntimeError("a bug"), Fault.PAGE),
        (ServiceUnavailable("no store"), Fault.SERVICE),
        (StoreFull("the quota of the bucket is used up"), Fault.SERVICE),
        (OSError(errno.ENOSPC, "No space left on device"), Fault.SERVICE),
        (caused(SnapshotterError("x"), OSError(errno.EDQUOT, "quota")), Fault.SERVICE),
        (PolicyRefused("no"), Fault.FINAL),
        (PermanentFailure("no such policy"), Fault.FINAL),
    ],
)
def test_whose_fault_it_is_is_told_by_the_error(
    lease: _PipeLease, error: Exception, fault: Fault
) -> None:
    failure = _failed(error, lease).failure

    assert failure is not None
    assert failure.fault is fault


def test_a_bug_is_told_with_its_place_and_a_full_disk_is_none(lease: _PipeLease) -> None:
    try:
        raise RuntimeError("oh")
    except RuntimeError as error:
        bug = _failed(error, lease).failure
    full = _failed(OSError(errno.ENOSPC, "No space left on device"), lease).failure

    assert bug is not None
    assert "test_capture_process.py" in bug.error
    assert full is not None
    assert full.error.startswith("a disk is full")


def test_what_was_sealed_and_not_stored_is_told_of(lease: _PipeLease) -> None:
    error = ServiceUnavailable("no answer", hint="the sealed bundle is kept: x")
    assert _failed(error, lease).unstored == ""

    lease.asked = True

    assert _failed(error, lease).unstored == "the sealed bundle is kept: x"
    assert _failed(JobSuperseded("y"), lease).superseded


def answering(end: Connection, *answers: bool | None) -> threading.Thread:
    def answer() -> None:
        for answer in answers:
            end.recv()
            end.send(answer)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread


def left_s() -> float:
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_the_right_to_store_has_an_end_that_the_kernel_keeps(
    ends: tuple[Connection, Connection], lease: _PipeLease
) -> None:
    worker = answering(ends[1], None, True)  # asked again, for it took long

    lease.may_store(SEALED)

    worker.join()
    assert left_s() > LONG_S / 2  # and is not the limit of this test
    lease.stored()
    assert left_s() == 0


def test_nobody_is_ended_for_what_is_not_being_stored(
    ends: tuple[Connection, Connection], lease: _PipeLease
) -> None:
    worker = answering(ends[1], False)
    with pytest.raises(JobSuperseded):
        lease.may_store(SEALED)
    worker.join()
    assert left_s() == 0

    worker = answering(ends[1], True, True)
    lease.may_store(SEALED)
    lease.wait(ServiceUnavailable("no answer"))
    worker.join()
    assert left_s() == 0


def test_a_store_is_not_waited_for_when_the_worker_says_so(
    ends: tuple[Connection, Connection], lease: _PipeLease
) -> None:
    worker = answering(ends[1], False)
    error = ServiceUnavailable("no answer")

    with pytest.raises(ServiceUnavailable) as caught:
        lease.wait(error)

    worker.join()
    assert caught.value is error
