"""The sealed bundle as values: its members, its signature, its tokens, where it is stored."""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from snapshotter.model.digests import Digests


class TokenState(enum.StrEnum):
    """What became of one authority's timestamp token."""

    GRANTED = "granted"  # verified, and inside the bundle or its sidecar
    PENDING = "pending"  # the authority did not answer; `snapshotter timestamp` asks again
    REFUSED = "refused"  # it answered, and the answer was no good; it is asked again as well


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResult:
    """One authority's answer over one signature."""

    authority: str  # the name from the configuration
    state: TokenState
    time: datetime | None = None  # the token's own time
    detail: str = ""  # why there is no token
    response: bytes = b""  # the whole RFC 3161 TimeStampResp, DER
    # How far our clock is ahead of its, where that alone kept its token out of the bundle:
    # REFUSED, and not asked again by itself, for what is wrong is a clock.
    clock_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A sealed bundle, one file on disk, not yet stored."""

    id: str
    file: Path
    digests: Digests  # of the whole file
    key_id: str
    captured_at: datetime
    sealed_at: datetime
    signature: bytes  # DER, what the tokens are over
    tokens: tuple[TokenResult, ...]
    part_bytes: tuple[tuple[str, int], ...]  # member path, bytes as stored


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """What a store says of one object."""

    key: str
    length: int  # bytes
    sha256: str  # hex; "" when the store does not keep it
    version: str = ""  # S3 version id
    retain_until: datetime | None = None
    lock_mode: str = ""  # "GOVERNANCE", "COMPLIANCE" or ""
