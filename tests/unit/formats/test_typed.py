"""Model values come back from their JSON as they went."""

from datetime import UTC, datetime, timedelta

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json, typed
from snapshotter.model.assessment import (
    Assessment,
    Availability,
    Cause,
    Content,
    ContentVerdict,
    Evidence,
    Step,
    TakedownVerdict,
)
from snapshotter.model.page import Box
from snapshotter.model.reading import Count, DateReading, Readings, Source
from snapshotter.model.takedown import ConfirmRules

AT = datetime(2026, 11, 27, 12, 0, 0, 250_000, tzinfo=UTC)
BOX = Box(left=1, top=2, width=3, height=4)
GIVEN = Assessment(
    content=ContentVerdict(
        kind=Content.NOTICE,
        detail="it says so",
        evidence=(Evidence(rule="wx-01", step=Step.NOTICE, excerpt="该内容", box=BOX),),
    ),
    takedown=TakedownVerdict(
        availability=Availability.UNAVAILABLE,
        detail="",
        cause=Cause.AUTHOR,
        gloss=(("en", "deleted"),),
    ),
    readings=Readings(
        counts=(
            Count(
                unit="reads", raw="10万+", lower=100_001, upper=None, exact=False, source=Source.DOM
            ),
        ),
        dates=(
            DateReading(
                raw="now",
                first=AT,
                end=AT + timedelta(minutes=1),
                rule="absolute",
                source=Source.DOM,
            ),
        ),
    ),
)  # fmt: skip


def test_what_was_written_is_what_is_read() -> None:
    data = canonical_json.dumps(canonical_json.plain(GIVEN))
    assert typed.read(Assessment, canonical_json.loads(data)) == GIVEN
    rules = ConfirmRules(after=timedelta(minutes=30))
    assert typed.read(ConfirmRules, canonical_json.plain(rules)) == rules


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": 3}, "unit is not of type str"),
        ({"exact": 1}, "exact is not of type bool"),
        ({"lower": True}, "lower is not of type int"),
        ({"source": "guess"}, "is not a valid Source"),
        ({"more": 1}, "has unknown fields: more"),
    ],
)
def test_another_form_is_refused(change: dict[str, object], words: str) -> None:
    value = canonical_json.plain(GIVEN.readings.counts[0]) | change
    with pytest.raises(EvidenceInvalid, match=words):
        typed.read(Count, value)


def test_what_has_a_default_may_be_absent_and_nothing_else() -> None:
    value = canonical_json.plain(GIVEN.readings.counts[0])
    del value["rounding"]
    assert typed.read(Count, value).rounding == ""
    del value["raw"]
    with pytest.raises(EvidenceInvalid, match="does not have the field raw"):
        typed.read(Count, value)


def test_a_time_that_says_two_things_is_refused() -> None:
    value = canonical_json.plain(GIVEN.readings.dates[0])
    second = value["first_ms"] // 1000 * 1000
    for ms in (second, second + 1000):
        assert typed.read(DateReading, value | {"first_ms": ms}).first >= AT.replace(microsecond=0)
    for ms in (second - 1, second + 1001):
        with pytest.raises(EvidenceInvalid, match="state different times"):
            typed.read(DateReading, value | {"first_ms": ms})
