"""
Renew, by a later token, bundles whose timestamp certificates expire soon (docs/spec/renewal.md).

One token over the newest checkpoint of the log renews every bundle that is in the log and
whose time rests on a token inside the bundle. If a bundle's time rests on a late token, or
the bundle was renewed before, the text to be renewed is logged first, so that the same token
renews it too. If the log is not writable here or does not have the bundle, the bundle gets a
token of its own. Nothing is written for a bundle whose certificates have expired, because a
token that comes after that renews nothing.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from snapshotter.app.archive import bundles
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs import renewal
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import SignedCheckpoint
from snapshotter.formats.proofs.rfc3161 import Anchor, check_response
from snapshotter.model.finding import Report, Verdict
from snapshotter.ports import Clock, ObjectStore, TimestampAuthority
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.log import LogEntry, LogReader
from snapshotter.verify.renewal import certificates_end
from snapshotter.verify.sidecars import Sidecars
from snapshotter.verify.trust import Trust

_CHUNK = 1 << 20  # bytes per read


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalResult:
    """The result for one bundle."""

    bundle_id: str
    state: str  # "renewed", "due", "late", "unproven", "failed"
    until: datetime | None = None  # when its certificates end, after what was done
    how: str = ""  # "log" or "bundle": over a checkpoint, or over the bundle alone
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Due:
    bundle_id: str
    key: str
    report: Report
    number: int  # of its next renewal
    until: datetime


class Renewer:
    """
    Renew the bundles of a store.

    Args:
        reader: The log of the store; None: every bundle gets a token of its own.
        authorities: Asked in order until one returns a token that expires later.
        trust: Keys and authorities by which bundles and tokens are verified.
        append: Appends leaves to the log; None: the log is not written here.
    """

    def __init__(
        self,
        store: ObjectStore,
        reader: LogReader | None,
        authorities: Sequence[TimestampAuthority],
        trust: Trust,
        clock: Clock,
        append: Callable[[Sequence[Leaf]], object] | None = None,
    ) -> None:
        self._store = store
        self._reader = reader
        self._authorities = authorities
        self._trust = trust
        self._append = append
        self._clock = clock
        self._stamped: tuple[SignedCheckpoint, bytes, datetime] | None = None

    def run(
        self,
        within: timedelta,
        *,
        only: Sequence[str] = (),
        each: bool = False,
        dry_run: bool = False,
    ) -> Iterator[RenewalResult]:
        """
        Yield the result for each bundle whose certificates expire within that time.

        Args:
            only: Ids of bundles; empty: all of the store.
            each: Request a token for each bundle, over its SHA-512, in case SHA-256 weakens.
            dry_run: Request nothing, and report what is due.

        Raises:
            ServiceUnavailable: No authority returned a token; what was yielded is done.
            SnapshotterError: The store failed.
        """
        due: list[_Due] = []
        for bundle_id in only or bundles.bundle_ids(self._store):
            found = self._looked_at(bundle_id, within)
            if isinstance(found, _Due):
                due.append(found)
            elif found is not None:
                yield found
        if dry_run:
            yield from (
                RenewalResult(bundle_id=bundle.bundle_id, state="due", until=bundle.until)
                for bundle in due
            )
            return
        entries = {} if each else self._entries(due)
        texts = {
            bundle.bundle_id: self._text(bundle)
            for bundle in due
            if bundle.bundle_id in entries
            and (bundle.number > 1 or bundle.report.needs_late_tokens)
        }
        logged = self._logged(texts)
        for bundle in due:
            text = texts.get(bundle.bundle_id, b"")
            entry = logged.get(bundle.bundle_id) if text else entries.get(bundle.bundle_id)
            yield self._by_log(bundle, entry, text) if entry is not None else self._alone(bundle)

    def _looked_at(self, bundle_id: str, within: timedelta) -> _Due | RenewalResult | None:
        key = bundles.find_bundle_key(self._store, bundle_id)
        there = bundles.read_sidecars(self._store, key, "renewal-").renewals
        try:
            with self._store.open(key) as stream:
                report = verify_bundle(
                    stream,
                    self._trust,
                    now=self._clock.now(),
                    sidecars=Sidecars(
                        late_tokens=bundles.read_sidecars(self._store, key, "late-").late_tokens,
                        renewals=there,
                    ),
                )
        except EvidenceInvalid as error:
            return RenewalResult(bundle_id=bundle_id, state="failed", detail=str(error))
        if report.verdict is Verdict.FAILED:
            worst = next(
                finding for finding in report.findings if finding.verdict is Verdict.FAILED
            )
            return RenewalResult(
                bundle_id=bundle_id, state="failed", detail=f"{worst.code} {worst.detail}"
            )
        until = report.proven_until
        if until is None:
            return RenewalResult(
                bundle_id=bundle_id,
                state="unproven",
                detail="no timestamp token from a trusted timestamp authority proves the time of "
                "the bundle",
            )
        now = self._clock.now()
        if until <= now:
            return RenewalResult(
                bundle_id=bundle_id,
                state="late",
                until=until,
                detail=tr(
                    "the certificates for the timestamp tokens of the bundle expired at {instant}",
                    instant=instant(until),
                ),
            )
        if until - now > within:
            return None
        number = self._free_number(key)
        return _Due(bundle_id=bundle_id, key=key, report=report, number=number, until=until)

    def _free_number(self, key: str) -> int:
        taken = {found.key for found in self._store.list(f"{key}.renewal-")}
        for number in range(1, names.MAX_RENEWALS + 1):
            if not taken & {store_keys.sidecar_key(key, kind) for kind in names.renewal(number)}:
                return number
        raise SnapshotterError(
            tr(
                "{key} already has {max_renewals} renewals",
                key=key,
                max_renewals=names.MAX_RENEWALS,
            )
        )

    def _entries(self, due: Sequence[_Due]) -> dict[str, LogEntry]:
        """Return the log entries of the bundles with their present digests."""
        if self._reader is None or not due:
            return {}
        wanted = {bundle.bundle_id: bundle.report.sha256 for bundle in due}
        found: dict[str, LogEntry] = {}
        try:
            signed = self._reader.checkpoint()
        except FileNotFoundError:
            return {}
        for entry in self._reader.entries(0, signed.size):
            leaf = entry.leaf
            if leaf and leaf.kind == "bundle" and wanted.get(leaf.name) == leaf.sha256:
                found.setdefault(leaf.name, entry)
        return found

    def _logged(self, texts: Mapping[str, bytes]) -> dict[str, LogEntry]:
        """Append the texts to be renewed to the log; return their indexes by bundle."""
        if not texts or self._append is None or self._reader is None:
            return {}
        leaves = {path: renewal.leaf_of(text, path) for path, text in texts.items()}
        before = self._reader.checkpoint().size
        self._append(tuple(leaves.values()))
        found: dict[str, LogEntry] = {}
        for entry in self._reader.entries(before, self._reader.checkpoint().size):
            if entry.leaf is not None and leaves.get(entry.leaf.name) == entry.leaf:
                found[entry.leaf.name] = entry
        return found

    def _by_log(self, due: _Due, entry: LogEntry, text: bytes) -> RenewalResult:
        """
        Renew a bundle by the one token over the newest checkpoint.

        Args:
            text: The logged text, if the entry is not the bundle's own.
        """
        if self._reader is None:
            raise RuntimeError("an entry of no log")
        if self._stamped is None or self._stamped[0].size <= entry.index:
            signed = self._reader.checkpoint()
            self._stamped = (signed, *self._stamp(signed.note.encode(), due.until))
        signed, token, until = self._stamped
        if until <= due.until:
            return self._alone(due)
        proof = self._reader.prove(entry, signed)
        self._put(due, renewal.encode_log_renewal(text, proof) if text else proof, token)
        return RenewalResult(bundle_id=due.bundle_id, state="renewed", until=until, how="log")

    def _text(self, due: _Due) -> bytes:
        """Return the text that names a bundle and everything that its time rests on."""
        covers: dict[str, str] = {}
        for found in self._store.list(f"{due.key}."):
            kind = found.key.removeprefix(f"{due.key}.")
            if kind.startswith(("late-", "renewal-")):
                with self._store.open(found.key) as stream:
                    covers[kind] = renewal.digest(stream.read(renewal.MAX_BYTES))
        return renewal.Renewal(
            bundle_id=due.bundle_id, sha512=self._sha512(due), covers=covers
        ).encode()

    def _alone(self, due: _Due) -> RenewalResult:
        """Renew a bundle by a token of its own."""
        text = self._text(due)
        token, until = self._stamp(text, due.until)
        self._put(due, text, token)
        return RenewalResult(bundle_id=due.bundle_id, state="renewed", until=until, how="bundle")

    def _sha512(self, due: _Due) -> str:
        strong, known = hashlib.sha512(), hashlib.sha256()
        with self._store.open(due.key) as stream:
            while chunk := stream.read(_CHUNK):
                strong.update(chunk)
                known.update(chunk)
        if known.hexdigest() != due.report.sha256:
            raise EvidenceInvalid(tr("{key} changed during the renewal", key=due.key))
        return strong.hexdigest()

    def _stamp(self, message: bytes, longer_than: datetime) -> tuple[bytes, datetime]:
        """Return the first token that expires later, and when its certificates expire."""
        silent: list[str] = []
        for authority in self._authorities:
            try:
                response, _ = authority.stamp(message)
            except ServiceUnavailable as error:
                silent.append(error.message)
                continue
            until = self._end_of(response, message, authority.name)
            if until is not None and until > longer_than:
                return response, until
            silent.append(
                tr(
                    "the certificates of {name} do not expire later than the certificates of "
                    "the existing tokens",
                    name=authority.name,
                )
            )
        raise ServiceUnavailable(
            tr("no timestamp authority issued a token whose certificates expire later: ")
            + ("; ".join(silent) or tr("none is configured")),
            hint=tr(
                "configure a timestamp authority with newer certificates: "
                "docs/howto/timestamp-authorities.md"
            ),
        )

    def _end_of(self, response: bytes, message: bytes, name: str) -> datetime | None:
        anchors: list[Anchor] = [
            anchor for anchor in self._trust.authorities if anchor.name == name
        ]
        for anchor in anchors or self._trust.authorities:
            try:
                return certificates_end(anchor, check_response(response, message, anchor))
            except EvidenceInvalid:
                continue
        return None  # by nobody who is trusted here

    def _put(self, due: _Due, text: bytes, token: bytes) -> None:
        """Write both files; a text without its token is no renewal, and its number stays used."""
        for kind, data in zip(names.renewal(due.number), (text, token), strict=True):
            key = store_keys.sidecar_key(due.key, kind)
            self._store.put_new(key, data, hashlib.sha256(data).hexdigest())
