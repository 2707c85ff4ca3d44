"""What follows from the records of an annotation chain."""

from typing import Any

from snapshotter.model.annotation_state import AnnotationState, fold
from snapshotter.model.annotations import Annotation, AnnotationAuthor, AnnotationKind
from tests.annotated import ONE, THREE, TWO
from tests.fakes.world import START

_K = AnnotationKind


def _records(*given: tuple[AnnotationKind, dict[str, Any]]) -> list[Annotation]:
    return [
        Annotation(
            kind=kind,
            number=number,
            sha256="",
            previous="",
            author=AnnotationAuthor(name="A. Example"),
            at=START,
            key_id="",
            **fields,
        )
        for number, (kind, fields) in enumerate(given, 1)
    ]


def _state(
    *given: tuple[AnnotationKind, dict[str, Any]], texts: dict[str, str] | None = None
) -> AnnotationState:
    return fold(_records(*given), texts or {})


_CREATED = (_K.CASE_CREATED, {"case": "harbour"})


def _added(bundle: str, exhibit: int, case: str = "harbour") -> tuple[AnnotationKind, Any]:
    return (_K.CASE_ADDED, {"case": case, "bundles": (bundle,), "exhibits": (exhibit,)})


def test_a_capture_can_be_in_several_cases() -> None:
    state = _state(
        _CREATED, (_K.CASE_CREATED, {"case": "mayor"}), _added(ONE, 1), _added(ONE, 4, "mayor")
    )

    assert state.capture(ONE).cases == {"harbour": 1, "mayor": 4}
    assert not state.problems


def test_a_capture_that_returns_to_a_case_keeps_its_number() -> None:
    removed = (_K.CASE_REMOVED, {"case": "harbour", "bundles": (ONE,)})
    state = _state(_CREATED, _added(ONE, 1), _added(TWO, 2), removed)

    assert state.cases["harbour"].captures == {TWO: 2}
    assert state.cases["harbour"].last_exhibit == 2
    assert state.capture(ONE).cases == {}
    again = _state(_CREATED, _added(ONE, 1), _added(TWO, 2), removed, _added(ONE, 1))
    assert again.cases["harbour"].captures == {TWO: 2, ONE: 1}


def test_an_exhibit_number_is_not_given_to_a_second_capture() -> None:
    for wrong in (_added(THREE, 1), _added(ONE, 3)):
        state = _state(_CREATED, _added(ONE, 1), _added(TWO, 2), wrong)

        assert state.cases["harbour"].captures == {ONE: 1, TWO: 2}
        assert len(state.problems) == 1


def test_nothing_is_added_to_a_closed_case_or_to_none() -> None:
    closed = _state(_CREATED, (_K.CASE_CLOSED, {"case": "harbour"}), _added(ONE, 1))
    none = _state(_added(ONE, 1))

    assert closed.cases["harbour"].captures == {}
    assert len(closed.problems) == len(none.problems) == 1


def test_the_newest_decision_counts() -> None:
    state = _state(
        (_K.REVIEWED, {"bundles": (ONE, TWO), "name": "rejected", "text": "a"}),
        (_K.REVIEWED, {"bundles": (ONE,), "name": "accepted"}),
        texts={"a": "the pictures are missing"},
    )

    (one, two) = (state.capture(ONE).review, state.capture(TWO).review)
    assert one is not None
    assert two is not None
    assert (one.name, one.reason, two.name, two.reason) == (
        "accepted", "", "rejected", "the pictures are missing",
    )  # fmt: skip


def test_tags_marks_and_quarantine_end() -> None:
    state = _state(
        (_K.TAG_ADDED, {"bundles": (ONE,), "name": "media"}),
        (_K.MARKED, {"bundles": (ONE,), "name": "graphic"}),
        (_K.QUARANTINED, {"bundles": (ONE, TWO)}),
        (_K.RELEASED, {"bundles": (ONE,)}),
    )
    assert (list(state.capture(ONE).tags), list(state.capture(ONE).marks)) == (
        ["media"],
        ["graphic"],
    )
    assert state.quarantined == {TWO}

    ended = fold(
        [
            *_records(
                (_K.TAG_ADDED, {"bundles": (ONE,), "name": "media"}),
                (_K.TAG_REMOVED, {"bundles": (ONE,), "name": "media"}),
                (_K.MARKED, {"bundles": (ONE,), "name": "graphic"}),
                (_K.UNMARKED, {"bundles": (ONE,), "name": "graphic"}),
            )
        ],
        {},
    )
    assert (ended.capture(ONE).tags, ended.capture(ONE).marks) == ({}, {})


def test_an_erased_note_stays_without_its_text() -> None:
    state = _state(
        (_K.NOTE_ADDED, {"bundles": (ONE,), "text": "a"}),
        (_K.NOTE_ADDED, {"bundles": (ONE,), "text": "b"}),
        (_K.ERASED, {"record": 1, "order": "12 O 345/26"}),
        texts={"a": "names a minor", "b": "the caption is wrong"},
    )

    assert [(note.text, note.erased) for note in state.capture(ONE).notes] == [
        (None, True),
        ("the caption is wrong", False),
    ]
