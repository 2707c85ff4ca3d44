"""The custody chain after the seal: each sidecar goes on behind the one before it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.bundle import custody
from snapshotter.formats.bundle import custody_sidecars as sidecars
from snapshotter.formats.bundle.custody_sidecars import ChainHead
from snapshotter.model.custody import INGESTION, SUCCESS, CustodyEvent, Receipt
from tests.bundles import flipped

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECEIPT = Receipt(
    key="bundles/x", length=5, sha256="ab" * 32, version="v1", lock_mode="COMPLIANCE",
    retain_until=AT, legal_hold=True, store="0" * 32, at=AT,
)  # fmt: skip


def event(number: int, *, receipt: Receipt | None = None) -> CustodyEvent:
    return CustodyEvent(
        at=AT, event=INGESTION, agent="a test", object="x.wacz", outcome=SUCCESS,
        detail=f"{number}", by="somebody", event_id=f"{number:032x}", receipt=receipt,
    )  # fmt: skip


INSIDE = custody.encode([replace(event(0), by="", event_id="")] * 2)


def chain(count: int) -> list[tuple[int, bytes]]:
    head = sidecars.head_inside(INSIDE)
    made = []
    for number in range(1, count + 1):
        events = [event(number), event(number + 100, receipt=RECEIPT)]
        data, head = sidecars.encode(events, head)
        made.append((number, data))
    return made


def test_a_chain_goes_on_where_the_bundle_ends() -> None:
    found = sidecars.check(INSIDE, chain(3)[::-1])

    assert found.problems == ()
    assert [link.sequence for link in found.events] == list(range(1, 9))
    assert [link.number for link in found.events] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert found.events[3].event == event(101, receipt=RECEIPT)
    assert (found.head.sequence, found.head.number) == (8, 3)
    assert found.head.previous == found.events[-1].head


def test_without_the_bundle_the_sidecars_hold_together_by_themselves() -> None:
    assert sidecars.check(None, chain(3)).problems == ()
    assert sidecars.check(INSIDE[: len(INSIDE) // 2], chain(1)).problems != ()


@given(st.data())
def test_no_byte_but_the_last_lines_can_change_alone(data: st.DataObject) -> None:
    made = chain(3)
    which = data.draw(st.integers(0, 2))
    number, good = made[which]
    end = len(good) if which < 2 else good[:-1].rindex(b"\n") + 1
    at = data.draw(st.integers(0, end - 1))
    made[which] = (number, flipped(good, at, data.draw(st.integers(1, 255))))

    assert sidecars.check(INSIDE, made).problems


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda made: made[1:], "missing: custody-0001.jsonl"),
        (lambda made: [made[0], made[3]], "missing: custody-0002.jsonl to custody-0003.jsonl"),
        (
            lambda made: [made[0], (2, made[2][1]), (3, made[1][1]), made[3]],
            "does not contain the hash of the previous event",
        ),
        (lambda made: [made[0], (2, made[0][1])], "is in the chain twice"),
        (lambda made: [(1, b"junk"), *made[1:]], "custody-0001.jsonl: the sidecar does not end"),
        (lambda made: [(1, b"")], "does not end"),
        (lambda made: [(1, b"{}\n")], "does not state its sequence number"),
        (lambda made: [(1, b"x" * (sidecars.MAX_BYTES + 1))], "longer than"),
    ],
)
def test_what_does_not_hold_is_named(spoil: object, says: str) -> None:
    found = sidecars.check(INSIDE, spoil(chain(4)))  # type: ignore[operator]

    assert any(says in problem for problem in found.problems)


def test_what_comes_after_junk_goes_on_behind_it_and_only_the_junk_is_named() -> None:
    made = chain(2)
    head = sidecars.head_after(made[1][1], 2)
    junk = b"anybody may write here"
    after = sidecars.head_after(junk, 3, head)
    more, _ = sidecars.encode([event(50)], after)

    found = sidecars.check(INSIDE, [*made, (3, junk), (4, more)])

    assert found.problems == ("custody-0003.jsonl: the sidecar does not end with a newline",)
    assert found.events[-1].event.detail == "50"
    assert [link.sequence for link in found.events] == list(range(1, 8))


def test_names_are_numbered_and_nothing_else_is_one() -> None:
    for number in (1, 9999, 10_000, 999_999_999):
        assert sidecars.number_of(sidecars.kind(number)) == number
    for name in ("custody-0000.jsonl", "custody-1.jsonl", "custody-00001.jsonl", "custody.jsonl"):
        assert sidecars.number_of(name) is None
    for number in (0, -1, 10**9):
        with pytest.raises(ValueError, match="the number of a custody sidecar must be"):
            sidecars.kind(number)


def test_a_number_planted_far_away_is_not_the_last_one() -> None:
    assert sidecars.last_number([]) == 0
    assert sidecars.last_number([1, 2, 5]) == 5
    assert sidecars.last_number([1, 2, 999_999_999]) == 2
    planted = b'{"agent":"","at":"2026-01-02T03:04:05Z","by":"","detail":"","event":"x",'
    planted += b'"event_id":"' + b"0" * 32 + b'","object":"","outcome":"","previous":"",'
    planted += b'"receipt":null,"sequence":'
    for count in (b"999999999", b"9007199254740991"):
        head = sidecars.head_after(planted + count + b"}\n", 1)
        sidecars.encode([event(1)], head)  # no number of theirs ends the chain
    with pytest.raises(ValueError, match="at least one"):
        sidecars.encode([], ChainHead())
