"""
Build the configured store: plain, approved for evidence (a bucket is probed first), or wrapped so
that it keeps receipts and writes custody events.
"""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from snapshotter import SOFTWARE
from snapshotter.app import private_files
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import receipts_store_name, require_store, store_location
from snapshotter.errors import SnapshotterError
from snapshotter.model.custody import SUCCESS
from snapshotter.ports import ObjectStore, ShowMessage
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.store.location import DirectoryLocation
from snapshotter.store.receipt_files import ReceiptFiles
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.store.filesystem import DirectoryStore
    from snapshotter.store.probe import StoreProbe
    from snapshotter.store.s3 import S3Store

# Of calls for pages. The second attempt is for connections that the server closed meanwhile.
_LIMITS_OF_PAGES: Final = {"connect_timeout_s": 2.0, "read_timeout_s": 5.0, "attempts": 2}
# Of calls for evidence. A capture process has 60 s to store a bundle (`WorkerSettings.store_s`) and
# is killed afterwards, because another worker may have the job then. A call that is not answered
# must fail before: the process then waits with the sealed bundle, and captures nothing again.
_LIMITS_OF_EVIDENCE: Final = {"read_timeout_s": 20.0, "attempts": 2}
_PROBE_HOLDS_S = 7 * 24 * 3600  # seconds


def store(settings: Settings, *, for_pages: bool = False) -> "DirectoryStore | S3Store":
    """
    Return the configured store.

    Args:
        for_pages: People wait for answers: a call of a bucket that does not answer fails after some
            seconds, and further calls fail at once.

    Raises:
        SnapshotterError: The name of the store is invalid.
    """
    if not for_pages:
        return _opened(settings)
    from snapshotter.store.response_guard import ResponseGuard

    return _opened(settings, **_LIMITS_OF_PAGES, guard=ResponseGuard(SystemClock().monotonic))


def _opened(settings: Settings, **limits: Any) -> "DirectoryStore | S3Store":
    """Return the configured store; `limits` are arguments of `S3Bucket`."""
    where = store_location(settings)
    if isinstance(where, DirectoryLocation):
        from snapshotter.store.filesystem import DirectoryStore

        return DirectoryStore(where.path.absolute())
    from snapshotter.store.s3 import S3Store
    from snapshotter.store.s3_bucket import S3Bucket

    try:
        return S3Store(
            S3Bucket(
                where.bucket,
                where.prefix,
                endpoint_url=settings.s3_endpoint,
                region=settings.s3_region,
                **limits,
            )
        )
    except ValueError as error:
        raise SnapshotterError(tr("the S3 settings are invalid: {error}", error=error)) from error


def store_for_evidence(
    settings: Settings, *, locked: bool, show_message: ShowMessage
) -> "DirectoryStore | S3Store":
    """
    Return the configured store after a probe has shown that it is fit for evidence.

    The result for a bucket is remembered for a week: an endpoint that accepts `If-None-Match` and
    overwrites all the same must not hold evidence.

    Args:
        locked: Retention will be requested, so probe a bucket each time.
        show_message: Shows the warning that a directory enforces nothing.

    Raises:
        SnapshotterError: The store breaks a promise that evidence depends on.
        ServiceUnavailable: The store does not answer.
    """
    found = _opened(settings, **_LIMITS_OF_EVIDENCE)
    where = store_location(settings)
    if isinstance(where, DirectoryLocation):
        if where.path.exists():  # a new store is made, but not in place of a file
            require_store(settings)
        if locked:
            show_message(
                tr(
                    "WARNING: {url} is a directory and does not enforce retention. snapshotter "
                    "deletes no bundle before its retention ends, but anybody who can write to "
                    "the directory can delete the bundles. A bucket with Object Lock enforces "
                    "retention (docs/howto/s3.md)",
                    url=found.url,
                )
            )
        return found
    from snapshotter.store.probe import probe, refuse_if_not_locking

    clock = SystemClock()
    name = hashlib.sha256(f"{settings.s3_endpoint} {found.url}".encode()).hexdigest()
    seal = settings.data_dir / "probes" / name
    if not locked and _is_fresh(seal, clock.now()):
        return found
    result = probe(found, clock, RandomIds())
    if not result.usable:
        raise SnapshotterError(
            tr("the store {url} does not meet the guarantees that evidence needs", url=found.url),
            hint=tr(
                "use another endpoint, or show which guarantees are missing:\n  snapshotter "
                "store check"
            ),
        )
    if locked and result.lock_test.kept is None:
        # A worker needs no right to delete. The lock of each stored object is read back.
        show_message(
            tr(
                "WARNING: it is not established whether {url} enforces retention: {how}. Test the "
                "store once with credentials that may delete below _probe/ (docs/howto/s3.md)",
                url=found.url,
                how=result.lock_test.how,
            )
        )
    elif locked:
        refuse_if_not_locking(result)
    remembered = f"{found.url} {clock.now().isoformat()}\n".encode()
    private_files.write_private(seal, remembered)
    if result.keeps_logs:  # the same probe tested this: `check_fit_for_log` needs no other one
        private_files.write_private(_log_seal(settings), remembered)
    return found


def custodial_store(
    settings: Settings, found: ObjectStore, *, show_message: ShowMessage
) -> CustodialStore:
    """
    Return a store that keeps receipts and writes custody events.

    Args:
        show_message: Shows what could not be written.
    """
    receipts_name = receipts_store_name(settings)
    return CustodialStore(
        found,
        receipts_name=receipts_name,
        receipts=receipts(settings),
        clock=SystemClock(),
        ids=RandomIds(),
        software=SOFTWARE,
        # These events go out with every exhibit, and who captures may be at risk: nobody is
        # named who has not said so, and never by a name that the system happens to know. A name
        # in a custody chain cannot be erased, so a pseudonym comes before it.
        by=settings.pseudonym or settings.operator,
        show_message=show_message,
    )


def note_access(
    settings: Settings,
    found: ObjectStore,
    bundle_id: str,
    event: str,
    *,
    show_message: ShowMessage,
    detail: str = "",
    outcome: str = SUCCESS,
) -> None:
    """
    Write to the custody chain that a bundle was read, checked or exported.

    A failure is shown and ends nothing, since some stores can only be read.
    """
    if settings.record_access:
        custodial_store(settings, found, show_message=show_message).note(
            bundle_id, event, detail=detail, outcome=outcome
        )


def receipts(settings: Settings) -> ReceiptFiles:
    """Return the receipts of the configured store's answers on this machine."""
    return ReceiptFiles(settings.data_dir / "receipts" / receipts_store_name(settings))


def _is_fresh(path: Path, now: datetime) -> bool:
    try:
        return now.timestamp() - path.stat().st_mtime < _PROBE_HOLDS_S
    except FileNotFoundError:
        return False


def probe_store(settings: Settings) -> "StoreProbe":
    """Probe the promises of the configured store. Raises as `store` and `probe` do."""
    from snapshotter.store.probe import probe

    return probe(store(settings), SystemClock(), RandomIds())


def store_name(settings: Settings) -> str:
    """Return a name of the store for files; it depends on the endpoint and the URL."""
    return hashlib.sha256(f"{settings.s3_endpoint} {store(settings).url}".encode()).hexdigest()


def previews_dir(settings: Settings) -> Path:
    """Return the folder of the previews of captures in the configured store."""
    return settings.data_dir / "thumbnails" / store_name(settings)


def check_fit_for_log(settings: Settings, found: "DirectoryStore | S3Store") -> None:
    """Probe a bucket once a week whether it can keep a log; a directory refuses by itself."""
    if isinstance(store_location(settings), DirectoryLocation):
        return
    from snapshotter.store.probe import probe, refuse_if_unfit_for_log

    seal = _log_seal(settings)
    clock = SystemClock()
    if _is_fresh(seal, clock.now()):
        return
    refuse_if_unfit_for_log(probe(found, clock, RandomIds()))
    private_files.write_private(seal, f"{found.url} {clock.now().isoformat()}\n".encode())


def _log_seal(settings: Settings) -> Path:
    """Return the file that remembers when the store was found fit for a log."""
    return settings.data_dir / "probes" / f"{store_name(settings)}.log"
