"""The authority of demonstrations: tokens that a verifier takes, once it was told of the root."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerifierBuilder,
    decode_timestamp_response,
)

from snapshotter.errors import ServiceUnavailable
from snapshotter.site import timestamp_authority
from snapshotter.site.timestamp_authority import LocalAuthority

MESSAGE = b"the signature of a capture"


def test_its_tokens_verify_under_its_root(tmp_path: Path) -> None:
    with LocalAuthority(tmp_path / "authority") as local:
        request = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(
            HashAlgorithm.SHA512
        ).build()  # fmt: skip
        answer = decode_timestamp_response(local.reply(request.as_bytes()))

        verifier = VerifierBuilder.from_request(request).add_root_certificate(
            x509.load_pem_x509_certificate(local.root.read_bytes())
        ).build()  # fmt: skip
        assert verifier.verify(answer, hashlib.sha512(MESSAGE).digest())
    assert abs(answer.tst_info.gen_time - datetime.now(UTC)) < timedelta(minutes=10)
    assert (tmp_path / "authority").stat().st_mode & 0o077 == 0


def test_without_openssl_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not timestamp_authority.is_possible()
    with (
        pytest.raises(ServiceUnavailable, match="needs openssl, which is not installed"),
        LocalAuthority(tmp_path / "a"),
    ):
        pass


def test_an_openssl_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "openssl"
    program.write_text("#!/bin/sh\necho 'no such curve' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")

    with (
        pytest.raises(ServiceUnavailable, match="ecparam failed: no such curve"),
        LocalAuthority(tmp_path / "a"),
    ):
        pass
