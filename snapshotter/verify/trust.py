"""
Read and edit trust files: trusted keys, timestamp authorities, logs and requirements.

A trust file (`docs/spec/trust-file.md`) is signed by an offline root key, of which an auditor pins
the id. Without a trust file, a user's own keys are trusted (`own_trust`). Nothing inside a bundle
is ever trusted.

`load_trust` goes in this order, and the first step that fails ends it:

    (1) size, canonical JSON, an object of this format
    (2) its root key is the one that was pinned
    (3) the root key's signature over the exact bytes
    (4) every field, strictly
    (5) the version is not older than one seen before, nor another file of that version
    (6) it has not expired
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.proofs.leaf import TRUST, Leaf
from snapshotter.formats.proofs.note import LogPolicy, parse_verifier_key
from snapshotter.formats.proofs.rfc3161 import Anchor
from snapshotter.formats.signatures import keys
from snapshotter.model.finding import Code, Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FORMAT = "snapshotter-trust/1"
MAX_TRUST_BYTES = 4 << 20  # a thousand keys take less than one
MAX_SIGNATURE_BYTES = 128
_MAX_VALUES = 200_000  # as in a capture record

SUPERSEDED = "superseded"  # retired in good order: signatures proven to be older stay good
COMPROMISED = "compromised"  # somebody else may have had the key
FROM_THE_START = datetime(1970, 1, 1, tzinfo=UTC)  # a `not_before` that limits nothing

MAX_VERSION = (1 << 31) - 1  # one a second for 68 years
_MAX_KEYS = 1_000
_MAX_AUTHORITIES = 100
_MAX_WITNESSES = 16
_MAX_OIDS = 50
_MAX_REVOKED = 10_000
_MAX_TEXT = 200  # characters
_MAX_REQUIRED = 10
_MAX_SECONDS = 10 * 365 * 86_400
_MAX_CERTIFICATE = 16 << 10  # bytes of PEM
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,30}")
_SERIAL = re.compile(r"[1-9][0-9]{0,48}")  # decimal; at most 20 octets, RFC 5280 §4.1.2.2
# What has no form or steers a terminal. Not Cn, unassigned: that is a matter of a reader's age.
_NOT_SHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"})
_T = TypeVar("_T")
_REASONS = ("", SUPERSEDED, COMPROMISED)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key whose signatures count, and in which period."""

    key_id: str
    algorithm: str  # "ecdsa-p384-sha384" or "ecdsa-p256-sha256"
    public_key: ec.EllipticCurvePublicKey
    not_before: datetime  # the first good instant
    not_after: datetime | None  # the last good instant
    revoked_at: datetime | None  # the first instant that is no longer good
    revoked_reason: str  # "", "superseded" or "compromised"
    owner: str  # for a person

    def __post_init__(self) -> None:
        if self.key_id != keys.key_id(self.public_key):
            raise ValueError("a key id is not the id of its public key")
        if self.algorithm != keys.algorithm(self.public_key):
            raise ValueError("an algorithm is not the algorithm of its public key")
        if self.not_after is not None and self.not_after < self.not_before:
            raise ValueError("the period of a key ends before it begins")
        if self.revoked_reason not in _REASONS:
            raise ValueError(f"the reason of a revocation is {SUPERSEDED} or {COMPROMISED}")
        if (self.revoked_at is None) != (self.revoked_reason == ""):
            raise ValueError("a revoked key must have a time and a reason")
        if not _is_text(self.owner):
            raise ValueError(
                f"the name of an owner must be one line of 1 to {_MAX_TEXT} printable characters"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a bundle must have to be PASSED, whatever its record requires."""

    signatures: int = 1  # good ones, by different keys
    timestamps: int = 1  # good tokens, by different authorities
    log: bool = False  # a proof that the bundle is in the log

    def __post_init__(self) -> None:
        if not 1 <= self.signatures <= _MAX_REQUIRED:
            raise ValueError(f"the number of required signatures must be from 1 to {_MAX_REQUIRED}")
        if not 0 <= self.timestamps <= _MAX_REQUIRED:
            raise ValueError(f"the number of required timestamps must be from 0 to {_MAX_REQUIRED}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The keys, authorities and logs by which a bundle is judged, and the requirements."""

    source: str  # describes the trust file in reports
    keys: tuple[TrustedKey, ...]
    authorities: tuple[Anchor, ...]
    require: Requirements = Requirements()
    max_skew: timedelta = timedelta(minutes=5)  # between two clocks
    max_lag: timedelta = timedelta(days=7)  # from sealing to the token
    expires: datetime | None = None
    version: int | None = None  # None: not from a trust file
    log: LogPolicy | None = None  # the trusted log; None: none
    sha256: str = ""  # of trust.json, hex; "": not from a trust file

    @property
    def seen(self) -> "SeenVersion | None":
        """The version to remember of the trust file; None without a trust file."""
        return (
            None if self.version is None else SeenVersion(version=self.version, sha256=self.sha256)
        )

    def key(self, key_id: str) -> TrustedKey | None:
        """Return the trusted key of an id, or None."""
        return next((key for key in self.keys if key.key_id == key_id), None)


def judge_key(trusted: TrustedKey, proven: datetime | None) -> tuple[Verdict, Code, str]:
    """
    Judge whether a signature by a known key counts, by its proven time.

    A token proves that a signature existed by then, and not when it was made
    (`docs/spec/trust-file.md`, "Judging a key"). So FAILED means that a rule was certainly
    broken, or that the owner of a compromised key declared void every signature that is not
    proven to be older. INDETERMINATE means that the signature may have been made in time, and
    that this is not proven.

    Args:
        proven: The time of the earliest good token; None if there is none.
    """
    revoked_at = trusted.revoked_at
    if revoked_at is not None and (proven is None or proven >= revoked_at):
        if trusted.revoked_reason == COMPROMISED:
            return (
                Verdict.FAILED,
                Code.KEY_REVOKED,
                tr(
                    "the key was compromised at {at}, and no timestamp token proves that the "
                    "signature is older",
                    at=_at(revoked_at),
                ),
            )
        return (
            Verdict.INDETERMINATE,
            Code.KEY_REVOKED,
            tr(
                "the key was retired at {at}, and no timestamp token proves that the "
                "signature is older",
                at=_at(revoked_at),
            ),
        )
    if proven is not None and proven < trusted.not_before:
        return (
            Verdict.FAILED,
            Code.KEY_PERIOD,
            tr(
                "the signature existed at {at}, but the validity period of the key began later, "
                "at {at2}",
                at=_at(proven),
                at2=_at(trusted.not_before),
            ),
        )
    if trusted.not_after is not None and (proven is None or proven > trusted.not_after):
        return (
            Verdict.INDETERMINATE,
            Code.KEY_PERIOD,
            tr(
                "the validity period of the key ended at {at}, and no timestamp token proves "
                "that the signature is older",
                at=_at(trusted.not_after),
            ),
        )
    if proven is None:
        return (
            Verdict.PASSED,
            Code.OK,
            tr("the key of {owner} is trusted and is not revoked", owner=trusted.owner),
        )
    return (
        Verdict.PASSED,
        Code.OK,
        tr("the key of {owner} was valid at the proven time", owner=trusted.owner),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVersion:
    """A version of a trust file that was accepted before; an older one is refused later."""

    version: int
    sha256: str = ""  # of trust.json, hex; "" when only the number was kept

    @classmethod
    def of(cls, document: "TrustDocument") -> "SeenVersion":
        """Return the version to remember of a trust file that was accepted."""
        return cls(version=document.version, sha256=hashlib.sha256(document.encode()).hexdigest())

    def check(self, later: "SeenVersion") -> None:
        """
        Check that a version may follow the one that was seen before.

        Raises:
            EvidenceInvalid: It is older, or two different files have one version.
        """
        if later.version < self.version:
            raise EvidenceInvalid(
                tr(
                    "the trust file has version {version}, but version {version2} was seen before",
                    version=later.version,
                    version2=self.version,
                ),
                hint=tr(
                    "ask the owner for the newest version, because an older version can hide "
                    "a revocation"
                ),
            )
        if later.version == self.version and self.sha256 not in {"", later.sha256}:
            raise EvidenceInvalid(
                tr(
                    "another trust file of version {version} was seen before (SHA-256 "
                    "{sha256}…); the owner has signed both files",
                    version=later.version,
                    sha256=self.sha256[:16],
                ),
                hint=tr(
                    "ask the owner which of the two files is right, and ask for a newer version"
                ),
            )


def own_trust(
    public_keys: Iterable[ec.EllipticCurvePublicKey],
    authorities: Iterable[Anchor],
    *,
    require: Requirements = Requirements(),
    revoked: Mapping[str, tuple[datetime, str]] = MappingProxyType({}),
) -> Trust:
    """
    Return the trust of a user who verifies their own bundles without a trust file.

    Args:
        revoked: The keys that must not sign any more, by id: since when, and why.
    """
    distinct = {keys.key_id(key): key for key in public_keys}
    known = [
        trusted_key(key, owner="the person who verifies") for _, key in sorted(distinct.items())
    ]
    for number, key in enumerate(known):
        if key.key_id in revoked:
            at, reason = revoked[key.key_id]
            known[number] = replace(key, revoked_at=at, revoked_reason=reason)
    return Trust(
        source=tr("the keys of your settings, without a trust file"),
        keys=tuple(known),
        authorities=tuple(authorities),
        require=require,
    )


def trusted_key(
    public_key: ec.EllipticCurvePublicKey,
    *,
    owner: str,
    not_before: datetime = FROM_THE_START,
    not_after: datetime | None = None,
) -> TrustedKey:
    """
    Return a key that is not revoked, with id and algorithm computed from it.

    Raises:
        ValueError: The period ends before it begins, or the owner is not a line of text.
        KeyInvalid: The key is on a curve that is not supported.
    """
    return TrustedKey(
        key_id=keys.key_id(public_key),
        algorithm=keys.algorithm(public_key),
        public_key=public_key,
        not_before=not_before,
        not_after=not_after,
        revoked_at=None,
        revoked_reason="",
        owner=owner,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustDocument:
    """
    One version of a trust file, as its owner edits it. Signing it is not done here.

    Every edit returns the next version. Versions only increase, so that nobody who has seen one
    accepts an older one in its place.
    """

    version: int
    root: ec.EllipticCurvePublicKey  # signs trust files, and nothing else
    expires: datetime | None = None
    keys: tuple[TrustedKey, ...] = ()  # sorted by key id
    authorities: tuple[Anchor, ...] = ()  # sorted by name
    require: Requirements = Requirements()
    max_skew: timedelta = timedelta(minutes=5)
    max_lag: timedelta = timedelta(days=7)
    log: LogPolicy | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.version <= MAX_VERSION:
            raise ValueError(f"a version must be a number from 1 to {MAX_VERSION}")
        if keys.algorithm(self.root) != keys.P384_SHA384:
            raise ValueError("a root key must be on the curve P-384")
        ids = [key.key_id for key in self.keys]
        names = [anchor.name for anchor in self.authorities]
        if ids != sorted(set(ids)) or names != sorted(set(names)):
            raise ValueError(
                "keys and timestamp authorities must be sorted, and each must be named once"
            )
        if len(ids) > _MAX_KEYS or len(names) > _MAX_AUTHORITIES:
            raise ValueError(
                f"the file has more than {_MAX_KEYS} keys or {_MAX_AUTHORITIES} timestamp "
                "authorities"
            )
        if self.root_key_id in ids:
            raise ValueError("the root key signs trust files and cannot sign bundles")
        for anchor in self.authorities:
            _check_anchor(anchor)
        if len({anchor.witness for anchor in self.authorities}) != len(names):
            raise ValueError(
                "the root certificate of one timestamp authority has two names, so that it would "
                "count twice"
            )
        if self.log is not None:
            _check_log(self.log)
        if self.require.log and self.log is None:
            raise ValueError("a log proof is required, but the file names no log")
        for duration in (self.max_skew, self.max_lag):
            if not 0 <= duration.total_seconds() <= _MAX_SECONDS or duration.microseconds:
                raise ValueError("a tolerance must be a whole number of seconds, at most ten years")

    @property
    def root_key_id(self) -> str:
        """The one fingerprint that an auditor pins."""
        return keys.key_id(self.root)

    @property
    def leaf(self) -> Leaf:
        """The leaf of this version in the log, which shows that it was published."""
        return Leaf(kind=TRUST, name=str(self.version), sha256=SeenVersion.of(self).sha256)

    @classmethod
    def new(
        cls,
        root: ec.EllipticCurvePublicKey,
        *,
        expires: datetime | None = None,
        require: Requirements = Requirements(),
    ) -> "TrustDocument":
        """Return version 1, which trusts nobody yet."""
        return cls(version=1, root=root, expires=expires, require=require)

    def with_key(self, key: TrustedKey) -> "TrustDocument":
        """
        Return the next version, with a further key.

        Raises:
            SnapshotterError: The key is there already, or is the root key.
        """
        if any(key.key_id == other.key_id for other in self.keys):
            raise SnapshotterError(
                tr("the trust file already contains the key {key_id}", key_id=key.key_id)
            )
        if key.key_id == self.root_key_id:
            raise SnapshotterError(
                tr("the root key signs trust files and cannot sign bundles"),
                hint=tr("make a key for bundles:\n  snapshotter keys init"),
            )
        return self._next(keys=tuple(sorted((*self.keys, key), key=lambda key: key.key_id)))

    def with_key_revoked(self, key_id: str, *, at: datetime, reason: str) -> "TrustDocument":
        """
        Return the next version, in which a key is revoked from `at` on.

        A revocation can become stricter and never milder: a retired key may turn out to be
        compromised, and the instant may move back.

        Raises:
            SnapshotterError: The file does not have the key, or it is revoked from an earlier time.
        """
        for key in self.keys:
            if key.key_id != key_id:
                continue
            if key.revoked_reason == COMPROMISED and reason != COMPROMISED:
                raise SnapshotterError(
                    tr(
                        "the key {key_id} is already revoked as {compromised}",
                        key_id=key_id,
                        compromised=COMPROMISED,
                    )
                )
            if key.revoked_at is not None and at > key.revoked_at:
                raise SnapshotterError(
                    tr(
                        "the key {key_id} is already revoked from {at} on",
                        key_id=key_id,
                        at=_at(key.revoked_at),
                    ),
                    hint=tr(
                        "give the time of the revocation or an earlier time, because a "
                        "revocation cannot move to a later time"
                    ),
                )
            revoked = replace(key, revoked_at=at, revoked_reason=reason)
            return self._next(keys=tuple(revoked if other is key else other for other in self.keys))
        raise SnapshotterError(
            tr("the trust file does not contain the key {key_id}", key_id=key_id)
        )

    def with_authority(self, anchor: Anchor, *, replacing: bool = False) -> "TrustDocument":
        """
        Return the next version, with a further timestamp authority.

        Args:
            replacing: Replace the authority of the same name.

        Raises:
            SnapshotterError: The name exists already, or (when replacing) does not exist.
        """
        others = tuple(other for other in self.authorities if other.name != anchor.name)
        if replacing is (len(others) == len(self.authorities)):
            state = "not in" if replacing else "already in"
            raise SnapshotterError(
                tr(
                    "a timestamp authority named {name!r} is {state} the trust file",
                    name=anchor.name,
                    state=state,
                )
            )
        return self._next(
            authorities=tuple(sorted((*others, anchor), key=lambda anchor: anchor.name))
        )

    def with_expiry(self, expires: datetime | None) -> "TrustDocument":
        """Return the next version, with another expiry or none."""
        return self._next(expires=expires)

    def with_key_replaced(
        self, old_key_id: str, new: TrustedKey, *, at: datetime
    ) -> "TrustDocument":
        """
        Return the next version, in which a new key follows one that is retired from `at` on.

        Raises:
            SnapshotterError: As `with_key` and `with_key_revoked` do.
        """
        both = self.with_key(new).with_key_revoked(old_key_id, at=at, reason=SUPERSEDED)
        return replace(both, version=self.version + 1)

    def encode(self) -> bytes:
        """Return the bytes of `trust.json`, which is what the root key signs."""
        return canonical_json.dumps(
            {
                "expires": _instant_or_null(self.expires),
                "format": FORMAT,
                "keys": [_encode_key(key) for key in self.keys],
                "log": None if self.log is None else _encode_log(self.log),
                "max_lag_s": round(self.max_lag.total_seconds()),
                "max_skew_s": round(self.max_skew.total_seconds()),
                "require": {
                    "log": self.require.log,
                    "signatures": self.require.signatures,
                    "timestamps": self.require.timestamps,
                },
                "root_key": keys.public_pem(self.root).decode("ascii"),
                "tsa": [_encode_anchor(anchor) for anchor in self.authorities],
                "version": self.version,
            }
        )

    def with_log(self, log: LogPolicy | None) -> "TrustDocument":
        """
        Return the next version, which trusts this log and its witnesses, or no log.

        Raises:
            SnapshotterError: A log proof is required, and no log would be left.
        """
        if log is None and self.require.log:
            raise SnapshotterError(
                tr(
                    "the trust file requires a log proof for every bundle, but after this change "
                    "the trust file would name no log"
                ),
                hint=tr(
                    "remove the requirement first:\n  snapshotter trust bump FILE --no-require-log"
                ),
            )
        if log is not None:
            log = replace(
                log, witnesses=tuple(sorted(log.witnesses, key=lambda witness: witness.text))
            )
        return self._next(log=log)

    def bumped(
        self,
        *,
        version: int | None = None,
        expires: datetime | Literal["same"] | None = "same",
        require: Requirements | None = None,
    ) -> "TrustDocument":
        """
        Return a later version: the next one, or the one that is given.

        Raises:
            SnapshotterError: That version is not later, or there is no later one, or a log
                proof is required and no log is named.
        """
        number = self.version + 1 if version is None else version
        if number <= self.version:
            raise SnapshotterError(
                tr(
                    "version {number} is not higher than version {version} of the trust file; a "
                    "new version must be higher",
                    number=number,
                    version=self.version,
                )
            )
        required = require or self.require
        if required.log and self.log is None:
            raise SnapshotterError(
                tr("a log proof is required, but the trust file names no log"),
                hint=tr(
                    "add the log to the trust file first:\n  snapshotter trust set-log FILE "
                    "VERIFIER-KEY"
                ),
            )
        return replace(
            self._next(),
            version=self._checked(number),
            expires=self.expires if expires == "same" else expires,
            require=required,
        )

    def _next(self, **changes: Any) -> "TrustDocument":
        return replace(self, version=self._checked(self.version + 1), **changes)

    @staticmethod
    def _checked(version: int) -> int:
        if version > MAX_VERSION:
            raise SnapshotterError(
                tr(
                    "the version of a trust file cannot be higher than {max_version}",
                    max_version=MAX_VERSION,
                ),
                hint=tr(
                    "make a new trust file with a new root key, as docs/howto/rotate-keys.md "
                    "describes"
                ),
            )
        return version


def load_trust(
    trust_json: bytes,
    signature: bytes,
    *,
    pinned_root: str,
    now: datetime,
    seen: "SeenVersion | None" = None,
) -> Trust:
    """
    Verify a trust file, and return what it trusts.

    Args:
        signature: The bytes of `trust.json.sig`.
        pinned_root: The root key's id, from a channel that the caller trusts.
        now: The caller's clock, by which the expiry is judged.
        seen: The newest version that was seen before; None: none.

    Raises:
        EvidenceInvalid: Not signed by the pinned root, not a trust file, an older version, or
            another file of the version that was seen.
        EvidenceUnverifiable: It has expired.
        SnapshotterError: `pinned_root` is not a key id.
    """
    document = load_document(trust_json, signature, pinned_root=pinned_root)
    # (5) not older than what was seen
    if seen is not None:
        seen.check(SeenVersion.of(document))
    # (6) not expired
    if document.expires is not None and now > document.expires:
        raise EvidenceUnverifiable(
            tr(
                "version {version} of the trust file expired at {at}",
                version=document.version,
                at=_at(document.expires),
            ),
            hint=tr(
                "ask the owner of the trust file for a newer version; the bundle itself was not "
                "verified"
            ),
        )
    return Trust(
        source=tr(
            "trust file version {version}, signed by root key {root_key_id}",
            version=document.version,
            root_key_id=document.root_key_id,
        ),
        keys=document.keys,
        authorities=document.authorities,
        require=document.require,
        max_skew=document.max_skew,
        max_lag=document.max_lag,
        expires=document.expires,
        version=document.version,
        log=document.log,
        sha256=SeenVersion.of(document).sha256,
    )


def load_document(trust_json: bytes, signature: bytes, *, pinned_root: str) -> TrustDocument:
    """
    Read a trust file that the pinned root signed, even an expired one, to edit or to show it.

    Raises:
        EvidenceInvalid: Not signed by the pinned root, or not a trust file.
        SnapshotterError: `pinned_root` is not a key id.
    """
    check_pin(pinned_root)
    return _open(trust_json, signature, pinned_root)


def check_pin(pinned_root: str) -> None:
    """Raise SnapshotterError unless this has the form of a root key's id."""
    if not keys.is_key_id(pinned_root):
        raise SnapshotterError(
            tr("{pinned_root!r} is not the id of a root key", pinned_root=pinned_root),
            hint=tr("give the 64 digits (0-9, a-f) that snapshotter trust init printed"),
        )


def load_unpinned_document(trust_json: bytes, signature: bytes) -> TrustDocument:
    """
    Read a trust file that any root key signed, to show it. It proves nothing about its maker.

    Raises:
        EvidenceInvalid: Not signed by the root key that it names, or not a trust file.
    """
    return _open(trust_json, signature, None)


def _open(trust_json: bytes, signature: bytes, pinned_root: str | None) -> TrustDocument:
    try:
        # (1) what it is
        if len(trust_json) > MAX_TRUST_BYTES or len(signature) > MAX_SIGNATURE_BYTES:
            raise EvidenceInvalid(
                tr(
                    "the file is longer than {max_trust_bytes} bytes, or its signature is too long",
                    max_trust_bytes=MAX_TRUST_BYTES,
                )
            )
        document, root = _claims(trust_json)
        # (2) by whom it claims to be
        if pinned_root is not None and keys.key_id(root) != pinned_root:
            raise EvidenceInvalid(
                tr(
                    "the file is signed by the root key {key_id}, but the root key {pinned_root} "
                    "is expected",
                    key_id=keys.key_id(root),
                    pinned_root=pinned_root,
                ),
                hint=tr("ask the owner of the trust file for the key id, for example by telephone"),
            )
        # (3) by whom it is
        if not keys.verify_signature(root, signature, trust_json):
            raise EvidenceInvalid(
                tr("the signature is not valid"),
                hint=tr("get trust.json and trust.json.sig again, both from the same place"),
            )
        # (4) what it says
        return _document(document, root)
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            tr("trust file: {value}", value=error.message), hint=error.hint
        ) from error
    except ValueError as error:
        raise EvidenceInvalid(tr("trust file: {error}", error=error)) from error


def load_draft(data: bytes) -> TrustDocument:
    """
    Read an unsigned trust file, which a person may have edited, to sign it.

    Raises:
        EvidenceInvalid: It could not be signed as it is.
    """
    try:
        if len(data) > MAX_TRUST_BYTES:
            raise EvidenceInvalid(
                tr(
                    "the file is longer than {max_trust_bytes} bytes",
                    max_trust_bytes=MAX_TRUST_BYTES,
                )
            )
        return _document(*_claims(canonical_json.recode(data)))
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            tr("draft of a trust file: {value}", value=error.message), hint=error.hint
        ) from error
    except ValueError as error:
        raise EvidenceInvalid(tr("draft of a trust file: {error}", error=error)) from error


def _claims(trust_json: bytes) -> tuple["_Object", ec.EllipticCurvePublicKey]:
    """Return the fields of a trust file, and the root key that it names."""
    # Counted before it is parsed, because no signature covers these bytes yet.
    document = _Object(canonical_json.loads(trust_json, max_values=_MAX_VALUES), "the file")
    if document.take("format", str) != FORMAT:
        raise EvidenceInvalid(tr("the format is not {format}", format=FORMAT))
    return document, _public_key(document.take("root_key", str), allow_p256=False)


def _document(document: "_Object", root: ec.EllipticCurvePublicKey) -> TrustDocument:
    expires = document.take_instant_or_null("expires")
    require = document.take_object("require")
    requirements = Requirements(
        signatures=require.take("signatures", int),
        timestamps=require.take("timestamps", int),
        log=require.take("log", bool),
    )
    require.end()
    log = document.take_object_or_null("log")
    result = TrustDocument(
        version=document.take("version", int),
        root=root,
        expires=expires,
        keys=tuple(_decode_key(entry) for entry in document.take_objects("keys", _MAX_KEYS)),
        authorities=tuple(
            _decode_anchor(entry) for entry in document.take_objects("tsa", _MAX_AUTHORITIES)
        ),
        require=requirements,
        max_skew=_seconds(document.take("max_skew_s", int)),
        max_lag=_seconds(document.take("max_lag_s", int)),
        log=None if log is None else _decode_log(log),
    )
    document.end()
    return result


def _encode_key(key: TrustedKey) -> dict[str, Any]:
    revoked = None
    if key.revoked_at is not None:
        revoked = {"at": canonical_json.instant(key.revoked_at), "reason": key.revoked_reason}
    return {
        "alg": key.algorithm,
        "key_id": key.key_id,
        "not_after": _instant_or_null(key.not_after),
        "not_before": canonical_json.instant(key.not_before),
        "owner": key.owner,
        "public_key": keys.public_pem(key.public_key).decode("ascii"),
        "revoked": revoked,
    }


def _decode_key(entry: "_Object") -> TrustedKey:
    revoked = entry.take_object_or_null("revoked")
    revoked_at, reason = None, ""
    if revoked is not None:
        revoked_at, reason = revoked.take_instant("at"), revoked.take("reason", str)
        revoked.end()
    key = TrustedKey(
        key_id=entry.take("key_id", str),
        algorithm=entry.take("alg", str),
        public_key=_public_key(entry.take("public_key", str), allow_p256=True),
        not_before=entry.take_instant("not_before"),
        not_after=entry.take_instant_or_null("not_after"),
        revoked_at=revoked_at,
        revoked_reason=reason,
        owner=entry.take("owner", str),
    )
    entry.end()
    return key


def _encode_anchor(anchor: Anchor) -> dict[str, Any]:
    return {
        "name": anchor.name,
        "policy_oids": sorted(anchor.policy_oids),
        "revoked_serials": sorted(str(serial) for serial in anchor.revoked_serials),
        "root": anchor.root.public_bytes(Encoding.PEM).decode("ascii"),
    }


def _decode_anchor(entry: "_Object") -> Anchor:
    serials = entry.take_texts("revoked_serials", _MAX_REVOKED)
    if not all(_SERIAL.fullmatch(serial) for serial in serials):
        raise EvidenceInvalid(tr("a revoked serial number is not a decimal number"))
    anchor = Anchor(
        name=entry.take("name", str),
        root=_certificate(entry.take("root", str)),
        policy_oids=frozenset(entry.take_texts("policy_oids", _MAX_OIDS)),
        revoked_serials=frozenset(int(serial) for serial in serials),
    )
    entry.end()
    return anchor


def _encode_log(log: LogPolicy) -> dict[str, Any]:
    return {
        "quorum": log.quorum,
        "verifier_key": log.key.text,
        "witnesses": sorted(witness.text for witness in log.witnesses),
    }


def _decode_log(entry: "_Object") -> LogPolicy:
    log = LogPolicy(
        key=parse_verifier_key(entry.take("verifier_key", str)),
        witnesses=tuple(
            parse_verifier_key(text) for text in entry.take_texts("witnesses", _MAX_WITNESSES)
        ),
        quorum=entry.take("quorum", int),
    )
    entry.end()
    return log


def _check_log(log: LogPolicy) -> None:
    texts = [witness.text for witness in log.witnesses]
    if texts != sorted(texts) or len(texts) > _MAX_WITNESSES:
        raise ValueError(f"witnesses must be sorted, at most {_MAX_WITNESSES}")


def _check_anchor(anchor: Anchor) -> None:
    if not _is_text(anchor.name):
        raise ValueError(
            f"the name of a timestamp authority must be one line of 1 to {_MAX_TEXT} characters"
        )
    if not all(_OID.fullmatch(oid) for oid in anchor.policy_oids):
        raise ValueError(f"a policy of {anchor.name} is not an object identifier like 1.2.3")
    if not all(_SERIAL.fullmatch(str(serial)) for serial in anchor.revoked_serials):
        raise ValueError(f"a revoked serial number of {anchor.name} is out of range")
    if len(anchor.policy_oids) > _MAX_OIDS or len(anchor.revoked_serials) > _MAX_REVOKED:
        raise ValueError(f"{anchor.name} has too many policies or revoked serial numbers")


def _certificate(pem: str) -> x509.Certificate:
    if len(pem) > _MAX_CERTIFICATE:
        raise EvidenceInvalid(
            tr(
                "a certificate is longer than {max_certificate} bytes",
                max_certificate=_MAX_CERTIFICATE,
            )
        )
    certificate = x509.load_pem_x509_certificate(pem.encode("utf-8"))
    try:
        certificate.public_key()  # the witness of an authority is its public key
    except UnsupportedAlgorithm as error:
        raise ValueError(f"a root certificate has a key of an unknown kind: {error}") from error
    if certificate.public_bytes(Encoding.PEM) != pem.encode("utf-8"):
        raise EvidenceInvalid(tr("a certificate in the file is not in the required encoding"))
    return certificate


def _public_key(pem: str, *, allow_p256: bool) -> ec.EllipticCurvePublicKey:
    return keys.load_public_pem(pem.encode("utf-8"), allow_p256=allow_p256)


def _seconds(count: int) -> timedelta:
    if not 0 <= count <= _MAX_SECONDS:
        raise EvidenceInvalid(tr("max_skew_s or max_lag_s is out of range"))
    return timedelta(seconds=count)


def _is_text(text: str) -> bool:
    """Return whether a text is safe for a terminal: one line, no control characters."""
    return (
        0 < len(text) <= _MAX_TEXT
        and text == text.strip(" ")
        and all(
            character == " " or unicodedata.category(character) not in _NOT_SHOWN
            for character in text
        )
    )


def _instant_or_null(at: datetime | None) -> str | None:
    return None if at is None else canonical_json.instant(at)


def _at(at: datetime) -> str:
    return canonical_json.instant(at)


class _Object:
    """A JSON object whose fields are taken one by one; it must be empty at the end."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise EvidenceInvalid(tr("{what} is not a JSON object", what=what))
        self._fields: dict[str, Any] = dict(value)
        self._what = what

    def take_any(self, name: str) -> Any:
        if name not in self._fields:
            raise EvidenceInvalid(tr("{what} has no {name!r}", what=self._what, name=name))
        return self._fields.pop(name)

    def take(self, name: str, kind: type[_T]) -> _T:
        value = self.take_any(name)
        if type(value) is not kind:  # and not a subclass: True is no number here
            raise EvidenceInvalid(
                tr("{name!r} of {what} is not of the right type", name=name, what=self._what)
            )
        return value

    def take_instant(self, name: str) -> datetime:
        return canonical_json.parse_instant(self.take_any(name))

    def take_instant_or_null(self, name: str) -> datetime | None:
        value = self.take_any(name)
        return None if value is None else canonical_json.parse_instant(value)

    def take_object(self, name: str) -> "_Object":
        return _Object(self.take_any(name), repr(name))

    def take_object_or_null(self, name: str) -> "_Object | None":
        value = self.take_any(name)
        return None if value is None else _Object(value, repr(name))

    def take_objects(self, name: str, limit: int) -> list["_Object"]:
        return [
            _Object(value, tr("an entry of {name!r}", name=name))
            for value in self._take_list(name, limit)
        ]

    def take_texts(self, name: str, limit: int) -> list[str]:
        """Take a sorted list of distinct strings, so that a set has one encoding."""
        values = self._take_list(name, limit)
        if not all(isinstance(value, str) for value in values) or values != sorted(set(values)):
            raise EvidenceInvalid(
                tr(
                    "{name!r} of {what} is not a sorted list of texts without repetitions",
                    name=name,
                    what=self._what,
                )
            )
        return values

    def end(self) -> None:
        if self._fields:
            raise EvidenceInvalid(
                tr("{what} has an unknown field {min!r}", what=self._what, min=min(self._fields))
            )

    def _take_list(self, name: str, limit: int) -> list[Any]:
        values = self.take(name, list)
        if len(values) > limit:
            raise EvidenceInvalid(
                tr(
                    "{name!r} of {what} has more than {limit} entries",
                    name=name,
                    what=self._what,
                    limit=limit,
                )
            )
        return values
