"""
Read the tombstones of bundles that were erased by order, and keep copies of them.

A tombstone in a store is valid if a key that is trusted here signed it. A tombstone by another key
is neither accepted nor ignored: nothing is stored under that id until a person has examined
it. This machine keeps a copy of every tombstone that it wrote or accepted, so that the bundle
does not come back when somebody removes its tombstone from the store.
"""

import contextlib
from collections.abc import Callable, Collection
from pathlib import Path

from snapshotter.app import private_files
from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, PolicyRefused
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.signatures.signed_statement import MAX_BYTES
from snapshotter.formats.statements import tombstone
from snapshotter.formats.statements.tombstone import Tombstone
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstones:
    """
    The tombstones that are valid here, in stores and in a folder of this machine.

    Args:
        folder: Holds a copy of each tombstone that was seen.
        is_trusted: Whether a key of this id may erase.
    """

    folder: Path
    is_trusted: Callable[[str], bool]

    def of(self, store: ReadableStore, bundle_id: str) -> Tombstone | None:
        """
        Return the tombstone of a bundle from a store, or this machine's copy of it.

        Raises:
            EvidenceUnverifiable: The object there may be a tombstone or a forgery.
            SnapshotterError: The store does not answer.
        """
        key = store_keys.sidecar_key(store_keys.bundle_key(bundle_id), tombstone.KIND)
        try:
            with store.open(key) as stream:
                data = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return self.remembered(bundle_id)
        try:
            found = tombstone.parse(data, bundle_id)
        except EvidenceInvalid as error:
            known = self.remembered(bundle_id)
            if known is not None:
                return known
            raise EvidenceUnverifiable(
                tr(
                    "{key} in {url} is not a valid tombstone: {error}",
                    key=key,
                    url=store.url,
                    error=error,
                ),
                hint=tr(
                    "check which users have write access to this store, then remove the object"
                ),
            ) from error
        if not self.is_trusted(found.key_id):
            raise EvidenceUnverifiable(
                tr(
                    "{bundle_id} has a tombstone in {url} that is signed by the key "
                    "{key_id}, which is not trusted",
                    bundle_id=bundle_id,
                    url=store.url,
                    key_id=found.key_id,
                ),
                hint=tr("add the key to the trust file, or remove the tombstone if it is forged"),
            )
        with contextlib.suppress(
            OSError
        ):  # the copy is optional: the tombstone in the store counts
            self.remember(bundle_id, data)
        return found

    def listed(
        self, store: ReadableStore, bundle_id: str, kinds: Collection[str]
    ) -> Tombstone | None:
        """Return the tombstone as `of` does; read the store only if its listing names one."""
        if tombstone.KIND in kinds:
            return self.of(store, bundle_id)
        return self.remembered(bundle_id)

    def remembered(self, bundle_id: str) -> Tombstone | None:
        """Return this machine's copy of a tombstone."""
        try:
            return tombstone.parse(self._file(bundle_id).read_bytes(), bundle_id)
        except FileNotFoundError:
            return None
        except (OSError, EvidenceInvalid) as error:
            raise EvidenceUnverifiable(
                tr(
                    "the record of an erasure on this machine cannot be read: {file}",
                    file=self._file(bundle_id),
                ),
                hint=tr("compare the file with the tombstone in the store"),
            ) from error

    def remember(self, bundle_id: str, data: bytes) -> None:
        """Keep a copy of a tombstone. Raises SnapshotterError."""
        file = self._file(bundle_id)
        if not file.exists():
            private_files.write_private(file, data)

    def refuse(self, store: ReadableStore, bundle_id: str) -> None:
        """
        Return if the bundle was not erased.

        Raises:
            PolicyRefused: The bundle was erased, and stays erased.
            EvidenceUnverifiable: That cannot be established.
        """
        found = self.of(store, bundle_id)
        if found is not None:
            raise PolicyRefused(
                tr(
                    "{bundle_id} was erased on {at:%Y-%m-%d} by {by}: {order}",
                    bundle_id=bundle_id,
                    at=found.at,
                    by=found.by,
                    order=found.order,
                ),
                hint=tr("a bundle that was erased by order cannot be stored again"),
            )

    def _file(self, bundle_id: str) -> Path:
        store_keys.bundle_time(bundle_id)  # a name that is safe as a file's
        return self.folder / f"{bundle_id}.json"
