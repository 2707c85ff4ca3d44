"""Events: what can not be one, and an observer that hears nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from snapshotter.model.job import AttemptEnd, CaptureJob, JobState, JobStatus
from snapshotter.model.notification import (
    MAX_TEXT,
    UNKNOWN,
    WITHOUT_PAGE,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
)
from snapshotter.ports import JobObserver

AT = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
EVENT = NotificationEvent(
    id="capture.failed/j1",
    kind=NotificationKind.CAPTURE_FAILED,
    at=AT,
    subject="j1",
    summary="it failed",
    about=(UNKNOWN,),
)


@pytest.mark.parametrize("bad", ["", "/x", "a b", "a\nb", "é", "x" * 201])
def test_an_id_can_stand_in_a_header_and_in_a_key(bad: str) -> None:
    with pytest.raises(ValueError, match="id"):
        replace(EVENT, id=bad)


@pytest.mark.parametrize("at", [datetime(2026, 1, 1), AT.astimezone(timezone(timedelta(hours=1)))])  # noqa: DTZ001  that is what is refused
def test_the_time_of_an_event_is_in_utc(at: datetime) -> None:
    with pytest.raises(ValueError, match="UTC"):
        replace(EVENT, at=at)


def test_no_text_is_without_an_end() -> None:
    longest = "x" * MAX_TEXT
    replace(EVENT, summary=longest, detail=longest, about=tagged(longest))

    with pytest.raises(ValueError, match="characters"):
        replace(EVENT, detail=longest + "x")
    with pytest.raises(ValueError, match="characters"):
        replace(EVENT, about=tagged(longest + "x"))


def tagged(tag: str) -> tuple[NotificationScope, ...]:
    return (replace(UNKNOWN, tags=("short", tag)),)


@pytest.mark.parametrize("kind", NotificationKind)
def test_an_event_about_a_page_can_not_be_made_without_what_rules_match(
    kind: NotificationKind,
) -> None:
    if kind in WITHOUT_PAGE:
        assert replace(EVENT, kind=kind, about=()).policies == ()
    else:
        with pytest.raises(ValueError, match="name its policy"):
            replace(EVENT, kind=kind, about=())


def test_an_observer_that_overrides_nothing_hears_everything_and_does_nothing() -> None:
    job = CaptureJob(id="j1", url="https://example.org/", enqueued_at=AT)
    deaf = JobObserver()
    deaf.job_began(job, attempt=1, worker="w")
    deaf.job_ended(AttemptEnd(status=JobStatus(job=job, state=JobState.DONE)))
    deaf.heartbeat("w")
    deaf.browser_restarted("w", why="captures")
    deaf.service_failed("store", "it did not answer")
    deaf.fired("news", late_s=1.5)
    deaf.tell(EVENT)
