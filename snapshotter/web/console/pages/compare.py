"""Compare two captures of a page: the pictures with a slider, and the words."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.archive.comparison import PICTURES
from snapshotter.app.archive.confined.previews import PictureResult
from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.screens.address_history import address_history, neighbours
from snapshotter.app.archive.screens.capture_list import CaptureCard
from snapshotter.app.archive.screens.capture_views import CaptureView
from snapshotter.app.wiring.comparison import MadeComparison
from snapshotter.model.annotations import Mark
from snapshotter.model.comparison import ComparedCapture, Comparison
from snapshotter.model.finding import Verdict
from snapshotter.report import diff
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.captures import ADDRESSES
from snapshotter.web.console.pages.previews import (
    picture_path,
    require_shown,
    shown_capture,
    verified_picture,
)
from snapshotter.web.console.proof_tasks import proofs_of_captures
from snapshotter.web.console.task_requests import new_key
from snapshotter.web.console.templating import respond
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/compare"
_WAIT_S: Final = 3.0  # for a comparison that is not made yet
_PICTURE_S: Final = 2.0  # for a picture that is not made yet
_CHOICE: Final = 100  # captures that are offered


def _compare(request: Request) -> Response:
    context = context_of(request)
    first, second = (request.query_params.get(name, "").strip() for name in ("a", "b"))
    if not first and not second:
        raise HTTPException(400, tr("the request names no capture. Choose one in the list"))
    for bundle_id in filter(None, (first, second)):
        require_shown(context, bundle_id)
    if not first or not second or first == second:
        return _choose(request, context, first or second)
    earlier, later = sorted((first, second))
    if first != earlier:
        values = {"a": earlier, "b": later, "show": request.query_params.get("show", "")}
        return RedirectResponse(path_with(PATH, values), 303)
    with context.services.index.reading() as view:
        graphic = [_is_graphic(view, bundle_id) for bundle_id in (earlier, later)]
        around = neighbours(view, earlier), neighbours(view, later)
    shows = request.query_params.get("show") == "1" or not any(graphic)
    looks = [
        verified_picture(context, bundle_id, wait_s=_PICTURE_S) for bundle_id in (earlier, later)
    ]
    shots = [picture if shows else None for _, picture in looks]
    views = [verified for verified, _ in looks if verified is not None]
    try:
        made = _made(context, (earlier, later), views)
    except TimeoutError:
        return respond(request, "compare_waiting.html.j2", earlier=earlier, later=later)
    verified_at = min(view.verified_at for view in views) if len(views) == len(looks) else None
    return respond(
        request,
        "compare.html.j2",
        **diff.page_values(_as_verified(made.found, views), _copies(made, (earlier, later), shots)),
        around=around,
        checked_at=verified_at or made.made_at,
        earlier=earlier,
        history=path_with(ADDRESSES, {"identity": made.found.after.requested_url}),
        is_graphic=not shows,
        is_verified=verified_at is not None,
        is_waiting=verified_at is None or (shows and None in shots),
        later=later,
        key=new_key(request),
        made=made,
        proofs=proofs_of_captures(context, (earlier, later)),
        show_path=path_with(PATH, {"a": earlier, "b": later, "show": "1"}),
    )


def _made(
    context: WebContext, pair: tuple[str, str], views: Sequence[CaptureView]
) -> MadeComparison:
    """
    Return the comparison of the bundles as they were just verified. Raises TimeoutError.

    A comparison is kept for days. If the store has other bytes since, it is made again, and then
    it is refused.
    """
    comparisons = context.services.comparisons
    made = comparisons.comparison(*pair, timeout_s=_WAIT_S)
    sides = {side.bundle_id: side.sha256 for side in (made.found.before, made.found.after)}
    if any(view.material.report.sha256 != sides.get(view.material.name) for view in views):
        comparisons.remove(*pair)
        made = comparisons.comparison(*pair, timeout_s=_WAIT_S)
    return made


def _as_verified(found: Comparison, views: Sequence[CaptureView]) -> Comparison:
    """Return a comparison with the results of the newest verifications."""
    reports = {view.material.name: view.material.report for view in views}

    def newest(side: ComparedCapture) -> ComparedCapture:
        report = reports.get(side.bundle_id)
        if report is None:
            return side
        codes = tuple(report.codes(Verdict.FAILED, Verdict.INDETERMINATE))
        return replace(side, verification=report.verdict.value, codes=codes)

    return replace(found, before=newest(found.before), after=newest(found.after))


def _verify(request: Request, form: Form) -> Response:
    """Verify both bundles now, whatever is known."""
    context = context_of(request)
    pair = form.text("a"), form.text("b")
    shown = [shown_capture(context, bundle_id) for bundle_id in pair]
    for capture in shown:
        view = context.services.capture_views.view(
            capture.bundle_id, capture.kinds, is_new=True, wait_s=_WAIT_S
        )
        if view is not None:
            context.services.note_verified(capture.bundle_id, view.material.report)
    return RedirectResponse(path_with(PATH, {"a": pair[0], "b": pair[1]}), 303)


def _choose(request: Request, context: WebContext, bundle_id: str) -> Response:
    """Offer the other captures of the page of one capture."""
    with context.services.index.reading() as view:
        identity = neighbours(view, bundle_id).identity
        if not identity:
            raise NotFound(tr("the capture {bundle_id} names no page", bundle_id=bundle_id))
        found = address_history(view, identity, limit=_CHOICE)
    others: list[CaptureCard] = [
        capture.card for capture in found.captures if capture.card.bundle_id != bundle_id
    ]
    return respond(
        request,
        "compare_choice.html.j2",
        bundle_id=bundle_id,
        found=found,
        history=path_with(ADDRESSES, {"identity": identity}),
        others=others,
    )


def _copies(
    made: MadeComparison,
    pair: tuple[str, str],
    shots: list[PictureResult | None],
) -> Mapping[str, tuple[Any, Any]]:
    """
    Return the pictures of both captures, by what they show.

    The whole page and a first view have other measures, so they are not shown as one pair.
    """
    found: dict[str, list[Any]] = {}
    for number, (bundle_id, shot) in enumerate(zip(pair, shots, strict=True)):
        if shot is None or shot.picture is None or shot.kind is None:
            continue
        copy = {
            "width": shot.picture.width,
            "height": shot.picture.height,
            "cut": shot.picture.is_cut,
            "pieces": [
                {
                    "url": picture_path(bundle_id, index),
                    "top": piece.top,
                    "width": piece.width,
                    "height": piece.height,
                }
                for index, piece in enumerate(shot.picture.pieces)
            ],
        }
        found.setdefault(PICTURES[shot.kind], [None, None])[number] = copy
    return {name: (pictures[0], pictures[1]) for name, pictures in found.items()}


def _is_graphic(view: ArchiveView, bundle_id: str) -> bool:
    return Mark.GRAPHIC in view.state.annotations.capture(bundle_id).marks


routes = (
    Route(PATH, _compare, methods=["GET"]),
    Route(f"{PATH}/verify", form_endpoint(_verify), methods=["POST"]),
)
