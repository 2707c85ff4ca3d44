"""
Read and write legal holds, which forbid the deletion of a bundle.

    <id>.wacz.hold-0001.json     a signed statement: placed, or lifted
    <id>.wacz.hold-0002.json     … each holds the SHA-256 of the one before it

A bundle can have several holds, each with its own name, and is held until all of them are lifted.
In doubt a hold goes on: placing a hold counts when its signature is valid, lifting it only by a
key that the reader trusts, and a missing or unreadable record counts as a hold
(docs/spec/holds.md).
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
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-hold/1"
PLACE, LIFT = "place", "lift"
MAX_TEXT = 2000  # characters of matter, reason and by

_FIELDS = {
    "action": str, "at": str, "bundle_id": str, "by": str, "matter": str, "name": str,
    "previous": str, "reason": str, "sequence": int,
}  # fmt: skip
_KIND = re.compile(r"hold-([0-9]{4})\.json")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldAction:
    """One hold that is placed or lifted."""

    action: str  # PLACE or LIFT
    name: str
    matter: str  # the case or order that the hold is for
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRecord(HoldAction):
    """A hold action as its signed record states it."""

    sequence: int
    key_id: str
    sha256: str  # of the whole record


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What the records of one bundle say."""

    records: tuple[HoldRecord, ...]
    open: tuple[HoldRecord, ...]  # placed, and not lifted
    problems: tuple[str, ...]  # records that are missing or junk: each counts as a hold
    last: str = signed_statement.START  # SHA-256 of the last record
    sequence: int = 0  # of the last record

    @property
    def held(self) -> bool:
        """Whether anything says that the bundle is held."""
        return bool(self.open or self.problems)


def kind(sequence: int) -> str:
    """Return what follows a bundle's name and a dot in the name of a record."""
    if not 1 <= sequence <= 9999:
        raise ValueError("the number of a legal hold must be from 1 to 9999")
    return f"hold-{sequence:04}.json"


def sequence_of(kind: str) -> int | None:
    """Return the number of a record of this kind; None for anything else."""
    match = _KIND.fullmatch(kind)
    return int(match[1]) if match and int(match[1]) else None


def check_name(name: str) -> str:
    """Return `name`. Raises ValueError for what is no name of a hold."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "the name of a legal hold must have 1 to 64 characters of a-z, 0-9, dot, dash and "
            "underscore"
        )
    return name


def encode(hold: HoldAction, *, bundle_id: str, after: Holds, signer: Any) -> bytes:
    """Return the signed record that follows the last record of `after`."""
    check_name(hold.name)
    if max(len(hold.matter), len(hold.reason), len(hold.by)) > MAX_TEXT:
        raise ValueError(f"the texts of a hold have at most {MAX_TEXT} characters")
    return signed_statement.encode(
        {
            "action": hold.action,
            "at": canonical_json.instant(hold.at),
            "bundle_id": bundle_id,
            "by": hold.by,
            "format": FORMAT,
            "matter": hold.matter,
            "name": hold.name,
            "previous": after.last,
            "reason": hold.reason,
            "sequence": after.sequence + 1,
        },
        signer,
    )


def read(
    bundle_id: str, records: Sequence[tuple[int, bytes]], is_trusted: Callable[[str], bool]
) -> Holds:
    """
    Return what the records of a bundle say.

    Args:
        records: Number and bytes of each, in any order.
        is_trusted: Whether the reader trusts the key of this id to lift a hold.
    """
    found: list[HoldRecord] = []
    opened: dict[str, HoldRecord] = {}
    problems: list[str] = []
    last, sequence = signed_statement.START, 0
    for link in signed_statement.read_chain(records, partial(_parse, bundle_id)):
        last, sequence = link.sha256, link.number
        name, record = kind(link.number), link.statement
        if link.missing:
            problems.append(f"missing: {kind(link.missing)}")
        if record is None:
            problems.append(f"{name}: {link.problem}")
            continue
        found.append(record)
        if record.action == PLACE:
            opened[record.name] = record
        elif is_trusted(record.key_id):
            opened.pop(record.name, None)
        else:
            problems.append(
                tr(
                    "{kind}: the record lifts the legal hold {name}, but you do not "
                    "trust the key {key_id} that signed the record",
                    kind=name,
                    name=record.name,
                    key_id=record.key_id,
                )
            )
    return Holds(
        records=tuple(found),
        open=tuple(opened.values()),
        problems=tuple(problems),
        last=last,
        sequence=sequence,
    )


def check(data: bytes, bundle_id: str, sequence: int) -> None:
    """
    Do nothing if this is the record of that number of a bundle, whatever came before it.

    Raises:
        EvidenceInvalid: It is not.
    """
    _parse(bundle_id, data, sequence, None)


def _parse(bundle_id: str, data: bytes, sequence: int, previous: str | None) -> HoldRecord:
    found = signed_statement.parse_link(
        data, FORMAT, _FIELDS, bundle_id=bundle_id, number=sequence, previous=previous
    )
    value = found.value
    if value["action"] not in (PLACE, LIFT) or not _NAME.fullmatch(value["name"]):
        raise EvidenceInvalid(tr("the record neither places nor lifts a legal hold"))
    if max(len(value[text]) for text in ("matter", "reason", "by")) > MAX_TEXT:
        raise EvidenceInvalid(
            tr("a text of the record has more than {max_text} characters", max_text=MAX_TEXT)
        )
    return HoldRecord(
        action=value["action"],
        name=value["name"],
        matter=value["matter"],
        reason=value["reason"],
        by=value["by"],
        at=canonical_json.parse_instant(value["at"]),
        sequence=sequence,
        key_id=found.key_id,
        sha256=hashlib.sha256(data).hexdigest(),
    )
