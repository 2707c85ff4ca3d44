"""
Wrap a store, so that each change of a bundle is recorded as a receipt and a custody event.

A put, a retention, a hold and a deletion are made in these steps:

    (1) before a put: write what is to be stored into the receipts on this machine
    (2) call the store
    (3) write the receipt with its event into the receipts on this machine
    (4) write the event to the bundle's custody chain: the next free sidecar
    (5) mark the receipt: its event is in the chain

After a crash the next change of the same bundle by this machine completes what is missing:
for (1) it checks whether the object arrived, for (3) whether the event is in the chain. A
record that cannot be written is reported and stops nothing: the object is stored, and a
read-only store stays readable.

No caller writes custody events itself. Events are written for evidence; log proofs, which
can be made again at any time, and the custody sidecars themselves have receipts only.
"""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import container, custody, custody_sidecars, names, store_keys
from snapshotter.formats.bundle.custody_sidecars import Chain, ChainHead
from snapshotter.formats.digest import digest, digest_bytes
from snapshotter.model.bundle import LockState, ObjectVersion, Retention, StoredObject
from snapshotter.model.custody import (
    DELETION,
    INGESTION,
    POLICY_ASSIGNMENT,
    RECOVERY,
    SUCCESS,
    CustodyEvent,
    receipt_of,
)
from snapshotter.ports import Clock, Content, IdSource, ObjectStore, ReadableStore, ShowMessage
from snapshotter.store import upload_content
from snapshotter.store.receipt_files import ReceiptFile, ReceiptFiles
from snapshotter.translation import tr

_TRIES = 50  # each is lost to a writer that got its own event in
_SILENT_ENDS = (".tlog-proof",)


class CustodialStore:
    """
    An `ObjectStore` that wraps another one and records custody (`ports.CustodyStore`).

    Args:
        receipts_name: The name of the store in receipts.
        receipts: The receipts of this machine.
        software: The agent of every event, with its version.
        by: The acting person, as configured.
        show_message: Called with a sentence for each record that could not be written.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        receipts_name: str,
        receipts: ReceiptFiles,
        clock: Clock,
        ids: IdSource,
        software: str,
        by: str,
        show_message: ShowMessage,
    ) -> None:
        self._store = store
        self._receipts_name = receipts_name
        self._receipts = receipts
        self._clock = clock
        self._ids = ids
        self._software = software
        self._by = by
        self._show_message = show_message

    @property
    def url(self) -> str:
        """See `ObjectStore.url`."""
        return self._store.url

    @property
    def receipts(self) -> ReceiptFiles:
        """The receipts of this machine."""
        return self._receipts

    @property
    def receipts_name(self) -> str:
        """The name of this store in receipts."""
        return self._receipts_name

    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        """See `ObjectStore.put_new`. A sidecar gets at least the lock of its bundle."""
        return self.put_for_event(INGESTION, "", key, source, sha256, retention=retention)

    def put_for_event(
        self,
        event: str,
        detail: str,
        key: str,
        source: Content,
        sha256: str,
        *,
        retention: Retention | None = None,
        before: Sequence[CustodyEvent] = (),
    ) -> StoredObject:
        """
        See `CustodyStore.put_for_event`.

        Args:
            before: Earlier events, to be written in the same append.
        """
        bundle = _bundle_of(key)
        if bundle is None:
            return self._store.put_new(key, source, sha256, retention=retention)
        legal_hold = False
        if bundle.kind and retention is None:
            retention, legal_hold = self._lock_of(bundle.bundle_id)
        silent = _is_silent(bundle.kind)
        begun = self.event("" if silent else event, key.rpartition("/")[2], detail)
        if not silent:
            expected = StoredObject(key=key, length=upload_content.length(source), sha256=sha256)
            self._intend(bundle.bundle_id, self._with_receipt(begun, expected, sha256))
        stored = self._store.put_new(key, source, sha256, retention=retention)
        if legal_hold:
            self._store.set_legal_hold(key, on=True)
            stored = self._store.head(key)
        self._note(bundle.bundle_id, self._with_receipt(begun, stored, sha256), before)
        return stored

    def head(self, key: str) -> StoredObject:
        """See `ObjectStore.head`."""
        return self._store.head(key)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`. Reading is recorded by `note`."""
        return self._store.open(key)

    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        return self._store.list(prefix, reverse=reverse)

    def versions(self, key: str) -> tuple[ObjectVersion, ...]:
        """See `ObjectStore.versions`."""
        return self._store.versions(key)

    def remains(self, prefix: str) -> frozenset[str]:
        """See `ObjectStore.remains`."""
        return self._store.remains(prefix)

    def lock_state(self, key: str, version: str = "") -> LockState:
        """See `ObjectStore.lock_state`."""
        return self._store.lock_state(key, version)

    def retain(self, key: str, retention: Retention) -> LockState:
        """See `ObjectStore.retain`."""
        state = self._store.retain(key, retention)
        kept = state.retention or retention
        self._noted_lock(key, f"retention until {kept.second:%Y-%m-%dT%H:%M:%SZ} ({kept.mode})")
        return state

    def set_legal_hold(self, key: str, on: bool) -> LockState:
        """See `ObjectStore.set_legal_hold`."""
        state = self._store.set_legal_hold(key, on)
        self._noted_lock(key, f"legal hold {'on' if state.legal_hold else 'off'}")
        return state

    def set_aside(self, key: str) -> None:
        """See `ObjectStore.set_aside`. The event of its replacement states why."""
        self._store.set_aside(key)

    def delete(self, key: str, *, now: datetime) -> int:
        """See `ObjectStore.delete`."""
        count = self._store.delete(key, now=now)
        bundle = _bundle_of(key)
        if count and bundle is not None and not _is_silent(bundle.kind):
            self.note(
                bundle.bundle_id, DELETION, key.rpartition("/")[2], f"{count} versions removed"
            )
        return count

    def remove(self, key: str, *, now: datetime) -> int:
        """Delete as `delete` does, without an event: the caller records one for all."""
        return self._store.delete(key, now=now)

    def record_digest(self, key: str, sha256: str, length: int) -> None:
        """
        Record which bytes belong under a key before they are put there.

        A repair that crashed finds them here. Raises OSError.
        """
        bundle = store_keys.parse_bundle_key(key)
        expected = StoredObject(key=key, length=length, sha256=sha256)
        with self._receipts.opened(bundle.bundle_id) as file:
            file.add(self._receipt("", "", key, expected, sha256))

    def note(
        self,
        bundle_id: str,
        event: str,
        about: str = "",
        detail: str = "",
        outcome: str = SUCCESS,
    ) -> bool:
        """
        Write an event to the chain of a bundle; return whether that succeeded.

        Args:
            about: The object of the event; the bundle itself if empty.
        """
        return self.note_all(
            bundle_id, (self.event(event, about or _name(bundle_id), detail, outcome),)
        )

    def note_all(self, bundle_id: str, events: Sequence[CustodyEvent]) -> bool:
        """Write events, in this order, as one append."""
        self.complete(bundle_id)
        try:
            self.append(bundle_id, events)
        except (SnapshotterError, OSError) as error:
            self._complain(bundle_id, events[0], error)
            return False
        return True

    def event(
        self,
        event: str,
        about: str,
        detail: str = "",
        outcome: str = SUCCESS,
        *,
        at: datetime | None = None,
    ) -> CustodyEvent:
        """See `CustodyStore.event`; the result is for `note_all`."""
        return CustodyEvent(
            at=at or self._clock.now(),
            event=event,
            agent=self._software,
            object=about,
            outcome=outcome,
            detail=detail,
            by=self._by,
            event_id=self._ids.random_bytes(16).hex(),
        )

    def complete(self, bundle_id: str) -> None:
        """Write the events that an earlier run of this machine could not write."""
        if not self._receipts.is_behind(bundle_id):
            return
        try:
            with self._receipts.opened(bundle_id) as file:
                for begun in file.intended:
                    self._settle(file, begun)
                self._record(bundle_id, file, ())
        except (SnapshotterError, OSError) as error:
            self._show_message(
                f"{bundle_id}: the custody chain could not be completed: {_words(error)}"
            )

    def _settle(self, file: ReceiptFile, begun: CustodyEvent) -> None:
        """Add the receipt to an event that was begun, if the object arrived."""
        receipt = begun.receipt
        if receipt is None:
            return
        try:
            stored = self._store.head(receipt.key)
            if stored.length != receipt.length:
                return  # another one stands there
            with self._store.open(receipt.key) as stream:
                sha256 = digest(stream, limit=receipt.length).sha256
        except FileNotFoundError:
            return  # it never came, or is on its way at this moment
        noted = self._with_receipt(begun, stored, receipt.sha256)
        if sha256 == receipt.sha256 and (
            begun.event == RECOVERY or not _says_the_same(_last_of(receipt.key, file.events), noted)
        ):
            file.add(noted)

    def append(self, bundle_id: str, events: Sequence[CustodyEvent]) -> ChainHead:
        """
        Append events to the chain of a bundle; return its new head.

        Raises:
            ServiceUnavailable: The store did not answer, or other writers were faster every time.
            SnapshotterError: The store refused.
            OSError: The receipt cannot be written; the events are in the chain.
        """
        head, receipt = self._append(bundle_id, events)
        with self._receipts.opened(bundle_id) as file:
            file.add(receipt)
        return head

    def _append(
        self, bundle_id: str, events: Sequence[CustodyEvent]
    ) -> tuple[ChainHead, CustodyEvent]:
        """Append, and return the receipt of the sidecar too."""
        retention, legal_hold = self._lock_of(bundle_id)
        for _ in range(_TRIES):
            data, head = custody_sidecars.encode(events, self._chain_head(bundle_id))
            key = store_keys.sidecar_key(
                store_keys.bundle_key(bundle_id), custody_sidecars.kind(head.number)
            )
            sha256 = digest_bytes(data).sha256
            with contextlib.suppress(FileExistsError):
                stored = self._store.put_new(key, data, sha256, retention=retention)
                if legal_hold:
                    self._store.set_legal_hold(key, on=True)
                    stored = self._store.head(key)
                return head, self._receipt("", "", key, stored, sha256)
        raise ServiceUnavailable(
            tr(
                "the custody chain of {bundle_id} could not be extended, because other "
                "processes extend the chain at the same time",
                bundle_id=bundle_id,
            ),
            hint=tr("try again"),
        )

    def _chain_head(self, bundle_id: str) -> ChainHead:
        key = store_keys.bundle_key(bundle_id)
        number = custody_sidecars.last_number(list_sidecar_numbers(self._store, key))
        if not number:
            return self._head_inside(key)
        # Back to the last sidecar that is one, for the count; then forth again over junk.
        junk: list[tuple[int, bytes]] = []
        while number:
            with contextlib.suppress(FileNotFoundError):
                data = read_sidecar(self._store, key, number)
                junk.append((number, data))
                if custody_sidecars.is_readable(data):
                    break
            number -= 1
        head = None if number else self._head_inside(key)
        for at, data in reversed(junk):
            head = custody_sidecars.head_after(data, at, head)
        return head or ChainHead()

    def _head_inside(self, key: str) -> ChainHead:
        try:
            return custody_sidecars.head_inside(read_chain_in_bundle(self._store, key))
        except FileNotFoundError:
            return ChainHead()  # of a bundle that is gone

    def _lock_of(self, bundle_id: str) -> tuple[Retention | None, bool]:
        """Return the lock of a bundle, which its sidecars share."""
        try:
            there = self._store.head(store_keys.bundle_key(bundle_id))
        except FileNotFoundError:
            return None, False
        kept = there.retention
        still = kept is not None and kept.until > self._clock.now()
        return kept if still else None, there.legal_hold

    def _noted_lock(self, key: str, detail: str) -> None:
        bundle = _bundle_of(key)
        if bundle is None:
            return
        kept = self._receipts.of(bundle.bundle_id).receipts
        known = [
            receipt.sha256
            for receipt in kept
            if receipt.key == key and receipt.store == self._receipts_name
        ]
        if not known:
            if not bundle.kind:
                self.note(bundle.bundle_id, POLICY_ASSIGNMENT, "", detail)
            return
        event = "" if bundle.kind else POLICY_ASSIGNMENT  # one event for the bundle says it
        noted = self._receipt(event, detail, key, self._store.head(key), known[-1])
        self._note(bundle.bundle_id, noted)

    def _intend(self, bundle_id: str, begun: CustodyEvent) -> None:
        # The bundle comes first: a receipt that cannot be written does not stop the put.
        try:
            with self._receipts.opened(bundle_id) as file:
                file.record_intent(begun)
        except OSError as error:
            self._show_message(
                f"{bundle_id}: the receipt could not be written before the bundle was stored: "
                f"{_words(error)}"
            )

    def _note(
        self, bundle_id: str, noted: CustodyEvent, before: Sequence[CustodyEvent] = ()
    ) -> None:
        """Write a receipt and the event that it belongs to."""
        fresh = (*before, noted)
        key = noted.receipt.key if noted.receipt else ""
        try:
            with self._receipts.opened(bundle_id) as file:
                known = _last_of(key, file.events)
                if noted.event == RECOVERY or not _says_the_same(known, noted):
                    for event in fresh:
                        file.add(event)
                self._record(bundle_id, file, {event.event_id for event in fresh})
        except (SnapshotterError, OSError) as error:
            self._complain(bundle_id, noted, error)

    def _record(self, bundle_id: str, file: ReceiptFile, fresh: Collection[str]) -> None:
        """Write to the chain the events that only the receipts have."""
        if any(event.event_id not in fresh for event in file.unrecorded):
            # Of an earlier run, which ended before it could say whether they got there.
            there = {link.event.event_id for link in read_chain(self._store, bundle_id).events}
            for event in file.unrecorded:
                if event.event_id in there:
                    file.recorded(event.event_id)
        waiting = file.unrecorded
        if waiting:
            _, receipt = self._append(bundle_id, waiting)
            for event in waiting:
                file.recorded(event.event_id)
            file.add(receipt)

    def _receipt(
        self, event: str, detail: str, key: str, stored: StoredObject, sha256: str
    ) -> CustodyEvent:
        begun = self.event(event, key.rpartition("/")[2], detail)
        return self._with_receipt(begun, stored, sha256)

    def _with_receipt(self, event: CustodyEvent, stored: StoredObject, sha256: str) -> CustodyEvent:
        """Return an event of this moment with the store's answer."""
        receipt = receipt_of(stored, sha256, self._receipts_name, self._clock.now())
        return replace(event, at=receipt.at, receipt=receipt)

    def _complain(self, bundle_id: str, event: CustodyEvent, error: Exception) -> None:
        what = event.event or "the receipt"
        self._show_message(f"{bundle_id}: {what} could not be recorded: {_words(error)}")


def read_chain(
    store: ReadableStore, bundle_id: str, numbers: Collection[int] | None = None
) -> Chain:
    """
    Return the whole custody chain of a bundle, after checking its links.

    Args:
        numbers: Of its sidecars, if they are known from a listing.

    Raises:
        ValueError: Not a bundle's id.
        SnapshotterError: The store does not answer, or refuses.
    """
    key = store_keys.bundle_key(bundle_id)
    inside: bytes | None
    broken = ""
    try:
        inside = read_chain_in_bundle(store, key)
    except FileNotFoundError:
        inside = None
    except EvidenceInvalid as error:
        inside, broken = None, f"the custody chain in the bundle cannot be read: {error}"
    sidecars = custody_sidecars.read_within_limits(
        list_sidecar_numbers(store, key) if numbers is None else numbers,
        partial(read_sidecar, store, key),
    )
    found = custody_sidecars.check(inside, sidecars)
    if not broken:
        return found
    return Chain(events=found.events, problems=(broken, *found.problems), head=found.head)


def list_sidecar_numbers(store: ReadableStore, key: str) -> list[int]:
    """Return the numbers of the custody sidecars of the bundle at `key`, in order."""
    kinds = (
        store_keys.parse_bundle_key(stored.key).kind for stored in store.list(f"{key}.custody-")
    )
    return sorted(number for number in map(custody_sidecars.number_of, kinds) if number is not None)


def read_sidecar(store: ReadableStore, key: str, number: int) -> bytes:
    """Return a sidecar; one that is too long is cut, and is then invalid."""
    with store.open(store_keys.sidecar_key(key, custody_sidecars.kind(number))) as stream:
        return stream.read(custody_sidecars.MAX_BYTES + 1)


def read_chain_in_bundle(store: ReadableStore, key: str) -> bytes:
    """
    Return the chain inside the bundle at `key`.

    Raises:
        FileNotFoundError: There is no such bundle.
        EvidenceInvalid: The object is no bundle, or has no chain.
    """
    with store.open(key) as stream:
        for member in container.read_directory(stream):
            if member.name == names.CUSTODY and member.length <= custody.MAX_BYTES:
                stream.seek(member.data_offset)
                return container.exactly(stream, member.length)
    raise EvidenceInvalid(tr("{key} has no {custody}", key=key, custody=names.CUSTODY))


def _words(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _last_of(key: str, events: Sequence[CustodyEvent]) -> CustodyEvent | None:
    """Return the last event with a receipt for a key."""
    return next(
        (event for event in reversed(events) if event.receipt and event.receipt.key == key), None
    )


def _says_the_same(known: CustodyEvent | None, new: CustodyEvent) -> bool:
    return (
        known is not None
        and known.receipt is not None
        and new.receipt is not None
        and known.receipt.same_answer(new.receipt)
    )


def _bundle_of(key: str) -> store_keys.BundleKey | None:
    try:
        return store_keys.parse_bundle_key(key)
    except ValueError:
        return None


def _is_silent(kind: str) -> bool:
    return custody_sidecars.number_of(kind) is not None or f".{kind}".endswith(_SILENT_ENDS)


def _name(bundle_id: str) -> str:
    return f"{bundle_id}{store_keys.SUFFIX}"
