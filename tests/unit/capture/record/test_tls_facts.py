"""TLS facts in our words."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from snapshotter.capture.record import tls_facts
from snapshotter.formats.tls.handshake import Finished, Handshake
from snapshotter.formats.tls.server_signature import SignedSession


def test_a_plain_connection_has_no_tls() -> None:
    assert tls_facts.facts(None, (), "") is None
    assert tls_facts.connection_tls(None) is None


def test_a_handshake_that_no_server_answered_has_none_either() -> None:
    assert tls_facts.facts(Handshake(sni="a.com"), (), "") is None
    assert tls_facts.connection_tls(Handshake(sni="a.com")) is None


def test_a_handshake_is_told_in_the_words_of_the_record() -> None:
    handshake = Handshake(
        version="TLS 1.3",
        cipher="TLS_AES_128_GCM_SHA256",
        group="X25519MLKEM768",
        alpn="h2",
        signature_scheme="ecdsa_secp256r1_sha256",
        resumed=True,
        early_data="rejected",
        client_certificate_asked=True,
    )

    facts, brief = (
        tls_facts.facts(handshake, (b"no certificate",), "compliant"),
        tls_facts.connection_tls(handshake),
    )

    assert facts is not None
    assert brief is not None
    assert (facts.protocol, facts.cipher) == ("TLS 1.3", "TLS_AES_128_GCM_SHA256")
    assert facts.key_exchange_group == "X25519MLKEM768"
    assert facts.signature_algorithm == "ecdsa_secp256r1_sha256"
    assert facts.certificate_transparency == "compliant"
    assert facts.chain == ()
    assert (brief.version, brief.alpn, brief.resumed) == ("TLS 1.3", "h2", True)
    assert (brief.hello_retry, brief.early_data) == (False, "rejected")
    assert brief.client_certificate_asked
    assert brief.client_finished is brief.server_finished is Finished.ABSENT
    assert tls_facts.mismatched_finished_sides(handshake) == ()


@pytest.mark.parametrize("told", ["", "unknown", "something new"])
def test_transparency_that_the_browser_does_not_tell_is_unknown(told: str) -> None:
    facts = tls_facts.facts(Handshake(version="TLS 1.2"), (), told)

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

    told = tls_facts.certificate(made.public_bytes(Encoding.DER))

    assert told.sha256 == made.fingerprint(hashes.SHA256()).hex()
    assert (told.subject, told.issuer) == ("CN=a.example", "CN=a.example")
    assert told.serial == str(2**80)
    assert (told.not_before, told.not_after) == (start, start + dt.timedelta(days=1))
    assert told.pem.encode() == made.public_bytes(Encoding.PEM)


def test_what_is_no_certificate_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"."):
        tls_facts.certificate(b"no")


NOON = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)


def session(
    *, issuer: str = "authority", begins: int = -1, ends: int = 1, named: bool = True
) -> SignedSession:
    key = ec.generate_private_key(ec.SECP256R1())
    der = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOON + dt.timedelta(days=begins))
        .not_valid_after(NOON + dt.timedelta(days=ends))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    return SignedSession(
        connection=1, host="a.example", port=443, address="", version="TLS 1.3", cipher="",
        group="", alpn="", signature_scheme="", messages=(), chain=(der,), names_host=named,
    )  # fmt: skip


def test_what_is_wrong_with_a_certificate_that_was_let_pass_has_stable_words() -> None:
    assert tls_facts.certificate_problems(session(ends=0, begins=-2), NOON + dt.timedelta(1)) == (
        "expired",
    )
    assert tls_facts.certificate_problems(session(begins=0), NOON - dt.timedelta(1)) == (
        "not-yet-valid",
    )
    assert tls_facts.certificate_problems(session(named=False), NOON) == ("other-host",)
    assert tls_facts.certificate_problems(session(issuer="leaf"), NOON) == ("self-signed",)
    assert tls_facts.certificate_problems(session(issuer="leaf", named=False), NOON) == (
        "other-host",
        "self-signed",
    )
    assert tls_facts.certificate_problems(session(), NOON) == ("unknown-authority",)
    assert tls_facts.certificate_problems(None, NOON) == ("unknown",)
