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
from snapshotter.formats import layout, names, renewal, tlog_proof, tombstone
from snapshotter.formats.leaf import CUSTODY, Leaf
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
    keys = (replace(it, revoked_at=since, revoked_reason=COMPROMISED) for it in trust.keys)
    return replace(trust, keys=tuple(keys))


def _in(days: int) -> datetime:
    return (datetime.now(UTC) + days * DAY).replace(microsecond=0)


def _chain(it: Collection, number: int, events: int = 3) -> None:
    for _ in range(events):
        it.record(number, INGESTION)


# --- custody ---------------------------------------------------------------------------------


@case(verdict=PASSED)
def custody_that_holds(it: Collection, folder: Path) -> None:
    _chain(it, 2)


@case("custody-broken", verdict=FAILED)
def last_event_taken_away(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    it.path(2, "custody-0003.jsonl").unlink()


@case("custody-broken", "custody-broken?", verdict=FAILED)
def event_in_the_middle_taken_away(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    it.path(2, "custody-0002.jsonl").unlink()


@case("custody-broken", verdict=FAILED)
def all_events_taken_away(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    for number in (1, 2, 3):
        it.path(2, f"custody-000{number}.jsonl").unlink()


def _move_away(it: Collection, number: int, last: int) -> None:
    """Put a sidecar to where a copy keeps those of the store that it is a copy of."""
    path = it.path(number, f"custody-{last:04}.jsonl")
    it.put(layout.carried_key(it.ids[number], "0a" * 16, path.name.split(".wacz.")[1]),
           path.read_bytes())  # fmt: skip
    path.unlink()


@case("custody-broken", verdict=FAILED)
def last_event_moved_away(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    _move_away(it, 2, 3)


@case("custody-broken", verdict=FAILED)
def last_event_moved_away_and_gone_on_behind_it(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    _move_away(it, 2, 3)
    it.record(2, "exporting")


@case("unlocked", verdict=FAILED, notes=("mirror",))
def a_lock_that_was_answered_moved_away_as_if_this_were_a_copy(
    it: Collection, folder: Path
) -> None:
    _chain(it, 2, 1)
    kept = it.receipt(2, lock_mode="COMPLIANCE", retain_until=_in(900))
    it.record(2, INGESTION, receipt=kept)
    _move_away(it, 2, 2)
    it.record(2, "replication")


@case("custody-broken", verdict=FAILED)
def chain_written_again(it: Collection, folder: Path) -> None:
    """Whole in itself, and not what was logged of it."""
    _chain(it, 2)
    entries = list(it.leaves)
    for number in (1, 2, 3):
        it.path(2, f"custody-000{number}.jsonl").unlink()
    for _ in range(3):
        it.record(2, "exporting")
    it.rewrite(entries)


@case("custody-broken", "custody-broken?", verdict=FAILED)
def event_edited(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    path = it.path(2, "custody-0002.jsonl")
    it.put(f"{it.key(2)}.custody-0002.jsonl", path.read_bytes().replace(b"success", b"failure"))


@case("custody-broken?", verdict=UNCLEAR)
def junk_at_the_end_of_a_chain(it: Collection, folder: Path) -> None:
    """Anybody may have left it there."""
    _chain(it, 2)
    it.put(f"{it.key(2)}.custody-0004.jsonl", b"hello\n")


@case("custody-broken", verdict=FAILED)
def chain_of_another_bundle(it: Collection, folder: Path) -> None:
    _chain(it, 2, 1)
    it.append(Leaf(kind=CUSTODY, name=it.ids[3], sha256="0" * 64))


@case(verdict=PASSED, notes=("surplus",))
def junk_of_other_kinds_hides_no_custody(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    for number in range(300):
        it.put(f"{it.key(2)}.aaa-{number:04}", b"hello")
        it.put(f"{it.key(2)}.custody-0{number:04}.jsonl", b"hello")  # no number of a chain


# --- renewals --------------------------------------------------------------------------------


def _renewed(it: Collection, number: int, proof: bytes) -> None:
    """Renew a bundle through the log, with a token over the checkpoint of this proof."""
    text, token = names.renewal(1)
    it.put(f"{it.key(number)}.{text}", proof)
    over = tlog_proof.parse(proof).checkpoint
    it.put(f"{it.key(number)}.{token}", it.authority.response(over))


@case(verdict=PASSED, notes=("renewal-due",))
def certificates_that_end_within_the_time_asked_for(it: Collection, folder: Path) -> dict[str, Any]:
    return {"renewal_within": timedelta(days=36_500)}


@case(verdict=PASSED)
def renewed_through_the_log(it: Collection, folder: Path) -> None:
    _renewed(it, 2, it.path(2, "tlog-proof").read_bytes())


@case("forked", verdict=FAILED)
def renewed_through_another_history(it: Collection, folder: Path) -> None:
    other = [it.leaves[2], *it.leaves[:2]]
    _renewed(it, 2, audited.proof(other, 0, audited.checkpoint(other, it.log)))


@case(verdict=PASSED, notes=("surplus",))
def renewal_over_another_bundle(it: Collection, folder: Path) -> None:
    _renewed(it, 2, it.path(3, "tlog-proof").read_bytes())


@case(verdict=PASSED, notes=("surplus",))
def renewal_is_junk(it: Collection, folder: Path) -> None:
    for kind in names.renewal(1):
        it.put(f"{it.key(2)}.{kind}", b"hello")


# --- erasures --------------------------------------------------------------------------------


@case(verdict=PASSED, notes=("erased-by-order",))
def erased_by_order(it: Collection, folder: Path) -> None:
    it.erase(2)


@case(verdict=PASSED, notes=("erased-by-order",))
def erased_by_order_with_what_was_kept_of_its_custody(it: Collection, folder: Path) -> None:
    _chain(it, 2)
    it.erase(2)


def _erased(it: Collection, *without: int) -> None:
    """Erase a bundle whose chain has three sidecars, and take some of these away."""
    _chain(it, 2)
    it.erase(2)
    for number in without:
        it.path(2, f"custody-{number:04}.jsonl").unlink()


@case("custody-broken", verdict=FAILED, notes=("erased-by-order",))
def erased_and_the_last_of_its_custody_taken_away(it: Collection, folder: Path) -> None:
    _erased(it, 3)


@case("custody-broken", "custody-broken?", verdict=FAILED, notes=("erased-by-order",))
def erased_and_the_first_of_its_custody_taken_away(it: Collection, folder: Path) -> None:
    _erased(it, 1)


@case("custody-broken", verdict=FAILED, notes=("erased-by-order",))
def erased_and_all_of_its_custody_taken_away(it: Collection, folder: Path) -> None:
    _erased(it, 1, 2, 3)


@case("custody-broken?", verdict=UNCLEAR, notes=("erased-by-order",))
def erased_and_junk_put_beside_its_custody(it: Collection, folder: Path) -> None:
    _erased(it)
    it.put(f"{it.key(2)}.custody-0004.jsonl", b"junk\n")


@case("custody-broken?", verdict=UNCLEAR, notes=("erased-by-order",))
def erased_and_only_the_head_inside_it_was_logged(it: Collection, folder: Path) -> None:
    """Whoever erased it may have died before the chain was written on."""
    it.append(Leaf(kind=CUSTODY, name=it.ids[2], sha256="1" * 64))
    it.erase(2)


@case("deleted?", "invalid", verdict=FAILED)
def erased_by_a_key_that_was_stolen(it: Collection, folder: Path) -> None:
    it.erase(2)
    it.trust = _stolen(it.trust)


@case("deleted?", verdict=UNCLEAR)
def erased_by_somebody_unknown(it: Collection, folder: Path) -> None:
    it.erase(2, signer=bundles.new_signer())


@case("deleted", verdict=FAILED)
def tombstone_taken_away(it: Collection, folder: Path) -> None:
    it.erase(2)
    it.path(2, tombstone.KIND).unlink()


@case("deleted", verdict=FAILED)
def tombstone_of_a_stranger_that_is_not_in_the_log(it: Collection, folder: Path) -> None:
    entries = list(it.leaves)
    it.erase(2, signer=bundles.new_signer())
    it.rewrite(entries)


@case("deleted?", verdict=UNCLEAR)
def tombstone_that_was_not_logged_yet(it: Collection, folder: Path) -> None:
    entries = list(it.leaves)
    it.erase(2)
    it.rewrite(entries)


@case("deleted", verdict=FAILED)
def tombstone_of_another_bundle(it: Collection, folder: Path) -> None:
    it.erase(2)
    it.path(3).unlink()
    it.put(f"{it.key(3)}.{tombstone.KIND}", it.path(2, tombstone.KIND).read_bytes())


@case("deleted", verdict=FAILED)
def tombstone_of_other_bytes(it: Collection, folder: Path) -> None:
    it.erase(2, sha256="0" * 64)


@case("deleted", verdict=FAILED)
def tombstone_is_junk(it: Collection, folder: Path) -> None:
    it.erase(2)
    it.put(f"{it.key(2)}.{tombstone.KIND}", b"hello\n")


@case("returned?", verdict=UNCLEAR)
def erased_and_there_again(it: Collection, folder: Path) -> None:
    data = it.path(2).read_bytes()
    it.erase(2)
    it.put(it.key(2), data)


@case("returned?", verdict=UNCLEAR)
def erased_says_the_log_and_there_again_without_its_tombstone(it: Collection, folder: Path) -> None:
    erased_and_there_again(it, folder)
    it.path(2, tombstone.KIND).unlink()


# --- locks by policy -------------------------------------------------------------------------


def _kept_by_policy(it: Collection, folder: Path) -> int:
    """Add a bundle that its policy keeps for thirty days; return its number."""
    it.add(*it.seal(folder / "spool", minutes_ago=90, retain_days=30))
    return len(it.ids) - 1


@case(verdict=PASSED, notes=("unenforced",))
def locked_as_its_policy_says(it: Collection, folder: Path) -> None:
    key = it.key(_kept_by_policy(it, folder))
    DirectoryStore(it.root).retain(key, Retention(until=_in(31)))


@case("unlocked?", verdict=UNCLEAR)
def copy_without_the_lock_of_its_policy(it: Collection, folder: Path) -> None:
    """Nothing says that this very store has ever locked it."""
    _kept_by_policy(it, folder)


@case("unlocked?", verdict=UNCLEAR)
def copy_with_a_shorter_lock(it: Collection, folder: Path) -> None:
    key = it.key(_kept_by_policy(it, folder))
    DirectoryStore(it.root).retain(key, Retention(until=_in(29)))


@case("unlocked", verdict=FAILED)
def lock_gone(it: Collection, folder: Path) -> None:
    number = _kept_by_policy(it, folder)
    it.record(number, INGESTION, receipt=_locked(it.receipt(number)))


@case("unlocked", verdict=FAILED)
def lock_shortened(it: Collection, folder: Path) -> None:
    lock_gone(it, folder)
    DirectoryStore(it.root).retain(it.key(len(it.ids) - 1), Retention(until=_in(29)))


@case("unlocked?", verdict=UNCLEAR)
def lock_that_can_not_be_read(it: Collection, folder: Path) -> None:
    key = it.key(_kept_by_policy(it, folder))
    DirectoryStore(it.root).retain(key, Retention(until=_in(31)))
    it.put(f".locks/{key}", b"hello")


# --- locks by receipts and holds -------------------------------------------------------------


def _locked(receipt: Receipt, days: int = 30, mode: str = "GOVERNANCE") -> Receipt:
    return replace(receipt, lock_mode=mode, retain_until=_in(days))


@case("unlocked", verdict=FAILED)
def lock_of_a_logged_receipt_gone(it: Collection, folder: Path) -> None:
    it.record(2, INGESTION, receipt=_locked(it.receipt(2)))


@case("unlocked?", verdict=UNCLEAR)
def lock_of_a_receipt_that_anybody_may_have_written(it: Collection, folder: Path) -> None:
    entries = list(it.leaves)
    it.record(2, INGESTION, receipt=_locked(it.receipt(2)))
    it.rewrite(entries)


@case("unlocked", verdict=FAILED)
def lock_weaker_than_its_receipt(it: Collection, folder: Path) -> None:
    it.record(2, INGESTION, receipt=_locked(it.receipt(2), mode="COMPLIANCE"))
    DirectoryStore(it.root).retain(it.key(2), Retention(until=_in(40)))


@case(verdict=PASSED, notes=("unenforced",))
def lock_extended_since_its_receipt(it: Collection, folder: Path) -> None:
    it.record(2, INGESTION, receipt=_locked(it.receipt(2)))
    DirectoryStore(it.root).retain(it.key(2), Retention(until=_in(40), mode="COMPLIANCE"))


@case(verdict=PASSED)
def lock_of_a_receipt_that_has_ended(it: Collection, folder: Path) -> None:
    it.record(2, INGESTION, receipt=_locked(it.receipt(2), days=-1))


@case(verdict=PASSED)
def receipt_of_another_store(it: Collection, folder: Path) -> None:
    """A copy has the custody of the first store beside its bundles, and locks of its own."""
    elsewhere = replace(_locked(it.receipt(2)), store="f" * 32, version="7")
    it.record(2, INGESTION, receipt=elsewhere)


@case("unlocked", verdict=FAILED)
def hold_without_its_flag(it: Collection, folder: Path) -> None:
    it.hold(2)


@case(verdict=PASSED, notes=("unenforced",))
def hold_with_its_flag(it: Collection, folder: Path) -> None:
    it.hold(2)
    DirectoryStore(it.root).set_legal_hold(it.key(2), on=True)


@case("unlocked?", verdict=UNCLEAR)
def hold_of_a_stranger(it: Collection, folder: Path) -> None:
    it.hold(2, signer=bundles.new_signer())


@case("custody-broken?", verdict=UNCLEAR)
def hold_that_is_junk(it: Collection, folder: Path) -> None:
    it.put(f"{it.key(2)}.hold-0001.json", b"hello\n")


@case("unlocked", verdict=FAILED)
def hold_record_taken_away_and_the_flag_with_it(it: Collection, folder: Path) -> None:
    it.record(2, "policy assignment", receipt=it.receipt(2, legal_hold=True))


@case(verdict=PASSED)
def hold_lifted(it: Collection, folder: Path) -> None:
    it.record(2, "policy assignment", receipt=it.receipt(2, legal_hold=True))
    it.record(2, "policy assignment", receipt=it.receipt(2))


# --- receipts of this machine ----------------------------------------------------------------


def _receipts(it: Collection, *numbers: int, **changes: Any) -> dict[str, Any]:
    kept = {it.ids[n]: KeptReceipts(receipts=(it.receipt(n, **changes),)) for n in numbers}
    return {"receipts": ReceiptsOf(kept)}


def _without_log(it: Collection) -> None:
    """Take the log away, and every proof that there was one."""
    shutil.rmtree(it.root / "log")
    for path in it.root.rglob("*.tlog-proof"):
        path.unlink()


@case(verdict=PASSED)
def receipts_that_fit(it: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(it, 0, 1, 2, 3, 4)


@case("deleted", "no-log?", verdict=FAILED, remembers=False)
def deleted_and_the_log_with_it(it: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(it, 2)
    it.path(2).unlink()
    _without_log(it)
    return kept


@case("deleted?", "no-log?", verdict=UNCLEAR, remembers=False)
def erased_and_no_log(it: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(it, 2)
    it.erase(2)
    _without_log(it)
    return kept


@case("deleted", "no-log?", verdict=FAILED, remembers=False)
def erased_by_a_stranger_and_no_log(it: Collection, folder: Path) -> dict[str, Any]:
    kept = _receipts(it, 2)
    it.erase(2, signer=bundles.new_signer())
    _without_log(it)
    return kept


@case("replaced", verdict=FAILED)
def other_bytes_than_were_put(it: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(it, 2, sha256="0" * 64)


@case("unlocked", verdict=FAILED)
def lock_that_the_store_answered_gone(it: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(it, 2, lock_mode="COMPLIANCE", retain_until=_in(30))


@case("deleted", verdict=FAILED)
def sidecar_deleted(it: Collection, folder: Path) -> dict[str, Any]:
    lost = it.receipt(2, key=layout.sidecar_key(it.key(2), "late-01.tsr"))
    return {"receipts": ReceiptsOf({it.ids[2]: KeptReceipts(receipts=(lost,))})}


@case("unrecorded?", verdict=UNCLEAR)
def receipt_that_can_not_be_read(it: Collection, folder: Path) -> dict[str, Any]:
    kept = KeptReceipts(receipts=(it.receipt(2),), problems=("line 3: torn",))
    return {"receipts": ReceiptsOf({it.ids[2]: kept})}


@case(verdict=PASSED)
def receipts_of_another_store_of_this_machine(it: Collection, folder: Path) -> dict[str, Any]:
    return _receipts(it, 2, store="f" * 32, sha256="0" * 64)


# --- locks of what stands beside ---------------------------------------------------------------


class Enforcing(DirectoryStore):
    """A directory whose records of locks are taken for a server's: what a bucket would answer."""

    @override
    def lock_state(self, key: str, version: str = "") -> LockState:
        return replace(super().lock_state(key, version), enforced=True)


def _lock_all(it: Collection, number: int, days: int, *, but: str = "") -> None:
    bundle = it.path(number)
    for path in sorted(bundle.parent.glob(f"{bundle.name}*")):
        if not (but and path.name.endswith(but)):
            Enforcing(it.root).retain(str(path.relative_to(it.root)), Retention(until=_in(days)))


class Reserved(Enforcing):
    """A server that says of bundles alone how they are locked."""

    @override
    def lock_state(self, key: str, version: str = "") -> LockState:
        if not key.startswith("bundles/"):
            raise SnapshotterError("no right to ask")
        return super().lock_state(key, version)


@case(verdict=PASSED, notes=("unlocked",))
def records_whose_locks_the_store_does_not_say(it: Collection, folder: Path) -> dict[str, Any]:
    _report(it)
    _lock_all(it, 2, 30)
    return {"open_store": Reserved}


@case(verdict=PASSED, notes=("unlocked",))
def sidecars_locked_as_their_bundle(it: Collection, folder: Path) -> dict[str, Any]:
    """Of the report and the log, which no command of ours locks, it is told once."""
    _report(it)
    _lock_all(it, 2, 30)
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_without_the_lock_of_its_bundle(it: Collection, folder: Path) -> dict[str, Any]:
    _lock_all(it, 2, 30, but="tlog-proof")
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_locked_for_less_long(it: Collection, folder: Path) -> dict[str, Any]:
    _lock_all(it, 2, 30)
    _lock_all(it, 2, 40, but="tlog-proof")
    return {"open_store": Enforcing}


@case("unlocked?", verdict=UNCLEAR)
def sidecar_not_held_as_its_bundle(it: Collection, folder: Path) -> dict[str, Any]:
    Enforcing(it.root).set_legal_hold(it.key(2), on=True)
    return {"open_store": Enforcing}


@case("unlocked", verdict=FAILED)
def lock_of_a_sidecar_gone_that_the_store_answered(it: Collection, folder: Path) -> dict[str, Any]:
    key = layout.sidecar_key(it.key(2), "tlog-proof")
    it.record(2, INGESTION, receipt=_locked(it.receipt(2, key=key)))
    _lock_all(it, 2, 30, but="tlog-proof")
    return {"open_store": Enforcing}


@case(verdict=PASSED, notes=("unenforced",))
def sidecars_where_nothing_enforces_a_lock(it: Collection, folder: Path) -> None:
    """A record keeps nothing: that is told once, and of no sidecar."""
    it.hold(2)
    DirectoryStore(it.root).set_legal_hold(it.key(2), on=True)


@_CASES.parametrized
def test_kept(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)


@pytest.mark.parametrize("part", [0, 1])
def test_a_renewal_that_was_logged_and_is_gone_is_told_of(
    spoiled: Collection, tmp_path: Path, part: int
) -> None:
    """Its writer may have died before it was stored: never FAILED, and never silent."""
    it, always = spoiled, timedelta(days=36_500)
    sha512 = hashlib.sha512(it.path(2).read_bytes()).hexdigest()
    text = renewal.Renewal(bundle_id=it.ids[2], sha512=sha512, covers={}).encode()
    for kind, data in zip(names.renewal(1), (text, it.authority.response(text)), strict=True):
        it.put(f"{it.key(2)}.{kind}", data)
    it.append(renewal.leaf_of(text, it.ids[2]))
    seen = it.audited(tmp_path / "first.sqlite", renewal_within=always)
    assert (seen.kinds, seen.notes) == (set(), {"renewal-due"})

    it.path(2, names.renewal(1)[part]).unlink()

    found = it.audited(tmp_path / "a", remembered=seen.to_remember, renewal_within=always)
    assert (found.kinds, found.notes) == ({"renewal-gone?"}, {"renewal-due"})
    new = it.audited(tmp_path / "b", renewal_within=always)  # its writer may be at work
    assert (new.kinds, new.notes) == (set(), {"renewal-gone", "renewal-due"})
    unneeded = it.audited(tmp_path / "c", remembered=seen.to_remember)
    assert (unneeded.kinds, unneeded.notes) == (set(), {"renewal-gone"})


def test_a_file_of_receipts_that_can_not_be_read_ends_nothing(
    spoiled: Collection, tmp_path: Path
) -> None:
    class Unreadable(ReceiptsOf):
        @override
        def of(self, bundle_id: str) -> KeptReceipts:
            raise SnapshotterError("the disk is broken")

    spoiled.path(3).unlink()
    receipts = Unreadable({it: KeptReceipts() for it in spoiled.ids})

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
