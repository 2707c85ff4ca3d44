"""What only a bucket has: retention, credentials, a line that breaks."""

import io
import secrets
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.bundle import Retention
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests.contract.stores import file_of
from tests.servers import rclone as rclone_server
from tests.servers.proxy import Proxy
from tests.servers.rclone import rclone
from tests.servers.seaweedfs import (
    ACCESS_KEY,
    READER_KEY,
    READER_SECRET,
    SECRET_KEY,
    SeaweedFS,
)

pytestmark = pytest.mark.xdist_group("seaweedfs")

KEY = "bundles/2026/11/24/20261124t160642z-k3v4q2m7xw4c5b6d.wacz"


def opened(
    endpoint_url: str,
    bucket: str = "plain",
    *,
    key: str = ACCESS_KEY,
    secret: str = SECRET_KEY,
    prefix: str = "",
    timeout_s: float = 20,
) -> S3Store:
    return S3Store(
        S3Bucket(
            bucket,
            prefix or secrets.token_hex(8),
            endpoint_url=endpoint_url,
            region="us-east-1",
            credentials=S3Credentials(access_key_id=key, secret_access_key=secret),
            connect_timeout_s=2,
            read_timeout_s=timeout_s,
        )
    )


@pytest.fixture
def proxy(seaweedfs: SeaweedFS) -> Iterator[Proxy]:
    with Proxy(urlsplit(seaweedfs.endpoint_url).port or 0) as proxy:
        yield proxy


def in_a_while(seconds: int = 60) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_retention_is_set_enforced_and_read_back(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    store = opened(seaweedfs.endpoint_url, "locked")
    until = in_a_while()

    stored = store.put_new(KEY, *file_of(b"x", tmp_path), retention=Retention(until=until))

    assert stored.lock_mode == "GOVERNANCE"
    assert stored.retain_until == until.replace(microsecond=0)
    assert store.head(KEY) == stored
    client = seaweedfs.client()
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket="locked", Key=store.full_key(KEY), VersionId=stored.version)
    client.close()
    store.close()


def test_the_same_bytes_with_a_longer_retention_extend_it_and_never_shorten(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = opened(seaweedfs.endpoint_url, "locked")
    source = file_of(b"x", tmp_path)
    first = store.put_new(KEY, *source)
    assert first.retain_until is None

    for seconds, wanted in ((30, 30), (90, 90), (60, 90)):
        now = datetime.now(UTC)
        stored = store.put_new(
            KEY, *source, retention=Retention(until=now + timedelta(seconds=seconds))
        )

        assert stored.version == first.version
        assert stored.retain_until is not None
        assert abs((stored.retain_until - now).total_seconds() - wanted) < 5
    store.close()


def test_retention_on_a_bucket_without_lock_is_refused(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = opened(seaweedfs.endpoint_url)

    with pytest.raises(SnapshotterError) as raised:
        store.put_new(KEY, *file_of(b"x", tmp_path), retention=Retention(until=in_a_while()))

    assert "Object Lock" in raised.value.hint
    assert not isinstance(raised.value, ServiceUnavailable)
    store.close()


def test_a_lock_that_the_server_drops_is_never_claimed(tmp_path: Path) -> None:
    (tmp_path / "data" / "plain").mkdir(parents=True)
    with rclone(tmp_path) as endpoint_url:
        store = opened(endpoint_url, key=rclone_server.ACCESS_KEY, secret=rclone_server.SECRET_KEY)

        with pytest.raises(SnapshotterError, match="without the requested lock"):
            store.put_new(KEY, *file_of(b"x", tmp_path), retention=Retention(until=in_a_while()))
        store.close()


def test_a_server_that_keeps_no_checksum_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "data" / "plain").mkdir(parents=True)
    with rclone(tmp_path) as endpoint_url:
        store = opened(endpoint_url, key=rclone_server.ACCESS_KEY, secret=rclone_server.SECRET_KEY)
        source, sha256 = file_of(b"x" * 100_000, tmp_path)

        assert store.put_new(KEY, source, sha256).sha256 == sha256
        store.close()


def test_a_write_whose_answer_was_lost_succeeds(
    seaweedfs: SeaweedFS, proxy: Proxy, tmp_path: Path
) -> None:
    prefix = secrets.token_hex(8)
    store = opened(proxy.endpoint_url, "locked", prefix=prefix)
    proxy.lose_answers(1)

    stored = store.put_new(
        KEY, *file_of(b"x" * 100_000, tmp_path), retention=Retention(until=in_a_while())
    )

    assert proxy.lost == 1
    assert stored.lock_mode == "GOVERNANCE"
    client = seaweedfs.client()
    versions = client.list_object_versions(Bucket="locked", Prefix=f"{prefix}/")["Versions"]
    assert [version["VersionId"] for version in versions] == [stored.version]
    client.close()
    store.close()


def test_a_lost_answer_over_other_bytes_is_still_file_exists(
    seaweedfs: SeaweedFS, proxy: Proxy, tmp_path: Path
) -> None:
    prefix = secrets.token_hex(8)
    direct = opened(seaweedfs.endpoint_url, prefix=prefix)
    direct.put_new(KEY, *file_of(b"first", tmp_path))
    store = opened(proxy.endpoint_url, prefix=prefix)

    with pytest.raises(FileExistsError):
        store.put_new(KEY, *file_of(b"other", tmp_path))
    store.close()
    direct.close()


def test_when_every_answer_is_lost_it_is_unavailable_and_the_same_call_later_succeeds(
    proxy: Proxy, tmp_path: Path
) -> None:
    store = opened(proxy.endpoint_url)
    source = file_of(b"x" * 100_000, tmp_path)
    proxy.lose_answers(99)

    with pytest.raises(ServiceUnavailable):
        store.put_new(KEY, *source)

    proxy.lose_answers(0)
    assert store.put_new(KEY, *source).length == 100_000
    store.close()


def test_reading_goes_on_when_the_line_breaks(
    seaweedfs: SeaweedFS, proxy: Proxy, tmp_path: Path
) -> None:
    store = opened(proxy.endpoint_url)
    content = bytes(range(256)) * 40_000
    store.put_new(KEY, *file_of(content, tmp_path))

    with store.open(KEY) as stream:
        head = stream.read(300_000)  # in the middle of the second, longer range
        proxy.break_lines()
        assert head + stream.read() == content
    store.close()


def test_a_server_that_is_gone_is_unavailable_soon(tmp_path: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        store = opened(f"http://127.0.0.1:{held.getsockname()[1]}")
        start = time.monotonic()

        with pytest.raises(ServiceUnavailable, match="does not answer"):
            store.put_new(KEY, *file_of(b"x", tmp_path))
        with pytest.raises(ServiceUnavailable):
            store.head(KEY)
        with pytest.raises(ServiceUnavailable):
            list(store.list())

        assert time.monotonic() - start < 40
        store.close()


def test_a_server_that_says_nothing_is_unavailable_within_its_time_limit(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = opened(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.5)
        start = time.monotonic()

        with pytest.raises(ServiceUnavailable):
            store.put_new(KEY, *file_of(b"x", tmp_path))

        assert time.monotonic() - start < 30
        store.close()


@pytest.mark.parametrize(
    ("key", "secret", "bucket", "says"),
    [
        ("nobody", "wrong-secret-value", "plain", "access key"),
        (ACCESS_KEY, "wrong-secret-value", "plain", "signature"),
        (READER_KEY, READER_SECRET, "plain", "refuses access"),
        (ACCESS_KEY, SECRET_KEY, "no-such-bucket", "no bucket with this name"),
    ],
)
def test_a_refusal_says_what_to_do_and_no_secret(
    seaweedfs: SeaweedFS, tmp_path: Path, key: str, secret: str, bucket: str, says: str
) -> None:
    store = opened(seaweedfs.endpoint_url, bucket, key=key, secret=secret)

    with pytest.raises(SnapshotterError, match=says) as raised:
        store.put_new(KEY, *file_of(b"x", tmp_path))

    assert not isinstance(raised.value, ServiceUnavailable)
    assert raised.value.hint
    assert secret not in f"{raised.value}{raised.value.hint}"
    assert "nobody" not in f"{raised.value}{raised.value.hint}"
    store.close()


def test_a_mistyped_bucket_does_not_look_like_missing_evidence(seaweedfs: SeaweedFS) -> None:
    store = opened(seaweedfs.endpoint_url, "no-such-bucket")

    with pytest.raises(SnapshotterError, match="no bucket with this name"):
        store.head(KEY)
    with pytest.raises(SnapshotterError):
        list(store.list())
    store.close()


@pytest.mark.parametrize("of_aws", [False, True], ids=["named", "aws"])
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_an_endpoint_that_only_redirects_is_named_and_not_followed(
    tmp_path: Path, code: int, of_aws: bool
) -> None:
    store = opened("" if of_aws else "http://127.0.0.1:9", "plain")
    asked: list[str] = []

    def redirect(request: Any, **_: Any) -> AWSResponse:
        asked.append(request.method)
        headers = HTTPHeaders()
        headers["Location"] = "http://127.0.0.1:9/elsewhere"
        return AWSResponse(request.url, code, headers, RawResponse())

    events: Any = store._client.meta.events
    events.register("before-send.s3", redirect)

    for call in (
        lambda: store.put_new(KEY, *file_of(b"x", tmp_path)),
        lambda: store.head(KEY),
        lambda: list(store.list()),
        lambda: store.read(KEY, 100),
    ):
        asked.clear()
        with pytest.raises(SnapshotterError, match="redirects to another address") as raised:
            call()
        assert not isinstance(raised.value, ServiceUnavailable)
        assert "SNAPSHOTTER_S3_ENDPOINT" in raised.value.hint
        assert len(asked) <= 2  # of AWS, the bucket is asked once where it is
    store.close()


class RawResponse(io.BytesIO):
    """A body without a byte."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield b""


def test_a_stream_never_mixes_two_objects(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    store = opened(seaweedfs.endpoint_url)
    store.put_new(KEY, *file_of(b"1" * 900_000, tmp_path))
    client = seaweedfs.client()

    with store.open(KEY) as stream:
        assert stream.read(10) == b"1" * 10
        client.put_object(Bucket="plain", Key=store.full_key(KEY), Body=b"2" * 900_000)
        with pytest.raises(SnapshotterError, match="changed"):
            stream.read()
    client.close()
    store.close()


def test_a_stream_in_a_bucket_with_versions_stays_with_its_own(
    seaweedfs: SeaweedFS, tmp_path: Path
) -> None:
    store = opened(seaweedfs.endpoint_url, "locked")
    store.put_new(KEY, *file_of(b"1" * 900_000, tmp_path))
    client = seaweedfs.client()

    with store.open(KEY) as stream:
        client.put_object(Bucket="locked", Key=store.full_key(KEY), Body=b"2" * 900_000)
        assert stream.read() == b"1" * 900_000
    client.close()
    store.close()


@pytest.mark.parametrize(
    "endpoint_url", ["ftp://127.0.0.1", "127.0.0.1:8333", "http://key:secret@127.0.0.1"]
)
def test_an_endpoint_with_credentials_or_another_scheme_is_refused(endpoint_url: str) -> None:
    with pytest.raises(ValueError, match="endpoint must be") as raised:
        S3Store(S3Bucket("plain", endpoint_url=endpoint_url))
    assert "secret" not in str(raised.value)
