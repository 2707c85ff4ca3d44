"""Stores with custody, and sealed bundles, for what is done between stores."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from snapshotter.app.archive import annotations
from snapshotter.app.upkeep.erasure import ErasureService
from snapshotter.app.upkeep.holds import HoldService
from snapshotter.app.upkeep.repair import RepairService, repair
from snapshotter.app.upkeep.replication import ReplicationResult, ReplicationService, replicate
from snapshotter.app.upkeep.tombstones import Tombstones
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.bundle.receipts import store_id
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.model.bundle import Bundle, Retention
from snapshotter.ports import CompareAndSwapStore, ObjectStore
from snapshotter.seal.signer import FileSigner
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.receipt_files import ReceiptFiles
from snapshotter.verify.log import LogReader
from snapshotter.verify.trust import own_trust
from tests import bundles
from tests.bundles import RealClock


class RandomIds:
    """Identifiers that no test can repeat."""

    def bundle_id(self, at: datetime) -> str:
        raise NotImplementedError

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


def sealed(folder: Path, signer: FileSigner, count: int = 1, ago_s: int = 100) -> list[Bundle]:
    """Return sealed bundles of different seconds, oldest first."""
    made = []
    for number in range(count):
        spool = folder / f"spool-{number}"
        clock = RealClock(timedelta(seconds=number - ago_s))
        made.append(bundles.seal(spool, signer=signer, clock=clock))
    return made


@dataclass(slots=True, kw_only=True)
class Shelf:
    """One store, as this machine uses it."""

    folder: Path
    name: str
    signer: FileSigner
    inner: ObjectStore | None = None
    said: list[str] = field(default_factory=list)
    logged: list[Leaf] = field(default_factory=list)
    log_policy: LogPolicy | None = None

    @property
    def plain(self) -> ObjectStore:
        """The store itself."""
        return self.inner or DirectoryStore(self.folder / self.name)

    @property
    def directory(self) -> DirectoryStore:
        """The store itself, where it is a directory."""
        return DirectoryStore(self.folder / self.name)

    @property
    def store(self) -> CustodialStore:
        """The store with its custody."""
        return CustodialStore(
            self.plain,
            receipts_name=store_id(self.name),
            receipts=ReceiptFiles(self.folder / "receipts" / self.name),
            clock=RealClock(),
            ids=RandomIds(),
            software="a test",
            by="somebody",
            show_message=self.said.append,
        )

    @property
    def tombstones(self) -> Tombstones:
        """What is known of erasures, of this machine."""
        return Tombstones(folder=self.folder / "tombstones", is_trusted=self.is_trusted)

    def is_trusted(self, key_id: str) -> bool:
        """Only our own key counts."""
        return key_id == self.signer.key_id

    def add(self, bundle: Bundle, retention: Retention | None = None) -> str:
        """Store a bundle; return its key."""
        key = store_keys.bundle_key(bundle.id)
        self.store.put_new(key, bundle.file, bundle.digests.sha256, retention=retention)
        return key

    def put(self, key: str, data: bytes) -> None:
        """Put bytes behind everybody's back."""
        file = self.folder / "behind"
        file.write_bytes(data)
        self.plain.put_new(key, file, digest_bytes(data).sha256)

    def kinds(self, key: str) -> list[str]:
        """What there is of a bundle: "" for itself, then its sidecars, custody apart."""
        found = (stored.key.removeprefix(key).removeprefix(".") for stored in self.plain.list(key))
        return sorted(kind for kind in found if not kind.startswith("custody-"))

    def read(self, key: str) -> bytes:
        """Return the bytes of an object."""
        with self.plain.open(key) as stream:
            return stream.read()

    @property
    def hold_desk(self) -> HoldService:
        """For placing holds here."""
        return HoldService(
            store=self.store,
            signer=self.signer,
            is_trusted=self.is_trusted,
            clock=RealClock(),
            by="somebody",
        )

    def erasure_desk(self, log: Callable[[Leaf], None] | None = None) -> ErasureService:
        """For erasing here."""
        return ErasureService(
            store=self.store,
            signer=self.signer,
            tombstones=self.tombstones,
            clock=RealClock(),
            by="somebody",
            log=log or self.logged.append,
            private=lambda bundle_id: [self.folder / f"{bundle_id}.salts"],
        )

    def replicate_to(
        self, other: "Shelf", *, dry_run: bool = False, deep: bool = False
    ) -> tuple[ReplicationResult, list[tuple[str, str]]]:
        """Replicate; return what came of it, and what was told of each bundle."""
        told: list[tuple[str, str]] = []
        service = ReplicationService(
            source=self.plain,
            source_name=self.name,
            source_place=store_id(self.name),
            source_log=LogReader(self.plain, self.log_policy),
            target=other.store,
            target_log=cast("CompareAndSwapStore", other.plain),
            quarantined=lambda: annotations.read_chain(self.plain).state().quarantined,
            trust=own_trust([self.signer.public_key], []),
            tombstones=self.tombstones,
            clock=RealClock(),
            spool_dir=self.folder / "spool",
        )
        done = replicate(
            service,
            lambda state, _, detail: told.append((state, detail)),
            dry_run=dry_run,
            deep=deep,
        )
        return done, told

    def repair_from(
        self,
        other: "Shelf",
        *,
        dry_run: bool = False,
        logged: dict[str, str] | None = None,
        records: dict[tuple[str, str], str] | None = None,
    ) -> tuple[int, int, list[tuple[str, str, str]]]:
        """Repair; return how many objects were repaired and left, and what was told."""
        told: list[tuple[str, str, str]] = []
        service = RepairService(
            target=self.store,
            source=other.plain,
            source_name=other.name,
            trust=own_trust([self.signer.public_key], []),
            tombstones=self.tombstones,
            clock=RealClock(),
            spool_dir=self.folder / "spool",
            logged=logged or {},
            records=records or {},
            source_log=LogReader(other.plain, self.log_policy),
            target_log=cast("CompareAndSwapStore", self.plain),
        )
        done = repair(
            service,
            lambda state, _, kind, detail: told.append((state, kind, detail)),
            dry_run=dry_run,
        )
        return done.repaired, done.left, told
