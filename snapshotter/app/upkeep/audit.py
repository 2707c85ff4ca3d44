"""
Audit a store: what is remembered before, what is written after.

The audit itself only reads (`verify/audit`). What an auditor remembers between two of
them lies on the auditor's machine. The report is signed and goes into the store and
its log like evidence, so that nobody can say later that a finding was never made; where
the store can not be written, the report is told of and lost.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from snapshotter.app import private_files
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import instant
from snapshotter.model.audit import AuditFinding, AuditReport
from snapshotter.ports import Clock, IdSource, ObjectStore, Receipts, Signer
from snapshotter.verify.audit import remembered_checkpoint, unreadable_objects
from snapshotter.verify.audit import report as reports
from snapshotter.verify.audit.remembered_checkpoint import RememberedCheckpoint
from snapshotter.verify.audit.run import AuditRequest, Progress, StoreAudit
from snapshotter.verify.audit.unreadable_objects import UnreadableObject
from snapshotter.verify.audit.workspace import encodable
from snapshotter.verify.files import open_file
from snapshotter.verify.trust import Trust

_STATE = "state.json"
_UNREAD = "unread.json"
_WORKSPACE = "work.sqlite"


class StoreWithheld(EvidenceUnverifiable):
    """A store that an earlier audit read has answered none of three audits over a day."""


class AuditRunning(SnapshotterError):
    """Another audit of a store has not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorState:
    """
    Where an auditor keeps what was seen: a folder of the auditor's own.

    Each store has a folder in it. What was seen of a log is kept a second time under the
    log's name, so that a copy of a store can be held against what was seen of the first.
    """

    folder: Path

    def store_folder(self, url: str) -> Path:
        """Return the folder for a store."""
        return self.folder / "stores" / _name(url)

    def of_store(self, url: str) -> RememberedCheckpoint | None:
        """
        Return what was seen of a store.

        Raises:
            SnapshotterError: It can not be read, or is of another store.
        """
        path = self.store_folder(url) / _STATE
        found = _read(path)
        if found is not None and found.store != encodable(url):
            raise SnapshotterError(
                f"{path} is what was seen of another store, {found.store}",
                hint="put back the one of this store; if it is lost, move this one away and say so",
            )
        return found

    def of_log(self, origin: str, *, but: str) -> RememberedCheckpoint | None:
        """Return the newest that was seen of a log, signed by it, in any store but one."""
        found = _read(self._log_file(origin))
        if found is None or not found.signed or found.store == encodable(but):
            return None
        return found

    def keep(self, seen: RememberedCheckpoint) -> None:
        """Remember this, whole or not at all."""
        private_files.write_private(self.store_folder(seen.store) / _STATE, seen.encode())
        if not seen.signed:
            return  # anybody can give a log this name: that says nothing of its other copies
        newest = _read(self._log_file(seen.origin))
        if newest is None or not newest.signed or newest.head.size <= seen.head.size:
            private_files.write_private(self._log_file(seen.origin), seen.encode())

    def unread_of(self, url: str) -> dict[str, UnreadableObject]:
        """
        Return what earlier audits of a store could not read, by name.

        Raises:
            SnapshotterError: That can not be read, or is of another store.
        """
        path = self.store_folder(url) / _UNREAD
        data = _bytes(path, unreadable_objects.MAX_BYTES)
        try:
            return {} if data is None else unreadable_objects.parse(data, encodable(url))
        except EvidenceInvalid as error:
            raise _damaged(path, error) from error

    def keep_unread(self, url: str, found: Iterable[UnreadableObject], now: datetime) -> None:
        """Remember what could not be read, whole or not at all."""
        data = unreadable_objects.encode(encodable(url), found, now)
        private_files.write_private(self.store_folder(url) / _UNREAD, data)

    @contextlib.contextmanager
    def locked(self, url: str) -> Iterator[Path]:
        """
        Hold a store's folder, which is given.

        Raises:
            AuditRunning: Another audit of this store holds it.
            SnapshotterError: It can not be made.
        """
        folder = self.store_folder(url)
        try:
            for path in (self.folder, folder.parent, folder):  # the mode is of the last one only
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SnapshotterError(
                f"{folder} can not be written: {error.strerror}",
                hint="name another place with --state",
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditRunning(
                f"another audit of {url} is running",
                hint="wait for it, or name another place with --state",
            ) from error
        else:
            yield folder
        finally:
            os.close(descriptor)

    def _log_file(self, origin: str) -> Path:
        return self.folder / "logs" / f"{_name(origin)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedAudit:
    """An audit that came to its end."""

    report: AuditReport
    document: bytes  # the report as it was signed, b"" without one
    report_id: str
    report_key: str  # where it is in the store, "" where it is not
    problem: SnapshotterError | None  # why the report is not in the store or not in its log


def audit(
    open_store: Callable[[], ObjectStore],
    trust: Trust,
    memory: AuditorState,
    wanted: AuditRequest,
    *,
    signer: Signer | None,
    clock: Clock,
    ids: IdSource,
    software: str,
    progress: Progress,
    pause: Callable[[], None],
    each: Callable[[AuditFinding], None] | None = None,
    receipts: Receipts | None = None,
    receipts_name: str = "",
    log_report: Callable[[str, str], None] | None = None,
) -> CompletedAudit:
    """
    Audit a store, remember what was seen, and put the signed report beside the evidence.

    Args:
        signer: Signs the report; None: there will be none.
        pause: Waits until what a store has been told is visible everywhere.
        each: Takes every finding, the worst kinds first.
        receipts: What this machine was told by the store, if it writes there.
        place: How receipts name this store.
        log_report: Puts id and SHA-256 of a report that is stored into the log.

    Raises:
        ServiceUnavailable: The store does not answer; what was done is kept.
        EvidenceUnverifiable: Nor has it answered earlier audits, for a day; `StoreWithheld`
            where one before these read it.
        SnapshotterError: Store or memory can not be used, or another audit of it is running.
    """
    store = open_store()
    url = store.url
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(memory.locked(url))
        except AuditRunning as error:
            # Who gives a byte each half minute would be audited for years, and never told of.
            silent = _unanswered(memory, url, wanted, clock.now())
            if silent.is_lasting and silent.was_read:
                raise StoreWithheld(
                    f"an audit of {url} that began before {instant(silent.since)} has not ended, "
                    f"so {silent.audits} audits since then could not begin",
                    hint="if that audit no longer reads, end it; ask the keeper of the store why "
                    "it is slow, and audit a copy: snapshotter audit COPY",
                ) from error
            raise
        remembered = memory.of_store(url)
        unread_before = memory.unread_of(url)
        with StoreAudit(
            open_store,
            trust,
            workspace=folder / _WORKSPACE,
            software=software,
            now=clock.now,
            pause=pause,
            unread=unread_before,
            remembered=remembered,
            elsewhere=lambda origin: memory.of_log(origin, but=url),
            receipts=receipts,
            receipts_name=receipts_name,
        ) as running:
            try:
                if remembered is not None:
                    _require_folder(store)
                report = running.run(wanted, progress)
            except ServiceUnavailable as error:
                silent = _unanswered(memory, url, wanted, clock.now())
                if not silent.is_lasting:
                    raise
                said = f"{url} did not answer {silent.audits} audits since {instant(silent.since)}"
                hint = "ask the keeper of the store, and audit a copy: snapshotter audit COPY"
                if not silent.was_read:
                    raise EvidenceUnverifiable(f"{said}: {error}", hint=hint) from error
                raise StoreWithheld(
                    f"{said}, but an earlier audit could read it: {error}", hint=hint
                ) from error
            if each is not None:
                for finding in running.findings():
                    each(finding)
            if running.to_remember is not None:
                memory.keep(running.to_remember)
            memory.keep_unread(url, running.unread, clock.now())
            # A mistyped place has nothing in it: no folder is made there for a report.
            nothing = report.scope.bundles == 0 and report.log is None and remembered is None
            if signer is None or (nothing and not _has_objects(store)):
                return CompletedAudit(
                    report=report, document=b"", report_id="", report_key="", problem=None
                )
            digest = reports.findings_digest(running.findings())
        report_id = ids.bundle_id(report.ended_at)
        document = reports.document(
            report, report_id=report_id, signer=signer.key_id, findings_sha256=digest
        )
        key, problem = store_keys.report_key(report_id), None
        try:
            _put(store, f"{key}.sig", signer.sign(document))
            _put(store, key, document)
        except (SnapshotterError, OSError) as error:
            problem = _problem("stored", error, "--no-report where the store is not yours to write")
            key = ""
        else:
            if log_report is not None:
                try:
                    log_report(report_id, hashlib.sha256(document).hexdigest())
                except (SnapshotterError, OSError) as error:
                    problem = _problem("logged", error, "snapshotter log check says more")
        return CompletedAudit(
            report=report, document=document, report_id=report_id, report_key=key, problem=problem
        )


def _require_folder(store: ObjectStore) -> None:
    """
    Refuse a directory that was read once and is not there: nothing in it can be listed.

    Raises:
        ServiceUnavailable: It is not there.
    """
    root = getattr(store, "root", None)  # a bucket that is not there says so itself
    if isinstance(root, Path) and not root.exists():
        raise ServiceUnavailable(
            f"the folder {root} does not exist, but an earlier audit read it",
            hint="check whether the file system that holds it is mounted, then audit again",
        )


def _unanswered(
    memory: AuditorState, url: str, wanted: AuditRequest, now: datetime
) -> UnreadableObject:
    """Keep that a store has not answered an audit, and return for how long that is so."""
    name = unreadable_objects.STORE if wanted.is_whole else unreadable_objects.PART
    before = memory.unread_of(url)
    was_read = memory.of_store(url) is not None
    silent = unreadable_objects.update_unreadable(before.get(name), name, now, was_read=was_read)
    memory.keep_unread(url, (before | {name: silent}).values(), now)
    return silent


def _problem(what: str, error: Exception, hint: str) -> SnapshotterError:
    words = error.message if isinstance(error, SnapshotterError) else str(error)
    return SnapshotterError(
        f"the audit's report could not be {what}: {words}", hint=f"the verdict stands; {hint}"
    )


def _has_objects(store: ObjectStore) -> bool:
    try:
        return next(iter(store.list("")), None) is not None
    except SnapshotterError:
        return False  # told by the audit: no report is put where not even this can be read


def _put(store: ObjectStore, key: str, data: bytes) -> None:
    store.put_new(key, data, hashlib.sha256(data).hexdigest())


def _read(path: Path) -> RememberedCheckpoint | None:
    data = _bytes(path, remembered_checkpoint.MAX_BYTES)
    try:
        return None if data is None else remembered_checkpoint.parse(data)
    except EvidenceInvalid as error:
        raise _damaged(path, error) from error


def _bytes(path: Path, limit: int) -> bytes | None:
    """Return the first bytes of a file, one more than `limit` at most; None where there is none."""
    try:
        with open_file(path) as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return None
    except (OSError, SnapshotterError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SnapshotterError:
    # Not taken for "nothing was seen": that would forget a whole history for one bad byte.
    return SnapshotterError(
        f"what earlier audits saw can not be read: {path}: {error}",
        hint="put it back from a copy; if it is lost, move it away and say so",
    )


def _name(text: str) -> str:
    return hashlib.sha256(encodable(text).encode()).hexdigest()[:32]
