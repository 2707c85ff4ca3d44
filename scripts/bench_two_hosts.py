"""
Two workers against one, each on a host of its own: docs/performance.md comes from here.

    sudo .venv/bin/python scripts/bench_two_hosts.py [--jobs 40] [--pairs 2] [--page small]

The hosts are network namespaces (ip-netns(8)) on one bridge in a third one, which has
PostgreSQL, SeaweedFS and twenty web sites, each an address of its own. A host has one core
(taskset(1)), its own data directory and its own timestamp authority, and the keys of all.
Nothing leaves these namespaces. The services share the same two cores, and take from
them what stands in the report: on machines of their own two workers would gain that back.

Needs root, iproute2 and PostgreSQL's server; the rest is in the set for tests.
"""

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import bench_pages  # noqa: E402  the line above finds these
from snapshotter.app import settings as configuration  # noqa: E402
from snapshotter.app.settings import Settings  # noqa: E402
from snapshotter.app.wiring import queue as wiring_jobs  # noqa: E402
from snapshotter.errors import ServiceUnavailable  # noqa: E402
from snapshotter.jobs.workers.registry import WorkerRegistry  # noqa: E402
from snapshotter.model.job import CaptureJob, JobStatus  # noqa: E402

_NET = "10.98.0"  # in namespaces of our own, and nowhere else
_HUB = "snap-hub"
_HOSTS = ("snap-a", "snap-b")
_SITES = tuple(f"{_NET}.{number}" for number in range(11, 31))
_EVERYWHERE = "0.0.0.0"  # noqa: S104  in a namespace that nobody else reaches
_DATABASE, _S3, _AUTHORITY = 5432, 8333, 8799
_USER, _PASSWORD = "snapshotter", "bench"
_ACCESS, _SECRET = "bench", "bench-secret"
_NOBODY = 65534  # PostgreSQL refuses to run as root
_READY_S, _ENDED_S, _RUN_S, _LOOK_S = 60.0, 30.0, 600.0, 0.2


@dataclass(frozen=True, slots=True)
class Ran:
    """One run: so many jobs by so many workers."""

    workers: int
    seconds: float  # from the first attempt's begin to the last one's end
    rate: float  # captures a minute
    services_s: dict[str, float]  # processor time of each service
    transactions: int  # of the database
    grown: int  # bytes, by which the database grew
    by_worker: tuple[int, ...]


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=40, help="captures of each run")
    parser.add_argument("--pairs", type=int, default=2, help="one worker, then two, so often")
    parser.add_argument(
        "--page", default="small", choices=sorted(bench_pages.PAGES), help="page to capture"
    )
    arguments = parser.parse_args()
    if os.getuid() != 0:
        parser.error("network namespaces need root")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshotter-hosts-")))
        work.chmod(0o711)  # the database's user comes by
        stack.enter_context(_network())
        bench = _Bench(work, arguments.page, stack)
        ran = []
        for _ in range(arguments.pairs):
            for workers in (1, 2):
                ran.append(bench.run(workers, arguments.jobs))
                print(f"  {ran[-1]}", file=sys.stderr)
        _report(ran, arguments, sys.argv[1:])
    return 0


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Make the namespaces, their bridge and the addresses of the web sites."""
    names = (_HUB, *_HOSTS)
    try:
        for name in names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", _HUB, "link", "add", "bridge", "type", "bridge")
        for number, host in enumerate(_HOSTS):
            _ip("-n", _HUB, "link", "add", f"to-{number}", "type", "veth",
                "peer", "name", "eth0", "netns", host)  # fmt: skip
            _ip("-n", _HUB, "link", "set", f"to-{number}", "master", "bridge", "up")
            _ip("-n", host, "addr", "add", f"{_NET}.{101 + number}/24", "dev", "eth0")
            _ip("-n", host, "link", "set", "eth0", "up")
        for address in (f"{_NET}.1", *_SITES):
            _ip("-n", _HUB, "addr", "add", f"{address}/24", "dev", "bridge")
        _ip("-n", _HUB, "link", "set", "bridge", "up")
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _inside(name: str, *command: str | Path) -> list[str]:
    return ["ip", "netns", "exec", name, *map(str, command)]


class _Bench:
    """The services, which stay, and the workers, which come and go."""

    def __init__(self, work: Path, page: str, stack: ExitStack) -> None:
        self._work = work
        self._services: dict[subprocess.Popen[bytes], str] = {}
        self._stack = stack
        stack.callback(self._end)
        self._start_database()
        self._start_bucket()
        pages = subprocess.Popen(
            _inside(_HUB, sys.executable, ROOT / "scripts/bench_pages.py", _EVERYWHERE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(work / "pages.log").open("wb"),
            start_new_session=True,
        )
        self._services[pages] = "pages"
        assert pages.stdout is not None  # noqa: S101  it was asked for
        port = int(pages.stdout.readline())
        self._urls = [f"http://{site}:{port}{bench_pages.PAGES[page]}" for site in _SITES]
        for host in _HOSTS:
            self._start_authority(host)
        (work / "password").write_text(_PASSWORD + "\n")
        (work / "politeness.toml").write_text('[default]\nevery = "1s"\nper_day = 0\n')
        self._made = 0

    def run(self, workers: int, jobs: int) -> Ran:
        """Have so many workers do so many jobs, the sites in turn."""
        self._made += 1
        ids = [f"bench-{self._made}-{number}" for number in range(jobs)]
        before, counted = self._services_s(), self._database_facts()
        started = [self._start_worker(host) for host in _HOSTS[:workers]]
        try:
            self._wait_for_workers(workers)
            now = self._queue.now()
            self._queue.put(
                [
                    CaptureJob(id=name, url=self._urls[number % len(self._urls)], enqueued_at=now)
                    for number, name in enumerate(ids)
                ]
            )
            done = self._wait_for_jobs(ids)
        finally:
            for worker in started:
                worker.send_signal(signal.SIGTERM)
            for worker in started:
                worker.wait(_ENDED_S)
        wrong = [status for status in done if status.outcome != "complete"]
        if wrong:
            raise SystemExit(f"{len(wrong)} jobs are not complete; the first: {wrong[0]}")
        begun = min(status.started_at for status in done if status.started_at)
        ended = max(status.ended_at for status in done if status.ended_at)
        seconds = (ended - begun).total_seconds()
        after, now_counted = self._services_s(), self._database_facts()
        return Ran(
            workers,
            seconds,
            60 * jobs / seconds,
            {name: after[name] - before[name] for name in after},
            now_counted[0] - counted[0],
            now_counted[1] - counted[1],
            tuple(sorted(Counter(status.worker for status in done).values())),
        )

    def _start_database(self) -> None:
        folder = self._work / "database"
        folder.mkdir()
        os.chown(folder, _NOBODY, _NOBODY)
        (self._work / "initial-password").write_text(_PASSWORD + "\n")
        _as_nobody(
            _program("initdb"), "-U", _USER, "--pwfile", self._work / "initial-password",
            "--auth-local=trust", "--auth-host=scram-sha-256", "-D", folder / "data",
        )  # fmt: skip
        with (folder / "data/pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {_NET}.0/24 scram-sha-256\n")
        self._serve(
            "database", *_nobody(), _program("postgres"), "-D", folder / "data", "-k", folder,
            "-c", f"listen_addresses={_NET}.1", "-c", f"port={_DATABASE}",
        )  # fmt: skip
        # A socket in the file system is reached from any network: this process is in none of these.
        here = f"postgresql://{_USER}@/postgres?host={folder}&port={_DATABASE}"
        until = time.monotonic() + _READY_S
        while True:
            try:
                self._queue = wiring_jobs.queue(self._settings(here))
                self._roster = WorkerRegistry(wiring_jobs.database(self._settings(here)))
                return
            except ServiceUnavailable:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK_S)

    def _start_bucket(self) -> None:
        identity = {
            "name": "bench",
            "credentials": [{"accessKey": _ACCESS, "secretKey": _SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (self._work / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (self._work / "s3").mkdir()
        weed = Path(sys.executable).with_name("weed")
        self._serve(
            "bucket", weed, "mini",
            f"-dir={self._work / 's3'}", f"-ip={_NET}.1", f"-ip.bind={_NET}.1",
            f"-s3.port={_S3}", f"-s3.config={self._work / 's3.json'}", "-s3.autoCreateBucket=false",
            "-master.telemetry=false", "-webdav=false", "-admin.ui=false",
        )  # fmt: skip
        made = subprocess.run(
            _inside(
                _HUB, sys.executable, ROOT / "deploy/compose/bucket.py", "s3://evidence/bench",
                f"http://{_NET}.1:{_S3}",
            ),
            env=self._environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            raise SystemExit(f"no bucket: {made.stdout}{made.stderr}")

    def _start_authority(self, host: str) -> None:
        self._serve(
            "authorities", sys.executable, "-m", "tests.servers.authority",
            "--dir", self._work / f"authority-{host}", "--port", str(_AUTHORITY), where=host,
        )  # fmt: skip

    def _serve(self, name: str, *command: str | Path, where: str = _HUB) -> None:
        log = (self._work / f"{name}-{len(self._services)}.log").open("wb")
        started = subprocess.Popen(
            _inside(where, *command),
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self._services[started] = name

    def _start_worker(self, host: str) -> "subprocess.Popen[bytes]":
        """Start a worker on its host, and on its one core."""
        home = self._work / host
        home.mkdir(exist_ok=True)
        root = self._work / f"authority-{host}/root.pem"
        until = time.monotonic() + _READY_S
        while not root.exists():
            if time.monotonic() > until:
                raise SystemExit("a timestamp authority did not start")
            time.sleep(_LOOK_S)
        (home / "snapshotter.toml").write_text(
            f"""
store = "s3://evidence/bench"
s3_endpoint = "http://{_NET}.1:{_S3}"
queue = "postgresql://{_USER}@{_NET}.1:{_DATABASE}/postgres?password_file={self._work}/password"
politeness_file = "{self._work}/politeness.toml"
keys_dir = "{self._work}/keys"
data_dir = "data"
spool_dir = "spool"
allow_networks = ["{_NET}.0/24", "127.0.0.0/8"]
[[authority]]
name = "bench"
url = "http://127.0.0.1:{_AUTHORITY}/good"
root = "{root}"
"""
        )
        with (home / "worker.log").open("ab") as log:
            return subprocess.Popen(
                _inside(
                    host, "taskset", "--cpu-list", str(_HOSTS.index(host)),
                    sys.executable, "-m", "snapshotter", "worker", "--concurrency", "1",
                ),
                cwd=home,
                env={**self._environment, "SNAPSHOTTER_CONFIG": str(home / "snapshotter.toml")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _wait_for_workers(self, number: int) -> None:
        until = time.monotonic() + _READY_S
        while sum(worker.state.value == "working" for worker in self._roster.workers()) < number:
            if time.monotonic() > until:
                raise SystemExit(f"{number} workers did not start: {self._logs()}")
            time.sleep(_LOOK_S)

    def _wait_for_jobs(self, ids: list[str]) -> list[JobStatus]:
        until = time.monotonic() + _RUN_S
        done: list[JobStatus] = []
        while len(done) < len(ids):
            # One at a time: what looks must not take from what is measured.
            found = self._queue.get(ids[len(done)])
            if found is not None and found.state.over:
                done.append(found)
            elif time.monotonic() > until:
                raise SystemExit(f"{len(done)} of {len(ids)} jobs were done: {self._logs()}")
            else:
                time.sleep(_LOOK_S)
        return done

    def _logs(self) -> str:
        return "".join(path.read_text()[-1500:] for path in self._work.glob("snap-*/worker.log"))

    def _services_s(self) -> dict[str, float]:
        """Processor time that each service has used up to now, with its children's."""
        parents: dict[int, int] = {}
        used: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):  # it ended meanwhile
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    parents[int(entry.name)] = int(fields[1])
                    used[int(entry.name)] = sum(map(int, fields[11:15]))  # dead children, too
        names = {process.pid: name for process, name in self._services.items()}
        ticks: Counter[str] = Counter(dict.fromkeys(names.values(), 0))
        for number, count in used.items():
            above = number
            while above not in names and above in parents:
                above = parents[above]
            if above in names:
                ticks[names[above]] += count
        return {name: count / os.sysconf("SC_CLK_TCK") for name, count in ticks.items()}

    def _database_facts(self) -> tuple[int, int]:
        """Transactions that the database has committed, and its size in bytes."""
        asked = (
            "select xact_commit, pg_database_size(datname) from pg_stat_database "
            "where datname = 'postgres'"
        )
        said = subprocess.run(
            [
                _program("psql"), "-h", self._work / "database", "-p", str(_DATABASE),
                "-U", _USER, "-d", "postgres", "-AtF", " ", "-c", asked,
            ],
            capture_output=True, text=True, check=True, env={"PATH": os.defpath},
        ).stdout  # fmt: skip
        transactions, size = map(int, said.split())
        return transactions, size

    def _settings(self, queue: str) -> Settings:
        return configuration.load(
            overrides={"queue": queue}, directory=self._work, environment={"HOME": str(self._work)}
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self._work),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": _ACCESS,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _end(self) -> None:
        for service in reversed(list(self._services)):
            service.send_signal(signal.SIGINT)  # the database's word for: now, and in order
        for service in self._services:
            try:
                service.wait(_ENDED_S)
            except subprocess.TimeoutExpired:
                service.kill()
                service.wait(_ENDED_S)


def _nobody() -> list[str]:
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _as_nobody(*command: str | Path) -> None:
    done = subprocess.run(
        [*_nobody(), *map(str, command)],
        cwd="/", env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stdout}{done.stderr}")


def _program(name: str) -> str:
    """Return a program of PostgreSQL's server; Debian keeps them off the PATH."""
    found = shutil.which(name) or max(
        map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=""
    )
    if not found:
        raise SystemExit(f"{name} is not here: apt-get install postgresql")
    return found


def _report(ran: list[Ran], arguments: argparse.Namespace, command: list[str]) -> None:
    print(f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.platform()}")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("dbos", "playwright"))
    database = subprocess.run(
        [_program("postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"- Python {platform.python_version()}, {versions}, {database}")
    print(f"- command: scripts/bench_two_hosts.py {' '.join(command)}".rstrip())
    names = list(ran[0].services_s)
    heads = ("captures a minute", f"s for {arguments.jobs}", "transactions a capture",
             *(f"{name}, ms of a core a capture" for name in names))  # fmt: skip
    print("\n| workers | " + " | ".join(heads) + " |")
    print("| --- " * (1 + len(heads)) + "|")
    rates: dict[int, list[float]] = {}
    for number in (1, 2):
        those = [run for run in ran if run.workers == number]
        rates[number] = [run.rate for run in those]
        columns = [
            rates[number],
            [run.seconds for run in those],
            [run.transactions / arguments.jobs for run in those],
            *([1000 * run.services_s[name] / arguments.jobs for run in those] for name in names),
        ]
        print(f"| {number} | " + " | ".join(map(_spread, columns)) + " |")
    grown = _spread([run.grown / arguments.jobs for run in ran])
    print(f"\nThe database grew by {grown} bytes a capture.")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"\nTwo over one, pair by pair: {_spread(ratios)}.")
    shares = ", ".join("/".join(map(str, run.by_worker)) for run in ran if run.workers == 2)
    print(f"Captures of each of the two: {shares}.")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


if __name__ == "__main__":
    sys.exit(main())
