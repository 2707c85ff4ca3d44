"""
Hold the plan, the journal and the written table of a batch together.

The state tells which rows are still to be captured, records their results, and counts them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from snapshotter.app.batch.columns import FIELDS
from snapshotter.app.batch.journal import Journal, RowHistory, RowResult
from snapshotter.app.batch.output import Output
from snapshotter.app.batch.plan import BatchPlan, BatchRow
from snapshotter.errors import CaptureIncomplete, SnapshotterError, one_line
from snapshotter.ports import Clock
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

DONE, INCOMPLETE, FAILED = "done", "incomplete", "failed"
DUPLICATE = "duplicate"  # means the same page as another row, whose bundle is named
_WAITING = RowResult(status="waiting")  # in the queue, as far as we know
_OVER = frozenset({DONE, INCOMPLETE, FAILED, "dead", "cancelled"})
_WITH_BUNDLE = frozenset({DONE, INCOMPLETE})

# Records a label for captures, by the ids of their bundles; returns whether it could.
RecordLabel = Callable[[str, Sequence[str]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows are in which state."""

    rows: int
    by_status: Mapping[str, int]  # of rows of which anything is known
    handled: int  # empty, or with a status that was there before
    left: int  # not begun, not over, or failed only because a service was missing
    exit_code: int  # that the batch ends in, as it stands


class BatchState:
    """
    The rows of one batch.

    Every change is in the journal when the call returns. The table is written when it is due, and
    when `write` is called.
    """

    def __init__(self, plan: BatchPlan, journal: Journal, output: Output, clock: Clock) -> None:
        self.plan = plan
        self.journal = journal
        self.output = output
        self._clock = clock
        self._shown: dict[str, RowResult] = {}
        self._by_number = {entry.row.number: entry for entry in plan.entries}

    def known(self, entry: BatchRow) -> RowHistory:
        """Return what the journal holds about a row."""
        return self.journal.known(entry.key)

    def result(self, entry: BatchRow) -> RowResult | None:
        """Return the result of a row; None if it has none, or was left unchanged."""
        if entry.handled:
            return None
        if entry.problem is not None:
            error = entry.problem
            return RowResult(
                status=FAILED, error=error.message, hint=error.hint, exit_code=error.exit_code
            )
        if entry.same_as:
            return self._as_of(entry)
        known = self.known(entry)
        return self._shown.get(entry.key, _WAITING) if known.queued else known.result

    def _as_of(self, entry: BatchRow) -> RowResult | None:
        found = self.result(self._by_number[entry.same_as])
        if found is None or found.status not in _WITH_BUNDLE:
            return found
        return RowResult(
            status=DUPLICATE,
            outcome=found.outcome,
            verdict=found.verdict,
            bundle_id=found.bundle_id,
            sha256=found.sha256,
            time=found.time,
            location=found.location,
            title=found.title,
            hint=tr("this row has the same page as row {same_as}", same_as=entry.same_as),
            exit_code=found.exit_code,
            http_status=found.http_status,
            final_url=found.final_url,
        )

    def pending_rows(self, *, retry_failed: bool = False) -> tuple[BatchRow, ...]:
        """
        Return the rows that are still to be captured, in the order of the table.

        Args:
            retry_failed: Include rows that were tried and have no bundle.
        """
        return pending_rows(self.plan, self.journal, retry_failed=retry_failed)

    def record_start(self, entry: BatchRow, bundle_id: str, labels: Sequence[str] = ()) -> None:
        """
        Record that the capture of a row begins, and the id that its bundle will have.

        Args:
            labels: Of the capture, besides the tags of the row.
        """
        self.journal.record_start(
            entry.key,
            row=entry.row.number,
            url=entry.url,
            bundle_id=bundle_id,
            at=self.now(),
            labels=tuple(dict.fromkeys((*entry.tags, *labels))),
        )

    def record_labels(self, record: RecordLabel) -> None:
        """
        Record the labels of all stored captures that do not have them yet.

        An earlier run may have ended before it did so. What cannot be recorded is tried again by
        the next run.
        """
        for label, owed in self.journal.owed_labels.items():
            bundle_ids = tuple(owed)
            if bundle_ids and record(label, bundle_ids):
                self.journal.record_labelled(label, bundle_ids)

    def record_jobs(self, jobs: Sequence[tuple[BatchRow, str]]) -> None:
        """Record the ids of jobs before they are enqueued."""
        self.journal.record_jobs(
            [(entry.key, entry.row.number, entry.url, job) for entry, job in jobs], at=self.now()
        )

    def show(self, entry: BatchRow, result: RowResult) -> None:
        """Show the state of an unfinished row in the table; only the queue knows it."""
        self._shown[entry.key] = result

    def note(self, entry: BatchRow, result: RowResult) -> None:
        """Record the result of a row."""
        self.journal.record_result(entry.key, row=entry.row.number, result=result, at=self.now())
        if self.output.due:
            self.write()

    def write(self) -> None:
        """Write the table as it is now."""
        columns = self.plan.columns
        values = [
            columns.values(entry.row, _cells(result)) if (result := self.result(entry)) else {}
            for entry in self.plan.entries
        ]
        self.output.write(self.plan.table, columns.written, values)

    def counts(self) -> Counts:
        """Return how many rows are in which state."""
        found: Counter[str] = Counter()
        handled = left = code = incomplete = 0
        for entry in self.plan.entries:
            result = self.result(entry)
            if entry.handled:
                handled += 1
            elif result is None or result.is_transient or result.status not in {*_OVER, DUPLICATE}:
                left += 1
                found[result.status if result is not None else ""] += 1
                if result is not None and result.is_transient:
                    code = result.exit_code
            else:
                found[result.status] += 1
                if result.status == INCOMPLETE:
                    incomplete = CaptureIncomplete.exit_code
                elif result.status not in {DONE, DUPLICATE}:
                    code = result.exit_code or SnapshotterError.exit_code
        return Counts(
            rows=len(self.plan.entries),
            by_status={name: found[name] for name in sorted(found) if name},
            handled=handled,
            left=left,
            exit_code=code or incomplete,
        )

    def now(self) -> datetime:
        """Return the time."""
        return self._clock.now()


def pending_rows(
    plan: BatchPlan, journal: Journal | None, *, retry_failed: bool
) -> tuple[BatchRow, ...]:
    """Return the rows that are still to be captured; `BatchState.pending_rows` without a state."""
    if journal is None:
        return plan.rows_to_capture
    return tuple(
        entry
        for entry in plan.rows_to_capture
        if _is_to_do(journal.known(entry.key), retry_failed=retry_failed)
    )


def _is_to_do(known: RowHistory, *, retry_failed: bool) -> bool:
    result = known.result
    if known.open or result is None or result.is_transient or result.status not in _OVER:
        return True
    return retry_failed and result.status not in _WITH_BUNDLE


def _cells(result: RowResult) -> Mapping[str, str]:
    cells = {name: str(getattr(result, name)) for name in FIELDS}
    return cells | {"hint": one_line(result.hint)}
