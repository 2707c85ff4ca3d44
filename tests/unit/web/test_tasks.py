"""The page of a task: followed, failed, repeated, and its files as downloads only."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest

from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import ConcludeArguments, ExportArguments, VerifyArguments
from snapshotter.jobs.tasks.database_tasks import DatabaseTasks
from snapshotter.model.person import Person
from snapshotter.model.task import (
    ClaimedTask,
    TaskFailure,
    TaskFile,
    TaskLane,
    TaskResult,
    TaskStep,
)
from snapshotter.web.console.task_requests import own_path
from tests.unit.jobs.making import AT
from tests.webclient import FORM, Console, console, console_settings

BUNDLE = "20261124t160640z-k3v4q2m7xw4c5b6d"


@contextmanager
def signed_in(tmp_path: Path) -> Iterator[Console]:
    with console(console_settings(tmp_path)) as found:
        yield found.log_in()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Console]:
    with signed_in(tmp_path) as found:
        yield found


def taken(web: Console, lane: TaskLane) -> tuple[DatabaseTasks, ClaimedTask]:
    """Take the waiting task, as a worker does."""
    service = web.context.services.tasks
    assert isinstance(service.tasks, DatabaseTasks)
    claimed = service.tasks.claim(lane, process="p", place=service.place(), silent_s=30)
    assert claimed is not None
    return service.tasks, claimed


def exported(web: Console) -> tuple[str, Path]:
    """Return a task that is done, and its file."""
    service = web.context.services.tasks
    task_id = requests.submit(service, ExportArguments(bundle_ids=(BUNDLE,)), person=Person())
    tasks, claimed = taken(web, TaskLane.LONG)
    folder = requests.attempt_folder(service.folder, task_id, 1)
    folder.mkdir(parents=True)
    file = folder / "a.html"
    file.write_text("<script>alert(1)</script>")
    made = TaskFile(name="a.html", media_type="text/html", length=25, sha256="ab" * 32)
    tasks.finish(claimed, "p", TaskResult(value={"captures": []}, files=(made,)), ())
    return task_id, file


def test_a_task_that_waits_states_that_no_worker_runs(web: Console) -> None:
    service = web.context.services.tasks
    task_id = requests.submit(
        service, VerifyArguments(object_id=BUNDLE), person=Person(name="<b>A</b>")
    )

    page = web.get(f"/tasks/{task_id}?back=/cases/harbour")

    assert page.status_code == 200
    assert "No worker is running" in page.text
    assert "snapshotter worker" in page.text
    assert "<b>A" not in page.text
    assert 'href="/cases/harbour"' in page.text
    assert f'data-live="/tasks/{task_id}/live"' in page.text
    live = web.get(f"/tasks/{task_id}/live").json()
    assert live["reload"] is False
    assert live["parts"] == {"task": "Waiting", "task-shape": "○"}
    assert 'data-slot="task"' in page.text  # the page shows it there


def test_a_running_task_shows_its_steps(web: Console) -> None:
    service = web.context.services.tasks
    task_id = requests.submit(service, VerifyArguments(object_id=BUNDLE), person=Person())
    tasks, claimed = taken(web, TaskLane.QUICK)
    steps = (TaskStep(text="one", at=AT), TaskStep(text="two", at=AT, position=1, total=3))
    tasks.beat(claimed, "p", steps)

    live = web.get(f"/tasks/{task_id}/live").json()

    assert [row["classes"]["step"] for row in live["lists"]["steps"]] == ["done", "running"]
    assert live["lists"]["steps"][1]["words"]["detail"] == "1 of 3"
    assert live["spoken"] == "Two"


def test_a_step_that_is_done_never_states_that_less_than_all_is_done(web: Console) -> None:
    service = web.context.services.tasks
    task_id = requests.submit(service, VerifyArguments(object_id=BUNDLE), person=Person())
    tasks, claimed = taken(web, TaskLane.QUICK)
    steps = (
        TaskStep(text="all", at=AT, position=5, total=5),
        TaskStep(text="begun", at=AT, position=0, total=7),
    )
    tasks.finish(claimed, "p", TaskResult(value={}, files=()), steps)

    page = web.get(f"/tasks/{task_id}").text

    assert "5 of 5" in page
    assert "0 of 7" not in page


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ([], "No new take-down was concluded."),
        ([{"event_id": "e-1", "is_new": False}], "No new take-down was concluded."),
        ([{"event_id": "e-2", "is_new": True}], "New take-downs that were concluded: 1"),
    ],
)
def test_a_conclusion_states_whether_it_found_a_take_down(
    web: Console, recorded: list[dict[str, object]], words: str
) -> None:
    service = web.context.services.tasks
    task_id = requests.submit(service, ConcludeArguments(), person=Person())
    tasks, claimed = taken(web, TaskLane.LONG)
    value = {"derivations": [{"recorded": recorded}]}
    tasks.finish(claimed, "p", TaskResult(value=value, files=()), ())

    assert words in web.get(f"/tasks/{task_id}").text


def test_a_failed_task_says_why_and_is_requested_again_once(web: Console) -> None:
    service = web.context.services.tasks
    task_id = requests.submit(service, VerifyArguments(object_id=BUNDLE), person=Person())
    tasks, claimed = taken(web, TaskLane.QUICK)
    failure = TaskFailure(error="the store does not answer", hint="try <later>", exit_code=30)
    tasks.finish(claimed, "p", failure, ())

    page = web.get(f"/tasks/{task_id}")
    assert "The store does not answer." in page.text
    assert "Try &lt;later&gt;" in page.text
    first = web.post(f"/tasks/{task_id}/again", {"back": "/review"})
    second = web.post(f"/tasks/{task_id}/again", {"back": "https://evil.example/"})

    assert first.status_code == second.status_code == 303
    assert first.headers["location"].endswith("?back=%2Freview")
    assert second.headers["location"] == first.headers["location"].partition("?")[0]
    assert len(service.tasks.newest(9)) == 2


def test_a_task_that_is_done_leads_back_if_the_form_that_sent_it_wants_that(web: Console) -> None:
    task_id, _ = exported(web)

    answer = web.get(f"/tasks/{task_id}?back=/cases/harbour&return=yes")
    evil = web.get(f"/tasks/{task_id}?back=//evil.example/&return=yes")

    assert (answer.status_code, answer.headers["location"]) == (303, "/cases/harbour")
    assert evil.status_code == 200


def test_files_are_downloads_and_never_pages(web: Console) -> None:
    task_id, file = exported(web)
    page = web.get(f"/tasks/{task_id}")
    assert f"/tasks/{task_id}/files/a.html" in page.text

    found = web.get(f"/tasks/{task_id}/files/a.html")

    assert found.content == file.read_bytes()
    assert found.headers["content-type"] == "application/octet-stream"
    assert found.headers["content-disposition"] == 'attachment; filename="a.html"'
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"] == "sandbox; default-src 'none'"
    for name in ("b.html", "..%2F1%2Fa.html", "%2e%2e", "..%2f..%2fplace"):
        assert web.get(f"/tasks/{task_id}/files/{name}").status_code == 404
    assert web.get("/tasks/no-such-task").status_code == 404
    assert web.get("/tasks/no-such-task/live").status_code == 404
    file.unlink()
    assert web.get(f"/tasks/{task_id}/files/a.html").status_code == 404


def test_a_task_is_repeated_only_by_the_console_itself(web: Console) -> None:
    refused = web.post("/tasks/x/again", {}, headers={**FORM, "sec-fetch-site": "same-site"})

    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/cases/harbour?shown=all#notes", "/cases/harbour?shown=all#notes"),
        ("/", "/"),
        ("//evil.example/", ""),
        ("/\\evil.example", ""),
        ("https://evil.example/", ""),
        ("javascript:alert(1)", ""),
        ("/a\r\nSet-Cookie: x=y", ""),
        ("/" + "a" * 600, ""),
    ],
)
def test_the_way_back_is_a_path_of_the_console(text: str, path: str) -> None:
    assert own_path(text) == path


def test_all_tasks_are_listed_newest_first_with_what_they_made(web: Console) -> None:
    task_id, _ = exported(web)
    service = web.context.services.tasks
    person = Person(name="A. <b>Example")
    later = requests.submit(service, VerifyArguments(object_id=BUNDLE), person=person)
    tasks, claimed = taken(web, TaskLane.QUICK)
    bad = {"check": "signature", "code": "SIGNATURE", "detail": "invalid", "verdict": "failed"}
    value = {"object_id": BUNDLE, "verdict": "failed", "verification": {"findings": [bad]}}
    tasks.finish(claimed, "p", TaskResult(value=value), ())

    text = web.get("/tasks").text
    only = web.get("/tasks?kind=verify").text

    assert text.index(later) < text.index(task_id)
    assert "1 file" in text
    assert "A. &lt;b&gt;Example" in text
    assert "FAILED: signature: invalid" in text
    assert later in only
    assert task_id not in only
    assert "FAILED: signature: invalid" in web.get(f"/tasks/{later}").text
    assert 'href="/tasks"' in web.get("/queue").text


@pytest.mark.parametrize("query", ["kind=no-such", "cursor=../x", "cursor=task-unknown"])
def test_a_list_of_tasks_answers_any_query(web: Console, query: str) -> None:
    assert web.get(f"/tasks?{query}").status_code == 200


def test_lists_of_tasks_have_pages_on_the_console_and_in_the_api(web: Console) -> None:
    service = web.context.services.tasks
    ids = [requests.submit(service, ConcludeArguments(), person=Person()) for _ in range(51)]

    first = web.get("/tasks").text
    (link,) = re.findall(r'rel="next" href="([^"]+)"', first)
    second = web.get(unescape(link)).text
    page = web.get("/api/v1/tasks?limit=50").json()
    rest = web.get(f"/api/v1/tasks?limit=50&cursor={page['next']}").json()

    shown = [found["task_id"] for found in (*page["tasks"], *rest["tasks"])]
    assert sorted(shown) == sorted(ids)
    assert rest["next"] is None
    for task_id in ids:
        assert (task_id in first) != (task_id in second)
