"""Keys that a key service or a token holds: real modules, one port, and no secret in a line."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws
from moto.kms.utils import ECDSAPrivateKey

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import names
from snapshotter.formats.signatures.keys import verify_signature
from snapshotter.model.finding import Verdict
from snapshotter.ports import Signer
from snapshotter.seal import pkcs11 as adapter
from snapshotter.seal.external_key import ExternalSigner
from snapshotter.seal.open_key import open_external_key
from snapshotter.seal.signer import KeyDirectory
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Requirements, own_trust
from tests import bundles, softhsm
from tests.bundles import RealClock, unpack

REGION = "eu-central-1"


@pytest.fixture(scope="module")
def token(tokens: tuple[softhsm.Token, ...]) -> softhsm.Token:
    made = tokens[0]
    made.add_key("twice", id="02")
    made.add_key("twice", id="03")
    made.add_key("small", curve="secp256r1", id="04")
    return made


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a key service in this process, for what an operator does there."""

    def sign(self: ECDSAPrivateKey, message: bytes, signing_algorithm: str) -> bytes:
        # moto 5.2 hashes a message of the type DIGEST once more; AWS does not (Sign, MessageType).
        assert len(message) == 48
        key: ec.EllipticCurvePrivateKey = self.private_key
        return key.sign(message, ec.ECDSA(Prehashed(hashes.SHA384())))

    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ECDSAPrivateKey, "sign", sign)
    with mock_aws():
        yield boto3.session.Session().client("kms", region_name=REGION)


def _made(client: Any, *, alias: str = "", spec: str = "ECC_NIST_P384") -> str:
    arn: str = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec=spec)["KeyMetadata"]["Arn"]
    if alias:
        client.create_alias(AliasName=f"alias/{alias}", TargetKeyId=arn)
    return arn


def _nobody() -> bytes:
    raise AssertionError("asked for a PIN that a file holds")


# --- the port ------------------------------------------------------------------------------------


def _check_port(signer: Signer) -> None:
    """What every adapter promises."""
    for message in (b"", b"manifest", b"x" * 100_000):
        assert verify_signature(signer.public_key, signer.sign(message), message)
    der = signer.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(der).hexdigest() == signer.key_id
    assert b"BEGIN PUBLIC KEY" in signer.public_key_pem
    assert not signer.in_software
    with pytest.raises(ValueError, match="cannot make a WACZ signature"):
        signer.sign_wacz_hash(b"sha256:" + b"0" * 64)


def test_a_key_on_a_token_keeps_the_port(token: softhsm.Token) -> None:
    _check_port(open_external_key(token.reference(object="sealing"), ask=_nobody))


def test_a_key_in_a_key_service_keeps_the_port(kms: Any) -> None:
    arn = _made(kms, alias="evidence")

    _check_port(open_external_key(f"kms:{arn}", ask=None))
    by_alias = open_external_key(f"kms:alias/evidence?region={REGION}", ask=None)
    assert by_alias.key_id == open_external_key(f"kms:{arn}", ask=None).key_id


def test_many_signatures_of_a_token_are_in_their_one_spelling(token: softhsm.Token) -> None:
    """Half of all r and s have their first bit set, and some are short: DER spells each once."""
    signer = open_external_key(token.reference(object="sealing"), ask=_nobody)

    assert all(
        verify_signature(signer.public_key, signer.sign(bytes([number])), bytes([number]))
        for number in range(64)
    )


@pytest.mark.parametrize("kind", ["token", "service"])
def test_a_bundle_is_sealed_and_verified_with_a_held_key(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if kind == "token":
        token = request.getfixturevalue("token")
        held = open_external_key(token.reference(object="sealing"), ask=None)
    else:
        client = request.getfixturevalue("kms")
        held = open_external_key(f"kms:{_made(client)}", ask=None)
    other = bundles.new_signer()

    made = bundles.seal(
        tmp_path, signer=other, cosigners=[held], clock=RealClock(), require_timestamps=0
    )

    members = unpack(made.file.read_bytes())
    trust = own_trust(
        [other.public_key, held.public_key], [], require=Requirements(signatures=2, timestamps=0)
    )
    with made.file.open("rb") as stream:
        report = verify_bundle(io.BytesIO(stream.read()), trust, now=datetime.now(UTC))
    assert [signer["key_id"] for signer in bundles.record_of(members)["signers"]] == [
        other.key_id,
        held.key_id,
    ]
    assert names.signature(2) in members
    assert {
        finding.verdict for finding in report.findings if finding.check in {"signature", "key"}
    } == {Verdict.PASSED}


def test_an_answer_that_does_not_hold_is_not_taken() -> None:
    key, other = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP384R1())
    signer = ExternalSigner(
        "the service",
        key.public_key(),
        lambda digest: other.sign(digest, ec.ECDSA(Prehashed(hashes.SHA384()))),
    )

    with pytest.raises(ServiceUnavailable, match="is not valid"):
        signer.sign(b"manifest")


# --- tokens --------------------------------------------------------------------------------------


def test_the_pin_is_asked_for_where_no_file_holds_it(token: softhsm.Token) -> None:
    asked: list[int] = []

    def ask() -> bytes:
        asked.append(1)
        return softhsm.PIN.encode()

    signer = open_external_key(_without_pin(token), ask=ask)

    assert verify_signature(signer.public_key, signer.sign(b"x"), b"x")
    assert asked == [1]
    with pytest.raises(SnapshotterError, match="no terminal exists") as caught:
        open_external_key(_without_pin(token), ask=None)
    assert "pin-source" in caught.value.hint


def _without_pin(token: softhsm.Token) -> str:
    return token.reference(object="sealing").split("&", maxsplit=1)[0]


def test_a_pin_that_is_refused_is_tried_once(tokens: tuple[softhsm.Token, ...]) -> None:
    """On a token of its own: a process that is logged in to one is not asked again."""
    token = tokens[1]
    tries: list[int] = []

    def ask() -> bytes:
        tries.append(1)
        return b"0000"

    with pytest.raises(SnapshotterError, match="rejects the PIN") as caught:
        open_external_key(_without_pin(token), ask=ask)

    assert tries == [1]
    assert not isinstance(caught.value, ServiceUnavailable)
    assert "locks after a few wrong PINs" in caught.value.hint


def test_a_file_with_a_pin_is_for_its_owner_alone(token: softhsm.Token, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text(f"{softhsm.PIN}\n")
    pin.chmod(0o644)

    with pytest.raises(SnapshotterError, match="other users can open"):
        open_external_key(token.reference(f"pin-source={pin}", object="sealing"), ask=_nobody)


@pytest.mark.parametrize(
    ("attributes", "kind", "message"),
    [
        ({"object": "missing"}, SnapshotterError, "has 0 private"),
        ({"object": "twice"}, SnapshotterError, "has 2 private"),
        ({"object": "small"}, SnapshotterError, "is not on the curve P-384"),
        ({"object": "sealing", "id": "%02"}, SnapshotterError, "has 0 private"),
        ({"object": "sealing", "token": "other"}, ServiceUnavailable, "was not found"),
        ({"object": "sealing", "serial": "000"}, ServiceUnavailable, "was not found"),
        ({"object": "sealing", "model": "YubiKey"}, ServiceUnavailable, "was not found"),
    ],
)
def test_a_reference_to_no_single_key_is_refused(
    token: softhsm.Token, attributes: dict[str, str], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        open_external_key(token.reference(**attributes), ask=_nobody)


def test_two_keys_of_one_token_sign_beside_each_other(token: softhsm.Token) -> None:
    one, two = (
        open_external_key(token.reference(object=label, id=id_), ask=_nobody)
        for label, id_ in (("sealing", "%01"), ("twice", "%02"))
    )

    for _ in range(2):
        for signer in (one, two):
            assert verify_signature(signer.public_key, signer.sign(b"x"), b"x")


def test_keys_of_one_label_are_told_apart_by_their_ids(token: softhsm.Token) -> None:
    two, three = (
        open_external_key(token.reference(object="twice", id=f"%0{number}"), ask=_nobody)
        for number in (2, 3)
    )

    assert two.key_id != three.key_id
    assert (
        open_external_key(
            token.reference(id="%02", manufacturer="SoftHSM%20project"), ask=_nobody
        ).key_id
        == two.key_id
    )


def test_a_module_that_is_not_there_or_is_none_is_said(
    token: softhsm.Token, tmp_path: Path
) -> None:
    good = token.reference(object="sealing")
    (tmp_path / "none.so").write_bytes(b"no library")

    with pytest.raises(SnapshotterError, match=r"the PKCS#11 module /nonexistent\.so does not"):
        open_external_key(good.replace(token.module, "/nonexistent.so"), ask=_nobody)
    with pytest.raises(SnapshotterError, match="the token"):
        open_external_key(good.replace(token.module, str(tmp_path / "none.so")), ask=_nobody)


def test_a_key_that_is_taken_away_meanwhile_is_our_error(token: softhsm.Token) -> None:
    token.add_key("passing", id="09")
    signer = open_external_key(token.reference(object="passing"), ask=_nobody)
    token.remove_key("passing")

    with pytest.raises(SnapshotterError, match="token"):
        signer.sign(b"manifest")


def test_a_module_that_hangs_is_given_up_on() -> None:
    release = threading.Event()
    began = time.monotonic()

    with pytest.raises(ServiceUnavailable, match="did not answer within"):
        adapter._within(0.05, "the token", release.wait)

    release.set()
    assert time.monotonic() - began < 30


# --- a key service -------------------------------------------------------------------------------


def test_a_key_that_the_service_does_not_have_is_said(kms: Any) -> None:
    with pytest.raises(SnapshotterError, match="does not have the key") as caught:
        open_external_key(f"kms:alias/none?region={REGION}", ask=None)

    assert "region" in caught.value.hint


@pytest.mark.parametrize(
    ("spec", "use"),
    [
        ("ECC_NIST_P256", "SIGN_VERIFY"),
        ("RSA_2048", "SIGN_VERIFY"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ],
)
def test_a_key_of_another_kind_does_not_sign_bundles(kms: Any, spec: str, use: str) -> None:
    arn = kms.create_key(KeyUsage=use, KeySpec=spec)["KeyMetadata"]["Arn"]

    with pytest.raises(SnapshotterError) as caught:
        open_external_key(f"kms:{arn}", ask=None)

    assert not isinstance(caught.value, ServiceUnavailable)
    assert caught.value.hint


def _client_error(code: str, status: int = 400) -> botocore.exceptions.ClientError:
    return botocore.exceptions.ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Sign",
    )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (_client_error("AccessDeniedException"), SnapshotterError, "denies access to the key"),
        (_client_error("DisabledException"), SnapshotterError, "has disabled the key"),
        (_client_error("KMSInvalidStateException"), SnapshotterError, "not ready"),
        (_client_error("UnrecognizedClientException"), SnapshotterError, "access key"),
        (_client_error("SomethingNew"), SnapshotterError, "rejects the request: SomethingNew"),
        (_client_error("ThrottlingException"), ServiceUnavailable, "busy"),
        (_client_error("KMSInternalException", 500), ServiceUnavailable, "busy"),
        (_client_error("", 503), ServiceUnavailable, "busy"),
        (
            botocore.exceptions.EndpointConnectionError(endpoint_url="https://kms"),
            ServiceUnavailable,
            "did not answer",
        ),
        (
            botocore.exceptions.ReadTimeoutError(endpoint_url="https://kms"),
            ServiceUnavailable,
            "did not answer",
        ),
        (botocore.exceptions.NoCredentialsError(), SnapshotterError, "requires credentials"),
    ],
)
def test_what_a_key_service_answers_is_told_in_our_words(
    kms: Any,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    kind: type[SnapshotterError],
    message: str,
) -> None:
    signer = open_external_key(f"kms:{_made(kms)}", ask=None)

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", fail)
    with pytest.raises(SnapshotterError, match=message) as caught:
        signer.sign(b"manifest")

    assert type(caught.value) is kind
    assert caught.value.hint


def test_without_a_region_the_reference_is_named_as_what_lacks_it(kms: Any) -> None:
    with pytest.raises(
        SnapshotterError, match="the region of the key service is not known"
    ) as caught:
        open_external_key("kms:alias/evidence", ask=None)

    assert "region" in caught.value.hint


# --- in the key directory ------------------------------------------------------------------------


def test_a_held_key_has_a_name_and_another_key_in_its_place_is_refused(
    kms: Any, tmp_path: Path
) -> None:
    first, second = _made(kms, alias="evidence"), _made(kms)
    reference = f"kms:alias/evidence?region={REGION}"
    keys = KeyDirectory(tmp_path / "keys")
    held = open_external_key(reference, ask=None)
    stored = keys.add_held("court", reference, held.public_key)

    assert (stored.reference, stored.private_file, stored.key_id) == (reference, None, held.key_id)
    assert keys.list() == (stored,)
    assert keys.load("court").key_id == held.key_id == keys.load(held.key_id).key_id
    assert keys.export_public("court") == held.public_key_pem
    with pytest.raises(SnapshotterError, match="already contains"):
        keys.add_held("court", reference, held.public_key)
    with pytest.raises(SnapshotterError, match="already contains"):
        keys.create("court")

    kms.update_alias(AliasName="alias/evidence", TargetKeyId=second)
    with pytest.raises(SnapshotterError, match="but the key 'court' has the id") as caught:
        keys.load("court")
    assert not isinstance(caught.value, ServiceUnavailable)
    kms.update_alias(AliasName="alias/evidence", TargetKeyId=first)
    assert keys.load("court").key_id == held.key_id


def test_a_name_of_a_key_file_is_not_taken_by_a_held_key(tmp_path: Path) -> None:
    keys = KeyDirectory(tmp_path / "keys")
    stored = keys.create("default")
    assert stored.public_key is not None

    with pytest.raises(SnapshotterError, match="already contains"):
        keys.add_held("default", "kms:x", stored.public_key)

    assert not keys.find("default").reference
