"""
Audit a store, remember what was seen for the next audit, and store the signed report.

The audit itself is in `verify/audit` and only reads. What earlier audits saw is kept on the
auditor's machine (`AuditorState`). The report is stored and logged like evidence, so that nobody
can deny a finding later. If it cannot be stored or logged, the result says why.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from snapshotter import durable
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
from snapshotter.ports import Clock, IdSource, ObjectStore, ReadableStore, Signer, WritableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit import remembered_checkpoint, unreadable_objects
from snapshotter.verify.audit import report as reports
from snapshotter.verify.audit.locks_and_custody import StoreReceipts
from snapshotter.verify.audit.remembered_checkpoint import RememberedCheckpoint
from snapshotter.verify.audit.run import AuditRequest, EarlierAudits, Progress, StoreAudit
from snapshotter.verify.audit.unreadable_objects import UnreadableObject
from snapshotter.verify.audit.workspace import encodable
from snapshotter.verify.files import open_file
from snapshotter.verify.trust import Trust

_STATE = "state.json"
_UNREAD = "unread.json"
_WORKSPACE = "work.sqlite"


class StoreWithheld(EvidenceUnverifiable):
    """A store that an earlier audit could read has not answered three audits over a day."""


class AuditRunning(SnapshotterError):
    """Another audit of the store is running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorState:
    """
    The folder in which an auditor keeps what earlier audits have seen.

    Each store has a folder in it. The newest checkpoint of a log is kept a second time under
    the log's name, so that a copy of a store is compared with what was seen of the original.
    """

    folder: Path

    def store_folder(self, url: str) -> Path:
        """Return the folder of a store's state."""
        return self.folder / "stores" / _name(url)

    def of_store(self, url: str) -> RememberedCheckpoint | None:
        """
        Return the newest checkpoint that was seen in a store; None if there is none.

        Raises:
            SnapshotterError: The file cannot be read, or is about another store.
        """
        path = self.store_folder(url) / _STATE
        found = _read(path)
        if found is not None and found.store != encodable(url):
            raise SnapshotterError(
                tr("{path} is the record of another store, {store}", path=path, store=found.store),
                hint=tr(
                    "restore the record of this store from a backup. If no backup exists, move "
                    "the file to another folder, and note the move in your documentation"
                ),
            )
        return found

    def of_log(self, origin: str, *, but: str) -> RememberedCheckpoint | None:
        """Return the newest signed checkpoint of a log, seen in any store except `but`."""
        found = _read(self._log_file(origin))
        if found is None or not found.signed or found.store == encodable(but):
            return None
        return found

    def keep(self, seen: RememberedCheckpoint) -> None:
        """Write a seen checkpoint, whole or not at all."""
        private_files.write_private(self.store_folder(seen.store) / _STATE, seen.encode())
        if not seen.signed:
            return  # anybody can use this name for a log: nothing is known of its other copies
        newest = _read(self._log_file(seen.origin))
        if newest is None or not newest.signed or newest.head.size <= seen.head.size:
            private_files.write_private(self._log_file(seen.origin), seen.encode())

    def unread_of(self, url: str) -> dict[str, UnreadableObject]:
        """
        Return the objects that earlier audits of a store could not read, by name.

        Raises:
            SnapshotterError: The file cannot be read, or is about another store.
        """
        path = self.store_folder(url) / _UNREAD
        data = _bytes(path, unreadable_objects.MAX_BYTES)
        try:
            return {} if data is None else unreadable_objects.parse(data, encodable(url))
        except EvidenceInvalid as error:
            raise _damaged(path, error) from error

    def keep_unread(self, url: str, found: Iterable[UnreadableObject], now: datetime) -> None:
        """Write the list of objects that could not be read, whole or not at all."""
        data = unreadable_objects.encode(encodable(url), found, now)
        private_files.write_private(self.store_folder(url) / _UNREAD, data)

    @contextlib.contextmanager
    def locked(self, url: str) -> Iterator[Path]:
        """
        Lock the folder of a store's state, and yield it.

        Raises:
            AuditRunning: Another audit of this store holds the lock.
            SnapshotterError: The folder cannot be made.
        """
        folder = self.store_folder(url)
        try:
            for path in (self.folder, folder.parent, folder):  # the mode is of the last one only
                durable.make_private_folder(path)
            descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SnapshotterError(
                tr(
                    "the folder {folder} cannot be written: {strerror}",
                    folder=folder,
                    strerror=error.strerror,
                ),
                hint=tr("name another folder with --state"),
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AuditRunning(
                tr("another audit of {url} is running", url=url),
                hint=tr("wait until the other audit ends, or name another folder with --state"),
            ) from error
        else:
            yield folder
        finally:
            os.close(descriptor)

    def _log_file(self, origin: str) -> Path:
        return self.folder / "logs" / f"{_name(origin)}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedAudit:
    """The result of a completed audit."""

    report: AuditReport
    document: bytes = b""  # the report as it was signed; b"" if there is none
    report_id: str = ""
    report_key: str = ""  # where the report is in the store; "" if it is not
    problem: SnapshotterError | None = None  # why the report is not in the store or its log


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditService:
    """The store, keys and clocks that an audit needs."""

    open_store: Callable[[], ObjectStore]  # here and in other processes; it is pickled
    trust: Trust
    state: AuditorState
    receipts: StoreReceipts
    clock: Clock
    ids: IdSource
    software: str
    pause: Callable[[], None]  # waits until the store shows recent writes everywhere
    signer: Signer | None = None  # signs the report; None: no report is written
    # Appends the id and SHA-256 of a stored report to the log; None: it is not logged.
    log_report: Callable[[str, str], None] | None = None


def audit(
    service: AuditService,
    request: AuditRequest,
    progress: Progress,
    *,
    each: Callable[[AuditFinding], None] | None = None,
) -> CompletedAudit:
    """
    Audit a store, remember what was seen, and store the signed report beside the evidence.

    Args:
        each: Called with every finding, the worst kinds first.

    Raises:
        ServiceUnavailable: The store does not answer; what was read is kept.
        EvidenceUnverifiable: The store has not answered audits for a day; `StoreWithheld` if
            an earlier audit could read it.
        SnapshotterError: Store or state cannot be used, or another audit of it is running.
    """
    store = service.open_store()
    state, now = service.state, service.clock.now
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(state.locked(store.url))
        except AuditRunning as error:
            # A store that sends a byte every half minute would be audited for years otherwise,
            # and nobody would be notified.
            _raise_if_withheld(_record_silence(state, store.url, request, now()), store.url, error)
            raise
        earlier = EarlierAudits(
            remembered=state.of_store(store.url),
            unread=state.unread_of(store.url),
            elsewhere=lambda origin: state.of_log(origin, but=store.url),
        )
        with StoreAudit(
            service.open_store,
            service.trust,
            workspace=folder / _WORKSPACE,
            software=service.software,
            now=now,
            pause=service.pause,
            earlier=earlier,
            receipts=service.receipts,
        ) as running:
            try:
                if earlier.remembered is not None:
                    _require_folder(store)
                report = running.run(request, progress)
            except ServiceUnavailable as error:
                silence = _record_silence(state, store.url, request, now())
                _raise_if_lasting(silence, store.url, error)
                raise
            if each is not None:
                for finding in running.findings():
                    each(finding)
            if running.to_remember is not None:
                state.keep(running.to_remember)
            state.keep_unread(store.url, running.unread, now())
            if service.signer is None or (
                # A mistyped location is empty: no folder is made there for a report.
                report.scope.bundles == 0
                and report.log is None
                and earlier.remembered is None
                and not _has_objects(store)
            ):
                return CompletedAudit(report=report)
            digest = reports.findings_digest(running.findings())
        return _put_report(service, store, service.signer, report, digest)


def _put_report(
    service: AuditService,
    store: WritableStore,
    signer: Signer,
    report: AuditReport,
    findings_sha256: str,
) -> CompletedAudit:
    """Sign the report, store it, and append it to the log."""
    report_id = service.ids.bundle_id(report.ended_at)
    document = reports.document(
        report, report_id=report_id, signer=signer.key_id, findings_sha256=findings_sha256
    )
    key, problem = store_keys.report_key(report_id), None
    try:
        _put(store, f"{key}.sig", signer.sign(document))
        _put(store, key, document)
    except (SnapshotterError, OSError) as error:
        problem = _problem(
            "stored", error, tr("If you may not write to this store, add --no-report")
        )
        key = ""
    else:
        try:
            if service.log_report is not None:
                service.log_report(report_id, hashlib.sha256(document).hexdigest())
        except (SnapshotterError, OSError) as error:
            problem = _problem("logged", error, tr("Check the log:\n  snapshotter log check"))
    return CompletedAudit(
        report=report, document=document, report_id=report_id, report_key=key, problem=problem
    )


def _raise_if_withheld(silence: UnreadableObject, url: str, running: AuditRunning) -> None:
    """Raise StoreWithheld if an audit of a store that was read before has hung for a day."""
    if silence.is_lasting and silence.was_read:
        raise StoreWithheld(
            tr(
                "an audit of {url} that began before {instant} has not ended, so {audits} "
                "audits since then could not begin",
                url=url,
                instant=instant(silence.since),
                audits=silence.audits,
            ),
            hint=tr(
                "if the earlier audit no longer makes progress, end its process. "
                "Ask the operator of the store why the store is slow, and audit a"
                " copy of the store:\n  snapshotter audit COPY"
            ),
        ) from running


def _raise_if_lasting(silence: UnreadableObject, url: str, error: ServiceUnavailable) -> None:
    """Raise EvidenceUnverifiable or StoreWithheld if a store has not answered for a day."""
    if not silence.is_lasting:
        return
    text = tr(
        "the store {url} did not answer in {audits} audits since {instant}",
        url=url,
        audits=silence.audits,
        instant=instant(silence.since),
    )
    hint = tr(
        "ask the operator of the store why the store does not answer, and audit a copy "
        "of the store:\n  snapshotter audit COPY"
    )
    if not silence.was_read:
        raise EvidenceUnverifiable(f"{text}: {error}", hint=hint) from error
    raise StoreWithheld(
        tr("{text}, but an earlier audit could read the store: {error}", text=text, error=error),
        hint=hint,
    ) from error


def _require_folder(store: ReadableStore) -> None:
    """
    Check that the directory of a store that was read before still exists.

    Raises:
        ServiceUnavailable: It does not exist. Its listing would be empty, without an error.
    """
    root = getattr(store, "root", None)  # a bucket that does not exist raises an error itself
    if isinstance(root, Path) and not root.exists():
        raise ServiceUnavailable(
            tr("the folder {root} does not exist, but an earlier audit read the folder", root=root),
            hint=tr("check whether the file system with this folder is mounted, then audit again"),
        )


def _record_silence(
    state: AuditorState, url: str, request: AuditRequest, now: datetime
) -> UnreadableObject:
    """Record that a store has not answered an audit; return since when that is so."""
    name = unreadable_objects.STORE if request.is_whole else unreadable_objects.PART
    before = state.unread_of(url)
    was_read = state.of_store(url) is not None
    silence = unreadable_objects.update_unreadable(before.get(name), name, now, was_read=was_read)
    state.keep_unread(url, (before | {name: silence}).values(), now)
    return silence


def _problem(done: str, error: Exception, hint: str) -> SnapshotterError:
    text = error.message if isinstance(error, SnapshotterError) else str(error)
    return SnapshotterError(
        tr("the audit's report could not be {done}: {text}", done=done, text=text),
        hint=tr("the verdict of the audit is valid without the report. {hint}", hint=hint),
    )


def _has_objects(store: ReadableStore) -> bool:
    try:
        return next(iter(store.list("")), None) is not None
    except SnapshotterError:
        return False  # reported by the audit: no report is written to an unreadable store


def _put(store: WritableStore, key: str, data: bytes) -> None:
    store.put_new(key, data, hashlib.sha256(data).hexdigest())


def _read(path: Path) -> RememberedCheckpoint | None:
    data = _bytes(path, remembered_checkpoint.MAX_BYTES)
    try:
        return None if data is None else remembered_checkpoint.parse(data)
    except EvidenceInvalid as error:
        raise _damaged(path, error) from error


def _bytes(path: Path, limit: int) -> bytes | None:
    """Return at most `limit` + 1 bytes of a file; None if it does not exist."""
    try:
        with open_file(path) as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return None
    except (OSError, SnapshotterError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SnapshotterError:
    # Never treated as "nothing was seen": one damaged byte would discard the whole history.
    return SnapshotterError(
        tr("the record of earlier audits cannot be read: {path}: {error}", path=path, error=error),
        hint=tr(
            "restore the file from a backup. If no backup exists, move the file to another "
            "folder, and note the move in your documentation"
        ),
    )


def _name(text: str) -> str:
    return hashlib.sha256(encodable(text).encode()).hexdigest()[:32]
