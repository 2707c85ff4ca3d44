"""A change is made to the state that the person saw, or not at all; marks and quarantine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archived import Archive
from tests.unit.web.api.test_captures import NOBODY, Filled, accepted
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import console, console_settings


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    with console(console_settings(tmp_path, operator="A. Example")) as running:
        yield Filled(Archive(tmp_path), running.log_in())


def test_of_two_changes_for_one_state_the_second_is_refused_by_the_writer(filled: Filled) -> None:
    path = f"/captures/{filled.gone}"
    etag = {"if-match": filled.get(f"/api/v1{path}/annotations").headers["etag"]}
    decisions = ({"decision": "accepted"}, {"decision": "rejected", "reason": "a wall"})
    requested = [
        *(accepted(filled.send("PUT", f"{path}/review", body, etag)) for body in decisions),
        accepted(filled.send("DELETE", f"{path}/tags/media", None, etag)),
    ]

    done = {task["task_id"]: task for task in filled.fail_tasks()}

    first, *others = (done[task["task_id"]] for task in requested)
    assert first["state"] == "done"
    for refused in others:
        assert (refused["state"], refused["exit_code"]) == ("failed", 1)
        assert "A. Example changed the annotations of" in refused["error"]
        assert refused["hint"]
    after = filled.get(f"/api/v1{path}/annotations").json()
    assert (after["review"]["decision"], after["tags"]) == ("accepted", ["media"])
    accepted(filled.send("DELETE", f"{path}/tags/media", None, {"if-match": "*"}))
    filled.run_tasks()
    assert filled.get(f"/api/v1{path}/annotations").json()["tags"] == []


def test_a_case_that_somebody_changed_is_not_closed(filled: Filled) -> None:
    etag = {"if-match": filled.get("/api/v1/cases/harbour").headers["etag"]}
    accepted(filled.send("POST", "/cases/harbour/notes", {"text": "one more"}))
    accepted(filled.send("POST", "/cases/harbour/close", {"reason": "it is over"}, etag))

    note, closing = filled.fail_tasks()

    assert (note["state"], closing["state"]) == ("done", "failed")
    assert "A. Example changed the case harbour" in closing["error"]
    assert filled.get("/api/v1/cases/harbour").json()["closed"] is None


def test_a_capture_is_marked_and_the_mark_is_removed(filled: Filled) -> None:
    path = f"/captures/{filled.first}"
    accepted(filled.send("POST", f"{path}/marks", {"mark": "graphic", "reason": "a wound"}))
    filled.run_tasks()
    marked = filled.get(f"/api/v1{path}/annotations")
    assert marked.json()["marks"]["graphic"]["reason"] == "a wound"

    unread = filled.send("DELETE", f"{path}/marks/graphic")
    etag = {"if-match": marked.headers["etag"]}
    accepted(filled.send("DELETE", f"{path}/marks/graphic", None, etag))
    filled.run_tasks()

    assert problem_of(unread) == (428, "precondition-required")
    assert filled.get(f"/api/v1{path}/annotations").json()["marks"] == {}
    for method, at, body in (
        ("POST", f"{path}/marks", {"mark": "boring"}),
        ("DELETE", f"{path}/marks/boring", None),
        ("POST", f"/captures/{NOBODY}/marks", {"mark": "graphic"}),
    ):
        assert problem_of(filled.send(method, at, body))[0] in (404, 422), at


def test_a_capture_is_put_into_quarantine_and_released(filled: Filled) -> None:
    path = f"/captures/{filled.first}"
    assert problem_of(filled.send("POST", f"{path}/quarantine", {"reason": ""}))[0] == 422
    assert (
        problem_of(filled.send("POST", f"/captures/{NOBODY}/quarantine", {"reason": "x"}))[0] == 404
    )

    key = {"idempotency-key": "once"}
    once, again = (
        accepted(filled.send("POST", f"{path}/quarantine", {"reason": "an order"}, key))
        for _ in range(2)
    )
    assert once == again
    (done,) = filled.run_tasks()

    assert (done["result"]["action"], done["result"]["unchanged"]) == ("quarantine", [])
    assert problem_of(filled.get(f"/api/v1{path}")) == (403, "forbidden")
    assert filled.first not in filled.listed("")
    accepted(filled.send("POST", f"{path}/release", {"reason": "the order was withdrawn"}))
    filled.run_tasks()
    assert filled.get(f"/api/v1{path}").status_code == 200
    assert filled.first in filled.listed("")
