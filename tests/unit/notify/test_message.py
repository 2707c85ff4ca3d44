"""What a message says, to programs and to people."""

import json
from dataclasses import replace

import pytest

from snapshotter.formats.canonical_json import loads
from snapshotter.model.notification import NotificationKind, UndeliveredMessage
from snapshotter.notify.message import HEADLINES, compose, compose_mail, headline
from snapshotter.notify.rules import DEFANGED, NONE, reduce_event
from tests.fakes.world import START
from tests.unit.notify.parts import event

BUNDLE = "20260527t083000z-k3v4q2m7xw4c5b6d"


def test_the_json_lists_every_event() -> None:
    events = [reduce_event(event(number), NONE) for number in range(1, 24)]

    body = compose("msg_1", NotificationKind.CAPTURE_FAILED, START, events, "archive-1")

    value = loads(body)
    assert (value["id"], value["type"]) == ("msg_1", "capture.failed")
    assert value["timestamp"] == "2026-01-15T12:30:45Z"
    data = value["data"]
    assert (data["count"], data["installation"]) == (23, "archive-1")
    assert data["headline"] == "23 captures failed"
    assert [number["job_id"] for number in data["events"]] == [
        f"job-{number}" for number in range(1, 24)
    ]
    assert data["events"][0] == {
        "at": "2026-01-15T12:30:46Z",
        "count": 1,
        "first_at": "2026-01-15T12:30:46Z",
        "id": "capture.failed/job-1",
        "job_id": "job-1",
        "origin": "schedule:news",
        "policy": "default",
        "reasons": ["forbidden-address"],
        "summary": "the capture failed",
        "tags": ["press"],
    }


def test_what_happened_to_one_subject_again_and_again_is_one_item() -> None:
    again = [
        event(
            number, NotificationKind.HOST_THROTTLED, subject="host-a", summary="asked to slow down"
        )
        for number in (1, 2, 3)
    ]

    data = loads(compose("m", NotificationKind.HOST_THROTTLED, START, again, ""))["data"]

    assert (data["count"], data["headline"]) == (3, "a host limits the number of visits")
    (item,) = data["events"]
    assert (item["count"], item["first_at"][-4:], item["at"][-4:]) == (
        3,
        "0:46Z"[-4:],
        "0:48Z"[-4:],
    )


def test_nothing_that_a_page_wrote_steers_who_reads_it() -> None:
    sly = event(detail="a\u202eb\x1b[31m\r\nBcc: x@example.org", url="https://h/\u2028")

    body = compose("m", NotificationKind.CAPTURE_FAILED, START, [reduce_event(sly, DEFANGED)], "")

    (item,) = json.loads(body)["data"]["events"]
    assert item["detail"] == "a\\u202eb\\u001b[31m\\u000d\\u000aBcc: x@example[.]org"
    assert item["url"] == "hxxps://h/\\u2028"


def owed(body: bytes) -> UndeliveredMessage:
    return UndeliveredMessage(
        id="msg_1",
        channel="mail",
        kind=NotificationKind.CAPTURE_FAILED,
        created_at=START,
        body=body,
    )


def test_mail_is_plain_text_that_says_the_same() -> None:
    events = [reduce_event(event(number), DEFANGED) for number in (1, 2)]
    body = compose("msg_1", NotificationKind.CAPTURE_FAILED, START, events, "archive-1")

    told = compose_mail(
        owed(body), sender="snapshotter@example.org", to=["a@example.org", "b@example.org"]
    )

    assert told["Subject"] == "snapshotter at archive-1: 2 captures failed"
    assert told["To"] == "a@example.org, b@example.org"
    assert told["Message-ID"] == "<msg_1@example.org>"
    assert told["Date"] == "Thu, 15 Jan 2026 12:30:45 +0000"
    assert told["Auto-Submitted"] == "auto-generated"
    assert told.get_content_type() == "text/plain"
    text = told.get_content()
    assert "hxxps://news[.]example[.]org/2?id=7&token=…" in text
    assert "http:" not in text
    assert "forbidden-address" in text
    assert (
        told.as_bytes()
        == compose_mail(
            owed(body), sender="snapshotter@example.org", to=["a@example.org", "b@example.org"]
        ).as_bytes()
    )


def test_mail_without_addresses_says_that_they_are_left_out() -> None:
    body = compose("m", NotificationKind.CAPTURE_FAILED, START, [reduce_event(event(), NONE)], "")

    text = compose_mail(owed(body), sender="s@example.org", to=["a@example.org"]).get_content()

    assert "This message does not contain addresses." in text
    assert 'urls = "defanged"' in text
    assert "news.example" not in text


def test_mail_about_a_take_down_says_where_its_proof_pack_is_and_what_to_run_next() -> None:
    kind, event_id = NotificationKind.TAKEDOWN_CONFIRMED, "20260527t091000z-k3v4q2m7xw4c5b6d"
    removed = event(kind=kind, id=f"{kind}/{event_id}", bundle_id=BUNDLE, job_id="")
    for urls in (NONE, DEFANGED):
        body = compose("m", kind, START, [reduce_event(removed, urls)], "")

        mail = compose_mail(
            replace(owed(body), kind=kind), sender="s@example.org", to=["a@example.org"]
        )

        text = mail.get_content()
        assert ("hxxps://news[.]example[.]org/1" in text) is (urls == DEFANGED)
        assert f"     proof pack   proofs/{event_id}.html in the data_dir of the worker" in text
        for command in (f"show {BUNDLE}", f"takedown show {event_id}", f"proof {event_id}"):
            assert f" snapshotter {command}\n" in text
        assert "snapshotter proof" not in str(json.loads(body)), "programs get the ids"


@pytest.mark.parametrize("kind", NotificationKind)
def test_every_kind_has_words(kind: NotificationKind) -> None:
    assert kind in HEADLINES
    assert "23" in headline(kind, 23)
    assert "{" not in headline(kind, 1)


def test_an_id_that_is_made_of_an_account_stays_here_where_its_page_is_not_told() -> None:
    kind = NotificationKind.ACCOUNT_RENAMED
    hidden = event(1, kind, job_id="", url="", host="", detail="")
    told = [
        json.loads(compose("msg_a", kind, START, [lone_event], ""))["data"]["events"][0]["id"]
        for lone_event in (hidden, event(1, kind, job_id=""))
    ]

    assert told == ["msg_a/1", "account.renamed/job-1"]
