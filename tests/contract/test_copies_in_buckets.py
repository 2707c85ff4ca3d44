"""Holds, replication, repair and erasure in buckets, with whoever writes there behind our back."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from snapshotter.app.upkeep import erasure, holds
from snapshotter.errors import PolicyRefused
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import Bundle, Retention
from snapshotter.seal.log_writer import LogDamaged
from snapshotter.store import custodial_store
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests import bundles, logs
from tests.contract.stores import Place
from tests.servers import rclone as rclone_server
from tests.servers.rclone import rclone
from tests.servers.seaweedfs import SeaweedFS
from tests.unit.app.upkeep.copies import Shelf, sealed

pytestmark = pytest.mark.xdist_group("seaweedfs")

SIGNER = bundles.new_signer()
Shelves = Callable[[str], Shelf]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return sealed(tmp_path_factory.mktemp("sealed"), SIGNER)[0]


@pytest.fixture
def shelves(seaweedfs: SeaweedFS, tmp_path: Path) -> Iterator[Shelves]:
    opened: list[S3Store] = []

    def shelf(name: str) -> Shelf:
        if name == "directory":
            return Shelf(folder=tmp_path, name=name, signer=SIGNER)
        prefix = f"c/{secrets.token_hex(6)}"
        store = Place(bucket=name, prefix=prefix, endpoint_url=seaweedfs.endpoint_url).open()
        assert isinstance(store, S3Store)
        opened.append(store)
        return Shelf(folder=tmp_path, name=f"{name}-{prefix}", signer=SIGNER, inner=store)

    yield shelf
    for store in opened:
        store.close()


def bucket(shelf: Shelf) -> S3Store:
    assert isinstance(shelf.inner, S3Store)
    return shelf.inner


def erase(shelf: Shelf, made: Bundle) -> erasure.Erased:
    return erasure.erase(shelf.erasure_desk(), made.id, reason="a minor", order="12 O 345/26")


@pytest.mark.parametrize("name", ["plain", "versioned", "locked"])
def test_an_erasure_leaves_no_version_of_anything(
    shelves: Shelves, seaweedfs: SeaweedFS, made: Bundle, name: str
) -> None:
    shelf, client = shelves(name), seaweedfs.client()
    key = shelf.add(made)
    shelf.put(f"{key}.late-01.tsr", b"a token")
    for at in (key, f"{key}.late-01.tsr"):  # laid over, and hidden
        client.put_object(Bucket=name, Key=bucket(shelf).full_key(at), Body=b"laid over it")
        client.delete_object(Bucket=name, Key=bucket(shelf).full_key(at))
    if name == "plain":
        key = shelf.add(made)

    if name == "plain":
        assert erase(shelf, made).objects == 1
    else:
        with pytest.raises(Exception, match="has no bundle"):  # it is hidden: who erases looks
            erase(shelf, made)
        shelf.plain.put_new(key, made.file, made.digests.sha256)
        done = erase(shelf, made)
        assert (done.objects, done.versions) == (2, 7)

    kinds = {left_key.removeprefix(key) for left_key in shelf.plain.remains(key)}
    assert f".{tombstone.KIND}" in kinds
    assert {kind for kind in kinds if not kind.startswith(".custody-")} == {f".{tombstone.KIND}"}
    assert custodial_store.read_chain(shelf.plain, made.id).problems == ()
    client.close()


def test_a_version_that_is_locked_stops_the_whole_erasure(
    shelves: Shelves, seaweedfs: SeaweedFS, made: Bundle
) -> None:
    shelf, client = shelves("locked"), seaweedfs.client()
    until = Retention(until=datetime.now(UTC) + timedelta(seconds=60), mode="COMPLIANCE")
    key = shelf.add(made, until)
    client.put_object(Bucket="locked", Key=bucket(shelf).full_key(key), Body=b"laid over it")

    with pytest.raises(PolicyRefused, match="retention until"):
        erase(shelf, made)

    assert shelf.kinds(key) == [""]
    assert len(shelf.plain.versions(key)) == 2
    # What is told of the bundle shares its lock.
    chain = f"{key}.custody-0001.jsonl"
    kept = shelf.plain.lock_state(chain).retention
    assert kept is not None
    assert kept.mode == "COMPLIANCE"
    client.close()


def test_a_hold_is_kept_by_the_server_until_the_last_one_is_lifted(
    shelves: Shelves, seaweedfs: SeaweedFS, made: Bundle
) -> None:
    shelf, client = shelves("locked"), seaweedfs.client()
    key = shelf.add(made)
    for name in ("a", "b"):
        done = holds.place(shelf.hold_desk, made.id, name=name, matter="m", reason="r")
        assert done.enforced
    holds.lift(shelf.hold_desk, made.id, name="a", reason="r")

    with pytest.raises(PolicyRefused, match="is under legal hold: b"):
        erase(shelf, made)
    for version in shelf.plain.versions(key):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(
                Bucket="locked", Key=bucket(shelf).full_key(key), VersionId=version.version
            )
    holds.lift(shelf.hold_desk, made.id, name="b", reason="r")
    assert erase(shelf, made).objects == 5  # the bundle and four records
    client.close()


@pytest.mark.parametrize("name", ["plain", "versioned", "locked"])
@pytest.mark.parametrize("how", ["laid-over", "hidden"])
def test_what_was_replaced_or_hidden_behind_our_back_comes_back(
    shelves: Shelves, seaweedfs: SeaweedFS, made: Bundle, name: str, how: str
) -> None:
    shelf, copy, client = shelves(name), shelves("directory"), seaweedfs.client()
    key = shelf.add(made)
    assert shelf.replicate_to(copy)[0].copied == 1
    before = len(shelf.plain.versions(key))
    full = bucket(shelf).full_key(key)
    if how == "hidden":
        client.delete_object(Bucket=name, Key=full)
    else:
        client.put_object(Bucket=name, Key=full, Body=b"another")

    repaired, left, told = shelf.repair_from(copy)

    assert (repaired, left) == (1, 0), told
    assert shelf.read(key) == made.file.read_bytes()
    if name != "plain":
        assert len(shelf.plain.versions(key)) > before + 1  # what was there is there still
    found = custodial_store.read_chain(shelf.plain, made.id)
    assert found.problems == ()
    assert found.events[-1].event.event == "recovery"
    client.close()


def test_a_copy_is_locked_as_the_source_is_or_it_is_told(shelves: Shelves, made: Bundle) -> None:
    source, locked, plain = shelves("directory"), shelves("locked"), shelves("plain")
    until = Retention(until=datetime.now(UTC) + timedelta(seconds=60), mode="COMPLIANCE")
    key = source.add(made, until)

    done, told = source.replicate_to(locked)
    assert (done.copied, done.is_complete) == (1, True), told
    assert locked.plain.lock_state(key).retention == Retention(
        until=until.second, mode="COMPLIANCE"
    )
    assert source.replicate_to(locked)[0].is_complete
    done, told = source.replicate_to(plain)
    assert (done.copied, done.is_complete) == (1, False)
    assert "unlocked" in [report[0] for report in told]
    assert plain.read(key) == made.file.read_bytes()


def test_an_endpoint_that_ignores_locks_enforces_no_hold(tmp_path: Path, made: Bundle) -> None:
    (tmp_path / "data" / "plain").mkdir(parents=True)
    with rclone(tmp_path) as endpoint_url:
        store = S3Store(
            S3Bucket(
                "plain",
                "x",
                endpoint_url=endpoint_url,
                credentials=S3Credentials(
                    access_key_id=rclone_server.ACCESS_KEY,
                    secret_access_key=rclone_server.SECRET_KEY,
                ),
            )
        )
        shelf = Shelf(folder=tmp_path, name="rclone", signer=SIGNER, inner=store)
        shelf.add(made)

        done = holds.place(shelf.hold_desk, made.id, name="a", matter="m", reason="r")

        assert (done.enforced, done.holds.held) == (False, True)
        with pytest.raises(PolicyRefused, match="is under legal hold"):
            erase(shelf, made)
        holds.lift(shelf.hold_desk, made.id, name="a", reason="r")
        erase(shelf, made)
        assert shelf.kinds(done_key(made)) == [tombstone.KIND]
        store.close()


def done_key(made: Bundle) -> str:
    """Return where a bundle was."""
    from snapshotter.formats.bundle import store_keys

    return store_keys.bundle_key(made.id)


def test_the_log_of_a_bucket_goes_along_into_another_one(shelves: Shelves, made: Bundle) -> None:
    one, two = shelves("plain"), shelves("locked")
    one.log_policy = LogPolicy(key=logs.LOG_KEY)
    one.add(made)
    leaves = [logs.some_leaf(number) for number in range(3)]
    logs.writer(bucket(one)).append(leaves)

    done, told = one.replicate_to(two)
    assert (done.copied, done.entries, done.is_complete) == (1, 3, True), told
    logs.writer(bucket(one)).append([logs.some_leaf("more")])
    done, told = one.replicate_to(two)

    assert done.is_complete, told
    assert logs.read_whole(bucket(two)) == [*leaves, logs.some_leaf("more")]
    with pytest.raises(LogDamaged, match="copy"):
        logs.writer(bucket(two)).append([logs.some_leaf("new")])
