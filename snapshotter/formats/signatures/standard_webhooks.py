"""
Sign the bodies of webhooks, and make and read the secrets for that (Standard Webhooks 1.0).

    webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek
    webhook-timestamp: 1614265330
    webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=

The signature is symmetric: HMAC-SHA256 over `id.timestamp.body`, with the bytes of the body as
sent. Each attempt has the same id and a new timestamp, so a receiver can refuse old messages and
recognise repeated ones. While a secret is being replaced, there is one signature for each secret.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_LEAST, _MOST = 24, 64  # bytes of a secret
MAX_SECRETS: Final = 5  # of one receiver at once


def new_secret() -> str:
    """Return a secret from a cryptographic source, in the form in which both sides keep it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def parse_secrets(text: str) -> tuple[bytes, ...]:
    """
    Return the secrets in the lines of a file, the newest first; empty lines are nothing.

    Raises:
        SnapshotterError: There is none, there are more than five, or one is none. The
            message quotes nothing of it.
    """
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if not 1 <= len(lines) <= MAX_SECRETS:
        raise SnapshotterError(
            tr(
                "the file with the secrets of a webhook must have 1 to {max_secrets} lines, "
                "but has {count}",
                max_secrets=MAX_SECRETS,
                count=len(lines),
            ),
            hint=tr("make a file with a secret:\n  snapshotter notify secret FILE"),
        )
    return tuple(_key(line) for line in lines)


def sign(keys: Sequence[bytes], message_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """Return the three headers of one attempt to post `body`."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((message_id.encode("ascii"), seconds.encode("ascii"), body))
    signatures = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return {
        ID: message_id,
        TIMESTAMP: seconds,
        SIGNATURE: " ".join(
            f"{_VERSION},{base64.b64encode(signature).decode('ascii')}" for signature in signatures
        ),
    }


def _key(line: str) -> bytes:
    try:
        key = base64.b64decode(line.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST <= len(key) <= _MOST:
        raise SnapshotterError(
            tr(
                "a secret of a webhook must be the text {prefix} followed by {least} to {most} "
                "bytes in Base64",
                prefix=_PREFIX,
                least=_LEAST,
                most=_MOST,
            ),
            hint=tr("make a file with a secret:\n  snapshotter notify secret FILE"),
        )
    return key
