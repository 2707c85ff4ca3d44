"""
Read and write the openings of a redacted copy: the values that it still shows, with their salts.

An opening shows that a value belongs to a commitment of the redactable record. The same file, with
fewer openings, discloses single values later. Specification: docs/spec/redacted-copy.md.
"""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, redactable
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

PATH: Final = names.OPENINGS
FORMAT: Final = "snapshotter-openings/1"
MAX_BYTES: Final = 8 << 20
_KEYS: Final = {"pointer", "salt", "value"}
_SALT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A value of the capture record that is shown, and the salt that proves it."""

    pointer: str  # JSON pointer into the record
    salt: str  # 64 hexadecimal digits
    value: str  # a number by its digits
    is_number: bool = False

    @property
    def json(self) -> str | int:
        """The value as the record has it."""
        return int(self.value) if self.is_number else self.value


def of_record(record: Mapping[str, Any]) -> tuple[Opening, ...]:
    """
    Return the openings of all closed values of a capture record, in the order of their pointers.

    Raises:
        EvidenceInvalid: The record is of version 1, or `redactable` is invalid.
    """
    closed = canonical_json.loads(redactable.encode(record))
    salt_key = redactable.parse_salt_key(record[redactable.ANNOUNCED]["salt_key"])
    return tuple(
        Opening(
            pointer=pointer,
            salt=redactable.derive_salt(salt_key, pointer).hex(),
            value=str(value := _at(record, pointer)),
            is_number=not isinstance(value, str),
        )
        for pointer, _ in sorted(redactable.commitments(closed))
    )


def encode(bundle_id: str, openings: Iterable[Opening]) -> bytes:
    """Return the file of openings, in the order of their pointers."""
    ordered = sorted(openings, key=lambda opening: opening.pointer)
    return canonical_json.dumps(
        {
            "bundle_id": bundle_id,
            "format": FORMAT,
            "openings": [
                {"pointer": opening.pointer, "salt": opening.salt, "value": opening.json}
                for opening in ordered
            ],
        }
    )


def parse(data: bytes, bundle_id: object) -> tuple[Opening, ...]:
    """
    Read a file of openings.

    Raises:
        EvidenceInvalid: It is not in its one form, is of another bundle, is not in order, or has a
            pointer twice or a salt that is too short.
    """
    if len(data) > MAX_BYTES:
        raise EvidenceInvalid(
            tr("the file of openings is longer than {most} bytes", most=MAX_BYTES)
        )
    value = canonical_json.loads(data)
    if (
        not isinstance(value, dict)
        or set(value) != {"bundle_id", "format", "openings"}
        or value["format"] != FORMAT
        or not isinstance(value["openings"], list)
    ):
        raise EvidenceInvalid(tr("the file does not have the form of a file of openings"))
    if value["bundle_id"] != bundle_id:
        raise EvidenceInvalid(tr("the openings are those of another bundle"))
    found: list[Opening] = []
    for entry in value["openings"]:
        if (
            not isinstance(entry, dict)
            or set(entry) != _KEYS
            or not all(isinstance(entry[name], str) for name in ("pointer", "salt"))
            or not redactable.is_value(entry["value"])
            or _SALT.fullmatch(entry["salt"]) is None
        ):
            raise EvidenceInvalid(
                tr("an opening does not have a pointer, a salt of 32 bytes and a text or a number")
            )
        if found and entry["pointer"] <= found[-1].pointer:
            raise EvidenceInvalid(
                tr(
                    "the opening of {pointer!r:.200} is not in order, or occurs twice",
                    pointer=entry["pointer"],
                )
            )
        value = entry["value"]
        found.append(
            Opening(
                pointer=entry["pointer"],
                salt=entry["salt"],
                value=str(value),
                is_number=not isinstance(value, str),
            )
        )
    return tuple(found)


def apply(closed: dict[str, Any], openings: Iterable[Opening]) -> dict[str, Any]:
    """
    Return a redactable record with the values that openings show in place of their commitments.

    Raises:
        EvidenceInvalid: The record is not in its form, or an opening is of no commitment of the
            record, or does not match it.
    """
    known = redactable.checked_commitments(closed)
    values: dict[str, str | int] = {}
    for opening in openings:
        expected = known.get(opening.pointer)
        if expected is None:
            raise EvidenceInvalid(
                tr(
                    "the record has no commitment at {pointer!r:.200}, which an opening names",
                    pointer=opening.pointer,
                )
            )
        made = redactable.commit(bytes.fromhex(opening.salt), opening.pointer, opening.json)
        if not hmac.compare_digest(made, expected):
            raise EvidenceInvalid(
                tr(
                    "the value that an opening shows at {pointer!r:.200} does not match its "
                    "commitment",
                    pointer=opening.pointer,
                )
            )
        values[opening.pointer] = opening.json
    opened = _opened(closed, "", values)
    if not isinstance(opened, dict):
        raise EvidenceInvalid(tr("the redactable record is not a JSON object"))
    return opened


def is_closed(value: object) -> bool:
    """Return whether a value of a record is a commitment whose value is withheld."""
    return (
        isinstance(value, dict)
        and set(value) == {redactable.COMMITTED}
        and isinstance(value[redactable.COMMITTED], str)
    )


def blank(value: Any) -> Any:
    """Return a record with an empty text in place of each commitment."""
    if is_closed(value):
        return ""
    if isinstance(value, dict):
        return {name: blank(item) for name, item in value.items()}
    if isinstance(value, list):
        return [blank(item) for item in value]
    return value


def shown(value: Any) -> Any:
    """Return a record without its withheld values: they state nothing."""
    if isinstance(value, dict):
        return {name: shown(item) for name, item in value.items() if not is_closed(item)}
    if isinstance(value, list):
        return [shown(item) for item in value if not is_closed(item)]
    return value


def _opened(value: Any, pointer: str, values: Mapping[str, str | int]) -> Any:
    if is_closed(value):
        return values.get(pointer, value)
    if isinstance(value, dict):
        return {name: _opened(item, f"{pointer}/{name}", values) for name, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, f"{pointer}/{number}", values) for number, item in enumerate(value)]
    return value


def _at(record: Mapping[str, Any], pointer: str) -> str | int:
    value: Any = record
    for name in pointer[1:].split("/"):
        value = value[int(name)] if isinstance(value, list) else value[name]
    found: str | int = value
    return found
