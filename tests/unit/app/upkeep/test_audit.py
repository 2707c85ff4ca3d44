"""What is remembered between two audits, and the report that stays."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest
from typing_extensions import override

from snapshotter.app.machine import RandomIds
from snapshotter.app.upkeep.audit import (
    AuditorState,
    AuditRunning,
    AuditService,
    CompletedAudit,
    StoreWithheld,
    audit,
)
from snapshotter.errors import EvidenceUnverifiable, ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures import keys
from snapshotter.model.audit import AuditFinding
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.finding import Verdict
from snapshotter.ports import Content, Signer
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.audit import report as reports
from snapshotter.verify.audit.locks_and_custody import StoreReceipts
from snapshotter.verify.audit.run import AuditRequest
from snapshotter.verify.trust import Trust
from tests import audited, bundles
from tests.audited import Collection
from tests.bundles import ChainAuthority, RealClock
from tests.servers.authority import Chain


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    folder = tmp_path_factory.mktemp("collection")
    chain = Chain(folder / "authority", "test authority")
    chain.make()
    return audited.collection(folder, ChainAuthority(chain), count=2)


@pytest.fixture
def collection(template: Collection, tmp_path: Path) -> Collection:
    return template.copy(tmp_path / "store")


class ReadOnly(DirectoryStore):
    """A store that is mounted read-only."""

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        raise SnapshotterError("the store is on a read-only file system")


def run(
    collection: Collection,
    memory: Path,
    *,
    signer: Signer | None = None,
    kind: type[DirectoryStore] = DirectoryStore,
    into: list[AuditFinding] | None = None,
    days: float = 0,
    sample: int | None = None,
) -> CompletedAudit:
    return audit(
        AuditService(
            open_store=partial(kind, collection.root),
            trust=collection.trust,
            state=AuditorState(folder=memory),
            receipts=StoreReceipts(),
            signer=signer,
            clock=RealClock(timedelta(days=days)),
            ids=RandomIds(),
            software="test",
            pause=lambda: None,
        ),
        AuditRequest(sample=sample),
        lambda stage, done, of: None,
        each=into.append if into is not None else None,
    )


def test_the_report_is_signed_and_lies_in_the_store(collection: Collection, tmp_path: Path) -> None:
    signer = bundles.new_signer()
    collection.path(1).unlink()
    found: list[AuditFinding] = []

    done = run(collection, tmp_path / "memory", signer=signer, into=found)

    assert done.problem is None
    data = (collection.root / done.report_key).read_bytes()
    signature = (collection.root / f"{done.report_key}.sig").read_bytes()
    assert keys.verify_signature(signer.public_key, signature, data)
    written = canonical_json.loads(data)
    assert (written["verdict"], written["signer"]) == ("failed", signer.key_id)
    assert written["counts"] == [{"code": "deleted", "count": 1, "severity": "failed"}]
    assert [finding["key"] for finding in written["findings"]] == [collection.key(1)]
    lines = b"".join(
        canonical_json.dumps(reports.finding_json(finding)) + b"\n" for finding in found
    )
    assert written["findings_sha256"] == hashlib.sha256(lines).hexdigest()


def test_nothing_is_written_into_the_store_without_a_signer(
    collection: Collection, tmp_path: Path
) -> None:
    before = sorted(collection.root.rglob("*"))

    done = run(collection, tmp_path / "memory")

    assert (done.report.verdict, done.report_key) == (Verdict.PASSED, "")
    assert sorted(collection.root.rglob("*")) == before


def test_no_store_is_made_where_there_is_none(collection: Collection, tmp_path: Path) -> None:
    nowhere = replace(collection, root=tmp_path / "mistyped")

    done = run(nowhere, tmp_path / "memory", signer=bundles.new_signer())

    assert (done.report.verdict, done.report_key) == (Verdict.INDETERMINATE, "")
    assert not nowhere.root.exists()


def test_a_report_that_can_not_be_stored_is_told_of(collection: Collection, tmp_path: Path) -> None:
    done = run(collection, tmp_path / "memory", signer=bundles.new_signer(), kind=ReadOnly)

    assert (done.report.verdict, done.report_key) == (Verdict.PASSED, "")
    assert done.problem is not None
    assert "read-only" in done.problem.message


def test_what_was_seen_is_remembered(collection: Collection, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    run(collection, memory)
    collection.rewrite(collection.leaves[:1])

    first, second = run(collection, memory), run(collection, memory)

    for done in (first, second):  # it does not get used to it
        assert done.report.verdict is Verdict.FAILED
        assert "rolled-back" in {kind.code.value for kind in done.report.counts}


class Silent(DirectoryStore):
    """A store that does not answer."""

    @override
    def open(self, key: str) -> BinaryIO:
        raise ServiceUnavailable("no answer")

    @override
    def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
        raise ServiceUnavailable("no answer")


def test_a_store_that_answers_no_audit_for_a_day_withholds_all(
    collection: Collection, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    run(collection, memory)
    for days in (0, 0.5):
        with pytest.raises(ServiceUnavailable):
            run(collection, memory, kind=Silent, days=days)

    with pytest.raises(StoreWithheld, match="did not answer in 3 audits"):
        run(collection, memory, kind=Silent, days=1.1)

    run(collection, memory, sample=1)  # it lets a sample be drawn, and all of it was not read
    with pytest.raises(StoreWithheld, match="did not answer in 4 audits"):
        run(collection, memory, kind=Silent, days=1.2)

    run(collection, memory)  # it answers: the count begins anew
    with pytest.raises(ServiceUnavailable):
        run(collection, memory, kind=Silent, days=2)


def test_a_store_that_is_not_mounted_is_not_accused_and_not_made_anew(
    collection: Collection, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    run(collection, memory)
    collection.root.rename(tmp_path / "elsewhere")

    for days in (0, 0.5):
        with pytest.raises(ServiceUnavailable, match="does not exist"):
            run(collection, memory, days=days, signer=collection.signer)
    with pytest.raises(StoreWithheld):
        run(collection, memory, days=1.1, signer=collection.signer)

    assert not collection.root.exists()


def test_a_store_that_never_answered_is_not_said_to_withhold_anything(
    collection: Collection, tmp_path: Path
) -> None:
    for days in (0, 0.5):
        with pytest.raises(ServiceUnavailable):
            run(collection, tmp_path / "memory", kind=Silent, days=days)

    with pytest.raises(EvidenceUnverifiable, match="did not answer in 3 audits") as caught:
        run(collection, tmp_path / "memory", kind=Silent, days=1.1)
    assert not isinstance(caught.value, StoreWithheld)


def test_a_memory_of_an_older_version_is_taken_over(collection: Collection, tmp_path: Path) -> None:
    memory = AuditorState(folder=tmp_path / "memory")
    run(collection, memory.folder)
    url = DirectoryStore(collection.root).url
    unread = memory.store_folder(url) / "unread.json"

    assert unread.stat().st_mode & 0o777 == 0o600
    unread.unlink()  # it had none

    assert (memory.of_store(url) is not None, memory.unread_of(url)) == (True, {})
    assert run(collection, memory.folder).report.verdict is Verdict.PASSED


def test_a_memory_of_what_could_not_be_read_that_is_damaged_is_not_taken_for_none(
    collection: Collection, tmp_path: Path
) -> None:
    memory = AuditorState(folder=tmp_path / "memory")
    run(collection, memory.folder)
    (memory.store_folder(DirectoryStore(collection.root).url) / "unread.json").write_bytes(b"{}")

    with pytest.raises(SnapshotterError, match="the record of earlier audits cannot be read"):
        run(collection, memory.folder)


def test_a_store_is_known_by_where_it_is_and_a_log_by_its_name(
    collection: Collection, template: Collection, tmp_path: Path
) -> None:
    """A copy with less in it is behind; one with another history is not."""
    memory = tmp_path / "memory"
    run(collection, memory)
    copy = template.copy(tmp_path / "copy")
    copy.path(1).unlink()
    copy.path(1, "tlog-proof").unlink()
    copy.rewrite(copy.leaves[:1])
    copy.prove(0)

    assert {kind.code.value for kind in run(copy, memory).report.counts} == {"stale"}


def test_a_forged_copy_says_nothing_of_the_first(
    collection: Collection, template: Collection, tmp_path: Path
) -> None:
    """Seen by an auditor who had no trust file then: anybody can give a log any name."""
    memory = tmp_path / "memory"
    forged = template.copy(tmp_path / "forged")
    forged.trust = Trust(source="nobody", keys=(), authorities=())
    forged.log = audited.log_key()
    forged.rewrite([*forged.leaves[::-1], *forged.leaves])
    run(forged, memory)

    assert run(collection, memory).report.verdict is Verdict.PASSED


def test_a_memory_of_another_store_is_not_taken_for_its_own(
    collection: Collection, template: Collection, tmp_path: Path
) -> None:
    memory, copy = AuditorState(folder=tmp_path / "memory"), template.copy(tmp_path / "copy")
    run(collection, memory.folder)
    run(copy, memory.folder)
    first, second = (
        memory.store_folder(DirectoryStore(other.root).url) / "state.json"
        for other in (collection, copy)
    )
    second.write_bytes(first.read_bytes())

    with pytest.raises(SnapshotterError, match="another store"):
        run(copy, memory.folder)


def test_a_memory_that_is_damaged_is_not_taken_for_none(
    collection: Collection, tmp_path: Path
) -> None:
    memory = tmp_path / "memory"
    run(collection, memory)
    [state] = memory.rglob("state.json")
    state.write_bytes(state.read_bytes()[:-1])

    with pytest.raises(SnapshotterError, match="record of earlier audits"):
        run(collection, memory)


def test_the_memory_is_read_by_nobody_else(collection: Collection, tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    run(collection, memory)

    for folder in (memory, *memory.rglob("*")):
        if folder.is_dir():
            assert folder.stat().st_mode & 0o077 == 0
    [state] = memory.rglob("state.json")
    assert json.loads(state.read_bytes())["size"] == 2


def test_two_audits_of_one_store_do_not_run_at_once(collection: Collection, tmp_path: Path) -> None:
    memory = AuditorState(folder=tmp_path / "memory")

    with (
        memory.locked(str(collection.root)),
        pytest.raises(SnapshotterError, match="another audit"),
    ):
        run(collection, memory.folder)

    assert run(collection, memory.folder).report.verdict is Verdict.PASSED


def test_an_audit_that_never_comes_to_its_end_is_an_alarm(
    collection: Collection, tmp_path: Path
) -> None:
    """Who gives a byte each half minute hides a deletion for as long as that takes."""
    memory = AuditorState(folder=tmp_path / "memory")
    run(collection, memory.folder)

    with memory.locked(DirectoryStore(collection.root).url):
        for days in (0, 0.5):
            with pytest.raises(AuditRunning):
                run(collection, memory.folder, days=days)
        with pytest.raises(StoreWithheld, match="3 audits since then could not begin"):
            run(collection, memory.folder, days=1.1)

    run(collection, memory.folder)  # it came to its end: the count begins anew
    assert memory.unread_of(DirectoryStore(collection.root).url) == {}


def test_a_place_that_can_not_be_written_is_named(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "memory").write_bytes(b"a file")

    with pytest.raises(SnapshotterError, match="cannot be written") as caught:
        run(collection, tmp_path / "memory")

    assert "--state" in caught.value.hint
