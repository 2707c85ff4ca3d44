"""References to keys that others hold: what is understood, and no secret in one."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshotter.errors import SnapshotterError
from snapshotter.formats.signatures.key_reference import (
    KmsReference,
    Pkcs11Reference,
    is_reference,
    parse,
)

ARN = "arn:aws:kms:eu-west-1:123456789012:key/1a2b3c4d-0000-1111-2222-333344445555"


@pytest.mark.parametrize(
    ("text", "key", "region", "endpoint"),
    [
        ("kms:alias/evidence", "alias/evidence", "", ""),
        ("kms:alias/evidence?region=eu-west-1", "alias/evidence", "eu-west-1", ""),
        (f"kms:{ARN}", ARN, "eu-west-1", ""),
        (f"kms:{ARN}?region=eu-west-1", ARN, "eu-west-1", ""),
        ("kms:1a2b?endpoint=http://127.0.0.1:4566", "1a2b", "", "http://127.0.0.1:4566"),
    ],
)
def test_a_key_of_a_key_service(text: str, key: str, region: str, endpoint: str) -> None:
    assert parse(text) == KmsReference(text=text, key=key, region=region, endpoint=endpoint)


def test_a_key_on_a_token_as_rfc_7512_spells_it() -> None:
    text = (
        "pkcs11:token=The%20token;serial=1a2b;manufacturer=M;model=X;object=my-key;id=%01%ff;"
        "type=private?module-path=/usr/lib/m.so&pin-source=file:/etc/pin"
    )

    assert parse(text) == Pkcs11Reference(
        text=text,
        module="/usr/lib/m.so",
        token="The token",
        serial="1a2b",
        manufacturer="M",
        model="X",
        label="my-key",
        id=b"\x01\xff",
        pin_file="/etc/pin",
    )


REGION = "is not valid, or differs from the region in the ARN of the key"
MODULE = "the key reference does not contain the absolute path of a PKCS#11 module"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kms:", "does not contain a valid name of a key of a key service"),
        ("kms:a b", "without spaces"),
        ("kms:a\nb", "one line"),
        ("kms:" + "a" * 3000, "one line"),
        ("kms:ä", "ASCII"),
        ("kms:x?profile=other", "'profile'|profile"),
        ("kms:x?region", "name=value"),
        ("kms:x?region=a&region=b", "given twice"),
        ("kms:x?region=EU%20West", REGION),
        (f"kms:{ARN}?region=us-east-1", REGION),
        ("kms:x?endpoint=ftp://h", "endpoint"),
        ("kms:x?endpoint=http://user:word@h", "endpoint"),
        ("pkcs11:object=k", MODULE),
        ("pkcs11:object=k?module-path=lib.so", MODULE),
        ("pkcs11:object=k?module-name=x&module-path=/m.so", "module-name"),
        ("pkcs11:token=t?module-path=/m.so", "no key on the token"),
        ("pkcs11:object=k;object=k?module-path=/m.so", "'object'"),
        ("pkcs11:object=k;slot-id=1?module-path=/m.so", "'slot-id'"),
        ("pkcs11:object=k;type=public?module-path=/m.so", "private"),
        ("pkcs11:object=k?module-path=/m.so&pin-source=pin", "absolute path"),
        ("pkcs11:object=%ff?module-path=/m.so", "UTF-8"),
        ("pkcs11:object?module-path=/m.so", "'object'"),
        ("file:key.pem", "not a key reference"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, message: str) -> None:
    with pytest.raises(SnapshotterError, match=message):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "pkcs11:object=k?module-path=/m.so&pin-value=271828",
        "pkcs11:object=k;pin-value=271828?module-path=/m.so",
    ],
)
def test_a_pin_in_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SnapshotterError, match="PIN") as caught:
        parse(text)

    assert "271828" not in caught.value.message + caught.value.hint
    assert "pin-source" in caught.value.hint


def test_names_of_keys_are_no_references() -> None:
    assert is_reference("kms:x")
    assert is_reference("pkcs11:object=x")
    assert not any(is_reference(text) for text in ("", "default", "kms", "0" * 64, "/etc/key.pem"))


@given(st.text(max_size=60), st.sampled_from(["kms:", "pkcs11:", ""]))
def test_any_text_is_a_reference_or_our_error(text: str, scheme: str) -> None:
    with contextlib.suppress(SnapshotterError):
        parse(scheme + text)
