"""
Read and write annotations: the signed records of what people state about captures.

    annotations/records/00000007.json       a signed statement; holds the SHA-256 of record 6
    annotations/texts/<64 hex digits>.json  the text of a record, and the salt of its commitment

All records of a store are one chain. A note, a reason or a title is in an object of its own, and
the record holds a salted commitment to the text: the text can be erased by order, and the chain
stays valid (docs/spec/annotation.md).
"""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.signatures import signed_statement
from snapshotter.model.annotations import (
    MAX_BUNDLES,
    MAX_NAME,
    MAX_TEXT,
    Annotation,
    AnnotationAuthor,
    AnnotationKind,
    AnnotationRow,
    Mark,
    NewAnnotation,
    ReviewDecision,
)
from snapshotter.model.digests import is_digest
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-annotation/1"
TEXT_FORMAT = "snapshotter-annotation-text/1"
MAX_BYTES = signed_statement.MAX_BYTES
MAX_TEXT_BYTES = 1 << 17  # of the object of a text
START = signed_statement.START
SALT_BYTES = 32
MAX_AUTHOR = 200  # characters of a name of a person, of a role, of an order and of a log
_TEXT = "text"  # the name in a commitment
_AUTHOR = "author"

_FIELDS = {
    "at": str, "author": str, "author_commitment": str, "bundles": list, "case": str,
    "exhibits": list, "kind": str, "name": str, "order": str, "previous": str, "record": int,
    "role": str, "sequence": int, "text": str,
}  # fmt: skip
_OPTIONAL = {"store": str}
_CASE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_COMMITMENT = re.compile(r"(sha256:[0-9a-f]{64})?")
_OF_CASE = frozenset(
    {
        AnnotationKind.CASE_CREATED,
        AnnotationKind.CASE_CLOSED,
        AnnotationKind.CASE_ADDED,
        AnnotationKind.CASE_REMOVED,
    }
)
_WITHOUT_BUNDLES = frozenset(
    {AnnotationKind.CASE_CREATED, AnnotationKind.CASE_CLOSED, AnnotationKind.ERASED}
)
_NAMES = {
    AnnotationKind.REVIEWED: frozenset(ReviewDecision),
    AnnotationKind.MARKED: frozenset(Mark),
    AnnotationKind.UNMARKED: frozenset(Mark),
}
_TAGS = frozenset({AnnotationKind.TAG_ADDED, AnnotationKind.TAG_REMOVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationText:
    """The text of a record, with the salt that opens the record's commitment."""

    text: str
    salt: str  # hex


def check_case(name: str) -> str:
    """Return the name of a case. Raises ValueError for an invalid name."""
    if not _CASE.fullmatch(name):
        raise ValueError(
            "the name of a case must have 1 to 64 characters of a-z, 0-9, dot, dash and underscore"
        )
    return name


def check_tag(tag: str) -> str:
    """Return a tag. Raises ValueError for an invalid tag."""
    if not 0 < len(tag) <= MAX_NAME or tag != tag.strip() or not tag.isprintable():
        raise ValueError(
            f"a tag must have 1 to {MAX_NAME} printable characters, without spaces at the ends"
        )
    return tag


def author_commitment(name: str, salt: bytes) -> str:
    """Return the commitment to the name of a person who is named by a pseudonym."""
    return _commitment(salt, _AUTHOR, name)


def text_object(text: str, salt: bytes) -> tuple[str, bytes]:
    """
    Return the commitment to a text, and the object that holds the text.

    Args:
        salt: `SALT_BYTES` of a cryptographic source.

    Raises:
        ValueError: The text is longer than `MAX_TEXT` characters, or contains half a character.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"a text of an annotation has at most {MAX_TEXT} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            tr(
                "character {number} of the text is invalid: the text must be UTF-8",
                number=error.start + 1,
            )
        ) from error
    value = {"format": TEXT_FORMAT, "salt": salt.hex(), "text": text}
    return _commitment(salt, _TEXT, text), canonical_json.dumps(value) + b"\n"


def parse_text(data: bytes, commitment: str) -> AnnotationText:
    """
    Return the text that a commitment belongs to.

    Raises:
        EvidenceInvalid: The object has another form, or holds another text.
    """
    if len(data) > MAX_TEXT_BYTES or not data.endswith(b"\n"):
        raise EvidenceInvalid(tr("the object is not the text of an annotation"))
    value = canonical_json.loads(data[:-1])
    if (
        not isinstance(value, dict)
        or set(value) != {"format", "salt", "text"}
        or value["format"] != TEXT_FORMAT
        or not isinstance(value["text"], str)
        or not is_digest(value["salt"])
    ):
        raise EvidenceInvalid(tr("the object is not the text of an annotation"))
    if _commitment(bytes.fromhex(value["salt"]), _TEXT, value["text"]) != commitment:
        raise EvidenceInvalid(tr("the text does not belong to the commitment in its record"))
    return AnnotationText(text=value["text"], salt=value["salt"])


def encode(
    new: NewAnnotation,
    *,
    author: AnnotationAuthor,
    at: datetime,
    text: str,
    number: int,
    previous: str,
    store: str,
    signer: signed_statement.Signer,
) -> bytes:
    """
    Return the signed record.

    Args:
        at: The time, aware.
        text: The commitment to its text; "" without a text.
        number: In the chain.
        previous: SHA-256 of the record before.
        store: The origin of the log of the store; "" if the store has no log.

    Raises:
        ValueError: The record contradicts itself, or is too long.
    """
    value: dict[str, Any] = {
        "at": canonical_json.instant(at),
        "author": author.name,
        "author_commitment": author.commitment,
        "bundles": list(new.bundles),
        "case": new.case,
        "exhibits": list(new.exhibits),
        "format": FORMAT,
        "kind": new.kind.value,
        "name": new.name,
        "order": new.order,
        "previous": previous,
        "record": new.record,
        "role": author.role,
        "sequence": number,
        "text": text,
    }
    if store:
        value["store"] = store
    _check(value)
    data = signed_statement.encode(value, signer)
    if len(data) > MAX_BYTES:
        raise ValueError(f"an annotation has at most {MAX_BYTES} bytes")
    return data


def parse(data: bytes, number: int) -> Annotation:
    """
    Return the record of a number, whose signature is valid.

    Whether `previous` is the record before, and who owns the key, is for the caller to check.

    Raises:
        EvidenceInvalid: The data are no valid record of this number.
    """
    found = signed_statement.parse(data, FORMAT, _FIELDS, optional=_OPTIONAL)
    value = found.value
    if value["sequence"] != number:
        raise EvidenceInvalid(
            tr("the record has the number {sequence}", sequence=value["sequence"])
        )
    try:
        _check(value)
        at = canonical_json.parse_instant(value["at"])
    except ValueError as error:
        raise EvidenceInvalid(str(error)) from error
    return _annotation(value, at, found.key_id, data)


def parse_verified(data: bytes) -> Annotation:
    """
    Return a record that `parse` accepted before, as an index keeps it. Nothing is checked again.

    Raises:
        ValueError, KeyError: The data are no record.
    """
    value, seal = map(json.loads, data.splitlines())
    at = canonical_json.parse_instant(value["at"])
    return _annotation(value, at, seal["key_id"], data)


def row(key: str, data: bytes) -> AnnotationRow:
    """
    Return the columns of one object under `annotations/`.

    The row of an object that is no valid record has no kind; the object stays in `data`.
    """
    try:
        record = parse(data, store_keys.parse_annotation_key(key))
    except (ValueError, EvidenceInvalid):
        return AnnotationRow(
            key=key,
            sha256=hashlib.sha256(data).hexdigest(),
            number=0,
            kind="",
            case="",
            bundle_ids=(),
            author="",
            role="",
            at=None,
            name="",
            data=data,
        )
    return AnnotationRow(
        key=key,
        sha256=record.sha256,
        number=record.number,
        kind=record.kind.value,
        case=record.case,
        bundle_ids=record.bundles,
        author=record.author.name,
        role=record.author.role,
        at=record.at,
        name=record.name,
        data=data,
    )


def _annotation(value: Any, at: datetime, key_id: str, data: bytes) -> Annotation:
    return Annotation(
        kind=AnnotationKind(value["kind"]),
        bundles=tuple(value["bundles"]),
        case=value["case"],
        name=value["name"],
        exhibits=tuple(value["exhibits"]),
        record=value["record"],
        order=value["order"],
        number=value["sequence"],
        sha256=hashlib.sha256(data).hexdigest(),
        previous=value["previous"],
        author=AnnotationAuthor(
            name=value["author"], commitment=value["author_commitment"], role=value["role"]
        ),
        at=at,
        text=value["text"],
        store=value.get("store", ""),
        key_id=key_id,
    )


def _commitment(salt: bytes, name: str, value: str) -> str:
    data = salt + name.encode("ascii") + b"\0" + value.encode("utf-8")
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _check(value: Any) -> None:
    """Raise ValueError if the fields of a record contradict each other."""
    kinds = {kind.value: kind for kind in AnnotationKind}
    kind = kinds.get(value["kind"])
    if kind is None:
        raise ValueError(f"the kind {value['kind'][:40]!r} is unknown")
    bundles: Sequence[Any] = value["bundles"]
    exhibits: Sequence[Any] = value["exhibits"]
    if len(bundles) > MAX_BUNDLES or len(set(map(str, bundles))) != len(bundles):
        raise ValueError(f"a record names at most {MAX_BUNDLES} captures, each once")
    if not all(isinstance(bundle, str) and store_keys.is_id(bundle) for bundle in bundles):
        raise ValueError("the record names something that is not the id of a bundle")
    is_note_on_case = kind is AnnotationKind.NOTE_ADDED and bool(value["case"])
    if bool(bundles) == (kind in _WITHOUT_BUNDLES or is_note_on_case):
        raise ValueError("the record names too many or too few captures for its kind")
    if value["case"] or kind in _OF_CASE:
        check_case(value["case"])
        if kind not in _OF_CASE and not is_note_on_case:
            raise ValueError("a record of this kind has no case")
    numbered = all(type(number) is int and number > 0 for number in exhibits)
    wanted = len(bundles) if kind is AnnotationKind.CASE_ADDED else 0
    if len(exhibits) != wanted or not numbered or len(set(exhibits)) != len(exhibits):
        raise ValueError("the record does not have one exhibit number for each capture")
    if kind in _TAGS:
        check_tag(value["name"])
    elif value["name"] not in _NAMES.get(kind, {""}):
        raise ValueError(f"the name {value['name'][:40]!r} is invalid for this kind")
    if (kind is AnnotationKind.ERASED) != (value["record"] > 0) or value["record"] < 0:
        raise ValueError("exactly the erasure of a text names a record")
    if (kind is AnnotationKind.ERASED) != bool(value["order"]):
        raise ValueError("exactly the erasure of a text names an order")
    if max(len(value[name]) for name in ("author", "role", "order")) > MAX_AUTHOR:
        raise ValueError(f"a name, a role or an order has more than {MAX_AUTHOR} characters")
    if not 0 < len(value.get("store", "-")) <= MAX_AUTHOR:
        raise ValueError("the record has an invalid name of the log of its store")
    for name in ("text", "author_commitment"):
        if not _COMMITMENT.fullmatch(value[name]):
            raise ValueError("the record has an invalid commitment")
    if not is_digest(value["previous"]):
        raise ValueError("the record does not name the digest of the record before")
