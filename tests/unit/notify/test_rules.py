"""Who is told of what, and how much."""

import json
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.notification import NotificationKind
from snapshotter.notify.message import compose
from tests.unit.notify.parts import MAIL, WEBHOOK, event, load


def test_without_rules_every_channel_is_told_of_whatever_may_need_somebody(tmp_path: Path) -> None:
    rules = load(tmp_path, WEBHOOK + MAIL)

    told = {kind for kind in NotificationKind if rules.waiting(event(kind=kind))}

    assert set(NotificationKind) - told == {NotificationKind.CAPTURE_DONE, NotificationKind.TEST}
    assert [waiting.channel for waiting in rules.waiting(event())] == ["desk", "mail"]


def test_by_default_a_message_has_no_address_no_host_and_no_sentence_about_the_page(
    tmp_path: Path,
) -> None:
    given = event(
        summary="news.example.org is asked less often: http://news.example.org/x",
        tags=("press", "news.example.org"),
        origin="batch:http://news.example.org/x",
    )

    (told,) = load(tmp_path, WEBHOOK).waiting(given)

    assert (told.event.url, told.event.host, told.event.detail) == ("", "", "")
    assert "example" not in repr(told.event)
    assert told.event.tags == ("press", "…")
    assert told.event.reasons == given.reasons
    assert told.event.job_id == given.job_id


@pytest.mark.parametrize(
    ("job_id", "origin", "left"),
    [
        (
            "news-example-org-1a2b3c.0123456789ab@20261127t123000z-now",
            "monitor:schedule:news-example-org-1a2b3c",
            ("…1a2b3c.…@20261127t123000z-now", "monitor:schedule:…1a2b3c"),
        ),
        (f"watch.press.{'0f' * 12}", "watch:press", ("watch.press.…", "watch:press")),
        (
            f"batch-{'0f' * 8}-{'1e' * 12}-2",
            f"batch:{'0f' * 8}",
            (f"batch-{'0f' * 8}-…-2", f"batch:{'0f' * 8}"),
        ),
        (
            "monitor-20260527t091000z-k3v4q2m7xw4c5b6d-gone-01",
            "monitor:cli",
            ("monitor-20260527t091000z-k3v4q2m7xw4c5b6d-gone-01", "monitor:cli"),
        ),
    ],
)
def test_what_is_made_of_a_host_or_an_address_is_left_out_where_the_address_is(
    tmp_path: Path, job_id: str, origin: str, left: tuple[str, str]
) -> None:
    given = event(id=f"capture.failed/{job_id}/3", job_id=job_id, origin=origin)

    (told,) = load(tmp_path, WEBHOOK).waiting(given)
    (named,) = load(tmp_path, WEBHOOK + 'urls = "defanged"\n').waiting(given)

    assert (told.event.job_id, *told.event.origins) == left
    assert (named.event.job_id, *named.event.origins) == (job_id, origin)
    assert told.event.id == named.event.id  # by which the outbox knows it again
    bodies = [
        compose("msg_a", given.kind, given.at, [waiting.event], "").decode()
        for waiting in (told, named)
    ]
    ids = [json.loads(body)["data"]["events"][0]["id"] for body in bodies]
    assert ids == [given.id if left[0] == job_id else "msg_a/1", given.id]
    assert "example" not in bodies[0]


def test_where_it_is_asked_for_addresses_come_defanged_and_without_secrets(tmp_path: Path) -> None:
    (told,) = load(tmp_path, WEBHOOK + 'urls = "defanged"\n').waiting(event())

    assert told.event.url == "hxxps://news[.]example[.]org/1?id=7&token=…"
    assert told.event.host == "news[.]example[.]org"
    assert told.event.detail == (
        "news[.]example[.]org was not resolved: hxxp://news[.]example[.]org/1?key=…"
    )


RULES = """
[[rule]]
kinds = ["capture.*"]
tags = ["noisy"]
channels = []

[[rule]]
kinds = ["capture.*"]
policies = ["high-risk-source"]
channels = ["desk"]
urls = "none"
group_s = 0

[[rule]]
kinds = ["capture.failed"]
origins = ["schedule:*"]
channels = ["desk", "mail"]
repeat_s = 60
"""


def test_the_first_rule_that_fits_decides(tmp_path: Path) -> None:
    rules = load(tmp_path, WEBHOOK + 'urls = "defanged"\n' + MAIL + RULES)

    assert rules.waiting(event(tags=("press", "noisy"))) == ()
    assert rules.waiting(event(origin="cli")) == ()
    assert rules.waiting(event(kind=NotificationKind.AUDIT_FAILED)) == ()
    for policy in ("high-risk-source", "/cases/of/somebody/high-risk-source.toml"):
        (careful,) = rules.waiting(event(policy=policy))
        assert (careful.channel, careful.group_s, careful.event.url) == ("desk", 0, "")
        assert careful.event.policies == ("high-risk-source",)
    desk, mail = rules.waiting(event())
    assert (desk.channel, desk.group_s, desk.repeat_s) == ("desk", 300, 60)
    assert desk.event.url.startswith("hxxps://")
    assert (mail.channel, mail.event.url) == ("mail", "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "channel"),
        (WEBHOOK + "colour = 1\n", "colour"),
        (WEBHOOK + WEBHOOK, "the same name"),
        (WEBHOOK.replace("https", "http"), "allow_networks"),
        (WEBHOOK.replace("hooks", "me:pw@hooks"), "without a password"),
        (WEBHOOK + 'url_file = "x"\n', "either url or url_file"),
        (WEBHOOK + 'urls = "all"\n', "urls"),
        (WEBHOOK + 'allow_networks = ["10.0.0.1/8"]\n', "allow_networks"),
        (MAIL + 'user = "me"\n', "password_file"),
        (MAIL + 'tls = "none"\n', "own"),
        (MAIL.replace("desk@", "desk\\nBcc: x@"), "to"),
        (MAIL.replace("desk@example.org", "desk"), "to"),
        (WEBHOOK + '[[rule]]\nchannels = ["nobody"]\n', "nobody"),
        (WEBHOOK + '[[rule]]\nkinds = ["capture.fialed"]\nchannels = ["desk"]\n', "fialed"),
        (WEBHOOK + '[[rule]]\ngroup_s = -1\nchannels = ["desk"]\n', "group_s"),
    ],
)
def test_what_has_no_meaning_is_refused_by_name(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(SnapshotterError, match=why) as caught:
        load(tmp_path, text)

    assert "notify.toml" in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_a_network_of_ones_own_is_reached_without_tls_when_it_is_named(tmp_path: Path) -> None:
    own = 'allow_networks = ["10.1.2.3"]\n'

    rules = load(tmp_path, WEBHOOK.replace("https", "http") + own + MAIL + 'tls = "none"\n' + own)

    assert [channel.allow_networks for channel in rules.channels] == [("10.1.2.3/32",)] * 2


def test_the_first_sign_of_a_removal_waits_for_no_other_event(tmp_path: Path) -> None:
    suspected = event(kind=NotificationKind.TAKEDOWN_SUSPECTED)
    (told,) = load(tmp_path, WEBHOOK).waiting(suspected)
    (other,) = load(tmp_path, WEBHOOK).waiting(event())

    assert (told.group_s, other.group_s) == (0, 300)
    slow = '[[rule]]\nchannels = ["desk"]\ngroup_s = 60\n'
    (waits,) = load(tmp_path, WEBHOOK + slow).waiting(suspected)
    assert waits.group_s == 60
