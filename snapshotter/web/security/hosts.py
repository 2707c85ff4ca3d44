"""
Refuse requests for another host.

A page of another site can point a name of its own at 127.0.0.1 (DNS rebinding), and a proxy can
pass on any header. Therefore a request is answered only if its one Host header is a name that the
settings allow, and if its target is a path.
"""

from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from snapshotter.translation import tr
from snapshotter.web.errors import error_response


class AllowedHosts:
    """
    Middleware: answer only requests for these hosts.

    Args:
        hosts: Values of the header Host, in lower case and with the port.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            named = [value for name, value in scope["headers"] if name == b"host"]
            host = named[0].decode("latin-1").lower() if len(named) == 1 else ""
            # An absolute target (RFC 9112, 3.2.2) has another host than the header, or none.
            if host not in self._hosts or not scope["raw_path"].startswith(b"/"):
                response = error_response(
                    scope,
                    400,
                    tr("this address is not an address of the console"),
                    tr("open the console at the address that `snapshotter serve` printed"),
                )
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)
