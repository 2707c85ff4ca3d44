"""
Read and write tombstones: the signed records that stay where bundles were erased by order.

    <id>.wacz.tombstone.json     a signed statement

A tombstone names the bundle, its digest, who ordered the erasure, why, and who carried it out. It
contains nothing of what was in the bundle. Its digest is in the log: a missing bundle without a
tombstone was removed without an order, and a tombstone without a log entry is forged or not
finished (docs/spec/tombstone.md).
"""

import hashlib
from datetime import datetime
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.signatures import signed_statement
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-tombstone/1"
KIND = "tombstone.json"  # follows the bundle's name and a dot
MAX_TEXT = 2000  # characters
_OF_NOTHING = hashlib.sha256(b"").hexdigest()
_FIELDS = {
    "at": str, "bundle_id": str, "by": str, "custody_head": str, "length": int, "order": str,
    "reason": str, "sha256": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """One erasure."""

    bundle_id: str
    sha256: str  # of the bundle that was erased; "" where it was gone or damaged already
    length: int  # bytes; 0 where it was gone already
    reason: str
    order: str  # the reference of whoever ordered it
    by: str
    at: datetime
    custody_head: str  # where the custody chain stood: SHA-256 hex, or "" without one
    key_id: str = ""  # who signed it


def encode(tombstone: Tombstone, signer: Any) -> bytes:
    """
    Return the tombstone, signed.

    Raises:
        ValueError: No reason or no order, or one that is too long.
    """
    texts = (tombstone.reason, tombstone.order, tombstone.by)
    if not tombstone.reason.strip() or not tombstone.order.strip():
        raise ValueError("an erasure requires a reason and the reference of an order")
    if max(map(len, texts)) > MAX_TEXT:
        raise ValueError(f"the texts of a tombstone have at most {MAX_TEXT} characters")
    return signed_statement.encode(
        {
            "at": canonical_json.instant(tombstone.at),
            "bundle_id": tombstone.bundle_id,
            "by": tombstone.by,
            "custody_head": tombstone.custody_head,
            "format": FORMAT,
            "length": tombstone.length,
            "order": tombstone.order,
            "reason": tombstone.reason,
            "sha256": tombstone.sha256,
        },
        signer,
    )


def parse(data: bytes, bundle_id: str) -> Tombstone:
    """
    Return the tombstone of this bundle, its signature checked; whose key it is, says trust.

    Raises:
        EvidenceInvalid: Anything else.
    """
    found = signed_statement.parse(data, FORMAT, _FIELDS)
    value = found.value
    if value["bundle_id"] != bundle_id:
        raise EvidenceInvalid(
            tr("the record belongs to another bundle, {value}", value=value["bundle_id"])
        )
    for name in ("sha256", "custody_head"):
        if value[name] and not is_digest(value[name]):
            raise EvidenceInvalid(tr("{name} is not a SHA-256", name=name))
    if not value["reason"] or not value["order"]:
        raise EvidenceInvalid(tr("the record states no reason or no order"))
    if max(len(value[text]) for text in ("reason", "order", "by")) > MAX_TEXT:
        raise EvidenceInvalid(
            tr("a text of the record has more than {max_text} characters", max_text=MAX_TEXT)
        )
    if value["length"] < 0:
        raise EvidenceInvalid(tr("the length of the erased bundle is negative"))
    if (value["length"] == 0) != (value["sha256"] in ("", _OF_NOTHING)):
        raise EvidenceInvalid(tr("the fields length and sha256 cannot belong to the same file"))
    return Tombstone(
        bundle_id=bundle_id,
        sha256=value["sha256"],
        length=value["length"],
        reason=value["reason"],
        order=value["order"],
        by=value["by"],
        at=canonical_json.parse_instant(value["at"]),
        custody_head=value["custody_head"],
        key_id=found.key_id,
    )
