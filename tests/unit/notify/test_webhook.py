"""Posting to a webhook: a real receiver on loopback, and the signature that it checks."""

import base64
import hashlib
import hmac
import socket
import ssl
from pathlib import Path

import pytest

from snapshotter.errors import SnapshotterError
from snapshotter.model.notification import NotificationKind, UndeliveredMessage
from snapshotter.notify.egress import GuardedConnections
from snapshotter.notify.webhook import HttpWebhook
from tests.bundles import RealClock
from tests.fakes.world import START, FixedClock
from tests.servers.receiver import Posted, Receiver
from tests.servers.tcp import Server, read_until
from tests.tls import Authority
from tests.unit.egress.parts import LOOPBACK
from tests.unit.notify.parts import secret_file

KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE = UndeliveredMessage(
    id="msg_1", channel="desk", kind=NotificationKind.TEST, created_at=START, body=b'{"a":1}'
)


def webhook(
    folder: Path,
    url: str,
    *,
    allowed: tuple[str, ...] = LOOPBACK,
    ca_file: Path | None = None,
    timeout_s: float = 20,
) -> HttpWebhook:
    connections = GuardedConnections(
        clock=RealClock(), timeout_s=timeout_s, allowed=allowed, ca_file=ca_file
    )
    return HttpWebhook(
        "desk",
        url=lambda: url,
        secrets=secret_file(folder),
        connections=connections,
        clock=FixedClock(),
    )


def checks(posted: Posted, key: bytes) -> bool:
    """Check a request as a receiver does."""
    signed = (
        f"{posted.headers['webhook-id']}.{posted.headers['webhook-timestamp']}.".encode()
        + posted.body
    )
    made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{made}" in posted.headers["webhook-signature"].split(" ")


def test_a_message_arrives_signed_and_byte_for_byte(tmp_path: Path) -> None:
    with Receiver() as receiver:
        delivery = webhook(tmp_path, receiver.url).deliver(MESSAGE)

    assert delivery.delivered
    (posted,) = receiver.posted
    assert (posted.path, posted.body) == ("/hook", b'{"a":1}')
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["webhook-id"] == "msg_1"
    assert posted.headers["webhook-timestamp"] == str(int(START.timestamp()))
    assert checks(posted, KEY)
    assert not checks(posted, b"x" * 24)


def test_a_secret_is_exchanged_while_we_run(tmp_path: Path) -> None:
    with Receiver() as receiver:
        hook = webhook(tmp_path, receiver.url)
        hook.deliver(MESSAGE)
        new = base64.b64encode(b"n" * 32).decode()
        (tmp_path / "desk.secret").write_text(f"whsec_{new}\n")
        hook.deliver(MESSAGE)

    assert [checks(request, b"n" * 32) for request in receiver.posted] == [False, True]


@pytest.mark.parametrize(
    ("status", "headers", "refused", "retry_after_s"),
    [
        (500, {}, False, None),
        (503, {"Retry-After": "120"}, False, 120),
        (429, {"Retry-After": "99999999"}, False, 3600),
        (429, {"Retry-After": "Thu, 15 Jan 2026 12:31:45 GMT"}, False, 59.3),
        (503, {"Retry-After": "soon"}, False, None),
        (400, {"Retry-After": "120"}, True, None),
        (410, {}, True, None),
        (307, {"Location": "/elsewhere"}, True, None),
    ],
)
def test_what_is_not_taken_over_comes_again_as_the_answer_says(
    tmp_path: Path,
    status: int,
    headers: dict[str, str],
    refused: bool,
    retry_after_s: float | None,
) -> None:
    with Receiver() as receiver:
        receiver.answers.append((status, headers))
        delivery = webhook(tmp_path, receiver.url).deliver(MESSAGE)

    assert not delivery.delivered
    assert str(status) in delivery.detail
    assert delivery.refused is refused
    assert delivery.retry_after_s == (
        pytest.approx(retry_after_s, abs=0.1) if retry_after_s else None
    )
    assert len(receiver.posted) == 1  # a redirect is not followed


def test_a_network_that_nobody_opened_is_not_connected_to(tmp_path: Path) -> None:
    with Receiver() as receiver:
        delivery = webhook(tmp_path, receiver.url, allowed=()).deliver(MESSAGE)

    assert not delivery.delivered
    assert "the address belongs to the capturing machine itself" in delivery.detail
    assert receiver.posted == []


def test_nobody_there_and_no_answer_in_time_are_answers_too(tmp_path: Path) -> None:
    def silent(peer: socket.socket) -> None:
        read_until(peer)
        read_until(peer)

    with Server(silent) as server:
        url = f"http://127.0.0.1:{server.port}/"
        delivery = webhook(tmp_path, url, timeout_s=0.2).deliver(MESSAGE)
    gone = webhook(tmp_path, url).deliver(MESSAGE)

    assert not delivery.delivered
    assert not gone.delivered
    assert "cannot be reached" in gone.detail


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(authority.server())
    taken: list[bytes] = []

    def talk(peer: socket.socket) -> None:
        with serving.wrap_socket(peer, server_side=True) as secure:
            taken.append(read_until(secure, MESSAGE.body))
            secure.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    def try_to_talk(peer: socket.socket) -> None:
        try:
            talk(peer)
        except ssl.SSLError:
            return

    with Server(try_to_talk) as server:
        url = f"https://127.0.0.1:{server.port}/"
        unknown = webhook(tmp_path, url).deliver(MESSAGE)
        known = webhook(tmp_path, url, ca_file=tmp_path / "root.pem").deliver(MESSAGE)

    assert not unknown.delivered
    assert "certificate" in unknown.detail.lower()
    assert known.delivered
    assert len(taken) == 1


def test_a_secret_that_can_not_be_read_is_told_and_nothing_is_sent(tmp_path: Path) -> None:
    def unreadable() -> str:
        raise SnapshotterError("desk.secret: no such file or directory")

    with Receiver() as receiver:
        connections = GuardedConnections(clock=RealClock(), timeout_s=5, allowed=LOOPBACK)
        hook = HttpWebhook(
            "desk",
            url=lambda: receiver.url,
            secrets=unreadable,
            connections=connections,
            clock=FixedClock(),
        )
        delivery = hook.deliver(MESSAGE)

    assert (delivery.delivered, delivery.detail) == (
        False,
        "desk.secret: no such file or directory",
    )
    assert receiver.posted == []
