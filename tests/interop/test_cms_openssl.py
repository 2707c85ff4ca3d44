"""The commands of docs/howto/keep-streams.md: openssl opens what was encrypted for a key of its own."""  # noqa: E501

import subprocess
from pathlib import Path

import pytest

from snapshotter.formats.signatures import cms
from snapshotter.formats.signatures.cms import Recipient
from tests.tools import system_tool

pytestmark = pytest.mark.interop
CONTENT = bytes(range(256)) * 8_000  # 2 MB


def _openssl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [system_tool("openssl"), *arguments], capture_output=True, check=check, timeout=60
    )


def _pair(folder: Path, kind: str) -> tuple[Path, Recipient]:
    private, public = folder / f"{kind}.key", folder / f"{kind}.pub"
    made = {
        "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    }.get(kind, ("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"))
    _openssl("genpkey", *made, "-out", str(private))
    _openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    return private, Recipient.from_pem(public.read_text())


def _decrypt(file: Path, key: Path, out: Path) -> int:
    return _openssl(
        *("cms", "-decrypt", "-binary", "-inform", "DER"),
        *("-in", str(file), "-inkey", str(key), "-out", str(out)),
        check=False,
    ).returncode


def test_openssl_opens_it_with_each_recipients_key_and_no_certificate(tmp_path: Path) -> None:
    pairs = [_pair(tmp_path, kind) for kind in ("P-256", "P-384", "P-521", "rsa")]
    stranger, _ = _pair(tmp_path / ".", "secp521r1")
    file, out = tmp_path / "streams.p7m", tmp_path / "out"
    with file.open("wb") as sink:
        cms.write([CONTENT], len(CONTENT), [recipient for _, recipient in pairs], sink.write)

    for private, _ in pairs:
        assert _decrypt(file, private, out) == 0
        assert out.read_bytes() == CONTENT
    assert _decrypt(file, stranger, out) != 0


def test_openssl_notices_a_changed_byte(tmp_path: Path) -> None:
    private, recipient = _pair(tmp_path, "P-384")
    file = tmp_path / "streams.p7m"
    with file.open("wb") as sink:
        cms.write([CONTENT], len(CONTENT), [recipient], sink.write)
    data = bytearray(file.read_bytes())
    for at in (len(data) - 1, len(data) // 2):
        file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

        assert _decrypt(file, private, tmp_path / "out") != 0


def test_a_key_that_openssl_encrypted_opens_it_here(tmp_path: Path) -> None:
    private = tmp_path / "court.key"
    _openssl(
        *("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
        *("-aes256", "-pass", "pass:open sesame", "-out", str(private)),
    )
    key = cms.private_key(private.read_bytes(), b"open sesame")
    file, out = tmp_path / "streams.p7m", bytearray()
    with file.open("wb") as sink:
        cms.write([CONTENT], len(CONTENT), [Recipient(key.public_key())], sink.write)

    with file.open("rb") as source:
        cms.read(source, key, out.extend)

    assert out == CONTENT
