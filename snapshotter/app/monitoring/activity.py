"""
Show what the queue does now: the running captures with their stages, the counts, and what is next.

A capture has many stages, of which people see five steps. The stage is what its worker reported
last, and at most a second old.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from snapshotter.model import sentences
from snapshotter.model.job import JobState, JobStatus
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.jobs.queue.database_queue import DatabaseQueue
    from snapshotter.jobs.schedules.schedules import Schedule, Schedules
    from snapshotter.jobs.workers.capture_stages import CaptureStage

# The steps that people see, and the stages of each. A stage that is not named is of the third step:
# whatever a browser does with a page that is loaded.
STEPS: Final = (
    tr("Start the browser"),
    tr("Load the page"),
    tr("Record the page"),
    tr("Assess the page"),
    tr("Seal and store"),
)
_STEP_OF_STAGE: Final[Mapping[str, int]] = {
    "": 0,
    "prepare": 0,
    "launch": 0,
    "navigate": 1,
    "consent": 1,
    "settle": 1,
    "scroll": 1,
    "expand": 1,
    "judge": 1,
    "reload": 1,
    "assess": 3,
    "compress": 3,
    "seal": 4,
    "timestamp": 4,
    "store": 4,
    "await-store": 4,
    "append": 4,
    "replay": 4,
}
_RECORD: Final = 2
_FIRST: Final = tr("preparing the capture")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningCapture:
    """A capture that is under way."""

    status: JobStatus
    step: int  # number of the step, from 0; the steps before it are done
    words: str  # what is done now, without a capital letter
    since: datetime | None  # when that began; None: its worker reported no stage yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """The queue at one moment."""

    counts: Mapping[JobState, int]  # empty states are left out
    running: tuple[RunningCapture, ...]
    now: datetime  # by the clock of the queue

    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker, for their time or for their host."""
        return self.counts.get(JobState.WAITING, 0) + self.counts.get(JobState.DEFERRED, 0)


def activity(queue: "DatabaseQueue", stages: "Sequence[CaptureStage]") -> Activity:
    """
    Return what the queue does now.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    known = {stage.job_id: stage for stage in stages}
    return Activity(
        counts=queue.counts(),
        running=tuple(
            _running(status, known.get(status.job.id))
            for status in queue.jobs(states=frozenset({JobState.RUNNING}))
        ),
        now=queue.now(),
    )


def next_visits(schedules: "Schedules", *, limit: int) -> "tuple[Schedule, ...]":
    """
    Return the schedules whose next visits come first.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    due = [entry for entry in schedules.all() if entry.next_at is not None]
    return tuple(sorted(due, key=lambda entry: (entry.next_at, entry.name))[:limit])


def step_of_stage(stage: str) -> int:
    """Return the number of the step, from 0, that a stage of a capture belongs to."""
    return _STEP_OF_STAGE.get(stage, _RECORD)


def stage_words(stage: str) -> str:
    """Return what is done in a stage."""
    return sentences.stage_name(stage) or (stage if stage not in ("", "prepare") else _FIRST)


def _running(status: JobStatus, stage: "CaptureStage | None") -> RunningCapture:
    name = stage.stage if stage is not None else ""
    return RunningCapture(
        status=status,
        step=step_of_stage(name),
        words=stage_words(name),
        since=stage.since if stage is not None else None,
    )
