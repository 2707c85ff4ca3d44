"""Captures are found and shown, and what people record about them is requested as tasks."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from snapshotter.app.archive.organising import cases
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.errors import SnapshotterError
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.model.task import TaskFailure, TaskLane, TaskResult
from tests import observed
from tests.archived import Archive
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import Console, console, console_settings

NOBODY = "20261124t160642z-k3v4q2m7xw4c5b6d"


class Reports:
    """The reports of a task, which nobody reads."""

    def step(self, text: str, position: int = 0, total: int = 0) -> None:
        pass

    def note(self, resume: str) -> None:
        pass


def update_index(running: Console) -> None:
    """Wait until a server knows what its store has."""
    for _ in range(2):  # a notice of quarantine is read at the second update
        assert running.context.services.index.wait_for_update(30)
        assert running.get("/api/v1/captures").status_code == 200
    for _ in range(300):  # the captures are examined beside the requests
        if running.get("/api/v1/reviews").status_code == 200:
            return
        time.sleep(0.1)
    raise AssertionError("the captures are examined for longer than half a minute")


class Filled:
    """A console over a store with captures."""

    def __init__(self, archive: Archive, running: Console) -> None:
        self.console, self.archive = running, archive
        self.send, self.get = running.send, running.get
        self.first = archive.put(0, text="the harbour burns 谣言")
        self.gone = archive.put(10, observed.gone())
        self.other = archive.put(20, url=observed.OTHER, text="other words")
        self.hidden = archive.put(30, text="a secret harbour")
        archive.add_notice(self.hidden)
        cases.create_case(archive.annotations, "harbour", title="The fire")
        cases.add_to_case(archive.annotations, "harbour", [self.first])
        cases.add_tag(archive.annotations, "media", [self.first, self.gone])
        cases.add_note(archive.annotations, "look here", bundle_ids=[self.first])
        self.update()

    def update(self) -> None:
        """Wait until the server knows what the store has."""
        update_index(self.console)

    def listed(self, query: str) -> list[str]:
        answer = self.get(f"/api/v1/captures?{query}")
        assert answer.status_code == 200, answer.text
        return [capture["bundle_id"] for capture in answer.json()["captures"]]

    def run_tasks(self) -> list[dict[str, Any]]:
        """Do all waiting tasks as a worker does; return them."""
        results = self.fail_tasks()
        assert {task["state"] for task in results} <= {"done"}, results
        return results

    def fail_tasks(self) -> list[dict[str, Any]]:
        """Do all waiting tasks as a worker does, some of which may fail; return them in order."""
        settings, services = self.console.context.settings, self.console.context.services
        tasks = DatabaseTasks(services.database)
        runner = wiring_tasks.open_task_runner(settings, print)
        results = []
        while claimed := tasks.claim(TaskLane.QUICK, process="p", place="", silent_s=60):
            try:
                result: TaskResult | TaskFailure = runner.run(claimed, Reports())
            except SnapshotterError as error:  # as the task process does
                result = TaskFailure(error=error.message, hint=error.hint)
            assert tasks.finish(claimed, "p", result, ())
            results.append(self.get(f"/api/v1/tasks/{claimed.request.id}").json())
        self.update()
        return results


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder: Path = tmp_path_factory.mktemp("filled")
    settings = console_settings(folder, operator="A. Example", role="reviewer")
    with console(settings) as running:
        yield Filled(Archive(folder), running.log_in())


def test_captures_are_listed_newest_first_without_those_in_quarantine(filled: Filled) -> None:
    assert filled.listed("") == [filled.other, filled.gone, filled.first]
    page = filled.get("/api/v1/captures?limit=2").json()
    assert page["next"] == filled.gone
    assert filled.listed(f"limit=2&cursor={page['next']}") == [filled.first]


def test_captures_are_found_by_words_and_filters(filled: Filled) -> None:
    assert filled.listed("q=谣言") == [filled.first]
    assert filled.listed("q=harbour") == [filled.first]
    assert filled.listed("tag=media") == [filled.gone, filled.first]
    assert filled.listed("case=harbour") == [filled.first]
    assert filled.listed("verdict=unavailable") == [filled.gone]
    assert filled.listed("outcome=failed") == []
    assert filled.listed("host=mp.weixin.qq.com&tag=media&q=burns") == [filled.first]
    assert filled.listed("since=2026-05-27T08:15:00Z") == [filled.other]
    assert filled.listed("until=2026-05-27T08:05:00%2B00:00") == [filled.first]
    (hit,) = filled.get("/api/v1/captures?q=谣言").json()["captures"][0]["hits"]
    assert hit["text"][slice(*hit["marks"][0])] == "谣言"


def test_a_query_that_cannot_be_answered_is_refused(filled: Filled) -> None:
    for query in (
        "q=-word",
        "q=(",
        "q=host:",
        "verdict=gone",
        "cursor=1",
        "since=today",
        "limit=0",
    ):
        assert problem_of(filled.get(f"/api/v1/captures?{query}")) == (422, "invalid-request")
    hostile = '\' OR 1=1; DROP TABLE capture; -- NEAR(a b) col:x ""'
    answer = filled.console.client.get("/api/v1/captures", params={"q": hostile})
    assert answer.status_code in (200, 422)
    assert len(filled.listed("")) == 3


def test_a_capture_is_shown_with_its_record(filled: Filled) -> None:
    shown = filled.get(f"/api/v1/captures/{filled.first}").json()

    assert shown["bundle_id"] == filled.first
    assert shown["what"]["requested_url"] == observed.ARTICLE
    assert shown["verdict"]["availability"] == "available"
    assert shown["quarantine"] is None
    for path in ("", "/files", "/bundle", "/files/capture/capture.json"):
        refused = filled.get(f"/api/v1/captures/{filled.hidden}{path}")
        assert problem_of(refused) == (403, "forbidden"), path


def test_a_bundle_and_its_files_are_downloads(filled: Filled) -> None:
    listed = filled.get(f"/api/v1/captures/{filled.first}/files").json()
    sizes = {file["path"]: file["bytes"] for file in listed["files"]}
    (record,) = [file for file in listed["files"] if file["path"] == "capture/capture.json"]

    for address, size in (
        (listed["bundle"], None),
        (record["address"], sizes["capture/capture.json"]),
    ):
        sent = filled.get(address)
        assert sent.status_code == 200
        assert sent.headers["content-type"] == "application/octet-stream"
        assert sent.headers["content-disposition"].startswith("attachment")
        assert sent.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert size is None or len(sent.content) == size
    assert filled.get(record["address"]).json()["bundle_id"] == filled.first
    for path in ("files/nothing", "files/..%2f..%2fetc%2fpasswd", "sidecars/nothing"):
        missing = filled.get(f"/api/v1/captures/{filled.first}/{path}")
        assert problem_of(missing) == (404, "not-found"), path


def test_what_the_store_does_not_have_is_not_found(filled: Filled) -> None:
    impossible = "20269999t999999z-k3v4q2m7xw4c5b6d"
    for name in (NOBODY, impossible):
        assert problem_of(filled.get(f"/api/v1/captures/{name}")) == (404, "not-found")
        assert problem_of(filled.get(f"/api/v1/captures/{name}/annotations")) == (404, "not-found")
        tagged = filled.send("POST", f"/captures/{name}/tags", {"tag": "media"})
        assert problem_of(tagged) == (404, "not-found")
    assert problem_of(filled.get("/api/v1/captures/..%2f..%2fetc"))[0] == 404
    assert problem_of(filled.get("/api/v1/captures/latest"))[0] == 422
    assert problem_of(filled.get("/api/v1/cases/none")) == (404, "not-found")
    assert problem_of(filled.get("/api/v1/tasks/task-none")) == (404, "not-found")
    assert problem_of(filled.get(f"/api/v1/events/{NOBODY}")) == (404, "not-found")


def test_two_captures_are_compared_and_one_in_quarantine_is_not(filled: Filled) -> None:
    compared = filled.get(f"/api/v1/comparisons?a={filled.gone}&b={filled.first}").json()

    assert compared["before"]["bundle_id"] == filled.first
    assert compared["after"]["bundle_id"] == filled.gone
    assert compared["standing"] == "changed"
    assert compared["differs"]
    with_hidden = filled.get(f"/api/v1/comparisons?a={filled.first}&b={filled.hidden}")
    assert problem_of(with_hidden) == (403, "forbidden")
    with_nobody = filled.get(f"/api/v1/comparisons?a={filled.first}&b={NOBODY}")
    assert problem_of(with_nobody) == (404, "not-found")


def test_cases_tags_and_notes_are_listed(filled: Filled) -> None:
    listed = {case["name"]: case for case in filled.get("/api/v1/cases").json()["cases"]}
    assert (listed["harbour"]["title"], listed["harbour"]["captures"]) == ("The fire", 1)
    details = filled.get("/api/v1/cases/harbour").json()
    assert [exhibit["bundle_id"] for exhibit in details["exhibits"]] == [filled.first]
    assert {"captures": 2, "tag": "media"} in filled.get("/api/v1/tags").json()["tags"]
    notes: list[tuple[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = filled.get(f"/api/v1/notes?limit=1{cursor}").json()
        notes += [(note["bundle_id"], note["text"]) for note in page["notes"]]
        cursor = f"&cursor={page['next']}" if page["next"] else None
    assert (filled.first, "look here") in notes
    whole = filled.get("/api/v1/notes").json()["notes"]
    assert notes == [(note["bundle_id"], note["text"]) for note in whole]
    reviews = filled.get("/api/v1/reviews").json()["captures"]
    assert filled.gone in [item["bundle_id"] for item in reviews]
    assert filled.get("/api/v1/events").json() == {"events": [], "next": None, "problems": []}


def accepted(answer: httpx2.Response, kind: str = "annotate") -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    task: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/tasks/{task['task_id']}"
    assert (task["state"], task["kind"]) == ("waiting", kind)
    assert task["requested_by"] == "A. Example"
    return task


def test_what_people_write_is_recorded_by_tasks(filled: Filled) -> None:
    path = f"/captures/{filled.other}"
    before = filled.get(f"/api/v1{path}/annotations")
    etag = {"if-match": before.headers["etag"]}

    accepted(filled.send("PUT", f"{path}/review", {"decision": "accepted"}, etag))
    accepted(filled.send("POST", f"{path}/tags", {"tag": "fresh"}))
    note = {"text": "a note"}, {"idempotency-key": "n"}
    once, again = (accepted(filled.send("POST", f"{path}/notes", *note)) for _ in range(2))
    assert once == again
    accepted(filled.send("POST", "/cases", {"name": "new", "bundle_ids": [filled.other]}))
    results = filled.run_tasks()

    assert {task["state"] for task in results} == {"done"}
    after = filled.get(f"/api/v1{path}/annotations").json()
    assert (after["tags"], after["cases"]) == (["fresh"], {"new": 1})
    assert [note["text"] for note in after["notes"]] == ["a note"]
    assert after["notes"][0]["author"] == "A. Example"
    assert after["review"]["decision"] == "accepted"
    stale = filled.send("PUT", f"{path}/review", {"decision": "accepted"}, etag)
    assert problem_of(stale) == (412, "precondition-failed")
    assert problem_of(filled.send("DELETE", f"{path}/tags/fresh")) == (428, "precondition-required")
    accepted(filled.send("DELETE", f"{path}/tags/fresh", None, {"if-match": "*"}))
    closing = {"reason": "done"}
    unread = filled.send("POST", "/cases/new/close", closing)
    assert problem_of(unread) == (428, "precondition-required")
    read = filled.get("/api/v1/cases/new").headers["etag"]
    accepted(filled.send("POST", "/cases/new/close", closing, {"if-match": read}))
    filled.run_tasks()
    assert filled.get(f"/api/v1{path}/annotations").json()["tags"] == []
    assert filled.get("/api/v1/cases/new").json()["closed"]["reason"] == "done"
    newest = filled.get("/api/v1/tasks?limit=1").json()["tasks"]
    assert [task["state"] for task in newest] == ["done"]


def test_a_key_of_another_task_is_refused(filled: Filled) -> None:
    path, key = f"/captures/{filled.first}/notes", {"idempotency-key": "other"}
    accepted(filled.send("POST", path, {"text": "one"}, key))

    other = filled.send("POST", path, {"text": "a second text"}, key)

    assert problem_of(other) == (422, "idempotency-key-reused")
    assert "a second text" not in other.text


def test_annotations_that_nobody_changed_are_not_sent_again(filled: Filled) -> None:
    for path in (f"/api/v1/captures/{filled.gone}/annotations", "/api/v1/cases/harbour"):
        etag = filled.get(path).headers["etag"]
        assert filled.get(path, {"if-none-match": etag}).status_code == 304


def test_a_verification_and_an_audit_have_a_result(filled: Filled) -> None:
    verification = accepted(
        filled.send("POST", "/verifications", {"object_id": filled.first}), "verify"
    )
    results = {task["task_id"]: task for task in filled.run_tasks()}

    verified = results[verification["task_id"]]
    assert verified["state"] == "done"
    assert verified["result"]["verdict"] == "indeterminate"  # without a timestamp token
    audit = accepted(filled.send("POST", "/audits", {"sample": 2}), "audit")
    (listed,) = filled.get("/api/v1/audits").json()["tasks"]
    assert listed["task_id"] == audit["task_id"]
    assert listed["arguments"] == {"restart": False, "sample": 2, "since": ""}


def test_documents_are_requested_as_tasks(filled: Filled) -> None:
    ids = [filled.first, filled.gone]
    wanted: list[tuple[str, dict[str, object], str]] = [
        ("/conclusions", {}, "conclude"),
        ("/conclusions", {"urls": ["example.org/a"]}, "conclude"),
        ("/proofs", {"url": "example.org/a"}, "proof"),
        ("/proofs", {"bundle_ids": ids, "without": ["pdf"]}, "proof"),
        ("/reports", {"bundle_ids": ids, "formats": ["pdf"], "case": "harbour"}, "report"),
        ("/exports", {"bundle_ids": ids, "form": "evidence"}, "export"),
        ("/cases/harbour/reports", {"included": ["notes"]}, "case-report"),
        ("/cases/harbour/exports", {"pdf": True}, "case-export"),
        ("/trust-file", {"owner": "Example Archive"}, "trust-file"),
    ]
    for path, body, kind in wanted:
        task = accepted(filled.send("POST", path, body), kind)
        again = filled.send("POST", f"/tasks/{task['task_id']}/retry")
        assert problem_of(again) == (409, "conflict")  # it has not failed
        name = f"/api/v1/tasks/{task['task_id']}/files/report.pdf"
        assert problem_of(filled.get(name)) == (404, "not-found")


def test_a_document_of_nothing_is_refused(filled: Filled) -> None:
    for path, body, status in (
        ("/verifications", {"object_id": NOBODY}, 404),
        ("/proofs", {}, 422),
        ("/proofs", {"url": "example.org", "event_id": NOBODY}, 422),
        ("/proofs", {"event_id": NOBODY}, 404),
        ("/proofs", {"bundle_ids": [NOBODY]}, 404),
        ("/proofs", {"url": "file:///etc/passwd"}, 422),
        ("/reports", {"bundle_ids": []}, 422),
        ("/reports", {"bundle_ids": [NOBODY]}, 404),
        ("/reports", {"bundle_ids": [filled.first], "case": "none"}, 404),
        ("/reports", {"bundle_ids": [filled.first], "formats": ["exe"]}, 422),
        ("/exports", {"bundle_ids": [NOBODY]}, 404),
        ("/audits", {"since": "yesterday"}, 422),
        ("/cases/none/exports", {}, 404),
    ):
        assert problem_of(filled.send("POST", path, body))[0] == status, (path, body)
