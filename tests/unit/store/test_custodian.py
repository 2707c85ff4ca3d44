"""A store that writes down what it does: receipts beside, events in the chain."""

import errno
import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats import custody_sidecars, layout
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.receipts import store_id
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.custody import EXPORTING, POLICY_ASSIGNMENT
from snapshotter.ports import Content, ObjectStore
from snapshotter.store import custodian
from snapshotter.store.custodian import CustodialStore
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.ledger import ReceiptFiles
from tests import bundles
from tests.bundles import RealClock

_SPAWN = multiprocessing.get_context("spawn")


class Ids:
    def bundle_id(self, at: datetime) -> str:
        raise NotImplementedError

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)


class Down(DirectoryStore):
    """Takes no custody sidecar: it went away right after the bundle came, or may only be read."""

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        if ".custody-" in key:
            raise ServiceUnavailable("the store does not answer")
        return super().put_new(key, source, sha256, retention=retention)


class Place:
    """A store with its receipts, and one sealed bundle that is not in it yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inner: ObjectStore = DirectoryStore(folder / "store")
        self.said: list[str] = []
        self.bundle = bundles.seal(folder / "spool", signer=bundles.new_signer(), clock=RealClock())
        self.id = self.bundle.id
        self.key = layout.bundle_key(self.id)

    def store(self, inner: ObjectStore | None = None, ledger: str = "receipts") -> CustodialStore:
        return CustodialStore(
            inner or self.inner,
            place=store_id("here"),
            receipts=ReceiptFiles(self.folder / ledger),
            clock=RealClock(),
            ids=Ids(),
            software="a test",
            by="somebody",
            tell=self.said.append,
        )

    def put(self, store: CustodialStore | None = None, retention: Retention | None = None) -> None:
        (store or self.store()).put_new(
            self.key, self.bundle.file, self.bundle.digests.sha256, retention=retention
        )

    def beside(self, kind: str, data: bytes = b"x") -> None:
        file = self.folder / "sidecar"
        file.write_bytes(data)
        digest = digest_bytes(data).sha256
        self.store().put_new(layout.sidecar_key(self.key, kind), file, digest)

    @property
    def events(self) -> list[tuple[str, str]]:
        found = custodian.chain(self.inner, self.id)
        assert found.problems == ()
        return [(it.event.event, it.event.object) for it in found.events if it.number]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_stored_bundle_has_a_receipt_in_two_places(place: Place) -> None:
    place.put()

    (event,) = [it for it in custodian.chain(place.inner, place.id).events if it.number]
    assert (event.event.event, event.event.object) == ("ingestion", f"{place.id}.wacz")
    assert (event.event.by, event.event.agent) == ("somebody", "a test")
    receipt = event.event.receipt
    assert receipt is not None
    assert (receipt.key, receipt.sha256) == (place.key, place.bundle.digests.sha256)
    assert receipt.length == place.bundle.digests.length
    kept = place.store().receipts.of(place.id)
    assert receipt in kept.receipts
    # The sidecar with the event has a receipt too, and no event of its own.
    assert [it.key.removeprefix(place.key) for it in kept.receipts] == ["", ".custody-0001.jsonl"]
    assert list(place.store().receipts.bundle_ids()) == [place.id]
    assert place.said == []


def test_the_same_bytes_again_leave_nothing_new(place: Place) -> None:
    place.put()
    place.put()

    assert place.events == [("ingestion", f"{place.id}.wacz")]


def test_sidecars_that_are_evidence_have_events_and_log_proofs_receipts_alone(
    place: Place,
) -> None:
    place.put()
    place.beside("late-01.tsr")
    place.beside("tlog-proof")

    assert [it[1].removeprefix(place.id) for it in place.events] == [".wacz", ".wacz.late-01.tsr"]
    keys = {it.key.removeprefix(place.key) for it in place.store().receipts.of(place.id).receipts}
    assert keys >= {"", ".late-01.tsr", ".tlog-proof"}


def test_locks_are_events_and_sidecars_share_the_lock_of_their_bundle(place: Place) -> None:
    until = Retention(until=datetime.now(UTC) + timedelta(days=1), mode="COMPLIANCE")
    place.put()
    place.store().retain(place.key, until)
    place.store().set_legal_hold(place.key, on=True)
    place.beside("late-01.tsr")

    found = custodian.chain(place.inner, place.id)
    said = [it.event.detail for it in found.events if it.event.event == POLICY_ASSIGNMENT]
    assert said[0].startswith("retention until ")
    assert said[1:] == ["legal hold on"]
    for there in place.inner.list(f"{place.key}."):
        state = place.inner.lock_state(there.key)
        number = custody_sidecars.number_of(there.key.removeprefix(f"{place.key}."))
        if number is None or number > 2:  # what was there before has its own lock set elsewhere
            assert state.retention is not None, there.key
    assert place.inner.lock_state(f"{place.key}.late-01.tsr").legal_hold


def test_an_event_that_could_not_be_written_comes_with_the_next_one(place: Place) -> None:
    place.put(place.store(Down(place.folder / "store")))
    assert len(place.said) == 1
    assert "could not be written down" in place.said[0]
    assert place.events == []

    place.beside("late-01.tsr")

    assert [it[1] for it in place.events] == [f"{place.id}.wacz", f"{place.id}.wacz.late-01.tsr"]


def test_an_event_that_stands_there_and_was_not_marked_is_not_written_twice(place: Place) -> None:
    place.put()
    file = next((place.folder / "receipts").rglob("*.jsonl"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(it for it in lines if b'"recorded"' not in it))  # the crash

    place.beside("late-01.tsr")

    assert len(place.events) == 2


def test_a_torn_line_hides_no_other_receipt(place: Place) -> None:
    place.put()
    file = next((place.folder / "receipts").rglob("*.jsonl"))
    with file.open("ab") as stream:
        stream.write(b'{"event":{"agent":"a te')

    place.beside("late-01.tsr")

    kept = place.store().receipts.of(place.id)
    assert len(kept.problems) == 1
    assert [it.key.removeprefix(place.key) for it in kept.receipts][-2:] == [
        ".late-01.tsr",
        ".custody-0002.jsonl",
    ]


def test_receipts_that_can_not_be_kept_are_told_and_the_bundle_is_stored(place: Place) -> None:
    (place.folder / "receipts").write_text("in the way")

    place.put()

    assert place.inner.head(place.key).length == place.bundle.digests.length
    assert "the receipt could not be written before the bundle was stored" in place.said[0]
    assert "could not be written down" in place.said[1]


def test_a_disk_that_fails_to_keep_the_beginning_of_a_receipt_is_named(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [OSError(errno.EIO, os.strerror(errno.EIO))]
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if failing and "receipts" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise failing.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    place.put()

    assert place.inner.head(place.key).length == place.bundle.digests.length
    assert place.said == [
        f"{place.id}: the receipt could not be written before the bundle was stored: "
        "Input/output error"
    ]


def test_the_name_of_a_new_receipt_is_brought_to_the_disk_with_its_folders(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("snapshotter.durable.sync", synced.append)
    receipts = ReceiptFiles(place.folder / "receipts")

    with receipts.opened(place.id) as file:
        file.intend(place.store().event("ingestion", place.key, ""))
        written = next((place.folder / "receipts").rglob("*.jsonl"))

    assert synced == list(written.parents)[:4]
    assert synced[-1] == place.folder / "receipts"


def test_a_store_that_can_not_be_written_to_stays_readable(place: Place) -> None:
    place.put()

    store = place.store(Down(place.folder / "store"))
    assert store.note(place.id, EXPORTING) is False
    with store.open(place.key) as stream:
        assert stream.read(2) == b"PK"
    assert len(place.said) == 1


def test_what_is_no_bundle_leaves_nothing(place: Place) -> None:
    file = place.folder / "f"
    file.write_bytes(b"x")
    place.store().put_new("log/x", file, digest_bytes(b"x").sha256)

    assert [it.key for it in place.inner.list()] == ["log/x"]
    assert not (place.folder / "receipts").exists()


def test_junk_and_a_planted_number_stop_no_event(place: Place) -> None:
    place.put()
    for kind, data in (("custody-0002.jsonl", b"junk"), ("custody-999999999.jsonl", b"{}\n")):
        file = place.folder / "junk"
        file.write_bytes(data)
        place.inner.put_new(layout.sidecar_key(place.key, kind), file, digest_bytes(data).sha256)

    assert place.store().note(place.id, EXPORTING)

    found = custodian.chain(place.inner, place.id)
    assert [it.number for it in found.events if it.number] == [1, 3]
    assert len([it for it in found.problems if "does not follow" in it]) == 0
    assert any("custody-0002" in it for it in found.problems)


def _writer(folder: str, ledger: str, bundle_id: str, count: int) -> None:
    store = CustodialStore(
        DirectoryStore(Path(folder) / "store"),
        place=store_id("here"),
        receipts=ReceiptFiles(Path(folder) / ledger),
        clock=RealClock(),
        ids=Ids(),
        software="a test",
        by=ledger,
        tell=print,
    )
    for number in range(count):
        if not store.note(bundle_id, EXPORTING, detail=str(number)):
            raise SystemExit(1)


def test_of_four_writers_none_forks_the_chain_or_loses_an_event(place: Place) -> None:
    place.put()
    # Two machines, and two processes of one machine.
    writers = [
        _SPAWN.Process(target=_writer, args=(str(place.folder), ledger, place.id, 8))
        for ledger in ("one", "two", "receipts", "receipts")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    assert [it.exitcode for it in writers] == [0] * 4
    assert len(place.events) == 1 + 4 * 8
