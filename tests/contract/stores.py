"""The two stores as the contract suite opens them, also from other processes."""

import hashlib
import multiprocessing
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from snapshotter.store.filesystem import DirectoryStore
from snapshotter.store.s3 import S3Store
from snapshotter.store.s3_bucket import S3Bucket, S3Credentials
from tests.apart import APART
from tests.servers.proxy import Proxy
from tests.servers.seaweedfs import ACCESS_KEY, SECRET_KEY, SeaweedFS

Store = DirectoryStore | S3Store
_LIMIT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is, in a form that another process can open."""

    root: str = ""
    bucket: str = ""
    prefix: str = ""
    endpoint_url: str = ""

    def open(self, endpoint_url: str = "") -> Store:
        """Return the store; the caller closes it with `shut`."""
        if self.root:
            return DirectoryStore(Path(self.root))
        return S3Store(
            S3Bucket(
                self.bucket,
                self.prefix,
                endpoint_url=endpoint_url or self.endpoint_url,
                region="us-east-1",
                credentials=S3Credentials(access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY),
            )
        )


def place_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> Place:
    """Return a place for an empty store: a `directory` below `folder`, or a prefix of a bucket."""
    if kind == "directory":
        return Place(root=str(folder / "store"))
    server: SeaweedFS = request.getfixturevalue("seaweedfs")
    return Place(bucket=kind, prefix=f"a/{secrets.token_hex(8)}", endpoint_url=server.endpoint_url)


def shut(store: Store) -> None:
    """Close what a store holds open."""
    if isinstance(store, S3Store):
        store.close()


def file_of(content: bytes, folder: Path) -> tuple[Path, str]:
    """Return a file with this content, and its SHA-256."""
    digest = hashlib.sha256(content).hexdigest()
    path = folder / digest
    path.write_bytes(content)
    return path, digest


def race(place: Place, key: str, sources: Sequence[tuple[Path, str]]) -> list[str]:
    """Let one process for each source put the same key at the same moment."""
    barrier = APART.Barrier(len(sources))
    answers: multiprocessing.SimpleQueue[str] = APART.SimpleQueue()
    writers = [
        APART.Process(target=_race_one, args=(place, key, source, sha256, barrier, answers))
        for source, sha256 in sources
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(_LIMIT_S)
    assert [writer.exitcode for writer in writers] == [0] * len(sources)
    return [answers.get() for _ in sources]


def _race_one(
    place: Place,
    key: str,
    source: Path,
    sha256: str,
    barrier: Barrier,
    answers: "multiprocessing.SimpleQueue[str]",
) -> None:
    store = place.open()
    barrier.wait(_LIMIT_S)
    try:
        answers.put(f"stored {store.put_new(key, source, sha256).sha256}")
    except FileExistsError:
        answers.put("refused")
    shut(store)


def kill_in_mid_write(place: Place, key: str, content: bytes, folder: Path) -> None:
    """Put `content` from another process, and SIGKILL that when half of it is through."""
    half = len(content) // 2
    with _half_way(place, content, half, folder) as (source, endpoint_url, wait):
        digest = hashlib.sha256(content).hexdigest()
        writer = APART.Process(target=_put_one, args=(place, key, source, digest, endpoint_url))
        writer.start()
        wait()
        assert writer.is_alive()
        writer.kill()
        writer.join(_LIMIT_S)


def _put_one(place: Place, key: str, source: Path, sha256: str, endpoint_url: str) -> None:
    place.open(endpoint_url).put_new(key, source, sha256)


@contextmanager
def _half_way(
    place: Place, content: bytes, half: int, folder: Path
) -> Iterator[tuple[Path, str, Callable[[], None]]]:
    if place.root:
        # A pipe gives half of the bytes, and no end.
        pipe = folder / "pipe"
        os.mkfifo(pipe)
        incoming = Path(place.root) / ".incoming"
        writer: list[int] = []

        def wait_for_half() -> None:
            writer.append(os.open(pipe, os.O_WRONLY))
            os.write(writer[0], content[:1])
            left = memoryview(content)[1:half]
            while left:
                left = left[os.write(writer[0], left) :]
            ticks = threading.Event()
            for _ in range(_LIMIT_S * 100):
                if any(file.stat().st_size for file in incoming.iterdir()):
                    return
                ticks.wait(0.01)
            raise AssertionError("nothing was written")

        yield pipe, "", wait_for_half
        os.close(writer[0])
        return
    source, _ = file_of(content, folder)
    with Proxy(urlsplit(place.endpoint_url).port or 0) as proxy:
        proxy.stall_after(half)

        def wait_for_stall() -> None:
            assert proxy.stalled.wait(_LIMIT_S)

        yield source, proxy.endpoint_url, wait_for_stall
