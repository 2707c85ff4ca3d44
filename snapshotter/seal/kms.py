"""
Open a key in AWS KMS, or in a service with the same protocol, and sign with it.

The service receives a digest and not the signed content. The operator configures it, like the
store, so its traffic does not pass the egress guard (docs/adr/0014). Besides
`store/s3_bucket.py` this is the only module that imports boto3.

    GetPublicKey   once: curve, use and algorithm of the key
    Sign           for each signature: MessageType DIGEST, ECDSA_SHA_384
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.signatures.key_reference import KmsReference
from snapshotter.seal.external_key import ExternalSigner
from snapshotter.translation import tr

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_CONNECT_S = 5.0
_READ_S = 10.0
_ATTEMPTS = 3  # so that a signature takes less than a minute, or fails
_ALGORITHM = "ECDSA_SHA_384"

_BUSY = {
    "ThrottlingException", "Throttling", "LimitExceededException", "DependencyTimeoutException",
    "KMSInternalException", "KeyUnavailableException", "InternalFailure", "ServiceUnavailable",
    "RequestTimeout",
}  # fmt: skip
_REFUSALS = {
    "AccessDeniedException": (
        "denies access to the key", "allow kms:GetPublicKey and kms:Sign on the key to these "
        "credentials"),
    "NotFoundException": ("does not have the key", "check the name and the region of the key"),
    "DisabledException": ("has disabled the key", "enable the key, or sign with another key"),
    "KMSInvalidStateException": (
        "has the key, but the key is not ready for use",
        "check whether the deletion of the key is scheduled, and cancel the deletion"),
    "InvalidKeyUsageException": (
        "has a key that is not for signing", "create a key with SIGN_VERIFY and ECC_NIST_P384"),
    "UnsupportedOperationException": (
        "has a key of a kind that does not support this operation",
        "create a key with SIGN_VERIFY and ECC_NIST_P384"),
    "UnrecognizedClientException": (
        "rejects the access key as unknown", "check which access key the AWS credentials contain"),
    "InvalidSignatureException": (
        "rejects the credentials", "check the secret key, and the clock of this machine"),
    "ExpiredTokenException": (
        "rejects the credentials, because they have expired", "renew the credentials"),
}  # fmt: skip


def open_kms(reference: KmsReference) -> ExternalSigner:
    """
    Return a signer for the key.

    Raises:
        ServiceUnavailable: The service did not answer.
        SnapshotterError: No such key, another kind of key, no right, or boto3 is missing.
    """
    where = tr("the key service ({key})", key=reference.key)
    client, errors = _client(reference)

    def call(name: str, **more: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(client, name)(KeyId=reference.key, **more)
        except errors.ClientError as error:
            raise _translated(where, error) from error
        except errors.NoCredentialsError as error:
            raise SnapshotterError(
                tr("{where} requires credentials, but no credentials were found", where=where),
                hint=tr(
                    "provide credentials as for the AWS command line: the environment variable "
                    "AWS_PROFILE, a profile, or a role"
                ),
            ) from error
        except errors.BotoCoreError as error:
            raise ServiceUnavailable(
                tr("{where} did not answer: {error}", where=where, error=error),
                hint=tr("check the network and the region"),
            ) from error
        return answer

    facts = call("get_public_key")
    if facts.get("KeyUsage") != "SIGN_VERIFY" or _ALGORITHM not in facts["SigningAlgorithms"]:
        raise SnapshotterError(
            tr("{where} does not sign with {algorithm}", where=where, algorithm=_ALGORITHM),
            hint=tr("create a key with SIGN_VERIFY and ECC_NIST_P384"),
        )
    public_key = load_der_public_key(facts["PublicKey"])
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise SnapshotterError(tr("the key in {where} is not on the curve P-384", where=where))

    def sign_digest(digest: bytes) -> bytes:
        answer = call("sign", Message=digest, MessageType="DIGEST", SigningAlgorithm=_ALGORITHM)
        signature: bytes = answer["Signature"]
        return signature

    return ExternalSigner(where, public_key, sign_digest)


def _client(reference: KmsReference) -> tuple[KMSClient, Any]:
    try:
        import boto3
        import botocore.exceptions
        from botocore.config import Config
    except ImportError as error:
        raise SnapshotterError(
            tr("boto3 is not installed"),
            hint=tr("install the extra:\n  pip install 'snapshotter[kms]'"),
        ) from error
    try:
        client = boto3.session.Session().client(
            "kms",
            region_name=reference.region or None,
            endpoint_url=reference.endpoint or None,
            config=Config(
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ),
        )
    except botocore.exceptions.NoRegionError as error:
        raise SnapshotterError(
            tr("the region of the key service is not known"),
            hint=tr("add ?region=… to the reference of the key"),
        ) from error
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise SnapshotterError(
            tr("the key service cannot be used: {error}", error=error)
        ) from error
    return client, botocore.exceptions


def _translated(where: str, error: Any) -> SnapshotterError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _BUSY or status >= 500:
        return ServiceUnavailable(
            tr("{where} is busy: {code}", where=where, code=code), hint=tr("try again later")
        )
    what, hint = _REFUSALS.get(
        code, (f"rejects the request: {code}", "see the log of the key service")
    )
    return SnapshotterError(f"{where} {what}", hint=hint)
