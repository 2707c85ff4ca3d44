"""Summarise watch lists: their items, and the results of the jobs that captured them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from datetime import timedelta
from typing import TYPE_CHECKING

from snapshotter.model.job import JobStatus
from snapshotter.model.watch import ItemState, Poll, WatchItem, WatchStatus
from snapshotter.ports import JobQueue
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.jobs.watches.watches import Watches

_NEWEST = 1_000  # items that a summary looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemWithJob:
    """An item with its job; the job is None if there is none, or if it was purged."""

    item: WatchItem
    job: JobStatus | None

    @property
    def took(self) -> timedelta | None:
        """The time from the poll that first saw the item to the begin of its capture."""
        if self.job is None or self.job.started_at is None:
            return None
        return self.job.started_at - self.item.first_seen


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSummary:
    """What `watch show` shows of a watch list."""

    status: WatchStatus
    polls: tuple[Poll, ...]  # newest first
    jobs: Counter[str] = field(default_factory=Counter)  # by state, of the newest items
    late: int = 0  # of these, captures that began later than the watch list wants
    unlearnt: int = 0  # of these, short links whose page is not known yet


def items_with_jobs(
    book: "Watches", queue: JobQueue, name: str, *, state: ItemState | None, newest: int
) -> Iterator[ItemWithJob]:
    """
    Yield the items of a watch list with their jobs, newest first.

    Raises:
        SnapshotterError: There is no such watch.
        ServiceUnavailable: The database does not answer.
    """
    for item in book.items(name, state=state, newest=newest):
        yield ItemWithJob(item=item, job=queue.get(item.job_id) if item.job_id else None)


def watch_summary(book: "Watches", queue: JobQueue, name: str, *, polls: int) -> WatchSummary:
    """Return the summary of a watch list. Raises as `items_with_jobs` does."""
    status = book.status(name)
    jobs: Counter[str] = Counter()
    late = unlearnt = 0
    for capture in items_with_jobs(book, queue, name, state=None, newest=_NEWEST):
        if capture.job is not None and capture.item.state is not ItemState.SAME:
            jobs[capture.job.state.value] += 1
            late += (
                capture.took is not None
                and capture.took > status.watch.within
                and not capture.item.backlog
            )
        unlearnt += (
            not capture.item.final
            and not capture.item.aliases
            and capture.item.state is ItemState.QUEUED
        )
    return WatchSummary(
        status=status, polls=book.polls(name, polls), jobs=jobs, late=late, unlearnt=unlearnt
    )
