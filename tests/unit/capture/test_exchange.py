"""The two accounts of a capture's requests, paired."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.capture.exchange import (
    Answer,
    Body,
    End,
    Exchange,
    Observed,
    cross_check,
    pair,
)
from snapshotter.capture.heads import Head
from snapshotter.capture.scratch import Scratch
from snapshotter.capture.wire import WireExchange
from snapshotter.formats.http import HowEnded
from tests.fakes.world import START
from tests.unit.capture.test_wire import connection


def head(status: int = 0) -> Head:
    return Head(data=b"", headers=(), first_line="", status=status, secrets=())


def wire(url: str = "http://a.com/", at: float = 0, status: int = 200, **more: Any) -> WireExchange:
    scratch = Scratch(Path("/nowhere"))
    values: dict[str, Any] = {
        "connection": connection(),
        "stream": 0,
        "url": url,
        "method": "GET",
        "at": START + timedelta(seconds=at),
        "request": head(),
        "sent": scratch.body(),
        "received": scratch.body(),
        "protocol": "http/1.1",
        "handshake": None,
        "answer": head(status) if status else None,
        "answer_end": HowEnded.COMPLETE,
    } | more
    return WireExchange(**values)


def told(url: str = "http://a.com/", at: float = 0, status: int = 200, **more: Any) -> Observed:
    answer = Answer(
        status=status,
        status_text="",
        protocol="http/1.1",
        headers=(),
        transparency="",
    )
    values: dict[str, Any] = {
        "number": round(at * 1000),
        "request_id": "1",
        "url": url,
        "method": "GET",
        "resource_type": "Script",
        "at": START + timedelta(seconds=at),
        "frame_id": "",
        "loader_id": "",
        "initiator": "parser",
        "answer": answer if status else None,
        "end": End.ANSWERED,
    } | more
    return Observed(**values)


def test_the_accounts_are_paired_by_method_address_and_order() -> None:
    first, second, other = wire(at=1), wire(at=2), wire("http://a.com/b", at=3)
    posted = wire(at=4, method="POST")
    a, b, c, d = told(at=1), told(at=2), told("http://a.com/b", at=3), told(at=4, method="POST")

    found = pair([posted, other, second, first], [a, b, c, d])

    assert [(it.wire, it.observed) for it in found] == [
        (first, a),
        (second, b),
        (other, c),
        (posted, d),
    ]


def test_what_only_the_wire_knows_is_there_without_circumstances() -> None:
    (it,) = pair([wire()], [])

    assert (it.observed, it.resource_type, it.end) == (None, "Other", End.ANSWERED)
    assert not it.is_missing


def test_a_request_that_the_network_stack_repeats_is_there_twice_and_of_one_kind() -> None:
    challenge, answered = wire(at=1, status=401), wire(at=2)
    one = told(at=0.5)

    first, second = pair([challenge, answered], [one])

    assert (first.wire, first.observed, first.resource_type) == (challenge, None, "Script")
    assert (second.wire, second.observed) == (answered, one)


def test_an_answer_that_the_wire_does_not_show_is_missing() -> None:
    (it,) = pair([], [told()])

    assert it.is_missing
    assert (it.wire, it.status, it.body) == (None, 200, Body.EMPTY)


@pytest.mark.parametrize(
    "more", [{"from_cache": True}, {"internal": True}, {"status": 0, "end": End.BLOCKED}]
)
def test_what_never_went_out_takes_no_exchange_from_what_did(more: dict[str, Any]) -> None:
    sent = told(at=2, sent=True)

    found = pair([wire(at=2)], [told(at=1, **more), sent])

    assert [it.observed for it in found if it.wire is not None] == [sent]
    assert not any(it.is_missing for it in found)
    assert len(found) == (1 if more.get("from_cache") else 2)


@pytest.mark.parametrize(
    ("says", "whole", "end"),
    [
        (End.ANSWERED, True, End.ANSWERED),
        (End.BLOCKED, True, End.BLOCKED),
        (End.PENDING, True, End.ANSWERED),
        (End.CANCELLED, True, End.ANSWERED),  # as the browser says of what it saves
        (End.CANCELLED, False, End.CANCELLED),
        (End.FAILED, False, End.FAILED),
    ],
)
def test_how_it_ended_is_the_browsers_word_unless_the_wire_shows_more(
    says: End, whole: bool, end: End
) -> None:
    how = HowEnded.COMPLETE if whole else HowEnded.CUT

    (it,) = pair([wire(answer_end=how)], [told(end=says)])

    assert it.end is end


@pytest.mark.parametrize(
    ("ended_by", "status", "end"),
    [("cut", 200, End.PENDING), ("server", 200, End.CANCELLED), ("server", 0, End.FAILED)],
)
def test_without_the_browsers_word_a_broken_answer_is_told_from_none(
    ended_by: str, status: int, end: End
) -> None:
    (it,) = pair(
        [wire(status=status, answer_end=HowEnded.CUT, connection=connection(ended_by=ended_by))], []
    )

    assert it.end is end


@pytest.mark.parametrize(
    ("ended_by", "end", "cause", "cut"),
    [
        ("cut", End.PENDING, "", "time"),
        ("cut", End.PENDING, "length", "length"),
        ("limit", End.PENDING, "", "length"),
        ("client", End.CANCELLED, "unspecified", "unspecified"),
        ("client", End.CANCELLED, "", "disconnect"),
        ("server", End.FAILED, "time", "disconnect"),
    ],
)
def test_a_cut_says_why(ended_by: str, end: End, cause: str, cut: str) -> None:
    (it,) = pair(
        [wire(answer_end=HowEnded.CUT, connection=connection(ended_by=ended_by))],
        [told(end=end)],
        cause=cause,
    )

    assert it.cut == cut


def test_what_could_not_be_read_is_cut_for_a_reason_of_its_own() -> None:
    (it,) = pair([wire(troubles=["a record does not open"])], [told()])

    assert it.cut == "unspecified"


def test_a_whole_answer_is_not_cut_whatever_the_page_made_of_it() -> None:
    (it,) = pair([wire()], [told(end=End.CANCELLED)], cause="time")

    assert (it.cut, it.end) == ("", End.ANSWERED)


def test_a_websocket_over_http_2_is_the_one_that_the_browser_tells_of() -> None:
    carried, polled = wire(method="CONNECT", is_websocket=True, at=2), wire(at=1)
    socket, request = told(resource_type="WebSocket", at=1), told(at=2)

    found = pair([polled, carried], [socket, request])

    assert [(it.wire, it.observed) for it in found] == [(polled, request), (carried, socket)]


def test_an_exchange_of_nothing_cannot_be_told() -> None:
    with pytest.raises(ValueError, match="nothing"):
        _ = Exchange(wire=None, observed=None, resource_type="", cut="").url


@pytest.mark.parametrize(
    ("carried", "said", "kinds"),
    [
        ([wire()], [told()], []),
        ([wire()], [], ["not-told"]),
        ([], [told()], ["not-carried"]),
        ([wire(status=0)], [told()], ["not-carried"]),
        ([], [told(status=0, sent=True, end=End.CANCELLED)], ["not-carried"]),
        ([], [told(status=0, end=End.FAILED)], []),
        ([], [told(from_cache=True)], []),
        ([], [told(internal=True)], []),
        ([wire()], [told(status=0, end=End.PENDING)], ["answer-not-told"]),
        ([wire(status=304)], [told()], ["status"]),
        ([wire(status=0)], [told(status=0, end=End.FAILED)], []),
        ([wire(), wire(at=2)], [told()], ["not-told"]),
    ],
)
def test_each_difference_between_the_accounts_is_named(
    carried: list[WireExchange], said: list[Observed], kinds: list[str]
) -> None:
    found = pair(carried, said)

    check = cross_check(found, said)

    assert [it.kind for it in check.differences] == kinds
    assert check.difference_count == len(kinds)
    assert check.carried == len(carried)
    assert check.told == sum(not it.from_cache and not it.internal for it in said)


def test_many_differences_are_counted_beyond_those_named() -> None:
    found = pair([wire(f"http://a.com/{number}") for number in range(600)], [])

    check = cross_check(found, [])

    assert (len(check.differences), check.difference_count) == (500, 600)
