"""Heads as they are written: order, case and repetition kept, secrets replaced."""

from datetime import UTC, datetime
from typing import Any

import pytest

from snapshotter.capture.exchange import (
    Answer,
    Body,
    Exchange,
    HeaderLine,
    lines,
    parse_head,
    request_head,
    response_head,
    same_headers,
)
from snapshotter.capture.redact import Redactor
from tests.fakes.world import SeededIds

CANARY = "c4n4ry"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(names=frozenset({"cookie", "set-cookie"}), ids=SeededIds())


def exchange(**more: Any) -> Exchange:
    values: dict[str, Any] = {
        "number": 0,
        "request_id": "1",
        "url": "https://a.com/x?y",
        "method": "GET",
        "resource_type": "Document",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "frame_id": "",
        "loader_id": "",
        "initiator": "",
        "headers": (),
    } | more
    return Exchange(**values)


def test_a_head_that_came_as_text_is_written_as_it_came(redactor: Redactor) -> None:
    text = "HTTP/1.1 200 Fine\r\nB: 1\r\na:  2\r\nB: 3\r\nFolded: x\r\n\ty\r\n\r\n"

    head = response_head(
        exchange(raw_head=parse_head(text, 200, redactor), body=Body.AS_RECEIVED), redactor
    )

    assert head == b"HTTP/1.1 200 Fine\r\nB: 1\r\na: 2\r\nB: 3\r\nFolded: x y\r\n\r\n"


def test_a_folded_secret_is_replaced_whole(redactor: Redactor) -> None:
    head = parse_head(f"HTTP/1.1 200\r\nSet-Cookie: a=1\r\n {CANARY}\r\n", 200, redactor)

    assert CANARY not in repr(head)
    assert len(head.headers) == 1


def test_each_of_several_cookies_gets_its_own_commitment(redactor: Redactor) -> None:
    found = lines({"Set-Cookie": f"a={CANARY}\nb=2"}, redactor)

    assert [line.name for line in found] == ["Set-Cookie", "Set-Cookie"]
    assert len({line.value for line in found}) == 2
    assert CANARY not in repr(found)


def test_a_secret_counts_when_it_is_written(redactor: Redactor) -> None:
    asked = exchange(raw_headers=lines({"Cookie": CANARY}, redactor))
    assert redactor.redactions() == ()

    request_head(asked, redactor)

    assert [(r.name, r.count) for r in redactor.redactions()] == [("cookie", 1)]


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("https://a.com/x?y", b"GET /x?y HTTP/1.1\r\nHost: a.com\r\n"),
        ("https://a.com", b"GET / HTTP/1.1\r\nHost: a.com\r\n"),
        ("https://a.com?q", b"GET /?q HTTP/1.1\r\nHost: a.com\r\n"),
    ],
)
def test_an_http2_request_becomes_a_request_line_and_host(
    redactor: Redactor, url: str, first: bytes
) -> None:
    sent = lines({":authority": "a.com", ":method": "GET", ":path": "/", "accept": "*"}, redactor)

    assert request_head(exchange(url=url, raw_headers=sent), redactor) == (
        first + b"accept: *\r\n\r\n"
    )


def test_an_http2_answer_gets_a_status_line(redactor: Redactor) -> None:
    answer = Answer(
        status=200, status_text="", protocol="h2", headers=lines({"a": "b"}, redactor),
        media_type="", charset="", remote_ip="", remote_port=0, security=None, has_raw=False,
    )  # fmt: skip

    head = response_head(exchange(answer=answer, body=Body.AS_RECEIVED), redactor)

    assert head == b"HTTP/1.1 200\r\na: b\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "truncated", "renamed"),
    [
        (Body.AS_RECEIVED, "", False),
        (Body.EMPTY, "", False),
        (Body.AS_RECEIVED, "time", True),
        (Body.CONTENT_DECODED, "", True),
        (Body.TRANSFER_DECODED, "", True),
        (Body.TEXT_AS_UTF8, "", True),
        (Body.UNAVAILABLE, "", True),
    ],
)
def test_headers_about_the_wire_are_renamed_unless_the_body_is_what_they_say(
    redactor: Redactor, body: Body, truncated: str, renamed: bool
) -> None:
    raw = parse_head("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: x\r\n\r\n", 200, redactor)

    head = response_head(exchange(raw_head=raw, body=body, truncated=truncated), redactor)

    assert (b"\r\nX-Orig-Content-Length: 3\r\n" in head) is renamed
    assert (b"\r\nContent-Length: 3\r\n" in head) is not renamed
    assert b"\r\nETag: x\r\n" in head


def test_half_a_character_anywhere_in_a_head_is_written_as_none(redactor: Redactor) -> None:
    head = lines({"a\ud800": "\udc00", "Location": "//x\ud800@b/", "Cookie": "\ud800"}, redactor)

    written = request_head(exchange(url="https://a.com/\ud800", raw_headers=head), redactor)

    assert written.startswith("GET /\ufffd HTTP/1.1\r\nHost: a.com\r\na\ufffd: \ufffd".encode())
    assert b"Location: //b/\r\nCookie: redacted:" in written


def test_headers_are_the_same_in_any_order_and_with_any_case_of_names() -> None:
    a, b = HeaderLine(name="A", value="1"), HeaderLine(name="b", value="2")

    assert same_headers((a, b), (b, HeaderLine(name="a", value="1")))
    assert not same_headers((a, b), (a, b, b))
