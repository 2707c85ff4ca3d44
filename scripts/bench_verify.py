"""
Time verifying and sealing by size: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_verify.py [--mb 1,10,100,1000] [--runs 5]

A bundle of each size is sealed for real, without a token, around network traffic that is
random bytes. Then `sha256sum`, `b3sum` and our verifier, in a process of its own each, read
the same file in turn, so that a machine whose speed drifts drifts for all. A verifier
reads each byte once and computes CRC-32 and BLAKE3, and in two threads beside it SHA-256
of the member and of the whole. With fewer idle cores than two it takes twice as long.
Sealing is what a larger capture costs more than the smallest one, by the MB;
hashing of the capture's files, which is done as they are written, is in it.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.formats.digest import digest  # noqa: E402  the line above finds these
from snapshotter.model.capture import Artifact  # noqa: E402
from snapshotter.seal import sealer  # noqa: E402
from tests import bundles  # noqa: E402
from tests.bundles import RealClock  # noqa: E402
from tests.tools import system_tool  # noqa: E402

_MB = 1_000_000
_TRAFFIC = "archive/data.warc.gz"

# Verifies one bundle by the key that it was sealed with, and says what it took.
_VERIFY = """
import resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from snapshotter.formats.signatures import keys
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import own_trust
trust = own_trust([keys.load_public_pem(Path(sys.argv[2]).read_bytes())], ())
with open(sys.argv[1], "rb") as stream:
    began = time.perf_counter()
    report = verify_bundle(stream, trust, now=datetime.now(UTC))
    took = time.perf_counter() - began
assert report.verdict.value == "indeterminate", report  # without a token, and nothing else
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@dataclass(slots=True)
class Size:
    """What was measured of one size."""

    length: int = 0  # bytes of the bundle
    seal_s: float = 0
    sha256sum_s: list[float] = field(default_factory=list)
    b3sum_s: list[float] = field(default_factory=list)
    verify_s: list[float] = field(default_factory=list)
    peak: int = 0  # KiB of the verifier

    def rate(self, times: Sequence[float]) -> str:
        """Return MB/s, of the median."""
        return f"{self.length / _MB / statistics.median(times):.0f}"

    @property
    def ratio(self) -> str:
        """Return how much longer a verification takes than both digests, run by run."""
        both = zip(self.verify_s, self.sha256sum_s, self.b3sum_s, strict=True)
        ratios = [verify / (sha256 + b3) for verify, sha256, b3 in both]
        return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def measure(folder: Path, megabytes: int, runs: int) -> Size:
    """Seal a bundle of this size, and time what reads it."""
    result = Size()
    signer = bundles.new_signer()
    key = folder / "key.pem"
    key.write_bytes(signer.public_key_pem)
    spool = folder / "spool"
    spool.mkdir()
    clock = RealClock()
    capture = bundles.capture(spool, at=clock.now())
    file = spool / _TRAFFIC
    with file.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(_MB))
    began = time.perf_counter()
    with file.open("rb") as stream:
        digests = digest(stream, limit=4 << 30)

    def artifact(original: Artifact) -> Artifact:
        return replace(original, digests=digests) if original.path == _TRAFFIC else original

    sealed = sealer.seal(
        replace(capture, artifacts=tuple(map(artifact, capture.artifacts))),
        bundles.decision(),
        sealer.SealDependencies(
            signer=signer,
            authorities=(),
            timestamp_timeout_s=1,
            clock=clock,
            software=bundles.SOFTWARE,
        ),
        bundle_id=bundles.bundle_id(capture.started_at),
        salt_key=bundles.SALT_KEY,
        spool=spool,
        progress=lambda stage, detail: None,
    )
    result.seal_s = time.perf_counter() - began
    result.length = sealed.digests.length
    file.unlink()
    for _ in range(runs):
        result.sha256sum_s.append(_timed(system_tool("sha256sum"), str(sealed.file)))
        result.b3sum_s.append(_timed(system_tool("b3sum"), str(sealed.file)))
        done = subprocess.run(
            [sys.executable, "-c", _VERIFY, str(sealed.file), str(key)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        took, peak = done.stdout.split()
        result.verify_s.append(float(took))
        result.peak = max(result.peak, int(peak))
    return result


def _timed(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Measure each size, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", default="1,10,100,1000", help="sizes, in MB")
    parser.add_argument("--runs", type=int, default=5, help="runs of each size")
    arguments = parser.parse_args()
    print(f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.platform()}")
    print(f"- Python {platform.python_version()}, load at the start: {os.getloadavg()[0]:.1f}")
    print()
    print("| bundle MB | sha256sum | b3sum | verify | verify over both | peak MiB | seal ms/MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    least: Size | None = None
    for megabytes in (int(part) for part in arguments.mb.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-verify-") as folder:
            size = measure(Path(folder), megabytes, arguments.runs)
        cost = "–"
        if least is not None:
            cost = (
                f"{1000 * (size.seal_s - least.seal_s) / ((size.length - least.length) / _MB):.1f}"
            )
        least = least or size
        print(
            f"| {size.length / _MB:.1f} | {size.rate(size.sha256sum_s)} | "
            f"{size.rate(size.b3sum_s)} | "
            f"{size.rate(size.verify_s)} | {size.ratio} | {size.peak >> 10} | {cost} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
