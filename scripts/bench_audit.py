"""
Time the audit of a large store: docs/performance.md comes from here.

    .venv/bin/python scripts/bench_audit.py [--bundles 100000] [--jobs 2] [--folder EMPTY]

Makes the store first: one small capture for each of seven days, sealed for real, and
from it as many bundles as are wanted, each with its own id, list of files, signature,
token and derived files. Beside each stand a log proof and one custody event, and all are
in a log with one witness. Then `snapshotter audit` runs twice as a process of its own:
the first time everything is verified, the second time every byte is read again and no
signature checked. Memory is what all its processes take together, looked at ten times
a second, without what they share.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from snapshotter.capture.browser import os_processes  # noqa: E402  the line above finds these
from snapshotter.formats import canonical_json  # noqa: E402
from snapshotter.formats.bundle import (  # noqa: E402
    custody_sidecars,
    names,
    store_keys,
)
from snapshotter.formats.proofs import (  # noqa: E402
    merkle,
    rfc3161,
    tiles,
)
from snapshotter.formats.proofs.leaf import BUNDLE, CUSTODY, Leaf  # noqa: E402
from snapshotter.formats.proofs.note import LogPolicy  # noqa: E402
from snapshotter.formats.proofs.tlog_proof import TlogProof  # noqa: E402
from snapshotter.formats.signatures import keys  # noqa: E402
from snapshotter.model.custody import INGESTION, CustodyEvent  # noqa: E402
from snapshotter.seal.signer import FileSigner  # noqa: E402
from snapshotter.verify.trust import TrustDocument, trusted_key  # noqa: E402
from tests import audited, bundles  # noqa: E402
from tests.bundles import ChainAuthority, Members, RealClock  # noqa: E402
from tests.servers.authority import Chain  # noqa: E402

_DAYS = 7  # that the bundles are spread over
_POLL_S = 0.1
_ROOT_KEY = "root-key-id.txt"  # written last: with it, a store is whole
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


@dataclass(frozen=True, slots=True)
class Press:
    """
    Makes tokens much faster than `openssl ts`: takes one apart, and signs another imprint.

    Everything but imprint, digest of the content and signature stays as it is, and
    a signature of another length is made again until it has the right one.
    """

    template: bytes
    over: bytes  # what the template is over
    key: ec.EllipticCurvePrivateKey

    def response(self, message: bytes) -> bytes:
        parsed = rfc3161._parse(self.template)  # the one place that takes tokens apart
        algorithm = parsed.token.imprint_algorithm
        imprint = hashlib.new(algorithm, message).digest()
        content = _swapped(parsed.content, parsed.imprint, imprint)
        digest = hashlib.new(parsed.digest, parsed.content).digest()
        signed = _swapped(parsed.signed, digest, hashlib.new(parsed.digest, content).digest())
        kind = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
        while True:
            signature = self.key.sign(signed, ec.ECDSA(kind[parsed.digest]))
            if len(signature) == len(parsed.signature):
                break
        result = _swapped(self.template, parsed.content, content)
        result = _swapped(result, parsed.signed[1:], signed[1:])
        return _swapped(result, parsed.signature, signature)


def _swapped(data: bytes, old: bytes, new: bytes) -> bytes:
    if data.count(old) != 1 or len(old) != len(new):
        raise ValueError("a token in which something stands twice, or changes its length")
    return data.replace(old, new)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed to make bundles, in any process."""

    store: Path
    templates: tuple[tuple[str, Members], ...]  # the second that the id begins with, members
    signer: bytes  # PEM
    authority: bytes  # PEM
    token: bytes
    over: bytes


def make_bundles(plan: Plan, numbers: range) -> list[tuple[str, str, str]]:
    """Make some of the bundles; return id, digest and head of the custody of each."""
    signer = FileSigner(_private(plan.signer))
    press = Press(plan.token, plan.over, _private(plan.authority))
    made: list[tuple[str, str, str]] = []
    for number in numbers:
        second, members = plan.templates[number % len(plan.templates)]
        bundle_id = f"{second}-{_suffix(number)}"
        record = bundles.record_of(members)
        record["bundle_id"] = bundle_id
        changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
        data = bundles.pack(bundles.resealed(members, changes, signer, press.response))
        event = CustodyEvent(
            at=datetime(2026, 1, 1, tzinfo=UTC),
            event=INGESTION,
            agent="bench",
            object=f"{bundle_id}.wacz",
            outcome="success",
            event_id=hashlib.sha256(bundle_id.encode()).hexdigest()[:32],
        )
        after = custody_sidecars.head_inside(members[names.CUSTODY])
        sidecar, head = custody_sidecars.encode((event,), after)
        key = store_keys.bundle_key(bundle_id)
        path = plan.store / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        (plan.store / store_keys.sidecar_key(key, custody_sidecars.kind(1))).write_bytes(sidecar)
        made.append((bundle_id, hashlib.sha256(data).hexdigest(), head.previous))
    return made


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not a key on a curve")
    return key


def _suffix(number: int) -> str:
    digits = ""
    for _ in range(16):
        number, digit = divmod(number, 32)
        digits = _LETTERS[digit] + digits
    return digits


@dataclass(frozen=True, slots=True)
class Made:
    """A store to audit, and whom to trust."""

    store: Path
    trust: Path
    root_key: str


def make(folder: Path, count: int, jobs: int) -> Made:
    """Make a store of so many bundles with its log, and a trust file."""
    store = folder / "store"
    chain = Chain(folder / "authority", "bench")
    chain.make()
    authority = ChainAuthority(chain)
    private = ec.generate_private_key(ec.SECP384R1())
    signer = FileSigner(private)
    templates = []
    for day in range(_DAYS):
        sealed = bundles.seal(
            folder / f"template-{day}",
            signer=signer,
            clock=RealClock(timedelta(days=-day, hours=-2)),
            authorities=(authority,),
        )
        members = bundles.unpack(sealed.file.read_bytes())
        templates.append((sealed.id.partition("-")[0], members))
    over = b"a template"
    plan = Plan(
        store=store,
        templates=tuple(templates),
        signer=_pem(private),
        authority=(chain.folder / "leaf.key").read_bytes(),
        token=authority.response(over),
        over=over,
    )
    made = [bundle for part in _in_parts(plan, count, jobs) for bundle in part]
    log, witness = audited.log_key(), audited.witness_key()
    _log(store, made, log, witness)
    root = ec.generate_private_key(ec.SECP384R1())
    document = TrustDocument.new(root.public_key()).with_authority(authority.anchor)
    document = document.with_key(trusted_key(signer.public_key, owner="bench"))
    policy = LogPolicy(key=log.public, witnesses=(witness.public,), quorum=1)
    document = replace(document.with_log(policy), max_lag=timedelta(days=_DAYS + 1))
    trust = folder / "trust.json"
    trust.write_bytes(document.encode())
    trust.with_name("trust.json.sig").write_bytes(FileSigner(root).sign(document.encode()))
    (folder / _ROOT_KEY).write_text(keys.key_id(root.public_key()))
    return Made(store, trust, keys.key_id(root.public_key()))


def again(folder: Path) -> Made | None:
    """Return what an earlier run has made in a folder; None where there is nothing whole."""
    root_key = folder / _ROOT_KEY
    if not root_key.exists():
        return None
    return Made(folder / "store", folder / "trust.json", root_key.read_text())


def _in_parts(plan: Plan, count: int, jobs: int) -> Iterator[list[tuple[str, str, str]]]:
    parts = [range(at, min(at + 500, count)) for at in range(0, count, 500)]
    with ExitStack() as stack:
        one = partial(make_bundles, plan)
        done: Iterable[list[tuple[str, str, str]]] = map(one, parts)
        if jobs > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(jobs))
            done = pool.imap(one, parts)
        for number, part in enumerate(done, start=1):
            _say(f"{min(number * 500, count)} of {count} bundles made")
            yield part


def _log(
    store: Path,
    made: Sequence[tuple[str, str, str]],
    log: audited.NoteKey,
    witness: audited.NoteKey,
) -> None:
    """Write the whole log at once, and a proof beside each bundle."""
    leaves = [Leaf(kind=BUNDLE, name=bundle[0], sha256=bundle[1]).encode() for bundle in made]
    leaves += [Leaf(kind=CUSTODY, name=bundle[0], sha256=bundle[2]).encode() for bundle in made]
    there = audited.files(leaves)
    for path, data in there.items():
        file = store / "log" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    signed = audited.checkpoint(leaves, log, (witness,))
    (store / "log/checkpoint").write_bytes(signed)
    _say(f"{len(leaves)} entries logged")
    tree = tiles.TileTree(len(leaves), there.__getitem__, cache=2_000)
    for index, (bundle_id, _, _) in enumerate(made):
        hashes_ = merkle.inclusion_proof(index, len(leaves), tree.node)
        proof = TlogProof(index=index, hashes=hashes_, checkpoint=signed)
        key = store_keys.sidecar_key(store_keys.bundle_key(bundle_id), "tlog-proof")
        (store / key).write_bytes(proof.encode())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


@dataclass(frozen=True, slots=True)
class Run:
    """One audit, as it was seen from outside."""

    code: int
    wall_s: float
    cpu_s: float  # of all its processes: what a machine that is busy changes less
    peak: int  # bytes, all processes
    largest: int  # bytes, the largest of them at its peak
    report: dict[str, object]


def run(made: Made, state: Path, jobs: int) -> Run:
    """Audit the store in a process of its own."""
    command = [
        *(sys.executable, "-m", "snapshotter", "audit", "--json", "--no-report"),
        *("--trust", str(made.trust), "--root-key", made.root_key, "--jobs", str(jobs)),
        *("--state", str(state), str(made.store)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SNAPSHOTTER_DATA_DIR": str(state)}
    peak = largest = 0
    with tempfile.TemporaryFile("w+") as out:
        began, spent = time.monotonic(), _cpu_of_children()
        with subprocess.Popen(command, stdout=out, env=environment) as process:
            while process.poll() is None:
                sizes = [
                    os_processes.resident(pid)
                    for pid in (process.pid, *os_processes.descendant_pids(process.pid))
                ]
                peak, largest = max(peak, sum(sizes)), max(largest, *sizes)
                time.sleep(_POLL_S)
        wall = time.monotonic() - began
        out.seek(0)
        last = out.read().splitlines()[-1:]
    spent = _cpu_of_children() - spent
    report = json.loads(last[0]) if last else {}
    return Run(process.returncode, wall, spent, peak, largest, report)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Make the store, audit it twice, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundles", type=int, default=100_000, help="bundles to make")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes of the audit"
    )
    parser.add_argument(
        "--folder", type=Path, help="kept, and used again as it is; else a temporary one"
    )
    parser.add_argument("--only-make", action="store_true", help="make the store, and end")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="bench-audit-"))
    try:
        began = time.monotonic()
        made = again(folder) or make(folder, arguments.bundles, arguments.jobs)
        if arguments.only_make:
            return
        print(f"- machine: {os.cpu_count()} cores, {platform.machine()}, {platform.platform()}")
        print(f"- Python {platform.python_version()}, {arguments.jobs} processes")
        print(f"- load average at the start: {os.getloadavg()[0]:.1f}")
        _say(f"{arguments.bundles} bundles made in {time.monotonic() - began:.0f} s")
        print("\n| audit | verdict | wall s | CPU s | CPU ms a bundle | peak MiB, all | largest |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for name in ("first", "next"):
            done = run(made, folder / "state", arguments.jobs)
            each = 1000 * done.cpu_s / max(arguments.bundles, 1)
            print(
                f"| {name} | {done.report.get('verdict')} ({done.code}) | {done.wall_s:.1f} | "
                f"{done.cpu_s:.1f} | {each:.2f} | {done.peak >> 20} | {done.largest >> 20} |",
                flush=True,
            )
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
