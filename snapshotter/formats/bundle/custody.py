"""
Read and write the custody events up to the seal: a hash chain with one JSON object on each line.

The JSON is canonical. Each line holds the SHA-256 of the line before it, without its newline; the
first line holds 64 zeros. The event names are those of the Library of Congress list that PREMIS
uses (docs/spec/bundle.md, "Custody").
"""

import hashlib
from collections.abc import Iterable

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.model.custody import CustodyEvent
from snapshotter.translation import tr

MAX_BYTES = 4 << 20
_START = "0" * 64
_KEYS = {"at", "agent", "detail", "event", "object", "outcome", "previous", "sequence"}


def encode(events: Iterable[CustodyEvent]) -> bytes:
    """Return the chain of `events`, in their order."""
    lines: list[bytes] = []
    previous = _START
    for sequence, event in enumerate(events, start=1):
        line = canonical_json.dumps(
            {
                "agent": event.agent,
                "at": canonical_json.instant(event.at),
                "detail": event.detail,
                "event": event.event,
                "object": event.object,
                "outcome": event.outcome,
                "previous": previous,
                "sequence": sequence,
            }
        )
        previous = hashlib.sha256(line).hexdigest()
        lines.append(line + b"\n")
    return b"".join(lines)


def parse(data: bytes) -> tuple[CustodyEvent, ...]:
    """
    Return the events of a chain, after checking it.

    Raises:
        EvidenceInvalid: A link that does not hold, an order or a field that is wrong.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the custody chain is longer than {max_bytes} bytes", max_bytes=MAX_BYTES)
        )
    if not data.endswith(b"\n"):
        raise EvidenceInvalid(tr("the custody chain does not end with a newline"))
    events: list[CustodyEvent] = []
    previous = _START
    for sequence, line in enumerate(data[:-1].split(b"\n"), start=1):
        entry = canonical_json.loads(line)
        if not isinstance(entry, dict) or set(entry) != _KEYS:
            raise EvidenceInvalid(
                tr(
                    "custody event {sequence} does not have exactly the fields that a custody "
                    "event requires",
                    sequence=sequence,
                )
            )
        number = entry["sequence"]
        if type(number) is not int or number != sequence or entry["previous"] != previous:
            raise EvidenceInvalid(
                tr(
                    "custody event {sequence} does not have the sequence number or the hash that "
                    "follows from the previous event",
                    sequence=sequence,
                )
            )
        texts = [entry[key] for key in ("agent", "detail", "event", "object", "outcome")]
        if not all(isinstance(text, str) for text in texts):
            raise EvidenceInvalid(
                tr("custody event {sequence} has a field that is not text", sequence=sequence)
            )
        at = canonical_json.parse_clock(entry["at"])
        if events and at < events[-1].at:
            raise EvidenceInvalid(
                tr(
                    "the time of custody event {sequence} is earlier than the time of the "
                    "previous event",
                    sequence=sequence,
                )
            )
        events.append(
            CustodyEvent(
                at=at,
                event=entry["event"],
                agent=entry["agent"],
                object=entry["object"],
                outcome=entry["outcome"],
                detail=entry["detail"],
            )
        )
        previous = hashlib.sha256(line).hexdigest()
    return tuple(events)
