"""
Make notification events from jobs, audits, services and disks.

The id of an event is made of what it is about, so that the same event is not delivered twice.
`url`, `host` and `detail` may name a page; `summary` never does.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from snapshotter.formats.hosts import host_of
from snapshotter.formats.shown_address import remove_addresses
from snapshotter.model import sentences
from snapshotter.model.assessment import Availability
from snapshotter.model.audit import AuditCode, AuditReport, Severity
from snapshotter.model.capture import Outcome
from snapshotter.model.finding import Verdict
from snapshotter.model.job import JobState, JobStatus
from snapshotter.model.notification import (
    MAX_TEXT,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
)
from snapshotter.translation import tr

_OF_STATE: Final[Mapping[JobState, NotificationKind]] = {
    JobState.DONE: NotificationKind.CAPTURE_DONE,
    JobState.INCOMPLETE: NotificationKind.CAPTURE_INCOMPLETE,
    JobState.FAILED: NotificationKind.CAPTURE_FAILED,
    JobState.DEAD: NotificationKind.CAPTURE_DEAD,
}
_A_DAY: Final = "%Y%m%d"


def job_event(status: JobStatus, at: datetime) -> NotificationEvent | None:
    """Return the event of a job that ended; None if it has not ended or was cancelled."""
    kind = _OF_STATE.get(status.state)
    if kind is None:
        return None
    job = status.job
    return NotificationEvent(
        id=f"{kind}/{job.id}/{status.attempts}",  # a retry by hand is a further attempt
        kind=kind,
        at=status.ended_at or at,
        subject=job.id,
        summary=_summary(status),
        about=(NotificationScope.of(job),),
        job_id=job.id,
        bundle_id=status.bundle_id,
        worker=status.worker,
        url=job.url,
        host=host_of(job.url)[:MAX_TEXT],
        detail=status.error[:MAX_TEXT],
    )


def audit_events(
    report: AuditReport, report_id: str, receipts_name: str, at: datetime
) -> list[NotificationEvent]:
    """Return the events of an audit that ended, with arguments as `audit_event` has them."""
    events = []
    if report.verdict is Verdict.FAILED:
        events.append(audit_event(report, report_id, receipts_name, at))
    withheld = sum(count.count for count in report.counts if count.code is AuditCode.WITHHELD)
    if withheld:
        events.append(withheld_event(withheld, report_id, receipts_name, at))
    return events


def audit_event(
    report: AuditReport, report_id: str, receipts_name: str, at: datetime
) -> NotificationEvent:
    """
    Return the event of an audit that ended FAILED.

    Args:
        receipts_name: The store, as receipts name it: a digest, since a path or bucket may reveal
            something.
    """
    codes = [count.code.value for count in report.counts if count.severity is Severity.FAILED]
    failed = sum(count.count for count in report.counts if count.severity is Severity.FAILED)
    return NotificationEvent(
        id=f"audit.failed/{report_id or f'{at:%Y%m%dT%H%M%SZ}'}",
        kind=NotificationKind.AUDIT_FAILED,
        at=at,
        subject=receipts_name,
        summary=tr(
            "the verdict of an audit of a store is FAILED. Failed findings: {failed}. "
            "The report of the audit describes what to do",
            failed=failed,
        ),
        about=(),
        reasons=tuple(codes),
    )


def withheld_event(
    count: int, report_id: str, receipts_name: str, at: datetime
) -> NotificationEvent:
    """
    Return the event of objects that an earlier audit read and the store now withholds.

    Args:
        count: How many; 0 if no audit of the store ends.
        receipts_name: The store, as receipts name it.
    """
    if count:
        objects = "1 object" if count == 1 else f"{count} objects"
        summary = tr(
            "at least three audits could not read {objects} that an earlier audit read",
            objects=objects,
        )
    else:
        summary = (
            "no audit of a store could be completed for at least a day. An earlier audit "
            "could read the store"
        )
    return NotificationEvent(
        id=f"audit.withheld/{report_id or f'{at:%Y%m%dT%H%M%SZ}'}",
        kind=NotificationKind.AUDIT_WITHHELD,
        at=at,
        subject=receipts_name,
        summary=summary,
        about=(),
        reasons=(AuditCode.WITHHELD.value,),
    )


def service_event(service: str, detail: str, at: datetime) -> NotificationEvent:
    """
    Return the event of a service that failed; one event an hour for each service.

    Addresses are removed from the error: no rule about pages could hide them.
    """
    return NotificationEvent(
        id=f"service.failed/{_key(service)}/{at:%Y%m%dT%H}",
        kind=NotificationKind.SERVICE_FAILED,
        at=at,
        subject=service,
        summary=tr("the {service} failed or did not answer", service=service),
        about=(),
        detail=remove_addresses(detail)[:MAX_TEXT],
    )


def disk_event(
    what: str, free_bytes: int, total_bytes: int, machine: str, at: datetime
) -> NotificationEvent:
    """Return the event of a disk that is nearly full; one event a day for each machine."""
    percent = 100 * free_bytes // max(total_bytes, 1)
    return NotificationEvent(
        id=f"disk.low/{_key(machine)}/{_key(what)}/{at.strftime(_A_DAY)}",
        kind=NotificationKind.DISK_LOW,
        at=at,
        subject=f"{machine}/{what}",
        summary=tr(
            "the disk with the {what} directory of {machine} has {free_bytes} MB "
            "({percent} %) of free space",
            what=what,
            machine=machine,
            free_bytes=free_bytes // 1000000,
            percent=percent,
        ),
        about=(),
    )


def day_event(store: str, day: str, summary: str, at: datetime) -> NotificationEvent:
    """
    Return the event of the report about a day; one event a day for each store.

    Args:
        store: Name of the store, without an address.
        day: YYYYMMDD, local time.
        summary: Numbers and ids. It names no page.
    """
    return NotificationEvent(
        id=f"{NotificationKind.REPORT_DAY}/{_key(store)}/{day}",
        kind=NotificationKind.REPORT_DAY,
        at=at,
        subject=f"{_key(store)}/{day}",
        summary=summary[:MAX_TEXT],
        about=(),
    )


def test_event(message_id: str, at: datetime) -> NotificationEvent:
    """Return the event of a test message."""
    return NotificationEvent(
        id=f"test/{message_id}",
        kind=NotificationKind.TEST,
        at=at,
        subject="test",
        summary=tr("this is a test message. No event happened"),
        about=(),
        url="https://example.org/",
        host="example.org",
    )


def _summary(status: JobStatus) -> str:
    match status.state:
        case JobState.DONE:
            return tr(
                "{answers}No check of the bundle failed, and the bundle is stored",
                answers=_answers(status),
            )
        case JobState.INCOMPLETE:
            return tr(
                "{answers}No check of the bundle failed, and the bundle is stored, but the bundle "
                "lacks something that its policy requires",
                answers=_answers(status),
            )
        case JobState.DEAD:
            return f"no capture was stored after {status.attempts} attempts"
        case _:
            code = tr(
                '. The command "snapshotter capture" would have ended with exit code {exit_code}',
                exit_code=status.exit_code,
            )
            return "no capture was stored" + (code if status.exit_code is not None else "")


def _answers(status: JobStatus) -> str:
    """Return whether the page is there and the capture whole; "" if its outcome is not known."""
    if status.outcome not in [outcome.value for outcome in Outcome]:
        return ""
    capture = sentences.CaptureState(outcome=Outcome(status.outcome))
    shown = status.shown
    if shown is not None and shown.availability is Availability.UNAVAILABLE:
        # No id of a rule, which may name the host. A summary does not tell who states the cause.
        page = tr("The page was {page_words}.", page_words=sentences.page_words(shown))
    else:
        state = sentences.PageState(shown=shown, http_status=status.http_status)
        page = sentences.page_sentence(state, capture.outcome)
    return f"{page} {sentences.capture_sentence(capture)} "


def _key(name: str) -> str:
    """Return a name in the form that it has in an id."""
    return "".join(
        character if character.isascii() and (character.isalnum() or character in "._-") else "_"
        for character in name
    )[:60]
