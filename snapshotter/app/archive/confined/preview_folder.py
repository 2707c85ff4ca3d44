"""
Keep previews of captures in a folder of this machine.

Previews show captured content. Only their owner may read the folder, the oldest are removed when
the folder is full, and an erasure by order removes those of its bundle. Each can be made again.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from snapshotter import durable
from snapshotter.formats.bundle import store_keys

MAX_BYTES: Final = 1 << 30  # of all previews
_LEFT: Final = 0.9  # of `MAX_BYTES`, after the oldest were removed
_DAY: Final = 8  # characters of an id: its day


class PreviewFolder:
    """
    The previews of one store: DAY/ID.NAME. Used from several threads.

    Args:
        folder: Made when the first preview is written.
    """

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None  # of all previews; None: not counted yet

    def read(self, bundle_id: str, name: str) -> bytes | None:
        """Return a preview; None if there is none."""
        try:
            return self._file(bundle_id, name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, bundle_id: str, name: str) -> bool:
        """Return whether a preview exists."""
        return self._file(bundle_id, name).is_file()

    def put(self, bundle_id: str, name: str, data: bytes) -> None:
        """Write a preview, whole or not at all. Raises OSError."""
        file = self._file(bundle_id, name)
        durable.make_private_folder(file.parent)
        durable.write(file, data, mode=0o600)
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(stat for _, stat, _ in self._listed())
            else:
                self._bytes += len(data)
            if self._bytes > self._max_bytes:
                self._remove_oldest()

    def files(self, bundle_id: str) -> list[Path]:
        """
        Return all previews of a capture, and comparisons with it.

        Raises:
            ValueError: Not the id of a bundle.
        """
        own = self._file(bundle_id, "x").parent.glob(f"{bundle_id}.*")
        return [*own, *self._folder.glob(f"*/*.*{bundle_id}.*")]

    def remove(self, bundle_id: str) -> None:
        """Remove all previews of a capture."""
        for file in self.files(bundle_id):
            file.unlink(missing_ok=True)

    def remove_file(self, bundle_id: str, name: str) -> None:
        """Remove one preview."""
        self._file(bundle_id, name).unlink(missing_ok=True)

    def ids(self) -> frozenset[str]:
        """Return the ids of all captures with a preview."""
        return frozenset(file.name.partition(".")[0] for _, _, file in self._listed())

    def _remove_oldest(self) -> None:
        left = 0
        for _, length, file in sorted(self._listed(), reverse=True):
            if left + length > self._max_bytes * _LEFT:
                file.unlink(missing_ok=True)
            else:
                left += length
        self._bytes = left

    def _listed(self) -> Iterator[tuple[int, int, Path]]:
        """Yield when each preview was made (ns), its length and its file."""
        for file in self._folder.glob("*/*.*"):
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue  # removed meanwhile
            yield stat.st_mtime_ns, stat.st_size, file

    def _file(self, bundle_id: str, name: str) -> Path:
        if not store_keys.is_id(bundle_id):
            raise ValueError("a preview is found by the id of its bundle")
        return self._folder / bundle_id[:_DAY] / f"{bundle_id}.{name}"
