"""Find captures of the store, show what they state, and compare two of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response

from snapshotter.app.archive.bundle_overview import stored_overview
from snapshotter.app.archive.exports.downloads import list_downloads
from snapshotter.app.archive.known_copies import known_copies
from snapshotter.app.archive.lookup import search
from snapshotter.app.archive.screens.capture_list import CaptureFilters
from snapshotter.app.json_objects.bundles import found_json, overview_json
from snapshotter.app.json_objects.comparisons import comparison_json
from snapshotter.app.wiring import store as wiring_store
from snapshotter.formats.bundle import store_keys
from snapshotter.model.custody import DISPLAYING
from snapshotter.translation import tr
from snapshotter.web.api.dependencies import Context, Limit, reading_archive
from snapshotter.web.api.machine_paths import capture_address
from snapshotter.web.api.models.captures import (
    BundleFiles,
    BundleMember,
    Capture,
    CaptureList,
    Comparison,
)
from snapshotter.web.api.models.common import BUNDLE_ID, BundleId
from snapshotter.web.api.problem import not_found
from snapshotter.web.files import (
    require_shown_capture,
    send_bundle,
    send_file,
    send_sidecar,
)

router = APIRouter(tags=["captures"])
_DOWNLOAD: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}}
}


@router.get("/captures")
def list_captures(
    context: Context,
    q: Annotated[
        str,
        Query(
            max_length=2_000, description="Words and filters (docs/reference/search.md)"
        ),
    ] = "",
    host: Annotated[str, Query(max_length=255)] = "",
    verdict: Annotated[
        Literal[
            "", "content", "notice", "wall", "shell", "blank", "error", "partial", "available",
            "unavailable", "inconclusive",
        ],
        Query(),
    ] = "",
    outcome: Annotated[Literal["", "complete", "partial", "failed"], Query()] = "",
    case: Annotated[str, Query(max_length=64)] = "",
    tag: Annotated[str, Query(max_length=64)] = "",
    since: Annotated[
        datetime | None, Query(description="Captures that began at this time or later.")
    ] = None,
    until: Annotated[
        datetime | None, Query(description="Captures that began before this time.")
    ] = None,
    cursor: Annotated[
        str | None, Query(pattern=BUNDLE_ID, description="`next` of the page before.")
    ] = None,
    limit: Limit = 50,
) -> CaptureList:  # fmt: skip
    """
    List captures, the newest first: all, or those that match words and filters.

    The list shows what the bundles state. Captures in quarantine are left out.
    """
    filters = CaptureFilters(
        words=q, host=host, verdict=verdict, outcome=outcome, case=case, tag=tag,
        since=_aware(since), until=_aware(until),
    )  # fmt: skip
    query = filters.query()
    with reading_archive(context) as view:
        found = search.find(
            view.source,
            query,
            view.state.annotations,
            view.is_hidden,
            limit=limit,
            before=cursor or "",
        )
    return CaptureList.model_validate(
        {
            "annotation_problems": list(view.state.annotation_problems),
            "captures": [found_json(capture) for capture in found.captures],
            "cut": found.cut,
            "next": found.next or None,
            "searched_until": found.searched_until or None,
        }
    )


@router.get("/captures/{bundle_id}")
def show_capture(context: Context, bundle_id: BundleId) -> Capture:
    """
    Show the record of a capture, what it shows, and captures with nearly the same text.

    The access is recorded in the custody chain of the bundle.
    """
    services = context.services
    require_bundle(context, bundle_id)
    require_shown_capture(context, bundle_id)
    is_trusted = services.is_trusted()
    overview = stored_overview(services.store, bundle_id, is_trusted)
    with reading_archive(context) as view:
        copies = known_copies(
            services.store,
            view.source.index,
            bundle_id,
            is_trusted=is_trusted,
            quarantined_ids=view.state.quarantined,
        )
    wiring_store.note_access(
        context.settings, services.store, bundle_id, DISPLAYING, show_message=_say_nothing
    )
    return Capture.model_validate(overview_json(overview, copies))


@router.get("/captures/{bundle_id}/files")
def list_files(context: Context, bundle_id: BundleId) -> BundleFiles:
    """List the files of a bundle and its sidecars, with the addresses of their downloads."""
    require_bundle(context, bundle_id)
    require_shown_capture(context, bundle_id)
    address = capture_address(bundle_id)
    found = list_downloads(context.services.store, bundle_id)
    return BundleFiles(
        bundle=f"{address}/bundle",
        bundle_id=bundle_id,
        files=[
            BundleMember(address=f"{address}/files/{quote(name)}", bytes=length, path=name)
            for name, length in found.files.items()
        ],
        sidecars=[f"{address}/sidecars/{quote(kind)}" for kind in found.sidecars],
    )


@router.get("/captures/{bundle_id}/bundle", response_class=Response, responses=_DOWNLOAD)
def download_bundle(request: Request, context: Context, bundle_id: BundleId) -> Response:
    """Download a bundle. The export is recorded in the custody chain of the bundle."""
    return send_bundle(request, context, bundle_id)


@router.get("/captures/{bundle_id}/files/{path:path}", response_class=Response, responses=_DOWNLOAD)
def download_file(
    request: Request,
    context: Context,
    bundle_id: BundleId,
    path: Annotated[str, Path(max_length=1_000)],
) -> Response:
    """
    Download one file of a bundle, as the server of the page or the browser made it.

    No browser shows it as a page of the console.
    """
    return send_file(request, context, bundle_id, path)


@router.get("/captures/{bundle_id}/sidecars/{kind}", response_class=Response, responses=_DOWNLOAD)
def download_sidecar(
    request: Request,
    context: Context,
    bundle_id: BundleId,
    kind: Annotated[str, Path(max_length=100)],
) -> Response:
    """Download a sidecar of a bundle: a log proof, a late timestamp token, a custody event."""
    return send_sidecar(request, context, bundle_id, kind)


@router.get("/comparisons")
def compare_captures(
    context: Context,
    a: Annotated[str, Query(pattern=BUNDLE_ID, description="The id of one bundle.")],
    b: Annotated[str, Query(pattern=BUNDLE_ID, description="The id of the other bundle.")],
    main_only: Annotated[
        bool, Query(description="Only changes of the main region of the page.")
    ] = False,
) -> Comparison:
    """
    Compare two captures of a page, the earlier with the later one. Both bundles are verified.
    """
    for bundle_id in (a, b):
        require_bundle(context, bundle_id)
    found = context.services.comparisons.compare(a, b)
    return Comparison.model_validate(comparison_json(found, main_only=main_only))


def require_bundle(context: Context, bundle_id: str) -> None:
    """Raise Problem if the store has no bundle of this id."""
    try:
        key = store_keys.bundle_key(bundle_id)
    except ValueError as error:  # no such second
        raise _no_bundle(bundle_id) from error
    if not any(found.key == key for found in context.services.store.list(key)):
        raise _no_bundle(bundle_id)


def _no_bundle(bundle_id: str) -> Exception:
    return not_found(tr("the store has no bundle {bundle_id}", bundle_id=bundle_id))


def _aware(at: datetime | None) -> datetime | None:
    """Return a time with a zone: UTC if the client gave none."""
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def _say_nothing(_: str) -> None:
    """Drop the message about a custody event that could not be written: stores may be read-only."""
