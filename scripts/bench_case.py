"""
Cases by size: the report about a case, and its export.

    .venv/bin/python scripts/bench_case.py --sizes 25 200 --pdf

Each size is a case of so many captures of pages of the fixture site, ten of each page, in a store
of its own. Every command is a process of its own: time in seconds, memory is the peak of the
process. Time of the processor and memory are without the browser. docs/performance.md has the
figures.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from snapshotter.site.rendered_pages import rendered_page
from tests import bundles, site_bundles

_VISITS = 10  # captures of each page
_AT_ONCE = 50  # captures that one command adds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[25, 100, 200], metavar="N", help="exhibits"
    )
    parser.add_argument("--pdf", action="store_true", help="also print the report as PDF")
    arguments = parser.parse_args()
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            _make_case(home, size)
            root_key = re.findall("[0-9a-f]{64}", _run(home, "trust", "init", "trust.json")[-1])[-1]
            trust = ("--trust", "trust.json", "--root-key", root_key)
            commands: dict[str, tuple[str, ...]] = {
                "report case": ("report", "case", "c", "--format", "json", "--format", "html"),
                "case export": ("case", "export", "c", *trust),
            }
            if arguments.pdf:
                commands["report case, PDF"] = ("report", "case", "c", "--format", "pdf")
            for name, command in commands.items():
                seconds, busy, peak, _ = _run(home, *command)
                print(
                    f"{size} exhibits, {name}: {seconds:.1f} s, of the processor {busy:.1f} s "
                    f"({busy / size * 1000:.0f} ms an exhibit), peak {peak} MiB"
                )
            for file in sorted(home.glob("c*")):
                if file.is_file():
                    print(f"  {file.name}: {file.stat().st_size / 1e6:.1f} MB")


def _make_case(home: Path, size: int) -> None:
    """Make a store in a home, with a case of so many captures."""
    signer, now = bundles.new_signer(), datetime.now(UTC)
    page = rendered_page("wx/article")
    files = []
    for number in range(size):
        url = f"https://news.example.org/{number // _VISITS}"
        shown = replace(page, requested_url=url, final_url=url)
        at = now - timedelta(hours=1 + number % _VISITS, seconds=number)
        files.append(site_bundles.seal(home / "spool", shown, at, signer=signer))
    _run(home, "case", "create", "c")
    for begin in range(0, size, _AT_ONCE):
        some = files[begin : begin + _AT_ONCE]
        _run(home, "store", "add", *(str(made.file) for made in some))
        _run(home, "case", "add", "c", *(made.id for made in some))


def _run(home: Path, *arguments: str) -> tuple[float, float, int, str]:
    """Run a command; return seconds, those of its processor, its peak in MiB, and its output."""
    program = [sys.executable, "-m", "snapshotter", *arguments]
    settings = {
        "HOME": str(home),
        "SNAPSHOTTER_DATA_DIR": str(home / "data"),
        "SNAPSHOTTER_SPOOL_DIR": str(home / "scratch"),
    }
    begin = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            program, cwd=home, env={**os.environ, **settings, "PYTHONPATH": sys.path[0]},
            stdout=out, stderr=out,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    if process.returncode not in (0, 11):
        raise SystemExit(f"{' '.join(arguments[:3])} ended with {process.returncode}:\n{said}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss >> 10, said


if __name__ == "__main__":
    main()
