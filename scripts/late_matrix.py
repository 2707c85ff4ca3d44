"""
Capture pages whose content comes late, many times, and look for it in every file of the bundle.

    .venv/bin/python scripts/late_matrix.py [--runs 20] [--load 10] [--only WORDS] [--json]

Each page of `snapshotter.site.late_content` shows a word in a colour of its own, by a timer, a
socket, a worker or another of the ways in which content comes late. A capture has found it when
the word is in text and document, its colour in the pictures, and its answer in the network
record. One that has it in some of them and not in others has missed it. It ends in 1 if content
was missed and the record gives no reason.

With `--load`, so many processes that only compute run beside. `--product DIR` captures with the
source tree at DIR, for comparing versions.
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
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.site.late_content import PATCHES, PREFIX  # noqa: E402  the line above
from snapshotter.site.server import FixtureSite  # noqa: E402
from tests.e2e.product import Installation  # noqa: E402
from tests.late import places  # noqa: E402

# Of what the site does in every capture, and no word on what is missing.
_ALWAYS = frozenset({"clock-skew", "raw-rendered-divergence"})
_SWEPT = f"{PREFIX}second-event"  # comes at another moment in each run, also after the end


def judged(done: Any, page: str) -> dict[str, Any]:
    """Return what one capture has of a page: "found", "after", "reason" or "missed", and why."""
    if done.code != 0:
        return {"verdict": "missed", "detail": f"exit {done.code}: {done.err[-200:]}"}
    made = done.object
    bundle = Path(made["bundle"]["path"])
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    outcome = json.loads(files["capture/capture.json"])["outcome"]
    codes = [reason["code"] for reason in (*outcome["reasons"], *outcome["warnings"])]
    told = [code for code in codes if code not in _ALWAYS]
    lacking: list[str] = []
    has_any = False
    for patch in PATCHES[page]:
        found = places(lambda name: files.get(name, b""), patch)
        has_any |= any(found.values())
        absent = [name for name, there in found.items() if not there]
        if absent:
            lacking.append(f"{patch.word} not in {', '.join(absent)}")
    verdict = "found"
    if lacking and page == _SWEPT and not has_any:
        verdict = "after"
    elif lacking:
        verdict = "reason" if told else "missed"
    return {
        "verdict": verdict,
        "outcome": outcome["state"],
        "codes": told,
        "detail": "; ".join(lacking),
    }


@contextmanager
def load(count: int) -> Iterator[None]:
    """Keep so many processes computing."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.terminate()
            process.wait()


def runs_of(
    page: str, count: int, user: Installation, site: FixtureSite, options: list[str]
) -> dict[str, Any]:
    """Capture a page so many times; return the counts."""
    verdicts: Counter[str] = Counter()
    details: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    took: list[float] = []
    for number in range(count):
        url = f"http://127.0.0.1:{site.port}/{page}"
        if page == _SWEPT:
            url += f"?after={0.8 + 2.4 * number / max(1, count):.2f}"
        begin = time.monotonic()
        done = user.run("capture", "--json", *options, url)
        took.append(time.monotonic() - begin)
        one = judged(done, page)
        verdicts[one["verdict"]] += 1
        outcomes[one.get("outcome", "none")] += 1
        codes.update(one.get("codes", ()))
        if one["detail"]:
            details[f"{one['verdict']}: {one['detail']}"] += 1
        for bundle in user.bundles():
            bundle.unlink()
    return {
        "page": page,
        "runs": count,
        **{name: verdicts[name] for name in ("found", "after", "reason", "missed")},
        "outcomes": dict(outcomes),
        "codes": dict(codes),
        "details": dict(details.most_common(5)),
        "median_s": round(statistics.median(took), 2),
    }


def versions(product: Path) -> dict[str, str]:
    """Return what was measured with."""
    told = subprocess.run(
        ["git", "-C", str(product), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {
        "commit": told.stdout.strip(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processors": str(os.cpu_count()),
        "load_before": f"{os.getloadavg()[0]:.1f}",
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20, help="captures of each page")
    parser.add_argument("--load", type=int, default=0, help="processes that compute beside")
    parser.add_argument("--only", default="", help="pages whose name contains one of these words")
    parser.add_argument("--json", action="store_true", help="print one object a page")
    parser.add_argument("--product", type=Path, default=ROOT, help="source tree that captures")
    parser.add_argument("--option", action="append", default=[], help="further option of capture")
    arguments = parser.parse_args()
    words = arguments.only.split(",")
    pages = [patch for patch in PATCHES if any(word in patch for word in words)]
    facts = {**versions(arguments.product), "load": arguments.load}
    print(json.dumps({"machine": facts}) if arguments.json else facts, flush=True)
    missed = 0
    with (
        tempfile.TemporaryDirectory() as name,
        FixtureSite(address="0.0.0.0") as site,  # noqa: S104  two sites: 127.0.0.1 and 127.0.0.2
        load(arguments.load),
    ):
        user = Installation(Path(name), {"PYTHONPATH": str(arguments.product.resolve())})
        if not arguments.json:
            print(f"{'page':22} runs found after reason MISSED median_s  codes", flush=True)
        for page in pages:
            row = runs_of(page, arguments.runs, user, site, arguments.option)
            missed += row["missed"]
            if arguments.json:
                print(json.dumps(row), flush=True)
                continue
            print(
                f"{page:22} {row['runs']:4} {row['found']:5} {row['after']:5} {row['reason']:6} "
                f"{row['missed']:6} {row['median_s']:8}  "
                f"{row['codes'] or ''} {row['details'] or ''}",
                flush=True,
            )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
