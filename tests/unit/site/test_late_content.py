"""Pages whose content comes late: their truth can be checked, and the server keeps its times."""

import base64
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pytest

from snapshotter.site.catalogue import PAGES, render
from snapshotter.site.late_content import PAGES as LATE
from snapshotter.site.late_content import PATCHES, TAKEN_DOWN, TOGETHER
from snapshotter.site.server import FixtureSite
from tests.cases import in_one_test


def test_each_kind_of_lateness_has_a_word_and_a_colour_of_its_own() -> None:
    kinds = [patch for name, (patch, *more) in PATCHES.items() if not more]

    assert (
        len({patch.word for patch in kinds}) == len({patch.colour for patch in kinds}) == len(kinds)
    )
    assert {*PATCHES, TAKEN_DOWN} == set(LATE) <= set(PAGES)
    assert [patch.word for patch in PATCHES["late/all"]] == [f"arrived-{name}" for name in TOGETHER]


@in_one_test("name", PATCHES)
def test_no_markup_has_a_word_that_is_to_come_late(name: str) -> None:
    text = render(name).text

    assert not [patch.word for patch in PATCHES[name] if patch.word in text]


@pytest.mark.parametrize(
    "name",
    [patch.word.removeprefix("arrived-") for patch in PATCHES["late/all"] if patch.by_network],
)
def test_what_comes_by_network_is_in_an_answer(name: str) -> None:
    found = render(f"late/data/{name}?n=3")
    (patch,) = PATCHES[f"late/{name}"]

    assert patch.word.encode() in found.body + b"".join(piece for _, piece in found.later)
    assert b"#" + bytes(patch.colour).hex().encode() in found.body + b"".join(
        piece for _, piece in found.later
    )


def test_a_poll_brings_its_content_with_the_third_answer_and_not_before() -> None:
    answers = [b"arrived" in render(f"late/data/poll-third?n={count}").body for count in range(5)]

    assert answers == [False, False, False, True, True]


def test_an_event_stream_is_sent_piece_by_piece_and_stays_open() -> None:
    with FixtureSite() as site, asked(site, "second-event?after=0.1") as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        events = [stream.readline() for _ in range(3)]

    assert b"Content-Type: text/event-stream" in head
    assert b"Content-Length" not in head
    assert events[:2] == [b"data: first\n", b"\n"]
    assert b"arrived-second-event" in events[2]


def test_a_websocket_is_opened_as_rfc_6455_says() -> None:
    key = base64.b64encode(b"the sample nonce").decode()  # of RFC 6455, 1.3
    more = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
    with FixtureSite() as site, asked(site, "websocket-300", more) as stream:
        head = b"".join(iter(stream.readline, b"\r\n"))
        opcode, length = stream.read(2)
        message = stream.read(length)

    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert opcode == 0x81
    assert b"arrived-websocket-300" in message


@contextmanager
def asked(site: FixtureSite, data: str, more: str = "") -> Iterator[BinaryIO]:
    """Ask for what a page brings late; give the answer as it comes."""
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=10) as peer,
        peer.makefile("rb") as stream,
    ):
        peer.sendall(f"GET /late/data/{data} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}\r\n".encode())
        yield stream
