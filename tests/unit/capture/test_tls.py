"""TLS facts in our words."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from snapshotter.capture import tls
from snapshotter.formats.tls import Handshake


def test_a_plain_connection_has_no_tls() -> None:
    assert tls.facts(None, (), "") is None
    assert tls.in_brief(None) is None


def test_a_handshake_that_no_server_answered_has_none_either() -> None:
    assert tls.facts(Handshake(sni="a.com"), (), "") is None
    assert tls.in_brief(Handshake(sni="a.com")) is None


def test_a_handshake_is_told_in_the_words_of_the_record() -> None:
    handshake = Handshake(
        version="TLS 1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        group="X25519MLKEM768",
        alpn="h2",
        signature_scheme="ecdsa_secp256r1_sha256",
        resumed=True,
    )

    facts, brief = tls.facts(handshake, (b"no certificate",), "compliant"), tls.in_brief(handshake)

    assert facts is not None
    assert brief is not None
    assert (facts.protocol, facts.cipher) == ("TLS 1.3", "TLS_AES_128_GCM_SHA256")
    assert facts.key_exchange_group == "X25519MLKEM768"
    assert facts.signature_algorithm == "ecdsa_secp256r1_sha256"
    assert facts.certificate_transparency == "compliant"
    assert facts.chain == ()
    assert (brief.version, brief.alpn, brief.resumed) == ("TLS 1.3", "h2", True)


@pytest.mark.parametrize("told", ["", "unknown", "something new"])
def test_transparency_that_the_browser_does_not_tell_is_unknown(told: str) -> None:
    facts = tls.facts(Handshake(version="TLS 1.2"), (), told)

    assert facts is not None
    assert facts.certificate_transparency == "unknown"


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
