"""
Every kind of object in a store made unreadable in every way, one audit each: what does it say?

    python scripts/store_fault_matrix.py [--only WORDS]

A small store has one object of each kind: checkpoint, entries, tile, lock, bundle, proof, custody,
tombstone, report and its signature, gap, event. Each is not given by a server (status codes, a
broken line, silence), not given by a disk (rights, a bad sector, a mount without an answer), and
replaced by what is no regular file. Each line is one audit: the fault, the object, what was found
and the exit code. What cannot be read has to be INDETERMINATE, and what the log names and is gone
has to be FAILED. It ends in 1 if one audit says anything else. The tests run a part of this.
"""

import argparse
import errno
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.verify.audit import report as reports  # noqa: E402  the line above
from tests.audited import Audited  # noqa: E402
from tests.bundles import ChainAuthority  # noqa: E402
from tests.servers.authority import Chain  # noqa: E402
from tests.servers.bucket import Bucket  # noqa: E402
from tests.special_files import SPECIAL  # noqa: E402
from tests.unit.verify.audit import kinds  # noqa: E402
from tests.unit.verify.audit.kinds import DISK, GONE, SERVER, Kinds  # noqa: E402

UNREADABLE = frozenset({"unreadable?"})


class Matrix:
    """All audits of one good store, each with one fault."""

    def __init__(self, full: Kinds, folder: Path, only: str) -> None:
        self._full = full
        self._folder = folder
        self._only = only
        self._seen = full.collection.audited(folder / "seen.sqlite")
        self.count = self.wrong = 0

    def run(self) -> None:
        with Bucket(self._full.collection.root) as bucket:
            opened = kinds.bucket_store(bucket, patience_s=0.5)
            for fault, kind, key in self._each(SERVER):
                bucket.faults[key], code = SERVER[fault]
                self._expect(f"server {fault}", kind, UNREADABLE, code, open_store=opened)
                bucket.faults.clear()
        for fault, kind, key in self._each(DISK):
            number, code = DISK[fault]
            refusing = kinds.refusing(key, number)
            self._expect(f"disk {fault}", kind, UNREADABLE, code, open_store=refusing)
        for _, kind, key in self._each(["bytes"]):
            refusing = kinds.refusing(key, errno.EIO, is_opened=True)
            self._expect("disk bytes", kind, UNREADABLE, 11, open_store=refusing)
        for fault, kind, key in self._each(["nothing", *SPECIAL]):
            self._special(fault, kind, key)

    def _each(self, faults: Any) -> Iterator[tuple[str, str, str]]:
        for fault in faults:
            for kind, key in self._full.keys.items():
                if self._only in f"{fault} {kind}":
                    yield fault, kind, key

    def _special(self, fault: str, kind: str, key: str) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            spoiled = self._full.copy(Path(folder) / "store")
            (spoiled.root / key).unlink()
            if fault != "nothing":
                SPECIAL[fault](spoiled.root / key)
            found = spoiled.audited(Path(folder) / "work.sqlite", remembered=self._seen.to_remember)
        self._tell(f"special {fault}", kind, found, GONE[kind], 10 if GONE[kind] else 0)

    def _expect(
        self, fault: str, kind: str, wanted: frozenset[str], code: int, **more: Any
    ) -> None:
        found = self._full.collection.audited(
            self._folder / "work.sqlite", remembered=self._seen.to_remember, **more
        )
        self._tell(fault, kind, found, wanted, code)

    def _tell(
        self, fault: str, kind: str, found: Audited, wanted: frozenset[str], code: int
    ) -> None:
        self.count += 1
        is_right = found.kinds == wanted and reports.exit_code(found.report) == code
        self.wrong += not is_right
        said = ", ".join(sorted(found.kinds)) or "nothing"
        mark = "ok   " if is_right else "WRONG"
        print(f"{mark} {fault:<24} {kind:<27} {reports.exit_code(found.report):>3}  {said}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="faults and kinds with these words")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chain = Chain(folder / "authority", "test authority")
        chain.make()
        matrix = Matrix(kinds.made(folder, ChainAuthority(chain)), folder, arguments.only)
        matrix.run()
    print(f"{matrix.count} audits, {matrix.wrong} of them wrong")
    return 1 if matrix.wrong or not matrix.count else 0


if __name__ == "__main__":
    sys.exit(main())
