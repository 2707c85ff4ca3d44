"""`store add`: bundles that a stranger may have made, and what stands beside them."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshotter.app.archive import bundles as stored_bundles
from snapshotter.app.pipeline import safekeeping
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.model.bundle import Retention
from snapshotter.model.finding import Verdict
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust, own_trust
from tests import bundles
from tests.bundles import ChainAuthority, RealClock

NOBODY: Trust = own_trust([], [])


class Exhibit:
    """A bundle without a token, as somebody handed it over."""

    def __init__(self, folder: Path, authority: ChainAuthority) -> None:
        self.signer = bundles.new_signer()
        self.trust = bundles.trust_in(self.signer, authority)
        made = bundles.seal(folder / "spool", signer=self.signer, clock=RealClock())
        self.id = made.id
        self.signature = made.signature
        self.file = folder / "an exhibit [1].wacz"
        shutil.copy(made.file, self.file)
        self.store = DirectoryStore(folder / "store")

    def beside(self, kind: str, data: bytes) -> Path:
        sidecar = self.file.with_name(f"{self.file.name}.{kind}")
        sidecar.write_bytes(data)
        return sidecar

    def add(self) -> safekeeping.AddedBundle:
        return safekeeping.add_bundle(self.file, self.store, NOBODY, now=datetime.now(UTC))

    @property
    def kinds(self) -> list[str]:
        key = stored_bundles.find_bundle_key(self.store, self.id)
        return [stored.key.removeprefix(key) for stored in self.store.list(key)]


@pytest.fixture
def exhibit(tmp_path: Path, authority: ChainAuthority) -> Exhibit:
    return Exhibit(tmp_path, authority)


def test_late_tokens_come_along_and_the_stored_bundle_passes(
    exhibit: Exhibit, authority: ChainAuthority
) -> None:
    exhibit.beside("late-02.tsr", authority.response(exhibit.signature))

    added = exhibit.add()

    assert added.passed_over == ()
    assert exhibit.kinds == ["", ".late-02.tsr"]
    with exhibit.store.open(added.stored.key) as stream:
        report = verify_bundle(
            stream,
            exhibit.trust,
            now=datetime.now(UTC),
            sidecars=stored_bundles.read_sidecars(exhibit.store, added.stored.key, "late-"),
        )
    assert report.verdict is Verdict.PASSED
    assert exhibit.add() == added


def test_what_is_no_late_token_of_the_bundle_is_passed_over_and_named(
    exhibit: Exhibit, authority: ChainAuthority
) -> None:
    junk = [
        exhibit.beside("late-01.tsr", b"junk"),
        exhibit.beside("late-02.tsr", b""),
        exhibit.beside("late-03.tsr", authority.response(b"something else")),
        exhibit.beside("late-04.tsr", bytes(100_000)),
        exhibit.beside("late-10.tsr", authority.response(exhibit.signature)),
        exhibit.beside("late-EVIL NAME.tsr", authority.response(exhibit.signature)),
    ]
    pipe = exhibit.file.with_name(f"{exhibit.file.name}.late-05.tsr")
    os.mkfifo(pipe)
    exhibit.beside("late-06.tsr", authority.response(exhibit.signature))

    added = exhibit.add()

    assert exhibit.kinds == ["", ".late-06.tsr"]
    assert len(added.passed_over) == len(junk) + 1
    for path in (*junk, pipe):
        assert any(
            line.startswith(f"the sidecar {path} was not added: ") for line in added.passed_over
        ), path


def test_a_number_that_the_store_has_taken_hides_no_token(
    exhibit: Exhibit, authority: ChainAuthority
) -> None:
    exhibit.beside("late-01.tsr", authority.response(exhibit.signature))
    exhibit.add()
    exhibit.beside("late-01.tsr", authority.response(exhibit.signature))

    assert exhibit.add().passed_over == ()
    assert exhibit.kinds == ["", ".late-01.tsr", ".late-02.tsr"]


@pytest.mark.parametrize("name", ["../../evil", "", "20261332t000000z-abcdefghijklmnop", "x" * 300])
def test_a_bundle_with_a_strange_id_is_refused(exhibit: Exhibit, name: str) -> None:
    members = bundles.unpack(exhibit.file.read_bytes())
    record = bundles.record_of(members)
    record["bundle_id"] = name
    changes = {names.CAPTURE_RECORD: canonical_json.dumps(record)}
    exhibit.file.write_bytes(bundles.pack(bundles.resealed(members, changes, exhibit.signer, None)))

    with pytest.raises(EvidenceInvalid, match="is not an intact bundle"):
        exhibit.add()
    assert list(exhibit.store.list()) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_a_sentence(exhibit: Exhibit, make: Callable[[Path], None]) -> None:
    exhibit.file.unlink()
    make(exhibit.file)

    with pytest.raises(SnapshotterError, match="regular file"):
        exhibit.add()


def test_a_retention_is_kept_for_the_bundle_and_its_tokens(exhibit: Exhibit) -> None:
    now = datetime.now(UTC)
    retention = Retention(until=now.replace(year=2100), mode="COMPLIANCE")

    safekeeping.add_bundle(exhibit.file, exhibit.store, NOBODY, now=now, retention=retention)

    kept = [exhibit.store.lock_state(there.key).retention for there in exhibit.store.list()]
    assert kept == [Retention(until=retention.second, mode="COMPLIANCE")] * len(kept)
    assert kept
