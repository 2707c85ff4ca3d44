"""The certificate of an authority that a capture may trust, in PEM."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding


def from_pem(text: str) -> str:
    """
    Return a certificate in the one spelling of PEM that is recorded.

    Raises:
        ValueError: It is no certificate, or none of an authority.
    """
    try:
        found = x509.load_pem_x509_certificate(text.encode("ascii", "replace"))
    except ValueError as error:
        raise ValueError("not a certificate in PEM") from error
    try:
        is_authority = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_authority = False
    if not is_authority:
        raise ValueError(
            "the certificate is not one of an authority (basicConstraints CA:TRUE is missing)"
        )
    return found.public_bytes(Encoding.PEM).decode("ascii")


def all_of(data: bytes) -> tuple[str, ...]:
    """
    Return the certificates of a file, at least one.

    Raises:
        ValueError: One of them is none of an authority, or there is none.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ValueError("no certificate in PEM") from error
    return tuple(from_pem(it.public_bytes(Encoding.PEM).decode("ascii")) for it in found)


def der(pem: str) -> bytes:
    """Return the bytes of a certificate."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def facts(pem: str) -> dict[str, str]:
    """Return what a record says of a certificate: its digest, and whose it is."""
    found = x509.load_pem_x509_certificate(pem.encode())
    return {
        "sha256": found.fingerprint(SHA256()).hex(),
        "subject": found.subject.rfc4514_string(),
    }


def ends_at(chain: tuple[bytes, ...], pem: str) -> bool:
    """
    Return whether the chain that a server showed ends at an authority.

    Args:
        chain: DER, leaf first, as the server sent it.
    """
    root = x509.load_pem_x509_certificate(pem.encode())
    for data in chain:
        try:
            one = x509.load_der_x509_certificate(data)
            if one == root:
                return True
            one.verify_directly_issued_by(root)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return True
    return False
