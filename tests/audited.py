"""
Small stores with a log of their own, made without our log writer, to be spoiled.

The log is written here from the formats alone, so that a test can do what whoever keeps
a store, or has stolen the log's key, can do: leave an entry out, write another history
and sign it again, show yesterday's checkpoint.
"""

import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, names, store_keys
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.leaf import BUNDLE, CUSTODY, TOMBSTONE, Leaf
from snapshotter.formats.proofs.note import Checkpoint, LogPolicy, VerifierKey
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.formats.statements import holds, tombstone
from snapshotter.formats.statements.tombstone import Tombstone
from snapshotter.model.audit import AuditFinding, AuditReport, Severity
from snapshotter.model.custody import CustodyEvent, KeptReceipts, Receipt
from snapshotter.ports import ObjectStore, Receipts
from snapshotter.seal.signer import FileSigner
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.audit.locks_and_custody import StoreReceipts
from snapshotter.verify.audit.remembered_checkpoint import RememberedCheckpoint
from snapshotter.verify.audit.run import AuditRequest, EarlierAudits, StoreAudit
from snapshotter.verify.audit.unreadable_objects import UnreadableObject
from snapshotter.verify.trust import Trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock

ORIGIN = "log.test/evidence"
PLACE = "0" * 32  # how receipts name the stores of our tests


@dataclass(frozen=True, slots=True)
class NoteKey:
    """An Ed25519 key of a log or a witness, in software."""

    name: str
    kind: int
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> VerifierKey:
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(name=self.name, kind=self.kind, public_key=raw)

    def sign(self, text: str, at: datetime | None = None) -> note.NoteSignature:
        if self.kind == note.ED25519:
            return note.signature(self.public, self.private.sign(text.encode()))
        seconds = int((at or datetime.now(UTC)).timestamp())
        raw = self.private.sign(note.cosigned_message(text, seconds))
        return note.signature(self.public, raw, seconds)


def log_key(name: str = ORIGIN) -> NoteKey:
    return NoteKey(name, note.ED25519)


def witness_key(name: str = "witness.test/w1") -> NoteKey:
    return NoteKey(name, note.COSIGNATURE_V1)


def checkpoint(
    leaves: Sequence[bytes],
    key: NoteKey,
    witnesses: Sequence[NoteKey] = (),
    *,
    at: datetime | None = None,
    origin: str = "",
) -> bytes:
    """Return the signed checkpoint of a log with these entries."""
    root = merkle.root(merkle.leaf_hash(leaf) for leaf in leaves)
    text = Checkpoint(origin=origin or key.name, size=len(leaves), root=root).text
    signatures = (key.sign(text), *(witness.sign(text, at) for witness in witnesses))
    lines = "".join(signature.line for signature in signatures)
    return f"{text}\n{lines}".encode()


def files(leaves: Sequence[bytes], *, since: int = 0) -> dict[str, bytes]:
    """Return the files of a log with these entries, by their path below `log/`."""
    levels = [[merkle.leaf_hash(leaf) for leaf in leaves]]
    while len(levels[-1]) >= tiles.WIDTH:
        below = levels[-1]
        whole = range(0, len(below) - len(below) % tiles.WIDTH, tiles.WIDTH)
        levels.append([tiles.whole_subtree(below[at : at + tiles.WIDTH]) for at in whole])
    result: dict[str, bytes] = {}
    for tile in tiles.tiles_between(since, len(leaves)):
        first = tile.index * tiles.WIDTH
        if tile.level == tiles.ENTRIES:
            result[tile.path] = tiles.encode_entries(leaves[first : first + tile.width])
        else:
            result[tile.path] = b"".join(levels[tile.level][first : first + tile.width])
    return result


def proof(leaves: Sequence[bytes], index: int, signed: bytes) -> bytes:
    """Return the proof that entry `index` is in the log with these entries."""
    tree = tiles.TileTree(len(leaves), _fetch_from(files(leaves)))
    hashes = merkle.inclusion_proof(index, len(leaves), tree.node)
    return TlogProof(index=index, hashes=hashes, checkpoint=signed).encode()


def _fetch_from(there: dict[str, bytes]) -> Callable[[str], bytes]:
    def fetch(path: str) -> bytes:
        if path not in there:
            raise FileNotFoundError(path)
        return there[path]

    return fetch


@dataclass(slots=True)
class Collection:
    """A store in a directory with a log; the methods do what only its keeper could do."""

    root: Path
    trust: Trust
    signer: FileSigner
    authority: ChainAuthority
    log: NoteKey
    witness: NoteKey
    leaves: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of the bundles, in the order of the log

    def key(self, number: int) -> str:
        """Return the key of a bundle, counted from 0."""
        return store_keys.bundle_key(self.ids[number])

    def path(self, number: int, kind: str = "") -> Path:
        """Return where a bundle, or a sidecar of it, is."""
        key = self.key(number)
        return self.root / (store_keys.sidecar_key(key, kind) if kind else key)

    def copy(self, root: Path) -> "Collection":
        """Return the same collection elsewhere, to be spoiled."""
        shutil.copytree(self.root, root, symlinks=True)
        return replace(self, root=root, leaves=list(self.leaves), ids=list(self.ids))

    def seal(self, folder: Path, *, minutes_ago: int, **more: Any) -> tuple[str, bytes]:
        """Return id and bytes of a new bundle, which is not stored."""
        sealed = bundles.seal(
            folder,
            signer=more.pop("signer", self.signer),
            clock=RealClock(timedelta(minutes=-minutes_ago)),
            authorities=(self.authority,),
            **more,
        )
        return sealed.id, sealed.file.read_bytes()

    def put(self, key: str, data: bytes) -> None:
        """Write an object as it is, over whatever is there."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def store(self, bundle_id: str, data: bytes) -> None:
        """Put a bundle into the store, and not into the log."""
        self.put(store_keys.bundle_key(bundle_id), data)

    def append(self, *leaves: Leaf) -> None:
        """Add entries to the log, and publish it."""
        self.leaves += [leaf.encode() for leaf in leaves]
        self.publish()

    def add(self, bundle_id: str, data: bytes) -> None:
        """Store and log a bundle, and put the proof beside it."""
        self.store(bundle_id, data)
        self.ids.append(bundle_id)
        self.append(leaf(bundle_id, data))
        self.prove(len(self.ids) - 1)

    def prove(self, number: int) -> None:
        """Write the proof of a bundle anew, in the newest tree."""
        entry = leaf(self.ids[number], self.path(number).read_bytes()).encode()
        data = proof(self.leaves, self.leaves.index(entry), self.checkpoint())
        self.put(store_keys.sidecar_key(self.key(number), "tlog-proof"), data)

    def publish(self, *, at: datetime | None = None, witnessed: bool = True) -> None:
        """Write the whole log anew, as the entries are now."""
        for path, data in files(self.leaves).items():
            self.put(f"log/{path}", data)
        self.put("log/checkpoint", self.checkpoint(at=at, witnessed=witnessed))

    def checkpoint(self, *, at: datetime | None = None, witnessed: bool = True) -> bytes:
        """Return the checkpoint of the entries as they are now."""
        return checkpoint(self.leaves, self.log, (self.witness,) if witnessed else (), at=at)

    def audited(
        self,
        workspace: Path,
        *,
        remembered: RememberedCheckpoint | None = None,
        elsewhere: RememberedCheckpoint | None = None,
        progress: Callable[[str, int, int], None] = lambda stage, done, of: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        open_store: Callable[[Path], ObjectStore] = DirectoryStore,
        receipts: Receipts | None = None,
        pause: Callable[[], None] = lambda: None,
        unread: Iterable[UnreadableObject] = (),
        **wanted: Any,
    ) -> "Audited":
        """Audit this collection in this process."""
        with StoreAudit(
            partial(open_store, self.root),
            self.trust,
            workspace=workspace,
            software="test",
            now=now,
            pause=pause,
            earlier=EarlierAudits(
                remembered=remembered,
                unread={unreadable.name: unreadable for unreadable in unread},
                elsewhere=lambda origin: elsewhere,
            ),
            receipts=StoreReceipts(receipts=receipts, store_name=PLACE),
        ) as audit:
            report = audit.run(AuditRequest(**wanted), progress)
            return Audited(report, tuple(audit.findings()), audit.to_remember, audit.unread)

    def lock(self, leaves: Sequence[bytes]) -> None:
        """Write the writers' lock, as of a tree with these entries."""
        name = log_state.staging_name(len(leaves), b"\0" * 32, b"\0" * 8)
        lock = log_state.Lock(staging=name, checkpoint=checkpoint(leaves, self.log))
        self.put(log_state.LOCK, lock.encode())

    # What the storage layer leaves beside a bundle.

    def record(self, number: int, event: str, *, receipt: Receipt | None = None) -> None:
        """Write an event to the custody chain of a bundle, and its head to the log."""
        bundle = self.path(number)
        kinds = [file.name.removeprefix(f"{bundle.name}.") for file in bundle.parent.iterdir()]
        numbers = [
            number for number in map(custody_sidecars.number_of, kinds) if number is not None
        ]
        last = custody_sidecars.last_number(numbers)
        if last:
            data = self.path(number, custody_sidecars.kind(last)).read_bytes()
            head = custody_sidecars.head_after(data, last)
        else:
            members = bundles.unpack(self.path(number).read_bytes())
            head = custody_sidecars.head_inside(members[names.CUSTODY])
        happened = CustodyEvent(
            at=datetime.now(UTC),
            event=event,
            agent="test",
            object=f"{self.ids[number]}.wacz",
            outcome="success",
            event_id=hashlib.sha256(f"{number} {last}".encode()).hexdigest()[:32],
            receipt=receipt,
        )
        data, after = custody_sidecars.encode((happened,), head)
        self.put(f"{self.key(number)}.{custody_sidecars.kind(after.number)}", data)
        self.append(Leaf(kind=CUSTODY, name=self.ids[number], sha256=after.previous))

    def receipt(self, number: int, **changes: Any) -> Receipt:
        """Return what this store would answer for a bundle that was put there."""
        data = self.path(number).read_bytes()
        return replace(
            Receipt(
                key=self.key(number),
                length=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                version="",
                lock_mode="",
                retain_until=None,
                legal_hold=False,
                store=PLACE,
                at=datetime.now(UTC).replace(microsecond=0),
            ),
            **changes,
        )

    def erase(self, number: int, *, signer: FileSigner | None = None, **changes: Any) -> None:
        """Erase a bundle as an order says, with all but what stays."""
        data = self.path(number).read_bytes()
        stone = Tombstone(
            bundle_id=self.ids[number],
            sha256=hashlib.sha256(data).hexdigest(),
            length=len(data),
            reason="names a minor",
            order="12 O 345/26",
            by="archive",
            at=datetime.now(UTC).replace(microsecond=0),
            custody_head="",
        )
        written = tombstone.encode(replace(stone, **changes), signer or self.signer)
        self.put(f"{self.key(number)}.{tombstone.KIND}", written)
        self.append(
            Leaf(
                kind=TOMBSTONE,
                name=self.ids[number],
                sha256=hashlib.sha256(written).hexdigest(),
            )
        )
        self.path(number).unlink()

    def hold(self, number: int, *, signer: FileSigner | None = None) -> None:
        """Place a hold on a bundle, without setting the store's flag."""
        self._hold(number, holds.PLACE, holds.Holds(records=(), open=(), problems=()), signer)

    def lift(self, number: int, *, signer: FileSigner | None = None) -> None:
        """Lift that hold."""
        data = self.path(number, holds.kind(1)).read_bytes()
        after = holds.read(self.ids[number], [(1, data)], lambda key_id: True)
        self._hold(number, holds.LIFT, after, signer)

    def _hold(
        self, number: int, action: str, after: holds.Holds, signer: FileSigner | None
    ) -> None:
        data = holds.encode(
            holds.HoldAction(
                action=action,
                name="doe",
                matter="Doe v. Example",
                reason="a letter",
                by="archive",
                at=datetime.now(UTC),
            ),
            bundle_id=self.ids[number],
            after=after,
            signer=signer or self.signer,
        )
        self.put(f"{self.key(number)}.{holds.kind(after.sequence + 1)}", data)

    def rewrite(self, leaves: Sequence[bytes], *, witnessed: bool = True) -> None:
        """Put another history into the log's place, signed with its own key."""
        shutil.rmtree(self.root / "log")
        self.leaves = list(leaves)
        self.publish(witnessed=witnessed)


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit found."""

    report: AuditReport
    findings: tuple[AuditFinding, ...]
    to_remember: RememberedCheckpoint | None
    unread: tuple[UnreadableObject, ...]

    @property
    def kinds(self) -> set[str]:
        """The kinds that were found, without notes: `deleted`, and `stale?` for what is unclear."""
        marks = {Severity.FAILED: "", Severity.INDETERMINATE: "?"}
        return {
            f"{finding.code}{marks[finding.severity]}"
            for finding in self.findings
            if finding.severity in marks
        }

    @property
    def notes(self) -> set[str]:
        """The kinds of notes."""
        return {
            finding.code.value for finding in self.findings if finding.severity is Severity.NOTE
        }


@dataclass(frozen=True, slots=True)
class ReceiptsOf:
    """The receipts of a machine, in memory."""

    kept: dict[str, KeptReceipts]

    def of(self, bundle_id: str) -> KeptReceipts:
        return self.kept.get(bundle_id, KeptReceipts())

    def bundle_ids(self) -> Iterator[str]:
        yield from sorted(self.kept)


def leaf(bundle_id: str, data: bytes) -> Leaf:
    """Return the entry of a bundle."""
    return Leaf(kind=BUNDLE, name=bundle_id, sha256=hashlib.sha256(data).hexdigest())


def collection(folder: Path, authority: ChainAuthority, *, count: int = 5) -> Collection:
    """Return a new collection of so many bundles, one a minute up to now."""
    signer = bundles.new_signer()
    log, witness = log_key(), witness_key()
    policy = LogPolicy(key=log.public, witnesses=(witness.public,), quorum=1)
    made = Collection(
        root=folder / "store",
        trust=replace(bundles.trust_in(signer, authority), log=policy),
        signer=signer,
        authority=authority,
        log=log,
        witness=witness,
    )
    for number in range(count):
        bundle_id, data = made.seal(
            folder / f"spool-{number}", minutes_ago=120 + count - number, title=f"Page {number}"
        )
        made.add(bundle_id, data)
    return made


# Work for other processes, which find it by its name.


def squares(offset: int) -> Callable[[int], int]:
    """Return what squares a number and adds the offset."""
    return partial(_square, offset)


def _square(offset: int, number: int) -> int:
    if number == KILLS:
        os._exit(7)
    if number == FAILS:
        raise SnapshotterError("seven is not squared", hint="take another")
    if number == BREAKS:
        raise LookupError("a bug")
    return number * number + offset


KILLS, FAILS, BREAKS = 13, 7, 11


def waits(folder: Path) -> Callable[[int], int]:
    """Return what leaves a file and then never answers."""
    return partial(_wait, folder)


def _wait(folder: Path, number: int) -> int:
    (folder / str(os.getpid())).touch()
    while True:
        signal.pause()
