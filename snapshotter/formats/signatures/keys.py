"""
Read and write public keys, and check signatures; each has only one accepted encoding.

A key is PEM over a DER SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 7468 §13). A signature is a
DER ECDSA-Sig-Value (RFC 3279 §2.2.3). Both must re-encode to the bytes that were read: a reader
that accepts a second encoding lets anybody change the bytes of a bundle without changing its
verdict.

The curve decides the hash: P-384 with SHA-384, P-256 with SHA-256. Nothing in the input chooses an
algorithm.
"""

import hashlib
import re

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from snapshotter.errors import EvidenceInvalid
from snapshotter.model.finding import Code
from snapshotter.translation import tr

P384_SHA384 = "ecdsa-p384-sha384"
P256_SHA256 = "ecdsa-p256-sha256"

_MAX_PEM = 1024  # bytes; a P-384 key takes 215
_MAX_SIGNATURE = 128  # bytes; a P-384 signature takes at most 104
_KEY_ID = re.compile(r"[0-9a-f]{64}")
_HASHES: dict[str, tuple[str, type[hashes.SHA384] | type[hashes.SHA256]]] = {
    "secp384r1": (P384_SHA384, hashes.SHA384),
    "secp256r1": (P256_SHA256, hashes.SHA256),
}


class KeyInvalid(EvidenceInvalid):
    """
    A public key that is not spelled as it must be, or is not of a kind that we accept.

    Args:
        code: `KEY_MALFORMED` (not a key, or a second spelling of one) or `ALG` (another kind).
    """

    def __init__(self, code: Code, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


def load_public_pem(pem: bytes, *, allow_p256: bool = False) -> ec.EllipticCurvePublicKey:
    """
    Read exactly one public key, spelled as `public_pem` spells it.

    Args:
        allow_p256: Accept P-256 beside P-384; only a trust file may ask for it.

    Raises:
        KeyInvalid: Anything else, with the code that a finding names.
    """
    if len(pem) > _MAX_PEM:
        raise KeyInvalid(
            Code.KEY_MALFORMED,
            tr("the public key is longer than {max_pem} bytes", max_pem=_MAX_PEM),
        )
    try:
        key = serialization.load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise KeyInvalid(Code.ALG, tr("the kind of the public key is not accepted")) from error
    except ValueError as error:
        raise KeyInvalid(Code.KEY_MALFORMED, tr("the text is not a public key in PEM")) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise KeyInvalid(Code.ALG, tr("the public key is not an elliptic curve key"))
    accepted = (P384_SHA384, P256_SHA256) if allow_p256 else (P384_SHA384,)
    if _HASHES.get(key.curve.name, ("",))[0] not in accepted:
        raise KeyInvalid(
            Code.ALG,
            tr("the public key is on the curve {name}, which is not accepted", name=key.curve.name),
        )
    if public_pem(key) != pem:
        raise KeyInvalid(Code.KEY_MALFORMED, tr("the public key is not in its canonical encoding"))
    return key


def public_pem(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key as PEM SubjectPublicKeyInfo: uncompressed point, lines of 64, LF."""
    return public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(public_key: ec.EllipticCurvePublicKey) -> str:
    """Return SHA-256 hex of the DER SubjectPublicKeyInfo."""
    der = public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def is_key_id(text: str) -> bool:
    """Return whether `text` is spelled as a key id: 64 lowercase hex digits."""
    return _KEY_ID.fullmatch(text) is not None


def algorithm(public_key: ec.EllipticCurvePublicKey) -> str:
    """
    Return the name of what the key signs with, `P384_SHA384` or `P256_SHA256`.

    Raises:
        KeyInvalid: Another curve.
    """
    return _algorithm(public_key)[0]


def verify_signature(
    public_key: ec.EllipticCurvePublicKey, signature_der: bytes, message: bytes | memoryview
) -> bool:
    """
    Return whether the signature over `message` is this key's, strictly spelled.

    Besides the one spelling of a pair (r, s), ECDSA has for each signature a
    twin (r, n-s) that holds as well. It is accepted, because hardware makes
    either; a timestamp token over the signature's bytes tells them apart.

    Raises:
        KeyInvalid: The key's curve is not one of ours.
    """
    hash_type = _algorithm(public_key)[1]
    if len(signature_der) > _MAX_SIGNATURE:
        return False
    try:
        # The library's own parser is strict today; this line does not depend on it.
        if encode_dss_signature(*decode_dss_signature(signature_der)) != signature_der:
            return False
        public_key.verify(signature_der, message, ec.ECDSA(hash_type()))
    except (InvalidSignature, ValueError):
        return False
    return True


def to_p1363(signature_der: bytes, public_key: ec.EllipticCurvePublicKey) -> bytes:
    """
    Return a signature as WebCrypto spells it: r and s (IEEE P1363), each as long as the curve.

    Raises:
        ValueError: Not an ECDSA-Sig-Value, or too large for the key's curve.
    """
    size = (public_key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(signature_der)
    if not (0 < r < 1 << (8 * size) and 0 < s < 1 << (8 * size)):
        raise ValueError("the signature does not fit the curve of the key")
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def from_p1363(signature: bytes, public_key: ec.EllipticCurvePublicKey) -> bytes:
    """
    Return as DER a signature that is spelled r and s (IEEE P1363).

    Raises:
        ValueError: Not exactly twice as long as the key's curve.
    """
    size = (public_key.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise ValueError(f"the signature must have {2 * size} bytes, but has {len(signature)}")
    return encode_dss_signature(
        int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    )


def _algorithm(
    public_key: ec.EllipticCurvePublicKey,
) -> tuple[str, type[hashes.SHA384] | type[hashes.SHA256]]:
    try:
        return _HASHES[public_key.curve.name]
    except KeyError:
        raise KeyInvalid(
            Code.ALG,
            tr(
                "the public key is on the curve {name}, which is not accepted",
                name=public_key.curve.name,
            ),
        ) from None
