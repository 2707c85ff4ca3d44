"""Public keys and signatures have one spelling; every other is refused."""

import base64
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.signatures.keys import (
    P256_SHA256,
    P384_SHA384,
    KeyInvalid,
    algorithm,
    from_p1363,
    is_key_id,
    key_id,
    load_public_pem,
    public_pem,
    to_p1363,
    verify_signature,
)
from snapshotter.model.finding import Code

P384 = ec.derive_private_key(0x5EED, ec.SECP384R1())
P256 = ec.derive_private_key(0x5EED, ec.SECP256R1())
PEM = public_pem(P384.public_key())

# RFC 6979 §A.2.6: the key, and its signature over "sample" with SHA-384.
RFC6979_X = int(
    "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA"
    "9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
    16,
)
RFC6979_R = int(
    "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA7"
    "3D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
    16,
)
RFC6979_S = int(
    "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526"
    "203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    16,
)


def _spki_pem(der: bytes, width: int = 64, newline: bytes = b"\n") -> bytes:
    text = base64.b64encode(der)
    lines = [text[i : i + width] for i in range(0, len(text), width)]
    return newline.join([b"-----BEGIN PUBLIC KEY-----", *lines, b"-----END PUBLIC KEY-----", b""])


def _der() -> bytes:
    return P384.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _compressed() -> bytes:
    point = P384.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    )
    algorithm_identifier = _der()[2:20]
    bits = b"\x03" + bytes([len(point) + 1]) + b"\x00" + point
    body = algorithm_identifier + bits
    return _spki_pem(b"\x30" + bytes([len(body)]) + body)


def test_a_key_reads_back_to_the_same_bytes() -> None:
    assert public_pem(load_public_pem(PEM)) == PEM


def test_the_pem_helper_of_these_tests_spells_keys_as_we_do() -> None:
    assert _spki_pem(_der()) == PEM


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        PEM + PEM,
        PEM + b"\n",
        b"\n" + PEM,
        b"the auditor's key\n" + PEM,
        PEM.replace(b"\n", b"\r\n"),
        PEM.rstrip(b"\n"),
        _spki_pem(_der(), width=76),
        _spki_pem(_der() + b"\x00"),
        _spki_pem(_der()[:-1]),
        _compressed(),
        PEM[:100] + b"\xff" + PEM[101:],
        PEM.replace(b"PUBLIC KEY", b"EC PUBLIC KEY"),
        b"A" * 2000,
    ],
)
def test_a_second_spelling_of_a_key_is_malformed(pem: bytes) -> None:
    with pytest.raises(KeyInvalid) as caught:
        load_public_pem(pem)

    assert caught.value.code is Code.KEY_MALFORMED
    assert isinstance(caught.value, EvidenceInvalid)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048).public_key(),
        ed25519.Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key(),
        ec.derive_private_key(7, ec.SECP521R1()).public_key(),
        ec.derive_private_key(7, ec.SECP256K1()).public_key(),
        P256.public_key(),
    ],
)
def test_a_key_of_another_kind_is_refused_as_such(
    key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey,
) -> None:
    pem = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    with pytest.raises(KeyInvalid) as caught:
        load_public_pem(pem)

    assert caught.value.code is Code.ALG


def test_p256_is_accepted_only_where_it_is_allowed() -> None:
    pem = public_pem(P256.public_key())

    assert algorithm(load_public_pem(pem, allow_p256=True)) == P256_SHA256
    assert algorithm(load_public_pem(PEM, allow_p256=True)) == P384_SHA384
    with pytest.raises(KeyInvalid, match="secp256r1"):
        load_public_pem(pem)


def test_a_curve_that_is_not_ours_has_no_algorithm() -> None:
    with pytest.raises(KeyInvalid) as caught:
        algorithm(ec.derive_private_key(7, ec.SECP521R1()).public_key())

    assert caught.value.code is Code.ALG


def test_openssl_computes_the_same_key_id(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(PEM)

    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(file), "-outform", "DER"],
        check=True,
        capture_output=True,
        timeout=30,
    ).stdout

    assert key_id(P384.public_key()) == hashlib.sha256(der).hexdigest()
    assert is_key_id(key_id(P384.public_key()))


@pytest.mark.parametrize("text", ["", "ab", "A" * 64, "g" * 64, "a" * 65, "a" * 64 + "\n"])
def test_only_64_lowercase_hex_digits_are_a_key_id(text: str) -> None:
    assert not is_key_id(text)


def test_the_signature_of_rfc_6979_is_good() -> None:
    key = ec.derive_private_key(RFC6979_X, ec.SECP384R1()).public_key()
    signature = encode_dss_signature(RFC6979_R, RFC6979_S)

    assert verify_signature(key, signature, b"sample")
    assert not verify_signature(key, signature, b"Sample")
    assert not verify_signature(P384.public_key(), signature, b"sample")


def test_p256_signs_with_sha256_and_nothing_else() -> None:
    good = P256.sign(b"m", ec.ECDSA(hashes.SHA256()))
    other = P256.sign(b"m", ec.ECDSA(hashes.SHA384()))

    assert verify_signature(P256.public_key(), good, b"m")
    assert not verify_signature(P256.public_key(), other, b"m")


def test_p384_signs_with_sha384_and_nothing_else() -> None:
    assert not verify_signature(P384.public_key(), P384.sign(b"m", ec.ECDSA(hashes.SHA256())), b"m")


def _integer(value: int, *, padding: bytes = b"") -> bytes:
    body = padding + value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(body)]) + body


def _sequence(body: bytes) -> bytes:
    return b"\x30" + bytes([len(body)]) + body


def test_another_spelling_of_a_good_signature_is_refused() -> None:
    key = ec.derive_private_key(RFC6979_X, ec.SECP384R1()).public_key()
    r, s = _integer(RFC6979_R), _integer(RFC6979_S)
    good = _sequence(r + s)
    assert verify_signature(key, good, b"sample")

    for bad in (
        _sequence(_integer(RFC6979_R, padding=b"\x00") + s),  # not minimal
        _sequence(r + _integer(RFC6979_S, padding=b"\x00")),
        b"\x30\x81" + good[1:],  # length in two bytes where one does
        b"\x30\x80" + r + s + b"\x00\x00",  # indefinite length (BER)
        good + b"\x00",
        _sequence(r + s + b"\x05\x00"),
        _sequence(r),
        b"",
        b"\x30\x00",
        good + b"\x00" * 200,
        RFC6979_R.to_bytes(48, "big") + RFC6979_S.to_bytes(48, "big"),  # IEEE P1363
        _sequence(b"\x02\x30" + RFC6979_R.to_bytes(48, "big") + s),  # r negative
        _sequence(b"\x02\x01\x00" + s),  # r zero
    ):
        assert not verify_signature(key, bad, b"sample"), bad.hex()


def test_the_twin_of_a_signature_holds_as_the_docstring_says() -> None:
    order = int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
        "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    )
    r, s = decode_dss_signature(P384.sign(b"m", ec.ECDSA(hashes.SHA384())))

    assert verify_signature(P384.public_key(), encode_dss_signature(r, order - s), b"m")


@given(st.data())
def test_no_byte_of_a_signature_can_be_changed(data: st.DataObject) -> None:
    signature = bytearray(encode_dss_signature(RFC6979_R, RFC6979_S))
    at = data.draw(st.integers(0, len(signature) - 1))
    signature[at] ^= data.draw(st.integers(1, 255))

    key = ec.derive_private_key(RFC6979_X, ec.SECP384R1()).public_key()
    assert not verify_signature(key, bytes(signature), b"sample")


@given(st.binary(max_size=400))
def test_any_bytes_are_a_key_or_our_error(data: bytes) -> None:
    with pytest.raises(KeyInvalid):
        load_public_pem(data)


@given(st.data())
def test_no_byte_of_a_key_can_be_changed_and_mean_the_same(data: st.DataObject) -> None:
    pem = bytearray(PEM)
    at = data.draw(st.integers(0, len(pem) - 1))
    pem[at] ^= data.draw(st.integers(1, 255))

    try:
        other = load_public_pem(bytes(pem))
    except KeyInvalid:
        return
    assert key_id(other) != key_id(P384.public_key())


def test_webcrypto_spells_a_signature_as_two_numbers_of_the_curves_length() -> None:
    key = P384.public_key()
    der = encode_dss_signature(1, 2)

    assert to_p1363(der, key) == (1).to_bytes(48, "big") + (2).to_bytes(48, "big")
    assert from_p1363(to_p1363(der, key), key) == der


@pytest.mark.parametrize("length", [0, 64, 95, 97])
def test_a_webcrypto_signature_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="96 bytes"):
        from_p1363(b"\x01" * length, P384.public_key())


@pytest.mark.parametrize("number", [0, 1 << 384])
def test_a_number_that_does_not_fit_the_curve_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        to_p1363(encode_dss_signature(1, number), P384.public_key())
