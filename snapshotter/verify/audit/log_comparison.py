"""
Compare a store with its log, in both directions, and add a finding for every difference.

What the log names must be in the store, and what is in the store must be in the log, with the same
bytes. That covers bundles, sidecars, reports of audits and the trust file. No bundle is read here:
the facts come from `bundle_reader.py` and the history from `log_history.py`.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.formats.proofs import leaf
from snapshotter.formats.signatures import keys, signed_statement
from snapshotter.formats.statements import quarantine, tombstone
from snapshotter.model.audit import AuditCode, AuditFinding, Severity, TreeHead
from snapshotter.translation import tr
from snapshotter.verify.audit import replica_custody
from snapshotter.verify.audit.bundle_reader import sha256_of
from snapshotter.verify.audit.log_history import FoundCheckpoint, LogHistory
from snapshotter.verify.audit.object_reader import (
    ObjectAbsent,
    ObjectReader,
    ObjectUnreadable,
    custody_of,
    unreadable_error,
)
from snapshotter.verify.audit.rules import AuditRules
from snapshotter.verify.audit.second_look import SecondLook
from snapshotter.verify.audit.sidecar_facts import (
    RECORD_CLAIM,
    BundleFacts,
    judge_tombstone,
    key_counts,
    shortened,
)
from snapshotter.verify.audit.workspace import AuditDatabase, ListedObject, StoredLogEntry
from snapshotter.verify.trust import MAX_SIGNATURE_BYTES, Trust

_MAX_REPORT = 64 << 20  # bytes; one has some hundred kilobytes
_MOST_SIDECARS = 5_000  # of the custody of one erased bundle that are read

_FAILED, _UNCLEAR, _NOTE = Severity.FAILED, Severity.INDETERMINATE, Severity.NOTE


class LogComparison:
    """
    Add findings about differences between a store and its log.

    Args:
        remembered: The number of log entries that an earlier audit saw.
        add_finding: Called with each finding.
    """

    def __init__(
        self,
        objects: ObjectReader,
        workspace: AuditDatabase,
        history: LogHistory,
        rules: AuditRules,
        trust: Trust,
        *,
        remembered: int,
        add_finding: Callable[[AuditFinding], None],
    ) -> None:
        self._objects = objects
        self._second_look = SecondLook(objects, workspace)
        self._workspace = workspace
        self._history = history
        self._rules = rules
        self._trust = trust
        self._remembered = remembered
        self._add_finding = add_finding

    def settle(self, step: Callable[[int], None]) -> None:
        """Look again for everything that may be gone; add findings for what is."""
        self._second_look.settle(
            lambda code, key, detail: self._say(code, _FAILED, key, detail),
            {"erased": self._erased},
            step,
        )

    # One bundle that was read.

    def bundle(self, listed: ListedObject, facts: BundleFacts) -> None:
        """Compare the facts of a bundle with the log."""
        entries = self._workspace.entries(leaf.BUNDLE, listed.bundle)
        self._bytes(listed, facts, entries)
        as_logged = not entries or entries[0].sha256 == facts["sha256"]
        for code, severity, detail in facts["problems"]:
            if code == AuditCode.PROOF_BROKEN and not as_logged:
                continue  # it is the bundle that changed, and that was told
            self._say(AuditCode(code), Severity(severity), listed.key, detail)
        for claim in facts["claims"]:
            self._history.judge(
                FoundCheckpoint(
                    where=listed.key,
                    what=claim["what"],
                    origin=claim["origin"],
                    head=TreeHead(size=claim["size"], root=claim["root"]),
                    signed=claim["signed"],
                    witnesses=tuple(claim["witnesses"]),
                )
            )
        if facts["bundle_id"] == listed.bundle:
            self._order(listed, facts, entries)
        self._renewal(listed, facts)
        erased = self._workspace.entries(leaf.TOMBSTONE, listed.bundle)
        if facts["tombstone"] is not None or erased:
            self._say(
                AuditCode.RETURNED,
                _UNCLEAR,
                listed.key,
                tr(
                    "a tombstone or the log states that the bundle was erased, but the "
                    "bundle exists"
                ),
            )

    def _bytes(
        self, listed: ListedObject, facts: BundleFacts, entries: tuple[StoredLogEntry, ...]
    ) -> None:
        key, sentence = listed.key, "; ".join(facts["failed"])
        as_logged = bool(entries) and entries[0].sha256 == facts["sha256"]  # the first counts
        if facts["bundle_id"] not in ("", listed.bundle):
            self._say(
                AuditCode.REPLACED,
                _FAILED,
                key,
                tr(
                    "the id in the bundle differs from the name of the bundle; id in the bundle: "
                    "{facts}",
                    facts=facts["bundle_id"],
                ),
            )
        elif entries and not as_logged:
            if facts["altered"]:
                self._say(
                    AuditCode.ALTERED,
                    _FAILED,
                    key,
                    tr(
                        "the SHA-256 of the bundle differs from the SHA-256 in the log; {sentence}",
                        sentence=sentence,
                    ),
                )
            else:
                self._say(
                    AuditCode.REPLACED,
                    _FAILED,
                    key,
                    tr(
                        "the bundle shows no sign of a change after sealing, but the log lists "
                        "another SHA-256 under the name of the bundle; SHA-256 of the bundle: "
                        "{facts}, SHA-256 in the log: {sha256}",
                        facts=facts["sha256"],
                        sha256=entries[0].sha256,
                    ),
                )
        elif facts["failed"]:
            if facts["altered"] and not as_logged:
                self._say(AuditCode.ALTERED, _FAILED, key, sentence)
            elif not facts["altered"] and facts["unread"]:
                self._without_all(key, facts["failed"], facts["unread"])
            elif not facts["altered"]:
                self._second_look.suspect_unlisted(AuditCode.INVALID, key, sentence, listed.bundle)
            else:
                self._say(AuditCode.INVALID, _FAILED, key, sentence)
        if facts["unclear"] and not facts["failed"]:
            if facts["unread"]:
                self._without_all(key, facts["unclear"], facts["unread"])
            else:
                self._say(AuditCode.UNPROVEN, _UNCLEAR, key, "; ".join(facts["unclear"]))

    def _without_all(self, key: str, found: list[str], unread: dict[str, bool]) -> None:
        """Add a finding for what a bundle lacks, if an unreadable sidecar may contain it."""
        names = ", ".join(sorted(unread))
        words = tr(
            "some sidecars cannot be read ({names}), so these results are not established: {found}",
            names=names,
            found="; ".join(found),
        )
        self._add_finding(
            AuditFinding(
                code=AuditCode.UNPROVEN,
                severity=_UNCLEAR,
                key=key,
                detail=shortened(words),
                retry=all(unread.values()),
            )
        )

    def _order(
        self, listed: ListedObject, facts: BundleFacts, entries: tuple[StoredLogEntry, ...]
    ) -> None:
        """Check that the checkpoint in a record is older than the capture."""
        for claim in facts["claims"]:
            if claim["what"] != RECORD_CLAIM or claim["origin"] != self._history.origin:
                continue
            if entries and entries[0].number < claim["size"]:
                self._say(
                    AuditCode.BACKDATED,
                    _FAILED,
                    listed.key,
                    tr(
                        "the capture record quotes a log checkpoint of {claim} entries, which "
                        "already contains the bundle itself as entry {number}",
                        claim=claim["size"],
                        number=entries[0].number,
                    ),
                )
                continue
            newest = self._workspace.newest_before(min(claim["size"], self._history.size))
            at = _second(newest)
            if at is not None and at > _time_of(listed) + self._rules.skew:
                # One of two clocks is wrong, and which one is not known from here.
                self._say(
                    AuditCode.BACKDATED,
                    _NOTE,
                    listed.key,
                    tr(
                        "the capture record quotes a log checkpoint that contains the bundle "
                        "{newest}, but the time in the id {newest} is later than the time in the "
                        "id of this bundle",
                        newest=newest,
                    ),
                )

    def _renewal(self, listed: ListedObject, facts: BundleFacts) -> None:
        ends = parse_instant(facts["proven_until"]) if facts["proven_until"] else None
        is_due = ends is None or ends - self._rules.now <= self._rules.renewal_within
        self._logged_renewal(listed, facts, is_due=is_due)
        if ends is not None and is_due:
            self._say(
                AuditCode.RENEWAL_DUE,
                _NOTE,
                listed.key,
                tr(
                    "the certificate behind the proven time of the bundle expires at {instant}",
                    instant=instant(ends),
                ),
            )

    def _logged_renewal(self, listed: ListedObject, facts: BundleFacts, *, is_due: bool) -> None:
        """
        Add a finding if the newest renewal that the log names is not beside its bundle.

        Never FAILED: the writer logs a renewal first, and may still be running or have died.
        INDETERMINATE if the bundle needs the renewal and an earlier audit saw the entry.
        """
        entries = self._workspace.entries(leaf.RENEWAL, listed.bundle)
        is_unread = any(name.startswith("renewal-") for name in facts["unread"])
        if not entries or entries[-1].sha256 in facts["renewals"] or is_unread:
            return
        newest = entries[-1]
        is_old = newest.number < self._remembered
        self._say(
            AuditCode.RENEWAL_GONE,
            _UNCLEAR if is_due and is_old else _NOTE,
            listed.key,
            tr(
                "entry {number} of the log lists a renewal of this bundle, but the renewal is "
                "missing",
                number=newest.number,
            ),
        )

    # The store against the log.

    def unlogged(self) -> None:
        """Add findings for bundles that the log does not name."""
        if self._history.head is None or self._history.is_unreadable:
            return  # no log, or not all of it: that was told once, and not for each bundle
        for listed in self._workspace.unlogged():
            at = _time_of(listed)
            age = self._rules.now - at
            if age < -self._rules.skew:
                self._say(
                    AuditCode.UNLOGGED,
                    _FAILED,
                    listed.key,
                    tr(
                        "the bundle is not in the log, and the time in the name of the bundle is "
                        "in the future: {instant}",
                        instant=instant(at),
                    ),
                )
            elif age <= self._rules.grace:
                self._say(
                    AuditCode.WAITING,
                    _NOTE,
                    listed.key,
                    tr(
                        "the bundle was captured at {instant} and is not in the log yet",
                        instant=instant(at),
                    ),
                )
            else:
                missing = (
                    "" if self._history.is_read else tr(" (a part of the log could not be read)")
                )
                self._say(
                    AuditCode.UNLOGGED,
                    _UNCLEAR,
                    listed.key,
                    tr(
                        "the name of the bundle contains the time {instant}, but the bundle is "
                        "not in the log{missing}: the log does not prove that the bundle existed "
                        "at that time",
                        instant=instant(at),
                        missing=missing,
                    ),
                )

    def judge_surplus_sidecars(self) -> None:
        """Add findings for sidecars that belong to no bundle of the store or the log."""
        for listed in self._workspace.without_bundle():
            if not self._workspace.entries(leaf.BUNDLE, listed.bundle):
                stone = store_keys.sidecar_key(store_keys.bundle_key(listed.bundle), tombstone.KIND)
                what = tr("does not exist")  # of a copy without a log nothing more is known
                if self._workspace.has_object(stone):
                    what = tr("was erased, as its tombstone states")
                elif self._history.head is not None:
                    what = tr("is neither in this store nor in the log")
                self._say(
                    AuditCode.SURPLUS,
                    _NOTE,
                    listed.key,
                    tr("the sidecar belongs to a bundle that {what}", what=what),
                )

    def judge_unknown_object(self, listed: ListedObject) -> None:
        """Add a finding for an object among the bundles that is none, or of unknown kind."""
        what = tr("of an unknown kind") if listed.bundle else tr("neither a bundle nor a sidecar")
        self._say(AuditCode.SURPLUS, _NOTE, listed.key, tr("the object is {what}", what=what))

    # What else the log names.

    def reports(self) -> None:
        """Add findings for reports of earlier audits that are missing or changed."""
        for entry in self._workspace.entries_of(leaf.REPORT):
            try:
                key = store_keys.report_key(entry.name)
            except ValueError:
                continue  # of a form that is not ours
            try:
                there, document = self._read_report(key, entry.sha256)
            except ObjectAbsent:
                words = tr("entry {number} of the log lists this audit report", number=entry.number)
                self._second_look.suspect(AuditCode.DELETED, key, words)
                continue
            except ObjectUnreadable as error:
                self._objects.unreadable(key, str(error), retry=error.retry)
                continue
            if there != entry.sha256:
                self._say(
                    AuditCode.ALTERED,
                    _FAILED,
                    key,
                    tr("the SHA-256 of the audit report differs from the SHA-256 in the log"),
                )
                continue
            self._report_signature(f"{key}.sig", document)

    def _read_report(self, key: str, sha256: str) -> tuple[str, bytes]:
        """Return the digest of a report, and its bytes if it is the expected one."""
        with self._objects.opened(key) as stream:
            try:
                there = sha256_of(stream, limit=_MAX_REPORT)
                stream.seek(0)
                document = stream.read(_MAX_REPORT) if there == sha256 else b""
            except (SnapshotterError, OSError) as error:
                raise unreadable_error(self._objects.store, error) from error
        self._objects.mark_read(key)
        return there, document

    def _report_signature(self, key: str, document: bytes) -> None:
        """Add a finding for a report's signature that is missing (it is put first) or invalid."""
        try:
            signature = self._objects.read(key, MAX_SIGNATURE_BYTES)
        except ObjectAbsent:
            self._second_look.suspect(
                AuditCode.DELETED, key, tr("the signature of the audit report is missing")
            )
            return
        except ObjectUnreadable as error:
            self._objects.unreadable(key, str(error), retry=error.retry)
            return
        with contextlib.suppress(EvidenceInvalid):  # another program's report may be no JSON
            value = canonical_json.loads(document)
            signer = value.get("signer") if isinstance(value, dict) else None
            known = self._trust.key(signer) if isinstance(signer, str) else None
            if known and not keys.verify_signature(known.public_key, signature, document):
                words = tr(
                    "the signature of the audit report is not valid for the key that the report "
                    "names as its signer"
                )
                self._say(AuditCode.ALTERED, _FAILED, key, words)

    def trust_file(self) -> None:
        """Add a finding if the log names a later or different trust file than this audit uses."""
        newest, digest = 0, ""
        for entry in self._workspace.entries_of(leaf.TRUST):
            # Of another root, versions begin anew: the last one counts.
            newest, digest = int(entry.name), entry.sha256
        if newest == self._trust.version and digest != self._trust.sha256:
            self._say(
                AuditCode.OLDER_TRUST,
                _UNCLEAR,
                "",
                tr(
                    "the log lists another trust file with the same version {newest} as the "
                    "trust file of this audit; SHA-256 in the log: {digest}, SHA-256 of the "
                    "trust file of this audit: {sha256}",
                    newest=newest,
                    digest=digest,
                    sha256=self._trust.sha256,
                ),
            )
        if self._trust.version is not None and newest > self._trust.version:
            self._say(
                AuditCode.OLDER_TRUST,
                _UNCLEAR,
                "",
                tr(
                    "the log lists version {newest} of the trust file, but this audit uses the "
                    "older version {version}",
                    newest=newest,
                    version=self._trust.version,
                ),
            )

    # The log against the store.

    def gone(self) -> Iterator[str]:
        """
        Look for the bundles that the log names and the listing does not show.

        Each is read by its key. Existing ones are yielded by their keys, and the others are
        looked for again in `settle`.
        """
        for entry in self._workspace.gone():
            key = self._key_of(entry)
            if key is None:
                self._say(
                    AuditCode.LOG_BROKEN,
                    _FAILED,
                    f"entry {entry.number}",
                    tr(
                        "the log entry lists a bundle whose id contains an invalid date: {name}",
                        name=entry.name,
                    ),
                )
            elif self._looked_for(entry, key):
                yield key

    def judge_missing_since(self, known: int) -> None:
        """Look for bundles that were logged while this audit ran."""
        for entry in self._workspace.gone():
            key = self._key_of(entry)
            if entry.number >= known and key is not None:
                self._looked_for(entry, key)

    def _looked_for(self, entry: StoredLogEntry, key: str) -> bool:
        """Whether the store has a bundle; add a finding if unknown, or schedule a second look."""
        try:
            self._objects.opened(key).close()
        except ObjectAbsent:
            self._missing(entry.name, key, entry.sha256, _named(entry))
            return False
        except ObjectUnreadable as error:
            self._objects.unreadable(key, str(error), retry=error.retry)
            return False
        return True

    def judge_missing_after_listing(self, listed: ListedObject, why: str) -> None:
        """Handle a bundle that was listed and not found when it was read."""
        entries = self._workspace.entries(leaf.BUNDLE, listed.bundle)
        if entries:
            self._missing(listed.bundle, listed.key, entries[0].sha256, _named(entries[0]))
        else:
            self._objects.unreadable(
                listed.key,
                tr("the store lists the object, but the object could not be read: {why}", why=why),
                retry=True,
            )

    def _key_of(self, entry: StoredLogEntry) -> str | None:
        try:
            return store_keys.bundle_key(entry.name)
        except ValueError:
            return None  # digits that are no second of any day

    def judge_missing_by_receipt(self, bundle_id: str, key: str, sha256: str) -> None:
        """Handle a bundle with a receipt of this machine that is neither listed nor logged."""
        try:
            self._objects.opened(key).close()
        except ObjectAbsent:
            self._missing(
                bundle_id,
                key,
                sha256,
                tr("a receipt on this machine shows that the store received the bundle"),
            )
        except ObjectUnreadable as error:
            self._objects.unreadable(key, str(error), retry=error.retry)

    def _missing(self, bundle_id: str, key: str, sha256: str, said: str) -> None:
        """Confirm that a bundle is missing, and check whether it was erased by order."""
        stone = store_keys.sidecar_key(key, tombstone.KIND)
        try:
            self._objects.read(stone, signed_statement.MAX_BYTES)
        except ObjectAbsent:
            if self._workspace.entries(leaf.TOMBSTONE, bundle_id):
                said += "; the tombstone that the log lists does not exist either"
            elif self._is_quarantined(bundle_id, key, sha256):
                return
            self._second_look.suspect(AuditCode.DELETED, key, said, keys=(key, stone))
        except ObjectUnreadable as error:
            words = tr(
                "{said}, but the store does not have the bundle; it is not established "
                "whether the bundle was erased by order: {error}",
                said=said,
                error=error,
            )
            name = stone if self._workspace.read_in(stone) else key  # which of them was read once
            self._objects.unreadable(key, words, retry=error.retry, name=name)
        else:
            about = (bundle_id, key, sha256, said)
            self._second_look.suspect(AuditCode.DELETED, key, said, then="erased", about=about)

    def _is_quarantined(self, bundle_id: str, key: str, sha256: str) -> bool:
        """
        Add a finding if a logged notice by a trusted key explains that a copy lacks a bundle.

        Return False if there is none: the bundle counts as missing.
        """
        records = []
        for listed in self._objects.list(f"{key}.quarantine-"):
            sequence = quarantine.sequence_of(listed.key.removeprefix(f"{key}."))
            if sequence is None:
                continue
            try:
                records.append(
                    (sequence, self._objects.read(listed.key, signed_statement.MAX_BYTES))
                )
            except (ObjectAbsent, ObjectUnreadable):
                return False
        found = quarantine.read(bundle_id, records, partial(key_counts, self._trust))
        active = found.active
        if active is None or found.problems or not key_counts(self._trust, active.key_id):
            return False
        logged = {entry.sha256 for entry in self._workspace.entries(leaf.QUARANTINE, bundle_id)}
        if active.notice_sha256 not in logged or active.sha256 != sha256:
            return False
        self._say(
            AuditCode.QUARANTINED,
            _UNCLEAR,
            key,
            tr(
                "the store does not have the bundle, and a notice states that the bundle is in "
                "quarantine since {at}: {reason}",
                at=instant(active.at),
                reason=shortened(active.reason),
            ),
        )
        return True

    def _erased(self, bundle_id: str, key: str, sha256: str, said: str) -> None:
        """Handle a missing bundle with a tombstone."""
        said += ", but the store does not have the bundle"
        orders = self._workspace.entries(leaf.TOMBSTONE, bundle_id)
        stone = store_keys.sidecar_key(key, tombstone.KIND)
        try:
            data = self._objects.read(stone, signed_statement.MAX_BYTES)
        except (ObjectAbsent, ObjectUnreadable) as error:
            retry = not isinstance(error, ObjectUnreadable) or error.retry
            self._objects.unreadable(
                key,
                tr(
                    "{said}; the tombstone of the bundle cannot be read: {error}",
                    said=said,
                    error=error,
                ),
                retry=retry,
            )
            return
        found = judge_tombstone(data, bundle_id, self._trust) or {
            "broken": tr("is not a tombstone")
        }
        if "broken" in found:
            self._say(AuditCode.DELETED, _FAILED, key, f"{said}: its tombstone {found['broken']}")
        elif found["sha256"] not in ("", sha256):
            self._say(
                AuditCode.DELETED,
                _FAILED,
                key,
                tr(
                    "{said}; the tombstone states another SHA-256 for the bundle than the log "
                    "entry or the receipt of the bundle",
                    said=said,
                ),
            )
        elif any(entry.sha256 == hashlib.sha256(data).hexdigest() for entry in orders):
            if found["trusted"]:
                self._say(
                    AuditCode.ERASED_BY_ORDER, _NOTE, key, f"at {found['at']}: {found['order']}"
                )
            else:
                self._say(
                    AuditCode.DELETED,
                    _UNCLEAR,
                    key,
                    tr(
                        "a tombstone states that the bundle was erased, but you do not trust the "
                        "key {found} that signed the tombstone: the key is unknown or was "
                        "compromised",
                        found=found["key_id"],
                    ),
                )
            self._kept_custody(bundle_id, key)
        elif self._history.is_unreadable:
            words = tr(
                "{said}; it is not established whether the tombstone of the bundle is in the log",
                said=said,
            )
            self._say(AuditCode.DELETED, _UNCLEAR, key, words)
        else:
            # The log names no such tombstone: its writer died before it could, or it is forged.
            self._say(
                AuditCode.DELETED,
                _UNCLEAR if found["trusted"] else _FAILED,
                key,
                tr("{said}; the tombstone of the bundle is not in the log", said=said),
            )

    def _kept_custody(self, bundle_id: str, key: str) -> None:
        """Check that the custody chain of an erased bundle is kept up to the last logged head."""
        logged = {
            entry.sha256: entry.number for entry in self._workspace.entries(leaf.CUSTODY, bundle_id)
        }
        sidecars: list[tuple[int, bytes]] = []
        count = 0
        for listed in self._workspace.sidecars(bundle_id):
            number = custody_sidecars.number_of(listed.kind)
            if number is None or count == _MOST_SIDECARS:
                continue
            count += 1
            try:
                data = self._objects.read(listed.key, custody_sidecars.MAX_BYTES)
                sidecars.append((number, data))
            except (ObjectAbsent, ObjectUnreadable) as error:
                retry = not isinstance(error, ObjectUnreadable) or error.retry
                self._objects.unreadable(listed.key, str(error), retry=retry)
                return  # what it links is not known
        chain = custody_sidecars.check(None, sidecars)
        there = {link.head for link in chain.events}
        missing = {head: number for head, number in logged.items() if head not in there}
        prefix = store_keys.carried_prefix(bundle_id)
        if missing:
            known = replica_custody.copy_heads(chain.events, _named_first(sidecars))
            try:
                elsewhere = replica_custody.replica_events(
                    self._objects.store, bundle_id, there, known
                )
            except ObjectUnreadable as error:
                self._objects.unreadable(
                    prefix, str(error), retry=error.retry, name=custody_of(key)
                )
                return
            missing = {head: number for head, number in missing.items() if head not in elsewhere}
        # One head may be that of the chain inside the bundle, which went with it: what
        # comes first names it. Where nothing comes, its eraser may have died before it wrote.
        missing.pop(_named_first(sidecars), None)
        if not missing:
            self._objects.mark_read(custody_of(key))
        else:
            words = tr(
                "the bundle was erased, and entry {min} of the log lists a custody event that is "
                "missing from the remaining sidecars",
                min=min(missing.values()),
            )
            if sidecars or len(missing) > 1:
                self._second_look.suspect_custody(key, words, {number for number, _ in sidecars})
            else:
                self._say(AuditCode.CUSTODY_BROKEN, _UNCLEAR, key, words)
        if chain.problems:
            self._say(
                AuditCode.CUSTODY_BROKEN,
                _UNCLEAR,
                key,
                tr(
                    "the bundle was erased, and the custody chain of the bundle is broken: "
                    "{shortened}",
                    shortened=shortened(chain.problems[0]),
                ),
            )

    def _say(self, code: AuditCode, severity: Severity, key: str, detail: str) -> None:
        self._add_finding(AuditFinding(code=code, severity=severity, key=key, detail=detail))


def _named_first(sidecars: Iterable[tuple[int, bytes]]) -> str:
    """Return the digest that the first custody sidecar names as its predecessor; "" if none."""
    for number, data in sidecars:
        if number == 1:
            with contextlib.suppress(EvidenceInvalid):
                return custody_sidecars.first_previous(data)
    return ""


def _second(bundle_id: str) -> datetime | None:
    """Return the time at the beginning of a log entry; None for invalid digits."""
    try:
        return store_keys.bundle_time(bundle_id)
    except ValueError:
        return None


def _time_of(listed: ListedObject) -> datetime:
    return store_keys.bundle_time(listed.bundle)


def _named(entry: StoredLogEntry) -> str:
    return tr("entry {number} of the log lists the bundle", number=entry.number)
