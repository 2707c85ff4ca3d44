"""
Define the values of a notification about a job, a page, an audit or a service, and its delivery.

A notification is not evidence. It may leave this machine, to a mail server or a chat vendor,
and so disclose what is being watched. Therefore texts that come from a page or name one are in
fields of their own, which are left out unless a channel asks for them. The fields that rules match
are required: a notification about a page cannot be made without them.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from snapshotter.model.job import CaptureJob
from snapshotter.value_class import dataclass

MAX_TEXT: Final = 2_000  # characters of each text
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/-]{0,199}")


class NotificationKind(StrEnum):
    """What happened. Rules match these values: new ones are added, none is renamed."""

    CAPTURE_DONE = "capture.done"
    CAPTURE_INCOMPLETE = "capture.incomplete"  # a bundle, without something that is required
    CAPTURE_FAILED = "capture.failed"  # no bundle: refused, or nothing that a further try mends
    CAPTURE_DEAD = "capture.dead"  # no bundle after the last attempt
    SCHEDULE_GAP = "schedule.gap"  # a visit that was due and was not made
    WATCH_TROUBLE = "watch.trouble"  # a list cannot be read, or makes no sense
    HOST_THROTTLED = "host.throttled"  # a site asks us to come less often
    TAKEDOWN_SUSPECTED = "takedown.suspected"  # it was there, and may be gone: not confirmed
    TAKEDOWN_CONFIRMED = "takedown.confirmed"  # it was there, and is gone
    TAKEDOWN_REINSTATED = "takedown.reinstated"  # it is there again
    ACCOUNT_CHANGED = "account.changed"  # frozen, closed, blocked; with the articles that went
    ACCOUNT_RENAMED = "account.renamed"  # the same account, by its id, is called something else
    NOTICE_UNKNOWN = "notice.unknown"  # it has the shape of a notice, and no rule knows it
    COUNT_CROSSED = "count.crossed"  # a count went over a threshold
    PAGE_CHANGED = "page.changed"  # the main text is another one
    AUDIT_FAILED = "audit.failed"
    AUDIT_WITHHELD = "audit.withheld"  # what an earlier audit read is unreadable for a day
    WORKER_LOST = "worker.lost"  # no heartbeat: what it had is taken over
    SERVICE_FAILED = "service.failed"  # store, authority or database, for longer than a moment
    DISK_LOW = "disk.low"
    REPORT_DAY = "report.day"  # the numbers of a day: by a worker, or `report day --notify`
    TEST = "test"  # `snapshotter notify test`


# Events of these kinds are about no page and no schedule. Every other kind has to name what it is
# about, so that a rule that hides a page hides it in each message.
WITHOUT_PAGE: Final = frozenset(
    {
        NotificationKind.AUDIT_FAILED,
        NotificationKind.AUDIT_WITHHELD,
        NotificationKind.WORKER_LOST,
        NotificationKind.SERVICE_FAILED,
        NotificationKind.DISK_LOW,
        NotificationKind.REPORT_DAY,
        NotificationKind.TEST,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationScope:
    """
    The facts of one capture or schedule that rules match.

    None means that a value is unknown. A rule about such a value may fit, so the notification is
    reduced as the strictest rule demands.
    """

    policy: str | None  # as `CaptureJob.policy`: a name, a path, or "" for the worker's own
    origin: str | None  # as `CaptureJob.origin`
    tags: tuple[str, ...] | None

    @classmethod
    def of(cls, job: CaptureJob) -> "NotificationScope":
        """Return the scope of a job."""
        return cls(
            policy=job.policy[:MAX_TEXT],
            origin=job.origin[:MAX_TEXT],
            tags=tuple(tag[:MAX_TEXT] for tag in job.tags),
        )


UNKNOWN: Final = NotificationScope(policy=None, origin=None, tags=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationEvent:
    """
    One thing that happened.

    Raises:
        ValueError: An id that cannot be part of a header or a key, a time without a zone, a text
            that is too long, or an event about a page without a scope.
    """

    id: str  # derived from its subject; a second event with the same id is not sent
    kind: NotificationKind
    at: datetime  # UTC
    subject: str  # a job, a schedule, a host, a worker; repetitions have the same
    summary: str  # a sentence of ours, without text of a page or an address
    # The scope of each capture or schedule; empty only for kinds of `WITHOUT_PAGE`.
    about: tuple[NotificationScope, ...]
    reasons: tuple[str, ...] = ()  # codes of ours, as docs/reference/outcomes.md has them
    job_id: str = ""
    bundle_id: str = ""
    worker: str = ""
    # The following fields disclose the page.
    url: str = ""
    host: str = ""
    detail: str = ""  # further text, for example of an error

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"not the id of an event: {self.id!r}")
        if self.at.utcoffset() != timedelta(0):
            raise ValueError("the time of an event is in UTC")
        if not self.about and self.kind not in WITHOUT_PAGE:
            raise ValueError(f"an event {self.kind} is about a page: name its policy, or UNKNOWN")
        texts = (
            self.subject, self.summary, self.job_id, self.bundle_id, self.worker, self.host,
            self.detail, *self.reasons, *self.policies, *self.origins, *self.tags,
        )  # fmt: skip
        if any(len(text) > MAX_TEXT for text in texts):
            raise ValueError(f"a text of more than {MAX_TEXT} characters")

    @property
    def policies(self) -> tuple[str, ...]:
        """The known policies, each once."""
        return _known(subject.policy for subject in self.about)

    @property
    def origins(self) -> tuple[str, ...]:
        """Who asked for the captures, as far as known, each once."""
        return _known(subject.origin for subject in self.about)

    @property
    def tags(self) -> tuple[str, ...]:
        """The known tags, each once."""
        return _known(tag for subject in self.about for tag in subject.tags or ())


def _known(values: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in values if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedNotification:
    """A notification for one channel, reduced to what the channel may disclose."""

    event: NotificationEvent
    channel: str
    group_s: int  # seconds in which events of one kind become one message
    repeat_s: int  # seconds in which nothing more is said of the same subject
    arrived_at: datetime | None = None  # UTC; set when it is taken over


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryResult:
    """The result of one attempt to deliver a message."""

    delivered: bool
    detail: str = ""  # why it was not
    refused: bool = False  # the receiver answered, and does not take this one
    retry_after_s: float | None = None  # as the receiver asks


@dataclass(frozen=True, slots=True, kw_only=True)
class UndeliveredMessage:
    """A message to be delivered. It is the same at each attempt."""

    id: str  # `[A-Za-z0-9_-]{1,64}`
    channel: str
    kind: NotificationKind
    created_at: datetime  # UTC
    body: bytes  # JSON (docs/reference/notifications.md)
    attempts: int = 0  # before this one
