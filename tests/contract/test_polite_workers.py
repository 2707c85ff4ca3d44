"""Limits of hosts, measured at the server: two workers over one queue, of which one is killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue import attempts  # noqa: F401 - their tables
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.workers import registry  # noqa: F401 - their tables
from snapshotter.model.job import JobState
from tests.servers.visited import Visited
from tests.tools import ROOT
from tests.unit.jobs.making import job

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PAGES = 3  # of each


@pytest.mark.long
def test_two_workers_ask_a_host_no_harder_than_one_may_also_when_one_is_killed(
    tmp_path: Path,
) -> None:
    rules, url = tmp_path / "polite.toml", f"sqlite:///{tmp_path}/queue.db"
    rules.write_text(
        '[[host]]\nname = "here"\nhosts = ["127.0.0.0/8"]\nat_once = 1\nevery = "0s"\nper_day = 0\n'
    )
    command = [
        sys.executable, "-m", "tests.fakes.workshop", url, str(tmp_path),
        "--slots", "1", "--politeness", str(rules),
    ]  # fmt: skip
    database = open_database(url)
    queue = DatabaseQueue(database)
    with Visited(takes_s=0.3) as server:
        workers = [
            subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
        ]
        try:
            for worker in workers:
                assert worker.stdout is not None
                assert any("worker.started" in line for line in worker.stdout)
            queue.put(
                [
                    job(f"{number}-{host}", url=server.url(host, f"{number}/visit"))
                    for host in HOSTS
                    for number in range(PAGES)
                ]
            )
            server.until_served(PAGES)
            workers[0].kill()
            server.until_served(PAGES * len(HOSTS))
            while not all(state.over for state in queue.counts()):
                server.let_go.wait(0.02)
        finally:
            for worker in workers:
                worker.kill()
                worker.communicate()
    states = queue.counts()
    database.dispose()

    assert states == {JobState.DONE: PAGES * len(HOSTS)}
    assert max(server.most.values()) == 1
    assert server.most_in_all <= 2
