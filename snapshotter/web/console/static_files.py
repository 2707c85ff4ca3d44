"""
Serve the style sheet and the script of the console.

Their address has the digest of their content, so a browser may keep them for ever, and never uses
the files of an earlier version. The style sheet and the script begin with those of the reports.
"""

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.report import html
from snapshotter.translation import tr

_FOLDER: Final = "static"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_STYLE: Final = "console.css"
_SCRIPT: Final = "console.js"
# Style sheets of the reports, whose components the console has too.
_REPORT_STYLES: Final = ("base.css", "day.css", "capture.css", "diff.css")
_REPORT_SCRIPT: Final = "diff.js"
_FOREVER: Final = "public, max-age=31536000, immutable"


@cache
def _files() -> dict[str, bytes]:
    folder = resources.files("snapshotter.web.console") / _FOLDER
    found = {
        file.name: file.read_bytes() for file in folder.iterdir() if _type(file.name) is not None
    }
    found[_STYLE] = html.joined(_REPORT_STYLES).encode() + found[_STYLE]
    found[_SCRIPT] = html.source(_REPORT_SCRIPT).encode() + found[_SCRIPT]
    return found


@cache
def _digest() -> str:
    state = hashlib.sha256()
    for name, data in sorted(_files().items()):
        state.update(f"{name} {len(data)}\n".encode() + data)
    return state.hexdigest()[:16]


def static_path(name: str) -> str:
    """Return the path of a static file. Raises KeyError: there is no such file."""
    _files()[name]
    return f"/static/{_digest()}/{name}"


def _type(name: str) -> str | None:
    return next((kind for end, kind in _TYPES.items() if name.endswith(end)), None)


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    data, kind = _files().get(name), _type(name)
    if data is None or kind is None or request.path_params["digest"] != _digest():
        raise HTTPException(404, tr("this file does not exist in this version of the console"))
    return Response(data, media_type=kind, headers={"cache-control": _FOREVER})


routes = (Route("/static/{digest}/{name}", _static),)
