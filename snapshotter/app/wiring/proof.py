"""
Build the service that makes proof packs, and write the pack of an event for a worker.

`event_log_proof` finds the log proof of an event, and `note_export` records in custody chains that
captures were exported.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import snapshotter
from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.takedown import proof_case
from snapshotter.app.takedown.events import TakedownService
from snapshotter.app.takedown.pack_verification import judge_by_rules
from snapshotter.app.takedown.proof_pack import ProofService, WrittenPack
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import printing
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import takedown as wiring_takedown
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs.leaf import TAKEDOWN
from snapshotter.model.custody import EXPORTING
from snapshotter.policy import page_identity
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr
from snapshotter.verify.files import first_bytes
from snapshotter.verify.log import LogReader
from snapshotter.verify.trust import MAX_SIGNATURE_BYTES, MAX_TRUST_BYTES

_PRINTER_BYTES = 768 << 20  # free memory below which a worker prints nothing


def proof_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> ProofService:
    """
    Return the service that makes proof packs of captures in the configured store.

    Args:
        ask: Asks the person for a passphrase; None if nobody can be asked.
        show_message: Shows messages: that a key was made, that a pack has no PDF.

    Raises:
        SnapshotterError: The settings are invalid, or there is no key that signs events.
    """
    signer = wiring_keys.event_signer(settings, ask=ask, show_message=show_message)
    trust = wiring_trust.trust(settings)
    if settings.trust_file is not None and trust.key(signer.key_id) is None:
        show_message(
            tr(
                "the trust file does not contain the key {key_id}, which signs events and proof "
                "packs. With this trust file, the verdict about the proof pack is INDETERMINATE. "
                "Add the key with snapshotter trust add-key",
                key_id=signer.key_id,
            )
        )
    by = wiring_takedown.rederivation(settings)
    return ProofService(
        store=wiring_store.store(settings),
        signer=signer,
        trust=trust,
        rules=page_identity.shipped_identity_rules(),
        clock=machine.SystemClock(),
        software=snapshotter.SOFTWARE,
        spool_dir=settings.spool_dir,
        is_trusted=wiring_trust.trusted_keys(settings),
        printer=printing.printer(settings),
        trust_files=_trust_files(settings),
        root_key_id=settings.trust_root_key if settings.trust_file else "",
        show_message=show_message,
        judge=judge_by_rules(trust, by),
        assessor_of=by.assessor_of,
        comparisons=by.comparisons,
    )


def write_event_pack(
    settings: Settings,
    service: TakedownService,
    event_id: str,
    target: Path,
    *,
    pdf: bool,
    show_message: ShowMessage,
) -> None:
    """
    Write the proof pack of an event, as a worker does.

    Args:
        pdf: Add the statement as a PDF, if there is memory for another browser.

    Raises:
        SnapshotterError: As `proof_case.write` does, or there is no key that signs events.
    """
    # How far it has come interests nobody here.
    packs = replace(
        proof_service(settings, ask=None, show_message=show_message), show_message=lambda _: None
    )
    written = proof_case.write(service, packs, event_id, target, event_log_proof(settings))
    note_export(settings, written.made, show_message)
    if not pdf:
        return
    free = machine.free_bytes()
    if free is not None and free < _PRINTER_BYTES:
        # The worker's browsers are there for captures: one too many would end one of them.
        needed = _PRINTER_BYTES >> 20
        why = tr(
            "{free} MB of memory are free, but printing the PDF may need {needed} MB",
            free=free >> 20,
            needed=needed,
        )
    else:
        why = proof_case.with_pdf(packs, written)
    if why:
        show_message(
            tr(
                "the proof pack of the event {event_id} has no PDF: {why}. Make a proof pack "
                "with a PDF:\n  snapshotter proof {event_id}",
                event_id=event_id,
                why=why,
            )
        )


def note_export(settings: Settings, made: WrittenPack, show_message: ShowMessage) -> None:
    """Write to the custody chain of each capture that it was exported."""
    store = wiring_store.store(settings)
    for part in made.manifest.captures:
        bundle_id = part.name.removesuffix(".wacz")
        wiring_store.note_access(
            settings, store, bundle_id, EXPORTING, show_message=show_message, detail="proof pack"
        )


def event_log_proof(settings: Settings) -> Callable[[str], bytes]:
    """Return a function that finds the log proof of an event; it returns b"" if there is none."""

    def find(event_id: str) -> bytes:
        reader = LogReader(wiring_store.store(settings), wiring_trust.log_policy(settings))
        try:
            signed = reader.checkpoint()
            entry = reader.find(TAKEDOWN, event_id, signed)
            return b"" if entry is None else reader.prove(entry, signed)
        except FileNotFoundError:  # this store has no log
            return b""
        except EvidenceInvalid as error:
            raise EvidenceInvalid(
                error.message, hint=tr("check the log:\n  snapshotter log check")
            ) from error

    return find


def _trust_files(settings: Settings) -> tuple[tuple[str, bytes], ...]:
    """Return the trust file and its signature, which a pack includes for information."""
    file = settings.trust_file
    if file is None:
        return ()
    try:
        return (
            ("trust.json", first_bytes(file, MAX_TRUST_BYTES + 1)),
            (
                "trust.json.sig",
                first_bytes(file.with_name(f"{file.name}.sig"), MAX_SIGNATURE_BYTES + 1),
            ),
        )
    except OSError as error:
        raise SnapshotterError(
            tr("{file} cannot be read: {strerror}", file=file, strerror=error.strerror)
        ) from error
