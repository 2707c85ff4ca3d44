"""
Read the forms of pages.

A form is read before its page begins to work, and the page works in a thread, because use cases
wait for files and databases. Forms have texts only: nobody uploads a file.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

_FIELDS: Final = 2_000  # a list has a box for each row, and a few rows more than it shows


class Form:
    """The fields of a form that was sent. Their values are what a person wrote: not checked."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str) -> str:
        """Return the value of a field; "" without it. Lines end with a line feed."""
        value = self._data.get(name, "")
        return value.replace("\r\n", "\n") if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Return all values of a field, such as of the selected rows of a list."""
        return [value for value in self._data.getlist(name) if isinstance(value, str)]


def form_endpoint(
    work: Callable[[Request, Form], Response],
) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that reads the form of a request, and answers it in a thread."""

    async def endpoint(request: Request) -> Response:
        async with request.form(max_files=0, max_fields=_FIELDS) as data:
            return await run_in_threadpool(work, request, Form(data))

    return endpoint
