"""
Read the certificates of the private authorities that a capture trusts, and check chains to them.

The certificates are in PEM. `facts` describes one, and `chain_leads_to` tells whether an authority
issued a server's certificate, directly or through others.
"""

import contextlib
import itertools
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

_MOST = 40  # certificates between a server's and an authority that are looked at


def normalise_pem(text: str) -> str:
    """
    Return a certificate in the one spelling of PEM that is recorded.

    Raises:
        ValueError: It is no certificate, or none of an authority.
    """
    try:
        found = x509.load_pem_x509_certificate(text.encode("ascii", "replace"))
    except ValueError as error:
        raise ValueError("the file is not a certificate in PEM") from error
    try:
        is_authority = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        is_authority = False
    if not is_authority:
        raise ValueError(
            "the certificate is not that of a certificate authority (basicConstraints CA:TRUE is "
            "missing)"
        )
    return found.public_bytes(Encoding.PEM).decode("ascii")


def read_certificates(data: bytes) -> tuple[str, ...]:
    """
    Return the certificates of a file, at least one.

    Raises:
        ValueError: One of them is none of an authority, or there is none.
    """
    try:
        found = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise ValueError("the file contains no certificate in PEM") from error
    return tuple(
        normalise_pem(certificate.public_bytes(Encoding.PEM).decode("ascii"))
        for certificate in found
    )


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


def chain_leads_to(chain: Sequence[bytes], others: Iterable[bytes], pem: str) -> bool:
    """
    Return whether a server's certificate is issued by an authority, directly or by others.

    A certificate that only lies in the chain counts for nothing: each has to sign the next.

    Args:
        chain: DER, leaf first, as the server sent it.
        others: DER of further certificates that the browser may have used.
    """
    if not chain:
        return False
    root = x509.load_pem_x509_certificate(pem.encode())
    given = itertools.islice(dict.fromkeys((*chain, *others)), _MOST)
    pool = [certificate for certificate in map(_certificate, given) if certificate is not None]
    known = [issuer for issuer in pool if issuer.public_bytes(Encoding.DER) == chain[0]]
    seen = 0
    while seen < len(known):
        certificate = known[seen]
        seen += 1
        if certificate == root or _issued(certificate, root):
            return True
        known += [issuer for issuer in pool if issuer not in known and _issued(certificate, issuer)]
    return False


def certificates_in_body(data: bytes) -> tuple[bytes, ...]:
    """Return the certificates (DER) of an answer that a browser fetches an issuer by; or none."""
    if data.startswith(b"-----"):
        readers = (x509.load_pem_x509_certificates, pkcs7.load_pem_pkcs7_certificates)
    else:
        readers = (_one, pkcs7.load_der_pkcs7_certificates)
    for read in readers:
        with contextlib.suppress(ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
            return tuple(certificate.public_bytes(Encoding.DER) for certificate in read(data))
    return ()


def _one(data: bytes) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(data)]


def _certificate(data: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(data)
    except (ValueError, x509.InvalidVersion):
        return None


def _issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    """Return whether a certificate was signed by the key of another, and names it."""
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
