"""The custody chain: every line is tied to the one before it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody
from snapshotter.model.custody import CustodyEvent

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def _events(count: int) -> list[CustodyEvent]:
    return [
        CustodyEvent(
            at=AT + timedelta(seconds=number),
            event="capture",
            agent="a test",
            object="capture/x.txt",
            outcome="success",
            detail=f"{number}",
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_chain_is_read_as_it_was_written(count: int) -> None:
    assert custody.parse(custody.encode(_events(count))) == tuple(_events(count))


@given(st.data())
def test_no_byte_but_the_last_lines_can_change_alone(data: st.DataObject) -> None:
    good = custody.encode(_events(3))
    last = good[:-1].rindex(b"\n") + 1
    at = data.draw(st.integers(0, last - 1))
    value = data.draw(st.integers(1, 255))

    with pytest.raises(EvidenceInvalid):
        custody.parse(good[:at] + bytes([good[at] ^ value]) + good[at + 1 :])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_chain_or_our_error(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        custody.parse(data)


def _line(**changes: object) -> bytes:
    entry = json.loads(custody.encode(_events(1)))
    entry.update(changes)
    return canonical_json.dumps(entry) + b"\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        custody.encode(_events(2))[:-1],
        custody.encode(_events(2)) + b"\n",
        custody.encode(_events(2)).split(b"\n", 1)[1],
        custody.encode(_events(1)) * 2,
        custody.encode(_events(2)[::-1]),
        _line(sequence=2),
        _line(sequence=True),
        _line(previous="1" * 64),
        _line(agent=None),
        _line(more=""),
        _line(at="2026-01-02"),
        b"[]\n",
        bytes(custody.MAX_BYTES + 1),
    ],
)
def test_what_is_no_chain_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        custody.parse(data)


def test_the_first_line_points_at_zeros() -> None:
    assert json.loads(custody.encode(_events(1)))["previous"] == "0" * 64
