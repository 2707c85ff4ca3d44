"""Telling people, by a simulated clock: grouped, not again and again, and never lost."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from snapshotter.app.monitoring.notification_delivery import DeliveryRound, NotificationService
from snapshotter.errors import SnapshotterError
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.outbox import KEPT_DAYS, MessageState, Outbox
from snapshotter.model.notification import (
    UNKNOWN,
    DeliveryResult,
    NotificationKind,
    NotificationScope,
    UndeliveredMessage,
)
from snapshotter.notify.egress import GuardedConnections
from snapshotter.notify.webhook import HttpWebhook
from tests.bundles import RealClock
from tests.fakes.world import FixedClock, SeededIds
from tests.servers.receiver import Receiver
from tests.unit.egress.parts import LOOPBACK
from tests.unit.notify.parts import MAIL, WEBHOOK, event, load, secret_file

TAKEN = DeliveryResult(delivered=True)
AWAY = DeliveryResult(delivered=False, detail="nobody answers")
REFUSED = DeliveryResult(delivered=False, detail="not this one", refused=True)


def by_name(named: str, url: str) -> tuple[str, ...]:
    """Return the policy that a job names, as rules know it."""
    return (named,)


@dataclass
class Post:
    """A channel that answers as it is told, and keeps what it was handed."""

    name: str = "desk"
    answer: Callable[[UndeliveredMessage], DeliveryResult] = field(default=lambda message: TAKEN)
    tried: list[UndeliveredMessage] = field(default_factory=list)
    taken: list[UndeliveredMessage] = field(default_factory=list)

    def deliver(self, message: UndeliveredMessage) -> DeliveryResult:
        self.tried.append(message)
        delivery = self.answer(message)
        if delivery.delivered:
            self.taken.append(message)
        return delivery

    @property
    def said(self) -> list[dict[str, Any]]:
        """What was taken over, as a receiver reads it."""
        return [json.loads(message.body) for message in self.taken]


class House:
    """A desk on a database of its own, and a clock that a test moves."""

    def __init__(self, folder: Path, rules: str = WEBHOOK) -> None:
        self.clock = FixedClock()
        self.post, self.other = Post(), Post("mail")
        self.url = f"sqlite:///{folder / 'queue.db'}"
        self.rules = load(folder, rules)
        self.outbox = self.open()
        self.service = self.another(self.outbox, "1")

    def open(self) -> Outbox:
        return Outbox(open_database(self.url), now=self._now)

    def another(self, outbox: Outbox, seed: str) -> NotificationService:
        channels = {post.name: post for post in (self.post, self.other)}
        here = {channel.name: channels[channel.name] for channel in self.rules.channels}
        return NotificationService(
            self.rules, outbox, here, clock=self.clock,
            ids=SeededIds(seed), policies=by_name,
        )  # fmt: skip

    def pass_(self, seconds: float) -> DeliveryRound:
        """Let time pass, and do a round at its end."""
        self.clock.advance(timedelta(seconds=seconds))
        return self.service.round()

    def live(self, seconds: int, every: int = 10) -> None:
        """Let a worker do its rounds for so long."""
        for _ in range(seconds // every):
            self.pass_(every)

    def _now(self, connection: Connection) -> Any:
        return self.clock.now()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.outbox.close()


def test_23_events_in_five_minutes_are_one_message_that_lists_23(house: House) -> None:
    for number in range(23):
        house.service.notify(event(number))
        house.pass_(13)
    assert house.post.taken == []

    house.live(60)

    (said,) = house.post.said
    assert said["data"]["count"] == 23
    assert {event["job_id"] for event in said["data"]["events"]} == {
        f"job-{number}" for number in range(23)
    }
    house.live(600)
    assert len(house.post.taken) == 1


def test_the_same_event_told_twice_is_told_once(house: House) -> None:
    house.service.notify(event(1))
    house.service.notify(event(1))
    house.live(400)
    house.service.notify(event(1))  # a worker that was continued after its pause
    house.live(8000, every=100)

    (said,) = house.post.said
    assert said["data"]["count"] == 1


def test_what_happens_again_and_again_is_told_once_an_interval_with_how_often(
    house: House,
) -> None:
    for number in range(150):  # every minute
        kind = NotificationKind.HOST_THROTTLED
        house.service.notify(event(number, kind, subject="news.example.org"))
        house.live(60, every=30)
    house.live(3600, every=60)

    assert [message["data"]["count"] for message in house.post.said] == [5, 60, 60, 25]
    assert sum(message["data"]["count"] for message in house.post.said) == 150
    assert all(len(message["data"]["events"]) == 1 for message in house.post.said)


def test_a_receiver_that_is_away_for_an_hour_loses_nothing_and_is_asked_ever_less(
    house: House,
) -> None:
    back_at = house.clock.now() + timedelta(seconds=3601)
    house.post.answer = lambda message: TAKEN if house.clock.now() >= back_at else AWAY
    for number in range(12):
        house.service.notify(event(number))
        house.live(300, every=20)
    assert house.post.taken == []
    tried = len(house.post.tried)

    house.live(900)

    told = [event["job_id"] for said in house.post.said for event in said["data"]["events"]]
    assert sorted(told) == sorted(f"job-{number}" for number in range(12))
    assert tried <= 12
    # The same bytes under the same id, however often they are tried.
    assert len({(message.id, message.body) for message in house.post.tried}) == len(
        house.post.taken
    )
    assert house.outbox.waiting_count() == 0


def test_one_message_that_is_never_taken_holds_up_no_other(house: House) -> None:
    def answer(message: UndeliveredMessage) -> DeliveryResult:
        return REFUSED if b"job-1" in message.body else TAKEN

    house.post.answer = answer
    house.service.notify(event(1))
    house.live(320)
    house.service.notify(event(2))
    house.live(320)

    assert [message["data"]["events"][0]["job_id"] for message in house.post.said] == ["job-2"]
    house.live(4 * 24 * 3600, every=6 * 3600)
    (given_up,) = house.outbox.messages(states=frozenset({MessageState.GIVEN_UP}))
    assert given_up.detail == "not this one"
    assert len(house.post.tried) < 30

    house.post.answer = lambda message: TAKEN
    assert house.outbox.retry([given_up.id]) == 1
    assert house.service.round().sent == 1
    assert len(house.post.taken) == 2


def test_messages_that_are_never_taken_do_not_fill_a_round(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.app.monitoring.notification_delivery._PER_ROUND", 1)
    house.post.answer = lambda message: REFUSED if b"job-1" in message.body else TAKEN
    house.service.notify(event(1))
    house.live(301, every=301)
    house.service.notify(event(2))

    house.live(602, every=301)

    assert [message["data"]["events"][0]["job_id"] for message in house.post.said] == ["job-2"]


def test_what_comes_while_a_message_is_made_is_a_repetition_of_it(house: House) -> None:
    first, again = (
        event(number, NotificationKind.HOST_THROTTLED, subject="a host") for number in (1, 2)
    )
    house.outbox.put(house.rules.waiting(first))
    house.outbox.put(house.rules.waiting(again))

    made = house.outbox.gather("m", "desk", first.kind, [first.id], lambda at, events: b"{}")

    assert made
    assert house.outbox.waiting()[0] == ()
    house.clock.advance(timedelta(hours=1))
    assert [waiting.event.id for waiting in house.outbox.waiting()[0]] == [again.id]


def test_what_the_receiver_asks_for_is_waited_for(house: House) -> None:
    busy = DeliveryResult(delivered=False, detail="busy", retry_after_s=1800)
    house.post.answer = lambda message: busy
    house.service.notify(event(1))
    house.live(310)
    assert len(house.post.tried) == 1

    house.live(1780)
    assert len(house.post.tried) == 1
    house.live(20)
    assert len(house.post.tried) == 2


def test_two_workers_tell_once(house: House) -> None:
    second = house.open()
    desks = [house.service, house.another(second, "2")]
    for number in range(5):
        desks[number % 2].notify(event(number))
    house.clock.advance(timedelta(seconds=301))

    # Both have seen the same events waiting; one makes the message, one hands it over.
    waiting, _ = second.waiting()
    assert len(waiting) == 5
    rounds = [service.round() for service in desks]
    ids = tuple(message.event.id for message in waiting)
    late = second.gather(
        "late", "desk", NotificationKind.CAPTURE_FAILED, ids, lambda at, events: b"{}"
    )
    second.close()

    assert [outcome.sent for outcome in rounds] == [1, 0]
    assert not late
    assert [message["data"]["count"] for message in house.post.said] == [5]


def test_a_worker_that_dies_with_a_message_in_its_hand_leaves_it_to_the_others(
    house: House,
) -> None:
    house.service.notify(event(1))
    house.clock.advance(timedelta(seconds=301))

    def die(message: UndeliveredMessage) -> DeliveryResult:
        raise MemoryError

    house.post.answer = die
    with pytest.raises(MemoryError):
        house.service.round()
    house.post.answer = lambda message: TAKEN

    assert house.pass_(60).sent == 0  # still claimed: he may be slow
    assert house.pass_(61).sent == 1
    assert house.post.tried[0].body == house.post.taken[0].body


def test_a_command_that_ends_waits_for_no_group_but_repeats_nothing(house: House) -> None:
    audit = event(1, NotificationKind.AUDIT_FAILED, subject="the store", id="audit/1")
    house.service.notify(audit)
    assert house.service.round(hurry=True).sent == 1

    house.service.notify(event(2, NotificationKind.AUDIT_FAILED, subject="the store", id="audit/2"))
    assert house.service.round(hurry=True) == DeliveryRound(
        gathered=0, sent=0, failed=0, given_up=0
    )
    assert house.outbox.waiting_count() == 1


def test_each_channel_is_told_by_itself(tmp_path: Path) -> None:
    house = House(tmp_path, WEBHOOK + MAIL)
    house.post.answer = lambda message: AWAY
    house.service.notify(event(1))
    house.live(320)

    assert (len(house.post.taken), len(house.other.taken)) == (0, 1)
    house.outbox.close()


def test_what_is_owed_to_a_channel_that_is_gone_is_given_up_and_in_time_forgotten(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, WEBHOOK + MAIL)
    house.service.notify(event(1))
    house.clock.advance(timedelta(seconds=301))
    house.post.answer = house.other.answer = lambda message: AWAY
    house.service.round()
    house.rules = load(tmp_path, WEBHOOK)
    house.post.answer = lambda message: TAKEN
    house.service = house.another(house.outbox, "3")
    house.pass_(60)

    house.clock.advance(timedelta(days=3))
    house.service.tidy()
    states = {
        message.channel: (message.state, message.detail) for message in house.outbox.messages()
    }
    assert states == {
        "desk": (MessageState.SENT, ""),
        "mail": (MessageState.GIVEN_UP, "the channel no longer exists"),
    }
    house.clock.advance(timedelta(days=KEPT_DAYS + 1))
    house.service.tidy()
    assert list(house.outbox.messages()) == []
    house.outbox.close()


def test_a_rule_about_a_policy_is_about_captures_that_name_none_as_well(tmp_path: Path) -> None:
    house = House(tmp_path, WEBHOOK + '[[rule]]\npolicies = ["careful"]\nchannels = ["desk"]\n')
    house.service = NotificationService(
        house.rules, house.outbox, {"desk": house.post}, clock=house.clock, ids=SeededIds(),
        policies=lambda named, url: (named or "/etc/careful.toml",),
    )  # fmt: skip
    house.service.notify(event(1, policy=""))
    house.service.notify(event(2, policy="default"))
    house.service.notify(event(3, NotificationKind.WORKER_LOST, job_id="", url="", about=()))
    house.live(320, every=80)
    house.outbox.close()

    ((item,),) = [message["data"]["events"] for message in house.post.said]
    assert (item["job_id"], item["policy"]) == ("job-1", "careful")


def test_an_event_that_an_earlier_version_left_is_told_without_what_names_its_page(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, WEBHOOK + 'urls = "defanged"\n')
    house.service.notify(event(1, NotificationKind.PAGE_CHANGED))
    engine = open_database(house.url)
    with engine.begin() as connection:
        row = json.loads(connection.execute(text("SELECT event FROM notify_event")).scalar_one())
        del row["about"]
        before = {
            "policy": "default",
            "origin": "schedule:news-example-org-1a2b3c",
            "tags": ["news.example.org", "a"],
            "job_id": "news-example-org-1a2b3c.0123456789ab@20261127t123000z",
        }
        changed = json.dumps(row | before)
        connection.execute(text("UPDATE notify_event SET event = :event"), {"event": changed})
    engine.dispose()

    house.live(320)
    house.outbox.close()

    ((item,),) = [message["data"]["events"] for message in house.post.said]
    assert {"url", "host", "detail", "policy"}.isdisjoint(item)
    assert (item["origin"], item["tags"]) == ("schedule:…1a2b3c", ["…", "a"])
    assert item["job_id"] == "…1a2b3c.…@20261127t123000z"


def test_of_several_rules_that_may_fit_the_strictest_decides(tmp_path: Path) -> None:
    rules = '[[rule]]\ntags = ["noise"]\nchannels = []\n'
    rules += '[[rule]]\npolicies = ["a"]\nchannels = ["desk", "mail"]\n'
    rules += '[[rule]]\npolicies = ["b"]\nchannels = ["mail"]\nurls = "none"\n'
    rules += '[[rule]]\nchannels = ["desk"]\n'
    shown = WEBHOOK + 'urls = "defanged"\n' + MAIL + 'urls = "defanged"\n'
    read = load(tmp_path, shown + rules)

    def told(*about: NotificationScope) -> list[tuple[str, bool]]:
        given = event(1, NotificationKind.TAKEDOWN_CONFIRMED, about=about)
        return [(waiting.channel, bool(waiting.event.url)) for waiting in read.waiting(given)]

    a, b, c = (NotificationScope(policy=policy, origin="cli", tags=()) for policy in "abc")
    assert told(a) == [("desk", True), ("mail", True)]
    assert told(b) == told(a, b) == told(UNKNOWN) == [("mail", False)]
    assert told(c) == [("desk", True)]
    # A rule that tells nobody and may fit silences nothing, and addresses are left out.
    assert told(replace(c, tags=None)) == [("desk", False)]
    assert told(replace(c, tags=("noise",))) == []


def test_a_rule_about_an_origin_is_about_what_the_monitor_asks_for_behind_it_as_well(
    tmp_path: Path,
) -> None:
    read = load(tmp_path, WEBHOOK + '[[rule]]\norigins = ["schedule:a*"]\nchannels = ["desk"]\n')

    assert read.waiting(event(1, origin="monitor:schedule:archive"))
    assert not read.waiting(event(1, origin="monitor:schedule:news"))


def test_a_channel_is_tried_past_rules_and_outbox(house: House) -> None:
    assert house.service.test("desk").delivered

    (said,) = house.post.said
    assert said["type"] == "test"
    assert "url" not in said["data"]["events"][0]
    assert list(house.outbox.messages()) == []
    with pytest.raises(SnapshotterError, match="no channel nobody"):
        house.service.test("nobody")


def test_the_whole_way_to_a_real_receiver_that_was_down(tmp_path: Path) -> None:
    house = House(tmp_path)
    with Receiver() as receiver:
        receiver.answers += [(503, {}), (503, {})]
        hook = HttpWebhook(
            "desk",
            url=lambda: receiver.url,
            secrets=secret_file(tmp_path),
            connections=GuardedConnections(clock=RealClock(), timeout_s=20, allowed=LOOPBACK),
            clock=house.clock,
        )
        house.service = NotificationService(
            house.rules, house.outbox, {"desk": hook}, clock=house.clock, ids=SeededIds(),
            policies=by_name,
        )  # fmt: skip
        house.service.notify(event(1))
        rounds = [house.pass_(seconds) for seconds in (301, 10, 20, 60)]

    house.outbox.close()
    assert [outcome.failed for outcome in rounds] == [1, 1, 0, 0]
    assert [outcome.sent for outcome in rounds] == [0, 0, 1, 0]
    assert len({request.headers["webhook-id"] for request in receiver.posted}) == 1
    assert len({request.headers["webhook-signature"] for request in receiver.posted}) == 3
    assert len({request.body for request in receiver.posted}) == 1
