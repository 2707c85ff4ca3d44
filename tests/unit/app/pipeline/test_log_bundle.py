"""The checkpoint that a capture quotes, from a log that does not answer."""

import threading
from pathlib import Path

from snapshotter.app.pipeline.log_bundle import quoted_checkpoint
from snapshotter.app.upkeep.log_entries import StoreLog
from snapshotter.seal.log_writer import LogWriter
from snapshotter.store.filesystem import DirectoryStore
from tests import logs


def test_a_capture_does_not_wait_for_a_log_that_does_not_answer(tmp_path: Path) -> None:
    store, answer = DirectoryStore(tmp_path / "store"), threading.Event()

    def open_late() -> LogWriter:
        assert answer.wait(60)
        return logs.writer(store)

    log = StoreLog(store, open_late, tmp_path / "unlogged")

    quoted = quoted_checkpoint(log, longest_s=0.05)
    answer.set()

    assert quoted.problem == f"the log of {store.url} was not read within 0.05 s"
    assert quoted.text == ""
    assert quoted_checkpoint(log, longest_s=60).problem == ""
