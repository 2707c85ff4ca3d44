"""Which authority stands behind a server's certificate."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from snapshotter.capture.record import tls_facts as shown
from snapshotter.formats.tls.certificate_authority import certificates_in_body, chain_leads_to
from tests import tls


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def chain_of(file: Path) -> list[bytes]:
    return [der(certificate) for certificate in x509.load_pem_x509_certificates(file.read_bytes())]


def test_a_chain_leads_to_the_authority_that_signed_it_and_to_no_other(tmp_path: Path) -> None:
    ours, other = tls.Authority(tmp_path / "ours"), tls.Authority(tmp_path / "other")
    root = ours.root_pem.read_text()
    leaf = chain_of(ours.server())[:1]
    of_another = chain_of(other.server())[:1]

    assert chain_leads_to(leaf, (), root)
    assert chain_leads_to([der(ours.root)], (), root)  # trusted by itself
    assert not chain_leads_to((), (), root)
    assert not chain_leads_to(of_another, (), root)
    # What only lies in the chain has signed nothing.
    assert not chain_leads_to([*of_another, der(other.root), der(ours.root), *leaf], (), root)


def test_a_chain_is_completed_by_what_the_browser_had(tmp_path: Path) -> None:
    ours = tls.Authority(tmp_path)
    root = ours.root_pem.read_text()
    file, between = ours.server_of_another("a.example", issuer_url="http://a.example/")
    leaf = chain_of(file)

    assert not chain_leads_to(leaf, (), root)
    assert chain_leads_to(leaf, [der(between)], root)
    assert chain_leads_to([*leaf, der(between)], (), root)


def test_an_issuer_is_read_from_each_form_in_which_it_is_published(tmp_path: Path) -> None:
    root = tls.Authority(tmp_path).root

    for data in (
        der(root),
        root.public_bytes(Encoding.PEM),
        pkcs7.serialize_certificates([root], Encoding.DER),
        pkcs7.serialize_certificates([root], Encoding.PEM),
    ):
        assert certificates_in_body(data) == (der(root),)
    for data in (b"<p>not found", b"-----BEGIN", tls.of_no_version(root)):
        assert certificates_in_body(data) == ()


def test_a_certificate_of_no_version_is_none(tmp_path: Path) -> None:
    ours = tls.Authority(tmp_path)
    odd = tls.of_no_version(ours.root)
    leaf = chain_of(ours.server())[:1]

    with pytest.raises(ValueError, match="99"):
        shown.certificate(odd)
    assert chain_leads_to([*leaf, odd], [odd], ours.root_pem.read_text())
