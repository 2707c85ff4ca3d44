"""`queue hosts`: who may be asked, who is left alone, and how a host is forgiven."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from snapshotter.app.settings import load
from snapshotter.app.wiring import queue as wiring_jobs
from snapshotter.jobs.database import database_now, writing
from snapshotter.jobs.queue.admission import AttemptResult
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.job import CaptureJob, JobState
from tests.unit.cli.shell import Shell

HOURS = "7200"  # of a Retry-After, seconds


class Home(Shell):
    """A home with a queue, in which commands are run."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(capsys, "queue", "hosts")
        settings = load()
        self.database = wiring_jobs.database(settings)
        self.queue = wiring_jobs.queue(settings, self.database)
        self.gate = wiring_jobs.host_admission(settings)

    @property
    def dispatcher(self) -> Dispatcher:
        """One that remembers nothing of the last round."""
        return Dispatcher(self.database, self.gate, per_host=16)

    def put(self, *urls: str) -> list[CaptureJob]:
        with writing(self.database) as connection:
            at = database_now(connection)
        jobs = [CaptureJob(id=f"job-{url[8:]}", url=url, enqueued_at=at) for url in urls]
        self.queue.put(jobs)
        return jobs

    def complain(self, job: CaptureJob) -> None:
        """Let a job's visit end in a 429."""
        with writing(self.database) as connection:
            now = database_now(connection)
            host = self.gate.host(job.url)
            met = AttemptResult(
                at=now, started_at=now, revisits=9, http_status=429, retry_after=HOURS,
                outcome="complete",
            )  # fmt: skip
            assert self.gate.attempt_ended(connection, job, host, met) is None


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Home]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    shell = Home(capsys)
    yield shell
    shell.database.dispose()


def test_nothing_is_known_of_hosts_that_nobody_asked(shell: Home) -> None:
    assert shell.run() == 0
    assert shell.out == ""
    assert "no host that matches the options has jobs or was visited recently" in shell.err
    assert shell.run("--reset", "a.example") == 1
    assert "the queue has no entry for the host a.example" in shell.err


def test_hosts_are_shown_with_what_they_bear_and_what_waits(shell: Home) -> None:
    first, *_ = shell.put("https://www.a.example/1", "https://a.example/2", "https://m.weibo.cn/3")
    assert len(shell.dispatcher.choose(10)) == 2

    assert shell.run("--json") == 0

    a, weibo = shell.objects
    assert (a["host"], a["rules"], a["under_way"], a["at_once"]) == ("a.example", "default", 1, 1)
    assert (a["visits"], a["per_day"], a["waiting"], a["complaints"]) == (1, 500, 1, 0)
    assert a["why"] in {"interval", "in-flight"}
    assert (weibo["host"], weibo["rules"], weibo["waiting"]) == ("group:weibo", "weibo", 0)
    shell.complain(first)
    assert shell.run("--held", "https.example", "weibo.com", "www.a.example") == 0
    assert "a.example" in shell.out
    assert "the host answered that there were too many requests" in shell.out
    assert "group:weibo" in shell.out


def test_a_host_that_is_forgiven_is_asked_again(shell: Home) -> None:
    first, second = shell.put("https://a.example/1", "https://a.example/2")
    assert [handed.job_id for handed in shell.dispatcher.choose(10)] == [first.id]
    shell.complain(first)
    with writing(shell.database) as connection:
        connection.execute(JOB.delete().where(JOB.c.id == first.id))
    assert shell.dispatcher.choose(10) == []
    deferred = shell.queue.get(second.id)
    assert deferred is not None
    assert deferred.state is JobState.DEFERRED

    assert shell.run("--json", "--reset", "https") == 1
    assert shell.run("--json", "--reset", "www.a.example") == 0

    (view,) = shell.objects
    assert (view["why"], view["complaints"], view["waiting"], view["visits"]) == (None, 0, 1, 1)
    with writing(shell.database) as connection:
        assert connection.execute(select(JOB.c.due_at)).scalar_one() is None
    assert [handed.job_id for handed in shell.dispatcher.choose(10)] == [second.id]


@pytest.mark.parametrize("name", ["", "["])
def test_what_is_no_host_is_a_wrong_argument(shell: Home, name: str) -> None:
    assert shell.run("--reset", name) == 2
