"""
Limits where they have to hold: measured at the server, with several processes' worth of askers.

What stands for a capture is one request.
"""

import threading
import urllib.request
from collections import Counter
from pathlib import Path

from snapshotter.app.machine import SystemClock
from snapshotter.app.pipeline.host_pacing import AllHostsWaiting, VisitQueue
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.host_visits import DatabaseVisits
from snapshotter.policy import politeness_file
from snapshotter.policy.host_responses import HostResponse
from tests.servers.visited import Visited

SLOW, QUICK = "127.0.0.9", ("127.0.0.2", "127.0.0.3", "127.0.0.4")
PAGES = 6  # of each quick host
AT_ONCE = 2


def test_a_host_that_hangs_holds_up_no_other_and_none_has_more_visitors_than_it_may(
    tmp_path: Path,
) -> None:
    rules = tmp_path / "polite.toml"
    rules.write_text(
        '[all]\nat_once = 8\n[[host]]\nname = "here"\nhosts = ["127.0.0.0/8"]\n'
        f'at_once = {AT_ONCE}\nevery = "0s"\nper_day = 0\n'
    )
    clock = SystemClock()
    # Two lines over one database are two processes that know nothing of each other.
    databases = [open_database(str(tmp_path / "queue.db")) for _ in range(2)]

    def work(line: VisitQueue, urls: list[str]) -> None:
        while (turn := line.next()) is not None:
            if isinstance(turn, AllHostsWaiting):
                server.let_go.wait(0.02)
                continue
            with urllib.request.urlopen(urls[turn.number], timeout=90) as answer:  # noqa: S310
                line.done(turn, HostResponse(status=answer.status, at=clock.now()))

    with Visited(slow=SLOW) as server:
        hosts = [SLOW] * 4 + [host for host in QUICK for _ in range(PAGES)]
        urls = [server.url(host, f"{number}/visit") for number, host in enumerate(hosts)]
        lines = []
        for half, database in enumerate(databases):
            visits = DatabaseVisits(database, politeness_file.load(rules), lambda: 0.5)
            lines.append((VisitQueue(visits, clock, urls[half::2]), urls[half::2]))
        workers = [
            threading.Thread(target=work, args=lines[number % 2])
            for number in range(2 * (AT_ONCE + 2))
        ]
        for worker in workers:
            worker.start()
        server.until_served(len(QUICK) * PAGES)
        quick_ones = dict(server.served)
        server.let_go.set()
        for worker in workers:
            worker.join(90)
        assert not any(worker.is_alive() for worker in workers)
    for database in databases:
        database.dispose()

    assert quick_ones == dict.fromkeys(QUICK, PAGES)
    assert server.served == Counter({SLOW: 4, **quick_ones})
    assert server.most[SLOW] == AT_ONCE
    assert max(server.most.values()) == AT_ONCE
