"""
Answer errors with a page that states what happened, to which object, and what to do next.

Clients of the API get the same as problem details (RFC 9457).
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from snapshotter.app.archive.exports.downloads import ObjectMissing
from snapshotter.app.archive.lookup.index_service import IndexNotReady
from snapshotter.errors import PolicyRefused, ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr
from snapshotter.web.api.problem import MEDIA_TYPE, Problem, encode_problem
from snapshotter.web.console.templating import render_bare_page, render_page
from snapshotter.web.disk_errors import disk_problem
from snapshotter.web.security.headers import SECURITY_HEADERS

_API: Final = "/api/"
_TITLES: Final[Mapping[int, str]] = {
    400: tr("The request is invalid"),
    401: tr("You are not logged in"),
    403: tr("The request is not permitted"),
    404: tr("The page does not exist"),
    405: tr("The address does not accept this kind of request"),
    408: tr("The request took too long"),
    409: tr("The request could not be completed"),
    413: tr("The request is too long"),
    431: tr("The request is too long"),
    500: tr("The console has a fault"),
    503: tr("A service does not answer"),
}


class NotFound(HTTPException):
    """
    What an address names does not exist.

    Args:
        what: The sentence about the object, with its name.
    """

    def __init__(self, what: str) -> None:
        super().__init__(404, what)


def error_response(
    scope: Scope, status: int, what: str, next_step: str = "", *, page: Request | None = None
) -> Response:
    """
    Return the answer to a request that failed.

    Args:
        what: What happened, to which object.
        next_step: What to do, with each command on a line of its own; "" for nothing.
        page: The request, if it belongs to a person who is logged in; None shows no navigation.
    """
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    if scope["path"].startswith(_API):
        return Response(encode_problem(status, what, hint=next_step), status, media_type=MEDIA_TYPE)
    values: dict[str, Any] = {
        "title": title,
        "status": status,
        "what": what,
        "next_step": next_step,
    }
    text = (
        render_bare_page("error.html.j2", **values)
        if page is None
        else render_page(page, "error.html.j2", **values)
    )
    return Response(text, status, media_type="text/html")


def log_in_response(scope: Scope, what: str = "") -> Response:
    """Return the answer to a request without a session: how to log in."""
    if scope["path"].startswith(_API):
        return _unknown_client(scope, what)
    text = render_bare_page("login.html.j2", title=_TITLES[401], what=what, is_done=False)
    return Response(text, 401, media_type="text/html")


def _unknown_client(scope: Scope, what: str) -> Response:
    """Return the answer of the API to a request without a session."""
    problem = Problem(
        "not-logged-in",
        what or tr("this request has no session"),
        hint=tr(
            "open a log-in link of `snapshotter serve`, and send its cookie: docs/howto/api.md"
        ),
    )
    if any(name == b"authorization" for name, _ in scope["headers"]):
        problem = Problem(
            "tokens-not-supported",
            tr("this release accepts no tokens in the header Authorization"),
            hint=tr("send the cookie of a session: docs/howto/api.md"),
        )
    return Response(problem.encoded(), problem.kind.status, media_type=MEDIA_TYPE)


def status_of(error: SnapshotterError) -> int:
    """Return the HTTP status for an expected error."""
    if isinstance(error, PolicyRefused):
        return 403
    if isinstance(error, ObjectMissing):
        return 404
    return 503 if isinstance(error, ServiceUnavailable) else 409


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(type(error).__name__)
    standard = error.detail == HTTPStatus(error.status_code).phrase
    what = _STANDARD.get(error.status_code, error.detail) if standard else error.detail
    response = error_response(request.scope, error.status_code, what, page=_page_of(request))
    response.headers.update(error.headers or {})
    return response


async def _expected_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, SnapshotterError):
        raise TypeError(type(error).__name__)
    page = _page_of(request)
    if isinstance(error, IndexNotReady) and page is not None and _is_page(request):
        text = render_page(page, "index_wait.html.j2", read=error.read)
        return Response(text, media_type="text/html")
    return error_response(
        request.scope, status_of(error), error.message, error.hint, page=_page_of(request)
    )


async def _disk_error(request: Request, error: Exception) -> Response:
    """Answer a full disk. Any other error of a disk is a fault of ours, and is raised again."""
    return await _expected_error(request, disk_problem(error))


async def _bug(request: Request, error: Exception) -> Response:
    """Answer a fault of ours. The traceback goes to the log of the server, never to the page."""
    response = error_response(
        request.scope,
        500,
        tr("the page could not be made because of a fault of snapshotter"),
        tr("report the fault with the lines that `snapshotter serve` printed"),
    )
    response.headers.update(SECURITY_HEADERS)  # this answer is made outside of all middleware
    return response


def _is_page(request: Request) -> bool:
    """Return whether a person waits for a page, and not a script, a picture or a program."""
    return (
        request.method == "GET"
        and not request.scope["path"].startswith(_API)
        and request.headers.get("sec-fetch-dest", "") == "document"
    )


def _page_of(request: Request) -> Request | None:
    return request if getattr(request.state, "session", None) is not None else None


_STANDARD: Final[Mapping[int, str]] = {
    404: tr("no page has this address"),
    405: tr("this address exists, but not for this method"),
}

HANDLERS: Final[Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]] = {
    HTTPException: _http_error,
    SnapshotterError: _expected_error,
    OSError: _disk_error,
    Exception: _bug,
}
