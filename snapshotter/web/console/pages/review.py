"""
Review the captures that need a review: one at a time, the most urgent first, with keys.

Each decision is recorded at once. The list is found at the same place when the page is left.
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.confined.previews import PictureResult
from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.organising.review_list import REASON_WORDS, ReviewItem, ReviewReason
from snapshotter.app.archive.screens.capture_list import find_card
from snapshotter.app.archive.screens.review_queue import ReviewEntry, item_of, observation_of
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.sentences import capitalized, describe_observation
from snapshotter.model.takedown import Observation
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.previews import picture_path, verified_picture
from snapshotter.web.console.pages.selected import review_arguments
from snapshotter.web.console.seen_state import for_seen_state
from snapshotter.web.console.task_requests import answer_again, new_key, request_task
from snapshotter.web.console.templating import respond, sentence
from snapshotter.web.console.view_age import view_age
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/review"
_MOST_PIECES: Final = 6  # of a tall picture
_PICTURE_S: Final = 1.5  # for a verification or a picture that is not made yet
_LISTED: Final = 20  # captures below the one that is shown
BUTTONS: Final = (
    (ReviewDecision.ACCEPTED, tr("Accept"), "a", "primary"),
    (ReviewDecision.REJECTED, tr("Reject"), "r", ""),
    (ReviewDecision.NEEDS_WORK, tr("Needs work"), "w", ""),
)


def _review(request: Request) -> Response:
    return _page(
        request,
        at=_number(request.query_params.get("at", "")),
        bundle_id=request.query_params.get("id", ""),
        shows_decided="decided" in request.query_params,
    )


def _page(
    request: Request,
    *,
    at: int,
    bundle_id: str = "",
    shows_decided: bool = False,
    reason: str = "",
    error: str = "",
) -> Response:
    context = context_of(request)
    with context.services.index.reading() as view:
        known = context.services.review.entries(view, decided=shows_decided)
        entries = known or ()
        position = _position(view, entries, at, bundle_id)
        item = item_of(view, entries[position]) if entries else None
        card = find_card(view, item.observation.bundle_id) if item is not None else None
        last_seen = _last_seen(item) if item is not None else ""
        seen = (
            cases.last_record(view.state.annotations, bundle_id=item.observation.bundle_id)
            if item is not None
            else 0
        )
        listed = [
            (entry, observation)
            for entry in entries[position + 1 : position + 1 + _LISTED]
            if find_card(view, entry.bundle_id) is not None
            and (observation := observation_of(view, entry)) is not None
        ]
    base = {"decided": "yes"} if shows_decided else {}
    picture = _picture(context, card.bundle_id) if card is not None else None
    return respond(
        request,
        "review.html.j2",
        status_code=422 if error else 200,
        buttons=BUTTONS,
        card=card,
        count=len(entries),
        error=error,
        item=item,
        key=new_key(request),
        last_seen=last_seen,
        is_prepared=known is not None,
        listed=[
            (
                path_with(PATH, base, id=entry.bundle_id),
                observation,
                reason_words(entry.reasons, observation),
            )
            for entry, observation in listed
        ],
        next=path_with(PATH, base, at=str((position + 1) % len(entries))) if entries else "",
        picture_problem=picture.problem if picture is not None else "",
        pieces=_pieces(card.bundle_id if card else "", picture),
        position=position,
        reason=reason,
        reasons=reason_words(item.reasons, item.observation) if item is not None else (),
        seen=seen,
        shows_decided=shows_decided,
        view_age=view_age(request),
    )


def _decide(request: Request, form: Form) -> Response:
    bundle_id, reason = form.text("id"), form.text("reason")
    at, shows_decided = _number(form.text("at")), bool(form.text("decided"))
    if not store_keys.is_id(bundle_id):
        raise NotFound(tr("there is no such capture"))
    decision = form.text("decision")
    # A capture that is settled leaves the list, so that the next one has its place.
    stays = shows_decided or decision == ReviewDecision.NEEDS_WORK
    base = {"decided": "yes"} if shows_decided else {}
    back = path_with(PATH, base, at=str(at + 1 if stays else at))
    try:
        arguments = review_arguments(decision, (bundle_id,), reason)
        with context_of(request).services.index.reading() as view:
            arguments = for_seen_state(arguments, form, view.state.annotations)
    except ServiceUnavailable:
        raise
    except (ValueError, SnapshotterError) as error:
        said = error.message if isinstance(error, SnapshotterError) else str(error)
        return answer_again(request, form, back=back) or _page(
            request, at=at, bundle_id=bundle_id, shows_decided=shows_decided, reason=reason,
            error=sentence(said),
        )  # fmt: skip
    return request_task(request, arguments, form, back=back)


def _position(view: ArchiveView, entries: tuple[ReviewEntry, ...], at: int, bundle_id: str) -> int:
    """Return the place in the list of the capture that is named, or the place that is named."""
    for number, entry in enumerate(entries):
        if entry.bundle_id == bundle_id and find_card(view, bundle_id) is not None:
            return number
    # Some captures are hidden by a notice that the list does not know.
    for number in range(at if at < len(entries) else 0, len(entries)):
        if find_card(view, entries[number].bundle_id) is not None:
            return number
    return 0


def reason_words(reasons: tuple[ReviewReason, ...], observation: Observation) -> list[str]:
    """Return why a capture needs a review, as phrases."""
    return [
        capitalized(
            describe_observation(observation)
            if reason is ReviewReason.REMOVED
            else REASON_WORDS[reason]
        )
        for reason in reasons
    ]


def _last_seen(item: ReviewItem) -> str:
    """Return the id of the last capture that shows the page; "" for none that may be shown."""
    seen = item.removal.shown_last if item.removal is not None else None
    return seen.bundle_id if seen is not None else ""


def _picture(context: WebContext, bundle_id: str) -> PictureResult | None:
    """Return the picture of a capture; None while it is being made."""
    try:
        return verified_picture(context, bundle_id, wait_s=_PICTURE_S)[1]
    except (OSError, SnapshotterError) as error:  # the capture can be decided without its picture
        message = error.message if isinstance(error, SnapshotterError) else str(error)
        return PictureResult(picture=None, problem=message)


def _pieces(
    bundle_id: str, result: PictureResult | None
) -> list[tuple[str, int | None, int | None]]:
    """Return the pieces of the picture: path, width and height in CSS pixels, if they are known."""
    if result is None:  # the address of the first piece answers when the picture is made
        return [(picture_path(bundle_id, 0), None, None)] if bundle_id else []
    if result.picture is None:
        return []
    return [
        (picture_path(bundle_id, number), piece.width, piece.height)
        for number, piece in enumerate(result.picture.pieces[:_MOST_PIECES])
    ]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


routes = (
    Route(PATH, _review, methods=["GET"]),
    Route(PATH, form_endpoint(_decide), methods=["POST"]),
)
