"""Requests that fail are answered with problem details, and name nothing private."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from snapshotter.web.api import policies
from snapshotter.web.api.problem import KINDS
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import ORIGIN, Console, console, console_settings


@pytest.fixture
def unknown(tmp_path: Path) -> Iterator[Console]:
    with console(console_settings(tmp_path)) as running:
        yield running


def test_a_request_without_a_session_is_refused(unknown: Console) -> None:
    assert problem_of(unknown.get("/api/v1/queue")) == (401, "not-logged-in")
    token = {"authorization": "Bearer secret"}
    assert problem_of(unknown.get("/api/v1/queue", token)) == (401, "tokens-not-supported")


def test_a_page_of_another_site_can_request_nothing(api: Console) -> None:
    foreign = {"origin": "https://evil.example", "content-type": "application/json"}
    answer = api.client.post("/api/v1/captures", content=b"{}", headers=foreign)

    assert problem_of(answer) == (403, "forbidden")


def test_a_program_learns_how_to_log_in_and_to_send_its_origin(
    api: Console, unknown: Console
) -> None:
    assert "cookie" in unknown.get("/api/v1/queue").json()["hint"]
    without = api.client.post("/api/v1/captures", json={"url": "https://example.org/"})
    assert problem_of(without) == (403, "forbidden")
    assert without.json()["hint"].startswith("send Origin with the address of the server")
    browser = {"sec-fetch-site": "cross-site"}
    foreign = api.client.post("/api/v1/captures", json={}, headers=browser)
    assert foreign.json()["hint"].startswith("open the page in the console")
    assert "openapi.json" in api.get("/api/v1/nothing").json()["hint"]


def test_json_that_is_sent_as_a_form_is_refused(api: Console) -> None:
    headers = {"origin": ORIGIN, "content-type": "text/plain"}
    body = b'{"url": "https://example.org/"}'

    assert problem_of(api.client.post("/api/v1/captures", content=body, headers=headers))[0] == 422
    assert api.get("/api/v1/queue").json()["jobs"] == {}


FAILURES = (
    ("GET", "/nothing", b"", 404, "not-found"),
    ("GET", "/policies/nothing", b"", 404, "not-found"),
    ("GET", "/policies/auto", b"", 404, "not-found"),
    ("GET", "/policies/%2e%2e%2fdefault", b"", 404, "not-found"),
    ("PUT", "/queue", b"", 405, "method-not-allowed"),
    ("GET", "/policies/explain", b"", 422, "invalid-request"),
    ("GET", "/policies/explain?url=ftp://example.org", b"", 422, "invalid-request"),
    ("GET", "/policies/explain?url=example.org&policy=nope", b"", 422, "invalid-request"),
    ("GET", "/jobs?limit=0", b"", 422, "invalid-request"),
    ("POST", "/captures", b"{", 400, "malformed-request"),
    ("POST", "/captures", b" " * (2 << 20), 413, "too-large"),
)


def test_each_failure_is_a_problem_of_a_documented_kind(api: Console) -> None:
    headers = {"origin": ORIGIN, "content-type": "application/json"}
    for method, path, content, status, name in FAILURES:
        address = f"/api/v1{path}"
        answer = api.client.request(method, address, content=content, headers=headers)
        assert problem_of(answer) == (status, name), path
        problem = answer.json()
        assert (problem["status"], problem["title"]) == (status, KINDS[name].title)
        assert api.get(problem["type"]).json()["status"] == status


def test_a_fault_shows_no_traceback(api: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(policies, "known_policies", fail)
    api.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]

    answer = api.get("/api/v1/policies")

    assert problem_of(answer) == (500, "fault")
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_method_that_is_not_allowed_names_those_that_are(api: Console) -> None:
    assert api.send("PUT", "/queue").headers["allow"] == "GET"


def test_pages_that_load_scripts_from_other_sites_do_not_exist(api: Console) -> None:
    for path in ("/api/v1/docs", "/api/v1/redoc", "/api/v1/docs/oauth2-redirect"):
        assert problem_of(api.get(path)) == (404, "not-found")


def test_policies_are_listed_shown_and_explained(api: Console) -> None:
    names = {policy["name"] for policy in api.get("/api/v1/policies").json()["policies"]}
    assert {"default", "news-article"} <= names
    shown = api.get("/api/v1/policies/news-article").json()
    assert shown["values"]["name"] == {"from": "news-article", "value": "news-article"}
    explained = api.get("/api/v1/policies/explain?url=example.org&policy=news-article").json()
    assert (explained["policy"], explained["url"]) == ("news-article", "https://example.org")


def test_health_states_what_answers(api: Console) -> None:
    health = api.get("/api/v1/health").json()

    assert (health["status"], health["worker"]) == ("ok", False)
    assert set(health["checks"].values()) == {True}
