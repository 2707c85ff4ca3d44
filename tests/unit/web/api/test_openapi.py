"""The description of the API is in the repository, and the server answers as it states."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from scripts.make_openapi import FILE, encoded
from snapshotter.web.api.problem import KINDS
from tests.fuzzing import FACTOR, tries
from tests.unit.web.api.test_captures import Filled
from tests.unit.web.api.test_captures import filled as filled
from tests.webclient import HOST, ORIGIN, Console

_TRIES = tries(2)
# Whether a value that fits the description is accepted is not checked: not every text is a URL.
_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


def test_the_description_in_the_repository_is_the_one_that_is_served(api: Console) -> None:
    assert FILE.read_text(encoding="utf-8") == encoded(), "run scripts/make_openapi.py"
    assert api.get("/api/v1/openapi.json").json() == json.loads(encoded())


def test_every_operation_is_explained_and_can_fail_in_documented_ways() -> None:
    description = json.loads(encoded())
    assert description["openapi"].startswith("3.1")
    for path, item in description["paths"].items():
        for method, operation in item.items():
            assert operation["description"], f"{method} {path}"
            assert operation["tags"], f"{method} {path}"
            assert {"401", "404", "422", "500"} <= set(operation["responses"]), f"{method} {path}"
    names = [one["operationId"] for item in description["paths"].values() for one in item.values()]
    assert len(set(names)) == len(names)


def test_every_change_of_something_that_exists_names_its_state() -> None:
    description = json.loads(encoded())
    for path, item in description["paths"].items():
        for method, operation in item.items():
            headers = {
                one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"
            }
            if method in ("put", "patch", "delete"):
                assert "if-match" in headers, f"{method} {path}"


def test_the_reference_names_each_request_and_each_kind_of_problem() -> None:
    text = (FILE.parent / "api.md").read_text(encoding="utf-8")
    for path, item in json.loads(encoded())["paths"].items():
        for method in item:
            assert f"- `{method.upper()} {path}`: " in text
    for kind in KINDS.values():
        assert f"- `{kind.name}` ({kind.status}): {kind.meaning}" in text


@pytest.mark.fuzz
@pytest.mark.long
def test_the_server_answers_any_request_as_the_description_states(filled: Filled) -> None:
    load_all_checks()
    checks: Any = [CHECKS.get_one(name) for name in _CHECKS]
    client = filled.console.client
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"origin": ORIGIN, "host": HOST, "cookie": cookies}
    tried = 0

    def try_some(generated: Any, more: dict[str, str]) -> None:
        @settings(
            max_examples=_TRIES,
            deadline=None,
            database=None,
            derandomize=FACTOR == 1,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(generated)
        def answers(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.validate_response(case.call(headers=headers | more), checks=checks)

        answers()

    for operation, mode, known in _requests(filled):
        generated = operation.as_strategy(generation_mode=mode, path_parameters=known or None)
        try:
            try_some(generated, {"if-match": "*"} if known else {})
        except Unsatisfiable:  # nothing can be wrong in a request without a parameter
            assert mode is GenerationMode.NEGATIVE

    assert tried > 150


def _requests(filled: Filled) -> Iterator[tuple[Any, GenerationMode, dict[str, str]]]:
    """Yield operations, whether requests fit the description, and names of existing objects."""
    api = filled.console
    api.send("POST", "/schedules", {"urls": ["https://example.org"], "every": "6h", "name": "s"})
    api.send("POST", "/watches", {"name": "w", "source": "https://example.org/rss"})
    job = api.send("POST", "/captures", {"url": "https://example.org"}).json()["job_id"]
    existing = {
        "/captures/{bundle_id}": {"bundle_id": filled.first},
        "/cases/{name}": {"name": "harbour"},
        "/jobs/{job_id}": {"job_id": job},
        "/schedules/{name}": {"name": "s"},
        "/watches/{name}": {"name": "w"},
    }
    # The description without what is served for the middleware: its checks are in other tests.
    description = json.loads(encoded())
    del description["security"], description["components"]["securitySchemes"]
    schema = schemathesis.openapi.from_dict(description)
    schema.app = api.client.app
    operations: Any = schema.get_all_operations()
    for found in operations:
        operation = found.ok()
        yield operation, GenerationMode.POSITIVE, {}
        yield operation, GenerationMode.NEGATIVE, {}
        for beginning, known in existing.items():
            if operation.path.startswith(beginning):
                yield operation, GenerationMode.POSITIVE, known
