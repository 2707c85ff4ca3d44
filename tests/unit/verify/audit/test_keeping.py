"""Custody, holds, locks, receipts and erasures: what an audit finds about how bundles were kept."""

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.proofs import renewal, tlog_proof
from snapshotter.formats.proofs.leaf import CUSTODY, Leaf
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import LockState, Retention
from snapshotter.model.custody import INGESTION, KeptReceipts, Receipt
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.trust import COMPROMISED, Trust, trusted_key
from tests import audited, bundles
from tests.audited import Audited, Collection, ReceiptsOf
from tests.unit.verify.audit.cases import FAILED, PASSED, UNCLEAR, Case, Cases, check
from tests.unit.verify.audit.test_tampering import _report

_CASES = Cases()
case = _CASES.case
DAY = timedelta(days=1)


def _stolen(trust: Trust) -> Trust:
    """Return a trust that knows since when its keys are in the hands of somebody else."""
    since = datetime.now(UTC) - DAY
    keys = (replace(key, revoked_at=since, revoked_reason=COMPROMISED) for key in trust.keys)
    return replace(trust, keys=tuple(keys))


def _in(days: int) -> datetime:
    return (datetime.now(UTC) + days * DAY).replace(microsecond=0)


def _chain(collection: Collection, number: int, events: int = 3) -> None:
    for _ in range(events):
        collection.record(number, INGESTION)


# --- custody ---------------------------------------------------------------------------------


@case(verdict=PASSED)
def custody_that_holds(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)


@case("custody-broken", verdict=FAILED)
def last_event_taken_away(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    collection.path(2, "custody-0003.jsonl").unlink()


@case("custody-broken", "custody-broken?", verdict=FAILED)
def event_in_the_middle_taken_away(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    collection.path(2, "custody-0002.jsonl").unlink()


@case("custody-broken", verdict=FAILED)
def all_events_taken_away(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    for number in (1, 2, 3):
        collection.path(2, f"custody-000{number}.jsonl").unlink()


def _move_away(collection: Collection, number: int, last: int) -> None:
    """Put a sidecar to where a copy keeps those of the store that it is a copy of."""
    path = collection.path(number, f"custody-{last:04}.jsonl")
    collection.put(
        store_keys.carried_key(collection.ids[number], "0a" * 16, path.name.split(".wacz.")[1]),
        path.read_bytes(),
    )
    path.unlink()


@case("custody-broken", verdict=FAILED)
def last_event_moved_away(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    _move_away(collection, 2, 3)


@case("custody-broken", verdict=FAILED)
def last_event_moved_away_and_gone_on_behind_it(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    _move_away(collection, 2, 3)
    collection.record(2, "exporting")


@case("unlocked", verdict=FAILED, notes=("mirror",))
def a_lock_that_was_answered_moved_away_as_if_this_were_a_copy(
    collection: Collection, folder: Path
) -> None:
    _chain(collection, 2, 1)
    kept = collection.receipt(2, lock_mode="COMPLIANCE", retain_until=_in(900))
    collection.record(2, INGESTION, receipt=kept)
    _move_away(collection, 2, 2)
    collection.record(2, "replication")


@case("custody-broken", verdict=FAILED)
def chain_written_again(collection: Collection, folder: Path) -> None:
    """Whole in itself, and not what was logged of it."""
    _chain(collection, 2)
    entries = list(collection.leaves)
    for number in (1, 2, 3):
        collection.path(2, f"custody-000{number}.jsonl").unlink()
    for _ in range(3):
        collection.record(2, "exporting")
    collection.rewrite(entries)


@case("custody-broken", "custody-broken?", verdict=FAILED)
def event_edited(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    path = collection.path(2, "custody-0002.jsonl")
    collection.put(
        f"{collection.key(2)}.custody-0002.jsonl", path.read_bytes().replace(b"success", b"failure")
    )


@case("custody-broken?", verdict=UNCLEAR)
def junk_at_the_end_of_a_chain(collection: Collection, folder: Path) -> None:
    """Anybody may have left it there."""
    _chain(collection, 2)
    collection.put(f"{collection.key(2)}.custody-0004.jsonl", b"hello\n")


@case("custody-broken", verdict=FAILED)
def chain_of_another_bundle(collection: Collection, folder: Path) -> None:
    _chain(collection, 2, 1)
    collection.append(Leaf(kind=CUSTODY, name=collection.ids[3], sha256="0" * 64))


@case(verdict=PASSED, notes=("surplus",))
def junk_of_other_kinds_hides_no_custody(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    for number in range(300):
        collection.put(f"{collection.key(2)}.aaa-{number:04}", b"hello")
        collection.put(
            f"{collection.key(2)}.custody-0{number:04}.jsonl", b"hello"
        )  # no number of a chain


# --- renewals --------------------------------------------------------------------------------


def _renewed(collection: Collection, number: int, proof: bytes) -> None:
    """Renew a bundle through the log, with a token over the checkpoint of this proof."""
    text, token = names.renewal(1)
    collection.put(f"{collection.key(number)}.{text}", proof)
    over = tlog_proof.parse(proof).checkpoint
    collection.put(f"{collection.key(number)}.{token}", collection.authority.response(over))


@case(verdict=PASSED, notes=("renewal-due",))
def certificates_that_end_within_the_time_asked_for(
    collection: Collection, folder: Path
) -> dict[str, Any]:
    return {"renewal_within": timedelta(days=36_500)}


@case(verdict=PASSED)
def renewed_through_the_log(collection: Collection, folder: Path) -> None:
    _renewed(collection, 2, collection.path(2, "tlog-proof").read_bytes())


@case("forked", verdict=FAILED)
def renewed_through_another_history(collection: Collection, folder: Path) -> None:
    other = [collection.leaves[2], *collection.leaves[:2]]
    _renewed(collection, 2, audited.proof(other, 0, audited.checkpoint(other, collection.log)))


@case(verdict=PASSED, notes=("surplus",))
def renewal_over_another_bundle(collection: Collection, folder: Path) -> None:
    _renewed(collection, 2, collection.path(3, "tlog-proof").read_bytes())


@case(verdict=PASSED, notes=("surplus",))
def renewal_is_junk(collection: Collection, folder: Path) -> None:
    for kind in names.renewal(1):
        collection.put(f"{collection.key(2)}.{kind}", b"hello")


# --- erasures --------------------------------------------------------------------------------


@case(verdict=PASSED, notes=("erased-by-order",))
def erased_by_order(collection: Collection, folder: Path) -> None:
    collection.erase(2)


@case(verdict=PASSED, notes=("erased-by-order",))
def erased_by_order_with_what_was_kept_of_its_custody(collection: Collection, folder: Path) -> None:
    _chain(collection, 2)
    collection.erase(2)


def _erased(collection: Collection, *without: int) -> None:
    """Erase a bundle whose chain has three sidecars, and take some of these away."""
    _chain(collection, 2)
    collection.erase(2)
    for number in without:
        collection.path(2, f"custody-{number:04}.jsonl").unlink()


@case("custody-broken", verdict=FAILED, notes=("erased-by-order",))
def erased_and_the_last_of_its_custody_taken_away(collection: Collection, folder: Path) -> None:
    _erased(collection, 3)


@case("custody-broken", "custody-broken?", verdict=FAILED, notes=("erased-by-order",))
def erased_and_the_first_of_its_custody_taken_away(collection: Collection, folder: Path) -> None:
    _erased(collection, 1)


@case("custody-broken", verdict=FAILED, notes=("erased-by-order",))
def erased_and_all_of_its_custody_taken_away(collection: Collection, folder: Path) -> None:
    _erased(collection, 1, 2, 3)


@case("custody-broken?", verdict=UNCLEAR, notes=("erased-by-order",))
def erased_and_junk_put_beside_its_custody(collection: Collection, folder: Path) -> None:
    _erased(collection)
    collection.put(f"{collection.key(2)}.custody-0004.jsonl", b"junk\n")


@case("custody-broken?", verdict=UNCLEAR, notes=("erased-by-order",))
def erased_and_only_the_head_inside_it_was_logged(collection: Collection, folder: Path) -> None:
    """Whoever erased it may have died before the chain was written on."""
    collection.append(Leaf(kind=CUSTODY, name=collection.ids[2], sha256="1" * 64))
    collection.erase(2)


@case("deleted?", "invalid", verdict=FAILED)
def erased_by_a_key_that_was_stolen(collection: Collection, folder: Path) -> None:
    collection.erase(2)
    collection.trust = _stolen(collection.trust)


@case("deleted?", verdict=UNCLEAR)
def erased_by_somebody_unknown(collection: Collection, folder: Path) -> None:
    collection.erase(2, signer=bundles.new_signer())


@case("deleted", verdict=FAILED)
def tombstone_taken_away(collection: Collection, folder: Path) -> None:
    collection.erase(2)
    collection.path(2, tombstone.KIND).unlink()


@case("deleted", verdict=FAILED)
def tombstone_of_a_stranger_that_is_not_in_the_log(collection: Collection, folder: Path) -> None:
    entries = list(collection.leaves)
    collection.erase(2, signer=bundles.new_signer())
    collection.rewrite(entries)


@case("deleted?", verdict=UNCLEAR)
def tombstone_that_was_not_logged_yet(collection: Collection, folder: Path) -> None:
    entries = list(collection.leaves)
    collection.erase(2)
    collection.rewrite(entries)


@case("deleted", verdict=FAILED)
def tombstone_of_another_bundle(collection: Collection, folder: Path) -> None:
    collection.erase(2)
    collection.path(3).unlink()
    collection.put(
        f"{collection.key(3)}.{tombstone.KIND}", collection.path(2, tombstone.KIND).read_bytes()
    )


@case("deleted", verdict=FAILED)
def tombstone_of_other_bytes(collection: Collection, folder: Path) -> None:
    collection.erase(2, sha256="0" * 64)


@case("deleted", verdict=FAILED)
def tombstone_is_junk(collection: Collection, folder: Path) -> None:
    collection.erase(2)
    collection.put(f"{collection.key(2)}.{tombstone.KIND}", b"hello\n")


@case("returned?", verdict=UNCLEAR)
def erased_and_there_again(collection: Collection, folder: Path) -> None:
    data = collection.path(2).read_bytes()
    collection.erase(2)
    collection.put(collection.key(2), data)


@case("returned?", verdict=UNCLEAR)
def erased_says_the_log_and_there_again_without_its_tombstone(
    collection: Collection, folder: Path
) -> None:
    erased_and_there_again(collection, folder)
    collection.path(2, tombstone.KIND).unlink()


# --- locks by policy -------------------------------------------------------------------------


def _kept_by_policy(collection: Collection, folder: Path) -> int:
    """Add a bundle that its policy keeps for thirty days; return its number."""
    collection.add(*collection.seal(folder / "spool", minutes_ago=90, retain_days=30))
    return len(collection.ids) - 1


@case(verdict=PASSED, notes=("unenforced",))
def locked_as_its_policy_says(collection: Collection, folder: Path) -> None:
    key = collection.key(_kept_by_policy(collection, folder))
    DirectoryStore(collection.root).retain(key, Retention(until=_in(31)))


@case("unlocked?", verdict=UNCLEAR)
def copy_without_the_lock_of_its_policy(collection: Collection, folder: Path) -> None:
    """Nothing says that this very store has ever locked it."""
    _kept_by_policy(collection, folder)


@case("unlocked?", verdict=UNCLEAR)
def copy_with_a_shorter_lock(collection: Collection, folder: Path) -> None:
    key = collection.key(_kept_by_policy(collection, folder))
    DirectoryStore(collection.root).retain(key, Retention(until=_in(29)))


@case("unlocked", verdict=FAILED)
def lock_gone(collection: Collection, folder: Path) -> None:
    number = _kept_by_policy(collection, folder)
    collection.record(number, INGESTION, receipt=_locked(collection.receipt(number)))


@case("unlocked", verdict=FAILED)
def lock_shortened(collection: Collection, folder: Path) -> None:
    lock_gone(collection, folder)
    DirectoryStore(collection.root).retain(
        collection.key(len(collection.ids) - 1), Retention(until=_in(29))
    )


@case("unlocked?", verdict=UNCLEAR)
def lock_that_can_not_be_read(collection: Collection, folder: Path) -> None:
    key = collection.key(_kept_by_policy(collection, folder))
    DirectoryStore(collection.root).retain(key, Retention(until=_in(31)))
    collection.put(f".locks/{key}", b"hello")


# --- locks by receipts and holds -------------------------------------------------------------


def _locked(receipt: Receipt, days: int = 30, mode: str = "GOVERNANCE") -> Receipt:
    return replace(receipt, lock_mode=mode, retain_until=_in(days))


@case("unlocked", verdict=FAILED)
def lock_of_a_logged_receipt_gone(collection: Collection, folder: Path) -> None:
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2)))


@case("unlocked?", verdict=UNCLEAR)
def lock_of_a_receipt_that_anybody_may_have_written(collection: Collection, folder: Path) -> None:
    entries = list(collection.leaves)
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2)))
    collection.rewrite(entries)


@case("unlocked", verdict=FAILED)
def lock_weaker_than_its_receipt(collection: Collection, folder: Path) -> None:
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2), mode="COMPLIANCE"))
    DirectoryStore(collection.root).retain(collection.key(2), Retention(until=_in(40)))


@case(verdict=PASSED, notes=("unenforced",))
def lock_extended_since_its_receipt(collection: Collection, folder: Path) -> None:
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2)))
    DirectoryStore(collection.root).retain(
        collection.key(2), Retention(until=_in(40), mode="COMPLIANCE")
    )


@case(verdict=PASSED)
def lock_of_a_receipt_that_has_ended(collection: Collection, folder: Path) -> None:
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2), days=-1))


@case(verdict=PASSED)
def receipt_of_another_store(collection: Collection, folder: Path) -> None:
    """A copy has the custody of the first store beside its bundles, and locks of its own."""
    elsewhere = replace(_locked(collection.receipt(2)), store="f" * 32, version="7")
    collection.record(2, INGESTION, receipt=elsewhere)


@case("unlocked", verdict=FAILED)
def hold_without_its_flag(collection: Collection, folder: Path) -> None:
    collection.hold(2)


@case(verdict=PASSED, notes=("unenforced",))
def hold_with_its_flag(collection: Collection, folder: Path) -> None:
    collection.hold(2)
    DirectoryStore(collection.root).set_legal_hold(collection.key(2), on=True)


@case("unlocked?", verdict=UNCLEAR)
def hold_of_a_stranger(collection: Collection, folder: Path) -> None:
    collection.hold(2, signer=bundles.new_signer())


@case("custody-broken?", verdict=UNCLEAR)
def hold_that_is_junk(collection: Collection, folder: Path) -> None:
    collection.put(f"{collection.key(2)}.hold-0001.json", b"hello\n")


@case("unlocked", verdict=FAILED)
def hold_record_taken_away_and_the_flag_with_it(collection: Collection, folder: Path) -> None:
    collection.record(2, "policy assignment", receipt=collection.receipt(2, legal_hold=True))


@case(verdict=PASSED)
def hold_lifted(collection: Collection, folder: Path) -> None:
    collection.record(2, "policy assignment", receipt=collection.receipt(2, legal_hold=True))
    collection.record(2, "policy assignment", receipt=collection.receipt(2))


# --- receipts of this machine ----------------------------------------------------------------


def _receipts(collection: Collection, *numbers: int, **changes: Any) -> dict[str, Any]:
    kept = {
        collection.ids[n]: KeptReceipts(receipts=(collection.receipt(n, **changes),))
        for n in numbers
    }
    return {"receipts": ReceiptsOf(kept)}


def _without_log(collection: Collection) -> None:
    """Take the log away, and every proof that there was one."""
    shutil.rmtree(collection.root / "log")
    for path in collection.root.rglob("*.tlog-proof"):
        path.unlink()


@case(verdict=PASSED)
def receipts_that_fit(collection: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(collection, 0, 1, 2, 3, 4)


@case("deleted", "no-log?", verdict=FAILED, remembers=False)
def deleted_and_the_log_with_it(collection: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(collection, 2)
    collection.path(2).unlink()
    _without_log(collection)
    return kept


@case("deleted?", "no-log?", verdict=UNCLEAR, remembers=False)
def erased_and_no_log(collection: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(collection, 2)
    collection.erase(2)
    _without_log(collection)
    return kept


@case("deleted", "no-log?", verdict=FAILED, remembers=False)
def erased_by_a_stranger_and_no_log(collection: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(collection, 2)
    collection.erase(2, signer=bundles.new_signer())
    _without_log(collection)
    return kept


@case("replaced", verdict=FAILED)
def other_bytes_than_were_put(collection: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(collection, 2, sha256="0" * 64)


@case("unlocked", verdict=FAILED)
def lock_that_the_store_answered_gone(collection: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(collection, 2, lock_mode="COMPLIANCE", retain_until=_in(30))


@case("deleted", verdict=FAILED)
def sidecar_deleted(collection: Collection, folder: Path) -> dict[str, Any]:
    lost = collection.receipt(2, key=store_keys.sidecar_key(collection.key(2), "late-01.tsr"))
    return {"receipts": ReceiptsOf({collection.ids[2]: KeptReceipts(receipts=(lost,))})}


@case("unrecorded?", verdict=UNCLEAR)
def receipt_that_can_not_be_read(collection: Collection, folder: Path) -> dict[str, Any]:
    kept = KeptReceipts(receipts=(collection.receipt(2),), problems=("line 3: torn",))
    return {"receipts": ReceiptsOf({collection.ids[2]: kept})}


@case(verdict=PASSED)
def receipts_of_another_store_of_this_machine(
    collection: Collection, folder: Path
) -> dict[str, Any]:
    return _receipts(collection, 2, store="f" * 32, sha256="0" * 64)


# --- locks of what stands beside ---------------------------------------------------------------


class Enforcing(DirectoryStore):
    """A directory whose records of locks are taken for a server's: what a bucket would answer."""

    @override
    def lock_state(self, key: str, version: str = "") -> LockState:
        return replace(super().lock_state(key, version), enforced=True)


def _lock_all(collection: Collection, number: int, days: int, *, but: str = "") -> None:
    bundle = collection.path(number)
    for path in sorted(bundle.parent.glob(f"{bundle.name}*")):
        if not (but and path.name.endswith(but)):
            Enforcing(collection.root).retain(
                str(path.relative_to(collection.root)), Retention(until=_in(days))
            )


class Reserved(Enforcing):
    """A server that says of bundles alone how they are locked."""

    @override
    def lock_state(self, key: str, version: str = "") -> LockState:
        if not key.startswith("bundles/"):
            raise SnapshotterError("no right to ask")
        return super().lock_state(key, version)


@case(verdict=PASSED, notes=("unlocked",))
def records_whose_locks_the_store_does_not_say(
    collection: Collection, folder: Path
) -> dict[str, Any]:
    _report(collection)
    _lock_all(collection, 2, 30)
    return {"open_store": Reserved}


@case(verdict=PASSED, notes=("unlocked",))
def sidecars_locked_as_their_bundle(collection: Collection, folder: Path) -> dict[str, Any]:
    """Of the report and the log, which no command of ours locks, it is told once."""
    _report(collection)
    _lock_all(collection, 2, 30)
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_without_the_lock_of_its_bundle(collection: Collection, folder: Path) -> dict[str, Any]:
    _lock_all(collection, 2, 30, but="tlog-proof")
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_locked_for_less_long(collection: Collection, folder: Path) -> dict[str, Any]:
    _lock_all(collection, 2, 30)
    _lock_all(collection, 2, 40, but="tlog-proof")
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_not_held_as_its_bundle(collection: Collection, folder: Path) -> dict[str, Any]:
    Enforcing(collection.root).set_legal_hold(collection.key(2), on=True)
    return {"open_store": Enforcing}


@case("unlocked", verdict=FAILED)
def lock_of_a_sidecar_gone_that_the_store_answered(
    collection: Collection, folder: Path
) -> dict[str, Any]:
    key = store_keys.sidecar_key(collection.key(2), "tlog-proof")
    collection.record(2, INGESTION, receipt=_locked(collection.receipt(2, key=key)))
    _lock_all(collection, 2, 30, but="tlog-proof")
    return {"open_store": Enforcing}


@case(verdict=PASSED, notes=("unenforced",))
def sidecars_where_nothing_enforces_a_lock(collection: Collection, folder: Path) -> None:
    """A record keeps nothing: that is told once, and of no sidecar."""
    collection.hold(2)
    DirectoryStore(collection.root).set_legal_hold(collection.key(2), on=True)


@_CASES.parametrized
def test_kept(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)


@pytest.mark.parametrize("part", [0, 1])
def test_a_renewal_that_was_logged_and_is_gone_is_told_of(
    spoiled: Collection, tmp_path: Path, part: int
) -> None:
    """Its writer may have died before it was stored: never FAILED, and never silent."""
    collection, always = spoiled, timedelta(days=36_500)
    sha512 = hashlib.sha512(collection.path(2).read_bytes()).hexdigest()
    text = renewal.Renewal(bundle_id=collection.ids[2], sha512=sha512, covers={}).encode()
    for kind, data in zip(
        names.renewal(1), (text, collection.authority.response(text)), strict=True
    ):
        collection.put(f"{collection.key(2)}.{kind}", data)
    collection.append(renewal.leaf_of(text, collection.ids[2]))
    seen = collection.audited(tmp_path / "first.sqlite", renewal_within=always)
    assert (seen.kinds, seen.notes) == (set(), {"renewal-due"})

    collection.path(2, names.renewal(1)[part]).unlink()

    found = collection.audited(tmp_path / "a", remembered=seen.to_remember, renewal_within=always)
    assert (found.kinds, found.notes) == ({"renewal-gone?"}, {"renewal-due"})
    new = collection.audited(tmp_path / "b", renewal_within=always)  # its writer may be at work
    assert (new.kinds, new.notes) == (set(), {"renewal-gone", "renewal-due"})
    unneeded = collection.audited(tmp_path / "c", remembered=seen.to_remember)
    assert (unneeded.kinds, unneeded.notes) == (set(), {"renewal-gone"})


def test_a_file_of_receipts_that_can_not_be_read_ends_nothing(
    spoiled: Collection, tmp_path: Path
) -> None:
    class Unreadable(ReceiptsOf):
        @override
        def of(self, bundle_id: str) -> KeptReceipts:
            raise SnapshotterError("the disk is broken")

    spoiled.path(3).unlink()
    receipts = Unreadable({bundle_id: KeptReceipts() for bundle_id in spoiled.ids})

    found = spoiled.audited(tmp_path / "work.sqlite", receipts=receipts)

    assert found.kinds == {"deleted", "unrecorded?"}


def test_a_hold_is_believed_by_the_keys_of_the_trust_file(
    spoiled: Collection, tmp_path: Path
) -> None:
    clerk = bundles.new_signer()
    known = (*spoiled.trust.keys, trusted_key(clerk.public_key, owner="clerk"))
    spoiled.trust = replace(spoiled.trust, keys=known)
    spoiled.hold(2, signer=clerk)

    assert spoiled.audited(tmp_path / "work.sqlite").kinds == {"unlocked"}


def test_a_hold_that_was_lifted_by_a_stolen_key_is_one(spoiled: Collection, tmp_path: Path) -> None:
    thief = bundles.new_signer()
    known = trusted_key(thief.public_key, owner="a clerk")
    stolen = replace(known, revoked_at=datetime.now(UTC) + DAY, revoked_reason=COMPROMISED)
    spoiled.trust = replace(spoiled.trust, keys=(*spoiled.trust.keys, stolen))
    spoiled.hold(2)
    spoiled.lift(2, signer=thief)

    assert spoiled.audited(tmp_path / "work.sqlite").kinds == {"unlocked", "custody-broken?"}
