"""
Time whole captures against the least that a picture can cost: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_capture.py [--runs 7] [--pages small,news] [--parts ratio,taken]

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
from snapshotter.app import settings  # noqa: E402
from snapshotter.app.interruption import Interruption  # noqa: E402
from snapshotter.app.malloc import share_one_arena  # noqa: E402
from snapshotter.app.pipeline import run as pipeline  # noqa: E402
from snapshotter.app.pipeline.prewarm import Prewarmer  # noqa: E402
from snapshotter.app.wiring import capture as wiring  # noqa: E402
from snapshotter.capture.browser import os_processes  # noqa: E402
from snapshotter.capture.browser.binary import choose_browser  # noqa: E402
from snapshotter.capture.pictures.raster_gate import usable_core_count  # noqa: E402
from snapshotter.model.capture import Outcome  # noqa: E402
from snapshotter.model.request import CaptureRequest, Decision  # noqa: E402
from snapshotter.policy import load as policies  # noqa: E402
from snapshotter.policy.capture_decision import PolicyOverrides, decide  # noqa: E402
from tests.servers.authority import TestAuthority, start_authority  # noqa: E402

_ONCE = ("small", "news")  # whose throughput is measured
_AT_ONCE = (1, 2, 4)
_PARTS = ("ratio", "taken", "throughput", "command")
_POLL_S = 0.05
_STARTED_S = 0.7  # a browser that starts ahead is up by then


@dataclass(slots=True)
class Measured:
    """What was seen of one page."""

    floors: list[float] = field(default_factory=list)  # seconds
    with_images: list[float] = field(default_factory=list)  # seconds of the floor that scrolls
    fulls: list[float] = field(default_factory=list)  # seconds
    stages: list[dict[str, int]] = field(default_factory=list)  # milliseconds
    parts: dict[str, int] = field(default_factory=dict)  # bytes
    outcomes: set[str] = field(default_factory=set)

    @property
    def ratios(self) -> list[float]:
        return [full / least for full, least in zip(self.fulls, self.floors, strict=True)]


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="counted pairs of each page")
    parser.add_argument("--pages", default=",".join(bench_pages.PAGES), help="names, by comma")
    parser.add_argument("--parts", default=",".join(_PARTS), help="what to measure, by comma")
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.pages.split(",")]
    parts = [name.strip() for name in arguments.parts.split(",")]
    if unknown := set(names) - set(bench_pages.PAGES) | set(parts) - set(_PARTS):
        parser.error(f"no such page or part: {', '.join(sorted(unknown))}")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshotter-bench-")))
        authority = stack.enter_context(start_authority(work / "authority"))
        base = stack.enter_context(bench_pages.serving())
        bench = Bench(work, environment(work, authority))
        _say_machine(sys.argv[1:])
        urls = {name: base + bench_pages.PAGES[name] for name in names}
        if "ratio" in parts:
            measured = {name: bench.compare(urls[name], arguments.runs) for name in names}
            _ratios(measured)
            for name in names:
                _stages(name, measured[name])
        if "taken" in parts:
            _taken({name: bench.taken(urls[name]) for name in names})
        if "throughput" in parts:
            rates = {
                name: [bench.pages_a_minute(urls[name], slots) for slots in _AT_ONCE]
                for name in names
                if name in _ONCE
            }
            _throughput(rates)
        if "command" in parts and "small" in names:
            _process([bench.command_s(urls["small"]) for _ in range(5)])
    return 0


def environment(work: Path, authority: TestAuthority) -> dict[str, str]:
    """Write the settings of an installation below `work`; return its environment variables."""
    (work / "root.pem").write_bytes(authority.root_pem)
    (work / "authorities.toml").write_text(
        f'[[authority]]\nname = "test"\nurl = "{authority.url("good")}"\nroot = "root.pem"\n'
    )
    return {
        "SNAPSHOTTER_ALLOW_NETWORKS": "127.0.0.0/8",
        "SNAPSHOTTER_AUTHORITIES_FILE": str(work / "authorities.toml"),
        "SNAPSHOTTER_DATA_DIR": str(work / "data"),
        "SNAPSHOTTER_POLICY": "default",  # of each page: the pipeline is called without a choice
        "SNAPSHOTTER_SPOOL_DIR": str(work / "spool"),
        "SNAPSHOTTER_STORE": str(work / "captures"),
    }


class Bench:
    """One installation of ours, with a store, keys and an authority of its own."""

    def __init__(self, work: Path, environment: dict[str, str]) -> None:
        self._work = work
        self._environment = environment
        loaded = settings.load(environment=self._environment, directory=work)
        self._dependencies = wiring.capture_dependencies(
            loaded, ask=None, show_message=lambda _: None
        )
        self._decision = self._decide(loaded)
        self._binary = choose_browser(self._decision.browser, None)[0].path

    def prewarmer(self) -> Prewarmer:
        """Return what one slot makes ready for its next capture."""
        return Prewarmer(
            self._dependencies.capturer, self._dependencies.spool_dir, self._dependencies.ids
        )

    def compare(self, url: str, runs: int) -> Measured:
        """
        Take turns; the first pair is not counted.

        The floor runs when our next browser has started, as ours runs when nothing else does.
        """
        measured = Measured()
        with self.prewarmer() as prewarmer:
            self._compare(url, measured, runs, prewarmer)
        return measured

    def _compare(self, url: str, measured: Measured, runs: int, prewarmer: Prewarmer) -> None:
        for number in range(runs + 1):
            least = self._floor(url)
            with_images = self._floor(url, with_images=True)
            done, took = self._capture(url, prewarmer)
            time.sleep(_STARTED_S)
            if number:
                measured.floors.append(least)
                measured.with_images.append(with_images)
                measured.fulls.append(took)
                measured.stages.append(dict(done.stage_ms))
                measured.parts = dict(done.bundle.part_bytes)
                measured.outcomes.add(done.capture.outcome.value)

    def _floor(self, url: str, *, with_images: bool = False) -> float:
        with tempfile.TemporaryDirectory(dir=self._work) as folder:
            return floor.shoot(self._binary, url, Path(folder), with_images=with_images)["total"]

    def taken(self, url: str) -> tuple["Taken", "Taken"]:
        """
        Return what the floor and a capture take, in runs apart, the browser's start included.

        A first capture is not counted: it loads our modules, compiles the driver and hashes the
        browser, once for all captures of an installation or process.
        """
        with self.prewarmer() as prewarmer:
            self._capture(url, prewarmer, more=False)
        with _watching() as least:
            self._floor(url)
        with _watching() as full, self.prewarmer() as prewarmer:
            self._capture(url, prewarmer, more=False)
        return least, full

    def pages_a_minute(self, url: str, slots: int) -> float:
        """Capture for a while, with so many pages at once and, as in a worker, a bundle beside."""
        count = 6 * slots
        share_one_arena()
        visits, left = threading.Semaphore(slots), iter(range(count))
        stop = Interruption()

        def work(_thread: int) -> list[Outcome]:
            outcomes: list[Outcome] = []
            with self.prewarmer() as prewarmer:
                while True:
                    with visits:
                        if next(left, None) is None:
                            return outcomes
                        visited = pipeline.visit(
                            CaptureRequest(url=url),
                            self._decision,
                            self._dependencies,
                            lambda _stage, _detail: None,
                            stop,
                            prewarmer=prewarmer,
                            more=True,
                        )
                    done = pipeline.complete(visited, self._dependencies, stop)
                    outcomes.append(done.capture.outcome)

        spare = 1 if usable_core_count() > 1 else 0
        with ThreadPoolExecutor(slots + spare) as pool:
            began = time.monotonic()
            outcomes = [done for share in pool.map(work, range(slots + spare)) for done in share]
            took = time.monotonic() - began
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

    def _capture(
        self, url: str, prewarmer: Prewarmer, *, more: bool = True
    ) -> tuple[pipeline.CaptureResult, float]:
        began = time.monotonic()
        done = pipeline.run(
            CaptureRequest(url=url),
            self._decision,
            self._dependencies,
            lambda _stage, _detail: None,
            prewarmer=prewarmer,
            more=more,
        )
        return done, time.monotonic() - began

    @staticmethod
    def _decide(loaded: settings.Settings) -> Decision:
        return decide(
            policies.load(loaded.policy), PolicyOverrides(allow_networks=loaded.allow_networks)
        )


@dataclass(slots=True)
class Taken:
    """What was seen of our process and those below it."""

    own: int = 0  # most resident bytes of ours
    below: int = 0  # and of the others, what they share left out
    processor_s: dict[str, float] = field(default_factory=dict)  # by kind of process


@contextmanager
def _watching() -> Iterator[Taken]:
    """Look at our process and at those below it until the end."""
    taken, done, me = Taken(), threading.Event(), os.getpid()
    before = {pid: os_processes.cpu_seconds(pid) for pid in (me, *os_processes.descendant_pids(me))}
    used: dict[int, float] = {}
    kinds: dict[int, str] = {}

    def look() -> None:
        below = os_processes.descendant_pids(me)
        for pid in (me, *below):
            # A process is what it was started as only after a moment.
            kinds[pid] = (
                "ours" if pid == me else _kind(os_processes.command(pid)) or kinds.get(pid, "")
            )
            used[pid] = max(
                used.get(pid, 0.0), os_processes.cpu_seconds(pid) - before.get(pid, 0.0)
            )
        taken.own = max(taken.own, os_processes.resident(me, shared=True))
        taken.below = max(taken.below, sum(os_processes.resident(pid) for pid in below))

    def watch() -> None:
        while not done.wait(_POLL_S):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        done.set()
        thread.join()
        for pid, seconds in used.items():
            kind = kinds[pid] or "other"
            taken.processor_s[kind] = taken.processor_s.get(kind, 0.0) + seconds


def _kind(command: str) -> str:
    """Return what a process of ours is for, by its command line; "" if that does not say."""
    for words, kind in (
        ("--type=renderer", "renderer"),
        ("--type=gpu-process", "compositor"),
        ("--type=utility", "network"),
        ("--type=", "other"),
        ("--remote-debugging-pipe", "browser"),
        ("/driver/node", "driver"),
        ("bench_pages", "server"),
    ):
        if words in command:
            return kind
    return ""


def spread(values: Sequence[float], form: str) -> str:
    """Return "**median** (least–most)"."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"**{middle:{form}}** ({low:{form}}–{high:{form}})"


def _ratios(measured: dict[str, Measured]) -> None:
    print("\n## Full evidence over the floor\n\nSeconds and ratios: median (least–most).\n")
    print("| page | floor | full capture | ratio | floor that scrolls | outcome |")
    print("| --- |" + " --- |" * 5)
    for name, page in measured.items():
        cells = [spread(values, ".2f") for values in (page.floors, page.fulls, page.ratios)]
        cells += [spread(page.with_images, ".2f"), ", ".join(sorted(page.outcomes))]
        print(f"| {name} | {' | '.join(cells)} |")


def _taken(taken: dict[str, tuple[Taken, Taken]]) -> None:
    print("\n## Memory and processor\n\nIn runs apart, with the browser's own start, after a "
          "capture that is not counted. Memory: most "
          "resident MiB of our process; of browser and\ndriver, but for what they share. "
          "Processor: seconds of a core.\n")  # fmt: skip
    kinds = ("ours", "driver", "browser", "renderer", "compositor", "network")
    print("| page | | memory: ours | browser and driver | all | " + " | ".join(kinds) + " |")
    print("| --- |" + " --- |" * (4 + len(kinds)))
    for name, both in taken.items():
        for word, usage in zip(("floor", "full"), both, strict=True):
            used = usage.processor_s
            each = " | ".join(f"{used.get(kind, 0.0):.2f}" for kind in kinds)
            own = usage.own >> 20 if word == "full" else 0
            total = sum(seconds for kind, seconds in used.items() if kind != "server")
            print(f"| {name} | {word} | {own or ''} | {usage.below >> 20} | {total:.2f} | {each} |")


def _throughput(rates: dict[str, list[float]]) -> None:
    heads = " | ".join(f"{number} at once" for number in _AT_ONCE)
    print(f"\n## Pages a minute\n\n| page | {heads} |")
    print("| --- |" + " --- |" * len(_AT_ONCE))
    for name, values in rates.items():
        print(f"| {name} | {' | '.join(f'{rate:.0f}' for rate in values)} |")


def _process(times: list[float]) -> None:
    print(f"\nThe command on the small page, with its start: {spread(times, '.2f')} s.")


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
