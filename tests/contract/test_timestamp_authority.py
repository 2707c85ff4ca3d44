"""The contract of `ports.TimestampAuthority`, on HTTP and against every way to go wrong."""

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from cryptography import x509

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.proofs.rfc3161 import Anchor, check_response
from snapshotter.model.bundle import TokenState
from snapshotter.ports import TimestampAuthority
from snapshotter.seal.timestamp import AnswerRefused, HttpTimestampAuthority, stamp_all
from tests.bundles import RealClock
from tests.fakes.world import START, SeededIds
from tests.servers.authority import KINDS, POLICY_OID, TestAuthority, start_authority

MESSAGE = b"a signature"
# Two limits: nobody who answers needs the long one, and nobody who does not has more than the
# short one. On a busy machine a second is not enough for an answer, nor a measure of anything.
LONG_S = 60.0
SHORT_S = 0.5
NEVER_ANSWER = ("slow", "drip")


class Ask(Protocol):
    """Return an authority that answers in a way, or is at an address."""

    def __call__(self, kind: str, timeout_s: float | None = None) -> HttpTimestampAuthority: ...


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAuthority]:
    with start_authority(tmp_path_factory.mktemp("authority")) as running:
        yield running


@pytest.fixture(scope="module")
def anchor(server: TestAuthority) -> Anchor:
    root = x509.load_pem_x509_certificate(server.root_pem)
    return Anchor(name="test", root=root, policy_oids=frozenset({POLICY_OID}))


@pytest.fixture(scope="module")
def ask(server: TestAuthority, anchor: Anchor) -> Ask:
    ids = SeededIds("nonces")

    def build(kind: str, timeout_s: float | None = None) -> HttpTimestampAuthority:
        url = kind if ":" in kind else server.url(kind)
        limit = SHORT_S if kind in NEVER_ANSWER else LONG_S
        return HttpTimestampAuthority(
            kind, url, anchor, clock=RealClock(), ids=ids, timeout_s=timeout_s or limit
        )

    return build


# What each kind of misbehaviour is, and what a person reads about it.
BAD = {
    "untrusted": (AnswerRefused, "TS_UNTRUSTED"),
    "intermediate": (AnswerRefused, "TS_UNTRUSTED"),  # of another root than the one configured
    "wrong-policy": (AnswerRefused, "TS_POLICY"),
    "wrong-nonce": (AnswerRefused, "another request, because the nonce differs"),
    "other-bytes": (AnswerRefused, "the token confirms the time of other data"),
    "html": (AnswerRefused, "answered with text/html instead of a timestamp"),
    "html-as-token": (AnswerRefused, "TS_MALFORMED"),
    "rejected": (AnswerRefused, "rejection .*badAlg"),
    "garbage": (AnswerRefused, "TS_MALFORMED"),
    "huge": (AnswerRefused, "more than 65536 bytes"),
    "500": (ServiceUnavailable, "HTTP status 500"),
    "loop": (ServiceUnavailable, "redirects more than 3 times"),
    "slow": (ServiceUnavailable, "did not answer within 0.5 s"),
    "drip": (ServiceUnavailable, "did not answer within 0.5 s"),
    "close": (ServiceUnavailable, "closed the connection"),
}
GOOD = ("good", "redirect")


def test_every_kind_of_behaviour_is_tried_here() -> None:
    assert set(BAD) | set(GOOD) == set(KINDS)


@pytest.mark.parametrize("kind", GOOD)
def test_a_stamp_is_verified_and_whole(ask: Ask, anchor: Anchor, kind: str) -> None:
    response, at = ask(kind).stamp(MESSAGE)

    assert check_response(response, MESSAGE, anchor).time == at
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_answer_is_an_error_that_says_what_happened(ask: Ask, kind: str) -> None:
    expected, message = BAD[kind]
    began = time.monotonic()

    with pytest.raises(ServiceUnavailable, match=message) as caught:
        ask(kind).stamp(MESSAGE)

    assert type(caught.value) is expected
    assert kind in caught.value.message  # the authority's name
    assert time.monotonic() - began < LONG_S / 2  # the long limit, or the 600 s of "slow"


def test_an_authority_that_is_not_there_is_unavailable(ask: Ask) -> None:
    with pytest.raises(ServiceUnavailable, match="cannot be reached"):
        ask("http://127.0.0.1:1/").stamp(MESSAGE)


def test_no_two_requests_have_the_same_nonce(ask: Ask, anchor: Anchor) -> None:
    authority = ask("good")

    nonces = {check_response(authority.stamp(MESSAGE)[0], MESSAGE, anchor).nonce for _ in range(3)}

    assert len(nonces) == 3
    assert None not in nonces


def test_a_proxy_of_the_environment_is_not_used(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    ask("good").stamp(MESSAGE)


class Together:
    """An authority that answers when all the others have been asked, too."""

    def __init__(self, name: str, everybody: threading.Barrier) -> None:
        self.name = name
        self._everybody = everybody

    def stamp(self, message: bytes) -> tuple[bytes, datetime]:
        self._everybody.wait(20)
        return message, START


def test_all_are_asked_at_once() -> None:
    everybody = threading.Barrier(3)

    results = stamp_all([Together(name, everybody) for name in "abc"], MESSAGE, timeout_s=LONG_S)

    assert [result.state for result in results] == [
        TokenState.GRANTED
    ] * 3  # and nobody waited in vain


def test_each_has_its_result_in_its_place(ask: Ask) -> None:
    kinds = ("slow", "good", "html", "drip", "500", "redirect", "untrusted")
    authorities: list[TimestampAuthority] = [ask(kind) for kind in kinds]

    results = stamp_all(authorities, MESSAGE, timeout_s=LONG_S)

    assert tuple(result.authority for result in results) == kinds
    assert [result.state for result in results] == [
        TokenState.PENDING,
        TokenState.GRANTED,
        TokenState.REFUSED,
        TokenState.PENDING,
        TokenState.PENDING,
        TokenState.GRANTED,
        TokenState.REFUSED,
    ]
    for result in results:
        granted = result.state is TokenState.GRANTED
        assert (result.time is not None) is granted
        assert bool(result.response) is granted
        assert bool(result.detail) is not granted


def test_one_that_never_answers_holds_nobody_up_beyond_the_common_limit(ask: Ask) -> None:
    alone = Together("at once", threading.Barrier(1))
    began = time.monotonic()

    slow, good = stamp_all([ask("slow", LONG_S), alone], MESSAGE, timeout_s=1)

    assert time.monotonic() - began < LONG_S / 2
    assert slow.state is TokenState.PENDING
    assert "did not answer within 1 s" in slow.detail
    assert good.state is TokenState.GRANTED


def _drip_headers(listener: socket.socket, closed: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                connection.sendall(b"a")
                time.sleep(0.1)
        except OSError:
            closed.set()


def test_headers_that_never_end_are_cut_off_at_the_limit_and_so_is_the_connection(
    ask: Ask,
) -> None:
    closed = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_drip_headers, args=(listener, closed), daemon=True).start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"

        with pytest.raises(ServiceUnavailable, match=r"did not answer within 0\.5 s"):
            ask(address, SHORT_S).stamp(MESSAGE)

        assert closed.wait(20)  # no thread and no connection goes on for ever


def test_a_password_in_an_address_is_not_told(ask: Ask) -> None:
    with pytest.raises(ServiceUnavailable) as caught:
        ask("http://user:SECRET@127.0.0.1:1/").stamp(MESSAGE)

    # The name is this test's own: it is the address.
    assert "SECRET" not in caught.value.hint


def test_who_is_in_a_hurry_waits_for_nobody(ask: Ask) -> None:
    hurry = iter([False, False, True])  # and then it is asked no more

    (slow,) = stamp_all([ask("slow", LONG_S)], MESSAGE, timeout_s=LONG_S, hurry=lambda: next(hurry))

    assert slow.state is TokenState.PENDING
    assert "did not answer before the interruption" in slow.detail
