"""Where the verifier finds what stands beside a bundle on disk: late tokens, the trust file."""

from datetime import datetime
from pathlib import Path

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.verify.trust import Trust, load_trust

_MAX_TOKENS = 9
_MAX_TOKEN_BYTES = 1 << 16
_MAX_TRUST_BYTES = 4 << 20


def late_tokens_beside(bundle: Path) -> tuple[bytes, ...]:
    """
    Return the late tokens that stand beside a bundle: `<bundle>.late-01.tsr` and so on.

    A sidecar that is too long to be a token is cut short, and then is none.

    Raises:
        SnapshotterError: A sidecar that can not be read.
    """
    tokens: list[bytes] = []
    for number in range(1, _MAX_TOKENS + 1):
        sidecar = bundle.with_name(f"{bundle.name}.late-{number:02}.tsr")
        if sidecar.exists():
            tokens.append(_first(sidecar, _MAX_TOKEN_BYTES + 1))
    return tuple(tokens)


def read_trust(path: Path, *, pinned_root: str, now: datetime, minimum_version: int = 0) -> Trust:
    """
    Read a trust file and the signature beside it.

    Args:
        minimum_version: The newest version seen so far: an older one is refused.

    Raises:
        SnapshotterError: It is not there, too long, not signed by the pinned key, or expired.
    """
    signature = path.with_name(f"{path.name}.sig")
    try:
        return load_trust(
            _read(path, _MAX_TRUST_BYTES),
            _read(signature, _MAX_TOKEN_BYTES),
            pinned_root=pinned_root,
            now=now,
            minimum_version=minimum_version,
        )
    except EvidenceInvalid as error:
        # A bad trust file says nothing about any bundle: it must not end as FAILED.
        raise EvidenceUnverifiable(error.message, hint=error.hint) from error


def _read(path: Path, limit: int) -> bytes:
    data = _first(path, limit + 1)
    if len(data) > limit:
        raise SnapshotterError(f"{path} is longer than {limit} bytes")
    return data


def _first(path: Path, count: int) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except OSError as error:
        raise SnapshotterError(f"{path} can not be read: {error.strerror}") from error
