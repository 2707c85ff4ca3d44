"""The second form of a record, in which commitments stand in place of texts."""

import copy
import hashlib
import hmac
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import redactable
from snapshotter.seal import record
from tests import bundles

KEY = bytes(range(32))
ROOT = Path(__file__).resolve().parents[4]
RECORD: dict[str, Any] = {
    "content": {"artifacts": [{"path": "capture/a.txt"}, {"path": "capture/redactable.json"}]},
    "format": "snapshotter-capture/1",
    "from_whom": {"headers": [["a", "one"], ["b", "two"]], "status": 200},
    "redactable": {
        "fields": ["/from_whom/headers/*/1", "/what/title"],
        "salt_key": KEY.hex(),
    },
    "what": {"final_url": "http://example.test/page", "title": "A page"},
}


def closed(**changes: Any) -> Any:
    return json.loads(redactable.encode(RECORD | changes))


def by_hand(pointer: str, value: bytes) -> str:
    salt = hmac.new(KEY, b"snapshotter-salt/1\n" + pointer.encode(), hashlib.sha256).digest()
    whole = b"snapshotter-commitment/1\n"
    for part in (salt, pointer.encode(), value):
        whole += len(part).to_bytes(8, "big") + part
    return hashlib.sha256(whole).hexdigest()


def test_the_texts_that_the_record_names_are_closed_and_nothing_else() -> None:
    before = copy.deepcopy(RECORD)

    made = closed()

    assert made == {
        "content": {"artifacts": [{"path": "capture/a.txt"}]},
        "format": "snapshotter-capture/2",
        "from_whom": {
            "headers": [
                ["a", {"committed": by_hand("/from_whom/headers/0/1", b'"one"')}],
                ["b", {"committed": by_hand("/from_whom/headers/1/1", b'"two"')}],
            ],
            "status": 200,
        },
        "redactable": {"fields": ["/from_whom/headers/*/1", "/what/title"]},
        "what": {
            "final_url": "http://example.test/page",
            "title": {"committed": by_hand("/what/title", b'"A page"')},
        },
    }
    assert before == RECORD


def test_no_two_values_and_places_have_one_commitment() -> None:
    """Separators, lengths, spellings of one character, and digits and numbers stay apart."""
    texts = ("", "0", "1", "1.0", "-0", "null", "é", "e\u0301", '"', '\\"', "/", "~1", "a\n", "a")
    places = ("/a", "/what/a", "/what/a1", "/what/ab", "/what/a/0", "/what/a/00", "/what/a/1")
    values: tuple[str | int, ...] = (*texts, 0, 1, 11, -1, 2**53 - 1)
    salts = (bytes(32), bytes(31), bytes(33), bytes(32) + b"/what")

    found = [redactable.commit(*each) for each in itertools.product(salts, places, values)]

    assert len(set(found)) == len(found) == len(salts) * len(places) * len(values)


def test_the_example_of_the_specification_is_computed_so() -> None:
    text = (ROOT / "docs" / "spec" / "redactable-record.md").read_text()

    assert by_hand("/what/title", b'"A page"') in text
    assert by_hand("/what/final_url", b'"http://example.test/page"') in text


def test_equal_values_of_two_fields_have_different_commitments() -> None:
    made = closed(what={"title": "same"}, from_whom={"headers": [["a", "same"], ["a", "same"]]})

    found = [commitment for _, commitment in redactable.commitments(made)]
    assert len(found) == len(set(found)) == 3


def test_every_closed_value_is_found_with_its_pointer() -> None:
    assert [pointer for pointer, _ in redactable.commitments(closed())] == [
        "/from_whom/headers/0/1",
        "/from_whom/headers/1/1",
        "/what/title",
    ]


def test_a_record_of_a_capture_shows_no_address_title_or_header_in_its_second_form(
    tmp_path: Path,
) -> None:
    capture = bundles.capture(tmp_path, at=bundles.RealClock().now(), title="A canary title")
    fields = record.content(
        capture, bundles.decision(), capture.artifacts, record.SealFacts(salt_key=KEY)
    )

    data = redactable.encode(fields)

    for text in (
        b"canary",
        b"example.test",
        b"text/html",
        b"127.0.0.1",
        b"1 steps",
        KEY.hex().encode(),
    ):
        assert text not in data, text
    assert b'"http_status":200' in data


@pytest.mark.parametrize(
    "announced",
    [
        None,
        {"fields": []},
        {"fields": [], "salt_key": "00" * 31},
        {"fields": [], "salt_key": "AB" * 32},
        {"fields": ["/what/title", "/what/title"], "salt_key": KEY.hex()},
        {"fields": ["/when/started_at"], "salt_key": KEY.hex()},
        {"fields": ["/content/artifacts/*/sha256"], "salt_key": KEY.hex()},
        {"fields": ["/signers/0/key_id"], "salt_key": KEY.hex()},
        {"fields": ["/what/title/committed"], "salt_key": KEY.hex()},
        {"fields": ["/content/pictures"], "salt_key": KEY.hex()},
        {"fields": ["/content/pictures/*"], "salt_key": KEY.hex()},
        {"fields": ["/content/pictures/*/files"], "salt_key": KEY.hex()},
        {"fields": ["/content/pictures/0/files/*/path"], "salt_key": KEY.hex()},
    ],
)
def test_an_invalid_announcement_is_refused(announced: Any) -> None:
    with pytest.raises(EvidenceInvalid):
        closed(redactable=announced)


def test_the_element_that_a_picture_shows_is_closed_and_its_files_are_not() -> None:
    made = closed(
        content={"artifacts": [], "pictures": [{"files": [{"path": "a.png"}], "subject": "#box"}]},
        redactable={"fields": ["/content/pictures/*/subject"], "salt_key": KEY.hex()},
    )

    (picture,) = made["content"]["pictures"]
    assert picture["files"] == [{"path": "a.png"}]
    assert picture["subject"] == {"committed": by_hand("/content/pictures/0/subject", b'"#box"')}


def test_a_number_is_closed_apart_from_its_digits_and_true_and_null_stay() -> None:
    fields = ["/from_whom/*", "/what/flag", "/what/none", "/what/number", "/what/text"]
    made = closed(
        what={"flag": True, "none": None, "number": 7, "text": "7"},
        redactable={"fields": fields, "salt_key": KEY.hex()},
    )

    assert made["what"] == {
        "flag": True,
        "none": None,
        "number": {"committed": by_hand("/what/number", b"7")},
        "text": {"committed": by_hand("/what/text", b'"7"')},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"what": {"title": {"committed": "0" * 64}}},
        {"what/title": {"committed": "0" * 64}},
        {"who": [[{"committed": None}]]},
    ],
)
def test_a_record_that_states_a_commitment_itself_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(EvidenceInvalid, match="only field is committed"):
        closed(**change)


def test_the_name_of_another_field_gives_no_pointer_of_a_closed_value() -> None:
    made = closed()
    for name in ("what/title", "what~1title"):
        forged = {**made, name: {"committed": "0" * 64}}
        assert (
            dict(redactable.commitments(forged))["/what/title"]
            == made["what"]["title"]["committed"]
        )
        with pytest.raises(EvidenceInvalid, match="allows none"):
            redactable.checked_commitments(forged)
