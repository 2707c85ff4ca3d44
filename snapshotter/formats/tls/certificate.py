"""
Read the public key and the host names of a server certificate (RFC 5280).

Verdicts rest on them. So the code is our own and follows docs/spec/server-signature.md: which
certificates a library refuses differs between libraries and between years, and a verdict must not
depend on that. No chain is checked here, so no other part of a certificate counts.
"""

import re
from datetime import datetime

from snapshotter.formats.canonical_json import MIN_YEAR
from snapshotter.value_class import dataclass

SUBJECT_ALTERNATIVE_NAME = "2.5.29.17"
CERTIFICATE_TIMESTAMPS = "1.3.6.1.4.1.11129.2.4.2"
_BOOLEAN, _INTEGER, _BIT_STRING, _OCTET_STRING, _OID = 0x01, 0x02, 0x03, 0x04, 0x06
_UTC_TIME, _GENERALIZED_TIME, _SEQUENCE = 0x17, 0x18, 0x30
_VERSION, _EXTENSIONS = 0xA0, 0xA3
_MAX_LENGTH_BYTES = 4
_MAX_OID = 64  # bytes
# GeneralName (RFC 5280 section 4.2.1.6): otherName, address of mail, DNS, directory, URI, IP, OID.
_NAME_TAGS = frozenset({0xA0, 0x81, 0x82, 0xA4, 0x86, 0x87, 0x88})
_ASCII_TAGS = frozenset({0x81, 0x82, 0x86})
_DNS, _ADDRESS = 0x82, 0x87
_TIME = re.compile(rb"[0-9]{14}Z")
_SHORT_TIME = re.compile(rb"[0-9]{12}Z")


class CertificateInvalid(ValueError):
    """Bytes that are no certificate; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One DER value."""

    tag: int
    content: bytes
    raw: bytes  # with its tag and length


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is read of a certificate."""

    spki: bytes  # SubjectPublicKeyInfo, DER
    key_kind: str  # OID of the key's algorithm
    key_curve: str  # OID of its parameters; "" where they are none
    extensions: dict[str, bytes]  # OID → what is in its OCTET STRING


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The subject alternative names by which a host can be named."""

    dns: tuple[str, ...] = ()
    addresses: tuple[bytes, ...] = ()  # 4 or 16 bytes


def read(der: bytes) -> Certificate:
    """Return what is read of a certificate. Raises CertificateInvalid."""
    outer = values(read_single_value(der, _SEQUENCE))
    if [part.tag for part in outer] != [_SEQUENCE, _SEQUENCE, _BIT_STRING]:
        raise CertificateInvalid(
            "the certificate does not have the three parts of an X.509 certificate"
        )
    _algorithm(outer[1])
    parts = values(outer[0].content)
    if parts and parts[0].tag == _VERSION:
        parts = parts[1:]
    if [part.tag for part in parts[:6]] != [_INTEGER, *[_SEQUENCE] * 5]:
        raise CertificateInvalid("the certificate does not have the required fields")
    serial = parts[0].content
    if not serial or (
        len(serial) > 1 and serial[0] in (0, 0xFF) and serial[0] >> 7 == serial[1] >> 7
    ):
        raise CertificateInvalid(
            "the serial number of the certificate is empty, or is encoded "
            "with more bytes than necessary"
        )
    if len(times := values(parts[3].content)) != 2:
        raise CertificateInvalid("the certificate has no validity period")
    for time in times:
        _check_time(time)
    extensions: dict[str, bytes] = {}
    for part in parts[6:]:
        if part.tag == _EXTENSIONS:
            _read_extensions(read_single_value(part.content, _SEQUENCE), extensions)
    key = values(read_single_value(parts[5].raw, _SEQUENCE))
    if [part.tag for part in key] != [_SEQUENCE, _BIT_STRING]:
        raise CertificateInvalid("the certificate has no public key")
    algorithm = _algorithm(key[0])
    has_curve = len(algorithm) > 1 and algorithm[1].tag == _OID
    return Certificate(
        spki=parts[5].raw,
        key_kind=oid(algorithm[0].content),
        key_curve=oid(algorithm[1].content) if has_curve else "",
        extensions=extensions,
    )


def _algorithm(value: Value) -> list[Value]:
    """Return the parts of an AlgorithmIdentifier, of which the first is its OID."""
    parts = values(value.content)
    if not parts or parts[0].tag != _OID:
        raise CertificateInvalid("an algorithm in the certificate has no identifier")
    oid(parts[0].content)
    return parts


def names(certificate: Certificate) -> Names:
    """Return the names of a certificate. Raises CertificateInvalid."""
    data = certificate.extensions.get(SUBJECT_ALTERNATIVE_NAME)
    if not data:
        return Names()
    found = values(read_single_value(data, _SEQUENCE))
    for name in found:
        if name.tag not in _NAME_TAGS:
            raise CertificateInvalid("a name in the certificate is of a kind that is not supported")
        if name.tag in _ASCII_TAGS and not name.content.isascii():
            raise CertificateInvalid("a name in the certificate is not ASCII")
        if name.tag == _ADDRESS and len(name.content) not in (4, 16):
            raise CertificateInvalid("an IP address in the certificate has an invalid length")
    return Names(
        dns=tuple(name.content.decode("ascii") for name in found if name.tag == _DNS),
        addresses=tuple(name.content for name in found if name.tag == _ADDRESS),
    )


def _read_extensions(data: bytes, found: dict[str, bytes]) -> None:
    for extension in values(data):
        pieces = values(extension.content)
        shape = [part.tag for part in pieces]
        if extension.tag != _SEQUENCE or shape not in (
            [_OID, _OCTET_STRING],
            [_OID, _BOOLEAN, _OCTET_STRING],
        ):
            raise CertificateInvalid("an extension of the certificate is malformed")
        name = oid(pieces[0].content)
        if name in found:
            raise CertificateInvalid("the certificate contains an extension twice")
        found[name] = pieces[-1].content


def _check_time(value: Value) -> None:
    text = value.content
    if value.tag == _UTC_TIME and _SHORT_TIME.fullmatch(text):
        text = (b"20" if text < b"50" else b"19") + text
    elif value.tag != _GENERALIZED_TIME or not _TIME.fullmatch(text):
        raise CertificateInvalid("a time in the validity period of the certificate is invalid")
    try:
        at = datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%SZ")  # noqa: DTZ007  looked at alone
    except ValueError as error:
        raise CertificateInvalid(
            "a time in the validity period of the certificate is invalid"
        ) from error
    if at.year < MIN_YEAR:
        raise CertificateInvalid("a time in the validity period of the certificate is invalid")


def values(data: bytes) -> list[Value]:
    """Return the values that stand one behind the other, each of definite and shortest length."""
    at, found = 0, []
    while at < len(data):
        value = _value(data, at)
        found.append(value)
        at += len(value.raw)
    return found


def read_single_value(data: bytes, tag: int) -> bytes:
    """Return the content of the one value that `data` is. Raises CertificateInvalid."""
    found = values(data)
    if len(found) != 1 or found[0].tag != tag:
        raise CertificateInvalid(
            "a value in the certificate has the wrong type, or bytes follow after the value"
        )
    return found[0].content


def _value(data: bytes, begin: int) -> Value:
    if begin + 2 > len(data) or data[begin] & 31 == 31:
        raise CertificateInvalid(
            "a value in the certificate is incomplete, or has a tag of more than one byte"
        )
    length, start = data[begin + 1], begin + 2
    if length >= 128:
        count = length & 127
        if not 1 <= count <= _MAX_LENGTH_BYTES or start + count > len(data):
            raise CertificateInvalid("a length in the certificate is indefinite or incomplete")
        length = int.from_bytes(data[start : start + count], "big")
        if length < 128 or length >> (8 * (count - 1)) == 0:
            raise CertificateInvalid(
                "a length in the certificate is encoded with more bytes than necessary"
            )
        start += count
    if start + length > len(data):
        raise CertificateInvalid("a value in the certificate is incomplete")
    end = start + length
    return Value(tag=data[begin], content=data[start:end], raw=data[begin:end])


def oid(content: bytes) -> str:
    """Return the dotted text of an object identifier. Raises CertificateInvalid."""
    if not 0 < len(content) <= _MAX_OID or content[-1] & 128:
        raise CertificateInvalid(
            "an object identifier in the certificate is incomplete or too long"
        )
    arcs, value, fresh = [], 0, True
    for octet in content:
        if fresh and octet == 128:
            raise CertificateInvalid(
                "an object identifier in the certificate is encoded with more bytes than necessary"
            )
        value, fresh = value << 7 | octet & 127, not octet & 128
        if fresh:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
