"""
Name the signed certificate timestamps that a server showed (RFC 6962 section 3.3).

They come in three ways: inside the certificate, as an extension of the handshake,
and inside a stapled OCSP answer. They are named, log and time, and not verified:
that takes the logs' keys, and for those in a certificate its issuer's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import ocsp

from snapshotter.formats.tls_handshake import Reader, TlsMalformed

MAX_TIMESTAMPS = 32
# All that the library raises for a certificate, or an OCSP answer, that is none.
UNREADABLE = (
    ValueError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateTimestamp:
    """One signed certificate timestamp."""

    source: str  # "certificate", "handshake" or "ocsp"
    log_id: str  # 64 lowercase hex digits: SHA-256 of the log's key
    at_ms: int  # milliseconds since 1970, as the log says


def timestamps(leaf: bytes, sct_list: bytes, staple: bytes) -> tuple[CertificateTimestamp, ...]:
    """
    Return what is there, at most `MAX_TIMESTAMPS`; what can not be read is not there.

    Args:
        leaf: The server's certificate, DER.
        sct_list: SignedCertificateTimestampList of the handshake, or nothing.
        staple: OCSPResponse in DER, or nothing.
    """
    found: list[CertificateTimestamp] = []
    for read, data in ((_embedded, leaf), (_in_handshake, sct_list), (_stapled, staple)):
        if not data:
            continue
        try:
            found += read(data)
        except (*UNREADABLE, x509.ExtensionNotFound):
            continue
    return tuple(found[:MAX_TIMESTAMPS])


def _embedded(leaf: bytes) -> Iterator[CertificateTimestamp]:
    extensions = x509.load_der_x509_certificate(leaf).extensions
    value = extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    for sct in value:
        yield _named("certificate", sct.log_id, sct.timestamp)


def _stapled(staple: bytes) -> Iterator[CertificateTimestamp]:
    response = ocsp.load_der_ocsp_response(staple)
    value = response.single_extensions.get_extension_for_class(
        x509.SignedCertificateTimestamps
    ).value
    for sct in value:
        yield _named("ocsp", sct.log_id, sct.timestamp)


def _in_handshake(sct_list: bytes) -> Iterator[CertificateTimestamp]:
    reader = Reader(Reader(sct_list).vector(2))
    while reader.left:
        one = Reader(reader.vector(2))
        if one.number(1) != 0:
            raise TlsMalformed("a certificate timestamp is not of version 1")
        log_id, at_ms = one.take(32), one.number(8)
        if at_ms < 1 << 53:  # JSON has no larger ones, and no year that anybody will see
            yield CertificateTimestamp(source="handshake", log_id=log_id.hex(), at_ms=at_ms)


def _named(source: str, log_id: bytes, at: datetime) -> CertificateTimestamp:
    at_ms = (at.replace(tzinfo=UTC) - _EPOCH) // timedelta(milliseconds=1)
    return CertificateTimestamp(source=source, log_id=log_id.hex(), at_ms=at_ms)
