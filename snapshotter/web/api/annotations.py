"""
Show and record what people write about captures: cases, tags, notes, reviews, marks, quarantine.

Records are signed, so that a process with the annotation key makes them: each request for a change
is answered with a task. An ETag is the state of the records that this server knows; a change by
somebody else that is seconds old may not be in it. Therefore the task compares again, when it
records.
"""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.organising.case_view import case_view
from snapshotter.app.archive.screens.review_queue import item_of
from snapshotter.app.json_objects.annotations import (
    capture_annotations_json,
    case_json,
    case_view_json,
    note_json,
    review_item_json,
)
from snapshotter.app.tasks.kinds import AnnotateArguments, AnnotationAction
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.annotation_state import CaptureState, CaseState
from snapshotter.model.annotations import Mark
from snapshotter.translation import tr
from snapshotter.web.api.captures import require_bundle
from snapshotter.web.api.conditional import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    answer_etag,
    names_any,
    require_match,
)
from snapshotter.web.api.dependencies import (
    Actor,
    Context,
    Limit,
    read_annotations,
    reading_archive,
)
from snapshotter.web.api.models import annotations as models
from snapshotter.web.api.models.annotations import CaseName
from snapshotter.web.api.models.common import BundleId
from snapshotter.web.api.models.tasks import Task
from snapshotter.web.api.problem import not_found
from snapshotter.web.api.tasks import submit
from snapshotter.web.files import require_shown_capture

router = APIRouter()
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The client has this state."}}


@router.get("/captures/{bundle_id}/annotations", tags=["annotations"], responses=_UNCHANGED)
def show_annotations(
    context: Context, response: Response, bundle_id: BundleId, if_none_match: IfNoneMatch = None
) -> models.Annotations:
    """Show the cases, tags, notes and decisions about a capture."""
    require_bundle(context, bundle_id)
    require_shown_capture(context, bundle_id)
    value = capture_annotations_json(bundle_id, read_annotations(context).capture(bundle_id))
    answer_etag(response, value, if_none_match)
    return models.Annotations.model_validate(value)


@router.post("/captures/{bundle_id}/tags", status_code=202, tags=["annotations"])
def add_tag(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.TagRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Add a tag to a capture. Tags are kept permanently: they must not name a person."""
    require_bundle(context, bundle_id)
    arguments = AnnotateArguments(
        action=AnnotationAction.ADD_TAG, bundle_ids=(bundle_id,), name=wanted.tag
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.delete("/captures/{bundle_id}/tags/{tag}", status_code=202, tags=["annotations"])
def remove_tag(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    tag: Annotated[str, Path(min_length=1, max_length=64)],
    if_match: IfMatch = None,
) -> Task:
    """Remove a tag from a capture. The records of the tag stay."""
    arguments = AnnotateArguments(
        action=AnnotationAction.REMOVE_TAG,
        bundle_ids=(bundle_id,),
        name=tag,
        seen_record=_seen_record(context, bundle_id, if_match),
    )
    return submit(context, person, response, arguments, None)


@router.post("/captures/{bundle_id}/notes", status_code=202, tags=["annotations"])
def add_note(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.NoteRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Write a note about a capture."""
    require_bundle(context, bundle_id)
    arguments = AnnotateArguments(
        action=AnnotationAction.ADD_NOTE, bundle_ids=(bundle_id,), text=wanted.text
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.put("/captures/{bundle_id}/review", status_code=202, tags=["annotations"])
def decide(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.ReviewRequest,
    if_match: IfMatch = None,
) -> Task:
    """Accept a capture, reject it, or state that it needs work. Earlier decisions are kept."""
    arguments = AnnotateArguments(
        action=AnnotationAction.REVIEW,
        bundle_ids=(bundle_id,),
        name=wanted.decision,
        text=wanted.reason,
        seen_record=_seen_record(context, bundle_id, if_match),
    )
    return submit(context, person, response, arguments, None)


@router.post("/captures/{bundle_id}/marks", status_code=202, tags=["annotations"])
def add_mark(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.MarkRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Mark a capture: the pictures of a graphic one are blurred until somebody asks for them."""
    require_bundle(context, bundle_id)
    arguments = AnnotateArguments(
        action=AnnotationAction.MARK, bundle_ids=(bundle_id,), name=wanted.mark, text=wanted.reason
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.delete("/captures/{bundle_id}/marks/{mark}", status_code=202, tags=["annotations"])
def remove_mark(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    mark: Mark,
    if_match: IfMatch = None,
) -> Task:
    """Remove a mark from a capture. The records of the mark stay."""
    arguments = AnnotateArguments(
        action=AnnotationAction.UNMARK,
        bundle_ids=(bundle_id,),
        name=mark,
        seen_record=_seen_record(context, bundle_id, if_match),
    )
    return submit(context, person, response, arguments, None)


@router.post("/captures/{bundle_id}/quarantine", status_code=202, tags=["annotations"])
def put_into_quarantine(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.QuarantineRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """
    Put a capture into quarantine: it cannot be shown or copied until it is released.

    The bundle stays in the store. A signed notice states when, why, and by whom.
    """
    return _change_quarantine(
        context, person, response, AnnotationAction.QUARANTINE, bundle_id, wanted, idempotency_key
    )


@router.post("/captures/{bundle_id}/release", status_code=202, tags=["annotations"])
def release(
    context: Context,
    person: Actor,
    response: Response,
    bundle_id: BundleId,
    wanted: models.QuarantineRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Release a capture from quarantine. The notices of the quarantine stay."""
    return _change_quarantine(
        context, person, response, AnnotationAction.RELEASE, bundle_id, wanted, idempotency_key
    )


@router.get("/tags", tags=["annotations"])
def list_tags(context: Context) -> models.TagList:
    """List the tags of the store, the most frequent first."""
    counts = Counter(name for capture in _shown(context).values() for name in capture.tags)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return models.TagList(tags=[models.Tag(captures=count, tag=name) for name, count in ordered])


@router.get("/notes", tags=["annotations"])
def list_notes(
    context: Context,
    cursor: Annotated[int, Query(ge=1, lt=1 << 62, description="`next` of the page before.")]
    | None = None,
    limit: Limit = 50,
) -> models.NoteList:
    """List the notes of all captures, the newest first. A case has its own notes."""
    notes = sorted(
        (
            (note, bundle_id)
            for bundle_id, capture in _shown(context).items()
            for note in capture.notes
            if cursor is None or note.number < cursor
        ),
        key=lambda found: -found[0].number,
    )
    # A note about several captures is on one page.
    numbers = sorted({note.number for note, _ in notes}, reverse=True)[:limit]
    last = numbers[-1] if numbers else 0
    return models.NoteList.model_validate(
        {
            "next": str(last) if any(note.number < last for note, _ in notes) else None,
            "notes": [
                {"bundle_id": bundle_id, "case": None, **note_json(note)}
                for note, bundle_id in notes
                if note.number >= last
            ],
        }
    )


@router.get("/reviews", tags=["annotations"])
def list_reviews(
    context: Context,
    decided: Annotated[
        bool, Query(description="Include captures that were accepted or rejected.")
    ] = False,
    limit: Limit = 50,
) -> models.ReviewList:
    """List the captures that need a review, the most urgent first."""
    with reading_archive(context) as view:
        entries = context.services.review.entries(view, decided=decided)
        if entries is None:
            raise ServiceUnavailable(
                tr("the captures of the store are being examined"),
                hint=tr("try again in a few seconds"),
            )
        found = [item_of(view, entry) for entry in entries[:limit]]
    return models.ReviewList.model_validate(
        {
            "annotation_problems": list(view.state.annotation_problems),
            "captures": [review_item_json(item) for item in found if item is not None],
            "left": max(len(entries) - limit, 0),
        }
    )


@router.get("/cases", tags=["cases"])
def list_cases(context: Context) -> models.CaseList:
    """List the cases of the store."""
    found = read_annotations(context).cases.values()
    return models.CaseList.model_validate({"cases": [case_json(entry) for entry in found]})


@router.post("/cases", status_code=202, tags=["cases"])
def create_case(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.CaseRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Create a case. Its name is kept permanently: it must not name a person."""
    arguments = AnnotateArguments(
        action=AnnotationAction.CREATE_CASE,
        case=wanted.name,
        text=wanted.title,
        bundle_ids=tuple(wanted.bundle_ids),
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.get("/cases/{name}", tags=["cases"], responses=_UNCHANGED)
def show_case(
    context: Context, response: Response, name: CaseName, if_none_match: IfNoneMatch = None
) -> models.CaseDetails:
    """Show the exhibits and notes of a case. Captures in quarantine are named, and not shown."""
    find_case(context, name)
    with reading_archive(context) as archive:
        state = archive.state.annotations
        hidden = archive.hidden_reasons(state.cases[name].captures)
    view = case_view(context.services.store, state, name)
    answer_etag(response, _case_state(view.case), if_none_match)
    value = case_view_json(view)
    noticed = [exhibit for exhibit in value["exhibits"] if exhibit["bundle_id"] in hidden]
    value["exhibits"] = [exhibit for exhibit in value["exhibits"] if exhibit not in noticed]
    # Of these, only a notice beside the bundle states the quarantine, and no annotation.
    unknown = dict.fromkeys(models.LeftOut.model_fields)
    value["quarantined"] += [
        {**unknown, "bundle_id": exhibit["bundle_id"], "reason": hidden[exhibit["bundle_id"]]}
        for exhibit in noticed
    ]
    return models.CaseDetails.model_validate(value)


@router.post("/cases/{name}/captures", status_code=202, tags=["cases"])
def add_to_case(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.CaseCaptures,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Add captures to a case. Each gets the next exhibit number of the case."""
    return _change_case(
        context, person, response, AnnotationAction.ADD_TO_CASE, name, wanted, idempotency_key
    )


@router.post("/cases/{name}/removals", status_code=202, tags=["cases"])
def remove_from_case(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.CaseCaptures,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Remove captures from a case. The records of their time in the case stay."""
    return _change_case(
        context, person, response, AnnotationAction.REMOVE_FROM_CASE, name, wanted, idempotency_key
    )


@router.post("/cases/{name}/notes", status_code=202, tags=["cases"])
def add_case_note(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.NoteRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Write a note about a case."""
    find_case(context, name)
    arguments = AnnotateArguments(action=AnnotationAction.ADD_NOTE, case=name, text=wanted.text)
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/cases/{name}/close", status_code=202, tags=["cases"])
def close_case(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.CaseClosing,
    if_match: IfMatch = None,
) -> Task:
    """Close a case permanently. A closed case accepts no captures."""
    find_case(context, name)
    state = read_annotations(context)
    known = state.cases[name]
    require_match(if_match, _case_state(known), tr("the case {name}", name=name))
    arguments = AnnotateArguments(
        action=AnnotationAction.CLOSE_CASE,
        case=name,
        text=wanted.reason,
        seen_record=None if names_any(if_match) else cases.last_record(state, case=name),
    )
    return submit(context, person, response, arguments, None)


def _shown(context: Context) -> dict[str, CaptureState]:
    """Return what people recorded about captures, without the captures in quarantine."""
    with reading_archive(context) as view:
        captures = view.state.annotations.captures
        hidden = view.hidden_reasons(captures)
    return {bundle_id: state for bundle_id, state in captures.items() if bundle_id not in hidden}


def _change_quarantine(
    context: Context,
    person: Actor,
    response: Response,
    action: AnnotationAction,
    bundle_id: str,
    wanted: models.QuarantineRequest,
    key: str | None,
) -> Task:
    require_bundle(context, bundle_id)
    arguments = AnnotateArguments(action=action, bundle_ids=(bundle_id,), text=wanted.reason)
    return submit(context, person, response, arguments, key)


def _change_case(
    context: Context,
    person: Actor,
    response: Response,
    action: AnnotationAction,
    name: str,
    wanted: models.CaseCaptures,
    key: str | None,
) -> Task:
    find_case(context, name)
    arguments = AnnotateArguments(
        action=action, case=name, bundle_ids=tuple(wanted.bundle_ids), text=wanted.reason
    )
    return submit(context, person, response, arguments, key)


def find_case(context: Context, name: str) -> CaseState:
    """Return a case. Raises Problem: the store has no case of this name."""
    state = read_annotations(context)
    if name not in state.cases:
        raise not_found(tr("the case {name} does not exist", name=name))
    return cases.find_case(state, name)


def _case_state(case: CaseState) -> object:
    """Return what the ETag of a case is made of: what its records state."""
    return {
        **case_json(case),
        "exhibits": dict(case.captures),
        "notes": [note_json(note) for note in case.notes],
    }


def _seen_record(context: Context, bundle_id: str, if_match: str | None) -> int | None:
    """
    Return the last record of the state of a capture that a request names; None for any state.

    Raises:
        Problem: The capture does not exist, or the request names no state or another one.
    """
    require_bundle(context, bundle_id)
    state = read_annotations(context)
    value = capture_annotations_json(bundle_id, state.capture(bundle_id))
    require_match(if_match, value, tr("the annotations of {bundle_id}", bundle_id=bundle_id))
    return None if names_any(if_match) else cases.last_record(state, bundle_id=bundle_id)
