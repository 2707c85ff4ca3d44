"""
Sign with a key that a key service or a token holds (`ExternalSigner`, for the port `Signer`).

The service or token signs a digest, and its signature is checked with the public key before it is
used. `kms.py` and `pkcs11.py` provide the functions that call the service or the token.
"""

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.signatures.keys import key_id, public_pem, verify_signature
from snapshotter.translation import tr


class ExternalSigner:
    """
    Sign with a key that never leaves its holder (the port `Signer`).

    Args:
        where: The holder, for error messages.
        sign_digest: Returns the holder's signature (DER) over a SHA-384 digest of 48 bytes.

    Raises:
        SnapshotterError: The key is not on P-384.
    """

    def __init__(
        self,
        where: str,
        public_key: ec.EllipticCurvePublicKey,
        sign_digest: Callable[[bytes], bytes],
    ) -> None:
        if not isinstance(public_key.curve, ec.SECP384R1):
            raise SnapshotterError(
                tr("the key in {where} is not on the curve P-384", where=where),
                hint=tr("create a key for ECDSA on P-384 (ECC_NIST_P384, secp384r1)"),
            )
        self._where = where
        self._public_key = public_key
        self._sign_digest = sign_digest

    @property
    def key_id(self) -> str:
        """SHA-256 hex of the DER SubjectPublicKeyInfo."""
        return key_id(self._public_key)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public key as a value."""
        return self._public_key

    @property
    def public_key_pem(self) -> bytes:
        """The public key, PEM SubjectPublicKeyInfo."""
        return public_pem(self._public_key)

    @property
    def in_software(self) -> bool:
        """False: a second signature costs a request, and some holders refuse SHA-256 with P-384."""
        return False

    def sign(self, message: bytes) -> bytes:
        """Return the signature over SHA-384 of `message`, DER. Raises what the port raises."""
        signature = self._sign_digest(hashlib.sha384(message).digest())
        if not verify_signature(self._public_key, signature, message):
            raise ServiceUnavailable(
                tr("{where} returned a signature that is not valid", where=self._where),
                hint=tr("check whether the key was replaced:\n  snapshotter keys list"),
            )
        return signature

    def sign_wacz_hash(self, hash_text: bytes) -> bytes:
        """Never called: `in_software` is False."""
        raise ValueError("a key of a key service or token cannot make a WACZ signature")
