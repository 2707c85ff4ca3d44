"""
Let only people with a session see pages.

The cookie is `SameSite=Strict`: an access to a capture can add a custody event, so that a link of
another site must not cause an access. Whoever follows such a link sees the log-in page, and reaches
the page by opening its address again. Cookies know no ports: browsers send the cookie with a link
of another server of this machine as well. Therefore the cookie counts only for requests of the
console itself or of the person, as browsers state.
"""

from collections.abc import Collection
from typing import Final

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from snapshotter.model.person import Person
from snapshotter.translation import tr
from snapshotter.web.errors import log_in_response
from snapshotter.web.security.sessions import SESSION_LIFETIME, Session, Sessions

_LOG_IN: Final = "/login"
_OPEN: Final = ("/health", _LOG_IN)  # paths that need no session
_OWN: Final = ("same-origin", "none")  # none: the person typed the address or opened it elsewhere
_STATIC: Final = "/static/"


class SignedInOnly:
    """
    Middleware: find the session and the person of a request; without a session, show the log-in
    page.

    Args:
        cookie: The name of the cookie.
        person: Who acts in each session.
    """

    def __init__(self, app: ASGIApp, *, sessions: Sessions, cookie: str, person: Person) -> None:
        self._app = app
        self._sessions = sessions
        self._cookie = cookie
        self._person = person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or show the log-in page."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        session: Session | None = None
        for secret in _cookies(scope, self._cookie):
            session = await anyio.to_thread.run_sync(self._sessions.find, secret)
            if session is not None:
                break
        what = ""
        if session is not None and not _is_own(scope) and scope["path"] != _LOG_IN:
            session = None
            what = tr(
                "The page that you came from does not belong to the console. Open the address "
                "again: click into the address bar, and press Enter."
            )
        state = scope.setdefault("state", {})
        state["session"] = session
        state["person"] = self._person if session is not None else None
        if session is None and not _is_open(scope["path"]):
            await log_in_response(scope, what)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def cookie_name(origin: str) -> str:
    """
    Return the name of the session cookie.

    With TLS, the prefix `__Host-` makes browsers refuse cookies that another host sets. Without
    TLS, browsers refuse the prefix. The name then has the port, because cookies ignore ports: two
    consoles on one machine must not overwrite each other's session.
    """
    scheme, _, host = origin.partition("://")
    if scheme == "https":
        return "__Host-snapshotter"
    return f"snapshotter_{host.rpartition(':')[2]}"


def set_session_cookie(response: Response, session: Session, *, origin: str) -> None:
    """Add the cookie of a new session to a response."""
    response.set_cookie(
        cookie_name(origin),
        session.secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        path="/",
        secure=origin.startswith("https://"),
        httponly=True,
        samesite="strict",
    )


def remove_session_cookie(response: Response, *, origin: str) -> None:
    """Make the browser forget the cookie of a session, and whatever else it stored."""
    response.delete_cookie(
        cookie_name(origin),
        path="/",
        secure=origin.startswith("https://"),
        httponly=True,
        samesite="strict",
    )


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_STATIC)


def _is_own(scope: Scope) -> bool:
    """Whether no page of another origin caused a request, as far as the browser states it."""
    sites = Headers(scope=scope).getlist("sec-fetch-site")
    return all(site in _OWN for site in sites)


def _cookies(scope: Scope, name: str) -> Collection[str]:
    """Return the values of a cookie; a browser can send several of one name."""
    headers = [value.decode("latin-1") for key, value in scope["headers"] if key == b"cookie"]
    found = [
        cookie_parser(part)[name]
        for header in headers
        for part in header.split(";")
        if name in cookie_parser(part)
    ]
    return found[:_MOST_COOKIES]


_MOST_COOKIES: Final = 4  # each costs a look at the disk
