"""
Tokens: what is read, what is refused, and with which code.

`data/` holds two answers of real authorities from March 2025, recorded by others
(IdenTrust's in the tests of rfc3161-client, DigiCert's in those of auto-archiver).
All other tokens are made by `openssl ts`.
"""

import datetime
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.formats.proofs import rfc3161
from snapshotter.formats.proofs.rfc3161 import (
    Anchor,
    TokenInvalid,
    build_request,
    check_by_any,
    check_response,
    read_token,
)
from snapshotter.model.finding import Code
from tests.servers.authority import POLICY_OID, Chain, TestAuthority, start_authority

MESSAGE = b"hello"
NONCE = 0x1122334455667788
DATA = Path(__file__).parent / "data"
ROOTS = Path(__file__).parents[4] / "policies" / "authorities"
MOZILLA = Path("/usr/share/ca-certificates/mozilla")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAuthority]:
    with start_authority(tmp_path_factory.mktemp("authority")) as running:
        yield running


@pytest.fixture(scope="module")
def anchor(authority: TestAuthority) -> Anchor:
    return Anchor(name="test", root=x509.load_pem_x509_certificate(authority.root_pem))


@pytest.fixture(scope="module")
def good(authority: TestAuthority) -> bytes:
    return answer(authority, "good")


def answer(authority: TestAuthority, kind: str) -> bytes:
    return authority.answer(kind, build_request(MESSAGE, nonce=NONCE))[2]


def code(response: bytes, anchor: Anchor, message: bytes = MESSAGE) -> Code:
    with pytest.raises(TokenInvalid) as caught:
        check_response(response, message, anchor, nonce=NONCE)
    return caught.value.code


def test_a_request_is_the_one_that_openssl_writes(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(MESSAGE)
    (tmp_path / "q").write_bytes(build_request(MESSAGE, nonce=NONCE))
    openssl = ["openssl", "ts", "-query"]

    subprocess.run(
        [*openssl, "-data", tmp_path / "m", "-sha512", "-cert", "-out", tmp_path / "o"],
        check=True,
        timeout=30,
        capture_output=True,
    )
    ours, theirs = (
        subprocess.run(
            [*openssl, "-in", tmp_path / name, "-text"], check=True, timeout=30, capture_output=True
        ).stdout.decode()
        for name in ("q", "o")
    )

    assert f"Nonce: 0x{NONCE:X}" in ours
    nonce = re.compile("Nonce: .*")
    assert nonce.sub("", ours) == nonce.sub("", theirs)


@pytest.mark.parametrize("nonce", [0, -1, 1 << 64])
def test_a_nonce_that_an_authority_might_not_echo_is_refused(nonce: int) -> None:
    with pytest.raises(ValueError, match="nonce"):
        build_request(MESSAGE, nonce=nonce)


@given(st.integers(1, (1 << 64) - 1), st.binary(min_size=1))
def test_every_nonce_gives_strict_der(nonce: int, message: bytes) -> None:
    rfc3161._check_der(build_request(message, nonce=nonce))


def test_a_good_token_says_what_openssl_says(good: bytes, anchor: Anchor, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(good)
    shown = subprocess.run(
        ["openssl", "ts", "-reply", "-in", tmp_path / "a", "-text"],
        check=True,
        timeout=30,
        capture_output=True,
    ).stdout.decode()

    token = check_response(good, MESSAGE, anchor, nonce=NONCE)

    assert token.policy_oid == POLICY_OID
    assert f"Serial number: 0x{token.serial:02X}" in shown
    shown_time = re.search(r"Time stamp: \w+ +\d+ (\d\d:\d\d:\d\d(?:\.\d+)?) ", shown)
    assert shown_time is not None
    assert token.time.strftime("%H:%M:%S.%f").rstrip("0").rstrip(".") == shown_time[1]
    assert token.time.tzinfo is datetime.UTC
    assert token.accuracy_ms == 501  # 500 ms and 250 µs, never claimed better than it is
    assert token.imprint_algorithm == "sha512"
    assert token.signer_subject == "CN=test authority leaf,O=snapshotter tests"
    assert token.nonce == NONCE
    assert read_token(good) == token


def test_a_token_with_an_intermediate_leads_to_its_root(authority: TestAuthority) -> None:
    root = x509.load_pem_x509_certificate(authority.intermediate_root_pem)

    token = check_response(
        answer(authority, "intermediate"), MESSAGE, Anchor(name="test", root=root), nonce=NONCE
    )

    assert token.policy_oid == POLICY_OID


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("untrusted", Code.TS_UNTRUSTED),
        ("other-bytes", Code.TS_IMPRINT),
        ("wrong-nonce", Code.TS_IMPRINT),
        ("rejected", Code.TS_MALFORMED),
        ("garbage", Code.TS_MALFORMED),
        ("html", Code.TS_MALFORMED),
    ],
)
def test_every_bad_answer_has_its_code(
    authority: TestAuthority, anchor: Anchor, kind: str, expected: Code
) -> None:
    assert code(answer(authority, kind), anchor) is expected


def test_a_policy_is_asked_for_only_if_the_anchor_names_some(
    authority: TestAuthority, anchor: Anchor
) -> None:
    other = answer(authority, "wrong-policy")

    assert check_response(other, MESSAGE, anchor, nonce=NONCE).policy_oid != POLICY_OID
    assert code(other, replace(anchor, policy_oids=frozenset({POLICY_OID}))) is Code.TS_POLICY


def test_a_revoked_signer_is_told_from_an_unknown_one(
    authority: TestAuthority, good: bytes, anchor: Anchor
) -> None:
    leaf = x509.load_pem_x509_certificate(authority.good.leaf_pem.read_bytes())
    revoked = replace(anchor, revoked_serials=frozenset({leaf.serial_number}))

    assert code(good, revoked) is Code.TS_REVOKED


def test_a_token_from_elsewhere_is_untrusted_whatever_it_is_over(
    authority: TestAuthority, anchor: Anchor
) -> None:
    assert code(answer(authority, "untrusted"), anchor, b"other") is Code.TS_UNTRUSTED


def test_a_token_by_a_stranger_is_told_by_the_name_of_who_made_it_and_of_who_was_tried(
    good: bytes, anchor: Anchor
) -> None:
    roots = {name: (ROOTS / f"{name}.pem").read_bytes() for name in ("digicert", "sectigo")}
    trusted = [
        Anchor(name=name, root=x509.load_pem_x509_certificate(pem)) for name, pem in roots.items()
    ]

    with pytest.raises(TokenInvalid) as refused:
        check_by_any(good, MESSAGE, trusted)

    signer = read_token(good).signer_subject
    issuer = anchor.root.subject.rfc4514_string()
    assert refused.value.code is Code.TS_UNTRUSTED
    assert str(refused.value) == (
        "no timestamp authority that you trust made this token. The token was signed with a "
        f"certificate for {signer}, issued by {issuer}. The trusted timestamp authorities are "
        "digicert, sectigo"
    )
    assert check_by_any(good, MESSAGE, [*trusted, anchor])[0] is anchor
    # The authority that made it says what is wrong, whoever else was tried.
    for order in ([*trusted, anchor], [anchor, *trusted]):
        with pytest.raises(TokenInvalid, match="the time of other data") as refused:
            check_by_any(good, b"other", order)
        assert refused.value.code is Code.TS_IMPRINT


def test_a_token_that_only_names_an_authority_is_told_by_what_is_wrong_with_it(
    authority: TestAuthority, anchor: Anchor
) -> None:
    rogue = x509.load_pem_x509_certificate(authority.untrusted.root_pem.read_bytes())
    assert rogue.subject == anchor.root.subject
    digicert = x509.load_pem_x509_certificate((ROOTS / "digicert.pem").read_bytes())
    trusted = [anchor, Anchor(name="DigiCert", root=digicert)]

    with pytest.raises(TokenInvalid, match="does not lead to the root certificate of test"):
        check_by_any(answer(authority, "untrusted"), MESSAGE, trusted)


def test_the_refusal_of_an_authority_is_passed_on_with_its_reason(
    authority: TestAuthority,
) -> None:
    with pytest.raises(TokenInvalid, match=r"rejection \(Message digest.*; badAlg\)"):
        read_token(answer(authority, "rejected"))


def test_a_root_that_is_not_self_signed_is_no_anchor(authority: TestAuthority) -> None:
    leaf = x509.load_pem_x509_certificate(authority.good.leaf_pem.read_bytes())

    with pytest.raises(ValueError, match="self-signed"):
        Anchor(name="test", root=leaf)


def test_a_root_that_the_token_brings_along_is_not_believed(
    authority: TestAuthority, anchor: Anchor
) -> None:
    # What rfc3161-client 1.0.7 and 1.0.8 accepted: a rogue chain, root included.
    rogue = x509.load_pem_x509_certificate(authority.untrusted.root_pem.read_bytes())
    response = with_certificate(answer(authority, "untrusted"), rogue)

    assert code(response, anchor) is Code.TS_UNTRUSTED
    # The way of adding it is right: with that root as anchor, the token is good.
    check_response(response, MESSAGE, replace(anchor, root=rogue), nonce=NONCE)


def test_a_certificate_that_has_no_part_in_the_signature_is_refused(
    authority: TestAuthority, good: bytes, anchor: Anchor
) -> None:
    stranger = x509.load_pem_x509_certificate(authority.untrusted.leaf_pem.read_bytes())

    assert code(with_certificate(good, stranger), anchor) is Code.TS_UNTRUSTED


def test_no_byte_of_a_token_can_be_changed_unnoticed(good: bytes, anchor: Anchor) -> None:
    passed = []
    for offset in range(len(good)):
        for mask in (1 << offset % 8, 0x20, 0xFF):
            changed = bytearray(good)
            changed[offset] ^= mask
            try:
                check_response(bytes(changed), MESSAGE, anchor)
            except TokenInvalid:
                continue
            passed.append((offset, mask))

    assert passed == []


def test_a_token_that_ends_early_or_late_is_malformed(good: bytes, anchor: Anchor) -> None:
    for end in range(0, len(good), 7):
        assert code(good[:end], anchor) is Code.TS_MALFORMED
    assert code(good + b"\0", anchor) is Code.TS_MALFORMED
    assert code(good + good, anchor) is Code.TS_MALFORMED
    assert code(bytes(rfc3161.MAX_RESPONSE_BYTES + 1), anchor) is Code.TS_MALFORMED
    assert code(b"\x30\x80" * 20_000, anchor) is Code.TS_MALFORMED


@given(st.binary(max_size=200))
def test_a_parser_returns_or_raises_our_error(data: bytes) -> None:
    with pytest.raises(TokenInvalid):
        read_token(data)


@given(offset=st.integers(0, 1 << 16), junk=st.binary(min_size=1, max_size=40))
def test_a_token_with_junk_in_it_raises_our_error(offset: int, junk: bytes) -> None:
    token = (DATA / "digicert-2025.tsr").read_bytes()
    at = offset % len(token)

    try:
        read_token(token[:at] + junk + token[at + len(junk) :])
    except TokenInvalid as error:
        assert error.code is Code.TS_MALFORMED  # noqa: PT017 — not raising is fine as well


def test_a_panic_in_a_parser_is_an_answer_about_the_bytes_and_an_interrupt_is_not() -> None:
    panic = type("PanicException", (BaseException,), {})

    with (
        pytest.raises(TokenInvalid, match="cannot be parsed"),
        rfc3161._ours(Code.TS_MALFORMED, "x"),
    ):
        raise panic
    with pytest.raises(KeyboardInterrupt), rfc3161._ours(Code.TS_MALFORMED, "x"):
        raise KeyboardInterrupt


def test_the_codes_are_the_same_without_assertions(
    authority: TestAuthority, tmp_path: Path
) -> None:
    for kind in ("good", "untrusted", "other-bytes"):
        (tmp_path / kind).write_bytes(answer(authority, kind))
    script = (
        "import sys; from pathlib import Path; from cryptography import x509\n"
        "from snapshotter.formats.proofs.rfc3161 import *\n"
        "d = Path(sys.argv[1])\n"
        "p = Path(sys.argv[2]).read_bytes()\n"
        "a = Anchor(name='t', root=x509.load_pem_x509_certificate(p))\n"
        "for k in ('good', 'untrusted', 'other-bytes'):\n"
        "    try: check_response((d / k).read_bytes(), b'hello', a); print(k)\n"
        "    except TokenInvalid as e: print(e.code)\n"
    )

    done = subprocess.run(
        [sys.executable, "-O", "-c", script, tmp_path, authority.good.root_pem],
        cwd=Path(__file__).parents[4],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == ["good", "TS_UNTRUSTED", "TS_IMPRINT"]


def test_a_token_of_digicert_leads_to_the_root_that_we_ship() -> None:
    root = x509.load_pem_x509_certificate((ROOTS / "digicert.pem").read_bytes())
    response = (DATA / "digicert-2025.tsr").read_bytes()

    # What it is over is not known; everything before that question holds.
    assert read_token(response).time == datetime.datetime(
        2025, 3, 24, 11, 17, 47, tzinfo=datetime.UTC
    )
    assert code(response, Anchor(name="DigiCert", root=root)) is Code.TS_IMPRINT


@pytest.mark.skipif(not MOZILLA.is_dir(), reason="this system keeps its roots elsewhere")
def test_a_token_of_identrust_holds_at_its_own_time() -> None:
    pem = (MOZILLA / "IdenTrust_Commercial_Root_CA_1.crt").read_bytes()
    anchor = Anchor(name="IdenTrust", root=x509.load_pem_x509_certificate(pem))
    response = (DATA / "identrust-2025-over-hello.tsr").read_bytes()

    token = check_response(response, b"hello", anchor)

    assert token.signer_not_after.year == 2026  # good for ever, though its certificate is not
    assert token.accuracy_ms is None


def test_a_list_of_digests_that_names_another_one_is_refused(good: bytes, anchor: Anchor) -> None:
    at = good.index(bytes.fromhex("0609608648016503040201"))  # SHA-256, first in that list

    assert code(good[: at + 10] + b"\x03" + good[at + 11 :], anchor) is Code.TS_MALFORMED


@pytest.mark.parametrize(
    ("fault", "days", "by_leaf"), [("expired", (-20, -10), False), ("not a CA", (-1, 10), True)]
)
def test_a_chain_that_is_not_valid_is_untrusted(
    tmp_path: Path, fault: str, days: tuple[int, int], by_leaf: bool
) -> None:
    chain = Chain(tmp_path, "test authority")
    chain.make()
    sound = Anchor(name="t", root=x509.load_pem_x509_certificate(chain.root_pem.read_bytes()))
    check_response(chain.reply(build_request(MESSAGE, nonce=NONCE)), MESSAGE, sound)
    issuer = chain.leaf_pem if by_leaf else chain.root_pem
    issuer_certificate = x509.load_pem_x509_certificate(issuer.read_bytes())
    leaf = timestamp_certificate(issuer_certificate, issuer.with_suffix(".key"), days)
    chain.leaf_pem.write_bytes(leaf[0])
    chain.leaf_pem.with_suffix(".key").write_bytes(leaf[1])
    response = chain.reply(build_request(MESSAGE, nonce=NONCE))
    if by_leaf:
        response = with_certificate(response, issuer_certificate)

    assert code(response, sound) is Code.TS_UNTRUSTED, fault


@pytest.mark.parametrize(
    ("usages", "critical"),
    [
        ([ExtendedKeyUsageOID.TIME_STAMPING], False),
        ([ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], True),
        ([], True),
    ],
)
def test_a_signer_that_is_not_for_timestamps_alone_is_untrusted(
    authority: TestAuthority,
    good: bytes,
    anchor: Anchor,
    usages: list[x509.ObjectIdentifier],
    critical: bool,
) -> None:
    key = authority.good.root_pem.with_suffix(".key")
    pem, _ = timestamp_certificate(anchor.root, key, (-1, 1), usages=usages, critical=critical)
    signer = x509.load_pem_x509_certificate(pem)

    with pytest.raises(TokenInvalid, match="timestamps") as caught:
        rfc3161._check_signer(replace(rfc3161._parse(good), signer=signer))

    assert caught.value.code is Code.TS_UNTRUSTED


def timestamp_certificate(
    issuer: x509.Certificate,
    issuer_key: Path,
    days: tuple[int, int],
    *,
    usages: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.TIME_STAMPING,),
    critical: bool = True,
) -> tuple[bytes, bytes]:
    """Issue a certificate, valid between two days counted from now; return it and its key, PEM."""
    signing = serialization.load_pem_private_key(issuer_key.read_bytes(), None)
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP384R1())
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another leaf")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    certificate = builder.sign(signing, hashes.SHA384())
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def with_certificate(response: bytes, certificate: x509.Certificate) -> bytes:
    """Put another certificate into the token, with every length right."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return _grown(response, rfc3161._parse(response).bag, der)


def _grown(data: bytes, bag: bytes, extra: bytes) -> bytes:
    parts = []
    for node in rfc3161._children(data):
        if node.content == bag:
            content = bag + extra
        elif bag in node.raw:
            content = _grown(node.content, bag, extra)
        else:
            content = node.content
        parts.append(_der(node.tag, content))
    return b"".join(parts)


def _der(tag: int, content: bytes) -> bytes:
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
