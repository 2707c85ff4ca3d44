"""
Capture a long table with a real browser, kill the run in the middle, and let it go on.

    python scripts/soak_batch.py --rows 1000 --kill-at 400

Small pages on twenty hosts of this machine, no timestamp authority. The run is killed
(SIGKILL) once so many rows are over, and started again. In the end the table has a bundle
for each row, the store has no other, and the servers were asked for each page once, but
for the one that was under way. tests/unit/app/batch/test_run.py has the quick version, with a
kill at every step. Ends in 1 if anything of that is not so.
"""

import argparse
import csv
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.e2e.product import Installation, kill, processes_of  # noqa: E402  the checkout's own

HOSTS = 20
_LOOK_S = 0.2


class _Pages(BaseHTTPRequestHandler):
    """A page of a few kilobytes at every address below /page/."""

    asked: ClassVar[Counter[str]] = Counter()
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_GET(self) -> None:
        found = self.path.startswith("/page/")
        if found:
            with self.lock:
                self.asked[f"{self.headers['host']}{self.path}"] += 1
        body = f"<!doctype html><title>{self.path}</title><p>{'word ' * 400}".encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> int:
    """Do it, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1000, help="rows of the table")
    parser.add_argument("--kill-at", type=int, default=400, help="rows done before the kill")
    wanted = parser.parse_args()
    servers = [
        ThreadingHTTPServer((f"127.0.0.{number}", 0), _Pages) for number in range(1, HOSTS + 1)
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        problems = _soak(Installation(Path(folder) / "home"), servers, wanted.rows, wanted.kill_at)
    for problem in problems:
        print(f"WRONG: {problem}")
    print("as it should be" if not problems else f"{len(problems)} things are wrong")
    return int(bool(problems))


def _soak(
    user: Installation, servers: list[ThreadingHTTPServer], rows: int, kill_at: int
) -> list[str]:
    places = [
        f"http://{server.server_address[0]!s}:{server.server_address[1]}" for server in servers
    ]
    urls = [f"{places[number % HOSTS]}/page/{number}" for number in range(rows)]
    (user.home / "urls.csv").write_text("url,number\n" + "".join(
        f"{url},{number}\n" for number, url in enumerate(urls)
    ))  # fmt: skip
    journal = user.home / "urls.done.csv.journal"

    began = time.monotonic()
    process = user.start("batch", "--quiet", "urls.csv")
    while process.poll() is None and _over(journal) < kill_at:
        time.sleep(_LOOK_S)
    left = processes_of(user, process.pid)
    process.kill()
    process.communicate()
    kill(list(left))
    killed = time.monotonic()
    over = _over(journal)
    print(f"killed after {over} of {rows} rows, {killed - began:.0f} s", flush=True)

    done = user.start("batch", "--quiet", "urls.csv")
    out, err = done.communicate()
    took = time.monotonic() - killed
    print(f"{out.splitlines()[0] if out else err.strip()}, {took:.0f} s more", flush=True)
    print(f"{(killed - began + took) / rows:.2f} s a row, journal {journal.stat().st_size:,} bytes")
    return list(_problems(user, urls, done.returncode))


def _over(journal: Path) -> int:
    try:
        return journal.read_bytes().count(b'{"what":"came"')
    except FileNotFoundError:
        return 0


def _problems(user: Installation, urls: list[str], code: int) -> list[str]:
    with (user.home / "urls.done.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    ids = [row["bundle_id"] for row in rows]
    stored = [bundle.stem for bundle in user.bundles()]
    asked = _Pages.asked
    problems = []
    if code != 0:
        problems.append(f"the second run ended in {code}")
    if [row["url"] for row in rows] != urls:
        problems.append("the rows are not those of the table, in their order")
    if statuses := Counter(row["status"] for row in rows if row["status"] != "done"):
        problems.append(f"not every row is done: {dict(statuses)}")
    if len(set(ids)) != len(urls):
        problems.append(f"{len(set(ids))} bundles are named by {len(urls)} rows")
    if sorted(ids) != sorted(stored):
        problems.append(
            f"the store has {len(stored)} bundles, {len(set(stored) - set(ids))} others"
        )
    again = sum(count - 1 for count in asked.values())
    print(f"{len(asked)} pages were asked for, {again} a second time; {len(stored)} bundles")
    if len(asked) != len(urls) or again > 1:
        problems.append("pages were asked for that need not have been")
    audit = user.run("audit", "--json", str(user.store))
    verdict = json.loads(audit.out.splitlines()[-1]).get("verdict", "") if audit.out else ""
    print(f"audit of the store: {verdict or audit.err.strip()}")
    if verdict == "failed":
        problems.append("the audit FAILED")
    return problems


if __name__ == "__main__":
    sys.exit(main())
