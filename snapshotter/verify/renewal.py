"""
Judge the renewals beside a bundle, and find until when certificates support its proven time.

See docs/spec/renewal.md. A renewal counts if its token is valid, covers this bundle and the tokens
on which its time is based, and was given in time: before the certificates of those tokens, or of a
renewal that it covers, ended. A renewal extends the proven time and never shortens it; one that
does not count has no effect on the verdict.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs import leaf, merkle, note, renewal, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.rfc3161 import Anchor, Token, check_by_any
from snapshotter.model.finding import RenewalFinding
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalFiles:
    """The two sidecars of a renewal of a bundle."""

    number: int
    text: bytes  # `.renewal-NN.txt`
    token: bytes  # `.renewal-NN.tsr`


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstToken:
    """A good token over the first signature."""

    witness: bytes  # the authority: `Anchor.witness`
    time: datetime
    until: datetime  # when its certificates end
    # Of its sidecar; "" for a token in the bundle, which the digest of the bundle covers.
    sha512: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBasis:
    """The tokens on which a bundle's time is based before any renewal."""

    required: int  # tokens by different authorities
    tokens: tuple[FirstToken, ...]

    @property
    def needs_late_tokens(self) -> bool:
        """Return whether a renewal has to name late tokens, for want of tokens in the bundle."""
        return self.covered_by(frozenset()) is None

    def covered_by(self, digests: Collection[str]) -> tuple[datetime, datetime] | None:
        """
        Return what a renewal covers that names these sidecars; None if it covers too little.

        Returns:
            The latest time of those tokens, and when fewer of them than are required are left.
        """
        usable = [token for token in self.tokens if not token.sha512 or token.sha512 in digests]
        ends: dict[bytes, datetime] = {}
        for token in usable:
            ends[token.witness] = max(token.until, ends.get(token.witness, token.until))
        if not ends or len(ends) < self.required:
            return None
        in_order = sorted(ends.values(), reverse=True)
        return max(token.time for token in usable), in_order[max(self.required, 1) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewedBundle:
    """The bundle that renewals are about."""

    bundle_id: str
    sha256: str  # of the whole file
    sha512: Callable[[], str]  # of the whole file; asked only when a renewal names it


def judge(
    subject: RenewedBundle,
    rests: TimeBasis,
    renewals: Iterable[RenewalFiles],
    anchors: Sequence[Anchor],
    *,
    now: datetime,
    max_skew: timedelta,
) -> tuple[RenewalFinding, ...]:
    """Return for each renewal whether it counts, in the order of their numbers."""
    held: dict[str, RenewalFinding] = {}  # SHA-512 of text and token, one behind the other
    result: list[RenewalFinding] = []
    for files in sorted(renewals, key=lambda renewal: renewal.number):
        try:
            anchor, token = _token(files, anchors)
            covers = _covers(files, subject)
            _check_order(token, covers, rests, held, now=now, max_skew=max_skew)
        except EvidenceInvalid as error:
            result.append(RenewalFinding(number=files.number, problem=str(error)))
            continue
        good = RenewalFinding(
            number=files.number,
            authority=anchor.name,
            time=token.time,
            until=certificates_end(anchor, token),
        )
        held[_name(files)] = good
        result.append(good)
    return tuple(result)


def certificates_end(anchor: Anchor, token: Token) -> datetime:
    """Return when the certificates of a token end: the signer's, or the root's if earlier."""
    return min(token.signer_not_after, anchor.root.not_valid_after_utc)


def renewed_until(until: datetime, renewals: Iterable[RenewalFinding]) -> datetime:
    """Return when the certificates behind a bundle's time end, renewals included."""
    return max([until, *(renewed.until for renewed in renewals if renewed.until is not None)])


def _token(files: RenewalFiles, anchors: Sequence[Anchor]) -> tuple[Anchor, Token]:
    """Return the token and its authority. Raises TokenInvalid."""
    return check_by_any(files.token, timestamped_message(files.text), anchors)


def timestamped_message(text: bytes) -> bytes:
    """Return the bytes that the token covers: a checkpoint of the log, or the whole text."""
    proof = text if text.startswith(tlog_proof.FORMAT.encode()) else renewal.split(text)[1]
    return text if proof is None else tlog_proof.parse(proof).checkpoint


def _covers(files: RenewalFiles, subject: RenewedBundle) -> Mapping[str, str]:
    """Return the sidecars that a renewal of this bundle covers, and their digests."""
    if files.text.startswith(tlog_proof.FORMAT.encode()):
        entry = Leaf(kind=leaf.BUNDLE, name=subject.bundle_id, sha256=subject.sha256)
        check_log_entry(files.text, entry)
        return {}
    if len(files.text) > renewal.MAX_BYTES:
        raise EvidenceInvalid(tr("the renewal is longer than the limit"))
    text, logged = renewal.split(files.text)
    said = renewal.parse(text)
    if logged is not None:
        check_log_entry(logged, renewal.leaf_of(text, subject.bundle_id))
    if said.bundle_id != subject.bundle_id or said.sha512 != subject.sha512():
        raise EvidenceInvalid(tr("the renewal belongs to another bundle"))
    return said.covers


def check_log_entry(data: bytes, entry: Leaf) -> None:
    """
    Check that a log proof leads from a leaf to the root of its own checkpoint.

    No signature is needed: the token covers the root, and the root covers the leaf.

    Raises:
        EvidenceInvalid: It does not, or is not a log proof.
    """
    proof = tlog_proof.parse(data)
    head = note.parse_checkpoint(note.parse(proof.checkpoint).text)
    merkle.check_inclusion(entry.hash(), proof.index, head.size, proof.hashes, head.root)


def _check_order(
    token: Token,
    covers: Mapping[str, str],
    rests: TimeBasis,
    held: Mapping[str, RenewalFinding],
    *,
    now: datetime,
    max_skew: timedelta,
) -> None:
    """Raise EvidenceInvalid unless the token was given in time for something that it covers."""
    if token.time > now + max_skew:
        raise EvidenceInvalid(tr("the time of the renewal is in the future"))
    digests = set(covers.values())
    ends = []
    first = rests.covered_by(digests)
    if first is not None:
        since, until = first
        if token.time < since - max_skew:
            raise EvidenceInvalid(
                tr("the renewal is older than the timestamp tokens that the renewal covers")
            )
        ends.append(until)
    for name, earlier in held.items():
        if earlier.until is not None and set(name.split(" ")) <= digests:
            ends.append(earlier.until)
    if not ends:
        raise EvidenceInvalid(
            tr("the renewal does not cover the tokens that prove the time of the bundle")
        )
    if token.time > max(ends):
        raise EvidenceInvalid(
            tr(
                "the renewal was made too late: the certificates of the tokens that the renewal "
                "covers expired at {instant}",
                instant=instant(max(ends)),
            )
        )


def _name(files: RenewalFiles) -> str:
    return f"{renewal.digest(files.text)} {renewal.digest(files.token)}"
