r"""
Read and write signed statements: one line of canonical JSON, and one line with its signature.

    {"format":"snapshotter-hold/1", …}\n                      what is stated
    {"key_id":"…","public_key":"…","signature":"…"}\n         who signed it

The signature is ECDSA (as over a bundle's manifest) over the exact bytes of the first line,
including its newline; `head -n 1 FILE` gives openssl the bytes to check. `public_key` is for
information only; the trust file says whose key it is. `formats/statements` has the kinds of
statements, such as holds and tombstones (docs/spec/holds.md, docs/spec/tombstone.md).
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json, typed
from snapshotter.formats.large_json import Cursor
from snapshotter.formats.signatures import keys
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

T = TypeVar("T")
MAX_BYTES = 1 << 16
MAX_SEAL = 4096  # bytes of the second line; with a P-384 key it has some 530
START = "0" * 64  # `previous` of the first statement of a chain
_SEAL_KEYS = {"key_id", "public_key", "signature"}


class Signer(Protocol):
    """What signs a statement (`ports.Signer`, of which a format knows no more)."""

    @property
    def key_id(self) -> str: ...

    @property
    def public_key_pem(self) -> bytes: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is stated, and by which key; its signature holds."""

    value: Mapping[str, Any]
    key_id: str


class Link(NamedTuple, Generic[T]):
    """The place of one object in a chain of statements about a bundle."""

    number: int
    missing: int  # the first number that is missing before it; 0 if none is
    statement: T | None  # None if the object is damaged
    problem: str  # why; "" if it is not
    sha256: str  # of the object


def encode(value: dict[str, Any], signer: Signer) -> bytes:
    """Return the statement of `value`, which names its `format`, signed."""
    signed = canonical_json.dumps(value) + b"\n"
    seal = {
        "key_id": signer.key_id,
        "public_key": signer.public_key_pem.decode("ascii"),
        "signature": base64.b64encode(signer.sign(signed)).decode("ascii"),
    }
    return signed + canonical_json.dumps(seal) + b"\n"


def parse(
    data: bytes,
    kind: str,
    fields: Mapping[str, type],
    *,
    optional: Mapping[str, type] | None = None,
    limit: int = MAX_BYTES,
) -> Statement:
    """
    Return a statement of this format, after checking its signature.

    Args:
        kind: What its `format` has to be.
        fields: Name and type of every other field; none may be missing, none more.
        optional: Name and type of the fields that may be missing.
        limit: Most bytes that one of this format has.

    Raises:
        EvidenceInvalid: Not of that form, or the signature does not hold.
    """
    end, key_id = check_signature(data, limit=limit)
    value = canonical_json.loads(data[: end - 1])
    may = {"format": str, **fields, **(optional or {})}
    must = {"format", *fields}
    if (
        not isinstance(value, dict)
        or not must <= value.keys() <= may.keys()
        or value["format"] != kind
    ):
        raise EvidenceInvalid(tr("the file is not a statement of the format {kind}", kind=kind))
    for name, wanted in may.items():
        if name in value and type(value[name]) is not wanted:
            raise EvidenceInvalid(
                tr("the field {name} is not of type {name2}", name=name, name2=wanted.__name__)
            )
    return Statement(value=value, key_id=key_id)


def read_chain(
    records: Sequence[tuple[int, bytes]], parse: Callable[[bytes, int, str | None], T]
) -> Iterator[Link[T]]:
    """
    Yield the statements of a chain in the order of their numbers.

    Args:
        records: Number and bytes of each, in any order.
        parse: Returns the statement of a number, which must name the SHA-256 of the statement
            before; None in place of the digest if that statement is missing. Raises
            EvidenceInvalid.
    """
    last, expected = START, 1
    for number, data in sorted(records):
        missing = 0 if number == expected else expected
        statement, problem = None, ""
        try:
            statement = parse(data, number, None if missing else last)
        except EvidenceInvalid as error:
            problem = str(error)
        last, expected = hashlib.sha256(data).hexdigest(), number + 1
        yield Link(number, missing, statement, problem, last)


def parse_link(
    data: bytes,
    kind: str,
    fields: Mapping[str, type],
    *,
    bundle_id: str,
    number: int,
    previous: str | None,
) -> Statement:
    """
    Return a statement of the chain of a bundle, as `parse` does.

    Args:
        fields: As for `parse`; `bundle_id`, `sequence` and `previous` are among them.
        previous: SHA-256 of the statement before; None if that statement is missing.

    Raises:
        EvidenceInvalid: Also if the statement belongs to another bundle or place in the chain.
    """
    found = parse(data, kind, fields)
    if found.value["bundle_id"] != bundle_id:
        raise EvidenceInvalid(
            tr("the record belongs to another bundle, {value}", value=found.value["bundle_id"])
        )
    if found.value["sequence"] != number or previous not in (None, found.value["previous"]):
        raise EvidenceInvalid(
            tr(
                "the record does not continue the previous record: the sequence "
                "number or the digest of the previous record is wrong"
            )
        )
    return found


def check_signature(data: bytes, *, limit: int) -> tuple[int, str]:
    """
    Return the length of the signed line with its newline, and the id of the key that signed it.

    Nothing of the line is parsed: a stranger's may be made to cost whoever parses it.

    Raises:
        EvidenceInvalid: Not two lines of at most `limit` bytes, or the signature does not hold.
    """
    if len(data) > limit:
        raise EvidenceInvalid(tr("the file is longer than {limit} bytes", limit=limit))
    end = data.find(b"\n") + 1
    if not end or not data.endswith(b"\n") or len(data) == end:
        raise EvidenceInvalid(tr("the file does not have two lines"))
    if len(data) - end > MAX_SEAL:
        raise EvidenceInvalid(
            tr("the second line is longer than {max_seal} bytes", max_seal=MAX_SEAL)
        )
    seal = canonical_json.loads(data[end:-1])
    if not isinstance(seal, dict) or set(seal) != _SEAL_KEYS:
        raise EvidenceInvalid(tr("the second line is not a signature"))
    if not all(isinstance(seal[name], str) for name in _SEAL_KEYS):
        raise EvidenceInvalid(tr("the second line has a field that is not text"))
    key = keys.load_public_pem(seal["public_key"].encode("utf-8"), allow_p256=True)
    if keys.key_id(key) != seal["key_id"]:
        raise EvidenceInvalid(tr("the public key does not have the stated key id"))
    try:
        signature = base64.b64decode(seal["signature"], validate=True)
    except (ValueError, binascii.Error) as error:
        raise EvidenceInvalid(tr("the signature is not valid base64")) from error
    if base64.b64encode(signature).decode("ascii") != seal["signature"]:
        raise EvidenceInvalid(tr("the signature is not in its canonical encoding"))
    if not keys.verify_signature(key, signature, memoryview(data)[:end]):
        raise EvidenceInvalid(tr("the signature is not valid"))
    return end, seal["key_id"]


def parse_one(
    data: bytes,
    kind: str,
    name: str,
    of: type[T],
    check: Callable[[T], None],
    *,
    limit: int,
    max_values: int = canonical_json.MAX_VALUES,
) -> tuple[T, str]:
    """
    Return the one value that a statement is about, and the id of the key that signed it.

    Args:
        kind: What its `format` has to be.
        name: The field that holds the value: the only one beside `format`.
        of: The dataclass of `model/` that it is made into.
        check: Raises ValueError for a value that contradicts itself.
        limit: Most bytes that one of this format has.
        max_values: Most numbers, texts, lists and objects in it, one in another.

    Raises:
        EvidenceInvalid: Not of that form, the signature does not hold, or `check` refuses it.
    """
    end, key_id = check_signature(data, limit=limit)
    cursor = Cursor(data, max_values=max_values)
    value: T | None = None
    named: object = None
    for field, member in cursor.members():
        if field == "format":
            named = member
        elif field == name:
            value = typed.read(of, member)
        else:
            raise EvidenceInvalid(tr("the file is not a statement of the format {kind}", kind=kind))
    if named != kind or value is None or cursor.at != end - 1:
        raise EvidenceInvalid(tr("the file is not a statement of the format {kind}", kind=kind))
    try:
        check(value)
    except ValueError as error:
        raise EvidenceInvalid(str(error)) from error
    return value, key_id
