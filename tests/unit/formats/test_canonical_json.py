"""Canonical JSON: one value has one spelling, and nothing else is read."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.model.capture import Action, Outcome, RequestCounts

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_is_read_as_the_same_value(value: Any) -> None:
    assert canonical_json.loads(canonical_json.dumps(value)) == value


@given(VALUES)
def test_what_is_written_is_what_the_library_of_rfc_8785_writes(value: Any) -> None:
    assert canonical_json.dumps(value) == rfc8785.dumps(value)


@given(VALUES, st.data())
def test_no_other_bytes_are_read_as_the_same_value(value: Any, data: st.DataObject) -> None:
    good = canonical_json.dumps(value)
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        read = canonical_json.loads(changed)
    except EvidenceInvalid:
        return
    assert canonical_json.dumps(read) == changed
    if changed != good:
        # As text, because True == 1 in Python and not in JSON.
        assert json.dumps(read, sort_keys=True) != json.dumps(value, sort_keys=True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_our_error(data: bytes) -> None:
    try:
        value = canonical_json.loads(data)
    except EvidenceInvalid:
        return
    assert canonical_json.dumps(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" 1",
        b"1\n",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a": 1}',
        b"1.5",
        b"1.0",
        b"1e3",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"9" * 5000,
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud800"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf1",
        b'"\xff"',
        b"[" * 100_000,
        b"[" * 5000 + b"]" * 5000,
    ],
)
def test_a_second_spelling_or_what_bundles_do_not_hold_is_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        canonical_json.loads(data)


@pytest.mark.parametrize("value", [1.0, 2**53, -(2**53), {1: 2}, b"x", {"a": [1.5]}, object()])
def test_what_bundles_do_not_hold_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical_json.dumps(value)


def test_keys_are_sorted_by_utf_16_as_rfc_8785_section_3_2_3_shows() -> None:
    shuffled = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\x80", "\u00f6"]

    written = canonical_json.dumps(dict.fromkeys(shuffled, 0)).decode()

    assert list(json.loads(written)) == [
        *("\r", "1", "\x80", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"),
    ]


def test_an_instant_is_in_utc_with_whole_seconds() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=8)))

    assert canonical_json.instant(at) == "2026-01-01T19:04:05Z"
    assert canonical_json.parse_instant("2026-01-01T19:04:05Z") == datetime(
        2026, 1, 1, 19, 4, 5, tzinfo=UTC
    )


def test_every_instant_that_can_be_written_can_be_read() -> None:
    """A record may say that it is of any year; what was noted of it has to be read again."""
    for year in (1, 999, 1000, 9999):
        at = datetime(year, 2, 3, tzinfo=UTC)
        assert canonical_json.parse_instant(canonical_json.instant(at)) == at


def test_an_instant_without_a_zone_is_not_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        canonical_json.instant(datetime(2026, 1, 1))  # noqa: DTZ001  that is the point


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        0,
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00.0Z",
        "2026-1-1T0:0:0Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01 00:00:00Z",
        "２０２６-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_any_other_instant_is_refused(text: object) -> None:
    with pytest.raises(EvidenceInvalid):
        canonical_json.parse_instant(text)


def test_a_model_value_becomes_json_with_its_milliseconds() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)

    assert canonical_json.plain(Action(at=at, kind="scroll")) == {
        "at": "2026-01-02T03:04:05Z",
        "at_ms": 1_767_323_045_678,
        "change": None,
        "detail": "",
        "kind": "scroll",
    }
    assert canonical_json.plain((Outcome.PARTIAL, RequestCounts().total)) == ["partial", 0]
    with pytest.raises(ValueError, match="float"):
        canonical_json.plain(1.5)


@pytest.mark.parametrize("microsecond", [999_500, 999_600, 999_700, 999_800, 999_900, 999_999])
def test_both_spellings_of_an_instant_are_cut_and_a_rounded_one_of_old_is_read(
    microsecond: int,
) -> None:
    at = datetime(2026, 11, 24, 8, 0, 0, microsecond, tzinfo=UTC)
    rounded = round(at.timestamp() * 1000)  # as records were written before
    of_old = {"x": [{"at": "2026-11-24T08:00:00Z", "at_ms": rounded}]}

    made = canonical_json.plain(Action(at=at, kind="scroll"))

    assert (made["at"], made["at_ms"]) == ("2026-11-24T08:00:00Z", 1_795_507_200_999)
    canonical_json.check_moments(made)
    canonical_json.check_moments(of_old)
    of_old["x"][0]["at_ms"] = 1_795_507_201_001
    with pytest.raises(EvidenceInvalid, match="at and at_ms state different times"):
        canonical_json.check_moments(of_old)


@pytest.mark.parametrize("value", ["a\ud800b", ["\udfff"], {"\ud800": 1}, {"a": {"b": "\udc00"}}])
def test_half_a_character_is_a_value_error_as_documented(value: Any) -> None:
    with pytest.raises(ValueError, match="an incomplete character"):
        canonical_json.dumps(value)


def test_a_document_of_very_many_values_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(EvidenceInvalid, match="more than 200000 values"):
        canonical_json.loads(b"[" + b"[]," * 200_000 + b"[]")  # not JSON: it has no end
    with pytest.raises(EvidenceInvalid, match="longer than"):
        canonical_json.loads(b'"' + b" " * canonical_json.MAX_BYTES)
