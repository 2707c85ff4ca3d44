"""
Time whole captures by stage, and weigh bundles by part: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_capture.py [--runs 7] [URL…]

Without URLs it measures a small and a rich page of the tests' own site on loopback,
with the tests' own timestamp authority, so that no figure depends on a network. Each
capture is a process of its own, as a user's is; what is printed are minimum, median and
maximum over the runs, after one that is not counted.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers.authority import start_authority  # noqa: E402  the line above finds it
from tests.servers.site import Site  # noqa: E402

PAGES = {"small page": "/plain", "rich page": "/"}


def main() -> int:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("urls", nargs="*", metavar="URL")
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each page")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapshotter-bench-")))
        authority = stack.enter_context(start_authority(work / "authority"))
        (work / "root.pem").write_bytes(authority.root_pem)
        (work / "authorities.toml").write_text(
            f'[[authority]]\nname = "test"\nurl = "{authority.url("good")}"\nroot = "root.pem"\n'
        )
        if arguments.urls:
            pages = {url: url for url in arguments.urls}
        else:
            site = stack.enter_context(Site())
            pages = {name: site.url(path) for name, path in PAGES.items()}
        _say_machine(arguments.runs)
        for name, url in pages.items():
            runs = [_capture(url, work) for _ in range(arguments.runs + 1)][1:]
            _table(name, runs)
    return 0


def _capture(url: str, work: Path) -> dict[str, Any]:
    """Run one capture in a process of its own; add the process's own wall time."""
    environment = os.environ | {
        "SNAPSHOTTER_AUTHORITIES_FILE": str(work / "authorities.toml"),
        "SNAPSHOTTER_ALLOW_NETWORKS": "127.0.0.0/8",
        "SNAPSHOTTER_DATA_DIR": str(work / "data"),
        "SNAPSHOTTER_SPOOL_DIR": str(work / "spool"),
        "SNAPSHOTTER_STORE": str(work / "captures"),
    }
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "snapshotter", "capture", "--json", "--quiet", url],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=False,
        timeout=180,
    )
    took = time.monotonic() - began
    if done.returncode not in {0, 3}:
        raise SystemExit(f"capture of {url} ended with exit code {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout)
    result["stage_ms"]["process"] = round(took * 1000)
    return result


def _table(name: str, runs: list[dict[str, Any]]) -> None:
    outcomes = sorted({run["outcome"] for run in runs})
    print(f"\n## {name} ({', '.join(outcomes)}, {len(runs)} runs)\n")
    print("| stage | min ms | median ms | max ms |\n| --- | --- | --- | --- |")
    for stage in runs[0]["stage_ms"]:
        times = [run["stage_ms"][stage] for run in runs]
        print(f"| {stage} | {min(times)} | {statistics.median(times):.0f} | {max(times)} |")
    sizes = [run["bundle"]["bytes"] for run in runs]
    print(
        f"\nBundle: {statistics.median(sizes):,.0f} bytes (median). Its parts, of the last run:\n"
    )
    print("| part | bytes |\n| --- | --- |")
    parts = sorted(runs[-1]["part_bytes"].items(), key=lambda part: -part[1])
    for part, size in parts:
        print(f"| {part} | {size:,} |")


def _say_machine(runs: int) -> None:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("playwright", "warcio"))
    print(f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.platform()}")
    print(f"- Python {platform.python_version()}, {versions}")
    print(f"- load average at the start: {os.getloadavg()[0]:.1f}")
    print(f"- command: scripts/bench_capture.py --runs {runs}")


if __name__ == "__main__":
    sys.exit(main())
