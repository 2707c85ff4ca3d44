"""
Limits where they have to hold: measured at the server, with several processes' worth of askers.

What stands for a capture is one request.
"""

import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.pace import Held, Line
from snapshotter.app.wiring import SystemClock
from snapshotter.jobs.database import open_database
from snapshotter.jobs.politeness import DatabaseVisits
from snapshotter.policy import politeness
from snapshotter.policy.politeness import Answer

SLOW, QUICK = "127.0.0.9", ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PAGES = 6  # of each quick host
AT_ONCE = 2
WAIT_S = 60.0


class Watched(ThreadingHTTPServer):
    """A server that counts who is being served, and holds the slow host's visitors."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), _Page)  # noqa: S104  all of 127.0.0.0/8
        self.lock = threading.Lock()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.others_done = threading.Event()

    def url(self, host: str, number: int) -> str:
        return f"http://{host}:{self.server_port}/{number}"


class _Page(BaseHTTPRequestHandler):
    server: Watched

    def do_GET(self) -> None:
        host, it = self.headers["Host"].rpartition(":")[0], self.server
        with it.lock:
            it.inside[host] += 1
            it.most[host] = max(it.most[host], it.inside[host])
        in_time = it.others_done.wait(WAIT_S) if host == SLOW else True
        with it.lock:
            it.inside[host] -= 1
            it.served[host] += in_time
            if all(it.served[quick] == PAGES for quick in QUICK):
                it.others_done.set()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    @override
    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Watched]:
    with Watched() as it:
        thread = threading.Thread(target=it.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield it
        it.shutdown()
        thread.join()


def test_a_host_that_hangs_holds_up_no_other_and_none_has_more_visitors_than_it_may(
    server: Watched, tmp_path: Path
) -> None:
    rules = tmp_path / "polite.toml"
    rules.write_text(
        '[all]\nat_once = 8\n[[host]]\nname = "here"\nhosts = ["127.0.0.0/8"]\n'
        f'at_once = {AT_ONCE}\nevery = "0s"\nper_day = 0\n'
    )
    hosts = [SLOW] * 4 + [host for host in QUICK for _ in range(PAGES)]
    urls = [server.url(host, number) for number, host in enumerate(hosts)]
    clock = SystemClock()
    # Two lines over one database are two processes that know nothing of each other.
    databases = [open_database(str(tmp_path / "queue.db")) for _ in range(2)]
    lines = []
    for half, database in enumerate(databases):
        visits = DatabaseVisits(database, politeness.load(rules), lambda: 0.5)
        lines.append((Line(visits, clock, urls[half::2]), urls[half::2]))

    def work(line: Line, urls: list[str]) -> None:
        while (turn := line.next()) is not None:
            if isinstance(turn, Held):
                server.others_done.wait(0.02)
                continue
            with urllib.request.urlopen(urls[turn.number], timeout=2 * WAIT_S) as answer:  # noqa: S310
                line.done(turn, Answer(status=answer.status, at=clock.now()))

    workers = [
        threading.Thread(target=work, args=lines[number % 2]) for number in range(2 * (AT_ONCE + 2))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(3 * WAIT_S)
    for database in databases:
        database.dispose()

    assert not any(worker.is_alive() for worker in workers)
    assert server.served == Counter({SLOW: 4, **dict.fromkeys(QUICK, PAGES)})
    assert server.others_done.is_set()
    assert server.most[SLOW] == AT_ONCE
    assert max(server.most.values()) == AT_ONCE
