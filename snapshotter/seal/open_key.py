"""
Open a key in a key service or on a token by its reference, and test it with one signature.

`kms.py` and `pkcs11.py` import boto3 and python-pkcs11 only when a key is opened, so that
importing this module needs neither.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from snapshotter.formats.signatures.key_reference import KmsReference, parse

if TYPE_CHECKING:
    from snapshotter.seal.external_key import ExternalSigner

# Signed to see whether the key signs at all. Not the list of any bundle's files.
TRIAL = b"snapshotter: a trial of this key, and no statement about anything\n"


def open_external_key(text: str, *, ask: Callable[[], bytes] | None) -> "ExternalSigner":
    """
    Return a signer for the key that a reference names, after a test signature.

    A capture that cannot be signed is lost, so a failure must show before it begins.

    Args:
        ask: Returns a token's PIN, if the reference names no file with it.

    Raises:
        ServiceUnavailable: The holder did not answer.
        SnapshotterError: No such key, no right to use it, or its library is not installed.
    """
    reference = parse(text)
    if isinstance(reference, KmsReference):
        from snapshotter.seal.kms import open_kms

        signer = open_kms(reference)
    else:
        from snapshotter.seal.pkcs11 import open_pkcs11

        signer = open_pkcs11(reference, ask=ask)
    signer.sign(TRIAL)
    return signer
