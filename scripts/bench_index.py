"""
Time the index of a large store: docs/performance.md comes from here.

    python scripts/bench_index.py                     100,000 bundles, SQLite and PostgreSQL
    python scripts/bench_index.py --bundles 5000 --database sqlite

Makes a store first: bundles of one capture of the fixture site, each with an id, an
address, a title and a text of its own, over a year. Their seals are not made again, because an
index verifies nothing. Then `snapshotter index rebuild` and the commands that people wait for run
as processes of their own. A page of results is also timed inside a process. PostgreSQL is a server
that this script starts.

Times are medians. Memory is the most that one process held at once. The load of the machine is
printed, because all figures depend on it.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.app.archive.lookup import search as searches  # noqa: E402  the line above finds these
from snapshotter.app.settings import load  # noqa: E402
from snapshotter.app.wiring import index as wiring_index  # noqa: E402
from snapshotter.formats import canonical_json  # noqa: E402
from snapshotter.formats.bundle import names, store_keys  # noqa: E402
from snapshotter.formats.page import assessment as assessments  # noqa: E402
from snapshotter.index.query import parse  # noqa: E402
from snapshotter.site.state import SiteState  # noqa: E402
from tests import bundles, observed  # noqa: E402
from tests.bundles import Members  # noqa: E402
from tests.servers.postgresql import PostgreSQL  # noqa: E402

_BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
_DAYS = 365
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PARAGRAPHS = 12
_WORDS = 40  # of a paragraph
_POLL_S = 0.01
_RARE = 2_000  # one bundle of so many has the rare word
_QUERIES = {
    "a word of two characters in one bundle of 2,000": "谣言",
    "a phrase": '"the record was removed"',
    "a frequent word": "archive",
    "a word and a filter": "谣言 host:host7.example",
    "frequent words": "home about imprint",
    "a frequent word in a region without it": "imprint in:main",
    "a phrase that nearly all bundles have": '"home about"',
    "one character": "言",
    "the beginning of a word": "arch*",
    "a rare policy": "policy:rare",
    "a rare language": "lang:ha",
    "a rare outcome": "outcome:failed",
    "missing parts": "has:missing",
    "a day at the begin": "before:2025-11-02",
    "an excluded host": "-host:host7.example",
    "a host that is not there": "site:nowhere.example",
    "a rare filter or a rare word": "policy:rare OR 谣言",
    "frequent values that no bundle has together": "policy:standard lang:fr",
}
_PROCESSES = ("谣言", "archive", "policy:rare")  # of `_QUERIES`, those that are run as a process
_DEEP = 10_000  # bundles before the page 500


def _vocabulary() -> tuple[str, ...]:
    dice = random.Random(1)  # noqa: S311  the same texts on each machine
    han = [chr(dice.randrange(0x4E00, 0x6E00)) for _ in range(1_500)]
    words = ["".join(dice.choices(han, k=dice.randint(1, 3))) for _ in range(4_000)]
    letters = "etaoinshrdlu"
    words += ["".join(dice.choices(letters, k=dice.randint(3, 9))) for _ in range(2_000)]
    return tuple(word for word in words if "谣" not in word)


def text_of(number: int, words: Sequence[str]) -> str:
    """Return the text of a page: paragraphs of words by a falling frequency."""
    dice = random.Random(number)  # noqa: S311  the same texts on each machine
    lines = []
    for paragraph in range(_PARAGRAPHS):
        chosen = [words[int(len(words) * dice.random() ** 3)] for _ in range(_WORDS)]
        if paragraph == 3 and number % _RARE == 7:
            chosen.insert(5, "谣言")
        if paragraph == 5 and number % 500 == 3:
            chosen.insert(5, "the record was removed")
        if paragraph == 7 and number % 3 == 0:
            chosen.insert(5, "archive")
        lines.append(" ".join(chosen))
    return "\n".join(lines)


@dataclass(frozen=True)
class Plan:
    """What is needed to make bundles, in any process."""

    store: Path
    template: Members
    count: int


def make_bundles(plan: Plan, numbers: range) -> int:
    """Make some of the bundles; return their bytes."""
    words, length = _vocabulary(), 0
    for number in numbers:
        members = dict(plan.template)
        at = _BEGIN + timedelta(seconds=number * _DAYS * 86_400 // plan.count)
        bundle_id = f"{at:%Y%m%dt%H%M%Sz}-{_suffix(number)}"
        text = text_of(number, words)
        record = json.loads(members[names.CAPTURE_RECORD])
        record["bundle_id"] = bundle_id
        record["what"] |= {
            "requested_url": f"https://host{number % 500}.example/articles/{number % 20_000}",
            "final_url": f"https://host{number % 500}.example/articles/{number % 20_000}",
            "title": text[:40].replace("\n", " "),
        }
        rare = number % 50_000 == 11
        is_french = number % 10 == 0
        language = "ha" if rare else "fr" if is_french else ("zh-CN", "en", "de")[number % 3]
        record["content"]["document_language"] = language
        record["content"]["missing_parts"] = ["image"] if number % 20 == 5 else []
        record["how"]["policy"]["name"] = "rare" if rare else "court" if is_french else "standard"
        record["outcome"]["state"] = "failed" if rare else "complete"
        ms = int(at.timestamp() * 1000)
        for name, later in (("started_at", 0), ("ended_at", 2_000)):
            moment = at + timedelta(milliseconds=later)
            record["when"] |= {name: canonical_json.instant(moment), f"{name}_ms": ms + later}
        assessed = json.loads(members[assessments.PATH])
        assessed["readings"]["main_text"] = text
        members |= {
            names.CAPTURE_RECORD: canonical_json.dumps(record),
            assessments.PATH: canonical_json.dumps(assessed),
            "capture/page.txt": f"Home\nAbout\n{text}\nImprint {number}\n".encode(),
        }
        data = bundles.pack(members)
        path = plan.store / store_keys.bundle_key(bundle_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        length += len(data)
    return length


def _suffix(number: int) -> str:
    digits = ""
    for _ in range(16):
        number, digit = divmod(number, 32)
        digits = _LETTERS[digit] + digits
    return digits


def make(folder: Path, count: int, jobs: int) -> int:
    """Make a store of so many bundles; return their bytes."""
    signer = bundles.new_signer()
    sealed = observed.shoot(
        folder / "template", observed.at(0), SiteState(), observed.ARTICLE, signer=signer
    )
    template = bundles.unpack(sealed.file.read_bytes())
    plan = Plan(store=folder / "captures", template=template, count=count)
    parts = [range(start, min(start + 1_000, count)) for start in range(0, count, 1_000)]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        return sum(pool.imap_unordered(partial(make_bundles, plan), parts))


@dataclass(frozen=True)
class Run:
    """One process: how long it took, and what it printed."""

    wall_s: float
    processor_s: float
    memory_mib: float
    out: str


def run(variables: dict[str, str], *arguments: str) -> Run:
    """Run a command of snapshotter."""
    began, memory_kib = time.monotonic(), 0
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "snapshotter", *arguments],
            stdout=out,
            env={**os.environ, **variables},
            cwd=variables["SNAPSHOTTER_DATA_DIR"],
        )
        # The system's own figure begins with the memory of this process.
        status = Path(f"/proc/{process.pid}/status")
        while True:
            done, code, used = os.wait4(process.pid, os.WNOHANG)
            if done:
                break
            with contextlib.suppress(OSError):
                found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
                memory_kib = max(memory_kib, int(found[1]) if found else 0)
            time.sleep(_POLL_S)
        wall_s = time.monotonic() - began
        out.seek(0)
        printed = out.read().decode()
    process.returncode = os.waitstatus_to_exitcode(code)
    if process.returncode:
        raise SystemExit(f"{arguments} ended in {process.returncode}")
    return Run(wall_s, used.ru_utime + used.ru_stime, memory_kib / 1024, printed)


def server_s(server: PostgreSQL | None) -> float:
    """Return the processor time of a server, without that of open connections."""
    if server is None:
        return 0.0
    leader = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    ticks = Path(f"/proc/{leader}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def measure(folder: Path, data: Path, server: PostgreSQL | None, count: int, runs: int) -> None:
    """Rebuild the index, and time what people wait for."""
    queue = server.url if server is not None else ""
    data.mkdir()
    variables = {
        "SNAPSHOTTER_DATA_DIR": str(data),
        "SNAPSHOTTER_STORE": str(folder / "captures"),
        "SNAPSHOTTER_QUEUE": queue,
        "HOME": str(data),
    }
    before = server_s(server)
    rebuilt = run(variables, "index", "rebuild", "--json")
    if server is not None:
        print(f"  processor of the server: {server_s(server) - before:.1f} s")
    if json.loads(rebuilt.out)["assessed"] != count:
        raise SystemExit(f"the index has other bundles: {rebuilt.out}")
    report("rebuild", rebuilt, f"{count / rebuilt.wall_s:.0f} bundles a second")
    again = run(variables, "index", "rebuild", "--json")
    report("rebuild again", again, f"{count / again.wall_s:.0f} bundles a second")
    size = sum(file.stat().st_size for file in (data / "index").glob("*")) if not queue else 0
    if size:
        print(f"  size of the index: {size / 1e6:.0f} MB")
    newest = json.loads(run(variables, "list", "--limit", "1", "--json").out)["bundle_id"]
    for name, arguments in (
        ("list", ("list",)),
        ("list --host", ("list", "--host", "host7.example")),
        ("show", ("show", newest)),
        ("open --print", ("open", "--print", newest)),
        *((f"search {query}", ("search", query)) for query in _PROCESSES),
    ):
        done = [run(variables, *arguments) for _ in range(runs)]
        middle = sorted(done, key=lambda one: one.wall_s)[len(done) // 2]
        report(f"process {name}", middle, "")
    settings = load(directory=data, environment=variables)
    with wiring_index.observation_source(settings) as source:
        ids = source.index.candidates()
        deep = next(islice(ids, min(_DEEP, count - 1), None))
        for name, query, cursor in (
            ("no query", "", ""),
            ("no query, page 500", "", deep),
            ("a frequent word, page 500", "archive", deep),
            *((name, query, "") for name, query in _QUERIES.items()),
        ):
            page = partial(
                searches.search,
                source,
                parse(query) if query else None,
                limit=20,
                before=cursor,
                now=_BEGIN + timedelta(days=_DAYS),
                is_trusted=lambda key_id: False,
            )
            times = [_timed(page) for _ in range(runs)]
            wall, processor = (statistics.median(kind) * 1000 for kind in zip(*times, strict=True))
            print(f"  page {name}: {wall:.0f} ms, processor {processor:.0f} ms", flush=True)


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    """Return the time and the processor time of a call, in seconds."""
    began, used = time.monotonic(), time.process_time()
    act()
    return time.monotonic() - began, time.process_time() - used


def report(name: str, done: Run, more: str) -> None:
    """Print one measurement."""
    print(
        f"  {name}: {done.wall_s:.2f} s, processor {done.processor_s:.2f} s, "
        f"{done.memory_mib:.0f} MiB{f', {more}' if more else ''}",
        flush=True,
    )


def main() -> None:
    """Make the store, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundles", type=int, default=100_000, help="in the store")
    parser.add_argument("--jobs", type=int, default=2, help="processes that make the bundles")
    parser.add_argument("--folder", type=Path, help="an empty folder, kept; default: a temporary")
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql", "both"), default="both", help="of the index"
    )
    parser.add_argument("--runs", type=int, default=7, help="of each command")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not (folder / "captures").exists():
            began = time.monotonic()
            length = make(folder, given.bundles, given.jobs)
            print(
                f"{given.bundles} bundles of {length / given.bundles / 1000:.0f} kB "
                f"in {time.monotonic() - began:.0f} s",
                flush=True,
            )
        for database in ("sqlite", "postgresql"):
            if given.database not in (database, "both"):
                continue
            server = stack.enter_context(PostgreSQL()) if database == "postgresql" else None
            data = folder / f"data-{database}"
            shutil.rmtree(data, ignore_errors=True)
            print(f"{database}, load {os.getloadavg()[0]:.1f} at the begin", flush=True)
            measure(folder, data, server, given.bundles, given.runs)


if __name__ == "__main__":
    main()
