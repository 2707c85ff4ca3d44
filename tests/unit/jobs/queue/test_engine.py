"""What the engine is asked for, with the engine itself, on a database in a file."""

from pathlib import Path

import pytest

from snapshotter.jobs.queue import engine as engines
from snapshotter.jobs.queue.dispatcher import HandedRun
from snapshotter.jobs.queue.engine import ConcurrencyLimits, DbosEngine


def test_a_run_of_a_version_that_nobody_has_any_more_is_handed_over_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, int]] = []
    engine = DbosEngine(
        f"{tmp_path}/queue.db", "worker", limits=ConcurrencyLimits(),
        run=lambda job, run: ran.append((job, run)),
    )  # fmt: skip
    engine.start(1)
    try:
        with monkeypatch.context() as before_the_upgrade:
            before_the_upgrade.setattr(engines, "_VERSION", "0")
            engine.hand_over(HandedRun(job_id="old", run=1, host="a.example", priority=100))

        assert engine.lost([("old", 1)]) == [("old", 1)]
        assert engine.lost([("old", 1)]) == [("old", 1)]  # and it stays so
    finally:
        engine.stop(within_s=10)

    assert ran == []
