"""
Time whole captures against the least that a picture can cost: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_capture.py [--runs 7] [--pages small,news] [--skip-throughput]

On each page of `bench_pages.py` the floor (`floor.py`: a fresh browser, the page, its
tiles) and a full evidence capture (behaviours, pictures, record, seal, token, store, our
own verifier) take turns, so that a machine whose speed drifts drifts for both. Quoted is
the ratio pair by pair. Pages are served by another process on loopback, the timestamp
authority is the tests' own on the same cores; nothing depends on a network.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import bench_pages, floor  # noqa: E402  the line above finds these
from snapshotter.app import pipeline, settings, wiring  # noqa: E402
from snapshotter.app.ahead import Ahead  # noqa: E402
from snapshotter.capture import kernel  # noqa: E402
from snapshotter.capture.browser import choose_browser  # noqa: E402
from snapshotter.model.capture import Outcome  # noqa: E402
from snapshotter.model.request import CaptureRequest, Decision  # noqa: E402
from snapshotter.policy import load as policies  # noqa: E402
from tests.servers.authority import start_authority  # noqa: E402

_ONCE = ("small", "news")  # whose throughput is measured
_AT_ONCE = (1, 2, 4)
_POLL_S = 0.05
_STARTED_S = 0.7  # a browser that starts ahead is up by then


@dataclass(slots=True)
class Measured:
    """What was seen of one page."""

    floors: list[float] = field(default_factory=list)  # seconds
    fulls: list[float] = field(default_factory=list)  # seconds
    stages: list[dict[str, int]] = field(default_factory=list)  # milliseconds
    parts: dict[str, int] = field(default_factory=dict)  # bytes
    outcomes: set[str] = field(default_factory=set)

    @property
    def ratios(self) -> list[float]:
        return [full / least for full, least in zip(self.fulls, self.floors, strict=True)]


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[1])
    parser.add_argument("--runs", type=int, default=7, help="counted pairs of each page")
    parser.add_argument("--pages", default=",".join(bench_pages.PAGES), help="names, by comma")
    parser.add_argument("--skip-throughput", action="store_true")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.pages.split(",")]
    if unknown := set(names) - set(bench_pages.PAGES):
        parser.error(f"no such page: {', '.join(sorted(unknown))}")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshotter-bench-")))
        authority = stack.enter_context(start_authority(work / "authority"))
        (work / "root.pem").write_bytes(authority.root_pem)
        (work / "authorities.toml").write_text(
            f'[[authority]]\nname = "test"\nurl = "{authority.url("good")}"\nroot = "root.pem"\n'
        )
        base = stack.enter_context(bench_pages.serving())
        bench = Bench(work)
        _say_machine(sys.argv[1:])
        measured = {name: Measured() for name in names}
        for name in names:
            bench.compare(base + bench_pages.PAGES[name], measured[name], arguments.runs)
        _ratios(measured)
        _memory({name: bench.peak_bytes(base + bench_pages.PAGES[name]) for name in names})
        if not arguments.skip_throughput:
            _throughput(
                {
                    (name, slots): bench.pages_a_minute(base + bench_pages.PAGES[name], slots)
                    for name in names
                    if name in _ONCE
                    for slots in _AT_ONCE
                }
            )
        if "small" in names:
            _process([bench.command_s(base + bench_pages.PAGES["small"]) for _ in range(5)])
        for name in names:
            _stages(name, measured[name])
    return 0


class Bench:
    """One installation of ours, with a store, keys and an authority of its own."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._environment = {
            "SNAPSHOTTER_ALLOW_NETWORKS": "127.0.0.0/8",
            "SNAPSHOTTER_AUTHORITIES_FILE": str(work / "authorities.toml"),
            "SNAPSHOTTER_DATA_DIR": str(work / "data"),
            "SNAPSHOTTER_SPOOL_DIR": str(work / "spool"),
            "SNAPSHOTTER_STORE": str(work / "captures"),
        }
        loaded = settings.load(environment=self._environment, directory=work)
        self._world = wiring.world(loaded, ask=None, tell=lambda _: None)
        self._decision = self._decide(loaded)
        self._binary = choose_browser(self._decision.browser, None)[0].path

    def ahead(self) -> Ahead:
        """Return what one slot makes ready for its next capture."""
        return Ahead(self._world.capturer, self._world.spool_dir, self._world.ids)

    def compare(self, url: str, measured: Measured, runs: int) -> None:
        """
        Take turns; the first pair is not counted.

        The floor runs when our next browser has started, as ours runs when nothing else does.
        """
        with self.ahead() as ahead:
            self._compare(url, measured, runs, ahead)

    def _compare(self, url: str, measured: Measured, runs: int, ahead: Ahead) -> None:
        for number in range(runs + 1):
            with tempfile.TemporaryDirectory(dir=self._work) as folder:
                least = floor.shoot(self._binary, url, Path(folder))["total"]
            done, took = self._capture(url, ahead)
            time.sleep(_STARTED_S)
            if number:
                measured.floors.append(least)
                measured.fulls.append(took)
                measured.stages.append(dict(done.stage_ms))
                measured.parts = dict(done.bundle.part_bytes)
                measured.outcomes.add(done.capture.outcome.value)

    def peak_bytes(self, url: str) -> tuple[int, int]:
        """Return the most memory of our process and of the browser's processes, in a run apart."""
        with _watching() as peak, self.ahead() as ahead:
            self._capture(url, ahead)
        return peak.own, peak.below

    def pages_a_minute(self, url: str, slots: int) -> float:
        """Capture for a while with so many at once."""
        count = 5  # each

        def work(share: int) -> list[Outcome]:
            with self.ahead() as ahead:
                return [self._capture(url, ahead)[0].capture.outcome for _ in range(share)]

        with ThreadPoolExecutor(slots) as pool:
            began = time.monotonic()
            outcomes = [it for done in pool.map(work, [count] * slots) for it in done]
            took = time.monotonic() - began
        count *= slots
        if set(outcomes) != {Outcome.COMPLETE}:
            raise SystemExit(f"{url} at {slots} at once: {sorted(set(outcomes))}")
        return count * 60 / took

    def command_s(self, url: str) -> float:
        """Return how long the command takes as a process of its own, as a user's does."""
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "snapshotter", "capture", "--json", "--quiet", url],
            cwd=ROOT,
            env=os.environ | self._environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=180,
        )
        json.loads(done.stdout)
        return time.monotonic() - began

    def _capture(self, url: str, ahead: Ahead) -> tuple[pipeline.Result, float]:
        began = time.monotonic()
        done = pipeline.run(
            CaptureRequest(url=url),
            self._decision,
            self._world,
            lambda _stage, _detail: None,
            ahead=ahead,
            more=True,
        )
        return done, time.monotonic() - began

    @staticmethod
    def _decide(loaded: settings.Settings) -> Decision:
        return policies.decide(policies.load(loaded.policy), allow_networks=loaded.allow_networks)


@dataclass(slots=True)
class Peak:
    """Most resident bytes that were seen."""

    own: int = 0
    below: int = 0


@contextmanager
def _watching() -> Iterator[Peak]:
    """Look at the memory of our process and of those below it until the end."""
    peak, done = Peak(), threading.Event()

    def look() -> None:
        while not done.wait(_POLL_S):
            peak.own = max(peak.own, kernel.resident(os.getpid(), shared=True))
            below = sum(kernel.resident(pid) for pid in kernel.descendants(os.getpid()))
            peak.below = max(peak.below, below)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _spread(values: Sequence[float], form: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"**{middle:{form}}** ({low:{form}}–{high:{form}})"


def _ratios(measured: dict[str, Measured]) -> None:
    print("\n## Full evidence over the floor\n\nSeconds and ratios: median (least–most).\n")
    print("| page | floor | full capture | ratio | outcome |\n| --- | --- | --- | --- | --- |")
    for name, page in measured.items():
        print(
            f"| {name} | {_spread(page.floors, '.2f')} | {_spread(page.fulls, '.2f')} | "
            f"{_spread(page.ratios, '.2f')} | {', '.join(sorted(page.outcomes))} |"
        )


def _memory(peaks: dict[str, tuple[int, int]]) -> None:
    print("\n## Peak memory\n\nResident MiB in a run apart: our process; browser and driver, "
          "without what they share.\n")  # fmt: skip
    print("| page | ours | browser and driver |\n| --- | --- | --- |")
    for name, (own, below) in peaks.items():
        print(f"| {name} | {own >> 20} | {below >> 20} |")


def _throughput(rates: dict[tuple[str, int], float]) -> None:
    print(
        "\n## Pages a minute\n\n| page | " + " | ".join(f"{it} at once" for it in _AT_ONCE) + " |"
    )
    print("| --- |" + " --- |" * len(_AT_ONCE))
    for name in dict.fromkeys(name for name, _ in rates):
        cells = " | ".join(f"{rates[name, slots]:.0f}" for slots in _AT_ONCE)
        print(f"| {name} | {cells} |")


def _process(times: list[float]) -> None:
    print(f"\nThe command on the small page, with its start: {_spread(times, '.2f')} s.")


def _stages(name: str, page: Measured) -> None:
    print(f"\n## Stages of {name}\n")
    print("| stage | min ms | median ms | max ms |\n| --- | --- | --- | --- |")
    for stage in page.stages[0]:
        times = [run[stage] for run in page.stages]
        print(f"| {stage} | {min(times)} | {statistics.median(times):.0f} | {max(times)} |")
    largest = sorted(page.parts.items(), key=lambda part: -part[1])[:6]
    listed = ", ".join(f"{part} {size:,}" for part, size in largest)
    print(f"\nBundle: {sum(page.parts.values()):,} bytes; {listed}.")


def _say_machine(arguments: list[str]) -> None:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("playwright", "blake3"))
    print(f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.platform()}")
    print(f"- Python {platform.python_version()}, {versions}")
    print(f"- load average at the start: {os.getloadavg()[0]:.1f}")
    print(f"- command: scripts/bench_capture.py {' '.join(arguments)}".rstrip())


if __name__ == "__main__":
    sys.exit(main())
