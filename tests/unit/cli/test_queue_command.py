"""`queue …`, `worker list` and `capture --enqueue`, with the queue that workers have."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from snapshotter.app import settings
from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import VerifyArguments
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.jobs.database import TABLES_VERSION
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.registry import WorkerRegistry, WorkerState
from snapshotter.model.conclusion import combined_exit_code
from snapshotter.model.job import JobState
from snapshotter.model.person import Person
from tests.unit.cli.shell import Shell
from tests.unit.jobs.making import BUNDLE, job, made

URL = "http://example.test/"


class Home(Shell):
    """Commands in a home with a queue, and a hand that does what workers do."""

    def __init__(self, folder: Path, database: Engine, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(capsys)
        self.folder = folder
        self.database = database
        self.queue = wiring_jobs.queue(settings.load(), database)

    def end_all(self, *, exit_code: int = 0, failure: Failure | None = None) -> None:
        """Bring every job that is due to its end."""
        attempts = Attempts(self.database, Admission(), RetryRules(), lambda: 0.0)
        while chosen := Dispatcher(self.database, Admission(), per_host=99).choose(99):
            for handed in chosen:
                attempt = attempts.begin(handed.job_id, handed.run, worker="w", process="p")
                assert attempt is not None
                if failure is None:
                    attempts.finish(attempt, made(exit_code=exit_code))
                else:
                    attempts.fail(attempt, failure)


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Home]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    database = wiring_jobs.database(settings.load())
    yield Home(tmp_path, database, capsys)
    database.dispose()


def test_urls_are_handed_over_and_their_jobs_printed(shell: Home) -> None:
    code = shell.run(
        "capture", "--enqueue", "--priority", "7", "--tag", "a", "--tag", "b", URL, f"{URL}2"
    )

    assert code == 0
    first, second = shell.queue.jobs()
    assert shell.out.split() == [first.job.id, second.job.id]
    assert [status.job.url for status in (first, second)] == [URL, f"{URL}2"]
    assert (first.job.priority, first.job.tags, first.job.origin) == (7, ("a", "b"), "cli")


def test_a_url_that_is_refused_holds_up_no_other(shell: Home) -> None:
    assert shell.run("capture", "--enqueue", "--json", "ftp://example.test/", URL) == 1

    refused, taken = shell.objects
    assert refused["requested_url"] == "ftp://example.test/"
    assert taken["state"] == "waiting"
    assert [status.job.url for status in shell.queue.jobs()] == [URL]


def test_a_capture_of_the_queue_has_no_timings_to_print(shell: Shell) -> None:
    assert shell.run("capture", "--enqueue", "--timings", URL) == 2
    assert "--timings does not work together with --enqueue" in shell.err


def test_a_worker_lets_the_address_decide_where_the_job_says_so(shell: Home) -> None:
    assert shell.run("capture", "--enqueue", "--policy", "auto", URL) == 0

    assert [status.job.policy for status in shell.queue.jobs()] == ["auto"]
    assert (
        "policies that the addresses of the pages select: "
        "default: 1 (no other policy applies to the page)\n"
    ) in shell.err


def test_without_a_policy_a_job_leaves_it_to_the_worker_and_says_what_the_address_decides(
    shell: Home,
) -> None:
    assert shell.run("capture", "--enqueue", "https://x.com/a/status/1") == 0
    said = (
        "policies that the addresses of the pages select: social-post: 1 (the policy applies to "
        "host x.com); if the settings of a worker name a policy, the worker uses that policy "
        "instead\n"
    )
    assert said in shell.err

    assert shell.run("capture", "--enqueue", "--policy", "default", URL) == 0
    assert "the address of each page selects the policy" not in shell.err
    assert sorted(status.job.policy for status in shell.queue.jobs()) == ["", "default"]


def test_an_authority_of_ones_own_does_not_go_with_a_job(shell: Home) -> None:
    assert shell.run("capture", "--enqueue", "--ca", "root.pem", URL) == 2

    assert "--ca does not work with --enqueue" in shell.err
    assert list(shell.queue.jobs()) == []


def test_a_policy_that_is_a_file_is_named_by_its_whole_path(shell: Home) -> None:
    (shell.folder / "mine.toml").write_text('name = "mine"\n')

    assert shell.run("capture", "--enqueue", "--policy", "mine.toml", URL) == 0
    assert shell.run("capture", "--enqueue", "--policy", "none-such", URL) == 1

    (only,) = shell.queue.jobs()
    assert only.job.policy == str(shell.folder / "mine.toml")


@pytest.mark.parametrize("options", [["--pdf"], ["--store", "elsewhere"], ["--lock-days", "3"]])
def test_what_does_not_go_with_a_job_is_refused_and_not_forgotten(
    shell: Home, options: list[str]
) -> None:
    assert shell.run("capture", "--enqueue", *options, URL) == 2

    assert options[0] in shell.err
    assert list(shell.queue.jobs()) == []


def test_to_wait_is_said_of_what_is_handed_over(shell: Home) -> None:
    assert shell.run("capture", "--wait", URL) == 2
    assert "--enqueue" in shell.err


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({}, 0),
        ({"exit_code": 3}, 3),
        ({"failure": Failure(fault=Fault.FINAL, error="refused", exit_code=20)}, 20),
    ],
)
def test_waiting_ends_as_a_capture_would(
    shell: Home, monkeypatch: pytest.MonkeyPatch, ends: dict[str, Any], code: int
) -> None:
    # Between two looks a worker does its work.
    monkeypatch.setattr("time.sleep", lambda _: shell.end_all(**ends))

    assert shell.run("capture", "--enqueue", "--wait", "--json", URL, f"{URL}2") == code

    assert [printed["exit_code"] for printed in shell.objects] == [code, code]
    assert "waiting" not in {printed["state"] for printed in shell.objects}


@pytest.mark.parametrize(
    ("codes", "worst"), [([], 0), ([0, 0], 0), ([0, 3, 0], 3), ([1, 3], 1), ([20, 0, 3], 20)]
)
def test_a_failure_is_worse_than_what_is_incomplete(codes: list[int], worst: int) -> None:
    assert combined_exit_code(codes) == worst


def test_waiting_for_what_is_cancelled_ends_in_a_failure(
    shell: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(_: float) -> None:
        shell.queue.cancel([status.job.id for status in shell.queue.jobs()])

    monkeypatch.setattr("time.sleep", cancel)

    assert shell.run("capture", "--enqueue", "--wait", URL) == 1
    assert shell.out.startswith("cancelled: ")


def test_jobs_are_listed_and_shown(shell: Home) -> None:
    shell.queue.put([job("one", tags=("x",))])
    shell.end_all()
    shell.queue.put([job("two", url=f"{URL}2")])

    assert shell.run("queue", "list") == 0
    assert [line.split()[:2] for line in shell.out.splitlines()] == [
        ["one", "done"], ["two", "waiting"],
    ]  # fmt: skip
    assert shell.run("queue", "list", "--state", "done", "--json") == 0
    (done,) = shell.objects
    assert done["bundle_id"] == BUNDLE
    assert done["tags"] == ["x"]
    assert shell.run("queue", "show", "one") == 0
    assert BUNDLE in shell.out
    assert shell.run("queue", "show", "none") == 1


def test_jobs_are_named_by_parts_of_their_ids(shell: Home) -> None:
    shell.queue.put([job("first-aaaa"), job("second-bbbb"), job("third-bbbb", url=f"{URL}3")])

    assert shell.run("queue", "show", "--json", "firs", "latest") == 0
    assert [shown["job_id"] for shown in shell.objects] == ["first-aaaa", "third-bbbb"]
    assert shell.run("queue", "cancel", "bbbb") == 2
    assert f"third-bbbb  {URL}3" in shell.err
    assert {status.state for status in shell.queue.jobs()} == {JobState.WAITING}
    assert shell.run("queue", "cancel", "--json", "seco", "%_-b") == 1
    assert shell.objects == [
        {"job_id": "second-bbbb", "result": "done"},
        {"job_id": "%_-b", "result": "unknown"},
    ]
    assert shell.run("queue", "retry", "seco") == 0


def test_jobs_are_cancelled_and_asked_for_again(shell: Home) -> None:
    shell.queue.put([job("one"), job("two")])

    assert shell.run("queue", "cancel", "--json", "one", "none") == 1
    assert shell.objects == [
        {"job_id": "one", "result": "done"},
        {"job_id": "none", "result": "unknown"},
    ]
    assert shell.run("queue", "retry", "--state", "cancelled") == 0
    assert shell.out == "one: waits again\n"
    assert shell.run("queue", "retry") == 2
    assert {status.state for status in shell.queue.jobs()} == {JobState.WAITING}


def test_what_is_over_is_forgotten(shell: Home) -> None:
    shell.queue.put([job("one")])
    shell.end_all()
    shell.queue.put([job("two")])

    assert shell.run("queue", "purge", "--days", "1", "--json") == 0
    assert shell.objects == [{"purged": 0}]
    assert shell.run("queue", "purge", "--days", "0", "--state", "done") == 0

    assert [status.job.id for status in shell.queue.jobs()] == ["two"]


def test_the_queue_and_its_workers_at_one_look(shell: Home) -> None:
    shell.queue.put([job("one"), job("two")])
    shell.queue.cancel(["two"])
    WorkerRegistry(shell.database).register("worker-1", slots=3, version="0")

    assert shell.run("queue", "top", "--json") == 0
    (seen,) = shell.objects
    assert seen["jobs"] == {"cancelled": 1, "waiting": 1}
    assert [worker["worker"] for worker in seen["workers"]] == ["worker-1"]
    assert shell.run("queue", "top") == 0
    assert "waiting 1" in shell.out
    assert shell.run("worker", "list", "--json") == 0
    (worker,) = shell.objects
    assert (worker["worker"], worker["state"], worker["slots"]) == ("worker-1", "working", 3)


def test_releases_that_share_a_queue_are_shown_and_its_tables_brought_back_and_forward(
    shell: Home,
) -> None:
    WorkerRegistry(shell.database).register("at-work", slots=1, version="9.9")

    assert shell.run("queue", "tables") == 0
    assert f"needs version number {TABLES_VERSION}" in shell.out
    assert f"worker at-work (snapshotter 9.9) needs version number {TABLES_VERSION}" in shell.out
    assert shell.run("queue", "migrate", "--to", "2") == 30
    assert "at-work" in shell.err

    WorkerRegistry(shell.database).beat("at-work", WorkerState.ENDED, "", 0)
    shell.database.dispose()
    assert shell.run("queue", "migrate", "--to", "2", "--json") == 0
    assert shell.object == {"needs": TABLES_VERSION, "tables": 2, "workers": []}
    assert shell.run("queue", "tables", "--json") == 0
    assert shell.object["tables"] == 2  # a look upgrades nothing
    assert shell.run("queue", "migrate") == 0
    assert f"have version number {TABLES_VERSION}" in shell.out


def test_tasks_of_the_console_that_wait_without_a_worker_are_named(shell: Home) -> None:
    assert shell.run("queue", "list") == 0
    assert "tasks of the console" not in shell.err
    with wiring_tasks.command_tasks(settings.load()) as service:
        requests.submit(service, VerifyArguments(object_id="x"), person=Person())

    assert shell.run("queue", "list") == 0

    assert "tasks of the console that wait, because no worker is running: 1" in shell.err
    assert shell.run("queue", "list", "--json") == 0
    assert "tasks of the console" not in shell.err
