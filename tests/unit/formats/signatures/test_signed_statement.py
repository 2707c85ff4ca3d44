"""Signed statements, holds and tombstones: what counts, and what does not."""

import base64
import hashlib
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures import signed_statement
from snapshotter.formats.statements import holds, tombstone
from snapshotter.formats.statements.holds import LIFT, PLACE, Holds
from tests import bundles

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BUNDLE = "20260102t030405z-abcdefghijklmnop"
SIGNER, STRANGER = bundles.new_signer(), bundles.new_signer()
FIELDS = {"count": int, "word": str}
MADE = signed_statement.encode({"count": 1, "format": "test/1", "word": "x"}, SIGNER)


def test_a_statement_is_read_as_it_was_made() -> None:
    found = signed_statement.parse(MADE, "test/1", FIELDS)

    assert (found.value["word"], found.key_id) == ("x", SIGNER.key_id)


@given(at=st.integers(0, len(MADE) - 1), by=st.integers(1, 255))
def test_no_byte_of_a_statement_can_change(at: int, by: int) -> None:
    with pytest.raises(EvidenceInvalid):
        signed_statement.parse(
            MADE[:at] + bytes([MADE[at] ^ by]) + MADE[at + 1 :], "test/1", FIELDS
        )


def test_nothing_that_is_stated_is_parsed_before_its_signature_was_seen_to_hold() -> None:
    """A stranger's line may be made to cost whoever parses it: this one is not even JSON."""
    seal = MADE.splitlines(keepends=True)[1]

    with pytest.raises(EvidenceInvalid, match="the signature is not valid"):
        signed_statement.parse(b"[" * 1000 + b"\n" + seal, "test/1", FIELDS)


def test_a_signed_statement_of_very_many_values_is_not_parsed() -> None:
    many = {"count": 1, "format": "test/1", "word": [[]] * (canonical_json.MAX_VALUES // 2)}

    with pytest.raises(EvidenceInvalid, match="more than 200000 values"):
        signed_statement.parse(
            signed_statement.encode(many, SIGNER), "test/1", FIELDS, limit=1 << 20
        )


def test_a_seal_that_is_longer_than_any_is_refused() -> None:
    signed, seal = MADE.splitlines(keepends=True)

    with pytest.raises(EvidenceInvalid, match="4096 bytes"):
        signed_statement.parse(signed + seal[:-2] + b" " * 4096 + b"}\n", "test/1", FIELDS)


def test_openssl_agrees(tmp_path: Path) -> None:
    first, second = MADE.splitlines(keepends=True)
    seal = json.loads(second)
    (tmp_path / "signed").write_bytes(first)
    (tmp_path / "key.pem").write_text(seal["public_key"])
    (tmp_path / "signature").write_bytes(base64.b64decode(seal["signature"]))

    said = subprocess.run(
        ["openssl", "dgst", "-sha384", "-verify", "key.pem", "-signature", "signature", "signed"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert said.stdout == "Verified OK\n"


@pytest.mark.parametrize(
    ("data", "kind", "fields"),
    [
        (MADE, "test/2", FIELDS),
        (MADE, "test/1", {"count": int}),
        (MADE, "test/1", {**FIELDS, "more": str}),
        (MADE, "test/1", {"count": bool, "word": str}),
        (MADE[:-1], "test/1", FIELDS),
        (MADE + b"\n", "test/1", FIELDS),
        (b"", "test/1", FIELDS),
        (b"\n\n", "test/1", FIELDS),
        (b"x" * (signed_statement.MAX_BYTES + 1), "test/1", FIELDS),
    ],
)
def test_what_is_another_statement_or_none_is_refused(
    data: bytes, kind: str, fields: dict[str, type]
) -> None:
    with pytest.raises(EvidenceInvalid):
        signed_statement.parse(data, kind, fields)


def record(
    action: str, name: str, after: Holds, signer: object = SIGNER, bundle_id: str = BUNDLE
) -> bytes:
    return holds.encode(
        holds.HoldAction(action=action, name=name, matter="m", reason="r", by="b", at=AT),
        bundle_id=bundle_id, after=after, signer=signer,
    )  # fmt: skip


def read(*records: bytes | None) -> Holds:
    numbered = [(at, data) for at, data in enumerate(records, start=1) if data is not None]
    return holds.read(BUNDLE, numbered, lambda key_id: key_id == SIGNER.key_id)


def made(*acts: tuple[str, str]) -> list[bytes]:
    records: list[bytes] = []
    for action, name in acts:
        records.append(record(action, name, read(*records)))
    return records


def test_holds_are_independent_of_each_other() -> None:
    records = made((PLACE, "a"), (PLACE, "b"), (LIFT, "a"))

    found = read(*records)

    assert [hold.name for hold in found.open] == ["b"]
    assert found.held
    assert not read(*records, record(LIFT, "b", found)).held
    assert [hold.name for hold in read(*made((PLACE, "a"), (LIFT, "a"), (PLACE, "a"))).open] == [
        "a"
    ]


def test_nobody_else_lifts_a_hold_and_anybody_may_place_one() -> None:
    records = made((PLACE, "a"))
    lifted = read(*records, record(LIFT, "a", read(*records), STRANGER))
    placed = read(record(PLACE, "x", read(), STRANGER))

    assert [hold.name for hold in lifted.open] == ["a"]
    assert f"but you do not trust the key {STRANGER.key_id} that signed" in lifted.problems[0]
    assert [hold.name for hold in placed.open] == ["x"]


def test_a_record_that_is_missing_junk_or_of_another_bundle_counts_as_a_hold() -> None:
    records = made((PLACE, "a"), (LIFT, "a"))
    foreign = record(LIFT, "a", read(records[0]), bundle_id="20260102t030405z-bbbbbbbbbbbbbbbb")

    for found in (
        read(None, records[1]),
        read(b"junk", records[1]),
        read(records[0], foreign),
        read(records[0], records[0]),
        read(records[1]),
    ):
        assert found.problems
        assert found.held


def altered(data: bytes, **changes: object) -> bytes:
    """Return a record with other values, signed again by the same key."""
    value = json.loads(data.splitlines()[0])
    return signed_statement.encode(value | changes, SIGNER)


@pytest.mark.parametrize("name", ["matter", "reason", "by"])
def test_a_record_with_a_text_beyond_the_limit_lifts_no_hold(name: str) -> None:
    records = made((PLACE, "a"), (LIFT, "a"))

    at_limit = read(records[0], altered(records[1], **{name: "é" * 2000}))
    beyond = read(records[0], altered(records[1], **{name: "é" * 2001}))

    assert not at_limit.held
    assert [hold.name for hold in beyond.open] == ["a"]
    assert beyond.problems == (
        "hold-0002.json: a text of the record has more than 2000 characters",
    )


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", "a" * 65, ".a"])
def test_what_is_no_name_of_a_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        record(PLACE, name, read())


def stone(**changes: object) -> tombstone.Tombstone:
    values: dict[str, object] = {
        "bundle_id": BUNDLE, "sha256": "ab" * 32, "length": 7, "reason": "r", "order": "o",
        "by": "b", "at": AT, "custody_head": "cd" * 32,
    }  # fmt: skip
    return tombstone.Tombstone(**(values | changes))  # type: ignore[arg-type]


def test_a_tombstone_is_read_as_it_was_made_and_of_its_bundle_alone() -> None:
    data = tombstone.encode(stone(), SIGNER)

    found = tombstone.parse(data, BUNDLE)

    assert found == stone(key_id=SIGNER.key_id)
    with pytest.raises(EvidenceInvalid, match="the record belongs to another bundle"):
        tombstone.parse(data, "20260102t030405z-bbbbbbbbbbbbbbbb")


@pytest.mark.parametrize("change", [{"reason": " "}, {"order": ""}, {"by": "x" * 2001}])
def test_an_erasure_without_a_reason_or_an_order_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"an erasure requires a reason|at most"):
        tombstone.encode(stone(**change), SIGNER)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"reason": ""}, "no reason or no order"),
        ({"order": ""}, "no reason or no order"),
        ({"order": "x" * 2001}, "more than 2000 characters"),
        ({"reason": "x" * 2001}, "more than 2000 characters"),
        ({"by": "x" * 2001}, "more than 2000 characters"),
    ],
)
def test_a_tombstone_beyond_its_limits_is_not_read(change: dict[str, object], words: str) -> None:
    data = tombstone.encode(stone(by="x" * 2000), SIGNER)

    assert tombstone.parse(data, BUNDLE).by == "x" * 2000
    with pytest.raises(EvidenceInvalid, match=words):
        tombstone.parse(altered(data, **change), BUNDLE)


@pytest.mark.parametrize("change", [{"sha256": ""}, {"length": 0}])
def test_a_tombstone_whose_length_and_digest_are_of_two_files_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(EvidenceInvalid, match="cannot belong to the same file"):
        tombstone.parse(tombstone.encode(stone(**change), SIGNER), BUNDLE)


def test_a_tombstone_of_a_bundle_that_was_gone_or_empty_already_is_read() -> None:
    for digest in ("", hashlib.sha256(b"").hexdigest()):
        data = tombstone.encode(stone(sha256=digest, length=0), SIGNER)

        assert tombstone.parse(data, BUNDLE).length == 0
