"""Certificate timestamps are named wherever a server shows them, and junk is nothing."""

from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.formats.tls.certificate_timestamps import CertificateTimestamp, timestamps
from snapshotter.formats.tls.handshake import Handshake
from snapshotter.formats.tls.server_signature import TlsRecording, gather
from tests import tls
from tests.fuzzing import tries
from tests.tls import Authority

LOG = bytes(range(32))
AT_MS = 1_795_538_246_123


def _sct(at_ms: int = AT_MS, version: int = 0) -> bytes:
    """RFC 6962 section 3.2: no extensions, and a signature that nobody will check."""
    signature = b"\4\3" + (8).to_bytes(2, "big") + bytes.fromhex("3006020101020101")
    return bytes([version]) + LOG + at_ms.to_bytes(8, "big") + b"\0\0" + signature


def _list(*scts: bytes) -> bytes:
    content = b"".join(len(sct).to_bytes(2, "big") + sct for sct in scts)
    return len(content).to_bytes(2, "big") + content


def _leaf(folder: Path, sct_list: bytes) -> bytes:
    assert len(sct_list) < 128  # so that its length is one byte of DER
    octets = b"\x04" + bytes([len(sct_list)]) + sct_list
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), octets)
    pem = Authority(folder).server(extra=[extension]).read_bytes()
    certificate = x509.load_pem_x509_certificates(pem)[0]
    return certificate.public_bytes(tls.DER)


def test_timestamps_of_the_certificate_and_of_the_handshake_are_named(tmp_path: Path) -> None:
    leaf = _leaf(tmp_path, _list(_sct(), _sct(AT_MS + 1)))

    found = timestamps(leaf, _list(_sct(5)), b"")

    assert found == tuple(
        CertificateTimestamp(source=source, log_id=LOG.hex(), at_ms=at_ms)
        for source, at_ms in (
            ("certificate", AT_MS),
            ("certificate", AT_MS + 1),
            ("handshake", 5),
        )
    )


@pytest.mark.parametrize("sct", [_sct(version=1), _sct(1 << 60), _sct()[:-20][:30], b""])
def test_a_timestamp_that_is_none_is_nothing(sct: bytes) -> None:
    assert timestamps(b"", _list(sct), b"") == ()


def test_there_is_a_limit() -> None:
    assert len(timestamps(b"", _list(*[_sct()] * 100), b"")) == 32


@settings(max_examples=tries(200), deadline=None)
@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_junk_raises_nothing(leaf: bytes, sct_list: bytes, staple: bytes) -> None:
    for timestamp in timestamps(leaf, sct_list, staple):
        assert timestamp.at_ms < 1 << 53


def test_a_connection_of_junk_is_unsigned(tmp_path: Path) -> None:
    seen = TlsRecording(
        connection=1, host="x.test", port=443, address="", handshake=Handshake(messages=(b"",) * 5)
    )

    assert len(gather([seen]).unsigned) == 1
