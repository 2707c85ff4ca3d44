"""
Accept several captures that a person requests at once in the capture box of the console.

Either all of them are put into the queue, or none and each mistake is named with its field and its
line. The id of a job is made of the key of the form and of what is requested: a form that is sent
twice makes the same jobs, and a form that was changed makes others.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Final

from snapshotter.app.archive.organising import capture_labels
from snapshotter.app.monitoring.form_mistakes import FormMistake, noting, read_addresses
from snapshotter.app.monitoring.remote_requests import (
    ReadAnnotations,
    checked_policy,
    request_id,
)
from snapshotter.model.job import CaptureJob
from snapshotter.ports import JobQueue
from snapshotter.value_class import dataclass

MOST: Final = 200  # addresses at once
ORIGIN: Final = "console"  # `CaptureJob.origin` of these jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxInput:
    """What a person wrote into the box."""

    addresses: str = ""  # one in each line
    policy: str = ""  # its name, "auto", or "" for the policy of the worker
    case: str = ""
    tags: str = ""  # between commas
    key: str = ""  # of the form


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxResult:
    """What became of a form."""

    mistakes: tuple[FormMistake, ...] = ()  # if there are any, there are no jobs
    jobs: tuple[CaptureJob, ...] = ()
    new: int = 0  # jobs that the queue did not have before


def enqueue_box(
    queue: JobQueue,
    given: BoxInput,
    *,
    requested_by: str,
    now: datetime,
    policies_dir: Path | None,
    annotations: ReadAnnotations,
) -> BoxResult:
    """
    Put the captures of a form into the queue, or return the mistakes in the form.

    Args:
        requested_by: The person.
        annotations: Called only if a case is named.

    Raises:
        ServiceUnavailable: The database does not answer. The same form may be sent again.
    """
    mistakes: list[FormMistake] = []
    urls = read_addresses(given.addresses, mistakes, most=MOST)
    policy, labels = "", tuple[str, ...]()
    with noting(mistakes, "policy"):
        policy = checked_policy(given.policy, policies_dir)
    with noting(mistakes, "tags"):
        labels = capture_labels.labels(filter(None, map(str.strip, given.tags.split(","))), ())
    with noting(mistakes, "case"):
        cases = capture_labels.labels((), filter(None, [given.case.strip()]))
        capture_labels.require_cases(annotations, cases)
        labels += cases
    if mistakes:
        return BoxResult(mistakes=tuple(mistakes))
    jobs = [
        CaptureJob(
            id=request_id(json.dumps([given.key, url, policy, labels]), requested_by),
            url=url,
            enqueued_at=now,
            policy=policy,
            origin=ORIGIN,
            tags=labels,
        )
        for url in urls
    ]
    return BoxResult(jobs=tuple(jobs), new=sum(queue.put(jobs)))
