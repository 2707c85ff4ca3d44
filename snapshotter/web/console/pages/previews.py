"""
Send thumbnails and pieces of pictures, which we have decoded and encoded again.

A request waits for a preview that is not made yet without occupying a thread. A thumbnail is of the
bundle whose manifest the index names, and a piece of a picture is of the files that this process
verified. The address of a
thumbnail of a capture that is marked as graphic leads to the blurred one, unless it says `clear`.
"""

import asyncio
import hashlib
from concurrent.futures import Future
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.confined.previews import BLURRED, CLEAR, PICTURE, PictureResult
from snapshotter.app.archive.screens.capture_views import CaptureView
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotations import Mark
from snapshotter.report.thumbnails import HEIGHT, WIDTH
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound

_WAIT_S: Final = 25.0  # for a preview that is being made
_DIGITS: Final = 6  # of the number of a piece
_KEPT: Final = "private, no-cache"  # a browser keeps it, and asks whether it may show it
_T = TypeVar("_T")
_TILE: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">'
    '<rect width="100%" height="100%" fill="#8b919c" fill-opacity=".16"/>'
    '<text x="50%" y="50%" text-anchor="middle" dominant-baseline="middle" fill="#7a808c" '
    'font-family="system-ui, sans-serif" font-size="16">{word}</text></svg>'
)


def thumbnail_path(bundle_id: str) -> str:
    """Return the path of the thumbnail of a capture."""
    return f"/captures/{bundle_id}/thumbnail.webp"


def picture_path(bundle_id: str, number: int) -> str:
    """Return the path of a piece of the picture of a capture; pieces are numbered from 0."""
    return f"/captures/{bundle_id}/picture/{number}"


async def _thumbnail(request: Request) -> Response:
    context, bundle_id = context_of(request), request.path_params["bundle_id"]
    shown = await run_in_threadpool(shown_capture, context, bundle_id)
    is_blurred = shown.is_graphic and request.query_params.get("clear") != "1"
    name = BLURRED if is_blurred else CLEAR
    previews = context.services.previews
    data = previews.kept_thumbnail(bundle_id, shown.manifest, is_blurred=is_blurred)
    if data is None:
        try:
            problem = await _awaited(previews.begin(bundle_id, name, shown.manifest))
        except TimeoutError:
            return _tile(tr("In preparation"))
        data = previews.kept_thumbnail(bundle_id, shown.manifest, is_blurred=is_blurred)
        if data is None:
            return _tile(tr("No preview") if problem else tr("In preparation"))
    return _picture_response(request, data, "image/webp")


async def _piece(request: Request) -> Response:
    context, bundle_id = context_of(request), request.path_params["bundle_id"]
    number = _piece_number(request.path_params["number"])
    shown = await run_in_threadpool(shown_capture, context, bundle_id)
    previews = context.services.previews
    try:
        verified = await _awaited(
            await run_in_threadpool(context.services.capture_views.begin, bundle_id, shown.kinds)
        )
        given = bundle_id, verified.file_digests
        found = (await run_in_threadpool(previews.kept_picture, *given)).picture
        problem = ""
        if found is None:
            problem = await _awaited(previews.begin(bundle_id, PICTURE))
            found = (await run_in_threadpool(previews.kept_picture, *given)).picture
    except TimeoutError as error:
        raise HTTPException(503, tr("the picture is being prepared")) from error
    if found is None:
        raise NotFound(problem or tr("the picture does not belong to the verified bundle"))
    if number >= len(found.pieces):
        raise NotFound(tr("the picture has {count} pieces", count=len(found.pieces)))
    return _picture_response(request, found.pieces[number].data, "image/jpeg")


def _piece_number(text: str) -> int:
    """Return the number of a piece. Raises NotFound: it is none that a picture can have."""
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise NotFound(tr("the picture has no such piece"))
    return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCapture:
    """A capture that may be shown."""

    bundle_id: str
    is_graphic: bool  # it is marked as graphic
    kinds: tuple[str, ...]  # of its sidecars
    manifest: str  # SHA-256 of its manifest, as the index of the store saw it; "" if not known


def require_shown(context: WebContext, bundle_id: str) -> bool:
    """Return whether a capture is marked as graphic; as `shown_capture`."""
    return shown_capture(context, bundle_id).is_graphic


def shown_capture(context: WebContext, bundle_id: str) -> ShownCapture:
    """
    Return a capture that may be shown, by the index.

    Raises:
        NotFound: The store has no such capture.
        HTTPException: It is in quarantine.
    """
    try:
        store_keys.bundle_time(bundle_id)
    except ValueError as error:  # also the form of an id, of a day that does not exist
        raise NotFound(tr("there is no such capture")) from error
    with context.services.index.reading() as view:
        if view.source.index.row(bundle_id) is None:
            raise NotFound(tr("the store has no capture {bundle_id}", bundle_id=bundle_id))
        kinds = view.source.index.sidecar_kinds([bundle_id]).get(bundle_id, ())
        if view.is_quarantined(bundle_id, kinds):
            raise HTTPException(
                403, tr("the capture {bundle_id} is in quarantine", bundle_id=bundle_id)
            )
        return ShownCapture(
            bundle_id=bundle_id,
            is_graphic=Mark.GRAPHIC in view.state.annotations.capture(bundle_id).marks,
            kinds=kinds,
            manifest=view.source.index.manifest_digests([bundle_id]).get(bundle_id, ""),
        )


async def _awaited(begun: "Future[_T]") -> _T:
    """Return what a thread makes, without occupying another one. Raises TimeoutError."""
    future = asyncio.wrap_future(begun)
    try:
        return await asyncio.wait_for(asyncio.shield(future), _WAIT_S)
    except asyncio.CancelledError:
        if future.cancelled():  # the server ends
            raise HTTPException(503, tr("the console is ending")) from None
        raise


def _picture_response(request: Request, data: bytes, media_type: str) -> Response:
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"cache-control": _KEPT, "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)


def _tile(word: str) -> Response:
    """Return a neutral picture with a word, which no browser keeps."""
    return Response(_TILE.format(word=word), media_type="image/svg+xml")


def verified_picture(
    context: WebContext, bundle_id: str, *, wait_s: float
) -> tuple[CaptureView | None, PictureResult | None]:
    """
    Return what a verification showed of a capture, and its picture, which is of these files.

    Args:
        wait_s: Seconds to wait for the verification, and for the picture.

    Returns:
        None for what is still being made.

    Raises:
        As `shown_capture`. OSError, SnapshotterError: The store does not have the bundle, or does
        not answer.
    """
    shown = shown_capture(context, bundle_id)
    verified = context.services.capture_views.view(bundle_id, shown.kinds, wait_s=wait_s)
    if verified is None:
        return None, None
    return verified, shown_picture(context, bundle_id, verified, wait_s=wait_s)


def shown_picture(
    context: WebContext, bundle_id: str, verified: CaptureView, *, wait_s: float
) -> PictureResult | None:
    """
    Return the picture of a verified capture for a page; None while it is being made.

    Args:
        wait_s: Seconds to wait for a picture that is not made yet.
    """
    try:
        return context.services.previews.picture(bundle_id, verified.file_digests, timeout_s=wait_s)
    except TimeoutError:
        return None


routes = (
    Route("/captures/{bundle_id}/thumbnail.webp", _thumbnail),
    Route("/captures/{bundle_id}/picture/{number}", _piece),
)
