"""What is encrypted for some keys is opened by each of them, and by nothing else."""

import io
from collections.abc import Callable
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from snapshotter.formats.signatures import cms
from snapshotter.formats.signatures.cms import CmsInvalid, PrivateKey, Recipient
from tests.fuzzing import tries

KINDS: dict[str, Callable[[], PrivateKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 3072),
}
CONTENT = bytes(range(256)) * 40


@lru_cache
def key(kind: str) -> PrivateKey:
    return KINDS[kind]()


def recipient(kind: str) -> Recipient:
    return Recipient(key(kind).public_key())


def encrypted(*kinds: str, content: bytes = CONTENT, pieces: int = 3) -> bytes:
    out = io.BytesIO()
    size = len(content) // pieces + 1
    cms.write(
        (content[at : at + size] for at in range(0, len(content), size)),
        len(content),
        [recipient(kind) for kind in kinds],
        out.write,
    )
    return out.getvalue()


def decrypted(data: bytes, by: PrivateKey) -> bytes:
    out = io.BytesIO()
    cms.read(io.BytesIO(data), by, out.write)
    return out.getvalue()


def pem(public: object) -> str:
    assert isinstance(
        public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    )
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 65_500, 300_000])
def test_what_was_encrypted_comes_out(kind: str, length: int) -> None:
    content = bytes(length)

    assert decrypted(encrypted(kind, content=content), key(kind)) == content


def test_each_recipient_opens_it_and_is_named() -> None:
    data = encrypted(*KINDS)

    assert {decrypted(data, key(kind)) for kind in KINDS} == {CONTENT}
    assert set(cms.recipients_of(io.BytesIO(data))) == {recipient(kind).key_id for kind in KINDS}


def test_two_files_of_one_content_have_nothing_in_common() -> None:
    first, second = encrypted("p256"), encrypted("p256")

    assert first[-len(CONTENT) :] != second[-len(CONTENT) :]
    assert CONTENT[:256] not in first


@pytest.mark.parametrize("kind", KINDS)
def test_another_key_of_the_kind_does_not_open_it(kind: str) -> None:
    with pytest.raises(CmsInvalid, match="was not encrypted for this key"):
        decrypted(encrypted(kind), KINDS[kind]())


@settings(max_examples=tries(300), deadline=None)
@given(st.data(), st.sampled_from(list(KINDS)))
def test_a_changed_byte_is_noticed(data: st.DataObject, kind: str) -> None:
    whole = bytearray(_file(kind))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(CmsInvalid):
        decrypted(bytes(whole), key(kind))


@lru_cache
def _file(kind: str) -> bytes:
    return encrypted(kind, content=b"a short secret")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_or_goes_on_is_noticed(kind: str) -> None:
    whole = _file(kind)
    for cut in (whole[:at] for at in range(len(whole))):
        with pytest.raises(CmsInvalid):
            decrypted(cut, key(kind))
    with pytest.raises(CmsInvalid):
        decrypted(whole + b"\0", key(kind))


@given(st.binary(max_size=400))
@settings(max_examples=tries(200), deadline=None)
def test_bytes_that_are_no_such_file_raise_nothing_else(data: bytes) -> None:
    with pytest.raises(CmsInvalid):
        decrypted(data, key("p256"))


def test_a_file_beyond_the_limit_is_not_begun() -> None:
    with pytest.raises(ValueError, match="at most"):
        cms.write([], cms.MAX_CONTENT + 1, [recipient("p256")], lambda _: None)


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_content_of_another_length_than_said_ends_it(length: int) -> None:
    with pytest.raises(ValueError, match="does not have the stated length"):
        cms.write([CONTENT], length, [recipient("p256")], lambda _: None)


@pytest.mark.parametrize("count", [0, cms.MAX_RECIPIENTS + 1])
def test_nobody_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="recipients"):
        cms.write([], 0, [recipient("p256")] * count, lambda _: None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a public key"),
        ("ssh-ed25519 AAAA", "not a public key"),
        (pem(ed25519.Ed25519PrivateKey.generate().public_key()), "neither a key on"),
        (pem(ec.generate_private_key(ec.SECP256K1()).public_key()), "neither a key on"),
        (pem(rsa.generate_private_key(65537, 2048).public_key()), "3072"),
    ],
)
def test_keys_that_nothing_is_encrypted_for(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Recipient.from_pem(text)


def test_a_public_key_is_always_written_alike() -> None:
    text = pem(key("p384").public_key())

    assert Recipient.from_pem(f"\n{text}\r\n\n").pem == text
    assert Recipient.from_pem(text).key_id == recipient("p384").key_id


@pytest.mark.parametrize("passphrase", [None, b"open"])
def test_a_private_key_is_read_with_its_passphrase(passphrase: bytes | None) -> None:
    text = key("p256").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase)
        if passphrase
        else serialization.NoEncryption(),
    )

    again = cms.private_key(text, passphrase)

    assert decrypted(encrypted("p256"), again) == CONTENT
    with pytest.raises(ValueError, match=r".+"):
        cms.private_key(text, b"wrong")


def test_a_private_key_that_signs_alone_is_refused() -> None:
    text = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )

    with pytest.raises(ValueError, match="neither a key on"):
        cms.private_key(text, None)
