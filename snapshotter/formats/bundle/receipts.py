"""
Read and write receipts: what a store answered for each object, kept on the operator's machine.

The owner of the store cannot change them. There is one file for each bundle, with one canonical
JSON object on each line:

    {"event":{…},"kind":"receipt"}           an object was stored, or a lock changed; or an event
                                             that belongs to such a change
    {"event_id":"…","kind":"recorded"}       the event is in the custody chain
    {"event":{…},"kind":"intended"}          an object is about to be stored; its receipt has the
                                             answer that is expected

The receipt is also a field of the event in the custody chain. So it exists in two places, and
whoever controls the bucket controls only one of them (docs/spec/custody.md, "Receipts"). A receipt
without a `recorded` line belongs to an event that must still be written to the chain.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.model.bundle import LOCK_MODES
from snapshotter.model.custody import CustodyEvent, Receipt
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_KEYS = {
    "at", "key", "legal_hold", "length", "lock_mode", "retain_until", "sha256", "store", "version",
}  # fmt: skip
_EVENT_KEYS = {"agent", "at", "by", "detail", "event", "event_id", "object", "outcome", "receipt"}
_ID = re.compile(r"[0-9a-f]{32}")
MAX_LINE = 1 << 14  # bytes


def store_id(place: str) -> str:
    """
    Return how receipts name a store: they go along with exports, and no path or address does.

    Args:
        place: What tells this store from every other: an endpoint and a URL, or a path.
    """
    return hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def is_event_id(text: str) -> bool:
    """Whether this is spelled as an event's id: 32 lowercase hex digits."""
    return _ID.fullmatch(text) is not None


def as_json(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as it stands in an event."""
    until = receipt.retain_until
    return {
        "at": canonical_json.instant(receipt.at),
        "key": receipt.key,
        "legal_hold": receipt.legal_hold,
        "length": receipt.length,
        "lock_mode": receipt.lock_mode,
        "retain_until": canonical_json.instant(until) if until else None,
        "sha256": receipt.sha256,
        "store": receipt.store,
        "version": receipt.version,
    }


def from_json(value: Any) -> Receipt:
    """
    Return the receipt that `as_json` made.

    Raises:
        EvidenceInvalid: Anything else.
    """
    if not isinstance(value, dict) or set(value) != _KEYS:
        raise EvidenceInvalid(
            tr("a receipt does not have exactly the fields that a receipt requires")
        )
    texts = ("key", "lock_mode", "sha256", "store", "version")
    if not all(isinstance(value[name], str) for name in texts):
        raise EvidenceInvalid(tr("a receipt has a field that is not text"))
    until, length = value["retain_until"], value["length"]
    locked = value["lock_mode"] in LOCK_MODES and until is not None
    if not locked and (value["lock_mode"] or until is not None):
        raise EvidenceInvalid(
            tr("a receipt states only a part of a retention, or an unknown mode of retention")
        )
    if (
        type(length) is not int
        or length < 0
        or type(value["legal_hold"]) is not bool
        or not is_digest(value["sha256"])
        or not _ID.fullmatch(value["store"])
    ):
        raise EvidenceInvalid(tr("a receipt has a field with an invalid value"))
    return Receipt(
        key=value["key"],
        length=length,
        sha256=value["sha256"],
        version=value["version"],
        lock_mode=value["lock_mode"],
        retain_until=canonical_json.parse_clock(until) if until is not None else None,
        legal_hold=value["legal_hold"],
        store=value["store"],
        at=canonical_json.parse_clock(value["at"]),
    )


def event_as_json(event: CustodyEvent) -> dict[str, Any]:
    """Return an event of after the seal, without its place in a chain."""
    return {
        "agent": event.agent,
        "at": canonical_json.instant(event.at),
        "by": event.by,
        "detail": event.detail,
        "event": event.event,
        "event_id": event.event_id,
        "object": event.object,
        "outcome": event.outcome,
        "receipt": as_json(event.receipt) if event.receipt else None,
    }


def event_from_json(value: Any) -> CustodyEvent:
    """
    Return the event that `event_as_json` made.

    Raises:
        EvidenceInvalid: Anything else.
    """
    if not isinstance(value, dict) or set(value) != _EVENT_KEYS:
        raise EvidenceInvalid(
            tr("the custody event does not have exactly the fields that a custody event requires")
        )
    texts = _EVENT_KEYS - {"at", "receipt"}
    if not all(isinstance(value[name], str) for name in texts):
        raise EvidenceInvalid(tr("the custody event has a field that is not text"))
    if not is_event_id(value["event_id"]):
        raise EvidenceInvalid(tr("the id of the custody event does not have 32 hexadecimal digits"))
    receipt = value["receipt"]
    return CustodyEvent(
        at=canonical_json.parse_clock(value["at"]),
        event=value["event"],
        agent=value["agent"],
        object=value["object"],
        outcome=value["outcome"],
        detail=value["detail"],
        by=value["by"],
        event_id=value["event_id"],
        receipt=None if receipt is None else from_json(receipt),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file of receipts."""

    event: CustodyEvent | None = None
    intended: CustodyEvent | None = None  # what was about to be done
    recorded: str = ""  # the id of an event that stands in the custody chain
    problem: str = ""  # why the line is neither


def receipt_line(event: CustodyEvent) -> bytes:
    """Return the line of an event, with its receipt."""
    return canonical_json.dumps({"event": event_as_json(event), "kind": "receipt"}) + b"\n"


def intended_line(event: CustodyEvent) -> bytes:
    """Return the line of an event that is about to be, with the receipt that is expected."""
    return canonical_json.dumps({"event": event_as_json(event), "kind": "intended"}) + b"\n"


def recorded_line(event_id: str) -> bytes:
    """Return the line that says that an event stands in the chain."""
    return canonical_json.dumps({"event_id": event_id, "kind": "recorded"}) + b"\n"


def parse(data: bytes) -> Iterator[Line]:
    """
    Yield the lines of a file. One that is damaged is a problem of its own, and hides no other.
    """
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw:
            continue
        try:
            yield _line(raw)
        except EvidenceInvalid as error:
            yield Line(problem=f"line {number}: {error}")


def _line(raw: bytes) -> Line:
    if len(raw) > MAX_LINE:
        raise EvidenceInvalid(tr("the line is longer than {max_line} bytes", max_line=MAX_LINE))
    value = canonical_json.loads(raw)
    if isinstance(value, dict) and set(value) == {"event", "kind"} and value["kind"] == "receipt":
        return Line(event=event_from_json(value["event"]))
    if isinstance(value, dict) and set(value) == {"event", "kind"} and value["kind"] == "intended":
        return Line(intended=event_from_json(value["event"]))
    if isinstance(value, dict) and set(value) == {"event_id", "kind"}:
        event_id = value["event_id"]
        if value["kind"] == "recorded" and isinstance(event_id, str) and is_event_id(event_id):
            return Line(recorded=event_id)
    raise EvidenceInvalid(tr("the line is neither a receipt nor a custody event"))
