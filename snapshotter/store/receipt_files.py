"""
Keep the receipts of a store's answers in local files, one file for each bundle.

    directory/2026/11/24/<id>.jsonl     the lines of formats/bundle/receipts.py

A reader or writer of one bundle needs one small file only, however many bundles there are. A file
is locked (flock) while a process writes object, receipt and event, so that two processes of one
machine do not write an event twice.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import receipts as lines
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.bundle.receipts import Line
from snapshotter.model.custody import CustodyEvent, KeptReceipts
from snapshotter.translation import tr

_MAX_BYTES = 64 << 20
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


class ReceiptFile:
    """The receipts of one bundle, open for writing and locked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines = list(lines.parse(_read(descriptor)))

    @property
    def events(self) -> tuple[CustodyEvent, ...]:
        """All events with receipts, oldest first."""
        return tuple(line.event for line in self._lines if line.event is not None)

    @property
    def unrecorded(self) -> tuple[CustodyEvent, ...]:
        """Events that are not recorded to be in the custody chain, oldest first."""
        recorded = {line.recorded for line in self._lines}
        return tuple(
            event for event in self.events if event.event and event.event_id not in recorded
        )

    @property
    def intended(self) -> tuple[CustodyEvent, ...]:
        """Intents whose completion is not recorded."""
        return _intended(self._lines)

    def record_intent(self, event: CustodyEvent) -> None:
        """Record what is about to be done, durably. Raises OSError."""
        self._append(lines.intended_line(event))
        self._lines.append(Line(intended=event))

    def add(self, event: CustodyEvent) -> None:
        """Record an event with its receipt, durably. Raises OSError."""
        self._append(lines.receipt_line(event))
        self._lines.append(Line(event=event))

    def recorded(self, event_id: str) -> None:
        """Record that an event is in the chain, durably. Raises OSError."""
        self._append(lines.recorded_line(event_id))
        self._lines.append(Line(recorded=event_id))

    def _append(self, line: bytes) -> None:
        end = os.lseek(self._descriptor, 0, os.SEEK_END)
        if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line  # a crash tore the last line: it must not swallow this one
        left = memoryview(line)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fsync(self._descriptor)


class ReceiptFiles:
    """
    All receipts of one store (the port `Receipts`).

    Args:
        directory: Belongs to this store alone; created by the first receipt.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextlib.contextmanager
    def opened(self, bundle_id: str) -> Iterator[ReceiptFile]:
        """
        Open the receipts of a bundle, and lock them.

        Raises:
            ValueError: Not a bundle's id.
            OSError: They cannot be written.
        """
        path = self._path(bundle_id)
        durable.make_private_folder(path.parent)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            if os.fstat(descriptor).st_size == 0:  # a new file: its name has to last, too
                self._sync_folders(path.parent)
            yield ReceiptFile(descriptor)
        finally:
            os.close(descriptor)

    def _sync_folders(self, folder: Path) -> None:
        while True:
            durable.sync(folder)
            if folder == self._directory:
                return
            folder = folder.parent

    def of(self, bundle_id: str) -> KeptReceipts:
        """See `ports.Receipts.of`."""
        path = self._path(bundle_id)
        try:
            with path.open("rb") as stream:
                found = list(lines.parse(stream.read(_MAX_BYTES)))
        except FileNotFoundError:
            return KeptReceipts()
        except OSError as error:
            raise SnapshotterError(
                tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
            ) from error
        return KeptReceipts(
            receipts=tuple(
                line.event.receipt for line in found if line.event and line.event.receipt
            ),
            problems=tuple(f"{path.name}: {line.problem}" for line in found if line.problem),
        )

    def is_behind(self, bundle_id: str) -> bool:
        """Whether the receipts have an intent whose completion is not recorded."""
        try:
            found = list(lines.parse(self._path(bundle_id).read_bytes()))
        except OSError:
            return False
        events = {line.event.event_id: line.event.event for line in found if line.event}
        recorded = {line.recorded for line in found}
        unrecorded = {event_id for event_id, event in events.items() if event} - recorded
        return bool(unrecorded or _intended(found))

    def bundle_ids(self) -> Iterator[str]:
        """See `ports.Receipts.bundle_ids`. Holds the names of one day at a time."""
        for day in _folders(self._directory, depth=3):
            for path in _inside(day):
                with contextlib.suppress(ValueError):
                    if path.suffix == ".jsonl":
                        store_keys.bundle_time(path.stem)
                        yield path.stem

    def forget(self, bundle_id: str) -> None:
        """Remove the receipts of a bundle, if there are any."""
        self._path(bundle_id).unlink(missing_ok=True)

    def _path(self, bundle_id: str) -> Path:
        day = store_keys.bundle_time(bundle_id)
        return self._directory / f"{day:%Y/%m/%d}" / f"{bundle_id}.jsonl"


def _folders(folder: Path, *, depth: int) -> Iterator[Path]:
    """Yield the folders with numeric names, so many levels below, in order."""
    for inside in (path for path in _inside(folder) if path.name.isdigit()):
        if depth == 1:
            yield inside
        else:
            yield from _folders(inside, depth=depth - 1)


def _inside(folder: Path) -> list[Path]:
    """
    Return the entries of a folder by name; nothing if it does not exist.

    Raises:
        SnapshotterError: It cannot be read; an unknown folder must not look empty.
    """
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise SnapshotterError(
            tr("{folder} cannot be read: {strerror}", folder=folder, strerror=error.strerror)
        ) from error


def _intended(found: Iterable[Line]) -> tuple[CustodyEvent, ...]:
    """Return the last intent for each key whose completion is not recorded."""
    done: set[str] = set()
    last: dict[str, CustodyEvent] = {}
    for line in found:
        if line.event is not None:
            done.add(line.event.event_id)
        if line.intended is not None and line.intended.receipt is not None:
            # Whoever begins again did not find the object: the try before never came.
            last[line.intended.receipt.key] = line.intended
    return tuple(event for event in last.values() if event.event_id not in done)


def _read(descriptor: int) -> bytes:
    parts, at = [], 0
    while part := os.pread(descriptor, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)
