"""Run a whole batch: preview it, capture its rows in this process, or hand them to the queue."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final, Protocol

from snapshotter.app.batch import enqueue, run
from snapshotter.app.batch.journal import Journal
from snapshotter.app.batch.open_batch import BatchRequest, open_batch, preview_batch
from snapshotter.app.batch.plan import BatchPlan, BatchRow
from snapshotter.app.batch.run import BatchObserver, RunResult
from snapshotter.app.batch.state import BatchState, RecordLabel, pending_rows
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import safekeeping
from snapshotter.app.pipeline.host_pacing import VisitQueue, VisitTracker
from snapshotter.app.pipeline.log_bundle import begin_log
from snapshotter.app.pipeline.run import CaptureDependencies
from snapshotter.app.pipeline.series import CaptureSeries, retry_in_background
from snapshotter.app.policies.decisions import PolicyDecisions
from snapshotter.errors import INTERRUPTED_EXIT_CODE
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import Clock, IdSource, JobQueue, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

SEALING: Final = timedelta(minutes=1)  # time to seal and store, after the time for the page


class BatchDisplay(BatchObserver, Protocol):
    """Shows the progress of a batch."""

    def begin(self, entries: tuple[BatchRow, ...], rules: Politeness) -> None:
        """Show which rows are about to be captured."""


OpenDisplay = Callable[[BatchState], AbstractContextManager[BatchDisplay]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A table, how its pages are captured, and which of its rows this run is about."""

    request: BatchRequest
    decisions: PolicyDecisions
    rules: PageIdentityRules
    clock: Clock
    hosts: tuple[str, ...] = ()  # only rows of these and of hosts below them; empty: all
    limit: int = 0  # most rows of this run; 0: all
    labels: tuple[str, ...] = ()  # of all captures, besides the tags of each row

    def preview(self, *, dry_run: bool = False) -> tuple[BatchPlan, Journal | None]:
        """Return the plan and what the journal knows, as `preview_batch` does and raises."""
        return preview_batch(self.request, self.decisions.check, self.rules, dry_run=dry_run)

    def pending_rows(
        self, plan: BatchPlan, journal: Journal | None
    ) -> tuple[tuple[BatchRow, ...], int]:
        """Return the rows that this run would capture, and how many were finished before."""
        rows = pending_rows(plan, journal, retry_failed=self.request.retry_failed)
        return self.select(rows), len(plan.rows_to_capture) - len(rows)

    def select(self, entries: tuple[BatchRow, ...]) -> tuple[BatchRow, ...]:
        """Return the rows that this run is about."""
        found = tuple(entry for entry in entries if not self.hosts or self._has_host(entry.host))
        return found[: self.limit] if self.limit else found

    def _has_host(self, host: str) -> bool:
        return any(host == known or host.endswith(f".{known}") for known in self.hosts)

    def open(
        self, store: str, ids: IdSource, show_message: ShowMessage
    ) -> AbstractContextManager[BatchState]:
        """Begin or continue the batch, as `open_batch` does and raises."""
        return open_batch(
            self.request, self.decisions.check, self.rules,
            store=store, clock=self.clock, ids=ids, show_message=show_message,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The state of a batch after a run."""

    state: BatchState
    ended: RunResult
    owed: threading.Thread | None = None  # still asks for owed timestamp tokens

    @property
    def exit_code(self) -> int:
        """Return the exit code of the run."""
        if self.ended.interrupted:
            return INTERRUPTED_EXIT_CODE
        if self.ended.stopped is not None:
            return self.ended.stopped.exit_code
        return self.state.counts().exit_code


def capture_batch(
    batch: Batch,
    dependencies: CaptureDependencies,
    visits: VisitTracker,
    stop: Interruption,
    open_display: OpenDisplay,
    show_message: ShowMessage,
    record_label: RecordLabel,
) -> BatchResult:
    """
    Capture the rows in this process, write the table, and record the labels of the captures.

    Args:
        record_label: Records a label for captures.

    Raises:
        SnapshotterError: The table cannot be read or written, or the queue has some of the rows.
    """
    with batch.open(dependencies.store.url, dependencies.ids, show_message) as state:
        enqueue.refuse_if_queued(state.plan, state.journal)
        rescued = safekeeping.rescue_spooled(dependencies)
        with open_display(state) as display:
            run.recover(state, dependencies, batch.decisions, display)
            for file in rescued:
                if file.exists():
                    show_message(
                        tr(
                            "the bundle of an earlier capture was sealed, but not stored: {file}",
                            file=file,
                        )
                    )
                    show_message(
                        tr("store this bundle:\n  snapshotter store add {file}", file=file)
                    )
            state.record_labels(record_label)
            entries = batch.select(state.pending_rows(retry_failed=batch.request.retry_failed))
            if entries:
                begin_log(dependencies.logbook)
            display.begin(entries, visits.politeness)
            owed = retry_in_background(dependencies, show_message)
            with CaptureSeries(dependencies, stop) as series:
                ended = run.capture_all(
                    state, entries, series,
                    VisitQueue(visits, batch.clock, [entry.url for entry in entries]),
                    batch.decisions, display, pause=time.sleep, labels=batch.labels,
                )  # fmt: skip
        state.write()
        state.record_labels(record_label)
    return BatchResult(state=state, ended=ended, owed=owed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchQueue:
    """The queue that rows are handed to, and what a batch needs to know of it."""

    jobs: JobQueue
    store: str  # in which its workers store bundles
    has_worker: Callable[[], bool]
    politeness: Politeness


def enqueue_batch(
    batch: Batch,
    queue: BatchQueue,
    ids: IdSource,
    open_display: OpenDisplay,
    show_message: ShowMessage,
    *,
    policy: str,
    wait: bool,
) -> BatchResult:
    """
    Hand the rows to the queue, and write the results so far into the table.

    Args:
        policy: For rows that name none; "" is the policy of the worker.
        wait: Wait until all jobs are over.

    Raises:
        ServiceUnavailable: The queue cannot be reached.
        SnapshotterError: The table cannot be read or written, or this process may have captured
            one of the rows.
    """
    with (
        batch.open(queue.store, ids, show_message) as state,
        open_display(state) as display,
    ):
        enqueue.refuse_if_local(state)
        pending = state.pending_rows(retry_failed=batch.request.retry_failed)
        entries = batch.select(tuple(row for row in pending if not state.known(row).queued))
        if taken := enqueue.enqueue_rows(
            state, entries, queue.jobs, policy=policy, labels=batch.labels
        ):
            display.message(tr("pages handed to the queue: {taken:,}", taken=taken))
        queued = tuple(row for row in state.plan.rows_to_capture if state.known(row).queued)
        display.begin(queued, queue.politeness)
        left = enqueue.update_results(state, queue.jobs, display)
        if left and not queue.has_worker():
            display.message("no worker is running. Start a worker:\n  snapshotter worker")
        ended = RunResult()
        if left and wait:
            ended = enqueue.wait_for_jobs(state, queue.jobs, display, pause=time.sleep)
        state.write()
    return BatchResult(state=state, ended=ended)
