"""A long document that is walked piece by piece is what it is when it is parsed as a whole."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json, large_json
from snapshotter.formats.large_json import Cursor
from tests.fuzzing import tries

NAMES = st.text("abc_01", min_size=1, max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-9, 9999) | st.text(max_size=9)
VALUES = st.recursive(
    LEAVES, lambda leaves: st.lists(leaves, max_size=9) | st.dictionaries(NAMES, leaves, max_size=5)
)
DOCUMENTS = st.lists(VALUES, min_size=1) | st.dictionaries(NAMES, VALUES, min_size=1)


@pytest.fixture(autouse=True, scope="module")
def small_pieces() -> Any:
    before = large_json.PIECE
    large_json.PIECE = 64  # type: ignore[misc]  # so that small documents are long ones
    yield
    large_json.PIECE = before  # type: ignore[misc]


def whole(data: bytes, *, max_values: int = 10_000) -> Any:
    """Return the document as it is walked."""
    cursor = Cursor(data, max_values=max_values)
    value = _whole(data, cursor)
    if cursor.at != len(data):
        raise EvidenceInvalid("something follows")
    return value


def _whole(data: bytes, value: Any) -> Any:
    if not isinstance(value, Cursor):
        return value
    if data[value.at : value.at + 1] == b"{":
        return {name: _whole(data, member) for name, member in value.members()}
    return [_whole(data, member) for member in value.items()]


@settings(max_examples=tries(25))
@given(DOCUMENTS)
def test_what_is_walked_is_what_is_parsed(value: Any) -> None:
    assert whole(canonical_json.dumps(value)) == value


@settings(max_examples=tries(25))
@given(DOCUMENTS, st.data())
def test_what_is_altered_is_taken_by_both_ways_or_by_none(value: Any, draw: st.DataObject) -> None:
    data = bytearray(canonical_json.dumps(value))
    at = draw.draw(st.integers(0, len(data) - 1))
    data[at : at + draw.draw(st.integers(0, 2))] = draw.draw(
        st.sampled_from(
            [b",", b'"', b"\\", b"[", b"]", b"{", b"}", b" ", b":", b"a", b'"a":1', b""]
        )
    )
    if bytes(data[:1]) not in (b"[", b"{"):
        return

    assert _outcome(whole, bytes(data)) == _outcome(canonical_json.loads, bytes(data))


def _outcome(read: Any, data: bytes) -> Any:
    try:
        return read(data)
    except EvidenceInvalid:
        return "refused"


def test_values_are_counted_over_all_pieces() -> None:
    data = json.dumps([[1, 2]] * 100, separators=(",", ":")).encode()
    assert len(whole(data, max_values=1_000)) == 100

    with pytest.raises(EvidenceInvalid, match="more values"):
        whole(data, max_values=200)


def test_a_text_that_is_wide_in_memory_counts_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_json, "_MAX_WIDE", 200)
    narrow = json.dumps(["a" * 40] * 50, ensure_ascii=False, separators=(",", ":"))
    assert len(whole(narrow.encode())) == 50

    with pytest.raises(EvidenceInvalid, match="memory"):
        whole(narrow.replace("aaaaaaa", "\U0001f600").encode())


@pytest.mark.parametrize("text", ['"' + "x" * 80 + '"', "9" * 80, '{"' + "x" * 400 + '":1}'])
def test_one_value_that_is_longer_than_a_piece_is_refused(text: str) -> None:
    with pytest.raises(EvidenceInvalid):
        whole(f"[{text}]".encode())
