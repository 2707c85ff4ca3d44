"""The two accounts of a capture's requests, paired."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.capture.record.exchange_pairing import (
    BodyState,
    Exchange,
    ObservedRequest,
    ObservedResponse,
    RequestEnd,
    cross_check,
    pair_exchanges,
)
from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.record.scratch import BodyStore
from snapshotter.capture.record.wire_reader import WireExchange
from snapshotter.formats.http.events import EndReason
from tests.fakes.world import START
from tests.unit.capture.record.test_wire_reader import connection


def head(status: int = 0) -> RecordedHead:
    return RecordedHead(data=b"", headers=(), first_line="", status=status, secrets=())


def wire(url: str = "http://a.com/", at: float = 0, status: int = 200, **more: Any) -> WireExchange:
    scratch = BodyStore(Path("/nowhere"))
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
        "response": head(status) if status else None,
        "response_end": EndReason.COMPLETE,
    } | more
    return WireExchange(**values)


def told(
    url: str = "http://a.com/", at: float = 0, status: int = 200, **more: Any
) -> ObservedRequest:
    response = ObservedResponse(
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
        "response": response if status else None,
        "end": RequestEnd.ANSWERED,
    } | more
    return ObservedRequest(**values)


def test_the_accounts_are_paired_by_method_address_and_order() -> None:
    first, second, other = wire(at=1), wire(at=2), wire("http://a.com/b", at=3)
    posted = wire(at=4, method="POST")
    a, b, c, d = told(at=1), told(at=2), told("http://a.com/b", at=3), told(at=4, method="POST")

    found = pair_exchanges([posted, other, second, first], [a, b, c, d])

    assert [(exchange.wire, exchange.observed) for exchange in found] == [
        (first, a),
        (second, b),
        (other, c),
        (posted, d),
    ]


def test_what_only_the_wire_knows_is_there_without_circumstances() -> None:
    (exchange,) = pair_exchanges([wire()], [])

    assert (exchange.observed, exchange.resource_type, exchange.end) == (
        None,
        "Other",
        RequestEnd.ANSWERED,
    )
    assert not exchange.is_missing


def test_a_request_that_the_network_stack_repeats_is_there_twice_and_of_one_kind() -> None:
    challenge, answered = wire(at=1, status=401), wire(at=2)
    request = told(at=0.5)

    first, second = pair_exchanges([challenge, answered], [request])

    assert (first.wire, first.observed, first.resource_type) == (challenge, None, "Script")
    assert (second.wire, second.observed) == (answered, request)


def test_an_answer_that_the_wire_does_not_show_is_missing() -> None:
    (exchange,) = pair_exchanges([], [told()])

    assert exchange.is_missing
    assert (exchange.wire, exchange.status, exchange.body) == (None, 200, BodyState.EMPTY)


@pytest.mark.parametrize(
    "more", [{"from_cache": True}, {"internal": True}, {"status": 0, "end": RequestEnd.BLOCKED}]
)
def test_what_never_went_out_takes_no_exchange_from_what_did(more: dict[str, Any]) -> None:
    sent = told(at=2, sent=True)

    found = pair_exchanges([wire(at=2)], [told(at=1, **more), sent])

    assert [exchange.observed for exchange in found if exchange.wire is not None] == [sent]
    assert not any(exchange.is_missing for exchange in found)
    assert len(found) == (1 if more.get("from_cache") else 2)


@pytest.mark.parametrize(
    ("says", "whole", "end"),
    [
        (RequestEnd.ANSWERED, True, RequestEnd.ANSWERED),
        (RequestEnd.BLOCKED, True, RequestEnd.BLOCKED),
        (RequestEnd.PENDING, True, RequestEnd.ANSWERED),
        (RequestEnd.CANCELLED, True, RequestEnd.ANSWERED),  # as the browser says of what it saves
        (RequestEnd.CANCELLED, False, RequestEnd.CANCELLED),
        (RequestEnd.FAILED, False, RequestEnd.FAILED),
    ],
)
def test_how_it_ended_is_the_browsers_word_unless_the_wire_shows_more(
    says: RequestEnd, whole: bool, end: RequestEnd
) -> None:
    how = EndReason.COMPLETE if whole else EndReason.CUT

    (exchange,) = pair_exchanges([wire(response_end=how)], [told(end=says)])

    assert exchange.end is end


@pytest.mark.parametrize(
    ("ended_by", "status", "end"),
    [
        ("cut", 200, RequestEnd.PENDING),
        ("server", 200, RequestEnd.CANCELLED),
        ("server", 0, RequestEnd.FAILED),
    ],
)
def test_without_the_browsers_word_a_broken_answer_is_told_from_none(
    ended_by: str, status: int, end: RequestEnd
) -> None:
    (exchange,) = pair_exchanges(
        [wire(status=status, response_end=EndReason.CUT, connection=connection(ended_by=ended_by))],
        [],
    )

    assert exchange.end is end


@pytest.mark.parametrize(
    ("ended_by", "end", "cause", "cut"),
    [
        ("cut", RequestEnd.PENDING, "", "time"),
        ("cut", RequestEnd.PENDING, "length", "length"),
        ("limit", RequestEnd.PENDING, "", "length"),
        ("client", RequestEnd.CANCELLED, "unspecified", "unspecified"),
        ("client", RequestEnd.CANCELLED, "", "disconnect"),
        ("server", RequestEnd.FAILED, "time", "disconnect"),
    ],
)
def test_a_cut_says_why(ended_by: str, end: RequestEnd, cause: str, cut: str) -> None:
    (exchange,) = pair_exchanges(
        [wire(response_end=EndReason.CUT, connection=connection(ended_by=ended_by))],
        [told(end=end)],
        cause=cause,
    )

    assert exchange.cut == cut


def test_what_could_not_be_read_is_cut_for_a_reason_of_its_own() -> None:
    (exchange,) = pair_exchanges([wire(troubles=["a record cannot be decrypted"])], [told()])

    assert exchange.cut == "unspecified"


def test_a_whole_answer_is_not_cut_whatever_the_page_made_of_it() -> None:
    (exchange,) = pair_exchanges([wire()], [told(end=RequestEnd.CANCELLED)], cause="time")

    assert (exchange.cut, exchange.end) == ("", RequestEnd.ANSWERED)


def test_a_websocket_over_http_2_is_the_one_that_the_browser_tells_of() -> None:
    carried, polled = wire(method="CONNECT", is_websocket=True, at=2), wire(at=1)
    socket, request = told(resource_type="WebSocket", at=1), told(at=2)

    found = pair_exchanges([polled, carried], [socket, request])

    assert [(exchange.wire, exchange.observed) for exchange in found] == [
        (polled, request),
        (carried, socket),
    ]


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
        ([], [told(status=0, sent=True, end=RequestEnd.CANCELLED)], ["not-carried"]),
        ([], [told(status=0, end=RequestEnd.FAILED)], []),
        ([], [told(from_cache=True)], []),
        ([], [told(internal=True)], []),
        ([wire()], [told(status=0, end=RequestEnd.PENDING)], ["answer-not-told"]),
        ([wire(status=304)], [told()], ["status"]),
        ([wire(status=0)], [told(status=0, end=RequestEnd.FAILED)], []),
        ([wire(), wire(at=2)], [told()], ["not-told"]),
    ],
)
def test_each_difference_between_the_accounts_is_named(
    carried: list[WireExchange], said: list[ObservedRequest], kinds: list[str]
) -> None:
    found = pair_exchanges(carried, said)

    check = cross_check(found, said)

    assert [discrepancy.kind for discrepancy in check.differences] == kinds
    assert check.difference_count == len(kinds)
    assert check.carried == len(carried)
    assert check.told == sum(not request.from_cache and not request.internal for request in said)


def test_many_differences_are_counted_beyond_those_named() -> None:
    found = pair_exchanges([wire(f"http://a.com/{number}") for number in range(600)], [])

    check = cross_check(found, [])

    assert (len(check.differences), check.difference_count) == (500, 600)
