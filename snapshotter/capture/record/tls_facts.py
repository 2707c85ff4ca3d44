"""
Describe the TLS of a connection, and problems of its certificates, from the recorded handshake.
"""

import contextlib
from collections.abc import Collection, Iterator
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.formats.bundle import network
from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls.handshake import Finished, Handshake
from snapshotter.formats.tls.server_signature import SignedSession
from snapshotter.model.capture import Certificate, TlsFacts

_TRANSPARENCY = {"compliant": "compliant", "not-compliant": "not-compliant"}


def facts(
    handshake: Handshake | None, chain: tuple[bytes, ...], transparency: str
) -> TlsFacts | None:
    """
    Return what a handshake shows; None for a plain connection, or one that never had an answer.

    Args:
        chain: DER, leaf first. What is no certificate is left out.
        transparency: What the browser reports about Certificate Transparency.
    """
    if handshake is None or not handshake.version:
        return None
    return TlsFacts(
        protocol=handshake.version,
        cipher=handshake.cipher,
        key_exchange_group=handshake.group,
        signature_algorithm=handshake.signature_scheme,
        certificate_transparency=_TRANSPARENCY.get(transparency, "unknown"),
        chain=tuple(_certificates(chain)),
    )


def certificate_problems(session: SignedSession | None, at: datetime) -> tuple[str, ...]:
    """
    Return what is wrong with a certificate that the browser would refuse, in stable words.

    The browser reports only that it would refuse it. These words follow from the certificate:
    `expired`, `not-yet-valid`, `other-host`, `self-signed`; or `unknown-authority` if none of them
    applies: no authority that the browser trusts has signed it, or the browser has another reason.

    Args:
        session: What the server signed; None: its certificate is not known.
        at: When it was shown.
    """
    if session is None or not session.chain:
        return ("unknown",)
    found = []
    try:
        leaf = _parsed(session.chain[0])
        found += ["expired"] if at > leaf.not_valid_after_utc else []
        found += ["not-yet-valid"] if at < leaf.not_valid_before_utc else []
        found += ["self-signed"] if leaf.issuer == leaf.subject else []
    except ValueError:
        return ("unknown",)
    found += [] if session.names_host else ["other-host"]
    return tuple(sorted(found)) or ("unknown-authority",)


# What the browser calls a fault, by the beginning of its word, and what we call it.
_FAULTS = (
    ("CERT_COMMON_NAME_INVALID", "other-host"),
    ("CERT_AUTHORITY_INVALID", "unknown-authority"),
    ("CERT_REVOKED", "revoked"),
    ("CERT_WEAK_", "weak-signature"),
    ("CERT_SYMANTEC_LEGACY", "unknown-authority"),
    ("CERT_KNOWN_INTERCEPTION_BLOCKED", "unknown-authority"),
    ("CERT_VALIDITY_TOO_LONG", "validity-too-long"),
    ("CERT_NAME_CONSTRAINT_VIOLATION", "other-host"),
    ("CERTIFICATE_TRANSPARENCY_REQUIRED", "not-logged"),
    ("SSL_VERSION_OR_CIPHER_MISMATCH", "old-protocol"),
    ("SSL_OBSOLETE_", "old-protocol"),
    ("SSL_SERVER_CERT_BAD_FORMAT", "malformed"),
    ("CERT_INVALID", "malformed"),
    ("SSL_CLIENT_AUTH_", "client-certificate"),
    ("BAD_SSL_CLIENT_AUTH_CERT", "client-certificate"),
)


def certificate_fault(error: str, shown: Collection[str]) -> str:
    """
    Return the fault that the browser names, as a stable word (docs/reference/outcomes.md).

    Args:
        error: What it reported: "net::ERR_CERT_DATE_INVALID".
        shown: The problems of the certificates that were shown; see `certificate_problems`.
    """
    word = error.rpartition("net::ERR_")[2]
    if word.startswith("CERT_DATE_INVALID"):
        return "not-yet-valid" if "not-yet-valid" in shown else "expired"
    found = next((name for beginning, name in _FAULTS if word.startswith(beginning)), "handshake")
    return "self-signed" if found == "unknown-authority" and "self-signed" in shown else found


def connection_tls(handshake: Handshake | None) -> network.Tls | None:
    """Return the TLS facts for the list of connections."""
    if handshake is None or not handshake.version:
        return None
    return network.Tls(
        version=handshake.version,
        cipher=handshake.cipher,
        alpn=handshake.alpn,
        resumed=handshake.resumed,
        hello_retry=handshake.hello_retry,
        early_data=handshake.early_data,
        client_certificate_asked=handshake.client_certificate_asked,
        client_finished=handshake.client_finished,
        server_finished=handshake.server_finished,
    )


def mismatched_finished_sides(handshake: Handshake | None) -> tuple[Direction, ...]:
    """Return the sides whose Finished does not match the recorded handshake."""
    if handshake is None:
        return ()
    states = (
        (Direction.CLIENT, handshake.client_finished),
        (Direction.SERVER, handshake.server_finished),
    )
    return tuple(side for side, state in states if state is Finished.DIFFERS)


def certificate(der: bytes) -> Certificate:
    """
    Return the facts of one certificate.

    Raises:
        ValueError: Not a certificate.
    """
    parsed = _parsed(der)
    return Certificate(
        sha256=parsed.fingerprint(SHA256()).hex(),
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        serial=str(parsed.serial_number),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        pem=parsed.public_bytes(Encoding.PEM).decode("ascii"),
    )


def _parsed(der: bytes) -> x509.Certificate:
    """Return a certificate. Raises ValueError, also for one of a version that does not exist."""
    try:
        return x509.load_der_x509_certificate(der)
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error


def _certificates(chain: tuple[bytes, ...]) -> Iterator[Certificate]:
    for der in chain:
        with contextlib.suppress(ValueError):
            yield certificate(der)
