"""An audit of a bucket: the same findings as in a directory, and locks that a server keeps."""

import io
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from snapshotter.model.custody import INGESTION
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from snapshotter.verify.audit.remembered_checkpoint import RememberedCheckpoint
from snapshotter.verify.audit.report import exit_code
from tests import audited
from tests.audited import Audited, Collection
from tests.bundles import ChainAuthority, flipped
from tests.servers.authority import Chain
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = [pytest.mark.s3, pytest.mark.xdist_group("seaweedfs")]

_BUCKET = "locked"
DAYS = 30  # that the newest bundle's policy keeps it


@dataclass(frozen=True)
class Bucket:
    """A collection in a bucket, and the keeper's own client."""

    collection: Collection
    client: "S3Client"
    endpoint_url: str
    prefix: str

    def name(self, key: str) -> str:
        return f"{self.prefix}/{key}"

    def put(self, key: str, data: bytes, **more: Any) -> None:
        self.client.put_object(Bucket=_BUCKET, Key=self.name(key), Body=data, **more)

    def upload(self, *, mode: Any = "GOVERNANCE") -> None:
        """Copy the collection as it is on disk; bundles, with what is beside, get the lock."""
        until = datetime.now(UTC) + timedelta(days=DAYS)
        for path in sorted(self.collection.root.rglob("*")):
            key = path.relative_to(self.collection.root).as_posix()
            lock = {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": until}
            if path.is_file():
                self.put(key, path.read_bytes(), **(lock if ".wacz" in key else {}))

    def version(self, key: str) -> str:
        answer = self.client.head_object(Bucket=_BUCKET, Key=self.name(key))
        return answer["VersionId"]

    def audit(
        self,
        folder: Path,
        remembered: RememberedCheckpoint | None = None,
        refused: Mapping[str, int] | None = None,
    ) -> Audited:
        """
        Audit the bucket.

        Args:
            refused: Status codes that the server answers with, by key.
        """

        def opened(root: Path) -> S3Store:
            store = S3Store(
                S3Bucket(
                    _BUCKET,
                    self.prefix,
                    endpoint_url=self.endpoint_url,
                    region="us-east-1",
                    credentials=S3Credentials(
                        access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY
                    ),
                    attempts=1,
                )
            )
            for key, code in (refused or {}).items():
                _refuse(store, f"/{_BUCKET}/{self.name(key)}", code)
            return store

        return self.collection.audited(
            folder / "work.sqlite", remembered=remembered, open_store=opened
        )


def _refuse(store: S3Store, path: str, code: int) -> None:
    """Answer what is asked of one object, in the place of the server."""

    def answer(request: Any, **more: Any) -> Any:
        if urlsplit(request.url).path != path:
            return None
        return AWSResponse(request.url, code, HTTPHeaders(), RawResponse())

    events: Any = store._client.meta.events
    events.register("before-send.s3", answer)


class RawResponse(io.BytesIO):
    """A body without a byte."""

    def stream(self, **more: Any) -> Iterator[bytes]:
        yield b""


@pytest.fixture(scope="module")
def locked_collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Three bundles, of which the last one is kept by its policy."""
    folder = tmp_path_factory.mktemp("collection")
    chain = Chain(folder / "authority", "test authority")
    chain.make()
    made = audited.collection(folder, ChainAuthority(chain), count=2)
    made.add(*made.seal(folder / "kept", minutes_ago=90, retain_days=DAYS))
    until = (datetime.now(UTC) + timedelta(days=DAYS - 1)).replace(microsecond=0)
    locked = replace(made.receipt(2), lock_mode="GOVERNANCE", retain_until=until)
    made.record(2, INGESTION, receipt=locked)
    return made


@pytest.fixture
def bucket(seaweedfs: SeaweedFS, locked_collection: Collection, tmp_path: Path) -> Iterator[Bucket]:
    client = seaweedfs.client()
    copy = locked_collection.copy(tmp_path / "store")
    yield Bucket(copy, client, seaweedfs.endpoint_url, secrets.token_hex(8))
    client.close()


def test_a_good_bucket_passes(bucket: Bucket, tmp_path: Path) -> None:
    bucket.upload()

    found = bucket.audit(tmp_path)

    assert (found.kinds, found.notes) == (set(), set())


def test_what_is_done_to_bundles_is_named(bucket: Bucket, tmp_path: Path) -> None:
    """One store, all of it at once: no finding hides another."""
    bucket.upload()
    collection = bucket.collection
    bucket.client.delete_object(
        Bucket=_BUCKET, Key=bucket.name(collection.key(0))
    )  # a delete marker
    bucket.put(collection.key(1), flipped(collection.path(1).read_bytes()))  # a new version
    stray_id, stray = collection.seal(tmp_path / "stray", minutes_ago=200)
    bucket.put(f"bundles/{stray_id[:4]}/{stray_id[4:6]}/{stray_id[6:8]}/{stray_id}.wacz", stray)

    found = bucket.audit(tmp_path)

    named = {
        (finding.code.value, finding.key.rpartition("/")[2][:20]) for finding in found.findings
    }
    assert ("deleted", collection.ids[0][:20]) in named
    assert ("altered", collection.ids[1][:20]) in named
    assert ("unlogged", stray_id[:20]) in named
    assert found.kinds == {"deleted", "altered", "unlogged?"}


def test_bundles_that_were_exchanged_are_named(bucket: Bucket, tmp_path: Path) -> None:
    bucket.upload()
    first, second = (bucket.collection.path(number).read_bytes() for number in (0, 1))
    bucket.put(bucket.collection.key(0), second)
    bucket.put(bucket.collection.key(1), first)

    assert bucket.audit(tmp_path).kinds == {"replaced"}


@pytest.mark.parametrize(("code", "ends_in"), [(503, 30), (403, 11)])
def test_what_a_server_does_not_give_is_not_said_to_be_gone(
    bucket: Bucket, tmp_path: Path, code: int, ends_in: int
) -> None:
    bucket.upload()
    seen = bucket.audit(tmp_path).to_remember
    keys = (
        "log/checkpoint",
        bucket.collection.key(0),
        f"{bucket.collection.key(2)}.custody-0001.jsonl",
    )

    for key in keys:
        found = bucket.audit(tmp_path, seen, {key: code})

        assert found.kinds - {"unlocked?"} == {"unreadable?"}, key  # nor is its lock given
        assert exit_code(found.report) == ends_in
        assert {finding.key for finding in found.findings if finding.code == "unreadable"} == {key}


def test_another_history_is_named(bucket: Bucket, tmp_path: Path) -> None:
    bucket.upload()
    seen = bucket.audit(tmp_path).to_remember
    collection = bucket.collection
    older = audited.checkpoint(collection.leaves[:2], collection.log, (collection.witness,))
    bucket.put("log/checkpoint", older)

    assert bucket.audit(tmp_path, seen).kinds == {"rolled-back", "unlogged?"}

    collection.rewrite(collection.leaves[::-1], witnessed=False)
    bucket.upload()

    assert bucket.audit(tmp_path, seen).kinds == {"forked", "unwitnessed?"}


def test_custody_that_was_cut_off_is_named(bucket: Bucket, tmp_path: Path) -> None:
    for _ in range(2):
        bucket.collection.record(1, INGESTION)
    bucket.upload()
    assert bucket.audit(tmp_path).kinds == set()

    last = f"{bucket.collection.key(1)}.custody-0002.jsonl"
    bucket.client.delete_object(Bucket=_BUCKET, Key=bucket.name(last))

    assert bucket.audit(tmp_path).kinds == {"custody-broken"}


def test_a_lock_that_was_shortened_is_named(bucket: Bucket, tmp_path: Path) -> None:
    bucket.upload()
    key = bucket.collection.key(2)
    bucket.client.put_object_retention(
        Bucket=_BUCKET,
        Key=bucket.name(key),
        Retention={
            "Mode": "GOVERNANCE",
            "RetainUntilDate": datetime.now(UTC) + timedelta(days=1),
        },
        BypassGovernanceRetention=True,
    )

    found = bucket.audit(tmp_path)

    assert [(finding.code.value, finding.key) for finding in found.findings] == [("unlocked", key)]
    assert found.kinds == {"unlocked"}


def test_a_sidecar_that_is_not_locked_as_its_bundle_is_named(
    bucket: Bucket, tmp_path: Path
) -> None:
    bucket.upload()
    key = f"{bucket.collection.key(2)}.tlog-proof"
    bucket.put(
        key, bucket.collection.path(2, "tlog-proof").read_bytes()
    )  # the same bytes, and no lock

    found = bucket.audit(tmp_path)

    assert [(finding.code.value, finding.key) for finding in found.findings] == [("unlocked", key)]
    assert found.kinds == {"unlocked?"}


def test_compliance_is_kept_by_the_server_and_its_absence_is_named(
    bucket: Bucket, tmp_path: Path
) -> None:
    collection = bucket.collection
    until = (datetime.now(UTC) + timedelta(days=DAYS - 1)).replace(microsecond=0)
    locked = replace(collection.receipt(1), lock_mode="COMPLIANCE", retain_until=until)
    collection.record(1, INGESTION, receipt=locked)
    bucket.upload(mode="COMPLIANCE")
    name, version = bucket.name(collection.key(1)), bucket.version(collection.key(1))

    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.delete_object(Bucket=_BUCKET, Key=name, VersionId=version)
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.put_object_retention(
            Bucket=_BUCKET,
            Key=name,
            Retention={
                "Mode": "COMPLIANCE",
                "RetainUntilDate": datetime.now(UTC) + timedelta(days=1),
            },
        )
    assert bucket.audit(tmp_path).kinds == set()

    # The same bytes once more, without a lock, and they are what readers get.
    bucket.put(collection.key(1), collection.path(1).read_bytes())

    assert bucket.audit(tmp_path).kinds == {"unlocked"}


def test_a_weaker_lock_than_the_receipt_says_is_named(bucket: Bucket, tmp_path: Path) -> None:
    collection = bucket.collection
    until = (datetime.now(UTC) + timedelta(days=DAYS - 1)).replace(microsecond=0)
    locked = replace(collection.receipt(1), lock_mode="COMPLIANCE", retain_until=until)
    collection.record(1, INGESTION, receipt=locked)
    bucket.upload(mode="GOVERNANCE")

    assert bucket.audit(tmp_path).kinds == {"unlocked"}


def test_a_bucket_without_the_lock_of_its_receipts_is_named(bucket: Bucket, tmp_path: Path) -> None:
    for path in sorted(bucket.collection.root.rglob("*")):
        if path.is_file():
            bucket.put(path.relative_to(bucket.collection.root).as_posix(), path.read_bytes())

    assert bucket.audit(tmp_path).kinds == {"unlocked"}
