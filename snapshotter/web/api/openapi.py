"""
Describe the API in OpenAPI 3.1.

FastAPI makes the description from the endpoints and models. Added here is what holds for all of
them: how a client identifies itself, and the problems that a request can be answered with.
"""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from snapshotter.web.api.models.common import ProblemDetails
from snapshotter.web.api.problem import KINDS, MEDIA_TYPE

_METHODS: Final = ("get", "post", "put", "patch", "delete")
# The statuses that each request can be answered with. 409: a bundle can be damaged.
_EVERY: Final = (401, 403, 404, 409, 422, 500, 503)
_OF_BODIES: Final = (400, 413)
_CONDITIONAL: Final = (412, 428)


def description(api: FastAPI) -> dict[str, Any]:
    """Return the description, which is made once."""
    if api.openapi_schema is None:
        api.openapi_schema = _describe(api)
    return api.openapi_schema


def _describe(api: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=api.title,
        version="1",  # of the API; the description stays the same between releases
        description=api.description,
        routes=api.routes,
        separate_input_output_schemas=api.separate_input_output_schemas,
    )
    found["servers"] = [{"url": "/api/v1"}]
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= schema.pop("$defs", {}) | {"ProblemDetails": schema}
    components["schemas"] = dict(sorted(schemas.items()))
    components["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "snapshotter_PORT",
            "description": "The session of the console. Its name has the port of the server.",
        }
    }
    found["security"] = [{"session": []}]
    used = {status for operation in _operations(found) for status in _add_problems(operation)}
    components["responses"] = {_name(status): _response(status) for status in sorted(used)}
    return found


def _operations(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in found["paths"].values():
        for method in _METHODS:
            if method in item:
                yield item[method]


def _add_problems(operation: dict[str, Any]) -> set[int]:
    """Add the problems to an operation; return their statuses."""
    statuses = set(_EVERY)
    if "requestBody" in operation:
        statuses |= set(_OF_BODIES)
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    if "if-match" in names:
        statuses |= set(_CONDITIONAL)
    own = {int(status) for status in operation["responses"]} - {422}  # FastAPI describes its own
    statuses -= own
    responses = operation["responses"] | {
        str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in statuses
    }
    operation["responses"] = dict(sorted(responses.items()))
    return statuses


def _name(status: int) -> str:
    return f"Problem{status}"


def _response(status: int) -> dict[str, Any]:
    meanings = [kind.meaning for kind in KINDS.values() if kind.status == status]
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": " ".join(meanings), "content": {MEDIA_TYPE: {"schema": schema}}}
