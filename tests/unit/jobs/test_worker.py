"""A worker by itself: what it says of itself while things are away."""

import threading
from pathlib import Path

from sqlalchemy import Engine as Database
from typing_extensions import override

from snapshotter.jobs.database import TABLES
from snapshotter.jobs.engine import Limits
from snapshotter.jobs.gate import OpenGate
from snapshotter.jobs.slot import Workshop
from snapshotter.jobs.worker import Rules, Worker
from snapshotter.ports import JobObserver


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
    heard, told = _Turns(enough=1), []
    worker = Worker(
        url=str(tmp_path / "queue.db"), database=database, opener=_never, gate=OpenGate(),
        duties=(), rules=Rules(beat_s=0.01), limits=Limits(), version="1",
        told=lambda event, **_: told.append(event), observer=heard, chance=lambda: 0.5,
    )  # fmt: skip
    TABLES.drop_all(database)

    (beats, *_) = worker._threads()
    beats.start()
    try:
        assert heard.done.wait(60)
    finally:
        worker._over.set()
        beats.join(60)

    assert heard.beats == 0
    assert told == ["queue.unavailable"]


def _never(_tell: object) -> Workshop:
    raise AssertionError("no slot is started here")
