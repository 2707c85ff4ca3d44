"""The record of a take-down event: what is written is read back, and nothing else is taken."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.assess.takedown_events import event_id
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.signatures import signed_statement as statement
from snapshotter.formats.statements import takedown
from snapshotter.model.assessment import Availability, Cause, Content
from snapshotter.model.change import METHOD
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from tests import bundles
from tests.observed import ARTICLE, IDENTITY, NOTICE, at, frozen

SIGNER = bundles.new_signer()
LETTERS = "abcdefghijklmnop"


def seen(minute: int, **more: Any) -> Observation:
    made = Observation(
        bundle_id=f"{at(minute):%Y%m%dt%H%M%Sz}-{LETTERS}",
        sha256=f"{minute:064x}",
        identity=IDENTITY,
        url=ARTICLE,
        at=at(minute) + timedelta(milliseconds=250),
        began_at=at(minute) - timedelta(seconds=2),
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        accounts=(frozen(),),
        key_id="0" * 64,
    )
    return replace(made, **more)


def gone(minute: int) -> Observation:
    return seen(
        minute,
        content=Content.NOTICE,
        availability=Availability.UNAVAILABLE,
        cause=Cause.AUTHOR,
        notice=NOTICE,
        proven_at=at(minute + 1),
    )


def event(**more: Any) -> Takedown:
    made = Takedown(
        event_id="",
        kind=TakedownKind.REMOVED,
        at=gone(70).at,
        identity=IDENTITY,
        url=ARTICLE,
        last_seen=seen(30),
        first_gone=gone(60),
        confirmations=(gone(70),),
        controls=(seen(65, identity="//example.test/"),),
        confirm=ConfirmRules(after=timedelta(minutes=10)),
        previous="f" * 64,
    )
    made = replace(made, **more)
    return replace(made, event_id=made.event_id or event_id(made))


DATA = takedown.encode(event(), SIGNER)


def test_what_is_written_is_read_back() -> None:
    assert takedown.parse(DATA) == (event(), SIGNER.key_id)
    assert takedown.is_takedown(DATA)
    assert not takedown.is_takedown(b'{"format":"snapshotter-gap/1"}')


def test_where_an_event_lives_is_its_id_and_day() -> None:
    key = store_keys.takedown_key(event().event_id)

    assert key == f"takedowns/2026/05/27/{event().event_id}.json"
    assert store_keys.parse_takedown_key(key) == event().event_id
    for other in ("takedowns/x.json", key.replace("05/27", "05/28"), key + ".json"):
        with pytest.raises(ValueError, match="not "):
            store_keys.parse_takedown_key(other)


def test_an_event_by_others_of_the_same_captures_has_the_same_id() -> None:
    other = event(confirm=ConfirmRules(times=3), previous="", articles=(event().event_id,))

    assert other.event_id == event().event_id
    assert event(kind=TakedownKind.REINSTATED).event_id != event().event_id
    assert event(confirmations=()).event_id != event().event_id


def _spoilt(change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(DATA.partition(b"\n")[0])
    change(value)
    return statement.encode(value, SIGNER)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda statement: statement.update(format="snapshotter-takedown/2"),
            "not a statement of the format",
        ),
        (lambda statement: statement.update(more=1), "not a statement"),
        (lambda statement: statement["event"].update(more=1), "has unknown fields: more"),
        (
            lambda statement: statement["event"].pop("first_gone"),
            "does not have the field first_gone",
        ),
        (lambda statement: statement["event"].update(event_id="x"), "not a bundle id"),
        (lambda statement: statement["event"].update(kind="Lost!"), "is not a valid TakedownKind"),
        (lambda statement: statement["event"].update(previous="0x"), "earlier event is invalid"),
        (lambda statement: statement["event"].update(articles=["x"]), "not a bundle id"),
        (lambda statement: statement["event"]["confirm"].update(times=0), "at least one capture"),
        (
            lambda statement: statement["event"]["confirm"].update(after=-1),
            "one capture and a time",
        ),
        (
            lambda statement: statement["event"]["first_gone"].update(bundle_id="x"),
            "not a bundle id",
        ),
        (lambda statement: statement["event"]["first_gone"].update(sha256="x" * 64), "digest"),
        (lambda statement: statement["event"]["first_gone"].update(key_id=""), "key id"),
        (lambda statement: statement["event"].update(kind="reinstated"), "in order"),
        (
            lambda statement: statement["event"].update(first_gone=statement["event"]["last_seen"]),
            "two captures",
        ),
        (
            lambda statement: statement["event"]["confirmations"].append(
                statement["event"]["last_seen"]
            ),
            "is older",
        ),
        (
            lambda statement: statement["event"]["first_gone"].update(
                began_at="2026-05-27T10:00:00Z", began_at_ms=1779876000000
            ),
            "ends before it begins",
        ),
        (
            lambda statement: statement["event"].update(
                controls=statement["event"]["controls"] * 200
            ),
            "too many captures",
        ),
    ],
)
def test_what_contradicts_itself_is_no_event_whoever_signed_it(
    change: Callable[[dict[str, Any]], object], words: str
) -> None:
    with pytest.raises(EvidenceInvalid, match=words):
        takedown.parse(_spoilt(change))


def test_a_record_of_an_earlier_version_can_be_read() -> None:
    data = _spoilt(lambda statement: statement["event"].pop("identified_by"))

    assert takedown.parse(data)[0] == event()


def test_what_could_not_be_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="earlier event is invalid"):
        takedown.encode(event(previous="x"), SIGNER)
    with pytest.raises(ValueError, match="is longer than"):
        takedown.encode(event(url="x" * takedown.MAX_BYTES), SIGNER)


def test_an_event_may_be_longer_than_other_statements_and_has_an_end() -> None:
    long = event(first_gone=replace(gone(60), notice="x" * 2 * statement.MAX_BYTES))

    assert takedown.parse(takedown.encode(long, SIGNER))[0] == long
    with pytest.raises(EvidenceInvalid, match="longer than"):
        takedown.parse(DATA + b" " * takedown.MAX_BYTES)


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_no_byte_can_be_another(offset: int, value: int) -> None:
    with pytest.raises(EvidenceInvalid):
        takedown.parse(bundles.flipped(DATA, offset, value))


@given(st.binary(max_size=200))
def test_bytes_of_a_stranger_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(EvidenceInvalid):
        takedown.parse(data)
    with pytest.raises(EvidenceInvalid):
        takedown.parse(
            canonical_json.dumps({"event": {}, "format": takedown.FORMAT}) + b"\n" + data
        )


def test_causes_are_told_with_the_agreed_one_first() -> None:
    other = replace(gone(60), cause=Cause.TEMPORARY)

    assert event().causes == (Cause.AUTHOR,)
    assert event(first_gone=other).causes == (Cause.AUTHOR, Cause.TEMPORARY)
    assert event(first_gone=other, confirmations=()).causes == (Cause.TEMPORARY,)


@pytest.mark.parametrize(
    ("method", "is_later"), [(METHOD + 1, True), (METHOD, False), ("3", False), (True, False)]
)
def test_a_change_of_a_later_method_is_not_called_invalid(
    method: object, *, is_later: bool
) -> None:
    data = _spoilt(
        lambda statement: statement["event"].update(
            kind="changed", change={"method": method, "what": "a field of a later version"}
        )
    )

    with pytest.raises(EvidenceInvalid) as caught:
        takedown.parse(data)

    assert isinstance(caught.value, takedown.LaterRecord) is is_later


def test_a_record_of_a_later_method_must_still_be_signed() -> None:
    data = _spoilt(
        lambda statement: statement["event"].update(kind="changed", change={"method": METHOD + 1})
    )

    with pytest.raises(EvidenceInvalid) as caught:
        takedown.parse(data.replace(b'"method":3', b'"method":4'))

    assert not isinstance(caught.value, takedown.LaterRecord)
