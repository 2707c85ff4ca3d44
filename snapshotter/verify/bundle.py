"""
Verify one bundle: whether it is as it was sealed, by whom and when.

The steps have the numbers of docs/spec/bundle.md, "Verification", and of the second verifier
(`scripts/verify_minimal.py`). No page content is parsed, and the capture record is parsed only
after a signature over it was verified. The bundle is read in chunks, and only the bytes that were
digested are judged; it is read a second time only if a renewal needs its SHA-512. Nothing is read
from the network, and nothing in the bundle is trusted.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import (
    container,
    custody,
    custody_sidecars,
    manifest,
    names,
    openings,
    redactable,
    wacz,
)
from snapshotter.formats.bundle.container import ContainerInvalid, Contents, Member
from snapshotter.formats.canonical_json import MIN_YEAR, instant, parse_clock, parse_instant
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.proofs.note import SignedCheckpoint
from snapshotter.formats.proofs.rfc3161 import (
    Anchor,
    Token,
    TokenInvalid,
    check_by_any,
    is_token_over,
)
from snapshotter.formats.signatures import keys
from snapshotter.formats.tls import server_signature
from snapshotter.model.assessment import AssessmentSummary, StatedAssessment
from snapshotter.model.digests import Digests
from snapshotter.model.finding import (
    Code,
    Finding,
    RenewalFinding,
    Report,
    Verdict,
    Withheld,
    overall,
)
from snapshotter.model.verified_facts import QuotedCheckpoint, VerifiedFacts
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_record, record_consistency, renewal, server_signatures
from snapshotter.verify import log_proof as log_proofs
from snapshotter.verify.sidecars import NO_SIDECARS, Sidecars
from snapshotter.verify.trust import Trust, TrustedKey, judge_key

RECORD_FORMAT = "snapshotter-capture/1"

# The most bytes of each member that is held in memory; a longer one is not a bundle's.
_KEPT = {
    names.CAPTURE_RECORD: capture_record.MAX_BYTES,
    names.CUSTODY: custody.MAX_BYTES,
    names.MANIFEST_BLAKE3: manifest.MAX_BYTES,
    names.MANIFEST_SHA256: manifest.MAX_BYTES,
    names.OPENINGS: openings.MAX_BYTES,
    names.REDACTABLE_RECORD: redactable.MAX_BYTES,
    names.SERVER_SIGNATURES: server_signature.MAX_BYTES,
    names.DATAPACKAGE: 8 << 20,
    names.DATAPACKAGE_DIGEST: 1 << 16,
}
_KEPT_SEAL = 1 << 16  # signatures, public keys, tokens

# From the start of a capture to its seal. A policy allows a capture at most one hour;
# the rest is for sealing what is large on a machine that is slow.
MAX_CAPTURE = timedelta(hours=2)
_BUNDLE_ID = re.compile(r"([0-9]{8}t[0-9]{6}z)-[a-z2-7]{16}")


def verify_bundle(
    stream: BinaryIO,
    trust: Trust,
    *,
    now: datetime,
    sidecars: Sidecars = NO_SIDECARS,
    read_assessment: bool = False,
    allow_redacted: bool = False,
) -> Report:
    """
    Return all findings about the bundle in `stream`.

    Never raises for the content of the bundle: an exception inside a check is a
    finding, FAILED with code INTERNAL. A bundle that cannot be read raises, because
    nothing is known about it.

    Args:
        stream: Binary and seekable; read from its start, left open.
        now: The verifier's clock; a token from the future is not believed.
        sidecars: What was added beside the bundle after it was sealed.
        read_assessment: Whether the report has what the bundle states about its page.
        allow_redacted: Whether the file may be a redacted copy. Without it such a copy is FAILED:
            nobody may find one where a whole bundle belongs.

    Raises:
        OSError, SnapshotterError: As the stream does while it is read.
    """
    state = _State(trust=trust, now=now, sidecars=sidecars, allow_redacted=allow_redacted)
    try:
        for step in _STEPS:
            findings = list(step(state, stream))
            state.findings.extend(findings)
            if step in _STOP_ON_FAILURE and any(
                finding.verdict is Verdict.FAILED for finding in findings
            ):
                break
            if step is _signers and len(state.signatures) < len(state.record["signers"]):
                break  # tokens, times and keys would be those of some signatures and not of others
        else:
            state.is_finished = True
    except Exception as error:  # a check that breaks must not look like a check that passed
        if state.contents is None and isinstance(error, OSError | SnapshotterError):
            raise  # the stream could not be read
        if isinstance(error, _StreamFailed):
            raise error.cause from error
        state.findings.append(
            Finding.failed(
                "internal",
                Code.INTERNAL,
                tr(
                    "a check ended with an error of this software: {name}: {error}",
                    name=type(error).__name__,
                    error=error,
                ),
            )
        )
    return Report(
        findings=tuple(state.findings),
        established=_established(state),
        bundle_id=state.text("bundle_id"),
        requested_url=state.requested_url(),
        captured_at=state.captured_at,
        proven_time=state.proven_time,
        authorities=state.authorities,
        sha256=state.contents.whole.sha256 if state.contents else "",
        length=state.contents.whole.length if state.contents else 0,
        trust=trust.source,
        custody=state.contents.kept.get(names.CUSTODY, b"") if state.contents else b"",
        record=state.record,
        withheld=_withheld(state) if state.is_redacted and state.record else None,
        assessed=_stated_assessment(state) if read_assessment else None,
        proven_until=state.renewed_until or state.proven_until,
        renewals=state.renewed,
        needs_late_tokens=state.time_basis is not None and state.time_basis.needs_late_tokens,
    )


def _withheld(state: "_State") -> Withheld:
    signed_list = state.read.digests.get(names.MANIFEST_SHA256)
    return Withheld(
        fields=state.closed,
        files=state.withheld,
        manifest_sha256=signed_list.sha256 if signed_list is not None else "",
    )


@dataclass(slots=True)
class _Signature:
    """A signature that holds, and its tokens."""

    slot: int
    key: ec.EllipticCurvePublicKey
    key_id: str
    signature: bytes
    tokens: list[tuple[Anchor, Token]] = field(default_factory=list)
    inside: list[tuple[Anchor, Token]] = field(default_factory=list)  # those in the file
    late: list[tuple[Anchor, Token, bytes]] = field(default_factory=list)  # the others

    @property
    def proven(self) -> datetime | None:
        return min((token.time for _, token in self.tokens), default=None)


@dataclass(slots=True)
class _State:
    """What the checks have established so far."""

    trust: Trust
    now: datetime
    sidecars: Sidecars
    allow_redacted: bool = False
    withheld: tuple[str, ...] = ()  # files of the signed list that a redacted copy lacks
    withheld_digests: dict[str, Digests] = field(default_factory=dict)  # as the lists state them
    closed: tuple[str, ...] = ()  # pointers of the values that it withholds
    findings: list[Finding] = field(default_factory=list)
    contents: Contents | None = None
    measures: record_consistency.MemberMeasures = field(
        default_factory=record_consistency.MemberMeasures
    )
    listed: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    signatures: list[_Signature] = field(default_factory=list)
    named_at: datetime | None = None  # the second that the bundle's id begins with
    captured_at: datetime | None = None
    ended_at: datetime | None = None
    sealed_at: datetime | None = None
    good_signers: list[str] = field(default_factory=list)
    quoted: SignedCheckpoint | None = None
    logged_by: datetime | None = None
    log_index: int | None = None
    log_origin: str = ""
    is_finished: bool = False  # every check ran
    time_basis: renewal.TimeBasis | None = None  # the tokens behind its time, without renewals
    renewed: tuple[RenewalFinding, ...] = ()
    renewed_until: datetime | None = None

    @property
    def read(self) -> Contents:
        if self.contents is None:
            raise RuntimeError("a check ran before the container was read")
        return self.contents

    @property
    def is_redacted(self) -> bool:
        """Whether the file is a redacted copy of a bundle (docs/spec/redacted-copy.md)."""
        there = self.contents is not None and names.OPENINGS in self.contents.members
        return there and self.allow_redacted

    @property
    def has_wacz_signature(self) -> bool:
        """Whether a WACZ signature covers the tokens. A redacted copy lacks what is signed."""
        return self.record["signers"][0]["wacz_auth"] is True and not self.is_redacted

    @property
    def proven_time(self) -> datetime | None:
        times = [signature.proven for signature in self.signatures if signature.proven is not None]
        return min(times, default=None)

    @property
    def authorities(self) -> tuple[str, ...]:
        """The names of the authorities that confirm the time of the first signature."""
        first = next((signature for signature in self.signatures if signature.slot == 1), None)
        if first is None:
            return ()
        return tuple({anchor.witness: anchor.name for anchor, _ in first.tokens}.values())

    @property
    def accuracy(self) -> timedelta:
        """The accuracy of the proven time, as its authority states it."""
        tokens = [token for signature in self.signatures for _, token in signature.tokens]
        first = min(tokens, key=lambda token: token.time, default=None)
        return timedelta(milliseconds=(first.accuracy_ms or 0) if first is not None else 0)

    @property
    def proven_until(self) -> datetime | None:
        """When fewer authorities than required have a valid token over the first signature."""
        first = next((signature for signature in self.signatures if signature.slot == 1), None)
        if first is None or not first.tokens:
            return None
        latest: dict[bytes, datetime] = {}
        for anchor, token in first.tokens:
            end = renewal.certificates_end(anchor, token)
            latest[anchor.witness] = max(end, latest.get(anchor.witness, end))
        ends = sorted(latest.values(), reverse=True)
        own: int = self.record["requires"]["timestamps"]
        required = max(own, self.trust.require.timestamps, 1)
        return ends[min(required, len(ends)) - 1]

    def text(self, key: str) -> str:
        value = self.record.get(key)
        return value if isinstance(value, str) else ""

    def requested_url(self) -> str:
        what = self.record.get("what")
        url = what.get("requested_url") if isinstance(what, dict) else None
        return url if isinstance(url, str) else ""


# (1) container: size limits, canonical encoding, checksums.


def _container(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    try:
        for member in container.read_directory(stream):
            limit = _limit(member)
            if limit is not None and member.length > limit:
                yield Finding.failed(
                    "container",
                    Code.CONTAINER,
                    tr(
                        "{name} is longer than the limit of {limit} bytes",
                        name=member.name,
                        limit=limit,
                    ),
                )
                return
        state.contents = container.read(stream, _is_held, state.measures.of)
    except ContainerInvalid as error:
        yield Finding.failed("container", error.code, str(error))
        return
    yield Finding.passed(
        "container",
        tr(
            "the file has the required structure; files in the bundle: {count}",
            count=len(state.contents.members),
        ),
    )


def _is_held(member: Member) -> bool:
    if member.name == assessments.PATH:  # a longer one is not read, and is no reason to refuse
        return member.length <= assessments.MAX_BYTES
    limit = _limit(member)
    # The length again: the file may have changed since its directory was looked at.
    return limit is not None and member.length <= limit


def _limit(member: Member) -> int | None:
    if member.name in _KEPT:
        return _KEPT[member.name]
    return _KEPT_SEAL if names.is_unlisted(member.name) else None


# (2) names: every required file, and none without a place.


def _names(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    present = set(state.read.members)
    required = names.REQUIRED_OF_REDACTED if state.is_redacted else names.REQUIRED
    problems = [
        Finding.failed("names", Code.MISSING, tr("the file {name} is missing", name=name))
        for name in sorted(required - present)
    ]
    problems += [
        Finding.failed(
            "names", Code.UNLISTED, tr("the file {name} does not belong in a bundle", name=name)
        )
        for name in sorted(present)
        if not _has_a_place(name, state)
    ]
    yield from problems
    if not problems:
        yield Finding.passed(
            "names", tr("all required files exist, and every file belongs in a bundle")
        )


def _has_a_place(name: str, state: _State) -> bool:
    if state.is_redacted and name in names.NEVER_IN_REDACTED:
        return False
    return (
        names.is_listed(name)
        or names.is_unlisted(name)
        or name == names.MANIFEST_BLAKE3
        or (state.is_redacted and name == names.OPENINGS)
    )


# (3) hashes: both manifests against what was read.


def _hashes(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    contents = state.read
    tables: dict[str, dict[str, str]] = {}
    for name in (names.MANIFEST_SHA256, names.MANIFEST_BLAKE3):
        try:
            tables[name] = manifest.parse(contents.kept[name])
        except EvidenceInvalid as error:
            yield Finding.failed("hashes", Code.MANIFEST, f"{name}: {error}")
            return
    sha256, b3 = tables[names.MANIFEST_SHA256], tables[names.MANIFEST_BLAKE3]
    problems: list[Finding] = []
    # A signed list that names these two can be nothing but a bundle's manifest.
    if names.CAPTURE_RECORD not in sha256 or names.MANIFEST_BLAKE3 not in sha256:
        problems.append(
            Finding.failed(
                "hashes",
                Code.MANIFEST,
                tr("the signed list of files does not have the form of a manifest"),
            )
        )
    if state.is_redacted:
        problems += [
            Finding.failed(
                "hashes", Code.MISSING, tr("the signed list does not contain {name}", name=name)
            )
            for name in sorted(filter(names.is_listed, names.REQUIRED - set(sha256)))
        ]
    there = {name for name in contents.members if names.is_listed(name)}
    expected = there | {names.MANIFEST_BLAKE3}
    state.withheld = tuple(
        name
        for name in sorted(set(sha256) - expected)
        if state.is_redacted and names.is_listed(name)
    )
    for name in sorted(set(sha256) - expected - set(state.withheld)):
        code = Code.MANIFEST if name in contents.members else Code.MISSING
        problems.append(
            Finding.failed(
                "hashes",
                code,
                tr("the signed list contains {name}, but the file does not exist", name=name),
            )
        )
    for name in sorted(expected - set(sha256)):
        problems.append(
            Finding.failed(
                "hashes",
                Code.UNLISTED,
                tr(
                    "the file {name} exists, but the signed list does not contain the file",
                    name=name,
                ),
            )
        )
    if set(b3) != set(sha256) - {names.MANIFEST_BLAKE3}:
        problems.append(
            Finding.failed(
                "hashes",
                Code.BLAKE3,
                tr("the SHA-256 list and the BLAKE3 list do not contain the same files"),
            )
        )
    for name in sorted(expected & set(sha256)):
        if contents.digests[name].sha256 != sha256[name]:
            problems.append(
                Finding.failed(
                    "hashes",
                    Code.HASH,
                    tr("the file {name} was changed after sealing (SHA-256)", name=name),
                )
            )
        if name in b3 and contents.digests[name].blake3 != b3[name]:
            problems.append(
                Finding.failed(
                    "hashes",
                    Code.BLAKE3,
                    tr("the file {name} was changed after sealing (BLAKE3)", name=name),
                )
            )
    yield from problems
    if not problems:
        state.listed = sha256
        state.withheld_digests = {
            name: Digests(length=0, crc32=0, sha256=sha256[name], blake3=b3[name])
            for name in state.withheld
        }
        yield Finding.passed(
            "hashes",
            tr(
                "all files match their SHA-256 and BLAKE3 digests; files: {count}. The signed "
                "list does not contain digests of the list itself, of the signatures, of the "
                "timestamp tokens and of the WACZ description",
                count=len(sha256),
            ),
        )


# (4) signatures: each that is there holds over the manifest, by the key beside it.


def _signatures(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    """Yield the signatures that do not hold. Whose they have to be follows from the record (6)."""
    kept = state.read.kept
    for slot in range(1, names.MAX_SIGNATURES + 1):
        signature, pem = kept.get(names.signature(slot)), kept.get(names.public_key(slot))
        if signature is None or pem is None:
            if slot == 1:  # every bundle has this one
                yield Finding.failed(
                    "signature",
                    Code.SIG_MISSING,
                    tr("{missing_file} is missing", missing_file=_missing_file(kept, slot)),
                )
            continue
        try:
            key = keys.load_public_pem(pem, allow_p256=True)
        except keys.KeyInvalid as error:
            yield Finding.failed("signature", error.code, f"{names.public_key(slot)}: {error}")
            continue
        if not keys.verify_signature(key, signature, kept[names.MANIFEST_SHA256]):
            yield Finding.failed(
                "signature",
                Code.SIG,
                tr(
                    "the signature {signature} is not valid for the manifest",
                    signature=names.signature(slot),
                ),
            )
            continue
        state.signatures.append(
            _Signature(slot=slot, key=key, key_id=keys.key_id(key), signature=signature)
        )


# (5) read_record: canonical, of a known format, with what the checks below need.


def _read_record(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    name = names.REDACTABLE_RECORD if state.is_redacted else names.CAPTURE_RECORD
    try:
        value = capture_record.loads(state.read.kept[name])
    except EvidenceInvalid as error:
        yield Finding.failed("record", Code.JSON, f"{name}: {error}")
        return
    try:
        if state.is_redacted:
            _check_format(value, redactable.FORMAT)
            value, state.closed = _with_openings(state, value)
            _check_record(openings.blank(value), redactable.FORMAT)
        else:
            _check_record(value, RECORD_FORMAT)
    except EvidenceInvalid as error:
        code = error.code if isinstance(error, _NotCommitted) else Code.FORMAT
        yield Finding.failed("record", code, f"{name}: {error}")
        return
    try:
        canonical_json.check_moments(openings.shown(value) if state.is_redacted else value)
        state.named_at = _named_at(value["bundle_id"])
        state.captured_at = parse_clock(value["when"]["started_at"])
        state.ended_at = parse_clock(value["when"]["ended_at"])
        state.sealed_at = parse_clock(value["sealed_at"])
    except EvidenceInvalid as error:
        yield Finding.failed("record", Code.FORMAT, f"{name}: {error}")
        return
    state.record = value
    yield Finding.passed("record", tr("the capture record is valid"))


class _NotCommitted(EvidenceInvalid):
    """An opening or a commitment of a redacted copy is invalid."""

    code = Code.COMMITMENT


def _with_openings(state: _State, value: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """
    Return the record with the values that a redacted copy shows, and the pointers of the others.

    Raises:
        _NotCommitted: A commitment or an opening is invalid.
    """
    try:
        shown = openings.parse(state.read.kept[names.OPENINGS], value.get("bundle_id"))
        opened = openings.apply(value, shown)
    except EvidenceInvalid as error:
        raise _NotCommitted(str(error)) from error
    known = {opening.pointer for opening in shown}
    closed = sorted(set(redactable.checked_commitments(value)) - known)
    return opened, tuple(closed)


def _check_format(value: Any, record_format: str) -> None:
    if not isinstance(value, dict) or value.get("format") != record_format:
        raise EvidenceInvalid(
            tr("the record does not have the format {record_format}", record_format=record_format)
        )


def _check_record(value: Any, record_format: str) -> None:
    """Raise EvidenceInvalid unless the fields that verification reads have their types."""
    shape: dict[str, Any] = {
        "authorities": list,
        "bundle_id": str,
        "requires": {"log": bool, "signatures": int, "timestamps": int},
        "sealed_at": str,
        "signers": list,
        "software": str,
        "what": {"final_url": str, "requested_url": str, "title": str},
        "when": {"ended_at": str, "started_at": str},
    }
    _check_format(value, record_format)
    _check_shape(value, shape, "")
    if min(value["requires"]["signatures"], value["requires"]["timestamps"]) < 0:
        raise EvidenceInvalid(
            tr("the record requires a negative number of signatures or timestamps")
        )
    signers = value["signers"]
    if not 1 <= len(signers) <= names.MAX_SIGNATURES:
        raise EvidenceInvalid(tr("the record names no signers, or too many signers"))
    for number, signer in enumerate(signers, start=1):
        _check_shape(
            signer, {"algorithm": str, "key_id": str, "slot": str, "wacz_auth": bool}, "signers."
        )
        if signer["slot"] != f"sig-{number:02}" or not keys.is_key_id(signer["key_id"]):
            raise EvidenceInvalid(
                tr("entry {number} in the list of signers is invalid", number=number)
            )
    if len({signer["key_id"] for signer in signers}) != len(signers):
        raise EvidenceInvalid(tr("the record names one key for two signatures"))
    if not all(isinstance(name, str) for name in value["authorities"]):
        raise EvidenceInvalid(tr("the field authorities of the record is not a list of names"))


def _named_at(bundle_id: str) -> datetime:
    """Return the second that a bundle's id begins with. Raises EvidenceInvalid for no such id."""
    match = _BUNDLE_ID.fullmatch(bundle_id)
    if match is not None:
        try:
            at = datetime.strptime(match[1], "%Y%m%dt%H%M%Sz").replace(tzinfo=UTC)
        except ValueError:
            pass  # digits that are no second of any day
        else:
            if at.year >= MIN_YEAR:
                return at
    raise EvidenceInvalid(
        tr(
            "bundle_id does not have the form YYYYMMDDtHHMMSSz-xxxxxxxxxxxxxxxx: {bundle_id!r}",
            bundle_id=bundle_id,
        )
    )


def _check_shape(value: Any, shape: dict[str, Any], where: str) -> None:
    if not isinstance(value, dict):
        raise EvidenceInvalid(tr("{where} is not a JSON object", where=where or "the record"))
    for key, kind in shape.items():
        if key not in value:
            raise EvidenceInvalid(tr("{where}{key} is missing", where=where, key=key))
        if isinstance(kind, dict):
            _check_shape(value[key], kind, f"{where}{key}.")
        elif type(value[key]) is not kind:
            raise EvidenceInvalid(
                tr("{where}{key} is not a {name}", where=where, key=key, name=kind.__name__)
            )


# (6) signers: those that the record names have signed, and nobody else.


def _signers(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    signers = state.record["signers"]
    kept = state.read.kept
    there = {signature.slot: signature for signature in state.signatures}
    state.signatures.clear()
    for name in sorted(kept):
        if name.startswith("seal/sig-") and int(name[9:11]) > len(signers):
            yield Finding.failed(
                "signature",
                Code.UNLISTED,
                tr("the file {name} belongs to no signer that the record names", name=name),
            )
    yield from _gap_findings(kept, len(signers))
    for slot, signer in enumerate(signers, start=1):
        signature = there.get(slot)
        if signature is None:
            yield Finding.failed(
                "signature",
                Code.SIG_MISSING,
                tr("{missing_file} is missing", missing_file=_missing_file(kept, slot)),
            )
        elif signature.key_id != signer["key_id"]:
            yield Finding.failed(
                "signature",
                Code.KEY_MISMATCH,
                tr(
                    "the key in {public_key} is not the key that the record states",
                    public_key=names.public_key(slot),
                ),
            )
        elif keys.algorithm(signature.key) != signer["algorithm"]:
            yield Finding.failed(
                "signature",
                Code.ALG,
                tr("the algorithm in the record is not the algorithm of the key"),
            )
        else:
            state.signatures.append(signature)
            yield Finding.passed(
                "signature",
                tr("the key {key_id} signed the list of files", key_id=signature.key_id),
            )


def _gap_findings(kept: Mapping[str, bytes], slots: int) -> Iterator[Finding]:
    """Refuse a gap in the numbers of tokens, because nothing may cover the names of tokens."""
    for slot in range(1, slots + 1):
        there = [names.token(slot, number) in kept for number in range(1, names.MAX_TOKENS + 1)]
        if there != sorted(there, reverse=True):
            yield Finding.failed(
                "signature",
                Code.UNLISTED,
                tr(
                    "a number is missing in the file names of the timestamp tokens for {signature}",
                    signature=names.signature(slot),
                ),
            )


def _missing_file(kept: Mapping[str, bytes], slot: int) -> str:
    """Return the name of the missing file of a signature."""
    missing = names.signature(slot) not in kept
    return names.signature(slot) if missing else names.public_key(slot)


# (7) timestamps: tokens over each signature's bytes.


def _timestamps(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    required = max(state.record["requires"]["timestamps"], state.trust.require.timestamps)
    vouched = state.has_wacz_signature
    late = _late_tokens_by_slot(state)
    for signature in state.signatures:
        unknown: list[tuple[str, TokenInvalid]] = []
        for name, response in (*_tokens_in_bundle(state, signature.slot), *late[signature.slot]):
            outcome = _judge_token(response, signature.signature, state.trust.authorities)
            inside = name in state.read.kept
            if isinstance(outcome, tuple):
                signature.tokens.append(outcome)
                if inside:
                    signature.inside.append(outcome)
                else:
                    signature.late.append((*outcome, response))
            elif inside and outcome.code in {Code.TS_MALFORMED, Code.TS_IMPRINT}:
                # Beside the bundle anybody may put anything: that says nothing against it.
                yield Finding.failed("timestamp", outcome.code, f"{name}: {outcome}")
            else:
                unknown.append((name, outcome))
        for anchor, token in signature.tokens:
            yield Finding.passed(
                "timestamp",
                tr(
                    "{name} confirms {instant} (token {serial})",
                    name=anchor.name,
                    instant=instant(token.time),
                    serial=token.serial,
                )
                + (
                    tr(" for signature {slot}", slot=signature.slot)
                    if len(state.signatures) > 1
                    else ""
                ),
            )
        there = _authority_count(signature)
        missing = there < required
        for name, refused in unknown:
            # A token that this verifier cannot trust is bytes that anybody may have put
            # there, unless the WACZ signature is over them.
            if missing or (name in state.read.kept and not vouched):
                yield Finding.indeterminate("timestamp", refused.code, f"{name}: {refused}")
        if missing and not unknown:
            yield Finding.indeterminate(
                "timestamp",
                Code.TS_MISSING,
                tr(
                    "valid timestamp tokens: {there}, required: {required}",
                    there=there,
                    required=required,
                )
                + (
                    tr(", for the signature {signature}", signature=names.signature(signature.slot))
                    if signature.slot > 1
                    else ""
                ),
            )


def _tokens_in_bundle(state: _State, slot: int) -> Iterator[tuple[str, bytes]]:
    for number in range(1, names.MAX_TOKENS + 1):
        name = names.token(slot, number)
        if name in state.read.kept:
            yield name, state.read.kept[name]


def _late_tokens_by_slot(state: _State) -> dict[int, list[tuple[str, bytes]]]:
    """Return late tokens by the signature that they are over; one over none is the first's."""
    result: dict[int, list[tuple[str, bytes]]] = {
        signature.slot: [] for signature in state.signatures
    }
    for number, response in enumerate(state.sidecars.late_tokens[: names.MAX_LATE_TOKENS], start=1):
        slot = next(
            (
                signature.slot
                for signature in state.signatures
                if is_token_over(response, signature.signature)
            ),
            1,
        )
        result[slot].append((f"late token {number}", response))
    return result


def _authority_count(signature: _Signature) -> int:
    """Return how many authorities gave a token; several tokens of one authority count once."""
    return len({anchor.witness for anchor, _ in signature.tokens})


def _judge_token(
    response: bytes, signature: bytes, anchors: Iterable[Anchor]
) -> tuple[Anchor, Token] | TokenInvalid:
    """Return the authority and its token, or why no authority accepts the token."""
    try:
        return check_by_any(response, signature, anchors)
    except TokenInvalid as error:
        return error


# (8) time: one order of events, and tokens that fit it.


def _time(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    named, captured, ended, sealed = _times(state)
    skew, lag = state.trust.max_skew, state.trust.max_lag
    if not captured <= ended <= sealed:
        yield Finding.failed(
            "time",
            Code.TIME,
            tr("the times in the record are not in order: capture, end of the capture, seal"),
        )
        return
    tokens = [token for signature in state.signatures for _, token in signature.tokens]
    for token in tokens:
        if token.time > state.now + skew:
            yield Finding.failed(
                "time",
                Code.TIME,
                tr(
                    "a timestamp token has a time in the future: {instant}",
                    instant=instant(token.time),
                ),
            )
            return
        if sealed > token.time + skew:
            yield Finding.failed(
                "time",
                Code.TIME,
                tr(
                    "the record states {instant} as the time of the seal, but a timestamp "
                    "token is older ({instant2})",
                    instant=instant(sealed),
                    instant2=instant(token.time),
                ),
            )
            return
    if not tokens:
        if sealed > state.now + skew:
            yield Finding.failed(
                "time",
                Code.TIME,
                tr("the time of the seal is in the future: {instant}", instant=instant(sealed)),
            )
        else:
            yield Finding.indeterminate(
                "time",
                Code.TIME,
                tr(
                    "no timestamp token confirms the recorded time of the seal: {instant}",
                    instant=instant(sealed),
                ),
            )
        return
    proven = min(token.time for token in tokens)
    doubts = []
    if proven - sealed > lag:
        doubts.append(
            tr(
                "a timestamp token proves that the bundle existed by {instant}; no timestamp "
                "token confirms the recorded time of the seal, which is {format_span} earlier",
                instant=instant(proven),
                format_span=_format_span(proven - sealed),
            )
        )
    # A token ties the seal to a time, and only these two tie the capture to the seal.
    if sealed - captured > MAX_CAPTURE:
        doubts.append(
            tr(
                "the record states that the capture began {format_span} before the seal, but a "
                "capture takes at most {format_span2}",
                format_span=_format_span(sealed - captured),
                format_span2=_format_span(MAX_CAPTURE),
            )
        )
    if abs(named - captured) > skew:
        doubts.append(
            tr(
                "the time in the bundle id is {instant}, but the capture began at {instant2}",
                instant=instant(named),
                instant2=instant(captured),
            )
        )
    doubts += _navigation_doubts(state.record["when"], captured, ended)
    for doubt in doubts:
        yield Finding.indeterminate("time", Code.TIME, doubt)
    if not doubts:
        yield Finding.passed(
            "time",
            tr(
                "the capture began at {instant}; the bundle existed by {instant2}",
                instant=instant(captured),
                instant2=instant(proven),
            ),
        )


def _navigation_doubts(
    when: Mapping[str, Any], captured: datetime, ended: datetime
) -> Iterator[str]:
    """Yield the times of the navigation that are outside the capture: verdicts depend on them."""
    for name in ("navigation_started_at", "navigation_ended_at"):
        if (text := when.get(name)) is None:
            continue
        try:
            is_inside = captured <= parse_instant(text) <= ended
        except EvidenceInvalid:
            is_inside = False
        if not is_inside:
            yield tr(
                "the time in the field when.{name} is not between the start and the end of the "
                "capture",
                name=name,
            )


def _times(state: _State) -> tuple[datetime, datetime, datetime, datetime]:
    named, captured, ended = state.named_at, state.captured_at, state.ended_at
    sealed = state.sealed_at
    if named is None or captured is None or ended is None or sealed is None:
        raise RuntimeError("a check ran before the record was read")
    return named, captured, ended, sealed


# (9) keys: known to the verifying person, and good at the proven time.


def _keys(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    required = max(state.record["requires"]["signatures"], state.trust.require.signatures)
    judged = [
        (signature, *_judge_signer(state.trust.key(signature.key_id), signature))
        for signature in state.signatures
    ]
    state.good_signers = [
        signature.key_id for signature, verdict, _, _ in judged if verdict is Verdict.PASSED
    ]
    good = len(state.good_signers)
    for signature, verdict, code, detail in judged:
        if verdict is not Verdict.PASSED and good >= required:
            # A quorum is there so that one key may be missing, late or stolen.
            yield Finding.passed(
                "key",
                tr(
                    "{detail}; the signature with the key {key_id} does not count, but enough "
                    "other signatures are valid: {good}",
                    detail=detail,
                    key_id=signature.key_id,
                    good=good,
                ),
            )
        else:
            yield Finding(check="key", verdict=verdict, code=code, detail=detail)
    if good == len(judged) < required:  # otherwise those that do not count have said why
        yield Finding.indeterminate(
            "key",
            Code.QUORUM,
            tr("valid signatures: {good}, required: {required}", good=good, required=required),
        )


def _judge_signer(trusted: TrustedKey | None, signature: _Signature) -> tuple[Verdict, Code, str]:
    if trusted is None:
        return (
            Verdict.INDETERMINATE,
            Code.KEY_UNKNOWN,
            tr("the key {key_id} is not one of the keys that you trust", key_id=signature.key_id),
        )
    return judge_key(trusted, signature.proven)


# (10) derived: computed again and compared, byte for byte.


def _derived(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    if state.is_redacted:
        return  # they repeat addresses and the title: no redacted copy has them
    contents = state.read
    members = {
        name: digests
        for name, digests in contents.digests.items()
        if name not in {names.DATAPACKAGE, names.DATAPACKAGE_DIGEST}
    }
    if wacz.datapackage(state.record, members) != contents.kept[names.DATAPACKAGE]:
        yield Finding.failed(
            "derived",
            Code.DERIVED,
            tr(
                "the file {datapackage} differs from the file that this check computes from the "
                "other files of the bundle",
                datapackage=names.DATAPACKAGE,
            ),
        )
        return
    digest_file = contents.kept[names.DATAPACKAGE_DIGEST]
    try:
        signature = wacz.signature_in(digest_file)
    except EvidenceInvalid as error:
        yield Finding.failed("derived", Code.DERIVED, f"{names.DATAPACKAGE_DIGEST}: {error}")
        return
    expected = state.record["signers"][0]["wacz_auth"]
    if (signature is not None) != expected:
        yield Finding.failed(
            "derived",
            Code.WACZ_SIG,
            tr("the WACZ signature is missing")
            if expected
            else tr(
                "a WACZ signature exists, but the record states that the bundle has no WACZ "
                "signature"
            ),
        )
        return
    first = state.signatures[0]
    datapackage = contents.digests[names.DATAPACKAGE]
    again = wacz.digest_file(
        datapackage,
        created=state.record["sealed_at"],
        software=state.record["software"],
        public_key=first.key if expected else None,
        signature=signature or b"",
    )
    if again != digest_file:
        yield Finding.failed(
            "derived",
            Code.DERIVED,
            tr(
                "the file {datapackage_digest} differs from the file that this check computes "
                "from the other files of the bundle",
                datapackage_digest=names.DATAPACKAGE_DIGEST,
            ),
        )
    elif signature is not None and not wacz.signature_holds(
        first.key, signature, wacz.hash_text(datapackage)
    ):
        yield Finding.failed("derived", Code.WACZ_SIG, tr("the WACZ signature is not valid"))
    else:
        yield Finding.passed(
            "derived", tr("the WACZ description of the files matches the sealed files")
        )


# (11) server_signatures: what servers signed in the recorded TLS handshakes.


def _server_signatures(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    contents, path = state.read, names.SERVER_SIGNATURES
    if path in state.withheld:
        return
    yield from server_signatures.judge(state.record, contents.kept.get(path))
    if path in contents.members and not record_consistency.is_same_artifact(
        state.record, path, contents.digests[path]
    ):
        yield Finding.failed(
            "server-signature",
            Code.SERVER_SIG,
            tr(
                "the digest or the length of the file {path} differs from the capture record",
                path=path,
            ),
        )


# (12) custody: the hash chain in the bundle, and the one beside it.


def _custody(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    if names.CUSTODY in state.withheld:
        return
    try:
        events = custody.parse(state.read.kept[names.CUSTODY])
    except EvidenceInvalid as error:
        yield Finding.failed("custody", Code.CUSTODY, str(error))
        return
    *_, sealed = _times(state)
    if not events or events[-1].at > sealed:
        yield Finding.failed(
            "custody",
            Code.CUSTODY,
            tr(
                "the custody chain in the bundle has no events, or its "
                "last event is later than the seal"
            ),
        )
        return
    yield Finding.passed(
        "custody",
        tr(
            "the custody chain in the bundle is unbroken; events up to the seal: {count}",
            count=len(events),
        ),
    )
    if state.sidecars.custody and not state.is_redacted:
        yield _custody_sidecar_finding(state)


def _custody_sidecar_finding(state: _State) -> Finding:
    """
    Judge the custody chain in the sidecars.

    Anybody who can write there can add junk or remove a part. That does not speak against the
    bundle, but its custody is not established.
    """
    found = custody_sidecars.check(state.read.kept[names.CUSTODY], state.sidecars.custody)
    whole = state.read.whole.sha256
    name = f"/{state.text('bundle_id')}.wacz"
    problems = list(found.problems)
    problems += [
        f"the custody event {link.sequence} states another SHA-256 for this bundle"
        for link in found.events
        if link.event.receipt
        and f"/{link.event.receipt.key}".endswith(name)
        and link.event.receipt.sha256 != whole
    ]
    if problems:
        more = f"; further problems: {len(problems) - 1}" if len(problems) > 1 else ""
        return Finding.indeterminate(
            "custody",
            Code.CUSTODY,
            tr(
                "the custody chain beside the bundle is broken: {problems}{more}",
                problems=problems[0],
                more=more,
            ),
        )
    after = sum(link.number > 0 for link in found.events)
    return Finding.passed(
        "custody",
        tr(
            "the custody chain beside the bundle is unbroken; events after the seal: "
            "{after}, digest of the last event: {previous}",
            after=after,
            previous=found.head.previous,
        ),
    )


# (13) log: the log proof beside the bundle, and what the record quotes of the log.


def _log(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    _, captured, _, _ = _times(state)
    quoted = state.record.get("log_checkpoint")
    proof = None if state.is_redacted else state.sidecars.log_proof  # it is of the whole bundle
    policy = log_proofs.log_policy_for(quoted, proof, state.trust.log)
    state.quoted = log_proofs.read_quoted_checkpoint(quoted, policy)
    judged = log_proofs.judge(
        log_proofs.BundleClaim(
            bundle_id=state.text("bundle_id"),
            sha256=state.read.whole.sha256,
            started_at=captured,
            quoted=state.quoted,
            tokens_inside=[
                token.time for signature in state.signatures for _, token in signature.inside
            ],
        ),
        proof,
        policy,
        required=state.record["requires"]["log"] or state.trust.require.log,
        max_skew=state.trust.max_skew,
    )
    state.logged_by, state.log_index = judged.logged_by, judged.index
    state.log_origin = policy.key.name if policy is not None and judged.index is not None else ""
    yield from judged.findings


# (14) tokens_taken_out: tokens that nothing in the bundle covers.


def _tokens_taken_out(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    """
    Require a token of each requested authority where removing one would leave no trace.

    The WACZ signature covers the tokens, and a log proof the whole file. A bundle with neither
    looks the same whether an authority never answered or its token was removed.
    """
    if state.has_wacz_signature or _is_logged(state):
        return
    asked = len(set(state.record["authorities"]))
    for signature in state.signatures:
        there = _authority_count(signature)
        if there < asked:
            yield Finding.indeterminate(
                "timestamp",
                Code.TS_MISSING,
                tr(
                    "timestamp authorities from which a token for {signature} was requested: "
                    "{asked}, authorities with a valid token: {there}; it is not established "
                    "whether the missing tokens never arrived or were removed",
                    signature=names.signature(signature.slot),
                    asked=asked,
                    there=there,
                ),
            )


def _is_logged(state: _State) -> bool:
    return any(
        finding.check == "log" and finding.verdict is Verdict.PASSED for finding in state.findings
    )


# (15) renewals: later tokens that carry the proven time on.


def _renewals(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    """Yield the renewals that count; one that does not count gives no finding."""
    first = next((signature for signature in state.signatures if signature.slot == 1), None)
    until = state.proven_until
    if first is None or until is None:
        return
    state.time_basis = _time_basis(state, first)
    if not state.sidecars.renewals or state.is_redacted:
        return
    state.renewed = renewal.judge(
        renewal.RenewedBundle(
            bundle_id=state.text("bundle_id"),
            sha256=state.read.whole.sha256,
            sha512=lambda: _sha512(stream, state.read.whole.sha256),
        ),
        state.time_basis,
        state.sidecars.renewals,
        state.trust.authorities,
        now=state.now,
        max_skew=state.trust.max_skew,
    )
    for renewed in state.renewed:
        if renewed.time is not None and renewed.until is not None:
            yield Finding.passed(
                "renewal",
                tr(
                    "a renewal by {authority} at {instant} was made before the earlier "
                    "certificates expired, and extends the proof of time until {instant2}",
                    authority=renewed.authority,
                    instant=instant(renewed.time),
                    instant2=instant(renewed.until),
                ),
            )
    state.renewed_until = renewal.renewed_until(until, state.renewed)


def _time_basis(state: _State, first: _Signature) -> renewal.TimeBasis:
    """Return the tokens on which the time of the first signature is based."""
    inside = [
        renewal.FirstToken(
            witness=anchor.witness, time=token.time, until=renewal.certificates_end(anchor, token)
        )
        for anchor, token in first.inside
    ]
    late = [
        renewal.FirstToken(
            witness=anchor.witness,
            time=token.time,
            until=renewal.certificates_end(anchor, token),
            sha512=hashlib.sha512(data).hexdigest(),
        )
        for anchor, token, data in first.late
    ]
    own: int = state.record["requires"]["timestamps"]
    return renewal.TimeBasis(
        required=max(own, state.trust.require.timestamps, 1), tokens=(*inside, *late)
    )


class _StreamFailed(Exception):
    """The bundle cannot be read a second time; no check broke."""

    def __init__(self, cause: OSError | SnapshotterError) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _sha512(stream: BinaryIO, sha256: str) -> str:
    """
    Return the SHA-512 of the file that was read.

    Raises:
        EvidenceInvalid: It has changed since it was read.
        _StreamFailed: It cannot be read a second time.
    """
    strong, known = hashlib.sha512(), hashlib.sha256()
    try:
        stream.seek(0)
        while chunk := stream.read(1 << 20):
            strong.update(chunk)
            known.update(chunk)
    except (OSError, SnapshotterError) as error:
        raise _StreamFailed(error) from error
    if known.hexdigest() != sha256:
        raise EvidenceInvalid(tr("the file changed while it was read"))
    return strong.hexdigest()


# (16) agreement: the record contradicts neither itself nor the files.


def _agreement(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    contents = state.read
    found = record_consistency.contradictions(
        state.record, contents.digests, state.measures, contents.kept, state.withheld_digests
    )
    for code, detail in found:
        yield Finding.failed("agreement", code, detail)
    if not found:
        yield Finding.passed(
            "agreement",
            tr("the capture record is consistent with itself and with the files of the bundle"),
        )


# (17) commitments: the redactable record follows from the record.


def _commitments(state: _State, stream: BinaryIO) -> Iterator[Finding]:
    """Yield nothing of a record that announces no redactable record, as earlier ones do."""
    if state.is_redacted:
        yield Finding.passed(
            "commitments",
            tr(
                "this is a redacted copy. Every value that it shows matches its commitment. "
                "Withheld values: {fields}, withheld files: {files}",
                fields=len(state.closed),
                files=", ".join(state.withheld),
            ),
        )
        return
    announced = redactable.ANNOUNCED in state.record
    data = state.read.kept.get(names.REDACTABLE_RECORD)
    if not announced and data is None:
        return
    if not announced or data is None:
        yield Finding.failed(
            "commitments",
            Code.COMMITMENT,
            tr("the record announces {path}, but the bundle lacks it", path=redactable.PATH)
            if announced
            else tr(
                "the bundle contains {path}, but the record does not announce it",
                path=redactable.PATH,
            ),
        )
        return
    try:
        expected = redactable.encode(state.record)
    except EvidenceInvalid as error:
        yield Finding.failed("commitments", Code.COMMITMENT, str(error))
        return
    if data != expected:
        yield Finding.failed(
            "commitments",
            Code.COMMITMENT,
            tr("{path} does not agree with the capture record", path=redactable.PATH),
        )
        return
    yield Finding.passed(
        "commitments",
        tr("{path} agrees with the capture record", path=redactable.PATH),
    )


_STEPS = (
    _container,
    _names,
    _hashes,
    _signatures,
    _read_record,
    _signers,
    _timestamps,
    _time,
    _keys,
    _derived,
    _server_signatures,
    _custody,
    _log,
    _tokens_taken_out,
    _renewals,
    _agreement,
    _commitments,
)
# If one of these fails, later checks would judge bytes that no signature covers.
_STOP_ON_FAILURE = frozenset({_container, _names, _hashes, _signatures, _read_record})


def _stated_assessment(state: _State) -> StatedAssessment | None:
    """Return what the bundle states about its page; None unless every check of bytes passed."""
    if not state.is_finished or overall(state.findings) is Verdict.FAILED:
        return None
    data = state.read.kept.get(assessments.PATH)
    try:
        found = assessments.parse(data) if data is not None else None
    except EvidenceInvalid:
        found = None
    if found is None:
        return StatedAssessment(shown=None)
    return StatedAssessment(shown=AssessmentSummary.of(found), convention=found.takedown.convention)


def _established(state: _State) -> VerifiedFacts | None:
    """Return the verified facts; None unless every check ran and none FAILED."""
    sealed_at = state.sealed_at
    if sealed_at is None or not state.is_finished or overall(state.findings) is Verdict.FAILED:
        return None
    if state.is_redacted:
        return None  # conclusions need whole bundles
    try:
        facts = capture_record.capture_facts(state.record, sha256=state.read.whole.sha256)
    except EvidenceInvalid:
        return None  # a record that no capture writes: nothing can be concluded from it
    outcome, what = state.record.get("outcome"), state.record["what"]
    status = what.get("http_status")
    ended = outcome.get("state") if isinstance(outcome, dict) else None
    return VerifiedFacts(
        **{column.name: getattr(facts, column.name) for column in fields(facts)},
        sealed_at=sealed_at,
        outcome=ended if isinstance(ended, str) else "",
        http_status=status if type(status) is int else None,
        signers=tuple(signature.key_id for signature in state.signatures),
        good_signers=tuple(state.good_signers),
        proven_time=state.proven_time,
        accuracy=state.accuracy,
        logged_by=state.logged_by,
        log_index=state.log_index,
        log_origin=state.log_origin,
        quoted=_quoted_checkpoint(state.quoted),
        members=dict(state.read.digests),
    )


def _quoted_checkpoint(signed: SignedCheckpoint | None) -> QuotedCheckpoint | None:
    if signed is None:
        return None
    return QuotedCheckpoint(
        origin=signed.checkpoint.origin,
        size=signed.size,
        root=signed.root.hex(),
        witnessed_at=max((cosignature.latest for cosignature in signed.cosignatures), default=None),
    )


def _format_span(span: timedelta) -> str:
    if span >= timedelta(days=2):
        return f"{span.days} days"
    return f"{round(span.total_seconds() / 3600)} hours"
