"""Bodies that grow longer than they may, and bodies that never end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message

from snapshotter.web.errors import HANDLERS
from snapshotter.web.security.limits import RequestLimits


async def _length(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def _slow_answer(request: Request) -> Response:
    await request.body()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0.1)
            yield b"part"

    return StreamingResponse(parts())


APP = Starlette(
    routes=[Route("/", _length, methods=["POST"]), Route("/slow", _slow_answer, methods=["POST"])],
    middleware=[Middleware(RequestLimits, most=10, limit_s=0.1)],
    exception_handlers=HANDLERS,
)


def _send(parts: Iterable[bytes], *, path: str = "/", ends: bool = True) -> tuple[int, bytes]:
    """Send a body without its length; return the status and the body of the answer."""
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if ends:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    answered: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()  # for ever
        raise AssertionError

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": b"", "headers": [(b"host", b"x")], "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(_call(APP, scope, receive, send), 20))
    body = b"".join(message.get("body", b"") for message in answered)
    return answered[0]["status"], body


async def _call(app: Callable[..., Awaitable[None]], *arguments: object) -> None:
    await app(*arguments)


def test_a_body_may_have_its_whole_length() -> None:
    assert _send([b"12345", b"67890"]) == (200, b"10")


def test_a_body_that_grows_too_long_is_refused() -> None:
    status, body = _send([b"12345", b"678901"])

    assert status == 413
    assert b"longer than 10 bytes" in body


def test_a_body_that_does_not_end_is_refused() -> None:
    status, body = _send([b"1"], ends=False)

    assert status == 408
    assert b"not complete" in body


def test_an_answer_may_take_longer_than_a_body() -> None:
    assert _send([b"1"], path="/slow") == (200, b"partpartpart")
