"""
Define the facts about a bundle: those that its record states, and those that were verified.

An index lists bundles by unverified facts (`CaptureFacts`). Whatever is signed or judged rests
on a `VerifiedFacts`: only `verify_bundle` makes one, and not for a bundle whose verdict is FAILED.
"""

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime, timedelta

from snapshotter.model.digests import Digests
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFacts:
    """The fields of a capture record that conclusions rest on. None of them is verified."""

    bundle_id: str
    sha256: str  # of the whole file
    requested_url: str
    final_url: str
    # To the millisecond where the record has that, else to the second.
    started_at: datetime
    ended_at: datetime
    vantage: str  # the way through the network: its name, or else its kind
    light: bool  # a light check: the whole page was not photographed
    key_id: str  # of the first signer that the record names


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedCheckpoint:
    """The checkpoint of a trusted log that a record quotes. Its signature is verified."""

    origin: str
    size: int  # entries
    root: str  # 64 hex digits
    # The newest time at which a trusted witness saw it; None: no witness that is trusted did.
    witnessed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFacts(CaptureFacts):
    """
    The facts of a bundle whose verdict is not FAILED, and what was verified in addition.

    The record states no fact twice with different values, and the times are in order. Who vouches
    for them is another question: `good_signers`, `proven_time`.
    """

    sealed_at: datetime
    outcome: str  # "complete", "partial", "failed"; "" where the record has none
    http_status: int | None
    signers: tuple[str, ...]  # key ids in the order of their slots; all of their signatures hold
    good_signers: tuple[str, ...]  # those whose key is trusted, and good at its proven time
    proven_time: datetime | None  # upper bound of the seal: the earliest good token's
    accuracy: timedelta  # of the clock of that token, as its authority states it; else 0
    logged_by: datetime | None  # upper bound of the seal: a trusted witness saw it in the log
    log_index: int | None  # its entry in the trusted log; None: it has no valid proof
    log_origin: str  # which log that is; "" where none has it
    quoted: QuotedCheckpoint | None  # a lower bound of the capture's begin: `not_before`
    # Of every member of the file, as it was read.
    members: Mapping[str, Digests] = field(default_factory=dict, repr=False, compare=False)

    @property
    def not_before(self) -> datetime | None:
        """The proven lower bound of the capture's begin; None if only the record states it."""
        return self.quoted.witnessed_at if self.quoted is not None else None
