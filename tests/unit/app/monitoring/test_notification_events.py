"""What people are told of jobs, audits, workers and disks; what names a page stands apart."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from snapshotter.app.monitoring import notification_events
from snapshotter.model.assessment import AssessmentSummary, Availability, Cause, Content
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.model.notification import MAX_TEXT, NotificationKind

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
JOB = CaptureJob(
    id="news-1@20261127t120000z",
    url="https://me:pw@news.example.org/a?id=7",
    enqueued_at=AT,
    policy="/somewhere/private/high-risk-source.toml",
    origin="schedule:news-1",
    tags=("press",),
)
STATUS = JobStatus(
    job=JOB,
    state=JobState.FAILED,
    attempts=2,
    worker="w1",
    error="https://news.example.org/a was refused" + "x" * MAX_TEXT,
    exit_code=20,
    title="A title that the page gave itself",
)


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (JobState.DONE, NotificationKind.CAPTURE_DONE),
        (JobState.INCOMPLETE, NotificationKind.CAPTURE_INCOMPLETE),
        (JobState.FAILED, NotificationKind.CAPTURE_FAILED),
        (JobState.DEAD, NotificationKind.CAPTURE_DEAD),
    ],
)
def test_a_job_that_is_over_is_told_and_its_page_stands_apart(
    state: JobState, kind: NotificationKind
) -> None:
    event = notification_events.job_event(replace(STATUS, state=state), AT)

    assert event is not None
    assert (event.kind, event.subject, event.job_id) == (kind, JOB.id, JOB.id)
    assert (event.policies, event.origins, event.tags) == ((JOB.policy,), (JOB.origin,), ("press",))
    assert event.host == "news.example.org"
    assert "example" not in event.summary
    assert "title" not in repr(event)


def test_a_summary_answers_whether_the_page_is_there_and_the_capture_whole() -> None:
    shown = AssessmentSummary(
        content=Content.NOTICE,
        availability=Availability.UNAVAILABLE,
        cause=Cause.AUTHOR,
        rule="wx-01",
    )
    event = notification_events.job_event(
        replace(STATUS, state=JobState.DONE, outcome="complete", shown=shown), AT
    )

    assert event is not None
    assert event.summary == (  # the id of the rule would name the platform
        "The page was not available (removal by the author). The capture is complete. No check of "
        "the bundle failed, and the bundle is stored"
    )


@pytest.mark.parametrize(
    "state", [state for state in JobState if not state.over] + [JobState.CANCELLED]
)
def test_of_a_job_that_is_not_over_nobody_is_told(state: JobState) -> None:
    assert notification_events.job_event(replace(STATUS, state=state), AT) is None


def test_a_retry_by_hand_that_fails_is_told_again_and_a_recovered_workflow_is_not() -> None:
    first, same, again = (
        notification_events.job_event(replace(STATUS, attempts=attempts), AT)
        for attempts in (2, 2, 3)
    )

    assert first is not None
    assert same is not None
    assert again is not None
    assert first.id == same.id != again.id


def test_an_address_that_is_none_is_told_without_a_host() -> None:
    event = notification_events.job_event(replace(STATUS, job=replace(JOB, url="http://[")), AT)

    assert event is not None
    assert event.host == ""


def test_services_and_disks_have_ids_whatever_they_are_called() -> None:
    name = "worker/1 in the é cellar"
    told = (
        notification_events.service_event("store", "s3://evidence did not answer", AT),
        notification_events.disk_event("spool", 900_000_000, 100_000_000_000, name, AT),
    )

    assert [event.summary for event in told] == [
        "the store failed or did not answer",
        f"the disk with the spool directory of {name} has 900 MB (0 %) of free space",
    ]
    assert len({event.id for event in told}) == 2
