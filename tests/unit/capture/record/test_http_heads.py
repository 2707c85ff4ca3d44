"""Heads as they are written: octet for octet, but for secrets."""

import pytest

from snapshotter.capture.record.http_heads import RecordedHead, conceal_trailers, record_head
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.formats.http import events
from snapshotter.formats.http.events import Direction
from tests.fakes.world import SeededIds

CANARY = b"c4n4ry"


@pytest.fixture
def redactor() -> Redactor:
    return Redactor(names=frozenset({"cookie", "set-cookie"}), ids=SeededIds())


def answer(raw: bytes, redactor: Redactor) -> RecordedHead:
    event = events.MessageHead(stream=0, direction=Direction.SERVER, status=200, raw=raw)
    return record_head(event, redactor)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 Fine\r\nB: 1\r\na:  2 \r\nB: 3\r\nFolded: x\r\n\ty\r\n\r\n",
        b"HTTP/1.0 200\nA:1\nno field at all\n: nothing\n\n",
        b"HTTP/1.1 200 caf\xe9\r\nX: \xe4\xb8\xad \xff\r\nY:\r\n\r\n",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nX: a\rY: b\r\n\r\n",
    ],
)
def test_a_head_without_secrets_is_kept_octet_for_octet(raw: bytes, redactor: Redactor) -> None:
    assert answer(raw, redactor).data == raw


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"A: 1\r\nSet-Cookie: s=c4n4ry\r\nB: 2\r\n\r\n", b"A: 1\r\nSet-Cookie: *\r\nB: 2\r\n\r\n"),
        (b"set-cookie:c4n4ry; x\n\n", b"set-cookie:*\n\n"),
        (b"Set-Cookie : \tc4n4ry  \r\n\r\n", b"Set-Cookie : \t*\r\n\r\n"),
        (
            b"Set-Cookie: a=1\r\n c4n4ry\r\n\tc4n4ry\r\nB: 2\r\n\r\n",
            b"Set-Cookie: *\r\nB: 2\r\n\r\n",
        ),
        (b"A: 1\rSet-Cookie: c4n4ry\rB: 2\r\n\r\n", b"A: 1\rSet-Cookie: *\rB: 2\r\n\r\n"),
    ],
)
def test_a_secret_is_replaced_in_its_place_and_nothing_else(
    before: bytes, after: bytes, redactor: Redactor
) -> None:
    head = answer(b"HTTP/1.1 200 OK\r\n" + before, redactor)

    ((name, token),) = head.secrets
    assert name.strip().lower() == "set-cookie"
    assert head.data == b"HTTP/1.1 200 OK\r\n" + after.replace(b"*", token.encode())
    assert CANARY.decode() not in repr(head)


def test_user_information_is_taken_out_of_a_header_and_octets_beside_it_stay(
    redactor: Redactor,
) -> None:
    raw = b"HTTP/1.1 302 \r\nLocation: http://me:c4n4ry@h/caf\xe9\r\nX: 1\r\n\r\n"

    assert answer(raw, redactor).data == raw.replace(b"me:c4n4ry@", b"")


def test_a_secret_counts_as_replaced_once_it_is_written(redactor: Redactor) -> None:
    head = answer(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n", redactor)
    assert redactor.redactions() == ()

    head.written("response-header", redactor)

    (found,) = redactor.redactions()
    assert (found.place, found.name, found.count) == ("response-header", "set-cookie", 2)


def test_the_fields_of_http_2_become_a_head(redactor: Redactor) -> None:
    asked = events.MessageHead(
        stream=1,
        direction=Direction.CLIENT,
        method=b"GET",
        target=b"/a?b",
        authority=b"a.com",
        scheme=b"https",
        headers=((b"accept", b"*/*"), (b"cookie", b"c4n4ry"), (b"cookie", b"other")),
    )
    told = events.MessageHead(
        stream=1, direction=Direction.SERVER, status=404, headers=((b"x-latin", b"caf\xe9"),)
    )

    request, reply = record_head(asked, redactor), record_head(told, redactor)

    (_, one), (_, two) = request.secrets
    assert one != two
    host = b"GET /a?b HTTP/1.1\r\nHost: a.com\r\naccept: */*\r\n"
    cookies = f"cookie: {one}\r\ncookie: {two}\r\n\r\n".encode()
    assert request.data == host + cookies
    assert reply.data == b"HTTP/1.1 404 \r\nx-latin: caf\xe9\r\n\r\n"
    assert (reply.status, reply.header("x-latin")) == (404, "café")


def test_secrets_of_trailers_are_replaced_at_the_end_of_the_body_alone(redactor: Redactor) -> None:
    fields = ((b"Set-Cookie", b"c4n4ry"), (b"X-Sum", b"1"), (b"Set-Cookie", b"b c4n4ry"))
    trailers = events.MessageHead(
        stream=0, direction=Direction.SERVER, headers=fields, trailers=True
    )
    body = b"\r\nset-cookie: page content\r\n"
    section = b"0\r\nSet-Cookie: c4n4ry\r\nX-Sum: 1\r\nSet-Cookie:b\r\n c4n4ry\r\n\r\n"

    shown = record_head(trailers, redactor)
    tail = conceal_trailers(shown, body + section)

    (_, one), (_, two) = shown.secrets
    assert tail == body + (
        f"0\r\nSet-Cookie: {one}\r\nX-Sum: 1\r\nSet-Cookie:{two}\r\n\r\n".encode()
    )
