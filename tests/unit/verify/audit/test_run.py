"""An audit goes on, looks again at what changed, and never at less than it says."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

import pytest
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable
from snapshotter.model.audit import HINTS, AuditCode
from snapshotter.model.finding import Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.audit import report as reports
from snapshotter.verify.audit.log_comparison import LogComparison
from snapshotter.verify.audit.sidecar_facts import BundleFacts
from snapshotter.verify.audit.workspace import ListedObject
from snapshotter.verify.trust import Requirements
from tests import audited
from tests.audited import Audited, Collection
from tests.bundles import flipped


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "work.sqlite"


def _read(found: Audited) -> tuple[int, int, int]:
    scope = found.report.scope
    return scope.read, scope.unchanged, scope.resumed


# --- the next audit --------------------------------------------------------------------------


def test_the_next_audit_verifies_only_what_changed(spoiled: Collection, workspace: Path) -> None:
    assert _read(spoiled.audited(workspace)) == (5, 0, 0)
    assert _read(spoiled.audited(workspace)) == (5, 5, 0)

    spoiled.path(1, "tlog-proof").unlink()

    assert _read(spoiled.audited(workspace)) == (5, 4, 0)


def test_the_next_audit_reads_every_byte_again(spoiled: Collection, workspace: Path) -> None:
    spoiled.audited(workspace)
    data = spoiled.path(1).read_bytes()
    spoiled.put(spoiled.key(1), flipped(data))

    assert spoiled.audited(workspace).kinds == {"altered"}

    spoiled.put(spoiled.key(1), data)

    assert spoiled.audited(workspace).report.verdict is Verdict.PASSED


def test_what_is_wrong_stays_wrong_the_next_time(spoiled: Collection, workspace: Path) -> None:
    spoiled.put(spoiled.key(1), flipped(spoiled.path(1).read_bytes()))
    first = spoiled.audited(workspace)

    assert spoiled.audited(workspace).findings == first.findings


def test_under_another_trust_everything_is_verified_again(
    spoiled: Collection, workspace: Path
) -> None:
    spoiled.audited(workspace)
    spoiled.trust = replace(spoiled.trust, require=Requirements(timestamps=2))

    found = spoiled.audited(workspace)

    assert _read(found) == (5, 0, 0)
    assert found.kinds == {"unproven?"}


def test_what_a_wrong_clock_decided_is_decided_again(spoiled: Collection, workspace: Path) -> None:
    yesterday = spoiled.audited(workspace, now=lambda: datetime.now(UTC) - timedelta(days=1))
    assert "invalid" in yesterday.kinds  # tokens from the future

    assert spoiled.audited(workspace).report.verdict is Verdict.PASSED


def test_a_workspace_that_is_damaged_is_made_again(spoiled: Collection, workspace: Path) -> None:
    spoiled.audited(workspace)
    workspace.write_bytes(b"SQLite format 3\0" + b"x" * 5000)

    found = spoiled.audited(workspace)

    assert (_read(found), found.report.verdict) == ((5, 0, 0), Verdict.PASSED)


# --- an audit that is interrupted ------------------------------------------------------------


def _interrupted_after(count: int) -> Callable[[str, int, int], None]:
    def progress(stage: str, done: int, of: int) -> None:
        if stage == "bundles" and done == count:
            raise KeyboardInterrupt

    return progress


def test_it_goes_on_where_it_was_interrupted(spoiled: Collection, workspace: Path) -> None:
    spoiled.put(spoiled.key(0), flipped(spoiled.path(0).read_bytes()))
    spoiled.path(4).unlink()
    with pytest.raises(KeyboardInterrupt):
        spoiled.audited(workspace, progress=_interrupted_after(3))

    found = spoiled.audited(workspace)

    assert _read(found) == (4, 0, 3)
    assert found.kinds == {"altered", "deleted"}  # also what was found before


def test_it_begins_anew_when_asked_to(spoiled: Collection, workspace: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        spoiled.audited(workspace, progress=_interrupted_after(3))

    assert _read(spoiled.audited(workspace, restart=True)) == (5, 3, 0)


@pytest.mark.parametrize("later", [timedelta(hours=25), timedelta(hours=-1)])
def test_it_begins_anew_after_a_day_or_when_the_clock_went_back(
    spoiled: Collection, workspace: Path, later: timedelta
) -> None:
    with pytest.raises(KeyboardInterrupt):
        spoiled.audited(workspace, progress=_interrupted_after(3))

    found = spoiled.audited(workspace, now=lambda: datetime.now(UTC) + later)

    assert found.report.scope.resumed == 0


def test_it_begins_anew_under_another_trust(spoiled: Collection, workspace: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        spoiled.audited(workspace, progress=_interrupted_after(3))
    spoiled.trust = replace(spoiled.trust, require=Requirements(timestamps=2))

    assert _read(spoiled.audited(workspace)) == (5, 0, 0)


# --- a part of the store ---------------------------------------------------------------------


def test_a_sample_is_drawn_by_its_seed(spoiled: Collection, tmp_path: Path) -> None:
    drawn: dict[str, set[str]] = {}
    for number, seed in enumerate(("a", "a", "b", "c", "d")):
        read: list[str] = []

        class Noting(DirectoryStore):
            @override
            def open(self, key: str, into: list[str] = read) -> BinaryIO:
                into.append(key)
                return super().open(key)

        found = spoiled.audited(tmp_path / str(number), sample=2, seed=seed, open_store=Noting)
        assert (found.report.scope.read, found.report.scope.seed) == (2, seed)
        assert found.notes == {"unread"}
        chosen = {key for key in read if key.endswith(".wacz")}
        assert len(chosen) == 2
        assert drawn.setdefault(seed, chosen) == chosen
    assert len({frozenset(drawn_ids) for drawn_ids in drawn.values()}) > 1


def test_nothing_is_said_of_what_was_not_read(spoiled: Collection, workspace: Path) -> None:
    spoiled.put(spoiled.key(1), flipped(spoiled.path(1).read_bytes()))

    text = "\n".join(reports.lines(spoiled.audited(workspace, sample=0).report))

    assert "replaced" not in text
    assert "Bundles that were not read: 5." in text


def test_what_was_erased_is_not_said_to_be_there(spoiled: Collection, workspace: Path) -> None:
    spoiled.erase(1)

    text = "\n".join(reports.lines(spoiled.audited(workspace).report))

    assert "PASSED: no logged bundle was deleted (except by order) or replaced" in text


def test_what_is_left_of_an_erasure_is_named_in_a_copy_without_a_log(
    spoiled: Collection, workspace: Path
) -> None:
    spoiled.erase(1)
    shutil.rmtree(spoiled.root / "log")

    found = spoiled.audited(workspace)

    details = {finding.detail for finding in found.findings if finding.code is AuditCode.SURPLUS}
    assert details == {"the sidecar belongs to a bundle that was erased, as its tombstone states"}


def test_a_sample_of_more_than_there_is_takes_all(spoiled: Collection, workspace: Path) -> None:
    found = spoiled.audited(workspace, sample=50)

    assert (found.report.scope.read, found.notes) == (5, set())


def test_a_deletion_is_found_without_reading_a_bundle(spoiled: Collection, workspace: Path) -> None:
    spoiled.path(1).unlink()

    found = spoiled.audited(workspace, sample=0)

    assert (found.report.scope.read, found.kinds) == (0, {"deleted"})


def test_only_bundles_since_a_day_are_read(spoiled: Collection, workspace: Path) -> None:
    today = datetime.now(UTC).date()

    later = spoiled.audited(workspace, since=today + timedelta(days=1))
    earlier = spoiled.audited(workspace, since=today - timedelta(days=1))

    assert (later.report.scope.read, later.notes) == (0, {"unread"})
    assert (earlier.report.scope.read, earlier.notes) == (5, set())


# --- a store that is in use ------------------------------------------------------------------


def test_what_is_captured_meanwhile_is_no_fault(spoiled: Collection, tmp_path: Path) -> None:
    new = spoiled.seal(tmp_path / "spool", minutes_ago=1)

    def progress(stage: str, done: int, of: int) -> None:
        if stage == "bundles" and done == 2:
            spoiled.add(*new)

    found = spoiled.audited(tmp_path / "work.sqlite", progress=progress)

    assert (found.report.verdict, found.findings) == (Verdict.PASSED, ())
    assert found.to_remember is not None
    assert found.to_remember.head.size == 6


def test_a_log_that_shrinks_meanwhile_is_rolled_back(spoiled: Collection, workspace: Path) -> None:
    def progress(stage: str, done: int, of: int) -> None:
        if stage == "bundles" and done == 2:
            spoiled.rewrite(spoiled.leaves[:4])

    found = spoiled.audited(workspace, progress=progress)

    assert "rolled-back" in found.kinds
    assert found.to_remember is None


def test_a_listing_that_hides_a_bundle_is_seen_through(
    spoiled: Collection, workspace: Path
) -> None:
    hidden = spoiled.key(1)

    class Hiding(DirectoryStore):
        @override
        def list(self, prefix: str = "", *, reverse: bool = False):  # type: ignore[no-untyped-def]
            return (
                stored for stored in super().list(prefix, reverse=reverse) if stored.key != hidden
            )

    found = spoiled.audited(workspace, open_store=Hiding)

    assert (found.report.scope.read, found.kinds) == (5, set())


def test_one_object_that_can_not_be_read_hides_nothing_else(
    spoiled: Collection, workspace: Path
) -> None:
    broken = spoiled.key(1)
    spoiled.path(3).unlink()

    class Broken(DirectoryStore):
        @override
        def open(self, key: str) -> BinaryIO:
            if key == broken:
                raise ServiceUnavailable("the server could not answer: InternalError")
            return super().open(key)

    found = spoiled.audited(workspace, open_store=Broken)

    assert found.kinds == {"unreadable?", "deleted"}


def test_a_bundle_that_breaks_our_own_check_is_a_finding_and_hides_no_other(
    spoiled: Collection, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = spoiled.key(1)
    put = spoiled.path(2).read_bytes()
    spoiled.put(spoiled.key(2), flipped(put))
    before = LogComparison.bundle

    def breaks(self: LogComparison, listed: ListedObject, facts: BundleFacts) -> None:
        if listed.key == broken:
            raise LookupError("a bug")
        before(self, listed, facts)

    monkeypatch.setattr(LogComparison, "bundle", breaks)

    found = spoiled.audited(workspace)

    assert found.kinds == {"internal", "altered"}
    assert [finding.key for finding in found.findings if finding.code is AuditCode.INTERNAL] == [
        broken
    ]


def test_a_store_that_does_not_answer_ends_the_audit(spoiled: Collection, workspace: Path) -> None:
    broken = spoiled.key(1)

    class Gone(DirectoryStore):
        down = False

        @override
        def open(self, key: str) -> BinaryIO:
            Gone.down = Gone.down or key == broken
            if Gone.down:
                raise ServiceUnavailable("no answer")
            return super().open(key)

        @override
        def list(self, prefix: str = "", *, reverse: bool = False):  # type: ignore[no-untyped-def]
            if Gone.down:
                raise ServiceUnavailable("no answer")
            return super().list(prefix, reverse=reverse)

    with pytest.raises(ServiceUnavailable):
        spoiled.audited(workspace, open_store=Gone)

    assert spoiled.audited(workspace).report.scope.resumed == 1  # nothing of it was lost


# --- copies of a store -----------------------------------------------------------------------


def test_a_copy_that_lags_behind_is_stale_and_not_forged(
    spoiled: Collection, good: Audited, workspace: Path
) -> None:
    spoiled.rewrite(spoiled.leaves[:3])
    for number in (3, 4):
        spoiled.path(number).unlink()
        spoiled.path(number, "tlog-proof").unlink()
    for number in range(3):
        spoiled.prove(number)

    found = spoiled.audited(workspace, elsewhere=good.to_remember)

    assert found.kinds == {"stale?"}


def test_a_copy_that_is_ahead_is_fine(spoiled: Collection, good: Audited, tmp_path: Path) -> None:
    spoiled.add(*spoiled.seal(tmp_path / "spool", minutes_ago=90))

    found = spoiled.audited(tmp_path / "work.sqlite", elsewhere=good.to_remember)

    assert found.findings == ()


def test_a_copy_with_another_history_is_forked(
    spoiled: Collection, good: Audited, workspace: Path
) -> None:
    for number in range(5):
        spoiled.path(number, "tlog-proof").unlink()
    spoiled.rewrite([*spoiled.leaves[::-1]])

    found = spoiled.audited(workspace, elsewhere=good.to_remember)

    assert found.kinds == {"forked"}


# --- what a person sees ----------------------------------------------------------------------


def test_a_flood_of_one_kind_hides_no_other(spoiled: Collection, workspace: Path) -> None:
    for number in range(400):
        spoiled.put(f"bundles/junk-{number:04}", b"x")
        spoiled.store(f"20200101t{number // 60:02}{number % 60:02}00z-{'b' * 16}", b"x")
    spoiled.path(3).unlink()

    found = spoiled.audited(workspace)

    counts = {(count.code, count.count) for count in found.report.counts}
    assert {("surplus", 400), ("altered", 400), ("unlogged", 400), ("deleted", 1)} <= counts
    assert len(found.findings) == 1201
    assert len(found.report.examples) == 61  # twenty of each kind
    lines = list(reports.lines(found.report))
    assert len(lines) < 40
    assert any("deleted" in line and spoiled.key(3) in line for line in lines)
    assert lines.index(next(line for line in lines if "deleted" in line)) < 5  # the worst first


def test_what_a_store_holds_can_not_steer_the_terminal(
    spoiled: Collection, workspace: Path
) -> None:
    forged = audited.checkpoint(spoiled.leaves, spoiled.log, origin="evil\u202e/log")
    spoiled.put("log/checkpoint", forged)

    lines = list(reports.lines(spoiled.audited(workspace).report))

    assert not any("\u202e" in line for line in lines)
    assert any("\\u202e" in line for line in lines)


def test_a_place_whose_name_is_no_text_can_be_audited(template: Collection, tmp_path: Path) -> None:
    """On Linux a folder may have any bytes for its name."""
    collection = template.copy(tmp_path / os.fsdecode(b"caf\xe9"))
    collection.path(1).unlink()
    collection.path(2).unlink()
    collection.path(2).symlink_to(tmp_path)

    found = collection.audited(tmp_path / "work.sqlite")

    assert found.kinds == {"deleted"}
    assert json.loads(json.dumps(reports.report_json(found.report)))["store"].endswith("caf\\udce9")
    assert reports.findings_digest(found.findings)
    assert reports.document(found.report, report_id="x", signer="y", findings_sha256="z")


def test_every_code_says_what_to_do() -> None:
    assert set(HINTS) == set(AuditCode)
