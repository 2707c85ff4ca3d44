"""The probe, on a server that keeps its promises, on one that does not, and on a directory."""

import os
import secrets
import threading
from pathlib import Path

import pytest

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.probe import (
    StoreProbe,
    probe,
    refuse_if_not_locking,
    refuse_if_unfit_for_log,
)
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests.bundles import RealClock
from tests.logs import RandomIds
from tests.servers import rclone as rclone_server
from tests.servers import seaweedfs as seaweedfs_server
from tests.servers.rclone import rclone
from tests.servers.seaweedfs import SeaweedFS

pytestmark = pytest.mark.xdist_group("seaweedfs")


def bucket(endpoint_url: str, name: str, key: str, secret: str, prefix: str = "") -> S3Store:
    return S3Store(
        S3Bucket(
            name,
            prefix or secrets.token_hex(8),
            endpoint_url=endpoint_url,
            credentials=S3Credentials(access_key_id=key, secret_access_key=secret),
            read_timeout_s=20,
        )
    )


def ask(store: DirectoryStore | S3Store) -> StoreProbe:
    return probe(store, RealClock(), RandomIds())


def answers(result: StoreProbe) -> dict[str, bool | None]:
    return {promise.name: promise.kept for promise in result.promises}


ALL = {
    "create_if_absent": True,
    "compare_and_swap": True,
    "checksum_verified": True,
    "checksum_kept": True,
    "versioning": True,
    "lock_config": True,
    "lock_enforced": True,
    "list_after_write": True,
    "range_reads": True,
}


def test_a_bucket_with_lock_keeps_every_promise(seaweedfs: SeaweedFS) -> None:
    store = bucket(
        seaweedfs.endpoint_url,
        "locked",
        seaweedfs_server.ACCESS_KEY,
        seaweedfs_server.SECRET_KEY,
    )

    result = ask(store)

    assert answers(result) == ALL
    assert result.usable
    refuse_if_unfit_for_log(result)
    assert all(promise.how for promise in result.promises)
    refuse_if_not_locking(result)
    # What is locked has to stay for a while; nothing else does.
    assert [key.rpartition("/")[2] for key in result.left_behind] == ["locked"]
    assert [there.key for there in store.list("_probe/")] == list(result.left_behind)
    store.close()


def test_a_bucket_without_lock_is_usable_and_not_for_retention(seaweedfs: SeaweedFS) -> None:
    store = bucket(
        seaweedfs.endpoint_url,
        "plain",
        seaweedfs_server.ACCESS_KEY,
        seaweedfs_server.SECRET_KEY,
    )

    result = ask(store)

    none = {"versioning": False, "lock_config": False, "lock_enforced": False}
    assert answers(result) == ALL | none
    assert result.usable
    assert result.left_behind == ()
    assert list(store.list()) == []
    with pytest.raises(SnapshotterError, match="does not enforce retention"):
        refuse_if_not_locking(result)
    store.close()


def test_a_refusal_for_missing_rights_does_not_count_as_an_enforced_lock(
    seaweedfs: SeaweedFS,
) -> None:
    with seaweedfs.without_right_to_delete() as prefix:
        store = bucket(
            seaweedfs.endpoint_url,
            "locked",
            seaweedfs_server.ACCESS_KEY,
            seaweedfs_server.SECRET_KEY,
            prefix,
        )

        result = ask(store)

        assert answers(result) == ALL | {"lock_enforced": None}
        assert "not established" in result.lock_test.how
        assert "the server only states that the object is locked" in result.lock_test.how
        assert not result.locks
        with pytest.raises(SnapshotterError, match="not established whether s3://") as refused:
            refuse_if_not_locking(result)
        assert "s3:DeleteObjectVersion" in refused.value.hint
        store.close()


def test_a_server_that_ignores_our_headers_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "data" / "plain").mkdir(parents=True)
    with rclone(tmp_path) as endpoint_url:
        store = bucket(endpoint_url, "plain", rclone_server.ACCESS_KEY, rclone_server.SECRET_KEY)

        result = ask(store)

        assert not result.kept("create_if_absent")
        assert not result.kept("checksum_verified")
        assert not result.kept("checksum_kept")
        assert not result.usable
        with pytest.raises(SnapshotterError, match="does not enforce retention"):
            refuse_if_not_locking(result)
        assert not result.kept("compare_and_swap")
        with pytest.raises(SnapshotterError, match="cannot keep a log"):
            refuse_if_unfit_for_log(result)
        assert list(store.list()) == []
        store.close()


def test_a_reader_is_told_that_it_may_not_write(seaweedfs: SeaweedFS) -> None:
    store = bucket(
        seaweedfs.endpoint_url,
        "plain",
        seaweedfs_server.READER_KEY,
        seaweedfs_server.READER_SECRET,
    )

    with pytest.raises(SnapshotterError, match="refuses access"):
        ask(store)
    store.close()


def test_a_server_that_is_gone_is_unavailable() -> None:
    store = bucket("http://127.0.0.1:9", "plain", "key", "secret-value")

    with pytest.raises(ServiceUnavailable):
        ask(store)
    store.close()


def test_a_directory_keeps_what_a_directory_can(tmp_path: Path) -> None:
    result = ask(DirectoryStore(tmp_path / "store"))

    assert answers(result) == {
        "create_if_absent": True,
        "compare_and_swap": True,
        "checksum_verified": True,
        "checksum_kept": False,
        "read_only": True,
        "synced": True,
        "versioning": False,
        "lock_config": False,
        "lock_enforced": False,
        "list_after_write": True,
        "range_reads": True,
    }
    assert result.usable
    assert {path.name for path in (tmp_path / "store").iterdir()} == {".incoming", ".swap"}
    with pytest.raises(SnapshotterError, match="not WORM"):
        refuse_if_not_locking(result)


def test_several_probes_of_one_directory_do_not_disturb_each_other(tmp_path: Path) -> None:
    store, found = DirectoryStore(tmp_path / "store"), list[bool]()
    probes = [threading.Thread(target=lambda: found.append(ask(store).usable)) for _ in range(6)]

    for thread in probes:
        thread.start()
    for thread in probes:
        thread.join(60)

    assert found == [True] * 6
    assert os.listdir(tmp_path / "store" / ".incoming") == []
