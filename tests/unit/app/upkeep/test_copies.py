"""Replication and repair: everything that belongs goes over, and no stranger does."""

import base64
import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.upkeep import erasure, holds, sidecar_checks
from snapshotter.errors import EvidenceUnverifiable, PolicyRefused
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs import leaf, merkle, renewal, tlog_proof
from snapshotter.formats.statements import holds as hold_records
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import Bundle, LockState, Retention, StoredObject
from snapshotter.ports import Content
from snapshotter.store import custodial_store
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles
from tests.bundles import flipped
from tests.unit.app.upkeep.copies import Shelf, sealed

pytestmark = pytest.mark.usefixtures("without_fsync")

SIGNER = bundles.new_signer()
STRANGER = bundles.new_signer()


class Pair:
    """Two stores of one machine; the first holds two bundles."""

    def __init__(self, folder: Path, made: list[Bundle]) -> None:
        self.one = Shelf(folder=folder, name="one", signer=SIGNER)
        self.two = Shelf(folder=folder, name="two", signer=SIGNER)
        self.made = made
        folder.mkdir(exist_ok=True)
        self.keys = [self.one.add(bundle) for bundle in self.made]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    return sealed(tmp_path_factory.mktemp("sealed"), SIGNER, 2)


@pytest.fixture
def pair(tmp_path: Path, made: list[Bundle]) -> Pair:
    return Pair(tmp_path, made)


def proof_of(bundle: Bundle) -> bytes:
    """Return the proof of a log of two entries, signed by nobody that anybody knows."""
    entry = leaf.Leaf(kind=leaf.BUNDLE, name=bundle.id, sha256=bundle.digests.sha256)
    other = merkle.leaf_hash(b"another")
    root = merkle.node_hash(entry.hash(), other)
    text = f"log.example\n2\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(b"abcd" + b"\0" * 64).decode()
    note = f"{text}\n\u2014 log.example {signature}\n".encode()
    return tlog_proof.TlogProof(index=0, hashes=(other,), checkpoint=note).encode()


# --- replication -----------------------------------------------------------------------------


def test_a_copy_has_the_bundles_with_all_that_belongs_to_them(pair: Pair) -> None:
    key = pair.keys[0]
    until = Retention(until=datetime.now(UTC) + timedelta(days=1), mode="COMPLIANCE")
    pair.one.store.retain(key, until)
    pair.one.put(f"{key}.tlog-proof", proof_of(pair.made[0]))
    holds.place(pair.one.hold_desk, pair.made[0].id, name="a", matter="m", reason="r")

    done, told = pair.one.replicate_to(pair.two)

    assert (done.copied, done.present, done.problems, done.lagging) == (2, 0, 0, [])
    assert [report[0] for report in told] == ["copied", "copied"]
    for other in pair.keys:
        assert pair.two.read(other) == pair.one.read(other)
    assert pair.two.kinds(key) == ["", "hold-0001.json", "tlog-proof"]
    state = pair.two.plain.lock_state(key)
    assert (state.retention, state.legal_hold) == (
        Retention(until=until.second, mode="COMPLIANCE"),
        True,
    )
    # The copy's chain begins with the source's, and goes on with its own.
    found = custodial_store.read_chain(pair.two.plain, pair.made[0].id)
    assert found.problems == ()
    kinds = [link.event.event for link in found.events if link.number]
    assert kinds[0] == "ingestion"
    assert kinds.index("replication") > kinds.index("policy assignment")


def test_the_same_command_again_copies_nothing_and_completes_what_is_missing(pair: Pair) -> None:
    pair.one.replicate_to(pair.two)

    again, told = pair.one.replicate_to(pair.two)
    assert (again.copied, again.objects, again.present, again.is_complete) == (0, 0, 2, True)
    assert [report[0] for report in told] == ["present", "present"]

    (pair.two.directory.root / pair.keys[1]).unlink()
    pair.one.put(f"{pair.keys[0]}.tlog-proof", proof_of(pair.made[0]))
    more, _ = pair.one.replicate_to(pair.two)
    assert (more.copied, more.objects) == (1, 2)
    assert pair.two.read(pair.keys[1]) == pair.one.read(pair.keys[1])


def test_a_dry_run_tells_of_the_lag_and_writes_nothing(pair: Pair) -> None:
    done, told = pair.one.replicate_to(pair.two, dry_run=True)

    assert done.lagging == [bundle.id for bundle in pair.made]
    assert [report[0] for report in told] == ["lagging", "lagging"]
    assert not pair.two.directory.root.exists()


def test_nothing_that_is_there_is_overwritten_and_another_file_is_a_divergence(
    pair: Pair,
) -> None:
    pair.two.put(pair.keys[0], flipped(pair.one.read(pair.keys[0])))

    shallow, _ = pair.one.replicate_to(pair.two)
    done, told = pair.one.replicate_to(pair.two, deep=True)

    # A directory keeps no digests: of one length, only a deep look tells them apart.
    assert shallow.copied == 1
    assert [report[0] for report in told] == ["divergent", "present"]
    assert not done.is_complete
    assert pair.two.read(pair.keys[0]) != pair.one.read(pair.keys[0])


def test_what_is_damaged_or_another_bundle_in_the_source_stays_there(pair: Pair) -> None:
    whole = [pair.one.read(key) for key in pair.keys]
    for key, data in ((pair.keys[0], flipped(whole[0])), (pair.keys[1], whole[0])):
        file = pair.one.directory.root / key
        file.unlink()
        file.write_bytes(data)

    done, told = pair.one.replicate_to(pair.two)

    assert done.copied == 0
    said = [detail for state, detail in told if state == "damaged"]
    assert "the verification of the bundle failed" in said[0]
    assert f"the file contains another bundle, {pair.made[0].id}" in said[1]
    assert len(done.lagging) == 2


def test_a_sidecar_that_is_about_another_bundle_is_passed_over(pair: Pair) -> None:
    key, other = pair.keys
    pair.one.put(f"{key}.tlog-proof", proof_of(pair.made[1]))
    pair.one.put(f"{key}.late-01.tsr", b"no token")
    pair.one.put(f"{key}.hold-0001.json", b"no hold\n\n")
    pair.one.put(f"{key}.strange-thing", b"?")
    pair.one.put(f"{other}.tlog-proof", proof_of(pair.made[1]))

    done, told = pair.one.replicate_to(pair.two)

    assert pair.two.kinds(key) == [""]
    assert pair.two.kinds(other) == ["", "tlog-proof"]
    assert sorted(detail.partition(":")[0] for state, detail in told if state == "passed-over") == [
        "hold-0001.json", "late-01.tsr", "strange-thing", "tlog-proof",
    ]  # fmt: skip
    assert done.copied == 2


def test_a_renewal_goes_along_when_it_is_of_this_bundle(pair: Pair) -> None:
    key, other = pair.keys
    for at, about in ((key, pair.made[0]), (other, pair.made[0])):
        said = renewal.Renewal(
            bundle_id=about.id, sha512=renewal.digest(about.file.read_bytes()), covers={}
        )
        pair.one.put(f"{at}.renewal-01.txt", said.encode())
    pair.one.put(f"{key}.renewal-02.txt", proof_of(pair.made[0]))
    pair.one.put(f"{key}.renewal-03.tsr", b"a token without its text")
    pair.one.put(f"{key}.renewal-01.tsr", b"no token")

    _, told = pair.one.replicate_to(pair.two)

    assert pair.two.kinds(key) == ["", "renewal-01.txt", "renewal-02.txt"]
    assert pair.two.kinds(other) == [""]
    said_of = sorted(detail for state, detail in told if state == "passed-over")
    assert said_of[0].startswith(
        "renewal-01.tsr: the token does not confirm the text of the renewal"
    )
    assert said_of[1:] == [
        "renewal-01.txt: the renewal belongs to another bundle",
        ("renewal-03.tsr: the text of the renewal is missing, so its token cannot be checked"),
    ]


def test_what_is_longer_than_any_bundle_is_not_fetched(pair: Pair) -> None:
    file = pair.one.directory.root / pair.keys[0]
    file.chmod(0o644)
    with file.open("r+b") as stream:
        stream.truncate((4 << 30) + 1)  # a hole, which takes no space

    done, told = pair.one.replicate_to(pair.two)

    assert done.copied == 1
    assert any(
        "which is more than snapshotter ever stores in an object of this kind" in detail
        for _, detail in told
    )


def test_what_only_the_copy_has_is_told(pair: Pair) -> None:
    pair.one.replicate_to(pair.two)
    (pair.one.directory.root / pair.keys[0]).unlink()

    done, told = pair.one.replicate_to(pair.two)

    assert ("surplus", "the source does not have the bundle") in told
    assert not done.is_complete


# --- repair ----------------------------------------------------------------------------------


def test_what_is_missing_or_damaged_comes_back_from_a_replica(pair: Pair) -> None:
    pair.one.put(f"{pair.keys[0]}.tlog-proof", proof_of(pair.made[0]))
    pair.one.replicate_to(pair.two)
    whole = [pair.one.read(key) for key in pair.keys]
    root = pair.one.directory.root
    (root / pair.keys[0]).unlink()
    (root / pair.keys[1]).unlink()
    (root / pair.keys[1]).write_bytes(flipped(whole[1]))

    dry = pair.one.repair_from(pair.two, dry_run=True)
    assert dry[:2] == (0, 2)
    repaired, left, told = pair.one.repair_from(pair.two)

    assert (repaired, left) == (2, 0), told
    assert [pair.one.read(key) for key in pair.keys] == whole
    assert [report[2] for report in told] == ["the object was missing", "the object was damaged"]
    assert len(list((root / ".aside").iterdir())) == 1
    for bundle in pair.made:
        found = custodial_store.read_chain(pair.one.plain, bundle.id)
        assert [link.event.event for link in found.events if link.number][-1] == "recovery"
        assert found.problems == ()
    assert pair.one.repair_from(pair.two)[:2] == (0, 0)


def test_a_stranger_is_never_taken_in(pair: Pair, tmp_path: Path) -> None:
    pair.one.replicate_to(pair.two)
    stranger = sealed(tmp_path / "s", STRANGER, ago_s=50)[0]
    pair.two.put(store_keys.bundle_key(stranger.id), stranger.file.read_bytes())
    pair.two.put(f"{pair.keys[0]}.late-01.tsr", b"never was in the first store")
    # And under a name that we know, another file that is a whole bundle of that name.
    members = bundles.unpack(pair.made[0].file.read_bytes())
    rival = bundles.pack(bundles.resealed(members, {"capture/page.txt": b"another"}, SIGNER, None))
    for shelf, data in ((pair.one, None), (pair.two, rival)):
        file = shelf.directory.root / pair.keys[0]
        file.unlink()
        if data:
            file.write_bytes(data)

    repaired, left, told = pair.one.repair_from(pair.two)

    assert (repaired, left) == (0, 1)
    assert told[0][0] == "refused"
    assert (
        "the bytes of the copy differ from the bytes that were stored or logged for this store"
    ) in told[0][2]
    assert [stored.key for stored in pair.one.plain.list() if stored.key.endswith(".wacz")] == [
        pair.keys[1]
    ]


def test_without_receipts_the_log_decides_and_without_either_the_seal_that_is_left(
    pair: Pair,
) -> None:
    pair.one.replicate_to(pair.two)
    shutil.rmtree(pair.one.folder / "receipts" / "one")
    root, key = pair.one.directory.root, pair.keys[0]
    for sidecar in list(pair.one.plain.list(f"{key}.custody-")):
        (root / sidecar.key).unlink()
    whole = pair.one.read(key)
    file = root / key
    file.unlink()

    # Nothing here says that there ever was such a bundle.
    assert pair.one.repair_from(pair.two)[:2] == (0, 0)
    wrong = pair.one.repair_from(pair.two, logged={pair.made[0].id: "ab" * 32})
    assert wrong[:2] == (0, 1)
    logged = {pair.made[0].id: pair.made[0].digests.sha256}
    assert pair.one.repair_from(pair.two, logged=logged)[:2] == (1, 0)
    assert pair.one.read(key) == whole

    shutil.rmtree(pair.one.folder / "receipts" / "one")
    for sidecar in list(pair.one.plain.list(f"{key}.custody-")):
        (root / sidecar.key).unlink()
    file.unlink()
    file.write_bytes(flipped(whole, 200))
    assert pair.one.repair_from(pair.two)[:2] == (1, 0)
    assert pair.one.read(key) == whole


def test_one_bad_receipt_ends_no_repair_and_hides_no_other(pair: Pair) -> None:
    pair.one.replicate_to(pair.two)
    for file in (pair.one.folder / "receipts" / "one").rglob("*.jsonl"):
        file.write_bytes(b"{broken\n" + file.read_bytes())
    for key in pair.keys:
        (pair.one.directory.root / key).unlink()

    repaired, left, told = pair.one.repair_from(pair.two)

    assert (repaired, left) == (2, 0)
    assert sum("a receipt cannot be read" in report[2] for report in told) == 2


def test_a_repair_that_died_with_the_damaged_one_aside_goes_on(pair: Pair) -> None:
    pair.one.replicate_to(pair.two)
    shutil.rmtree(pair.one.folder / "receipts" / "one")
    key = pair.keys[0]
    for sidecar in list(pair.one.plain.list(f"{key}.custody-")):
        (pair.one.directory.root / sidecar.key).unlink()
    # As it is after the note of what goes there, and the damaged one aside.
    pair.one.store.record_digest(key, pair.made[0].digests.sha256, pair.made[0].digests.length)
    pair.one.plain.set_aside(key)

    assert pair.one.repair_from(pair.two)[:2] == (1, 0)


# --- erasure ---------------------------------------------------------------------------------


def erase(shelf: Shelf, bundle: Bundle) -> erasure.Erased:
    return erasure.erase(shelf.erasure_desk(), bundle.id, reason="a minor", order="12 O 345/26")


def test_an_erased_bundle_leaves_its_tombstone_and_its_chain_and_nothing_else(
    pair: Pair,
) -> None:
    bundle, key = pair.made[0], pair.keys[0]
    salts = pair.one.folder / f"{bundle.id}.salts"
    salts.write_text("secret")
    pair.one.put(f"{key}.tlog-proof", proof_of(bundle))
    pair.one.put(f"{key}.late-01.tsr", b"a token")
    holds.place(pair.one.hold_desk, bundle.id, name="a", matter="m", reason="r")
    holds.lift(pair.one.hold_desk, bundle.id, name="a", reason="r")

    done = erase(pair.one, bundle)

    assert (done.objects, done.logged) == (5, True)
    assert pair.one.kinds(key) == [tombstone.KIND]
    stone = pair.one.read(f"{key}.{tombstone.KIND}")
    found = tombstone.parse(stone, bundle.id)
    assert (found.sha256, found.length) == (bundle.digests.sha256, bundle.digests.length)
    assert pair.one.logged == [
        leaf.Leaf(kind=leaf.TOMBSTONE, name=bundle.id, sha256=digest_bytes(stone).sha256)
    ]
    chain = custodial_store.read_chain(pair.one.plain, bundle.id)
    assert chain.problems == ()
    assert chain.events[-1].event.event == "deletion"
    assert found.custody_head in {link.head for link in chain.events} | {
        chain.events[0].event.receipt
    }
    assert not salts.exists()
    assert pair.one.plain.remains(key) == {stored.key for stored in pair.one.plain.list(key)}
    # Again: nothing is left to do, and nothing is told twice.
    assert erase(pair.one, bundle).objects == 0
    again = custodial_store.read_chain(pair.one.plain, bundle.id)
    assert [link.event.event for link in again.events].count("deletion") == 1


def test_what_is_held_or_retained_is_not_erased(pair: Pair) -> None:
    bundle, key = pair.made[0], pair.keys[0]
    holds.place(pair.one.hold_desk, bundle.id, name="a", matter="m", reason="r")
    with pytest.raises(PolicyRefused, match="is under legal hold: a"):
        erase(pair.one, bundle)
    holds.lift(pair.one.hold_desk, bundle.id, name="a", reason="r")
    # The record of the hold is gone with it, and the flag is still there.
    pair.one.plain.set_legal_hold(key, on=True)
    with pytest.raises(PolicyRefused, match="a legal hold"):
        erase(pair.one, bundle)
    pair.one.plain.set_legal_hold(key, on=False)
    until = Retention(until=datetime.now(UTC) + timedelta(hours=1))
    pair.one.plain.retain(f"{key}.custody-0001.jsonl", until)  # what stays may be locked
    pair.one.plain.retain(f"{key}.hold-0001.json", until)
    with pytest.raises(PolicyRefused, match="retention until"):
        erase(pair.one, bundle)
    assert pair.one.kinds(key) == ["", "hold-0001.json", "hold-0002.json"]


def test_a_hold_that_comes_while_it_is_erased_stops_it(pair: Pair) -> None:
    bundle, key = pair.made[0], pair.keys[0]

    def placed(_: leaf.Leaf) -> None:
        holds.place(pair.one.hold_desk, bundle.id, name="a", matter="m", reason="r")

    with pytest.raises(PolicyRefused, match="Nothing was deleted"):
        erasure.erase(pair.one.erasure_desk(placed), bundle.id, reason="r", order="o")

    assert pair.one.read(key)
    holds.lift(pair.one.hold_desk, bundle.id, name="a", reason="r")
    assert erase(pair.one, bundle).objects == 3


def test_what_was_erased_is_not_brought_back(pair: Pair) -> None:
    bundle, key = pair.made[0], pair.keys[0]
    pair.one.replicate_to(pair.two)
    erase(pair.one, bundle)

    # From the replica that still has it.
    assert pair.one.repair_from(pair.two)[:2] == (0, 0)
    done, told = pair.two.replicate_to(pair.one)
    assert done.copied == 0
    assert any(state == "erased" and "but still in" in detail for state, detail in told)
    with pytest.raises(PolicyRefused, match="was erased"):
        pair.one.tombstones.refuse(pair.one.plain, bundle.id)
    # And to the replica goes no copy; it is told to erase.
    done, told = pair.one.replicate_to(pair.two)
    assert not done.is_complete
    assert pair.two.kinds(key) == [""]
    erase(pair.two, bundle)
    assert pair.one.replicate_to(pair.two)[0].is_complete
    # Nor when somebody takes the tombstone away: this machine remembers.
    (pair.one.directory.root / f"{key}.{tombstone.KIND}").unlink()
    assert pair.one.repair_from(pair.two)[:2] == (0, 0)
    with pytest.raises(PolicyRefused):
        pair.one.tombstones.refuse(pair.one.plain, bundle.id)


def test_who_places_a_hold_while_another_is_lifted_keeps_the_bundle_held(pair: Pair) -> None:
    bundle, key = pair.made[0], pair.keys[0]
    for number in range(2):
        holds.place(pair.one.hold_desk, bundle.id, name=f"a{number}", matter="", reason="r")
        with ThreadPoolExecutor(2) as pool:
            lifting = pool.submit(
                holds.lift, pair.one.hold_desk, bundle.id, name=f"a{number}", reason="r"
            )
            placing = pool.submit(
                holds.place, pair.one.hold_desk, bundle.id, name=f"b{number}", matter="", reason="r"
            )
            lifting.result()
            placing.result()
        assert pair.one.plain.lock_state(key).legal_hold
        found = holds.read(pair.one.plain, bundle.id, pair.one.is_trusted)
        assert [hold.name for hold in found.open] == [f"b{number}"]
        holds.lift(pair.one.hold_desk, bundle.id, name=f"b{number}", reason="r")
        assert not pair.one.plain.lock_state(key).legal_hold
    assert events(pair.one, bundle).count("policy assignment") >= 8


def test_a_tombstone_goes_along_where_the_copy_never_had_the_bundle(pair: Pair) -> None:
    erase(pair.one, pair.made[0])

    done, _ = pair.one.replicate_to(pair.two)

    assert (done.copied, done.erased, done.is_complete) == (1, 1, True)
    assert pair.two.kinds(pair.keys[0]) == [tombstone.KIND]


def test_a_forged_tombstone_is_neither_believed_nor_passed_over(pair: Pair) -> None:
    bundle, key = pair.made[0], pair.keys[0]
    forged = tombstone.encode(
        tombstone.Tombstone(
            bundle_id=bundle.id, sha256="", length=0, reason="r", order="o", by="x",
            at=datetime.now(UTC), custody_head="",
        ),
        STRANGER,
    )  # fmt: skip
    for data in (forged, b"junk"):
        pair.one.put(f"{key}.{tombstone.KIND}", data)

        with pytest.raises(EvidenceUnverifiable):
            pair.one.tombstones.of(pair.one.plain, bundle.id)
        _, told = pair.one.replicate_to(pair.two)
        assert "passed-over" in [report[0] for report in told]
        with pytest.raises(EvidenceUnverifiable):
            erase(pair.one, bundle)
        assert pair.one.read(key)
        (pair.one.directory.root / f"{key}.{tombstone.KIND}").unlink()
    assert not pair.one.tombstones.folder.exists()


def test_an_order_without_a_reason_leaves_everything(pair: Pair) -> None:
    with pytest.raises(ValueError, match="an erasure requires"):
        erasure.erase(pair.one.erasure_desk(), pair.made[0].id, reason=" ", order="o")

    assert pair.one.kinds(pair.keys[0]) == [""]


# --- crashes ---------------------------------------------------------------------------------


class _Died(BaseException):
    """What a test raises in the place of a kill."""


class _Dying(DirectoryStore):
    """Dies before its n-th write, deletion or change of a lock."""

    def __init__(self, root: Path, calls: int) -> None:
        super().__init__(root)
        self.left = calls

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise _Died

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        self._step()
        return super().put_new(key, source, sha256, retention=retention)

    @override
    def delete(self, key: str, *, now: datetime) -> int:
        self._step()
        return super().delete(key, now=now)

    @override
    def set_legal_hold(self, key: str, on: bool) -> LockState:
        self._step()
        return super().set_legal_hold(key, on)

    @override
    def set_aside(self, key: str) -> None:
        self._step()
        super().set_aside(key)


def at_every_step(
    folder: Path,
    made: list[Bundle],
    act: Callable[[Pair], object],
    *,
    dies: Callable[[Pair], Shelf] = lambda pair: pair.one,
    before: Callable[[Pair], object] = lambda _: None,
) -> Iterator[Pair]:
    """Die at the first, the second … step of an act, and yield what the same act again makes."""
    for calls in itertools.count(1):
        pair = Pair(folder / str(calls), made)
        before(pair)
        shelf = dies(pair)
        shelf.inner = _Dying(shelf.directory.root, calls)
        died = False
        try:
            act(pair)
        except _Died:
            died = True
        shelf.inner = None
        act(pair)
        yield pair
        if not died:
            assert calls > 3
            return


def _placed(pair: Pair) -> None:
    holds.place(pair.one.hold_desk, pair.made[0].id, name="a", matter="m", reason="r")


def _lifted(pair: Pair) -> None:
    holds.lift(pair.one.hold_desk, pair.made[0].id, name="a", reason="r")


def events(shelf: Shelf, bundle: Bundle) -> list[str]:
    """Return the types of the events after the seal; the chain has to hold."""
    found = custodial_store.read_chain(shelf.plain, bundle.id)
    assert found.problems == ()
    return [link.event.event for link in found.events if link.number]


def test_a_replication_that_dies_at_any_step_is_completed_by_the_next(
    tmp_path: Path, made: list[Bundle]
) -> None:
    def before(pair: Pair) -> None:
        pair.one.put(f"{pair.keys[0]}.tlog-proof", proof_of(pair.made[0]))
        _placed(pair)

    for pair in at_every_step(
        tmp_path,
        made,
        lambda stores: stores.one.replicate_to(stores.two),
        dies=lambda stores: stores.two,
        before=before,
    ):
        for key in pair.keys:
            assert pair.two.read(key) == pair.one.read(key)
        assert pair.two.kinds(pair.keys[0]) == ["", "hold-0001.json", "tlog-proof"]
        assert pair.two.plain.lock_state(pair.keys[0]).legal_hold
        for bundle in pair.made:
            assert events(pair.two, bundle)[0] == "ingestion"
            assert "replication" in events(pair.two, bundle)


def test_an_erasure_that_dies_at_any_step_is_completed_by_the_next(
    tmp_path: Path, made: list[Bundle]
) -> None:
    for pair in at_every_step(
        tmp_path,
        made,
        lambda stores: erase(stores.one, stores.made[0]),
        before=lambda stores: stores.one.put(
            f"{stores.keys[0]}.tlog-proof", proof_of(stores.made[0])
        ),
    ):
        assert pair.one.kinds(pair.keys[0]) == [tombstone.KIND]
        assert events(pair.one, pair.made[0])[-1] == "deletion"
        assert {entry.name for entry in pair.one.logged} == {pair.made[0].id}


def test_a_hold_that_dies_at_any_step_holds_when_the_command_is_run_again(
    tmp_path: Path, made: list[Bundle]
) -> None:
    for pair in at_every_step(tmp_path, made, _placed):
        assert pair.one.plain.lock_state(pair.keys[0]).legal_hold
        assert pair.one.kinds(pair.keys[0]) == ["", hold_records.kind(1)]
        assert "policy assignment" in events(pair.one, pair.made[0])


def test_a_lifting_that_dies_at_any_step_lifts_when_the_command_is_run_again(
    tmp_path: Path, made: list[Bundle]
) -> None:
    for pair in at_every_step(tmp_path, made, _lifted, before=_placed):
        assert not pair.one.plain.lock_state(pair.keys[0]).legal_hold
        assert not holds.read(pair.one.plain, pair.made[0].id, pair.one.is_trusted).held
        assert pair.one.kinds(pair.keys[0]) == ["", hold_records.kind(1), hold_records.kind(2)]
        assert events(pair.one, pair.made[0])


def test_a_repair_that_dies_at_any_step_is_completed_by_the_next(
    tmp_path: Path, made: list[Bundle]
) -> None:
    whole: dict[str, bytes] = {}

    def before(pair: Pair) -> None:
        pair.one.replicate_to(pair.two)
        whole.update({key: pair.one.read(key) for key in pair.keys})
        root = pair.one.directory.root
        for key in pair.keys:
            (root / key).unlink()
        (root / pair.keys[1]).write_bytes(b"damaged")

    for pair in at_every_step(
        tmp_path, made, lambda stores: stores.one.repair_from(stores.two), before=before
    ):
        for bundle, key in zip(pair.made, pair.keys, strict=True):
            assert pair.one.read(key) == whole[key]
            assert events(pair.one, bundle).count("recovery") == 1


def test_a_repair_that_dies_twice_is_told_once(tmp_path: Path, made: list[Bundle]) -> None:
    for first, second in itertools.product(range(1, 5), repeat=2):
        pair = Pair(tmp_path / f"{first}-{second}", made)
        pair.one.replicate_to(pair.two)
        (pair.one.directory.root / pair.keys[0]).unlink()
        (pair.one.directory.root / pair.keys[0]).write_bytes(b"damaged")
        for calls in (first, second):
            pair.one.inner = _Dying(pair.one.directory.root, calls)
            with contextlib.suppress(_Died):
                pair.one.repair_from(pair.two)
        pair.one.inner = None
        pair.one.repair_from(pair.two)

        assert pair.one.read(pair.keys[0]) == made[0].file.read_bytes()
        assert events(pair.one, made[0]).count("recovery") == 1, (first, second)


def test_only_kinds_that_can_be_checked_are_copied() -> None:
    for kind in (
        "late-01.tsr",
        "tlog-proof",
        "hold-0001.json",
        "custody-0001.jsonl",
        "renewal-09.tsr",
    ):
        assert sidecar_checks.is_copied(kind)
    assert sidecar_checks.is_copied("renewal-09.tsr")
    for kind in ("", "late-10.tsr", "renewal-00.txt", "tombstone.json", "x"):
        assert not sidecar_checks.is_copied(kind)
