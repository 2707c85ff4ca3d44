"""Compare two captures of a page: the pictures with a slider, and the words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.archive.address_history import address_history, neighbours
from snapshotter.app.archive.capture_list import CaptureCard
from snapshotter.app.archive.comparison import PICTURES
from snapshotter.app.archive.index_service import ArchiveView
from snapshotter.app.archive.previews import PictureResult
from snapshotter.app.wiring.comparison import MadeComparison
from snapshotter.model.annotations import Mark
from snapshotter.report import diff
from snapshotter.translation import tr
from snapshotter.web.console.links import path_with
from snapshotter.web.console.pages.captures import ADDRESSES
from snapshotter.web.console.pages.previews import picture_path, require_shown, shown_picture
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
        kinds = view.source.index.sidecar_kinds([earlier, later])
    try:
        made = context.services.comparisons.comparison(earlier, later, timeout_s=_WAIT_S)
    except TimeoutError:
        return respond(request, "compare_waiting.html.j2", earlier=earlier, later=later)
    shows = request.query_params.get("show") == "1" or not any(graphic)
    shots = [
        _picture(context, bundle_id, kinds.get(bundle_id, ())) if shows else None
        for bundle_id in (earlier, later)
    ]
    return respond(
        request,
        "compare.html.j2",
        **diff.page_values(made.found, _copies(made, (earlier, later), shots)),
        around=around,
        earlier=earlier,
        history=path_with(ADDRESSES, {"identity": made.found.after.requested_url}),
        is_graphic=not shows,
        is_waiting=shows and None in shots,
        later=later,
        key=new_key(request),
        made=made,
        proofs=proofs_of_captures(context, (earlier, later)),
        show_path=path_with(PATH, {"a": earlier, "b": later, "show": "1"}),
    )


def _picture(context: WebContext, bundle_id: str, kinds: Sequence[str]) -> PictureResult | None:
    """Return the picture of a capture that was verified; None while it is being made."""
    verified = context.services.capture_views.view(bundle_id, kinds, wait_s=_PICTURE_S)
    if verified is None:
        return None
    return shown_picture(context, bundle_id, wait_s=_PICTURE_S, digests=verified.file_digests)


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


routes = (Route(PATH, _compare),)
