"""
Read and write notices of quarantine: a capture is not shown and not copied until it is released.

    <id>.wacz.quarantine-0001.json     a signed statement: quarantined, or released
    <id>.wacz.quarantine-0002.json     … each holds the SHA-256 of the one before it

The evidence stays. A replica gets the notices in place of the bundle, and their digests are in the
log: a missing bundle without a notice was deleted. In doubt the quarantine goes on: it counts when
its signature is valid, its end only by a key that the reader trusts (docs/spec/quarantine.md).
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures import signed_statement
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-quarantine/1"
QUARANTINE, RELEASE = "quarantine", "release"
MAX_TEXT = 2000  # characters of reason and by

_FIELDS = {
    "action": str, "at": str, "bundle_id": str, "by": str, "previous": str, "reason": str,
    "sequence": int, "sha256": str,
}  # fmt: skip
_KIND = re.compile(r"quarantine-([0-9]{4})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineAction:
    """A capture is put into quarantine, or released."""

    action: str  # QUARANTINE or RELEASE
    sha256: str  # of the bundle's file
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineNotice(QuarantineAction):
    """An action as its signed notice states it."""

    sequence: int
    key_id: str
    notice_sha256: str  # of the whole notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """What the notices of one bundle state."""

    notices: tuple[QuarantineNotice, ...]
    active: QuarantineNotice | None  # the notice that is in force
    problems: tuple[str, ...]  # notices that are missing or damaged, or end it without a right
    last: str = signed_statement.START  # SHA-256 of the last notice
    sequence: int = 0  # of the last notice

    @property
    def is_hidden(self) -> bool:
        """Whether the capture is not to be shown: in doubt it is not."""
        return self.active is not None or bool(self.problems)


def kind(sequence: int) -> str:
    """Return what follows a bundle's name and a dot in the name of a notice."""
    if not 1 <= sequence <= 9999:
        raise ValueError("the number of a notice must be from 1 to 9999")
    return f"quarantine-{sequence:04}.json"


def sequence_of(kind: str) -> int | None:
    """Return the number of a notice of this kind; None for anything else."""
    match = _KIND.fullmatch(kind)
    return int(match[1]) if match and int(match[1]) else None


def encode(new: QuarantineAction, *, bundle_id: str, after: Quarantine, signer: Any) -> bytes:
    """Return the signed notice that follows the last one of `after`."""
    if max(len(new.reason), len(new.by)) > MAX_TEXT:
        raise ValueError(f"the texts of a notice have at most {MAX_TEXT} characters")
    if not new.reason.strip():
        raise ValueError("a quarantine and its end need a reason")
    return signed_statement.encode(
        {
            "action": new.action,
            "at": canonical_json.instant(new.at),
            "bundle_id": bundle_id,
            "by": new.by,
            "format": FORMAT,
            "previous": after.last,
            "reason": new.reason,
            "sequence": after.sequence + 1,
            "sha256": new.sha256,
        },
        signer,
    )


def read(
    bundle_id: str, records: Sequence[tuple[int, bytes]], is_trusted: Callable[[str], bool]
) -> Quarantine:
    """
    Return what the notices of a bundle state.

    Args:
        records: Number and bytes of each, in any order.
        is_trusted: Whether the reader trusts the key of this id to end a quarantine.
    """
    found: list[QuarantineNotice] = []
    active: QuarantineNotice | None = None
    problems: list[str] = []
    last, sequence = signed_statement.START, 0
    for link in signed_statement.read_chain(records, partial(_parse, bundle_id)):
        last, sequence = link.sha256, link.number
        name, notice = kind(link.number), link.statement
        if link.missing:
            problems.append(tr("missing: {kind}", kind=kind(link.missing)))
        if notice is None:
            problems.append(f"{name}: {link.problem}")
            continue
        found.append(notice)
        if notice.action == QUARANTINE:
            active = notice
        elif is_trusted(notice.key_id):
            active = None
            if not link.missing:  # the trusted notice names the digest of the damaged one
                problems.clear()
        else:
            problems.append(
                tr(
                    "{kind}: the notice ends the quarantine, but you do not trust the key "
                    "{key_id} that signed the notice",
                    kind=name,
                    key_id=notice.key_id,
                )
            )
    return Quarantine(
        notices=tuple(found),
        active=active,
        problems=tuple(problems),
        last=last,
        sequence=sequence,
    )


def check(data: bytes, bundle_id: str, sequence: int) -> None:
    """
    Do nothing if this is the notice of that number of a bundle, whatever came before it.

    Raises:
        EvidenceInvalid: It is not.
    """
    _parse(bundle_id, data, sequence, None)


def _parse(bundle_id: str, data: bytes, sequence: int, previous: str | None) -> QuarantineNotice:
    found = signed_statement.parse_link(
        data, FORMAT, _FIELDS, bundle_id=bundle_id, number=sequence, previous=previous
    )
    value = found.value
    if value["action"] not in (QUARANTINE, RELEASE) or not is_digest(value["sha256"]):
        raise EvidenceInvalid(tr("the notice neither begins nor ends a quarantine"))
    if not 0 < len(value["reason"]) <= MAX_TEXT or len(value["by"]) > MAX_TEXT:
        raise EvidenceInvalid(
            tr("a text of the notice has more than {max_text} characters", max_text=MAX_TEXT)
        )
    return QuarantineNotice(
        action=value["action"],
        sha256=value["sha256"],
        reason=value["reason"],
        by=value["by"],
        at=canonical_json.parse_instant(value["at"]),
        sequence=sequence,
        key_id=found.key_id,
        notice_sha256=hashlib.sha256(data).hexdigest(),
    )
