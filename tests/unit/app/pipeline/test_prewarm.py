"""The next capture is made ready while this one is sealed, and nothing of it is left over."""

import threading
import time
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.machine import RandomIds
from snapshotter.app.pipeline.prewarm import Prewarmer
from snapshotter.app.spool import sweep
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.request import Decision
from tests.bundles import RealClock
from tests.fakes.capturer import FakeCapturer

DECISION = Decision(policy_name="default", policy_text="")


class NoBrowser(FakeCapturer):
    """A machine whose browser is gone, or another thing."""

    problem: BaseException = ServiceUnavailable("no browser")

    @override
    def prepare(self, decision: Decision, spool: Path) -> None:
        raise self.problem


@pytest.fixture
def capturer() -> FakeCapturer:
    return FakeCapturer(RealClock())


def test_the_directory_that_was_made_ready_is_the_one_that_is_used(
    tmp_path: Path, capturer: FakeCapturer
) -> None:
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
        prewarmer.begin(DECISION)  # is ready already
        with prewarmer.spool_directory("one") as spool:
            assert capturer.prepared == [spool]
            assert spool.is_dir()
            assert not list(spool.iterdir())
        with prewarmer.spool_directory("two") as spool:
            assert spool.parent.name == "two"
    assert not list(tmp_path.iterdir())


def test_what_is_made_ready_in_another_thread_is_waited_for_and_is_discarded(
    tmp_path: Path,
) -> None:
    class Slow(FakeCapturer):
        @override
        def prepare(self, decision: Decision, spool: Path) -> None:
            began.set()
            time.sleep(0.2)
            super().prepare(decision, spool)

    began = threading.Event()
    slow = Slow(RealClock())
    with Prewarmer(slow, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin_beside(DECISION)
        prewarmer.begin_beside(DECISION)  # is beginning already
        prewarmer.begin(DECISION)  # is ready already
        assert len(slow.prepared) == 1
        with prewarmer.spool_directory("one") as spool:
            assert slow.prepared == [spool]
        began.clear()
        prewarmer.begin_beside(DECISION)
        assert began.wait(60)
    assert len(slow.prepared) == 2
    assert set(slow.discarded) == set(slow.prepared)
    assert not list(tmp_path.iterdir())


def test_no_sweep_takes_what_was_made_ready(tmp_path: Path, capturer: FakeCapturer) -> None:
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
        assert sweep(tmp_path) == 0
        assert capturer.prepared[0].is_dir()


def test_what_is_not_needed_is_discarded(tmp_path: Path, capturer: FakeCapturer) -> None:
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
    assert capturer.discarded == capturer.prepared
    assert not list(tmp_path.iterdir())


def test_the_next_may_be_made_ready_while_this_one_is_in_use(
    tmp_path: Path, capturer: FakeCapturer
) -> None:
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
        with prewarmer.spool_directory("one") as first:
            prewarmer.begin(DECISION)
            assert len(set(capturer.prepared)) == 2
        assert not first.exists()
        assert capturer.prepared[1].is_dir()
        assert capturer.prepared[1] not in capturer.discarded


def test_a_browser_that_can_not_start_ahead_is_the_captures_own_trouble(tmp_path: Path) -> None:
    with Prewarmer(NoBrowser(RealClock()), tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
        with prewarmer.spool_directory("one") as spool:
            assert spool.parent.name == "one"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("problem", [OSError(28, "no space"), RuntimeError("no thread")])
def test_nothing_that_goes_wrong_ahead_ends_the_capture_that_is_being_sealed(
    tmp_path: Path, problem: Exception
) -> None:
    capturer = NoBrowser(RealClock())
    capturer.problem = problem
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        prewarmer.begin(DECISION)
        assert not list(tmp_path.iterdir())


def test_ctrl_c_while_the_next_is_made_ready_leaves_no_directory(tmp_path: Path) -> None:
    capturer = NoBrowser(RealClock())
    capturer.problem = KeyboardInterrupt()
    with Prewarmer(capturer, tmp_path, RandomIds()) as prewarmer:
        with pytest.raises(KeyboardInterrupt) as caught:
            prewarmer.begin(DECISION)
        assert not list(tmp_path.iterdir())
    assert caught.value is capturer.problem
