"""
Send files of the store as downloads that no browser opens as a page of the console.

A sealed file is what a stranger's server sent: it may be a page with scripts. It is sent as an
attachment of no particular type, and the policy `sandbox` would give it an origin of its own if a
browser showed it all the same.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from snapshotter.app.archive.exports.downloads import (
    Download,
    open_bundle,
    open_file,
    open_sidecar,
    require_shown,
)
from snapshotter.model.custody import EXPORTING
from snapshotter.translation import tr
from snapshotter.web.context import WebContext, context_of

DOWNLOAD_HEADERS: Final = {
    "content-security-policy": "sandbox; default-src 'none'",
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
}
_MAX_NAME: Final = 150  # characters of a file name
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]")
# Controls, what turns text around, half of a pair, separators of lines; and what paths are made of.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNSAFE: Final = frozenset('/\\:*?"<>|%')


def send_bundle(request: Request, context: WebContext, bundle_id: str) -> Response:
    """Return a bundle as a download. Raises as `open_bundle` and `require_shown`."""
    return _send(
        request, context, bundle_id, "", lambda: open_bundle(context.services.store, bundle_id)
    )


def send_file(request: Request, context: WebContext, bundle_id: str, path: str) -> Response:
    """Return one file of a bundle as a download. Raises as `open_file` and `require_shown`."""
    return _send(
        request,
        context,
        bundle_id,
        path,
        lambda: open_file(context.services.store, bundle_id, path),
    )


def send_sidecar(request: Request, context: WebContext, bundle_id: str, kind: str) -> Response:
    """Return a sidecar as a download. Raises as `open_sidecar` and `require_shown`."""
    return _send(
        request,
        context,
        bundle_id,
        kind,
        lambda: open_sidecar(context.services.store, bundle_id, kind),
    )


def disposition(name: str) -> str:
    """
    Return the header Content-Disposition of an attachment (RFC 6266, RFC 8187).

    Args:
        name: Of the file, as anybody may have chosen it.
    """
    normal = unicodedata.normalize("NFC", name)
    safe = "".join("_" if _is_unsafe(character) else character for character in normal)
    safe = safe.strip(". ")[-_MAX_NAME:].lstrip(". ") or "file"
    plain = _NOT_PLAIN.sub("_", safe)
    header = f'attachment; filename="{plain}"'
    return header if plain == safe else f"{header}; filename*=UTF-8''{quote(safe, safe='')}"


def download_response(request: Request, download: Download) -> Response:
    """Return a file as a download; of a request HEAD only the headers."""
    headers = {
        **DOWNLOAD_HEADERS,
        "content-disposition": disposition(download.name),
        "content-length": str(download.length),
    }
    if request.method == "HEAD":
        download.close()
        return Response(headers=headers)
    return StreamingResponse(download.chunks(), headers=headers)


def require_shown_capture(context: WebContext, bundle_id: str) -> None:
    """Return if a capture may be shown. Raises as `require_shown`."""
    state = context.services.index.state
    require_shown(
        context.services.store,
        bundle_id,
        context.services.is_trusted(),
        state.quarantined if state is not None else frozenset(),
    )


def _send(
    request: Request,
    context: WebContext,
    bundle_id: str,
    detail: str,
    opener: Callable[[], Download],
) -> Response:
    require_shown_capture(context, bundle_id)
    download = opener()
    if request.method != "HEAD":
        said = tr("{file} in the console", file=detail[:200]) if detail else tr("in the console")
        context.services.note_access(bundle_id, EXPORTING, said)
    return download_response(request, download)


def _is_unsafe(character: str) -> bool:
    return character in _UNSAFE or unicodedata.category(character) in _UNSAFE_CATEGORIES


def _bundle(request: Request) -> Response:
    return send_bundle(request, context_of(request), request.path_params["bundle_id"])


def _file(request: Request) -> Response:
    parameters = request.path_params
    return send_file(request, context_of(request), parameters["bundle_id"], parameters["path"])


def _sidecar(request: Request) -> Response:
    parameters = request.path_params
    return send_sidecar(request, context_of(request), parameters["bundle_id"], parameters["kind"])


routes = (
    Route("/captures/{bundle_id}/bundle", _bundle),
    Route("/captures/{bundle_id}/files/{path:path}", _file),
    Route("/captures/{bundle_id}/sidecars/{kind}", _sidecar),
)
