"""
Time `snapshotter capture` against shot-scraper and Scoop, as whole processes from the shell.

    .venv/bin/python scripts/bench_peers.py [--runs 7] [--only article,polling] [--scoop DIR]

shot-scraper writes a PNG of the whole page. Scoop records a WARC with the DOM and a PNG, in a WACZ
file. snapshotter makes a full evidence bundle: it is sealed, timestamped, verified, stored and
logged. On each page the programs take turns, and the order rotates from run to run, so that a
machine whose speed drifts drifts for all. Ratios are taken run by run.

All programs use the same Chromium binary, the same pages on loopback and the same window of
1440 x 900 pixels. shot-scraper is installed with a pinned version into a virtual environment of its
own below .tools, with the Playwright version of snapshotter. Scoop is not on npm: `--scoop` names a
folder with its source, in which `npm ci --omit=dev --ignore-scripts` was run. Without that folder,
Scoop is not measured. Scoop's attachments that need other programs (videos, certificates) and the
request for the own IP address are off.

The processor time is that of all processes that a command leaves behind or ends itself, counted by
the kernel when they are collected. The memory is the largest sum over all processes, shared pages
counted once, read every 50 ms in a first run that is not counted in any other figure. Linux only.
"""

import argparse
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import snapshotter  # noqa: E402  the line above finds these
from scripts import bench_pages  # noqa: E402
from scripts.bench_capture import environment, spread  # noqa: E402
from snapshotter.capture.browser import os_processes  # noqa: E402
from snapshotter.capture.browser.binary import choose_browser  # noqa: E402
from snapshotter.formats.page.png import read_header  # noqa: E402
from tests.servers.authority import start_authority  # noqa: E402

_SHOT_SCRAPER = "1.12"
_OURS, _PEER, _MULTI, _SCOOP = "snapshotter", "shot-scraper", "shot-scraper multi", "Scoop"
_WIDTH, _HEIGHT = 1440, 900
_NICENESS = -10
_POLL_S = 0.05
_LIMIT_S = 600.0  # of one measurement
_TEN = 10

# The pages of each case. Ten pages are one command of snapshotter and of `shot-scraper multi`, and
# ten processes of shot-scraper and Scoop.
_CASES: Mapping[str, tuple[str, ...]] = {
    "article": ("/article/1",),
    "15000 px": ("/tall/15000",),
    "polling": ("/polling",),
    "ten pages": tuple(f"/article/{number}" for number in range(1, _TEN + 1)),
}

# Runs commands one after the other, and prints what they took. A process of its own, so that
# nothing else counts, and a subreaper (prctl(2)), so that it collects what commands leave behind.
_MEASURE = """
import ctypes, json, os, resource, subprocess, sys, time
given = json.load(sys.stdin)
ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)
outputs, codes = [], []
began = time.perf_counter()
for number, command in enumerate(given["commands"]):
    with open(f"{given['folder']}/stdout-{number}", "wb") as out, \\
            open(f"{given['folder']}/stderr-{number}", "wb") as err:
        codes.append(subprocess.call(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err))
took = time.perf_counter() - began
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
used = resource.getrusage(resource.RUSAGE_CHILDREN)
left = time.perf_counter() - began - took
print(json.dumps({"codes": codes, "wall_s": took, "left_s": left,
                  "processor_s": used.ru_utime + used.ru_stime}))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one program took for the pages of a case."""

    wall_s: float  # until the last command ended
    left_s: float  # from then on until the last process of it ended
    processor_s: float  # user and system time of all processes


@dataclass(slots=True)
class Measured:
    """What was seen of one program on the pages of a case."""

    runs: list[Run] = field(default_factory=list)
    peak_bytes: int = 0
    kept: dict[str, int] = field(default_factory=dict)  # bytes of each kept part, of one page
    why_not: str = ""  # "" if it was measured

    def ratios(self, other: "Measured", name: str) -> list[float]:
        """Return a figure of these runs over that of another program, run by run."""
        return [
            getattr(one, name) / getattr(two, name)
            for one, two in zip(self.runs, other.runs, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that is measured."""

    name: str
    commands: Callable[[Sequence[str], Path], list[list[str]]]  # for URLs, into a folder
    kept: Callable[[Path], dict[str, int]]  # of the first page
    environment: Mapping[str, str]


def main() -> int:
    """Measure, and print Markdown or JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each program")
    parser.add_argument(
        "--only", default=",".join(_CASES), help=f"cases, by comma: {', '.join(_CASES)}"
    )
    parser.add_argument("--scoop", type=Path, metavar="DIR", help="folder with Scoop's source")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with each run")
    parser.add_argument(
        "--no-reserve", action="store_true", help="run with the priority of other programs"
    )
    arguments = parser.parse_args()
    names = [name.strip() for name in arguments.only.split(",")]
    if unknown := set(names) - set(_CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if arguments.runs < 1:
        parser.error("--runs must be 1 or more")
    if arguments.scoop is not None and not (arguments.scoop / "node_modules/playwright").is_dir():
        parser.error(f"{arguments.scoop}: run `npm ci --omit=dev --ignore-scripts` there first")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshotter-peers-")))
        reserved = _reserve(wanted=not arguments.no_reserve)
        base = stack.enter_context(bench_pages.serving())
        authority = stack.enter_context(start_authority(work / "authority"))
        binary = choose_browser("shell", None)[0].path
        programs = _programs(work, binary, environment(work, authority), arguments.scoop)
        facts = _facts(binary, arguments.scoop, reserved, sys.argv[1:])
        cases = {
            name: _compare(programs, [base + path for path in _CASES[name]], work, arguments.runs)
            for name in names
        }
    if arguments.json:
        print(json.dumps({"facts": facts, "cases": _as_json(cases)}, indent=2))
    else:
        _report(facts, cases)
    return 0


def _reserve(*, wanted: bool) -> str:
    """Raise the priority of this process and of all that it starts; return what was done."""
    if not wanted:
        return "not reserved (--no-reserve)"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    except PermissionError:
        return "not reserved: this user may not raise the priority"
    return f"niceness {_NICENESS} for all that is measured; other programs run with 0"


# The programs


def _programs(
    work: Path, binary: Path, own_environment: Mapping[str, str], scoop: Path | None
) -> list[Program]:
    script = Path(sys.executable).with_name("snapshotter")
    ours = [str(script)] if script.exists() else [sys.executable, "-m", "snapshotter"]
    shot_scraper, driver = _shot_scraper()
    browsers = {"PLAYWRIGHT_BROWSERS_PATH": str(_browsers(work / "browsers", binary, driver))}
    programs = [
        Program(
            name=_OURS,
            commands=lambda urls, _: [[*ours, "capture", "--json", "--quiet", *urls]],
            kept=_bundle_parts,
            environment=own_environment,
        ),
        Program(
            name=_PEER,
            commands=functools.partial(_shot_scraper_commands, shot_scraper),
            kept=lambda folder: _picture(folder / "page-0.png"),
            environment=browsers,
        ),
        Program(
            name=_MULTI,
            commands=functools.partial(_multi_commands, shot_scraper),
            kept=lambda folder: _picture(folder / "page-0.png"),
            environment=browsers,
        ),
    ]
    if scoop is not None:
        node = scoop / "node_modules/playwright-core"
        programs.append(
            Program(
                name=_SCOOP,
                commands=functools.partial(_scoop_commands, scoop.resolve()),
                kept=lambda folder: _archive_parts(folder / "page-0.wacz"),
                environment={
                    "PLAYWRIGHT_BROWSERS_PATH": str(
                        _browsers(work / "browsers-of-scoop", binary, node)
                    )
                },
            )
        )
    return programs


def _shot_scraper() -> tuple[Path, Path]:
    """Install shot-scraper if it is missing; return its command and its driver's package."""
    wanted = [f"shot-scraper=={_SHOT_SCRAPER}", f"playwright=={metadata.version('playwright')}"]
    home = ROOT / ".tools" / f"shot-scraper-{_SHOT_SCRAPER}-{metadata.version('playwright')}"
    if not (home / "installed").exists():
        print(f"installing {' '.join(wanted)} into {home}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--disable-pip-version-check", *wanted], check=True)
        (home / "installed").touch()
    (driver,) = home.glob("lib/python3*/site-packages/playwright/driver/package")
    return home / "bin/shot-scraper", driver


def _browsers(folder: Path, binary: Path, playwright: Path) -> Path:
    """
    Make a folder in which a Playwright finds our binary as the browser of its own revision.

    Args:
        playwright: The package, which names its revisions in `browsers.json`.
    """
    known = json.loads((playwright / "browsers.json").read_text())["browsers"]
    (revision,) = (
        browser["revision"] for browser in known if browser["name"] == "chromium-headless-shell"
    )
    home = folder / f"chromium_headless_shell-{revision}"
    # As newer and as older versions name it.
    for name in (
        "chrome-headless-shell-linux64/chrome-headless-shell",
        "chrome-linux/headless_shell",
    ):
        link = home / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(binary)
    (home / "INSTALLATION_COMPLETE").touch()
    return folder


def _shot_scraper_commands(script: Path, urls: Sequence[str], folder: Path) -> list[list[str]]:
    return [
        [str(script), "shot", "--silent", "--width", str(_WIDTH),
         "--output", str(folder / f"page-{number}.png"), url]
        for number, url in enumerate(urls)
    ]  # fmt: skip


def _multi_commands(script: Path, urls: Sequence[str], folder: Path) -> list[list[str]]:
    wanted = [
        {"url": url, "width": _WIDTH, "output": str(folder / f"page-{number}.png")}
        for number, url in enumerate(urls)
    ]
    (folder / "shots.yml").write_text(json.dumps(wanted))  # JSON is YAML
    return [[str(script), "multi", "--silent", str(folder / "shots.yml")]]


def _scoop_commands(source: Path, urls: Sequence[str], folder: Path) -> list[list[str]]:
    nothing = shutil.which("true") or "/bin/true"  # two programs that it does not use must be there
    options = [
        "--dom-snapshot", "true", "--provenance-summary", "false",
        "--capture-video-as-attachment", "false", "--yt-dlp-path", nothing,
        "--capture-certificates-as-attachment", "false", "--crip-path", nothing,
        "--capture-window-x", str(_WIDTH), "--capture-window-y", str(_HEIGHT),
        "--blocklist", "0.0.0.0/8",  # without its own list, which has loopback
        "--log-level", "silent",
    ]  # fmt: skip
    return [
        ["node", str(source / "bin/cli.js"), *options,
         "--output", str(folder / f"page-{number}.wacz"), url]
        for number, url in enumerate(urls)
    ]  # fmt: skip


# What each one kept


def _bundle_parts(folder: Path) -> dict[str, int]:
    results = [json.loads(line) for line in (folder / "stdout-0").read_text().splitlines()]
    if {result["outcome"] for result in results} != {"complete"}:
        raise SystemExit(f"snapshotter: not complete: {[one['reasons'] for one in results]}")
    parts: dict[str, int] = {}
    for path, size in results[0]["part_bytes"].items():
        kind = _kind(Path(path))
        parts[kind] = parts.get(kind, 0) + size
    return parts


def _kind(path: Path) -> str:
    if path.parent.name == "archive":
        return "WARC"
    return {
        ".png": "PNG", ".mhtml": "MHTML", ".html": "DOM", ".tsr": "timestamp token",
    }.get(path.suffix, "text" if path.name == "page.txt" else "record, seal and index")  # fmt: skip


def _picture(file: Path) -> dict[str, int]:
    header = read_header(file.read_bytes())
    return {f"PNG ({header.width} x {header.height})": file.stat().st_size}


def _archive_parts(file: Path) -> dict[str, int]:
    parts: dict[str, int] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            warc = "WARC (with PNG and DOM)"
            kind = warc if member.filename.startswith("archive/") else "index"
            parts[kind] = parts.get(kind, 0) + member.compress_size
    return parts


# Measuring


def _compare(
    programs: Sequence[Program], urls: Sequence[str], work: Path, runs: int
) -> dict[str, Measured]:
    """Let the programs take turns; the first run of each is for the memory alone."""
    measured = {program.name: Measured() for program in programs}
    for number in range(runs + 1):
        turn = number % len(programs)
        for program in (*programs[turn:], *programs[:turn]):
            if program.name == _MULTI and len(urls) == 1:
                continue
            found = measured[program.name]
            print(f"  {urls[0]}, run {number}: {program.name}", file=sys.stderr)
            with tempfile.TemporaryDirectory(dir=work) as folder:
                if number:
                    found.runs.append(_measure(program, urls, Path(folder)))
                    continue
                with _watching() as peak:
                    _measure(program, urls, Path(folder))
                found.peak_bytes = peak[0]
                found.kept = program.kept(Path(folder))
    if len(urls) == 1:
        del measured[_MULTI]
    return measured | (
        {} if _SCOOP in measured else {_SCOOP: Measured(why_not="not measured: no --scoop")}
    )


def _measure(program: Program, urls: Sequence[str], folder: Path) -> Run:
    """Run a program on pages, and check that it succeeded."""
    given = {"commands": program.commands(urls, folder), "folder": str(folder)}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _MEASURE],
        cwd=folder,
        env=os.environ | program.environment,
        input=json.dumps(given).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=_LIMIT_S,
    )
    found = json.loads(done.stdout)
    for number, code in enumerate(found.pop("codes")):
        if code:
            words = (folder / f"stderr-{number}").read_text(errors="replace")[-2000:]
            raise SystemExit(f"{program.name} ended with {code}: {words}")
    return Run(**found)


@contextmanager
def _watching() -> Iterator[list[int]]:
    """Yield a list with the most bytes that the processes of a program held at once."""
    peak, done, me = [0], threading.Event(), os.getpid()
    before = set(os_processes.descendant_pids(me))  # the pages' server

    def watch() -> None:
        while not done.wait(_POLL_S):
            below = set(os_processes.descendant_pids(me)) - before
            peak[0] = max(peak[0], sum(map(_proportional, below)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _proportional(pid: int) -> int:
    """Return the resident bytes of a process, with its share of what it shares with others."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):  # gone, or of another user inside a sandbox
        return os_processes.resident(pid)


# The report


def _facts(
    binary: Path, scoop: Path | None, reserved: str, arguments: Sequence[str]
) -> dict[str, str]:
    commit = _output("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    versions = [
        f"snapshotter {snapshotter.__version__} ({commit})",
        f"shot-scraper {_SHOT_SCRAPER}",
        f"Playwright of both {metadata.version('playwright')}",
    ]
    if scoop is not None:
        own = json.loads((scoop / "package.json").read_text())["version"]
        of_it = json.loads((scoop / "node_modules/playwright-core/package.json").read_text())
        versions.append(f"Scoop {own} with Playwright {of_it['version']}")
        versions.append(f"Node {_output('node', '--version')}")
    user = "root" if os.geteuid() == 0 else "a user without privileges"
    return {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {platform.platform()}",
        "load average at the start": f"{os.getloadavg()[0]:.1f}",
        "processor": reserved,
        "browser": f"{_output(str(binary), '--version') or binary.name}, the same file for all",
        "versions": ", ".join([*versions, f"Python {platform.python_version()}"]),
        "run as": f"{user}. snapshotter runs the browser in its sandbox and in a network of its "
        "own. The others run it without a sandbox, which is their default",
        "command": f"scripts/bench_peers.py {' '.join(arguments)}".rstrip(),
    }


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip()


def _as_json(cases: Mapping[str, Mapping[str, Measured]]) -> dict[str, Any]:
    return {
        name: {program: asdict(found) for program, found in measured.items()}
        for name, measured in cases.items()
    }


def _report(facts: Mapping[str, str], cases: Mapping[str, Mapping[str, Measured]]) -> None:
    for name, fact in facts.items():
        print(f"- {name}: {fact}")
    print("\nMedians (least–most). Ratios: snapshotter over the program of the line, run by run.")
    for name, measured in cases.items():
        _table(name, measured)


def _table(name: str, measured: Mapping[str, Measured]) -> None:
    ours = measured[_OURS]
    print(f"\n## {name}\n")
    print("| program | wall s | ratio | processor s | ratio | peak MiB | bytes kept of a page |")
    print("| --- |" + " --- |" * 6)
    for program, found in measured.items():
        if found.why_not:
            print(f"| {program} | {found.why_not} |" + " |" * 5)
            continue
        cells = []
        for figure in ("wall_s", "processor_s"):
            cells.append(spread([getattr(run, figure) for run in found.runs], ".2f"))
            cells.append("" if found is ours else spread(ours.ratios(found, figure), ".2f"))
        kept = sum(found.kept.values())
        print(f"| {program} | {' | '.join(cells)} | {found.peak_bytes >> 20} | {kept:,} |")
    print("\nKept of the first page:\n")
    for program, found in measured.items():
        if not found.why_not:
            parts = ", ".join(
                f"{kind} {size:,}" for kind, size in sorted(found.kept.items(), key=lambda p: -p[1])
            )
            left = statistics.median([run.left_s for run in found.runs])
            after = f" Processes of it ran for another {left:.2f} s." if left >= 0.05 else ""
            print(f"- {program}: {parts}.{after}")


if __name__ == "__main__":
    sys.exit(main())
