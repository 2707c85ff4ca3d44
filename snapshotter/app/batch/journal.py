"""
Record the results of a batch in a journal file beside its table, one JSON object a line.

A line is durable before the step that it announces: the id of a bundle before the bundle exists,
the id of a job before it is enqueued. So after any interruption the next run knows which bundles
may be in the store, looks for them, and captures nothing twice. An incomplete last line is cut off.

Kinds of lines (`what`):

    batch   the batch was created: format, batch, store, at
    run     a run begins: table, sha256 of the input, rows, at
    began   a visit begins: key, row, url, bundle_id, at; labels, if its capture gets any
    job     a row goes to the queue: key, row, url, job, at
    handed  the queue has all jobs: at
    came    a row is finished or deferred: key, row, at, came with the columns
    labelled  the label of these captures is recorded: label, bundle_ids
    table   the table will be written: sha256

`key` is a hash of the address, the policy and the number of the row among equal rows.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from snapshotter import durable
from snapshotter.errors import ServiceUnavailable, SnapshotterError, is_disk_full
from snapshotter.formats.canonical_json import instant
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = 1
SUFFIX = ".journal"
DEFERRED = "deferred"  # has a bundle, of a host that was too busy: it is visited once more
_MAX_BYTES = 1 << 30
_FIRST = b'{"what":"batch",'  # how every journal begins


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """The result of a row."""

    status: str  # done, incomplete, failed; or a state of a job that is not over
    outcome: str = ""  # of the capture: complete, partial, failed
    verdict: str = ""  # what the page shows, in a few words (`Shown.words`)
    bundle_id: str = ""
    sha256: str = ""  # of the bundle's file
    time: str = ""  # when the capture began, UTC, by the clock of the machine that made it
    location: str = ""  # a path that can be opened, or an s3:// URL
    title: str = ""
    error: str = ""  # a sentence
    hint: str = ""
    exit_code: int = 0  # that `capture` would have ended with
    http_status: int | None = None
    final_url: str = ""

    @property
    def is_transient(self) -> bool:
        """
        Whether it failed because a browser, a store or the like was missing, not because of the
        page.
        """
        return self.status == "failed" and self.exit_code == ServiceUnavailable.exit_code


@dataclass(slots=True)
class RowHistory:
    """What the journal holds about one row."""

    url: str = ""
    bundle_ids: list[str] = field(default_factory=list)  # of attempts, oldest first
    jobs: list[str] = field(default_factory=list)  # in the queue, oldest first
    is_running_here: bool = False  # the last attempt in this process was begun and has not ended
    queued: bool = False  # the last job has not ended, as far as we know
    handed: bool = False  # and the queue has taken it
    result: RowResult | None = None  # of the last one that ended
    deferred: int = 0  # how often it ended so that it is to be visited once more

    @property
    def open(self) -> bool:
        """Whether a capture or job of the row has begun and not ended."""
        return self.is_running_here or self.queued


class Journal:
    """
    The journal of one batch, held by one process. Use as a context manager.

    Attributes:
        batch: The batch's own id, 16 hex digits.
        store: The store of its bundles.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.batch = ""
        self.store = ""
        self.table_sha256 = ""  # of the table when a run last began
        self.rows: dict[str, RowHistory] = {}
        # Ids of stored bundles by the label that is not recorded for them yet.
        self.owed_labels: dict[str, dict[str, None]] = {}
        self._labels: dict[str, tuple[str, ...]] = {}  # of bundles that may be stored, by id
        self._written: set[str] = set()

    @classmethod
    def begin(cls, path: Path, *, batch: str, store: str, at: datetime) -> Self:
        """
        Create the journal of a new batch; it is durable when this returns.

        Raises:
            FileExistsError: The journal exists.
            SnapshotterError: It cannot be written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)  # it has titles and addresses in it
        except FileExistsError:
            raise
        except OSError as error:
            raise _unwritable(path, error) from error
        made = cls(path, descriptor)
        made._lock()
        made.batch, made.store = batch, store
        made._append("batch", format=FORMAT, batch=batch, store=store, at=instant(at))
        durable.sync(path.parent)
        return made

    @classmethod
    def open(cls, path: Path) -> Self:
        """
        Open the journal of a batch that continues.

        Raises:
            FileNotFoundError: The journal does not exist.
            SnapshotterError: Another process holds it, or it cannot be read.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _unwritable(path, error) from error
        found = cls(path, descriptor)
        try:
            found._lock()
            if found._was_never_begun():
                path.unlink()
                raise FileNotFoundError(path)
            os.ftruncate(descriptor, found._read())  # what a crash left of a line
        except BaseException:  # also Ctrl-C: nobody else knows the descriptor yet
            os.close(descriptor)
            raise
        return found

    @classmethod
    def look(cls, path: Path) -> Self:
        """Read a journal without its lock, as far as it is complete. Raises as `open` does."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = cls(path, descriptor)
        try:
            found._read()
        finally:
            os.close(descriptor)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)  # and with it goes the lock

    def known(self, key: str) -> RowHistory:
        """Return the history of a row; empty for a row that was never begun."""
        return self.rows.get(key) or RowHistory()

    def captured(self, key: str) -> bool:
        """Whether a row has a bundle, may have one, or will have one."""
        return (found := self.known(key)).open or bool(found.result and found.result.bundle_id)

    def wrote(self, sha256: str) -> bool:
        """Whether a table of this digest was written by this batch."""
        return sha256 in self._written

    # Each of these lines is durable when the call returns.

    def record_run(self, *, table: str, table_sha256: str, rows: int, at: datetime) -> None:
        """Record that a run begins over the table as it is now."""
        self.table_sha256 = table_sha256
        self._append("run", table=table, sha256=table_sha256, rows=rows, at=instant(at))

    def record_start(
        self,
        key: str,
        *,
        row: int,
        url: str,
        bundle_id: str,
        at: datetime,
        labels: Sequence[str] = (),
    ) -> None:
        """Record that a capture begins, the id that its bundle will have, and its labels."""
        more = {"labels": list(labels)} if labels else {}
        self._append(
            "began", key=key, row=row, url=url, bundle_id=bundle_id, at=instant(at), **more
        )

    def record_labelled(self, label: str, bundle_ids: Sequence[str]) -> None:
        """Record that captures have their label."""
        self._append("labelled", label=label, bundle_ids=list(bundle_ids))

    def record_jobs(self, jobs: Sequence[tuple[str, int, str, str]], *, at: datetime) -> None:
        """Record the ids of jobs of rows (key, number, address), before they are enqueued."""
        self._append_all(
            {"what": "job", "key": key, "row": row, "url": url, "job": job, "at": instant(at)}
            for key, row, url, job in jobs
        )

    def record_enqueued(self, *, at: datetime) -> None:
        """Record that the queue has accepted every recorded job."""
        self._append("handed", at=instant(at))

    def record_result(self, key: str, *, row: int, result: RowResult, at: datetime) -> None:
        """Record the result of a row."""
        said = {name: value for name, value in asdict(result).items() if value not in ("", None)}
        self._append("came", key=key, row=row, at=instant(at), came=said)

    def record_table(self, sha256: str) -> None:
        """Record that a table of this digest is about to be written."""
        self._append("table", sha256=sha256)

    # ----------------------------------------------------------------------------------

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceUnavailable(
                tr("another process runs this batch, and has locked {path}", path=self.path),
                hint=tr(
                    "wait until the other process ends. To run another batch, name another "
                    "results table with --out"
                ),
            ) from error

    def _was_never_begun(self) -> bool:
        """Whether a crash left an empty file, or a part of the first line."""
        data = os.pread(self._descriptor, 1 << 16, 0)
        return b"\n" not in data and _FIRST.startswith(data[: len(_FIRST)])

    def _append(self, what: str, **said: Any) -> None:
        self._append_all([{"what": what, **said}])

    def _append_all(self, lines: Iterable[Mapping[str, Any]]) -> None:
        texts = [json.dumps(line, ensure_ascii=True, separators=(",", ":")) for line in lines]
        data = "".join(f"{text}\n" for text in texts).encode("ascii")
        whole = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            os.fsync(self._descriptor)
        except OSError as error:
            # A full disk may accept a part of a line; a line after it would be unreadable.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, whole)
            raise _unwritable(self.path, error) from error
        for text in texts:
            self._take(json.loads(text))

    def _read(self) -> int:
        """Read every complete line; return the number of their bytes."""
        size = os.fstat(self._descriptor).st_size
        if size > _MAX_BYTES:
            raise SnapshotterError(
                tr("{path} is larger than the largest permitted journal of a batch", path=self.path)
            )
        with os.fdopen(os.dup(self._descriptor), "rb") as stream:
            stream.seek(0)
            data = stream.read()
        whole = data.rfind(b"\n") + 1
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                raise SnapshotterError(
                    tr(
                        "line {number} of {path} is not a valid line of a batch's journal: {error}",
                        number=number,
                        path=self.path,
                        error=error,
                    ),
                    hint=tr("give --restart to begin a new batch with a new journal"),
                ) from error
        if not self.batch:
            raise SnapshotterError(
                tr("{path} is not the journal of a batch", path=self.path),
                hint=tr("give --restart to begin a new batch with a new journal"),
            )
        return whole

    def _take(self, said: Mapping[str, Any]) -> None:
        what = said["what"]
        if what == "batch":
            if said["format"] != FORMAT:
                raise ValueError(
                    f"the journal has format {said['format']}, and this "
                    f"version reads format {FORMAT} only"
                )
            self.batch, self.store = _text(said["batch"]), _text(said["store"])
        elif what == "run":
            self.table_sha256 = _text(said["sha256"])
        elif what == "began":
            row = self._row(said)
            row.bundle_ids.append(_text(said["bundle_id"]))
            row.url, row.is_running_here = _text(said["url"]), True
            self._labels[row.bundle_ids[-1]] = tuple(map(_text, said.get("labels", ())))
        elif what == "job":
            row = self._row(said)
            row.jobs.append(_text(said["job"]))
            row.url, row.queued, row.handed = _text(said["url"]), True, False
        elif what == "handed":
            for row in self.rows.values():
                row.handed = row.queued
        elif what == "came":
            row = self._row(said)
            row.result, row.is_running_here, row.queued = _came(said["came"]), False, False
            row.deferred += row.result.status == DEFERRED
            for label in self._labels.pop(row.result.bundle_id, ()):
                self.owed_labels.setdefault(label, {})[row.result.bundle_id] = None
        elif what == "labelled":
            owed = self.owed_labels.get(_text(said["label"]), {})
            for bundle_id in said["bundle_ids"]:
                owed.pop(bundle_id, None)
        elif what == "table":
            self._written.add(_text(said["sha256"]))
        # Other lines were written by a newer program of the same format, and are ignored.

    def _row(self, said: Mapping[str, Any]) -> RowHistory:
        return self.rows.setdefault(_text(said["key"]), RowHistory())


def _came(said: Mapping[str, Any]) -> RowResult:
    kinds = {column.name: str for column in fields(RowResult)} | {
        "exit_code": int,
        "http_status": int,
    }
    known = {name: value for name, value in said.items() if name in kinds}
    for name, value in known.items():
        if type(value) is not kinds[name]:
            raise ValueError(f"{name} is not of type {kinds[name].__name__}")
    return RowResult(**known)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _unwritable(path: Path, error: OSError) -> SnapshotterError:
    return SnapshotterError(
        tr("the journal {path} cannot be written: {strerror}", path=path, strerror=error.strerror),
        hint=tr(
            "free space on the disk of the journal. Then give the same command again to "
            "continue. The captured pages are in the store"
        )
        if is_disk_full(error)
        else tr("give the same command again to continue. The captured pages are in the store"),
    )


def removed_rows(journal: Journal, keys: Iterable[str]) -> tuple[RowHistory, ...]:
    """Return the results of rows that are not in the table any more."""
    there = set(keys)
    return tuple(
        known
        for key, known in journal.rows.items()
        if key not in there and (known.result or known.open)
    )
