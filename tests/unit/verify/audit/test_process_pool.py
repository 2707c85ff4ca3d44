"""Work in other processes: nothing is lost when one dies, and none outlives its parent."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.verify.audit.process_pool import PoolProcessDied, ProcessPool, dumps
from tests.audited import BREAKS, FAILS, KILLS, Collection, squares

ROOT = Path(__file__).resolve().parents[4]
_LIMIT_S = 60  # for a process to start or to end, on a machine that is busy

_PROGRAM = """
import sys
from pathlib import Path
from snapshotter.verify.audit.process_pool import ProcessPool
from tests.audited import waits
if __name__ == "__main__":
    try:
        with ProcessPool(waits, Path(sys.argv[1]), count=2) as workers:
            list(workers.answers(range(40)))
    except KeyboardInterrupt:
        print("told", flush=True)
        sys.exit(130)
"""


@pytest.mark.parametrize("count", [1, 2])
def test_every_task_is_answered_once(count: int) -> None:
    tasks = [number for number in range(60) if number not in (KILLS, FAILS, BREAKS)]

    with ProcessPool(squares, 5, count=count) as workers:
        answers = dict(workers.answers(iter(tasks)))

    assert answers == {number: number * number + 5 for number in tasks}


def test_no_process_is_started_for_nothing() -> None:
    with ProcessPool(squares, 5, count=2) as workers:
        assert list(workers.answers(iter(()))) == []


def test_a_task_that_kills_its_process_is_named_and_the_others_are_answered() -> None:
    tasks = [number for number in range(40) if number not in (FAILS, BREAKS)]

    with ProcessPool(squares, 0, count=2) as workers:
        answers = dict(workers.answers(iter(tasks)))

    died = answers.pop(KILLS)
    assert isinstance(died, PoolProcessDied)
    assert "exit code 7" in str(died)
    assert answers == {number: number * number for number in tasks if number != KILLS}


@pytest.mark.parametrize("count", [1, 2])
def test_an_expected_error_is_raised_with_its_hint(count: int) -> None:
    with (
        pytest.raises(SnapshotterError, match="seven is not squared") as caught,
        ProcessPool(squares, 0, count=count) as workers,
    ):
        list(workers.answers(iter([1, FAILS, 2])))

    assert caught.value.hint == "take another"


def test_a_bug_in_another_process_is_a_bug_here() -> None:
    with (
        pytest.raises(RuntimeError, match="LookupError: a bug"),
        ProcessPool(squares, 0, count=2) as workers,
    ):
        list(workers.answers(iter([1, BREAKS])))


def test_trust_survives_the_way_to_another_process(template: Collection) -> None:
    assert pickle.loads(dumps(template.trust)) == template.trust  # noqa: S301  our own bytes


def test_ctrl_c_is_told_to_one_process_only_and_all_end(tmp_path: Path) -> None:
    """As at a terminal: every process of the group gets the signal."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _until(lambda: len(list(tmp_path.iterdir())) == 2)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=_LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    assert (process.returncode, out, err) == (130, "told\n", "")
    assert not [path for path in tmp_path.iterdir() if _is_alive(int(path.name))]


def test_no_process_outlives_an_audit_that_was_killed(tmp_path: Path) -> None:
    program = _PROGRAM.replace("waits", "squares").replace("Path(sys.argv[1])", "0")
    program = program.replace("list(workers.answers(range(40)))", _HALF_WAY)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _until(lambda: (tmp_path / "workers").exists())
        workers = [int(part) for part in (tmp_path / "workers").read_text().split()]
        process.kill()
        process.wait(_LIMIT_S)
        _until(lambda: not any(map(_is_alive, workers)))
    finally:
        if process.poll() is None:
            process.kill()


# Says which processes it has started, and then does nothing for ever.
_HALF_WAY = """
            answers = workers.answers(iter([1, 2, 3] * 10))
            next(answers)
            ids = " ".join(str(it.process.pid) for it in workers._workers)
            (Path(sys.argv[1]) / "new").write_text(ids)
            (Path(sys.argv[1]) / "new").rename(Path(sys.argv[1]) / "workers")
            import signal
            while True:
                signal.pause()
"""


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
