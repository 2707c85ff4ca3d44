"""The records of an annotation chain: what they may state, and how they are read."""

from dataclasses import replace
from typing import Any

import pytest

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.statements import annotation
from snapshotter.model.annotations import AnnotationAuthor, AnnotationKind, NewAnnotation
from tests.annotated import ONE, TWO
from tests.bundles import flipped, new_signer
from tests.fakes.world import START

_SIGNER = new_signer()
_TEXT, _OBJECT = annotation.text_object("谣言, says the source", b"s" * 32)
_ADDED = NewAnnotation(
    kind=AnnotationKind.CASE_ADDED, bundles=(ONE, TWO), case="harbour", exhibits=(4, 5)
)


def _encode(new: NewAnnotation = _ADDED, **changed: Any) -> bytes:
    given: dict[str, Any] = {
        "author": AnnotationAuthor(name="A. Example", role="reviewer"),
        "at": START,
        "text": _TEXT,
        "number": 7,
        "previous": "ab" * 32,
        "store": "log.example/evidence",
        "signer": _SIGNER,
    }
    return annotation.encode(new, **(given | changed))


def test_a_record_is_read_as_it_was_written() -> None:
    read = annotation.parse(_encode(), 7)

    assert (read.kind, read.bundles, read.case, read.exhibits) == (
        AnnotationKind.CASE_ADDED,
        (ONE, TWO),
        "harbour",
        (4, 5),
    )
    assert read.author == AnnotationAuthor(name="A. Example", role="reviewer")
    assert (read.number, read.previous, read.text) == (7, "ab" * 32, _TEXT)
    assert read.store == "log.example/evidence"
    assert (read.at, read.key_id) == (START.replace(microsecond=0), _SIGNER.key_id)


def test_a_record_from_before_records_named_their_store_is_read() -> None:
    data = _encode(store="")

    assert b'"store"' not in data
    assert annotation.parse(data, 7).store == ""
    assert annotation.parse_verified(data) == annotation.parse(data, 7)


def test_a_changed_byte_makes_a_record_invalid() -> None:
    data = _encode()

    for offset in range(0, len(data), 29):
        with pytest.raises(EvidenceInvalid):
            annotation.parse(flipped(data, offset), 7)


def test_a_record_under_another_number_is_refused() -> None:
    with pytest.raises(EvidenceInvalid, match="the number 7"):
        annotation.parse(_encode(), 8)


def test_a_text_belongs_to_one_commitment_only() -> None:
    assert annotation.parse_text(_OBJECT, _TEXT).text == "谣言, says the source"

    other, _ = annotation.text_object("谣言, says the source", b"t" * 32)
    with pytest.raises(EvidenceInvalid, match="does not belong"):
        annotation.parse_text(_OBJECT, other)
    with pytest.raises(EvidenceInvalid):
        annotation.parse_text(b"[]\n", _TEXT)


def test_a_record_that_contradicts_itself_is_not_written() -> None:
    tag = NewAnnotation(kind=AnnotationKind.TAG_ADDED, bundles=(ONE,), name="media")
    wrong = {
        "no exhibit number for each capture": replace(_ADDED, exhibits=(4,)),
        "one exhibit number twice": replace(_ADDED, exhibits=(4, 4)),
        "one capture twice": replace(_ADDED, bundles=(ONE, ONE)),
        "no case": replace(_ADDED, case=""),
        "a case with a capital": replace(_ADDED, case="Harbour"),
        "no id of a bundle": replace(_ADDED, bundles=(ONE, "latest")),
        "a tag with a line end": replace(tag, name="a\nb"),
        "an empty tag": replace(tag, name=""),
        "a tag in a case": replace(tag, case="harbour"),
        "no capture": replace(tag, bundles=()),
        "an unknown decision": replace(tag, kind=AnnotationKind.REVIEWED, name="fine"),
        "an order without an erasure": replace(tag, order="12 O 345/26"),
        "an erasure without an order": NewAnnotation(kind=AnnotationKind.ERASED, record=1),
        "an erasure of no record": NewAnnotation(kind=AnnotationKind.ERASED, order="12 O 345/26"),
    }
    accepted = []
    for name, new in wrong.items():
        try:
            _encode(new)
        except ValueError:
            continue
        accepted.append(name)
    assert not accepted


def test_a_row_of_an_index_has_what_the_record_states() -> None:
    row = annotation.row("annotations/records/00000007.json", _encode())

    assert (row.number, row.kind, row.case, row.bundle_ids) == (
        7, "case.added", "harbour", (ONE, TWO),
    )  # fmt: skip
    assert (row.author, row.role) == ("A. Example", "reviewer")


def test_an_object_that_is_no_record_is_a_row_without_a_kind() -> None:
    for key in ("annotations/records/00000008.json", "annotations/texts/x.json", "annotations/y"):
        row = annotation.row(key, _encode())
        assert (row.kind, row.number, row.data != b"") == ("", 0, True)
