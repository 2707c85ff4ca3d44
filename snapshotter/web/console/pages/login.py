"""
Log in by a one-time link, and log out.

The link has no parameter for a page to continue at, so it cannot lead anywhere else. After a log-in
a page leads to `/` by itself. A redirect would not do: if another program opened the link, browsers
would not send the new cookie with it (SameSite=Strict).
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.translation import tr
from snapshotter.web.console.templating import render_bare_page
from snapshotter.web.context import context_of
from snapshotter.web.errors import log_in_response
from snapshotter.web.security.access import remove_session_cookie, set_session_cookie

# How browsers state that nobody opened the page yet; the first is the standard's.
_PURPOSES: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def _login(request: Request) -> Response:
    context = context_of(request)
    token = request.query_params.get("token", "")
    # What a browser loads in advance, or only asks about, must not use the link up.
    purposes = [request.headers.get(name, "") for name in _PURPOSES]
    is_early = any(word in purpose for purpose in purposes for word in ("prefetch", "preview"))
    if request.method != "GET" or is_early:
        return log_in_response(request.scope)
    if not token:
        if request.state.session is not None:
            return RedirectResponse("/", 303)
        return log_in_response(request.scope)
    session = context.sessions.log_in(token)
    if session is None:
        return log_in_response(
            request.scope,
            tr("The link is not valid. A link works once, and expires after ten minutes."),
        )
    if request.state.session is not None:
        context.sessions.end(request.state.session.secret)
    text = render_bare_page("login.html.j2", title=tr("You are logged in"), what="", is_done=True)
    response = Response(text, media_type="text/html")
    set_session_cookie(response, session, origin=context.rules.origin)
    return response


def _logout(request: Request) -> Response:
    context = context_of(request)
    context.sessions.end(request.state.session.secret)
    return _logged_out(request)


def _logout_everywhere(request: Request) -> Response:
    context = context_of(request)
    context.sessions.end_all()
    return _logged_out(request)


def _logged_out(request: Request) -> Response:
    response = RedirectResponse("/login", 303)
    response.headers["clear-site-data"] = '"cache", "storage"'
    remove_session_cookie(response, origin=context_of(request).rules.origin)
    return response


routes = (
    Route("/login", _login),
    Route("/logout", _logout, methods=["POST"]),
    Route("/logout/everywhere", _logout_everywhere, methods=["POST"]),
)
