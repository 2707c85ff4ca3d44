"""Bundles in the log: added as they are stored, owed when that fails, and found by a sweep."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.archive import bundles as stored
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import capture_warnings, run
from snapshotter.app.pipeline.log_bundle import begin_log
from snapshotter.app.upkeep.log_entries import CheckpointFile, StoreLog, UnloggedBundle, bundle_leaf
from snapshotter.app.upkeep.log_sync import sync_log
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.proofs import note
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.model.finding import Verdict
from snapshotter.seal.log_writer import AppendResult, LogDamaged, LogWriter
from snapshotter.seal.signer import FileSigner
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import Sidecars
from snapshotter.verify.trust import Trust
from tests import bundles, logs
from tests.bundles import ChainAuthority, RealClock
from tests.fakes.world import FixedClock
from tests.unit.app.pipeline.test_run import REQUEST, _quiet, world


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "store")


@pytest.fixture
def logbook(store: DirectoryStore, tmp_path: Path) -> StoreLog:
    return StoreLog(store, lambda: logs.writer(store), tmp_path / "unlogged")


def capture(folder: Path, book: StoreLog | None, authority: ChainAuthority) -> run.CaptureResult:
    here = replace(world(folder, authority), logbook=book)
    return run.run(REQUEST, bundles.decision(), here, _quiet)


def put(
    store: DirectoryStore, folder: Path, signer: FileSigner, *, minutes_ago: int = 0
) -> tuple[str, str]:
    """Store a bundle without logging it; return its id and digest."""
    clock = FixedClock(datetime.now(UTC) - timedelta(minutes=minutes_ago))
    made = bundles.seal(folder, signer=signer, clock=clock)
    store.put_new(store_keys.bundle_key(made.id), made.file, made.digests.sha256)
    return made.id, made.digests.sha256


def proof_of(store: DirectoryStore, bundle_id: str) -> bytes | None:
    return stored.read_sidecars(store, store_keys.bundle_key(bundle_id), "tlog-proof").log_proof


def test_a_capture_is_logged_and_its_proof_stands_beside_it(
    tmp_path: Path, store: DirectoryStore, logbook: StoreLog, authority: ChainAuthority
) -> None:
    result = capture(tmp_path, logbook, authority)

    assert result.logged is not None
    assert (result.logged.index, result.logged.size) == (0, 1)
    assert capture_warnings.log_state(result) == (
        "the entry with the index 0, entries in the log: 1"
    )
    assert capture_warnings.log_warnings(result) == ()
    assert logs.read_whole(store) == [bundle_leaf(result.bundle.id, result.bundle.digests.sha256)]
    trust = replace(world(tmp_path, authority).trust, log=LogPolicy(key=logs.LOG_KEY))
    report = verify_bundle(
        io.BytesIO(Path(result.location).read_bytes()),
        replace(trust, keys=()),
        now=datetime.now(UTC),
        sidecars=Sidecars(log_proof=proof_of(store, result.bundle.id)),
    )
    assert [finding.verdict for finding in report.findings if finding.check == "log"] == [
        Verdict.PASSED
    ]
    assert logbook.owed_count() == 0
    assert result.stage_ms["log"] >= 0


def test_a_capture_quotes_the_newest_checkpoint_from_before_it_began(
    tmp_path: Path, store: DirectoryStore, logbook: StoreLog, authority: ChainAuthority
) -> None:
    first = capture(tmp_path, logbook, authority)
    second = capture(tmp_path, logbook, authority)

    assert first.report.record["log_checkpoint"] is None
    quoted = second.report.record["log_checkpoint"]
    signed = note.open_checkpoint(quoted.encode(), logs.LOG_KEY)
    assert (signed.size, second.logged and second.logged.index) == (1, 1)


def test_without_a_log_nothing_is_said_of_one(tmp_path: Path, authority: ChainAuthority) -> None:
    result = capture(tmp_path, None, authority)

    assert result.logged is None
    assert "log" not in result.stage_ms
    assert capture_warnings.log_warnings(result) == ()


@pytest.mark.parametrize(
    ("error", "word"),
    [(SnapshotterError("no key"), "no key"), (ValueError("a bug"), "ValueError: a bug")],
)
def test_a_log_that_can_not_be_opened_costs_no_capture(
    tmp_path: Path, store: DirectoryStore, authority: ChainAuthority, error: Exception, word: str
) -> None:
    def refused() -> LogWriter:
        raise error

    log = StoreLog(store, refused, tmp_path / "unlogged")
    begin_log(log)  # as before several pages
    result = capture(tmp_path, log, authority)

    assert Path(result.location).is_file()
    assert result.logged is not None
    assert (result.logged.index, result.logged.detail) == (None, word)
    assert word in capture_warnings.log_warnings(result)[0]
    assert (
        "The next capture also tries to add the bundle to the log"
        in capture_warnings.log_warnings(result)[0]
    )
    assert capture_warnings.log_state(result) == "not in the log yet"


def test_where_the_next_capture_can_not_log_either_the_warning_says_what_to_do(
    tmp_path: Path, store: DirectoryStore, authority: ChainAuthority
) -> None:
    def refused() -> LogWriter:
        raise LogDamaged("a copy", hint="snapshotter log repair --take-over")

    result = capture(tmp_path, StoreLog(store, refused, tmp_path / "unlogged"), authority)

    (warning,) = capture_warnings.log_warnings(result)
    assert "snapshotter log repair --take-over" in warning
    assert "next capture" not in warning


def test_a_reminder_that_could_not_be_written_is_named(
    tmp_path: Path, store: DirectoryStore, logbook: StoreLog, authority: ChainAuthority
) -> None:
    (tmp_path / "unlogged").write_text("in the way")

    def refused() -> LogWriter:
        raise SnapshotterError("no key")

    result = capture(tmp_path, StoreLog(store, refused, tmp_path / "unlogged"), authority)

    not_logged, not_noted = capture_warnings.log_warnings(result)
    assert "To add the bundle to the log:\n  snapshotter log sync" in not_logged
    assert "next capture" not in not_logged
    assert "the reminder to add the bundle to the log could not be written" in not_noted
    assert f"{result.bundle.id}.json" in not_noted

    logged = capture(tmp_path, StoreLog(store, lambda: logbook.writer, tmp_path / "x"), authority)
    assert capture_warnings.log_warnings(logged) == ()


class Failing(LogWriter):
    """A log that reads and does not write, as when a store goes away in the middle."""

    fail: BaseException = ServiceUnavailable("the store sleeps")

    @override
    def append(self, leaves: Sequence[Leaf], *, seen: int | None = None) -> AppendResult:
        raise self.fail


def failing(store: DirectoryStore, error: BaseException) -> Callable[[], LogWriter]:
    def opened() -> LogWriter:
        made = Failing(store, logs.LOG_SIGNER, clock=bundles.RealClock(), ids=logs.RandomIds())
        made.fail = error
        return made

    return opened


def test_what_is_owed_is_added_with_the_next_capture(
    tmp_path: Path, store: DirectoryStore, logbook: StoreLog, authority: ChainAuthority
) -> None:
    owing = StoreLog(
        store, failing(store, ServiceUnavailable("the store sleeps")), tmp_path / "unlogged"
    )
    first = capture(tmp_path, owing, authority)
    assert first.logged is not None
    assert (first.logged.index, first.logged.detail) == (None, "the store sleeps")
    assert logbook.owed_count() == 1

    second = capture(tmp_path, logbook, authority)
    names = [leaf.name for leaf in logs.read_whole(store)]
    assert sorted(names) == sorted([first.bundle.id, second.bundle.id])
    assert proof_of(store, first.bundle.id)
    assert logbook.owed_count() == 0


def test_ctrl_c_while_it_is_logged_keeps_the_bundle_and_owes_its_entry(
    tmp_path: Path, store: DirectoryStore, logbook: StoreLog, authority: ChainAuthority
) -> None:
    owing = StoreLog(store, failing(store, KeyboardInterrupt()), tmp_path / "unlogged")
    here = replace(world(tmp_path, authority), logbook=owing)
    stop = Interruption()

    result = run.run(REQUEST, bundles.decision(), here, _quiet, stop)

    assert stop.wanted
    assert result.logged is not None
    assert result.logged.detail == "interrupted"
    assert logbook.owed_count() == 1


def test_a_reminder_of_a_bundle_that_never_came_is_harmless(
    store: DirectoryStore, logbook: StoreLog, tmp_path: Path
) -> None:
    logbook.remember("20260115t123045z-abcdefghijklmnop", "ab" * 32, 0)
    bundle_id, sha256 = put(store, tmp_path / "spool", bundles.new_signer())

    done = logbook.log(bundle_id, sha256, 0)
    assert (done.index, done.size) == (0, 1)
    assert logbook.owed_count() == 1


def test_a_reminder_of_another_store_is_left_alone(
    store: DirectoryStore, logbook: StoreLog, tmp_path: Path
) -> None:
    other = StoreLog(
        DirectoryStore(tmp_path / "other"), lambda: logs.writer(store), tmp_path / "unlogged"
    )
    other.remember("20260115t123045z-abcdefghijklmnop", "ab" * 32, 0)

    assert (logbook.owed_count(), other.owed_count()) == (0, 1)


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 9000, "mine"])
def test_a_reminder_that_can_not_be_read_is_named(
    logbook: StoreLog, tmp_path: Path, store: DirectoryStore, content: str
) -> None:
    (tmp_path / "unlogged").mkdir()
    text = content.replace("mine", json.dumps({"store": store.url, "bundle_id": "x"}))
    (tmp_path / "unlogged" / "x.json").write_text(text)

    with pytest.raises(SnapshotterError, match=r"x\.json cannot be read"):
        logbook.owed_count()


def trust_of(signer: FileSigner) -> Trust:
    return bundles.trust_in(signer)


def test_a_sweep_finds_what_is_not_logged_and_leaves_the_rest(
    store: DirectoryStore, logbook: StoreLog, tmp_path: Path
) -> None:
    signer = bundles.new_signer()
    mine = [
        put(store, tmp_path / f"spool-{number}", signer, minutes_ago=number) for number in range(3)
    ]
    logbook.log(*mine[1], 0)
    stranger, _ = put(store, tmp_path / "strange", bundles.new_signer(), minutes_ago=9)

    dry = list(sync_log(logbook, trust_of(signer), RealClock(), dry_run=True))
    assert {bundle.bundle_id for bundle in dry if not bundle.detail} == {mine[0][0], mine[2][0]}
    assert len(logs.read_whole(store)) == 1

    done = {bundle.bundle_id: bundle for bundle in sync_log(logbook, trust_of(signer), RealClock())}
    assert set(done) == {mine[0][0], mine[2][0], stranger}
    assert done[mine[0][0]].added
    assert "not trusted" in done[stranger].detail
    assert {leaf.name for leaf in logs.read_whole(store)} == {leaf_name for leaf_name, _ in mine}
    assert all(proof_of(store, leaf_name) for leaf_name, _ in mine)
    assert [bundle.bundle_id for bundle in sync_log(logbook, trust_of(signer), RealClock())] == [
        stranger
    ]

    (named,) = sync_log(logbook, trust_of(signer), RealClock(), only=[stranger])
    assert named.added
    assert list(sync_log(logbook, trust_of(signer), RealClock())) == []


def test_a_sweep_writes_the_proof_of_a_leaf_that_is_there(
    store: DirectoryStore, logbook: StoreLog, tmp_path: Path
) -> None:
    signer = bundles.new_signer()
    bundle_id, sha256 = put(store, tmp_path / "spool", signer)
    logbook.append([bundle_leaf(bundle_id, sha256)])  # as when its writer died right after

    (done,) = sync_log(logbook, trust_of(signer), RealClock())
    assert (done.index, done.added) == (0, False)
    assert proof_of(store, bundle_id)
    assert len(logs.read_whole(store)) == 1


def test_a_sweep_logs_nothing_that_was_altered(
    store: DirectoryStore, logbook: StoreLog, tmp_path: Path
) -> None:
    signer = bundles.new_signer()
    bundle_id, _ = put(store, tmp_path / "spool", signer)
    path = store.path(store_keys.bundle_key(bundle_id))
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + b"x")

    for only in ([], [bundle_id]):
        (done,) = sync_log(logbook, trust_of(signer), RealClock(), only=only)
        assert done.index is None
        assert "FAILED" in done.detail
    with pytest.raises(SnapshotterError, match="has no bundle"):
        list(
            sync_log(
                logbook, trust_of(signer), RealClock(), only=["20260115t123045z-abcdefghijklmnop"]
            )
        )


def test_what_a_machine_remembers_of_a_log_is_kept_and_forgotten(tmp_path: Path) -> None:
    memory = CheckpointFile(tmp_path / "log" / "x.checkpoint")
    assert memory.load() == b""
    memory.save(b"note")
    assert memory.load() == b"note"
    memory.forget()
    assert memory.load() == b""


def test_a_bundle_that_is_owed_is_one_leaf() -> None:
    owed = UnloggedBundle(bundle_id="20260115t123045z-abcdefghijklmnop", sha256="ab" * 32, seen=3)

    assert owed.leaf == bundle_leaf("20260115t123045z-abcdefghijklmnop", "ab" * 32)
