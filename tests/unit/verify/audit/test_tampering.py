"""Everything that whoever keeps a store, or has its keys, can do to it; and what names it."""

import hashlib
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.proofs import tiles
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.verify.trust import COMPROMISED, SUPERSEDED, Trust
from tests import audited, bundles
from tests.audited import Audited, Collection, leaf
from tests.bundles import flipped
from tests.unit.verify.audit.cases import FAILED, PASSED, UNCLEAR, Case, Cases, check

DAY = timedelta(days=1)
_ENDLESS = 1 << 42  # bytes; file systems differ in what they allow

_CASES = Cases()
case = _CASES.case


# --- the log as a whole ----------------------------------------------------------------------


@case("rolled-back", "unlogged?", verdict=FAILED)
def log_of_yesterday(collection: Collection, folder: Path) -> None:
    collection.rewrite(collection.leaves[:3])


@case("rolled-back", "unlogged?", verdict=FAILED, remembers=False)
def log_of_yesterday_for_an_auditor_who_saw_nothing(collection: Collection, folder: Path) -> None:
    collection.rewrite(collection.leaves[:3])  # the proofs beside the bundles name the larger tree


@case("rolled-back", "unlogged?", verdict=FAILED)
def checkpoint_of_yesterday_alone(collection: Collection, folder: Path) -> None:
    collection.put(
        "log/checkpoint",
        audited.checkpoint(collection.leaves[:4], collection.log, (collection.witness,)),
    )


@case("rolled-back", verdict=FAILED)
def log_gone(collection: Collection, folder: Path) -> None:
    shutil.rmtree(collection.root / "log")


@case("rolled-back?", "no-log?", verdict=UNCLEAR, remembers=False)
def log_gone_and_proofs_of_it_left(collection: Collection, folder: Path) -> None:
    """It may be a copy of the bundles, which never had one."""
    shutil.rmtree(collection.root / "log")


@case("no-log?", verdict=UNCLEAR, remembers=False)
def log_gone_and_every_proof_of_it(collection: Collection, folder: Path) -> None:
    shutil.rmtree(collection.root / "log")
    for number in range(len(collection.ids)):
        collection.path(number, "tlog-proof").unlink()


@case("rolled-back", "no-log?", verdict=FAILED, remembers=False)
def log_gone_and_the_witness_is_asked(collection: Collection, folder: Path) -> dict[str, Any]:
    seen = collection.checkpoint()
    log_gone_and_every_proof_of_it(collection, folder)
    return {"checkpoints": (("from the witness", seen),)}


@case("log-broken", "rolled-back", verdict=FAILED)
def folder_in_the_place_of_the_checkpoint(collection: Collection, folder: Path) -> None:
    (collection.root / "log/checkpoint").unlink()
    (collection.root / "log/checkpoint").mkdir()


@case("log-broken", verdict=FAILED)
def link_in_the_place_of_a_tile(collection: Collection, folder: Path) -> None:
    tile = collection.root / "log/tile/0/000.p/5"
    tile.symlink_to(tile.rename(folder / "elsewhere"))


@case("deleted", verdict=FAILED)
def link_in_the_place_of_a_report(collection: Collection, folder: Path) -> None:
    report = collection.root / _report(collection)
    report.symlink_to(report.rename(folder / "elsewhere"))


@case("log-broken", "rolled-back", verdict=FAILED)
def checkpoint_gone(collection: Collection, folder: Path) -> None:
    (collection.root / "log/checkpoint").unlink()


@case("forked", "unlogged?", verdict=FAILED)
def entry_left_out_and_signed_again(collection: Collection, folder: Path) -> None:
    collection.rewrite([*collection.leaves[:1], *collection.leaves[2:], collection.leaves[0]])


@case("forked", "rolled-back", "unlogged?", verdict=FAILED, remembers=False)
def entry_left_out_and_signed_again_for_an_auditor_who_saw_nothing(
    collection: Collection, folder: Path
) -> None:
    collection.rewrite([*collection.leaves[:1], *collection.leaves[2:]])


@case("forked", verdict=FAILED)
def bundle_and_its_entry_taken_away_and_the_log_filled_up(
    collection: Collection, folder: Path
) -> None:
    collection.path(1).unlink()
    collection.path(1, "tlog-proof").unlink()
    padding = [Leaf(kind="note", name=f"n{number}", sha256="0" * 64) for number in range(9)]
    collection.rewrite(
        [*collection.leaves[:1], *collection.leaves[2:], *(entry.encode() for entry in padding)]
    )


@case("forked", "unwitnessed?", verdict=FAILED)
def stolen_log_key_writes_another_history(collection: Collection, folder: Path) -> None:
    # A witness saw the first one, and does not sign the second.
    collection.rewrite([*reversed(collection.leaves)], witnessed=False)


@case("unwitnessed?", verdict=UNCLEAR, remembers=False)
def stolen_log_key_and_no_proof_left(collection: Collection, folder: Path) -> None:
    for number in range(len(collection.ids)):
        collection.path(number, "tlog-proof").unlink()
    collection.rewrite([*reversed(collection.leaves)], witnessed=False)


@case("forked", "unwitnessed?", verdict=FAILED, remembers=False)
def stolen_log_key_and_the_witness_is_asked(collection: Collection, folder: Path) -> dict[str, Any]:
    seen = collection.checkpoint()
    stolen_log_key_and_no_proof_left(collection, folder)
    return {"checkpoints": (("from the witness", seen),)}


@case("rolled-back", "unlogged?", verdict=FAILED, remembers=False)
def older_log_and_the_witness_is_asked(collection: Collection, folder: Path) -> dict[str, Any]:
    seen = collection.checkpoint()
    for number in range(len(collection.ids)):
        collection.path(number, "tlog-proof").unlink()
    collection.rewrite(collection.leaves[:3])
    return {"checkpoints": (("from the witness", seen),)}


@case("proof-broken?", verdict=UNCLEAR)
def given_checkpoint_is_no_checkpoint(collection: Collection, folder: Path) -> dict[str, Any]:
    return {"checkpoints": (("a file", b"hello\n"),)}


@case("proof-broken?", verdict=UNCLEAR)
def given_checkpoint_is_signed_by_somebody_else(
    collection: Collection, folder: Path
) -> dict[str, Any]:
    return {"checkpoints": (("a file", audited.checkpoint(collection.leaves, audited.log_key())),)}


@case("forked", "untrusted-log?", verdict=FAILED)
def another_log_in_its_place(collection: Collection, folder: Path) -> None:
    collection.log = audited.log_key("other.test/log")
    collection.rewrite(collection.leaves)


@case("untrusted-log?", verdict=UNCLEAR, remembers=False)
def another_log_in_its_place_for_an_auditor_who_saw_nothing(
    collection: Collection, folder: Path
) -> None:
    collection.log = audited.log_key("other.test/log")
    collection.rewrite(collection.leaves)


@case("log-broken", verdict=FAILED)
def checkpoint_by_another_key_of_the_same_name(collection: Collection, folder: Path) -> None:
    collection.put(
        "log/checkpoint",
        audited.checkpoint(collection.leaves, audited.log_key(), (collection.witness,)),
    )


@case("log-broken", verdict=FAILED)
def checkpoint_with_a_flipped_signature(collection: Collection, folder: Path) -> None:
    signed = collection.checkpoint().decode().split("\n")
    signed[4] = signed[4][:-6] + ("A" if signed[4][-6] != "A" else "B") + signed[4][-5:]
    collection.put("log/checkpoint", "\n".join(signed).encode())


@case("log-broken", "rolled-back", verdict=FAILED)
def checkpoint_cut_short(collection: Collection, folder: Path) -> None:
    collection.put("log/checkpoint", collection.checkpoint()[:40])


@case("forked", "log-broken", verdict=FAILED)
def checkpoint_that_names_another_root(collection: Collection, folder: Path) -> None:
    # As many entries, signed and witnessed; and not those that are there.
    collection.put(
        "log/checkpoint",
        audited.checkpoint(collection.leaves[::-1], collection.log, (collection.witness,)),
    )


@case("log-broken", "unlogged?", verdict=FAILED)
def entries_missing(collection: Collection, folder: Path) -> None:
    (collection.root / "log/tile/entries/000.p/5").unlink()


@case("log-broken", "unlogged?", verdict=FAILED)
def entries_and_their_hashes_missing(collection: Collection, folder: Path) -> None:
    (collection.root / "log/tile/entries/000.p/5").unlink()
    (collection.root / "log/tile/0/000.p/5").unlink()


@case("log-broken", "unlogged?", verdict=FAILED)
def entry_changed(collection: Collection, folder: Path) -> None:
    other = Leaf(kind="note", name="x", sha256="0" * 64).encode()
    entries = [*collection.leaves[:2], other, *collection.leaves[3:]]
    collection.put("log/tile/entries/000.p/5", tiles.encode_entries(entries))


@case("log-broken", "unlogged?", verdict=FAILED)
def entry_added_without_a_checkpoint(collection: Collection, folder: Path) -> None:
    collection.put(
        "log/tile/entries/000.p/5", tiles.encode_entries([*collection.leaves, collection.leaves[0]])
    )


@case("log-broken", verdict=FAILED)
def hash_in_a_tile_changed(collection: Collection, folder: Path) -> None:
    path = "log/tile/0/000.p/5"
    collection.put(path, flipped((collection.root / path).read_bytes()))


@case("log-broken", verdict=FAILED)
def tile_missing(collection: Collection, folder: Path) -> None:
    (collection.root / "log/tile/0/000.p/5").unlink()


@case("log-broken", verdict=FAILED)
def tile_too_long(collection: Collection, folder: Path) -> None:
    collection.put("log/tile/0/000.p/5", b"\0" * 100_000)


@case("log-broken", verdict=FAILED)
def entry_that_is_no_leaf(collection: Collection, folder: Path) -> None:
    collection.leaves.append(b"hello")
    collection.publish()


@case("unwitnessed?", verdict=UNCLEAR)
def witness_taken_away(collection: Collection, folder: Path) -> None:
    collection.publish(witnessed=False)


@case("unwitnessed?", verdict=UNCLEAR)
def witness_made_up(collection: Collection, folder: Path) -> None:
    collection.put(
        "log/checkpoint",
        audited.checkpoint(collection.leaves, collection.log, (audited.witness_key(),)),
    )


@case("unwitnessed?", verdict=UNCLEAR)
def witness_of_tomorrow(collection: Collection, folder: Path) -> None:
    collection.publish(at=datetime.now(UTC) + DAY)


@case("stale?", verdict=UNCLEAR)
def witness_of_last_month(collection: Collection, folder: Path) -> None:
    collection.publish(at=datetime.now(UTC) - 30 * DAY)


@case("replaced", verdict=FAILED)
def name_logged_twice_with_two_digests(collection: Collection, folder: Path) -> None:
    collection.append(leaf(collection.ids[2], b"something else"))


@case(verdict=PASSED, notes=("logged-again",))
def name_logged_twice_with_one_digest(collection: Collection, folder: Path) -> None:
    collection.append(leaf(collection.ids[2], collection.path(2).read_bytes()))


@case(verdict=PASSED)
def entry_of_a_kind_that_comes_later(collection: Collection, folder: Path) -> None:
    collection.append(Leaf(kind="weather", name="fine", sha256="0" * 64))


@case("log-broken", verdict=FAILED)
def tile_of_a_larger_log_changed(collection: Collection, folder: Path) -> None:
    collection.append(
        *(Leaf(kind="note", name=f"n{number}", sha256="0" * 64) for number in range(600))
    )
    path = "log/tile/1/000.p/2"
    collection.put(path, flipped((collection.root / path).read_bytes()))


@case("log-broken", verdict=FAILED)
def whole_tile_of_a_larger_log_missing(collection: Collection, folder: Path) -> None:
    collection.append(
        *(Leaf(kind="note", name=f"n{number}", sha256="0" * 64) for number in range(600))
    )
    (collection.root / "log/tile/0/001").unlink()


@case(verdict=PASSED)
def log_that_grew_over_several_tiles(collection: Collection, folder: Path) -> None:
    collection.append(
        *(Leaf(kind="note", name=f"n{number}", sha256="0" * 64) for number in range(600))
    )


@case(verdict=PASSED)
def partial_tile_gone_and_the_whole_one_there(collection: Collection, folder: Path) -> None:
    """The next batch is on its way: its files are there, and its checkpoint is not."""
    grown = [*collection.leaves, *(collection.leaves[0] for _ in range(300))]
    for path, data in audited.files(grown).items():
        collection.put(f"log/{path}", data)
    (collection.root / "log/tile/0/000.p/5").unlink()
    (collection.root / "log/tile/entries/000.p/5").unlink()


@case(verdict=PASSED)
def lock_of_the_newest_tree(collection: Collection, folder: Path) -> None:
    collection.lock(collection.leaves)


@case("stale?", verdict=UNCLEAR)
def lock_of_a_tree_that_was_never_published(collection: Collection, folder: Path) -> None:
    """A writer died between commit and publishing, or the checkpoint alone was set back."""
    collection.lock([*collection.leaves, collection.leaves[0]])


@case("rolled-back?", verdict=UNCLEAR)
def lock_of_an_older_tree(collection: Collection, folder: Path) -> None:
    collection.lock(collection.leaves[:3])


@case("forked", verdict=FAILED)
def lock_of_another_history(collection: Collection, folder: Path) -> None:
    collection.lock(collection.leaves[::-1])


@case(verdict=PASSED)
def lock_that_nobody_signed(collection: Collection, folder: Path) -> None:
    collection.put("log/lock", b"hello")


@case("older-trust?", verdict=UNCLEAR)
def trust_file_that_is_not_the_newest(collection: Collection, folder: Path) -> None:
    collection.trust = replace(collection.trust, version=4)
    collection.append(Leaf(kind="trust", name="5", sha256="0" * 64))


@case(verdict=PASSED)
def trust_file_that_is_the_newest(collection: Collection, folder: Path) -> None:
    collection.trust = replace(collection.trust, version=5, sha256="0" * 64)
    collection.append(Leaf(kind="trust", name="5", sha256="0" * 64))


@case("older-trust?", verdict=UNCLEAR)
def trust_file_of_which_another_one_was_logged(collection: Collection, folder: Path) -> None:
    """The root key has signed two files of one version."""
    collection.trust = replace(collection.trust, version=5, sha256="1" * 64)
    collection.append(Leaf(kind="trust", name="5", sha256="0" * 64))


def _report(collection: Collection) -> str:
    """Put a report into store and log; return its key."""
    report_id = bundles.bundle_id(datetime.now(UTC))
    data = canonical_json.dumps({"signer": collection.signer.key_id})
    key = store_keys.report_key(report_id)
    collection.put(f"{key}.sig", collection.signer.sign(data))
    collection.put(key, data)
    collection.append(Leaf(kind="report", name=report_id, sha256=hashlib.sha256(data).hexdigest()))
    return key


@case(verdict=PASSED)
def report_of_an_earlier_audit(collection: Collection, folder: Path) -> None:
    _report(collection)


@case("altered", verdict=FAILED)
def signature_of_an_earlier_report_changed(collection: Collection, folder: Path) -> None:
    key = f"{_report(collection)}.sig"
    collection.put(key, flipped((collection.root / key).read_bytes()))


@case("deleted", verdict=FAILED)
def signature_of_an_earlier_report_deleted(collection: Collection, folder: Path) -> None:
    (collection.root / f"{_report(collection)}.sig").unlink()


@case("deleted", verdict=FAILED)
def report_of_an_earlier_audit_deleted(collection: Collection, folder: Path) -> None:
    (collection.root / _report(collection)).unlink()


@case("altered", verdict=FAILED)
def report_of_an_earlier_audit_edited(collection: Collection, folder: Path) -> None:
    collection.put(_report(collection), b"[]")


# --- the store against the log ---------------------------------------------------------------


@case("deleted", verdict=FAILED)
def bundle_deleted(collection: Collection, folder: Path) -> None:
    collection.path(2).unlink()


@case("deleted", verdict=FAILED)
def bundle_deleted_with_all_beside_it(collection: Collection, folder: Path) -> None:
    collection.path(2).unlink()
    collection.path(2, "tlog-proof").unlink()


@case("deleted", verdict=FAILED, remembers=False)
def every_bundle_deleted(collection: Collection, folder: Path) -> None:
    shutil.rmtree(collection.root / "bundles")


@case("deleted", verdict=FAILED)
def link_in_the_place_of_a_bundle(collection: Collection, folder: Path) -> None:
    elsewhere = collection.path(2).rename(folder / "elsewhere")
    collection.path(2).symlink_to(elsewhere)


@case("altered", verdict=FAILED)
def one_bit_flipped(collection: Collection, folder: Path) -> None:
    collection.put(collection.key(2), flipped(collection.path(2).read_bytes()))


@case("altered", verdict=FAILED)
def bundle_cut_short(collection: Collection, folder: Path) -> None:
    collection.put(collection.key(2), collection.path(2).read_bytes()[:-1])


@case("altered", verdict=FAILED)
def bundle_emptied(collection: Collection, folder: Path) -> None:
    collection.put(collection.key(2), b"")


@case("replaced", verdict=FAILED)
def sealed_again_under_the_same_name(collection: Collection, folder: Path) -> None:
    """By somebody who has the signing key, and an authority that answers."""
    members = bundles.unpack(collection.path(2).read_bytes())
    changes = {"capture/dom.html": b"<title>Another page</title>"}
    again = bundles.resealed(members, changes, collection.signer, collection.authority.response)
    collection.put(collection.key(2), bundles.pack(again))


@case("replaced", verdict=FAILED)
def two_bundles_swapped(collection: Collection, folder: Path) -> None:
    first, second = collection.path(1).read_bytes(), collection.path(2).read_bytes()
    collection.put(collection.key(1), second)
    collection.put(collection.key(2), first)


@case("unlogged?", verdict=UNCLEAR)
def bundle_put_in(collection: Collection, folder: Path) -> None:
    collection.store(*collection.seal(folder / "spool", minutes_ago=180))


@case("unlogged", verdict=FAILED)
def bundle_put_in_for_later(collection: Collection, folder: Path) -> dict[str, Any]:
    _, data = collection.seal(folder / "spool", minutes_ago=180)
    collection.store(bundles.bundle_id(datetime.now(UTC) + 30 * DAY), data)
    return {"sample": 0}  # what it holds is another question


@case(verdict=PASSED, notes=("waiting",))
def bundle_that_was_stored_right_now(collection: Collection, folder: Path) -> None:
    collection.store(*collection.seal(folder / "spool", minutes_ago=1))


@case("unlogged?", "unproven?", verdict=UNCLEAR)
def bundle_of_a_stranger_put_in(collection: Collection, folder: Path) -> None:
    stranger = bundles.new_signer()
    collection.store(*collection.seal(folder / "spool", minutes_ago=180, signer=stranger))


@case("replaced", "unlogged?", verdict=FAILED)
def bundle_put_in_a_second_time_under_another_name(collection: Collection, folder: Path) -> None:
    other = bundles.bundle_id(datetime.now(UTC) - DAY)
    collection.store(other, collection.path(2).read_bytes())


@case("deleted", verdict=FAILED, notes=("surplus",))
def bundle_moved_to_another_day(collection: Collection, folder: Path) -> None:
    collection.put(f"bundles/2001/01/01/{collection.ids[2]}.wacz", collection.path(2).read_bytes())
    collection.path(2).unlink()


@case(verdict=PASSED, notes=("surplus",))
def junk_among_the_bundles(collection: Collection, folder: Path) -> None:
    collection.put("bundles/readme", b"hello")
    collection.put(f"bundles/2001/01/01/20010101t000000z-{'a' * 16}.wacz.tlog-proof", b"hello")


# --- what stands beside a bundle -------------------------------------------------------------


@case(verdict=PASSED)
def proof_taken_away(collection: Collection, folder: Path) -> None:
    collection.path(2, "tlog-proof").unlink()  # the log itself is there


@case("proof-broken?", verdict=UNCLEAR)
def proof_is_junk(collection: Collection, folder: Path) -> None:
    collection.put(f"{collection.key(2)}.tlog-proof", b"hello")


@case("proof-broken?", verdict=UNCLEAR)
def proof_of_another_bundle(collection: Collection, folder: Path) -> None:
    collection.put(f"{collection.key(2)}.tlog-proof", collection.path(3, "tlog-proof").read_bytes())


@case("proof-broken?", verdict=UNCLEAR)
def proof_with_another_hash(collection: Collection, folder: Path) -> None:
    lines = collection.path(2, "tlog-proof").read_bytes().split(b"\n")
    lines[2] = lines[2].swapcase()
    collection.put(f"{collection.key(2)}.tlog-proof", b"\n".join(lines))


@case("forked", verdict=FAILED)
def proof_from_another_history(collection: Collection, folder: Path) -> None:
    """A checkpoint that the log did sign: whoever has its key told somebody something else."""
    other = [collection.leaves[2], *collection.leaves[:2]]
    collection.put(
        f"{collection.key(2)}.tlog-proof",
        audited.proof(other, 0, audited.checkpoint(other, collection.log)),
    )


@case("rolled-back", verdict=FAILED)
def proof_from_a_larger_history(collection: Collection, folder: Path) -> None:
    other = [*collection.leaves, collection.leaves[0]]
    collection.put(
        f"{collection.key(2)}.tlog-proof",
        audited.proof(other, 2, audited.checkpoint(other, collection.log)),
    )


@case("proof-broken?", "rolled-back?", verdict=UNCLEAR)
def proof_from_a_larger_history_that_nobody_signed(collection: Collection, folder: Path) -> None:
    """Anybody could have put it there: it must not make the audit FAILED."""
    other = [*collection.leaves, collection.leaves[0]]
    unsigned = audited.checkpoint(other, audited.log_key())
    collection.put(f"{collection.key(2)}.tlog-proof", audited.proof(other, 2, unsigned))


@case(verdict=PASSED, notes=("surplus",))
def late_token_is_junk(collection: Collection, folder: Path) -> None:
    collection.put(f"{collection.key(2)}.late-01.tsr", b"hello")


# --- the checkpoint that a record names ------------------------------------------------------


def _naming(collection: Collection, folder: Path, checkpoint: bytes) -> None:
    """Add a bundle whose signed record names this checkpoint."""
    bundle_id, data = collection.seal(folder / "spool", minutes_ago=90)
    members = bundles.unpack(data)
    record = bundles.record_of(members)
    record["log_checkpoint"] = checkpoint.decode()
    changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
    again = bundles.resealed(members, changes, collection.signer, collection.authority.response)
    collection.add(bundle_id, bundles.pack(again))


@case("invalid", verdict=FAILED)
def record_sealed_at_the_end_of_all_calendars(collection: Collection, folder: Path) -> None:
    """By whoever has the signing key: it must not break the audit of all others."""
    bundle_id, data = collection.seal(folder / "spool", minutes_ago=90, retain_days=36_500)
    members = bundles.unpack(data)
    record = {**bundles.record_of(members), "sealed_at": "9999-12-31T23:59:59Z"}
    changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
    again = bundles.resealed(members, changes, collection.signer, collection.authority.response)
    collection.add(bundle_id, bundles.pack(again))


def _of_an_hour_ago(collection: Collection, leaves: list[bytes]) -> bytes:
    at = datetime.now(UTC) - timedelta(minutes=100)
    return audited.checkpoint(leaves, collection.log, (collection.witness,), at=at)


@case(verdict=PASSED)
def record_that_names_an_older_tree(collection: Collection, folder: Path) -> None:
    _naming(collection, folder, _of_an_hour_ago(collection, collection.leaves[:4]))


@case("forked", verdict=FAILED)
def record_that_names_another_history(collection: Collection, folder: Path) -> None:
    _naming(collection, folder, _of_an_hour_ago(collection, collection.leaves[3::-1]))


@case("log-broken", verdict=FAILED)
def record_that_names_a_tree_with_a_bundle_of_no_day(collection: Collection, folder: Path) -> None:
    """By whoever has the log's key: it must not break the audit of all others."""
    collection.append(Leaf(kind="bundle", name=f"99999999t999999z-{'a' * 16}", sha256="0" * 64))
    _naming(collection, folder, _of_an_hour_ago(collection, collection.leaves))


@case("rolled-back", "backdated", "invalid", verdict=FAILED)
def record_that_names_a_larger_tree(collection: Collection, folder: Path) -> None:
    _naming(
        collection, folder, _of_an_hour_ago(collection, [*collection.leaves, *collection.leaves])
    )


@case("untrusted-log?", verdict=UNCLEAR)
def record_that_names_another_log(collection: Collection, folder: Path) -> None:
    other = audited.log_key("other.test/log")
    _naming(collection, folder, audited.checkpoint(collection.leaves, other))


@case(verdict=PASSED, notes=("backdated",))
def record_that_names_what_was_captured_later(collection: Collection, folder: Path) -> None:
    """By the clocks of two machines, of which one is wrong."""
    collection.add(*collection.seal(folder / "later", minutes_ago=30))
    _naming(collection, folder, _of_an_hour_ago(collection, collection.leaves))


# --- what is no fault ------------------------------------------------------------------------


def _with_key(trust: Trust, **changes: Any) -> Trust:
    return replace(trust, keys=tuple(replace(key, **changes) for key in trust.keys))


@case(verdict=PASSED)
def key_retired_after_the_captures(collection: Collection, folder: Path) -> None:
    collection.trust = _with_key(
        collection.trust,
        revoked_at=datetime.now(UTC) + timedelta(hours=1),
        revoked_reason=SUPERSEDED,
    )


@case(verdict=PASSED)
def key_past_its_period_today(collection: Collection, folder: Path) -> None:
    collection.trust = _with_key(
        collection.trust, not_after=datetime.now(UTC) + timedelta(seconds=1)
    )


@case("unproven?", verdict=UNCLEAR)
def key_retired_before_the_captures(collection: Collection, folder: Path) -> None:
    collection.trust = _with_key(
        collection.trust, revoked_at=datetime.now(UTC) - DAY, revoked_reason=SUPERSEDED
    )


@case("invalid", verdict=FAILED)
def key_compromised_before_the_captures(collection: Collection, folder: Path) -> None:
    collection.trust = _with_key(
        collection.trust, revoked_at=datetime.now(UTC) - DAY, revoked_reason=COMPROMISED
    )


@case("untrusted-log?", "unproven?", verdict=UNCLEAR)
def auditor_who_trusts_nobody(collection: Collection, folder: Path) -> None:
    collection.trust = Trust(source="nobody", keys=(), authorities=())


# --- what never comes to its end -------------------------------------------------------------


@case("altered", verdict=FAILED)
def file_of_terabytes_in_the_place_of_a_bundle(collection: Collection, folder: Path) -> None:
    """It costs its maker nothing, and must not keep an auditor for years."""
    with collection.path(1).open("wb") as file:
        file.truncate(_ENDLESS)


@case("altered", verdict=FAILED)
def file_of_terabytes_in_the_place_of_a_report(collection: Collection, folder: Path) -> None:
    with (collection.root / _report(collection)).open("wb") as file:
        file.truncate(_ENDLESS)


# --- the cases -------------------------------------------------------------------------------


def test_the_good_collection_passes(good: Audited) -> None:
    assert (good.kinds, good.notes, good.report.verdict) == (set(), set(), PASSED)
    assert good.to_remember is not None
    assert good.report.scope.read == good.report.scope.bundles == 5


def test_there_are_enough_ways_to_spoil_it() -> None:
    assert len(_CASES.all) >= 60


@_CASES.parametrized
def test_spoiled(spoilt: Case, spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    check(spoilt, spoiled, good, tmp_path)
