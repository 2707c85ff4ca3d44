"""
Refuse requests that pages of other origins make.

Browsers state where a request comes from (Fetch Metadata). A request that changes something must
come from a page of the console, or from the person. `same-site` is refused like `cross-site`: other
servers of this machine, on other ports, are the same site and receive the same cookies. Requests of
other sites that change nothing are answered only if a person follows a link, so that no other page
can embed, measure or read what the console shows.
"""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from snapshotter.translation import tr
from snapshotter.web.errors import error_response

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = frozenset({"same-origin", "none"})  # none: the person typed the address or opened a link

_FETCH_METADATA = frozenset({"sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"})


class CrossOriginProtection:
    """
    Middleware: refuse requests of pages of other origins.

    Args:
        origins: Of the console. They count for browsers without Fetch Metadata.
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._is_permitted(scope["method"], headers):
            what = tr("the request comes from a page that does not belong to the console")
            next_step = tr("open the page in the console, and repeat the action there")
            if not _FETCH_METADATA.intersection(headers):  # a program, and no browser
                what = tr("the header Origin is missing, or does not name this server")
                next_step = tr("send Origin with the address of the server: docs/howto/api.md")
            await error_response(scope, 403, what, next_step)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_permitted(self, method: str, headers: Headers) -> bool:
        # Two of these headers are no value that a browser sends.
        site = ", ".join(headers.getlist("sec-fetch-site")) or None
        if method in _SAFE:
            return (
                site is None
                or site in _OWN
                or (
                    headers.get("sec-fetch-mode") == "navigate"
                    and headers.get("sec-fetch-dest") == "document"
                )
            )
        if site is not None:
            # The Origin of our own forms is "null", because our pages send no referrer.
            return site in _OWN
        return headers.get("origin") in self._origins
