"""TLS facts in our words."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from snapshotter.capture import tls


def test_a_plain_connection_has_no_tls() -> None:
    assert tls.facts(None, ()) is None


def test_tls_12_names_its_key_exchange_in_the_cipher_and_an_unknown_number_stays_one() -> None:
    facts = tls.facts(
        {
            "protocol": "TLS 1.2",
            "keyExchange": "ECDHE_RSA",
            "cipher": "AES_128_CBC",
            "mac": "HMAC-SHA1",
            "serverSignatureAlgorithm": 0x0999,
            "certificateTransparencyCompliance": "compliant",
        },
        (),
    )

    assert facts is not None
    assert facts.cipher == "ECDHE_RSA AES_128_CBC HMAC-SHA1"
    assert facts.signature_algorithm == "0x0999"
    assert facts.certificate_transparency == "compliant"
    assert facts.key_exchange_group == ""


def test_a_certificate_is_told_by_its_der() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(2**80)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )

    told = tls.certificate(made.public_bytes(Encoding.DER))

    assert told.sha256 == made.fingerprint(hashes.SHA256()).hex()
    assert (told.subject, told.issuer) == ("CN=a.example", "CN=a.example")
    assert told.serial == str(2**80)
    assert (told.not_before, told.not_after) == (start, start + dt.timedelta(days=1))
    assert told.pem.encode() == made.public_bytes(Encoding.PEM)


def test_what_is_no_certificate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        tls.certificate(b"no")
