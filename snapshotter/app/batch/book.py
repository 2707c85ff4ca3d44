"""What came of the rows of a table: plan, journal and written table as one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from snapshotter.app.batch.journal import Came, Journal, Known
from snapshotter.app.batch.output import Output
from snapshotter.app.batch.plan import FIELDS, Entry, Plan
from snapshotter.errors import CaptureIncomplete, SnapshotterError
from snapshotter.ports import Clock

DONE, INCOMPLETE, FAILED = "done", "incomplete", "failed"
DUPLICATE = "duplicate"  # means the same page as another row, whose bundle is named
_WAITING = Came(status="waiting")  # in the queue, as far as we know
_OVER = frozenset({DONE, INCOMPLETE, FAILED, "dead", "cancelled"})
_WITH_BUNDLE = frozenset({DONE, INCOMPLETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many rows are how far."""

    rows: int
    by_status: Mapping[str, int]  # of rows of which anything is known
    handled: int  # empty, or with a status that was there before
    left: int  # not begun, or not over
    exit_code: int  # that the batch ends in, as it stands


class Book:
    """
    The rows of one batch.

    Every change is in the journal when the call returns; the table follows when it is due,
    and whenever `write` is called.
    """

    def __init__(self, plan: Plan, journal: Journal, output: Output, clock: Clock) -> None:
        self.plan = plan
        self.journal = journal
        self.output = output
        self._clock = clock
        self._shown: dict[str, Came] = {}
        self._by_number = {entry.row.number: entry for entry in plan.entries}

    def known(self, entry: Entry) -> Known:
        """Return what the journal says of a row."""
        return self.journal.known(entry.key)

    def came(self, entry: Entry) -> Came | None:
        """Return what came of a row; None: nothing yet, or it was left as it is."""
        if entry.handled:
            return None
        if entry.problem is not None:
            error = entry.problem
            return Came(
                status=FAILED, error=error.message, hint=error.hint, exit_code=error.exit_code
            )
        if entry.same_as:
            return self._as_of(entry)
        known = self.known(entry)
        return self._shown.get(entry.key, _WAITING) if known.queued else known.came

    def _as_of(self, entry: Entry) -> Came | None:
        found = self.came(self._by_number[entry.same_as])
        if found is None or found.status not in _WITH_BUNDLE:
            return found
        return Came(
            status=DUPLICATE,
            outcome=found.outcome,
            verdict=found.verdict,
            bundle_id=found.bundle_id,
            sha256=found.sha256,
            time=found.time,
            location=found.location,
            title=found.title,
            hint=f"the same page as row {entry.same_as}",
            exit_code=found.exit_code,
            http_status=found.http_status,
            final_url=found.final_url,
        )

    def to_do(self, *, retry_failed: bool = False) -> tuple[Entry, ...]:
        """
        Return the rows that are to be captured, in the order of the table.

        Args:
            retry_failed: Those too that were tried, and have no bundle.
        """
        return to_do(self.plan, self.journal, retry_failed=retry_failed)

    def note_began(self, entry: Entry, bundle_id: str) -> None:
        """Write down that a capture of a row begins, and which id its bundle will have."""
        self.journal.note_began(
            entry.key, row=entry.row.number, url=entry.url, bundle_id=bundle_id, at=self.now()
        )

    def note_jobs(self, jobs: Sequence[tuple[Entry, str]]) -> None:
        """Write down that rows are about to be handed to the queue, and under which ids."""
        self.journal.note_jobs(
            [(it.key, it.row.number, it.url, job) for it, job in jobs], at=self.now()
        )

    def show(self, entry: Entry, came: Came) -> None:
        """Let the table say how far a row is that is not over: the queue knows, not we."""
        self._shown[entry.key] = came

    def note(self, entry: Entry, came: Came) -> None:
        """Write down what came of a row."""
        self.journal.note_came(entry.key, row=entry.row.number, came=came, at=self.now())
        if self.output.due:
            self.write()

    def write(self) -> None:
        """Write the table as it is now."""
        columns = self.plan.columns
        values = [
            columns.values(entry.row, _cells(came)) if (came := self.came(entry)) else {}
            for entry in self.plan.entries
        ]
        self.output.write(self.plan.table, columns.written, values)

    def counts(self) -> Counts:
        """Return how many rows are how far."""
        found: Counter[str] = Counter()
        handled = left = code = incomplete = 0
        for entry in self.plan.entries:
            came = self.came(entry)
            if entry.handled:
                handled += 1
            elif came is None or came.again or came.status not in {*_OVER, DUPLICATE}:
                left += 1
                found[came.status if came is not None else ""] += 1
            else:
                found[came.status] += 1
                if came.status == INCOMPLETE:
                    incomplete = CaptureIncomplete.exit_code
                elif came.status not in {DONE, DUPLICATE}:
                    code = came.exit_code or SnapshotterError.exit_code
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


def to_do(plan: Plan, journal: Journal | None, *, retry_failed: bool) -> tuple[Entry, ...]:
    """Return the rows that are to be captured; `Book.to_do` for whoever only looks."""
    if journal is None:
        return plan.asked
    return tuple(
        it for it in plan.asked if _is_to_do(journal.known(it.key), retry_failed=retry_failed)
    )


def _is_to_do(known: Known, *, retry_failed: bool) -> bool:
    came = known.came
    if known.open or came is None or came.again or came.status not in _OVER:
        return True
    return retry_failed and came.status not in _WITH_BUNDLE


def _cells(came: Came) -> Mapping[str, str]:
    return {name: str(getattr(came, name)) for name in FIELDS}
