"""
Define the values of the chain of custody: events (who did what, when, how it ended) and receipts.

The names of the events are those of PREMIS.
"""

from datetime import datetime

from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.value_class import dataclass

# Event types of the Library of Congress list that PREMIS uses
# (id.loc.gov/vocabulary/preservation/eventType), as far as a store has them.
INGESTION = "ingestion"
REPLICATION = "replication"
RECOVERY = "recovery"  # an object that was missing or damaged, put back from a replica
FIXITY_CHECK = "fixity check"
SIGNATURE = "digital signature generation"
EXPORTING = "exporting"
DISPLAYING = "displaying"
POLICY_ASSIGNMENT = "policy assignment"  # retention, a hold placed, a hold lifted
DELETION = "deletion"

SUCCESS, FAILURE = "success", "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A store's answer for one object that was stored or locked."""

    key: str
    length: int  # bytes
    sha256: str  # of what we put, hex
    version: str  # the store's id of it; "" where there are none
    lock_mode: str  # "GOVERNANCE", "COMPLIANCE" or ""
    retain_until: datetime | None
    legal_hold: bool
    store: str  # which store: 32 hex digits, see `formats/bundle/receipts.py`
    at: datetime  # our clock

    @property
    def retention(self) -> Retention | None:
        """The retention that the answer states, or None."""
        if self.retain_until is None or not self.lock_mode:
            return None
        return Retention(until=self.retain_until, mode=self.lock_mode)

    def same_answer(self, other: "Receipt") -> bool:
        """Return whether two receipts state the same of the same object, at whatever time."""
        mine = (self.key, self.length, self.sha256, self.version, self.lock_mode)
        theirs = (other.key, other.length, other.sha256, other.version, other.lock_mode)
        return (mine, self.retain_until, self.legal_hold, self.store) == (
            theirs,
            other.retain_until,
            other.legal_hold,
            other.store,
        )


def receipt_of(stored: StoredObject, sha256: str, store: str, at: datetime) -> Receipt:
    """Return the receipt of a store's answer for an object with this digest."""
    return Receipt(
        key=stored.key,
        length=stored.length,
        sha256=sha256,
        version=stored.version,
        lock_mode=stored.lock_mode if stored.retain_until is not None else "",
        retain_until=stored.retain_until if stored.lock_mode else None,
        legal_hold=stored.legal_hold,
        store=store,
        at=at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReceipts:
    """The receipts of one bundle that this machine kept."""

    receipts: tuple[Receipt, ...] = ()  # oldest first
    problems: tuple[str, ...] = ()  # lines that cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyEvent:
    """One event in the life of the evidence."""

    at: datetime
    event: str  # a PREMIS event type: "capture", "message digest calculation" …
    agent: str  # the software; people are named outside the bundle
    object: str  # what it was done to: a member's path, an object's name, or a URL
    outcome: str  # "success", "partial", "failure"
    detail: str = ""
    # The rest is of events after the seal, which stand beside the bundle.
    by: str = ""  # who: the operator, as configured
    event_id: str = ""  # 32 hex digits: no two events are one, however alike
    receipt: Receipt | None = None
