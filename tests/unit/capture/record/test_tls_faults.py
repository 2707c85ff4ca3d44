"""Which fault of TLS the browser names, in words that stay."""

import pytest

from snapshotter.capture.record.tls_facts import certificate_fault


@pytest.mark.parametrize(
    ("error", "shown", "word"),
    [
        ("CERT_DATE_INVALID", {"expired", "unknown-authority"}, "expired"),
        ("CERT_DATE_INVALID", {"not-yet-valid"}, "not-yet-valid"),
        ("CERT_DATE_INVALID", set(), "expired"),
        ("CERT_COMMON_NAME_INVALID", {"other-host"}, "other-host"),
        ("CERT_AUTHORITY_INVALID", {"unknown-authority"}, "unknown-authority"),
        ("CERT_AUTHORITY_INVALID", {"expired", "self-signed"}, "self-signed"),
        ("CERT_REVOKED", set(), "revoked"),
        ("CERT_WEAK_SIGNATURE_ALGORITHM", set(), "weak-signature"),
        ("CERT_WEAK_KEY", set(), "weak-signature"),
        ("CERTIFICATE_TRANSPARENCY_REQUIRED", set(), "not-logged"),
        ("SSL_VERSION_OR_CIPHER_MISMATCH", set(), "old-protocol"),
        ("BAD_SSL_CLIENT_AUTH_CERT", set(), "client-certificate"),
        ("SSL_PROTOCOL_ERROR", set(), "handshake"),
    ],
)
def test_each_fault_has_a_word(error: str, shown: set[str], word: str) -> None:
    assert certificate_fault(f"net::ERR_{error}", shown) == word
