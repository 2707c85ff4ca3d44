"""Records of gaps: what they say, and that nothing in one can be changed."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs.leaf import GAP, Leaf
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import gap
from snapshotter.model.gap import Gap, GapEvent, GapReason, Missed
from tests.bundles import new_signer

AT = datetime(2026, 11, 27, 10, 15, tzinfo=UTC)
ID = "20261127t101500z-k3v4q2m7xw4c5b6d"
URL = "https://example.org/post/1?from=anna"
HOUR = timedelta(hours=1)
SALT = bytes(range(32))
GIVEN = Gap(
    gap_id=ID,
    at=AT,
    schedule="case-7",
    event=GapEvent.MISSED,
    reason=GapReason.NO_WORKER,
    since=AT - 12 * HOUR,
    until=AT - 6 * HOUR,
    detail="nobody looked",
    missed=(Missed(slots=(AT - 12 * HOUR, AT - 6 * HOUR), urls=(URL,)),),
)
SIGNER = new_signer()


def record(given: Gap = GIVEN) -> bytes:
    urls = {url for missed in given.missed for url in missed.urls}
    return gap.encode(given, gap.disclosures(given, [SALT] * len(urls)), SIGNER)


def changed(**values: Any) -> bytes:
    """Return a record that says something else, signed all the same."""
    value = json.loads(record().partition(b"\n")[0])
    return signed_statement.encode({**value, **values}, SIGNER)


def test_a_gap_is_read_as_it_was_written() -> None:
    found = gap.parse(record(), ID)

    assert (found.schedule, found.event, found.reason) == ("case-7", "missed", "no-worker")
    assert (found.since, found.until, found.at) == (GIVEN.since, GIVEN.until, AT)
    assert (found.visits, found.is_gap, found.key_id) == (2, True, SIGNER.key_id)
    assert found.missed[0].slots == GIVEN.missed[0].slots


def test_an_address_is_a_commitment_that_its_salt_opens_and_nothing_else() -> None:
    data = record()
    (opened,) = gap.disclosures(GIVEN, [SALT]).values()

    assert b"example" not in data
    (commitment,) = gap.parse(data, ID).missed[0].urls
    by_hand = hashlib.sha256(bytes.fromhex(opened.salt) + b"url\0" + URL.encode()).hexdigest()
    assert commitment == opened.commitment == f"sha256:{by_hand}"
    assert gap.commitment(URL, bytes(32)) != commitment


def test_a_pause_has_no_visits_and_no_end() -> None:
    said = replace(
        GIVEN, event=GapEvent.PAUSED, reason=GapReason.BY_HAND, by="anna", until=None, missed=()
    )

    found = gap.parse(record(said), ID)

    assert (found.by, found.until, found.visits, found.is_gap) == ("anna", None, 0, False)


def test_a_byte_that_was_changed_is_found() -> None:
    data = record()
    for place in range(0, len(data), 7):
        spoiled = bytearray(data)
        spoiled[place] ^= 1
        with pytest.raises(EvidenceInvalid):
            gap.parse(bytes(spoiled), ID)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"gap_id": "20261127t101501z-k3v4q2m7xw4c5b6d"}, "belongs to another gap"),
        ({"schedule": "Case 7"}, "name"),
        ({"event": "MISSED"}, "is invalid"),
        ({"reason": ""}, "is invalid"),
        ({"detail": "x" * 2_001}, "characters"),
        ({"missed": []}, "lists no missed visit"),
        ({"missed": ["x"]}, "slots and urls"),
        ({"missed": [{"slots": [], "urls": ["sha256:" + "0" * 64]}]}, "has no slot"),
        ({"missed": [{"slots": [canonical_json.instant(AT)], "urls": [URL]}]}, "commitment"),
        (
            {
                "missed": [
                    {"slots": [canonical_json.instant(AT)] * 2, "urls": ["sha256:" + "0" * 64]}
                ]
            },
            "must be sorted",
        ),
        ({"until": "2020-01-01T00:00:00Z"}, "ends before"),
        ({"since": "2020-01-01T00:00:00Z"}, "not the first and the last slot of the gap"),
        (
            {"until": canonical_json.instant(AT + HOUR)},
            "not the first and the last slot of the gap",
        ),
        ({"until": ""}, "not the first and the last slot of the gap"),
        ({"at": "yesterday"}, "is not a time of the form YYYY-MM-DDTHH:MM:SSZ"),
        ({"more": "x"}, "not a statement"),
        ({"format": "snapshotter-hold/1"}, "not a statement"),
    ],
)
def test_what_is_no_gap_is_refused_whoever_signed_it(values: dict[str, Any], said: str) -> None:
    with pytest.raises(EvidenceInvalid, match=said):
        gap.parse(changed(**values), ID)


def test_words_of_a_later_version_are_read() -> None:
    found = gap.parse(changed(event="postponed", reason="moon-phase"), ID)

    assert (found.event, found.is_gap) == ("postponed", False)


def test_what_does_not_fit_is_not_signed() -> None:
    urls = tuple(f"https://example.org/{number}" for number in range(1_000))
    with pytest.raises(ValueError, match="bytes"):
        record(replace(GIVEN, missed=(Missed(slots=(AT,), urls=urls),)))
    with pytest.raises(ValueError, match="characters"):
        record(replace(GIVEN, detail="x" * 2_001))


def test_a_gap_has_its_place_in_the_store_and_in_the_log() -> None:
    key = store_keys.gap_key(ID)

    assert key == f"gaps/2026/11/27/{ID}.json"
    assert store_keys.parse_gap_key(key) == ID
    for other in (f"gaps/2026/11/28/{ID}.json", f"gaps/2026/11/27/{ID}", "gaps/x.json"):
        with pytest.raises(ValueError, match="not "):
            store_keys.parse_gap_key(other)
    assert Leaf(kind=GAP, name=ID, sha256="0" * 64).name == ID
    with pytest.raises(ValueError, match="no leaf"):
        Leaf(kind=GAP, name="gap-1", sha256="0" * 64)
