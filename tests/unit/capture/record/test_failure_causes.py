"""What the guard knows of a failure, and what the browser knows at first hand."""

import socket
from collections.abc import Iterator

import pytest

from snapshotter.app.machine import SystemClock
from snapshotter.capture.record.failure_causes import (
    cause,
    cdp_error_reason,
    explain_failed_navigation,
)
from snapshotter.egress.errors import EgressError
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.egress.rules import EgressRules

EMPTY = "net::ERR_EMPTY_RESPONSE"


class Nobody:
    """A resolver that knows nobody but `inside.example`."""

    async def resolve(self, host: str) -> tuple[str, ...]:
        if host == "inside.example":
            return ("10.0.0.1",)
        raise ResolutionFailed("dns", "no such name")


@pytest.fixture
def guard() -> Iterator[EgressGuard]:
    rules = EgressRules(total_bytes=1 << 20, allowed=("127.0.0.1/32",))
    made = EgressGuard(rules, clock=SystemClock(), resolver=Nobody())
    made.start()
    yield made
    made.stop()


def ask(guard: EgressGuard, host: str, port: int) -> None:
    with pytest.raises(EgressError):
        guard.dial(host, port, 5).close()


def test_a_failure_has_the_guards_word(guard: EgressGuard) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        ask(guard, "127.0.0.1", port)
    ask(guard, "nowhere.example", 80)
    ask(guard, "inside.example", 443)

    def code(url: str, error: str = EMPTY) -> str:
        found = cause(guard, url, error)
        return found.code if found else ""

    assert code(f"http://127.0.0.1:{port}/x") == "refused"
    assert code("http://nowhere.example/") == "dns"
    assert code("wss://inside.example/", "net::ERR_TUNNEL_CONNECTION_FAILED") == "forbidden-address"
    refused = cause(guard, "https://inside.example/", "net::ERR_TUNNEL_CONNECTION_FAILED")
    assert refused is not None
    assert refused.detail.endswith("; if the network is yours, use --allow-network 10.0.0.1")
    # Of these it knows nothing, or the browser knows better.
    assert code("http://elsewhere.example/") == ""
    assert code("https://inside.example/", "net::ERR_CERT_DATE_INVALID") == ""
    assert code("data:text/plain,x") == code("http://[/") == ""


def test_an_error_of_the_protocol_is_named_as_the_browser_names_it() -> None:
    named = [cdp_error_reason(reason) for reason in ("TimedOut", "Failed", "NameNotResolved")]

    assert named == ["net::ERR_TIMED_OUT", "net::ERR_FAILED", "net::ERR_NAME_NOT_RESOLVED"]


@pytest.mark.parametrize(
    "error",
    ["INCOMPLETE_CHUNKED_ENCODING", "INVALID_CHUNKED_ENCODING", "CONTENT_LENGTH_MISMATCH"],
)
def test_an_answer_that_breaks_off_is_a_bad_response(guard: EgressGuard, error: str) -> None:
    url = "http://elsewhere.example/"

    found = explain_failed_navigation(
        guard, f"Page.goto: net::ERR_{error} at {url}", asked=url, status=200
    )

    assert found == ("bad-response", f"net::ERR_{error}")
