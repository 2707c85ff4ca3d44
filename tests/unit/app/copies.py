"""Stores with custody, and sealed bundles, for what is done between stores."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from snapshotter.app.erasure import ErasureDesk
from snapshotter.app.graves import Graves
from snapshotter.app.holds import HoldDesk
from snapshotter.app.repair import RepairDesk, repair
from snapshotter.app.replication import Replicated, ReplicationDesk, replicate
from snapshotter.formats import layout
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.leaf import Leaf
from snapshotter.formats.note import LogPolicy
from snapshotter.formats.receipts import store_id
from snapshotter.model.bundle import Bundle, Retention
from snapshotter.ports import ObjectStore, SwapStore
from snapshotter.seal.signer import FileSigner
from snapshotter.store.custodian import CustodialStore
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.ledger import ReceiptFiles
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
            place=store_id(self.name),
            receipts=ReceiptFiles(self.folder / "receipts" / self.name),
            clock=RealClock(),
            ids=RandomIds(),
            software="a test",
            by="somebody",
            tell=self.said.append,
        )

    @property
    def graves(self) -> Graves:
        """What is known of erasures, of this machine."""
        return Graves(folder=self.folder / "tombstones", is_trusted=self.is_trusted)

    def is_trusted(self, key_id: str) -> bool:
        """Only our own key counts."""
        return key_id == self.signer.key_id

    def add(self, bundle: Bundle, retention: Retention | None = None) -> str:
        """Store a bundle; return its key."""
        key = layout.bundle_key(bundle.id)
        self.store.put_new(key, bundle.file, bundle.digests.sha256, retention=retention)
        return key

    def put(self, key: str, data: bytes) -> None:
        """Put bytes behind everybody's back."""
        file = self.folder / "behind"
        file.write_bytes(data)
        self.plain.put_new(key, file, digest_bytes(data).sha256)

    def kinds(self, key: str) -> list[str]:
        """What there is of a bundle: "" for itself, then its sidecars, custody apart."""
        found = (it.key.removeprefix(key).removeprefix(".") for it in self.plain.list(key))
        return sorted(it for it in found if not it.startswith("custody-"))

    def read(self, key: str) -> bytes:
        """Return the bytes of an object."""
        with self.plain.open(key) as stream:
            return stream.read()

    @property
    def hold_desk(self) -> HoldDesk:
        """For placing holds here."""
        return HoldDesk(
            store=self.store,
            signer=self.signer,
            is_trusted=self.is_trusted,
            clock=RealClock(),
            by="somebody",
        )

    def erasure_desk(self, log: Callable[[Leaf], None] | None = None) -> ErasureDesk:
        """For erasing here."""
        return ErasureDesk(
            store=self.store,
            signer=self.signer,
            graves=self.graves,
            clock=RealClock(),
            by="somebody",
            log=log or self.logged.append,
            private=lambda bundle_id: [self.folder / f"{bundle_id}.salts"],
        )

    def replicate_to(
        self, other: "Shelf", *, dry_run: bool = False, deep: bool = False
    ) -> tuple[Replicated, list[tuple[str, str]]]:
        """Replicate; return what came of it, and what was told of each bundle."""
        told: list[tuple[str, str]] = []
        desk = ReplicationDesk(
            source=self.plain,
            source_name=self.name,
            source_place=store_id(self.name),
            source_log=LogReader(self.plain, self.log_policy),
            target=other.store,
            target_log=cast("SwapStore", other.plain),
            trust=own_trust([self.signer.public_key], []),
            graves=self.graves,
            clock=RealClock(),
            spool_dir=self.folder / "spool",
        )
        done = replicate(
            desk,
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
        desk = RepairDesk(
            target=self.store,
            source=other.plain,
            source_name=other.name,
            trust=own_trust([self.signer.public_key], []),
            graves=self.graves,
            clock=RealClock(),
            spool_dir=self.folder / "spool",
            logged=logged or {},
            records=records or {},
            source_log=LogReader(other.plain, self.log_policy),
            target_log=cast("SwapStore", self.plain),
        )
        done = repair(
            desk,
            lambda state, _, kind, detail: told.append((state, kind, detail)),
            dry_run=dry_run,
        )
        return done.repaired, done.left, told
