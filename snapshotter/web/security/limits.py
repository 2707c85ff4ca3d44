"""
Limit what a client can occupy: the size of its headers and its body, and the time to send a body.

The limits of connections, and of the time for headers, are in `server.py`.
"""

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from snapshotter.translation import tr
from snapshotter.web.errors import error_response

MAX_BODY: Final = 1 << 20  # bytes: forms and JSON; nobody uploads files
MAX_HEADERS: Final = 32 << 10  # bytes
MAX_HEADER_COUNT: Final = 100
BODY_S: Final = 30.0  # seconds for a whole body


class RequestLimits:
    """
    Middleware: refuse headers and bodies that are too long, and bodies that are too slow.

    Args:
        most: Bytes of a body.
        limit_s: Seconds from the begin of a request to the end of its body.
    """

    def __init__(self, app: ASGIApp, *, most: int = MAX_BODY, limit_s: float = BODY_S) -> None:
        self._app = app
        self._most = most
        self._limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a limited body, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if size > MAX_HEADERS or len(headers) > MAX_HEADER_COUNT:
            text = tr("the request has headers of more than {most} bytes", most=MAX_HEADERS)
            await error_response(scope, 431, text)(scope, receive, send)
            return
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(not value.isdigit() or int(value) > self._most for value in lengths):
            response = error_response(scope, 413, *self._too_long())
            response.headers["connection"] = "close"  # the rest of the body is not read
            await response(scope, receive, send)
            return
        if lengths and any(name == b"transfer-encoding" for name, _ in headers):
            # A proxy may see another end of the request (RFC 9112, 6.1).
            text = tr("the request states the length of its body twice")
            response = error_response(scope, 400, text)
            response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        end = asyncio.get_running_loop().time() + self._limit_s
        left, is_complete = self._most, False

        async def receive_limited() -> Message:
            nonlocal left, is_complete
            if is_complete:  # what comes now is only the end of the connection, at any time
                return await receive()
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(
                    408,
                    tr("the request was not complete after {limit_s:g} s", limit_s=self._limit_s),
                    headers={"connection": "close"},
                ) from error
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, self._too_long()[0], headers={"connection": "close"})
            is_complete = not message.get("more_body", False)
            return message

        await self._app(scope, receive_limited, send)

    def _too_long(self) -> tuple[str, str]:
        return (
            tr("the request is longer than {most} bytes", most=self._most),
            tr("divide the list or the text into shorter parts"),
        )
