"""
A rule that hides a page hides it in every message: each kind of event, by each kind of rule, on
each kind of channel.

Whoever adds a kind of event or something that rules match has to add it to the tables here.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy.event import listen

from snapshotter.app.monitoring import notification_events
from snapshotter.app.monitoring.change_alerts import change_alerts, removal_alerts
from snapshotter.app.monitoring.notification_delivery import NotificationService
from snapshotter.app.takedown import events as takedowns
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.outbox import Outbox
from snapshotter.jobs.queue import politeness
from snapshotter.jobs.schedules import gap_records
from snapshotter.jobs.watches import poller
from snapshotter.jobs.watches.watches import about_watch
from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.audit import (
    AuditCode,
    AuditFinding,
    AuditReport,
    AuditScope,
    FindingCount,
    Severity,
)
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.model.notification import (
    UNKNOWN,
    WITHOUT_PAGE,
    DeliveryResult,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
)
from snapshotter.model.notification import UndeliveredMessage as Owed
from snapshotter.model.reading import Count, Source
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.model.watch import ListState, Watch, WatchStatus
from snapshotter.notify import message as messages
from snapshotter.notify.rules import MailEntry, RuleEntry
from tests.fakes.world import FixedClock, SeededIds
from tests.unit.notify.parts import MAIL, WEBHOOK, load

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOST = "the-source.example"
URL = f"https://{HOST}/words-of-the-page"
JOB = CaptureJob(
    id="s-1",
    url=URL,
    enqueued_at=AT,
    policy="high-risk-source",
    origin="schedule:sources",
    tags=("at-risk", HOST),
)


def seen(number: int, **more: object) -> Observation:
    at = AT + timedelta(hours=number)
    given: dict[str, object] = {
        "bundle_id": f"b{number}",
        "sha256": "0" * 64,
        "identity": f"//{HOST}/words-of-the-page",
        "url": URL,
        "at": at,
        "began_at": at,
        "content": Content.CONTENT,
        "availability": Availability.AVAILABLE,
        "main_sha256": "a",
        **more,
    }
    return Observation(**given)  # type: ignore[arg-type]


def count(number: int) -> tuple[Count, ...]:
    return (
        Count(
            unit="reposts", raw=f"{number} {HOST}", lower=number, upper=number, exact=True,
            source=Source.JSON,
        ),
    )  # fmt: skip


def of_state(job: CaptureJob, state: JobState) -> NotificationEvent:
    status = JobStatus(job=job, state=state, worker="w1", error=f"{URL} was refused by {HOST}")
    event = notification_events.job_event(status, AT)
    assert event is not None
    return event


def alert(job: CaptureJob, before: Observation, this: Observation) -> NotificationEvent:
    limit = Threshold(unit="reposts", at=500, source="a law")
    (event,) = change_alerts([before, this], this.bundle_id, [limit], NotificationScope.of(job))
    return event


def suspicion(job: CaptureJob, before: Observation, this: Observation) -> NotificationEvent:
    (event,) = removal_alerts([before, this], this.bundle_id, NotificationScope.of(job))
    return event


def takedown(job: CaptureJob, kind: TakedownKind) -> NotificationEvent:
    made = Takedown(
        event_id="20261127t120000z-abc", kind=kind, at=AT, identity=f"//{HOST}/words", url=URL,
        last_seen=seen(1), first_gone=seen(2, notice=f"{HOST} says that {URL} is gone"),
        state="frozen",
    )  # fmt: skip
    return takedowns.takedown_notification(made, [NotificationScope.of(job)])


def gap(job: CaptureJob) -> NotificationEvent:
    made = Gap(
        gap_id="g1", at=AT, schedule=job.origin.partition(":")[2], event=GapEvent.MISSED,
        reason=GapReason.NO_WORKER, since=AT, missed=(Missed(slots=(AT,), urls=(URL,)),),
    )  # fmt: skip
    return gap_records.gap_event(made, (NotificationScope.of(job),))


def trouble(job: CaptureJob) -> NotificationEvent:
    watch = Watch(name="sources", source=URL, created_at=AT, policy=job.policy, tags=job.tags)
    state = WatchStatus(watch=watch, state=ListState.UNREACHABLE, detail=f"{URL} has gone")
    event = poller.trouble_event(state, AT)
    assert event.about == (about_watch(watch),)
    # A list says by itself who asks. The tables here know one name for all.
    return replace(event, about=(replace(event.about[0], origin=job.origin),))


def audit() -> NotificationEvent:
    report = AuditReport(
        store=f"s3://{HOST}", started_at=AT, ended_at=AT, trust=HOST, software="", log=None,
        scope=AuditScope(
            bundles=1, read=1, unchanged=0, resumed=0, sample=None, seed="", since=None
        ),
        counts=(FindingCount(code=AuditCode.ALTERED, severity=Severity.FAILED, count=1),),
        examples=(AuditFinding(
            code=AuditCode.ALTERED, severity=Severity.FAILED, key=HOST, detail=URL,
        ),),
    )  # fmt: skip
    return notification_events.audit_event(report, "r1", "a-store", AT)


PRODUCED: Final[dict[NotificationKind, Callable[[CaptureJob], NotificationEvent]]] = {
    NotificationKind.CAPTURE_DONE: lambda job: of_state(job, JobState.DONE),
    NotificationKind.CAPTURE_INCOMPLETE: lambda job: of_state(job, JobState.INCOMPLETE),
    NotificationKind.CAPTURE_FAILED: lambda job: of_state(job, JobState.FAILED),
    NotificationKind.CAPTURE_DEAD: lambda job: of_state(job, JobState.DEAD),
    NotificationKind.SCHEDULE_GAP: gap,
    NotificationKind.WATCH_TROUBLE: trouble,
    NotificationKind.HOST_THROTTLED: lambda job: politeness.throttled_event(job, HOST, AT, AT),
    NotificationKind.TAKEDOWN_SUSPECTED: lambda job: suspicion(
        job,
        seen(1),
        seen(2, availability=Availability.UNAVAILABLE, notice=f"{HOST} is closed"),
    ),
    NotificationKind.TAKEDOWN_CONFIRMED: lambda job: takedown(job, TakedownKind.REMOVED),
    NotificationKind.TAKEDOWN_REINSTATED: lambda job: takedown(job, TakedownKind.REINSTATED),
    NotificationKind.ACCOUNT_CHANGED: lambda job: takedown(job, TakedownKind.ACCOUNT_CHANGED),
    NotificationKind.ACCOUNT_RENAMED: lambda job: alert(
        job,
        seen(1, account="weibo:7", account_name=HOST),
        seen(2, account="weibo:7", account_name=f"not {HOST}"),
    ),
    NotificationKind.NOTICE_UNKNOWN: lambda job: alert(
        job,
        seen(1),
        seen(
            2,
            availability=Availability.INCONCLUSIVE,
            undecided=Undecided.UNKNOWN_NOTICE,
            notice=f"{HOST} is closed",
        ),
    ),
    NotificationKind.COUNT_CROSSED: lambda job: alert(
        job, seen(1, counts=count(400)), seen(2, counts=count(600))
    ),
    NotificationKind.PAGE_CHANGED: lambda job: alert(job, seen(1), seen(2, main_sha256="b")),
    NotificationKind.AUDIT_FAILED: lambda job: audit(),
    NotificationKind.AUDIT_WITHHELD: lambda job: notification_events.withheld_event(
        2, "r1", "a-store", AT
    ),
    NotificationKind.WORKER_LOST: lambda job: NotificationEvent(
        id="worker.lost/w1",
        kind=NotificationKind.WORKER_LOST,
        at=AT,
        subject="w1",
        summary="it is gone",
        about=(),
        worker="w1",
    ),
    NotificationKind.SERVICE_FAILED: lambda job: notification_events.service_event(
        "browser", f"{URL} crashed it", AT
    ),
    NotificationKind.DISK_LOW: lambda job: notification_events.disk_event(
        "spool", 1, 100, "m1", AT
    ),
    NotificationKind.REPORT_DAY: lambda job: notification_events.day_event(
        "store", "20261129", "Captures: 3.", AT
    ),
    NotificationKind.TEST: lambda job: notification_events.test_event("m1", AT),
}

# Everything that a rule can match, and a pattern for the events above.
MATCHED: Final[dict[str, Callable[[NotificationKind], str]]] = {
    "kinds": lambda kind: kind.value,
    "origins": lambda kind: "schedule:sources",
    "policies": lambda kind: "high-risk-source",
    "tags": lambda kind: "at-risk",
}
NOT_MATCHED: Final = {"reason", "channels", "urls", "group_s", "repeat_s"}
NUMBERS: Final = itertools.count()
CHANNELS: Final = {"webhook": WEBHOOK, "mail": MAIL}


def test_the_tables_here_know_every_kind_of_event_and_all_that_rules_match() -> None:
    assert set(PRODUCED) == set(NotificationKind)
    assert set(MATCHED) == {info.name for info in RuleEntry.key_infos()} - NOT_MATCHED
    assert {kind for kind, make in PRODUCED.items() if not make(JOB).about} == WITHOUT_PAGE


class Post:
    """A channel that keeps what it was handed."""

    name = "here"

    def __init__(self) -> None:
        self.taken: list[Owed] = []

    def deliver(self, message: Owed) -> DeliveryResult:
        self.taken.append(message)
        return DeliveryResult(delivered=True)


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outbox]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('queue') / 'queue.db'}")
    in_a_hurry = "PRAGMA synchronous = OFF"  # no machine dies in these tests
    listen(engine, "connect", lambda connection, _: connection.execute(in_a_hurry))
    engine.dispose()  # what was opened before is not
    with closing(Outbox(engine)) as outbox:
        yield outbox


def told(outbox: Outbox, folder: Path, channel: str, rules: str, event: NotificationEvent) -> str:
    """Return all that leaves this machine of an event: the way that the product tells it."""
    number = next(NUMBERS)  # what was told of already is told no second time
    event = replace(event, id=f"{event.id}/{number}", subject=f"{number}/{event.subject}")
    text = CHANNELS[channel].replace('name = "desk"', 'name = "here"')
    text = text.replace('name = "mail"', 'name = "here"') + 'urls = "defanged"\n' + rules
    read, post = load(folder, text), Post()
    service = NotificationService(
        read, outbox, {"here": post}, clock=FixedClock(AT), ids=SeededIds(str(number)),
        policies=lambda named, url: (named,),
    )  # fmt: skip
    service.notify(event)
    service.round(hurry=True)
    (message,) = post.taken
    entry = read.channel("here")
    if isinstance(entry, MailEntry):
        sent = messages.compose_mail(message, sender=entry.sender, to=entry.to)
        return f"{sent}\n{sent.get_content()}"
    return json.dumps(json.loads(message.body), ensure_ascii=False)


def names_the_page(text: str) -> bool:
    return any(word in text.replace("[.]", ".") for word in (HOST, "words-of-the-page"))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("matched", MATCHED)
@pytest.mark.parametrize("kind", NotificationKind)
def test_a_page_that_a_rule_hides_is_named_in_no_message(
    outbox: Outbox, tmp_path: Path, kind: NotificationKind, matched: str, channel: str
) -> None:
    pattern = MATCHED[matched](kind)
    hides = f'[[rule]]\n{matched} = ["{pattern}"]\nchannels = ["here"]\nurls = "none"\n'
    rules = hides + '[[rule]]\nchannels = ["here"]\n'

    said = told(outbox, tmp_path, channel, rules, PRODUCED[kind](JOB))

    assert not names_the_page(said)
    if kind not in WITHOUT_PAGE:
        assert "high-risk-source" in said
        assert "default" not in said


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", [kind for kind in NotificationKind if kind not in WITHOUT_PAGE])
def test_a_page_that_no_rule_hides_is_named_where_the_channel_asks_for_it(
    outbox: Outbox, tmp_path: Path, kind: NotificationKind, channel: str
) -> None:
    hides = '[[rule]]\npolicies = ["high-risk-source"]\nchannels = ["here"]\nurls = "none"\n'
    event = PRODUCED[kind](replace(JOB, policy="default"))

    said = told(outbox, tmp_path, channel, hides + '[[rule]]\nchannels = ["here"]\n', event)

    assert names_the_page(said)
    assert "default" in said


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", [kind for kind in NotificationKind if kind not in WITHOUT_PAGE])
@pytest.mark.parametrize("rules", ["", '[[rule]]\npolicies = ["default"]\nchannels = ["here"]\n'])
def test_a_page_whose_policy_nobody_knows_is_told_and_not_named(
    outbox: Outbox, tmp_path: Path, kind: NotificationKind, channel: str, rules: str
) -> None:
    event = replace(PRODUCED[kind](JOB), about=(replace(UNKNOWN, tags=(HOST,)),))
    rules += '[[rule]]\nchannels = ["here"]\n'

    said = told(outbox, tmp_path, channel, rules, event)

    assert not names_the_page(said)
    assert "default" not in said
