"""`notify`: try a channel, see what is owed, send it; and what the documents say of signatures."""

import json
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app import doctor, settings
from snapshotter.app.wiring import notifications as wiring_notify
from snapshotter.app.wiring.doctor import doctor_dependencies
from snapshotter.cli.main import main
from snapshotter.formats.signatures.standard_webhooks import parse_secrets, sign
from snapshotter.model.notification import NotificationEvent, NotificationKind
from tests.servers.receiver import Receiver
from tests.servers.relay import MailRelay
from tests.unit.cli.shell import Shell

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
EVENT = NotificationEvent(
    id="audit.failed/1",
    kind=NotificationKind.AUDIT_FAILED,
    at=AT,
    subject="a store",
    summary="it FAILED",
    about=(),
)


class Desk(Shell):
    """A home whose settings name a notify.toml with one webhook, and a receiver behind it."""

    def __init__(self, home: Path, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(capsys, "notify")
        self.home = home
        self.receiver = receiver

    def tell(self, told: list[str]) -> None:
        wiring_notify.notify_once(settings.load(), EVENT, show_message=told.append)


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("SNAPSHOTTER_NOTIFY_FILE", str(tmp_path / "notify.toml"))
    monkeypatch.chdir(tmp_path)
    with Receiver() as receiver:
        (tmp_path / "notify.toml").write_text(
            f"""
            installation = "archive-1"
            [[channel]]
            name = "desk"
            type = "webhook"
            url = "{receiver.url}?token=secret-of-the-address"
            secret_file = "desk.secret"
            allow_networks = ["127.0.0.1"]
            """
        )
        assert main(["notify", "secret", "desk.secret"]) == 0
        yield Desk(tmp_path, receiver, capsys)


def test_a_channel_is_tried(desk: Desk) -> None:
    assert desk.run("test", "desk") == 0
    assert desk.out == "desk accepted the message\n"
    assert json.loads(desk.receiver.posted[0].body)["type"] == "test"

    desk.receiver.answers.append((403, {}))
    assert desk.run("test", "desk", "--json") == 30
    assert desk.objects == [
        {
            "channel": "desk",
            "delivered": False,
            "detail": "the receiver answered with HTTP status 403",
        }
    ]
    assert desk.run("test", "nobody") == 1
    assert "desk" in desk.err


def test_what_a_command_could_not_send_is_owed_and_sent_later(desk: Desk) -> None:
    desk.receiver.answers.append((503, {}))
    told: list[str] = []
    desk.tell(told)
    assert told == [
        "WARNING: a message was not sent to all recipients: desk: the receiver answered with HTTP "
        "status 503. List the messages that are still to be sent:\n  snapshotter notify outbox"
    ]
    assert desk.run("outbox", "--state", "owed", "--json") == 0
    (owed,) = desk.objects
    assert (owed["state"], owed["kind"], owed["attempts"]) == ("owed", "audit.failed", 1)
    assert desk.run("send", "--json") == 0
    assert desk.objects[0]["sent"] == 0  # its next attempt is in seconds

    assert desk.run("retry", owed["id"], "--json") == 0
    assert desk.object == {"owed": 1}
    assert desk.run("send") == 0

    assert desk.out.startswith("messages sent: 1")
    assert [request.headers["webhook-id"] for request in desk.receiver.posted] == [owed["id"]] * 2
    assert desk.run("outbox") == 0
    assert f"{owed['id']}  sent" in desk.out
    assert desk.run("retry", owed["id"]) == 1
    assert desk.run("retry") == 2


def test_sending_says_what_was_not_taken_over(desk: Desk) -> None:
    desk.receiver.answers += [(503, {}), (400, {})]
    desk.tell([])
    assert desk.run("retry", "--all") == 0

    assert desk.run("send") == 30
    assert "HTTP status 400" in desk.err


def test_the_list_shows_no_secret_part_of_an_address(desk: Desk) -> None:
    assert desk.run("list") == 0
    assert "secret-of-the-address" not in desk.out
    assert "127.0.0.1" in desk.out
    assert "audit.failed" in desk.out
    assert desk.run("list", "--json") == 0
    (found,) = desk.objects
    assert found["channels"][0]["urls"] == "none"
    assert "secret-of-the-address" not in desk.out


def test_a_secret_is_its_owners_alone_and_never_overwritten(desk: Desk) -> None:
    path = desk.home / "desk.secret"
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert desk.run("secret", "desk.secret") == 1
    assert path.read_bytes() == before

    path.chmod(0o644)
    assert desk.run("test", "desk") == 30
    assert "other users can open the file" in desk.err


def test_the_doctor_looks_at_the_secrets_and_asks_nobody(desk: Desk) -> None:
    def found() -> list[tuple[doctor.CheckState, str]]:
        here = settings.load()
        checks = doctor._notifications(here, doctor_dependencies(here))
        return [(check.state, check.detail) for check in checks]

    assert found() == [
        (
            doctor.CheckState.OK,
            "desk; to test a channel, use the command “snapshotter notify test CHANNEL”",
        ),
    ]
    (desk.home / "desk.secret").write_text("whsec_short\n")
    ((state, detail),) = found()
    assert (state, detail[:30]) == (doctor.CheckState.WARNING, "desk: a secret of a webhook mu")
    (desk.home / "notify.toml").write_text("colour = 1\n")
    ((state, detail),) = found()
    assert (state, "colour" in detail or "channel" in detail) == (doctor.CheckState.WARNING, True)
    assert desk.receiver.posted == []


def test_mail_goes_the_way_that_the_file_says(desk: Desk) -> None:
    with MailRelay() as relay:
        (desk.home / "notify.toml").write_text(
            f"""
            [[channel]]
            name = "mail"
            type = "mail"
            server = "127.0.0.1"
            port = {relay.port}
            tls = "none"
            allow_networks = ["127.0.0.1"]
            sender = "snapshotter@example.org"
            to = ["desk@example.org"]
            """
        )
        assert desk.run("test", "mail") == 0
        assert desk.run("list") == 0

    assert f"127.0.0.1:{relay.port} to desk@example.org" in desk.out
    (mailed,) = relay.mails
    assert mailed.message["Subject"] == "snapshotter: this is a test"
    assert "No event happened" in mailed.message.get_content()


def test_where_nobody_is_to_be_told_commands_say_so_and_events_cost_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SNAPSHOTTER_NOTIFY_FILE")
    told: list[str] = []

    desk.tell(told)

    assert told == []
    assert not (desk.home / "data").exists()
    assert desk.run("list") == 1
    assert "notify_file" in desk.err


def test_a_file_that_only_lies_here_makes_us_talk_to_nobody(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SNAPSHOTTER_NOTIFY_FILE")
    (desk.home / "snapshotter.toml").write_text('notify_file = "notify.toml"\n')

    assert desk.run("test", "desk") == 1

    assert "notify_file" in desk.err
    assert desk.receiver.posted == []


def test_a_trouble_with_telling_changes_nothing_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.home / "notify.toml").write_text("colour = 1\n")
    told: list[str] = []

    desk.tell(told)

    (sentence,) = told
    assert sentence.startswith("WARNING: the message was not sent: ")


def _from_the_reference() -> str:
    text = (ROOT / "docs/reference/notifications.md").read_text()
    found = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


BY_OPENSSL = r"""
key=$(head -n 1 desk.secret | sed s/^whsec_// | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
{ printf '%s.%s.' "$id" "$timestamp"; cat body.json; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A
"""


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"a":"\xc3\xa9"}'


def test_the_five_lines_of_the_reference_check_a_signature() -> None:
    names: dict[str, Any] = {}
    exec(_from_the_reference(), names)  # noqa: S102  our own document
    is_ours = names["is_ours"]
    headers = sign(parse_secrets(SECRET), "msg_1", AT, BODY)
    now = AT.timestamp()

    assert is_ours(headers, BODY, SECRET, now + 299)
    assert not is_ours(headers, BODY, SECRET, now + 301)
    assert not is_ours(headers, BODY + b" ", SECRET, now)
    assert not is_ours({**headers, "webhook-id": "msg_2"}, BODY, SECRET, now)
    assert not is_ours(headers, BODY, "whsec_" + "A" * 32, now)


@pytest.mark.interop
def test_openssl_makes_the_same_signature(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    headers = sign(parse_secrets(SECRET), "msg_1", AT, BODY)
    (tmp_path / "desk.secret").write_text(f"{SECRET}\n")
    (tmp_path / "body.json").write_bytes(BODY)
    variables = f"id=msg_1 timestamp={headers['webhook-timestamp']}\n"

    ran = subprocess.run(
        ["sh", "-ec", variables + BY_OPENSSL],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert f"v1,{ran.stdout.strip()}" == headers["webhook-signature"]
