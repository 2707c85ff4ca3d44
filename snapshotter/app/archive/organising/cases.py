"""
Organise captures: cases with exhibit numbers, tags, notes, marks and review decisions.

Each use case adds records to the annotation chain (`annotations`), and none if the state is as
wanted already. No bundle is changed.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

from snapshotter.app.archive import annotations, bundles
from snapshotter.app.archive.annotations import AnnotationService
from snapshotter.errors import SnapshotterError
from snapshotter.formats.statements import annotation
from snapshotter.model.annotation_state import AnnotationState, CaptureState, CaseState
from snapshotter.model.annotations import (
    MAX_BUNDLES,
    Annotation,
    AnnotationKind,
    Mark,
    NewAnnotation,
    ReviewDecision,
)
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Whether a record of the given kind would change this capture.
_Changes = Callable[[CaptureState], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationChange:
    """The result of one use case."""

    records: tuple[Annotation, ...]  # that were added; none if nothing had to be changed
    unchanged: tuple[str, ...] = ()  # captures that were in the wanted state already


def read_state(store: ReadableStore, *, texts: bool = True) -> AnnotationState:
    """
    Return the cases, tags, notes, marks and decisions of a store.

    Args:
        texts: Also read notes, reasons and titles.
    """
    return annotations.read_chain(store, texts=texts).state()


def require_captures(store: ReadableStore, bundle_ids: Sequence[str]) -> None:
    """Return if the store has these bundles. Raises SnapshotterError: one is missing."""
    for bundle_id in bundle_ids:
        bundles.find_bundle_key(store, bundle_id)


def find_case(state: AnnotationState, name: str) -> CaseState:
    """Return a case. Raises SnapshotterError: it does not exist."""
    found = state.cases.get(name)
    if found is None:
        known = ", ".join(sorted(state.cases)) or tr("none")
        raise SnapshotterError(
            tr("the case {name} does not exist", name=name),
            hint=tr(
                "create the case:\n  snapshotter case create {name}\nThe cases of this store: "
                "{known}",
                name=name,
                known=known,
            ),
        )
    return found


def last_record(state: AnnotationState, *, bundle_id: str = "", case: str = "") -> int:
    """Return the number of the last record about a capture or a case; 0 if there is none."""
    last = _last(state, bundle_id, case)
    return last.number if last is not None else 0


def require_unchanged(
    state: AnnotationState, seen: int, *, bundle_id: str = "", case: str = ""
) -> None:
    """
    Return if nobody recorded anything about a capture or a case since a person looked at it.

    Args:
        seen: The number that `last_record` returned when the person looked.

    Raises:
        SnapshotterError: Somebody did. The message states who, and when.
    """
    last = _last(state, bundle_id, case)
    if last is None or last.number == seen:
        return
    raise SnapshotterError(
        tr(
            "nothing was recorded, because {author} changed {what} on {at:%Y-%m-%d} at "
            "{at:%H:%M:%S} UTC, after you loaded it",
            author=last.author.name or tr("somebody"),
            what=tr("the case {name}", name=case)
            if case
            else tr("the annotations of {bundle_id}", bundle_id=bundle_id),
            at=last.at,
        ),
        hint=tr("look at the present state, and decide again"),
    )


def _last(state: AnnotationState, bundle_id: str, case: str) -> Annotation | None:
    return find_case(state, case).last if case else state.capture(bundle_id).last


def create_case(service: AnnotationService, name: str, *, title: str = "") -> Annotation:
    """
    Create a case.

    Raises:
        SnapshotterError: A case of this name exists.
        ValueError: The name is invalid.
    """
    annotation.check_case(name)
    new = NewAnnotation(kind=AnnotationKind.CASE_CREATED, case=name)
    if (stored := annotations.find_stored(service, new, title)) is not None:
        return stored

    def decide(state: AnnotationState) -> NewAnnotation:
        if name in state.cases:
            raise SnapshotterError(
                tr("the case {name} exists already", name=name),
                hint=tr(
                    "choose another name, or show the case:\n  snapshotter case show {name}",
                    name=name,
                ),
            )
        return new

    added, _ = annotations.append(service, decide, text=title)
    if added is None:
        raise AssertionError("a case is created or refused")
    return added


def close_case(service: AnnotationService, name: str, *, reason: str) -> AnnotationChange:
    """Close a case: nothing can be added to it any more. Raises SnapshotterError: no such case."""

    def decide(state: AnnotationState) -> NewAnnotation | None:
        if find_case(state, name).closed is not None:
            return None
        return NewAnnotation(kind=AnnotationKind.CASE_CLOSED, case=name)

    return _change(annotations.append(service, decide, text=reason)[0])


def add_to_case(
    service: AnnotationService, name: str, bundle_ids: Sequence[str], *, reason: str = ""
) -> AnnotationChange:
    """
    Add captures to a case, each with the next exhibit number.

    A capture that was in the case before gets its former number.

    Raises:
        SnapshotterError: The case does not exist or is closed, or the store has no such capture.
    """
    require_captures(service.store, bundle_ids)
    return add_stored_to_case(service, name, bundle_ids, reason=reason)


def add_stored_to_case(
    service: AnnotationService, name: str, bundle_ids: Sequence[str], *, reason: str = ""
) -> AnnotationChange:
    """Add captures that were just stored to a case. Raises as `add_to_case` does."""

    def decide(state: AnnotationState, wanted: Sequence[str]) -> NewAnnotation | None:
        case = require_open_case(state, name)
        new = tuple(bundle_id for bundle_id in wanted if bundle_id not in case.captures)
        if not new:
            return None
        exhibits, last = [], case.last_exhibit
        for bundle_id in new:
            number = case.numbers.get(bundle_id)
            if number is None:
                number = last = last + 1
            exhibits.append(number)
        return NewAnnotation(
            kind=AnnotationKind.CASE_ADDED, case=name, bundles=new, exhibits=tuple(exhibits)
        )

    return _in_lots(service, bundle_ids, decide, text=reason)


def require_open_case(state: AnnotationState, name: str) -> CaseState:
    """Return a case that is not closed. Raises SnapshotterError: it does not exist or is closed."""
    case = find_case(state, name)
    if case.closed is not None:
        raise SnapshotterError(
            tr("the case {name} was closed on {at:%Y-%m-%d}", name=name, at=case.closed.at),
            hint=tr("create another case:\n  snapshotter case create NAME"),
        )
    return case


def remove_from_case(
    service: AnnotationService, name: str, bundle_ids: Sequence[str], *, reason: str
) -> AnnotationChange:
    """
    Remove captures from a case; their exhibit numbers are not given again.

    The captures and the records of their stay in the case remain.

    Raises:
        SnapshotterError: The case does not exist.
    """

    def decide(state: AnnotationState, wanted: Sequence[str]) -> NewAnnotation | None:
        case = find_case(state, name)
        there = tuple(bundle_id for bundle_id in wanted if bundle_id in case.captures)
        if not there:
            return None
        return NewAnnotation(kind=AnnotationKind.CASE_REMOVED, case=name, bundles=there)

    return _in_lots(service, bundle_ids, decide, text=reason)


def composed_tag(tag: str) -> str:
    """
    Return a tag in the form of Unicode (NFC) in which tags are recorded.

    A letter with an accent can be typed in two ways that look alike. Raises ValueError: no valid
    tag.
    """
    return annotation.check_tag(unicodedata.normalize("NFC", tag))


def new_tag(tag: str) -> str:
    """Return a tag that a person gives, as `composed_tag` does. Raises ValueError: no valid tag."""
    composed = composed_tag(tag)
    require_no_filter(composed)
    return composed


def require_no_filter(tag: str) -> None:
    """
    Return if a tag does not begin as a filter of the search does.

    The search would read `case:7` as a filter, and a job would put the capture into the case.

    Raises:
        ValueError: The tag begins so.
    """
    if ":" not in tag and "\uff1a" not in tag:
        return
    from snapshotter.index.query import begins_with_filter  # not for every capture

    if begins_with_filter(tag):
        raise ValueError(
            tr(
                "the tag {tag} begins like a filter of the search. Write the tag without the "
                "colon. To put a capture into a case, use a case instead of a tag",
                tag=tag,
            )
        )


def add_tag(service: AnnotationService, tag: str, bundle_ids: Sequence[str]) -> AnnotationChange:
    """Add a tag to captures. Raises SnapshotterError: no such capture; ValueError: no valid tag."""
    checked = new_tag(tag)
    require_captures(service.store, bundle_ids)
    return tag_stored(service, checked, bundle_ids)


def tag_stored(service: AnnotationService, tag: str, bundle_ids: Sequence[str]) -> AnnotationChange:
    """Add a tag to captures that were just stored. Raises ValueError: no valid tag."""
    tag = composed_tag(tag)
    return _of_captures(
        service, AnnotationKind.TAG_ADDED, bundle_ids, lambda capture: tag not in capture.tags, tag
    )


def remove_tag(service: AnnotationService, tag: str, bundle_ids: Sequence[str]) -> AnnotationChange:
    """Remove a tag from captures. Raises ValueError: no valid tag."""
    tag = composed_tag(tag)
    return _of_captures(
        service, AnnotationKind.TAG_REMOVED, bundle_ids, lambda capture: tag in capture.tags, tag
    )


def add_note(
    service: AnnotationService, text: str, *, bundle_ids: Sequence[str] = (), case: str = ""
) -> AnnotationChange:
    """
    Add a note to captures, or to a case.

    Raises:
        SnapshotterError: The case does not exist, or the store has no such capture.
        ValueError: The text is empty or too long.
    """
    if not text.strip():
        raise ValueError(tr("the note has no text"))
    require_captures(service.store, bundle_ids)

    def decide(state: AnnotationState) -> NewAnnotation:
        if case:
            find_case(state, case)
        return NewAnnotation(
            kind=AnnotationKind.NOTE_ADDED, case=case, bundles=() if case else tuple(bundle_ids)
        )

    return _change(annotations.append(service, decide, text=text)[0])


def set_mark(
    service: AnnotationService,
    mark: Mark,
    bundle_ids: Sequence[str],
    *,
    on: bool = True,
    reason: str = "",
) -> AnnotationChange:
    """Mark captures, or remove a mark. Raises SnapshotterError: the store has no such capture."""
    require_captures(service.store, bundle_ids)
    return _of_captures(
        service,
        AnnotationKind.MARKED if on else AnnotationKind.UNMARKED,
        bundle_ids,
        lambda capture: (mark.value in capture.marks) is not on,
        mark.value,
        reason,
    )


def review(
    service: AnnotationService,
    decision: ReviewDecision,
    bundle_ids: Sequence[str],
    *,
    reason: str = "",
) -> AnnotationChange:
    """
    Record a review decision about captures; it counts until another one follows.

    Raises:
        SnapshotterError: The store has no such capture.
        ValueError: A decision other than accepted has no reason.
    """
    if decision is not ReviewDecision.ACCEPTED and not reason.strip():
        raise ValueError(tr("this decision needs a reason: give --reason"))
    require_captures(service.store, bundle_ids)
    return _of_captures(
        service, AnnotationKind.REVIEWED, bundle_ids, lambda capture: True, decision.value, reason
    )


def _of_captures(
    service: AnnotationService,
    kind: AnnotationKind,
    bundle_ids: Sequence[str],
    changes: _Changes,
    name: str,
    reason: str = "",
) -> AnnotationChange:
    """Record something about the captures that it would change."""

    def decide(state: AnnotationState, wanted: Sequence[str]) -> NewAnnotation | None:
        changed = tuple(bundle_id for bundle_id in wanted if changes(state.capture(bundle_id)))
        return NewAnnotation(kind=kind, bundles=changed, name=name) if changed else None

    return _in_lots(service, bundle_ids, decide, text=reason)


def _in_lots(
    service: AnnotationService,
    bundle_ids: Sequence[str],
    decide: Callable[[AnnotationState, Sequence[str]], NewAnnotation | None],
    *,
    text: str,
) -> AnnotationChange:
    """Add as many records as are needed for so many captures."""
    records, changed = [], set[str]()
    for lot in _lots(tuple(dict.fromkeys(bundle_ids))):

        def decide_lot(state: AnnotationState, lot: Sequence[str] = lot) -> NewAnnotation | None:
            return decide(state, lot)

        added, _ = annotations.append(service, decide_lot, text=text)
        if added is not None:
            records.append(added)
            changed.update(added.bundles)
    return AnnotationChange(
        records=tuple(records),
        unchanged=tuple(bundle_id for bundle_id in bundle_ids if bundle_id not in changed),
    )


def _lots(bundle_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(bundle_ids), MAX_BUNDLES):
        yield bundle_ids[start : start + MAX_BUNDLES]


def _change(record: Annotation | None) -> AnnotationChange:
    return AnnotationChange(records=(record,) if record is not None else ())
