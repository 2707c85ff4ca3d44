"""
Do something with the captures that a person selected in a list: tags, cases, reviews, documents.

Each list with a selection sends its form here, with the ids of the captures and the button that was
pressed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.organising import cases
from snapshotter.app.tasks.kinds import (
    AnnotateArguments,
    AnnotationAction,
    ExportArguments,
    ExportForm,
    ReportArguments,
    TaskArguments,
)
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import Mark, ReviewDecision
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.task_requests import own_path, request_task
from snapshotter.web.context import context_of

PATH: Final = "/captures/selected"
DECISIONS: Final[Sequence[tuple[str, str]]] = (
    (ReviewDecision.ACCEPTED, tr("Accept")),
    (ReviewDecision.REJECTED, tr("Reject")),
    (ReviewDecision.NEEDS_WORK, tr("Needs work")),
)
FORMS: Final[Sequence[tuple[str, str]]] = (
    (ExportForm.BUNDLES, tr("Bundles with their sidecars")),
    (ExportForm.EVIDENCE, tr("Evidence folders, to verify offline")),
    (ExportForm.MASKED, tr("Pictures with the redacted text covered")),
    ("report", tr("Reports as HTML, PDF and JSON")),
)
_Ids = tuple[str, ...]


def _selected(request: Request, form: Form) -> Response:
    bundle_ids = tuple(dict.fromkeys(form.texts("id")))
    if not bundle_ids:
        raise HTTPException(400, tr("no capture is selected. Go back, and select captures"))
    if not all(store_keys.is_id(bundle_id) for bundle_id in bundle_ids):
        raise HTTPException(400, tr("the request has an id that is no id of a capture"))
    make = ACTIONS.get(form.text("action"))
    if make is None:
        raise HTTPException(400, tr("the request names no action"))
    with context_of(request).services.index.reading() as view:
        state = view.state.annotations
    try:
        arguments = make(form, bundle_ids, state)
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    except SnapshotterError as error:  # a case that does not exist or is closed
        raise HTTPException(400, error.message) from error
    return request_task(request, arguments, form, back=own_path(form.text("back")) or "/captures")


def _tag(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.ADD_TAG,
        bundle_ids=bundle_ids,
        name=cases.new_tag(form.text("tag").strip()),
    )


def _untag(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.REMOVE_TAG,
        bundle_ids=bundle_ids,
        name=cases.composed_tag(form.text("tag").strip()),
    )


def _case(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.ADD_TO_CASE,
        bundle_ids=bundle_ids,
        case=cases.require_open_case(state, form.text("case").strip()).name,
        text=form.text("reason").strip(),
    )


def _remove(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.REMOVE_FROM_CASE,
        bundle_ids=bundle_ids,
        case=cases.find_case(state, form.text("case").strip()).name,
        text=_reason(form, tr("to remove captures from a case, give a reason")),
    )


def _review(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return review_arguments(form.text("decision"), bundle_ids, form.text("reason"))


def review_arguments(decision: str, bundle_ids: _Ids, reason: str) -> AnnotateArguments:
    """Return the task that records a decision. Raises ValueError: it is invalid."""
    if decision not in set(ReviewDecision):
        raise ValueError(tr("choose a decision"))
    if decision != ReviewDecision.ACCEPTED and not reason.strip():
        raise ValueError(
            tr("give a reason: a reason is required to reject captures and to request more work")
        )
    return AnnotateArguments(
        action=AnnotationAction.REVIEW,
        bundle_ids=bundle_ids,
        name=decision,
        text=reason.strip(),
    )


def _mark(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.MARK, bundle_ids=bundle_ids, name=Mark.GRAPHIC.value
    )


def _export(form: Form, bundle_ids: _Ids, state: AnnotationState) -> TaskArguments:
    wanted = form.text("form")
    if wanted == "report":
        return ReportArguments(bundle_ids=bundle_ids)
    return ExportArguments(bundle_ids=bundle_ids, form=ExportForm(wanted))


def _reason(form: Form, missing: str) -> str:
    """Return the reason. Raises ValueError: there is none."""
    reason = form.text("reason").strip()
    if not reason:
        raise ValueError(missing)
    return reason


ACTIONS: Final[Mapping[str, Callable[[Form, _Ids, AnnotationState], TaskArguments]]] = {
    "case": _case,
    "export": _export,
    "mark": _mark,
    "remove": _remove,
    "review": _review,
    "tag": _tag,
    "untag": _untag,
}

routes = (Route(PATH, form_endpoint(_selected), methods=["POST"]),)
