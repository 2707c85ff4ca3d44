"""
Build the services that maintain a store: audit, holds, replication, repair, erasure, renewal.

`token_service` builds the service that requests owed tokens, and `tombstones` the tombstones that
are valid here.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter import SOFTWARE
from snapshotter.app import commitment_salts
from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.archive.screens.page_folder import PageFolder
from snapshotter.app.machine import RandomIds, SystemClock, pause
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import pending_dir, receipts_store_name, salts_dir
from snapshotter.app.upkeep.erasure import ErasureService
from snapshotter.app.upkeep.holds import HoldService
from snapshotter.app.upkeep.late_tokens import TokenService
from snapshotter.app.upkeep.quarantine import QuarantineService
from snapshotter.app.upkeep.repair import RepairService
from snapshotter.app.upkeep.replication import ReplicationService
from snapshotter.app.upkeep.tombstones import Tombstones
from snapshotter.app.wiring import annotations as wiring_annotations
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import log as wiring_log
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import timestamp_authorities as wiring_authorities
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import EvidenceInvalid
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.upkeep.audit import AuditService
    from snapshotter.app.upkeep.renewal import Renewer


def hold_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> HoldService:
    """Return what is needed to place and lift holds in the configured store."""
    key = wiring_keys.signer(settings, ask=ask, show_message=show_message)
    return HoldService(
        store=wiring_store.custodial_store(
            settings, wiring_store.store(settings), show_message=show_message
        ),
        signer=key,
        is_trusted=wiring_trust.trusted_keys(settings),
        clock=SystemClock(),
        by=wiring_keys.operator(settings),
    )


def quarantine_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> QuarantineService:
    """Return what is needed to put captures of the configured store into quarantine."""
    opened = wiring_store.store(settings)
    kept = wiring_store.custodial_store(settings, opened, show_message=show_message)
    # No log is begun for the sake of a quarantine.
    book = (
        wiring_log.logbook(settings, proofs=kept, ask=ask, show_message=show_message)
        if wiring_log.stored_origin(opened)
        else None
    )
    return QuarantineService(
        store=kept,
        signer=wiring_keys.signer(settings, ask=ask, show_message=show_message),
        is_trusted=wiring_trust.trusted_keys(settings),
        annotations=wiring_annotations.annotation_service(
            settings, ask=ask, show_message=show_message
        ),
        log=(lambda added: book.append(added)) if book else None,
        clock=SystemClock(),
        by=wiring_annotations.author(settings).name,
        pages=PageFolder(settings.data_dir).files,
    )


def audit_service(
    settings: Settings,
    *,
    state_dir: Path | None,
    pause_s: float,
    ask: Callable[[], bytes] | None,
    show_message: ShowMessage,
) -> "AuditService":
    """
    Return what is needed to audit the configured store; without a signer for the report.

    Args:
        state_dir: Folder of the auditor's state; None: the usual one.
        pause_s: Seconds before objects that seem to be gone are looked for again.
    """
    from snapshotter.app.upkeep.audit import AuditorState, AuditService
    from snapshotter.verify.audit.locks_and_custody import StoreReceipts

    return AuditService(
        open_store=partial(wiring_store.store, settings),
        trust=wiring_trust.trust(settings),
        state=AuditorState(folder=state_dir or settings.data_dir / "audit"),
        receipts=StoreReceipts(
            receipts=wiring_store.receipts(settings),
            store_name=receipts_store_name(settings),
        ),
        clock=SystemClock(),
        ids=RandomIds(),
        software=SOFTWARE,
        pause=partial(pause, pause_s),
        log_report=partial(
            wiring_log.append_report_to_log, settings, ask=ask, show_message=show_message
        ),
    )


def tombstones(settings: Settings) -> Tombstones:
    """Return the tombstones that this machine knows, and the keys whose tombstones count."""
    return Tombstones(
        folder=settings.data_dir / "tombstones", is_trusted=wiring_trust.trusted_keys(settings)
    )


def replication_service(
    source: Settings, target: Settings, *, show_message: ShowMessage
) -> ReplicationService:
    """
    Return what is needed to copy one store to another.

    Args:
        target: The same settings, with the other store.
    """
    from snapshotter.verify.log import LogReader

    here = wiring_store.store(source)
    there = wiring_store.store_for_evidence(target, locked=False, show_message=show_message)
    named = here.url if here.url.startswith("s3://") else "a directory"  # no path of this machine
    return ReplicationService(
        source=here,
        source_name=f"{named} ({receipts_store_name(source)})",
        source_place=receipts_store_name(source),
        source_log=LogReader(here, wiring_trust.log_policy(source)),
        target=wiring_store.custodial_store(target, there, show_message=show_message),
        target_log=there,
        quarantined=partial(wiring_annotations.read_quarantined, source),
        trust=wiring_trust.trust(source),
        tombstones=tombstones(source),
        clock=SystemClock(),
        spool_dir=source.spool_dir,
    )


def repair_service(
    target: Settings, source: Settings, *, show_message: ShowMessage
) -> RepairService:
    """
    Return what is needed to repair one store from another.

    Args:
        source: The same settings, with the other store.
    """
    from snapshotter.app.upkeep.log_contents import LogContents, read_log
    from snapshotter.verify.log import LogReader

    copying = replication_service(source, target, show_message=show_message)
    policy = wiring_trust.log_policy(target)
    try:
        contents = read_log(copying.target, policy)
    except EvidenceInvalid as error:
        show_message(
            tr(
                "WARNING: the log cannot show which objects belong to the store: {error}",
                error=error,
            )
        )
        contents = LogContents()
    return RepairService(
        target=copying.target,
        source=copying.source,
        source_name=copying.source_name,
        trust=copying.trust,
        tombstones=copying.tombstones,
        clock=copying.clock,
        spool_dir=copying.spool_dir,
        logged=contents.bundles,
        erased=contents.erased,
        records=contents.records,
        source_log=LogReader(copying.source, policy),
        target_log=copying.target_log,
    )


def erasure_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> ErasureService:
    """Return what is needed to erase by order from the configured store."""

    def private(bundle_id: str) -> Iterator[Path]:
        yield salts_dir(settings) / commitment_salts.salts_file_name(bundle_id)
        yield from pending_dir(settings).glob(f"{bundle_id}*.json")
        yield settings.data_dir / "unlogged" / f"{bundle_id}.json"
        for folder in ("unstored", "rejected"):  # what once did not get into the store
            yield settings.data_dir / folder / f"{bundle_id}.wacz"
            yield settings.data_dir / folder / commitment_salts.salts_file_name(bundle_id)
        yield from PageFolder(settings.data_dir).files(bundle_id)
        yield from PreviewFolder(wiring_store.previews_dir(settings)).files(bundle_id)

    opened = wiring_store.store(settings)
    kept = wiring_store.custodial_store(settings, opened, show_message=show_message)
    # No log is begun for the sake of an erasure.
    book = (
        wiring_log.logbook(settings, proofs=kept, ask=ask, show_message=show_message)
        if wiring_log.stored_origin(opened)
        else None
    )
    return ErasureService(
        store=kept,
        signer=wiring_keys.signer(settings, ask=ask, show_message=show_message),
        tombstones=tombstones(settings),
        clock=SystemClock(),
        by=wiring_keys.operator(settings),
        log=(lambda added: book.append([added])) if book else None,
        private=private,
    )


def renewer(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> "Renewer":
    """
    Return the renewer of bundles of the configured store.

    Args:
        ask: Asks the person for the passphrase of the log's key, if it has one.

    Raises:
        SnapshotterError: The trust file or the name of the store is invalid.
    """
    from snapshotter.app.upkeep.renewal import Renewer
    from snapshotter.verify.log import LogReader

    found = wiring_store.store(settings)
    kept = wiring_store.custodial_store(settings, found, show_message=show_message)
    append = None
    if settings.log and wiring_log.has_log_key(settings, wiring_log.stored_origin(found)):
        book = wiring_log.logbook(settings, proofs=kept, ask=ask, show_message=show_message)
        append = partial(book.append, seen=None)
    return Renewer(
        kept,
        LogReader(found, wiring_trust.log_policy(settings)) if settings.log else None,
        wiring_authorities.authorities(settings, patient=True),
        wiring_trust.trust(settings),
        SystemClock(),
        append,
    )


def token_service(settings: Settings, *, show_message: ShowMessage) -> TokenService:
    """
    Return the service that requests owed tokens, and nothing else.

    Args:
        show_message: Shows that a custody event could not be written.
    """
    return TokenService(
        authorities=wiring_authorities.authorities(settings, patient=True),
        anchors=wiring_authorities.anchors(settings),
        store=wiring_store.custodial_store(
            settings, wiring_store.store(settings), show_message=show_message
        ),
        pending_dir=pending_dir(settings),
    )
