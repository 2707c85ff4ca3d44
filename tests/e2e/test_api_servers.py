"""
Servers that end in the middle of requests, and two servers with one queue: no capture is lost or
made twice.
"""

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from snapshotter.app.wiring.queue import declare_tables
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from tests.console import RunningConsole, running_console
from tests.e2e.product import LIMIT_S, Installation
from tests.servers.postgresql import PostgreSQL
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("postgresql")]
COUNT = 40  # captures that are requested
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def queue_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'queue.db'}"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.another(f"api_{next(_NUMBERS)}")


@contextlib.contextmanager
def client_of(console: RunningConsole) -> Iterator[httpx2.Client]:
    """Yield a program that is logged in."""
    limits = httpx2.Limits(max_connections=12)
    with httpx2.Client(base_url=console.origin, limits=limits, timeout=30) as client:
        assert client.get(console.new_link()).status_code == 200
        client.headers["origin"] = console.origin
        yield client


def request(client: httpx2.Client, number: int) -> str:
    """Request a capture; return the id of its job, or "" if the server did not answer."""
    try:
        answer = client.post(
            "/api/v1/captures",
            json={"url": f"http://127.0.0.1:9/{number}"},
            headers={"idempotency-key": f"key-{number}"},
        )
    except httpx2.TransportError:  # the server was killed: it is unknown whether the job exists
        return ""
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def jobs_in(address: str) -> list[tuple[str, str]]:
    """Return id and address of each job of a queue."""
    declare_tables()
    database = open_database(address)
    found = [(status.job.id, status.job.url) for status in DatabaseQueue(database).jobs()]
    database.dispose()
    return found


def test_a_server_that_is_killed_loses_no_request_and_makes_none_twice(tmp_path: Path) -> None:
    installation, queue_address = Installation(tmp_path / "home"), f"sqlite:///{tmp_path / 'q.db'}"
    installation.configure(queue=queue_address)
    answered: list[str] = []

    with running_console(installation, "--no-worker") as console, client_of(console) as client:

        def ask_or_kill(number: int) -> str:
            if number == COUNT // 2:
                os.kill(console.process.pid, signal.SIGKILL)
            return request(client, number)

        with ThreadPoolExecutor(8) as threads:
            answered = list(threads.map(ask_or_kill, range(COUNT)))
    assert "" in answered  # the server was killed in the middle
    with (
        running_console(installation, "--no-worker") as console,
        client_of(console) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        again = list(threads.map(lambda number: request(client, number), range(COUNT)))

    assert "" not in again
    assert all(before in ("", after) for before, after in zip(answered, again, strict=True))
    jobs = jobs_in(queue_address)
    assert sorted(job_id for job_id, _ in jobs) == sorted(again)
    assert len({url for _, url in jobs}) == COUNT


def test_two_servers_answer_one_request_alike_and_make_one_job(
    tmp_path: Path, queue_address: str
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(queue=queue_address)

    with (
        running_console(installation, "--no-worker") as one,
        running_console(installation, "--no-worker") as other,
        client_of(one) as first,
        client_of(other) as second,
        ThreadPoolExecutor(12) as threads,
    ):
        clients: Sequence[httpx2.Client] = (first, second) * 2
        asked = [(client, number) for number in range(COUNT // 2) for client in clients]
        answers = list(threads.map(lambda pair: request(*pair), asked))
        changed = second.post(
            "/api/v1/captures",
            json={"url": "http://127.0.0.1:9/another"},
            headers={"idempotency-key": "key-1"},
        )

    assert changed.status_code == 422
    for number in range(COUNT // 2):
        mine = answers[number * len(clients) : (number + 1) * len(clients)]
        assert len(set(mine)) == 1, mine
    assert len(jobs_in(queue_address)) == len(set(answers)) == COUNT // 2


def test_a_page_that_is_requested_at_two_servers_is_captured_once(
    tmp_path: Path, fixture_site: Site
) -> None:
    installation = Installation(tmp_path / "home")
    installation.configure(log=False)
    body = {"url": fixture_site.url("/article")}
    with (
        running_console(installation) as one,  # with a worker
        running_console(installation, "--no-worker") as other,
        client_of(one) as first,
        client_of(other) as second,
    ):
        key = {"idempotency-key": "page"}
        for client in (first, second, first):
            assert client.post("/api/v1/captures", json=body, headers=key).status_code == 202
        end = time.monotonic() + LIMIT_S
        (job,) = second.get("/api/v1/jobs").json()["jobs"]
        while job["state"] in ("waiting", "running"):
            assert time.monotonic() < end
            time.sleep(0.2)
            (job,) = second.get("/api/v1/jobs").json()["jobs"]

    assert job["state"] in ("done", "incomplete")
    assert [bundle.stem for bundle in installation.bundles()] == [job["bundle_id"]]
