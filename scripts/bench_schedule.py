"""
Time the sweep over many watched addresses: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_schedule.py [--addresses 10000] [--hours 24] [--database URL]

On a simulated clock: what a worker would do in a day is done as fast as it goes, and
nothing is captured; every job is done in the moment in which it was handed over. The
processor's time is this process's own: of PostgreSQL's it says nothing.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, update

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.app.machine import RandomIds  # noqa: E402
from snapshotter.app.monitoring import gap_records  # noqa: E402  the line above finds these
from snapshotter.app.monitoring.gap_records import GapService  # noqa: E402
from snapshotter.jobs.database import writing  # noqa: E402
from snapshotter.jobs.open_database import open_database  # noqa: E402
from snapshotter.jobs.queue import attempts  # noqa: E402, F401  their tables
from snapshotter.jobs.queue.database_queue import DatabaseQueue  # noqa: E402
from snapshotter.jobs.queue.job_table import JOB  # noqa: E402
from snapshotter.jobs.schedules.plan import Plan  # noqa: E402
from snapshotter.jobs.schedules.scheduler import Scheduler  # noqa: E402
from snapshotter.jobs.schedules.schedules import Schedules  # noqa: E402
from snapshotter.jobs.workers import registry  # noqa: E402, F401  their tables
from snapshotter.model.job import JobState  # noqa: E402
from snapshotter.policy.files import curves  # noqa: E402
from snapshotter.store.filesystem import DirectoryStore  # noqa: E402
from tests import logs  # noqa: E402
from tests.bundles import new_signer  # noqa: E402

START = datetime(2027, 3, 1, 12, tzinfo=UTC)
IDLE = 500  # sweeps with nothing due


class Bench:
    """A database with schedules in it, and a clock that a hand turns."""

    def __init__(self, folder: Path, database: str) -> None:
        self.time = START
        self.engine = open_database(database or f"{folder}/queue.db")
        self.schedules = Schedules(self.engine, now=self.now)
        store = DirectoryStore(folder / "store")
        writer = logs.writer(store)
        writer.create()
        desk = GapService(
            store=store,
            signer=new_signer(),
            ids=RandomIds(),
            salts_dir=folder / "salts",
            log=lambda leaves, again: writer.append(leaves, seen=None),
        )
        self.sweep = Scheduler(
            self.engine,
            DatabaseQueue(self.engine),
            record=lambda found: gap_records.record(desk, found),
            new_id=RandomIds().bundle_id,
            show_message=lambda text: print(f"TOLD: {text}"),
            now=self.now,
        )

    def now(self, connection: Connection) -> datetime:
        """Return the hand's time."""
        return self.time

    def work(self) -> None:
        """Let every job be done, as workers would."""
        with writing(self.engine) as connection:
            connection.execute(
                update(JOB)
                .where(JOB.c.state == JobState.WAITING)
                .values(state=JobState.DONE, ready=0, started_at=self.time, ended_at=self.time)
            )


@contextmanager
def measured(what: str, count: Callable[[], int]) -> Iterator[None]:
    """Print the time of a block, in all and for each of what it did."""
    cpu, wall = time.process_time(), time.monotonic()
    yield
    cpu, wall, number = time.process_time() - cpu, time.monotonic() - wall, count()
    each = f"{1000 * cpu / number:.2f} ms CPU, {1000 * wall / number:.2f} ms each" if number else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{what}: {number} in {wall:.1f} s, {cpu:.1f} s CPU; {each}; peak {peak} MiB", flush=True)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--addresses", type=int, default=10_000, help="watched addresses")
    parser.add_argument("--hours", type=int, default=24, help="simulated hours")
    parser.add_argument("--database", default="", help="URL of a database instead of a file")
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="bench-schedule-") as name:
        bench = Bench(Path(name), asked.database)
        run(bench, asked.addresses, asked.hours)
        bench.engine.dispose()
        file = Path(name) / "queue.db"
        if file.exists():
            print(f"database: {file.stat().st_size / 1e6:.1f} MB")
        records = sum(1 for _ in (Path(name) / "store" / "gaps").rglob("*.json"))
        print(f"records of gaps in the store: {records}")


def run(bench: Bench, addresses: int, hours: int) -> None:
    """Take one schedule of many addresses through a day, and through an outage."""
    urls = [f"https://host-{number % 100}.example/post/{number}" for number in range(addresses)]
    plan = Plan(curve=curves()["curve-wechat"], jitter=0.15)
    with measured("added", lambda: addresses):
        bench.schedules.add("bench", plan, urls)
    bench.time -= timedelta(seconds=1)
    with measured("sweeps with nothing due", lambda: IDLE):
        for _ in range(IDLE):
            bench.sweep.run()
    bench.time = START
    handed = settled = 0
    longest = 0.0
    with measured(f"visits of {hours} hours from first sight", lambda: handed):
        for minute in range(hours * 60 + 1):
            bench.time = START + timedelta(minutes=minute)
            begun = time.monotonic()
            swept = bench.sweep.run()
            longest = max(longest, time.monotonic() - begun)
            handed, settled = handed + swept.handed_over, settled + swept.settled
            if swept.handed_over:
                bench.work()
    print(f"the longest sweep: {longest:.1f} s; visits whose end was learnt: {settled}")
    bench.time += timedelta(days=3)
    missed = 0
    with measured("visits missed in three days without a worker, noted", lambda: missed):
        missed = bench.sweep.run().missed
    bench.time += timedelta(minutes=2)
    recorded = 0
    with measured("their records, signed, stored and logged", lambda: recorded):
        recorded = bench.sweep.run().recorded


if __name__ == "__main__":
    main()
