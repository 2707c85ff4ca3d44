"""
The queue under ends that nobody chose: real workers, a real browser, real servers on loopback.

    .venv/bin/python scripts/soak_queue.py kill [--database postgresql] [--captures 200]
    .venv/bin/python scripts/soak_queue.py pause | database | store | authority
    .venv/bin/python scripts/soak_queue.py churn --captures 30 [--kills 30] [--seed 13]
    sudo .venv/bin/python scripts/soak_queue.py disk

kill       two workers, one of them killed (SIGKILL) when half is done; and the same undisturbed
churn      one worker after the other killed (SIGKILL), each at a random moment of a capture
pause      a worker and its slots stopped (SIGSTOP) until it is taken for dead, then woken
database   PostgreSQL stopped for a while, and started again
store      the line to the bucket cut for a while
authority  the line to the timestamp authority cut for a while
disk       the disk of the spool filled, and emptied again (a tmpfs: needs root)

Each ends in a line of JSON, and in 1 if anything was not as it must be: every URL one bundle
in the store and one entry in the log, and no host ever asked by more visits at once than its
rules allow, as the site itself has seen it. docs/performance.md has what it measured.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from typing_extensions import override

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.app import settings as configuration  # noqa: E402  the line above finds these
from snapshotter.app.wiring import queue as wiring_jobs  # noqa: E402
from snapshotter.errors import ServiceUnavailable  # noqa: E402
from tests.e2e.product import Installation, processes_of  # noqa: E402
from tests.servers.authority import TestAuthority  # noqa: E402
from tests.servers.postgresql import PostgreSQL  # noqa: E402
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS  # noqa: E402

_IMAGE_S = 0.3  # that an image takes: so long at least a visit is seen at its host
_LOOK_S = 0.2
_S = 1800.0  # for anything that is waited for
_PAUSE_S = 40.0  # longer than a worker may be silent
_CHURN_S = 8.0  # at most, from the beginning of a capture until its worker is killed
_GONE_S = 20.0  # for which a service is gone
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63680000008200816b1f99d90000000049454e44ae426082"
)


class Site:
    """A page for each number on each host, and how many visits each host had at once."""

    def __init__(self, hosts: int) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Counter[str]] = {}
        self.most: Counter[str] = Counter()  # distinct pages with open requests, by host
        self.visits: Counter[str] = Counter()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                name = self.path.rpartition("/")[2]
                host = self.headers.get("Host", "").partition(":")[0]
                with site.seen(host, name, is_page=self.path.startswith("/page/")):
                    if self.path.startswith("/image/"):
                        time.sleep(_IMAGE_S)
                        self._answer("image/png", _PIXEL)
                    else:
                        text = f"<!doctype html><title>Page {name}</title><h1>{name}</h1>"
                        self._answer("text/html", f"{text}<img src=/image/{name}>".encode())

            def _answer(self, media_type: str, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # a browser that was killed
                    self.wfile.write(body)

            @override
            def log_message(self, format: str, *arguments: object) -> None:
                return

        self._server = _Server(("0.0.0.0", 0), Handler)  # noqa: S104 - 127.0.0.0/8
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._hosts = [f"127.0.1.{number + 1}" for number in range(hosts)]

    def urls(self, count: int) -> list[str]:
        """Return so many pages, spread over the hosts."""
        port = self._server.server_address[1]
        return [
            f"http://{self._hosts[number % len(self._hosts)]}:{port}/page/{number}"
            for number in range(count)
        ]

    @contextlib.contextmanager
    def seen(self, host: str, name: str, *, is_page: bool) -> Iterator[None]:
        with self._lock:
            open_here = self._open.setdefault(host, Counter())
            open_here[name] += 1
            self.visits[name] += is_page
            self.most[host] = max(self.most[host], sum(1 for count in open_here.values() if count))
        try:
            yield
        finally:
            with self._lock:
                open_here[name] -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # as a browser that is killed leaves
            super().handle_error(request, client_address)  # type: ignore[arg-type] # its own value


class Line:
    """A way to a server that can be cut and mended; its own end stays where it is."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._peers: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    def cut(self) -> None:
        """Break every connection, and take no new one."""
        self._listener.close()
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()
        self._peers.clear()

    def mend(self) -> None:
        """Take connections again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._target))
                self._peers += [peer, there]
                for source, sink in ((peer, there), (there, peer)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Soak:
    """One user, one site, and workers that are told from outside what becomes of them."""

    def __init__(self, folder: Path, arguments: argparse.Namespace, **settings: object) -> None:
        self.user = Installation(folder)
        rules = '[worker]\nat_once = 16\n[[host]]\nname = "soak"\nhosts = ["127.0.0.0/8"]\n'
        rules += f'at_once = {arguments.per_host}\nevery = "0s"\nper_day = 0\n'
        (folder / "polite.toml").write_text(rules)
        authorities = settings.pop("authorities", None)
        self.user.configure(
            authorities,  # type: ignore[arg-type] # as given below
            politeness_file="polite.toml",
            **settings,
        )
        self.site = Site(arguments.hosts)
        self.urls = self.site.urls(arguments.captures)
        self._arguments = arguments
        self.workers: list[subprocess.Popen[bytes]] = []
        file = {"SNAPSHOTTER_CONFIG": str(folder / "snapshotter.toml")}
        self._queue = wiring_jobs.queue(configuration.load(directory=folder, environment=file))

    def enqueue(self) -> None:
        done = self.user.run("capture", "--enqueue", "--quiet", "-", given="\n".join(self.urls))
        if done.code:
            raise SystemExit(done.err)

    def start(self, count: int) -> None:
        """Start workers."""
        for _ in range(count):
            log = (self.user.home / f"worker-{len(self.workers)}.log").open("w")
            with log:
                self.workers.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "snapshotter", "worker", "--concurrency",
                         str(self._arguments.concurrency)],
                        cwd=self.user.home, env=self.user._environ(), stdin=subprocess.DEVNULL,
                        stdout=log, stderr=log, start_new_session=True,
                    )
                )  # fmt: skip

    def said(self, number: int) -> str:
        return (self.user.home / f"worker-{number}.log").read_text()

    def states(self) -> Counter[str]:
        try:
            return Counter({state.value: count for state, count in self._queue.counts().items()})
        except ServiceUnavailable:  # it is gone, for the moment
            return Counter()

    def until(self, done: Callable[[Counter[str]], bool], words: str) -> None:
        end = time.monotonic() + _S
        while not done(states := self.states()):
            if time.monotonic() > end:
                raise SystemExit(f"{words} did not come: {dict(states)}")
            time.sleep(_LOOK_S)

    def until_done(self, count: int) -> None:
        self.until(
            lambda counts: counts["done"] + counts["incomplete"] >= count, f"{count} captures"
        )

    def until_over(self) -> None:
        waits = ("waiting", "deferred", "running")
        self.until(
            lambda counts: bool(counts) and not any(counts[state] for state in waits), "the end"
        )

    def end(self) -> None:
        """End all workers politely, and whatever does not end."""
        for worker in self.workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        for worker in self.workers:
            try:
                worker.wait(120)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def found(self) -> dict[str, Any]:
        """Return what became of all, and whether it is as it must be."""
        states = dict(self.states())
        bundles = self.user.run("list", "--limit", "1000000", "--json").objects
        by_url = Counter(bundle["requested_url"] for bundle in bundles)
        entries = self.user.run("log", "show", "--last", "1000000", "--json").object["entries"]
        logged = Counter(entry["name"] for entry in entries if entry["kind"] == "bundle")
        most = max(self.site.most.values(), default=0)
        good = (
            by_url == Counter(self.urls)
            and logged == Counter(bundle["bundle_id"] for bundle in bundles)
            and set(states) <= {"done", "incomplete"}
            and most <= self._arguments.per_host
        )
        return {
            "good": good,
            "states": states,
            "urls": len(self.urls),
            "bundles": len(bundles),
            "twice_in_store": sorted(name for name, count in by_url.items() if count > 1),
            "missing": sorted(set(self.urls) - set(by_url))[:10],
            "logged": len(logged),
            "twice_in_log": sorted(name for name, count in logged.items() if count > 1),
            "most_visits_of_a_host_at_once": most,
            "visits": sum(self.site.visits.values()),
        }


def kill(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Two workers, one killed when half is done; and undisturbed."""
    took: dict[str, float] = {}
    found: dict[str, Any] = {}
    for name in ("undisturbed", "killed"):
        with contextlib.ExitStack() as stack:
            queue = {}
            if arguments.database == "postgresql":
                queue = {"queue": stack.enter_context(PostgreSQL()).url}
            soak = Soak(folder / name, arguments, **queue)
            stack.callback(soak.end)
            soak.enqueue()
            began = time.monotonic()
            soak.start(arguments.workers)
            if name == "killed":
                soak.until_done(arguments.captures // 2)
                soak.workers[0].kill()
            soak.until_over()
            took[name] = round(time.monotonic() - began, 1)
            found[name] = soak.found()
    within = took["killed"] <= 2 * took["undisturbed"]
    return {
        "good": within and all(phase["good"] for phase in found.values()),
        "seconds": took,
        "within_twice": within,
        **found,
    }


def churn(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One worker after the other killed at random moments; no page is given up for it."""
    with contextlib.ExitStack() as stack:
        soak = Soak(folder, arguments)
        stack.callback(soak.end)
        soak.enqueue()
        moments = random.Random(arguments.seed)  # noqa: S311 - when to kill, no secret
        for number in range(arguments.kills):
            over = sum(soak.states()[state] for state in ("done", "incomplete", "dead", "failed"))
            if over >= arguments.captures - 1:
                break
            soak.start(1)
            while "http://" not in soak.said(number) and soak.workers[number].poll() is None:
                time.sleep(_LOOK_S / 10)
            time.sleep(moments.uniform(0, _CHURN_S))
            soak.workers[number].kill()
            soak.workers[number].wait()
        kills = len(soak.workers)
        soak.start(2)
        soak.until_over()
        jobs = soak.user.run("queue", "list", "--json").objects
        found = soak.found()
        begun = sum("http://" in soak.said(number) for number in range(kills))
        return {
            **found,
            "kills": kills,
            "kills_in_a_capture": begun,
            "most_attempts_counted": max(job["attempts"] for job in jobs),
            "said_to_be_suspect": sum("workers in a row" in str(job["notes"]) for job in jobs),
        }


def pause(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """A worker and its slots stopped, taken for dead, and woken."""
    with contextlib.ExitStack() as stack:
        soak = Soak(folder, arguments)
        stack.callback(soak.end)
        soak.enqueue()
        soak.start(2)
        soak.until_done(arguments.captures // 3)
        sleeper = soak.workers[0]
        stopped = [sleeper.pid, *processes_below(soak.user, sleeper.pid)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(_PAUSE_S)
        soak.until_done(arguments.captures)
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        end = time.monotonic() + 60
        while "was considered dead" not in soak.said(0) and time.monotonic() < end:
            time.sleep(_LOOK_S)
        soak.end()
        found = soak.found()
        fenced = "was considered dead" in soak.said(0)
        return {**found, "good": found["good"] and fenced, "fenced": fenced}


def processes_below(user: Installation, pid: int) -> list[int]:
    """Return a worker's slots and their browsers, without those of other workers."""
    parents: dict[int, int] = {}
    for process_id in processes_of(user, pid):
        with contextlib.suppress(OSError):
            stat = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
            parents[process_id] = int(stat[1])
    below = {pid}
    while more := {process_id for process_id, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {pid})


def database(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The database gone for a while."""
    with PostgreSQL() as server, contextlib.ExitStack() as stack:
        soak = Soak(folder, arguments, queue=server.url)
        stack.callback(soak.end)
        soak.enqueue()
        soak.start(2)
        soak.until_done(arguments.captures // 3)
        server.stop()
        time.sleep(_GONE_S)
        server.start()
        soak.until_over()
        waited = ["waits until the queue answers" in soak.said(number) for number in range(2)]
        found = soak.found()
        return {**found, "good": found["good"] and all(waited), "said_so": waited}


def store(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The bucket gone for a while."""
    with SeaweedFS(folder / "bucket") as server, contextlib.ExitStack() as stack:
        server.client().create_bucket(Bucket="soak")
        line = Line(int(server.endpoint_url.rpartition(":")[2]))
        soak = Soak(
            folder / "user", arguments, store="s3://soak/evidence",
            s3_endpoint=f"http://127.0.0.1:{line.port}", s3_region="us-east-1",
        )  # fmt: skip
        soak.user.environment |= {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }  # fmt: skip
        stack.callback(soak.end)
        soak.enqueue()
        soak.start(2)
        soak.until_done(arguments.captures // 3)
        line.cut()
        time.sleep(_GONE_S)
        seen = soak.user.run("worker", "list", "--json").objects
        running = soak.user.run("queue", "list", "--state", "running", "--json").objects
        line.mend()
        soak.until_over()
        attempts = [row["attempts"] for row in soak.user.run("queue", "list", "--json").objects]
        found = soak.found()
        return {
            **found,
            "good": found["good"] and max(attempts) == 1,
            "workers_meanwhile": [(worker["state"], worker["detail"]) for worker in seen],
            "jobs_meanwhile": sorted({note for job in running for note in job["notes"]}),
            "most_attempts": max(attempts),
        }


def authority(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The timestamp authority gone for a while."""
    folder.mkdir(exist_ok=True)
    with TestAuthority(folder / "authority") as server, contextlib.ExitStack() as stack:
        line = Line(server.port)
        soak = Soak(
            folder / "user", arguments, timestamp_timeout_s=2,
            authorities={"soak": (f"http://127.0.0.1:{line.port}/good", server.good.root_pem)},
        )  # fmt: skip
        stack.callback(soak.end)
        soak.enqueue()
        soak.start(2)
        soak.until_done(arguments.captures // 3)
        line.cut()
        before = soak.states()["done"]
        soak.until_done(min(arguments.captures, before + 4))
        owed = len(list((soak.user.data / "pending").glob("*.json")))
        line.mend()
        soak.until_over()
        end = time.monotonic() + 180  # the chores of a worker come once a minute
        while (left := list((soak.user.data / "pending").glob("*.json"))) and (
            time.monotonic() < end
        ):
            time.sleep(_LOOK_S)
        found = soak.found()
        return {
            **found,
            "good": found["good"] and owed > 0 and not left,
            "owed_meanwhile": owed,
            "owed_in_the_end": len(left),
        }


def disk(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """The disk of the spool filled, and emptied again."""
    small = folder / "small"
    small.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700m", "soak", str(small)], check=True)
    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", "-l", str(small)], check=False)
        soak = Soak(folder / "user", arguments, spool_dir=str(small / "spool"))
        stack.callback(soak.end)
        soak.enqueue()
        soak.start(2)
        soak.until_done(arguments.captures // 3)
        filler = small / "filler"
        # Until nothing more fits, whatever runs meanwhile.
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(bytes(1 << 20)):
                pass
        time.sleep(_GONE_S)
        seen = soak.user.run("worker", "list", "--json").objects
        states = dict(soak.states())
        filler.unlink()
        soak.until_over()
        attempts = [row["attempts"] for row in soak.user.run("queue", "list", "--json").objects]
        found = soak.found()
        # Now and then each of them looks whether there is space again: not all pause at once.
        said = any(
            worker["state"] == "paused" and "nearly full" in worker["detail"] for worker in seen
        )
        return {
            **found,
            "good": found["good"] and said and max(attempts) == 1,
            "workers_meanwhile": [(worker["state"], worker["detail"]) for worker in seen],
            "states_meanwhile": states,
            "most_attempts": max(attempts),
        }


_RUNS = {
    case.__name__: case for case in (kill, churn, pause, database, store, authority, disk)
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", choices=sorted(_RUNS), help="what to do to the queue, see above")
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql"], default="sqlite", help="queue database"
    )
    parser.add_argument("--captures", type=int, default=200, help="captures in all")
    parser.add_argument("--hosts", type=int, default=20, help="hosts of the captured pages")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--concurrency", type=int, default=1, help="slots of each worker")
    parser.add_argument("--per-host", type=int, default=1, help="visits of one host at once")
    parser.add_argument("--kills", type=int, default=30, help="kills by `churn`")
    parser.add_argument("--seed", type=int, default=13, help="seed of the moments of the kills")
    parser.add_argument("--keep", type=Path, help="leave everything in this directory")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        result = _RUNS[arguments.run](folder, arguments)
    print(json.dumps({"run": arguments.run, "database": arguments.database, **result}))
    return 0 if result["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
