"""
Write the two WACZ files that are derived from the rest of a bundle, and check their signature.

`datapackage.json` is computed from the capture record and the digests of the members alone
(WACZ 1.1.1). The verifier computes it again and compares the bytes, so it cannot contain a forged
title or hide a resource. `datapackage-digest.json` adds the anonymous signature that replay
software expects (WACZ-auth 0.1.0).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle.names import DATAPACKAGE, DATAPACKAGE_DIGEST
from snapshotter.formats.signatures.keys import from_p1363
from snapshotter.model.digests import Digests
from snapshotter.translation import tr

_VERSION = "1.1.1"
# The orders of the groups (FIPS 186-4 sections D.1.2.3 and D.1.2.4).
_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
}
_SIGNED_KEYS = {"created", "hash", "publicKey", "signature", "software"}


def datapackage(record: Mapping[str, Any], members: Mapping[str, Digests]) -> bytes:
    """
    Return `datapackage.json`.

    Args:
        record: The capture record (`capture/capture.json`), parsed.
        members: Every member but the two derived ones, by name.

    Raises:
        EvidenceInvalid: The record lacks what a datapackage says.
    """
    try:
        what, when = record["what"], record["when"]
        url, final_url, title = what["requested_url"], what["final_url"], what["title"]
        started, sealed = when["started_at"], record["sealed_at"]
        software, bundle_id = record["software"], record["bundle_id"]
    except (KeyError, TypeError) as error:
        raise EvidenceInvalid(
            tr("a required field is missing in the capture record: {error}", error=error)
        ) from error
    return canonical_json.dumps(
        {
            "created": sealed,
            "description": f"Capture {bundle_id} of {url}",
            "mainPageDate": started,
            "mainPageUrl": final_url,
            "modified": sealed,
            "profile": "data-package",
            "resources": [
                {
                    "bytes": digests.length,
                    "hash": f"sha256:{digests.sha256}",
                    "name": name.rsplit("/", 1)[-1].lower(),
                    "path": name,
                }
                for name, digests in sorted(members.items())
                if name not in {DATAPACKAGE, DATAPACKAGE_DIGEST}
            ],
            "software": software,
            "title": title or final_url,
            "wacz_version": _VERSION,
        }
    )


def hash_text(datapackage_digests: Digests) -> str:
    """Return the text that a WACZ-auth signature is over."""
    return f"sha256:{datapackage_digests.sha256}"


def digest_file(
    datapackage_digests: Digests,
    *,
    created: str,
    software: str,
    public_key: ec.EllipticCurvePublicKey | None = None,
    signature: bytes = b"",
) -> bytes:
    """
    Return `datapackage-digest.json`.

    Args:
        public_key: Whose signature it is; None: no signature is added.
        signature: r ‖ s over SHA-256 of `hash_text` (96 bytes).
    """
    text = hash_text(datapackage_digests)
    result: dict[str, Any] = {"hash": text, "path": DATAPACKAGE}
    if public_key is not None:
        der = public_key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        result["signedData"] = {
            "created": created,
            "hash": text,
            "publicKey": base64.b64encode(der).decode("ascii"),
            "signature": base64.b64encode(signature).decode("ascii"),
            "software": software,
        }
    return canonical_json.dumps(result)


def signature_in(data: bytes) -> bytes | None:
    """
    Return the signature (r ‖ s) of a digest file, or None when it has none.

    Only that one value is read; that all else is as it must be is for the caller
    to check, by building the file again.

    Raises:
        EvidenceInvalid: Not a digest file.
    """
    value = canonical_json.loads(data)
    if not isinstance(value, dict):
        raise EvidenceInvalid(tr("the datapackage digest is not a JSON object"))
    if "signedData" not in value:
        return None
    signed = value["signedData"]
    if not isinstance(signed, dict) or set(signed) != _SIGNED_KEYS:
        raise EvidenceInvalid(
            tr("the signature in the datapackage digest does not have exactly the required fields")
        )
    try:
        return base64.b64decode(signed["signature"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise EvidenceInvalid(
            tr("the signature in the datapackage digest is not valid base64: {error}", error=error)
        ) from error


def canonical_signature(public_key: ec.EllipticCurvePublicKey, signature: bytes) -> bytes:
    """
    Return the one of a signature's two spellings that a bundle may hold.

    With (r, s) the pair (r, n - s) holds as well, and anybody can compute it.
    No token stands over this signature to tell the two apart, so that only the
    one with the smaller s is taken; those who replay a WACZ take either.

    Args:
        signature: r ‖ s (IEEE P1363).
    """
    order = _ORDERS.get(public_key.curve.name)
    half = len(signature) // 2
    s = int.from_bytes(signature[half:], "big")
    if order is None or not 0 < s < order:
        return signature  # it holds in neither spelling
    return signature[:half] + min(s, order - s).to_bytes(half, "big")


def signature_holds(public_key: ec.EllipticCurvePublicKey, signature: bytes, text: str) -> bool:
    """Whether r ‖ s is this key's signature over SHA-256 of `text`, in its one spelling."""
    try:
        der = from_p1363(signature, public_key)
        if canonical_signature(public_key, signature) != signature:
            return False
        public_key.verify(der, text.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
