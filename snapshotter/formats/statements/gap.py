"""
Read and write gap records: signed records of visits that a schedule planned and did not make.

    gaps/2026/11/27/20261127t101500z-k3v4q2m7xw4c5b6d.json     a signed statement

A record names the schedule, and which visits were not made and why, or who stopped them. An
address is included only as a salted commitment, like the secrets of a capture: a gap record stays
when bundles are erased, and must not reveal what was watched. Its digest is in the log, so it
cannot be removed without notice (docs/spec/gap.md).
"""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle.store_keys import bundle_time
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.formats.signatures import signed_statement
from snapshotter.model.capture import Disclosure
from snapshotter.model.gap import Gap, GapEvent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-gap/1"
MAX_TEXT = 2_000  # characters
SALT_BYTES = 32
URL = "url"  # the name in a commitment, and the place in what opens it

_FIELDS = {
    "at": str, "by": str, "detail": str, "event": str, "gap_id": str, "missed": list,
    "reason": str, "schedule": str, "since": str, "until": str,
}  # fmt: skip
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_WORD = re.compile(r"[a-z][a-z-]{0,31}")
_COMMITMENT = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedVisits:
    """Addresses that were not visited at the same times."""

    slots: tuple[datetime, ...]  # whole seconds, UTC, ascending
    urls: tuple[str, ...]  # commitments, "sha256:<hex>"


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecord:
    """A record as it was read; its signature holds."""

    gap_id: str
    at: datetime
    schedule: str
    event: str  # of `GapEvent`, or a word of a later version
    reason: str
    detail: str
    by: str
    since: datetime
    until: datetime | None
    missed: tuple[MissedVisits, ...]
    key_id: str  # who signed it

    @property
    def is_gap(self) -> bool:
        """Whether visits were due and not made; False: somebody stopped it, and says so."""
        return self.event == GapEvent.MISSED

    @property
    def visits(self) -> int:
        """How many visits it is about."""
        return sum(len(missed.slots) * len(missed.urls) for missed in self.missed)


def commitment(url: str, salt: bytes) -> str:
    """Return what stands in a record for an address."""
    data = salt + URL.encode() + b"\0" + url.encode("utf-8", "surrogateescape")
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def disclosures(gap: Gap, salts: Sequence[bytes]) -> dict[str, Disclosure]:
    """
    Return what opens the commitments of a gap, by address.

    Args:
        salts: One for each address, `SALT_BYTES` of a cryptographic source.
    """
    urls = sorted({url for missed in gap.missed for url in missed.urls})
    return {
        url: Disclosure(commitment=commitment(url, salt), place=URL, name=URL, salt=salt.hex())
        for url, salt in zip(urls, salts, strict=True)
    }


def encode(gap: Gap, opened: dict[str, Disclosure], signer: Any) -> bytes:
    """
    Return the gap, signed.

    Args:
        opened: From `disclosures`.

    Raises:
        ValueError: A text that is too long, or more than a statement holds.
    """
    if max(len(gap.by), len(gap.detail)) > MAX_TEXT:
        raise ValueError(f"the texts of a gap have at most {MAX_TEXT} characters")
    data = signed_statement.encode(
        {
            "at": instant(gap.at),
            "by": gap.by,
            "detail": gap.detail,
            "event": gap.event.value,
            "format": FORMAT,
            "gap_id": gap.gap_id,
            "missed": [
                {
                    "slots": [instant(slot) for slot in missed.slots],
                    "urls": sorted(opened[url].commitment for url in missed.urls),
                }
                for missed in gap.missed
            ],
            "reason": gap.reason.value,
            "schedule": gap.schedule,
            "since": instant(gap.since),
            "until": instant(gap.until) if gap.until else "",
        },
        signer,
    )
    if len(data) > signed_statement.MAX_BYTES:
        raise ValueError(f"the record of the gap is longer than {signed_statement.MAX_BYTES} bytes")
    return data


def parse(data: bytes, gap_id: str) -> GapRecord:
    """
    Return the gap of this id, its signature checked; whose key it is, says trust.

    Raises:
        EvidenceInvalid: Anything else.
    """
    found = signed_statement.parse(data, FORMAT, _FIELDS)
    value = found.value
    if value["gap_id"] != gap_id:
        raise EvidenceInvalid(
            tr("the record belongs to another gap, {value!r}", value=value["gap_id"][:64])
        )
    _check_texts(value)
    since = parse_instant(value["since"])
    until = parse_instant(value["until"]) if value["until"] else None
    if until is not None and until < since:
        raise EvidenceInvalid(tr("the gap ends before it begins"))
    missed = tuple(map(_missed, value["missed"]))
    if value["event"] == GapEvent.MISSED:
        slots = [slot for visits in missed for slot in visits.slots]
        if not slots:
            raise EvidenceInvalid(tr("the record of the gap lists no missed visit"))
        if (since, until) != (min(slots), max(slots)):
            raise EvidenceInvalid(
                tr("the fields since and until are not the first and the last slot of the gap")
            )
    return GapRecord(
        gap_id=gap_id,
        at=parse_instant(value["at"]),
        schedule=value["schedule"],
        event=value["event"],
        reason=value["reason"],
        detail=value["detail"],
        by=value["by"],
        since=since,
        until=until,
        missed=missed,
        key_id=found.key_id,
    )


def _check_texts(value: Any) -> None:
    try:
        bundle_time(value["gap_id"])
    except ValueError as error:
        raise EvidenceInvalid(tr("the id of the gap is invalid")) from error
    if not _NAME.fullmatch(value["schedule"]):
        raise EvidenceInvalid(tr("the name of the schedule is invalid"))
    if not (_WORD.fullmatch(value["event"]) and _WORD.fullmatch(value["reason"])):
        raise EvidenceInvalid(tr("the event or the reason is invalid"))
    if max(len(value["by"]), len(value["detail"])) > MAX_TEXT:
        raise EvidenceInvalid(tr("a text has more than {max_text} characters", max_text=MAX_TEXT))


def _missed(value: Any) -> MissedVisits:
    if not isinstance(value, dict) or set(value) != {"slots", "urls"}:
        raise EvidenceInvalid(
            tr("an entry of missed visits does not have exactly the fields slots and urls")
        )
    slots, urls = value["slots"], value["urls"]
    if not isinstance(slots, list) or not isinstance(urls, list) or not slots or not urls:
        raise EvidenceInvalid(tr("a missed visit has no slot or no address"))
    if not all(isinstance(url, str) and _COMMITMENT.fullmatch(url) for url in urls):
        raise EvidenceInvalid(tr("an address in the record does not have the form of a commitment"))
    found = tuple(map(parse_instant, slots))
    if list(found) != sorted(set(found)) or urls != sorted(set(urls)):
        raise EvidenceInvalid(
            tr("the slots and the addresses must be sorted, and no slot or address can occur twice")
        )
    return MissedVisits(slots=found, urls=tuple(urls))
