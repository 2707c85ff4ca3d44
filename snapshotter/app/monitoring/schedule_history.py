"""Show the history of a schedule: visits with outcomes and verdicts, gaps, possible removals."""

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.archive.organising.review_list import possible_removals_of
from snapshotter.app.archive.quarantined import FindHidden
from snapshotter.assess.possible_removals import PossibleRemoval
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.schedules.history import HistoryEntry
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """An entry of a history, with what the capture of a visit shows."""

    entry: HistoryEntry
    shown: AssessmentSummary | None  # None: no capture, or one in quarantine, or no job
    removal: PossibleRemoval | None


def schedule_history(
    schedules: Schedules,
    queue: DatabaseQueue,
    source: ObservationSource,
    name: str,
    *,
    newest: int,
    gaps_only: bool = False,
    hidden: FindHidden,
) -> tuple[ShownEntry, ...]:
    """
    Return visits and gaps of a schedule, the newest first, from the index as it is.

    Args:
        hidden: Finds captures in quarantine by their notices.

    Raises:
        SnapshotterError: The schedule never existed, or the index cannot be used.
        ServiceUnavailable: The database does not answer.
    """
    found = schedules.history(name, newest=newest, gaps_only=gaps_only, look=queue.get)
    jobs = queue.some([entry.job_id for entry in found if entry.job_id])
    withheld = hidden([status.bundle_id for status in jobs if status.bundle_id])
    shown = {status.job.id: status.shown for status in jobs if status.bundle_id not in withheld}
    removals = possible_removals_of(
        source, {entry.url for entry in found if entry.bundle_id}, hidden=hidden, sync=False
    )
    return tuple(
        ShownEntry(
            entry=entry,
            shown=shown.get(entry.job_id),
            removal=removals.get(entry.bundle_id),
        )
        for entry in found
    )
