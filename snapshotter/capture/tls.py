"""TLS of a connection as the browser reports it, in the words of `TlsFacts`."""

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.model.capture import Certificate, TlsFacts

# IANA, TLS SignatureScheme (RFC 8446, section 4.2.3): what Chromium negotiates.
_SIGNATURES = {
    0x0401: "rsa_pkcs1_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
}
_TRANSPARENCY = {"compliant": "compliant", "not-compliant": "not-compliant"}


def facts(security: dict[str, Any] | None, chain: tuple[Certificate, ...]) -> TlsFacts | None:
    """
    Return what CDP's SecurityDetails says, with the chain; None for a plain connection.

    Args:
        chain: Leaf first; empty when it could not be had.
    """
    if security is None:
        return None
    scheme = security.get("serverSignatureAlgorithm")
    # TLS 1.3 has one word for the suite; TLS 1.2 names the key exchange in it.
    cipher = (security.get("keyExchange"), security.get("cipher"), security.get("mac"))
    return TlsFacts(
        protocol=security.get("protocol", ""),
        cipher=" ".join(part for part in cipher if part),
        key_exchange_group=security.get("keyExchangeGroup", ""),
        signature_algorithm="" if scheme is None else _SIGNATURES.get(scheme, f"0x{scheme:04x}"),
        certificate_transparency=_TRANSPARENCY.get(
            security.get("certificateTransparencyCompliance", ""), "unknown"
        ),
        chain=chain,
    )


def certificate(der: bytes) -> Certificate:
    """
    Return the facts of one certificate.

    Raises:
        ValueError: Not a certificate.
    """
    parsed = x509.load_der_x509_certificate(der)
    return Certificate(
        sha256=parsed.fingerprint(SHA256()).hex(),
        subject=parsed.subject.rfc4514_string(),
        issuer=parsed.issuer.rfc4514_string(),
        serial=str(parsed.serial_number),
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        pem=parsed.public_bytes(Encoding.PEM).decode("ascii"),
    )
