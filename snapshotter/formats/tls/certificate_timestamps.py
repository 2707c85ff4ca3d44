"""
List the signed certificate timestamps that a server showed: the log and the time of each.

They arrive in three ways: inside the certificate, in an extension of the handshake, and inside a
stapled OCSP response (RFC 6962 section 3.3). This module does not verify them: that needs the keys
of the logs, and for those in a certificate also the issuer's key.
"""

from collections.abc import Iterator

from snapshotter.formats.tls import certificate
from snapshotter.formats.tls.certificate import CERTIFICATE_TIMESTAMPS, CertificateInvalid
from snapshotter.formats.tls.handshake import Reader, TlsMalformed
from snapshotter.value_class import dataclass

MAX_TIMESTAMPS = 32
_OCTET_STRING, _SEQUENCE, _EXTENSIONS = 0x04, 0x30, 0xA1
_IN_OCSP = "1.3.6.1.4.1.11129.2.4.5"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTimestamp:
    """One signed certificate timestamp."""

    source: str  # "certificate", "handshake" or "ocsp"
    log_id: str  # 64 lowercase hex digits: SHA-256 of the log's key
    at_ms: int  # milliseconds since 1970, as the log says


def timestamps(leaf: bytes, sct_list: bytes, staple: bytes) -> tuple[CertificateTimestamp, ...]:
    """
    Return what is there, at most `MAX_TIMESTAMPS`; what cannot be read is not there.

    Args:
        leaf: The server's certificate, DER.
        sct_list: SignedCertificateTimestampList of the handshake, or nothing.
        staple: OCSPResponse in DER, or nothing.
    """
    found: list[CertificateTimestamp] = []
    for source, read, data in (
        ("certificate", _embedded, leaf),
        ("handshake", bytes, sct_list),
        ("ocsp", _stapled, staple),
    ):
        if not data:
            continue
        try:
            # What stands before an entry that cannot be read is there.
            for timestamp in _listed(source, read(data)):
                found.append(timestamp)
        except (CertificateInvalid, TlsMalformed, IndexError):
            continue
    return tuple(found[:MAX_TIMESTAMPS])


def _embedded(leaf: bytes) -> bytes:
    data = certificate.read(leaf).extensions.get(CERTIFICATE_TIMESTAMPS)
    return certificate.read_single_value(data, _OCTET_STRING) if data else b""


def _stapled(staple: bytes) -> bytes:
    """Return the list in an OCSPResponse (RFC 6960 section 4.2.1), of whatever it is about."""
    answer = certificate.values(certificate.read_single_value(staple, _SEQUENCE))
    kind_and_bytes = certificate.values(certificate.read_single_value(answer[1].content, _SEQUENCE))
    response = certificate.values(
        certificate.read_single_value(kind_and_bytes[1].raw, _OCTET_STRING)
    )[0]
    data = certificate.values(certificate.values(response.content)[0].content)
    singles = [element.content for element in data if element.tag == _SEQUENCE][-1]
    for single in certificate.values(singles):
        for part in certificate.values(single.content):
            if part.tag != _EXTENSIONS:
                continue
            for extension in certificate.values(
                certificate.read_single_value(part.content, _SEQUENCE)
            ):
                pieces = certificate.values(extension.content)
                if certificate.oid(pieces[0].content) == _IN_OCSP:
                    return certificate.read_single_value(pieces[-1].content, _OCTET_STRING)
    return b""


def _listed(source: str, sct_list: bytes) -> Iterator[CertificateTimestamp]:
    if not sct_list:
        return
    reader = Reader(Reader(sct_list).vector(2))
    while reader.left:
        sct_reader = Reader(reader.vector(2))
        if sct_reader.number(1) != 0:
            raise TlsMalformed(
                "the version of a certificate timestamp in the handshake is not version 1"
            )
        log_id, at_ms = sct_reader.take(32), sct_reader.number(8)
        if at_ms < 1 << 53:  # JSON has no larger ones, and no year that anybody will see
            yield CertificateTimestamp(source=source, log_id=log_id.hex(), at_ms=at_ms)
