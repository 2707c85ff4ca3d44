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
_EVERY: Final = (401, 403, 422, 500, 503)  # statuses that each request can be answered with
_OF_BODIES: Final = (400, 413)
_OF_OBJECTS: Final = (404,)
_CHANGES: Final = (409,)
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
    for path, method, operation in _operations(found):
        _add_problems(path, method, operation)
    return found


def _operations(found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in found["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    statuses = set(_EVERY)
    if "requestBody" in operation:
        statuses |= set(_OF_BODIES)
    if "{" in path:
        statuses |= set(_OF_OBJECTS)
    if method != "get":
        statuses |= set(_CHANGES)
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    if "if-match" in names:
        statuses |= set(_CONDITIONAL)
    responses = operation["responses"]
    for status in sorted(statuses):
        kinds = [kind for kind in KINDS.values() if kind.status == status]
        responses[str(status)] = {
            "description": " ".join(kind.meaning for kind in kinds),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
        }
    operation["responses"] = dict(sorted(responses.items()))
