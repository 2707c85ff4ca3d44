"""What an auditor remembers of what could not be read."""

from datetime import UTC, datetime, timedelta

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.verify.audit import unreadable_objects
from snapshotter.verify.audit.unreadable_objects import UnreadableObject

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def given(
    name: str = "log/checkpoint", *, hours: int = 2, was_read: bool = True
) -> UnreadableObject:
    return UnreadableObject(
        name=name, since=NOW - hours * HOUR, last=NOW, audits=2, was_read=was_read
    )


def test_what_is_written_is_read() -> None:
    found = [given(), given("gaps/x", was_read=False)]

    data = unreadable_objects.encode("store", found, NOW)

    assert unreadable_objects.parse(data, "store") == {
        unreadable.name: unreadable for unreadable in found
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"store":"store"', b'"store":"other"'),
        (b"unread/1", b"unread/2"),
        (b'"audits":2', b'"audits":"2"'),
        (b'"audits":2,', b""),
        (b'"unreadable":[{', b'"unreadable":["x",{'),
        (b'"was_read":true', b'"was_read":1'),
    ],
)
def test_a_file_that_is_none_is_not_taken_for_nothing(before: bytes, after: bytes) -> None:
    data = unreadable_objects.encode("store", [given()], NOW)
    assert before in data

    with pytest.raises(EvidenceInvalid):
        unreadable_objects.parse(data.replace(before, after), "store")


def test_junk_that_nobody_read_pushes_out_nothing() -> None:
    junk = [given(f"gaps/{number}", hours=99, was_read=False) for number in range(10_001)]

    kept = unreadable_objects.parse(
        unreadable_objects.encode("store", [*junk, given()], NOW), "store"
    )

    assert len(kept) == 10_000
    assert "log/checkpoint" in kept
    assert (
        len(unreadable_objects.encode("store", [*junk, given()], NOW))
        < unreadable_objects.MAX_BYTES
    )


def test_what_no_audit_asked_for_in_months_is_forgotten() -> None:
    assert (
        unreadable_objects.parse(
            unreadable_objects.encode("s", [given()], NOW + timedelta(days=91)), "s"
        )
        == {}
    )


def test_a_clock_that_went_back_begins_anew() -> None:
    found = unreadable_objects.update_unreadable(
        given(), "log/checkpoint", NOW - 3 * HOUR, was_read=False
    )

    assert (found.audits, found.since, found.is_lasting) == (1, NOW - 3 * HOUR, False)


@pytest.mark.parametrize(
    ("audits", "hours", "lasting"), [(3, 24, True), (2, 48, False), (9, 23, False)]
)
def test_it_lasts_after_three_audits_and_a_day(audits: int, hours: int, lasting: bool) -> None:
    found = UnreadableObject(
        name="x", since=NOW - hours * HOUR, last=NOW, audits=audits, was_read=True
    )

    assert found.is_lasting is lasting
