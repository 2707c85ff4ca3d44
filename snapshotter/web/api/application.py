"""
Make the application of the API, and its description in OpenAPI.

The pages `/docs` and `/redoc` of FastAPI are off: they load scripts from other sites.
"""

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import snapshotter
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.web.api import (
    annotations,
    captures,
    documents,
    events,
    health,
    jobs,
    openapi,
    policies,
    problems,
    schedules,
    tasks,
    watches,
)
from snapshotter.web.api.conditional import NotModified
from snapshotter.web.api.problem import MEDIA_TYPE, Problem, encode_problem, problem_of
from snapshotter.web.context import WebContext
from snapshotter.web.disk_errors import disk_problem

PREFIX: Final = "/api/v1"
_RESOURCES: Final = (
    captures,
    annotations,
    events,
    documents,
    tasks,
    jobs,
    schedules,
    watches,
    policies,
    health,
    problems,
)
_TITLE: Final = "snapshotter"
_DESCRIPTION: Final = (
    "Capture web pages as signed evidence bundles, and find, verify and hand over what was "
    "captured. The keys of all objects are those of the option --json of the command line. "
    "Requests that fail are answered with problem details (RFC 9457)."
)


def create_api(context: WebContext) -> FastAPI:
    """Return the application of the API, which is mounted at `PREFIX`."""
    api = _application()
    api.state.context = context
    return api


def describe_api() -> dict[str, Any]:
    """Return the description of the API in OpenAPI 3.1."""
    return openapi.description(_application())


def _application() -> FastAPI:
    api = FastAPI(
        title=_TITLE,
        description=_DESCRIPTION,
        version=snapshotter.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # such a redirect is made of the Host header
        generate_unique_id_function=lambda route: route.name,
    )
    for resource in _RESOURCES:
        api.include_router(resource.router)
    for kind, handler in (
        (Problem, _problem),
        (NotModified, _not_modified),
        (SnapshotterError, _expected_error),
        (RequestValidationError, _invalid_request),
        (HTTPException, _http_error),
        (OSError, _disk_error),
        (Exception, _fault),
    ):
        api.add_exception_handler(kind, handler)
    api.openapi = lambda: openapi.description(api)  # type: ignore[method-assign]  # FastAPI's way
    return api


def respond(problem: Problem) -> Response:
    """Return the response for a problem."""
    return Response(
        problem.encoded(), problem.kind.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


async def _problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, Problem):
        raise TypeError(type(error).__name__)
    return respond(error)


async def _not_modified(_: Request, error: Exception) -> Response:
    if not isinstance(error, NotModified):
        raise TypeError(type(error).__name__)
    return Response(status_code=304, headers={"etag": error.etag})


async def _expected_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, SnapshotterError):
        raise TypeError(type(error).__name__)
    return respond(problem_of(error))


async def _invalid_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError(type(error).__name__)
    return respond(invalid_request(error))


async def _http_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(type(error).__name__)
    detail = _STANDARD.get(error.status_code, str(error.detail))
    hint = tr("list the addresses: GET /api/v1/openapi.json") if error.status_code == 404 else ""
    return Response(
        encode_problem(error.status_code, detail, hint=hint),
        error.status_code,
        headers=error.headers,
        media_type=MEDIA_TYPE,
    )


async def _disk_error(_: Request, error: Exception) -> Response:
    """Answer a full disk. Any other error of a disk is a fault of ours, and is raised again."""
    return respond(problem_of(disk_problem(error)))


async def _fault(_: Request, error: Exception) -> Response:
    """Answer a fault of ours. Starlette raises the error again, for the log of the server."""
    return respond(
        Problem(
            "fault",
            tr("the request could not be answered because of a fault of snapshotter"),
            hint=tr("report the fault with the lines that `snapshotter serve` printed"),
        )
    )


def invalid_request(error: RequestValidationError) -> Problem:
    """Return the problem that names each invalid value, and repeats none of them."""
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return Problem("malformed-request", _STANDARD[400])
    errors = [_invalid_value(found) for found in error.errors()]
    return Problem(
        "invalid-request",
        tr("the request is invalid: {what}", what=errors[0]["detail"] if errors else "?"),
        hint=tr("compare the request with the description of the API: docs/reference/api.md"),
        exit_code=2,
        errors=errors,
    )


def _invalid_value(found: dict[str, Any]) -> dict[str, str]:
    place, *path = map(str, found.get("loc", ()))
    pointer = "/".join(part.replace("~", "~0").replace("/", "~1") for part in path)
    name = f"{place} /{pointer}" if place == "body" else f"{place} {pointer}"
    return {"detail": f"{name}: {found['msg']}", "place": place, "pointer": f"/{pointer}"}


_STANDARD: Final = {
    400: tr("the body of the request is not valid JSON"),
    404: tr("the API has no such address"),
    405: tr("this address exists, but not for this method"),
}
