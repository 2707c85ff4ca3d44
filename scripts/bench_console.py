"""
Time the console over a large store: docs/performance.md comes from here.

    python scripts/bench_console.py                          100,000 rows
    python scripts/bench_console.py --rows 2000 --folder DIR  a smaller one, kept for the next run

Rows in the place of bundles are written into an index first: of 500 hosts and 20,000 pages over a
year, a third with a frequent word, one of 2,000 with a rare one. One of 40 shows a removal, and the
text of one of 100 changed. Some sealed captures with pictures are stored as well, so that the page
of a capture, a comparison and thumbnails work. Then `snapshotter serve` runs on loopback as a
process of its own. Each page is loaded so many times one after the other, with other values each
time. What the server makes once in the background is made before. At last, many viewers load pages
at the same time.

A time is what a client waits for: the work of the server and the way over loopback. The processor
time of the server is for one load, with what it does in the background. Memory is the most that the
server held at once; its worker is another process. The load of the machine is printed, because all
figures depend on it.
"""

import argparse
import http.client
import io
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from PIL import Image, ImageDraw  # noqa: E402  the line above finds what follows

from snapshotter.app.settings import load  # noqa: E402
from snapshotter.app.wiring import index as wiring_index  # noqa: E402
from snapshotter.formats.bundle import store_keys  # noqa: E402
from snapshotter.index.open_index import open_index_file  # noqa: E402
from snapshotter.index.values import (  # noqa: E402
    BundleFacts,
    BundleSummary,
    Passage,
    PassageRegion,
    VerdictSource,
)
from snapshotter.model.assessment import (  # noqa: E402
    AssessmentSummary,
    Availability,
    Cause,
    Content,
)
from snapshotter.model.bundle import StoredObject  # noqa: E402
from snapshotter.model.takedown import Observation  # noqa: E402
from tests import observed  # noqa: E402
from tests.archived import Archive  # noqa: E402

_BEGIN = datetime(2025, 11, 1, tzinfo=UTC)
_DAYS = 365
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAGES, _HOSTS = 20_000, 500
_SEALED = 24  # captures with pictures
_WARM = 3  # loads of a page that are not counted
_START_S = 120  # for the server to begin
_REQUESTS = 12  # of each viewer
# Pages that show what is made once in the background, and the loads that begin all of it.
_MADE_ONCE = {"capture": 60, "compare": 60, "thumbnail": 60, "take-downs": 1, "review": 1}
_QUICK_S = 0.2  # a load that did not wait
_MAKING_S = 90  # for which the end of that work is waited for


def bundle_id(number: int, count: int) -> str:
    """Return the id of a row; greater numbers are later."""
    digits, left = "", number
    for _ in range(16):
        left, digit = divmod(left, 32)
        digits = _LETTERS[digit] + digits
    return f"{moment(number, count):%Y%m%dt%H%M%Sz}-{digits}"


def moment(number: int, count: int) -> datetime:
    """Return when the capture of a row began."""
    return _BEGIN + timedelta(seconds=number * _DAYS * 86_400 // count)


def url_of(number: int) -> str:
    """Return the address of a row."""
    page = number % _PAGES
    return f"https://host{page % _HOSTS}.example/articles/{page}"


def summary(number: int, count: int) -> BundleSummary:
    """Return what the index has of a row."""
    dice = random.Random(number)  # noqa: S311  the same texts on each machine
    words = [chr(0x4E00 + dice.randrange(1_500)) for _ in range(120)]
    words += [f" word{int(2_000 * dice.random() ** 3)}" for _ in range(60)]
    text = "".join(words)
    text += " 谣言" if number % 2_000 == 7 else ""
    text += " archive" if number % 3 == 0 else ""
    at, url = moment(number, count), url_of(number)
    is_gone = number % 40 == 9
    shown = AssessmentSummary(
        content=Content.NOTICE if is_gone else Content.CONTENT,
        availability=Availability.UNAVAILABLE if is_gone else Availability.AVAILABLE,
        cause=Cause.AUTHOR if is_gone else None,
    )
    return BundleSummary(
        verdict_source=VerdictSource.ASSESSED,
        observation=Observation(
            bundle_id=bundle_id(number, count),
            sha256="ab" * 32,
            identity=url.removeprefix("https:"),
            url=url,
            at=at + timedelta(seconds=2),
            began_at=at,
            content=shown.content,
            availability=shown.availability,
            cause=shown.cause,
            main_sha256=f"{number % _PAGES + (number % 100 == 3):064}",
            key_id="cd" * 32,
        ),
        facts=BundleFacts(
            title=text[:40],
            url=url,
            final_url=url,
            http_status=200,
            outcome="failed" if number % 5_000 == 11 else "complete",
            language=("zh-CN", "en", "de")[number % 3],
            policy="court" if number % 10 == 0 else "standard",
            shown=shown,
        ),
        passages=(
            Passage(region=PassageRegion.MAIN, text=text),
            Passage(region=PassageRegion.ADDRESS, text=url),
            Passage(region=PassageRegion.TITLE, text=text[:40]),
        ),
    )


class _Listing:
    """A store that lists the rows."""

    def __init__(self, count: int) -> None:
        self._ids = {bundle_id(number, count): number for number in range(count)}
        self._count = count

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ReadableStore.list`."""
        for one in sorted(self._ids):
            key = store_keys.bundle_key(one)
            if key.startswith(prefix):
                yield StoredObject(key=key, length=90_000, sha256="")

    def read(self, key: str, _: tuple[str, ...]) -> BundleSummary:
        """Return what the index has of a row."""
        return summary(self._ids[store_keys.parse_bundle_key(key).bundle_id], self._count)


def fill(index: Path, count: int) -> None:
    """Write the rows into an index."""
    listing = _Listing(count)
    index.parent.mkdir(parents=True, exist_ok=True)
    with open_index_file(index) as opened:
        opened.sync(listing, listing.read)  # type: ignore[arg-type]  # a store is only listed


def seal(folder: Path, store: Path) -> list[str]:
    """Store some captures with pictures of the last days; return their ids."""
    archive = Archive(folder, store)
    observed.T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=_SEALED + 1)
    ids = []
    for number in range(_SEALED):
        image = Image.new("RGB", (1_280, 4_000), "white")
        ImageDraw.Draw(image).text((60, 60), f"Picture {number}", "black", font_size=80)
        out = io.BytesIO()
        image.save(out, "PNG")
        ids.append(
            archive.put(
                60 * number,
                url=f"https://sealed.example/{number % 6}",
                title=f"A sealed capture {number}",
                png=out.getvalue(),
            )
        )
    return ids


@dataclass(frozen=True)
class Served:
    """A console that runs, and a session in it."""

    process: "subprocess.Popen[str]"
    host: str
    cookie: str

    def memory_mib(self) -> float:
        """Return the most memory that the server held at once."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1024

    def processor_s(self) -> float:
        """Return the processor time of the server so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


class Client:
    """A browser that keeps its connection."""

    def __init__(self, served: Served) -> None:
        self._connection = http.client.HTTPConnection(served.host, timeout=60)
        self._cookie = served.cookie

    def load(self, path: str) -> tuple[int, float]:
        """Load a page; return its status, and the seconds until its last byte."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers={"Cookie": self._cookie})
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - began


@contextmanager
def serving(variables: dict[str, str]) -> Iterator[Served]:
    """Serve the console, logged in, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "snapshotter", "serve", "--port", "0", "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=variables["HOME"],
        env={**os.environ, **variables},
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        link = urlsplit(line.strip())
        connection = http.client.HTTPConnection(link.netloc, timeout=_START_S)
        connection.request("GET", f"{link.path}?{link.query}")
        answer = connection.getresponse()
        answer.read()
        cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
        yield Served(process, link.netloc, cookie)
    finally:
        process.terminate()
        process.wait(60)


def pages(ids: Sequence[str], count: int) -> dict[str, Callable[[random.Random], str]]:
    """Return what makes the address of each page, by its name."""

    def any_row(dice: random.Random) -> str:
        return bundle_id(dice.randrange(count), count)

    return {
        "home": lambda _: "/",
        "captures": lambda _: "/captures",
        "captures, any page": lambda dice: f"/captures?cursor={any_row(dice)}",
        "captures, gallery": lambda _: "/captures?view=gallery",
        "captures, rare word": lambda _: f"/captures?q={quote('谣言')}",
        "captures, frequent word": lambda _: "/captures?q=archive",
        "captures, word of many": lambda dice: f"/captures?q=word{dice.randrange(200)}",
        "captures, a host": lambda dice: f"/captures?host=host{dice.randrange(_HOSTS)}.example",
        "captures, a verdict": lambda _: "/captures?verdict=unavailable",
        "captures, a day": lambda dice: (
            f"/captures?since={(d := moment(dice.randrange(count), count)):%Y-%m-%d}"
            f"&until={d:%Y-%m-%d}"
        ),
        "address": lambda dice: (
            f"/addresses?identity={quote(url_of(dice.randrange(count)), safe='')}"
        ),
        "capture": lambda dice: f"/captures/{dice.choice(ids)}",
        "compare": lambda dice: f"/compare?a={ids[(n := dice.randrange(6))]}&b={ids[n + 6]}",
        "thumbnail": lambda dice: f"/captures/{dice.choice(ids)}/thumbnail.webp",
        "take-downs": lambda _: "/takedowns",
        "cases": lambda _: "/cases",
        "review": lambda _: "/review",
        "schedules": lambda _: "/schedules",
        "queue": lambda _: "/queue",
        "policies": lambda _: "/policies",
        "audit": lambda _: "/audit",
        "settings": lambda _: "/settings",
        "API, captures": lambda _: "/api/v1/captures",
        "API, search": lambda _: "/api/v1/captures?q=archive",
    }


def measure(served: Served, made: dict[str, Callable[[random.Random], str]], runs: int) -> None:
    """Load each page one after the other, and print how long it took."""
    client, dice = Client(served), random.Random(7)  # noqa: S311
    for name, path in made.items():
        for _ in range(_WARM):
            client.load(path(dice))
        if name in _MADE_ONCE:
            for seed in range(_MADE_ONCE[name]):
                client.load(path(random.Random(seed)))  # noqa: S311
            waited = 0
            while client.load(path(dice))[1] > _QUICK_S and waited < _MAKING_S:
                time.sleep(1)
                waited += 1
        used = served.processor_s()
        loads = [client.load(path(dice)) for _ in range(runs)]
        used = served.processor_s() - used
        statuses = sorted({status for status, _ in loads})
        times = sorted(seconds * 1_000 for _, seconds in loads)
        print(
            f"  {name}: median {statistics.median(times):.0f} ms, "
            f"95 % {_quantile(times):.0f} ms, most {times[-1]:.0f} ms, "
            f"processor {used * 1_000 / runs:.0f} ms"
            f"{'' if statuses == [200] else f', status {statuses}'}",
            flush=True,
        )


def crowd(
    served: Served, made: dict[str, Callable[[random.Random], str]], viewers: int
) -> tuple[int, list[float]]:
    """Let viewers load pages at the same time; return the errors, and the sorted times in ms."""
    errors, times, lock = 0, list[float](), threading.Lock()
    names = [name for name in made if name not in ("compare", "capture")]

    def view(seed: int) -> None:
        nonlocal errors
        client, dice = Client(served), random.Random(seed)  # noqa: S311
        for _ in range(_REQUESTS):
            try:
                status, seconds = client.load(made[dice.choice(names)](dice))
            except (OSError, http.client.HTTPException):
                status, seconds = 0, 0.0
                client = Client(served)
            with lock:
                errors += status not in (200, 404)
                times.append(seconds * 1_000)

    threads = [threading.Thread(target=view, args=(seed,)) for seed in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors, sorted(times)


def _quantile(times: Sequence[float]) -> float:
    return times[min(len(times) - 1, int(len(times) * 0.95))]


def main() -> None:
    """Make the rows, serve them, and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="in the index")
    parser.add_argument("--folder", type=Path, help="a folder that is kept; default: a temporary")
    parser.add_argument("--runs", type=int, default=40, help="of each page")
    parser.add_argument("--viewers", type=int, default=50, help="at the same time")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables = {
            "HOME": str(folder),
            "SNAPSHOTTER_DATA_DIR": str(folder / "data"),
            "SNAPSHOTTER_STORE": str(folder / "captures"),
            "SNAPSHOTTER_LOG": "false",
        }
        settings = load(directory=folder, environment=variables)
        index = wiring_index.index_path(settings)
        if not index.exists():
            began = time.monotonic()
            fill(index, given.rows)
            print(f"{given.rows} rows in {time.monotonic() - began:.0f} s", flush=True)
        ids = seal(Path(stack.enter_context(tempfile.TemporaryDirectory())), folder / "captures")
        print(
            f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, "
            f"load {os.getloadavg()[0]:.1f} at the begin",
            flush=True,
        )
        with serving(variables) as served:
            made = pages(ids, given.rows)
            measure(served, made, given.runs)
            print(f"  memory of the server: {served.memory_mib():.0f} MiB", flush=True)
            errors, times = crowd(served, made, given.viewers)
            print(
                f"  {given.viewers} viewers, {len(times)} pages: {errors} errors, median "
                f"{statistics.median(times):.0f} ms, 95 % {_quantile(times):.0f} ms",
                flush=True,
            )
            print(
                f"  memory of the server: {served.memory_mib():.0f} MiB, "
                f"load {os.getloadavg()[0]:.1f} at the end"
            )


if __name__ == "__main__":
    main()
