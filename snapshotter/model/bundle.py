"""
Define the values of a bundle and of its stored object: signatures, tokens, retention, lock state.
"""

import enum
from datetime import UTC, datetime, timedelta
from pathlib import Path

from snapshotter.model.digests import FileDigest
from snapshotter.value_class import dataclass


class TokenState(enum.StrEnum):
    """The result of asking one authority for a timestamp token."""

    GRANTED = "granted"  # verified, and inside the bundle or its sidecar
    PENDING = "pending"  # the authority did not answer; `snapshotter timestamp` asks again
    REFUSED = "refused"  # it answered, and the answer was no good; it is asked again as well


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenResult:
    """One authority's answer for one signature."""

    authority: str  # the name from the configuration
    state: TokenState
    time: datetime | None = None  # the token's own time
    detail: str = ""  # why there is no token
    response: bytes = b""  # the whole RFC 3161 TimeStampResp, DER
    # How far our clock is ahead of its, where that alone kept its token out of the bundle:
    # REFUSED, and not asked again by itself, for what is wrong is a clock.
    clock_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One signature over a bundle's manifest, and the timestamp tokens over it."""

    key_id: str
    signature: bytes  # DER
    tokens: tuple[TokenResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A sealed bundle: one file on disk, not yet stored."""

    id: str
    file: Path
    digests: FileDigest
    key_id: str
    captured_at: datetime
    sealed_at: datetime
    signature: bytes  # DER, what the tokens are over
    tokens: tuple[TokenResult, ...]
    part_bytes: tuple[tuple[str, int], ...]  # member path, bytes as stored
    cosigned: tuple[Signed, ...] = ()  # by further keys, in the order of their slots

    @property
    def signatures(self) -> tuple[Signed, ...]:
        """All signatures, in the order of their slots."""
        first = Signed(key_id=self.key_id, signature=self.signature, tokens=self.tokens)
        return (first, *self.cosigned)


LOCK_MODES = ("GOVERNANCE", "COMPLIANCE")  # of S3 Object Lock, the weaker one first


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Until when an object is retained, and in which mode (S3 Object Lock)."""

    until: datetime  # aware; stores keep whole seconds
    mode: str = "GOVERNANCE"  # or "COMPLIANCE", which nobody can undo

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ValueError("the end of a retention has no time zone")
        if self.mode not in LOCK_MODES:
            raise ValueError(f"a lock mode is one of {', '.join(LOCK_MODES)}")

    @property
    def second(self) -> datetime:
        """The last second of the retention, in UTC, as stores keep it."""
        return self.until.astimezone(UTC).replace(microsecond=0)

    def covers(self, other: "Retention") -> bool:
        """Return whether an object under this retention is also under `other`."""
        firm = LOCK_MODES.index(self.mode) >= LOCK_MODES.index(other.mode)
        return firm and self.second >= other.second


@dataclass(frozen=True, slots=True, kw_only=True)
class LockState:
    """What protects one version of an object from deletion, as its store reports now."""

    retention: Retention | None = None  # None: there is none; one that ended may still be named
    legal_hold: bool = False
    # By the store itself, against everybody. False: a record that our own commands honour,
    # and whoever can write there need not.
    enforced: bool = False

    def holds(self, now: datetime) -> bool:
        """Return whether anything protects the version at this instant."""
        kept = self.retention is not None and self.retention.until > now
        return self.legal_hold or kept

    def in_words(self, now: datetime) -> str:
        """Describe what protects the version; "nothing" if nothing does."""
        said = []
        if self.legal_hold:
            said.append("a legal hold")
        if self.retention is not None and self.retention.until > now:
            said.append(
                f"retention until {self.retention.second:%Y-%m-%dT%H:%M:%SZ}"
                f" ({self.retention.mode})"
            )
        return " and ".join(said) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object as a store reports it."""

    key: str
    length: int  # bytes
    sha256: str  # hex; "" when the store does not keep it
    version: str = ""  # S3 version id; "" where there are none
    retain_until: datetime | None = None
    lock_mode: str = ""  # "GOVERNANCE", "COMPLIANCE" or ""
    legal_hold: bool = False

    @property
    def retention(self) -> Retention | None:
        """Its retention, or None."""
        if self.retain_until is None or self.lock_mode not in LOCK_MODES:
            return None
        return Retention(until=self.retain_until, mode=self.lock_mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectVersion:
    """One version of one key, as a store lists it."""

    key: str
    version: str  # as the store names it; "null" in a bucket that kept none then, "" without any
    current: bool  # the one that a reader gets who names none
    marker: bool = False  # a delete marker: no object, but the word that there is none
    length: int = 0  # bytes
