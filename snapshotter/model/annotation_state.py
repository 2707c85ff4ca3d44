"""
Fold the records of an annotation chain into the state of an archive: cases, tags, notes, review
decisions, marks and quarantine.

`fold` is pure, and the only place where records get their meaning. A record that contradicts the
records before it changes nothing and becomes a problem. Order is the order of the chain; clocks
decide nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from datetime import datetime

from snapshotter.model.annotations import Annotation, AnnotationKind
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on captures or on a case."""

    number: int  # of its record
    at: datetime
    author: str
    role: str
    text: str | None  # None: erased by order, or its object is missing
    erased: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The newest decision of one kind about a capture: a review, a mark, a quarantine."""

    number: int  # of its record
    name: str  # the decision of a review, the mark, or `CaseState.reasons`; else ""
    at: datetime
    author: str
    role: str
    reason: str | None  # None: erased by order, or its object is missing


@dataclass(slots=True, kw_only=True)
class CaptureState:
    """What the records state about one capture."""

    cases: dict[str, int] = field(default_factory=dict)  # exhibit numbers by name of the case
    tags: dict[str, None] = field(default_factory=dict)  # in the order in which they were added
    notes: list[Note] = field(default_factory=list)
    review: Decision | None = None
    marks: dict[str, Decision] = field(default_factory=dict)
    quarantine: Decision | None = None
    last: Annotation | None = None  # the last record about the capture


@dataclass(slots=True, kw_only=True)
class CaseState:
    """What the records state about one case."""

    name: str
    number: int  # of the record that created it
    created_at: datetime
    author: str
    title: str | None  # None: erased by order, or its object is missing
    closed: Decision | None = None
    captures: dict[str, int] = field(default_factory=dict)  # exhibit numbers by id of the bundle
    # Every number that was ever given: a capture that returns gets its former number.
    numbers: dict[str, int] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)  # the inverse of `numbers`
    last_exhibit: int = 0
    # Why captures were added and removed; the names are "added" and "removed".
    reasons: list[Decision] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    last: Annotation | None = None  # the last record about the case


@dataclass(slots=True, kw_only=True)
class AnnotationState:
    """The state of an archive after all records of its chain."""

    cases: dict[str, CaseState] = field(default_factory=dict)
    captures: dict[str, CaptureState] = field(default_factory=dict)
    erased: dict[int, Annotation] = field(default_factory=dict)  # by number of the erased record
    problems: list[str] = field(default_factory=list)

    def capture(self, bundle_id: str) -> CaptureState:
        """Return the state of a capture; an empty one if no record names it."""
        return self.captures.get(bundle_id) or CaptureState()

    @property
    def quarantined(self) -> frozenset[str]:
        """The ids of all captures in quarantine."""
        return frozenset(
            bundle_id for bundle_id, state in self.captures.items() if state.quarantine
        )


def fold(records: Iterable[Annotation], texts: Mapping[str, str]) -> AnnotationState:
    """
    Return the state after these records.

    Args:
        records: In the order of the chain.
        texts: The texts that exist, by their commitments.
    """
    given = tuple(records)
    state = AnnotationState()
    state.erased = {
        record.record: record for record in given if record.kind is AnnotationKind.ERASED
    }
    for record in given:
        problem = _apply(state, record, texts)
        if problem:
            state.problems.append(
                tr("record {number}: {problem}", number=record.number, problem=problem)
            )
    return state


def _apply(state: AnnotationState, record: Annotation, texts: Mapping[str, str]) -> str:
    """Change the state by one record; return why the record changes nothing, or ""."""
    kind, case = record.kind, state.cases.get(record.case)
    if kind is AnnotationKind.CASE_CREATED:
        return _create_case(state, record, texts)
    if kind is AnnotationKind.ERASED:
        exists = 0 < record.record < record.number
        return (
            ""
            if exists
            else tr(
                "the record {record}, whose text was erased, is not an earlier record",
                record=record.record,
            )
        )
    if record.case and case is None:
        return tr("the case {case} was not created before", case=record.case)
    if case is not None:
        case.last = record
        if kind is AnnotationKind.CASE_CLOSED:
            case.closed = _decision(state, record, texts)
            return ""
        if kind is AnnotationKind.NOTE_ADDED:
            case.notes.append(_note(state, record, texts))
            return ""
        if kind is AnnotationKind.CASE_ADDED:
            problem = _add(state, case, record)
            if not problem:
                _keep_reason(state, case, record, texts, "added")
            return problem
        if kind is AnnotationKind.CASE_REMOVED:
            for bundle_id in record.bundles:
                case.captures.pop(bundle_id, None)
                capture = _capture(state, bundle_id)
                capture.cases.pop(case.name, None)
                capture.last = record
            _keep_reason(state, case, record, texts, "removed")
            return ""
    for bundle_id in record.bundles:
        _annotate(_capture(state, bundle_id), state, record, texts)
    return ""


def _create_case(state: AnnotationState, record: Annotation, texts: Mapping[str, str]) -> str:
    if record.case in state.cases:
        return tr("the case {case} exists already", case=record.case)
    state.cases[record.case] = CaseState(
        name=record.case,
        number=record.number,
        created_at=record.at,
        author=record.author.name,
        title=_text(state, record, texts),
        last=record,
    )
    return ""


def _keep_reason(
    state: AnnotationState,
    case: CaseState,
    record: Annotation,
    texts: Mapping[str, str],
    name: str,
) -> None:
    if record.text:
        case.reasons.append(replace(_decision(state, record, texts), name=name))


def _add(state: AnnotationState, case: CaseState, record: Annotation) -> str:
    if case.closed is not None:
        return tr("the case {case} was closed before", case=case.name)
    new = dict(zip(record.bundles, record.exhibits, strict=True))
    for bundle_id, number in new.items():
        holder = case.holders.get(number, bundle_id)
        if holder != bundle_id or case.numbers.get(bundle_id, number) != number:
            return tr(
                "exhibit {number} of the case {case} was given to another capture, or the capture "
                "{bundle_id} has another number",
                number=number,
                case=case.name,
                bundle_id=bundle_id,
            )
    for bundle_id, number in new.items():
        case.numbers[bundle_id] = case.captures[bundle_id] = number
        case.holders[number] = bundle_id
        case.last_exhibit = max(case.last_exhibit, number)
        capture = _capture(state, bundle_id)
        capture.cases[case.name] = number
        capture.last = record
    return ""


def _annotate(
    capture: CaptureState, state: AnnotationState, record: Annotation, texts: Mapping[str, str]
) -> None:
    capture.last = record
    match record.kind:
        case AnnotationKind.TAG_ADDED:
            capture.tags[record.name] = None
        case AnnotationKind.TAG_REMOVED:
            capture.tags.pop(record.name, None)
        case AnnotationKind.NOTE_ADDED:
            capture.notes.append(_note(state, record, texts))
        case AnnotationKind.REVIEWED:
            capture.review = _decision(state, record, texts)
        case AnnotationKind.MARKED:
            capture.marks[record.name] = _decision(state, record, texts)
        case AnnotationKind.UNMARKED:
            capture.marks.pop(record.name, None)
        case AnnotationKind.QUARANTINED:
            capture.quarantine = _decision(state, record, texts)
        case AnnotationKind.RELEASED:
            capture.quarantine = None


def _capture(state: AnnotationState, bundle_id: str) -> CaptureState:
    return state.captures.setdefault(bundle_id, CaptureState())


def _text(state: AnnotationState, record: Annotation, texts: Mapping[str, str]) -> str | None:
    """Return the text of a record; None if it was erased or its object is missing."""
    if not record.text:
        return ""
    return None if record.number in state.erased else texts.get(record.text)


def _note(state: AnnotationState, record: Annotation, texts: Mapping[str, str]) -> Note:
    return Note(
        number=record.number,
        at=record.at,
        author=record.author.name,
        role=record.author.role,
        text=_text(state, record, texts),
        erased=record.number in state.erased,
    )


def _decision(state: AnnotationState, record: Annotation, texts: Mapping[str, str]) -> Decision:
    return Decision(
        number=record.number,
        name=record.name,
        at=record.at,
        author=record.author.name,
        role=record.author.role,
        reason=_text(state, record, texts),
    )
