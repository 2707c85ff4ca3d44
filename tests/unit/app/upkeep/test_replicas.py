"""A replica is for who distrusts us: with records and log it can be audited by itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from snapshotter.app.upkeep import log_mirror
from snapshotter.app.upkeep.log_contents import read_log
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.proofs import log_state
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.model.bundle import StoredObject
from snapshotter.model.custody import INGESTION
from snapshotter.ports import TaggedContent
from snapshotter.seal.log_writer import LogDamaged, LogWriter
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.verify.log import LogReader
from tests import audited
from tests.audited import Audited, Collection
from tests.bundles import ChainAuthority, RealClock, flipped
from tests.servers.authority import Chain
from tests.unit.app.upkeep.copies import RandomIds, Shelf
from tests.unit.verify.audit import test_gaps as gaps
from tests.unit.verify.audit import test_takedowns as takedowns
from tests.unit.verify.audit.test_tampering import _report as report

pytestmark = pytest.mark.usefixtures("without_fsync")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Two bundles, a gap, an event and a report, all logged; custody of the first."""
    folder = tmp_path_factory.mktemp("collection")
    chain = Chain(folder / "authority", "test authority")
    chain.make()
    made = audited.collection(folder, ChainAuthority(chain), count=2)
    gaps.put(made, gaps.given())
    takedowns.put(made, takedowns.given())
    report(made)
    made.record(0, INGESTION)
    return made


class Place:
    """A collection, and its replica."""

    def __init__(self, template: Collection, folder: Path) -> None:
        self.folder = folder
        self.first = template.copy(folder / "one")
        self.one, self.two = (
            Shelf(folder=folder, name=name, signer=template.signer, log_policy=template.trust.log)
            for name in ("one", "two")
        )

    def audit(self, name: str = "two") -> Audited:
        """Audit the replica."""
        copy = Collection(
            root=self.folder / name,
            trust=self.first.trust,
            signer=self.first.signer,
            authority=self.first.authority,
            log=self.first.log,
            witness=self.first.witness,
        )
        return copy.audited(self.folder / f"{name}.sqlite")

    def replicate(self, *, dry_run: bool = False) -> list[tuple[str, str]]:
        """Replicate; return what was told."""
        self.done, told = self.one.replicate_to(self.two, dry_run=dry_run)
        return told


@pytest.fixture
def place(template: Collection, tmp_path: Path) -> Place:
    return Place(template, tmp_path)


def test_a_replica_can_be_audited_by_itself(place: Place) -> None:
    told = place.replicate()

    assert place.done.is_complete, told
    assert (place.done.copied, place.done.records) == (2, 4)  # a report is two
    assert place.done.entries == len(place.first.leaves)
    files = audited.files(place.first.leaves)
    for path in (file for file in (place.folder / "one").rglob("*") if file.is_file()):
        name = path.relative_to(place.folder / "one")
        of_smaller_trees = ".p" in str(name) and str(name)[len("log/") :] not in files
        if "bundles" not in name.parts and not of_smaller_trees:
            assert (place.folder / "two" / name).read_bytes() == path.read_bytes(), name
    found = place.audit()
    assert not found.kinds, found.findings
    assert found.notes >= {"mirror", "gap", "takedown"}


def test_what_is_taken_from_a_replica_is_found_there(place: Place) -> None:
    place.replicate()
    (place.folder / "two" / place.first.key(1)).unlink()
    next((place.folder / "two" / "gaps").rglob("*.json")).unlink()

    found = place.audit()

    assert found.kinds == {"deleted"}
    assert sum(finding.code == "deleted" for finding in found.findings) == 2


def test_a_replica_grows_with_the_log_and_says_how_far_it_is_behind(place: Place) -> None:
    place.replicate()
    before = len(place.first.leaves)
    # Over the edge of a tile, so that partial files become whole ones.
    fill = [Leaf(kind="other", name=f"n{number}", sha256="0" * 64) for number in range(600)]
    place.first.append(*fill)

    told = place.replicate(dry_run=True)
    assert told[-1] == ("lagging", f"entries to copy: 600 of {before + 600}")
    assert (place.done.log_lag, place.done.entries, place.done.is_complete) == (600, before, False)

    place.replicate()
    assert place.done.is_complete
    assert place.done.entries == before + 600
    assert not place.audit().kinds
    assert place.replicate()[-1] == ("present", f"entries copied: 0 of {before + 600}")


def test_custody_goes_on_in_both_and_the_replica_has_both(place: Place) -> None:
    place.replicate()
    for _ in range(2):
        place.first.record(0, "fixity check")
    place.first.record(1, "fixity check")
    assert place.replicate()  # carried, although the bundles are there

    found = place.audit()
    assert not found.kinds, found.findings
    carried = sorted((place.folder / "two" / "custody").rglob("*.jsonl"))
    assert len(carried) == 3
    assert not [outcome for outcome in place.replicate() if outcome[0] not in ("present",)]

    # What was carried is as firm as the chain itself.
    middle = carried[0]
    lines = middle.read_bytes()
    middle.chmod(0o600)
    middle.write_bytes(lines.replace(b"fixity check", b"fixity chuck"))
    assert place.audit().kinds == {"custody-broken"}
    middle.unlink()
    assert place.audit().kinds == {"custody-broken"}


@pytest.mark.parametrize(
    "junk", [b"junk", b"{}\n", b"x" * (custody_sidecars.MAX_BYTES + 1)], ids=["", "json", "long"]
)
def test_junk_among_what_is_carried_hides_nothing(place: Place, junk: bytes) -> None:
    place.replicate()
    place.first.record(0, "fixity check")
    place.replicate()
    (carried,) = (place.folder / "two" / "custody").rglob("*.jsonl")
    for name in ("custody-0000.jsonl", "x"):  # of no number, and no custody of any store
        carried.with_name(f"{place.first.ids[0]}.{name}").write_bytes(junk)
    assert not place.audit().kinds

    carried.chmod(0o600)
    carried.write_bytes(junk)
    assert place.audit().kinds == {"custody-broken"}


def test_custody_of_an_erased_bundle_is_found_where_it_is_carried(place: Place) -> None:
    place.replicate()
    place.first.record(0, "fixity check")
    place.replicate()
    place.first.erase(0)
    (place.folder / "two" / place.first.key(0)).unlink()
    for path in (place.folder / "two" / "bundles").rglob(f"{place.first.ids[0]}*.tlog-proof"):
        path.unlink()
    place.replicate()

    found = place.audit()
    assert not found.kinds, found.findings
    assert "erased-by-order" in found.notes


def test_a_replica_of_a_replica_has_all_of_it(place: Place) -> None:
    place.replicate()
    place.first.record(0, "fixity check")
    place.replicate()
    three = Shelf(
        folder=place.folder, name="three", signer=place.two.signer, log_policy=place.one.log_policy
    )

    done, told = place.two.replicate_to(three)

    assert done.is_complete, told
    found = place.audit("three")
    assert not found.kinds, found.findings


def test_a_log_with_two_histories_is_not_copied_over_the_one_that_is_there(place: Place) -> None:
    place.replicate()
    shown = place.two.read(log_state.CHECKPOINT)
    place.first.rewrite([*place.first.leaves[:-1], bundles_leaf()])

    told = place.replicate()

    [(_, detail)] = [outcome for outcome in told if outcome[0] == "divergent"]
    assert detail == (
        "the first 6 entries of the two logs differ. Keep both checkpoints, because they prove the "
        "difference"
    )
    assert not place.done.is_complete
    assert place.two.read(log_state.CHECKPOINT) == shown


def test_a_log_that_was_rolled_back_does_not_roll_back_the_copy(place: Place) -> None:
    place.replicate()
    shown = place.two.read(log_state.CHECKPOINT)
    place.first.rewrite(place.first.leaves[:3])

    told = [outcome for outcome in place.replicate() if outcome[0] == "divergent"]

    assert "has 6 entries, but the log of the source has 3" in told[0][1]
    assert place.two.read(log_state.CHECKPOINT) == shown


def test_a_log_whose_entries_are_not_those_of_its_checkpoint_is_not_copied(place: Place) -> None:
    entries = place.first.root / "log" / "tile" / "entries" / "000.p" / "6"
    entries.write_bytes(entries.read_bytes().replace(b"bundle 2", b"bundle 1", 1))

    told = place.replicate()

    assert ("damaged") in {outcome[0] for outcome in told}
    assert not place.done.is_complete
    assert not (place.folder / "two" / "log").exists()


@pytest.mark.parametrize("in_its_place", ["nothing", "a folder"])
def test_a_log_without_its_checkpoint_is_told_of(place: Place, in_its_place: str) -> None:
    checkpoint = place.folder / "one" / log_state.CHECKPOINT
    checkpoint.unlink()
    if in_its_place == "a folder":
        checkpoint.mkdir()

    told = place.replicate()

    said = "not copied: the source has parts of a log, but no checkpoint"
    assert ("damaged", said) in told
    assert (place.done.copied, place.done.is_complete) == (2, False)


def test_a_record_that_is_not_the_one_that_was_logged_is_not_copied(place: Place) -> None:
    key, data = gaps.put(place.first, gaps.given(hours_ago=7))
    place.first.put(key, flipped(data))

    told = [outcome for outcome in place.replicate() if outcome[0] == "damaged"]

    assert told == [
        ("damaged", "not copied: the digest of the record differs from the digest in the log")
    ]
    assert not (place.folder / "two" / key).exists()


def test_a_report_without_its_signature_is_not_copied(place: Place) -> None:
    key = report(place.first)
    (place.first.root / f"{key}.sig").unlink()

    assert ("damaged", "not copied: the signature of the record is missing") in place.replicate()
    assert not (place.folder / "two" / key).exists()


def test_records_that_differ_or_stand_in_the_copy_alone_are_told(place: Place) -> None:
    key, _ = gaps.put(place.first, gaps.given(hours_ago=8))
    place.replicate()
    (place.folder / "two" / key).unlink()
    place.two.put(key, b"other")
    stray = store_keys.gap_key(gaps.given(hours_ago=9).gap_id)
    place.two.put(stray, b"stray")

    told = place.replicate()

    assert {outcome[0] for outcome in told} == {"present", "divergent", "surplus"}
    assert place.two.read(key) == b"other"
    assert place.done.problems == 2


def test_nobody_writes_to_the_copy_of_a_log(place: Place) -> None:
    place.replicate()
    writer = LogWriter(
        DirectoryStore(place.folder / "two"),
        _Signer(place.first),
        clock=RealClock(),
        ids=RandomIds(),
    )

    with pytest.raises(LogDamaged, match="copy of the log of another store"):
        writer.append([Leaf(kind="other", name="n", sha256="0" * 64)])


def test_a_log_that_is_written_to_is_not_copied_over(place: Place) -> None:
    writer = LogWriter(
        DirectoryStore(place.folder / "two"), _Stranger(), clock=RealClock(), ids=RandomIds()
    )
    writer.append([Leaf(kind="other", name="n", sha256="0" * 64)])

    told = place.replicate()

    assert [outcome for outcome in told if outcome[0] == "apart"] == [
        ("apart", "the log was not copied: the target already has another log, other.test/log")
    ]
    assert place.done.is_complete  # a store with captures of its own is no fault

    # One log that goes on in two places is another matter.
    place.first.lock(place.first.leaves)
    shutil.copytree(place.folder / "one" / "log", place.folder / "three" / "log")
    three = DirectoryStore(place.folder / "three")
    reader = LogReader(DirectoryStore(place.folder / "one"), place.one.log_policy)
    with pytest.raises(EvidenceInvalid, match="both stores have written to the log"):
        log_mirror.mirror(reader, three, source_place="0" * 32)


@pytest.mark.parametrize("steps", range(6))
def test_a_mirror_that_dies_at_any_step_is_completed_by_the_next(place: Place, steps: int) -> None:
    place.first.append(
        *(Leaf(kind="other", name=f"n{number}", sha256="0" * 64) for number in range(300))
    )
    reader = LogReader(DirectoryStore(place.folder / "one"), place.one.log_policy)
    target = _Dies(DirectoryStore(place.folder / "two"), steps)
    with pytest.raises(SnapshotterError, match="dead"):
        log_mirror.mirror(reader, target, source_place="0" * 32)

    done = log_mirror.mirror(reader, DirectoryStore(place.folder / "two"), source_place="0" * 32)

    assert done is not None
    assert done.size == len(place.first.leaves)
    for path in audited.files(place.first.leaves):
        assert place.two.read(f"log/{path}") == place.one.read(f"log/{path}")
    # Nothing but the files of this one tree: none of a smaller one that was on the way.
    there = {stored.key for stored in place.two.plain.list("log/tile/")}
    assert there == {f"log/{path}" for path in audited.files(place.first.leaves)}


def test_what_was_logged_while_we_copied_is_there_as_well(
    place: Place, template: Collection, tmp_path: Path
) -> None:
    """A capture that ends between the listing and the log must not look deleted in the copy."""
    bundle_id, data = template.seal(tmp_path / "late", minutes_ago=1)

    class Meanwhile(DirectoryStore):
        """Where somebody captures as soon as the records are read."""

        done = False

        @override
        def list(self, prefix: str = "", *, reverse: bool = False) -> Iterator[StoredObject]:
            if prefix == "gaps/" and not self.done:
                type(self).done = True
                place.first.add(bundle_id, data)
                place.first.record(0, "fixity check")
                gaps.put(place.first, gaps.given(hours_ago=6))
            return super().list(prefix, reverse=reverse)

    place.one.inner = Meanwhile(place.folder / "one")
    told = place.replicate()

    assert place.done.is_complete, told
    assert place.done.copied == 3
    found = place.audit()
    assert not found.kinds, found.findings


def test_records_that_the_log_names_are_put_back(place: Place) -> None:
    place.replicate()
    logged = _records(place)
    keys = [stored.key for name in ("gaps/", "takedowns/", "audits/") for stored in
            place.one.plain.list(name)]  # fmt: skip
    gap, event, document, signature = keys
    for key in (gap, signature):
        (place.folder / "one" / key).unlink()
    for key in (event, document):
        path = place.folder / "one" / key
        path.chmod(0o600)
        path.write_bytes(flipped(path.read_bytes()))

    repaired, left, told = place.one.repair_from(place.two, dry_run=True, records=logged)
    assert (repaired, left) == (0, 3), told
    repaired, left, told = place.one.repair_from(place.two, records=logged)
    assert (repaired, left) == (3, 0), told
    for key in keys:
        assert place.one.read(key) == place.two.read(key)
    assert place.one.repair_from(place.two, records=logged)[:2] == (0, 0)

    # What is not what was logged is not taken in.
    (place.folder / "one" / gap).unlink()
    path = place.folder / "two" / gap
    path.chmod(0o600)
    path.write_bytes(flipped(path.read_bytes()))
    _, left, told = place.one.repair_from(place.two, records=logged)
    assert (left, told[-1][0]) == (1, "refused")


def test_files_of_the_log_are_put_back(place: Place) -> None:
    place.first.append(
        *(Leaf(kind="other", name=f"n{number}", sha256="0" * 64) for number in range(300))
    )
    place.replicate()
    keys = [f"log/{path}" for path in audited.files(place.first.leaves)]
    missing, damaged = place.folder / "one" / keys[0], place.folder / "one" / keys[-1]
    missing.unlink()
    damaged.chmod(0o600)
    damaged.write_bytes(flipped(damaged.read_bytes()))
    assert "log-broken" in place.audit("one").kinds

    assert place.one.repair_from(place.two, dry_run=True)[:2] == (0, 2)
    repaired, left, told = place.one.repair_from(place.two)

    assert (repaired, left) == (2, 0), told
    assert [place.one.read(key) for key in keys] == [place.two.read(key) for key in keys]
    assert not place.audit("one").kinds
    assert place.one.repair_from(place.two)[:2] == (0, 0)


def test_files_of_another_history_are_not_taken_in(place: Place) -> None:
    place.replicate()
    (place.folder / "one" / f"log/{next(iter(audited.files(place.first.leaves)))}").unlink()
    shutil.rmtree(place.folder / "two" / "log")
    other = Collection(
        root=place.folder / "two",
        trust=place.first.trust,
        signer=place.first.signer,
        authority=place.first.authority,
        log=place.first.log,
        witness=place.first.witness,
        leaves=[*place.first.leaves[:-1], bundles_leaf()],
    )
    other.publish()

    repaired, _, told = place.one.repair_from(place.two)

    assert repaired == 0
    assert [outcome for outcome in told if outcome[0] == "unclear"]


def _records(place: Place) -> dict[tuple[str, str], str]:
    return read_log(place.one.plain, place.one.log_policy).records


def bundles_leaf() -> bytes:
    return Leaf(kind="other", name="another", sha256="1" * 64).encode()


class _Signer:
    """The log's own key, in the hands of who uses the copy."""

    def __init__(self, of: Collection) -> None:
        self._key = of.log
        self.name = of.log.name
        self.public_key = of.log.public.public_key

    def sign(self, message: bytes) -> bytes:
        return self._key.private.sign(message)


class _Stranger(_Signer):
    def __init__(self) -> None:
        self._key = audited.log_key("other.test/log")
        self.name = self._key.name
        self.public_key = self._key.public.public_key


class _Dies:
    """A store that answers no more after so many writes; the last one is done all the same."""

    def __init__(self, inner: DirectoryStore, steps: int) -> None:
        self._inner = inner
        self._left = steps
        self.url = inner.url

    def read(self, key: str, limit: int) -> TaggedContent:
        return self._inner.read(key, limit)

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        done = self._inner.swap(key, data, tag)
        self._left -= 1
        if self._left < 0:
            raise SnapshotterError("dead")
        return done

    def discard(self, key: str) -> None:
        self._inner.discard(key)
