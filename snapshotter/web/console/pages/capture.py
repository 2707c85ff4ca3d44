"""
Show one capture: picture, text, what is missing, proof, network, files, custody and annotations.

The facts, their words and their sections are those of the page that `snapshotter open` makes. They
come from a verification that this process made, and the page states when.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.archive.confined.previews import PictureResult
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.quotation import text_places
from snapshotter.app.archive.screens.capture_surroundings import Surroundings, surroundings
from snapshotter.app.archive.screens.capture_views import CaptureView
from snapshotter.app.tasks.kinds import AnnotateArguments, AnnotationAction, TaskArguments
from snapshotter.errors import SnapshotterError
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import MAX_TEXT, Mark
from snapshotter.model.custody import DISPLAYING
from snapshotter.report.capture_page import observation_label, page_values
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages import selected
from snapshotter.web.console.pages.previews import shown_picture
from snapshotter.web.console.seen_state import for_seen_state
from snapshotter.web.console.task_requests import answer_again, new_key, request_task
from snapshotter.web.console.templating import respond, sentence
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound
from snapshotter.web.files import require_shown_capture

_WAIT_S: Final = 4.0  # for a verification; a longer one goes on, and the page is loaded again
_PICTURE_S: Final = 1.5  # for a picture that is not made yet
_MAX_QUOTE: Final = 2_000  # characters
# The field that an invalid form is about.
_FIELDS: Final[Mapping[str, str]] = {
    "case": "case",
    "export": "form",
    "note": "note",
    "quarantine": "why",
    "remove": "remove-reason",
    "review": "reason",
    "tag": "tag",
}


def capture_path(bundle_id: str) -> str:
    """Return the path of the page of a capture."""
    return f"/captures/{quote(bundle_id, safe='')}"


def _capture(request: Request) -> Response:
    return _page(request)


def _page(
    request: Request, problems: Sequence[tuple[str, str]] = (), given: dict[str, str] | None = None
) -> Response:
    context = context_of(request)
    bundle_id = request.path_params["bundle_id"]
    require_shown_capture(context, bundle_id)
    with context.services.index.reading() as view:
        kinds = view.source.index.sidecar_kinds([bundle_id]).get(bundle_id, ())
        annotations = view.state.annotations
        around = surroundings(view, bundle_id, is_trusted=context.services.is_trusted())
    found = context.services.capture_views.view(bundle_id, kinds, wait_s=_WAIT_S)
    if found is None:
        return respond(request, "capture_wait.html.j2", bundle_id=bundle_id)
    response = respond(
        request,
        "capture_view.html.j2",
        status_code=400 if problems else 200,
        **_values(request, context, found, around, annotations),
        problems=problems,
        given=given or {},
    )
    if context.displays.is_first(request.state.session, bundle_id):
        note = partial(context.services.note_access, bundle_id, DISPLAYING, tr("in the console"))
        response.background = BackgroundTask(note)
    return response


def _values(
    request: Request,
    context: WebContext,
    found: CaptureView,
    around: Surroundings,
    annotations: AnnotationState,
) -> dict[str, Any]:
    bundle_id, local = request.path_params["bundle_id"], LocalTime()
    recorded = annotations.capture(bundle_id)
    material = replace(
        found.material,
        annotations=recorded,
        copies=around.copies,
        lost_since=around.lost_since,
    )
    values = page_values(material, local)
    shown = (
        shown_picture(context, bundle_id, found, wait_s=_PICTURE_S)
        if material.picture_path
        else PictureResult(picture=None)
    )
    words = request.query_params.get("quote", "")[:_MAX_QUOTE].strip()
    places, quote_problem = _places(material.text, words)
    return values | {
        "around": around,
        "bundle_id": bundle_id,
        "case_options": _case_options(annotations, bundle_id),
        "decisions": selected.DECISIONS,
        "exports": selected.FORMS,
        "compare": {
            "earlier": path_with("/compare", {"a": around.earlier, "b": bundle_id}),
            "later": path_with("/compare", {"a": bundle_id, "b": around.later}),
        },
        "history": path_with("/addresses", {"identity": around.identity}),
        "is_graphic": Mark.GRAPHIC in recorded.marks,
        "key": new_key(request),
        "marked": list(marked_lines(material.text, places)) if words else None,
        "path": capture_path(bundle_id),
        "picture": shown.picture if shown is not None else None,
        "picture_problem": _picture_problem(shown),
        "places": len(places),
        "quote": words,
        "quote_problem": quote_problem,
        "recorded": recorded,
        "seen": cases.last_record(annotations, bundle_id=bundle_id),
        "sidecars": context.services.list_sidecars(bundle_id),
        "strip": [
            {
                "at": seen.began_at,
                "is_this": seen.bundle_id == bundle_id,
                "label": observation_label(seen),
                "url": capture_path(seen.bundle_id),
            }
            for seen in around.strip
        ],
        "view_age": view_age(request),
    }


def _picture_problem(shown: PictureResult | None) -> str:
    """Return why a page shows no picture; "" if the capture has none."""
    if shown is None:
        return tr("The picture is being prepared. Load the page again in a few seconds.")
    return sentence(shown.problem) if shown.problem else ""


def _places(text: str, words: str) -> tuple[tuple[tuple[int, int], ...], str]:
    """Return where the words are in a text, or why they cannot be searched."""
    if not words:
        return (), ""
    try:
        return text_places(text, words), ""
    except SnapshotterError as error:  # words without a letter
        return (), sentence(error.message)


def marked_lines(text: str, places: Sequence[tuple[int, int]]) -> Iterator[list[tuple[str, bool]]]:
    """
    Yield the lines of a text that are not empty, each as parts and whether they are marked.

    Args:
        places: Characters from and to, in order.
    """
    begin = 0
    for line in text.splitlines(keepends=True):
        end, at = begin + len(line), begin
        parts: list[tuple[str, bool]] = []
        for first, last in places:
            if first < end and last > begin:
                parts += [
                    (text[at : max(first, at)], False),
                    (text[max(first, at) : min(last, end)], True),
                ]
                at = min(last, end)
        parts.append((text[at:end], False))
        if line.strip():
            shown = ((part.strip("\r\n"), is_marked) for part, is_marked in parts)
            yield [(part, is_marked) for part, is_marked in shown if part]
        begin = end


def _case_options(annotations: AnnotationState, bundle_id: str) -> list[tuple[str, str]]:
    """Return the open cases without this capture."""
    return [
        (name, name)
        for name, case in sorted(annotations.cases.items())
        if case.closed is None and bundle_id not in case.captures
    ]


def _verify(request: Request, form: Form) -> Response:
    context = context_of(request)
    bundle_id = request.path_params["bundle_id"]
    require_shown_capture(context, bundle_id)
    with context.services.index.reading() as view:
        kinds = view.source.index.sidecar_kinds([bundle_id]).get(bundle_id, ())
    found = context.services.capture_views.view(bundle_id, kinds, is_new=True, wait_s=_WAIT_S)
    if found is not None:
        context.services.note_verified(bundle_id, found.material.report)
    return RedirectResponse(f"{capture_path(bundle_id)}#checks", 303)


def _record(request: Request, form: Form) -> Response:
    context, bundle_id = context_of(request), request.path_params["bundle_id"]
    require_shown_capture(context, bundle_id)
    action = request.path_params["action"]
    make, back = _ACTIONS.get(action), f"{capture_path(bundle_id)}#annotations"
    if make is None:
        raise NotFound(tr("there is no action {action}", action=action[:40]))
    with context.services.index.reading() as view:
        state = view.state.annotations
    try:
        arguments = make(form, (bundle_id,), state)
        if isinstance(arguments, AnnotateArguments) and action in _DECISIONS:
            arguments = for_seen_state(arguments, form, state)
    except (ValueError, SnapshotterError) as error:
        field = _FIELDS.get(action, "annotations")
        said = error.message if isinstance(error, SnapshotterError) else str(error)
        given = {name: form.text(name) for name in ("note", "reason", "tag", "why")}
        sent_before = answer_again(request, form, back=back)
        return sent_before or _page(request, [(field, sentence(said))], given)
    return request_task(request, arguments, form, back=back)


def _note(form: Form, bundle_ids: tuple[str, ...], state: AnnotationState) -> TaskArguments:
    text = form.text("note").strip()
    if not text:
        raise ValueError(tr("write a note"))
    if len(text) > MAX_TEXT:
        raise ValueError(tr("the note has more than {most} characters", most=MAX_TEXT))
    return AnnotateArguments(action=AnnotationAction.ADD_NOTE, bundle_ids=bundle_ids, text=text)


def _unmark(form: Form, bundle_ids: tuple[str, ...], state: AnnotationState) -> TaskArguments:
    return AnnotateArguments(
        action=AnnotationAction.UNMARK, bundle_ids=bundle_ids, name=Mark.GRAPHIC.value
    )


def _quarantine(form: Form, bundle_ids: tuple[str, ...], state: AnnotationState) -> TaskArguments:
    reason = form.text("why").strip()
    if not reason:
        raise ValueError(tr("give a reason for the quarantine"))
    return AnnotateArguments(action=AnnotationAction.QUARANTINE, bundle_ids=bundle_ids, text=reason)


# What a later decision of somebody else would undo or contradict.
_DECISIONS: Final = frozenset({"mark", "review", "unmark", "untag"})
_ACTIONS: Final = {
    **selected.ACTIONS,
    "note": _note,
    "quarantine": _quarantine,
    "unmark": _unmark,
}

routes = (
    Route("/captures/{bundle_id}", _capture),
    Route("/captures/{bundle_id}/verify", form_endpoint(_verify), methods=["POST"]),
    Route("/captures/{bundle_id}/record/{action}", form_endpoint(_record), methods=["POST"]),
)
