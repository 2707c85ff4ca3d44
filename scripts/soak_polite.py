"""
Politeness with real workers and a real browser, measured at the server.

    .venv/bin/python scripts/soak_polite.py [--database postgresql] [--workers 2]

Three good hosts with more pages than their budget of a day has visits, one host that takes its
time and one that says 429 with Retry-After to everything; two workers, of which one is killed
(SIGKILL) meanwhile. It ends in a line of JSON, and in 1 if a limit did not hold, if the
good hosts had to wait for the others, or if anything is missing.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts.soak_queue import Soak  # noqa: E402  the line above finds these
from tests.servers.postgresql import PostgreSQL  # noqa: E402
from tests.servers.visited import Visited  # noqa: E402

GOOD, SLOW, HOSTILE = ("127.0.0.2", "127.0.0.3", "127.0.0.4"), "127.0.0.8", "127.0.0.9"
BUDGET, MORE = 5, 2  # visits of each good host, and pages that have to wait for tomorrow
SLOW_S, EVERY_S, JITTER, RETRY_AFTER_S = 12.0, 15, 0.4, 8
# From when a job is handed out to when its page is asked for passes the start of a browser, and
# that varies: what the server sees between two starts can be so much shorter.
START_S = 1.5
RULES = f"""
[worker]
at_once = 16
[[host]]
name = "good"
hosts = {list(GOOD)}
every = "{EVERY_S}s"
jitter = {JITTER}
per_day = {BUDGET}
urgent = 0
[[host]]
name = "others"
hosts = ["{SLOW}", "{HOSTILE}"]
every = "1s"
revisits = 1
revisit_after = "5s"
throttled = ["2s", "10s"]
"""


def measure(folder: Path, arguments: argparse.Namespace, server: Visited) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        queue = {}
        if arguments.database == "postgresql":
            queue = {"queue": stack.enter_context(PostgreSQL()).url}
        soak = Soak(folder, arguments, **queue)
        (folder / "polite.toml").write_text(RULES)
        stack.callback(soak.end)
        soak.urls = [
            *(server.url(SLOW, f"{number}/visit") for number in range(2)),
            *(server.url(HOSTILE, f"{number}/visit") for number in range(2)),
            *(
                server.url(host, f"{number}/visit")
                for number in range(BUDGET + MORE)
                for host in GOOD
            ),
        ]
        soak.enqueue()
        began = time.monotonic()
        soak.start(arguments.workers)
        server.until_served(4)
        soak.workers[0].kill()
        left = MORE * len(GOOD)

        def settled(states: Counter[str]) -> bool:
            """Whether all that is left is for tomorrow."""
            if states["waiting"] + states["running"] or states["deferred"] < left:
                return False
            deferred = soak.user.run("queue", "list", "--state", "deferred", "--json").objects
            return all("budget" in job["error"] for job in deferred)

        soak.until(settled, "the end")
        took = time.monotonic() - began
        states = dict(soak.states())
        held = soak.user.run("queue", "hosts", "--held", "--json").objects
        bundles = soak.user.run("list", "--json").objects
    good = {host: server.spans[host] for host in GOOD}
    gaps = [b[0] - a[0] for spans in good.values() for a, b in pairwise(sorted(spans))]
    hostile = sorted(server.spans[HOSTILE])
    rests = [b[0] - a[1] for a, b in pairwise(hostile)]
    ended = {host: round(spans[-1][1] - began, 1) for host, spans in server.spans.items()}
    visits = {host: len(spans) for host, spans in server.spans.items()}
    shortest = EVERY_S * (1 - JITTER)
    return {
        "good": max(server.most.values()) == 1
        and max(visits[host] for host in GOOD) <= BUDGET
        and min(gaps) >= shortest - START_S
        and min(rests) >= RETRY_AFTER_S
        and {job["host"] for job in held if job["why"] == "budget"} == set(GOOD),
        "seconds": round(took, 1),
        "most_at_once": max(server.most.values()),
        "visits": visits,
        "shortest_gap_s": round(min(gaps), 2),
        "allowed_gap_s": round(shortest, 2),
        "shortest_rest_s": round(min(rests), 2),
        "asked_rest_s": RETRY_AFTER_S,
        "last_visit_ended_s": ended,
        "states": states,
        "bundles": len(bundles),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="queue database"
    )
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--concurrency", type=int, default=1, help="slots of each worker")
    arguments = parser.parse_args()
    arguments.hosts = arguments.captures = arguments.per_host = 1
    with (
        tempfile.TemporaryDirectory() as folder,
        Visited(takes_s=0.3, slow=SLOW, wait_s=SLOW_S, hostile=(HOSTILE, RETRY_AFTER_S)) as server,
    ):
        result = measure(Path(folder), arguments, server)
    print(json.dumps({"database": arguments.database, **result}))
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
