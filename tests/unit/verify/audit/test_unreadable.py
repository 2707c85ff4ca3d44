"""What can not be read is never taken for gone, what is gone never for unreadable."""

import errno
import hashlib
import io
import itertools
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import names
from snapshotter.formats.proofs import log_state, renewal
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.statements import holds
from snapshotter.model.bundle import LockState, StoredObject
from snapshotter.model.custody import KeptReceipts
from snapshotter.model.finding import Verdict
from snapshotter.store import s3
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.receipt_files import ReceiptFiles
from snapshotter.verify.audit import report as reports
from snapshotter.verify.audit.unreadable_objects import UnreadableObject
from tests.audited import Audited, Collection, ReceiptsOf
from tests.bundles import ChainAuthority, flipped
from tests.servers.bucket import Bucket, first, only, status, with_headers
from tests.special_files import SPECIAL
from tests.unit.verify.audit import kinds
from tests.unit.verify.audit.kinds import DISK, GONE, SERVER, Kinds

pytestmark = pytest.mark.long

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, authority: ChainAuthority) -> Kinds:
    return kinds.made(tmp_path_factory.mktemp("kinds"), authority)


@pytest.fixture(scope="module")
def seen(full: Kinds, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """What an audit of the good store found."""
    found = full.collection.audited(tmp_path_factory.mktemp("state") / "work.sqlite")
    assert (found.kinds, found.unread) == (set(), ())
    assert found.notes == {"gap", "takedown", "erased-by-order"}
    return found


@pytest.fixture(scope="module")
def served(full: Kinds) -> Iterator[Bucket]:
    with Bucket(full.collection.root) as bucket:
        yield bucket


@pytest.fixture
def bucket(served: Bucket) -> Iterator[Bucket]:
    yield served
    served.faults.clear()
    served.hidden.clear()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "work.sqlite"


def _code(found: Audited) -> int:
    return reports.exit_code(found.report)


def _audited(collection: Collection, workspace: Path, seen: Audited | None, **more: Any) -> Audited:
    return collection.audited(workspace, remembered=seen.to_remember if seen else None, **more)


# --- each kind of object, and each way in which it is not given ------------------------------


def test_a_bucket_that_answers_passes(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path
) -> None:
    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == (set(), 0)


# Each fault with each kind of object is for scripts/store_fault_matrix.py: here each at least once.


@pytest.mark.parametrize("kind", GONE)
def test_an_object_that_a_server_does_not_give_is_unreadable(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, kind: str
) -> None:
    bucket.faults[full.keys[kind]], code = SERVER["503"]

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, code), found.findings


# Waiting for an answer that never comes is for scripts/store_fault_matrix.py.
@pytest.mark.parametrize("fault", [name for name in SERVER if name != "silent"])
def test_a_log_that_a_server_does_not_give_is_not_said_to_be_gone(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, fault: str
) -> None:
    bucket.faults["log/checkpoint"], code = SERVER[fault]

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, code), found.findings


@pytest.mark.parametrize(
    "headers",
    [{}, {"ETag": '"a"', "Content-Length": "x"}, {"ETag": '"a"', "Last-Modified": "x"}],
    ids=["without-a-tag", "without-a-number", "without-a-time"],
)
@pytest.mark.parametrize("kind", ["checkpoint", "bundle"])
def test_an_answer_that_no_store_gives_neither_ends_an_audit_nor_accuses(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, kind: str, headers: dict[str, str]
) -> None:
    bucket.faults[full.keys[kind]] = only("HEAD", with_headers(headers))

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 11), found.findings


@pytest.mark.parametrize(
    "entry",
    [
        "<Contents><Key>gaps/x</Key></Contents>",
        "<Contents><Key>gaps/x</Key><Size>x</Size></Contents>",
        "<Contents><Key>log/x</Key><Size>1</Size></Contents>",
        "<CommonPrefixes><Prefix>gaps/</Prefix></CommonPrefixes>",
    ],
)
def test_a_listing_that_no_store_gives_neither_ends_an_audit_nor_goes_in_circles(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, entry: str
) -> None:
    body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entry}</ListBucketResult>"
    bucket.faults["?gaps/"] = status(200, body=body.encode())

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 11), found.findings


@pytest.mark.parametrize("step", [0, 1])
def test_a_listing_without_an_end_is_given_up(
    full: Kinds,
    seen: Audited,
    bucket: Bucket,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    monkeypatch.setattr(s3, "MAX_PAGES", 5)
    tokens = itertools.count(7, step)
    asked: list[Any] = []

    def endless(request: Any) -> bool:
        asked.append(request)
        more = "true" if len(asked) < 100 else "false"  # it ends, so that this test does
        body = (
            f"<ListBucketResult><IsTruncated>{more}</IsTruncated>"
            f"<NextContinuationToken>{next(tokens)}</NextContinuationToken></ListBucketResult>"
        )
        request.answer(200, body.encode())
        return True

    bucket.faults["?gaps/"] = endless

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert found.kinds == {"unreadable?"}, found.findings


def test_a_checkpoint_that_a_capture_replaces_while_it_is_read_is_read_again(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path
) -> None:
    bucket.faults["log/checkpoint"] = only("GET", first(1, status(412)))

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == (set(), 0), found.findings


@pytest.mark.parametrize("kind", GONE)
def test_an_object_that_a_disk_does_not_give_is_unreadable(
    full: Kinds, seen: Audited, workspace: Path, kind: str
) -> None:
    number, code = DISK["no-right"]

    found = _audited(
        full.collection, workspace, seen, open_store=kinds.refusing(full.keys[kind], number)
    )

    assert (found.kinds, _code(found)) == ({"unreadable?"}, code), found.findings


@pytest.mark.parametrize("kind", GONE)
def test_an_object_whose_bytes_can_not_be_read_is_unreadable(
    full: Kinds, seen: Audited, workspace: Path, kind: str
) -> None:
    opened = kinds.refusing(full.keys[kind], 0, is_opened=True)

    found = _audited(full.collection, workspace, seen, open_store=opened)

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 11), found.findings


@pytest.mark.parametrize("kind", GONE)
@pytest.mark.parametrize("special", ["nothing", "folder"])
def test_what_is_no_regular_file_in_the_place_of_an_object_is_gone(
    full: Kinds, seen: Audited, tmp_path: Path, kind: str, special: str
) -> None:
    spoiled = full.copy(tmp_path / "store")
    path = spoiled.root / full.keys[kind]
    path.unlink()
    if special != "nothing":
        SPECIAL[special](path)

    found = _audited(spoiled, tmp_path / "work.sqlite", seen)

    assert found.kinds == GONE[kind], found.findings
    assert _code(found) == (10 if GONE[kind] else 0)


@pytest.mark.parametrize("special", SPECIAL)
def test_whatever_else_stands_in_the_place_of_a_bundle_it_is_gone(
    full: Kinds, seen: Audited, tmp_path: Path, special: str
) -> None:
    spoiled = full.copy(tmp_path / "store")
    spoiled.path(0).unlink()
    SPECIAL[special](spoiled.path(0))

    found = _audited(spoiled, tmp_path / "work.sqlite", seen)

    assert found.kinds == {"deleted"}, found.findings
    assert "not a regular file" in next(
        finding.detail for finding in found.findings if finding.code == "deleted"
    )


@pytest.mark.parametrize("special", ["link-to-nothing", "link-to-a-folder", "pipe"])
def test_a_day_of_bundles_in_whose_place_something_else_stands_is_gone(
    full: Kinds, seen: Audited, tmp_path: Path, special: str
) -> None:
    spoiled = full.copy(tmp_path / "store")
    shutil.rmtree(spoiled.root / "bundles")
    SPECIAL[special](spoiled.root / "bundles")

    found = _audited(spoiled, tmp_path / "work.sqlite", seen)

    assert found.kinds == {"deleted"}, found.findings


# --- absence is confirmed --------------------------------------------------------------------


@pytest.mark.parametrize("kind", GONE)
def test_not_found_for_a_moment_is_not_gone(
    full: Kinds, seen: Audited, tmp_path: Path, kind: str
) -> None:
    """Neither a listing nor its name leads to the object, until a pause is over."""
    late = full.copy(tmp_path / "store")
    path = late.root / full.keys[kind]
    hidden = path.rename(tmp_path / "hidden")

    def pause() -> None:
        if not path.exists():
            hidden.rename(path)

    found = _audited(late, tmp_path / "work.sqlite", seen, pause=pause)

    assert found.report.verdict is not Verdict.FAILED, found.findings
    assert found.kinds <= {"unreadable?", "unlogged?"}
    if kind in ("checkpoint", "lock", "proof"):
        assert (found.kinds, _code(found)) == (set(), 0)


@pytest.mark.parametrize("kind", ["bundle", "report", "gap", "event", "checkpoint", "custody"])
def test_what_a_listing_shows_is_not_gone_and_not_there(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, kind: str
) -> None:
    """It may be gone, and the listing late; or the server says "not found" where it is not so."""
    bucket.faults[full.keys[kind]] = status(404)

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 30), found.findings


class _Hiding(DirectoryStore):
    """A store whose listing shows one object late."""

    key = ""

    @override
    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        return (
            stored for stored in super().list(prefix, reverse=reverse) if stored.key != self.key
        )


def test_a_hold_whose_lifting_is_listed_late_is_not_said_to_be_broken(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    spoiled = full.copy(tmp_path / "store")
    spoiled.hold(0)
    spoiled.lift(0)
    lifting = f"{spoiled.key(0)}.{holds.kind(2)}"
    hiding = type("Hiding", (_Hiding,), {"key": lifting})

    late = _audited(spoiled, tmp_path / "1.sqlite", seen, open_store=hiding)
    refused = _audited(spoiled, tmp_path / "2.sqlite", seen, open_store=kinds.refusing(lifting, 5))
    (spoiled.root / lifting).unlink()
    gone = _audited(spoiled, tmp_path / "3.sqlite", seen)

    assert (late.kinds, _code(late)) == ({"unreadable?"}, 30), late.findings
    assert (refused.kinds, _code(refused)) == ({"unreadable?", "unlocked?"}, 11)
    assert (gone.kinds, _code(gone)) == ({"unlocked"}, 10)


def test_there_is_one_pause_however_much_is_gone(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    spoiled = full.copy(tmp_path / "store")
    for kind in ("bundle", "report", "gap", "event"):
        (spoiled.root / full.keys[kind]).unlink()
    pauses: list[None] = []

    found = _audited(spoiled, tmp_path / "work.sqlite", seen, pause=lambda: pauses.append(None))

    assert (found.kinds, len(pauses)) == ({"deleted"}, 1)


def test_a_store_where_nothing_is_missing_is_not_waited_for(
    template: Collection, good: Audited, workspace: Path
) -> None:
    def pause() -> None:
        raise AssertionError("it waited")

    assert _audited(template, workspace, good, pause=pause).kinds == set()


def test_a_checkpoint_that_lags_behind_for_a_moment_is_no_rollback(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    spoiled = full.copy(tmp_path / "store")
    whole = (spoiled.root / "log/checkpoint").read_bytes()
    spoiled.put("log/checkpoint", _older(spoiled))

    found = _audited(
        spoiled,
        tmp_path / "work.sqlite",
        seen,
        pause=lambda: spoiled.put("log/checkpoint", whole),
    )

    assert found.kinds == set()


def _older(collection: Collection) -> bytes:
    from tests import audited

    return audited.checkpoint(collection.leaves[:2], collection.log, (collection.witness,))


def test_a_bundle_without_rights_is_looked_for_by_receipt_and_not_said_to_be_gone(
    full: Kinds, workspace: Path
) -> None:
    """The log does not name it, and a listing does not show it: this machine has stored it."""
    bundle_id = f"{datetime.now(UTC) - DAY:%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d"
    receipt = full.collection.receipt(
        0, key=f"bundles/{bundle_id[:4]}/{bundle_id[4:6]}/{bundle_id[6:8]}/{bundle_id}.wacz"
    )
    receipts = ReceiptsOf({bundle_id: KeptReceipts(receipts=(receipt,))})

    gone = full.collection.audited(workspace, receipts=receipts)
    unread = full.collection.audited(
        workspace, receipts=receipts, open_store=kinds.refusing(receipt.key, 13)
    )

    assert (gone.kinds, _code(gone)) == ({"deleted"}, 10)
    assert (unread.kinds, _code(unread)) == ({"unreadable?"}, 11)


def test_receipts_that_can_not_be_read_are_not_none(
    full: Kinds, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "receipts").write_bytes(b"in the way")

    found = full.collection.audited(workspace, receipts=ReceiptFiles(tmp_path / "receipts"))

    assert (found.kinds, _code(found)) == ({"unrecorded?"}, 11)


# --- what can not be read hides nothing else -------------------------------------------------


@pytest.mark.parametrize("kind", ["proof", "custody"])
def test_a_sidecar_that_can_not_be_read_hides_no_change_of_its_bundle(
    full: Kinds, seen: Audited, tmp_path: Path, kind: str
) -> None:
    spoiled = full.copy(tmp_path / "store")
    spoiled.put(spoiled.key(0), flipped(spoiled.path(0).read_bytes()))
    opened = kinds.refusing(full.keys[kind], 13)

    found = _audited(spoiled, tmp_path / "work.sqlite", seen, open_store=opened)

    assert (found.kinds, _code(found)) == ({"altered", "unreadable?"}, 10)


class _Tiring(io.BytesIO):
    """A stream that fails once more than its whole has been read."""

    left = 0
    error: Exception = OSError(errno.EIO, "bad sector")

    @override
    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.left -= len(data)
        if self.left < 0:
            raise self.error
        return data


@pytest.mark.parametrize(
    ("error", "code"), [(OSError(errno.EIO, "bad sector"), 11), (ServiceUnavailable("busy"), 30)]
)
def test_a_bundle_that_can_not_be_read_a_second_time_is_not_altered(
    full: Kinds, tmp_path: Path, error: Exception, code: int
) -> None:
    """A renewal is over another digest, for which the bundle is read again."""
    spoiled = full.copy(tmp_path / "store")
    text = renewal.Renewal(
        bundle_id=spoiled.ids[0],
        sha512=hashlib.sha512(spoiled.path(0).read_bytes()).hexdigest(),
        covers={},
    ).encode()
    for kind, data in zip(names.renewal(1), (text, spoiled.authority.response(text)), strict=True):
        spoiled.put(f"{spoiled.key(0)}.{kind}", data)

    class Tiring(DirectoryStore):
        @override
        def open(self, key: str) -> BinaryIO:
            if key != spoiled.key(0):
                return super().open(key)
            stream = _Tiring(spoiled.path(0).read_bytes())
            stream.left, stream.error = len(stream.getvalue()) * 3 // 2, error
            return stream

    found = spoiled.audited(tmp_path / "work.sqlite", open_store=Tiring)

    assert (found.kinds, _code(found)) == ({"unreadable?"}, code), found.findings


def test_a_tombstone_that_can_not_be_read_makes_no_deletion(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    """A bundle is gone: by order or not, nobody knows."""
    spoiled = full.copy(tmp_path / "store")
    spoiled.path(0).unlink()
    opened = kinds.refusing(f"{spoiled.key(0)}.tombstone.json", 5)

    found = _audited(spoiled, tmp_path / "work.sqlite", seen, open_store=opened)

    (unread,) = (finding for finding in found.findings if finding.code == "unreadable")
    assert (unread.key, _code(found)) == (spoiled.key(0), 11)
    assert "by order" in unread.detail


@pytest.mark.parametrize(("code", "ends_in"), [(403, 11), (503, 30)])
def test_a_listing_that_breaks_off_hides_no_deletion(
    full: Kinds, seen: Audited, tmp_path: Path, code: int, ends_in: int
) -> None:
    spoiled = full.copy(tmp_path / "store")
    with Bucket(spoiled.root) as bucket:
        bucket.faults["?bundles/"] = status(code)
        opened = kinds.bucket_store(bucket)

        whole = _audited(spoiled, tmp_path / "1.sqlite", seen, open_store=opened)
        spoiled.path(0).unlink()
        gone = _audited(spoiled, tmp_path / "2.sqlite", seen, open_store=opened)

    assert (whole.kinds, _code(whole)) == ({"unreadable?"}, ends_in), whole.findings
    assert whole.report.scope.read == 1
    assert (gone.kinds, _code(gone)) == ({"unreadable?", "deleted"}, 10), gone.findings


class _Unlocked(DirectoryStore):
    """A store that does not say how one object is locked."""

    key = ""
    error: SnapshotterError = SnapshotterError("no right to ask")

    @override
    def lock_state(self, key: str, version: str = "") -> LockState:
        if key == self.key:
            raise self.error
        return super().lock_state(key, version)


@pytest.mark.parametrize(
    ("error", "code"), [(ServiceUnavailable("busy"), 30), (SnapshotterError("no right"), 11)]
)
def test_a_lock_that_a_store_does_not_say_hides_no_change_of_the_bundle(
    full: Kinds, seen: Audited, tmp_path: Path, error: SnapshotterError, code: int
) -> None:
    spoiled = full.copy(tmp_path / "store")
    spoiled.hold(0)
    silent = type("Silent", (_Unlocked,), {"key": spoiled.key(0), "error": error})

    whole = _audited(spoiled, tmp_path / "work.sqlite", seen, open_store=silent)
    spoiled.put(spoiled.key(0), flipped(spoiled.path(0).read_bytes()))
    altered = _audited(spoiled, tmp_path / "work.sqlite", seen, open_store=silent)

    assert (whole.kinds, _code(whole)) == ({"unlocked?"}, code)
    assert (altered.kinds, _code(altered)) == ({"unlocked?", "altered"}, 10)


@pytest.mark.parametrize("body", [b"<html><p>please sign in</p></html>", b""])
def test_a_page_in_the_place_of_a_listing_is_no_empty_store(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path, body: bytes
) -> None:
    """A gateway answers with a page of its own."""
    bucket.faults["?bundles/"] = status(200, body=body)

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 11), found.findings


def test_a_store_that_throttles_a_third_of_all_requests_is_not_said_to_be_silent(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path
) -> None:
    bucket.faults[full.keys["event"]] = status(503)
    bucket.faults["?log/"] = first(2, status(503))

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == ({"unreadable?"}, 30)


def test_try_again_is_said_only_where_that_may_mend_all(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path
) -> None:
    bucket.faults[full.keys["gap"]] = status(503)
    bucket.faults[full.keys["event"]] = status(403)

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, found.report.retry, _code(found)) == ({"unreadable?"}, False, 11)


def test_a_checkpoint_that_is_busy_once_is_read(
    full: Kinds, seen: Audited, bucket: Bucket, workspace: Path
) -> None:
    bucket.faults["log/checkpoint"] = first(1, status(503))

    found = _audited(full.collection, workspace, seen, open_store=kinds.bucket_store(bucket))

    assert (found.kinds, _code(found)) == (set(), 0)


# --- what is withheld ------------------------------------------------------------------------


def _days(
    full: Kinds, workspace: Path, seen: Audited, days: list[float], **more: Any
) -> list[Audited]:
    """Audit so many days from now, each time with what is remembered of the time before."""
    found: list[Audited] = []
    unread: tuple[UnreadableObject, ...] = more.pop("unread", ())
    for day in days:
        at = datetime.now(UTC) + day * DAY
        found.append(
            _audited(full.collection, workspace, seen, now=lambda at=at: at, unread=unread, **more)
        )
        unread = found[-1].unread
    return found


@pytest.mark.parametrize(
    "kind", ["checkpoint", "entries", "bundle", "custody", "tombstone", "report", "event"]
)
def test_what_was_read_and_is_busy_for_a_day_is_withheld(
    full: Kinds, seen: Audited, workspace: Path, kind: str
) -> None:
    opened = kinds.refusing(full.keys[kind], DISK["no-answer"][0])
    assert _audited(full.collection, workspace, seen).unread == ()

    audits = _days(full, workspace, seen, [0, 0.5, 1], open_store=opened)

    assert [_code(audit) for audit in audits] == [30, 30, 11]
    assert [audit.kinds for audit in audits] == [{"unreadable?"}, {"unreadable?"}, {"withheld?"}]


@pytest.mark.parametrize("days", [[0, 1], [0, 0.1, 0.2, 0.9]])
def test_fewer_than_three_audits_or_less_than_a_day_is_not_withheld(
    full: Kinds, seen: Audited, workspace: Path, days: list[float]
) -> None:
    opened = kinds.refusing(full.keys["bundle"], DISK["no-answer"][0])
    _audited(full.collection, workspace, seen)

    audits = _days(full, workspace, seen, days, open_store=opened)

    assert {frozenset(audit.kinds) for audit in audits} == {frozenset({"unreadable?"})}


def test_what_nobody_ever_read_is_not_withheld_and_try_again_is_no_answer(
    full: Kinds, seen: Audited, workspace: Path
) -> None:
    opened = kinds.refusing(full.keys["bundle"], DISK["no-answer"][0])

    audits = _days(full, workspace, seen, [0, 0.5, 1], open_store=opened)

    assert [_code(audit) for audit in audits] == [30, 30, 11]
    assert audits[-1].kinds == {"unreadable?"}
    (unread,) = (finding for finding in audits[-1].findings if finding.code == "unreadable")
    assert "(audits since " in unread.detail


def test_the_newest_part_of_a_log_that_grows_is_withheld_under_each_of_its_names(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    spoiled, workspace = full.copy(tmp_path / "store"), tmp_path / "work.sqlite"
    (spoiled.root / log_state.LOCK).unlink()  # it is of the smaller log
    _audited(spoiled, workspace, seen)

    found: list[set[str]] = []
    unread: tuple[UnreadableObject, ...] = ()
    for day in (0, 0.5, 1):
        spoiled.append(Leaf(kind="other", name=f"day-{day}", sha256="0" * 64))
        newest = f"log/tile/entries/000.p/{len(spoiled.leaves)}"
        opened = kinds.refusing(newest, DISK["no-answer"][0])
        at = datetime.now(UTC) + day * DAY
        audit = _audited(
            spoiled, workspace, seen, now=lambda at=at: at, unread=unread, open_store=opened
        )
        unread = audit.unread
        found.append(audit.kinds)

    assert found == [{"unreadable?"}, {"unreadable?"}, {"withheld?"}]


def test_a_log_that_is_busy_in_between_does_not_make_it_forgotten_what_was_read(
    full: Kinds, seen: Audited, tmp_path: Path
) -> None:
    """Where the log is not given, nothing names a bundle that is not listed."""
    spoiled, workspace = full.copy(tmp_path / "store"), tmp_path / "work.sqlite"
    _audited(spoiled, workspace, seen)
    spoiled.path(0).unlink()
    gone = Kinds(spoiled, full.keys)

    kinds_of: list[set[str]] = []
    unread: tuple[UnreadableObject, ...] = ()
    for day, kind in enumerate(
        ["checkpoint", "bundle", "entries", "bundle", "checkpoint", "bundle"]
    ):
        opened = kinds.refusing(full.keys[kind], DISK["no-answer"][0])
        (found,) = _days(gone, workspace, seen, [day], unread=unread, open_store=opened)
        unread = found.unread
        kinds_of.append(found.kinds)

    assert kinds_of == [{"unreadable?"}] * 5 + [{"withheld?"}]


class _Deaf(_Unlocked):
    """A store that does not say how one object is locked, nor what is below some prefixes."""

    error = ServiceUnavailable("busy")
    prefixes: tuple[str, ...] = ()

    @override
    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        if prefix.startswith(self.prefixes):
            raise self.error
        return super().list(prefix, reverse=reverse)


@pytest.mark.parametrize("what", ["lock", "custody", "listing"])
def test_what_is_no_single_object_and_not_told_for_a_day_is_withheld(
    full: Kinds, seen: Audited, tmp_path: Path, what: str
) -> None:
    """A lock that was lifted, events that were taken away, records that are not shown."""
    spoiled = full.copy(tmp_path / "store")
    spoiled.hold(0)
    DirectoryStore(spoiled.root).set_legal_hold(spoiled.key(0), on=True)
    good = _audited(spoiled, tmp_path / "work.sqlite", seen)
    assert good.kinds == set()
    if what == "custody":
        spoiled.path(0, "custody-0002.jsonl").unlink()
    refused = {"lock": (), "custody": ("custody/",), "listing": ("gaps/",)}[what]
    locked = spoiled.key(0) if what == "lock" else ""
    deaf = type("Deaf", (_Deaf,), {"key": locked, "prefixes": refused})

    audits = _days(
        Kinds(spoiled, full.keys), tmp_path / "work.sqlite", seen, [0, 0.5, 1], open_store=deaf
    )

    assert [_code(audit) for audit in audits] == [30, 30, 11]
    assert audits[-1].kinds == {"withheld?"}, audits[-1].findings


def test_what_is_given_in_between_begins_anew(full: Kinds, seen: Audited, workspace: Path) -> None:
    opened = kinds.refusing(full.keys["bundle"], DISK["no-answer"][0])
    _audited(full.collection, workspace, seen)
    (_, second) = _days(full, workspace, seen, [0, 0.5], open_store=opened)
    (given,) = _days(full, workspace, seen, [0.7], unread=second.unread)

    (last,) = _days(full, workspace, seen, [1], unread=given.unread, open_store=opened)

    assert (given.unread, last.kinds) == ((), {"unreadable?"})


def test_what_a_sample_leaves_out_is_remembered(
    full: Kinds, seen: Audited, workspace: Path
) -> None:
    opened = kinds.refusing(full.keys["custody"], DISK["no-answer"][0])
    _audited(full.collection, workspace, seen)
    (_, second) = _days(full, workspace, seen, [0, 0.5], open_store=opened)
    (left_out,) = _days(full, workspace, seen, [0.7], unread=second.unread, sample=0)

    (last,) = _days(full, workspace, seen, [1], unread=left_out.unread, open_store=opened)

    assert (left_out.kinds, last.kinds) == (set(), {"withheld?"})


def test_a_report_says_that_objects_are_withheld(
    full: Kinds, seen: Audited, workspace: Path
) -> None:
    opened = kinds.refusing(full.keys["bundle"], DISK["no-answer"][0])
    _audited(full.collection, workspace, seen)
    audits = _days(full, workspace, seen, [0, 0.5, 1], open_store=opened)

    text = ["\n".join(reports.lines(audit.report)) for audit in audits]

    assert "No check of the objects that were read failed. Run the audit again." in text[0]
    assert "could not read objects that an earlier audit read. Objects: 1." in text[2]
    assert "were changed, removed or added" not in text[2]


class _Silent(DirectoryStore):
    """A store that does not answer at all."""

    @override
    def open(self, key: str) -> BinaryIO:
        raise ServiceUnavailable("busy")

    @override
    def list(self, prefix: str = "", *, reverse: bool = False):  # type: ignore[no-untyped-def]
        raise ServiceUnavailable("busy")


def test_a_store_that_does_not_answer_at_all_ends_the_audit(
    full: Kinds, seen: Audited, workspace: Path
) -> None:
    with pytest.raises(ServiceUnavailable):
        _audited(full.collection, workspace, seen, open_store=_Silent)
