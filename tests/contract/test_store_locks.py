"""
Holds, retention, versions and deletion: the same for a directory and for buckets.

SeaweedFS enforces its locks, so what is refused here in a bucket is refused by a
server; a directory notes the same, and our own commands honour it.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.model.bundle import LockState, Retention
from snapshotter.store import directory_locks
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests.contract.stores import Place, Store, file_of, place_of, shut
from tests.servers import rclone as rclone_server
from tests.servers.rclone import rclone
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.xdist_group("seaweedfs")

KEY = "bundles/2026/11/24/20261124t160642z-k3v4q2m7xw4c5b6d.wacz"
BESIDE = f"{KEY}.late-01.tsr"


@pytest.fixture(params=["directory", "plain", "versioned", "locked"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


@pytest.fixture(params=["directory", "locked"])
def lockable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "directory":
        yield DirectoryStore(tmp_path / "store")
        return
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    store = Place(
        bucket="locked", prefix=f"l/{secrets.token_hex(8)}", endpoint_url=server.endpoint_url
    ).open()
    yield store
    shut(store)


def now() -> datetime:
    return datetime.now(UTC)


def until(seconds: int = 300, mode: str = "GOVERNANCE") -> Retention:
    return Retention(until=now() + timedelta(seconds=seconds), mode=mode)


def put(store: Store, folder: Path, key: str = KEY, content: bytes = b"evidence") -> None:
    store.put_new(key, *file_of(content, folder))


def test_what_nothing_keeps_is_deleted_whole_and_alone(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path)
    put(store, tmp_path, BESIDE)

    assert store.delete(KEY, now=now()) == 1

    with pytest.raises(FileNotFoundError):
        store.head(KEY)
    assert store.versions(KEY) == ()
    assert [stored.key for stored in store.list()] == [BESIDE]
    assert store.delete(KEY, now=now()) == 0


def test_what_is_not_there_has_no_lock_and_takes_none(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, BESIDE)
    with pytest.raises(FileNotFoundError):
        store.lock_state(KEY)
    with pytest.raises(FileNotFoundError):
        store.set_legal_hold(KEY, on=True)
    with pytest.raises(FileNotFoundError):
        store.retain(KEY, until())
    assert store.versions(KEY) == ()


def test_what_is_set_aside_leaves_its_key_free(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, content=b"damaged")
    put(store, tmp_path, BESIDE)

    store.set_aside(KEY)

    with pytest.raises(FileNotFoundError):
        store.head(KEY)
    assert [stored.key for stored in store.list()] == [BESIDE]
    with pytest.raises(FileNotFoundError):
        store.set_aside(KEY)
    put(store, tmp_path, content=b"whole")
    with store.open(KEY) as stream:
        assert stream.read() == b"whole"
    if isinstance(store, DirectoryStore):
        (aside,) = (store.root / ".aside").iterdir()
        assert aside.read_bytes() == b"damaged"
    elif store.bucket != "plain":
        assert len(store.versions(KEY)) == 3  # nothing is lost


def test_what_is_left_of_a_key_is_found_and_deleted_also_where_no_list_shows_it(
    store: Store, tmp_path: Path
) -> None:
    put(store, tmp_path)
    put(store, tmp_path, BESIDE)
    store.set_aside(KEY)
    put(store, tmp_path, content=b"whole")
    store.set_aside(KEY)
    kept = isinstance(store, DirectoryStore) or store.bucket != "plain"

    assert store.remains(KEY) == ({KEY, BESIDE} if kept else {BESIDE})
    assert store.delete(KEY, now=now()) >= (2 if kept else 0)

    assert store.remains(KEY) == {BESIDE}
    assert store.remains(f"{KEY}.x") == frozenset()


def test_a_lock_does_not_keep_what_is_damaged_in_the_way(lockable: Store, tmp_path: Path) -> None:
    lockable.put_new(KEY, *file_of(b"damaged", tmp_path), retention=until(60, "COMPLIANCE"))

    lockable.set_aside(KEY)
    put(lockable, tmp_path, content=b"whole")

    with pytest.raises(PolicyRefused):
        lockable.delete(KEY, now=now())


def test_an_object_begins_without_a_lock(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path)

    state = store.lock_state(KEY)

    assert (state.retention, state.legal_hold) == (None, False)
    assert not state.holds(now())
    assert [version.current for version in store.versions(KEY)] == [True]


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_retention_refuses_deletion_and_is_only_ever_extended(
    lockable: Store, tmp_path: Path, mode: str
) -> None:
    asked = until(60, mode)

    stored = lockable.put_new(KEY, *file_of(b"x", tmp_path), retention=asked)

    assert (stored.lock_mode, stored.retain_until) == (mode, asked.second)
    assert lockable.head(KEY).retention == lockable.lock_state(KEY).retention == stored.retention
    with pytest.raises(PolicyRefused, match="retention until"):
        lockable.delete(KEY, now=now())
    with pytest.raises(PolicyRefused, match="only be extended"):
        lockable.retain(KEY, until(30, mode))
    longer = until(120, "GOVERNANCE")
    kept = lockable.retain(KEY, longer).retention
    assert kept == Retention(until=longer.second, mode=mode)  # of two modes the firmer stays
    assert lockable.head(KEY).length == 1


def test_retention_can_come_later(lockable: Store, tmp_path: Path) -> None:
    put(lockable, tmp_path)

    asked = until(60, "COMPLIANCE")
    state = lockable.retain(KEY, asked)

    assert state.retention == Retention(until=asked.second, mode="COMPLIANCE")
    assert state.enforced is isinstance(lockable, S3Store)
    with pytest.raises(PolicyRefused):
        lockable.delete(KEY, now=now())


def test_a_hold_refuses_deletion_until_it_is_lifted_whatever_the_retention(
    lockable: Store, tmp_path: Path
) -> None:
    put(lockable, tmp_path)
    assert lockable.set_legal_hold(KEY, on=True).legal_hold
    assert lockable.set_legal_hold(KEY, on=True).legal_hold
    assert lockable.head(KEY).legal_hold

    with pytest.raises(PolicyRefused, match="a legal hold"):
        lockable.delete(KEY, now=now() + timedelta(days=36_500))
    assert not lockable.set_legal_hold(KEY, on=False).legal_hold
    assert lockable.delete(KEY, now=now()) == 1


def test_the_same_bytes_again_never_take_a_lock_away(lockable: Store, tmp_path: Path) -> None:
    source = file_of(b"x", tmp_path)
    long = until(120)
    lockable.put_new(KEY, *source, retention=long)
    lockable.set_legal_hold(KEY, on=True)

    lockable.put_new(KEY, *source)
    lockable.put_new(KEY, *source, retention=until(60))

    state = lockable.lock_state(KEY)
    assert (state.retention, state.legal_hold) == (Retention(until=long.second), True)
    lockable.set_legal_hold(KEY, on=False)


def test_a_store_that_enforces_no_hold_says_so(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path)

    state = store.set_legal_hold(KEY, on=True)

    locks = isinstance(store, S3Store) and store.bucket == "locked"
    assert state.enforced is locks
    store.set_legal_hold(KEY, on=False)


def test_a_bucket_without_lock_refuses_retention(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    store = Place(
        bucket="plain", prefix=secrets.token_hex(8), endpoint_url=seaweedfs.endpoint_url
    ).open()
    put(store, tmp_path)

    with pytest.raises(SnapshotterError):
        store.retain(KEY, until())
    assert store.lock_state(KEY) == LockState()
    shut(store)


def bucket(server: SeaweedFS, name: str) -> S3Store:
    store = Place(bucket=name, prefix=secrets.token_hex(8), endpoint_url=server.endpoint_url).open()
    assert isinstance(store, S3Store)
    return store


def test_compliance_is_refused_by_the_server_when_our_own_look_missed_it(
    seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, client = bucket(seaweedfs, "locked"), seaweedfs.client()
    stored = store.put_new(KEY, *file_of(b"x", tmp_path), retention=until(60, "COMPLIANCE"))
    name = store.full_key(KEY)
    monkeypatch.setattr(store._locks, "state", lambda *_: LockState())

    with pytest.raises(PolicyRefused, match="refuses to delete"):
        store.delete(KEY, now=now())

    monkeypatch.undo()
    for bypass in (False, True):
        with pytest.raises(ClientError, match="AccessDenied"):
            client.delete_object(
                Bucket="locked",
                Key=name,
                VersionId=stored.version,
                BypassGovernanceRetention=bypass,
            )
    with pytest.raises(ClientError, match="AccessDenied"):
        client.put_object_retention(
            Bucket="locked",
            Key=name,
            VersionId=stored.version,
            Retention={"Mode": "COMPLIANCE", "RetainUntilDate": now() + timedelta(seconds=10)},
        )
    assert store.lock_state(KEY).retention == stored.retention
    client.close()
    shut(store)


def test_deletion_leaves_no_version_and_no_marker(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    for name in ("versioned", "locked"):
        store, client = bucket(seaweedfs, name), seaweedfs.client()
        put(store, tmp_path)
        put(store, tmp_path, BESIDE)
        full = store.full_key(KEY)
        client.put_object(Bucket=name, Key=full, Body=b"laid over it")
        client.delete_object(Bucket=name, Key=full)
        with pytest.raises(FileNotFoundError):
            store.head(KEY)
        assert [(version.marker, version.current) for version in store.versions(KEY)].count(
            (True, True)
        ) == 1

        assert store.delete(KEY, now=now()) == 3

        listed = client.list_object_versions(Bucket=name, Prefix=full)
        assert [stored["Key"] for stored in listed["Versions"]] == [store.full_key(BESIDE)]
        assert "DeleteMarkers" not in listed
        client.close()
        shut(store)


def test_a_version_of_before_versioning_goes_too(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    client, name = seaweedfs.client(), f"late-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name)
    store = bucket(seaweedfs, name)
    put(store, tmp_path)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    full = store.full_key(KEY)
    client.put_object(Bucket=name, Key=full, Body=b"laid over it")

    assert store.delete(KEY, now=now()) == 2

    assert "Versions" not in client.list_object_versions(Bucket=name, Prefix=full)
    with pytest.raises(FileNotFoundError):
        store.head(KEY)
    client.close()
    shut(store)


def test_a_lock_on_an_older_version_refuses_the_deletion_of_all(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store, client = bucket(seaweedfs, "locked"), seaweedfs.client()
    put(store, tmp_path)
    store.set_legal_hold(KEY, on=True)
    client.put_object(Bucket="locked", Key=store.full_key(KEY), Body=b"laid over it")
    assert not store.lock_state(KEY).legal_hold

    with pytest.raises(PolicyRefused, match="a legal hold"):
        store.delete(KEY, now=now())

    assert len(store.versions(KEY)) == 2
    store.set_legal_hold(KEY, on=False)
    assert store.delete(KEY, now=now()) == 2
    client.close()
    shut(store)


def test_an_endpoint_that_ignores_locks_is_never_said_to_enforce_one(tmp_path: Path) -> None:
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
        put(store, tmp_path)

        state = store.set_legal_hold(KEY, on=True)

        assert not (state.enforced and state.legal_hold)
        with pytest.raises(SnapshotterError):
            store.retain(KEY, until())
        with pytest.raises(SnapshotterError):  # it takes the headers, and drops what they ask
            store.put_new(KEY, *file_of(b"evidence", tmp_path), retention=until())
        # It takes a lock that is asked for afterwards for a write: so it is never asked.
        with store.open(KEY) as stream:
            assert stream.read() == b"evidence"
        assert len(store.versions(KEY)) == 1
        assert store.delete(KEY, now=now() + timedelta(days=1)) == 1
        assert store.versions(KEY) == ()
        store.close()


def test_a_note_that_can_not_be_read_counts_as_a_lock(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    put(store, tmp_path)
    store.set_legal_hold(KEY, on=True)
    note = store.root / directory_locks.FOLDER / KEY
    assert note.read_bytes() == (
        b'{"format":"snapshotter-directory-lock/1","legal_hold":true,"mode":"","retain_until":null}'
    )
    for damaged in (
        b"",
        b"{}",
        note.read_bytes()[:-1],
        b'{"format":"snapshotter-directory-lock/1",'
        b'"legal_hold":true,"mode":"HARD","retain_until":"2036-01-01T00:00:00Z"}',
    ):
        note.write_bytes(damaged)

        with pytest.raises(SnapshotterError, match="record of the lock"):
            store.delete(KEY, now=now())
        with pytest.raises(SnapshotterError, match="record of the lock"):
            store.lock_state(KEY)
        assert store.head(KEY).length == 8  # reading goes on


def test_a_note_does_not_outlive_its_object(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    store.put_new(KEY, *file_of(b"x", tmp_path), retention=until(60))

    assert store.delete(KEY, now=now() + timedelta(seconds=61)) == 1

    put(store, tmp_path)
    assert store.lock_state(KEY) == LockState()
    assert [stored.key for stored in store.list()] == [KEY]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Retention(until=datetime(2036, 1, 1)), "time zone"),  # noqa: DTZ001
        (lambda: Retention(until=now(), mode="NONE"), "lock mode"),
    ],
)
def test_what_is_no_retention_can_not_be_built(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]
