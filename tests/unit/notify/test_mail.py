"""Mail through a real relay, aiosmtpd: TLS, passwords, and what relays answer."""

import ssl
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.notification import DeliveryResult, NotificationKind, UndeliveredMessage
from snapshotter.notify.egress import GuardedConnections
from snapshotter.notify.mail import SmtpMail
from snapshotter.notify.message import compose
from snapshotter.notify.rules import DEFANGED, MailEntry, reduce_event
from tests.bundles import RealClock
from tests.fakes.world import START
from tests.servers.relay import MailRelay
from tests.servers.tcp import Server
from tests.tls import Authority
from tests.unit.egress.parts import LOOPBACK
from tests.unit.notify.parts import event

PASSWORD = "correct horse"
BODY = compose(
    "msg_1",
    NotificationKind.CAPTURE_FAILED,
    START,
    [reduce_event(event(detail="标题 é"), DEFANGED)],
    "",
)
MESSAGE = UndeliveredMessage(
    id="msg_1", channel="mail", kind=NotificationKind.CAPTURE_FAILED, created_at=START, body=BODY
)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """Return what a relay at 127.0.0.1 shows, and the root that it leads to."""
    folder = tmp_path_factory.mktemp("certificates")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Authority(folder).server())
    return context, folder / "root.pem"


def send(relay: MailRelay, root: Path | None = None, **more: object) -> DeliveryResult:
    values = {
        "type": "mail", "name": "mail", "server": "127.0.0.1", "port": relay.port, "tls": "none",
        "allow_networks": LOOPBACK, "sender": "snapshotter@example.org",
        "to": ("desk@example.org", "night@example.org"), **more,
    }  # fmt: skip
    entry = MailEntry.read(values)
    connections = GuardedConnections(
        clock=RealClock(), timeout_s=20, allowed=LOOPBACK, ca_file=root
    )
    password = PASSWORD.encode
    return SmtpMail(
        entry, password=password if entry.user else None, connections=connections
    ).deliver(MESSAGE)


def test_mail_arrives_as_plain_text_and_names_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda name="": "editor.home.example")
    with MailRelay() as relay:
        assert send(relay).delivered

    (mailed,) = relay.mails
    assert mailed.sender == "snapshotter@example.org"
    assert mailed.to == ("desk@example.org", "night@example.org")
    assert mailed.greeted_as == "[127.0.0.1]"
    assert mailed.message["Subject"] == "snapshotter: a capture failed"
    assert "hxxps://news[.]example[.]org/1?id=7&token=…" in mailed.message.get_content()
    assert "标题 é" in mailed.message.get_content()
    assert mailed.data.isascii()
    assert b"editor.home" not in mailed.data


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_password_goes_over_tls_to_a_relay_that_shows_who_it_is(
    certificates: tuple[ssl.SSLContext, Path], tls: str
) -> None:
    serving, root = certificates
    users = {"me": PASSWORD}
    with MailRelay(tls=serving, implicit=tls == "implicit", users=users) as relay:
        login = {"tls": tls, "user": "me", "password_file": "x"}
        assert send(relay, root, **login).delivered
        unknown = send(relay, None, **login)
        stranger = send(relay, root, **{**login, "user": "you"})

    (mailed,) = relay.mails
    assert (mailed.encrypted, mailed.user) == (True, "me")
    assert not unknown.delivered
    assert "certificate" in unknown.detail.lower()
    assert (stranger.delivered, stranger.refused) == (False, False)
    assert "535" in stranger.detail
    assert PASSWORD not in stranger.detail


def test_a_relay_that_offers_no_tls_gets_nothing(
    certificates: tuple[ssl.SSLContext, Path],
) -> None:
    with MailRelay() as relay:
        delivery = send(relay, certificates[1], tls="starttls")

    assert not delivery.delivered
    assert "STARTTLS" in delivery.detail
    assert relay.mails == []


@pytest.mark.parametrize(
    ("answer", "refused"), [("451 try again later", False), ("554 this is spam", True)]
)
def test_what_a_relay_does_not_take_comes_again(answer: str, refused: bool) -> None:
    with MailRelay(answers=[answer]) as relay:
        delivery = send(relay)
        assert (delivery.delivered, delivery.refused) == (False, refused)
        assert answer in delivery.detail
        assert send(relay).delivered


def test_one_receiver_that_is_not_known_keeps_it_from_nobody_else() -> None:
    with MailRelay(refuses={"night@example.org"}) as relay:
        some = send(relay)
        nobody = send(relay, to=("night@example.org",))

    assert some.delivered
    assert "night@example.org (550" in some.detail
    assert (nobody.delivered, nobody.refused) == (False, True)
    assert [mail.to for mail in relay.mails] == [("desk@example.org",)]


def test_a_relay_that_is_not_there_or_hangs_up_is_an_answer_too() -> None:
    with Server(lambda peer: peer.sendall(b"220 hello\r\n")) as server:
        relay = MailRelay(port=server.port)
        hung_up = send(relay)
    gone = send(relay)

    assert not hung_up.delivered
    assert not gone.delivered
    assert "cannot be reached" in gone.detail


def test_a_password_that_can_not_be_read_is_told_and_nobody_is_asked() -> None:
    def unreadable() -> bytes:
        raise SnapshotterError("smtp.password is open to others")

    entry = MailEntry.read(
        {
            "type": "mail", "name": "mail", "server": "127.0.0.1", "user": "me",
            "password_file": "x", "sender": "a@example.org", "to": ("b@example.org",),
        }
    )  # fmt: skip
    with MailRelay() as relay:
        connections = GuardedConnections(clock=RealClock(), timeout_s=20, allowed=LOOPBACK)
        delivery = SmtpMail(entry, password=unreadable, connections=connections).deliver(MESSAGE)

    assert (delivery.delivered, delivery.detail) == (False, "smtp.password is open to others")
    assert relay.mails == []
