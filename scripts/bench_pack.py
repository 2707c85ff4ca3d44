"""
Proof packs by size: written, compared byte by byte, and opened by a browser.

    .venv/bin/python scripts/bench_pack.py --sizes 10 100 300 --browser

Each size is a pack with one large capture. Times are medians in seconds; memory is the peak of
the process that writes and compares. With `--browser` Chromium opens the file with the network
off, once with its own SHA-256 and once with that of the page, until the page says that all is as
listed. docs/performance.md has the figures.
"""

import argparse
import hashlib
import io
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from snapshotter.formats.statements import pack
from snapshotter.model.proof import Part, Role
from snapshotter.report import pack as pages
from tests import exhibits, packs

WITHOUT = "Object.defineProperty(window.crypto, 'subtle', {value: undefined})"
SETTLED = "html[data-state=good], html[data-state=bad]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=[10, 100, 300], metavar="MB", help="pack sizes"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each size")
    parser.add_argument("--browser", action="store_true", help="open each in Chromium as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for megabytes in arguments.sizes:
            file = Path(folder) / "proof.html"
            parts, openers = _parts(Path(folder), megabytes * 1_000_000)
            times = [_run(file, parts, openers) for _ in range(arguments.runs)]
            wrote, compared = (
                statistics.median(times_of_kind) for times_of_kind in zip(*times, strict=True)
            )
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            line = (
                f"{megabytes} MB: written {wrote:.2f} s, compared {compared:.2f} s, peak {peak} MiB"
            )
            if arguments.browser:
                line += ", opened {:.1f} s, by its own SHA-256 {:.1f} s".format(*_opened(file))
            print(line)


def _parts(folder: Path, length: int) -> tuple[tuple[Part, ...], list[Callable[[], BinaryIO]]]:
    """Return a pack's parts, the first of them of that length, and what opens each."""
    file, digest, left = folder / "large", hashlib.sha256(), length
    block = os.urandom(1 << 20)
    with file.open("wb") as out:
        while left:
            data = block[:left]
            out.write(data)
            digest.update(data)
            left -= len(data)
    first, second = packs.FILES[0], packs.FILES[2]
    large = replace(first.part, length=length, sha256=digest.hexdigest(), role=Role.LAST_SEEN)
    return (large, second.part), [lambda: file.open("rb"), partial(io.BytesIO, second.data)]


def _run(
    file: Path, parts: tuple[Part, ...], openers: list[Callable[[], BinaryIO]]
) -> tuple[float, float]:
    page = pages.page(exhibits.statement(), [(part, pack.describe(part, parts)) for part in parts])
    end = pages.end()
    manifest = replace(
        packs.manifest(),
        event_id="",
        page=pack.section_of(page),
        text_sha256=pages.shown_sha256(page, parts, end),
        parts=parts,
        end=pack.section_of(end),
    )
    begin = time.perf_counter()
    with file.open("wb") as out:
        pack.write(page, end, manifest, openers, packs.SIGNER, out)
    wrote = time.perf_counter()
    with file.open("rb") as stream:
        if list(pack.find_alterations(stream, pack.read(stream))):
            raise SystemExit("the pack is not as it was written")
    return wrote - begin, time.perf_counter() - wrote


def _opened(file: Path) -> list[float]:
    from playwright.sync_api import sync_playwright

    from snapshotter.capture.browser.binary import choose_browser

    binary, _ = choose_browser("shell", None)
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary.path)
        for script in ("", WITHOUT):
            context = browser.new_context(offline=True)
            page = context.new_page()
            if script:
                page.add_init_script(script)
            begin = time.perf_counter()
            page.goto(file.as_uri(), timeout=600_000)
            page.locator(SETTLED).wait_for(timeout=600_000)
            times.append(time.perf_counter() - begin)
            if not page.locator("#verdict").inner_text().startswith("✓"):
                raise SystemExit("the page did not find all as listed")
            context.close()
        browser.close()
    return times


if __name__ == "__main__":
    main()
