"""A store that writes down what it does: receipts beside, events in the chain."""

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.bundle.receipts import store_id
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.custody import EXPORTING, POLICY_ASSIGNMENT
from snapshotter.ports import Content, ObjectStore
from snapshotter.store import custodial_store
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.receipt_files import ReceiptFiles
from tests import bundles
from tests.apart import APART
from tests.bundles import RealClock


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
        self.key = store_keys.bundle_key(self.id)

    def store(self, inner: ObjectStore | None = None, ledger: str = "receipts") -> CustodialStore:
        return CustodialStore(
            inner or self.inner,
            receipts_name=store_id("here"),
            receipts=ReceiptFiles(self.folder / ledger),
            clock=RealClock(),
            ids=Ids(),
            software="a test",
            by="somebody",
            show_message=self.said.append,
        )

    def put(self, store: CustodialStore | None = None, retention: Retention | None = None) -> None:
        (store or self.store()).put_new(
            self.key, self.bundle.file, self.bundle.digests.sha256, retention=retention
        )

    def beside(self, kind: str, data: bytes = b"x") -> None:
        file = self.folder / "sidecar"
        file.write_bytes(data)
        digest = digest_bytes(data).sha256
        self.store().put_new(store_keys.sidecar_key(self.key, kind), file, digest)

    @property
    def events(self) -> list[tuple[str, str]]:
        found = custodial_store.read_chain(self.inner, self.id)
        assert found.problems == ()
        return [(link.event.event, link.event.object) for link in found.events if link.number]


@pytest.fixture
def receipts_name(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_stored_bundle_has_a_receipt_in_two_places(receipts_name: Place) -> None:
    receipts_name.put()

    (event,) = [
        link
        for link in custodial_store.read_chain(receipts_name.inner, receipts_name.id).events
        if link.number
    ]
    assert (event.event.event, event.event.object) == ("ingestion", f"{receipts_name.id}.wacz")
    assert (event.event.by, event.event.agent) == ("somebody", "a test")
    receipt = event.event.receipt
    assert receipt is not None
    assert (receipt.key, receipt.sha256) == (receipts_name.key, receipts_name.bundle.digests.sha256)
    assert receipt.length == receipts_name.bundle.digests.length
    kept = receipts_name.store().receipts.of(receipts_name.id)
    assert receipt in kept.receipts
    # The sidecar with the event has a receipt too, and no event of its own.
    assert [receipt.key.removeprefix(receipts_name.key) for receipt in kept.receipts] == [
        "",
        ".custody-0001.jsonl",
    ]
    assert list(receipts_name.store().receipts.bundle_ids()) == [receipts_name.id]
    assert receipts_name.said == []


def test_the_same_bytes_again_leave_nothing_new(receipts_name: Place) -> None:
    receipts_name.put()
    receipts_name.put()

    assert receipts_name.events == [("ingestion", f"{receipts_name.id}.wacz")]


def test_sidecars_that_are_evidence_have_events_and_log_proofs_receipts_alone(
    receipts_name: Place,
) -> None:
    receipts_name.put()
    receipts_name.beside("late-01.tsr")
    receipts_name.beside("tlog-proof")

    assert [event[1].removeprefix(receipts_name.id) for event in receipts_name.events] == [
        ".wacz",
        ".wacz.late-01.tsr",
    ]
    keys = {
        receipt.key.removeprefix(receipts_name.key)
        for receipt in receipts_name.store().receipts.of(receipts_name.id).receipts
    }
    assert keys >= {"", ".late-01.tsr", ".tlog-proof"}


def test_locks_are_events_and_sidecars_share_the_lock_of_their_bundle(receipts_name: Place) -> None:
    until = Retention(until=datetime.now(UTC) + timedelta(days=1), mode="COMPLIANCE")
    receipts_name.put()
    receipts_name.store().retain(receipts_name.key, until)
    receipts_name.store().set_legal_hold(receipts_name.key, on=True)
    receipts_name.beside("late-01.tsr")

    found = custodial_store.read_chain(receipts_name.inner, receipts_name.id)
    said = [link.event.detail for link in found.events if link.event.event == POLICY_ASSIGNMENT]
    assert said[0].startswith("retention until ")
    assert said[1:] == ["legal hold on"]
    for there in receipts_name.inner.list(f"{receipts_name.key}."):
        state = receipts_name.inner.lock_state(there.key)
        number = custody_sidecars.number_of(there.key.removeprefix(f"{receipts_name.key}."))
        if number is None or number > 2:  # what was there before has its own lock set elsewhere
            assert state.retention is not None, there.key
    assert receipts_name.inner.lock_state(f"{receipts_name.key}.late-01.tsr").legal_hold


def test_an_event_that_could_not_be_written_comes_with_the_next_one(receipts_name: Place) -> None:
    receipts_name.put(receipts_name.store(Down(receipts_name.folder / "store")))
    assert len(receipts_name.said) == 1
    assert "could not be recorded" in receipts_name.said[0]
    assert receipts_name.events == []

    receipts_name.beside("late-01.tsr")

    assert [event[1] for event in receipts_name.events] == [
        f"{receipts_name.id}.wacz",
        f"{receipts_name.id}.wacz.late-01.tsr",
    ]


def test_an_event_that_stands_there_and_was_not_marked_is_not_written_twice(
    receipts_name: Place,
) -> None:
    receipts_name.put()
    file = next((receipts_name.folder / "receipts").rglob("*.jsonl"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(line for line in lines if b'"recorded"' not in line))  # the crash

    receipts_name.beside("late-01.tsr")

    assert len(receipts_name.events) == 2


def test_a_torn_line_hides_no_other_receipt(receipts_name: Place) -> None:
    receipts_name.put()
    file = next((receipts_name.folder / "receipts").rglob("*.jsonl"))
    with file.open("ab") as stream:
        stream.write(b'{"event":{"agent":"a te')

    receipts_name.beside("late-01.tsr")

    kept = receipts_name.store().receipts.of(receipts_name.id)
    assert len(kept.problems) == 1
    assert [receipt.key.removeprefix(receipts_name.key) for receipt in kept.receipts][-2:] == [
        ".late-01.tsr",
        ".custody-0002.jsonl",
    ]


def test_receipts_that_can_not_be_kept_are_told_and_the_bundle_is_stored(
    receipts_name: Place,
) -> None:
    (receipts_name.folder / "receipts").write_text("in the way")

    receipts_name.put()

    assert receipts_name.inner.head(receipts_name.key).length == receipts_name.bundle.digests.length
    assert "the receipt could not be written before the bundle was stored" in receipts_name.said[0]
    assert "could not be recorded" in receipts_name.said[1]


def test_a_disk_that_fails_to_keep_the_beginning_of_a_receipt_is_named(
    receipts_name: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [OSError(errno.EIO, os.strerror(errno.EIO))]
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if failing and "receipts" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise failing.pop()
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    receipts_name.put()

    assert receipts_name.inner.head(receipts_name.key).length == receipts_name.bundle.digests.length
    assert receipts_name.said == [
        f"{receipts_name.id}: the receipt could not be written before the bundle was stored: "
        "Input/output error"
    ]


def test_the_name_of_a_new_receipt_is_brought_to_the_disk_with_its_folders(
    receipts_name: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr("snapshotter.durable.sync", synced.append)
    receipts = ReceiptFiles(receipts_name.folder / "receipts")

    with receipts.opened(receipts_name.id) as file:
        file.record_intent(receipts_name.store().event("ingestion", receipts_name.key, ""))
        written = next((receipts_name.folder / "receipts").rglob("*.jsonl"))

    assert synced == list(written.parents)[:4]
    assert synced[-1] == receipts_name.folder / "receipts"


def test_a_store_that_can_not_be_written_to_stays_readable(receipts_name: Place) -> None:
    receipts_name.put()

    store = receipts_name.store(Down(receipts_name.folder / "store"))
    assert store.note(receipts_name.id, EXPORTING) is False
    with store.open(receipts_name.key) as stream:
        assert stream.read(2) == b"PK"
    assert len(receipts_name.said) == 1


def test_what_is_no_bundle_leaves_nothing(receipts_name: Place) -> None:
    file = receipts_name.folder / "f"
    file.write_bytes(b"x")
    receipts_name.store().put_new("log/x", file, digest_bytes(b"x").sha256)

    assert [stored.key for stored in receipts_name.inner.list()] == ["log/x"]
    assert not (receipts_name.folder / "receipts").exists()


def test_junk_and_a_planted_number_stop_no_event(receipts_name: Place) -> None:
    receipts_name.put()
    for kind, data in (("custody-0002.jsonl", b"junk"), ("custody-999999999.jsonl", b"{}\n")):
        file = receipts_name.folder / "junk"
        file.write_bytes(data)
        receipts_name.inner.put_new(
            store_keys.sidecar_key(receipts_name.key, kind), file, digest_bytes(data).sha256
        )

    assert receipts_name.store().note(receipts_name.id, EXPORTING)

    found = custodial_store.read_chain(receipts_name.inner, receipts_name.id)
    assert [link.number for link in found.events if link.number] == [1, 3]
    assert len([problem for problem in found.problems if "does not follow" in problem]) == 0
    assert any("custody-0002" in problem for problem in found.problems)


def _writer(folder: str, ledger: str, bundle_id: str, count: int) -> None:
    store = CustodialStore(
        DirectoryStore(Path(folder) / "store"),
        receipts_name=store_id("here"),
        receipts=ReceiptFiles(Path(folder) / ledger),
        clock=RealClock(),
        ids=Ids(),
        software="a test",
        by=ledger,
        show_message=print,
    )
    for number in range(count):
        if not store.note(bundle_id, EXPORTING, detail=str(number)):
            raise SystemExit(1)


def test_of_four_writers_none_forks_the_chain_or_loses_an_event(receipts_name: Place) -> None:
    receipts_name.put()
    # Two machines, and two processes of one machine.
    writers = [
        APART.Process(target=_writer, args=(str(receipts_name.folder), ledger, receipts_name.id, 8))
        for ledger in ("one", "two", "receipts", "receipts")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)

    assert [process.exitcode for process in writers] == [0] * 4
    assert len(receipts_name.events) == 1 + 4 * 8
