"""
Call one S3 bucket: return its answers as values, and translate errors into those of the project.

`S3Store` and `BucketLocks` call the bucket through this module. boto3 is imported when the first
`S3Bucket` is built, so that commands that use no bucket do not load it.
"""

import contextlib
import errno
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from snapshotter.errors import ServiceUnavailable, SnapshotterError, StoreFull
from snapshotter.formats.bundle.store_keys import check_key, is_key
from snapshotter.store import location
from snapshotter.store.response_guard import ResponseGuard, StoreSilent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_GUARDED = "snapshotter_guard"  # in the context of a call of botocore
_REDIRECTS = (301, 302, 303, 307, 308)
# What reading an answer raises that lacks a field, or has a number or a time that is none.
_ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


_BUSY = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests",
    "RequestTimeout", "InternalError", "ServiceUnavailable", "BadDigest", "IncompleteBody",
}  # fmt: skip
_REFUSALS = {
    "AccessDenied": ("refuses access", "check the rights of these credentials: s3:PutObject,"
        " s3:GetObject, s3:ListBucket, and s3:PutObjectRetention for retention (docs/howto/s3.md)"),
    "AllAccessDisabled": ("refuses access", "ask the operator of the S3 server: the account or "
                                            "the bucket is disabled"),
    "NoSuchBucket": ("has no bucket with this name", "create the bucket (with Object Lock, if you "
        "want retention), or check its name"),
    "InvalidAccessKeyId": ("rejects the access key as unknown", "check the access key "
                           "(AWS_ACCESS_KEY_ID or the profile)"),
    "SignatureDoesNotMatch": ("refuses the signature", "check the secret key"),
    "InvalidToken": ("refuses the session token", "renew the credentials"),
    "ExpiredToken": ("reports that the credentials have expired", "renew the credentials"),
    "RequestTimeTooSkewed": (
        "reports that the clock of this machine is wrong",
        "set the clock of this machine",
    ),
    "PermanentRedirect": ("keeps the bucket in another region",
                          "set the region to the region of the bucket"),
    "Redirect": ("redirects to another address, and redirects are not followed", "set the"
        " address of the server itself (SNAPSHOTTER_S3_ENDPOINT) and the bucket's region"),
    "AuthorizationHeaderMalformed": ("requires a region that differs from the configured "
                                     "region", "set the region to the region of the bucket"),
    "IllegalLocationConstraintException": ("requires a region that differs from the configured "
                                           "region", "set the region to the region of the bucket"),
    "QuotaExceeded": ("has no space left within the quota of the bucket",
                      "raise the quota of the bucket"),
    "EntityTooLarge": ("does not accept an object of this size", "raise the server's limit"),
    "InvalidRequest": ("refuses the request", "retention needs a bucket that was created with"
        " Object Lock; test the bucket:\n  snapshotter store check"),
    "ObjectLockConfigurationNotFoundError": ("has no Object Lock on this bucket", "create a bucket "
        "with Object Lock; see docs/howto/s3.md"),
    "InvalidRetentionPeriod": ("refuses the retention period", "use a retention that ends in the "
                                                               "future"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The result of one raw call."""

    code: str  # "" when it was done, else the server's word for why not
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Credentials:
    """An access key; appears in no message."""

    access_key_id: str
    secret_access_key: str = field(repr=False)


class S3Bucket:
    """
    One bucket, on AWS or a service with the same protocol, and one client for it.

    One instance holds one client, whose connections all threads share; it does
    not survive a fork.

    Args:
        credentials: None: boto3 finds some (environment, profile, instance role).
        prefix: Put before every key, without "/" at its ends.
        endpoint_url: Empty for AWS. With one, the bucket is named in the path.
        connect_timeout_s: Seconds; a call has at most `attempts` of them, and pauses
            of a few seconds between.
        read_timeout_s: Seconds without a byte.
        guard: Refuses calls while the bucket does not answer; None: each call waits.

    Raises:
        ValueError: An invalid name or endpoint.
        SnapshotterError: boto3 is not installed, or finds no credentials it can use.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint_url: str = "",
        region: str = "",
        credentials: S3Credentials | None = None,
        connect_timeout_s: float = 5.0,
        read_timeout_s: float = 30.0,
        attempts: int = 3,
        guard: ResponseGuard | None = None,
    ) -> None:
        place = location.s3_location(bucket, prefix)
        parts = urlsplit(endpoint_url)
        if endpoint_url and (parts.scheme not in ("http", "https") or "@" in parts.netloc):
            raise ValueError("an endpoint must be http(s)://host[:port], without credentials")
        self.name, self.prefix = place.bucket, place.prefix
        try:
            import boto3
            import botocore.exceptions
            from botocore.config import Config
        except ImportError as error:
            raise SnapshotterError(
                tr("boto3 is not installed"),
                hint=tr(
                    "install snapshotter with S3 support from its wheel, which `make dist` builds "
                    'in the clone:\n  pip install "$(echo dist/*.whl)[s3]"'
                ),
            ) from error
        self.errors = botocore.exceptions
        with self.translated(""):
            session = boto3.session.Session(
                aws_access_key_id=credentials.access_key_id if credentials else None,
                aws_secret_access_key=credentials.secret_access_key if credentials else None,
                region_name=region or None,
            )
            self.client: S3Client = session.client(
                "s3",
                endpoint_url=endpoint_url or None,
                # A server of one's own has no regions, and signing needs a name.
                region_name=region or session.region_name or "us-east-1",
                config=Config(
                    s3={"addressing_style": "path" if endpoint_url else "auto"},
                    connect_timeout=connect_timeout_s,
                    read_timeout=read_timeout_s,
                    retries={"mode": "standard", "total_max_attempts": attempts},
                    tcp_keepalive=True,
                    # We give the SHA-256 ourselves, and check what we read elsewhere.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        # botocore asks where a bucket went by a HEAD of it, and follows the answer to that in the
        # same way: an endpoint that redirects everything would be asked until Python gives up. No
        # redirect of an endpoint that the user named is followed; of AWS, that HEAD is not.
        calls = "before-call.s3" if endpoint_url else "before-call.s3.HeadBucket"
        self.client.meta.events.register(calls, _follow_no_redirect)
        self._guard = guard
        if guard is not None:
            events, tokens = self.client.meta.events, _GuardedCalls(guard)
            # Last: after a handler that raises, nothing would end the call.
            events.register_last("before-call.s3", tokens.begin)
            # Before the handlers of single operations, which raise if an answer lacks a field.
            events.register("after-call.s3.*", tokens.end_answered)
            events.register("after-call-error.s3", tokens.end_failed)

    @property
    def url(self) -> str:
        """`s3://bucket/prefix`; the endpoint is configuration, not a name."""
        return f"s3://{self.name}" + (f"/{self.prefix}" if self.prefix else "")

    def full_key(self, key: str) -> str:
        """Return a key with the prefix of the bucket. Raises ValueError if it is too long."""
        check_key(key)
        return check_key(f"{self.prefix}/{key}") if self.prefix else key

    def attempt(self, operation: str, key: str = "", **arguments: Any) -> CallResult:
        """
        Make one raw call on the bucket, and return a refusal as a value.

        Args:
            operation: boto3's name: "put_object".
            key: Given as `Key`, under the prefix.

        Raises:
            ServiceUnavailable: No answer, or the server says that it is busy.
        """
        if key:
            arguments["Key"] = self.full_key(key)
        try:
            answer = getattr(self.client, operation)(Bucket=self.name, **arguments)
        except self.errors.ClientError as error:
            if _is_busy(error.response) and code_of(error.response) != "BadDigest":
                raise self._translated(error, key) from error
            return CallResult(code=code_of(error.response), answer=error.response)
        except self.errors.BotoCoreError as error:
            raise self._translated(error, key) from error
        except StoreSilent as error:
            raise self._silent(key) from error
        except _ODD as error:
            raise self.not_s3(key) from error
        return CallResult(code="", answer=answer)

    def key_of(self, name: str) -> str:
        """Return a key without the prefix of the bucket; "" if it is outside of it."""
        key = name.removeprefix(f"{self.prefix}/") if self.prefix else name
        return key if is_key(key) else ""

    def refuse(self, attempt: CallResult, key: str) -> NoReturn:
        """Raise the SnapshotterError that a refused `attempt` on a key means."""
        raise self._refusal(attempt.code, status_of(attempt.answer), f" ({key})" if key else "")

    def head(self, name: str, key: str, version: str) -> Mapping[str, Any]:
        with self.translated(key):
            try:
                answer: Mapping[str, Any] = self.client.head_object(
                    Bucket=self.name, Key=name, ChecksumMode="ENABLED", **version_argument(version)
                )
                if answer["ContentLength"] < 0 or not answer["ETag"]:
                    raise self.not_s3(key)
                return answer
            except self.errors.ClientError as error:
                if status_of(error.response) != 404:
                    raise
            # A HEAD has no body to say what is missing. A mistyped bucket must not
            # look like evidence that is not there.
            try:
                self.client.head_bucket(Bucket=self.name)
            except self.errors.ClientError as error:
                if status_of(error.response) == 404:
                    self._refuse("NoSuchBucket", error)
                if status_of(error.response) != 403:  # no right to ask: keep to the first answer
                    raise
        raise FileNotFoundError(errno.ENOENT, tr("the object does not exist"), key)

    @contextlib.contextmanager
    def reading_body(self) -> Iterator[None]:
        """Read a part of an answer, which counts as a call of its own."""
        with self._guard.call() if self._guard is not None else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def translated(self, key: str) -> Iterator[None]:
        """Translate the errors of boto3 into those of the contract."""
        try:
            yield
        except StoreSilent as error:
            raise self._silent(key) from error
        except (self.errors.BotoCoreError, self.errors.ClientError) as error:
            raise self._translated(error, key) from error
        except _ODD as error:
            raise self.not_s3(key) from error

    def not_s3(self, key: str) -> SnapshotterError:
        """Return the error for an answer that no S3 server gives, such as a gateway's page."""
        about = f" ({key})" if key else ""
        return SnapshotterError(
            tr(
                "{url} returned an answer that is not an S3 answer{about}",
                url=self.url,
                about=about,
            ),
            hint=tr("check the endpoint: a gateway or a proxy may have answered"),
        )

    def _translated(self, error: Exception, key: str) -> SnapshotterError:
        # None of botocore's messages is repeated: some hold the signed address or
        # the access key.
        about = f" ({key})" if key else ""
        if isinstance(error, self.errors.ClientError):
            code, status = code_of(error.response), status_of(error.response)
            if _is_busy(error.response):
                return ServiceUnavailable(
                    tr(
                        "{url} could not answer: {code}{about}",
                        url=self.url,
                        code=code or status,
                        about=about,
                    ),
                    hint=tr("try again; data that was already written is kept"),
                )
            return self._refusal(code, status, about)
        names = self.errors
        if isinstance(error, names.NoCredentialsError | names.PartialCredentialsError):
            return SnapshotterError(
                tr("no credentials for S3 were found"),
                hint=tr("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"),
            )
        if isinstance(error, names.ProfileNotFound):
            return SnapshotterError(
                tr("the profile of S3 credentials does not exist"),
                hint=tr("check the name of the profile and the file ~/.aws/config"),
            )
        if isinstance(error, names.SSLError):
            return SnapshotterError(
                tr("the certificate of {url} is not trusted", url=self.url),
                hint=tr(
                    "set AWS_CA_BUNDLE to the file of the certificate authority that "
                    "issued this certificate"
                ),
            )
        if isinstance(error, names.InvalidRegionError):
            return self._refusal("Redirect", 301, about)
        broken = (names.HTTPClientError, names.ConnectionError, names.IncompleteReadError)
        if isinstance(error, broken):
            return self._silent(key)
        return SnapshotterError(
            tr(
                "{url} cannot be used: {name}{about}",
                url=self.url,
                name=type(error).__name__,
                about=about,
            ),
            hint=tr("check the endpoint, the region and the credentials"),
        )

    def _silent(self, key: str) -> ServiceUnavailable:
        about = f" ({key})" if key else ""
        return ServiceUnavailable(
            tr("{url} does not answer{about}", url=self.url, about=about),
            hint=tr("check the endpoint, then try again"),
        )

    def _refusal(self, code: str, status: int, about: str) -> SnapshotterError:
        if code in ("403", "") and status == 403:
            code = "AccessDenied"
        if code not in _REFUSALS and status in _REDIRECTS:
            code = "Redirect"
        what, hint = _REFUSALS.get(code, (f"refuses the request: {code or status}", ""))
        kind = StoreFull if code == "QuotaExceeded" else SnapshotterError
        return kind(f"{self.url} {what}{about}", hint=hint)

    def _refuse(self, code: str, error: Exception) -> NoReturn:
        what, hint = _REFUSALS[code]
        raise SnapshotterError(f"{self.url} {what}", hint=hint) from error


class _GuardedCalls:
    """Tells a guard of the begin and the end of each call of a client of botocore."""

    def __init__(self, guard: ResponseGuard) -> None:
        self._guard = guard

    def begin(self, *, context: dict[str, Any], **_: object) -> None:
        context[_GUARDED] = self._guard.begin()

    def end_answered(self, *, context: dict[str, Any], **_: object) -> None:
        self._guard.end(context.pop(_GUARDED), answered=True)

    def end_failed(self, *, context: dict[str, Any], **_: object) -> None:
        self._guard.end(context.pop(_GUARDED), answered=False)


def version_argument(version: str) -> dict[str, Any]:
    return {"VersionId": version} if version else {}


def _follow_no_redirect(*, context: dict[str, Any], **_: object) -> None:
    """Mark the redirect of a request as followed, so that botocore does not follow it."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def status_of(answer: Mapping[str, Any]) -> int:
    status: int = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status


def code_of(answer: Mapping[str, Any]) -> str:
    return str(answer.get("Error", {}).get("Code", ""))


def _is_busy(answer: Mapping[str, Any]) -> bool:
    status = status_of(answer)
    # 501: the server does not have this call, and will not have it the next time.
    return (status >= 500 and status != 501) or status in (408, 429) or code_of(answer) in _BUSY
