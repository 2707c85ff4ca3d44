"""
Derive `capture/redactable.json`, the capture record with commitments in place of values.

The capture record names the fields that may be closed later (`redactable.fields`) and holds a
random key (`redactable.salt_key`), from which the salt of each value follows. The redactable record
is a function of the capture record. In a whole bundle a verifier derives it again and compares the
bytes. Specification: docs/spec/redactable-record.md.
"""

import hashlib
import hmac
import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.translation import tr

PATH: Final = names.REDACTABLE_RECORD
FORMAT: Final = "snapshotter-capture/2"
MAX_BYTES: Final = 8 << 20
MAX_FIELDS: Final = 200
SALT_KEY_BYTES: Final = 32
ANNOUNCED: Final = "redactable"  # the field of the capture record
COMMITTED: Final = "committed"  # the one key of an object that stands in place of a value

_SALT: Final = b"snapshotter-salt/1\n"
_COMMITMENT: Final = b"snapshotter-commitment/1\n"
_SALT_KEY: Final = re.compile(r"[0-9a-f]{64}")
# From two to eight names: of a field, of an entry of a list, or `*` for each entry.
_FIELD: Final = re.compile(
    r"/(?:what|when|who|from_whom|content|how|outcome)(?:/(?:[a-z][a-z0-9_]{0,63}|0|[1-9][0-9]{0,5}|\*)){1,7}"
)
_MARKS: Final = ("", "*")  # in a tree of fields: no names of an object's fields
# A verifier compares the texts here with files and proofs, also in a redacted copy.
_NEVER: Final = re.compile(
    r"/(?:when/(?!clock_checks/)|content/artifacts(?:/|\Z)|outcome/state(?:/|\Z)"
    r"|content/pictures(?:\Z|/[^/]*(?:\Z|/files(?:/|\Z)))"  # the files of pictures, and no more
    r"|how/policy/sha256(?:/|\Z))"
    r"|.*/committed(?:/|\Z)"  # what is opened there would look like a commitment
)


def derive_salt(salt_key: bytes, name: str) -> bytes:
    """Return the salt of a value: 32 bytes; `name` is a JSON pointer, or the path of a member."""
    return hmac.digest(salt_key, _SALT + name.encode(), "sha256")


def commit(salt: bytes, pointer: str, value: str | int) -> str:
    """Return the commitment to a text or a number of the record, 64 hexadecimal digits."""
    digest = hashlib.sha256(_COMMITMENT)
    for part in (salt, pointer.encode(), canonical_json.dumps(value)):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def encode(record: Mapping[str, Any]) -> bytes:
    """
    Return the redactable record that follows from a capture record.

    Raises:
        EvidenceInvalid: `redactable` of the record is missing or is invalid, or the record itself
            contains what looks like a commitment.
    """
    announced = record.get(ANNOUNCED)
    if not isinstance(announced, dict) or set(announced) != {"fields", "salt_key"}:
        raise EvidenceInvalid(
            tr("the field redactable of the record does not have exactly fields and salt_key")
        )
    salt_key = parse_salt_key(announced["salt_key"])
    tree = _tree(checked_fields(announced["fields"]))
    if _has_commitment(record):
        # The redactable record would show it, and an opening could give it any value.
        raise EvidenceInvalid(
            tr("the capture record has an object whose only field is {field}", field=COMMITTED)
        )
    closed = {
        name: _closed(value, tree[name], f"/{name}", salt_key) if name in tree else value
        for name, value in record.items()
    }
    content = closed.get("content")
    if isinstance(content, dict) and isinstance(content.get("artifacts"), list):
        closed["content"] = content | {
            "artifacts": [entry for entry in content["artifacts"] if not _is_own(entry)]
        }
    closed["format"] = FORMAT
    closed[ANNOUNCED] = {"fields": announced["fields"]}
    return canonical_json.dumps(closed)


def parse_salt_key(text: object) -> bytes:
    """Return the key of the salts. Raises EvidenceInvalid unless it has its one spelling."""
    if not isinstance(text, str) or _SALT_KEY.fullmatch(text) is None:
        raise EvidenceInvalid(
            tr("the field redactable.salt_key of the record is not 64 hexadecimal digits")
        )
    return bytes.fromhex(text)


def checked_fields(fields: object) -> list[str]:
    """
    Return the list of the fields that may be closed.

    Raises:
        EvidenceInvalid: It is no sorted list of different fields, or one of them may not be closed.
    """
    if not isinstance(fields, list) or len(fields) > MAX_FIELDS:
        raise EvidenceInvalid(
            tr(
                "the field redactable.fields of the record is not a list of at most {most} fields",
                most=MAX_FIELDS,
            )
        )
    for field in fields:
        if (
            not isinstance(field, str)
            or _FIELD.fullmatch(field) is None
            or _NEVER.match(field) is not None
        ):
            raise EvidenceInvalid(
                tr("the list redactable.fields has an invalid entry: {field!r:.200}", field=field)
            )
    if any(one >= other for one, other in itertools.pairwise(fields)):
        raise EvidenceInvalid(
            tr("the list redactable.fields is not in order, or has an entry twice")
        )
    return fields


def checked_commitments(closed: Mapping[str, Any]) -> dict[str, str]:
    """
    Return the commitments of a redactable record whose capture record is withheld, by pointer.

    Raises:
        EvidenceInvalid: The record is none of this format, a commitment stands where none may, or a
            text or a number stands where a commitment must.
    """
    announced = closed.get(ANNOUNCED)
    if closed.get("format") != FORMAT or not isinstance(announced, dict):
        raise EvidenceInvalid(
            tr("the redactable record does not have the format {format}", format=FORMAT)
        )
    if set(announced) != {"fields"}:
        raise EvidenceInvalid(
            tr("the field redactable of the redactable record does not have exactly fields")
        )
    tree = _tree(checked_fields(announced["fields"]))
    named: dict[str, str] = {}
    for name in tree.keys() & closed.keys():
        named.update(_committed(closed[name], tree[name], f"/{name}"))
    if named != dict(commitments(closed)):
        raise EvidenceInvalid(tr("a commitment stands where the redactable record allows none"))
    if not all(map(_SALT_KEY.fullmatch, named.values())):
        raise EvidenceInvalid(tr("a commitment is not 64 hexadecimal digits"))
    return named


def _committed(value: Any, tree: dict[str, Any], pointer: str) -> Iterator[tuple[str, str]]:
    """Yield pointers and commitments at the places that fields name."""
    if is_value(value) and "" in tree:
        raise EvidenceInvalid(
            tr(
                "the redactable record has no commitment at {pointer}, where a commitment is "
                "required",
                pointer=pointer,
            )
        )
    if isinstance(value, dict):
        if "" in tree and set(value) == {COMMITTED} and isinstance(value[COMMITTED], str):
            yield pointer, value[COMMITTED]
            return
        for name in tree.keys() & value.keys() - set(_MARKS):
            yield from _committed(value[name], tree[name], f"{pointer}/{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            below = tree.get(str(number), tree.get("*"))
            if below is not None:
                yield from _committed(item, below, f"{pointer}/{number}")


def commitments(value: object, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield the JSON pointer and the commitment of each closed value of a redactable record."""
    if isinstance(value, dict):
        if set(value) == {COMMITTED} and isinstance(value[COMMITTED], str):
            yield pointer, value[COMMITTED]
            return
        for name, item in value.items():
            # Escaped (RFC 6901): no other name may give the pointer of a place that a field names.
            escaped = name.replace("~", "~0").replace("/", "~1")
            yield from commitments(item, f"{pointer}/{escaped}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from commitments(item, f"{pointer}/{number}")


def is_value(value: object) -> bool:
    """Return whether a value can be closed: a text or a number, and not true or false."""
    return isinstance(value, str) or type(value) is int


def _has_commitment(value: object) -> bool:
    """Return whether a capture record contains an object that looks like a commitment."""
    if isinstance(value, Mapping):
        return set(value) == {COMMITTED} or any(map(_has_commitment, value.values()))
    return isinstance(value, list) and any(map(_has_commitment, value))


def _tree(fields: list[str]) -> dict[str, Any]:
    """Return the fields as nested objects of their names; "" marks the end of a field."""
    tree: dict[str, Any] = {}
    for field in fields:
        node = tree
        for name in field[1:].split("/"):
            node = node.setdefault(name, {})
        node[""] = {}
    return tree


def _closed(value: Any, tree: dict[str, Any], pointer: str, salt_key: bytes) -> Any:
    """Return a value with a commitment in place of each text and number that a field names."""
    if is_value(value):
        if "" not in tree:
            return value
        return {COMMITTED: commit(derive_salt(salt_key, pointer), pointer, value)}
    if isinstance(value, dict):
        return {
            name: _closed(item, tree[name], f"{pointer}/{name}", salt_key)
            if name in tree and name not in _MARKS
            else item
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [
            item
            if (below := tree.get(str(number), tree.get("*"))) is None
            else _closed(item, below, f"{pointer}/{number}", salt_key)
            for number, item in enumerate(value)
        ]
    return value


def _is_own(artifact: object) -> bool:
    return isinstance(artifact, dict) and artifact.get("path") == PATH
