"""
Build the desks at which a store is looked after: holds, copies, repair, erasure by order,
renewal, and tokens that are owed.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app import (
    pending,
    wiring_authorities,
    wiring_keys,
    wiring_log,
    wiring_store,
    wiring_trust,
)
from snapshotter.app.erasure import ErasureDesk
from snapshotter.app.graves import Graves
from snapshotter.app.holds import HoldDesk
from snapshotter.app.machine import SystemClock
from snapshotter.app.repair import RepairDesk
from snapshotter.app.replication import ReplicationDesk
from snapshotter.app.settings import Settings
from snapshotter.app.tokens import TokenDesk
from snapshotter.errors import EvidenceInvalid
from snapshotter.ports import Tell

if TYPE_CHECKING:
    from snapshotter.app.renew import Renewer


def hold_desk(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> HoldDesk:
    """Return what is needed to place and lift holds in the configured store."""
    key = wiring_keys.signer(settings, ask=ask, tell=tell)
    return HoldDesk(
        store=wiring_store.custodial(settings, wiring_store.store(settings), tell=tell),
        signer=key,
        is_trusted=wiring_trust.trusted_keys(settings),
        clock=SystemClock(),
        by=wiring_keys.operator(settings),
    )


def graves(settings: Settings) -> Graves:
    """Return what this machine knows of erasures, and whose tombstones count."""
    return Graves(
        folder=settings.data_dir / "tombstones", is_trusted=wiring_trust.trusted_keys(settings)
    )


def replication_desk(source: Settings, target: Settings, *, tell: Tell) -> ReplicationDesk:
    """
    Return what is needed to copy one store to another.

    Args:
        target: The same settings, with the other store.
    """
    from snapshotter.verify.log import LogReader

    here = wiring_store.store(source)
    there = wiring_store.store_for_evidence(target, locked=False, tell=tell)
    named = here.url if here.url.startswith("s3://") else "a directory"  # no path of this machine
    return ReplicationDesk(
        source=here,
        source_name=f"{named} ({wiring_store.receipts_place(source)})",
        source_place=wiring_store.receipts_place(source),
        source_log=LogReader(here, wiring_trust.log_policy(source)),
        target=wiring_store.custodial(target, there, tell=tell),
        target_log=there,
        trust=wiring_trust.trust(source),
        graves=graves(source),
        clock=SystemClock(),
        spool_dir=source.spool_dir,
    )


def repair_desk(target: Settings, source: Settings, *, tell: Tell) -> RepairDesk:
    """
    Return what is needed to repair one store from another.

    Args:
        source: The same settings, with the other store.
    """
    from snapshotter.app.log_reading import LogContents, read_log
    from snapshotter.verify.log import LogReader

    copying = replication_desk(source, target, tell=tell)
    policy = wiring_trust.log_policy(target)
    try:
        contents = read_log(copying.target, policy)
    except EvidenceInvalid as error:
        tell(f"WARNING: the log says nothing about what belongs here: {error}")
        contents = LogContents()
    return RepairDesk(
        target=copying.target,
        source=copying.source,
        source_name=copying.source_name,
        trust=copying.trust,
        graves=copying.graves,
        clock=copying.clock,
        spool_dir=copying.spool_dir,
        logged=contents.bundles,
        erased=contents.erased,
        records=contents.records,
        source_log=LogReader(copying.source, policy),
        target_log=copying.target_log,
    )


def erasure_desk(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> ErasureDesk:
    """Return what is needed to erase by order from the configured store."""

    def private(bundle_id: str) -> Iterator[Path]:
        yield wiring_store.salts_dir(settings) / pending.salts_name(bundle_id)
        yield from wiring_store.pending_dir(settings).glob(f"{bundle_id}*.json")
        yield settings.data_dir / "unlogged" / f"{bundle_id}.json"
        for folder in ("unstored", "rejected"):  # what once did not get into the store
            yield settings.data_dir / folder / f"{bundle_id}.wacz"
            yield settings.data_dir / folder / pending.salts_name(bundle_id)

    opened = wiring_store.store(settings)
    kept = wiring_store.custodial(settings, opened, tell=tell)
    # No log is begun for the sake of an erasure.
    book = (
        wiring_log.logbook(settings, proofs=kept, ask=ask, tell=tell)
        if wiring_log.log_origin(opened)
        else None
    )
    return ErasureDesk(
        store=kept,
        signer=wiring_keys.signer(settings, ask=ask, tell=tell),
        graves=graves(settings),
        clock=SystemClock(),
        by=wiring_keys.operator(settings),
        log=(lambda added: book.append([added])) if book else None,
        private=private,
    )


def renewer(settings: Settings, *, ask: Callable[[], bytes] | None, tell: Tell) -> "Renewer":
    """
    Return what renews the bundles of the configured store.

    Args:
        ask: Asks the person for the passphrase of the log's key, where it has one.

    Raises:
        SnapshotterError: A trust file that can not be relied on, or a store that is none.
    """
    from snapshotter.app.renew import Renewer
    from snapshotter.verify.log import LogReader

    found = wiring_store.store(settings)
    kept = wiring_store.custodial(settings, found, tell=tell)
    append = None
    if settings.log and wiring_log.has_log_key(settings, wiring_log.log_origin(found)):
        book = wiring_log.logbook(settings, proofs=kept, ask=ask, tell=tell)
        append = partial(book.append, seen=None)
    return Renewer(
        kept,
        LogReader(found, wiring_trust.log_policy(settings)) if settings.log else None,
        wiring_authorities.authorities(settings, patient=True),
        wiring_trust.trust(settings),
        SystemClock(),
        append,
    )


def token_desk(settings: Settings, *, tell: Tell) -> TokenDesk:
    """
    Return what is needed to ask again for owed tokens, and to do nothing else.

    Args:
        tell: Gets a sentence for a custody event that could not be written.
    """
    return TokenDesk(
        authorities=wiring_authorities.authorities(settings, patient=True),
        anchors=wiring_authorities.anchors(settings),
        store=wiring_store.custodial(settings, wiring_store.store(settings), tell=tell),
        pending_dir=wiring_store.pending_dir(settings),
    )
