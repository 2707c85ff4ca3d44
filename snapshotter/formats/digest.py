"""
Compute every digest that a bundle needs in one pass over the bytes.

SHA-256 (FIPS 180-4) and BLAKE3 are used together, so that if one is broken the other still holds.
The CRC-32 is for the zip member. Files are digested in chunks while they are written or read, so a
large network record needs no more memory than a small screenshot.

All three algorithms release the interpreter's lock while they compute. A `Lane` uses this: it
computes digests on a second core while the caller continues.
"""

import hashlib
import zlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from snapshotter.errors import SnapshotterError
from snapshotter.model.digests import Digests
from snapshotter.translation import tr

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

CHUNK = 1 << 20  # bytes per read; peak memory does not grow with the file

_WORTH_A_THREAD = 4 << 20  # bytes; less is hashed before a thread has begun
_may_start_threads = True
_AHEAD = 4  # chunks that may wait in a lane: so much memory, and no more


class Lane:
    """
    Work done in order, a few chunks behind the caller, in a thread of its own.

    Where there is little to do it is done at once, in the caller's. What the work raises is
    raised by a later call, by `settle` at the latest.

    Args:
        length: Bytes that are expected to go through it.
    """

    def __init__(self, length: int) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[None]] = deque()
        if length >= _WORTH_A_THREAD and _may_start_threads:
            from concurrent import futures  # loads `logging`, too

            self._thread = futures.ThreadPoolExecutor(1, thread_name_prefix="digest")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def put(self, work: Callable[[bytes], None], data: bytes) -> None:
        """Have `work` take `data`, behind all that was put before."""
        if self._thread is None:
            work(data)
            return
        if len(self._waiting) >= _AHEAD:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(work, data))

    def settle(self) -> None:
        """Return when all that was put is done."""
        while self._waiting:
            self._waiting.popleft().result()


def use_no_threads() -> None:
    """Compute all digests in the thread of the caller: this process may start no thread."""
    global _may_start_threads
    _may_start_threads = False


class Digester:
    """Takes bytes and keeps what a bundle says about them."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        from blake3 import blake3

        self._blake3 = blake3()
        self._crc32 = 0
        self._length = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._sha256.update(data)
        self._blake3.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self._length += len(data)

    @property
    def length(self) -> int:
        """Bytes taken so far."""
        return self._length

    def digests(self) -> Digests:
        """Return the digests of all bytes taken so far."""
        return Digests(
            length=self._length,
            crc32=self._crc32,
            sha256=self._sha256.hexdigest(),
            blake3=self._blake3.hexdigest(),
        )


class DigestingWriter:
    """
    A binary stream that digests what goes through it.

    Args:
        stream: Where the bytes go. Left open; the caller closes and syncs it.
        limit: Most bytes to accept.
    """

    def __init__(self, stream: BinaryIO, *, limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._digester = Digester()

    def write(self, data: bytes) -> int:
        """
        Write all of `data`.

        Raises:
            SnapshotterError: More than `limit` bytes would have been written; none of `data` is.
        """
        if self._digester.length + len(data) > self._limit:
            raise SnapshotterError(
                tr("a file of the capture is longer than {limit} bytes", limit=self._limit)
            )
        self._stream.write(data)
        self._digester.update(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written so far."""
        return self._digester.length

    def flush(self) -> None:
        """Flush the stream below."""
        self._stream.flush()

    def digests(self) -> Digests:
        """Return the digests of what was written."""
        return self._digester.digests()


def digest(stream: BinaryIO, *, limit: int) -> Digests:
    """
    Return the digests of all that is left in `stream`.

    Args:
        stream: Binary, standing at the first byte to digest. Left open, at its end.
        limit: Most bytes to accept; reading stops in the first chunk beyond it.

    Raises:
        SnapshotterError: `stream` holds more than `limit` bytes.
    """
    digester = Digester()
    while chunk := stream.read(CHUNK):
        digester.update(chunk)
        if digester.length > limit:
            raise SnapshotterError(tr("a file is longer than {limit} bytes", limit=limit))
    return digester.digests()


def digest_bytes(data: bytes) -> Digests:
    """Return the digests of `data`."""
    digester = Digester()
    digester.update(data)
    return digester.digests()
