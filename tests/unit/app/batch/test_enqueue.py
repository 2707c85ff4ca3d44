"""A batch through the queue: each row handed over once, and what came of it read back."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.batch import enqueue as queued
from snapshotter.app.batch import open_batch
from snapshotter.app.batch.state import BatchState
from snapshotter.app.machine import RandomIds
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.open_database import open_database
from snapshotter.model.job import CaptureJob, JobState
from snapshotter.store.filesystem import DirectoryStore
from tests.fakes.job_queue import TableQueue
from tests.unit.app.batch.batches import RULES, Bench, Pages, Silent
from tests.unit.app.batch.test_run import URLS, column, fill

BUNDLE = "20260115t123045z-abcdefghijklmnop"


class Handed(TableQueue):
    """A queue that remembers what it was given."""

    given: list[CaptureJob]
    lost = False

    @override
    def put(self, jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        self.given = [*getattr(self, "given", []), *jobs]
        taken = super().put(jobs)
        if self.lost:
            raise ServiceUnavailable("the answer was lost")
        return taken


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    made = Bench(tmp_path)
    fill(made, f"{URLS[0]},a;b", f"{URLS[1]},", f"{URLS[0]}?utm_source=x,", header="url,tags")
    return made


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Handed]:
    engine = open_database(f"sqlite:///{tmp_path / 'queue.db'}")
    made = Handed(engine)
    made.works = False
    yield made
    engine.dispose()


def enqueue(bench: Bench, queue: Handed, *, retry_failed: bool = False) -> tuple[int, int, Silent]:
    """Hand over and read back as the command does; return how many were new, how many are left."""
    watcher = Silent()
    with _opened(bench) as book:
        queued.refuse_if_local(book)
        entries = tuple(
            entry
            for entry in book.pending_rows(retry_failed=retry_failed)
            if not book.known(entry).queued
        )
        new = queued.enqueue_rows(book, entries, queue, policy="slow")
        left = queued.update_results(book, queue, watcher)
        book.write()
    return new, left, watcher


def test_rows_are_handed_over_once_however_often_that_is_done(bench: Bench, queue: Handed) -> None:
    assert enqueue(bench, queue)[:2] == (2, 2)
    assert enqueue(bench, queue)[:2] == (0, 2)

    assert [(job.url, job.tags, job.policy) for job in queue.given] == [
        (URLS[0], ("a", "b"), "slow"),
        (URLS[1], (), "slow"),
    ]
    assert len({job.origin for job in queue.given}) == 1
    assert column(bench, "status") == ["waiting", "waiting", "waiting"]


def test_what_came_of_jobs_stands_in_the_table_and_is_not_asked_for_again(
    bench: Bench, queue: Handed
) -> None:
    enqueue(bench, queue)
    first, second = (job.id for job in queue.given)
    queue.end(
        first, JobState.DONE, bundle_id=BUNDLE, sha256="0" * 64, title="=A", outcome="complete",
        location="s3://x", exit_code=0,
    )  # fmt: skip
    queue.end(second, JobState.RUNNING)

    _, left, watcher = enqueue(bench, queue)

    assert (left, watcher.over) == (1, [(1, "done")])
    assert column(bench, "status") == ["done", "running", "duplicate"]
    assert column(bench, "title")[0] == "'=A"
    assert column(bench, "time")[0] == "2026-01-15T12:30:45Z"
    assert column(bench, "bundle_id") == [BUNDLE, "", BUNDLE]
    queue.end(second, JobState.DEAD, error="given up", exit_code=1)
    assert enqueue(bench, queue)[1] == 0
    assert column(bench, "status")[1] == "dead"
    assert len(queue.given) == 2


def test_a_job_that_failed_is_handed_over_again_under_another_id_when_that_is_asked_for(
    bench: Bench, queue: Handed
) -> None:
    enqueue(bench, queue)
    for job in list(queue.given):
        queue.end(job.id, JobState.FAILED, error="refused", exit_code=20)
    enqueue(bench, queue)

    assert enqueue(bench, queue)[0] == 0
    assert enqueue(bench, queue, retry_failed=True)[0] == 2

    assert [job.id for job in queue.given[2:]] == [f"{job.id}-2" for job in queue.given[:2]]
    assert column(bench, "status")[:2] == ["waiting", "waiting"]


def test_an_answer_that_was_lost_hands_the_same_jobs_over_again(
    bench: Bench, queue: Handed
) -> None:
    queue.lost = True
    with pytest.raises(ServiceUnavailable):
        enqueue(bench, queue)
    queue.lost = False

    assert enqueue(bench, queue)[:2] == (0, 2)

    ids = [job.id for job in queue.given]
    assert ids[:2] == ids[2:]


def test_a_job_that_the_queue_has_forgotten_is_not_handed_over_again_by_itself(
    bench: Bench, queue: Handed, tmp_path: Path
) -> None:
    enqueue(bench, queue)
    engine = open_database(f"sqlite:///{tmp_path / 'another.db'}")
    empty = Handed(engine)

    assert enqueue(bench, empty)[:2] == (0, 0)
    engine.dispose()

    assert column(bench, "status")[:2] == ["failed", "failed"]
    assert column(bench, "error")[0] == "the queue no longer has this job"


def test_rows_that_the_queue_has_are_not_captured_here_and_the_other_way_round(
    bench: Bench, queue: Handed
) -> None:
    enqueue(bench, queue)
    with (
        pytest.raises(
            SnapshotterError, match="rows of this table that are already in the queue: 2"
        ),
        _opened(bench) as book,
    ):
        queued.refuse_if_queued(book.plan, book.journal)

    bench.done.unlink()
    bench.journal.unlink()

    def stop(url: str) -> None:
        raise KeyboardInterrupt

    bench.run(Pages(trouble=stop))
    with pytest.raises(
        SnapshotterError, match="an earlier run of this command ended while it captured row 1"
    ):
        enqueue(bench, queue)


def test_following_ends_when_all_jobs_are_over_and_ctrl_c_leaves_them_to_the_workers(
    bench: Bench, queue: Handed
) -> None:
    enqueue(bench, queue)
    naps = []

    def work(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1:
            raise KeyboardInterrupt
        queue.end(queue.given[len(naps) - 2].id, JobState.DONE, bundle_id=BUNDLE)

    with _opened(bench) as book:
        assert queued.wait_for_jobs(book, queue, Silent(), pause=work).interrupted
        assert not queued.wait_for_jobs(book, queue, Silent(), pause=work).interrupted
        assert book.counts().by_status == {"done": 2, "duplicate": 1}
    assert len(naps) == 3


def _opened(bench: Bench) -> AbstractContextManager[BatchState]:
    wanted = open_batch.BatchRequest(data=bench.table.read_bytes(), name=str(bench.table))
    return open_batch.open_batch(
        wanted, lambda _: None, RULES, store=DirectoryStore(bench.folder / "store").url,
        clock=bench.clock, ids=RandomIds(), show_message=bench.told.append,
    )  # fmt: skip
