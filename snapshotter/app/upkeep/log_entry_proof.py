"""Read the newest checkpoint of a store's log, and prove that an entry is in the log."""

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs.note import (
    ED25519,
    SignedCheckpoint,
    VerifierKey,
    parse_verifier_key,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.log import LogEntry, LogReader


@dataclass(frozen=True, slots=True, kw_only=True)
class LogProof:
    """The proof that an entry is in a log."""

    entry: LogEntry
    checkpoint: SignedCheckpoint  # to which the proof leads
    data: bytes  # a C2SP tlog-proof


def read_log_key(text: str) -> VerifierKey:
    """
    Read the verifier key of a log.

    Raises:
        ValueError: It is not a verifier key, or the key of a witness.
    """
    try:
        key = parse_verifier_key(text)
    except EvidenceInvalid as error:
        raise ValueError(str(error)) from error
    if key.kind != ED25519:
        raise ValueError("this is the key of a witness, not the key of a log")
    return key


def require_log(reader: LogReader, store: str) -> None:
    """Check that a store, named `store` in the message, has a log. Raises SnapshotterError."""
    try:
        reader.note()
    except FileNotFoundError as error:
        raise SnapshotterError(
            tr("{store} has no log", store=store),
            hint=tr(
                "the first capture creates a log. To create a log now:\n  snapshotter log init"
            ),
        ) from error


def newest_checkpoint(reader: LogReader, store: str) -> SignedCheckpoint:
    """
    Return the published checkpoint of a store, verified if the key of its log is known.

    Args:
        store: As the message names it.

    Raises:
        SnapshotterError: There is no log.
        EvidenceInvalid: The checkpoint is not valid.
    """
    require_log(reader, store)
    try:
        return reader.checkpoint()
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            error.message, hint=tr("check the log:\n  snapshotter log check")
        ) from error


def prove_entry(reader: LogReader, store: str, kind: str, name: str) -> LogProof:
    """
    Prove that an entry is in the log, against its newest checkpoint.

    Args:
        kind: Of the entry: `bundle`, `trust` and so on.

    Raises:
        SnapshotterError: There is no log, or no such entry in it.
        EvidenceInvalid: The log is not valid.
    """
    signed = newest_checkpoint(reader, store)
    try:
        entry = reader.find(kind, name, signed)
        if entry is None or entry.leaf is None:
            raise SnapshotterError(
                tr(
                    "the log has no entry of the kind {kind} with the name {name}",
                    kind=kind,
                    name=name,
                ),
                hint=tr(
                    "list the entries of the log, or add bundles that are missing in the "
                    "log:\n  snapshotter log show\n  snapshotter log sync"
                ),
            )
        proof = reader.prove(entry, signed)
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            error.message, hint=tr("check the log:\n  snapshotter log check")
        ) from error
    return LogProof(entry=entry, checkpoint=signed, data=proof)
