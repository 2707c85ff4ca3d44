"""The derived WACZ files: a pure function of the rest, and a signature with one spelling."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import wacz
from snapshotter.formats.digest import digest_bytes
from snapshotter.seal.signer import FileSigner

SIGNER = FileSigner(ec.derive_private_key(21, ec.SECP384R1()))
DIGESTS = digest_bytes(b"a datapackage")
TEXT = wacz.hash_text(DIGESTS)
RECORD: dict[str, Any] = {
    "bundle_id": "id",
    "sealed_at": "2026-01-02T03:04:05Z",
    "software": "a test",
    "what": {"final_url": "http://a/b", "requested_url": "http://a/", "title": ""},
    "when": {"started_at": "2026-01-02T03:04:00Z"},
}


def test_a_datapackage_names_every_file_but_the_derived_ones() -> None:
    members = {
        name: digest_bytes(name.encode())
        for name in ("capture/B.txt", "archive/data.warc.gz", "datapackage.json")
    }

    package = json.loads(wacz.datapackage(RECORD, members))

    assert package["wacz_version"] == "1.1.1"
    assert package["title"] == "http://a/b"  # a page without a title is named by its address
    assert [(resource["path"], resource["name"]) for resource in package["resources"]] == [
        ("archive/data.warc.gz", "data.warc.gz"),
        ("capture/B.txt", "b.txt"),
    ]


@pytest.mark.parametrize("missing", ["what", "when", "software", "sealed_at", "bundle_id"])
def test_a_record_that_lacks_something_gives_no_datapackage(missing: str) -> None:
    with pytest.raises(EvidenceInvalid):
        wacz.datapackage({key: value for key, value in RECORD.items() if key != missing}, {})


def _signature() -> bytes:
    return wacz.canonical_signature(SIGNER.public_key, SIGNER.sign_wacz_hash(TEXT.encode()))


def test_a_signature_holds_in_one_of_its_two_spellings() -> None:
    signature = _signature()
    order = wacz._ORDERS["secp384r1"]
    twin = signature[:48] + (order - int.from_bytes(signature[48:], "big")).to_bytes(48, "big")

    assert wacz.signature_holds(SIGNER.public_key, signature, TEXT)
    assert not wacz.signature_holds(SIGNER.public_key, twin, TEXT)
    assert wacz.canonical_signature(SIGNER.public_key, twin) == signature
    assert wacz.canonical_signature(SIGNER.public_key, signature) == signature


@pytest.mark.parametrize("bad", [b"", bytes(96), b"\xff" * 96, bytes(95), bytes(97)])
def test_what_is_no_signature_does_not_hold(bad: bytes) -> None:
    assert not wacz.signature_holds(SIGNER.public_key, bad, TEXT)


def test_a_signature_over_something_else_does_not_hold() -> None:
    assert not wacz.signature_holds(SIGNER.public_key, _signature(), "sha256:" + "0" * 64)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=["p256", "p384"])
def test_the_order_of_each_curve_is_the_right_one(curve: ec.EllipticCurve) -> None:
    """n - 1 is the largest private key there is: n itself is refused."""
    order = wacz._ORDERS[curve.name]

    assert ec.derive_private_key(order - 1, curve).private_numbers().private_value == order - 1
    with pytest.raises(ValueError, match=r"."):
        ec.derive_private_key(order, curve)


def test_a_digest_file_gives_its_signature_back() -> None:
    signature = _signature()
    data = wacz.digest_file(
        DIGESTS, created="c", software="s", public_key=SIGNER.public_key, signature=signature
    )

    assert wacz.signature_in(data) == signature
    assert wacz.signature_in(wacz.digest_file(DIGESTS, created="c", software="s")) is None


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"signedData": None},
        {"signedData": {}},
        {"signedData": dict.fromkeys(["created", "hash", "publicKey", "software"], "")},
        {"signedData": {**dict.fromkeys(wacz._SIGNED_KEYS, ""), "signature": "*"}},
        {"signedData": {**dict.fromkeys(wacz._SIGNED_KEYS, ""), "signature": 1}},
        {"signedData": {**dict.fromkeys(wacz._SIGNED_KEYS, ""), "signature": "ü"}},
        {"signedData": {**dict.fromkeys(wacz._SIGNED_KEYS, ""), "more": ""}},
    ],
)
def test_what_is_no_digest_file_is_refused(value: Any) -> None:
    with pytest.raises(EvidenceInvalid):
        wacz.signature_in(canonical_json.dumps(value))


def test_the_public_key_stands_there_as_der() -> None:
    data = wacz.digest_file(
        DIGESTS, created="c", software="s", public_key=SIGNER.public_key, signature=_signature()
    )

    assert base64.b64decode(json.loads(data)["signedData"]["publicKey"])[:2] == b"\x30\x76"
