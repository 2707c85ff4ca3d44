"""What tasks and jobs show of a capture is withheld after the capture was put into quarantine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.formats.canonical_json import plain
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.model.assessment import AssessmentSummary, Availability, Content
from snapshotter.model.task import TaskLane
from tests.archived import Archive
from tests.unit.web.api.test_captures import Filled, Reports
from tests.unit.web.api.test_jobs import problem_of
from tests.webclient import console, console_settings

WORDS = "A page"  # the title of the captures


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    folder: Path = tmp_path_factory.mktemp("quarantined")
    with console(console_settings(folder, operator="A. Example")) as running:
        yield Filled(Archive(folder), running.log_in())


def _done(filled: Filled, path: str, wanted: dict[str, Any], lane: TaskLane) -> dict[str, Any]:
    """Request a task, do it as a worker does, and return it."""
    answer = filled.send("POST", path, wanted)
    assert answer.status_code == 202, answer.text
    settings, services = filled.console.context.settings, filled.console.context.services
    tasks = DatabaseTasks(services.database)
    claimed = tasks.claim(lane, process="p", place=services.tasks.place(), silent_s=60)
    assert claimed is not None
    result = wiring_tasks.open_task_runner(settings, print).run(claimed, Reports())
    assert tasks.finish(claimed, "p", result, ())
    found: dict[str, Any] = filled.get(f"/api/v1/tasks/{claimed.request.id}").json()
    return found


def test_results_and_files_are_withheld_once_a_capture_in_them_is_in_quarantine(
    filled: Filled,
) -> None:
    of_first = {"bundle_ids": [filled.first]}
    export = _done(filled, "/exports", of_first, TaskLane.LONG)
    report = _done(filled, "/reports", {**of_first, "formats": ["html"]}, TaskLane.LONG)
    verification = _done(filled, "/verifications", {"object_id": filled.first}, TaskLane.QUICK)
    other = _done(filled, "/exports", {"bundle_ids": [filled.other]}, TaskLane.LONG)
    files = [
        f"/tasks/{task['task_id']}/files/{task['files'][0]['name']}" for task in (export, report)
    ]
    of_other = f"/tasks/{other['task_id']}/files/{other['files'][0]['name']}"
    pages = [f"/tasks/{task['task_id']}" for task in (export, report, verification)]
    for path in [*files, of_other]:
        assert filled.get(path).status_code == filled.get(f"/api/v1{path}").status_code == 200
    assert WORDS in filled.get(pages[2]).text
    assert filled.get(f"/api/v1/captures/{filled.first}/annotations").status_code == 200

    filled.archive.add_notice(filled.first)
    filled.update()

    for path in files:
        assert filled.get(path).status_code == 403
        assert problem_of(filled.get(f"/api/v1{path}")) == (403, "forbidden")
    for path in pages:
        page = filled.get(path)
        assert page.status_code == 200
        assert "is now in quarantine" in page.text
        assert "/files/" not in page.text
        shown = filled.get(f"/api/v1{path}").json()
        assert (shown["state"], shown["result"], shown["files"]) == ("done", None, [])
    assert WORDS not in filled.get(pages[2]).text
    listed = filled.get("/api/v1/tasks").json()["tasks"]
    assert [task["task_id"] for task in listed if task["result"]] == [other["task_id"]]
    assert filled.get(of_other).status_code == filled.get(f"/api/v1{of_other}").status_code == 200
    annotations = filled.get(f"/api/v1/captures/{filled.first}/annotations")
    assert problem_of(annotations) == (403, "forbidden")


def test_a_job_has_no_title_and_no_verdict_of_a_capture_in_quarantine(filled: Filled) -> None:
    shown = AssessmentSummary(content=Content.NOTICE, availability=Availability.UNAVAILABLE)
    jobs = {}
    for bundle_id in (filled.hidden, filled.other):
        answer = filled.send("POST", "/captures", {"url": f"https://example.org/{bundle_id}"})
        jobs[bundle_id] = answer.json()["job_id"]
        with filled.console.context.services.database.begin() as connection:
            connection.execute(
                update(JOB)
                .where(JOB.c.id == jobs[bundle_id])
                .values(bundle_id=bundle_id, title="The words", state="done",
                        shown=json.dumps(plain(shown)))
            )  # fmt: skip

    listed = {job["job_id"]: job for job in filled.get("/api/v1/jobs").json()["jobs"]}

    for bundle_id, title in ((filled.hidden, ""), (filled.other, "The words")):
        job = filled.get(f"/api/v1/jobs/{jobs[bundle_id]}").json()
        assert job == listed[jobs[bundle_id]]
        assert (job["title"], job["bundle_id"]) == (title, bundle_id)
        assert (job["verdict"] is None) is (title == "")
        assert ("The words" in filled.get(f"/queue/{jobs[bundle_id]}").text) is (title != "")
    assert filled.get("/queue").text.count("The words") == 1
